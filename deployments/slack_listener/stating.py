"""What people state in Slack about themselves, and what sales asks for: delegation, absence, preferences, conflicts, requests."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from datetime import date
from typing import TYPE_CHECKING, Any

from credit_review import messages
from credit_review.errors import BadInput, CreditReviewError, Refused
from credit_review.messages import forms, notices, requests
from credit_review.messages import home as homes
from credit_review.messages.text import read_value
from credit_review.model.records import Delegation, Person, PersonPreference
from credit_review.model.states import Right
from credit_review.ports import UnitOfWork
from credit_review.review import directory, personal
from credit_review.review.rerouting import reroute
from credit_review.words import Words, said
from deployments.slack_listener import deciding
from deployments.slack_listener.credit import known_customer
from deployments.slack_listener.identity import account_of
from deployments.slack_listener.looking import publish_home
from deployments.slack_listener.office import Office

if TYPE_CHECKING:
    from slack_bolt import Ack

LOG = logging.getLogger("credit_review.slack")

_Act = Callable[[UnitOfWork, Person], None]


def _form(office: Office, ack: Ack, body: Mapping[str, Any], draw: Callable[[UnitOfWork, Person, Words], Any]) -> None:
    ack()
    try:
        with office.services.store.read() as uow:
            person = office.person(uow, body)
            view = draw(uow, person, office.words(uow, person))
        office.client.views_open(trigger_id=body["trigger_id"], view=dict(view))
    except CreditReviewError:
        LOG.info("a form was not opened: the person is nobody of ours")


def _saved(office: Office, ack: Ack, body: Mapping[str, Any], field: str, act: _Act) -> None:
    """Store what a form states, say what is wrong in the form, and draw the App Home anew."""
    words = office.reading_words(body)
    try:
        with office.services.store.begin(interactive=True) as uow:
            act(uow, office.person(uow, body))
            uow.commit()
    except (BadInput, Refused) as error:
        ack(response_action="errors", errors={field: messages.cleaned(words.error(error), 150)})
        return
    ack()
    office.pump.wake()
    publish_home(office, body, account_of(body).user)


def delegate_form(office: Office, ack: Ack, body: Mapping[str, Any]) -> None:
    """Open the form that names a delegate."""

    def draw(uow: UnitOfWork, person: Person, words: Words) -> Any:
        today = office.services.today()
        others = [p for p in directory.persons(uow, on=today, known_at=office.services.clock.now()) if p.active]
        return homes.delegate_form([(p.person_id, p.name) for p in others if p.person_id != person.person_id], today, words)

    _form(office, ack, body, draw)


def delegate(office: Office, ack: Ack, body: Mapping[str, Any]) -> None:
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

    _saved(office, ack, body, homes.UNTIL, act)


def _ask_others(office: Office, uow: UnitOfWork, person: Person, *, customer_id: str = "") -> None:
    """Put what waits for a person before whoever would be asked instead of him, or beside him, from now on."""
    to, now, zone = office.services.settings.slack.destinations(), office.services.clock.now(), office.services.settings.zone
    reroute(uow, [person.person_id], to, now, zone=zone, by=person.person_id, customer_id=customer_id)


def end_absence(office: Office, ack: Ack, body: Mapping[str, Any]) -> None:
    """End one's own absence today."""

    def act(uow: UnitOfWork, person: Person, absence_id: str) -> None:
        now, today = office.services.clock.now(), office.services.today()
        personal.end_absence(uow, absence_id, person_id=person.person_id, on=today, now=now)

    _pressed(office, ack, body, "absence", act)


def withdraw(office: Office, ack: Ack, body: Mapping[str, Any]) -> None:
    """Withdraw one's own declaration about a customer."""

    def act(uow: UnitOfWork, person: Person, customer_id: str) -> None:
        personal.withdraw_conflict(uow, person.person_id, customer_id, on=office.services.today(), now=office.services.clock.now())
        _ask_others(office, uow, person, customer_id=customer_id)

    _pressed(office, ack, body, "customer", act)


def _pressed(office: Office, ack: Ack, body: Mapping[str, Any], name: str, act: Callable[[UnitOfWork, Person, str], None]) -> None:
    """Do what a button of the App Home says, and draw it anew: of what is over already it shows so."""
    ack()
    (about,) = read_value(body["actions"][0]["value"], name)
    try:
        with office.services.store.begin(interactive=True) as uow:
            act(uow, office.person(uow, body), about)
            uow.commit()
    except CreditReviewError:
        LOG.info("a button of the App Home changed nothing")
    office.pump.wake()
    publish_home(office, body, account_of(body).user)


