"""The audit log as its verifiers and its notary read it: one state of the database, as streams that do not grow with the log."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, text

from credit_review import audit
from credit_review.adapters.store.engine import WRITE_BUDGET
from credit_review.adapters.store.patience import BATCH_BUDGET
from credit_review.adapters.store.refusals import translated
from credit_review.model.records import AuditHead, AuditPayload, AuditRow
from credit_review.ports import LogView

ROWS_AT_ONCE = 2_000
LOWEST = -(2**63)
"""Read whole, the log shows rows of any number, also those that should not be there."""


class SqlLog:
    """The log in the database of `engine`. Reading needs SELECT on the log, keeping a checkpoint INSERT on `audit_checkpoint`, no more."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @contextmanager
    def reading(self, since: int = 0) -> Iterator[LogView]:
        """Rows and payloads from entry `since`, and the head. Raises SQLAlchemyError, and TamperedEntry for more than one head."""
        with self._engine.connect() as connection, connection.begin(), _any_bytes(connection):
            yield LogView(rows=_rows(connection, since), payloads=_payloads(connection, since), head=_head(connection))

    def checkpoints(self) -> list[str]:
        """Notes of the convenience copy, smallest first. They prove nothing by themselves."""
        with self._engine.connect() as connection, connection.begin():
            return [str(note) for (note,) in connection.execute(text("SELECT note FROM audit_checkpoint ORDER BY size"))]

    def keep_checkpoint(self, size: int, note: str) -> None:
        """Put the note beside the log, unless one of that size stands there. Raises Unavailable."""
        writing = self._engine.connect().execution_options(**{WRITE_BUDGET: BATCH_BUDGET})
        with translated(None, None), writing as connection, connection.begin():
            connection.execute(
                text("INSERT INTO audit_checkpoint (size, note) VALUES (:size, :note) ON CONFLICT DO NOTHING"), {"size": size, "note": note}
            )


@contextmanager
def _any_bytes(connection: Connection) -> Iterator[None]:
    """Bytes that are no UTF-8 must reach the verifier as a finding, not end in the driver as an error."""
    driver: Any = connection.connection.driver_connection
    if connection.dialect.name != "sqlite":
        yield
        return
    driver.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
    try:
        yield
    finally:
        driver.text_factory = str


def _stream(connection: Connection, query: str, since: int) -> Iterator[Any]:
    return iter(connection.execution_options(yield_per=ROWS_AT_ONCE).execute(text(query), {"since": since or LOWEST}))


def _rows(connection: Connection, since: int) -> Iterator[AuditRow]:
    for seq, prev, leaf, action, actor, entity, ts, body in _stream(
        connection, "SELECT seq, prev, leaf, action, actor, entity, ts, body FROM audit_log WHERE seq >= :since ORDER BY seq", since
    ):
        yield AuditRow(seq=seq, prev=prev, leaf=leaf, action=action, actor=actor, entity=entity, ts=ts, body=body)


def _payloads(connection: Connection, since: int) -> Iterator[AuditPayload]:
    for seq, salt, payload in _stream(connection, "SELECT seq, salt, payload FROM audit_payload WHERE seq >= :since ORDER BY seq", since):
        yield AuditPayload(seq=seq, salt=salt, payload=payload)


def _head(connection: Connection) -> AuditHead | None:
    heads = connection.execute(text("SELECT id, size, leaf, ts, frontier FROM audit_head")).all()
    if len(heads) > 1:
        raise audit.TamperedEntry(None, "has more than one head")
    return AuditHead(**heads[0]._mapping) if heads else None
