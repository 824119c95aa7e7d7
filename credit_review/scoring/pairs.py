"""Two-way tables: what two numbers say together beside what each says alone, found on what the additive card leaves unexplained.

Only numbers without a declared direction are paired: a table could turn round what the business knows of a number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from credit_review.scoring.binning import Floats, Ints, quantiles

PARTS = 5
"""Bins of each side of a table, beside missing."""
CANDIDATES = 60
"""Tables looked at again after each that is taken: those that explained most at first."""
SHRINK = 5.0
"""Each cell is drawn to nothing as if it held this much more information (sum of p (1 - p)) at no effect."""

Split = tuple[Ints, Ints]


@dataclass(frozen=True, slots=True)
class Side:
    """A number as a side of tables: its bounds, and for each row the bin (the number of bins where missing)."""

    name: str
    below: tuple[float, ...]
    place: Ints

    @property
    def width(self) -> int:
        """Bins and one for missing."""
        return len(self.below) + 2


@dataclass(frozen=True, slots=True)
class Table:
    """Two sides, the evidence of each cell (log odds good:bad, row by row), and the same for each row judged by rows of other folds."""

    first: Side
    second: Side
    evidence: Floats
    column: Floats


def side(name: str, found: Floats) -> Side:
    """The side of `found`, cut into fifths. NaN is missing."""
    below = quantiles(found[np.isfinite(found)], PARTS)
    return Side(name, below, place(below, found))


def place(below: Sequence[float], found: Floats) -> Ints:
    """For each row its bin, the number of bins where missing."""
    bins = np.searchsorted(np.asarray(below, dtype=np.float64), found, side="right")
    result: Ints = np.where(np.isnan(found), len(below) + 1, bins).astype(np.int64)
    return result


def cells(first: Ints, second: Ints, width: int) -> Ints:
    """The cell of each row, row by row of a table `width` wide."""
    return first * width + second


def search(sides: Sequence[Side], log_odds: Floats, outcome: Ints, folds: Sequence[Split], *, most: int) -> list[Table]:
    """Up to `most` tables, each the one that explains most beside those before it; none that explains less than chance would.

    `log_odds` (good:bad) of the additive card should come from rows of other folds, or its own over-fit is taken for unexplained.
    """
    every = [(a, b) for a, b in combinations(sides, 2) if a.width > 2 and b.width > 2]
    risk = _risk(log_odds)
    left = sorted(every, key=lambda pair: -_gain(pair[0], pair[1], risk, outcome))[:CANDIDATES]
    taken: list[Table] = []
    while left and len(taken) < most:
        gains = [_gain(a, b, risk, outcome) for a, b in left]
        best = int(np.argmax(gains))
        if gains[best] <= 0:
            break
        taken.append(_table(*left.pop(best), risk, outcome, folds))
        log_odds = log_odds + taken[-1].column
        risk = _risk(log_odds)
    return taken


def _risk(log_odds: Floats) -> Floats:
    risk: Floats = 1 / (1 + np.exp(np.clip(log_odds, -30, 30)))
    return risk


def _gain(first: Side, second: Side, risk: Floats, outcome: Ints) -> float:
    """How much more the table explains than chance would: a shrunken chi-square less what it is expected to be of noise."""
    over, information = _sums(cells(first.place, second.place, second.width), risk, outcome, first.width * second.width)
    return float(((over**2 - information) / (information + SHRINK)).sum())


def _sums(cell: Ints, risk: Floats, outcome: Ints, size: int) -> tuple[Floats, Floats]:
    """Bad rows beyond those expected, and information, of each cell."""
    over = np.bincount(cell, weights=outcome - risk, minlength=size)
    information = np.bincount(cell, weights=risk * (1 - risk), minlength=size)
    return over.astype(np.float64), information.astype(np.float64)


def _table(first: Side, second: Side, risk: Floats, outcome: Ints, folds: Sequence[Split]) -> Table:
    cell, size = cells(first.place, second.place, second.width), first.width * second.width

    def weigh(rows: Ints | slice) -> Floats:
        over, information = _sums(cell[rows], risk[rows], outcome[rows], size)
        result: Floats = -over / (information + SHRINK)
        return result

    column = np.zeros(len(outcome))
    for seen, unseen in folds:
        column[unseen] = weigh(seen)[cell[unseen]]
    return Table(first, second, weigh(slice(None)), column)
