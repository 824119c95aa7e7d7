"""The closed vocabulary of the limit engine, in one place: code, report, cards and docs read codes and their words from here."""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType

from credit_review.limits.layer_words import SHARED_POOL
from credit_review.policy.formula.vocabulary import INPUTS
from credit_review.words import listed, marked, said

SEPARATOR = "|"


class Forbids(StrEnum):
    """Why a limit may stay or fall but not rise."""

    OVERDUE = "overdue"
    GRADE = "grade"
    EXTERNAL_STALE = "external_stale"
    EXTERNAL_MISSING = "external_missing"
    QUARANTINED_ROWS = "quarantined_rows"
    CLASS = "class_no_increase"
    NET_WORTH = "net_worth_unknown"
    RECOMMENDATION = "recommendation_unknown"
    NEED = "need_unknown"
    INPUT = "input_unknown"
    NOT_GRADED = "not_graded"
    VIEW = "view_missing"
    GROUP = "group_member"


class Cap(StrEnum):
    """What a limit may not exceed, in the order in which equal caps are named."""

    NEED = "need"
    NET_WORTH = "net_worth"
    RECOMMENDATION = "recommendation"
    GRADE = "grade_ceiling"
    FORMULA = "formula"
    COVER = "cover"
    ENTITY = "entity_limit"
    CEILING = "ceiling"
    SEGMENT = "segment_limit"
    POOL = "shared_pool"


class Exceptional(StrEnum):
    """Why a proposal never goes straight through."""

    FIRST_LIMIT = "first_limit"
    TOP_EXPOSURE = "top_exposure"
    MISSING_DATA = "missing_data"
    QUARANTINED_ROWS = "quarantined_rows"
    OVERRIDE = "override"
    REQUESTED = "requested"
    APPEAL = "appeal"
    ERP_DIFFERENCE = "erp_difference"


CLASS_PREFIX = "class_"
"""Reason code of a limit that a class rule decided: this and the credit status, such as `class_insolvent`."""

MISSING, STALE, UNDEFINED = "missing", "stale", "undefined"

FORMULA = "formula"
"""What PROPOSALS.substitutes calls the policy's own formula where it divides by zero or its result is too large."""
CURRENCY_BAND = "currency_band"
"""PROPOSALS.kept_by of a limit that another rate within policy's band would leave as it is."""

FORBIDS_WORDS: MappingProxyType[str, str] = MappingProxyType(
    {
        Forbids.OVERDUE: said("invoices are overdue for longer and with more than policy allows"),
        Forbids.GRADE: said("the grade is one that never gets an increase"),
        Forbids.EXTERNAL_STALE: said("the newest external report is too old"),
        Forbids.EXTERNAL_MISSING: said("there is no external report"),
        Forbids.QUARANTINED_ROWS: said("rows of the customer are in quarantine"),
        Forbids.CLASS: said("the customer's credit status allows no increase"),
        Forbids.NET_WORTH: said("net worth is missing or too old"),
        Forbids.RECOMMENDATION: said("the bureau's recommendation is missing or too old"),
        Forbids.NEED: said("need cannot be computed, since the source has neither sales with terms nor cleared items"),
        Forbids.INPUT: said("a figure that policy's formula uses is missing or too old, or the formula has no result"),
        Forbids.NOT_GRADED: said("the customer has no grade"),
        Forbids.VIEW: said("one of the two views of the customer is missing"),
        Forbids.GROUP: said("another member of its group is one that policy calls bad for the group"),
    }
)

CAP_WORDS: MappingProxyType[str, str] = MappingProxyType(
    {
        Cap.NEED: said("need"),
        Cap.NET_WORTH: said("part of tangible net worth"),
        Cap.RECOMMENDATION: said("the bureau's recommendation"),
        Cap.GRADE: said("ceiling of the grade"),
        Cap.FORMULA: said("policy's formula"),
        Cap.COVER: said("own risk beside the cover that counts"),
        Cap.ENTITY: said("limit for all our companies"),
        Cap.CEILING: said("ceiling in force"),
        Cap.SEGMENT: said("segment limit in force"),
        Cap.POOL: SHARED_POOL,
    }
)

EXCEPTIONAL_WORDS: MappingProxyType[str, str] = MappingProxyType(
    {
        Exceptional.FIRST_LIMIT: said("first limit: none was on file"),
        Exceptional.TOP_EXPOSURE: said("belongs to one of the largest exposures of the book"),
        Exceptional.MISSING_DATA: said("rests on missing or outdated data"),
        Exceptional.QUARANTINED_ROWS: said("quarantined rows were added to the exposure"),
        Exceptional.OVERRIDE: said("a person changed the engine's figure"),
        Exceptional.REQUESTED: said("a person asked for it outside a review"),
        Exceptional.APPEAL: said("was refused before, and is appealed against"),
        Exceptional.ERP_DIFFERENCE: said("the ERP holds another limit than the one we applied"),
    }
)

