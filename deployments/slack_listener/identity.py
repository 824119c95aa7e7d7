"""Who clicked: (enterprise, team, user) as Slack says it, checked against our settings and against what Slack knows of the account."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from credit_review.adapters.slack_accounts import Outsider, outsider
from credit_review.adapters.wiring import Services
from credit_review.errors import Refused, Unavailable
from credit_review.words import marked, said

if TYPE_CHECKING:
    from slack_sdk import WebClient

FRESH = timedelta(minutes=15)
"""How old what Slack says about an account may be; then it is asked again, and nobody decides before it answers."""


class NotOurs(Refused):
    """An account that is no full member of our workspaces, whatever our directory says of it."""


@dataclass(frozen=True, slots=True)
class Account:
    """A Slack account as an interaction names it. `enterprise` is empty outside Enterprise Grid."""

    enterprise: str
    team: str
    user: str

    @property
    def name(self) -> str:
        """How our directory writes it: `TEAM|USER`, or `ENTERPRISE|TEAM|USER`."""
        return "|".join(part for part in (self.enterprise, self.team, self.user) if part)


def account_of(body: Mapping[str, Any]) -> Account:
    """The account behind an interaction, slash command or event; empty parts where the payload has none."""
    user = body.get("user") if isinstance(body.get("user"), Mapping) else {}
    event = body.get("event") or {}
    team = body.get("team") if isinstance(body.get("team"), Mapping) else {}
    enterprise = body.get("enterprise") if isinstance(body.get("enterprise"), Mapping) else {}
    return Account(
        enterprise=str((enterprise or {}).get("id") or body.get("enterprise_id") or (team or {}).get("enterprise_id") or ""),
        team=str((user or {}).get("team_id") or event.get("user_team") or body.get("team_id") or (team or {}).get("id") or ""),
        user=str((user or {}).get("id") or body.get("user_id") or event.get("user") or ""),
    )


class Directory:
    """What Slack says about accounts, asked at most every 15 minutes for each."""

    def __init__(self, services: Services, client: WebClient) -> None:
        """`client` must be impatient: people wait for a decision while it asks."""
        self._services, self._client = services, client
        self._known: dict[str, tuple[datetime, NotOurs | None]] = {}
        self._lock = threading.Lock()

    def require_ours(self, account: Account) -> None:
        """Returns for a full member of one of our workspaces. Raises NotOurs otherwise; Unavailable when Slack does not say."""
        chosen = self._services.settings.slack
        if account.team not in chosen.team_ids or (chosen.enterprise_id and account.enterprise != chosen.enterprise_id):
            raise NotOurs("slack.workspace", said("your Slack workspace may not decide here; ask the risk team to add it"))
        now = self._services.clock.now()
        with self._lock:
            at, refusal = self._known.get(account.name, (None, None))
        if at is None or not timedelta() <= now - at <= FRESH:
            refusal = self._ask(account)
            with self._lock:
                self._known[account.name] = (now, refusal)
        if refusal is not None:
            raise refusal

    def _ask(self, account: Account) -> NotOurs | None:
        from slack_sdk.errors import SlackApiError, SlackClientError

        try:
            about = self._client.users_info(user=account.user).get("user") or {}
        except SlackApiError as error:
            if error.response.get("error") in ("user_not_found", "users_not_found", "user_not_visible"):
                return NotOurs("slack.unknown", said("Slack does not know your account in our workspace"))
            raise Unavailable(said("Slack does not say who you are"), next_step=said("click again in a moment")) from None
        except (SlackClientError, OSError):
            raise Unavailable(said("Slack does not say who you are"), next_step=said("click again in a moment")) from None
        why = outsider(about, team=account.team, user=account.user)
        return NotOurs(why, said(_OUTSIDERS[why])) if why else None


_OUTSIDERS = {
    Outsider.DEACTIVATED: marked("your Slack account is deactivated"),
    Outsider.BOT: marked("bots and apps decide nothing"),
    Outsider.GUEST: marked("guests of our workspace decide nothing"),
    Outsider.STRANGER: marked("people of other companies decide nothing"),
}
