"""Brings what people do to the app: over Socket Mode or as signed HTTP requests, with three seconds to acknowledge; events again."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import httpx
from slack_sdk.signature import SignatureVerifier
from starlette.websockets import WebSocket, WebSocketDisconnect

from deployments.slack_sandbox.core import Core
from deployments.slack_sandbox.faults import DeliveryFault

INTERACTIVE, COMMANDS, EVENTS = "interactive", "slash_commands", "events_api"


@dataclass(frozen=True)
class Delivered:
    """What came of a delivery: whether it was acknowledged in time, with which body, else why not (in Slack's words)."""

    acked: bool
    reason: str = ""
    body: Any = None
    may_retry: bool = True


@dataclass
class Link:
    """One Socket Mode connection of the app and the envelopes it has not acknowledged yet."""

    socket: WebSocket
    waiting: dict[str, asyncio.Future[Any]] = field(default_factory=dict)


class Delivery:
    """The way from the sandbox to the app. Each payload goes to one connection only, in turn."""

    def __init__(self, core: Core) -> None:
        self.core = core
        self.links: list[Link] = []
        self._replaced: list[Link] = []
        self._tickets: set[str] = set()
        self._held: list[Callable[[], Awaitable[Delivered]]] = []
        self._tasks: set[asyncio.Task[Any]] = set()
        self._last: Link | None = None
        # The proxies of this machine's environment are not for calls to itself.
        self._http = httpx.AsyncClient(trust_env=False)

    def new_link_url(self) -> str:
        """Where a new Socket Mode connection is taken, once."""
        ticket = secrets.token_urlsafe(16)
        self._tickets.add(ticket)
        return f"{self.core.base_url.replace('http', 'ws', 1)}/link/?ticket={ticket}&app_id={self.core.settings.app.app_id}"

    async def take_link(self, socket: WebSocket) -> None:
        """One connection for as long as the app holds it."""
        ticket = socket.query_params.get("ticket", "")
        if ticket not in self._tickets:
            await socket.close(4001)
            return
        self._tickets.discard(ticket)
        await socket.accept()
        link = Link(socket)
        await socket.send_json(_hello(self.core.settings.app.app_id, len(self.links) + 1))
        self.links.append(link)
        self.core.changes.tell()
        await self._close_replaced()
        try:
            while True:
                self._acknowledged(link, await socket.receive_text())
        except WebSocketDisconnect:
            self._retire(link)

    async def refresh_links(self) -> None:
        """Ask every connection to be renewed, as Slack does every few hours; nothing more is sent over the old ones."""
        for link in list(self.links):
            self._retire(link)
            self._replaced.append(link)
            await link.socket.send_json({"type": "disconnect", "reason": "refresh_requested", "debug_info": {"host": "sandbox"}})

    async def send(self, envelope: str, payload: Mapping[str, Any], *, kind: str, retry: tuple[int, str] | None = None) -> Delivered:
        """Deliver one payload, with the fault that is due for its kind; then whatever was held back for it."""
        fault = self.core.faults.of_payload(kind)

        async def once(elsewhere: bool = False) -> Delivered:
            result = await self._once(envelope, payload, retry, elsewhere)
            self._log(kind, payload, result, retry)
            return result

        if fault is not None and fault.kind == "held":
            self._held.append(once)
            return Delivered(False, "held", may_retry=False)
        result = await self._disturbed(once, fault)
        held, self._held = self._held, []
        for release in held:
            self._spawn(release())
        return result

    def send_event(self, payload: Mapping[str, Any], *, kind: str) -> None:
        """Deliver an event in the background, up to three more times while it is not acknowledged."""
        self._spawn(self._with_retries(payload, kind))

    @property
    def under_way(self) -> int:
        """How many deliveries in the background are not done: events with their retries, late and released ones."""
        return len(self._tasks)

    def forget(self) -> None:
        """Stop what is under way and drop what is held back."""
        self._held.clear()
        for task in list(self._tasks):
            task.cancel()

    async def close(self) -> None:
        """Stop everything."""
        self.forget()
        await self._http.aclose()

    async def _disturbed(self, once: Callable[..., Coroutine[Any, Any, Delivered]], fault: DeliveryFault | None) -> Delivered:
        if fault is None:
            return await once()
        if fault.kind == "twice":
            both = await asyncio.gather(once(), once(elsewhere=True))
            return both[0]
        if fault.kind == "other_connection":
            return await once(elsewhere=True)
        late: asyncio.Task[Delivered] = self._spawn(_later(fault.seconds, once))
        try:
            return await asyncio.wait_for(asyncio.shield(late), self.core.settings.ack_seconds)
        except TimeoutError:
            return Delivered(False, "http_timeout")

    async def _with_retries(self, payload: Mapping[str, Any], kind: str) -> None:
        result = await self.send(EVENTS, payload, kind=kind)
        for number, delay in enumerate(self.core.settings.retry_delays, start=1):
            if result.acked or not result.may_retry:
                return
            await asyncio.sleep(delay)
            result = await self.send(EVENTS, payload, kind=kind, retry=(number, result.reason))

    async def _once(self, envelope: str, payload: Mapping[str, Any], retry: tuple[int, str] | None, elsewhere: bool) -> Delivered:
        if self.core.settings.request_url:
            return await self._over_http(envelope, payload, retry)
        link = self._choose(elsewhere)
        return Delivered(False, "not_connected") if link is None else await self._over_link(link, envelope, payload, retry)

    async def _close_replaced(self) -> None:
        replaced, self._replaced = self._replaced, []
        for link in replaced:
            with suppress(RuntimeError):  # the app closed it first
                await link.socket.close(1000)

    def _retire(self, link: Link) -> None:
        self.links = [one for one in self.links if one is not link]
        self.core.changes.tell()

    def _choose(self, elsewhere: bool) -> Link | None:
        if not self.links:
            return None
        position = self.links.index(self._last) if self._last in self.links else -1
        self._last = self.links[(position + 1) % len(self.links)] if elsewhere or position < 0 else self.links[position]
        return self._last

    async def _over_link(self, link: Link, envelope: str, payload: Mapping[str, Any], retry: tuple[int, str] | None) -> Delivered:
        envelope_id = secrets.token_hex(16)
        sent = {"envelope_id": envelope_id, "payload": payload, "type": envelope, "accepts_response_payload": envelope != EVENTS}
        if envelope == EVENTS:
            sent |= {"retry_attempt": retry[0] if retry else 0, "retry_reason": retry[1] if retry else ""}
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        link.waiting[envelope_id] = answer
        try:
            await link.socket.send_json(sent)
            return Delivered(True, body=await asyncio.wait_for(answer, self.core.settings.ack_seconds))
        except TimeoutError:
            return Delivered(False, "timeout")
        except (WebSocketDisconnect, RuntimeError):
            return Delivered(False, "not_connected")
        finally:
            link.waiting.pop(envelope_id, None)

    async def _over_http(self, envelope: str, payload: Mapping[str, Any], retry: tuple[int, str] | None) -> Delivered:
        body, content_type = _http_body(envelope, payload)
        headers = signed_headers(body, content_type, self.core.settings.app.signing_secret)
        if retry is not None:
            headers |= {"x-slack-retry-num": str(retry[0]), "x-slack-retry-reason": retry[1]}
        try:
            answer = await self._http.post(
                self.core.settings.request_url, content=body, headers=headers, timeout=self.core.settings.ack_seconds
            )
        except httpx.TimeoutException:
            return Delivered(False, "http_timeout")
        except httpx.HTTPError:
            return Delivered(False, "connection_failed")
        if answer.status_code != 200:
            return Delivered(False, "http_error", may_retry=answer.headers.get("x-slack-no-retry") != "1")
        return Delivered(True, body=_read_ack(answer))

    def _acknowledged(self, link: Link, text: str) -> None:
        try:
            answer = json.loads(text)
        except ValueError:
            return
        waiting = link.waiting.get(answer.get("envelope_id", "")) if isinstance(answer, dict) else None
        if waiting is not None and not waiting.done():
            waiting.set_result(answer.get("payload"))

    def _log(self, kind: str, payload: Mapping[str, Any], result: Delivered, retry: tuple[int, str] | None) -> None:
        link = self.links.index(self._last) if self._last in self.links else None
        entry = {"kind": kind, "payload": payload, "acked": result.acked, "reason": result.reason, "answer": result.body}
        self.core.deliveries.append({**entry, "retry": retry[0] if retry else 0, "connection": link})
        self.core.changes.tell()

    def _spawn(self, work: Awaitable[Delivered] | Awaitable[None]) -> asyncio.Task[Any]:
        task: asyncio.Task[Any] = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        self.core.changes.tell()


def signed_headers(body: bytes, content_type: str, secret: str) -> dict[str, str]:
    """Headers of a request from Slack. They are dated by the real clock, which is what the app compares them with."""
    stamp = str(int(time.time()))
    signature = SignatureVerifier(secret).generate_signature(timestamp=stamp, body=body) or ""
    return {
        "content-type": content_type,
        "user-agent": "Slackbot 1.0 (sandbox)",
        "x-slack-request-timestamp": stamp,
        "x-slack-signature": signature,
    }


async def _later(seconds: float, once: Callable[..., Coroutine[Any, Any, Delivered]]) -> Delivered:
    await asyncio.sleep(seconds)
    return await once()


def _hello(app_id: str, connections: int) -> dict[str, Any]:
    info = {"host": "sandbox", "build_number": 1, "approximate_connection_time": 18060}
    return {"type": "hello", "num_connections": connections, "debug_info": info, "connection_info": {"app_id": app_id}}


def _http_body(envelope: str, payload: Mapping[str, Any]) -> tuple[bytes, str]:
    if envelope == EVENTS:
        return json.dumps(payload).encode(), "application/json"
    form = payload if envelope == COMMANDS else {"payload": json.dumps(payload)}
    return urlencode(form).encode(), "application/x-www-form-urlencoded"


def _read_ack(answer: httpx.Response) -> Any:
    if not answer.content:
        return None
    try:
        return answer.json()
    except ValueError:
        return {"text": answer.text}
