"""Altman's models with their zones, and which of them applies to which kind of company. No pandas here.

X1 working capital / total assets, X2 retained earnings / total assets, X3 EBIT / total assets, X4 equity / total liabilities (market value
of equity in Z, book value elsewhere), X5 sales / total assets. None of the models is made for financial companies.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from credit_review.words import said


class Zone(StrEnum):
    """Where a score lies: at or between its two bounds it is grey."""

    SAFE = "safe"
    GREY = "grey"
    DISTRESS = "distress"


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """Constant and weights of X1 to X5; safe above one bound, distress below the other. `market`: X4 is of the market value of equity."""

    name: str
    words: str
    constant: float = 0.0
    weights: tuple[float, float, float, float, float]
    distress_below: float
    safe_above: float
    market: bool = False


Z = Model(
    name="z", words=said("Altman Z"), weights=(1.2, 1.4, 3.3, 0.6, 1.0), distress_below=1.81, safe_above=2.99, market=True
)  # fmt: skip
"""Listed manufacturers. Altman (1968), Journal of Finance 23(4); https://probsee.com/p/Altman_Z-score"""

Z_PRIVATE = Model(
    name="z_private", words=said("Altman Z'"), weights=(0.717, 0.847, 3.107, 0.420, 0.998), distress_below=1.23, safe_above=2.90
)
"""Private manufacturers. Altman (1983), Corporate Financial Distress; creditguru.com, Altman Z-score revised for private firms."""

Z_NON_MANUFACTURER = Model(
    name="z_non_manufacturer", words=said("Altman Z''"), weights=(6.56, 3.26, 6.72, 1.05, 0.0), distress_below=1.1, safe_above=2.6
)
"""Non-manufacturers, and comparable between industries since X5 is left out. Altman (1993); financialratioss.com, Altman Z-score for
non-manufacturer industrials and emerging markets. A widely read page prints 6.5 and the bounds of Z' for it: a test pins these."""

Z_EMERGING = Model(
    name="z_emerging",
    words=said("Altman Z'' for emerging markets"),
    constant=3.25,
    weights=Z_NON_MANUFACTURER.weights,
    distress_below=4.35,
    safe_above=5.85,
)
"""Companies of emerging markets: 3.25 + Z'', its bounds moved by as much. Altman, Hartzell and Peck (1995), Emerging Markets Corporate
Bonds: A Scoring System."""

MODELS: MappingProxyType[str, Model] = MappingProxyType({m.name: m for m in (Z, Z_PRIVATE, Z_NON_MANUFACTURER, Z_EMERGING)})
"""Every model by name."""

FINANCIAL = "financial"
KINDS: MappingProxyType[str, Model | None] = MappingProxyType(
    {
        "listed_manufacturer": Z,
        "private_manufacturer": Z_PRIVATE,
        "non_manufacturer": Z_NON_MANUFACTURER,
        "emerging_market": Z_EMERGING,
        FINANCIAL: None,
    }
)
"""The model that applies to each kind of company, as the data state the kind; none applies to banks, insurers and other financial ones."""
