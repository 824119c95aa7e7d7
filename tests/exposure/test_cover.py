"""Cover in the exposure of a review and in the limit in force: one rule, and the conditions under which it counts."""

from __future__ import annotations

from datetime import date, timedelta
from random import Random

import exposure_rows as rows
import pytest

from credit_review.exposure.insurance_tasks import tasks
from credit_review.limits.layers import SECURITY, LayerLimit, limit_on
from credit_review.model.frames import COVER
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


# --- conditions: one run of the book, a customer a case ------------------------------------------------------------------------------


def insured(customer_id, **given):
    row = {"customer_id": customer_id, "kind": "insured_limit", "reference": "p1", "amount_minor": 80_000, "currency": "EUR"}
    return row | {"cover_fraction": 0.9, "valid_from": date(2026, 1, 1)} | given


def before(days):
    return DAY - timedelta(days=days)


LATE = {"due_date": before(50)}
CASES = {
    "terms": ([insured("terms", max_terms_days=20)], {}, 0, "terms are not known, or longer"),
    "stops": ([insured("stops", stop_overdue_days=45)], LATE, 0, "while an invoice is more than 45 days past due, and the oldest is 50"),
    "still": ([insured("still", stop_overdue_days=50)], LATE, 72_000, ""),
    "never": ([insured("never", declare_every_days=90)], {}, 0, "no declaration is on file"),
    "undeclared": (
        [insured("undeclared", declare_every_days=90, turnover_declared_to=before(91))], {}, 0, "is declared up to 2026-07-01",
    ),
    "declared": ([insured("declared", declare_every_days=90, turnover_declared_to=before(90))], {}, 72_000, ""),
    "notice": ([insured("notice", withdrawn_on=before(29))], {}, 72_000, ""),
    "withdrawn": ([insured("withdrawn", withdrawn_on=before(30))], {}, 0, "with effect from 2026-09-30"),
    "shipped": ([insured("shipped", withdrawn_on=before(30))], {"posting_date": before(1)}, 72_000, "only invoices posted before stay"),
    "at once": ([insured("at once", withdrawn_on=DAY, notice_days=0)], {}, 0, "with effect from 2026-09-30"),
    "reduced": ([insured("reduced", withdrawn_on=before(30), reduced_to_minor=10_000)], {}, 9_000, "with effect from 2026-09-30"),
    "own": ([insured("own", kind="discretionary_limit", amount_minor=20_000)], {}, 18_000, ""),
    "named": (
        [insured("named", kind="discretionary_limit", amount_minor=90_000, reference="d"), insured("named", amount_minor=10_000)],
        {}, 9_000, "discretionary limit d: the insurer has named a limit",
    ),
    "over": ([insured("over", valid_to=DAY)], {}, 0, "it ended on 2026-09-30"),
    "coming": ([insured("coming", valid_from=DAY + timedelta(days=1))], {}, 0, "it begins on 2026-10-01"),
}  # fmt: skip


def policy(**rules):
    data = rows.starter().model_dump()
    return type(rows.starter()).model_validate(data | {"insurance": rules})


@pytest.fixture(scope="module")
def assessed():
    posted = {"posting_date": DAY}
    items = [rows.item(name, amount=100_000, **(posted | item)) for name, (_, item, _, _) in CASES.items()]
    cover = [row for stated, _, _, _ in CASES.values() for row in stated]
    customers = [rows.customer(name) for name in CASES]
    found = rows.run(items, customers, cover=cover, as_of=DAY, policy=policy(own_risk_up_to=1000))
    return found.frame.set_index("customer_id")


@pytest.mark.parametrize("case", CASES)
def test_cover_counts_only_while_its_conditions_hold_and_says_why_when_it_does_not(assessed, case):
    _, _, covered, why = CASES[case]
    assert assessed.loc[case, "insured_minor"] == covered
    note = assessed.loc[case, "cover_notes"]
    assert why in note if why else note == ""


def test_a_policy_without_insurance_rules_says_and_caps_nothing():
    silent = type(rows.starter()).model_validate(rows.starter().model_dump(exclude={"insurance"}))
    late = rows.item("stops", amount=100_000, **LATE)
    found = rows.one([late], [rows.customer("stops")], cover=CASES["stops"][0], as_of=DAY, policy=silent)
    assert (found["cover_notes"], found["cover_cap_minor"], found["cover_caps"]) == ("", None, "")


def test_own_risk_within_policy_caps_a_limit_by_the_day(assessed):
    """1,000 of our own: 800 insured at 90% cost 80 of it, the other 920 stand beside."""
    found = assessed.loc["notice"]
    assert (found["cover_cap_minor"], found["cover_caps"]) == (80_000 + 92_000, "2026-10-01=100000")
    assert assessed.loc["withdrawn", "cover_cap_minor"] == 100_000, "what is sold from now on is not covered by what was shipped before"


@pytest.mark.parametrize("limit", [0, 1, 49_999, 100_000, 150_000, 171_999, 172_000])
def test_the_cap_is_the_largest_limit_whose_own_risk_stays_within_policy(assessed, limit):
    cap = assessed.loc["notice", "cover_cap_minor"]
    cover = layer(Layer.INSURED, 80_000, covered_ppm=900_000)
    assert limit > cap or limit_on([layer(Layer.BASE, limit), cover], DAY).own_risk_minor <= 100_000
    assert limit_on([layer(Layer.BASE, cap + 1), cover], DAY).own_risk_minor > 100_000


def test_the_cap_is_the_largest_limit_within_policy_whatever_the_cover():
    chance = Random(11)
    cover = {f"C{n:02}": [_stated(chance, f"C{n:02}", k) for k in range(chance.randint(0, 4))] for n in range(60)}
    stated = [c for some in cover.values() for c in some]
    found = rows.run([], [rows.customer(c) for c in cover], cover=stated, as_of=DAY, policy=policy(own_risk_up_to=1)).frame
    kinds = {"insured_limit": Layer.INSURED, "guarantee": SECURITY}
    for customer, cap in zip(found["customer_id"], found["cover_cap_minor"], strict=True):
        held = [layer(kinds[c["kind"]], c["amount_minor"], key=c["reference"], covered_ppm=_ppm(c)) for c in cover[customer]]
        within, beyond = (limit_on([layer(Layer.BASE, limit), *held], DAY).own_risk_minor for limit in (cap, cap + 1))
        assert within <= 100 < beyond


def test_the_calendar_has_a_task_for_every_day_on_which_cover_would_be_lost(assessed):
    stated = [
        insured("stops", stop_overdue_days=60, report_overdue_days=30, valid_to=DAY + timedelta(days=20)),
        insured("notice", withdrawn_on=before(10), declare_every_days=30, turnover_declared_to=before(20), reduced_to_minor=5_000),
        insured("terms", valid_to=DAY + timedelta(days=61)),
    ]
    found = tasks(rows.frame(COVER, stated), assessed.reset_index(), as_of=DAY, ahead_days=60, notice_days=30)
    assert [(t.due, t.customer_id, t.kind) for t in found] == [
        (before(20), "stops", "report_overdue"),
        (DAY + timedelta(days=10), "notice", "declare_turnover"),
        (DAY + timedelta(days=11), "stops", "stop"),
        (DAY + timedelta(days=20), "notice", "withdrawal"),
        (DAY + timedelta(days=20), "stops", "ends"),
    ]
    assert str(found[3].text) == "cover falls from 800 EUR to 50 EUR: review the customer; what is posted before stays covered"
