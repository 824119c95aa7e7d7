"""Whether a policy's grades, bands, statuses, dates of review and portfolios are known, complete and without overlap."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

from credit_review.documents import Path
from credit_review.model.states import CreditStatus
from credit_review.policy.classes import MAY_RAISE, NEVER_RAISED
from credit_review.policy.problems import Found, Problem
from credit_review.policy.reviewing import AGEING_DAYS, LONGEST_MONTHS, NO_GRADE
from credit_review.policy.scores import VIEWS
from credit_review.policy.whole import Policy
from credit_review.words import marked, said


def grades(policy: Policy) -> Found:
    """Bands that overlap, leave a gap, stand twice or can never be given."""
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


def every_grade(policy: Policy) -> Found:
    """Grades that a table lacks or does not know, and grades named twice."""
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


def scoring(policy: Policy) -> Found:
    """Weights that make every score the same, and a margin that reaches across a whole band."""
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


def classes(policy: Policy) -> Found:
    """Credit statuses without a rule, unknown ones, and rules that could give those more who may never get more."""
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
        if name in policy.classes and policy.classes[name].action in MAY_RAISE:
            more = marked("{action} could give {name} customers more credit; expected no_increase, zero, unused_down or exclude")
            yield Problem(("classes", name, "action"), said(more, action=policy.classes[name].action, name=str(name)))


def class_amounts(policy: Policy) -> Found:
    """Amounts of credit statuses that no limit can have."""
    for name, rule in policy.classes.items():
        for field in ("starter_limit", "down_to"):
            amount = getattr(rule, field, None)
            if amount is not None and amount > policy.limits.maximum:
                yield Problem(
                    ("classes", name, field),
                    said("{amount} can never be given; expected at most {maximum}", amount=amount, maximum=policy.limits.maximum),
                )


def cadence(policy: Policy) -> Found:
    """Months that no customer can wait, and a rule for large exposures that can never fire."""
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


def exposure(policy: Policy) -> Found:
    """Parts named twice, open items left out, other ageing bands than features are made of."""
    parts, ageing = policy.exposure.parts, policy.exposure.ageing_days
    for i, part in enumerate(parts):
        if part in parts[:i]:
            yield Problem(("exposure", "parts", i), said("{part} stands twice and would count once; expected each part once", part=part))
    if "open_items" not in parts:
        yield Problem(("exposure", "parts"), said("open_items is missing; expected it, since receivables are exposure"))
    if ageing != AGEING_DAYS:
        other = marked("features, scorecards and reports are made of other bands; expected {days}")
        yield Problem(("exposure", "ageing_days"), said(other, days=str(list(AGEING_DAYS))))


def findings(policy: Policy) -> Found:
    """Findings that are due after lesser ones."""
    days = policy.findings.due_working_days
    for graver, lesser in (("high", "medium"), ("medium", "low")):
        if getattr(days, graver) > getattr(days, lesser):
            text = said("a finding of severity {graver} would be due after one of severity {lesser}", graver=graver, lesser=lesser)
            most = said("{text}; expected at most {days} working days", text=text, days=getattr(days, lesser))
            yield Problem(("findings", "due_working_days", graver), most)


def group_rules(policy: Policy) -> Found:
    """Statuses and grades of the rules for groups which no customer has."""
    for name, known in (("bad_statuses", tuple(str(s) for s in CreditStatus)), ("bad_grades", policy.grade_names)):
        for i, one in enumerate(getattr(policy.groups, name)):
            if one not in known:
                text = said("{name} is not known; expected one of {known}", name=repr(one), known=", ".join(known))
                yield Problem(("groups", name, i), text)
    best, names = policy.groups.best_grade, policy.grade_names
    if best is not None and best not in names:
        yield Problem(
            ("groups", "best_grade"), said("unknown grade {grade}; expected one of {known}", grade=repr(best), known=", ".join(names))
        )


def worklists(policy: Policy) -> Found:
    """Lines no portfolio can reach, and portfolios without an analyst."""
    patterns = [w.portfolio for w in policy.worklists]
    for i, pattern in enumerate(patterns):
        earlier = next((p for p in patterns[:i] if p in ("*", pattern)), None)
        if earlier is not None:
            text = said("the line can never fire: {earlier} above it takes every portfolio it could match", earlier=repr(earlier))
            yield Problem(("worklists", i, "portfolio"), said("{text}; expected it above that line, or removed", text=text))
    if "*" not in patterns:
        text = said("a portfolio that matches no line would have no analyst")
        yield Problem(("worklists",), said('{text}; expected a last line with portfolio "*"', text=text))


def approvals(policy: Policy) -> Found:
    """Reminders that nobody would get, and lists that can hold nothing."""
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
