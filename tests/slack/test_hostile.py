"""What others wrote stays text, and what others send is refused, however hostile the name and however broken the request."""

from __future__ import annotations

import asyncio
import copy
import json
import logging
import random
import time
import unicodedata
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from slack_sdk.signature import SignatureVerifier

from credit_review import audit
from credit_review.authority import judge
from credit_review.errors import BadInput
from credit_review.messages import asked, digest, forms, home, notices, requests, summary
from credit_review.messages import card as card_module
from credit_review.messages.card import View, card
from credit_review.messages.owner_news import News, owner_news
from credit_review.messages.text import Message, escaped, value_of
from credit_review.messages.why import Evidence, why
from credit_review.model.records import Absence, ApprovalCondition, ConflictOfInterest, Decision, Delegation
from credit_review.model.states import Assurance
from credit_review.review.standing import gather
from credit_review.words import ENGLISH
from deployments.slack_listener import app, looking, replies, serving
from deployments.slack_listener.answering import said_in_modal
from deployments.slack_listener.office import Told
from deployments.slack_listener.shape import well_formed
from deployments.slack_sandbox import block_kit
from tests.review.decision_world import MATRIX, NOON, World, digest_of
from tests.slack.test_in_sandbox import whole
from tests.slack.test_listener import SECRET, _shown, listener, slack
from tests.slack.test_once import Ticking

__all__ = ["listener", "slack"]

MARKUP = ("<!channel>", "<!here>", "<@U1>", "<#C1>", "<https://evil.example|OK>", "*", "_", "~", "`", "```", ">", "&amp;", "&", ":boom:",
          "‮", "⁦", "​", "\u0000", "\n", "\t", "﻿", "@channel", "mailto:a@b", "http://x", "\U000e0001")  # fmt: skip
HOSTILE = st.lists(st.one_of(st.sampled_from(MARKUP), st.text(max_size=12)), max_size=8).map("".join)


@pytest.fixture(scope="module")
def view(tmp_path_factory):
    """A card's view to put hostile texts into."""
    from credit_review.adapters.clock import FixedClock
    from credit_review.adapters.store import schema
    from credit_review.adapters.store.unit_of_work import SqlStore, open_engine

    url = f"sqlite:///{tmp_path_factory.mktemp('hostile') / 'x.db'}"
    schema.upgrade(url)
    store = SqlStore(open_engine(url), FixedClock(NOON))
    world = World(store)
    proposal = world.propose("c-1", **whole("c-1", 60_000_00, 50_000_00, {}))
    with store.read() as uow:
        standing = gather(uow, proposal, MATRIX, NOON)
    yield View(standing=standing, judgement=judge(standing, MATRIX, NOON), words=ENGLISH, assurance=Assurance.CLICK, names={})
    store.close()


def with_texts(view, name, reason):
    packet = json.loads(view.proposal.packet_json)
    notes = [{"kind": "comment", "by": "p-x", "at": NOON.isoformat(), "text": reason, "sha256": ""}]
    body = audit.canonical({**packet, "customer_name": name, "request": {"reason": reason}, "notes": notes, "reasons": [reason or "x"]})
    proposal = replace(view.proposal, packet_json=body, digest=digest_of(body))
    return replace(view, standing=replace(view.standing, proposal=proposal))


