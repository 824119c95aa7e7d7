"""A call of the Web API as the methods see it: its arguments from JSON or a form, its refusals, and what it may use."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from deployments.slack_sandbox.faults import Faults
from deployments.slack_sandbox.state import Channel, Workspace

MAX_BODY = 5_000_000
DEFAULT_SCOPES = (
    "chat:write", "im:write", "im:history", "im:read", "channels:history", "channels:read", "groups:history", "groups:read",
    "users:read", "users:read.email", "team:read", "files:write", "reactions:write", "commands", "app_mentions:read",
)  # fmt: skip


class Refusal(Exception):
    """An `ok: false` answer: Slack's error code and whatever stands beside it."""

    def __init__(self, code: str, **extra: Any) -> None:
        self.code, self.extra = code, extra
        super().__init__(code)

    @classmethod
    def of_schema(cls, code: str, problems: list[str]) -> Refusal:
        """A refusal of blocks or a view, worded as Slack words it."""
        return cls(code, errors=problems, response_metadata={"messages": [f"[ERROR] {problem}" for problem in problems]})


class Arguments:
    """A call's arguments, whichever way they came: JSON, a form, or JSON text inside a form."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        self.given = {name: value for name, value in given.items() if value is not None}

    @classmethod
    def read(cls, body: bytes, content_type: str, query: str) -> Arguments:
        """Arguments of a request. Raises Refusal for JSON that is none."""
        given: dict[str, Any] = dict(parse_qsl(query, keep_blank_values=True))
        if content_type.startswith("application/json"):
            try:
                found = read_json(body or b"{}")
            except ValueError:
                raise Refusal("invalid_json") from None
            if not isinstance(found, dict):
                raise Refusal("json_not_object")
            given.update(found)
        elif content_type.startswith("application/x-www-form-urlencoded"):
            given.update(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
        elif body:
            raise Refusal("invalid_post_type")
        return cls(given)

    def __contains__(self, name: str) -> bool:
        return name in self.given

    def text(self, name: str, default: str = "") -> str:
        """An argument as text."""
        return str(self.given.get(name, default))

    def flag(self, name: str) -> bool:
        """A yes or no: true, 1 and "true" are yes."""
        return str(self.given.get(name, "")).lower() in ("1", "true")

    def number(self, name: str, default: int) -> int:
        """A whole number. Raises Refusal when it is none."""
        try:
            return int(self.given.get(name, default))
        except (TypeError, ValueError):
            raise Refusal("invalid_arguments", response_metadata={"messages": [f"[ERROR] {name} must be an integer"]}) from None

    def structured(self, name: str, code: str) -> Any:
        """A list or object, given as itself or as JSON text; None when absent. Raises Refusal with `code` for text that is no JSON."""
        value = self.given.get(name)
        if not isinstance(value, str):
            return value
        try:
            return read_json(value)
        except ValueError:
            raise Refusal(code) from None


def read_json(text: str | bytes) -> Any:
    """JSON without Python's additions (NaN, infinity, half characters): whatever is stored can be answered again. Raises ValueError."""

    def refuse(constant: str) -> None:
        raise ValueError(constant)

    found = json.loads(text, parse_constant=refuse)
    json.dumps(found, allow_nan=False, ensure_ascii=False).encode()
    return found


@dataclass
class Call:
    """One call: its arguments and the parts of the sandbox a method works on."""

    workspace: Workspace
    arguments: Arguments
    faults: Faults
    scopes: frozenset[str]
    base_url: str

    def channel(self, *, name: str = "channel", writing: bool = False) -> Channel:
        """The channel an argument names, by id, by #name or by a person's id (then the app's direct conversation). Raises Refusal."""
        found = self._find_channel(self.arguments.text(name))
        bot = self.workspace.app.bot_user
        if found is None or (found.is_private and bot not in found.members):
            raise Refusal("channel_not_found")
        if writing and found.is_archived:
            raise Refusal("is_archived")
        if writing and bot not in found.members and "chat:write.public" not in self.scopes:
            raise Refusal("not_in_channel")
        return found

    def _find_channel(self, wanted: str) -> Channel | None:
        space = self.workspace
        if wanted in space.channels:
            return space.channels[wanted]
        key = space.find_person(wanted)
        if key is not None and not space.people[key].deleted and not space.people[key].is_bot:
            return space.direct_channel(key)
        return next((c for c in space.channels.values() if not c.is_im and wanted == f"#{c.name}"), None)

    def person(self, name: str = "user") -> str:
        """The key of the person an argument names. Raises Refusal when the app's workspace knows nobody by that id."""
        key = self.workspace.find_person(self.arguments.text(name))
        if key is None:
            raise Refusal("user_not_found")
        return key


Method = Callable[[Call], dict[str, Any]]
