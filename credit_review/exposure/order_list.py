"""Which open orders and deliveries are inside a customer's limit and which are not, oldest first: the rule, vectorised over a bucket.

The rule (docs/after-application.md, Orders): of each customer deliveries come before orders, then older documents before younger ones, by
date of document, day due and number. They share the free limit: the effective limit less what the customer owes beside them. Each gets
what those before it have left. It is inside when all of it fits; nothing passes a document that does not fit. A return gives no room.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from credit_review import fx
from credit_review.exposure import ledger as ledgers
from credit_review.exposure.arrays import NO_DAY, Flags, Ints, day_number
from credit_review.exposure.balances import balances
from credit_review.exposure.ledger import DELIVERY, KINDS, ORDER, Ledger
from credit_review.policy import Policy

RELEASE, OUTSIDE, UNKNOWN = "release", "outside", "not_computable"
"""Lists of the hand-off: were outside and fit now; do not fit in full; cannot be said, with the reason."""

COLUMNS = (
    "list", "customer_id", "legal_entity", "source_number", "document", "kind", "document_date", "due_date", "currency", "amount_minor",
    "inside_minor", "outside_minor", "was", "run_off_date", "limit_minor", "free_minor", "as_of", "reason",
)  # fmt: skip
"""Columns of the hand-off. Amounts in minor units of the account's currency, days as ISO text, empty where there is nothing to say."""

NO_ORDERS = "no orders in source"


def allocated(customer: Ints, amount: Ints, free: Ints) -> Ints:
    """How much of each document is inside: documents stand in order of their customers and within one in order of allocation.

    `customer` is the position 0..len(free)-1 of each document's customer, `amount` its open amount (> 0), `free` the free limit by
    customer; a negative one is none. Never more than the document's amount, and of one customer never more than its free limit.
    """
    before = _running(customer, amount) - amount
    inside: Ints = np.clip(np.maximum(free, 0)[customer] - before, 0, amount)
    return inside


def _running(customer: Ints, amount: Ints) -> Ints:
    """The sum of the amounts so far, of each customer apart."""
    if not len(amount):
        return amount
    total: Ints = amount.cumsum()
    starts = np.flatnonzero(np.diff(customer, prepend=-1))
    earlier = np.concatenate([[0], total])[starts]
    total -= np.repeat(earlier, np.diff(starts, append=len(customer)))
    return total


def run_off(customer: Ints, needed: Ints, owing: Ints, due: Ints, paid: Ints) -> Ints:
    """The day by which what a customer owes and falls due covers `needed`, by document; NO_DAY where it never does.

    `owing`, `due` (day numbers) and `paid` are the customers, days and amounts (> 0) of what falls due, in any order.
    """
    order = np.lexsort((due, owing))
    owing, due, covered = owing[order], due[order], _running(owing[order], paid[order])
    who, value = np.concatenate([customer, owing]), np.concatenate([needed, covered])
    falls = np.repeat([0, 1], [len(customer), len(owing)])
    line = np.lexsort((falls, value, who))  # of equal amounts the question stands before what answers it
    place = np.where(falls[line] == 1, np.arange(len(line)), len(line))
    following = np.minimum.accumulate(place[::-1])[::-1] if len(place) else place
    answer = np.empty(len(line), dtype=np.int64)
    answer[line] = following
    at = answer[: len(customer)]
    found = at < len(line)
    by = line[np.minimum(at, max(len(line) - 1, 0))] - len(customer) if len(line) else at
    same = found.copy()
    same[found] = owing[by[found]] == customer[found]
    days = np.full(len(customer), NO_DAY, dtype=np.int64)
    days[same] = due[by[same]]
    return days


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """What is needed of a bucket: ITEMS, CUSTOMERS and FEATURES rows, the policy's segment by customer, and what the sources state."""

    items: pd.DataFrame
    customers: pd.DataFrame
    features: pd.DataFrame
    segments: dict[str, str]
    as_of: date
    rates: fx.RateTable
    policy: Policy
    has: Collection[str]


