"""Whether a Slack account is a full member of one of our own workspaces: one rule, for who decides and for who is shown anything."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any


class Outsider(StrEnum):
    """Why an account is none of ours, as the log says it."""

    DEACTIVATED = "slack.deactivated"
    BOT = "slack.bot"
    GUEST = "slack.guest"
    STRANGER = "slack.stranger"


def outsider(about: Mapping[str, Any], *, team: str, user: str) -> Outsider | None:
    """What `users.info` says against the account `user` of workspace `team`; None for a full member of it.

    A user id is Slack's own within one workspace only: the same id of another workspace is somebody else.
    """
    if about.get("deleted"):
        return Outsider.DEACTIVATED
    if about.get("is_bot") or about.get("is_app_user") or user == "USLACKBOT":
        return Outsider.BOT
    if about.get("is_restricted") or about.get("is_ultra_restricted"):
        return Outsider.GUEST
    if about.get("is_stranger") or str(about.get("team_id") or team) != team:
        return Outsider.STRANGER
    return None
