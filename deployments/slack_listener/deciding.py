"""Interactions that decide: each is one commit, then the acknowledgement, then the echo."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from credit_review import messages
from credit_review.errors import BadInput, CreditReviewError, Refused
from credit_review.messages import forms, gathering
from credit_review.messages.digest import listed_digest, listing_of, page_of
from credit_review.messages.text import read_value
from credit_review.model.money import to_minor
from credit_review.model.records import InboxEntry, Proposal
from credit_review.model.states import Verdict
from credit_review.ports import UnitOfWork
from credit_review.review import conditions, questions
from credit_review.review.conditions import ConditionAsked
from credit_review.review.counter import CounterOffer
from credit_review.review.decide import DecideCommand, Outcome, decide, decide_listed
from credit_review.review.inbox import put_before_me
from credit_review.words import Words, listed, said, said_many
from deployments.slack_listener.identity import account_of
from deployments.slack_listener.office import Office, click_key, delivery_key, said_in_modal, submission_key, tell

if TYPE_CHECKING:
    from slack_bolt import Ack, Respond

LOG = logging.getLogger("credit_review.slack")


def approve(office: Office, ack: Ack, body: Mapping[str, Any], respond: Respond) -> None:
    """One click, one commit; acknowledged after it."""
    words = office.company.words
    try:
        proposal_id, digest = read_value(body["actions"][0]["value"], "proposal", "digest")
        outcome, words = _decide(office, body, click_key(body), proposal_id, digest, Verdict.APPROVE)
    except (BadInput, Refused) as error:
        ack()
        tell(office, body, respond, words.error(error), words)
        return
    except CreditReviewError:
        LOG.exception("an approval could not be stored; it is not acknowledged, so that the person clicks again")
        raise
    ack()
    office.pump.wake()
    tell(office, body, respond, outcome.text, words)


def approve_listed(office: Office, ack: Ack, body: Mapping[str, Any], respond: Respond) -> None:
    """Approve exactly the proposals that were listed, each with a decision of its own, all in one commit."""
    words = office.company.words
    try:
        value = body["actions"][0]["value"]
        (bound,) = read_value(value, "listed")
        outcomes, words = _decide_listed(office, body, listing_of(value), bound)
    except (BadInput, Refused) as error:
        ack()
        tell(office, body, respond, words.error(error), words)
        return
    except CreditReviewError:
        LOG.exception("approvals could not be stored; they are not acknowledged, so that the person clicks again")
        raise
    ack()
    office.pump.wake()
    tell(office, body, respond, _together(outcomes), words)


def _together(outcomes: list[Outcome]) -> str:
    done, refused = sum(o.accepted for o in outcomes), [o for o in outcomes if not o.accepted]
    text: str = said_many("{n} proposal approved by you.", "{n} proposals approved by you.", n=done)
    if refused:
        why = listed([said("{proposal}: {why}", proposal=o.proposal_id, why=o.text) for o in refused[:5]])
        text = said("{text} Not approved: {why}", text=text, why=why)
    return text


def _decide_listed(office: Office, body: Mapping[str, Any], part: Any, bound: str) -> tuple[list[Outcome], Words]:
    services, account = office.services, account_of(body)
    _require_ours(office, body, click_key(body))
    now = services.clock.now()
    with services.store.begin(interactive=True) as uow:
        person = office.person(uow, body)
        words = office.words(uow, person)
        mine = put_before_me(uow, person.person_id, part.review)
        shown = page_of(mine, part, gathering.sizes_of(uow, mine, office.company, now))
        if listed_digest(shown) != bound:
            text = said("the list changed after it was shown; nothing was decided: read the new list")
            raise Refused("list_changed", text)
        allowed = set(gathering.together_of(uow, shown, person.person_id, office.company, now))
        if {p.proposal_id for p in shown} - allowed:
            raise Refused("not_together", said("policy does not let these be approved together: open them one by one"))
        commands = [
            DecideCommand(
                delivery_key=delivery_key(account, click_key(body), p.proposal_id),
                proposal_id=p.proposal_id,
                digest=p.digest,
                verdict=Verdict.APPROVE,
                account_kind="slack",
                account=account.name,
                channel="slack",
            )
            for p in shown
        ]
        return decide_listed(commands, uow, now, zone=services.settings.zone, to=services.settings.slack.destinations()), words


def approve_form(office: Office, ack: Ack, body: Mapping[str, Any]) -> None:
    """An approval with typed amount, reason or condition."""
    view = body["view"]
    amount = forms.typed_in(view, forms.AMOUNT)

    def with_typed(proposal: Proposal) -> dict[str, Any]:
        typed = to_minor(amount, proposal.currency) if amount else None
        return {"typed_minor": typed, "conditions": _conditions(view), "on_behalf_of": forms.typed_in(view, forms.BEHALF) or None}

    _submitted(office, ack, body, Verdict.APPROVE, forms.AMOUNT if amount else forms.REASON, with_typed)


def reject(office: Office, ack: Ack, body: Mapping[str, Any]) -> None:
    """A rejection with code and text."""
    _submitted(office, ack, body, Verdict.REJECT, forms.REASON, lambda _: {})


def give_back(office: Office, ack: Ack, body: Mapping[str, Any]) -> None:
    """A question to the analyst, with code and text."""
    _submitted(office, ack, body, Verdict.RETURN, forms.REASON, lambda _: {})


def counter(office: Office, ack: Ack, body: Mapping[str, Any]) -> None:
    """A counter-offer; with the proposal's own figures and a condition it is an approval on that condition."""
    view = body["view"]

    def offered(proposal: Proposal) -> dict[str, Any]:
        offer = offer_in(view, proposal)
        asked = _conditions(view)
        typed = forms.typed_in(view, forms.TYPED)
        more: dict[str, Any] = {"typed_minor": to_minor(typed, proposal.currency) if typed else None, "conditions": asked}
        unchanged = (offer.to_minor, offer.terms_days, offer.effective_to) == (
            proposal.to_minor,
            proposal.terms_days,
            proposal.effective_to,
        )
        if unchanged and asked:
            return {**more, "verdict": Verdict.APPROVE}
        return {**more, "counter": offer}

    _submitted(office, ack, body, Verdict.COUNTER, forms.AMOUNT, offered)


