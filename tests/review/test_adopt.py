"""Governed documents take effect after two people, neither the only author; the first pair is set up once."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lifecycle_world import NOON, RECORDED, TODAY, Ledger, World, person

from credit_review.adapters.store.unit_of_work import open_store
from credit_review.errors import BadInput, Conflict, Refused
from credit_review.model.records import Adoption, GovernedDocument, Person, PersonAccount
from credit_review.model.states import DocumentOfRecord
from credit_review.review import adopt, directory
from credit_review.review.adopt import Founder
from credit_review.review.manifest import digest_of

POLICY = DocumentOfRecord.POLICY
ONE = Founder(person_id="p-1", name="One", email="1@example.com", os_account="one")
TWO = Founder(person_id="p-2", name="Two", email="2@example.com", os_account="two")


@pytest.fixture
def world(store, clock):
    return World(store, clock)


def test_a_document_is_in_force_once_the_second_person_has_adopted_it(world):
    ledger = Ledger(world)
    once = world.adopt("policy", "v1", adopters=("p-one",))
    assert once.adopted_at is None and world.ask(adopt.in_force, POLICY, NOON) is None
    assert ledger.check() == {"document": 1, "adoption": 1}
    twice = world.do(adopt.adopt, once.digest, person_id="p-two", on=TODAY, now=NOON)
    assert twice.adopted_at == NOON and world.ask(adopt.in_force, POLICY, NOON) == twice == world.one(GovernedDocument)
    assert ledger.check() == {"adoption": 1}
    [entry] = world.entries("policy.changed")
    assert (entry["data"]["adopters"], entry["data"]["replaces"]) == (["p-one", "p-two"], None)


@pytest.mark.parametrize(
    ("kind", "action"),
    [
        ("policy", "policy.changed"),
        ("authority", "authority.changed"),
        ("scorecard", "model.registered"),
        ("mapping", "mapping.changed"),
    ],
)
def test_each_kind_has_its_own_entry(world, kind, action):
    world.adopt(kind, '{"kind":"expert"}' if kind == "scorecard" else "text")
    assert len(world.entries(action)) == 1


def test_one_person_adopting_twice_is_one_person(world):
    document = world.adopt("policy", "v1", adopters=("p-one", "p-one"))
    assert document.adopted_at is None and len(world.find(Adoption)) == 1
    assert len(world.entries("document.adopted")) == 1


def test_the_only_author_does_not_count_and_one_of_two_does(world):
    with pytest.raises(Refused) as refused:
        world.adopt("policy", "v1", authors=("p-one",))
    assert refused.value.code == "adopt.only_author"
    assert world.adopt("policy", "v2", authors=("p-one", "p-two")).adopted_at == NOON
    assert world.adopt("policy", "v3", authors=("system:starter",)).adopted_at == NOON


def test_a_document_has_an_author(world):
    for authors in ((), ("",), ("p-one|p-two",)):
        with pytest.raises(BadInput, match="author"):
            world.adopt("policy", "v1", authors=authors)


def test_nobody_inactive_adopts(world):
    world.do(lambda uow: uow.add(person("p-two", active=False, recorded_at=NOON)))
    with pytest.raises(Refused, match="active"):
        world.adopt("policy", "v1")


def test_an_unknown_digest_is_refused(world):
    with pytest.raises(Refused, match="digest"):
        world.do(adopt.adopt, "0" * 64, person_id="p-one", on=TODAY, now=NOON)


def test_the_same_text_again_is_the_same_document_with_its_first_author(world):
    first = world.adopt("policy", "v1", authors=("p-three",), adopters=())
    again = world.adopt("policy", "v1", authors=("p-one",), adopters=())
    assert first == again == world.one(GovernedDocument)
    assert len(world.entries("document.submitted")) == 1
    with pytest.raises(Refused, match="policy"):
        world.adopt("authority", "v1", adopters=())


def test_the_document_adopted_last_is_in_force_and_the_entry_names_what_it_replaces(world):
    first = world.adopt("policy", "v1")
    second = world.adopt("policy", "v2", now=NOON + timedelta(days=1))
    assert world.ask(adopt.in_force, POLICY, NOON) == first
    assert world.ask(adopt.in_force, POLICY, NOON + timedelta(days=2)) == second
    assert world.entries("policy.changed")[1]["data"]["replaces"] == first.digest


def test_mappings_stand_side_by_side_under_their_names(world):
    ledger = world.adopt("mapping", "ledger", name="ledger.yaml")
    world.adopt("mapping", "bureau", name="bureau.yaml", now=NOON + timedelta(days=1))
    assert world.ask(adopt.in_force, DocumentOfRecord.MAPPING, NOON + timedelta(days=2), name="ledger.yaml") == ledger


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.sampled_from(["p-one", "p-two", "p-three"]), min_size=1, max_size=2, unique=True),
    st.lists(st.sampled_from(["p-one", "p-two", "p-three", "p-nobody"]), max_size=6),
)
def test_whatever_the_order_two_distinct_people_neither_the_only_author_are_behind_what_is_in_force(
    sqlite_template, tmp_path_factory, clock, authors, asked
):
    path = tmp_path_factory.mktemp("db") / "x.db"
    path.write_bytes(sqlite_template.read_bytes())
    world = World(open_store(f"sqlite:///{path}", clock), clock)
    document = world.adopt("policy", "v1", authors=tuple(authors), adopters=())
    counted = set()
    for who in asked:
        try:
            world.do(adopt.adopt, document.digest, person_id=who, on=TODAY, now=NOON)
            counted.add(who)
        except Refused:
            assert who == "p-nobody" or authors == [who]
    assert (world.one(GovernedDocument).adopted_at is not None) == (len(counted) >= 2)
    assert {a.person_id for a in world.find(Adoption)} == counted
    world.store.close()


def test_the_first_pair_is_set_up_in_an_empty_directory_and_never_again(store):
    with store.begin() as uow:
        adopt.set_up_first_pair(uow, ONE, TWO, on=TODAY, now=RECORDED)
        uow.commit()
    with store.read() as uow:
        assert directory.person_for(uow, "os", "two", on=TODAY, known_at=NOON).person_id == "p-2"
        assert (len(uow.find(Person)), len(uow.find(PersonAccount))) == (2, 2)
    with pytest.raises(Refused, match="already"), store.begin() as uow:
        adopt.set_up_first_pair(uow, ONE, TWO, on=TODAY, now=NOON)


@pytest.mark.parametrize(
    "other",
    [
        Founder(person_id="p-1", name="x", email="", os_account="two"),
        Founder(person_id="p-2", name="x", email="", os_account="one"),
        Founder(person_id="p-2", name="", email="", os_account="two"),
        Founder(person_id="system", name="x", email="", os_account="two"),
    ],
)
def test_the_first_pair_is_two_people_with_two_accounts(sqlite_store, other):
    with pytest.raises(BadInput), sqlite_store.begin() as uow:
        adopt.set_up_first_pair(uow, ONE, other, on=TODAY, now=NOON)


def test_the_first_pair_can_adopt_what_they_wrote_together(store, clock):
    with store.begin() as uow:
        adopt.set_up_first_pair(uow, ONE, TWO, on=TODAY, now=RECORDED)
        document = adopt.submit(uow, kind=POLICY, name="policy.yaml", content="v1", authors=("p-1", "p-2"), by="p-1", now=NOON)
        adopt.adopt(uow, document.digest, person_id="p-1", on=TODAY, now=NOON)
        done = adopt.adopt(uow, document.digest, person_id="p-2", on=TODAY, now=NOON)
        uow.commit()
    assert done.adopted_at == NOON and done.digest == digest_of("v1")


def test_the_database_keeps_one_adoption_a_person(world):
    document = world.adopt("policy", "v1")
    with pytest.raises(Conflict):
        world.do(lambda uow: uow.add(Adoption(digest=document.digest, person_id="p-one", at=NOON)))
