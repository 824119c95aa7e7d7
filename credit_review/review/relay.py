"""Delivers what is owed to the outside, at least once and never twice in effect; messages to one address keep their order.

Rows are leased in one transaction, sent outside of any, and settled in another under the same lease: a relay that died leaves rows
whose lease ends; one that was overtaken settles nothing. What cannot be delivered for a day is parked, and an applied limit stays applied.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from credit_review.audit import Action, canonical
from credit_review.errors import BadInput, Conflict, CreditReviewError, Unavailable
from credit_review.model.records import OutboxEntry, Proposal, SlackMessage
from credit_review.model.states import OutboxState, ProposalState
from credit_review.ports import Chat, Clock, Entry, Store, UnitOfWork, WriteBack
from credit_review.review.directory import slack_user
from credit_review.review.naming import actor
from credit_review.review.outbox import ERP, PROPOSAL, SLACK_POST, SLACK_UPDATE, card_of, person_of
from credit_review.review.reconcile import Figures, due_at, report_difference
from credit_review.review.reconcile import reconcile as reconcile  # the relay's other half: callers find both here
from credit_review.words import said

RELAY = "system:relay"
LEASE = timedelta(minutes=2)
GIVE_UP_AFTER = timedelta(hours=24)
FIRST_WAIT = timedelta(seconds=10)
LONGEST_WAIT = timedelta(hours=1)
FEWEST_ATTEMPTS = 5
"""... and this often: a relay that did not run for a day does not park what it tries for the first time."""
BATCH = 50
_LOOKED_THROUGH = 2_000
"""Queued messages looked through for those whose turn it is."""
_MESSAGES = (SLACK_POST, SLACK_UPDATE)


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """Who is at the other end. What has no receiver stays queued; `owner_id` is the person to whom parked deliveries are reported."""

    write_back: WriteBack | None = None
    chat: Chat | None = None
    render: Render | None = None
    owner_id: str = ""

    def kinds(self) -> tuple[str, ...]:
        """Kinds of effects that can be delivered."""
        erp = (ERP,) if self.write_back else ()
        return erp + (_MESSAGES if self.chat and self.render else ())


@dataclass(frozen=True, slots=True)
class RelayReport:
    """Outbox ids by what became of them in one run."""

    confirmed: tuple[str, ...] = ()
    delayed: tuple[str, ...] = ()
    parked: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Sent:
    """What a sending brought: a confirmation, or the error."""

    row: OutboxEntry
    answer: Mapping[str, Any] | None = None
    error: Exception | None = None
    message: SlackMessage | None = None


class _NotTried(Unavailable):
    """The receiver did not answer the row before this one; this row has not used up an attempt."""

    def __init__(self, row: OutboxEntry) -> None:
        super().__init__(f"not tried: {_receiver(row.kind)} did not answer, or asked to wait")


def backoff(attempts: int, dedup_key: str, *, asked: float | None = None) -> timedelta:
    """How long to wait after the n-th failed attempt: doubling from 10 s to an hour, spread over half of it by the dedup key.

    The spread is a function of key and attempt, so that a run can be repeated; what the other side asked for is a lower bound.
    """
    whole = min(LONGEST_WAIT.total_seconds(), FIRST_WAIT.total_seconds() * 2.0 ** min(attempts - 1, 20))
    share: float = int.from_bytes(sha256(f"{dedup_key}|{attempts}".encode()).digest()[:4], "big") / 2**32
    return timedelta(seconds=max(whole * (0.5 + share / 2), asked or 0.0))


def relay(store: Store, outside: Outside, clock: Clock, *, worker: str) -> RelayReport:
    """Delivers everything due, in leases of 50 rows; `worker` names this relay among others. Safe to run twice at once.

    A receiver that does not answer is not asked again in this run, nor an address that asks to wait.
    """
    confirmed: list[str] = []
    delayed: list[str] = []
    parked: list[str] = []
    silent: set[str] = set()
    while leased := _lease(store, outside.kinds(), silent, clock.now(), worker):
        sent = []
        for row in leased:
            result = _Sent(row, error=_NotTried(row)) if _held_up(row, silent) else _send(store, outside, row, clock.now())
            if isinstance(result.error, Unavailable) and not isinstance(result.error, _NotTried):
                # asked to wait, an address waits; no answer at all, and nobody there is asked again
                silent.add(_stream(row) if result.error.retry_after_seconds is not None else _receiver(row.kind))
            sent.append(result)
        for result, state in zip(sent, _settle(store, sent, outside, clock.now(), worker), strict=True):
            {OutboxState.CONFIRMED: confirmed, OutboxState.PARKED: parked}.get(state, delayed).append(result.row.outbox_id)
    return RelayReport(tuple(confirmed), tuple(delayed), tuple(parked))


def _receiver(kind: str) -> str:
    return ERP if kind == ERP else "slack"


def _stream(row: OutboxEntry) -> str:
    """What keeps its order: the messages of one address. ERP deliveries carry versions and need none."""
    return row.outbox_id if row.kind == ERP else str(json.loads(row.payload_json)["address"])


def _held_up(row: OutboxEntry, silent: set[str]) -> bool:
    return _receiver(row.kind) in silent or _stream(row) in silent


def _lease(store: Store, kinds: Sequence[str], silent: set[str], now: datetime, worker: str) -> list[OutboxEntry]:
    """Up to 50 due rows, leased to this worker: queued ones whose turn it is, and those whose lease has ended."""
    with store.begin(interactive=False) as uow:
        asked = [kind for kind in kinds if _receiver(kind) not in silent]
        rows = [*_ended_leases(uow, asked, now), *_queued_deliveries(uow, asked, now), *_queued_messages(uow, asked, now)]
        leased = []
        for row in [r for r in rows if not _held_up(r, silent)][:BATCH]:
            where = {"outbox_id": row.outbox_id, "state": row.state, "attempts": row.attempts}
            mine = replace(row, state=OutboxState.LEASED, attempts=row.attempts + 1, leased_by=worker, lease_until=now + LEASE)
            to = {name: getattr(mine, name) for name in ("state", "attempts", "leased_by", "lease_until")}
            if uow.change(OutboxEntry, where=where, to=to):
                leased.append(mine)
        if leased:
            uow.commit()
    return sorted(leased, key=lambda r: (r.kind != ERP, r.created_at, r.outbox_id))  # Slack may keep us waiting


def _ended_leases(uow: UnitOfWork, kinds: Sequence[str], now: datetime) -> list[OutboxEntry]:
    rows = uow.find(OutboxEntry, kind=kinds, state=OutboxState.LEASED, lock=True)
    return [r for r in rows if r.lease_until is None or r.lease_until <= now]


def _queued_deliveries(uow: UnitOfWork, kinds: Sequence[str], now: datetime) -> list[OutboxEntry]:
    if ERP not in kinds:
        return []
    order = ("not_before", "outbox_id")
    rows = uow.find(OutboxEntry, kind=ERP, state=OutboxState.QUEUED, order_by=order, limit=BATCH, lock=True)
    return [r for r in rows if r.not_before <= now]


def _queued_messages(uow: UnitOfWork, kinds: Sequence[str], now: datetime) -> list[OutboxEntry]:
    """Queued messages whose turn it is, one an address: nothing older for it waits or is under way."""
    if SLACK_POST not in kinds:
        return []
    order = ("created_at", "outbox_id")
    under_way = uow.find(OutboxEntry, kind=_MESSAGES, state=OutboxState.LEASED)
    waiting = {_stream(row) for row in under_way}
    found = []
    for row in uow.find(OutboxEntry, kind=_MESSAGES, state=OutboxState.QUEUED, order_by=order, limit=_LOOKED_THROUGH, lock=True):
        if row.not_before <= now and _stream(row) not in waiting:
            found.append(row)
        waiting.add(_stream(row))
    return found


def _send(store: Store, outside: Outside, row: OutboxEntry, now: datetime) -> _Sent:
    if row.lease_until is not None and now >= row.lease_until:
        return _Sent(row, error=Conflict(said("the lease ended before it was sent")))
    try:
        if row.kind == ERP:
            assert outside.write_back is not None  # noqa: S101  only kinds with a receiver are leased
            return _Sent(row, answer=outside.write_back.send(json.loads(row.payload_json)))
        return _show(store, outside, row, now)
    except Exception as error:
        # an adapter's own fault must not hold up the rows behind it: it is tried again, and parked after a day like an outage
        return _Sent(row, error=error)


def _show(store: Store, outside: Outside, row: OutboxEntry, now: datetime) -> _Sent:
    """Posts or updates a message. A proposal superseded before its card was posted is shown by its newest successor."""
    assert outside.chat is not None and outside.render is not None  # noqa: S101  only kinds with a receiver are leased
    payload = json.loads(row.payload_json)
    address = payload["address"]
    with store.read() as uow:
        subject = _newest(uow, payload["subject"]) if row.kind == SLACK_POST else payload["subject"]
        card = outside.render(uow, Showing(subject, address, payload))
        message = uow.get(SlackMessage, subject=subject, address=address)
        above = uow.get(SlackMessage, subject=card.under, address=address) if card and card.under else None
        to = _destination(uow, address, now) if card else ""
    if card is None or (row.kind == SLACK_UPDATE and message is None):
        return _Sent(row, answer={"outcome": "nothing to show"})
    if message and outside.chat.update(channel=message.channel, ts=message.ts, text=card.text, blocks=card.blocks):
        return _Sent(row, answer={"outcome": "updated", "ts": message.ts}, message=replace(message, shown_digest=card.digest))
    thread = above.ts if above else ""  # posted for the first time, or again because somebody deleted it
    posted = outside.chat.post(
        channel=to, text=card.text, blocks=card.blocks, dedup_key=row.dedup_key, thread_ts=thread, again=row.attempts > 1
    )
    shown = SlackMessage(subject=subject, address=address, channel=posted["channel"], ts=posted["ts"], shown_digest=card.digest)
    return _Sent(row, answer={"outcome": "posted", **posted}, message=shown)


def _destination(uow: UnitOfWork, address: str, now: datetime) -> str:
    """Where an address is in Slack: the channel, or the person's account there. Raises BadInput when he has none."""
    person_id = person_of(address)
    return slack_user(uow, person_id, on=now.date(), known_at=now) if person_id else address


