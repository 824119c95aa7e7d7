"""The comparison: agreement of grades, money in control currency, who is right where it is known; the page says it in both languages."""

import re
from datetime import date

import numpy as np
import pandas as pd
import pytest
from boosted import fitted
from scoring_rows import features, frame, starter_policy

from credit_review import fx, report
from credit_review.challenger import card, figures
from credit_review.challenger.comparison import compared, known_outcomes, scores_by, shadow
from credit_review.model.frames import PROPOSALS, SCORES
from credit_review.scoring import experts
from credit_review.words import words_for

POLICY = starter_policy()
QUICK = 80
"""Replicates of an interval here."""
CARD = experts.expert(POLICY, why="test")
RATES = fx.RateTable.from_rows([(date(2026, 9, 30), "USD", "EUR", "0.5", "test")])
AS_OF = date(2026, 9, 30)
A, B, C = POLICY.grade_names[:3]


def scores(**grade_and_risk):
    rows = [{"customer_id": c, "grade": g, "pd_fraction": p, "points": 600} for c, (g, p) in grade_and_risk.items()]
    return frame(SCORES, rows)


def result(**grade_and_risk):
    rows = [{"customer_id": c, "pd_fraction": p, "grade": g, "set_aside": False} for c, (g, p) in grade_and_risk.items()]
    return pd.DataFrame(rows)


def proposals(**limits):
    usual = {"state": "reviewed", "currency": "EUR"}
    return frame(PROPOSALS, [usual | {"customer_id": c, "from_minor": a, "to_minor": b, "currency": k} for c, (a, b, k) in limits.items()])


@pytest.fixture(autouse=True)
def few_replicates(monkeypatch):
    monkeypatch.setattr(figures, "REPLICATES", QUICK)


@pytest.fixture(scope="module")
def found():
    return compared(
        scores(a=(A, 0.01), b=(B, 0.02), c=(C, 0.05), d=(A, 0.01)),
        result(a=(A, 0.012), b=(C, 0.06), c=(A, 0.01), d=(B, 0.02)),
        proposals(a=(1000_00, 1500_00, "EUR"), b=(1000_00, 1000_00, "EUR"), c=(1000_00, 800_00, "USD"), d=(None, 100_00, "EUR")),
        proposals(a=(1000_00, 1500_00, "EUR"), b=(1000_00, 500_00, "EUR"), c=(1000_00, 1200_00, "USD"), d=(None, 100_00, "EUR")),
        policy=POLICY,
        rates=RATES,
        as_of=AS_OF,
        why_unknown="the outcome window of this review ends on 2027-09-30",
    )


def test_grades_are_held_against_each_other(found):
    assert found.grades == (A, B, C)
    assert found.counts == ((1, 1, 0), (0, 0, 1), (1, 0, 0))
    assert (found.customers, found.same, found.one_apart) == (4, 1, 2)
    assert found.kappa < 0.2


def test_movers_stand_by_id_with_grades_and_limits_largest_difference_first(found):
    assert found.movers["customer_id"].tolist() == ["b", "c", "d"]
    assert found.movers["difference_control_minor"].tolist() == [-500_00, 200_00, 0]
    assert "customer_name" not in found.movers.columns


def test_money_is_converted_into_control_currency_each_limit_once(found):
    money = found.money
    assert (money.currency, money.in_force) == ("EUR", 2500_00)
    assert (money.scorecard_up, money.scorecard_down, money.scorecard) == (600_00, -100_00, 3000_00)
    assert (money.challenger_up, money.challenger_down, money.challenger) == (700_00, -500_00, 2700_00)
    assert (money.higher, money.lower) == (200_00, -500_00)


def test_only_probability_and_grade_of_the_scores_change():
    own = scores(a=(A, 0.01), b=(B, 0.02))
    changed = scores_by(own, result(b=(C, 0.5), a=(A, 0.001)))
    assert changed["grade"].tolist() == [A, C] and changed["pd_fraction"].tolist() == [0.001, 0.5]
    same = [name for name in SCORES.names if name not in ("grade", "pd_fraction")]
    pd.testing.assert_frame_equal(changed[same], own[same])


