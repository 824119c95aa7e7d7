"""Lists and summaries: what they ask in, in which order, and in which currency they compare."""

from __future__ import annotations

import json

import pytest

from credit_review.audit import canonical
from credit_review.limits.own_risk import own_risk_if_used
from credit_review.messages.card import asked, asked_briefly, card
from credit_review.messages.digest import Listing, chosen, digest
from credit_review.messages.gathering import Company, sizes_of, summary_of, view_of
from credit_review.messages.summary import summary
from credit_review.model.records import Proposal
from credit_review.model.states import Verdict
from credit_review.review.counter import CounterOffer
from credit_review.words import ENGLISH, words_for
from tests.review.decision_world import NOON, World, digest_of
from tests.slack.test_in_sandbox import text, whole

COMPANY = Company(ENGLISH)
CHINESE = words_for(language="zh_CN", zone="Asia/Shanghai")


@pytest.fixture
def world(store):
    world = World(store)
    world.rate("EUR", "JPY", "160")
    return world


def propose(world, customer, to, had, **fields):
    return world.propose(customer, to=to, had=had, **whole(customer, to, had, fields))


def names_in_order(world, listing, proposals):
    with world.store.read() as uow:
        found = [world.proposal(p) for p in proposals]
        return [p.customer_id for p in chosen(found, listing, sizes_of(uow, found, COMPANY, NOON))]


def some(world):
    return [
        propose(world, "cut", 0, 250_000_00),
        propose(world, "up", 60_000_00, 50_000_00),
        propose(world, "yen", 4_800_000, 1_600_000, currency="JPY"),  # 30,000 EUR
        propose(world, "dollar", 90_000_00, 80_000_00, currency="USD"),  # no rate
    ]


def test_lists_rank_by_the_larger_limit_in_control_currency_and_put_what_has_no_rate_first(world):
    assert names_in_order(world, Listing(review="r-1"), some(world)) == ["dollar", "cut", "up", "yen"]


@pytest.mark.parametrize(("band", "found"), [("small", ["dollar", "yen"]), ("middle", ["dollar", "up"]), ("large", ["dollar", "cut"])])
def test_filters_by_amount_compare_in_control_currency_and_say_so(world, band, found):
    proposals = some(world)
    assert names_in_order(world, Listing(review="r-1", band=band), proposals) == found
    with world.store.read() as uow:
        mine = [world.proposal(p) for p in proposals]
        shown = text(
            digest(mine, Listing(review="r-1"), ENGLISH, label="2026Q3", together=(), sizes=sizes_of(uow, mine, COMPANY, NOON)).blocks
        )
    assert "below 50,000 EUR" in shown and "250,000 EUR and more" in shown and "by the larger of limit before and after in EUR" in shown


def test_a_summary_adds_up_in_control_currency_and_ranks_movements_by_it(world):
    some(world)
    with world.store.read() as uow:
        found = summary_of(uow, "r-1", COMPANY, NOON)
    sums = {(m.direction, m.currency): (m.count, m.before_minor, m.after_minor) for m in found.moved}
    assert sums == {
        ("down", "EUR"): (1, 250_000_00, 0),
        ("up", "EUR"): (2, 60_000_00, 90_000_00),
        ("up", "USD"): (1, 80_000_00, 90_000_00),
    }
    assert [p.customer_id for p, _ in found.largest] == ["dollar", "cut", "yen", "up"]
    assert "3 customers: 310,000 EUR to 90,000 EUR" in text(summary(found, ENGLISH).blocks)


def test_what_changes_only_terms_is_asked_in_terms_and_a_cut_says_its_terms_too(world):
    only = propose(world, "c-1", 50_000_00, 50_000_00, terms_days=0)
    both = propose(world, "c-2", 20_000_00, 50_000_00, terms_days=0)
    terms, cut = (asked(world.one(Proposal, proposal_id=p), "X", ENGLISH) for p in (only, both))
    assert terms == "X (c-1): terms 30 days to 0 days, limit stays 50,000 EUR"
    assert cut == "X (c-2): 50,000 EUR to 20,000 EUR (-60%, -30,000 EUR), terms 30 days to 0 days"
    assert (
        asked(world.one(Proposal, proposal_id=both), "X", CHINESE)
        == "X (c-2)：50,000 EUR 调整为 20,000 EUR（-60%，-30,000 EUR），付款条件由 30 天 变为 0 天"
    )


