"""What is promised about external credit reports and about insurance cover and guarantees.

A report or cover left out never makes a customer look better: without it policy's substitute holds, and the risk is our own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from credit_review.model.states import Severity
from credit_review.words import marked
from expectations.promise import Condition, Context, Promise, Suite, among, between, filled, holds, known_currency, never, one_of

if TYPE_CHECKING:
    import pandas as pd

COVER_KINDS = ("insured_limit", "discretionary_limit", "guarantee")


def known_customer(frame: pd.DataFrame, context: Context) -> pd.Series[bool]:
    """Whether each row names a customer of the master."""
    known = frame["customer_id"].ne("")
    return known if context.master is None else known & among(frame["customer_id"], context.master)


def _reported_by_as_of(frame: pd.DataFrame, context: Context) -> pd.Series[bool]:
    import pandas as pd

    return frame["report_date"].notna() & ~(frame["report_date"] > pd.Timestamp(context.as_of))


def once(*columns: str) -> Condition:
    """The condition that no two rows have the same values of `columns`."""
    return lambda frame, _: ~frame.duplicated(list(columns), keep=False)


def _currency_where_recommended(frame: pd.DataFrame, _: Context) -> pd.Series[bool]:
    from credit_review.model.money import EXPONENTS

    return frame["recommended_limit_minor"].isna() | frame["currency"].isin(list(EXPONENTS))


def _says_something(frame: pd.DataFrame, _: Context) -> pd.Series[bool]:
    return frame["grade"].ne("") | frame["pd_fraction"].notna() | frame["recommended_limit_minor"].notna()


def _ends_after_it_begins(frame: pd.DataFrame, _: Context) -> pd.Series[bool]:
    return frame["valid_from"].notna() & ~(frame["valid_to"] <= frame["valid_from"])


_W, _I = Severity.WARNING, Severity.INFO

REPORTS: tuple[Promise, ...] = (
    holds(
        "customer_is_known",
        "customer_id",
        _W,
        marked("every report belongs to a customer of the master"),
        marked("the report belongs to no customer of the master"),
        known_customer,
    ),
    holds(
        "reported_by_as_of",
        "report_date",
        _W,
        marked("every report has a date, not after the as-of date"),
        marked("the report has no date or one after the as-of date, so its age cannot be told"),
        _reported_by_as_of,
    ),
    between(
        "pd_is_a_probability",
        "pd_fraction",
        _W,
        marked("a probability of default lies between 0 and 1"),
        marked("the probability of default is not between 0 and 1"),
        0,
        1,
    ),
    between(
        "recommended_limit_is_not_negative",
        "recommended_limit_minor",
        _W,
        marked("a recommended limit is zero or more"),
        marked("the recommended limit is negative"),
        0,
        None,
    ),
    holds(
        "recommended_limit_has_a_currency",
        "currency",
        _W,
        marked("a recommended limit carries an ISO 4217 currency code"),
        marked("the recommended limit has no known currency"),
        _currency_where_recommended,
    ),
    holds(
        "report_is_listed_once",
        "report_date",
        _W,
        marked("one report a customer, provider and date"),
        marked("two reports of the same provider and date contradict each other"),
        once("customer_id", "provider", "report_date"),
    ),
    holds(
        "report_says_something",
        "grade",
        _I,
        marked("a report carries a grade, a probability or a recommended limit"),
        marked("the report carries neither grade nor probability nor recommended limit"),
        _says_something,
    ),
)

COVER: tuple[Promise, ...] = (
    holds(
        "customer_is_known",
        "customer_id",
        _W,
        marked("all cover belongs to a customer of the master"),
        marked("the cover belongs to no customer of the master"),
        known_customer,
    ),
    one_of(
        "kind_is_known",
        "kind",
        _W,
        marked("cover is an insured limit or a guarantee"),
        marked("the kind of cover is unknown"),
        COVER_KINDS,
    ),
    holds(
        "cover_has_a_reference",
        "reference",
        _W,
        marked("cover names its policy or guarantee"),
        marked("no policy or guarantee number"),
        filled("reference"),
    ),
    known_currency(),
    between(
        "cover_is_not_negative",
        "amount_minor",
        _W,
        marked("an amount of cover is zero or more"),
        marked("the amount of cover is negative"),
        0,
        None,
    ),
    Promise(
        name="covered_part_is_present",
        column="cover_fraction",
        severity=_W,
        words=marked("the covered part is stated"),
        reason=marked("the covered part is not stated"),
        kind="ExpectColumnValuesToNotBeNull",
    ),
    between(
        "covered_part_is_a_fraction",
        "cover_fraction",
        _W,
        marked("the covered part lies between 0 and 1"),
        marked("the covered part is not between 0 and 1"),
        0,
        1,
    ),
    holds(
        "cover_ends_after_it_begins",
        "valid_to",
        _W,
        marked("cover has a first day, and ends after it"),
        marked("the cover has no first day, or ends before it begins"),
        _ends_after_it_begins,
    ),
    between(
        "cover_terms_are_plausible",
        "max_terms_days",
        _W,
        marked("longest terms lie between 0 and 365 days"),
        marked("the longest terms cannot be true"),
        0,
        365,
    ),
    holds(
        "cover_is_listed_once",
        "reference",
        _W,
        marked("one row a customer, kind and reference"),
        marked("two rows of the same cover contradict each other"),
        once("customer_id", "kind", "reference"),
    ),
)

SUITE = Suite(dataset="external", promises=REPORTS, could_raise=never)
COVER_SUITE = Suite(dataset="cover", promises=COVER, could_raise=never)
