"""Whether a policy's amounts can be reached, grow with better grades, and let some rule fire."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from itertools import pairwise
from typing import Any

from pydantic import BaseModel

from credit_review.documents import Path
from credit_review.errors import BadInput
from credit_review.model.money import EXPONENTS
from credit_review.policy.amounts import GradeLimits
from credit_review.policy.classes import Starter
from credit_review.policy.problems import Found, Problem
from credit_review.policy.whole import Policy
from credit_review.words import said


def currency(policy: Policy) -> Found:
    """An unknown currency, and amounts with more decimals than the control currency has."""
    for at, code in enumerate(policy.rates.over):
        if code not in EXPONENTS:
            yield Problem(("rates", "over", at), said("unknown currency {code}; expected an ISO 4217 code such as EUR", code=repr(code)))
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


def rounding(policy: Policy) -> Found:
    """Lines of the grid that can never fire, round to nothing, or do not grow."""
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


def amount_rules(policy: Policy) -> Found:
    """Bounds and steps that can never be reached, and a worse grade that is worth more."""
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


def ceilings(policy: Policy) -> Found:
    """Ceilings of grades that can never be reached."""
    most = policy.limits.maximum
    for grade, rules in policy.limits.by_grade.items():
        if rules.ceiling > most:
            text = said("{ceiling} is never reached: limits.maximum is {maximum}", ceiling=rules.ceiling, maximum=most)
            yield Problem(("limits", "by_grade", grade, "ceiling"), said("{text}; expected at most that", text=text))


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


def forbid(policy: Policy) -> Found:
    """A list of grades that lets no limit ever rise."""
    forbidden = policy.limits.forbid_increase.grades
    if set(policy.grade_names) <= set(forbidden):
        yield Problem(("limits", "forbid_increase", "grades"), said("no limit can ever rise; expected at least one grade left out"))


def straight_through(policy: Policy) -> Found:
    """A straight-through rule that can never fire."""
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


def ranked_terms(policy: Policy) -> Found:
    """Terms that do not follow from the strictest on, and grades and classes whose days are stricter than all that we offer."""
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
                path, said("{days} days is stricter than all terms.ranked; expected at least {least}", days=days, least=min(ranked))
            )
