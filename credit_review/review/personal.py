"""What people state about themselves (how they read, when they are away, conflicts of interest) and the rights they are given.

All of it is facts: a change is a new row recorded later. The functions write and append entries; the caller commits.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta

from credit_review.audit import Action
from credit_review.calendar import WorkingCalendar
from credit_review.errors import BadInput, Refused
from credit_review.model.records import Absence, AccessRight, ConflictOfInterest, PersonPreference
from credit_review.model.states import Right
from credit_review.ports import Entry, UnitOfWork
from credit_review.review.directory import active_person
from credit_review.review.naming import actor, short_id
from credit_review.words import Words, said, words_for

A_YEAR = timedelta(days=366)
RENEW_BEFORE = timedelta(days=30)
"""How long before its end a person is reminded to renew a declaration."""


def preference_of(uow: UnitOfWork, person_id: str, *, on: date, known_at: datetime) -> PersonPreference | None:
    """What a person chose; None when he chose nothing."""
    found = uow.facts(PersonPreference, valid_at=on, known_at=known_at, person_id=person_id)
    return found[0] if found else None


def reader(uow: UnitOfWork, person_id: str, company: Words, *, on: date, known_at: datetime) -> Words:
    """How a person reads; where he chose nothing, as the company does."""
    chosen = preference_of(uow, person_id, on=on, known_at=known_at) if person_id else None
    if chosen is None:
        return company
    locale = chosen.locale or ("" if chosen.language else company.locale)
    zone = chosen.time_zone or str(company.zone)
    return words_for(language=chosen.language or company.language, locale=locale, zone=zone)


def prefer(uow: UnitOfWork, chosen: PersonPreference, *, by: str) -> None:
    """Records how a person reads and works. Raises BadInput for a language, locale, time zone or calendar nobody knows."""
    words_for(language=chosen.language, locale=chosen.locale, zone=chosen.time_zone or "UTC")
    if chosen.calendar:
        WorkingCalendar(chosen.calendar)
    active_person(uow, chosen.person_id, on=chosen.valid_from, known_at=chosen.recorded_at)
    uow.add(chosen)
    data = {"language": chosen.language, "locale": chosen.locale, "time_zone": chosen.time_zone, "calendar": chosen.calendar}
    uow.append(Entry(action=Action.PREFERENCE_CHANGED, actor=actor(by), entity=f"person:{chosen.person_id}", data=data))


def away(uow: UnitOfWork, person_id: str, *, start: date, end: date, by: str, now: datetime) -> Absence:
    """Records that a person is out of office in [start, end): others are asked first on these days."""
    if end <= start:
        raise BadInput(f"away until {end}", expected=f"a day after {start}")
    active_person(uow, person_id, on=start, known_at=now)
    key = short_id("w", person_id, start.isoformat(), now.isoformat())
    fact = Absence(absence_id=key, person_id=person_id, valid_from=start, valid_to=end, recorded_at=now)
    uow.add(fact)
    data = {"valid_from": start.isoformat(), "valid_to": end.isoformat()}
    uow.append(Entry(action=Action.ABSENCE_CHANGED, actor=actor(by), entity=f"person:{person_id}", data=data))
    return fact


def declare_conflict(
    uow: UnitOfWork, person_id: str, customer_id: str, *, start: date, end: date | None = None, by: str, now: datetime
) -> ConflictOfInterest:
    """Records a person's own declaration about a customer (empty: that there is no conflict), for a year unless `end` comes first.

    Refused for anybody else's: a conflict is declared by the person himself.
    """
    if by != person_id:
        raise Refused("conflict.another", said("a conflict of interest is declared by the person himself"))
    until = end or start + A_YEAR
    if not start < until <= start + A_YEAR:
        raise BadInput(f"a declaration until {until}", expected="a day within a year: it is renewed yearly")
    active_person(uow, person_id, on=start, known_at=now)
    fact = ConflictOfInterest(person_id=person_id, customer_id=customer_id, valid_from=start, valid_to=until, recorded_at=now)
    uow.add(fact)
    data = {"customer": customer_id or None, "valid_from": start.isoformat(), "valid_to": until.isoformat()}
    uow.append(Entry(action=Action.CONFLICT_DECLARED, actor=actor(by), entity=f"person:{person_id}", data=data))
    return fact


def conflicts_of(uow: UnitOfWork, person_id: str, *, on: date, known_at: datetime) -> list[ConflictOfInterest]:
    """A person's declarations in force on a day."""
    return uow.facts(ConflictOfInterest, valid_at=on, known_at=known_at, person_id=person_id)


def lapses(uow: UnitOfWork, person_id: str, today: date, now: datetime) -> date | None:
    """The day on which a person's declarations are due: today without any in force, or when the first that is not renewed ends within
    RENEW_BEFORE; None while nothing is due."""
    declared = conflicts_of(uow, person_id, on=today, known_at=now)
    renewed = {c.customer_id for c in conflicts_of(uow, person_id, on=today + RENEW_BEFORE, known_at=now)}
    ends = [c.valid_to for c in declared if c.valid_to is not None and c.customer_id not in renewed]
    return today if not declared else min(ends, default=None)


def set_right(uow: UnitOfWork, right: AccessRight, *, by: str) -> None:
    """Gives a person a right (taken away by recording it again with an end). Refused for oneself."""
    if right.access not in tuple(Right):
        raise BadInput(f"unknown right {right.access!r}", expected=" or ".join(Right))
    if by == right.person_id:
        raise Refused("directory.oneself", said("nobody may give himself a right"))
    active_person(uow, right.person_id, on=right.valid_from, known_at=right.recorded_at)
    uow.add(right)
    end = right.valid_to.isoformat() if right.valid_to else None
    data = {"right": right.access, "valid_from": right.valid_from.isoformat(), "valid_to": end}
    uow.append(Entry(action=Action.ACCESS_CHANGED, actor=actor(by), entity=f"person:{right.person_id}", data=data))


def has_right(uow: UnitOfWork, person_id: str, right: Right, *, on: date, known_at: datetime) -> bool:
    """Whether a person was given a right that holds on a day."""
    return bool(uow.facts(AccessRight, valid_at=on, known_at=known_at, person_id=person_id, access=right))
