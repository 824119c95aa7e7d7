"""chat.* and reactions.add: posting, changing and removing messages."""

from __future__ import annotations

from typing import Any

from deployments.slack_sandbox.block_kit import MOST_TEXT, filled, problems_of_blocks
from deployments.slack_sandbox.calls import Call, Refusal
from deployments.slack_sandbox.shapes import message_json
from deployments.slack_sandbox.state import Channel, Message, Workspace


def post_message(call: Call) -> dict[str, Any]:
    """chat.postMessage."""
    channel = call.channel(writing=True)
    text, blocks = read_content(call.workspace, call.arguments.given, call.arguments.structured("blocks", "invalid_blocks_format"))
    thread_ts = _thread(call, channel)
    metadata = _metadata(call)
    wait = call.faults.seconds_to_wait(channel.id, call.workspace.clock())
    if wait:
        raise Refusal("ratelimited", retry_after=wait)
    message = Message(channel.id, call.workspace.next_ts(), call.workspace.app.bot_user, text, blocks=blocks)
    message.thread_ts, message.metadata = thread_ts, metadata
    call.workspace.add_message(message)
    return {
        "channel": channel.id,
        "ts": message.ts,
        "message": message_json(call.workspace, message, base_url=call.base_url, metadata=True),
    }


def post_ephemeral(call: Call) -> dict[str, Any]:
    """chat.postEphemeral: only a member of the channel can be shown one."""
    channel = call.channel(writing=True)
    key = call.workspace.find_person(call.arguments.text("user"))
    if key is None or key not in channel.members:
        raise Refusal("user_not_in_channel")
    text, blocks = read_content(call.workspace, call.arguments.given, call.arguments.structured("blocks", "invalid_blocks_format"))
    message = Message(channel.id, call.workspace.next_ts(), call.workspace.app.bot_user, text, blocks=blocks, ephemeral_for=key)
    message.thread_ts = _thread(call, channel)
    call.workspace.add_message(message)
    return {"message_ts": message.ts}


def update(call: Call) -> dict[str, Any]:
    """chat.update: what is left out (text, blocks, metadata) stays as it was; an empty list of blocks removes them."""
    channel = call.channel(writing=True)
    message = _own(call, channel, "cant_update_message")
    given = call.arguments.structured("blocks", "invalid_blocks_format")
    if "text" not in call.arguments and given is None and "metadata" not in call.arguments:
        raise Refusal("no_text")
    text, blocks = read_content(
        call.workspace,
        {"text": call.arguments.given.get("text", message.text)},
        message.blocks if given is None else given,
    )
    if "metadata" in call.arguments:
        message.metadata = _metadata(call)
    message.text, message.blocks, message.edited_ts = text, blocks, call.workspace.next_ts()
    shown = message_json(call.workspace, message, base_url=call.base_url, metadata=True)
    return {"channel": channel.id, "ts": message.ts, "text": text, "message": shown}


def delete(call: Call) -> dict[str, Any]:
    """chat.delete: the app's own messages only."""
    channel = call.channel(writing=True)
    message = _own(call, channel, "cant_delete_message")
    call.workspace.messages[channel.id].remove(message)
    return {"channel": channel.id, "ts": message.ts}


def permalink(call: Call) -> dict[str, Any]:
    """chat.getPermalink: a link to the message on the sandbox's own page."""
    channel = call.channel()
    ts = call.arguments.text("message_ts")
    if call.workspace.message(channel.id, ts) is None:
        raise Refusal("message_not_found")
    return {"channel": channel.id, "permalink": f"{call.base_url}/archives/{channel.id}/p{ts.replace('.', '')}"}


def add_reaction(call: Call) -> dict[str, Any]:
    """reactions.add."""
    channel = call.channel(writing=True)
    message = call.workspace.message(channel.id, call.arguments.text("timestamp"))
    if message is None:
        raise Refusal("message_not_found")
    name, bot = call.arguments.text("name").strip(":"), call.workspace.app.bot_user
    if not name:
        raise Refusal("invalid_name")
    if bot in message.reactions.setdefault(name, []):
        raise Refusal("already_reacted")
    message.reactions[name].append(bot)
    return {}


def read_content(space: Workspace, given: dict[str, Any], blocks: Any) -> tuple[str, list[dict[str, Any]]]:
    """Text and filled blocks of a message to be posted. Raises Refusal for what Slack refuses about either."""
    text = given.get("text", "")
    if not isinstance(text, str):
        raise Refusal("invalid_arguments", response_metadata={"messages": ["[ERROR] text must be a string [json-pointer:/text]"]})
    if len(text) > MOST_TEXT:
        raise Refusal("msg_too_long")
    if blocks:
        problems = problems_of_blocks(blocks)
        if problems:
            raise Refusal.of_schema("invalid_blocks", problems)
        if sum(block["type"] == "table" for block in blocks) > 1:
            raise Refusal("only_one_table_allowed")
    elif blocks is not None and blocks != []:
        raise Refusal("invalid_blocks_format")
    elif not text:
        raise Refusal("no_text")
    return text, filled(blocks or [], space.next_id)


def _thread(call: Call, channel: Channel) -> str | None:
    wanted = call.arguments.text("thread_ts")
    if not wanted:
        return None
    parent = call.workspace.message(channel.id, wanted)
    if parent is None:
        raise Refusal("thread_not_found")
    return parent.thread_ts or parent.ts


def _metadata(call: Call) -> dict[str, Any] | None:
    found = call.arguments.structured("metadata", "invalid_metadata_format")
    if not found:
        return None
    whole = isinstance(found, dict) and isinstance(found.get("event_type"), str) and isinstance(found.get("event_payload"), dict)
    if not whole:
        raise Refusal("invalid_metadata_schema")
    return dict(found)


def _own(call: Call, channel: Channel, refusal: str) -> Message:
    message = call.workspace.message(channel.id, call.arguments.text("ts"))
    if message is None or message.ephemeral_for is not None:
        raise Refusal("message_not_found")
    if not message.by_app:
        raise Refusal(refusal)
    return message
