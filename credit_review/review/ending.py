"""How a proposal leaves the open states, and how one takes the place of another. The callers append the entry that says why."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from hashlib import sha256
from typing import Any

from credit_review.adverse import lowers
from credit_review.audit import Action, canonical
from credit_review.errors import Conflict
from credit_review.model.records import Maker, OutboxEntry, Proposal, RiskKept
from credit_review.model.states import OutboxState, ProposalState
from credit_review.ports import Entry, UnitOfWork
from credit_review.review.naming import short_id
from credit_review.review.outbox import apply_key, owe_card_updates, owe_request_update, owe_successor_cards
from credit_review.review.owners import owe_owner
from credit_review.words import said


def move(uow: UnitOfWork, proposal: Proposal, to: ProposalState, *, now: datetime, **fields: object) -> None:
    """Changes a proposal's state from the one it was read in. Raises Conflict when it has left that state."""
    changed = uow.change(Proposal, where={"proposal_id": proposal.proposal_id, "state": proposal.state}, to={"state": to, **fields})
    if changed != 1:
        raise Conflict(
            said("proposal {proposal_id} is no longer {state}", proposal_id=proposal.proposal_id, state=said(proposal.state)),
            next_step=said("read it again and decide on that"),
        )
    owe_card_updates(uow, proposal.proposal_id, now)
    owe_request_update(uow, proposal, now)


def end(uow: UnitOfWork, proposal: Proposal, to: ProposalState, *, code: str, now: datetime, replaced: bool = False) -> None:
    """Puts a proposal in a terminal state, withdraws its application, and raises the risk kept when a reduction does not happen.

    `replaced` says that a successor takes its place, so that what was to be reduced is not forgotten.
    """
    move(uow, proposal, to, now=now, outcome_code=code, decided_at=proposal.decided_at or now)
    withdraw_apply(uow, proposal.proposal_id, code)
    owe_owner(uow, proposal, to, now)
    if to != ProposalState.APPLIED and not replaced and reduces(proposal):
        raise_risk(uow, proposal, to, now)


_BY_TIME = {
    ProposalState.EXPIRED: ("expired", Action.PROPOSAL_EXPIRED),
    ProposalState.SUPERSEDED: ("base_changed", Action.PROPOSAL_SUPERSEDED),
}


def end_outdated(uow: UnitOfWork, proposal: Proposal, to: ProposalState, now: datetime, *, by: str) -> ProposalState:
    """Ends a proposal that expired, or (superseded) whose limit in force is another by now, with its entry; returns the state `to`."""
    code, action = _BY_TIME[to]
    end(uow, proposal, to, code=code, now=now)
    data = {"code": code, "from": proposal.state, "to": to, "digest": proposal.digest}
    uow.append(Entry(action=action, actor=by, entity=f"proposal:{proposal.proposal_id}", data=data))
    return to


def withdraw_apply(uow: UnitOfWork, proposal_id: str, code: str) -> None:
    """Settles the queued application of a proposal, applied or never to be."""
    done = {"state": OutboxState.CONFIRMED, "confirmed_json": canonical({"code": code})}
    uow.change(OutboxEntry, where={"dedup_key": apply_key(proposal_id)}, to=done)


def reduces(proposal: Proposal) -> bool:
    """Whether the proposal lowers the amount, or tightens terms without raising it."""
    names = ("from_minor", "to_minor", "from_terms_days", "terms_days")
    return lowers({name: getattr(proposal, name) for name in names})


def raise_risk(uow: UnitOfWork, proposal: Proposal, cause: ProposalState, now: datetime) -> None:
    """Records that a reduction did not happen (amount: the part not taken back); the review cannot close until a person answers it."""
    amount = (proposal.from_minor or 0) - proposal.to_minor
    risk = RiskKept(
        proposal_id=proposal.proposal_id,
        review_id=proposal.review_id,
        customer_id=proposal.customer_id,
        currency=proposal.currency,
        amount_minor=amount,
        cause=cause,
        raised_at=now,
        decided_by="",
        reason="",
        until=None,
        decided_at=None,
    )
    uow.add(risk)
    data = {"customer": proposal.customer_id, "amount_minor": amount, "currency": proposal.currency, "cause": cause}
    uow.append(Entry(action=Action.RISK_RAISED, actor="system:review", entity=f"proposal:{proposal.proposal_id}", data=data))


def successor_of(proposal: Proposal, *, key: str, now: datetime, shown: Mapping[str, Any], **fields: Any) -> Proposal:
    """The pending proposal that takes the place of `proposal`, not yet stored: changed `fields`, and a packet of its own.

    The packet is the old one with the new figures and `shown` on top. It expires when the old one does: the figures are as old.
    """
    new = replace(proposal, **fields)
    figures: dict[str, Any] = {
        "proposal_id": short_id("p", proposal.proposal_id, key),
        "supersedes": proposal.proposal_id,
        "to_minor": new.to_minor,
        "terms_days": new.terms_days,
        "effective_from": new.effective_from.isoformat(),
        "effective_to": new.effective_to.isoformat() if new.effective_to else None,
        "policy": new.policy_digest,
        "authority": new.authority_digest,
    }
    packet = canonical({**json.loads(proposal.packet_json), **figures, **shown})
    return replace(
        new,
        proposal_id=figures["proposal_id"],
        supersedes_id=proposal.proposal_id,
        state=ProposalState.PENDING,
        straight_through_rule="",
        tier="",
        required_approvals=0,
        packet_json=packet,
        digest=sha256(packet.encode()).hexdigest(),
        created_at=now,
        decided_at=None,
        outcome_code="",
    )


def put_in_place(uow: UnitOfWork, old: Proposal, new: Proposal, makers: Mapping[str, str], *, code: str, now: datetime) -> None:
    """Supersedes `old` by `new`, with all makers of the old one and `makers` (person id: how) besides."""
    end(uow, old, ProposalState.SUPERSEDED, code=code, now=now, replaced=True)
    uow.add(new)
    kept = {m.person_id: m.how for m in uow.find(Maker, proposal_id=old.proposal_id)}
    for person_id, how in sorted({**makers, **kept}.items()):
        uow.add(Maker(proposal_id=new.proposal_id, person_id=person_id, how=how, at=now))
    owe_successor_cards(uow, old.proposal_id, new, now)


def created_data(proposal: Proposal) -> dict[str, object]:
    """The facts of a new proposal for its audit entry: ids, figures before and after, digests."""
    return {
        "review": proposal.review_id,
        "account": proposal.account_id,
        "customer": proposal.customer_id,
        "proposer": proposal.proposer_id,
        "currency": proposal.currency,
        "from_minor": proposal.from_minor,
        "to_minor": proposal.to_minor,
        "from_terms_days": proposal.from_terms_days,
        "terms_days": proposal.terms_days,
        "effective_from": proposal.effective_from.isoformat(),
        "effective_to": proposal.effective_to.isoformat() if proposal.effective_to else None,
        "base_version": proposal.base_version,
        "digest": proposal.digest,
        "supersedes": proposal.supersedes_id,
        "policy": proposal.policy_digest,
        "authority": proposal.authority_digest,
        "scorecard": scorecard_of(proposal),
    }


def scorecard_of(proposal: Proposal) -> str | None:
    """The digest of the scorecard behind a proposal, as its packet says; None in packets from before it stood there."""
    found: str | None = json.loads(proposal.packet_json).get("scorecard")
    return found
