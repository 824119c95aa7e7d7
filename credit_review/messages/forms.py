"""The modals of approvals: rejection, question, counter-offer, typed approval, conditions, confirmation, answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from credit_review.errors import BadInput
from credit_review.limits.own_risk import own_risk_if_used
from credit_review.messages.card import CONDITIONS, REASON_CODES, about, offered
from credit_review.messages.text import Block, field, lines, modal, section, select, text_input, value_of
from credit_review.model.money import Money, exponent
from credit_review.model.records import Proposal
from credit_review.model.states import Assurance
from credit_review.review.counter import Foreseen
from credit_review.words import Words, listed, said, said_many

REJECT_FORM, RETURN_FORM, COUNTER_FORM = "credit_review_reject_form", "credit_review_return_form", "credit_review_counter_form"
APPROVE_FORM, CONFIRM_FORM, ANSWER_FORM = "credit_review_approve_form", "credit_review_confirm_form", "credit_review_answer_form"
COUNTER_CHANGED = "credit_review_counter_changed"

CODE, REASON, AMOUNT, UNTIL, TERMS = "code", "reason", "amount", "until", "terms"
CONDITION, CONDITION_TEXT, CONDITION_DUE, EVIDENCE, BEHALF = "condition", "condition_text", "condition_due", "evidence", "behalf"
TYPED = "typed"
INPUT = "input"
"""Action id of the element in every field; the field is told by its block id."""


def reject_form(proposal: Proposal, ask: str, words: Words) -> Block:
    """Asks for the reason of a rejection, code and text."""
    title, label = words.say(said("Reject")), words.say(said("Why (the analyst and the auditor read it)"))
    return _reasoned(REJECT_FORM, title, label, proposal, ask, words)


def return_form(proposal: Proposal, ask: str, words: Words) -> Block:
    """Asks for the question, code and text."""
    title, label = words.say(said("Return")), words.say(said("Your question to the analyst"))
    return _reasoned(RETURN_FORM, title, label, proposal, ask, words)


def _reasoned(callback_id: str, title: str, label: str, proposal: Proposal, ask: str, w: Words) -> Block:
    codes = select(INPUT, [(code, w.say(text)) for code, text in REASON_CODES.items()], placeholder=w.say(said("Choose")))
    blocks = [
        section(ask),
        field(CODE, w.say(said("Reason")), codes),
        field(REASON, label, text_input(INPUT, multiline=True, shortest=3)),
    ]
    metadata = value_of(proposal=proposal.proposal_id, digest=proposal.digest)
    return modal(callback_id, title, blocks, close=w.say(said("Cancel")), submit=title, metadata=metadata)


def approve_form(proposal: Proposal, ask: str, words: Words, *, typed: bool, principals: Sequence[tuple[str, str]] = ()) -> Block:
    """An approval that takes more than a click, or carries a condition: the amount typed (`typed`), a reason, what must come true first."""
    blocks: list[Block] = [section(ask)]
    if typed:
        hint = words.say(said("Type the limit you approve, in {currency}", currency=proposal.currency))
        blocks.append(field(AMOUNT, words.say(said("Amount")), _number(proposal.currency), hint=hint))
    blocks.append(
        field(REASON, words.say(said("Reason")), text_input(INPUT, multiline=True, shortest=3 if typed else 0), optional=not typed)
    )
    blocks += _behalf(principals, words)
    blocks += _condition_fields(words)
    metadata = value_of(proposal=proposal.proposal_id, digest=proposal.digest)
    title = words.say(said("Approve"))
    return modal(APPROVE_FORM, title, blocks, close=words.say(said("Cancel")), submit=title, metadata=metadata)


def _condition_fields(w: Words) -> list[Block]:
    kinds = select(INPUT, [(kind, w.say(text)) for kind, text in CONDITIONS.items()], placeholder=w.say(said("No condition")))
    return [
        field(
            CONDITION, w.say(said("On condition")), kinds, optional=True, hint=w.say(said("A second person confirms it before it applies"))
        ),
        field(CONDITION_TEXT, w.say(said("What exactly")), text_input(INPUT, longest=500), optional=True),
        field(CONDITION_DUE, w.say(said("By")), {"type": "datepicker", "action_id": INPUT}, optional=True),
    ]


def _behalf(principals: Sequence[tuple[str, str]], w: Words) -> list[Block]:
    if not principals:
        return []
    return [field(BEHALF, w.say(said("On behalf of")), select(INPUT, principals, placeholder=w.say(said("Myself"))), optional=True)]


def _number(currency: str, *, initial: str = "", dispatches: bool = False) -> Block:
    shown: dict[str, Any] = {"type": "number_input", "action_id": INPUT, "is_decimal_allowed": exponent(currency) > 0, "min_value": "0"}
    shown |= {"initial_value": initial} if initial else {}
    return shown | ({"dispatch_action_config": {"trigger_actions_on": ["on_character_entered"]}} if dispatches else {})


def counter_form(
    proposal: Proposal,
    ask: str,
    words: Words,
    *,
    foreseen: Foreseen | str | None,
    names: Mapping[str, str],
    assurance: Assurance = Assurance.CLICK,
) -> Block:
    """Amount, end and terms of a counter-offer; below them what it would become (`foreseen`), said anew at every change.

    `assurance` is what an approval for less by the reader himself takes.
    """
    w = words
    currency = proposal.currency
    amount = _action(_number(currency, initial=_major(proposal.to_minor, currency), dispatches=True))
    until: dict[str, Any] = {"type": "datepicker", "action_id": COUNTER_CHANGED}
    until |= {"initial_date": proposal.effective_to.isoformat()} if proposal.effective_to else {}
    terms: dict[str, Any] = {
        "type": "number_input",
        "action_id": COUNTER_CHANGED,
        "is_decimal_allowed": False,
        "min_value": "0",
        "max_value": "3650",
        "dispatch_action_config": {"trigger_actions_on": ["on_character_entered"]},
    }
    terms |= {"initial_value": str(proposal.terms_days)} if proposal.terms_days is not None else {}
    blocks = [
        section(ask),
        field(AMOUNT, w.say(said("Limit in {currency}", currency=currency)), amount, dispatches=True),
        field(UNTIL, w.say(said("Ends on (empty: no end)")), until, optional=True, dispatches=True),
        field(TERMS, w.say(said("Payment terms, days net (empty: as proposed)")), terms, optional=True, dispatches=True),
        lines(_foreseen_lines(proposal, foreseen, w, names)),
        field(REASON, w.say(said("Reason")), text_input(INPUT, multiline=True, shortest=3)),
        *_condition_fields(w),
    ]
    if assurance == Assurance.TYPED:
        hint = w.say(said("An approval for less of this tier takes it; an offer that others decide does not"))
        blocks.append(field(TYPED, w.say(said("Type the amount again")), _number(currency), optional=True, hint=hint))
    if assurance == Assurance.SIGNED_IN:
        blocks.append(
            section(w.say(said("An approval for less of this tier is given outside Slack; an offer that others decide is made here.")))
        )
    metadata = value_of(proposal=proposal.proposal_id, digest=proposal.digest)
    title = w.say(said("Counter-offer"))
    return modal(COUNTER_FORM, title, blocks, close=w.say(said("Cancel")), submit=w.say(said("Send")), metadata=metadata)


def _action(element: Block) -> Block:
    return {**element, "action_id": COUNTER_CHANGED}


def _major(minor: int, currency: str) -> str:
    return str(Money(minor, currency).decimal().normalize().__format__("f"))


def _foreseen_lines(proposal: Proposal, foreseen: Foreseen | str | None, w: Words, names: Mapping[str, str]) -> list[tuple[str, str]]:
    if foreseen is None:
        text = said("as proposed so far: change a value to see it. With a condition and no change, Send approves what is proposed.")
        return [(w.say(said("What it would mean")), w.say(text))]
    if not isinstance(foreseen, Foreseen):
        return [(w.say(said("Not possible")), w.say(foreseen))]
    currency, figures = proposal.currency, foreseen.figures
    used = "–" if foreseen.utilisation is None else w.percent(foreseen.utilisation)
    most = own_risk_if_used(figures.to_minor, exposure_minor=proposal.exposure_minor, own_risk_minor=proposal.own_risk_minor)
    risk = said("{own} today, {most} if used in full", own=about(proposal.own_risk_minor, currency), most=about(most, currency))
    who = listed([names.get(p, p) for p in foreseen.asked]) or said("nobody")
    if foreseen.mine:
        then: str = said("An approval for less, by you, under {tier}.", tier=foreseen.need.tier)
    else:
        then = said_many(
            "You become its maker. It goes to {who}: {tier}, {n} approval.",
            "You become its maker. It goes to {who}: {tier}, {n} approvals.",
            n=foreseen.need.approvals,
            who=who,
            tier=foreseen.need.tier,
        )
    return [
        # which figures an answer speaks of, so that it can never be read as the answer to others
        (w.say(said("For this offer")), w.say(offered(figures.to_minor, currency, figures.terms_days, figures.effective_to))),
        (w.say(said("Use of the limit")), used),
        (w.say(said("Own risk")), w.say(risk)),
        (w.say(said("What happens")), w.say(then)),
    ]


def confirm_form(condition_id: str, what: str, words: Words) -> Block:
    """Asks a second person for the evidence that a condition is met."""
    label = words.say(said("What you saw, and where it is kept"))
    blocks = [section(what), field(EVIDENCE, label, text_input(INPUT, multiline=True, shortest=3))]
    title = words.say(said("Confirm"))
    return modal(CONFIRM_FORM, title, blocks, close=words.say(said("Cancel")), submit=title, metadata=value_of(condition=condition_id))


def answer_form(proposal_id: str, question: str, words: Words) -> Block:
    """Asks the analyst for the answer to an approver's question."""
    label = words.say(said("Your answer (the approver reads it on a fresh card)"))
    blocks = [section(question), field(REASON, label, text_input(INPUT, multiline=True, shortest=3))]
    title = words.say(said("Answer"))
    return modal(ANSWER_FORM, title, blocks, close=words.say(said("Cancel")), submit=title, metadata=value_of(proposal=proposal_id))


def typed_in(view: Mapping[str, Any], block_id: str) -> str:
    """What stands in a field of a submitted or changed form; empty when nothing."""
    for element in view["state"]["values"].get(block_id, {}).values():
        chosen = element.get("selected_option") or {}
        return str(element.get("value") or element.get("selected_date") or chosen.get("value") or "")
    return ""


def day_in(view: Mapping[str, Any], block_id: str) -> date | None:
    """The day chosen in a field; None when none. Raises BadInput for what is no day."""
    text = typed_in(view, block_id)
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise BadInput(said("choose a day")) from None
