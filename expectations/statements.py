"""What is promised about yearly statements of customers.

A set of accounts that is left out leaves no older one to stand in: the customer's financial condition is then not computable.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from credit_review.model.states import Severity
from credit_review.words import marked
from expectations.external import known_customer, once
from expectations.promise import Condition, Context, Promise, Suite, between, holds, known_currency, never

if TYPE_CHECKING:
    import pandas as pd

LONGEST_MONTHS = 24
OUT_OF_BALANCE = 100
"""Assets may differ from equity and liabilities by one part in so many: items are rounded, often to thousands."""

_POSITIVE = (
    "current_assets_minor", "current_liabilities_minor", "total_liabilities_minor", "market_equity_minor", "sales_minor",
    "interest_expense_minor", "cash_minor", "inventories_minor", "receivables_minor",
)  # fmt: skip


def _known_by_as_of(frame: pd.DataFrame, context: Context) -> pd.Series[bool]:
    import pandas as pd

    day = pd.Timestamp(context.as_of)
    return frame["period_end"].notna() & (frame["period_end"] <= day) & ~(frame["received_date"] > day)


def _received_after_the_period(frame: pd.DataFrame, _: Context) -> pd.Series[bool]:
    return ~(frame["received_date"] < frame["period_end"])


def _not_negative(frame: pd.DataFrame, _: Context) -> pd.Series[bool]:
    return ~(frame[list(_POSITIVE)] < 0).fillna(False).any(axis=1)


def _in_balance(frame: pd.DataFrame, _: Context) -> pd.Series[bool]:
    apart = (frame["total_assets_minor"] - frame["equity_minor"] - frame["total_liabilities_minor"]).abs()
    return (apart * OUT_OF_BALANCE <= frame["total_assets_minor"].abs()).fillna(True)


def _part(part: str, whole: str) -> Condition:
    return lambda frame, _: (frame[part] <= frame[whole]).fillna(True)


_W = Severity.WARNING

PROMISES: tuple[Promise, ...] = (
    holds(
        "customer_is_known",
        "customer_id",
        _W,
        marked("all statements belong to a customer of the master"),
        marked("the statements belong to no customer of the master"),
        known_customer,
    ),
    holds(
        "statements_are_known_by_as_of",
        "period_end",
        _W,
        marked("every period has an end, neither it nor the day of receipt after the as-of date"),
        marked("the period has no end, or the statements were not known at the as-of date"),
        _known_by_as_of,
    ),
    holds(
        "received_after_the_period",
        "received_date",
        _W,
        marked("statements are received after their period has ended"),
        marked("the day of receipt lies before the end of the period"),
        _received_after_the_period,
    ),
    known_currency(),
    between(
        "period_is_plausible",
        "months",
        _W,
        marked("a period is 1 to 24 months long"),
        marked("the length of the period cannot be true"),
        1,
        LONGEST_MONTHS,
    ),
    between(
        "total_assets_are_positive",
        "total_assets_minor",
        _W,
        marked("total assets are above zero"),
        marked("total assets are zero or negative"),
        1,
        None,
    ),
    holds(
        "items_are_not_negative",
        "current_assets_minor",
        _W,
        marked("no asset, liability, sales, interest expense or market value is negative"),
        marked("an item that cannot be negative is, such as interest expense with the wrong sign"),
        _not_negative,
    ),
    holds(
        "statements_balance",
        "total_assets_minor",
        _W,
        marked("equity and liabilities come to total assets, to one part in a hundred"),
        marked("equity and total liabilities do not add up to total assets; minority interests belong into equity"),
        _in_balance,
    ),
    holds(
        "current_assets_are_part_of_total_assets",
        "current_assets_minor",
        _W,
        marked("current assets are at most total assets"),
        marked("current assets are above total assets"),
        _part("current_assets_minor", "total_assets_minor"),
    ),
    holds(
        "current_liabilities_are_part_of_total_liabilities",
        "current_liabilities_minor",
        _W,
        marked("current liabilities are at most total liabilities"),
        marked("current liabilities are above total liabilities"),
        _part("current_liabilities_minor", "total_liabilities_minor"),
    ),
    holds(
        "statements_are_listed_once",
        "period_end",
        _W,
        marked("one set of accounts a customer, period, basis and day of receipt"),
        marked("two sets of accounts of the same period, basis and day of receipt contradict each other"),
        once("customer_id", "period_end", "basis", "received_date"),
    ),
)

SUITE = Suite(dataset="statements", promises=PROMISES, could_raise=never)
