"""The credit policy as validated data: every rule a review applies, exactly the fields of `deployments/starter/policy.yaml`.

Amounts are Decimals in major units of `control_currency`; `Policy.minor` turns them into integer minor units. Factors and fractions that
multiply money are Decimals with at most six decimals, so money is multiplied exactly; thresholds on ratios and probabilities are floats.
Every field is described in docs/policy-reference.md. No pandas here: the command line and the chat listener read policies too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fnmatch import fnmatchcase
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from credit_review.documents import ONE_A_LINE, Document, Path, check, where
from credit_review.errors import BadInput
from credit_review.model.money import EXPONENTS, to_minor
from credit_review.model.states import CreditStatus
from credit_review.words import listed, marked, said

LONGEST_MONTHS = 12
"""No active customer stays unreviewed longer, whatever a policy says."""

AGEING_DAYS = (30, 60, 90)
"""Upper bounds of the ageing bands: features, scorecards and reports are made of them, so a policy states no others."""

NEVER_RAISED = (CreditStatus.INSOLVENT, CreditStatus.LEGAL, CreditStatus.BLOCKED)
"""Credit statuses that never get an increase or a first limit."""

_MAY_RAISE = ("review", "starter")
"""Actions of class rules by which a limit may rise or begin."""

NO_GRADE = "none"
"""Key of `review.cadence_months` for customers without a grade; no grade may be called so."""

ExposurePart = Literal["open_items", "unbilled_deliveries", "open_orders", "unapplied_credits", "notes"]
Otherwise = Literal["lower_ceiling", "no_increase", "ask_documents"]


def _exact(value: Any) -> Any:
    """A YAML number as an exact Decimal: 0.1 is one tenth, not its nearest binary fraction. Text and booleans are refused."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise ValueError(said("expected a number"))
    return Decimal(repr(value)) if isinstance(value, float) else Decimal(value)


