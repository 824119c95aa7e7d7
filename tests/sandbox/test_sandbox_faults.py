"""What goes wrong on purpose: calls that fail or lose their answer, deliveries twice, late, out of order and over HTTP again."""

from __future__ import annotations

import json
import threading
import time
from contextlib import contextmanager

import pytest
import uvicorn
from slack_bolt import BoltResponse
from slack_bolt.adapter.asgi import SlackRequestHandler
from slack_bolt.adapter.socket_mode import SocketModeHandler
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.http_retry.builtin_handlers import RateLimitErrorRetryHandler
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from credit_review.errors import BadInput
from deployments.slack_sandbox.server import Sandbox, free_port, running
from tests.sandbox.sandbox_office import CHANNEL, Office, button, card, form, hang_up

MANAGER = "U0MANAGER"


def _texts(sandbox):
    return [m["text"] for m in sandbox.person(MANAGER).sees(CHANNEL)]


def test_a_rate_limited_call_says_when_to_come_back(sandbox, web):
    sandbox.fail("chat.postMessage", status=429, retry_after=7)
    with pytest.raises(SlackApiError) as caught:
        web.chat_postMessage(channel=CHANNEL, text="x")
    response = caught.value.response
    assert (response.status_code, response["error"], response.headers["retry-after"]) == (429, "ratelimited", "7")
    assert _texts(sandbox) == [] and web.chat_postMessage(channel=CHANNEL, text="x")["ok"]


def test_the_sdks_own_handler_waits_and_gets_through(sandbox):
    sandbox.fail("chat.postMessage", status=429, retry_after=0)
    web = WebClient("xoxb-sandbox", base_url=sandbox.api_url, retry_handlers=[RateLimitErrorRetryHandler(max_retry_count=1)])
    assert web.chat_postMessage(channel=CHANNEL, text="x")["ok"]
    assert [call["status"] for call in sandbox.calls("chat.postMessage")] == [429, 200]


def test_a_server_error_comes_before_or_after_the_effect(sandbox, web):
    sandbox.fail("chat.postMessage", status=500)
    sandbox.fail("chat.postMessage", status=500, after=True)
    for _ in range(2):
        with pytest.raises(SlackApiError):
            web.chat_postMessage(channel=CHANNEL, text="x")
    assert _texts(sandbox) == ["x"]


def test_an_answer_lost_after_posting_leaves_the_message_there(sandbox):
    sandbox.fail("chat.postMessage", silent=True)
    impatient = WebClient("xoxb-sandbox", base_url=sandbox.api_url, timeout=1, retry_handlers=[])
    with pytest.raises(TimeoutError):
        impatient.chat_postMessage(channel=CHANNEL, text="x", metadata={"event_type": "card", "event_payload": {"dedup_key": "p"}})
    (found,) = impatient.conversations_history(channel=CHANNEL, include_all_metadata=True)["messages"]
    assert found["metadata"]["event_payload"] == {"dedup_key": "p"}
    assert [call["status"] for call in sandbox.calls("chat.postMessage")] == [0]


def test_a_chosen_error_lasts_for_so_many_calls_or_until_it_is_healed(sandbox, web):
    sandbox.fail("chat.update", error="fatal_error", times=2)
    sandbox.fail("views.publish", status=500, times=99)
    for _ in range(2):
        with pytest.raises(SlackApiError, match="fatal_error"):
            web.chat_update(channel=CHANNEL, ts="1.1", text="x")
    with pytest.raises(SlackApiError, match="message_not_found"):
        web.chat_update(channel=CHANNEL, ts="1.1", text="x")
    sandbox.heal()
    assert web.views_publish(user_id=MANAGER, view={"type": "home", "blocks": []})["ok"]


def test_a_channel_takes_a_burst_and_then_one_message_a_second(sandbox, web, clock):
    sandbox.limit_rate()
    for _ in range(3):
        web.chat_postMessage(channel=CHANNEL, text="x")
    with pytest.raises(SlackApiError, match="ratelimited"):
        web.chat_postMessage(channel=CHANNEL, text="x")
    assert web.chat_postMessage(channel="G0CREDIT", text="another channel")["ok"]
    clock.now += 1
    assert web.chat_postMessage(channel=CHANNEL, text="x")["ok"]


