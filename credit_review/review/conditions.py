"""Conditions of an approval: what must come true, by when, before the limit is applied. A second person confirms each with evidence."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from typing import Any

from credit_review.audit import Action
from credit_review.authority import Matrix
from credit_review.errors import BadInput, Conflict, Refused
from credit_review.model.records import ApprovalCondition, Proposal, SlackMessage
from credit_review.model.states import ConditionKind, ConditionState, ProposalState
from credit_review.ports import Clock, Entry, Store, UnitOfWork
from credit_review.review.directory import active_person, delegates_of, persons
from credit_review.review.ending import end
from credit_review.review.naming import actor, short_id
from credit_review.review.outbox import (
    CONDITION,
    LAPSED,
    card_of,
    owe_apply,
    owe_card_updates,
    owe_messages,
    owe_request_update,
    owe_updates,
    person_of,
    to_person,
)
from credit_review.review.standing import matrix_in_force
from credit_review.words import said

SWEEPER = "system:sweep"
MOST = 5
_STILL = (ProposalState.PENDING, ProposalState.APPROVED)
_LONGEST_TEXT = 1000
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ConditionAsked:
    """A condition as an approver states it; `due` is the last day on which it may be confirmed."""

    kind: str
    text: str
    due: date


def check_conditions(asked: Sequence[ConditionAsked], proposal: Proposal, today: date) -> None:
    """Returns if the conditions can be met in time. Refused otherwise: an approval does not outlive its proposal's expiry."""
    if len(asked) > MOST:
        raise Refused("too_many_conditions", said("an approval has {most} conditions at most", most=MOST))
    last = proposal.expires_at.date() if proposal.expires_at else date.max
    for one in asked:
        if one.kind not in tuple(ConditionKind) or (one.kind == ConditionKind.OTHER and not one.text.strip()):
            raise Refused("bad_condition", said("a condition says what must come true"))
        if len(one.text) > _LONGEST_TEXT:
            raise Refused("bad_condition", said("a condition's text has {most} characters at most", most=_LONGEST_TEXT))
        if not today <= one.due < last:
            raise Refused("condition_due", said("a condition is due from today and before the proposal expires on {day}", day=last))


def record_conditions(
    uow: UnitOfWork,
    proposal: Proposal,
    asked: Sequence[ConditionAsked],
    person_id: str,
    now: datetime,
    *,
    tell: Collection[str] = (),
) -> None:
    """Keeps the conditions of a person's approval and tells these people of them; the entry of the decision names them."""
    ids = [short_id("k", proposal.proposal_id, person_id, str(n)) for n in range(len(asked))]
    for condition_id, one in zip(ids, asked, strict=True):
        uow.add(
            ApprovalCondition(
                condition_id=condition_id,
                proposal_id=proposal.proposal_id,
                kind=one.kind,
                text=one.text,
                due=one.due,
                asked_by=person_id,
                asked_at=now,
                state=ConditionState.OPEN,
                settled_by="",
                settled_at=None,
                evidence="",
                evidence_sha256="",
            )
        )
    owe_messages(uow, [(f"{CONDITION}:{i}", to_person(p)) for i in ids for p in sorted(tell)], now)


def confirmers(uow: UnitOfWork, proposal: Proposal, matrix: Matrix, *, today: date, now: datetime) -> frozenset[str]:
    """Who may confirm a condition that somebody else set: the analyst, his delegates, holders of any tier; not who asked for the limit."""
    prepares = {proposal.assigned_to, *delegates_of(uow, proposal.assigned_to, on=today, known_at=now)}
    holds = {h.person for h in matrix.holders if matrix.highest(h.person, today, proposal.region) >= 0}
    active = {p.person_id for p in persons(uow, on=today, known_at=now) if p.active}
    return frozenset((prepares | holds) & active - {proposal.proposer_id})


