"""The analyst's worklist: comment, attach, amend, defer, exclude, and release drafts to the approvers.

Only the assigned analyst or a delegate of his may; who releases or amends becomes a maker and so never an approver. What is added to
a draft becomes part of its packet, so an approver signs it too. The functions write and append entries; the caller commits.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

from credit_review.audit import Action, canonical
from credit_review.authority import Requirement, Standing
from credit_review.errors import BadInput, Conflict, Refused
from credit_review.model.records import Deferral, Exclusion, Maker, Note, Proposal
from credit_review.model.states import ExceptionKind, ProposalState
from credit_review.ports import Entry, UnitOfWork
from credit_review.review.addressing import put_before
from credit_review.review.directory import active_person, called, current_delegations
from credit_review.review.ending import end
from credit_review.review.exceptions import Source, begin, last_day
from credit_review.review.lifecycle import BATCH
from credit_review.review.manifest import digest_of
from credit_review.review.naming import actor, short_id
from credit_review.review.outbox import owe_request_update
from credit_review.review.propose import direction_of
from credit_review.review.route import Rules, change_alike, expiry, need_of, standings_of
from credit_review.review.working import Habits
from credit_review.words import marked, said

OVERRIDE = "override"
"""Exception: a person changed the engine's figure."""

_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Analyst:
    """Who works on the worklist, at which moment, and on which day of the company."""

    person_id: str
    now: datetime
    today: date


def worklist(uow: UnitOfWork, analyst: Analyst) -> list[Proposal]:
    """The drafts that wait for a person, his own and those of whoever delegated to him, oldest first."""
    for_whom = [analyst.person_id, *_principals(uow, analyst)]
    return uow.find(Proposal, state=ProposalState.DRAFT, assigned_to=for_whom, order_by=("created_at", "proposal_id"))


def comment(uow: UnitOfWork, proposal_id: str, text: str, by: Analyst) -> Proposal:
    """The draft with a comment that approvers will read."""
    return _note(uow, _draft(uow, proposal_id, by), kind="comment", text=text, sha256="", by=by)


def attach(uow: UnitOfWork, proposal_id: str, *, name: str, sha256: str, by: Analyst) -> Proposal:
    """The draft with a file attached by the SHA-256 (64 hex characters) of its content; the file itself is kept outside."""
    if not _SHA256.fullmatch(sha256):
        raise BadInput(said("{sha256} is not a SHA-256", sha256=f"{sha256:.80}"), expected=said("64 hexadecimal characters in lower case"))
    return _note(uow, _draft(uow, proposal_id, by), kind="attachment", text=name, sha256=sha256, by=by)


def amend(
    uow: UnitOfWork,
    proposal_id: str,
    *,
    to_minor: int,
    reason: str,
    by: Analyst,
    terms_days: int | None = None,
    effective_to: date | None = None,
) -> Proposal:
    """The draft with the analyst's own figure instead of the engine's, which is kept beside it with the reason.

    `terms_days` and `effective_to` None leave them as they are. The analyst becomes a maker, the proposal exceptional (`override`).
    Refused when nothing would change any more: then defer or exclude.
    """
    _reason(reason)
    draft = _draft(uow, proposal_id, by)
    new = replace(
        draft,
        to_minor=to_minor,
        terms_days=draft.terms_days if terms_days is None else terms_days,
        effective_to=draft.effective_to if effective_to is None else effective_to,
    )
    _sensible(new, draft)
    way = direction_of(from_minor=new.from_minor, to_minor=new.to_minor, from_terms_days=new.from_terms_days, terms_days=new.terms_days)
    new = replace(new, direction=way, exceptional=_with(draft.exceptional, OVERRIDE), straight_through_rule="")
    packet = json.loads(draft.packet_json)
    step = {"by": by.person_id, "at": by.now.isoformat(), "reason": reason, "from": _figures(draft), "to": _figures(new)}
    packet |= {**_figures(new), "exceptional": new.exceptional.split("|"), "amendments": [*packet["amendments"], step]}
    stored = _repacked(uow, draft, new, packet)
    _maker(uow, draft, by, "amended")
    uow.add(_note_record(draft, "amendment", reason, "", by))
    data: dict[str, Any] = {"digest_before": draft.digest, "digest": stored.digest, "before": _figures(draft), "after": _figures(new)}
    data |= {"engine_minor": draft.engine_minor, "currency": draft.currency}
    _append(uow, Action.PROPOSAL_AMENDED, stored, by, data, {"reason": reason})
    return stored


