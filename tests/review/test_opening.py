"""The first review takes over what the ERP holds; what changes there afterwards is a difference with an owner."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest
from lifecycle_world import AS_OF, NOON, TODAY, Crash, CrashingStore, Ledger, World, everything

from credit_review.adapters.store.unit_of_work import open_store
from credit_review.errors import BadInput, Refused, ReviewStopped
from credit_review.model.records import (
    CreditLimit,
    CustomerAlias,
    ErpDifference,
    GroupMembership,
    LimitAccount,
    LimitChange,
    Rate,
    ReviewBatch,
)
from credit_review.model.states import ReviewState
from credit_review.review import lifecycle, opening
from credit_review.review.opening import OnFile, Total
from credit_review.review.outbox import owed


@pytest.fixture
def world(store, clock):
    return World(store, clock)


def on_file(customer="c-1", limit=10_000_00, terms=30, entity="ALL", currency="EUR"):
    return OnFile(customer_id=customer, legal_entity=entity, currency=currency, limit_minor=limit, terms_days=terms)


def snapshotted(world, **changed):
    return world.review(ReviewState.SNAPSHOTTED, **changed).review_id


def test_limits_and_terms_on_file_become_openings_of_version_1(world):
    review = snapshotted(world)
    ledger = Ledger(world)
    done = world.open_limits(review, [on_file("c-1", 10_000_00, 45)])
    change, limit = world.one(LimitChange), world.one(CreditLimit)
    assert (change.kind, change.version, change.proposal_id, change.snapshot_digest) == ("opening", 1, None, "a" * 64)
    assert (change.applied_by, change.effective_from) == ("p-one", AS_OF)
    assert (limit.amount_minor, limit.terms_days, limit.version) == (10_000_00, 45, 1)
    assert done.opened == 1
    assert ledger.check() == {"limit": 1, "batch": 1}
    [entry] = world.entries("limit.opened")
    assert entry["actor"] == "person:p-one" and entry["data"]["to_minor"] == 10_000_00
    assert world.entries("limit.openings_tied")[0]["data"]["approval"] == "not evidenced here"


def test_no_limit_on_file_a_limit_of_0_and_a_limit_are_three_facts(world):
    review = snapshotted(world)
    ledger = Ledger(world)
    done = world.open_limits(review, [on_file("new", None), on_file("zero", 0), on_file("blocked", 50_000_00)])
    assert (done.opened, done.without_limit) == (2, 1)
    amounts = {limit.account_id: limit.amount_minor for limit in world.find(CreditLimit)}
    assert on_file("new").account_id not in amounts
    assert world.one(LimitAccount, subject_id="new") and not world.find(LimitChange, account_id=on_file("new").account_id)
    assert (amounts[on_file("zero").account_id], amounts[on_file("blocked").account_id]) == (0, 50_000_00)
    assert ledger.check() == {"limit": 2, "account": 1, "batch": 1}


@pytest.mark.parametrize("stated", [{"EUR": Total(1, 99)}, {"EUR": Total(2, 100)}, {}, {"EUR": Total(1, 100), "USD": Total(1, 0)}])
def test_count_and_total_per_currency_must_tie_before_anything_is_stored(world, stated):
    review = snapshotted(world)
    with pytest.raises(ReviewStopped, match="do not tie"):
        opening.take_over(world.store, review, [on_file(limit=100)], stated, person_id="p-one", on=TODAY, clock=world.clock)
    assert world.find(LimitAccount) == []


def test_what_the_store_holds_must_tie_at_the_end(world):
    first = snapshotted(world)
    world.do(opening.adopt_limits, first, [on_file("c-1", 100)], person_id="p-one", now=NOON)
    with pytest.raises(ReviewStopped, match="the store"):
        world.open_limits(first, [on_file("c-1", 200)])
    assert world.find(ReviewBatch) == []


def test_a_named_active_person_answers_for_the_opening(world):
    review = snapshotted(world)
    with pytest.raises(Refused, match="active"):
        world.open_limits(review, [on_file()], person_id="p-nobody")


def test_only_a_review_with_its_snapshot_takes_over(world):
    world.adopt_all()
    review = world.start()
    with pytest.raises(Refused, match="draft"):
        world.open_limits(review.review_id, [on_file()])


def later_review(world):
    """A first review that took over, and the next one."""
    first = snapshotted(world, as_of=date(2026, 6, 30))
    world.open_limits(first, [on_file("c-1", 100), on_file("c-2", None), on_file("c-3", 300)])
    return snapshotted(world)


def test_a_limit_changed_in_the_erp_is_a_difference_with_an_owner_neither_adopted_nor_overwritten(world):
    review = later_review(world)
    ledger, limits = Ledger(world), world.find(CreditLimit)
    rows = [on_file("c-1", 999), on_file("c-2", 5), on_file("c-3", 300)]
    done = world.open_limits(review, rows, person_id="p-two")
    assert (done.opened, len(done.differences), done.existing) == (0, 2, 1)
    found = {d.account_id: (d.found_minor, d.expected_minor, d.owner_id) for d in world.find(ErpDifference)}
    assert found == {on_file("c-1").account_id: (999, 100, "p-two"), on_file("c-2").account_id: (5, None, "p-two")}
    assert world.find(CreditLimit) == limits
    assert ledger.check() == {"difference": 2}
    again = world.open_limits(review, rows, person_id="p-two")
    assert again.differences == () and ledger.check() == {}


def test_a_change_of_ours_on_its_way_to_the_erp_is_no_difference(world):
    review = later_review(world)
    delivery = owed("erp", "erp:c-x", {"account_id": on_file("c-1").account_id}, NOON)
    world.do(lambda uow: uow.add(delivery))
    assert world.open_limits(review, [on_file("c-1", 999)]).differences == ()


def test_an_extract_older_than_a_change_of_ours_is_no_difference(world):
    review = later_review(world)
    (first,) = world.find(LimitChange, account_id=on_file("c-1").account_id)
    ended = {"kind": "reversal", "reverses_id": first.change_id, "snapshot_digest": None, "effective_from": TODAY}
    since = replace(first, change_id="c-later", version=2, old_minor=100, old_terms_days=30, new_minor=999, **ended)

    def change(uow):
        uow.add(since)
        uow.change(CreditLimit, where={"account_id": since.account_id}, to={"amount_minor": 999, "version": 2})

    world.do(change)
    assert world.open_limits(review, [on_file("c-1", 100)]).differences == ()
    assert len(world.open_limits(review, [on_file("c-1", 50)]).differences) == 1


def test_changed_terms_are_a_difference_too(world):
    review = later_review(world)
    assert len(world.open_limits(review, [on_file("c-1", 100, 60)]).differences) == 1
    assert world.one(ErpDifference).found_terms_days == 60


def test_a_customer_that_appears_later_gets_an_account_and_its_foreign_limit_is_a_difference(world):
    review = later_review(world)
    ledger = Ledger(world)
    done = world.open_limits(review, [on_file("c-8", None), on_file("c-9", 700)])
    assert len(done.differences) == 1 and len(world.find(LimitChange)) == 2
    assert ledger.check() == {"account": 2, "difference": 1}


def test_a_legal_entity_that_joins_later_is_taken_over_then(world):
    review = later_review(world)
    done = world.open_limits(review, [on_file("c-1", 100), on_file("c-7", 700, entity="1000")])
    assert (done.opened, done.existing, done.differences) == (1, 1, ())


def test_a_difference_is_settled_by_a_person_with_a_reason(world):
    review = later_review(world)
    [key] = world.open_limits(review, [on_file("c-1", 999)]).differences
    ledger = Ledger(world)
    with pytest.raises(BadInput):
        world.do(opening.settle_difference, key, person_id="p-one", reason="", on=TODAY, now=NOON)
    world.do(opening.settle_difference, key, person_id="p-one", reason="reset in SAP", on=TODAY, now=NOON)
    assert ledger.check() == {"difference": 1}
    with pytest.raises(Refused):
        world.do(opening.settle_difference, key, person_id="p-one", reason="again", on=TODAY, now=NOON)


def test_a_transaction_takes_so_many_rows_at_the_most_and_one_an_account(world, monkeypatch):
    monkeypatch.setattr(opening, "OPENED_AT_ONCE", 50)
    review = snapshotted(world)
    for rows in ([on_file(f"c-{n}") for n in range(51)], [on_file("c-1", 1), on_file("c-1", 2)]):
        with pytest.raises(BadInput):
            world.do(opening.adopt_limits, review, rows, person_id="p-one", now=NOON)


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("at", [1, 2, 3, 4])
def test_the_take_over_goes_on_after_a_crash_as_if_nothing_had_happened(sqlite_template, tmp_path, clock, monkeypatch, at, after):
    monkeypatch.setattr(opening, "OPENED_AT_ONCE", 4)
    worlds = []
    for name in ("whole", "crashed"):
        path = tmp_path / f"{name}.db"
        path.write_bytes(sqlite_template.read_bytes())
        worlds.append(World(open_store(f"sqlite:///{path}", clock), clock))
    rows = [on_file(f"c-{n}", None if n % 3 == 0 else n * 100) for n in range(10)]
    for world in worlds:
        review = snapshotted(world)
        if world is worlds[1]:
            with pytest.raises(Crash):
                world.open_limits(review, rows, store=CrashingStore(world.store, at, after=after))
        world.open_limits(review, rows)
    assert everything(worlds[0]) == everything(worlds[1])
    for world in worlds:
        world.store.close()


def test_the_take_over_goes_on_after_crashes_on_both_databases(world, monkeypatch):
    monkeypatch.setattr(opening, "OPENED_AT_ONCE", 4)
    review = snapshotted(world)
    rows = [on_file(f"c-{n}", n * 100) for n in range(10)]
    ledger = Ledger(world)
    for at, after in ((1, True), (2, False), (4, False)):
        with pytest.raises(Crash):
            world.open_limits(review, rows, store=CrashingStore(world.store, at, after=after))
    world.open_limits(review, rows)
    world.open_limits(review, rows)
    assert ledger.check() == {"limit": 10, "batch": 1}


def test_a_new_attempt_of_the_first_review_goes_on_where_the_first_one_stopped(world):
    first = snapshotted(world)
    world.do(opening.adopt_limits, first, [on_file("c-1", 100)], person_id="p-one", now=NOON)
    second = snapshotted(world, supersede="crashed")
    done = world.open_limits(second, [on_file("c-1", 100), on_file("c-2", 200)])
    assert (done.opened, done.existing, done.differences) == (1, 1, ())
    assert lifecycle.BATCH == 500


def alias(number="0001", customer="c-1", at=NOON):
    return CustomerAlias(
        source="erp", legal_entity="ALL", source_number=number, customer_id=customer, decided_by="source", evidence="",
        valid_from=AS_OF, valid_to=None, recorded_at=at,
    )  # fmt: skip


def test_aliases_are_recorded_when_they_are_new_or_change(world):
    ledger = Ledger(world)
    assert world.do(opening.record_aliases, [alias("1"), alias("2", "c-2")]) == 2
    assert world.do(opening.record_aliases, [alias("1", at=NOON + timedelta(1)), alias("2", "c-1", at=NOON + timedelta(1))]) == 1
    assert world.do(opening.record_aliases, []) == 0
    assert ledger.check() == {"alias": 3}
    assert world.entries("identity.changed")[-1]["data"]["from"] == "c-2"


def test_group_memberships_are_recorded_when_they_change_and_own_groups_are_not(world):
    def member(customer, group, at=NOON):
        return GroupMembership(customer_id=customer, group_id=group, valid_from=AS_OF, valid_to=None, recorded_at=at)

    ledger = Ledger(world)
    assert world.do(opening.record_memberships, [member("c-1", "g"), member("c-2", "c-2")]) == 1
    later = NOON + timedelta(1)
    assert world.do(opening.record_memberships, [member("c-1", "g", later), member("c-2", "g", later)]) == 1
    assert world.do(opening.record_memberships, [member("c-1", "c-1", later)]) == 1
    assert world.do(opening.record_memberships, []) == 0
    assert ledger.check() == {"group": 3}


def test_a_review_of_an_earlier_day_overrules_neither_identities_nor_groups_of_a_later_day(world):
    """It is recorded later, and the newest row speaks for every day from its first on: for today too."""
    today, before, later = AS_OF + timedelta(60), AS_OF - timedelta(90), NOON + timedelta(1)
    group = GroupMembership(customer_id="c-1", group_id="g", valid_from=AS_OF, valid_to=None, recorded_at=NOON)
    world.do(opening.record_aliases, [alias("1", "c-9")])
    world.do(opening.record_memberships, [group])
    ledger = Ledger(world)
    old = [replace(alias(number, at=later), valid_from=before) for number in ("1", "2")]
    assert world.do(opening.record_aliases, old) == 1, "of number 2 nothing is known"
    assert world.do(opening.record_memberships, [replace(group, group_id="h", valid_from=before, recorded_at=later)]) == 0
    assert ledger.check() == {"alias": 1}
    with world.store.read() as uow:
        known = {a.source_number: a.customer_id for a in uow.facts(CustomerAlias, valid_at=today, known_at=later)}
        assert known == {"1": "c-9", "2": "c-1"}
        assert [m.group_id for m in uow.facts(GroupMembership, valid_at=today, known_at=later)] == ["g"]


def test_rates_are_recorded_once_a_day_and_corrections_as_new_rows(world):
    usd = Rate(base="USD", quote="EUR", rate="0.92", source="ecb", valid_from=AS_OF, valid_to=None, recorded_at=NOON)
    later = replace(usd, recorded_at=NOON + timedelta(1))
    ledger = Ledger(world)
    assert world.do(opening.record_rates, [usd]) == 1
    assert world.do(opening.record_rates, [later]) == 0
    assert world.do(opening.record_rates, [replace(later, rate="0.93")]) == 1
    assert world.do(opening.record_rates, []) == 0
    assert ledger.check() == {"rate": 2}
