"""When customers are reviewed, what intake demands, what counts as exposure, and what the scorecard predicts."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from credit_review.policy.fields import Amount, NotNegative, Part, Positive, Text, Texts

LONGEST_MONTHS = 12
"""No active customer stays unreviewed longer, whatever a policy says."""


AGEING_DAYS = (30, 60, 90)
"""Upper bounds of the ageing bands: features, scorecards and reports are made of them, so a policy states no others."""


NO_GRADE = "none"
"""Key of `review.cadence_months` for customers without a grade; no grade may be called so."""


ExposurePart = Literal["open_items", "unbilled_deliveries", "open_orders", "unapplied_credits", "notes"]


class LargeExposure(Part):
    """Customers at or above `amount` of exposure are reviewed every `months` months."""

    amount: Amount
    months: Positive


class ReductionNotice(Part):
    """A reduction takes effect `working_days` of the company after it is decided; at once for customers of a status in `at_once`."""

    working_days: Annotated[int, Field(strict=True, ge=0, le=120)]
    at_once: Texts


class ReviewRules(Part):
    """When customers are reviewed, and how long things may wait."""

    cadence_months: dict[str, Positive]
    large_exposure: LargeExposure
    longest_months: Positive
    proposal_valid_working_days: Annotated[int, Field(strict=True, ge=1, le=250)]
    escalate_after: Positive
    reduction_notice: ReductionNotice
    bulk_lateness_hold: Annotated[float, Field(gt=0, lt=1)]
    scorecard_outside_its_dates: Literal["warn", "refuse"] = "warn"
    policy_change_needs_request: bool = False


class Tolerance(Part):
    """Largest difference from stated control totals, per currency and kind."""

    rows: NotNegative
    amount: Amount


class IntakeRules(Part):
    """What intake demands of a source, and when quarantined rows do not quarantine their customer."""

    require_stated_totals: bool
    totals_tolerance: Tolerance
    review_quarantined_below: Amount


class ExposureRules(Part):
    """Which parts make up exposure."""

    parts: Annotated[tuple[ExposurePart, ...], Field(strict=False, min_length=1)]
    order_horizon_days: NotNegative
    hold_out_disputes: bool
    ageing_days: Annotated[tuple[Positive, ...], Field(strict=False, min_length=3, max_length=3)]


class SmallestHistory(Part):
    """Least history on which a scorecard may be fitted."""

    customers: Positive
    bad: Positive


class OutcomeRules(Part):
    """What the scorecard predicts."""

    name: Text
    days_past_due: Positive
    material_amount: Amount
    window_months: Positive
    exclude_disputed: bool
    statuses: Texts
    smallest_history: SmallestHistory
