"""Concentration of the book in control currency: the largest groups, segments and countries, and what part of it all they are."""

from __future__ import annotations

from datetime import date
from typing import Any

import pandas as pd

from credit_review import fx

LARGEST = (1, 5, 10, 20)
"""So many of the largest groups are added up."""
SHOWN = 20
"""Rows a list shows; what is beyond stands in its last row."""
DECIMALS = 6
_AMOUNTS = ("exposure_minor", "own_risk_minor")


def concentration(
    features: pd.DataFrame, customers: pd.DataFrame, *, rates: fx.RateTable, control_currency: str, as_of: date
) -> dict[str, Any]:
    """Plain values, as `concentration.json` keeps them: exposure and own risk of the whole book, of its 1, 5, 10 and 20 largest groups,
    and by group, segment and country, largest first; amounts in minor units of control currency, shares 0..1 of exposure.

    Each customer is converted once at the as_of rate (`rates` names those used); one without a rate is in no figure but in `left_out`.
    """
    book = features[["customer_id", "group_id", "currency", *_AMOUNTS]].reset_index(drop=True)
    book["group_id"] = book["group_id"].where(book["group_id"] != "", book["customer_id"])
    used: list[pd.DataFrame] = []
    for name in _AMOUNTS:
        book[name], evidence = fx.convert_column(book[name].astype("Int64"), book["currency"], control_currency, on=as_of, rates=rates)
        used.append(evidence)
    left_out = sorted(book.loc[book["exposure_minor"].isna(), "customer_id"])
    known = book[book["exposure_minor"].notna()].merge(customers[["customer_id", "segment", "country"]], on="customer_id", how="left")
    total = int(known["exposure_minor"].sum())
    groups = _by(known, "group_id", total)
    largest = [{"largest": n, **_sum(groups[:n], total)} for n in LARGEST]
    return {
        "as_of": as_of.isoformat(),
        "currency": control_currency,
        "exposure_minor": total,
        "own_risk_minor": int(known["own_risk_minor"].sum()),
        "customers": len(known),
        "left_out": left_out,
        "rates": _rates(used[0]),
        "largest_groups": largest,
        "groups": _shown(groups, total),
        "segments": _shown(_by(known, "segment", total), total),
        "countries": _shown(_by(known, "country", total), total),
    }


def _by(known: pd.DataFrame, column: str, total: int) -> list[dict[str, Any]]:
    sums = (
        known.assign(key=known[column].fillna(""))
        .groupby("key")
        .agg(customers=("customer_id", "size"), exposure_minor=("exposure_minor", "sum"), own_risk_minor=("own_risk_minor", "sum"))
    )
    rows = [
        {"key": str(key), "customers": int(n), "exposure_minor": int(e), "own_risk_minor": int(o), "share_fraction": _share(int(e), total)}
        for key, n, e, o in sums.itertuples(name=None)
    ]
    return sorted(rows, key=lambda row: (-row["exposure_minor"], row["key"]))


def _shown(rows: list[dict[str, Any]], total: int) -> list[dict[str, Any]]:
    """The first rows, and all others together under the key `others`."""
    rest = rows[SHOWN:]
    return [*rows[:SHOWN], *([{"key": "others", "others": len(rest), **_sum(rest, total)}] if rest else [])]


def _sum(rows: list[dict[str, Any]], total: int) -> dict[str, Any]:
    sums = {name: sum(row[name] for row in rows) for name in ("customers", *_AMOUNTS)}
    return sums | {"share_fraction": _share(sums["exposure_minor"], total)}


def _share(minor: int, total: int) -> float:
    return round(minor / total, DECIMALS) if total else 0.0


def _rates(used: pd.DataFrame) -> list[dict[str, Any]]:
    converted = used[used["base"] != used["quote"]]
    return [
        {"base": r["base"], "quote": r["quote"], "rate": r["rate"], "rate_date": r["rate_date"].date().isoformat(), "source": r["source"]}
        for r in converted.to_dict("records")
    ]