def offer_in(view: Mapping[str, Any], proposal: Proposal) -> CounterOffer:
    """The figures of a counter-offer's form. Raises BadInput for an amount that is none."""
    amount, terms, until = forms.typed_in(view, forms.AMOUNT), forms.typed_in(view, forms.TERMS), forms.day_in(view, forms.UNTIL)
    return CounterOffer(
        to_minor=to_minor(amount, proposal.currency) if amount else proposal.to_minor,
        terms_days=int(terms) if terms else proposal.terms_days,
        effective_to=until,
        open_ended=until is None,
    )


def _conditions(view: Mapping[str, Any]) -> tuple[ConditionAsked, ...]:
    kind, due = forms.typed_in(view, forms.CONDITION), forms.day_in(view, forms.CONDITION_DUE)
    if not kind:
        return ()
    if due is None:
        raise Refused("condition_due", said("say by when the condition must be met"))
    return (ConditionAsked(kind=kind, text=forms.typed_in(view, forms.CONDITION_TEXT), due=due),)


def _submitted(
    office: Office, ack: Ack, body: Mapping[str, Any], verdict: Verdict, field: str, more: Callable[[Proposal], dict[str, Any]]
) -> None:
    """Decide what a form asks for; a refusal stays in the form, where the person reads it."""
    view = body["view"]
    words = office.company.words
    try:
        proposal_id, digest = read_value(view["private_metadata"], "proposal", "digest")
        words = office.reading_words(body)
        about = {"reason": forms.typed_in(view, forms.REASON), "reason_code": forms.typed_in(view, forms.CODE)}
        outcome, words = _decide(office, body, submission_key(body), proposal_id, digest, verdict, about, more)
    except (BadInput, Refused) as error:
        here = _field_of(view, error.code if isinstance(error, Refused) else "", field)
        ack(response_action="errors", errors={here: messages.cleaned(words.error(error), 150)})
        return
    if not outcome.accepted:
        ack(response_action="errors", errors={_field_of(view, outcome.code, field): messages.cleaned(words.say(outcome.text), 150)})
        office.pump.wake()
        return
    ack(response_action="update", view=dict(said_in_modal(outcome.text, words)))
    office.pump.wake()


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


