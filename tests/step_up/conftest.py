"""The provider of a session, and a page that listens for each test."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

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


@pytest.fixture
def open_page(clock, provider, page_secrets):
    """Opens a page on a store, with settings of the test's own."""
    clock.set(NOON)
    with ExitStack() as open_until_the_end:

        def opened(store, folder="", **chosen):
            port = free_port()
            services = services_for(store, clock, **{"url": f"http://127.0.0.1:{port}{folder}", "issuer": provider.url, **chosen})
            open_until_the_end.enter_context(running(serving.server_of(services, host="127.0.0.1", port=port)))
            return Scene(store, clock, provider, services)

        yield opened


@pytest.fixture
def scene(open_page, store):
    """A page on each kind of database, for what the database has a part in."""
    return open_page(store)


@pytest.fixture
def sqlite_scene(open_page, sqlite_store):
    """A page on SQLite alone, for what is the same on any."""
    return open_page(sqlite_store)
