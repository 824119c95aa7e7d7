"""The audit log as its verifiers and its notary read it: one state of the database, as streams that do not grow with the log."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, Engine, text

from credit_review import audit
from credit_review.adapters.store.engine import WRITE_BUDGET
from credit_review.adapters.store.patience import BATCH_BUDGET
from credit_review.adapters.store.refusals import translated
from credit_review.audit.notes import size_of
from credit_review.errors import BadInput
from credit_review.model.records import AuditHead, AuditPayload, AuditRow
from credit_review.ports import LogView
from credit_review.words import said

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
        with self._engine.connect() as connection, connection.begin(), any_bytes(connection):
            yield view(connection, since)

    def leaves(self, size: int) -> list[str]:
        """The leaf hashes of the first `size` entries, in order: 64 bytes an entry, for a proof."""
        with self._engine.connect() as connection, connection.begin():
            found = connection.execute(text("SELECT leaf FROM audit_log WHERE seq < :size ORDER BY seq"), {"size": size})
            return [str(leaf) for (leaf,) in found]

    def body(self, seq: int) -> str | None:
        """The bytes of one entry; None when there is none."""
        with self._engine.connect() as connection, connection.begin():
            found = connection.execute(text("SELECT body FROM audit_log WHERE seq = :seq"), {"seq": seq}).scalar_one_or_none()
            return None if found is None else str(found)

    def export(self, since: int = 0) -> Iterator[str]:
        """Rows as JSON lines (docs/audit-log.md, Exports), from one state of the database, from entry `since` on."""
        if since:
            yield _line("start", self._state_at(since))
        with self._engine.connect() as connection, connection.begin(), any_bytes(connection):
            yield from exported(connection, since)

    def _state_at(self, size: int) -> dict[str, Any]:
        """What a verifier goes on from after the first `size` entries. Raises BadInput when the log has fewer."""
        body = self.body(size - 1)
        if body is None:
            raise BadInput(said("there is no entry {seqs}", seqs=size - 1), expected=said("an entry of the log"))
        frontier = audit.Frontier()
        for leaf in self.leaves(size):
            frontier.append(leaf)
        return {"size": size, "leaf": audit.leaf_hash(body), "ts": json.loads(body)["ts"], "frontier": frontier.to_json()}

    def checkpoints(self) -> list[str]:
        """Notes of the convenience copy, smallest first. They prove nothing by themselves."""
        with self._engine.connect() as connection, connection.begin():
            return notes_beside(connection)

    def may_append(self) -> bool:
        """Whether this connection's role may write the log; on SQLite whoever has the file may."""
        with self._engine.connect() as connection, connection.begin():
            asked = text("SELECT has_table_privilege('audit_log', 'INSERT')")
            return connection.dialect.name == "sqlite" or bool(connection.execute(asked).scalar_one())

    def ask_for_read_entry(self, what: str, about: str) -> None:
        """Ask, with a role that only reads, that `audit.read` be recorded in its login name. Raises Unavailable."""
        writing = self._engine.connect().execution_options(**{WRITE_BUDGET: BATCH_BUDGET})
        with translated(None, None), writing as connection, connection.begin():
            connection.execute(text("SELECT audit_read_requested(:what, :about)"), {"what": what, "about": about})

    def keep_checkpoint(self, size: int, note: str) -> None:
        """Put the note beside the log, unless one of that size stands there. Raises Unavailable."""
        writing = self._engine.connect().execution_options(**{WRITE_BUDGET: BATCH_BUDGET})
        with translated(None, None), writing as connection, connection.begin():
            connection.execute(
                text("INSERT INTO audit_checkpoint (size, note) VALUES (:size, :note) ON CONFLICT DO NOTHING"), {"size": size, "note": note}
            )


def notes_beside(connection: Connection) -> list[str]:
    """Notes of the convenience copy as an open transaction sees them, smallest first."""
    return [str(note) for (note,) in connection.execute(text("SELECT note FROM audit_checkpoint ORDER BY size"))]


def exported(connection: Connection, since: int = 0) -> Iterator[str]:
    """The log as JSON lines as an open transaction sees it, without a start line."""
    log = view(connection, since)
    for row in log.rows:
        yield _line("audit_log", asdict(row))
    for payload in log.payloads:
        yield _line("audit_payload", asdict(payload))
    for note in notes_beside(connection):
        yield _line("audit_checkpoint", {"size": size_of(note), "note": note})
    if log.head:
        yield _line("audit_head", asdict(log.head))


def _line(table: str, row: Mapping[str, Any]) -> str:
    return json.dumps({"table": table, **row}, ensure_ascii=False, separators=(",", ":")) + "\n"


def view(connection: Connection, since: int = 0) -> LogView:
    """The log as a transaction that is open already sees it."""
    return LogView(rows=_rows(connection, since), payloads=_payloads(connection, since), head=_head(connection))


@contextmanager
def any_bytes(connection: Connection) -> Iterator[None]:
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
