"""`ports.Store` and `ports.UnitOfWork` over SQL, generic over the records of `model.records`."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import date, datetime
from functools import cached_property
from itertools import groupby
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, Select, func, select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from credit_review import audit
from credit_review.adapters.store.engine import WRITE_BUDGET, bound_waits, open_engine, sqlite_file
from credit_review.adapters.store.models import INSERT_ONLY, WRITTEN_BY_APPEND
from credit_review.adapters.store.patience import BATCH_BUDGET, INTERACTIVE_BUDGET, Patience
from credit_review.adapters.store.refusals import translated
from credit_review.adapters.store.statements import (
    LARGEST_MEMBERSHIP,
    as_row,
    change_statement,
    column_of,
    conditions,
    each_once,
    facts_selection,
    insertion,
    key_of,
    names_of,
    parts_of,
    plan_of,
    selection,
    shape_of,
    table_of,
    values_of,
)  # fmt: skip
from credit_review.adapters.store.writer_queue import WriterQueue
from credit_review.errors import BadInput, Conflict, Unavailable
from credit_review.model.records import AuditHead, AuditPayload, AuditRow
from credit_review.ports import Clock, Entry

R = TypeVar("R")

BOUND_SLACK = 0.05
"""Seconds by which waits of a person's transaction may end late."""
HEAD = shape_of({"id": 1})
MOVING = ("size", "leaf", "ts", "frontier")
"""What of the log's head an append changes."""


