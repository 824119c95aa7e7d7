"""What the owner of a customer's account is told of its limit, and how long before a reduction takes effect.

That somebody is to be told is an effect owed by the transaction that ends the proposal; `tell_owners` turns what is owed into messages,
few for each owner, right after each application and with every follow-up.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, NamedTuple

from credit_review.adverse import lowers
from credit_review.audit import canonical
from credit_review.calendar import WorkingCalendar
from credit_review.model.records import OutboxEntry, Person, Proposal
from credit_review.model.states import OutboxState, ProposalState
from credit_review.ports import Clock, Store, UnitOfWork
from credit_review.review.addressing import Destinations
from credit_review.review.outbox import OWNER, TELL_OWNER, owe_messages, owed, to_person
from credit_review.words import listed, said, said_many

BATCH = 500
A_MESSAGE = 20
"""Decisions that one message tells of."""
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
    notices go to somebody who passes them on."""

    people: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    ownerless: tuple[str, ...] = ()

    def text(self) -> str:
        """It in one line; who is not in the directory is named, since somebody else has to tell him."""
        parts: list[str] = [said_many("{n} account owner told", "{n} account owners told", n=len(self.people))]
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


def tell_owners(store: Store, clock: Clock, to: Destinations, *, limits_owner: str) -> Told:
    """Turns everything owed to account owners into messages; where nobody is asked in Slack (`to`), settles it without any.

    An owner is found by id, or by a name that only one active person has. For one who is not, and for a customer without an owner, the
    analyst of the proposal gets the message to pass on; where there is none, `limits_owner`.
    """
    people: set[str] = set()
    unknown: set[str] = set()
    ownerless: set[str] = set()
    while True:
        with store.begin(interactive=False) as uow:
            order = ("not_before", "outbox_id")
            due = uow.find(OutboxEntry, kind=TELL_OWNER, state=OutboxState.QUEUED, order_by=order, limit=BATCH, lock=True)
            if not due:
                return Told(people=tuple(sorted(people)), unknown=tuple(sorted(unknown)), ownerless=tuple(sorted(ownerless)))
            if to.direct:
                for reader, proposals in sorted(_by_reader(uow, due, limits_owner, clock.now()).items()):
                    _owe(uow, reader, [p.proposal_id for p in proposals], clock.now())
                    if reader.ownerless:
                        ownerless |= {p.customer_id for p in proposals}
                    else:
                        (unknown if reader.pass_on else people).add(reader.pass_on or reader.person)
            done = {"state": OutboxState.CONFIRMED, "confirmed_json": canonical({"code": "told" if to.direct else "nobody_is_told"})}
            uow.change(OutboxEntry, where={"outbox_id": [row.outbox_id for row in due]}, to=done)
            uow.commit()


def _by_reader(uow: UnitOfWork, due: Sequence[OutboxEntry], limits_owner: str, now: datetime) -> dict[_Reader, list[Proposal]]:
    """Proposals by who reads of them."""
    known = _people_called(uow, now)
    found: dict[_Reader, list[Proposal]] = defaultdict(list)
    ids = [json.loads(row.payload_json)["proposal_id"] for row in due]
    for proposal in uow.find(Proposal, proposal_id=ids, order_by=("decided_at", "proposal_id")):
        owner = str(json.loads(proposal.packet_json).get("account_owner") or "")
        instead = known.get(proposal.assigned_to, limits_owner)
        reader = _Reader(known[owner]) if owner in known else _Reader(instead, owner, ownerless=not owner)
        found[reader].append(proposal)
    return found


def _owe(uow: UnitOfWork, reader: _Reader, ids: Sequence[str], now: datetime) -> None:
    about = {"pass_on": reader.pass_on, "ownerless": reader.ownerless}
    for start in range(0, len(ids), A_MESSAGE):
        part = list(ids[start : start + A_MESSAGE])
        owe_messages(uow, [(f"{OWNER}:{part[0]}", to_person(reader.person))], now, proposals=part, **about)


def _people_called(uow: UnitOfWork, now: datetime) -> dict[str, str]:
    """Active persons by id, and by name where the name is one person's alone."""
    people = [p for p in uow.facts(Person, valid_at=now.date(), known_at=now) if p.active]
    names = [p.name for p in people]
    return {p.name: p.person_id for p in people if names.count(p.name) == 1} | {p.person_id: p.person_id for p in people}
