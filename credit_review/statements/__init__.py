"""Financial condition from yearly statements: ratios, Altman scores with their zones, trend and age. Pure functions over frames.

What cannot be computed says what is missing; nothing stands in for it. Names of models and kinds load without pandas.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from credit_review.statements.models import KINDS, MODELS, Model, Zone

if TYPE_CHECKING:
    from credit_review.statements.figures import RATIOS, Figures, ratios
    from credit_review.statements.newest import Condition, condition
    from credit_review.statements.slope import trend
    from credit_review.statements.zoning import altman, zones

__all__ = [
    "KINDS",
    "MODELS",
    "RATIOS",
    "Condition",
    "Figures",
    "Model",
    "Zone",
    "altman",
    "condition",
    "ratios",
    "trend",
    "zones",
]

_HOMES = {"RATIOS": "figures", "Figures": "figures", "ratios": "figures", "altman": "zoning", "zones": "zoning", "trend": "slope"}


def __getattr__(name: str) -> Any:
    """Loads what needs pandas when it is first asked for."""
    if name not in __all__:
        raise AttributeError(name)
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES.get(name, 'newest')}"), name)
