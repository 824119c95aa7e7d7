"""What stands behind an exposure from outside: insurance, guarantees and the newest external report."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd

from credit_review import fx
from credit_review.exposure import insurance as insurance_rules
from credit_review.exposure.arrays import NO_DAY, Flags, Ints, day_number, day_numbers, sum_by
from credit_review.exposure.insurance import CoverRows
from credit_review.exposure.ledger import Ledger, positions, quarantine_rows
from credit_review.policy import Policy
from credit_review.words import marked

_MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Cover:
    """Valid insurance and security by customer, account currency, with the rows left out; what limit it allows today and later
    (`day=amount` joined by |), and what does not count and why (sentences joined by |)."""

    insured: Ints
    security: Ints
    quarantine: list[pd.DataFrame]
    cap: Ints
    caps: Any
    notes: Any


def cover(
    rows: pd.DataFrame,
    customers: pd.DataFrame,
    exposure: Ints,
    *,
    as_of: date,
    rates: fx.RateTable,
    oldest: Ints,
    ledger: Ledger,
    policy: Policy,
) -> Cover:
    """Cover valid at as_of of COVER rows: from its first day (a row without one proves nothing) until the day before `valid_to`.

    It counts while its conditions hold (`insurance.conditions`); after a withdrawal it covers what was posted before. Insurance is its
    fraction of the exposure under the insured limit, the smallest fraction first when there are several, rounded down; a guarantee is its
    fraction of its amount. `oldest` are days past due of each customer's oldest open invoice.
    """
    rows = rows.sort_values(["cover_fraction", "reference", "kind"], kind="stable").reset_index(drop=True)
    count, rules = len(customers), policy.insurance
    found, left_out = _converted(rows, customers, oldest, rules.notice_days, as_of=as_of, rates=rates)
    amount = np.maximum(found.amounts_on(day_number(as_of)), _posted_before(found, ledger, as_of))
    insurance, security = found.insurance & (found.customer >= 0), ~found.insurance & (found.customer >= 0)
    covered = _layers(found.customer[insurance], amount[insurance], exposure)
    cap, steps = _capped(found, customers, policy, as_of=as_of, rates=rates)
    stated = "insurance" in policy.model_fields_set
    return Cover(
        insured=sum_by(found.customer[insurance], _share(covered, found.ppm[insurance]), count),
        security=sum_by(found.customer[security], _share(amount[security], found.ppm[security]), count),
        quarantine=left_out,
        cap=cap,
        caps=steps,
        notes=insurance_rules.notes(rows, found, count, as_of=as_of) if stated else np.full(count, "", dtype=object),
    )


_NO_BOUND = -1
"""Stands for no cap by cover: policy has none, or the currency no rate."""


def _converted(
    rows: pd.DataFrame, customers: pd.DataFrame, oldest: Ints, notice_days: int, *, as_of: date, rates: fx.RateTable
) -> tuple[CoverRows, list[pd.DataFrame]]:
    """Rows in account currency with the days they turn on; what could not be converted does not count and is quarantined."""
    customer = positions(rows["customer_id"], pd.Index(customers["customer_id"]))
    keys = rows["customer_id"] + "|" + rows["kind"] + "|" + rows["reference"]
    start, end = insurance_rules.days_of(rows)
    why = insurance_rules.conditions(rows, customer, customers["terms_days"], oldest, as_of=as_of)
    today = day_number(as_of)
    wanted = (customer >= 0) & (start <= today) & (today < end) & (why == "")

    def amounts(column: str, wanted: Flags) -> tuple[Ints, Flags, list[pd.DataFrame]]:
        return _in_account_currency(
            rows, column, "cover", keys, customers=customers, customer=customer, wanted=wanted, as_of=as_of, rates=rates
        )

    amount, without, left_out = amounts("amount_minor", wanted)
    later, _, _ = amounts("amount_minor", customer >= 0)
    reduced, _, _ = amounts("reduced_to_minor", (customer >= 0) & rows["reduced_to_minor"].notna().to_numpy(dtype=bool))
    fraction = np.clip(rows["cover_fraction"].fillna(0).to_numpy(dtype=np.float64), 0, 1)
    found = CoverRows(
        customer=np.where(without, -1, customer),
        amount=np.where(wanted, amount, later),
        reduced=reduced,
        ppm=np.rint(fraction * _MILLION).astype(np.int64),
        insurance=(rows["kind"] != "guarantee").to_numpy(dtype=bool),
        start=start,
        end=end,
        withdrawn=insurance_rules.effective_withdrawal(rows, notice_days),
        stopped=why,
    )
    return found, left_out


def _posted_before(found: CoverRows, ledger: Ledger, as_of: date) -> Ints:
    """What withdrawn insurance still covers: open receivables posted before the withdrawal took effect, at most its old amount."""
    today = day_number(as_of)
    rows = np.flatnonzero(found.valid_on(today) & (today >= found.withdrawn) & found.insurance)
    kept = np.zeros(len(found.amount), dtype=np.int64)
    if not len(rows):
        return kept
    items = pd.DataFrame({"customer": ledger.customer, "posted": ledger.posted, "open": ledger.open})[ledger.receivable]
    asked = pd.DataFrame({"row": rows, "customer": found.customer[rows], "withdrawn": found.withdrawn[rows]})
    both = asked.merge(items, on="customer")
    before = both[both["posted"] < both["withdrawn"]].groupby("row")["open"].sum().reindex(rows, fill_value=0)
    kept[rows] = np.clip(before.to_numpy(dtype=np.int64), 0, np.maximum(found.amount[rows], 0))
    return kept


def _capped(found: CoverRows, customers: pd.DataFrame, policy: Policy, *, as_of: date, rates: fx.RateTable) -> tuple[Ints, Any]:
    """The largest limit within policy's own risk by customer (_NO_BOUND: none), and what that becomes on later days."""
    count = len(customers)
    if policy.insurance.own_risk_up_to is None:
        return np.full(count, _NO_BOUND, dtype=np.int64), np.full(count, "", dtype=object)
    own_risk = _own_risk(policy.insurance.own_risk_up_to, customers, policy, as_of=as_of, rates=rates)
    cap, steps = insurance_rules.caps(found, own_risk, count, as_of=as_of)
    return np.where(own_risk == _NO_BOUND, _NO_BOUND, cap), np.where(own_risk == _NO_BOUND, "", steps)


