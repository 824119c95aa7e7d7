from __future__ import annotations

from datetime import timedelta

import pandas as pd
import pytest
from exposure_rows import AS_OF, PANDAS, RATES, as_bytes, customer, item, run
from hypothesis import given, settings
from hypothesis import strategies as st

from credit_review import groups
from credit_review.errors import BadInput
from credit_review.model.frames import GROUPS
from credit_review.model.money import MAX_MINOR


def roll_up(features, **given):
    return groups.roll_up(features, rates=RATES, control_currency="EUR", as_of=AS_OF, **given)


def family(*customers, items=()):
    return run(items, list(customers)).frame


def test_members_are_converted_one_by_one_and_then_added():
    frame = family(
        customer("C1", group_id="C1", limit_minor=1_000),
        customer("C2", group_id="C1", currency="USD", limit_minor=1_000),
        customer("C3", group_id="C3", limit_minor=None),
        items=[item("C1", amount=100), item("C2", amount=100, currency="USD", due_date=AS_OF - timedelta(days=9)), item("C3", amount=7)],
    )
    found = roll_up(frame)
    assert found.drop(columns="currency").values.tolist() == [["C1", 2, 191, 91, 1_914, 9, "", ""], ["C3", 1, 7, 0, 0, 0, "", ""]]
    assert found["currency"].tolist() == ["EUR", "EUR"]


def test_a_members_credit_balance_never_offsets_another_member():
    frame = family(customer("C1"), customer("C2", group_id="C1"), items=[item("C1", "on_account", -900), item("C2", amount=500)])
    assert roll_up(frame)["exposure_minor"].tolist() == [500]


def test_members_without_a_rate_are_listed_and_counted_but_not_summed():
    frame = family(
        customer("C1"),
        customer("C2", group_id="C1", currency="GBP", limit_minor=5),
        customer("C3", group_id="C1", currency="CHF"),
        items=[item("C1", amount=100), item("C2", amount=9, currency="GBP")],
    )
    found = roll_up(frame.sample(frac=1, random_state=3)).iloc[0]
    assert (found["members"], found["exposure_minor"], found["limits_minor"], found["unconverted"]) == (3, 100, 0, "C2|C3")


def test_temporary_limits_count_and_one_without_a_rate_marks_its_member():
    other = pd.DataFrame({"customer_id": ["C1", "C1", "C2"], "currency": ["EUR", "USD", "GBP"], "amount_minor": [10, 100, 1]})
    frame = family(customer("C1", limit_minor=1_000), customer("C2", limit_minor=50))
    found = roll_up(frame, other_limits=other)
    assert found["limits_minor"].tolist() == [1_101, 0]
    assert found["unconverted"].tolist() == ["", "C2"]


def test_a_customer_without_a_group_is_its_own():
    assert roll_up(family(customer("C1", group_id="")))["group_id"].tolist() == ["C1"]


def test_sums_beyond_the_money_range_are_refused():
    frame = family(customer("C1", limit_minor=MAX_MINOR), customer("C2", group_id="C1", limit_minor=2))
    with pytest.raises(BadInput, match="group C1 in EUR"):
        roll_up(frame)


def test_the_frame_has_the_stated_columns_and_types_even_when_empty():
    for found in (roll_up(family()), roll_up(family(customer()))):
        assert {n: str(d) for n, d in found.dtypes.items()} == {c.name: PANDAS[c.dtype] for c in GROUPS.columns}


@settings(max_examples=settings().max_examples // 5)
@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 10**9), st.sampled_from(["EUR", "USD", "JPY", "GBP"])), min_size=1, max_size=24),
    st.randoms(use_true_random=False),
)
def test_the_order_of_members_never_changes_a_byte_and_sums_are_those_of_single_conversions(members, random):
    customers = [customer(f"C{n}", group_id=f"G{g}", currency=c, limit_minor=limit) for n, (g, limit, c) in enumerate(members)]
    frame = family(*customers)
    found = roll_up(frame)
    assert as_bytes(found) == as_bytes(roll_up(frame.sample(frac=1, random_state=random.randrange(2**31))))
    expected: dict[str, int] = {}
    for group, limit, currency in members:
        converted = 0 if currency == "GBP" else RATES.convert(limit, base=currency, quote="EUR", on=AS_OF).minor
        expected[f"G{group}"] = expected.get(f"G{group}", 0) + converted
    assert dict(zip(found["group_id"], found["limits_minor"], strict=True)) == expected


def test_the_members_that_policy_calls_bad_for_their_group_are_named_with_it():
    frame = family(customer("C1", status="insolvent"), customer("C2", group_id="C1"), customer("C3"), customer("C4", group_id="C1"))
    scores = pd.DataFrame({"customer_id": ["C1", "C2", "C3", "C4"], "grade": ["A", "B", "E", "E"]})
    bad = groups.bad_members(frame, scores, statuses=["insolvent"], grades=["E"])
    assert bad == ["C1", "C3", "C4"]
    assert roll_up(frame, bad=bad)["bad_members"].tolist() == ["C1|C4", "C3"]
