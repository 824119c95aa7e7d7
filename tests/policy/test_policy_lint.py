"""The lint finds each seeded mistake, names its field and kind, and finds nothing in the starter documents."""

from __future__ import annotations

import copy
import json
from datetime import date
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from credit_review import authority, documents, policy
from credit_review.documents import field_path
from credit_review.policy_lint import Kind, lint
from deployments.cli import language
from deployments.cli.main import app

STARTER = Path(__file__).parents[2] / "deployments" / "starter"
POLICY = (STARTER / "policy.yaml").read_text()
MATRIX = (STARTER / "authority.yaml").read_text()
DAY = date(2026, 11, 27)


def edited(text, edits):
    """The document with values replaced: dotted path to value."""
    data = yaml.safe_load(text)
    for path, value in edits.items():
        *parts, last = (int(part) if part.isdigit() else part for part in path.split("/"))
        at = data
        for part in parts:
            at = at[part]
        at[last] = copy.deepcopy(value)
    return yaml.safe_dump(data, sort_keys=False)


def found(rules=None, held=None):
    """Kind and field of every finding."""
    one = policy.load(documents.parse(edited(POLICY, rules or {}), name="policy.yaml"))
    other = authority.load(documents.parse(edited(MATRIX, held or {}), name="authority.yaml"))
    return [(finding.kind, field_path(finding.path)) for finding in lint(one, other, on=DAY)]


def tiers(**changes):
    """Tiers of the starter matrix, each with some fields changed."""
    return [tier | changes.get(tier["tier"], {}) for tier in yaml.safe_load(MATRIX)["tiers"]]


def band(name, low=None, high=None, **who):
    who |= {"exposure_from": low} if low is not None else {}
    return {"name": name, "who": who | ({"exposure_below": high} if high is not None else {}), "cadence_months": {"A": 6}}


def test_nothing_is_found_in_the_starter_documents():
    assert found() == []


@pytest.mark.parametrize(("rules", "kind", "field"), [
    ({"limits/formula": {"idle": "need", "limit": "need"}}, Kind.NEVER_FIRES, "limits.formula.idle"),
    ({"segments": [band("s", 1) | {"formula": {"idle": "need", "limit": "need"}}]}, Kind.NEVER_FIRES, "segments[0].formula.idle"),
    ({"limits/caps/net_worth/otherwise": "no_increase"}, Kind.NEVER_FIRES, "limits.by_grade.A.without_net_worth"),
    ({"limits/caps/recommendation/otherwise": "ask_documents"}, Kind.NEVER_FIRES, "limits.by_grade.A.without_recommendation"),
    ({"limits/by_grade/E/ceiling": 400}, Kind.NEVER_FIRES, "limits.by_grade.E.ceiling"),
    ({"classes/new/starter_limit": 400}, Kind.NEVER_FIRES, "classes.new.starter_limit"),
    ({"classes/new/starter_terms_days": 90}, Kind.NEVER_FIRES, "classes.new.starter_terms_days"),
    ({"scoring/without_financial/best_grade": "A"}, Kind.NEVER_FIRES, "scoring.without_financial.best_grade"),
    ({"groups/bad_grades": ["E"], "groups/best_grade": "A"}, Kind.NEVER_FIRES, "groups.best_grade"),
    ({"groups/best_grade": "C"}, Kind.NEVER_FIRES, "groups.best_grade"),
    ({"straight_through/grades": ["C"], "limits/forbid_increase/grades": ["C", "E"]}, Kind.NEVER_FIRES, "straight_through.up_to_increase"),
    ({"straight_through/up_to_increase": 400}, Kind.NEVER_FIRES, "straight_through.up_to_increase"),
    ({"review/reduction_notice/at_once": ["one_off"]}, Kind.NEVER_FIRES, "review.reduction_notice.at_once[0]"),
    ({"segments": [band("s", statuses=["one_off", "intercompany"])]}, Kind.NEVER_FIRES, "segments[0].who.statuses"),
    ({"segments": [band("small", 0, 100), band("large", 200)]}, Kind.GAP, "segments[1].who.exposure_from"),
    ({"segments": [band("small", 0, 300), band("large", 200)]}, Kind.OVERLAP, "segments[1].who.exposure_from"),
    ({"review/cadence_months/D": 12}, Kind.CONTRADICTION, "review.cadence_months.D"),
    ({"terms/by_grade/D": 50}, Kind.CONTRADICTION, "terms.by_grade.D"),
    ({"outcome/statuses": ["insolvent", "active"]}, Kind.CONTRADICTION, "outcome.statuses[1]"),
    ({"limits/by_grade/E/need_factor": 0}, Kind.CONTRADICTION, "limits.by_grade.E.need_factor"),
    ({"straight_through/grades": ["A", "D"]}, Kind.NEVER_FIRES, "straight_through.grades[1]"),
    ({"straight_through/up_to_limit": 200_000}, Kind.NEVER_FIRES, "straight_through.up_to_limit"),
    ({"worklists/0/analyst": "p-chair"}, Kind.NOBODY, "worklists[0].analyst"),
])  # fmt: skip
def test_each_mistake_of_a_policy_is_found_at_its_field(rules, kind, field):
    assert (kind, field) in found(rules)


