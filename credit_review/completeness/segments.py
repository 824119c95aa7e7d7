"""Which of the policy's segments each customer belongs to: the first whose conditions it meets."""

from __future__ import annotations

from datetime import date
from typing import Any

import pandas as pd

from credit_review import fx
from credit_review.policy import Policy
from credit_review.policy.segments import Who

_COLUMNS = {"regions": "region", "legal_entities": "legal_entity", "segments": "segment", "statuses": "status"}


def policy_segments(
    customers: pd.DataFrame, features: pd.DataFrame | None, *, policy: Policy, as_of: date, rates: fx.RateTable
) -> pd.Series[Any]:
    """Name of the segment of each row of `customers` (customer_id, currency, region, legal_entity, segment, status); empty: none.

    A customer without features has no exposure; one whose exposure cannot be converted is in no band of exposure.
    """
    found = pd.Series("", index=customers.index, dtype="str")
    if not policy.segments:
        return found
    exposure = _exposure(customers, features, policy, as_of, rates)
    for segment in reversed(policy.segments):
        found = found.mask(_matches(customers, exposure, segment.who, policy), segment.name)
    return found


def _matches(customers: pd.DataFrame, exposure: pd.Series[Any], who: Who, policy: Policy) -> pd.Series[Any]:
    meets = pd.Series(True, index=customers.index)
    for field, column in _COLUMNS.items():
        wanted = getattr(who, field)
        if wanted:
            meets &= customers[column].isin(wanted)
    if who.exposure_from is not None:
        meets &= (exposure >= policy.minor(who.exposure_from)).fillna(False).astype(bool)
    if who.exposure_below is not None:
        meets &= (exposure < policy.minor(who.exposure_below)).fillna(False).astype(bool)
    return meets


def _exposure(customers: pd.DataFrame, features: pd.DataFrame | None, policy: Policy, as_of: date, rates: fx.RateTable) -> pd.Series[Any]:
    """Exposure in control currency, minor units; missing where it cannot be converted."""
    if features is None:
        return pd.Series(0, index=customers.index, dtype="Int64")
    own = features.set_index("customer_id")["exposure_minor"].reindex(customers["customer_id"]).fillna(0).astype("Int64")
    control, _ = fx.convert_column(
        own.reset_index(drop=True), customers["currency"].reset_index(drop=True), policy.control_currency, on=as_of, rates=rates
    )
    return control.set_axis(customers.index)