class SqlUnitOfWork:
    """One transaction. After a refusal (Conflict) or an outage it is spent: nothing of it can be stored any more."""

    def __init__(
        self,
        connection: Connection,
        clock: Clock,
        *,
        writes: bool,
        close: Callable[[], None],
        patience: Patience | None = None,
        bound: float = 0.0,
    ) -> None:
        self._connection = connection
        self._clock = clock
        self._writes = writes
        self._patience = patience
        self._bound = bound
        self._close = close
        self._entries: list[Entry] = []
        self._spent = ""

    # --- reading -------------------------------------------------------------------------------------------------------------------

    def get(self, record: type[R], /, *, lock: bool = False, **key: Any) -> R | None:
        """The record whose primary key is `key`, or None. Raises BadInput unless `key` names exactly the primary key."""
        if set(key) != set(key_of(record)):
            raise BadInput(f"{record.__name__} is not keyed by {', '.join(key)}", expected=", ".join(key_of(record)))
        found = self.find(record, lock=lock, **key)
        return found[0] if found else None

    def find(
        self, record: type[R], /, *, order_by: Sequence[str] = (), limit: int | None = None, lock: bool = False, **filters: Any
    ) -> list[R]:
        """All records that match, in `order_by` (default: primary key) order."""
        order = tuple(order_by) or key_of(record)
        if lock:
            self._must_write(record)
        # facts never change, and the application's role may not lock what it may not change
        locks = lock and record not in INSERT_ONLY
        kind: Any = record  # which mypy does not know to be hashable
        parts = list(parts_of(filters))
        if locks:
            self._bound_waits()
        found = [
            one for part in parts for one in self._fetch(record, selection(kind, shape_of(part), order, limit, locks), values_of(part))
        ]
        if len(parts) > 1:
            found.sort(key=lambda one: [(value is not None, value) for value in (getattr(one, name) for name in order)])
        return found[:limit]

    def facts(self, record: type[R], /, *, valid_at: date, known_at: datetime, **filters: Any) -> list[R]:
        """Facts in force on `valid_at` as known at `known_at`, in key order.

        Of each identity (the primary key but `recorded_at`) the newest row speaks for every day from its `valid_from` on; the fact is
        in force when that row's `valid_to` is missing or later than `valid_at`.
        """
        given = {"valid_at": valid_at, "known_at": known_at, **values_of(filters)}
        kind: Any = record
        return self._fetch(record, facts_selection(kind, shape_of(filters)), given)

    def tally(self, record: type[Any], /, *, by: Sequence[str], total: Sequence[str] = (), **filters: Any) -> list[tuple[Any, ...]]:
        """One tuple per combination of the fields `by`, in their order: those values, how many records match, sums of the fields `total`.

        Missing values count as nothing in a sum. Raises BadInput when a membership is too long for one statement.
        """
        if len(list(parts_of(filters))) > 1:
            raise BadInput(f"too many values to count {record.__name__} by", expected=f"at most {LARGEST_MEMBERSHIP}")
        keys = [column_of(record, name) for name in by]
        sums = [func.coalesce(func.sum(column_of(record, name)), 0) for name in total]
        query = select(*keys, func.count(), *sums).where(*conditions(record, shape_of(filters))).group_by(*keys).order_by(*keys)
        with self._guarded():
            rows = self._connection.execute(query, values_of(filters)).all()
        return [(*row[: len(keys)], *(int(value) for value in row[len(keys) :])) for row in rows]

    def _fetch(self, record: type[R], query: Select[Any], given: Mapping[str, Any]) -> list[R]:
        names = names_of(record)
        with self._guarded():
            return [record(**dict(zip(names, row, strict=True))) for row in self._connection.execute(query, given)]

    # --- writing -------------------------------------------------------------------------------------------------------------------

    def add(self, *records: object) -> None:
        """Insert, many of one kind at once. A duplicate key or a broken constraint raises Conflict, naming the constraint."""
        for record, group in groupby(records, key=type):
            self._must_write(record)
            some = list(group)
            with self._guarded(record, map(as_row, some)):
                self._bound_waits()
                self._insert(some)

    def _insert(self, records: Sequence[object]) -> None:
        """Insert records of one kind: whole columns are made ready for the driver, which costs a third of binding value by value."""
        plan = plan_of(type(records[0]))
        statement, ways = insertion(plan, self._connection.dialect)
        columns: list[Sequence[Any]] = list(zip(*map(plan.values, records), strict=True))
        for at, way in ways.items():
            columns[at] = each_once(columns[at], way)
        self._connection.exec_driver_sql(statement, list(zip(*columns, strict=True)))

    def add_if_absent(self, record: object) -> bool:
        """Insert unless the primary key exists; True when this call inserted it. Safe under races."""
        kind = type(record)
        self._must_write(kind)
        row = as_row(record)
        dialect_insert: Any = sqlite_insert if self._connection.dialect.name == "sqlite" else postgresql_insert
        key = [table_of(kind).c[name] for name in key_of(kind)]
        # RETURNING, not the row count: psycopg reports a count that reads like a duplicate
        statement = dialect_insert(table_of(kind)).on_conflict_do_nothing(index_elements=key).returning(key[0])
        with self._guarded(kind, [row]):
            self._bound_waits()
            return self._connection.execute(statement, row).first() is not None

    def change(self, record: type[Any], /, *, where: Mapping[str, Any], to: Mapping[str, Any]) -> int:
        """Update matching records and return how many there were. Raises Conflict for facts, which are insert-only."""
        self._must_write(record)
        if record in INSERT_ONLY:
            raise Conflict(f"{record.__name__} is insert-only", expected="a correction as a new row")
        if not where or not to:
            raise BadInput(f"a change of {record.__name__} names no rows or no fields", expected="a field in where and a field in to")
        kind: Any = record
        values, changed = {f"to_{name}": value for name, value in to.items()}, 0
        for part in parts_of(where):
            with self._guarded(record):
                self._bound_waits()
                changed += self._connection.execute(
                    change_statement(kind, shape_of(part), tuple(to)), {**values_of(part), **values}
                ).rowcount
        return changed

    def erase_payloads(self, seqs: Sequence[int]) -> int:
        """Take salt and payload of these entries away for good; how many had one."""
        self._must_write(AuditPayload, by_append=True)
        stored = table_of(AuditPayload)
        gone = update(stored).where(stored.c.seq.in_(list(seqs)), stored.c.payload.is_not(None)).values(salt=None, payload=None)
        with self._guarded(AuditPayload):
            return int(self._connection.execute(gone).rowcount)

    def append(self, *entries: Entry) -> None:
        """Queue audit entries; they are written last, just before the commit, in this order."""
        self._must_write(AuditRow, by_append=True)
        self._entries.extend(entries)

    def commit(self) -> tuple[int, ...]:
        """Write queued audit entries and commit; the sequence numbers of the entries. Raises Conflict or Unavailable."""
        self._must_write(AuditRow, by_append=True)
        with self._guarded(AuditRow):
            self._bound_waits()
            seqs = self._append_entries() if self._entries else ()
            if self._patience is not None:
                self._patience.require_time()
            self._connection.commit()
        self._spent = "it has been committed"
        self._close()
        return seqs

    def _append_entries(self) -> tuple[int, ...]:
        row = self._connection.execute(selection(AuditHead, HEAD, ("id",), None, True), {"where_id": 1}).one_or_none()
        if row is None:
            raise Unavailable("the audit log has no head", expected="a database made by this program", next_step="credit-review db upgrade")
        # the only clock reading, taken under the head's lock: entries can never be out of order in time
        built = audit.build(AuditHead(**row._mapping), self._entries, now=self._clock.now(), salt=lambda: secrets.token_hex(32))
        self._insert(built.rows)
        moved = {f"to_{name}": getattr(built.head, name) for name in MOVING}
        self._connection.execute(change_statement(AuditHead, HEAD, MOVING), {"where_id": 1, **moved})
        if built.payloads:
            self._insert(built.payloads)
        return tuple(one.seq for one in built.rows)

    # --- guards --------------------------------------------------------------------------------------------------------------------

    def _bound_waits(self) -> None:
        """Before a statement that may wait for a lock: all waits of a person's transaction together end when its patience does.

        PostgreSQL bounds each wait by itself; SQLite waits only at the beginning. A bound a little too long is kept: setting it is a
        round trip to the server.
        """
        if self._patience is not None and self._connection.dialect.name == "postgresql":
            left = self._patience.left()
            if self._bound - left > BOUND_SLACK:
                bound_waits(self._connection, left)
                self._bound = left

    def _must_write(self, record: type[Any], *, by_append: bool = False) -> None:
        if not self._writes:
            raise Conflict("this unit of work only reads", expected="a unit of work of Store.begin")
        if record in WRITTEN_BY_APPEND and not by_append:
            raise Conflict(f"{record.__name__} is written by append only")

    @contextmanager
    def _guarded(self, record: type[Any] | None = None, rows: Iterable[Mapping[str, Any]] = ()) -> Iterator[None]:
        if self._spent:
            raise Conflict(f"this unit of work takes no more calls: {self._spent}", next_step="begin a new one")
        try:
            with translated(self._connection, None if record is None else table_of(record), rows):
                yield
        except BaseException:
            # PostgreSQL has ended the transaction at this point; on SQLite it must not live on either
            self._spent = "an earlier call of it failed"
            raise


