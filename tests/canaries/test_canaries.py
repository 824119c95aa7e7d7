"""Canaries: known right answers, the very code of a review, and a rule broken on purpose that stops it."""

from __future__ import annotations

import json
import sys
from datetime import date
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "flows"))
import without_prefect
from installed import AS_OF, install

from credit_review import identity
from credit_review.adapters import settings
from credit_review.adapters.wiring import open_services
from credit_review.canaries import CANARIES, PREFIX, ledger
from credit_review.canaries.answers import answers
from credit_review.canaries.result import compared
from credit_review.errors import ReviewStopped
from credit_review.exposure import balances
from credit_review.limits import engine
from credit_review.model.records import AuditRow, Finding, Proposal, Review
from credit_review.scoring import scores
from deployments.cli import starting
from expectations import ledger as ledger_suite
from flows import periodic_review
from tasks import canaries, outcome, prepare
from tasks.plan import Plan

STARTER = {  # typed by hand for the starter policy, scorecard and matrix; docs/audit/canaries.md derives one of them step by step
    "01": {"points": 629, "grade": "A", "to_minor": 13_000_00, "route": "by rule", "tier": "", "forbids_increase": ""},
    "02": {"points": 509, "grade": "E", "to_minor": 30_000_00, "route": "worklist", "tier": "T1", "forbids_increase": "grade|overdue"},
    "03": {"points": 609, "grade": "B", "to_minor": 4_500_00, "route": "worklist", "tier": "T1", "forbids_increase": ""},
    "04": {"points": 574, "grade": "C", "to_minor": 5_000_00, "route": "worklist", "tier": "T2", "to_terms_days": 14},
    "05": {"points": 587, "grade": "C", "to_minor": 0, "route": "by rule", "direction": "down"},
    "06": {"points": 320, "grade": "E", "to_minor": 15_000_00, "route": "worklist", "tier": "T1", "overdue_minor": 9_000_00},
    "07": {"to_minor": 0, "route": "by rule", "forbids_increase": "class_no_increase", "exposure_minor": 0},
    "08": {"state": "excluded", "exposure_minor": 20_000_00},
    "09": {"own_risk_minor": 59_000_00, "exposure_minor": 100_000_00, "to_minor": 170_000_00, "tier": "T2"},
    "10": {"quarantined_rows": 1, "exposure_minor": 3_500_00, "to_minor": 10_000_00, "forbids_increase": "quarantined_rows"},
    "11": {"state": "quarantined", "quarantined_rows": 1, "exposure_minor": 2_000_00},
    "12": {"exposure_minor": 1_400_000_00, "to_minor": 1_600_000_00, "tier": "T3", "approvals": 2, "direction": "up"},
}


def plan_in(config, as_of=AS_OF):
    """A plan of a review that has only its documents."""
    chosen = settings.load(config)
    plan = Plan(
        config=str(config), as_of=as_of, scope="all", label="", kind="periodic", buckets=4, runner="threads", workers=1,
        data=str(chosen.data), review_id=f"r-{as_of}",
    )  # fmt: skip
    plan.workspace.keep_documents(prepare.governed_documents(chosen))
    return plan


@pytest.fixture(scope="module")
def starter(tmp_path_factory):
    config = tmp_path_factory.mktemp("canaries") / "config"
    starting.write_starter(config)
    (config / "data").mkdir()
    (config / "ledger").mkdir()
    return config


def test_the_right_answers_under_the_starter_policy_are_the_typed_ones_and_come_out_whatever_the_day(starter):
    results = [canaries.result_of(plan_in(starter, day)) for day in (AS_OF, date(2024, 2, 29))]
    expected = results[0].expected
    assert {number: {name: expected[PREFIX + number][name] for name in typed} for number, typed in STARTER.items()} == STARTER
    assert all(result.held and result.of == len(CANARIES) == 12 for result in results)
    assert results[0].answers == results[1].answers


def test_every_figure_is_in_some_answer_and_one_that_is_missing_or_other_is_a_difference(starter):
    rules = canaries._rules(plan_in(starter).workspace, "EUR")
    expected = answers(CANARIES, rules)
    everything_but = {k: dict(v) for k, v in expected.items() if not k.endswith("03")}
    everything_but[PREFIX + "01"]["to_minor"] += 1
    found = compared(expected, everything_but, {PREFIX + "01": "EUR"})
    assert [(d.canary[-2:], d.figure) for d in found.differences] == [("01", "to_minor"), ("03", "state")]
    assert not found.held and "10 of 12" in found.text() and "13,000.01 EUR" in found.text()
    assert not compared({}, {}, {}).held, "no canary is no proof"


def _never_overdue(*given):
    found = FORBIDS(*given)
    return {name: np.zeros_like(flags) if str(name) == "overdue" else flags for name, flags in found.items()}


FORBIDS = engine.forbids
BROKEN = {
    "a limit rule": (engine, "forbids", _never_overdue, ("02", "forbids_increase")),
    "a scorecard's points": (scores, "point_table", lambda factor: (*(b.points + 1 for b in factor.bins), 0), ("01", "points")),
    "an exposure": (balances, "parts_sum", lambda parts, found, capabilities: found.open_items, ("12", "exposure_minor")),
}


