"""What the databases refuse, in this program's words: which rule, and what to do next."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Column, Connection, ForeignKeyConstraint, Index, Table, UniqueConstraint, select
from sqlalchemy.exc import (
    DataError,
    DBAPIError,
    IntegrityError,
    InterfaceError,
    InternalError,
    OperationalError,
    ProgrammingError,
    StatementError,
)

from credit_review.errors import BadInput, Conflict, CreditReviewError, Unavailable
from credit_review.words import said

_NO_SCHEMA = re.compile(r"no such (table|column)|has no column|UndefinedTable|UndefinedColumn")


@contextmanager
def translated(connection: Connection | None, table: Table | None, rows: Iterable[Mapping[str, Any]] = ()) -> Iterator[None]:
    """Raises Conflict, Unavailable or BadInput in place of the driver's errors. `rows`, those being written, help to name the rule."""
    try:
        yield
    except IntegrityError as error:
        name = _constraint(error, connection, table, rows)
        where = "" if table is None else f" of {table.name}"
        raise Conflict(
            said("the database refused a write: {rule}", rule=f"{name}{where}"), expected=said("what the constraint demands")
        ) from error
    except DataError as error:
        raise BadInput(said("a value does not fit its column: {first_line}", first_line=_first_line(error))) from error
    except OverflowError as error:
        raise BadInput(said("a number does not fit its column"), expected=said("at most 2^53-1 minor units")) from error
    except (OperationalError, InterfaceError, InternalError, ProgrammingError) as error:
        raise _outage(error) from error
    except StatementError as error:
        if isinstance(error.orig, CreditReviewError):
            raise error.orig from None
        raise


def _outage(error: DBAPIError) -> CreditReviewError:
    text = f"{type(error.orig).__name__}: {_first_line(error)}"
    if _NO_SCHEMA.search(text):
        return Unavailable(said("the database lacks this version's tables ({text})", text=text), next_step=said("credit-review db upgrade"))
    return Unavailable(
        said("the database did not do it: {text}", text=text),
        next_step=said("try again; if it stays, run credit-review doctor. After a lost connection, look up the outcome before repeating"),
    )


def _first_line(error: DBAPIError) -> str:
    lines = str(error.orig).strip().splitlines()
    return lines[0] if lines else type(error.orig).__name__


def _constraint(error: IntegrityError, connection: Connection | None, table: Table | None, rows: Iterable[Mapping[str, Any]]) -> str:
    diagnosis = getattr(error.orig, "diag", None)
    if diagnosis is not None:
        return str(diagnosis.constraint_name or f"{diagnosis.column_name} is missing")
    return _sqlite_constraint(str(error.orig), connection, table, rows)


def _sqlite_constraint(message: str, connection: Connection | None, table: Table | None, rows: Iterable[Mapping[str, Any]]) -> str:
    """SQLite names CHECKs and triggers, names a UNIQUE by its columns, and a foreign key not at all."""
    kind, _, detail = message.partition(" constraint failed")
    detail = detail.removeprefix(": ")
    if table is None:
        return message
    if kind == "UNIQUE":
        columns = {part.rpartition(".")[2] for part in detail.split(", ")}
        return next((name for name, covered in _unique_columns(table) if covered == columns), message)
    if kind == "NOT NULL":
        return f"{detail.rpartition('.')[2]} is missing"
    if kind == "FOREIGN KEY":
        return _missing_parent(connection, table, rows) or f"a foreign key on {table.name}"
    return detail or message


def _unique_columns(table: Table) -> Iterator[tuple[str, set[str]]]:
    yield str(table.primary_key.name), set(table.primary_key.columns.keys())
    for constraint in table.constraints:
        if isinstance(constraint, UniqueConstraint):
            yield str(constraint.name), set(constraint.columns.keys())
    for index in table.indexes:
        if isinstance(index, Index) and index.unique:
            yield str(index.name), {column.name for column in index.columns}


def _missing_parent(connection: Connection | None, table: Table, rows: Iterable[Mapping[str, Any]]) -> str | None:
    """The name of the first foreign key for which a written row has no parent."""
    keys = sorted((one for one in table.constraints if isinstance(one, ForeignKeyConstraint)), key=lambda one: str(one.name))
    for row in rows:
        for key in keys:
            if connection is not None and not _has_parent(connection, key, row):
                return str(key.name)
    return None


def _has_parent(connection: Connection, key: ForeignKeyConstraint, row: Mapping[str, Any]) -> bool:
    pairs = [(element.column, _value(element.parent, row)) for element in key.elements]
    if any(value is None for _, value in pairs):
        return True
    parent = select(1).select_from(key.referred_table).where(*(column == value for column, value in pairs))
    return connection.execute(parent.limit(1)).first() is not None


def _value(column: Column[Any], row: Mapping[str, Any]) -> Any:
    """What the row has in `column`; columns the database computes say in `info` how."""
    return column.info["of"](row) if "of" in column.info else row[column.name]