def end_delegation(office: Office, ack: Ack, body: Mapping[str, Any]) -> None:
    """End one's own delegation today."""
    ack()
    (delegation_id,) = read_value(body["actions"][0]["value"], "delegation")
    now, today = office.services.clock.now(), office.services.today()
    try:
        with office.services.store.begin(interactive=True) as uow:
            person = office.person(uow, body)
            mine = [d for d in uow.find(Delegation, delegation_id=delegation_id) if d.principal_id == person.person_id]
            if mine:
                directory.end_delegation(uow, delegation_id, on=today, by=person.person_id, now=now)
                uow.commit()
    except CreditReviewError:
        LOG.info("a delegation was not ended")
    publish_home(office, body, account_of(body).user)


def prefer_form(office: Office, ack: Ack, body: Mapping[str, Any]) -> None:
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

    _form(office, ack, body, draw)


def prefer(office: Office, ack: Ack, body: Mapping[str, Any]) -> None:
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

    _saved(office, ack, body, homes.LOCALE, act)


def declare_form(office: Office, ack: Ack, body: Mapping[str, Any]) -> None:
    """Open the form of a conflict of interest."""
    _form(office, ack, body, lambda _uow, _person, words: homes.declare_form(words))


def declare(office: Office, ack: Ack, body: Mapping[str, Any]) -> None:
    """Record a declaration, for a year."""
    wanted = forms.typed_in(body["view"], homes.CUSTOMER).strip()
    now, today = office.services.clock.now(), office.services.today()

    def act(uow: UnitOfWork, person: Person) -> None:
        customer = known_customer(office, uow, wanted) if wanted else ""
        personal.declare_conflict(uow, person.person_id, customer, start=today, by=person.person_id, now=now)
        if customer:
            _ask_others(office, uow, person, customer_id=customer)

    _saved(office, ack, body, homes.CUSTOMER, act)


def confirm(office: Office, ack: Ack, body: Mapping[str, Any]) -> None:
    """A second person's word that a condition is met; the App Home lists it no more."""
    deciding.confirm(office, ack, body)
    publish_home(office, body, account_of(body).user)


# --- requests -----------------------------------------------------------------------------------------------------------------------


def request_form(office: Office, ack: Ack, body: Mapping[str, Any]) -> None:
    """Open the form with which sales asks for a limit."""
    _form(office, ack, body, lambda _uow, _person, words: requests.request_form(words))


def request(office: Office, ack: Ack, body: Mapping[str, Any]) -> None:
    """Start the review of one customer that a request is; what becomes of it is told in a direct message."""
    view, words = body["view"], office.reading_words(body)
    try:
        with office.services.store.read() as uow:
            person = office.person(uow, body)
            now, today = office.services.clock.now(), office.services.today()
            if not personal.has_right(uow, person.person_id, Right.REQUEST_LIMITS, on=today, known_at=now):
                raise Refused("may_not_request", said("you may not ask for limits; ask the risk team for the right to"))
            asked = _asked_in(view, person.person_id, today)
    except (BadInput, Refused) as error:
        ack(response_action="errors", errors={requests.CUSTOMER: messages.cleaned(words.error(error), 150)})
        return
    ack()
    threading.Thread(target=_run, args=(office, asked, account_of(body).user, words), daemon=True).start()


def _asked_in(view: Mapping[str, Any], person_id: str, today: date) -> dict[str, Any]:
    until, terms = forms.day_in(view, requests.UNTIL), forms.typed_in(view, requests.TERMS)
    if until is not None and until <= today:
        raise BadInput(said("a temporary limit ends on a day to come"))
    return {
        "customer_id": forms.typed_in(view, requests.CUSTOMER).strip(),
        "amount": forms.typed_in(view, requests.AMOUNT),
        "until": until.isoformat() if until else None,
        "terms_days": int(terms) if terms else None,
        "reason": forms.typed_in(view, requests.REASON),
        "person_id": person_id,
    }


def _run(office: Office, asked: Mapping[str, Any], user: str, words: Words) -> None:
    """The flow in a process of its own: the listener stays small and quick."""
    config = str(office.services.settings.folder)
    command = [sys.executable, "-m", "deployments.slack_listener.asking", config]
    done = subprocess.run(command, input=json.dumps(dict(asked)), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        what = done.stderr.strip().splitlines()[-1:] or [said("it stopped without a word")]
        shown = notices.answer(words.say(said("Your request was not recorded: {why}", why=what[0])))
        office.client.chat_postMessage(channel=user, text=shown.text, blocks=list(shown.blocks))
    office.pump.wake()