@pytest.fixture(scope="module")
def company(tmp_path_factory):
    """A small company whose review met a broken rule, stopped, and was resumed when the rule was mended: folder, error, what was left."""
    config = tmp_path_factory.mktemp("company") / "config"
    install(config, customers=25, seed=5)
    with pytest.MonkeyPatch.context() as patch:
        without_prefect.apply(patch)
        without_prefect.check_once(patch)
        with pytest.MonkeyPatch.context() as breaking, pytest.raises(ReviewStopped) as stopped:
            breaking.setattr(engine, "forbids", _never_overdue)
            periodic_review.periodic_review.fn(str(config), AS_OF)
        with prepare.services(str(config)).store.read() as uow:
            (review,) = uow.find(Review)
            left = (review, uow.find(Proposal), sorted(p.name for p in _folder(config, review).iterdir()))
        periodic_review.periodic_review.fn(str(config), resume=review.review_id)
    return config, stopped.value, left


def _folder(config, review):
    return config / "data" / "reviews" / review.review_id


@pytest.mark.parametrize("rule", ["a limit rule", "a scorecard's points", "an exposure"])
def test_a_rule_broken_on_purpose_is_found_and_named(starter, monkeypatch, quick_gate, rule):
    module, name, broken, (number, figure) = BROKEN[rule]
    monkeypatch.setattr(module, name, broken)
    found = canaries.result_of(plan_in(starter))
    assert (PREFIX + number, figure) in {(d.canary, d.figure) for d in found.differences}


def test_a_promise_that_lets_every_row_through_is_found(starter, monkeypatch):
    from dataclasses import replace

    from expectations import gate

    kept = [p for p in ledger_suite.PROMISES if p.name != "due_not_before_document"]
    monkeypatch.setitem(gate.SUITES, "items", replace(ledger_suite.SUITE, promises=tuple(kept)))
    found = canaries.result_of(plan_in(starter))
    assert {d.canary[-2:] for d in found.differences} == {"10", "11"}


def test_a_broken_rule_stops_the_review_before_anything_is_computed_and_it_goes_on_when_the_rule_is_mended(company):
    config, error, (review, proposals, files) = company
    assert error.exit_code == 5 and "10 of 12" in error.what
    assert f"{PREFIX}02: rules against an increase grade|overdue expected, grade found" in error.what
    assert (review.state, review.last_good_state, proposals) == ("failed", "snapshotted", [])
    assert not {"certificate.json", "features", "canaries"} & set(files)
    with prepare.services(str(config)).store.read() as uow:
        (finding,) = uow.find(Finding, control="canaries")
        entries = [json.loads(row.body)["data"] for row in uow.find(AuditRow, action="validation.result", order_by=("seq",))]
        assert uow.get(Review, review_id=review.review_id).state == "routed"
    assert (finding.subject, finding.severity, finding.state) == (f"review:{review.review_id}", "high", "open")
    assert json.loads(finding.facts_json)["figures"].startswith("forbids_increase")
    assert [e["as_expected"] for e in entries] == [10, 12] and len({e["answers"] for e in entries}) == 1
    assert [d["canary"][-2:] for d in entries[0]["differences"]] == ["02", "06"] and entries[1]["differences"] == []
    certificate = json.loads((_folder(config, review) / "certificate.json").read_text())["canaries"]
    assert certificate == {"of": 12, "as_expected": 12, "answers": entries[1]["answers"]}


def test_no_canary_reaches_a_proposal_a_total_a_file_of_the_review_the_erp_or_a_message(company):
    config, _, (review, _, _) = company
    opened = open_services(settings.load(config))
    for table, rows in _dump(opened.store.engine):
        holding = [row for row in rows if PREFIX in str(row) or "CREDIT-REVIEW-BALLAST" in str(row)]
        # that it stopped is on record: the ride's entry, and the text of the failure
        assert not holding or table in ("audit_log", "audit_payload"), (table, holding)
    for path in [*_folder(config, review).rglob("*"), *(config / "erp_drop").rglob("*")]:
        if path.is_file() and path.name != canaries.RESULT:
            assert PREFIX.encode() not in path.read_bytes(), path
    assert "Canaries, in none of these lines: 12 of 12 as expected." in (_folder(config, review) / "report.html").read_text()
    plan = prepare.newest_plan(str(config))
    totals = json.loads((_folder(config, review) / "certificate.json").read_text())["total"]
    assert totals["customers"] == len({*plan.snapshot.ledger_customers(), *plan.snapshot.whole("customers")["customer_id"]})
    assert totals["rows"] == plan.snapshot.rows_read("items")


def _dump(engine):
    from sqlalchemy import MetaData, select

    found = MetaData()
    found.reflect(engine)
    with engine.connect() as connection:
        for table in found.sorted_tables:
            yield table.name, [tuple(row) for row in connection.execute(select(table))]


def test_without_a_ride_that_went_well_there_is_no_certificate(company):
    with_result = prepare.newest_plan(str(company[0]))
    path = with_result.workspace.folder / canaries.RESULT
    whole = json.loads(path.read_text())
    try:
        with_result.workspace.write_json(canaries.RESULT, whole | {"as_expected": 11})
        with pytest.raises(ReviewStopped, match=r"canaries.json does not say.*there is no certificate"):
            outcome.certify.fn(with_result)
        path.unlink()
        with pytest.raises(ReviewStopped, match=r"canaries.json does not say.*there is no certificate"):
            outcome.certify.fn(with_result)
    finally:
        with_result.workspace.write_json(canaries.RESULT, whole)


def test_a_real_customer_with_a_canary_s_number_is_quarantined_by_name():
    found = identity.reserved(ledger.frames(AS_OF, "EUR")["customers"].head(1), prefix=PREFIX)
    assert found["expectation"].tolist() == ["customer_id_is_not_reserved"] and found["could_raise"].tolist() == [True]
    assert found["customer_id"].tolist() == [PREFIX + "01"] and found["severity"].tolist() == ["warning"]
