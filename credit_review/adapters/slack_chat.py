"""Slack as `ports.Chat`, and the twin that keeps messages in memory."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from credit_review.adapters.slack_accounts import Outsider, outsider
from credit_review.errors import BadInput, CreditReviewError, Unavailable

if TYPE_CHECKING:
    from slack_sdk import WebClient

    from credit_review.adapters.settings import Settings

METADATA_TYPE = "credit_review_card"
LOOKED_AT_AGAIN_AFTER = 900.0
"""Seconds for which what Slack says of a channel or an account is believed."""
MENDED_AFTER = 300.0
"""Seconds an address waits whose channel somebody must mend."""
_NOBODY_HEARD = {
    "access_denied", "account_inactive", "ekm_access_denied", "invalid_auth", "missing_scope", "no_permission", "not_allowed_token_type",
    "not_authed", "org_login_required", "request_timeout", "service_unavailable", "team_access_not_granted", "token_expired",
    "token_revoked",
}  # fmt: skip
"""Nothing can be sent to anybody until token or scopes are mended, or Slack is itself again."""
_CHANNEL_TO_MEND = {
    "channel_not_found", "is_archived", "messages_tab_disabled", "not_in_channel", "restricted_action",
    "restricted_action_read_only_channel",
}  # fmt: skip
_NO_SUCH_PERSON = {"cannot_dm_bot", "user_disabled", "user_not_found", "user_not_visible", "users_not_found"}
_WRONG_MESSAGE = {"invalid_blocks", "invalid_arguments", "msg_too_long", "no_text"}
_GONE = {"message_not_found", "cant_update_message", "edit_window_closed"}
_TOKEN = re.compile(r"xox[a-z]-[A-Za-z0-9-]+|xapp-[A-Za-z0-9-]+")
_READS = {"conversations.history", "conversations.info", "conversations.replies", "users.info"}
_NEWEST = 200
"""Messages looked through for one that may have arrived already."""


class SlackChat:
    """Messages through the Web API; how fast they follow each other, and what to try again, is the relay's to say.

    Nobody but full members of our own workspaces may see cards: a shared channel is refused, and a guest's direct messages are.
    """

    def __init__(self, client: WebClient, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.client = client
        self._clock = clock
        self._looked_at: dict[str, float] = {}
        self._conversations: dict[str, str] = {}

    @classmethod
    def from_settings(cls, settings: Settings) -> SlackChat:
        """A client with the bot token from the secrets. Raises BadInput when it is not set."""
        from credit_review.adapters.settings import require_secret

        return cls(web_client(require_secret("SLACK_BOT_TOKEN"), settings.slack.api_url))

    def place(self, to: str) -> str:
        """The channel, or the direct conversation with a person's account `TEAM|USER`; who reads there is looked at every 15 minutes.

        Raises BadInput where not only full members of our workspaces read; Unavailable.
        """
        now = self._clock()
        if to not in self._looked_at or now - self._looked_at[to] > LOOKED_AT_AGAIN_AFTER:
            self._require_member(to) if "|" in to else self.require_private(to)
            self._looked_at[to] = now
        return self._conversation(to) if "|" in to else to

    def post(
        self, *, channel: str, text: str, blocks: Sequence[Mapping[str, Any]], dedup_key: str, thread_ts: str = "", again: bool = False
    ) -> Mapping[str, str]:
        """Post a message; returns channel and ts. The dedup key stands in the message's metadata. Raises Unavailable or BadInput."""
        # what arrived before its answer was lost may say what is past by now
        found = self._posted_before(channel, dedup_key, thread_ts) if again else ""
        if found and self.update(channel=channel, ts=found, text=text, blocks=blocks):
            return {"channel": channel, "ts": found}
        metadata = {"event_type": METADATA_TYPE, "event_payload": {"dedup_key": dedup_key}}
        more = {"thread_ts": thread_ts} if thread_ts else {}
        message = {"text": text, "blocks": list(blocks), "metadata": metadata, "unfurl_links": False, "unfurl_media": False, **more}
        answer = self._call("chat.postMessage", channel=channel, **message)
        return {"channel": str(answer["channel"]), "ts": str(answer["ts"])}

    def update(self, *, channel: str, ts: str, text: str, blocks: Sequence[Mapping[str, Any]]) -> bool:
        """Replace a message; False when it is not there any more (somebody deleted it). Raises Unavailable or BadInput."""
        try:
            self._call("chat.update", channel=channel, ts=ts, text=text, blocks=list(blocks))
        except _Gone:
            return False
        return True

    def signed_in_as(self) -> tuple[str, str]:
        """Id of the bot token's workspace, and workspace and user by name. Raises Unavailable or BadInput."""
        answer = self._call("auth.test")
        return str(answer["team_id"]), f"{answer['team']} / {answer['user']}"

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
        if about.get("is_archived"):
            raise _to_mend(channel, "is archived", "unarchive the channel, or name another")
        if not about.get("is_im") and about.get("is_member") is False:
            raise _to_mend(channel, "does not have the app as a member", "invite the app to the channel")

    def key_of(self, channel: str, ts: str, *, app_id: str) -> str:
        """The dedup key of the message of our app that stands at `ts`; empty for any other. Raises Unavailable or BadInput."""
        found = self._call("conversations.history", channel=channel, latest=ts, inclusive=True, limit=1, include_all_metadata=True)
        ours = (m for m in found.get("messages", ()) if m.get("ts") == ts and _app_of(m) == app_id)
        return next((_dedup_key(message) for message in ours), "")

    def connects(self, app_token: str) -> None:
        """Returns when an app-level token opens Socket Mode connections. Raises Unavailable or BadInput."""
        SlackChat(web_client(app_token, self.client.base_url))._call("apps.connections.open")

    def _require_member(self, account: str) -> None:
        team, user = account.split("|")[-2:]
        why = outsider(self._call("users.info", user=user)["user"], team=team, user=user)
        if why:
            raise BadInput(
                f"Slack account {account} {_OUTSIDERS[why]}",
                expected="a full member of one of our own workspaces",
                next_step="map the person's own account (`credit-review people account`), then `credit-review deliveries requeue --all`",
            )

    def _conversation(self, account: str) -> str:
        """The direct conversation with a person; it stays the same, and asking for it before each message would be throttled."""
        if account not in self._conversations:
            opened = self._call("conversations.open", users=account.rpartition("|")[2])
            self._conversations[account] = str(opened["channel"]["id"])
        return self._conversations[account]

    def _posted_before(self, channel: str, dedup_key: str, thread_ts: str) -> str:
        """The ts of our message with this key among the newest of a channel or thread; empty when there is none."""
        if thread_ts:
            found = self._call("conversations.replies", channel=channel, ts=thread_ts, include_all_metadata=True, limit=_NEWEST)
        else:
            found = self._call("conversations.history", channel=channel, include_all_metadata=True, limit=_NEWEST)
        return next((str(m["ts"]) for m in found.get("messages", ()) if _dedup_key(m) == dedup_key), "")

    def _call(self, method: str, **arguments: Any) -> Mapping[str, Any]:
        return self._answer(method, arguments).data  # type: ignore[no-any-return]

    def _answer(self, method: str, arguments: Mapping[str, Any]) -> Any:
        from slack_sdk.errors import SlackApiError, SlackClientError

        try:
            if method in _READS:  # these take a form, no JSON
                form = {name: int(value) if isinstance(value, bool) else value for name, value in arguments.items()}
                return self.client.api_call(method, data=form)
            return self.client.api_call(method, json=dict(arguments))
        except SlackApiError as error:
            raise _as_ours(method, error.response) from None
        except (SlackClientError, OSError) as error:
            raise Unavailable(
                f"Slack does not answer {method}: {without_tokens(str(error))}", next_step="nothing is lost: the card is sent again"
            ) from None


