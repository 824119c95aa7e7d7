"""The register of overrides and exceptions: every standing departure from policy has an owner, a reason and an end, and ends by itself.

It begins in the transaction that makes it (a limit above the engine's is applied, a customer is excluded, a risk is kept). A limit that has
an end of its own goes back on that day, and its exception ends with it; one without becomes due, and the next review looks at the customer
and proposes by policy. Nothing lengthens an exception: a fresh approval begins another. The caller commits, except where a store is taken.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

from credit_review.audit import Action
from credit_review.controls.alarm import Alarm, Severity
from credit_review.errors import BadInput, Conflict, Refused
from credit_review.model.money import Money
from credit_review.model.records import (
    CreditLimit,
    Decision,
    Deferral,
    Exclusion,
    LimitChange,
    Maker,
    Person,
    PolicyException,
    Proposal,
    RiskKept,
)
from credit_review.model.states import ChangeKind, ExceptionEnd, ExceptionKind, ExceptionState, Layer, ProposalState, Verdict
from credit_review.policy.exceptions import ExceptionRules
from credit_review.ports import Clock, Entry, Store, UnitOfWork
from credit_review.review.directory import active_person, called
from credit_review.review.findings import open_for
from credit_review.review.naming import actor, short_id
from credit_review.review.signing import require_watcher
from credit_review.review.standing import policy_in_force
from credit_review.review.working import Company
from credit_review.words import marked, said

OWNER_LEFT = "exception_owner_left"
"""Control of the findings of exceptions whose owner is not active in the directory any more."""
NOT_YOURS, WITH_ITS_LIMIT, TOO_LONG = "exception.not_yours", "exception.with_its_limit", "exception.too_long"
REGISTER = "system:exceptions"
NO_REASON = "no reason on record"
STANDING = (ExceptionState.IN_FORCE, ExceptionState.DUE)
OF_A_LIMIT = (ExceptionKind.LIMIT, ExceptionKind.TERMS, ExceptionKind.EMERGENCY)
_OF_A_CHANGE = (*OF_A_LIMIT, ExceptionKind.RISK_KEPT)
_GRANTS = (Layer.BASE, Layer.TEMPORARY)
_MADE_IT = ("amended", "requested", "counter_offer")
BATCH = 100

KINDS = {
    ExceptionKind.LIMIT: marked("limit above policy"),
    ExceptionKind.TERMS: marked("terms looser than policy"),
    ExceptionKind.EMERGENCY: marked("emergency override"),
    ExceptionKind.EXCLUSION: marked("excluded from review"),
    ExceptionKind.DEFERRAL: marked("put off"),
    ExceptionKind.RISK_KEPT: marked("risk kept"),
}
STATES = {
    ExceptionState.IN_FORCE: marked("in force"),
    ExceptionState.DUE: marked("due in the next review"),
    ExceptionState.ENDED: marked("ended"),
}
ENDS = {
    ExceptionEnd.END_DATE: marked("on its day"),
    ExceptionEnd.BY_PERSON: marked("by a person"),
    ExceptionEnd.REPLACED: marked("replaced by a later decision"),
    ExceptionEnd.REVERTED: marked("its limit went back"),
}


def rules_in_force(uow: UnitOfWork, now: datetime) -> ExceptionRules:
    """What policy says of exceptions; its defaults where no policy is in force."""
    try:
        return policy_in_force(uow, now).exceptions
    except Refused:
        return ExceptionRules()


# --- begin ----------------------------------------------------------------------------------------------------------------------------


def last_day(uow: UnitOfWork, kind: ExceptionKind, starts: date, now: datetime, *, asked: date | None = None) -> date:
    """The first day on which an exception of this kind no longer holds: the day asked for, else the latest that policy allows.

    Refused `exception.too_long` where the day asked for is later than that.
    """
    latest = starts + timedelta(days=int(getattr(rules_in_force(uow, now).longest_days, kind)))
    if asked is not None and asked > latest:
        raise Refused(
            TOO_LONG,
            said("{kind} until {until}", kind=said(KINDS[kind]), until=asked),
            expected=said("{latest} at the latest: policy's `exceptions.longest_days.{kind}`", latest=latest, kind=str(kind)),
            next_step=said("an earlier day; a fresh approval renews it when it is due"),
        )
    return asked or latest


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What an exception stands on, of which kind it is, from when, until when, whose and why. `ends` None: none on record."""

    kind: ExceptionKind
    key: str
    owner: str
    reason: str
    starts: date
    ends: date | None
    policy_terms: int | None = None


