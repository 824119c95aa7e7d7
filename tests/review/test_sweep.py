"""Sweeping: what time alone changes, looked at again under lock, any number of times."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from decision_world import NOON, TODAY, World
from test_apply import approved

from credit_review.calendar import WorkingCalendar
from credit_review.model.records import Addressee, CreditLimit, OutboxEntry, PersonPreference, RiskKept
from credit_review.review.outbox import owed
from credit_review.review.relay import AGAIN_AFTER
from credit_review.review.sweep import SweepReport, sweep
from credit_review.review.working import Company


@pytest.fixture
def world(store):
    return World(store)


def at(clock, moment):
    clock.set(moment)
    return clock


@pytest.mark.parametrize(("offset_ms", "expired"), [(-1, 0), (0, 1), (1, 1)])
@pytest.mark.parametrize("state", ["draft", "pending", "approved"])
def test_open_proposals_expire_at_their_very_moment(world, clock, state, offset_ms, expired):
    proposal = world.propose(state=state, expires_at=NOON)
    report = sweep(world.store, at(clock, NOON + timedelta(milliseconds=offset_ms)))
    assert len(report.expired) == expired
    assert world.proposal(proposal).state == ("expired" if expired else state)
    assert len(world.entries("proposal.expired")) == expired


def test_a_reduction_that_expires_is_risk_kept(world, clock):
    world.propose(had=50_000_00, to=20_000_00, expires_at=NOON)
    sweep(world.store, clock)
    assert (world.one(RiskKept).cause, world.one(RiskKept).amount_minor) == ("expired", 30_000_00)
    assert [e["action"] for e in world.entries()] == ["risk.raised", "proposal.expired"]


def test_a_proposal_for_a_limit_that_would_have_ended_expires(world, clock):
    world.propose(had=None, to=5_000_00, layer="temporary", effective_from=TODAY - timedelta(days=9), effective_to=TODAY)
    assert len(sweep(world.store, clock).expired) == 1


def test_temporary_limits_end_by_themselves_and_outdate_what_was_proposed_on_them(world, clock):
    world.apply(approved(world, had=50_000_00, to=60_000_00, effective_to=TODAY + timedelta(days=10)))
    pending = world.propose(had=60_000_00, to=20_000_00)
    report = sweep(world.store, at(clock, NOON + timedelta(days=10)))
    assert len(report.reverted) == 1 and report.superseded == (pending,)
    assert world.in_force("c-1") == 50_000_00 and world.one(CreditLimit).version == 3
    assert world.entries("proposal.superseded")[0]["data"]["code"] == "base_changed"
    assert world.one(RiskKept).proposal_id == pending  # the reduction did not happen, and nobody decided so
    assert [e.kind for e in world.find(OutboxEntry, kind="erp")] == ["erp", "erp"]


def test_sweeping_again_changes_nothing(world, clock):
    world.apply(approved(world, had=50_000_00, to=60_000_00, effective_to=TODAY + timedelta(days=10)))
    world.propose("c-2", expires_at=NOON + timedelta(days=1))
    later = NOON + timedelta(days=20)
    sweep(world.store, at(clock, later))
    entries = len(world.entries())
    assert sweep(world.store, clock) == SweepReport() and len(world.entries()) == entries


def test_an_approval_whose_application_got_lost_is_queued_again(world, clock):
    proposal = approved(world)
    with world.store.begin() as uow:
        uow.change(OutboxEntry, where={"kind": "apply"}, to={"state": "parked"})
        uow.commit()
    other = world.propose("c-2", state="approved", decided_at=NOON)
    assert sorted(sweep(world.store, clock).requeued) == sorted([proposal, other])
    assert {e.state for e in world.owed("apply")} == {"queued"} and len(world.owed("apply")) == 2
    assert sweep(world.store, clock).requeued == ()


def test_what_is_about_to_expire_is_named_with_those_who_may_decide(world, clock):
    proposal = world.propose(makers=["p-manager"], expires_at=NOON + timedelta(days=3))
    world.propose("c-2", expires_at=NOON + timedelta(days=9))
    (reminder,) = sweep(world.store, clock).reminders
    assert (reminder.proposal_id, reminder.tier) == (proposal, "T1")
    assert reminder.who_may == ("p-controller", "p-cfo", "p-ceo", "p-chair")


def test_what_is_about_to_expire_goes_by_the_working_hours_of_whoever_is_asked(world, clock):
    company = Company(calendar=WorkingCalendar("DE"), zone=ZoneInfo("Europe/Berlin"))
    kept = {"language": "", "locale": "", "time_zone": "Asia/Shanghai", "calendar": "CN"}
    world.write(PersonPreference(person_id="p-manager", **kept, valid_from=TODAY, valid_to=None, recorded_at=NOON - timedelta(hours=1)))
    end = NOON + timedelta(days=9)  # after the holiday week of one, and 51 working hours of the others
    asked = {person: world.propose(f"c-{n}", expires_at=end) for n, person in enumerate(("p-controller", "p-manager", ""))}
    for person, proposal in asked.items():
        if person:
            world.write(Addressee(proposal_id=proposal, person_id=person, why="tier", review_id="r-1", at=NOON))
    assert [r.proposal_id for r in sweep(world.store, clock, company=company).reminders] == [asked["p-manager"]]
    clock.set(NOON + timedelta(days=4))
    assert len(sweep(world.store, clock, company=company).reminders) == 3


def test_a_given_up_message_is_tried_again_every_day_while_its_proposal_waits(world, clock):
    waiting, over = world.propose("c-1"), world.propose("c-2", state="rejected")
    for n, subject in enumerate((f"proposal:{waiting}", f"proposal:{over}", f"question:{waiting}", "summary:r-1")):
        row = owed("slack_post", f"slack_post:{subject}:C1", {"subject": subject, "address": "C1"}, NOON + timedelta(seconds=n))
        world.write(replace(row, state="parked", attempts=7, not_before=NOON + AGAIN_AFTER))
    assert sweep(world.store, clock).resent == ()
    clock.set(NOON + AGAIN_AFTER)
    (resent,) = sweep(world.store, clock).resent
    row = world.one(OutboxEntry, outbox_id=resent)
    assert (row.dedup_key, row.state, row.attempts) == (f"slack_post:proposal:{waiting}:C1", "queued", 7)
    (entry,) = world.entries("message.requeued")
    assert (entry["actor"], entry["entity"]) == ("system:sweep", f"proposal:{waiting}")
    assert sweep(world.store, clock).resent == ()


def test_a_missing_rate_does_not_stop_the_sweep(world, clock):
    world.propose(currency="USD", expires_at=NOON + timedelta(days=3))
    assert sweep(world.store, clock).reminders[0].who_may == ()


def test_the_report_reads_as_a_sentence():
    assert SweepReport(expired=("a",)).text().startswith("proposals: 0 lapsed with a condition, 1 expired, 0 superseded")