def defer(uow: UnitOfWork, proposal_id: str, *, until: date, owner_id: str, reason: str, by: Analyst) -> Deferral:
    """The customer put off until a day, with an owner; the draft is returned, and a reduction in it becomes a risk kept."""
    _reason(reason)
    if until <= by.today:
        raise BadInput(said("deferred until {until}", until=until), expected=said("a day after today, {today}", today=by.today))
    draft = _draft(uow, proposal_id, by)
    active_person(uow, owner_id, on=by.today, known_at=by.now)
    last_day(uow, ExceptionKind.DEFERRAL, by.today, by.now, asked=until)
    fact = Deferral(
        deferral_id=short_id("f", proposal_id),
        customer_id=draft.customer_id,
        review_id=draft.review_id,
        owner_id=owner_id,
        until=until,
        reason=reason,
        recorded_at=by.now,
    )
    uow.add(fact)
    data = {"review": draft.review_id, "until": until.isoformat(), "owner": owner_id, "proposal": proposal_id}
    _customer_entry(uow, Action.CUSTOMER_DEFERRED, draft, by, data, reason)
    kept = Source(kind=ExceptionKind.DEFERRAL, key=fact.deferral_id, owner=owner_id, reason=reason, starts=by.today, ends=until)
    begin(uow, draft, kept, by.now, by=by.person_id)
    _maker(uow, draft, by, "deferred")
    _end(uow, draft, ProposalState.RETURNED, Action.PROPOSAL_RETURNED, "deferred", by)
    return fact


def exclude(uow: UnitOfWork, proposal_id: str, *, rule: str, reason: str, by: Analyst, until: date | None = None) -> Exclusion:
    """The customer excluded by a named rule until a day, else for as long as policy allows; the draft is rejected, and a reduction becomes
    a risk kept."""
    _reason(reason)
    if not rule.strip():
        raise BadInput(
            said("an exclusion needs a rule"),
            expected=said("the name of the rule that excludes the customer"),
            next_step=said("add --rule"),
        )
    if until is not None and until <= by.today:
        raise BadInput(said("excluded until {until}", until=until), expected=said("a day after today, {today}", today=by.today))
    draft = _draft(uow, proposal_id, by)
    until = last_day(uow, ExceptionKind.EXCLUSION, by.today, by.now, asked=until)
    fact = Exclusion(
        exclusion_id=short_id("x", proposal_id),
        customer_id=draft.customer_id,
        review_id=draft.review_id,
        rule=rule,
        owner_id=by.person_id,
        valid_from=by.today,
        valid_to=until,
        reason=reason,
        recorded_at=by.now,
    )
    uow.add(fact)
    data = {"review": draft.review_id, "rule": rule, "until": until.isoformat(), "proposal": proposal_id}
    _customer_entry(uow, Action.CUSTOMER_EXCLUDED, draft, by, data, reason)
    why = f"{rule}: {reason}"
    kept = Source(kind=ExceptionKind.EXCLUSION, key=fact.exclusion_id, owner=by.person_id, reason=why, starts=by.today, ends=until)
    begin(uow, draft, kept, by.now, by=by.person_id)
    _maker(uow, draft, by, "excluded")
    _end(uow, draft, ProposalState.REJECTED, Action.PROPOSAL_REJECTED, "excluded", by)
    return fact


def release(uow: UnitOfWork, proposal_ids: Sequence[str], rules: Rules, by: Analyst) -> list[Proposal]:
    """The drafts, now pending, with tier and approvals as they stand today; all of up to 500, or none when one is refused.

    The analyst becomes a maker of each. Each gets its expiry, and is put before those who may decide (`rules.to`).
    """
    if not proposal_ids or len(set(proposal_ids)) != len(proposal_ids) or len(proposal_ids) > BATCH:
        raise BadInput(
            said("{proposal_ids} proposals to release", proposal_ids=len(proposal_ids)),
            expected=said("1 to {batch} different ones", batch=BATCH),
        )
    drafts = _drafts(uow, proposal_ids, by)
    standings = standings_of(uow, drafts, rules, by.now)
    needs = {d.proposal_id: need_of(standings.get(d.proposal_id), rules.matrix) for d in drafts}
    habits = rules.habits(uow, by.now)
    changes = {d.proposal_id: _pending(d, needs[d.proposal_id], standings.get(d.proposal_id), rules, habits, by) for d in drafts}
    change_alike(uow, changes)
    made = {m.proposal_id for m in uow.find(Maker, proposal_id=list(changes), person_id=by.person_id)}
    uow.add(*(Maker(proposal_id=i, person_id=by.person_id, how="released", at=by.now) for i in changes if i not in made))
    for draft in drafts:
        to, need = changes[draft.proposal_id], needs[draft.proposal_id]
        data = {"from": draft.state, "to": to["state"], "digest": draft.digest, "tier": to["tier"], "approvals": to["required_approvals"]}
        data |= {"because": list(need.because) if need else [], "expires_at": to["expires_at"].isoformat()}
        _append(uow, Action.PROPOSAL_RELEASED, draft, by, data, None)
    released = [replace(draft, **changes[draft.proposal_id]) for draft in drafts]
    seen = [_made_by(replace(standings[p.proposal_id], proposal=p), by) for p in released]
    put_before(uow, seen, rules.matrix, rules.to, by.now)
    for proposal in released:
        owe_request_update(uow, proposal, by.now)
    return released