def begin(uow: UnitOfWork, proposal: Proposal, of: Source, now: datetime, *, by: str, taken_up: bool = False) -> PolicyException | None:
    """The exception, in force, in place of the standing one of the same kind for that account; None where it is on record already."""
    before = uow.find(PolicyException, account_id=proposal.account_id, kind=of.kind, order_by=("began_at", "exception_id"), lock=True)
    amount = of.kind in (ExceptionKind.LIMIT, ExceptionKind.EMERGENCY)
    one = PolicyException(
        exception_id=short_id("ex", of.kind, of.key),
        kind=of.kind,
        source=of.key,
        proposal_id=proposal.proposal_id,
        customer_id=proposal.customer_id,
        account_id=proposal.account_id,
        currency=proposal.currency,
        policy_minor=proposal.to_minor if of.kind == ExceptionKind.RISK_KEPT else proposal.engine_minor if amount else None,
        granted_minor=proposal.from_minor if of.kind == ExceptionKind.RISK_KEPT else proposal.to_minor if amount else None,
        policy_terms_days=of.policy_terms,
        granted_terms_days=proposal.terms_days if of.kind in OF_A_LIMIT else None,
        owner_id=of.owner,
        reason=of.reason.strip() or NO_REASON,
        starts=of.starts,
        ends=of.ends,
        began_at=now,
        renews_id=before[-1].exception_id if before else "",
        state=ExceptionState.IN_FORCE,
        due_on=None,
        due_at=None,
        how="",
        ended_by="",
        ended_at=None,
    )
    if any(b.exception_id == one.exception_id for b in before) or not uow.add_if_absent(one):
        return None
    for old in (b for b in before if b.state in STANDING):
        _end(uow, old, ExceptionEnd.REPLACED, now, by=by)
    figures = ("kind", "source", "currency", "policy_minor", "granted_minor", "policy_terms_days", "granted_terms_days")
    data: dict[str, Any] = {name: getattr(one, name) for name in figures}
    data |= {"proposal": one.proposal_id, "customer": one.customer_id, "account": one.account_id, "owner": one.owner_id}
    data |= {"starts": one.starts.isoformat(), "ends": _day(one.ends), "renews": one.renews_id or None, "to": one.state}
    _append(uow, Action.EXCEPTION_STARTED, one, by, data | {"taken_up": int(taken_up)}, {"reason": one.reason})
    return one


def begin_of_change(uow: UnitOfWork, proposal: Proposal, change: LimitChange, now: datetime, *, taken_up: bool = False) -> None:
    """Begins the exception that an applied change is, if it departs from policy: above the engine's figure, looser than its terms, or
    before its approval."""
    packet = json.loads(proposal.packet_json)
    found = _departure(uow, proposal, packet)
    if found is None:
        return
    kind, terms = found
    ends = change.effective_to
    if kind != ExceptionKind.EMERGENCY and not taken_up:
        latest = last_day(uow, kind, change.effective_from, now)
        ends = latest if ends is None else min(ends, latest)
    owner, reason = _answers_for(uow, proposal, packet)
    of = Source(kind=kind, key=change.change_id, owner=owner, reason=reason, starts=change.effective_from, ends=ends, policy_terms=terms)
    begin(uow, proposal, of, now, by=REGISTER if taken_up else change.applied_by, taken_up=taken_up)


def _departure(uow: UnitOfWork, proposal: Proposal, packet: dict[str, Any]) -> tuple[ExceptionKind, int | None] | None:
    """Of which kind it is, and the terms that policy proposed; None for what is within policy, or only a bound."""
    if packet.get("layer", Layer.BASE) not in _GRANTS:
        return None
    terms = _policy_terms(uow, proposal, packet)
    if (packet.get("request") or {}).get("emergency"):
        return ExceptionKind.EMERGENCY, terms
    if proposal.engine_minor is not None and proposal.to_minor > proposal.engine_minor:
        return ExceptionKind.LIMIT, terms
    looser = (packet.get("amendments") or packet.get("request") or proposal.supersedes_id) and (proposal.terms_days or 0) > (terms or 0)
    return (ExceptionKind.TERMS, terms) if looser else None


