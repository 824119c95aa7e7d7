"""What stands behind an exposure from outside: insurance, guarantees and the newest external report."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from credit_review import fx
from credit_review.exposure.arrays import NO_DAY, Flags, Ints, day_number, day_numbers, sum_by
from credit_review.exposure.ledger import positions, quarantine_rows
from credit_review.words import marked

_MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Cover:
    """Valid insurance and security by customer, account currency, with the rows left out."""

    insured: Ints
    security: Ints
    quarantine: list[pd.DataFrame]


def cover(rows: pd.DataFrame, customers: pd.DataFrame, exposure: Ints, *, as_of: date, rates: fx.RateTable) -> Cover:
    """Cover valid at as_of of COVER rows: from its first day (a row without one proves nothing) until the day before `valid_to`.

    Cover with a longest term counts only where the customer's terms are known and not longer. Insurance is its fraction of the exposure
    under the insured limit, the smallest fraction first when there are several, rounded down; a guarantee is its fraction of its amount.
    """
    rows = rows.sort_values(["cover_fraction", "reference", "kind"], kind="stable").reset_index(drop=True)
    customer = positions(rows["customer_id"], pd.Index(customers["customer_id"]))
    keys = rows["customer_id"] + "|" + rows["kind"] + "|" + rows["reference"]
    valid = (customer >= 0) & _in_force(rows, as_of) & _terms_allow(rows, customers, customer)
    amount, without, left_out = _in_account_currency(
        rows, "amount_minor", "cover", keys, customers, customer, valid, as_of=as_of, rates=rates
    )
    valid &= ~without
    fraction = np.rint(np.clip(rows["cover_fraction"].fillna(0).to_numpy(dtype=np.float64), 0, 1) * _MILLION).astype(np.int64)
    insurance = valid & (rows["kind"] == "insured_limit").to_numpy(dtype=bool)
    security = valid & (rows["kind"] == "guarantee").to_numpy(dtype=bool)
    count = len(customers)
    covered = _layers(customer[insurance], np.maximum(amount[insurance], 0), exposure)
    return Cover(
        insured=sum_by(customer[insurance], _share(covered, fraction[insurance]), count),
        security=sum_by(customer[security], _share(np.maximum(amount[security], 0), fraction[security]), count),
        quarantine=left_out,
    )


@dataclass(frozen=True, slots=True)
class Reports:
    """The newest report of each customer on or before as_of. `found` is false where there is none."""

    found: Flags
    without_rate: Flags
    grade: pd.Series[str]
    pd_fraction: pd.Series[float]
    age_days: Ints
    recommended: pd.Series[Any]
    quarantine: list[pd.DataFrame]


def reports(rows: pd.DataFrame, customers: pd.DataFrame, *, as_of: date, rates: fx.RateTable) -> Reports:
    """The newest external report of each customer dated on or before as_of; on one day, of the provider first in the alphabet."""
    code = positions(rows["customer_id"], pd.Index(customers["customer_id"]))
    dated = day_numbers(rows["report_date"])
    usable = (code >= 0) & (dated != NO_DAY) & (dated <= day_number(as_of))
    known = rows.assign(at=code, day=dated)[usable].sort_values(["at", "day", "provider"], ascending=[True, False, True], kind="stable")
    newest = known.drop_duplicates("at").reset_index(drop=True)
    at = newest["at"].to_numpy(dtype=np.int64)
    keys = newest["customer_id"] + "|" + newest["provider"] + "|" + newest["report_date"].dt.strftime("%Y-%m-%d")
    stated = newest["recommended_limit_minor"].notna().to_numpy(dtype=bool)
    amount, without, left_out = _in_account_currency(
        newest, "recommended_limit_minor", "external", keys, customers, at, stated, as_of=as_of, rates=rates
    )
    newest["recommended"] = pd.Series(pd.arrays.IntegerArray(amount, ~stated | without))
    placed = newest.set_index("at").reindex(range(len(customers)))
    return Reports(
        found=_flags(at, len(customers)),
        without_rate=_flags(at[without], len(customers)),
        grade=placed["grade"].fillna("").astype("str"),
        pd_fraction=placed["pd_fraction"].astype("float64"),
        age_days=day_number(as_of) - placed["day"].fillna(0).to_numpy(dtype=np.int64),
        recommended=placed["recommended"].astype("Int64"),
        quarantine=left_out,
    )


def why_not(rows: pd.DataFrame, customers: pd.DataFrame, features: pd.DataFrame, *, as_of: date) -> Any:
    """Why each COVER row does not count whatever its days, as a sentence; empty where its conditions hold."""
    customer = positions(rows["customer_id"], pd.Index(customers["customer_id"]))
    return np.where(_terms_allow(rows, customers, customer), "", TERMS_TOO_LONG)


TERMS_TOO_LONG = marked("the customer's payment terms are not known, or longer than the cover allows")


def _flags(at: Ints, count: int) -> Flags:
    flags: Flags = np.zeros(count, dtype=bool)
    flags[at] = True
    return flags


def _in_force(rows: pd.DataFrame, as_of: date) -> Flags:
    start, end, today = day_numbers(rows["valid_from"]), day_numbers(rows["valid_to"]), day_number(as_of)
    flags: Flags = (start != NO_DAY) & (start <= today) & ((end == NO_DAY) | (today < end))
    return flags


def _terms_allow(rows: pd.DataFrame, customers: pd.DataFrame, customer: Ints) -> Flags:
    longest = rows["max_terms_days"]
    terms = customers["terms_days"].reindex(customer).set_axis(rows.index)
    within = (terms <= longest).fillna(False).to_numpy(dtype=bool)
    return longest.isna().to_numpy(dtype=bool) | within


def _in_account_currency(
    rows: pd.DataFrame,
    column: str,
    dataset: str,
    keys: pd.Series[str],
    customers: pd.DataFrame,
    customer: Ints,
    wanted: Flags,
    *,
    as_of: date,
    rates: fx.RateTable,
) -> tuple[Ints, Flags, list[pd.DataFrame]]:
    """Amounts in account currency (0 where not wanted), which wanted rows have no rate, and those rows as quarantine."""
    quote = customers["currency"].reindex(customer).set_axis(rows.index).fillna("")
    wanted_rows = pd.Series(wanted, index=rows.index)
    converted, _ = fx.convert_column(rows[column].astype("Int64").where(wanted_rows), rows["currency"], quote, on=as_of, rates=rates)
    without: Flags = wanted & converted.isna().to_numpy(dtype=bool)
    reason = marked("no exchange rate to the customer's account currency on the as-of date, so this {dataset} row is not counted").format(
        dataset=dataset
    )
    left_out = quarantine_rows(rows, without, dataset, keys, "missing_rate", "currency", reason, could_raise=False)
    return converted.fillna(0).to_numpy(dtype=np.int64, copy=True), without, [left_out] if len(left_out) else []


def _layers(customer: Ints, amount: Ints, exposure: Ints) -> Ints:
    """How much of the customer's exposure each insured limit covers, in row order: later rows cover what earlier ones left."""
    order = np.argsort(customer, kind="stable")
    code, limit = customer[order], exposure[customer[order]]
    own = np.minimum(amount[order], limit)
    running = np.cumsum(own)
    first = np.flatnonzero(np.diff(code, prepend=-1))
    before = np.repeat((running - own)[first], np.diff(np.append(first, len(code))))
    up_to = running - before
    covered = np.zeros(len(customer), dtype=np.int64)
    covered[order] = np.minimum(up_to, limit) - np.minimum(up_to - own, limit)
    return covered


def _share(amount: Ints, millionths: Ints) -> Ints:
    """amount x millionths / 1,000,000 rounded down: cover is never rounded in our favour."""
    return amount // _MILLION * millionths + amount % _MILLION * millionths // _MILLION
