"""Which items are in a sample: decided by population, plan and seed alone, so that anybody draws it again (docs/audit/sampling.md)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from enum import StrEnum
from hashlib import sha256
from math import ceil
from typing import Any

from credit_review.errors import BadInput
from credit_review.sampling.population import TRAITS, Item
from credit_review.sampling.sizes import BY_FREQUENCY, Frequency, attribute_size, interval, poisson_size, require_sound
from credit_review.words import said


class Method(StrEnum):
    """How a sample is drawn."""

    ATTRIBUTE = "attribute"
    MONETARY_UNIT = "monetary-unit"
    STRATIFIED = "stratified"
    TARGETED = "targeted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What decides a sample beside its population. Rates are fractions: of items, or of the amount for a monetary-unit sample.

    `seed` is any text, best chosen by the auditor once the population is frozen. `by` is the trait that makes strata, `where` what items a
    targeted sample picks from (trait: value), `largest` how many of those at most, `currency` the only one to look at, `frequency` how
    often the control runs, where the customary size for that is wanted instead of a computed one.
    """

    method: Method
    seed: str
    confidence: Decimal = Decimal("0.95")
    tolerable: Decimal = Decimal("0.05")
    expected: Decimal = Decimal(0)
    by: str = ""
    where: tuple[tuple[str, str], ...] = ()
    largest: int | None = None
    currency: str = ""
    frequency: Frequency | None = None

    def facts(self) -> dict[str, Any]:
        """The plan as the record and sample.json have it: rates as decimal text."""
        rates = {name: str(getattr(self, name)) for name in ("confidence", "tolerable", "expected")}
        return {**asdict(self), **rates, "method": str(self.method), "where": [list(one) for one in self.where]}

    @classmethod
    def read(cls, facts: Mapping[str, Any]) -> Plan:
        """The plan of these facts. Raises BadInput."""
        try:
            rates = {name: Decimal(facts[name]) for name in ("confidence", "tolerable", "expected")}
            where = tuple((str(trait), str(value)) for trait, value in facts["where"])
            every = Frequency(facts["frequency"]) if facts["frequency"] else None
            return cls(**{**facts, **rates, "method": Method(facts["method"]), "where": where, "frequency": every})
        except (KeyError, TypeError, ValueError, ArithmeticError):
            raise BadInput(said("this is no plan of a sample"), expected=said("sample.json as `audit sample draw` wrote it")) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stratum:
    """One stratum: how many items it has, how many are drawn."""

    items: int
    drawn: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """The items drawn, in the order of their work papers. `population` is how many there were to draw from.

    For a monetary-unit sample: interval, first hit and total, minor units, and hits by item; for a stratified one its strata by name.
    """

    plan: Plan
    population: int
    drawn: tuple[Item, ...]
    interval_minor: int = 0
    start_minor: int = 0
    total_minor: int = 0
    currency: str = ""
    hits: Mapping[str, int] = field(default_factory=dict)
    strata: Mapping[str, Stratum] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """Hex SHA-256 of the drawn ids, one a line."""
        return sha256("\n".join(one.item for one in self.drawn).encode()).hexdigest()


def draw(items: Sequence[Item], plan: Plan) -> Sample:
    """The sample of a population, whatever order it comes in. Raises BadInput when the plan does not fit it."""
    if not items:
        raise BadInput(said("the population is empty"), expected=said("a period in which something happened"))
    if len({one.item for one in items}) < len(items):
        raise BadInput(said("an item stands twice in the population"), expected=said("the file as `audit sample draw` wrote it"))
    require_sound(plan.confidence, plan.tolerable, plan.expected)
    if plan.currency:
        known = sorted({one.currency for one in items})
        items = [one for one in items if one.currency == plan.currency]
        if not items:
            raise BadInput(said("nothing in the population is in {currency}", currency=plan.currency), expected=", ".join(known))
    return _WAYS[plan.method](sorted(items, key=lambda one: one.seq), plan)


