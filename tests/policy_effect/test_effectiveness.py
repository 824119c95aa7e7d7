"""How a policy did: counts, losses, refusals and exact intervals by grade and rule, against a plain recomputation."""

from __future__ import annotations

import random
import sys
from collections import Counter
from datetime import date
from fractions import Fraction
from pathlib import Path

import pandas as pd
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "limits"))
from book import STARTER, book, customer, eur, frame

from credit_review import fx
from credit_review.limits import propose
from credit_review.model.frames import CUSTOMERS, ITEMS
from credit_review.policy_effect.effectiveness import ALL, TOO_FEW, Effectiveness, Reviewed, count, plain
from credit_review.policy_effect.later import BAD, Later, later, months_known, written_off
from tasks.effectiveness import told_of

AS_OF, NEXT_YEAR = date(2025, 9, 30), date(2026, 9, 30)
RATES = fx.RateTable.from_rows([(AS_OF, "EUR", "USD", "1.25", "ecb")])


def year(seed=3, size=120):
    """Proposals of a book, what came of each customer, what was written off, and sales before and after."""
    dice = random.Random(seed)
    customers = [
        customer(
            f"c{n:03}", grade=dice.choice("ABCDE"), currency=dice.choice(["EUR", "USD"]), limit_minor=eur(dice.randrange(5, 300) * 1000),
            need_minor=eur(dice.randrange(1000, 600_000)), overdue_minor=eur(dice.choice([0, 9000])), oldest_dpd_days=dice.choice([0, 60]),
        )
        for n in range(size)
    ]  # fmt: skip
    proposals = propose(*book(*customers), policy=STARTER, as_of=AS_OF, rates=RATES)
    what = {
        c["customer_id"]: str(dice.choice([Later.LATE, Later.STATUS, Later.GOOD, Later.GOOD, Later.GOOD, Later.NOT_YET])) for c in customers
    }
    lost = [{"customer_id": c["customer_id"], "currency": c["currency"], "minor": eur(dice.randrange(500, 9000))} for c in customers[::7]]
    sales = {c["customer_id"]: dice.choice([(None, 5), (eur(10_000), eur(dice.randrange(2000, 12_000)))]) for c in customers}
    table = pd.DataFrame.from_dict(sales, orient="index", columns=["before", "after"]).astype("Int64")
    return proposals, what, lost, sales, table


def euros(minor, currency):
    return round(Fraction(minor) / (Fraction(5, 4) if currency == "USD" else 1))


def test_figures_by_grade_and_rule_equal_a_plain_recomputation():
    proposals, what, lost, sales, table = year()
    found = count(proposals, pd.Series(what), pd.DataFrame(lost), table, policy=STARTER, as_of=AS_OF, rates=RATES)
    expected = Counter()
    losses = {one["customer_id"]: euros(one["minor"], one["currency"]) for one in lost}
    for row in proposals.to_dict("records"):
        one, currency = row["customer_id"], row["currency"]
        codes = [ALL, f"grade:{row['grade']}", *(f"forbids:{code}" for code in row["forbids_increase"].split("|") if code)]
        wanted = row["formula_minor"] > row["from_minor"]
        refused = max(0, row["formula_minor"] - row["after_step_minor"]) if wanted else 0
        before, after = sales[one]
        for code in codes:
            expected[(code, "customers")] += 1
            expected[(code, what[one])] += 1
            expected[(code, "losers")] += one in losses
            expected[(code, "loss_minor")] += losses.get(one, 0)
            expected[(code, "refused")] += refused > 0
            expected[(code, "refused_minor")] += euros(refused, currency)
            if before is not None:
                expected[(code, "sales_known")] += 1
                expected[(code, "sales_before_minor")] += euros(before, currency)
                expected[(code, "sales_after_minor")] += euros(after, currency)
    mine = {key: n for key, n in found.items() if n and key[0].partition(":")[0] in (ALL, "grade", "forbids")}
    assert mine == {key: n for key, n in expected.items() if n} and found[("forbids:overdue", "refused")] > 3
    assert (ALL, "orders_minor") not in mine, "the book knows no orders"


def effect(figures):
    return Effectiveness(
        year=2025, name="policy.yaml", version="2026.1", digest="d" * 64, control_currency="EUR", grades=STARTER.grade_names,
        window_months=12, reviews=(Reviewed(label="2025Q3", as_of=AS_OF, version="d" * 12, counts=True),), known=NEXT_YEAR, why_unknown="",
        figures=figures, rejected=0, rejected_minor=0,
    )  # fmt: skip