def test_a_customer_to_whom_it_has_happened_keeps_the_scorecards_figures():
    late = {"oldest_dpd_days": 200, "dpd_over_90_minor": 10**9, "open_items_minor": 10**9}
    rows = features([{"customer_id": "a"}, {"customer_id": "b"} | late])
    found = shadow(rows, scores(a=(A, 0.01), b=(C, 0.9)), np.array([0.2, 0.001]), CARD, POLICY)
    assert found["set_aside"].tolist() == [False, True]
    assert found["pd_fraction"].tolist() == [0.2, 0.9]
    assert found["grade"].tolist() == [POLICY.grade_for(0.2), C]


def outcomes(count, seed=4):
    rng = np.random.default_rng(seed)
    risk = rng.uniform(0.01, 0.4, count)
    names = [f"c{n:04d}" for n in range(count)]
    outcome = pd.DataFrame({"customer_id": names, "outcome": (rng.random(count) < risk).astype(int), "cause": "", "left_out": ""})
    own = scores(**{c: (A, 0.2) for c in names})
    return own, result(**dict(zip(names, ((A, p) for p in risk), strict=True))), outcome, pd.Series(names, index=names)


def test_where_outcomes_are_known_both_are_measured_with_intervals_on_the_same_customers():
    own, other, outcome, groups = outcomes(300)
    outcome.loc[0, "left_out"] = "class is not reviewed for credit"
    known = known_outcomes(own, other, outcome, groups, until=AS_OF, seed=1)
    assert known.customers == 299 and known.bad == outcome["outcome"][1:].sum()
    auc, brier, error = known.measures
    assert auc.scorecard.value == 0.5
    assert auc.difference.low > 0 and auc.challenger.low < auc.challenger.value < auc.challenger.high
    assert brier.challenger.value < brier.scorecard.value
    assert error.challenger.value < 0.1
    again = known_outcomes(own, other, outcome, groups, until=AS_OF, seed=1)
    assert again == known


def test_too_few_outcomes_are_said_to_be_too_few():
    known = known_outcomes(*outcomes(8), until=AS_OF, seed=1)
    assert known.measures == ()


def facts():
    return report.ChallengerFacts(
        company="Example", review_id="r1", label="2026Q3", as_of=AS_OF, day=date(2027, 10, 1), challenger=fitted().card,
        digest=card.digest(card.dump(fitted().card)), scorecard=CARD, scorecard_digest="0" * 64,
    )  # fmt: skip


def test_the_page_says_it_in_both_languages_needs_no_network_and_is_the_same_each_time(found):
    readers = [words_for(language="en"), words_for(language="zh_CN")]
    english, chinese = report.challenger_pages(found, readers, facts=facts())
    assert "it decides nothing, and no proposal of this review depends on it" in english
    assert "Of 4 customers 1 have the same grade by both and 2 one apart; 3 would get another grade or limit." in english
    assert "The outcome window of this review ends on" not in english and "ends on 30 Sep" not in english
    assert "Under the same policy its limits come to 2,700 EUR, the scorecard&#39;s to 3,000 EUR: 200 EUR more" in english
    assert "决定" in chinese and "Under the same policy" not in chinese
    assert not re.search(r"(?:src|href)=[\"']https?:|<script|@import", english)
    assert [english, chinese] == report.challenger_pages(found, readers, facts=facts())


def test_the_page_says_who_ranked_better_where_outcomes_are_known(found):
    from dataclasses import replace

    known = known_outcomes(*outcomes(300), until=AS_OF, seed=1)
    page = report.challenger_pages(replace(found, known=known, why_unknown=""), [words_for(language="en")], facts=facts())[0]
    assert "The challenger ranked better by what came true: AUC +0." in page
    assert "calibration error (lower is better)" in page and "<svg" in page
    few = replace(found, known=known_outcomes(*outcomes(8), until=AS_OF, seed=1), why_unknown="")
    page = report.challenger_pages(few, [words_for(language="en")], facts=facts())[0]
    assert "Too few outcomes to say which ranks better" in page and "Too few outcomes to measure anything" in page
