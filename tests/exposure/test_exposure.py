from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest
from exposure_rows import AS_OF, PANDAS, customer, frame, item, one, run, starter, with_exposure

from credit_review.errors import BadInput
from credit_review.exposure import CAPABILITIES
from credit_review.exposure.arrays import months_before, sum_by
from credit_review.model.frames import CUSTOMERS, FEATURES, QUARANTINE
from credit_review.model.money import MAX_MINOR


def ago(days):
    return AS_OF - timedelta(days=days)


def late_by(days, **given):
    return item(due_date=ago(days), posting_date=ago(days + 30), document_date=ago(days + 30), **given)


@pytest.mark.parametrize(
    ("days", "column"),
    [
        *((-1, "not_due"), (0, "not_due"), (1, "dpd_1_30"), (30, "dpd_1_30"), (31, "dpd_31_60")),
        *((60, "dpd_31_60"), (61, "dpd_61_90"), (90, "dpd_61_90"), (91, "dpd_over_90"), (4000, "dpd_over_90")),
    ],
)
def test_an_open_invoice_stands_in_the_band_of_its_days_past_due(days, column):
    found = one([late_by(days, amount=700)])
    bands = {name: found[f"{name}_minor"] for name in ("not_due", "dpd_1_30", "dpd_31_60", "dpd_61_90", "dpd_over_90")}
    assert bands == dict.fromkeys(bands, 0) | {column: 700}
    assert found["oldest_dpd_days"] == max(days, 0)
    assert found["overdue_minor"] == (700 if days > 0 else 0)


def test_a_missing_due_date_is_the_document_date_plus_the_customers_terms():
    rows = [item(due_date=None, document_date=ago(40), posting_date=ago(35), amount=100)]
    assert one(rows, [customer(terms_days=30)])["oldest_dpd_days"] == 10
    assert one(rows, [customer(terms_days=None)])["oldest_dpd_days"] == 40


def test_an_item_exists_from_its_posting_until_its_clearing():
    future = item(posting_date=AS_OF + timedelta(days=1), document_date=AS_OF, amount=1)
    cleared_today = item(clearing_date=AS_OF, amount=2)
    cleared_later = item(clearing_date=AS_OF + timedelta(days=1), amount=4)
    assert one([future, cleared_today, cleared_later])["exposure_minor"] == 4


def test_parts_of_exposure_are_those_of_the_policy():
    rows = [item(amount=1), item(kind="delivery", amount=10), item(kind="order", amount=100), item(kind="note", amount=1_000)]
    assert one(rows)["exposure_minor"] == 1_111
    assert one(rows, policy=with_exposure(parts=("open_items", "notes")))["exposure_minor"] == 1_001


def test_orders_beyond_the_horizon_do_not_count():
    rows = [
        item(kind="order", amount=5, due_date=AS_OF + timedelta(days=60)),
        item(kind="order", amount=7, due_date=AS_OF + timedelta(days=61)),
    ]
    assert one(rows)["open_orders_minor"] == 5


@pytest.mark.parametrize(
    ("kind", "column"), [("note", "notes_minor"), ("order", "open_orders_minor"), ("delivery", "unbilled_deliveries_minor")]
)
def test_returns_lower_their_own_part_and_no_other(kind, column):
    found = one([item(kind=kind, amount=-50), item(kind=kind, amount=20), item(amount=7)])
    assert (found[column], found["exposure_minor"]) == (0, 7)
    assert one([item(kind=kind, amount=-5), item(kind=kind, amount=20)])[column] == 15


def test_disputes_are_shown_and_held_out_only_where_policy_says_so():
    rows = [late_by(5, amount=100), late_by(50, amount=30, disputed=True)]
    counted, held = one(rows), one(rows, policy=with_exposure(hold_out_disputes=True))
    assert (counted["exposure_minor"], counted["disputed_minor"], counted["oldest_dpd_days"]) == (130, 30, 50)
    assert (held["exposure_minor"], held["disputed_minor"], held["oldest_dpd_days"]) == (100, 30, 5)
    assert held["open_items_minor"] == held["overdue_minor"] == 100


def test_a_credit_balance_never_offsets_another_customer_and_exposure_stops_at_zero():
    rows = [item("C1", "on_account", -500), item("C1", amount=200), item("C2", amount=300)]
    found = run(rows, [customer("C1"), customer("C2")]).frame
    assert found["exposure_minor"].tolist() == [0, 300]
    assert found["unapplied_credits_minor"].tolist() == [-500, 0]


