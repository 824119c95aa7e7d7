"""Sittings of a committee until they are closed: the agenda that calls one, who came, who is recused, and each member's own vote.

A vote counts once a person and case, and can be changed until the chair closes (`collective.close`). The functions write and append
entries; the caller commits. Locks are taken in one order: the case's group, its proposal, then the sitting.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from hashlib import sha256
from typing import Any

from credit_review.audit import Action
from credit_review.authority import Committee, Matrix, Standing, requirement
from credit_review.errors import BadInput, Refused
from credit_review.fx import MissingRate
from credit_review.model.records import CommitteeAttendance, CommitteeCase, CommitteeSitting, CommitteeVote, Proposal
from credit_review.model.states import Assurance, ProposalState, SittingState, Verdict, Vote
from credit_review.ports import Entry, UnitOfWork
from credit_review.review.directory import active_person, called
from credit_review.review.naming import actor, short_id
from credit_review.review.outbox import AGENDA, owe_card_updates, owe_messages, to_person
from credit_review.review.standing import gather_many, matrix_in_force
from credit_review.words import Said, listed, marked, said

NOT_CHAIR, NOT_MEMBER, NO_SITTING, NOT_ON_AGENDA, RECUSED, NOT_A_VOTE, EARLY = (
    "committee.not_chair", "committee.not_member", "committee.no_sitting", "committee.not_on_agenda", "committee.recused",
    "committee.not_a_vote", "committee.early",
)  # fmt: skip
"""Codes of refusals."""
LIVE = (SittingState.CALLED, SittingState.OPEN)
STATES = {
    SittingState.CALLED: marked("called, not open yet"),
    SittingState.OPEN: marked("open for votes"),
    SittingState.CLOSED: marked("over"),
    SittingState.SUPERSEDED: marked("replaced by a newer agenda"),
}
VOTES = {
    Vote.APPROVE: marked("in favour"),
    Vote.REJECT: marked("against"),
    Vote.ABSTAIN: marked("abstained"),
    Vote.RECUSED: marked("recused"),
}
"""Stored words as people read them."""
_BATCH = 200
_VOTES = {Verdict.APPROVE: Vote.APPROVE, Verdict.REJECT: Vote.REJECT, Verdict.ABSTAIN: Vote.ABSTAIN}


@dataclass(frozen=True, slots=True, kw_only=True)
class Pack:
    """An agenda pack that was written: its id, the day of the sitting, the SHA-256 of its `pack.sha256`, and the packets in it."""

    sitting_id: str
    sits_on: date
    digest: str
    cases: Sequence[tuple[str, str]]


def committee_named(matrix: Matrix, name: str) -> Committee:
    """The committee of this name; the only one where none is named. Raises BadInput, naming those there are."""
    if not name and len(matrix.committees) == 1:
        return matrix.committees[0]
    found = matrix.committee(name)
    if found is None:
        known = listed([one.committee for one in matrix.committees]) or said("none: the authority matrix in force has no committees")
        what = said("no committee {name}", name=name) if name else said("say which committee")
        raise BadInput(what, expected=said("one of: {known}", known=known))
    return found


def cases_of(uow: UnitOfWork, matrix: Matrix, committee: Committee, now: datetime, *, zone: tzinfo) -> list[Standing]:
    """Pending proposals that the committee decides, as they stand now. What lacks a rate to tell is no case until it has one."""
    ids = [key for (key, *_) in uow.tally(Proposal, by=("proposal_id",), state=ProposalState.PENDING)]
    found: list[Standing] = []
    for at in range(0, len(ids), _BATCH):
        for proposal in uow.find(Proposal, proposal_id=ids[at : at + _BATCH], order_by=("proposal_id",)):
            standing = _standing(uow, proposal, matrix, now, zone)
            if standing is not None and _decides(standing, matrix, committee):
                found.append(standing)
    return found


def _standing(uow: UnitOfWork, proposal: Proposal, matrix: Matrix, now: datetime, zone: tzinfo) -> Standing | None:
    try:
        return gather_many(uow, [proposal], matrix, now, zone=zone)[proposal.proposal_id]
    except Refused as refusal:
        if refusal.code != "no_rate":
            raise
        return None


def _decides(standing: Standing, matrix: Matrix, committee: Committee) -> bool:
    try:
        return requirement(standing, matrix).committee == committee.committee
    except MissingRate:
        return False


def sitting_id(committee: str, sits_on: date, now: datetime) -> str:
    """The id of a sitting called now."""
    return short_id("sit", committee, sits_on.isoformat(), now.isoformat())


def call(uow: UnitOfWork, committee: Committee, pack: Pack, *, by: str, on: date, now: datetime, tell: bool = False) -> CommitteeSitting:
    """The sitting called with this pack; one called before and not opened yet is superseded. Each member is told (`tell`).

    Raises BadInput for a day in the past, no case, or a case that changed after the pack was written; Refused while a sitting is open.
    """
    active_person(uow, by, on=on, known_at=now)
    if pack.sits_on < on:
        raise BadInput(said("the sitting is on {day}, in the past", day=pack.sits_on), expected=said("today or a later day"))
    if not pack.cases:
        raise BadInput(said("no case waits for {committee}", committee=committee.name))
    before = live_sitting(uow, committee.committee, lock=True)
    if before is not None and before.state == SittingState.OPEN:
        raise Refused(NO_SITTING, said("sitting {sitting} is open", sitting=before.sitting_id), next_step=said("its chair closes it first"))
    _require_unchanged(uow, pack)
    if before is not None:
        uow.change(CommitteeSitting, where={"sitting_id": before.sitting_id}, to={"state": SittingState.SUPERSEDED})
    sitting = CommitteeSitting(
        sitting_id=pack.sitting_id, committee=committee.committee, state=SittingState.CALLED, sits_on=pack.sits_on,
        pack_digest=pack.digest, called_by=by, called_at=now, opened_by="", opened_at=None, closed_by="", closed_at=None,
    )  # fmt: skip
    uow.add(sitting, *(CommitteeCase(sitting_id=pack.sitting_id, proposal_id=key, digest=digest) for key, digest in pack.cases))
    data: dict[str, Any] = {
        "committee": committee.committee,
        "sits_on": pack.sits_on.isoformat(),
        "pack": pack.digest,
        "to": SittingState.CALLED,
    }
    data |= {"cases": dict(pack.cases), "replaces": before.sitting_id if before else None}
    uow.append(Entry(action=Action.COMMITTEE_CALLED, actor=actor(by), entity=f"sitting:{pack.sitting_id}", data=data))
    for key, _ in pack.cases:
        owe_card_updates(uow, key, now)
    if tell:
        owe_messages(uow, [(f"{AGENDA}:{pack.sitting_id}", to_person(person)) for person in committee.on(pack.sits_on)], now)
    return sitting


def _require_unchanged(uow: UnitOfWork, pack: Pack) -> None:
    wanted = dict(pack.cases)
    for proposal in uow.find(Proposal, proposal_id=list(wanted), lock=True):
        if proposal.state != ProposalState.PENDING or proposal.digest != wanted[proposal.proposal_id]:
            changed = marked("case {proposal} changed while the pack was written")
            raise Refused(NOT_ON_AGENDA, said(changed, proposal=proposal.proposal_id), next_step=said("run the command again"))


def live_sitting(uow: UnitOfWork, committee: str, *, lock: bool = False) -> CommitteeSitting | None:
    """The sitting of a committee that is called or open; there is one at most."""
    found = uow.find(CommitteeSitting, committee=committee, state=LIVE, lock=lock)
    return found[0] if found else None


def sitting_of(uow: UnitOfWork, sitting: str, *, lock: bool = False) -> CommitteeSitting:
    """The sitting. Raises BadInput when there is none."""
    found = uow.get(CommitteeSitting, sitting_id=sitting, lock=lock)
    if found is None:
        raise BadInput(said("no sitting {sitting}", sitting=sitting), expected=said("an id that `credit-review committee list` shows"))
    return found


def open_sitting(uow: UnitOfWork, sitting: str, *, by: str, on: date, now: datetime) -> CommitteeSitting:
    """The sitting, open for votes; the chair is there. Refused to others, before its day, and unless it is called."""
    found = sitting_of(uow, sitting, lock=True)
    committee = require_chair(uow, found, by, on=on, now=now)
    if found.state != SittingState.CALLED:
        raise Refused(NO_SITTING, said("sitting {sitting} is {state}", sitting=sitting, state=state_of(found)))
    if on < found.sits_on:
        raise Refused(EARLY, said("the sitting is on {day}", day=found.sits_on), next_step=said("open it that day, or call another"))
    uow.change(CommitteeSitting, where={"sitting_id": sitting}, to={"state": SittingState.OPEN, "opened_by": by, "opened_at": now})
    data = {"committee": committee.committee, "pack": found.pack_digest, "from": found.state, "to": SittingState.OPEN}
    uow.append(Entry(action=Action.COMMITTEE_OPENED, actor=actor(by), entity=f"sitting:{sitting}", data=data))
    _came(uow, found, by, noted_by=by, now=now)
    for case in cases(uow, sitting):
        owe_card_updates(uow, case.proposal_id, now)
    return sitting_of(uow, sitting)


def require_chair(uow: UnitOfWork, sitting: CommitteeSitting, person_id: str, *, on: date, now: datetime) -> Committee:
    """The committee, whose chair or deputy the active person is. Refused otherwise, naming them."""
    active_person(uow, person_id, on=on, known_at=now)
    committee = committee_named(matrix_in_force(uow, now), sitting.committee)
    if person_id in committee.chairs and person_id in committee.on(on):
        return committee
    names = listed([called(uow, one) for one in committee.chairs])
    only = marked("chair or deputy of {committee} opens and closes a sitting: {names}")
    raise Refused(NOT_CHAIR, said(only, committee=committee.name, names=names))


def state_of(sitting: CommitteeSitting) -> Said:
    """How a sitting stands, in words."""
    return said(STATES[SittingState(sitting.state)])


def cases(uow: UnitOfWork, sitting: str) -> list[CommitteeCase]:
    """The cases of a sitting's agenda."""
    return uow.find(CommitteeCase, sitting_id=sitting, order_by=("proposal_id",))


