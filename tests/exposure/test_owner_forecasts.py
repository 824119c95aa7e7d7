"""Forecasts of account owners: which stands, how right its owner was, what of it counts as need, and what a later ledger says."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from credit_review.exposure import forecasts as foreseen
from credit_review.forecasts import Stated, cases_of, counted, factor_of, standing, track_of, tracks
from credit_review.fx import RateTable
from credit_review.model.frames import CUSTOMERS, FORECASTS, ITEMS, PANDAS
from credit_review.policy import ForecastRule

AS_OF = date(2026, 9, 30)
RULE = ForecastRule(
    max_age_days=180, ahead_days=90, at_most_of_peak=Decimal("1.5"), least_cases=3, untested_factor=Decimal("0.5")
)  # fmt: skip


def says(key="f-1", customer="c-1", owner="p-1", amount=100_000_00, since=date(2026, 10, 1), until=date(2027, 2, 1), **more):
    known = {
        "kind": "peak",
        "currency": "EUR",
        "terms_days": None,
        "recorded_on": date(2026, 9, 1),
        "recorded_at": f"2026-09-01T12:{key[-1]}",
    }
    return Stated(
        forecast_id=key, customer_id=customer, owner_id=owner, amount_minor=amount, valid_from=since, valid_to=until, **known | more
    )


def over(n, actual, *, customer=None, owner="p-1", **more):
    return says(f"o-{n}", customer or f"x-{n}", owner, since=date(2026, 3, 1), until=date(2026, 5, 1), actual_minor=actual, **more)


def frame_of(*several):
    rows = [[getattr(one, name) for name in FORECASTS.names] for one in several]
    return pd.DataFrame(rows, columns=list(FORECASTS.names)).astype({c.name: PANDAS[c.dtype] for c in FORECASTS.columns})


def master(*ids, currency="EUR"):
    rows = [{name: None for name in CUSTOMERS.names} | {"customer_id": one, "currency": currency, "terms_days": 30} for one in ids]
    found = pd.DataFrame(rows)
    texts = [c.name for c in CUSTOMERS.columns if c.dtype == "str"]
    return found.assign(**{name: found[name].fillna("") for name in texts}).astype({c.name: PANDAS[c.dtype] for c in CUSTOMERS.columns})


def needs(*several, peak=100_000_00, rule=RULE, rates=(), currency="EUR"):
    import numpy as np

    table = RateTable.from_rows(list(rates))
    found = foreseen.needed(
        frame_of(*several), master("c-1", currency=currency), np.array([peak]), as_of=AS_OF, rule=rule, rates=table
    )  # fmt: skip
    return (int(found.minor[0]) if found.known[0] else None), found.notes[0]


def test_sales_with_terms_become_the_balance_they_lead_to():
    assert says(amount=123_000_00, kind="sales", terms_days=30).expected_minor == 30_000_00  # 123 days
    assert says(amount=123_000_00, kind="sales", terms_days=300).expected_minor == 123_000_00


def test_a_later_word_about_some_of_its_days_takes_a_forecasts_place_and_one_about_other_days_stands_beside_it():
    first, second = says("f-1"), says("f-2", amount=1, since=date(2027, 1, 31), until=date(2027, 3, 1))
    beside, other = says("f-3", since=date(2027, 3, 1), until=date(2027, 4, 1)), says("f-4", "c-2")
    found = standing([first, second, beside, other], as_of=AS_OF, ahead_days=366, max_age_days=99)
    assert {one.forecast_id for one in found} == {"f-2", "f-3", "f-4"}


@pytest.mark.parametrize(
    ("change", "stands"),
    [
        ({}, True),
        ({"recorded_on": date(2026, 4, 3)}, True),
        ({"recorded_on": date(2026, 4, 2)}, False),
        ({"since": date(2026, 12, 29)}, True),
        ({"since": date(2026, 12, 30)}, False),
        ({"since": date(2026, 7, 1), "until": date(2026, 10, 1)}, True),
        ({"since": date(2026, 7, 1), "until": date(2026, 9, 30)}, False),
        ({"recorded_on": date(2026, 10, 2)}, True),
    ],
)
def test_a_forecast_stands_while_it_is_young_enough_and_its_days_are_near_and_not_over(change, stands):
    assert bool(standing([says(**change)], as_of=AS_OF, ahead_days=90, max_age_days=180)) is stands


def test_an_owner_is_judged_by_the_median_of_actual_over_forecast():
    cases = [over(1, 50_000_00), over(2, 80_000_00), over(3, 130_000_00), over(4, 70_000_00), over(5, 9, owner="p-2")]
    found = tracks(cases)
    assert (found["p-1"].cases, found["p-1"].ratio, found["p-1"].less, found["p-1"].more) == (4, Decimal("0.75"), 3, 1)
    assert found["p-2"].cases == 1


def test_who_corrects_a_forecast_is_judged_by_his_first_word():
    first, last = over(1, 50_000_00, customer="c-1"), over(2, 50_000_00, customer="c-1", amount=50_000_00)
    assert cases_of([last, first]) == [first]


def test_fewer_cases_than_policy_asks_for_leave_the_stated_factor_and_nobody_gets_more_than_all_of_it():
    few, many = track_of([over(1, 90_000_00)] * 2), track_of([over(1, 90_000_00)] * 3)
    about = {"least_cases": 3, "untested": Decimal("0.5")}
    assert (factor_of(None, **about), factor_of(few, **about), factor_of(many, **about)) == (Decimal("0.5"), Decimal("0.5"), Decimal("0.9"))
    assert factor_of(track_of([over(1, 300_000_00)] * 3), **about) == 1


def test_what_counts_is_said_figure_by_figure():
    tested = [over(n, 80_000_00) for n in (1, 2, 3)]
    assert needs(says(amount=120_000_00), *tested) == (
        96_000_00,
        "120,000 EUR from 2026-10-01 until 2027-02-01 by p-1 on 2026-09-01 x 0.8 (median of actual over forecast, 3 cases)",
    )
    minor, note = needs(says(amount=400_000_00))
    assert minor == 150_000_00
    assert note.endswith("x 0.5 (policy's, for 0 cases are too few); at most 150,000 EUR by the highest balance of 12 months")


def test_nothing_counts_where_policy_has_no_rule_and_where_there_is_no_balance_to_measure_it_by():
    assert needs(says(), rule=None) == (None, "")
    minor, note = needs(says(), peak=0)
    assert minor is None and "at most 0 EUR" in note


def test_a_forecast_in_another_currency_is_converted_and_one_without_a_rate_counts_for_nothing():
    dollar = (date(2026, 9, 29), "EUR", "USD", "1.1", "bank")
    assert needs(says(), currency="USD", rates=[dollar], peak=10**9)[0] == 55_000_00
    minor, note = needs(says(), currency="USD")
    assert minor is None and "no exchange rate" in note


@given(amount=st.integers(1, 10**12), peak=st.integers(0, 10**12), actuals=st.lists(st.integers(0, 10**12), max_size=5))
def test_a_forecast_never_counts_for_more_than_it_says_nor_than_policy_lets_it(amount, peak, actuals):
    track = track_of([over(n, actual) for n, actual in enumerate(actuals)])
    found = counted(
        says(amount=amount), amount, track, peak_minor=peak, at_most=Decimal("1.5"), least_cases=3, untested=Decimal("0.5")
    )  # fmt: skip
    assert 0 <= found.minor <= min(amount, peak * 3 // 2)


def item(key, posted, cleared, amount, customer="c-1"):
    day = pd.Timestamp(posted)
    plain = {c.name: "" if c.dtype == "str" else False if c.dtype == "bool" else None for c in ITEMS.columns}
    about = {"row_key": key, "customer_id": customer, "kind": "invoice", "currency": "EUR", "amount_minor": amount, "document_date": day}
    open_minor = amount if cleared is None else 0
    return (
        plain
        | about
        | {"posting_date": day, "due_date": day, "clearing_date": pd.Timestamp(cleared) if cleared else pd.NaT, "open_minor": open_minor}
    )


def actual(since, until, *, customer="c-1"):
    items = pd.DataFrame([
        item("1", "2026-02-01", "2026-03-15", 70_00), item("2", "2026-03-10", "2026-04-20", 50_00), item("3", "2026-06-01", None, 500_00),
    ])  # fmt: skip
    items = items.astype({c.name: PANDAS[c.dtype] for c in ITEMS.columns})
    due = [says("o-1", customer, since=since, until=until)]
    return foreseen.actual_peaks(due, items, master("c-1"), as_of=AS_OF, rates=RateTable.from_rows([]))


def test_the_actual_balance_is_the_highest_of_its_days_alone():
    assert actual(date(2026, 3, 1), date(2026, 5, 1)) == {"o-1": 120_00}
    assert actual(date(2026, 3, 16), date(2026, 5, 1)) == {"o-1": 50_00}
    assert actual(date(2026, 5, 1), date(2026, 6, 1)) == {"o-1": 0}


def test_what_the_ledger_cannot_tell_is_not_compared():
    assert actual(date(2025, 9, 30), date(2026, 5, 1)) == {}  # before its 12 months
    assert actual(date(2026, 9, 1), date(2026, 10, 1)) == {}  # not over
    assert actual(date(2026, 3, 1), date(2026, 5, 1), customer="c-9") == {}
