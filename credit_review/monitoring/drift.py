"""Whether today's customers are still those a card was made for: population stability, with an alarm sized to the book."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from credit_review.monitoring.rates import LEVEL

FOLK = (0.1, 0.25)
"""Limits of the trade, shown as reference lines only: on a book of 200 the first is exceeded by chance in a third of all looks."""
SMALL_BOOK = 500
BINS, BINS_OF_A_SMALL_BOOK = 10, 5
SMOOTHING = 0.5
LEAST_EXPECTED = 5
"""Customers that a bin is expected to hold on either side at least; sparser ones are put together with their neighbour."""

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """Population stability of one thing between two sets of customers, and the limit above which it is no chance.

    `what` is `score` or a factor's name; `before` and `now` are customers by bin, sparse bins put together.
    """

    what: str
    before: tuple[int, ...]
    now: tuple[int, ...]
    psi: float
    limit: float

    @property
    def alarms(self) -> bool:
        """Whether chance does not explain it."""
        return self.psi > self.limit


def drift(what: str, before: Sequence[int] | Ints, now: Sequence[int] | Ints, *, level: float = LEVEL, weight: float = 1.0) -> Drift:
    """Population stability index of counts by bin, in the bins' order.

    PSI = sum (a - e) ln(a / e) over shares a now and e before, each count raised by 0.5. Without drift it is about
    (1/n + 1/m) x chi-square with one degree of freedom less than bins (reference formulas 3.6; Yurdakul 2018): that at 1 - `level` is
    the limit, raised by one part in the customers that a bin of the smaller book holds: the next term of the logarithm, without which
    books of very unlike size alarm a little too often. `weight`: independent customers for each one counted before, where customers
    stand in several rows.
    """
    old, new = pooled(np.asarray(before, dtype=np.int64), np.asarray(now, dtype=np.int64), weight)
    n, m = float(old.sum() * weight), float(new.sum())
    if min(n, m) == 0 or len(old) < 2:
        return Drift(what=what, before=tuple(map(int, old)), now=tuple(map(int, new)), psi=0.0, limit=0.0)
    from scipy import stats

    e, a = (old * weight + SMOOTHING) / (n + SMOOTHING * len(old)), (new + SMOOTHING) / (m + SMOOTHING * len(new))
    limit = (1 / n + 1 / m) * float(stats.chi2.ppf(1 - level, len(old) - 1)) * (1 + len(old) / min(n, m))
    return Drift(what=what, before=tuple(map(int, old)), now=tuple(map(int, new)), psi=float(((a - e) * np.log(a / e)).sum()), limit=limit)


def score_drift(before: NDArray[Any], now: NDArray[Any], *, level: float = LEVEL) -> Drift:
    """Of points: bins of about equal size of those before, five where either book is small."""
    bins = BINS_OF_A_SMALL_BOOK if min(len(before), len(now)) < SMALL_BOOK else BINS
    edges = np.unique(np.quantile(before, np.arange(1, bins) / bins)) if len(before) else np.zeros(0)
    counts = [np.bincount(np.searchsorted(edges, points, side="left"), minlength=len(edges) + 1) for points in (before, now)]
    return drift("score", counts[0], counts[1], level=level)


def pooled(before: Ints, now: Ints, weight: float = 1.0) -> tuple[Ints, Ints]:
    """The counts with each bin that is expected to hold too few customers put together with the next one, the last with the one before."""
    n, m = before.sum() * weight, now.sum()
    if min(n, m) == 0:
        return before, now
    expected = (before * weight + now) * min(n, m) / (n + m)
    groups, filled = [0], 0.0
    for at, one in enumerate(expected):
        if at and filled >= LEAST_EXPECTED:
            groups.append(at)
            filled = 0.0
        filled += float(one)
    if filled < LEAST_EXPECTED and len(groups) > 1:
        groups.pop()
    return np.add.reduceat(before, groups), np.add.reduceat(now, groups)
