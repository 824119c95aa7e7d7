"""Approval-integrity signals: patterns that honest approving hardly ever makes. Each says its statistic; none says that somebody did wrong.

Cases are counted by calendar quarter, where the company is. A signal speaks when chance alone would show as much at most once in
`controls.one_false_alarm_in` quarters over everything it looks at together (Bonferroni 1936: the chance is divided by the number of tests).
The shares of honest cases that policy allows (`fast_percent` and so on) are meant to be generous; the tests are one-sided.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from credit_review.controls.alarm import Alarm, Severity
from credit_review.controls.hard import entries
from credit_review.controls.history import History, having, rows_of
from credit_review.controls.statistics import Floats, at_least, run_at_least, together
from credit_review.model.money import to_minor
from credit_review.model.states import ChangeKind, Layer, ReviewKind, Verdict

FAST, BULK, BUNCHED, TEMPORARY, PAIR, RUSH = (
    "fast_approvals", "bulk_approvals", "bunched_amounts", "repeated_temporary", "fixed_pair", "quarter_end_rush",
)  # fmt: skip


def _given(history: History) -> pd.DataFrame:
    """Approvals in order of time with the fields of their proposal that signals read, the company's day, and its calendar quarter."""
    of = having(history["decisions"], verdict=Verdict.APPROVE)
    of = of[of["at"] >= pd.Timestamp(history.since)]
    of = of[["proposal_id", "approver_id", "at", "shown_at", "seq", "authority", "group_limit_minor", "increases_12m_minor"]]
    fields = ["proposal_id", "review_kind", "customer_id", "region", "from_minor", "to_minor"]
    rows = of.merge(history["proposals"][fields], on="proposal_id").sort_values(["at", "seq"], kind="stable").reset_index(drop=True)
    rows["day"] = history.days(rows["at"])
    rows["quarter"] = rows["day"].dt.to_period("Q").astype(str)
    return rows


def _spoken(history: History, counted: pd.DataFrame, chance: Floats) -> pd.DataFrame:
    """The rows of `counted` (one a test, with `quarter` and `cases`) that speak; too few cases are no test."""
    tested = counted.assign(chance=chance)[counted["cases"] >= history.rules.at_least]
    tests = tested.groupby("quarter")["chance"].transform("size")
    return tested[tested["chance"] <= 1 / history.rules.one_false_alarm_in / tests]


def fast_approvals(history: History) -> Iterator[Alarm]:
    """One approver, one quarter: k of n approvals within `fast_seconds` of the first showing of the packet.

    P(X >= k), X ~ Bin(n, fast_percent): exact binomial test. The showing is the card's first posting to the person or a channel, else
    the moment the proposal was put before him: reading may have begun later, never earlier, so the count never errs against a person.
    """
    rows = _given(history)
    rows["fast"] = (rows["at"] - rows["shown_at"]).dt.total_seconds() < history.rules.fast_seconds
    counted = rows.groupby(["approver_id", "quarter"]).agg(cases=("fast", "size"), fast=("fast", "sum")).reset_index()
    first = rows[rows["fast"]].drop_duplicates(["approver_id", "quarter"]).set_index(["approver_id", "quarter"])["seq"]
    chance = at_least(counted["fast"], counted["cases"], history.rules.fast_percent / 100)
    for row in rows_of(_spoken(history, counted, chance)):
        facts = {"quarter": row.quarter, "approvals": int(row.cases), "fast": int(row.fast), "seconds": history.rules.fast_seconds}
        seq = first[row.approver_id, row.quarter]
        yield Alarm(control=FAST, subject=f"person:{row.approver_id}", severity=Severity.MEDIUM, facts=facts, entries=entries(seq))


