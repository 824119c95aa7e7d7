"""The inputs of limit formulas: what each name means, its unit, the column it comes from, and the column of its age."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from credit_review.policy.formula.units import DAYS, MONEY, MONTHS, NUMBER, Kind, Word
from credit_review.words import said

Where = Literal["features", "scores", "policy", "need"]


@dataclass(frozen=True, slots=True)
class Input:
    """One input. Money is in the customer's account currency; `age` is a feature in days, empty where the figure is of the as-of date."""

    kind: Kind
    words: str
    where: Where
    column: str
    age: str = ""


def _features(kind: Kind, **named: tuple[str, str] | tuple[str, str, str]) -> dict[str, Input]:
    return {name: Input(kind, words, "features", column, *age) for name, (column, words, *age) in named.items()}


GRADE = "grade"
_FINANCIAL = "statements_age_days"

INPUTS: MappingProxyType[str, Input] = MappingProxyType(
    {
        "need": Input(MONEY, said("need"), "need", "need"),
        "need_factor": Input(NUMBER, said("need factor of the grade"), "policy", "need_factor"),
        "net_worth_fraction": Input(NUMBER, said("net worth fraction of the grade"), "policy", "net_worth_fraction"),
        "ceiling": Input(MONEY, said("ceiling of the grade"), "policy", "ceiling"),
        "points": Input(NUMBER, said("points"), "scores", "points"),
        "probability": Input(NUMBER, said("probability of the outcome"), "scores", "pd_fraction"),
        GRADE: Input(Word(), said("grade"), "scores", "grade"),
    }
    | _features(
        MONEY,
        need_by_terms=("need_minor", said("need by sales and terms")),
        peak_balance=("peak_balance_minor", said("highest balance of 12 months")),
        sales_12m=("sales_12m_minor", said("sales of 12 months")),
        exposure=("exposure_minor", said("exposure")),
        own_risk=("own_risk_minor", said("own risk")),
        overdue=("overdue_minor", said("overdue")),
        disputed=("disputed_minor", said("open disputed invoices")),
        open_orders=("open_orders_minor", said("open orders within the horizon")),
        unbilled_deliveries=("unbilled_deliveries_minor", said("unbilled deliveries")),
        insured=("insured_minor", said("valid insurance cover")),
        security=("security_minor", said("valid guarantees and other security")),
        limit_in_force=("limit_minor", said("limit in force")),
        recommended_limit=("recommended_limit_minor", said("the bureau's recommendation"), "external_age_days"),
        tangible_net_worth=("tangible_net_worth_minor", said("tangible net worth"), "net_worth_age_days"),
    )
    | _features(
        DAYS,
        terms=("terms_days", said("payment terms in force")),
        average_days_late=("average_days_late", said("average days late of 12 months")),
        oldest_days_past_due=("oldest_dpd_days", said("days past due of the oldest open invoice")),
        days_since_last_invoice=("last_invoice_days", said("days since the last invoice")),
        external_age=("external_age_days", said("age of the newest external report")),
        net_worth_age=("net_worth_age_days", said("age of the newest statements with net worth")),
        statements_age=(_FINANCIAL, said("age of the newest statements")),
    )
    | _features(MONTHS, months_on_book=("months_on_book", said("months since the first business")))
    | _features(
        NUMBER,
        cleared_count=("cleared_count", said("items cleared in 12 months")),
        utilisation=("utilisation_fraction", said("exposure over the limit in force")),
        overdue_fraction=("overdue_fraction", said("overdue over open items")),
        external_probability=("external_pd_fraction", said("probability of the external report"), "external_age_days"),
        altman_score=("altman_score", said("Altman score"), _FINANCIAL),
        equity_ratio=("equity_ratio", said("equity ratio"), _FINANCIAL),
        interest_coverage=("interest_coverage", said("interest coverage"), _FINANCIAL),
        current_ratio=("current_ratio", said("current ratio"), _FINANCIAL),
        net_margin=("net_margin", said("net margin"), _FINANCIAL),
    )
    | _features(Word(), external_grade=("external_grade", said("grade of the external report"), "external_age_days"))
    | _features(Word(("safe", "grey", "distress")), altman_zone=("altman_zone", said("Altman zone"), _FINANCIAL))
    | _features(Word(), status=("status", said("credit status")))
)
"""Every input, by the name that formulas use."""
