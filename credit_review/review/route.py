"""Sends each draft on its way: approved by rule, to an analyst's worklist, or straight to the approvers where policy lets it.

The straight-through rule never goes past the lowest tier's authority: increases it approved before, in the same batch too, count for
the group, so that many small increases cannot pass where one large one would not. The caller commits.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, tzinfo
from itertools import islice
from typing import Any

from credit_review.audit import Action
from credit_review.authority import Matrix, Requirement, Standing, asked_first, by_rule, requirement
from credit_review.calendar import WEEKDAYS, WorkingCalendar
from credit_review.errors import BadInput, Conflict, Refused
from credit_review.fx import MissingRate
from credit_review.model.records import Proposal
from credit_review.model.states import ProposalState, ReviewState
from credit_review.policy import Policy
from credit_review.ports import Clock, Entry, Store, UnitOfWork
from credit_review.review.addressing import NOWHERE, Destinations, put_before
from credit_review.review.ending import scorecard_of
from credit_review.review.lifecycle import AT_ONCE, BATCH, require_free, require_state, review_of
from credit_review.review.naming import SYSTEM, actor
from credit_review.review.outbox import APPLY, apply_key, owe_request_update, owed
from credit_review.review.standing import gather, gather_many
from credit_review.review.working import Company, Habits
from credit_review.words import said


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What routing goes by: the review's policy, the authority matrix, the company's time zone and working days, and where messages go."""

    policy: Policy
    matrix: Matrix
    zone: tzinfo = UTC
    calendar: WorkingCalendar = WEEKDAYS
    to: Destinations = NOWHERE

    def habits(self, uow: UnitOfWork, now: datetime) -> Habits:
        """When the people who may be asked work."""
        return Habits.read(uow, Company(calendar=self.calendar, zone=self.zone), now)


@dataclass(frozen=True, slots=True)
class Routed:
    """How many proposals went each way. `beyond_rule` of the waiting ones would have passed, had the group's sums been smaller."""

    by_rule: int = 0
    waiting: int = 0
    pending: int = 0
    beyond_rule: int = 0

    def __add__(self, other: Routed) -> Routed:
        return Routed(
            self.by_rule + other.by_rule,
            self.waiting + other.waiting,
            self.pending + other.pending,
            self.beyond_rule + other.beyond_rule,
        )


def route(uow: UnitOfWork, review_id: str, proposal_ids: Sequence[str], rules: Rules, now: datetime, *, by: str = SYSTEM) -> Routed:
    """How up to 500 drafts of a proposed review were routed; those routed before, or no longer draft, are left alone.

    Refused while the review is held. A proposal whose authority needs a rate nobody recorded waits in the worklist without a tier.
    """
    if len(proposal_ids) > BATCH:
        raise BadInput(
            said("{proposal_ids} proposals in one transaction", proposal_ids=len(proposal_ids)),
            expected=said("at most {batch}", batch=BATCH),
        )
    review = review_of(uow, review_id, lock=True)
    require_state(review, ReviewState.PROPOSED)
    require_free(review)
    named = uow.find(Proposal, proposal_id=list(proposal_ids), lock=True) if proposal_ids else []
    found = [p for p in named if p.state == ProposalState.DRAFT and not p.assigned_to]
    standings = standings_of(uow, found, rules, now)
    ways = ways_of(uow, found, standings, rules, now)
    _store(uow, ways, now, by)
    put_before(
        uow, [standings[w.proposal.proposal_id] for w in ways if w.to["state"] == ProposalState.PENDING], rules.matrix, rules.to, now
    )
    return Routed(
        by_rule=sum(w.to["state"] == ProposalState.APPROVED for w in ways),
        waiting=sum(w.to["state"] == ProposalState.DRAFT for w in ways),
        pending=sum(w.to["state"] == ProposalState.PENDING for w in ways),
        beyond_rule=sum(w.beyond_rule for w in ways),
    )


def route_all(
    store: Store, review_id: str, rules: Rules, clock: Clock, *, proposal_ids: Iterable[str] | None = None, by: str = SYSTEM
) -> Routed:
    """How all drafts of a review were routed, in transactions of `AT_ONCE`; without `proposal_ids`, all that wait. May run again."""
    total = Routed()
    ids = iter(_waiting(store, review_id) if proposal_ids is None else proposal_ids)
    while batch := list(islice(ids, AT_ONCE)):
        with store.begin(interactive=False) as uow:
            total += route(uow, review_id, batch, rules, clock.now(), by=by)
            uow.commit()
    return total


def _waiting(store: Store, review_id: str) -> list[str]:
    """Ids of drafts not routed yet; counted, not read, because their packets are large."""
    with store.read() as uow:
        return [row[0] for row in uow.tally(Proposal, by=("proposal_id",), review_id=review_id, state=ProposalState.DRAFT, assigned_to="")]


def standings_of(uow: UnitOfWork, proposals: Sequence[Proposal], rules: Rules, now: datetime) -> dict[str, Standing]:
    """Standings of a few hundred proposals by their id; those that need a rate nobody recorded are missing."""
    if not proposals:
        return {}
    try:
        return gather_many(uow, proposals, rules.matrix, now, zone=rules.zone)
    except Refused as error:
        if error.code != "no_rate":
            raise
    found: dict[str, Standing] = {}
    for proposal in proposals:
        try:
            found[proposal.proposal_id] = gather(uow, proposal.proposal_id, rules.matrix, now, zone=rules.zone)
        except Refused as error:
            if error.code != "no_rate":
                raise
    return found


