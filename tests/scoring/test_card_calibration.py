"""A card's probabilities are set right on a later period: what is planted is found, what is right is left alone, too little says so."""

from __future__ import annotations

import json
from datetime import date

import numpy as np
import pandas as pd
import pytest
from scoring_rows import starter_policy

from credit_review import scoring
from credit_review.errors import BadInput
from credit_review.scoring import calibration
from credit_review.scoring.scorecard import Calibration

POLICY = starter_policy()
EXPERT = scoring.expert(POLICY)
MEASURED = Calibration(
    shift=0.4, shift_low=0.2, shift_high=0.6, slope=0.8, slope_low=0.6, slope_high=0.95, definition="default",
    definition_words="within 12 months: a write-off", on=("2025-03-31",), rows=900, bad=110,
)  # fmt: skip


def held(of, seed, shift=0.0, slope=1.0, mean=2.0):
    """What a card says (log odds good:bad), and outcomes for which `slope` x that - `shift` would be right."""
    rng = np.random.default_rng(seed)
    said = rng.normal(mean, 1.2, of)
    outcome = (rng.random(of) < 1 / (1 + np.exp(slope * said - shift))).astype(np.int64)
    return said, outcome, np.arange(of).astype(str)


def frame(said, outcome, group):
    return pd.DataFrame({"cutoff": pd.Timestamp("2025-03-31"), "group_id": group, "outcome": outcome, "log_odds": said})


def test_a_planted_shift_and_slope_are_found_within_their_intervals():
    found = calibration.line(*held(6000, 1, shift=0.5, slope=0.6))
    assert found.shift_low <= 0.5 <= found.shift_high and found.slope_low <= 0.6 <= found.slope_high
    assert found.shift == pytest.approx(0.5, abs=0.2) and found.slope == pytest.approx(0.6, abs=0.1)


def test_a_planted_shift_alone_leaves_the_slope_at_one():
    found = [calibration.line(*held(3000, seed, shift=0.7)) for seed in range(20)]
    kept = [one for one in found if one.slope == 1]
    assert len(kept) >= 16 and all(one.slope_low < 1 < one.slope_high for one in kept)  # 19 expected
    assert sum(one.shift_low <= 0.7 <= one.shift_high for one in kept) >= len(kept) - 3


def test_a_card_that_is_right_is_hardly_ever_touched():
    touched = [found for seed in range(60) if (found := calibration.line(*held(1500, seed))) and (found.shift, found.slope) != (0, 1)]
    assert len(touched) <= 10  # 5% for the slope and 5% for the shift, of 60, and two standard errors


def test_few_outcomes_measure_the_shift_only_and_too_few_nothing():
    said, outcome, group = held(400, 3, shift=0.8, mean=3.5)
    assert calibration.LEAST <= outcome.sum() < calibration.LEAST_FOR_SLOPE
    found = calibration.line(said, outcome, group)
    assert found.slope == 1 and found.slope_low is None and found.shift > 0.3
    few = frame(said[:60], outcome[:60], group[:60])
    assert calibration.calibration(few, definition="default", definition_words="x").startswith("too few outcomes in a later period")


def test_the_order_of_the_scores_must_be_there_before_a_scale_is_fitted():
    _, outcome, group = held(3000, 4)
    backwards = frame(np.where(outcome == 1, 3.0, 1.0) + np.random.default_rng(4).normal(size=3000), outcome, group)
    assert "does not show the order" in calibration.calibration(backwards, definition="default", definition_words="x")


def test_rows_of_one_group_are_one_witness():
    """The same rows ten times say no more than once: the interval stays as wide."""
    said, outcome, group = held(900, 5, shift=0.5)
    once = calibration.line(said, outcome, group)
    tenfold = calibration.line(np.tile(said, 10), np.tile(outcome, 10), np.tile(group, 10))
    assert tenfold.shift_high - tenfold.shift_low == pytest.approx(once.shift_high - once.shift_low, rel=0.02)


