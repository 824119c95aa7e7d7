"""A click is stored in time and acknowledged, or neither: nobody is deceived when Slack gives up after three seconds."""

from __future__ import annotations

import json
import threading
import time
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
from slack_bolt import App
from slack_sdk.socket_mode.request import SocketModeRequest

from credit_review.messages import card
from credit_review.model.records import Decision, InboxEntry
from deployments.slack_listener import app as listening
from deployments.slack_listener import office as offices
from deployments.slack_listener import serving
from tests.slack import test_listener
from tests.slack.test_listener import _click, _shown, listener, slack

__all__ = ["listener", "slack"]


def settled(listener, proposal_id):
    """What the record says of a click after everything that waits has come to its end."""
    done = listener.office.services.store
    with done.begin() as uow:  # a turn of its own: whoever waited before has had his, or gave up
        uow.find(InboxEntry)
    return len(listener.world.find(Decision, proposal_id=proposal_id)), listener.world.proposal(proposal_id).state


def waits_for(look, seconds=20):
    until = time.monotonic() + seconds
    while not look():
        assert time.monotonic() < until, "it never came to be"
        time.sleep(0.02)


@contextmanager
def slack_asked_who_somebody_is(monkeypatch, meanwhile):
    """users.info answers once `meanwhile` has come to its end."""
    real, asked = test_listener._Slack.do_POST, threading.Event()

    def slow(self):
        if self.path.endswith("users.info"):
            asked.set()
            meanwhile.wait(20)
        real(self)

    with monkeypatch.context() as patch:
        patch.setattr(test_listener._Slack, "do_POST", slow)
        yield asked
        meanwhile.set()


def knows(listener):
    """Slack has said who the manager is: that is believed for a quarter of an hour."""
    _click(listener, _shown(listener.world, customer="c-warm"), digest="0" * 64, ts="0.1")


def test_a_click_is_neither_stored_nor_acknowledged_while_slack_does_not_say_who_clicked(listener, monkeypatch):
    proposal_id, never = _shown(listener.world), threading.Event()
    with slack_asked_who_somebody_is(monkeypatch, never):
        assert _click(listener, proposal_id) == 500, "who asks for a decision is not kept waiting until Slack gives up"
        assert settled(listener, proposal_id) == (0, "pending")
    time.sleep(1)
    assert settled(listener, proposal_id) == (0, "pending"), "and not when Slack says it at last"
    assert _click(listener, proposal_id, ts="2.5") == 200 and settled(listener, proposal_id) == (1, "approved")


@pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)  # SQLite has one writer, so one lock to wait for
def test_locks_one_after_the_other_add_up_to_one_budget(listener):
    """Each is let go in time for its own wait; together they are too long."""
    import psycopg

    proposal_id = _shown(listener.world)
    knows(listener)
    url = listener.services.store.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    held = threading.Barrier(4)

    def hold(table, seconds):
        with psycopg.connect(url) as connection:
            connection.execute(f"SELECT * FROM {table} FOR UPDATE").fetchall()
            held.wait(60)
            time.sleep(seconds)
            connection.rollback()

    locks = (("limit_account", 1.2), ("limit_proposal", 2.4), ("audit_head", 3.6))
    holders = [threading.Thread(target=hold, args=one) for one in locks]
    for holder in holders:
        holder.start()
    held.wait(60)
    status = _click(listener, proposal_id)
    for holder in holders:
        holder.join()
    assert status != 200 and settled(listener, proposal_id) == (0, "pending")


def test_a_busy_database_stores_nothing_and_the_next_click_works(listener):
    proposal_id = _shown(listener.world)
    knows(listener)
    with listener.services.store.begin() as uow:
        uow.find(type(listener.world.proposal(proposal_id)), lock=True)
        assert _click(listener, proposal_id) != 200
    assert settled(listener, proposal_id) == (0, "pending")
    assert _click(listener, proposal_id, ts="9.9") == 200 and settled(listener, proposal_id) == (1, "approved")


