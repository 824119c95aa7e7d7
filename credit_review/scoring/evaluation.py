"""How well scores rank: AUC with its interval, on periods later than those a scorecard was fitted on."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

AUC_DECIMALS = 4
REPLICATES = 1000
_AT_ONCE = 50
CONFIDENCE = 0.95
SMALLEST_SIDE = 5
"""Fewer good or bad customers than this and no AUC is stated."""

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def auc(outcome: Ints, risk: NDArray[Any]) -> float:
    """Probability that a customer with the outcome has the higher risk than one without, ties counted half; NaN with one side only."""
    return float(_weighted(outcome, risk, np.ones((1, len(outcome))))[0])


def interval(outcome: Ints, risk: NDArray[Any], group: NDArray[Any], *, seed: int) -> tuple[float, float]:
    """The 95% interval of the AUC by bootstrap over customer groups (a group is drawn whole), 1,000 replicates, same for the same seed."""
    codes, place = np.unique(group, return_inverse=True)
    rng = np.random.Generator(np.random.PCG64(seed))
    chances = np.full(len(codes), 1 / len(codes))
    parts = [min(_AT_ONCE, REPLICATES - done) for done in range(0, REPLICATES, _AT_ONCE)]  # the same draws, in a twentieth of the memory
    drawn = (rng.multinomial(len(codes), chances, size=some)[:, place].astype(np.float64) for some in parts)
    found = np.concatenate([_weighted(outcome, risk, some) for some in drawn])
    tail = (1 - CONFIDENCE) / 2
    low, high = np.nanquantile(found, [tail, 1 - tail])
    return float(low), float(high)


def _weighted(outcome: Ints, risk: NDArray[Any], weights: Floats) -> Floats:
    """AUC for each row of `weights` (replicates by observations)."""
    order = np.argsort(risk, kind="stable")
    _, first = np.unique(risk[order], return_index=True)
    bad = np.add.reduceat(weights[:, order] * outcome[order], first, axis=1)
    good = np.add.reduceat(weights[:, order] * (1 - outcome[order]), first, axis=1)
    lower = np.cumsum(good, axis=1) - good
    with np.errstate(invalid="ignore", divide="ignore"):
        result: Floats = (bad * (lower + good / 2)).sum(axis=1) / (bad.sum(axis=1) * good.sum(axis=1))
    return result
