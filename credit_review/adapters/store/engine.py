"""Connections to SQLite and PostgreSQL, with the settings the store relies on."""

from __future__ import annotations

import select
import time
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DisconnectionError, NoSuchModuleError

from credit_review.errors import BadInput, Unavailable
from credit_review.words import said

IDLE_AND_TRUSTED = 5.0
"""Seconds after which an idle connection to PostgreSQL is asked whether it lives before it is used."""
_IDLE_SINCE = "credit_review_idle_since"
WRITE_BUDGET = "credit_review_write_budget"
"""Execution option of a connection: seconds it may wait for locks, or None for one that only reads."""


def parse_url(url: str) -> URL:
    """The SQLAlchemy URL of a store. Raises BadInput unless it is an SQLite file or a PostgreSQL database."""
    expected = "sqlite:////absolute/path/credit-review.db or postgresql://user@host/database"
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise BadInput(said("the database URL cannot be read"), expected=expected) from None
    if parsed.get_backend_name() == "postgresql":
        return parsed.set(drivername="postgresql+psycopg")
    if parsed.get_backend_name() != "sqlite":
        raise BadInput(
            said("the database is {get_backend_name}, which is not supported", get_backend_name=parsed.get_backend_name()),
            expected=expected,
        )
    if not parsed.database or parsed.database == ":memory:" or parsed.database.startswith("file:"):
        raise BadInput(said("the SQLite database is not a file"), expected=expected)
    return parsed


def sqlite_file(url: URL) -> Path | None:
    """The file of an SQLite database, None for PostgreSQL."""
    return Path(str(url.database)) if url.get_backend_name() == "sqlite" else None


def open_engine(url: str) -> Engine:
    """An engine whose transactions keep the store's promises. Raises BadInput, or Unavailable when the folder of the file is missing."""
    parsed = parse_url(url)
    file = sqlite_file(parsed)
    if file is not None:
        if not file.parent.is_dir():
            raise Unavailable(
                said("folder {parent} of the database does not exist", parent=file.parent),
                next_step=said("mkdir -p {parent}", parent=file.parent),
            )
        engine = create_engine(parsed)
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    try:
        engine = create_engine(parsed, pool_size=10, max_overflow=20)
    except (NoSuchModuleError, ModuleNotFoundError) as error:
        raise Unavailable(
            said("the PostgreSQL driver is missing: {error}", error=str(error)), next_step=said("install psycopg[binary]")
        ) from None
    event.listen(engine, "connect", _prepare_postgresql)
    event.listen(engine, "checkin", _note_idle)
    event.listen(engine, "checkout", _require_server)
    event.listen(engine, "begin", _begin_postgresql)
    return engine


def _prepare_sqlite(dbapi: Any, _record: object) -> None:
    # the driver's own idea of transactions is off: it would start them deferred, and a deferred transaction that
    # reads before it writes fails with BUSY_SNAPSHOT under load
    dbapi.isolation_level = None
    for setting in (
        "busy_timeout=5000",
        "journal_mode=WAL",
        "cache_size=-65536",
        "wal_autocheckpoint=2048",  # 8 MB: whoever commits pays for it; with 64 MB one click in a hundred waited for most of a second
        "temp_store=MEMORY",  # a trigger that may refuse makes SQLite keep a journal a statement: small, and else often a file on disk
        "synchronous=FULL",
        "foreign_keys=ON",
        "recursive_triggers=ON",
        "trusted_schema=OFF",
    ):
        dbapi.execute(f"PRAGMA {setting}").close()


def _begin_sqlite(connection: Connection) -> None:
    budget = connection.get_execution_options().get(WRITE_BUDGET)
    cursor = connection.connection.cursor()
    cursor.execute(f"PRAGMA query_only={'ON' if budget is None else 'OFF'}")
    cursor.execute(f"PRAGMA busy_timeout={int((budget or 5) * 1000)}")
    cursor.execute("BEGIN" if budget is None else "BEGIN IMMEDIATE")
    cursor.close()


def _prepare_postgresql(dbapi: Any, _record: object) -> None:
    # the driver would begin transactions by a statement of its own, and each statement is a round trip to the server
    dbapi.autocommit = True


def _note_idle(_dbapi: object, record: Any) -> None:
    record.info[_IDLE_SINCE] = time.monotonic()


def _require_server(dbapi: Any, record: Any, _proxy: object) -> None:
    """Ask a connection that may have been closed meanwhile whether it lives; it is replaced where it does not.

    A server that goes away says so on the connection. Only a network that drops idle connections says nothing: hence the time.
    """
    try:
        watched = select.poll()
        watched.register(dbapi.fileno(), select.POLLIN)
        idle = time.monotonic() - record.info.get(_IDLE_SINCE, time.monotonic())
        if watched.poll(0) or idle > IDLE_AND_TRUSTED:
            dbapi.execute("SELECT 1")
    except dbapi.Error:
        raise DisconnectionError from None


def _begin_postgresql(connection: Connection) -> None:
    budget = connection.get_execution_options().get(WRITE_BUDGET)
    if budget is None:
        connection.exec_driver_sql("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        return
    driver: Any = connection.connection.driver_connection
    prepares, driver.prepare_threshold = driver.prepare_threshold, None  # two statements in one message cannot be prepared
    connection.exec_driver_sql(f"BEGIN; {_bound(budget)}")
    driver.prepare_threshold = prepares


def bound_waits(connection: Connection, seconds: float) -> None:
    """PostgreSQL: from now on a statement of this transaction waits so long for a lock, and then fails."""
    connection.exec_driver_sql(_bound(seconds))


def _bound(seconds: float) -> str:
    return f"SET LOCAL lock_timeout = {max(int(seconds * 1000), 1)}"
