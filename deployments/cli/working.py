"""`inbox`, `show`, `release`, `decide` and their neighbours: the analyst's and the approver's day."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import uuid4

import typer

from credit_review import authority, messages
from credit_review.adapters.wiring import Services
from credit_review.errors import BadInput, Refused
from credit_review.limits.explain import FITS_THE_RULE
from credit_review.model.money import Money, format_minor, typed
from credit_review.model.records import CommitteeVote, Decision, ErpDifference, Maker, Note, PolicyException, Proposal, RiskKept
from credit_review.model.states import ConditionKind, ExceptionState, ProposalState, Verdict, Vote
from credit_review.ports import UnitOfWork
from credit_review.review import close, exceptions
from credit_review.review import release as releasing
from credit_review.review.committee import VOTES, live_sitting, when_decided
from credit_review.review.conditions import ConditionAsked
from credit_review.review.counter import CounterOffer
from credit_review.review.decide import DecideCommand, Outcome
from credit_review.review.decide import decide as answer
from credit_review.review.inbox import awaiting
from credit_review.review.opened import note_opening
from credit_review.review.release import Analyst
from credit_review.review.route import Rules
from credit_review.review.standing import gather, matrix_in_force, policy_in_force
from credit_review.words import marked, said, said_many, unpacked
from deployments.cli import language
from deployments.cli.frame import acting, joined, names_of, services, show_json, show_pairs, show_table, speak_to, tell
from deployments.cli.governing import me, signing_as

MOST_LISTED = 50
_REDUCTIONS = said("a reduction among them is now a risk kept, which somebody else must answer for (`credit-review risk-kept`)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """What `release` changes on the way. Amounts as typed, in major units."""

    amend: str = ""
    terms_days: int | None = None
    comment: str = ""
    attachments: tuple[Path, ...] = ()
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counter:
    """A counter-offer as typed."""

    amount: str = ""
    terms_days: int | None = None
    until: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Why:
    """What goes with an answer as typed: text, code, and conditions as KIND:DATE[:TEXT]."""

    reason: str = ""
    code: str = ""
    conditions: tuple[str, ...] = ()


def inbox(config: Path, *, as_person: str, as_json: bool) -> None:
    """What awaits me."""
    opened = services(config)
    with opened.store.read() as uow:
        person = me(opened, uow, as_person)
        drafts = releasing.worklist(uow, Analyst(person_id=person.person_id, now=opened.clock.now(), today=opened.today()))
        mine = awaiting(uow, person.person_id, opened.clock.now(), zone=opened.settings.zone)
        risks = uow.find(RiskKept, decided_at=None, order_by=("raised_at", "proposal_id"))
        differences = uow.find(ErpDifference, settled_at=None, owner_id=person.person_id)
        customers = _customer_names(uow, [r.proposal_id for r in risks])
        ending = _ending(opened, uow, person.person_id)
    if as_json:
        found = {"person": person.person_id, "release": _brief(drafts), "decide": _brief(mine)}
        found |= {"exceptions": [one.exception_id for one in ending]}
        show_json({**found, "risk": [r.proposal_id for r in risks], "differences": [d.difference_id for d in differences]})
        return
    tell(_awaited(person.name, len(drafts), len(mine), len(risks), len(differences)))
    for title, proposals in (
        (said("To release (credit-review release PROPOSAL...)"), drafts),
        (said("To decide (credit-review decide PROPOSAL approve)"), mine),
    ):
        if proposals:
            _list(title, proposals)
    if risks:
        rows = [[r.proposal_id, customers[r.proposal_id], Money(r.amount_minor, r.currency), r.cause] for r in risks[:MOST_LISTED]]
        title = said("Risk kept, to answer for (credit-review risk-kept PROPOSAL)")
        show_table(title, [said("proposal"), said("customer"), said("amount"), said("cause")], rows, right=("amount",))
        _more(len(risks))
    for one in ending:
        tell(said("exception {exception} ends on {day}: `credit-review exceptions show`", exception=one.exception_id, day=one.ends))
    if differences:
        tell(said("differences to the ERP: `credit-review differences list`"))


def _ending(opened: Services, uow: UnitOfWork, person_id: str) -> list[PolicyException]:
    """Exceptions of a person that end within the days that policy warns before."""
    mine = uow.find(PolicyException, state=ExceptionState.IN_FORCE, owner_id=person_id)
    return exceptions.ending_soon(mine, exceptions.rules_in_force(uow, opened.clock.now()), opened.today()) if mine else []


def _awaited(name: str, drafts: int, mine: int, risks: int, differences: int) -> str:
    return said(
        "{name}: {drafts} to release, {mine} to decide, {risks}, {differences}",
        name=name,
        drafts=drafts,
        mine=mine,
        risks=said_many("{n} reduction that did not happen", "{n} reductions that did not happen", n=risks),
        differences=said_many("{n} difference to the ERP", "{n} differences to the ERP", n=differences),
    )


def _customer_names(uow: UnitOfWork, proposal_ids: Sequence[str]) -> dict[str, str]:
    found = uow.find(Proposal, proposal_id=list(proposal_ids)) if proposal_ids else []
    return {p.proposal_id: f"{_called(p)} ({p.customer_id})" for p in found}


def _called(proposal: Proposal) -> str:
    """The customer's name; its id where the ledger has no names."""
    return messages.cleaned(json.loads(proposal.packet_json)["customer_name"], 40) or proposal.customer_id


