"""Reads the record for messages: what a card, a digest, a summary or the App Home is drawn from. Nothing here writes."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from credit_review.authority import Matrix, judge
from credit_review.fx import MissingRate, RateTable
from credit_review.limits.own_risk import own_risk_if_used
from credit_review.messages.card import REASON_CODES, View, condition_in_words
from credit_review.messages.digest import Sizes
from credit_review.messages.home import Home
from credit_review.messages.owner_news import News
from credit_review.messages.requests import Asked
from credit_review.messages.summary import Moved, ReviewSummary
from credit_review.model.money import Money, to_minor
from credit_review.model.records import (
    Addressee,
    ApprovalCondition,
    AuditRow,
    Decision,
    Delegation,
    LimitAccount,
    LimitChange,
    Proposal,
    Review,
)
from credit_review.model.states import (
    Assurance,
    ConditionState,
    ProposalState,
    ReasonCode,
    ReviewKind,
    ReviewState,
    Right,
    Verdict,
)
from credit_review.ports import UnitOfWork
from credit_review.review.committee import live_sitting, when_decided
from credit_review.review.conditions import confirmers, open_conditions, to_confirm
from credit_review.review.directory import delegations_over, delegations_to_come, persons
from credit_review.review.inbox import asked_of, awaiting, judged, put_before_me
from credit_review.review.owners import behind_change
from credit_review.review.personal import absences_of, conflicts_of, has_right, reader
from credit_review.review.request import is_request, refusal_of
from credit_review.review.standing import gather, matrix_in_force, policy_in_force, rates_to
from credit_review.words import Words, listed, said

_DECISIONS = ("decision.approve", "decision.reject", "decision.return", "decision.counter")
_SHOWN = 50
_REQUESTS = 8
_OVER = {ProposalState.APPLIED, ProposalState.REJECTED, ProposalState.EXPIRED, ProposalState.SUPERSEDED}
"""States of a request that waits for nobody; of a superseded proposal its successor says how it stands."""


@dataclass(frozen=True, slots=True)
class Company:
    """How the company reads where a person chose nothing."""

    words: Words

    def reader(self, uow: UnitOfWork, person_id: str, now: datetime) -> Words:
        """How a person reads."""
        return reader(uow, person_id, self.words, on=now.astimezone(self.words.zone).date(), known_at=now)


def names_in(uow: UnitOfWork, now: datetime) -> dict[str, str]:
    """Names of everybody in the directory, by id."""
    return {p.person_id: p.name for p in persons(uow, on=now.date(), known_at=now)}


def customer_name(proposal: Proposal) -> str:
    """The customer's name as the packet has it."""
    return str(json.loads(proposal.packet_json)["customer_name"])


def view_of(uow: UnitOfWork, proposal_id: str, company: Company, now: datetime, *, reader_id: str = "") -> View:
    """Everything a proposal's card is drawn from, for one reader (none: a channel). Raises Refused when it cannot be judged."""
    matrix = matrix_in_force(uow, now)
    standing = gather(uow, proposal_id, matrix, now, zone=company.words.zone)
    judgement = judge(standing, matrix, now)
    asked = uow.find(Addressee, proposal_id=proposal_id, person_id=reader_id) if reader_id else []
    old = standing.proposal.supersedes_id
    before = uow.get(Proposal, proposal_id=old) if old else None
    offers = uow.find(Decision, proposal_id=old, verdict=Verdict.COUNTER) if old else []
    conditions = uow.find(ApprovalCondition, proposal_id=proposal_id, order_by=("due", "condition_id"))
    today = now.astimezone(company.words.zone).date()
    return View(
        standing=standing,
        judgement=judgement,
        words=company.reader(uow, reader_id, now),
        assurance=matrix.assurance(judgement.tier),
        names=names_in(uow, now),
        reader=reader_id,
        why_asked=asked[0].why if asked else "",
        conditions=conditions,
        confirmers=confirmers(uow, standing.proposal, matrix, today=today, now=now) if conditions else (),
        successor=_successor(uow, standing.proposal, matrix, company, now),
        entries=_entries(uow, proposal_id, standing.decisions),
        begins=begins_of(uow, [proposal_id]).get(proposal_id),
        collective=_collective(uow, matrix, judgement.committee),
        offer=offers[0] if offers else None,
        before=json.loads(before.packet_json) if before and before.review_id == standing.proposal.review_id else None,
    )


def _collective(uow: UnitOfWork, matrix: Matrix, name: str) -> str:
    """That a committee decides it, and when; empty where none does."""
    committee = matrix.committee(name)
    return when_decided(committee, live_sitting(uow, name)) if committee else ""


