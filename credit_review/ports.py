"""What the rules need from outside, as protocols. Adapters implement them; each has a Null twin for tests and the demo."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    import pandas as pd

    from credit_review.model.records import AuditHead, AuditPayload, AuditRow

R = TypeVar("R")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An audit entry to append. `data` holds ids, codes, amounts and digests only; `payload` may hold names and free text (erasable)."""

    action: str
    actor: str
    entity: str
    data: Mapping[str, Any] = field(default_factory=dict)
    payload: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Since:
    """As a filter: this value or a greater one."""

    value: Any


class UnitOfWork(Protocol):
    """One transaction over the records of `model.records`. Nothing is stored unless `commit` returns.

    Records are named by their class. Filters are equality on fields; a tuple, list or set means membership; None means IS NULL; `Since`
    means at least.
    A write that a constraint refuses raises `errors.Conflict`.
    """

    def get(self, record: type[R], /, *, lock: bool = False, **key: Any) -> R | None:
        """The record whose primary key is `key`, or None; `lock` holds its row until the end of the transaction."""
        ...

    def find(
        self, record: type[R], /, *, order_by: Sequence[str] = (), limit: int | None = None, lock: bool = False, **filters: Any
    ) -> list[R]:
        """All records that match, in `order_by` (default: primary key) order."""
        ...

    def facts(self, record: type[R], /, *, valid_at: date, known_at: datetime, **filters: Any) -> list[R]:
        """Facts in force on `valid_at` as known at `known_at`: of each identity the newest row recorded by then, if valid that day."""
        ...

    def tally(self, record: type[Any], /, *, by: Sequence[str], total: Sequence[str] = (), **filters: Any) -> list[tuple[Any, ...]]:
        """One tuple per combination of the fields `by`, in their order: those values, how many records match, sums of fields `total`."""
        ...

    def add(self, *records: object) -> None:
        """Insert. A duplicate key or a broken constraint raises Conflict."""
        ...

    def add_if_absent(self, record: object) -> bool:
        """Insert unless the primary key exists; True when this call inserted it. Safe under races."""
        ...

    def change(self, record: type[Any], /, *, where: Mapping[str, Any], to: Mapping[str, Any]) -> int:
        """Update matching records and return how many there were; facts cannot be changed."""
        ...

    def erase_payloads(self, seqs: Sequence[int]) -> int:
        """Take salt and payload of these entries away for good; how many had one. The caller appends `payload.erased`, which names them."""
        ...

    def append(self, *entries: Entry) -> None:
        """Queue audit entries; they are written last, just before the commit, in this order."""
        ...

    def commit(self) -> tuple[int, ...]:
        """Write queued audit entries and commit; the sequence numbers of the entries. Raises Conflict or Unavailable."""
        ...


class Store(Protocol):
    """Opens units of work. `interactive` ones wait at most 1.5 s for the writer's place, batch ones 30 s; reads need no place."""

    def begin(self, *, interactive: bool = True, deadline: float | None = None) -> AbstractContextManager[UnitOfWork]:
        """A writing transaction; leaving the block without `commit` rolls back.

        After `deadline` (seconds of `time.monotonic`) waiting ends and `commit` raises Unavailable: nothing is stored.
        """
        ...

    def read(self) -> AbstractContextManager[UnitOfWork]:
        """A reading transaction; writes raise."""
        ...


@dataclass(frozen=True, slots=True)
class LogView:
    """One state of the audit log: rows and payloads as streams in order of seq, read once, and the head. Nothing of it is believed."""

    rows: Iterator[AuditRow]
    payloads: Iterator[AuditPayload]
    head: AuditHead | None


class Log(Protocol):
    """The audit log as a notary reads it."""

    def reading(self, since: int = 0) -> AbstractContextManager[LogView]:
        """What stands from entry `since` on."""
        ...

    def keep_checkpoint(self, size: int, note: str) -> None:
        """Put a copy of a signed checkpoint beside the log, for convenience."""
        ...


class Anchor(Protocol):
    """A place outside the database where signed checkpoints are kept, each under its name, by an administrator of its own.

    A `weak` one can be changed by whoever wrote it. Not every place can be read again (`readable`): a mailbox holds evidence for people.
    """

    name: str
    administrator: str
    weak: bool
    readable: bool

    def keep(self, name: str, note: str) -> None:
        """Put the note there, unless it is there already. Raises Unavailable, or Tampered when another note stands under that name."""
        ...

    def held(self) -> list[str]:
        """Every note that is there, as it is there. Raises Unavailable."""
        ...


class Clock(Protocol):
    """The only source of the present."""

    def now(self) -> datetime:
        """The present, aware, UTC."""
        ...

    def wait(self, seconds: float) -> None:
        """Return when that much of the present has passed."""
        ...


class Source(Protocol):
    """A table of raw rows: a file, a database table, view or query. Values arrive as text where the format has no types."""

    name: str

    def read(self) -> Iterator[pd.DataFrame]:
        """Raw frames in chunks, in source order, columns as named by the source. Raises BadInput or Unavailable."""
        ...


class WriteBack(Protocol):
    """The ERP side of a limit. Deliveries carry the change id as idempotency key and the version, and ignore versions not newer.

    `answers_within` is how long after a delivery the read-back may still show what was before (zero where it is written directly).
    """

    name: str
    answers_within: timedelta

    def send(self, delivery: Mapping[str, Any]) -> Mapping[str, Any]:
        """Deliver one change; returns what the receiver confirmed. Raises Unavailable to be tried again, BadInput to be parked."""
        ...

    def read_back(self, account_ids: Sequence[str]) -> Mapping[str, Mapping[str, Any]]:
        """What the ERP now holds, by account id: amount_minor, currency, terms_days, version, change_id."""
        ...


class OrderDesk(Protocol):
    """Where the ERP takes lists of orders to release and to hold. A list is named by its batch, and taken once under that name."""

    name: str

    def take(self, listed: Mapping[str, Any]) -> Mapping[str, Any]:
        """Deliver the list that `listed` names (batch, file, sha256); `outcome` is written or held.

        Raises Unavailable to be tried again, BadInput to be parked, Tampered where the file is not what was kept.
        """
        ...


class Chat(Protocol):
    """Where approvers see cards. Losing it loses nothing: cards are rebuilt from the record.

    BadInput means that trying again is of no use; Unavailable that it is: with `retry_after_seconds` this address waits, without it all do.
    """

    def place(self, to: str) -> str:
        """Where a channel id, or a person's account as our directory writes it, is reached.

        Raises BadInput where anybody but full members of our own workspaces would read, or Unavailable.
        """
        ...

    def post(
        self, *, channel: str, text: str, blocks: Sequence[Mapping[str, Any]], dedup_key: str, thread_ts: str = "", again: bool = False
    ) -> Mapping[str, str]:
        """Post a message to a place; returns channel and ts.

        `again` says that an earlier attempt may have arrived: a message with the dedup key is then looked for first, replaced
        where it stands, and its place returned. Raises Unavailable or BadInput.
        """
        ...

    def update(self, *, channel: str, ts: str, text: str, blocks: Sequence[Mapping[str, Any]]) -> bool:
        """Replace a message; False when it is not there any more. Raises Unavailable or BadInput."""
        ...
