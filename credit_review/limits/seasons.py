"""Limits that recur: one approved season, and the same days of later years until the recurrence ends. No pandas: Slack asks it too.

Dates are half-open: a season holds from its first day up to the day before its last.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

MOST_YEARS = 5
"""Years within which later seasons of one approval begin."""


@dataclass(frozen=True, slots=True, order=True)
class Season:
    """One year's days of a recurring limit."""

    begins: date
    ends: date


def years_on(day: date, years: int) -> date:
    """The same day so many years on; the 29th of February is the 28th where there is none."""
    try:
        return day.replace(year=day.year + years)
    except ValueError:
        return day.replace(year=day.year + years, day=28)


def _end_on(day: date, years: int) -> date:
    """A half-open end so many years on: one on the 29th of February leaves the 28th in, so it is the 1st of March where there is none."""
    there = years_on(day, years)
    return there if there.day == day.day else there.replace(month=3, day=1)


def seasons(first: Season, until: date) -> tuple[Season, ...]:
    """Every season that begins before `until`, the first one included whatever `until` says; none overlaps the next or outlasts `until`."""
    found, year = [first], 1
    while (begins := years_on(first.begins, year)) < until:
        found[-1] = Season(found[-1].begins, min(found[-1].ends, begins))
        found.append(Season(begins, min(_end_on(first.ends, year), until)))
        year += 1
    return tuple(found)


def next_season(known: tuple[Season, ...], day: date) -> Season | None:
    """The first season that begins after a day; None when no more begin."""
    return min((s for s in known if s.begins > day), default=None)
