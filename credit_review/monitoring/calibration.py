"""Whether probabilities mean what they say: calibration error, Brier score and its parts, Spiegelhalter's test, a curve by grade."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from credit_review.monitoring.rates import Rate, rate

BINS = 10
DRAWS = 2_000
ENOUGH_EXPECTED = 10.0
"""Fewer outcomes expected and Spiegelhalter's statistic is not near enough to normal: its chance is then drawn instead."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Brier:
    """Brier score = reliability - resolution + uncertainty + within.

    Murphy (1973); `within` are the terms of unlike forecasts in one bin, without which bins do not add up (Stephenson et al. 2008).
    """

    score: float
    reliability: float
    resolution: float
    uncertainty: float
    within: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Measures:
    """`error` is the expected calibration error, `by_chance` what 95 of 100 perfectly calibrated cards stay under on so few.

    `z` is Spiegelhalter's, `chance` its two-sided p; `drawn` says that too few outcomes are expected for the normal curve.
    """

    customers: int
    bad: int
    expected: float
    error: float
    by_chance: float
    brier: Brier
    z: float
    chance: float
    drawn: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """A grade: the mean probability said at the review, and what came of its customers."""

    grade: str
    expected: float
    found: Rate

    @property
    def fits(self) -> bool:
        """Whether the interval of the rate holds what was said."""
        return self.found.holds(self.expected)


def measures(outcome: NDArray[Any], probability: NDArray[Any], *, seed: int) -> Measures:
    """All of them, of outcomes (1 bad) and probabilities of the same window."""
    z, chance, drawn = spiegelhalter(outcome, probability, seed=seed)
    return Measures(
        customers=len(outcome),
        bad=int(outcome.sum()),
        expected=float(probability.sum()),
        error=expected_error(outcome, probability),
        by_chance=error_by_chance(probability, seed=seed),
        brier=brier(outcome, probability),
        z=z,
        chance=chance,
        drawn=drawn,
    )


def bins_of(probability: NDArray[Any], bins: int = BINS) -> NDArray[np.int64]:
    """The bin of each: as many customers in each as equal probabilities allow, which never part."""
    edges = np.quantile(probability, np.arange(1, bins) / bins) if len(probability) else np.zeros(0)
    _, place = np.unique(np.searchsorted(edges, probability, side="left"), return_inverse=True)
    return place.astype(np.int64)


def expected_error(outcome: NDArray[Any], probability: NDArray[Any], *, bins: int = BINS) -> float:
    """Mean over customers of |mean probability - rate| in bins of about equal size (Naeini, Cooper and Hauskrecht 2015, adaptive bins).

    Bins of equal width, as for neural networks, would put nearly all customers of a book into the first and hide what happens there.
    """
    place = bins_of(probability, bins)
    rows, said, found = _sums(place, probability, outcome)
    return float(np.abs(said - found).sum() / rows.sum()) if len(probability) else 0.0


def error_by_chance(probability: NDArray[Any], *, seed: int, bins: int = BINS, level: float = 0.95) -> float:
    """The error below which so large a part of perfectly calibrated cards would stay: what is below it says nothing against a card."""
    if not len(probability):
        return 0.0
    rows, said, _ = _sums(bins_of(probability, bins), probability, probability)
    drawn = np.random.Generator(np.random.PCG64(seed)).binomial(rows.astype(np.int64), np.clip(said / rows, 0, 1), size=(DRAWS, len(rows)))
    return float(np.quantile(np.abs(drawn - said).sum(axis=1) / rows.sum(), level))


def _sums(place: NDArray[np.int64], probability: NDArray[Any], outcome: NDArray[Any]) -> tuple[Floats, Floats, Floats]:
    """Customers, sum of probabilities and of outcomes of each bin."""
    rows = np.bincount(place).astype(np.float64)
    said, found = (np.bincount(place, weights=one.astype(np.float64)).astype(np.float64) for one in (probability, outcome))
    return rows, said, found


def brier(outcome: NDArray[Any], probability: NDArray[Any], *, bins: int = BINS) -> Brier:
    """The mean squared error of the probabilities, and its parts over bins of about equal size."""
    y, p = outcome.astype(np.float64), probability.astype(np.float64)
    place = bins_of(p, bins)
    rows, said, found = _sums(place, p, y)
    said, found, overall, of = said / rows, found / rows, y.mean(), len(y)
    within = ((p - said[place]) ** 2).sum() - 2 * ((y - found[place]) * (p - said[place])).sum()
    return Brier(
        score=float(((p - y) ** 2).mean()),
        reliability=float((rows * (said - found) ** 2).sum() / of),
        resolution=float((rows * (found - overall) ** 2).sum() / of),
        uncertainty=float(overall * (1 - overall)),
        within=float(within / of),
    )


def spiegelhalter(outcome: NDArray[Any], probability: NDArray[Any], *, seed: int) -> tuple[float, float, bool]:
    """Z, its two-sided chance, and whether that was drawn (2,000 sets of outcomes) because few are expected.

    Z = sum (y - p)(1 - 2p) / sqrt(sum (1 - 2p)^2 p (1 - p)): Spiegelhalter, Statistics in Medicine 5 (1986). A drawn chance counts the
    set found among the drawn ones, so that it is never 0 and errs to the quiet side (Davison and Hinkley 1997, 4.2).
    """
    p = probability.astype(np.float64)
    weight = 1 - 2 * p
    spread = float(np.sqrt((weight**2 * p * (1 - p)).sum()))
    if spread == 0:
        return 0.0, 1.0, False
    z = float(((outcome - p) * weight).sum()) / spread
    if min(p.sum(), (1 - p).sum()) >= ENOUGH_EXPECTED:
        from scipy import stats

        return z, float(2 * stats.norm.sf(abs(z))), False
    rng, beyond = np.random.Generator(np.random.PCG64(seed)), 0
    for _ in range(DRAWS // 100):
        drawn = rng.random((100, len(p))) < p
        beyond += int((np.abs(((drawn - p) * weight).sum(axis=1) / spread) >= abs(z) - 1e-12).sum())
    return z, (beyond + 1) / (DRAWS + 1), True


def curve(outcome: NDArray[Any], probability: NDArray[Any], grade: NDArray[Any], grades: Sequence[str]) -> list[Band]:
    """Each grade that has customers, best first: what was said in the mean, and the rate found with its interval."""
    bands = []
    for name in grades:
        of = grade == name
        if of.any():
            bands.append(Band(grade=name, expected=float(probability[of].mean()), found=rate(int(outcome[of].sum()), int(of.sum()))))
    return bands
