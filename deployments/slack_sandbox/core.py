"""What the parts of a running sandbox share: its workspace, settings, faults, the log of calls and the signal that something changed."""

from __future__ import annotations

import asyncio
import copy
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from deployments.slack_sandbox.calls import DEFAULT_SCOPES
from deployments.slack_sandbox.faults import Faults
from deployments.slack_sandbox.state import AppIdentity, Channel, Person, Team, Workspace

KEPT_CALLS = 2000


def default_people() -> tuple[Person, ...]:
    """Four colleagues, a guest, somebody who left, a bot, a namesake in another workspace and a stranger from there."""
    return (
        Person("U0ANALYST", "ana", "Ana Analyst", email="ana@example.com"),
        Person("U0MANAGER", "max", "Max Manager", email="max@example.com"),
        Person("U0CONTROL", "cleo", "Cleo Controller", email="cleo@example.com"),
        Person("U0DIRECTOR", "dora", "Dora Director", email="dora@example.com"),
        Person("U0GUEST", "gus", "Gus Guest", email="gus@example.net", is_restricted=True),
        Person("U0GONE", "gerd", "Gerd Gone", email="gerd@example.com", deleted=True),
        Person("U0OTHERBOT", "otherbot", "Another Bot", is_bot=True),
        Person("U0MANAGER", "imposter", "Max Manager (other workspace)", team_id="T2", email="max@example.org", is_stranger=True),
        Person("U0STRANGER", "sam", "Sam Stranger", team_id="T2", email="sam@example.org", is_stranger=True),
    )


def default_channels() -> tuple[Channel, ...]:
    """The channel for cards, a private one, one shared with another workspace, and one that was archived."""
    own = {"U0ANALYST", "U0MANAGER", "U0CONTROL", "U0DIRECTOR", "U0CREDITBOT"}
    return (
        Channel("C0CREDIT", "credit-approvals", members={*own, "U0GUEST"}),
        Channel("G0CREDIT", "credit-private", is_private=True, members=own),
        Channel("C0SHARED", "shared-with-partner", is_ext_shared=True, members={*own, "T2:U0MANAGER", "T2:U0STRANGER"}),
        Channel("C0OLD", "old-approvals", is_archived=True, members=own),
        Channel("C0ELSE", "not-ours", members={"U0ANALYST"}),
    )


@dataclass
class Settings:
    """How a sandbox behaves.

    Interactions go to `request_url` over signed HTTP when it is set, else over Socket Mode. `ack_seconds` is how long the app may take to
    acknowledge; `retry_delays` are the seconds before each further delivery of an event. `clock` tells messages and triggers the time.
    """

    people: Sequence[Person] = field(default_factory=default_people)
    channels: Sequence[Channel] = field(default_factory=default_channels)
    teams: Sequence[Team] = (Team("T1", "sandbox", "Sandbox"), Team("T2", "elsewhere", "Elsewhere"))
    app: AppIdentity = field(default_factory=AppIdentity)
    scopes: Sequence[str] = DEFAULT_SCOPES
    request_url: str = ""
    ack_seconds: float = 3.0
    retry_delays: Sequence[float] = (0.0, 60.0, 300.0)
    clock: Callable[[], float] = time.time


class Changes:
    """A number that grows with every change, and a way to wait for the next one."""

    def __init__(self) -> None:
        self.version, self.closing = 1, False
        self._next = asyncio.Event()

    def tell(self) -> None:
        """Something changed: everybody who waits looks again."""
        self.version += 1
        self._next.set()
        self._next = asyncio.Event()

    def close(self) -> None:
        """The sandbox stops: nobody waits any longer."""
        self.closing = True
        self.tell()

    async def after(self, version: int, seconds: float) -> int:
        """The version once it is above `version`, or after so many seconds, whichever is first."""
        if self.version <= version and not self.closing:
            try:
                await asyncio.wait_for(self._next.wait(), seconds)
            except TimeoutError:
                return self.version
        return self.version


class Core:
    """One sandbox. Everything in it lives in one event loop."""

    def __init__(self, settings: Settings, base_url: str) -> None:
        self.settings, self.base_url = settings, base_url
        self.scopes = frozenset(settings.scopes)
        self.faults, self.changes = Faults(), Changes()
        self.calls: deque[dict[str, Any]] = deque(maxlen=KEPT_CALLS)
        self.deliveries: deque[dict[str, Any]] = deque(maxlen=KEPT_CALLS)
        self._counted = 0
        self.reset()

    def reset(self) -> None:
        """A workspace as at the start: no messages, no views, no faults, no log. Connections of the app stay."""
        chosen = self.settings
        people, channels = copy.deepcopy(list(chosen.people)), copy.deepcopy(list(chosen.channels))
        self.workspace = Workspace(people, channels, teams=chosen.teams, app=chosen.app, clock=chosen.clock)
        self.faults.clear()
        self.calls.clear()
        self.deliveries.clear()
        self.changes.tell()

    def log_call(self, method: str, arguments: dict[str, Any], status: int, answer: Any) -> None:
        """Remember a call of the app, without its token."""
        self._counted += 1
        shown = {name: value for name, value in arguments.items() if name != "token"}
        entry = {"n": self._counted, "at": self.settings.clock(), "method": method, "arguments": shown, "status": status, "answer": answer}
        self.calls.append(entry)
        self.changes.tell()
