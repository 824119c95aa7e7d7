"""Compares the ERP with the limits in force, and keeps each difference with an owner until it is gone."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from itertools import islice

from credit_review.audit import Action
from credit_review.limits.layers import in_force_on
from credit_review.model.records import CreditLimit, ErpDifference, LimitAccount, LimitChange, OutboxEntry
from credit_review.model.states import ChangeKind, OutboxState
from credit_review.ports import Clock, Entry, Store, UnitOfWork, WriteBack
from credit_review.review.naming import short_id
from credit_review.review.outbox import ERP

RECONCILER = "system:reconcile"
_ACCOUNTS_AT_ONCE = 500
_MINE = "w"
"""Prefix of ids of differences between write-back and record; the intake of a ledger records differences of its own."""


@dataclass(frozen=True, slots=True)
class Figures:
    """Amount in minor units and net days of a limit; None where there is none."""

    minor: int | None
    terms_days: int | None


@dataclass(frozen=True, slots=True)
class ReconcileReport:
    """Accounts compared with the ERP, those whose delivery is still on its way, and ids of differences found and settled."""

    compared: int = 0
    on_the_way: int = 0
    found: tuple[str, ...] = ()
    settled: tuple[str, ...] = ()

    def __add__(self, other: ReconcileReport) -> ReconcileReport:
        return ReconcileReport(
            self.compared + other.compared,
            self.on_the_way + other.on_the_way,
            self.found + other.found,
            self.settled + other.settled,
        )


def reconcile(store: Store, write_back: WriteBack, clock: Clock, *, owner_id: str, zone: tzinfo = UTC) -> ReconcileReport:
    """Compares what the ERP holds with what is in force today, for every account this system has changed.

    An account that is unlike, with a delivery due and not delivered, or delivered so lately that the ERP need not have answered, is on
    its way. A difference is recorded with its owner, never adopted or overwritten; one that is gone is settled.
    Raises Unavailable, BadInput.
    """
    now = clock.now()
    with store.read() as uow:
        moving = _moving(uow, now, write_back.answers_within)
        accounts = [limit.account_id for limit in uow.find(CreditLimit)]
    total = ReconcileReport()
    for ids in _parts(accounts):
        with store.read() as uow:
            expected = _expected(uow, ids, now.astimezone(zone).date())
        held = write_back.read_back(sorted(expected)) if expected else {}
        found = {i: Figures(held[i]["amount_minor"], held[i]["terms_days"]) if i in held else None for i in expected}
        due = {i: figures for i, figures in expected.items() if i not in moving or found[i] == figures}
        with store.begin(interactive=False) as uow:
            compared = _compare(uow, due, found, owner_id, now)
            uow.commit()
        total += ReconcileReport(len(due), len(expected) - len(due), *compared)
    return total


def _moving(uow: UnitOfWork, now: datetime, grace: timedelta) -> frozenset[str]:
    owed = [r for r in uow.find(OutboxEntry, kind=ERP, state=(OutboxState.QUEUED, OutboxState.LEASED)) if due_at(r) <= now]
    if grace:
        done = uow.find(OutboxEntry, kind=ERP, state=OutboxState.CONFIRMED)
        owed += [r for r in done if datetime.fromisoformat(json.loads(r.confirmed_json)["at"]) > now - grace]
    return frozenset(json.loads(r.payload_json)["account_id"] for r in owed)


def due_at(row: OutboxEntry) -> datetime:
    """When a row was first due; `not_before` moves with every failed attempt."""
    due = json.loads(row.payload_json).get("due")
    return datetime.fromisoformat(due) if due else row.created_at


def _parts(ids: Iterable[str]) -> Iterator[list[str]]:
    rest = iter(ids)
    while part := list(islice(rest, _ACCOUNTS_AT_ONCE)):
        yield part


def _expected(uow: UnitOfWork, ids: Sequence[str], today: date) -> dict[str, Figures]:
    """What the ERP must hold today of the accounts whose limit in force comes from here; an opening came from the ERP itself."""
    changes: dict[str, list[LimitChange]] = {}
    for change in uow.find(LimitChange, account_id=list(ids)):
        changes.setdefault(change.account_id, []).append(change)
    now = {i: in_force_on(some, today) for i, some in changes.items()}
    return {i: Figures(c.new_minor, c.new_terms_days) for i, c in now.items() if c is not None and c.kind != ChangeKind.OPENING}


def _compare(
    uow: UnitOfWork, expected: Mapping[str, Figures], found: Mapping[str, Figures | None], owner_id: str, now: datetime
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    open_ones = uow.find(ErpDifference, account_id=sorted(expected), settled_at=None) if expected else []
    mine = {d.account_id: d for d in open_ones if d.difference_id.startswith(f"{_MINE}-")}
    added: list[str] = []
    settled: list[str] = []
    for account_id, want in sorted(expected.items()):
        got, known = found[account_id], mine.get(account_id)
        if known is not None and (_agrees(got, want) or not _same(known, got, want)):
            settled.append(_settle_difference(uow, known, "the ERP agrees" if _agrees(got, want) else "the figures changed", now))
            known = None
        if not _agrees(got, want) and known is None:
            added.append(report_difference(uow, account_id, got, want, owner_id, now))
    return tuple(added), tuple(settled)


def _agrees(got: Figures | None, want: Figures) -> bool:
    return got == want or (got is None and want.minor is None)


def _same(known: ErpDifference, got: Figures | None, want: Figures) -> bool:
    seen = (known.found_minor, known.found_terms_days, known.expected_minor, known.expected_terms_days)
    return seen == (got.minor if got else None, got.terms_days if got else None, want.minor, want.terms_days)


def report_difference(
    uow: UnitOfWork, account_id: str, got: Figures | None, want: Figures, owner_id: str, now: datetime, *, reason: str = ""
) -> str:
    """The id of the difference now on record between what the ERP holds (`got`) and what is in force (`want`)."""
    account = uow.get(LimitAccount, account_id=account_id)
    difference = ErpDifference(
        difference_id=short_id(_MINE, account_id, now.isoformat(), str(got), str(want)),
        account_id=account_id,
        found_minor=got.minor if got else None,
        expected_minor=want.minor,
        found_terms_days=got.terms_days if got else None,
        expected_terms_days=want.terms_days,
        found_at=now,
        owner_id=owner_id,
        settled_at=None,
        reason=reason,
    )
    uow.add(difference)
    data = {
        "account": account_id,
        "customer": account.subject_id if account else "",
        "currency": account.currency if account else "",
        "found_minor": difference.found_minor,
        "expected_minor": difference.expected_minor,
        "found_terms_days": difference.found_terms_days,
        "expected_terms_days": difference.expected_terms_days,
        "owner": owner_id,
    }
    entity = f"difference:{difference.difference_id}"
    uow.append(Entry(action=Action.ERP_DIFFERENCE_FOUND, actor=RECONCILER, entity=entity, data=data))
    return difference.difference_id


def _settle_difference(uow: UnitOfWork, known: ErpDifference, reason: str, now: datetime) -> str:
    where = {"difference_id": known.difference_id, "settled_at": None}
    if uow.change(ErpDifference, where=where, to={"settled_at": now, "reason": reason}):
        data = {"account": known.account_id, "reason": reason}
        entity = f"difference:{known.difference_id}"
        uow.append(Entry(action=Action.ERP_DIFFERENCE_SETTLED, actor=RECONCILER, entity=entity, data=data))
    return known.difference_id