def told(uow: UnitOfWork, proposal: Proposal, matrix: Matrix, setter: str, *, today: date, now: datetime) -> frozenset[str]:
    """Who is told that a condition waits: the analyst and holders of the tier that decides; where there are none, all who may confirm."""
    may = confirmers(uow, proposal, matrix, today=today, now=now) - {setter}
    rank = matrix.rank(proposal.tier)
    holders = {h.person for h in matrix.holders}
    near = {p for p in may if p not in holders or matrix.highest(p, today, proposal.region) == rank}
    return frozenset(near or may)


def to_confirm(uow: UnitOfWork, person_id: str, now: datetime, *, zone: tzinfo) -> list[tuple[ApprovalCondition, Proposal]]:
    """Open conditions that a person may confirm, those due first first."""
    waiting = uow.find(ApprovalCondition, state=ConditionState.OPEN, order_by=("due", "condition_id"))
    if not waiting:
        return []
    matrix, today = matrix_in_force(uow, now), now.astimezone(zone).date()
    found = {p.proposal_id: p for p in uow.find(Proposal, proposal_id=sorted({c.proposal_id for c in waiting}), state=_STILL)}
    may = {i: person_id in confirmers(uow, p, matrix, today=today, now=now) for i, p in found.items()}
    return [(c, found[c.proposal_id]) for c in waiting if c.asked_by != person_id and may.get(c.proposal_id)]


def condition_data(asked: ConditionAsked) -> dict[str, Any]:
    """What the decision's entry says of a condition; its text stays in the erasable record."""
    return {"kind": asked.kind, "due": asked.due.isoformat()}


def open_conditions(uow: UnitOfWork, proposal_ids: Collection[str]) -> list[ApprovalCondition]:
    """The conditions of these proposals that nobody has confirmed yet."""
    return uow.find(ApprovalCondition, proposal_id=sorted(proposal_ids), state=ConditionState.OPEN) if proposal_ids else []


def confirm(
    uow: UnitOfWork, condition_id: str, *, person_id: str, evidence: str, evidence_sha256: str = "", now: datetime, zone: tzinfo
) -> ApprovalCondition:
    """The condition, met: by somebody else than who asked for it, with evidence. The last one lets the limit be applied.

    `evidence` says what was seen and where it is kept, `evidence_sha256` is the digest of a file. The caller commits. Refused to the
    approver who set it, to who asked for the limit, and to anybody but the analyst, his delegate or a holder of a tier.
    """
    condition = uow.get(ApprovalCondition, condition_id=condition_id)
    if condition is None:
        raise BadInput(
            said("no condition {condition_id}", condition_id=condition_id),
            expected=said("an id that `credit-review conditions list` shows"),
        )
    proposal = uow.get(Proposal, proposal_id=condition.proposal_id, lock=True)
    assert proposal is not None  # noqa: S101  a foreign key holds it
    today = now.astimezone(zone).date()
    _may_confirm(uow, condition, proposal, person_id, today, now)
    if not evidence.strip():
        raise Refused("no_evidence", said("say what you saw and where it is kept"))
    if evidence_sha256 and not _SHA256.fullmatch(evidence_sha256):
        raise BadInput(
            said("{evidence_sha256} is not a SHA-256", evidence_sha256=f"{evidence_sha256:.80}"),
            expected=said("64 hexadecimal characters in lower case"),
        )
    if today > condition.due:
        raise Refused("condition_late", said("the condition was due by {day}", day=condition.due))
    _settle(uow, condition, ConditionState.MET, person_id, now, evidence, evidence_sha256)
    data = {"condition": condition_id, "kind": condition.kind, "evidence_sha256": evidence_sha256 or None}
    _append(uow, Action.CONDITION_MET, condition, actor(person_id), data, {"evidence": evidence})
    if proposal.state == ProposalState.APPROVED and not open_conditions(uow, [proposal.proposal_id]):
        owe_apply(uow, proposal.proposal_id, now)
    owe_card_updates(uow, proposal.proposal_id, now)
    owe_request_update(uow, proposal, now)
    return condition


