"""Hands over which open orders and deliveries limits that changed put inside or outside: owed with each change, done for many at once.

That a change's orders are to be looked at is an effect owed by the transaction of the change, due on the day it takes effect.
`hand_off` takes all that is due, has the list made outside of any transaction and kept as a file under its digest, and in one transaction
settles what was owed, owes the file to the ERP and appends the entry: once, whoever else runs, and after any crash. A file that was
kept and never owed is made again under the same name.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, tzinfo
from hashlib import sha256
from typing import Any

from credit_review.audit import Action, canonical
from credit_review.errors import CreditReviewError
from credit_review.model.records import LimitAccount, LimitChange, OutboxEntry
from credit_review.model.states import ChangeKind, OutboxState
from credit_review.ports import Clock, Entry, Store, UnitOfWork
from credit_review.review.layers import Recorded, recorded_many
from credit_review.review.naming import short_id
from credit_review.review.outbox import ORDER_LIST, ORDERS, owed
from credit_review.review.standing import matrix_in_force, members_of

HAND_OFF = "system:hand_off"
BATCH = 2_000
_CUSTOMERS_AT_ONCE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A customer whose orders are to be looked at: its layers on record, or why there are none. `changes` (account, version) are new,
    the newest from `effective_from` on; `ended`: one of them ends a limit."""

    customer_id: str
    recorded: Recorded | CreditReviewError
    changes: frozenset[tuple[str, int]]
    effective_from: date
    ended: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """The list as text, of which review and snapshot, and what stands in it: lines a list and amounts by list and currency."""

    text: str
    review_id: str = ""
    snapshot: str = ""
    as_of: date | None = None
    lines: Mapping[str, int] = field(default_factory=dict)
    amounts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class HandedOff:
    """What a run handed over: batches, changes looked at, lines by list; `unheard` changes nobody takes lists of."""

    batches: tuple[str, ...] = ()
    changes: int = 0
    lines: Mapping[str, int] = field(default_factory=dict)
    unheard: int = 0


ListOrders = Callable[[Sequence[Asked]], Listed]
"""Makes the list, from the files of the newest review of the book. Raises what it cannot read."""
KeepFile = Callable[[str, str], None]
"""Keeps a text under a name, whole and on disk when it returns."""


def owe_orders(uow: UnitOfWork, change: LimitChange, now: datetime, *, zone: tzinfo = UTC) -> None:
    """Queues a look at the orders under the account of a change, due when the change takes effect or at once."""
    begins = datetime.combine(change.effective_from, time.min, tzinfo=zone).astimezone(UTC)
    uow.add(owed(ORDERS, f"{ORDERS}:{change.change_id}", {"change_id": change.change_id}, now, not_before=max(now, begins)))


def hand_off(store: Store, clock: Clock, *, zone: tzinfo, make: ListOrders, keep: KeepFile, taken: bool) -> HandedOff:
    """Hands over the orders of every change that is due, a batch of changes at a time. Safe to run twice at once.

    `taken` says that an ERP takes lists; where none does, what is due is settled and counted. Raises what `make` and `keep` raise:
    then it is still due.
    """
    batches: list[str] = []
    lines: dict[str, int] = {}
    changes = unheard = 0
    while due := _due(store, clock.now()):
        if not taken:
            unheard += _settle_unheard(store, due)
            continue
        asked, batch = _asked(store, due, clock.now(), zone), batch_of(due)
        listed = make(asked)
        keep(file_of(batch, listed.text), listed.text)
        if _settled(store, batch, due, listed, len(asked), clock.now()):
            batches.append(batch)
            changes += len(due)
            lines = {name: lines.get(name, 0) + listed.lines.get(name, 0) for name in {*lines, *listed.lines}}
    return HandedOff(batches=tuple(batches), changes=changes, lines=lines, unheard=unheard)


def batch_of(due: Sequence[OutboxEntry]) -> str:
    """The name of the hand-off of these changes, the same for the same changes."""
    return short_id("h", *sorted(row.dedup_key for row in due))


def file_of(batch: str, text: str) -> str:
    """Name of a list's file: its batch and the beginning of its digest, so that no other text ever stands under it."""
    return f"orders-{batch}-{digest_of(text)[:12]}.csv"


def digest_of(text: str) -> str:
    """SHA-256 (hex) of a list as it stands in its file."""
    return sha256(text.encode()).hexdigest()


