"""Reductions and refusals that await a person's word on what they are to the customer, and the notices that follow.

The functions write and append entries; the caller commits. What is decided here never changes a limit.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, tzinfo
from functools import cache
from typing import Any

from credit_review import adverse
from credit_review.adverse_reasons import principal_reasons
from credit_review.audit import Action
from credit_review.controls.alarm import Alarm, Severity
from credit_review.errors import BadInput, Conflict, Refused
from credit_review.limits.layers import limit_on
from credit_review.model.records import AdverseAction, LimitAccount, LimitChange, Proposal, Review
from credit_review.model.states import AdverseClass, Direction, Layer, ProposalState, ReviewKind, Unwelcome
from credit_review.policy import AdverseRules, Policy
from credit_review.ports import Entry, UnitOfWork
from credit_review.review.directory import active_person
from credit_review.review.layers import Recorded, recorded
from credit_review.review.naming import actor
from credit_review.review.standing import matrix_in_force, policy_in_force, policy_of
from credit_review.words import said

NOTICE_OVERDUE = "notice_overdue"
"""Control of the findings of notices and answers that were not given in time."""
NOT_YOURS = "adverse.not_yours"

_ENDED = (ProposalState.APPLIED, ProposalState.REJECTED, ProposalState.EXPIRED)
_MAY_LOWER = (Direction.DOWN, Direction.SAME)
"""Directions of proposals of a review that take something away: an amount, or days to pay."""
_LONGEST_TEXT = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A decided proposal that went against its customer: what it was, since when, what it seems to be, and what was confirmed so far.

    `before_minor` is the limit in force of its customer that a first ceiling, segment limit or shared pool lowered, or that a temporary
    limit stood or should have stood instead of; None of others.
    """

    proposal: Proposal
    kind: Unwelcome
    decided: date
    suggested: AdverseClass
    reasons: tuple[str, ...]
    confirmed: AdverseAction | None = None
    before_minor: int | None = None

    @property
    def packet(self) -> dict[str, Any]:
        """What was decided on; of a first bound and a temporary limit with the limit in force before."""
        found: dict[str, Any] = json.loads(self.proposal.packet_json)
        return found if self.before_minor is None else found | {"from_minor": self.before_minor}

    @property
    def from_minor(self) -> int | None:
        """The customer's limit before, minor units of the proposal's currency; None where there was none."""
        return self.proposal.from_minor if self.before_minor is None else self.before_minor


Shares = Callable[[str], Mapping[str, float]]
"""By review id, which fraction of its class each customer's reduction reached by the same rule; empty where that is not known."""


Policies = Callable[[str], Policy | None]


def _unknown(review_id: str) -> Mapping[str, float]:
    return {}


def cases(uow: UnitOfWork, rules: AdverseRules, *, zone: tzinfo, shares: Shares = _unknown, **filters: Any) -> list[Case]:
    """Every decided proposal that went against its customer, oldest decision first. Empty where the policy names no jurisdiction.

    `shares` is asked only where the policy suggests changes to a whole class.
    """
    if rules.profile == "none":
        return []
    asked = [r.review_id for r in uow.find(Review, kind=ReviewKind.AD_HOC)]
    lowered = uow.find(Proposal, state=ProposalState.APPLIED, direction=_MAY_LOWER, **filters)
    found = {one.proposal_id: one for one in (*lowered, *(uow.find(Proposal, state=_ENDED, review_id=asked, **filters) if asked else ()))}
    known = {one.proposal_id: one for one in uow.find(AdverseAction)}
    of_class = cache(shares) if rules.whole_class_from is not None else _unknown
    policies = cache(lambda digest: policy_of(uow, digest))
    made = (_case(uow, one, rules, zone, known.get(key), of_class, policies) for key, one in sorted(found.items()))
    return sorted((case for case in made if case is not None), key=lambda case: case.decided)


