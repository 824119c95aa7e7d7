"""Which rules of the policy decided each proposal, by code, read from the figures that the engine keeps."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from credit_review.fx import RateTable
from credit_review.limits import codes
from credit_review.limits.arrays import Flags, Ints
from credit_review.limits.codes import CLASS_PREFIX, SEPARATOR
from credit_review.limits.rules import compile_rules
from credit_review.model.states import CustomerState
from credit_review.policy import Policy
from credit_review.words import marked, said

STEP, MINIMUM, MAXIMUM, SMALL, TERMS, THROUGH = "step", "minimum", "maximum", "smallest_change", "terms", "straight_through"
"""Codes of rules that have no code of their own in the engine's vocabulary."""
FORBIDS, CAP, LACKS, CLASS, EXCEPTIONAL, GRADE = "forbids", "cap", "lacks", "class", "exceptional", "grade"
"""What stands before the engine's own codes, with a colon: `forbids:overdue`, `cap:net_worth`, `lacks:net_worth:missing:no_increase`."""

_OWN = {
    STEP: marked("the step limit of one review"),
    MINIMUM: marked("the smallest limit"),
    MAXIMUM: marked("the largest limit"),
    SMALL: marked("the change is too small"),
    TERMS: marked("payment terms of the grade"),
    THROUGH: marked("passes without a person"),
}


def fired(proposals: pd.DataFrame, policy: Policy, *, as_of: date, rates: RateTable | None) -> dict[str, Flags]:
    """By code, the rows of PROPOSALS that a rule decided; rows that are not reviewed have none. Codes in a fixed order.

    A step limit counts where it moved the target; `minimum` and `maximum` where the limit ends there for want of another; a change too
    small where the limit in force stays although the grid gave another one.
    """
    reviewed = (proposals["state"] == CustomerState.REVIEWED).to_numpy(dtype=bool)
    found = {
        **dict(_joined(proposals["forbids_increase"], FORBIDS)),
        **dict(_joined(proposals["binding_cap"], CAP)),
        **dict(_joined(proposals["substitutes"], LACKS)),
        **dict(_classes(proposals["reason_codes"])),
        **dict(_joined(proposals["exceptional"], EXCEPTIONAL)),
        **_bounds(proposals, policy, as_of, rates),
        TERMS: (proposals["to_terms_days"] < proposals["from_terms_days"]).fillna(False).to_numpy(dtype=bool),
        THROUGH: proposals["straight_through"].to_numpy(dtype=bool),
    }
    return {code: flags & reviewed for code, flags in sorted(found.items()) if (flags & reviewed).any()}


def words(code: str) -> str:
    """What a code says, for people."""
    kind, _, rest = code.partition(":")
    if kind == FORBIDS:
        return said("no increase: {why}", why=codes.FORBIDS_WORDS.get(rest, rest))
    if kind == CAP:
        return said("capped by {cap}", cap=codes.CAP_WORDS.get(rest, rest))
    if kind == LACKS:
        return codes.substitute_words(rest)
    if kind == CLASS:
        return said("rule of class {status}", status=rest)
    if kind == EXCEPTIONAL:
        return said("to people: {why}", why=codes.EXCEPTIONAL_WORDS.get(rest, rest))
    return said("grade {grade}", grade=rest or "-") if kind == GRADE else said(_OWN.get(code, code))


def _joined(column: pd.Series[Any], kind: str) -> Iterator[tuple[str, Flags]]:
    """One flag column a code of a column of codes joined by |."""
    place, texts = pd.factorize(column)
    parts = [set(str(text).split(SEPARATOR)) - {""} for text in texts]
    for code in sorted(set().union(*parts)):
        yield f"{kind}:{code}", np.array([code in one for one in parts], dtype=bool)[place]


def _classes(reasons: pd.Series[Any]) -> Iterator[tuple[str, Flags]]:
    for code, flags in _joined(reasons, CLASS):
        name = code.removeprefix(f"{CLASS}:")
        if name.startswith(CLASS_PREFIX):
            yield f"{CLASS}:{name.removeprefix(CLASS_PREFIX)}", flags


def _bounds(proposals: pd.DataFrame, policy: Policy, as_of: date, rates: RateTable | None) -> dict[str, Flags]:
    """What happened to the figure after the caps."""
    place, currencies = pd.factorize(proposals["currency"], sort=True)
    rules = compile_rules(policy, [str(one) for one in currencies], rates=rates, as_of=as_of)
    to, now, after_caps, stepped, rounded = (_ints(proposals[name]) for name in _AMOUNTS)
    base = np.where(proposals["from_minor"].notna(), now, proposals["exposure_minor"].to_numpy(dtype=np.int64))
    forbidden = (proposals["forbids_increase"] != "").to_numpy(dtype=bool)
    target = np.where(forbidden, np.minimum(after_caps, base), after_caps)
    known = proposals["to_minor"].notna().to_numpy(dtype=bool)
    lifted = known & (to > rounded) & (to == rules.minimum[place])
    cut = known & (to < rounded) & (to == rules.maximum[place])
    kept = known & proposals["from_minor"].notna().to_numpy(dtype=bool) & (to == now) & (rounded != now) & ~lifted & ~cut
    return {STEP: known & (stepped != target), MINIMUM: lifted, MAXIMUM: cut, SMALL: kept}


_AMOUNTS = ("to_minor", "from_minor", "after_caps_minor", "after_step_minor", "after_rounding_minor")


def _ints(column: pd.Series[Any]) -> Ints:
    return column.fillna(0).to_numpy(dtype=np.int64)
