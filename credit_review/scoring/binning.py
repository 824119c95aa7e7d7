"""Optimal bins: the cuts that explain the outcome best for their number, going the declared way, and the evidence of each bin.

Numbers are cut at some of up to 32 quantiles; dynamic programming finds the best choice of all, not a greedy one. What is best: the
binomial log likelihood of the bins' shrunken bad rates, less a price for each bin, so that a bin must earn its line on the card.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from credit_review.scoring.scorecard import Direction

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

QUANTILES = 32
"""Bins before any are joined: finer ones cost time and find nothing more."""
PRICE = 1.5
"""Log likelihood a further bin must add. Chance adds 0.5 to a fixed cut and about 1.5 to the best of many."""
WAYS: dict[Direction, int] = {"higher_is_worse": 1, "lower_is_worse": -1, "none": 0}


@dataclass(frozen=True, slots=True)
class BinRules:
    """How bins are made: rows a bin holds at least, and the rows at the overall bad rate that each bin is drawn to that rate by."""

    smallest: float
    shrink: float


def cuts(found: Floats, outcome: Ints, *, direction: Direction, rules: BinRules) -> tuple[float, ...]:
    """The bounds between the bins of a number, growing; none when one bin explains the outcome as well. NaN is left out."""
    known = np.isfinite(found)
    bounds = quantiles(found[known], QUANTILES)
    if not bounds:
        return ()
    place = np.searchsorted(bounds, found[known], side="right")
    rows, bad = counts(place, outcome[known], len(bounds) + 1)
    return tuple(bounds[i - 1] for i in _best(rows, bad, WAYS[direction], rules))


def common(found: NDArray[Any], *, rules: BinRules, kept: Sequence[str] = ()) -> tuple[str, ...]:
    """The categories with rows enough to weigh alone, and those `kept` whatever their rows. "" is missing and left out.

    They are not joined further: categories have no order to go by, and joining those of near rates cost more than it saved.
    """
    names, rows = np.unique(found[found != ""].astype(str), return_counts=True)
    return tuple(str(n) for n, r in zip(names, rows, strict=True) if r >= rules.smallest or str(n) in kept)


def quantiles(known: Floats, parts: int) -> tuple[float, ...]:
    """Up to `parts` - 1 growing bounds that part `known` evenly, each the shortest number that parts the same values."""
    values = np.unique(known)
    wanted = np.unique(np.quantile(known, np.arange(1, parts) / parts, method="higher")) if len(known) else values
    place = np.searchsorted(values, wanted)
    return tuple(_readable(float(values[i - 1]), float(values[i])) for i in place if i > 0)


def counts(place: Ints, outcome: Ints, size: int) -> tuple[Floats, Floats]:
    """Rows and bad rows of each place from 0 to `size` - 1."""
    return np.bincount(place, minlength=size).astype(float), np.bincount(place, weights=outcome, minlength=size).astype(float)


def evidence(rows: Floats, bad: Floats, shrink: float) -> Floats:
    """Weight of evidence of each place: log odds good:bad of its shrunken bad rate less those of all rows; 0 where it has no rows."""
    overall = bad.sum() / rows.sum()
    rate = _rate(rows, bad, overall, shrink)
    result: Floats = np.log((1 - rate) / rate) - np.log((1 - overall) / overall)
    return result


def information(rows: Floats, bad: Floats, weight: Floats) -> float:
    """Information value: evidence weighed by how much more often good than bad rows lie in each place."""
    good = rows - bad
    return float(((good / good.sum() - bad / bad.sum()) * weight).sum())


def _rate(rows: Floats, bad: Floats, overall: float, shrink: float) -> Floats:
    rate: Floats = (bad + shrink * overall) / (rows + shrink)
    return rate


def _readable(below: float, above: float) -> float:
    """The shortest decimal past `below` and not past `above`: it parts the same values, and people can check a score by hand."""
    for digits in range(1, 17):
        for one in (above, (below + above) / 2):
            bound = float(f"{one:.{digits}g}")
            if below < bound <= above:
                return bound
    return above


def _best(rows: Floats, bad: Floats, way: int, rules: BinRules) -> list[int]:
    """Where to cut a row of small bins: positions between 0 and their number, growing, found by dynamic programming.

    `best[i, j]` is the most that bins over 0..j can be worth when the last is i..j; a bin may follow one only in direction `way`.
    """
    size = len(rows)
    worth, rate = _segments(rows, bad, rules)
    best, came = np.full_like(worth, -np.inf), np.zeros(worth.shape, dtype=np.int64)
    best[0] = worth[0]
    for i in range(1, size):
        order = np.argsort(way * rate[:i, i], kind="stable")
        top = _running_best(best[order, i])
        allowed = np.full(size - i, i) if way == 0 else np.searchsorted(way * rate[order, i], way * rate[i, i + 1 :], side="left")
        fits = allowed > 0
        before = order[top[allowed[fits] - 1]]
        best[i, i + 1 :][fits] = worth[i, i + 1 :][fits] + best[before, i]
        came[i, i + 1 :][fits] = before
    start, end = int(best[:, size].argmax()), size
    if not np.isfinite(best[start, size]):
        return []
    found = []
    while start > 0:
        found.append(start)
        start, end = int(came[start, end]), start
    return found[::-1]


def _segments(rows: Floats, bad: Floats, rules: BinRules) -> tuple[Floats, Floats]:
    """Worth and shrunken bad rate of every bin i..j; worth is -inf where it holds too few rows."""
    row_sum, bad_sum = np.concatenate([[0.0], rows.cumsum()]), np.concatenate([[0.0], bad.cumsum()])
    n, b = row_sum[None, :] - row_sum[:, None], bad_sum[None, :] - bad_sum[:, None]
    enough = np.triu(n >= max(rules.smallest, 1), 1)
    rate = np.where(enough, _rate(np.maximum(n, 0), np.maximum(b, 0), bad.sum() / rows.sum(), rules.shrink), 0.5)
    with np.errstate(divide="ignore", invalid="ignore"):
        likelihood = np.where(b > 0, b * np.log(rate), 0) + np.where(n > b, (n - b) * np.log1p(-rate), 0)
    worth: Floats = np.where(enough, likelihood - PRICE, -np.inf)
    return worth, rate


def _running_best(values: Floats) -> Ints:
    """For each position the position of the largest value so far."""
    ahead = np.concatenate([[True], values[1:] > np.maximum.accumulate(values)[:-1]])
    result: Ints = np.maximum.accumulate(np.where(ahead, np.arange(len(values)), 0))
    return result