def test_the_same_click_is_delivered_twice(sandbox, office, web):
    ts = web.chat_postMessage(channel=CHANNEL, text="x", blocks=card())["ts"]
    sandbox.disturb("twice", payload_type="block_actions")
    assert sandbox.person(MANAGER).click(CHANNEL, ts, "go")["ok"]
    office.hears(2)
    (_, first), (_, second) = office.heard
    assert first == second


def test_clicks_arrive_out_of_order(sandbox, office, web):
    ts = web.chat_postMessage(channel=CHANNEL, text="x", blocks=card(button("first"), button("second")))["ts"]
    sandbox.disturb("held")
    assert sandbox.person(MANAGER).click(CHANNEL, ts, "first")["reason"] == "held"
    sandbox.person(MANAGER).click(CHANNEL, ts, "second")
    assert office.hears(2) == ["second", "first"]


def test_a_late_click_shows_an_error_and_arrives_all_the_same():
    with running(ack_seconds=0.2) as sandbox, _connected(sandbox) as office:
        ts = office.web.chat_postMessage(channel=CHANNEL, text="x", blocks=card())["ts"]
        sandbox.disturb("late", seconds=0.5)
        assert sandbox.person(MANAGER).click(CHANNEL, ts, "go")["reason"] == "http_timeout"
        assert sandbox.person(MANAGER).notices() and office.hears(1) == ["go"]


def test_each_payload_goes_to_one_connection_and_can_be_sent_over_another():
    with running() as sandbox, _connected(sandbox), _connected(sandbox, count=2) as office:
        ts = office.web.chat_postMessage(channel=CHANNEL, text="x", blocks=card())["ts"]
        sandbox.person(MANAGER).click(CHANNEL, ts, "go")
        sandbox.disturb("other_connection")
        sandbox.person(MANAGER).click(CHANNEL, ts, "go")
        assert sorted(one["connection"] for one in sandbox.deliveries()) == [0, 1]


def test_a_refreshed_connection_is_replaced_by_the_app():
    with running() as sandbox, _connected(sandbox) as office:
        sandbox.refresh_links()
        sandbox.until(lambda: len(sandbox.calls("apps.connections.open")) == 2)
        sandbox.connected()
        ts = office.web.chat_postMessage(channel=CHANNEL, text="x", blocks=card())["ts"]
        assert sandbox.person(MANAGER).click(CHANNEL, ts, "go")["ok"]


def test_a_connection_needs_a_ticket_of_its_own_and_survives_nonsense(sandbox, web):
    url = web.apps_connections_open(app_token="xapp-sandbox")["url"]
    before = sandbox.get("/sandbox/version")["connections"]
    with connect(url, proxy=None) as link:
        hello = json.loads(link.recv(timeout=10))
        assert hello["type"] == "hello" and hello["connection_info"]["app_id"] == "A0SANDBOX"
        for nonsense in ("nonsense", "[]", '{"envelope_id": "none"}'):
            link.send(nonsense)
        with pytest.raises(InvalidStatus):
            connect(url, proxy=None)
    sandbox.until(lambda: sandbox.get("/sandbox/version")["connections"] == before)


def test_over_http_signed_clicks_and_forms_reach_the_app():
    with _over_http() as (sandbox, office):
        office.on["go"] = lambda told: (told.ack(), told.web.views_open(trigger_id=told.body["trigger_id"], view=form()))
        office.on["form"] = lambda told: told.ack(response_action="errors", errors={"why": "no"})
        office.on["/credit"] = lambda told: told.ack("looking")
        manager, ts = sandbox.person(MANAGER), office.web.chat_postMessage(channel=CHANNEL, text="x", blocks=card())["ts"]
        assert manager.click(CHANNEL, ts, "go")["ok"]
        modal = sandbox.until(manager.modal)
        assert manager.submit(modal["id"], {"why": {"text": "Söhne & <b>"}})["errors"] == {"why": "no"}
        assert office.heard[-1][1]["view"]["state"]["values"]["why"]["text"]["value"] == "Söhne & <b>"
        manager.command("/credit", "Müller & Söhne", channel=CHANNEL)
        assert office.heard[-1][1]["text"] == "Müller &amp; Söhne" and manager.sees(CHANNEL)[-1]["text"] == "looking"