def _policy_terms(uow: UnitOfWork, proposal: Proposal, packet: dict[str, Any]) -> int | None:
    """The terms that the engine proposed; for a request, which has none of the engine's, those in force before it."""
    if amendments := packet.get("amendments"):
        found = amendments[0]["from"]["terms_days"]
        return None if found is None else int(found)
    if packet.get("request"):
        return proposal.from_terms_days
    before = uow.get(Proposal, proposal_id=proposal.supersedes_id) if proposal.supersedes_id else None
    return _policy_terms(uow, before, json.loads(before.packet_json)) if before else proposal.terms_days


def _answers_for(uow: UnitOfWork, proposal: Proposal, packet: dict[str, Any]) -> tuple[str, str]:
    """Owner and reason: whoever amended it last, asked for it, or offered more instead; else the analyst, else whoever touched it."""
    if packet.get("countered_by") == proposal.proposer_id and proposal.supersedes_id:  # who offers more is its maker
        offers = uow.find(Decision, proposal_id=proposal.supersedes_id, verdict=Verdict.COUNTER)
        return proposal.proposer_id, offers[-1].reason if offers else ""
    if amendments := packet.get("amendments"):
        return amendments[-1]["by"], amendments[-1]["reason"]
    if asked := packet.get("request"):
        return asked["by"], asked.get("reason", "")
    makers = uow.find(Maker, proposal_id=proposal.proposal_id, order_by=("at", "person_id"))
    return proposal.assigned_to or (makers[-1].person_id if makers else proposal.proposer_id), ""


# --- end ------------------------------------------------------------------------------------------------------------------------------


def end_of_change(uow: UnitOfWork, change: LimitChange, now: datetime) -> None:
    """Ends what stood on the account's limit: another change took its place, or it went back."""
    how = ExceptionEnd.REVERTED if change.kind == ChangeKind.REVERSAL else ExceptionEnd.REPLACED
    kinds = OF_A_LIMIT if how == ExceptionEnd.REVERTED else _OF_A_CHANGE
    for one in uow.find(PolicyException, account_id=change.account_id, kind=kinds, state=STANDING, lock=True):
        _end(uow, one, how, now, by=change.applied_by)


def _end(
    uow: UnitOfWork, one: PolicyException, how: ExceptionEnd, now: datetime, *, by: str, on: date | None = None, reason: str = ""
) -> PolicyException:
    to: dict[str, Any] = {"state": ExceptionState.ENDED, "how": how, "ended_by": by, "ended_at": now}
    if on is not None and one.due_on is None:
        to |= {"due_on": on, "due_at": now}
    done = _change(uow, one, to)
    data = {"from": one.state, "to": done.state, "how": how, "due_on": _day(done.due_on)}
    _append(uow, Action.EXCEPTION_ENDED, done, by, data, {"reason": reason} if reason else None)
    return done


def _over(
    uow: UnitOfWork, one: PolicyException, how: ExceptionEnd, on: date, now: datetime, *, by: str, reason: str = ""
) -> PolicyException:
    """Its end has come: what only puts a customer off is over, what changed a limit is due in the next review."""
    if one.kind in (ExceptionKind.EXCLUSION, ExceptionKind.DEFERRAL) or one.state == ExceptionState.DUE:
        return _end(uow, one, how, now, by=by, on=on, reason=reason)
    done = _change(uow, one, {"state": ExceptionState.DUE, "due_on": on, "due_at": now})
    data = {"from": one.state, "to": done.state, "due_on": _day(on)}
    _append(uow, Action.EXCEPTION_DUE, done, by, data, {"reason": reason} if reason else None)
    return done


