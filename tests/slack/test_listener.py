"""A signed click over HTTP, through an unmodified slack-bolt app, to decision, audit entry and the card Slack receives."""

from __future__ import annotations

import json
import socket
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from contextlib import contextmanager
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest
import uvicorn
from slack_sdk.signature import SignatureVerifier

from credit_review import audit, messages
from credit_review.adapters.settings import SlackSettings, StepUpSettings
from credit_review.adapters.slack_chat import SlackChat, web_client
from credit_review.messages import card, digest, forms
from credit_review.messages.text import value_of
from credit_review.model.records import Decision, PacketOpening, Proposal, SlackMessage
from credit_review.review import outbox
from credit_review.review.relay import Outside, relay
from credit_review.words import ENGLISH
from deployments.slack_listener import serving
from deployments.slack_listener.app import build_app, build_office
from tests.review.decision_world import NOON, World, digest_of, os_account

SECRET = "a signing secret of the tests"
EVIL = "<!channel> <https://evil.example|OK> & Söhne‮"


class _Slack(BaseHTTPRequestHandler):
    """Stands in for Slack's Web API: answers ok and remembers."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        self.server.calls.append((self.path.rpartition("/")[2], body))
        channel = {"id": "C1", "is_private": True, "is_member": True}
        known = {"ok": True, "channel": "C1", "ts": f"{len(self.server.calls)}.0", "team": "T", "view": {"id": "V0"}}
        about = {"conversations.info": {"channel": channel}, "users.info": {"user": {"id": "U", "team_id": "T1"}}}
        answer = json.dumps(known | about.get(self.path.rpartition("/")[2], {})).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


@pytest.fixture
def slack():
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Slack)
    server.calls = []
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def listener(store, clock, slack, monkeypatch):
    """The listener over HTTP, with a world of people and proposals behind it."""
    clock.set(NOON)
    monkeypatch.setenv("CREDIT_REVIEW_SLACK_BOT_TOKEN", "xoxb-test")
    monkeypatch.setenv("CREDIT_REVIEW_SLACK_SIGNING_SECRET", SECRET)
    world = World(store)
    world.write(os_account("T1|U-manager", "p-manager", kind="slack"), os_account("T1|U-controller", "p-controller", kind="slack"))
    api = f"http://127.0.0.1:{slack.server_port}/"
    settings = SimpleNamespace(
        slack=SlackSettings(mode="http", channel="C1", team_ids=("T1",), api_url=api),
        step_up=StepUpSettings(),
        zone=NOON.tzinfo,
        words=lambda: ENGLISH,
        limits_owner="p-analyst",
    )
    services = SimpleNamespace(settings=settings, store=store, clock=clock, today=lambda: NOON.date())
    office = build_office(services)
    office.start()
    with _served(serving.asgi(build_app(office), SECRET)) as url:
        yield SimpleNamespace(world=world, url=url, slack=slack, services=services, api=api, office=office)
    office.stop()


@contextmanager
def _served(app):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="critical"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 20
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.02)
    yield f"http://127.0.0.1:{port}{serving.PATH}"
    server.should_exit = True
    thread.join(10)


def _shown(world, **fields):
    """A pending proposal with a whole packet, its card posted."""
    packet = {
        "customer_id": "c-1", "customer_name": EVIL, "currency": "EUR",
        "exposure_minor": 100, "own_risk_minor": 50, "overdue_minor": 0,
        "over_limit_minor": None, "blocked_orders_minor": None, "grade": "B", "pd": "0.020000", "from_terms_days": 30, "terms_days": 30,
        "reasons": ["share of open items past due"], "exceptional": [], "notes": [], "derivation": [],
        "to_minor": fields.get("to", 60_000_00),
    }  # fmt: skip
    text = audit.canonical(packet)
    proposal_id = world.propose(packet_json=text, digest=digest_of(text), **fields)
    with world.store.begin() as uow:
        outbox.owe_messages(uow, [(outbox.card_of(proposal_id), "C1")], NOON)
        uow.commit()
    return proposal_id


def _post_cards(listener):
    outside = Outside(
        chat=SlackChat(web_client("xoxb-test", listener.api)), render=messages.renderer(listener.services.clock, messages.Company(ENGLISH))
    )
    relay(listener.world.store, outside, listener.services.clock, worker="test")


def _click(listener, proposal_id, *, user="U-manager", team="T1", enterprise="", action=card.APPROVE, digest=None, ts="1.5", **send):
    payload = {
        "type": "block_actions",
        "user": {"id": user, "team_id": team},
        "team": {"id": team},
        "enterprise": {"id": enterprise} if enterprise else None,
        "container": {"type": "message", "message_ts": "1.0", "channel_id": "C1"},
        "channel": {"id": "C1"},
        "message": {"text": "card"},
        "trigger_id": "t.1",
        "response_url": listener.api + "response",
        "actions": [
            {
                "type": "button",
                "action_id": action,
                "block_id": "b",
                "action_ts": ts,
                "value": value_of(proposal=proposal_id, digest=digest or listener.world.proposal(proposal_id).digest),
            }
        ],
    }
    return _send(listener.url, urllib.parse.urlencode({"payload": json.dumps(payload)}), **send)


def _send(url, body, *, timestamp=None, late_by=0, signature=None, secret=SECRET):
    stamp = timestamp or str(int(time.time()) + late_by)
    signed = signature or SignatureVerifier(secret).generate_signature(timestamp=stamp, body=body)
    raw = body if isinstance(body, bytes) else body.encode()
    headers = {"x-slack-request-timestamp": stamp, "x-slack-signature": signed, "content-type": "application/x-www-form-urlencoded"}
    request = urllib.request.Request(url, data=raw, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def _calls(listener, method):
    """What Slack received of a method; cards are refreshed after the acknowledgement, so it is waited for."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and not any(name == method for name, _ in listener.slack.calls):
        time.sleep(0.02)
    return [_read(body) for name, body in listener.slack.calls if name == method]


