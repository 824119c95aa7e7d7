"""From need to a proposed limit, step by step over whole columns; every intermediate figure stays in its own column.

Order: formula (need x factor of the grade) -> caps, those by layers in force among them -> rules that forbid an increase -> step limit
of one cycle -> rounding grid -> minimum and maximum -> smallest change. A layer in force is stronger than the step and the smallest
change. Class rules replace the formula (starter, unused) or the whole chain (zero).
Formula sources: docs/policy-reference.md, section limits.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from credit_review.limits.arrays import NO_CAP, Flags, Ints, Maybe, any_of, least, ppm, times, times_up
from credit_review.limits.bounds import pool_cap
from credit_review.limits.codes import FORMULA, MISSING, STALE, Cap, Forbids, lets_nothing_stand_in, substitute
from credit_review.limits.formula import Outcome, outcome
from credit_review.limits.rows import Rows
from credit_review.limits.rules import Rules
from credit_review.policy import VIEWS
from credit_review.policy.formula.vocabulary import INPUTS


@dataclass(frozen=True, slots=True, kw_only=True)
class Classes:
    """Which class rule decides each customer; `first` has no limit on file. At most one of zero, starter, unused is set."""

    first: Flags
    zero: Flags
    starter: Flags
    unused: Flags
    no_increase: Flags


@dataclass(frozen=True, slots=True, kw_only=True)
class Caps:
    """The formula's result, each cap, the smallest of all, and which customers have which substitute (`net_worth:missing:lower_ceiling`).

    `cover` is the largest limit that leaves no more than policy's own risk beside valid cover. `layers` are the caps by layers in force,
    of a shared pool what it lets this limit be, and `free` what the other members leave of it; `bound` is the smallest of them, which
    nothing exceeds, not even a limit that a step limit would have kept.

    `after` starts from the limit in force where the formula has no result; it is unknown where there is neither. `hard` is the smallest
    cap but need, NO_CAP where there is none. `secured` is the part of valid security that each of these caps holds already. `own` is what
    the policy's own formula gave, where it has one; `need` is then its result.
    """

    formula: Maybe
    from_exposure: Flags
    need: Maybe
    net_worth: Maybe
    recommendation: Maybe
    grade: Maybe
    cover: Maybe
    layers: dict[str, Maybe]
    free: Maybe
    bound: Ints
    secured: Ints
    hard: Ints
    after: Maybe
    binding: pd.Series[str]
    substitutes: dict[str, Flags]
    own: Outcome | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """Amounts after each step; `to` is unknown where nothing can be proposed, `bounded` is the last figure before the smallest change."""

    to: Maybe
    bounded: Ints
    after_step: Maybe
    after_rounding: Maybe
    terms: Maybe


def classify(rows: Rows, rules: Rules) -> Classes:
    """The class rule of each customer by its credit status."""
    first = ~rows.limit.known
    action = rules.action
    last_invoice = rows.floats("last_invoice_days")
    idle = np.isnan(last_invoice) | (last_invoice > rules.unused_days[rows.status])
    sleeps = rows.has_action(action, "unused_down")
    return Classes(
        first=first,
        zero=rows.has_action(action, "zero") | (first & (rows.has_action(action, "no_increase") | sleeps)),
        starter=rows.has_action(action, "starter") & first,
        unused=sleeps & idle & ~first,
        no_increase=rows.has_action(action, "no_increase") | sleeps,
    )


def caps(rows: Rows, rules: Rules, classes: Classes) -> Caps:
    """Formula and caps of each customer. A cap whose input is missing or stale is replaced as policy says, never skipped."""
    limits = rules.policy.limits
    wanted = rows.graded & ~classes.zero & ~classes.unused
    needs = wanted & ~classes.starter
    own = outcome(rules.formula, rows, rules, needs) if rules.formula else None
    usual = Maybe.where(rows.need.known & needs, times(np.maximum(rows.need.value, 0), rules.need_factor[rows.grade]))
    need = own.limit if own else usual
    formula, from_exposure = _formula(rows, rules, classes, need)
    net_worth, net_worth_lacks = _net_worth_cap(rows, rules, wanted)
    recommended, recommended_lacks = _recommendation_cap(rows, rules, wanted)
    grade = Maybe.where(wanted, rules.ceiling[rows.currency, rows.grade])
    secured = np.where(wanted, times(np.maximum(rows.amounts("security_minor").value, 0), ppm(limits.caps.security.raises_caps_by)), 0)
    net_worth, recommended, grade = (Maybe.where(cap.known, cap.value + secured) for cap in (net_worth, recommended, grade))
    cover = rows.amounts("cover_cap_minor").only(wanted)
    layers, free = _layers(rows)
    own_caps: dict[str, Maybe] = {Cap.NET_WORTH: net_worth, Cap.RECOMMENDATION: recommended, Cap.GRADE: grade, Cap.COVER: cover}
    hard = own_caps | layers
    start = Maybe.where(formula.known | rows.limit.known, formula.otherwise(rows.limit.value))
    after, binding = least({Cap.FORMULA if own else Cap.NEED: need, **hard, "": start})
    lacks_need = {substitute(Cap.NEED, MISSING, limits.caps.need.otherwise): needs & ~rows.need.known}
    lacks = own.lacks if own else lacks_need
    return Caps(
        formula=formula,
        from_exposure=from_exposure,
        need=need,
        net_worth=net_worth,
        recommendation=recommended,
        grade=grade,
        cover=cover,
        layers=layers,
        free=free,
        bound=least(layers)[0].otherwise(NO_CAP),
        secured=secured,
        hard=least(hard)[0].otherwise(NO_CAP),
        after=after.only(start.known),  # caps alone are no reason to grant anything
        binding=binding,
        substitutes=lacks | net_worth_lacks | recommended_lacks,
        own=own,
    )


def _layers(rows: Rows) -> tuple[dict[str, Maybe], Maybe]:
    """Caps by the layers in force, in their precedence, and what is left of a shared pool."""
    pool, free = pool_cap(rows.amounts("pool_minor"), rows.others_owe, rows.limit)
    plain = {Cap.ENTITY: "entity_limit_minor", Cap.CEILING: "ceiling_minor", Cap.SEGMENT: "segment_limit_minor"}
    return {**{str(cap): rows.amounts(name) for cap, name in plain.items()}, str(Cap.POOL): pool}, free


def forbids(rows: Rows, rules: Rules, classes: Classes, found: Caps, bad_group: Flags) -> dict[str, Flags]:
    """Each rule that forbids an increase, and the customers it holds for. For a starter limit missing data alone forbids nothing.

    `bad_group` are customers with another member in their group that policy calls bad for it.
    """
    rule = rules.policy.limits.forbid_increase
    age = rows.floats("external_age_days")
    overdue = rows.amounts("overdue_minor").value > rules.overdue_over[rows.currency]
    oldest = rows.features["oldest_dpd_days"].to_numpy(dtype=np.int64)
    grown = ~classes.starter
    nothing = np.zeros(len(rows), dtype=bool)

    def unknown(*names: str) -> Flags:
        parts = [flag for entry, flag in found.substitutes.items() if lets_nothing_stand_in(entry) and entry.split(":")[0] in names]
        return any_of(len(rows), *parts) & grown

    return {
        Forbids.OVERDUE: (oldest > rule.overdue_days_over) & overdue,
        Forbids.GRADE: rules.forbidden[rows.grade] & rows.graded,
        Forbids.EXTERNAL_STALE: age > rule.external_age_days_over if rule.external_age_days_over else nothing,
        Forbids.EXTERNAL_MISSING: np.isnan(age) & grown if rule.external_missing else nothing,
        Forbids.QUARANTINED_ROWS: rows.amounts("quarantined_minor").value > 0 if rule.on_quarantined_rows else nothing,
        Forbids.CLASS: classes.no_increase,
        Forbids.NET_WORTH: unknown(Cap.NET_WORTH),
        Forbids.RECOMMENDATION: unknown(Cap.RECOMMENDATION),
        Forbids.NEED: unknown(Cap.NEED),
        Forbids.INPUT: unknown(FORMULA, *(name for name in INPUTS if name != Cap.NEED)),
        Forbids.NOT_GRADED: ~rows.graded & grown,
        Forbids.VIEW: _without_view(rows, rules) & grown,
        Forbids.GROUP: bad_group,
    }


def _without_view(rows: Rows, rules: Rules) -> Flags:
    """Customers of whom a view is missing without which policy forbids an increase."""
    missing, scoring = rows.scores["view_missing"].to_numpy(dtype=object), rules.policy.scoring
    found = np.zeros(len(rows), dtype=bool)
    for view in VIEWS:
        if scoring.without(view).no_increase:
            found |= (missing == view) | (missing == "both")
    return found


def amounts(rows: Rows, rules: Rules, classes: Classes, found: Caps, forbidden: Flags) -> Result:
    """The proposed limit after step limit, rounding, minimum and maximum, and smallest change; and the proposed terms.

    Without a limit on file the credit granted in fact, the exposure, takes its place where an increase is forbidden.
    """
    base = rows.limit.otherwise(rows.exposure)
    target = np.where(forbidden, np.minimum(found.after.value, base), found.after.value)
    stepped, lowest = _step(rows, rules, classes, target)
    stepped = np.minimum(stepped, found.bound)
    rounded = np.minimum(_rounded(rows, rules, stepped, lowest), found.bound)
    bounded = _bounded(rows, rules, classes, rounded, np.minimum(found.hard, np.where(forbidden, base, NO_CAP)))
    possible = found.after.known
    return Result(
        to=Maybe.where(possible, np.where(too_small(rows, rules, classes, found, bounded), rows.limit.value, bounded)),
        bounded=bounded,
        after_step=Maybe.where(possible, stepped),
        after_rounding=Maybe.where(possible, rounded),
        terms=_terms(rows, rules, classes),
    )


def _formula(rows: Rows, rules: Rules, classes: Classes, need: Maybe) -> tuple[Maybe, Flags]:
    """What a customer may have before caps, and where exposure stood in for need. Unknown where only the limit in force can stay.

    Class zero: nothing. Dormant and unused: policy's amount or what is still owed, at most the limit in force. Starter: its amount.
    Else need x factor of the grade; a first limit without need: exposure x policy's factor x factor of the grade.
    """
    without, first = rules.policy.limits.without_need, classes.first
    unneeded = first & rows.graded & ~need.known & ~classes.zero & ~classes.starter
    from_exposure = unneeded & (without.action == "exposure")
    by_exposure = times(times(rows.exposure, ppm(without.factor)), rules.need_factor[rows.grade])
    keeps = np.maximum(rules.down_to[rows.currency, rows.status], rows.exposure)
    value = np.where(from_exposure, by_exposure, need.value)
    value = np.where(classes.starter, rules.starter_limit[rows.currency, rows.status], value)
    value = np.where(classes.unused, np.minimum(rows.limit.value, keeps), value)
    known = need.known | from_exposure | classes.starter | classes.unused | classes.zero
    return Maybe.where(known, np.where(classes.zero, 0, value)), from_exposure


def _net_worth_cap(rows: Rows, rules: Rules, wanted: Flags) -> tuple[Maybe, dict[str, Flags]]:
    """Net worth x fraction of the grade; negative net worth caps at nothing."""
    rule = rules.policy.limits.caps.net_worth
    stated, lacks = _dated(rows, "tangible_net_worth_minor", "net_worth_age_days", rule.max_age_days)
    computed = Maybe.where(stated.known, times(np.maximum(stated.value, 0), rules.net_worth_fraction[rows.grade]))
    return _cap(computed, wanted, rules.without_net_worth[rows.currency, rows.grade], (Cap.NET_WORTH, rule.otherwise), lacks)


def _recommendation_cap(rows: Rows, rules: Rules, wanted: Flags) -> tuple[Maybe, dict[str, Flags]]:
    """Recommended limit x policy's factor."""
    rule = rules.policy.limits.caps.recommendation
    stated, lacks = _dated(rows, "recommended_limit_minor", "external_age_days", rule.max_age_days)
    computed = Maybe.where(stated.known, times(np.maximum(stated.value, 0), ppm(rule.factor)))
    return _cap(computed, wanted, rules.without_recommendation[rows.currency, rows.grade], (Cap.RECOMMENDATION, rule.otherwise), lacks)


