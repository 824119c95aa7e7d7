"""The closed vocabulary of the limit engine, in one place: code, report, cards and docs read codes and their words from here."""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType

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
    NOT_GRADED = "not_graded"


class Cap(StrEnum):
    """What a limit may not exceed, in the order in which equal caps are named."""

    NEED = "need"
    NET_WORTH = "net_worth"
    RECOMMENDATION = "recommendation"
    GRADE = "grade_ceiling"


class Exceptional(StrEnum):
    """Why a proposal never goes straight through."""

    FIRST_LIMIT = "first_limit"
    TOP_EXPOSURE = "top_exposure"
    MISSING_DATA = "missing_data"
    QUARANTINED_ROWS = "quarantined_rows"
    OVERRIDE = "override"
    REQUESTED = "requested"
    ERP_DIFFERENCE = "erp_difference"


CLASS_PREFIX = "class_"
"""Reason code of a limit that a class rule decided: this and the credit status, such as `class_insolvent`."""

MISSING, STALE = "missing", "stale"

FORBIDS_WORDS: MappingProxyType[str, str] = MappingProxyType(
    {
        Forbids.OVERDUE: "invoices are overdue for longer and with more than policy allows",
        Forbids.GRADE: "the grade is one that never gets an increase",
        Forbids.EXTERNAL_STALE: "the newest external report is too old",
        Forbids.EXTERNAL_MISSING: "there is no external report",
        Forbids.QUARANTINED_ROWS: "rows of the customer are in quarantine",
        Forbids.CLASS: "the customer's credit status allows no increase",
        Forbids.NET_WORTH: "net worth is missing or too old",
        Forbids.RECOMMENDATION: "the bureau's recommendation is missing or too old",
        Forbids.NEED: "need cannot be computed, since the source has no sales or terms",
        Forbids.NOT_GRADED: "the customer has no grade",
    }
)

CAP_WORDS: MappingProxyType[str, str] = MappingProxyType(
    {
        Cap.NEED: "need",
        Cap.NET_WORTH: "part of tangible net worth",
        Cap.RECOMMENDATION: "the bureau's recommendation",
        Cap.GRADE: "ceiling of the grade",
    }
)

EXCEPTIONAL_WORDS: MappingProxyType[str, str] = MappingProxyType(
    {
        Exceptional.FIRST_LIMIT: "first limit: none was on file",
        Exceptional.TOP_EXPOSURE: "belongs to one of the largest exposures of the book",
        Exceptional.MISSING_DATA: "rests on missing or outdated data",
        Exceptional.QUARANTINED_ROWS: "quarantined rows were added to the exposure",
        Exceptional.OVERRIDE: "a person changed the engine's figure",
        Exceptional.REQUESTED: "a person asked for it outside a review",
        Exceptional.ERP_DIFFERENCE: "the ERP holds another limit than the one we applied",
    }
)

OTHERWISE_WORDS: MappingProxyType[str, str] = MappingProxyType(
    {
        "lower_ceiling": "the lower ceiling of the grade stands in",
        "no_increase": "no increase",
        "ask_documents": "no increase, and the customer is asked for the documents",
    }
)


def words(codes: str) -> str:
    """Codes joined by | in plain words joined by semicolons; a code that is not ours stays as it is."""
    known = FORBIDS_WORDS | EXCEPTIONAL_WORDS | CAP_WORDS
    return "; ".join(known.get(code, code) for code in codes.split(SEPARATOR) if code)


def substitute(cap: str, why: str, otherwise: str) -> str:
    """One entry of PROPOSALS.substitutes: `net_worth:missing:lower_ceiling`."""
    return f"{cap}:{why}:{otherwise}"


def substitute_words(entry: str) -> str:
    """One entry of PROPOSALS.substitutes in plain words."""
    cap, why, otherwise = entry.split(":")
    said = "missing" if why == MISSING else "too old"
    return f"{CAP_WORDS[cap]} is {said}: {OTHERWISE_WORDS[otherwise]}"
