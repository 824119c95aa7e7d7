"""Findings: exceptions with an owner and a day. Controls, audit samples and people open them; the owner remedies, somebody else closes.

One exception is one finding, by the key of its alarm. The functions write and append entries; the caller commits.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from hashlib import sha256
from typing import Any

from credit_review.audit import Action, canonical
from credit_review.authority import Offices
from credit_review.controls.alarm import Alarm, Severity
from credit_review.errors import BadInput, Conflict, Refused
from credit_review.model.records import Decision, Finding, LimitAccount, Maker, Person, Proposal, Review
from credit_review.model.states import ClosedAs, FindingState
from credit_review.policy import FindingRules
from credit_review.ports import Entry, UnitOfWork
from credit_review.review.directory import active_person, called, persons
from credit_review.review.naming import actor, short_id
from credit_review.review.signing import require_watcher, watchers
from credit_review.review.standing import matrix_in_force, policy_in_force
from credit_review.review.working import Company
from credit_review.words import listed, marked, said

CONTROLS = "system:controls"
"""Who opens the findings of controls."""
OBSERVED = "observed"
"""Control of a finding that a person saw."""
OWN = "finding.own"
"""Code of a closing that is refused to who has a part in it."""
STILL = (FindingState.OPEN, FindingState.REMEDIED)

_LONGEST_TEXT = 2000
_SHA256 = re.compile(r"[0-9a-f]{64}")
_BETWEEN_IDS = re.compile(r"[|,/ ]+")
_OR = marked("{first} or {rest}")


@dataclass(frozen=True, slots=True)
class Opened:
    """What became of alarms: ids of the findings opened, opened again, and known already."""

    opened: tuple[str, ...] = ()
    reopened: tuple[str, ...] = ()
    known: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What decides about findings at one moment: offices and days in force, who is who, the company's working days."""

    now: datetime
    today: date
    company: Company
    offices: Offices
    rules: FindingRules
    known: frozenset[str]
    active: frozenset[str]

    @classmethod
    def read(cls, uow: UnitOfWork, company: Company, now: datetime) -> Desk:
        """As on record; without a matrix nobody has an office, without a policy its defaults hold."""
        today = now.astimezone(company.zone).date()
        try:
            offices = matrix_in_force(uow, now).offices
        except Refused:
            offices = Offices()
        try:
            rules = policy_in_force(uow, now).findings
        except Refused:
            rules = FindingRules()
        return cls(
            now=now,
            today=today,
            company=company,
            offices=offices,
            rules=rules,
            known=frozenset(p.person_id for p in uow.find(Person)),
            active=frozenset(p.person_id for p in persons(uow, on=today, known_at=now) if p.active),
        )

    def due(self, severity: str) -> date:
        """The day by which a finding that begins today is to be closed."""
        return self.company.calendar.add_working_days(self.today, int(getattr(self.rules.due_working_days, severity)))


# --- opening --------------------------------------------------------------------------------------------------------------------------


def open_for(
    uow: UnitOfWork, alarms: Iterable[Alarm], company: Company, now: datetime, *, by: str = CONTROLS, texts: Mapping[str, str] | None = None
) -> Opened:
    """One finding for each exception: opened, or opened again where it was closed as corrected; any other is known and left alone.

    `texts` has what a person says of an alarm, by its key.
    """
    each = {one.key: one for one in alarms}
    if not each:
        return Opened()
    desk = Desk.read(uow, company, now)
    stored = {f.alarm_key: f for f in uow.find(Finding, alarm_key=sorted(each), lock=True)}
    became: dict[str, list[str]] = {"opened": [], "reopened": [], "known": []}
    for key, alarm in sorted(each.items()):  # in one order, so that two runs never wait for each other
        found = stored.get(key)
        if found is None:
            fresh = _finding_of(uow, alarm, desk, key=key, by=by, text=(texts or {}).get(key, ""))
            became["opened" if _opened(uow, fresh, alarm) else "known"].append(fresh.finding_id)
        elif found.closed_as == ClosedAs.CORRECTED:
            _open_again(uow, found, desk, by=by, reason="", found_again=True)
            became["reopened"].append(found.finding_id)
        else:
            became["known"].append(found.finding_id)
    return Opened(**{name: tuple(ids) for name, ids in became.items()})


