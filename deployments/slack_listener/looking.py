"""Interactions that decide nothing: Why, forms, lists, the App Home, `/credit`. `answering` has acknowledged each, and answers refusals."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from credit_review import messages
from credit_review.errors import BadInput, CreditReviewError, Refused
from credit_review.messages import forms, gathering, notices, render
from credit_review.messages.card import card, condition_in_words, in_full
from credit_review.messages.digest import Listing, listing_of
from credit_review.messages.home import home
from credit_review.messages.text import Block, modal, read_value
from credit_review.messages.why import why
from credit_review.model.records import ApprovalCondition, Note, Proposal
from credit_review.model.states import Assurance
from credit_review.ports import UnitOfWork
from credit_review.review import step_up
from credit_review.review.counter import Foreseen, foresee
from credit_review.review.directory import current_delegations
from credit_review.review.opened import note_opening
from credit_review.words import Words, said
from deployments.slack_listener import credit, evidence
from deployments.slack_listener.deciding import offer_in
from deployments.slack_listener.identity import account_of
from deployments.slack_listener.office import Office, Told
from deployments.slack_listener.showing import SLACK_FAILS, cause_of, showing

if TYPE_CHECKING:
    from credit_review.adapters.wiring import Services

LOG = logging.getLogger("credit_review.slack")
OPENED = "credit_review_opened"
Body = Mapping[str, Any]


def _show(office: Office, body: Body, view: Block) -> Mapping[str, Any]:
    """Open a modal, or put it over the one the click came from."""
    over = (body.get("view") or {}).get("type") == "modal"
    opening = office.client.views_push if over else office.client.views_open
    with showing():
        return opening(trigger_id=body["trigger_id"], view=dict(view))["view"]  # type: ignore[no-any-return]


def _asked(office: Office, uow: UnitOfWork, body: Body) -> tuple[Proposal, Words, str, str]:
    """The proposal a button speaks of, the reader's words, what is asked in them, and the reader's id. Refused for strangers."""
    person = office.person(uow, body)
    words = office.words(uow, person)
    proposal_id, digest = read_value(body["actions"][0].get("value", ""), "proposal", "digest")
    proposal = uow.get(Proposal, proposal_id=proposal_id)
    if proposal is None:
        raise Refused("unknown_proposal", said("there is no such proposal"))
    if proposal.digest != digest:
        raise Refused("stale", said("the proposal changed after this card was shown; read the new card and decide on that"))
    return proposal, words, messages.asked(proposal, gathering.customer_name(proposal), words), person.person_id


def reject(office: Office, body: Body) -> None:
    """Open the form that asks why."""
    _form(office, body, forms.reject_form)


def give_back(office: Office, body: Body) -> None:
    """Open the form that asks for the question."""
    _form(office, body, forms.return_form)


def _form(office: Office, body: Body, form: Any) -> None:
    with office.services.store.read() as uow:
        proposal, words, ask, _ = _asked(office, uow, body)
    _show(office, body, form(proposal, ask, words))


def approve_typed(office: Office, body: Body) -> None:
    """Open the form that asks for the amount and a reason."""
    _approve_form(office, body, typed=True)


def approve_on_condition(office: Office, body: Body) -> None:
    """Open the form of an approval that a click is enough for, with a condition."""
    _approve_form(office, body, typed=False)


def _approve_form(office: Office, body: Body, *, typed: bool) -> None:
    with office.services.store.read() as uow:
        proposal, words, ask, person_id = _asked(office, uow, body)
        stands_for = current_delegations(uow, on=office.services.today(), known_at=office.services.clock.now())
        names = gathering.names_in(uow, office.services.clock.now())
    principals = [(d.principal_id, names.get(d.principal_id, d.principal_id)) for d in stands_for if d.delegate_id == person_id]
    _show(office, body, forms.approve_form(proposal, ask, words, typed=typed, principals=principals))


def approve_outside(office: Office, body: Body) -> Told:
    """Give the person his single-use link to the page outside Slack, or say what to type instead."""
    base = office.services.settings.step_up.url
    with office.writing() as uow:
        proposal, words, _, person_id = _asked(office, uow, body)
        if not base:
            return Told(said("Decide at the command line: credit-review decide {proposal} approve", proposal=proposal.proposal_id), words)
        token, link = step_up.new_link(proposal, person_id, office.services.clock.now())
        uow.add(link)
        uow.commit()
    text = said("Sign in and decide on the page outside Slack, once, until {moment}.", moment=link.expires_at)
    return Told(text, words, link=f"{base.rstrip('/')}/d/{token}")


def show_why(office: Office, body: Body) -> None:
    """Open Why at once with what the packet says, then fill in what the review's files say."""
    with office.services.store.read() as uow:
        proposal, words, ask, person_id = _asked(office, uow, body)
        seen = gathering.view_of(uow, proposal.proposal_id, office.company, office.services.clock.now(), reader_id=person_id)
    facts = in_full(seen)
    view = _show(office, body, why(proposal, ask, None, words, facts))
    try:
        found = evidence.gather(office.services, proposal, seen.names, words)
        _fill_in(office, view["id"], lambda picture: why(proposal, ask, replace(found, picture=picture), words, facts), proposal, words)
    finally:
        note_opening(office.services.store, proposal.proposal_id, person_id, office.services.clock.now())