def _case(
    uow: UnitOfWork,
    proposal: Proposal,
    rules: AdverseRules,
    zone: tzinfo,
    confirmed: AdverseAction | None,
    shares: Shares,
    policies: Policies,
) -> Case | None:
    packet = json.loads(proposal.packet_json)
    applied = proposal.state == ProposalState.APPLIED
    kind, asked = adverse.unwelcome(packet, applied=applied), packet.get("request")
    before = adverse.had_minor(packet) if packet.get("layer") == Layer.TEMPORARY else None
    if kind is None and applied and adverse.first_bound(packet):
        kind, before = _lowered(uow, proposal)
    if kind is None or proposal.decided_at is None:
        return None
    return Case(
        proposal=proposal,
        kind=kind,
        decided=proposal.decided_at.astimezone(zone).date(),
        suggested=adverse.suggested(
            packet, kind, rules, of_class=0.0 if asked else shares(proposal.review_id).get(proposal.customer_id, 0.0)
        ),
        reasons=principal_reasons(packet, policies(proposal.policy_digest)),
        confirmed=confirmed,
        before_minor=before,
    )


def _lowered(uow: UnitOfWork, proposal: Proposal) -> tuple[Unwelcome | None, int | None]:
    """Whether a first bound lowered the limit in force on its first day, and from what; of a shared pool, that of any member.

    A pool counts by its amount: what the others owed that day is not on record. One that cannot be compared for want of a rate counts.
    """
    change = next(iter(uow.find(LimitChange, proposal_id=proposal.proposal_id)), None)
    if change is None:
        return None, None
    try:
        own = _layers(uow, proposal.customer_id, proposal, change)
        before = None if own is None else _without(own, change)
        if before is not None:
            return Unwelcome.REDUCTION, before
        others = [_layers(uow, member, proposal, change) for member in sorted(own.others)] if own is not None else []
        hit = any(one is not None and _without(one, change) is not None for one in others)
    except Refused:
        return Unwelcome.REDUCTION, None
    return (Unwelcome.REDUCTION, None) if hit else (None, None)


def _layers(uow: UnitOfWork, customer_id: str, proposal: Proposal, change: LimitChange) -> Recorded | None:
    """The layers of a customer on a change's first day, as known when it was applied; None of one without any."""
    if not uow.find(LimitAccount, subject_kind="customer", subject_id=customer_id, limit=1):
        return None
    return recorded(uow, customer_id, on=change.effective_from, now=change.applied_at, control=proposal.currency)


def _without(found: Recorded, change: LimitChange) -> int | None:
    """The limit in force on a change's first day had it not been made, where that is above the one with it; None where it is not."""
    rest = [row for row in found.layers if row.key != change.account_id]
    before, after = (limit_on(rows, change.effective_from).amount_minor for rows in (rest, found.layers))
    return before if before is not None and (after or 0) < before else None


def require_desk(uow: UnitOfWork, person_id: str, now: datetime, zone: tzinfo) -> Policy:
    """The policy in force, where the active person has a worklist or a tier. Refused otherwise."""
    today = now.astimezone(zone).date()
    policy, matrix = policy_in_force(uow, now), matrix_in_force(uow, now)
    person = active_person(uow, person_id, on=today, known_at=now)
    holders = {h.person for h in matrix.holders if h.on(today)}
    if person_id not in {w.analyst for w in policy.worklists} | holders:
        raise Refused(
            NOT_YOURS, said("{name} has neither a worklist nor a tier", name=person.name),
            expected=said("an analyst whom the policy names, or somebody who may approve"),
        )  # fmt: skip
    return policy


@dataclass(frozen=True, slots=True, kw_only=True)
class Clerk:
    """Who answers about notices, at which moment, in which time zone; with the policy in force, and what suggests a whole class."""

    person_id: str
    now: datetime
    zone: tzinfo
    rules: AdverseRules
    shares: Shares = _unknown

    @classmethod
    def admitted(cls, uow: UnitOfWork, person_id: str, now: datetime, zone: tzinfo, shares: Shares = _unknown) -> Clerk:
        """The active person, who has a worklist or a tier. Refused otherwise, and where the policy names no jurisdiction."""
        policy = require_desk(uow, person_id, now, zone)
        if policy.adverse_action.profile == "none":
            raise Refused(
                "adverse.no_profile", said("the policy names no jurisdiction, so no notice is owed"),
                next_step=said("name one under `adverse_action` in policy.yaml; docs/adverse-action.md"),
            )  # fmt: skip
        return cls(person_id=person_id, now=now, zone=zone, rules=policy.adverse_action, shares=shares)

    @property
    def today(self) -> date:
        """The company's day."""
        return self.now.astimezone(self.zone).date()