def open_by_hand(
    uow: UnitOfWork, subject: str, *, severity: Severity, text: str, by: str, company: Company, now: datetime, owner_id: str = ""
) -> Finding:
    """A finding of what a person of the directory saw. Raises BadInput for a subject that is not on record."""
    desk = Desk.read(uow, company, now)
    active_person(uow, by, on=desk.today, known_at=now)
    _worded(text)
    _on_record(uow, subject)
    alarm = Alarm(control=OBSERVED, subject=subject, severity=severity)
    key = sha256(canonical({"alarm": alarm.key, "at": now.isoformat(), "by": by}).encode()).hexdigest()
    finding = _finding_of(uow, alarm, desk, key=key, by=by, text=text)
    if owner_id:
        finding = replace(finding, owner_id=_able_owner(uow, owner_id, finding, desk))
    if not _opened(uow, finding, alarm):
        raise Conflict(said("finding {finding} changed meanwhile", finding=finding.finding_id), next_step=said("read it again"))
    return finding


def _finding_of(uow: UnitOfWork, alarm: Alarm, desk: Desk, *, key: str, by: str, text: str) -> Finding:
    about = _people_behind(uow, alarm.subject, alarm.facts, desk)
    return Finding(
        finding_id=short_id("fi", key),
        alarm_key=key,
        control=alarm.control,
        subject=alarm.subject,
        severity=alarm.severity,
        state=FindingState.OPEN,
        owner_id=_owner(uow, alarm.subject, alarm.facts, about, desk),
        about="|".join(sorted(about)),
        due=desk.due(alarm.severity),
        facts_json=canonical(dict(alarm.facts)),
        text=text,
        opened_by=by,
        opened_at=desk.now,
        assigned_at=desk.now,
        remedy="",
        evidence="",
        remedied_by="",
        remedied_at=None,
        closing="",
        closed_as="",
        closed_by="",
        closed_at=None,
        times_reopened=0,
    )


def _opened(uow: UnitOfWork, finding: Finding, alarm: Alarm) -> bool:
    """Stores a new finding with its entry; False when another run opened it a moment ago."""
    if not uow.add_if_absent(finding):
        return False
    data: dict[str, Any] = {"key": finding.alarm_key, "control": alarm.control, "subject": alarm.subject, "severity": finding.severity}
    data |= {"to": finding.state, "owner": finding.owner_id or None, "due": finding.due.isoformat(), "about": about_of(finding)}
    data |= {"facts": dict(alarm.facts), "entries": list(alarm.entries)}
    _append(uow, Action.FINDING_OPENED, finding, finding.opened_by, data, {"text": finding.text} if finding.text else None)
    return True


def _people_behind(uow: UnitOfWork, subject: str, facts: Mapping[str, Any], desk: Desk) -> frozenset[str]:
    """Whom an exception is about: people that subject and facts name, and who made or decided the proposals they name."""
    kind, _, key = subject.partition(":")
    named = {word for name, value in facts.items() if name != "owner" for word in _BETWEEN_IDS.split(str(value))}
    proposals = {key} if kind == "proposal" else set()
    proposals |= {str(value) for name, value in facts.items() if name == "proposal"}
    people = (named | {key}) & desk.known
    if proposals:
        ids = sorted(proposals)
        people |= {m.person_id for m in uow.find(Maker, proposal_id=ids)}
        people |= {p.proposer_id for p in uow.find(Proposal, proposal_id=ids)} & desk.known
        people |= {who for d in uow.find(Decision, proposal_id=ids) for who in (d.approver_id, d.on_behalf_of) if who}
    return frozenset(people)


def _owner(uow: UnitOfWork, subject: str, facts: Mapping[str, Any], about: frozenset[str], desk: Desk) -> str:
    """Whom the control names, who answers for the subject, or a control owner: active, and not whom it is about. Empty for nobody."""
    kind, _, key = subject.partition(":")
    answers = [str(facts.get("owner", ""))]
    if kind == "proposal":
        answers += [p.assigned_to for p in uow.find(Proposal, proposal_id=key)]
    if kind == "review":
        answers += [r.started_by for r in uow.find(Review, review_id=key)]
    return next((p for p in (*answers, *desk.offices.control_owner) if p in desk.active and p not in about), "")


def _on_record(uow: UnitOfWork, subject: str) -> None:
    kind, _, key = subject.partition(":")
    look: dict[str, tuple[type[Any], dict[str, Any]]] = {
        "proposal": (Proposal, {"proposal_id": key}),
        "person": (Person, {"person_id": key}),
        "account": (LimitAccount, {"account_id": key}),
        "customer": (LimitAccount, {"subject_kind": "customer", "subject_id": key}),
        "review": (Review, {"review_id": key}),
    }
    if subject == "log":
        return
    record, filters = look.get(kind, (None, {}))
    if record is None or not uow.find(record, limit=1, **filters):
        kinds = ", ".join(f"{one}:ID" for one in look)
        raise BadInput(said("{subject} is not on record", subject=repr(subject)), expected=said("{kinds} or log", kinds=kinds))