def _field_of(view: Mapping[str, Any], code: str, otherwise: str) -> str:
    """The field a refusal is about, when the form has it. The amount typed again is the one that is not as offered."""
    fields = {b["block_id"] for b in view["blocks"] if b["type"] == "input"}
    wanted = forms.TYPED if code == "typed_otherwise" and forms.TYPED in fields else _FIELDS.get(code, otherwise)
    return wanted if wanted in fields else otherwise


def _decide(
    office: Office,
    body: Mapping[str, Any],
    about: str,
    proposal_id: str,
    digest: str,
    verdict: Verdict,
    fields: Mapping[str, Any] | None = None,
    more: Callable[[Proposal], dict[str, Any]] | None = None,
) -> tuple[Outcome, Words]:
    services, account = office.services, account_of(body)
    _require_ours(office, body, about)
    command: dict[str, Any] = {
        "delivery_key": delivery_key(account, about),
        "proposal_id": proposal_id,
        "digest": digest,
        "verdict": verdict,
        "account_kind": "slack",
        "account": account.name,
        "channel": "slack",
        **(fields or {}),
    }
    with services.store.begin(interactive=True) as uow:
        words = _words(office, uow, body)
        proposal = uow.get(Proposal, proposal_id=proposal_id)
        if more is not None and proposal is not None:
            command |= more(proposal)
        now, to = services.clock.now(), services.settings.slack.destinations()
        return decide(DecideCommand(**command), uow, now, zone=services.settings.zone, to=to), words


def _require_ours(office: Office, body: Mapping[str, Any], about: str) -> None:
    """Refused, and recorded, for whoever Slack does not call a full member of our workspaces."""
    try:
        office.directory.require_ours(account_of(body))
    except Refused as refusal:
        office.refuse_stranger(body, refusal, about)
        raise


def _words(office: Office, uow: UnitOfWork, body: Mapping[str, Any]) -> Words:
    """How the person reads; somebody our directory does not know reads the company's words, and is refused by `decide`."""
    try:
        return office.words(uow, office.person(uow, body))
    except Refused:
        return office.company.words


def confirm(office: Office, ack: Ack, body: Mapping[str, Any]) -> None:
    """A second person's word, with evidence, that a condition is met."""
    view = body["view"]
    words = office.reading_words(body)
    try:
        (condition_id,) = read_value(view["private_metadata"], "condition")
        _require_ours(office, body, submission_key(body))
        with office.services.store.begin(interactive=True) as uow:
            person = office.person(uow, body)
            conditions.confirm(
                uow,
                condition_id,
                person_id=person.person_id,
                evidence=forms.typed_in(view, forms.EVIDENCE),
                now=office.services.clock.now(),
                zone=office.services.settings.zone,
            )
            uow.commit()
    except (BadInput, Refused) as error:
        ack(response_action="errors", errors={forms.EVIDENCE: messages.cleaned(words.error(error), 150)})
        return
    ack()
    office.pump.wake()


def answer(office: Office, ack: Ack, body: Mapping[str, Any]) -> None:
    """The analyst's answer from the form."""
    view = body["view"]
    words = office.reading_words(body)
    try:
        (proposal_id,) = read_value(view["private_metadata"], "proposal")
        answered(office, body, proposal_id, forms.typed_in(view, forms.REASON), submission_key(body))
    except (BadInput, Refused) as error:
        ack(response_action="errors", errors={forms.REASON: messages.cleaned(words.error(error), 150)})
        return
    ack()
    office.pump.wake()


def answered(office: Office, body: Mapping[str, Any], proposal_id: str, text: str, about: str) -> None:
    """Store an answer, once for each delivery. Raises BadInput or Refused."""
    _require_ours(office, body, about)
    services = office.services
    now = services.clock.now()
    with services.store.begin(interactive=True) as uow:
        if not uow.add_if_absent(InboxEntry(delivery_key=delivery_key(account_of(body), about), outcome_json="{}", at=now)):
            return
        person = office.person(uow, body)
        to = services.settings.slack.destinations()
        questions.answer(uow, proposal_id, text, person_id=person.person_id, now=now, zone=services.settings.zone, to=to)
        uow.commit()
