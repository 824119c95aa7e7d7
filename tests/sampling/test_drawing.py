"""Drawing: the same seed gives the same sample to anybody, every method keeps its promise, and a frozen population is read as written."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from decimal import Decimal

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from populations import changes, item, plan, populations

from credit_review.errors import BadInput
from credit_review.sampling.drawing import Method, Plan, draw
from credit_review.sampling.population import digest, from_csv, to_csv
from credit_review.sampling.sizes import Frequency, poisson_size

METHODS = st.sampled_from([Method.ATTRIBUTE, Method.MONETARY_UNIT, Method.STRATIFIED, Method.TARGETED])


@settings(deadline=None)
@given(items=populations, method=METHODS, seed=st.text(max_size=20), data=st.data())
def test_the_same_seed_draws_the_same_sample_in_whatever_order_the_population_comes(items, method, seed, data):
    assume(method != Method.MONETARY_UNIT or any(one.amount_minor for one in items))
    one = plan(method, seed, by="tier")
    drawn = draw(items, one)
    assert draw(data.draw(st.permutations(items)), one) == drawn and drawn.drawn
    assert len(set(drawn.drawn)) == len(drawn.drawn) and set(drawn.drawn) <= set(items)


def test_an_attribute_sample_is_drawn_as_the_documentation_says_with_nothing_but_sha256():
    items = changes(4_210)
    drawn = draw(items, plan(seed="dice 4 2 6"))
    by_hand = sorted((hashlib.sha256(f"dice 4 2 6\n{one.item}".encode()).hexdigest(), one.item) for one in items)[:59]
    assert [one.item for one in drawn.drawn] == [key for _, key in by_hand]


def test_another_seed_draws_another_sample_and_every_item_has_its_chance():
    items = changes(60)
    half = plan(tolerable=Decimal("0.20"))
    seen = Counter(one.item for seed in range(400) for one in draw(items, plan(seed=str(seed), tolerable=half.tolerable)).drawn)
    size = len(draw(items, half).drawn)
    assert len(seen) == 60 and all(0.6 < count / (400 * size / 60) < 1.5 for count in seen.values())


def test_a_larger_sample_of_the_same_seed_begins_with_the_smaller_one():
    items = changes(500)
    small, large = draw(items, plan(tolerable=Decimal("0.10"))), draw(items, plan())
    assert len(small.drawn) < len(large.drawn) and large.drawn[: len(small.drawn)] == small.drawn


@settings(deadline=None)
@given(items=populations, seed=st.text(max_size=5), tolerable=st.integers(10, 500).map(lambda n: Decimal(n) / 1000))
def test_every_item_of_an_interval_or_more_is_in_a_monetary_unit_sample_and_none_of_nothing(items, seed, tolerable):
    assume(any(one.amount_minor for one in items))
    drawn = draw(items, plan(Method.MONETARY_UNIT, seed, tolerable=tolerable))
    step = drawn.interval_minor
    assert {one for one in items if one.amount_minor >= step} <= set(drawn.drawn)
    assert all(one.amount_minor for one in drawn.drawn)
    before, hits = 0, {}
    for one in items:
        first = drawn.start_minor + max(0, -(-(before + 1 - drawn.start_minor) // step)) * step
        hits[one.item] = len(range(first, before + one.amount_minor + 1, step))
        before += one.amount_minor
    assert {key: count for key, count in hits.items() if count} == dict(drawn.hits)
    assert abs(sum(hits.values()) - before / step) <= 1 and 1 <= drawn.start_minor <= step


@settings(deadline=None)
@given(items=populations, tolerable=st.integers(20, 500).map(lambda n: Decimal(n) / 1000))
def test_a_stratified_sample_takes_of_every_stratum_at_least_its_share(items, tolerable):
    drawn = draw(items, plan(Method.STRATIFIED, by="tier", tolerable=tolerable))
    size = poisson_size(len(items), confidence=Decimal("0.95"), tolerable=tolerable)
    sizes = Counter(one.tier for one in items)
    for name, stratum in drawn.strata.items():
        assert stratum.items == sizes[name] and stratum.drawn == sum(one.tier == name for one in drawn.drawn) >= 1
        assert stratum.drawn * len(items) >= size * stratum.items
    assert set(drawn.strata) == set(sizes) and size <= len(drawn.drawn) <= size + len(sizes)


def test_a_targeted_sample_is_what_was_asked_for_largest_first():
    items = [item(n, n * 100, approvers="p-1|p-2" if n % 2 else "p-3", direction="up" if n > 4 else "down") for n in range(10)]
    drawn = draw(items, plan(Method.TARGETED, where=(("approvers", "p-2"), ("direction", "up")), largest=2)).drawn
    assert [one.seq for one in drawn] == [9, 7]
    with pytest.raises(BadInput, match="no item is what"):
        draw(items, plan(Method.TARGETED, where=(("approvers", "p"),)))
    with pytest.raises(BadInput, match="cannot be picked by 'leaf'"):
        draw(items, plan(Method.TARGETED, where=(("leaf", "x"),)))


def test_a_control_is_sampled_by_how_often_it_runs_where_that_is_asked_for():
    assert len(draw(changes(300), plan(frequency=Frequency.DAILY)).drawn) == 25
    assert len(draw(changes(1), plan(frequency=Frequency.QUARTERLY)).drawn) == 1


def test_a_monetary_unit_sample_is_of_one_currency():
    items = [item(1), item(2, currency="USD")]
    with pytest.raises(BadInput, match="EUR, USD"):
        draw(items, plan(Method.MONETARY_UNIT))
    drawn = draw(items, plan(Method.MONETARY_UNIT, currency="USD"))
    assert [one.seq for one in drawn.drawn] == [2] and (drawn.currency, drawn.population) == ("USD", 1)
    with pytest.raises(BadInput, match="in CHF"):
        draw(items, plan(currency="CHF"))


@pytest.mark.parametrize(
    ("items", "asked", "words"),
    [
        ([], plan(), "population is empty"),
        ([item(1), item(2, item="c-1")], plan(), "twice"),
        ([item(1, 0)], plan(Method.MONETARY_UNIT), "no amounts"),
        ([item(1)], plan(Method.STRATIFIED, by="leaf"), "makes no strata"),
    ],
)
def test_what_cannot_be_sampled_is_said(items, asked, words):
    with pytest.raises(BadInput, match=words):
        draw(items, asked)


@settings(deadline=None)
@given(items=populations)
def test_a_frozen_population_is_read_as_it_was_written_and_has_one_digest_in_any_order(items):
    text = to_csv(items)
    assert from_csv(text, name="population.csv") == items and to_csv(from_csv(text, name="population.csv")) == text
    assert digest(to_csv(items[::-1])) == digest(text) == hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize(("old", "new"), [("100", "one hundred"), ("seq,leaf", "leaf,seq")])
def test_a_population_that_is_none_is_named_by_file_and_line(old, new):
    with pytest.raises(BadInput, match=r"population\.csv"):
        from_csv(to_csv([item(1, 100)]).replace(old, new, 1), name="population.csv")


def test_a_plan_is_read_as_it_was_recorded():
    one = plan(Method.TARGETED, where=(("approvers", "p-1"),), largest=3, frequency=Frequency.WEEKLY, expected=Decimal("0.01"))
    assert Plan.read(json.loads(json.dumps(one.facts()))) == one and Plan.read(json.loads(json.dumps(plan().facts()))) == plan()
    for broken in ({}, {**one.facts(), "method": "by feel"}, {**one.facts(), "confidence": "high"}, {**one.facts(), "more": 1}):
        with pytest.raises(BadInput, match="no plan"):
            Plan.read(broken)
