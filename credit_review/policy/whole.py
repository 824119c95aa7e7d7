"""A credit policy as one validated value, and what it says of one grade, customer or portfolio."""

from __future__ import annotations

from decimal import Decimal
from fnmatch import fnmatchcase
from typing import Annotated, Any

from pydantic import Field

from credit_review.model.money import to_minor
from credit_review.policy.adverse import AdverseRules
from credit_review.policy.amounts import InputRule, LimitRules, TermsRules
from credit_review.policy.classes import ClassRule
from credit_review.policy.currencies import RateRules
from credit_review.policy.deciding import Approvals, ControlRules, FindingRules, StraightThrough, Worklist
from credit_review.policy.exceptions import ExceptionRules
from credit_review.policy.fields import Part, Text
from credit_review.policy.formula.compiled import Formula, compiled
from credit_review.policy.groups import GroupRules
from credit_review.policy.insurance import InsuranceRules
from credit_review.policy.letters import LetterRule
from credit_review.policy.rehearsal import RehearsalRules
from credit_review.policy.reviewing import NO_GRADE, ExposureRules, IntakeRules, OutcomeRules, ReviewRules
from credit_review.policy.scores import GradeBand, ScoringRules
from credit_review.policy.segments import SegmentRules


class Policy(Part):
    """A credit policy whose shape is right; `load` also proves that its rules fit together."""

    version: Text
    name: Text
    control_currency: Text
    review: ReviewRules
    intake: IntakeRules
    exposure: ExposureRules
    outcome: OutcomeRules
    grades: Annotated[tuple[GradeBand, ...], Field(strict=False, min_length=1)]
    scoring: ScoringRules = ScoringRules()
    limits: LimitRules
    terms: TermsRules
    classes: dict[str, ClassRule]
    straight_through: StraightThrough
    worklists: Annotated[tuple[Worklist, ...], Field(strict=False, min_length=1)]
    approvals: Approvals
    controls: ControlRules = ControlRules()
    findings: FindingRules = FindingRules()
    adverse_action: AdverseRules = AdverseRules()
    exceptions: ExceptionRules = ExceptionRules()
    rehearsal: RehearsalRules = RehearsalRules()
    insurance: InsuranceRules = InsuranceRules()
    groups: GroupRules = GroupRules()
    rates: RateRules = RateRules()
    segments: Annotated[tuple[SegmentRules, ...], Field(strict=False)] = ()
    letters: Annotated[tuple[LetterRule, ...], Field(strict=False)] = ()

    def minor(self, amount: Decimal) -> int:
        """An amount of this policy in integer minor units of the control currency."""
        return to_minor(amount, self.control_currency)

    @property
    def grade_names(self) -> tuple[str, ...]:
        """Grades from best to worst."""
        return tuple(band.grade for band in self.grades)

    def grade_for(self, probability: float) -> str:
        """The grade of a probability of the outcome (0..1): the first band it is below."""
        return next(band.grade for band in self.grades if probability < band.below)

    def grade_title(self, grade: str) -> str:
        """The grade with its name, such as `A very good`; the grade alone where policy names none."""
        name = next((band.name for band in self.grades if band.grade == grade), "")
        return f"{grade} {name}" if name else grade

    def months_for(self, grade: str, *, large: bool = False) -> int:
        """Months between reviews for a grade (empty: not graded), the shorter of the two when the exposure is large."""
        months = self.review.cadence_months[grade or NO_GRADE]
        shortest = min(months, self.review.longest_months)
        return min(shortest, self.review.large_exposure.months) if large else shortest

    def notice_days(self, status: str) -> int:
        """Working days from the decision on a reduction until it takes effect, for a customer of a credit status."""
        notice = self.review.reduction_notice
        return 0 if status in notice.at_once else notice.working_days

    def formula(self) -> Formula | None:
        """The policy's own limit formula, read and checked; None where the limit is need x need_factor. Raises StepFault."""
        if not self.limits.formula:
            return None
        return compiled(self.limits.formula, currency=self.control_currency, grades=self.grade_names, statuses=tuple(self.classes))

    def input_rule(self, name: str) -> InputRule:
        """What holds where an input of the formula is missing or old: the policy's rule for it, or that of the cap on the same figure."""
        caps = self.limits.caps
        plain = {
            "need": InputRule(otherwise=caps.need.otherwise),
            "tangible_net_worth": InputRule(max_age_days=caps.net_worth.max_age_days),
            "recommended_limit": InputRule(max_age_days=caps.recommendation.max_age_days),
        }
        return self.limits.inputs.get(name) or plain.get(name) or InputRule()

    def of_segment(self, name: str) -> Policy:
        """The policy as customers of the segment have it: its own rules in place of these. Without such a segment, this policy."""
        segment = next((one for one in self.segments if one.name == name), None)
        if segment is None:
            return self
        limits: dict[str, Any] = {"by_grade": {**self.limits.by_grade, **segment.by_grade}}
        for field in ("maximum", "step", "caps"):
            if getattr(segment, field) is not None:
                limits[field] = getattr(segment, field)
        if segment.formula:
            limits |= {"formula": segment.formula, "inputs": segment.inputs}
        elif segment.inputs:
            limits["inputs"] = {**self.limits.inputs, **segment.inputs}
        cadence = {**self.review.cadence_months, **segment.cadence_months}
        review = self.review.model_copy(update={"cadence_months": cadence})
        return self.model_copy(update={"limits": self.limits.model_copy(update=limits), "review": review, "segments": ()})

    def analyst_for(self, portfolio: str) -> str:
        """The person whose worklist holds proposals of this portfolio."""
        return next(w.analyst for w in self.worklists if fnmatchcase(portfolio, w.portfolio))