def _successor(
    uow: UnitOfWork, proposal: Proposal, matrix: Matrix, company: Company, now: datetime
) -> tuple[Proposal, Sequence[str]] | None:
    """What a proposal was replaced by, and who may decide that."""
    if proposal.state != ProposalState.SUPERSEDED:
        return None
    found = uow.find(Proposal, supersedes_id=proposal.proposal_id)
    if not found:
        return None
    judgements = [j for _, j in judged(uow, found[:1], matrix, now, zone=company.words.zone)]
    return found[0], judgements[0].who_may if judgements else ()


def begins_of(uow: UnitOfWork, proposal_ids: Sequence[str]) -> dict[str, date]:
    """From which day each of the proposals that are applied holds."""
    changes = uow.find(LimitChange, proposal_id=list(proposal_ids)) if proposal_ids else []
    return {change.proposal_id: change.effective_from for change in changes if change.proposal_id}


def news_of(uow: UnitOfWork, proposal_ids: Sequence[str], change_ids: Sequence[str]) -> list[News]:
    """What these proposals came to, and what these changes (of no proposal that ended) are."""
    ended = uow.find(Proposal, proposal_id=list(proposal_ids)) if proposal_ids else []
    made = {c.proposal_id: c for c in (uow.find(LimitChange, proposal_id=list(proposal_ids)) if proposal_ids else [])}
    alone = uow.find(LimitChange, change_id=list(change_ids)) if change_ids else []
    ids = sorted({*(p.account_id for p in ended), *(c.account_id for c in alone)})
    accounts = {a.account_id: a for a in uow.find(LimitAccount, account_id=ids)} if ids else {}
    found = [_news(accounts[p.account_id], p, made.get(p.proposal_id), customer_name(p)) for p in ended]
    for change in alone:
        account = accounts[change.account_id]
        behind = behind_change(uow, change)
        mine = behind if behind is not None and behind.proposal_id == change.proposal_id else None
        found.append(_news(account, mine, change, customer_name(behind) if behind else account.subject_id))
    return found


def _news(account: LimitAccount, proposal: Proposal | None, change: LimitChange | None, name: str) -> News:
    return News(name=name or account.subject_id, currency=account.currency, layer=account.layer, proposal=proposal, change=change)


def _entries(uow: UnitOfWork, proposal_id: str, decisions: Sequence[Decision]) -> Mapping[str, AuditRow]:
    """The log's entries of a proposal's decisions, by approver."""
    if not decisions:
        return {}
    rows = uow.find(AuditRow, entity=f"proposal:{proposal_id}", action=_DECISIONS, order_by=("seq",))
    return {row.actor.removeprefix("person:"): row for row in rows}


@dataclass(frozen=True, slots=True)
class _Control:
    """Turns sums into control currency; what has no rate on record stays as it is."""

    currency: str
    rates: RateTable
    today: date

    @classmethod
    def read(cls, uow: UnitOfWork, currencies: Iterable[str], company: Company, now: datetime) -> _Control:
        """With the rates of today, in the company's time zone, for these currencies; one without a rate stays without."""
        control, today = matrix_in_force(uow, now).control_currency, now.astimezone(company.words.zone).date()
        return cls(control, rates_to(uow, set(currencies) - {control}, control, today, now), today)

    def of(self, minor: int, currency: str) -> Money:
        """The amount in control currency, or as it is."""
        try:
            converted = self.rates.convert(minor, base=currency, quote=self.currency, on=self.today)
        except MissingRate:
            return Money(minor, currency)
        return Money(converted.minor, self.currency)


def sizes_of(uow: UnitOfWork, proposals: Sequence[Proposal], company: Company, now: datetime) -> Sizes:
    """How much each proposal is about, in control currency."""
    control = _Control.read(uow, (p.currency for p in proposals), company, now)
    found = {p.proposal_id: control.of(max(p.from_minor or 0, p.to_minor), p.currency) for p in proposals}
    return Sizes(control.currency, {i: size.minor for i, size in found.items() if size.currency == control.currency})


