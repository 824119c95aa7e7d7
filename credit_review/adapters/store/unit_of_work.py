"""`ports.Store` and `ports.UnitOfWork` over SQL, generic over the records of `model.records`."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, fields
from datetime import date, datetime
from enum import StrEnum
from functools import cached_property, lru_cache
from itertools import groupby
from operator import attrgetter
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Connection, Engine, Select, Table, Update, and_, bindparam, func, insert, or_, select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from credit_review import audit
from credit_review.adapters.store.engine import WRITE_BUDGET, bound_waits, open_engine, sqlite_file
from credit_review.adapters.store.models import INSERT_ONLY, RECORDS, WRITTEN_BY_APPEND, Base
from credit_review.adapters.store.patience import BATCH_BUDGET, INTERACTIVE_BUDGET, Patience
from credit_review.adapters.store.refusals import translated
from credit_review.adapters.store.writer_queue import WriterQueue
from credit_review.errors import BadInput, Conflict, Unavailable
from credit_review.model.records import AuditHead, AuditPayload, AuditRow
from credit_review.ports import Clock, Entry

R = TypeVar("R")

LARGEST_MEMBERSHIP = 10_000
"""Values bound in one statement; longer lists are asked for in parts (both databases bind a limited number)."""


@dataclass(frozen=True, slots=True)
class _Plan:
    """A record's table, its fields in order, those of its primary key, and how to read all fields at once."""

    table: Table
    names: tuple[str, ...]
    key: tuple[str, ...]
    values: Callable[[Any], tuple[Any, ...]]


def _plan_of(record: type[Any], model: type[Base]) -> _Plan:
    table = model.metadata.tables[model.__tablename__]
    names = tuple(field.name for field in fields(record))
    return _Plan(table, names, tuple(column.name for column in table.primary_key.columns), attrgetter(*names))


_PLANS = {record: _plan_of(record, model) for record, model in RECORDS.items()}


def _plan(record: type[Any]) -> _Plan:
    try:
        return _PLANS[record]
    except (KeyError, TypeError):
        raise BadInput(f"{record!r} is not a stored record", expected="a class of credit_review.model.records") from None


def _table(record: type[Any]) -> Table:
    return _plan(record).table


def _names(record: type[Any]) -> tuple[str, ...]:
    return _plan(record).names


def _key(record: type[Any]) -> tuple[str, ...]:
    return _plan(record).key


def _column(record: type[Any], name: str) -> ColumnElement[Any]:
    if name not in _names(record):
        raise BadInput(f"{record.__name__} has no field {name!r}", expected=", ".join(_names(record)))
    return _table(record).c[name]


def _is_membership(value: Any) -> bool:
    return isinstance(value, tuple | list | set | frozenset)


class _Way(StrEnum):
    """How a filter asks: for a missing value, for one, for one of some, or for one of some or none."""

    MISSING = "missing"
    ONE = "one"
    SOME = "some"
    SOME_OR_MISSING = "some_or_missing"


_Shape = tuple[tuple[str, _Way], ...]
"""Fields and ways of filters without their values: statements are built once for each shape, since building costs more than running."""


def _shape(filters: Mapping[str, Any]) -> _Shape:
    return tuple((name, _way(value)) for name, value in filters.items())


def _way(value: Any) -> _Way:
    if value is None:
        return _Way.MISSING
    if not _is_membership(value):
        return _Way.ONE
    return _Way.SOME_OR_MISSING if None in value else _Way.SOME


def _values(filters: Mapping[str, Any]) -> dict[str, Any]:
    """What statements built for the filters' shape are run with."""
    return {
        f"where_{name}": [one for one in value if one is not None] if _is_membership(value) else value for name, value in filters.items()
    }


def _condition(record: type[Any], name: str, way: _Way) -> ColumnElement[bool]:
    column = _column(record, name)
    if way == _Way.MISSING:
        return column.is_(None)
    value = bindparam(f"where_{name}", type_=column.type, expanding=way != _Way.ONE)
    if way == _Way.ONE:
        return column == value
    return column.in_(value) if way == _Way.SOME else or_(column.in_(value), column.is_(None))


def _conditions(record: type[Any], shape: _Shape) -> list[ColumnElement[bool]]:
    return [_condition(record, name, way) for name, way in shape]


@lru_cache(maxsize=1024)
def _selection(record: Any, shape: _Shape, order: tuple[str, ...], limit: int | None, lock: bool) -> Select[Any]:
    query = _all_fields(record).where(*_conditions(record, shape)).order_by(*(_column(record, name) for name in order)).limit(limit)
    return query.with_for_update() if lock else query


