"""Why a figure could not be computed, as one text a customer."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from credit_review.exposure.arrays import Flags
from credit_review.words import marked

NO_CURRENCY = marked("(no currency)")


class Reasons:
    """Reasons by figure for customers 0..count-1; each figure and reason is text stored once, whatever the number of customers."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._set: NDArray[np.int64] = np.zeros(count, dtype=np.int64)
        self._texts: list[str] = []

    def add(self, where: Flags, name: str, reason: str) -> None:
        """Say that figure `name` is not computable for the customers of `where`."""
        self._set |= where.astype(np.int64) << len(self._texts)
        self._texts.append(f"{name}: {reason}")

    def texts(self, unpriced: Iterable[tuple[int, str, str]]) -> pd.Series[str]:
        """`name: reason; name: reason` a customer, in the order added; last the currencies of items left out for want of a rate."""
        codes, sets = pd.factorize(self._set)
        known = ["; ".join(t for bit, t in enumerate(self._texts) if (int(s) >> bit) & 1) for s in sets]
        found = np.array(known, dtype=object)[codes] if self._count else np.zeros(0, dtype=object)
        for at, base, quote in unpriced:
            pair = {"base": base or NO_CURRENCY, "quote": quote or NO_CURRENCY}
            text = "exposure_minor: " + marked("without items that have no rate from {base} to {quote}").format(**pair)
            found[at] = f"{found[at]}; {text}" if found[at] else text
        return pd.Series(found, dtype="str")
