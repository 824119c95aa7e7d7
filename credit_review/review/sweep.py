"""What time alone changes: proposals expire, temporary limits end, approvals that were never applied are queued again.

Safe to run at any time, twice at once and after a crash: each step looks again, under lock, at what it is about to change.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, tzinfo
from functools import cache
from itertools import islice
from typing import TypeVar

from credit_review.authority import judge
from credit_review.calendar import WEEKDAYS
from credit_review.errors import BadInput, Refused
from credit_review.model.records import Addressee, CreditLimit, LimitAccount, LimitChange, OutboxEntry, Proposal
from credit_review.model.states import OPEN_PROPOSAL_STATES, OutboxState, ProposalState
from credit_review.ports import Clock, Store, UnitOfWork
from credit_review.review import exceptions
from credit_review.review.apply import revert
from credit_review.review.conditions import lapse_due, open_conditions
from credit_review.review.ending import end_outdated
from credit_review.review.outbox import SLACK_POST, SLACK_UPDATE, apply_key, owe_apply
from credit_review.review.override import watch
from credit_review.review.relay import requeue
from credit_review.review.showing import waits
from credit_review.review.standing import gather, matrix_in_force
from credit_review.review.working import Company, Habits
from credit_review.words import said

T = TypeVar("T")

SWEEPER = "system:sweep"
_NOWHERE = Company(calendar=WEEKDAYS, zone=UTC)
REMIND_BEFORE = 40
"""Working hours left, five days, from which on a proposal is about to expire."""
BATCH = 20
"""Proposals a transaction: each takes several statements, and people must get their turn in between."""


@dataclass(frozen=True, slots=True)
class Reminder:
    """A pending proposal about to expire: until when, the tier it needs, and the ids of those who may decide it."""

    proposal_id: str
    expires_at: datetime
    tier: str
    who_may: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepReport:
    """What a sweep did: ids of proposals expired, superseded and queued again, of reversing changes, of given-up messages tried again, of
    exceptions whose end has come and of findings opened, and who is to be reminded."""

    reverted: tuple[str, ...] = ()
    lapsed: tuple[str, ...] = ()
    expired: tuple[str, ...] = ()
    superseded: tuple[str, ...] = ()
    requeued: tuple[str, ...] = ()
    resent: tuple[str, ...] = ()
    exceptions: tuple[str, ...] = ()
    findings: tuple[str, ...] = ()
    reminders: tuple[Reminder, ...] = ()

    def text(self) -> str:
        """The report in one line."""
        return said(
            "proposals: {lapsed} lapsed with a condition, {expired} expired, {superseded} superseded, {reminders} about to expire; "
            "limits reverted: {reverted}; applications queued again: {requeued}; messages tried again: {resent}; exceptions at their end: "
            "{exceptions}; findings: {findings}",
            lapsed=len(self.lapsed),
            expired=len(self.expired),
            superseded=len(self.superseded),
            reminders=len(self.reminders),
            reverted=len(self.reverted),
            requeued=len(self.requeued),
            resent=len(self.resent),
            exceptions=len(self.exceptions),
            findings=len(self.findings),
        )


def sweep(store: Store, clock: Clock, *, company: Company = _NOWHERE, remind_before: float = REMIND_BEFORE) -> SweepReport:
    """Ends temporary limits first, since that can make a proposal out of date; then expires, supersedes, queues again and reminds.

    `remind_before` are working hours of whoever is asked.
    """
    zone = company.zone
    exceptions.take_up(store, clock, company)
    return SweepReport(
        reverted=revert_due(store, clock, zone=zone),
        lapsed=lapse_due(store, clock, zone=zone),
        expired=expire_due(store, clock, zone=zone),
        superseded=supersede_outdated(store, clock),
        requeued=requeue_stuck(store, clock),
        resent=resend_parked(store, clock),
        exceptions=exceptions.end_due(store, clock, company),
        findings=(*watch(store, clock, company), *exceptions.watch(store, clock, company)),
        reminders=remind(store, clock, company=company, before=remind_before),
    )


def revert_due(store: Store, clock: Clock, *, zone: tzinfo = UTC) -> tuple[str, ...]:
    """Ids of the changes that ended limits whose end has come; each restores what lies under it and owes the ERP a delivery."""
    now = clock.now()
    today = now.astimezone(zone).date()
    with store.read() as uow:
        ended = [c.account_id for c in uow.find(CreditLimit) if c.effective_to is not None and c.effective_to <= today]
    changes = []
    for account_id in ended:
        with store.begin(interactive=False) as uow:
            change = revert(uow, account_id, now, zone=zone, by=SWEEPER)
            if change is not None:
                uow.commit()
                changes.append(change.change_id)
    return tuple(changes)


def expire_due(store: Store, clock: Clock, *, zone: tzinfo = UTC) -> tuple[str, ...]:
    """Ids of open proposals that were put in the state expired; a reduction among them is risk kept until a person answers it."""
    now = clock.now()
    today = now.astimezone(zone).date()
    with store.read() as uow:
        late = [p.proposal_id for p in uow.find(Proposal, state=OPEN_PROPOSAL_STATES) if _late(p, now, today)]
    expired: list[str] = []
    for ids in _parts(late):
        with store.begin(interactive=False) as uow:
            found = uow.find(Proposal, proposal_id=ids, state=OPEN_PROPOSAL_STATES, lock=True)
            for proposal in (p for p in found if _late(p, now, today)):
                end_outdated(uow, proposal, ProposalState.EXPIRED, now, by=SWEEPER)
                expired.append(proposal.proposal_id)
            uow.commit()
    return tuple(expired)


def _late(proposal: Proposal, now: datetime, today: date) -> bool:
    """Whether its time to be decided is over, or the limit it asks for would have ended."""
    over = proposal.effective_to is not None and proposal.effective_to <= today
    return over or (proposal.expires_at is not None and now >= proposal.expires_at)


def supersede_outdated(store: Store, clock: Clock) -> tuple[str, ...]:
    """Ids of pending proposals superseded because the limit they start from is no longer in force; nobody could approve them."""
    now = clock.now()
    with store.read() as uow:
        pending = uow.find(Proposal, state=ProposalState.PENDING)
        suspects = [p.proposal_id for part in _parts(pending) for p in _outdated(uow, part)]
    done: list[str] = []
    for ids in _parts(suspects):
        with store.begin(interactive=False) as uow:
            # accounts before proposals, the order every writer locks in; an application in flight holds the account
            accounts = sorted({p.account_id for p in uow.find(Proposal, proposal_id=ids)})
            uow.find(LimitAccount, account_id=accounts, order_by=("account_id",), lock=True)
            for proposal in _outdated(uow, uow.find(Proposal, proposal_id=ids, state=ProposalState.PENDING, lock=True)):
                end_outdated(uow, proposal, ProposalState.SUPERSEDED, now, by=SWEEPER)
                done.append(proposal.proposal_id)
            uow.commit()
    return tuple(done)


def _outdated(uow: UnitOfWork, proposals: Sequence[Proposal]) -> list[Proposal]:
    limits = {c.account_id: c.version for c in uow.find(CreditLimit, account_id=[p.account_id for p in proposals])}
    late = [p for p in proposals if limits.get(p.account_id, 0) != p.base_version]
    in_force = {c.proposal_id for c in uow.find(LimitChange, proposal_id=[p.proposal_id for p in late])} if late else set()
    return [p for p in late if p.proposal_id not in in_force]  # an override moved the limit itself


def requeue_stuck(store: Store, clock: Clock) -> tuple[str, ...]:
    """Ids of approved proposals whose application was not queued any more and now is."""
    now = clock.now()
    with store.read() as uow:
        approved = [p.proposal_id for p in uow.find(Proposal, state=ProposalState.APPROVED)]
        waiting = {c.proposal_id for c in open_conditions(uow, approved)}
    approved = [i for i in approved if i not in waiting]
    queued: list[str] = []
    for ids in _parts(approved):
        with store.begin(interactive=False) as uow:
            still = uow.find(Proposal, proposal_id=ids, state=ProposalState.APPROVED, lock=True)
            queued += [p.proposal_id for p in still if _queued_again(uow, p.proposal_id, now)]
            uow.commit()
    return tuple(queued)


def _queued_again(uow: UnitOfWork, proposal_id: str, now: datetime) -> bool:
    rows = uow.find(OutboxEntry, dedup_key=apply_key(proposal_id))
    if not rows:
        owe_apply(uow, proposal_id, now)
        return True
    where = {"outbox_id": rows[0].outbox_id, "state": (OutboxState.CONFIRMED, OutboxState.PARKED)}
    return uow.change(OutboxEntry, where=where, to={"state": OutboxState.QUEUED, "not_before": now, "confirmed_json": ""}) == 1


def resend_parked(store: Store, clock: Clock) -> tuple[str, ...]:
    """Ids of messages that were given up and are tried again, since what they show still waits for an answer; once a day."""
    now = clock.now()
    with store.begin(interactive=False) as uow:
        parked = uow.find(OutboxEntry, kind=(SLACK_POST, SLACK_UPDATE), state=OutboxState.PARKED)
        about = ((row, json.loads(row.payload_json)) for row in parked if row.not_before <= now)
        due = [row.outbox_id for row, shown in about if waits(uow, shown["subject"], shown["address"])]
        done = tuple(outbox_id for outbox_id in due if requeue(uow, outbox_id, by=SWEEPER, now=now))
        uow.commit()
    return done


def remind(store: Store, clock: Clock, *, company: Company = _NOWHERE, before: float = REMIND_BEFORE) -> tuple[Reminder, ...]:
    """Who may still decide what is about to expire: at most `before` working hours are left to somebody asked, by his own calendar
    (the company's where nobody was asked). Empty without a matrix in force."""
    now = clock.now()
    with store.read() as uow:
        try:
            matrix = matrix_in_force(uow, now)
        except Refused:
            return ()
        habits = Habits.read(uow, company, now)
        left = cache(lambda person, until: habits.hours(person, now, until))
        reminders = []
        for proposal, until, asked in _not_expired(uow, now):
            if min(left(person, until) for person in asked) <= before:
                try:
                    judged = judge(gather(uow, proposal.proposal_id, matrix, now, zone=company.zone), matrix, now)
                    needs = (judged.tier, judged.who_may)
                except (Refused, BadInput):  # a missing rate: whoever clicks is told which
                    needs = (proposal.tier, ())
                reminders.append(Reminder(proposal.proposal_id, until, *needs))
    return tuple(reminders)


def _not_expired(uow: UnitOfWork, now: datetime) -> Iterator[tuple[Proposal, datetime, Sequence[str]]]:
    """Pending proposals that will expire, when, and whom they were put before, the first to expire first; a nobody with the company's
    habits where they were put before none."""
    asked: dict[str, list[str]] = defaultdict(list)
    for proposal_id, person_id, _ in uow.tally(Addressee, by=("proposal_id", "person_id")):
        asked[proposal_id].append(person_id)
    for proposal in uow.find(Proposal, state=ProposalState.PENDING, order_by=("expires_at", "proposal_id")):
        if proposal.expires_at is not None and now < proposal.expires_at:
            yield proposal, proposal.expires_at, asked[proposal.proposal_id] or ("",)


def _parts(items: Iterable[T]) -> Iterator[list[T]]:
    rest = iter(items)
    while part := list(islice(rest, BATCH)):
        yield part
