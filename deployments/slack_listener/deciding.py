"""Interactions that decide. `answering` gives each its deadline, acknowledges what was stored, and answers refusals."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from credit_review.errors import BadInput, Refused
from credit_review.messages import forms, gathering
from credit_review.messages.digest import Listing, listed_digest, listing_of, page_of
from credit_review.messages.text import read_value
from credit_review.model.money import to_minor
from credit_review.model.records import Proposal
from credit_review.model.states import Verdict
from credit_review.ports import UnitOfWork
from credit_review.review import conditions, questions
from credit_review.review.conditions import ConditionAsked
from credit_review.review.counter import CounterOffer
from credit_review.review.decide import DecideCommand, Outcome, decide, decide_listed
from credit_review.review.inbox import put_before_me
from credit_review.words import listed, said, said_many
from deployments.slack_listener.identity import account_of
from deployments.slack_listener.office import Office, Told, delivery_key, interaction_key

Body = Mapping[str, Any]


def approve(office: Office, body: Body) -> Told:
    """One click, one commit."""
    return _decide(office, body, body["actions"][0].get("value", ""), Verdict.APPROVE)


def approve_listed(office: Office, body: Body) -> Told:
    """Approve exactly the proposals that were listed, each with a decision of its own, all in one commit."""
    value = body["actions"][0].get("value", "")
    (bound,) = read_value(value, "listed")
    part, services = listing_of(value), office.services
    key = delivery_key(account_of(body), interaction_key(body))
    with office.writing() as uow:
        words = office.words_of(uow, body)
        outcomes = decide_listed(
            lambda: _listed(office, uow, body, part, bound),
            uow,
            services.clock.now(),
            delivery_key=key,
            zone=services.settings.zone,
            to=services.settings.slack.destinations(),
        )
    return Told(_together(outcomes), words)


def _listed(office: Office, uow: UnitOfWork, body: Body, part: Listing, bound: str) -> list[DecideCommand]:
    person, account = office.person(uow, body), account_of(body)
    mine = put_before_me(uow, person.person_id, part.review)
    shown = page_of(mine, part, gathering.sizes_of(uow, mine, office.company, office.services.clock.now()))
    if listed_digest(shown) != bound:
        raise Refused("list_changed", said("the list changed after it was shown; nothing was decided: read the new list"))
    allowed = set(gathering.together_of(uow, shown, person.person_id, office.company, office.services.clock.now()))
    if {p.proposal_id for p in shown} - allowed:
        raise Refused("not_together", said("policy does not let these be approved together: open them one by one"))
    return [
        DecideCommand(
            delivery_key=delivery_key(account, interaction_key(body), p.proposal_id),
            proposal_id=p.proposal_id,
            digest=p.digest,
            verdict=Verdict.APPROVE,
            account_kind="slack",
            account=account.name,
            channel="slack",
        )
        for p in shown
    ]


def _together(outcomes: list[Outcome]) -> str:
    done, refused = sum(o.accepted for o in outcomes), [o for o in outcomes if not o.accepted]
    text: str = said_many("{n} proposal approved by you.", "{n} proposals approved by you.", n=done)
    if refused:
        why = listed([said("{proposal}: {why}", proposal=o.proposal_id, why=o.text) for o in refused[:5]])
        text = said("{text} Not approved: {why}", text=text, why=why)
    return text


def approve_form(office: Office, body: Body) -> Told:
    """An approval with typed amount, reason or condition."""
    view = body["view"]
    amount = forms.typed_in(view, forms.AMOUNT)

    def with_typed(proposal: Proposal) -> dict[str, Any]:
        typed = to_minor(amount, proposal.currency) if amount else None
        return {"typed_minor": typed, "conditions": _conditions(view), "on_behalf_of": forms.typed_in(view, forms.BEHALF) or None}

    return _submitted(office, body, Verdict.APPROVE, with_typed)


def reject(office: Office, body: Body) -> Told:
    """A rejection with code and text."""
    return _submitted(office, body, Verdict.REJECT, lambda _: {})


def give_back(office: Office, body: Body) -> Told:
    """A question to the analyst, with code and text."""
    return _submitted(office, body, Verdict.RETURN, lambda _: {})


def counter(office: Office, body: Body) -> Told:
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

    return _submitted(office, body, Verdict.COUNTER, offered)


def offer_in(view: Mapping[str, Any], proposal: Proposal) -> CounterOffer:
    """The figures of a counter-offer's form. Raises BadInput for an amount or a number of days that is none."""
    amount, terms, until = forms.typed_in(view, forms.AMOUNT), forms.typed_in(view, forms.TERMS), forms.day_in(view, forms.UNTIL)
    return CounterOffer(
        to_minor=to_minor(amount, proposal.currency) if amount else proposal.to_minor,
        terms_days=days_of(terms) if terms else proposal.terms_days,
        effective_to=until,
        open_ended=until is None,
    )


