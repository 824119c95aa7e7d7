"""How an analyst's or approver's own work went, for that person: turnaround, returns, overrides and what became of them.

No ranking and no comparison between people; every figure stands with the number of cases behind it, and below `LEAST` cases it is not
said at all. `gather` reads the store; the rest is pure.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo
from statistics import median
from typing import Any

from credit_review.audit import Action
from credit_review.model.records import AuditRow, Decision, Maker, Note, PacketOpening, Proposal, Review
from credit_review.model.states import Verdict
from credit_review.monitoring.overrides import QUARTERS, Hindsight, Override, became
from credit_review.ports import UnitOfWork
from credit_review.words import marked

EMERGENCY = str(marked("emergency"))
"""Role of who raised a limit before its approval."""
LEAST = 10
"""Fewer cases than this say more about chance than about a person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One piece of work of one person: a release (`analyst`) or an answer (`approver`).

    `returned` says that it came back: a release that an approver returned, or an answer that is a return. `opened` is when that person
    first opened the packet before, None when he never did.
    """

    person_id: str
    role: str
    what: str
    at: datetime
    opened: datetime | None
    returned: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """One person in one role. Hours are elapsed hours; `median_hours` None: too few cases.

    `answers` counts what he did by kind. `looked_at` has, by quarters after, the overrides a later review looked at, by what it found
    (`better`, `same`, `worse`, and `late` beside); None: too few cases. `overrides_known` has the number of cases behind each.
    """

    person_id: str
    role: str
    cases: int
    answers: Mapping[str, int]
    returned: int
    opened_cases: int
    median_hours: float | None
    slowest_tenth_hours: float | None
    overrides: int
    overrides_up: int
    overrides_known: Mapping[int, int]
    looked_at: Mapping[int, Mapping[str, int] | None]


def period_of(label: str) -> tuple[date, date]:
    """First and last day of a calendar quarter such as `2026Q4`. Raises ValueError for anything else."""
    year, quarter = int(label[:4]), int(label[5:])
    if label[4:5] != "Q" or len(label) != 6 or not 1 <= quarter <= 4:
        raise ValueError(label)
    first = date(year, 3 * quarter - 2, 1)
    following = date(year + quarter // 4, 3 * quarter % 12 + 1, 1)
    return first, following - timedelta(days=1)


# --- what the store says --------------------------------------------------------------------------------------------------------------


def gather(uow: UnitOfWork, first: date, last: date, zone: tzinfo) -> tuple[list[Case], list[Override]]:
    """Releases, answers and overrides made on days of the period in the company's time zone, in order of time."""

    def inside(at: datetime) -> bool:
        return first <= at.astimezone(zone).date() <= last

    makers = [m for m in uow.find(Maker, how=("released", "amended")) if inside(m.at)]
    decisions = [d for d in uow.find(Decision) if inside(d.at)]
    released = [json.loads(row.body) for row in uow.find(AuditRow, action=Action.PROPOSAL_RELEASED)]
    amended = [json.loads(row.body) for row in uow.find(AuditRow, action=Action.PROPOSAL_AMENDED)]
    ids = sorted({*(m.proposal_id for m in makers), *(d.proposal_id for d in decisions), *(_about(e) for e in (*released, *amended))})
    proposals = {p.proposal_id: p for p in uow.find(Proposal, proposal_id=ids)} if ids else {}
    opened = {(o.proposal_id, o.person_id): o.opened_at for o in uow.find(PacketOpening, proposal_id=ids)} if ids else {}
    back = {d.proposal_id for d in uow.find(Decision, proposal_id=ids, verdict=Verdict.RETURN)} if ids else set()
    by_people = [e for e in released if e["actor"].startswith("person:") and inside(_moment(e))]
    cases = [*_releases(by_people, opened, back), *_answers(decisions, opened)]
    as_of = {r.review_id: r.as_of for r in uow.find(Review)}
    notes = uow.find(Note, proposal_id=ids, kind="amendment", order_by=("at",)) if ids else []
    why = {n.proposal_id: n.text for n in notes}
    changed = _amendments([e for e in amended if inside(_moment(e))], proposals, as_of, why)
    overrides = [*changed, *_counters(uow, decisions, proposals, as_of), *_emergencies(uow, inside, as_of)]
    return sorted(cases, key=lambda c: (c.at, c.person_id)), overrides


def _about(entry: Mapping[str, Any]) -> str:
    return str(entry["entity"].partition(":")[2])


def _moment(entry: Mapping[str, Any]) -> datetime:
    return datetime.fromisoformat(entry["ts"])


def _releases(entries: Iterable[Mapping[str, Any]], opened: Mapping[tuple[str, str], datetime], back: set[str]) -> Iterator[Case]:
    for entry in entries:
        proposal, person = _about(entry), str(entry["actor"].partition(":")[2])
        seen, at = opened.get((proposal, person)), _moment(entry)
        yield Case(person_id=person, role="analyst", what="release", at=at, opened=_before(seen, at), returned=proposal in back)


def _answers(decisions: Iterable[Decision], opened: Mapping[tuple[str, str], datetime]) -> Iterator[Case]:
    for one in decisions:
        seen = _before(opened.get((one.proposal_id, one.approver_id)), one.at)
        returned = one.verdict == Verdict.RETURN
        yield Case(person_id=one.approver_id, role="approver", what=one.verdict, at=one.at, opened=seen, returned=returned)


