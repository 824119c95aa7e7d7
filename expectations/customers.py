"""What is promised about the customer master."""

from __future__ import annotations

from typing import TYPE_CHECKING

from credit_review.model.states import CreditStatus, Severity
from expectations.promise import Context, Promise, Suite, always, between, filled, holds, known_currency, one_of, unique

if TYPE_CHECKING:
    import pandas as pd


def _since_by_as_of(frame: pd.DataFrame, context: Context) -> pd.Series[bool]:
    import pandas as pd

    return ~(frame["customer_since"] > pd.Timestamp(context.as_of))


def _net_worth_is_dated(frame: pd.DataFrame, context: Context) -> pd.Series[bool]:
    import pandas as pd

    dated = frame["net_worth_date"].notna() & ~(frame["net_worth_date"] > pd.Timestamp(context.as_of))
    return frame["tangible_net_worth_minor"].isna() | dated


_W, _C, _I = Severity.WARNING, Severity.CRITICAL, Severity.INFO

PROMISES: tuple[Promise, ...] = (
    holds("customer_has_an_id", "customer_id", _C, "every customer has our id", "the row has no customer id", filled("customer_id")),
    unique("customer_is_listed_once", "customer_id", _W, "one row a customer", "two master rows claim the same customer"),
    known_currency(),
    one_of(
        "status_is_known",
        "status",
        _W,
        "every credit status is one that policy has a rule for",
        "policy has no rule for this credit status",
        tuple(CreditStatus),
    ),
    between("limit_is_not_negative", "limit_minor", _W, "a limit on file is zero or more", "the limit on file is negative", 0, None),
    between(
        "terms_are_plausible",
        "terms_days",
        _W,
        "payment terms lie between 0 and 365 days",
        "the payment terms cannot be true",
        0,
        365,
    ),
    holds("name_is_present", "name", _I, "every customer has a name", "the customer has no name in the master", filled("name")),
    holds(
        "since_by_as_of",
        "customer_since",
        _I,
        "business began by the as-of date",
        "customer since a date after the as-of date",
        _since_by_as_of,
    ),
    holds(
        "net_worth_is_dated",
        "net_worth_date",
        _I,
        "a net worth comes with the date of its statements, not after the as-of date; otherwise it counts as stale",
        "the net worth has no usable date, so it counts as stale",
        _net_worth_is_dated,
    ),
)

SUITE = Suite(dataset="customers", promises=PROMISES, could_raise=always)
