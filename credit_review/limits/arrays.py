"""Exact integer arithmetic over columns: amounts times decimal factors, optional amounts, joined codes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from credit_review.limits.codes import SEPARATOR

Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

PPM = 1_000_000
"""Factors are integers in millionths: policy allows six decimals."""

NO_CAP = 2**62
"""Stands for "nothing caps here" inside a minimum; never leaves this package."""


@dataclass(frozen=True, slots=True)
class Maybe:
    """Amounts that may be unknown. `value` is 0 where `known` is false."""

    value: Ints
    known: Flags

    @classmethod
    def of(cls, column: pd.Series[Any]) -> Maybe:
        """A nullable integer column."""
        known = column.notna().to_numpy(dtype=bool)
        return cls(column.fillna(0).to_numpy(dtype=np.int64), known)

    @classmethod
    def where(cls, known: Flags, value: Ints) -> Maybe:
        """`value` where `known`."""
        return cls(np.where(known, value, 0), known)

    def only(self, rows: Flags) -> Maybe:
        """The same amounts, unknown outside `rows`."""
        return Maybe.where(self.known & rows, self.value)

    def otherwise(self, value: Ints | int) -> Ints:
        """The amounts, `value` where unknown."""
        return np.where(self.known, self.value, value)

    def column(self) -> pd.Series[Any]:
        """As an Int64 column."""
        return pd.Series(pd.arrays.IntegerArray(self.value.copy(), ~self.known))


def ppm(factor: Decimal) -> int:
    """A factor with at most six decimals in millionths."""
    return int(factor * PPM)


def times(amount: Ints, millionths: Ints | int) -> Ints:
    """amount x millionths / 1,000,000, rounded down, exact: no product leaves int64 for amounts up to 2**53 and factors up to 100."""
    whole, rest = np.divmod(amount, PPM)
    return np.asarray(whole * millionths + rest * millionths // PPM, dtype=np.int64)


def times_up(amount: Ints, millionths: Ints | int) -> Ints:
    """The same rounded up."""
    return -times(-amount, millionths)


def larger(one: Maybe, other: Maybe) -> Maybe:
    """The larger of two amounts, the known one where only one is known."""
    value = np.maximum(one.otherwise(other.value), other.otherwise(one.value))
    return Maybe.where(one.known | other.known, value)


def least(caps: Mapping[str, Maybe]) -> tuple[Maybe, pd.Series[Any]]:
    """The smallest known amount of each row, and the name of the first cap that has it; unknown and empty where no cap is known."""
    stacked = np.stack([cap.otherwise(NO_CAP) for cap in caps.values()])
    which = stacked.argmin(axis=0)
    smallest = stacked[which, np.arange(stacked.shape[1])]
    known = smallest < NO_CAP
    names = np.array([*caps, ""], dtype=object)
    return Maybe.where(known, smallest), pd.Series(names[np.where(known, which, len(caps))], dtype="str")


def among(keys: pd.Series[Any], of: pd.Series[Any]) -> Flags:
    """Which keys occur in `of`; `Series.isin` walks long text columns one value at a time."""
    found: Flags = pd.Index(of).unique().get_indexer(pd.Index(keys)) >= 0
    return found


def any_of(size: int, *flags: Flags) -> Flags:
    """Rows for which at least one flag is set."""
    found: Flags = np.logical_or.reduce([np.zeros(size, dtype=bool), *flags])
    return found


def joined(flags: Mapping[str, Flags]) -> pd.Series[Any]:
    """For each row the names whose flag is set, in order, joined by |."""
    number = np.zeros(len(next(iter(flags.values()))), dtype=np.int64)
    for bit, flag in enumerate(flags.values()):
        number |= flag.astype(np.int64) << bit
    found, row = np.unique(number, return_inverse=True)
    texts = [SEPARATOR.join(name for bit, name in enumerate(flags) if n >> bit & 1) for n in found.tolist()]
    return pd.Series(np.array(texts, dtype=object)[row], dtype="str")


def pick(condition: Mapping[str, Flags], size: int) -> pd.Series[Any]:
    """For each row the first text whose flag is set, empty when none is."""
    texts = np.array([*condition, ""], dtype=object)
    chosen = np.full(size, len(condition))
    for number, flag in reversed(list(enumerate(condition.values()))):
        chosen[flag] = number
    return pd.Series(texts[chosen], dtype="str")


def amount_texts(minor: Ints, unit: Ints) -> list[str]:
    """Amounts for people without currency, `1,250.50`; whole units without decimals. `unit` is minor units a major unit."""
    rows = zip(minor.tolist(), unit.tolist(), strict=True)
    return [f"{m // u:,}" if m % u == 0 else f"{m // u:,}.{m % u:0{len(str(u)) - 1}d}" for m, u in rows]