def bulk_approvals(history: History) -> Iterator[Alarm]:
    """One approver, one quarter: the longest run of approvals each within `bulk_seconds` of the one before.

    With n approvals of which at most `bulk_percent` follow at once, P(a run of r followers) <= n x bulk_percent^r (success runs, Feller
    1968, XIII.7). Several answers of one click (a list, where policy allows it) are one act.
    """
    acts = _given(history).drop_duplicates(["approver_id", "at"]).sort_values(["approver_id", "at"], kind="stable")
    gap = acts.groupby(["approver_id", "quarter"])["at"].diff().dt.total_seconds()
    acts["run"] = (~(gap < history.rules.bulk_seconds)).cumsum()
    runs = acts.groupby(["approver_id", "quarter", "run"]).agg(cases=("seq", "size"), seq=("seq", "min")).reset_index()
    trials = acts.groupby(["approver_id", "quarter"]).size().rename("trials").reset_index()
    longest = runs.sort_values("cases", kind="stable").drop_duplicates(["approver_id", "quarter"], keep="last")
    longest = longest.merge(trials, on=["approver_id", "quarter"])
    chance = run_at_least(longest["cases"] - 1, longest["trials"], history.rules.bulk_percent / 100)
    for row in rows_of(_spoken(history, longest, chance)):
        facts = {"quarter": row.quarter, "approvals": int(row.trials), "in_a_row": int(row.cases), "seconds": history.rules.bulk_seconds}
        yield Alarm(control=BULK, subject=f"person:{row.approver_id}", severity=Severity.MEDIUM, facts=facts, entries=entries(row.seq))


def bunched_amounts(history: History) -> Iterator[Alarm]:
    """One bound of a tier, one maker, one quarter: k of n sums lie in the band just under the bound, n those in three bands about it.

    Bands of equal width w = `bunched_percent` of the bound B: (B-2w, B-w], (B-w, B], (B, B+w]. Were the density straight there, a third
    would lie in the middle (the idea of bunching estimators: Saez 2010, AEJ Economic Policy 2(3); test of a density's jump: McCrary
    2008, J. Econometrics 142). Half is allowed, since people like round figures and the bound is one: P(X >= k), X ~ Bin(n, 1/2).
    Only proposals that a person touched; the sums are those that chose the tier, the group's limits and its increases of 12 months.
    """
    rows = _given(history).drop_duplicates("proposal_id", keep="last")
    made = rows.merge(history["makers"][["proposal_id", "person_id"]].drop_duplicates(), on="proposal_id")
    found = [part for name in ("group_limit", "increases_12m") for part in _bands(history, made, name)]
    if not found:
        return
    about = pd.concat(found)
    keys = ["person_id", "quarter", "sum", "tier"]
    counted = about.groupby(keys).agg(cases=("under", "size"), under=("under", "sum")).reset_index()
    first = about[about["under"]].groupby(keys)["seq"].min()
    chance = at_least(counted["under"], counted["cases"], 0.5)
    for row in rows_of(_spoken(history, counted, chance)):
        facts = {"quarter": row.quarter, "sum": row.sum, "tier": row.tier, "about_the_bound": int(row.cases), "under": int(row.under)}
        seq = first[row.person_id, row.quarter, row.sum, row.tier]
        subject = f"person:{row.person_id}"
        yield Alarm(control=BUNCHED, subject=subject, severity=Severity.MEDIUM, facts=facts, entries=entries(seq))


def _bands(history: History, made: pd.DataFrame, name: str) -> Iterator[pd.DataFrame]:
    """The rows whose sum lies about a bound of their own matrix, with `sum`, `tier` and whether just under."""
    for digest, rows in made.groupby("authority"):
        matrix = history.matrices.get(str(digest))
        for tier in matrix.tiers if matrix else ():
            up_to = getattr(tier, f"{name}_up_to")
            if not up_to:
                continue
            bound = to_minor(up_to, history.control_currency)
            wide = bound * history.rules.bunched_percent // 100
            sums = rows[f"{name}_minor"].fillna(0).astype("int64")
            near = (sums > bound - 2 * wide) & (sums <= bound + wide)
            yield rows[near].assign(sum=name, tier=tier.tier, under=((sums > bound - wide) & (sums <= bound))[near])


