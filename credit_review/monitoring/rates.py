"""Rates with exact intervals, and how surprising a count is. scipy is imported when it is needed.

Intervals are Clopper and Pearson's (1934): whatever the size they hold the true rate at least as often as they say, and they agree with
the exact binomial test. Jeffreys' are shorter and in the mean right, but miss more often at some small counts (Brown, Cai and DasGupta
2001), and an alarm here costs somebody a finding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

CONFIDENCE = 0.95
LEVEL = 1 - CONFIDENCE
"""How often a family of tests may speak when nothing is wrong."""


@dataclass(frozen=True, slots=True)
class Rate:
    """`bad` of `of`, as a fraction with its interval; without a case the interval is everything and there is no rate."""

    bad: int
    of: int
    low: float
    high: float

    @property
    def rate(self) -> float | None:
        """The fraction; None of nothing."""
        return self.bad / self.of if self.of else None

    def holds(self, expected: float) -> bool:
        """Whether the interval holds that fraction."""
        return self.low <= expected <= self.high


def rate(bad: int, of: int, *, confidence: float = CONFIDENCE) -> Rate:
    """The rate with its Clopper-Pearson interval."""
    from scipy import stats

    tail = (1 - confidence) / 2
    low = float(stats.beta.ppf(tail, bad, of - bad + 1)) if bad else 0.0
    high = float(stats.beta.ppf(1 - tail, bad + 1, of - bad)) if bad < of else 1.0
    return Rate(int(bad), int(of), low, high)


def too_many(bad: int, of: int, expected: float) -> float:
    """P(X >= bad) for X binomial(of, expected), `expected` the mean of the customers' probabilities.

    Their probabilities differ, so the true chance is of a Poisson-binomial X, which above its mean has the lighter tail: this errs to the
    quiet side (Hoeffding 1956, On the distribution of the number of successes in independent trials).
    """
    from scipy import stats

    return float(stats.binom.sf(bad - 1, of, min(max(expected, 0.0), 1.0)))


def too_few(bad: int, of: int, expected: float) -> float:
    """P(X <= bad), likewise."""
    from scipy import stats

    return float(stats.binom.cdf(bad, of, min(max(expected, 0.0), 1.0)))


def holm(chances: Sequence[float], *, level: float = LEVEL) -> list[bool]:
    """Which of a family of tests speak, such that one or more speak wrongly in at most `level` of families, however they hang together.

    Holm, A simple sequentially rejective multiple test procedure (1979).
    """
    order = sorted(range(len(chances)), key=lambda i: chances[i])
    speaks = [False] * len(chances)
    for place, i in enumerate(order):
        if chances[i] > level / (len(chances) - place):
            break
        speaks[i] = True
    return speaks