@pytest.mark.parametrize(("held", "kind", "field"), [
    ({"control_currency": "USD"}, Kind.CONTRADICTION, "control_currency"),
    ({"raise_tier/grades": {"F": "T2"}}, Kind.NEVER_FIRES, "raise_tier.grades.F"),
    ({"tiers": tiers(T4={"approvers": 1})}, Kind.ALONE, "tiers[3].approvers"),
    ({"tiers": tiers(T2={"increases_12m_up_to": None}, T3={"increases_12m_up_to": None})}, Kind.ALONE, "tiers[1].increases_12m_up_to"),
    ({"emergency": {"people": ["p-manager"], "cap": 300_000, "days": 14}}, Kind.ALONE, "emergency.cap"),
])  # fmt: skip
def test_each_mistake_of_a_matrix_is_found_at_its_field(held, kind, field):
    assert (kind, field) in found(held=held)


def test_bands_that_meet_and_bands_of_other_customers_are_no_finding():
    meet = [band("small", 0, 100), band("middle", 100, 200), band("large", 200)]
    apart = [band("north", 0, 100, regions=["n"]), band("south", 200, regions=["s"])]
    assert found({"segments": meet}) == found({"segments": apart}) == []


def test_a_region_with_too_few_holders_is_found_where_the_analyst_is_one_of_them():
    holders = [*yaml.safe_load(MATRIX)["holders"], {"person": "p-south", "tier": "T4", "from": DAY, "until": None, "regions": ["south"]}]
    assert found({"worklists/0/analyst": "p-ceo"}, {"holders": holders}) == [(Kind.NOBODY, "worklists[0].analyst")]
    everywhere = [*holders[:-1], holders[-1] | {"regions": []}]
    assert found({"worklists/0/analyst": "p-ceo"}, {"holders": everywhere}) == []


def test_the_command_answers_with_line_and_field_and_its_exit_code(tmp_path):
    (tmp_path / "policy.yaml").write_text(POLICY.replace("D: 3, E: 3", "D: 3, E: 6"))
    (tmp_path / "authority.yaml").write_text(MATRIX)
    run = CliRunner()
    language.begin({})  # whoever spoke before in this process
    given = ["policy", "lint", str(tmp_path / "policy.yaml"), "--matrix", str(tmp_path / "authority.yaml")]
    line = next(n for n, text in enumerate(POLICY.splitlines(), 1) if "cadence_months: {A" in text)
    answer = run.invoke(app, given)
    assert answer.exit_code == 1
    assert f"policy.yaml line {line}, review.cadence_months.E: contradiction: grade E is reviewed less often than D" in answer.output
    answer = run.invoke(app, [*given, "--json"])
    assert [(one["kind"], one["line"], one["field"]) for one in json.loads(answer.output)] == [
        ("contradiction", line, "review.cadence_months.E")
    ]
    (tmp_path / "policy.yaml").write_text(POLICY)
    answer = run.invoke(app, given)
    assert (answer.exit_code, answer.output.strip()) == (0, "policy.yaml: nothing found")
