"""The sandbox as a server: its application, how to serve it until stopped, and how to run one inside a test."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route, WebSocketRoute

from credit_review.errors import BadInput
from deployments.slack_sandbox.client import SandboxClient
from deployments.slack_sandbox.core import Core, Settings
from deployments.slack_sandbox.delivery import Delivery
from deployments.slack_sandbox.guard import POLICY, Guard, require_loopback
from deployments.slack_sandbox.people import People
from deployments.slack_sandbox.response_urls import ResponseUrls
from deployments.slack_sandbox.sign_in import SignIn
from deployments.slack_sandbox.web_api import WebApi

_STARTS_WITHIN = 20.0
_HERE = Path(__file__).parent
_PAGE = {"page.html": "text/html", "page.css": "text/css", "page.js": "text/javascript", "blocks.js": "text/javascript",
         "mrkdwn.js": "text/javascript"}  # fmt: skip


class Sandbox:
    """A stand-in for Slack. `app` is its ASGI application; `base_url` is where the outside finds it.

    Raises BadInput when `host` is anything but this machine's loopback.
    """

    def __init__(self, settings: Settings | None = None, *, host: str = "127.0.0.1", port: int = 8765) -> None:
        self.host, self.port = require_loopback(host), port
        shown = f"[{host}]" if ":" in host else host
        self.base_url = f"http://{shown}:{port}"
        self.core = Core(settings or Settings(), self.base_url)
        self.delivery = Delivery(self.core)
        self.app = self._application()

    @property
    def api_url(self) -> str:
        """What slack-sdk's WebClient takes as base_url."""
        return f"{self.base_url}/api/"

    def serve(self) -> None:
        """Serve until stopped. Raises BadInput when the port is taken."""
        server = self.server()
        with suppress(KeyboardInterrupt):
            _run(server)
        if not server.started:
            raise self.cannot_listen()

    def cannot_listen(self) -> BadInput:
        """What to say when the address is taken."""
        return BadInput(f"the Slack sandbox cannot listen on {self.base_url}", next_step="stop what listens there, or choose another port")

    def server(self) -> _Server:
        """A server that was not started yet."""
        chosen = {"host": self.host, "port": self.port, "log_level": "warning", "access_log": False, "timeout_graceful_shutdown": 1}
        return _Server(uvicorn.Config(self.app, **chosen), self.core)  # type: ignore[arg-type]

    def _application(self) -> Guard:
        routes: list[Any] = [
            Route("/", _page),
            Route("/archives/{channel}/{ts}", _page),
            Route("/static/{name}", _page),
            Route("/response/{token}", ResponseUrls(self.core).answer, methods=["POST"]),
            WebSocketRoute("/link/", self.delivery.take_link),
            *WebApi(self.core, self.delivery).routes(),
            *People(self.core, self.delivery).routes(),
            *SignIn(self.core).routes(),
        ]

        @asynccontextmanager
        async def lifespan(_: Starlette) -> AsyncIterator[None]:
            yield
            await self.delivery.close()

        return Guard(Starlette(routes=routes, lifespan=lifespan))


async def _page(request: Request) -> Response:
    name = request.path_params.get("name", "page.html")
    if name not in _PAGE:
        return Response("not found", status_code=404)
    headers = {"content-security-policy": POLICY, "x-content-type-options": "nosniff", "cache-control": "no-store"}
    return FileResponse(_HERE / name, media_type=_PAGE[name], headers=headers)


@contextmanager
def running(settings: Settings | None = None, *, host: str = "127.0.0.1", port: int = 0, **changes: Any) -> Iterator[SandboxClient]:
    """A sandbox served in a thread, on a free port unless one is named; yields a client of it. `changes` are fields of Settings.

    Raises BadInput when it does not start.
    """
    chosen = replace(settings or Settings(), **changes)
    sandbox = Sandbox(chosen, host=host, port=port or free_port(host))
    with served(sandbox.server(), sandbox.cannot_listen()):
        client = SandboxClient(sandbox.base_url)
        try:
            yield client
        finally:
            client.close()


@contextmanager
def served(server: uvicorn.Server, otherwise: BadInput) -> Iterator[None]:
    """A server that listens, in a thread of its own, until the block is left. Raises `otherwise` when it does not start."""
    thread = threading.Thread(target=_run, args=(server,), name="slack-sandbox", daemon=True)
    thread.start()
    deadline = time.monotonic() + _STARTS_WITHIN
    while not server.started and thread.is_alive() and time.monotonic() < deadline:
        time.sleep(0.005)
    if not server.started:
        raise otherwise
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(10)


def _run(server: uvicorn.Server) -> None:
    with suppress(SystemExit):  # how uvicorn says that it cannot listen; whether it did, `started` tells
        server.run()


class _Server(uvicorn.Server):
    """Lets go of whoever waits for changes when it stops."""

    def __init__(self, config: uvicorn.Config, core: Core) -> None:
        super().__init__(config)
        self.core = core

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Answer those who wait, then stop."""
        self.core.changes.close()
        await super().shutdown(sockets)


def free_port(host: str = "127.0.0.1") -> int:
    """A port of this machine that nobody listens on now."""
    require_loopback(host)
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as free:
        free.bind((host, 0))
        return int(free.getsockname()[1])
