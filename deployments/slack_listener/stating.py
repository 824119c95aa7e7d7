"""What people state in Slack about themselves, and what sales asks for: delegation, absence, preferences, conflicts, requests.

`answering` acknowledges a form once it is stored, and answers refusals; a form delivered twice is stored once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

from credit_review.errors import BadInput, Refused
from credit_review.messages import forms, requests
from credit_review.messages import home as homes
from credit_review.messages.text import read_value
from credit_review.model.records import Delegation, Person, PersonPreference
from credit_review.model.states import Right
from credit_review.ports import UnitOfWork
from credit_review.review import directory, personal
from credit_review.review.rerouting import reroute
from credit_review.words import Words, said
from deployments.slack_listener import asker
from deployments.slack_listener.credit import known_customer
from deployments.slack_listener.deciding import days_of
from deployments.slack_listener.identity import account_of
from deployments.slack_listener.office import Office, delivery_key, interaction_key
from deployments.slack_listener.showing import showing

Body = Mapping[str, Any]


def _form(office: Office, body: Body, draw: Callable[[UnitOfWork, Person, Words], Any]) -> None:
    with office.services.store.read() as uow:
        person = office.person(uow, body)
        view = draw(uow, person, office.words(uow, person))
    with showing():
        office.client.views_open(trigger_id=body["trigger_id"], view=dict(view))


def _saved(office: Office, body: Body, act: Callable[[UnitOfWork, Person], None]) -> None:
    """Store what a person states, once for each delivery."""
    with office.writing() as uow:
        if office.once(uow, body):
            act(uow, office.person(uow, body))
            uow.commit()


def delegate_form(office: Office, body: Body) -> None:
    """Open the form that names a delegate."""

    def draw(uow: UnitOfWork, person: Person, words: Words) -> Any:
        today = office.services.today()
        others = [p for p in directory.persons(uow, on=today, known_at=office.services.clock.now()) if p.active]
        return homes.delegate_form([(p.person_id, p.name) for p in others if p.person_id != person.person_id], today, words)

    _form(office, body, draw)


def delegate(office: Office, body: Body) -> None:
    """Record a delegation, an absence, or both."""
    view, now = body["view"], office.services.clock.now()
    whom = forms.typed_in(view, homes.PERSON)
    start, end = forms.day_in(view, homes.FROM) or office.services.today(), forms.day_in(view, homes.UNTIL)
    is_away = bool(view["state"]["values"].get(homes.AWAY, {}).get("input", {}).get("selected_options"))

    def act(uow: UnitOfWork, person: Person) -> None:
        if not whom and not is_away:
            raise BadInput(said("nothing to save"), next_step=said("choose a person, or say that you are away"))
        if end is None:
            raise BadInput(said("say until when"))
        if whom:
            directory.delegate(
                uow, principal_id=person.person_id, delegate_id=whom, valid_from=start, valid_to=end, by=person.person_id, now=now
            )
        if is_away:
            personal.away(uow, person.person_id, start=start, end=end, by=person.person_id, now=now)
        _ask_others(office, uow, person)

    _saved(office, body, act)


def _ask_others(office: Office, uow: UnitOfWork, person: Person, *, customer_id: str = "") -> None:
    """Put what waits for a person before whoever would be asked instead of him, or beside him, from now on."""
    to, now, zone = office.services.settings.slack.destinations(), office.services.clock.now(), office.services.settings.zone
    reroute(uow, [person.person_id], to, now, zone=zone, by=person.person_id, customer_id=customer_id)


def end_absence(office: Office, body: Body) -> None:
    """End one's own absence today."""
    (absence_id,) = read_value(body["actions"][0].get("value", ""), "absence")
    now, today = office.services.clock.now(), office.services.today()
    _saved(office, body, lambda uow, person: personal.end_absence(uow, absence_id, person_id=person.person_id, on=today, now=now))


def withdraw(office: Office, body: Body) -> None:
    """Withdraw one's own declaration about a customer."""
    (customer_id,) = read_value(body["actions"][0].get("value", ""), "customer")
    now, today = office.services.clock.now(), office.services.today()

    def act(uow: UnitOfWork, person: Person) -> None:
        personal.withdraw_conflict(uow, person.person_id, customer_id, on=today, now=now)
        _ask_others(office, uow, person, customer_id=customer_id)

    _saved(office, body, act)


