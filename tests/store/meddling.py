"""What somebody does to a database who may do anything."""

from __future__ import annotations

from contextlib import contextmanager

from sqlalchemy import create_engine, text


@contextmanager
def as_administrator(store, tables="%"):
    """A connection of somebody who may do anything: foreign keys and triggers off, changed, triggers on again (T-36, T-37).

    On SQLite the triggers of tables named like `tables`.
    """
    engine = create_engine(store.engine.url)
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("SET LOCAL session_replication_role = replica"))
            yield connection
        else:
            connection.exec_driver_sql("BEGIN")  # Python begins none for DDL: each of a hundred statements would be a commit to disk
            triggers = connection.exec_driver_sql(
                "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name LIKE ?", (tables,)
            ).all()
            for name, _ in triggers:
                connection.exec_driver_sql(f"DROP TRIGGER {name}")
            yield connection
            for _, sql in triggers:
                connection.exec_driver_sql(sql)
    engine.dispose()