def _before(seen: datetime | None, at: datetime) -> datetime | None:
    return seen if seen is not None and seen <= at else None


def _amendments(
    entries: Iterable[Mapping[str, Any]], proposals: Mapping[str, Proposal], as_of: Mapping[str, date], why: Mapping[str, str]
) -> Iterator[Override]:
    """The last amendment of each proposal, against the engine's figure; one that came back to it is none."""
    newest = {_about(e): e for e in entries}
    for key, entry in sorted(newest.items()):
        found, engine = proposals.get(key), entry["data"]["engine_minor"]
        if found is not None and engine is not None and engine != entry["data"]["after"]["to_minor"]:
            person = str(entry["actor"].partition(":")[2])
            after = entry["data"]["after"]["to_minor"]
            yield _override(person, "analyst", found, as_of, before=engine, after=after, reason=why.get(key, ""))


def _counters(
    uow: UnitOfWork, decisions: Iterable[Decision], proposals: Mapping[str, Proposal], as_of: Mapping[str, date]
) -> Iterator[Override]:
    offers = [d for d in decisions if d.verdict == Verdict.COUNTER and d.proposal_id in proposals]
    made = uow.find(Proposal, supersedes_id=sorted({d.proposal_id for d in offers})) if offers else []
    by = {p.supersedes_id: p for p in made}
    for one in offers:
        old, new = proposals[one.proposal_id], by.get(one.proposal_id)
        if new is not None and new.to_minor != old.to_minor:
            yield _override(one.approver_id, "approver", old, as_of, before=old.to_minor, after=new.to_minor, reason=one.reason)


def _emergencies(uow: UnitOfWork, inside: Callable[[datetime], bool], as_of: Mapping[str, date]) -> Iterator[Override]:
    """Limits put in force before their approval, whatever became of that: against the engine's figure, or what stood where it had none."""
    made = [e for e in (json.loads(row.body) for row in uow.find(AuditRow, action=Action.LIMIT_OVERRIDE)) if inside(_moment(e))]
    asked = {p.proposal_id: p for p in uow.find(Proposal, proposal_id=sorted({e["data"]["proposal"] for e in made}))} if made else {}
    for entry in made:
        found = asked.get(entry["data"]["proposal"])
        if found is None:
            continue
        before = found.engine_minor if found.engine_minor is not None else found.from_minor or 0
        reason = (json.loads(found.packet_json).get("request") or {}).get("reason", "")
        if before != found.to_minor:
            person = str(entry["actor"].partition(":")[2])
            yield _override(person, EMERGENCY, found, as_of, before=before, after=found.to_minor, reason=reason)


def _override(person: str, role: str, found: Proposal, as_of: Mapping[str, date], *, before: int, after: int, reason: str) -> Override:
    return Override(
        person_id=person,
        role=role,
        customer_id=found.customer_id,
        as_of=as_of[found.review_id],
        grade=found.grade,
        before_minor=before,
        after_minor=after,
        proposal_id=found.proposal_id,
        currency=found.currency,
        reason=reason,
    )


# --- figures --------------------------------------------------------------------------------------------------------------------------


def figures(
    cases: Sequence[Case],
    overrides: Sequence[Override],
    hindsight: Mapping[tuple[str, date, int], Hindsight],
    grades: Sequence[str],
    *,
    least: int = LEAST,
) -> list[Figures]:
    """Figures of each person in each role, by person id and role.

    `hindsight` has what is known of a customer, by id, as-of date of the override's review and quarters after; `grades` are policy's,
    best first.
    """
    who = sorted({(c.person_id, c.role) for c in cases} | {(o.person_id, o.role) for o in overrides})
    return [
        _figures(
            person, role,
            [c for c in cases if (c.person_id, c.role) == (person, role)],
            [o for o in overrides if (o.person_id, o.role) == (person, role)],
            hindsight, grades, least,
        )
        for person, role in who
    ]  # fmt: skip


def _figures(
    person: str,
    role: str,
    cases: Sequence[Case],
    overrides: Sequence[Override],
    hindsight: Mapping[tuple[str, date, int], Hindsight],
    grades: Sequence[str],
    least: int,
) -> Figures:
    hours = sorted((c.at - c.opened).total_seconds() / 3600 for c in cases if c.opened is not None)
    enough = len(hours) >= least
    known = {q: [(o, hindsight[key]) for o in overrides if (key := (o.customer_id, o.as_of, q)) in hindsight] for q in QUARTERS}
    return Figures(
        person_id=person,
        role=role,
        cases=len(cases),
        answers=dict(sorted(Counter(c.what for c in cases).items())),
        returned=sum(c.returned for c in cases),
        opened_cases=len(hours),
        median_hours=round(median(hours), 1) if enough else None,
        slowest_tenth_hours=round(hours[-(-len(hours) * 9 // 10) - 1], 1) if enough else None,
        overrides=len(overrides),
        overrides_up=sum(o.after_minor > o.before_minor for o in overrides),
        overrides_known={q: len(found) for q, found in known.items()},
        looked_at={q: became(found, grades) if len(found) >= least else None for q, found in known.items()},
    )