# --- what people do with it -----------------------------------------------------------------------------------------------------------


def assign(uow: UnitOfWork, finding_id: str, *, owner_id: str, reason: str, by: str, company: Company, now: datetime) -> Finding:
    """The finding with another owner, by a control owner or internal audit."""
    _worded(reason)
    finding, desk = _locked(uow, finding_id), Desk.read(uow, company, now)
    require_watcher(uow, said("assign findings"), by, on=desk.today, now=now)
    _state(finding, *STILL)
    owner = _able_owner(uow, owner_id, finding, desk)
    done = _change(uow, finding, {"owner_id": owner, "assigned_at": now})
    data = {"from_owner": finding.owner_id or None, "owner": owner}
    _append(uow, Action.FINDING_ASSIGNED, done, by, data, {"reason": reason})
    return done


def remedy(uow: UnitOfWork, finding_id: str, *, text: str, files: Mapping[str, str], by: str, company: Company, now: datetime) -> Finding:
    """The finding, remedied by its owner: what was done, with files (name by SHA-256; they are kept outside) that show it."""
    _worded(text)
    if not files or not all(_SHA256.fullmatch(one) for one in files):
        raise BadInput(said("a remedy needs evidence"), expected=said("at least one file, by its SHA-256"), next_step=said("add --file"))
    finding, desk = _locked(uow, finding_id), Desk.read(uow, company, now)
    active_person(uow, by, on=desk.today, known_at=now)
    if by != finding.owner_id:
        owner = called(uow, finding.owner_id) if finding.owner_id else ""
        raise Refused(
            "finding.not_owner",
            said("finding {finding} is not yours", finding=finding_id),
            expected=said("its owner, {owner}", owner=owner) if owner else said("an owner; it has none"),
            next_step=said("a control owner or internal audit assigns it: `credit-review finding assign`"),
        )
    _state(finding, FindingState.OPEN)
    evidence = "|".join(sorted(files))
    to = {"state": FindingState.REMEDIED, "remedy": text, "evidence": evidence, "remedied_by": by, "remedied_at": now}
    done = _change(uow, finding, to)
    data = {"from": finding.state, "to": done.state, "evidence": sorted(files)}
    _append(uow, Action.FINDING_REMEDIED, done, by, data, {"remedy": text, "files": dict(files)})
    return done


def close(uow: UnitOfWork, finding_id: str, *, reason: str, by: str, company: Company, now: datetime, past: bool = False) -> Finding:
    """The finding, closed by internal audit or a control owner who neither owns it, nor remedied it, nor is whom it is about.

    `past`: the exception happened and cannot be undone, so that finding it again says nothing new; otherwise it is corrected, and found
    again it is open again. Refused `OWN` or `signing.LACKS_OFFICE` to anybody else.
    """
    _worded(reason)
    finding, desk = _locked(uow, finding_id), Desk.read(uow, company, now)
    behind = _people_behind(uow, finding.subject, json.loads(finding.facts_json), desk)  # somebody may have got a part in it since
    part = {finding.owner_id, finding.remedied_by, *about_of(finding), *behind}
    person, _ = require_watcher(uow, said("close findings"), by, on=desk.today, now=now, but=part)
    if by in part:
        raise Refused(
            OWN,
            said(
                "{name} may not close finding {finding}: he or she owns it, remedied it, or is whom it is about",
                name=person.name,
                finding=finding_id,
            ),
            expected=said("internal audit or a control owner who has no part in it"),
            next_step=watchers(uow, on=desk.today, now=now, but=part),
        )
    _state(finding, FindingState.REMEDIED)
    closed_as = ClosedAs.PAST if past else ClosedAs.CORRECTED
    to = {"state": FindingState.CLOSED, "closing": reason, "closed_as": closed_as, "closed_by": by, "closed_at": now}
    done = _change(uow, finding, to)
    data = {"from": finding.state, "to": done.state, "as": closed_as, "owner": finding.owner_id, "remedied_by": finding.remedied_by}
    _append(uow, Action.FINDING_CLOSED, done, by, data, {"reason": reason})
    return done


