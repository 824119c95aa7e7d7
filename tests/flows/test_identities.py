"""What a person decided about who is who holds in the next review, against the mapping's rules."""

from __future__ import annotations

import inspect
import json
from datetime import UTC, datetime

import pytest
import without_prefect
from installed import AS_OF, install

from credit_review.adapters.clock import FixedClock
from credit_review.adapters.wiring import open_services
from credit_review.model.records import AuditRow, CustomerAlias, Review
from credit_review.review import opening
from tasks import intake, prepare

ADOPTED, NOW = datetime(2026, 10, 1, 12, tzinfo=UTC), datetime(2026, 10, 7, 12, tzinfo=UTC)


@pytest.fixture
def config(tmp_path, monkeypatch):
    without_prefect.apply(monkeypatch)
    monkeypatch.setattr(prepare, "open_services", lambda found: open_services(found, clock=FixedClock(NOW)))
    install(tmp_path / "config", customers=24, seed=4, clock=FixedClock(ADOPTED))
    return str(tmp_path / "config")


def test_a_join_that_a_person_decided_is_read_so_and_listed_with_the_person(config):
    number, other = "0000100107", "100114"
    times = {"valid_from": AS_OF, "valid_to": None, "recorded_at": ADOPTED}
    decided = {"decided_by": "p-controller", "evidence": "same VAT number, letter of 2026-09-01"}
    alias = CustomerAlias(source="demo-erp", legal_entity="1000", source_number=number, customer_id=other, **decided, **times)
    with prepare.services(config).store.begin() as uow:
        opening.record_aliases(uow, [alias], by="p-controller")
        uow.commit()
    snapshot = intake.take_snapshot(prepare.open_review(prepare.plan_review(config, AS_OF, "all"), "")).snapshot
    aliases = snapshot.joined_aliases().set_index("source_number")
    assert aliases.loc[number, ["customer_id", "decided_by"]].tolist() == [other, "p-controller"]
    for dataset in ("items", "customers", "external", "cover"):
        assert not snapshot.whole(dataset)["customer_id"].eq("100107").any(), dataset


def test_a_review_started_or_resumed_by_hand_is_that_persons_and_no_flow_takes_a_name(config):
    from flows.periodic_review import periodic_review

    with prepare.acting_as("p-manager"):
        plan = prepare.open_review(prepare.plan_review(config, AS_OF, "all"), "")
        prepare.resume_review(config, plan.review_id)
    with prepare.services(config).store.read() as uow:
        assert uow.get(Review, review_id=plan.review_id).started_by == "p-manager"
        bodies = [json.loads(row.body) for row in uow.find(AuditRow, order_by=("seq",))]
    assert [b["actor"] for b in bodies if b["action"] in ("run.started", "run.resumed")] == ["person:p-manager"] * 2
    assert set(inspect.signature(periodic_review.fn).parameters) == {"config", "as_of", "scope", "supersede", "resume"}
