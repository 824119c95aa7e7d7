"""Asks again: reminders, escalation to holders of the next tier, and the daily messages. Safe to run at any time and twice at once.

Everything goes by working hours of the person asked, in his own calendar and time zone; what was said once on a day is not said again.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo
from zoneinfo import ZoneInfo

from credit_review.audit import Action
from credit_review.authority import Matrix, Standing, next_asked
from credit_review.calendar import WorkingCalendar, working_hours_between
from credit_review.errors import Refused
from credit_review.fx import MissingRate
from credit_review.model.records import Absence, Addressee, ConflictOfInterest, Decision, Person, PersonPreference, Proposal
from credit_review.model.states import ProposalState
from credit_review.policy import Approvals
from credit_review.ports import Clock, Entry, Store, UnitOfWork
from credit_review.review.addressing import Destinations, ask
from credit_review.review.directory import current_delegations
from credit_review.review.outbox import DAILY, OWNER, REMINDER, owe_messages, to_person
from credit_review.review.rerouting import reroute
from credit_review.review.standing import gather_many, matrix_in_force, policy_in_force

FOLLOW_UP = "system:follow_up"
BATCH = 100
_DECIDED = (ProposalState.APPROVED, ProposalState.APPLIED, ProposalState.REJECTED, ProposalState.EXPIRED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Company:
    """Working days and time zone where a person chose nothing."""

    calendar: WorkingCalendar
    zone: tzinfo


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowUp:
    """Who was reminded, which proposals were put before others as well, who got his daily summary, which account owners were told."""

    reminded: tuple[str, ...] = ()
    escalated: tuple[str, ...] = ()
    summarised: tuple[str, ...] = ()
    told: tuple[str, ...] = ()

    def text(self) -> str:
        """It in one line."""
        people = f"{len(self.reminded)} people reminded, {len(self.summarised)} daily summaries, {len(self.told)} account owners told"
        return f"{people}, {len(self.escalated)} proposals put before others as well"


def follow_up(store: Store, clock: Clock, company: Company, to: Destinations) -> FollowUp:
    """Reminds, escalates, and owes the daily messages; does nothing where nobody is asked in Slack (`to`)."""
    now = clock.now()
    if not to.direct:
        return FollowUp()
    with store.read() as uow:
        try:
            matrix, rules = matrix_in_force(uow, now), policy_in_force(uow, now).approvals
        except Refused:
            return FollowUp()
        waiting = _waiting(uow, now)
        habits = _Habits.read(uow, company, now)
    moved = _reroute(store, habits, to, company, now)
    late = {i for i, asked in waiting.items() if _overdue(asked, habits, rules.escalate_after_hours, now)}
    escalated = (*moved, *_escalate(store, sorted(late - set(moved)), matrix, company, to, now))
    reminded = _remind(store, waiting, habits, rules, now)
    yesterday = now.astimezone(company.zone).date() - timedelta(days=1)
    with store.begin(interactive=False) as uow:
        summarised = _summaries(uow, yesterday, company.zone, now)
        told = _owners(uow, yesterday, company.zone, now)
        uow.commit()
    return FollowUp(reminded=reminded, escalated=escalated, summarised=summarised, told=told)


@dataclass(frozen=True, slots=True)
class _Habits:
    """Working days and time zone of each person, who is away today, and in whose place others may be asked today."""

    company: Company
    chosen: Mapping[str, PersonPreference]
    away: frozenset[str]
    replaced: frozenset[str]

    @classmethod
    def read(cls, uow: UnitOfWork, company: Company, now: datetime) -> _Habits:
        today = now.astimezone(company.zone).date()
        chosen = {p.person_id: p for p in uow.facts(PersonPreference, valid_at=today, known_at=now)}
        away = frozenset(a.person_id for a in uow.facts(Absence, valid_at=today, known_at=now))
        principals = {d.principal_id for d in current_delegations(uow, on=today, known_at=now)}
        conflicted = {c.person_id for c in uow.facts(ConflictOfInterest, valid_at=today, known_at=now) if c.customer_id}
        return cls(company, chosen, away, away | principals | conflicted)

    def hours(self, person_id: str, since: datetime, now: datetime) -> float:
        """Working hours of a person from a moment until now."""
        kept = self.chosen.get(person_id)
        calendar = WorkingCalendar(kept.calendar) if kept and kept.calendar else self.company.calendar
        zone = ZoneInfo(kept.time_zone) if kept and kept.time_zone else self.company.zone
        return working_hours_between(since, now, calendar, zone)


def _waiting(uow: UnitOfWork, now: datetime) -> dict[str, list[Addressee]]:
    """Whom each pending proposal that is not expired was put before and who has not decided it."""
    pending = {p.proposal_id for p in uow.find(Proposal, state=ProposalState.PENDING) if p.expires_at is None or p.expires_at > now}
    decided = {(d.proposal_id, d.approver_id) for d in (uow.find(Decision, proposal_id=sorted(pending)) if pending else [])}
    found: dict[str, list[Addressee]] = defaultdict(list)
    for asked in uow.find(Addressee, proposal_id=sorted(pending)) if pending else []:
        if (asked.proposal_id, asked.person_id) not in decided:
            found[asked.proposal_id].append(asked)
    return found


def _overdue(asked: Sequence[Addressee], habits: _Habits, after_hours: int, now: datetime) -> bool:
    """Whether everybody asked has had his time, or is away."""
    newest = max(a.at for a in asked)
    return all(a.person_id in habits.away or habits.hours(a.person_id, max(a.at, newest), now) >= after_hours for a in asked)


def _reroute(store: Store, habits: _Habits, to: Destinations, company: Company, now: datetime) -> tuple[str, ...]:
    """Asks those who would be asked today in the place of somebody asked before: an absence or a delegation may have begun since."""
    done: list[str] = []
    for person_id in sorted(habits.replaced):
        with store.begin(interactive=False) as uow:
            done += reroute(uow, [person_id], to, now, zone=company.zone, by=FOLLOW_UP)
            uow.commit()
    return tuple(dict.fromkeys(done))


def _escalate(
    store: Store, proposal_ids: Sequence[str], matrix: Matrix, company: Company, to: Destinations, now: datetime
) -> tuple[str, ...]:
    done: list[str] = []
    for start in range(0, len(proposal_ids), BATCH):
        with store.begin(interactive=False) as uow:
            part = list(proposal_ids[start : start + BATCH])
            found = uow.find(Proposal, proposal_id=part, state=ProposalState.PENDING, lock=True)
            for proposal in found:
                if _put_before_others(uow, proposal, matrix, company.zone, to, now):
                    done.append(proposal.proposal_id)
            uow.commit()
    return tuple(done)


def _put_before_others(uow: UnitOfWork, proposal: Proposal, matrix: Matrix, zone: tzinfo, to: Destinations, now: datetime) -> bool:
    asked = frozenset(a.person_id for a in uow.find(Addressee, proposal_id=proposal.proposal_id))
    try:
        standing: Standing = gather_many(uow, [proposal], matrix, now, zone=zone)[proposal.proposal_id]
        others = next_asked(standing, matrix, asked)
    except (Refused, MissingRate):
        return False  # whoever clicks is told which rate is missing
    if not others:
        return False
    ask(uow, [(standing, person, why) for person, why in others], to.digest_above, now)
    data = {"asked": sorted(asked), "also": [person for person, _ in others], "digest": proposal.digest}
    uow.append(Entry(action=Action.PROPOSAL_ESCALATED, actor=FOLLOW_UP, entity=f"proposal:{proposal.proposal_id}", data=data))
    return True


def _remind(store: Store, waiting: Mapping[str, Sequence[Addressee]], habits: _Habits, rules: Approvals, now: datetime) -> tuple[str, ...]:
    """Owes one reminder a day to each person with something waiting for longer than the policy's hours."""
    since: dict[str, datetime] = {}
    for asked in (a for several in waiting.values() for a in several):
        since[asked.person_id] = min(since.get(asked.person_id, asked.at), asked.at)
    late = [p for p, at in sorted(since.items()) if p not in habits.away and habits.hours(p, at, now) >= rules.remind_after_hours]
    today = now.astimezone(habits.company.zone).date()
    if late:
        with store.begin(interactive=False) as uow:
            owe_messages(uow, [(f"{REMINDER}:{today}", to_person(p)) for p in late], now)
            uow.commit()
    return tuple(late)