def classify(uow: UnitOfWork, proposal_id: str, by: Clerk, *, as_class: AdverseClass | None = None, reason: str = "") -> AdverseAction:
    """What the person says it is: what was suggested, unless he says otherwise with a reason. Raises BadInput, or Refused when done."""
    case = _found(uow, proposal_id, by)
    if case.confirmed is not None:
        raise Refused(
            "adverse.classified",
            said("{proposal} was classified on {day}", proposal=proposal_id, day=case.confirmed.confirmed_at.astimezone(by.zone).date()),
            next_step=said("`credit-review adverse show {proposal}`", proposal=proposal_id),
        )
    chosen = as_class or case.suggested
    _explained(chosen, case, reason)
    clock = adverse.clock_of(by.rules)
    made = AdverseAction(
        proposal_id=proposal_id,
        kind=case.kind,
        profile=by.rules.profile,
        suggested=case.suggested,
        classified=chosen,
        reason=reason,
        reasons_json=json.dumps(list(case.reasons), ensure_ascii=False),
        confirmed_by=by.person_id,
        confirmed_at=by.now,
        notice_due=adverse.notice_due(chosen, clock, case.decided),
        notified_on=None,
        notified_by="",
        letter_sha256="",
        asked_on=None,
        reasons_due=None,
        reasons_given_on=None,
        retain_until=adverse.retained_until(clock, case.decided, asked=False),
    )
    if not uow.add_if_absent(made):
        raise Conflict(said("{proposal} was classified meanwhile", proposal=proposal_id), next_step=said("read it again"))
    about = {"kind": made.kind, "profile": made.profile, "suggested": made.suggested, "classified": made.classified}
    _append(uow, Action.ADVERSE_CLASSIFIED, made, by, about, {"reason": reason} if reason else None)
    return made


def _explained(chosen: AdverseClass, case: Case, reason: str) -> None:
    needed = chosen != case.suggested or chosen in adverse.NEED_A_REASON
    if len(reason) > _LONGEST_TEXT or (needed and not reason.strip()):
        words = adverse.CLASS_WORDS
        raise BadInput(
            said("this was suggested to be: {suggested}", suggested=words[case.suggested]),
            expected=said("a reason of 1 to {most} characters for calling it: {chosen}", most=_LONGEST_TEXT, chosen=words[chosen]),
        )


def notified(uow: UnitOfWork, proposal_id: str, by: Clerk, *, on: date, letter_sha256: str) -> AdverseAction:
    """That the customer was given notice on a day; the file is kept from then on. Raises BadInput or Refused."""
    one = _confirmed(uow, proposal_id)
    if one.notice_due is None or one.notified_on is not None:
        raise Refused("adverse.no_notice", said("no notice is owed for {proposal}", proposal=proposal_id))
    _past(on, one.confirmed_at.astimezone(by.zone).date(), by.today)
    until = adverse.retained_until(adverse.clock_of(by.rules), on, asked=False)
    to = {"notified_on": on, "notified_by": by.person_id, "letter_sha256": letter_sha256, "retain_until": until}
    return _change(uow, Action.ADVERSE_NOTIFIED, one, by, to, {"letter": letter_sha256 or None})


def asked(uow: UnitOfWork, proposal_id: str, by: Clerk, *, on: date) -> AdverseAction:
    """That the customer asked in writing for the reasons: they are due then, the file is kept longer. Raises BadInput or Refused."""
    one, clock = _confirmed(uow, proposal_id), adverse.clock_of(by.rules)
    if one.classified != AdverseClass.ADVERSE or one.asked_on is not None or clock is None:
        raise Refused("adverse.no_reasons", said("no reasons are owed for {proposal}", proposal=proposal_id))
    _past(on, None, by.today)
    until = adverse.retained_until(clock, one.notified_on or on, asked=True)
    to = {"asked_on": on, "reasons_due": adverse.reasons_due(clock, on), "retain_until": until}
    return _change(uow, Action.ADVERSE_REASONS_ASKED, one, by, to, {})


