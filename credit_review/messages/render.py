"""Draws each message the relay sends, as the record stands at that moment, in the language of whoever reads it."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date, datetime, time, timedelta

from credit_review.messages import notices, requests
from credit_review.messages.card import card
from credit_review.messages.digest import Listing, digest
from credit_review.messages.gathering import (
    Company,
    asked_by,
    customer_name,
    names_in,
    news_of,
    sizes_of,
    summary_of,
    together_of,
    view_of,
)
from credit_review.messages.owner_news import owner_news
from credit_review.messages.summary import summary
from credit_review.messages.text import Message
from credit_review.model.records import (
    ApprovalCondition,
    CommitteeSitting,
    Decision,
    Finding,
    Note,
    OutboxEntry,
    PolicyException,
    Proposal,
    Review,
)  # fmt: skip
from credit_review.model.states import ExceptionState, OutboxState, ProposalState, SittingState
from credit_review.ports import Clock, UnitOfWork
from credit_review.review.committee import cases
from credit_review.review.conditions import confirmers
from credit_review.review.findings import STILL, told_of
from credit_review.review.inbox import asked_of, awaiting, put_before_me
from credit_review.review.outbox import (
    AGENDA,
    CONDITION,
    DAILY,
    DECLARATION,
    DIGEST,
    ENDING,
    FINDINGS,
    LAPSED,
    ORDER_LIST,
    ORDERS,
    OVERDUE,
    OWNER,
    PARKED,
    PASS,
    PROPOSAL,
    QUESTION,
    REMINDER,
    REQUEST,
    SLACK_POST,
    SLACK_UPDATE,
    SUMMARY,
    card_of,
    person_of,
)
from credit_review.review.passes import Passes
from credit_review.review.personal import lapses
from credit_review.review.showing import Card, Render, Showing
from credit_review.review.standing import matrix_in_force

_Draw = Callable[[UnitOfWork, Showing, Company, datetime], Card | None]


def renderer(clock: Clock, company: Company) -> Render:
    """What the relay calls to draw a message; None where nothing is to be said any more."""

    def render(uow: UnitOfWork, showing: Showing) -> Card | None:
        kind = showing.subject.partition(":")[0]
        return _DRAW[kind](uow, showing, company, clock.now())

    return render


def _as_card(message: Message, digest_shown: str = "", under: str = "") -> Card:
    return Card(message.text, message.blocks, digest_shown, under)


def _key(showing: Showing) -> str:
    return showing.subject.partition(":")[2]


def _card(uow: UnitOfWork, showing: Showing, company: Company, now: datetime) -> Card | None:
    proposal = uow.get(Proposal, proposal_id=_key(showing))
    if proposal is None or proposal.state == ProposalState.DRAFT:
        return None
    view = view_of(uow, proposal.proposal_id, company, now, reader_id=person_of(showing.address))
    return _as_card(card(view), proposal.digest)


def _digest(uow: UnitOfWork, showing: Showing, company: Company, now: datetime) -> Card | None:
    person, review_id = person_of(showing.address), _key(showing)
    return _as_card(listing(uow, person, Listing(review=review_id), company, now))


def listing(uow: UnitOfWork, person_id: str, part: Listing, company: Company, now: datetime) -> Message:
    """A page of a person's list of a review."""
    review = uow.get(Review, review_id=part.review)
    mine = put_before_me(uow, person_id, part.review)
    words = company.reader(uow, person_id, now)
    together = together_of(uow, mine, person_id, company, now)
    sizes = sizes_of(uow, mine, company, now)
    return digest(mine, part, words, label=review.label if review else part.review, together=together, sizes=sizes)


def _summary(uow: UnitOfWork, showing: Showing, company: Company, now: datetime) -> Card | None:
    person = person_of(showing.address)
    return _as_card(summary(summary_of(uow, _key(showing), company, now, reader_id=person), company.reader(uow, person, now)))


