"""The tables that the audit log's entries are compared with, read as plain values in one transaction."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

from sqlalchemy import Connection, Engine, select

from credit_review import audit
from credit_review.adapters.store.log import view
from credit_review.adapters.store.models import Base
from credit_review.audit.business import COLUMNS, Difference, Rebuilt, differences

_KEYS = {
    "review": ("review_id",),
    "limit_proposal": ("proposal_id",),
    "approval_decision": ("proposal_id", "approver_id"),
    "limit_change": ("change_id",),
    "credit_limit": ("account_id",),
    "finding": ("finding_id",),
    "policy_exception": ("exception_id",),
    "rehearsal": ("rehearsal_id",),
    "committee_sitting": ("sitting_id",),
    "committee_case": ("sitting_id", "proposal_id"),
    "committee_vote": ("sitting_id", "proposal_id", "person_id"),
    "adverse_action": ("proposal_id",),
    "customer_letter": ("letter_id",),
    "model_version": ("digest",),
}


def compare_with_tables(engine: Engine) -> list[Difference]:
    """What the log of this database and its tables say otherwise, both ways; empty when they agree. Raises TamperedEntry, SQLAlchemyError.

    Log and tables are read in one transaction, so what others write meanwhile shows in neither.
    """
    rebuilt = Rebuilt()
    with engine.connect() as connection, connection.begin():
        log = view(connection)
        audit.verify_rows(log.rows, log.payloads, log.head, each=rebuilt.take)
        return list(differences(rebuilt, {table: _rows(connection, table) for table in COLUMNS}))


def _rows(connection: Connection, table: str) -> Iterator[tuple[str, tuple[Any, ...]]]:
    columns, keys = COLUMNS[table], _KEYS[table]
    stored = Base.metadata.tables[table].c
    query = select(*(stored[name] for name in (*keys, *columns)))
    for row in connection.execution_options(yield_per=2_000).execute(query):
        yield " ".join(row[: len(keys)]), tuple(_plain(value) for value in row[len(keys) :])


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date) else value