def _summaries(uow: UnitOfWork, day: date, zone: tzinfo, now: datetime) -> tuple[str, ...]:
    """Owes everybody in whose name something was decided on a day its summary."""
    decided = [row for row in uow.tally(Decision, by=("approver_id", "on_behalf_of", "at")) if _on(row[2], day, zone)]
    people = sorted({p for approver, principal, *_ in decided for p in (approver, principal) if p})
    owe_messages(uow, [(f"{DAILY}:{day}", to_person(p)) for p in people], now)
    return tuple(people)


def _owners(uow: UnitOfWork, day: date, zone: tzinfo, now: datetime) -> tuple[str, ...]:
    """Owes account owners, found by id or by a name that only one person has, what was decided about their customers on a day."""
    # by key and time first: packets are large, and a company decides many in a year
    rows = uow.tally(Proposal, by=("proposal_id", "decided_at"), state=_DECIDED)
    decided = [proposal_id for proposal_id, at, _ in rows if at is not None and _on(at, day, zone)]
    people = _people_called(uow, now)
    mine: dict[str, list[str]] = defaultdict(list)
    for start in range(0, len(decided), BATCH):
        for proposal in uow.find(Proposal, proposal_id=decided[start : start + BATCH]):
            owner = people.get(str(json.loads(proposal.packet_json).get("account_owner") or ""))
            if owner:
                mine[owner].append(proposal.proposal_id)
    for owner, ids in sorted(mine.items()):
        owe_messages(uow, [(f"{OWNER}:{day}", to_person(owner))], now, proposals=sorted(ids))
    return tuple(sorted(mine))


def _people_called(uow: UnitOfWork, now: datetime) -> dict[str, str]:
    """Active persons by id, and by name where the name is one person's alone."""
    people = [p for p in uow.facts(Person, valid_at=now.date(), known_at=now) if p.active]
    names = [p.name for p in people]
    return {p.person_id: p.person_id for p in people} | {p.name: p.person_id for p in people if names.count(p.name) == 1}


def _on(moment: datetime, day: date, zone: tzinfo) -> bool:
    start = datetime.combine(day, time(), tzinfo=zone)
    return start <= moment < start + timedelta(days=1)