@lru_cache(maxsize=512)
def _facts_selection(record: Any, shape: _Shape) -> Select[Any]:
    """Of each identity (the primary key but `recorded_at`) the newest row that begins by `valid_at` and was known at `known_at`."""
    table, key = _table(record), _key(record)
    if "valid_from" not in table.c or "recorded_at" not in table.c:
        raise BadInput(f"{record.__name__} is not a dated fact", expected="a record with valid_from, valid_to and recorded_at")
    identity = [name for name in key if name != "recorded_at"]
    day, moment = bindparam("valid_at", type_=table.c.valid_from.type), bindparam("known_at", type_=table.c.recorded_at.type)
    newest = func.row_number().over(partition_by=[table.c[name] for name in identity], order_by=table.c.recorded_at.desc())
    of_identity = _conditions(record, tuple(one for one in shape if one[0] in identity))
    ranked = select(table, newest.label("newest")).where(table.c.recorded_at <= moment, table.c.valid_from <= day, *of_identity).subquery()
    current = (
        select(ranked.c["newest"], *(ranked.c[name] for name in key))
        .where(ranked.c.newest == 1, or_(ranked.c.valid_to.is_(None), ranked.c.valid_to > day))
        .subquery()
    )
    query = _all_fields(record).join(current, and_(*(table.c[name] == current.c[name] for name in key)))
    others = _conditions(record, tuple(one for one in shape if one[0] not in identity))
    return query.where(*others).order_by(*(table.c[name] for name in key))


@lru_cache(maxsize=512)
def _change(record: Any, shape: _Shape, names: tuple[str, ...]) -> Update:
    to = {_column(record, name).key: bindparam(f"to_{name}", type_=_column(record, name).type) for name in names}
    return update(_table(record)).where(*_conditions(record, shape)).values(to)


def _all_fields(record: type[Any]) -> Select[Any]:
    return select(*(_table(record).c[name] for name in _names(record)))


