"""The limit in force from all layers: what it never exceeds, half-open days, and what each layer has to do with it."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from credit_review.limits.layer_words import what_it_does
from credit_review.limits.layers import ALL, SECURITY, Effect, LayerLimit, limit_on, run_of, span_of, spans
from credit_review.model.states import Layer

DAY = date(2026, 9, 30)


def layer(kind, amount, *, key="", **given):
    return LayerLimit(layer=kind, key=key or f"{kind}-{given.get('scope', ALL)}", amount_minor=amount, **{"effective_from": DAY} | given)


def effects(found):
    return {line.limit.key: str(line.effect) for line in found.lines}


DAYS = st.integers(-3, 3).map(lambda n: DAY + timedelta(days=n))
ROWS = st.builds(
    lambda kind, amount, start, length, version, scope, taken, ppm, key: layer(
        kind,
        amount,
        key=f"{kind}-{key}-{scope}",
        effective_from=start,
        effective_to=None if length is None else start + timedelta(days=length),
        version=version,
        scope=scope,
        taken_minor=taken,
        covered_ppm=ppm,
    ),
    st.sampled_from([*Layer, SECURITY]),
    st.none() | st.integers(0, 1000),
    DAYS,
    st.none() | st.integers(1, 4),
    st.integers(1, 3),
    st.sampled_from([ALL, "DE01", "FR01"]),
    st.none() | st.integers(0, 500),
    st.sampled_from([1_000_000, 900_000, 333_333]),
    st.sampled_from("ab"),
)
LAYERS = st.lists(ROWS, max_size=9, unique_by=lambda row: (row.layer, row.key, row.version))
ENTITIES = st.sampled_from([ALL, "DE01"])


@given(found=LAYERS, day=DAYS, entity=ENTITIES)
def test_no_layer_lifts_the_limit_above_what_is_granted_or_above_a_bound_in_force(found, day, entity):
    now = limit_on(found, day, entity=entity)
    held = [line.limit for line in now.lines if line.effect not in (Effect.LATER, Effect.OVER, Effect.REPLACED, Effect.NONE)]
    grants = [row.amount_minor for row in held if row.layer in (Layer.BASE, Layer.TEMPORARY)]
    asked = [row for row in held if row.scope in (ALL, entity)]
    bounds = [row.free_minor for row in asked if row.layer in (Layer.CEILING, Layer.SEGMENT, Layer.GROUP)]
    if now.amount_minor is not None:
        assert now.amount_minor <= sum(grants) and now.amount_minor <= min([10**9, *bounds])
    without = limit_on([row for row in found if row.layer in (Layer.BASE, Layer.TEMPORARY)], day, entity=entity)
    assert (now.amount_minor is None) == (without.amount_minor is None)
    assert now.amount_minor is None or now.amount_minor <= without.amount_minor
    assert 0 <= now.own_risk_minor <= (now.amount_minor or 0)


@given(found=LAYERS, day=DAYS, entity=ENTITIES, order=st.randoms(use_true_random=False))
def test_the_order_in_which_layers_are_given_does_not_matter(found, day, entity, order):
    other = list(found)
    order.shuffle(other)
    assert limit_on(other, day, entity=entity) == limit_on(found, day, entity=entity)


@given(found=LAYERS, day=DAYS, entity=ENTITIES)
def test_spans_say_of_every_day_what_the_limit_is_on_that_day(found, day, entity):
    now, span = limit_on(found, day, entity=entity), span_of(spans(found, entity=entity), day)
    assert (now.amount_minor, now.own_risk_minor) == ((span.amount_minor, span.own_risk_minor) if span else (None, 0))


@pytest.mark.parametrize(("days", "amount"), [(-1, 100), (0, 150), (9, 150), (10, 100)])
def test_a_temporary_limit_stands_from_its_first_day_to_the_day_before_its_last_and_reverts_by_itself(days, amount):
    base = layer(Layer.BASE, 100, effective_from=date(2026, 1, 1))
    for_a_while = layer(Layer.TEMPORARY, 150, effective_to=DAY + timedelta(days=10))
    assert limit_on([base, for_a_while], DAY + timedelta(days=days)).amount_minor == amount


def test_a_base_limit_raised_above_a_temporary_one_is_not_held_down_by_it():
    found = limit_on([layer(Layer.BASE, 200), layer(Layer.TEMPORARY, 150)], DAY)
    assert (found.amount_minor, effects(found)) == (200, {"base-ALL": "grants", "temporary-ALL": "beside"})


def test_a_group_limit_is_a_shared_pool_of_which_the_others_have_taken_their_part():
    found = limit_on([layer(Layer.BASE, 500), layer(Layer.GROUP, 1000, taken_minor=700)], DAY)
    assert (found.amount_minor, effects(found)["group-ALL"]) == (300, "binds")
    assert limit_on([layer(Layer.BASE, 500), layer(Layer.GROUP, 1000, taken_minor=1200)], DAY).amount_minor == 0


def test_of_equal_bounds_the_first_in_the_precedence_is_named():
    found = limit_on([layer(Layer.BASE, 500), layer(Layer.SEGMENT, 300), layer(Layer.CEILING, 300)], DAY)
    assert effects(found) == {"base-ALL": "grants", "ceiling-ALL": "binds", "segment-ALL": "slack"}


def test_a_legal_entity_s_limit_bounds_its_own_sales_and_adds_up_where_nothing_is_kept_for_all():
    german, french, whole = layer(Layer.BASE, 60, scope="DE01"), layer(Layer.BASE, 50, scope="FR01"), layer(Layer.BASE, 100)
    assert limit_on([german, french], DAY).amount_minor == 110
    assert limit_on([german, french], DAY, entity="DE01").amount_minor == 60
    found = limit_on([german, french, whole], DAY, entity="DE01")
    assert (found.amount_minor, effects(found)) == (60, {"base-ALL": "grants", "base-DE01": "binds", "base-FR01": "apart"})
    assert limit_on([german, french, whole], DAY).amount_minor == 100


def test_a_bound_grants_nothing_where_no_limit_is_on_file_and_a_limit_of_nothing_is_a_limit():
    assert limit_on([layer(Layer.CEILING, 100)], DAY).amount_minor is None
    assert limit_on([layer(Layer.BASE, 0)], DAY).amount_minor == 0
    assert effects(limit_on([layer(Layer.BASE, None)], DAY)) == {"base-ALL": "none"}


def test_own_risk_is_what_neither_insurer_nor_guarantor_bears():
    """Reference formulas 3.1: limit 100k of which 60k insured in full leaves 40k."""
    assert limit_on([layer(Layer.BASE, 100_000), layer(Layer.INSURED, 60_000)], DAY).own_risk_minor == 40_000
    half = layer(SECURITY, 20_000, covered_ppm=500_000)
    found = limit_on([layer(Layer.BASE, 100_000), layer(Layer.INSURED, 60_000, covered_ppm=900_000), half], DAY)
    assert (found.insured_minor, found.secured_minor, found.own_risk_minor) == (54_000, 10_000, 36_000)


def test_cover_whose_conditions_do_not_hold_covers_nothing_and_says_so():
    found = limit_on([layer(Layer.BASE, 100), layer(Layer.INSURED, 60, stopped="terms are longer")], DAY)
    assert (found.own_risk_minor, effects(found)["insured-ALL"]) == (100, "stopped")


def test_a_new_version_replaces_the_one_before_from_its_own_day_on():
    old, new = layer(Layer.BASE, 100), layer(Layer.BASE, 40, version=2, effective_from=DAY + timedelta(days=5))
    assert [s.amount_minor for s in spans([new, old])] == [100, 40]
    assert effects(limit_on([old, replace(new, key="base-2", layer=Layer.CEILING)], DAY)) == {"base-ALL": "grants", "base-2": "later"}


def test_a_layer_that_has_ended_is_not_called_a_limit_that_is_not_on_file():
    now = limit_on([layer(Layer.BASE, 500), layer(Layer.TEMPORARY, None)], DAY)
    said_of = {line.limit.layer: str(what_it_does(line, "EUR")) for line in now.lines}
    assert said_of == {Layer.BASE: "the limit starts from it", Layer.TEMPORARY: "ended: nothing stands in its place"}
    (base,) = limit_on([layer(Layer.BASE, None)], DAY).lines
    assert str(what_it_does(base, "EUR")) == "no limit on file"


def test_cover_that_ends_changes_own_risk_and_leaves_the_days_of_the_limit_alone():
    insured_until, lowered = DAY + timedelta(days=5), DAY + timedelta(days=9)
    base, lower = layer(Layer.BASE, 100), layer(Layer.BASE, 40, version=2, effective_from=lowered)
    found = spans([base, lower, layer(Layer.INSURED, 60, effective_to=insured_until)])
    assert [span.since for span in found] == [DAY, insured_until, lowered]
    for day in (DAY, insured_until):
        assert run_of(found, day, lambda span: span.amount_minor) == (DAY, lowered)
    assert run_of(found, insured_until, lambda span: span.own_risk_minor) == (insured_until, lowered)
    assert run_of(found, lowered, lambda span: span.amount_minor) == (lowered, None)
    assert run_of(found, DAY - timedelta(days=1), lambda span: span.amount_minor) is None