def repeated_temporary(history: History) -> Iterator[Alarm]:
    """One account: `temporary_a_year` temporary limits put in force by decisions within 365 days. A count, not a statistic."""
    of = having(history["changes"], kind=ChangeKind.DECISION, layer=Layer.TEMPORARY).sort_values("applied_at")
    most = history.rules.temporary_a_year
    begun = of.groupby("account_id")["applied_at"].shift(most - 1)
    first = of.groupby("account_id")["seq"].shift(most - 1)
    found = of.assign(first=first)[(of["applied_at"] - begun) <= pd.Timedelta(days=365)]
    for row in rows_of(found.drop_duplicates("account_id")):
        count = int((of["account_id"] == row.account_id).sum())
        subject = f"account:{row.account_id}"
        facts = {"customer": row.customer_id, "limits": count, "within_days": 365}
        yield Alarm(control=TEMPORARY, subject=subject, severity=Severity.MEDIUM, facts=facts, entries=entries(int(row.first)))


def fixed_pair(history: History) -> Iterator[Alarm]:
    """One maker and one approver, one calendar year: they meet on k of the maker's days, more often than chance pairs them.

    Unit: a maker's day with one approver, so that one sitting counts once. Strata: the region, since others approve elsewhere. Exact
    test of no association given all margins (hypergeometric, strata convolved: Cochran-Mantel-Haenszel; Agresti 2002, 6.7.5). Looked at
    when the approver has at least `pair_percent` of the maker's days; where nobody else may approve, chance says so too.
    """
    rows = _given(history).merge(history["makers"][["proposal_id", "person_id"]].drop_duplicates(), on="proposal_id")
    rows["quarter"] = rows["day"].dt.year.astype(str)
    days = rows.drop_duplicates(["person_id", "approver_id", "region", "day"])
    keys = ["quarter", "person_id", "approver_id"]
    met = days.groupby(keys).agg(cases=("day", "size"), seq=("seq", "min")).reset_index()
    met["share"] = met["cases"] / met.groupby(["quarter", "person_id"])["cases"].transform("sum")
    looked = met[(met["share"] * 100 >= history.rules.pair_percent) & (met["cases"] >= history.rules.at_least)].reset_index(drop=True)
    if looked.empty:
        return
    years = dict(list(days.groupby("quarter")))
    chance = np.array([_meeting(years[one.quarter], one.person_id, one.approver_id, one.cases) for one in rows_of(looked)])
    pairs = looked["quarter"].map(met.groupby("quarter").size())  # all that might have been looked at
    for row in rows_of(looked[chance <= 1 / history.rules.one_false_alarm_in / pairs]):
        facts = {"year": row.quarter, "maker": row.person_id, "days": int(row.cases), "percent": int(row.share * 100)}
        subject = f"person:{row.approver_id}"
        yield Alarm(control=PAIR, subject=subject, severity=Severity.MEDIUM, facts=facts, entries=entries(row.seq))


def _meeting(days: pd.DataFrame, maker: Any, approver: Any, found: Any) -> float:
    mine, theirs = days["person_id"] == maker, days["approver_id"] == approver
    counts = pd.DataFrame({"region": days["region"], "all": 1, "mine": mine, "theirs": theirs}).groupby("region").sum()
    return together(int(found), [(int(r.all), int(r.mine), int(r.theirs)) for r in rows_of(counts)])


def quarter_end_rush(history: History) -> Iterator[Alarm]:
    """One quarter: k of n approved increases that were asked for outside the schedule fall on its last `rush_days` days.

    P(X >= k), X ~ Bin(n, rush_percent): exact binomial test. Evenly spread, 7 of 91 days would hold 8%.
    """
    rows = _given(history).drop_duplicates("proposal_id", keep="last")
    rows = rows[(rows["review_kind"] != ReviewKind.PERIODIC) & (rows["to_minor"] > rows["from_minor"].fillna(0).astype("int64"))]
    rows["late"] = (rows["day"].dt.to_period("Q").dt.end_time.dt.normalize() - rows["day"]).dt.days < history.rules.rush_days
    counted = rows.groupby("quarter").agg(cases=("late", "size"), late=("late", "sum")).reset_index()
    first = rows[rows["late"]].groupby("quarter")["seq"].min()
    chance = at_least(counted["late"], counted["cases"], history.rules.rush_percent / 100)
    for row in rows_of(_spoken(history, counted, chance)):
        facts = {"quarter": row.quarter, "increases": int(row.cases), "late": int(row.late), "days": history.rules.rush_days}
        yield Alarm(control=RUSH, subject="log", severity=Severity.MEDIUM, facts=facts, entries=entries(first[row.quarter]))