def texts(value):
    """Every text object and literal run in blocks."""
    if isinstance(value, dict):
        if value.get("type") in ("plain_text", "mrkdwn", "text"):
            yield value
        for one in value.values():
            yield from texts(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from texts(one)


def assert_nothing_survives(message):
    shown = [dict(block) for block in message.blocks]
    assert not message.text or block_kit.problems_of_blocks(shown) == []
    for one in texts(shown):
        assert one["type"] != "mrkdwn"
        hidden = {unicodedata.category(c) for c in one["text"].replace("\n", "")} & {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
        assert not hidden, one["text"]
    for mark in "<>*_~`|":
        assert mark not in message.text
    assert "&" not in message.text.replace("&amp;", "").replace("&lt;", "").replace("&gt;", "") and "://" not in message.text


def messages_about(view, name, other):
    """Every message and modal that shows what others wrote: of a customer called `name`, with `other` as reason, label and answer."""
    v = with_texts(view, name, other)
    p, w = v.proposal, ENGLISH
    ask, about = asked(p, name, w), digest.Listing(review="r")
    yield card(v)
    yield notices.answer(name + other)
    yield digest.digest([p], about, w, label=other or "x", together=[p.proposal_id], sizes=digest.Sizes("EUR", {p.proposal_id: p.to_minor}))
    yield notices.question(p, name, other, name, w, answered=False)
    yield notices.question(p, name, other, name, w, answered=True)
    yield requests.request_status(requests.Asked(customer_id=name, proposal=p, role=other, reason=other), w)
    yield notices.reminder([(p, name)], w)
    yield owner_news([News(name=name, currency=p.currency, layer="base", proposal=p)] * 23, w, pass_on=other)
    yield notices.daily_summary(NOON.date(), [(decision_of(p, other), p, name)], "p-x", w, {"p-x": name})
    yield notices.credit_answer([("Limit in force", other)], name, w)
    yield summary.summary(overview(p, name, other), w)
    yield notices.parked([("reminder:" + name, "@p-x", other)], {"p-x": name}, w)
    for state in ("open", "met", "lapsed"):
        yield notices.condition(condition_of(p, other, state), p, name, w, {"p-x": name}, may=True)
        yield card(decided(v, name, other, state))
    for view in (
        forms.reject_form(p, ask, w),
        forms.return_form(p, ask, w),
        forms.approve_form(p, ask, w, typed=True, principals=[("p-x", name or "x")]),
        forms.counter_form(p, ask, w, foreseen=other or None, names={}),
        forms.confirm_form("k", other or "x", w),
        forms.answer_form("p", other or "-", w),
        why(p, ask, None, w),
        why(p, ask, evidence(p, name, other), w),
        said_in_modal(Told(name + other, w)),
        home.home(home_of(p, name, other), w),
        home.delegate_form([("p-x", name or "x")], NOON.date(), w),
    ):
        assert block_kit.problems_of_view(dict(view), kinds=("modal", "home")) == []
        yield Message("", tuple(view["blocks"]))


def overview(proposal, name, label):
    nothing = {"as_of": NOON.date(), "moved": (), "by_rule": (), "own_risk": (), "waits_for_reader": 1, "waiting": 1}
    return summary.ReviewSummary(label=label, largest=[(proposal, name)], **nothing)


def decided(view, name, reason, condition_state):
    """The card once somebody called `name` has approved with that reason and condition."""
    proposal = replace(view.proposal, state="approved")
    standing = replace(view.standing, proposal=proposal, decisions=(decision_of(proposal, reason),))
    conditions = [condition_of(proposal, reason, condition_state)]
    return replace(view, standing=standing, names={"p-x": name, "p-y": name}, conditions=conditions, confirmers=["p-y"])


def evidence(proposal, name, other):
    rows = [(name, other)]
    told = {"features": rows, "score": rows, "basis": rows, "points": [(name, 1)], "data_dates": [(other, None)], "quarantined": [other]}
    return Evidence(**told, hidden=other, missing=other, decisions=[decision_of(proposal, other)], currency="EUR", names={"p-y": name})


def home_of(proposal, name, other):
    """A Home with something in every part."""
    days = {"valid_from": NOON.date(), "valid_to": NOON.date(), "recorded_at": NOON}
    stands_in = Delegation(delegation_id="d", principal_id="p-x", delegate_id="p-y", recorded_by="p-x", **days)
    conflict = ConflictOfInterest(person_id="p-x", customer_id="c-1", **days)
    return home.Home(
        name=name,
        mine=[(proposal, name)],
        could_decide=1,
        conditions=[(condition_of(proposal, other, "open"), proposal, name)],
        requests=[requests.Asked(customer_id=name, proposal=proposal, role=other, reason=other), requests.Asked(customer_id=name)],
        more_requests=1,
        others=[(proposal, name, other)],
        decided=[(decision_of(proposal, other), proposal, name, proposal)],
        delegations=[(stands_in, name, other)],
        past=[(stands_in, name, other)],
        absences=[Absence(absence_id="a", person_id="p-x", **days)],
        authority=[other],
        conflicts=[(conflict, name)],
        declared_until=None,
        decides=True,
        may_request=True,
        reader="p-x",
    )


def condition_of(proposal, text, state):
    settled = {"settled_by": "p-y", "settled_at": NOON, "evidence": text, "evidence_sha256": ""}
    asked_for = {"kind": "other", "text": text, "due": NOON.date(), "asked_by": "p-x", "asked_at": NOON}
    return ApprovalCondition(condition_id="k", proposal_id=proposal.proposal_id, state=state, **asked_for, **settled)


def decision_of(proposal, reason):
    about = {"proposal_id": proposal.proposal_id, "digest": proposal.digest, "proposer_id": proposal.proposer_id}
    given = {"approver_id": "p-y", "on_behalf_of": "p-x", "verdict": "approve", "tier": "T1", "reason": reason}
    return Decision(**about, **given, channel="slack", delivery_key="d", at=NOON, reason_code="", assurance="click")


@settings(max_examples=100, deadline=None)
@given(name=HOSTILE, reason=HOSTILE)
def test_nothing_others_wrote_survives_as_markup(view, name, reason):
    for message in messages_about(view, name, reason):
        assert_nothing_survives(message)


@pytest.mark.parametrize("count", [100, pytest.param(50_000, marks=pytest.mark.soak)])
def test_names_put_together_at_random_leave_no_markup(view, count):
    dice = random.Random(20261124)
    for _ in range(count):
        parts = [_part(dice) for _ in range(dice.randrange(12))]
        for message in messages_about(view, "".join(parts), "".join(reversed(parts))):
            assert_nothing_survives(message)


def _part(dice):
    any_letter = chr(dice.choice((dice.randrange(1, 0x300), dice.randrange(0x2000, 0x3000))))
    return dice.choice(MARKUP) if dice.random() < 0.5 else any_letter


def test_an_escaped_text_says_what_it_said():
    assert escaped("Müller & Söhne <b>") == "Müller &amp; Söhne &lt;b&gt;"


# --- requests -----------------------------------------------------------------------------------------------------------------------


def broken(dice):
    """A request nobody at Slack ever sent: header, body or signature is wrong in one way or another."""
    body = dice.choice([b"", b"payload=%7B%7D", b"\xff\xfe", b"{" * 50, dice.randbytes(dice.randrange(200)), b"payload=" + b"%" * 99])
    stamp = dice.choice(["", "soon", "-1", "1e9", "0" * 40, "١٢٣", "1531420618", str(2**63), "\t5"])
    made = SignatureVerifier("another secret").generate_signature(timestamp="1531420618", body="x") or ""
    signature = dice.choice(["", "v0=", "v0=" + "0" * 64, made, "v1=abc", "v0=é", "x" * 5000])
    kind = dice.choice(["application/x-www-form-urlencoded", "application/json", "text/plain", "", "multipart/form-data"])
    return body, {"x-slack-request-timestamp": stamp, "x-slack-signature": signature, "content-type": kind}


def out_of_date(dice):
    """What Slack signed once: too old or too new, or its body re-encoded, cut or lengthened on the way."""
    body = b"payload=" + urllib.parse.quote(json.dumps(click("p", "0" * 64))).encode()
    stamp = str(int(time.time()) + dice.choice([-86_400, -301, 302, 5_000]))
    if dice.random() < 0.7:
        stamp = str(int(time.time()))
    signature = SignatureVerifier(SECRET).generate_signature(timestamp=stamp, body=body)
    if abs(int(stamp) - time.time()) < 300:  # genuine, so the body must be another
        body = dice.choice(
            [
                urllib.parse.unquote(body.decode()).encode(),
                body.replace(b"%22", b"%u0022"),
                body.decode().encode("utf-16"),
                body.lower(),
                body[:-1],
                body + b"&x=1",
                body + b"\n",
            ]
        )
    kind = dice.choice(["application/x-www-form-urlencoded", "application/json"])
    return body, {"x-slack-request-timestamp": stamp, "x-slack-signature": signature, "content-type": kind}


def send(url, body, headers):
    request = urllib.request.Request(url, data=body, headers={k: v.encode().decode("latin-1") for k, v in headers.items()})
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


@pytest.mark.parametrize("count", [150, pytest.param(10_000, marks=pytest.mark.soak)])
def test_no_broken_request_is_accepted_or_makes_an_error(count, listener):
    dice = random.Random(20261124)
    proposal = listener.world.propose()
    answers = {send(listener.url, *dice.choice([broken, out_of_date])(dice)) for _ in range(count)}
    assert answers == {401}
    assert listener.world.proposal(proposal).state == "pending"


# --- signed, and yet not Slack's ----------------------------------------------------------------------------------------------------


def click(proposal, digest_shown, action=card_module.APPROVE):
    return {
        "type": "block_actions",
        "user": {"id": "U-manager", "team_id": "T1"},
        "team": {"id": "T1"},
        "container": {"type": "message", "message_ts": "1.0", "channel_id": "C1"},
        "channel": {"id": "C1"},
        "trigger_id": "t.1",
        "response_url": "http://127.0.0.1:9/",
        "actions": [{"action_id": action, "action_ts": "1.5", "value": carried(proposal, digest_shown)}],
    }


def carried(proposal, digest_shown):
    """What any button or form of ours carries."""
    part = {"review": "r-1", "page": 0, "grade": "", "band": "all", "listed": "0" * 64}
    return value_of(proposal=proposal, digest=digest_shown, condition="k", delegation="d", absence="a", customer="c-9", **part)


def typed(text):
    return {"input": {"type": "plain_text_input", "value": text}}


FILLED_IN = {"reason": typed("because"), "until": {"input": {"selected_date": "2026-12-01"}}, "amount": typed("5"), "terms": typed("30")}


def submission(callback_id, proposal, digest_shown, values=FILLED_IN):
    view = {
        "id": "V1", "hash": "h", "type": "modal", "callback_id": callback_id, "blocks": [],
        "private_metadata": carried(proposal, digest_shown), "state": {"values": values},
    }  # fmt: skip
    return {"type": "view_submission", "user": {"id": "U-manager", "team_id": "T1"}, "team": {"id": "T1"}, "view": view}


NONSENSE = (None, "", "x", 0, -1, 2**70, True, [], {}, [[]], {"id": 1}, "\ud800", "a\u0000b", "9" * 5000, "2026-13-45", ["x"], 1.5)


def mangled(dice, body):
    """A copy in which one part, or several, is gone or is something else."""
    body = copy.deepcopy(body)
    for _ in range(dice.choice([1, 1, 1, 2, 5])):
        parent, key = dice.choice(list(places(body)) or [({}, "")])
        if dice.random() < 0.4 and isinstance(parent, dict):
            parent.pop(key, None)
        elif parent:
            parent[key] = copy.deepcopy(dice.choice(NONSENSE))  # a copy: what is put into it must not come back with the next
    return body


def places(value):
    for key, one in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield value, key
        yield from places(one)


def signed(body, kind="application/x-www-form-urlencoded"):
    stamp = str(int(time.time()))
    raw = body if isinstance(body, bytes) else body.encode()
    signature = SignatureVerifier(SECRET).generate_signature(timestamp=stamp, body=raw)
    return raw, {"x-slack-request-timestamp": stamp, "x-slack-signature": signature, "content-type": kind}


@pytest.mark.parametrize("count", [150, pytest.param(10_000, marks=pytest.mark.soak)])
def test_a_signed_request_of_another_shape_makes_no_error(count, listener, caplog):
    dice = random.Random(20261127)
    proposal = _shown(listener.world)
    listener.services.clock = Ticking()  # what several forms state in one moment would be one fact
    shown = ("pr-none", "0" * 64)  # what is mangled may still be whole enough to be understood, and is refused then
    forms_known = [*app._FORMS, "unknown"]
    actions = [*(a for a in app._LOOKS if isinstance(a, str)), *app._DECIDES, f"{digest.PAGE}:1", "unknown"]
    event = {
        "type": "event_callback",
        "team_id": "T1",
        "event": {"type": "message", "channel": "C1", "ts": "1.1", "thread_ts": "1.0", "user": "U-manager", "text": "x"},
    }
    command = {
        "command": "/credit",
        "text": "x",
        "user_id": "U-manager",
        "team_id": "T1",
        "trigger_id": "t",
        "response_url": "http://127.0.0.1:9/",
    }
    for _ in range(count):
        which = dice.randrange(4)
        if which == 0:
            body = mangled(dice, command)
            request = signed(urllib.parse.urlencode({k: str(v) for k, v in body.items()}, errors="replace"))
        elif which == 1:
            request = signed(json.dumps(mangled(dice, event)), "application/json")
        else:
            whole_one = click(*shown, dice.choice(actions)) if which == 2 else submission(dice.choice(forms_known), *shown)
            request = signed("payload=" + urllib.parse.quote(json.dumps(mangled(dice, whole_one))))
        assert send(listener.url, *request) in (200, 401, 404), request
    assert listener.world.proposal(proposal).state == "pending" and listener.world.find(Decision) == []
    assert failures(caplog) == []


def test_forms_that_look_alike_are_not_one_submission_sent_twice(listener):
    """Of another kind, or about another proposal: each is answered for itself, whatever Slack calls the view."""
    proposals = [_shown(listener.world, customer=f"c-{n}") for n in (1, 2)]
    about = [(p, listener.world.proposal(p).digest) for p in proposals]
    sent = [(home.DECLARE_FORM, *about[0]), *((forms.REJECT_FORM, *one) for one in about)]
    values = {"reason": typed("because"), "code": {"input": {"selected_option": {"value": "other"}}}}
    for form in sent:
        assert send(listener.url, *signed("payload=" + urllib.parse.quote(json.dumps(submission(*form, values))))) == 200
    assert [listener.world.proposal(p).state for p in proposals] == ["rejected", "rejected"]


def test_a_reply_that_names_no_channel_is_none_of_our_business(listener):
    event = {"type": "message", "ts": "1.1", "thread_ts": "1.0", "user": "U-manager", "text": "x"}
    body = {"type": "event_callback", "team_id": "T1", "event": event}
    assert send(listener.url, *signed(json.dumps(body), "application/json")) == 200
    replies.reply(listener.office, body, event)  # which is what runs after that answer


@pytest.mark.parametrize(("part", "other"), [("trigger_id", None), ("action_ts", None), ("action_ts", "soon")])
def test_a_click_at_no_moment_or_that_may_open_nothing_is_401(part, other, listener):
    body = click("p", "0" * 64, forms.COUNTER_CHANGED)
    inside = body["actions"][0] if part == "action_ts" else body
    inside[part] = other
    if other is None:
        del inside[part]
    assert send(listener.url, *signed("payload=" + urllib.parse.quote(json.dumps(body)))) == 401


def test_a_change_in_no_form_is_none_of_our_business(listener):
    looking.counter_changed(listener.office, click("p", "0" * 64, forms.COUNTER_CHANGED))


@pytest.mark.parametrize("place", [None, {}, {"message_ts": "1.0"}])
def test_a_list_that_stands_nowhere_is_none_of_ours(place, listener):
    with pytest.raises(BadInput, match="not one of ours"):
        looking.page(listener.office, click("p", "0" * 64, f"{digest.PAGE}:1") | {"container": place})


def failures(caplog):
    """What a handler did not foresee: bolt logs it, even where Slack has its answer already.

    A stand-in for Slack that is gone is none: handlers of the test before may still talk to theirs.
    """
    found = [one for one in caplog.records if one.name == "credit_review.slack.bolt" and one.levelno >= logging.ERROR]
    logged = [one.getMessage() for one in found if not (one.exc_info and isinstance(one.exc_info[1], OSError))]
    return [text for text in logged if "urlopen error" not in text]  # bolt logs some without the exception they were


@pytest.mark.parametrize(
    "body",
    ["payload=%7B%7D", "x=1", "payload=notjson", "payload=[]", "", "command=/credit", "payload=" + "[" * 100_000, "payload=%22" + "%5B" * 9,
     "payload=%7B%22type%22%3A%22view_submission%22%2C%22view%22%3A%7B%22callback_id%22%3A%22credit_review_reject_form%22%7D%7D"],
)  # fmt: skip
def test_what_is_signed_and_no_request_of_slacks_is_401(listener, body):
    assert send(listener.url, *signed(body)) == 401
    assert send(listener.url, *signed(body, "application/json")) == 401


def test_the_payloads_slack_publishes_have_the_shape_we_read(shared_data):
    found = 0
    for path in sorted((shared_data / "slack").glob("*.json")):
        body = json.loads(path.read_text(encoding="utf-8"))
        if path.name == "view_submission-02.json":
            continue  # of a form without any field, as none of ours is
        if isinstance(body, dict) and body.get("type") in ("block_actions", "view_submission", "event_callback"):
            found += 1
            assert well_formed(body), path.name
    assert found, "there are payloads to look at"


def test_a_body_is_read_no_further_than_any_of_slacks(listener):
    """An unsigned sender fills no memory: the listener answers while he still sends."""
    taken = []

    async def receive():
        taken.append(1)
        return {"type": "http.request", "body": b"x" * 100_000, "more_body": len(taken) < 1_000}

    answers = []

    async def answer(message):
        answers.append(message)

    scope = {
        "type": "http", "http_version": "1.1", "method": "POST", "path": serving.PATH, "raw_path": b"", "root_path": "", "scheme": "http",
        "query_string": b"", "headers": [], "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 2),
    }  # fmt: skip
    asyncio.run(serving.asgi(app.build_app(listener.office), SECRET)(scope, receive, answer))
    assert answers[0]["status"] == 401 and len(taken) * 100_000 <= serving.LONGEST_BODY + 200_000
