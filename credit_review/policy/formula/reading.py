"""A formula's text as a tree. Nothing is executed: the grammar below is all there is, and what it does not know is refused with its place.

formula  = "if" formula "then" formula "else" formula | or
or       = and {"or" and}              and = not {"and" not}            not = "not" not | compared
compared = sum [("<" | "<=" | ">" | ">=" | "=" | "!=") sum | ["not"] "in" "[" text {"," text} "]"]
sum      = product {("+" | "-") product}                  product = signed {("*" | "/") signed}
signed   = "-" signed | number [unit] | name | name "(" formula {"," formula} ")" | "(" formula ")"
unit     = "%" | "day" | "days" | "month" | "months" | an ISO 4217 code
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import NoReturn

from credit_review.model.money import EXPONENTS
from credit_review.policy.formula.tree import Among, Call, Choice, Fault, Literal, Name, Node
from credit_review.policy.formula.units import DAYS, MONEY, MONTHS, NUMBER
from credit_review.words import marked, said

MOST_CHARACTERS = 2_000
MOST_PARTS = 200
DEEPEST = 20
MOST_DECIMALS = 6
LARGEST = Decimal(9_000_000_000)
LARGEST_AMOUNT = Decimal(90_000_000_000_000)

KEYWORDS = ("if", "then", "else", "and", "or", "not", "in")
_TOKEN = re.compile(
    r"\s*(?:(?P<number>[0-9][0-9_]*(?:\.[0-9]+)?)|(?P<name>[A-Za-z_][A-Za-z0-9_]*)"
    r"|(?P<text>\"[^\"\n]*\"|'[^'\n]*')|(?P<sign><=|>=|!=|==|[-+*/<>=(),%\[\]]))"
)
_UNITS = {"day": DAYS, "days": DAYS, "month": MONTHS, "months": MONTHS}
_COMPARES = ("<", "<=", ">", ">=", "=", "==", "!=")
_LEVELS: tuple[tuple[str, ...], ...] = (("or",), ("and",), ("+", "-"), ("*", "/"))
_SUM = 2


@dataclass(frozen=True, slots=True)
class _Token:
    at: int
    kind: str  # number, name, text, sign, end
    text: str


def read(text: str) -> Node:
    """The tree of a formula. Raises Fault with the place of what cannot be read, and what was expected there."""
    parser = _Parser(_tokens(text))
    tree = parser.formula()
    parser.expect_end()
    return tree


def _tokens(text: str) -> list[_Token]:
    if len(text) > MOST_CHARACTERS:
        raise Fault(0, said("{count} characters; expected at most {most}", count=len(text), most=MOST_CHARACTERS))
    out: list[_Token] = []
    at = 0
    while text[at:].strip():
        found = _TOKEN.match(text, at)
        if found is None:
            at += len(text[at:]) - len(text[at:].lstrip())
            raise Fault(at, said("{sign} has no meaning here; expected names, numbers, operators and brackets", sign=repr(text[at])))
        kind = str(found.lastgroup)
        out.append(_Token(found.start(kind), kind, found.group(kind)))
        at = found.end()
    if len(out) > MOST_PARTS:
        raise Fault(out[MOST_PARTS].at, said("a formula of {count} parts; expected at most {most}", count=len(out), most=MOST_PARTS))
    return [*out, _Token(len(text), "end", "")]


class _Parser:
    def __init__(self, tokens: list[_Token]) -> None:
        self.tokens = tokens
        self.here = 0
        self.depth = 0

    @property
    def token(self) -> _Token:
        return self.tokens[self.here]

    def take(self, *texts: str) -> _Token | None:
        """The next token if it is one of these signs or keywords."""
        token = self.token
        if token.kind not in ("sign", "name") or token.text not in texts:
            return None
        self.here += 1
        return token

    def need(self, text: str, *, after: str) -> None:
        if not self.take(text):
            self.refuse(said("{sign} after {what}", sign=repr(text), what=after))

    def refuse(self, expected: str) -> NoReturn:
        token = self.token
        got = said("the end of the formula") if token.kind == "end" else repr(token.text)
        raise Fault(token.at, said("found {got}; expected {expected}", got=got, expected=expected))

    def expect_end(self) -> None:
        if self.token.kind != "end":
            self.refuse(said("an operator or the end of the formula"))

    def formula(self) -> Node:
        self.depth += 1
        if self.depth > DEEPEST:
            raise Fault(self.token.at, said("nested deeper than {most} levels; expected named steps instead", most=DEEPEST))
        start = self.take("if")
        tree = self.choice(start.at) if start else self.level(0)
        self.depth -= 1
        return tree

    def choice(self, at: int) -> Node:
        condition = self.formula()
        self.need("then", after=said("the condition"))
        then = self.formula()
        self.need("else", after=said("the figure"))
        return Choice(at, condition, then, self.formula())

    def level(self, number: int) -> Node:
        """Operators of one level, from left to right; `not` and comparisons bind between `and` and sums."""
        if number == len(_LEVELS):
            return self.signed()
        inner = self.negated if number == _SUM - 1 else lambda: self.level(number + 1)
        left = inner()
        while operator := self.take(*_LEVELS[number]):
            left = Call(operator.at, operator.text, (left, inner()))
        return left

    def negated(self) -> Node:
        signs = []
        while sign := self.take("not"):
            signs.append(sign)
        tree = self.compared()
        for sign in reversed(signs):
            tree = Call(sign.at, "not", (tree,))
        return tree

    def compared(self) -> Node:
        left = self.level(_SUM)
        sign = self.take(*_COMPARES, "in", "not")
        if sign is None:
            return left
        if sign.text in ("in", "not"):
            if sign.text == "not":
                self.need("in", after="'not'")
            return self.among(left, sign, negated=sign.text == "not")
        operator = "=" if sign.text == "==" else sign.text
        if self.token.kind == "text":
            if operator not in ("=", "!="):
                raise Fault(sign.at, said("words have no order; expected = or !="))
            text = self.text()
            return Among(sign.at, self.word(left, sign.at), (text[1],), (text[0],), operator == "!=")
        return Call(sign.at, operator, (left, self.level(_SUM)))

    def among(self, left: Node, sign: _Token, *, negated: bool) -> Node:
        word = self.word(left, sign.at)
        self.need("[", after="'in'")
        found = [self.text()]
        while self.take(","):
            found.append(self.text())
        self.need("]", after=said("the words"))
        return Among(sign.at, word, tuple(t for _, t in found), tuple(at for at, _ in found), negated)

    def word(self, node: Node, at: int) -> Name:
        if not isinstance(node, Name):
            raise Fault(at, said("only a name can be compared with words; expected one such as grade on the left"))
        return node

    def text(self) -> tuple[int, str]:
        token = self.token
        if token.kind != "text":
            self.refuse(said('a word in quotes, such as "A"'))
        self.here += 1
        return token.at, token.text[1:-1]

    def signed(self) -> Node:
        signs = []
        while sign := self.take("-"):
            signs.append(sign)
        tree = self.atom()
        for sign in reversed(signs):
            tree = Call(sign.at, "-", (tree,))
        return tree

    def atom(self) -> Node:
        token = self.token
        if token.kind == "number":
            self.here += 1
            return self.literal(token)
        if token.kind == "name" and token.text not in KEYWORDS:
            self.here += 1
            return self.call(token) if self.take("(") else Name(token.at, token.text)
        if self.take("("):
            tree = self.formula()
            self.need(")", after=said("the formula in brackets"))
            return tree
        self.refuse(said("a number, a name or a bracket"))

    def call(self, name: _Token) -> Node:
        parts = [self.formula()]
        while self.take(","):
            parts.append(self.formula())
        self.need(")", after=said("the arguments of {name}", name=name.text))
        return Call(name.at, name.text, tuple(parts))

    def literal(self, token: _Token) -> Node:
        value = Decimal(token.text.replace("_", ""))
        unit, currency, decimals, largest = NUMBER, "", MOST_DECIMALS, LARGEST
        after = self.token
        if self.take("%"):
            value /= 100
        elif after.kind == "name" and after.text in _UNITS:
            self.here += 1
            unit = _UNITS[after.text]
        elif after.kind == "name" and after.text not in KEYWORDS:
            self.here += 1
            unit, currency, largest = MONEY, after.text, LARGEST_AMOUNT
            if currency not in EXPONENTS:
                unknown = marked("unknown unit {unit}; expected days, months, % or a currency such as EUR")
                raise Fault(after.at, said(unknown, unit=repr(after.text)))
            decimals = EXPONENTS[currency]
        if value != round(value, decimals):
            raise Fault(token.at, said("{number} has more than {most} decimals; expected fewer", number=token.text, most=decimals))
        if value > largest:
            raise Fault(token.at, said("{number} is too large; expected at most {most}", number=token.text, most=largest))
        return Literal(token.at, value, unit, currency)