def summary_of(uow: UnitOfWork, review_id: str, company: Company, now: datetime, *, reader_id: str = "") -> ReviewSummary:
    """A review's proposals added up in control currency; superseded ones are counted by their successors."""
    review = uow.get(Review, review_id=review_id)
    by = ("proposal_id", "currency", "direction", "state", "straight_through_rule")
    totals = ("from_minor", "to_minor", "exposure_minor", "own_risk_minor")
    rows = [r for r in uow.tally(Proposal, by=by, total=totals, review_id=review_id) if r[3] != ProposalState.SUPERSEDED]
    automatic = [r for r in rows if r[4] and r[3] in (ProposalState.APPROVED, ProposalState.APPLIED)]
    control = _Control.read(uow, {r[1] for r in rows}, company, now)
    largest = _largest(rows, control)
    found = {p.proposal_id: p for p in uow.find(Proposal, proposal_id=largest)} if largest else {}
    return ReviewSummary(
        label=review.label if review else review_id,
        as_of=review.as_of if review else None,
        moved=_moved(rows, control),
        by_rule=_moved(automatic, control),
        own_risk=_own_risk(rows, control),
        largest=[(found[i], customer_name(found[i])) for i in largest],
        waits_for_reader=len(put_before_me(uow, reader_id, review_id)) if reader_id else None,
        waiting=sum(r[3] == ProposalState.PENDING for r in rows),
    )


def _largest(rows: Sequence[tuple[Any, ...]], control: _Control) -> list[str]:
    """Ids of the ten whose limit moves most, compared in control currency; those without a rate first."""
    sized = [(control.of(abs(r[7] - r[6]), r[1]), r[0]) for r in rows]
    return [i for _, i in sorted(sized, key=lambda s: (s[0].currency == control.currency, -s[0].minor, s[1]))[:10]]


def _moved(rows: Sequence[tuple[Any, ...]], control: _Control) -> list[Moved]:
    """Rows (id, currency, direction, state, rule, count, from, to, ...) added up by direction, each currency's sum converted once."""
    sums: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0, 0])
    for row in rows:
        for n, value in enumerate((1, row[6], row[7])):
            sums[row[2], row[1]][n] += value
    found: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0, 0])
    for (direction, currency), (count, before, after) in sums.items():
        old, new = control.of(before, currency), control.of(after, currency)
        for n, value in enumerate((count, old.minor, new.minor)):
            found[direction, new.currency][n] += value
    return [Moved(currency=c, direction=d, count=v[0], before_minor=v[1], after_minor=v[2]) for (d, c), v in sorted(found.items())]


def _own_risk(rows: Sequence[tuple[Any, ...]], control: _Control) -> list[tuple[str, int, int]]:
    """The own risk of all limits used in full, before and after, each with the cover of today, in control currency."""
    sums: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for _, currency, _, _, _, _, before, after, exposure, own in rows:
        for n, limit in enumerate((before, after)):
            sums[currency][n] += own_risk_if_used(limit, exposure_minor=exposure, own_risk_minor=own)
    found: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for currency, both in sums.items():
        for n, minor in enumerate(both):
            converted = control.of(minor, currency)
            found[converted.currency][n] += converted.minor
    return [(currency, before, after) for currency, (before, after) in sorted(found.items())]


def together_of(uow: UnitOfWork, proposals: Sequence[Proposal], person_id: str, company: Company, now: datetime) -> list[str]:
    """Ids of the proposals a person may approve several at once: small, of a grade policy names, not exceptional, a click enough."""
    if not proposals:
        return []
    rule, matrix = policy_in_force(uow, now).approvals, matrix_in_force(uow, now)
    most = to_minor(rule.approve_listed_up_to, matrix.control_currency)
    found = []
    for standing, judgement in judged(uow, proposals, matrix, now, zone=company.words.zone, person_id=person_id):
        p = standing.proposal
        small = most > 0 and standing.converted(p.to_minor) <= most and p.grade in rule.approve_listed_grades and not p.exceptional
        if small and not judgement.committee and person_id in judgement.who_may and matrix.assurance(judgement.tier) == Assurance.CLICK:
            found.append(p.proposal_id)
    return found


