"""The limit in force on a day, from all layers of a customer, by one precedence. No pandas: the command line and Slack ask it too.

Precedence (docs/policy-reference.md, Limit layers):

1. **granted**: the base limit; a temporary one stands instead of it while it lasts and is larger. For all our companies together
   that is the limit kept for all of them, else the sum of what each has granted; one company's limit bounds its own sales alone.
2. **bounds**, which only lower: legal entity, ceiling, segment, group. The group's limit is a shared pool: what its other members owe
   is taken.
3. **cover**: insured limits (smallest fraction first), then guarantees. It raises no limit: it says which part is not our own risk.

All dates are half-open: a row holds from its first day up to the day before its last.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from itertools import groupby
from typing import Protocol, TypeVar

from credit_review.model.states import Layer

ALL = "ALL"
"""Scope of a limit that holds for all our companies together."""
SECURITY = "guarantee"
"""Layer name of guarantees and other collateral, which are cover and never accounts of limits."""
MILLION = 1_000_000

_GRANTS = (Layer.BASE, Layer.TEMPORARY)
_BOUNDS = (Layer.CEILING, Layer.SEGMENT, Layer.GROUP)
_COVER = (Layer.INSURED, SECURITY)
PRECEDENCE: tuple[str, ...] = (*_GRANTS, *_BOUNDS, *_COVER)
"""Every layer in the order in which it is asked; of equal bounds the first one is named."""


class Dated(Protocol):
    """What holds from a day until the day before another, and of two that hold the one with the higher version."""

    @property
    def effective_from(self) -> date:
        """First day."""

    @property
    def effective_to(self) -> date | None:
        """First day on which it no longer holds; None: open-ended."""

    @property
    def version(self) -> int:
        """Number of the row among those of its account."""


D = TypeVar("D", bound=Dated)


def in_force_on(dated: Iterable[D], day: date) -> D | None:
    """Of one account's rows the one that holds on `day`: the newest version begun by then whose end has not come."""
    holding = (c for c in dated if c.effective_from <= day and (c.effective_to is None or c.effective_to > day))
    return max(holding, key=lambda c: c.version, default=None)


class Effect(StrEnum):
    """What a layer does to the limit on the day."""

    GRANTS = "grants"
    INSTEAD = "instead"
    BESIDE = "beside"
    BINDS = "binds"
    SLACK = "slack"
    APART = "apart"
    COVERS = "covers"
    STOPPED = "stopped"
    LATER = "later"
    OVER = "over"
    REPLACED = "replaced"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerLimit:
    """One dated limit or cover. Amounts are minor units of the currency asked for; None: no limit on file.

    `key` is the account or the insurer's number; rows of one key replace each other by version. `scope` is a legal entity or ALL,
    `currency` the one it is kept in. `taken_minor` is what other members of a group owe (None: not known). `covered_ppm` is the covered
    part in millionths. `stopped` says why cover does not count although its dates hold. `converted` says from what amount, at which
    rate, of which day and source.
    """

    layer: str
    key: str
    amount_minor: int | None
    effective_from: date
    effective_to: date | None = None
    version: int = 1
    scope: str = ALL
    currency: str = ""
    taken_minor: int | None = 0
    covered_ppm: int = MILLION
    stopped: str = ""
    converted: str = ""

    @property
    def free_minor(self) -> int:
        """What one customer may use of it: of a shared pool what the other members leave."""
        return max(0, (self.amount_minor or 0) - (self.taken_minor or 0))