def end_due(store: Store, clock: Clock, company: Company) -> tuple[str, ...]:
    """Ids of the exceptions whose end has come, ended or due from now on. Safe to run twice at once: each is looked at again under lock."""
    now = clock.now()
    today = now.astimezone(company.zone).date()
    with store.read() as uow:
        late = [one.exception_id for one in uow.find(PolicyException, state=ExceptionState.IN_FORCE) if _late(one, today)]
    done: list[str] = []
    for start in range(0, len(late), BATCH):
        with store.begin(interactive=False) as uow:
            found = uow.find(PolicyException, exception_id=late[start : start + BATCH], state=ExceptionState.IN_FORCE, lock=True)
            for one in (one for one in found if _late(one, today)):
                _over(uow, one, ExceptionEnd.END_DATE, one.ends or today, now, by=REGISTER)
                done.append(one.exception_id)
            uow.commit()
    return tuple(done)


def _late(one: PolicyException, today: date) -> bool:
    return one.ends is not None and one.ends <= today


def end(uow: UnitOfWork, exception_id: str, *, reason: str, by: str, company: Company, now: datetime) -> PolicyException:
    """The exception, ended early by its owner, internal audit or a control owner; an exclusion or deferral ends with it.

    A limit without an end of its own is due at once; one with an end goes back on that day, which this does not bring forward (Refused
    `exception.with_its_limit`): a reduction is proposed and approved. Raises BadInput without words, Refused, Conflict.
    """
    _worded(reason)
    today = now.astimezone(company.zone).date()
    one = _standing(uow, exception_id)
    _may(uow, one, said("end exceptions"), by, today, now)
    limit = uow.get(CreditLimit, account_id=one.account_id) if one.kind in OF_A_LIMIT else None
    if limit is not None and limit.effective_to is not None:
        raise Refused(
            WITH_ITS_LIMIT,
            said("exception {exception} ends with its limit on {day}", exception=exception_id, day=limit.effective_to),
            next_step=said("`credit-review request {customer}` asks for a lower limit before that", customer=one.customer_id),
        )
    _end_its_fact(uow, one, today, now)
    return _over(uow, one, ExceptionEnd.BY_PERSON, today, now, by=by, reason=reason)


def _end_its_fact(uow: UnitOfWork, one: PolicyException, today: date, now: datetime) -> None:
    """Ends the exclusion or deferral an exception stands on, by a newer row."""
    if one.kind == ExceptionKind.EXCLUSION:
        newest = uow.find(Exclusion, exclusion_id=one.source, order_by=("recorded_at",))[-1]
        uow.add(replace(newest, valid_to=max(today, newest.valid_from), recorded_at=now))
    elif one.kind == ExceptionKind.DEFERRAL:
        (old,) = uow.find(Deferral, deferral_id=one.source)
        uow.add(replace(old, deferral_id=short_id("f", one.source, "ended"), until=today, recorded_at=now))


def hand_over(uow: UnitOfWork, exception_id: str, *, to: str, reason: str, by: str, company: Company, now: datetime) -> PolicyException:
    """The exception with another owner, an active person; by its owner, internal audit or a control owner."""
    _worded(reason)
    today = now.astimezone(company.zone).date()
    one = _standing(uow, exception_id)
    _may(uow, one, said("hand over exceptions"), by, today, now)
    active_person(uow, to, on=today, known_at=now)
    if to == one.owner_id:
        return one
    done = _change(uow, one, {"owner_id": to})
    _append(uow, Action.EXCEPTION_HANDED_OVER, done, by, {"from_owner": one.owner_id, "owner": to}, {"reason": reason})
    return done


def _standing(uow: UnitOfWork, exception_id: str) -> PolicyException:
    one = uow.get(PolicyException, exception_id=exception_id, lock=True)
    if one is None:
        raise BadInput(
            said("no exception {exception}", exception=exception_id), expected=said("an id that `credit-review exceptions list` shows")
        )
    if one.state == ExceptionState.ENDED:
        raise Refused(
            "exception.ended",
            said("exception {exception} is ended", exception=exception_id),
            next_step=said("`credit-review exceptions show {exception}`", exception=exception_id),
        )
    return one


def _may(uow: UnitOfWork, one: PolicyException, to: Any, by: str, today: date, now: datetime) -> None:
    active_person(uow, by, on=today, known_at=now)
    if by != one.owner_id:
        try:
            require_watcher(uow, to, by, on=today, now=now)
        except Refused as refusal:
            raise Refused(
                NOT_YOURS,
                refusal.what,
                expected=said("its owner, {owner}, internal audit or a control owner", owner=called(uow, one.owner_id)),
                next_step=refusal.next_step,
            ) from None