def days_of(text: str) -> int:
    """A number of days as typed. Raises BadInput when it is none."""
    if not (text.isascii() and text.isdigit() and len(text) <= 4):
        raise BadInput(said("payment terms are a whole number of days"))
    return int(text)


def _conditions(view: Mapping[str, Any]) -> tuple[ConditionAsked, ...]:
    kind, due = forms.typed_in(view, forms.CONDITION), forms.day_in(view, forms.CONDITION_DUE)
    if not kind:
        return ()
    if due is None:
        raise Refused("condition_due", said("say by when the condition must be met"))
    return (ConditionAsked(kind=kind, text=forms.typed_in(view, forms.CONDITION_TEXT), due=due),)


def _submitted(office: Office, body: Body, verdict: Verdict, more: Callable[[Proposal], dict[str, Any]]) -> Told:
    view = body["view"]
    about = {"reason": forms.typed_in(view, forms.REASON), "reason_code": forms.typed_in(view, forms.CODE)}
    return _decide(office, body, view["private_metadata"], verdict, about, more)


def _decide(
    office: Office,
    body: Body,
    carried: str,
    verdict: Verdict,
    fields: Mapping[str, Any] | None = None,
    more: Callable[[Proposal], dict[str, Any]] | None = None,
) -> Told:
    """Decide on the proposal and packet that a button or form carries. Whatever refuses before the decision function raises."""
    proposal_id, digest = read_value(carried, "proposal", "digest")
    services, account = office.services, account_of(body)
    command: dict[str, Any] = {
        "delivery_key": delivery_key(account, interaction_key(body)),
        "proposal_id": proposal_id,
        "digest": digest,
        "verdict": verdict,
        "account_kind": "slack",
        "account": account.name,
        "channel": "slack",
        **(fields or {}),
    }
    with office.writing() as uow:
        words = office.words_of(uow, body)
        proposal = uow.get(Proposal, proposal_id=proposal_id)
        if more is not None and proposal is not None:
            command |= more(proposal)
        now, to = services.clock.now(), services.settings.slack.destinations()
        outcome = decide(DecideCommand(**command), uow, now, zone=services.settings.zone, to=to)
    return Told(outcome.text, words, accepted=outcome.accepted, code=outcome.code)


def confirm(office: Office, body: Body) -> None:
    """A second person's word, with evidence, that a condition is met."""
    view = body["view"]
    (condition_id,) = read_value(view["private_metadata"], "condition")
    with office.writing() as uow:
        if not office.once(uow, body):
            return
        conditions.confirm(
            uow,
            condition_id,
            person_id=office.person(uow, body).person_id,
            evidence=forms.typed_in(view, forms.EVIDENCE),
            now=office.services.clock.now(),
            zone=office.services.settings.zone,
        )
        uow.commit()


def answer(office: Office, body: Body) -> None:
    """The analyst's answer from the form."""
    (proposal_id,) = read_value(body["view"]["private_metadata"], "proposal")
    answered(office, body, proposal_id, forms.typed_in(body["view"], forms.REASON))


def answered(office: Office, body: Body, proposal_id: str, text: str) -> None:
    """Store an answer, once for each delivery. Raises BadInput or Refused."""
    services = office.services
    now = services.clock.now()
    with office.writing() as uow:
        if not office.once(uow, body):
            return
        person = office.person(uow, body)
        to = services.settings.slack.destinations()
        questions.answer(uow, proposal_id, text, person_id=person.person_id, now=now, zone=services.settings.zone, to=to)
        uow.commit()
