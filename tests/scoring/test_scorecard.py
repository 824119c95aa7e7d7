"""The scorecard file: readable, exact, and refused with file and line when it does not hold together."""

import json
import re
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scoring_rows import simulated, starter_policy

from credit_review import scoring
from credit_review.errors import BadInput

POLICY = starter_policy()
EXPERT = scoring.expert(POLICY)


def test_the_expert_scorecard_reads_as_we_published_it(snapshot):
    assert scoring.dump(EXPERT) == snapshot


def test_a_fitted_scorecard_is_plain_json_that_says_what_it_was_fitted_on():
    card = scoring.fit(simulated(400, 1), policy=POLICY, seed=1, valid_from=date(2025, 4, 1)).scorecard
    plain = json.loads(scoring.dump(card))
    assert (plain["kind"], plain["valid_from"], plain["scale"]) == (
        "fitted", "2025-04-01", {"base_points": 600, "base_odds": 50.0, "double_odds": 20},
    )  # fmt: skip
    assert plain["trained_on"] == {
        "cutoffs": ["2023-12-31", "2024-03-31", "2025-03-31"],
        "rows": 1200,
        "customers": 400,
        "bad": plain["trained_on"]["bad"],
    }
    assert plain["evaluation"][0]["cutoff"] == "2025-03-31"
    for factor in plain["factors"]:
        assert sum(b["rows"] for b in [*factor["bins"], factor["missing"]]) == 1200
    assert scoring.load(scoring.dump(card)) == card


def test_the_digest_changes_with_any_points():
    changed = scoring.load(scoring.dump(EXPERT).replace('"base": 566', '"base": 567'))
    assert scoring.digest(changed) != scoring.digest(EXPERT)


@settings(max_examples=80, deadline=None)
@given(
    text=st.text(st.characters(codec="utf-8"), min_size=1, max_size=20),
    number=st.floats(min_value=-1e15, max_value=1e15, allow_nan=False),
)
def test_any_text_and_any_bound_comes_back_as_it_was_written(text, number):
    first = EXPERT.factors[0]
    bins = (first.bins[0].model_copy(update={"below": number}), first.bins[-1])
    card = EXPERT.model_copy(update={"name": text, "factors": (first.model_copy(update={"bins": bins}),)})
    again = scoring.load(scoring.dump(card))
    assert again.name == text
    assert again.factors[0].bins[0].below == number


@pytest.mark.parametrize(
    ("pattern", "instead", "message"),
    [
        (r'"below": 0.1, "points": 4', '"below": 0.1, "points": 9', "points of overdue_fraction: expected them to go one way"),
        (r'"below": 0.1, "points": 4', '"below": 0.001, "points": 4', "bins of overdue_fraction: expected growing bounds"),
        (r'"base": 566', '"base": "566"', "base: expected a valid integer"),
        (r'"base": 566', '"base": 566,\n  "base": 600', "the key 'base' stands twice"),
        (r'"format": 1', '"format": 2', "format: expected 1"),
        (r'"name": "oldest_dpd_days"', '"name": "overdue_fraction"', "expected each factor once"),
        (r'"not_available": {}', '"not_available": {"moon": "no moon"}', "moon is no factor of this scorecard"),
        (r'"kind": "expert",', "", "kind: missing"),
        (r'"calibration": 0.0', '"calibration": 0.0, "secret": 1', "secret: unknown field"),
        (r'"below": null, "points": -16', '"below": 0.9, "points": -16', "null for the last"),
    ],
)
def test_a_scorecard_that_does_not_hold_together_is_refused_with_file_and_reason(pattern, instead, message):
    text = scoring.dump(EXPERT)
    broken = text.replace(pattern, instead, 1)
    assert broken != text
    with pytest.raises(BadInput, match=re.escape(message)) as error:
        scoring.load(broken, name="mine.json")
    assert "mine.json line" in str(error.value)


def test_a_factor_that_is_not_available_must_be_neutral_where_missing():
    text = scoring.dump(scoring.expert(POLICY, not_available={"average_days_late": "no cleared items in source"}))
    broken = text.replace('"points": 0, "reason": "M04"', '"points": 7, "reason": "M04"').replace(
        '"points": 0,\n        "reason": "M04"', '"points": 7,\n        "reason": "M04"'
    )
    with pytest.raises(BadInput, match="must have 0 points where missing"):
        scoring.load(broken)


def test_a_factor_this_version_does_not_know_is_refused_when_scoring():
    card = scoring.load(scoring.dump(EXPERT).replace('"name": "overdue_fraction"', '"name": "phase_of_the_moon"'))
    with pytest.raises(BadInput, match="phase_of_the_moon"):
        scoring.score(simulated(3, 1), card, POLICY)