def _own_risk(most: Decimal, customers: pd.DataFrame, policy: Policy, *, as_of: date, rates: fx.RateTable) -> Ints:
    """What policy lets be at our own risk, in each customer's account currency; _NO_BOUND where there is no rate."""
    minor = pd.Series(policy.minor(most), index=customers.index, dtype="Int64")
    control = pd.Series(policy.control_currency, index=customers.index, dtype="str")
    converted, _ = fx.convert_column(minor, control, customers["currency"], on=as_of, rates=rates)
    return converted.fillna(_NO_BOUND).to_numpy(dtype=np.int64, copy=True)


def why_not(rows: pd.DataFrame, customers: pd.DataFrame, features: pd.DataFrame, *, as_of: date) -> Any:
    """Why each COVER row does not count whatever its days, as a sentence; empty where its conditions hold. `customers` are rows of the
    master, `features` rows of FEATURES in the same order."""
    customer = positions(rows["customer_id"], pd.Index(customers["customer_id"]))
    oldest = features["oldest_dpd_days"].to_numpy(dtype=np.int64)
    return insurance_rules.conditions(rows.reset_index(drop=True), customer, customers["terms_days"], oldest, as_of=as_of)


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
        newest, "recommended_limit_minor", "external", keys, customers=customers, customer=at, wanted=stated, as_of=as_of, rates=rates
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


def _flags(at: Ints, count: int) -> Flags:
    flags: Flags = np.zeros(count, dtype=bool)
    flags[at] = True
    return flags


def _in_account_currency(
    rows: pd.DataFrame,
    column: str,
    dataset: str,
    keys: pd.Series[str],
    *,
    customers: pd.DataFrame,
    customer: Ints,
    wanted: Flags,
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