def test_a_click_that_waited_too_long_for_a_worker_decides_nothing(listener, monkeypatch):
    """All workers are busy when it arrives; they are free again past its deadline."""
    proposal_id, free = _shown(listener.world), threading.Event()
    knows(listener)
    monkeypatch.setattr(serving, "ANSWER_WITHIN", 0.5)
    busy = []
    monkeypatch.setattr(listening.looking, "_show", lambda *_: busy.append(1) or free.wait(20) or {"id": "V"})
    monkeypatch.setattr(listening.looking.evidence, "gather", lambda *_: None)
    for n in range(listening.WORKERS):
        assert _click(listener, proposal_id, action=card.REJECT, ts=f"7.{n}") == 200, "what decides nothing is acknowledged at once"
    waits_for(lambda: len(busy) == listening.WORKERS)
    clicking = threading.Thread(target=lambda: codes.append(_click(listener, proposal_id)))
    codes = []
    clicking.start()
    time.sleep(0.6)  # the budget of the click, which waits all the while
    free.set()
    clicking.join()
    assert codes != [200] and settled(listener, proposal_id) == (0, "pending")


def test_what_is_acknowledged_is_stored_and_what_is_not_is_not_when_everybody_clicks_at_once(listener):
    proposals = [_shown(listener.world, customer=f"c-{n}") for n in range(12)]
    knows(listener)
    codes = {}
    clicks = [threading.Thread(target=lambda p=p: codes.update({p: _click(listener, p)})) for p in proposals]
    with listener.services.store.begin() as uow:
        uow.find(InboxEntry)
        for click in clicks:
            click.start()
        time.sleep(1.0)  # some of the budget is gone before the first has his turn
    for click in clicks:
        click.join()
    for proposal_id in proposals:
        assert settled(listener, proposal_id)[0] == (codes[proposal_id] == 200)


# --- Socket Mode --------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def line():
    """A Socket Mode client that is connected to nobody: what it sends is kept."""
    seen = []
    web = SimpleNamespace(proxy=None, ssl=None, headers={})
    app = App(client=None, token="xoxb-1", token_verification_enabled=False)
    app.dispatch = lambda asked: seen.append(asked) or SimpleNamespace(status=404, body="")
    handler = serving.SocketMode(app, "xapp-1", web)
    handler.client.auto_reconnect_enabled = False
    yield SimpleNamespace(handler=handler, client=handler.client, seen=seen)
    threading.Thread(target=handler.close, daemon=True).start()


def envelope(name):
    return {"envelope_id": name, "type": "interactive", "payload": {"type": "block_actions"}, "accepts_response_payload": True}


def test_in_socket_mode_the_wait_for_a_worker_counts_from_the_arrival(line):
    """Every worker of the client is busy; the request waits in its queue, and the moment it arrived is its deadline's beginning."""
    free, started = threading.Event(), []
    for _ in range(listening.WORKERS):
        line.client.message_workers.submit(lambda: started.append(1) or free.wait(20))
    waits_for(lambda: len(started) == listening.WORKERS)
    arrived = time.monotonic()
    line.client._on_message(json.dumps(envelope("e-1")))
    noted = time.monotonic()
    time.sleep(0.3)
    assert line.seen == [], "nobody is free"
    free.set()
    waits_for(lambda: line.seen)
    deadline = line.seen[0].context[offices.DEADLINE]
    assert arrived + offices.ANSWER_WITHIN <= deadline <= noted + offices.ANSWER_WITHIN


def test_as_many_requests_are_taken_at_once_as_handlers_run(line):
    assert line.client.message_workers._max_workers == listening.WORKERS


def test_notes_of_arrivals_are_not_kept_for_ever(line, monkeypatch):
    monkeypatch.setattr(serving, "_UNDER_WAY", 3)
    for n in range(9):
        line.handler._note(json.dumps(envelope(f"e-{n}")))
    for other in ("ping", "[]", "{}"):
        line.handler._note(other)
    line.handler.handle(line.client, SocketModeRequest.from_dict(envelope("e-8")))
    assert len(line.handler._arrived) == 2
