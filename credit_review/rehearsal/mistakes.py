"""Mistakes that are put into packets, each with the figure that gives it away. A packet is changed in a copy."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any

from credit_review.model.money import Money
from credit_review.words import marked, packed, said, unpacked

Packet = dict[str, Any]
Say = Callable[[str], str]


class Mistake(StrEnum):
    """What can be wrong with a packet; stable names, they stand in the audit log's digests only."""

    ABOVE_CAP = "above_cap"
    WRONG_TOTAL = "wrong_total"
    INSOLVENT_RAISED = "insolvent_raised"
    MISSING_HIDDEN = "missing_hidden"
    GROUP_LEFT_OUT = "group_left_out"
    STALE_REPORT = "stale_report"
    SPLIT_REQUEST = "split_request"


@dataclass(frozen=True, slots=True)
class Given:
    """What making a mistake needs besides the packet: how to say a sentence to the reader, and the oldest external report policy reads."""

    say: Say
    report_days: int


@dataclass(frozen=True, slots=True)
class Tell:
    """The label of the figure that gives a mistake away, and why, both sentences."""

    label: str
    why: str


Made = tuple[Packet, Tell]

AFTER_CAPS, PROPOSED, NEED, FORMULA = "After caps", "Proposed limit", "Need", "Formula"
REPORT = said("Date of the bureau's report")
NOTE = said("Note of the analyst")
_HIDES = ("Missing data", "Needs a person, because")
_LATER = ("After the step limit", "After rounding", "Exposure over the new limit", "Orders and deliveries that would stop")
_RULE = "Fits the straight-through rule"


