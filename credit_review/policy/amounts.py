"""How a limit is computed, from need by caps, steps and rounding to an amount; and the longest payment terms."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field

from credit_review.policy.fields import Amount, Band, Factor, Fraction, NotNegative, Part, Positive, Text, Texts

Otherwise = Literal["lower_ceiling", "no_increase", "ask_documents"]


class RoundingStep(Part):
    """Amounts up to `up_to` (null: all larger ones) are rounded down to a multiple of `step`, whole units of the account currency."""

    up_to: Positive | None
    step: Positive


class SmallestChange(Part):
    """A change below both `amount` and `fraction` of the present limit is not proposed."""

    amount: Amount
    fraction: Fraction


class Step(Part):
    """One review moves a limit at most `up_fraction` or `down_fraction` of it, and always up to `free_amount`.

    `run_off`: a reduction ends no lower than what is open, or than the exposure with orders and deliveries; the rest follows in later
    reviews, as it is paid.
    """

    up_fraction: Factor
    down_fraction: Fraction
    free_amount: Amount
    run_off: Literal["none", "open_items", "exposure"] = "none"


class GradeLimits(Part):
    """The formula and ceilings of one grade."""

    need_factor: Factor
    ceiling: Amount
    net_worth_fraction: Factor
    without_net_worth: Amount
    without_recommendation: Amount


class NetWorthCap(Part):
    """Cap by tangible net worth; `otherwise` stands in when statements are missing or older than `max_age_days`."""

    max_age_days: Positive
    otherwise: Otherwise


class RecommendationCap(Part):
    """Cap by the bureau's recommended limit x `factor`."""

    factor: Annotated[Factor, Field(gt=0)]
    max_age_days: Positive
    otherwise: Otherwise


class NeedCap(Part):
    """What happens when need cannot be computed."""

    otherwise: Literal["no_increase", "ask_documents"]


class SecurityRule(Part):
    """What part of valid guarantees and other security is added to each cap but need: those caps bound what is at our own risk."""

    raises_caps_by: Fraction


class Caps(Part):
    """The caps of a limit; none is ever skipped. Without `security` guarantees lessen own risk and raise no cap."""

    net_worth: NetWorthCap
    recommendation: RecommendationCap
    need: NeedCap
    security: SecurityRule = SecurityRule(raises_caps_by=Decimal(0))


class ForecastRule(Part):
    """How a dated forecast of the account owner counts as need: recorded at most `max_age_days` before the as-of date, for days that begin
    at most `ahead_days` after it.

    It counts by its owner's median of actual over forecast, at most 1, once there are `least_cases`; by `untested_factor` before that;
    and never above `at_most_of_peak` x the highest balance of 12 months.
    """

    max_age_days: Positive
    ahead_days: Annotated[int, Field(ge=0, le=366)]
    at_most_of_peak: Factor
    least_cases: Positive
    untested_factor: Fraction


class NeedRules(Part):
    """What need is: the figure by sales and terms, or the highest balance of 12 months where that is larger and policy says so.

    `season_days`: need is never below the highest balance of the last so many days, nor of as many ahead of the same day a year ago.
    `forecast`: nor below what counts of the account owner's forecast; without it none counts.
    """

    at_least_peak_balance: bool
    season_days: Annotated[int, Field(ge=0, le=180)] = 0
    forecast: ForecastRule | None = None


class WithoutNeed(Part):
    """A first limit when the source has no sales: from exposure x `factor`, or none is proposed."""

    action: Literal["exposure", "none"]
    factor: Factor


class ForbidIncrease(Part):
    """Any of these and a limit may stay or fall, never rise."""

    overdue_days_over: NotNegative
    overdue_amount_over: Amount
    grades: Texts
    external_age_days_over: Positive | None
    external_missing: bool
    on_quarantined_rows: bool


class InputRule(Part):
    """What holds where an input of the formula is missing or older than `max_age_days`.

    `use` stands in for it; `lower_ceiling` gives at most `at_most`; the others allow no increase, ask for documents as well, or propose
    nothing.
    """

    max_age_days: Positive | None = None
    otherwise: Literal["use", "lower_ceiling", "no_increase", "ask_documents", "quarantine"] = "no_increase"
    use: Text | None = None
    at_most: Amount | None = None


class LimitRules(Part):
    """How a limit is computed. Without a `formula` of its own, the policy's is need x need_factor of the grade.

    `currency_band`: how far a rate may move (fraction of it) before a limit in another currency than control is proposed anew for that
    alone; 0: not at all.
    """

    rounding: Annotated[tuple[RoundingStep, ...], Field(strict=False, min_length=1)]
    minimum: Amount
    maximum: Annotated[Amount, Field(gt=0)]
    smallest_change: SmallestChange
    step: Step
    by_grade: dict[str, GradeLimits]
    need: NeedRules
    caps: Caps
    without_need: WithoutNeed
    forbid_increase: ForbidIncrease
    formula: dict[str, Text] = Field(default_factory=dict)
    inputs: dict[str, InputRule] = Field(default_factory=dict)
    currency_band: Band = Decimal(0)


class TermsRules(Part):
    """Longest net payment days by grade; the engine tightens to them for the grades of `tighten_when` and never loosens.

    `ranked` are the terms we offer, net days from the strictest on; empty: any.
    """

    by_grade: dict[str, NotNegative]
    tighten_when: Texts
    ranked: Annotated[tuple[NotNegative, ...], Field(strict=False)] = ()

    def offered(self, days: int) -> int:
        """The longest terms we offer that are not longer than so many net days; those days themselves where any terms are offered."""
        return max((r for r in self.ranked if r <= days), default=days)

    def longest(self, grade: str) -> int:
        """The longest terms we offer to a grade, in net days."""
        return self.offered(self.by_grade[grade])
