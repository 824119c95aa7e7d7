"""A limit approved once that recurs: each season begins and ends by itself, once, whoever sweeps when, and a person may end that."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from decision_world import NOON, TODAY, World, person
from test_apply import approved
from test_races import at_once

from credit_review import audit
from credit_review.errors import BadInput, Refused
from credit_review.limits.layers import limit_on
from credit_review.model.records import CreditLimit, LimitChange
from credit_review.review.layers import recorded
from credit_review.review.manifest import digest_of
from credit_review.review.seasons import end_seasons, seasons_to_come
from credit_review.review.sweep import revert_due, sweep

ENDS, AGAIN, LAST = date(2027, 2, 1), date(2027, 10, 1), date(2028, 12, 1)
MINOR = 80_000_00


@pytest.fixture
def world(store):
    return World(store)


def seasonal(world, customer="c-1", *, minor=MINOR, begins=TODAY, ends=ENDS, until=LAST):
    """A recurring temporary limit in force on a base limit of 50,000."""
    if world.in_force(customer) is None:
        world.limit(customer, 50_000_00)
    packet = audit.canonical({"customer_id": customer, "to_minor": minor, "request": {"recurs_until": until.isoformat()}})
    about = {"packet_json": packet, "digest": digest_of(packet), "effective_from": begins, "effective_to": ends, "terms_days": None}
    key = approved(world, customer, by=("p-cfo",), had=None, to=minor, layer="temporary", proposal_id=f"pr-{customer}-{minor}", **about)
    assert world.apply(key).state == "applied"
    return key


def on(world, clock, day, *, hour=12):
    """Sweeps on a day; the temporary limit then in force."""
    clock.set(datetime(day.year, day.month, day.day, hour, tzinfo=UTC))
    sweep(world.store, clock)
    return world.in_force("c-1", layer="temporary")


def shown(world, day):
    with world.store.read() as uow:
        return limit_on(recorded(uow, "c-1", on=day, now=NOON, control="EUR").layers, day).amount_minor


def test_each_season_begins_and_ends_by_itself_until_the_recurrence_is_over(world, clock):
    seasonal(world)
    held = [on(world, clock, day) for day in (date(2027, 1, 31), ENDS, date(2027, 9, 30), AGAIN, date(2028, 2, 1), date(2028, 10, 1), LAST)]
    assert held == [MINOR, None, None, MINOR, None, MINOR, None]
    kinds = [
        (c.kind, c.new_minor, c.effective_from, c.effective_to) for c in world.find(LimitChange, order_by=("version",)) if c.version > 1
    ]
    assert kinds == [
        ("reversal", None, ENDS, AGAIN), ("reversal", MINOR, AGAIN, date(2028, 2, 1)),
        ("reversal", None, date(2028, 2, 1), date(2028, 10, 1)),
        ("reversal", MINOR, date(2028, 10, 1), LAST), ("reversal", None, LAST, None),
    ]  # fmt: skip
    assert on(world, clock, date(2029, 10, 1)) is None and len(world.entries("limit.reverted")) == len(kinds)
    assert world.entries("limit.applied")[0]["data"]["recurs_until"] == "2028-12-01"
    restored = [entry["data"]["restores"] for entry in world.entries("limit.reverted")]
    first = world.entries("limit.applied")[0]["data"]["change"]
    assert restored == [None, first, None, first, None]


def test_the_limit_shown_knows_every_season_before_the_sweep_does(world):
    seasonal(world)
    days = (TODAY, date(2027, 1, 31), ENDS, date(2027, 9, 30), AGAIN, date(2028, 11, 30), LAST, date(2029, 10, 1))
    assert [shown(world, day) for day in days] == [MINOR, MINOR, 50_000_00, 50_000_00, MINOR, MINOR, 50_000_00, 50_000_00]
    with world.store.read() as uow:
        ((one, season, account),) = seasons_to_come(uow, "c-1", TODAY)
    assert (season.begins, season.ends, one.seasons[-1].ends, account.currency) == (AGAIN, date(2028, 2, 1), LAST, "EUR")


def test_a_season_that_nobody_swept_is_left_out_and_the_next_one_begins(world, clock):
    seasonal(world)
    assert on(world, clock, date(2028, 4, 1)) is None
    assert world.find(CreditLimit, amount_minor=None)[0].effective_to == date(2028, 10, 1)
    assert on(world, clock, date(2028, 10, 5)) == MINOR


def test_what_stands_in_a_season_gives_way_to_the_season_again_and_a_newer_recurrence_takes_its_place(world, clock):
    seasonal(world)
    soon = TODAY + timedelta(days=20)
    one_off = approved(world, by=("p-cfo",), had=None, to=90_000_00, layer="temporary", effective_to=soon, terms_days=None)
    world.apply(one_off)
    assert on(world, clock, TODAY + timedelta(days=19)) == 90_000_00
    assert on(world, clock, soon) == MINOR and world.one(CreditLimit, amount_minor=MINOR).effective_to == ENDS
    assert on(world, clock, ENDS) is None
    clock.set(NOON)
    world.limit("c-2", 50_000_00)
    seasonal(world, "c-2")
    seasonal(world, "c-2", minor=70_000_00, ends=date(2026, 12, 1))
    for day in (date(2026, 12, 1), ENDS, AGAIN):
        on(world, clock, day)
    assert world.in_force("c-2", layer="temporary") == 70_000_00


def test_who_prepares_or_decides_limits_ends_a_recurrence_with_a_reason_and_a_season_under_way_keeps_its_end(world, clock):
    seasonal(world)
    about = {"today": TODAY, "now": NOON}
    world.write(person("p-sales"))
    with pytest.raises(Refused, match="neither prepare nor decide"), world.store.begin() as uow:
        end_seasons(uow, "c-1", person_id="p-sales", reason="he pays late", **about)
    with pytest.raises(BadInput, match="reason"), world.store.begin() as uow:
        end_seasons(uow, "c-1", person_id="p-cfo", reason=" ", **about)
    with world.store.begin() as uow:
        end_seasons(uow, "c-1", person_id="p-cfo", reason="he pays late", **about)
        uow.commit()
    (entry,) = world.entries("limit.seasons_ended")
    assert entry["actor"] == "person:p-cfo" and entry["data"]["from"] == "2026-10-01" and "late" not in str(entry)
    assert [on(world, clock, day) for day in (date(2027, 1, 31), ENDS, AGAIN)] == [MINOR, None, None]
    with pytest.raises(BadInput, match="no limit of which"), world.store.begin() as uow:
        end_seasons(uow, "c-1", person_id="p-cfo", reason="again", **about)


def test_a_season_begins_once_however_many_sweep_at_once_and_not_at_all_where_its_end_came_first(world, clock):
    seasonal(world)
    on(world, clock, ENDS)
    clock.set(datetime(2027, 10, 1, 12, tzinfo=UTC))

    def end():
        with world.store.begin() as uow:
            end_seasons(uow, "c-1", person_id="p-cfo", reason="stop", today=clock.now().date() - timedelta(days=1), now=clock.now())
            uow.commit()

    at_once(*[lambda: revert_due(world.store, clock)] * 3, end)
    began = [c for c in world.find(LimitChange) if c.kind == "reversal" and c.effective_from == AGAIN]
    first, ended = world.entries("limit.seasons_ended"), world.entries("limit.reverted")
    assert len(began) == 1 and len(ended) == 2
    order = [e["action"] for e in world.entries() if e["action"] in ("limit.seasons_ended", "limit.reverted")][1:]
    assert began[0].new_minor == (MINOR if order[0] == "limit.reverted" else None)
    assert len(first) <= 1
