"""The principal reasons of a reduction or a refusal: first what made the amount, then the score where it had a part in it.

Read from the packet that was decided on, whose card keeps each figure. US Regulation B, comment 9(b)(2); docs/adverse-action.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from credit_review.limits import codes
from credit_review.limits.codes import CAP_WORDS, Cap, Forbids
from credit_review.model.money import Money
from credit_review.model.states import Layer
from credit_review.policy import Policy
from credit_review.policy.amounts import GradeLimits
from credit_review.words import Said, marked, said, unpacked

MOST_REASONS = 4
"""Principal reasons a notice names: more are not helpful to the customer (comment 9(b)(2)-1)."""

IN_FORCE = marked("Limit in force")
"""Label of the limit before on a card."""

_CAP, _HOLDS = marked("Cap: {cap}"), marked("{amount} (this one holds)")
_FORMULA, _FORMULA_GIVES = marked("Formula"), marked("{formula} = {amount}")
_SEGMENT = marked("Rules of segment")
_AFTER_CAPS, _AFTER_STEP = marked("After caps"), marked("After the step limit")
_FORBIDDEN = marked("No increase, because")

_NO_NET_WORTH = said("no statements young enough show your equity")
_NO_RECOMMENDATION = said("no external report young enough recommends a limit")
_NO_NEED = said("what you need cannot be computed: neither sales with terms nor paid invoices are known")
_NO_REPORT = said("no external report on you is young enough")
_NO_FIGURE = said("a figure that our formula for limits uses is missing or too old")
_UNJUDGED = said("too little is known to judge your standing")
_NEED = said("the limit follows the need that your purchases, your terms and your balances show")
_RULE = said("the limit follows our formula for limits")
_STEP = said("one review raises a limit by no more than a set part")
_UNUSED = said("nothing was bought on the limit for a long time")
_STARTER = said("the limit is what we grant to accounts like yours at the beginning")
_NO_CREDIT = said("we grant no credit to accounts of your status")

_CAUSES: Mapping[str, str] = MappingProxyType(
    {
        Cap.NET_WORTH: said("the limit is bounded by the equity that your statements show"),
        Cap.RECOMMENDATION: said("the limit is bounded by what an external report recommends"),
        Cap.GRADE: said("the limit is bounded by what we grant at your standing"),
        Cap.COVER: said("the limit is bounded by the insurance cover that counts"),
        Cap.ENTITY: said("the limit is bounded by what we grant for all our companies together"),
        Cap.CEILING: said("the limit is bounded by the most we have decided to grant you"),
        Cap.SEGMENT: said("the limit is bounded by what we grant to customers of your segment"),
        Cap.POOL: said("the limit is bounded by what your group may owe us together"),
    }
)
_MISSING: Mapping[str, str] = MappingProxyType({Cap.NET_WORTH: _NO_NET_WORTH, Cap.RECOMMENDATION: _NO_RECOMMENDATION})
_FORBIDS: Mapping[str, str] = MappingProxyType(
    {
        Forbids.OVERDUE: said("invoices are overdue for longer and with more than we allow"),
        Forbids.GRADE: said("your standing with us allows no increase"),
        Forbids.EXTERNAL_STALE: _NO_REPORT,
        Forbids.EXTERNAL_MISSING: _NO_REPORT,
        Forbids.QUARANTINED_ROWS: said("entries of your account are not clear yet"),
        Forbids.CLASS: said("the status of your account allows no increase"),
        Forbids.NET_WORTH: _NO_NET_WORTH,
        Forbids.RECOMMENDATION: _NO_RECOMMENDATION,
        Forbids.NEED: _NO_NEED,
        Forbids.INPUT: _NO_FIGURE,
        Forbids.NOT_GRADED: _UNJUDGED,
        Forbids.VIEW: _UNJUDGED,
        Forbids.GROUP: said("the standing of your group allows no increase"),
    }
)
_FORMULAS: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys((codes.BY_PEAK, codes.BY_SEASON, codes.BY_FORECAST, codes.BY_NEED), _NEED),
        **dict.fromkeys((codes.BY_EXPOSURE, codes.BY_PART, codes.MAY_FALL), _NO_NEED),
        **dict.fromkeys((codes.RULE_BY_EXPOSURE, codes.RULE_MAY_FALL), _NO_FIGURE),
        codes.BY_RULE: _RULE,
        codes.STARTS: _STARTER,
        codes.FALLS: _UNUSED,
        codes.NOTHING: _NO_CREDIT,
    }
)
"""By the formula of a card, what to say where no cap held but it did."""

_BOUNDS: Mapping[str, str] = MappingProxyType({Layer.CEILING: Cap.CEILING, Layer.SEGMENT: Cap.SEGMENT, Layer.GROUP: Cap.POOL})
_BY_STANDING = (Forbids.GRADE, Forbids.NOT_GRADED, Forbids.VIEW)
_OF_GRADE = ("need_factor", "net_worth_fraction", "ceiling")
"""Names in a formula of the policy's own whose figure the grade decides."""
_SAME_INPUT: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        _NO_NET_WORTH: (
            said("no tangible net worth from statements young enough, or no sales to compare it with"),
            said("no statements"),
        ),
        **dict.fromkeys(
            (_NO_RECOMMENDATION, _NO_REPORT),
            (said("no external report young enough with a probability of default"), said("no external report young enough with a grade")),
        ),
    }
)
"""Reasons of the score that only repeat that an input is missing, by the cause that says so."""


