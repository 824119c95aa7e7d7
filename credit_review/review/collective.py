"""What a committee decides: the chair closes the sitting, and what follows from quorum, rule and votes is one transaction.

Each vote is judged again at that moment, as when it was given: a member who left, or a case that changed, counts no more. The approvals
(or rejections) that carry a case become decisions of their members, each with its entry, so that what follows needs to know nothing of
committees; the case's own change of state stands in one entry, `committee.decided`, which names every vote.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo
from hashlib import sha256
from typing import Any

from credit_review.audit import Action, canonical
from credit_review.authority import COMMITTEE, Asking, Carried, Code, Committee, Judgement, Matrix, Room, Standing, carried, judge
from credit_review.errors import Refused
from credit_review.fx import MissingRate
from credit_review.model.records import (
    CommitteeAttendance,
    CommitteeCase,
    CommitteeSitting,
    CommitteeVote,
    Decision,
    Note,
    Proposal,
)
from credit_review.model.states import Assurance, ProposalState, SittingState, Verdict, Vote
from credit_review.ports import Entry, UnitOfWork
from credit_review.review.addressing import NOWHERE, Destinations
from credit_review.review.apply import overridden, take_back
from credit_review.review.committee import NO_SITTING, cases, cases_of, require_chair, sitting_of, state_of
from credit_review.review.decide import renew
from credit_review.review.ending import end, move, scorecard_of
from credit_review.review.naming import actor, short_id
from credit_review.review.outbox import AGENDA, owe_apply, owe_card_updates, owe_updates
from credit_review.review.questions import ask_analyst
from credit_review.review.standing import gather, lock_group, matrix_in_force
from credit_review.words import said

_ENDS = {
    Carried.APPROVED: ProposalState.APPROVED,
    Carried.REJECTED: ProposalState.REJECTED,
    Carried.RETURNED: ProposalState.RETURNED,
}
_OF_THE_PERSON = (
    Code.UNKNOWN_PERSON, Code.INACTIVE, Code.OWN_PROPOSAL, Code.CONFLICT, Code.NOT_MEMBER, Code.TYPE_AMOUNT, Code.OUTSIDE,
)  # fmt: skip
"""Why one member's vote does not count; any other refusal is about the case, and then nothing is decided."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """What the sitting made of a case: outcome and, where it decided nothing, the code of why not; who voted how."""

    proposal_id: str
    outcome: Carried
    code: str
    votes: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Close:
    """A sitting that is being closed, with all that is the same for its cases."""

    uow: UnitOfWork
    sitting: CommitteeSitting
    committee: Committee
    matrix: Matrix
    attended: Sequence[str]
    by: str
    now: datetime
    zone: tzinfo
    to: Destinations


@dataclass(frozen=True, slots=True, kw_only=True)
class _Counted:
    """A case with its votes judged: the room, whoever may vote with what he said, and why the others may not."""

    standing: Standing
    judgement: Judgement
    room: Room
    votes: Mapping[str, CommitteeVote]
    barred: Mapping[str, str]
    code: str


def renew_outdated(uow: UnitOfWork, committee: Committee, *, by: str, now: datetime, zone: tzinfo, to: Destinations = NOWHERE) -> list[str]:
    """Ids of cases shown under rules that are not in force any more, each replaced by one that is; the caller commits.

    Nobody could vote on them: a vote is on what the member was shown, under the rules of today.
    """
    matrix, done = matrix_in_force(uow, now), []
    for found in cases_of(uow, matrix, committee, now, zone=zone):
        lock_group(uow, found.proposal, now, zone=zone)
        standing = gather(uow, found.proposal.proposal_id, matrix, now, zone=zone)
        proposal, rules = standing.proposal, (standing.policy_in_force, standing.authority_in_force)
        if proposal.state == ProposalState.PENDING and (proposal.policy_digest, proposal.authority_digest) != rules:
            renew(uow, standing, matrix, now, by=by, to=to)
            done.append(proposal.proposal_id)
    return done


