"""The form with which sales asks for a limit, and the message that follows the request; no score and no bureau data, before or after."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from credit_review.limits.codes import MISSING, STALE, Cap
from credit_review.messages.card import CONDITIONS, OUTCOMES, asked, asked_briefly
from credit_review.messages.forms import INPUT
from credit_review.messages.text import Block, Message, cleaned, escaped, field, header, lines, modal, section, text_input
from credit_review.model.records import Proposal
from credit_review.model.states import ConditionKind, ProposalState
from credit_review.policy.formula.vocabulary import INPUTS
from credit_review.words import Words, listed, marked, said

REQUEST_FORM = "credit_review_request_form"
CUSTOMER, AMOUNT, UNTIL, TERMS, REASON, ORDER = "customer", "amount", "until", "terms", "reason", "order"


def request_form(words: Words) -> Block:
    """Customer, amount, end, terms, order at stake and reason."""
    w = words
    hint = w.say(said("In the currency of the customer's account; empty: what the review finds"))
    number = {"type": "number_input", "action_id": INPUT, "is_decimal_allowed": False, "min_value": "0", "max_value": "3650"}
    blocks = [
        field(CUSTOMER, w.say(said("Customer id")), text_input(INPUT, longest=80)),
        field(AMOUNT, w.say(said("Limit asked for")), text_input(INPUT, longest=40), optional=True, hint=hint),
        field(UNTIL, w.say(said("Only until (empty: for good)")), {"type": "datepicker", "action_id": INPUT}, optional=True),
        field(TERMS, w.say(said("Payment terms, days net")), number, optional=True),
        field(ORDER, w.say(said("Order at stake")), text_input(INPUT, longest=40), optional=True, hint=w.say(said("In the same currency"))),
        field(REASON, w.say(said("Why the customer needs it")), text_input(INPUT, multiline=True, shortest=3)),
    ]
    title = w.say(said("Ask for a limit"))
    return modal(REQUEST_FORM, title, blocks, close=w.say(said("Cancel")), submit=w.say(said("Ask")))


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request as its message shows it: `proposal` is the newest it became (None: none yet), `begins` the day of effect once applied.

    `role` is the tier that is to approve, `reason` why it was refused, `open` the conditions (kind, due) not confirmed yet.
    """

    customer_id: str
    proposal: Proposal | None = None
    role: str = ""
    reason: str = ""
    begins: date | None = None
    open: Sequence[tuple[str, date]] = ()


def request_status(asked_for: Asked, words: Words) -> Message:
    """How a request stands, for who asked: status, what is still needed, from when; no scores, no grades and no bureau data."""
    w = words
    title = request_title(asked_for, w)
    rows = [(w.say(said("Status")), w.say(request_state(asked_for))), *request_details(asked_for, w)]
    return Message(escaped(cleaned(title, 300)), (header(w.say(said("Your request"))), section(title), lines(rows)))


def request_title(asked_for: Asked, words: Words, *, briefly: bool = False) -> str:
    """What is asked for, in one line (`briefly`: one of many); before there is a proposal, for whom."""
    proposal = asked_for.proposal
    if proposal is None:
        return words.say(said("Customer {id}", id=asked_for.customer_id))
    ask = asked_briefly if briefly else asked
    return ask(proposal, json.loads(proposal.packet_json)["customer_name"], words)


def request_details(asked_for: Asked, words: Words) -> list[tuple[str, str]]:
    """Labelled lines beside the status: what was asked for where it differs, from when, what is still needed."""
    w, proposal = words, asked_for.proposal
    packet = json.loads(proposal.packet_json) if proposal else {}
    rows: list[tuple[str, str]] = []
    wanted = (packet.get("request") or {}).get("amount_minor")
    if proposal and wanted is not None and wanted != proposal.to_minor:
        rows.append((w.say(said("You asked for")), w.money(wanted, proposal.currency)))
    if asked_for.begins:
        rows.append((w.say(said("From")), w.day(asked_for.begins)))
    for kind, due in asked_for.open:
        still = said("{what}, by {day}", what=CONDITIONS[ConditionKind(kind)], day=due)
        rows.append((w.say(said("Still needed")), w.say(still)))
    if documents := missing_documents(packet):
        rows.append((w.say(said("Missing documents")), w.say(listed(documents, by=marked("{first}; {rest}")))))
    return rows


def request_state(asked_for: Asked) -> str:
    """How a request stands, in a few words."""
    proposal = asked_for.proposal
    if proposal is None:
        return said("Not possible: {why}", why=asked_for.reason) if asked_for.reason else said("Received; the customer is being reviewed")
    state = ProposalState(proposal.state)
    if state == ProposalState.DRAFT:
        return said("With the analyst, who puts it before the approvers")
    if state == ProposalState.PENDING:
        return said("Waiting for approval by {role}", role=asked_for.role)
    if state == ProposalState.APPROVED and asked_for.open:
        return said("Approved on condition")
    outcome = OUTCOMES[state]
    return said("{outcome}: {why}", outcome=outcome, why=asked_for.reason) if asked_for.reason else outcome


_DOCUMENTS = {
    (Cap.NET_WORTH, MISSING): said("annual accounts"),
    (Cap.NET_WORTH, STALE): said("newer annual accounts"),
    (Cap.RECOMMENDATION, MISSING): said("an external report"),
    (Cap.RECOMMENDATION, STALE): said("a newer external report"),
    (Cap.NEED, MISSING): said("sales expected in a year, with payment terms"),
}
_OF_AGE = {"net_worth_age_days": Cap.NET_WORTH, "statements_age_days": Cap.NET_WORTH, "external_age_days": Cap.RECOMMENDATION}
_OF_INPUT = {name: cap for name, one in INPUTS.items() if (cap := _OF_AGE.get(one.age))} | {
    "sales_12m": Cap.NEED,
    "need_by_terms": Cap.NEED,
}
"""The cap that rests on the same document as an input of the policy's own formula."""


def missing_documents(packet: Mapping[str, Any]) -> list[str]:
    """Documents whose absence held the engine back, in words: what a customer could send."""
    entries = (entry.split(":") for entry in packet.get("substitutes", ()))
    asked = ((_OF_INPUT.get(name, name), why) for name, why, _ in entries)
    return list(dict.fromkeys(_DOCUMENTS[Cap(cap), why] for cap, why in asked if (cap, why) in _DOCUMENTS))
