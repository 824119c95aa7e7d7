from __future__ import annotations

from datetime import date, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from credit_review import fx
from credit_review.errors import BadInput
from credit_review.model.money import EXPONENTS, MAX_MINOR

AS_OF = date(2026, 9, 30)


def table(*rows, max_age_days=31, over=()):
    return fx.RateTable.from_rows(rows, max_age_days=max_age_days, over=over)


def day(n):
    return AS_OF - timedelta(days=n)


def test_the_newest_rate_on_or_before_the_day_counts():
    rates = table(
        (day(5), "USD", "EUR", "0.90", "ECB"),
        (day(1), "USD", "EUR", "0.91", "ECB"),
        (AS_OF + timedelta(days=1), "USD", "EUR", "0.99", "ECB"),
    )
    assert rates.convert(10_000, base="USD", quote="EUR", on=AS_OF) == fx.Conversion(9_100, "0.91", day(1), "ECB")


def test_a_pair_stored_the_other_way_round_is_inverted_exactly_and_says_so():
    rates = table((day(0), "EUR", "USD", "1.0834", "ECB"))
    got = rates.convert(108_340, base="USD", quote="EUR", on=AS_OF)
    assert (got.minor, got.rate) == (100_000, "1/1.0834")


def test_the_newer_of_direct_and_inverse_counts_and_direct_on_the_same_day():
    newer = table((day(3), "USD", "EUR", "0.5", "a"), (day(2), "EUR", "USD", "4", "b"))
    assert newer.convert(100, base="USD", quote="EUR", on=AS_OF).minor == 25
    same = table((day(2), "USD", "EUR", "0.5", "a"), (day(2), "EUR", "USD", "4", "b"))
    assert same.convert(100, base="USD", quote="EUR", on=AS_OF).minor == 50


def test_a_rate_older_than_the_stated_age_is_no_rate():
    old = (day(32), "USD", "EUR", "0.90", "ECB")
    with pytest.raises(fx.MissingRate, match="no rate from USD to EUR"):
        table(old).convert(1, base="USD", quote="EUR", on=AS_OF)
    assert table(old, max_age_days=32).convert(100, base="USD", quote="EUR", on=AS_OF).minor == 90


def test_a_missing_rate_is_never_one_and_no_third_currency_is_used_unasked():
    rates = table((day(0), "USD", "EUR", "0.9", "x"), (day(0), "EUR", "GBP", "0.8", "x"))
    with pytest.raises(fx.MissingRate):
        rates.convert(100, base="USD", quote="GBP", on=AS_OF)


def test_a_pair_without_a_rate_is_made_of_the_two_to_a_stated_third_currency_exactly_and_says_so():
    rates = table((day(2), "EUR", "USD", "1.0834", "ECB"), (day(1), "EUR", "GBP", "0.8521", "ECB"), over=["EUR"])
    got = rates.convert(1_083_400, base="USD", quote="GBP", on=AS_OF)
    assert got == fx.Conversion(852_100, "1/1.0834 x 0.8521 over EUR", day(2), "ECB")
    yen = table((day(1), "EUR", "JPY", "161.07", "ECB"), (day(1), "BHD", "EUR", "2.4", "own"), over=["USD", "EUR"])
    assert yen.convert(1_000, base="BHD", quote="JPY", on=AS_OF) == fx.Conversion(387, "2.4 x 161.07 over EUR", day(1), "own, ECB")


def test_a_rate_made_of_two_needs_both_young_enough_and_yields_to_the_pairs_own():
    old = (day(32), "EUR", "USD", "1.0834", "ECB")
    with pytest.raises(fx.MissingRate):
        table(old, (day(1), "EUR", "GBP", "0.8521", "ECB"), over=["EUR"]).convert(1, base="USD", quote="GBP", on=AS_OF)
    own = (day(20), "USD", "GBP", "0.5", "bank")
    rates = table((day(0), "EUR", "USD", "1.0834", "ECB"), (day(0), "EUR", "GBP", "0.8521", "ECB"), own, over=["EUR"])
    assert rates.convert(100, base="USD", quote="GBP", on=AS_OF) == fx.Conversion(50, "0.5", day(20), "bank")


@given(st.decimals("0.0001", "9999", places=4), st.decimals("0.0001", "9999", places=4), st.integers(-(10**12), 10**12))
def test_a_rate_made_of_two_is_one_exact_fraction_rounded_once(one, other, minor):
    rates = table((AS_OF, "EUR", "USD", str(one), "x"), (AS_OF, "EUR", "GBP", str(other), "x"), over=["EUR"])
    exact = Fraction(minor) * Fraction(other) / Fraction(one)
    if abs(exact) < MAX_MINOR:
        assert rates.convert(minor, base="USD", quote="GBP", on=AS_OF).minor == round(exact)


@pytest.mark.parametrize("code", ["", "XXX", "eur"])
def test_an_unknown_currency_does_not_convert_even_to_itself(code):
    with pytest.raises(fx.MissingRate):
        table().convert(100, base=code, quote=code, on=AS_OF)


def test_minor_units_of_different_size_are_respected():
    rates = table((day(0), "JPY", "EUR", "0.006", "x"), (day(0), "BHD", "EUR", "2.4", "x"))
    assert rates.convert(1_000, base="JPY", quote="EUR", on=AS_OF).minor == 600
    assert rates.convert(1_000, base="BHD", quote="EUR", on=AS_OF).minor == 240