def reopen(uow: UnitOfWork, finding_id: str, *, reason: str, by: str, company: Company, now: datetime) -> Finding:
    """The finding, open again with a new due date, by internal audit or a control owner: the remedy does not do, or it came back."""
    _worded(reason)
    finding, desk = _locked(uow, finding_id), Desk.read(uow, company, now)
    require_watcher(uow, said("reopen findings"), by, on=desk.today, now=now)
    _state(finding, FindingState.REMEDIED, FindingState.CLOSED)
    return _open_again(uow, finding, desk, by=by, reason=reason, found_again=False)


def _open_again(uow: UnitOfWork, finding: Finding, desk: Desk, *, by: str, reason: str, found_again: bool) -> Finding:
    """Open with a new due date and, where its owner is gone, a new owner. What was done before stays in the entries."""
    owner = finding.owner_id if finding.owner_id in desk.active else ""
    owner = owner or _owner(uow, finding.subject, json.loads(finding.facts_json), frozenset(about_of(finding)), desk)
    to: dict[str, Any] = {"state": FindingState.OPEN, "owner_id": owner, "due": desk.due(finding.severity), "assigned_at": desk.now}
    to |= {"remedy": "", "evidence": "", "remedied_by": "", "remedied_at": None}
    to |= {"closing": "", "closed_as": "", "closed_by": "", "closed_at": None, "times_reopened": finding.times_reopened + 1}
    done = _change(uow, finding, to)
    data = {"from": finding.state, "to": done.state, "owner": owner or None, "due": done.due.isoformat(), "found_again": int(found_again)}
    _append(uow, Action.FINDING_REOPENED, done, by, data, {"reason": reason} if reason else None)
    return done


# --- looking up -----------------------------------------------------------------------------------------------------------------------


def about_of(finding: Finding) -> list[str]:
    """The people a finding is about."""
    return finding.about.split("|") if finding.about else []


def overdue(finding: Finding, today: date) -> bool:
    """Whether it should have been closed by now."""
    return finding.state in STILL and finding.due < today


def told_of(findings: Iterable[Finding], person_id: str) -> list[Finding]:
    """Those that a person may be sent word of: nobody is warned of what he is suspected of."""
    return [one for one in findings if person_id not in about_of(one)]


def _locked(uow: UnitOfWork, finding_id: str) -> Finding:
    finding = uow.get(Finding, finding_id=finding_id, lock=True)
    if finding is None:
        raise BadInput(said("no finding {finding}", finding=finding_id), expected=said("an id that `credit-review finding list` shows"))
    return finding


def _state(finding: Finding, *states: FindingState) -> None:
    if finding.state not in states:
        raise Refused(
            "finding.state",
            said("finding {finding} is {state}", finding=finding.finding_id, state=said(STATES[FindingState(finding.state)])),
            expected=listed([said(STATES[one]) for one in states], by=_OR),
            next_step=said("`credit-review finding show {finding}`", finding=finding.finding_id),
        )


SEVERITIES = {Severity.HIGH: marked("high"), Severity.MEDIUM: marked("medium"), Severity.LOW: marked("low")}
STATES = {FindingState.OPEN: marked("open"), FindingState.REMEDIED: marked("remedied"), FindingState.CLOSED: marked("closed")}


def _able_owner(uow: UnitOfWork, owner_id: str, finding: Finding, desk: Desk) -> str:
    person = active_person(uow, owner_id, on=desk.today, known_at=desk.now)
    if owner_id in about_of(finding):
        raise Refused(
            "finding.about_owner",
            said("finding {finding} is about {name}, who cannot own it", finding=finding.finding_id, name=person.name),
            expected=said("somebody who has no part in it"),
        )
    return owner_id


def _worded(text: str) -> None:
    if not text.strip() or len(text) > _LONGEST_TEXT:
        raise BadInput(
            said("a finding goes on with words"), expected=said("1 to {most} characters that an auditor understands", most=_LONGEST_TEXT)
        )


def _change(uow: UnitOfWork, finding: Finding, to: Mapping[str, Any]) -> Finding:
    where = {"finding_id": finding.finding_id, "state": finding.state, "owner_id": finding.owner_id}
    if uow.change(Finding, where=where, to=to) != 1:
        raise Conflict(said("finding {finding} changed meanwhile", finding=finding.finding_id), next_step=said("read it again"))
    return replace(finding, **to)


def _append(uow: UnitOfWork, action: Action, finding: Finding, by: str, data: Mapping[str, Any], payload: Mapping[str, Any] | None) -> None:
    uow.append(Entry(action=action, actor=actor(by), entity=f"finding:{finding.finding_id}", data=data, payload=payload))
