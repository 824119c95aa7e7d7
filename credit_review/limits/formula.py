"""The policy's own limit formula over whole columns: each step's figure, and what policy says where an input is missing or too old."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from credit_review.limits import fixed
from credit_review.limits.arrays import PPM, Flags, Ints, Maybe, any_of, times
from credit_review.limits.codes import FORMULA, MISSING, STALE, UNDEFINED, Cap, substitute
from credit_review.limits.fixed import BY_ZERO, NOTHING, TOO_LARGE, Figures
from credit_review.limits.rows import Rows
from credit_review.limits.rules import Rules
from credit_review.policy.amounts import InputRule
from credit_review.policy.formula.compiled import Formula
from credit_review.policy.formula.tree import Among, Call, Choice, Literal, Name, Node
from credit_review.policy.formula.units import MONEY, Kind, Unit, Word
from credit_review.policy.formula.vocabulary import INPUTS, Input

_BITS = {name: np.int64(1 << number) for number, name in enumerate(INPUTS)}
_SEVERE = ("quarantine", "ask_documents", "no_increase")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What the formula gives the customers of `asked`. `limit` is unknown where it has no result and nothing may stand in.

    `figures` holds each input and step with its kind, in order; `lacks` the substitutes (`sales_12m:missing:no_increase`) and the customers
    they hold for.
    """

    asked: Flags
    limit: Maybe
    figures: Mapping[str, tuple[Kind, Maybe]]
    lacks: dict[str, Flags]


@dataclass(frozen=True, slots=True)
class _Inputs:
    """Figures and words of one bucket by name, which of them stand in for another, and which are missing because they are too old."""

    figures: dict[str, Figures]
    words: dict[str, tuple[Any, Ints]]
    stands_in: dict[str, Flags]
    stale: dict[str, Flags]


def outcome(formula: Formula, rows: Rows, rules: Rules, wanted: Flags) -> Outcome:
    """The formula for the customers of `wanted`; none of the others has a figure."""
    found = _inputs(formula, rows, rules)
    figures = dict(found.figures)
    for step in formula.steps:
        figures[step.name] = _computed(step.tree, figures, found.words, rows, rules)
    result = _full(figures[formula.steps[-1].name], len(rows))
    kinds = {name: INPUTS[name].kind for name in found.figures} | {step.name: step.kind for step in formula.steps}
    lacks, capped, severe = _lacks(formula, found, result, rows, rules, wanted)
    return Outcome(
        asked=wanted,
        limit=_limit(rows, rules, wanted, result, capped=capped, severe=any_of(len(rows), *severe.values())),
        figures={name: (kind, _maybe(_full(figures[name], len(rows)), wanted)) for name, kind in kinds.items()},
        lacks=lacks,
    )


def _limit(rows: Rows, rules: Rules, wanted: Flags, result: Figures, *, capped: Maybe, severe: Flags) -> Maybe:
    """The result; where only a lower ceiling stands in, need x need_factor up to that; never below nothing."""
    usual = times(np.maximum(rows.need.value, 0), rules.need_factor[rows.grade])
    instead = ~result.known & capped.known & ~severe & rows.need.known
    value = np.where(instead, np.minimum(usual, capped.value), np.maximum(result.value, 0))
    return Maybe.where(wanted & (result.known | instead), value)


def _lacks(
    formula: Formula, found: _Inputs, result: Figures, rows: Rows, rules: Rules, wanted: Flags
) -> tuple[dict[str, Flags], Maybe, dict[str, Flags]]:
    """Substitutes and their customers; the lower ceiling where one is to stand in; customers by each action that lets nothing stand in."""
    entries: dict[str, Flags] = {}
    none = np.zeros(len(wanted), dtype=bool)
    severe = {action: none for action in _SEVERE}
    ceiling = Maybe.where(none, np.zeros(len(wanted), dtype=np.int64))
    for name in formula.inputs:
        rule = rules.policy.input_rule(name)
        short = wanted & ((result.lacks & _BITS[name]) != 0)
        if rule.otherwise == "use":
            short = wanted & found.stands_in.get(name, none)
        elif rule.otherwise == "lower_ceiling":
            most = rules.at_most[name][rows.currency]
            ceiling = Maybe.where(ceiling.known | short, np.where(short, np.minimum(ceiling.otherwise(most), most), ceiling.value))
        else:
            severe[rule.otherwise] = severe[rule.otherwise] | short
        stale = found.stale.get(name, none)
        entries[substitute(name, MISSING, rule.otherwise)] = short & ~stale
        entries[substitute(name, STALE, rule.otherwise)] = short & stale
    undefined = wanted & ((result.lacks & (BY_ZERO | TOO_LARGE)) != 0)
    severe["no_increase"] = severe["no_increase"] | undefined
    entries[substitute(FORMULA, UNDEFINED, "no_increase")] = undefined
    idle = wanted & ceiling.known & ~any_of(len(wanted), *severe.values()) & ~rows.need.known
    needless = substitute(Cap.NEED, MISSING, rules.policy.limits.caps.need.otherwise)
    entries[needless] = entries.get(needless, none) | idle
    return {name: flags for name, flags in entries.items() if flags.any()}, ceiling, severe


def _full(one: Figures, size: int) -> Figures:
    return Figures(np.broadcast_to(one.value, (size,)), np.broadcast_to(one.lacks, (size,)))


