"""Working days of the company and the quarters that reviews are named after. No clock: every function is told the day."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import lru_cache
from typing import Any

from credit_review.errors import BadInput
from credit_review.words import said

NO_COUNTRY = "weekdays"
"""Stands for a country: Monday to Friday without public holidays."""

_DAY = timedelta(days=1)
_LONGEST_GAP_DAYS = 60
"""More days without a single working day than any real calendar has."""


@dataclass(frozen=True, slots=True)
class WorkingCalendar:
    """Working days of a country: no weekend, no public holiday, no company holiday.

    `country` is ISO 3166 alpha-2, with a subdivision where its holidays differ (`DE`, `DE-BY`, `US-NY`); weekends are the country's own.
    Raises BadInput for a country whose holidays are not known.
    """

    country: str
    extra_holidays: frozenset[date] = frozenset()

    def __post_init__(self) -> None:
        _weekend(self.country)

    def is_working_day(self, day: date) -> bool:
        """Whether people work on `day`."""
        return day.weekday() not in _weekend(self.country) and day not in self.extra_holidays and day not in _public(self.country, day.year)

    def nth_working_day(self, year: int, month: int, n: int) -> date:
        """The `n`-th working day of a month, counted from 1. Raises BadInput when the month has fewer."""
        if n < 1:
            raise BadInput(said("working day number {n}", n=n), expected=said("1 or more"))
        first = date(year, month, 1)
        for day in _forward(first, 31):
            if day.month != month:
                break
            n -= self.is_working_day(day)
            if n == 0:
                return day
        raise BadInput(
            said("{first} has {n} working days fewer than asked for", first=f"{first:%Y-%m}", n=n),
            expected=said("a working day that the month has"),
        )

    def add_working_days(self, day: date, n: int) -> date:
        """The `n`-th working day after `day` (before it when negative); for 0 `day` itself, or the next working day when it is none."""
        step = -_DAY if n < 0 else _DAY
        at, left = (day, abs(n)) if n else (day - _DAY, 1)
        gap = 0
        while left:
            at, gap = at + step, gap + 1
            if self.is_working_day(at):
                left, gap = left - 1, 0
            elif gap > _LONGEST_GAP_DAYS:
                raise BadInput(
                    said("no working day within {longest_gap_days} days of {day}", longest_gap_days=_LONGEST_GAP_DAYS, day=day),
                    expected=said("extra_holidays that leave working days"),
                )
        return at

    def working_days_between(self, start: date, end: date) -> int:
        """Working days after `start` up to and including `end`; 0 when `end` is not after it."""
        return sum(self.is_working_day(day) for day in _forward(start + _DAY, (end - start).days))


OPENS, CLOSES = time(9), time(17)
"""Working hours of a working day, local time."""


def working_hours_between(start: datetime, end: datetime, calendar: WorkingCalendar, zone: tzinfo) -> float:
    """Working hours (9 to 17 on working days, local time of `zone`) from `start` to `end`; 0 when `end` is not later."""
    hours = 0.0
    day, last = start.astimezone(zone).date(), end.astimezone(zone).date()
    while day <= last:
        if calendar.is_working_day(day):
            opens, closes = datetime.combine(day, OPENS, tzinfo=zone), datetime.combine(day, CLOSES, tzinfo=zone)
            hours += max(0.0, (min(end, closes) - max(start, opens)).total_seconds() / 3600)
        day += _DAY
    return hours


@dataclass(frozen=True, slots=True)
class WorkingTime:
    """When somebody works: from OPENS to CLOSES on the working days of a calendar, local time of `zone`."""

    calendar: WorkingCalendar
    zone: tzinfo


@lru_cache(maxsize=256)
def closing(start: datetime, days: int, everybody: frozenset[WorkingTime]) -> datetime:
    """When the last of them closes on the `days`-th day after `start` on which all of them work, at least 1; `start` in UTC.

    Nobody has fewer than `days` working days of his own until then. Raises BadInput for people who never work on the same day.
    """
    at, left, gap = max(start.astimezone(one.zone).date() for one in everybody), days, 0
    while left:
        at, gap = at + _DAY, gap + 1
        if all(one.calendar.is_working_day(at) for one in everybody):
            left, gap = left - 1, 0
        elif gap > _LONGEST_GAP_DAYS:
            raise BadInput(f"no day within {_LONGEST_GAP_DAYS} days on which all work", expected="calendars that share working days")
    return max(datetime.combine(at, CLOSES, tzinfo=one.zone) for one in everybody).astimezone(UTC)


def quarter_end_before(day: date) -> date:
    """The last day of the newest calendar quarter that ended before `day`."""
    return date(day.year, (day.month - 1) // 3 * 3 + 1, 1) - _DAY


def quarter_label(as_of: date) -> str:
    """The calendar quarter that holds `as_of`, such as `2026Q3`."""
    return f"{as_of.year}Q{(as_of.month - 1) // 3 + 1}"


def _forward(start: date, days: int) -> Iterator[date]:
    return (start + i * _DAY for i in range(days))


def _book(country: str, year: int | None = None) -> Any:
    import holidays  # slow to import, and only working-day questions need it

    if not re.fullmatch(r"[A-Z]{2}(-[A-Z0-9]{1,6})?", country):
        raise _unknown(country)
    code, _, part = country.partition("-")
    try:
        return holidays.country_holidays(code, subdiv=part or None, years=year)
    except NotImplementedError:
        raise _unknown(country) from None


def _unknown(country: str) -> BadInput:
    return BadInput(
        said("no public holidays known for {country}", country=repr(country)),
        expected=said("an ISO 3166 code such as DE, or one with a subdivision such as DE-BY"),
        next_step=said("correct calendar.country in settings.yaml"),
    )


@lru_cache(maxsize=64)
def _weekend(country: str) -> frozenset[int]:
    if country == NO_COUNTRY:
        return frozenset({5, 6})
    return frozenset(_book(country).weekend)


@lru_cache(maxsize=512)
def _public(country: str, year: int) -> frozenset[date]:
    if country == NO_COUNTRY:
        return frozenset()
    return frozenset(_book(country, year))


WEEKDAYS = WorkingCalendar(NO_COUNTRY)
"""Working days where nobody said whose."""