def _parts(filters: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The filters in parts small enough to bind; together they match what the whole matches, each record once."""
    for name, value in filters.items():
        if _is_membership(value) and len(value) > LARGEST_MEMBERSHIP:
            values = list(dict.fromkeys(value))
            for start in range(0, len(values), LARGEST_MEMBERSHIP):
                yield from _parts({**filters, name: values[start : start + LARGEST_MEMBERSHIP]})
            return
    yield filters


def _as_row(record: Any) -> dict[str, Any]:
    plan = _plan(type(record))
    return dict(zip(plan.names, plan.values(record), strict=True))


class SqlUnitOfWork:
    """One transaction. After a refusal (Conflict) or an outage it is spent: nothing of it can be stored any more."""

    def __init__(
        self, connection: Connection, clock: Clock, *, writes: bool, close: Callable[[], None], patience: Patience | None = None
    ) -> None:
        self._connection = connection
        self._clock = clock
        self._writes = writes
        self._patience = patience
        self._close = close
        self._entries: list[Entry] = []
        self._spent = ""

    # --- reading -------------------------------------------------------------------------------------------------------------------

    def get(self, record: type[R], /, *, lock: bool = False, **key: Any) -> R | None:
        """The record whose primary key is `key`, or None. Raises BadInput unless `key` names exactly the primary key."""
        if set(key) != set(_key(record)):
            raise BadInput(f"{record.__name__} is not keyed by {', '.join(key)}", expected=", ".join(_key(record)))
        found = self.find(record, lock=lock, **key)
        return found[0] if found else None

    def find(
        self, record: type[R], /, *, order_by: Sequence[str] = (), limit: int | None = None, lock: bool = False, **filters: Any
    ) -> list[R]:
        """All records that match, in `order_by` (default: primary key) order."""
        order = tuple(order_by) or _key(record)
        if lock:
            self._must_write(record)
        # facts never change, and the application's role may not lock what it may not change
        locks = lock and record not in INSERT_ONLY
        kind: Any = record  # which mypy does not know to be hashable
        parts = list(_parts(filters))
        if locks:
            self._bound_waits()
        found = [one for part in parts for one in self._fetch(record, _selection(kind, _shape(part), order, limit, locks), _values(part))]
        if len(parts) > 1:
            found.sort(key=lambda one: [(value is not None, value) for value in (getattr(one, name) for name in order)])
        return found[:limit]

    def facts(self, record: type[R], /, *, valid_at: date, known_at: datetime, **filters: Any) -> list[R]:
        """Facts in force on `valid_at` as known at `known_at`, in key order.

        Of each identity (the primary key but `recorded_at`) the newest row speaks for every day from its `valid_from` on; the fact is
        in force when that row's `valid_to` is missing or later than `valid_at`.
        """
        given = {"valid_at": valid_at, "known_at": known_at, **_values(filters)}
        kind: Any = record
        return self._fetch(record, _facts_selection(kind, _shape(filters)), given)

    def tally(self, record: type[Any], /, *, by: Sequence[str], total: Sequence[str] = (), **filters: Any) -> list[tuple[Any, ...]]:
        """One tuple per combination of the fields `by`, in their order: those values, how many records match, sums of the fields `total`.

        Missing values count as nothing in a sum. Raises BadInput when a membership is too long for one statement.
        """
        if len(list(_parts(filters))) > 1:
            raise BadInput(f"too many values to count {record.__name__} by", expected=f"at most {LARGEST_MEMBERSHIP}")
        keys = [_column(record, name) for name in by]
        sums = [func.coalesce(func.sum(_column(record, name)), 0) for name in total]
        query = select(*keys, func.count(), *sums).where(*_conditions(record, _shape(filters))).group_by(*keys).order_by(*keys)
        with self._guarded():
            rows = self._connection.execute(query, _values(filters)).all()
        return [(*row[: len(keys)], *(int(value) for value in row[len(keys) :])) for row in rows]

    def _fetch(self, record: type[R], query: Select[Any], given: Mapping[str, Any]) -> list[R]:
        names = _names(record)
        with self._guarded():
            return [record(**dict(zip(names, row, strict=True))) for row in self._connection.execute(query, given)]

    # --- writing -------------------------------------------------------------------------------------------------------------------

    def add(self, *records: object) -> None:
        """Insert, many of one kind at once. A duplicate key or a broken constraint raises Conflict, naming the constraint."""
        for record, group in groupby(records, key=type):
            self._must_write(record)
            rows = [_as_row(one) for one in group]
            with self._guarded(record, rows):
                self._bound_waits()
                self._connection.execute(insert(_table(record)), rows)

    def add_if_absent(self, record: object) -> bool:
        """Insert unless the primary key exists; True when this call inserted it. Safe under races."""
        kind = type(record)
        self._must_write(kind)
        row = _as_row(record)
        dialect_insert: Any = sqlite_insert if self._connection.dialect.name == "sqlite" else postgresql_insert
        key = [_table(kind).c[name] for name in _key(kind)]
        # RETURNING, not the row count: psycopg reports a count that reads like a duplicate
        statement = dialect_insert(_table(kind)).on_conflict_do_nothing(index_elements=key).returning(key[0])
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
        for part in _parts(where):
            with self._guarded(record):
                self._bound_waits()
                changed += self._connection.execute(_change(kind, _shape(part), tuple(to)), {**_values(part), **values}).rowcount
        return changed

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
        heads = _table(AuditHead)
        row = self._connection.execute(_all_fields(AuditHead).where(heads.c.id == 1).with_for_update()).one_or_none()
        if row is None:
            raise Unavailable("the audit log has no head", expected="a database made by this program", next_step="credit-review db upgrade")
        # the only clock reading, taken under the head's lock: entries can never be out of order in time
        built = audit.build(AuditHead(**row._mapping), self._entries, now=self._clock.now(), salt=lambda: secrets.token_hex(32))
        self._connection.execute(insert(_table(AuditRow)), [_as_row(one) for one in built.rows])
        self._connection.execute(update(heads).where(heads.c.id == 1).values(_as_row(built.head)))
        if built.payloads:
            self._connection.execute(insert(_table(AuditPayload)), [_as_row(one) for one in built.payloads])
        return tuple(one.seq for one in built.rows)

    # --- guards --------------------------------------------------------------------------------------------------------------------

    def _bound_waits(self) -> None:
        """Before a statement that may wait for a lock: all waits of a person's transaction together end when its patience does.

        PostgreSQL bounds each wait by itself; SQLite waits only at the beginning.
        """
        if self._patience is not None and self._connection.dialect.name == "postgresql":
            bound_waits(self._connection, self._patience.left())

    def _must_write(self, record: type[Any], *, by_append: bool = False) -> None:
        if not self._writes:
            raise Conflict("this unit of work only reads", expected="a unit of work of Store.begin")
        if record in WRITTEN_BY_APPEND and not by_append:
            raise Conflict(f"{record.__name__} is written by append only")

    @contextmanager
    def _guarded(self, record: type[Any] | None = None, rows: Sequence[Mapping[str, Any]] = ()) -> Iterator[None]:
        if self._spent:
            raise Conflict(f"this unit of work takes no more calls: {self._spent}", next_step="begin a new one")
        try:
            with translated(self._connection, None if record is None else _table(record), rows):
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
            connection = self._connect(held, patience.left())
            # the place in the queue goes back with the commit, not with the end of the caller's block
            yield SqlUnitOfWork(connection, self._clock, writes=True, close=held.close, patience=patience if interactive else None)

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
