"""Scores: what a customer earns, what it means, and that nothing but its own figures can change it."""

import math
import subprocess
import sys
from decimal import Decimal
from functools import cache

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scoring_rows import features, simulated, starter_policy

from credit_review import scoring
from credit_review.errors import BadInput
from credit_review.model.frames import FEATURES, PANDAS, SCORES
from credit_review.scoring.scorecard import Scale

POLICY = starter_policy()
EXPERT = scoring.expert(POLICY)


@cache
def fitted():
    """A scorecard fitted when a test first asks, not by every process that collects this file."""
    return scoring.fit(simulated(400, 1), policy=POLICY, seed=1).scorecard


GOOD = {
    "open_items_minor": 100_000, "overdue_fraction": 0.0, "oldest_dpd_days": 0, "average_days_late": -3.0, "days_late_trend": -6.0,
    "utilisation_fraction": 0.2, "months_on_book": 150.0, "external_pd_fraction": 0.002, "external_age_days": 30.0,
    "tangible_net_worth_minor": 90_000_000, "net_worth_age_days": 200.0, "sales_12m_minor": 10_000_000, "limit_minor": 500_000,
    "open_item_count": 1, "cleared_count": 12, "altman_z2": 6.5, "altman_z2_trend": 0.5, "equity_ratio": 0.6, "interest_coverage": 9.0,
    "current_ratio": 2.0, "net_margin": 0.08, "statements_age_days": 200.0,
}  # fmt: skip
BAD = GOOD | {
    "overdue_fraction": 0.9, "oldest_dpd_days": 80, "average_days_late": 70.0, "days_late_trend": 30.0, "utilisation_fraction": 3.0,
    "months_on_book": 2.0, "external_pd_fraction": 0.3, "disputed_minor": 90_000, "tangible_net_worth_minor": -1,
}  # fmt: skip


def one(row, scorecard=EXPERT):
    return scoring.score(features([{"customer_id": "c1"} | row]), scorecard, POLICY).iloc[0]


def earned(result):
    return {name: int(points) for name, points in (part.split("=") for part in result["factor_points"].split("|"))}


def test_scale_agrees_with_the_published_vector():
    scale = Scale(base_points=600, base_odds=50.0, double_odds=20)
    assert scale.factor == pytest.approx(28.8539, abs=5e-5)
    assert scale.offset == pytest.approx(487.1229, abs=5e-5)
    assert scale.points(math.log(50)) == pytest.approx(600)
    assert scale.points(math.log(100)) == pytest.approx(620)


def test_a_good_customer_is_graded_best_and_a_bad_one_worst():
    assert one(GOOD)["grade"] == "A"
    assert one(BAD)["grade"] == "E"


def test_points_of_the_factors_add_up_to_the_score_and_the_score_to_the_probability():
    for row in (GOOD, BAD, {}):
        for card in (EXPERT, fitted()):
            result = one(row, card)
            assert sum(earned(result).values()) == result["points"]
            odds = math.exp((result["points"] - card.scale.offset) / card.scale.factor * card.slope - card.shift)
            assert result["pd_fraction"] == round(1 / (1 + odds), 6)
            assert result["grade"] == POLICY.grade_for(result["pd_fraction"])


def test_scores_have_the_columns_of_the_dataset_and_name_the_scorecard():
    result = scoring.score(features([{"customer_id": "c1"}]), EXPERT, POLICY)
    assert list(result.columns) == list(SCORES.names)
    assert [str(t) for t in result.dtypes] == [PANDAS[c.dtype] for c in SCORES.columns]
    assert result["scorecard"].iloc[0] == scoring.digest(EXPERT)


def test_an_empty_bucket_gives_an_empty_frame_of_the_same_shape():
    result = scoring.score(features([{"customer_id": "c1"}]).iloc[:0], EXPERT, POLICY)
    assert len(result) == 0
    assert list(result.columns) == list(SCORES.names)


def test_missing_values_earn_the_points_of_the_missing_bin_and_give_its_reason():
    nothing = one({"oldest_dpd_days": 0}, fitted())
    for factor in fitted().factors:
        if factor.name != "oldest_dpd_days":
            assert earned(nothing)[factor.name] == factor.missing.points
    assert "M04" in nothing["reason_codes"].split("|")


def test_an_external_report_older_than_policy_allows_counts_as_missing():
    fresh, stale = one(GOOD), one(GOOD | {"external_age_days": 541.0})
    assert earned(fresh)["external_pd_fraction"] == 18
    assert earned(stale)["external_pd_fraction"] == 0
    assert "M08" in stale["reason_codes"]


def test_reasons_are_the_up_to_four_factors_furthest_below_their_best():
    result = one(BAD)
    best = {f.name: max([b.points for b in f.bins] + [f.missing.points]) for f in EXPERT.factors}
    below = {f.reason: best[f.name] - earned(result)[f.name] for f in EXPERT.factors}
    codes = result["reason_codes"].split("|")
    assert len(codes) == 4
    assert [below[c] for c in codes] == sorted(below.values(), reverse=True)[:4]


def test_a_customer_at_its_best_in_everything_has_no_reason():
    assert one(GOOD)["reason_codes"] == ""


def test_every_reason_a_scorecard_can_give_has_words_in_the_one_table():
    for card in (EXPERT, fitted()):
        for factor in card.factors:
            assert scoring.REASONS[factor.reason] == factor.words
            assert scoring.REASONS[factor.missing.reason] == factor.missing.words
        assert scoring.REASONS[card.already.reason] == card.already.words
    for spec in scoring.FACTORS.values():
        assert {spec.reason, spec.missing_reason} <= set(scoring.REASONS)