def test_a_debit_is_owed_whatever_its_kind_and_a_negative_invoice_is_a_credit():
    found = one([item(kind="payment", amount=50), item(amount=-20)])
    assert (found["open_items_minor"], found["unapplied_credits_minor"]) == (50, -20)


def test_lateness_is_weighted_by_amount_and_early_is_negative():
    rows = [
        item(amount=300, open_minor=0, due_date=ago(20), clearing_date=ago(10)),
        item(amount=100, open_minor=0, due_date=ago(20), clearing_date=ago(26)),
    ]
    assert one(rows)["average_days_late"] == 6.0
    assert one(rows[1:])["average_days_late"] == -6.0


def test_trend_compares_the_last_quarter_with_the_nine_months_before():
    rows = [
        item(amount=100, open_minor=0, due_date=ago(30), clearing_date=ago(10)),
        item(amount=100, open_minor=0, due_date=ago(205), clearing_date=ago(200)),
        item(amount=100, open_minor=0, due_date=ago(500), clearing_date=ago(400)),
    ]
    found = one(rows)
    assert (found["days_late_trend"], found["cleared_count"], found["average_days_late"]) == (15.0, 2, 12.5)


def test_a_year_begins_the_day_after_the_same_day_of_last_year():
    edge = date(2025, 9, 30)
    out = item(amount=100, open_minor=0, posting_date=edge, document_date=edge, due_date=edge, clearing_date=edge)
    first = out | {"posting_date": edge + timedelta(days=1), "clearing_date": edge + timedelta(days=1)}
    assert [one([row])["cleared_count"] for row in (out, first)] == [0, 1]
    assert [one([row])["sales_12m_minor"] for row in (out, first)] == [0, 100]


def test_need_is_sales_times_terms_and_usual_delay_over_a_year():
    sale = item(amount=120_000_000, open_minor=0, due_date=ago(20), clearing_date=ago(20))
    assert one([sale], [customer(terms_days=45)])["need_minor"] == round(120_000_000 * 45 / 365)
    late = sale | {"clearing_date": ago(10)}
    assert one([late], [customer(terms_days=45)])["need_minor"] == round(120_000_000 * 55 / 365)
    credit = item(kind="credit_note", amount=-500)
    assert one([credit])["need_minor"] == 0


def test_the_peak_is_the_highest_balance_of_any_day_of_twelve_months():
    june, july = date(2026, 6, 15), date(2026, 7, 10)
    rows = [
        item(amount=1_000, open_minor=0, posting_date=june, document_date=june, clearing_date=july),
        item(amount=400, open_minor=300, posting_date=july, document_date=july),
        item(amount=9_000, open_minor=0, posting_date=date(2026, 6, 2), clearing_date=date(2026, 6, 28)),
        item(amount=9_000, open_minor=0, posting_date=date(2025, 6, 2), clearing_date=date(2025, 9, 30)),
    ]
    assert one(rows)["peak_balance_minor"] == 10_000, "on 15 June, though one of the two was paid before the month's end"
    assert one(rows[:2])["peak_balance_minor"] == 1_000, "on 10 July one came and one went"
    assert one(rows[3:], as_of=date(2026, 9, 28))["peak_balance_minor"] == 9_000, "still owed on the first of the days"
    assert one(rows[3:], as_of=date(2026, 9, 29))["peak_balance_minor"] == 0
    assert one(rows[1:2])["peak_balance_minor"] == 400
    assert one(rows[1:2], as_of=july)["peak_balance_minor"] == 300


def insured(**given):
    row = {
        "customer_id": "C1",
        "kind": "insured_limit",
        "reference": "p1",
        "amount_minor": 50_000,
        "currency": "EUR",
        "cover_fraction": 0.9,
    }
    return row | {"valid_from": date(2026, 1, 1)} | given


@pytest.mark.parametrize(
    ("cover", "covered"),
    [
        ({}, 45_000),
        ({"amount_minor": 500_000}, 90_000),
        ({"valid_from": AS_OF}, 45_000),
        ({"valid_from": AS_OF + timedelta(days=1)}, 0),
        ({"valid_from": None}, 0),
        ({"valid_to": AS_OF}, 0),
        ({"valid_to": AS_OF + timedelta(days=1)}, 45_000),
        ({"max_terms_days": 30}, 45_000),
        ({"max_terms_days": 29}, 0),
        ({"currency": "GBP"}, 0),
        ({"currency": "USD"}, 41_116),
        ({"customer_id": "C9"}, 0),
    ],
)
def test_cover_counts_while_it_is_valid_allows_the_terms_and_can_be_converted(cover, covered):
    found = one([item(amount=100_000)], cover=[insured(**cover)])
    assert (found["insured_minor"], found["own_risk_minor"]) == (covered, 100_000 - covered)


