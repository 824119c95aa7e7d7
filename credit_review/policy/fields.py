"""What fields of a policy are made of: strict frozen parts, exact amounts and factors, counts and texts."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from credit_review.words import said


def _exact(value: Any) -> Any:
    """A YAML number as an exact Decimal: 0.1 is one tenth, not its nearest binary fraction. Text and booleans are refused."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise ValueError(said("expected a number"))
    return Decimal(repr(value)) if isinstance(value, float) else Decimal(value)


Exact = BeforeValidator(_exact)
Amount = Annotated[Decimal, Exact, Field(ge=0, le=90_000_000_000_000, allow_inf_nan=False)]
Factor = Annotated[Decimal, Exact, Field(ge=0, le=100, decimal_places=6, allow_inf_nan=False)]
Fraction = Annotated[Decimal, Exact, Field(ge=0, le=1, decimal_places=6, allow_inf_nan=False)]
Band = Annotated[Decimal, Exact, Field(ge=0, lt=1, decimal_places=6, allow_inf_nan=False)]
Positive = Annotated[int, Field(gt=0)]
NotNegative = Annotated[int, Field(ge=0)]
Text = Annotated[str, Field(min_length=1)]
Texts = Annotated[tuple[Text, ...], Field(strict=False)]


class Part(BaseModel):
    """A section of a policy: frozen, its fields known and of exactly the stated type."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
