"""Which customers a review is asked to reach; all others end it as not due, never missing."""

from __future__ import annotations

from dataclasses import dataclass

from credit_review.errors import BadInput

ALL, DUE, CUSTOMERS = "all", "due", "customers"
COLUMNS = ("segment", "region", "legal_entity")

_EXPECTED = "all, due, segment:NAME, region:NAME, legal_entity:NAME, customers:ID,ID or customer:ID"


@dataclass(frozen=True, slots=True)
class Scope:
    """A scope as typed: everyone, those due by cadence, those with a value in a column of the master, or a list of customer ids."""

    text: str
    kind: str
    values: tuple[str, ...] = ()


def parse_scope(text: str) -> Scope:
    """The scope a person typed. `customer:ID#2` is the second request for one customer on a day. Raises BadInput."""
    kind, colon, rest = text.partition(":")
    if text in (ALL, DUE):
        return Scope(text, text)
    if colon and kind in COLUMNS and rest.strip():
        return Scope(text, kind, (rest.strip(),))
    if colon and kind in (CUSTOMERS, "customer"):
        found = rest.rpartition("#")[0] or rest if kind == "customer" else rest
        ids = [part.strip() for part in found.split(",")] if kind == CUSTOMERS else [found.strip()]
        if all(ids):
            return Scope(text, CUSTOMERS, tuple(sorted(set(ids))))
    raise BadInput(f"unknown scope {text!r}", expected=_EXPECTED, next_step="name the scope again")