class _Gone(BadInput):
    """The message to replace is not there."""


class _Unclear(CreditReviewError):
    """Slack answers with an error we do not know: this message's own, until it turns out otherwise."""


_OUTSIDERS = {
    Outsider.DEACTIVATED: "is deactivated",
    Outsider.BOT: "is a bot or an app",
    Outsider.GUEST: "is a guest",
    Outsider.STRANGER: "belongs to another workspace",
}


def _app_of(message: Mapping[str, Any]) -> str:
    return str(message.get("app_id") or (message.get("bot_profile") or {}).get("app_id") or "")


def _dedup_key(message: Mapping[str, Any]) -> str:
    about = message.get("metadata") or {}
    return str((about.get("event_payload") or {}).get("dedup_key", "")) if about.get("event_type") == METADATA_TYPE else ""


def _as_ours(method: str, response: Any) -> CreditReviewError:
    code = str(response.get("error", "unknown")) if isinstance(response.data, dict) else f"status {response.status_code}"
    if response.status_code == 429 or code == "ratelimited":
        wait = float(response.headers.get("Retry-After") or response.headers.get("retry-after") or 1)
        return Unavailable(f"Slack asks to wait {wait:g} s before {method}", retry_after_seconds=wait)
    if code in _GONE or (method == "chat.update" and code == "channel_not_found"):
        return _Gone(f"Slack refuses {method}: {code}")
    if code in _CHANNEL_TO_MEND:
        return Unavailable(
            f"Slack refuses {method}: {code}", next_step="mend the channel (`credit-review doctor`)", retry_after_seconds=MENDED_AFTER
        )
    if code in _NOBODY_HEARD or response.status_code != 200:
        return Unavailable(f"Slack refuses {method}: {code}", next_step="check token and scopes (`credit-review doctor`)")
    if code in _NO_SUCH_PERSON:
        return BadInput(f"Slack refuses {method}: {code}", expected="an account of our workspace")
    if code in _WRONG_MESSAGE:
        said = "; ".join((response.get("response_metadata") or {}).get("messages", ()))
        return BadInput(f"Slack refuses {method}: {code} {said}".strip(), expected="a message Slack takes")
    return _Unclear(f"Slack answers {method} with {code}")


def _not_ours(channel: str, why: str) -> BadInput:
    mend = "choose a private channel of your own workspace"
    return BadInput(f"Slack channel {channel} {why}", expected="a private channel of our own that has the app in it", next_step=mend)


def _to_mend(channel: str, why: str, next_step: str) -> Unavailable:
    return Unavailable(f"Slack channel {channel} {why}", next_step=next_step, retry_after_seconds=MENDED_AFTER)


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

    def place(self, to: str) -> str:
        """The address itself."""
        return to

    def post(
        self, *, channel: str, text: str, blocks: Sequence[Mapping[str, Any]], dedup_key: str, thread_ts: str = "", again: bool = False
    ) -> Mapping[str, str]:
        """Keep a message."""
        if again and dedup_key in self.sent and self.update(channel=channel, ts=self.sent[dedup_key][1], text=text, blocks=blocks):
            return {"channel": channel, "ts": self.sent[dedup_key][1]}
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
