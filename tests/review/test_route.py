"""Routing: by rule within the lowest tier's authority, otherwise to the analyst, or to the approvers where policy says so."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from lifecycle_world import LONG_AGO, NOON, RECORDED, RULES, Crash, CrashingStore, Ledger, World, draft, everything

from credit_review.adapters.store.unit_of_work import open_store
from credit_review.errors import BadInput, Refused
from credit_review.model.records import GroupMembership, OutboxEntry, Proposal
from credit_review.model.states import ReviewState
from credit_review.review import lifecycle, route
from credit_review.review.apply import apply


@pytest.fixture
def world(store, clock):
    return World(store, clock)


def proposed(world, drafts, **changed):
    review = world.review(**changed)
    for one in drafts:
        if one.from_minor is not None:
            world.limit(one.customer_id, one.from_minor, one.from_terms_days, one.currency)
    world.store_drafts(review.review_id, drafts)
    world.do(lifecycle.advance, review.review_id, ReviewState.PROPOSED)
    return review.review_id


def test_a_small_untouched_proposal_is_approved_by_rule_and_owed_once(world):
    review = proposed(world, [draft("c-1", rule="small increase")])
    ledger = Ledger(world)
    routed = route.route_all(world.store, review, RULES, world.clock)
    proposal = world.proposal("c-1")
    assert (routed.by_rule, routed.waiting) == (1, 0)
    assert (proposal.state, proposal.outcome_code, proposal.decided_at) == ("approved", "by_rule", NOON)
    [owed] = world.find(OutboxEntry)
    assert (owed.kind, owed.dedup_key) == ("apply", f"apply:{proposal.proposal_id}")
    assert ledger.check() == {"proposal": 1}
    assert world.entries("proposal.auto_approved")[0]["data"]["rule"] == "small increase"


def test_what_a_rule_approved_is_applied(world):
    review = proposed(world, [draft("c-1", rule="small increase")])
    route.route_all(world.store, review, RULES, world.clock)
    with world.store.begin() as uow:
        applied = apply(world.proposal("c-1").proposal_id, uow, NOON)
    assert applied.state == "applied"


def test_everything_else_waits_for_the_analyst_with_its_tier(world):
    drafts = [draft("c-1", to=90_000_00), draft("c-2", to=400_000_00), draft("c-3", had=None, to=5_000_00, rule="x")]
    review = proposed(world, drafts)
    ledger = Ledger(world)
    assert route.route_all(world.store, review, RULES, world.clock).waiting == 3
    found = {p.customer_id: p for p in world.find(Proposal)}
    assert {p.state for p in found.values()} == {"draft"}
    assert {p.assigned_to for p in found.values()} == {"p-analyst"}
    assert (found["c-1"].tier, found["c-2"].tier, found["c-2"].required_approvals) == ("T2", "T3", 2)
    assert found["c-3"].straight_through_rule == ""
    assert ledger.check() == {"proposal": 3}


def test_many_small_increases_of_one_group_do_not_pass_where_a_large_one_would_not(world):
    drafts = [draft(f"c-{n}", had=2_000_00, to=10_000_00, rule="small", group_id="g") for n in range(10)]
    with world.store.begin() as uow:
        uow.add(
            *(
                GroupMembership(customer_id=f"c-{n}", group_id="g", valid_from=LONG_AGO, valid_to=None, recorded_at=RECORDED)
                for n in range(10)
            )
        )
        uow.commit()
    review = proposed(world, drafts)
    routed = route.route_all(world.store, review, RULES, world.clock)
    passed = world.find(Proposal, state="approved")
    assert (len(passed), routed.beyond_rule) == (6, 4)
    assert sum(p.to_minor - (p.from_minor or 0) for p in passed) <= 50_000_00
    assert {p.tier for p in world.find(Proposal, state="draft")} == {"T2"}


def test_policy_may_send_untouched_proposals_to_the_approvers_at_once(world):
    review = proposed(world, [draft("c-1", to=90_000_00)])
    through = RULES.policy.straight_through.model_copy(update={"release_untouched": True})
    rules = replace(RULES, policy=RULES.policy.model_copy(update={"straight_through": through}))
    ledger = Ledger(world)
    assert route.route_all(world.store, review, rules, world.clock).pending == 1
    proposal = world.proposal("c-1")
    assert (proposal.state, proposal.expires_at) == ("pending", datetime(2026, 10, 29, 16, tzinfo=UTC))
    cards = [f"slack_post:{kind}:{key}:C1" for kind, key in (("proposal", proposal.proposal_id), ("summary", review))]
    assert sorted(o.dedup_key for o in world.find(OutboxEntry)) == cards
    assert ledger.check() == {"proposal": 1}


def test_a_disabled_rule_lets_nothing_pass(world):
    review = proposed(world, [draft("c-1", rule="small")])
    through = RULES.policy.straight_through.model_copy(update={"enabled": False})
    rules = replace(RULES, policy=RULES.policy.model_copy(update={"straight_through": through}))
    assert route.route_all(world.store, review, rules, world.clock).waiting == 1


def test_a_held_review_is_not_routed_until_a_person_confirms(world):
    review = proposed(world, [draft("c-1", rule="small")])
    world.do(lifecycle.hold, review, "74% late")
    with pytest.raises(Refused, match="74% late"):
        route.route_all(world.store, review, RULES, world.clock)
    assert world.proposal("c-1").state == "draft"
    world.do(lifecycle.confirm_extract, review, person_id="p-manager", reason="checked", on=NOON.date(), now=NOON)
    assert route.route_all(world.store, review, RULES, world.clock).by_rule == 1


def test_a_proposal_whose_group_cannot_be_added_up_waits_and_the_others_go_on(world):
    review = proposed(world, [draft("c-1", rule="small"), draft("c-2", currency="USD", rule="small")])
    routed = route.route_all(world.store, review, RULES, world.clock)
    assert (routed.by_rule, routed.waiting) == (1, 1)
    assert (world.proposal("c-2").state, world.proposal("c-2").tier, world.proposal("c-2").assigned_to) == ("draft", "", "p-analyst")
    assert world.entries("proposal.assigned")[0]["data"]["because"] == ["no_rate"]


def test_only_a_proposed_review_is_routed(world):
    review = world.review()
    with pytest.raises(Refused):
        world.do(route.route, review.review_id, [], RULES, NOON)
    with pytest.raises(BadInput):
        world.do(route.route, review.review_id, ["p"] * 501, RULES, NOON)


def test_routing_again_changes_nothing(world):
    review = proposed(world, [draft("c-1", rule="small"), draft("c-2", to=90_000_00)])
    route.route_all(world.store, review, RULES, world.clock)
    before = everything(world)
    ids = [p.proposal_id for p in world.find(Proposal)]
    assert route.route_all(world.store, review, RULES, world.clock, proposal_ids=ids) == route.Routed()
    assert everything(world) == before


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("at", [1, 2, 3])
def test_routing_goes_on_after_a_crash_as_if_nothing_had_happened(sqlite_template, tmp_path, clock, monkeypatch, at, after):
    monkeypatch.setattr(route, "AT_ONCE", 3)
    worlds = []
    for name in ("whole", "crashed"):
        path = tmp_path / f"{name}.db"
        path.write_bytes(sqlite_template.read_bytes())
        worlds.append(World(open_store(f"sqlite:///{path}", clock), clock))
    drafts = [draft(f"c-{n}", to=25_000_00 if n % 2 else 90_000_00, rule="small") for n in range(8)]
    for world in worlds:
        review = proposed(world, drafts)
        if world is worlds[1]:
            with pytest.raises(Crash):
                route.route_all(CrashingStore(world.store, at, after=after), review, RULES, clock)
        route.route_all(world.store, review, RULES, clock)
    assert everything(worlds[0]) == everything(worlds[1])
    for world in worlds:
        world.store.close()
