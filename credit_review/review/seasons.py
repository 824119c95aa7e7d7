"""Which limits on record recur each year, and who ends that. A recurring limit is approved once, as a temporary limit with an end of the
recurrence in its packet; every later season is the same change in force again, which `apply.revert` puts there on its day."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

from credit_review.audit import Action
from credit_review.errors import BadInput, Refused
from credit_review.limits.layers import in_force_on
from credit_review.limits.seasons import Season, next_season, seasons
from credit_review.model.records import LimitAccount, LimitChange, Proposal, SeasonsEnded
from credit_review.model.states import ChangeKind, Layer
from credit_review.ports import Entry, UnitOfWork
from credit_review.review.directory import active_person
from credit_review.review.naming import actor
from credit_review.review.standing import matrix_in_force, policy_in_force
from credit_review.words import said

RECURS_UNTIL = "recurs_until"
"""Field of the request in a packet, and of the entry of its application: no season begins on or after that day."""


def recurs_until(packet: Mapping[str, Any]) -> date | None:
    """Until when what a packet asks for recurs; None where it does not."""
    text = (packet.get("request") or {}).get(RECURS_UNTIL)
    return date.fromisoformat(text) if text else None


@dataclass(frozen=True, slots=True)
class Recurring:
    """The change of an account that recurs, and all its seasons; a later end of them has them end there."""

    change: LimitChange
    seasons: tuple[Season, ...]


def recurring(uow: UnitOfWork, changes: Sequence[LimitChange]) -> dict[str, Recurring]:
    """By account, what recurs: of several recurring changes of one account the newest, which takes the place of those before it."""
    decided = {c.proposal_id: c for c in changes if c.kind == ChangeKind.DECISION and c.effective_to is not None and c.proposal_id}
    asked = uow.find(Proposal, proposal_id=sorted(decided)) if decided else []
    ends = {p.proposal_id: end for p in asked if (end := recurs_until(json.loads(p.packet_json))) is not None}
    over = {row.change_id: row.from_day for row in uow.find(SeasonsEnded, change_id=[decided[p].change_id for p in ends])} if ends else {}
    found: dict[str, Recurring] = {}
    for proposal_id in sorted(ends, key=lambda one: decided[one].version):
        change = decided[proposal_id]
        assert change.effective_to is not None  # noqa: S101  chosen above
        until = min(ends[proposal_id], over.get(change.change_id, date.max))
        found[change.account_id] = Recurring(change, seasons(Season(change.effective_from, change.effective_to), until))
    return found


def by_season(uow: UnitOfWork, changes: Sequence[LimitChange]) -> list[LimitChange]:
    """The changes, and beside each that recurs a copy for every later season, with its days."""
    found = recurring(uow, changes)
    return [*changes, *(later for one in found.values() for later in _later(one))]


def _later(one: Recurring) -> Iterator[LimitChange]:
    for season in one.seasons[1:]:
        yield replace(one.change, effective_from=season.begins, effective_to=season.ends)


def lies_under(uow: UnitOfWork, changes: Sequence[LimitChange], day: date) -> tuple[LimitChange | None, date | None]:
    """What holds on a day once the newest of an account's changes has ended, and until when: its own end, or the next season's begin.

    `changes` are in the order of their versions.
    """
    found = recurring(uow, changes)
    again = [later for one in found.values() for later in _later(one)]
    under = in_force_on([*changes[:-1], *again], day)
    coming = [next_season(one.seasons, day) for one in found.values() if under is None or under.version < one.change.version]
    ends = [under.effective_to if under else None, *(season.begins for season in coming if season)]
    return under, min((day for day in ends if day is not None), default=None)


def end_seasons(uow: UnitOfWork, customer_id: str, *, person_id: str, reason: str, today: date, now: datetime) -> list[SeasonsEnded]:
    """Ends the recurrence of a customer's limits from today on, not committed: a season under way keeps its end, no other begins.

    It can only lower what comes, so whoever prepares or decides limits may. Refused for others; BadInput without a reason, or where no
    later season is to come.
    """
    active_person(uow, person_id, on=today, known_at=now)
    _may_end(uow, person_id, today, now)
    if not reason.strip():
        raise BadInput(said("a recurrence is not ended without a reason"), next_step=said("add --reason"))
    # locked, for a season may begin just now
    held = uow.find(LimitAccount, subject_kind="customer", subject_id=customer_id, layer=Layer.TEMPORARY, lock=True)
    accounts = [a.account_id for a in held]
    changes = uow.find(LimitChange, account_id=accounts, order_by=("account_id", "version")) if accounts else []
    known = {account: one for account, one in recurring(uow, changes).items() if next_season(one.seasons, today)}
    if not known:
        raise BadInput(
            said("customer {customer_id} has no limit of which another season is to come", customer_id=customer_id),
            expected=said("one that `credit-review limit show` names"),
        )
    rows = [
        SeasonsEnded(change_id=one.change.change_id, from_day=today, ended_by=person_id, reason=reason, ended_at=now)
        for one in known.values()
    ]
    uow.add(*rows)
    for account, row in zip(known, rows, strict=True):
        data = {"change": row.change_id, "from": today.isoformat(), "customer": customer_id}
        entity = f"account:{account}"
        uow.append(Entry(action=Action.LIMIT_SEASONS_ENDED, actor=actor(person_id), entity=entity, data=data, payload={"reason": reason}))
    return rows


def _may_end(uow: UnitOfWork, person_id: str, today: date, now: datetime) -> None:
    decides = any(h.person == person_id and h.on(today) for h in matrix_in_force(uow, now).holders)
    if not decides and person_id not in {w.analyst for w in policy_in_force(uow, now).worklists}:
        raise Refused(
            "seasons.may_not_end",
            said("you neither prepare nor decide limits, so you do not end the recurrence of one"),
            next_step=said("ask the customer's analyst"),
        )


def seasons_to_come(uow: UnitOfWork, customer_id: str, day: date) -> list[tuple[Recurring, Season, LimitAccount]]:
    """What recurs of a customer, its next season after a day, and its account."""
    accounts = {a.account_id: a for a in uow.find(LimitAccount, subject_kind="customer", subject_id=customer_id, layer=Layer.TEMPORARY)}
    changes = uow.find(LimitChange, account_id=sorted(accounts), order_by=("account_id", "version")) if accounts else []
    found = recurring(uow, changes)
    return [(one, coming, accounts[key]) for key, one in found.items() if (coming := next_season(one.seasons, day)) is not None]