def home_of(uow: UnitOfWork, person_id: str, company: Company, now: datetime) -> Home:
    """Everything a person's App Home shows."""
    zone = company.words.zone
    today = now.astimezone(zone).date()
    names = names_in(uow, now)
    matrix = matrix_in_force(uow, now)
    may = sorted(awaiting(uow, person_id, now, zone=zone), key=lambda p: (p.expires_at or now, p.proposal_id))
    mine = asked_of(uow, person_id, may)
    declared = conflicts_of(uow, person_id, on=today, known_at=now)
    stands = [d for d in delegations_to_come(uow, on=today, known_at=now) if person_id in (d.principal_id, d.delegate_id)]
    past = delegations_over(uow, person_id, on=today, known_at=now)
    requests, more = _asked_for(uow, person_id, now)
    may_request = has_right(uow, person_id, Right.REQUEST_LIMITS, on=today, known_at=now)
    return Home(
        name=names.get(person_id, person_id),
        mine=[(p, customer_name(p)) for p in mine],
        could_decide=len(may) - len(mine),
        conditions=[(c, p, customer_name(p)) for c, p in to_confirm(uow, person_id, now, zone=zone)],
        requests=requests,
        more_requests=more,
        others=_others(uow, person_id, {p.proposal_id for p in mine}, matrix, company, now, names),
        decided=_decided(uow, person_id),
        delegations=[(d, *_both(d, names)) for d in stands],
        past=[(d, *_both(d, names)) for d in past],
        absences=absences_of(uow, person_id, on=today, known_at=now),
        authority=_authority(matrix, person_id, now, company),
        conflicts=[(c, name_on_record(uow, c.customer_id)) for c in declared if c.customer_id],
        decides=any(h.person == person_id and h.on(today) for h in matrix.holders)
        or any(person_id in committee.on(today) for committee in matrix.committees)
        or any(d.delegate_id == person_id for d in stands),
        declared_until=max((c.valid_to for c in declared if c.valid_to), default=None),
        may_request=may_request,
        reader=person_id,
    )


def _both(one: Delegation, names: Mapping[str, str]) -> tuple[str, str]:
    return names.get(one.principal_id, one.principal_id), names.get(one.delegate_id, one.delegate_id)


def name_on_record(uow: UnitOfWork, customer_id: str) -> str:
    """A customer's name as its newest proposal has it; empty when it never had one."""
    found = uow.find(Proposal, customer_id=customer_id, order_by=("created_at",))
    return customer_name(found[-1]) if found else ""


def _others(
    uow: UnitOfWork, person_id: str, mine: set[str], matrix: Matrix, company: Company, now: datetime, names: Mapping[str, str]
) -> list[tuple[Proposal, str, str]]:
    """Pending proposals the person had a part in (asked, decided, made) that now wait for others."""
    asked = {a.proposal_id for a in uow.find(Addressee, person_id=person_id)}
    decisions = uow.find(Decision, approver_id=person_id)
    decided = {d.proposal_id for d in decisions}
    made = {p.proposal_id for p in _offers(uow, decisions).values()}
    ids = sorted((asked | decided | made) - mine)
    pending = uow.find(Proposal, proposal_id=ids, state=ProposalState.PENDING, limit=_SHOWN) if ids else []
    found = judged(uow, pending, matrix, now, zone=company.words.zone)
    rows = [(s.proposal, customer_name(s.proposal), listed([names.get(p, p) for p in j.who_may[:4]]) or said("nobody")) for s, j in found]
    return [*rows, *_on_condition(uow, person_id)]


def _on_condition(uow: UnitOfWork, person_id: str) -> list[tuple[Proposal, str, str]]:
    """Approvals of a person that wait for a condition he set."""
    set_by_me = uow.find(ApprovalCondition, asked_by=person_id, state=ConditionState.OPEN, order_by=("due", "condition_id"))
    ids = sorted({c.proposal_id for c in set_by_me})
    approved = {p.proposal_id: p for p in uow.find(Proposal, proposal_id=ids, state=ProposalState.APPROVED)} if ids else {}
    waits = [(approved[c.proposal_id], c) for c in set_by_me if c.proposal_id in approved]
    return [(p, customer_name(p), said("{condition}, by {day}", condition=condition_in_words(c), day=c.due)) for p, c in waits]


def _decided(uow: UnitOfWork, person_id: str) -> list[tuple[Decision, Proposal, str, Proposal | None]]:
    own = [*uow.find(Decision, approver_id=person_id), *uow.find(Decision, on_behalf_of=person_id)]
    newest = sorted(own, key=lambda d: d.at, reverse=True)[:_SHOWN]
    found = {p.proposal_id: p for p in uow.find(Proposal, proposal_id=[d.proposal_id for d in newest])} if newest else {}
    offers = _offers(uow, newest)
    return [(d, found[d.proposal_id], customer_name(found[d.proposal_id]), offers.get(d.proposal_id)) for d in newest]


def _offers(uow: UnitOfWork, decisions: Sequence[Decision]) -> dict[str | None, Proposal]:
    """What counter-offers became, by the proposal they were made to."""
    countered = [d.proposal_id for d in decisions if d.verdict == Verdict.COUNTER]
    return {p.supersedes_id: p for p in uow.find(Proposal, supersedes_id=countered)} if countered else {}


