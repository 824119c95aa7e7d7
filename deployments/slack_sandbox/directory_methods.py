"""auth.test, team.info, users.* and conversations.*: who and where."""

from __future__ import annotations

from base64 import b64decode, b64encode
from typing import Any

from deployments.slack_sandbox.calls import Call, Refusal
from deployments.slack_sandbox.shapes import channel_json, message_json, user_id, user_json
from deployments.slack_sandbox.state import Message


def auth_test(call: Call) -> dict[str, Any]:
    """auth.test."""
    team, app = call.workspace.home_team, call.workspace.app
    who = {"user": app.bot_name, "user_id": app.bot_user, "bot_id": app.bot_id, "is_enterprise_install": False}
    return {"url": f"{call.base_url}/", "team": team.name, "team_id": team.id, **who}


def team_info(call: Call) -> dict[str, Any]:
    """team.info, of the app's own workspace."""
    team = call.workspace.home_team
    if call.arguments.text("team", team.id) != team.id:
        raise Refusal("team_not_found")
    return {"team": {"id": team.id, "name": team.name, "domain": team.domain, "enterprise_id": team.enterprise_id or None}}


def users_info(call: Call) -> dict[str, Any]:
    """users.info."""
    return {"user": user_json(call.workspace, call.workspace.people[call.person()])}


def users_list(call: Call) -> dict[str, Any]:
    """users.list: the app's workspace, deactivated people included; page by page when a limit is given."""
    own = [person for key, person in call.workspace.people.items() if key == person.id]
    start, limit = _cursor(call), call.arguments.number("limit", 0) or len(own)
    following = _next_cursor(start + limit) if start + limit < len(own) else ""
    members = [user_json(call.workspace, person) for person in own[start : start + limit]]
    return {"members": members, "cache_ts": int(call.workspace.clock()), "response_metadata": {"next_cursor": following}}


def lookup_by_email(call: Call) -> dict[str, Any]:
    """users.lookupByEmail: active people of the app's workspace."""
    email = call.arguments.text("email").casefold()
    for key, person in call.workspace.people.items():
        if email and key == person.id and not person.deleted and person.email.casefold() == email:
            return {"user": user_json(call.workspace, person)}
    raise Refusal("users_not_found")


def open_conversation(call: Call) -> dict[str, Any]:
    """conversations.open: the direct conversation with one person."""
    users = [user for user in call.arguments.text("users").split(",") if user]
    if not users:
        raise Refusal("users_list_not_supplied")
    if len(users) > 1:
        raise Refusal("not_enough_users" if len(set(users)) == 1 else "method_not_supported_for_channel_type")
    key = call.workspace.find_person(users[0])
    if key is None:
        raise Refusal("user_not_found")
    person = call.workspace.people[key]
    if person.deleted:
        raise Refusal("user_disabled")
    if person.is_bot:
        raise Refusal("cannot_dm_bot")
    channel = call.workspace.direct_channel(key)
    shown = channel_json(call.workspace, channel) if call.arguments.flag("return_im") else {"id": channel.id}
    return {"channel": shown}


def conversation_info(call: Call) -> dict[str, Any]:
    """conversations.info."""
    return {"channel": channel_json(call.workspace, call.channel())}


def conversation_members(call: Call) -> dict[str, Any]:
    """conversations.members."""
    members = sorted(user_id(call.workspace, key) for key in call.channel().members)
    return {"members": members, "response_metadata": {"next_cursor": ""}}


def history(call: Call) -> dict[str, Any]:
    """conversations.history: newest first, without replies in threads and without ephemeral messages."""
    channel = call.channel()
    if call.workspace.app.bot_user not in channel.members:
        raise Refusal("not_in_channel")
    shown = [m for m in call.workspace.messages.get(channel.id, ()) if m.ephemeral_for is None and (m.thread_ts is None or m.broadcast)]
    kept = [m for m in shown if _within(call, m)]
    return _page(call, list(reversed(kept)), most=999)


def replies(call: Call) -> dict[str, Any]:
    """conversations.replies: a thread, oldest first, its parent first of all."""
    channel, ts = call.channel(), call.arguments.text("ts")
    found = [m for m in call.workspace.messages.get(channel.id, ()) if ts in (m.ts, m.thread_ts) and m.ephemeral_for is None]
    if not found:
        raise Refusal("thread_not_found")
    return _page(call, [m for m in found if m.ts == ts or _within(call, m)], most=1000)


def _within(call: Call, message: Message) -> bool:
    oldest, latest = call.arguments.text("oldest") or "0", call.arguments.text("latest")
    at, first, last = _moment(message.ts), _moment(oldest), _moment(latest or "99999999999.0")
    return first <= at <= last if call.arguments.flag("inclusive") else first < at < last


def _moment(ts: str) -> tuple[int, int]:
    seconds, _, count = ts.partition(".")
    try:
        return int(seconds), int((count or "0").ljust(6, "0"))
    except ValueError:
        raise Refusal("invalid_ts_oldest") from None


def _page(call: Call, messages: list[Message], *, most: int) -> dict[str, Any]:
    start, limit = _cursor(call), max(1, min(call.arguments.number("limit", 100), most))
    page, more = messages[start : start + limit], start + limit < len(messages)
    metadata = call.arguments.flag("include_all_metadata")
    made: dict[str, Any] = {
        "messages": [message_json(call.workspace, m, base_url=call.base_url, metadata=metadata) for m in page],
        "has_more": more,
    }
    return made | ({"response_metadata": {"next_cursor": _next_cursor(start + limit)}} if more else {})


def _cursor(call: Call) -> int:
    given = call.arguments.text("cursor")
    if not given:
        return 0
    try:
        return int(b64decode(given, validate=True).decode().removeprefix("next:"))
    except ValueError:
        raise Refusal("invalid_cursor") from None


def _next_cursor(start: int) -> str:
    return b64encode(f"next:{start}".encode()).decode()
