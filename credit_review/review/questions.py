"""A proposal returned with a question, and its answer: the analyst (or who asked for the limit) answers, and a fresh proposal follows."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, tzinfo
from hashlib import sha256

from credit_review.audit import Action
from credit_review.authority import SYSTEM, requirement
from credit_review.errors import BadInput, Refused
from credit_review.model.records import CreditLimit, LimitAccount, Maker, Note, Proposal
from credit_review.model.states import OPEN_PROPOSAL_STATES, DocumentOfRecord, ProposalState
from credit_review.ports import Entry, UnitOfWork
from credit_review.review.addressing import Destinations, put_before
from credit_review.review.directory import active_person, called, delegates_of
from credit_review.review.ending import created_data, successor_of
from credit_review.review.governed import in_force
from credit_review.review.naming import actor, short_id
from credit_review.review.outbox import QUESTION, owe_card_updates, owe_messages, owe_request_update, owe_successor_cards, to_person
from credit_review.review.standing import gather, matrix_in_force
from credit_review.words import said


def ask_analyst(uow: UnitOfWork, proposal: Proposal, to: Destinations, now: datetime) -> None:
    """Owes the question to who can answer it, and below the card in the channel."""
    subject = f"{QUESTION}:{proposal.proposal_id}"
    people = [to_person(p) for p in answerers(proposal)] if to.direct else []
    owe_messages(uow, [(subject, address) for address in (*people, *filter(None, [to.channel]))], now)


def answerers(proposal: Proposal) -> tuple[str, ...]:
    """Who is asked about a returned proposal: the analyst whose worklist it came from, and the person who asked for the limit."""
    asked = (proposal.assigned_to, "" if proposal.proposer_id == SYSTEM else proposal.proposer_id)
    return tuple(dict.fromkeys(p for p in asked if p))


def answer(uow: UnitOfWork, proposal_id: str, text: str, *, person_id: str, now: datetime, zone: tzinfo, to: Destinations) -> Proposal:
    """The fresh pending proposal with the answer in its packet, made by who answers; the caller commits.

    It starts from the limit now in force, under the rules now in force, and expires when the returned one would have.
    Refused to anybody but the analyst, his delegate, or who asked for the limit; and once another proposal is open for the account.
    """
    if not text.strip():
        raise BadInput(said("no answer given"), expected=said("a sentence that the approver and the auditor will understand"))
    old = uow.get(Proposal, proposal_id=proposal_id, lock=True)
    if old is None:
        raise BadInput(
            said("no proposal {proposal_id}", proposal_id=proposal_id), expected=said("a proposal that was returned with a question")
        )
    _may_answer(uow, old, person_id, now, zone)
    _still_stands(uow, old, now)
    note = {"kind": "comment", "by": person_id, "at": now.isoformat(), "text": text, "sha256": ""}
    question = _question(uow, old)
    packet_notes = [*json.loads(old.packet_json)["notes"], *question, note]
    rules = {kind: _digest(uow, kind, now) for kind in (DocumentOfRecord.POLICY, DocumentOfRecord.AUTHORITY)}
    new = successor_of(
        old,
        key=f"answer:{sha256(text.encode()).hexdigest()}",
        now=now,
        shown={"notes": packet_notes},
        policy_digest=rules[DocumentOfRecord.POLICY],
        authority_digest=rules[DocumentOfRecord.AUTHORITY],
    )
    _store(uow, old, new, person_id, text, now, zone, to)
    return new


def _may_answer(uow: UnitOfWork, old: Proposal, person_id: str, now: datetime, zone: tzinfo) -> None:
    today = now.astimezone(zone).date()
    active_person(uow, person_id, on=today, known_at=now)
    if old.state != ProposalState.RETURNED or not _question(uow, old):
        raise Refused("not_returned", said("the proposal is {state}; only one returned with a question is answered", state=said(old.state)))
    mine = answerers(old)
    stand_in = {d for p in mine for d in delegates_of(uow, p, on=today, known_at=now)}
    if person_id not in mine and person_id not in stand_in:
        who = " or ".join(called(uow, p) for p in mine)
        raise Refused("not_yours_to_answer", said("{who} answers this question", who=who))


def _still_stands(uow: UnitOfWork, old: Proposal, now: datetime) -> None:
    uow.get(LimitAccount, account_id=old.account_id, lock=True)
    if uow.find(Proposal, account_id=old.account_id, state=OPEN_PROPOSAL_STATES):
        raise Refused("another_open", said("another proposal for this limit is open meanwhile; comment on that one"))
    limit = uow.get(CreditLimit, account_id=old.account_id)
    if (limit.version if limit else 0) != old.base_version:
        raise Refused("base_changed", said("the limit in force changed since; ask for a new one instead"))
    if old.expires_at is not None and now >= old.expires_at:
        raise Refused("expired", said("the proposal expired at {moment}", moment=old.expires_at))


def _question(uow: UnitOfWork, old: Proposal) -> list[dict[str, str]]:
    notes = uow.find(Note, proposal_id=old.proposal_id, kind="question", order_by=("at",))
    return [{"kind": n.kind, "by": n.person_id, "at": n.at.isoformat(), "text": n.text, "sha256": ""} for n in notes]


def _digest(uow: UnitOfWork, kind: DocumentOfRecord, now: datetime) -> str:
    document = in_force(uow, kind, now)
    return document.digest if document else ""


def _store(uow: UnitOfWork, old: Proposal, new: Proposal, person_id: str, text: str, now: datetime, zone: tzinfo, to: Destinations) -> None:
    kept = {m.person_id: m.how for m in uow.find(Maker, proposal_id=old.proposal_id)}
    uow.add(new)
    uow.add(
        *(Maker(proposal_id=new.proposal_id, person_id=p, how=how, at=now) for p, how in sorted({person_id: "answered", **kept}.items()))
    )
    note_id = short_id("n", new.proposal_id, "answer")
    uow.add(Note(note_id=note_id, proposal_id=new.proposal_id, person_id=person_id, kind="comment", text=text, sha256="", at=now))
    matrix = matrix_in_force(uow, now)
    standing = gather(uow, new.proposal_id, matrix, now, zone=zone)
    need = requirement(standing, matrix)
    routed = replace(new, tier=need.tier, required_approvals=need.approvals)
    uow.change(Proposal, where={"proposal_id": new.proposal_id}, to={"tier": routed.tier, "required_approvals": routed.required_approvals})
    data = {**created_data(new), "cause": "answered", "tier": need.tier, "approvals": need.approvals}
    entity = f"proposal:{new.proposal_id}"
    uow.append(Entry(action=Action.PROPOSAL_CREATED, actor=actor(person_id), entity=entity, data=data, payload={"answer": text}))
    owe_successor_cards(uow, old.proposal_id, new, now)
    put_before(uow, [replace(standing, proposal=routed)], matrix, replace(to, channel=""), now)
    owe_card_updates(uow, old.proposal_id, now)
    owe_request_update(uow, new, now)