def _authority(matrix: Matrix, person_id: str, now: datetime, company: Company) -> list[str]:
    """What a person may approve, in plain words."""
    today = now.astimezone(company.words.zone).date()
    held = [h for h in matrix.holders if h.person == person_id and h.on(today)]
    seats: list[str] = [
        said("You sit on {committee}, and vote there for yourself", committee=c.name) for c in matrix.committees if person_id in c.on(today)
    ]
    if not held:
        return seats or [said("You hold no tier: you may not approve on your own behalf.")]
    return [*(_sentence(matrix, h.tier, h.regions) for h in held), *seats]


def _sentence(matrix: Matrix, tier: str, regions: Sequence[str]) -> str:
    one = matrix.tiers[matrix.rank(tier)]
    where = listed(list(regions)) or said("everywhere")
    if one.group_limit_up_to is None:
        text: str = said("{tier} ({name}), {where}: any amount", tier=tier, name=one.name, where=where)
    else:
        text = said(
            "{tier} ({name}), {where}: a group's limits up to {limit}, increases of 12 months up to {increases}",
            tier=tier,
            name=one.name,
            where=where,
            limit=_whole(one.group_limit_up_to, matrix.control_currency),
            increases=_whole(one.increases_12m_up_to, matrix.control_currency),
        )
    if one.committee is not None:
        text = said("{text}; decided by committee {committee}", text=text, committee=one.committee)
    elif one.approvers > 1:
        text = said("{text}; {count} people must approve", text=text, count=one.approvers)
    return text


def _whole(amount: int | None, currency: str) -> Any:
    return said("any amount") if amount is None else Money(to_minor(amount, currency), currency)


def _asked_for(uow: UnitOfWork, person_id: str, now: datetime) -> tuple[list[Asked], int]:
    """How the newest requests of a person stand, those that wait for something first, and how many there are beside them."""
    by = ("started_at", "review_id", "scope", "state")
    mine = uow.tally(Review, by=by, kind=ReviewKind.AD_HOC, started_by=person_id)  # not the reviews: their manifests are large
    newest = {row[1]: row[3] for row in sorted(mine, reverse=True) if is_request(row[2]) and row[3] != ReviewState.SUPERSEDED}
    became: dict[str, set[str]] = defaultdict(set)
    for review_id, state, _ in uow.tally(Proposal, by=("review_id", "state"), review_id=list(newest)) if newest else []:
        became[review_id].add(state)
    over = {i for i, state in newest.items() if (not became[i] and state == ReviewState.FAILED) or (became[i] and became[i] <= _OVER)}
    chosen = sorted(newest, key=lambda i: i in over)[:_REQUESTS]
    found = (asked_by(uow, review_id, person_id, now) for review_id in chosen)
    return [one for one in found if one], len(newest) - len(chosen)


def asked_by(uow: UnitOfWork, review_id: str, person_id: str, now: datetime) -> Asked | None:
    """How the request stands that a person made and that is the review; None where there is no such review."""
    review = uow.get(Review, review_id=review_id)
    if review is None:
        return None
    customer = review.scope.partition(":")[2].rpartition("#")[0]
    found = uow.find(Proposal, review_id=review_id, order_by=("created_at", "proposal_id"))
    replaced = {p.supersedes_id for p in found}
    newest = next((p for p in reversed(found) if p.proposal_id not in replaced), None)
    if newest is None:
        return Asked(customer_id=customer, reason=refusal_of(uow, review_id, person_id))
    ids = [newest.proposal_id]
    return Asked(
        customer_id=customer,
        proposal=newest,
        role=_role(uow, newest.tier, now),
        reason=_why_refused(uow, newest),
        begins=begins_of(uow, ids).get(newest.proposal_id),
        open=[(c.kind, c.due) for c in open_conditions(uow, ids)],
    )


def _role(uow: UnitOfWork, tier: str, now: datetime) -> str:
    """The tier's name in the matrix in force."""
    matrix = matrix_in_force(uow, now)
    return next((t.name for t in matrix.tiers if t.tier == tier), tier)


def _why_refused(uow: UnitOfWork, proposal: Proposal) -> str:
    """The reason code of a rejection in words. The approver's text stays with the approvers: it may quote what sales must not see."""
    if proposal.state == ProposalState.EXPIRED:
        return said("a condition was not met in time") if proposal.outcome_code == "condition_lapsed" else ""
    if proposal.state != ProposalState.REJECTED:
        return ""
    codes = [d.reason_code for d in uow.find(Decision, proposal_id=proposal.proposal_id, verdict=Verdict.REJECT) if d.reason_code]
    return REASON_CODES[ReasonCode(codes[0])] if codes else said("the analyst tells you why")