def _made_by(standing: Standing, by: Analyst) -> Standing:
    return replace(standing, makers=standing.makers | {by.person_id})


def _pending(
    draft: Proposal, need: Requirement | None, standing: Standing | None, rules: Rules, habits: Habits, by: Analyst
) -> dict[str, Any]:
    if need is None or standing is None:
        raise Refused(
            "no_rate",
            said(
                "proposal {proposal_id}: the group's limits cannot be added up in {control_currency}",
                proposal_id=draft.proposal_id,
                control_currency=rules.matrix.control_currency,
            ),
            expected=said("a rate for every currency of the group"),
            next_step=said("record the rate, then release again"),
        )
    return {
        "state": ProposalState.PENDING,
        "tier": need.tier,
        "required_approvals": need.approvals,
        "expires_at": expiry(_made_by(standing, by), rules, habits, by.now),
        "straight_through_rule": "",
    }


def _principals(uow: UnitOfWork, analyst: Analyst) -> list[str]:
    found = current_delegations(uow, on=analyst.today, known_at=analyst.now)
    return sorted({d.principal_id for d in found if d.delegate_id == analyst.person_id})


def _draft(uow: UnitOfWork, proposal_id: str, by: Analyst) -> Proposal:
    return _drafts(uow, [proposal_id], by)[0]


def _drafts(uow: UnitOfWork, proposal_ids: Sequence[str], by: Analyst) -> list[Proposal]:
    """The proposals, locked, all drafts in this person's worklist. Refused naming the first that is not."""
    found = {p.proposal_id: p for p in uow.find(Proposal, proposal_id=sorted(proposal_ids), lock=True)}
    active_person(uow, by.person_id, on=by.today, known_at=by.now)
    mine = {by.person_id, *_principals(uow, by)}
    for proposal_id in proposal_ids:
        _waits_for(uow, found.get(proposal_id), proposal_id, mine)
    return [found[i] for i in proposal_ids]


_IS = marked("proposal {proposal_id} is {state}")
_NOT_ROUTED = marked("proposal {proposal_id} is {state} and not routed yet")


def _waits_for(uow: UnitOfWork, found: Proposal | None, proposal_id: str, people: Collection[str]) -> None:
    if found is None:
        raise Refused(
            "unknown_proposal",
            said("there is no proposal {proposal_id}", proposal_id=proposal_id),
            next_step=said("`credit-review inbox` lists what awaits you"),
        )
    if found.state != ProposalState.DRAFT or not found.assigned_to:
        raise Refused(
            "release.not_waiting",
            said(_IS if found.assigned_to else _NOT_ROUTED, proposal_id=proposal_id, state=said(found.state)),
            expected=said("a draft that waits in a worklist"),
            next_step=said("`credit-review inbox` lists what awaits you"),
        )
    if found.assigned_to not in people:
        assigned = called(uow, found.assigned_to)
        raise Refused(
            "release.not_assigned",
            said("proposal {proposal_id} waits for {assigned}", proposal_id=proposal_id, assigned=assigned),
            expected=said("the assigned analyst or a delegate"),
            next_step=said("{assigned} releases it, or delegates to you", assigned=assigned),
        )


def _note(uow: UnitOfWork, draft: Proposal, *, kind: str, text: str, sha256: str, by: Analyst) -> Proposal:
    _reason(text)
    packet = json.loads(draft.packet_json)
    packet["notes"] = [*packet["notes"], {"kind": kind, "by": by.person_id, "at": by.now.isoformat(), "text": text, "sha256": sha256}]
    stored = _repacked(uow, draft, draft, packet)
    uow.add(_note_record(draft, kind, text, sha256, by))
    data = {"kind": kind, "sha256": sha256, "digest_before": draft.digest, "digest": stored.digest}
    _append(uow, Action.PROPOSAL_COMMENTED, stored, by, data, {"text": text})
    return stored


