"""Sets a card's probabilities right: a shift, and with enough outcomes a slope, of its log odds on rows it was not fitted on.

Cox, Two further applications of a model for binary regression, Biometrika 45 (1958); "calibration in the large" and "calibration slope" of
Steyerberg, Clinical Prediction Models (2009), 15.3. Rows of one customer group are one cluster: intervals are by the sandwich estimator.
What is not shown to be wrong is left alone: the slope at 1 where its interval holds 1, the shift at 0 where its interval holds 0 (after
Vergouwe et al., A closed testing procedure to select an appropriate method for updating prediction models, Stat Med 36 (2017)).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from credit_review.scoring.scorecard import Calibration, Definition, Scorecard, point_table
from credit_review.words import marked

if TYPE_CHECKING:
    import pandas as pd

LEAST = 20
"""Fewer distinct customers with the outcome than this (or without) and nothing is set right: a rate of 20 is known to about a half."""
LEAST_FOR_SLOPE = 100
"""From here on the slope is fitted too (Vergouwe et al. 2005, Collins et al. 2016: 100 events and 100 without to validate a model)."""
DECIMALS = 6
Z = 1.959964
_STEPS = 50
_LARGEST = 12.0
"""Log odds beyond this are one in 160,000: a fit that wants more is not measured by the data."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Line:
    """log odds good:bad = slope x what the card says - shift, each with the 95% interval it was measured in.

    A slope without an interval was not measured: too few outcomes.
    """

    shift: float
    shift_low: float
    shift_high: float
    slope: float = 1.0
    slope_low: float | None = None
    slope_high: float | None = None


def line(log_odds: NDArray[Any], outcome: NDArray[Any], group: NDArray[Any]) -> Line | None:
    """The line that sets log odds good:bad right on these rows; None where too few of either side, or no sense in the order.

    `outcome` is 1 for bad. Distinct groups are counted, for rows of one group are not independent. With a slope that is not above 0 (the
    order of these rows is not the card's) nothing is set right: another card is needed, not another scale.
    """
    bad, good = len(np.unique(group[outcome == 1])), len(np.unique(group[outcome == 0]))
    if min(bad, good) < LEAST:
        return None
    odds = np.asarray(log_odds, dtype=np.float64)
    ends: tuple[float, float] | tuple[()] = ()
    if min(bad, good) >= LEAST_FOR_SLOPE and np.ptp(odds) > 0:
        found = _logistic(np.column_stack([np.ones_like(odds), -odds]), outcome, np.zeros_like(odds), group)
        if found is None:
            return None
        shift, slope = (_around(value, error) for value, error in zip(*found, strict=True))
        if slope[1] <= 0:
            return None
        if not slope[1] <= 1 <= slope[2]:
            return Line(*shift, *slope)
        ends = slope[1:]
    found = _logistic(np.ones((len(odds), 1)), outcome, -odds, group)
    if found is None:
        return None
    value, low, high = _around(float(found[0][0]), float(found[1][0]))
    return Line(0.0 if low <= 0 <= high else value, low, high, 1.0, *ends)


def calibration(held: pd.DataFrame, *, definition: Definition, definition_words: str, start: float = 0.0) -> Calibration | str:
    """The calibration measured on `held`, or why there is none.

    `held` has the columns cutoff (date), group_id, outcome (1 for bad) and log_odds: what cards fitted on earlier periods said of groups
    they had not seen, their own shift taken off. `start` is the shift that the card to be calibrated has already.
    """
    outcome, group = held["outcome"].to_numpy(dtype=np.int64), held["group_id"].to_numpy(dtype=str)
    bad = len(np.unique(group[outcome == 1]))
    if bad < LEAST:
        return TOO_FEW.format(bad=bad, least=LEAST)
    found = line(held["log_odds"].to_numpy(), outcome, group)
    if found is None:
        return NO_SENSE
    taken = found.slope * start
    return Calibration(
        shift=round(found.shift + taken, DECIMALS),
        shift_low=round(found.shift_low + taken, DECIMALS),
        shift_high=round(found.shift_high + taken, DECIMALS),
        slope=round(found.slope, DECIMALS),
        slope_low=None if found.slope_low is None else round(found.slope_low, DECIMALS),
        slope_high=None if found.slope_high is None else round(found.slope_high, DECIMALS),
        definition=definition,
        definition_words=definition_words,
        on=tuple(sorted({day.date().isoformat() for day in held["cutoff"]})),
        rows=len(held),
        bad=int(outcome.sum()),
    )


TOO_FEW = marked("too few outcomes in a later period to calibrate on: {bad}, at least {least} are needed")
NO_SENSE = marked("a later period does not show the order of the scores, so no scale sets them right")


def calibrated(card: Scorecard, measured: Calibration) -> Scorecard:
    """The card with this calibration; points for what has happened already still take its best customer to one half or worse."""
    best = card.base + sum(max(point_table(f)) for f in card.factors)
    even = card.scale.points(measured.shift / measured.slope)
    already = card.already.model_copy(update={"points": min(0, math.floor(even - best) - 1)})
    return card.model_copy(update={"calibration": measured, "already": already})


def _around(value: float, error: float) -> tuple[float, float, float]:
    return float(value), float(value - Z * error), float(value + Z * error)


def _logistic(columns: Floats, bad: NDArray[Any], offset: Floats, group: NDArray[Any]) -> tuple[Floats, Floats] | None:
    """Coefficients and their standard errors (sandwich over groups) by Newton's method; None where the likelihood has no finite top."""
    beta = np.zeros(columns.shape[1])
    for _ in range(_STEPS):
        chance = _chance(columns @ beta + offset)
        bread = columns.T @ (columns * (chance * (1 - chance))[:, None])
        try:
            step = np.linalg.solve(bread, columns.T @ (bad - chance))
        except np.linalg.LinAlgError:
            return None
        beta = beta + np.clip(step, -2, 2)
        if not np.isfinite(beta).all() or np.abs(beta).max() > _LARGEST:
            return None
        if np.abs(step).max() < 1e-10:
            return beta, _errors(columns * (bad - chance)[:, None], bread, group)
    return None


def _errors(scores: Floats, bread: Floats, group: NDArray[Any]) -> Floats:
    _, place = np.unique(group, return_inverse=True)
    sums = np.stack([np.bincount(place, weights=column) for column in scores.T], axis=1)
    groups = len(sums)
    meat = sums.T @ sums * (groups / max(groups - 1, 1))
    inverse = np.linalg.inv(bread)
    errors: Floats = np.sqrt(np.diag(inverse @ meat @ inverse))
    return errors


def _chance(log_odds_bad: Floats) -> Floats:
    chance: Floats = 1 / (1 + np.exp(-np.clip(log_odds_bad, -30, 30)))
    return chance
