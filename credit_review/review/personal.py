"""What people state about themselves (how they read, when they are away, conflicts of interest) and the rights they are given.

All of it is facts: a change is a new row recorded later. The functions write and append entries; the caller commits.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta

from credit_review.audit import Action
from credit_review.calendar import WorkingCalendar
from credit_review.errors import BadInput, Refused
from credit_review.model.records import (
    Absence,
    AccessRight,
    ConflictOfInterest,
    CustomerAlias,
    LimitAccount,
    PersonPreference,
    SlackMessage,
)
from credit_review.model.states import Right
from credit_review.ports import Entry, UnitOfWork
from credit_review.review.directory import active_person
from credit_review.review.naming import actor, short_id
from credit_review.review.outbox import owe_updates, to_person
from credit_review.review.showing import waits
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
    """Records how a person reads and works, and draws his messages that wait for an answer that way.

    Raises BadInput for a language, locale, time zone or calendar nobody knows.
    """
    words_for(language=chosen.language, locale=chosen.locale, zone=chosen.time_zone or "UTC")
    if chosen.calendar:
        WorkingCalendar(chosen.calendar)
    active_person(uow, chosen.person_id, on=chosen.valid_from, known_at=chosen.recorded_at)
    uow.add(chosen)
    data = {"language": chosen.language, "locale": chosen.locale, "time_zone": chosen.time_zone, "calendar": chosen.calendar}
    uow.append(Entry(action=Action.PREFERENCE_CHANGED, actor=actor(by), entity=f"person:{chosen.person_id}", data=data))
    address = to_person(chosen.person_id)
    waiting = [m.subject for m in uow.find(SlackMessage, address=address) if waits(uow, m.subject, address)]
    owe_updates(uow, waiting, chosen.recorded_at, addresses=[address])


def away(uow: UnitOfWork, person_id: str, *, start: date, end: date, by: str, now: datetime) -> Absence:
    """Records that a person is out of office in [start, end): others are asked first on these days."""
    if end <= start:
        raise BadInput(said("away until {end}", end=end), expected=said("a day after {start}", start=start))
    active_person(uow, person_id, on=start, known_at=now)
    key = short_id("w", person_id, start.isoformat(), now.isoformat())
    fact = Absence(absence_id=key, person_id=person_id, valid_from=start, valid_to=end, recorded_at=now)
    uow.add(fact)
    data = {"valid_from": start.isoformat(), "valid_to": end.isoformat()}
    uow.append(Entry(action=Action.ABSENCE_CHANGED, actor=actor(by), entity=f"person:{person_id}", data=data))
    return fact


def absences_of(uow: UnitOfWork, person_id: str, *, on: date, known_at: datetime) -> list[Absence]:
    """A person's absences of a day or later, as known at a moment, by start."""
    newest: dict[str, Absence] = {}
    for row in uow.find(Absence, person_id=person_id, order_by=("recorded_at",)):
        if row.recorded_at <= known_at:
            newest[row.absence_id] = row
    still = (a for a in newest.values() if a.valid_to is None or a.valid_to > max(on, a.valid_from))
    return sorted(still, key=lambda a: (a.valid_from, a.absence_id))


def end_absence(uow: UnitOfWork, absence_id: str, *, person_id: str, on: date, now: datetime) -> None:
    """Ends a person's own absence on a day, the first he is back; one not begun yet never begins. Refused when it is none of his."""
    mine = [a for a in absences_of(uow, person_id, on=on, known_at=now) if a.absence_id == absence_id]
    if not mine:
        raise Refused("absence.none", said("this absence is over, or not yours"))
    fact = replace(mine[0], valid_to=max(on, mine[0].valid_from), recorded_at=now)
    uow.add(fact)
    data = {"valid_from": fact.valid_from.isoformat(), "valid_to": f"{fact.valid_to}"}
    uow.append(Entry(action=Action.ABSENCE_CHANGED, actor=actor(person_id), entity=f"person:{person_id}", data=data))


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
        raise BadInput(said("a declaration until {until}", until=until), expected=said("a day within a year: it is renewed yearly"))
    active_person(uow, person_id, on=start, known_at=now)
    if customer_id and not is_customer(uow, customer_id):
        raise BadInput(said("no customer {customer}", customer=customer_id), next_step=said("write a customer's id, or its exact name"))
    fact = ConflictOfInterest(person_id=person_id, customer_id=customer_id, valid_from=start, valid_to=until, recorded_at=now)
    uow.add(fact)
    data = {"customer": customer_id or None, "valid_from": start.isoformat(), "valid_to": until.isoformat()}
    uow.append(Entry(action=Action.CONFLICT_DECLARED, actor=actor(by), entity=f"person:{person_id}", data=data))
    return fact


def withdraw_conflict(uow: UnitOfWork, person_id: str, customer_id: str, *, on: date, now: datetime) -> None:
    """Ends a person's own declaration about a customer on a day, the first without it. Refused when there is none in force."""
    mine = [c for c in conflicts_of(uow, person_id, on=on, known_at=now) if c.customer_id == customer_id]
    if not mine:
        raise Refused("conflict.none", said("you declared no conflict of interest about this customer"))
    fact = replace(mine[0], valid_to=max(on, mine[0].valid_from), recorded_at=now)
    uow.add(fact)
    data = {"customer": customer_id or None, "valid_from": fact.valid_from.isoformat(), "valid_to": f"{fact.valid_to}"}
    uow.append(Entry(action=Action.CONFLICT_DECLARED, actor=actor(person_id), entity=f"person:{person_id}", data=data))


def is_customer(uow: UnitOfWork, customer_id: str) -> bool:
    """Whether a ledger or a limit on record knows the customer."""
    return bool(uow.find(CustomerAlias, customer_id=customer_id, limit=1)) or bool(uow.find(LimitAccount, subject_id=customer_id, limit=1))


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
        raise BadInput(said("unknown right {access}", access=repr(right.access)), expected=" or ".join(Right))
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
