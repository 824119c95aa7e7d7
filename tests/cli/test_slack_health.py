"""What `doctor` says of Slack, asked of a stand-in: workspace, scopes, channel, app token, people, and messages that wait."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import yaml
from office import NOON, PEOPLE
from test_govern import settings_of

from credit_review.adapters.clock import FixedClock
from credit_review.adapters.store.unit_of_work import open_store
from credit_review.model.records import OutboxEntry, PersonAccount
from credit_review.model.states import OutboxState
from credit_review.review.outbox import owe_messages
from deployments.cli import slack_health
from deployments.slack_sandbox.calls import DEFAULT_SCOPES
from deployments.slack_sandbox.core import Settings
from deployments.slack_sandbox.server import running
from deployments.slack_sandbox.state import Channel, Person

BOT = "U0CREDITBOT"
CHANNELS = (
    Channel("GOURS", "ours", is_private=True, members={BOT}),
    Channel("GWITHOUT", "without-the-app", is_private=True, members={"UANNA"}),
    Channel("GOLD", "old", is_private=True, is_archived=True, members={BOT}),
    Channel("GSHARED", "shared", is_private=True, is_ext_shared=True, members={BOT}),
    Channel("COPEN", "open", members={BOT}),
)


@pytest.fixture(scope="module")
def workspace():
    with running(Settings(people=(Person("UANNA", "anna", "Anna"),), channels=CHANNELS)) as sandbox:
        yield sandbox


@pytest.fixture
def desk(reviewed, tmp_path, monkeypatch, workspace):
    """A reviewed installation whose people all have accounts in the stand-in."""
    office = reviewed.copy(tmp_path / "config")
    workspace.reset()
    slack_of(office, workspace)
    monkeypatch.setenv("CREDIT_REVIEW_SLACK_BOT_TOKEN", "xoxb-sandbox")
    monkeypatch.setenv("CREDIT_REVIEW_SLACK_APP_TOKEN", "xapp-sandbox")
    with store(office).begin() as uow:
        uow.add(*(account(person, "T1") for person, _ in PEOPLE))
        uow.commit()
    return office


def slack_of(office, workspace, **more):
    settings_of(office, slack={"mode": "socket", "team_ids": ["T1"], "api_url": workspace.api_url, **more})


def store(office):
    return open_store(f"sqlite:///{office.config / 'data' / 'credit-review.db'}", FixedClock(NOON))


def account(person, team):
    day = (NOON - timedelta(days=1)).date()
    return PersonAccount(
        kind="slack",
        account=f"{team}|U{person[2:].upper()}",
        person_id=person,
        valid_from=day,
        valid_to=None,
        recorded_at=NOON - timedelta(hours=1),
    )


def about_slack(office):
    """What doctor says about Slack, by subject: whether it is in order, and everything it says."""
    found = [one for one in office.run("doctor", "--json").json if one["subject"].startswith("Slack")]
    assert all(bool(one["next_step"]) != one["ok"] for one in found)
    return {one["subject"]: (one["ok"], f"{one['found']} {one['next_step']}") for one in found}


def wrong(office, subject, *words):
    found = about_slack(office)
    assert [s for s, (ok, _) in found.items() if not ok] == [subject]
    missing = [word for word in words if word not in found[subject][1]]
    assert not missing, (missing, found[subject])


def test_everything_in_order_is_said_one_by_one(desk, workspace):
    slack_of(desk, workspace, channel="GOURS")
    found = about_slack(desk)
    assert all(ok for ok, _ in found.values())
    assert list(found) == ["Slack", "Slack scopes", "Slack app token", "Slack channel", "Slack people", "Slack messages"]


def test_a_token_of_another_workspace_is_named(desk, workspace):
    slack_of(desk, workspace, team_ids=["T7"])
    found = about_slack(desk)["Slack"]
    assert not found[0] and "workspace T1" in found[1] and "the token of T7" in found[1]


def test_a_revoked_token_is_named(desk, workspace):
    workspace.fail("auth.test", error="token_revoked", times=5)
    wrong(desk, "Slack", "token_revoked", "check the bot token")


def test_missing_scopes_are_named_and_nothing_says_that_they_are_in_order(desk):
    with running(Settings(people=(), scopes=[s for s in DEFAULT_SCOPES if s not in ("im:write", "files:write")])) as narrow:
        slack_of(desk, narrow)
        wrong(desk, "Slack scopes", "files:write", "im:write", "slack_manifest.yaml")


def test_the_manifest_asks_for_exactly_what_doctor_looks_for_and_the_listener_hears():
    text = (Path(slack_health.__file__).parents[1] / "slack_manifest.yaml").read_text(encoding="utf-8")
    manifest = yaml.safe_load(text)
    assert set(manifest["oauth_config"]["scopes"]["bot"]) == slack_health.SCOPES < set(DEFAULT_SCOPES)
    assert [command["command"] for command in manifest["features"]["slash_commands"]] == ["/credit"]
    assert set(manifest["settings"]["event_subscriptions"]["bot_events"]) == {"app_home_opened", "message.im", "message.groups"}
    assert manifest["settings"]["interactivity"]["is_enabled"] and manifest["settings"]["socket_mode_enabled"]
    assert manifest["features"]["app_home"]["home_tab_enabled"] and manifest["features"]["app_home"]["messages_tab_enabled"]


def test_an_app_token_that_opens_no_connection_is_named(desk, workspace, monkeypatch):
    monkeypatch.setenv("CREDIT_REVIEW_SLACK_APP_TOKEN", "xapp-canary")
    wrong(desk, "Slack app token", "invalid_auth", "connections:write")
    assert "canary" not in desk.run("doctor").out


@pytest.mark.parametrize(
    ("channel", "word"),
    [
        ("GWITHOUT", "channel_not_found"),
        ("GSHARED", "shared with another company"),
        ("COPEN", "is public"),
        ("GNOWHERE", "channel_not_found"),
        ("GOLD", "is archived"),
    ],
)
def test_a_channel_that_can_take_no_card_is_named(desk, workspace, channel, word):
    slack_of(desk, workspace, channel=channel)
    wrong(desk, "Slack channel", word)


def test_holders_of_a_tier_without_an_account_in_our_workspaces_are_named(desk, workspace):
    slack_of(desk, workspace, team_ids=["T1", "T2"])
    with store(desk).begin() as uow:
        for person in ("p-cfo", "p-manager"):
            given = account(person, "T1")
            uow.add(replace(given, recorded_at=NOON, valid_to=given.valid_from))
        uow.add(account("p-manager", "T2"))
        uow.commit()
    wrong(desk, "Slack people", "Frank Osei (p-cfo)", "credit-review people account PERSON slack")
    assert "p-manager" not in about_slack(desk)["Slack people"][1]


@pytest.mark.parametrize(
    ("state", "error", "words"),
    [
        (OutboxState.QUEUED, "Slack refuses users.info: token_revoked", ("1 address wait", "token_revoked")),
        (OutboxState.PARKED, "Slack account T1|U is a guest", ("1 not delivered", "deliveries list")),
    ],
)
def test_messages_that_wait_or_were_given_up_are_named(desk, state, error, words):
    undelivered(desk, state, error)
    wrong(desk, "Slack messages", *words)


def undelivered(office, state, error):
    with store(office).begin() as uow:
        owe_messages(uow, [("summary:r-1", "@p-cfo")], NOON)
        uow.change(OutboxEntry, where={"dedup_key": "slack_post:summary:r-1:@p-cfo"}, to={"state": state, "last_error": error})
        uow.commit()


def test_parked_messages_are_listed_by_what_they_show_and_to_whom_and_sent_again_all_at_once(desk):
    undelivered(desk, OutboxState.PARKED, "is a guest")
    (one,) = desk.run("deliveries", "list", "--json").fine().json
    assert (one["to"], one["about"]) == ("Slack: Frank Osei (p-cfo)", "summary of review r-1")
    desk.run("deliveries", "requeue", who="p-analyst").refused(3, "which deliveries")
    desk.run("deliveries", "requeue", "--all", one["delivery"], who="p-analyst").refused(3, "which deliveries")
    assert one["delivery"] in desk.run("deliveries", "requeue", "--all", who="p-analyst").fine().out
    assert desk.run("deliveries", "requeue", "--all", who="p-analyst").fine().out == "no delivery is parked\n"
    assert json.loads(desk.find(OutboxEntry, kind="slack_post")[-1].payload_json)["due"]
