"""What waits for whom, looked up on record: the same for Slack's App Home and `credit-review inbox`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, tzinfo

from credit_review.authority import Judgement, Matrix, Standing, judge
from credit_review.errors import Refused
from credit_review.fx import MissingRate
from credit_review.model.records import Addressee, Decision, Proposal
from credit_review.model.states import ProposalState
from credit_review.ports import UnitOfWork
from credit_review.review.standing import gather_many, matrix_in_force

BATCH = 500


def judged(
    uow: UnitOfWork, proposals: Sequence[Proposal], matrix: Matrix, now: datetime, *, zone: tzinfo, person_id: str = ""
) -> Iterator[tuple[Standing, Judgement]]:
    """Each proposal's standing and judgement as things stand; those that need a rate nobody recorded are left out."""
    for start in range(0, len(proposals), BATCH):
        part = proposals[start : start + BATCH]
        try:
            standings = gather_many(uow, part, matrix, now, zone=zone, people=[person_id])
        except Refused as error:
            if error.code != "no_rate" or len(part) == 1:
                return
            for one in part:
                yield from judged(uow, [one], matrix, now, zone=zone, person_id=person_id)
            continue
        for proposal in part:
            standing = standings[proposal.proposal_id]
            try:
                yield standing, judge(standing, matrix, now)
            except MissingRate:
                continue


def awaiting(uow: UnitOfWork, person_id: str, now: datetime, *, zone: tzinfo) -> list[Proposal]:
    """Pending proposals this person may decide now, largest first."""
    pending = uow.find(Proposal, state=ProposalState.PENDING)
    if not pending:
        return []
    matrix = matrix_in_force(uow, now)
    found = [s.proposal for s, j in judged(uow, pending, matrix, now, zone=zone, person_id=person_id) if person_id in j.who_may]
    return sorted(found, key=lambda p: (-p.to_minor, p.proposal_id))


def put_before_me(uow: UnitOfWork, person_id: str, review_id: str) -> list[Proposal]:
    """A review's proposals that were put before a person and are still pending, without those he decided already, by id."""
    ids = {a.proposal_id for a in uow.find(Addressee, person_id=person_id, review_id=review_id)}
    ids -= {d.proposal_id for d in uow.find(Decision, approver_id=person_id, proposal_id=sorted(ids))} if ids else set()
    return uow.find(Proposal, proposal_id=sorted(ids), state=ProposalState.PENDING) if ids else []


def asked_of(uow: UnitOfWork, person_id: str, proposals: Sequence[Proposal]) -> list[Proposal]:
    """Those of the proposals that were put before a person, in their order."""
    asked = {a.proposal_id for a in uow.find(Addressee, person_id=person_id)}
    return [p for p in proposals if p.proposal_id in asked]
