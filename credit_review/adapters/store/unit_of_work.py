"""`ports.Store` and `ports.UnitOfWork` over SQL, generic over the records of `model.records`."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, fields
from datetime import date, datetime
from functools import cached_property, lru_cache
from itertools import groupby
from operator import attrgetter
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Connection, Dialect, Engine, Select, Table, and_, bindparam, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from credit_review import audit
from credit_review.adapters.store.engine import BATCH_BUDGET, INTERACTIVE_BUDGET, WRITE_BUDGET, open_engine, sqlite_file
from credit_review.adapters.store.models import INSERT_ONLY, RECORDS, WRITTEN_BY_APPEND, Base
from credit_review.adapters.store.refusals import translated
from credit_review.adapters.store.writer_queue import WriterQueue
from credit_review.errors import BadInput, Conflict, Unavailable
from credit_review.model.records import AuditHead, AuditRow
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


def _condition(record: type[Any], name: str, value: Any) -> ColumnElement[bool]:
    column = _column(record, name)
    if not _is_membership(value):
        return column.is_(None) if value is None else column == value
    present = [one for one in value if one is not None]
    # one parameter, not one for each value: it is bound, typed and named once
    inside = column.in_(bindparam(None, present, type_=column.type, expanding=True, unique=True))
    return inside if len(present) == len(value) else or_(inside, column.is_(None))


def _conditions(record: type[Any], filters: Mapping[str, Any]) -> list[ColumnElement[bool]]:
    return [_condition(record, name, value) for name, value in filters.items()]


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


@lru_cache(maxsize=256)
def _insertion(plan: _Plan, dialect: Dialect) -> tuple[str, Mapping[int, Callable[[Any], Any]]]:
    """The statement that inserts one record of a kind, and by position how values become what the driver takes, where they must."""
    quoted = dialect.identifier_preparer.quote
    mark = "?" if dialect.paramstyle == "qmark" else "%s"
    columns = ", ".join(quoted(name) for name in plan.names)
    text = f"INSERT INTO {quoted(plan.table.name)} ({columns}) VALUES ({', '.join([mark] * len(plan.names))})"  # noqa: S608  our own names
    ways = (plan.table.c[name].type.dialect_impl(dialect).bind_processor(dialect) for name in plan.names)
    return text, {at: way for at, way in enumerate(ways) if way is not None}


def _each(column: Sequence[Any], way: Callable[[Any], Any]) -> list[Any]:
    """Every value turned by `way`, each distinct one once: the times and days of a batch are mostly the same."""
    turned = {value: way(value) for value in set(column)}
    return [turned[value] for value in column]


class SqlUnitOfWork:
    """One transaction. After a refusal (Conflict) or an outage it is spent: nothing of it can be stored any more."""

    def __init__(self, connection: Connection, clock: Clock, *, writes: bool, close: Callable[[], None]) -> None:
        self._connection = connection
        self._clock = clock
        self._writes = writes
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
        query = self._select(record).order_by(*(_column(record, name) for name in order)).limit(limit)
        if lock:
            self._must_write(record)
        if lock and record not in INSERT_ONLY:  # facts never change, and the application's role may not lock what it may not change
            query = query.with_for_update()
        parts = list(_parts(filters))
        found = [one for part in parts for one in self._fetch(record, query.where(*_conditions(record, part)))]
        if len(parts) > 1:
            found.sort(key=lambda one: [(value is not None, value) for value in (getattr(one, name) for name in order)])
        return found[:limit]

    def facts(self, record: type[R], /, *, valid_at: date, known_at: datetime, **filters: Any) -> list[R]:
        """Facts in force on `valid_at` as known at `known_at`, in key order.

        Of each identity (the primary key but `recorded_at`) the newest row speaks for every day from its `valid_from` on; the fact is
        in force when that row's `valid_to` is missing or later than `valid_at`.
        """
        identity = [name for name in _key(record) if name != "recorded_at"]
        table = _table(record)
        if "valid_from" not in table.c or "recorded_at" not in table.c:
            raise BadInput(f"{record.__name__} is not a dated fact", expected="a record with valid_from, valid_to and recorded_at")
        newest = func.row_number().over(partition_by=[table.c[name] for name in identity], order_by=table.c.recorded_at.desc())
        of_identity = {name: value for name, value in filters.items() if name in identity}
        ranked = (
            select(table, newest.label("newest"))
            .where(table.c.recorded_at <= known_at, table.c.valid_from <= valid_at, *_conditions(record, of_identity))
            .subquery()
        )
        current = (
            select(ranked.c["newest"], *(ranked.c[name] for name in _key(record)))
            .where(ranked.c.newest == 1, or_(ranked.c.valid_to.is_(None), ranked.c.valid_to > valid_at))
            .subquery()
        )
        query = self._select(record).join(current, and_(*(table.c[name] == current.c[name] for name in _key(record))))
        others = {name: value for name, value in filters.items() if name not in identity}
        return self._fetch(record, query.where(*_conditions(record, others)).order_by(*(table.c[name] for name in _key(record))))

    def tally(self, record: type[Any], /, *, by: Sequence[str], total: Sequence[str] = (), **filters: Any) -> list[tuple[Any, ...]]:
        """One tuple per combination of the fields `by`, in their order: those values, how many records match, sums of the fields `total`.

        Missing values count as nothing in a sum. Raises BadInput when a membership is too long for one statement.
        """
        if len(list(_parts(filters))) > 1:
            raise BadInput(f"too many values to count {record.__name__} by", expected=f"at most {LARGEST_MEMBERSHIP}")
        keys = [_column(record, name) for name in by]
        sums = [func.coalesce(func.sum(_column(record, name)), 0) for name in total]
        query = select(*keys, func.count(), *sums).where(*_conditions(record, filters)).group_by(*keys).order_by(*keys)
        with self._guarded():
            rows = self._connection.execute(query).all()
        return [(*row[: len(keys)], *(int(value) for value in row[len(keys) :])) for row in rows]

    def _select(self, record: type[Any]) -> Select[Any]:
        return select(*(_table(record).c[name] for name in _names(record)))

    def _fetch(self, record: type[R], query: Select[Any]) -> list[R]:
        names = _names(record)
        with self._guarded():
            return [record(**dict(zip(names, row, strict=True))) for row in self._connection.execute(query)]

    # --- writing -------------------------------------------------------------------------------------------------------------------

    def add(self, *records: object) -> None:
        """Insert, many of one kind at once. A duplicate key or a broken constraint raises Conflict, naming the constraint."""
        for record, group in groupby(records, key=type):
            self._must_write(record)
            some = list(group)
            with self._guarded(record, map(_as_row, some)):
                self._insert(some)

    def _insert(self, records: Sequence[object]) -> None:
        """Insert records of one kind: whole columns are made ready for the driver, which costs a third of binding value by value."""
        plan = _plan(type(records[0]))
        statement, ways = _insertion(plan, self._connection.dialect)
        columns: list[Sequence[Any]] = list(zip(*map(plan.values, records), strict=True))
        for at, way in ways.items():
            columns[at] = _each(columns[at], way)
        self._connection.exec_driver_sql(statement, list(zip(*columns, strict=True)))

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
            return self._connection.execute(statement, row).first() is not None

    def change(self, record: type[Any], /, *, where: Mapping[str, Any], to: Mapping[str, Any]) -> int:
        """Update matching records and return how many there were. Raises Conflict for facts, which are insert-only."""
        self._must_write(record)
        if record in INSERT_ONLY:
            raise Conflict(f"{record.__name__} is insert-only", expected="a correction as a new row")
        if not where or not to:
            raise BadInput(f"a change of {record.__name__} names no rows or no fields", expected="a field in where and a field in to")
        values = {_column(record, name).key: value for name, value in to.items()}
        changed = 0
        for part in _parts(where):
            with self._guarded(record):
                statement = update(_table(record)).where(*_conditions(record, part)).values(values)
                changed += self._connection.execute(statement).rowcount
        return changed

    def append(self, *entries: Entry) -> None:
        """Queue audit entries; they are written last, just before the commit, in this order."""
        self._must_write(AuditRow, by_append=True)
        self._entries.extend(entries)

    def commit(self) -> tuple[int, ...]:
        """Write queued audit entries and commit; the sequence numbers of the entries. Raises Conflict or Unavailable."""
        self._must_write(AuditRow, by_append=True)
        with self._guarded(AuditRow):
            seqs = self._append_entries() if self._entries else ()
            self._connection.commit()
        self._spent = "it has been committed"
        self._close()
        return seqs

    def _append_entries(self) -> tuple[int, ...]:
        heads = _table(AuditHead)
        row = self._connection.execute(self._select(AuditHead).where(heads.c.id == 1).with_for_update()).one_or_none()
        if row is None:
            raise Unavailable("the audit log has no head", expected="a database made by this program", next_step="credit-review db upgrade")
        # the only clock reading, taken under the head's lock: entries can never be out of order in time
        built = audit.build(AuditHead(**row._mapping), self._entries, now=self._clock.now(), salt=lambda: secrets.token_hex(32))
        self._insert(built.rows)
        self._connection.execute(update(heads).where(heads.c.id == 1).values(_as_row(built.head)))
        if built.payloads:
            self._insert(built.payloads)
        return tuple(one.seq for one in built.rows)

    # --- guards --------------------------------------------------------------------------------------------------------------------

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
    def begin(self, *, interactive: bool = True) -> Iterator[SqlUnitOfWork]:
        """A writing transaction; leaving the block without `commit` rolls back. Raises Unavailable when no turn comes in time."""
        budget = INTERACTIVE_BUDGET if interactive else BATCH_BUDGET
        with ExitStack() as held:
            if self._queue is not None:
                held.enter_context(self._queue.turn(interactive=interactive, budget=budget))
            connection = self._connect(held, budget)
            # the place in the queue goes back with the commit, not with the end of the caller's block
            yield SqlUnitOfWork(connection, self._clock, writes=True, close=held.close)

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
