"""Verification of the audit log against its database, as a stream: memory does not grow with the log."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DatabaseError, SQLAlchemyError

from credit_review import audit
from credit_review.adapters.store.engine import sqlite_file
from credit_review.model.records import AuditHead, AuditPayload, AuditRow
from credit_review.words import marked, said

ROWS_AT_ONCE = 2_000


class Status(StrEnum):
    """What verification found."""

    VERIFIED = marked("verified")
    TAMPERED = marked("tampered")
    CANNOT_TELL = marked("cannot tell")


_EXIT_CODES = {Status.VERIFIED: 0, Status.TAMPERED: 1, Status.CANNOT_TELL: 2}


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome, with the size and Merkle root of a sound log, or the first finding and the entry where it shows.

    Without an anchor outside the database a sound log is CANNOT_TELL, "consistent, not anchored": who can rewrite the database can
    rewrite all of it. Never green without an anchor.
    """

    status: Status
    finding: str
    seq: int | None = None
    size: int | None = None
    root: str = ""
    ts: str = ""
    erased: int = 0

    @property
    def exit_code(self) -> int:
        """0 verified against an anchor, 1 tampered, 2 cannot tell."""
        return _EXIT_CODES[self.status]

    @property
    def consistent(self) -> bool:
        """True when every hash, link and column was recomputed and agrees."""
        return self.size is not None

    def text(self) -> str:
        """One or two lines for people."""
        if not self.consistent:
            return said("{status}: {finding}", status=said(self.status), finding=self.finding)
        return said(
            "{finding}: {entries} entries up to {moment}, {erased} payloads erased by the rules\nroot {root}",
            finding=self.finding,
            entries=f"{self.size:,}",
            moment=self.ts,
            erased=f"{self.erased:,}",
            root=self.root,
        )


def verify_log(engine: Engine) -> Verdict:
    """The verdict on the log in the database of `engine`, from one state of it. Never raises for what it finds there."""
    file = sqlite_file(engine.url)
    if file is not None and not file.is_file():
        return Verdict(Status.CANNOT_TELL, said("there is no database file {file}", file=str(file)))
    try:
        with engine.connect() as connection:
            found = _recompute(connection)
    except audit.TamperedEntry as error:
        return Verdict(Status.TAMPERED, error.text(), seq=error.seq)
    except SQLAlchemyError as error:
        return _unreadable(error)
    return Verdict(
        Status.CANNOT_TELL, said("consistent, not anchored"), size=found.size, root=found.root, ts=found.ts, erased=found.erased
    )  # fmt: skip


def _unreadable(error: SQLAlchemyError) -> Verdict:
    detail = str(getattr(error, "orig", None) or error).partition("\n")[0]
    if isinstance(error, DatabaseError) and ("malformed" in detail or "not a database" in detail):
        return Verdict(Status.TAMPERED, said("the database file is damaged: {detail}", detail=detail))
    return Verdict(Status.CANNOT_TELL, said("the log cannot be read: {detail}", detail=detail))


def _recompute(connection: Connection) -> audit.Consistent:
    with connection.begin():
        # bytes that are no UTF-8 must reach the verifier as a finding, not end in the driver as an error
        driver: Any = connection.connection.driver_connection
        is_sqlite = connection.dialect.name == "sqlite"
        if is_sqlite:
            driver.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
        try:
            return audit.verify_rows(_rows(connection), _payloads(connection), _head(connection))
        finally:
            if is_sqlite:
                driver.text_factory = str


def _stream(connection: Connection, query: str) -> Iterator[Any]:
    return iter(connection.execution_options(yield_per=ROWS_AT_ONCE).execute(text(query)))


def _rows(connection: Connection) -> Iterator[AuditRow]:
    for seq, prev, leaf, action, actor, entity, ts, body in _stream(
        connection, "SELECT seq, prev, leaf, action, actor, entity, ts, body FROM audit_log ORDER BY seq"
    ):
        yield AuditRow(seq=seq, prev=prev, leaf=leaf, action=action, actor=actor, entity=entity, ts=ts, body=body)


def _payloads(connection: Connection) -> Iterator[AuditPayload]:
    for seq, salt, payload in _stream(connection, "SELECT seq, salt, payload FROM audit_payload ORDER BY seq"):
        yield AuditPayload(seq=seq, salt=salt, payload=payload)


def _head(connection: Connection) -> AuditHead | None:
    heads = connection.execute(text("SELECT id, size, leaf, ts, frontier FROM audit_head")).all()
    if len(heads) > 1:
        raise audit.TamperedEntry(None, "has more than one head")
    return AuditHead(**heads[0]._mapping) if heads else None
