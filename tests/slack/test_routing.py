"""However many proposals are released, and however Slack behaves: each reaches everybody it was put before, once."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest

from credit_review import messages, policy
from credit_review.adapters import slack_chat
from credit_review.documents import parse
from credit_review.model.records import Addressee, LimitAccount, OutboxEntry, Proposal, SlackMessage
from credit_review.review import turns
from credit_review.review.addressing import Destinations
from credit_review.review.naming import account_id
from credit_review.review.relay import Outside, relay
from credit_review.review.release import Analyst, release
from credit_review.review.route import Rules
from credit_review.words import ENGLISH
from tests.review.decision_world import MATRIX, NOON, POLICY_TEXT, TODAY, World, os_account, proposal, review
from tests.slack.test_in_sandbox import PEOPLE, user, whole, workspace  # noqa: F401  a fixture

# ruff: noqa: F811  the fixture's name

SIZES = (40_000_00, 200_000_00, 800_000_00)
"""Amounts that three different tiers decide, the largest by two people."""
FEW, LOT = 15, 100
"""Of each review a few are released first, and come as cards; the rest makes lists."""
FAULTS = ({"status": 429, "retry_after": 30}, {"status": 500, "after": True}, {"status": 503}, {"error": "fatal_error"})


@pytest.fixture
def office(store, clock, workspace, monkeypatch):
    """Three tiers, two of whose holders have delegates, each with an account in the stand-in."""
    clock.set(NOON)
    workspace.reset()
    monkeypatch.setattr(turns, "SECONDS_A_MESSAGE", 0.0)
    world = World(store)
    world.write(*(os_account(f"T1|{user(p)}", p, kind="slack") for p in PEOPLE))
    world.delegate("p-controller", "p-deputy")
    world.delegate("p-manager", "p-chair")
    return world


def drafts(world, count):
    """Ids of new drafts by review, each of a customer of its own."""
    made = {}
    for start in range(0, count, LOT):
        key = f"r-many-{start:05}"
        customers = [f"c-{n:05}" for n in range(start, min(start + LOT, count))]
        found = [_draft(customer, SIZES[n % len(SIZES)], key) for n, customer in enumerate(customers)]
        with world.store.begin(interactive=False) as uow:
            uow.add(replace(review(), review_id=key, label=key, scope=key))
            uow.add(*(account for account, _ in found))
            uow.add(*(one for _, one in found))
            uow.commit()
        made[key] = [one.proposal_id for _, one in found]
    return made


def _draft(customer, to, key):
    account = LimitAccount(
        account_id=account_id("customer", customer, "ALL", "base", "EUR"),
        subject_kind="customer",
        subject_id=customer,
        legal_entity="ALL",
        layer="base",
        currency="EUR",
    )
    shown = {**whole(customer, to, None, {}), "review_id": key, "state": "draft", "expires_at": None}
    return account, proposal(customer, account.account_id, None, to, "EUR", **shown)


def let_go(world, reviews):
    rules = Rules(policy=policy.load(parse(POLICY_TEXT, name="policy.yaml")), matrix=MATRIX, to=Destinations(direct=True))
    analyst = Analyst(person_id="p-analyst", now=NOON, today=TODAY)
    for ids in reviews.values():
        for part in (ids[:FEW], ids[FEW:]):
            if part:
                with world.store.begin(interactive=False) as uow:
                    release(uow, part, rules, analyst)
                    uow.commit()


def relay_through_faults(world, workspace, clock):
    """Runs the relay until nothing is owed; the first runs each meet a fault somewhere on the way."""
    chat = slack_chat.SlackChat(slack_chat.web_client("xoxb-sandbox", workspace.api_url))
    outside = Outside(chat=chat, render=messages.renderer(clock, messages.Company(ENGLISH)), teams=("T1",), owner_id="p-analyst")
    for run in range(200):
        clock.set(NOON + timedelta(minutes=10 * run))
        if run < 40:
            workspace.fail("chat.postMessage", **FAULTS[run % len(FAULTS)])
        relay(world.store, outside, clock, worker="w-1")
        if not world.find(OutboxEntry, kind=("slack_post", "slack_update"), state=("queued", "leased"), limit=1):
            return
    raise AssertionError("the relay never came to an end")


@pytest.mark.parametrize("count", [90, pytest.param(10_000, marks=pytest.mark.soak)])
def test_every_released_proposal_reaches_everybody_it_was_put_before_and_each_message_arrives_once(count, office, workspace, clock):
    reviews = drafts(office, count)
    let_go(office, reviews)
    relay_through_faults(office, workspace, clock)
    ids = {i for part in reviews.values() for i in part}
    put_before = office.find(Addressee)
    assert {p.proposal_id for p in office.find(Proposal, state="pending")} == {a.proposal_id for a in put_before} == ids
    assert {a.person_id for a in put_before} == {"p-controller", "p-deputy", "p-manager", "p-chair", "p-cfo", "p-ceo"}
    assert not office.find(OutboxEntry, kind=("slack_post", "slack_update"), state="parked")

    shown = {(m.subject, m.address) for m in office.find(SlackMessage)}
    cards = {(a.proposal_id, a.person_id) for a in put_before if (f"proposal:{a.proposal_id}", f"@{a.person_id}") in shown}
    listed = {(a.proposal_id, a.person_id) for a in put_before if (f"digest:{a.review_id}", f"@{a.person_id}") in shown}
    assert cards | listed == {(a.proposal_id, a.person_id) for a in put_before}, "nobody is without any of his proposals"
    assert cards and listed - cards

    for person in {a.person_id for a in put_before}:
        seen = [m["metadata"]["event_payload"]["dedup_key"] for m in workspace.person(user(person)).direct()]
        owed = [r.dedup_key for r in office.find(OutboxEntry, kind="slack_post") if json.loads(r.payload_json)["address"] == f"@{person}"]
        assert Counter(seen) == Counter(owed), "each message once"
