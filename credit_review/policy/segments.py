"""Named groups of customers with rules of their own: who belongs to one, and which rules it has instead of the policy's."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from credit_review.policy.amounts import Caps, GradeLimits, InputRule, Step
from credit_review.policy.fields import Amount, Part, Positive, Text, Texts


class Who(Part):
    """Customers of a segment: every stated condition holds. Exposure in control currency, from a bound and below another."""

    regions: Texts = ()
    legal_entities: Texts = ()
    segments: Texts = ()
    statuses: Texts = ()
    exposure_from: Amount | None = None
    exposure_below: Amount | None = None


class SegmentRules(Part):
    """What holds for the customers of one segment in place of the policy's own rules; what is left out stays the policy's."""

    name: Annotated[str, Field(min_length=1, max_length=60)]
    who: Who
    cadence_months: dict[str, Positive] = Field(default_factory=dict)
    by_grade: dict[str, GradeLimits] = Field(default_factory=dict)
    maximum: Annotated[Amount, Field(gt=0)] | None = None
    step: Step | None = None
    caps: Caps | None = None
    formula: dict[str, Text] = Field(default_factory=dict)
    inputs: dict[str, InputRule] = Field(default_factory=dict)
