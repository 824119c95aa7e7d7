"""The policy file: sound ones load exactly, unsound ones are refused naming line, field and what was expected."""

from __future__ import annotations

import copy
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from credit_review import documents, policy
from credit_review.errors import BadInput

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "deployments/starter/policy.yaml").read_text()
STARTER = policy.load(documents.parse(TEXT, name="policy.yaml"))


def edited(*path_and_value):
    """The starter policy with one value replaced (or removed when the value is ...)."""
    *path, value = path_and_value
    data = yaml.safe_load(TEXT)
    at = data
    for part in path[:-1]:
        at = at[part]
    if value is ...:
        del at[path[-1]]
    else:
        at[path[-1]] = copy.deepcopy(value)
    return documents.parse(yaml.safe_dump(data, sort_keys=False), name="policy.yaml")


def refusal(*path_and_value) -> str:
    with pytest.raises(BadInput) as caught:
        policy.load(edited(*path_and_value))
    return caught.value.text()


def test_the_starter_policy_loads_with_exact_amounts_and_factors():
    assert STARTER.limits.by_grade["A"].need_factor == Decimal("1.3")
    assert STARTER.minor(STARTER.limits.maximum) == 500_000_000
    assert STARTER.grade_names == ("A", "B", "C", "D", "E")
    assert policy.problems(STARTER) == ()


def test_a_policy_cannot_be_changed_after_loading():
    with pytest.raises(Exception, match="frozen"):
        STARTER.limits.minimum = Decimal(1)


@pytest.mark.parametrize(("pd", "grade"), [(0.0, "A"), (0.00999, "A"), (0.01, "B"), (0.08, "D"), (0.2, "E"), (1.0, "E")])
def test_a_probability_at_a_bound_belongs_to_the_worse_grade(pd, grade):
    assert STARTER.grade_for(pd) == grade


def test_the_cadence_of_a_large_exposure_is_the_shorter_one():
    assert (STARTER.months_for("A"), STARTER.months_for("A", large=True), STARTER.months_for("")) == (12, 3, 3)