def test_over_http_a_wrong_signing_secret_is_refused_by_the_app_and_seen_by_the_person():
    with _over_http(signing_secret="another secret") as (sandbox, office):
        ts = office.web.chat_postMessage(channel=CHANNEL, text="x", blocks=card())["ts"]
        assert sandbox.person(MANAGER).click(CHANNEL, ts, "go")["reason"] == "http_error" and office.heard == []


def test_an_event_is_sent_again_until_it_is_acknowledged_with_its_number():
    with _over_http() as (sandbox, office):
        retries = []

        @office.app.middleware
        def flaky(req, next):
            retries.append(req.headers.get("x-slack-retry-num", [None])[0])
            return next() if len(retries) > 2 else BoltResponse(status=500, body="")

        sandbox.person(MANAGER).say(CHANNEL, "hello")
        assert office.hears(1) == ["message"] and retries == [None, "1", "2"]
        sandbox.until(lambda: [one["retry"] for one in sandbox.deliveries()] == [0, 1, 2])


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "::", "example.com", ""])
def test_only_this_machine_is_served(host):
    with pytest.raises(BadInput, match="does not listen on"):
        Sandbox(host=host)
    with pytest.raises(BadInput), running(host=host):
        pass


def test_a_port_that_is_taken_is_told_with_a_next_step(sandbox):
    port = int(sandbox.url.rpartition(":")[2])
    with pytest.raises(BadInput, match="choose another port"), running(port=port):
        pass
    with pytest.raises(BadInput, match="choose another port"):
        Sandbox(port=port).serve()


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "127.0.0.1:80:80", "", "localhost@evil"])
def test_a_foreign_host_header_is_refused(sandbox, host):
    assert sandbox.http.get("/", headers={"host": host}).status_code == 403
    assert sandbox.http.get("/", headers={"host": "localhost:1"}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [{"origin": "https://evil.example"}, {"origin": "null"}, {"sec-fetch-site": "cross-site"}, {"content-type": "text/plain"}],
)
def test_a_foreign_page_cannot_act_as_anybody(sandbox, headers):
    answer = sandbox.http.post("/sandbox/reset", headers={"content-type": "application/json", **headers}, content=b"{}")
    assert answer.status_code == 403
    assert sandbox.http.post("/sandbox/reset", headers={"origin": sandbox.url}, json={}).status_code == 200
    if "content-type" not in headers:
        assert sandbox.http.post("/api/auth.test", headers=headers, params={"token": "xoxb-sandbox"}).status_code == 403


def test_the_page_loads_nothing_from_elsewhere_and_says_what_it_is(sandbox):
    page = sandbox.http.get("/")
    assert "SANDBOX – not Slack." in page.text and "<title>credit-review sandbox</title>" in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]
    sources = [sandbox.http.get(f"/static/{name}") for name in ("page.js", "blocks.js", "mrkdwn.js", "page.css")]
    assert all(source.status_code == 200 for source in sources)
    assert not any(word in source.text for source in sources for word in ("innerHTML", "http://", "https://", "outerHTML", "eval("))
    assert sandbox.http.get("/static/server.py").status_code == 404


@pytest.mark.parametrize("fault", [{}, {"kind": "weird"}, {"method": "x", "nonsense": 1}])
def test_a_fault_that_is_none_is_refused(sandbox, fault):
    with pytest.raises(BadInput, match="no such fault"):
        sandbox.post("/sandbox/faults", fault)


def test_the_log_of_calls_holds_no_token(sandbox, web):
    web.api_call("chat.postMessage", params={"token": "xoxb-sandbox", "channel": CHANNEL, "text": "x"})
    assert "xoxb" not in str(sandbox.calls())


@contextmanager
def _connected(sandbox, *, count=1):
    office = Office(sandbox.api_url)
    handler = SocketModeHandler(office.app, "xapp-sandbox")
    handler.connect()
    sandbox.connected(count=count)
    yield office
    hang_up(handler)


@contextmanager
def _over_http(*, signing_secret="sandbox-signing-secret"):
    port = free_port()
    with running(request_url=f"http://127.0.0.1:{port}/slack/events", retry_delays=(0, 0, 0)) as sandbox:
        office = Office(sandbox.api_url, signing_secret=signing_secret)
        config = uvicorn.Config(SlackRequestHandler(office.app), host="127.0.0.1", port=port, log_level="critical")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        deadline = time.monotonic() + 20
        while not server.started and time.monotonic() < deadline:
            time.sleep(0.01)
        yield sandbox, office
        server.should_exit = True
        thread.join(10)
