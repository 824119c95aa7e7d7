"""Slack as `ports.Chat`, and the twin that keeps messages in memory."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from credit_review.errors import BadInput, Unavailable

if TYPE_CHECKING:
    from slack_sdk import WebClient

    from credit_review.adapters.settings import Settings

METADATA_TYPE = "credit_review_card"
SECONDS_A_MESSAGE = 1.0
"""Slack takes about one message a second in a channel."""
_WRONG_SETTINGS = {
    "account_inactive", "channel_not_found", "invalid_auth", "is_archived", "missing_scope", "not_authed", "not_in_channel",
    "restricted_action", "token_revoked", "user_not_found",
}  # fmt: skip
_WRONG_MESSAGE = {"invalid_blocks", "invalid_arguments", "msg_too_long", "no_text"}
_GONE = {"message_not_found", "cant_update_message", "edit_window_closed"}
_TOKEN = re.compile(r"xox[a-z]-[A-Za-z0-9-]+|xapp-[A-Za-z0-9-]+")
_NEWEST = 200
"""Messages looked through for one that may have arrived already."""


class SlackChat:
    """Messages through the Web API, one a second and channel; what fails is the relay's to try again.

    Nobody but people of our own workspaces may see cards, so a channel shared with another company is refused.
    """

    def __init__(
        self, client: WebClient, *, clock: Callable[[], float] = time.monotonic, wait: Callable[[float], None] = time.sleep
    ) -> None:
        self.client = client
        self._clock, self._wait = clock, wait
        self._free_from: dict[str, float] = {}
        self._ours: set[str] = set()

    @classmethod
    def from_settings(cls, settings: Settings) -> SlackChat:
        """A client with the bot token from the secrets. Raises BadInput when it is not set."""
        from credit_review.adapters.settings import require_secret

        return cls(web_client(require_secret("SLACK_BOT_TOKEN"), settings.slack.api_url))

    def post(
        self, *, channel: str, text: str, blocks: Sequence[Mapping[str, Any]], dedup_key: str, thread_ts: str = "", again: bool = False
    ) -> Mapping[str, str]:
        """Post a message; returns channel and ts. The dedup key stands in the message's metadata. Raises Unavailable or BadInput."""
        place = self._opened(channel)
        if again and (found := self._posted_before(place, dedup_key)):
            return {"channel": place, "ts": found}
        self._take_turn(place)
        metadata = {"event_type": METADATA_TYPE, "event_payload": {"dedup_key": dedup_key}}
        more = {"thread_ts": thread_ts} if thread_ts else {}
        message = {"text": text, "blocks": list(blocks), "metadata": metadata, "unfurl_links": False, "unfurl_media": False, **more}
        answer = self._call("chat.postMessage", channel=place, **message)
        return {"channel": str(answer["channel"]), "ts": str(answer["ts"])}

    def update(self, *, channel: str, ts: str, text: str, blocks: Sequence[Mapping[str, Any]]) -> bool:
        """Replace a message; False when it is not there any more (somebody deleted it). Raises Unavailable or BadInput."""
        self._take_turn(channel)
        try:
            self._call("chat.update", channel=channel, ts=ts, text=text, blocks=list(blocks))
        except _Gone:
            return False
        return True

    def signed_in_as(self) -> str:
        """Team and user of the bot token. Raises Unavailable or BadInput."""
        answer = self._call("auth.test")
        return f"{answer['team']} / {answer['user']}"

    def scopes(self) -> frozenset[str]:
        """What the bot token may do. Raises Unavailable or BadInput."""
        response = self._answer("auth.test", {})
        found = response.headers.get("x-oauth-scopes") or response.headers.get("X-OAuth-Scopes") or ""
        return frozenset(part.strip() for part in found.split(",") if part.strip())

    def require_private(self, channel: str) -> None:
        """Raises BadInput unless a channel is private or direct, not shared with another company, and the bot is in it."""
        about = self._call("conversations.info", channel=channel)["channel"]
        if about.get("is_ext_shared") or about.get("is_pending_ext_shared") or (about.get("is_shared") and not about.get("is_org_shared")):
            raise _not_ours(channel, "is shared with another company")
        if not (about.get("is_im") or about.get("is_mpim") or about.get("is_private")):
            raise _not_ours(channel, "is public")
        if not about.get("is_im") and about.get("is_member") is False:
            raise _not_ours(channel, "does not have the app as a member", "invite the app to the channel")

    def _opened(self, channel: str) -> str:
        """The channel to post in: a person's direct messages for a user id. A channel is looked at once before the first message."""
        if channel[:1] in ("U", "W"):
            return str(self._call("conversations.open", users=channel)["channel"]["id"])
        if channel not in self._ours:
            self.require_private(channel)
            self._ours.add(channel)
        return channel

    def _posted_before(self, channel: str, dedup_key: str) -> str:
        """The ts of our message with this key among the newest of a channel; empty when there is none."""
        found = self._call("conversations.history", channel=channel, include_all_metadata=True, limit=_NEWEST)
        for message in found.get("messages", ()):
            about = message.get("metadata") or {}
            if about.get("event_type") == METADATA_TYPE and (about.get("event_payload") or {}).get("dedup_key") == dedup_key:
                return str(message["ts"])
        return ""

    def _take_turn(self, channel: str) -> None:
        now = self._clock()
        free = self._free_from.get(channel, now)
        if free > now:
            self._wait(free - now)
        self._free_from[channel] = max(now, free) + SECONDS_A_MESSAGE

    def _call(self, method: str, **arguments: Any) -> Mapping[str, Any]:
        return self._answer(method, arguments).data  # type: ignore[no-any-return]

    def _answer(self, method: str, arguments: Mapping[str, Any]) -> Any:
        from slack_sdk.errors import SlackApiError, SlackClientError

        try:
            return self.client.api_call(method, json=dict(arguments))
        except SlackApiError as error:
            raise _as_ours(method, error.response) from None
        except (SlackClientError, OSError) as error:
            raise Unavailable(
                f"Slack does not answer {method}: {without_tokens(str(error))}", next_step="nothing is lost: the card is sent again"
            ) from None


