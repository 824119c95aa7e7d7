"""Quarantined rows that count at their absolute amount, so that a small fault does not keep a customer from its review."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd

from credit_review import fx
from credit_review.exposure.arrays import Ints, sum_by
from credit_review.exposure.ledger import positions
from credit_review.policy import Policy


def added(quarantine: pd.DataFrame | None, customers: pd.DataFrame, *, as_of: date, policy: Policy, rates: fx.RateTable) -> Ints:
    """What quarantined rows add to exposure, account currency, by position of the customer.

    All rows of a customer that could raise its exposure count together, each row once however many rules it failed. They are added only
    if every one has a readable, convertible amount and their sum in control currency is at most `intake.review_quarantined_below`;
    otherwise nothing is added, and the customer is for quarantine.
    """
    count = len(customers)
    if quarantine is None or not len(quarantine):
        return np.zeros(count, dtype=np.int64)
    rows = _rows(quarantine)
    customer = positions(rows["customer_id"], pd.Index(customers["customer_id"]))
    rows, customer = rows[customer >= 0].reset_index(drop=True), customer[customer >= 0]
    account = customers["currency"].iloc[customer].reset_index(drop=True)
    own, _ = fx.convert_column(rows["size"], rows["currency"], account, on=as_of, rates=rates)
    control, _ = fx.convert_column(rows["size"], rows["currency"], policy.control_currency, on=as_of, rates=rates)
    unknown = (own.isna() | control.isna()).to_numpy(dtype=bool)
    total = sum_by(customer, control.fillna(0).to_numpy(dtype=np.int64), count)
    too_much = (total > policy.minor(policy.intake.review_quarantined_below)) | (sum_by(customer, unknown.astype(np.int64), count) > 0)
    return np.where(too_much, 0, sum_by(customer, own.fillna(0).to_numpy(dtype=np.int64), count))


def _rows(quarantine: pd.DataFrame) -> pd.DataFrame:
    """Ledger rows that could raise an exposure, one a customer and row key, with their absolute amount.

    NA when an entry has none, or when two entries differ: then two rows share a key, and what they come to cannot be told.
    """
    rows = quarantine[quarantine["could_raise"] & (quarantine["dataset"] == "items") & (quarantine["customer_id"] != "")]
    rows = rows.assign(size=rows["amount_minor"].abs())
    rows = rows.sort_values(["customer_id", "row_key", "size"], kind="stable")
    amounts = rows.groupby(["customer_id", "row_key"], sort=False)["size"].transform("nunique", dropna=False)
    return rows.assign(size=rows["size"].mask(amounts != 1)).drop_duplicates(["customer_id", "row_key"])
