"""What a policy says in vain or against itself, though its fields fit together."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

from credit_review.documents import Path
from credit_review.policy import Policy
from credit_review.policy.formula.tree import names
from credit_review.policy.segments import Who
from credit_review.policy_lint.finding import Finding, Found, Kind
from credit_review.words import marked, said


def findings(policy: Policy) -> tuple[Finding, ...]:
    """Every finding of the policy alone."""
    return tuple(found for rule in _RULES for found in rule(policy))


def _idle_steps(policy: Policy) -> Found:
    """Steps of a formula that nothing uses."""
    whole: list[tuple[Path, Policy]] = [(("limits",), policy)]
    whole += [(("segments", i), policy.of_segment(one.name)) for i, one in enumerate(policy.segments) if one.formula]
    for path, one in whole:
        formula = one.formula()
        for i, step in enumerate(formula.steps[:-1] if formula else ()):
            if formula and not any(step.name in names(later.tree) for later in formula.steps[i + 1 :]):
                idle = said("no later step uses {step}, so it changes nothing; expected it used or removed", step=step.name)
                yield Finding(Kind.NEVER_FIRES, (*path, "formula", step.name), idle)


def _lower_ceilings(policy: Policy) -> Found:
    """Lower ceilings of a cap for which policy wants something else to hold."""
    for cap in ("net_worth", "recommendation"):
        otherwise = getattr(policy.limits.caps, cap).otherwise
        used = [grade for grade, rules in policy.limits.by_grade.items() if getattr(rules, f"without_{cap}")]
        if otherwise != "lower_ceiling" and used:
            text = marked(
                "limits.caps.{cap}.otherwise is {otherwise}, so no lower ceiling is ever used; expected 0, or lower_ceiling there"
            )
            path = ("limits", "by_grade", used[0], f"without_{cap}")
            yield Finding(Kind.NEVER_FIRES, path, said(text, cap=cap, otherwise=otherwise))


def _too_small_for_the_grid(policy: Policy) -> Found:
    """Amounts that rounding takes to nothing."""
    step = policy.limits.rounding[0].step
    amounts: list[tuple[Path, object]] = [(("limits", "by_grade", g, "ceiling"), r.ceiling) for g, r in policy.limits.by_grade.items()]
    amounts += [(("classes", name, "starter_limit"), getattr(rule, "starter_limit", 0)) for name, rule in policy.classes.items()]
    for path, amount in amounts:
        if 0 < amount < step:  # type: ignore[operator]
            text = said(
                "{amount} is rounded down to nothing by a step of {step}; expected 0, or at least the step", amount=amount, step=step
            )
            yield Finding(Kind.NEVER_FIRES, path, text)


def _best_grade(policy: Policy) -> Found:
    """A best grade, for a missing view or of a group with a bad member, that forbids no grade."""
    named: list[tuple[Path, str | None]] = [
        (("scoring", f"without_{view}", "best_grade"), policy.scoring.without(view).best_grade) for view in ("behaviour", "financial")
    ]
    for path, grade in [*named, (("groups", "best_grade"), policy.groups.best_grade)]:
        if grade == policy.grade_names[0]:
            yield Finding(
                Kind.NEVER_FIRES,
                path,
                said("{grade} is the best grade anyway, so this caps nothing; expected a worse one, or null", grade=grade),
            )
    if policy.groups.best_grade is not None and not (policy.groups.bad_statuses or policy.groups.bad_grades):
        text = said("no member is bad for its group by this policy, so this caps nothing; expected bad_statuses or bad_grades beside it")
        yield Finding(Kind.NEVER_FIRES, ("groups", "best_grade"), text)


def _straight_through(policy: Policy) -> Found:
    """Increases that may pass by rule but never happen."""
    rule, forbidden = policy.straight_through, set(policy.limits.forbid_increase.grades)
    if rule.enabled and rule.up_to_increase and rule.grades and set(rule.grades) <= forbidden:
        text = said("no increase can pass: limits.forbid_increase.grades has every grade named here; expected 0, or another grade")
        yield Finding(Kind.NEVER_FIRES, ("straight_through", "up_to_increase"), text)
    least = policy.limits.smallest_change
    if rule.enabled and rule.up_to_increase and rule.up_to_increase < policy.limits.rounding[0].step and least.amount > rule.up_to_increase:
        text = said(
            "an increase of at most {most} is below limits.smallest_change and the grid; expected more, or 0", most=rule.up_to_increase
        )
        yield Finding(Kind.NEVER_FIRES, ("straight_through", "up_to_increase"), text)


def _excluded(policy: Policy) -> Found:
    """Rules for credit statuses whose customers are never reviewed."""
    excluded = {name for name, rule in policy.classes.items() if rule.action == "exclude"}
    lists: list[tuple[Path, tuple[str, ...]]] = [(("review", "reduction_notice", "at_once"), policy.review.reduction_notice.at_once)]
    for path, some in lists:
        for i, status in enumerate(some):
            if status in excluded:
                text = said("customers of status {status} are excluded and get no reduction; expected it left out", status=status)
                yield Finding(Kind.NEVER_FIRES, (*path, i), text)
    for i, segment in enumerate(policy.segments):
        if segment.who.statuses and set(segment.who.statuses) <= excluded:
            text = said("every status named here is excluded by its class, so nobody of the segment is reviewed; expected another status")
            yield Finding(Kind.NEVER_FIRES, ("segments", i, "who", "statuses"), text)


def _bands(policy: Policy) -> Found:
    """Segments that differ by exposure alone and leave a gap between their bands, or share a part that only the first one gets."""
    for i, one in enumerate(policy.segments):
        for n, other in enumerate(policy.segments):
            low, high = one.who, other.who
            if i == n or _but_exposure(low) != _but_exposure(high) or low.exposure_below is None or high.exposure_from is None:
                continue
            between = [s.who for s in policy.segments if _but_exposure(s.who) == _but_exposure(low) and s is not one and s is not other]
            bridged = any((w.exposure_from or 0) <= low.exposure_below for w in between if (w.exposure_from or 0) < high.exposure_from)
            if low.exposure_below < high.exposure_from and not bridged:
                more = marked("exposures from {low} to below {high} are in neither {one} nor {other}; expected bands that meet")
                text = said(more, low=low.exposure_below, high=high.exposure_from, one=repr(one.name), other=repr(other.name))
                yield Finding(Kind.GAP, ("segments", n, "who", "exposure_from"), text)
            if (low.exposure_from or 0) < high.exposure_from < low.exposure_below:
                more = marked(
                    "exposures from {low} to below {high} are in both {one} and {other}, and the first holds; expected bands that meet"
                )
                text = said(more, low=high.exposure_from, high=low.exposure_below, one=repr(one.name), other=repr(other.name))
                yield Finding(Kind.OVERLAP, ("segments", n, "who", "exposure_from"), text)


def _but_exposure(who: Who) -> tuple[frozenset[str], ...]:
    return tuple(frozenset(some) for some in (who.regions, who.legal_entities, who.segments, who.statuses))


def _grades_in_order(policy: Policy) -> Found:
    """A worse grade that is reviewed less often, or has longer terms, than a better one."""
    cadence, terms = policy.review.cadence_months, policy.terms.by_grade
    for better, worse in pairwise(policy.grade_names):
        if cadence[worse] > cadence[better]:
            more = marked("grade {worse} is reviewed less often than {better}; expected at most {most} months")
            text = said(more, worse=worse, better=better, most=cadence[better])
            yield Finding(Kind.CONTRADICTION, ("review", "cadence_months", worse), text)
        if terms[worse] > terms[better]:
            more = marked("grade {worse} has longer terms than {better}; expected at most {most} days")
            text = said(more, worse=worse, better=better, most=terms[better])
            yield Finding(Kind.CONTRADICTION, ("terms", "by_grade", worse), text)


def _defaulted(policy: Policy) -> Found:
    """A status that counts as the outcome and whose customers may yet get more."""
    for i, status in enumerate(policy.outcome.statuses):
        action = policy.classes[status].action
        if action in ("review", "starter"):
            more = marked(
                "status {status} counts as {outcome}, and its class says {action}, which may give more; expected another of the two"
            )
            text = said(more, status=status, outcome=policy.outcome.name, action=action)
            yield Finding(Kind.CONTRADICTION, ("outcome", "statuses", i), text)


def _no_credit(policy: Policy) -> Found:
    """A grade with a ceiling of nothing that still has a formula, or a formula of nothing under a ceiling."""
    for grade, rules in policy.limits.by_grade.items():
        if rules.need_factor == 0 and rules.ceiling > 0 and not policy.limits.formula:
            text = said(
                "grade {grade} has a ceiling but a need factor of 0, so no limit comes near it; expected both 0, or neither", grade=grade
            )
            yield Finding(Kind.CONTRADICTION, ("limits", "by_grade", grade, "need_factor"), text)
    for name, rule in policy.classes.items():
        days = getattr(rule, "starter_terms_days", 0)
        if days > max(policy.terms.by_grade.values()):
            text = said("{days} days are longer than the terms of every grade, which hold for a first limit too; expected fewer", days=days)
            yield Finding(Kind.NEVER_FIRES, ("classes", name, "starter_terms_days"), text)


_RULES: tuple[Callable[[Policy], Found], ...] = (
    _idle_steps,
    _lower_ceilings,
    _too_small_for_the_grid,
    _best_grade,
    _straight_through,
    _excluded,
    _bands,
    _grades_in_order,
    _defaulted,
    _no_credit,
)