def attend(uow: UnitOfWork, sitting: str, person_id: str, *, by: str, on: date, now: datetime) -> bool:
    """Whether the member was noted as present now, by himself or the chair; False when he was before. Refused unless it is open."""
    found = _open(uow, sitting)
    if by != person_id:
        require_chair(uow, found, by, on=on, now=now)
    _require_member(uow, found, person_id, on=on, now=now)
    return _came(uow, found, person_id, noted_by=by, now=now)


def _require_member(uow: UnitOfWork, sitting: CommitteeSitting, person_id: str, *, on: date, now: datetime) -> None:
    person = active_person(uow, person_id, on=on, known_at=now)
    committee = committee_named(matrix_in_force(uow, now), sitting.committee)
    if person_id not in committee.on(on):
        raise Refused(NOT_MEMBER, said("{name} does not sit on {committee}", name=person.name, committee=committee.name))


def _open(uow: UnitOfWork, sitting: str) -> CommitteeSitting:
    found = sitting_of(uow, sitting, lock=True)
    if found.state != SittingState.OPEN:
        raise Refused(NO_SITTING, said("sitting {sitting} is {state}", sitting=sitting, state=state_of(found)))
    return found


def _came(uow: UnitOfWork, sitting: CommitteeSitting, person_id: str, *, noted_by: str, now: datetime) -> bool:
    came = CommitteeAttendance(sitting_id=sitting.sitting_id, person_id=person_id, noted_by=noted_by, at=now)
    if not uow.add_if_absent(came):
        return False
    data = {"committee": sitting.committee, "member": person_id}
    uow.append(Entry(action=Action.COMMITTEE_ATTENDED, actor=actor(noted_by), entity=f"sitting:{sitting.sitting_id}", data=data))
    return True


