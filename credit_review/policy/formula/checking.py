"""Whether a formula is sound: each name is known, and money, days, months and plain numbers are only mixed in ways that mean something."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches

from credit_review.policy.formula.tree import Among, Call, Choice, Fault, Literal, Name, Node
from credit_review.policy.formula.units import MONEY, NUMBER, Kind, Truth, Unit, Word
from credit_review.words import marked, said

FUNCTIONS = ("min", "max", "first_known", "known")
"""`min` and `max` of figures of one unit; `first_known`: the first that is not missing; `known`: whether a figure is there."""

_ORDER = ("<", "<=", ">", ">=", "=", "!=")


def kind_of(node: Node, scope: Mapping[str, Kind], *, currency: str) -> Kind:
    """The kind of a formula's result; `scope` holds inputs and earlier steps, `currency` is that of the policy's amounts.

    Raises Fault with the place of the first part that has no meaning, what was expected, and for an unknown name the nearest known one.
    """
    match node:
        case Literal():
            return _literal(node, currency)
        case Name():
            return _named(node, scope)
        case Among():
            return _among(node, scope)
        case Choice():
            return _choice(node, scope, currency)
        case Call():
            return _call(node, scope, currency)


def nearest(name: str, known: Iterable[str]) -> str:
    """What to say of a name nobody knows: the nearest one, or some of those there are."""
    names = list(known)
    close = get_close_matches(name, names, n=1, cutoff=0.6)
    if close:
        return said("did you mean {nearest}?", nearest=close[0])
    shown = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
    return said("expected one of {names}", names=shown)


def _literal(node: Literal, currency: str) -> Kind:
    if node.unit == MONEY and node.currency != currency:
        more = marked("an amount in {got}; expected one in {currency}, as all amounts of the policy")
        raise Fault(node.at, said(more, got=node.currency, currency=currency))
    return node.unit


def _named(node: Name, scope: Mapping[str, Kind]) -> Kind:
    if node.name not in scope:
        raise Fault(node.at, said("unknown name {name}; {hint}", name=repr(node.name), hint=nearest(node.name, scope)))
    return scope[node.name]


def _among(node: Among, scope: Mapping[str, Kind]) -> Kind:
    kind = _named(node.word, scope)
    if not isinstance(kind, Word):
        raise Fault(node.at, said("{name} is {kind}; expected a word such as grade before words", name=node.word.name, kind=kind.words))
    for at, text in zip(node.at_texts, node.texts, strict=True):
        if kind.values and text not in kind.values:
            raise Fault(at, said("{word} is never {text}; {hint}", word=node.word.name, text=repr(text), hint=nearest(text, kind.values)))
    return Truth()


def _choice(node: Choice, scope: Mapping[str, Kind], currency: str) -> Kind:
    condition = kind_of(node.condition, scope, currency=currency)
    if not isinstance(condition, Truth):
        raise Fault(node.condition.at, said("the condition is {kind}; expected true or false, such as a comparison", kind=condition.words))
    return _same((node.then, node.otherwise), scope, currency)


def _call(node: Call, scope: Mapping[str, Kind], currency: str) -> Kind:
    match node.name:
        case "and" | "or" | "not":
            for part in node.parts:
                kind = kind_of(part, scope, currency=currency)
                if not isinstance(kind, Truth):
                    raise Fault(
                        part.at, said("{kind} beside {operator}; expected true or false", kind=kind.words, operator=repr(node.name))
                    )
            return Truth()
        case "*" | "/":
            return _product(node, scope, currency)
        case "+" | "-":
            return _same(node.parts, scope, currency)
        case operator if operator in _ORDER:
            _same(node.parts, scope, currency)
            return Truth()
    return _function(node, scope, currency)


def _function(node: Call, scope: Mapping[str, Kind], currency: str) -> Kind:
    if node.name not in FUNCTIONS:
        raise Fault(node.at, said("unknown function {name}; {hint}", name=repr(node.name), hint=nearest(node.name, FUNCTIONS)))
    if node.name == "known":
        if len(node.parts) != 1:
            raise Fault(node.at, said("known takes one figure; got {count}", count=len(node.parts)))
        kind = kind_of(node.parts[0], scope, currency=currency)
        if isinstance(kind, Truth):
            raise Fault(node.at, said("known takes a figure or a word; got true or false"))
        return Truth()
    if len(node.parts) < 2:
        raise Fault(node.at, said("{name} of one figure is that figure; expected two or more", name=node.name))
    return _same(node.parts, scope, currency)


def _product(node: Call, scope: Mapping[str, Kind], currency: str) -> Unit:
    left, right = (_figure(part, scope, currency) for part in node.parts)
    unit = left.times(right) if node.name == "*" else left.over(right)
    if not unit.computable:
        pair = said("{left} {operator} {right}", left=left.words, operator=node.name, right=right.words)
        raise Fault(node.at, said("{pair} has no meaning; expected money or days, * or / plain numbers", pair=pair))
    return unit


def _same(parts: Iterable[Node], scope: Mapping[str, Kind], currency: str) -> Unit:
    """The one unit of all parts."""
    first, *others = parts
    unit = _figure(first, scope, currency)
    for part in others:
        other = _figure(part, scope, currency)
        if other != unit:
            raise Fault(part.at, said("{right} beside {left}; expected {left}", right=_article(other), left=_article(unit)))
    return unit


def _article(unit: Unit) -> str:
    return said("a plain number such as a factor") if unit == NUMBER else unit.words


def _figure(node: Node, scope: Mapping[str, Kind], currency: str) -> Unit:
    kind = kind_of(node, scope, currency=currency)
    if not isinstance(kind, Unit):
        raise Fault(node.at, said("{kind} where a figure is needed; expected money, days, months or a plain number", kind=kind.words))
    return kind