def test_a_rate_has_the_exact_interval_and_too_few_outcomes_give_none():
    from scipy.stats import binomtest

    few = effect({("grade:A", "good"): TOO_FEW - 1, (ALL, "good"): 200, (ALL, "late"): 9})
    assert few.rate("grade:A") is None and plain(few)["grades"]["A"]["rate"] is None
    found = few.rate(ALL)
    exact = binomtest(9, 209).proportion_ci(method="exact")
    assert (found.bad, found.of) == (9, 209) and found.low == pytest.approx(exact.low) and found.high == pytest.approx(exact.high)
    others = few.rate("grade:A", others=True)
    assert (others.bad, others.of) == (9, 209 - TOO_FEW + 1)


def test_buckets_add_up_and_an_empty_bucket_adds_nothing():
    proposals, what, lost, _, table = year()
    given = {"policy": STARTER, "as_of": AS_OF, "rates": RATES}
    whole = count(proposals, pd.Series(what), pd.DataFrame(lost), table, **given)
    added = Counter()
    for part in (proposals.iloc[:50], proposals.iloc[50:], proposals.iloc[:0]):
        added.update(count(part, pd.Series(what), pd.DataFrame(lost), table, **given))
    assert +added == +whole
    nothing = pd.DataFrame({"customer_id": [], "currency": [], "minor": []})
    unknown = count(proposals, pd.Series(dtype="str"), nothing, pd.DataFrame(columns=["before", "after"]), **given)
    assert unknown[(ALL, str(Later.NOT_YET))] == len(proposals) and unknown[(ALL, "loss_minor")] == unknown[(ALL, "sales_known")] == 0


def day(text):
    return pd.Timestamp(text)


def ledger():
    """One invoice a customer, but for c4, which turned insolvent, and c5, which is quiet."""
    plain = {"kind": "invoice", "currency": "EUR", "amount_minor": eur(5000), "open_minor": 0, "posting_date": day("2025-08-01"),
             "document_date": day("2025-08-01"), "due_date": day("2025-10-01"), "clearing_date": pd.NaT,
             "disputed": False, "written_off": False}  # fmt: skip
    rows = [
        {"customer_id": "c1", "open_minor": eur(5000)},  # still open: late from 1 January on
        {"customer_id": "c2", "clearing_date": day("2025-10-05")},
        {"customer_id": "c3", "clearing_date": day("2026-02-01"), "written_off": True, "due_date": day("2026-01-20")},
        {"customer_id": "c4", "clearing_date": day("2025-10-02")},
    ]
    items = frame(ITEMS, [plain | row | {"item_key": f"i{n}"} for n, row in enumerate(rows)])
    status = {"c4": ("insolvent", day("2026-03-03"))}
    people = [{"customer_id": f"c{n}", "currency": "EUR", "status": status.get(f"c{n}", ("active", None))[0],
               "status_since": status.get(f"c{n}", ("", None))[1]} for n in range(1, 6)]  # fmt: skip
    return items, frame(CUSTOMERS, people)


def test_what_came_later_follows_the_policys_outcome_and_is_not_known_before_its_window_is_over():
    items, customers = ledger()
    whole = later(items, customers, as_of=AS_OF, known=NEXT_YEAR, policy=STARTER)
    assert whole.to_dict() == {"c1": "late", "c2": "good", "c3": "written_off", "c4": "status", "c5": "not_counted"}
    part = later(items, customers, as_of=AS_OF, known=date(2026, 2, 28), policy=STARTER)
    assert part["c1"] == "late" and part["c2"] == "not_yet_known" and part["c4"] == "not_yet_known"
    early = later(items, customers, as_of=AS_OF, known=date(2025, 10, 20), policy=STARTER)
    assert set(early) == {"not_yet_known"} and set(BAD) & set(whole)


def test_what_was_written_off_counts_within_the_window_only():
    items, _ = ledger()
    assert written_off(items, as_of=AS_OF, known=NEXT_YEAR, policy=STARTER).to_dict("records") == [
        {"customer_id": "c3", "currency": "EUR", "minor": eur(5000)}
    ]
    assert not len(written_off(items, as_of=AS_OF, known=date(2026, 1, 31), policy=STARTER))
    assert not len(written_off(items, as_of=date(2026, 2, 1), known=NEXT_YEAR, policy=STARTER))


def test_the_report_is_on_the_policy_in_force_or_else_on_the_one_most_reviews_of_the_year_used():
    assert told_of("new", ["old", "old", "new"]) == "new" and told_of("new", []) == "new"
    assert told_of("new", ["old", "older", "old"]) == "old" and told_of("new", ["older", "old"]) == "old"


@pytest.mark.parametrize(
    ("known", "months"),
    [(date(2025, 9, 30), 0), (date(2025, 10, 29), 0), (date(2025, 10, 30), 1), (date(2026, 9, 30), 12), (date(2030, 1, 1), 12)],
)
def test_whole_months_of_the_window_are_counted(known, months):
    assert months_known(AS_OF, known, 12) == months