_Exact = BeforeValidator(_exact)
Amount = Annotated[Decimal, _Exact, Field(ge=0, le=90_000_000_000_000, allow_inf_nan=False)]
Factor = Annotated[Decimal, _Exact, Field(ge=0, le=100, decimal_places=6, allow_inf_nan=False)]
Fraction = Annotated[Decimal, _Exact, Field(ge=0, le=1, decimal_places=6, allow_inf_nan=False)]
Band = Annotated[Decimal, _Exact, Field(ge=0, lt=1, decimal_places=6, allow_inf_nan=False)]
Positive = Annotated[int, Field(gt=0)]
NotNegative = Annotated[int, Field(ge=0)]
Text = Annotated[str, Field(min_length=1)]
Texts = Annotated[tuple[Text, ...], Field(strict=False)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class LargeExposure(_Part):
    """Customers at or above `amount` of exposure are reviewed every `months` months."""

    amount: Amount
    months: Positive


class ReductionNotice(_Part):
    """A reduction takes effect `working_days` of the company after it is decided; at once for customers of a status in `at_once`."""

    working_days: Annotated[int, Field(strict=True, ge=0, le=120)]
    at_once: Texts


class ReviewRules(_Part):
    """When customers are reviewed, and how long things may wait."""

    cadence_months: dict[str, Positive]
    large_exposure: LargeExposure
    longest_months: Positive
    proposal_valid_working_days: Annotated[int, Field(strict=True, ge=1, le=250)]
    escalate_after: Positive
    reduction_notice: ReductionNotice
    bulk_lateness_hold: Annotated[float, Field(gt=0, lt=1)]
    scorecard_outside_its_dates: Literal["warn", "refuse"] = "warn"


class Tolerance(_Part):
    """Largest difference from stated control totals, per currency and kind."""

    rows: NotNegative
    amount: Amount


class IntakeRules(_Part):
    """What intake demands of a source, and when quarantined rows do not quarantine their customer."""

    require_stated_totals: bool
    totals_tolerance: Tolerance
    review_quarantined_below: Amount


class ExposureRules(_Part):
    """Which parts make up exposure."""

    parts: Annotated[tuple[ExposurePart, ...], Field(strict=False, min_length=1)]
    order_horizon_days: NotNegative
    hold_out_disputes: bool
    ageing_days: Annotated[tuple[Positive, ...], Field(strict=False, min_length=3, max_length=3)]


class SmallestHistory(_Part):
    """Least history on which a scorecard may be fitted."""

    customers: Positive
    bad: Positive


class OutcomeRules(_Part):
    """What the scorecard predicts."""

    name: Text
    days_past_due: Positive
    material_amount: Amount
    window_months: Positive
    exclude_disputed: bool
    statuses: Texts
    smallest_history: SmallestHistory


class GradeBand(_Part):
    """A grade is given below this probability and at or above the band before; `name` is what people call it, such as "very good"."""

    grade: Text
    name: str = ""
    below: Annotated[float, Field(gt=0)]


View = Literal["behaviour", "financial"]
VIEWS: tuple[View, View] = ("behaviour", "financial")
"""The two views of a customer: how it pays on our ledger, and its financial condition by statements and external reports."""


class ViewWeights(_Part):
    """What the points of each view are multiplied by before they are added: weights on the scale of log odds."""

    behaviour: Factor = Decimal(1)
    financial: Factor = Decimal(1)


class WithoutView(_Part):
    """What holds for a customer one of whose views is missing, who is judged by the other alone.

    `points`: those that the scorecard gives where values are missing count, or none. `best_grade`: no better grade is given.
    """

    points: Literal["scorecard", "none"] = "scorecard"
    best_grade: Text | None = None
    no_increase: bool = False


class StatementRules(_Part):
    """Which statements count: how old at most, from when without a day of receipt, which basis first, how many years make a trend."""

    max_age_days: Positive = 540
    unknown_receipt_days: NotNegative = 180
    prefer: Literal["individual", "consolidated"] = "individual"
    trend_years: Annotated[int, Field(ge=3, le=10)] = 5


class TextRules(_Part):
    """Whether what people wrote about customers counts, and of how many months: off unless policy turns it on."""

    use: bool = False
    months: Annotated[int, Field(ge=1, le=36)] = 12


class ScoringRules(_Part):
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


class RoundingStep(_Part):
    """Amounts up to `up_to` (null: all larger ones) are rounded down to a multiple of `step`, whole units of the account currency."""

    up_to: Positive | None
    step: Positive


class SmallestChange(_Part):
    """A change below both `amount` and `fraction` of the present limit is not proposed."""

    amount: Amount
    fraction: Fraction


class Step(_Part):
    """One review moves a limit at most `up_fraction` or `down_fraction` of it, and always up to `free_amount`."""

    up_fraction: Factor
    down_fraction: Fraction
    free_amount: Amount


class GradeLimits(_Part):
    """The formula and ceilings of one grade."""

    need_factor: Factor
    ceiling: Amount
    net_worth_fraction: Factor
    without_net_worth: Amount
    without_recommendation: Amount


class NetWorthCap(_Part):
    """Cap by tangible net worth; `otherwise` stands in when statements are missing or older than `max_age_days`."""

    max_age_days: Positive
    otherwise: Otherwise


class RecommendationCap(_Part):
    """Cap by the bureau's recommended limit x `factor`."""

    factor: Annotated[Factor, Field(gt=0)]
    max_age_days: Positive
    otherwise: Otherwise


class NeedCap(_Part):
    """What happens when need cannot be computed."""

    otherwise: Literal["no_increase", "ask_documents"]


class SecurityRule(_Part):
    """What part of valid guarantees and other security is added to each cap but need: those caps bound what is at our own risk."""

    raises_caps_by: Fraction


class Caps(_Part):
    """The caps of a limit; none is ever skipped. Without `security` guarantees lessen own risk and raise no cap."""

    net_worth: NetWorthCap
    recommendation: RecommendationCap
    need: NeedCap
    security: SecurityRule = SecurityRule(raises_caps_by=Decimal(0))


class NeedRules(_Part):
    """What need is: the figure by sales and terms, or the highest balance of 12 months where that is larger and policy says so.

    `season_days`: need is never below the highest balance of the last so many days, nor of as many ahead of the same day a year ago.
    """

    at_least_peak_balance: bool
    season_days: Annotated[int, Field(ge=0, le=180)] = 0


class WithoutNeed(_Part):
    """A first limit when the source has no sales: from exposure x `factor`, or none is proposed."""

    action: Literal["exposure", "none"]
    factor: Factor


class ForbidIncrease(_Part):
    """Any of these and a limit may stay or fall, never rise."""

    overdue_days_over: NotNegative
    overdue_amount_over: Amount
    grades: Texts
    external_age_days_over: Positive | None
    external_missing: bool
    on_quarantined_rows: bool


class LimitRules(_Part):
    """How a limit is computed. `currency_band`: how far a rate may move (fraction of it) before a limit in another currency than control
    is proposed anew for that alone; 0: not at all."""

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
    currency_band: Band = Decimal(0)


class InsuranceRules(_Part):
    """When cover counts, and how much may be at our own risk beside it.

    `notice_days` holds where a withdrawal states none. `own_risk_up_to` caps a limit at what leaves no more than that at our own risk when
    it is used in full; None: no such cap. `tasks_ahead_days` is how far ahead the calendar of tasks looks.
    """

    notice_days: Annotated[int, Field(ge=0, le=400)] = 30
    own_risk_up_to: Amount | None = None
    tasks_ahead_days: Annotated[int, Field(ge=1, le=400)] = 60


class GroupRules(_Part):
    """Which members are bad for their group: those of these credit statuses or grades. The others get no increase while one is."""

    bad_statuses: Texts = ()
    bad_grades: Texts = ()


class TermsRules(_Part):
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


class Review(_Part):
    """Class rule: limit and terms follow the formula."""

    action: Literal["review"]


class NoIncrease(_Part):
    """Class rule: the limit may stay or fall, never rise; without a limit on file it becomes 0."""

    action: Literal["no_increase"]


class Zero(_Part):
    """Class rule: the limit is 0 at once, whatever the step limit says."""

    action: Literal["zero"]


class Exclude(_Part):
    """Class rule: not reviewed; `rule` is named in the completeness certificate."""

    action: Literal["exclude"]
    rule: Text


class Starter(_Part):
    """Class rule: a customer without a limit on file gets `starter_limit`; one that has a limit is reviewed."""

    action: Literal["starter"]
    starter_limit: Amount
    starter_terms_days: NotNegative


class UnusedDown(_Part):
    """Class rule: without an invoice for `unused_months` the limit goes to `down_to`; else it may stay or fall."""

    action: Literal["unused_down"]
    unused_months: Positive
    down_to: Amount


ClassRule = Annotated[Review | NoIncrease | Zero | Exclude | Starter | UnusedDown, Field(discriminator="action")]


class StraightThrough(_Part):
    """Which proposals pass without a person; all conditions must hold."""

    enabled: bool
    grades: Texts
    up_to_limit: Amount
    up_to_increase: Amount
    reductions_up_to: Amount
    never_top_exposures: NotNegative
    release_untouched: bool


class Worklist(_Part):
    """Proposals of portfolios that match (`*` stands for any text) wait for `analyst`; the first match wins."""

    portfolio: Text
    analyst: Text


class Approvals(_Part):
    """How approvals are asked for. Hours are working hours of the person who is asked, by his own calendar."""

    approve_listed_up_to: Amount
    approve_listed_grades: Annotated[tuple[str, ...], Field(strict=False)]
    remind_after_hours: Annotated[int, Field(strict=True, ge=1, le=400)]
    escalate_after_hours: Annotated[int, Field(strict=True, ge=1, le=400)]


_Days = Annotated[int, Field(ge=1, le=400)]
_Percent = Annotated[int, Field(ge=1, le=99)]


class ControlRules(_Part):
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


class DueDays(_Part):
    """Working days of the company that the owner of a finding has, by severity."""

    high: Annotated[int, Field(strict=True, ge=1, le=250)] = 5
    medium: Annotated[int, Field(strict=True, ge=1, le=250)] = 20
    low: Annotated[int, Field(strict=True, ge=1, le=250)] = 60


class FindingRules(_Part):
    """What is asked of who owns a finding."""

    due_working_days: DueDays = DueDays()


class Policy(_Part):
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
    insurance: InsuranceRules = InsuranceRules()
    groups: GroupRules = GroupRules()

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

    def analyst_for(self, portfolio: str) -> str:
        """The person whose worklist holds proposals of this portfolio."""
        return next(w.analyst for w in self.worklists if fnmatchcase(portfolio, w.portfolio))


@dataclass(frozen=True, slots=True)
class Problem:
    """Rules that do not fit together: where, and what is wrong and expected in one sentence."""

    path: Path
    text: str


def load(document: Document) -> Policy:
    """The policy in `document`, proven consistent. Raises BadInput with file, line, field and what was expected, for every fault found."""
    policy = check(document, Policy)
    found = problems(policy)
    if found:
        raise BadInput(
            listed([said("{where}: {fault}", where=where(document, p.path), fault=p.text) for p in found], by=ONE_A_LINE),
            next_step=said("correct {name}, then run `credit-review check policy.yaml` again", name=document.name),
        )
    return policy


def problems(policy: Policy) -> tuple[Problem, ...]:
    """Every inconsistency of a policy whose shape is right: gaps, overlaps, unknown names, rules that can never fire. Empty when sound."""
    return tuple(problem for rule in _RULES for problem in rule(policy))


Found = Iterator[Problem]


def _currency(policy: Policy) -> Found:
    if policy.control_currency not in EXPONENTS:
        yield Problem(
            ("control_currency",),
            said(
                "unknown currency {control_currency}; expected an ISO 4217 code such as EUR", control_currency=repr(policy.control_currency)
            ),
        )
        return
    for path, amount in _amounts(policy, ()):
        try:
            policy.minor(amount)
        except BadInput as error:
            yield Problem(path, said("{what}; {expected}", what=error.what, expected=error.expected))


def _amounts(value: Any, path: Path) -> Iterator[tuple[Path, Decimal]]:
    """Every field typed as an amount, with its path; factors and fractions are not amounts."""
    if isinstance(value, BaseModel):
        for name, info in type(value).model_fields.items():
            child = getattr(value, name)
            if isinstance(child, Decimal):
                if not any(getattr(m, "decimal_places", None) for m in info.metadata):
                    yield (*path, name), child
            else:
                yield from _amounts(child, (*path, name))
    elif isinstance(value, Mapping):
        for key, child in value.items():
            yield from _amounts(child, (*path, key))
    elif isinstance(value, tuple):
        for index, child in enumerate(value):
            yield from _amounts(child, (*path, index))


def _grades(policy: Policy) -> Found:
    seen: set[str] = set()
    for i, band in enumerate(policy.grades):
        if band.grade in seen or band.grade == NO_GRADE:
            yield Problem(
                ("grades", i, "grade"),
                said(
                    "grade {grade} is taken; expected each grade once, and none called {no_grade}",
                    grade=repr(band.grade),
                    no_grade=repr(NO_GRADE),
                ),
            )
        seen.add(band.grade)
    for i, (before, band) in enumerate(pairwise(policy.grades), start=1):
        if band.below <= before.below:
            text = said(
                "grade {grade} ends at {below} but {grade2} before it reaches {below2}: the bands overlap",
                grade=band.grade,
                below=band.below,
                grade2=before.grade,
                below2=before.below,
            )
            yield Problem(("grades", i, "below"), said("{text}; expected a larger bound than {below}", text=text, below=before.below))
        elif before.below > 1:
            text = said(
                "grade {grade} already covers every probability, so {grade2} can never be given", grade=before.grade, grade2=band.grade
            )
            yield Problem(("grades", i, "below"), said("{text}; expected only the last bound above 1", text=text))
    if policy.grades[-1].below <= 1:
        last = policy.grades[-1]
        text = said("grade {grade} ends at {below}: probabilities from there to 1 have no grade", grade=last.grade, below=last.below)
        yield Problem(("grades", len(policy.grades) - 1, "below"), said("{text}; expected the last bound above 1, such as 1.01", text=text))


def _names(policy: Policy) -> Found:
    grades = policy.grade_names
    known = ", ".join(grades)
    tables: tuple[tuple[Path, Iterable[str], tuple[str, ...]], ...] = (
        (("review", "cadence_months"), policy.review.cadence_months, (*grades, NO_GRADE)),
        (("limits", "by_grade"), policy.limits.by_grade, grades),
        (("terms", "by_grade"), policy.terms.by_grade, grades),
    )
    for path, keys, wanted in tables:
        for key in keys:
            if key not in wanted:
                yield Problem((*path, key), said("unknown grade {key}; expected one of {wanted}", key=repr(key), wanted=", ".join(wanted)))
        missing = [g for g in wanted if g not in keys]
        if missing:
            yield Problem(
                path,
                said("no entry for {missing}; expected one for each of {wanted}", missing=", ".join(missing), wanted=", ".join(wanted)),
            )
    lists: tuple[tuple[Path, tuple[str, ...]], ...] = (
        (("limits", "forbid_increase", "grades"), policy.limits.forbid_increase.grades),
        (("terms", "tighten_when"), policy.terms.tighten_when),
        (("straight_through", "grades"), policy.straight_through.grades),
        (("approvals", "approve_listed_grades"), policy.approvals.approve_listed_grades),
        *(
            (("scoring", f"without_{view}", "best_grade"), (best,))
            for view in VIEWS
            if (best := policy.scoring.without(view).best_grade) is not None
        ),
    )
    for path, named in lists:
        for i, grade in enumerate(named):
            if grade not in grades:
                yield Problem((*path, i), said("unknown grade {grade}; expected one of {known}", grade=repr(grade), known=known))
            elif grade in named[:i]:
                yield Problem((*path, i), said("grade {grade} stands twice; expected each grade once", grade=repr(grade)))


def _scoring(policy: Policy) -> Found:
    rules = policy.scoring
    if rules.combine == "weighted" and rules.weights.behaviour == rules.weights.financial == 0:
        yield Problem(("scoring", "weights"), said("with both weights 0 every customer scores the same; expected one above 0"))
    bounds = [band.below for band in policy.grades if band.below <= 1]
    for i, (low, high) in enumerate(pairwise(bounds), start=1):
        if low * (1 + rules.grade_margin) >= high or high * (1 - rules.grade_margin) <= low:
            text = said(
                "a margin of {margin} reaches across grade {grade}, which lies between {low} and {high}",
                margin=rules.grade_margin, grade=policy.grades[i].grade, low=low, high=high,
            )  # fmt: skip
            yield Problem(("scoring", "grade_margin"), said("{text}; expected a smaller one", text=text))


def _classes(policy: Policy) -> Found:
    statuses = tuple(s.value for s in CreditStatus)
    for name in policy.classes:
        if name not in statuses:
            yield Problem(("classes", name), said("unknown credit status; expected one of {statuses}", statuses=", ".join(statuses)))
    missing = [s for s in statuses if s not in policy.classes]
    if missing:
        yield Problem(("classes",), said("no rule for {missing}; expected one for each credit status", missing=", ".join(missing)))
    named: tuple[tuple[Path, tuple[str, ...]], ...] = (
        (("outcome", "statuses"), policy.outcome.statuses),
        (("review", "reduction_notice", "at_once"), policy.review.reduction_notice.at_once),
    )
    for path, some in named:
        for i, name in enumerate(some):
            if name not in statuses:
                unknown = marked("unknown credit status {name}; expected one of {statuses}")
                yield Problem((*path, i), said(unknown, name=repr(name), statuses=", ".join(statuses)))
    for name in NEVER_RAISED:
        if name in policy.classes and policy.classes[name].action in _MAY_RAISE:
            more = marked("{action} could give {name} customers more credit; expected no_increase, zero, unused_down or exclude")
            yield Problem(("classes", name, "action"), said(more, action=policy.classes[name].action, name=str(name)))
    for name, rule in policy.classes.items():
        for field in ("starter_limit", "down_to"):
            amount = getattr(rule, field, None)
            if amount is not None and amount > policy.limits.maximum:
                yield Problem(
                    ("classes", name, field),
                    said("{amount} can never be given; expected at most {maximum}", amount=amount, maximum=policy.limits.maximum),
                )


def _cadence(policy: Policy) -> Found:
    rules = policy.review
    if rules.longest_months > LONGEST_MONTHS:
        long = marked("{months} months without a review are too long for any active customer; expected at most {longest}")
        yield Problem(("review", "longest_months"), said(long, months=rules.longest_months, longest=LONGEST_MONTHS))
    for grade, months in rules.cadence_months.items():
        if months > rules.longest_months:
            text = said(
                "{months} months can never pass: longest_months is {longest_months}", months=months, longest_months=rules.longest_months
            )
            yield Problem(
                ("review", "cadence_months", grade),
                said("{text}; expected at most {longest_months}", text=text, longest_months=rules.longest_months),
            )
    usual = min(max(rules.cadence_months.values(), default=0), rules.longest_months)
    if rules.large_exposure.months >= usual:
        text = said("the rule can never fire: every grade is reviewed at least every {usual} months anyway", usual=usual)
        yield Problem(("review", "large_exposure", "months"), said("{text}; expected fewer than {usual}", text=text, usual=usual))


def _rounding(policy: Policy) -> Found:
    steps = policy.limits.rounding
    for i, step in enumerate(steps):
        path: Path = ("limits", "rounding", i)
        last = i == len(steps) - 1
        if (step.up_to is None) != last:
            yield Problem((*path, "up_to"), said("expected an amount on every line but the last, and null on the last"))
        elif step.up_to is not None and step.step > step.up_to:
            yield Problem(
                (*path, "step"),
                said("a step of {step} rounds amounts up to {up_to} to nothing; expected a smaller step", step=step.step, up_to=step.up_to),
            )
        if i and step.up_to is not None and step.up_to <= (steps[i - 1].up_to or 0):
            yield Problem(
                (*path, "up_to"),
                said("{up_to} is not above {up_to2} before it; this line can never fire", up_to=step.up_to, up_to2=steps[i - 1].up_to),
            )
        if i and step.step <= steps[i - 1].step:
            yield Problem(
                (*path, "step"),
                said("{step} is not above {step2} before it; expected growing steps", step=step.step, step2=steps[i - 1].step),
            )


def _amount_rules(policy: Policy) -> Found:
    limits = policy.limits
    if limits.minimum >= limits.maximum:
        yield Problem(
            ("limits", "minimum"),
            said("{minimum} is not below maximum {maximum}; all limits would be equal", minimum=limits.minimum, maximum=limits.maximum),
        )
    for way, fraction in (("up", limits.step.up_fraction), ("down", limits.step.down_fraction)):
        if fraction == 0 and limits.step.free_amount == 0:
            text = said("with a fraction and a free_amount of 0 no limit can ever go {way}", way=way)
            yield Problem(("limits", "step", f"{way}_fraction"), said("{text}; expected one of them above 0", text=text))
    for grade, rules in limits.by_grade.items():
        if rules.ceiling > limits.maximum:
            text = said("{ceiling} is never reached: limits.maximum is {maximum}", ceiling=rules.ceiling, maximum=limits.maximum)
            yield Problem(("limits", "by_grade", grade, "ceiling"), said("{text}; expected at most that", text=text))
        for cap in ("net_worth", "recommendation"):
            instead = getattr(rules, f"without_{cap}")
            if getattr(limits.caps, cap).otherwise == "lower_ceiling" and instead > rules.ceiling:
                text = said(
                    "{instead} is no lower ceiling than {ceiling}, so missing data would cost nothing",
                    instead=instead,
                    ceiling=rules.ceiling,
                )
                yield Problem(
                    ("limits", "by_grade", grade, f"without_{cap}"),
                    said("{text}; expected at most {ceiling}", text=text, ceiling=rules.ceiling),
                )
    yield from _worse_grades(policy)


def _worse_grades(policy: Policy) -> Found:
    """A worse grade must never be worth more: the engine promises it, and tests state it."""
    tables = [policy.limits.by_grade.get(g) for g in policy.grade_names]
    for (better, b), (worse, w) in pairwise(zip(policy.grade_names, tables, strict=True)):
        for field in GradeLimits.model_fields if b and w else ():
            low, high = getattr(b, field), getattr(w, field)
            if high > low:
                path = ("limits", "by_grade", worse, field)
                yield Problem(
                    path,
                    said(
                        "grade {worse} is worse than {better} but has more ({high} over {low}); expected at most {low}",
                        worse=worse,
                        better=better,
                        high=high,
                        low=low,
                    ),
                )


def _forbid(policy: Policy) -> Found:
    forbidden = policy.limits.forbid_increase.grades
    if set(policy.grade_names) <= set(forbidden):
        yield Problem(("limits", "forbid_increase", "grades"), said("no limit can ever rise; expected at least one grade left out"))


def _straight_through(policy: Policy) -> Found:
    rule = policy.straight_through
    if not rule.enabled:
        return
    path = ("straight_through",)
    if not rule.grades:
        yield Problem((*path, "grades"), said("the rule can never fire without grades; expected at least one, or enabled: false"))
    if rule.up_to_increase == 0 and rule.reductions_up_to == 0:
        text = said("the rule can never fire: neither increases nor reductions may pass")
        yield Problem((*path, "up_to_increase"), said("{text}; expected one of them above 0, or enabled: false", text=text))
    if rule.up_to_increase > rule.up_to_limit:
        text = said(
            "an increase of {up_to_increase} cannot end at {up_to_limit} or less",
            up_to_increase=rule.up_to_increase,
            up_to_limit=rule.up_to_limit,
        )
        yield Problem((*path, "up_to_increase"), said("{text}; expected at most up_to_limit", text=text))
    for i, grade in enumerate(rule.grades):
        if grade in policy.limits.forbid_increase.grades and rule.reductions_up_to == 0:
            text = said(
                "grade {grade} never gets an increase (limits.forbid_increase.grades) and no reduction passes, so this can never fire",
                grade=grade,
            )
            yield Problem((*path, "grades", i), said("{text}; expected it left out, or reductions_up_to above 0", text=text))


def _exposure(policy: Policy) -> Found:
    parts, ageing = policy.exposure.parts, policy.exposure.ageing_days
    for i, part in enumerate(parts):
        if part in parts[:i]:
            yield Problem(("exposure", "parts", i), said("{part} stands twice and would count once; expected each part once", part=part))
    if "open_items" not in parts:
        yield Problem(("exposure", "parts"), said("open_items is missing; expected it, since receivables are exposure"))
    if ageing != AGEING_DAYS:
        other = marked("features, scorecards and reports are made of other bands; expected {days}")
        yield Problem(("exposure", "ageing_days"), said(other, days=str(list(AGEING_DAYS))))


def _approvals(policy: Policy) -> Found:
    asked = policy.approvals
    if asked.escalate_after_hours <= asked.remind_after_hours:
        text = said(
            "{escalate_after_hours} hours is not above remind_after_hours, so nobody would ever be reminded",
            escalate_after_hours=asked.escalate_after_hours,
        )
        yield Problem(
            ("approvals", "escalate_after_hours"),
            said("{text}; expected more than {remind_after_hours}", text=text, remind_after_hours=asked.remind_after_hours),
        )
    if asked.approve_listed_up_to and not asked.approve_listed_grades:
        yield Problem(
            ("approvals", "approve_listed_grades"), said("the rule can never fire without grades; expected at least one, or an amount of 0")
        )


def _findings(policy: Policy) -> Found:
    days = policy.findings.due_working_days
    for graver, lesser in (("high", "medium"), ("medium", "low")):
        if getattr(days, graver) > getattr(days, lesser):
            text = said("a finding of severity {graver} would be due after one of severity {lesser}", graver=graver, lesser=lesser)
            most = said("{text}; expected at most {days} working days", text=text, days=getattr(days, lesser))
            yield Problem(("findings", "due_working_days", graver), most)


def _ranked_terms(policy: Policy) -> Found:
    ranked = policy.terms.ranked
    for i, (before, after) in enumerate(pairwise(ranked), start=1):
        if after <= before:
            text = said("{days} days does not come after {before}; expected the strictest first, each once", days=after, before=before)
            yield Problem(("terms", "ranked", i), text)
    if not ranked:
        return
    given = {("terms", "by_grade", grade): days for grade, days in policy.terms.by_grade.items()}
    given |= {("classes", name, "starter_terms_days"): r.starter_terms_days for name, r in policy.classes.items() if isinstance(r, Starter)}
    for path, days in given.items():
        if days < min(ranked):
            yield Problem(
                path,
                said("{days} days is stricter than all terms.ranked; expected at least {least}", days=days, least=min(ranked)),
            )


def _group_rules(policy: Policy) -> Found:
    for name, known in (("bad_statuses", tuple(str(s) for s in CreditStatus)), ("bad_grades", policy.grade_names)):
        for i, one in enumerate(getattr(policy.groups, name)):
            if one not in known:
                text = said("{name} is not known; expected one of {known}", name=repr(one), known=", ".join(known))
                yield Problem(("groups", name, i), text)


def _worklists(policy: Policy) -> Found:
    patterns = [w.portfolio for w in policy.worklists]
    for i, pattern in enumerate(patterns):
        earlier = next((p for p in patterns[:i] if p in ("*", pattern)), None)
        if earlier is not None:
            text = said("the line can never fire: {earlier} above it takes every portfolio it could match", earlier=repr(earlier))
            yield Problem(("worklists", i, "portfolio"), said("{text}; expected it above that line, or removed", text=text))
    if "*" not in patterns:
        text = said("a portfolio that matches no line would have no analyst")
        yield Problem(("worklists",), said('{text}; expected a last line with portfolio "*"', text=text))


_RULES: tuple[Callable[[Policy], Found], ...] = (
    _currency,
    _grades,
    _names,
    _scoring,
    _classes,
    _cadence,
    _rounding,
    _amount_rules,
    _forbid,
    _straight_through,
    _exposure,
    _worklists,
    _ranked_terms,
    _group_rules,
    _approvals,
    _findings,
)
