"""A plain interpreter of formulas for tests: one customer at a time, Python integers of any size, None for missing. Shares no code with
the engine but the tree."""

from __future__ import annotations

from fractions import Fraction
from math import floor

from credit_review.policy.formula.tree import Among, Call, Choice, Literal, Name
from credit_review.policy.formula.units import MONEY

LARGEST = 2**53 - 1


def value(node, facts, cents):
    """The figure: an int in minor units (money) or millionths (all else), a bool, or None. `cents` is minor units a major one."""
    match node:
        case Literal():
            return int(node.value * (cents if node.unit == MONEY else 1_000_000))
        case Name():
            return facts[node.name]
        case Among():
            word = facts[node.word.name]
            return None if word in (None, "") else (word in node.texts) != node.negated
        case Choice():
            condition = value(node.condition, facts, cents)
            return None if condition is None else value(node.then if condition else node.otherwise, facts, cents)
        case Call(name="known"):
            return value(node.parts[0], facts, cents) not in (None, "")
        case Call(name="and" | "or"):
            return logic(node.name, [value(part, facts, cents) for part in node.parts])
        case Call(name="first_known"):
            return next((v for part in node.parts if (v := value(part, facts, cents)) is not None), None)
        case Call():
            parts = [value(part, facts, cents) for part in node.parts]
            return None if None in parts else within(arithmetic(node.name, parts))


def logic(name, parts):
    settles = name == "or"
    if settles in parts:
        return settles
    return None if None in parts else not settles


def within(found):
    return None if found is None or (not isinstance(found, bool) and abs(found) > LARGEST) else found


def arithmetic(name, parts):
    first, *others = parts
    if not others:
        return not first if name == "not" else -first
    second = others[0]
    match name:
        case "+":
            return first + second
        case "-":
            return first - second
        case "*":
            return first * second // 1_000_000
        case "/":
            return None if second == 0 else floor(Fraction(first * 1_000_000, second))
        case "min" | "max":
            return {"min": min, "max": max}[name](parts)
        case _:
            return {"<": first < second, "<=": first <= second, ">": first > second, ">=": first >= second, "=": first == second,
                    "!=": first != second}[name]  # fmt: skip