def _dated(rows: Rows, amount: str, age: str, max_age_days: int) -> tuple[Maybe, dict[str, Flags]]:
    """An amount while young enough, and where it is missing or stale; an amount without a date is stale."""
    stated = rows.amounts(amount)
    young = rows.floats(age) <= max_age_days
    return stated.only(young), {MISSING: ~stated.known, STALE: stated.known & ~young}


def _cap(computed: Maybe, wanted: Flags, lower: Ints, rule: tuple[Cap, str], lacks: dict[str, Flags]) -> tuple[Maybe, dict[str, Flags]]:
    """The cap, with the lower ceiling where the input is missing and policy says so; and which customers got which substitute."""
    cap, otherwise = rule
    stands_in = wanted & ~computed.known & (otherwise == "lower_ceiling")
    value = Maybe.where((computed.known & wanted) | stands_in, np.where(stands_in, lower, computed.value))
    return value, {substitute(cap, reason, otherwise): flag & wanted for reason, flag in lacks.items()}


def _step(rows: Rows, rules: Rules, classes: Classes, target: Ints) -> tuple[Ints, Ints]:
    """`target` within the step limit of one cycle, and the lowest amount the step allows. First limits, zero and unused have no step."""
    rule, now, free = rules.policy.limits.step, rows.limit.value, rules.free[rows.currency]
    highest = now + np.maximum(times(now, ppm(rule.up_fraction)), free)
    lowest = np.maximum(now - np.maximum(times(now, ppm(rule.down_fraction)), free), 0)
    lowest = np.maximum(lowest, np.minimum(now, _run_off(rows, rule.run_off)))
    unbounded = classes.first | classes.zero | classes.unused
    lowest = np.where(unbounded, 0, lowest)
    return np.where(unbounded, target, np.clip(target, lowest, highest)), lowest


