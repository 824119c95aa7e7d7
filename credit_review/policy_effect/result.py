"""The answer of a policy diff: fields of the text that differ, and for each review what would have come out otherwise."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import pandas as pd

from credit_review.authority import Matrix
from credit_review.policy import Policy
from credit_review.policy_effect.difference import CONTROL, Tally
from credit_review.policy_effect.later import BAD, Later

WITHOUT = "nothing"
"""How a field that one of the two policies lacks is written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """A document as it was compared: what people call it, its version line and the SHA-256 of its text."""

    name: str
    version: str
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A field that differs, its path with dots, and its two values as they are written."""

    path: str
    before: str
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OnReview:
    """The difference on one review. `known` is the day of the newest ledger that says what came later, `why_unknown` that none can.

    `largest` are rows of MOVED, and `customer` (its name), largest differences in control currency first; `listed` is how many customers
    differ in all.
    """

    review_id: str
    label: str
    as_of: date
    known: date | None
    why_unknown: str
    tally: Tally
    largest: pd.DataFrame
    listed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyDiff:
    """A policy change on the newest reviews, oldest first. `day` is the day of asking: approvers are those who hold a tier on it."""

    before: Text
    after: Text
    matrix_before: Text
    matrix_after: Text
    control_currency: str
    grades: tuple[str, ...]
    day: date
    fields: tuple[Field, ...]
    reviews: tuple[OnReview, ...]


def changed_fields(before: Policy | Matrix, after: Policy | Matrix) -> tuple[Field, ...]:
    """Fields of two policies or two matrices that differ, by path."""
    one, other = dict(_leaves(before.model_dump(mode="json"), "")), dict(_leaves(after.model_dump(mode="json"), ""))
    paths = [*one, *(path for path in other if path not in one)]
    pairs = ((path, one.get(path, WITHOUT), other.get(path, WITHOUT)) for path in paths)
    return tuple(Field(path=path, before=old, after=new) for path, old, new in pairs if old != new)


def _leaves(value: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for name, part in value.items():
            yield from _leaves(part, f"{path}.{name}" if path else str(name))
    elif isinstance(value, list) and any(isinstance(part, Mapping) for part in value):
        for at, part in enumerate(value):
            yield from _leaves(part, f"{path}[{at + 1}]")
    elif isinstance(value, list):
        yield path, ", ".join(str(part) for part in value) or "[]"
    else:
        yield path, "null" if value is None else str(value)


def plain(found: PolicyDiff) -> dict[str, Any]:
    """The diff as JSON values; amounts are minor units, `control` of the control currency."""
    texts = ("before", "after", "matrix_before", "matrix_after")
    return {
        **{name: {"name": one.name, "version": one.version, "digest": one.digest} for name in texts for one in (getattr(found, name),)},
        "control_currency": found.control_currency,
        "day": found.day.isoformat(),
        "fields": [{"field": one.path, "before": one.before, "after": one.after} for one in found.fields],
        "reviews": [_plain_review(one) for one in found.reviews],
    }


def _plain_review(one: OnReview) -> dict[str, Any]:
    tally = one.tally
    money: dict[str, dict[str, int]] = {}
    for (currency, name), n in sorted(tally.money.items()):
        money.setdefault(currency, {})[name] = n
    rules: dict[str, dict[str, int]] = {}
    for (code, name), n in sorted(tally.rules.items()):
        rules.setdefault(code, {})[name] = n
    return {
        "review": one.review_id,
        "label": one.label,
        "as_of": one.as_of.isoformat(),
        "counts": {name: int(tally.size[name]) for name in SIZES},
        "money": money,
        "grades": _pairs(tally.grades),
        "states": _pairs(tally.states),
        "tiers": _pairs(tally.ways),
        "approvers": _pairs(tally.approvers),
        "notices": [
            {"policy": side, "working_days": days, "count": n, "control_minor": tally.notices[(side, days, "minor")]}
            for (side, days, what), n in sorted(tally.notices.items())
            if what == "count"
        ],
        "rules": rules,
        "outcomes": {
            "known_to": one.known.isoformat() if one.known else None,
            "why_unknown": str(one.why_unknown) or None,
            "counts": [{"limit": way, "later": what, "count": n} for (way, what), n in sorted(tally.outcomes.items())],
        },
        "listed": one.listed,
    }


SIZES = (
    "customers", "reviewed_before", "reviewed_after", "moved", "up", "down", "terms", "grade", "better", "worse", "state", "tier",
    "approver", "notice",
)  # fmt: skip
"""Counts of a tally, in the order in which they are told."""


def _pairs(counted: Mapping[tuple[str, str], int]) -> list[dict[str, Any]]:
    return [{"before": old, "after": new, "count": n} for (old, new), n in sorted(counted.items())]


def currencies(tally: Tally) -> list[str]:
    """Currencies of the customers reviewed, in order; `control` is not among them."""
    return sorted({currency for currency, _ in tally.money} - {CONTROL})


def rules_otherwise(tally: Tally) -> list[str]:
    """Codes of rules that fired for other customers, those for the most customers first."""
    by = {code: tally.rules[(code, "gone")] + tally.rules[(code, "new")] for code, _ in tally.rules}
    return sorted((code for code, n in by.items() if n), key=lambda code: (-by[code], code))


def bad_of(tally: Tally, movement: str) -> tuple[int, int]:
    """Of the customers of a movement whose outcome is known: how many had it, and how many there are."""
    bad = sum(tally.outcomes[(movement, str(one))] for one in BAD)
    return bad, bad + tally.outcomes[(movement, str(Later.GOOD))]
