"""What the owner of a customer's account is told of its limit, and how long before a reduction takes effect.

That somebody is to be told is an effect owed by the transaction that ends the proposal; `tell_owners` turns what is owed into messages,
one for each owner and batch, right after each application and with every follow-up.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, NamedTuple

from credit_review.adverse import lowers
from credit_review.audit import canonical
from credit_review.calendar import WorkingCalendar
from credit_review.model.records import LimitAccount, LimitChange, OutboxEntry, Person, Proposal
from credit_review.model.states import OutboxState, ProposalState
from credit_review.ports import Clock, Store, UnitOfWork
from credit_review.review.addressing import Destinations
from credit_review.review.outbox import OWNER, TELL_OWNER, owe_messages, owed, to_person
from credit_review.words import listed, said, said_many

BATCH = 500
_TOLD = (ProposalState.APPLIED, ProposalState.REJECTED, ProposalState.EXPIRED)


# --- how long before ----------------------------------------------------------------------------------------------------------------


def notice_days(packet: Mapping[str, Any]) -> int:
    """Working days from its application until what a packet asks for takes effect: policy's notice for a reduction, otherwise 0."""
    return int(packet.get("notice_working_days") or 0) if lowers(packet) else 0


def takes_effect(proposal: Proposal, today: date, calendar: WorkingCalendar) -> date:
    """The day on which a proposal applied today takes effect: not before the one proposed, and after the notice it was signed with.

    Approved after the day it was meant for, it was not in force before today, and the record never says it was.
    """
    notice = notice_days(json.loads(proposal.packet_json))
    return max(proposal.effective_from, calendar.add_working_days(today, notice) if notice else today)