def above_cap(packet: Packet, given: Given) -> Made | None:
    """A limit above what the caps leave; None where no cap is computed."""
    cap = money_of(packet, AFTER_CAPS)
    if not cap:
        return None
    made, to = deepcopy(packet), _rounded(cap * 3 // 2, up=True)
    _propose(made, to)
    amounts = {"cap": Money(cap, packet["currency"]), "limit": Money(to, packet["currency"])}
    return made, Tell(said(AFTER_CAPS), said("the caps leave {cap}, and the proposed limit is {limit}", **amounts))


def wrong_total(packet: Packet, given: Given) -> Made | None:
    """A product that is not what its factors give, and a limit that follows it; None for another formula, or where a cap hides it."""
    found, need = figure_of(packet, FORMULA), money_of(packet, NEED)
    formula = found["a"].get("formula") if isinstance(found, Mapping) and "formula" in found.get("a", {}) else None
    factor = formula["a"].get("factor") if isinstance(formula, Mapping) else None
    right = money_of(packet, FORMULA)
    steps = packet["derivation"]
    caps = [cap for label, shown in steps if _template(label).startswith("Cap: ") and (cap := _money_in(shown))]
    if factor is None or not need or not right:
        return None
    wrong = min([right * 8 // 5, *caps])
    if wrong <= right * 11 // 10:
        return None
    made = deepcopy(packet)
    _set_money(made, FORMULA, right * 8 // 5)
    _set_money(made, AFTER_CAPS, wrong)
    _propose(made, _rounded(wrong, up=False))
    product = int(need * Decimal(factor))
    amounts = {"shown": Money(right * 8 // 5, packet["currency"]), "right": Money(product, packet["currency"])}
    return made, Tell(said(FORMULA), said("the product of the figures shown is {right}, not {shown}", **amounts))


def insolvent_raised(packet: Packet, given: Given) -> Made | None:
    """An increase for a customer in insolvency."""
    made = deepcopy(packet)
    made["status"] = "insolvent"
    return made, Tell(said("Worst fact"), said("the customer is insolvent, and the limit would rise"))


def missing_hidden(packet: Packet, given: Given) -> Made | None:
    """A limit whose need is not known, without the warning that data are missing."""
    if figure_of(packet, NEED) is None:
        return None
    made = deepcopy(packet)
    made["exceptional"] = [code for code in made["exceptional"] if code != "missing_data"]
    steps = [step for step in made["derivation"] if _template(step[0]) not in _HIDES]
    made["derivation"] = [[step[0], packed(said("not known"))] if _template(step[0]) == NEED else step for step in steps]
    return made, Tell(said(NEED), said("the need is not known, no line says that data are missing, and the limit is computed from it"))


def group_left_out(packet: Packet, given: Given) -> Made | None:
    """The limit of the customer's parent is not in the sums that authority goes by."""
    made, amount = deepcopy(packet), Money(_rounded(packet["to_minor"] * 4, up=True), packet["currency"])
    text = said(
        "The parent company has {amount} with our sister company; I left it out of the group, it would only delay this.", amount=amount
    )
    _note(made, given.say(text))
    return made, Tell(NOTE, said("the parent's {amount} belong to the group's limits, and decide whose approval it needs", amount=amount))


def stale_report(packet: Packet, given: Given) -> Made | None:
    """An external report older than policy reads."""
    made = deepcopy(packet)
    day = date.fromisoformat(packet["review"]["as_of"]) - timedelta(days=2 * given.report_days + 90)
    with_report(made, day)
    why = said("the report is of {day}, and policy reads none older than {days} days", day=day, days=given.report_days)
    return made, Tell(REPORT, why)


def split_request(packet: Packet, given: Given) -> Made | None:
    """One wish in two requests, so that neither asks for the higher tier."""
    made, amount = deepcopy(packet), Money(_rounded(packet["to_minor"] * 2, up=True), packet["currency"])
    text = said(
        "The customer needs {amount} in all; sales sends it as two requests, so that this one stays with the lower tier.", amount=amount
    )
    _note(made, given.say(text))
    return made, Tell(NOTE, said("two requests that belong together need the approval of their sum, {amount}", amount=amount))


MISTAKES: Mapping[Mistake, Callable[[Packet, Given], Made | None]] = {
    Mistake.ABOVE_CAP: above_cap,
    Mistake.WRONG_TOTAL: wrong_total,
    Mistake.INSOLVENT_RAISED: insolvent_raised,
    Mistake.MISSING_HIDDEN: missing_hidden,
    Mistake.GROUP_LEFT_OUT: group_left_out,
    Mistake.STALE_REPORT: stale_report,
    Mistake.SPLIT_REQUEST: split_request,
}
HARMLESS: Sequence[str] = (
    marked("Order of the customer seen; delivery in three weeks."),
    marked("Spoke to their accounts department: figures confirmed."),
    marked("Long-standing customer, ordered by the same plant as last year."),
)
"""Notes that cases without a mistake may have, so that a note gives nothing away."""


def with_report(packet: Packet, day: date) -> None:
    """Says when the external report was made, in place of what is said already."""
    steps = [step for step in packet["derivation"] if _template(step[0]) != str(REPORT)]
    at = next((n for n, step in enumerate(steps) if _template(step[0]) == AFTER_CAPS), len(steps))
    packet["derivation"] = [*steps[:at], [packed(REPORT), packed(said("{day}", day=day))], *steps[at:]]


def with_note(packet: Packet, text: str) -> None:
    """Adds an analyst's note."""
    _note(packet, text)


def figure_of(packet: Mapping[str, Any], label: str) -> Any:
    """The packed figure of a step of the derivation; None where it has none."""
    return next((figure for name, figure in packet["derivation"] if _template(name) == label), None)


def money_of(packet: Mapping[str, Any], label: str) -> int | None:
    """The first amount (minor units) of a step's figure that stands for its result; None where there is none."""
    return _money_in(figure_of(packet, label))


def _money_in(figure: Any) -> int | None:
    """Minor units of `amount`, or of `need`, however deep it is said."""
    if not isinstance(figure, Mapping):
        return None
    for name in ("amount", "need"):
        value = figure["a"].get(name)
        if isinstance(value, list) and value[0] == "money":
            return int(value[1])
        if isinstance(value, Mapping):
            return _money_in(value)
    return None


def _template(label: Any) -> str:
    return str(label["t"]) if isinstance(label, Mapping) else str(unpacked(label))


def _set_money(packet: Packet, label: str, minor: int) -> None:
    figure = figure_of(packet, label)
    if isinstance(figure, dict) and isinstance(figure["a"].get("amount"), list):
        figure["a"]["amount"] = ["money", minor, packet["currency"]]


def _propose(packet: Packet, to: int) -> None:
    """Asks for another amount, as the engine would show it."""
    packet |= {"to_minor": to, "engine_minor": to, "over_limit_minor": 0, "blocked_orders_minor": 0}
    steps = [step for step in packet["derivation"] if _template(step[0]) not in (*_LATER, _RULE)]
    shown = packed(said("increase to {amount}", amount=said("{amount}", amount=Money(to, packet["currency"]))))
    packet["derivation"] = [[step[0], shown] if _template(step[0]) == PROPOSED else step for step in steps]


def _note(packet: Packet, text: str) -> None:
    note = {"kind": "comment", "by": "analyst", "at": packet["review"]["as_of"], "text": text, "sha256": ""}
    packet["notes"] = [*packet["notes"], note]


def _rounded(minor: int, *, up: bool) -> int:
    """To 500 major units of a currency with cents."""
    grid = 50_000
    return max(grid, (minor + grid - 1 if up else minor) // grid * grid)
