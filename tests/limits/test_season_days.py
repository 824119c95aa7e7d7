"""Days of a limit that recurs each year."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from credit_review.limits.seasons import Season, next_season, seasons, years_on

WINTER = Season(date(2026, 10, 1), date(2027, 2, 1))
days = st.dates(date(2020, 1, 1), date(2030, 12, 31))


def test_the_same_days_of_each_year_until_the_recurrence_ends():
    assert seasons(WINTER, date(2028, 10, 2)) == (
        WINTER, Season(date(2027, 10, 1), date(2028, 2, 1)), Season(date(2028, 10, 1), date(2028, 10, 2)),
    )  # fmt: skip
    assert seasons(WINTER, date(2027, 10, 1)) == (WINTER,)


def test_a_season_from_the_29th_of_february_begins_on_the_28th_where_there_is_none():
    leap = Season(date(2028, 2, 29), date(2028, 4, 1))
    assert [one.begins for one in seasons(leap, date(2033, 1, 1))] == [
        date(2028, 2, 29), date(2029, 2, 28), date(2030, 2, 28), date(2031, 2, 28), date(2032, 2, 29),
    ]  # fmt: skip


def test_the_next_season_is_the_first_that_has_not_begun():
    known = seasons(WINTER, date(2030, 1, 1))
    assert next_season(known, date(2027, 3, 1)) == known[1]
    assert next_season(known, known[-1].begins) is None


@given(begins=days, length=st.integers(1, 366), years=st.integers(0, 6), more=st.integers(0, 400))
def test_seasons_never_overlap_or_outlast_their_end_and_there_is_one_a_year(begins, length, years, more):
    until = years_on(begins, years) + timedelta(days=more)
    first = Season(begins, begins + timedelta(days=length))
    found = seasons(first, until)
    assert all(a.ends <= b.begins for a, b in pairwise(found))
    assert all(one.begins < one.ends <= until for one in found[1:])
    assert [one.begins.year - begins.year for one in found] == list(range(len(found)))
