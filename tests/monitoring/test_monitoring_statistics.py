"""Statistics of monitoring against textbooks and by simulation: what they say when something is wrong, and how seldom when nothing is."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from credit_review.monitoring import calibration, drift, migration, overrides, ranking, rates, vintages
from credit_review.monitoring.overrides import Hindsight, Override
from credit_review.monitoring.vintages import Verdict

FEW = settings(max_examples=60)


def probabilities(of, seed, low=0.002, high=0.4):
    return np.random.default_rng(seed).uniform(low, high, of)


def drawn(p, seed):
    return (np.random.default_rng(seed).random(len(p)) < p).astype(np.int64)


# --- rates --------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bad", "of", "low", "high"),
    [
        (0, 10, 0.0, 0.3085),  # 1 - 0.025^(1/10)
        (10, 10, 0.6915, 1.0),
        (1, 20, 0.0013, 0.2487),  # tables of Diem and Lentner, Documenta Geigy
        (81, 263, 0.2527, 0.3676),  # Newcombe, Statistics in Medicine 17 (1998), table I, method 5
        (15, 148, 0.0578, 0.1617),
        (0, 20, 0.0, 0.1684),
        (1, 29, 0.0009, 0.1776),
    ],
)
def test_a_rate_has_the_interval_of_the_textbooks(bad, of, low, high):
    found = rates.rate(bad, of)
    assert (found.low, found.high) == (pytest.approx(low, abs=1e-4), pytest.approx(high, abs=1e-4))


def test_a_rate_of_nothing_is_no_rate_and_excludes_nothing():
    found = rates.rate(0, 0)
    assert found.rate is None and (found.low, found.high) == (0, 1) and found.holds(0.5)


@FEW
@given(st.integers(1, 400).flatmap(lambda of: st.tuples(st.integers(0, of), st.just(of))))
def test_the_interval_holds_jeffreys_and_agrees_with_the_exact_test(case):
    bad, of = case
    found = rates.rate(bad, of)
    low, high = stats.beta.ppf([0.025, 0.975], bad + 0.5, of - bad + 0.5)
    assert found.low <= low and found.high >= high
    for expected in (0.01, 0.05, 0.2, 0.5):
        outside = min(rates.too_many(bad, of, expected), rates.too_few(bad, of, expected)) < 0.025 - 1e-9
        assert outside == (not found.holds(expected))


def test_the_interval_covers_the_true_rate_at_least_as_often_as_it_says():
    for of in (15, 60, 240):
        ends = [rates.rate(bad, of) for bad in range(of + 1)]
        for true in (0.004, 0.02, 0.07, 0.3):
            weights = stats.binom.pmf(np.arange(of + 1), of, true)
            assert sum(w for w, one in zip(weights, ends, strict=True) if one.holds(true)) >= 0.95


def test_a_family_of_tests_is_judged_by_holm():
    assert rates.holm([0.01, 0.04, 0.03, 0.005]) == [True, False, False, True]  # Holm 1979: 0.05/4, /3, then 0.03 > 0.05/2
    assert rates.holm([]) == []


# --- ranking ------------------------------------------------------------------------------------------------------------------------


def delong(outcome, risk):
    """Variance of the AUC by DeLong, DeLong and Clarke-Pearson, Biometrics 44 (1988): independent of the bootstrap under test."""
    bad, good = risk[outcome == 1], risk[outcome == 0]
    wins = (bad[:, None] > good[None, :]) + 0.5 * (bad[:, None] == good[None, :])
    return wins.mean(), np.sqrt(wins.mean(axis=1).var(ddof=1) / len(bad) + wins.mean(axis=0).var(ddof=1) / len(good))


def test_the_interval_of_the_auc_is_delongs_where_every_customer_is_its_own_group():
    p = probabilities(600, 3)
    outcome = drawn(p, 4)
    found = ranking.ranking(outcome, p, np.arange(600).astype(str), seed=1)
    auc, error = delong(outcome, p)
    assert found.auc == pytest.approx(auc, abs=1e-4)
    assert (found.high - found.low) / 2 == pytest.approx(1.96 * error, rel=0.08)
    assert found.gini() == (2 * found.auc - 1, 2 * found.low - 1, 2 * found.high - 1)


def test_the_standard_error_is_that_of_hanley_and_mcneil():
    assert ranking.standard_error(0.893, 51, 58) == pytest.approx(0.0322, abs=5e-4)  # their example: 0.893 +- 0.032


def test_too_few_outcomes_are_said_with_the_number_needed():
    p = probabilities(300, 5, 0.001, 0.05)
    outcome = np.zeros(300, dtype=np.int64)
    outcome[np.argsort(-p)[:4]] = 1
    found = ranking.ranking(outcome, p, np.arange(300).astype(str), seed=1)
    assert found.auc is None and found.gini() is None and not found.enough and found.bad == 4
    assert 20 <= found.needed <= 40
    assert 1.96 * ranking.standard_error(0.75, found.needed, found.needed * 74) <= ranking.WITHIN
    assert 1.96 * ranking.standard_error(0.75, found.needed - 1, (found.needed - 1) * 74) > ranking.WITHIN


def test_scores_that_rank_like_chance_are_seen_and_others_are_not():
    p = probabilities(800, 6)
    outcome = drawn(p, 7)
    groups = np.arange(800).astype(str)
    assert not ranking.ranking(outcome, p, groups, seed=1).no_better_than_chance
    assert ranking.ranking(outcome, np.random.default_rng(1).permutation(p), groups, seed=1).no_better_than_chance


# --- calibration --------------------------------------------------------------------------------------------------------------------


@FEW
@given(st.integers(0, 10**6), st.integers(2, 300))
def test_the_parts_of_the_brier_score_add_up_to_it(seed, of):
    p = np.random.default_rng(seed).random(of).round(2)
    found = calibration.brier(drawn(p, seed + 1), p)
    assert found.score == pytest.approx(found.reliability - found.resolution + found.uncertainty + found.within, abs=1e-12)
    assert min(found.reliability, found.resolution, found.uncertainty) >= 0


def test_equal_forecasts_have_murphys_three_parts_and_nothing_within():
    """Murphy 1973: with few distinct forecasts, each a bin of its own, the score is reliability - resolution + uncertainty."""
    p = np.repeat([0.1, 0.6], [10, 10])
    y = np.r_[np.repeat([1, 0], [2, 8]), np.repeat([1, 0], [5, 5])]
    found = calibration.brier(y, p)
    assert found.within == pytest.approx(0, abs=1e-15)
    assert found.reliability == pytest.approx((0.1**2 + 0.1**2) / 2) and found.resolution == pytest.approx(0.15**2)
    assert found.uncertainty == pytest.approx(0.35 * 0.65) and found.score == pytest.approx(0.215)


def test_the_calibration_error_is_the_mean_distance_between_said_and_found():
    p = np.repeat([0.1, 0.3], [100, 100])
    y = np.r_[np.repeat([1, 0], [20, 80]), np.repeat([1, 0], [30, 70])]
    assert calibration.expected_error(y, p) == pytest.approx(0.05)


@FEW
@given(st.integers(0, 10**6))
def test_the_calibration_error_lies_between_the_overall_difference_and_one(seed):
    p = probabilities(200, seed)
    y = drawn(p, seed + 1)
    assert abs(p.mean() - y.mean()) - 1e-12 <= calibration.expected_error(y, p) <= 1


def test_what_a_calibrated_card_shows_by_chance_is_stated():
    p = probabilities(400, 8, 0.01, 0.2)
    limit = calibration.error_by_chance(p, seed=1)
    errors = [calibration.expected_error(drawn(p, seed), p) for seed in range(400)]
    assert np.mean(np.array(errors) <= limit) == pytest.approx(0.95, abs=0.03)
    assert limit == calibration.error_by_chance(p, seed=1)


def test_spiegelhalters_statistic_is_near_normal_and_finds_probabilities_that_are_too_low():
    p = probabilities(500, 9)
    chances = np.array([calibration.spiegelhalter(drawn(p, seed), p, seed=1)[1] for seed in range(500)])
    assert np.mean(chances < 0.05) < 0.08
    z, chance, by_draws = calibration.spiegelhalter(drawn(np.minimum(p * 1.5, 1), 3), p, seed=1)
    assert z > 2 and chance < 0.05 and not by_draws


def test_few_expected_outcomes_are_judged_by_drawing_and_never_by_the_normal_curve():
    p = np.full(100, 0.01)
    y = np.zeros(100, dtype=np.int64)
    y[:3] = 1
    _, chance, by_draws = calibration.spiegelhalter(y, p, seed=2)
    assert by_draws and chance == pytest.approx(stats.binom.sf(2, 100, 0.01), abs=0.02)
    assert calibration.spiegelhalter(np.zeros(5), np.zeros(5), seed=1) == (0.0, 1.0, False)


def test_a_curve_has_a_rate_with_its_interval_for_every_grade_that_has_customers():
    p, grade = np.r_[np.full(50, 0.02), np.full(50, 0.2)], np.repeat(["A", "C"], 50)
    y = np.zeros(100, dtype=np.int64)
    y[50:80] = 1
    good, poor = calibration.curve(y, p, grade, ["A", "B", "C"])
    assert (good.grade, good.found.bad, good.fits) == ("A", 0, True)
    assert (poor.grade, poor.found.bad, poor.fits) == ("C", 30, False)


# --- drift --------------------------------------------------------------------------------------------------------------------------

TABLE = [(200, 200), (300, 300), (500, 500), (1000, 1000), (5000, 300), (5000, 100)]
"""Books of the simulated table of reference formulas 3.6."""


def false_alarms(n, m, runs, seed):
    """Shares of looks at books without drift: alarms, and beyond the first folk limit."""
    rng = np.random.default_rng(seed)
    found = [drift.score_drift(rng.normal(size=n), rng.normal(size=m)) for _ in range(runs)]
    return np.mean([one.alarms for one in found]), np.mean([one.psi > drift.FOLK[0] for one in found])


@pytest.mark.parametrize(("n", "m"), TABLE)
def test_no_drift_alarms_seldom_whatever_the_size_of_the_book(n, m):
    assert false_alarms(n, m, 200, n + m)[0] <= 0.085  # 5% and two standard errors of 200 looks


@pytest.mark.soak
@pytest.mark.parametrize(("n", "m"), TABLE)
def test_no_drift_alarms_in_at_most_a_twentieth_of_many_looks(n, m):
    assert false_alarms(n, m, 8_000, n + m)[0] < 0.05


@pytest.mark.parametrize(
    ("n", "m", "bins", "p95", "folk"), [(200, 200, 10, 0.168, 0.34), (300, 300, 5, 0.062, 0.003), (300, 300, 10, 0.112, 0.09)]
)
def test_the_index_under_no_drift_is_that_of_the_reference_table(n, m, bins, p95, folk):
    rng = np.random.default_rng(1)
    found = [
        drift.drift("x", rng.multinomial(n, np.full(bins, 1 / bins)), rng.multinomial(m, np.full(bins, 1 / bins))) for _ in range(1500)
    ]
    psi = np.array([one.psi for one in found])
    assert np.quantile(psi, 0.95) == pytest.approx(p95, rel=0.08) and np.mean(psi > 0.1) == pytest.approx(folk, abs=0.05)
    assert np.mean([one.alarms for one in found]) < 0.075


def test_a_planted_drift_is_found():
    rng = np.random.default_rng(2)
    for n, m, moved in ((300, 300, 0.5), (1000, 1000, 0.25), (5000, 300, 0.4)):
        found = [drift.score_drift(rng.normal(size=n), rng.normal(moved, size=m)).alarms for _ in range(40)]
        assert np.mean(found) > 0.9, (n, m)


@FEW
@given(st.lists(st.tuples(st.integers(0, 80), st.integers(0, 80)), min_size=1, max_size=9))
def test_pooling_loses_no_customer_and_leaves_no_sparse_bin(counts):
    before, now = (np.array(side) for side in zip(*counts, strict=True))
    old, new = drift.pooled(before, now)
    assert (old.sum(), new.sum()) == (before.sum(), now.sum())
    n, m = before.sum(), now.sum()
    if min(n, m) and len(old) > 1:
        assert min((old + new) * min(n, m) / (n + m)) >= drift.LEAST_EXPECTED


@FEW
@given(st.lists(st.integers(10, 200), min_size=2, max_size=8))
def test_the_same_book_twice_has_no_drift(counts):
    found = drift.drift("x", counts, counts)
    assert found.psi == pytest.approx(0, abs=1e-12) and not found.alarms


def test_one_bin_or_an_empty_book_says_nothing():
    assert not drift.drift("x", [3], [500]).alarms and not drift.drift("x", [0, 0], [5, 5]).alarms


# --- migration ----------------------------------------------------------------------------------------------------------------------

GRADES = ("A", "B", "C", "D", "E")
moves = st.lists(st.tuples(st.sampled_from(GRADES), st.sampled_from(GRADES)), max_size=200)


@FEW
@given(moves)
def test_a_matrix_is_one_of_chances_and_lies_between_what_was_counted_and_its_prior(pairs):
    found = migration.migration([a for a, _ in pairs], [b for _, b in pairs], GRADES)
    assert np.allclose(found.share.sum(axis=1), 1) and (found.share > 0).all() and found.counts.sum() == len(pairs)
    assert ((found.low <= found.share + 1e-9) | (found.share < 0.02)).all() and (found.high >= found.share - 1e-9).all()
    rows = found.counts.sum(axis=1, keepdims=True)
    seen = np.where(rows > 0, found.counts / np.maximum(rows, 1), found.prior)
    assert ((found.share >= np.minimum(seen, found.prior) - 1e-12) & (found.share <= np.maximum(seen, found.prior) + 1e-12)).all()


def test_three_customers_are_no_law_and_three_thousand_are():
    few = migration.migration(["A"] * 3, ["E"] * 3, GRADES)
    many = migration.migration(["A"] * 3000, ["E"] * 3000, GRADES)
    stays = migration.migration(["B"] * 500 + ["A"] * 3, ["B"] * 500 + ["E"] * 3, GRADES)
    assert stays.share[0, 4] < 0.3 and stays.share[0, 0] > 0.6, "the neighbours' customers stayed"
    assert few.high[0, 4] - few.low[0, 4] > 0.1 and many.share[0, 4] > 0.99


def test_a_grade_without_customers_has_its_prior_and_a_wide_interval():
    found = migration.migration(["B"] * 200, ["B"] * 190 + ["C"] * 10, GRADES)
    assert found.share[0] == pytest.approx(found.prior[0]) and found.share[0, 0] > 0.85
    assert found.high[0, 1] - found.low[0, 1] > found.high[1, 2] - found.low[1, 2]


# --- vintages -----------------------------------------------------------------------------------------------------------------------


def seen(p, outcome, quarters=4, whole=True, grade="C", day="2025-09-30"):
    fields = {"as_of": pd.Timestamp(day), "quarters": quarters, "whole": whole, "grade": grade}
    return pd.DataFrame({"pd_fraction": p, "outcome": outcome}).assign(**fields)


def test_probabilities_that_are_too_low_or_too_high_are_found_and_right_ones_are_not():
    p = np.full(400, 0.05)
    for planted, verdict in ((0.12, Verdict.TOO_LOW), (0.05, Verdict.FITS), (0.005, Verdict.TOO_HIGH)):
        overall, one = vintages.back_test(seen(p, drawn(np.full(400, planted), 5)), GRADES)
        assert (overall.verdict, one.verdict, one.grade, overall.grade) == (verdict, verdict, "C", vintages.ALL)


def test_before_the_window_is_over_only_too_low_can_be_told():
    p = np.full(400, 0.05)
    quiet = vintages.back_test(seen(p, np.zeros(400, dtype=int), quarters=2, whole=False), GRADES)
    assert {c.verdict for c in quiet} == {Verdict.EARLY}
    loud = vintages.back_test(seen(p, drawn(np.full(400, 0.15), 5), quarters=2, whole=False), GRADES)
    assert {c.verdict for c in loud} == {Verdict.TOO_LOW}


def back_tests(runs, seed):
    rng = np.random.default_rng(seed)
    alarms = 0
    for _ in range(runs):
        parts = []
        for day in ("2025-06-30", "2025-09-30", "2025-12-31"):
            for grade, high in zip(GRADES, (0.01, 0.03, 0.08, 0.2, 0.6), strict=True):
                p = rng.uniform(high / 3, high, 40)
                parts.append(seen(p, (rng.random(40) < p).astype(int), grade=grade, day=day))
        alarms += any(c.verdict in (Verdict.TOO_LOW, Verdict.TOO_HIGH) for c in vintages.back_test(pd.concat(parts), GRADES))
    return alarms / runs


def test_right_probabilities_are_hardly_ever_called_wrong_over_all_cells_together():
    assert back_tests(8, 1) == 0


@pytest.mark.soak
def test_right_probabilities_are_called_wrong_in_at_most_a_twentieth_of_many_reports():
    assert back_tests(1_000, 1) <= 0.05


# --- overrides ----------------------------------------------------------------------------------------------------------------------

DAY = date(2026, 3, 31)


def test_an_override_is_scored_beside_the_engine_and_beside_customers_left_alone():
    made = [
        Override(
            person_id="p", role="analyst", customer_id=f"c{n}", as_of=DAY, grade="C", before_minor=100, after_minor=200 if n < 8 else 50
        )
        for n in range(12)
    ]
    known = {(f"c{n}", DAY, 2): Hindsight("D", late=n < 4) for n in range(10)}
    said = {(f"c{n}", DAY): 0.05 for n in range(12)}
    found = {
        (one.up, one.quarters): one
        for one in overrides.scored(made, known, GRADES, said=said, left_alone={(DAY, 2, "C"): (3, 60), (DAY, 2, "A"): (0, 99)})
    }
    up = found[True, 2]
    assert (up.made, up.late.bad, up.late.of, up.engine) == (8, 4, 8, pytest.approx(0.05)) and not up.late.holds(up.engine)
    assert (up.left_alone.bad, up.left_alone.of) == (3, 60) and up.became == {"better": 0, "same": 0, "worse": 8}
    assert found[True, 4].late.of == 0 and found[True, 4].engine is None and found[False, 2].late.of == 2
