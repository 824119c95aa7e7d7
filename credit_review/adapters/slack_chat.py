"""Slack as `ports.Chat`, and the twin that keeps messages in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from credit_review.errors import BadInput, Unavailable

if TYPE_CHECKING:
    from slack_sdk import WebClient

    from credit_review.adapters.settings import Settings

METADATA_TYPE = "credit_review_card"
_WRONG_SETTINGS = {"channel_not_found", "not_in_channel", "is_archived", "invalid_auth", "not_authed", "account_inactive", "missing_scope"}


class SlackChat:
    """Messages through the Web API; rate limits are waited for, anything else is the relay's to try again."""

    def __init__(self, client: WebClient) -> None:
        self.client = client

    @classmethod
    def from_settings(cls, settings: Settings) -> SlackChat:
        """A client with the bot token from the secrets. Raises BadInput when it is not set."""
        from credit_review.adapters.settings import require_secret

        return cls(web_client(require_secret("SLACK_BOT_TOKEN"), settings.slack.api_url))

    def post(self, *, channel: str, text: str, blocks: Sequence[Mapping[str, Any]], dedup_key: str) -> Mapping[str, str]:
        """Post a message; returns channel and ts. The dedup key stands in the message's metadata. Raises Unavailable or BadInput."""
        metadata = {"event_type": METADATA_TYPE, "event_payload": {"dedup_key": dedup_key}}
        answer = self._call(
            "chat.postMessage", channel=channel, text=text, blocks=list(blocks), metadata=metadata, unfurl_links=False, unfurl_media=False
        )
        return {"channel": str(answer["channel"]), "ts": str(answer["ts"])}

    def update(self, *, channel: str, ts: str, text: str, blocks: Sequence[Mapping[str, Any]]) -> None:
        """Replace a message. Raises Unavailable or BadInput."""
        self._call("chat.update", channel=channel, ts=ts, text=text, blocks=list(blocks))

    def signed_in_as(self) -> str:
        """Team and user of the bot token. Raises Unavailable or BadInput."""
        answer = self._call("auth.test")
        return f"{answer['team']} / {answer['user']}"

    def _call(self, method: str, **arguments: Any) -> Mapping[str, Any]:
        from slack_sdk.errors import SlackApiError, SlackClientError

        try:
            return self.client.api_call(method, json=arguments).data  # type: ignore[return-value]
        except SlackApiError as error:
            code = str(error.response.get("error", "unknown"))
            if code in _WRONG_SETTINGS:
                raise BadInput(
                    f"Slack refuses {method}: {code}", next_step="check channel, token and scopes (`credit-review doctor`)"
                ) from None
            raise Unavailable(f"Slack answers {method} with {code}") from None
        except (SlackClientError, OSError) as error:
            raise Unavailable(f"Slack does not answer {method}: {error}", next_step="nothing is lost: the card is sent again") from None


def web_client(token: str, api_url: str) -> WebClient:
    """A Web API client that honours Retry-After."""
    from slack_sdk import WebClient
    from slack_sdk.http_retry.builtin_handlers import RateLimitErrorRetryHandler

    client = WebClient(token=token, base_url=api_url, timeout=10)
    client.retry_handlers.append(RateLimitErrorRetryHandler(max_retry_count=3))
    return client


class NullChat:
    """Keeps messages in memory and tells nobody. For tests and the demo: unsafe where people must be reached."""

    def __init__(self) -> None:
        self.messages: dict[tuple[str, str], tuple[str, tuple[Mapping[str, Any], ...]]] = {}
        self.sent: list[str] = []

    def post(self, *, channel: str, text: str, blocks: Sequence[Mapping[str, Any]], dedup_key: str) -> Mapping[str, str]:
        """Keep a message."""
        ts = f"{len(self.sent) + 1}.000000"
        self.sent.append(dedup_key)
        self.messages[(channel, ts)] = (text, tuple(blocks))
        return {"channel": channel, "ts": ts}

    def update(self, *, channel: str, ts: str, text: str, blocks: Sequence[Mapping[str, Any]]) -> None:
        """Replace a kept message. Raises BadInput when there is none."""
        if (channel, ts) not in self.messages:
            raise BadInput(f"no message {ts} in {channel}", expected="a message that was posted")
        self.messages[(channel, ts)] = (text, tuple(blocks))
