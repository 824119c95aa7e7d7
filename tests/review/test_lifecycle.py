"""A review starts, advances, fails, resumes and is held by rule, each change with one entry."""

from __future__ import annotations

from datetime import date, timedelta
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lifecycle_world import AS_OF, DIGESTS, NOON, TEXTS, TODAY, Crash, CrashingStore, Ledger, World, draft, start_command, whole

from credit_review.errors import BadInput, Conflict, Refused, ReviewStopped
from credit_review.model.records import OutboxEntry, Proposal, Review, ReviewBatch
from credit_review.model.states import ReviewState
from credit_review.review import lifecycle, naming
from credit_review.review.lifecycle import NEXT, Batch
from credit_review.review.manifest import Manifest, from_json


@pytest.fixture
def world(store, clock):
    return World(store, clock)


def test_a_review_starts_as_a_draft_with_its_manifest_in_the_entry(world):
    world.adopt_all()
    review = world.start()
    [entry] = world.entries("run.started")
    assert review.state == ReviewState.DRAFT
    assert world.one(Review) == review
    assert entry["entity"] == f"review:{review.review_id}"
    assert entry["data"]["manifest"] == review.manifest_digest == from_json(review.manifest_json).digest()


def test_an_as_of_date_in_the_future_is_refused(world):
    world.adopt_all()
    with pytest.raises(Refused, match="future") as refused:
        world.start(as_of=date(2026, 10, 2))
    assert refused.value.code == "review.future"
    assert world.find(Review) == []


@pytest.mark.parametrize("kind", ["policy", "authority", "scorecard", "mapping"])
def test_a_document_that_two_people_have_not_adopted_is_refused_naming_file_and_command(world, kind):
    for other, text in TEXTS.items():
        world.adopt(other, text, adopters=("p-one",) if other == kind else ("p-one", "p-two"))
    with pytest.raises(Refused) as refused:
        world.start()
    assert refused.value.code == "document.not_adopted"
    assert f"{kind}.yaml" in refused.value.what and "1 of 2" in refused.value.what
    assert f"credit-review adopt {kind}.yaml" in refused.value.next_step


def test_a_policy_that_was_replaced_is_refused(world):
    world.adopt_all()
    later = NOON + timedelta(seconds=1)
    world.adopt("policy", TEXTS["policy"] + "# newer\n", name="policy-2.yaml", now=later)
    with pytest.raises(Refused, match=r"policy-2\.yaml"):
        world.do(lifecycle.start, start_command(), later)


def test_a_second_review_of_a_routed_period_is_told_what_is_left_to_do_in_the_first(world):
    first = world.review(ReviewState.ROUTED)
    with pytest.raises(Refused) as refused:
        world.start()
    assert "resume" not in refused.value.next_step and f"review close {first.review_id}" in refused.value.next_step


def test_documents_must_be_those_of_the_manifest(world):
    world.adopt_all()
    command = start_command()
    with pytest.raises(BadInput, match="differ"):
        world.start(documents=command.documents[1:])


def test_a_second_live_review_is_refused_naming_the_first(world):
    world.adopt_all()
    first = world.start()
    with pytest.raises(Refused) as refused:
        world.start()
    assert first.review_id in refused.value.what
    assert "--supersede" in refused.value.next_step and f"review resume {first.review_id}" in refused.value.next_step
    world.start(as_of=date(2026, 6, 30))
    world.start(scope="region:DE")
    assert len(world.find(Review)) == 3


def test_superseding_ends_the_first_review_and_its_open_proposals_and_withdraws_their_application(world):
    first = world.routed([draft("c-1", rule="small"), draft("c-2", to=90_000_00)])
    ledger = Ledger(world)
    second = world.start(supersede="wrong extract")
    assert second.attempt == 2 and second.review_id != first
    assert world.one(Review, review_id=first).state == ReviewState.SUPERSEDED
    assert {p.state for p in world.find(Proposal)} == {"superseded"}
    assert {o.state for o in world.find(OutboxEntry, kind="apply")} == {"confirmed"}
    assert ledger.check() == {"review": 2, "proposal": 2}
    assert sorted(e["data"]["from"] for e in world.entries("proposal.superseded")) == ["approved", "draft"]


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("at", [1, 2, 3, 4])
def test_superseding_in_batches_goes_on_after_a_crash(world, monkeypatch, at, after):
    first = world.routed([draft(f"c-{n}", to=90_000_00) for n in range(5)])
    monkeypatch.setattr(lifecycle, "retire_open", partial(lifecycle.retire_open, limit=2))
    command = start_command(supersede="again")
    with pytest.raises(Crash):
        lifecycle.start_in_batches(CrashingStore(world.store, at, after=after), command, world.clock)
    if world.one(Review, review_id=first).state != ReviewState.SUPERSEDED:
        lifecycle.start_in_batches(world.store, command, world.clock)
    assert {p.state for p in world.find(Proposal)} == {"superseded"}
    assert len(world.entries("proposal.superseded")) == 5
    assert len(world.entries("run.started")) == 2
    assert len(world.entries("review.superseded")) == 1


