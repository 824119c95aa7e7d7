"""Verification of the audit log against its database and what is held outside it, as a stream: memory does not grow with the log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import Engine
from sqlalchemy.exc import DatabaseError, SQLAlchemyError

from credit_review import audit
from credit_review.adapters.store.engine import sqlite_file
from credit_review.adapters.store.log import SqlLog
from credit_review.audit.anchored import KEPT, Anchoring, Held, Trust, judge
from credit_review.audit.notes import size_of
from credit_review.errors import Tampered, Unavailable
from credit_review.ports import Anchor
from credit_review.words import listed, marked, said


class Status(StrEnum):
    """What verification found."""

    VERIFIED = marked("verified")
    TAMPERED = marked("tampered")
    CANNOT_TELL = marked("cannot tell")


_EXIT_CODES = {Status.VERIFIED: 0, Status.TAMPERED: 1, Status.CANNOT_TELL: 2}


@dataclass(frozen=True, slots=True)
class Outside:
    """What a log is held against: anchors, what of their notes is believed (None: no notary yet), and how old an unanchored entry may be.

    `known` are roots by size that the verifier remembers himself, as a witness does.
    """

    anchors: Sequence[Anchor] = ()
    trust: Trust | None = None
    now: datetime | None = None
    oldest: timedelta = timedelta(minutes=30)
    known: Sequence[tuple[int, str]] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome, with the size and Merkle root of a sound log, or the first finding and the entry where it shows.

    Without an anchor outside the database a sound log is CANNOT_TELL, "consistent, not anchored": who can rewrite the database can
    rewrite all of it. Never green without an anchor. `found` and `anchoring` are there when the log is consistent; `unreachable` names
    anchors that did not answer.
    """

    status: Status
    finding: str
    seq: int | None = None
    found: audit.Consistent | None = None
    anchoring: Anchoring | None = None
    unreachable: Sequence[str] = field(default=())

    @property
    def size(self) -> int | None:
        """Number of entries of a consistent log."""
        return self.found.size if self.found else None

    @property
    def root(self) -> str:
        """Merkle root of a consistent log."""
        return self.found.root if self.found else ""

    @property
    def ts(self) -> str:
        """Time of the newest entry of a consistent log."""
        return self.found.ts if self.found else ""

    @property
    def erased(self) -> int:
        """Payloads erased by the rules, in a consistent log."""
        return self.found.erased if self.found else 0

    @property
    def exit_code(self) -> int:
        """0 verified against an anchor, 1 tampered, 2 cannot tell."""
        return _EXIT_CODES[self.status]

    @property
    def consistent(self) -> bool:
        """True when every hash, link and column was recomputed and agrees."""
        return self.found is not None

    def text(self) -> str:
        """A few lines for people."""
        if self.found is None:
            return said("{status}: {finding}", status=said(self.status), finding=self.finding)
        head = said(
            "{finding}: {entries} entries up to {moment}, {erased} payloads erased by the rules\nroot {root}",
            finding=self.finding,
            entries=f"{self.found.size:,}",
            moment=self.found.ts,
            erased=f"{self.found.erased:,}",
            root=self.found.root,
        )
        return listed([head, *self.unreachable, *self._anchors()], by=marked("{first}\n{rest}"))

    def _anchors(self) -> list[str]:
        newest = self.anchoring.newest if self.anchoring else {}
        return [said("anchor {name}: up to entry {size}", name=name, size=size) for name, size in sorted(newest.items())]


def verify_log(engine: Engine, outside: Outside = Outside()) -> Verdict:
    """The verdict on the log in the database of `engine`, from one state of it. Never raises for what it finds there or outside."""
    file = sqlite_file(engine.url)
    if file is not None and not file.is_file():
        return Verdict(Status.CANNOT_TELL, said("there is no database file {file}", file=str(file)))
    log = SqlLog(engine)
    try:
        held, unreachable = _held(log, outside)
        sizes = {size for one in held if (size := size_of(one.note)) is not None} | {size for size, _ in outside.known}
        with log.reading() as view:
            found = audit.verify_rows(view.rows, view.payloads, view.head, roots_at=sizes, keep=KEPT)
        _require_known(found, outside.known)
        anchoring = judge(found, held, outside.trust) if outside.trust else None
    except audit.TamperedEntry as error:
        return Verdict(Status.TAMPERED, error.text(), seq=error.seq)
    except Tampered as error:
        return Verdict(Status.TAMPERED, error.text())
    except SQLAlchemyError as error:
        return _unreadable(error)
    return _sound(found, anchoring, unreachable, outside)


def _held(log: SqlLog, outside: Outside) -> tuple[list[Held], list[str]]:
    """What every anchor that can be read holds, and the convenience copies in the database, which count for nothing but must not lie."""
    if outside.trust is None:
        return [], []
    held = [Held(anchor=said("the copy in the database"), administrator="", note=note, weak=True) for note in log.checkpoints()]
    unreachable = []
    for anchor in outside.anchors:
        try:
            notes = anchor.held() if anchor.readable else []
        except Unavailable as error:
            unreachable.append(error.what)
            continue
        held += [Held(anchor=anchor.name, administrator=anchor.administrator, note=note, weak=anchor.weak) for note in notes]
    return held, unreachable


def _require_known(found: audit.Consistent, known: Sequence[tuple[int, str]]) -> None:
    for size, root in known:
        if size > found.size:
            raise audit.TamperedEntry(found.size, f"the tail is cut: this verifier saw {size} entries before, the log has {found.size}")
        if found.roots.get(size) != root:
            raise audit.TamperedEntry(None, f"entries before {size} were rewritten since this verifier saw them")


def _sound(found: audit.Consistent, anchoring: Anchoring | None, unreachable: Sequence[str], outside: Outside) -> Verdict:
    """The verdict on a consistent log that nothing outside contradicts."""
    status: Status
    finding: str
    if anchoring is None or not anchoring.domains:
        status, finding = Status.CANNOT_TELL, said("consistent, not anchored")
    else:
        status, finding = _anchored(found, anchoring, outside)
    return Verdict(status, finding, found=found, anchoring=anchoring, unreachable=unreachable)


def _anchored(found: audit.Consistent, anchoring: Anchoring, outside: Outside) -> tuple[Status, str]:
    needed = outside.trust.domains if outside.trust else 1
    if anchoring.size == 0:
        return Status.CANNOT_TELL, said(
            "consistent, but only {domains} of the {needed} administrators asked for hold a checkpoint",
            domains=anchoring.domains,
            needed=needed,
        )
    after = found.after.get(anchoring.size)
    late = after is not None and outside.now is not None and audit.parse_timestamp(after) < outside.now - outside.oldest
    figures = {"size": f"{anchoring.size:,}", "needed": needed, "minutes": int(outside.oldest.total_seconds() // 60)}
    if late:
        return Status.CANNOT_TELL, said(
            "consistent, but anchored only up to entry {size}: what follows is older than {minutes} minutes, held by fewer than {needed} "
            "administrators",
            **figures,
        )
    return Status.VERIFIED, said("verified up to entry {size} against checkpoints that {needed} administrators hold", **figures)


def _unreadable(error: SQLAlchemyError) -> Verdict:
    detail = str(getattr(error, "orig", None) or error).partition("\n")[0]
    if isinstance(error, DatabaseError) and ("malformed" in detail or "not a database" in detail):
        return Verdict(Status.TAMPERED, said("the database file is damaged: {detail}", detail=detail))
    return Verdict(Status.CANNOT_TELL, said("the log cannot be read: {detail}", detail=detail))
