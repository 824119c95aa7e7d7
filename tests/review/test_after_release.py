"""What happens around a decision: whom a proposal is put before, questions and answers, conditions, conflicts, absence, escalation."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from decision_world import MATRIX, NOON, TODAY, World, digest_of

from credit_review import audit
from credit_review.calendar import WorkingCalendar, working_hours_between
from credit_review.errors import BadInput, Refused
from credit_review.model.records import (
    AccessRight,
    Addressee,
    ApprovalCondition,
    ConflictOfInterest,
    Maker,
    OutboxEntry,
    PersonPreference,
    Proposal,
    SlackMessage,
)
from credit_review.model.states import Verdict
from credit_review.review import conditions, followup, personal, questions
from credit_review.review.addressing import Destinations, put_before
from credit_review.review.conditions import ConditionAsked
from credit_review.review.counter import CounterOffer, foresee
from credit_review.review.decide import decide
from credit_review.review.inbox import asked_of, awaiting, put_before_me
from credit_review.review.rerouting import reroute
from credit_review.review.standing import gather_many
from credit_review.review.sweep import sweep
from credit_review.words import ENGLISH

SLACK = Destinations(direct=True, digest_above=3)
COMPANY = followup.Company(calendar=WorkingCalendar("DE"), zone=ZoneInfo("Europe/Berlin"))


@pytest.fixture
def world(store, clock):
    clock.set(NOON)
    return World(store)


def do(world, act, *args, **fields):
    with world.store.begin() as uow:
        done = act(uow, *args, **fields)
        uow.commit()
        return done


def ask_people(world, *proposals, to=SLACK, now=NOON):
    def act(uow):
        standings = gather_many(uow, [world.proposal(p) for p in proposals], MATRIX, now)
        put_before(uow, list(standings.values()), MATRIX, to, now)

    do(world, act)


def asked(world, proposal):
    return {a.person_id: a.why for a in world.find(Addressee, proposal_id=proposal)}


def messages(world):
    return [e.dedup_key.removeprefix("slack_post:") for e in sorted(world.find(OutboxEntry, kind="slack_post"), key=lambda e: e.created_at)]


def with_notes(world, customer="c-1", **fields):
    packet = audit.canonical({"customer_id": customer, "customer_name": "X", "notes": [], "account_owner": fields.pop("owner", "")})
    return world.propose(customer, packet_json=packet, digest=digest_of(packet), **fields)


# --- whom it is put before ----------------------------------------------------------------------------------------------------------


def test_the_lowest_tier_that_suffices_is_asked_first(world):
    small, large = world.propose("c-1", to=60_000_00), world.propose("c-2", to=300_000_00)
    ask_people(world, small, large)
    assert asked(world, small) == {"p-controller": "tier"} and asked(world, large) == {"p-manager": "tier"}


def test_where_two_must_approve_and_one_holds_the_tier_the_next_is_asked_too(world):
    proposal = world.propose(to=800_000_00)
    ask_people(world, proposal)
    assert asked(world, proposal) == {"p-cfo": "tier", "p-ceo": "tier", "p-chair": "tier"}


def test_makers_and_those_with_a_conflict_are_not_asked(world):
    world.write(
        ConflictOfInterest(
            person_id="p-controller", customer_id="c-1", valid_from=TODAY, valid_to=TODAY + timedelta(days=1), recorded_at=NOON
        )
    )
    proposal = world.propose(makers=["p-manager"])
    ask_people(world, proposal)
    assert asked(world, proposal) == {"p-cfo": "tier"}


def test_a_delegate_is_asked_beside_his_principal_and_instead_of_him_while_he_is_away(world):
    world.delegate("p-controller", "p-deputy")
    first = world.propose("c-1")
    ask_people(world, first)
    assert asked(world, first) == {"p-controller": "tier", "p-deputy": "delegate"}
    do(world, personal.away, "p-controller", start=TODAY, end=TODAY + timedelta(days=3), by="p-controller", now=NOON - timedelta(hours=1))
    second = world.propose("c-2")
    ask_people(world, second)
    assert asked(world, second) == {"p-deputy": "delegate"}


def test_few_proposals_come_as_cards_and_many_as_one_list_after_the_summary(world):
    few = [world.propose(f"c-{n}") for n in range(3)]
    ask_people(world, *few)
    assert messages(world) == ["summary:r-1:@p-controller", *(f"proposal:{p}:@p-controller" for p in few)]
    many = [world.propose(f"d-{n}") for n in range(2)]
    ask_people(world, *many, now=NOON + timedelta(seconds=1))
    assert messages(world)[4:] == ["digest:r-1:@p-controller"], "the fourth makes a list; those sent as cards stay"
    with world.store.read() as uow:
        assert {p.proposal_id for p in put_before_me(uow, "p-controller", "r-1")} == {*few, *many}


@pytest.mark.parametrize("count", [120, pytest.param(10_000, marks=pytest.mark.soak)])
def test_however_many_are_released_each_is_put_before_somebody(count, sqlite_store, clock):
    clock.set(NOON)
    world = World(sqlite_store)
    proposals = [world.propose(f"c-{n:05}", to=60_000_00 + n) for n in range(count)]
    for start in range(0, count, 500):
        ask_people(world, *proposals[start : start + 500])
    assert {a.proposal_id for a in world.find(Addressee)} == set(proposals)
    assert len([m for m in messages(world) if m.startswith("digest")]) == 1


# --- conflicts, absence, rights -----------------------------------------------------------------------------------------------------


def test_who_declared_a_conflict_decides_nothing_about_that_customer_and_is_told_who_can(world):
    proposal = world.propose("c-1")
    do(world, personal.declare_conflict, "p-controller", "c-1", start=TODAY, by="p-controller", now=NOON - timedelta(hours=1))
    refused = world.decide("p-controller", proposal)
    assert refused.code == "conflict_of_interest" and "Manager (p-manager)" in refused.text
    assert world.decide("p-controller", world.propose("c-2")).accepted


def test_an_approval_of_somebody_who_declares_a_conflict_before_it_is_applied_counts_no_more(world):
    proposal = world.propose()
    world.decide("p-controller", proposal)
    do(world, personal.declare_conflict, "p-controller", "c-1", start=TODAY, by="p-controller", now=NOON)
    assert world.apply(proposal, now=NOON + timedelta(minutes=1)).code == "approver_invalid"


def test_a_declaration_is_ones_own_and_lasts_a_year(world):
    with pytest.raises(Refused, match="by the person himself"):
        do(world, personal.declare_conflict, "p-controller", "c-1", start=TODAY, by="p-manager", now=NOON)
    world.propose("c-1")
    with pytest.raises(BadInput, match="within a year"):
        do(
            world, personal.declare_conflict, "p-cfo", "c-1", start=TODAY, end=TODAY + timedelta(days=400), by="p-cfo", now=NOON
        )  # fmt: skip
    fact = do(world, personal.declare_conflict, "p-cfo", "", start=TODAY, by="p-cfo", now=NOON)
    assert fact.valid_to == TODAY + timedelta(days=366) and world.entries("conflict.declared")[0]["data"]["customer"] is None


def test_a_conflict_is_declared_about_a_customer_we_know_and_may_be_withdrawn(world):
    with pytest.raises(BadInput, match="no customer nonsense-1"):
        do(world, personal.declare_conflict, "p-controller", "nonsense-1", start=TODAY, by="p-controller", now=NOON)
    proposal = world.propose("c-1")
    do(world, personal.declare_conflict, "p-controller", "c-1", start=TODAY, by="p-controller", now=NOON - timedelta(hours=2))
    assert not world.decide("p-controller", proposal).accepted
    do(world, personal.withdraw_conflict, "p-controller", "c-1", on=TODAY, now=NOON - timedelta(hours=1))
    assert world.entries("conflict.declared")[-1]["data"]["valid_to"] == TODAY.isoformat()
    assert world.decide("p-controller", proposal).accepted
    with pytest.raises(Refused, match="declared no conflict"):
        do(world, personal.withdraw_conflict, "p-controller", "c-1", on=TODAY, now=NOON)


def test_an_absence_is_ended_by_the_person_himself(world):
    fact = do(
        world, personal.away, "p-controller", start=TODAY, end=TODAY + timedelta(days=9), by="p-controller", now=NOON - timedelta(hours=2)
    )
    with pytest.raises(Refused, match="not yours"):
        do(world, personal.end_absence, fact.absence_id, person_id="p-cfo", on=TODAY, now=NOON - timedelta(hours=1))
    do(world, personal.end_absence, fact.absence_id, person_id="p-controller", on=TODAY, now=NOON - timedelta(hours=1))
    proposal = world.propose()
    ask_people(world, proposal)
    assert asked(world, proposal) == {"p-controller": "tier"}


def rerouted(world, person, *, customer="", now=NOON + timedelta(minutes=5)):
    return do(world, reroute, [person], SLACK, now, zone=UTC, by=person, customer_id=customer)


def test_a_conflict_declared_after_the_cards_went_out_puts_them_before_others_at_once(world):
    mine, other = world.propose("c-1"), world.propose("c-2")
    ask_people(world, mine, other)
    world.write(SlackMessage(subject=f"proposal:{mine}", address="@p-controller", channel="D1", ts="1.0", shown_digest="d"))
    do(world, personal.declare_conflict, "p-controller", "c-1", start=TODAY, by="p-controller", now=NOON + timedelta(minutes=5))
    assert rerouted(world, "p-controller", customer="c-1") == (mine,)
    assert asked(world, mine) == {"p-controller": "tier", "p-manager": "tier"} and asked(world, other) == {"p-controller": "tier"}
    assert f"proposal:{mine}:@p-manager" in messages(world)
    assert [e.dedup_key for e in world.owed("slack_update")] == [f"slack_update:proposal:{mine}:@p-controller"], "his card is drawn anew"
    (entry,) = world.entries("proposal.escalated")
    assert entry["actor"] == "person:p-controller" and entry["data"]["also"] == ["p-manager"]
    assert rerouted(world, "p-controller", customer="c-1") == (), "once"


def test_a_delegate_named_after_the_cards_went_out_gets_those_that_wait(world):
    waits, decided = world.propose("c-1"), world.propose("c-2")
    ask_people(world, waits, decided)
    world.decide("p-controller", decided)
    world.delegate("p-controller", "p-deputy")
    assert rerouted(world, "p-controller") == (waits,)
    assert asked(world, waits) == {"p-controller": "tier", "p-deputy": "delegate"} and f"proposal:{waits}:@p-deputy" in messages(world)


def test_an_absence_that_begins_later_puts_what_waits_before_others_on_its_day(world, clock):
    proposal = world.propose()
    ask_people(world, proposal)
    start = TODAY + timedelta(days=1)
    do(world, personal.away, "p-controller", start=start, end=start + timedelta(days=5), by="p-controller", now=NOON)
    assert rerouted(world, "p-controller") == () and follow(world, clock, NOON + timedelta(minutes=9)).escalated == ()
    assert follow(world, clock, NOON + timedelta(days=1)).escalated == (proposal,)
    assert asked(world, proposal) == {"p-controller": "tier", "p-manager": "tier"}


def test_nobody_gives_himself_a_right(world):
    right = AccessRight(person_id="p-cfo", access="read_limits", valid_from=TODAY, valid_to=None, recorded_at=NOON)
    with pytest.raises(Refused, match="himself"):
        do(world, personal.set_right, right, by="p-cfo")
    do(world, personal.set_right, right, by="p-ceo")
    with world.store.read() as uow:
        assert personal.has_right(uow, "p-cfo", "read_limits", on=TODAY, known_at=NOON)
        assert not personal.has_right(uow, "p-cfo", "request_limits", on=TODAY, known_at=NOON)
    with pytest.raises(BadInput, match="unknown right"):
        do(world, personal.set_right, replace(right, access="everything"), by="p-ceo")


def test_people_read_as_they_chose_and_otherwise_as_the_company(world):
    chosen = PersonPreference(
        person_id="p-cfo", language="zh_CN", locale="", time_zone="Asia/Shanghai", calendar="CN",
        valid_from=TODAY, valid_to=None, recorded_at=NOON,
    )  # fmt: skip
    do(world, personal.prefer, chosen, by="p-cfo")
    with world.store.read() as uow:
        cfo, ceo = (personal.reader(uow, p, ENGLISH, on=TODAY, known_at=NOON) for p in ("p-cfo", "p-ceo"))
    assert (cfo.language, str(cfo.zone), cfo.money(1_000_00, "EUR")) == ("zh_CN", "Asia/Shanghai", "1,000 EUR") and ceo == ENGLISH
    for wrong in ({"language": "xx"}, {"locale": "qq_QQ"}, {"time_zone": "Mars/Base"}, {"calendar": "ZZ"}):
        with pytest.raises(BadInput):
            do(world, personal.prefer, replace(chosen, recorded_at=NOON + timedelta(seconds=1), **wrong), by="p-cfo")


# --- questions ----------------------------------------------------------------------------------------------------------------------


def give_back(world, proposal, to=SLACK):
    command = world.command("p-controller", proposal, Verdict.RETURN, reason="Why so much?", reason_code="not_justified")
    with world.store.begin() as uow:
        return decide(command, uow, NOON, to=to)


def answer(world, proposal, who="p-analyst", words="Season orders are signed.", now=NOON + timedelta(hours=1)):
    return do(world, questions.answer, proposal, words, person_id=who, now=now, zone=UTC, to=SLACK)


def test_a_question_reaches_the_analyst_and_its_answer_is_a_fresh_proposal_he_cannot_approve(world):
    proposal = with_notes(world)
    give_back(world, proposal)
    assert f"question:{proposal}:@p-analyst" in messages(world)
    new = answer(world, proposal)
    assert (new.supersedes_id, world.proposal(new.proposal_id).state) == (proposal, "pending")
    assert [n["text"] for n in __import__("json").loads(new.packet_json)["notes"]] == ["Why so much?", "Season orders are signed."]
    assert {(m.person_id, m.how) for m in world.find(Maker, proposal_id=new.proposal_id)} == {("p-analyst", "answered")}
    assert world.proposal(new.proposal_id).tier == "T1" and asked(world, new.proposal_id) == {"p-controller": "tier"}
    assert world.decide("p-controller", new.proposal_id, now=NOON + timedelta(hours=2)).accepted
    assert world.apply(new.proposal_id, now=NOON + timedelta(hours=2)).state == "applied"


def test_only_who_is_asked_answers_and_only_once(world):
    proposal = with_notes(world)
    with pytest.raises(Refused, match="only one returned"):
        answer(world, proposal)
    give_back(world, proposal)
    with pytest.raises(Refused, match="answers this question"):
        answer(world, proposal, who="p-cfo")
    answer(world, proposal)
    with pytest.raises(Refused, match="another proposal"):
        answer(world, proposal, words="And more.")


def test_an_answer_comes_too_late_once_the_limit_changed_or_the_time_is_over(world):
    late = with_notes(world, "c-1")
    give_back(world, late)
    with pytest.raises(Refused, match="expired"):
        answer(world, late, now=NOON + timedelta(days=31))
    moved = with_notes(world, "c-2")
    give_back(world, moved)
    other = world.propose("c-2", to=70_000_00)
    world.decide("p-controller", other)
    world.apply(other)
    with pytest.raises(Refused, match="changed since"):
        answer(world, moved)


# --- conditions ---------------------------------------------------------------------------------------------------------------------

GUARANTEE = ConditionAsked(kind="guarantee_received", text="from the parent", due=TODAY + timedelta(days=5))


def confirm(world, who, *, evidence="Letter 17", now=NOON + timedelta(days=1)):
    found = world.find(ApprovalCondition, state="open")
    return do(world, conditions.confirm, found[0].condition_id, person_id=who, evidence=evidence, now=now, zone=UTC)


def test_an_approval_on_condition_is_applied_once_another_confirms_it(world):
    proposal = world.propose()
    outcome = world.decide("p-controller", proposal, conditions=(GUARANTEE,))
    assert outcome.state == "approved" and "once somebody else confirms the condition" in outcome.text
    assert world.owed("apply") == []
    with pytest.raises(Refused, match="waits for 1 condition"):
        world.apply(proposal)
    for who, why in (("p-controller", "set this condition"), ("p-deputy", "the analyst, his delegate")):
        with pytest.raises(Refused, match=why):
            confirm(world, who)
    with pytest.raises(Refused, match="say what you saw"):
        confirm(world, "p-analyst", evidence=" ")
    confirm(world, "p-analyst")
    assert len(world.owed("apply")) == 1 and world.apply(proposal, now=NOON + timedelta(days=1)).state == "applied"
    (entry,) = world.entries("condition.met")
    assert entry["actor"] == "person:p-analyst" and "Letter" not in str(entry["data"])


def test_conditions_of_several_approvals_must_all_be_met(world):
    proposal = world.propose(to=800_000_00)
    world.decide("p-cfo", proposal, conditions=(GUARANTEE,))
    world.decide("p-ceo", proposal, conditions=(replace(GUARANTEE, kind="overdue_paid"),))
    confirm(world, "p-analyst")
    assert world.owed("apply") == []
    confirm(world, "p-analyst")
    assert len(world.owed("apply")) == 1


def test_a_condition_nobody_confirms_in_time_lapses_with_the_approval(world, clock):
    proposal = world.propose()
    world.decide("p-controller", proposal, conditions=(GUARANTEE,))
    clock.set(NOON + timedelta(days=5))
    assert sweep(world.store, clock).lapsed == () and sweep(world.store, clock).requeued == ()
    clock.set(NOON + timedelta(days=6))
    assert sweep(world.store, clock).lapsed == (proposal,)
    assert (world.proposal(proposal).state, world.proposal(proposal).outcome_code) == ("expired", "condition_lapsed")
    assert world.one(ApprovalCondition).state == "lapsed"
    with pytest.raises(IndexError):
        confirm(world, "p-analyst")


def in_slack(world, who, proposal, verdict=Verdict.APPROVE, **fields):
    command = world.command(who, proposal, verdict, **fields)
    with world.store.begin() as uow:
        return decide(command, uow, NOON, to=SLACK)


def test_who_may_confirm_a_condition_is_told_and_told_again_when_it_lapses(world, clock):
    proposal = world.propose()
    ask_people(world, proposal)
    in_slack(world, "p-manager", proposal, conditions=(GUARANTEE,))
    key = world.one(ApprovalCondition).condition_id
    told = [m for m in messages(world) if m.startswith("condition:")]
    assert told == [f"condition:{key}:@p-analyst", f"condition:{key}:@p-controller"], "the analyst, and who holds the tier"
    with world.store.read() as uow:
        mine = {p: [c.condition_id for c, _ in conditions.to_confirm(uow, p, NOON, zone=UTC)] for p in ("p-analyst", "p-cfo", "p-manager")}
    assert mine == {"p-analyst": [key], "p-cfo": [key], "p-manager": []}, "who set it confirms nothing"
    world.write(SlackMessage(subject=f"condition:{key}", address="@p-analyst", channel="D1", ts="1.0", shown_digest=""))
    clock.set(NOON + timedelta(days=6))
    sweep(world.store, clock)
    assert {m for m in messages(world) if m.startswith("lapsed:")} == {f"lapsed:{key}:@p-analyst", f"lapsed:{key}:@p-manager"}
    assert f"slack_update:condition:{key}:@p-analyst" in [e.dedup_key for e in world.owed("slack_update")]


def test_an_approval_for_less_that_needs_a_second_is_put_before_the_others_who_may_give_it(world):
    proposal = world.propose(to=800_000_00)
    ask_people(world, proposal)
    less = {"counter": CounterOffer(to_minor=700_000_00)}
    outcome = in_slack(world, "p-cfo", proposal, Verdict.COUNTER, **less)
    assert (outcome.state, outcome.approvals_given, outcome.approvals_needed) == ("pending", 1, 2)
    assert asked(world, outcome.successor_id) == {"p-ceo": "tier", "p-chair": "tier"}
    assert {m for m in messages(world) if outcome.successor_id in m} == {
        f"proposal:{outcome.successor_id}:@{p}" for p in ("p-ceo", "p-chair", "p-cfo")
    }, "and its maker sees what became of his offer"
    assert world.decide("p-ceo", outcome.successor_id).state == "approved"


def test_an_offer_without_the_proposed_end_is_more_generous_and_a_temporary_limit_keeps_one(world):
    proposal = world.propose(effective_to=TODAY + timedelta(days=90))
    outcome = world.decide("p-controller", proposal, Verdict.COUNTER, counter=CounterOffer(open_ended=True))
    successor = world.proposal(outcome.successor_id)
    assert (outcome.code, successor.effective_to) == ("countered", None)
    temporary = world.propose("c-2", layer="temporary", effective_to=TODAY + timedelta(days=90))
    assert world.decide("p-controller", temporary, Verdict.COUNTER, counter=CounterOffer(open_ended=True)).code == "bad_counter_end"


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        (replace(GUARANTEE, due=TODAY - timedelta(days=1)), "condition_due"),
        (replace(GUARANTEE, due=TODAY + timedelta(days=40)), "condition_due"),
        (replace(GUARANTEE, kind="other", text=" "), "bad_condition"),
        (replace(GUARANTEE, kind="whatever"), "bad_condition"),
    ],
)
def test_a_condition_that_cannot_be_met_in_time_or_says_nothing_is_refused(world, wrong, code):
    proposal = world.propose()
    assert world.decide("p-controller", proposal, conditions=(wrong,)).code == code
    assert world.proposal(proposal).state == "pending"


def test_an_offer_that_others_decide_carries_no_condition(world):
    outcome = world.decide(
        "p-controller", world.propose(), Verdict.COUNTER, counter=CounterOffer(to_minor=90_000_00), conditions=(GUARANTEE,)
    )
    assert outcome.code == "no_approval"


# --- step-up ------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("to", "how", "code"),
    [
        (60_000_00, {}, "approved"),
        (800_000_00, {}, "type_amount"),
        (800_000_00, {"typed_minor": 800_000_00}, "type_amount"),
        (800_000_00, {"typed_minor": 800_000_00, "reason": "known"}, "pending"),
        (800_000_00, {"typed_minor": 80_000_00, "reason": "known"}, "typed_otherwise"),
        (9_000_000_00, {"typed_minor": 9_000_000_00, "reason": "known"}, "decide_outside"),
        (9_000_000_00, {"signed_in": True}, "pending"),
    ],
)
def test_the_higher_the_tier_the_surer_we_must_be(world, to, how, code):
    outcome = world.decide("p-ceo" if to > 500_000_00 else "p-controller", world.propose(to=to), **{"signed_in": False, **how})
    assert outcome.code == code


def test_rejecting_takes_no_more_than_a_click(world):
    assert world.decide("p-ceo", world.propose(to=9_000_000_00), Verdict.REJECT, signed_in=False).code == "rejected"


# --- offers foreseen ----------------------------------------------------------------------------------------------------------------


def test_what_is_foreseen_of_an_offer_is_what_becomes_of_it(world):
    for n, (to, mine) in enumerate([(55_000_00, True), (90_000_00, False), (300_000_00, False)]):
        proposal = world.propose(f"c-{n}")
        offer = CounterOffer(to_minor=to)
        with world.store.read() as uow:
            seen = foresee(uow, proposal, "p-controller", offer, NOON, zone=UTC)
        outcome = world.decide("p-controller", proposal, Verdict.COUNTER, counter=offer)
        made = world.proposal(outcome.successor_id) if outcome.successor_id else None
        assert seen.mine is mine and (made is None or (seen.need.tier == made.tier and (made.state == "approved") is mine))


# --- asking again -------------------------------------------------------------------------------------------------------------------


def follow(world, clock, at):
    clock.set(at)
    return followup.follow_up(world.store, clock, COMPANY, SLACK)


def test_working_hours_leave_out_nights_weekends_and_holidays():
    berlin, days = ZoneInfo("Europe/Berlin"), WorkingCalendar("DE")
    friday = datetime(2026, 10, 2, 16, tzinfo=berlin)
    assert working_hours_between(friday, datetime(2026, 10, 5, 10, tzinfo=berlin), days, berlin) == 2.0
    assert working_hours_between(friday, friday, days, berlin) == working_hours_between(friday, NOON, days, berlin) == 0
    new_year = datetime(2026, 12, 31, 16, 30, tzinfo=berlin)
    assert working_hours_between(new_year, datetime(2027, 1, 4, 9, tzinfo=berlin), days, berlin) == 0.5


def test_who_does_not_answer_is_reminded_and_then_the_next_tier_is_asked_too(world, clock):
    proposal = world.propose()
    ask_people(world, proposal)
    assert follow(world, clock, NOON + timedelta(days=1)).reminded == ()
    assert follow(world, clock, NOON + timedelta(days=5)).reminded == ("p-controller",)
    assert follow(world, clock, NOON + timedelta(days=5, hours=1)).escalated == ()
    assert messages(world).count("reminder:2026-10-06:@p-controller") == 1
    assert follow(world, clock, NOON + timedelta(days=8)).escalated == (proposal,)
    assert asked(world, proposal) == {"p-controller": "tier", "p-manager": "escalation"}
    assert world.entries("proposal.escalated")[0]["data"]["also"] == ["p-manager"]
    assert follow(world, clock, NOON + timedelta(days=8, hours=1)).escalated == (), "the manager has his time too"


def test_when_everybody_asked_is_away_others_are_asked_at_once(world, clock):
    proposal = world.propose()
    ask_people(world, proposal)
    do(world, personal.away, "p-controller", start=TODAY, end=TODAY + timedelta(days=9), by="p-controller", now=NOON + timedelta(minutes=5))
    assert follow(world, clock, NOON + timedelta(minutes=10)).escalated == (proposal,)


def test_each_gets_a_daily_summary_of_what_was_decided_in_his_name(world, clock):
    world.delegate("p-controller", "p-deputy")
    proposal = with_notes(world)
    world.decide("p-deputy", proposal, on_behalf_of="p-controller")
    done = follow(world, clock, NOON + timedelta(days=1))
    assert done.summarised == ("p-controller", "p-deputy")
    assert follow(world, clock, NOON + timedelta(days=1, hours=2)).summarised == ()
    assert sorted(m for m in messages(world) if m[:5] == "daily") == ["daily:2026-10-01:@p-controller", "daily:2026-10-01:@p-deputy"]


def test_where_nobody_is_asked_in_slack_nothing_is_owed(world, clock):
    world.propose()
    assert followup.follow_up(world.store, clock, COMPANY, Destinations()) == followup.FollowUp()


def test_what_awaits_me_is_what_my_authority_reaches_and_what_i_was_asked_is_less(world):
    mine, also = world.propose("c-1"), world.propose("c-2")
    ask_people(world, mine)
    with world.store.read() as uow:
        may = awaiting(uow, "p-controller", NOON, zone=UTC)
        assert {p.proposal_id for p in may} == {mine, also}
        assert [p.proposal_id for p in asked_of(uow, "p-controller", may)] == [mine]
    assert len(world.find(Proposal)) == 2