def answered(uow: UnitOfWork, proposal_id: str, by: Clerk, *, on: date) -> AdverseAction:
    """That the reasons were given in writing on a day. Raises BadInput or Refused."""
    one = _confirmed(uow, proposal_id)
    if one.asked_on is None or one.reasons_given_on is not None:
        raise Refused("adverse.no_reasons", said("no reasons are owed for {proposal}", proposal=proposal_id))
    _past(on, one.asked_on, by.today)
    return _change(uow, Action.ADVERSE_REASONS_GIVEN, one, by, {"reasons_given_on": on}, {})


def overdue(found: Iterable[Case], today: date, clock: adverse.Clock | None) -> Iterator[Alarm]:
    """One alarm for each notice and each answer that is owed and late; one nobody classified counts as adverse until somebody has."""
    for case in found:
        one = case.confirmed
        if one is None:
            thought = AdverseClass.ADVERSE if case.suggested == AdverseClass.WHOLE_CLASS else case.suggested  # that needs a person's reason
            due, what = adverse.notice_due(thought, clock, case.decided), "not_classified"
        elif one.notice_due is not None and one.notified_on is None:
            due, what = one.notice_due, "no_notice"
        elif one.reasons_due is not None and one.reasons_given_on is None:
            due, what = one.reasons_due, "no_reasons"
        else:
            continue
        if due is not None and due < today:
            facts = {"what": what, "due": due.isoformat()}
            yield Alarm(control=NOTICE_OVERDUE, subject=f"proposal:{case.proposal.proposal_id}", severity=Severity.HIGH, facts=facts)


def _found(uow: UnitOfWork, proposal_id: str, by: Clerk) -> Case:
    of = cases(uow, by.rules, zone=by.zone, shares=by.shares, proposal_id=proposal_id)
    if not of:
        raise BadInput(
            said("{proposal} is no decided reduction or refusal", proposal=proposal_id),
            expected=said("an id that `credit-review adverse list` shows"),
        )
    return of[0]


def _confirmed(uow: UnitOfWork, proposal_id: str) -> AdverseAction:
    one = uow.get(AdverseAction, proposal_id=proposal_id, lock=True)
    if one is None:
        raise BadInput(
            said("{proposal} was not classified", proposal=proposal_id),
            next_step=said("`credit-review adverse confirm {proposal}`", proposal=proposal_id),
        )
    return one


def _past(on: date, earliest: date | None, today: date) -> None:
    if on > today or (earliest is not None and on < earliest):
        days = said("a day from {first} to {last}", first=earliest, last=today) if earliest else said("a day up to {last}", last=today)
        raise BadInput(said("{day} cannot be the day", day=on), expected=days)


def _change(
    uow: UnitOfWork, action: Action, one: AdverseAction, by: Clerk, to: dict[str, Any], about: Mapping[str, str | None]
) -> AdverseAction:
    where = {"proposal_id": one.proposal_id, "notified_on": one.notified_on, "asked_on": one.asked_on}
    if uow.change(AdverseAction, where=where, to=to) != 1:
        raise Conflict(said("{proposal} changed meanwhile", proposal=one.proposal_id), next_step=said("read it again"))
    done = replace(one, **to)
    _append(uow, action, done, by, about, None)
    return done


_DAYS: Sequence[str] = ("notice_due", "notified_on", "asked_on", "reasons_due", "reasons_given_on", "retain_until")


def _append(
    uow: UnitOfWork, action: Action, one: AdverseAction, by: Clerk, about: Mapping[str, str | None], payload: dict[str, str] | None
) -> None:
    days = {name: day.isoformat() if (day := getattr(one, name)) else None for name in _DAYS}
    data = {**about, **days}
    uow.append(Entry(action=action, actor=actor(by.person_id), entity=f"adverse:{one.proposal_id}", data=data, payload=payload))
