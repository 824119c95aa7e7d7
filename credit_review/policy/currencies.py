"""Which exchange rates count."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from credit_review.fx import DEFAULT_MAX_AGE_DAYS, RateTable
from credit_review.policy.fields import Part, Texts

if TYPE_CHECKING:
    import pandas as pd


class RateRules(Part):
    """A rate older than `max_age_days` on the day of conversion is no rate; a pair without one may have it made over these currencies."""

    max_age_days: Annotated[int, Field(ge=1, le=366)] = DEFAULT_MAX_AGE_DAYS
    over: Texts = ()

    def table(self, rates: pd.DataFrame) -> RateTable:
        """The table of a RATES frame under these rules. Raises BadInput as `RateTable.from_frame` does."""
        return RateTable.from_frame(rates, max_age_days=self.max_age_days, over=self.over)
