"""Hard controls on a real database: each case is planted as somebody would do it who may do anything, and is found by what it is."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, timedelta

import pytest
from sqlalchemy import text

from credit_review.adapters.store import watched
from credit_review.authority import load
from credit_review.controls.alarm import Severity
from credit_review.controls.history import COLUMNS, History, empty
from credit_review.controls.register import REGISTER, watch
from credit_review.documents import parse
from credit_review.model.records import AccessRight, ErpDifference
from credit_review.policy import ControlRules
from tests.review.decision_world import (
    LONG_AGO,
    MATRIX_TEXT,
    NOON,
    RECORDED,
    World,
    digest_of,
    document,
    os_account,
    person,
)
from tests.store.meddling import as_administrator


@pytest.fixture
def world(sqlite_store):
    """A company in which two limits were decided and applied as they should be."""
    return in_order(sqlite_store)


def in_order(store):
    world = World(store)
    for customer, to, people in (("c-1", 60_000_00, ["p-controller"]), ("c-2", 1_200_000_00, ["p-cfo", "p-ceo"])):
        key = world.propose(customer, to=to, makers=["p-analyst"])
        for one in people:
            assert world.decide(one, key).accepted
        world.apply(key)
    return world


ALL_BUT_UNUSED = [one for one in REGISTER if one.name != "unused_right"]  # the matrix of this company is six years old


def history(world, *, now=NOON + timedelta(hours=1), rules=ControlRules()):
    frames, texts = watched.read(world.store.engine, watched.since(now, UTC))
    matrices = {digest: load(parse(content, name="authority.yaml")) for digest, content in texts.items()}
    rest = {name: empty(name) for name in COLUMNS if name not in frames}
    return History(
        now=now, since=watched.since(now, UTC), zone=UTC, rules=rules, control_currency="EUR", matrices=matrices, frames=frames | rest
    )


def alarms(world, controls=ALL_BUT_UNUSED, **about):
    return watch(history(world, **about), controls)


def found(world, **about):
    return [(a.control, a.subject, a.facts.get("code")) for a in alarms(world, **about)]


def meddle(world, *statements, **values):
    with as_administrator(world.store) as connection:
        for statement in statements:
            connection.execute(text(statement), values)


KEY = "pr-c-1-6000000"


def test_a_record_in_order_has_no_alarm_and_its_frames_are_as_documented_on_both_databases(store):
    of = history(in_order(store))
    assert watch(of, ALL_BUT_UNUSED) == []
    assert {name: list(frame.columns) for name, frame in of.frames.items()} == {name: list(columns) for name, columns in COLUMNS.items()}
    assert (len(of["decisions"]), len(of["changes"]), len(of["proposals"]), len(of["makers"])) == (3, 2, 2, 2)
    assert of["decisions"]["seq"].min() >= 0 and of["decisions"]["group_limit_minor"].notna().all()


def test_the_database_refuses_it_and_where_it_was_made_not_to_the_control_finds_a_maker_who_approved(world):
    meddle(world, "INSERT INTO proposal_maker (proposal_id, person_id, how, at) SELECT proposal_id, approver_id, 'amended', at "
                  "FROM approval_decision WHERE proposal_id = :key", key=KEY)  # fmt: skip
    (alarm,) = alarms(world)
    entry = next(b["seq"] for b in world.entries("decision.approve", f"proposal:{KEY}"))
    assert (alarm.control, alarm.subject, alarm.severity, alarm.entries) == ("own_proposal", f"proposal:{KEY}", Severity.HIGH, (entry,))
    assert alarm.facts == {"approver": "p-controller", "behind": "p-controller", "maker": "p-controller"}


def test_two_people_of_the_directory_with_one_mailbox_are_one_maker_and_approver(sqlite_store):
    world = World(sqlite_store)
    world.write(person("p-twin"), os_account("twin", "p-twin"))
    meddle(world, "UPDATE person SET email = 'P-Controller+private@Example.com' WHERE person_id = 'p-twin'")
    key = world.propose(makers=["p-twin"])
    assert world.decide("p-controller", key).accepted, "the decision function knows people by their ids"
    assert found(world) == [("own_proposal", f"proposal:{key}", None)]


def test_one_account_that_was_two_peoples_makes_them_one(sqlite_store):
    world = World(sqlite_store)
    once = os_account("T|U", "p-twin", kind="slack")
    world.write(person("p-twin"), once, replace(once, person_id="p-controller", recorded_at=NOON))
    key = world.propose(makers=["p-twin"])
    assert world.decide("p-controller", key).accepted
    assert found(world) == [("own_proposal", f"proposal:{key}", None)]


def test_an_administrator_who_decided_is_told_from_one_who_only_could(world):
    text_with = MATRIX_TEXT.replace("administrators: [] ", "administrators: [p-controller, p-chair] ") + "# with offices\n"
    world.adopt_authority(text_with, at=NOON + timedelta(days=8))
    later = NOON + timedelta(days=9)
    assert [(a.control, a.subject, a.severity) for a in alarms(world, now=later)] == [
        ("administrator_approves", "person:p-chair", Severity.MEDIUM),
        ("administrator_approves", "person:p-controller", Severity.HIGH),
    ]


@pytest.mark.parametrize(
    ("statement", "code"),
    [
        ("UPDATE approval_decision SET approver_id = 'p-deputy' WHERE proposal_id = :key", "no_entry"),
        ("UPDATE person SET active = false, recorded_at = '2026-09-01T00:00:00.000000Z' WHERE person_id = 'p-controller'", "not_active"),
        ("UPDATE governed_document SET adopted_at = '2026-10-02T00:00:00.000000Z' WHERE kind = 'authority'", "matrix_not_in_force"),
        ("UPDATE limit_proposal SET to_minor = 90000000 WHERE proposal_id = :key", "below_tier"),
        ("UPDATE limit_proposal SET grade = 'E' WHERE proposal_id = :key", "below_tier"),
        ("UPDATE limit_proposal SET exceptional = 'override' WHERE proposal_id = :key", "below_tier"),
        ("UPDATE limit_proposal SET digest = 'ab' WHERE proposal_id = :key", "other_packet"),
    ],
)
def test_an_approval_without_authority_is_found_and_so_is_the_limit_it_made(world, statement, code):
    meddle(world, statement.replace("false", "0") if world.store.engine.dialect.name == "sqlite" else statement, key=KEY)
    controls = found(world)
    assert ("authority_in_force", f"proposal:{KEY}", code) in controls
    assert "applied_without_approvals" in {control for control, *_ in controls}


def test_an_approval_in_the_name_of_somebody_who_delegated_to_nobody(world):
    meddle(world, "UPDATE approval_decision SET on_behalf_of = 'p-manager' WHERE proposal_id = :key", key=KEY)
    assert ("authority_in_force", f"proposal:{KEY}", "not_delegated") in found(world)


def test_a_delegate_within_his_days_and_a_holder_within_his_region_are_in_order(sqlite_store):
    world = World(sqlite_store)
    world.delegate("p-manager", "p-deputy")
    controller = "p-controller, tier: T1, from: 2020-01-01, until: null, regions: "
    narrow = MATRIX_TEXT.replace(controller + "[]", controller + "[north]")
    world.adopt_authority(narrow, at=NOON - timedelta(days=30))
    digest = digest_of(narrow)
    for customer, who, region in (("c-8", "p-controller", "north"), ("c-9", "p-deputy", "south")):
        key = world.propose(customer, makers=["p-analyst"], region=region, authority_digest=digest)
        assert world.decide(who, key).accepted
        world.apply(key)
    assert found(world) == []
    meddle(world, "UPDATE limit_proposal SET region = 'south'")
    assert ("authority_in_force", "proposal:pr-c-8-6000000", "below_tier") in found(world)


def test_a_tier_that_asks_for_two_is_not_satisfied_by_two_names_of_one_person(world):
    meddle(world, "UPDATE person SET email = 'boss@example.com' WHERE person_id IN ('p-cfo', 'p-ceo')")
    assert set(found(world)) == {
        ("authority_in_force", "proposal:pr-c-2-120000000", "too_few_people"),
        ("applied_without_approvals", "account:" + world.proposal("pr-c-2-120000000").account_id, "not_approved"),
    }


def test_a_limit_applied_without_a_decision_or_before_its_condition_was_met(world):
    account = "account:" + world.proposal(KEY).account_id
    meddle(world, "DELETE FROM approval_decision WHERE proposal_id = :key", key=KEY)
    assert found(world) == [("applied_without_approvals", account, "not_approved")]


def test_a_limit_in_the_tables_of_which_no_entry_knows(world):
    world.limit("c-7", 10_000_00, at=NOON)
    assert [(control, code) for control, _, code in found(world)] == [("applied_without_approvals", "no_entry")]


def test_a_policy_replaced_within_days_is_found_and_one_that_lasted_is_not(world):
    world.write(document("version: b", "policy", adopted_at=NOON - timedelta(days=3)), document("version: c", "policy", adopted_at=NOON))
    (alarm,) = alarms(world)
    assert (alarm.control, alarm.facts["kind"], alarm.facts["minutes"]) == ("short_lived_change", "policy", 3 * 24 * 60)
    assert found(world, rules=ControlRules(short_lived_days=3)) == []


def test_a_leaver_with_an_account_a_tier_a_delegation_and_a_right_is_found_for_each_after_the_days_of_grace(world):
    world.delegate("p-manager", "p-deputy")
    world.write(AccessRight(person_id="p-manager", access="read_limits", valid_from=LONG_AGO, valid_to=None, recorded_at=RECORDED))
    world.deactivate("p-manager", at=NOON)
    assert found(world, now=NOON + timedelta(days=6)) == []
    subjects = [subject for control, subject, _ in found(world, now=NOON + timedelta(days=7)) if control == "leaver_enabled"]
    assert subjects == [f"person:p-manager/{kind}" for kind in ("access", "account", "delegation", "tier")]


def test_a_right_held_for_a_year_and_never_used_is_found_and_a_used_one_is_not(world):
    year = NOON + timedelta(days=300)
    assert found(world, controls=REGISTER, now=year, rules=ControlRules(unused_days=299)) == [
        ("unused_right", f"person:{who}", None) for who in ("p-ceo/T4", "p-cfo/T3", "p-chair/T4", "p-controller/T1", "p-manager/T2")
    ]
    assert [s for _, s, _ in found(world, controls=REGISTER, now=year, rules=ControlRules(unused_days=301))] == [
        "person:p-chair/T4",
        "person:p-manager/T2",
    ]


def test_an_open_difference_to_the_erp_is_found_after_its_days_and_a_settled_one_never(world):
    account = world.proposal(KEY).account_id
    figures = {
        "found_minor": 1,
        "expected_minor": 2,
        "found_terms_days": 30,
        "expected_terms_days": 30,
        "owner_id": "p-analyst",
        "reason": "",
    }
    for key, settled in (("e-1", None), ("e-2", NOON + timedelta(days=1))):
        world.write(ErpDifference(difference_id=key, account_id=account, found_at=NOON, settled_at=settled, **figures))
    assert found(world, now=NOON + timedelta(days=13)) == []
    assert found(world, now=NOON + timedelta(days=14)) == [("erp_difference", "difference:e-1", None)]


def test_the_same_exception_is_the_same_alarm_in_every_run(world):
    meddle(world, "UPDATE limit_proposal SET grade = 'E' WHERE proposal_id = :key", key=KEY)
    assert [a.key for a in alarms(world)] == [a.key for a in alarms(world, now=NOON + timedelta(days=5))]


def test_every_control_of_the_register_has_a_name_of_its_own_and_reads_frames_that_exist():
    assert len({one.name for one in REGISTER}) == len(REGISTER)
    assert all(set(one.evidence) <= set(COLUMNS) for one in REGISTER)