def _read(body):
    return json.loads(body) if body.startswith("{") else dict(urllib.parse.parse_qsl(body))


def test_a_signed_click_is_decided_audited_and_shown(listener):
    proposal_id = _shown(listener.world)
    _post_cards(listener)
    assert _click(listener, proposal_id) == 200
    decision = listener.world.one(Decision, proposal_id=proposal_id)
    assert (decision.approver_id, decision.verdict, decision.channel) == ("p-manager", "approve", "slack")
    assert listener.world.proposal(proposal_id).state == "approved"
    (entry,) = listener.world.entries("decision.approve", f"proposal:{proposal_id}")
    assert entry["actor"] == "person:p-manager" and entry["data"]["digest"] == decision.digest
    (update,) = _calls(listener, "chat.update")
    shown = json.dumps(update["blocks"])
    assert "Approved, waiting to be applied" in shown and card.APPROVE not in shown
    assert _calls(listener, "response"), "the person who clicked is answered"


def test_the_same_click_twice_decides_once(listener):
    proposal_id = _shown(listener.world)
    assert [_click(listener, proposal_id), _click(listener, proposal_id)] == [200, 200]
    assert len(listener.world.find(Decision, proposal_id=proposal_id)) == 1
    assert len(listener.world.entries("decision.approve")) == 1


def test_a_click_on_an_older_packet_is_refused(listener):
    proposal_id = _shown(listener.world)
    assert _click(listener, proposal_id, digest="0" * 64) == 200
    assert listener.world.proposal(proposal_id).state == "pending"
    assert len(listener.world.entries("decision.refused")) == 1


def test_a_person_without_the_tier_is_refused_and_told_who_may(listener):
    proposal_id = _shown(listener.world, to=300_000_00)
    assert _click(listener, proposal_id, user="U-controller") == 200
    assert listener.world.find(Decision) == []
    (answer,) = _calls(listener, "response")
    assert "you lack T2" in answer["text"] and "Manager" in answer["text"]


@pytest.mark.parametrize(("user", "team"), [("U-stranger", "T1"), ("U-manager", "T-other")])
def test_strangers_and_other_workspaces_decide_nothing(listener, user, team):
    proposal_id = _shown(listener.world)
    assert _click(listener, proposal_id, user=user, team=team) == 200
    assert listener.world.find(Decision) == [] and listener.world.proposal(proposal_id).state == "pending"


