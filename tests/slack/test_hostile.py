"""What others wrote stays text, and what others send is refused, however hostile the name and however broken the request."""

from __future__ import annotations

import json
import random
import unicodedata
import urllib.error
import urllib.request
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from slack_sdk.signature import SignatureVerifier

from credit_review import audit
from credit_review.authority import judge
from credit_review.messages import notices
from credit_review.messages.card import View, card
from credit_review.messages.text import escaped
from credit_review.model.states import Assurance
from credit_review.review.standing import gather
from credit_review.words import ENGLISH
from deployments.slack_sandbox import block_kit
from tests.review.decision_world import MATRIX, NOON, World, digest_of
from tests.slack.test_in_sandbox import whole
from tests.slack.test_listener import listener, slack

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
    assert block_kit.problems_of_blocks(shown) == []
    for one in texts(shown):
        assert one["type"] != "mrkdwn"
        hidden = {unicodedata.category(c) for c in one["text"].replace("\n", "")} & {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
        assert not hidden, one["text"]
    for mark in "<>*_~`|":
        assert mark not in message.text
    assert "&" not in message.text.replace("&amp;", "").replace("&lt;", "").replace("&gt;", "") and "://" not in message.text


@settings(max_examples=300, deadline=None)
@given(name=HOSTILE, reason=HOSTILE)
def test_nothing_others_wrote_survives_as_markup(view, name, reason):
    assert_nothing_survives(card(with_texts(view, name, reason)))
    assert_nothing_survives(notices.answer(name + reason))


@pytest.mark.soak
def test_fifty_thousand_names_leave_no_markup(view):
    dice = random.Random(20261124)
    for _ in range(50_000):
        parts = [_part(dice) for _ in range(dice.randrange(12))]
        assert_nothing_survives(card(with_texts(view, "".join(parts), "".join(reversed(parts)))))


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
    answers = {send(listener.url, *broken(dice)) for _ in range(count)}
    assert answers == {401}
    assert listener.world.proposal(proposal).state == "pending"
