"""Whether scores still tell bad customers from good: AUC and Gini with intervals, or how many outcomes it would take to say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from credit_review.scoring import evaluation

USUAL_AUC = 0.75
"""What is asked for before the AUC is known: that of an ordinary scorecard."""
WITHIN = 0.1
"""An AUC is worth stating for validation when it is known to this, either way: Gini to twice that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranking:
    """AUC and its 95% interval (None: fewer than 5 of either side), and the outcomes needed to state it to `WITHIN`."""

    customers: int
    bad: int
    needed: int
    auc: float | None = None
    low: float | None = None
    high: float | None = None

    @property
    def enough(self) -> bool:
        """Whether there are outcomes enough to validate anything."""
        return self.bad >= self.needed and self.auc is not None

    @property
    def no_better_than_chance(self) -> bool:
        """Whether there are outcomes enough, and chance alone would rank as well."""
        return self.enough and self.low is not None and self.low <= 0.5

    def gini(self) -> tuple[float, float, float] | None:
        """2 AUC - 1 with its interval."""
        if self.auc is None or self.low is None or self.high is None:
            return None
        return 2 * self.auc - 1, 2 * self.low - 1, 2 * self.high - 1


def ranking(outcome: NDArray[Any], risk: NDArray[Any], group: NDArray[Any], *, seed: int) -> Ranking:
    """How well `risk` (higher is worse) ranks `outcome` (1 bad); interval by bootstrap over customer groups (`scoring.evaluation`)."""
    bad, of = int(outcome.sum()), len(outcome)
    asked = needed(good_per_bad=max((of - bad) / bad, 1.0) if bad else 10.0)
    if min(bad, of - bad) < evaluation.SMALLEST_SIDE:
        return Ranking(customers=of, bad=bad, needed=asked)
    low, high = evaluation.interval(outcome.astype(np.int64), risk, group, seed=seed)
    found = evaluation.auc(outcome.astype(np.int64), risk)
    places = evaluation.AUC_DECIMALS
    return Ranking(customers=of, bad=bad, needed=asked, auc=round(found, places), low=round(low, places), high=round(high, places))


def needed(*, good_per_bad: float, auc: float = USUAL_AUC, within: float = WITHIN) -> int:
    """Bad customers it takes to know an AUC to `within`, either way, at 95%."""
    bad = evaluation.SMALLEST_SIDE
    while 1.96 * standard_error(auc, bad, bad * good_per_bad) > within:
        bad += 1
    return bad


def standard_error(auc: float, bad: float, good: float) -> float:
    """Of an AUC: Hanley and McNeil, The meaning and use of the area under a ROC curve, Radiology 143 (1982)."""
    one, two = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    variance = (auc * (1 - auc) + (bad - 1) * (one - auc**2) + (good - 1) * (two - auc**2)) / (bad * good)
    return float(np.sqrt(variance))
