"""What the stand-in workspace holds, in memory: people, channels, messages, views, files, triggers and response URLs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

TRIGGER_SECONDS = 3
RESPONSE_URL_SECONDS, RESPONSE_URL_USES = 30 * 60, 5
MOST_STACKED_VIEWS = 3


@dataclass
class Team:
    """A workspace; the app is installed in the first one, the others are where strangers come from."""

    id: str
    domain: str
    name: str
    enterprise_id: str = ""


@dataclass
class Person:
    """A member of a workspace. `email` is what users.lookupByEmail finds; flags are Slack's own names."""

    id: str
    name: str
    real_name: str
    team_id: str = "T1"
    email: str = ""
    enterprise_id: str = ""
    tz: str = "Europe/Berlin"
    locale: str = "en-GB"
    deleted: bool = False
    is_bot: bool = False
    is_restricted: bool = False
    is_ultra_restricted: bool = False
    is_stranger: bool = False


@dataclass
class Channel:
    """A conversation. `members` are keys of people; the bot's own user id stands among them when it was invited."""

    id: str
    name: str
    is_private: bool = False
    is_im: bool = False
    is_ext_shared: bool = False
    is_archived: bool = False
    members: set[str] = field(default_factory=set)

    def kind(self) -> str:
        """Slack's channel_type: im, group or channel."""
        return "im" if self.is_im else "group" if self.is_private else "channel"


@dataclass
class Message:
    """A message; `ephemeral_for` is the key of the only person who sees it, `author` a person's key or the bot's user id.

    `broadcast`: a reply in a thread that was sent to the channel as well.
    """

    channel: str
    ts: str
    author: str
    text: str
    by_app: bool = True
    blocks: list[dict[str, Any]] = field(default_factory=list)
    thread_ts: str | None = None
    broadcast: bool = False
    metadata: dict[str, Any] | None = None
    edited_ts: str | None = None
    ephemeral_for: str | None = None
    file_ids: list[str] = field(default_factory=list)
    reactions: dict[str, list[str]] = field(default_factory=dict)


@dataclass
class View:
    """A modal or Home tab of one person: `definition` is what the app sent, `values` what the person entered so far."""

    id: str
    hash: str
    person: str
    definition: dict[str, Any]
    values: dict[str, dict[str, Any]] = field(default_factory=dict)
    root_id: str = ""
    previous_id: str | None = None
    errors: dict[str, str] = field(default_factory=dict)
    trouble: str = ""


@dataclass
class Trigger:
    """What a click gives the app to open a view with: for three seconds, once."""

    person: str
    at: float
    view_id: str | None = None
    used: bool = False


@dataclass
class ResponseUrl:
    """Where the app may answer an interaction: five times within thirty minutes."""

    person: str
    channel: str
    at: float
    ts: str | None = None
    thread_ts: str | None = None
    uses: int = 0


@dataclass
class File:
    """An uploaded file; `content` is None until the upload URL received it."""

    id: str
    name: str
    length: int
    title: str = ""
    content: bytes | None = None
    shared: bool = False


@dataclass
class AppIdentity:
    """What the app under trial is called and which secrets it must present. The values are public: they open nothing but this sandbox."""

    app_id: str = "A0SANDBOX"
    bot_id: str = "B0SANDBOX"
    bot_user: str = "U0CREDITBOT"
    bot_name: str = "credit-review"
    bot_token: str = "xoxb-sandbox"  # noqa: S105
    app_token: str = "xapp-sandbox"  # noqa: S105
    signing_secret: str = "sandbox-signing-secret"  # noqa: S105
    commands: tuple[str, ...] = ("/credit",)


