"""Which part of its class each lowered customer's reduction reached: whether a change was one to substantially all of a class."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from credit_review.limits.codes import CLASS_PREFIX, SEPARATOR, Cap
from credit_review.model.states import CustomerState, Direction

FEWEST = 10
"""A class of fewer customers with a limit is none: of three, two are no class that a rule was changed for."""


def shares_lowered(proposals: pd.DataFrame) -> Mapping[str, float]:
    """By lowered customer of PROPOSALS, the fraction (6 decimals) of its class that the review lowers for the same cause.

    A class is the reviewed customers with a limit of one segment of the policy and one grade, FEWEST or more; the cause is the rule of the
    credit status, else the ceiling of the grade where that held. Another reduction has no share: it followed the customer's own figures,
    or a layer approved for it alone.
    """
    rows = proposals[(proposals["state"] == CustomerState.REVIEWED) & proposals["from_minor"].notna()]
    by_class = rows["reason_codes"].str.split(SEPARATOR).str[0].fillna("")
    cause = by_class.where(by_class.str.startswith(CLASS_PREFIX), rows["binding_cap"].where(rows["binding_cap"] == Cap.GRADE, ""))
    known = rows.assign(cause=cause, size=rows.groupby(["policy_segment", "grade"])["customer_id"].transform("size"))
    lowered = known[(known["direction"] == Direction.DOWN) & (known["cause"] != "") & (known["size"] >= FEWEST)]
    same = lowered.groupby(["policy_segment", "grade", "cause"])["customer_id"].transform("size")
    return dict(zip(lowered["customer_id"], (same / lowered["size"]).round(6), strict=True))
