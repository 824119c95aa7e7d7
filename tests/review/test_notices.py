"""How long before a reduction takes effect, who is told of it, and what follows a request; on both databases where the store decides."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pytest
from decision_world import NOON, TODAY, World, digest_of, os_account
from hypothesis import given
from hypothesis import strategies as st

from credit_review import audit
from credit_review.adapters.slack_chat import NullChat
from credit_review.calendar import CLOSES, WorkingCalendar, WorkingTime, closing
from credit_review.messages import Company, renderer
from credit_review.messages.card import card
from credit_review.messages.gathering import home_of, view_of
from credit_review.messages.home import home
from credit_review.messages.owner_news import News, in_full, owner_news
from credit_review.model.records import (
    AccessRight,
    ApprovalCondition,
    CreditLimit,
    LimitChange,
    OutboxEntry,
    PersonPreference,
    Proposal,
    Review,
    SlackMessage,
)
from credit_review.model.states import Verdict
from credit_review.review import followup, lifecycle, personal
from credit_review.review.addressing import Destinations
from credit_review.review.apply import apply, revert
from credit_review.review.conditions import ConditionAsked, confirm
from credit_review.review.counter import CounterOffer
from credit_review.review.owners import takes_effect, tell_owners
from credit_review.review.relay import Outside, relay
from credit_review.review.request import owe_refusal, owe_status
from credit_review.review.showing import Showing
from credit_review.review.sweep import sweep
from credit_review.words import Words, said, said_many, words_for

SLACK = Destinations(direct=True)
GERMANY = WorkingCalendar("DE")
BERLIN = ZoneInfo("Europe/Berlin")
COMPANY = followup.Company(calendar=GERMANY, zone=BERLIN)
DAYS = st.dates(date(2024, 1, 1), date(2030, 12, 31))
CHINESE = words_for(language="zh_CN", zone="Europe/Berlin")


@pytest.fixture
def world(store, clock):
    clock.set(NOON)
    return World(store)


def signed(customer, to, *, had=50_000_00, notice=5, owner="Ceo", **fields):
    """Packet and digest of a proposal as people are shown it."""
    packet = {
        "customer_id": customer, "customer_name": f"Customer {customer}", "currency": "EUR", "from_minor": had, "to_minor": to,
        "from_terms_days": 30, "terms_days": fields.get("terms_days", 30), "effective_from": TODAY.isoformat(), "effective_to": None,
        "notice_working_days": notice, "account_owner": owner, "engine_minor": to, "exposure_minor": 10_000_00, "own_risk_minor": 10_000_00,
        "overdue_minor": 0, "blocked_orders_minor": None, "grade": "B", "reasons": ["bureau score 212"], "exceptional": [], "notes": [],
        "facts": {}, "status": "active", "policy": "p", "authority": "a", "request": fields.pop("request", None),
        "substitutes": fields.pop("substitutes", []),
    }  # fmt: skip
    text = audit.canonical(packet)
    return {"packet_json": text, "digest": digest_of(text), **fields}


def propose(world, customer="c-1", *, to=20_000_00, had=50_000_00, **fields):
    return world.propose(customer, had=had, to=to, **signed(customer, to, had=had, **fields))


def put_in_force(world, proposal, *, now=NOON):
    with world.store.begin() as uow:
        return apply(proposal, uow, now, zone=BERLIN, calendar=GERMANY)


def do(world, act, *args, **fields):
    with world.store.begin() as uow:
        done = act(uow, *args, **fields)
        uow.commit()
        return done


def drawn(world, clock, subject, person, words=None, **about):
    """A message as the relay would send it, as text; the empty text when there is nothing to say."""
    with world.store.read() as uow:
        shown = renderer(clock, Company(words or Words(zone=BERLIN)))(uow, Showing(subject, f"@{person}", about))
    return json.dumps(shown.blocks, ensure_ascii=False) if shown else ""


def told(world, clock, person, payload):
    """A queued message as it would be sent."""
    return drawn(world, clock, payload["subject"], person, proposals=payload["proposals"], pass_on=payload["pass_on"])


def posts(world, kind):
    """Messages owed of a kind: (person, payload)."""
    rows = [(r.dedup_key, json.loads(r.payload_json)) for r in world.owed("slack_post")]
    return [(payload["address"].removeprefix("@"), payload) for _, payload in rows if payload["subject"].partition(":")[0] == kind]


# --- how long before ----------------------------------------------------------------------------------------------------------------


@given(today=DAYS, proposed=DAYS, notice=st.integers(0, 30), had=st.integers(1, 9), to=st.integers(0, 9))
def test_a_reduction_takes_effect_after_its_notice_and_never_before_the_day_proposed(today, proposed, notice, had, to):
    packet = json.dumps({"from_minor": had, "to_minor": to, "notice_working_days": notice})
    begins = takes_effect(SimpleNamespace(packet_json=packet, effective_from=proposed), today, GERMANY)
    between = GERMANY.working_days_between(today, begins)
    assert begins >= max(proposed, today)
    if to < had and notice:
        assert between >= notice and (begins == proposed or (between == notice and GERMANY.is_working_day(begins)))
    else:
        assert begins == max(proposed, today)


@given(
    start=st.tuples(DAYS, st.times()).map(lambda both: datetime.combine(*both, tzinfo=UTC)),
    days=st.integers(1, 40),
    people=st.frozensets(st.sampled_from([("CN", "Asia/Shanghai"), ("US-NY", "America/New_York"), ("SA", "Asia/Riyadh")]), max_size=3),
)
def test_an_expiry_is_the_close_of_a_day_on_which_everybody_asked_works_after_that_many_days_of_each(start, days, people):
    everybody = frozenset({WorkingTime(GERMANY, BERLIN), *(WorkingTime(WorkingCalendar(c), ZoneInfo(z)) for c, z in people)})
    end = closing(start, days, everybody)
    last = max(end.astimezone(one.zone).date() for one in everybody if end.astimezone(one.zone).time() == CLOSES)
    for one in everybody:
        assert one.calendar.is_working_day(last)
        assert one.calendar.working_days_between(start.astimezone(one.zone).date(), last) >= days
        assert end >= datetime.combine(last, CLOSES, tzinfo=one.zone)


LATE = NOON + timedelta(days=20)
"""Wednesday 21 October 2026; five working days later is the 28th."""


def test_a_late_approval_of_a_reduction_still_gives_notice_and_limit_card_entry_and_delivery_say_the_same_day(world, clock):
    proposal = propose(world)
    with world.store.read() as uow:
        view = view_of(uow, proposal, Company(Words(zone=BERLIN)), NOON)
    assert "Takes effect 5 working days after the decision, not before 1 Oct 2026" in json.dumps(card(view).blocks)
    assert world.decide("p-manager", proposal, now=LATE).accepted
    assert put_in_force(world, proposal, now=LATE).state == "applied"
    change, limit = world.one(LimitChange, proposal_id=proposal), world.one(CreditLimit)
    (entry,) = world.entries("limit.applied")
    (delivery,) = world.owed("erp")
    day = date(2026, 10, 28)
    assert (change.effective_from, limit.effective_from, limit.amount_minor) == (day, day, 20_000_00)
    assert (entry["data"]["effective_from"], entry["data"]["notice_working_days"]) == ("2026-10-28", 5)
    assert json.loads(delivery.payload_json)["effective_from"] == "2026-10-28"
    assert delivery.not_before == datetime(2026, 10, 28, tzinfo=BERLIN), "the ERP gets it on the day, not before"
    clock.set(LATE)
    with world.store.read() as uow:
        after = view_of(uow, proposal, Company(Words(zone=BERLIN)), LATE)
    assert "Takes effect on 28 Oct 2026" in json.dumps(card(after).blocks)
    tell_owners(world.store, clock, SLACK, limits_owner="p-analyst")
    ((person, payload),) = posts(world, "owner")
    text = told(world, clock, person, payload)
    assert person == "p-ceo" and "limit goes from 50,000 EUR to 20,000 EUR on 28 Oct 2026" in text and "bring a guarantee" in text


@pytest.mark.parametrize(
    ("fields", "day"),
    [
        ({"notice": 0}, date(2026, 10, 21)),  # insolvent, legal or blocked: policy's notice for them is none
        ({"to": 60_000_00}, date(2026, 10, 21)),  # an increase helps the customer at once
        ({"to": 50_000_00, "terms_days": 14}, date(2026, 10, 28)),  # tighter terms are a reduction too
        ({"effective_from": date(2026, 11, 2)}, date(2026, 11, 2)),  # the day proposed is later than the notice
    ],
)
def test_notice_is_for_reductions_and_only_as_long_as_signed(world, fields, day):
    proposal = propose(world, **fields)
    assert world.decide("p-manager", proposal, now=LATE).accepted
    put_in_force(world, proposal, now=LATE)
    assert world.one(LimitChange, proposal_id=proposal).effective_from == day


def test_an_increase_offered_as_a_reduction_gets_the_notice_too(world):
    proposal = propose(world, to=60_000_00)
    done = world.decide("p-manager", proposal, Verdict.COUNTER, counter=CounterOffer(to_minor=40_000_00), now=LATE)
    put_in_force(world, done.successor_id, now=LATE)
    assert world.one(LimitChange, proposal_id=done.successor_id).effective_from == date(2026, 10, 28)


def test_the_notice_of_a_reduction_on_condition_runs_from_the_day_it_can_be_applied(world):
    proposal = propose(world)
    due = ConditionAsked(kind="accounts_sent", text="", due=TODAY + timedelta(days=20))
    assert world.decide("p-manager", proposal, conditions=(due,)).accepted
    condition = world.one(ApprovalCondition)
    seen = {"person_id": "p-analyst", "evidence": "Seen.", "now": LATE - timedelta(hours=1), "zone": BERLIN}
    do(world, confirm, condition.condition_id, **seen)
    put_in_force(world, proposal, now=LATE)
    assert world.one(LimitChange, proposal_id=proposal).effective_from == date(2026, 10, 28)


def test_a_reduction_that_would_end_before_it_takes_effect_expires(world):
    proposal = propose(world, effective_to=TODAY + timedelta(days=3))
    world.decide("p-manager", proposal)
    assert put_in_force(world, proposal).code == "ends_before_effect"
    assert world.proposal(proposal).state == "expired" and world.in_force("c-1") == 50_000_00


# --- account owners -----------------------------------------------------------------------------------------------------------------


def decided(world, customer, *, owner, now=NOON, **fields):
    proposal = propose(world, customer, owner=owner, **fields)
    world.decide("p-manager", proposal, now=now)
    put_in_force(world, proposal, now=now)
    return proposal


def test_an_owner_is_told_once_in_one_message_a_batch_and_no_missed_run_loses_anything(world, clock):
    several = [decided(world, f"c-{n:02}", owner="p-ceo") for n in range(22)]
    clock.set(NOON + timedelta(days=9))  # nothing ran for a week
    assert followup.follow_up(world.store, clock, COMPANY, SLACK).told.people == ("p-ceo",)
    ((person, payload),) = posts(world, "owner")
    assert sorted(payload["proposals"]) == sorted(several)
    text = told(world, clock, person, payload)
    assert text.count("limit goes from 50,000 EUR to 20,000 EUR") == 22, "each by name, the last of them without the reasons"
    assert followup.follow_up(world.store, clock, COMPANY, SLACK).told.people == ()
    assert world.find(OutboxEntry, kind="tell_owner", state="queued") == [] and len(posts(world, "owner")) == 1


def test_an_owner_of_very_many_changes_reads_how_many_are_left_out_and_where_they_are(world, clock):
    many = [news(to_minor=10_000_00 + n) for n in range(500)]
    shown = owner_news(many, Words())
    text = json.dumps(shown.blocks, ensure_ascii=False)
    assert "500 decisions about your customers" in text and "and 425 more; `/credit NAME` tells of each" in text
    assert len(text) < 25_000 and "500 with less, 0 with more or the same" in text


SECRETS = {
    "reasons": ["bureau score 212"], "grade": "E-SECRET", "pd": 0.4242, "own_risk_minor": 777_777_00, "points": 313,
    "derivation": [["Reported", "999"]], "notes": [{"text": "he is a crook"}], "overdue_minor": 1_500_00,
    "facts": {"oldest_dpd_days": 40, "grade_before": "D-SECRET", "insured_minor": 888_888_00},
}  # fmt: skip


def news(*, to_minor=20_000_00, had=50_000_00, layer="base", state="applied", change=None, **packet):
    """Something new of a made-up customer, as it would be read from the record."""
    about = {
        "to_minor": to_minor, "engine_minor": to_minor, "exposure_minor": 30_000_00, "blocked_orders_minor": 4_000_00, "status": "active",
        "review": {"label": "2026Q3"}, "request": None, **SECRETS, **packet,
    }  # fmt: skip
    made = SimpleNamespace(
        kind="decision", old_minor=had, new_minor=to_minor, old_terms_days=30, new_terms_days=14, effective_from=date(2026, 10, 8),
        effective_to=None, **(change or {}),
    )  # fmt: skip
    proposal = SimpleNamespace(packet_json=json.dumps(about), state=state)
    return News(name="Alpha Ltd", currency="EUR", layer=layer, proposal=proposal, change=made)


def test_an_owner_reads_old_and_new_limit_terms_day_reason_and_what_it_means_for_orders():
    told = [Words().say(part) for part in in_full(news())]
    assert told == [
        "limit goes from 50,000 EUR to 20,000 EUR on 8 Oct 2026",
        "payment terms go from net 30 days to net 14 days",
        "why: 1,500 EUR is overdue, the oldest by 40 days",
        "open orders and deliveries of 4,000 EUR are outside it",
        "the customer can pay open invoices, bring a guarantee, or send newer accounts",
    ]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"blocked_orders_minor": None}, "open orders: not computable, no orders in source"),
        ({"blocked_orders_minor": 0}, "no open order or delivery is outside it"),
        ({"engine_minor": 25_000_00}, "open orders and deliveries of at most 10,000 EUR are outside it"),
        ({"engine_minor": 25_000_00, "exposure_minor": 0}, "no open order or delivery is outside it"),
        ({"status": "insolvent"}, "why: the customer is insolvent"),
        ({"request": {"amount_minor": 1}}, "why: it was asked for"),
        ({"overdue_minor": 0}, "why: credit review 2026Q3"),
        ({"had": None}, "first limit of 20,000 EUR from 8 Oct 2026"),
        ({"had": 20_000_00}, "limit stays at 20,000 EUR; new terms from 8 Oct 2026"),
        ({"layer": "temporary"}, "temporary limit of 20,000 EUR from 8 Oct 2026"),
        ({"state": "pending"}, "limit raised at once to 20,000 EUR on 8 Oct 2026; its approval is still to come"),
        ({"state": "rejected"}, "Rejected; the limit that was raised before its approval is taken back"),
    ],
)
def test_each_kind_of_news_says_what_it_is(fields, words):
    assert words in [Words().say(part) for part in in_full(news(**fields))]


@pytest.mark.parametrize("language", ["en", "zh_CN"])
def test_nothing_stands_in_an_owners_note_that_he_may_not_see(language):
    words = words_for(language=language, zone="Europe/Berlin")
    for fields in ({}, {"had": 10_000_00}, {"request": {"amount_minor": 1, "reason": "he is a crook"}}, {"layer": "temporary"}):
        text = json.dumps(owner_news([news(**fields)], words).blocks, ensure_ascii=False)
        for secret in ("bureau", "212", "SECRET", "0.42", "42%", "777", "888", "999", "313", "crook", "30,000"):
            assert secret not in text, (secret, fields)


def test_an_owner_hears_when_a_temporary_limit_ends_of_itself(world, clock):
    end = TODAY + timedelta(days=10)
    proposal = propose(world, "c-1", owner="p-ceo", to=90_000_00, layer="temporary", had=None, effective_to=end)
    world.decide("p-ceo", proposal), world.decide("p-cfo", proposal)
    put_in_force(world, proposal)
    tell_owners(world.store, clock, SLACK, limits_owner="")
    later = datetime.combine(end, time(12), tzinfo=UTC)
    with world.store.begin() as uow:
        assert revert(uow, world.proposal(proposal).account_id, later, zone=BERLIN) is not None
        uow.commit()
    clock.set(later)
    for _ in range(2):
        tell_owners(world.store, clock, SLACK, limits_owner="")
    (_, begun), (person, ended) = posts(world, "owner")
    assert person == "p-ceo" and begun["proposals"] == [proposal] and len(ended["changes"]) == 1
    text = drawn(world, clock, ended["subject"], person, proposals=[], changes=ended["changes"], pass_on="")
    assert "the limit of 90,000 EUR ended on 11 Oct 2026" in text and "its last day has come" in text


def test_an_owner_who_is_not_in_the_directory_is_named_to_somebody_who_passes_it_on(world, clock):
    decided(world, "c-1", owner="R. Franklin")
    decided(world, "c-2", owner="R. Franklin", assigned_to="")
    done = followup.follow_up(world.store, clock, COMPANY, SLACK, limits_owner="p-cfo")
    assert done.told.unknown == ("R. Franklin",) and "1 not in the directory (R. Franklin)" in done.text()
    assert sorted(person for person, _ in posts(world, "owner")) == ["p-analyst", "p-cfo"], "his analyst, or who answers for limits"
    person, payload = posts(world, "owner")[0]
    text = told(world, clock, person, payload)
    assert "1 decision to pass on to R. Franklin" in text and "on 8 Oct 2026" in text


@pytest.mark.parametrize("language", ["en", "zh_CN"])
def test_news_of_a_customer_without_an_owner_goes_to_its_analyst_or_to_who_answers_for_limits(world, clock, language):
    decided(world, "c-1", owner="")
    decided(world, "c-2", owner="", assigned_to="")
    decided(world, "c-3", owner="R. Franklin", assigned_to="")
    done = followup.follow_up(world.store, clock, COMPANY, SLACK, limits_owner="p-cfo")
    assert (done.told.ownerless, done.told.unknown) == (("c-1", "c-2"), ("R. Franklin",))
    assert "2 customers without an account owner, whose analysts are told instead" in done.text()
    sent = sorted((person, payload["ownerless"], len(payload["proposals"])) for person, payload in posts(world, "owner"))
    assert sent == [("p-analyst", True, 1), ("p-cfo", False, 1), ("p-cfo", True, 1)]
    person, payload = next(one for one in posts(world, "owner") if one[0] == "p-analyst")
    words = words_for(language=language, zone="Europe/Berlin")
    text = drawn(world, clock, payload["subject"], person, words, proposals=payload["proposals"], pass_on="", ownerless=True)
    assert words.say(said_many("{n} decision about a customer without an account owner", "", n=1)) in text
    foot = "The ledger names no account owner: tell whoever looks after the customer, and have the owner entered in the ledger."
    assert words.say(said(foot)) in text


def test_a_reduction_that_did_not_happen_is_told_without_a_day(world, clock):
    proposal = propose(world)
    world.decide("p-manager", proposal, Verdict.REJECT)
    tell_owners(world.store, clock, SLACK, limits_owner="")
    ((person, payload),) = posts(world, "owner")
    assert "Rejected; the limit stays as it is" in told(world, clock, person, payload)


def test_where_nobody_is_told_in_slack_what_is_owed_to_owners_is_settled(world, clock):
    decided(world, "c-1", owner="p-ceo")
    followup.follow_up(world.store, clock, COMPANY, Destinations())
    assert world.one(OutboxEntry, kind="tell_owner").state == "confirmed" and posts(world, "owner") == []
    decided(world, "c-2", owner="p-ceo")
    done = tell_owners(world.store, clock, Destinations(), limits_owner="")
    assert done.untold == 1 and "1 change that its account owner has to be told of: there is no Slack" in done.text()


def test_a_run_that_was_missed_loses_no_days_summary(world, clock):
    for n, day in enumerate((0, 1, 4)):
        at = NOON + timedelta(days=day)
        world.decide("p-manager", propose(world, f"c-{n}"), now=at)
    clock.set(NOON + timedelta(days=6))
    assert followup.follow_up(world.store, clock, COMPANY, SLACK).summarised == ("p-manager",)
    subjects = [payload["subject"] for person, payload in posts(world, "daily") if person == "p-manager"]
    assert subjects == ["daily:2026-10-01", "daily:2026-10-02", "daily:2026-10-05"]
    assert followup.follow_up(world.store, clock, COMPANY, SLACK).summarised == ()
    assert "1 decision in your name on 2 Oct 2026" in drawn(world, clock, "daily:2026-10-02", "p-manager")


# --- declarations -------------------------------------------------------------------------------------------------------------------


def test_who_may_decide_is_reminded_monthly_to_declare_his_interests_until_he_does(world, clock):
    world.limit("c-1", 10_000_00)
    for person in ("p-manager", "p-ceo", "p-chair"):
        do(world, personal.declare_conflict, person, "", start=TODAY, by=person, now=NOON)
    until = TODAY + timedelta(days=20)
    do(world, personal.declare_conflict, "p-cfo", "c-1", start=TODAY, end=until, by="p-cfo", now=NOON)
    clock.set(NOON + timedelta(hours=1))
    assert followup.follow_up(world.store, clock, COMPANY, SLACK).undeclared == ("p-cfo", "p-controller")
    assert followup.follow_up(world.store, clock, COMPANY, SLACK).undeclared == (), "once a month"
    assert "ends on 21 Oct 2026" in drawn(world, clock, "declaration:2026-10", "p-cfo")
    assert "no declaration of conflicts of interest by you is in force" in drawn(world, clock, "declaration:2026-10", "p-controller")
    now = clock.now()
    do(world, personal.declare_conflict, "p-controller", "", start=TODAY, by="p-controller", now=now)
    clock.set(now + timedelta(minutes=1))
    assert drawn(world, clock, "declaration:2026-10", "p-controller") == "", "nothing to say once it is done"
    clock.set(datetime(2026, 11, 2, 12, tzinfo=UTC))
    assert followup.follow_up(world.store, clock, COMPANY, SLACK).undeclared == ("p-cfo",)


@pytest.mark.parametrize(("person", "asked"), [("p-manager", True), ("p-deputy", True), ("p-analyst", False)])
def test_only_who_may_decide_or_stands_in_for_who_may_is_asked_at_home_for_the_yearly_declaration(world, person, asked):
    world.delegate("p-manager", "p-deputy")
    with world.store.read() as uow:
        shown = json.dumps(home(home_of(uow, person, Company(Words(zone=BERLIN)), NOON), Words(zone=BERLIN)))
    assert ("Your yearly declaration is missing" in shown) is asked


def test_who_changes_how_he_reads_sees_what_waits_for_him_that_way_and_the_rest_as_it_was(world):
    pending, done = propose(world, "c-1"), propose(world, "c-2")
    world.decide("p-manager", done)
    for subject, address in ((f"proposal:{pending}", "@p-manager"), (f"proposal:{done}", "@p-manager"), (f"proposal:{pending}", "@p-cfo")):
        world.write(SlackMessage(subject=subject, address=address, channel="D1", ts="1.0", shown_digest=""))
    chosen = {"language": "zh_CN", "locale": "", "time_zone": "", "calendar": ""}
    kept = PersonPreference(person_id="p-manager", **chosen, valid_from=TODAY, valid_to=None, recorded_at=NOON)
    do(world, personal.prefer, kept, by="p-manager")
    assert [r.dedup_key for r in world.find(OutboxEntry, kind="slack_update")] == [f"slack_update:proposal:{pending}:@p-manager"]


# --- requests -----------------------------------------------------------------------------------------------------------------------


def requested(world, *, to=60_000_00, **fields):
    """A request of the deputy for c-1: its review, followed by a message, and its draft."""
    whole = {"scope": "customer:c-1#1", "kind": "ad_hoc", "started_by": "p-deputy", "review_id": "r-ask", "as_of": TODAY}
    known = world.one(Review, review_id="r-1")
    world.write(replace(known, **whole, state="proposed", last_good_state="proposed"))
    do(world, owe_status, "r-ask", "p-deputy", SLACK, NOON)
    asked = {"amount_minor": to, "by": "p-deputy", "reason": "season", "until": None, "terms_days": None}
    known = {"review_id": "r-ask", "proposer_id": "p-deputy", "request": asked, "tier": "T2", **fields}
    return propose(world, to=to, **known)


def status(world, clock, words=None):
    return drawn(world, clock, "request:r-ask", "p-deputy", words)


def test_a_request_is_followed_from_receipt_to_application_without_scores(world, clock):
    proposal = requested(world, state="draft", substitutes=["net_worth:stale:ask_documents", "recommendation:missing:no_increase"])
    assert [(who, p["subject"]) for who, p in posts(world, "request")] == [("p-deputy", "request:r-ask")]
    assert "With the analyst" in status(world, clock)
    text = status(world, clock)
    assert "newer annual accounts; an external report" in text
    assert "212" not in text and "Grade" not in text and "bureau" not in text
    do(world, lambda uow: uow.change(Proposal, where={"proposal_id": proposal}, to={"state": "pending"}))
    assert "Waiting for approval by Credit manager" in status(world, clock), "by role, not by name"
    counter = CounterOffer(to_minor=55_000_00)
    successor = world.decide("p-manager", proposal, Verdict.COUNTER, counter=counter).successor_id
    text = status(world, clock)
    assert "Approved, waiting to be applied" in text and "You asked for" in text and "60,000 EUR" in text
    put_in_force(world, successor)
    text = status(world, clock)
    assert "Approved and applied" in text and "1 Oct 2026" in text


@pytest.mark.parametrize("language", ["en", "zh_CN"])
def test_a_refusal_is_said_in_the_requesters_language(world, clock, language):
    words = words_for(language=language, zone="Europe/Berlin")
    proposal = requested(world)
    world.decide("p-manager", proposal, Verdict.REJECT, reason="score 212 of the bureau", reason_code="not_justified")
    text = status(world, clock, words)
    assert words.say("the need is not shown") in text and "212" not in text


def test_a_request_that_came_to_nothing_says_why_in_words(world, clock):
    world.write(replace(world.one(Review, review_id="r-1"), review_id="r-ask", scope="customer:c-9#1", kind="ad_hoc", as_of=TODAY,
                        started_by="p-deputy", state="scored", last_good_state="scored"))  # fmt: skip
    do(world, owe_status, "r-ask", "p-deputy", SLACK, NOON)
    assert "Received; the customer is being reviewed" in status(world, clock) and "Customer c-9" in status(world, clock)
    do(world, lifecycle.fail, "r-ask", code="Refused", text="raw")
    do(world, owe_refusal, "r-ask", said("you may not ask for limits; ask the risk team for the right to"), NOON)
    assert "Not possible: you may not ask for limits" in status(world, clock)
    assert CHINESE.say(said("you may not ask for limits; ask the risk team for the right to")) in status(world, clock, CHINESE)


def test_every_step_of_a_request_draws_its_status_anew(world):
    proposal = requested(world)
    world.write(SlackMessage(subject="request:r-ask", address="@p-deputy", channel="D1", ts="1.0", shown_digest=""))
    update = {"kind": "slack_update", "dedup_key": "slack_update:request:r-ask:@p-deputy"}

    def drawn_again():
        rows = world.find(OutboxEntry, **update, state="queued")
        do(world, lambda uow: uow.change(OutboxEntry, where=update, to={"state": "confirmed"}))
        return len(rows)

    assert drawn_again() == 0
    world.decide("p-manager", proposal)
    assert drawn_again() == 1
    put_in_force(world, proposal)
    assert drawn_again() == 1


def moves_on(world, proposal):
    return {
        "its review failed": lambda: do(world, lifecycle.fail, "r-ask", code="Refused", text="raw"),
        "it was decided": lambda: world.decide("p-manager", proposal),
        "it is another analyst's": lambda: do(
            world, lambda uow: uow.change(Proposal, where={"proposal_id": proposal}, to={"assigned_to": "p-deputy"})
        ),
        "nothing": lambda: None,
    }


@pytest.mark.parametrize(
    ("what", "drawn_again"), [("its review failed", 1), ("it was decided", 1), ("it is another analyst's", 1), ("nothing", 0)]
)
def test_a_request_that_moves_on_while_its_first_status_is_sent_is_drawn_anew(world, clock, what, drawn_again):
    proposal, updates = requested(world), []

    class Slow(NullChat):
        def post(self, **message):
            posted = super().post(**message)
            if "request:r-ask" in message["dedup_key"]:
                moves_on(world, proposal)[what]()  # no message is on record yet, so whoever decides owes it nothing
            return posted

        def update(self, **message):
            updates.append(message["text"])
            return super().update(**message)

    world.write(os_account("T1|UDEPUTY", "p-deputy", kind="slack"))
    outside = Outside(chat=Slow(), render=renderer(clock, Company(Words(zone=BERLIN))), teams=("T1",))
    relay(world.store, outside, clock, worker="w-1")
    assert world.one(SlackMessage, subject="request:r-ask").address == "@p-deputy"
    assert len(updates) == drawn_again and not world.find(OutboxEntry, kind="slack_update", state="queued")


def test_an_expired_request_says_so(world, clock):
    proposal = requested(world)
    clock.set(NOON + timedelta(days=31))
    sweep(world.store, clock)
    assert world.proposal(proposal).state == "expired" and "Expired: nobody decided in time" in status(world, clock)


def at_home(world, person="p-deputy", words=None):
    """What a person's App Home says of his requests, as text."""
    words = words or Words(zone=BERLIN)
    with world.store.read() as uow:
        blocks = list(home(home_of(uow, person, Company(words), NOON), words)["blocks"])
    texts = [json.dumps(block, ensure_ascii=False) for block in blocks]
    start = next((n for n, text in enumerate(texts) if words.say(said("My requests")) in text), None)
    return "" if start is None else "\n".join(texts[start : start + 3])