class _Gone(BadInput):
    """The message to replace is not there."""


def _as_ours(method: str, response: Any) -> BadInput | Unavailable:
    code = str(response.get("error", "unknown")) if isinstance(response.data, dict) else f"status {response.status_code}"
    if response.status_code == 429 or code == "ratelimited":
        wait = float(response.headers.get("Retry-After") or response.headers.get("retry-after") or 1)
        return Unavailable(f"Slack asks to wait {wait:g} s before {method}", retry_after_seconds=wait)
    if code in _GONE or (method == "chat.update" and code == "channel_not_found"):
        return _Gone(f"Slack refuses {method}: {code}")
    if code in _WRONG_SETTINGS:
        return BadInput(f"Slack refuses {method}: {code}", next_step="check channel, token and scopes (`credit-review doctor`)")
    if code in _WRONG_MESSAGE:
        said = "; ".join((response.get("response_metadata") or {}).get("messages", ()))
        return BadInput(f"Slack refuses {method}: {code} {said}".strip(), expected="a message Slack takes")
    return Unavailable(f"Slack answers {method} with {code}")


def _not_ours(channel: str, why: str, next_step: str = "choose a private channel of your own workspace") -> BadInput:
    return BadInput(f"Slack channel {channel} {why}", expected="a private channel of our own that has the app in it", next_step=next_step)


def without_tokens(text: str) -> str:
    """The text with anything that looks like a Slack token struck out."""
    return _TOKEN.sub("[token]", text)


def web_client(token: str, api_url: str) -> WebClient:
    """A Web API client. What Slack asks us to wait for is waited for by the relay, which keeps the order."""
    from slack_sdk import WebClient

    return WebClient(token=token, base_url=api_url, timeout=10)


class NullChat:
    """Keeps messages in memory and tells nobody. For tests and the demo: unsafe where people must be reached."""

    def __init__(self) -> None:
        self.messages: dict[tuple[str, str], tuple[str, tuple[Mapping[str, Any], ...]]] = {}
        self.sent: dict[str, tuple[str, str]] = {}

    def post(
        self, *, channel: str, text: str, blocks: Sequence[Mapping[str, Any]], dedup_key: str, thread_ts: str = "", again: bool = False
    ) -> Mapping[str, str]:
        """Keep a message."""
        if again and dedup_key in self.sent:
            place, ts = self.sent[dedup_key]
            return {"channel": place, "ts": ts}
        ts = f"{len(self.messages) + 1}.000000"
        self.sent[dedup_key] = (channel, ts)
        self.messages[(channel, ts)] = (text, tuple(blocks))
        return {"channel": channel, "ts": ts}

    def update(self, *, channel: str, ts: str, text: str, blocks: Sequence[Mapping[str, Any]]) -> bool:
        """Replace a kept message; False when there is none."""
        if (channel, ts) not in self.messages:
            return False
        self.messages[(channel, ts)] = (text, tuple(blocks))
        return True