def _note_record(draft: Proposal, kind: str, text: str, sha256: str, by: Analyst) -> Note:
    note_id = short_id("n", draft.proposal_id, kind, by.person_id, by.now.isoformat(), text, sha256)
    return Note(note_id=note_id, proposal_id=draft.proposal_id, person_id=by.person_id, kind=kind, text=text, sha256=sha256, at=by.now)


def _repacked(uow: UnitOfWork, draft: Proposal, new: Proposal, packet: Mapping[str, Any]) -> Proposal:
    """Stores the draft's new figures, packet and digest together."""
    text = canonical(dict(packet))
    to = {
        "to_minor": new.to_minor,
        "terms_days": new.terms_days,
        "effective_to": new.effective_to,
        "direction": new.direction,
        "exceptional": new.exceptional,
        "straight_through_rule": new.straight_through_rule,
        "packet_json": text,
        "digest": digest_of(text),
    }
    _change(uow, draft, to)
    return replace(new, packet_json=text, digest=digest_of(text))


def _change(uow: UnitOfWork, draft: Proposal, to: Mapping[str, Any]) -> None:
    where = {"proposal_id": draft.proposal_id, "state": ProposalState.DRAFT, "digest": draft.digest}
    if uow.change(Proposal, where=where, to=to) != 1:
        raise Conflict(said("proposal {proposal_id} changed meanwhile", proposal_id=draft.proposal_id), next_step=said("read it again"))


def _sensible(new: Proposal, draft: Proposal) -> None:
    if new.to_minor < 0:
        raise BadInput(said("limit of {to_minor} minor units", to_minor=new.to_minor), expected=said("0 or more"))
    if new.effective_to is not None and new.effective_to <= new.effective_from:
        raise BadInput(
            said("ends on {effective_to}", effective_to=new.effective_to),
            expected=said("a day after it starts, {effective_from}", effective_from=new.effective_from),
        )
    if (new.to_minor, new.terms_days, new.effective_to) == (draft.from_minor, draft.from_terms_days, None):
        raise Refused(
            "amend.no_change",
            said("proposal {proposal_id} would change nothing", proposal_id=draft.proposal_id),
            expected=said("another amount, other terms or an end"),
            next_step=said("to leave the limit as it is, defer the customer or exclude it by a rule"),
        )
    if _figures(new) == _figures(draft):
        raise Refused(
            "amend.same",
            said("proposal {proposal_id} asks for that already", proposal_id=draft.proposal_id),
            expected=said("a figure that differs"),
        )


def _figures(proposal: Proposal) -> dict[str, Any]:
    end_day = proposal.effective_to.isoformat() if proposal.effective_to else None
    return {"to_minor": proposal.to_minor, "terms_days": proposal.terms_days, "effective_to": end_day}


def _with(codes: str, code: str) -> str:
    present = [c for c in codes.split("|") if c]
    return "|".join(present if code in present else [*present, code])


def _maker(uow: UnitOfWork, draft: Proposal, by: Analyst, how: str) -> None:
    uow.add_if_absent(Maker(proposal_id=draft.proposal_id, person_id=by.person_id, how=how, at=by.now))


def _end(uow: UnitOfWork, draft: Proposal, to: ProposalState, action: Action, code: str, by: Analyst) -> None:
    end(uow, draft, to, code=code, now=by.now)
    data = {"from": draft.state, "to": to, "outcome": code, "digest": draft.digest}
    _append(uow, action, draft, by, data, None)


def _append(
    uow: UnitOfWork, action: Action, proposal: Proposal, by: Analyst, data: Mapping[str, Any], payload: Mapping[str, Any] | None
) -> None:
    """One entry; acting for the assigned analyst is said in it."""
    behalf = proposal.assigned_to if proposal.assigned_to != by.person_id else None
    about = {**data, "on_behalf_of": behalf}
    uow.append(Entry(action=action, actor=actor(by.person_id), entity=f"proposal:{proposal.proposal_id}", data=about, payload=payload))


def _customer_entry(uow: UnitOfWork, action: Action, draft: Proposal, by: Analyst, data: Mapping[str, Any], reason: str) -> None:
    entity = f"customer:{draft.customer_id}"
    uow.append(Entry(action=action, actor=actor(by.person_id), entity=entity, data=data, payload={"reason": reason}))


def _reason(text: str) -> None:
    if not text.strip():
        raise BadInput(said("no text given"), expected=said("a sentence that a colleague will understand next year"))
