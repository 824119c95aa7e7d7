"""Who decides what a review proposes, how people are asked, and when controls report on them."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

from pydantic import Field

from credit_review.policy.fields import Amount, NotNegative, Part, Text, Texts


class StraightThrough(Part):
    """Which proposals pass without a person; all conditions must hold."""

    enabled: bool
    grades: Texts
    up_to_limit: Amount
    up_to_increase: Amount
    reductions_up_to: Amount
    never_top_exposures: NotNegative
    release_untouched: bool


class Worklist(Part):
    """Proposals of portfolios that match (`*` stands for any text) wait for `analyst`; the first match wins."""

    portfolio: Text
    analyst: Text


class Approvals(Part):
    """How approvals are asked for. Hours are working hours of the person who is asked, by his own calendar."""

    approve_listed_up_to: Amount
    approve_listed_grades: Annotated[tuple[str, ...], Field(strict=False)]
    remind_after_hours: Annotated[int, Field(strict=True, ge=1, le=400)]
    escalate_after_hours: Annotated[int, Field(strict=True, ge=1, le=400)]


_Days = Annotated[int, Field(ge=1, le=400)]
_Percent = Annotated[int, Field(ge=1, le=99)]


class ControlRules(Part):
    """From when on a control reports: docs/audit/controls.md says what each one counts. A policy that says nothing has these."""

    short_lived_days: _Days = 7
    leaver_days: _Days = 7
    unused_days: _Days = 365
    difference_days: _Days = 14
    one_false_alarm_in: Annotated[int, Field(ge=100, le=1_000_000)] = 1_000
    at_least: Annotated[int, Field(ge=3, le=1_000)] = 8
    fast_seconds: Annotated[int, Field(ge=1, le=600)] = 10
    fast_percent: _Percent = 5
    bulk_seconds: Annotated[int, Field(ge=1, le=600)] = 20
    bulk_percent: _Percent = 30
    bunched_percent: Annotated[int, Field(ge=1, le=25)] = 10
    temporary_a_year: Annotated[int, Field(ge=2, le=50)] = 3
    pair_percent: Annotated[int, Field(ge=50, le=100)] = 80
    rush_days: Annotated[int, Field(ge=1, le=30)] = 7
    rush_percent: _Percent = 30
    dip_percent: _Percent = 50
    dip_from: Amount = Decimal(10_000)


class DueDays(Part):
    """Working days of the company that the owner of a finding has, by severity."""

    high: Annotated[int, Field(strict=True, ge=1, le=250)] = 5
    medium: Annotated[int, Field(strict=True, ge=1, le=250)] = 20
    low: Annotated[int, Field(strict=True, ge=1, le=250)] = 60


class FindingRules(Part):
    """What is asked of who owns a finding."""

    due_working_days: DueDays = DueDays()