def test_cover_with_longest_terms_proves_nothing_for_a_customer_without_terms():
    assert one([item(amount=100)], [customer(terms_days=None)], cover=[insured(max_terms_days=90)])["insured_minor"] == 0


def test_several_insured_limits_together_cover_an_exposure_once_smallest_fraction_first():
    limits = [
        insured(reference="a", cover_fraction=0.9, amount_minor=80_000),
        insured(reference="b", cover_fraction=0.5, amount_minor=60_000),
    ]
    found = one([item(amount=100_000)], cover=limits)
    assert found["insured_minor"] == 60_000 * 0.5 + 40_000 * 0.9


def test_security_lowers_own_risk_but_never_below_zero():
    guarantee = insured(kind="guarantee", amount_minor=300_000, cover_fraction=1.0)
    found = one([item(amount=100_000)], cover=[guarantee, insured()])
    assert (found["security_minor"], found["insured_minor"], found["own_risk_minor"]) == (300_000, 45_000, 0)


def report(**given):
    row = {"customer_id": "C1", "provider": "b", "report_date": ago(10), "grade": "2", "pd_fraction": 0.02, "currency": "EUR"}
    return row | {"recommended_limit_minor": 1_000} | given


def test_the_newest_report_on_or_before_as_of_counts_and_converts():
    found = one(external=[report(report_date=ago(50), grade="old"), report(report_date=ago(-1), grade="future"), report(currency="USD")])
    assert (found["external_grade"], found["external_age_days"], found["recommended_limit_minor"]) == ("2", 10, 914)
    assert one(external=[report(), report(provider="a", grade="first")])["external_grade"] == "first"


def test_a_recommendation_without_a_rate_is_missing_and_its_row_is_named():
    result = run(external=[report(currency="GBP")])
    assert result.frame["recommended_limit_minor"].isna().all()
    assert result.frame["external_grade"].tolist() == ["2"]
    assert "recommended_limit_minor: no exchange rate to the account currency" in result.frame["not_computable"][0]
    assert result.quarantine[["dataset", "row_key", "expectation", "could_raise"]].values.tolist() == [
        ["external", f"C1|b|{ago(10)}", "missing_rate", False]
    ]


def test_an_item_without_a_rate_is_quarantined_never_counted_at_one_and_its_customer_says_so():
    result = run(
        [item(currency="GBP", amount=900), item(currency="USD", amount=1_000), item("C2", amount=5)], [customer("C1"), customer("C2")]
    )
    assert result.frame["exposure_minor"].tolist() == [914, 5]
    row = result.quarantine.iloc[0]
    assert (row["row_key"], row["expectation"], row["value"], row["amount_minor"], row["could_raise"]) == (
        "r0000",
        "missing_rate",
        "GBP",
        900,
        True,
    )
    assert "exposure_minor: without items that have no rate from GBP to EUR" in result.frame["not_computable"][0]
    assert "GBP" not in result.frame["not_computable"][1]
    assert result.rates_used[["base", "quote", "rate", "amounts"]].values.tolist() == [["USD", "EUR", "0.9137", 1]]


def test_an_old_closed_item_needs_no_rate():
    old = item(currency="GBP", open_minor=0, posting_date=ago(900), document_date=ago(900), due_date=ago(870), clearing_date=ago(860))
    assert run([old]).quarantine.empty


def test_a_conversion_rounds_once_an_item_before_summing():
    thirds = [item(currency="USD", amount=1) for _ in range(10)]
    assert one(thirds)["exposure_minor"] == 10
    assert one([item(currency="USD", amount=10)])["exposure_minor"] == 9


def test_rows_of_unknown_customers_and_rows_without_any_date_are_quarantined_not_dropped():
    undated = item(amount=7, posting_date=None, document_date=None, due_date=None)
    result = run([item("C9", amount=3), undated, item("", amount=1), item(amount=2)])
    assert result.frame["exposure_minor"].tolist() == [2]
    assert result.quarantine[["row_key", "expectation"]].values.tolist() == [
        ["r0000", "customer_in_master"],
        ["r0001", "item_is_dated"],
        ["r0002", "customer_in_master"],
    ]


