"""Figures of a formula over whole columns: exact integers, money in minor units and all else in millionths, and why one is missing.

Every figure lies within +-2**53 and every operation is defined for every figure: division by zero and results that are too large are
missing, never an exception. Products and quotients are rounded down to the unit, as all of the engine's are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from credit_review.limits.arrays import PPM, Flags, Ints
from credit_review.model.money import MAX_MINOR

NOTHING = np.int64(0)
BY_ZERO = np.int64(1 << 60)
TOO_LARGE = np.int64(1 << 61)
"""Bits of `lacks` beside those of the missing inputs."""

_HALF = 1_000


@dataclass(frozen=True, slots=True)
class Figures:
    """One figure a row, or one for all. `lacks` is 0 where it is known, else one bit for each input that is missing; `value` is then 0."""

    value: Ints
    lacks: Ints

    @property
    def known(self) -> Flags:
        """Where there is a figure."""
        found: Flags = self.lacks == NOTHING
        return found

    def bounded(self) -> Figures:
        """The same, missing where it is too large to be exact."""
        large = np.abs(self.value) > MAX_MINOR
        lacks = np.where(large & self.known, TOO_LARGE, self.lacks)
        return Figures(np.where(lacks == NOTHING, self.value, 0), lacks)


def plain(value: int) -> Figures:
    """One figure for all rows."""
    return Figures(np.array([value], dtype=np.int64), np.zeros(1, dtype=np.int64))


def truth(flags: Flags, lacks: Ints) -> Figures:
    """True and false as 1 and 0."""
    return Figures(np.where(lacks == NOTHING, flags, False).astype(np.int64), lacks)


def added(left: Figures, right: Figures) -> Figures:
    """left + right."""
    return Figures(left.value + right.value, left.lacks | right.lacks).bounded()


def negative(one: Figures) -> Figures:
    """The figure with its sign turned."""
    return Figures(-one.value, one.lacks)


def product(left: Figures, right: Figures) -> Figures:
    """left x right, rounded down; one of the two is in millionths, and the result is in the unit of the other."""
    lacks = left.lacks | right.lacks
    large = np.abs(left.value.astype(np.float64) * right.value.astype(np.float64)) > float(MAX_MINOR) * PPM
    lacks = np.where((lacks == NOTHING) & large, TOO_LARGE, lacks)
    a, b = (np.where(lacks == NOTHING, one.value, 0) for one in (left, right))
    whole, rest = np.divmod(a, PPM)
    high, low = np.divmod(b, PPM)
    return Figures(whole * b + rest * high + rest * low // PPM, lacks).bounded()


def quotient(left: Figures, right: Figures) -> Figures:
    """left over right, rounded down; in millionths where both are in one unit, else in the unit of `left`."""
    lacks = left.lacks | right.lacks
    lacks = np.where((lacks == NOTHING) & (right.value == 0), BY_ZERO, lacks)
    divisor = np.where(lacks == NOTHING, right.value, 1)
    whole, rest = np.divmod(left.value, divisor)
    large = np.abs(whole) > MAX_MINOR // PPM
    lacks = np.where((lacks == NOTHING) & large, TOO_LARGE, lacks)
    first, rest = np.divmod(rest * _HALF, divisor)
    value = np.where(large, 0, whole) * PPM + first * _HALF + rest * _HALF // divisor
    return Figures(np.where(lacks == NOTHING, value, 0), lacks).bounded()


def extreme(take: Callable[[Ints, Ints], Ints], left: Figures, right: Figures) -> Figures:
    """The smaller or larger of two; missing where either is, since the missing one might be it."""
    lacks = left.lacks | right.lacks
    return Figures(np.where(lacks == NOTHING, take(left.value, right.value), 0), lacks)


def first_known(left: Figures, right: Figures) -> Figures:
    """left, or right where left is missing."""
    lacks = np.where(left.known | right.known, NOTHING, left.lacks | right.lacks)
    return Figures(np.where(left.known, left.value, right.value), lacks)


def both(left: Figures, right: Figures) -> Figures:
    """left and right: false as soon as one of them is known to be."""
    settled = (left.known & (left.value == 0)) | (right.known & (right.value == 0))
    return truth((left.value & right.value) != 0, np.where(settled, NOTHING, left.lacks | right.lacks))


def either(left: Figures, right: Figures) -> Figures:
    """left or right: true as soon as one of them is known to be."""
    settled = (left.known & (left.value != 0)) | (right.known & (right.value != 0))
    return truth((left.value | right.value) != 0, np.where(settled, NOTHING, left.lacks | right.lacks))


def chosen(condition: Figures, then: Figures, otherwise: Figures) -> Figures:
    """One of two figures; the one that is not chosen may be missing."""
    yes = condition.value != 0
    lacks = np.where(condition.known, np.where(yes, then.lacks, otherwise.lacks), condition.lacks)
    return Figures(np.where(lacks == NOTHING, np.where(yes, then.value, otherwise.value), 0), lacks)
