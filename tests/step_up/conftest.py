"""One provider and one listening server for a session; each test puts a page of its own behind the server."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import uvicorn

from deployments.step_up import serving
from tests.review.decision_world import NOON
from tests.step_up.oidc_provider import CLIENT_SECRET, free_port, provided, running
from tests.step_up.step_up_world import SESSION_KEY, Scene, services_for


@pytest.fixture(scope="session")
def identity_provider():
    with provided() as provider:
        yield provider


@pytest.fixture
def provider(identity_provider, clock):
    identity_provider.reset(lambda: int(clock.now().timestamp()))
    return identity_provider


@pytest.fixture
def page_secrets(monkeypatch):
    monkeypatch.setenv("CREDIT_REVIEW_OIDC_CLIENT_SECRET", CLIENT_SECRET)
    monkeypatch.setenv("CREDIT_REVIEW_STEP_UP_KEY", SESSION_KEY)


@pytest.fixture(scope="session")
def host():
    """Starting and stopping a server takes longer than most tests, so that there is one, and `page` is what it serves."""
    place = SimpleNamespace(port=free_port(), page=None)

    async def serve(scope, receive, send):
        await place.page(scope, receive, send)

    quiet = {"log_config": None, "access_log": False, "server_header": False, "lifespan": "off"}
    with running(uvicorn.Server(uvicorn.Config(serve, host="127.0.0.1", port=place.port, **quiet))):
        yield place


@pytest.fixture
def open_page(clock, provider, page_secrets, host):
    """Opens a page on a store, with settings of the test's own."""
    clock.set(NOON)

    def opened(store, folder="", **chosen):
        url = f"http://127.0.0.1:{host.port}{folder}"
        services = services_for(store, clock, **{"url": url, "issuer": provider.url, **chosen})
        host.page = serving.app_of(services)
        return Scene(store, clock, provider, services)

    return opened


@pytest.fixture
def scene(open_page, store):
    """A page on each kind of database, for what the database has a part in."""
    return open_page(store)


@pytest.fixture
def sqlite_scene(open_page, sqlite_store):
    """A page on SQLite alone, for what is the same on any."""
    return open_page(sqlite_store)


@pytest.fixture
def served_scene(sqlite_store, clock, provider, page_secrets):
    """A page on the very server that the command starts."""
    clock.set(NOON)
    port = free_port()
    services = services_for(sqlite_store, clock, url=f"http://127.0.0.1:{port}", issuer=provider.url)
    with running(serving.server_of(services, host="127.0.0.1", port=port)):
        yield Scene(sqlite_store, clock, provider, services)
