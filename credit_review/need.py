"""What a customer needs by its sales and payment terms: the one formula that features and the effect of other terms go by."""

from __future__ import annotations

from typing import TYPE_CHECKING

from credit_review import fx

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DAYS_DECIMALS = 4
"""Decimals of days late that count."""


def by_terms(sales: NDArray[np.int64], terms_days: NDArray[np.int64], average_days_late: NDArray[np.float64]) -> NDArray[np.int64]:
    """Sales x (terms + usual delay) / 365 in minor units, half-even once; sales below 0 and early payment count as 0, unknown delay as 0.

    Source: needs formula, annual purchases x (terms + usual delay) / 365.
    """
    import numpy as np

    delay = np.rint(np.maximum(np.nan_to_num(average_days_late), 0) * 10**DAYS_DECIMALS).astype(np.int64)
    return fx.scale(np.maximum(sales, 0), terms_days * 10**DAYS_DECIMALS + delay, 365 * 10**DAYS_DECIMALS)
