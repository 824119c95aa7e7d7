"""Sends the messages that are owed, beside the listener: soon after each click, and every few seconds for what others caused."""

from __future__ import annotations

import logging
import os
import threading

from credit_review import messages
from credit_review.adapters.slack_chat import SlackChat
from credit_review.adapters.wiring import Services
from credit_review.review.relay import Outside, relay

LOG = logging.getLogger("credit_review.slack")
EVERY_SECONDS = 2.0


class Pump:
    """One thread that relays. What it cannot send stays owed: the next round, or the next run of `apply_limits`, sends it."""

    def __init__(self, services: Services, chat: SlackChat, company: messages.Company) -> None:
        self._services = services
        self._outside = Outside(
            chat=chat,
            render=messages.renderer(services.clock, company),
            teams=services.settings.slack.team_ids,
            owner_id=services.settings.limits_owner,
        )
        self._wanted, self._stopped = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="credit-review-pump", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def wake(self) -> None:
        """Something is owed now."""
        self._wanted.set()

    def stop(self) -> None:
        """End after the message under way."""
        self._stopped.set()
        self._wanted.set()
        if self._thread.is_alive():
            self._thread.join(15)

    def _run(self) -> None:
        while not self._stopped.is_set():
            self._wanted.wait(EVERY_SECONDS)
            self._wanted.clear()
            if self._stopped.is_set():
                return
            try:
                relay(self._services.store, self._outside, self._services.clock, worker=f"slack-{os.getpid()}-{id(self)}")
            except Exception:  # whatever it was, the next round tries again: without this thread nobody would be told anything
                LOG.exception("messages could not be sent now; they stay owed")
