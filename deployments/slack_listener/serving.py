"""How the listener is reached: Socket Mode, which needs no public address, or HTTP with signed requests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from slack_bolt import App
from slack_sdk.signature import SignatureVerifier

from credit_review.adapters import settings as configuration
from credit_review.adapters.wiring import Services
from credit_review.errors import BadInput
from deployments.slack_listener.app import build_app, build_office

PATH = "/slack/events"
_LONGEST_BODY = 1_000_000


def asgi(app: App, signing_secret: str) -> Callable[..., Any]:
    """The app over HTTP. What Slack did not sign, or nobody can read, is answered 401 before bolt, which reads first and checks then."""
    from slack_bolt.adapter.starlette.handler import to_bolt_request, to_starlette_response
    from starlette.applications import Starlette
    from starlette.concurrency import run_in_threadpool
    from starlette.requests import Request
    from starlette.responses import PlainTextResponse, Response
    from starlette.routing import Route

    verifier = SignatureVerifier(signing_secret)

    async def events(request: Request) -> Response:
        body = await request.body()
        given = (request.headers.get("x-slack-request-timestamp", ""), request.headers.get("x-slack-signature", ""))
        try:
            asked = to_bolt_request(request, body) if _signed(verifier, body, *given) else None
        except (ValueError, TypeError, LookupError, AttributeError):
            asked = None
        if asked is None:
            return PlainTextResponse("invalid request", status_code=401)
        # in a thread: the loop must go on taking clicks while one waits for its turn at the database
        return to_starlette_response(await run_in_threadpool(app.dispatch, asked))

    async def healthy(_: Request) -> Response:
        return PlainTextResponse("ok")

    return Starlette(routes=[Route("/health", healthy), Route(PATH, events, methods=["POST"])])


def _signed(verifier: SignatureVerifier, body: bytes, timestamp: str, signature: str) -> bool:
    """Whether Slack signed exactly this within five minutes; what its verifier cannot read (it raises) is not."""
    if not timestamp.isascii() or not timestamp.isdigit() or len(timestamp) > 12 or len(body) > _LONGEST_BODY:
        return False
    try:
        return bool(verifier.is_valid(body, timestamp, signature))
    except (ValueError, TypeError):
        return False


def serve(services: Services, *, host: str = "127.0.0.1", port: int = 3000) -> None:
    """Listen until stopped, in the mode the settings name. Raises BadInput when Slack is off."""
    mode = services.settings.slack.mode
    if mode == "none":
        raise BadInput("Slack is off in settings.yaml", expected="slack.mode socket or http", next_step="see README, Slack")
    office = build_office(services)
    app = build_app(office)
    office.pump.start()
    try:
        if mode == "socket":
            from slack_bolt.adapter.socket_mode import SocketModeHandler

            token = configuration.require_secret("SLACK_APP_TOKEN")
            SocketModeHandler(app, token, web_client=office.client).start()  # type: ignore[no-untyped-call]
            return
        import uvicorn

        uvicorn.run(asgi(app, configuration.require_secret("SLACK_SIGNING_SECRET")), host=host, port=port, log_level="warning")
    finally:
        office.pump.stop()
