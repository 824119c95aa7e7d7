"""The directory: facts with entries, no authority taken by oneself, no chains of delegation."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lifecycle_world import LONG_AGO, NOON, TODAY, Ledger, World, os_account, person

from credit_review.adapters.store.unit_of_work import open_store
from credit_review.errors import BadInput, Refused
from credit_review.model.records import Delegation
from credit_review.review import directory

LATER = NOON + timedelta(hours=1)


@pytest.fixture
def world(store, clock):
    return World(store, clock)


def delegated(world, principal, delegate, start=TODAY, end=None, by=None, now=NOON):
    return world.do(
        directory.delegate, principal_id=principal, delegate_id=delegate, valid_from=start, valid_to=end, by=by or principal, now=now
    )


def test_an_account_names_its_person_on_the_day_and_as_known_then(world):
    assert world.ask(directory.person_for, "os", "p-one", on=TODAY, known_at=NOON).person_id == "p-one"
    ended = replace(os_account("p-one"), valid_to=TODAY, recorded_at=NOON)
    world.do(directory.set_account, ended, by="p-two")
    with pytest.raises(Refused) as refused:
        world.ask(directory.person_for, "os", "p-one", on=TODAY, known_at=LATER)
    assert refused.value.code == "login.unknown"
    assert world.ask(directory.person_for, "os", "p-one", on=TODAY, known_at=NOON - timedelta(1)).person_id == "p-one"


@pytest.mark.parametrize(("kind", "account"), [("slack", "p-one"), ("os", "P-ONE"), ("os", "")])
def test_an_unknown_account_is_refused(world, kind, account):
    with pytest.raises(Refused, match="nobody"):
        world.ask(directory.person_for, kind, account, on=TODAY, known_at=NOON)


def test_a_leaver_is_refused_from_his_last_day_on(world):
    ledger = Ledger(world)
    world.do(directory.set_person, replace(person("p-one", active=False, recorded_at=NOON), valid_from=TODAY), by="p-two")
    assert ledger.check() == {"person": 1}
    with pytest.raises(Refused, match="active"):
        world.ask(directory.person_for, "os", "p-one", on=TODAY, known_at=LATER)
    assert world.ask(directory.person_for, "os", "p-one", on=TODAY - timedelta(1), known_at=LATER).active


def test_names_and_accounts_stay_out_of_the_log_itself(world):
    world.do(directory.set_person, replace(person("p-new", recorded_at=NOON), name="Zoë Weiß"), by="p-two")
    world.do(directory.set_account, replace(os_account("p-new"), account="zweiss", recorded_at=NOON), by="p-two")
    for entry in world.entries("person.changed", "access.changed"):
        assert "Zoë" not in str(entry) and "zweiss" not in str(entry) and "pay" in entry


def test_nobody_changes_his_own_record_or_gives_himself_an_account(world):
    with pytest.raises(Refused):
        world.do(directory.set_person, person("p-one", recorded_at=NOON), by="p-one")
    with pytest.raises(Refused):
        world.do(directory.set_account, replace(os_account("p-one"), account="other", recorded_at=NOON), by="p-one")


def test_an_account_is_given_to_an_active_person_and_of_a_known_kind(world):
    with pytest.raises(Refused):
        world.do(directory.set_account, replace(os_account("p-none"), recorded_at=NOON), by="p-two")
    with pytest.raises(BadInput):
        world.do(directory.set_account, replace(os_account("p-one"), kind="fax", recorded_at=NOON), by="p-two")
    with pytest.raises(BadInput):
        world.do(directory.set_account, replace(os_account("p-one"), valid_to=LONG_AGO - timedelta(1)), by="p-two")


@pytest.mark.parametrize("bad", ["", "system", "system:apply"])
def test_nobody_is_called_system(world, bad):
    with pytest.raises(BadInput):
        world.do(directory.set_person, person(bad, recorded_at=NOON), by="p-two")


def test_persons_and_accounts_are_listed_by_day(world):
    assert [p.person_id for p in world.ask(directory.persons, on=TODAY, known_at=NOON)][:2] == ["p-analyst", "p-ceo"]
    assert [a.account for a in world.ask(directory.accounts_of, "p-one", on=TODAY, known_at=NOON)] == ["p-one"]


def test_a_delegation_holds_from_its_first_day_to_the_day_before_its_end(world):
    ledger = Ledger(world)
    delegated(world, "p-cfo", "p-deputy", TODAY, TODAY + timedelta(7))
    assert ledger.check() == {"delegation": 1}
    known = {"known_at": LATER}
    for day, whom in ((-1, set()), (0, {"p-deputy"}), (6, {"p-deputy"}), (7, set())):
        assert world.ask(directory.delegates_of, "p-cfo", on=TODAY + timedelta(day), **known) == whom


def test_a_delegation_is_ended_by_a_new_row(world):
    fact = delegated(world, "p-cfo", "p-deputy")
    ledger = Ledger(world)
    world.do(directory.end_delegation, fact.delegation_id, on=TODAY + timedelta(3), by="p-cfo", now=LATER)
    assert ledger.check() == {"delegation": 1}
    assert world.ask(directory.delegates_of, "p-cfo", on=TODAY + timedelta(3), known_at=LATER) == frozenset()
    assert world.ask(directory.delegates_of, "p-cfo", on=TODAY + timedelta(2), known_at=LATER) == {"p-deputy"}
    assert len(world.find(Delegation)) == 2
    with pytest.raises(BadInput):
        world.do(directory.end_delegation, "d-none", on=TODAY, by="p-cfo", now=LATER)


def test_a_delegation_that_never_began_can_be_ended(world):
    fact = delegated(world, "p-cfo", "p-deputy", TODAY + timedelta(10))
    world.do(directory.end_delegation, fact.delegation_id, on=TODAY, by="p-cfo", now=LATER)
    assert world.ask(directory.delegates_of, "p-cfo", on=TODAY + timedelta(11), known_at=LATER) == frozenset()
    delegated(world, "p-deputy", "p-two", TODAY + timedelta(10), now=LATER)


@pytest.mark.parametrize(
    ("principal", "delegate", "by", "code"),
    [
        ("p-cfo", "p-cfo", "p-cfo", "delegation.oneself"),
        ("p-cfo", "p-deputy", "p-deputy", "delegation.by_delegate"),
        ("p-cfo", "p-nobody", "p-cfo", "person.not_active"),
        ("p-nobody", "p-deputy", "p-one", "person.not_active"),
    ],
)
def test_some_delegations_are_refused(world, principal, delegate, by, code):
    with pytest.raises(Refused) as refused:
        delegated(world, principal, delegate, by=by)
    assert refused.value.code == code
    assert world.find(Delegation) == []


def test_delegations_do_not_form_chains_or_circles(world):
    delegated(world, "p-cfo", "p-deputy", TODAY, TODAY + timedelta(7))
    for principal, delegate in (("p-deputy", "p-two"), ("p-deputy", "p-cfo"), ("p-ceo", "p-cfo")):
        with pytest.raises(Refused, match="delegated"):
            delegated(world, principal, delegate)
    delegated(world, "p-deputy", "p-two", TODAY + timedelta(7))
    delegated(world, "p-ceo", "p-deputy", TODAY, TODAY + timedelta(7))


PAIRS = st.sampled_from(["p-one", "p-two", "p-three", "p-cfo"])


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(PAIRS, PAIRS, st.integers(0, 9), st.integers(1, 6)), max_size=8))
def test_on_no_day_is_a_delegate_a_principal_too(sqlite_template, tmp_path_factory, clock, wishes):
    path = tmp_path_factory.mktemp("db") / "x.db"
    path.write_bytes(sqlite_template.read_bytes())
    world = World(open_store(f"sqlite:///{path}", clock), clock)
    for n, (principal, delegate, start, days) in enumerate(wishes):
        day = TODAY + timedelta(start)
        try:
            delegated(world, principal, delegate, day, day + timedelta(days), by="p-manager", now=NOON + timedelta(seconds=n))
        except Refused:
            continue
    for n in range(16):
        found = world.ask(directory.current_delegations, on=TODAY + timedelta(n), known_at=LATER)
        assert not {d.principal_id for d in found} & {d.delegate_id for d in found}
    world.store.close()