CASES = [
    # grade bands
    (("grades", 1, "below", 0.01), "grades[1].below", "overlap"),
    (("grades", 1, "below", 0.5), "grades[2].below", "overlap"),
    (("grades", 4, "below", 1.0), "grades[4].below", "probabilities from there to 1 have no grade"),
    (("grades", 3, "below", 1.005), "grades[4].below", "E can never be given"),
    (("grades", 1, "grade", "A"), "grades[1].grade", "each grade once"),
    (("grades", 1, "grade", "none"), "grades[1].grade", "none"),
    # unknown grades anywhere, missing grades
    (("review", "cadence_months", "Z", 3), "review.cadence_months.Z", "unknown grade 'Z'"),
    (("review", "cadence_months", "none", ...), "review.cadence_months", "no entry for none"),
    (("review", "cadence_months", "C", ...), "review.cadence_months", "no entry for C"),
    (("limits", "by_grade", "E", ...), "limits.by_grade", "no entry for E"),
    (("terms", "by_grade", "E", ...), "terms.by_grade", "no entry for E"),
    (("limits", "forbid_increase", "grades", ["Z"]), "limits.forbid_increase.grades[0]", "unknown grade 'Z'"),
    (("terms", "ranked", [30, 14]), "terms.ranked[1]", "strictest first"),
    (("terms", "ranked", [14, 30, 60]), "terms.by_grade.E", "stricter than all terms.ranked"),
    (("groups", {"bad_grades": ["Z"]}), "groups.bad_grades[0]", "'Z' is not known"),
    (("groups", {"best_grade": "Z"}), "groups.best_grade", "Z"),
    (("groups", {"bad_statuses": ["bankrupt"]}), "groups.bad_statuses[0]", "expected one of active"),
    (("terms", "tighten_when", ["E", "E"]), "terms.tighten_when[1]", "twice"),
    (("straight_through", "grades", ["A", "Q"]), "straight_through.grades[1]", "unknown grade 'Q'"),
    # classes
    (("classes", "dormant", ...), "classes", "no rule for dormant"),
    (("classes", "sleeping", {"action": "review"}), "classes.sleeping", "unknown credit status"),
    (("classes", "one_off", {"action": "exclude"}), "classes.one_off", "rule"),
    (("classes", "one_off", {"action": "vanish"}), "classes.one_off", "vanish"),
    (("classes", "new", "starter_limit", 6_000_000), "classes.new.starter_limit", "can never be given"),
    (("outcome", "statuses", ["bankrupt"]), "outcome.statuses[0]", "unknown credit status"),
    # rules that can never fire
    (("review", "cadence_months", "A", 24), "review.cadence_months.A", "longest_months is 12"),
    (("review", "large_exposure", "months", 12), "review.large_exposure.months", "can never fire"),
    (("review", "bulk_lateness_hold", 1), "review.bulk_lateness_hold", "less than 1"),
    (("limits", "rounding", 1, "step", 400), "limits.rounding[1].step", "growing steps"),
    (("limits", "rounding", 1, "up_to", 10000), "limits.rounding[1].up_to", "can never fire"),
    (("limits", "rounding", 0, "step", 20000), "limits.rounding[0].step", "to nothing"),
    (("limits", "rounding", 0, "step", 0), "limits.rounding[0].step", "more than 0"),
    (("limits", "rounding", 2, "up_to", 1_000_000), "limits.rounding[2].up_to", "null on the last"),
    (("limits", "minimum", 5_000_000), "limits.minimum", "not below"),
    (("limits", "step", {"up_fraction": 0, "down_fraction": 0.5, "free_amount": 0}), "limits.step.up_fraction", "no limit can ever go up"),
    (
        ("limits", "step", {"up_fraction": 1, "down_fraction": 0, "free_amount": 0}),
        "limits.step.down_fraction",
        "no limit can ever go down",
    ),
    (("limits", "step", "down_fraction", 1.5), "limits.step.down_fraction", "1 or less"),
    (("limits", "by_grade", "A", "ceiling", 9_000_000), "limits.by_grade.A.ceiling", "never reached"),
    (("limits", "by_grade", "A", "without_net_worth", 4_000_000), "limits.by_grade.A.without_net_worth", "no lower ceiling"),
    (("limits", "by_grade", "B", "need_factor", 1.5), "limits.by_grade.B.need_factor", "worse than A"),
    (("limits", "forbid_increase", "grades", ["A", "B", "C", "D", "E"]), "limits.forbid_increase.grades", "no limit can ever rise"),
    (("straight_through", "grades", []), "straight_through.grades", "can never fire"),
    (("straight_through", "up_to_increase", 30000), "straight_through.up_to_increase", "cannot end at"),
    (("exposure", "parts", ["open_orders"]), "exposure.parts", "open_items"),
    (("exposure", "ageing_days", [15, 45, 60]), "exposure.ageing_days", "expected [30, 60, 90]"),
    (("review", "longest_months", 24), "review.longest_months", "expected at most 12"),
    (("classes", "insolvent", {"action": "review"}), "classes.insolvent.action", "could give insolvent customers more credit"),
    (("classes", "legal", {"action": "review"}), "classes.legal.action", "expected no_increase, zero, unused_down or exclude"),
    (("classes", "blocked", {"action": "starter", "starter_limit": 1, "starter_terms_days": 1}), "classes.blocked.action", "starter"),
    # worklists
    (("worklists", [{"portfolio": "north*", "analyst": "p-a"}]), "worklists", "would have no analyst"),
    (("worklists", [{"portfolio": "*", "analyst": "p"}, {"portfolio": "n", "analyst": "p"}]), "worklists[1].portfolio", "can never fire"),
    # shape
    (("control_currency", "EURO"), "control_currency", "ISO 4217"),
    (("rates", {"over": ["EUR", "ECU"]}), "rates.over[1]", "ISO 4217"),
    (("limits", "minimum", "1,000"), "limits.minimum", "number"),
    (("limits", "minimum", 0.001), "limits.minimum", "more decimals"),
    (("limits", "maximun", 5), "limits.maximun", "unknown field; did you mean maximum?"),
    (("limits", "by_grade", "A", "cieling", 5), "limits.by_grade.A.cieling", "unknown field; did you mean ceiling?"),
    (("classes", "new", "starter_terms", 5), "classes.new.starter_terms", "unknown field; did you mean starter_terms_days?"),
    (("worklists", 0, "analist", "p"), "worklists[0].analist", "unknown field; did you mean analyst?"),
    (("scoring", "statements", "oldest", 5), "scoring.statements.oldest", "unknown field; expected only the documented fields"),
    (("limits", "caps", "need", "otherwise", "lower_ceiling"), "limits.caps.need.otherwise", "no_increase"),
    (("straight_through", "enabled", "yes"), "straight_through.enabled", "true or false"),
    (("version", 2026.1), "version", "expected text"),
]