def _newest(uow: UnitOfWork, subject: str) -> str:
    """The subject, or of a superseded proposal its newest successor."""
    kind, _, key = subject.partition(":")
    if kind != PROPOSAL:
        return subject
    found = uow.get(Proposal, proposal_id=key)
    if found is None:
        raise BadInput(said("proposal {key} does not exist", key=key))
    while found.state == ProposalState.SUPERSEDED and (successors := uow.find(Proposal, supersedes_id=found.proposal_id)):
        found = successors[0]
    return card_of(found.proposal_id)


def _settle(store: Store, sent: Sequence[_Sent], outside: Outside, now: datetime, worker: str) -> list[OutboxState]:
    """Stores what became of leased rows, each only while the lease is still this worker's."""
    with store.begin(interactive=False) as uow:
        states = [_settled(uow, result, outside, now, worker) for result in sent]
        uow.commit()
    return states


def _settled(uow: UnitOfWork, sent: _Sent, outside: Outside, now: datetime, worker: str) -> OutboxState:
    row, error = sent.row, sent.error
    if error is None:
        to: dict[str, Any] = {"state": OutboxState.CONFIRMED, "confirmed_json": _text({**(sent.answer or {}), "at": now.isoformat()})}
    elif _hopeless(row, error, now):
        to = {"state": OutboxState.PARKED, "last_error": _words(error)}
    else:
        wait = backoff(row.attempts, row.dedup_key, asked=getattr(error, "retry_after_seconds", None))
        to = {"state": OutboxState.QUEUED, "last_error": _words(error), "not_before": now + wait}
        if isinstance(error, _NotTried):
            to["attempts"] = row.attempts - 1
    where = {"outbox_id": row.outbox_id, "state": OutboxState.LEASED, "leased_by": worker, "attempts": row.attempts}
    if uow.change(OutboxEntry, where=where, to={**to, "leased_by": "", "lease_until": None}) != 1:
        return OutboxState.LEASED  # somebody else has it now
    if to["state"] == OutboxState.CONFIRMED:
        _confirmed(uow, sent)
    elif to["state"] == OutboxState.PARKED and row.kind == ERP:
        _parked(uow, row, _words(error), outside.owner_id, now)
    return OutboxState(to["state"])


