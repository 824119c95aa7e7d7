"""What is promised about what people wrote of customers. What was written never stands in a result: only keys and days do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from credit_review.model.states import Severity
from credit_review.words import marked
from expectations.external import known_customer
from expectations.promise import Context, Promise, Suite, holds, never

if TYPE_CHECKING:
    import pandas as pd


def _written_by_as_of(frame: pd.DataFrame, context: Context) -> pd.Series[bool]:
    import pandas as pd

    return frame["remark_date"].notna() & ~(frame["remark_date"] > pd.Timestamp(context.as_of))


_W = Severity.WARNING

PROMISES: tuple[Promise, ...] = (
    holds(
        "customer_is_known",
        "customer_id",
        _W,
        marked("every remark is about a customer of the master"),
        marked("the remark is about no customer of the master"),
        known_customer,
    ),
    holds(
        "written_by_as_of",
        "remark_date",
        _W,
        marked("every remark has a day, not after the as-of date"),
        marked("the remark has no day, or was written after the as-of date"),
        _written_by_as_of,
    ),
)

SUITE = Suite(dataset="remarks", promises=PROMISES, could_raise=never)
