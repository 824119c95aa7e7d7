"""One message in Slack: drawn from the record, put where its address is reached, and kept on record as it stands there.

Between drawing and keeping somebody may decide. Who decides owes a fresh drawing of every message on record, and of none before; so
whoever keeps a new one looks whether the record is still the one it was drawn from, and owes the fresh drawing otherwise.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from credit_review.audit import Action
from credit_review.errors import BadInput
from credit_review.model.records import ApprovalCondition, Decision, OutboxEntry, Proposal, Review, SlackMessage
from credit_review.model.states import ConditionState, OutboxState, ProposalState
from credit_review.ports import Chat, Entry, Store, UnitOfWork
from credit_review.review.directory import slack_account
from credit_review.review.inbox import put_before_me
from credit_review.review.outbox import (
    CONDITION,
    DIGEST,
    ORDER_LIST,
    PARKED,
    PROPOSAL,
    QUESTION,
    REQUEST,
    SLACK_POST,
    SLACK_UPDATE,
    card_of,
    owe_messages,
    owe_updates,
    person_of,
)

RELAY = "system:relay"


@dataclass(frozen=True, slots=True)
class Showing:
    """A message to render: what it shows and to whom (`review.outbox`), and what its row says beside."""

    subject: str
    address: str
    about: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Card:
    """A message as rendered from the record: fall-back text, blocks, the digest of the packet they show (empty: of none).

    `under` is the subject under whose message it is posted as a reply, where that was posted to the same address.
    """

    text: str
    blocks: tuple[Mapping[str, Any], ...]
    digest: str
    under: str = ""


Render = Callable[[UnitOfWork, Showing], Card | None]
"""What a message shows now; None when there is nothing to say any more."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What became of a message: the answer for its row, the message as it stands (None: there is none), what it was drawn from."""

    answer: Mapping[str, Any]
    message: SlackMessage | None = None
    drawn_from: tuple[object, ...] = ()


def show(store: Store, chat: Chat, render: Render, row: OutboxEntry, *, teams: Collection[str], now: datetime) -> Shown:
    """Posts or updates a message. A proposal superseded before its card was posted is shown by its newest successor.

    Direct messages go to the person's account in one of our workspaces (`teams`). Raises what the chat raises, and BadInput where the
    address leads nowhere.
    """
    payload = json.loads(row.payload_json)
    address = payload["address"]
    with store.read() as uow:
        subject = _newest(uow, payload["subject"]) if row.kind == SLACK_POST else payload["subject"]
        card = render(uow, Showing(subject, address, payload))
        message = uow.get(SlackMessage, subject=subject, address=address)
        above = uow.get(SlackMessage, subject=card.under, address=address) if card and card.under else None
        to = _destination(uow, address, teams, now) if card else ""
        drawn_from = _record_of(uow, subject, address)
    if card is None or (row.kind == SLACK_UPDATE and message is None):
        return Shown({"outcome": "nothing to show"})
    place = chat.place(to)  # an update shows new facts too, so its readers are looked at as well
    if message and chat.update(channel=message.channel, ts=message.ts, text=card.text, blocks=card.blocks):
        return Shown({"outcome": "updated", "ts": message.ts}, replace(message, shown_digest=card.digest), drawn_from)
    thread = above.ts if above else ""  # posted for the first time, or again because somebody deleted it
    posted = chat.post(channel=place, text=card.text, blocks=card.blocks, dedup_key=row.dedup_key, thread_ts=thread, again=row.attempts > 1)
    stands = SlackMessage(subject=subject, address=address, channel=posted["channel"], ts=posted["ts"], shown_digest=card.digest)
    return Shown({"outcome": "posted", **posted}, stands, drawn_from)


