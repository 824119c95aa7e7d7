"""Applying: exactly once, only what is still rightly approved, always with the delivery it owes."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from decision_world import MATRIX_TEXT, NOON, TODAY, World
from test_decide import Failing

from credit_review.errors import Conflict, Refused
from credit_review.model.records import AuditRow, CreditLimit, CustomerAlias, LimitChange, OutboxEntry, Proposal, RiskKept
from credit_review.model.states import ProposalState, Verdict
from credit_review.review.apply import apply, apply_due, revert
from credit_review.review.counter import CounterOffer
from credit_review.review.ending import end
from credit_review.review.standing import RATE_AGE_DAYS


@pytest.fixture
def world(store):
    return World(store)


def approved(world, customer="c-1", *, by=("p-controller",), **fields):
    proposal = world.propose(customer, **fields)
    for who in by:
        assert world.decide(who, proposal).accepted
    assert world.proposal(proposal).state == "approved"
    return proposal


def test_an_applied_proposal_is_the_limit_in_force_with_one_entry_and_one_delivery(world):
    proposal = approved(world, had=50_000_00, to=60_000_00, terms_days=21)
    applied = world.apply(proposal)
    change = world.one(LimitChange, proposal_id=proposal)
    assert (applied.state, applied.change_id, world.proposal(proposal).state) == ("applied", change.change_id, "applied")
    assert (change.version, change.kind, change.old_minor, change.new_minor, change.old_terms_days) == (
        2,
        "decision",
        50_000_00,
        60_000_00,
        30,
    )
    limit = world.one(CreditLimit)
    assert (limit.version, limit.amount_minor, limit.terms_days) == (2, 60_000_00, 21)
    (entry,) = world.entries("limit.applied")
    assert entry["entity"] == f"account:{change.account_id}"
    assert entry["data"]["approvers"] == [{"approver": "p-controller", "on_behalf_of": None}]
    (owed,) = world.owed("erp")
    assert json.loads(owed.payload_json)["change_id"] == change.change_id
    assert world.owed("apply")[0].state == "confirmed"


def test_applying_again_returns_the_change_and_does_nothing(world):
    proposal = approved(world)
    first, second = world.apply(proposal), world.apply(proposal)
    assert second == replace(first, text=second.text, code="applied") and second.repeated
    assert len(world.entries("limit.applied")) == len(world.owed("erp")) == 1


def test_a_first_limit_starts_at_version_one(world):
    proposal = approved(world, had=None, to=5_000_00)
    world.apply(proposal)
    assert world.one(LimitChange).version == 1 and world.in_force("c-1") == 5_000_00


@pytest.mark.parametrize("state", ["draft", "pending", "rejected"])
def test_nothing_but_an_approved_proposal_is_applied(world, state):
    proposal = world.propose(state=state)
    assert world.apply(proposal).state == state
    assert world.in_force("c-1") == 50_000_00 and not world.entries()


def test_an_unknown_proposal_is_refused(world):
    with pytest.raises(Refused, match="no proposal"):
        world.apply("nothing")


def test_an_approver_who_left_between_click_and_apply_takes_his_approval_along(world):
    proposal = approved(world, had=50_000_00, to=40_000_00)
    world.deactivate("p-controller", at=NOON + timedelta(minutes=1))
    applied = world.apply(proposal, now=NOON + timedelta(minutes=2))
    assert (applied.state, applied.code) == ("rejected", "approver_invalid")
    assert "p-controller" in applied.text
    assert world.in_force("c-1") == 50_000_00 and not world.owed("erp")
    assert world.entries("proposal.revoked")[0]["data"]["approvals_given"] == 0
    assert world.one(RiskKept).amount_minor == 10_000_00


def test_an_approver_who_lost_his_tier_takes_his_approval_along(world):
    proposal = approved(world)
    without = MATRIX_TEXT.replace("{person: p-controller, tier: T1,", "{person: p-other, tier: T1,")
    world.adopt_authority(without, at=NOON + timedelta(minutes=1))
    assert world.apply(proposal, now=NOON + timedelta(minutes=2)).code == "approver_invalid"


def test_a_delegation_that_ended_takes_the_approval_along(world):
    world.delegate("p-manager", "p-deputy", until=TODAY + timedelta(days=1))
    proposal = world.propose(had=50_000_00, to=200_000_00)
    world.decide("p-deputy", proposal)
    assert world.apply(proposal, now=NOON + timedelta(days=1)).code == "approver_invalid"


def test_a_forged_state_does_not_apply_without_approvals(world):
    """Whoever can write to the proposal still cannot have it applied: approvals are counted again."""
    proposal = world.propose(state="approved", decided_at=NOON)
    assert world.apply(proposal).code == "approver_invalid"
    assert world.in_force("c-1") == 50_000_00


@pytest.mark.parametrize(
    ("fields", "state"),
    [
        ({}, "applied"),
        ({"makers": ["p-analyst"]}, "rejected"),
        ({"proposer_id": "p-analyst"}, "rejected"),
        ({"exceptional": "top_exposure"}, "rejected"),
        ({"had": None}, "rejected"),
    ],
)
def test_only_an_untouched_ordinary_proposal_passes_by_rule(world, fields, state):
    proposal = world.propose(**{"to": 52_000_00, **fields}, state="approved", decided_at=NOON, straight_through_rule="small")
    assert world.apply(proposal).state == state
    if state == "applied":
        assert world.entries("limit.applied")[0]["data"]["rule"] == "small"


@pytest.mark.parametrize(("offset_ms", "state"), [(-1, "applied"), (0, "expired"), (1, "expired")])
def test_an_approved_proposal_still_expires(world, offset_ms, state):
    expires = NOON + timedelta(days=30)
    proposal = approved(world, expires_at=expires)
    assert world.apply(proposal, now=expires + timedelta(milliseconds=offset_ms)).state == state
    assert len(world.entries("proposal.expired")) == (state == "expired")


def test_a_limit_that_changed_since_the_decision_supersedes_the_proposal(world):
    proposal = approved(world, had=50_000_00, to=60_000_00)
    account = world.proposal(proposal).account_id
    with world.store.begin() as uow:  # an override by other means
        old = uow.get(CreditLimit, account_id=account)
        change = uow.find(LimitChange, account_id=account)[0]
        uow.add(
            replace(
                change,
                change_id="c-other",
                version=2,
                kind="reversal",
                reverses_id=change.change_id,
                snapshot_digest=None,
                old_minor=old.amount_minor,
                old_terms_days=old.terms_days,
                new_minor=1_000_00,
            )
        )
        uow.change(CreditLimit, where={"account_id": account}, to={"version": 2, "amount_minor": 1_000_00})
        uow.commit()
    assert world.apply(proposal).code == "base_changed"
    assert world.proposal(proposal).state == "superseded" and world.in_force("c-1") == 1_000_00


def test_a_missing_rate_leaves_the_proposal_approved_and_says_so(world):
    world.rate("USD", "EUR", "0.9", on=TODAY - timedelta(days=RATE_AGE_DAYS))
    proposal = approved(world, currency="USD", had=10_000_00, to=20_000_00)
    with pytest.raises(Refused) as refused:
        world.apply(proposal, now=NOON + timedelta(days=1))
    assert refused.value.code == "no_rate"
    assert world.proposal(proposal).state == "approved"


def test_a_change_in_the_future_is_recorded_now_and_delivered_on_its_day(world):
    starts = TODAY + timedelta(days=5)
    proposal = world.propose(had=50_000_00, to=20_000_00, effective_from=starts)
    world.decide("p-controller", proposal)
    with world.store.begin() as uow:
        apply(proposal, uow, NOON, zone=ZoneInfo("Europe/Berlin"))
    assert world.one(CreditLimit).effective_from == starts
    (owed,) = world.owed("erp")
    assert owed.not_before == datetime(2026, 10, 5, 22, tzinfo=UTC)  # midnight in Berlin


def test_a_reduction_not_yet_in_effect_still_counts_in_full_for_the_group(world):
    world.group("g-1", "c-1", "c-2")
    proposal = approved(world, "c-2", had=95_000_00, to=10_000_00, effective_from=TODAY + timedelta(days=5))
    world.apply(proposal)
    other = world.propose("c-1", had=1_000_00, to=10_000_00)
    assert world.decide("p-controller", other).code == "lacks_tier"


def test_an_increase_not_yet_in_effect_counts_already(world):
    world.group("g-1", "c-1", "c-2")
    world.apply(approved(world, "c-2", had=90_000_00, to=95_000_00, effective_from=TODAY + timedelta(days=5)))
    other = world.propose("c-1", had=1_000_00, to=6_000_00)
    assert world.decide("p-controller", other).tier == "T2"  # 95,000 + 6,000


def test_an_approved_limit_counts_for_the_group_before_it_is_applied(world):
    world.group("g-1", "c-1", "c-2")
    approved(world, "c-2", had=60_000_00, to=65_000_00)
    assert world.decide("p-controller", world.propose("c-1", had=30_000_00, to=36_000_00)).tier == "T2"  # 65,000 + 36,000


def test_a_change_applied_late_was_not_in_force_before(world):
    proposal = approved(world, effective_from=TODAY - timedelta(days=10))
    world.apply(proposal)
    assert world.one(CreditLimit).effective_from == TODAY


def test_the_answer_to_a_returned_reduction_settles_the_risk_kept(world):
    returned = world.propose(had=50_000_00, to=20_000_00)
    world.decide("p-controller", returned, Verdict.RETURN)
    answer = approved(world, had=50_000_00, to=25_000_00, supersedes_id=returned)
    world.apply(answer)
    risk = world.one(RiskKept)
    assert (risk.decided_by, risk.reason) == ("system:apply", f"answered by proposal {answer}")
    assert world.entries("limit.applied")[0]["data"]["settles_risk"] == [returned]


def test_increases_of_twelve_months_add_up_over_the_group(world):
    world.group("g-1", "c-1", "c-2")
    first = approved(world, "c-1", had=10_000_00, to=50_000_00)
    world.apply(first)
    second = world.propose("c-2", had=10_000_00, to=30_000_00)
    assert world.decide("p-controller", second).tier == "T2"  # 40,000 + 20,000
    year = NOON.replace(year=2027) + timedelta(days=1)
    with world.store.begin() as uow:
        uow.change(Proposal, where={"proposal_id": second}, to={"expires_at": year + timedelta(days=1)})
        uow.commit()
    assert world.decide("p-controller", second, now=year).tier == "T1"


def test_deliveries_name_the_customer_as_the_ledger_does(world):
    base = {"source": "erp", "legal_entity": "1000", "decided_by": "m", "evidence": "", "valid_from": TODAY, "valid_to": None}
    world.write(
        CustomerAlias(source_number="0042", customer_id="c-1", recorded_at=NOON, **base),
        CustomerAlias(source_number="0043", customer_id="c-1", recorded_at=NOON - timedelta(hours=1), **base),
        CustomerAlias(source_number="0043", customer_id="c-2", recorded_at=NOON, **base),
    )
    world.apply(approved(world))
    assert json.loads(world.owed("erp")[0].payload_json)["source_numbers"] == "0042"


def test_a_customer_under_one_number_written_as_its_id_is_delivered_by_that_number(world):
    world.apply(approved(world))
    assert json.loads(world.owed("erp")[0].payload_json)["source_numbers"] == "c-1"


# --- temporary limits ---------------------------------------------------------------------------------------------------------------


def reverted(world, customer="c-1", *, now, layer="temporary"):
    account = world.find(Proposal)[-1].account_id
    with world.store.begin() as uow:
        change = revert(uow, account, now)
        if change:
            uow.commit()
    return change


def test_a_temporary_limit_ends_on_its_day_and_leaves_no_limit(world):
    until = TODAY + timedelta(days=30)
    proposal = approved(world, had=None, to=20_000_00, layer="temporary", effective_to=until)
    world.apply(proposal)
    assert reverted(world, now=NOON + timedelta(days=29)) is None
    change = reverted(world, now=NOON + timedelta(days=30))
    assert (change.kind, change.version, change.old_minor, change.new_minor) == ("reversal", 2, 20_000_00, None)
    assert world.in_force("c-1", layer="temporary") is None
    assert reverted(world, now=NOON + timedelta(days=31)) is None
    assert len(world.entries("limit.reverted")) == 1 and len(world.owed("erp")) == 2


def test_a_limit_with_an_end_restores_what_lies_under_it(world):
    proposal = approved(world, had=50_000_00, to=60_000_00, effective_to=TODAY + timedelta(days=30))
    world.apply(proposal)
    change = reverted(world, now=NOON + timedelta(days=40))
    assert (change.new_minor, change.new_terms_days, change.effective_to) == (50_000_00, 30, None)
    assert world.in_force("c-1") == 50_000_00


def test_what_ended_meanwhile_is_not_restored(world):
    first = approved(world, had=50_000_00, to=60_000_00, effective_to=TODAY + timedelta(days=10))
    world.apply(first)
    second = approved(world, had=50_000_00, to=55_000_00, effective_to=TODAY + timedelta(days=20))
    world.apply(second)
    change = reverted(world, now=NOON + timedelta(days=20))
    assert change.new_minor == 50_000_00


# --- all that is due ----------------------------------------------------------------------------------------------------------------


def test_everything_approved_is_applied_and_what_cannot_be_is_named(world, clock):
    good = [approved(world, f"c-{n}", had=10_000_00, to=12_000_00) for n in range(3)]
    world.rate("USD", "EUR", "0.9", on=TODAY - timedelta(days=RATE_AGE_DAYS))
    stuck = approved(world, "c-usd", currency="USD", had=10_000_00, to=12_000_00)
    clock.set(NOON + timedelta(days=1))
    report = apply_due(world.store, clock)
    assert report.count("applied") == 3 and [p for p, _ in report.waiting] == [stuck]
    assert {o.proposal_id for o in report.outcomes} == set(good)
    assert apply_due(world.store, clock) == type(report)()
    clock.advance(timedelta(minutes=10))
    assert [p for p, _ in apply_due(world.store, clock).waiting] == [stuck]


@pytest.mark.parametrize("after", [False, True])
def test_whatever_fails_before_the_commit_leaves_nothing(world, after):
    proposal = approved(world, had=50_000_00, to=60_000_00)
    records = (LimitChange, CreditLimit, Proposal, OutboxEntry, RiskKept, AuditRow)
    before = [world.find(record) for record in records]
    crashes = 0
    for call in range(1, 100):
        try:
            with world.store.begin() as uow:
                apply(proposal, Failing(uow, call, after=after), NOON)
            break
        except ConnectionError:
            crashes += 1
        assert [world.find(record) for record in records] == before
    assert crashes > 20
    assert world.in_force("c-1") == 60_000_00 and len(world.owed("erp")) == 1


def test_a_counter_offer_replaces_an_amount_that_can_then_no_longer_be_applied(world):
    proposal = world.propose(had=50_000_00, to=60_000_00)
    outcome = world.decide("p-controller", proposal, Verdict.COUNTER, counter=CounterOffer(to_minor=55_000_00))
    assert world.apply(proposal).state == "superseded"
    assert world.apply(outcome.successor_id).state == "applied"
    assert world.in_force("c-1") == 55_000_00


def test_the_database_refuses_a_limit_that_no_change_made(world):
    world.propose()
    with pytest.raises(Conflict), world.store.begin() as uow:
        uow.change(CreditLimit, where={"version": 1}, to={"amount_minor": 999_999_00})


def test_a_proposal_read_before_it_moved_cannot_be_moved_again(world):
    stale = world.proposal(world.propose())
    world.decide("p-controller", stale.proposal_id)
    with pytest.raises(Conflict, match="no longer pending"), world.store.begin() as uow:
        end(uow, stale, ProposalState.REJECTED, code="late", now=NOON)
