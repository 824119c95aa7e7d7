"""What somebody does to a database who may do anything."""

from __future__ import annotations

from contextlib import contextmanager

from sqlalchemy import create_engine, text


@contextmanager
def as_administrator(store):
    """A connection of somebody who may do anything: foreign keys and triggers off, changed, triggers on again (T-36, T-37)."""
    engine = create_engine(store.engine.url)
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("SET LOCAL session_replication_role = replica"))
            yield connection
        else:
            triggers = connection.execute(text("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")).all()
            for name, _ in triggers:
                connection.execute(text(f"DROP TRIGGER {name}"))
            yield connection
            for _, sql in triggers:
                connection.exec_driver_sql(sql)
    engine.dispose()
