"""Asks others, when a person whom proposals were put before cannot or shall not decide them any more, or has a delegate now."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, tzinfo
from typing import Any

from credit_review.audit import Action
from credit_review.authority import Matrix, Standing, asked_first
from credit_review.errors import Refused
from credit_review.fx import MissingRate
from credit_review.model.records import Addressee, Decision, Proposal
from credit_review.model.states import Asked, ProposalState
from credit_review.ports import Entry, UnitOfWork
from credit_review.review.addressing import Destinations, ask
from credit_review.review.naming import actor
from credit_review.review.outbox import owe_card_updates
from credit_review.review.standing import gather_many, matrix_in_force

BATCH = 100


def reroute(
    uow: UnitOfWork, person_ids: Iterable[str], to: Destinations, now: datetime, *, zone: tzinfo, by: str, customer_id: str = ""
) -> tuple[str, ...]:
    """Ids of the proposals that were put before these people and are now put before others as well. The caller commits.

    Asked is whom a proposal would be put before first if it went out now. `customer_id` (not empty) keeps to that customer, whose cards
    are drawn anew besides. Does nothing where nobody is asked in Slack.
    """
    if not to.direct:
        return ()
    waiting = _waiting(uow, sorted(set(person_ids)), customer_id)
    if not waiting:
        return ()
    matrix = matrix_in_force(uow, now)
    done: list[str] = []
    for start in range(0, len(waiting), BATCH):
        part = waiting[start : start + BATCH]
        for proposal in part:
            if customer_id:
                owe_card_updates(uow, proposal.proposal_id, now)
        done += _ask_others(uow, part, matrix, to, now, zone=zone, by=by)
    return tuple(done)


def _waiting(uow: UnitOfWork, people: list[str], customer_id: str) -> list[Proposal]:
    """Pending proposals put before somebody of these who has not decided them."""
    decided = {(d.proposal_id, d.approver_id) for d in uow.find(Decision, approver_id=people)} if people else set()
    asked = uow.find(Addressee, person_id=people) if people else []
    ids = sorted({a.proposal_id for a in asked if (a.proposal_id, a.person_id) not in decided})
    only: Any = {"customer_id": customer_id} if customer_id else {}
    return uow.find(Proposal, proposal_id=ids, state=ProposalState.PENDING, order_by=("proposal_id",), **only) if ids else []


def _ask_others(
    uow: UnitOfWork, proposals: list[Proposal], matrix: Matrix, to: Destinations, now: datetime, *, zone: tzinfo, by: str
) -> list[str]:
    before: dict[str, set[str]] = {}
    for row in uow.find(Addressee, proposal_id=[p.proposal_id for p in proposals]):
        before.setdefault(row.proposal_id, set()).add(row.person_id)
    found: list[tuple[Standing, str, Asked]] = []
    for standing in _standings(uow, proposals, matrix, now, zone):
        known = before.get(standing.proposal.proposal_id, set())
        try:
            others = [(person, why) for person, why in asked_first(standing, matrix) if person not in known]
        except MissingRate:
            continue  # whoever clicks is told which rate is missing
        if others:
            found += [(standing, person, why) for person, why in others]
            data = {"asked": sorted(known), "also": [person for person, _ in others], "digest": standing.proposal.digest}
            entity = f"proposal:{standing.proposal.proposal_id}"
            uow.append(Entry(action=Action.PROPOSAL_ESCALATED, actor=actor(by), entity=entity, data=data))
    ask(uow, found, to.digest_above, now)
    return sorted({standing.proposal.proposal_id for standing, _, _ in found})


def _standings(uow: UnitOfWork, proposals: list[Proposal], matrix: Matrix, now: datetime, zone: tzinfo) -> list[Standing]:
    try:
        return list(gather_many(uow, proposals, matrix, now, zone=zone).values())
    except Refused as error:
        if error.code != "no_rate" or len(proposals) == 1:
            return []
        return [one for p in proposals for one in _standings(uow, [p], matrix, now, zone)]