def recuse(uow: UnitOfWork, sitting: str, proposal_id: str, *, by: str, reason: str, on: date, now: datetime) -> None:
    """Records that a member takes no part in a case, for good in this sitting, with the reason; an earlier vote of his is gone.

    Refused unless the sitting is open and has the case.
    """
    if not reason.strip():
        raise BadInput(said("no reason given"), expected=said("what the conflict of interest is"))
    found = _open(uow, sitting)
    _require_member(uow, found, by, on=on, now=now)
    case = uow.get(CommitteeCase, sitting_id=sitting, proposal_id=proposal_id)
    if case is None:
        raise Refused(NOT_ON_AGENDA, said("{proposal} is not on the agenda of this sitting", proposal=proposal_id))
    _came(uow, found, by, noted_by=by, now=now)
    vote = CommitteeVote(
        sitting_id=sitting, proposal_id=proposal_id, person_id=by, vote=Vote.RECUSED, reason=reason.strip(), digest=case.digest,
        channel="cli", assurance=Assurance.SIGNED_IN, at=now,
    )  # fmt: skip
    was = _keep(uow, vote)
    data = {"sitting": sitting, "committee": found.committee, "was": was}
    entity = f"proposal:{proposal_id}"
    uow.append(Entry(action=Action.COMMITTEE_RECUSED, actor=actor(by), entity=entity, data=data, payload={"reason": vote.reason}))