def close(uow: UnitOfWork, sitting_id: str, *, by: str, now: datetime, zone: tzinfo, to: Destinations = NOWHERE) -> list[Decided]:
    """What became of each case, written and not committed; the sitting is closed. Refused to all but the chair, and unless it is open."""
    for case in cases(uow, sitting_id):  # before the sitting: the order in which votes lock
        proposal = uow.get(Proposal, proposal_id=case.proposal_id)
        assert proposal is not None  # noqa: S101  a foreign key holds it
        lock_group(uow, proposal, now, zone=zone)
    sitting = sitting_of(uow, sitting_id, lock=True)
    committee = require_chair(uow, sitting, by, on=now.astimezone(zone).date(), now=now)
    if sitting.state != SittingState.OPEN:
        raise Refused(NO_SITTING, said("sitting {sitting} is {state}", sitting=sitting_id, state=state_of(sitting)))
    attended = [one.person_id for one in uow.find(CommitteeAttendance, sitting_id=sitting_id, order_by=("person_id",))]
    one = _Close(uow, sitting, committee, matrix_in_force(uow, now), attended, by, now, zone, to)
    decided = [_case(one, case) for case in cases(uow, sitting_id)]
    uow.change(CommitteeSitting, where={"sitting_id": sitting_id}, to={"state": SittingState.CLOSED, "closed_by": by, "closed_at": now})
    data: dict[str, Any] = {"committee": committee.committee, "pack": sitting.pack_digest, "from": sitting.state, "to": SittingState.CLOSED}
    data |= {"present": attended, "absent": sorted(set(committee.on(now.astimezone(zone).date())) - set(attended))}
    data |= {"cases": {d.proposal_id: d.outcome for d in decided}}
    owe_updates(uow, [f"{AGENDA}:{sitting_id}"], now)
    uow.append(Entry(action=Action.COMMITTEE_CLOSED, actor=actor(by), entity=f"sitting:{sitting_id}", data=data))
    return decided


def _case(close: _Close, case: CommitteeCase) -> Decided:
    uow = close.uow
    proposal = uow.get(Proposal, proposal_id=case.proposal_id)
    assert proposal is not None  # noqa: S101  a foreign key holds it
    votes = {v.person_id: v for v in uow.find(CommitteeVote, sitting_id=case.sitting_id, proposal_id=case.proposal_id)}
    found = _counted(close, case, proposal, votes)
    outcome = Carried.NOT_DECIDED if found is None or found.code else carried(close.committee, found.room, found.standing.today)
    if outcome == Carried.RETURNED and overridden(uow, case.proposal_id):  # in force already: approved as it is, or taken back
        outcome = Carried.NOT_DECIDED
    code = "no_rate" if found is None else found.code
    tally = _tally(found, votes)
    uow.change(
        CommitteeCase,
        where={"sitting_id": case.sitting_id, "proposal_id": case.proposal_id},
        to={"outcome": outcome, "tally_json": canonical({**tally, "code": code})},
    )
    if found is not None and proposal.state == ProposalState.PENDING:
        _decide(close, found, outcome)
        _enter(close, found, outcome, tally, code)
    return Decided(proposal_id=case.proposal_id, outcome=outcome, code=code, votes={p: v.vote for p, v in votes.items()})


def _counted(close: _Close, case: CommitteeCase, proposal: Proposal, votes: Mapping[str, CommitteeVote]) -> _Counted | None:
    """The case with each present member judged as if he voted now; None where a rate is missing to judge it by."""
    try:
        standing = gather(close.uow, proposal.proposal_id, close.matrix, close.now, zone=close.zone)
        judged = {p: _judged(close, standing, case, p, votes.get(p)) for p in close.attended}
        alone = judge(standing, close.matrix, close.now)
    except (Refused, MissingRate):
        return None
    present = [p for p in close.attended if p not in votes or votes[p].vote != Vote.RECUSED]
    voters = [p for p in present if judged[p].allowed]
    said_by = {vote: [p for p in voters if p in votes and votes[p].vote == vote] for vote in Vote}
    cast = [p for p in voters if p in votes]
    about = next((str(j.code) for j in judged.values() if not j.allowed and j.code not in _OF_THE_PERSON), "")
    if not about and alone.committee != close.committee.committee:
        about = "another_tier"
    elif not about and voters and not cast:
        about = "no_votes"
    room = Room(present=present, voters=voters, approve=said_by[Vote.APPROVE], reject=said_by[Vote.REJECT], least=alone.approvals_needed)
    barred = {p: str(judged[p].code) for p in present if not judged[p].allowed}
    return _Counted(standing=standing, judgement=alone, room=room, votes=votes, barred=barred, code=about)


def _judged(close: _Close, standing: Standing, case: CommitteeCase, person: str, vote: CommitteeVote | None) -> Judgement:
    """Whether a member may vote as he did, or at all, by the judgement of every decision."""
    approves = vote is not None and vote.vote == Vote.APPROVE
    digest, assurance = (vote.digest, Assurance(vote.assurance)) if vote else (case.digest, Assurance.CLICK)
    asking = Asking(person_id=person, digest=digest, assurance=assurance, approves=approves)
    return judge(replace(standing, asking=asking), close.matrix, close.now)


def _tally(found: _Counted | None, votes: Mapping[str, CommitteeVote]) -> dict[str, Any]:
    """What the record says of a case: everybody's vote, who was there, and who might vote."""
    cast = {person: vote.vote for person, vote in sorted(votes.items())}
    if found is None:
        return {"votes": cast, "present": [], "voters": [], "barred": {}}
    room = found.room
    return {"votes": cast, "present": sorted(room.present), "voters": sorted(room.voters), "barred": dict(sorted(found.barred.items()))}


