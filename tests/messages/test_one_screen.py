"""A card fits one screen of a phone, however much is known; what it leaves out stands under Why."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from credit_review.audit import canonical
from credit_review.messages.card import APPROVE, REJECT, WHY, card, in_full
from credit_review.messages.gathering import Company, view_of
from credit_review.messages.screen import SCREEN, height_of
from credit_review.messages.why import why
from credit_review.model.states import Verdict
from credit_review.review.counter import CounterOffer
from credit_review.words import ENGLISH, words_for
from deployments.slack_sandbox import block_kit
from tests.review.decision_world import NOON, TODAY, World, digest_of
from tests.slack.test_in_sandbox import text, whole

CHINESE = words_for(language="zh_CN", zone="Asia/Shanghai")
LANGUAGES = (ENGLISH, CHINESE)
REASONS = ["share of open items past due", "days sales outstanding", "utilisation of the limit", "length of the business relationship"]
QUESTION = "Why no accounts for 2025, and what of the orders that would stop if we cut the limit to half of what it is?"
SEASON = "Season orders need more than half again until spring. " * 10
ANSWER = "They arrived today: equity 1.2 million, no remarks of the auditor. Orders of 12,000 EUR moved to prepayment; the customer agrees."


def note(kind, by, words):
    return {"kind": kind, "by": by, "at": NOON.isoformat(), "text": words, "sha256": ""}


def full(customer, to, had, *notes, **more):
    """A proposal about which everything is known that a card can say."""
    fields = whole(customer, to, had, {"name": "Harbour & Söhne Shipping GmbH"})
    packet = json.loads(fields["packet_json"])
    packet |= {"reasons": REASONS, "exceptional": ["missing_data", "top_exposure"], "terms_days": 14, "blocked_orders_minor": 12_000_00}
    body = canonical({**packet, "notes": list(notes), **more})
    return {**fields, "packet_json": body, "digest": digest_of(body), "terms_days": 14}


@pytest.fixture
def world(sqlite_store):
    return World(sqlite_store)


def fresh(world, customer, to, had, **more):
    """What replaces a proposal once a question was answered, policy and matrix having changed meanwhile."""
    asked, answered = note("question", "p-cfo", QUESTION), note("comment", "p-analyst", ANSWER)
    before = {"proposal_id": f"pr-before-{customer}", "state": "superseded"}
    old = world.propose(customer, to=to, had=had, **full(customer, to, had, asked), **before)
    new = {"policy": "q" * 64, "authority": "b" * 64, "exposure_minor": 41_000_00, **more}
    return world.propose(customer, to=to, had=had, supersedes_id=old, **full(customer, to, had, asked, answered, **new))


def offered(world):
    old = world.propose("c-5", to=60_000_00, had=50_000_00, **full("c-5", 60_000_00, 50_000_00, note("comment", "p-analyst", ANSWER)))
    offer = CounterOffer(to_minor=90_000_00, terms_days=30)
    return world.decide("p-controller", old, Verdict.COUNTER, counter=offer, reason=SEASON).successor_id


KINDS = {
    "plain": lambda world: world.propose("c-1", to=60_000_00, had=50_000_00, **full("c-1", 60_000_00, 50_000_00)),
    "rising": lambda world: fresh(world, "c-2", 60_000_00, 50_000_00),
    "reduced": lambda world: fresh(world, "c-3", 25_000_00, 50_000_00, effective_from="2026-10-01"),
    "asked for": lambda world: fresh(world, "c-4", 60_000_00, 50_000_00, request={"reason": SEASON}),
    "offered": offered,
}


def seen(world, proposal, words, reader="p-cfo"):
    with world.store.read() as uow:
        return view_of(uow, proposal, Company(words), NOON, reader_id=reader)


@pytest.mark.parametrize("words", LANGUAGES, ids=["en", "zh_CN"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_card_fits_one_screen_and_why_says_the_rest(world, kind, words):
    view = seen(world, KINDS[kind](world), words)
    shown, rest = card(view), in_full(view)
    assert height_of(shown.blocks) <= SCREEN
    said = text(shown.blocks)
    for fact in ("50,000 EUR", "Harbour", "30,000 EUR", "40,000 EUR" if kind in ("plain", "offered") else "41,000 EUR"):
        assert fact in said, fact
    modal = why(view.proposal, "ask", None, words, rest)
    assert block_kit.problems_of_view(dict(modal), kinds=("modal", "home")) == []
    everything = text(modal["blocks"])
    for fact in (words.say("DSO 47 days, 40 at the last review") if words is ENGLISH else "应收账款周转天数 47", view.proposal.proposal_id):
        assert fact in everything, fact
    for one in json.loads(view.proposal.packet_json)["notes"]:
        assert one["text"] in everything


def test_what_changed_stands_first_and_the_newest_word_below_it(world):
    blocks = card(seen(world, KINDS["rising"](world), ENGLISH)).blocks
    assert text(blocks[1]).index("Changed") and "policy; authority matrix; exposure 40,000 EUR to 41,000 EUR" in text(blocks[1])
    assert "They arrived today" in text(blocks[2]) and "Why no accounts" not in text(blocks)


def test_an_override_is_offered_to_approve_as_it_is_or_to_reject_and_says_what_then(world):
    view = replace(seen(world, KINDS["plain"](world), ENGLISH, reader="p-manager"), begins=TODAY)
    blocks = card(view).blocks
    offered = [one["action_id"] for block in blocks if block["type"] == "actions" for one in block["elements"]]
    assert offered == [APPROVE, REJECT, WHY]
    assert "before its approval; rejected, or not approved in time, it is taken back" in text(blocks)


def test_where_little_is_known_nothing_is_left_out(world):
    proposal = world.propose("c-1", **whole("c-1", 60_000_00, 50_000_00, {}))
    said = text(card(seen(world, proposal, ENGLISH)).blocks)
    for fact in ("DSO 47 days", "insured and secured 10,000 EUR", "share of open items past due", "because you hold T1", proposal):
        assert fact in said, fact


def test_a_decided_card_is_a_record_and_leaves_nothing_out(world):
    proposal = KINDS["rising"](world)
    world.decide("p-controller", proposal, Verdict.REJECT, reason="No.", reason_code="other")
    said = text(card(seen(world, proposal, ENGLISH)).blocks)
    assert QUESTION in said and ANSWER in said and all(reason in said for reason in REASONS)
