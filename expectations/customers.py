"""What is promised about the customer master."""

from __future__ import annotations

from typing import TYPE_CHECKING

from credit_review.model.states import CreditStatus, Severity
from credit_review.words import marked
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
    holds(
        "customer_has_an_id",
        "customer_id",
        _C,
        marked("every customer has our id"),
        marked("the row has no customer id"),
        filled("customer_id"),
    ),
    unique("customer_is_listed_once", "customer_id", _W, marked("one row a customer"), marked("two master rows claim the same customer")),
    known_currency(),
    one_of(
        "status_is_known",
        "status",
        _W,
        marked("every credit status is one that policy has a rule for"),
        marked("policy has no rule for this credit status"),
        tuple(CreditStatus),
    ),
    between(
        "limit_is_not_negative",
        "limit_minor",
        _W,
        marked("a limit on file is zero or more"),
        marked("the limit on file is negative"),
        0,
        None,
    ),
    between(
        "terms_are_plausible",
        "terms_days",
        _W,
        marked("payment terms lie between 0 and 365 days"),
        marked("the payment terms cannot be true"),
        0,
        365,
    ),
    holds(
        "name_is_present", "name", _I, marked("every customer has a name"), marked("the customer has no name in the master"), filled("name")
    ),
    holds(
        "since_by_as_of",
        "customer_since",
        _I,
        marked("business began by the as-of date"),
        marked("customer since a date after the as-of date"),
        _since_by_as_of,
    ),
    holds(
        "net_worth_is_dated",
        "net_worth_date",
        _I,
        marked("a net worth comes with the date of its statements, not after the as-of date; otherwise it counts as stale"),
        marked("the net worth has no usable date, so it counts as stale"),
        _net_worth_is_dated,
    ),
)

SUITE = Suite(dataset="customers", promises=PROMISES, could_raise=always)
