"""No secret of the listener's ever stands in a log, in the database, in a message or in its data, whatever fails at whatever level."""

from __future__ import annotations

import io
import logging
from pathlib import Path
from types import SimpleNamespace

import pytest

from credit_review.adapters.settings import SlackSettings, StepUpSettings
from credit_review.errors import Unavailable
from credit_review.messages import card
from credit_review.words import ENGLISH
from deployments.slack_listener import answering, serving
from deployments.slack_listener.app import build_app, build_office
from deployments.slack_listener.logs import WithoutSecrets, guard_logs
from tests.review.decision_world import NOON, World, os_account
from tests.slack.test_listener import _click, _post_cards, _send, _served, _shown, slack

__all__ = ["slack"]

CANARIES = {
    "SLACK_BOT_TOKEN": "xoxb-1-canarybot",
    "SLACK_APP_TOKEN": "xapp-1-canaryapp",
    "SLACK_SIGNING_SECRET": "canarysigning0123456789",
    "OIDC_CLIENT_SECRET": "canaryoidc",
    "STEP_UP_KEY": "canarystepupkey-long-enough-to-be-one",
    "TOKEN_KEY": "canarytokenkey",
}


@pytest.fixture
def written(monkeypatch):
    """What handlers write of every logger at DEBUG, tracebacks included, once the listener has put its guard on them."""
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    handler.setFormatter(logging.Formatter("%(name)s %(levelname)s %(message)s"))
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [*root.handlers, handler])
    loggers = [root, *(logging.getLogger(n) for n in ("credit_review", "slack_sdk", "slack_bolt", "uvicorn", "urllib3"))]
    for logger in loggers:
        monkeypatch.setattr(logger, "level", logging.DEBUG)
    logging.root.manager._clear_cache()
    yield out
    logging.root.manager._clear_cache()
    for one in root.handlers:
        one.filters[:] = [f for f in one.filters if not isinstance(f, WithoutSecrets)]


@pytest.fixture
def listener(sqlite_store, clock, slack, monkeypatch):
    """The listener over HTTP with a canary for each secret there is."""
    for name, value in CANARIES.items():
        monkeypatch.setenv(f"CREDIT_REVIEW_{name}", value)
    clock.set(NOON)
    world = World(sqlite_store)
    world.write(os_account("T1|U-manager", "p-manager", kind="slack"))
    api = f"http://127.0.0.1:{slack.server_port}/"
    slack_settings = SlackSettings(mode="http", channel="C1", team_ids=("T1",), api_url=api)
    step_up = StepUpSettings(url="https://credit.example.com")
    settings = SimpleNamespace(slack=slack_settings, step_up=step_up, zone=NOON.tzinfo, words=lambda: ENGLISH, limits_owner="p-analyst")
    services = SimpleNamespace(settings=settings, store=sqlite_store, clock=clock, today=lambda: NOON.date())
    office = build_office(services)
    office.start()
    with _served(serving.asgi(build_app(office), CANARIES["SLACK_SIGNING_SECRET"])) as url:
        yield SimpleNamespace(world=world, url=url, slack=slack, services=services, api=api, office=office)
    office.stop()


def leaks(text):
    return [name for name, value in CANARIES.items() if value in text]


def test_no_secret_is_in_a_log_the_database_or_the_data_whatever_happens(listener, written, monkeypatch, sqlite_url):
    guard_logs()
    signed = {"secret": CANARIES["SLACK_SIGNING_SECRET"]}
    proposal = _shown(listener.world)
    _post_cards(listener)
    assert _click(listener, proposal, action=card.REJECT, **signed) == 200
    assert _click(listener, proposal, ts="2.0", **signed) == 200
    assert _click(listener, proposal, secret="another") == 401
    assert _click(listener, proposal, user="U-stranger", **signed) == 200
    assert _send(listener.url, "payload=%7B%7D", **signed) == 401
    _fails_with_its_secrets(listener, monkeypatch, proposal, signed)
    folder = Path(sqlite_url.removeprefix("sqlite:///")).parent
    held = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    sent = "".join(body for _, body in listener.slack.calls)
    assert len(written.getvalue()) > 1_000 and "Traceback" in written.getvalue()
    assert (leaks(written.getvalue()), leaks(held.decode("latin-1")), leaks(sent)) == ([], [], [])


def _fails_with_its_secrets(listener, monkeypatch, proposal, signed):
    """An error that holds every secret of the listener's in its text, at the worst place."""
    mine = " ".join(CANARIES[name] for name in ("SLACK_BOT_TOKEN", "SLACK_APP_TOKEN", "SLACK_SIGNING_SECRET"))

    def breaks(*_):
        raise Unavailable(f"no answer to {mine}") from RuntimeError(mine)

    with monkeypatch.context() as patch:
        patch.setattr(answering, "_by_one_of_ours", breaks)
        assert _click(listener, proposal, ts="3.0", **signed) == 500
    logging.getLogger("credit_review.slack").error("%s and %s", mine, mine)
    logging.getLogger("slack_sdk.web").debug("a library says %s", mine)


def test_every_handler_there_is_gets_the_filter_once(monkeypatch):
    root, ours = logging.getLogger(), logging.getLogger("credit_review.slack")
    handlers = [logging.StreamHandler(io.StringIO()), logging.StreamHandler(io.StringIO())]
    monkeypatch.setattr(root, "handlers", handlers[:1])
    monkeypatch.setattr(ours, "handlers", handlers[1:])
    guard_logs()
    guard_logs()
    assert [sum(isinstance(f, WithoutSecrets) for f in h.filters) for h in handlers] == [1, 1]


def test_where_there_is_no_handler_a_guarded_one_is_made(monkeypatch):
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [])
    guard_logs()
    assert [type(f) for h in root.handlers for f in h.filters] == [WithoutSecrets]


def test_a_slip_in_a_librarys_own_log_call_breaks_nothing():
    record = logging.LogRecord("x", logging.INFO, "", 1, "%d of %d", ("one",), None)
    assert WithoutSecrets().filter(record) and record.getMessage() == "%d of %d"
