"""Why a proposal says what it says, in plain words, from its row alone. No pandas: cards are built from stored packets."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from credit_review.hearing import heard, heard_as
from credit_review.limits.codes import CAP_WORDS, CURRENCY_BAND, FORMULAS, GRADE_NOTES, SEPARATOR, Cap, substitute_words, words
from credit_review.limits.layer_words import SHARED_POOL
from credit_review.model.money import Money
from credit_review.policy.formula.vocabulary import INPUTS
from credit_review.words import listed, marked, said

FITS_THE_RULE = said("Fits the straight-through rule")
"""Label of the rule that the proposal by itself fits; whether it passed by it the record says, since the group may ask for people."""

REPORTED_CAP = said("Cap: {cap}", cap=CAP_WORDS[Cap.RECOMMENDATION])
"""Label of the cap that is a figure of an external report times the policy's factor: who reads it and the policy reads the report."""

_CAPS = (
    (Cap.NET_WORTH, "cap_net_worth_minor"),
    (Cap.RECOMMENDATION, "cap_recommended_minor"),
    (Cap.GRADE, "cap_grade_minor"),
    (Cap.COVER, "cap_cover_minor"),
)
_LAYERS = (
    (Cap.ENTITY, "cap_entity_minor"),
    (Cap.CEILING, "cap_ceiling_minor"),
    (Cap.SEGMENT, "cap_segment_minor"),
    (Cap.POOL, "cap_pool_minor"),
)


