"""Exact chances, one-sided: how often chance alone would show that much. scipy is imported when it is needed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def at_least(found: Any, of: Any, chance: Any) -> Floats:
    """P(X >= found) for X binomial of `of` trials with that chance each: the exact binomial test (Clopper and Pearson 1934).

    It is the incomplete beta function (Abramowitz and Stegun 1964, 26.5.24), as scipy.stats has it, whose import takes every review longer
    than all controls together.
    """
    from scipy.special import betainc

    found, of = np.asarray(found), np.asarray(of)
    return np.where(found > 0, betainc(np.maximum(found, 1), of - found + 1, chance), 1.0)


def run_at_least(length: Any, trials: Any, chance: float) -> Floats:
    """A bound on P(some run of `length` or more successes in `trials`): at most trials x chance^length runs begin, in the mean.

    Markov's inequality on the number of runs that begin (Feller 1968, Introduction to Probability Theory I, XIII.7, success runs).
    """
    return np.minimum(1.0, np.asarray(trials) * chance ** np.asarray(length, dtype=np.float64))


def together(found: int, strata: Sequence[tuple[int, int, int]]) -> float:
    """P(sum of X >= found) for independent hypergeometric X, one a stratum (total, of one kind, drawn): the exact test of no association.

    Conditional on all margins, strata kept apart (Cochran-Mantel-Haenszel, exact: Agresti 2002, Categorical Data Analysis, 6.7.5).
    """
    from scipy import stats

    chances = np.ones(1)
    for total, kind, drawn in strata:
        chances = np.convolve(chances, stats.hypergeom.pmf(np.arange(min(kind, drawn) + 1), total, kind, drawn))
    return float(chances[found:].sum())
