"""Asks again: reminders, escalation to holders of the next tier, and the daily messages. Safe to run at any time and twice at once.

Everything goes by working hours of the person asked, in his own calendar and time zone; what was said once on a day is not said again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, tzinfo

from credit_review.audit import Action
from credit_review.authority import Matrix, Standing, next_asked
from credit_review.errors import Refused
from credit_review.fx import MissingRate
from credit_review.model.records import Addressee, Decision, Finding, Person, PolicyException, Proposal
from credit_review.model.states import ExceptionState, ProposalState
from credit_review.policy import Approvals
from credit_review.ports import Clock, Entry, Store, UnitOfWork
from credit_review.review.addressing import Destinations, ask
from credit_review.review.directory import current_delegations
from credit_review.review.exceptions import ending_soon, rules_in_force
from credit_review.review.findings import STILL, overdue, told_of
from credit_review.review.outbox import DAILY, DECLARATION, ENDING, FINDINGS, OVERDUE, PASS, REMINDER, owe_messages, person_of, to_person
from credit_review.review.owners import Told, tell_owners
from credit_review.review.passes import Passes
from credit_review.review.personal import lapses
from credit_review.review.rehearsing import ends_soon, lapse
from credit_review.review.rerouting import reroute
from credit_review.review.standing import gather_many, matrix_in_force, policy_in_force
from credit_review.review.working import Company, Habits
from credit_review.words import said

__all__ = ["Company", "FollowUp", "follow_up"]

FOLLOW_UP = "system:follow_up"
BATCH = 100
LOOK_BACK = timedelta(days=92)
"""How far back daily summaries that were never owed are made up for: longer than any outage, shorter than forever."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowUp:
    """Who was reminded, which proposals were put before others as well, who got his daily summary, who was asked to declare his interests,
    which account owners were told, who was sent word of findings, and who was warned that an exception of his or his pass
    ends, and whose pass lapsed."""

    reminded: tuple[str, ...] = ()
    escalated: tuple[str, ...] = ()
    summarised: tuple[str, ...] = ()
    undeclared: tuple[str, ...] = ()
    told: Told = field(default_factory=Told)
    findings: tuple[str, ...] = ()
    warned: tuple[str, ...] = ()
    lapsed: tuple[str, ...] = ()

    def text(self) -> str:
        """It in one line."""
        return said(
            "people reminded: {reminded}; daily summaries: {summarised}; asked to declare: {undeclared}; {told}; "
            "proposals put before others as well: {escalated}; told of findings: {findings}; "
            "warned of what ends: {warned}; passes lapsed: {lapsed}",
            reminded=len(self.reminded),
            summarised=len(self.summarised),
            undeclared=len(self.undeclared),
            told=self.told.text(),
            escalated=len(self.escalated),
            findings=len(self.findings),
            warned=len(self.warned),
            lapsed=len(self.lapsed),
        )


def follow_up(store: Store, clock: Clock, company: Company, to: Destinations, *, limits_owner: str = "") -> FollowUp:
    """Reminds, escalates, and owes the daily messages; does nothing where nobody is asked in Slack (`to`).

    `limits_owner` passes on what account owners are told whom the directory does not know.
    """
    now = clock.now()
    told = tell_owners(store, clock, to, limits_owner=limits_owner)
    lapsed = lapse(store, clock, company, to)
    if not to.direct:
        return FollowUp(told=told, lapsed=lapsed)
    with store.read() as uow:
        try:
            matrix, rules = matrix_in_force(uow, now), policy_in_force(uow, now).approvals
        except Refused:
            return FollowUp(told=told, lapsed=lapsed)
        waiting = _waiting(uow, now)
        habits = Habits.read(uow, company, now)
    moved = _reroute(store, habits, to, company, now)
    late = {i for i, asked in waiting.items() if _overdue(asked, habits, rules.escalate_after_hours, now)}
    escalated = (*moved, *_escalate(store, sorted(late - set(moved)), matrix, company, to, now))
    reminded = _remind(store, waiting, habits, rules, now)
    today = now.astimezone(company.zone).date()
    with store.begin(interactive=False) as uow:
        summarised = _summaries(uow, today, company.zone, now)
        undeclared = _declarations(uow, matrix, today, now)
        findings = _findings(uow, matrix, today, company.zone, now)
        warned = tuple(sorted({*_exceptions(uow, today, now), *_passes(uow, matrix, today, now)}))
        uow.commit()
    return FollowUp(
        reminded=reminded,
        escalated=escalated,
        summarised=summarised,
        undeclared=undeclared,
        told=told,
        findings=findings,
        warned=warned,
        lapsed=lapsed,
    )


def _waiting(uow: UnitOfWork, now: datetime) -> dict[str, list[Addressee]]:
    """Whom each pending proposal that is not expired was put before and who has not decided it."""
    pending = {p.proposal_id for p in uow.find(Proposal, state=ProposalState.PENDING) if p.expires_at is None or p.expires_at > now}
    decided = {(d.proposal_id, d.approver_id) for d in (uow.find(Decision, proposal_id=sorted(pending)) if pending else [])}
    found: dict[str, list[Addressee]] = defaultdict(list)
    for asked in uow.find(Addressee, proposal_id=sorted(pending)) if pending else []:
        if (asked.proposal_id, asked.person_id) not in decided:
            found[asked.proposal_id].append(asked)
    return found