@pytest.mark.parametrize(("minor", "expected"), [(1, 0), (3, 2), (5, 2), (-1, 0), (-3, -2), (-5, -2)])
def test_halves_go_to_the_even_neighbour_on_both_sides_of_zero(minor, expected):
    assert table((day(0), "USD", "EUR", "0.5", "x")).convert(minor, base="USD", quote="EUR", on=AS_OF).minor == expected


@pytest.mark.parametrize("rate", ["0", "-1", "abc", "NaN", "Infinity", "", None])
def test_a_rate_that_is_no_positive_number_is_refused_by_pair_and_day(rate):
    with pytest.raises(BadInput, match="USD/EUR on 2026-09-30"):
        table((AS_OF, "USD", "EUR", rate, "x"))


def test_two_different_rates_of_a_pair_on_one_day_are_refused():
    with pytest.raises(BadInput, match=r"both 0\.9 and 0\.91"):
        table((AS_OF, "USD", "EUR", "0.9", "x"), (AS_OF, "USD", "EUR", "0.91", "y"))
    table((AS_OF, "USD", "EUR", "0.9", "x"), (AS_OF, "USD", "EUR", "0.90", "y"))


def test_an_unknown_currency_or_a_missing_date_in_the_table_is_refused():
    with pytest.raises(BadInput, match="unknown currency 'EUX'"):
        table((AS_OF, "USD", "EUX", "0.9", "x"))
    frame = pd.DataFrame({"rate_date": pd.to_datetime([None]), "base": ["USD"], "quote": ["EUR"], "rate": ["1"], "source": ["x"]})
    with pytest.raises(BadInput, match="has no date"):
        fx.RateTable.from_frame(frame)


def test_a_result_beyond_the_money_range_is_refused_not_wrapped():
    rates = table((AS_OF, "USD", "JPY", "1000000", "x"))
    with pytest.raises(BadInput, match="out of range"):
        rates.convert(MAX_MINOR, base="USD", quote="JPY", on=AS_OF)
    with pytest.raises(BadInput, match="out of range"):
        fx.scale(np.array([MAX_MINOR]), 1_000_000, 1)
    with pytest.raises(BadInput, match="out of range"):
        fx.scale(np.array([MAX_MINOR]), 3, 2)


rate_text = st.decimals(min_value=Decimal("0.0001"), max_value=Decimal("10000"), places=6).filter(lambda d: d > 0).map(str)


@given(
    st.lists(st.integers(-(10**8), 10**8), max_size=20),
    rate_text,
    st.sampled_from(["EUR", "JPY", "BHD"]),
    st.sampled_from(["USD", "KRW", "KWD"]),
    st.booleans(),
)
def test_a_column_converts_like_decimals_do(amounts, rate, base, quote, inverse):
    row = (AS_OF, quote, base, rate, "x") if inverse else (AS_OF, base, quote, rate, "x")
    exact = 1 / Decimal(rate) if inverse else Decimal(rate)
    converted, used = fx.convert_column(
        pd.Series(amounts, dtype="int64"), pd.Series([base] * len(amounts), dtype="str"), quote, on=AS_OF, rates=table(row)
    )
    one_by_one = [table(row).convert(a, base=base, quote=quote, on=AS_OF).minor for a in amounts]
    assert converted.tolist() == one_by_one
    assert used["amounts"].sum() == len(amounts)
    if not inverse:  # a decimal inverse is itself rounded, so only the direct rate has an exact twin in Decimal
        shift = EXPONENTS[quote] - EXPONENTS[base]
        assert one_by_one == [int((a * exact).scaleb(shift).quantize(Decimal(1), ROUND_HALF_EVEN)) for a in amounts]


@given(st.lists(st.integers(-MAX_MINOR, MAX_MINOR), max_size=10), st.integers(1, 10**30), st.integers(1, 10**30))
def test_scaling_is_exact_whether_it_fits_in_machine_integers_or_not(amounts, numerator, denominator):
    from fractions import Fraction

    expected = [round(Fraction(a) * Fraction(numerator, denominator)) for a in amounts]
    if any(abs(e) > MAX_MINOR for e in expected):
        with pytest.raises(BadInput):
            fx.scale(np.array(amounts, dtype=np.int64), numerator, denominator)
    else:
        assert fx.scale(np.array(amounts, dtype=np.int64), numerator, denominator).tolist() == expected


def test_a_column_with_several_currencies_converts_each_and_leaves_missing_what_has_no_rate():
    minor = pd.Series([100, 200, None, 400, 500], dtype="Int64", index=[9, 8, 7, 6, 5])
    base = pd.Series(["USD", "GBP", "USD", "EUR", "USD"], dtype="str", index=minor.index)
    quote = pd.Series(["EUR", "EUR", "EUR", "EUR", "CHF"], dtype="str", index=minor.index)
    converted, used = fx.convert_column(minor, base, quote, on=AS_OF, rates=table((AS_OF, "USD", "EUR", "0.9", "ECB")))
    assert converted.index.tolist() == [9, 8, 7, 6, 5]
    assert converted.isna().tolist() == [False, True, True, False, True]
    assert converted.dropna().tolist() == [90, 400]
    assert used[["base", "quote", "rate", "amounts"]].values.tolist() == [["EUR", "EUR", "1", 1], ["USD", "EUR", "0.9", 1]]


def test_importing_rates_does_not_import_pandas():
    import subprocess
    import sys

    code = "import sys, credit_review.fx; sys.exit('pandas' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
