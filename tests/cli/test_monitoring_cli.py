"""`scorecard monitor` on a real installation: what one review allows to say, what a year of reviews says, and what is left on record."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from datetime import date

import pytest
from office import AS_OF

from credit_review import scoring
from credit_review.adapters.workspace import Workspace
from credit_review.documents import parse
from credit_review.errors import Refused
from credit_review.model.records import AuditRow, Finding, Person, Review
from credit_review.model.states import DocumentOfRecord
from credit_review.scoring import Scorecard
from credit_review.scoring.calibration import calibrated
from credit_review.scoring.scorecard import Calibration
from tasks import artifacts, monitoring, prepare

pytestmark = pytest.mark.prefect

MONITOR = ("scorecard", "monitor")


def a_year_of_reviews(office, days):
    """The office's review again on earlier days, as if it had found the same then: folder and record."""
    review = office.one(Review)
    with office.opened.store.begin() as uow:
        for n, day in enumerate(days):
            uow.add(replace(review, review_id=f"r-earlier-{n}", as_of=day, label=day.isoformat(), manifest_digest=f"{n:064d}"))
        uow.commit()
    for n in range(len(days)):
        shutil.copytree(office.config / "data/reviews" / review.review_id, office.config / "data/reviews" / f"r-earlier-{n}")


def test_after_one_review_it_says_what_waits_and_leaves_report_entry_and_no_finding(office):
    told = office.run(*MONITOR).fine().out
    assert "back-test by review: needs 2 more quarters" in told and "drift of the score: needs 1 more quarter" in told
    (page,) = (office.config / "data/monitoring").glob("*/monitoring.html")
    assert str(page) in told and (page.parent / "monitoring.zh_CN.html").is_file() and (page.parent / "monitoring.json.sha256").is_file()
    entry = json.loads(office.one(AuditRow, action="model.monitored").body)
    card = scoring.load((office.config / "scorecard.json").read_text())
    assert entry["entity"] == f"document:{scoring.digest(card)}" and entry["actor"] == "system:monitor_scorecard"
    assert entry["data"]["waits"]["back_test"] == 2 and entry["data"]["reviews"] == [AS_OF.isoformat()] and entry["data"]["alarms"] == []
    assert office.find(Finding) == []


def test_a_year_of_reviews_is_held_against_the_ledger_and_an_exception_is_one_finding_however_often(office):
    a_year_of_reviews(office, [date(2025, 9, 30), date(2026, 3, 31), date(2026, 6, 30)])
    found = office.run(*MONITOR, "--json").json
    assert found["reviews"] == ["2025-09-30", "2026-03-31", "2026-06-30", "2026-09-30"] and found["needs_more_quarters"] == {}
    looks = {(c["as_of"], c["quarters"], c["whole"]) for c in found["back_test"]}
    assert looks == {("2025-09-30", 2, False), ("2025-09-30", 4, True), ("2026-03-31", 2, False)}
    assert found["judged"] == "2025-09-30" and found["measures"]["customers"] > 20 and found["migration"]["pairs"] == 2
    moves = found["migration"]["counts"]
    assert sum(map(sum, moves)) == sum(moves[i][i] for i in range(len(moves))), "the same review again moves nobody"
    assert found["score_drift"]["psi"] == 0 and not any(one["alarms"] for one in found["factor_drift"])


def test_an_alarm_is_one_finding_however_often_it_is_found_and_makes_the_exit_code_one(office, monkeypatch):
    monkeypatch.setattr(Scorecard, "holds", lambda *_: False)
    first, again = office.run(*MONITOR), office.run(*MONITOR)
    assert first.code == again.code == 1 and "1 exception found, 1 of them new" in first.out and "0 of them new" in again.out
    finding = office.one(Finding)
    card = scoring.load((office.config / "scorecard.json").read_text())
    assert (finding.control, finding.severity, finding.subject) == ("scorecard_past_date", "medium", f"document:{scoring.digest(card)}")
    assert len(office.find(AuditRow, action="model.monitored")) == 2


def test_artifacts_are_tables_of_figures_without_people_and_names(office, monkeypatch):
    a_year_of_reviews(office, [date(2025, 9, 30), date(2026, 6, 30)])
    made = {}
    for kind in ("markdown", "table", "link"):
        monkeypatch.setattr(artifacts, f"create_{kind}_artifact", lambda value, *, key, **more: made.__setitem__(key, (value, more)))
    done = monitoring.monitor.fn(str(office.config))
    artifacts.publish_monitoring.fn(done)
    assert {"scorecard-monitoring", "scorecard-back-test", "scorecard-drift", "scorecard-report"} <= set(made)
    assert all(len(rows) <= artifacts.MOST_ROWS for key, (rows, _) in made.items() if isinstance(rows, list))
    text = json.dumps([value for value, _ in made.values()], default=str)
    people = [p.name for p in office.find(Person)] + [p.person_id for p in office.find(Person)]
    assert not [one for one in people if one in text]
    assert made["scorecard-report"][1]["description"] == f"SHA-256 {done.report_sha256}"