class Workspace:
    """Everything the sandbox remembers. `clock` returns seconds since 1970, so that tests can move time."""

    def __init__(
        self, people: Iterable[Person], channels: Iterable[Channel], *, teams: Iterable[Team], app: AppIdentity, clock: Callable[[], float]
    ) -> None:
        self.app, self.clock = app, clock
        self.teams = {team.id: team for team in teams}
        self.home_team = next(iter(self.teams.values()))
        self.people = {self.key_of(person): person for person in people}
        self.channels = {channel.id: channel for channel in channels}
        self.messages: dict[str, list[Message]] = {}
        self.modals: dict[str, list[View]] = {}
        self.homes: dict[str, View] = {}
        self.files: dict[str, File] = {}
        self.triggers: dict[str, Trigger] = {}
        self.response_urls: dict[str, ResponseUrl] = {}
        self.notices: dict[str, list[dict[str, str]]] = {}
        self.entered: dict[tuple[str, str, str], dict[str, dict[str, Any]]] = {}
        self._ids, self._last_ts = 0, (0, 0)

    def key_of(self, person: Person) -> str:
        """How a person is named here: by id in the app's own workspace, by `TEAM:ID` in any other (ids repeat across workspaces)."""
        return person.id if person.team_id == self.home_team.id else f"{person.team_id}:{person.id}"

    def next_id(self, prefix: str) -> str:
        """An id that was not given out before, in Slack's look: the prefix and ten characters."""
        self._ids += 1
        return f"{prefix}{self._ids:010d}"

    def next_ts(self) -> str:
        """A message time stamp later than every one before it, even when the clock stands still or goes back."""
        second, count = int(self.clock()), 1
        if second <= self._last_ts[0]:
            second, count = self._last_ts[0], self._last_ts[1] + 1
        self._last_ts = (second, count)
        return f"{second}.{count:06d}"

    def add_message(self, message: Message) -> Message:
        """The message, after it was put at the end of its channel."""
        self.messages.setdefault(message.channel, []).append(message)
        return message

    def message(self, channel: str, ts: str) -> Message | None:
        """The message at a time stamp, or None."""
        return next((m for m in self.messages.get(channel, ()) if m.ts == ts), None)

    def direct_channel(self, key: str) -> Channel:
        """The app's direct conversation with a person, opened when there is none yet."""
        for channel in self.channels.values():
            if channel.is_im and key in channel.members:
                return channel
        opened = Channel(self.next_id("D"), "directmessage", is_im=True, members={key, self.app.bot_user})
        self.channels[opened.id] = opened
        return opened

    def find_person(self, user_id: str) -> str | None:
        """The key of a user id as the app's workspace sees it: its own people first, then strangers it shares a channel with."""
        own = self.people.get(user_id)
        if own is not None and own.id == user_id:
            return user_id
        shared = {key for channel in self.channels.values() if channel.is_ext_shared for key in channel.members}
        return next((key for key, person in self.people.items() if person.id == user_id and key in shared), None)

    def find_view(self, view_id: str = "", external_id: str = "") -> View | None:
        """An open modal or a Home tab, by Slack's id or by the app's own."""
        views = [view for stack in self.modals.values() for view in stack] + list(self.homes.values())
        if view_id:
            return next((view for view in views if view.id == view_id), None)
        return next((view for view in views if external_id and view.definition.get("external_id") == external_id), None)

    def visible_channels(self, key: str) -> list[Channel]:
        """Channels and direct conversations a person is in, in order of their ids."""
        return sorted((c for c in self.channels.values() if key in c.members), key=lambda c: (c.is_im, c.name, c.id))

    def visible_messages(self, key: str, channel: str) -> list[Message]:
        """What a person sees in a channel, oldest first: ephemeral messages of others are left out."""
        return [m for m in self.messages.get(channel, ()) if m.ephemeral_for in (None, key)]

    def issue_trigger(self, key: str, view_id: str | None = None) -> str:
        """A fresh trigger id for what a person just did."""
        trigger_id = f"{self.next_id('')}.{int(self.clock() * 1000)}.{self.next_id('')}"
        self.triggers[trigger_id] = Trigger(key, self.clock(), view_id)
        return trigger_id

    def issue_response_url(self, key: str, channel: str, *, ts: str | None = None, thread_ts: str | None = None) -> str:
        """The token of a fresh response URL."""
        token = self.next_id("R")
        self.response_urls[token] = ResponseUrl(key, channel, self.clock(), ts, thread_ts)
        return token

    def notice(self, key: str, text: str, *, channel: str = "", ts: str = "") -> None:
        """Show a person a line that comes from the stand-in itself: an interaction the app did not acknowledge."""
        self.notices.setdefault(key, []).append({"text": text, "channel": channel, "ts": ts})
