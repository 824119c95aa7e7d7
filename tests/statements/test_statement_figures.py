"""Ratios, Altman scores, zones, trend and age: against figures worked out by hand, and with what is missing named."""

import math
from datetime import date

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from credit_review import statements as financial
from credit_review.statements.models import KINDS, MODELS, Z_NON_MANUFACTURER
from tests.statements.statement_rows import SOUND, statements, years

AS_OF = date(2026, 9, 30)
HOW = {"as_of": AS_OF, "unknown_receipt_days": 180, "prefer": "individual", "years": 5}


def condition(*rows, customers=("c1",), **how):
    found = financial.condition(statements(*rows), pd.Series(list(customers), dtype="str"), **{**HOW, **how})
    return found.frame.iloc[0].to_dict() | {"why": found.why[0]}


# --- ratios ---------------------------------------------------------------------------------------------------------------------------


def test_every_ratio_comes_out_as_by_hand():
    found = financial.ratios(statements({}))
    by_hand = {
        "current_ratio": 600 / 400,
        "quick_ratio": 450 / 400,
        "cash_ratio": 100 / 400,
        "equity_ratio": 450 / 1000,
        "liabilities_to_equity": 1.222222,
        "interest_coverage": 4.0,
        "net_margin": 0.04,
        "ebit_margin": 0.066667,
        "return_on_assets": 0.06,
        "return_on_equity": 0.133333,
        "asset_turnover": 1.5,
        "receivable_days": 60.833333,
        "inventory_days": 36.5,
        "x1": 0.2,
        "x2": 0.2,
        "x3": 0.1,
        "x4": 0.818182,
        "x4_market": 1.636364,
        "x5": 1.5,
    }
    assert found.values.iloc[0].to_dict() == by_hand
    assert (found.why == "").all(axis=None)


@pytest.mark.parametrize("item", [name for name in SOUND if name.endswith("_minor")])
def test_a_missing_item_is_named_by_every_ratio_that_needs_it_and_by_no_other(item):
    found = financial.ratios(statements({item: None}))
    name = item.removesuffix("_minor")
    for ratio, made_of in financial.RATIOS.items():
        needs = name in made_of.items
        assert math.isnan(found.values[ratio].iloc[0]) == needs
        assert found.why[ratio].iloc[0] == (f"{financial_name(name)} is missing" if needs else "")


def financial_name(item):
    from credit_review.statements.figures import NAMES

    return NAMES[item]


def test_what_is_divided_by_must_be_above_0():
    found = financial.ratios(statements({"interest_expense_minor": 0, "equity_minor": -5_00}))
    assert found.why["interest_coverage"].iloc[0] == "interest expense is not above 0"
    assert found.why["return_on_equity"].iloc[0] == "equity is not above 0"
    assert found.values["equity_ratio"].iloc[0] == -0.005


def test_accounts_over_half_a_year_give_no_yearly_ratio_and_are_not_scaled_up():
    found = financial.ratios(statements({"months": 6}, {"months": None}))
    assert list(found.why["net_margin"]) == ["the accounts are over 6 months, not a year", "the length of the period is missing"]
    assert list(found.values["equity_ratio"]) == [0.45, 0.45]


# --- Altman ---------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "score"),
    [
        ("z", 3.3318),  # 0.24 + 0.28 + 0.33 + 0.6 x 1.636364 + 1.5
        ("z_private", 2.4641),  # 0.1434 + 0.1694 + 0.3107 + 0.42 x 0.818182 + 1.497
        ("z_non_manufacturer", 3.4951),  # 1.312 + 0.652 + 0.672 + 1.05 x 0.818182
        ("z_emerging", 6.7451),
    ],
)
def test_each_altman_model_comes_out_as_by_hand(model, score):
    values, why = financial.altman(statements({}), MODELS[model])
    assert (values[0], why[0]) == (score, "")


def test_the_weights_and_bounds_of_z2_are_altmans_and_not_the_rounded_ones_with_the_bounds_of_z1():
    assert Z_NON_MANUFACTURER.weights == (6.56, 3.26, 6.72, 1.05, 0.0)
    assert (Z_NON_MANUFACTURER.distress_below, Z_NON_MANUFACTURER.safe_above) == (1.1, 2.6)
    assert (MODELS["z_emerging"].distress_below, MODELS["z_emerging"].safe_above) == (4.35, 5.85)
    assert (MODELS["z"].distress_below, MODELS["z"].safe_above) == (1.81, 2.99)
    assert (MODELS["z_private"].distress_below, MODELS["z_private"].safe_above) == (1.23, 2.90)


@pytest.mark.parametrize("name", MODELS)
def test_a_score_on_a_bound_is_grey(name):
    model = MODELS[name]
    low, high = model.distress_below, model.safe_above
    found = financial.zones(np.array([low - 0.0001, low, high, high + 0.0001, np.nan]), model)
    assert list(found) == ["distress", "grey", "grey", "safe", ""]


def test_a_customer_between_the_bounds_of_z2_and_z1_is_placed_by_those_of_z2():
    one = {"current_assets_minor": 400_00, "retained_earnings_minor": 0, "ebit_minor": 50_00}  # 0.336 + 0.859 = 1.195
    found = condition(one)
    assert (found["altman_score"], found["altman_zone"]) == (1.1951, "grey")  # below 1.23, the bound of Z'


