"""Sizes, limits and projections against printed tables and against definitions written out by hand."""

from __future__ import annotations

from decimal import Decimal
from math import ceil, comb

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from credit_review.errors import BadInput
from credit_review.sampling import sizes
from credit_review.sampling.projection import stringer
from credit_review.sampling.sizes import Frequency, attribute_size, expansion, factor, interval, poisson_size, upper_rate

ENDLESS = 1_000_000
SURE = st.sampled_from([Decimal(n) / 100 for n in (70, 80, 85, 90, 95, 99)])
RATES = st.integers(10, 300).map(lambda n: Decimal(n) / 1000)


def size(confidence, tolerable, expected="0", population=ENDLESS):
    return attribute_size(population, confidence=Decimal(confidence), tolerable=Decimal(tolerable), expected=Decimal(expected))


@pytest.mark.parametrize(
    ("confidence", "tolerable", "expected", "printed"),
    [
        ("0.95", "0.05", "0", 59),
        ("0.90", "0.10", "0", 22),
        ("0.95", "0.05", "0.01", 93),
        ("0.95", "0.05", "0.0175", 153),
        ("0.95", "0.05", "0.02", 181),
        ("0.95", "0.10", "0.02", 46),
        ("0.90", "0.05", "0.01", 77),
        ("0.90", "0.10", "0.02", 38),
    ],
)
def test_attribute_sizes_are_those_of_the_printed_tables(confidence, tolerable, expected, printed):
    assert size(confidence, tolerable, expected) == printed


def test_25_clean_items_mean_at_most_8_8_percent_at_90_and_11_3_at_95():
    shown = [sizes.percent_up(upper_rate(0, 25, ENDLESS, Decimal(sure))) for sure in ("0.90", "0.95")]
    assert shown == ["8.8%", "11.3%"]


def test_sizes_by_how_often_a_control_runs_are_the_customary_ones():
    assert [sizes.BY_FREQUENCY[one] for one in Frequency] == [1, 2, 3, 5, 25]


def test_poisson_factors_are_the_printed_ones():
    assert [str(factor(n, Decimal("0.95"))) for n in range(4)] == ["3.00", "4.75", "6.30", "7.76"]
    assert [str(factor(n, Decimal("0.90"))) for n in range(4)] == ["2.31", "3.89", "5.33", "6.69"]
    assert str(factor(0, Decimal("0.80"))) == "1.61"


def test_the_monetary_interval_is_precision_over_factor_and_expected_misstatement_narrows_it():
    sure, tolerable = Decimal("0.95"), Decimal("0.05")
    assert interval(2_500_000_00, confidence=sure, tolerable=tolerable) == 125_000_00 // 3
    # n = BV x R / (TM - EM x expansion): 2,500,000 x 3.00 / (125,000 - 25,000 x 1.6) = 88.2
    narrower = interval(2_500_000_00, confidence=sure, tolerable=tolerable, expected=Decimal("0.01"))
    assert narrower == 85_000_00 // 3 and 2_500_000_00 / narrower == pytest.approx(88.2, abs=0.05)


def test_the_upper_limit_without_errors_is_the_interval_times_the_factor():
    assert stringer([], 26_882, Decimal("0.95")) == 80_646
    assert stringer([], 7_538, Decimal("0.90")) == Decimal("17412.78")


def test_taintings_widen_the_upper_limit_largest_first():
    found = stringer([Decimal("0.15"), Decimal(1), Decimal("0.40")], 26_882, Decimal("0.95"))
    by_hand = 26_882 * (Decimal("3.00") + Decimal("1.75") * 1 + Decimal("1.55") * Decimal("0.40") + Decimal("1.46") * Decimal("0.15"))
    assert found == by_hand
    projected = 26_882 * (1 + Decimal("0.40") + Decimal("0.15"))
    basic, widening = 26_882 * 3, 26_882 * (Decimal("0.75") + Decimal("0.55") * Decimal("0.40") + Decimal("0.46") * Decimal("0.15"))
    assert found == basic + projected + widening, "basic precision, projected misstatement and incremental allowance"


@pytest.mark.parametrize(("sure", "widened"), [("0.99", "1.9"), ("0.95", "1.6"), ("0.92", "1.6"), ("0.90", "1.5"), ("0.70", "1.2")])
def test_an_expansion_factor_between_two_of_the_table_is_the_larger(sure, widened):
    assert str(expansion(Decimal(sure))) == widened