def order_list(bucket: Bucket, limits: pd.DataFrame) -> pd.DataFrame:
    """The hand-off's rows for the customers of `limits` (customer_id, currency, before_minor, after_minor, effective_from,
    reason): COLUMNS.

    `before_minor` and `after_minor` are effective limits in the account's currency (missing: none on file), `effective_from` the day
    from which the new one holds, `reason` says why a limit cannot be said. A customer whose orders cannot be judged has one row that says
    why; one without open orders has none.
    """
    known, unknown = _judgeable(bucket, limits)
    if not len(known):
        return not_computable(unknown, bucket.as_of)
    master = bucket.customers.set_index("customer_id").reindex(known["customer_id"]).reset_index()
    items = bucket.items[bucket.items["customer_id"].isin(set(known["customer_id"]))].reset_index(drop=True)
    ledger = ledgers.read(items, master, as_of=bucket.as_of, rates=bucket.rates).ledger
    listed = _listed(bucket, known, items, ledger)
    return _whole([_unknown(unknown, bucket.as_of), listed])


def not_computable(limits: pd.DataFrame, as_of: date | None) -> pd.DataFrame:
    """The rows of customers of whom nothing can be said, each with its reason: COLUMNS."""
    return _whole([_unknown(limits, as_of)])


def _judgeable(bucket: Bucket, limits: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The customers whose orders can be judged, sorted by id, and those whose cannot, with the reason."""
    rows = limits.sort_values("customer_id", ignore_index=True)
    seen = rows["customer_id"].isin(set(bucket.features["customer_id"]) & set(bucket.customers["customer_id"]))
    reason = rows["reason"].mask(~seen & (rows["reason"] == ""), "the customer is not in the newest review")
    currency = rows["customer_id"].map(bucket.customers.set_index("customer_id")["currency"])
    reason = reason.mask(seen & (currency != rows["currency"]) & (reason == ""), "the limit is kept in another currency than the account")
    reason = reason.mask(rows["after_minor"].isna() & (reason == ""), "no limit on file")
    if not {"orders", "deliveries"} & set(bucket.has):
        reason = reason.mask(reason == "", NO_ORDERS)
    rows = rows.assign(reason=reason)
    return rows[reason == ""].reset_index(drop=True), rows[reason != ""].reset_index(drop=True)


def _unknown(rows: pd.DataFrame, as_of: date | None) -> pd.DataFrame:
    about = {"list": UNKNOWN, "customer_id": rows["customer_id"], "currency": rows["currency"], "reason": rows["reason"]}
    day = as_of.isoformat() if as_of else ""
    return pd.DataFrame({**about, "limit_minor": rows["after_minor"], "as_of": day}, index=rows.index)


def _listed(bucket: Bucket, known: pd.DataFrame, items: pd.DataFrame, ledger: Ledger) -> pd.DataFrame:
    count, today = len(known), day_number(bucket.as_of)
    rules = bucket.policy.exposure
    soon = (ledger.kind == DELIVERY) | ((ledger.kind == ORDER) & (ledger.due <= today + rules.order_horizon_days))
    numbers = items["document"].to_numpy(dtype=object)[ledger.row].astype(str)
    order = np.lexsort((numbers, ledger.due, ledger.document, ledger.kind != DELIVERY, ledger.customer))
    order = order[(soon & (ledger.open > 0))[order]]
    who, amount = ledger.customer[order], ledger.open[order]
    owed = _owed_beside(bucket, known, ledger, count)
    after, before = (known[name].fillna(0).to_numpy(dtype=np.int64) - owed for name in ("after_minor", "before_minor"))
    inside, was = allocated(who, amount, after), allocated(who, amount, before)
    outside = amount - inside
    fits = outside == 0
    shown = ~fits | (was < amount)
    frame = pd.DataFrame(
        {
            "list": np.where(fits, RELEASE, OUTSIDE),
            "customer_id": known["customer_id"].to_numpy()[who],
            **_about(items.iloc[ledger.row[order]].reset_index(drop=True), ledger, order),
            "currency": bucket.customers.set_index("customer_id")["currency"].reindex(known["customer_id"]).to_numpy()[who],
            "amount_minor": amount,
            "inside_minor": inside,
            "outside_minor": outside,
            "was": np.where(was == amount, "inside", "outside"),
            "run_off_date": _dates(_run_off(bucket, known, ledger, who, amount, after, ~fits)),
            "limit_minor": known["after_minor"].to_numpy(dtype=np.int64)[who],
            "free_minor": np.maximum(after, 0)[who],
            "as_of": bucket.as_of.isoformat(),
            "reason": "",
        }
    )
    kept: pd.DataFrame = frame[shown].reset_index(drop=True)
    return kept


def _owed_beside(bucket: Bucket, known: pd.DataFrame, ledger: Ledger, count: int) -> Ints:
    """Exposure by customer as the review has it, less the orders and deliveries that it counts: those are what is allocated."""
    found = balances(ledger, count, as_of=bucket.as_of, rules=bucket.policy.exposure)
    exposure = bucket.features.set_index("customer_id")["exposure_minor"].reindex(known["customer_id"]).to_numpy(dtype=np.int64)
    parts, has = bucket.policy.exposure.parts, bucket.has
    counted = np.zeros(count, dtype=np.int64)
    counted += found.orders if "open_orders" in parts and "orders" in has else 0
    counted += found.deliveries if "unbilled_deliveries" in parts and "deliveries" in has else 0
    return exposure - counted


def _run_off(bucket: Bucket, known: pd.DataFrame, ledger: Ledger, who: Ints, amount: Ints, free: Ints, out: Flags) -> Ints:
    """By document when it would be inside by policy's run-off: on no day of its own where policy has none (it stops when the limit
    holds), else when enough of what is open and not overdue falls due."""
    kept = _has_run_off(bucket, known["customer_id"].tolist())
    begins = np.array([day_number(day) for day in known["effective_from"]], dtype=np.int64)
    falls = ledger.receivable & (ledger.open > 0) & ~ledger.disputed & (ledger.due > day_number(bucket.as_of))
    days = run_off(who, _running(who, amount) - free[who], ledger.customer[falls], ledger.due[falls], ledger.open[falls])
    days = np.where((days != NO_DAY) & (days < begins[who]), begins[who], days)
    return np.where(out, np.where(kept[who], days, begins[who]), NO_DAY)


def _has_run_off(bucket: Bucket, customers: Sequence[str]) -> Flags:
    names = [bucket.segments.get(customer, "") for customer in customers]
    rules = {name: bucket.policy.of_segment(name).limits.step.run_off != "none" for name in set(names)}
    return np.array([rules[name] for name in names], dtype=bool)


def _about(items: pd.DataFrame, ledger: Ledger, order: Ints) -> dict[str, Any]:
    texts = {name: items[name].to_numpy() for name in ("legal_entity", "source_number", "document")}
    kinds = np.array([str(kind) for kind in KINDS], dtype=object)[ledger.kind[order]]
    return {**texts, "kind": kinds, "document_date": _dates(ledger.document[order]), "due_date": _dates(ledger.due[order])}


def _dates(days: Ints) -> Any:
    """Day numbers as ISO text, empty where there is none."""
    text = np.datetime_as_string(np.where(days == NO_DAY, 0, days).astype("datetime64[D]"))
    return np.where(days == NO_DAY, "", text)


def _whole(parts: list[pd.DataFrame]) -> pd.DataFrame:
    """The parts as one frame of COLUMNS, by list and customer; amounts that are missing stay missing."""
    numbers = tuple(name for name in COLUMNS if name.endswith("_minor"))
    whole = [part.reindex(columns=list(COLUMNS)).astype({**dict.fromkeys(numbers, "Int64")}) for part in parts if len(part)]
    found = pd.concat(whole, ignore_index=True) if whole else pd.DataFrame({name: [] for name in COLUMNS})
    texts = [name for name in COLUMNS if name not in numbers]
    found[texts] = found[texts].astype("object").fillna("").astype("str")
    return found.astype(dict.fromkeys(numbers, "Int64"))
