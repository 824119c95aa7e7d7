"""What our own engine promises about proposals before anyone is asked to sign one. A broken promise here stops the review."""

from __future__ import annotations

from typing import TYPE_CHECKING

from credit_review.model.money import EXPONENTS
from credit_review.model.states import CustomerState, Direction, Severity
from credit_review.words import marked
from expectations.promise import Context, Promise, Suite, always, between, filled, holds, one_of, unique

if TYPE_CHECKING:
    import pandas as pd


def _reviewed(frame: pd.DataFrame) -> pd.Series[bool]:
    return frame["state"].eq(CustomerState.REVIEWED)


def _reviewed_has_direction(frame: pd.DataFrame, _: Context) -> pd.Series[bool]:
    return _reviewed(frame).eq(frame["direction"].isin(list(Direction)))


def _reviewed_has_limit(frame: pd.DataFrame, _: Context) -> pd.Series[bool]:
    return _reviewed(frame).eq(frame["to_minor"].notna())


def _reviewed_has_currency(frame: pd.DataFrame, _: Context) -> pd.Series[bool]:
    """Others, such as a customer that only the ledger knows, may have none."""
    return ~_reviewed(frame) | frame["currency"].isin(list(EXPONENTS))


def _unreviewed_has_reason(frame: pd.DataFrame, _: Context) -> pd.Series[bool]:
    return _reviewed(frame) | frame["state_reason"].ne("")


def _direction_is_true(frame: pd.DataFrame, _: Context) -> pd.Series[bool]:
    """Up, down, same and new mean what the two amounts say."""
    new, known = frame["from_minor"].isna(), frame["from_minor"].notna() & frame["to_minor"].notna()
    change = (frame["to_minor"].fillna(0) - frame["from_minor"].fillna(0)).astype("int64")
    said = frame["direction"]
    true = (said.eq("new") & new) | (
        known & ((said.eq("up") & (change > 0)) | (said.eq("down") & (change < 0)) | (said.eq("same") & (change == 0)))
    )
    return true | said.eq("")


def _forbidden_is_not_raised(frame: pd.DataFrame, _: Context) -> pd.Series[bool]:
    return frame["forbids_increase"].eq("") | frame["direction"].ne(Direction.UP)


def _straight_through_is_plain(frame: pd.DataFrame, _: Context) -> pd.Series[bool]:
    plain = frame["exceptional"].eq("") & frame["straight_through_rule"].ne("") & frame["direction"].ne(Direction.NEW)
    return ~frame["straight_through"] | plain


def _grade_is_policys(frame: pd.DataFrame, context: Context) -> pd.Series[bool]:
    plain = frame["grade"].eq("")
    return plain | frame["grade"].isin(context.grades) if context.grades else plain | True


_C = Severity.CRITICAL

PROMISES: tuple[Promise, ...] = (
    holds(
        "customer_has_an_id",
        "customer_id",
        _C,
        marked("every row names its customer"),
        marked("the row names no customer"),
        filled("customer_id"),
    ),
    unique("customer_is_listed_once", "customer_id", _C, marked("one row a customer"), marked("two rows claim the same customer")),
    holds(
        "limit_has_a_currency",
        "currency",
        _C,
        marked("every proposed limit carries an ISO 4217 currency code"),
        marked("unknown currency"),
        _reviewed_has_currency,
    ),
    one_of(
        "state_is_known",
        "state",
        _C,
        marked("every customer is in one of the five states"),
        marked("unknown customer state"),
        tuple(CustomerState),
    ),
    holds(
        "reviewed_has_a_direction",
        "direction",
        _C,
        marked("a reviewed customer goes up, down, stays or is new, and no other customer does"),
        marked("state and direction contradict each other"),
        _reviewed_has_direction,
    ),
    holds(
        "reviewed_has_a_limit",
        "to_minor",
        _C,
        marked("a reviewed customer has a proposed limit, and no other customer has"),
        marked("state and proposed limit contradict each other"),
        _reviewed_has_limit,
    ),
    holds(
        "unreviewed_has_a_reason",
        "state_reason",
        _C,
        marked("a customer that is not reviewed says why"),
        marked("not reviewed, and no reason given"),
        _unreviewed_has_reason,
    ),
    holds(
        "direction_is_true",
        "direction",
        _C,
        marked("the direction is what the two limits say"),
        marked("the direction contradicts the limits"),
        _direction_is_true,
    ),
    between(
        "limit_is_not_negative",
        "to_minor",
        _C,
        marked("a proposed limit is zero or more"),
        marked("the proposed limit is negative"),
        0,
        None,
    ),
    between(
        "terms_are_plausible",
        "to_terms_days",
        _C,
        marked("proposed terms lie between 0 and 365 days"),
        marked("the terms cannot be true"),
        0,
        365,
    ),
    holds(
        "forbidden_increase_is_not_proposed",
        "forbids_increase",
        _C,
        marked("where a rule forbids an increase, none is proposed"),
        marked("an increase is proposed against a rule"),
        _forbidden_is_not_raised,
    ),
    holds(
        "straight_through_is_never_exceptional",
        "straight_through",
        _C,
        marked("what passes without a person is no exception and no first limit, and names its rule"),
        marked("passes without a person although it is exceptional, a first limit, or names no rule"),
        _straight_through_is_plain,
    ),
    between(
        "blocked_orders_are_not_negative",
        "blocked_orders_minor",
        _C,
        marked("orders that would stop are zero or more"),
        marked("a negative amount"),
        0,
        None,
    ),
    between(
        "over_limit_is_not_negative",
        "over_limit_minor",
        _C,
        marked("exposure above the limit is zero or more"),
        marked("a negative amount"),
        0,
        None,
    ),
    holds(
        "grade_is_policys", "grade", _C, marked("every grade is one of the policy's"), marked("policy has no such grade"), _grade_is_policys
    ),
)

SUITE = Suite(dataset="proposals", promises=PROMISES, could_raise=always)
