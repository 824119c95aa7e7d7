"""A small client of a running sandbox: act as its people, look at what they see, make things go wrong, read what the app sent."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import httpx

from credit_review.errors import BadInput

Found = TypeVar("Found")


class SandboxClient:
    """A sandbox at a URL. `person("U0ANALYST")` acts; `api_url` is what slack-sdk's WebClient takes as base_url."""

    def __init__(self, url: str) -> None:
        self.url = url
        # Public: for raw answers. The proxies of this machine's environment are not for calls to itself.
        self.http = httpx.Client(base_url=url, trust_env=False, timeout=60)

    @property
    def api_url(self) -> str:
        """What slack-sdk's WebClient takes as base_url."""
        return f"{self.url}/api/"

    def person(self, key: str) -> PersonClient:
        """One of the people, by user id (`TEAM:ID` for somebody of another workspace)."""
        return PersonClient(self, key)

    def people(self) -> list[dict[str, Any]]:
        """Everybody in the sandbox."""
        return list(self.get("/sandbox/people")["people"])

    def calls(self, method: str = "") -> list[dict[str, Any]]:
        """The app's calls of the Web API, oldest first: n, at, method, arguments, status (0 when never answered) and answer."""
        return list(self.get("/sandbox/calls", method=method)["calls"])

    def deliveries(self) -> list[dict[str, Any]]:
        """What was delivered to the app: kind, payload, acked, reason, answer, retry and connection."""
        return list(self.get("/sandbox/deliveries")["deliveries"])

    def fail(self, method: str, **fault: Any) -> None:
        """Make the next calls of a method fail: status, retry_after, error, silent, after, times (see faults.ApiFault)."""
        self.post("/sandbox/faults", {"method": method, **fault})

    def disturb(self, kind: str, **fault: Any) -> None:
        """Disturb the next deliveries: twice, late, held or other_connection; payload_type, seconds, times (see faults.DeliveryFault)."""
        self.post("/sandbox/faults", {"kind": kind, **fault})

    def limit_rate(self, limited: bool = True) -> None:
        """Enforce about one message a second per channel, or no longer."""
        self.post("/sandbox/faults", {"rate_limited": limited})

    def heal(self) -> None:
        """Take back every fault."""
        self._checked(self.http.delete("/sandbox/faults"))

    def refresh_links(self) -> None:
        """Ask the app's Socket Mode connections to be renewed, as Slack does every few hours."""
        self.post("/sandbox/links/refresh", {})

    def reset(self) -> None:
        """Forget everything that happened."""
        self.post("/sandbox/reset", {})

    def until(self, look: Callable[[], Found], *, seconds: float = 60) -> Found:
        """What `look` returns once it is true, looking again whenever something changes. Raises BadInput when it never is."""
        deadline = time.monotonic() + seconds
        while True:
            version = self.get("/sandbox/version")["version"]
            found = look()
            if found:
                return found
            left = deadline - time.monotonic()
            if left <= 0:
                raise BadInput("what was waited for did not happen in the sandbox", expected=f"within {seconds} s")
            self.get("/sandbox/version", after=version, wait=left)

    def connected(self, *, count: int = 1) -> None:
        """Wait until the app holds so many Socket Mode connections."""
        self.until(lambda: str(self.get("/sandbox/version")["connections"]).startswith(f"{count} "))

    def quiet(self) -> None:
        """Wait until no event, retry or late delivery is on its way to the app."""
        self.until(lambda: self.get("/sandbox/version")["under_way"] == 0)

    def close(self) -> None:
        """Close the client's own connections."""
        self.http.close()

    def get(self, path: str, **query: Any) -> dict[str, Any]:
        """An answer of the sandbox's interface. Raises BadInput when it refuses."""
        return self._checked(self.http.get(path, params=query))

    def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """An answer of the sandbox's interface to a deed. Raises BadInput when it refuses."""
        return self._checked(self.http.post(path, json=dict(body)))

    def _checked(self, answer: httpx.Response) -> dict[str, Any]:
        if answer.status_code != 200:
            try:
                reason = answer.json().get("reason", answer.text)
            except ValueError:
                reason = answer.text
            raise BadInput(f"the sandbox refused: {reason}")
        return dict(answer.json())


