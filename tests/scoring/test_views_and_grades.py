"""Two views of a customer and how policy makes one score of them; grades by bands, kept within the margin, capped without a view."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scoring_rows import features, starter_policy

from credit_review import policy as policies
from credit_review import scoring
from credit_review.limits.frame import grade_notes
from credit_review.model.frames import SCORES
from credit_review.scoring import grades as grading

POLICY = starter_policy()
EXPERT = scoring.expert(POLICY)
PAYS = {"open_items_minor": 100_000, "open_item_count": 3, "overdue_fraction": 0.5, "oldest_dpd_days": 40, "average_days_late": 25.0,
        "cleared_count": 9, "months_on_book": 60.0, "days_late_trend": 0.0, "utilisation_fraction": 0.9, "limit_minor": 1}  # fmt: skip
"""566 - 16 - 12 - 10 + 2 + 0 + 6, and 2 for no dispute: 538."""
STANDS = {"altman_z2": 6.0, "equity_ratio": 0.5, "interest_coverage": 6.0, "current_ratio": 1.6, "net_margin": 0.05,
          "statements_age_days": 300.0}  # fmt: skip
"""566 + 10 + 6 + 4 + 2 + 2: 590."""


def rules(**scoring_fields):
    """The starter policy with another scoring section."""
    section = policies.ScoringRules.model_validate({"grade_margin": 0.0} | scoring_fields)
    changed = POLICY.model_copy(update={"scoring": section})
    assert policies.problems(changed) == ()
    return changed


def one(row, policy, previous=None):
    last = None if previous is None else pd.Series({"c1": previous}, dtype="str")
    return scoring.score(features([{"customer_id": "c1"} | row]), EXPERT, policy, previous=last).iloc[0]


def adds_up(result):
    return sum(int(part.partition("=")[2]) for part in result["factor_points"].split("|")) == result["points"]


# --- each view, and both --------------------------------------------------------------------------------------------------------------


def test_each_view_alone_is_base_and_its_points_as_by_hand():
    found = one(PAYS | STANDS, rules())
    assert (found["behaviour_points"], found["financial_points"]) == (538, 590)
    assert found["behaviour_pd_fraction"] == EXPERT.probability(538)
    assert found["financial_pd_fraction"] == EXPERT.probability(590)
    assert (found["points"], found["views"], found["view_missing"]) == (538 + 590 - 566, "weighted", "")


@pytest.mark.parametrize(
    ("how", "points"),
    [
        ({"combine": "worse_of"}, 538),
        ({"combine": "behaviour"}, 538),
        ({"combine": "financial"}, 590),
        ({"weights": {"behaviour": 0.5, "financial": 0.25}}, 566 - 14 + 6),
        ({"weights": {"behaviour": 0, "financial": 2}}, 566 + 48),
    ],
)
def test_policy_says_how_the_views_are_combined_and_the_points_still_add_up(how, points):
    found = one(PAYS | STANDS, rules(**how))
    assert found["points"] == points
    assert found["pd_fraction"] == EXPERT.probability(points)
    assert adds_up(found)


@pytest.mark.parametrize("how", ["weighted", "worse_of", "behaviour", "financial"])
def test_each_view_is_usable_alone_where_the_other_is_missing(how):
    behaviour, condition = one(PAYS, rules(combine=how)), one(STANDS, rules(combine=how))
    assert (behaviour["points"], behaviour["view_missing"]) == (538, "financial")
    assert pd.isna(behaviour["financial_points"]) and np.isnan(behaviour["financial_pd_fraction"])
    assert condition["view_missing"] == "behaviour"
    assert pd.isna(condition["behaviour_points"])
    neither = one({}, rules(combine=how))
    assert neither["view_missing"] == "both"
    assert adds_up(behaviour) and adds_up(condition) and adds_up(neither)


def test_a_missing_view_leaves_the_other_its_full_weight():
    halves = {"weights": {"behaviour": 0.5, "financial": 0.5}, "without_financial": {"points": "none"}}
    assert one(PAYS, rules(**halves))["points"] == 538


def test_statements_too_old_are_a_missing_view_and_not_a_good_one():
    assert one(PAYS | STANDS | {"statements_age_days": 541.0}, rules())["view_missing"] == "financial"


def test_external_reports_count_in_the_view_where_policy_puts_them():
    report = {"external_pd_fraction": 0.002, "external_age_days": 10.0}  # 18 points
    found = one(PAYS | report, rules())
    assert (found["financial_points"], found["behaviour_points"]) == (584, 538)
    moved = one(PAYS | report, rules(external="behaviour"))
    assert (moved["behaviour_points"], moved["view_missing"]) == (556, "financial")


def test_what_has_happened_already_counts_whichever_view_decides():
    bad = {"status": "insolvent"}
    for how in ("weighted", "worse_of", "behaviour", "financial"):
        assert one(PAYS | STANDS | bad, rules(combine=how))["grade"] == "E"


def test_reasons_are_of_the_view_that_decides():
    weak = {"altman_z2": -1.0, "equity_ratio": -0.1, "interest_coverage": 0.5, "current_ratio": 0.5, "net_margin": -0.2}
    worse = one(PAYS | STANDS | weak, rules(combine="worse_of"))["reason_codes"].split("|")
    assert worse == ["R12", "M08", "R15", "R16"]  # the view has no external report either
    assert not set(worse) & set(one(PAYS | STANDS | weak, rules(combine="behaviour"))["reason_codes"].split("|"))


def test_a_policy_without_the_section_scores_as_one_scorecard():
    plain = POLICY.model_copy(update={"scoring": policies.ScoringRules()})
    for row in (PAYS, STANDS, PAYS | STANDS, {}):
        found = one(row, plain)
        parts = [int(part.partition("=")[2]) for part in found["factor_points"].split("|")]
        assert sum(parts) == found["points"]
        assert "two_views" not in found["factor_points"]
        assert found["grade"] == found["band_grade"] == POLICY.grade_for(found["pd_fraction"])


# --- grades ---------------------------------------------------------------------------------------------------------------------------


def given_grade(probability, previous, margin, missing="", **section):
    policy = rules(grade_margin=margin, **section)
    band = np.array([policy.grade_for(probability)], dtype=object)
    grade, why = grading.grades(np.array([probability]), band, np.array([previous], dtype=object), [missing], policy)
    return grade[0], why[0]


@pytest.mark.parametrize(
    ("probability", "previous", "grade", "why"),
    [
        (0.0315, "B", "B", "kept"),  # B ends at 0.03, with a tenth more at 0.033
        (0.032999, "B", "B", "kept"),
        (0.033, "B", "C", ""),
        (0.0285, "C", "C", "kept"),
        (0.027, "C", "C", "kept"),
        (0.026999, "C", "B", ""),
        (0.0285, "B", "B", ""),
        (0.5, "B", "E", ""),
        (0.0005, "E", "A", ""),
        (0.0315, "", "C", ""),
        (0.0315, "Z", "C", ""),
    ],
)
def test_the_last_grade_is_kept_within_the_margin_of_its_band_and_no_further(probability, previous, grade, why):
    assert given_grade(probability, previous, 0.1) == (grade, why)


def test_without_a_margin_the_bands_decide():
    assert given_grade(0.0301, "B", 0.0) == ("C", "")


def test_a_missing_view_caps_the_grade_and_never_lifts_it():
    section = {"without_financial": {"best_grade": "C"}}
    assert given_grade(0.001, "", 0.0, "financial", **section) == ("C", "capped")
    assert given_grade(0.001, "", 0.0, "both", **section) == ("C", "capped")
    assert given_grade(0.001, "", 0.0, "behaviour", **section) == ("A", "")
    assert given_grade(0.5, "", 0.0, "financial", **section) == ("E", "")
    assert given_grade(0.0095, "B", 0.1, "financial", **section) == ("C", "capped")  # kept at B, and then no better than C


def test_a_kept_grade_comes_from_the_last_review_by_customer_and_is_shown():
    row = PAYS | STANDS  # 562 points, 6.9 in a hundred: C
    found = one(row, rules(grade_margin=0.2), previous="D")
    assert (found["band_grade"], found["previous_grade"], found["grade"], found["grade_rule"]) == ("C", "D", "D", "kept")
    assert list(found.index) == list(SCORES.names)


BOUNDS = [band.below for band in POLICY.grades[:-1]]


@settings(max_examples=150, deadline=None)
@given(
    at=st.sampled_from(BOUNDS),
    moves=st.lists(st.floats(-0.0999, 0.0999), min_size=2, max_size=12),
    start=st.sampled_from(POLICY.grade_names),
)
def test_moves_inside_the_margin_of_one_bound_never_make_a_grade_flap(at, moves, start):
    grade = start
    seen = []
    for move in moves:
        grade, _ = given_grade(round(at * (1 + move), 6), grade, 0.1)
        seen.append(grade)
    assert len(set(seen)) == 1


@settings(max_examples=150, deadline=None)
@given(
    probability=st.floats(0, 1).map(lambda p: round(p, 6)),
    previous=st.sampled_from(POLICY.grade_names),
    margin=st.sampled_from([0, 0.05, 0.1]),
)
def test_a_move_beyond_the_margin_always_shows_and_a_grade_is_never_further_from_its_band_than_the_margin(probability, previous, margin):
    grade, why = given_grade(probability, previous, margin)
    place = POLICY.grade_names.index(previous)
    low = 0 if place == 0 else round(BOUNDS[place - 1] * (1 - margin), 6)
    high = 2 if place == len(BOUNDS) else round(BOUNDS[place] * (1 + margin), 6)
    if not low <= probability < high:
        assert (grade, why) == (POLICY.grade_for(probability), "")
    else:
        assert grade == previous
    assert (why == "kept") == (grade != POLICY.grade_for(probability))


def test_a_margin_that_reaches_across_a_band_and_a_grade_that_is_none_are_refused():
    for section, path in (
        ({"grade_margin": 0.7}, ("scoring", "grade_margin")),
        ({"without_financial": {"best_grade": "Z"}}, ("scoring", "without_financial", "best_grade", 0)),
        ({"weights": {"behaviour": 0, "financial": 0}}, ("scoring", "weights")),
    ):
        changed = POLICY.model_copy(update={"scoring": policies.ScoringRules.model_validate(section)})
        assert path in [problem.path for problem in policies.problems(changed)]


def test_a_grade_has_the_name_policy_gives_it():
    assert POLICY.grade_title("A") == "A very good"


# --- what was there before there were two views ---------------------------------------------------------------------------------------


def test_a_source_without_statements_has_the_expert_scorecard_it_had():
    without = scoring.expert(POLICY, not_available=scoring.not_available({"cleared_items", "limits", "disputes", "sales"}))
    names = [factor.name for factor in without.factors]
    assert names == ["overdue_fraction", "oldest_dpd_days", "average_days_late", "days_late_trend", "utilisation_fraction",
                     "months_on_book", "external_pd_fraction", "disputed_fraction", "net_worth_to_sales"]  # fmt: skip
    assert not without.not_available and not without.left_out


def test_a_proposal_tells_how_its_grade_came_about_where_policy_says_something_of_it():
    scores = scoring.score(features([{"customer_id": "c1"} | PAYS | STANDS, {"customer_id": "c2"} | PAYS]), EXPERT, rules())
    found = list(grade_notes(scores, rules()))
    assert found == [
        "payment behaviour (538) and financial standing (590) together",
        "payment behaviour alone: neither statements nor an external report to judge by",
    ]
    silent = policies.Policy.model_construct(**{n: getattr(POLICY, n) for n in policies.Policy.model_fields if n != "scoring"})
    assert set(grade_notes(scores, silent)) == {""}
