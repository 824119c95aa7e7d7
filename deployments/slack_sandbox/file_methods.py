"""files.getUploadURLExternal and files.completeUploadExternal: what slack-sdk's files_upload_v2 calls, around a plain upload."""

from __future__ import annotations

from typing import Any

from deployments.slack_sandbox.calls import Call, Refusal
from deployments.slack_sandbox.shapes import file_json
from deployments.slack_sandbox.state import Channel, File, Message

MOST_FILE_BYTES = 50_000_000


def get_upload_url(call: Call) -> dict[str, Any]:
    """files.getUploadURLExternal."""
    name, length = call.arguments.text("filename"), call.arguments.number("length", 0)
    if not name or length <= 0:
        what = "filename" if not name else "length"
        raise Refusal("invalid_arguments", response_metadata={"messages": [f"[ERROR] missing required field: {what}"]})
    if length > MOST_FILE_BYTES:
        raise Refusal("file_upload_size_restricted")
    file = File(call.workspace.next_id("F"), name, length)
    call.workspace.files[file.id] = file
    return {"file_id": file.id, "upload_url": f"{call.base_url}/upload/v1/{file.id}"}


def complete_upload(call: Call) -> dict[str, Any]:
    """files.completeUploadExternal: share uploaded files in a channel, in one message; without a channel they stay private."""
    wanted = call.arguments.structured("files", "invalid_arguments")
    if not isinstance(wanted, list) or not wanted or not all(isinstance(one, dict) and "id" in one for one in wanted):
        raise Refusal("invalid_arguments", response_metadata={"messages": ["[ERROR] missing required field: files"]})
    files = [_uploaded(call, one) for one in wanted]
    for channel in _channels(call):
        _share(call, channel, files)
    for file in files:
        file.shared = True
    return {"files": [file_json(call.workspace, file, base_url=call.base_url) for file in files]}


def _uploaded(call: Call, wanted: dict[str, Any]) -> File:
    file = call.workspace.files.get(str(wanted["id"]))
    if file is None or file.content is None or file.shared:
        raise Refusal("file_not_found")
    file.title = str(wanted.get("title") or file.name)
    return file


def _channels(call: Call) -> list[Channel]:
    named = [name for name in (call.arguments.text("channel_id"), *call.arguments.text("channels").split(",")) if name]
    found = []
    for name in named:
        call.arguments.given["channel"] = name
        found.append(call.channel(writing=True))
    return found


def _share(call: Call, channel: Channel, files: list[File]) -> None:
    message = Message(channel.id, call.workspace.next_ts(), call.workspace.app.bot_user, call.arguments.text("initial_comment"))
    message.thread_ts = call.arguments.text("thread_ts") or None
    message.file_ids = [file.id for file in files]
    call.workspace.add_message(message)