class PersonClient:
    """One person in a sandbox."""

    def __init__(self, sandbox: SandboxClient, key: str) -> None:
        self.sandbox, self.key = sandbox, key

    def all(self) -> dict[str, Any]:
        """Everything the person sees: channels, home, modals, notices."""
        return self.sandbox.get(f"/sandbox/people/{self.key}")

    def sees(self, channel: str) -> list[dict[str, Any]]:
        """The messages of a channel (by id or name), oldest first; ephemeral ones have `only_you`."""
        for found in self.all()["channels"]:
            if channel in (found["id"], found["name"]):
                return list(found["messages"])
        return []

    def direct(self) -> list[dict[str, Any]]:
        """The messages of the direct conversation with the app."""
        return next((list(found["messages"]) for found in self.all()["channels"] if found["kind"] == "im"), [])

    def home(self) -> dict[str, Any] | None:
        """The Home tab, or None before the app published one."""
        found: dict[str, Any] | None = self.all()["home"]
        return found

    def modals(self) -> list[dict[str, Any]]:
        """The open modals, the topmost last."""
        return list(self.all()["modals"])

    def modal(self) -> dict[str, Any] | None:
        """The topmost modal, or None."""
        found = self.modals()
        return found[-1] if found else None

    def notices(self) -> list[str]:
        """What Slack itself told the person: interactions that the app did not acknowledge."""
        return [notice["text"] for notice in self.all()["notices"]]

    def click(self, channel: str, ts: str, action_id: str, value: Any = None, *, block_id: str = "", enter: bool = False) -> dict[str, Any]:
        """Click or change an element of a message; a confirmation dialog counts as agreed to."""
        where = {"channel": channel, "ts": ts}
        return self._do("act", {**where, "action_id": action_id, "block_id": block_id, "value": value, "pressed_enter": enter})

    def change(self, view_id: str, action_id: str, value: Any = None, *, block_id: str = "", enter: bool = False) -> dict[str, Any]:
        """Click or change an element of an open modal or of the Home tab; `dispatched` says whether the app was told."""
        return self._do("act", {"view_id": view_id, "action_id": action_id, "block_id": block_id, "value": value, "pressed_enter": enter})

    def submit(self, view_id: str, values: Mapping[str, Mapping[str, Any]] | None = None) -> dict[str, Any]:
        """Fill in a modal ({block_id: {action_id: value}}) and submit it; `errors` are what then stands beside the fields."""
        return self._do("submit", {"view_id": view_id, "values": values or {}})

    def dismiss(self, view_id: str, *, everything: bool = False) -> dict[str, Any]:
        """Cancel a modal, or close the whole stack."""
        return self._do("close", {"view_id": view_id, "everything": everything})

    def command(self, command: str, text: str = "", *, channel: str = "") -> dict[str, Any]:
        """Type a slash command."""
        return self._do("command", {"command": command, "text": text, "channel": channel})

    def say(self, channel: str, text: str) -> str:
        """Write in a channel; the time stamp of the message."""
        return str(self._do("say", {"channel": channel, "text": text})["ts"])

    def reply(self, channel: str, ts: str, text: str, *, broadcast: bool = False) -> str:
        """Write in the thread of a message, and to the channel as well if `broadcast`; the time stamp of the reply."""
        return str(self._do("say", {"channel": channel, "text": text, "thread_ts": ts, "broadcast": broadcast})["ts"])

    def open_home(self, tab: str = "home") -> None:
        """Open the app's Home tab."""
        self._do("home", {"tab": tab})

    def _do(self, deed: str, given: Mapping[str, Any]) -> dict[str, Any]:
        return self.sandbox.post(f"/sandbox/people/{self.key}/{deed}", given)
