"""The one place that answers people: what decides is stored first and acknowledged then, what only looks is acknowledged at once.

Whoever is refused is told so in his language, wherever he acted, and the refusal is on record, once for each delivery. What could not
be stored in time is not acknowledged: Slack shows an error, nothing is stored, and the person acts again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from credit_review import messages
from credit_review.errors import BadInput, CreditReviewError, Refused
from credit_review.messages import forms, notices
from credit_review.messages.text import Block, Message, button, buttons, modal, section
from credit_review.words import Words, said
from deployments.slack_listener.identity import account_of
from deployments.slack_listener.office import DEADLINE, Office, Told
from deployments.slack_listener.showing import cause_of

if TYPE_CHECKING:
    from slack_bolt import Ack, BoltContext, Respond

LOG = logging.getLogger("credit_review.slack")
LINK = "credit_review_link"
Body = Mapping[str, Any]
Handler = Callable[[Office, Body], "Told | None"]
Then = Callable[[Office, Body], None]


def looks(office: Office, handler: Handler) -> Callable[..., None]:
    """A listener for clicks and commands that decide nothing: acknowledged at once."""

    def listen(ack: Ack, body: Body, respond: Respond) -> None:
        ack()
        try:
            told = _by_one_of_ours(office, body, handler)
        except CreditReviewError as error:
            told = _refused_after_all(office, body, error)
        if told is not None:
            tell(office, body, respond, told)

    return listen


def decides(office: Office, handler: Handler, then: Then | None = None) -> Callable[..., None]:
    """A listener for clicks that decide: one commit within the request's deadline, then the acknowledgement, then the echo."""

    def listen(ack: Ack, body: Body, respond: Respond, context: BoltContext) -> None:
        told = _decided(office.until(context.get(DEADLINE)), body, handler)
        ack()
        office.pump.wake()
        if told is not None:
            tell(office, body, respond, told)
        if then is not None:
            then(office, body)

    return listen


def submits(office: Office, handler: Handler, field: str, then: Then | None = None) -> Callable[..., None]:
    """A listener for forms that decide or state something; a refusal stays in the form, at `field`, where the person reads it."""

    def listen(ack: Ack, body: Body, context: BoltContext) -> None:
        told = _decided(office.until(context.get(DEADLINE)), body, handler)
        if told is not None and not told.accepted:
            words = messages.cleaned(told.words.say(told.text), 150)
            ack(response_action="errors", errors={_field(body["view"], told.code, field): words})
        elif told is not None:
            ack(response_action="update", view=dict(said_in_modal(told)))
        else:
            ack()
        office.pump.wake()
        office.asker.wake()
        if then is not None and (told is None or told.accepted):
            then(office, body)

    return listen


def _decided(office: Office, body: Body, handler: Handler) -> Told | None:
    try:
        try:
            return _by_one_of_ours(office, body, handler)
        except (BadInput, Refused) as error:
            return refused(office, body, error)
    except CreditReviewError:
        LOG.exception("an answer could not be stored in time; it is not acknowledged, so that the person answers again")
        raise


def _by_one_of_ours(office: Office, body: Body, handler: Handler) -> Told | None:
    # asked of Slack before any transaction begins: nobody waits for a turn to write while Slack makes up its mind
    office.directory.require_ours(account_of(body))
    return handler(office, body)


def refused(office: Office, body: Body, error: CreditReviewError) -> Told:
    """What somebody is told who was refused, in his language; a refusal by a rule is on record by then. Raises Unavailable."""
    if isinstance(error, Refused):
        office.record(body, error)
    with office.services.store.read() as uow:
        words = office.words_of(uow, body)
    return Told(words.error(error), words, accepted=False, code=error.code if isinstance(error, Refused) else "")


def _refused_after_all(office: Office, body: Body, error: CreditReviewError) -> Told:
    """The same where the click is acknowledged already: he is told even when it could not be put on record."""
    try:
        return refused(office, body, error)
    except CreditReviewError:
        LOG.exception("a refusal could not be put on record")
        return Told(office.company.words.error(error), office.company.words, accepted=False)


_FIELDS = {
    "bad_condition": forms.CONDITION_TEXT,
    "condition_due": forms.CONDITION_DUE,
    "no_approval": forms.CONDITION,
    "bad_counter_end": forms.UNTIL,
    "type_amount": forms.TYPED,
    "reason_needed": forms.REASON,
    "reason_too_long": forms.REASON,
    "unknown_reason_code": forms.CODE,
    "choose_principal": forms.BEHALF,
    "not_delegate": forms.BEHALF,
}
"""Under which field of a form a refusal stands, by its code."""


def _field(view: Body, code: str, otherwise: str) -> str:
    """The field a refusal is about, when the form has it. The amount typed again is the one that is not as offered."""
    fields = [block["block_id"] for block in view.get("blocks", ()) if block.get("type") == "input"]
    wanted = forms.TYPED if code == "typed_otherwise" and forms.TYPED in fields else _FIELDS.get(code, otherwise)
    kept = [one for one in (wanted, otherwise) if one in fields]
    return str((kept or fields or [otherwise])[0])


def tell(office: Office, body: Body, respond: Respond, told: Told) -> None:
    """Answer whoever clicked: below the message, or in the modal it was clicked in."""
    shown = told.message or answer(told)
    try:
        if (body.get("view") or {}).get("type") == "modal":
            office.client.views_update(view_id=body["view"]["id"], view=dict(said_in_modal(told)))
        elif body.get("response_url") or body.get("channel"):
            respond(text=shown.text, blocks=list(shown.blocks), response_type="ephemeral", replace_original=False)
        else:
            office.client.views_open(trigger_id=body["trigger_id"], view=dict(said_in_modal(told)))
    except Exception as error:  # the decision stands; only its echo was lost
        LOG.warning("the person who clicked could not be answered (%s)", cause_of(error))


def answer(told: Told) -> Message:
    """What is told, as a message. A link stands behind its button only: it is for one person, and no text to be passed on."""
    shown = notices.answer(told.words.say(told.text))
    return Message(shown.text, (*shown.blocks, *_link(told)))


def said_in_modal(told: Told) -> Block:
    """A modal that only says something."""
    w: Words = told.words
    blocks = [section(w.say(told.text)), *_link(told)]
    return modal("credit_review_said", w.say(said("Credit review")), blocks, close=w.say(said("Close")))


def _link(told: Told) -> list[Block]:
    if not told.link:
        return []
    opens = {**button(LINK, told.words.say(said("Open the page")), "open"), "url": told.link}
    return [buttons("link", opens)]
