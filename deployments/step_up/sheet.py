"""What is shown of a proposal to the person who decides it: everything he signs, in his language, and what the forms ask for."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

from credit_review import messages
from credit_review.authority import SYSTEM, Asking, Code, Judgement, Matrix, judge
from credit_review.messages.card import DONE, REASON_CODES, View
from credit_review.messages.effect import tells_when
from credit_review.messages.gathering import view_of
from credit_review.model.money import Money
from credit_review.model.records import Proposal, StepUpLink
from credit_review.model.states import Assurance, Verdict
from credit_review.ports import UnitOfWork
from credit_review.review.directory import current_delegations
from credit_review.review.standing import matrix_in_force
from credit_review.words import Words, listed, said, said_many, unpacked

Row = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Typed:
    """What a form carries: verdict, amount, reason and principal, as the person typed them."""

    verdict: str = ""
    amount: str = ""
    reason: str = ""
    reason_code: str = ""
    on_behalf_of: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forms:
    """Where the forms go, their secret, and whom he may decide for; `typed` and `wrong` when something typed must be corrected."""

    place: str
    csrf: str
    principals: Sequence[Row] = ()
    codes: Sequence[Row] = ()
    typed: Typed = Typed()
    wrong: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """A proposal as its page shows it. `forms` None: this person cannot decide it now, and `notice` says why."""

    ask: str
    reader: str
    labels: Mapping[str, str]
    figures: Sequence[Row]
    voices: Sequence[Row]
    authority: Sequence[Row]
    derivation: Sequence[Row]
    origin: Sequence[Row]
    notice: str
    forms: Forms | None


def sheet_of(uow: UnitOfWork, link: StepUpLink, company: messages.Company, forms: Forms, now: datetime) -> Sheet:
    """The page of a link's proposal, for the link's person. Raises Refused when the proposal cannot be judged."""
    view = view_of(uow, link.proposal_id, company, now, reader_id=link.person_id)
    matrix = matrix_in_force(uow, now)
    asking = Asking(person_id=link.person_id, digest=link.digest, assurance=Assurance.SIGNED_IN)
    judgement = judge(replace(view.standing, asking=asking), matrix, now)
    proposal, packet, words = view.proposal, json.loads(view.proposal.packet_json), view.words
    may = judgement.code in (Code.ALLOWED, Code.CHOOSE_PRINCIPAL)
    codes = [(code, words.say(text)) for code, text in REASON_CODES.items()]
    forms = replace(forms, principals=_principals(uow, view, link.person_id, now), codes=codes)
    return Sheet(
        ask=messages.asked(proposal, packet["customer_name"], words),
        reader=words.say(said("Signed in as {name}", name=view.name(link.person_id))),
        labels=_labels(proposal, words),
        figures=[*messages.figures(packet, words), *_dates(packet, words)],
        voices=list(_voices(view, packet)),
        authority=list(_authority(view, judgement, matrix, packet)),
        derivation=[(words.say(unpacked(label)), words.say(unpacked(figure))) for label, figure in packet["derivation"]],
        origin=_origin(proposal, link, packet, words),
        notice="" if may else words.say(judgement.text),
        forms=forms if may else None,
    )


def _principals(uow: UnitOfWork, view: View, person_id: str, now: datetime) -> list[Row]:
    stands = current_delegations(uow, on=view.standing.today, known_at=now)
    return [(d.principal_id, view.name(d.principal_id)) for d in stands if d.delegate_id == person_id]


def _dates(packet: Mapping[str, Any], w: Words) -> Iterator[Row]:
    """Terms where they stay as they are (`figures` has them only where they change), and from when to when."""
    days = packet["terms_days"]
    if days is not None and days == packet["from_terms_days"]:
        yield w.say(said("Terms")), w.say(said_many("{n} day, as before", "{n} days, as before", n=days))
    if packet.get("effective_from"):
        start, end = packet["effective_from"], packet.get("effective_to")
        day = date.fromisoformat(start)
        if tells_when(packet) and not end:
            return  # `figures` has said it
        changed = said("from {day}, until it is changed", day=day)
        holds = said("from {day} until {end}", day=day, end=date.fromisoformat(end)) if end else changed
        yield w.say(said("Holds")), w.say(holds)


def _voices(view: View, packet: Mapping[str, Any]) -> Iterator[Row]:
    """What people said: comments, questions and answers, the analyst's changes, and those who decided before."""
    w = view.words
    for note in packet["notes"]:
        if note["text"]:
            yield view.name(note["by"]), f"“{note['text']}”"
    for step in packet.get("amendments", []):
        old, new = (Money(step[side]["to_minor"], packet["currency"]) for side in ("from", "to"))
        changed = said("changed {old} to {new}: {reason}", old=old, new=new, reason=step["reason"])
        yield view.name(step["by"]), w.say(changed)
    for one in sorted(view.standing.decisions, key=lambda d: (d.at, d.approver_id)):
        text = w.say(said("{done} {moment}", done=DONE[Verdict(one.verdict)], moment=one.at))
        yield view.name(one.approver_id), f"{text}, “{one.reason}”" if one.reason else text


