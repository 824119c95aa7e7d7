"""The payloads Slack sends: actions, submissions, commands and events, field by field as an app receives them."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from typing import Any

from deployments.slack_sandbox.block_kit import state_of, values_of
from deployments.slack_sandbox.block_schema import HOLDS_STATE
from deployments.slack_sandbox.core import Core
from deployments.slack_sandbox.shapes import message_json, view_json
from deployments.slack_sandbox.state import Channel, Message, View

_TOKEN = "verification-token"  # noqa: S105


def _common(core: Core, key: str) -> dict[str, Any]:
    space = core.workspace
    person = space.people[key]
    team = space.teams[person.team_id]
    made: dict[str, Any] = {
        "user": {"id": person.id, "username": person.name, "name": person.name, "team_id": person.team_id},
        "api_app_id": space.app.app_id,
        "token": _TOKEN,
        "team": {"id": team.id, "domain": team.domain},
        "enterprise": None,
        "is_enterprise_install": False,
    }
    if team.enterprise_id:
        made["team"]["enterprise_id"] = team.enterprise_id
        made["enterprise"] = {"id": team.enterprise_id, "name": team.name}
    return made


def escaped(text: str) -> str:
    """Text as Slack delivers what a person typed: three characters are escaped, a mention (`<@U...>`) is not."""
    parts = re.split(r"(<@[A-Z0-9]+>)", text)
    return "".join(part if n % 2 else part.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;") for n, part in enumerate(parts))


def action_json(core: Core, block: Mapping[str, Any], element: Mapping[str, Any], value: Any) -> dict[str, Any]:
    """What a person did to an element. Raises ValueError for an option that is not offered."""
    kept = ("text", "value", "style", "url", "confirm") if element["type"] == "button" else ("placeholder", "confirm")
    made = {name: element[name] for name in kept if name in element}
    made |= {
        "type": element["type"],
        "action_id": element["action_id"],
        "block_id": block["block_id"],
        "action_ts": core.workspace.next_ts(),
    }
    if element["type"] in HOLDS_STATE or element["type"] == "overflow":
        made |= state_of(element, value)
    return made


def message_action(core: Core, key: str, channel: Channel, message: Message, action: Mapping[str, Any]) -> dict[str, Any]:
    """block_actions from a message. An ephemeral message is not shown to the app again, as in Slack."""
    space = core.workspace
    container = {"type": "message", "message_ts": message.ts, "channel_id": channel.id, "is_ephemeral": message.ephemeral_for is not None}
    if message.thread_ts:
        container["thread_ts"] = message.thread_ts
    token = space.issue_response_url(key, channel.id, ts=message.ts, thread_ts=message.thread_ts)
    payload = {
        "type": "block_actions",
        **_common(core, key),
        "container": container,
        "trigger_id": space.issue_trigger(key),
        "channel": {"id": channel.id, "name": _shown_name(channel)},
        "state": {"values": values_of(message.blocks, space.entered.get((key, channel.id, message.ts)))},
        "response_url": f"{core.base_url}/response/{token}",
        "actions": [dict(action)],
    }
    if message.ephemeral_for is None:
        payload["message"] = message_json(space, message, base_url=core.base_url)
    return payload


def view_action(core: Core, key: str, view: View, action: Mapping[str, Any]) -> dict[str, Any]:
    """block_actions from a modal or the Home tab."""
    return {
        "type": "block_actions",
        **_common(core, key),
        "container": {"type": "view", "view_id": view.id},
        "trigger_id": core.workspace.issue_trigger(key, view.id),
        "view": view_json(core.workspace, view),
        "actions": [dict(action)],
    }


def view_submission(core: Core, key: str, view: View) -> dict[str, Any]:
    """view_submission."""
    trigger = core.workspace.issue_trigger(key, view.id)
    shown = view_json(core.workspace, view)
    return {"type": "view_submission", **_common(core, key), "trigger_id": trigger, "view": shown, "response_urls": []}


def view_closed(core: Core, key: str, view: View, *, is_cleared: bool) -> dict[str, Any]:
    """view_closed."""
    shown = view_json(core.workspace, view)
    return {"type": "view_closed", **_common(core, key), "view": shown, "is_cleared": is_cleared, "response_urls": []}


def slash_command(core: Core, key: str, channel: Channel, command: str, text: str) -> dict[str, Any]:
    """The form fields of a slash command."""
    space = core.workspace
    person = space.people[key]
    team = space.teams[person.team_id]
    token = space.issue_response_url(key, channel.id)
    made = {
        "token": _TOKEN,
        "team_id": team.id,
        "team_domain": team.domain,
        "channel_id": channel.id,
        "channel_name": _shown_name(channel),
        "user_id": person.id,
        "user_name": person.name,
        "command": command,
        "text": escaped(text),
        "api_app_id": space.app.app_id,
        "is_enterprise_install": "false",
        "response_url": f"{core.base_url}/response/{token}",
        "trigger_id": space.issue_trigger(key),
    }
    return made | ({"enterprise_id": team.enterprise_id, "enterprise_name": team.name} if team.enterprise_id else {})


def home_opened(core: Core, key: str, tab: str) -> dict[str, Any]:
    """The app_home_opened event."""
    space = core.workspace
    event: dict[str, Any] = {"type": "app_home_opened", "channel": space.direct_channel(key).id, "tab": tab}
    if key in space.homes:
        event["view"] = view_json(space, space.homes[key])
    return _event(core, key, event)


def said(core: Core, key: str, channel: Channel, message: Message, *, mention: bool = False) -> dict[str, Any]:
    """The message event of what a person wrote, or the app_mention event that comes beside it."""
    event = {name: value for name, value in message_json(core.workspace, message, base_url=core.base_url).items() if name != "type"}
    event |= {"type": "app_mention" if mention else "message", "channel": channel.id, "client_msg_id": secrets.token_hex(16)}
    if not mention:
        event["channel_type"] = channel.kind()
    return _event(core, key, event)


def _event(core: Core, key: str, event: dict[str, Any]) -> dict[str, Any]:
    space = core.workspace
    person = space.people[key]
    authorization = {
        "enterprise_id": None,
        "team_id": space.home_team.id,
        "user_id": space.app.bot_user,
        "is_bot": True,
        "is_enterprise_install": False,
    }
    return {
        "token": _TOKEN,
        "team_id": space.home_team.id,
        "context_team_id": space.home_team.id,
        "api_app_id": space.app.app_id,
        "event": {"user": person.id, "user_team": person.team_id, "event_ts": space.next_ts(), **event},
        "type": "event_callback",
        "event_id": space.next_id("Ev"),
        "event_time": int(space.clock()),
        "authorizations": [authorization],
        "is_ext_shared_channel": channel_is_shared(core, event),
    }


def channel_is_shared(core: Core, event: Mapping[str, Any]) -> bool:
    """Whether an event happened in a channel that other workspaces see too."""
    channel = core.workspace.channels.get(str(event.get("channel", "")))
    return channel is not None and channel.is_ext_shared


def _shown_name(channel: Channel) -> str:
    return "directmessage" if channel.is_im else "privategroup" if channel.is_private else channel.name
