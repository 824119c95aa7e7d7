"""Keeps the sandbox to this machine: loopback only, no foreign Host header (DNS rebinding), no foreign page acting as a person."""

from __future__ import annotations

import re
from ipaddress import ip_address

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from credit_review.errors import BadInput

_OUR_HOST = re.compile(r"(127\.0\.0\.1|localhost|\[::1\])(:\d{1,5})?|::1")
LOOPBACK = ("127.0.0.1", "localhost", "::1")
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)


def require_loopback(host: str) -> str:
    """The host when it is this machine's loopback. Raises BadInput for any other: the sandbox knows no passwords."""
    try:
        loopback = host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise BadInput(
            f"the Slack sandbox does not listen on {host}",
            expected="127.0.0.1, ::1 or localhost: anybody who reaches it can act as anybody",
            next_step="run it on the machine whose browser you use, or through an SSH tunnel",
        )
    return host


class Guard:
    """ASGI middleware around the whole sandbox."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what comes from this machine and, for what changes something, from the sandbox's own page or no page at all."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        why = _foreign(headers, scope["path"], reading=scope.get("method") in ("GET", "HEAD"))
        if not why:
            await self.app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            await PlainTextResponse(why, status_code=403)(scope, receive, send)


def _foreign(headers: Headers, path: str, *, reading: bool) -> str:
    host = headers.get("host", "")
    if not _OUR_HOST.fullmatch(host):
        return "this sandbox answers to 127.0.0.1 and localhost only"
    acting = path.startswith("/sandbox/") and not reading
    # The Web API's tokens are known to everybody, so that a foreign page could use them; the app itself sends none of these headers.
    if acting or path.startswith(("/api/", "/upload/", "/response/")):
        site = headers.get("sec-fetch-site", "same-origin")
        if headers.get("origin") not in (None, f"http://{host}") or site not in ("same-origin", "none"):
            return "only the sandbox's own page may act"
    if acting and not headers.get("content-type", "application/json").startswith("application/json"):
        return "send application/json: a form of another page could not"
    return ""