def _maybe(one: Figures, wanted: Flags) -> Maybe:
    return Maybe.where(one.known & wanted, one.value)


# --- inputs


def _inputs(formula: Formula, rows: Rows, rules: Rules) -> _Inputs:
    found = _Inputs({}, {}, {}, {})
    for name in formula.inputs:
        one, rule = INPUTS[name], rules.policy.input_rule(name)
        old = _stale(rows, one, rule)
        if isinstance(one.kind, Word):
            texts = (rows.scores if one.where == "scores" else rows.features)[one.column]
            there = (texts != "").to_numpy(dtype=bool)
            found.words[name] = texts, np.where(there & ~old, NOTHING, _BITS[name])
        else:
            source = _source(rows, rules, name)
            there = source.known
            lacks = np.where(there & ~old, NOTHING, _BITS[name])
            found.figures[name] = Figures(np.where(there & ~old, source.value, 0), lacks).bounded()
            if rule.otherwise == "use" and rule.use is not None:
                found.stands_in[name] = ~found.figures[name].known
                found.figures[name] = fixed.first_known(found.figures[name], _constant(rules.stand_ins[name], rows, rules))
        found.stale[name] = old & there
    return found


def _stale(rows: Rows, one: Input, rule: InputRule) -> Flags:
    """Where the input is older than policy allows, or of unknown age."""
    if rule.max_age_days is None or not one.age:
        return np.zeros(len(rows), dtype=bool)
    age = rows.floats(one.age)
    old: Flags = np.isnan(age) | (age > rule.max_age_days)
    return old


def _source(rows: Rows, rules: Rules, name: str) -> Maybe:
    """An input as exact integers, however old."""
    one = INPUTS[name]
    if one.where == "need":
        return rows.need
    if one.where == "policy":
        by_grade = {"need_factor": rules.need_factor, "net_worth_fraction": rules.net_worth_fraction}
        value = rules.ceiling[rows.currency, rows.grade] if name == "ceiling" else by_grade[name][rows.grade]
        return Maybe.where(rows.graded, value)
    column = (rows.scores if one.where == "scores" else rows.features)[one.column]
    return Maybe.of(column) if one.kind == MONEY else _millionths(column)


def _millionths(column: Any) -> Maybe:
    """A number with six decimals, rounded half to even; unknown where it is missing or too large to be exact."""
    number = column.to_numpy(dtype=np.float64, na_value=np.nan)
    scaled = np.rint(number * PPM)
    known = np.abs(scaled) <= float(2**53)
    return Maybe.where(known, np.where(known, scaled, 0).astype(np.int64))


# --- the tree


def _computed(node: Node, figures: Mapping[str, Figures], words: Mapping[str, tuple[Any, Ints]], rows: Rows, rules: Rules) -> Figures:
    match node:
        case Literal():
            return _constant(node, rows, rules)
        case Name():
            return figures[node.name]
        case Among():
            texts, lacks = words[node.word.name]
            return fixed.truth(texts.isin(node.texts).to_numpy(dtype=bool) != node.negated, lacks)
        case Call(name="known", parts=(Name(name=name),)) if name in words:
            return fixed.truth(words[name][1] == NOTHING, np.zeros(len(rows), dtype=np.int64))
        case Choice():
            return fixed.chosen(*(_computed(part, figures, words, rows, rules) for part in (node.condition, node.then, node.otherwise)))
        case Call():
            return _called(node.name, [_computed(part, figures, words, rows, rules) for part in node.parts])


def _constant(node: Literal, rows: Rows, rules: Rules) -> Figures:
    """A figure of the policy's text; an amount is converted to each account's currency as all amounts of the policy are."""
    if node.unit == MONEY:
        return Figures(rules.literals[node.value][rows.currency], np.zeros(len(rows), dtype=np.int64)).bounded()
    return fixed.plain(int(node.value * PPM))


_BINARY: dict[str, Callable[[Figures, Figures], Figures]] = {
    "+": fixed.added,
    "*": fixed.product,
    "/": fixed.quotient,
    "and": fixed.both,
    "or": fixed.either,
    "min": lambda a, b: fixed.extreme(np.minimum, a, b),
    "max": lambda a, b: fixed.extreme(np.maximum, a, b),
    "first_known": fixed.first_known,
}
_COMPARES: dict[str, Callable[[Any, Any], Any]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "=": operator.eq, "!=": operator.ne,
}  # fmt: skip


def _called(name: str, parts: list[Figures]) -> Figures:
    first, *others = parts
    if name == "known":
        return fixed.truth(first.known, np.zeros_like(first.lacks))
    if name == "not":
        return fixed.truth(first.value == 0, first.lacks)
    if name == "-":
        return fixed.added(first, fixed.negative(others[0])) if others else fixed.negative(first)
    if name in _COMPARES:
        return fixed.truth(_COMPARES[name](first.value, others[0].value), first.lacks | others[0].lacks)
    for other in others:
        first = _BINARY[name](first, other)
    return first


def shown(kind: Kind) -> str:
    """How a derivation marks a figure: `money` is in minor units, all others in millionths."""
    if isinstance(kind, Unit):
        return next((name for name, unit in _MARKS.items() if unit == kind), "other")
    return "truth"


_MARKS = {"money": MONEY, "number": Unit(), "days": Unit(days=1), "months": Unit(months=1)}
