"""Coaching figures and canaries at the command line."""

from __future__ import annotations

import csv
from datetime import UTC, date, datetime, timedelta

import pytest
from office import CLOCK

from credit_review.model.records import AuditRow, PacketOpening, Proposal
from credit_review.review import coaching
from deployments import demo_company

pytestmark = pytest.mark.prefect


def test_a_person_sees_his_own_figures_and_only_the_control_owner_those_of_others(office, monkeypatch):
    up, offer, *_ = office.waiting(way="up", tier="T2")
    office.run("show", up, who="p-analyst").fine()
    CLOCK.advance(timedelta(hours=2))
    office.run("release", up, offer, who="p-analyst").fine()
    office.run("show", up, who="p-manager").fine()
    CLOCK.advance(timedelta(hours=3))
    office.run("decide", up, "return", "--reason", "which site?", who="p-manager").fine()
    office.run("decide", offer, "counter", "--amount", "51,000", "--reason", "season", who="p-manager").fine()
    assert sorted(o.person_id for o in office.find(PacketOpening)) == ["p-analyst", "p-manager"]
    mine = office.run("audit", "coaching", "--period", "2026Q4", who="p-manager").fine().out
    assert "Mia Holm, as approver" in mine and "Anna Berg" not in mine and "too few cases (1, at least 10)" in mine
    office.run("audit", "coaching", "--period", "2026Q4", "--person", "p-analyst", who="p-manager").refused(4, "coaching figures of others")
    assert [row.entity for row in office.find(AuditRow, action="decision.refused")] == ["log"]
    monkeypatch.setattr(coaching, "LEAST", 1)
    monkeypatch.setattr(coaching.figures, "__kwdefaults__", {"least": 1})
    everyone = ("audit", "coaching", "--period", "2026Q4", "--person", "everyone", "--json")
    found = {(one["person_id"], one["role"]): one for one in office.run(*everyone, who="p-ceo").fine().json["people"]}
    analyst, manager = found["p-analyst", "analyst"], found["p-manager", "approver"]
    assert (analyst["cases"], analyst["opened_cases"], analyst["median_hours"], analyst["returned"]) == (2, 1, 2.0, 1)
    assert (manager["cases"], manager["median_hours"], manager["answers"]) == (2, 3.0, {"counter": 1, "return": 1})
    assert (manager["overrides"], manager["overrides_known"]) == (1, {"2": 0, "4": 0})
    office.run("audit", "coaching", "--period", "2026-4", who="p-ceo").refused(3, "is no quarter", "2026Q4")


def test_the_canaries_are_asked_for_before_anything_is_adopted(office):
    told = office.run("canaries").fine().out
    assert "canaries: 12 of 12 as expected" in told and "13,000 EUR" in told
    policy = office.config / "policy.yaml"
    policy.write_text(policy.read_text().replace("A: {need_factor: 1.30", "A: {need_factor: 1.25"))
    found = office.run("canaries", "--json").fine().json
    assert found["as_expected"] == 12 and found["expected"]["CREDIT-REVIEW-CANARY-01"]["to_minor"] == 12_000_00


def test_what_became_of_an_override_is_what_the_review_two_quarters_later_found(office, monkeypatch):
    paying, late, lost, offer, *_ = office.waiting(way="up", tier="T2")
    of = {key: office.one(Proposal, proposal_id=key) for key in (paying, late, lost, offer)}
    for key in (paying, late, lost):
        office.run("release", key, "--amend", f"{of[key].to_minor // 100 + 1000}", "--reason", "season", who="p-analyst").fine()
    office.run("release", offer, who="p-analyst").fine()
    office.run("decide", offer, "counter", "--amount", "51,000", "--reason", "season", who="p-manager").fine()
    later = date(2027, 3, 31)
    CLOCK.set(datetime(2027, 4, 1, 12, tzinfo=UTC))
    folder = office.config / "ledger"
    demo_company.write(folder, seed=3, as_of=later, customers=45)
    number = {key: one.customer_id.rjust(10, "0") for key, one in of.items()}
    old = {"document_date": "2026-09-01", "posting_date": "2026-09-01", "due_date": "2026-10-01"}
    owes = {"customer_number": number[late], "document_type": "INV"}
    assert rewritten(folder / "ledger.csv", lambda row: owes.items() <= row.items() and row["open_amount"] == row["amount"], old)
    gone = {"credit_status": "I", "status_since": "2027-02-01"}
    assert rewritten(folder / "customers.csv", lambda row: row["customer_number"] == number[lost], gone) == 1
    office.run("review", "run", "--as-of", later.isoformat()).fine()
    monkeypatch.setattr(coaching.figures, "__kwdefaults__", {"least": 1})
    told = office.run("audit", "coaching", "--period", "2026Q4", "--person", "everyone", "--json", who="p-ceo").fine().json
    analyst, manager = told["people"]
    assert analyst["looked_at"] == {"2": {"better": 0, "same": 1, "worse": 2, "late": 2}, "4": None}, "insolvent counts like late"
    assert manager["looked_at"]["2"] == {"better": 0, "same": 1, "worse": 0, "late": 0}
    assert (analyst["overrides"], analyst["overrides_known"]) == (3, {"2": 3, "4": 0})


def rewritten(path, where, to):
    """How many rows of a CSV file got other values."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    chosen = [row for row in rows if where(row)]
    for row in chosen:
        row.update(to)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return len(chosen)
