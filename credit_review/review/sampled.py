"""Populations for audit samples, counted against the tables; what is on record about a drawn item; what deviates; the entry of a sample."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo
from typing import Any

from credit_review.audit import Action, TamperedEntry, leaf_hash, timestamp
from credit_review.audit.checking import Consistent
from credit_review.controls.alarm import Alarm, Severity
from credit_review.errors import BadInput
from credit_review.model.records import ApprovalCondition, AuditRow, Decision, LimitChange, Maker, Proposal, Review
from credit_review.model.states import ChangeKind
from credit_review.ports import Entry, UnitOfWork
from credit_review.review.naming import actor
from credit_review.sampling.drawing import Sample
from credit_review.sampling.paper import Dossier, Logged
from credit_review.sampling.population import Frozen, Item, Of, Reading, items
from credit_review.sampling.projection import Concluded, Conclusion
from credit_review.words import said

_MOVES = (Action.LIMIT_OPENED, Action.LIMIT_APPLIED, Action.LIMIT_OVERRIDE, Action.LIMIT_REVERTED)


@dataclass(frozen=True, slots=True)
class Period:
    """Days, both included, and the half-open time they are where the company is."""

    first_day: date
    last_day: date
    start: datetime
    end: datetime

    @classmethod
    def of(cls, first_day: date, last_day: date, zone: tzinfo) -> Period:
        """The period of these days. Raises BadInput when it ends before it begins."""
        if last_day < first_day:
            raise BadInput(
                said("the period ends on {last}, before it begins on {first}", first=first_day, last=last_day),
                expected=said("first and last day in order"),
            )
        start, end = (datetime.combine(day, time(), zone) for day in (first_day, last_day + timedelta(days=1)))
        return cls(first_day, last_day, start, end)

    def has(self, ts: str) -> bool:
        """Whether a timestamp of the log is in it."""
        return timestamp(self.start) <= ts < timestamp(self.end)


def population(uow: UnitOfWork, reading: Reading, found: Consistent, of: Of, period: Period) -> Frozen:
    """The population of a period, from a log that was verified, with what the tables say otherwise."""
    logged = {one.item: one for one in items(reading, of)}
    stored = _STORED[of](uow)
    chosen = tuple(one for one in logged.values() if period.has(one.at))
    versions, differences = _versions(uow, reading, period) if of == Of.CHANGES else (None, [])
    for one in chosen:
        if one.item not in stored:
            differences.append(said("entry {seq} is of {item}, which the database does not have", seq=one.seq, item=one.item))
    for key, own in stored.items():
        if key not in logged and period.has(own):
            differences.append(said("the database has {item}, and no entry of the log says so", item=key))
    if versions not in (None, len(chosen)):
        differences.append(
            said("limits moved by {versions} approved versions, the log has {entries} entries", versions=versions, entries=len(chosen))
        )
    return Frozen(
        of=of,
        first_day=period.first_day.isoformat(),
        last_day=period.last_day.isoformat(),
        items=chosen,
        size=found.size,
        root=found.root,
        rows=sum(period.has(logged[key].at if key in logged else own) for key, own in stored.items()),
        versions=versions,
        differences=tuple(differences),
    )


def _changes(uow: UnitOfWork) -> dict[str, str]:
    return {one.change_id: timestamp(one.applied_at) for one in uow.find(LimitChange, kind=ChangeKind.DECISION)}


def _decisions(uow: UnitOfWork) -> dict[str, str]:
    return {f"{one.proposal_id}/{one.approver_id}": timestamp(one.at) for one in uow.find(Decision)}


def _proposals(uow: UnitOfWork) -> dict[str, str]:
    return {one.proposal_id: timestamp(one.created_at) for one in uow.find(Proposal)}


def _reviews(uow: UnitOfWork) -> dict[str, str]:
    return {one.review_id: timestamp(one.started_at) for one in uow.find(Review)}


_STORED: Mapping[Of, Callable[[UnitOfWork], dict[str, str]]] = {
    Of.CHANGES: _changes,
    Of.DECISIONS: _decisions,
    Of.PROPOSALS: _proposals,
    Of.REVIEWS: _reviews,
}


def _versions(uow: UnitOfWork, reading: Reading, period: Period) -> tuple[int, list[str]]:
    """By how many versions approvals moved the limits in the period, from rows alone, and rows that are not as their entries say.

    An account moved from the version before its lowest to its highest; openings and reversals are taken off.
    """
    logged = {body["data"]["change"]: body for body in reading.of(*_MOVES)}
    moved: dict[str, list[int]] = defaultdict(list)
    differences: list[str] = []
    others = 0
    for row in uow.find(LimitChange):
        body = logged.get(row.change_id)
        if not period.has(body["ts"] if body else timestamp(row.applied_at)):
            continue
        moved[row.account_id].append(row.version)
        others += row.kind != ChangeKind.DECISION
        if body is not None and not _agrees(row, body["data"]):
            differences.append(said("change {item} is not what its entry says", item=row.change_id))
    return sum(max(versions) - min(versions) + 1 for versions in moved.values()) - others, differences


def _agrees(row: LimitChange, data: Mapping[str, Any]) -> bool:
    said_there = (data.get("version"), data.get("from_minor"), data.get("to_minor"), data.get("to_terms_days"), data.get("proposal"))
    return said_there == (row.version, row.old_minor, row.new_minor, row.new_terms_days, row.proposal_id)


# --- what is on record of a drawn item ------------------------------------------------------------------------------------------------


def dossiers(uow: UnitOfWork, reading: Reading, drawn: Sequence[Item]) -> list[Dossier]:
    """What the record has of each drawn item, in their order. Raises TamperedEntry when an entry is not the one that was verified."""
    ids = sorted({one.proposal for one in drawn if one.proposal})
    proposals = {one.proposal_id: one for one in uow.find(Proposal, proposal_id=ids)}
    changes = {one.proposal_id: one for one in uow.find(LimitChange, proposal_id=ids)}
    decisions = _by_proposal(uow.find(Decision, proposal_id=ids, order_by=("at", "approver_id")))
    makers = _by_proposal(uow.find(Maker, proposal_id=ids))
    conditions = _by_proposal(uow.find(ApprovalCondition, proposal_id=ids))
    logged = _logged(uow, reading, drawn, changes)
    return [
        Dossier(
            item=one,
            proposal=proposals.get(one.proposal),
            change=changes.get(one.proposal),
            decisions=tuple(decisions[one.proposal]),
            makers=tuple(sorted({m.person_id for m in makers[one.proposal]})),
            conditions=tuple(conditions[one.proposal]),
            entries=tuple(logged[one.item]),
        )
        for one in drawn
    ]


def _by_proposal(records: Iterable[Any]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = defaultdict(list)
    for one in records:
        found[one.proposal_id].append(one)
    return found


def _logged(uow: UnitOfWork, reading: Reading, drawn: Sequence[Item], changes: Mapping[str | None, LimitChange]) -> dict[str, list[Logged]]:
    """The entries about each drawn item, by its id: of its proposal, or of the review it is, and of its change of the limit."""
    subject = {one.item: f"proposal:{one.proposal}" if one.proposal else f"review:{one.item}" for one in drawn}
    account = {one.item: f"account:{changes[one.proposal].account_id}" for one in drawn if one.proposal in changes}
    rows: dict[str, list[Logged]] = defaultdict(list)
    for row in uow.find(AuditRow, entity=sorted({*subject.values(), *account.values()}), order_by=("seq",)):
        if row.seq < len(reading.leaves):
            rows[row.entity].append(_verified(row, reading))
    found = {}
    for one in drawn:
        mine = list(rows[subject[one.item]])
        if one.item in account:
            change = changes[one.proposal].change_id
            mine += [entry for entry in rows[account[one.item]] if entry.body["data"].get("change") == change]
        found[one.item] = sorted(mine, key=lambda entry: entry.seq)
    return found


def _verified(row: AuditRow, reading: Reading) -> Logged:
    if row.leaf != reading.leaves[row.seq] or leaf_hash(row.body) != row.leaf:
        raise TamperedEntry(row.seq, "is not the entry that was verified a moment ago")
    return Logged(seq=row.seq, leaf=row.leaf, text=row.body, body=json.loads(row.body))


# --- what an auditor concluded ---------------------------------------------------------------------------------------------------------

SAMPLE = "audit_sample"
"""Control of the findings of samples."""


def deviations(
    uow: UnitOfWork, of: Of, sample: Sample, concluded: Mapping[str, Concluded], *, entry: int, severity: Severity
) -> list[tuple[Alarm, str]]:
    """An alarm for each item that deviates, with the auditor's remark. `entry` is the one that says that this sample was drawn.

    Raises BadInput where it does not: the sample was drawn from another log, or never.
    """
    row = uow.get(AuditRow, seq=entry)
    data = json.loads(row.body)["data"] if row is not None and row.action == Action.AUDIT_READ else {}
    if data.get("sample") != sample.digest:
        raise BadInput(
            said("entry {seq} of this log does not say that this sample was drawn", seq=entry),
            expected=said("the folder of a sample drawn from this database"),
        )
    found = []
    for number, one in enumerate(sample.drawn, start=1):
        conclusion = concluded[one.item]
        if conclusion.conclusion == Conclusion.DEVIATION:
            facts: dict[str, str | int] = {"of": of, "item": one.item, "paper": number, "sample": sample.digest, "approvers": one.approvers}
            if conclusion.correct_minor is not None:
                facts |= {"currency": one.currency, "amount_minor": one.amount_minor, "correct_minor": conclusion.correct_minor}
            subject = f"proposal:{one.proposal}" if one.proposal else f"review:{one.item}"
            alarm = Alarm(control=SAMPLE, subject=subject, severity=severity, facts=facts, entries=(one.seq,))
            found.append((alarm, conclusion.remark))
    return found


# --- the record of the sample itself --------------------------------------------------------------------------------------------------


def drawn(uow: UnitOfWork, frozen: Frozen, sample: Sample, *, by: str) -> None:
    """Append `audit.read`: who drew which sample of which population; the caller commits."""
    about = {"what": "sample", "population": frozen.facts(), "plan": sample.plan.facts()}
    found = {"drawn": len(sample.drawn), "sample": sample.digest}
    uow.append(Entry(action=Action.AUDIT_READ, actor=actor(by), entity="log", data={**about, **found}))