def keep(uow: UnitOfWork, shown: Shown, now: datetime) -> None:
    """Keeps where a message stands and what it shows; the first card of a proposal is an entry. The caller commits."""
    message = shown.message
    if message is None:
        return
    kind, _, key = message.subject.partition(":")
    if not uow.add_if_absent(message):
        where = {"subject": message.subject, "address": message.address}
        uow.change(SlackMessage, where=where, to={"channel": message.channel, "ts": message.ts, "shown_digest": message.shown_digest})
        return
    if kind == PROPOSAL:
        data = {"channel": message.channel, "ts": message.ts, "digest": message.shown_digest, "to": person_of(message.address) or None}
        uow.append(Entry(action=Action.PROPOSAL_POSTED, actor=RELAY, entity=f"proposal:{key}", data=data))
    if _record_of(uow, message.subject, message.address, lock=True) != shown.drawn_from:
        _draw_again(uow, message, now)


def waits(uow: UnitOfWork, subject: str, address: str) -> bool:
    """Whether what a message shows still waits for somebody's answer."""
    kind, _, key = subject.partition(":")
    if kind == PROPOSAL:
        return bool(uow.find(Proposal, proposal_id=key, state=ProposalState.PENDING))
    if kind == QUESTION:
        returned = uow.find(Proposal, proposal_id=key, state=ProposalState.RETURNED)
        return bool(returned) and not uow.find(Proposal, supersedes_id=key, limit=1)
    if kind == CONDITION:
        return bool(uow.find(ApprovalCondition, condition_id=key, state=ConditionState.OPEN))
    return kind == DIGEST and bool(put_before_me(uow, person_of(address), key))


def _draw_again(uow: UnitOfWork, message: SlackMessage, now: datetime) -> None:
    """Owes a message whose record moved on before it was kept a fresh drawing, and in a channel the card of the proposal's successor."""
    owe_updates(uow, [message.subject], now, addresses=[message.address])
    newest = _newest(uow, message.subject)
    if newest != message.subject and not person_of(message.address):  # people are asked about a successor by `addressing`
        owe_messages(uow, [(newest, message.address)], now)


def _record_of(uow: UnitOfWork, subject: str, address: str, *, lock: bool = False) -> tuple[object, ...]:
    """What a message that decisions change is drawn from, to be compared; `lock` waits for a decision of the proposal that is under way."""
    kind, _, key = subject.partition(":")
    if kind == DIGEST:
        return tuple(p.proposal_id for p in put_before_me(uow, person_of(address), key))
    if kind == PARKED:
        return tuple(uow.tally(OutboxEntry, by=("outbox_id",), kind=(SLACK_POST, SLACK_UPDATE, ORDER_LIST), state=OutboxState.PARKED))
    if kind == REQUEST:  # named by the review that it is
        review = uow.get(Review, review_id=key)
        return (review.state if review else "", uow.tally(Proposal, by=("proposal_id", "state", "assigned_to"), review_id=key))
    if kind not in (PROPOSAL, QUESTION):
        return ()
    proposal = uow.get(Proposal, proposal_id=key, lock=lock)
    decided = uow.tally(Decision, by=("approver_id", "verdict"), proposal_id=key)
    conditions = uow.tally(ApprovalCondition, by=("condition_id", "state"), proposal_id=key)
    successors = uow.tally(Proposal, by=("proposal_id",), supersedes_id=key)
    return (proposal.state if proposal else "", decided, conditions, successors)


def _destination(uow: UnitOfWork, address: str, teams: Collection[str], now: datetime) -> str:
    """Where an address is in Slack: the channel, or the person's account. Raises BadInput when he has none in our workspaces."""
    person_id = person_of(address)
    return slack_account(uow, person_id, teams, on=now.date(), known_at=now) if person_id else address


def _newest(uow: UnitOfWork, subject: str) -> str:
    """The subject, or of a superseded proposal its newest successor."""
    kind, _, key = subject.partition(":")
    if kind != PROPOSAL:
        return subject
    found = uow.get(Proposal, proposal_id=key)
    if found is None:
        raise BadInput(f"proposal {key} does not exist")
    while found.state == ProposalState.SUPERSEDED and (successors := uow.find(Proposal, supersedes_id=found.proposal_id)):
        found = successors[0]
    return card_of(found.proposal_id)
