"""How a figure moves over a customer's yearly statements."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

DECIMALS = 4
SMALLEST_COUNT = 3
"""Fewer statements and no line is drawn: two points are a difference, not a trend."""
_DAYS_A_YEAR = 365.25

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def trend(customer: Ints, days: Ints, values: Floats, count: int) -> Floats:
    """The change a year of `values` by customer 0..count-1.

    The slope of the least-squares line through (period end, value), time in years of 365.25 days, 4 decimals; NaN with fewer than three
    values. Rows without a value count nothing. slope = sum (t - mean t)(y - mean y) / sum (t - mean t)^2.
    """
    there = ~np.isnan(values)
    order = np.lexsort((days[there], customer[there]))
    who, at, value = customer[there][order], days[there][order] / _DAYS_A_YEAR, values[there][order]
    number = np.bincount(who, minlength=count)
    apart_t, apart_y = at - _mean(who, at, number)[who], value - _mean(who, value, number)[who]
    spread = np.bincount(who, weights=apart_t * apart_t, minlength=count)
    together = np.bincount(who, weights=apart_t * apart_y, minlength=count)
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = np.where((number >= SMALLEST_COUNT) & (spread > 0), together / spread, np.nan)
    return np.asarray(np.round(slope, DECIMALS) + 0.0, dtype=np.float64)


def _mean(who: Ints, values: Floats, number: NDArray[Any]) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        mean: Floats = np.bincount(who, weights=values, minlength=len(number)) / number
    return mean
