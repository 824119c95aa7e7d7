"""Deciding: one transaction, authorised at that moment, on exactly what was shown."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from decision_world import AUTHORITY, MATRIX_TEXT, NOON, POLICY_TEXT, TODAY, World, digest_of, document, os_account

from credit_review.errors import Conflict
from credit_review.model.records import (
    AuditPayload,
    AuditRow,
    Decision,
    InboxEntry,
    Maker,
    Note,
    OutboxEntry,
    Proposal,
    RiskKept,
    SlackMessage,
)
from credit_review.model.states import Verdict
from credit_review.review.counter import CounterOffer
from credit_review.review.decide import decide, delivery_key
from credit_review.review.outbox import card_of


@pytest.fixture
def world(store):
    return World(store)


def test_an_approval_within_authority_approves_and_owes_the_application(world):
    proposal = world.propose(to=60_000_00)
    outcome = world.decide("p-controller", proposal)
    assert (outcome.accepted, outcome.code, outcome.tier, outcome.approvals_given, outcome.approvals_needed) == (
        True,
        "approved",
        "T1",
        1,
        1,
    )
    assert world.proposal(proposal).state == "approved"
    assert json.loads(world.owed("apply")[0].payload_json) == {"proposal_id": proposal}
    (entry,) = world.entries("decision.approve")
    assert (entry["actor"], entry["entity"]) == ("person:p-controller", f"proposal:{proposal}")
    assert entry["data"]["digest"] == world.proposal(proposal).digest
    assert (entry["data"]["from"], entry["data"]["to"], entry["data"]["group_limit_minor"]) == ("pending", "approved", 60_000_00)


def test_a_second_delivery_gets_the_first_outcome_and_does_nothing(world):
    proposal = world.propose()
    command = world.command("p-controller", proposal)
    first, second = world.deliver(command), world.deliver(command, now=NOON + timedelta(hours=1))
    assert first == second and second.repeated and not first.repeated
    assert len(world.find(Decision)) == len(world.entries()) == len(world.find(InboxEntry)) == 1


def test_a_refusal_is_committed_audited_and_repeated(world):
    proposal = world.propose(to=301_000_00)
    command = world.command("p-controller", proposal)
    first, second = world.deliver(command), world.deliver(command)
    assert (first.accepted, first.code) == (False, "lacks_tier")
    assert second == first
    assert "you lack T3 (CFO); Cfo (p-cfo) or Ceo (p-ceo) or Chair (p-chair) can" in first.text
    (entry,) = world.entries()
    assert (entry["action"], entry["data"]["code"], entry["data"]["state"]) == ("decision.refused", "lacks_tier", "pending")
    assert world.proposal(proposal).state == "pending" and not world.find(Decision)


def test_two_approvals_are_counted_one_by_one(world):
    proposal = world.propose(had=400_000_00, to=900_000_00)
    first = world.decide("p-cfo", proposal)
    assert (first.code, first.approvals_given, first.approvals_needed) == ("pending", 1, 2)
    assert world.proposal(proposal).state == "pending" and not world.owed("apply")
    again = world.decide("p-cfo", proposal)
    assert again.code == "already_decided"
    assert world.decide("p-ceo", proposal).code == "approved"
    assert len(world.owed("apply")) == 1


def test_a_second_account_of_the_same_person_is_the_same_person(world):
    world.write(os_account("T1|U9", "p-cfo", kind="slack"))
    proposal = world.propose(had=400_000_00, to=900_000_00)
    world.decide("p-cfo", proposal)
    assert world.decide("T1|U9", proposal, account_kind="slack").code == "already_decided"


def test_a_maker_cannot_approve_by_any_of_his_accounts(world):
    world.write(os_account("T1|U9", "p-manager", kind="slack"))
    proposal = world.propose(makers=["p-manager"])
    assert world.decide("p-manager", proposal).code == "own_proposal"
    assert world.decide("T1|U9", proposal, account_kind="slack").code == "own_proposal"


def test_an_unknown_account_learns_nothing_and_its_name_stays_out_of_the_entry(world):
    proposal = world.propose()
    outcome = world.decide("mallory", proposal)
    assert outcome.code == "login.unknown" and not outcome.who_may
    (row,) = world.find(AuditRow)
    assert "mallory" not in row.body
    assert "mallory" in world.find(AuditPayload)[0].payload


def test_an_inactive_person_is_refused(world):
    proposal = world.propose()
    world.deactivate("p-controller", at=NOON - timedelta(seconds=1))
    assert world.decide("p-controller", proposal).code == "person.not_active"


@pytest.mark.parametrize(("offset_ms", "code"), [(-1, "approved"), (0, "expired"), (1, "expired")])
def test_a_proposal_expires_at_its_very_moment(world, offset_ms, code):
    proposal = world.propose(expires_at=NOON)
    assert world.decide("p-controller", proposal, now=NOON + timedelta(milliseconds=offset_ms)).code == code


def test_a_temporary_limit_whose_end_has_come_cannot_be_approved(world):
    proposal = world.propose(had=None, to=20_000_00, layer="temporary", effective_from=TODAY - timedelta(days=5), effective_to=TODAY)
    assert world.decide("p-controller", proposal).code == "expired"


def test_what_was_not_shown_cannot_be_signed(world):
    proposal = world.propose()
    assert world.decide("p-controller", proposal, digest=digest_of("another packet")).code == "stale"


def test_an_unknown_proposal_is_refused_and_recorded(world):
    outcome = world.decide("p-controller", "no-such" * 100)
    assert outcome.code == "unknown_proposal"
    assert "no-such" not in world.entries()[0]["entity"]


@pytest.mark.parametrize("verdict", [Verdict.REJECT, Verdict.RETURN])
def test_reject_and_return_need_a_text(world, verdict):
    proposal = world.propose()
    assert world.decide("p-controller", proposal, verdict, reason="  ").code == "reason_needed"
    assert world.proposal(proposal).state == "pending"


def test_rejecting_ends_the_proposal_and_the_reason_is_erasable(world):
    proposal = world.propose()
    outcome = world.decide("p-controller", proposal, Verdict.REJECT, reason="Herr Müller zahlt nicht")
    assert (outcome.code, world.proposal(proposal).state) == ("rejected", "rejected")
    assert "Müller" not in world.find(AuditRow)[0].body and "Müller" in world.find(AuditPayload)[0].payload
    assert not world.find(RiskKept)
    assert world.decide("p-manager", proposal).code == "not_pending"


@pytest.mark.parametrize(("verdict", "state"), [(Verdict.REJECT, "rejected"), (Verdict.RETURN, "returned")])
def test_a_reduction_that_does_not_happen_is_risk_kept(world, verdict, state):
    proposal = world.propose(had=50_000_00, to=20_000_00)
    world.decide("p-controller", proposal, verdict)
    risk = world.one(RiskKept)
    assert (risk.proposal_id, risk.amount_minor, risk.cause, risk.decided_by) == (proposal, 30_000_00, state, "")
    assert [e["action"] for e in world.entries()] == [f"decision.{verdict}", "risk.raised"]


def test_tightened_terms_that_do_not_happen_are_risk_kept_too(world):
    proposal = world.propose(had=50_000_00, to=50_000_00, terms_days=14)
    world.decide("p-controller", proposal, Verdict.REJECT)
    assert world.one(RiskKept).amount_minor == 0


def test_a_question_is_kept_as_a_note(world):
    proposal = world.propose()
    world.decide("p-controller", proposal, Verdict.RETURN, reason="Why now?")
    note = world.one(Note)
    assert (note.kind, note.text, note.person_id) == ("question", "Why now?", "p-controller")


def test_loosening_terms_needs_authority_like_an_increase(world):
    proposal = world.propose(had=300_000_00, to=300_000_00, terms_days=60)
    assert world.decide("p-controller", proposal).code == "lacks_tier"
    assert world.decide("p-manager", proposal).tier == "T2"


def test_a_reduction_needs_only_the_reduction_tier(world):
    proposal = world.propose(had=4_000_000_00, to=1_000_000_00, grade="E")
    assert (world.decide("p-controller", proposal).code, world.proposal(proposal).tier) == ("approved", "T1")


def test_other_limits_of_the_group_raise_the_tier_temporary_ones_included(world):
    world.group("g-1", "c-1", "c-2")
    world.limit("c-2", 80_000_00)
    proposal = world.propose("c-1", had=10_000_00, to=20_000_00)
    assert world.decide("p-controller", proposal, Verdict.REJECT).tier == "T1"
    world.limit("c-2", 1_00, layer="temporary", until=TODAY + timedelta(days=9))
    second = world.propose("c-1", had=10_000_00, to=20_000_00, proposal_id="pr-second")
    refused = world.decide("p-controller", second)
    assert (refused.code, refused.tier) == ("lacks_tier", "T2")


def test_a_temporary_limit_that_has_ended_no_longer_counts(world):
    world.group("g-1", "c-1", "c-2")
    world.limit("c-2", 90_000_00, layer="temporary", until=TODAY)
    proposal = world.propose("c-1", had=10_000_00, to=20_000_00)
    assert world.decide("p-controller", proposal).tier == "T1"


def test_a_customer_who_left_the_group_no_longer_counts(world):
    from credit_review.model.records import GroupMembership

    world.group("g-1", "c-1", "c-2")
    world.write(GroupMembership(customer_id="c-2", group_id="c-2", valid_from=TODAY, valid_to=None, recorded_at=NOON))
    world.limit("c-2", 900_000_00)
    assert world.decide("p-controller", world.propose("c-1", had=10_000_00, to=20_000_00)).tier == "T1"


def test_what_is_approved_in_the_group_counts_before_it_is_applied(world):
    world.group("g-1", "c-1", "c-2")
    one, other = (world.propose(c, had=10_000_00, to=50_000_00) for c in ("c-1", "c-2"))
    assert world.decide("p-controller", one).code == "approved"
    second = world.decide("p-controller", other)
    assert (second.code, second.tier) == ("lacks_tier", "T2")  # 40,000 + 40,000 of increases in 12 months
    assert world.decide("p-manager", other).code == "approved"
    for proposal in (other, one):  # the later one first: each is judged with what was decided before it
        assert world.apply(proposal).state == "applied"


def test_amounts_in_other_currencies_are_converted_and_a_missing_rate_is_named(world):
    proposal = world.propose(had=10_000_00, to=90_000_00, currency="USD")
    refused = world.decide("p-manager", proposal)
    assert (refused.code, refused.accepted) == ("no_rate", False)
    assert "USD" in refused.text and "EUR" in refused.text
    assert world.entries("decision.refused")[0]["data"]["code"] == "no_rate"
    world.rate("EUR", "USD", "2")
    assert world.decide("p-controller", proposal).tier == "T1"  # 45,000 EUR, increase of 40,000


def test_authority_is_reckoned_over_a_third_currency_where_policy_says_which(world):
    proposal = world.propose(had=10_000_00, to=90_000_00, currency="USD")
    world.rate("GBP", "USD", "2")
    world.rate("GBP", "EUR", "1")
    assert world.decide("p-manager", proposal).code == "no_rate"
    world.write(document(POLICY_TEXT.replace("over: []", "over: [GBP]"), "policy", adopted_at=NOON))
    assert world.decide("p-controller", proposal).tier == "T1"  # 45,000 EUR, increase of 40,000


def test_first_limits_exceptions_and_grades_raise_the_tier(world):
    assert world.decide("p-controller", world.propose("c-1", had=None, to=1_000_00)).tier == "T1"
    assert world.decide("p-controller", world.propose("c-2", exceptional="missing_net_worth")).tier == "T2"
    assert world.decide("p-controller", world.propose("c-3", grade="E")).tier == "T3"


def test_the_routed_tier_is_never_undercut(world):
    proposal = world.propose(tier="T3", required_approvals=2)
    assert world.decide("p-manager", proposal).code == "lacks_tier"


# --- delegates ----------------------------------------------------------------------------------------------------------------------


def test_a_delegate_decides_on_behalf_of_the_principal(world):
    world.delegate("p-manager", "p-deputy")
    proposal = world.propose(had=50_000_00, to=200_000_00)
    outcome = world.decide("p-deputy", proposal)
    assert (outcome.code, outcome.on_behalf_of) == ("approved", "p-manager")
    assert world.one(Decision).on_behalf_of == "p-manager"
    assert world.entries("decision.approve")[0]["data"]["on_behalf_of"] == "p-manager"


def test_principal_and_delegate_are_one_approval(world):
    world.delegate("p-cfo", "p-deputy")
    for customer, order in (("c-1", ("p-cfo", "p-deputy")), ("c-2", ("p-deputy", "p-cfo"))):
        proposal = world.propose(customer, had=400_000_00, to=900_000_00)
        assert world.decide(order[0], proposal).code == "pending"
        second = world.decide(order[1], proposal, on_behalf_of="p-cfo" if order[1] == "p-deputy" else None)
        assert second.code == "already_decided"
        assert world.decide("p-ceo", proposal).code == "approved"


def test_two_delegates_of_one_principal_are_one_approval(world):
    world.delegate("p-cfo", "p-deputy")
    world.delegate("p-cfo", "p-analyst")
    proposal = world.propose(had=400_000_00, to=900_000_00)
    world.decide("p-deputy", proposal)
    assert world.decide("p-analyst", proposal, on_behalf_of="p-cfo").code == "already_decided"


def test_a_delegate_may_not_approve_what_the_principal_or_he_himself_made(world):
    world.delegate("p-manager", "p-deputy")
    by_principal = world.propose("c-1", makers=["p-manager"])
    by_himself = world.propose("c-2", makers=["p-deputy"])
    assert world.decide("p-deputy", by_principal, on_behalf_of="p-manager").code == "own_proposal"
    assert world.decide("p-deputy", by_principal).code == "lacks_tier"
    assert world.decide("p-deputy", by_himself, on_behalf_of="p-manager").code == "own_proposal"


def test_nobody_acts_for_someone_who_has_not_delegated_or_is_gone(world):
    proposal = world.propose()
    assert world.decide("p-deputy", proposal, on_behalf_of="p-manager").code == "not_delegate"
    world.delegate("p-manager", "p-deputy", until=TODAY)
    assert world.decide("p-deputy", proposal, on_behalf_of="p-manager").code == "not_delegate"
    world.delegate("p-cfo", "p-deputy")
    world.deactivate("p-cfo", at=NOON - timedelta(seconds=1))
    assert world.decide("p-deputy", proposal, on_behalf_of="p-cfo").code == "lacks_tier"


def test_a_delegate_of_several_says_for_whom(world):
    world.delegate("p-cfo", "p-deputy")
    world.delegate("p-ceo", "p-deputy")
    proposal = world.propose(had=400_000_00, to=900_000_00)
    assert world.decide("p-deputy", proposal).code == "choose_principal"
    assert world.decide("p-deputy", proposal, on_behalf_of="p-ceo").on_behalf_of == "p-ceo"


# --- rules that changed -------------------------------------------------------------------------------------------------------------


def test_a_changed_authority_refuses_the_click_and_shows_a_fresh_card(world):
    proposal = world.propose(makers=["p-analyst"])
    world.write(SlackMessage(subject=card_of(proposal), address="C1", channel="C1", ts="1.1", shown_digest=world.proposal(proposal).digest))
    changed = MATRIX_TEXT.replace('version: "2026.1"', 'version: "2026.2"')
    world.adopt_authority(changed)
    outcome = world.decide("p-controller", proposal)
    assert (outcome.code, outcome.accepted, outcome.state) == ("changed", False, "superseded")
    fresh = world.proposal(outcome.successor_id)
    assert (fresh.state, fresh.supersedes_id, fresh.authority_digest, fresh.tier) == ("pending", proposal, digest_of(changed), "T1")
    assert json.loads(fresh.packet_json)["rules_changed"] == {"authority_digest": [AUTHORITY, digest_of(changed)]}
    assert [m.person_id for m in world.find(Maker, proposal_id=fresh.proposal_id)] == ["p-analyst"]
    assert {e.kind for e in world.find(OutboxEntry)} == {"slack_update", "slack_post"}
    assert world.decide("p-controller", fresh.proposal_id).code == "approved"


def test_a_limit_that_changed_since_refuses_the_click(world):
    proposal = world.propose(base_version=7)
    assert world.decide("p-controller", proposal).code == "base_changed"


def test_without_a_matrix_in_force_nobody_approves(world):
    with world.store.begin() as uow:
        from credit_review.model.records import GovernedDocument

        uow.change(GovernedDocument, where={"kind": "authority"}, to={"adopted_at": None})
        uow.commit()
    assert world.decide("p-controller", world.propose()).code == "no_authority"


# --- counter-offers -----------------------------------------------------------------------------------------------------------------


def test_a_stricter_counter_offer_within_own_tier_is_an_approval_for_less(world):
    proposal = world.propose(had=50_000_00, to=200_000_00, makers=["p-analyst"])
    outcome = world.decide("p-controller", proposal, Verdict.COUNTER, counter=CounterOffer(to_minor=90_000_00))
    assert (outcome.accepted, outcome.code, outcome.tier) == (True, "approved", "T1")
    old, new = world.proposal(proposal), world.proposal(outcome.successor_id)
    assert (old.state, new.state, new.to_minor, new.supersedes_id) == ("superseded", "approved", 90_000_00, proposal)
    assert (new.proposer_id, json.loads(new.packet_json)["countered_by"]) == ("system", "p-controller")
    assert digest_of(new.packet_json) == new.digest != old.digest
    assert [m.person_id for m in world.find(Maker, proposal_id=new.proposal_id)] == ["p-analyst"]
    assert {(d.proposal_id, d.verdict) for d in world.find(Decision)} == {(proposal, "counter"), (new.proposal_id, "approve")}
    assert [e["action"] for e in world.entries()] == ["decision.counter", "proposal.created", "decision.approve"]
    assert world.apply(new.proposal_id).state == "applied"
    assert world.in_force("c-1") == 90_000_00


def test_a_stricter_counter_offer_beyond_own_tier_is_refused(world):
    proposal = world.propose(had=50_000_00, to=400_000_00)
    assert world.decide("p-controller", proposal, Verdict.COUNTER, counter=CounterOffer(to_minor=300_000_00)).code == "lacks_tier"
    assert world.proposal(proposal).state == "pending"


def test_a_stricter_counter_offer_carries_one_of_two_approvals(world):
    proposal = world.propose(had=400_000_00, to=900_000_00)
    world.decide("p-ceo", proposal)
    outcome = world.decide("p-cfo", proposal, Verdict.COUNTER, counter=CounterOffer(to_minor=800_000_00))
    assert (outcome.code, outcome.approvals_given, outcome.approvals_needed) == ("pending", 1, 2)
    assert world.decide("p-cfo", outcome.successor_id).code == "already_decided"
    assert world.decide("p-ceo", outcome.successor_id).code == "approved"


@pytest.mark.parametrize(
    "offer",
    [CounterOffer(to_minor=70_000_00), CounterOffer(to_minor=55_000_00, terms_days=60), CounterOffer(terms_days=31)],
)
def test_an_offer_more_generous_in_any_respect_makes_the_person_a_maker(world, offer):
    proposal = world.propose(had=50_000_00, to=60_000_00)
    outcome = world.decide("p-manager", proposal, Verdict.COUNTER, counter=offer)
    assert (outcome.accepted, outcome.code, outcome.state) == (True, "countered", "pending")
    new = world.proposal(outcome.successor_id)
    assert (new.proposer_id, new.state) == ("p-manager", "pending")
    assert [m.person_id for m in world.find(Maker, proposal_id=new.proposal_id)] == ["p-manager"]
    assert world.decide("p-manager", new.proposal_id).code == "own_proposal"
    assert world.decide("p-controller", new.proposal_id).code == "approved"


@pytest.mark.parametrize(
    ("to_minor", "code"),
    [
        (900_000_00, "countered"),  # others approve it, so a click is enough
        (700_000_00, "type_amount"),  # an approval for less of a tier that takes the typed amount
        (90_000_00, "approved"),  # ... and of one that takes a click
    ],
)
def test_an_offer_takes_more_than_a_click_only_where_it_approves_what_takes_more(world, to_minor, code):
    proposal = world.propose(had=50_000_00, to=800_000_00)
    offer = {"counter": CounterOffer(to_minor=to_minor), "signed_in": False, "reason": "Season orders."}
    assert world.decide("p-cfo", proposal, Verdict.APPROVE, signed_in=False).code == "type_amount"
    assert world.decide("p-cfo", proposal, Verdict.COUNTER, **offer).code == code
    assert world.proposal(proposal).state == ("pending" if code == "type_amount" else "superseded")


def test_a_delegates_generous_offer_makes_both_makers(world):
    world.delegate("p-manager", "p-deputy")
    proposal = world.propose(had=50_000_00, to=200_000_00)
    outcome = world.decide("p-deputy", proposal, Verdict.COUNTER, counter=CounterOffer(to_minor=210_000_00))
    assert {m.person_id for m in world.find(Maker, proposal_id=outcome.successor_id)} == {"p-deputy", "p-manager"}
    assert world.decide("p-manager", outcome.successor_id).code == "own_proposal"


def test_a_longer_temporary_limit_is_more_generous_and_a_shorter_one_stricter(world):
    until = TODAY + timedelta(days=60)
    ask = {"had": None, "to": 20_000_00, "layer": "temporary", "effective_to": until}
    longer = world.decide(
        "p-controller", world.propose("c-1", **ask), Verdict.COUNTER, counter=CounterOffer(effective_to=until + timedelta(days=1))
    )
    shorter = world.decide(
        "p-controller", world.propose("c-2", **ask), Verdict.COUNTER, counter=CounterOffer(effective_to=until - timedelta(days=1))
    )
    assert (longer.code, shorter.code) == ("countered", "approved")


@pytest.mark.parametrize(
    ("offer", "code"),
    [
        (CounterOffer(to_minor=60_000_00), "same_as_proposed"),
        (CounterOffer(to_minor=-1), "bad_counter"),
        (CounterOffer(terms_days=4000), "bad_counter"),
        (CounterOffer(effective_to=TODAY), "bad_counter_end"),
        (None, "no_counter"),
    ],
)
def test_a_counter_offer_must_make_sense(world, offer, code):
    proposal = world.propose(had=50_000_00, to=60_000_00)
    assert world.decide("p-controller", proposal, Verdict.COUNTER, counter=offer).code == code
    assert world.proposal(proposal).state == "pending"


def test_a_maker_cannot_make_a_counter_offer(world):
    proposal = world.propose(makers=["p-manager"])
    assert world.decide("p-manager", proposal, Verdict.COUNTER, counter=CounterOffer(to_minor=55_000_00)).code == "own_proposal"


# --- crash points -------------------------------------------------------------------------------------------------------------------


class Failing:
    """A unit of work whose n-th call fails, before or after it was carried out."""

    def __init__(self, uow, at, *, after):
        self._uow, self._left, self._after = uow, at, after

    def __getattr__(self, name):
        call = getattr(self._uow, name)

        def counted(*args, **kwargs):
            self._left -= 1
            if self._left == 0 and not self._after:
                raise ConnectionError("crash")
            result = call(*args, **kwargs)
            if self._left == 0 and name != "commit":
                raise ConnectionError("crash")
            return result

        return counted


@pytest.mark.parametrize("after", [False, True])
def test_whatever_fails_before_the_commit_leaves_nothing(world, after):
    proposal = world.propose(had=50_000_00, to=20_000_00)
    world.write(SlackMessage(subject=card_of(proposal), address="C1", channel="C1", ts="1.1", shown_digest=""))
    command = world.command("p-controller", proposal, Verdict.RETURN)
    before = world.proposal(proposal)
    crashes = 0
    for call in range(1, 100):
        try:
            with world.store.begin() as uow:
                decide(command, Failing(uow, call, after=after), NOON)
            break
        except ConnectionError:
            crashes += 1
        for record in (Decision, InboxEntry, OutboxEntry, RiskKept, Note, AuditRow):
            assert not world.find(record)
        assert world.proposal(proposal) == before
    assert crashes > 15
    assert world.one(Proposal).state == "returned"


def test_the_database_itself_refuses_a_decision_of_a_maker(world):
    proposal = world.propose(makers=["p-manager"])
    shown = world.proposal(proposal)
    forged = Decision(
        proposal_id=proposal,
        approver_id="p-manager",
        on_behalf_of=None,
        proposer_id="system",
        verdict="approve",
        digest=shown.digest,
        tier="T1",
        reason="",
        channel="cli",
        delivery_key="x",
        at=NOON,
    )
    with pytest.raises(Conflict):
        world.write(forged)
    with pytest.raises(Conflict):
        world.write(replace(forged, approver_id="p-cfo", digest=digest_of("other")))


def test_delivery_keys_are_hashes_of_their_parts():
    assert delivery_key("T1", "U1") == digest_of("T1|U1")
