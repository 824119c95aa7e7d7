"""Back-test: what was said at a review against what came of it, by vintage and grade, with as many tests as there are named.

A vintage is the customers of one review. A probability is of a whole window; before that is over, only "too low already" can be told.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from typing import TYPE_CHECKING

from credit_review.monitoring.rates import Rate, holm, rate, too_few, too_many

if TYPE_CHECKING:
    import pandas as pd

ALL = ""
"""Grade of the row that takes all grades together."""


class Verdict(StrEnum):
    """What a cell of the back-test says of the probabilities. `EARLY`: nothing against them yet, and the window is not over."""

    FITS = "fits"
    TOO_LOW = "too low"
    TOO_HIGH = "too high"
    EARLY = "too early to tell"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One grade (or all) of one vintage, looked at so many quarters after: the mean probability said, and the rate found.

    `whole` says that the window of the probability is over; `chance` is how often chance alone would show so much.
    """

    as_of: date
    quarters: int
    grade: str
    expected: float
    found: Rate
    whole: bool
    chance: float
    verdict: Verdict


def back_test(seen: pd.DataFrame, grades: Sequence[str]) -> list[Cell]:
    """Every vintage, look and grade that has customers, and all grades together; alarms hold for all of them at once (Holm, 5%).

    `seen` has a row a customer and look: as_of (date), quarters, whole, grade, pd_fraction, outcome (1 bad). Exact binomial tests,
    two-sided where the window is over. Customers who fail together (one group, one bad season) make more alarms than stated.
    """
    rows = [_cell(key, part, grade) for key, part in _looks(seen) for grade in (ALL, *grades) if _of(part, grade).any()]
    speaks = holm([chance for _, _, chance in rows])
    return [_judged(cell, low, heard) for (cell, low, _), heard in zip(rows, speaks, strict=True)]


def _looks(seen: pd.DataFrame) -> list[tuple[tuple[date, int], pd.DataFrame]]:
    keys = seen[["as_of", "quarters"]].drop_duplicates().sort_values(["as_of", "quarters"])
    days, looks = keys["as_of"].tolist(), keys["quarters"].astype(int).tolist()
    return [((day.date(), n), seen[(seen["as_of"] == day) & (seen["quarters"] == n)]) for day, n in zip(days, looks, strict=True)]


def _of(part: pd.DataFrame, grade: str) -> pd.Series[bool]:
    return (part["grade"] == grade) | (grade == ALL)


def _cell(key: tuple[date, int], part: pd.DataFrame, grade: str) -> tuple[Cell, bool, float]:
    """The cell, whether its probabilities look too low, and its chance."""
    mine = part[_of(part, grade)]
    bad, of, expected, whole = int(mine["outcome"].sum()), len(mine), float(mine["pd_fraction"].mean()), bool(part["whole"].all())
    many, few = too_many(bad, of, expected), too_few(bad, of, expected)
    chance = min(1.0, 2 * min(many, few)) if whole else many
    cell = Cell(
        as_of=key[0], quarters=key[1], grade=grade, expected=expected, found=rate(bad, of), whole=whole, chance=chance, verdict=Verdict.FITS
    )
    return cell, many <= few or not whole, chance


def _judged(cell: Cell, low: bool, heard: bool) -> Cell:
    if heard:
        return replace(cell, verdict=Verdict.TOO_LOW if low else Verdict.TOO_HIGH)
    return cell if cell.whole else replace(cell, verdict=Verdict.EARLY)
