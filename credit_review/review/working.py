"""When people work, by their own calendar and time zone: what reminders, escalation and expiry are counted in."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo

from credit_review.calendar import WorkingCalendar, WorkingTime, closing, working_hours_between
from credit_review.model.records import Absence, ConflictOfInterest, PersonPreference
from credit_review.ports import UnitOfWork
from credit_review.review.directory import current_delegations


@dataclass(frozen=True, slots=True, kw_only=True)
class Company:
    """Working days and time zone where a person chose nothing."""

    calendar: WorkingCalendar
    zone: tzinfo


@dataclass(frozen=True, slots=True)
class Habits:
    """Working days and time zone of each person, who is away today, and in whose place others may be asked today."""

    company: Company
    chosen: Mapping[str, PersonPreference]
    away: frozenset[str]
    replaced: frozenset[str]

    @classmethod
    def read(cls, uow: UnitOfWork, company: Company, now: datetime) -> Habits:
        """What people have on record at `now`."""
        today = now.astimezone(company.zone).date()
        chosen = {p.person_id: p for p in uow.facts(PersonPreference, valid_at=today, known_at=now)}
        away = frozenset(a.person_id for a in uow.facts(Absence, valid_at=today, known_at=now))
        principals = {d.principal_id for d in current_delegations(uow, on=today, known_at=now)}
        conflicted = {c.person_id for c in uow.facts(ConflictOfInterest, valid_at=today, known_at=now) if c.customer_id}
        return cls(company, chosen, away, away | principals | conflicted)

    def hours(self, person_id: str, since: datetime, now: datetime) -> float:
        """Working hours of a person from a moment until now."""
        his = self._time_of(person_id)
        return working_hours_between(since, now, his.calendar, his.zone)

    def closing(self, now: datetime, days: int, asked: Collection[str]) -> datetime:
        """The close of the `days`-th day after now on which the company and everybody asked work."""
        company = WorkingTime(self.company.calendar, self.company.zone)
        return closing(now.astimezone(UTC), days, frozenset({company, *(self._time_of(p) for p in asked)}))

    def _time_of(self, person_id: str) -> WorkingTime:
        kept = self.chosen.get(person_id)
        return WorkingTime(
            WorkingCalendar(kept.calendar) if kept and kept.calendar else self.company.calendar,
            ZoneInfo(kept.time_zone) if kept and kept.time_zone else self.company.zone,
        )
