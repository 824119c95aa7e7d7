"""A Slack channel, through an app of the notary's own. Weak: an app may change what it posted, so it never counts alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from credit_review.adapters.settings import SlackAnchorSettings, require_secret
from credit_review.errors import Unavailable
from credit_review.words import said

if TYPE_CHECKING:
    from slack_sdk import WebClient

_EVENT = "credit_review_checkpoint"


class SlackAnchor:
    """Posts each checkpoint into a channel as a code block; reads it again from the channel's history."""

    weak = True
    readable = True

    def __init__(self, chosen: SlackAnchorSettings, client: WebClient) -> None:
        self.name, self.administrator, self._channel = chosen.name, chosen.administrator, chosen.channel
        self._client = client

    @classmethod
    def from_settings(cls, chosen: SlackAnchorSettings) -> SlackAnchor:
        """The anchor of the settings. Raises BadInput when its token is missing; it is not the approval app's."""
        from slack_sdk import WebClient

        return cls(chosen, WebClient(require_secret(chosen.token_secret), base_url=chosen.api_url, timeout=30))

    def keep(self, name: str, note: str) -> None:
        """Post the note, unless the channel shows it. Raises Unavailable."""
        if note in self.held():
            return
        metadata = {"event_type": _EVENT, "event_payload": {"name": name, "note": note}}
        self._called("chat_postMessage", text=f"```{note}```", metadata=metadata, unfurl_links=False, mrkdwn=True)

    def held(self) -> list[str]:
        """Every checkpoint in the channel's history. Raises Unavailable."""
        found, cursor = [], ""
        while True:
            page = self._called("conversations_history", include_all_metadata=True, limit=200, cursor=cursor)
            metadata = [message.get("metadata") or {} for message in page["messages"]]
            found += [str(one["event_payload"]["note"]) for one in metadata if one.get("event_type") == _EVENT]
            cursor = (page.get("response_metadata") or {}).get("next_cursor") or ""
            if not cursor:
                return found

    def _called(self, method: str, **arguments: object) -> dict[str, Any]:
        from slack_sdk.errors import SlackClientError

        try:
            return getattr(self._client, method)(channel=self._channel, **arguments).data  # type: ignore[no-any-return]
        except (SlackClientError, OSError) as error:
            raise Unavailable(
                said("anchor {name} cannot be reached: {error}", name=self.name, error=type(error).__name__),
                next_step=said("its administrator is {administrator}", administrator=self.administrator),
            ) from None