def _confirmed(uow: UnitOfWork, sent: _Sent) -> None:
    row, answer = sent.row, sent.answer or {}
    if row.kind == ERP:
        payload = json.loads(row.payload_json)
        data = {"change": payload["change_id"], "version": payload["version"], "attempts": row.attempts, "outcome": answer.get("outcome")}
        about = {**data, "held_version": answer.get("version"), "held_minor": answer.get("amount_minor")}
        uow.append(Entry(action=Action.ERP_CONFIRMED, actor=RELAY, entity=f"account:{payload['account_id']}", data=about))
    elif sent.message is not None:
        _keep_message(uow, sent.message)


def _keep_message(uow: UnitOfWork, message: SlackMessage) -> None:
    """Keeps where a message stands and what it shows; the first card of a proposal is an entry."""
    kind, _, key = message.subject.partition(":")
    if not uow.add_if_absent(message):
        where = {"subject": message.subject, "address": message.address}
        uow.change(SlackMessage, where=where, to={"channel": message.channel, "ts": message.ts, "shown_digest": message.shown_digest})
    elif kind == PROPOSAL:
        data = {"channel": message.channel, "ts": message.ts, "digest": message.shown_digest, "to": person_of(message.address) or None}
        uow.append(Entry(action=Action.PROPOSAL_POSTED, actor=RELAY, entity=f"proposal:{key}", data=data))