def _change(uow: UnitOfWork, one: PolicyException, to: dict[str, Any]) -> PolicyException:
    where = {"exception_id": one.exception_id, "state": one.state, "owner_id": one.owner_id}
    if uow.change(PolicyException, where=where, to=to) != 1:
        raise Conflict(said("exception {exception} changed meanwhile", exception=one.exception_id), next_step=said("read it again"))
    return replace(one, **to)


def _append(uow: UnitOfWork, action: Action, one: PolicyException, by: str, data: dict[str, Any], payload: dict[str, Any] | None) -> None:
    uow.append(Entry(action=action, actor=actor(by), entity=f"exception:{one.exception_id}", data=data, payload=payload))


def _worded(text: str) -> None:
    if not text.strip():
        raise BadInput(said("no reason given"), expected=said("why, in words that an auditor understands"), next_step=said("add --reason"))


def _day(day: date | None) -> str | None:
    return day.isoformat() if day else None


# --- what stood before there was a register -------------------------------------------------------------------------------------------


def take_up(store: Store, clock: Clock, company: Company) -> tuple[int, ...]:
    """Begins an exception for each departure that stands and is not on record, with the end it has on record, or none.

    Counts of limits, exclusions, deferrals and risks kept. Safe to run twice at once and again: one source begins one exception.
    """
    now = clock.now()
    today = now.astimezone(company.zone).date()
    with store.read() as uow:
        found = list(_not_on_record(uow, today))
    if not found:
        return ()
    with store.begin(interactive=False) as uow:
        for proposal, of in found:
            if isinstance(of, LimitChange):
                begin_of_change(uow, proposal, of, now, taken_up=True)
            else:
                begin(uow, proposal, of, now, by=REGISTER, taken_up=True)
        uow.commit()
    return (len(found),)


def _not_on_record(uow: UnitOfWork, today: date) -> Iterator[tuple[Proposal, Source | LimitChange]]:
    known = {one.source for one in uow.find(PolicyException)}
    yield from _limits_not_on_record(uow, known)
    newest = {e.exclusion_id: e for e in uow.find(Exclusion, order_by=("recorded_at",))}
    for fact in (e for e in newest.values() if e.exclusion_id not in known and (e.valid_to is None or e.valid_to > today)):
        kept = Source(
            kind=ExceptionKind.EXCLUSION, key=fact.exclusion_id, owner=fact.owner_id, reason=f"{fact.rule}: {fact.reason}",
            starts=fact.valid_from, ends=fact.valid_to,
        )  # fmt: skip
        yield from _of(uow, uow.find(Proposal, review_id=fact.review_id, customer_id=fact.customer_id, outcome_code="excluded"), kept)
    put_off = {d.customer_id: d for d in uow.find(Deferral, order_by=("recorded_at",))}
    for one in (d for d in put_off.values() if d.deferral_id not in known and d.until > today):
        starts = min(one.recorded_at.date(), one.until)
        kept = Source(
            kind=ExceptionKind.DEFERRAL, key=one.deferral_id, owner=one.owner_id, reason=one.reason, starts=starts, ends=one.until
        )
        yield from _of(uow, uow.find(Proposal, review_id=one.review_id, customer_id=one.customer_id, outcome_code="deferred"), kept)
    for risk in uow.find(RiskKept):
        if risk.until is not None and risk.until > today and risk.proposal_id not in known and risk.decided_at is not None:
            kept = risk_source(risk, min(risk.decided_at.date(), risk.until))
            yield from _of(uow, uow.find(Proposal, proposal_id=risk.proposal_id), kept)


def _of(uow: UnitOfWork, proposals: Sequence[Proposal], of: Source) -> Iterator[tuple[Proposal, Source]]:
    yield from ((one, of) for one in proposals[:1])


