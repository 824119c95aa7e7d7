"""Departures from policy: each begins with what makes it, has an owner and an end, and ends once, by itself; on both databases."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, timedelta
from functools import partial
from zoneinfo import ZoneInfo

import pytest
from lifecycle_world import NOON, RULES, TODAY, Ledger, World, analyst, draft, person
from sqlalchemy import text
from test_races import at_once

from credit_review.adapters.store.business import compare_with_tables
from credit_review.calendar import WorkingCalendar
from credit_review.errors import BadInput, Conflict, Refused
from credit_review.messages.gathering import Company as Reading
from credit_review.messages.render import renderer
from credit_review.model.records import (
    CreditLimit,
    Exclusion,
    Finding,
    OutboxEntry,
    PolicyException,
    Proposal,
)
from credit_review.review import close, exceptions, release
from credit_review.review.addressing import Destinations
from credit_review.review.apply import apply
from credit_review.review.decide import DecideCommand, decide
from credit_review.review.exceptions import NOT_YOURS, OWNER_LEFT, TOO_LONG, WITH_ITS_LIMIT
from credit_review.review.followup import follow_up
from credit_review.review.showing import Showing
from credit_review.review.sweep import sweep
from credit_review.review.working import Company
from credit_review.words import Words
from tests.store.meddling import as_administrator

COMPANY = Company(calendar=WorkingCalendar("DE"), zone=ZoneInfo("Europe/Berlin"))
YEAR = TODAY + timedelta(days=366)


BOTH = pytest.mark.parametrize("world", ["sqlite_store", "postgres_store"], indirect=True)
"""Races, and what constraints of the database hold, on both; the rest on one."""


@pytest.fixture
def world(request, clock):
    clock.set(NOON)
    return World(request.getfixturevalue(getattr(request, "param", "sqlite_store")), clock)


def amended(world, customer="c-1", *, engine=60_000_00, to=70_000_00, **figures):
    """A limit that an analyst raised above the engine's figure, approved and applied."""
    if not world.find(Proposal):
        world.routed([draft(customer, to=engine), draft("c-2", had=80_000_00, to=40_000_00), draft("c-3", to=30_000_00)])
    key = world.proposal(customer, state="draft").proposal_id
    world.do(release.amend, key, to_minor=to, reason="order of 40k", by=analyst(), **figures)
    world.do(release.release, [key], RULES, analyst())
    shown = world.proposal(customer, proposal_id=key)
    for n, who in enumerate(("p-cfo", "p-ceo")[: shown.required_approvals]):
        command = DecideCommand(
            proposal_id=key, verdict="approve", delivery_key=f"{key}-{n}", digest=shown.digest, account_kind="os", account=who,
            channel="cli", signed_in=True, reason="agreed",
        )  # fmt: skip
        with world.store.begin() as uow:
            decide(command, uow, NOON)
    with world.store.begin() as uow:
        assert apply(key, uow, NOON, zone=COMPANY.zone).state == "applied"
    return key


def excluded(world, customer="c-3", **fields):
    if not world.find(Proposal):
        world.routed([draft(customer, to=30_000_00)])
    key = world.proposal(customer).proposal_id
    return world.do(release.exclude, key, rule="netting", reason="joint venture", by=analyst(), **fields)


def swept(world, on):
    world.clock.set(NOON + timedelta(days=(on - TODAY).days))
    return sweep(world.store, world.clock, company=COMPANY)


def standing(world):
    return {(e.kind, e.customer_id): e for e in world.find(PolicyException) if e.state != "ended"}


def agrees(world):
    """The log rebuilds the register; other rows of the test's world have no entries."""
    found = [d.what for d in compare_with_tables(world.store.engine) if "exception" in d.what]
    assert not found, found


@BOTH
def test_a_limit_above_the_engines_begins_an_exception_with_its_application(world):
    key = amended(world)
    one = world.one(PolicyException)
    assert (one.kind, one.proposal_id, one.owner_id, one.reason) == ("limit", key, "p-analyst", "order of 40k")
    assert (one.policy_minor, one.granted_minor, one.starts, one.ends) == (60_000_00, 70_000_00, TODAY, YEAR)
    (entry,) = world.entries("exception.started")
    assert (entry["data"]["owner"], entry["data"]["ends"], entry["data"]["taken_up"]) == ("p-analyst", "2027-10-02", 0)
    assert "order" not in json.dumps(entry["data"]), "words of people can be erased"
    agrees(world)


