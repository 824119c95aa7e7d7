"""The calendar of insurance: what must be done until which day so that cover goes on, and what ends when nobody does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import Any

import numpy as np
import pandas as pd

from credit_review.exposure.arrays import NO_DAY, Ints, day_number, day_numbers
from credit_review.exposure.insurance import effective_withdrawal
from credit_review.model.money import Money
from credit_review.words import said


class Kind(StrEnum):
    """What a task is about."""

    ENDS = "ends"
    WITHDRAWAL = "withdrawal"
    REPORT = "report_overdue"
    STOP = "stop"
    DECLARE = "declare_turnover"


@dataclass(frozen=True, slots=True, order=True)
class Task:
    """What is to be done for a customer's cover until a day, in a sentence."""

    due: date
    customer_id: str
    reference: str
    kind: str
    text: str


def tasks(rows: pd.DataFrame, features: pd.DataFrame, *, as_of: date, ahead_days: int, notice_days: int) -> list[Task]:
    """Tasks of COVER rows due until `ahead_days` after as_of, first to be done first; what should have been reported or declared
    already is due on the day it was. `features` are FEATURES: days past due of each customer's oldest open invoice."""
    rows = rows.reset_index(drop=True)
    oldest = features.set_index("customer_id")["oldest_dpd_days"].reindex(rows["customer_id"]).fillna(0).to_numpy(dtype=np.int64)
    today = day_number(as_of)
    start, end = day_numbers(rows["valid_from"]), day_numbers(rows["valid_to"])
    runs = (start != NO_DAY) & (start <= today) & ((end == NO_DAY) | (end > today))
    withdrawn = effective_withdrawal(rows, notice_days)
    late = oldest > 0
    gone = withdrawn <= today
    report, stop, every = (
        rows[n].fillna(-1).to_numpy(dtype=np.int64) for n in ("report_overdue_days", "stop_overdue_days", "declare_every_days")
    )
    declared = day_numbers(rows["turnover_declared_to"])
    due = {
        Kind.ENDS: np.where(runs & (end != NO_DAY), end, NO_DAY),
        Kind.WITHDRAWAL: np.where(runs & ~gone, withdrawn, NO_DAY),
        Kind.REPORT: np.where(runs & late & (report >= 0), today - oldest + report, NO_DAY),
        Kind.STOP: np.where(runs & late & (stop >= 0) & (oldest <= stop), today - oldest + stop + 1, NO_DAY),
        Kind.DECLARE: np.where(runs & (every >= 0), np.where(declared == NO_DAY, today, declared + every), NO_DAY),
    }
    found = (task for kind, days in due.items() for task in _due(rows, kind, days, oldest, today + ahead_days))
    return sorted(found)


def _due(rows: pd.DataFrame, kind: Kind, days: Ints, oldest: Ints, until: int) -> Iterator[Task]:
    for n in np.flatnonzero((days != NO_DAY) & (days <= until)).tolist():
        row = rows.iloc[n]
        day = date(1970, 1, 1) + timedelta(days=int(days[n]))
        yield Task(day, str(row["customer_id"]), str(row["reference"]), str(kind), _text(kind, row, int(oldest[n])))


def _text(kind: Kind, row: Any, oldest: int) -> str:
    if kind == Kind.ENDS:
        return said("cover of {amount} ends: renew it, or review the customer", amount=_money(row, "amount_minor"))
    if kind == Kind.WITHDRAWAL:
        words = {"amount": _money(row, "amount_minor"), "rest": _money(row, "reduced_to_minor")}
        return said("cover falls from {amount} to {rest}: review the customer; what is posted before stays covered", **words)
    if kind == Kind.REPORT:
        return said("report the overdue invoices to the insurer: the oldest is {days} days past due", days=oldest)
    if kind == Kind.STOP:
        return said("cover stops unless the oldest invoice is paid before: it is {days} days past due", days=oldest)
    return said("declare turnover to the insurer; without it cover does not count")


def _money(row: Any, name: str) -> Money:
    value = row[name]
    return Money(0 if pd.isna(value) else int(value), str(row["currency"]))