def seen(deviations, examined, population, deviating):
    """The chance to see at most so many, counted out."""
    ways = sum(comb(deviating, k) * comb(population - deviating, examined - k) for k in range(deviations + 1))
    return ways / comb(population, examined)


@settings(deadline=None)
@given(population=st.integers(2, 120), sure=SURE, tolerable=RATES)
def test_in_a_small_population_the_size_is_the_smallest_that_shows_it(population, sure, tolerable):
    found = attribute_size(population, confidence=sure, tolerable=tolerable)
    deviating = ceil(tolerable * population)
    risk = float(1 - sure)
    assert found == population or seen(0, found, population, deviating) <= risk + 1e-9
    assert found == 1 or seen(0, found - 1, population, deviating) > risk - 1e-9


@settings(deadline=None)
@given(population=st.integers(2, 120), sure=SURE, data=st.data())
def test_in_a_small_population_the_upper_limit_is_the_largest_number_not_excluded(population, sure, data):
    examined = data.draw(st.integers(1, population))
    deviations = data.draw(st.integers(0, examined))
    found = round(upper_rate(deviations, examined, population, sure) * population)
    risk = float(1 - sure)
    assert deviations <= found <= population - (examined - deviations)
    if found < population - (examined - deviations):
        assert seen(deviations, examined, population, found + 1) <= risk + 1e-9
    if found > deviations:
        assert seen(deviations, examined, population, found) > risk - 1e-9


@settings(deadline=None)
@given(population=st.sampled_from([10, 40, 300, 1_999, 2_000, 4_210, 50_000]), sure=SURE, tolerable=RATES, data=st.data())
def test_a_larger_tolerable_rate_or_less_confidence_never_makes_a_larger_sample(population, sure, tolerable, data):
    expected = data.draw(st.integers(0, 9).map(lambda n: tolerable * n / 20))
    wider = tolerable + data.draw(st.integers(0, 200).map(lambda n: Decimal(n) / 1000))
    less = data.draw(SURE.filter(lambda one: one <= sure))
    for way in (attribute_size, poisson_size):
        found = way(population, confidence=sure, tolerable=tolerable, expected=expected)
        assert way(population, confidence=sure, tolerable=wider, expected=expected) <= found <= population
        assert way(population, confidence=less, tolerable=tolerable, expected=expected) <= found


@settings(deadline=None)
@given(population=st.sampled_from([40, 300, 1_999, 2_000, 4_210]), sure=SURE, tolerable=RATES, data=st.data())
def test_a_sample_of_the_planned_size_shows_it_with_the_deviations_planned_for(population, sure, tolerable, data):
    expected = data.draw(st.integers(0, 9).map(lambda n: tolerable * n / 20))
    found = attribute_size(population, confidence=sure, tolerable=tolerable, expected=expected)
    if found < population:
        allowed = ceil(expected * found)
        assert sizes.shows(allowed, found, population, tolerable, sure)
        assert upper_rate(allowed, found, population, sure) <= float(tolerable) + 1e-9


def test_a_population_expected_to_be_as_bad_as_tolerable_is_not_sampled():
    with pytest.raises(BadInput, match="not below the tolerable"):
        sizes.require_sound(Decimal("0.95"), Decimal("0.05"), Decimal("0.05"))
    with pytest.raises(BadInput, match="leaves nothing to sample by"):
        interval(1_000_00, confidence=Decimal("0.95"), tolerable=Decimal("0.05"), expected=Decimal("0.04"))


@pytest.mark.parametrize(("confidence", "tolerable"), [("0.5", "0.05"), ("1", "0.05"), ("0.95", "0"), ("0.95", "1")])
def test_rates_out_of_range_are_named(confidence, tolerable):
    with pytest.raises(BadInput, match="out of range"):
        sizes.require_sound(Decimal(confidence), Decimal(tolerable), Decimal(0))


def test_a_limit_is_never_shown_smaller_than_it_is():
    assert sizes.percent_up(0.04951) == "5%" and sizes.percent_up(0.0) == "0%" and sizes.percent_up(0.11293) == "11.3%"
    assert sizes.percent_up(1 / 3) == "33.4%" and sizes.percent_up(1.0) == "100%"