def _limits_not_on_record(uow: UnitOfWork, known: set[str]) -> Iterator[tuple[Proposal, LimitChange]]:
    """Changes in force that people asked for, amended or countered, and that depart from policy."""
    touched = sorted({m.proposal_id for m in uow.find(Maker, how=_MADE_IT)})
    for start in range(0, len(touched), BATCH):
        part = touched[start : start + BATCH]
        changes = [c for c in uow.find(LimitChange, proposal_id=part) if c.change_id not in known]
        now = {c.account_id: c.version for c in uow.find(CreditLimit, account_id=[c.account_id for c in changes])} if changes else {}
        stands = {str(c.proposal_id): c for c in changes if now.get(c.account_id) == c.version}
        for proposal in (
            uow.find(Proposal, proposal_id=sorted(stands), state=(ProposalState.APPLIED, ProposalState.PENDING)) if stands else ()
        ):
            if _departure(uow, proposal, json.loads(proposal.packet_json)) is not None:
                yield proposal, stands[proposal.proposal_id]


def risk_source(risk: RiskKept, starts: date) -> Source:
    """The exception that a risk kept is."""
    return Source(
        kind=ExceptionKind.RISK_KEPT, key=risk.proposal_id, owner=risk.decided_by, reason=risk.reason, starts=starts, ends=risk.until
    )


# --- watched --------------------------------------------------------------------------------------------------------------------------


def watch(store: Store, clock: Clock, company: Company) -> tuple[str, ...]:
    """Ids of the findings opened for standing exceptions whose owner is not active in the directory."""
    now = clock.now()
    today = now.astimezone(company.zone).date()
    with store.read() as uow:
        alarms = [_alarm(one) for one in orphaned(uow, today, now)]
    if not alarms:
        return ()
    with store.begin(interactive=False) as uow:
        done = open_for(uow, alarms, company, now, by="system:sweep")
        uow.commit()
    return (*done.opened, *done.reopened)


def orphaned(uow: UnitOfWork, today: date, now: datetime) -> list[PolicyException]:
    """Standing exceptions whose owner is not active in the directory."""
    standing = uow.find(PolicyException, state=STANDING)
    owners = sorted({one.owner_id for one in standing})
    active = {p.person_id for p in uow.facts(Person, valid_at=today, known_at=now, person_id=owners) if p.active} if owners else set()
    return [one for one in standing if one.owner_id not in active]


def _alarm(one: PolicyException) -> Alarm:
    facts = {"kind": one.kind, "left": one.owner_id, "customer": one.customer_id}
    return Alarm(control=OWNER_LEFT, subject=f"exception:{one.exception_id}", severity=Severity.MEDIUM, facts=facts)


def ending_soon(standing: Iterable[PolicyException], rules: ExceptionRules, today: date) -> list[PolicyException]:
    """Those in force whose end comes within the days that policy warns before, the first to end first."""
    until = today + timedelta(days=rules.warn_days)
    soon = [one for one in standing if one.state == ExceptionState.IN_FORCE and one.ends is not None and today < one.ends <= until]
    return sorted(soon, key=lambda one: (one.ends or today, one.exception_id))


def departs(one: PolicyException) -> str:
    """What policy proposed and what stands instead."""
    if one.granted_minor is not None:
        policy = said("no figure") if one.policy_minor is None else Money(one.policy_minor, one.currency)
        return said("{granted} instead of {policy}", granted=Money(one.granted_minor, one.currency), policy=policy)
    if one.granted_terms_days is not None:
        policy_terms = said("no terms") if one.policy_terms_days is None else said("net {days}", days=one.policy_terms_days)
        return said("{granted} instead of {policy}", granted=said("net {days}", days=one.granted_terms_days), policy=policy_terms)
    return said("not reviewed")


def due_again(uow: UnitOfWork, known_at: datetime, as_of: date) -> dict[str, date]:
    """By customer the last day, up to `as_of`, on which an exception ended without a decision in its place, as known at a moment.

    Computed from what never changes once it is written, so that a replay finds the same.
    """
    found: dict[str, date] = {}
    for one in uow.find(PolicyException):
        early = one.due_on is not None and one.due_at is not None and one.due_at <= known_at
        replaced = one.ended_at is not None and one.ended_at <= known_at and one.how in (ExceptionEnd.REPLACED, ExceptionEnd.REVERTED)
        day = one.due_on if early else one.ends
        if one.began_at <= known_at and not replaced and day is not None and day <= as_of:
            found[one.customer_id] = max(day, found.get(one.customer_id, day))
    return found
