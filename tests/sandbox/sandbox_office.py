"""A bolt app whose answers a test decides, a clock moved by hand, and the blocks the tests post."""

from __future__ import annotations

import logging
import re
import threading
from types import SimpleNamespace

from slack_bolt import App
from slack_sdk import WebClient

START = 1_790_000_000.0
CHANNEL = "C0CREDIT"


class MovedClock:
    """Seconds since 1970, moved by hand."""

    def __init__(self):
        self.now = START

    def __call__(self):
        return self.now


class Office:
    """A bolt app whose answers a test decides: `on[...]` by action id, callback id, command or event type."""

    def __init__(self, api_url, **options):
        self.on, self.heard, self._told = {}, [], threading.Condition()
        self.web = WebClient("xoxb-sandbox", base_url=api_url, retry_handlers=[])
        self.app = App(client=self.web, token_verification_enabled=False, logger=_quiet(), **options)
        self.app.action(re.compile(".*"))(lambda ack, body, respond: self._hear(body["actions"][0]["action_id"], ack, body, respond))
        self.app.view(re.compile(".*"))(lambda ack, body: self._hear(body["view"]["callback_id"], ack, body))
        self.app.view_closed(re.compile(".*"))(lambda ack, body: self._hear("closed", ack, body))
        self.app.command(re.compile(".*"))(lambda ack, body, respond: self._hear(body["command"], ack, body, respond))
        self.app.event(re.compile(".*"))(lambda ack, body: self._hear(body["event"]["type"], ack, body))

    def _hear(self, name, ack, body, respond=None):
        with self._told:
            self.heard.append((name, body))
            self._told.notify_all()
        self.on.get(name, lambda told: told.ack())(SimpleNamespace(ack=ack, body=body, respond=respond, web=self.web))

    def hears(self, count):
        """The names of the first `count` things heard, once there are so many."""
        with self._told:
            assert self._told.wait_for(lambda: len(self.heard) >= count, timeout=15), f"heard only {self.heard}"
            return [name for name, _ in self.heard[:count]]


def _quiet():
    logger = logging.getLogger("sandbox-tests-bolt")
    logger.setLevel(logging.CRITICAL)
    return logger


def hang_up(handler):
    """Close a Socket Mode handler without waiting: it reads for up to three more seconds, unless the sandbox closes first."""
    threading.Thread(target=handler.close, daemon=True).start()


def plain(text):
    return {"type": "plain_text", "text": text}


def button(action_id="go", **more):
    return {"type": "button", "action_id": action_id, "text": plain("Go"), "value": "v", **more}


def card(*elements):
    return [{"type": "actions", "block_id": "buttons", "elements": list(elements) or [button()]}]


def form(*blocks, **more):
    asking = {"type": "input", "block_id": "why", "label": plain("Why"), "element": {"type": "plain_text_input", "action_id": "text"}}
    wanted = {"type": "modal", "callback_id": "form", "title": plain("Form"), "submit": plain("Send"), "blocks": list(blocks) or [asking]}
    return {**wanted, **more}