def test_nothing_at_all_gives_a_row_a_customer_of_zeros_and_reasons():
    found = one()
    assert (found["exposure_minor"], found["sales_12m_minor"], found["need_minor"], found["open_item_count"]) == (0, 0, 0, 0)
    reasons = dict(text.split(": ", 1) for text in found["not_computable"].split("; "))
    assert reasons["average_days_late"] == "no items cleared in the last 12 months"
    assert reasons["utilisation_fraction"] == "no limit on file"
    assert reasons["last_invoice_days"] == "no invoice"
    assert reasons["external_grade"] == "no external report on or before 2026-09-30"
    empty = run([], [])
    assert empty.frame.empty and empty.quarantine.empty


def test_before_the_first_posting_nothing_exists():
    assert one([item(), item(kind="order")], as_of=date(2020, 1, 1))["open_item_count"] == 0


@pytest.mark.parametrize(
    ("missing", "figures"),
    [
        ("sales", ["sales_12m_minor", "need_minor", "last_invoice_days"]),
        ("cleared_items", ["average_days_late", "days_late_trend", "peak_balance_minor"]),
        ("orders", ["open_orders_minor"]),
        ("deliveries", ["unbilled_deliveries_minor"]),
        ("notes", ["notes_minor"]),
    ],
)
def test_a_figure_whose_inputs_the_source_lacks_is_not_computable_and_never_zero(missing, figures):
    found = one([item()], capabilities=CAPABILITIES - {missing})
    for figure in figures:
        assert found[figure] is None
        assert f"{figure}: no {missing.replace('_', ' ')} in source" in found["not_computable"]


def test_months_on_book_need_the_full_history_or_the_date_itself():
    row = [item(document_date=ago(61), posting_date=ago(61))]
    assert one(row)["months_on_book"] == 2.0
    book = one(row, capabilities=CAPABILITIES - {"sales"})
    assert book["months_on_book"] is None
    assert "months_on_book: no customer_since, and no full history in source" in book["not_computable"]
    assert one(row, [customer(customer_since=ago(366))])["months_on_book"] == 12.02


def test_no_limit_a_limit_of_zero_and_a_limit_are_three_facts():
    rows = [item(amount=500)]
    assert one(rows, [customer(limit_minor=1_000)])["utilisation_fraction"] == 0.5
    zero, none = one(rows, [customer(limit_minor=0)]), one(rows, [customer(limit_minor=None)])
    assert (zero["limit_minor"], none["limit_minor"]) == (0, None)
    assert "the limit is 0" in zero["not_computable"] and "no limit on file" in none["not_computable"]


def test_statements_dated_after_as_of_are_not_known_yet():
    found = one(customers=[customer(tangible_net_worth_minor=5, net_worth_date=ago(-1))])
    assert (found["tangible_net_worth_minor"], found["net_worth_age_days"]) == (None, None)
    undated = one(customers=[customer(tangible_net_worth_minor=5)])
    assert undated["tangible_net_worth_minor"] == 5 and "net_worth_age_days: statements without a date" in undated["not_computable"]


def quarantined(row_key, amount, **given):
    row = {"dataset": "items", "row_key": row_key, "customer_id": "C1", "expectation": "x", "currency": "EUR", "amount_minor": amount}
    return row | {"severity": "warning", "could_raise": True} | given


def test_small_quarantined_rows_are_added_at_their_absolute_amount_each_once():
    rows = [
        quarantined("a", -30_000),
        quarantined("a", -30_000, expectation="y"),
        quarantined("b", 40_000),
        quarantined("c", 9, could_raise=False),
    ]
    found = one([item(kind="on_account", amount=-500)], quarantine=rows)
    assert (found["quarantined_minor"], found["exposure_minor"], found["own_risk_minor"]) == (70_000, 70_000, 70_000)


@pytest.mark.parametrize(
    "rows",
    [
        [quarantined("a", 60_000), quarantined("b", 40_001)],
        [quarantined("a", 10), quarantined("b", None)],
        [quarantined("a", 10), quarantined("a", None, expectation="y")],
        [quarantined("a", 10), quarantined("a", 20)],
        [quarantined("a", 10, currency="GBP")],
        [quarantined("a", 10, customer_id="")],
    ],
)
def test_quarantined_rows_too_large_or_unreadable_are_not_added(rows):
    assert starter().minor(starter().intake.review_quarantined_below) == 100_000
    assert one(quarantine=rows)["quarantined_minor"] == 0


