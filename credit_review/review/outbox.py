"""Effects owed to the outside, written in the transaction that causes them. One dedup key is owed once, however often it is asked.

A message is named by its subject, what it shows (`proposal:<id>`, `digest:<review>`, `daily:<day>`), and its
address, who sees it: a channel id, or `@<person id>`. It is rendered from the record when it is sent.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from credit_review.audit import canonical
from credit_review.model.records import Addressee, OutboxEntry, Proposal, SlackMessage
from credit_review.model.states import OutboxState
from credit_review.ports import UnitOfWork
from credit_review.review.naming import SYSTEM, short_id

APPLY, ERP, SLACK_POST, SLACK_UPDATE, TELL_OWNER = "apply", "erp", "slack_post", "slack_update", "tell_owner"
ORDERS, ORDER_LIST, LETTER = "orders", "order_list", "letter"
"""Open orders to be looked at under a change, the list of many such that goes to the ERP, and a letter that a change may want."""
PROPOSAL, DIGEST, SUMMARY, QUESTION, REQUEST = "proposal", "digest", "summary", "question", "request"
REMINDER, DAILY, OWNER, PARKED, DECLARATION = "reminder", "daily", "owner", "parked", "declaration"
CONDITION, LAPSED = "condition", "lapsed"
FINDINGS, OVERDUE = "findings", "overdue"
ENDING, PASS, AGENDA = "ending", "pass", "agenda"
"""What a message may show: a proposal's card, a person's list of a review, the review at a glance, a question about a proposal, what became
of a request (named by its review), what an account owner is told, what could not be sent, that a declaration of interests is due; of a day:
what still waits, what was decided in a person's name; a condition to be confirmed, and one that nobody confirmed in time; findings a person
was given on a day, and those not closed by their due date (`<due>.<week>`); exceptions that a person owns and that end on a day; that his
pass of a rehearsal ends on a day; the agenda of a committee's sitting."""


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


def owe_apply(uow: UnitOfWork, proposal_id: str, now: datetime) -> None:
    """Queues the application of an approved proposal; also for the one who approves by rule."""
    owe(uow, APPLY, apply_key(proposal_id), {"proposal_id": proposal_id}, now)


# --- messages -----------------------------------------------------------------------------------------------------------------------


def to_person(person_id: str) -> str:
    """The address of a person's direct messages."""
    return f"@{person_id}"


def person_of(address: str) -> str:
    """The person whose direct messages an address names; empty for a channel."""
    return address[1:] if address.startswith("@") else ""


def card_of(proposal_id: str) -> str:
    """The subject of a proposal's card."""
    return f"{PROPOSAL}:{proposal_id}"


def message_key(subject: str, address: str) -> str:
    """Dedup key of the first posting of a subject to an address."""
    return f"{SLACK_POST}:{subject}:{address}"


def subject_of(dedup_key: str) -> str:
    """The subject in the dedup key of a message; empty where there is none."""
    return ":".join(dedup_key.split(":")[1:3])


def owe_messages(uow: UnitOfWork, wanted: Iterable[tuple[str, str]], now: datetime, **about: Any) -> list[tuple[str, str]]:
    """The messages (subject, address) now queued, sent in this order; those owed before are left alone. `about` goes into the payloads."""
    keys = {message_key(subject, address): (subject, address) for subject, address in wanted}
    known = {row.dedup_key for row in uow.find(OutboxEntry, dedup_key=list(keys))} if keys else set()
    rows, fresh = [], []
    for n, (key, (subject, address)) in enumerate(keys.items()):
        if key not in known:
            # the order of one transaction's messages is kept by their microseconds
            payload = {"subject": subject, "address": address, **about}
            rows.append(owed(SLACK_POST, key, payload, now + timedelta(microseconds=n), not_before=now))
            fresh.append((subject, address))
    uow.add(*rows)
    return fresh


def owe_updates(uow: UnitOfWork, subjects: Collection[str], now: datetime, *, addresses: Collection[str] | None = None) -> None:
    """Queues a fresh rendering of every message about the subjects (to these addresses only, when given).

    One that is queued already shows everything when it is sent; one under way may have been drawn before, so another follows it.
    """
    messages = [m for m in uow.find(SlackMessage, subject=list(subjects)) if addresses is None or m.address in addresses]
    turns = {m: [_update(m, turn, now) for turn in ("", ":again")] for m in messages}
    keys = [row.dedup_key for rows in turns.values() for row in rows]
    known = {row.dedup_key: row.state for row in uow.find(OutboxEntry, dedup_key=keys, lock=True)} if keys else {}
    fresh, again = [], []
    for row in (_next(rows, known) for rows in turns.values()):
        if row.dedup_key not in known:
            fresh.append(row)
        elif known[row.dedup_key] in (OutboxState.CONFIRMED, OutboxState.PARKED):
            again.append(row)
    uow.add(*fresh)
    if again:  # many people may hold a tier: all their messages in one statement
        fields = ("state", "attempts", "not_before", "last_error", "confirmed_json", "created_at")
        where = {"outbox_id": [row.outbox_id for row in again]}
        uow.change(OutboxEntry, where=where, to={name: getattr(again[0], name) for name in fields})


def _update(message: SlackMessage, turn: str, now: datetime) -> OutboxEntry:
    payload = {"subject": message.subject, "address": message.address}
    return owed(SLACK_UPDATE, f"{SLACK_UPDATE}:{message.subject}:{message.address}{turn}", payload, now)


def _next(rows: Sequence[OutboxEntry], known: Mapping[str, str]) -> OutboxEntry:
    """The first of a message's two updates that is not under way; the second where both are."""
    return next((row for row in rows if known.get(row.dedup_key) != OutboxState.LEASED), rows[-1])


def owe_card_updates(uow: UnitOfWork, proposal_id: str, now: datetime) -> None:
    """Queues a fresh rendering of whatever shows a proposal: its cards, the question about it, and lists it stands in."""
    owe_updates(uow, [f"{kind}:{proposal_id}" for kind in (PROPOSAL, QUESTION)], now)
    asked = uow.find(Addressee, proposal_id=proposal_id)
    if asked:
        owe_updates(uow, {f"{DIGEST}:{a.review_id}" for a in asked}, now, addresses={to_person(a.person_id) for a in asked})


def owe_request_update(uow: UnitOfWork, proposal: Proposal, now: datetime) -> None:
    """Queues a fresh rendering of the status that follows a request; a proposal that no person asked for has none."""
    if proposal.proposer_id != SYSTEM:
        owe_updates(uow, [f"{REQUEST}:{proposal.review_id}"], now)


def owe_successor_cards(uow: UnitOfWork, old_id: str, new: Proposal, now: datetime) -> None:
    """Queues a card of the successor in every channel that has one of the superseded proposal; people are asked by `addressing`."""
    channels = [m.address for m in uow.find(SlackMessage, subject=card_of(old_id)) if not person_of(m.address)]
    owe_messages(uow, [(card_of(new.proposal_id), channel) for channel in channels], now)


def shown_among(uow: UnitOfWork, proposal_ids: Collection[str]) -> list[str]:
    """Those of the proposals that have a card somewhere."""
    shown = uow.find(SlackMessage, subject=[card_of(i) for i in proposal_ids]) if proposal_ids else []
    return sorted({m.subject.partition(":")[2] for m in shown})
