"""Working days and quarters."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from credit_review.calendar import WEEKDAYS, WorkingCalendar, WorkingTime, closing, quarter_end_before, quarter_label
from credit_review.errors import BadInput

DE = WorkingCalendar("DE")
DAYS = st.dates(date(2001, 1, 1), date(2040, 12, 31))


@pytest.mark.parametrize(
    ("quarter_end", "fifth"),
    [  # counted by hand: New Year and Epiphany-free Germany, Easter, Unity Day
        (date(2025, 12, 31), date(2026, 1, 8)),
        (date(2026, 3, 31), date(2026, 4, 9)),
        (date(2026, 6, 30), date(2026, 7, 7)),
        (date(2026, 9, 30), date(2026, 10, 7)),
        (date(2026, 12, 31), date(2027, 1, 8)),
    ],
)
def test_the_fifth_working_day_after_each_quarter_end(quarter_end, fifth):
    assert DE.add_working_days(quarter_end, 5) == fifth
    assert DE.nth_working_day(fifth.year, fifth.month, 5) == fifth


def test_weekends_are_the_countrys_own():
    friday, sunday = date(2026, 5, 8), date(2026, 5, 10)
    assert not WorkingCalendar("SA").is_working_day(friday) and WorkingCalendar("SA").is_working_day(sunday)
    assert DE.is_working_day(friday) and not DE.is_working_day(sunday)


def test_subdivisions_and_company_holidays_count():
    epiphany = date(2026, 1, 6)
    assert DE.is_working_day(epiphany)
    assert not WorkingCalendar("DE-BY").is_working_day(epiphany)
    assert not WorkingCalendar("DE", frozenset({epiphany})).is_working_day(epiphany)


@pytest.mark.parametrize("country", ["XX", "DE-ZZ", "Germany", "", "de"])
def test_an_unknown_country_is_refused(country):
    with pytest.raises(BadInput, match=r"calendar\.country"):
        WorkingCalendar(country)


def test_a_month_without_that_many_working_days_is_refused():
    with pytest.raises(BadInput):
        DE.nth_working_day(2026, 2, 25)
    with pytest.raises(BadInput):
        DE.nth_working_day(2026, 2, 0)


def test_a_calendar_without_working_days_is_an_error_not_an_endless_search():
    forever = frozenset(date(2026, 1, 1) + timedelta(days=i) for i in range(400))
    with pytest.raises(BadInput, match="no working day"):
        WorkingCalendar("DE", forever).add_working_days(date(2026, 2, 1), 1)


@given(DAYS, st.integers(1, 30))
def test_adding_and_taking_away_working_days_meet_in_the_middle(day, n):
    later = DE.add_working_days(day, n)
    assert DE.is_working_day(later) and later > day
    assert DE.working_days_between(day, later) == n
    assert DE.add_working_days(later, -n) <= day


@given(DAYS)
def test_nothing_added_is_the_day_or_the_next_working_day(day):
    same = DE.add_working_days(day, 0)
    assert (same == day) == DE.is_working_day(day)
    assert same >= day and DE.working_days_between(day, same) == (same != day)


@given(DAYS)
def test_the_quarter_end_before_a_day_is_a_quarter_end_less_than_a_quarter_away(day):
    end = quarter_end_before(day)
    assert end < day and (end + timedelta(days=1)).day == 1 and end.month % 3 == 0
    assert (day - end).days <= 92
    assert quarter_end_before(end + timedelta(days=1)) == end


def test_a_quarter_is_named_after_year_and_number():
    labels = [quarter_label(d) for d in (date(2026, 1, 1), date(2026, 3, 31), date(2026, 9, 30), date(2026, 12, 31))]
    assert labels == ["2026Q1", "2026Q1", "2026Q3", "2026Q4"]


def test_naming_a_quarter_needs_no_holiday_library():
    code = (
        "import sys, credit_review.calendar as c, datetime; c.quarter_label(datetime.date(2026,1,1)); sys.exit('holidays' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_who_said_no_country_works_from_monday_to_friday():
    christmas, saturday = date(2026, 12, 25), date(2026, 12, 26)
    assert WEEKDAYS.is_working_day(christmas) and not WEEKDAYS.is_working_day(saturday)


def test_a_proposal_put_out_before_christmas_expires_in_the_new_year_at_the_close():
    berlin, shanghai = WorkingTime(DE, ZoneInfo("Europe/Berlin")), WorkingTime(WorkingCalendar("CN"), ZoneInfo("Asia/Shanghai"))
    start = datetime(2026, 11, 27, 9, 7, tzinfo=UTC)
    alone = closing(start, 20, frozenset({berlin}))
    assert alone == datetime(2026, 12, 28, 17, tzinfo=berlin.zone), "a Monday, not the Sunday in between"
    golden_week = datetime(2026, 9, 30, 9, tzinfo=UTC)
    assert closing(golden_week, 1, frozenset({berlin, shanghai})).date() == date(2026, 10, 8), "nobody's holiday"


def test_people_who_share_no_working_day_are_named_as_the_trouble():
    everyday = frozenset(date(2026, 1, 1) + timedelta(days=n) for n in range(400))
    with pytest.raises(BadInput, match="on which all work"):
        closing(datetime(2026, 3, 2, tzinfo=UTC), 1, frozenset({WorkingTime(WorkingCalendar("DE", everyday), UTC)}))
