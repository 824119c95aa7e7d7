"""A policy change request is on record by its digests, and where policy demands one no policy is adopted without it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from lifecycle_world import NOON, TODAY, Ledger, World

from credit_review.errors import BadInput, Conflict, Refused
from credit_review.model.records import PolicyChangeRequest
from credit_review.model.states import ReviewState
from credit_review.review import adopt, change_request
from credit_review.review.change_request import Computed

STARTER = (Path(__file__).parents[2] / "deployments/starter/policy.yaml").read_text(encoding="utf-8")

DEMANDS = STARTER.replace("policy_change_needs_request: false", "policy_change_needs_request: true ", 1)
HOUR = timedelta(hours=1)
NEXT = DEMANDS.replace('version: "2026.1"', 'version: "2026.2"', 1)


@pytest.fixture
def world(store, clock):
    return World(store, clock)


def reviewed(world, text=DEMANDS):
    """A world with a review of the book that has results, and a policy in force."""
    review = world.review(ReviewState.PROPOSED)
    return world.adopt("policy", text, now=NOON + HOUR).digest, review


def submitted(world, text=NEXT, authors=("p-three",)):
    found = world.do(adopt.submit, kind="policy", name="policy.yaml", content=text, authors=authors, by="p-three", now=NOON)
    return found.digest


def ask(world, old, new, review, *, by="p-three", reason="ceilings follow the insurer's", digests="abc"):
    report, listed, figures = (one * 64 for one in digests)
    computed = Computed(reviews=[review.review_id], report_digest=report, list_digest=listed, figures_digest=figures)
    return world.do(
        change_request.request_change,
        old_digest=old,
        new_digest=new,
        computed=computed,
        reason=reason,
        by=by,
        on=TODAY,
        now=NOON + 2 * HOUR,
    )


def adopted(world, digest, who, hours=3):
    return world.do(adopt.adopt, digest, person_id=who, on=TODAY, now=NOON + hours * HOUR)


def test_a_request_is_one_fact_with_one_entry_that_names_every_digest_and_keeps_the_reason_apart(world):
    old, review = reviewed(world)
    new = submitted(world)
    ledger = Ledger(world)
    request = ask(world, old, new, review)
    assert ask(world, old, new, review) == request and ledger.check() == {"change_request": 1}
    [entry] = world.entries("policy.change_requested")
    assert entry["entity"] == f"document:{new}" and entry["actor"] == "person:p-three"
    assert entry["data"] == {
        "request": request.request_id, "old": old, "reviews": [review.review_id], "report": "a" * 64, "list": "b" * 64, "figures": "c" * 64,
    }  # fmt: skip
    assert "insurer" not in str(entry["data"]) and request.reason.startswith("ceilings")


def test_a_policy_that_demands_requests_is_replaced_only_after_one_and_the_adoption_refers_to_it(world):
    old, review = reviewed(world)
    new = submitted(world)
    with pytest.raises(Refused, match="has no change request") as refused:
        adopted(world, new, "p-one")
    assert refused.value.code == change_request.NEEDED
    assert "credit-review policy diff policy.yaml --review 2026Q3 --request" in refused.value.next_step
    request = ask(world, old, new, review)
    with pytest.raises(Refused, match="only author"):
        adopted(world, new, "p-three")
    adopted(world, new, "p-one")
    assert adopted(world, new, "p-two").adopted_at == NOON + 3 * HOUR
    assert [e["data"].get("request") for e in world.entries("policy.changed", "document.adopted")][-2:] == [request.request_id] * 2


def test_a_request_against_an_earlier_policy_or_without_the_newest_review_is_out_of_date(world):
    first, review = reviewed(world)
    second, third = submitted(world), submitted(world, NEXT.replace("2026.2", "2026.3"))
    ask(world, first, third, review)
    ask(world, first, second, review)
    for who in ("p-one", "p-two"):
        adopted(world, second, who)
    with pytest.raises(Refused, match="out of date") as refused:
        adopted(world, third, "p-one", hours=5)
    assert refused.value.code == change_request.OUT_OF_DATE
    with world.store.begin() as uow:
        computed = Computed(reviews=["r-other"], report_digest="a" * 64, list_digest="b" * 64, figures_digest="c" * 64)
        change_request.request_change(
            uow, old_digest=second, new_digest=third, computed=computed, reason="why", by="p-one", on=TODAY, now=NOON + 4 * HOUR
        )
        uow.commit()
    with pytest.raises(Refused, match="out of date"):
        adopted(world, third, "p-one", hours=5)


def test_without_the_demand_adoption_is_as_it_was_and_still_refers_to_a_request_that_there_is(world):
    old, review = reviewed(world, STARTER)
    new = submitted(world, DEMANDS)
    adopted(world, new, "p-one")
    request = ask(world, old, new, review)
    adopted(world, new, "p-two")
    assert [e["data"].get("request") for e in world.entries("document.adopted", "policy.changed")][-2:] == [None, request.request_id]


def test_a_policy_in_force_that_this_version_cannot_read_can_be_replaced(world):
    reviewed(world, "version: from a later version\n")
    assert world.adopt("policy", DEMANDS, now=NOON + 3 * HOUR).adopted_at == NOON + 3 * HOUR


def test_what_is_no_change_of_the_policy_in_force_is_refused(world):
    old, review = reviewed(world)
    new = submitted(world)
    with pytest.raises(Refused, match="not the one in force"):
        ask(world, new, old, review)
    with pytest.raises(Refused, match="no other policy"):
        ask(world, old, old, review)
    with pytest.raises(Refused, match="no other policy"):
        ask(world, old, "f" * 64, review)
    with pytest.raises(BadInput, match="no reason"):
        ask(world, old, new, review, reason=" ")
    with pytest.raises(Refused):
        ask(world, old, new, review, by="p-nobody")
    assert world.find(PolicyChangeRequest) == [] and world.entries("policy.change_requested") == []


def test_the_database_itself_refuses_a_request_that_changes_nothing_or_has_no_reason(world):
    old, review = reviewed(world)
    plain = dict(
        request_id="pc-1", old_digest=old, new_digest=old, reviews=review.review_id, report_digest="a" * 64, list_digest="b" * 64,
        figures_digest="c" * 64, reason="why", requested_by="p-one", requested_at=NOON,
    )  # fmt: skip
    for wrong in ({}, {"new_digest": submitted(world), "reason": ""}, {"new_digest": "9" * 64}):
        with pytest.raises(Conflict), world.store.begin() as uow:
            uow.add(PolicyChangeRequest(**(plain | wrong)))
            uow.commit()