def test_what_is_within_policy_or_stricter_begins_none_and_looser_terms_do(world):
    amended(world, to=50_000_00)
    assert world.find(PolicyException) == []
    amended(world, "c-3", to=29_000_00, terms_days=60)
    one = world.one(PolicyException)
    assert (one.kind, one.policy_terms_days, one.granted_terms_days, one.granted_minor) == ("terms", 30, 60, None)


def test_an_exclusion_a_deferral_and_a_risk_kept_end_within_what_policy_allows(world):
    world.routed([draft("c-1"), draft("c-2", had=80_000_00, to=40_000_00), draft("c-3", to=30_000_00)])
    ledger = Ledger(world)
    excluded(world)
    assert world.one(Exclusion).valid_to == YEAR == standing(world)["exclusion", "c-3"].ends
    assert ledger.check() == {"exclusion": 1, "proposal": 1, "exception": 1}
    put_off = {"owner_id": "p-one", "reason": "audit running", "by": analyst()}
    key = world.proposal("c-2").proposal_id
    with pytest.raises(Refused) as refusal:
        world.do(release.defer, key, until=YEAR + timedelta(days=1), **put_off)
    assert refusal.value.code == TOO_LONG
    world.do(release.defer, key, until=TODAY + timedelta(days=30), **put_off)
    risk = {"person_id": "p-cfo", "reason": "parent pays", "on": TODAY, "now": NOON}
    with pytest.raises(Refused) as refusal:
        world.do(close.decide_risk_kept, key, until=YEAR + timedelta(days=1), **risk)
    assert refusal.value.code == TOO_LONG
    world.do(close.decide_risk_kept, key, until=date(2026, 12, 31), **risk)
    kept = standing(world)
    assert (kept["deferral", "c-2"].owner_id, kept["risk_kept", "c-2"].owner_id) == ("p-one", "p-cfo")
    assert (kept["risk_kept", "c-2"].policy_minor, kept["risk_kept", "c-2"].granted_minor) == (40_000_00, 80_000_00)
    agrees(world)


@BOTH
def test_each_ends_by_itself_on_its_day_once_and_what_changed_a_limit_is_due_in_the_next_review(world):
    amended(world)
    excluded(world, until=date(2026, 11, 1))
    assert swept(world, date(2026, 10, 31)).exceptions == ()
    assert len(swept(world, date(2026, 11, 1)).exceptions) == 1
    gone = world.one(PolicyException, kind="exclusion")
    assert (gone.state, gone.how, gone.due_on) == ("ended", "end_date", date(2026, 11, 1))
    world.clock.set(NOON + timedelta(days=366))
    done = at_once(*(partial(exceptions.end_due, world.store, world.clock, COMPANY) for _ in range(4)))
    assert sum(len(one) for one in done if not isinstance(one, Conflict)) == 1, done
    late = world.one(PolicyException, kind="limit")
    assert (late.state, late.due_on) == ("due", YEAR)
    assert len(world.entries("exception.due")) == len(world.entries("exception.ended")) == 1
    assert world.ask(exceptions.due_again, world.clock.now(), YEAR) == {"c-1": YEAR, "c-3": date(2026, 11, 1)}
    assert world.ask(exceptions.due_again, NOON, date(2026, 10, 31)) == {}
    agrees(world)


def test_a_limit_with_an_end_takes_its_exception_with_it(world):
    until = date(2026, 12, 1)
    amended(world, effective_to=until)
    one = world.one(PolicyException)
    assert one.ends == until
    with pytest.raises(Refused) as refusal:
        world.do(exceptions.end, one.exception_id, reason="paid", by="p-analyst", company=COMPANY, now=NOON)
    assert refusal.value.code == WITH_ITS_LIMIT
    assert len(swept(world, until).reverted) == 1
    assert world.one(CreditLimit, account_id=one.account_id).amount_minor == 20_000_00
    after = world.one(PolicyException)
    assert (after.state, after.how) == ("ended", "reverted")
    assert world.ask(exceptions.due_again, world.clock.now(), until) == {}, "the limit is policy's again"


def test_only_a_fresh_approval_renews_and_names_what_it_follows(world):
    excluded(world)
    first = world.one(PolicyException)
    again = exceptions.Source(kind="exclusion", key=first.source, owner="p-one", reason="longer", starts=TODAY, ends=YEAR)
    world.do(exceptions.begin, world.proposal("c-3"), again, NOON, by="p-one")
    assert world.find(PolicyException) == [first], "one source, one exception"
    fresh = replace(again, key="x-another")
    world.do(exceptions.begin, world.proposal("c-3"), fresh, NOON, by="p-one")
    old, new = world.one(PolicyException, state="ended"), world.one(PolicyException, state="in_force")
    assert (old.how, new.renews_id) == ("replaced", first.exception_id)