def _overdue(asked: Sequence[Addressee], habits: Habits, after_hours: int, now: datetime) -> bool:
    """Whether everybody asked has had his time, or is away."""
    newest = max(a.at for a in asked)
    return all(a.person_id in habits.away or habits.hours(a.person_id, max(a.at, newest), now) >= after_hours for a in asked)


def _reroute(store: Store, habits: Habits, to: Destinations, company: Company, now: datetime) -> tuple[str, ...]:
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


def _remind(store: Store, waiting: Mapping[str, Sequence[Addressee]], habits: Habits, rules: Approvals, now: datetime) -> tuple[str, ...]:
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


def _summaries(uow: UnitOfWork, today: date, zone: tzinfo, now: datetime) -> tuple[str, ...]:
    """Owes everybody in whose name something was decided on a day before today its summary, of each such day that has none yet."""
    decided: dict[tuple[date, str], None] = {}
    for approver, principal, at, _ in uow.tally(Decision, by=("approver_id", "on_behalf_of", "at")):
        day = at.astimezone(zone).date()
        if today - LOOK_BACK <= day < today:
            decided |= {(day, person): None for person in (approver, principal) if person}
    return _people(owe_messages(uow, [(f"{DAILY}:{day}", to_person(person)) for day, person in sorted(decided)], now))


def _declarations(uow: UnitOfWork, matrix: Matrix, today: date, now: datetime) -> tuple[str, ...]:
    """Owes one reminder a month to who may decide and has no declaration of interests in force, or one that ends within a month."""
    stands_in = {d.delegate_id for d in current_delegations(uow, on=today, known_at=now)}
    people = {h.person for h in matrix.holders if h.on(today)} | stands_in
    active = {p.person_id for p in uow.facts(Person, valid_at=today, known_at=now, person_id=sorted(people)) if p.active}
    late = sorted(p for p in active if lapses(uow, p, today, now) is not None)
    return _people(owe_messages(uow, [(f"{DECLARATION}:{today:%Y-%m}", to_person(person)) for person in late], now))


def _findings(uow: UnitOfWork, matrix: Matrix, today: date, zone: tzinfo, now: datetime) -> tuple[str, ...]:
    """Owes owners word of the findings they were given on a day; of what was not closed by its due date they, the control owners and
    internal audit are told on the next day and then weekly."""
    active = {p.person_id for p in uow.facts(Person, valid_at=today, known_at=now) if p.active}
    wanted: dict[tuple[str, str], None] = {}
    for one in uow.find(Finding, state=STILL):
        given = one.assigned_at.astimezone(zone).date()
        if given >= today - LOOK_BACK:
            wanted |= {(f"{FINDINGS}:{given}", p): None for p in {one.owner_id} & active if told_of([one], p)}
        if overdue(one, today):
            week = ((today - one.due).days - 1) // 7
            people = {one.owner_id, *matrix.offices.control_owner, *matrix.offices.internal_audit} & active
            wanted |= {(f"{OVERDUE}:{one.due}.{week}", p): None for p in people if told_of([one], p)}
    return _people(owe_messages(uow, [(subject, to_person(person)) for subject, person in sorted(wanted)], now))


def _exceptions(uow: UnitOfWork, today: date, now: datetime) -> tuple[str, ...]:
    """Owes owners, once for each day, word of their exceptions that end then, as many days before as policy says."""
    soon = ending_soon(uow.find(PolicyException, state=ExceptionState.IN_FORCE), rules_in_force(uow, now), today)
    active = {p.person_id for p in uow.facts(Person, valid_at=today, known_at=now) if p.active} if soon else set()
    wanted = {(f"{ENDING}:{one.ends}", to_person(one.owner_id)): None for one in soon if one.owner_id in active}
    return _people(owe_messages(uow, list(wanted), now))


def _passes(uow: UnitOfWork, matrix: Matrix, today: date, now: datetime) -> tuple[str, ...]:
    """Owes, once, word to who holds a tier that needs a pass and whose pass ends within the days that policy says."""
    if matrix.rehearsal_from is None:
        return ()
    needed = matrix.rank(matrix.rehearsal_from)
    soon = ends_soon(Passes.read(uow, now), today, policy_in_force(uow, now).rehearsal.warn_days)
    active = {p.person_id for p in uow.facts(Person, valid_at=today, known_at=now, person_id=sorted(soon)) if p.active} if soon else set()
    holders = {h.person for h in matrix.holders if h.on(today) and matrix.rank(h.tier) >= needed} & active
    return _people(owe_messages(uow, [(f"{PASS}:{soon[person]}", to_person(person)) for person in sorted(holders & soon.keys())], now))


def _people(messages: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    """Who gets these messages, each once."""
    return tuple(sorted({person_of(address) for _, address in messages}))
