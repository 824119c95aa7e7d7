"""The policy's own limit formula, worked out for one customer from its text: the second way, which shares no code with the engine.

Written from docs/policy-reference.md, section "A limit formula of your own". A figure is an integer (minor units of money, millionths of
all else), a text, true or false; one that is missing is the set of the inputs it lacks.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from fractions import Fraction as F
from typing import Any

UNDEFINED = "formula"
"""What a figure lacks that divides by zero or is too large."""

_LARGEST = 2**53 - 1
_PIECE = re.compile(r"""\s*([0-9][0-9_]*(?:\.[0-9]+)?|\w+|"[^"]*"|'[^']*'|<=|>=|!=|==|[^\s])""")
_BINDS = {
    "or": 1, "and": 2, "in": 4, "not": 4, "<": 4, "<=": 4, ">": 4, ">=": 4, "=": 4, "==": 4, "!=": 4, "+": 5, "-": 5, "*": 6, "/": 6,
}  # fmt: skip


def own_formula(steps: Mapping[str, str], facts: Mapping[str, Any], money: Callable[[str], int]) -> Any:
    """The last step's figure. `facts` holds the inputs by name, `money` turns an amount of the policy into minor units."""
    known = dict(facts)
    for name, text in steps.items():
        known[name] = _Worked(text, known, money).whole(0)
    return known[list(steps)[-1]]


class _Worked:
    """One step, worked out while it is read."""

    def __init__(self, text: str, known: Mapping[str, Any], money: Callable[[str], int]) -> None:
        self.pieces = [*_PIECE.findall(text.strip()), ""]
        self.at = 0
        self.known = known
        self.money = money

    def next(self) -> str:
        self.at += 1
        return str(self.pieces[self.at - 1])

    def whole(self, least: int) -> Any:
        """A figure and what follows it that binds tighter than `least`."""
        left = self.first()
        while _BINDS.get(self.pieces[self.at], 0) > least:
            sign = self.next()
            if sign in ("in", "not"):
                wanted = sign == "in" or not self.next()
                left = left if isinstance(left, frozenset) else (left in self.words()) is wanted
            else:
                left = _of_two(sign, left, self.whole(_BINDS[sign]))
        return left

    def words(self) -> list[str]:
        inside: list[str] = []
        while (piece := self.next()) != "]":
            inside += [piece[1:-1]] if piece[0] in "\"'" else []
        return inside

    def first(self) -> Any:
        piece = self.next()
        if piece == "(":
            inside = self.whole(0)
            self.next()
            return inside
        if piece == "if":
            return self.choice()
        if piece == "not":
            inside = self.whole(3)
            return inside if isinstance(inside, frozenset) else not inside
        if piece == "-":
            inside = self.first()
            return inside if isinstance(inside, frozenset) else -inside
        if piece[0] in "\"'":
            return piece[1:-1]
        return self.number(piece) if piece[0].isdigit() else self.named(piece)

    def choice(self) -> Any:
        condition = self.whole(0)
        self.next()
        then = self.whole(0)
        self.next()
        other = self.whole(0)
        return condition if isinstance(condition, frozenset) else then if condition else other

    def number(self, piece: str) -> int:
        digits, unit = piece.replace("_", ""), self.pieces[self.at]
        if unit == "%" or unit in ("day", "days", "month", "months"):
            self.at += 1
            return int(F(digits) * (10_000 if unit == "%" else 1_000_000))
        if re.fullmatch(r"[A-Z]{3}", unit):
            self.at += 1
            return self.money(digits)
        return int(F(digits) * 1_000_000)

    def named(self, name: str) -> Any:
        if self.pieces[self.at] != "(":
            return self.known[name]
        values = []
        while self.next() in ("(", ","):
            values.append(self.whole(0))
        lacks = [one for one in values if isinstance(one, frozenset)]
        there = [one for one in values if not isinstance(one, frozenset)]
        if name == "known":
            return not lacks
        if name == "first_known":
            return there[0] if there else frozenset().union(*lacks)
        return frozenset().union(*lacks) if lacks else {"min": min, "max": max}[name](there)


def _of_two(sign: str, left: Any, right: Any) -> Any:
    lacks = [one for one in (left, right) if isinstance(one, frozenset)]
    if sign in ("and", "or"):
        if any(one is (sign == "or") for one in (left, right)):
            return sign == "or"
        return frozenset().union(*lacks) if lacks else sign == "and"
    if lacks:
        return frozenset().union(*lacks)
    if sign == "/":
        return frozenset({UNDEFINED}) if right == 0 else _within(left * 1_000_000 // right)
    if sign in ("+", "-", "*"):
        return _within({"+": left + right, "-": left - right, "*": left * right // 1_000_000}[sign])
    return {"<": left < right, "<=": left <= right, ">": left > right, ">=": left >= right}[sign] if sign[0] in "<>" else (
        (left == right) is (sign != "!=")
    )  # fmt: skip


def _within(figure: int) -> Any:
    return figure if abs(figure) <= _LARGEST else frozenset({UNDEFINED})