# --- who is told --------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """Account owners who were told; those the directory does not know, and customers for whom the ledger names none, both of whose
    notices go to somebody who passes them on. `untold` counts what nobody was told of, since there is no Slack."""

    people: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    ownerless: tuple[str, ...] = ()
    untold: int = 0

    def text(self) -> str:
        """It in one line; who is not in the directory is named, since somebody else has to tell him."""
        parts: list[str] = []
        if self.people or not self.untold:
            parts.append(said_many("{n} account owner told", "{n} account owners told", n=len(self.people)))
        if self.unknown:
            parts.append(said("{n} not in the directory ({names})", n=len(self.unknown), names=listed(list(self.unknown))))
        if self.ownerless:
            parts.append(
                said_many(
                    "{n} customer without an account owner, whose analyst is told instead",
                    "{n} customers without an account owner, whose analysts are told instead",
                    n=len(self.ownerless),
                )
            )
        if self.untold:
            parts.append(
                said_many(
                    "{n} change that its account owner has to be told of: there is no Slack",
                    "{n} changes that their account owners have to be told of: there is no Slack",
                    n=self.untold,
                )
            )
        return listed(parts)


class _Reader(NamedTuple):
    """Who reads a notice, and for whom he passes it on: an owner by name, or (`ownerless`) whoever looks after the customers."""

    person: str
    pass_on: str = ""
    ownerless: bool = False


def owe_owner(uow: UnitOfWork, proposal: Proposal, to: ProposalState, now: datetime) -> None:
    """Owes the account owner what became of a proposal that ends in the state `to`; superseded and returned ones are not news yet."""
    if to in _TOLD:
        key = f"{TELL_OWNER}:{proposal.proposal_id}"
        uow.add(owed(TELL_OWNER, key, {"proposal_id": proposal.proposal_id}, now))


def owe_owner_change(uow: UnitOfWork, change: LimitChange, now: datetime) -> None:
    """Owes the account owner news of a change that no ended proposal tells of: a limit that ended, or was raised before its approval."""
    uow.add(owed(TELL_OWNER, f"{TELL_OWNER}:{change.change_id}", {"change_id": change.change_id}, now))


def behind_change(uow: UnitOfWork, change: LimitChange) -> Proposal | None:
    """The proposal that a change is of, or that what it ends is of; None where there is none, as under a limit that was adopted."""
    seen: LimitChange | None = change
    while seen is not None and seen.proposal_id is None:
        seen = uow.get(LimitChange, change_id=seen.reverses_id) if seen.reverses_id else None
    return uow.get(Proposal, proposal_id=seen.proposal_id) if seen is not None and seen.proposal_id else None


def tell_owners(store: Store, clock: Clock, to: Destinations, *, limits_owner: str) -> Told:
    """Turns everything owed to account owners into messages; where nobody is asked in Slack (`to`), settles it without any.

    An owner is found by id, or by a name that only one active person has. For one who is not, and for a customer without an owner, the
    analyst of the proposal gets the message to pass on; where there is none, `limits_owner`.
    """
    people: set[str] = set()
    unknown: set[str] = set()
    ownerless: set[str] = set()
    untold = 0
    while True:
        with store.begin(interactive=False) as uow:
            order = ("not_before", "outbox_id")
            due = uow.find(OutboxEntry, kind=TELL_OWNER, state=OutboxState.QUEUED, order_by=order, limit=BATCH, lock=True)
            if not due:
                told = {"people": people, "unknown": unknown, "ownerless": ownerless}
                return Told(**{name: tuple(sorted(some)) for name, some in told.items()}, untold=untold)
            if to.direct:
                for reader, batch in sorted(_by_reader(uow, due, limits_owner, clock.now()).items()):
                    _owe(uow, reader, batch, clock.now())
                    if reader.ownerless:
                        ownerless |= batch.customers
                    else:
                        (unknown if reader.pass_on else people).add(reader.pass_on or reader.person)
            else:
                untold += len(due)
            done = {"state": OutboxState.CONFIRMED, "confirmed_json": canonical({"code": "told" if to.direct else "nobody_is_told"})}
            uow.change(OutboxEntry, where={"outbox_id": [row.outbox_id for row in due]}, to=done)
            uow.commit()


@dataclass(slots=True)
class _Batch:
    """What one reader is told of at once: proposals that ended and changes beside them, by id, and whose customers they are."""

    proposals: list[str] = field(default_factory=list)
    changes: list[str] = field(default_factory=list)
    customers: set[str] = field(default_factory=set)


def _by_reader(uow: UnitOfWork, due: Sequence[OutboxEntry], limits_owner: str, now: datetime) -> dict[_Reader, _Batch]:
    """What is new by who reads of it."""
    known = _people_called(uow, now)
    found: dict[_Reader, _Batch] = defaultdict(_Batch)
    about = [json.loads(row.payload_json) for row in due]
    ids = [one["proposal_id"] for one in about if "proposal_id" in one]
    for proposal in uow.find(Proposal, proposal_id=ids, order_by=("decided_at", "proposal_id")) if ids else []:
        batch = found[_reader_of(proposal, known, limits_owner)]
        batch.proposals.append(proposal.proposal_id)
        batch.customers.add(proposal.customer_id)
    changes = [one["change_id"] for one in about if "change_id" in one]
    for change in uow.find(LimitChange, change_id=changes, order_by=("applied_at", "change_id")) if changes else []:
        account = uow.get(LimitAccount, account_id=change.account_id)
        batch = found[_reader_of(behind_change(uow, change), known, limits_owner)]
        batch.changes.append(change.change_id)
        batch.customers |= {account.subject_id} if account else set()
    return found


def _reader_of(proposal: Proposal | None, known: Mapping[str, str], limits_owner: str) -> _Reader:
    """Who reads of a proposal's account; of an account without one whoever answers for limits."""
    owner = str(json.loads(proposal.packet_json).get("account_owner") or "") if proposal else ""
    if owner in known:
        return _Reader(known[owner])
    return _Reader(known.get(proposal.assigned_to, limits_owner) if proposal else limits_owner, owner, ownerless=not owner)


def _owe(uow: UnitOfWork, reader: _Reader, batch: _Batch, now: datetime) -> None:
    about = {"pass_on": reader.pass_on, "ownerless": reader.ownerless, "proposals": batch.proposals, "changes": batch.changes}
    first = (batch.proposals or batch.changes)[0]
    owe_messages(uow, [(f"{OWNER}:{first}", to_person(reader.person))], now, **about)


def _people_called(uow: UnitOfWork, now: datetime) -> dict[str, str]:
    """Active persons by id, and by name where the name is one person's alone."""
    people = [p for p in uow.facts(Person, valid_at=now.date(), known_at=now) if p.active]
    names = [p.name for p in people]
    return {p.name: p.person_id for p in people if names.count(p.name) == 1} | {p.person_id: p.person_id for p in people}
