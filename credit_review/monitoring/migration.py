"""How grades move in a quarter: a matrix that does not take three customers for a law."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from credit_review.monitoring.rates import CONFIDENCE

PRIOR_CUSTOMERS = 10
"""Each row is drawn towards its prior as if it held this many customers more of it."""

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """Customers by grade before (rows) and after (columns), and the chance of each move: shrunken, with 95% credible intervals.

    `pairs` is how many pairs of reviews a quarter apart were counted.
    """

    grades: tuple[str, ...]
    counts: Ints
    prior: Floats
    share: Floats
    low: Floats
    high: Floats
    pairs: int = 1


def migration(before: Sequence[str], after: Sequence[str], grades: Sequence[str], *, pairs: int = 1) -> Migration:
    """The matrix of customers graded both times (positions belong together); grades that policy does not name are left out.

    The prior of a row: steps (so many grades up or down) as often as over all rows together, so that neighbours lend to each other, and
    half a customer halved with every further grade so that nothing is impossible. Rows are Dirichlet; an interval is of its margin (Beta).
    """
    from scipy import stats

    counts = _counts(before, after, grades)
    prior = priors(counts)
    a = counts + PRIOR_CUSTOMERS * prior
    total = a.sum(axis=1, keepdims=True)
    tail = (1 - CONFIDENCE) / 2
    low, high = stats.beta.ppf(tail, a, total - a), stats.beta.ppf(1 - tail, a, total - a)
    if len(grades) == 1:
        low, high = np.ones((1, 1)), np.ones((1, 1))
    return Migration(grades=tuple(grades), counts=counts, prior=prior, share=a / total, low=low, high=high, pairs=pairs)


def _counts(before: Sequence[str], after: Sequence[str], grades: Sequence[str]) -> Ints:
    place = {grade: i for i, grade in enumerate(grades)}
    counts = np.zeros((len(grades), len(grades)), dtype=np.int64)
    for old, new in zip(before, after, strict=True):
        if old in place and new in place:
            counts[place[old], place[new]] += 1
    return counts


def priors(counts: Ints) -> Floats:
    """The prior of each row, adding up to 1."""
    size = len(counts)
    steps = np.arange(size)[None, :] - np.arange(size)[:, None]
    seen = np.array([counts[steps == step].sum() for step in range(1 - size, size)], dtype=np.float64)
    smooth = seen + 0.5 * 0.5 ** np.abs(np.arange(1 - size, size))
    prior = smooth[steps + size - 1]
    result: Floats = prior / prior.sum(axis=1, keepdims=True)
    return result