def _run_off(rows: Rows, kept: str) -> Ints:
    """What a reduction leaves room for, since it has still to be paid or delivered."""
    if kept == "none":
        return np.zeros(len(rows), dtype=np.int64)
    return np.maximum(rows.exposure if kept == "exposure" else rows.amounts("open_items_minor").value, 0)


def _rounded(rows: Rows, rules: Rules, amount: Ints, lowest: Ints) -> Ints:
    """Rounded down to the grid. A kept limit is not rounded, a rise never ends below the present limit, and a fall that would exceed
    the step limit by rounding is rounded up instead."""
    now, unit = rows.limit.value, rules.unit[rows.currency]
    major = -(-amount // unit)
    size = rules.grid_steps[np.searchsorted(rules.grid_bounds, major, side="left")] * unit
    down = amount // size * size
    fall = np.where(down < lowest, np.minimum(down + size, now), down)
    known = rows.limit.known
    return np.where(known & (amount == now), now, np.where(known & (amount > now), np.maximum(down, now), np.where(known, fall, down)))


def _bounded(rows: Rows, rules: Rules, classes: Classes, amount: Ints, most: Ints) -> Ints:
    """Between policy's minimum and maximum. The minimum lifts small needs, but never above `most` (caps, or a forbidden increase)."""
    c = rows.currency
    lifted = np.maximum(amount, np.minimum(rules.minimum[c], most))
    return np.minimum(np.where(classes.zero | classes.unused, amount, lifted), rules.maximum[c])


def within_band(rows: Rows, classes: Classes, found: Caps, lowest: Ints, highest: Ints, at_highest: Rules) -> Flags:
    """Limits in force that another rate within policy's band would leave as they are: they lie between the figures of the lowest and
    the highest rate, or less than the smallest change beside them."""
    now = rows.limit.value
    nearest = np.clip(now, np.minimum(lowest, highest), np.maximum(lowest, highest))
    kept: Flags = rows.limit.known & ((nearest == now) | too_small(rows, at_highest, classes, found, nearest))
    return kept & (now <= found.bound)


def too_small(rows: Rows, rules: Rules, classes: Classes, found: Caps, amount: Ints) -> Flags:
    """Changes below both parts of policy's smallest change; not asked of class rules, nor of a limit above the maximum or a layer."""
    now, c = rows.limit.value, rows.currency
    change = np.abs(amount - now)
    fraction = ppm(rules.policy.limits.smallest_change.fraction)
    small: Flags = (change < rules.smallest_change[c]) & (change < times_up(now, fraction))
    return small & rows.limit.known & ~classes.zero & ~classes.unused & (now <= np.minimum(rules.maximum[c], found.bound))


def _terms(rows: Rows, rules: Rules, classes: Classes) -> Maybe:
    """Terms in force, tightened for the grades that policy names; for a first limit without terms those of its grade or class."""
    longest, now = rules.terms[rows.grade], rows.terms
    tighten = now.known & rows.graded & rules.tightens[rows.grade] & (now.value > longest)
    starter = rules.starter_terms[rows.status]
    starter = np.where(rows.graded, np.minimum(starter, longest), starter)
    start = classes.starter & (~now.known | (now.value > starter))
    fresh = classes.first & ~classes.zero & ~classes.starter & ~now.known & rows.graded
    value = np.where(start, starter, np.where(tighten | fresh, longest, now.value))
    return Maybe.where(now.known | start | fresh, value)