OTHERWISE_WORDS: MappingProxyType[str, str] = MappingProxyType(
    {
        "lower_ceiling": said("the lower ceiling of the grade stands in"),
        "at_most": said("policy's lower ceiling stands in"),
        "no_increase": said("no increase"),
        "ask_documents": said("no increase, and the customer is asked for the documents"),
        "use": said("policy's figure stands in"),
        "quarantine": said("no proposal"),
    }
)


BY_PEAK = marked("need {amount} (highest balance of 12 months) x {factor} (grade {grade})")
BY_SEASON = marked("need {amount} (highest balance of the season) x {factor} (grade {grade})")
BY_FORECAST = marked("need {amount} (forecast of the account owner) x {factor} (grade {grade})")
BY_NEED = marked("need {amount} x {factor} (grade {grade})")
BY_EXPOSURE = marked("need not computable: exposure {amount} x {factor} (grade {grade})")
BY_PART = marked("need not computable: exposure {amount} x {part} x {factor} (grade {grade})")
BY_RULE = marked("policy's formula: {expression}")
RULE_BY_EXPOSURE = marked("policy's formula has no result: exposure {amount} x {part} x {factor} (grade {grade})")
RULE_MAY_FALL = marked("policy's formula has no result: the limit in force may stay or fall")
STARTS = marked("starter limit {amount} of class {status}")
FALLS = marked("unused by class {status}: down to {amount}")
NOTHING = marked("class {status}: no credit")
MAY_FALL = marked("need not computable: the limit in force may stay or fall")
STAYS = marked("no grade: the limit in force stays")
FORMULAS = (
    BY_PEAK, BY_SEASON, BY_FORECAST, BY_NEED, BY_PART, BY_EXPOSURE, RULE_BY_EXPOSURE, RULE_MAY_FALL, BY_RULE, STARTS, FALLS, NOTHING,
    MAY_FALL, STAYS,
)  # fmt: skip
"""The formula in words with its figures, as PROPOSALS.formula holds it."""


GRADE_KEPT = marked("kept at {grade}: within the band's margin")
GRADE_CAPPED = marked("no better than {grade} while a view is missing")
GRADE_BY_GROUP = marked("no better than {grade} while a member of its group is bad for it")
VIEW_NOTES: MappingProxyType[str, str] = MappingProxyType(
    {
        "behaviour": marked("financial standing alone: nothing was open or paid in the last 12 months"),
        "financial": marked("payment behaviour alone: neither statements nor an external report to judge by"),
        "both": marked("neither payment behaviour nor financial standing is known"),
    }
)
"""What stands on a proposal where a view is missing, by SCORES.view_missing."""
COMBINED_NOTES: MappingProxyType[str, str] = MappingProxyType(
    {
        "weighted": marked("payment behaviour ({behaviour}) and financial standing ({financial}) together"),
        "worse_of": marked("the worse of payment behaviour ({behaviour}) and financial standing ({financial})"),
        "behaviour": marked("payment behaviour ({behaviour}) decides; financial standing ({financial}) is shown"),
        "financial": marked("financial standing ({financial}) decides; payment behaviour ({behaviour}) is shown"),
    }
)
"""How two views that are both known were combined, with the points of each, by SCORES.views."""
GRADE_NOTES = (GRADE_KEPT, GRADE_CAPPED, GRADE_BY_GROUP, *VIEW_NOTES.values(), *COMBINED_NOTES.values())


def words(codes: str) -> str:
    """Codes joined by | in plain words joined by semicolons; a code that is not ours stays as it is."""
    known = FORBIDS_WORDS | EXCEPTIONAL_WORDS | CAP_WORDS
    return listed([known.get(code, code) for code in codes.split(SEPARATOR) if code], by=marked("{first}; {rest}"))


def substitute(cap: str, why: str, otherwise: str) -> str:
    """One entry of PROPOSALS.substitutes: `net_worth:missing:lower_ceiling`."""
    return f"{cap}:{why}:{otherwise}"


def lets_nothing_stand_in(entry: str) -> bool:
    """Whether an entry of PROPOSALS.substitutes forbids an increase, since no figure stands in for the one that is missing."""
    return entry.rpartition(":")[2] not in ("lower_ceiling", "use")


def substitute_words(entry: str) -> str:
    """One entry of PROPOSALS.substitutes in plain words."""
    cap, why, otherwise = entry.split(":")
    own = cap in INPUTS and cap not in CAP_WORDS
    stands_in = OTHERWISE_WORDS["at_most" if own and otherwise == "lower_ceiling" else otherwise]
    name = INPUTS[cap].words if own else CAP_WORDS[cap]
    if why == UNDEFINED:
        return said("{cap} has no result, since it divides by 0 or is too large: {instead}", cap=name, instead=stands_in)
    if why == MISSING:
        return said("{cap} is missing: {instead}", cap=name, instead=stands_in)
    return said("{cap} is too old: {instead}", cap=name, instead=stands_in)