@BOTH
def test_owner_or_watchers_end_and_hand_over_with_a_reason_and_others_are_refused(world):
    excluded(world)
    one = world.one(PolicyException)
    given = {"company": COMPANY, "now": NOON + timedelta(hours=1)}
    for act in (exceptions.end, partial(exceptions.hand_over, to="p-two")):
        with pytest.raises(Refused) as refusal:
            world.do(act, one.exception_id, reason="because", by="p-one", **given)
        assert refusal.value.code == NOT_YOURS
        with pytest.raises(BadInput, match="reason"):
            world.do(act, one.exception_id, reason=" ", by="p-analyst", **given)
    ledger = Ledger(world)
    with pytest.raises(Refused):
        world.do(exceptions.hand_over, one.exception_id, to="p-nobody", reason="leaves", by="p-analyst", **given)
    world.do(exceptions.hand_over, one.exception_id, to="p-two", reason="leaves", by="p-analyst", **given)
    assert world.one(PolicyException).owner_id == "p-two"
    assert ledger.check() == {"exception": 1}

    def end(reason):
        try:
            return world.do(exceptions.end, one.exception_id, reason=reason, by="p-two", **given)
        except Refused as refusal:
            return refusal.code

    done = at_once(*(partial(end, f"settled {n}") for n in range(3)))
    assert sorted(str(getattr(d, "state", d)) for d in done) == ["ended", "exception.ended", "exception.ended"]
    assert len(world.entries("exception.ended")) == 1
    assert world.find(Exclusion, exclusion_id=one.source)[-1].valid_to == TODAY
    agrees(world)


def test_who_owns_what_ends_soon_is_warned_once_and_an_owner_who_left_is_a_finding(world):
    excluded(world, until=TODAY + timedelta(days=31))
    to = Destinations(direct=True)

    def owed():
        return [o.dedup_key for o in world.find(OutboxEntry) if ":ending:" in o.dedup_key]

    assert follow_up(world.store, world.clock, COMPANY, to).warned == ()
    world.clock.set(NOON + timedelta(days=1))
    assert follow_up(world.store, world.clock, COMPANY, to).warned == ("p-analyst",)
    assert follow_up(world.store, world.clock, COMPANY, to).warned == ()
    assert owed() == ["slack_post:ending:2026-11-01:@p-analyst"]
    draw = renderer(world.clock, Reading(Words("en", "en_GB", COMPANY.zone)))
    shown = world.ask(draw, Showing("ending:2026-11-01", "@p-analyst", {}))
    assert "1 exception of yours ends on" in shown.text and "c-3 M" in json.dumps(shown.blocks)
    assert world.ask(draw, Showing("ending:2026-11-01", "@p-cfo", {})) is None
    assert swept(world, TODAY + timedelta(days=2)).findings == ()
    world.do(lambda uow: uow.add(person("p-analyst", active=False, recorded_at=NOON)))
    assert len(swept(world, TODAY + timedelta(days=3)).findings) == 1 and swept(world, TODAY + timedelta(days=3)).findings == ()
    assert world.one(Finding).control == OWNER_LEFT and "p-analyst" in world.one(Finding).facts_json


@BOTH
def test_what_stood_before_the_register_is_taken_up_once_and_never_given_an_end(world):
    amended(world)
    excluded(world)
    with as_administrator(world.store, "policy_exception") as raw:
        raw.execute(text("DELETE FROM policy_exception"))
    old = world.one(Exclusion)
    world.do(lambda uow: uow.add(replace(old, valid_to=None, recorded_at=NOON + timedelta(seconds=1))))
    at_once(*(partial(exceptions.take_up, world.store, world.clock, COMPANY) for _ in range(3)))
    found = standing(world)
    assert (found["exclusion", "c-3"].ends, found["limit", "c-1"].ends) == (None, None)
    assert found["limit", "c-1"].owner_id == "p-analyst" and len(world.find(PolicyException)) == 2
    assert [e["data"]["taken_up"] for e in world.entries("exception.started")] == [0, 0, 1, 1]
    assert swept(world, date(2036, 1, 1)).exceptions == (), "without an end on record it stands, and is listed so"
