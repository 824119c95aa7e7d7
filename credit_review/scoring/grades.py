"""From probability to grade: policy's bands, a margin within which the last grade is kept, and what a missing view allows at best."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from credit_review.policy import VIEWS, Policy
from credit_review.scoring.scorecard import PROBABILITY_DECIMALS
from credit_review.scoring.views import BOTH

KEPT, CAPPED = "kept", "capped"
"""Why a grade is not the one of its band: kept within the margin, or the best that policy allows while a view is missing."""

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


def grades(probability: Floats, band: Any, previous: Any, view_missing: Any, policy: Policy) -> tuple[Any, Any]:
    """The grade of each row and why it is another than its band's (empty where it is not).

    `band` is the grade of the bands alone, `previous` the grade of the last review, empty or unknown to policy where there is none. The
    last grade is kept while the probability lies in its band widened by policy's `grade_margin`: at or above (1 - margin) x its lower bound
    and below (1 + margin) x its upper bound, both rounded to 6 decimals like the probability. Beyond that the band decides.
    """
    names = pd.Index(policy.grade_names)
    now, before = names.get_indexer(pd.Index(band)).astype(np.int64), names.get_indexer(pd.Index(previous)).astype(np.int64)
    low, high = _widened(policy)
    inside = (probability >= low[before]) & (probability < high[before])
    stays = (before >= 0) & (before != now) & inside
    grade = np.where(stays, before, now)
    least = np.maximum(grade, _best_allowed(view_missing, policy))
    why = pd.array(["", KEPT, CAPPED], dtype="str").take(np.select([least > grade, stays], [2, 1], default=0))
    return pd.array(policy.grade_names, dtype="str").take(least), why


def _widened(policy: Policy) -> tuple[Floats, Floats]:
    """Lower and upper bound of each band with the margin; the best grade has no lower bound, the worst no upper."""
    margin, bounds = policy.scoring.grade_margin, [band.below for band in policy.grades]
    low = [0.0, *(round(bound * (1 - margin), PROBABILITY_DECIMALS) for bound in bounds[:-1])]
    high = [*(round(bound * (1 + margin), PROBABILITY_DECIMALS) for bound in bounds[:-1]), np.inf]
    return np.array(low), np.array(high)


def _best_allowed(view_missing: Any, policy: Policy) -> Ints:
    """Position of the best grade policy allows each row; 0 where it allows all."""
    best: dict[str, int] = {
        view: policy.grade_names.index(name) if (name := policy.scoring.without(view).best_grade) else 0 for view in VIEWS
    }
    by_code: dict[str, int] = {"": 0, **best, BOTH: max(best.values())}
    code, names = pd.factorize(np.asarray(view_missing, dtype=object))
    return np.array([by_code[str(name)] for name in names], dtype=np.int64)[code]
