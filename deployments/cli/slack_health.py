"""What `doctor` finds out about Slack once its tokens are there: workspace, scopes, channel, people, and messages that wait."""

from __future__ import annotations

import json
from collections.abc import Iterator

from credit_review.adapters import settings as configuration
from credit_review.adapters.slack_chat import SlackChat
from credit_review.adapters.wiring import Services, open_services
from credit_review.errors import BadInput, CreditReviewError
from credit_review.model.records import OutboxEntry
from credit_review.model.states import OutboxState
from credit_review.ports import UnitOfWork
from credit_review.review.directory import called, slack_account
from credit_review.review.outbox import SLACK_POST, SLACK_UPDATE
from credit_review.review.standing import matrix_in_force
from credit_review.words import listed, said, said_many
from deployments.cli.starting import Finding, wrong

SCOPES = {"chat:write", "im:write", "im:history", "groups:history", "groups:read", "im:read", "users:read", "commands", "files:write"}
"""What the bot is asked to do; the manifest in deployments/ asks for exactly these."""


def examine(settings: configuration.Settings) -> Iterator[Finding]:
    """Each thing that must be right before a card reaches its approver, and what did not."""
    try:
        chat = SlackChat.from_settings(settings)
        yield _workspace(settings, chat)
        yield _scopes(chat)
    except CreditReviewError as error:
        yield wrong("Slack", error, said("check the bot token, and that this machine reaches Slack"))
        return
    yield from _app_token(settings, chat)
    yield from _channel(settings, chat)
    yield from _record(settings)


def _workspace(settings: configuration.Settings, chat: SlackChat) -> Finding:
    team, who = chat.signed_in_as()
    found = said("{mode}: signed in as {who}, workspace {team}", mode=settings.slack.mode, who=who, team=team)
    if team in settings.slack.team_ids:
        return Finding("Slack", True, found)
    mend = said("correct slack.team_ids in settings.yaml, or use the token of {teams}", teams=listed(settings.slack.team_ids))
    return Finding("Slack", False, found, mend)


def _scopes(chat: SlackChat) -> Finding:
    lacking = sorted(SCOPES - chat.scopes())
    if not lacking:
        return Finding("Slack scopes", True, said("all that are needed"))
    found = said("missing: {scopes}", scopes=listed(lacking))
    return Finding("Slack scopes", False, found, said("add them as deployments/slack_manifest.yaml has them, and install the app again"))


def _app_token(settings: configuration.Settings, chat: SlackChat) -> Iterator[Finding]:
    if settings.slack.mode != "socket":
        return
    try:
        chat.connects(configuration.require_secret("SLACK_APP_TOKEN"))
    except CreditReviewError as error:
        yield wrong("Slack app token", error, said("make one with connections:write at api.slack.com/apps, and switch Socket Mode on"))
    else:
        yield Finding("Slack app token", True, said("opens Socket Mode connections"))


def _channel(settings: configuration.Settings, chat: SlackChat) -> Iterator[Finding]:
    if not settings.slack.channel:
        return
    try:
        chat.require_private(settings.slack.channel)
    except CreditReviewError as error:
        yield wrong("Slack channel", error, said("invite the app to the channel, or correct slack.channel in settings.yaml"))
    else:
        yield Finding("Slack channel", True, settings.slack.channel)


def _record(settings: configuration.Settings) -> Iterator[Finding]:
    """What only our own record knows; nothing where it cannot be read, which is said where the database is looked at."""
    try:
        opened = open_services(settings)
        with opened.store.read() as uow:
            found = [_holders(opened, uow), _waiting(uow)]
    except CreditReviewError:
        return
    yield from found


def _holders(opened: Services, uow: UnitOfWork) -> Finding:
    """Whether everybody who holds a tier today can be sent a card."""
    today, now = opened.today(), opened.clock.now()
    missing = []
    for person in sorted({h.person for h in matrix_in_force(uow, now).holders if h.on(today)}):
        try:
            slack_account(uow, person, opened.settings.slack.team_ids, on=today, known_at=now)
        except BadInput:
            missing.append(called(uow, person))
    if not missing:
        return Finding("Slack people", True, said("everybody who holds a tier has an account"))
    mend = said("`credit-review people account PERSON slack 'TEAM|USER'` for each: their cards are parked")
    return Finding("Slack people", False, said("no account in our workspaces: {people}", people=listed(missing)), mend)


def _waiting(uow: UnitOfWork) -> Finding:
    """Messages that were tried in vain, or given up."""
    kinds = (SLACK_POST, SLACK_UPDATE)
    parked = len(uow.find(OutboxEntry, kind=kinds, state=OutboxState.PARKED))
    late = [row for row in uow.find(OutboxEntry, kind=kinds, state=OutboxState.QUEUED) if row.last_error]
    if parked:
        found = said("{n} not delivered and given up", n=parked)
        return Finding("Slack messages", False, found, said("see `credit-review deliveries list`, then `deliveries requeue --all`"))
    if late:
        addresses = {json.loads(row.payload_json)["address"] for row in late}
        found = said_many(
            "messages to {n} address wait: {why}", "messages to {n} addresses wait: {why}", n=len(addresses), why=late[0].last_error
        )
        return Finding("Slack messages", False, found, said("mend that; what is owed is sent within the hour"))
    return Finding("Slack messages", True, said("none waits for Slack"))
