"""Under which rules customers are told of what was decided against them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from credit_review.policy.fields import Part, Positive, Text

Profile = Literal["none", "us_trade_credit"]
"""Jurisdictions whose clocks are known. `none`: no notice is owed; what a reduction is to the customer is not asked."""


class AdverseRules(Part):
    """What is adverse action, and until when notice, reasons and files are due.

    An account counts as delinquent while its oldest open item is `delinquent_days` past due. The days of notice, of the
    answer to who asks for reasons, and of keeping the file are those of the profile where they are not given. `languages` has the
    language of the letter by the customer's region; others get the company's. From `whole_class_from` of a class lowered by one rule on,
    a reduction is suggested to be a change to substantially all of it; None: never.
    """

    profile: Profile = "none"
    delinquent_days: Positive = 30
    notice_days: Annotated[int, Field(strict=True, ge=1, le=365)] | None = None
    reasons_days: Annotated[int, Field(strict=True, ge=1, le=365)] | None = None
    retention_days: Annotated[int, Field(strict=True, ge=1, le=36_500)] | None = None
    whole_class_from: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)] | None = None
    languages: dict[str, Text] = Field(default_factory=dict)