@pytest.mark.parametrize("row", [{"status": "insolvent"}, {"status": "legal"}, {"oldest_dpd_days": 91, "dpd_over_90_minor": 50_000}])
@pytest.mark.parametrize("card", [lambda: EXPERT, fitted], ids=["expert", "fitted"])
def test_a_customer_to_whom_it_has_happened_already_gets_the_worst_grade_whatever_else_is_known(row, card):
    result = one(GOOD | row, card())
    assert result["pd_fraction"] >= 0.45
    assert result["grade"] == "E"
    assert result["reason_codes"].startswith("R20")


def test_small_old_remainders_and_ninety_days_sharp_are_not_yet_the_outcome():
    assert "R20" not in one(GOOD | {"oldest_dpd_days": 400, "dpd_over_90_minor": 49_999})["reason_codes"]
    assert "R20" not in one(GOOD | {"oldest_dpd_days": 90, "dpd_61_90_minor": 5_000_000})["reason_codes"]
    yen = {"currency": "JPY", "oldest_dpd_days": 91, "dpd_over_90_minor": 500}
    assert "R20" in one(GOOD | yen)["reason_codes"]


def test_the_line_beyond_which_it_has_happened_is_policys_own():
    card = scoring.expert(starter_policy(days_past_due=120))
    old = GOOD | {"dpd_over_90_minor": 5_000_000}
    assert "R20" not in one(old | {"oldest_dpd_days": 120}, card)["reason_codes"]
    assert "R20" in one(old | {"oldest_dpd_days": 121}, card)["reason_codes"]


def test_a_source_without_payment_history_makes_the_lateness_factors_not_available():
    lacking = scoring.not_available({"sales", "limits", "disputes", "statements", "remarks"})
    assert lacking == {"average_days_late": "no cleared items in source", "days_late_trend": "no cleared items in source"}
    card = scoring.expert(POLICY, not_available=lacking)
    result = one(GOOD | {"average_days_late": np.nan, "days_late_trend": np.nan}, card)
    assert dict(card.not_available) == lacking
    assert (earned(result)["average_days_late"], earned(result)["days_late_trend"]) == (0, 0)
    assert result["reason_codes"] == ""
    assert one(GOOD | {"average_days_late": np.nan, "days_late_trend": np.nan})["reason_codes"] == "M04|M05"


@settings(max_examples=settings().max_examples // 2, deadline=None)
@given(data=st.data())
def test_points_go_only_the_declared_way(data):
    card = data.draw(st.sampled_from([EXPERT, fitted()]))
    factor = data.draw(st.sampled_from([f for f in card.factors if f.name in FEATURES.names]))
    low, high = sorted(data.draw(st.tuples(st.integers(-500, 900), st.integers(-500, 900))))
    scale = 100 if factor.name.endswith("_fraction") else 1
    a, b = (one(GOOD | {factor.name: v / scale if factor.name != "oldest_dpd_days" else v}, card)["points"] for v in (low, high))
    assert a >= b if factor.direction == "higher_is_worse" else a <= b


@settings(max_examples=settings().max_examples // 5, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_the_order_of_rows_changes_no_byte(seed):
    rows = simulated(60, 3, cutoffs=(pd.Timestamp("2025-03-31"),))
    mixed = rows.sample(frac=1, random_state=seed)
    assert scoring.score(mixed, fitted(), POLICY).to_csv() == scoring.score(rows, fitted(), POLICY).to_csv()


def test_a_scorecard_dumped_and_loaded_scores_the_same():
    rows = simulated(200, 4, cutoffs=(pd.Timestamp("2025-03-31"),))
    for card in (EXPERT, fitted()):
        again = scoring.load(scoring.dump(card))
        assert again == card
        assert scoring.digest(again) == scoring.digest(card)
        pd.testing.assert_frame_equal(scoring.score(rows, again, POLICY), scoring.score(rows, card, POLICY))


def test_a_customer_scores_the_same_alone_as_among_many():
    rows = simulated(150, 5, cutoffs=(pd.Timestamp("2025-03-31"),))
    many = scoring.score(rows, fitted(), POLICY)
    alone = pd.concat([scoring.score(rows.iloc[[i]], fitted(), POLICY) for i in range(0, 150, 10)], ignore_index=True)
    pd.testing.assert_frame_equal(alone, many.iloc[::10].reset_index(drop=True))


def test_a_customer_that_stands_twice_is_refused_by_name():
    with pytest.raises(BadInput, match="customer c1 stands twice"):
        scoring.score(features([{"customer_id": "c1"}, {"customer_id": "c1"}]), EXPERT, POLICY)


def test_a_missing_column_is_refused_by_name():
    with pytest.raises(BadInput, match="'average_days_late'"):
        scoring.score(features([{"customer_id": "c1"}]).drop(columns="average_days_late"), EXPERT, POLICY)


def test_scoring_does_not_load_scikit_learn():
    code = "import sys; from credit_review.scoring import score; sys.exit('sklearn' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_scorecard_files_and_reason_words_need_no_pandas():
    code = "import sys; from credit_review.scoring import REASONS, load; sys.exit('pandas' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_material_amount_is_kept_as_policy_states_it():
    assert Decimal(EXPERT.already.material_amount) == POLICY.outcome.material_amount
