"""Conditions of an approval: what must come true, by when, before the limit is applied. A second person confirms each with evidence."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from typing import Any

from credit_review.audit import Action
from credit_review.errors import BadInput, Conflict, Refused
from credit_review.model.records import ApprovalCondition, Proposal
from credit_review.model.states import ConditionKind, ConditionState, ProposalState
from credit_review.ports import Clock, Entry, Store, UnitOfWork
from credit_review.review.directory import active_person, delegates_of
from credit_review.review.ending import end
from credit_review.review.naming import actor, short_id
from credit_review.review.outbox import owe_apply, owe_card_updates, owe_request_update
from credit_review.review.standing import matrix_in_force
from credit_review.words import said

SWEEPER = "system:sweep"
MOST = 5
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
            raise Refused("bad_condition", said("a condition is due from today and before the proposal expires on {day}", day=last))


def record_conditions(uow: UnitOfWork, proposal: Proposal, asked: Sequence[ConditionAsked], person_id: str, now: datetime) -> None:
    """Keeps the conditions of a person's approval; the entry of the decision names them."""
    for n, one in enumerate(asked):
        uow.add(
            ApprovalCondition(
                condition_id=short_id("k", proposal.proposal_id, person_id, str(n)),
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
        raise BadInput(f"no condition {condition_id}", expected="an id that `credit-review conditions list` shows")
    proposal = uow.get(Proposal, proposal_id=condition.proposal_id, lock=True)
    assert proposal is not None  # noqa: S101  a foreign key holds it
    today = now.astimezone(zone).date()
    _may_confirm(uow, condition, proposal, person_id, today, now)
    if not evidence.strip():
        raise Refused("no_evidence", said("say what you saw and where it is kept"))
    if evidence_sha256 and not _SHA256.fullmatch(evidence_sha256):
        raise BadInput(f"{evidence_sha256!r:.80} is not a SHA-256", expected="64 hexadecimal characters in lower case")
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
    matrix = matrix_in_force(uow, now)
    holds = matrix.highest(person_id, today, proposal.region) >= 0
    analyst = {proposal.assigned_to, *delegates_of(uow, proposal.assigned_to, on=today, known_at=now)}
    if not holds and person_id not in analyst:
        raise Refused("condition_not_yours", said("the analyst, his delegate or a holder of a tier confirms a condition"))
    if condition.state != ConditionState.OPEN or proposal.state not in (ProposalState.PENDING, ProposalState.APPROVED):
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
    if proposal.state not in (ProposalState.PENDING, ProposalState.APPROVED):
        return False
    end(uow, proposal, ProposalState.EXPIRED, code="condition_lapsed", now=now)
    data = {"code": "condition_lapsed", "from": proposal.state, "to": ProposalState.EXPIRED, "digest": proposal.digest}
    uow.append(Entry(action=Action.PROPOSAL_EXPIRED, actor=SWEEPER, entity=f"proposal:{proposal.proposal_id}", data=data))
    return True


def _settle(
    uow: UnitOfWork, condition: ApprovalCondition, to: ConditionState, by: str, now: datetime, evidence: str, evidence_sha256: str
) -> None:
    where = {"condition_id": condition.condition_id, "state": ConditionState.OPEN}
    fields = {"state": to, "settled_by": by, "settled_at": now, "evidence": evidence, "evidence_sha256": evidence_sha256}
    if uow.change(ApprovalCondition, where=where, to=fields) != 1:
        raise Conflict(f"condition {condition.condition_id} was settled meanwhile")


def _append(
    uow: UnitOfWork, action: Action, condition: ApprovalCondition, by: str, data: dict[str, Any], payload: dict[str, Any] | None
) -> None:
    uow.append(Entry(action=action, actor=by, entity=f"proposal:{condition.proposal_id}", data=data, payload=payload))
