"""Cover in the exposure of a review and in the limit in force: one rule, and the conditions under which it counts."""

from __future__ import annotations

from datetime import date
from random import Random

import exposure_rows as rows

from credit_review.limits.layers import SECURITY, LayerLimit, limit_on
from credit_review.model.states import Layer

DAY = date(2026, 9, 30)


def layer(kind, amount, **given):
    return LayerLimit(layer=kind, amount_minor=amount, **{"key": kind, "effective_from": DAY} | given)


def test_what_covers_a_limit_in_use_is_what_the_review_counts_as_cover_of_that_exposure():
    chance = Random(7)
    cover = {f"C{n:02}": [_stated(chance, f"C{n:02}", k) for k in range(chance.randint(0, 4))] for n in range(60)}
    exposure = {customer: chance.randint(1, 1500) for customer in cover}
    items = [rows.item(customer, amount=amount) for customer, amount in exposure.items()]
    insured = [c for some in cover.values() for c in some]
    reviewed = rows.run(items, [rows.customer(c) for c in cover], cover=insured, as_of=DAY).frame.set_index("customer_id")
    kinds = {"insured_limit": Layer.INSURED, "guarantee": SECURITY}
    for customer, stated in cover.items():
        asked = [
            layer(kinds[c["kind"]], c["amount_minor"], key=c["reference"], covered_ppm=round(c["cover_fraction"] * 10**6)) for c in stated
        ]
        found, expected = limit_on([layer(Layer.BASE, exposure[customer]), *asked], DAY), reviewed.loc[customer]
        assert (found.insured_minor, found.secured_minor) == (expected["insured_minor"], expected["security_minor"])
        assert found.own_risk_minor == expected["own_risk_minor"]


def _stated(chance, customer, number):
    return {
        "customer_id": customer,
        "kind": chance.choice(["insured_limit", "guarantee"]),
        "reference": f"p{number}",
        "amount_minor": chance.randint(0, 2000),
        "currency": "EUR",
        "cover_fraction": chance.choice([1.0, 0.9, 0.333333]),
        "valid_from": DAY,
    }


def _ppm(stated):
    return round(stated["cover_fraction"] * 10**6)