def explain(row: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Label and text of each step from need to the proposed limit, in order; `row` has the columns of PROPOSALS.

    A customer that was not reviewed gets its state and the reason. Missing values may be None, NaN or NA.
    """
    if row["state"] != "reviewed":
        return [(said("State"), said(str(row["state"]).replace("_", " "))), (said("Reason"), heard(str(row["state_reason"])))]
    return [*_start(row), *_caps(row), *_guards(row), *_outcome(row), *_effects(row)]


def _known(value: Any) -> int | None:
    """An integer, or None for None, NaN and NA."""
    try:
        return None if value is None or value != value else int(value)
    except TypeError:
        return None


def _amount(row: Mapping[str, Any], name: str) -> str:
    value = _known(row[name])
    return said("not known") if value is None else said("{amount}", amount=Money(value, row["currency"]))


def _start(row: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    limit = _known(row["from_minor"])
    yield said("Limit in force"), said("none on file") if limit is None else _amount(row, "from_minor")
    if row["grade"]:
        name = row.get("grade_name")
        yield said("Grade"), f"{row['grade']} {name}" if name else str(row["grade"])
    if row.get("grade_note"):
        notes = [heard_as(note, GRADE_NOTES) for note in str(row["grade_note"]).split("; ")]
        yield said("How the grade came about"), listed(notes, by=marked("{first}; {rest}"))
    if row.get("policy_segment"):
        yield said("Rules of segment"), str(row["policy_segment"])
    if _known(row["need_minor"]) is not None:
        need, terms, peak = (_amount(row, name) for name in ("need_minor", "need_by_terms_minor", "peak_balance_minor"))
        yield (
            said("Need"),
            said("{need}: {terms} by sales and terms, highest balance of 12 months {peak}", need=need, terms=terms, peak=peak),
        )
    if _known(row.get("season_peak_minor")) is not None:
        yield said("Highest balance of the season"), _amount(row, "season_peak_minor")
    if row.get("forecast_note"):
        amount = said("not counted") if _known(row.get("forecast_minor")) is None else _amount(row, "forecast_minor")
        yield said("Forecast of the account owner"), said("{amount}: {how}", amount=amount, how=heard(str(row["forecast_note"])))
    yield from _derivation(row)
    result = _known(row["formula_minor"])
    formula = heard_as(str(row["formula"]), FORMULAS)
    yield (
        said("Formula"),
        formula if result is None else said("{formula} = {amount}", formula=formula, amount=Money(result, row["currency"])),
    )


def _derivation(row: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Each input and step of the policy's own formula with its figure, in the order of the computation."""
    for entry in filter(None, str(row.get("derivation") or "").split(SEPARATOR)):
        name, figure, unit = _ENTRY.match(entry).groups()  # type: ignore[union-attr]
        label = INPUTS[name].words if name in INPUTS else said("{step} (step of the formula)", step=name.replace("_", " "))
        yield label, _figure(figure, unit, str(row["currency"]))


_ENTRY = re.compile(r"(\w+)=(-?\d*):(\w+)\Z")


def _figure(figure: str, unit: str, currency: str) -> str:
    if not figure:
        return said("not known")
    if unit == "money":
        return said("{amount}", amount=Money(int(figure), currency))
    if unit == "truth":
        return said("true") if figure == "1" else said("false")
    number = format((Decimal(figure) / 1_000_000).normalize(), "f")
    return said(_UNITS[unit], number=number) if unit in _UNITS else number


_UNITS = {"days": marked("{number} days"), "months": marked("{number} months")}


def _caps(row: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield from _each_cap(row, _CAPS)
    if _known(row["secured_minor"]):
        yield said("Added to these caps for valid security"), _amount(row, "secured_minor")
    yield from _layers(row)
    for entry in filter(None, str(row.get("cover_caps") or "").split(SEPARATOR)):
        day, _, minor = entry.partition("=")
        then = said("{amount}", amount=Money(int(minor), row["currency"]))
        yield said("Cap by cover from {day} on", day=date.fromisoformat(day)), then
    for note in filter(None, str(row.get("cover_notes") or "").split(SEPARATOR)):
        yield said("Cover that does not count"), heard(note)
    for entry in filter(None, str(row["substitutes"]).split(SEPARATOR)):
        yield said("Missing data"), substitute_words(entry)
    if _known(row["after_caps_minor"]) is not None:
        yield said("After caps"), _amount(row, "after_caps_minor")


def _each_cap(row: Mapping[str, Any], caps: Iterable[tuple[Cap, str]]) -> Iterator[tuple[str, str]]:
    for cap, name in caps:
        if _known(row.get(name)) is not None:
            amount = _amount(row, name)
            text = said("{amount} (this one holds)", amount=amount) if row["binding_cap"] == cap else amount
            yield said("Cap: {cap}", cap=CAP_WORDS[cap]), text


def _layers(row: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What layers in force let the limit be; of a shared pool how large it is, for readers take it for a limit of each member."""
    yield from _each_cap(row, _LAYERS)
    pool, free = _known(row.get("pool_minor")), _known(row.get("pool_free_minor"))
    if pool is not None:
        unknown = said("{pool} for all members together; what the others owe is not known here", pool=Money(pool, row["currency"]))
        left = said(
            "{pool} for all members together, whose limits may add up to more; the others leave {free} of it today",
            pool=Money(pool, row["currency"]),
            free=Money(free or 0, row["currency"]),
        )
        yield SHARED_POOL, unknown if free is None else left
    if row.get("layers_converted"):
        told = [heard(text) for text in str(row["layers_converted"]).split(SEPARATOR)]
        yield said("Layers in force converted"), listed(told, by=marked("{first}; {rest}"))


def _guards(row: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if row["forbids_increase"] and row["direction"] != "new":  # a first limit is no increase
        yield said("No increase, because"), words(str(row["forbids_increase"]))
    if row.get("bad_members"):
        yield said("Bad for its group by policy"), listed(str(row["bad_members"]).split(SEPARATOR))
    for label, name, before in (
        (said("After the step limit"), "after_step_minor", "after_caps_minor"),
        (said("After rounding"), "after_rounding_minor", "after_step_minor"),
    ):
        if _known(row[name]) is not None and _known(row[name]) != _known(row[before]):
            yield label, _amount(row, name)


_WAYS = {
    "up": marked("increase to {amount}"),
    "down": marked("reduction to {amount}"),
    "same": marked("stays at {amount}"),
    "new": marked("first limit {amount}"),
}


def _outcome(row: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if row.get("rate_used"):
        yield said("Policy's amounts converted"), heard(str(row["rate_used"]))
    if row.get("kept_by") == CURRENCY_BAND:
        yield said("Limit kept, because"), said("a rate within policy's currency band would leave it as it is")
    yield said("Proposed limit"), said(_WAYS[str(row["direction"])], amount=_amount(row, "to_minor"))
    now, then = _known(row["from_terms_days"]), _known(row["to_terms_days"])
    if now != then:
        before = said("not on file") if now is None else said("net {days} days", days=now)
        after = said("not on file") if then is None else said("net {days} days", days=then)
        yield said("Payment terms"), said("{before} to {after}", before=before, after=after)
    yield from _terms_effect(row)
    if row["exceptional"]:
        yield said("Needs a person, because"), words(str(row["exceptional"]))
    if row["straight_through_rule"]:
        yield FITS_THE_RULE, heard(str(row["straight_through_rule"]))


def _terms_effect(row: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What other terms do to need and, since what is owed turns over with them, to exposure."""
    then, now = _known(row.get("need_at_terms_minor")), _known(row.get("need_by_terms_minor"))
    if then is None or now is None:
        return
    need, before = (Money(minor, row["currency"]) for minor in (then, now))
    yield said("Need at these terms"), said("{need} by sales, instead of {before}", need=need, before=before)
    change = Money(abs(now - then), row["currency"])
    less = said("about {amount} less owed at a time, at the sales of 12 months", amount=change)
    more = said("about {amount} more owed at a time, at the sales of 12 months", amount=change)
    yield said("Effect on exposure"), less if then <= now else more


def _effects(row: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    over = _known(row["over_limit_minor"])
    if not over:
        return
    amounts = {"over": Money(over, row["currency"]), "exposure": _amount(row, "exposure_minor")}
    yield said("Exposure over the new limit"), said("{over} of {exposure}", **amounts)
    blocked = _known(row["blocked_orders_minor"])
    none = said("not computable: no orders in source")
    yield said("Orders and deliveries that would stop"), none if blocked is None else _amount(row, "blocked_orders_minor")
