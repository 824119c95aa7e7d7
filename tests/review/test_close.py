"""The end of a review: nothing open, nothing undecided, and a signature on what is listed; and one whole story, counted."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from lifecycle_world import NOON, RULES, TODAY, Ledger, World, analyst, draft

from credit_review.errors import BadInput, Refused
from credit_review.model.records import AuditPayload, LimitChange, OutboxEntry, Proposal, Review, RiskKept
from credit_review.model.states import ReviewState, Verdict
from credit_review.review import close, deliveries, lifecycle, outbox, release
from credit_review.review.apply import apply
from credit_review.review.close import Certified
from credit_review.review.decide import DecideCommand, decide
from credit_review.review.manifest import digest_of

CERTIFIED = Certified(digest="7" * 64, customers={"reviewed": 3, "quarantined": 1}, quarantined_rows=2)
UNTIL = TODAY + timedelta(days=90)


@pytest.fixture
def world(store, clock):
    return World(store, clock)


def sign(world, review, **changed):
    known = {"person_id": "p-manager", "statement": "complete to my knowledge", "certified": CERTIFIED, "on": TODAY, "now": NOON}
    return world.do(close.close, review, **{**known, **changed})


def keep(world, customer, **changed):
    known = {"person_id": "p-cfo", "reason": "strategic customer", "until": UNTIL, "on": TODAY, "now": NOON}
    return world.do(close.decide_risk_kept, world.proposal(customer).proposal_id, **{**known, **changed})


def decided(world, who, customer, verdict, reason=""):
    proposal = world.proposal(customer)
    command = DecideCommand(
        delivery_key=f"{who}-{customer}", proposal_id=proposal.proposal_id, digest=proposal.digest, verdict=verdict, account_kind="os",
        account=who, channel="cli", reason=reason,
    )  # fmt: skip
    with world.store.begin() as uow:
        return decide(command, uow, NOON)


@pytest.fixture
def settled(world):
    """A settled review: c-1 approved by rule and applied, c-2 a reduction deferred, c-3 a reduction excluded."""
    review = world.routed([draft("c-1", rule="small"), draft("c-2", had=80_000_00, to=40_000_00), draft("c-3", had=9_000_00, to=0)])
    with world.store.begin() as uow:
        apply(world.proposal("c-1").proposal_id, uow, NOON)
    by = analyst()
    world.do(release.defer, world.proposal("c-2").proposal_id, until=UNTIL, owner_id="p-one", reason="audit", by=by)
    world.do(release.exclude, world.proposal("c-3").proposal_id, rule="netting", reason="joint venture", by=by)
    world.do(close.settle, review)
    return review


def test_a_review_settles_when_every_proposal_has_ended(world):
    review = world.routed([draft("c-1", to=90_000_00)])
    with pytest.raises(Refused) as refused:
        world.do(close.settle, review)
    assert refused.value.code == "review.open_proposals" and world.proposal("c-1").proposal_id in refused.value.what
    world.do(release.exclude, world.proposal("c-1").proposal_id, rule="netting", reason="x", by=analyst())
    ledger = Ledger(world)
    assert world.do(close.settle, review).state == ReviewState.SETTLED
    world.do(close.settle, review)
    assert ledger.check() == {"review": 1}


def test_a_review_without_proposals_settles(world):
    assert world.do(close.settle, world.routed([])).state == ReviewState.SETTLED


def test_closing_waits_for_every_risk_kept_to_be_decided(world, settled):
    with pytest.raises(Refused) as refused:
        sign(world, settled)
    assert refused.value.code == "review.undecided_risks" and "c-2" in refused.value.what and "c-3" in refused.value.what
    ledger = Ledger(world)
    keep(world, "c-2")
    keep(world, "c-3")
    assert ledger.check() == {"exception": 2, "risk": 2}
    sign(world, settled)
    assert ledger.check() == {"review": 1}
    assert world.one(Review).state == ReviewState.CLOSED


def test_the_sign_off_lists_what_the_person_answers_for(world, settled):
    keep(world, "c-2")
    keep(world, "c-3")
    signed = sign(world, settled)
    assert signed.automatic == {"EUR": (1, 20_000_00, 25_000_00)}
    assert signed.deferrals == (("c-2", "p-one", UNTIL.isoformat()),)
    assert signed.exclusions == (("c-3", "netting"),)
    assert signed.proposals == {"applied": 1, "returned": 1, "rejected": 1}
    assert {r[1:5] for r in signed.risks_kept} == {("c-2", "EUR", 40_000_00, "p-cfo"), ("c-3", "EUR", 9_000_00, "p-cfo")}
    assert (signed.customers, signed.quarantined_rows) == (CERTIFIED.customers, 2)
    [entry] = world.entries("review.closed")
    assert entry["data"]["sign_off"] == digest_of(signed.to_json())
    assert entry["data"]["certificate"] == CERTIFIED.digest and entry["data"]["automatic"] == 1
    [kept] = [json.loads(p.payload) for p in world.find(AuditPayload, seq=entry["seq"])]
    assert kept == {"statement": "complete to my knowledge", "sign_off": signed.to_json()}
    assert (world.one(Review).closed_by, world.one(Review).closed_at) == ("p-manager", NOON)


def test_the_sign_off_lists_parked_deliveries_of_this_review_and_not_of_another(world, settled):
    other = world.routed([draft("c-8", rule="small")], as_of=TODAY)
    with world.store.begin() as uow:
        apply(world.proposal("c-8").proposal_id, uow, NOON)
    with world.store.begin() as uow:
        changes = {c.proposal_id: c for c in uow.find(LimitChange) if c.proposal_id}
        mine, theirs = changes[world.proposal("c-1").proposal_id], changes[world.proposal("c-8").proposal_id]
        back = replace(mine, change_id="ch-back", version=mine.version + 1, kind="reversal", proposal_id=None, reverses_id=mine.change_id,
                       old_minor=mine.new_minor, old_terms_days=mine.new_terms_days)  # fmt: skip
        uow.add(back)
        keys = {
            (deliveries.erp_key(mine.change_id), "erp"), (deliveries.erp_key("ch-back"), "erp"),
            (outbox.apply_key(world.proposal("c-2").proposal_id), "apply"),
            (outbox.message_key(outbox.card_of(world.proposal("c-3").proposal_id), "@p-one"), "slack_post"),
            (outbox.message_key(f"digest:{settled}", "@p-one"), "slack_post"),
        }  # fmt: skip
        foreign = {
            (deliveries.erp_key(theirs.change_id), "erp"),
            (outbox.message_key(outbox.card_of(world.proposal("c-8").proposal_id), "@p-one"), "slack_post"),
            (outbox.message_key(f"digest:{other}", "@p-one"), "slack_post"),
            (outbox.message_key("daily:2026-10-01", "@p-one"), "slack_post"),
        }
        for key, kind in keys | foreign:
            if not uow.change(OutboxEntry, where={"dedup_key": key}, to={"state": "parked"}):
                uow.add(replace(outbox.owed(kind, key, {}, NOON), state="parked"))
        signed = close.sign_off(uow, settled, CERTIFIED)
    assert set(signed.parked) == {key for key, _ in keys}


def test_closing_twice_is_closing_once(world, settled):
    keep(world, "c-2")
    keep(world, "c-3")
    sign(world, settled)
    sign(world, settled, person_id="p-two")
    assert world.one(Review).closed_by == "p-manager" and len(world.entries("review.closed")) == 1


def test_a_sign_off_needs_an_active_person_and_a_statement(world, settled):
    keep(world, "c-2")
    keep(world, "c-3")
    with pytest.raises(BadInput):
        sign(world, settled, statement=" ")
    with pytest.raises(Refused, match="active"):
        sign(world, settled, person_id="p-nobody")
    assert world.one(Review).state == ReviewState.SETTLED


def test_a_review_that_is_not_settled_is_not_closed(world):
    review = world.routed([])
    with pytest.raises(Refused, match="routed"):
        sign(world, review)


def test_a_risk_is_kept_by_a_person_for_a_reason_until_a_day(world, settled):
    for wrong, error in (({"reason": ""}, BadInput), ({"until": TODAY}, BadInput), ({"person_id": "p-nobody"}, Refused)):
        with pytest.raises(error):
            keep(world, "c-2", **wrong)
    risk = keep(world, "c-2")
    assert (risk.decided_by, risk.until, risk.reason) == ("p-cfo", UNTIL, "strategic customer")
    with pytest.raises(Refused, match="p-cfo"):
        keep(world, "c-2")
    with pytest.raises(Refused, match="unknown"):
        keep(world, "c-1")


def test_a_rejected_reduction_stands_in_the_way_of_closing_until_somebody_answers(world):
    review = world.routed([draft("c-1", had=80_000_00, to=40_000_00)])
    world.do(release.release, [world.proposal("c-1").proposal_id], RULES, analyst())
    assert decided(world, "p-controller", "c-1", Verdict.REJECT, "they pay").accepted
    world.do(close.settle, review)
    with pytest.raises(Refused, match="reductions"):
        sign(world, review)
    assert world.one(RiskKept).cause == "rejected"


def test_one_whole_story_has_one_entry_for_each_change(world):
    ledger = Ledger(world)
    review = world.routed([draft("c-1", rule="small"), draft("c-2", to=60_000_00), draft("c-3", had=None, to=5_000_00)])
    # the limits in force were put there without ceremony, and the accounts with them
    changed = lifecycle_changes(ledger)
    assert changed["proposal"] == 6 and changed["review"] == 6 and changed["document"] == 4 and changed["adoption"] == 8
    keys = [world.proposal(c).proposal_id for c in ("c-2", "c-3")]
    world.do(release.comment, keys[0], "seen", analyst())
    world.do(release.release, keys, RULES, analyst())
    for key in (world.proposal("c-1").proposal_id, *keys):
        if world.one(Proposal, proposal_id=key).state == "pending":
            assert decided(world, "p-controller", world.one(Proposal, proposal_id=key).customer_id, Verdict.APPROVE).accepted
        with world.store.begin() as uow:
            apply(key, uow, NOON)
    assert {p.state for p in world.find(Proposal)} == {"applied"}
    ledger = Ledger(world)
    world.do(close.settle, review)
    assert ledger.check() == {"review": 1}
    sign(world, review)
    assert ledger.check() == {"review": 1}
    assert world.one(Review).state == ReviewState.CLOSED
    assert lifecycle.NEXT[ReviewState.SETTLED] == ReviewState.CLOSED


def lifecycle_changes(ledger):
    """Entries since the ledger was opened, by kind."""
    from collections import Counter

    from lifecycle_world import KIND_OF

    return Counter(KIND_OF[e["action"]] for e in ledger.world.entries()[ledger.size :])
