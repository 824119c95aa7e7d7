"""Triggers that keep facts as they were written, for the migrations."""

from __future__ import annotations


def insert_only_triggers(table: str, dialect: str) -> list[str]:
    """Statements that make `table` refuse changes of rows it has."""
    rule = f"{table}_insert_only"
    if dialect == "sqlite":
        return [
            f"CREATE TRIGGER {table}_no_{what} BEFORE {what} ON {table} BEGIN SELECT RAISE(ABORT, '{rule}'); END"
            for what in ("update", "delete")
        ]
    row = f"CREATE TRIGGER {rule} BEFORE UPDATE OR DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION credit_review_refuse('{rule}')"
    whole = (
        f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION credit_review_refuse('{rule}')"
    )
    return [row, whole]
