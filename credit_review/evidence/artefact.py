"""What an artefact is: a numbered file of rows that the record gives, with what it shows and what it cannot."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Protocol

from credit_review.controls.alarm import Alarm
from credit_review.errors import BadInput
from credit_review.replay import Found
from credit_review.review.sampled import Period
from credit_review.words import said

Row = Sequence[str | int | None]
"""Cells of one line; None and empty text are empty cells."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One audit entry as an artefact reads it. `told` is its payload, None where it has none or where it was `erased`."""

    seq: int
    leaf: str
    at: str
    action: str
    actor: str
    entity: str
    data: Mapping[str, Any]
    told: Mapping[str, Any] | None = None
    erased: bool = False

    @property
    def subject(self) -> str:
        """What the entity names, without its kind."""
        return self.entity.partition(":")[2]

    @property
    def by(self) -> str:
        """Who did it: the id of a person, or `system:…` as it stands."""
        return self.actor.removeprefix("person:")

    def text(self, name: str) -> str:
        """A text of the payload; says so where it was erased, empty where there is none."""
        if self.erased:
            return ERASED
        found = (self.told or {}).get(name)
        return "" if found is None else str(found)


ERASED = "(erased)"
"""Stands where a payload was erased by the rules."""


class Record(Protocol):
    """The record of one moment: the audit log up to entry `size`, and the tables, as one state of the database."""

    period: Period
    size: int

    def entries(self, *actions: str) -> Iterator[Event]:
        """Entries of the period, of these actions (none named: all), in order."""
        ...

    def history(self, *actions: str) -> Iterator[Event]:
        """The same from entry 0 to the end of the period."""
        ...

    def later(self, *actions: str) -> Iterator[Event]:
        """Entries of these actions that do not count any more, from entry `size` on."""
        ...

    def about(self, entities: Sequence[str], *actions: str) -> list[Event]:
        """Entries about these entities up to the end of the period, in order; all actions when none is named."""
        ...

    def last_use(self) -> Mapping[str, tuple[int, str]]:
        """Number and time of the newest entry of each person up to the end of the period, by actor."""
        ...

    def file(self, *path: str) -> Mapping[str, Any] | None:
        """A JSON file of the data folder, by its parts; None where there is none that can be read."""
        ...

    def kept(self, model: str, what: str, digest: str) -> str | None:
        """The `card` or `validation` report of a version with this SHA-256; None where none is kept that is still what was written."""
        ...

    def alarms(self) -> Sequence[Alarm]:
        """What the controls that watch find in the record today."""
        ...

    def replay(self, review_id: str) -> Found | None:
        """What computing a review again found; None where nobody asked for that."""
        ...

    def table(self, name: str, columns: str, **equal: str | Sequence[str]) -> Iterator[tuple[Any, ...]]:
        """Rows of a table in order of the columns asked for; days and times as text."""
        ...


@dataclass(slots=True)
class Telling:
    """What an artefact found out beside its rows: `notes` are sentences for its line on the index page, `figures` go to the manifest.

    `exceptions` counts what an auditor must look at, None where nothing was examined for any. `beside` has texts of files that its rows
    name, by their name in the pack.
    """

    notes: list[str] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)
    beside: dict[str, str] = field(default_factory=dict)
    exceptions: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Artefact:
    """One file of a pack. `none` says why there may be no rows, `lacks` what this system does not record and who to ask."""

    number: str
    name: str
    title: str
    shows: str
    columns: tuple[str, ...]
    rows: Callable[[Record, Telling], Iterator[Row]]
    none: str
    lacks: str = ""

    @property
    def file(self) -> str:
        """Its name in the folder."""
        return f"{self.number}-{self.name}.csv"


_QUARTER = re.compile(r"([0-9]{4})Q([1-4])")
_MONTH = re.compile(r"([0-9]{4})-(0[1-9]|1[0-2])")
_YEAR = re.compile(r"[0-9]{4}")


def days_of(period: str) -> tuple[date, date]:
    """First and last day of `2026Q4`, `2026-11` or `2026`. Raises BadInput for anything else."""
    if found := _QUARTER.fullmatch(period):
        return _months(int(found[1]), 3 * int(found[2]) - 2, 3)
    if found := _MONTH.fullmatch(period):
        return _months(int(found[1]), int(found[2]), 1)
    if _YEAR.fullmatch(period):
        return _months(int(period), 1, 12)
    raise BadInput(said("{period} is no period", period=repr(period)), expected=said("such as 2026Q4, 2026-11 or 2026, or --from and --to"))


def _months(year: int, first: int, count: int) -> tuple[date, date]:
    after = first + count
    try:
        ends = date(year + (after > 12), after - 12 * (after > 12), 1)
        return date(year, first, 1), date.fromordinal(ends.toordinal() - 1)
    except ValueError:
        raise BadInput(
            said("{period} is no period", period=str(year)), expected=said("such as 2026Q4, 2026-11 or 2026, or --from and --to")
        ) from None
