"""Concentration of the book: largest groups, segments and countries, each customer converted once, nobody lost."""

from __future__ import annotations

from random import Random

import exposure_rows as rows

from credit_review.exposure.concentration import concentration
from credit_review.model.frames import CUSTOMERS


def of(customers, items):
    features = rows.run(items, customers).frame
    master = rows.frame(CUSTOMERS, customers)
    return concentration(features, master, rates=rows.RATES, control_currency="EUR", as_of=rows.AS_OF)


def test_exposure_adds_up_by_group_segment_and_country_to_that_of_the_book_in_control_currency():
    chance = Random(5)
    customers = [
        rows.customer(
            f"C{n:02}", group_id=f"C{n % 25:02}", segment=chance.choice(["retail", "steel", ""]), country=chance.choice(["DE", "FR"]),
            currency=chance.choice(["EUR", "EUR", "USD"]),
        )
        for n in range(40)
    ]  # fmt: skip
    items = [rows.item(c["customer_id"], amount=chance.randint(1, 10**6), currency=c["currency"]) for c in customers]
    found = of(customers, items)
    by_hand = {
        c["customer_id"]: i["amount_minor"] if c["currency"] == "EUR" else round(i["amount_minor"] * 0.9137)
        for c, i in zip(customers, items, strict=True)
    }
    assert found["exposure_minor"] == sum(by_hand.values()) == found["own_risk_minor"]
    for part in ("groups", "segments", "countries"):
        assert sum(row["exposure_minor"] for row in found[part]) == found["exposure_minor"]
        assert sum(row["customers"] for row in found[part]) == 40
    groups: dict[str, int] = {}
    for customer in customers:
        groups[customer["group_id"]] = groups.get(customer["group_id"], 0) + by_hand[customer["customer_id"]]
    largest = sorted(groups.values(), reverse=True)
    assert [row["exposure_minor"] for row in found["largest_groups"]] == [sum(largest[:n]) for n in (1, 5, 10, 20)]
    assert found["groups"][-1]["key"] == "others" and found["groups"][-1]["others"] == 5
    german = sum(by_hand[c["customer_id"]] for c in customers if c["country"] == "DE")
    (row,) = (r for r in found["countries"] if r["key"] == "DE")
    assert (row["exposure_minor"], row["share_fraction"]) == (german, round(german / found["exposure_minor"], 6))
    assert found["rates"] == [{"base": "USD", "quote": "EUR", "rate": "0.9137", "rate_date": "2026-09-28", "source": "ECB"}]


def test_a_customer_without_a_rate_is_named_and_in_no_figure():
    found = of([rows.customer("C1"), rows.customer("C2", currency="GBP")], [rows.item("C1", amount=5), rows.item("C2", currency="GBP")])
    assert (found["left_out"], found["exposure_minor"], found["customers"]) == (["C2"], 5, 1)
