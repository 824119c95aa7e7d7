"""What the store asks its databases: a table for each record, and statements built once for each shape of filters."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from functools import lru_cache
from operator import attrgetter
from typing import Any

from sqlalchemy import ColumnElement, Dialect, Select, Table, Update, and_, bindparam, func, or_, select, update

from credit_review.adapters.store.models import RECORDS, Base
from credit_review.errors import BadInput
from credit_review.ports import Since

LARGEST_MEMBERSHIP = 10_000
"""Values bound in one statement; longer lists are asked for in parts (both databases bind a limited number)."""


@dataclass(frozen=True, slots=True)
class _Plan:
    """A record's table, its fields in order, those of its primary key, and how to read all fields at once."""

    table: Table
    names: tuple[str, ...]
    key: tuple[str, ...]
    values: Callable[[Any], tuple[Any, ...]]


def _made_plan(record: type[Any], model: type[Base]) -> _Plan:
    table = model.metadata.tables[model.__tablename__]
    names = tuple(field.name for field in fields(record))
    return _Plan(table, names, tuple(column.name for column in table.primary_key.columns), attrgetter(*names))


_PLANS = {record: _made_plan(record, model) for record, model in RECORDS.items()}


def plan_of(record: type[Any]) -> _Plan:
    """The plan of a stored record. Raises BadInput for anything else."""
    try:
        return _PLANS[record]
    except (KeyError, TypeError):
        raise BadInput(f"{record!r} is not a stored record", expected="a class of credit_review.model.records") from None


def table_of(record: type[Any]) -> Table:
    """A record's table."""
    return plan_of(record).table


def names_of(record: type[Any]) -> tuple[str, ...]:
    """A record's fields, in order."""
    return plan_of(record).names


def key_of(record: type[Any]) -> tuple[str, ...]:
    """The fields of a record's primary key."""
    return plan_of(record).key


def column_of(record: type[Any], name: str) -> ColumnElement[Any]:
    """The column of a record's field. Raises BadInput for a field it does not have."""
    if name not in names_of(record):
        raise BadInput(f"{record.__name__} has no field {name!r}", expected=", ".join(names_of(record)))
    return table_of(record).c[name]


def _is_membership(value: Any) -> bool:
    return isinstance(value, tuple | list | set | frozenset)


class _Way(StrEnum):
    """How a filter asks: for a missing value, for one, for at least one, for one of some, or for one of some or none."""

    MISSING = "missing"
    ONE = "one"
    SINCE = "since"
    SOME = "some"
    SOME_OR_MISSING = "some_or_missing"


_Shape = tuple[tuple[str, _Way], ...]
"""Fields and ways of filters without their values: statements are built once for each shape, since building costs more than running."""


def shape_of(filters: Mapping[str, Any]) -> _Shape:
    """The filters without their values."""
    return tuple((name, _way(value)) for name, value in filters.items())


def _way(value: Any) -> _Way:
    if value is None:
        return _Way.MISSING
    if isinstance(value, Since):
        return _Way.SINCE
    if not _is_membership(value):
        return _Way.ONE
    return _Way.SOME_OR_MISSING if None in value else _Way.SOME


def values_of(filters: Mapping[str, Any]) -> dict[str, Any]:
    """What statements built for the filters' shape are run with."""
    return {f"where_{name}": _bound(value) for name, value in filters.items()}


def _bound(value: Any) -> Any:
    if _is_membership(value):
        return [one for one in value if one is not None]
    return value.value if isinstance(value, Since) else value


def _condition(record: type[Any], name: str, way: _Way) -> ColumnElement[bool]:
    column = column_of(record, name)
    if way == _Way.MISSING:
        return column.is_(None)
    value = bindparam(f"where_{name}", type_=column.type, expanding=way in (_Way.SOME, _Way.SOME_OR_MISSING))
    if way == _Way.ONE:
        return column == value
    if way == _Way.SINCE:
        return column >= value
    return column.in_(value) if way == _Way.SOME else or_(column.in_(value), column.is_(None))


def conditions(record: type[Any], shape: _Shape) -> list[ColumnElement[bool]]:
    """What the filters of a shape ask for."""
    return [_condition(record, name, way) for name, way in shape]