def _due(store: Store, now: datetime) -> list[OutboxEntry]:
    with store.read() as uow:
        rows = uow.find(OutboxEntry, kind=ORDERS, state=OutboxState.QUEUED, order_by=("not_before", "outbox_id"), limit=BATCH)
    return [row for row in rows if row.not_before <= now]


def _asked(store: Store, due: Sequence[OutboxEntry], now: datetime, zone: tzinfo) -> list[Asked]:
    """Every customer of a changed account, of a group's account every member, with its layers today."""
    today = now.astimezone(zone).date()
    with store.read() as uow:
        mine = _by_customer(uow, due, today, now)
        control = matrix_in_force(uow, now).control_currency
        ids = sorted(mine)
        layers: dict[str, Recorded | CreditReviewError] = {}
        for start in range(0, len(ids), _CUSTOMERS_AT_ONCE):
            layers |= recorded_many(uow, ids[start : start + _CUSTOMERS_AT_ONCE], on=today, now=now, control=control)
    return [
        Asked(
            customer_id=customer,
            recorded=layers[customer],
            changes=frozenset((c.account_id, c.version) for c in changes),
            effective_from=max(c.effective_from for c in changes),
            ended=any(c.kind == ChangeKind.REVERSAL for c in changes),
        )
        for customer, changes in sorted(mine.items())
    ]


def _by_customer(uow: UnitOfWork, due: Sequence[OutboxEntry], today: date, now: datetime) -> dict[str, list[LimitChange]]:
    ids = [json.loads(row.payload_json)["change_id"] for row in due]
    changes = uow.find(LimitChange, change_id=ids)
    accounts = {a.account_id: a for a in uow.find(LimitAccount, account_id=sorted({c.account_id for c in changes}))}
    found: dict[str, list[LimitChange]] = {}
    for change in changes:
        account = accounts[change.account_id]
        members = {account.subject_id}
        if account.subject_kind == "group":
            members = _members(uow, account.subject_id, today, now)
        for customer in members:
            found.setdefault(customer, []).append(change)
    return found


def _members(uow: UnitOfWork, group_id: str, today: date, now: datetime) -> set[str]:
    """The members of a group; its own id among them where that is a customer with a limit of its own."""
    found = set(members_of(uow, {"": (group_id, group_id)}, today, now)[""][1])
    own = uow.find(LimitAccount, subject_kind="customer", subject_id=group_id, limit=1)
    return found if own else found - {group_id}


def _settled(store: Store, batch: str, due: Sequence[OutboxEntry], listed: Listed, customers: int, now: datetime) -> bool:
    """Settles what was owed and owes the file, unless another run has taken any of it meanwhile."""
    data = {
        "batch": batch,
        "file": file_of(batch, listed.text),
        "sha256": digest_of(listed.text),
        "review": listed.review_id,
        "snapshot": listed.snapshot,
        "as_of": listed.as_of.isoformat() if listed.as_of else None,
        "changes": len(due),
        "customers": customers,
        "lines": dict(sorted(listed.lines.items())),
        "amounts": dict(sorted(listed.amounts.items())),
    }
    ids = [row.outbox_id for row in due]
    with store.begin(interactive=False) as uow:
        still = uow.find(OutboxEntry, outbox_id=ids, state=OutboxState.QUEUED, lock=True)
        if len(still) != len(ids):
            return False
        done = {"state": OutboxState.CONFIRMED, "confirmed_json": canonical({"code": "handed_off", "batch": batch})}
        uow.change(OutboxEntry, where={"outbox_id": ids, "state": OutboxState.QUEUED}, to=done)
        uow.add(owed(ORDER_LIST, f"{ORDER_LIST}:{batch}", data, now))
        changes = [json.loads(row.payload_json)["change_id"] for row in due]
        uow.append(Entry(action=Action.ORDERS_LISTED, actor=HAND_OFF, entity=f"orders:{batch}", data={**data, "of": sorted(changes)}))
        uow.commit()
    return True


def _settle_unheard(store: Store, due: Sequence[OutboxEntry]) -> int:
    done = {"state": OutboxState.CONFIRMED, "confirmed_json": canonical({"code": "nobody_takes_it"})}
    with store.begin(interactive=False) as uow:
        count: int = uow.change(OutboxEntry, where={"outbox_id": [row.outbox_id for row in due], "state": OutboxState.QUEUED}, to=done)
        uow.commit()
    return count


def parked_data(payload: Mapping[str, Any], attempts: int) -> dict[str, Any]:
    """What the entry of a list that was given up says of it."""
    return {"batch": payload["batch"], "file": payload["file"], "sha256": payload["sha256"], "attempts": attempts}