@dataclass(frozen=True, slots=True)
class Line:
    """One layer on the day: what it does, and for cover how much of the limit it covers."""

    limit: LayerLimit
    effect: Effect
    covers_minor: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class InForce:
    """The limit in force on a day. `amount_minor` None: no limit on file, whatever bounds there are; 0 is a limit.

    Own risk is what is at our own risk when the limit is used in full.
    """

    day: date
    entity: str
    amount_minor: int | None
    insured_minor: int
    secured_minor: int
    own_risk_minor: int
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Days on which limit and own risk stay the same: from a day until the day before another (None: as far as is known)."""

    since: date
    until: date | None
    amount_minor: int | None
    own_risk_minor: int


def limit_on(layers: Iterable[LayerLimit], day: date, *, entity: str = ALL) -> InForce:
    """The effective limit on a day for sales by `entity` (ALL: by all our companies), and what each layer has to do with it.

    The order in which layers are given does not matter. No layer lifts the limit above what is granted, and none above a bound.
    """
    rows = sorted(set(layers), key=_order)
    held = [row for _, some in groupby(rows, key=lambda r: (r.layer, r.key)) if (row := in_force_on(list(some), day)) is not None]
    known = [row for row in held if row.amount_minor is not None]
    grants = _grants([row for row in known if row.layer in _GRANTS])
    granted, entities = _granted(grants, entity)
    bounds = [*entities, *(((row,), row.free_minor) for row in known if row.layer in _BOUNDS and row.scope in (ALL, entity))]
    amount = None if granted is None else min([granted, *(minor for _, minor in bounds)])
    effects = {row: effect for scope in grants.values() for row, effect in scope.items()}
    effects |= dict.fromkeys(_apart(grants, known, entity), Effect.APART)
    effects |= _bounding(bounds, granted, amount)
    covers = _covers([row for row in known if row.layer in _COVER and not row.stopped], amount or 0)
    effects |= dict.fromkeys(covers, Effect.COVERS)
    lines = tuple(Line(row, effects.get(row) or _beside(row, day, held), covers.get(row, 0)) for row in rows)
    return _in_force(day, entity, amount, covers, lines)


def spans(layers: Iterable[LayerLimit], *, entity: str = ALL) -> tuple[Span, ...]:
    """When the effective limit or own risk changes by what is known now, in order: without a gap, from the first day on."""
    rows = list(layers)
    days = sorted({day for row in rows for day in (row.effective_from, row.effective_to) if day is not None})
    found: list[Span] = []
    for day in days:
        now = limit_on(rows, day, entity=entity)
        if found and (found[-1].amount_minor, found[-1].own_risk_minor) == (now.amount_minor, now.own_risk_minor):
            continue
        if found:
            found[-1] = replace(found[-1], until=day)
        found.append(Span(since=day, until=None, amount_minor=now.amount_minor, own_risk_minor=now.own_risk_minor))
    return tuple(found)


def span_of(found: Sequence[Span], day: date) -> Span | None:
    """The span in which a day lies; None before the first."""
    return next((s for s in found if s.since <= day and (s.until is None or day < s.until)), None)


def run_of(found: Sequence[Span], day: date, figure: Callable[[Span], int | None]) -> tuple[date, date | None] | None:
    """Since and until when one figure of a span, such as its limit, is what it is on a day, whatever the other does meanwhile; None before
    the first span."""
    for _, run in groupby(found, key=figure):
        same = list(run)
        if span_of(same, day) is not None:
            return same[0].since, same[-1].until
    return None


def _order(row: LayerLimit) -> tuple[object, ...]:
    return (PRECEDENCE.index(row.layer), row.scope, row.covered_ppm, row.key, row.version, row.effective_from, row.amount_minor or 0)


_Grants = dict[str, dict[LayerLimit, Effect]]
_Bound = tuple[tuple[LayerLimit, ...], int]


def _grants(rows: Sequence[LayerLimit]) -> _Grants:
    """Of each scope its base and temporary limits, and which of the two stands, by the currency it is kept in."""
    found: _Grants = {}
    for (scope, _), some in _by(rows, lambda row: (row.scope, row.currency)):
        stands = max(some, key=lambda row: (row.amount_minor or 0, row.layer == Layer.BASE))
        instead = stands.layer == Layer.TEMPORARY
        effects = {row: Effect.BESIDE for row in some} | {stands: Effect.INSTEAD if instead else Effect.GRANTS}
        found.setdefault(scope, {}).update(effects)
    return found


def _by(rows: Sequence[LayerLimit], key: Callable[[LayerLimit], tuple[str, str]]) -> Iterator[tuple[tuple[str, str], list[LayerLimit]]]:
    for found, some in groupby(sorted(rows, key=lambda row: (key(row), _order(row))), key=key):
        yield found, list(some)


def _granted(grants: _Grants, entity: str) -> tuple[int | None, list[_Bound]]:
    """What is granted before bounds, and the legal entity's own limit where it bounds what is granted for all."""
    amounts = {scope: sum(row.free_minor for row in _standing(rows)) for scope, rows in grants.items()}
    own: list[_Bound] = [(_standing(grants[entity]), amounts[entity])] if ALL in amounts and entity in amounts and entity != ALL else []
    if ALL in amounts:
        return amounts[ALL], own
    return (sum(amounts.values()) if amounts else None) if entity == ALL else amounts.get(entity), own


def _standing(rows: Mapping[LayerLimit, Effect]) -> tuple[LayerLimit, ...]:
    return tuple(row for row, effect in rows.items() if effect != Effect.BESIDE)


def _apart(grants: _Grants, known: Sequence[LayerLimit], entity: str) -> Iterator[LayerLimit]:
    """Limits of legal entities that say nothing of the sales asked about."""
    for scope, rows in grants.items():
        asked = scope in (ALL, entity) or (entity == ALL and ALL not in grants)
        yield from () if asked else rows
    yield from (row for row in known if row.layer in _BOUNDS and row.scope not in (ALL, entity))


def _bounding(bounds: Sequence[_Bound], granted: int | None, amount: int | None) -> dict[LayerLimit, Effect]:
    """Which bound holds: the first of the lowest, where it is below what is granted."""
    holds = next((rows for rows, minor in bounds if granted is not None and minor == amount and minor < granted), ())
    return {row: Effect.BINDS if row in holds else Effect.SLACK for rows, _ in bounds for row in rows}


def _covers(rows: Sequence[LayerLimit], amount: int) -> dict[LayerLimit, int]:
    """How much of a limit used in full each row covers, rounded down: insured limits one after another, then guarantees by their amount."""
    found, left = {}, amount
    for row in rows:
        if row.layer == Layer.INSURED:
            taken = min(max(row.amount_minor or 0, 0), left)
            left -= taken
        else:
            taken = max(row.amount_minor or 0, 0)
        found[row] = taken * row.covered_ppm // MILLION
    return found


def _beside(row: LayerLimit, day: date, held: Sequence[LayerLimit]) -> Effect:
    """Why a row has nothing to do with the limit on the day."""
    if row.effective_from > day:
        return Effect.LATER
    if row.effective_to is not None and row.effective_to <= day:
        return Effect.OVER
    if row not in held:
        return Effect.REPLACED
    return Effect.STOPPED if row.stopped else Effect.NONE


def _in_force(day: date, entity: str, amount: int | None, covers: Mapping[LayerLimit, int], lines: tuple[Line, ...]) -> InForce:
    insured = sum(minor for row, minor in covers.items() if row.layer == Layer.INSURED)
    secured = sum(minor for row, minor in covers.items() if row.layer == SECURITY)
    return InForce(
        day=day,
        entity=entity,
        amount_minor=amount,
        insured_minor=insured,
        secured_minor=secured,
        own_risk_minor=max(0, (amount or 0) - insured - secured),
        lines=lines,
    )
