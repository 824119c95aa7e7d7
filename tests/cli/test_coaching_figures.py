"""Coaching figures and canaries at the command line."""

from __future__ import annotations

from datetime import timedelta

import pytest
from office import CLOCK

from credit_review.model.records import AuditRow, PacketOpening
from credit_review.review import coaching

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