def _may_confirm(uow: UnitOfWork, condition: ApprovalCondition, proposal: Proposal, person_id: str, today: date, now: datetime) -> None:
    active_person(uow, person_id, on=today, known_at=now)
    if person_id in (condition.asked_by, proposal.proposer_id):
        raise Refused("condition_own", said("you set this condition or asked for the limit; somebody else confirms it"))
    if person_id not in confirmers(uow, proposal, matrix_in_force(uow, now), today=today, now=now):
        raise Refused("condition_not_yours", said("the analyst, his delegate or a holder of a tier confirms a condition"))
    if condition.state != ConditionState.OPEN or proposal.state not in _STILL:
        raise Refused("condition_settled", said("the condition is settled already"))


def lapse_due(store: Store, clock: Clock, *, zone: tzinfo) -> tuple[str, ...]:
    """Ids of the approved proposals that lapsed because a condition was not confirmed in time; each expires with its approval."""
    now = clock.now()
    today = now.astimezone(zone).date()
    with store.read() as uow:
        late = [c for c in uow.find(ApprovalCondition, state=ConditionState.OPEN) if c.due < today]
    lapsed = []
    for condition in late:
        with store.begin(interactive=False) as uow:
            if _lapse(uow, condition, now):
                lapsed.append(condition.proposal_id)
            uow.commit()
    return tuple(dict.fromkeys(lapsed))


def _lapse(uow: UnitOfWork, condition: ApprovalCondition, now: datetime) -> bool:
    proposal = uow.get(Proposal, proposal_id=condition.proposal_id, lock=True)
    assert proposal is not None  # noqa: S101  a foreign key holds it
    still = uow.get(ApprovalCondition, condition_id=condition.condition_id)
    if still is None or still.state != ConditionState.OPEN:
        return False
    _settle(uow, still, ConditionState.LAPSED, SWEEPER, now, "", "")
    _append(uow, Action.CONDITION_LAPSED, still, SWEEPER, {"condition": still.condition_id, "kind": still.kind}, None)
    if proposal.state not in _STILL:
        return False
    _tell_of_lapse(uow, still, now)
    end(uow, proposal, ProposalState.EXPIRED, code="condition_lapsed", now=now)
    data = {"code": "condition_lapsed", "from": proposal.state, "to": ProposalState.EXPIRED, "digest": proposal.digest}
    uow.append(Entry(action=Action.PROPOSAL_EXPIRED, actor=SWEEPER, entity=f"proposal:{proposal.proposal_id}", data=data))
    return True


def _tell_of_lapse(uow: UnitOfWork, condition: ApprovalCondition, now: datetime) -> None:
    """Owes word of it to who set the condition and who could have confirmed it, where they were asked in Slack at all."""
    subjects = [f"{CONDITION}:{condition.condition_id}", card_of(condition.proposal_id)]
    shown = {m.address for m in uow.find(SlackMessage, subject=subjects) if person_of(m.address)}
    people = shown | {to_person(condition.asked_by)} if shown else set()
    owe_messages(uow, [(f"{LAPSED}:{condition.condition_id}", address) for address in sorted(people)], now)


def _settle(
    uow: UnitOfWork, condition: ApprovalCondition, to: ConditionState, by: str, now: datetime, evidence: str, evidence_sha256: str
) -> None:
    where = {"condition_id": condition.condition_id, "state": ConditionState.OPEN}
    fields = {"state": to, "settled_by": by, "settled_at": now, "evidence": evidence, "evidence_sha256": evidence_sha256}
    if uow.change(ApprovalCondition, where=where, to=fields) != 1:
        raise Conflict(said("condition {condition_id} was settled meanwhile", condition_id=condition.condition_id))
    owe_updates(uow, [f"{CONDITION}:{condition.condition_id}"], now)


def _append(
    uow: UnitOfWork, action: Action, condition: ApprovalCondition, by: str, data: dict[str, Any], payload: dict[str, Any] | None
) -> None:
    uow.append(Entry(action=action, actor=by, entity=f"proposal:{condition.proposal_id}", data=data, payload=payload))