def _more(total: int) -> None:
    if total > MOST_LISTED:
        tell(said("... and {more} more (--json lists all)", more=total - MOST_LISTED))


def _brief(proposals: Sequence[Proposal]) -> list[dict[str, Any]]:
    names = ("proposal_id", "customer_id", "direction", "currency", "from_minor", "to_minor", "tier", "state", "expires_at")
    return [{name: getattr(p, name) for name in names} for p in proposals]


def _list(title: str, proposals: Sequence[Proposal]) -> None:
    """Proposals as a table; columns that say nothing of any of them are left out."""
    columns = (
        said("proposal"), said("customer"), said("way"), said("from"), said("to"),
        said("terms"), said("grade"), said("tier"), said("expires"),
    )  # fmt: skip
    rows = [_line(p) for p in proposals[:MOST_LISTED]]
    used = [at for at in range(len(columns)) if any(row[at] for row in rows)]
    show_table(title, [columns[at] for at in used], [[row[at] for at in used] for row in rows], right=("from", "to"))
    _more(len(proposals))


def _line(p: Proposal) -> list[Any]:
    terms = p.terms_days if p.terms_days != p.from_terms_days and p.from_minor is not None else None
    to = Money(p.to_minor, p.currency)
    return [
        p.proposal_id,
        _called(p),
        said(p.direction),
        said("none") if p.from_minor is None else Money(p.from_minor, p.currency),
        said("{amount} until {day}", amount=to, day=p.effective_to) if p.effective_to else to,
        "" if terms is None else said("{days} days", days=terms),
        p.grade,
        p.tier or said("no rate"),
        p.expires_at.date() if p.expires_at else "",
    ]


def _note_opening(opened: Services, proposal_id: str, as_person: str) -> None:
    with opened.store.read() as uow:
        try:
            person_id = me(opened, uow, as_person).person_id
        except (BadInput, Refused):  # whoever is nobody here may read, and has no work to be coached in
            if as_person:
                raise
            return
        found(uow, proposal_id)
    note_opening(opened.store, proposal_id, person_id, opened.clock.now())


def show(config: Path, proposal_id: str, *, as_person: str = "", as_json: bool) -> None:
    """One proposal with everything behind it; whoever can be told from the account has opened it."""
    opened = services(config)
    now = opened.clock.now()
    _note_opening(opened, proposal_id, as_person)
    with opened.store.read() as uow:
        proposal = found(uow, proposal_id)
        packet = json.loads(proposal.packet_json)
        standing = gather(uow, proposal_id, matrix_in_force(uow, now), now, zone=opened.settings.zone)
        judgement = authority.judge(standing, matrix_in_force(uow, now), now)
        notes = uow.find(Note, proposal_id=proposal_id, order_by=("at",))
        makers = uow.find(Maker, proposal_id=proposal_id, order_by=("at",))
        votes = uow.find(CommitteeVote, proposal_id=proposal_id, order_by=("at", "person_id"))
        collective = _collective(uow, judgement.committee, now)
        people = names_of(uow)
    if as_json:
        show_json(
            {"state": proposal.state, "digest": proposal.digest, "packet": packet, "who_may": judgement.who_may}
            | ({"committee": judgement.committee} if judgement.committee else {})
        )
        return
    typer.echo(messages.asked(proposal, packet["customer_name"], language.words()))
    show_pairs({label: messages.cleaned(text, 300) for label, text in messages.figures(packet, language.words())})
    typer.echo()
    tell(said("Why this amount"))
    show_pairs(dict(_why(proposal, packet)))
    if (wished := messages.wished_minor(proposal)) is not None:
        amount = format_minor(wished, proposal.currency)
        command = f'credit-review path {proposal.customer_id} --review {proposal.review_id} --limit "{amount}"'
        tell(said("what it takes to reach {amount}: `{command}`", amount=Money(wished, proposal.currency), command=command))
    typer.echo()
    given, needed = judgement.approvals_given, judgement.approvals_needed
    tell(
        said("{state}; {tier}, {given} of {needed} approvals", state=said(proposal.state), tier=judgement.tier, given=given, needed=needed)
    )
    if proposal.state in (ProposalState.DRAFT, ProposalState.PENDING):
        if collective is not None:
            tell(collective)
        names = [standing.persons[p].name if p in standing.persons else p for p in judgement.who_may]
        tell(_who_may(proposal, names, judgement.because))
    _history(standing.decisions, notes, makers, votes, people, opened.settings.zone)
    tell(said("packet digest {digest}", digest=proposal.digest))