def _question(uow: UnitOfWork, showing: Showing, company: Company, now: datetime) -> Card | None:
    proposal = uow.get(Proposal, proposal_id=_key(showing))
    asked = uow.find(Note, proposal_id=_key(showing), kind="question", order_by=("at",))
    if proposal is None or not asked:
        return None
    person = person_of(showing.address)
    who = names_in(uow, now).get(asked[-1].person_id, asked[-1].person_id)
    answered = bool(uow.find(Proposal, supersedes_id=proposal.proposal_id))
    words = company.reader(uow, person, now)
    message = notices.question(proposal, customer_name(proposal), asked[-1].text, who, words, answered=answered)
    return _as_card(message, under="" if person else card_of(proposal.proposal_id))


def _agenda(uow: UnitOfWork, showing: Showing, company: Company, now: datetime) -> Card | None:
    sitting = uow.get(CommitteeSitting, sitting_id=_key(showing))
    if sitting is None or sitting.state == SittingState.SUPERSEDED:
        return None
    committee = matrix_in_force(uow, now).committee(sitting.committee)
    ids = [case.proposal_id for case in cases(uow, sitting.sitting_id)]
    found = [(p, customer_name(p)) for p in uow.find(Proposal, proposal_id=ids, order_by=("proposal_id",))]
    words = company.reader(uow, person_of(showing.address), now)
    name, closed = committee.name if committee else sitting.committee, sitting.state == SittingState.CLOSED
    return _as_card(notices.agenda(name, sitting.sits_on, sitting.sitting_id, found, words, closed=closed))


def _condition(uow: UnitOfWork, showing: Showing, company: Company, now: datetime) -> Card | None:
    one = uow.get(ApprovalCondition, condition_id=_key(showing))
    proposal = uow.get(Proposal, proposal_id=one.proposal_id) if one else None
    if one is None or proposal is None:
        return None
    person, lapsed = person_of(showing.address), showing.subject.startswith(f"{LAPSED}:")
    today = now.astimezone(company.words.zone).date()
    able = confirmers(uow, proposal, matrix_in_force(uow, now), today=today, now=now)
    may = not lapsed and person in able and person != one.asked_by
    words, names = company.reader(uow, person, now), names_in(uow, now)
    return _as_card(notices.condition(one, proposal, customer_name(proposal), words, names, may=may, lapsed=lapsed))


def _request(uow: UnitOfWork, showing: Showing, company: Company, now: datetime) -> Card | None:
    person = person_of(showing.address)
    found = asked_by(uow, _key(showing), person, now)
    return _as_card(requests.request_status(found, company.reader(uow, person, now))) if found else None


def _reminder(uow: UnitOfWork, showing: Showing, company: Company, now: datetime) -> Card | None:
    person = person_of(showing.address)
    may = awaiting(uow, person, now, zone=company.words.zone)
    mine = sorted(asked_of(uow, person, may), key=lambda p: (p.expires_at or now, p.proposal_id))
    if not mine:
        return None
    return _as_card(notices.reminder([(p, customer_name(p)) for p in mine], company.reader(uow, person, now)))


def _daily(uow: UnitOfWork, showing: Showing, company: Company, now: datetime) -> Card | None:
    person, day = person_of(showing.address), date.fromisoformat(_key(showing))
    decided = decided_on(uow, person, day, company)
    if not decided:
        return None
    found = {p.proposal_id: p for p in uow.find(Proposal, proposal_id=[d.proposal_id for d in decided])}
    rows = [(d, found[d.proposal_id], customer_name(found[d.proposal_id])) for d in decided]
    names = names_in(uow, now)
    return _as_card(notices.daily_summary(day, rows, person, company.reader(uow, person, now), names))


def decided_on(uow: UnitOfWork, person_id: str, day: date, company: Company) -> list[Decision]:
    """Decisions of the company's day made by a person or in his name, in order."""
    start = datetime.combine(day, time(), tzinfo=company.words.zone)
    own = [*uow.find(Decision, approver_id=person_id), *uow.find(Decision, on_behalf_of=person_id)]
    return sorted((d for d in own if start <= d.at < start + timedelta(days=1)), key=lambda d: (d.at, d.proposal_id))


