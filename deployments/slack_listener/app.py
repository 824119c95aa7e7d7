"""The bolt app of an installation: which interaction goes to which handler."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from slack_bolt import App

from credit_review import messages
from credit_review.adapters import settings as configuration
from credit_review.adapters.slack_chat import SlackChat, web_client
from credit_review.adapters.wiring import Services
from credit_review.messages import card, digest, forms, home, notices, requests
from deployments.slack_listener import deciding, looking, replies, stating
from deployments.slack_listener.answering import LINK, Handler, Then, decides, looks, submits
from deployments.slack_listener.asker import Asker
from deployments.slack_listener.identity import Directory
from deployments.slack_listener.logs import quiet_logger
from deployments.slack_listener.office import Office
from deployments.slack_listener.pump import Pump

WORKERS = 24
"""Handlers at once. Deciding ones take turns at the database; the others must not make them wait."""
IMPATIENT_SECONDS = 1
"""How long Slack may take to say who somebody is, while he waits for his decision to be stored."""

_LOOKS: dict[Any, Handler] = {
    card.APPROVE_TYPED: looking.approve_typed,
    card.APPROVE_IF: looking.approve_on_condition,
    card.APPROVE_OUTSIDE: looking.approve_outside,
    card.REJECT: looking.reject,
    card.RETURN: looking.give_back,
    card.COUNTER: looking.counter,
    card.WHY: looking.show_why,
    card.CONFIRM: looking.confirm_form,
    notices.ANSWER: looking.answer_form,
    digest.OPEN: looking.open_card,
    digest.FILTER_GRADE: looking.page,
    digest.FILTER_AMOUNT: looking.page,
    re.compile(f"^{digest.PAGE}:"): looking.page,
    forms.COUNTER_CHANGED: looking.counter_changed,
    home.DELEGATE: stating.delegate_form,
    home.PREFER: stating.prefer_form,
    home.DECLARE: stating.declare_form,
    home.REQUEST: stating.request_form,
}
_DECIDES: dict[str, tuple[Handler, Then | None]] = {
    card.APPROVE: (deciding.approve, None),
    digest.APPROVE_LISTED: (deciding.approve_listed, None),
    home.END_DELEGATION: (stating.end_delegation, looking.publish_home),
    home.END_ABSENCE: (stating.end_absence, looking.publish_home),
    home.WITHDRAW: (stating.withdraw, looking.publish_home),
}
_FORMS: dict[str, tuple[Handler, str, Then | None]] = {
    forms.APPROVE_FORM: (deciding.approve_form, forms.AMOUNT, None),
    forms.REJECT_FORM: (deciding.reject, forms.REASON, None),
    forms.RETURN_FORM: (deciding.give_back, forms.REASON, None),
    forms.COUNTER_FORM: (deciding.counter, forms.AMOUNT, None),
    forms.CONFIRM_FORM: (deciding.confirm, forms.EVIDENCE, looking.publish_home),
    forms.ANSWER_FORM: (deciding.answer, forms.REASON, None),
    home.DELEGATE_FORM: (stating.delegate, home.UNTIL, looking.publish_home),
    home.PREFER_FORM: (stating.prefer, home.LOCALE, looking.publish_home),
    home.DECLARE_FORM: (stating.declare, home.CUSTOMER, looking.publish_home),
    requests.REQUEST_FORM: (stating.request, requests.CUSTOMER, None),
}
"""Handler of a form, the field at which a refusal is said, and what follows once it is acknowledged."""


def build_office(services: Services) -> Office:
    """What the handlers work with. Raises BadInput when the bot token is missing. Nothing is started."""
    token, api = configuration.require_secret("SLACK_BOT_TOKEN"), services.settings.slack.api_url
    client, impatient = web_client(token, api), web_client(token, api)
    impatient.timeout, impatient.retry_handlers = IMPATIENT_SECONDS, []
    company = messages.Company(services.settings.words())
    pump = Pump(services, SlackChat(client), company)
    asker = Asker(services, client, pump, company)
    return Office(services=services, client=client, directory=Directory(services, impatient), pump=pump, asker=asker, company=company)


def build_app(office: Office) -> App:
    """The bolt app, for Socket Mode or HTTP. Raises BadInput when the signing secret is missing."""
    mode = office.services.settings.slack.mode
    app = App(
        client=office.client,
        signing_secret=configuration.require_secret("SLACK_SIGNING_SECRET") if mode == "http" else None,
        token_verification_enabled=False,
        logger=quiet_logger(),
        listener_executor=ThreadPoolExecutor(max_workers=WORKERS),
    )
    _route(app, office)
    return app


def _route(app: App, office: Office) -> None:
    for action, handler in _LOOKS.items():
        app.action(action)(looks(office, handler))
    for action, (handler, then) in _DECIDES.items():
        app.action(action)(decides(office, handler, then))
    for view, (handler, field, then) in _FORMS.items():
        app.view(view)(submits(office, handler, field, then))
    app.action(LINK)(lambda ack: ack())
    app.command("/credit")(looks(office, looking.credit_command))
    app.event("app_home_opened")(lambda body: looking.publish_home(office, body))
    app.event("message")(lambda body, event: replies.reply(office, body, event))
