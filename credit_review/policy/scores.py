"""Grades by probability, and how two views of a customer become one score."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field

from credit_review.policy.fields import Factor, NotNegative, Part, Positive, Text


class GradeBand(Part):
    """A grade is given below this probability and at or above the band before; `name` is what people call it, such as "very good"."""

    grade: Text
    name: str = ""
    below: Annotated[float, Field(gt=0)]


View = Literal["behaviour", "financial"]


VIEWS: tuple[View, View] = ("behaviour", "financial")
"""The two views of a customer: how it pays on our ledger, and its financial condition by statements and external reports."""


class ViewWeights(Part):
    """What the points of each view are multiplied by before they are added: weights on the scale of log odds."""

    behaviour: Factor = Decimal(1)
    financial: Factor = Decimal(1)


class WithoutView(Part):
    """What holds for a customer one of whose views is missing, who is judged by the other alone.

    `points`: those that the scorecard gives where values are missing count, or none. `best_grade`: no better grade is given.
    """

    points: Literal["scorecard", "none"] = "scorecard"
    best_grade: Text | None = None
    no_increase: bool = False


class StatementRules(Part):
    """Which statements count: how old at most, from when without a day of receipt, which basis first, how many years make a trend."""

    max_age_days: Positive = 540
    unknown_receipt_days: NotNegative = 180
    prefer: Literal["individual", "consolidated"] = "individual"
    trend_years: Annotated[int, Field(ge=3, le=10)] = 5


class TextRules(Part):
    """Whether what people wrote about customers counts, and of how many months: off unless policy turns it on."""

    use: bool = False
    months: Annotated[int, Field(ge=1, le=36)] = 12


class ScoringRules(Part):
    """How the two views become one score, and how a grade follows. A policy that says nothing adds the points of one scorecard."""

    combine: Literal["weighted", "worse_of", "behaviour", "financial"] = "weighted"
    weights: ViewWeights = ViewWeights()
    external: View = "financial"
    without_behaviour: WithoutView = WithoutView()
    without_financial: WithoutView = WithoutView()
    grade_margin: Annotated[float, Field(ge=0, lt=1)] = 0.0
    statements: StatementRules = StatementRules()
    text: TextRules = TextRules()

    def without(self, view: str) -> WithoutView:
        """What holds where `view` is missing."""
        return self.without_behaviour if view == "behaviour" else self.without_financial
