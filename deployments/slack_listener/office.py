"""What every handler works with, and how it answers: the person who clicked reads the answer in his language, wherever he clicked."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from credit_review import messages
from credit_review.adapters.wiring import Services
from credit_review.errors import CreditReviewError, Refused
from credit_review.messages import notices
from credit_review.messages.text import Block, modal, section
from credit_review.model.records import InboxEntry, Person
from credit_review.ports import UnitOfWork
from credit_review.review.decide import refused_login
from credit_review.review.directory import person_for
from credit_review.words import Words, said
from deployments.slack_listener.identity import Account, Directory, account_of
from deployments.slack_listener.pump import Pump

if TYPE_CHECKING:
    from slack_bolt import Respond
    from slack_sdk import WebClient

LOG = logging.getLogger("credit_review.slack")


@dataclass(frozen=True, slots=True)
class Office:
    """Services, the bot's client, what Slack knows of people, and the pump that sends what is owed."""

    services: Services
    client: WebClient
    directory: Directory
    pump: Pump
    company: messages.Company

    def person(self, uow: UnitOfWork, body: Mapping[str, Any]) -> Person:
        """The person behind an interaction. Refused when Slack or our directory says that he is nobody of ours."""
        account = account_of(body)
        self.directory.require_ours(account)
        now = self.services.clock.now()
        return person_for(uow, "slack", account.name, on=self.services.today(), known_at=now)

    def words(self, uow: UnitOfWork, person: Person | None) -> Words:
        """How a person reads."""
        return self.company.reader(uow, person.person_id, self.services.clock.now()) if person else self.company.words

    def reading_words(self, body: Mapping[str, Any]) -> Words:
        """How whoever clicked reads; the company's words for somebody unknown."""
        try:
            with self.services.store.read() as uow:
                return self.words(uow, self.person(uow, body))
        except CreditReviewError:
            return self.company.words

    def refuse_stranger(self, body: Mapping[str, Any], refusal: Refused, about: str) -> None:
        """Records that somebody who is nobody of ours tried; once for each delivery."""
        key = delivery_key(account_of(body), about, "refused")
        with self.services.store.begin(interactive=True) as uow:
            if uow.add_if_absent(InboxEntry(delivery_key=key, outcome_json="{}", at=self.services.clock.now())):
                refused_login(uow, "slack", account_of(body).name, refusal)
                uow.commit()


def delivery_key(account: Account, *about: str) -> str:
    """The key under which an interaction is handled once, however often it is delivered."""
    return "slack:" + sha256("|".join((account.name, *about)).encode()).hexdigest()


def click_key(body: Mapping[str, Any]) -> str:
    """What tells one click from another: message or view, button, moment and value."""
    action = body["actions"][0]
    place = body.get("container") or {}
    where = place.get("message_ts") or place.get("view_id") or ""
    return json.dumps([action["action_id"], action.get("action_ts", ""), where, action.get("value", "")])


def submission_key(body: Mapping[str, Any]) -> str:
    """What tells one submission of a form from another: the view, and what stands in it. A refused form is corrected and sent again."""
    view = body["view"]
    return json.dumps([view["id"], view["hash"], view["state"]["values"]], sort_keys=True)


def tell(office: Office, body: Mapping[str, Any], respond: Respond, text: str, words: Words) -> None:
    """Answer whoever clicked: below the message, or in the modal it was clicked in."""
    shown = notices.answer(words.say(text))
    try:
        if body.get("view") and body["view"].get("type") == "modal":
            office.client.views_update(view_id=body["view"]["id"], view=dict(said_in_modal(text, words)))
        elif body.get("response_url") or body.get("channel"):
            respond(text=shown.text, blocks=list(shown.blocks), response_type="ephemeral", replace_original=False)
        else:
            office.client.views_open(trigger_id=body["trigger_id"], view=dict(said_in_modal(text, words)))
    except Exception:  # the decision stands; only its echo was lost
        LOG.warning("the person who clicked could not be answered")


def said_in_modal(text: str, words: Words) -> Block:
    """A modal that only says something."""
    return modal("credit_review_said", words.say(said("Credit review")), [section(words.say(text))], close=words.say(said("Close")))