def _decide(close: _Close, found: _Counted, outcome: Carried) -> None:
    """The case's decisions, and its change of state."""
    uow, now, proposal = close.uow, close.now, found.standing.proposal
    if outcome == Carried.APPROVED:
        _record(close, found, found.room.approve, Verdict.APPROVE, Action.DECISION_APPROVE)
        needs = {"tier": found.judgement.tier, "required_approvals": found.judgement.approvals_needed}
        move(uow, proposal, ProposalState.APPROVED, now=now, decided_at=now, **needs)
        owe_apply(uow, proposal.proposal_id, now)
    elif outcome == Carried.REJECTED:
        _record(close, found, found.room.reject, Verdict.REJECT, Action.DECISION_REJECT)
        end(uow, proposal, ProposalState.REJECTED, code=ProposalState.REJECTED, now=now)
        take_back(uow, proposal, now, zone=close.zone, by=actor(close.by))
    elif outcome == Carried.RETURNED:
        _ask(close, found)
        end(uow, proposal, ProposalState.RETURNED, code=ProposalState.RETURNED, now=now)
    else:
        owe_card_updates(uow, proposal.proposal_id, now)


def _record(close: _Close, found: _Counted, people: Collection[str], verdict: Verdict, action: Action) -> None:
    """A decision, of the time he voted, and its entry for each member whose vote carried the case; none of them moves it,
    `committee.decided` does."""
    standing, judgement, proposal = found.standing, found.judgement, found.standing.proposal
    given = 0
    for person in people:
        vote = found.votes[person]
        key = sha256(f"{close.sitting.sitting_id}|{proposal.proposal_id}|{person}".encode()).hexdigest()
        close.uow.add(
            Decision(
                proposal_id=proposal.proposal_id, approver_id=person, on_behalf_of=None, proposer_id=proposal.proposer_id, verdict=verdict,
                digest=proposal.digest, tier=judgement.tier, reason=vote.reason, channel=COMMITTEE, delivery_key=key, at=vote.at,
                assurance=vote.assurance,
            )
        )  # fmt: skip
        given += verdict == Verdict.APPROVE
        data: dict[str, Any] = {
            "digest": proposal.digest, "on_behalf_of": None, "tier": judgement.tier, "because": list(judgement.because),
            "approvals_needed": judgement.approvals_needed, "approvals_given": given, "group_limit_minor": standing.group_limit_minor,
            "increases_12m_minor": standing.increases_12m_minor, "control_currency": standing.control_currency,
            "policy": proposal.policy_digest, "authority": proposal.authority_digest, "scorecard": scorecard_of(proposal),
            "channel": COMMITTEE, "assurance": vote.assurance, "reason_code": None, "conditions": [],
            "delivery": sha256(key.encode()).hexdigest(), "from": ProposalState.PENDING, "to": ProposalState.PENDING,
            "sitting": close.sitting.sitting_id, "voted_by": vote.channel, "closed_by": close.by,
        }  # fmt: skip
        payload = {"reason": vote.reason} if vote.reason else None
        entity = f"proposal:{proposal.proposal_id}"
        close.uow.append(Entry(action=action, actor=actor(person), entity=entity, data=data, payload=payload))


def _enter(close: _Close, found: _Counted, outcome: Carried, tally: Mapping[str, Any], code: str) -> None:
    """The one entry of the case: every vote, the quorum and the rule by which it was carried, and what state it is in now."""
    proposal, quorum = found.standing.proposal, close.committee.quorum
    roles = close.committee.on(found.standing.today)
    data = {
        **tally, "sitting": close.sitting.sitting_id, "committee": close.committee.committee, "pack": close.sitting.pack_digest,
        "outcome": outcome, "code": code or None, "digest": proposal.digest, "tier": found.judgement.tier,
        "approvals_needed": found.judgement.approvals_needed, "rule": close.committee.rule,
        "quorum": {"present": quorum.present, "voters": quorum.voters, "role": quorum.role},
        "roles": {p: roles[p] for p in tally["voters"] if roles.get(p)},
        "authority": found.standing.authority_in_force, "from": proposal.state, "to": _ENDS.get(outcome, proposal.state),
    }  # fmt: skip
    entity = f"proposal:{proposal.proposal_id}"
    close.uow.append(Entry(action=Action.COMMITTEE_DECIDED, actor=actor(close.by), entity=entity, data=data))


def _ask(close: _Close, found: _Counted) -> None:
    """A case that neither side carried goes back to the analyst with the members' reasons; his answer is a new case."""
    given = [f"{vote.person_id}: {vote.reason}" for vote in found.votes.values() if vote.reason and vote.vote != Vote.RECUSED]
    proposal = found.standing.proposal
    text = "; ".join(given) or "the committee came to no decision"
    note = Note(
        note_id=short_id("n", close.sitting.sitting_id, proposal.proposal_id), proposal_id=proposal.proposal_id, person_id=close.by,
        kind="question", text=text, sha256=sha256(text.encode()).hexdigest(), at=close.now,
    )  # fmt: skip
    close.uow.add(note)
    ask_analyst(close.uow, proposal, close.to, close.now)
