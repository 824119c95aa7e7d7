"""Group figures: the second pass, over one aggregate row a customer, in control currency."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from typing import Any

import pandas as pd

from credit_review import fx
from credit_review.errors import BadInput
from credit_review.model.frames import GROUPS, PANDAS
from credit_review.model.money import MAX_MINOR

_AMOUNTS = ("exposure_minor", "overdue_minor", "limits_minor")


def roll_up(
    features: pd.DataFrame,
    *,
    rates: fx.RateTable,
    control_currency: str,
    as_of: date,
    other_limits: pd.DataFrame | None = None,
    bad: Collection[str] = (),
) -> pd.DataFrame:
    """GROUPS of a FEATURES frame of all customers, sorted by group, whatever the order of the rows.

    Each member's figures are converted at the as_of rate, half-even once, then added: what a member pays early never hides what another
    owes late. A member that has no rate is listed in `unconverted` and is in no sum but `members` and `worst_dpd_days`.
    `other_limits` are limits in force beside `limit_minor`, such as temporary ones: customer_id, currency, amount_minor; they count too.
    `bad` are the customers that policy calls bad for their group (`bad_members`).
    """
    own = features[["customer_id", "group_id", "currency", "exposure_minor", "overdue_minor", "oldest_dpd_days"]].reset_index(drop=True)
    own["limits_minor"] = features["limit_minor"].reset_index(drop=True)
    own["group_id"] = own["group_id"].where(own["group_id"] != "", own["customer_id"])
    missing = pd.Series(False, index=own.index)
    for name in _AMOUNTS:
        amounts = own[name].astype("Int64")
        converted, _ = fx.convert_column(amounts, own["currency"], control_currency, on=as_of, rates=rates)
        missing |= converted.isna() & amounts.notna()
        own[name] = converted.fillna(0)
    if other_limits is not None and len(other_limits):
        more, without = _other_limits(other_limits, own["customer_id"], control_currency, as_of=as_of, rates=rates)
        own["limits_minor"] += more
        missing |= without
    own.loc[missing, list(_AMOUNTS)] = 0
    own["unconverted"] = own["customer_id"].where(missing, "")
    own["bad"] = own["customer_id"].where(own["customer_id"].isin(set(bad)), "")
    return _sums(own, control_currency)


def bad_members(features: pd.DataFrame, scores: pd.DataFrame, *, statuses: Collection[str], grades: Collection[str]) -> list[str]:
    """Ids of the customers with one of these credit statuses or grades, sorted."""
    by_status = features.loc[features["status"].isin(list(statuses)), "customer_id"]
    by_grade = scores.loc[scores["grade"].isin(list(grades)), "customer_id"]
    return sorted({*by_status, *by_grade})


def _other_limits(
    limits: pd.DataFrame, customers: pd.Series[str], currency: str, *, as_of: date, rates: fx.RateTable
) -> tuple[pd.Series[Any], pd.Series[bool]]:
    """Sum of other limits by row of `customers`, and whether one of them has no rate."""
    converted, _ = fx.convert_column(limits["amount_minor"].astype("Int64"), limits["currency"], currency, on=as_of, rates=rates)
    found = pd.DataFrame({"customer": limits["customer_id"], "amount": converted.fillna(0), "without": converted.isna()})
    summed = found.groupby("customer").agg(amount=("amount", "sum"), without=("without", "any"))
    placed = summed.reindex(customers).reset_index(drop=True)
    return placed["amount"].fillna(0).astype("Int64"), placed["without"].astype("boolean").fillna(False).astype("bool")


def _sums(own: pd.DataFrame, currency: str) -> pd.DataFrame:
    groups = own.sort_values(["group_id", "customer_id"], kind="stable").groupby("group_id", sort=True)
    largest = own[list(_AMOUNTS)].astype("float64").abs().groupby(own["group_id"]).sum().max(axis=1)
    if (largest > MAX_MINOR).any():
        raise BadInput(
            f"figures of group {largest.idxmax()} in {currency} are out of range",
            expected=f"at most {MAX_MINOR} minor units",
            next_step="look for an amount with a wrong scale among its members",
        )
    found = groups.agg(
        members=("customer_id", "size"),
        exposure_minor=("exposure_minor", "sum"),
        overdue_minor=("overdue_minor", "sum"),
        limits_minor=("limits_minor", "sum"),
        worst_dpd_days=("oldest_dpd_days", "max"),
    ).reset_index()
    found["unconverted"], found["bad_members"] = _ids(own, "unconverted", found), _ids(own, "bad", found)
    found["currency"] = currency
    return found[list(GROUPS.names)].astype({c.name: PANDAS[c.dtype] for c in GROUPS.columns})


def _ids(own: pd.DataFrame, named: str, found: pd.DataFrame) -> Any:
    """Of each group the ids of the members that a column names, joined by |."""
    rows = own.loc[own[named] != "", ["group_id", "customer_id"]].sort_values(["group_id", "customer_id"])
    joined = rows.groupby("group_id")["customer_id"].agg("|".join)
    return joined.reindex(found["group_id"], fill_value="").to_numpy(dtype=object)
