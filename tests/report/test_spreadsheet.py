from __future__ import annotations

import csv
import io
from datetime import date

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from credit_review.report import safe_csv
from credit_review.report.spreadsheet import protect, unprotect

TEXT = st.text(st.characters(codec="utf-8"), max_size=12) | st.builds(
    lambda a, b: a + b,
    st.sampled_from(["=", "+", "-", "@", "\t", "\r", "\n", "\0", "'", "'=", " =", "''", "＝", " ", '"', ","]),
    st.text(max_size=4),
).filter(lambda t: t.isprintable() or not any(0xD800 <= ord(c) < 0xE000 for c in t))


def rows(text):
    return list(csv.reader(io.StringIO(text, newline="")))


@given(st.lists(st.tuples(TEXT, TEXT), max_size=6))
def test_texts_come_back_as_they_were_and_none_begins_like_a_formula(pairs):
    frame = pd.DataFrame({"a": pd.Series([p[0] for p in pairs], dtype="str"), "b": pd.Series([p[1] for p in pairs], dtype="str")})
    heading, *found = rows(safe_csv(frame))
    assert heading == ["a", "b"]
    assert [tuple(unprotect(c) for c in r) for r in found] == pairs
    for cell in (c for r in found for c in r):
        assert not cell.lstrip(" \u00a0")[:1] or cell.lstrip(" \u00a0")[0] not in "=+-@\t\r\n\0＝＋－＠"


@given(TEXT)
def test_the_column_rule_and_the_single_rule_are_one(text):
    [_, [cell, _]] = rows(safe_csv(pd.DataFrame({"a": pd.Series([text], dtype="str"), "b": [1]})))
    assert cell == protect(text) and unprotect(cell) == text


@pytest.mark.parametrize("attack", ["=HYPERLINK(1)", "+1", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "\0=1", "  =1", "'=1", "\n=1", "＝1"])
def test_known_attacks_are_stored_as_text(attack):
    assert protect(attack) == "'" + attack


def test_a_name_that_only_begins_with_an_apostrophe_stays_as_it_is():
    assert protect("'t Hooft B.V.") == "'t Hooft B.V."


def test_numbers_stay_numbers_dates_are_iso_and_missing_is_empty():
    frame = pd.DataFrame(
        {
            "n": pd.Series([-5, 7], dtype="int64"),
            "m": pd.array([pd.NA, -3], dtype="Int64"),
            "f": [-0.5, float("nan")],
            "d": pd.Series([date(2026, 9, 30), None]).astype("datetime64[s]"),
            "b": [True, False],
            "t": pd.Series(["-5", None], dtype="str"),
        }
    )
    assert safe_csv(frame) == "n,m,f,d,b,t\r\n-5,,-0.5,2026-09-30,True,'-5\r\n7,-3,,,False,\r\n"


def test_headings_are_protected_too_and_repeated_ones_survive():
    frame = pd.DataFrame([[1, 2, "x"]], columns=["=cmd", "a", "a"])
    assert rows(safe_csv(frame)) == [["'=cmd", "a", "a"], ["1", "2", "x"]]


def test_objects_in_a_column_are_protected_as_the_text_they_print():
    assert rows(safe_csv(pd.DataFrame({"o": pd.Series([-1, "=x", None], dtype="object"), "k": 1}))) == [
        ["o", "k"],
        ["'-1", "1"],
        ["'=x", "1"],
        ["", "1"],
    ]
