"""What every handler works with, and what tells one interaction from another."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from credit_review import messages
from credit_review.adapters.wiring import Services
from credit_review.errors import Refused
from credit_review.model.records import InboxEntry, Person
from credit_review.ports import UnitOfWork
from credit_review.review.decide import refused_early, refused_login
from credit_review.review.directory import person_for
from credit_review.words import Words
from deployments.slack_listener.asker import Asker
from deployments.slack_listener.identity import Account, Directory, NotOurs, account_of
from deployments.slack_listener.newest import Newest
from deployments.slack_listener.pump import Pump

if TYPE_CHECKING:
    from slack_sdk import WebClient

LOG = logging.getLogger("credit_review.slack")
ANSWER_WITHIN = 2.5
"""Seconds from the arrival of a request in which what it decides is stored, or not at all: Slack gives up after 3."""
DEADLINE = "credit_review_deadline"
"""Where bolt's context keeps the moment, in time.monotonic() seconds, until which a request may still decide."""


@dataclass(frozen=True, slots=True)
class Told:
    """What a person is told. `accepted` is false for a refusal, `code` says which; `link` is an address behind a button."""

    text: str
    words: Words
    accepted: bool = True
    code: str = ""
    link: str = ""
    message: messages.Message | None = None


@dataclass(frozen=True, slots=True)
class Office:
    """Services, the bot's client, what Slack knows of people, and those who send and ask.

    `changes` keeps the order of changes in forms; `deadline` is the request's own.
    """

    services: Services
    client: WebClient
    directory: Directory
    pump: Pump
    asker: Asker
    company: messages.Company
    changes: Newest = field(default_factory=Newest)
    deadline: float | None = None

    def start(self) -> None:
        """Begin to send what is owed, and to pass on requests that wait."""
        self.pump.start()
        self.asker.start()

    def stop(self) -> None:
        """End after what is under way."""
        self.asker.stop()
        self.pump.stop()

    def until(self, deadline: float | None) -> Office:
        """The office for a request that decides: nothing is stored past its deadline."""
        return replace(self, deadline=deadline)

    def writing(self) -> AbstractContextManager[UnitOfWork]:
        """The one way in which handlers store anything. Slack must not be called inside: others wait for their turn."""
        return self.services.store.begin(interactive=True, deadline=self.deadline)

    def person(self, uow: UnitOfWork, body: Mapping[str, Any]) -> Person:
        """The person behind an interaction, by our directory alone. Refused when he is nobody of ours."""
        return person_for(uow, "slack", account_of(body).name, on=self.services.today(), known_at=self.services.clock.now())

    def words(self, uow: UnitOfWork, person: Person | None) -> Words:
        """How a person reads."""
        return self.company.reader(uow, person.person_id, self.services.clock.now()) if person else self.company.words

    def words_of(self, uow: UnitOfWork, body: Mapping[str, Any]) -> Words:
        """How whoever acts reads; the company's words for somebody unknown."""
        try:
            return self.words(uow, self.person(uow, body))
        except Refused:
            return self.company.words

    def once(self, uow: UnitOfWork, body: Mapping[str, Any], *about: str) -> bool:
        """Whether an interaction is new; from now on it is known, if the transaction is committed."""
        key = delivery_key(account_of(body), interaction_key(body), *about)
        return uow.add_if_absent(InboxEntry(delivery_key=key, outcome_json="{}", at=self.services.clock.now()))

    def record(self, body: Mapping[str, Any], refusal: Refused) -> None:
        """Puts a refusal on record, once for each delivery: of somebody who is nobody of ours, or of a person by a rule."""
        account = account_of(body)
        with self.writing() as uow:
            if not self.once(uow, body, "refused"):
                return
            try:
                if isinstance(refusal, NotOurs):
                    raise refusal
                person = self.person(uow, body)
            except Refused as nobody:
                refused_login(uow, "slack", account.name, nobody)
            else:
                key = delivery_key(account, interaction_key(body))
                refused_early(uow, refusal, person_id=person.person_id, proposal_id=_proposal_in(body), channel="slack", delivery_key=key)
            uow.commit()


def delivery_key(account: Account, *about: str) -> str:
    """The key under which an interaction is handled once, however often it is delivered."""
    return "slack:" + sha256("|".join((account.name, *about)).encode()).hexdigest()


def interaction_key(body: Mapping[str, Any]) -> str:
    """What tells one click, submission, reply or command from another.

    A submission's key holds which form it is, what it is about and what stands in it: a refused form is corrected and sent again with the
    same id and hash.
    """
    if body.get("actions"):
        action, place = body["actions"][0], body.get("container") or {}
        where = place.get("message_ts") or place.get("view_id") or ""
        return json.dumps([action["action_id"], action.get("action_ts", ""), where, action.get("value", "")])
    if view := body.get("view"):
        form = [view["id"], view["hash"], view.get("callback_id", ""), view["private_metadata"]]
        return json.dumps([*form, view["state"]["values"]], sort_keys=True)
    if event := body.get("event"):
        return f"{event.get('channel', '')}|{event.get('ts', '')}"
    return json.dumps([body.get("command", ""), body.get("text", ""), body.get("trigger_id", "")])


def _proposal_in(body: Mapping[str, Any]) -> str:
    """The id of the proposal that a button or form speaks of; empty when none."""
    carried = body["actions"][0].get("value") if body.get("actions") else (body.get("view") or {}).get("private_metadata")
    try:
        return str(json.loads(carried or "{}").get("proposal", ""))
    except (ValueError, AttributeError):
        return ""
