from datetime import date
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from credit_review.errors import BadInput
from credit_review.model.money import EXPONENTS, to_minor
from credit_review.receivables import columns as col
from credit_review.receivables.mapping import Identity, Numbers

PLAIN = Numbers()
CURRENCIES = ("EUR", "JPY", "BHD")


def minor(text: str, currency: str = "EUR", numbers: Numbers = PLAIN) -> tuple[int, int]:
    found, outcome = col.amounts(pa.array([text], pa.large_string()), np.array([EXPONENTS.get(currency, -1)], np.int8), numbers)
    return int(found[0]), int(outcome[0])


@given(st.from_regex(r"-?[0-9]{0,18}(\.[0-9]{0,6})?", fullmatch=True) | st.text(max_size=12), st.sampled_from(CURRENCIES))
def test_an_amount_is_what_exact_decimals_say_or_refused_with_them(text: str, currency: str) -> None:
    found, outcome = minor(text, currency)
    if outcome == col.READ:
        assert found == to_minor(text.lstrip("+"), currency)
    elif outcome in (col.EXCESS_DECIMALS, col.OUT_OF_RANGE):
        with pytest.raises(BadInput):
            to_minor(text, currency)
    else:
        assert text == "" or not text.isascii() or not any(c.isdigit() for c in text) or not text.strip("+-").replace(".", "", 1).isdigit()


@given(st.integers(-(2**53) + 1, 2**53 - 1), st.sampled_from(CURRENCIES), st.sampled_from(["dot", "comma", "grouped"]))
def test_every_amount_the_ledger_can_hold_reads_back(value: int, currency: str, style: str) -> None:
    amount = Decimal(value).scaleb(-EXPONENTS[currency])
    if style == "dot":
        assert minor(f"{amount:f}", currency) == (value, col.READ)
    elif style == "comma":
        assert minor(f"{amount:f}".replace(".", ","), currency, Numbers(decimal=",")) == (value, col.READ)
    else:
        text = f"{abs(amount):,f}".translate(str.maketrans(",.", ".,")) + ("-" if value < 0 else "")
        assert minor(text, currency, Numbers(decimal=",", thousands=".", negative=("trailing",))) == (value, col.READ)


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("1,000.00", PLAIN),
        ("1.23.4", PLAIN),
        ("5-", PLAIN),
        ("(5)", PLAIN),
        ("1 000", PLAIN),
        ("1e3", PLAIN),
        ("٣", PLAIN),
        ("--5", PLAIN),
        ("-", PLAIN),
        (".", PLAIN),
        ("NaN", PLAIN),
        ("1.234", Numbers(decimal=",")),
        ("12.34.567", Numbers(decimal=",", thousands=".")),
        ("1234.567", Numbers(decimal=",", thousands=".")),
        ("-5", Numbers(negative=("trailing",))),
    ],
)
def test_what_does_not_follow_the_declared_marks_is_no_number(text: str, numbers: Numbers) -> None:
    assert minor(text, numbers=numbers) == (0, col.NOT_A_NUMBER)


def test_parentheses_and_plain_signs_mean_what_they_declare() -> None:
    assert minor("(1,234.50)", numbers=Numbers(thousands=",", negative=("parentheses",))) == (-123450, col.READ)
    assert minor("+7.10") == (710, col.READ) and minor(".5") == (50, col.READ) and minor("1.200000") == (120, col.READ)


def test_an_amount_beyond_the_money_range_is_told_apart() -> None:
    assert minor("99999999999999.00")[1] == col.OUT_OF_RANGE and minor("-90071992547409.92")[1] == col.OUT_OF_RANGE
    assert minor("-90071992547409.91") == (-(2**53) + 1, col.READ)


def test_an_unknown_currency_gives_no_amount_but_still_names_what_is_no_number() -> None:
    assert minor("5.00", "XXX")[1] == col.EMPTY and minor("five", "XXX")[1] == col.NOT_A_NUMBER


def test_dates_are_tried_in_order_and_strictly() -> None:
    texts = ("2020-02-27", "20200227.0", "27.02.2020", "2020-02-30", "", "2020-02-27 10:00", " 2020-02-27")
    found, wrong = col.days(col.coded(pa.array(texts, pa.large_string())), ["%Y-%m-%d", "%Y%m%d.0", "%d.%m.%Y"])
    assert pd.Series(found[:3]).dt.date.tolist() == [date(2020, 2, 27)] * 3
    assert wrong.tolist() == [False, False, False, True, False, True, True]


@pytest.mark.parametrize(
    ("text", "rule", "number"),
    [
        ("0200759878", Identity(strip_leading_zeros=True), "200759878"),
        ("0200759878", Identity(), "0200759878"),
        (" CCCA02 ", Identity(strip_leading_zeros=True), "CCCA02"),
        ("00CC1", Identity(strip_leading_zeros=True), "00CC1"),
        ("1042.0", Identity(drop_decimal_zero=True), "1042"),
        ("1042.0", Identity(), "1042.0"),
        ("1042.5", Identity(drop_decimal_zero=True), "1042.5"),
        ("cc1", Identity(upper_case=True), "CC1"),
        (" 7", Identity(strip_blanks=False), " 7"),
    ],
)
def test_a_customer_number_changes_only_by_declared_rules(text: str, rule: Identity, number: str) -> None:
    assert col.customer_number(text, rule) == number


@given(st.text(max_size=20))
def test_a_text_misread_as_latin_1_is_put_right_and_plain_text_stays(text: str) -> None:
    assert col.unmangled(text.encode().decode("latin-1")) == text
    if text.isascii():
        assert col.unmangled(text) == text