def rank(seed: str, item: str) -> str:
    """Where an item stands in the order of a seed: hex SHA-256 of seed, line feed and item id. The smallest are drawn."""
    return sha256(f"{seed}\n{item}".encode()).hexdigest()


def _ranked(items: Sequence[Item], seed: str) -> list[Item]:
    return sorted(items, key=lambda one: rank(seed, one.item))


def _attribute(items: Sequence[Item], plan: Plan) -> Sample:
    if plan.frequency:
        size = min(BY_FREQUENCY[plan.frequency], len(items))
    else:
        size = attribute_size(len(items), confidence=plan.confidence, tolerable=plan.tolerable, expected=plan.expected)
    return Sample(plan=plan, population=len(items), drawn=tuple(_ranked(items, plan.seed)[:size]))


def _stratified(items: Sequence[Item], plan: Plan) -> Sample:
    if plan.by not in TRAITS:
        raise BadInput(said("{trait} makes no strata", trait=repr(plan.by)), expected=", ".join(TRAITS))
    size = poisson_size(len(items), confidence=plan.confidence, tolerable=plan.tolerable, expected=plan.expected)
    groups = defaultdict(list)
    for one in items:
        groups[getattr(one, plan.by)].append(one)
    drawn: list[Item] = []
    strata = {}
    for name, group in sorted(groups.items()):
        share = ceil(Decimal(size * len(group)) / len(items))
        strata[name] = Stratum(items=len(group), drawn=share)
        drawn += _ranked(group, plan.seed)[:share]
    return Sample(plan=plan, population=len(items), drawn=tuple(drawn), strata=strata)


def _monetary_unit(items: Sequence[Item], plan: Plan) -> Sample:
    """Every `interval`-th unit of the cumulated amounts, in order of entries, from a first one that the seed decides."""
    currencies = sorted({one.currency for one in items})
    if len(currencies) > 1:
        raise BadInput(
            said("a monetary-unit sample is of one currency; this population has {currencies}", currencies=", ".join(currencies)),
            next_step=said("draw one for each, with --currency"),
        )
    total = sum(one.amount_minor for one in items)
    if total <= 0:
        raise BadInput(said("the population has no amounts to sample by"), expected=said("limits above 0"))
    step = interval(total, confidence=plan.confidence, tolerable=plan.tolerable, expected=plan.expected)
    start = 1 + int(rank(plan.seed, "start"), 16) % step
    before, drawn, hits = 0, [], {}
    for one in items:
        after = before + one.amount_minor
        count = _hits_up_to(after, start, step) - _hits_up_to(before, start, step)
        if count:
            drawn.append(one)
            hits[one.item] = count
        before = after
    return Sample(
        plan=plan,
        population=len(items),
        drawn=tuple(drawn),
        interval_minor=step,
        start_minor=start,
        total_minor=total,
        currency=currencies[0],
        hits=hits,
    )


def _hits_up_to(cumulated: int, start: int, step: int) -> int:
    """How many of the units start, start + step, start + 2 step, ... are among the first `cumulated`."""
    return 0 if cumulated < start else 1 + (cumulated - start) // step


def _targeted(items: Sequence[Item], plan: Plan) -> Sample:
    for trait, _ in plan.where:
        if trait not in TRAITS:
            raise BadInput(said("items cannot be picked by {trait}", trait=repr(trait)), expected=", ".join(TRAITS))
    picked = [one for one in items if all(_has(one, trait, value) for trait, value in plan.where)]
    if not picked:
        raise BadInput(said("no item is what the sample asks for"), expected=said("values as population.csv has them"))
    picked.sort(key=lambda one: (-one.amount_minor, one.seq))
    return Sample(plan=plan, population=len(items), drawn=tuple(picked[: plan.largest]))


def _has(item: Item, trait: str, value: str) -> bool:
    found = getattr(item, trait)
    return found == value or (trait == "approvers" and value in found.split("|"))


_WAYS = {
    Method.ATTRIBUTE: _attribute,
    Method.MONETARY_UNIT: _monetary_unit,
    Method.STRATIFIED: _stratified,
    Method.TARGETED: _targeted,
}
