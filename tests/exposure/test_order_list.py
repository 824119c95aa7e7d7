"""Which open orders are inside a limit: the rule held against a loop a child could follow, and what it never does."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest
from exposure_rows import AS_OF, RATES, customer, frame, item, numbered, run, starter
from hypothesis import given
from hypothesis import strategies as st

from credit_review.exposure import CAPABILITIES
from credit_review.exposure.arrays import NO_DAY
from credit_review.exposure.order_list import COLUMNS, NO_ORDERS, Bucket, allocated, order_list, run_off
from credit_review.model.frames import CUSTOMERS, ITEMS

DOCUMENTS = st.lists(st.tuples(st.integers(0, 4), st.integers(1, 10**12)), max_size=30).map(lambda some: sorted(some, key=lambda d: d[0]))
FREE = st.lists(st.integers(-(10**12), 5 * 10**12), min_size=5, max_size=5)


def arrays(documents):
    return (np.array([d[n] for d in documents], dtype=np.int64) for n in (0, 1))


def by_hand(documents, free):
    """What is inside of each document, one after another."""
    left, found = [max(f, 0) for f in free], []
    for whose, amount in documents:
        taken = min(left[whose], amount)
        found.append(taken)
        left[whose] -= taken if taken == amount else left[whose]
    return found


@given(documents=DOCUMENTS, free=FREE)
def test_oldest_first_never_more_than_the_free_limit_and_nothing_passes_what_does_not_fit(documents, free):
    customer, amount = arrays(documents)
    inside = allocated(customer, amount, np.array(free, dtype=np.int64))
    assert inside.tolist() == by_hand(documents, free)
    for one in range(5):
        mine = inside[customer == one]
        assert mine.sum() <= max(free[one], 0)
        whole = (mine == amount[customer == one]).tolist()
        assert whole == sorted(whole, reverse=True), "after one that does not fit none does"
        assert mine.sum() == min(max(free[one], 0), amount[customer == one].sum()), "no room is left while something waits"


@given(documents=DOCUMENTS, free=FREE, more=st.integers(0, 10**12))
def test_a_higher_limit_takes_no_order_out(documents, free, more):
    customer, amount = arrays(documents)
    lower = allocated(customer, amount, np.array(free, dtype=np.int64))
    assert (allocated(customer, amount, np.array(free, dtype=np.int64) + more) >= lower).all()


@given(
    questions=st.lists(st.tuples(st.integers(0, 3), st.integers(-5, 60)), max_size=12),
    falls=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9), st.integers(1, 20)), max_size=20),
)
def test_what_is_outside_runs_off_on_the_first_day_by_which_enough_has_fallen_due(questions, falls):
    who, needed = arrays(questions)
    owing, due, paid = (np.array([f[n] for f in falls], dtype=np.int64) for n in range(3))
    found = run_off(who, needed, owing, due, paid)
    for at, (whose, need) in enumerate(questions):
        days = sorted({d for c, d, _ in falls if c == whose})
        enough = [day for day in days if sum(p for c, d, p in falls if c == whose and d <= day) >= need]
        assert found[at] == (enough[0] if enough else NO_DAY)


# --- lists --------------------------------------------------------------------------------------------------------------------------


def order(amount, n, *, customer_id="C1", kind="order", dated=date(2026, 9, 1), due=date(2026, 10, 20), **given):
    return item(customer_id, kind, amount, document=f"SO-{n}", document_date=dated, posting_date=dated, due_date=due, **given)


def listed(items, after, *, before=0, customers=None, has=CAPABILITIES, policy=None, reason="", currency="EUR", features=None):
    """The list for C1 (and whoever else is given), as dicts."""
    people = customers or [customer()]
    policy = policy or starter()
    limits = pd.DataFrame(
        [
            {
                "customer_id": p["customer_id"], "currency": currency, "before_minor": before, "after_minor": after,
                "effective_from": date(2026, 10, 5), "reason": reason,
            }
            for p in people
        ]
    ).astype({"before_minor": "Int64", "after_minor": "Int64"})  # fmt: skip
    bucket = Bucket(
        items=frame(ITEMS, numbered(items)),
        customers=frame(CUSTOMERS, people),
        features=run(items, people, policy=policy, capabilities=has).frame if features is None else features,
        segments={}, as_of=AS_OF, rates=RATES, policy=policy, has=has,
    )  # fmt: skip
    found = order_list(bucket, limits)
    assert tuple(found.columns) == COLUMNS
    return [{k: None if pd.isna(v) else v for k, v in row.items()} for row in found.to_dict("records")]


def brief(rows):
    return [(r["list"], r["document"], r["inside_minor"], r["outside_minor"]) for r in rows]


OWED = item(amount=40_000, due_date=date(2026, 10, 15))
THREE = [OWED, order(30_000, 1), order(50_000, 2, dated=date(2026, 9, 2)), order(10_000, 3, dated=date(2026, 9, 3))]


def test_orders_that_were_outside_and_fit_are_to_be_released_and_those_that_do_not_are_listed_with_what_is_outside():
    assert brief(listed(THREE, 100_000, before=70_000)) == [("outside", "SO-2", 30_000, 20_000), ("outside", "SO-3", 0, 10_000)]
    assert brief(listed(THREE, 120_000, before=70_000)) == [("release", "SO-2", 50_000, 0), ("outside", "SO-3", 0, 10_000)]
    assert brief(listed(THREE, 130_000, before=130_000)) == [], "what was inside before and is now is in no list"
    assert {r["was"] for r in listed(THREE, 0, before=130_000)} == {"inside"}


def test_deliveries_come_before_older_orders_and_returns_give_no_room():
    rows = [OWED, order(30_000, 1), order(20_000, 9, kind="delivery", dated=date(2026, 9, 20)), order(-25_000, 4)]
    assert brief(listed(rows, 85_000)) == [("release", "SO-9", 20_000, 0), ("outside", "SO-1", 25_000, 5_000)]


def test_orders_beyond_the_horizon_are_not_counted_yet():
    far = AS_OF + timedelta(days=starter().exposure.order_horizon_days + 1)
    assert brief(listed([order(30_000, 1, due=far), order(10_000, 2)], 10_000)) == [("release", "SO-2", 10_000, 0)]


def with_run_off(kept):
    policy = starter()
    step = policy.limits.step.model_copy(update={"run_off": kept})
    return policy.model_copy(update={"limits": policy.limits.model_copy(update={"step": step})})


@pytest.mark.parametrize(
    ("kept", "days"),
    [("none", ["2026-10-05", "2026-10-05"]), ("open_items", ["2026-10-15", ""]), ("exposure", ["2026-10-15", ""])],
)
def test_the_run_off_day_is_when_enough_falls_due_and_without_run_off_the_day_of_the_limit(kept, days):
    rows = listed([OWED, order(30_000, 1), order(50_000, 2, dated=date(2026, 9, 2))], 50_000, policy=with_run_off(kept))
    assert [r["run_off_date"] for r in rows] == days, "paying 40,000 lets 30,000 in under 50,000, and never 80,000"


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"has": frozenset({"sales"})}, NO_ORDERS),
        ({"after": None}, "no limit on file"),
        ({"reason": "no rate from USD to EUR"}, "no rate from USD to EUR"),
        ({"currency": "USD"}, "the limit is kept in another currency than the account"),
        ({"features": run([]).frame.iloc[:0]}, "the customer is not in the newest review"),
    ],
)
def test_a_customer_whose_orders_cannot_be_judged_is_named_with_the_reason_and_never_missing(fields, reason):
    (row,) = listed(THREE, fields.pop("after", 50_000), **fields)
    assert (row["list"], row["customer_id"], row["reason"], row["document"]) == ("not_computable", "C1", reason, "")


@given(
    orders=st.lists(st.tuples(st.sampled_from("AB"), st.integers(1, 90_000), st.integers(0, 9)), min_size=1, max_size=12),
    owed=st.integers(0, 60_000),
    limits=st.tuples(st.integers(0, 200_000), st.integers(0, 200_000)),
)
def test_no_order_stands_in_two_lists_totals_tie_and_nothing_beyond_the_free_limit_is_released(orders, owed, limits):
    people = [customer("A"), customer("B")]
    items = [item("A", amount=owed), item("B", amount=owed)] if owed else []
    items += [order(a, n, customer_id=c, dated=date(2026, 9, 1) + timedelta(days=d)) for n, (c, a, d) in enumerate(orders)]
    before, after = limits
    sums = {c: owed + sum(a for one, a, _ in orders if one == c) for c in "AB"}
    exposures = pd.DataFrame({"customer_id": list(sums), "exposure_minor": list(sums.values())})
    rows = listed(items, after, before=before, customers=people, features=exposures)
    assert len({(r["customer_id"], r["document"]) for r in rows}) == len(rows)
    assert all(r["inside_minor"] + r["outside_minor"] == r["amount_minor"] for r in rows)
    for one in "AB":
        mine, free = [r for r in rows if r["customer_id"] == one], max(after - owed, 0)
        total = sum(a for c, a, _ in orders if c == one)
        assert sum(r["amount_minor"] for r in mine if r["list"] == "release") <= free
        assert sum(r["outside_minor"] for r in mine if r["list"] == "outside") == max(total - free, 0), "what is outside is all named"


def test_foreign_orders_count_in_the_currency_of_the_account():
    (row,) = listed([order(10_000, 1, currency="USD")], 9_137)
    assert (row["list"], row["amount_minor"], row["currency"]) == ("release", 9_137, "EUR")
