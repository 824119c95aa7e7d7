"""All of monitoring on generated histories of reviews: what it says, what it waits for, and what alarms."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from credit_review import documents, scoring
from credit_review import policy as policies
from credit_review.controls.alarm import Severity
from credit_review.monitoring.book import DRIFT, MISCALIBRATED, PAST_DATE, RANKS_BADLY, Past, left_alone, monitor, plain
from credit_review.monitoring.drift import drift
from credit_review.monitoring.overrides import Hindsight, Override
from credit_review.report import monitoring_pages, monitoring_summary
from credit_review.words import ENGLISH, words_for

POLICY = policies.load(documents.parse((Path(__file__).parents[2] / "deployments/starter/policy.yaml").read_text(), name="policy.yaml"))
CARD = scoring.expert(POLICY)
DIGEST = scoring.digest(CARD)
GRADES = POLICY.grade_names
QUARTERS = (date(2025, 3, 31), date(2025, 6, 30), date(2025, 9, 30), date(2025, 12, 31), date(2026, 3, 31))


@cache
def said(points):
    p = CARD.probability(points)
    return p, POLICY.grade_for(p)


@cache
def history(days, of=400, seed=1, moved=0.0, worse=1.0, known=True):
    """A book of customers whose points wander a little from review to review, moved in the last one; outcomes by their probabilities."""
    rng = np.random.default_rng(seed)
    base = rng.normal(560, 25, of)
    parts, outcomes = [], []
    for at, day in enumerate(days):
        points = np.round(base + rng.normal(0, 8, of) - (moved if at == len(days) - 1 else 0)).astype(np.int64)
        p = np.array([said(int(one))[0] for one in points])
        ids = [f"c{i:04d}" for i in range(of)]
        fields = {"as_of": pd.Timestamp(day).as_unit("s"), "customer_id": ids, "group_id": ids, "scorecard": DIGEST, "points": points}
        grades = [said(int(one))[1] for one in points]
        parts.append(pd.DataFrame({**fields, "pd_fraction": p, "grade": grades, "late": rng.random(of) < p}))
        draw = rng.random(of)
        for months in (6, 12):
            if known and (days[-1].year - day.year) * 12 + days[-1].month - day.month >= months:
                bad = draw < np.minimum(p * worse * months / 12, 1)
                looked = {"as_of": pd.Timestamp(day).as_unit("s"), "quarters": months // 3, "whole": months == 12, "customer_id": ids}
                outcomes.append(pd.DataFrame({**looked, "outcome": bad.astype(np.int64)}))
    typed = {"as_of": "datetime64[s]", "quarters": "int64", "whole": "bool", "customer_id": "str", "outcome": "int64"}
    nothing = pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in typed.items()})
    return Past(
        card=CARD, digest=DIGEST, grades=GRADES, window_months=12, seed=1, today=date(2026, 4, 12),
        scores=pd.concat(parts, ignore_index=True), outcomes=pd.concat(outcomes, ignore_index=True) if outcomes else nothing,
    )  # fmt: skip


def alarms(past):
    return {one.control for one in monitor(past).alarms}


def test_one_review_says_how_many_quarters_each_part_waits_and_shows_no_zero():
    found = monitor(history(QUARTERS[:1]))
    assert dict(found.waits) == {"drift": 1, "migration": 1, "back_test": 2, "calibration": 4}
    assert found.score_drift is None and found.migration is None and found.measures is None and found.cells == () and found.alarms == ()
    told = monitoring_summary(found)
    assert "back-test by review: needs 2 more quarters" in told and "drift of the score: needs 1 more quarter" in told


def test_a_year_of_right_probabilities_says_everything_and_alarms_nothing():
    found = monitor(history(QUARTERS))
    assert dict(found.waits) == {} and found.alarms == ()
    assert found.judged == QUARTERS[0] and found.judged_card == DIGEST and found.measures.customers == 400
    assert found.migration.pairs == 4 and found.migration.counts.sum() == 1600
    assert {(c.as_of, c.quarters) for c in found.cells} == {(QUARTERS[0], 2), (QUARTERS[0], 4), (QUARTERS[1], 2), (QUARTERS[2], 2)}
    assert monitor(history(QUARTERS)).measures == found.measures, "the same past says the same"


def test_planted_faults_alarm_each_under_its_name_and_once():
    assert alarms(history(QUARTERS, moved=12)) == {DRIFT}
    assert alarms(history(QUARTERS, worse=2.5)) == {MISCALIBRATED}
    past = history(QUARTERS)
    rng = np.random.default_rng(5)
    shuffled = past.outcomes.assign(outcome=rng.permutation(past.outcomes["outcome"].to_numpy()))
    assert RANKS_BADLY in alarms(replace(past, outcomes=shuffled))
    expired = replace(past, card=CARD.model_copy(update={"valid_to": date(2026, 4, 1)}))
    assert alarms(expired) == {PAST_DATE}
    twice = [monitor(history(QUARTERS, moved=12)).alarms for _ in range(2)]
    assert [a.key for a in twice[0]] == [a.key for a in twice[1]]


def test_too_low_is_grave_and_too_high_is_not():
    low = [a.severity for a in monitor(history(QUARTERS, worse=2.5)).alarms]
    high = [a.severity for a in monitor(history(QUARTERS, of=1500, worse=0.2)).alarms]
    assert set(low) == {Severity.HIGH} and set(high) == {Severity.LOW}


def test_few_outcomes_are_said_with_the_number_needed():
    told = monitoring_summary(monitor(history(QUARTERS, of=60)))
    (line,) = [one for one in told if one.startswith("Too few outcomes to validate")]
    assert "about" in line and "either way" in line


def test_a_source_without_cleared_items_says_so_instead_of_waiting():
    why = "the source states no cleared items, so what became of customers is not known"
    past = replace(history(QUARTERS, known=False), no_outcomes=why)
    found = monitor(past)
    assert "calibration" not in found.waits and "back_test" not in found.waits
    assert any(line.startswith("Nothing is said of outcomes: the source states no cleared items") for line in monitoring_summary(found))


def test_another_card_is_no_drift_and_no_migration():
    past = history(QUARTERS[:2])
    other = past.scores.assign(scorecard=["other"] * 400 + [DIGEST] * 400)
    found = monitor(replace(past, scores=other))
    assert found.score_drift is None and found.migration is None and found.waits["drift"] == found.waits["migration"] == 1


def test_factors_share_their_alarms_and_are_held_against_what_the_card_was_fitted_on():
    name = CARD.factors[0].name
    same = np.array([100, 80, 60, 40, 20, 10])
    drifted = replace(history(QUARTERS), factors={name: same[::-1]}, first_factors={name: same})
    found = monitor(drifted)
    assert [(one.what, one.alarms) for one in found.factor_drift] == [(name, True)]
    assert monitor(replace(drifted, factors={name: same})).alarms == ()
    counted = [b.model_copy(update={"rows": int(n), "bad": 0}) for b, n in zip(CARD.factors[0].bins, same, strict=False)]
    missing = CARD.factors[0].missing.model_copy(update={"rows": 10, "bad": 0})
    factor = CARD.factors[0].model_copy(update={"bins": tuple(counted), "missing": missing})
    trained = scoring.scorecard.TrainedOn(cutoffs=("2024-12-31", "2025-03-31"), rows=310, customers=155, bad=20)
    fitted = CARD.model_copy(update={"factors": (factor, *CARD.factors[1:]), "trained_on": trained})
    (one,) = monitor(replace(drifted, card=fitted, factors={name: same}, first_factors={})).factor_drift
    assert one.before == one.now and one.psi < 0.001
    assert one.limit == pytest.approx(drift(name, same, same, weight=0.5).limit), "rows of two cut-offs count as half a customer each"
    assert one.limit > 1.3 * drift(name, same, same).limit


def test_overrides_stand_beside_customers_of_the_same_grade_that_were_left_alone():
    past = history(QUARTERS)
    then = past.scores[past.scores["as_of"] == pd.Timestamp(QUARTERS[0])]
    mine = then[then["grade"] == "C"]["customer_id"].tolist()[:5]
    made = tuple(
        Override(person_id="p-1", role="analyst", customer_id=c, as_of=QUARTERS[0], grade="C", before_minor=100_00, after_minor=200_00,
                 currency="EUR", reason="season")
        for c in mine
    )  # fmt: skip
    past = replace(past, overrides=made, hindsight={(c, QUARTERS[0], 2): Hindsight("C", late=True) for c in mine})
    beside = left_alone(past)
    assert beside[QUARTERS[0], 2, "C"][1] == (then["grade"] == "C").sum() - 5
    found = monitor(past)
    up = next(one for one in found.scored if one.up and one.quarters == 2)
    assert (up.made, up.late.bad, up.late.of) == (5, 5, 5) and up.engine < 0.08 and up.left_alone.of > 20
    assert found.waits["overrides_4"] == 1
    page = monitoring_pages(found, [ENGLISH], company="Example")[0]
    assert "season" in page and "p-1" in page and "100.00 EUR" in page and "grade C, late" in page


def test_figures_for_scripts_are_plain_json_without_names():
    found = json.loads(json.dumps(plain(monitor(history(QUARTERS, moved=12))), default=str))
    assert found["scorecard"] == DIGEST and found["score_drift"]["alarms"] is True
    assert len(found["back_test"]) == len(monitor(history(QUARTERS)).cells)
    assert found["migration"]["grades"] == list(GRADES) and found["ranking"]["gini"][0] > 0.2 and found["alarms"][0]["key"]
    assert found["measures"]["brier"]["score"] < 0.2 and found["reviews"][0] == "2025-03-31"


@pytest.fixture(scope="module")
def pages():
    return monitoring_pages(monitor(history(QUARTERS, moved=12)), [ENGLISH, words_for(language="zh_CN")], company="Example & Co")


def test_the_page_needs_no_network_and_escapes_what_others_wrote(pages):
    english = pages[0]
    assert (
        "<script" not in english
        and "http://" not in english
        and "https://" not in english
        and "Example &amp; Co" in english
        and english.count("<svg") == 3
    )
    again = monitoring_pages(monitor(history(QUARTERS, moved=12)), [ENGLISH], company="Example & Co")
    assert again[0].split("<main>")[1] == english.split("<main>")[1]


def test_the_chinese_page_has_the_same_figures_and_no_english_sentence(pages):
    english, chinese = pages
    assert "评分卡监测" in chinese and "群体稳定性指数" in chinese and 'href="monitoring.zh_CN.html"' in english
    for sentence in ("Scorecard monitoring", "went bad", "points in all", "needs", "customers are"):
        assert sentence not in chinese
