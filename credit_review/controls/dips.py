"""Exposure that is low on the review's day only: daily balances that a later ledger shows, compared with other days of the same ledger."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from credit_review.controls.alarm import Alarm, Severity
from credit_review.controls.history import History, empty, rows_of, typed
from credit_review.controls.statistics import at_least

DIP = "exposure_dip"
NEAR, FAR = 4, 17
"""The weeks before and after: days 4 to 17 from the day itself, each side by its own median."""
YEAR = 365
AT_ONCE = 2_000
"""Customers whose medians are computed at one time: about 80 MB."""

Balances = NDArray[np.int64]


def balances(items: pd.DataFrame, customers: pd.Index[str], last: date) -> Balances:
    """(customers, YEAR) balances at the end of each day up to and including `last`: debits and credits posted and not cleared by then.

    `items`: customer_id, posting_date, clearing_date (NaT while open), amount_minor, open_minor; rows of other customers do not count.
    """
    who = customers.get_indexer(pd.Index(items["customer_id"]))
    posted, cleared = _place(items["posting_date"], last), _place(items["clearing_date"], last)
    amount = items["amount_minor"].to_numpy(dtype=np.int64)
    change: Balances = np.zeros((len(customers), YEAR), dtype=np.int64)
    begins = (who >= 0) & (posted < YEAR)
    np.add.at(change, (who[begins], np.maximum(posted[begins], 0)), amount[begins])
    ends = begins & (cleared < YEAR)
    np.add.at(change, (who[ends], np.maximum(cleared[ends], 0)), -amount[ends])
    running: Balances = change.cumsum(axis=1)
    return running


def _place(days: pd.Series[Any], last: date) -> Balances:
    """Place of each day in the year that ends with `last` at YEAR - 1; a missing one comes after it."""
    places = (days.to_numpy().astype("datetime64[D]") - np.datetime64(last, "D")).astype(np.int64) + YEAR - 1
    found: Balances = np.where(days.isna(), YEAR, places)
    return found


def dips(of: Balances, customers: Sequence[str], last: date, days: Sequence[date], *, percent: int, floor: Balances) -> pd.DataFrame:
    """The frame `dips` of a `History`: each of the review days that has its weeks before and after, for each customer above its floor.

    A day is a dip when its balance lies at least `percent` below the lower of the two medians, and that lower median is at least the
    customer's `floor` (minor units of its currency).
    """
    places = judged(days, last)
    found = []
    for first in range(0, len(customers), AT_ONCE):
        mine = slice(first, first + AT_ONCE)
        large = of[mine].max(axis=1, initial=0) >= floor[mine]  # who never owes so much has no day to judge
        ids = np.asarray(customers[mine], dtype=object)[large]
        found += _of_days(of[mine][large], ids, last, places, percent=percent, floor=floor[mine][large])
    return typed("dips", pd.concat(found, ignore_index=True)) if found else empty("dips")


def judged(days: Sequence[date], last: date) -> list[int]:
    """Places of the days that have their weeks before and after within the year that ends with `last`."""
    return [place for day in days if 0 <= (place := YEAR - 1 - (last - day).days - FAR) < YEAR - 2 * FAR]


def _of_days(
    of: Balances, customers: NDArray[np.object_], last: date, places: Sequence[int], *, percent: int, floor: Balances
) -> list[pd.DataFrame]:
    """Rows of `dips` for each of the places."""
    day_balance, around = _around(of)
    enough = around >= floor[:, None]
    depth = np.where(enough, 1 - day_balance / np.maximum(around, 1), 0.0)
    other, ends = _placebo(places, around.shape[1], last)
    found = []
    for at in places:
        rows = np.flatnonzero(enough[:, at])
        dipped, as_deep = depth[rows] >= percent / 100, depth[rows] >= depth[rows, at][:, None]
        here, there = (enough & other)[rows], (enough & other & ends)[rows]
        columns = {
            "customer_id": customers[rows],
            "as_of": np.datetime64(last, "s") - np.timedelta64(YEAR - 1 - FAR - at, "D"),
            "dipped": dipped[:, at],
            "around_minor": around[rows, at],
            "day_minor": day_balance[rows, at],
        }
        counts = {"other_days": here, "other_dips": here & dipped, "as_deep": here & as_deep}
        counts |= {"other_ends": there, "end_dips": there & dipped, "deep_ends": there & as_deep}
        found.append(pd.DataFrame(columns | {name: days.sum(axis=1) for name, days in counts.items()}))
    return found


def _placebo(places: Sequence[int], width: int, last: date) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which days are clear of the review days and their weeks, and which are the last of a month."""
    other = np.ones(width, dtype=bool)
    for at in places:
        other[max(at - FAR, 0) : at + FAR + 1] = False
    days = np.datetime64(last, "D") - np.arange(YEAR - 1 - FAR, YEAR - 1 - FAR - width, -1)
    return other, (days + 1).astype("datetime64[M]") != days.astype("datetime64[M]")


