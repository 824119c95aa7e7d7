"""The shape of what Slack sends, as far as handlers read it. What is signed but has another shape is answered like a bad signature."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore")


class _Named(_Part):
    id: str


class _Account(_Named):
    team_id: str | None = None


class _Chosen(_Part):
    value: str


class _Element(_Part):
    value: str | None = None
    selected_date: str | None = None
    selected_option: _Chosen | None = None
    selected_options: list[_Chosen] | None = None


class _State(_Part):
    values: dict[str, dict[str, _Element]]


class _Block(_Part):
    type: str
    block_id: str = ""


class _View(_Named):
    type: str
    hash: str
    private_metadata: str
    state: _State
    blocks: list[_Block]


class _Action(_Part):
    action_id: str
    action_ts: str = Field(pattern=r"^[0-9]{1,20}(\.[0-9]{1,20})?$")
    value: str | None = None
    selected_option: _Chosen | None = None


class _Place(_Part):
    channel_id: str | None = None
    message_ts: str | None = None
    view_id: str | None = None


class _Interaction(_Part):
    user: _Account
    team: _Named | None = None
    enterprise: _Named | None = None
    trigger_id: str = ""
    response_url: str = ""
    container: _Place | None = None
    channel: _Named | None = None
    view: _View | None = None


class _Click(_Interaction):
    actions: list[_Action] = Field(min_length=1)
    trigger_id: str


class _Submission(_Interaction):
    view: _View


class _Command(_Part):
    command: str
    user_id: str
    team_id: str
    text: str = ""
    trigger_id: str
    response_url: str = ""


class _What(_Part):
    type: str
    user: str | None = None
    user_team: str | None = None
    channel: str | None = None
    ts: str | None = None
    text: str | None = None
    thread_ts: str | None = None


class _Event(_Part):
    team_id: str | None = None
    enterprise_id: str | None = None
    event: _What


_KINDS: dict[str, type[_Part]] = {"block_actions": _Click, "view_submission": _Submission, "event_callback": _Event}


def well_formed(body: Any) -> bool:
    """Whether a request's body is one that handlers can read, of text that can be stored; other kinds than theirs are bolt's to answer."""
    if not isinstance(body, Mapping) or not all(map(_storable, _texts(body))):
        return False
    kind = _Command if "command" in body else _KINDS.get(str(body.get("type")))
    if kind is None:
        return body.get("type") == "url_verification" or "ssl_check" in body
    try:
        kind.model_validate(body)
    except ValidationError:
        return False
    return True


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for name, one in value.items():
            yield from _texts(name)
            yield from _texts(one)
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one)


def _storable(text: str) -> bool:
    return "\x00" not in text and not any("\ud800" <= c <= "\udfff" for c in text)
