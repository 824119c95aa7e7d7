"""Coaching figures: always with their cases, nothing said of too few, and an opening is noted once and never in anybody's way."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from decision_world import NOON, World

from credit_review.errors import Unavailable
from credit_review.model.records import PacketOpening
from credit_review.monitoring.overrides import Hindsight, Override
from credit_review.review.coaching import LEAST, Case, figures, period_of
from credit_review.review.opened import note_opening

AT = datetime(2026, 11, 3, 9, tzinfo=UTC)
DAY = date(2026, 9, 30)


def case(n, hours=None, **fields):
    plain = {"person_id": "p-1", "role": "approver", "what": "approve", "at": AT, "returned": False}
    return Case(opened=None if hours is None else AT - timedelta(hours=hours), **(plain | fields))


def override(n, after=2, grade="B"):
    return Override(person_id="p-1", role="approver", customer_id=f"c{n}", as_of=DAY, grade=grade, before_minor=1, after_minor=after)


def test_a_turnaround_is_said_from_enough_cases_on_and_always_with_their_number():
    cases = [case(n, hours=n + 1) for n in range(LEAST)] + [case(0), case(0, what="return", returned=True)]
    (found,) = figures(cases, [], {}, "ABC")
    assert (found.cases, found.opened_cases, found.returned) == (12, 10, 1)
    assert (found.median_hours, found.slowest_tenth_hours) == (5.5, 9.0) and found.answers == {"approve": 11, "return": 1}
    (few,) = figures(cases[1:], [], {}, "ABC")
    assert few.opened_cases == 9 and few.median_hours is None and few.slowest_tenth_hours is None


def test_hindsight_counts_what_later_reviews_found_and_says_nothing_of_too_few():
    overrides = [override(n) for n in range(12)] + [override(99, after=0)]
    known = {(f"c{n}", DAY, 2): Hindsight("A" if n < 3 else "B" if n < 8 else "", late=n >= 9) for n in range(11)}
    known[("c1", DAY, 4)] = Hindsight("A", late=False)
    (found,) = figures([], overrides, known, "ABC")
    assert (found.overrides, found.overrides_up) == (13, 12) and found.overrides_known == {2: 11, 4: 1}
    assert found.looked_at == {2: {"better": 3, "same": 5, "worse": 3, "late": 2}, 4: None}


def test_people_and_roles_stand_apart_and_in_no_order_of_merit():
    cases = [case(0, person_id="p-2"), case(0, person_id="p-1", role="analyst", what="release"), case(0)]
    assert [(f.person_id, f.role, f.cases) for f in figures(cases, [], {}, "AB")] == [
        ("p-1", "analyst", 1), ("p-1", "approver", 1), ("p-2", "approver", 1),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("label", "first", "last"), [("2026Q4", (10, 1), (12, 31)), ("2024Q1", (1, 1), (3, 31)), ("2026Q2", (4, 1), (6, 30))]
)
def test_a_period_is_a_calendar_quarter(label, first, last):
    year = int(label[:4])
    assert period_of(label) == (date(year, *first), date(year, *last))


@pytest.mark.parametrize("label", ["2026", "2026Q5", "2026-4", "Q4", "2026Q04", "2026q4"])
def test_anything_else_is_no_period(label):
    with pytest.raises(ValueError, match=r".*"):
        period_of(label)


def test_an_opening_is_noted_once_by_its_first_moment(store):
    world = World(store)
    proposal = world.propose()
    for hours in (0, 5):
        note_opening(store, proposal, "p-cfo", NOON + timedelta(hours=hours))
    assert [o.opened_at for o in world.find(PacketOpening)] == [NOON]


def test_an_opening_that_cannot_be_noted_is_no_error_to_anybody(sqlite_store, monkeypatch):
    world = World(sqlite_store)
    proposal = world.propose()

    def busy(*, interactive=True):
        assert not interactive, "it waits behind whoever decides"
        raise Unavailable("the database is busy")

    monkeypatch.setattr(sqlite_store, "begin", busy)
    note_opening(sqlite_store, proposal, "p-cfo", NOON)
    assert world.find(PacketOpening) == []
