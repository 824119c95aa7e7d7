"""What is open at as_of, and how customers bought and paid in the 12 months before: integer sums by customer."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd

from credit_review.errors import BadInput
from credit_review.exposure.arrays import (
    INT64_ROOM,
    Flags,
    Floats,
    Ints,
    count_by,
    day_number,
    months_before,
    period_ends,
    ratio,
    sum_by,
)
from credit_review.exposure.ledger import CREDIT_NOTE, DELIVERY, INVOICE, NEVER, NOTE, ORDER, Ledger
from credit_review.policy import AGEING_DAYS, ExposureRules

DAYS_DECIMALS = 4
"""Average days late is rounded to this many decimals before it is stored or used."""

YEAR_DAYS = 365
MONTHS = 12

_BOUNDS = (0, *AGEING_DAYS)


@dataclass(frozen=True, slots=True)
class Balances:
    """Open amounts by customer, account currency. `ageing` is (customers, 5): not due, 1-30, 31-60, 61-90, over 90 days past due."""

    ageing: Ints
    disputed: Ints
    credits: Ints
    deliveries: Ints
    orders: Ints
    notes: Ints
    oldest_dpd: Ints
    items: Ints

    @property
    def open_items(self) -> Ints:
        """Open debits, disputes held out when policy says so."""
        total: Ints = self.ageing.sum(axis=1)
        return total

    @property
    def overdue(self) -> Ints:
        """The part of them past due."""
        total: Ints = self.ageing[:, 1:].sum(axis=1)
        return total


def balances(ledger: Ledger, count: int, *, as_of: date, rules: ExposureRules) -> Balances:
    """Open amounts at as_of for customers 0..count-1.

    A receivable row counts by its sign, whatever its kind: a debit is owed and ages by its due date, a credit is an unapplied credit.
    Disputed debits are shown apart and, when held out, are in no ageing bucket. Orders count when their due date (for an order: delivery)
    is within the horizon. Returns lower deliveries, orders and notes, never below zero.
    """
    today = day_number(as_of)
    live = ledger.where(ledger.open != 0)
    receivable, debit = live.receivable, live.open > 0
    owed = live.where(receivable & debit)
    disputed = sum_by(owed.customer[owed.disputed], owed.open[owed.disputed], count)
    aged = owed.where(~owed.disputed) if rules.hold_out_disputes else owed
    dpd = np.maximum(today - aged.due, 0)
    bucket = np.searchsorted(np.array(_BOUNDS), dpd, side="left")
    oldest = np.zeros(count, dtype=np.int64)
    np.maximum.at(oldest, aged.customer, dpd)
    soon = live.due <= today + rules.order_horizon_days
    return Balances(
        ageing=sum_by(aged.customer * 5 + bucket, aged.open, count * 5).reshape(count, 5),
        disputed=disputed,
        credits=_part(live, receivable & ~debit, count),
        deliveries=np.maximum(_part(live, live.kind == DELIVERY, count), 0),
        orders=np.maximum(_part(live, (live.kind == ORDER) & soon, count), 0),
        notes=np.maximum(_part(live, live.kind == NOTE, count), 0),
        oldest_dpd=oldest,
        items=count_by(owed.customer, count),
    )


def _part(ledger: Ledger, rows: Flags, count: int) -> Ints:
    return sum_by(ledger.customer[rows], ledger.open[rows], count)


@dataclass(frozen=True, slots=True)
class Behaviour:
    """The 12 months before as_of, by customer. `first_document` and `last_invoice` are day numbers, NEVER where there is none."""

    average_days_late: Floats
    days_late_trend: Floats
    cleared: Ints
    sales: Ints
    peak: Ints
    first_document: Ints
    last_invoice: Ints


def behaviour(ledger: Ledger, count: int, *, as_of: date) -> Behaviour:
    """How customers bought and paid. Months end with as_of (at a month's end: calendar months).

    Days late: clearing date less due date of invoices cleared in the period, weighted by amount, rounded to 4 decimals; early is negative.
    Trend: the last 3 months less the 9 before. Sales: invoices and credit notes posted in the 12 months.
    """
    today, year, quarter = (day_number(months_before(as_of, back)) for back in (0, MONTHS, 3))
    cleared = ledger.where((ledger.kind == INVOICE) & (ledger.amount > 0) & (ledger.cleared > year) & (ledger.cleared <= today))
    recent = cleared.where(cleared.cleared > quarter)
    weight, late = _lateness(cleared, count)
    recent_weight, recent_late = _lateness(recent, count)
    sold = ledger.where(_is_sale(ledger) & (ledger.posted > year))
    trend = ratio(recent_late, recent_weight, DAYS_DECIMALS) - ratio(late - recent_late, weight - recent_weight, DAYS_DECIMALS)
    return Behaviour(
        average_days_late=ratio(late, weight, DAYS_DECIMALS),
        days_late_trend=np.round(trend, DAYS_DECIMALS) + 0.0,
        cleared=count_by(cleared.customer, count),
        sales=sum_by(sold.customer, sold.amount, count),
        peak=peak_balance(ledger, count, as_of=as_of),
        first_document=_first(ledger.customer, ledger.document, count),
        last_invoice=_last_invoice(ledger, count),
    )


def peak_balance(ledger: Ledger, count: int, *, as_of: date) -> Ints:
    """Highest balance of receivables at the end of any day of the last 12 months, never below zero; see `peak_between`."""
    first, today = day_number(months_before(as_of, MONTHS)) + 1, day_number(as_of)
    return peak_between(ledger, count, first, today, today=today)


def season_peak(ledger: Ledger, count: int, *, as_of: date, days: int) -> Ints:
    """The higher of two peaks: of the last so many days, and of as many days ahead of the same day a year (365 days) ago."""
    today = day_number(as_of)
    trailing = peak_between(ledger, count, today - days + 1, today, today=today)
    last_year = peak_between(ledger, count, today - YEAR_DAYS + 1, today - YEAR_DAYS + days, today=today)
    return np.maximum(trailing, last_year)


def peak_between(ledger: Ledger, count: int, first: int, last: int, *, today: int) -> Ints:
    """Highest balance of receivables at the end of any day from `first` to `last` (day numbers, not after today), never below zero.

    An item stands at its original amount from posting until clearing; what is still open stands at its open amount on as_of itself. Items
    that are closed without a clearing date have an unknown past and are left out. Of every day, not of month ends: who is paid within a
    month owes nothing at its end.
    """
    items = ledger.where(ledger.receivable & ((ledger.open != 0) | (ledger.cleared != NEVER)) & (ledger.posted <= last))
    items = items.where((items.cleared > first) & (items.cleared > items.posted))
    ended, live = items.where(items.cleared <= last), items.where(items.cleared > last)
    live = live.where(np.full(len(live.customer), last == today))
    customer = np.concatenate([items.customer, ended.customer, live.customer])
    day = np.concatenate([np.maximum(items.posted, first), ended.cleared, np.full(len(live.customer), today)])
    change = np.concatenate([items.amount, -ended.amount, live.open - live.amount])
    peak: Ints = np.zeros(count, dtype=np.int64)
    order = np.lexsort((day, customer))
    customer, day, running = customer[order], day[order], change[order].cumsum()
    starts = np.flatnonzero(np.diff(customer, prepend=-1))
    before = np.concatenate([[0], running])[starts]
    balance = running - np.repeat(before, np.diff(starts, append=len(customer)))
    evening = (np.diff(customer, append=-1) != 0) | (np.diff(day, append=-1) != 0)
    np.maximum.at(peak, customer[evening], balance[evening])
    return peak


def sales_by_month(ledger: Ledger, currencies: pd.Series[str], *, as_of: date) -> pd.DataFrame:
    """Sales of the 12 months up to as_of by account currency: currency, period_end, days, sales_minor; months without sales included."""
    ends = period_ends(as_of, MONTHS + 1)
    numbers = np.array([day_number(end) for end in ends])
    sold = ledger.where(_is_sale(ledger) & (ledger.posted > numbers[0]))
    code, names = pd.factorize(currencies, sort=True)
    month = np.searchsorted(numbers[1:], sold.posted)
    total = sum_by(code[sold.customer] * MONTHS + month, sold.amount, len(names) * MONTHS)
    return pd.DataFrame(
        {
            "currency": pd.Series(np.repeat(np.asarray(names, dtype=object), MONTHS), dtype="str"),
            "period_end": pd.Series(list(ends[1:]) * len(names), dtype="datetime64[s]"),
            "days": np.tile(np.diff(numbers), len(names)),
            "sales_minor": total,
        }
    )


def _is_sale(ledger: Ledger) -> Flags:
    flags: Flags = (ledger.kind == INVOICE) | (ledger.kind == CREDIT_NOTE)
    return flags


def _lateness(cleared: Ledger, count: int) -> tuple[Ints, Ints]:
    days = cleared.cleared - cleared.due
    if len(days) and int(cleared.amount.max()) * int(np.abs(days).max()) >= INT64_ROOM:
        raise BadInput(
            f"an invoice of {cleared.amount.max()} minor units or a payment {np.abs(days).max()} days from its due date is out of range",
            expected="amounts and dates of a real ledger",
            next_step="look for an amount with a wrong scale, or a wrong century, in the source",
        )
    return sum_by(cleared.customer, cleared.amount, count), sum_by(cleared.customer, cleared.amount * days, count)


def _first(group: Ints, days: Ints, count: int) -> Ints:
    first = np.full(count, NEVER, dtype=np.int64)
    np.minimum.at(first, group, days)
    return first


def _last_invoice(ledger: Ledger, count: int) -> Ints:
    rows = ledger.kind == INVOICE
    return -_first(ledger.customer[rows], -ledger.posted[rows], count)


def parts_sum(parts: Collection[str], found: Balances, capabilities: Collection[str]) -> Ints:
    """Sum of the parts policy counts and the source states, never below zero: credits lower only their own customer's."""
    known = {
        "open_items": found.open_items,
        "unapplied_credits": found.credits,
        "unbilled_deliveries": found.deliveries if "deliveries" in capabilities else None,
        "open_orders": found.orders if "orders" in capabilities else None,
        "notes": found.notes if "notes" in capabilities else None,
    }
    counted = [amount for part in parts if (amount := known[part]) is not None]
    total: Ints = np.maximum(np.sum(counted, axis=0, dtype=np.int64), 0) if counted else np.zeros(len(found.credits), dtype=np.int64)
    return total