def _fill_in(office: Office, view_id: str, drawn: Callable[[str], Mapping[str, Any]], proposal: Proposal, words: Words) -> None:
    image = _uploaded(office, proposal, words)
    for picture in (image, "") if image else ("",):
        try:
            office.client.views_update(view_id=view_id, view=dict(drawn(picture)))
            return
        except Exception:  # Slack may not have taken in the picture yet: the figures matter more
            LOG.warning("Why could not be filled in%s", " with its picture" if picture else "")


def _uploaded(office: Office, proposal: Proposal, words: Words) -> str:
    """The id of the picture uploaded to Slack; empty when there is none."""
    png = evidence.picture(office.services, proposal, words)
    if not png:
        return ""
    try:
        answer = office.client.files_upload_v2(content=png, filename=f"{proposal.proposal_id}.png", title="ageing")
        return str(answer["file"]["id"])
    except Exception:
        LOG.warning("the picture of Why could not be uploaded")
        return ""


# --- counter-offers -----------------------------------------------------------------------------------------------------------------


def counter(office: Office, body: Body) -> None:
    """Open the form of a counter-offer."""
    with office.services.store.read() as uow:
        proposal, words, ask, _ = _asked(office, uow, body)
        view = gathering.view_of(uow, proposal.proposal_id, office.company, office.services.clock.now())
    _show(office, body, forms.counter_form(proposal, ask, words, foreseen=None, names={}, assurance=view.assurance))


def counter_changed(office: Office, body: Body) -> None:
    """Say what the offer would become with the values as they stand now in the form. The newest change has the last word."""
    view = body.get("view")
    if view is None:
        return  # a field of ours stands in no message
    with office.changes.turn(view["id"], body["actions"][0]["action_ts"]) as newest:
        if newest:
            _foresee(office, view, body)


def _foresee(office: Office, view: Block, body: Body) -> None:
    services = office.services
    proposal_id, _ = read_value(view["private_metadata"], "proposal", "digest")
    with services.store.read() as uow:
        person = office.person(uow, body)
        words = office.words(uow, person)
        proposal = uow.get(Proposal, proposal_id=proposal_id)
        if proposal is None:
            return
        names = gathering.names_in(uow, services.clock.now())
        found = _foreseen(uow, view, proposal, person.person_id, services)
        assurance = gathering.view_of(uow, proposal_id, office.company, services.clock.now()).assurance
    if isinstance(found, Foreseen):
        assurance = found.assurance if found.mine else Assurance.CLICK
    ask = messages.asked(proposal, gathering.customer_name(proposal), words)
    # the fields keep their block ids, so Slack keeps what the person typed
    form = forms.counter_form(proposal, ask, words, foreseen=found, names=names, assurance=assurance)
    try:
        # without the view's hash: an earlier change's drawing has made it old, and this change is the newer one
        office.client.views_update(view_id=view["id"], view=dict(form))
    except Exception:  # the form was closed or sent
        LOG.info("a counter-offer's form could not be drawn anew")


