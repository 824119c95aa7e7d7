"""Asking Slack to show something: a form, a list, a Home. Nothing is stored by it, so that nothing is lost when Slack does not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException

from slack_sdk.errors import SlackApiError, SlackClientError

from credit_review.adapters.slack_chat import without_tokens
from credit_review.errors import Unavailable
from credit_review.words import said

SLACK_FAILS = (SlackClientError, OSError, HTTPException)
"""What a call of Slack raises when it does not answer, or answers with an error."""


@contextmanager
def showing() -> Iterator[None]:
    """Whatever Slack does instead of showing it is Unavailable, in words for whoever clicked."""
    try:
        yield
    except SLACK_FAILS as error:
        raise Unavailable(said("Slack could not show this just now"), next_step=said("click again in a moment")) from error


def cause_of(error: BaseException) -> str:
    """Why Slack did not do it, on one line of a log: its own code, or what went wrong on the way. Without tokens."""
    if isinstance(error, SlackApiError) and isinstance(error.response.data, dict):
        return str(error.response.get("error", "unknown"))
    return without_tokens(" ".join(f"{type(error).__name__}: {error}".split()))
