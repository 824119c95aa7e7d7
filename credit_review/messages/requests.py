"""The form with which sales asks for a limit; it shows no score and no bureau data, before or after."""

from __future__ import annotations

from credit_review.messages.forms import INPUT
from credit_review.messages.text import Block, field, modal, text_input
from credit_review.words import Words, said

REQUEST_FORM = "credit_review_request_form"
CUSTOMER, AMOUNT, UNTIL, TERMS, REASON = "customer", "amount", "until", "terms", "reason"


def request_form(words: Words) -> Block:
    """Customer, amount, end, terms and reason."""
    w = words
    hint = w.say(said("In the currency of the customer's account; empty: what the review finds"))
    number = {"type": "number_input", "action_id": INPUT, "is_decimal_allowed": False, "min_value": "0", "max_value": "3650"}
    blocks = [
        field(CUSTOMER, w.say(said("Customer id")), text_input(INPUT, longest=80)),
        field(AMOUNT, w.say(said("Limit asked for")), text_input(INPUT, longest=40), optional=True, hint=hint),
        field(UNTIL, w.say(said("Only until (empty: for good)")), {"type": "datepicker", "action_id": INPUT}, optional=True),
        field(TERMS, w.say(said("Payment terms, days net")), number, optional=True),
        field(REASON, w.say(said("Why the customer needs it")), text_input(INPUT, multiline=True, shortest=3)),
    ]
    title = w.say(said("Ask for a limit"))
    return modal(REQUEST_FORM, title, blocks, close=w.say(said("Cancel")), submit=w.say(said("Ask")))
