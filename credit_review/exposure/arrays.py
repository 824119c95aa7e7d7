"""Exact sums by customer over plain arrays, and days as integers: the arithmetic under the features."""

from __future__ import annotations

import calendar
from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from credit_review.errors import BadInput
from credit_review.model.money import MAX_MINOR

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

NO_DAY = int(np.iinfo(np.int64).min)
"""Day number of a missing date, which is what NaT becomes as an integer."""

_EPOCH = date(1970, 1, 1)
_FLOAT_EXACT = 2.0**52
INT64_ROOM = 2**62
"""Sums and products stay below this, so int64 never wraps."""


def day_number(day: date) -> int:
    """Days from 1970-01-01 to `day`."""
    return (day - _EPOCH).days


def day_numbers(dates: pd.Series[Any]) -> Ints:
    """Days since 1970-01-01 of a `date` column; NO_DAY where the date is missing."""
    numbers: Ints = dates.to_numpy().astype("datetime64[D]").view(np.int64)
    return numbers


def months_before(day: date, months: int) -> date:
    """The day `months` calendar months earlier; the last day of a month goes to the last day of a month."""
    year, month0 = divmod(day.year * 12 + day.month - 1 - months, 12)
    last = calendar.monthrange(year, month0 + 1)[1]
    at_end = (day + timedelta(days=1)).day == 1
    return date(year, month0 + 1, last if at_end else min(day.day, last))


def period_ends(as_of: date, count: int) -> list[date]:
    """The ends of the `count` one-month periods up to `as_of`, oldest first; calendar months when `as_of` is a month's end."""
    return [months_before(as_of, back) for back in reversed(range(count))]


def sum_by(group: Ints, values: NDArray[Any], count: int) -> Ints:
    """Exact integer sums of `values` by group number 0..count-1.

    Floats carry the sum only while every partial sum is an exact float; beyond that int64 does. Raises BadInput where int64 could wrap.
    """
    if not len(values):
        return np.zeros(count, dtype=np.int64)
    size = float(np.abs(values).sum(dtype=np.float64))
    if size < _FLOAT_EXACT:
        return np.bincount(group, weights=values, minlength=count).astype(np.int64)
    if size >= INT64_ROOM and np.bincount(group, weights=np.abs(values)).max() >= INT64_ROOM:
        raise BadInput(
            f"amounts of one customer add up to about {size:.3g} minor units or more",
            expected=f"amounts whose sums stay within {MAX_MINOR}",
            next_step="look for an amount with a wrong scale in the source",
        )
    result = np.zeros(count, dtype=np.int64)
    np.add.at(result, group, values)
    return result


def count_by(group: Ints, count: int) -> Ints:
    """Number of entries by group number 0..count-1."""
    return np.bincount(group, minlength=count).astype(np.int64)


def ratio(over: Ints, under: Ints, decimals: int) -> Floats:
    """over / under rounded to `decimals`; NaN where `under` is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        result: Floats = np.round(over.astype(np.float64) / np.where(under == 0, np.nan, under), decimals)
    return result + 0.0  # -0.0 and 0.0 are one figure, and must be one byte string


def nullable(values: Ints, missing: Flags) -> pd.arrays.IntegerArray:
    """An Int64 array that is NA where `missing`."""
    return pd.arrays.IntegerArray(np.where(missing, 0, values).astype(np.int64), missing.copy())