_MAY_APPROVE = {
    ProposalState.DRAFT: marked("may approve once released: {names} ({because})"),
    ProposalState.PENDING: marked("may approve: {names} ({because})"),
}


def _who_may(proposal: Proposal, names: Sequence[str], because: Sequence[str]) -> str:
    rules = rules_in_words(because)
    template = _MAY_APPROVE[ProposalState(proposal.state)]
    return said(template, names=joined(names, said("nobody now")), because=joined(rules))


def rules_in_words(because: Sequence[str]) -> list[str]:
    """The rules of the matrix that led to a tier."""
    return [_rule(*rule.replace("_", " ").partition(":")) for rule in because]


def _rule(name: str, colon: str, grade: str) -> str:
    return said("grade:{grade}", grade=grade) if colon else said(name)


def _why(proposal: Proposal, packet: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Label and text of each step to the amount; of the straight-through rule, whether it carried the proposal on record."""
    for label, figure in packet["derivation"]:
        name, text = unpacked(label), unpacked(figure)
        if name == FITS_THE_RULE and not proposal.straight_through_rule:
            text = said("{rule}; a person decides all the same: beyond the rule, such as by the sum of the group", rule=text)
        yield f"  {language.say(name)}", text


def _collective(uow: UnitOfWork, committee: str, now: datetime) -> str | None:
    """That a committee decides it, and when; None where none does."""
    found = matrix_in_force(uow, now).committee(committee)
    return None if found is None else when_decided(found, live_sitting(uow, found.committee))


_HAND = marked("{who} {how} it")
_HANDS = {
    "counter_offer": marked("{who} made it as a counter-offer"),
    "refused_before": marked("{who} refused the request that this appeals against, and may not decide it"),
}
"""How a person has a hand in a proposal, where the stored name is not a word to say."""


def _history(
    decisions: Sequence[Decision],
    notes: Sequence[Note],
    makers: Sequence[Maker],
    votes: Sequence[CommitteeVote],
    people: Mapping[str, str],
    zone: tzinfo,
) -> None:
    """What people did, oldest first, by name."""
    lines: list[tuple[datetime, str]] = []
    for maker in makers:
        who = people.get(maker.person_id, maker.person_id)
        lines.append((maker.at, said(_HANDS.get(maker.how, _HAND), who=who, how=said(maker.how))))
    for note in notes:
        text, who = messages.cleaned(note.text, 300), people.get(note.person_id, note.person_id)
        told: str = said("{who}, {kind}: {text}", who=who, kind=said(note.kind), text=text)
        lines.append((note.at, said("{told} (SHA-256 {sha256})", told=told, sha256=note.sha256) if note.sha256 else told))
    lines += [(one.at, _voted(one, people)) for one in votes]
    lines += [(one.at, _answered(one, people)) for one in decisions]
    for at, told in sorted(lines):
        typer.echo(f"{language.moment(at, zone)} {language.say(told)}")


def _voted(one: CommitteeVote, people: Mapping[str, str]) -> str:
    who, vote, reason = people.get(one.person_id, one.person_id), said(VOTES[Vote(one.vote)]), messages.cleaned(one.reason, 300)
    about = {"who": who, "vote": vote, "sitting": one.sitting_id}
    if not reason:
        return said("{who} in sitting {sitting}: {vote}", **about)
    return said("{who} in sitting {sitting}: {vote}, “{reason}”", reason=reason, **about)


def _answered(one: Decision, people: Mapping[str, str]) -> str:
    who: str = people.get(one.approver_id, one.approver_id)
    if one.on_behalf_of:
        who = said("{who} for {principal}", who=who, principal=people.get(one.on_behalf_of, one.on_behalf_of))
    verdict = said(one.verdict)
    if not one.reason:
        return said("{who} answered {verdict}", who=who, verdict=verdict)
    return said("{who} answered {verdict}: {reason}", who=who, verdict=verdict, reason=messages.cleaned(one.reason, 300))


def release(config: Path, proposals: Sequence[str], edit: Edit, *, keep: bool, as_person: str, as_json: bool) -> None:
    """Comment, attach and amend, then release; all or nothing."""
    opened = services(config)
    with opened.store.begin() as uow:
        by = analyst(opened, uow, as_person)
        for proposal_id in proposals:
            _edit(uow, proposal_id, edit, by)
        released = [] if keep else releasing.release(uow, list(proposals), rules(opened, uow), by)
        deciding = _deciding(uow, by.now) if released else {}
        uow.commit()
    if as_json:
        show_json({"released": _brief(released), "kept": list(proposals) if keep else []})
        return
    for proposal in released:
        tell(_waits_for(proposal, deciding.get(proposal.tier)))
    if keep:
        tell(said("kept in the worklist: {proposals}", proposals=joined(proposals)))


def _deciding(uow: UnitOfWork, now: datetime) -> dict[str, str]:
    """By tier that a committee decides: that it does, and when."""
    found = {tier.tier: _collective(uow, tier.committee or "", now) for tier in matrix_in_force(uow, now).tiers}
    return {tier: collective for tier, collective in found.items() if collective is not None}


def _waits_for(proposal: Proposal, collective: str | None) -> str:
    """Whom a released proposal waits for: the approvers of its tier, or the committee that decides the tier."""
    day = proposal.expires_at.date() if proposal.expires_at else ""
    about = {"proposal": proposal.proposal_id, "tier": proposal.tier, "day": day}
    if collective is None:
        return said_many(
            "{proposal} is with the approvers: {tier}, {n} approval, until {day}",
            "{proposal} is with the approvers: {tier}, {n} approvals, until {day}",
            n=proposal.required_approvals,
            **about,
        )
    return said_many(
        "{proposal} is released: {collective}; {tier}, {n} vote in favour at least, until {day}",
        "{proposal} is released: {collective}; {tier}, {n} votes in favour at least, until {day}",
        n=proposal.required_approvals,
        collective=collective,
        **about,
    )


def _edit(uow: UnitOfWork, proposal_id: str, edit: Edit, by: Analyst) -> None:
    if edit.amend or edit.terms_days is not None:
        draft = found(uow, proposal_id)
        amount = typed(edit.amend, draft.currency) if edit.amend else draft.to_minor
        releasing.amend(uow, proposal_id, to_minor=amount, terms_days=edit.terms_days, reason=edit.reason, by=by)
    if edit.comment:
        releasing.comment(uow, proposal_id, edit.comment, by)
    for path in edit.attachments:
        releasing.attach(uow, proposal_id, name=path.name, sha256=sha256(path.read_bytes()).hexdigest(), by=by)


def defer(config: Path, proposals: Sequence[str], *, until: date, reason: str, as_person: str, as_json: bool) -> None:
    """Put drafts off; the analyst owns the date."""
    opened = services(config)
    with opened.store.begin() as uow:
        by = analyst(opened, uow, as_person)
        for proposal_id in proposals:
            releasing.defer(uow, proposal_id, until=until, owner_id=by.person_id, reason=reason, by=by)
        uow.commit()
    if as_json:
        show_json({"deferred": list(proposals), "until": until})
    else:
        tell(said("deferred until {until}: {proposals}", until=until, proposals=joined(proposals)))
        tell(_REDUCTIONS)


def exclude(config: Path, proposals: Sequence[str], *, rule: str, until: date | None, reason: str, as_person: str, as_json: bool) -> None:
    """Exclude the customers of drafts by a named rule."""
    opened = services(config)
    with opened.store.begin() as uow:
        by = analyst(opened, uow, as_person)
        for proposal_id in proposals:
            releasing.exclude(uow, proposal_id, rule=rule, reason=reason, by=by, until=until)
        uow.commit()
    if as_json:
        show_json({"excluded": list(proposals), "rule": rule, "until": until})
    else:
        about = {"rule": repr(rule), "proposals": joined(proposals)}
        if until:
            tell(said("excluded until {until} by rule {rule}: {proposals}", until=until, **about))
        else:
            tell(said("excluded by rule {rule}: {proposals}", **about))
        tell(_REDUCTIONS)


def decide_one(
    config: Path,
    proposal_id: str,
    verdict: str,
    counter: Counter,
    why: Why,
    *,
    on_behalf_of: str,
    digest: str,
    as_person: str,
    as_json: bool,
) -> None:
    """Answer a proposal; exit code 4 when it is refused."""
    opened = services(config)
    kind, account = acting(opened, as_person)
    speak_to(opened, as_person)
    outcome = decide(opened, (kind, account), proposal_id, verdict, counter, why, on_behalf_of=on_behalf_of or None, digest=digest)
    if as_json:
        show_json(outcome)
    else:
        tell(outcome.text)
        if outcome.successor_id:
            tell(said("the new proposal is {proposal}", proposal=outcome.successor_id))
    if not outcome.accepted:
        raise SystemExit(Refused.exit_code)


def decide(
    opened: Services,
    account: tuple[str, str],
    proposal_id: str,
    verdict: str,
    counter: Counter,
    why: Why,
    *,
    on_behalf_of: str | None = None,
    digest: str = "",
) -> Outcome:
    """The outcome of an answer from the command line, through the decision function that Slack uses."""
    try:
        chosen = Verdict(verdict)
    except ValueError:
        raise BadInput(said("unknown verdict {verdict}", verdict=repr(verdict)), expected=", ".join(Verdict)) from None
    with opened.store.read() as uow:
        proposal = found(uow, proposal_id)
    offer = None
    if chosen == Verdict.COUNTER:
        amount = typed(counter.amount, proposal.currency) if counter.amount else None
        offer = CounterOffer(to_minor=amount, terms_days=counter.terms_days, effective_to=counter.until)
    command = DecideCommand(
        delivery_key=f"cli:{uuid4()}",
        proposal_id=proposal_id,
        digest=digest or proposal.digest,
        verdict=chosen,
        account_kind=account[0],
        account=account[1],
        channel="cli",
        reason=why.reason,
        reason_code=why.code,
        conditions=tuple(_condition(text) for text in why.conditions),
        on_behalf_of=on_behalf_of,
        counter=offer,
        signed_in=True,
    )
    with opened.store.begin() as uow:
        return answer(command, uow, opened.clock.now(), zone=opened.settings.zone, to=opened.settings.slack.destinations())


def _condition(text: str) -> ConditionAsked:
    """A condition as typed. Raises BadInput when it is none."""
    kind, _, rest = text.partition(":")
    due, _, what = rest.partition(":")
    try:
        return ConditionAsked(kind=ConditionKind(kind), text=what, due=date.fromisoformat(due))
    except ValueError:
        kinds = ", ".join(ConditionKind)
        raise BadInput(
            said("{text} is no condition", text=repr(text)),
            expected=said("KIND:DATE[:TEXT], KIND one of {kinds}, such as overdue_paid:2026-12-31", kinds=kinds),
        ) from None


def keep_risk(config: Path, proposal_id: str, *, until: date, reason: str, as_person: str, as_json: bool) -> None:
    """Answer for a reduction that did not happen."""
    opened = services(config)
    with signing_as(opened, as_person, f"proposal:{proposal_id}") as (uow, person):
        kept = close.decide_risk_kept(
            uow, proposal_id, person_id=person.person_id, reason=reason, until=until, on=opened.today(), now=opened.clock.now()
        )
        uow.commit()
    if as_json:
        show_json(kept)
    else:
        amount = Money(kept.amount_minor, kept.currency)
        tell(said("risk kept: {amount} by {name} until {day}", amount=amount, name=person.name, day=kept.until))


def analyst(opened: Services, uow: UnitOfWork, as_person: str) -> Analyst:
    """The acting person as an analyst, now."""
    return Analyst(person_id=me(opened, uow, as_person).person_id, now=opened.clock.now(), today=opened.today())


def rules(opened: Services, uow: UnitOfWork) -> Rules:
    """What routing goes by: policy and matrix in force."""
    now = opened.clock.now()
    chosen, matrix = policy_in_force(uow, now), matrix_in_force(uow, now)
    settings = opened.settings
    days, to = settings.working_days(), settings.slack.destinations()
    return Rules(policy=chosen, matrix=matrix, zone=settings.zone, calendar=days, to=to)


def found(uow: UnitOfWork, proposal_id: str) -> Proposal:
    """The proposal. Raises BadInput when there is none."""
    proposal = uow.get(Proposal, proposal_id=proposal_id)
    if proposal is None:
        raise BadInput(said("no proposal {proposal_id}", proposal_id=proposal_id), expected=said("an id of `credit-review inbox`"))
    return proposal