def test_the_kind_of_company_chooses_the_model():
    models = {kind: condition({"company_kind": kind})["altman_model"] for kind in KINDS}
    assert models == {
        "listed_manufacturer": "z",
        "private_manufacturer": "z_private",
        "non_manufacturer": "z_non_manufacturer",
        "emerging_market": "z_emerging",
        "financial": "",
    }
    assert condition({"company_kind": "listed_manufacturer"})["altman_score"] == 3.3318


def test_a_bank_and_a_company_of_unknown_kind_get_no_altman_score_but_their_ratios():
    bank, unknown = condition({"company_kind": "financial"}), condition({"company_kind": ""})
    assert "altman_score: not made for financial companies; altman_z2: not made for financial companies" in bank["why"]
    assert "altman_score: the kind of company is not stated; altman_z2: the kind of company is not stated" in unknown["why"]
    assert all(math.isnan(one[name]) for one in (bank, unknown) for name in ("altman_score", "altman_z2", "altman_z2_trend"))
    assert bank["equity_ratio"] == unknown["equity_ratio"] == 0.45


def test_a_listed_company_without_a_market_value_says_so_and_still_has_z2():
    found = condition({"company_kind": "listed_manufacturer", "market_equity_minor": None})
    assert "altman_score: market value of equity is missing" in found["why"]
    assert found["altman_z2"] == 3.4951


# --- which statements, how old, and where they go -------------------------------------------------------------------------------------


def test_statements_count_from_the_day_they_were_received():
    rows = [{}, {"period_end": date(2024, 12, 31), "received_date": date(2025, 6, 30), "equity_minor": 300_00}]
    assert condition(*rows)["equity_ratio"] == 0.45
    assert condition(*rows, as_of=date(2026, 5, 30))["equity_ratio"] == 0.3
    assert "no statements known by 2025-06-29" in condition(*rows, as_of=date(2025, 6, 29))["why"]


def test_without_a_day_of_receipt_they_count_so_many_days_after_their_period():
    one = {"received_date": None}
    assert condition(one, as_of=date(2026, 6, 28))["why"] == "altman_z2: no statements known by 2026-06-28"
    assert condition(one, as_of=date(2026, 6, 29))["equity_ratio"] == 0.45


def test_of_one_period_the_preferred_basis_counts_and_of_one_basis_what_came_last():
    group = {"basis": "consolidated", "equity_minor": 200_00}
    restated = {"received_date": date(2026, 8, 1), "equity_minor": 440_00}
    assert condition({}, group)["equity_ratio"] == 0.45
    assert condition({}, group, prefer="consolidated")["equity_ratio"] == 0.2
    assert condition({}, group, restated)["equity_ratio"] == 0.44


def test_age_is_from_the_end_of_the_period():
    assert condition({})["statements_age_days"] == (AS_OF - date(2025, 12, 31)).days


def test_a_trend_is_a_least_squares_line_over_three_years_or_more_of_one_basis():
    # Z'' = 2.636 + 1.05 x equity / liabilities: 500/500, 400/600 and 300/700 give 3.686, 3.336 and 3.086 (4 decimals each)
    rows = years([500, 400, 300])
    assert condition(*rows)["altman_z2_trend"] == pytest.approx(0.3, abs=0.001)
    two = condition(*rows[:2])
    assert math.isnan(two["altman_z2_trend"])
    assert "altman_z2_trend: fewer than 3 yearly statements with it" in two["why"]
    other = [*rows[:2], rows[2] | {"basis": "consolidated"}]
    assert math.isnan(condition(*other)["altman_z2_trend"])


def test_only_the_newest_years_make_the_trend():
    rows = years([500, 400, 300, 900, 900])
    assert condition(*rows, years=3)["altman_z2_trend"] == condition(*rows[:3])["altman_z2_trend"]
    assert condition(*rows)["altman_z2_trend"] < 0


def test_a_row_in_quarantine_leaves_no_older_year_to_stand_in():
    found = condition({}, held=frozenset({"c1"}))
    assert found["why"] == "altman_z2: a row of the statements is in quarantine"
    assert math.isnan(found["equity_ratio"])
    assert found["altman_zone"] == ""


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_the_order_of_rows_changes_nothing_and_what_is_missing_is_always_explained(data):
    rows = [
        {
            "customer_id": data.draw(st.sampled_from(["c1", "c2", "c3"])),
            "period_end": date(data.draw(st.integers(2019, 2025)), 12, 31),
            "received_date": None,
            "company_kind": data.draw(st.sampled_from(["", *KINDS])),
            "months": data.draw(st.sampled_from([None, 6, 12])),
            "ebit_minor": data.draw(st.sampled_from([None, 0, 100_00])),
            "total_assets_minor": data.draw(st.sampled_from([None, 0, 1_000_00])),
        }
        for _ in range(data.draw(st.integers(0, 8)))
    ]
    rows = list({(r["customer_id"], r["period_end"]): r for r in rows}.values())
    frame, customers = statements(*rows), pd.Series(["c3", "c1", "c2"], dtype="str")
    found = financial.condition(frame, customers, **HOW)
    again = financial.condition(frame.iloc[data.draw(st.permutations(range(len(frame))))].reset_index(drop=True), customers, **HOW)
    pd.testing.assert_frame_equal(found.frame, again.frame)
    assert list(found.why) == list(again.why)
    for name in ("altman_score", "altman_z2", "altman_z2_trend", "equity_ratio", "interest_coverage", "current_ratio", "net_margin"):
        missing = found.frame[name].isna().to_numpy()
        explained = np.array([f"{name}: " in why or "no statements known" in why for why in found.why])
        assert (missing == explained).all()
