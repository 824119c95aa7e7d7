"""A formula of named steps, read and checked: each step may use inputs and the steps before it, and the last one is the limit."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from credit_review.policy.formula.checking import FUNCTIONS, kind_of
from credit_review.policy.formula.reading import KEYWORDS, read
from credit_review.policy.formula.tree import Fault, Literal, Node, names
from credit_review.policy.formula.units import MONEY, Kind, Unit, Word
from credit_review.policy.formula.vocabulary import GRADE, INPUTS
from credit_review.words import said

RESULT = "limit"
_STEP = re.compile(r"[a-z][a-z0-9_]{0,40}\Z")
_TAKEN = {*INPUTS, *FUNCTIONS, *KEYWORDS, "day", "days", "month", "months"}


@dataclass(frozen=True, slots=True)
class FormulaStep:
    """One step: its name, its text as written, its tree, and what its result is."""

    name: str
    text: str
    tree: Node
    kind: Kind


@dataclass(frozen=True, slots=True)
class Formula:
    """A sound formula; `inputs` are those of the vocabulary that it uses, in order. The result is the last step, in money."""

    steps: tuple[FormulaStep, ...]
    inputs: tuple[str, ...]


class StepFault(Exception):
    """A fault of one step; `at` is None where the step's name is wrong rather than its text."""

    def __init__(self, step: str, text: str, at: int | None = None) -> None:
        super().__init__(text)
        self.step, self.text, self.at = step, text, at


def compiled(texts: Mapping[str, str], *, currency: str, grades: Iterable[str], statuses: Iterable[str]) -> Formula:
    """The formula of these steps, in order. Raises StepFault for the first step that is not sound, with what was expected."""
    scope = vocabulary(grades=grades, statuses=statuses)
    steps: list[FormulaStep] = []
    for name, text in texts.items():
        _proper(name)
        try:
            tree = read(text)
            kind = kind_of(tree, scope, currency=currency)
        except Fault as fault:
            raise StepFault(name, fault.text, fault.at) from None
        if isinstance(kind, Word):
            raise StepFault(name, said("a step that is only a word; expected a figure, or a comparison"), 0)
        steps.append(FormulaStep(name, text, tree, kind))
        scope[name] = kind
    _ends(steps)
    used = dict.fromkeys(name for step in steps for name in names(step.tree))
    return Formula(tuple(steps), tuple(name for name in used if name in INPUTS))


def vocabulary(*, grades: Iterable[str], statuses: Iterable[str]) -> dict[str, Kind]:
    """The kind of each input, words with the values that this policy knows."""
    kinds = {name: one.kind for name, one in INPUTS.items()}
    return kinds | {GRADE: Word(tuple(grades)), "status": Word(tuple(statuses))}


def constant(text: str, unit: Kind, *, currency: str) -> Literal:
    """A plain figure such as `0 EUR` or `-30 days`. Raises Fault unless it is one of `unit`."""
    negative = text.strip().startswith("-")
    tree = read(text.strip().removeprefix("-"))
    if not isinstance(tree, Literal) or kind_of(tree, {}, currency=currency) != unit:
        raise Fault(0, said("expected one figure: {unit}", unit=unit.words))
    return replace(tree, value=-tree.value) if negative else tree


def _proper(name: str) -> None:
    if not _STEP.match(name):
        raise StepFault(name, said("not a name for a step; expected small letters, digits and _, such as by_need"))
    if name in _TAKEN:
        raise StepFault(name, said("an input or word of the language has this name; expected another one for the step"))


def _ends(steps: list[FormulaStep]) -> None:
    if not steps or steps[-1].name != RESULT:
        raise StepFault(steps[-1].name if steps else RESULT, said("expected the last step to be called limit"))
    kind = steps[-1].kind
    if not isinstance(kind, Unit) or kind != MONEY:
        raise StepFault(RESULT, said("the limit is {kind}; expected money", kind=kind.words), 0)