def test_who_asked_for_a_limit_sees_how_it_stands_at_home_without_scores(world):
    assert at_home(world) == "", "nothing for who never asked and may not"
    proposal = requested(world, state="draft", substitutes=["net_worth:stale:ask_documents"])
    text = at_home(world)
    assert "Customer c-1" in text and "With the analyst" in text and "Missing documents: newer annual accounts" in text
    assert "212" not in text and "Grade" not in text and "bureau" not in text
    do(world, lambda uow: uow.change(Proposal, where={"proposal_id": proposal}, to={"state": "pending"}))
    counter = CounterOffer(to_minor=55_000_00)
    successor = world.decide("p-manager", proposal, Verdict.COUNTER, counter=counter).successor_id
    assert "Approved, waiting to be applied · You asked for: 60,000 EUR" in at_home(world)
    put_in_force(world, successor)
    text = at_home(world)
    assert "Approved and applied" in text and "From: 1 Oct 2026" in text
    text = at_home(world, words=CHINESE)
    assert "我的申请" in text and "缺少的文件" in text and "Missing" not in text and "applied" not in text
    assert at_home(world, "p-manager") == "", "nobody sees the requests of others"


def test_home_shows_a_few_requests_those_that_wait_for_something_first_and_counts_the_rest(world):
    known = world.one(Review, review_id="r-1")
    like = {"kind": "ad_hoc", "as_of": TODAY, "started_by": "p-deputy"}
    for n in range(11):
        state = "scored" if n in (0, 10) else "superseded" if n == 5 else "failed"
        scope, at = f"customer:c-{n:02}#1", NOON + timedelta(minutes=n)
        world.write(replace(known, **like, review_id=f"r-{n:02}a", scope=scope, state=state, last_good_state="draft", started_at=at))
    world.write(replace(known, **like, review_id="r-whole", scope="all", state="scored", started_at=NOON + timedelta(hours=1)))
    text = at_home(world)
    shown = re.findall(r"Customer (c-\d\d)", text)
    assert shown == ["c-10", "c-00", "c-09", "c-08", "c-07", "c-06", "c-04", "c-03"]
    assert "and 2 older ones" in text


def test_who_may_ask_for_limits_finds_the_button_with_his_requests(world):
    right = AccessRight(
        person_id="p-deputy", access="request_limits", valid_from=TODAY, valid_to=None, recorded_at=NOON - timedelta(hours=1)
    )
    world.write(right)
    text = at_home(world)
    assert '"none"' in text and "Ask for a limit" in text


def test_an_owner_without_an_account_in_slack_is_listed_as_not_reached_and_somebody_is_told(sqlite_store, clock):
    clock.set(NOON)
    world = World(sqlite_store)
    decided(world, "c-1", owner="p-ceo")
    tell_owners(world.store, clock, SLACK, limits_owner="p-analyst")
    sent = Outside(chat=NullChat(), render=renderer(clock, Company(Words())), teams=("T1",), owner_id="p-analyst")
    relay(world.store, sent, clock, worker="w")
    (entry,) = [e for e in world.entries("message.parked") if e["data"]["address"] == "@p-ceo"]
    assert entry["data"]["owner"] == "p-analyst" and entry["data"]["subject"].startswith("owner:")
    assert [person for person, _ in posts(world, "parked")] == ["p-analyst"], "who answers for limits reads who was not reached"
