"""Frames for scoring tests: FEATURES with a hidden risk behind them, ITEMS and CUSTOMERS built row by row."""

from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd

from credit_review import documents
from credit_review import policy as policies
from credit_review.model.frames import CUSTOMERS, FEATURES, ITEMS

STARTER = Path(__file__).parents[2] / "deployments/starter/policy.yaml"
DTYPES = {"str": "str", "int": "int64", "int?": "Int64", "float": "float64", "date": "datetime64[s]", "bool": "bool"}
BLANK = {"str": "", "int": 0, "int?": pd.NA, "float": np.nan, "date": pd.NaT, "bool": False}


def starter_policy(**outcome):
    text = STARTER.read_text(encoding="utf-8")
    policy = policies.load(documents.parse(text, name="policy.yaml"))
    return policy.model_copy(update={"outcome": policy.outcome.model_copy(update=outcome)}) if outcome else policy


def frame(dataset, rows):
    """A frame of `dataset` from partial rows; what a row does not say is blank."""
    columns = {c.name: pd.Series([r.get(c.name, BLANK[c.dtype]) for r in rows], dtype=DTYPES[c.dtype]) for c in dataset.columns}
    return pd.DataFrame(columns)


def features(rows):
    usual = {"currency": "EUR", "status": "active"}
    return frame(FEATURES, [usual | {"group_id": r.get("customer_id", "")} | r for r in rows])


def items(rows):
    usual = {"kind": "invoice", "currency": "EUR", "amount_minor": 100_000, "posting_date": pd.Timestamp("2024-01-10")}
    whole = [usual | r for r in rows]
    for i, r in enumerate(whole):
        r.setdefault("row_key", str(i))
        r.setdefault("open_minor", 0 if pd.notna(r.get("clearing_date", pd.NaT)) else r["amount_minor"])
        for name in ("posting_date", "due_date", "clearing_date"):
            r[name] = pd.Timestamp(r[name]) if r.get(name) is not None else pd.NaT
    return frame(ITEMS, whole)


def customers(rows):
    return frame(CUSTOMERS, [{"status": "active", "currency": "EUR", "group_id": r["customer_id"]} | r for r in rows])


def simulated(count, seed, cutoffs=(date(2023, 12, 31), date(2024, 3, 31), date(2025, 3, 31)), signal=1.5):
    """A training set in which late payment, overdue items and the bureau tell, with noise, of a hidden risk that drives the outcome."""
    rng = np.random.default_rng(seed)
    risk = rng.normal(size=count)
    parts = []
    for cutoff in cutoffs:
        rows = features([{"customer_id": f"c{i:05d}", "group_id": f"c{i - i % 3:05d}"} for i in range(count)])
        rows["average_days_late"] = np.round(10 + 8 * risk + rng.normal(0, 6, count), 4)
        rows["overdue_fraction"] = np.round(np.clip(0.15 + 0.12 * risk + rng.normal(0, 0.1, count), 0, 1), 6)
        rows["external_pd_fraction"] = np.round(np.exp(-4 + 0.7 * risk + rng.normal(0, 0.5, count)), 4)
        rows.loc[rng.random(count) < 0.25, "external_pd_fraction"] = np.nan
        rows["external_age_days"] = 100.0
        rows["months_on_book"] = np.round(rng.uniform(1, 200, count), 2)
        rows["oldest_dpd_days"] = np.maximum(0, (5 + 10 * risk + rng.normal(0, 10, count)).astype(int))
        rows["days_late_trend"] = np.round(rng.normal(0, 4, count), 4)
        bad = rng.random(count) < 1 / (1 + np.exp(2.6 - signal * risk))
        rows["outcome"] = bad.astype("int64")
        rows["cause"] = pd.Series(np.where(bad, "days past due", ""), dtype="str")
        rows["cutoff"] = pd.Timestamp(cutoff).as_unit("s")
        parts.append(rows)
    return pd.concat(parts, ignore_index=True)
