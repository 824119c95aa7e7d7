"""A formula as a tree: what `reading` makes of the text, `checking` proves sound, and the limit engine computes over whole columns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from credit_review.policy.formula.units import Unit


class Fault(Exception):
    """What is wrong with a formula, and where: `at` counts characters of the formula from 0. The policy's check words the place."""

    def __init__(self, at: int, text: str) -> None:
        super().__init__(text)
        self.at = at
        self.text = text


@dataclass(frozen=True, slots=True)
class Literal:
    """A number with its unit: `1.5`, `30 days`, `5%` (which is 0.05), `100000 EUR` (major units)."""

    at: int
    value: Decimal
    unit: Unit
    currency: str = ""


@dataclass(frozen=True, slots=True)
class Name:
    """An input of the vocabulary, or an earlier step of the same formula."""

    at: int
    name: str


@dataclass(frozen=True, slots=True)
class Among:
    """Whether a word, such as the grade, is one of `texts`; `at_texts` are their places."""

    at: int
    word: Name
    texts: tuple[str, ...]
    at_texts: tuple[int, ...]
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Call:
    """An operator (`+`, `and`, `<=`, `not`, `-` of one) or a function (`min`, `known`) of other parts."""

    at: int
    name: str
    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """`if condition then this else other`."""

    at: int
    condition: Node
    then: Node
    otherwise: Node


Node = Literal | Name | Among | Call | Choice


def walk(node: Node) -> Iterator[Node]:
    """The node and everything in it."""
    yield node
    match node:
        case Among():
            yield node.word
        case Call():
            for part in node.parts:
                yield from walk(part)
        case Choice():
            for part in (node.condition, node.then, node.otherwise):
                yield from walk(part)


def names(node: Node) -> tuple[str, ...]:
    """The names a formula uses, each once, in the order of the text."""
    return tuple(dict.fromkeys(part.name for part in walk(node) if isinstance(part, Name)))