def _parked(uow: UnitOfWork, row: OutboxEntry, why: str, owner_id: str, now: datetime) -> None:
    """Says that the ERP did not get a change: an entry, and a difference with an owner. The limit stays in force here."""
    payload = json.loads(row.payload_json)
    data = {"change": payload["change_id"], "version": payload["version"], "attempts": row.attempts}
    about = Entry(action=Action.ERP_PARKED, actor=RELAY, entity=f"account:{payload['account_id']}", data=data, payload={"error": why})
    uow.append(about)
    expected = Figures(payload["amount_minor"], payload["terms_days"])
    report_difference(uow, payload["account_id"], None, expected, owner_id, now, reason=f"parked: change {payload['change_id']}")


def _hopeless(row: OutboxEntry, error: Exception, now: datetime) -> bool:
    """Whether trying again is of no use: refused for good, or not taken for a day and several attempts since it was due."""
    if isinstance(error, BadInput):
        return True
    tired = row.attempts >= FEWEST_ATTEMPTS and not isinstance(error, _NotTried)
    return tired and now - due_at(row) >= GIVE_UP_AFTER


def _words(error: Exception | None) -> str:
    """An error in words; of one that is not ours only the kind, since it may hold a secret."""
    return error.what if isinstance(error, CreditReviewError) else type(error).__name__


def _text(answer: Mapping[str, Any]) -> str:
    plain = {str(k): v if v is None or isinstance(v, str | int | bool) else str(v) for k, v in answer.items()}
    return canonical(plain)


def requeue(uow: UnitOfWork, outbox_id: str, *, by: str, now: datetime) -> bool:
    """Puts a parked effect back in the queue for another day, not committed; False when it is not parked. `by` is a person's id."""
    row = uow.get(OutboxEntry, outbox_id=outbox_id, lock=True)
    if row is None or row.state != OutboxState.PARKED:
        return False
    payload = canonical({**json.loads(row.payload_json), "due": now.isoformat()})
    to = {"state": OutboxState.QUEUED, "attempts": 0, "not_before": now, "last_error": "", "payload_json": payload}
    uow.change(OutboxEntry, where={"outbox_id": outbox_id, "state": OutboxState.PARKED}, to=to)
    entity = f"account:{json.loads(payload)['account_id']}" if row.kind == ERP else f"outbox:{outbox_id}"
    uow.append(Entry(action=Action.ERP_REQUEUED, actor=actor(by), entity=entity, data={"outbox": outbox_id, "kind": row.kind}))
    return True
