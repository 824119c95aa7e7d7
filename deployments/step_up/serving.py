"""How the page is run: what it needs, checked before it starts, and uvicorn behind a reverse proxy that has the certificate."""

from __future__ import annotations

import logging
import warnings
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from credit_review.adapters import settings as configuration
from credit_review.adapters.settings import StepUpSettings
from credit_review.adapters.wiring import Services
from credit_review.errors import BadInput
from credit_review.messages import Company

if TYPE_CHECKING:
    import uvicorn
    from starlette.applications import Starlette

CLIENT_SECRET, SESSION_KEY = "OIDC_CLIENT_SECRET", "STEP_UP_KEY"
_SHORTEST_KEY = 32
_ON_THIS_MACHINE = ("localhost", "127.0.0.1", "::1")
_CHATTY = ("authlib", "httpx", "httpcore")


def app_of(services: Services) -> Starlette:
    """The page of an installation. Raises BadInput naming every setting and secret that is missing."""
    chosen = services.settings.step_up
    _require_complete(chosen)
    with warnings.catch_warnings(record=True):  # Authlib would rather have httpx2: news for whoever builds this, not for who starts it
        from deployments.step_up.app import build_app
        from deployments.step_up.desk import Desk
        from deployments.step_up.pages import Pages
        from deployments.step_up.sign_in import CompanySignIn

    for name in _CHATTY:  # they log addresses, and one of them verifiers, where somebody turns logging up
        logging.getLogger(name).setLevel(logging.WARNING)
    sign_in = CompanySignIn(chosen, configuration.require_secret(CLIENT_SECRET), services.clock)
    desk = Desk(services=services, sign_in=sign_in, company=Company(services.settings.words()), pages=Pages())
    return build_app(desk, configuration.require_secret(SESSION_KEY))


def _require_complete(chosen: StepUpSettings) -> None:
    lacks = [f"step_up.{name}" for name in ("url", "issuer", "client_id", "claim", "second_factor") if not getattr(chosen, name)]
    lacks += [f"secret {name}" for name in (CLIENT_SECRET, SESSION_KEY) if not configuration.secret(name)]
    if lacks:
        raise BadInput(
            f"the page outside Slack lacks {', '.join(lacks)}",
            expected="step_up in settings.yaml, and both secrets in the environment or in secret files",
            next_step="see docs/runbook.md, The page outside Slack",
        )
    for name, address in (("url", chosen.url), ("issuer", chosen.issuer)):
        parts = urlsplit(address)
        if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _ON_THIS_MACHINE):
            raise BadInput(f"step_up.{name} {address} is not safe", expected="an address that begins with https://")
    if len(configuration.require_secret(SESSION_KEY)) < _SHORTEST_KEY:
        raise BadInput(f"secret {SESSION_KEY} is too short", expected=f"at least {_SHORTEST_KEY} random characters: `openssl rand -hex 32`")


def server_of(services: Services, *, host: str, port: int) -> uvicorn.Server:
    """The server, not started. It writes no access log: addresses hold tokens and codes."""
    import uvicorn

    # no forwarded headers either: nothing here asks who the client or the host is
    quiet: dict[str, Any] = {"log_level": "warning", "access_log": False, "server_header": False}
    config = uvicorn.Config(app_of(services), host=host, port=port, lifespan="off", proxy_headers=False, **quiet)
    return uvicorn.Server(config)


def serve(services: Services, *, host: str = "127.0.0.1", port: int = 3001) -> None:
    """Serve the page until stopped. Raises BadInput when something it needs is missing."""
    server_of(services, host=host, port=port).run()
