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
from typing import Any

from credit_review.audit import canonical
from credit_review.calendar import WorkingCalendar
from credit_review.model.records import OutboxEntry, Person, Proposal
from credit_review.model.states import OutboxState, ProposalState
from credit_review.ports import Clock, Store, UnitOfWork
from credit_review.review.addressing import Destinations
from credit_review.review.outbox import OWNER, TELL_OWNER, owe_messages, owed, to_person

BATCH = 500
A_MESSAGE = 20
"""Decisions that one message tells of."""
_TOLD = (ProposalState.APPLIED, ProposalState.REJECTED, ProposalState.EXPIRED)


# --- how long before ----------------------------------------------------------------------------------------------------------------


def lowers(packet: Mapping[str, Any]) -> bool:
    """Whether what a packet (or a proposal's fields) asks for lowers the amount, or tightens terms without raising it."""
    had, to = packet.get("from_minor"), packet["to_minor"]
    if had is None or to > had:
        return False
    before, after = packet.get("from_terms_days"), packet.get("terms_days")
    return to < had or (before is not None and after is not None and after < before)


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
    """Account owners who were told, and those the directory does not know, whose notice goes to somebody who passes it on."""

    people: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()

    def text(self) -> str:
        """It in one line; who is not in the directory is named, since somebody else has to tell him."""
        known = f"{len(self.people)} account owners told"
        return known if not self.unknown else f"{known}, {len(self.unknown)} not in the directory ({', '.join(self.unknown)})"


def owe_owner(uow: UnitOfWork, proposal: Proposal, to: ProposalState, now: datetime) -> None:
    """Owes the account owner what became of a proposal that ends in the state `to`; superseded and returned ones are not news yet."""
    if to in _TOLD:
        key = f"{TELL_OWNER}:{proposal.proposal_id}"
        uow.add(owed(TELL_OWNER, key, {"proposal_id": proposal.proposal_id}, now))


def tell_owners(store: Store, clock: Clock, to: Destinations, *, limits_owner: str) -> Told:
    """Turns everything owed to account owners into messages; where nobody is asked in Slack (`to`), settles it without any.

    An owner is found by id, or by a name that only one active person has. For one who is not, the analyst of the proposal gets the
    message to pass on; where there is none, `limits_owner`.
    """
    people: set[str] = set()
    unknown: set[str] = set()
    while True:
        with store.begin(interactive=False) as uow:
            order = ("not_before", "outbox_id")
            due = uow.find(OutboxEntry, kind=TELL_OWNER, state=OutboxState.QUEUED, order_by=order, limit=BATCH, lock=True)
            if not due:
                return Told(people=tuple(sorted(people)), unknown=tuple(sorted(unknown)))
            if to.direct:
                for (person, pass_on), ids in sorted(_by_reader(uow, due, limits_owner, clock.now()).items()):
                    _owe(uow, person, pass_on, ids, clock.now())
                    (unknown if pass_on else people).add(pass_on or person)
            done = {"state": OutboxState.CONFIRMED, "confirmed_json": canonical({"code": "told" if to.direct else "nobody_is_told"})}
            uow.change(OutboxEntry, where={"outbox_id": [row.outbox_id for row in due]}, to=done)
            uow.commit()


def _by_reader(uow: UnitOfWork, due: Sequence[OutboxEntry], limits_owner: str, now: datetime) -> dict[tuple[str, str], list[str]]:
    """Proposal ids by who reads of them and, where that is not the owner himself, the owner's name. No owner on file: nobody is told."""
    known = _people_called(uow, now)
    found: dict[tuple[str, str], list[str]] = defaultdict(list)
    ids = [json.loads(row.payload_json)["proposal_id"] for row in due]
    for proposal in uow.find(Proposal, proposal_id=ids, order_by=("decided_at", "proposal_id")):
        owner = str(json.loads(proposal.packet_json).get("account_owner") or "")
        if owner in known:
            found[known[owner], ""].append(proposal.proposal_id)
        elif owner:
            found[known.get(proposal.assigned_to, limits_owner), owner].append(proposal.proposal_id)
    return found


def _owe(uow: UnitOfWork, person: str, pass_on: str, ids: Sequence[str], now: datetime) -> None:
    for start in range(0, len(ids), A_MESSAGE):
        part = list(ids[start : start + A_MESSAGE])
        owe_messages(uow, [(f"{OWNER}:{part[0]}", to_person(person))], now, proposals=part, pass_on=pass_on)


def _people_called(uow: UnitOfWork, now: datetime) -> dict[str, str]:
    """Active persons by id, and by name where the name is one person's alone."""
    people = [p for p in uow.facts(Person, valid_at=now.date(), known_at=now) if p.active]
    names = [p.name for p in people]
    return {p.name: p.person_id for p in people if names.count(p.name) == 1} | {p.person_id: p.person_id for p in people}
