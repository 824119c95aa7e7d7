"""When cover counts: days, notice of a withdrawal, conditions, and what limit it allows on each day. All over whole columns.

Sources: reference formulas 3.11 (notice of 30 days after a withdrawal, deliveries before keep the old cover; discretionary limits; overdue
reports) and the conditions of common trade credit policies. Days are day numbers; amounts are minor units of the account currency.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd

from credit_review.exposure.arrays import NO_DAY, Flags, Ints, day_number, day_numbers
from credit_review.words import marked

MILLION = 1_000_000
SEPARATOR = "|"
_INSURED = ("insured_limit", "discretionary_limit")

TERMS_TOO_LONG = marked("the customer's payment terms are not known, or longer than the cover allows")
STOPPED = marked("it stops while an invoice is more than {most} days past due, and the oldest is {days}")
UNDECLARED = marked("turnover must be declared every {every} days, and is declared up to {day}")
NEVER_DECLARED = marked("turnover must be declared every {every} days, and no declaration is on file")
NOT_NAMED = marked("the insurer has named a limit for the customer, so the discretionary limit does not hold")
WITHDRAWN = marked("withdrawn by the insurer with effect from {day}: only invoices posted before stay covered")
BEGINS = marked("it begins on {day}")
ENDED = marked("it ended on {day}")
NOTE = marked("{kind} {reference}: {why}")
KIND_WORDS = {
    "insured_limit": marked("insured limit"),
    "discretionary_limit": marked("discretionary limit"),
    "guarantee": marked("guarantee"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CoverRows:
    """Cover by row: position of the customer, amount, what stays after a withdrawal, covered millionths, and the days it all turns on.

    `end` and `withdrawn` (first day of effect) are far in the future where there are none. `stopped` says why a row does not count whatever
    the day; empty where its conditions hold.
    """

    customer: Ints
    amount: Ints
    reduced: Ints
    ppm: Ints
    insurance: Flags
    start: Ints
    end: Ints
    withdrawn: Ints
    stopped: Any

    def valid_on(self, day: Ints | int) -> Flags:
        """Rows whose days hold and whose conditions are met."""
        flags: Flags = (self.start <= day) & (day < self.end) & (self.stopped == "") & (self.customer >= 0)
        return flags

    def amounts_on(self, day: Ints | int) -> Ints:
        """What each row covers of what is sold on a day; nothing where it does not count."""
        amount = np.where(day >= self.withdrawn, np.minimum(self.reduced, self.amount), self.amount)
        return np.where(self.valid_on(day), np.maximum(amount, 0), 0)

    def of(self, rows: Ints, customer: Ints) -> CoverRows:
        """Some rows, each for another customer position."""
        taken = {name: getattr(self, name)[rows] for name in self.__slots__}
        return replace(self, **(taken | {"customer": customer}))


_FAR = 2**40


def effective_withdrawal(rows: pd.DataFrame, notice_days: int) -> Ints:
    """First day on which an announced withdrawal or reduction holds; far in the future where none is announced."""
    announced = day_numbers(rows["withdrawn_on"])
    notice = rows["notice_days"].fillna(notice_days).to_numpy(dtype=np.int64)
    return np.where(announced == NO_DAY, _FAR, announced + notice)


def days_of(rows: pd.DataFrame) -> tuple[Ints, Ints]:
    """First day of each row, and the first day on which it no longer holds; a row without a first day never begins."""
    start, end = day_numbers(rows["valid_from"]), day_numbers(rows["valid_to"])
    return np.where(start == NO_DAY, _FAR, start), np.where(end == NO_DAY, _FAR, end)


def conditions(rows: pd.DataFrame, customer: Ints, terms: pd.Series[Any], oldest: Ints, *, as_of: date) -> Any:
    """Why each row does not count although its days hold, as a sentence (object array); empty where every condition is met.

    `terms` are the customers' net days, `oldest` the days past due of their oldest open invoice, both by position.
    """
    found = np.full(len(rows), "", dtype=object)
    today = day_number(as_of)
    within = (terms.reindex(customer).set_axis(rows.index) <= rows["max_terms_days"]).fillna(False).to_numpy(dtype=bool)
    found[rows["max_terms_days"].notna().to_numpy(dtype=bool) & ~within] = TERMS_TOO_LONG
    late = np.where(customer >= 0, oldest[customer] if len(oldest) else 0, 0)
    _say(found, _more(late, rows["stop_overdue_days"]), lambda n: STOPPED.format(most=rows["stop_overdue_days"].iloc[n], days=late[n]))
    declared = day_numbers(rows["turnover_declared_to"])
    every = rows["declare_every_days"]
    never = every.notna().to_numpy(dtype=bool) & (declared == NO_DAY)
    _say(found, never, lambda n: NEVER_DECLARED.format(every=every.iloc[n]))
    outdated = _more(np.where(declared == NO_DAY, 0, today - declared), every) & (declared != NO_DAY)
    _say(found, outdated, lambda n: UNDECLARED.format(every=every.iloc[n], day=_day(declared[n])))
    start, end = days_of(rows)
    named = (rows["kind"] == "insured_limit").to_numpy(dtype=bool) & (start <= today) & (today < end)
    own = (rows["kind"] == "discretionary_limit").to_numpy(dtype=bool)
    found[own & np.isin(customer, customer[named]) & (found == "")] = NOT_NAMED
    return found


def notes(rows: pd.DataFrame, found: CoverRows, count: int, *, as_of: date) -> Any:
    """By customer position: each cover that does not count (fully), and why; sentences joined by |."""
    today = day_number(as_of)
    why = found.stopped.copy()
    over = (today >= found.withdrawn) & (found.reduced < found.amount)
    _say(why, over, lambda n: WITHDRAWN.format(day=_day(found.withdrawn[n])))
    _say(why, (found.start > today) & (found.start < _FAR), lambda n: BEGINS.format(day=_day(found.start[n])))
    _say(why, found.end <= today, lambda n: ENDED.format(day=_day(found.end[n])))
    texts: dict[int, list[str]] = {}
    for n in np.flatnonzero((why != "") & (found.customer >= 0)).tolist():
        row = rows.iloc[n]
        said = NOTE.format(kind=KIND_WORDS.get(row["kind"], row["kind"]), reference=_plain(row["reference"]), why=why[n])
        texts.setdefault(int(found.customer[n]), []).append(said)
    return _joined({at: sorted(some) for at, some in texts.items()}, count)


def caps(found: CoverRows, own_risk: Ints, count: int, *, as_of: date) -> tuple[Ints, Any]:
    """Largest limit by customer position that, used in full, leaves at most `own_risk` to us: on the day, and on each later day on
    which that changes by what is known (`day=amount` joined by |)."""
    today = day_number(as_of)
    now = _largest(found, found.amounts_on(today), own_risk, count)
    pairs = pd.DataFrame(
        {"customer": np.tile(found.customer, 3), "day": np.concatenate([found.start, found.end, found.withdrawn])}
    ).drop_duplicates()
    pairs = pairs[(pairs["day"] > today) & (pairs["day"] < _FAR) & (pairs["customer"] >= 0)].sort_values(["customer", "day"])
    pairs = pairs.reset_index(drop=True)
    rows = pd.DataFrame({"customer": found.customer, "row": np.arange(len(found.customer))})
    each = pairs.assign(event=np.arange(len(pairs))).merge(rows, on="customer").sort_values(["event", "row"], kind="stable")
    event, day = each["event"].to_numpy(dtype=np.int64), each["day"].to_numpy(dtype=np.int64)
    then = found.of(each["row"].to_numpy(dtype=np.int64), event)
    later = _largest(then, then.amounts_on(day), own_risk[pairs["customer"].to_numpy(dtype=np.int64)], len(pairs))
    texts: dict[int, list[str]] = {}
    before = dict(enumerate(now.tolist()))
    for customer, at, amount in zip(pairs["customer"].tolist(), pairs["day"].tolist(), later.tolist(), strict=True):
        if amount != before[customer]:
            texts.setdefault(customer, []).append(f"{_day(at)}={amount}")
            before[customer] = amount
    return now, _joined(texts, count)


def _largest(found: CoverRows, amount: Ints, own_risk: Ints, count: int) -> Ints:
    """What may be ours (and what guarantors bear) is used up by the uncovered part of insured limits, which fill a limit one after
    another, the smallest fraction first, and then by what is beside them."""
    known = found.customer >= 0
    security = np.flatnonzero(~found.insurance & known)
    left = own_risk.astype(np.int64).copy()
    np.add.at(left, found.customer[security], amount[security] // MILLION * found.ppm[security] + _rest(amount, found.ppm)[security])
    rows = np.flatnonzero(found.insurance & known)
    rows = rows[np.lexsort((rows, found.ppm[rows], found.customer[rows]))]
    customer, full, ours = found.customer[rows], amount[rows], MILLION - found.ppm[rows]
    cost = full - full // MILLION * found.ppm[rows] - _rest(full, found.ppm[rows])
    room = np.maximum(left[customer] - _before(customer, cost), 0)
    whole = cost <= room
    part = np.where(ours > 0, room * MILLION // np.maximum(ours, 1), full)
    reached = _before(customer, (~whole).astype(np.int64)) == 0
    result = np.zeros(count, dtype=np.int64)
    np.add.at(result, customer, np.where(reached, np.where(whole, full, np.minimum(part, full)), 0))
    np.subtract.at(left, customer, np.where(reached, np.where(whole, cost, room), 0))
    return result + np.maximum(left, 0)


def _rest(amount: Ints, ppm: Ints) -> Ints:
    """The covered part of what an amount has beyond whole millions of minor units, rounded down."""
    return amount % MILLION * ppm // MILLION


def _before(group: Ints, values: Ints) -> Ints:
    """Of rows sorted by group, the sum of the group's earlier rows."""
    running = np.cumsum(values)
    first = np.flatnonzero(np.diff(group, prepend=-1))
    base = np.repeat((running - values)[first], np.diff(np.append(first, len(group))))
    return running - values - base


def _joined(texts: Mapping[int, Sequence[str]], count: int) -> Any:
    """The texts of each position joined by |; most have none."""
    found = np.full(count, "", dtype=object)
    for at, some in texts.items():
        found[at] = SEPARATOR.join(some)
    return found


def _more(value: Ints, most: pd.Series[Any]) -> Flags:
    flags: Flags = most.notna().to_numpy(dtype=bool) & (value > most.fillna(0).to_numpy(dtype=np.int64))
    return flags


def _say(found: Any, rows: Flags, sentence: Any) -> None:
    """Gives the rows that have no reason yet theirs."""
    for n in np.flatnonzero(rows & (found == "")).tolist():
        found[n] = sentence(n)


def _day(number: Any) -> date:
    return date(1970, 1, 1) + timedelta(days=int(number))


def _plain(text: str) -> str:
    return str(text).replace(SEPARATOR, "/")
