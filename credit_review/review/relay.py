"""Delivers what is owed to the outside, at least once and never twice in effect; messages to one address keep their order.

Rows are leased in one transaction, sent outside of any, and settled in another under the same lease: a relay that died leaves rows
whose lease ends; one that was overtaken settles nothing. A message is settled as soon as it is sent, so that a click or a reply finds it.

What is refused for good is parked, and what the ERP does not take for a day; an applied limit stays applied. A message waits as long as
Slack does: an outage, a wrong token or a missing channel is mended by somebody, and then everything owed is sent. One that a fault of this
program keeps from being drawn or sent is parked after a few minutes, so that it does not hold up its address: an entry and a notice to the
owner say so, a person puts it back, and while it still waits for an answer the daily sweep does so too.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from credit_review.audit import Action, canonical
from credit_review.errors import BadInput, CreditReviewError, Unavailable
from credit_review.model.records import OutboxEntry
from credit_review.model.states import OutboxState
from credit_review.ports import Chat, Clock, Entry, OrderDesk, Store, UnitOfWork, WriteBack
from credit_review.review.naming import actor
from credit_review.review.order_hand_off import parked_data
from credit_review.review.outbox import (
    ERP,
    ORDER_LIST,
    ORDERS,
    PARKED,
    PROPOSAL,
    QUESTION,
    REQUEST,
    SLACK_POST,
    SLACK_UPDATE,
    owe_messages,
    owe_updates,
    to_person,
)
from credit_review.review.reconcile import Figures, due_at, report_difference
from credit_review.review.reconcile import reconcile as reconcile  # the relay's other half: callers find both here
from credit_review.review.showing import RELAY, Render, Shown, keep, show
from credit_review.review.turns import await_turn, take_turn

LEASE = timedelta(minutes=2)
GIVE_UP_AFTER = timedelta(hours=24)
FIRST_WAIT = timedelta(seconds=10)
LONGEST_WAIT = timedelta(hours=1)
FEWEST_ATTEMPTS = 5
"""... and this often: a relay that did not run for a day does not park what it tries for the first time."""
AGAIN_AFTER = timedelta(hours=20)
"""When a parked message that waits for an answer is tried again: less than a day, so that tomorrow's sweep finds it."""
BATCH = 50
_LOOKED_THROUGH = 2_000
"""Queued messages looked through first for those whose turn it is."""
_MESSAGES = (SLACK_POST, SLACK_UPDATE)
_DELIVERIES = (ERP, ORDER_LIST)
"""What goes to the ERP; it carries versions or names of its own, and needs no order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """Who is at the other end. What has no receiver stays queued; `owner_id` is the person to whom parked deliveries are reported.

    `teams` are the workspaces whose accounts get direct messages, the one the app is installed in first.
    """

    write_back: WriteBack | None = None
    orders: OrderDesk | None = None
    chat: Chat | None = None
    render: Render | None = None
    teams: Collection[str] = ()
    owner_id: str = ""

    def kinds(self) -> tuple[str, ...]:
        """Kinds of effects that can be delivered."""
        erp = ((ERP,) if self.write_back else ()) + ((ORDER_LIST,) if self.orders else ())
        return erp + (_MESSAGES if self.chat and self.render else ())


@dataclass(frozen=True, slots=True)
class RelayReport:
    """Outbox ids by what became of them in one run."""

    confirmed: tuple[str, ...] = ()
    delayed: tuple[str, ...] = ()
    parked: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Sent:
    """What a sending begun at `at` brought: a confirmation, or the error."""

    row: OutboxEntry
    at: datetime
    answer: Mapping[str, Any] | None = None
    error: Exception | None = None
    shown: Shown | None = None


class _NotTried(Unavailable):
    """The row was leased and not sent; it has not used up an attempt."""


def backoff(attempts: int, dedup_key: str, *, asked: float | None = None) -> timedelta:
    """How long to wait after the n-th failed attempt: doubling from 10 s to an hour, spread over half of it by the dedup key.

    The spread is a function of key and attempt, so that a run can be repeated; what the other side asked for is a lower bound.
    """
    whole = min(LONGEST_WAIT.total_seconds(), FIRST_WAIT.total_seconds() * 2.0 ** min(attempts - 1, 20))
    share: float = int.from_bytes(sha256(f"{dedup_key}|{attempts}".encode()).digest()[:4], "big") / 2**32
    return timedelta(seconds=max(whole * (0.5 + share / 2), asked or 0.0))


def relay(store: Store, outside: Outside, clock: Clock, *, worker: str) -> RelayReport:
    """Delivers everything due, in leases of 50 rows; `worker` names this relay among others. Safe to run twice at once.

    A receiver that does not answer is not asked again in this run, nor an address that asks to wait. An address gets a message a second,
    from all relays together (`review.turns`), and what it asked to wait holds for all: nothing younger passes its oldest message.
    """
    confirmed: list[str] = []
    delayed: list[str] = []
    parked: list[str] = []
    silent: set[str] = set()
    while leased := _lease(store, outside.kinds(), silent, clock.now(), worker):
        for sent in _sent(store, outside, leased, silent, clock):
            for result, state in zip(sent, _settle(store, sent, outside, clock.now(), worker), strict=True):
                {OutboxState.CONFIRMED: confirmed, OutboxState.PARKED: parked}.get(state, delayed).append(result.row.outbox_id)
    return RelayReport(tuple(confirmed), tuple(delayed), tuple(parked))


def _sent(store: Store, outside: Outside, leased: Sequence[OutboxEntry], silent: set[str], clock: Clock) -> Iterator[list[_Sent]]:
    """What became of leased rows, in the parts that are to be settled together: a message that was tried ends its part."""
    part: list[_Sent] = []
    for row in leased:
        result = _tried(store, outside, row, silent, clock)
        part.append(result)
        if row.kind in _MESSAGES and not isinstance(result.error, _NotTried):
            yield part
            part = []
    if part:
        yield part


def _tried(store: Store, outside: Outside, row: OutboxEntry, silent: set[str], clock: Clock) -> _Sent:
    if _held_up(row, silent):
        return _Sent(row, clock.now(), error=_NotTried(f"not tried: {_receiver(row.kind)} did not answer, or asked to wait"))
    if row.kind in _MESSAGES:
        await_turn(store, _stream(row), clock)
    now = clock.now()
    if row.lease_until is not None and now >= row.lease_until:
        return _Sent(row, now, error=_NotTried("not tried: the lease ended before its turn came"))
    result = _send(store, outside, row, now)
    if isinstance(result.error, Unavailable):
        # asked to wait, an address waits; no answer at all, and nobody there is asked again
        silent.add(_stream(row) if result.error.retry_after_seconds is not None else _receiver(row.kind))
    return result


def _receiver(kind: str) -> str:
    return kind if kind in _DELIVERIES else "slack"


def _stream(row: OutboxEntry) -> str:
    """What keeps its order: the messages of one address."""
    return row.outbox_id if row.kind in _DELIVERIES else str(json.loads(row.payload_json)["address"])


def _held_up(row: OutboxEntry, silent: set[str]) -> bool:
    return _receiver(row.kind) in silent or _stream(row) in silent


def _lease(store: Store, kinds: Sequence[str], silent: set[str], now: datetime, worker: str) -> list[OutboxEntry]:
    """Up to 50 due rows, leased to this worker: queued ones whose turn it is, and those whose lease has ended."""
    with store.read() as uow:  # a click waits for the leases alone, not for the search; whoever leases a row first has it
        asked = [kind for kind in kinds if _receiver(kind) not in silent]
        rows = [*_ended_leases(uow, asked, now), *_queued_deliveries(uow, asked, now), *_queued_messages(uow, asked, silent, now)]
    due = [r for r in rows if not _held_up(r, silent)][:BATCH]
    if not due:
        return []
    leased = []
    with store.begin(interactive=False) as uow:
        for row in due:
            where = {"outbox_id": row.outbox_id, "state": row.state, "attempts": row.attempts, "lease_until": row.lease_until}
            mine = replace(row, state=OutboxState.LEASED, attempts=row.attempts + 1, leased_by=worker, lease_until=now + LEASE)
            to = {name: getattr(mine, name) for name in ("state", "attempts", "leased_by", "lease_until")}
            if uow.change(OutboxEntry, where=where, to=to):
                leased.append(mine)
        uow.commit()
    return sorted(leased, key=lambda r: (r.kind not in _DELIVERIES, r.created_at, r.outbox_id))  # Slack may keep us waiting


def _ended_leases(uow: UnitOfWork, kinds: Sequence[str], now: datetime) -> list[OutboxEntry]:
    rows = uow.find(OutboxEntry, kind=kinds, state=OutboxState.LEASED)
    return [r for r in rows if r.lease_until is None or r.lease_until <= now]


def _queued_deliveries(uow: UnitOfWork, kinds: Sequence[str], now: datetime) -> list[OutboxEntry]:
    asked = [kind for kind in kinds if kind in _DELIVERIES]
    if not asked:
        return []
    rows = uow.find(OutboxEntry, kind=asked, state=OutboxState.QUEUED, order_by=("not_before", "outbox_id"), limit=BATCH)
    return [r for r in rows if r.not_before <= now]


def _queued_messages(uow: UnitOfWork, kinds: Sequence[str], silent: set[str], now: datetime) -> list[OutboxEntry]:
    """Queued messages whose turn it is, one an address: nothing older for it waits or is under way."""
    if SLACK_POST not in kinds:
        return []
    busy = {*silent, *(_stream(row) for row in uow.find(OutboxEntry, kind=_MESSAGES, state=OutboxState.LEASED))}
    oldest: dict[str, OutboxEntry] = {}
    for most in (_LOOKED_THROUGH, None):  # an address that takes nothing may fill the front of the queue
        rows = uow.find(OutboxEntry, kind=_MESSAGES, state=OutboxState.QUEUED, order_by=("created_at", "outbox_id"), limit=most)
        for row in rows:
            oldest.setdefault(_stream(row), row)
        found = [row for stream, row in oldest.items() if stream not in busy and row.not_before <= now]
        if len(found) >= BATCH or len(rows) < _LOOKED_THROUGH:
            break
    return found


def _send(store: Store, outside: Outside, row: OutboxEntry, now: datetime) -> _Sent:
    try:
        if row.kind == ERP:
            assert outside.write_back is not None  # noqa: S101  only kinds with a receiver are leased
            return _Sent(row, now, answer=outside.write_back.send(json.loads(row.payload_json)))
        if row.kind == ORDER_LIST:
            assert outside.orders is not None  # noqa: S101  only kinds with a receiver are leased
            return _Sent(row, now, answer=outside.orders.take(json.loads(row.payload_json)))
        assert outside.chat is not None and outside.render is not None  # noqa: S101  only kinds with a receiver are leased
        shown = show(store, outside.chat, outside.render, row, teams=outside.teams, now=now)
        return _Sent(row, now, answer=shown.answer, shown=shown)
    except Exception as error:
        # a fault of our own must not hold up the rows behind it for long: it is tried again, and parked in the end
        return _Sent(row, now, error=error)


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
        to = {"state": OutboxState.PARKED, "last_error": _words(error), "not_before": now + AGAIN_AFTER}
    else:
        wait = backoff(row.attempts, row.dedup_key, asked=getattr(error, "retry_after_seconds", None))
        to = {"state": OutboxState.QUEUED, "last_error": _words(error), "not_before": now + wait}
        if isinstance(error, _NotTried):
            to["attempts"] = row.attempts - 1
    where = {"outbox_id": row.outbox_id, "state": OutboxState.LEASED, "leased_by": worker, "attempts": row.attempts}
    if uow.change(OutboxEntry, where=where, to={**to, "leased_by": "", "lease_until": None}) != 1:
        return OutboxState.LEASED  # somebody else has it now
    if row.kind in _MESSAGES and not isinstance(error, _NotTried):
        take_turn(uow, _stream(row), sent.at)
    if to["state"] == OutboxState.CONFIRMED:
        _confirmed(uow, sent, now)
    elif to["state"] == OutboxState.PARKED:
        {ERP: _parked, ORDER_LIST: _orders_parked}.get(row.kind, _message_parked)(uow, row, _words(error), outside.owner_id, now)
    return OutboxState(to["state"])


def _confirmed(uow: UnitOfWork, sent: _Sent, now: datetime) -> None:
    row, answer = sent.row, sent.answer or {}
    if row.kind == ERP:
        payload = json.loads(row.payload_json)
        data = {"change": payload["change_id"], "version": payload["version"], "attempts": row.attempts, "outcome": answer.get("outcome")}
        about = {**data, "held_version": answer.get("version"), "held_minor": answer.get("amount_minor")}
        uow.append(Entry(action=Action.ERP_CONFIRMED, actor=RELAY, entity=f"account:{payload['account_id']}", data=about))
    elif row.kind == ORDER_LIST:
        payload = json.loads(row.payload_json)
        data = {**parked_data(payload, row.attempts), "outcome": answer.get("outcome")}
        uow.append(Entry(action=Action.ORDERS_CONFIRMED, actor=RELAY, entity=_entity(row), data=data))
    elif sent.shown is not None:
        keep(uow, sent.shown, now)


def _parked(uow: UnitOfWork, row: OutboxEntry, why: str, owner_id: str, now: datetime) -> None:
    """Says that the ERP did not get a change: an entry, and a difference with an owner. The limit stays in force here."""
    payload = json.loads(row.payload_json)
    data = {"change": payload["change_id"], "version": payload["version"], "attempts": row.attempts}
    about = Entry(action=Action.ERP_PARKED, actor=RELAY, entity=f"account:{payload['account_id']}", data=data, payload={"error": why})
    uow.append(about)
    expected = Figures(payload["amount_minor"], payload["terms_days"])
    report_difference(uow, payload["account_id"], None, expected, owner_id, now, reason=f"parked: change {payload['change_id']}")


def _orders_parked(uow: UnitOfWork, row: OutboxEntry, why: str, owner_id: str, now: datetime) -> None:
    """Says that the ERP did not get a list of orders: an entry, and a notice to the owner. The file stays where it was kept."""
    data = {**parked_data(json.loads(row.payload_json), row.attempts), "owner": owner_id}
    uow.append(Entry(action=Action.ORDERS_PARKED, actor=RELAY, entity=_entity(row), data=data, payload={"error": why}))
    _notice(uow, owner_id, now)


def _message_parked(uow: UnitOfWork, row: OutboxEntry, why: str, owner_id: str, now: datetime) -> None:
    """Says that somebody did not get a message: an entry, and a notice to the owner. Escalation and the other channels go on."""
    about = json.loads(row.payload_json)
    data = {"outbox": row.outbox_id, "subject": about["subject"], "address": about["address"], "attempts": row.attempts, "owner": owner_id}
    uow.append(Entry(action=Action.MESSAGE_PARKED, actor=RELAY, entity=_entity(row), data=data, payload={"error": why}))
    if not about["subject"].startswith(f"{PARKED}:"):
        _notice(uow, owner_id, now)


def _notice(uow: UnitOfWork, owner_id: str, now: datetime) -> None:
    """Owes the owner, if there is one, word of what could not be delivered today."""
    if owner_id:
        notice = f"{PARKED}:{now.date()}"
        owe_messages(uow, [(notice, to_person(owner_id))], now)
        owe_updates(uow, [notice], now)


def _hopeless(row: OutboxEntry, error: Exception, now: datetime) -> bool:
    """Whether trying again is of no use: refused for good, or failing for a day and several attempts since it was due.

    An outage never parks a message: its proposal still waits, and what stands in Slack's way is mended by people. A fault of our own
    parks it after those attempts, some minutes: by itself it does not mend, and the other messages of the address wait for it.
    """
    if isinstance(error, BadInput):
        return True
    if isinstance(error, _NotTried) or (isinstance(error, Unavailable) and row.kind in _MESSAGES):
        return False
    ours = row.kind in _MESSAGES and not isinstance(error, CreditReviewError)
    return row.attempts >= FEWEST_ATTEMPTS and (ours or now - due_at(row) >= GIVE_UP_AFTER)


def _entity(row: OutboxEntry) -> str:
    """What an entry about a row is about: the limit account, orders handed over, the proposal or request a message shows, or the row."""
    about = json.loads(row.payload_json)
    if row.kind == ERP:
        return f"account:{about['account_id']}"
    if row.kind == ORDER_LIST:
        return f"{ORDERS}:{about['batch']}"
    kind, _, key = str(about.get("subject", "")).partition(":")
    if kind == REQUEST:
        return f"review:{key}"
    return f"proposal:{key}" if kind in (PROPOSAL, QUESTION) else f"outbox:{row.outbox_id}"


def _words(error: Exception | None) -> str:
    """An error in words; of one that is not ours only the kind, since it may hold a secret."""
    return error.what if isinstance(error, CreditReviewError) else type(error).__name__


def _text(answer: Mapping[str, Any]) -> str:
    plain = {str(k): v if v is None or isinstance(v, str | int | bool) else str(v) for k, v in answer.items()}
    return canonical(plain)


def requeue(uow: UnitOfWork, outbox_id: str, *, by: str, now: datetime) -> bool:
    """Puts a parked effect back in the queue for another day, not committed; False when it is not parked. `by` is a person's id, or
    `system:<what>`.

    It keeps its count of attempts: one of them may have arrived, so a message is looked for before it is posted again.
    """
    row = uow.get(OutboxEntry, outbox_id=outbox_id, lock=True)
    if row is None or row.state != OutboxState.PARKED:
        return False
    payload = canonical({**json.loads(row.payload_json), "due": now.isoformat()})
    to = {"state": OutboxState.QUEUED, "not_before": now, "last_error": "", "payload_json": payload}
    uow.change(OutboxEntry, where={"outbox_id": outbox_id, "state": OutboxState.PARKED}, to=to)
    action = {ERP: Action.ERP_REQUEUED, ORDER_LIST: Action.ORDERS_REQUEUED}.get(row.kind, Action.MESSAGE_REQUEUED)
    uow.append(Entry(action=action, actor=actor(by), entity=_entity(row), data={"outbox": outbox_id, "kind": row.kind}))
    return True
