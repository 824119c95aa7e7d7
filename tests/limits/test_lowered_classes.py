"""Whether a review lowered (nearly) a whole class by one rule, counted over the proposals of all its customers."""

from __future__ import annotations

from datetime import date

from book import STARTER, book, customer, eur

from credit_review.limits import propose
from credit_review.limits.lowered import FEWEST, shares_lowered

AS_OF = date(2026, 6, 30)
CEILING = eur(STARTER.limits.by_grade["B"].ceiling)
RICH = {
    "limit_minor": CEILING * 3 // 2, "need_minor": 9 * CEILING,
    "recommended_limit_minor": 9 * CEILING, "tangible_net_worth_minor": 99 * CEILING,
}  # fmt: skip


def found(*customers):
    return shares_lowered(propose(*book(*customers), policy=STARTER, as_of=AS_OF))


def test_a_lower_ceiling_of_the_grade_reaches_those_it_lowers_and_what_follows_own_figures_does_not_count():
    whole = [customer(f"c{n:02}", **RICH) for n in range(9)]
    kept = customer("c90", **(RICH | {"limit_minor": CEILING}))
    own = customer("c91", **(RICH | {"need_minor": eur(10_000)}))
    shares = found(*whole, kept, own, customer("c92", **(RICH | {"limit_minor": None})), customer("c93", grade="A", **RICH))
    assert shares == dict.fromkeys((c["customer_id"] for c in whole), round(9 / 11, 6)), (
        "the first limit and the other grade are no part of it"
    )


def test_few_customers_are_no_class():
    assert found(*(customer(f"c{n}", **RICH) for n in range(FEWEST - 1))) == {}
    assert set(found(*(customer(f"c{n:02}", **RICH) for n in range(FEWEST))).values()) == {1.0}


def test_the_rule_of_a_credit_status_is_a_rule_for_a_class():
    gone = [customer(f"c{n:02}", status="insolvent") for n in range(FEWEST)]
    assert set(found(*gone).values()) == {1.0}
