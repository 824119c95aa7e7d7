"""Replies in threads. In the thread of a question a reply is its answer, when it comes from who may answer."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from credit_review.adapters.slack_chat import SlackChat
from credit_review.errors import CreditReviewError, Refused, Unavailable
from credit_review.messages.text import as_written
from credit_review.model.records import SlackMessage
from credit_review.review.outbox import PROPOSAL, QUESTION, subject_of
from credit_review.words import said
from deployments.slack_listener.answering import answer, refused
from deployments.slack_listener.deciding import answered
from deployments.slack_listener.identity import account_of
from deployments.slack_listener.office import Office, Told

LOG = logging.getLogger("credit_review.slack")
_WRITTEN = ("", "thread_broadcast", "file_share")
"""Subtypes of what a person writes: plain, also sent to the channel, with a file."""
_TALK = ("not_yours_to_answer", "not_returned")
"""Refusals that below a card mean no more than that people talk there."""


def reply(office: Office, body: Mapping[str, Any], event: Mapping[str, Any]) -> None:
    """Take a reply as an answer where it is one; its author is told when it could not be taken. Anything else is none of our business."""
    if not (event.get("channel") and event.get("thread_ts")) or event.get("bot_id") or str(event.get("subtype") or "") not in _WRITTEN:
        return
    below = ""
    try:
        below, proposal_id = _asked(office, body, event)
        if proposal_id:
            office.directory.require_ours(account_of(body))
            answered(office, body, proposal_id, as_written(str(event.get("text") or "")))
    except CreditReviewError as error:
        if not (below == PROPOSAL and isinstance(error, Refused) and error.code in _TALK):
            _not_taken(office, body, event, error)
    office.pump.wake()


def _not_taken(office: Office, body: Mapping[str, Any], event: Mapping[str, Any], error: CreditReviewError) -> None:
    text = said("your reply could not be taken now; send it again in a moment, or use the button of the question")
    try:
        told = refused(office, body, error)
        _tell(office, body, event, replace(told, text=text) if isinstance(error, Unavailable) else told)
    except CreditReviewError:
        LOG.exception("a reply could not be taken")
        _tell(office, body, event, Told(text, office.company.words, accepted=False))


def _asked(office: Office, body: Mapping[str, Any], event: Mapping[str, Any]) -> tuple[str, str]:
    """What the thread is below, a question or a card with a question in its thread, and the proposal asked about; empty for other threads.

    A message of ours that is not on record yet says itself what it is.
    """
    channel, thread = str(event["channel"]), str(event["thread_ts"])
    with office.services.store.read() as uow:
        subjects = [m.subject for m in uow.find(SlackMessage, channel=channel, ts=thread)]
    if not subjects and _may_be_ours(body, event):
        subjects = [subject_of(SlackChat(office.client).key_of(channel, thread, app_id=str(body.get("api_app_id"))))]
    for kind, _, key in (subject.partition(":") for subject in subjects):
        if kind == QUESTION or (kind == PROPOSAL and _asked_below(office, key, channel)):
            return kind, key
    return "", ""


def _asked_below(office: Office, proposal_id: str, channel: str) -> bool:
    with office.services.store.read() as uow:
        return bool(uow.find(SlackMessage, subject=f"{QUESTION}:{proposal_id}", channel=channel, limit=1))


def _may_be_ours(body: Mapping[str, Any], event: Mapping[str, Any]) -> bool:
    """Whether the thread's first message may be the app's: Slack names its author."""
    ours = [one.get("user_id") for one in body.get("authorizations") or ()]
    return event.get("parent_user_id") is None or event["parent_user_id"] in ours


def _tell(office: Office, body: Mapping[str, Any], event: Mapping[str, Any], told: Told) -> None:
    shown = answer(told)
    place = {"channel": event["channel"], "user": account_of(body).user, "thread_ts": event["thread_ts"]}
    try:
        office.client.chat_postEphemeral(**place, text=shown.text, blocks=list(shown.blocks))
    except Exception:  # whatever Slack says to that, nothing was stored that it could undo
        LOG.warning("who replied could not be told that the reply was not taken")