def _around(of: Balances) -> tuple[Balances, Balances]:
    """For each day that has both: its balance, and the lower of the medians of the weeks before and after."""
    width = FAR - NEAR + 1
    medians = np.median(np.lib.stride_tricks.sliding_window_view(of, width, axis=1), axis=2).astype(np.int64)
    count = of.shape[1] - 2 * FAR
    before, after = medians[:, :count], medians[:, FAR + NEAR : FAR + NEAR + count]
    return of[:, FAR : FAR + count], np.minimum(before, after)


def exposure_dip(history: History) -> Iterator[Alarm]:
    """A customer whose exposure dips on review days, or a book that dips on one.

    Placebo test over dates: how often does the same happen on other days of the same year? Customer: p = (other days at least as deep + 1)
    / (other days + 1), the largest of its dips; k dips on r review days, P(X >= k), X ~ Bin(r, p), divided among the customers; not where
    more than a quarter of the other month ends are as deep, for that is how the customer pays. Book: k of n customers dip on one day,
    P(X >= k), X ~ Bin(n, p), with p the share of dips on other days, or on other ends of months where that is larger (those two shares
    with one dip added). Balances come from a later ledger, so a review day is judged once its weeks after are known.
    """
    of = history["dips"]
    level = 1 / history.rules.one_false_alarm_in
    chance = (of["as_deep"] + 1) / (of["other_days"] + 1)
    of = of.assign(chance=chance.where(of["dipped"], 0.0), pays=of["dipped"] & (of["deep_ends"] * 4 > of["other_ends"]))
    mine = of.groupby("customer_id").agg(days=("dipped", "size"), dips=("dipped", "sum"), chance=("chance", "max"), pays=("pays", "any"))
    several = mine[(mine["dips"] >= 2) & ~mine["pays"]]
    for row in rows_of(several[at_least(several["dips"], several["days"], several["chance"]) <= level / max(len(mine), 1)]):
        last = of[(of["customer_id"] == row.Index) & of["dipped"]].sort_values("as_of").iloc[-1]
        facts = {"review_days": int(row.days), "dips": int(row.dips), "around_minor": int(last["around_minor"])}
        subject = f"customer:{row.Index}/{last['as_of'].date().isoformat()}"
        yield Alarm(control=DIP, subject=subject, severity=Severity.MEDIUM, facts=facts | {"day_minor": int(last["day_minor"])})
    for (day,), rows in of.groupby(["as_of"]):
        dipped, sums = int(rows["dipped"].sum()), rows[["other_dips", "other_days", "end_dips", "other_ends"]].sum()
        share = max((sums["other_dips"] + 1) / (sums["other_days"] + 1), (sums["end_dips"] + 1) / (sums["other_ends"] + 1))
        if dipped >= history.rules.at_least and at_least(dipped, len(rows), share) <= level:
            facts = {"customers": len(rows), "dips": dipped}
            yield Alarm(control=DIP, subject=f"day:{pd.Timestamp(str(day)).date().isoformat()}", severity=Severity.MEDIUM, facts=facts)
