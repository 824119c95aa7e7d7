"""The App Home: what waits for me by urgency, what waits for others, what I decided, who stands in for me, and what I may approve."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from credit_review.messages.card import CONFIRM, DONE, asked_briefly, condition_in_words, offered
from credit_review.messages.digest import OPEN
from credit_review.messages.requests import Asked, request_details, request_state, request_title
from credit_review.messages.text import (
    Block,
    button,
    buttons,
    cleaned,
    field,
    header,
    heading,
    lines,
    modal,
    notes,
    plain,
    section,
    select,
    text_input,
    value_of,
)
from credit_review.model.records import Absence, ApprovalCondition, ConflictOfInterest, Decision, Delegation, Proposal
from credit_review.model.states import Verdict
from credit_review.words import LANGUAGES, Words, marked, said, said_many

DELEGATE, END_DELEGATION, END_ABSENCE, PREFER, DECLARE, WITHDRAW, REQUEST = (
    "credit_review_delegate", "credit_review_end_delegation", "credit_review_end_absence", "credit_review_prefer",
    "credit_review_declare", "credit_review_withdraw", "credit_review_request",
)  # fmt: skip
DELEGATE_FORM, PREFER_FORM, DECLARE_FORM, REQUEST_FORM = (
    "credit_review_delegate_form", "credit_review_prefer_form", "credit_review_declare_form", "credit_review_request_form",
)  # fmt: skip
PERSON, FROM, UNTIL, LANGUAGE, LOCALE, ZONE, CALENDAR, CUSTOMER, AWAY = (
    "person", "from", "until", "language", "locale", "zone", "calendar", "customer", "away",
)  # fmt: skip
_INPUT = "input"
_MOST, _MOST_PAST = 15, 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """Everything the App Home of one person shows. Proposals come with the customer's name; `authority` are whole sentences.

    `mine` was put before the person; `could_decide` counts what his authority reaches and others were asked. `conditions` are those he
    may confirm, `decided` has what an offer became, `past` are delegations that are over, `conflicts` his declarations in force, with the
    customer's name (empty: none known); who `decides`, on his own or another's behalf, renews them every year. `requests` are the limits
    he asked for, the open ones first, with `more_requests` not among them.
    """

    name: str
    mine: Sequence[tuple[Proposal, str]]
    could_decide: int
    conditions: Sequence[tuple[ApprovalCondition, Proposal, str]]
    requests: Sequence[Asked]
    more_requests: int
    others: Sequence[tuple[Proposal, str, str]]
    decided: Sequence[tuple[Decision, Proposal, str, Proposal | None]]
    delegations: Sequence[tuple[Delegation, str, str]]
    past: Sequence[tuple[Delegation, str, str]]
    absences: Sequence[Absence]
    authority: Sequence[str]
    conflicts: Sequence[tuple[ConflictOfInterest, str]]
    declared_until: date | None
    decides: bool
    may_request: bool
    reader: str


def home(found: Home, words: Words) -> Block:
    """The view of the App Home; at most 100 blocks."""
    w = words
    waiting = said_many("{name}: {n} proposal waits for you", "{name}: {n} proposals wait for you", n=len(found.mine), name=found.name)
    blocks: list[Block] = [header(w.say(waiting))]
    blocks += [_mine(p, name, w) for p, name in found.mine[:_MOST]]
    blocks += _more(len(found.mine), w)
    if found.could_decide:
        text = said_many(
            "{n} more that you could decide is before others", "{n} more that you could decide are before others", n=found.could_decide
        )
        blocks.append(notes(w.say(text)))
    blocks += _conditions(found, w)
    blocks += _requests(found, w)
    blocks += _titled(w.say(said("Waiting for others")), [_other(p, name, who, w) for p, name, who in found.others[:_MOST]], w)
    blocks += _titled(w.say(said("Decided by you or in your name")), [_decided(*row, w) for row in found.decided[:_MOST]], w)
    blocks += _titled(w.say(said("Your authority")), [("", w.say(text)) for text in found.authority], w)
    blocks += _delegations(found, w)
    blocks += _conflicts(found, w)
    blocks.append(buttons("settings", button(PREFER, w.say(said("Language, time zone, working days")), "prefer")))
    return {"type": "home", "blocks": blocks[:100]}


def _mine(proposal: Proposal, name: str, w: Words) -> Block:
    end = proposal.expires_at.astimezone(w.zone).date() if proposal.expires_at else None
    until = " · " + w.say(said("until {day}", day=end)) if end else ""
    value = value_of(proposal=proposal.proposal_id, digest=proposal.digest)
    shown = {"type": "section", "text": plain(asked_briefly(proposal, name, w) + until, 300)}
    return {**shown, "accessory": button(OPEN, w.say(said("Open")), value)}


def _more(count: int, w: Words) -> list[Block]:
    if count <= _MOST:
        return []
    return [notes(w.say(said_many("and {n} more", "and {n} more", n=count - _MOST)))]


def _other(proposal: Proposal, name: str, who: str, w: Words) -> tuple[str, str]:
    return cleaned(asked_briefly(proposal, name, w), 200), w.say(said("waits for {who}", who=who))


def _conditions(found: Home, w: Words) -> list[Block]:
    """Conditions the reader may confirm, the most urgent first; nothing where there are none."""
    if not found.conditions:
        return []
    blocks = [heading(w.say(said("Conditions you can confirm")))]
    for one, proposal, name in found.conditions[:_MOST]:
        text = said("{condition}, by {day}: {ask}", condition=condition_in_words(one), day=one.due, ask=asked_briefly(proposal, name, w))
        confirm = button(CONFIRM, w.say(said("Confirm with evidence")), value_of(condition=one.condition_id))
        blocks.append({"type": "section", "text": plain(w.say(text), 400), "accessory": confirm})
    return blocks


def _requests(found: Home, w: Words) -> list[Block]:
    """How the limits stand that the reader asked for, and the way to ask for one; nothing for who never asks."""
    if not found.requests and not found.may_request:
        return []
    rows = [(cleaned(request_title(one, w, briefly=True), 200), _request(one, w)) for one in found.requests]
    blocks = _titled(w.say(said("My requests")), rows, w)
    if found.more_requests:
        blocks.append(notes(w.say(said_many("and {n} older one", "and {n} older ones", n=found.more_requests))))
    if found.may_request:
        blocks.append(buttons("request", button(REQUEST, w.say(said("Ask for a limit")), "request", style="primary")))
    return blocks


def _request(one: Asked, w: Words) -> str:
    details = [w.say(said("{label}: {text}", label=label, text=text)) for label, text in request_details(one, w)]
    return " · ".join([w.say(request_state(one)), *details])


def _decided(one: Decision, proposal: Proposal, name: str, offer: Proposal | None, w: Words) -> tuple[str, str]:
    text: str = cleaned(asked_briefly(proposal, name, w), 200)
    if offer is not None:
        text = said(
            "{ask}; offered: {offer}", ask=text, offer=offered(offer.to_minor, offer.currency, offer.terms_days, offer.effective_to)
        )
    return f"{w.say(DONE[Verdict(one.verdict)])} {w.moment(one.at)}", w.say(text)


def _titled(title: str, rows: Sequence[tuple[str, str]], w: Words) -> list[Block]:
    return [heading(title), lines(rows or [("", w.say(said("none")))])]


def _delegations(found: Home, w: Words) -> list[Block]:
    blocks = [heading(w.say(said("Who stands in for whom")))]
    for one, principal, delegate in found.delegations[:_MOST]:
        end = w.day(one.valid_to) if one.valid_to else w.say(said("no end"))
        sentence = marked("{delegate} stands in for {principal}, {start} to {end}")
        text = said(sentence, delegate=delegate, principal=principal, start=one.valid_from, end=end)
        shown: Block = section(w.say(text))
        if one.principal_id == found.reader:
            ends = button(END_DELEGATION, w.say(said("End")), value_of(delegation=one.delegation_id), style="danger")
            shown = {**shown, "accessory": ends}
        blocks.append(shown)
    blocks += _more(len(found.delegations), w)
    for absence in found.absences[:_MOST]:
        end = w.day(absence.valid_to) if absence.valid_to else w.say(said("no end"))
        away = section(w.say(said("You are away from {start}, back on {end}", start=absence.valid_from, end=end)))
        ends = button(END_ABSENCE, w.say(said("End")), value_of(absence=absence.absence_id), style="danger")
        blocks.append({**away, "accessory": ends})
    if not found.delegations and not found.absences:
        blocks.append(section(w.say(said("none"))))
    blocks += _past(found, w)
    return [*blocks, buttons("delegate", button(DELEGATE, w.say(said("Name a delegate, or say when you are away")), "delegate"))]


def _past(found: Home, w: Words) -> list[Block]:
    rows = []
    for one, principal, delegate in found.past[:_MOST_PAST]:
        sentence = marked("over: {delegate} stood in for {principal}, {start} to {end}")
        rows.append(w.say(said(sentence, delegate=delegate, principal=principal, start=one.valid_from, end=one.valid_to or "-")))
    return [notes(*rows)] if rows else []


def _conflicts(found: Home, w: Words) -> list[Block]:
    declared: list[Block] = []
    for one, name in found.conflicts[:_MOST]:
        text = said(
            "{customer}, until {day}", customer=f"{cleaned(name, 80)} ({one.customer_id})" if name else one.customer_id, day=one.valid_to
        )
        withdraw = button(WITHDRAW, w.say(said("Withdraw")), value_of(customer=one.customer_id))
        declared.append({**section(w.say(text)), "accessory": withdraw})
    declared += _more(len(found.conflicts), w)
    declared = declared or [lines([("", w.say(said("none declared")))])]
    if not found.decides:
        foot = ""
    elif found.declared_until is None:
        foot = w.say(said("Your yearly declaration is missing: please declare, also when there is none."))
    else:
        foot = w.say(said("Your yearly declaration holds until {day}; renew it by then", day=found.declared_until))
    ask = buttons("declare", button(DECLARE, w.say(said("Declare a conflict of interest")), "declare"))
    return [heading(w.say(said("Your conflicts of interest"))), *declared, *([notes(foot)] if foot else []), ask]


# --- its forms ----------------------------------------------------------------------------------------------------------------------


def _day(initial: date | None = None) -> Block:
    shown: Block = {"type": "datepicker", "action_id": _INPUT}
    return {**shown, "initial_date": initial.isoformat()} if initial else shown


def delegate_form(people: Sequence[tuple[str, str]], today: date, words: Words) -> Block:
    """Names a delegate from a day until another, or only says when one is away."""
    w = words
    away = {"text": plain(w.say(said("I am away on these days")), 75), "value": "away"}
    blocks = [
        field(PERSON, w.say(said("Who stands in for you")), select(_INPUT, people[:100], placeholder=w.say(said("nobody"))), optional=True),
        field(FROM, w.say(said("From")), _day(today)),
        field(UNTIL, w.say(said("First day back")), _day()),
        field(AWAY, w.say(said("Out of office")), {"type": "checkboxes", "action_id": _INPUT, "options": [away]}, optional=True),
    ]
    title = w.say(said("Delegation"))
    return modal(DELEGATE_FORM, title, blocks, close=w.say(said("Cancel")), submit=w.say(said("Save")))


def prefer_form(words: Words, *, language: str, locale: str, zone: str, calendar: str) -> Block:
    """Language, formats, time zone and working days of the reader."""
    w = words
    languages = select(_INPUT, list(LANGUAGES.items()), placeholder=w.say(said("as in Slack")), chosen=language)
    hint = w.say(said("What waits for your answer, and your Home, are shown anew at once; what was decided stays as it was written."))
    blocks = [
        field(LANGUAGE, w.say(said("Language")), languages, hint=hint),
        field(LOCALE, w.say(said("How numbers and dates are written (en_GB, de_DE, zh_CN)")), _text(locale), optional=True),
        field(ZONE, w.say(said("Time zone (Europe/Berlin, Asia/Shanghai)")), _text(zone), optional=True),
        field(CALENDAR, w.say(said("Working days of (DE, DE-BY, CN)")), _text(calendar), optional=True),
    ]
    return modal(PREFER_FORM, w.say(said("Preferences")), blocks, close=w.say(said("Cancel")), submit=w.say(said("Save")))


def _text(initial: str) -> Block:
    return text_input(_INPUT, initial=initial, longest=60)


def declare_form(words: Words) -> Block:
    """A conflict of interest about one customer, or that there is none; for a year at most."""
    w = words
    hint = w.say(said("Customer id, such as D-1001, or the exact name; empty: I have no conflict of interest"))
    blocks = [field(CUSTOMER, w.say(said("Customer")), text_input(_INPUT, longest=80), optional=True, hint=hint)]
    return modal(DECLARE_FORM, w.say(said("Conflict of interest")), blocks, close=w.say(said("Cancel")), submit=w.say(said("Declare")))