def test_start_in_batches_refuses_before_it_ends_anything(world):
    world.routed([draft("c-1", to=90_000_00)])
    with pytest.raises(Refused, match="future"):
        lifecycle.start_in_batches(world.store, start_command(supersede="x", today=date(2026, 9, 1)), world.clock)
    assert world.proposal("c-1").state == "draft"


def test_the_manifest_is_completed_once_and_makes_the_review_snapshotted(world):
    world.adopt_all()
    review = world.start()
    manifest = whole(from_json(review.manifest_json))
    done = world.do(lifecycle.complete_manifest, review.review_id, manifest)
    again = world.do(lifecycle.complete_manifest, review.review_id, manifest)
    assert done == again == world.one(Review)
    assert (done.state, done.manifest_digest) == (ReviewState.SNAPSHOTTED, manifest.digest())
    [entry] = world.entries("run.state_changed")
    assert entry["data"]["manifest"] == manifest.digest()
    with pytest.raises(ReviewStopped, match="fixed"):
        world.do(lifecycle.complete_manifest, review.review_id, whole(manifest, ledger="9" * 64))


def test_a_manifest_may_not_change_what_was_fixed_at_the_start(world):
    world.adopt_all()
    review = world.start()
    other = from_json(start_command(seed=8, review_id=review.review_id).manifest.to_json())
    with pytest.raises(ReviewStopped, match="fixed"):
        world.do(lifecycle.complete_manifest, review.review_id, whole(other))


def test_a_review_without_its_snapshot_does_not_advance(world):
    world.adopt_all()
    review = world.start()
    with pytest.raises(Refused, match="incomplete"):
        world.do(lifecycle.advance, review.review_id, ReviewState.SNAPSHOTTED)


def test_only_the_next_state_is_reached(world):
    review = world.review(ReviewState.SNAPSHOTTED)
    for to in ReviewState:
        if to in (ReviewState.SNAPSHOTTED, ReviewState.VALIDATED):
            continue
        with pytest.raises(Refused):
            world.do(lifecycle.advance, review.review_id, to)
    ledger = Ledger(world)
    assert world.do(lifecycle.advance, review.review_id, ReviewState.VALIDATED).state == ReviewState.VALIDATED
    assert ledger.check() == {"review": 1}
    world.do(lifecycle.advance, review.review_id, ReviewState.VALIDATED)
    assert ledger.check() == {}


def test_closing_is_not_a_step_of_the_flow():
    assert NEXT[ReviewState.SETTLED] == ReviewState.CLOSED
    assert ReviewState.FAILED not in NEXT and ReviewState.SUPERSEDED not in NEXT


def test_a_failed_review_resumes_in_its_last_good_state(world):
    review = world.review(ReviewState.VALIDATED)
    ledger = Ledger(world)
    failed = world.do(lifecycle.fail, review.review_id, code="totals", text="EUR does not tie for Müller")
    world.do(lifecycle.fail, review.review_id, code="totals", text="again")
    assert (failed.state, failed.last_good_state) == (ReviewState.FAILED, ReviewState.VALIDATED)
    assert ledger.check() == {"review": 1}
    resumed = world.do(lifecycle.resume, review.review_id)
    assert (resumed.state, resumed.failure) == (ReviewState.VALIDATED, "")
    assert ledger.check() == {"review": 1}
    assert "Müller" not in str([e["data"] for e in world.entries()])


def test_a_review_whose_process_died_resumes_where_it_stands_and_the_log_says_so(world):
    review = world.review(ReviewState.SCORED)
    assert world.do(lifecycle.resume, review.review_id).state == ReviewState.SCORED
    assert world.entries("run.resumed")[0]["data"] == {"from": "scored", "to": "scored"}


def test_a_routed_review_has_nothing_to_resume(world):
    review = world.review(ReviewState.ROUTED)
    with pytest.raises(Refused):
        world.do(lifecycle.resume, review.review_id)


def test_an_unknown_review_is_named(world):
    with pytest.raises(BadInput, match="r-none"):
        world.do(lifecycle.advance, "r-none", ReviewState.VALIDATED)


def bucket(number=3, **changed):
    known = {"stage": "scored", "bucket": number, "path": "scores/0003.parquet", "sha256": "1" * 64, "root": "2" * 64}
    return Batch(**{**known, "customers": 2, "states": {"reviewed": 2}, "totals": {"EUR": 100}, **changed})


