"""What our own arithmetic promises about exposure and features. A broken promise here is our error, so most are critical."""

from __future__ import annotations

from typing import TYPE_CHECKING

from credit_review.model.states import CreditStatus, Severity
from credit_review.statements import Zone
from credit_review.words import marked
from expectations.promise import Context, Promise, Suite, always, between, filled, holds, known_currency, one_of, unique

if TYPE_CHECKING:
    import pandas as pd

PAST_DUE = ("dpd_1_30_minor", "dpd_31_60_minor", "dpd_61_90_minor", "dpd_over_90_minor")
LONGEST_LATE_DAYS = 3650.0


def _overdue(frame: pd.DataFrame) -> pd.Series[int]:
    return frame[list(PAST_DUE)].sum(axis=1)


def _ageing_adds_up(frame: pd.DataFrame, _: Context) -> pd.Series[bool]:
    return (frame["not_due_minor"] + _overdue(frame)).eq(frame["open_items_minor"])


def _overdue_adds_up(frame: pd.DataFrame, _: Context) -> pd.Series[bool]:
    return _overdue(frame).eq(frame["overdue_minor"])


def _buckets_not_negative(frame: pd.DataFrame, _: Context) -> pd.Series[bool]:
    return (frame[["not_due_minor", *PAST_DUE, "open_items_minor", "disputed_minor"]] >= 0).all(axis=1)


def _own_risk_within_exposure(frame: pd.DataFrame, _: Context) -> pd.Series[bool]:
    return frame["own_risk_minor"].between(0, frame["exposure_minor"])


def _overdue_has_age(frame: pd.DataFrame, _: Context) -> pd.Series[bool]:
    return frame["overdue_minor"].gt(0).eq(frame["oldest_dpd_days"].gt(0)) | frame["overdue_minor"].eq(0)


def _score_has_a_zone(frame: pd.DataFrame, _: Context) -> pd.Series[bool]:
    return frame["altman_score"].isna() | (frame["altman_model"].ne("") & frame["altman_zone"].ne(""))


def _missing_is_explained(frame: pd.DataFrame, _: Context) -> pd.Series[bool]:
    missing = frame["sales_12m_minor"].isna() | frame["average_days_late"].isna() | frame["need_minor"].isna()
    return ~missing | frame["not_computable"].ne("")


_W, _C = Severity.WARNING, Severity.CRITICAL

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
    known_currency(_C),
    one_of(
        "status_is_known",
        "status",
        _C,
        marked("every credit status is one that policy has a rule for"),
        marked("unknown credit status"),
        tuple(CreditStatus),
    ),
    holds(
        "amounts_are_not_negative",
        "open_items_minor",
        _C,
        marked("no ageing bucket, total of open items or disputed amount is negative"),
        marked("an amount that counts open invoices is negative"),
        _buckets_not_negative,
    ),
    holds(
        "ageing_adds_up_to_open_items",
        "open_items_minor",
        _C,
        marked("the ageing buckets add up to the open items"),
        marked("the ageing buckets do not add up to the open items"),
        _ageing_adds_up,
    ),
    holds(
        "past_due_buckets_add_up_to_overdue",
        "overdue_minor",
        _C,
        marked("the buckets past due add up to the overdue amount"),
        marked("the buckets past due do not add up to the overdue amount"),
        _overdue_adds_up,
    ),
    between(
        "credits_are_not_positive",
        "unapplied_credits_minor",
        _C,
        marked("unapplied credits lower exposure"),
        marked("credits are positive"),
        None,
        0,
    ),
    between(
        "exposure_is_not_negative", "exposure_minor", _C, marked("exposure is zero or more"), marked("the exposure is negative"), 0, None
    ),
    holds(
        "own_risk_within_exposure",
        "own_risk_minor",
        _C,
        marked("own risk lies between zero and exposure"),
        marked("own risk is negative or above exposure"),
        _own_risk_within_exposure,
    ),
    holds(
        "overdue_has_an_age",
        "oldest_dpd_days",
        _C,
        marked("a customer with an overdue amount has an oldest overdue invoice"),
        marked("an overdue amount without days past due"),
        _overdue_has_age,
    ),
    between(
        "days_late_are_plausible",
        "average_days_late",
        _W,
        marked("average days late lie within ten years"),
        marked("the average days late cannot be true"),
        -LONGEST_LATE_DAYS,
        LONGEST_LATE_DAYS,
    ),
    between(
        "utilisation_is_not_negative",
        "utilisation_fraction",
        _C,
        marked("utilisation is zero or more"),
        marked("utilisation is negative"),
        0,
        None,
    ),
    between(
        "overdue_part_is_a_fraction",
        "overdue_fraction",
        _C,
        marked("the overdue part lies between 0 and 1"),
        marked("the overdue part is no fraction"),
        0,
        1,
    ),
    one_of(
        "altman_zone_is_known",
        "altman_zone",
        _C,
        marked("an Altman zone is safe, grey, distress or none"),
        marked("unknown Altman zone"),
        ("", *Zone),
    ),
    holds(
        "altman_score_has_a_zone",
        "altman_score",
        _C,
        marked("a customer with an Altman score has its model and zone"),
        marked("an Altman score without model or zone"),
        _score_has_a_zone,
    ),
    between(
        "equity_is_at_most_all_assets",
        "equity_ratio",
        _W,
        marked("equity is at most total assets, to one part in a hundred"),
        marked("equity is above total assets"),
        None,
        1.01,
    ),
    between(
        "statements_are_not_of_the_future",
        "statements_age_days",
        _C,
        marked("statements end on or before the as-of date"),
        marked("statements of a period that had not ended"),
        0,
        None,
    ),
    holds(
        "missing_figures_are_explained",
        "not_computable",
        _W,
        marked("a figure that is missing says why"),
        marked("a figure is missing without a reason"),
        _missing_is_explained,
    ),
)

SUITE = Suite(dataset="features", promises=PROMISES, could_raise=always)