@pytest.mark.parametrize(("edit", "field", "reason"), CASES)
def test_an_unsound_policy_is_refused_naming_line_field_and_reason(edit, field, reason):
    text = refusal(*edit)
    line = next(line for line in text.splitlines() if f", {field}" in line)
    assert line.lstrip().startswith("policy.yaml line ")
    assert reason in text


def test_the_line_in_the_message_is_the_line_of_the_file():
    wrong = TEXT.replace("{grade: B, name: good, below: 0.03}", "{grade: B, name: good, below: 0.01}")
    number = next(i for i, line in enumerate(wrong.splitlines(), 1) if "grade: B, name" in line)
    with pytest.raises(BadInput, match=rf"policy\.yaml line {number}, grades\[1\]\.below: .*overlap"):
        policy.load(documents.parse(wrong, name="policy.yaml"))


def test_a_straight_through_grade_that_may_neither_rise_nor_fall_is_refused():
    data = yaml.safe_load(TEXT)
    data["straight_through"] |= {"grades": ["A", "D"], "reductions_up_to": 0}
    with pytest.raises(BadInput, match=r"straight_through\.grades\[1\]: grade D never gets an increase"):
        policy.load(documents.parse(yaml.safe_dump(data), name="policy.yaml"))


def test_a_switched_off_straight_through_rule_may_be_anything():
    data = yaml.safe_load(TEXT)
    data["straight_through"] |= {"enabled": False, "grades": [], "up_to_increase": 0, "reductions_up_to": 0}
    policy.load(documents.parse(yaml.safe_dump(data), name="policy.yaml"))


def test_every_fault_is_reported_at_once():
    data = yaml.safe_load(TEXT)
    data["grades"][4]["below"] = 0.9
    data["worklists"] = [{"portfolio": "x", "analyst": "p"}]
    with pytest.raises(BadInput) as caught:
        policy.load(documents.parse(yaml.safe_dump(data), name="policy.yaml"))
    assert "grades[4].below" in caught.value.text() and "worklists" in caught.value.text()


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(0.0001, 1.0, exclude_max=True), min_size=4, max_size=4, unique=True), st.floats(0, 1))
def test_bands_that_load_give_every_probability_exactly_one_grade(bounds, probability):
    data = yaml.safe_load(TEXT)
    for band, bound in zip(data["grades"], [*sorted(bounds), 1.5], strict=True):
        band["below"] = bound
    data["scoring"]["grade_margin"] = 0.0
    loaded = policy.Policy.model_validate(data)
    assert policy.problems(loaded) == ()
    inside = [b.grade for low, b in zip([0.0, *sorted(bounds)], loaded.grades, strict=True) if low <= probability < b.below]
    assert inside == [loaded.grade_for(probability)]


def test_reading_a_policy_needs_no_pandas():
    code = "import sys, credit_review.policy; sys.exit('pandas' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


@pytest.mark.parametrize(("status", "days"), [("active", 5), ("new", 5), ("insolvent", 0), ("legal", 0), ("blocked", 0)])
def test_the_notice_of_a_reduction_depends_on_the_credit_status(status, days):
    assert STARTER.notice_days(status) == days


@pytest.mark.parametrize(
    ("path_and_value", "words"),
    [
        (("review", "reduction_notice", "at_once", ["bankrupt"]), ("reduction_notice", "bankrupt", "insolvent")),
        (("review", "reduction_notice", "working_days", -1), ("reduction_notice", "working_days")),
        (("review", "reduction_notice", "working_days", 2.5), ("reduction_notice", "working_days")),
        (("review", "reduction_notice", ...), ("reduction_notice",)),
        (("review", "proposal_valid_working_days", 0), ("proposal_valid_working_days",)),
        (("review", "proposal_valid_working_days", 5000), ("proposal_valid_working_days",)),
    ],
)
def test_notice_and_validity_are_working_days_within_reason(path_and_value, words):
    said = refusal(*path_and_value)
    assert all(word in said for word in words), said