def _foreseen(uow: UnitOfWork, view: Block, proposal: Proposal, person_id: str, services: Services) -> Foreseen | str | None:
    """What the offer as it stands would become; why it cannot be made; None while it is what is proposed."""
    try:
        offer = offer_in(view, proposal)
        return foresee(uow, proposal.proposal_id, person_id, offer, services.clock.now(), zone=services.settings.zone)
    except (BadInput, Refused) as error:
        return None if isinstance(error, Refused) and error.code == "same_as_proposed" else error.what


# --- lists, one proposal in a modal, condition, answer ------------------------------------------------------------------------------


def page(office: Office, body: Body) -> None:
    """Turn the page of a list, or filter it. Raises BadInput where it stands below no message."""
    action, place = body["actions"][0], body.get("container") or {}
    if not (place.get("channel_id") and place.get("message_ts")):
        raise BadInput(said("this list is not one of ours"), next_step=said("open the App Home"))
    part: Listing = listing_of(action.get("value") or (action.get("selected_option") or {}).get("value", ""))
    with office.services.store.read() as uow:
        person = office.person(uow, body)
        shown = render.listing(uow, person.person_id, part, office.company, office.services.clock.now())
    with showing():
        office.client.chat_update(channel=place["channel_id"], ts=place["message_ts"], text=shown.text, blocks=list(shown.blocks))


def open_card(office: Office, body: Body) -> None:
    """Show a proposal's card in a modal, buttons and all."""
    with office.services.store.read() as uow:
        proposal, words, _, person_id = _asked(office, uow, body)
        view = gathering.view_of(uow, proposal.proposal_id, office.company, office.services.clock.now(), reader_id=person_id)
    shown = card(view)
    _show(office, body, modal(OPENED, words.say(said("Proposal")), shown.blocks, close=words.say(said("Close"))))
    note_opening(office.services.store, proposal.proposal_id, person_id, office.services.clock.now())


def confirm_form(office: Office, body: Body) -> None:
    """Open the form in which a second person confirms a condition."""
    (condition_id,) = read_value(body["actions"][0].get("value", ""), "condition")
    with office.services.store.read() as uow:
        words = office.words(uow, office.person(uow, body))
        condition = uow.get(ApprovalCondition, condition_id=condition_id)
    if condition is None:
        raise Refused("unknown_condition", said("there is no such condition"))
    _show(office, body, forms.confirm_form(condition_id, words.say(condition_in_words(condition)), words))


def answer_form(office: Office, body: Body) -> None:
    """Open the form in which the analyst answers a question."""
    (proposal_id,) = read_value(body["actions"][0].get("value", ""), "proposal")
    with office.services.store.read() as uow:
        words = office.words(uow, office.person(uow, body))
        asked = uow.find(Note, proposal_id=proposal_id, kind="question", order_by=("at",))
    _show(office, body, forms.answer_form(proposal_id, asked[-1].text if asked else "-", words))


# --- App Home and /credit -----------------------------------------------------------------------------------------------------------


def publish_home(office: Office, body: Body) -> None:
    """Draw a person's App Home; somebody who is nobody of ours is told so there. Opening it asks for nothing, so it refuses nothing.

    Where Slack does not take it, the next opening draws it.
    """
    now, account = office.services.clock.now(), account_of(body)
    try:
        office.directory.require_ours(account)
        with office.services.store.read() as uow:
            person = office.person(uow, body)
            words = office.words(uow, person)
            view: Block = home(gathering.home_of(uow, person.person_id, office.company, now), words)
    except CreditReviewError as error:
        text = office.company.words.error(error)
        view = {"type": "home", "blocks": list(notices.answer(text).blocks)}
    try:
        office.client.views_publish(user_id=account.user, view=dict(view))
    except SLACK_FAILS as error:
        LOG.warning("an App Home could not be drawn (%s); it is drawn when it is opened next", cause_of(error))


def credit_command(office: Office, body: Body) -> Told:
    """`/credit NAME`: limit in force, exposure, last review, pending request, for people with the right to read it."""
    with office.services.store.read() as uow:
        words = office.words_of(uow, body)
    shown = credit.answer(office, body, words)
    return Told(shown.text, words, message=shown)
