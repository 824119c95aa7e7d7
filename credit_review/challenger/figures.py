"""Log loss, by which settings are chosen, and how well probabilities rank and how true they are, with intervals over whole groups."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from credit_review.challenger.card import Judged
from credit_review.monitoring.calibration import brier, expected_error
from credit_review.scoring import evaluation
from credit_review.words import marked

DECIMALS = 4
REPLICATES = 500
TOO_FEW = marked("fewer than 5 rows with or without the outcome")

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure with its 95% interval."""

    value: float
    low: float
    high: float


def log_loss(outcome: Ints, risk: Floats) -> float:
    """Mean negative log likelihood of the outcomes; probabilities are kept off 0 and 1 by one millionth."""
    safe = np.clip(risk, 1e-6, 1 - 1e-6)
    return float(-np.mean(outcome * np.log(safe) + (1 - outcome) * np.log(1 - safe)))


def enough(outcome: Ints) -> bool:
    """Whether figures of these rows say anything: at least five on either side."""
    return bool(min(outcome.sum(), len(outcome) - outcome.sum()) >= evaluation.SMALLEST_SIDE)


def paired(measure: Any, outcome: Ints, risk: Floats, groups: NDArray[Any], *, seed: int) -> tuple[Figure, Figure, Figure]:
    """`measure(outcome, risk)` of both columns of `risk`, and the second less the first, with intervals by bootstrap over whole groups.

    500 replicates; both columns are measured on the same draws, so what they share does not widen the interval of their difference.
    """
    codes, place = np.unique(groups, return_inverse=True)
    rows_of = np.split(np.argsort(place, kind="stable"), np.cumsum(np.bincount(place, minlength=len(codes)))[:-1])
    rng = np.random.Generator(np.random.PCG64(seed))
    drawn = (np.concatenate([rows_of[i] for i in rng.integers(0, len(codes), len(codes))]) for _ in range(REPLICATES))
    found = np.array([[measure(outcome[d], risk[d, at]) for at in (0, 1)] for d in drawn if 0 < outcome[d].sum() < len(d)])
    first, second = (measure(outcome, risk[:, at]) for at in (0, 1))
    return _figure(first, found[:, 0]), _figure(second, found[:, 1]), _figure(second - first, found[:, 1] - found[:, 0])


def _figure(value: float, drawn: Floats) -> Figure:
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Figure(float(value), float(low), float(high))


def judged(of: str, outcome: Ints, risk: Floats, groups: NDArray[Any], *, seed: int) -> Judged:
    """The figures of these rows, 4 decimals; without AUC where there are too few."""
    rows, bad = len(outcome), int(outcome.sum())
    if not enough(outcome):
        return Judged(of=of, rows=rows, bad=bad, auc=None, auc_low=None, auc_high=None, brier=None, calibration_error=None, why_not=TOO_FEW)
    low, high = evaluation.interval(outcome, risk, groups, seed=seed)
    return Judged(
        of=of,
        rows=rows,
        bad=bad,
        auc=round(evaluation.auc(outcome, risk), DECIMALS),
        auc_low=round(low, DECIMALS),
        auc_high=round(high, DECIMALS),
        brier=round(brier(outcome, risk).score, DECIMALS),
        calibration_error=round(expected_error(outcome, risk), DECIMALS),
    )
