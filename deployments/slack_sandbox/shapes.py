"""How Slack writes people, channels, messages, views and files as JSON, in answers, in events and to the sandbox's own page."""

from __future__ import annotations

from typing import Any

from deployments.slack_sandbox.state import Channel, File, Message, Person, View, Workspace


def user_json(space: Workspace, person: Person) -> dict[str, Any]:
    """A user object, as users.info answers it."""
    profile = {"real_name": person.real_name, "display_name": person.name, "team": person.team_id, "email": person.email}
    made: dict[str, Any] = {
        "id": person.id,
        "team_id": person.team_id,
        "name": person.name,
        "real_name": person.real_name,
        "tz": person.tz,
        "tz_label": person.tz,
        "locale": person.locale,
        "profile": profile,
        "deleted": person.deleted,
        "is_bot": person.is_bot,
        "is_app_user": False,
        "is_restricted": person.is_restricted,
        "is_ultra_restricted": person.is_ultra_restricted,
        "is_admin": False,
        "updated": int(space.clock()),
    }
    if person.team_id != space.home_team.id or person.is_stranger:
        made["is_stranger"] = True
    if person.enterprise_id:
        made["enterprise_user"] = {"id": person.id, "enterprise_id": person.enterprise_id, "teams": [person.team_id]}
    return made


def channel_json(space: Workspace, channel: Channel) -> dict[str, Any]:
    """A conversation object."""
    made: dict[str, Any] = {
        "id": channel.id,
        "is_channel": not channel.is_im and not channel.is_private,
        "is_group": channel.is_private and not channel.is_im,
        "is_im": channel.is_im,
        "is_private": channel.is_private or channel.is_im,
        "is_archived": channel.is_archived,
        "is_ext_shared": channel.is_ext_shared,
        "is_member": space.app.bot_user in channel.members,
        "context_team_id": space.home_team.id,
    }
    if channel.is_im:
        made["user"] = next((user_id(space, key) for key in sorted(channel.members) if key != space.app.bot_user), "")
    else:
        made["name"] = channel.name
        made["num_members"] = len(channel.members)
    return made


def user_id(space: Workspace, key: str) -> str:
    """Slack's id of a person's key, or of the bot."""
    return space.people[key].id if key in space.people else key


def message_json(space: Workspace, message: Message, *, base_url: str, metadata: bool = False) -> dict[str, Any]:
    """A message object; its metadata only on request."""
    made: dict[str, Any] = {"type": "message", "user": user_id(space, message.author), "text": message.text, "ts": message.ts}
    author = space.people.get(message.author)
    made["team"] = author.team_id if author else space.home_team.id
    if message.by_app:
        made |= {"bot_id": space.app.bot_id, "app_id": space.app.app_id}
    if message.blocks:
        made["blocks"] = message.blocks
    if message.edited_ts:
        made["edited"] = {"user": made["user"], "ts": message.edited_ts}
    if metadata and message.metadata:
        made["metadata"] = message.metadata
    if message.file_ids:
        made["files"] = [file_json(space, space.files[file_id], base_url=base_url) for file_id in message.file_ids]
    if message.reactions:
        made["reactions"] = [{"name": name, "users": users, "count": len(users)} for name, users in message.reactions.items()]
    return made | _thread_json(space, message)


def _thread_json(space: Workspace, message: Message) -> dict[str, Any]:
    if message.thread_ts:
        parent = space.message(message.channel, message.thread_ts)
        about = {"parent_user_id": user_id(space, parent.author)} if parent else {}
        return {"thread_ts": message.thread_ts, **about, **({"subtype": "thread_broadcast"} if message.broadcast else {})}
    replies = [m for m in space.messages.get(message.channel, ()) if m.thread_ts == message.ts and m.ephemeral_for is None]
    if not replies:
        return {}
    users = sorted({user_id(space, reply.author) for reply in replies})
    return {
        "thread_ts": message.ts,
        "reply_count": len(replies),
        "reply_users": users,
        "reply_users_count": len(users),
        "latest_reply": replies[-1].ts,
    }


def file_json(space: Workspace, file: File, *, base_url: str) -> dict[str, Any]:
    """A file object; its URLs lead to this sandbox."""
    url = f"{base_url}/files/{file.id}/{file.name}"
    return {
        "id": file.id,
        "name": file.name,
        "title": file.title or file.name,
        "size": len(file.content or b""),
        "mode": "hosted",
        "filetype": file.name.rpartition(".")[2],
        "user": space.app.bot_user,
        "url_private": url,
        "url_private_download": url,
        "permalink": url,
    }


def view_json(space: Workspace, view: View) -> dict[str, Any]:
    """A view object as answers and payloads carry it, with what the person entered so far."""
    defaults = {"private_metadata": "", "callback_id": "", "external_id": ""}
    if view.definition["type"] == "modal":
        defaults |= {"clear_on_close": False, "notify_on_close": False, "submit_disabled": False, "submit": None, "close": None}  # type: ignore[dict-item]
    return {
        **defaults,
        **view.definition,
        "id": view.id,
        "team_id": space.people[view.person].team_id,
        "state": {"values": view.values},
        "hash": view.hash,
        "previous_view_id": view.previous_id,
        "root_view_id": view.root_id,
        "app_id": space.app.app_id,
        "app_installed_team_id": space.home_team.id,
        "bot_id": space.app.bot_id,
    }