def test_one_row_key_of_two_customers_counts_for_both():
    rows = [quarantined("a", 10), quarantined("a", 20, customer_id="C2")]
    assert run([], [customer("C1"), customer("C2")], quarantine=rows).frame["quarantined_minor"].tolist() == [10, 20]


def test_quarantined_rows_up_to_the_amount_itself_are_added():
    assert one(quarantine=[quarantined("a", 60_000), quarantined("b", 40_000)])["quarantined_minor"] == 100_000


def test_an_unknown_kind_capability_or_a_customer_twice_stops_with_its_name():
    with pytest.raises(BadInput, match="row r0000: unknown document kind 'gift'"):
        run([item(kind="gift")])
    with pytest.raises(BadInput, match="unknown capability 'weather'"):
        run(capabilities={"weather"})
    with pytest.raises(BadInput, match="'C1' stands more than once"):
        run(customers=[customer(), customer()])


def test_sums_beyond_the_money_range_are_refused_not_wrapped():
    with pytest.raises(BadInput, match="open_items_minor of customer C1 is out of range"):
        run([item(amount=MAX_MINOR), item(amount=1)])
    with pytest.raises(BadInput, match="one customer add up"):
        sum_by(np.zeros(1_000, dtype=np.int64), np.full(1_000, MAX_MINOR), 1)
    old = item(amount=MAX_MINOR, open_minor=0, due_date=date(1999, 1, 1), clearing_date=AS_OF)
    with pytest.raises(BadInput, match="out of range"):
        run([old])


def test_sums_are_exact_where_floats_are_not():
    values = np.array([2**53 - 1, 2, 2**53 - 1, 1], dtype=np.int64)
    assert sum_by(np.array([0, 0, 1, 1]), values, 3).tolist() == [2**53 + 1, 2**53, 0]


def test_frames_have_the_stated_columns_and_types_even_when_empty():
    for result in (run([item()]), run([], [])):
        assert {n: str(d) for n, d in result.frame.dtypes.items()} == {c.name: PANDAS[c.dtype] for c in FEATURES.columns}
        assert list(result.frame.columns) == list(FEATURES.names)
        assert {n: str(d) for n, d in result.quarantine.dtypes.items()} == {c.name: PANDAS[c.dtype] for c in QUARANTINE.columns}


def test_the_inputs_are_not_changed():
    customers = frame(CUSTOMERS, [customer("C2"), customer("C1")])
    before = customers.copy(deep=True)
    run([item(currency="USD")], [customer("C2"), customer("C1")])
    pd.testing.assert_frame_equal(customers, before)


@pytest.mark.parametrize(
    ("day", "months", "expected"),
    [
        (date(2026, 9, 30), 3, date(2026, 6, 30)),
        (date(2026, 6, 30), 3, date(2026, 3, 31)),
        (date(2024, 2, 29), 12, date(2023, 2, 28)),
        (date(2025, 2, 28), 12, date(2024, 2, 29)),
        (date(2026, 5, 30), 3, date(2026, 2, 28)),
        (date(2026, 1, 15), 1, date(2025, 12, 15)),
    ],
)
def test_months_end_where_a_credit_manager_expects(day, months, expected):
    assert months_before(day, months) == expected


SEASON = [
    item(amount=500, posting_date=AS_OF - timedelta(days=400), clearing_date=AS_OF - timedelta(days=364), open_minor=0),
    item(amount=300, posting_date=AS_OF - timedelta(days=330), clearing_date=AS_OF - timedelta(days=300), open_minor=0),
    item(amount=900, posting_date=AS_OF - timedelta(days=200), clearing_date=AS_OF - timedelta(days=150), open_minor=0),
    item(amount=200, posting_date=AS_OF - timedelta(days=100), clearing_date=AS_OF - timedelta(days=89), open_minor=0),
    item(amount=250, posting_date=AS_OF - timedelta(days=20)),
]


@pytest.mark.parametrize(("days", "peak"), [(0, None), (20, 250), (34, 250), (35, 300), (90, 300), (151, 300), (152, 900)])
def test_a_season_s_peak_is_the_higher_of_the_last_days_and_of_those_ahead_a_year_ago(days, peak):
    """Ahead of the day a year ago the 300 stand from day 330 on; 500 were paid the day before that window begins, 900 lie between."""
    assert one(SEASON, policy=seasonal(days))["season_peak_minor"] == peak


def seasonal(days):
    data = starter().model_dump()
    data["limits"]["need"] |= {"season_days": days}
    return type(starter()).model_validate(data)
