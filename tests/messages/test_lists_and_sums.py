"""Lists and summaries: what they ask in, in which order, and in which currency they compare."""

from __future__ import annotations

import pytest

from credit_review.limits.own_risk import own_risk_if_used
from credit_review.messages.card import asked
from credit_review.messages.digest import Listing, chosen, digest
from credit_review.messages.gathering import Company, sizes_of, summary_of
from credit_review.messages.summary import summary
from credit_review.model.records import Proposal
from credit_review.words import ENGLISH, words_for
from tests.review.decision_world import NOON, World
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


@pytest.mark.parametrize(
    ("limit", "expected"),
    [(15_000, 23_355), (None, 23_355), (30_000, 30_000)],
)
def test_own_risk_is_never_less_than_what_is_owed_already(limit, expected):
    assert own_risk_if_used(limit, exposure_minor=23_355, own_risk_minor=23_355) == expected
    assert own_risk_if_used(limit, exposure_minor=23_355, own_risk_minor=20_355) == expected - 3_000