def principal_reasons(packet: Mapping[str, Any], policy: Policy | None = None) -> tuple[str, ...]:
    """Up to four English sentences: what made the amount (of a bound asked for, the bound), then what lowered the score where it
    had a part.

    `policy` is the one that the packet was made by, which tells whether a better grade would have had more; None: taken for so. Where the
    engine's figure was no reason, since people decided otherwise, what lowered the score is all that is on record.
    """
    scored = [one for one in packet["reasons"] if not one.startswith(_CLASS)]
    if layer := (packet.get("request") or {}).get("layer"):
        return _first([_CAUSES[_BOUNDS[layer]], *scored])
    found = _Card.read(packet)
    causes = list(_causes(found, packet))
    if causes and not _scored(found, causes, packet, policy):
        return _first(causes)
    said_already = {text for cause in causes for text in _SAME_INPUT.get(cause, ())}
    return _first([*causes, *(one for one in scored if one not in said_already)]) or _first(packet["reasons"])


_CLASS = codes.CLASS_PREFIX.replace("_", " ")


def _first(found: list[str]) -> tuple[str, ...]:
    return tuple(str(one) for one in dict.fromkeys(found))[:MOST_REASONS]


# --- what the card says ---------------------------------------------------------------------------------------------------------------


def figures_of(packet: Mapping[str, Any]) -> dict[str, str]:
    """The figures of a packet's card by the template of their label."""
    return {_template(unpacked(label)): unpacked(figure) for label, figure in packet["derivation"]}


def minor_in(figure: Any) -> int | None:
    """The amount, minor units, that a figure of a card says, be it within another sentence; None where it says none."""
    while isinstance(figure, Said):
        figure = figure.args.get("amount")
    return figure.minor if isinstance(figure, Money) else None


def _template(text: Any) -> str:
    return text.template if isinstance(text, Said) else str(text)


@dataclass(frozen=True, slots=True)
class _Card:
    """What made the engine's figure: the cap that held, the formula's template, amounts after caps and step, and what forbade an increase.

    `stands_in`: the figure of the cap that held stands in for a missing input.
    """

    cap: str
    stands_in: bool
    formula: str
    segment: str
    after_caps: int | None
    after_step: int | None
    forbids: tuple[str, ...]

    @classmethod
    def read(cls, packet: Mapping[str, Any]) -> _Card:
        figures = figures_of(packet)
        cap = next(_held(packet), "")
        formula: Any = figures.get(_FORMULA, "")
        if isinstance(formula, Said) and formula.template == _FORMULA_GIVES:
            formula = formula.args["formula"]
        named = set(_within(figures.get(_FORBIDDEN, "")))
        after_caps = minor_in(figures.get(_AFTER_CAPS))
        return cls(
            cap=cap,
            stands_in=any(entry.startswith(f"{cap}:") and entry.endswith(":lower_ceiling") for entry in packet.get("substitutes", ())),
            formula=_template(formula),
            segment=str(figures.get(_SEGMENT, "")),
            after_caps=after_caps,
            after_step=minor_in(figures[_AFTER_STEP]) if _AFTER_STEP in figures else after_caps,
            forbids=tuple(code for code in Forbids if codes.words(code) in named),
        )


