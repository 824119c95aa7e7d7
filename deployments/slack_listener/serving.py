"""How the listener is reached: Socket Mode, which needs no public address, or HTTP with signed requests."""

from __future__ import annotations

import json
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from slack_bolt import App, BoltRequest
from slack_bolt.adapter.socket_mode import SocketModeHandler
from slack_bolt.adapter.socket_mode.internals import build_headers, send_response
from slack_sdk.signature import SignatureVerifier

from credit_review.adapters import settings as configuration
from credit_review.adapters.wiring import Services
from credit_review.errors import BadInput
from deployments.slack_listener.app import WORKERS, build_app, build_office
from deployments.slack_listener.logs import guard_logs
from deployments.slack_listener.office import ANSWER_WITHIN, DEADLINE
from deployments.slack_listener.shape import well_formed

if TYPE_CHECKING:
    from slack_sdk import WebClient
    from starlette.requests import Request

PATH = "/slack/events"
LONGEST_BODY = 1_000_000
"""Bytes of a request that are read; Slack's are a few thousand."""
_UNDER_WAY = 10_000


def asgi(app: App, signing_secret: str) -> Callable[..., Any]:
    """The app over HTTP. What Slack did not sign, or nobody can read, is answered 401 before bolt, which reads first and checks then."""
    from slack_bolt.adapter.starlette.handler import to_starlette_response
    from starlette.applications import Starlette
    from starlette.concurrency import run_in_threadpool
    from starlette.responses import PlainTextResponse, Response
    from starlette.routing import Route

    verifier = SignatureVerifier(signing_secret)

    async def events(request: Request) -> Response:
        deadline = time.monotonic() + ANSWER_WITHIN  # waiting for a thread counts: Slack does not know why we are late
        body = await _read(request)
        asked = None if body is None else _understood(request, body, verifier, deadline)
        if asked is None:
            return PlainTextResponse("invalid request", status_code=401)
        # in a thread: the loop must go on taking clicks while one waits for its turn at the database
        return to_starlette_response(await run_in_threadpool(app.dispatch, asked))

    async def healthy(_: Request) -> Response:
        return PlainTextResponse("ok")

    return Starlette(routes=[Route("/health", healthy), Route(PATH, events, methods=["POST"])])


async def _read(request: Request) -> bytes | None:
    """The body, or None as soon as it is longer than any of Slack's: nobody unsigned fills our memory."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > LONGEST_BODY:
            return None
    return body


def _understood(request: Request, body: bytes, verifier: SignatureVerifier, deadline: float) -> BoltRequest | None:
    """The request, if Slack signed exactly this within five minutes and it has the shape of Slack's; None otherwise."""
    from slack_bolt.adapter.starlette.handler import to_bolt_request

    stamp, signature = request.headers.get("x-slack-request-timestamp", ""), request.headers.get("x-slack-signature", "")
    try:
        if not verifier.is_valid(body, stamp, signature):
            return None
        asked = to_bolt_request(request, body, {DEADLINE: deadline})
        return asked if well_formed(asked.body) else None
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError):  # whatever the readers make of it, it is none of ours
        return None


class SocketMode(SocketModeHandler):
    """Socket Mode that knows when a request arrived: the time it waits for a worker counts, for Slack counts it."""

    def __init__(self, app: App, app_token: str, web_client: WebClient) -> None:
        super().__init__(app, app_token, web_client=web_client, concurrency=WORKERS)
        self._arrived: OrderedDict[str, float] = OrderedDict()
        self.client.on_message_listeners.append(self._note)

    def _note(self, message: str) -> None:
        """Called by the thread that reads, before any worker is free."""
        now = time.monotonic()
        try:
            envelope = str(json.loads(message)["envelope_id"])
        except (ValueError, LookupError, TypeError):
            return  # a greeting, or a ping
        self._arrived[envelope] = now
        while len(self._arrived) > _UNDER_WAY:  # a worker may have been faster than this note
            self._arrived.popitem(last=False)

    def handle(self, client: Any, req: Any) -> None:
        """Hands a request to the app, with the moment until which it may decide."""
        start, arrived = time.time(), self._arrived.pop(req.envelope_id, time.monotonic())
        context = {DEADLINE: arrived + ANSWER_WITHIN}
        asked = BoltRequest(mode="socket_mode", body=req.payload, headers=build_headers(req), context=context)
        send_response(client, req, self.app.dispatch(asked), start)


def serve(services: Services, *, host: str = "127.0.0.1", port: int = 3000) -> None:
    """Listen until stopped, in the mode the settings name. Raises BadInput when Slack is off."""
    mode = services.settings.slack.mode
    if mode == "none":
        raise BadInput("Slack is off in settings.yaml", expected="slack.mode socket or http", next_step="see README, Slack")
    office = build_office(services)
    app = build_app(office)
    guard_logs()
    office.start()
    try:
        if mode == "socket":
            SocketMode(app, configuration.require_secret("SLACK_APP_TOKEN"), office.client).start()  # type: ignore[no-untyped-call]
            return
        import uvicorn

        uvicorn.run(asgi(app, configuration.require_secret("SLACK_SIGNING_SECRET")), host=host, port=port, log_level="warning")
    finally:
        office.stop()