def _owner(uow: UnitOfWork, showing: Showing, company: Company, now: datetime) -> Card | None:
    about = showing.about
    news = news_of(uow, [str(i) for i in about.get("proposals", ())], [str(i) for i in about.get("changes", ())])
    if not news:
        return None
    words = company.reader(uow, person_of(showing.address), now)
    return _as_card(owner_news(news, words, pass_on=str(about.get("pass_on") or ""), ownerless=bool(about.get("ownerless"))))


def _declaration(uow: UnitOfWork, showing: Showing, company: Company, now: datetime) -> Card | None:
    person, today = person_of(showing.address), now.astimezone(company.words.zone).date()
    day = lapses(uow, person, today, now)
    return _as_card(notices.declaration_due(day, today, company.reader(uow, person, now))) if day else None


def _findings(uow: UnitOfWork, showing: Showing, company: Company, now: datetime) -> Card | None:
    person, late = person_of(showing.address), showing.subject.startswith(f"{OVERDUE}:")
    day = date.fromisoformat(_key(showing).partition(".")[0])
    found = told_of(uow.find(Finding, state=STILL, order_by=("due", "finding_id")), person)
    if late:
        found = [one for one in found if one.due == day]
    else:
        found = [one for one in found if one.owner_id == person and one.assigned_at.astimezone(company.words.zone).date() == day]
    if not found:
        return None
    return _as_card(notices.findings(found, company.reader(uow, person, now), names_in(uow, now), late=late))


def _ending(uow: UnitOfWork, showing: Showing, company: Company, now: datetime) -> Card | None:
    person, day = person_of(showing.address), date.fromisoformat(_key(showing))
    state = ExceptionState.IN_FORCE
    found = uow.find(PolicyException, state=state, owner_id=person, ends=day, order_by=("customer_id", "exception_id"))
    if not found:
        return None
    names = {p.proposal_id: customer_name(p) for p in uow.find(Proposal, proposal_id=sorted({one.proposal_id for one in found}))}
    return _as_card(notices.ending([(one, names.get(one.proposal_id, "")) for one in found], company.reader(uow, person, now)))


def _pass(uow: UnitOfWork, showing: Showing, company: Company, now: datetime) -> Card | None:
    person, day = person_of(showing.address), date.fromisoformat(_key(showing))
    newest = max((end for _, end in Passes.read(uow, now).held.get(person, ())), default=None)
    return _as_card(notices.pass_ends(day, company.reader(uow, person, now))) if newest == day else None


def _parked(uow: UnitOfWork, showing: Showing, company: Company, now: datetime) -> Card | None:
    kinds = (SLACK_POST, SLACK_UPDATE, ORDER_LIST)
    found = uow.find(OutboxEntry, kind=kinds, state=OutboxState.PARKED, order_by=("created_at", "outbox_id"))
    if not found:
        return None
    rows = [(*_what_parked(row), row.last_error) for row in found]
    return _as_card(notices.parked(rows, names_in(uow, now), company.reader(uow, person_of(showing.address), now)))


def _what_parked(row: OutboxEntry) -> tuple[str, str]:
    """Subject and address of a message, or of a list of orders, which goes to the ERP."""
    about = json.loads(row.payload_json)
    return (f"{ORDERS}:{about['batch']}", "ERP") if row.kind == ORDER_LIST else (about["subject"], about["address"])


_DRAW: dict[str, _Draw] = {
    PROPOSAL: _card,
    DIGEST: _digest,
    SUMMARY: _summary,
    QUESTION: _question,
    REQUEST: _request,
    REMINDER: _reminder,
    DAILY: _daily,
    OWNER: _owner,
    PARKED: _parked,
    CONDITION: _condition,
    LAPSED: _condition,
    DECLARATION: _declaration,
    FINDINGS: _findings,
    OVERDUE: _findings,
    ENDING: _ending,
    PASS: _pass,
    AGENDA: _agenda,
}
