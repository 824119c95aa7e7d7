"""Proposals are stored once, with the packet people sign, whatever crashes."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date

import pytest
from lifecycle_world import DIGESTS, NOON, Crash, CrashingStore, Ledger, World, draft, everything

from credit_review.adapters.store.unit_of_work import open_store
from credit_review.errors import BadInput, Refused, ReviewStopped
from credit_review.model.records import AuditPayload, LimitAccount, Proposal
from credit_review.model.states import Direction, ReviewState
from credit_review.review import lifecycle, propose
from credit_review.review.apply import apply
from credit_review.review.manifest import digest_of
from credit_review.review.propose import direction_of


@pytest.fixture
def world(store, clock):
    return World(store, clock)


def test_a_proposal_carries_its_packet_its_digest_and_where_it_comes_from(world):
    review = world.review()
    world.limit("c-1", 20_000_00)
    stored = world.store_drafts(review.review_id, [draft("c-1")])
    proposal = world.proposal("c-1")
    packet = json.loads(proposal.packet_json)
    assert stored.stored == (proposal.proposal_id,)
    assert proposal.digest == digest_of(proposal.packet_json)
    assert (packet["from_minor"], packet["to_minor"], packet["customer_name"]) == (20_000_00, 25_000_00, "c-1 Müller GmbH")
    assert (packet["manifest"], packet["policy"], packet["authority"]) == (
        review.manifest_digest, DIGESTS["policy"], DIGESTS["authority"],
    )  # fmt: skip
    assert (proposal.state, proposal.proposer_id, proposal.base_version, proposal.engine_minor) == ("draft", "system", 1, 25_000_00)


def test_the_entry_of_a_proposal_has_digests_and_amounts_and_no_names(world):
    review = world.review()
    world.limit("c-1", 20_000_00)
    world.store_drafts(review.review_id, [draft("c-1")])
    [entry] = world.entries("proposal.created")
    assert entry["data"]["digest"] == world.proposal("c-1").digest
    assert entry["data"]["manifest"] == review.manifest_digest
    assert (entry["data"]["from_minor"], entry["data"]["to_minor"]) == (20_000_00, 25_000_00)
    assert "Müller" not in json.dumps(world.entries(), ensure_ascii=False)
    assert not [p for p in world.find(AuditPayload) if "Müller GmbH" in str(p.payload)]


def test_a_customer_without_an_account_gets_one(world):
    review = world.review()
    ledger = Ledger(world)
    world.store_drafts(review.review_id, [draft("c-9", had=None, to=5_000_00)])
    assert ledger.check() == {"account": 1, "proposal": 1}
    proposal = world.proposal("c-9")
    assert (proposal.direction, proposal.from_minor, proposal.base_version) == ("new", None, 0)


def test_what_changes_nothing_is_not_proposed(world):
    review = world.review()
    world.limit("c-1", 20_000_00)
    stored = world.store_drafts(review.review_id, [draft("c-1", to=20_000_00), draft("c-2", to=20_000_00, had=None, terms_days=None)])
    assert (stored.unchanged, len(stored.stored)) == (1, 1)
    assert world.proposal("c-2").terms_days == 30


def test_running_again_stores_nothing_new_and_keeps_what_people_did(world):
    review = world.review()
    world.limit("c-1", 20_000_00)
    first = world.store_drafts(review.review_id, [draft("c-1"), draft("c-2", had=None)])
    before = everything(world)
    again = world.store_drafts(review.review_id, [draft("c-1"), draft("c-2", had=None)])
    assert (len(first.stored), again.stored, again.existing) == (2, (), 2)
    assert everything(world) == before


def test_another_engine_figure_on_resume_stops_the_review_naming_the_customer(world):
    review = world.review()
    world.limit("c-1", 20_000_00)
    world.store_drafts(review.review_id, [draft("c-1")])
    with pytest.raises(ReviewStopped, match="c-1"):
        world.store_drafts(review.review_id, [draft("c-1", to=26_000_00)])


def test_a_newer_review_supersedes_the_open_proposal_of_an_older_one(world):
    old = world.routed([draft("c-1", to=90_000_00)], as_of=date(2026, 6, 30))
    new = world.review()
    ledger = Ledger(world)
    world.store_drafts(new.review_id, [draft("c-1", to=80_000_00)])
    assert ledger.check() == {"proposal": 2}
    before, after = world.proposal("c-1", review_id=old), world.proposal("c-1", review_id=new.review_id)
    assert (before.state, before.outcome_code, after.supersedes_id) == ("superseded", "newer_review", before.proposal_id)
    assert json.loads(after.packet_json)["supersedes"] == before.proposal_id
    assert world.entries("proposal.superseded")[0]["data"]["successor"] == after.proposal_id


def test_an_older_review_leaves_the_open_proposal_of_a_newer_one(world):
    world.routed([draft("c-1", to=90_000_00)])
    old = world.review(as_of=date(2026, 6, 30))
    stored = world.store_drafts(old.review_id, [draft("c-1", to=80_000_00)])
    assert stored.yielded == (("c-1", world.proposal("c-1").review_id),) and stored.stored == ()
    assert world.proposal("c-1").to_minor == 90_000_00


def test_a_customer_that_a_newer_review_has_seen_is_left_to_it_whatever_became_of_its_proposal(world):
    new = world.routed([draft("c-1", rule="small")])
    with world.store.begin() as uow:
        assert apply(world.proposal("c-1").proposal_id, uow, NOON).state == "applied"
    old = world.review(as_of=date(2026, 6, 30))
    drafts = [draft("c-1", had=25_000_00, to=10_000_00), draft("c-2", to=80_000_00)]
    stored = propose.store_all(world.store, old.review_id, drafts, world.clock, reviewed_since={"c-1": new})
    assert stored.yielded == (("c-1", new),)
    assert [p.customer_id for p in world.find(Proposal, review_id=old.review_id)] == ["c-2"]


def test_what_is_in_force_here_counts_whatever_the_ledger_showed(world):
    review = world.review()
    world.limit("c-1", 30_000_00)
    world.store_drafts(review.review_id, [draft("c-1", had=20_000_00, to=25_000_00, rule="small")])
    proposal = world.proposal("c-1")
    assert (proposal.from_minor, proposal.direction, proposal.exceptional) == (30_000_00, "down", "erp_difference")
    assert proposal.straight_through_rule == ""


def test_proposals_are_stored_only_for_a_scored_review(world):
    for state in (ReviewState.SNAPSHOTTED, ReviewState.PROPOSED):
        review = world.review(state, scope=f"list:{state}")
        with pytest.raises(Refused):
            world.store_drafts(review.review_id, [draft("c-1", had=None)])


def test_a_transaction_takes_at_most_500_and_one_draft_an_account(world):
    review = world.review()
    with pytest.raises(BadInput, match="501"):
        world.do(propose.store_proposals, review.review_id, [draft(f"c-{n}", had=None) for n in range(501)], NOON)
    with pytest.raises(BadInput, match="two drafts"):
        world.do(propose.store_proposals, review.review_id, [draft("c-1", had=None)] * 2, NOON)


def test_packets_with_a_float_or_an_amount_past_the_log_are_refused(world):
    review = world.review()
    for bad in (replace(draft("c-1", had=None), points=1.5), replace(draft("c-1", had=None), exposure_minor=2**53)):
        with pytest.raises(BadInput):
            world.store_drafts(review.review_id, [bad])
    assert world.find(Proposal) == [] and world.find(LimitAccount) == []


def many(count=1100):
    return [draft(f"c-{n:04d}", had=None, to=5_000_00 + n * 100) for n in range(count)]


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("at", [1, 2, 3])
def test_storing_goes_on_after_a_crash_as_if_nothing_had_happened(sqlite_url, sqlite_template, tmp_path, clock, monkeypatch, at, after):
    monkeypatch.setattr(propose, "AT_ONCE", 4)
    worlds = []
    for name in ("whole", "crashed"):
        path = tmp_path / f"{name}.db"
        path.write_bytes(sqlite_template.read_bytes())
        worlds.append(World(open_store(f"sqlite:///{path}", clock), clock))
    drafts = many(11)
    for world in worlds:
        review = world.review()
        if world is worlds[1]:
            with pytest.raises(Crash):
                world.store_drafts(review.review_id, drafts, store=CrashingStore(world.store, at, after=after))
        world.store_drafts(review.review_id, drafts)
    assert everything(worlds[0]) == everything(worlds[1])
    for world in worlds:
        world.store.close()


def test_storing_goes_on_after_a_crash_on_both_databases(world, monkeypatch):
    monkeypatch.setattr(propose, "AT_ONCE", 4)
    review = world.review()
    ledger = Ledger(world)
    for at, after in ((2, False), (1, True), (1, False)):
        with pytest.raises(Crash):
            world.store_drafts(review.review_id, many(11), store=CrashingStore(world.store, at, after=after))
    world.store_drafts(review.review_id, many(11))
    assert ledger.check() == {"account": 11, "proposal": 11}
    assert len(world.find(Proposal)) == 11


def test_the_number_of_statements_does_not_grow_with_the_drafts(sqlite_store, clock):
    from sqlalchemy import event

    world = World(sqlite_store, clock)
    review = world.review()
    counts = []
    seen = []
    event.listen(sqlite_store.engine, "before_cursor_execute", lambda *args: seen.append(args[2]))
    for size in (5, propose.AT_ONCE):
        seen.clear()
        world.store_drafts(review.review_id, [draft(f"c-{size}-{n}", had=None) for n in range(size)])
        counts.append(len(seen))
    assert counts[0] == counts[1] < 25


@pytest.mark.parametrize(
    ("had", "to", "before", "after", "way"),
    [
        (None, 0, None, 30, Direction.NEW),
        (100, 200, 30, 10, Direction.UP),
        (100, 50, 30, 60, Direction.DOWN),
        (100, 100, 30, 60, Direction.UP),
        (100, 100, 30, 14, Direction.DOWN),
        (100, 100, 30, 30, Direction.SAME),
        (0, 0, None, 30, Direction.UP),
    ],
)
def test_direction_goes_by_amount_and_then_by_terms(had, to, before, after, way):
    assert direction_of(from_minor=had, to_minor=to, from_terms_days=before, terms_days=after) == way


def test_ids_follow_from_review_and_account_alone():
    assert draft("c-1").account_id == draft("c-1", to=1).account_id != draft("c-1", currency="USD").account_id
    assert len({propose.proposal_id(r, draft(c).account_id) for r in ("r-1", "r-2") for c in ("a", "b")}) == 4
    assert lifecycle.BATCH == 500
