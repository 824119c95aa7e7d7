"""A policy compiled for one bucket: amounts in each account currency of the bucket, factors in millionths, one array index a grade."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction

import numpy as np

from credit_review.fx import MissingRate, RateTable
from credit_review.limits.arrays import Flags, Ints, ppm
from credit_review.model.money import EXPONENTS
from credit_review.policy import Policy, Starter, UnusedDown
from credit_review.policy.formula.compiled import Formula, constant
from credit_review.policy.formula.tree import Literal, walk
from credit_review.policy.formula.units import MONEY
from credit_review.policy.formula.vocabulary import INPUTS
from credit_review.words import marked

_DAYS_A_MONTH = 365.25 / 12
_UNMOVED = Fraction(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Policy in arrays. `[c]` is indexed by currency, `[g]` by grade, `[s]` by credit status; amounts are minor units of the currency.

    A grade index of -1 (not graded) and a status index pick a row that is never read unmasked. `without_rate` says why a currency
    cannot be served; its amounts are zeros and its customers must not be proposed. `rates_used` says by currency at which rate, of which
    day and source, policy's amounts were converted; empty where they were not.
    """

    policy: Policy
    currencies: tuple[str, ...]
    without_rate: dict[int, str]
    rates_used: tuple[str, ...]
    unit: Ints  # [c] minor units a major unit
    maximum: Ints  # [c]
    minimum: Ints  # [c]
    smallest_change: Ints  # [c]
    free: Ints  # [c]
    overdue_over: Ints  # [c]
    pass_limit: Ints  # [c]
    pass_increase: Ints  # [c]
    pass_reduction: Ints  # [c]
    ceiling: Ints  # [c, g]
    without_net_worth: Ints  # [c, g]
    without_recommendation: Ints  # [c, g]
    need_factor: Ints  # [g]
    net_worth_fraction: Ints  # [g]
    terms: Ints  # [g]
    tightens: Flags  # [g]
    forbidden: Flags  # [g]
    passes: Flags  # [g]
    grid_bounds: Ints  # major units; amounts up to bounds[i] use steps[i]
    grid_steps: Ints
    starter_limit: Ints  # [c, s]
    starter_terms: Ints  # [s]
    down_to: Ints  # [c, s]
    unused_days: Ints  # [s]
    action: tuple[str, ...]  # [s]
    formula: Formula | None
    stand_ins: Mapping[str, Literal]  # by input of the formula, what policy has stand in where it is missing
    at_most: Mapping[str, Ints]  # [c] by input of the formula
    literals: Mapping[Decimal, Ints]  # [c] by amount that stands in the formula

    @property
    def statuses(self) -> tuple[str, ...]:
        """Credit statuses in index order."""
        return tuple(self.policy.classes)