def end_delegation(office: Office, body: Body) -> None:
    """End one's own delegation today."""
    (delegation_id,) = read_value(body["actions"][0].get("value", ""), "delegation")
    now, today = office.services.clock.now(), office.services.today()

    def act(uow: UnitOfWork, person: Person) -> None:
        if not [d for d in uow.find(Delegation, delegation_id=delegation_id) if d.principal_id == person.person_id]:
            raise Refused("delegation.another", said("you end your own delegations only"))
        directory.end_delegation(uow, delegation_id, on=today, by=person.person_id, now=now)

    _saved(office, body, act)


def prefer_form(office: Office, body: Body) -> None:
    """Open the form of preferences."""

    def draw(uow: UnitOfWork, person: Person, words: Words) -> Any:
        now = office.services.clock.now()
        kept = personal.preference_of(uow, person.person_id, on=office.services.today(), known_at=now)
        return homes.prefer_form(
            words,
            language=kept.language if kept else words.language,
            locale=kept.locale if kept else "",
            zone=kept.time_zone if kept else "",
            calendar=kept.calendar if kept else "",
        )

    _form(office, body, draw)


def prefer(office: Office, body: Body) -> None:
    """Record how the person reads and works."""
    view = body["view"]

    def act(uow: UnitOfWork, person: Person) -> None:
        chosen = PersonPreference(
            person_id=person.person_id,
            language=forms.typed_in(view, homes.LANGUAGE),
            locale=forms.typed_in(view, homes.LOCALE),
            time_zone=forms.typed_in(view, homes.ZONE),
            calendar=forms.typed_in(view, homes.CALENDAR),
            valid_from=office.services.today(),
            valid_to=None,
            recorded_at=office.services.clock.now(),
        )
        personal.prefer(uow, chosen, by=person.person_id)

    _saved(office, body, act)


def declare_form(office: Office, body: Body) -> None:
    """Open the form of a conflict of interest."""
    _form(office, body, lambda _uow, _person, words: homes.declare_form(words))


def declare(office: Office, body: Body) -> None:
    """Record a declaration, for a year."""
    wanted = forms.typed_in(body["view"], homes.CUSTOMER).strip()
    now, today = office.services.clock.now(), office.services.today()
    with office.services.store.read() as read:  # which may read a review's files: not while others wait for their turn to write
        customer = known_customer(office, read, wanted) if wanted else ""

    def act(uow: UnitOfWork, person: Person) -> None:
        personal.declare_conflict(uow, person.person_id, customer, start=today, by=person.person_id, now=now)
        if customer:
            _ask_others(office, uow, person, customer_id=customer)

    _saved(office, body, act)


# --- requests -----------------------------------------------------------------------------------------------------------------------


def request_form(office: Office, body: Body) -> None:
    """Open the form with which sales asks for a limit."""
    _form(office, body, lambda _uow, _person, words: requests.request_form(words))


def request(office: Office, body: Body) -> None:
    """Keep the request; the asker starts the review of one customer that it is, and what becomes of it is told in a direct message."""
    account = account_of(body)
    with office.writing() as uow:
        person = office.person(uow, body)
        now, today = office.services.clock.now(), office.services.today()
        if not personal.has_right(uow, person.person_id, Right.REQUEST_LIMITS, on=today, known_at=now):
            raise Refused("may_not_request", said("you may not ask for limits; ask the risk team for the right to"))
        asked = _asked_in(body["view"], person.person_id, today)
        if asker.keep(uow, delivery_key(account, interaction_key(body)), asked, account.user, now):
            uow.commit()


def _asked_in(view: Mapping[str, Any], person_id: str, today: date) -> dict[str, Any]:
    until, terms = forms.day_in(view, requests.UNTIL), forms.typed_in(view, requests.TERMS)
    if until is not None and until <= today:
        raise BadInput(said("a temporary limit ends on a day to come"))
    return {
        "customer_id": forms.typed_in(view, requests.CUSTOMER).strip(),
        "amount": forms.typed_in(view, requests.AMOUNT),
        "until": until.isoformat() if until else None,
        "terms_days": days_of(terms) if terms else None,
        "order": forms.typed_in(view, requests.ORDER).strip(),
        "reason": forms.typed_in(view, requests.REASON),
        "person_id": person_id,
    }
