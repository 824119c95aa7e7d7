"""The schema's version: migrations are in `migrations/versions`, run from here or with Alembic's own command line."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from credit_review.adapters.store import roles
from credit_review.adapters.store.engine import WRITE_BUDGET, open_engine
from credit_review.adapters.store.patience import BATCH_BUDGET
from credit_review.adapters.store.refusals import translated
from credit_review.errors import Unavailable
from credit_review.words import said

MIGRATIONS = Path(__file__).with_name("migrations")


def upgrade(url: str) -> str:
    """Brings the database at `url` (created when it is a new SQLite file) to this version's schema; returns the revision."""
    engine = open_engine(url)
    try:
        with translated(None, None), engine.connect().execution_options(**{WRITE_BUDGET: BATCH_BUDGET}) as connection, connection.begin():
            command.upgrade(_config(connection), "head")
            roles.keep_up(connection)
            return _revision(connection) or ""
    finally:
        engine.dispose()


def current(url: str) -> str | None:
    """The revision of the database at `url`, None when it was never migrated."""
    engine = open_engine(url)
    try:
        with translated(None, None), engine.connect() as connection:
            return _revision(connection)
    finally:
        engine.dispose()


def newest() -> str:
    """The revision this version of the program needs."""
    return ScriptDirectory.from_config(_config()).get_current_head() or ""


def must_be_current(url: str) -> None:
    """Raises Unavailable unless the database at `url` has exactly this version's schema."""
    found = current(url)
    if found != newest():
        raise Unavailable(
            said("the database has schema {found}", found=found or said("none")),
            expected=said("schema {newest}", newest=newest()),
            next_step=said("credit-review db upgrade"),
        )


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config