def compile_rules(policy: Policy, currencies: Sequence[str], *, rates: RateTable | None, as_of: date, moved: Fraction = _UNMOVED) -> Rules:
    """The policy for customers whose accounts are in `currencies`, converted at the as_of rate, half-even once an amount; at `moved` times
    that rate where it is asked what another rate would have given."""
    without = dict(_without_rate(policy, currencies, rates, as_of))

    def amounts(*values: Decimal) -> Ints:
        table = [
            [0 if c in without else _converted(policy, v, to=code, rates=rates, as_of=as_of, moved=moved) for v in values]
            for c, code in enumerate(currencies)
        ]
        return np.array(table, dtype=np.int64).reshape(len(currencies), len(values))

    limits, through, formula = policy.limits, policy.straight_through, policy.formula()
    grades = [limits.by_grade[name] for name in policy.grade_names]
    classes = list(policy.classes.values())
    starters = [rule if isinstance(rule, Starter) else None for rule in classes]
    unused = [rule if isinstance(rule, UnusedDown) else None for rule in classes]
    single = amounts(
        *(limits.maximum, limits.minimum, limits.smallest_change.amount, limits.step.free_amount),
        *(limits.forbid_increase.overdue_amount_over, through.up_to_limit, through.up_to_increase, through.reductions_up_to),
    ).T
    stand_ins = dict(_stand_ins(policy, formula))
    stated = list(_stated(formula, stand_ins))
    most = {name: rule.at_most for name, rule in limits.inputs.items() if rule.at_most is not None}
    return Rules(
        policy=policy,
        currencies=tuple(currencies),
        without_rate=without,
        rates_used=tuple("" if c in without else _rate_used(policy, code, rates, as_of) for c, code in enumerate(currencies)),
        unit=np.array([10 ** EXPONENTS.get(code, 0) for code in currencies], dtype=np.int64),
        maximum=single[0],
        minimum=single[1],
        smallest_change=single[2],
        free=single[3],
        overdue_over=single[4],
        pass_limit=single[5],
        pass_increase=single[6],
        pass_reduction=single[7],
        ceiling=amounts(*(g.ceiling for g in grades)),
        without_net_worth=amounts(*(g.without_net_worth for g in grades)),
        without_recommendation=amounts(*(g.without_recommendation for g in grades)),
        need_factor=_ints(ppm(g.need_factor) for g in grades),
        net_worth_fraction=_ints(ppm(g.net_worth_fraction) for g in grades),
        terms=_ints(policy.terms.longest(name) for name in policy.grade_names),
        tightens=_in(policy, policy.terms.tighten_when),
        forbidden=_in(policy, limits.forbid_increase.grades),
        passes=_in(policy, through.grades if through.enabled else ()),
        grid_bounds=_ints(r.up_to for r in limits.rounding if r.up_to is not None),
        grid_steps=_ints(r.step for r in limits.rounding),
        starter_limit=amounts(*(rule.starter_limit if rule else Decimal(0) for rule in starters)),
        starter_terms=_ints(policy.terms.offered(rule.starter_terms_days) if rule else 0 for rule in starters),
        down_to=amounts(*(rule.down_to if rule else Decimal(0) for rule in unused)),
        unused_days=_ints(int(rule.unused_months * _DAYS_A_MONTH) if rule else 0 for rule in unused),
        action=tuple(rule.action for rule in classes),
        formula=formula,
        stand_ins=stand_ins,
        at_most=dict(zip(most, amounts(*most.values()).T, strict=True)),
        literals=dict(zip(stated, amounts(*stated).T, strict=True)),
    )


def _stand_ins(policy: Policy, formula: Formula | None) -> Iterator[tuple[str, Literal]]:
    for name in formula.inputs if formula else ():
        rule = policy.input_rule(name)
        if rule.use is not None:
            yield name, constant(rule.use, INPUTS[name].kind, currency=policy.control_currency)


def _stated(formula: Formula | None, stand_ins: Mapping[str, Literal]) -> Iterator[Decimal]:
    """Each amount that stands in a formula or for one of its inputs, once."""
    nodes = [*(node for step in formula.steps for node in walk(step.tree)), *stand_ins.values()] if formula else []
    yield from dict.fromkeys(node.value for node in nodes if isinstance(node, Literal) and node.unit == MONEY)


RATE_USED = marked("{base} to {quote} at {rate} of {day} ({source})")
NO_RATE = marked("no rate from {base} to {quote} on {day}")


def _rate_used(policy: Policy, code: str, rates: RateTable | None, as_of: date) -> str:
    base = policy.control_currency
    if code == base or rates is None:
        return ""
    found = rates.factor(base=base, quote=code, on=as_of)
    return RATE_USED.format(base=base, quote=code, rate=found.rate, day=found.rate_date, source=found.source)


def _without_rate(policy: Policy, currencies: Sequence[str], rates: RateTable | None, as_of: date) -> list[tuple[int, str]]:
    found = []
    for c, code in enumerate(currencies):
        if code == policy.control_currency:
            continue
        reason = NO_RATE.format(base=policy.control_currency, quote=code or "(no currency)", day=as_of)
        try:
            if rates is None or code not in EXPONENTS:
                found.append((c, reason))
            else:
                rates.factor(base=policy.control_currency, quote=code, on=as_of)
        except MissingRate:
            found.append((c, reason))
    return found


def _converted(policy: Policy, amount: Decimal, *, to: str, rates: RateTable | None, as_of: date, moved: Fraction) -> int:
    minor = policy.minor(amount)
    if to == policy.control_currency or rates is None:
        return minor
    if moved == _UNMOVED:
        return rates.convert(minor, base=policy.control_currency, quote=to, on=as_of).minor
    factor = rates.factor(base=policy.control_currency, quote=to, on=as_of)
    return round(Fraction(minor * factor.numerator, factor.denominator) * moved)  # half-even, like every conversion


def _ints(values: Iterable[int]) -> Ints:
    return np.array(list(values), dtype=np.int64)


def _in(policy: Policy, names: tuple[str, ...]) -> Flags:
    return np.array([name in names for name in policy.grade_names], dtype=bool)
