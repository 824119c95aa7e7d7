"""What each credit status means for a limit: one rule for each."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from credit_review.model.states import CreditStatus
from credit_review.policy.fields import Amount, NotNegative, Part, Positive, Text

NEVER_RAISED = (CreditStatus.INSOLVENT, CreditStatus.LEGAL, CreditStatus.BLOCKED)
"""Credit statuses that never get an increase or a first limit."""


MAY_RAISE = ("review", "starter")
"""Actions of class rules by which a limit may rise or begin."""


class Review(Part):
    """Class rule: limit and terms follow the formula."""

    action: Literal["review"]


class NoIncrease(Part):
    """Class rule: the limit may stay or fall, never rise; without a limit on file it becomes 0."""

    action: Literal["no_increase"]


class Zero(Part):
    """Class rule: the limit is 0 at once, whatever the step limit says."""

    action: Literal["zero"]


class Exclude(Part):
    """Class rule: not reviewed; `rule` is named in the completeness certificate."""

    action: Literal["exclude"]
    rule: Text


class Starter(Part):
    """Class rule: a customer without a limit on file gets `starter_limit`; one that has a limit is reviewed."""

    action: Literal["starter"]
    starter_limit: Amount
    starter_terms_days: NotNegative


class UnusedDown(Part):
    """Class rule: without an invoice for `unused_months` the limit goes to `down_to`; else it may stay or fall."""

    action: Literal["unused_down"]
    unused_months: Positive
    down_to: Amount


ClassRule = Annotated[Review | NoIncrease | Zero | Exclude | Starter | UnusedDown, Field(discriminator="action")]
