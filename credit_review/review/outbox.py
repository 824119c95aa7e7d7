"""Effects owed to the outside, written in the transaction that causes them. One dedup key is owed once, however often it is asked."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from credit_review.audit import canonical
from credit_review.model.records import OutboxEntry, Proposal, SlackMessage
from credit_review.model.states import OutboxState
from credit_review.ports import UnitOfWork
from credit_review.review.naming import short_id

APPLY, ERP, SLACK_POST, SLACK_UPDATE = "apply", "erp", "slack_post", "slack_update"


def owe(
    uow: UnitOfWork, kind: str, dedup_key: str, payload: Mapping[str, Any], now: datetime, *, not_before: datetime | None = None
) -> None:
    """Queues an effect, to be delivered at `not_before` or at once; does nothing when the dedup key is already owed."""
    if uow.find(OutboxEntry, dedup_key=dedup_key, limit=1):
        return
    uow.add(owed(kind, dedup_key, payload, now, not_before=not_before))


def owed(kind: str, dedup_key: str, payload: Mapping[str, Any], now: datetime, *, not_before: datetime | None = None) -> OutboxEntry:
    """The queued effect, not yet stored; for bulk steps, which know that the dedup key is new."""
    return OutboxEntry(
        outbox_id=short_id("o", dedup_key),
        kind=kind,
        dedup_key=dedup_key,
        payload_json=canonical(dict(payload)),
        state=OutboxState.QUEUED,
        attempts=0,
        not_before=not_before or now,
        leased_by="",
        lease_until=None,
        last_error="",
        confirmed_json="",
        created_at=now,
    )


def apply_key(proposal_id: str) -> str:
    """Dedup key of the application of a proposal."""
    return f"{APPLY}:{proposal_id}"


def card_key(proposal_id: str, channel: str) -> str:
    """Dedup key of the card of a proposal in a channel."""
    return f"{SLACK_POST}:{proposal_id}:{channel}"


def owe_apply(uow: UnitOfWork, proposal_id: str, now: datetime) -> None:
    """Queues the application of an approved proposal; also for the one who approves by rule."""
    owe(uow, APPLY, apply_key(proposal_id), {"proposal_id": proposal_id}, now)


def owe_card(uow: UnitOfWork, proposal_id: str, channel: str, now: datetime) -> None:
    """Queues the card of a proposal for a channel; what it shows is rendered from the record when it is sent."""
    owe(uow, SLACK_POST, card_key(proposal_id, channel), {"proposal_id": proposal_id, "channel": channel}, now)


def owe_card_updates(uow: UnitOfWork, proposal_id: str, cause: str, now: datetime) -> None:
    """Queues a fresh rendering of every card of a proposal; `cause` makes the update one of its own (a delivery key, a state)."""
    for message in uow.find(SlackMessage, proposal_id=proposal_id):
        key = f"{SLACK_UPDATE}:{proposal_id}:{message.channel}:{cause}"
        owe(uow, SLACK_UPDATE, key, {"proposal_id": proposal_id, "channel": message.channel}, now)


def owe_successor_cards(uow: UnitOfWork, old_id: str, new: Proposal, now: datetime) -> None:
    """Queues a card of the successor wherever the superseded proposal has one."""
    for message in uow.find(SlackMessage, proposal_id=old_id):
        owe_card(uow, new.proposal_id, message.channel, now)