@pytest.mark.parametrize(("enterprise", "decides"), [("E1", True), ("E2", False), ("", False)])
def test_on_a_grid_the_enterprise_is_part_of_who_somebody_is(listener, enterprise, decides):
    settings = listener.services.settings
    settings.slack = settings.slack.model_copy(update={"enterprise_id": "E1"})
    listener.world.write(os_account("E1|T1|U-manager", "p-manager", kind="slack"))
    proposal_id = _shown(listener.world)
    assert _click(listener, proposal_id, enterprise=enterprise) == 200
    assert bool(listener.world.find(Decision)) == decides
    assert bool(listener.world.entries("login.refused")) != decides


def test_an_account_of_another_enterprise_is_another_account_also_where_none_is_required(listener):
    proposal_id = _shown(listener.world)
    assert _click(listener, proposal_id, enterprise="E2") == 200
    assert listener.world.find(Decision) == [] and [e["action"] for e in listener.world.entries()] == ["decision.refused"]


@pytest.mark.parametrize("action", [card.WHY, digest.OPEN])
def test_whoever_looks_into_a_packet_has_opened_it_from_then_on(listener, action):
    proposal_id = _shown(listener.world)
    assert _click(listener, proposal_id, action=action) == 200
    assert _calls(listener, "views.open")
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and not listener.world.find(PacketOpening):
        time.sleep(0.02)
    (opening,) = listener.world.find(PacketOpening)
    assert (opening.proposal_id, opening.person_id, opening.opened_at) == (proposal_id, "p-manager", NOON)
    assert listener.world.entries(entity=f"proposal:{proposal_id}") == [], "nothing was decided by it"


def test_a_rejection_asks_why_before_it_decides(listener):
    proposal_id = _shown(listener.world)
    assert _click(listener, proposal_id, action=card.REJECT) == 200
    (opened,) = _calls(listener, "views.open")
    assert listener.world.find(Decision) == [] and opened["view"]["callback_id"] == forms.REJECT_FORM
    view = {
        **opened["view"],
        "id": "V1",
        "hash": "h1",
        "state": {"values": {forms.REASON: {forms.INPUT: {"type": "plain_text_input", "value": "too risky"}}}},
    }
    payload = {"type": "view_submission", "user": {"id": "U-manager", "team_id": "T1"}, "team": {"id": "T1"}, "view": view}
    assert _send(listener.url, urllib.parse.urlencode({"payload": json.dumps(payload)})) == 200
    assert listener.world.one(Decision).reason == "too risky" and listener.world.proposal(proposal_id).state == "rejected"


@pytest.mark.parametrize(
    "wrong",
    [
        {"secret": "another"},
        {"late_by": -310},
        {"late_by": 310},
        {"timestamp": "soon", "signature": "v0=00"},
        {"timestamp": "1e3", "signature": "v0=00"},
        {"signature": "v0=" + "0" * 64},
        {"signature": "nothing"},
    ],
)
def test_a_forged_stale_or_unreadable_request_is_401_and_decides_nothing(listener, wrong):
    proposal_id = _shown(listener.world)
    assert _click(listener, proposal_id, **wrong) == 401
    assert listener.world.find(Decision) == []


def test_a_body_that_is_no_text_is_401_not_an_error(listener):
    assert _send(listener.url, b"\xff\xfe", signature="v0=00") == 401


def test_names_from_the_ledger_never_become_markup():
    assert messages.escaped("<!channel> & <@U1>") == "&lt;!channel&gt; &amp; &lt;@U1&gt;"
    assert "‮" not in messages.cleaned(EVIL, 100) and len(messages.cleaned("x" * 9999, 150)) == 150


def test_a_card_puts_data_in_plain_text_only(listener):
    proposal_id = _shown(listener.world)
    _post_cards(listener)
    (post,) = _calls(listener, "chat.postMessage")
    assert "mrkdwn" not in json.dumps(post["blocks"]) and "<!channel>" not in post["text"]
    assert post["metadata"]["event_payload"]["dedup_key"].endswith(f"{proposal_id}:C1")
    assert listener.world.one(SlackMessage).shown_digest == listener.world.one(Proposal).digest


def test_the_published_signing_vector_verifies(shared_data: Path):
    vector = json.loads((shared_data / "slack" / "signature_vector.json").read_text())
    made = SignatureVerifier(vector["signing_secret"]).generate_signature(timestamp=vector["timestamp"], body=vector["body"])
    assert made == vector["signature"] and sha256(made.encode())
