"""One sandbox for the whole folder, emptied before each test, and a real bolt app connected to it over Socket Mode."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from slack_bolt.adapter.socket_mode import SocketModeHandler
from slack_sdk import WebClient

from deployments.slack_sandbox.server import running
from tests.sandbox.sandbox_office import START, MovedClock, Office, hang_up


@pytest.fixture(scope="session")
def _served():
    clock = MovedClock()
    with running(clock=clock, retry_delays=(0, 0, 0)) as sandbox:
        yield SimpleNamespace(sandbox=sandbox, clock=clock)


@pytest.fixture
def clock(_served):
    _served.clock.now = START
    return _served.clock


@pytest.fixture
def sandbox(_served, clock):
    _served.sandbox.reset()
    return _served.sandbox


@pytest.fixture
def web(sandbox):
    return WebClient("xoxb-sandbox", base_url=sandbox.api_url, retry_handlers=[])


@pytest.fixture(scope="session")
def _connected(_served):
    office = Office(_served.sandbox.api_url)
    handler = SocketModeHandler(office.app, "xapp-sandbox")
    handler.connect()
    _served.sandbox.connected()
    yield office
    hang_up(handler)


@pytest.fixture
def office(_connected, sandbox):
    _connected.on.clear()
    _connected.heard.clear()
    return _connected
