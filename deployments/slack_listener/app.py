"""The bolt app of an installation: which interaction goes to which handler."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from slack_bolt import App

from credit_review import messages
from credit_review.adapters import settings as configuration
from credit_review.adapters.slack_chat import SlackChat, web_client, without_tokens
from credit_review.adapters.wiring import Services
from credit_review.errors import CreditReviewError
from credit_review.messages import card, digest, forms, home, notices, requests
from credit_review.model.records import SlackMessage
from deployments.slack_listener import deciding, looking, stating
from deployments.slack_listener.identity import Directory, account_of
from deployments.slack_listener.office import Office
from deployments.slack_listener.pump import Pump

LOG = logging.getLogger("credit_review.slack")
WORKERS = 24
"""Handlers at once. Deciding ones take turns at the database; the others must not make them wait."""


def build_office(services: Services) -> Office:
    """What the handlers work with. Raises BadInput when the bot token is missing. The pump is not started."""
    client = web_client(configuration.require_secret("SLACK_BOT_TOKEN"), services.settings.slack.api_url)
    company = messages.Company(services.settings.words())
    pump = Pump(services, SlackChat(client), company)
    return Office(services=services, client=client, directory=Directory(services, client), pump=pump, company=company)


def build_app(office: Office) -> App:
    """The bolt app, for Socket Mode or HTTP. Raises BadInput when the signing secret is missing."""
    mode = office.services.settings.slack.mode
    app = App(
        client=office.client,
        signing_secret=configuration.require_secret("SLACK_SIGNING_SECRET") if mode == "http" else None,
        token_verification_enabled=False,
        logger=_quiet_logger(),
        listener_executor=ThreadPoolExecutor(max_workers=WORKERS),
    )
    _route(app, office)
    return app


def _route(app: App, office: Office) -> None:
    _clicks(app, office)
    for action, handler in {
        forms.COUNTER_CHANGED: looking.counter_changed,
        home.DELEGATE: stating.delegate_form,
        home.END_DELEGATION: stating.end_delegation,
        home.END_ABSENCE: stating.end_absence,
        home.WITHDRAW: stating.withdraw,
        home.PREFER: stating.prefer_form,
        home.DECLARE: stating.declare_form,
        home.REQUEST: stating.request_form,
    }.items():
        app.action(action)(_quiet(office, handler))
    for view, handler in {
        forms.APPROVE_FORM: deciding.approve_form,
        forms.REJECT_FORM: deciding.reject,
        forms.RETURN_FORM: deciding.give_back,
        forms.COUNTER_FORM: deciding.counter,
        forms.CONFIRM_FORM: stating.confirm,
        forms.ANSWER_FORM: deciding.answer,
        home.DELEGATE_FORM: stating.delegate,
        home.PREFER_FORM: stating.prefer,
        home.DECLARE_FORM: stating.declare,
        requests.REQUEST_FORM: stating.request,
    }.items():
        app.view(view)(_quiet(office, handler))
    app.event("app_home_opened")(lambda body, event: looking.publish_home(office, body, event["user"]))
    app.event("message")(lambda body, event: _reply(office, body, event))
    app.command("/credit")(lambda ack, body, respond: looking.credit_command(office, ack, body, respond))


def _clicks(app: App, office: Office) -> None:
    answered: dict[Any, Callable[..., None]] = {
        card.APPROVE: deciding.approve,
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
        digest.APPROVE_LISTED: deciding.approve_listed,
        digest.FILTER_GRADE: looking.page,
        digest.FILTER_AMOUNT: looking.page,
        re.compile(f"^{digest.PAGE}:"): looking.page,
    }
    for action, handler in answered.items():
        app.action(action)(_answering(office, handler))


def _answering(office: Office, handler: Callable[..., None]) -> Callable[..., None]:
    def handle(ack: Any, body: Mapping[str, Any], respond: Any) -> None:
        handler(office, ack, body, respond)

    return handle


def _quiet(office: Office, handler: Callable[..., None]) -> Callable[..., None]:
    def handle(ack: Any, body: Mapping[str, Any]) -> None:
        handler(office, ack, body)

    return handle


def _reply(office: Office, body: Mapping[str, Any], event: Mapping[str, Any]) -> None:
    """A reply in the thread of a question is its answer, when it comes from who may answer; anything else is none of our business."""
    thread = str(event.get("thread_ts") or "")
    if not thread or event.get("bot_id") or event.get("subtype"):
        return
    with office.services.store.read() as uow:
        posted = uow.find(SlackMessage, channel=str(event["channel"]), ts=thread)
    asked = [m.subject.partition(":")[2] for m in posted if m.subject.startswith("question:")]
    for proposal_id in asked:
        try:
            deciding.answered(office, body, proposal_id, str(event.get("text") or ""), f"{event['channel']}|{event['ts']}")
        except CreditReviewError as error:
            shown = notices.answer(office.reading_words(body).error(error))
            user = account_of(body).user
            place = {"channel": event["channel"], "user": user, "thread_ts": thread}
            office.client.chat_postEphemeral(**place, text=shown.text, blocks=list(shown.blocks))
    office.pump.wake()


class _WithoutTokens(logging.Filter):
    """Strikes tokens out of what libraries log."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = without_tokens(record.getMessage()), ()
        return True


def _quiet_logger() -> logging.Logger:
    """Bolt's log without request bodies (it writes rejected ones, signatures included, at INFO), and without tokens."""
    logger = logging.getLogger("credit_review.slack.bolt")
    logger.setLevel(logging.WARNING)
    if not logger.filters:
        logger.addFilter(_WithoutTokens())
    return logger