def _keep(uow: UnitOfWork, vote: CommitteeVote) -> str | None:
    """Stores what a member says now in place of what he said before, which is returned. Refused once he is recused."""
    key: dict[str, Any] = {"sitting_id": vote.sitting_id, "proposal_id": vote.proposal_id, "person_id": vote.person_id}
    before = uow.get(CommitteeVote, **key)
    if before is None:
        uow.add(vote)
        return None
    if before.vote == Vote.RECUSED:
        raise Refused(RECUSED, said("you are recused from this case"))
    to = {name: getattr(vote, name) for name in ("vote", "reason", "digest", "channel", "assurance", "at")}
    uow.change(CommitteeVote, where=key, to=to)
    return before.vote


@dataclass(frozen=True, slots=True, kw_only=True)
class Ballot:
    """A member's vote as it arrived, judged already: he may vote on this packet now."""

    person_id: str
    verdict: Verdict
    reason: str
    digest: str
    channel: str
    assurance: Assurance
    delivery_key: str


def vote(uow: UnitOfWork, proposal: Proposal, committee: Committee, ballot: Ballot, *, tier: str, now: datetime) -> Said:
    """What to tell the member whose vote was recorded. He is present by voting. Refused, before anything is written, unless a sitting of
    the committee is open and has the case on its agenda, and when he is recused from it.

    The proposal is locked already; the sitting is locked here, so that a vote comes before its close or not at all.
    """
    sitting = _takes_votes(uow, proposal, committee, ballot)
    _came(uow, sitting, ballot.person_id, noted_by=ballot.person_id, now=now)
    said_now = CommitteeVote(
        sitting_id=sitting.sitting_id, proposal_id=proposal.proposal_id, person_id=ballot.person_id, vote=_VOTES[ballot.verdict],
        reason=ballot.reason.strip(), digest=ballot.digest, channel=ballot.channel, assurance=ballot.assurance, at=now,
    )  # fmt: skip
    was = _keep(uow, said_now)
    data: dict[str, Any] = {
        "sitting": sitting.sitting_id, "committee": committee.committee, "vote": said_now.vote, "was": was, "digest": ballot.digest,
        "tier": tier, "channel": ballot.channel, "assurance": ballot.assurance,
        "delivery": sha256(ballot.delivery_key.encode()).hexdigest(),
    }  # fmt: skip
    payload = {"reason": said_now.reason} if said_now.reason else None
    entity = f"proposal:{proposal.proposal_id}"
    uow.append(Entry(action=Action.COMMITTEE_VOTED, actor=actor(ballot.person_id), entity=entity, data=data, payload=payload))
    text = marked("Your vote counts: {vote}. {committee} decides when its chair closes the sitting; until then you can change it.")
    return Said(text, {"vote": said(VOTES[Vote(said_now.vote)]), "committee": committee.name})


def _takes_votes(uow: UnitOfWork, proposal: Proposal, committee: Committee, ballot: Ballot) -> CommitteeSitting:
    """The open sitting that has the case on its agenda, locked. Refused otherwise, saying when it sits."""
    if ballot.verdict not in _VOTES:
        raise Refused(NOT_A_VOTE, said("{committee} decides this: approve, reject or abstain", committee=committee.name))
    if not ballot.reason.strip() and ballot.verdict != Verdict.APPROVE:
        raise Refused("reason_needed", said("say why: the minutes give the reason of a vote"))
    sitting = live_sitting(uow, committee.committee, lock=True)
    if sitting is None or sitting.state != SittingState.OPEN:
        raise Refused(NO_SITTING, when_decided(committee, sitting))
    if (case := uow.get(CommitteeCase, sitting_id=sitting.sitting_id, proposal_id=proposal.proposal_id)) is None:
        raise Refused(NOT_ON_AGENDA, said("{proposal} is not on the agenda of this sitting", proposal=proposal.proposal_id))
    if case.digest != proposal.digest:
        raise Refused(NOT_ON_AGENDA, said("the case changed after its agenda was sent: it waits for the next sitting"))
    return sitting


def when_decided(committee: Committee, sitting: CommitteeSitting | None) -> Said:
    """That a committee decides a case, and when."""
    if sitting is None:
        return said("{committee} decides this; no sitting is called yet", committee=committee.name)
    if sitting.state == SittingState.OPEN:
        return said("{committee} decides this; its sitting is open: vote now", committee=committee.name)
    later = marked("{committee} decides this, sitting on {day}; votes are taken once the sitting is open")
    return said(later, committee=committee.name, day=sitting.sits_on)