@lru_cache(maxsize=1024)
def selection(record: Any, shape: _Shape, order: tuple[str, ...], limit: int | None, lock: bool) -> Select[Any]:
    """The records that match a shape of filters."""
    query = all_fields(record).where(*conditions(record, shape)).order_by(*(column_of(record, name) for name in order)).limit(limit)
    return query.with_for_update() if lock else query


@lru_cache(maxsize=512)
def facts_selection(record: Any, shape: _Shape) -> Select[Any]:
    """Of each identity (the primary key but `recorded_at`) the newest row that begins by `valid_at` and was known at `known_at`."""
    table, key = table_of(record), key_of(record)
    if "valid_from" not in table.c or "recorded_at" not in table.c:
        raise BadInput(f"{record.__name__} is not a dated fact", expected="a record with valid_from, valid_to and recorded_at")
    identity = [name for name in key if name != "recorded_at"]
    day, moment = bindparam("valid_at", type_=table.c.valid_from.type), bindparam("known_at", type_=table.c.recorded_at.type)
    newest = func.row_number().over(partition_by=[table.c[name] for name in identity], order_by=table.c.recorded_at.desc())
    of_identity = conditions(record, tuple(one for one in shape if one[0] in identity))
    ranked = select(table, newest.label("newest")).where(table.c.recorded_at <= moment, table.c.valid_from <= day, *of_identity).subquery()
    current = (
        select(ranked.c["newest"], *(ranked.c[name] for name in key))
        .where(ranked.c.newest == 1, or_(ranked.c.valid_to.is_(None), ranked.c.valid_to > day))
        .subquery()
    )
    query = all_fields(record).join(current, and_(*(table.c[name] == current.c[name] for name in key)))
    others = conditions(record, tuple(one for one in shape if one[0] not in identity))
    return query.where(*others).order_by(*(table.c[name] for name in key))


@lru_cache(maxsize=512)
def change_statement(record: Any, shape: _Shape, names: tuple[str, ...]) -> Update:
    """The change of these fields of the records that match a shape of filters."""
    to = {column_of(record, name).key: bindparam(f"to_{name}", type_=column_of(record, name).type) for name in names}
    return update(table_of(record)).where(*conditions(record, shape)).values(to)


def all_fields(record: type[Any]) -> Select[Any]:
    """A record's fields in order, of all records."""
    return select(*(table_of(record).c[name] for name in names_of(record)))


def parts_of(filters: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The filters in parts small enough to bind; together they match what the whole matches, each record once."""
    for name, value in filters.items():
        if _is_membership(value) and len(value) > LARGEST_MEMBERSHIP:
            values = list(dict.fromkeys(value))
            for start in range(0, len(values), LARGEST_MEMBERSHIP):
                yield from parts_of({**filters, name: values[start : start + LARGEST_MEMBERSHIP]})
            return
    yield filters


def as_row(record: Any) -> dict[str, Any]:
    """A record as its fields by name."""
    plan = plan_of(type(record))
    return dict(zip(plan.names, plan.values(record), strict=True))


@lru_cache(maxsize=256)
def insertion(plan: _Plan, dialect: Dialect) -> tuple[str, Mapping[int, Callable[[Any], Any]]]:
    """The statement that inserts one record of a kind, and by position how values become what the driver takes, where they must."""
    quoted = dialect.identifier_preparer.quote
    mark = "?" if dialect.paramstyle == "qmark" else "%s"
    columns = ", ".join(quoted(name) for name in plan.names)
    text = f"INSERT INTO {quoted(plan.table.name)} ({columns}) VALUES ({', '.join([mark] * len(plan.names))})"  # noqa: S608  our own names
    ways = (plan.table.c[name].type.dialect_impl(dialect).bind_processor(dialect) for name in plan.names)
    return text, {at: way for at, way in enumerate(ways) if way is not None}


def each_once(column: Sequence[Any], way: Callable[[Any], Any]) -> list[Any]:
    """Every value turned by `way`, each distinct one once: the times and days of a batch are mostly the same."""
    turned = {value: way(value) for value in set(column)}
    return [turned[value] for value in column]