def test_one_of_many_is_asked_briefly_with_the_currency_once_and_the_change_in_percent(world):
    asks = {
        "up": propose(world, "up", 60_000_00, 50_000_00),
        "cut": propose(world, "cut", 0, 250_000_00, terms_days=0),
        "zero": propose(world, "zero", 5_000_00, 0),
        "yen": propose(world, "yen", 4_800_000, 1_600_000, currency="JPY"),
        "first": propose(world, "first", 5_000_00, None),
        "terms": propose(world, "terms", 50_000_00, 50_000_00, terms_days=0),
    }
    said = {name: asked_briefly(world.one(Proposal, proposal_id=p), "X", ENGLISH) for name, p in asks.items()}
    assert said == {
        "up": "X (up): 50,000 to 60,000 EUR (+20%)",
        "cut": "X (cut): 250,000 to 0 EUR (-100%), terms 30 days to 0 days",
        "zero": "X (zero): 0 to 5,000 EUR",
        "yen": "X (yen): 1,600,000 to 4,800,000 JPY (+200%)",
        "first": "X (first): first limit 5,000 EUR",
        "terms": "X (terms): terms 30 days to 0 days, limit stays 50,000 EUR",
    }
    cut = world.one(Proposal, proposal_id=asks["cut"])
    assert asked_briefly(cut, "X", CHINESE) == "X (cut)：250,000 调整为 0 EUR（-100%），付款条件由 30 天 变为 0 天"


def test_a_summary_says_first_what_waits_for_its_reader(world):
    some(world)
    with world.store.read() as uow:
        blocks = summary(summary_of(uow, "r-1", COMPANY, NOON, reader_id="p-cfo"), ENGLISH).blocks
    assert "4 proposals wait for a decision" in text(blocks[1:2]) and "0 of them wait for you" in text(blocks[1:2])


def test_a_card_does_not_say_twice_what_its_first_lines_say(world):
    fields = whole("first", 5_000_00, None, {})
    packet = canonical({**json.loads(fields["packet_json"]), "exceptional": ["first_limit", "top_exposure"]})
    proposal = world.propose("first", to=5_000_00, had=None, **{**fields, "packet_json": packet, "digest": digest_of(packet)})
    with world.store.read() as uow:
        shown = text(card(view_of(uow, proposal, COMPANY, NOON, reader_id="p-cfo")).blocks)
    assert "first limit 5,000 EUR" in shown and "Needs a person: belongs to one of the largest" in shown
    assert "none was on file" not in shown and shown.lower().count("own risk") == 1


def test_who_is_asked_about_a_counter_offer_reads_its_reason_which_stands_in_no_packet(world):
    proposal = propose(world, "up", 60_000_00, 50_000_00)
    offer = {"counter": CounterOffer(to_minor=70_000_00), "reason": "Season orders."}
    successor = world.decide("p-manager", proposal, Verdict.COUNTER, **offer).successor_id
    with world.store.read() as uow:
        blocks = card(view_of(uow, successor, COMPANY, NOON, reader_id="p-cfo")).blocks
    assert "“Season orders.”" in text(blocks) and "Manager" in text(blocks)
    assert "Season" not in world.proposal(successor).packet_json


@pytest.mark.parametrize(
    ("limit", "expected"),
    [(15_000, 23_355), (None, 23_355), (30_000, 30_000)],
)
def test_own_risk_is_never_less_than_what_is_owed_already(limit, expected):
    assert own_risk_if_used(limit, exposure_minor=23_355, own_risk_minor=23_355) == expected
    assert own_risk_if_used(limit, exposure_minor=23_355, own_risk_minor=20_355) == expected - 3_000
