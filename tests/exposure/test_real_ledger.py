"""Figures of a real book of open items against a count with the csv module alone."""

from __future__ import annotations

import csv
from collections import Counter
from datetime import date
from pathlib import Path

import pandas as pd
import pytest
from exposure_rows import customer, frame, starter

from credit_review import documents, exposure, fx, receivables
from credit_review.model.frames import COVER, CUSTOMERS, EXTERNAL

AS_OF = date(2020, 5, 22)
MAPPING = Path(__file__).parents[1] / "intake" / "mappings" / "highradius_open.yaml"


def counted(path):
    """Open and past-due cents by currency, and customers by number without leading zeros, read with nothing of ours."""
    opened, overdue, customers = Counter(), Counter(), set()
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            cents = round(float(row["total_open_amount"]) * 100)
            due = date.fromisoformat(row["due_in_date"].removesuffix(".0"))
            opened[row["invoice_currency"]] += cents
            overdue[row["invoice_currency"]] += cents if due < AS_OF else 0
            customers.add(row["cust_number"].strip().lstrip("0"))
    return opened, overdue, customers


@pytest.mark.shared_data
def test_a_book_of_open_items_ages_as_counted_and_refuses_what_it_cannot_know(shared_data):
    path = shared_data / "ledgers" / "highradius_open.csv"
    opened, overdue, numbers = counted(path)
    mapping = receivables.load(documents.parse(MAPPING.read_text(encoding="utf-8"), name=MAPPING.name))
    items = receivables.read_items(pd.read_csv(path, dtype="str", keep_default_na=False), mapping, AS_OF).frame
    currency = items.groupby("customer_id")["currency"].first()
    master = frame(CUSTOMERS, [customer(one, currency=currency[one], terms_days=None) for one in sorted(numbers)])
    found = exposure.features(
        *(items, master, frame(EXTERNAL, []), frame(COVER, [])),
        as_of=AS_OF,
        policy=starter(),
        rates=fx.RateTable.from_rows([]),
        capabilities=mapping.has,
    )
    book = exposure.portfolio(found.frame, found.sales_by_month, as_of=AS_OF, capabilities=mapping.has)
    assert len(numbers) == 182 and found.quarantine.empty
    assert {f.currency: f.open_items_minor for f in book} == opened
    assert {f.currency: f.overdue_minor for f in book} == overdue
    assert 0.94 < sum(overdue.values()) / sum(opened.values()) < 0.97
    assert all(f.text("dso_days") == "not computable: no sales in source" for f in book)
    for name in ("sales_12m_minor", "need_minor", "average_days_late", "peak_balance_minor", "utilisation_fraction", "limit_minor"):
        assert found.frame[name].isna().all()
        assert found.frame["not_computable"].str.contains(name).all()