class SqlStore:
    """Units of work over one database. Safe to share between threads; each process opens its own."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self.engine = engine
        self._clock = clock

    @cached_property
    def _queue(self) -> WriterQueue | None:
        # made by the first writer: who only reads may have no right to write beside the database
        file = sqlite_file(self.engine.url)
        return None if file is None else WriterQueue(file.with_name(file.name + ".writers"))

    @contextmanager
    def begin(self, *, interactive: bool = True, deadline: float | None = None) -> Iterator[SqlUnitOfWork]:
        """A writing transaction; leaving the block without `commit` rolls back. Raises Unavailable when no turn comes in time.

        After `deadline` (seconds of `time.monotonic`) nothing is stored any more: `commit` raises Unavailable instead.
        """
        patience = Patience(INTERACTIVE_BUDGET if interactive else BATCH_BUDGET, deadline)
        with ExitStack() as held:
            if self._queue is not None:
                held.enter_context(self._queue.turn(interactive=interactive, budget=patience.left()))
            bound = patience.left()
            connection = self._connect(held, bound)
            hurried = patience if interactive else None
            # the place in the queue goes back with the commit, not with the end of the caller's block
            yield SqlUnitOfWork(connection, self._clock, writes=True, close=held.close, patience=hurried, bound=bound)

    @contextmanager
    def read(self) -> Iterator[SqlUnitOfWork]:
        """A reading transaction over one state of the database; writes raise Conflict."""
        with ExitStack() as held:
            yield SqlUnitOfWork(self._connect(held, None), self._clock, writes=False, close=held.close)

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()

    def _connect(self, held: ExitStack, budget: float | None) -> Connection:
        with translated(None, None):
            connection = held.enter_context(self.engine.connect()).execution_options(**{WRITE_BUDGET: budget})
            connection.begin()
        return connection


def open_store(url: str, clock: Clock) -> SqlStore:
    """The store at `url`, an SQLite file or a PostgreSQL database, already migrated. Raises BadInput or Unavailable."""
    return SqlStore(open_engine(url), clock)