def test_a_bucket_is_recorded_once_with_one_entry(world):
    review = world.review(ReviewState.VALIDATED)
    ledger = Ledger(world)
    assert world.do(lifecycle.record_batch, review.review_id, bucket()) is True
    assert world.do(lifecycle.record_batch, review.review_id, bucket()) is False
    assert world.do(lifecycle.record_batch, review.review_id, bucket(4)) is True
    assert ledger.check() == {"batch": 2}
    assert len(world.find(ReviewBatch)) == 2
    assert world.entries("score.batch")[0]["data"]["root"] == "2" * 64


def test_a_bucket_with_another_result_stops_the_review(world):
    review = world.review(ReviewState.VALIDATED)
    world.do(lifecycle.record_batch, review.review_id, bucket())
    with pytest.raises(ReviewStopped, match="bucket 3"):
        world.do(lifecycle.record_batch, review.review_id, bucket(root="3" * 64))


def test_a_held_review_is_freed_by_a_person_who_says_why(world):
    review = world.review(ReviewState.VALIDATED)
    ledger = Ledger(world)
    world.do(lifecycle.hold, review.review_id, "74% of open items are past due")
    held = world.do(lifecycle.hold, review.review_id, "again")
    assert ledger.check() == {"review": 1}
    with pytest.raises(Refused, match="74%"):
        lifecycle.require_free(held)
    with pytest.raises(Refused, match="active"):
        world.do(lifecycle.confirm_extract, review.review_id, person_id="p-nobody", reason="x", on=TODAY, now=NOON)
    with pytest.raises(BadInput):
        world.do(lifecycle.confirm_extract, review.review_id, person_id="p-manager", reason=" ", on=TODAY, now=NOON)
    freed = world.do(lifecycle.confirm_extract, review.review_id, person_id="p-manager", reason="checked in SAP", on=TODAY, now=NOON)
    world.do(lifecycle.confirm_extract, review.review_id, person_id="p-two", reason="me too", on=TODAY, now=NOON)
    lifecycle.require_free(freed)
    assert world.one(Review).hold_released_by == "p-manager"
    assert ledger.check() == {"review": 1}


def test_the_database_itself_refuses_a_second_live_review(world):
    world.adopt_all()
    review = world.start()
    from dataclasses import replace

    with pytest.raises(Conflict):
        world.do(lambda uow: uow.add(replace(review, review_id="r-other")))


digests = st.text("0123456789abcdef", min_size=64, max_size=64)


@given(st.builds(
    Manifest, review_id=st.text("abc-", max_size=8), label=st.text(max_size=8), kind=st.sampled_from(["periodic", "ad_hoc"]),
    scope=st.text(max_size=8), as_of=st.dates(), time_zone=st.just("Europe/Berlin"), bucket_count=st.integers(1, 512),
    seed=st.integers(0, 2**31), code_commit=digests, lock_sha256=digests, policy=digests, authority=digests, scorecard=digests,
    mappings=st.dictionaries(st.text("abc", min_size=1, max_size=3), digests, max_size=3), snapshot=digests, ledger=digests,
    customers=digests,
))  # fmt: skip
def test_a_manifest_reads_back_as_it_was_written_and_has_one_digest(manifest):
    again = from_json(manifest.to_json())
    assert again == manifest and again.digest() == manifest.digest() and again.to_json() == manifest.to_json()


def test_a_manifest_that_is_not_canonical_is_refused():
    text = start_command().manifest.to_json()
    for broken in (text + " ", text.replace('"seed":7', '"seed": 7'), "{}", "[1]", text.replace('"seed":7,', "")):
        with pytest.raises(BadInput):
            from_json(broken)


def test_a_manifest_is_complete_only_with_its_snapshot():
    manifest = start_command().manifest
    with pytest.raises(BadInput, match="incomplete"):
        manifest.completed(snapshot="a" * 64)
    with pytest.raises(BadInput, match="policy"):
        manifest.completed(policy=DIGESTS["policy"])
    assert whole(manifest).opening() == manifest and manifest.as_of == AS_OF


def test_reviews_of_two_installations_never_share_an_id(world):
    world.adopt_all()
    mine = world.ask(lifecycle.installation)
    world.adopt("policy", "version: later", now=NOON + timedelta(days=1))
    assert world.ask(lifecycle.installation) == mine != "[]", "it stays what it was, whatever is adopted later"
    day = AS_OF
    other = mine.replace(NOON.isoformat(), (NOON + timedelta(seconds=1)).isoformat())
    ids = {naming.review_id(one, "all", day, 1) for one in (mine, other)}
    assert len(ids) == 2 and world.start().review_id == naming.review_id(mine, "all", day, 1)