def _held(packet: Mapping[str, Any]) -> Iterator[str]:
    for label, figure in packet["derivation"]:
        read = unpacked(label)
        if isinstance(read, Said) and read.template == _CAP and _template(unpacked(figure)) == _HOLDS:
            yield from (cap for cap in _CAUSES if CAP_WORDS[Cap(cap)] == read.args["cap"])


def _within(text: Any) -> Iterator[str]:
    """A sentence and those listed in it."""
    yield _template(text)
    for value in text.args.values() if isinstance(text, Said) else ():
        yield from _within(value)


# --- what was decisive ----------------------------------------------------------------------------------------------------------------


def _causes(found: _Card, packet: Mapping[str, Any]) -> Iterator[str]:
    """What made the amount less than before or less than what was asked for, the decisive one first."""
    asked, had = (packet.get("request") or {}).get("amount_minor"), minor_in(figures_of(packet).get(IN_FORCE))
    had = packet.get("from_minor") if had is None else had
    wanted = had if asked is None else max(asked, had or 0)
    if found.after_caps is None or wanted is None or (asked is None and packet["to_minor"] >= wanted):
        return
    amount = [_amount_cause(found)] if found.after_caps < wanted else []
    if wanted <= (had or 0):  # nothing that forbids an increase took anything away
        yield from filter(None, amount)
        return
    forbids = [_FORBIDS[code] for code in found.forbids]
    stepped = found.after_step is not None and found.after_step < found.after_caps and not forbids
    first = forbids or ([_STEP] if stepped else [])
    yield from filter(None, [*amount, *first] if found.after_caps < (had or 0) else [*first, *amount])


def _amount_cause(found: _Card) -> str:
    if not found.cap:
        return _FORMULAS.get(found.formula, "")
    return _MISSING.get(found.cap, _CAUSES[found.cap]) if found.stands_in else _CAUSES[found.cap]


def _scored(found: _Card, causes: list[str], packet: Mapping[str, Any], policy: Policy | None) -> bool:
    """Whether the score had a part: a better grade would have had more, may rise, or keeps its terms."""
    before, after = packet.get("from_terms_days"), packet.get("terms_days")
    if before is not None and after is not None and after < before:
        return True
    if any(_FORBIDS[code] in causes for code in _BY_STANDING if code in found.forbids):
        return True
    field = _field(found, policy) if _amount_cause(found) in causes else ""
    if not field or (field in ("need_factor", "net_worth_fraction") and not found.after_caps):
        return False
    return policy is None or _better(policy.of_segment(found.segment), packet["grade"], field)


def _field(found: _Card, policy: Policy | None) -> str:
    """The field of a grade's limits that made the amount; empty where none did."""
    if found.cap:
        bounds = {Cap.NET_WORTH: "net_worth_fraction", Cap.GRADE: "ceiling"}
        return f"without_{found.cap}" if found.stands_in and found.cap in _MISSING else bounds.get(Cap(found.cap), "")
    if found.formula != codes.BY_RULE:
        return "need_factor" if "{factor}" in found.formula else ""
    own = policy.of_segment(found.segment).limits.formula if policy else None
    return next((name for name in _OF_GRADE if any(name in str(step) for step in (own or {}).values())), "" if own else _OF_GRADE[0])


def _better(policy: Policy, grade: str, field: str) -> bool:
    """Whether the best grade has more than this one; a worse one never has."""
    limits: Mapping[str, GradeLimits] = policy.limits.by_grade
    if grade not in limits:
        return True
    return bool(getattr(limits[policy.grade_names[0]], field) > getattr(limits[grade], field))