def test_nothing_to_monitor_is_said_and_is_no_error(office):
    with office.opened.store.begin() as uow:
        uow.change(Review, where={"review_id": office.one(Review).review_id}, to={"state": "failed"})
        uow.commit()
    assert "no review has scored customers yet" in office.run(*MONITOR).fine().out
    assert office.find(AuditRow, action="model.monitored") == []


def test_a_figure_that_a_person_replaced_stands_in_the_ledger_with_its_reason_and_waits(office):
    _, offer, *_ = office.waiting(way="up", tier="T2")
    office.run("release", offer, who="p-analyst").fine()
    office.run("decide", offer, "counter", "--amount", "51,000", "--reason", "only for the season", who="p-manager").fine()
    told = office.run(*MONITOR).fine().out
    assert "overrides after 2 quarters: needs 2 more quarters" in told and "overrides after 4 quarters: needs 4 more quarters" in told
    (page,) = (office.config / "data/monitoring").glob("*/monitoring.html")
    text = page.read_text()
    assert "only for the season" in text and "p-manager" in text and "51,000.00 EUR" in text
    found = json.loads((page.parent / "monitoring.json").read_text())
    assert [(one["up"], one["quarters"], one["made"]) for one in found["overrides"] if one["made"]] == [(True, 2, 1), (True, 4, 1)]
    assert "p-manager" not in json.dumps(found), "overrides only in sums where people are not shown"


# --- the scorecard: its dates, its block ---------------------------------------------------------------------------------------------


def test_a_review_past_its_scorecards_date_is_refused_where_policy_says_so_and_warned_of_where_not(office):
    plan = prepare.plan_of(str(office.config), office.one(Review).review_id)
    documents = dict(prepare.governed_documents(office.opened.settings))
    prepare.require_in_date(plan, documents)
    card = scoring.load(documents[DocumentOfRecord.SCORECARD].text)
    past = card.model_copy(update={"valid_from": date(2025, 1, 1), "valid_to": AS_OF})
    documents[DocumentOfRecord.SCORECARD] = Workspace.plain_document("scorecard.json", scoring.dump(past))
    prepare.require_in_date(plan, documents)
    assert prepare.outside_its_dates(past, plan) == "the scorecard held until before 2026-09-30, and the review is as of 2026-09-30"
    later = card.model_copy(update={"valid_from": date(2026, 10, 1)})
    assert prepare.outside_its_dates(later, plan).startswith("the scorecard holds only from 2026-10-01")
    text = documents[DocumentOfRecord.POLICY].text.replace("scorecard_outside_its_dates: warn", "scorecard_outside_its_dates: refuse")
    documents[DocumentOfRecord.POLICY] = parse(text, name="policy.yaml")
    with pytest.raises(Refused, match="held until before 2026-09-30"):
        prepare.require_in_date(plan, documents)


def test_a_calibrated_card_gives_the_canaries_what_they_work_out_by_themselves(office):
    card = scoring.load((office.config / "scorecard.json").read_text())
    ends = {"shift_low": 0.1, "shift_high": 0.9, "slope_low": 0.5, "slope_high": 0.9}
    counted = {"definition": "default", "definition_words": "a write-off", "on": ("2025-09-30",), "rows": 900, "bad": 110}
    measured = calibrated(card, Calibration(shift=0.5, slope=0.7, **ends, **counted))
    (office.config / "scorecard.json").write_text(scoring.dump(measured))
    assert "12 of 12 as expected" in office.run("canaries").fine().out


def test_no_review_starts_with_a_scorecard_past_its_date_where_policy_refuses_that(office):
    office.edit("policy.yaml", "scorecard_outside_its_dates: warn", "scorecard_outside_its_dates: refuse")
    path = office.config / "scorecard.json"
    path.write_text(path.read_text().replace('"valid_from": null', '"valid_from": "2025-01-01",\n  "valid_to": "2026-10-01"'))
    office.adopt("policy.yaml")
    office.adopt("scorecard.json")
    before = len(office.find(Review))
    office.run("review", "run", "--as-of", "2026-12-31").refused(4, "held until before", "scorecard fit")
    assert len(office.find(Review)) == before
