"""What differs is found exactly and said with the names people know."""

from __future__ import annotations

import numpy as np
import pandas as pd

from credit_review.replay import Figure, about_customer, of_values, unlike
from credit_review.words import packed, said


def frame(**columns):
    return pd.DataFrame({"customer_id": ["c-1", "c-2"], "currency": ["EUR", "JPY"], **columns})


def test_a_figure_is_said_with_its_name_and_currency():
    figures = unlike(frame(sales_12m_minor=[120_000_000, 5]), frame(sales_12m_minor=[110_000_000, 6]), key="customer_id")
    assert about_customer("c-1", figures["c-1"]).text == ("customer c-1: sales of 12 months 1,200,000 EUR stored, 1,100,000 EUR recomputed")
    assert figures["c-2"][0].text() == "sales of 12 months 5 JPY stored, 6 JPY recomputed"


def test_missing_equals_missing_and_nothing_else():
    one = frame(points=pd.array([None, 0], dtype="Int64"), pd_fraction=[np.nan, 0.1])
    assert unlike(one, one.copy(), key="customer_id") == {}
    other = one.assign(points=pd.array([0, 0], dtype="Int64"), pd_fraction=[np.nan, np.nextafter(0.1, 1)])
    assert unlike(one, other, key="customer_id") == {
        "c-1": [Figure("points", None, 0, "EUR")],
        "c-2": [Figure("pd_fraction", 0.1, float(np.nextafter(0.1, 1)), "JPY")],
    }


def test_a_row_that_one_side_lacks_is_a_difference():
    one = frame(points=[1, 2])
    assert unlike(one, one[:1], key="customer_id") == {"c-2": [Figure("row", "c-2", None)]}
    assert unlike(one[1:], one, key="customer_id") == {"c-1": [Figure("row", None, "c-1")]}


def test_a_figure_named_by_several_results_is_said_once():
    same = Figure("grade", "B", "C")
    assert about_customer("c-1", [same, same]).text == "customer c-1: grade B stored, C recomputed"


def test_parts_of_a_packet_are_named_by_label():
    def packet(limit, *reasons):
        return {"derivation": [[packed(said("Need")), packed(limit)]], "reasons": list(reasons), "facts": {"dso_days": "30.0000"}}

    assert of_values(packet("5", "late"), packet("5", "late"), currency="EUR") == []
    found = of_values(packet("5", "late"), packet("6", "late", "small"), currency="EUR")
    assert [(one.name, one.stored, one.found) for one in found] == [("derivation.Need", "5", "6"), ("reasons", "late", "late, small")]
    assert of_values({"to_minor": True}, {"to_minor": 1}, currency="EUR")  # JSON's true is not 1