def _authority(view: View, judgement: Judgement, matrix: Matrix, packet: Mapping[str, Any]) -> Iterator[Row]:
    w, proposer = view.words, view.proposal.proposer_id
    review = said("review {label}", label=packet.get("review", {}).get("label", ""))
    yield w.say(said("Asked by")), view.name(proposer) if proposer != SYSTEM else w.say(review)
    title = matrix.tiers[matrix.rank(judgement.tier)].name
    given = said(
        "{tier} ({name}): {given} of {needed} approvals given",
        tier=judgement.tier,
        name=title,
        given=judgement.approvals_given,
        needed=judgement.approvals_needed,
    )
    yield w.say(said("Needs")), w.say(view.collective or given)
    if judgement.on_behalf_of:
        yield w.say(said("On behalf of")), view.name(judgement.on_behalf_of)
    yield (
        w.say(said("May vote") if view.collective else said("May approve")),
        w.say(listed([view.name(p) for p in judgement.who_may]) or said("nobody")),
    )


def _origin(proposal: Proposal, link: StepUpLink, packet: Mapping[str, Any], w: Words) -> list[Row]:
    """What identifies that which is decided."""
    found = [
        (w.say(said("Proposal")), proposal.proposal_id),
        (w.say(said("Packet")), link.digest),
        (w.say(said("Policy")), proposal.policy_digest[:16]),
        (w.say(said("Authority matrix")), proposal.authority_digest[:16]),
    ]
    if packet.get("review"):
        found.append((w.say(said("Review")), packet["review"].get("label", "")))
    return [*found, (w.say(said("This link ends")), w.moment(link.expires_at))]


def _labels(proposal: Proposal, w: Words) -> dict[str, str]:
    """Headings, fields and buttons."""
    amount = Money(proposal.to_minor, proposal.currency)
    return {
        "voices": w.say(said("What people said")),
        "authority": w.say(said("Authority")),
        "derivation": w.say(said("From need to the proposed limit")),
        "origin": w.say(said("What you sign")),
        "decide": w.say(said("Your decision")),
        "amount": w.say(said("Type the limit you approve, in {currency}", currency=proposal.currency)),
        "code": w.say(said("Reason")),
        "choose": w.say(said("Choose")),
        "reason": w.say(said("Why (the analyst and the auditor read it)")),
        "behalf": w.say(said("On behalf of")),
        "myself": w.say(said("Myself")),
        "approve": w.say(said("Approve {amount}", amount=amount)),
        "otherwise": w.say(said("Reject it, or return it with a question")),
        "question": w.say(said("Why, or your question to the analyst")),
        "reject": w.say(said("Reject")),
        "return": w.say(said("Return with a question")),
        "once": w.say(said("You decide once: afterwards this link is used.")),
    }
