"""A review of an earlier period after one of a later: what was found on newer data stands, and everybody is told so."""

from __future__ import annotations

import csv
import json

import pytest

from credit_review.model.records import AuditRow, CreditLimit, Proposal, Review
from credit_review.words import recalled
from deployments.cli import reviewing

pytestmark = pytest.mark.prefect

EARLIER = "2026-06-30"


def earlier_extract(office):
    """The source states its totals as at the later day; for the earlier one it states none."""
    text = (office.config / "mapping.yaml").read_text(encoding="utf-8")
    (office.config / "mapping.yaml").write_text(text.partition("\nstated_totals:")[0] + "\n", encoding="utf-8")
    office.adopt("mapping.yaml")


def record(office):
    """Limits in force and where every proposal stands."""
    limits = {limit.account_id: (limit.version, limit.amount_minor, limit.terms_days) for limit in office.find(CreditLimit)}
    return limits, {p.proposal_id: (p.state, p.to_minor, p.outcome_code) for p in office.find(Proposal)}


def test_a_review_of_an_earlier_period_changes_nothing_for_customers_that_a_later_one_has_seen(office):
    newer = office.one(Review).review_id
    earlier_extract(office)
    office.run("apply").fine()  # those approved by rule are in force now, and no longer open
    ended = office.waiting(way="up")[0]
    office.run("exclude", ended, "--rule", "netting", "--reason", "x", who="p-analyst").fine()
    before = record(office)
    assert {"applied", "draft", "rejected"} <= {state for state, _, _ in before[1].values()}

    done = office.run("review", "run", "--as-of", EARLIER).fine()
    assert f"warning: review {newer} as of 2026-09-30 is newer than {EARLIER}" in done.err
    (ended,) = [line for line in done.out.splitlines() if f"left to the newer review {newer}" in line]
    assert "0 approved by rule, 0 wait for people" in ended
    assert any(recalled(ended, template) for template in reviewing._ENDS), "which is how it comes to be said in another language"
    assert record(office) == before, "limits and proposals are those of the newer review"

    older = next(r for r in office.find(Review) if r.review_id != newer)
    folder = office.config / "data" / "reviews" / older.review_id
    certificate = json.loads((folder / "certificate.json").read_text(encoding="utf-8"))
    proposals = list(csv.DictReader((folder / "proposals.csv").open(encoding="utf-8-sig")))
    changed = {row["customer_id"] for row in proposals if row["state"] == "reviewed"}
    left = certificate["left_to_newer"]
    assert list(left) == [newer] and set(left[newer]) <= changed and len(left[newer]) > 20
    seen = {row["customer_id"] for row in proposals}
    assert certificate["total"]["customers"] == len(seen) == sum(line["customers"] or 0 for line in certificate["lines"])
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert f"review {newer} is newer and has reviewed them" in page and "left to a newer review" in page
    entries = [json.loads(row.body) for row in office.find(AuditRow, entity=f"review:{older.review_id}")]
    assert [e["data"]["left_to_newer_reviews"] for e in entries if "left_to_newer_reviews" in e["data"]] == [{newer: len(left[newer])}]
    assert office.run("audit", "verify").code == 2


def test_the_summary_of_such_a_review_is_read_in_chinese_too(office, monkeypatch):
    """The flow's last words come back as the text that the test above has seen; nothing is reviewed for it a second time."""
    newer = office.one(Review).review_id
    ended = f"45 customers: 0 up, 0 down, 9 same, 0 new; 0 approved by rule, 0 wait for people; 30 left to the newer review {newer}"
    monkeypatch.setattr(reviewing, "run_flow", lambda *_, **__: ended)
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    done = office.run("review", "run", "--as-of", EARLIER).fine()
    assert "警告：" in done.err and "留给较新的复核" in done.out and "left to" not in done.out
