"""Why a proposal says what it says, in plain words, from its row alone. No pandas: cards are built from stored packets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from credit_review.limits.codes import CAP_WORDS, SEPARATOR, Cap, substitute_words, words
from credit_review.model.money import format_minor

_CAPS = (
    (Cap.NET_WORTH, "cap_net_worth_minor"),
    (Cap.RECOMMENDATION, "cap_recommended_minor"),
    (Cap.GRADE, "cap_grade_minor"),
)


def explain(row: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Label and text of each step from need to the proposed limit, in order; `row` has the columns of PROPOSALS.

    A customer that was not reviewed gets its state and the reason. Missing values may be None, NaN or NA.
    """
    if row["state"] != "reviewed":
        return [("State", str(row["state"]).replace("_", " ")), ("Reason", str(row["state_reason"]))]
    return [*_start(row), *_caps(row), *_guards(row), *_outcome(row), *_effects(row)]


def _known(value: Any) -> int | None:
    """An integer, or None for None, NaN and NA."""
    try:
        return None if value is None or value != value else int(value)
    except TypeError:
        return None


def _amount(row: Mapping[str, Any], name: str) -> str:
    value = _known(row[name])
    return "not known" if value is None else format_minor(value, row["currency"])


def _start(row: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    limit = _known(row["from_minor"])
    yield "Limit in force", "none on file" if limit is None else format_minor(limit, row["currency"])
    if row["grade"]:
        yield "Grade", str(row["grade"])
    result = _known(row["formula_minor"])
    yield "Formula", str(row["formula"]) + ("" if result is None else f" = {format_minor(result, row['currency'])}")


def _caps(row: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for cap, name in _CAPS:
        if _known(row[name]) is not None:
            yield f"Cap: {CAP_WORDS[cap]}", _amount(row, name) + (" (this one holds)" if row["binding_cap"] == cap else "")
    for entry in filter(None, str(row["substitutes"]).split(SEPARATOR)):
        yield "Missing data", substitute_words(entry)
    if _known(row["after_caps_minor"]) is not None:
        yield "After caps", _amount(row, "after_caps_minor")


def _guards(row: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if row["forbids_increase"] and row["direction"] != "new":  # a first limit is no increase
        yield "No increase, because", words(str(row["forbids_increase"]))
    for label, name, before in (
        ("After the step limit", "after_step_minor", "after_caps_minor"),
        ("After rounding", "after_rounding_minor", "after_step_minor"),
    ):
        if _known(row[name]) is not None and _known(row[name]) != _known(row[before]):
            yield label, _amount(row, name)


def _outcome(row: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    text = {"up": "increase to", "down": "reduction to", "same": "stays at", "new": "first limit"}[str(row["direction"])]
    yield "Proposed limit", f"{text} {_amount(row, 'to_minor')}"
    now, then = _known(row["from_terms_days"]), _known(row["to_terms_days"])
    if now != then:
        yield "Payment terms", f"{'not on file' if now is None else f'net {now} days'} to net {then} days"
    if row["exceptional"]:
        yield "Needs a person, because", words(str(row["exceptional"]))
    if row["straight_through_rule"]:
        yield "Passes by rule", str(row["straight_through_rule"])


def _effects(row: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    over = _known(row["over_limit_minor"])
    if not over:
        return
    yield "Exposure over the new limit", f"{format_minor(over, row['currency'])} of {_amount(row, 'exposure_minor')}"
    blocked = _known(row["blocked_orders_minor"])
    yield (
        "Orders and deliveries that would stop",
        "not computable: no orders in source" if blocked is None else _amount(row, "blocked_orders_minor"),
    )