def test_the_intervals_cover_what_is_planted_about_as_often_as_they_say():
    inside = 0
    for seed in range(80):
        found = calibration.line(*held(1200, seed, shift=0.6, slope=0.55))
        inside += found.slope_low <= 0.55 <= found.slope_high
    assert inside >= 70  # 76 expected


def test_a_calibrated_card_says_what_came_true_and_keeps_the_shift_it_had():
    said, outcome, group = held(6000, 6, shift=0.9, slope=0.7)
    found = calibration.calibration(frame(said, outcome, group), definition="default", definition_words="x", start=0.3)
    raw = said + 0.3  # the card before its own shift was taken off
    probability = 1 / (1 + np.exp(found.slope * raw - found.shift))
    assert probability.mean() == pytest.approx(outcome.mean(), abs=1e-3)
    assert (found.on, found.rows, found.bad) == (("2025-03-31",), 6000, int(outcome.sum()))


def test_what_has_happened_already_stays_beyond_one_half_under_any_calibration():
    for slope, shift in ((0.4, -1.0), (1.0, 0.0), (2.0, 1.5)):
        card = calibration.calibrated(EXPERT, MEASURED.model_copy(update={"slope": slope, "shift": shift}))
        best = card.base + sum(max([b.points for b in f.bins] + [f.missing.points]) for f in card.factors)
        assert card.probability(best + card.already.points) >= 0.5


# --- the block in the file ----------------------------------------------------------------------------------------------------------


def test_the_block_is_readable_and_comes_back_as_it_was():
    card = calibration.calibrated(EXPERT, MEASURED)
    plain = json.loads(scoring.dump(card))["calibration"]
    assert plain["slope"] == 0.8 and plain["definition"] == "default" and plain["on"] == ["2025-03-31"]
    assert scoring.load(scoring.dump(card)) == card and scoring.digest(card) != scoring.digest(EXPERT)
    odds = 0.8 * card.scale.log_odds(620) - 0.4
    assert card.probability(620) == pytest.approx(1 / (1 + np.exp(odds)), abs=1e-6)


def test_a_card_of_an_earlier_version_loads_and_keeps_its_text():
    text = scoring.dump(EXPERT).replace('"calibration": 0.0', '"calibration": 0.125')
    assert "valid_to" not in text
    card = scoring.load(text)
    assert (card.shift, card.slope) == (0.125, 1) and scoring.dump(card) == text


def test_the_figure_is_a_probability_of_default_only_once_calibrated_to_defaults():
    assert EXPERT.outcome == "probability of default" and EXPERT.figure == "probability of serious lateness"
    assert calibration.calibrated(EXPERT, MEASURED).figure == "probability of default"
    late = MEASURED.model_copy(update={"definition": "serious lateness"})
    assert calibration.calibrated(EXPERT, late).figure == "probability of serious lateness"


def test_a_slope_that_would_turn_the_order_around_is_refused():
    text = scoring.dump(calibration.calibrated(EXPERT, MEASURED)).replace('"slope": 0.8', '"slope": -0.8')
    with pytest.raises(BadInput, match=r"line 15, calibration.*slope: expected more than 0"):
        scoring.load(text)


def test_a_card_holds_from_its_first_day_until_before_its_last():
    card = EXPERT.model_copy(update={"valid_from": date(2026, 1, 1), "valid_to": date(2027, 7, 1)})
    held_on = [card.holds(day) for day in (date(2025, 12, 31), date(2026, 1, 1), date(2027, 6, 30), date(2027, 7, 1))]
    assert held_on == [False, True, True, False] and EXPERT.holds(date(1990, 1, 1))
    assert scoring.load(scoring.dump(card)) == card
    text = scoring.dump(card).replace('"valid_to": "2027-07-01"', '"valid_to": "2026-01-01"')
    with pytest.raises(BadInput, match="expected a day after valid_from, 2026-01-01"):
        scoring.load(text)