def need_of(standing: Standing | None, matrix: Matrix) -> Requirement | None:
    """Tier and approvals as things stand; None where a rate is missing to tell."""
    if standing is None:
        return None
    try:
        return requirement(standing, matrix)
    except MissingRate:
        return None


_ACTION = {
    ProposalState.APPROVED: Action.PROPOSAL_AUTO_APPROVED,
    ProposalState.PENDING: Action.PROPOSAL_RELEASED,
    ProposalState.DRAFT: Action.PROPOSAL_ASSIGNED,
}


@dataclass(frozen=True, slots=True)
class Way:
    """One proposal's way: the fields to store, and whether only the group's sums kept it from passing by rule."""

    proposal: Proposal
    to: Mapping[str, Any]
    beyond_rule: bool
    because: tuple[str, ...]

    def entry(self, by: str) -> Entry:
        """The entry that records it."""
        proposal, to = self.proposal, self.to
        data: dict[str, Any] = {"from": proposal.state, "to": to["state"], "digest": proposal.digest, "because": list(self.because)}
        if to["state"] == ProposalState.APPROVED:
            data |= {"rule": proposal.straight_through_rule, "policy": proposal.policy_digest, "scorecard": scorecard_of(proposal)}
        else:
            data |= {
                "tier": to["tier"],
                "approvals": to["required_approvals"],
                "assigned_to": to["assigned_to"],
                "beyond_rule": self.beyond_rule,
            }
        return Entry(action=_ACTION[to["state"]], actor=actor(by), entity=f"proposal:{proposal.proposal_id}", data=data)


def ways_of(uow: UnitOfWork, proposals: Sequence[Proposal], standings: Mapping[str, Standing], rules: Rules, now: datetime) -> list[Way]:
    """The way of each draft of one transaction, in their order: those before count for the group of those after."""
    habits = rules.habits(uow, now)
    passed: Counter[str] = Counter()
    ways = []
    for proposal in proposals:
        standing = standings.get(proposal.proposal_id)
        before = passed[proposal.group_id]
        if standing is not None and before:
            standing = replace(
                standing,
                other_limits_minor=standing.other_limits_minor + before,
                other_increases_minor=standing.other_increases_minor + before,
            )
        way = way_of(proposal, standing, rules, habits, now)
        if standing is not None and way.to["state"] == ProposalState.APPROVED:
            passed[proposal.group_id] += standing.converted(max(0, proposal.to_minor - (proposal.from_minor or 0)))
        ways.append(way)
    return ways


def way_of(proposal: Proposal, standing: Standing | None, rules: Rules, habits: Habits, now: datetime) -> Way:
    """The way of one draft: by rule, to the worklist of its portfolio's analyst, or straight to the approvers."""
    need = need_of(standing, rules.matrix)
    eligible = need is not None and standing is not None and rules.policy.straight_through.enabled and by_rule(standing)
    if eligible and need is not None and rules.matrix.rank(need.tier) == 0:
        expires = habits.closing(now, rules.policy.review.proposal_valid_working_days, ())
        to = {"state": ProposalState.APPROVED, "decided_at": now, "outcome_code": "by_rule", "expires_at": expires}
        return Way(proposal, to, False, need.because)
    to = {
        "state": ProposalState.DRAFT,
        "assigned_to": rules.policy.analyst_for(json.loads(proposal.packet_json)["portfolio"]),
        "straight_through_rule": "",
        "tier": need.tier if need else "",
        "required_approvals": need.approvals if need else 0,
    }
    if rules.policy.straight_through.release_untouched and need is not None and standing is not None:
        to |= {"state": ProposalState.PENDING, "expires_at": expiry(standing, rules, habits, now)}
    return Way(proposal, to, eligible, need.because if need else ("no_rate",))


def expiry(standing: Standing, rules: Rules, habits: Habits, now: datetime) -> datetime:
    """When a proposal expires that is put before people now: policy's working days of the company and of everybody asked."""
    asked = [person for person, _ in asked_first(standing, rules.matrix)]
    return habits.closing(now, rules.policy.review.proposal_valid_working_days, asked)


def _store(uow: UnitOfWork, ways: Sequence[Way], now: datetime, by: str) -> None:
    change_alike(uow, {w.proposal.proposal_id: w.to for w in ways})
    # a draft that leaves its state for the first time cannot be owed its application already
    approved = [w.proposal.proposal_id for w in ways if w.to["state"] == ProposalState.APPROVED]
    uow.add(*(owed(APPLY, apply_key(i), {"proposal_id": i}, now) for i in approved))
    uow.append(*(way.entry(by) for way in ways))
    for way in ways:
        owe_request_update(uow, way.proposal, now)


def change_alike(uow: UnitOfWork, changes: Mapping[str, Mapping[str, Any]]) -> None:
    """Changes proposals that this unit of work has locked, those that get the same values in one statement."""
    alike: dict[tuple[tuple[str, Any], ...], list[str]] = {}
    for proposal_id, to in changes.items():
        alike.setdefault(tuple(sorted(to.items())), []).append(proposal_id)
    for values, ids in alike.items():
        # by key alone: with the state beside it SQLite would rather walk the index of all proposals in that state
        if uow.change(Proposal, where={"proposal_id": ids}, to=dict(values)) != len(ids):
            raise Conflict(said("proposals changed meanwhile"), next_step=said("run the command again"))
