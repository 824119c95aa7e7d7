"""The access review: somebody whose office it is looked at who may do what, and signs that off. Nobody signs for himself."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, datetime

from credit_review.audit import Action
from credit_review.errors import BadInput, Refused
from credit_review.ports import Entry, UnitOfWork
from credit_review.review.naming import actor
from credit_review.review.signing import OWN, require_watcher
from credit_review.words import said


def sign_off(
    uow: UnitOfWork, person_id: str, persons: Collection[str], *, listing: str, statement: str, on: date, now: datetime
) -> list[str]:
    """The people whose access `person_id` signs off, himself left out, once `access.reviewed` is appended; the caller commits.

    `listing` is the SHA-256 of the list looked at. Refused unless the matrix in force names the person as control owner or internal
    audit, and when the list holds nobody else. Raises BadInput without a statement.
    """
    if not statement.strip():
        raise BadInput(said("no text given"), expected=said("a sentence that a colleague will understand next year"))
    _, office = require_watcher(uow, said("sign off access"), person_id, on=on, now=now)
    others = sorted(set(persons) - {person_id})
    if not others:
        raise Refused(OWN, said("nobody reviews his own access"), next_step=said("somebody else of that office signs for you"))
    data = {"office": office.value, "persons": others, "list": listing}
    uow.append(Entry(action=Action.ACCESS_REVIEWED, actor=actor(person_id), entity="log", data=data, payload={"statement": statement}))
    return others
