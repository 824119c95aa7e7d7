"""What each layer is called and what it does to the limit on the day, in plain words; cards, report and command line say the same."""

from __future__ import annotations

from types import MappingProxyType

from credit_review.limits.layers import ALL, SECURITY, Effect, LayerLimit, Line
from credit_review.model.money import Money
from credit_review.model.states import Layer
from credit_review.words import said

SHARED_POOL = said("group limit (shared pool)")
"""What a group's limit is called wherever it is shown, for readers take it for a limit of each member."""

LAYER_WORDS: MappingProxyType[str, str] = MappingProxyType(
    {
        Layer.BASE: said("base limit"),
        Layer.TEMPORARY: said("temporary limit"),
        Layer.GROUP: SHARED_POOL,
        Layer.SEGMENT: said("segment limit"),
        Layer.CEILING: said("ceiling"),
        Layer.INSURED: said("insured limit"),
        SECURITY: said("guarantee"),
    }
)

_PLAIN: MappingProxyType[str, str] = MappingProxyType(
    {
        Effect.GRANTS: said("the limit starts from it"),
        Effect.INSTEAD: said("stands instead of the base limit while it lasts"),
        Effect.BESIDE: said("does not count beside the larger one"),
        Effect.REPLACED: said("replaced by a newer one"),
        Effect.NONE: said("no limit on file"),
    }
)


def what_it_does(line: Line, currency: str) -> str:
    """What a layer does on the day and why, with its figures in `currency`."""
    row = line.limit
    if line.effect == Effect.NONE and row.layer != Layer.BASE:
        return said("ended: nothing stands in its place")
    if line.effect in _PLAIN:
        return _PLAIN[line.effect]
    if line.effect == Effect.LATER:
        return said("begins on {day}", day=row.effective_from)
    if line.effect == Effect.OVER:
        return said("ended on {day}", day=row.effective_to)
    if line.effect == Effect.APART:
        return said("bounds sales by {entity} alone", entity=row.scope)
    if line.effect == Effect.STOPPED:
        return said("does not count: {why}", why=row.stopped)
    if line.effect == Effect.COVERS:
        return said("covers {amount} of the limit used in full", amount=Money(line.covers_minor, currency))
    return _bound(row, currency, binds=line.effect == Effect.BINDS)


def _bound(row: LayerLimit, currency: str, *, binds: bool) -> str:
    free = Money(row.free_minor, currency)
    if row.layer != Layer.GROUP:
        return said("binds: the limit goes no higher") if binds else said("does not bind: it is not below what is granted or another bound")
    if row.taken_minor is None:
        return said("a shared pool; what its other members owe is not known here")
    taken = Money(row.taken_minor, currency)
    if binds:
        return said("binds: of the shared pool the other members owe {taken}, which leaves {free}", taken=taken, free=free)
    return said("does not bind: of the shared pool the other members owe {taken}, which leaves {free}", taken=taken, free=free)


def scope_words(row: LayerLimit) -> str:
    """For whose sales a layer holds."""
    return said("all our companies") if row.scope == ALL else row.scope
