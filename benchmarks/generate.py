"""A large clean book in the columns of the starter mapping: N customers with 20 items each, the same bytes for the same seed.

Clean on purpose: the benchmark compares limits to the minor unit with a script that validates nothing. Dirt has its own tests.
`python -m benchmarks.generate FOLDER --customers 100000` writes ledger.csv, customers.csv, bureau.csv, cover.csv, rates.csv,
control_totals.csv and posted_through.txt into FOLDER. Nothing here looks at features, scorecard or policy.
"""

from __future__ import annotations

import argparse
import time
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

AS_OF = date(2026, 9, 30)
SEED = 20260930
ITEMS_EACH = 20
INVOICES = 16  # of the 20; the others: a credit note, a payment on account, an order, a delivery
TERMS = np.array([14, 30, 30, 45, 60])
CURRENCIES = ("EUR", "USD", "GBP")
STATUSES = {"A": 0.93, "P": 0.01, "B": 0.01, "L": 0.005, "I": 0.005, "D": 0.02, "N": 0.01, "O": 0.005, "IC": 0.005}
RATES = {"USD": "1.0870", "GBP": "0.8620"}


class Book:
    """Customers as they are: arrays by customer. `late` is the usual days late, `trouble` the day after which it pays nothing."""

    def __init__(self, count: int, seed: int, as_of: date, *, first: int = 1_000_001, company: str = "1000") -> None:
        self.rng = rng = np.random.default_rng(seed)
        self.count, self.company = count, company
        self.today = (as_of - date(1970, 1, 1)).days
        self.number = (first + np.arange(count)).astype("U7")
        self.currency = rng.choice(3, count, p=[0.7, 0.2, 0.1])
        self.status = rng.choice(list(STATUSES), count, p=list(STATUSES.values()))
        self.terms = np.where(self.status == "P", 0, rng.choice(TERMS, count))
        self.sales = np.exp(rng.normal(12.2, 1.4, count))  # a year, major units; median about 200,000
        self.risk = rng.normal(0, 1, count)
        self.late = np.round(rng.normal(4, 6, count) + 7 * np.maximum(self.risk, 0))
        troubled = self.risk > rng.normal(2.3, 0.4, count)
        self.trouble = np.where(troubled, self.today - rng.integers(20, 300, count), self.today + 9_999)
        self.since = self.today - rng.integers(100, 6_000, count)


def ledger(book: Book) -> pa.Table:
    """20 lines a customer, customers interleaved as documents are in a real ledger."""
    rng, rows = book.rng, book.count * ITEMS_EACH
    customer = np.tile(np.arange(book.count), ITEMS_EACH)
    slot = np.repeat(np.arange(ITEMS_EACH), book.count)
    kind = np.select([slot < INVOICES, slot == 16, slot == 17, slot == 18], ["INV", "CRN", "ACC", "ORD"], "DLV")
    invoice, soon = kind == "INV", np.isin(kind, ["ORD", "DLV"])
    age = np.where(soon, rng.integers(0, 25, rows), rng.integers(0, 730, rows))
    posted = book.today - age
    due = np.where(kind == "ORD", posted + rng.integers(5, 90, rows), posted + book.terms[customer])
    cleared = np.maximum(due + book.late[customer] + np.round(rng.normal(0, 5, rows)), posted).astype(np.int64)
    cleared = np.where(invoice, cleared, np.minimum(cleared, posted + 20))
    stuck = (cleared > book.trouble[customer]) & invoice
    live = (cleared > book.today) | stuck
    size = book.sales[customer] / 8 * np.exp(rng.normal(0, 0.4, rows))
    part = np.select([invoice, kind == "CRN", kind == "ACC", kind == "ORD"], [1.0, -0.15, -0.05, 0.5], 0.3)
    cents = np.round(size * part * 100).astype(np.int64)
    none = np.datetime64("NaT", "D")
    return pa.table(
        {
            "company_code": pa.repeat(book.company, rows),
            "customer_number": pa.array(book.number).take(pa.array(customer)),
            "document_type": pa.array(kind),
            "document_number": pc.cast(pa.array(9_000_000_001 + np.arange(rows)), pa.string()),
            "line": pa.repeat("1", rows),
            "document_date": _days(posted),
            "posting_date": _days(posted),
            "due_date": _days(due),
            "clearing_date": pa.array(np.where(live, none, cleared.astype("datetime64[D]"))),
            "currency": pa.array(CURRENCIES).take(pa.array(book.currency[customer])),
            "amount": _money(cents),
            "open_amount": _money(np.where(live, cents, 0)),
            "disputed": pa.array(np.where(invoice & live & (rng.random(rows) < 0.03), "Y", "N")),
            "written_off": pa.repeat("N", rows),
        }
    )


def customers(book: Book) -> pa.Table:
    """The customer master; one in five belongs to the group of an earlier customer without a parent, 3 in 100 have no limit on file."""
    rng, count = book.rng, book.count
    head = rng.random(count) >= 0.2
    head[0] = True
    parent = np.maximum.accumulate(np.where(head, np.arange(count), 0))
    limit = np.round(book.sales * (book.terms + np.maximum(book.late, 0)) / 365 * np.exp(rng.normal(0, 0.3, count)), -3)
    limit = np.where(book.status == "P", 0, np.maximum(limit, 1_000)).astype(np.int64) * 100
    worth = np.round(book.sales * np.exp(rng.normal(0.9, 0.6, count) - 0.4 * book.risk), -3).astype(np.int64) * 100
    no_limit, no_worth = (rng.random(count) < 0.03) | (book.status == "N"), rng.random(count) < 0.2
    year_end = np.where(rng.random(count) < 0.85, "2025-12-31", "2023-12-31")
    return pa.table(
        {
            "customer_number": book.number,
            "name": pc.binary_join_element_wise("Customer", pa.array(book.number), " "),
            "parent_number": pa.array(np.where(parent == np.arange(count), "", book.number[parent])),
            "company_code": pa.repeat(book.company, count),
            "country": pa.array(["DE", "US", "GB"]).take(pa.array(book.currency)),
            "region": pa.array(["DACH", "Overseas", "UK and Ireland"]).take(pa.array(book.currency)),
            "segment": pa.array(rng.choice(["Manufacturing", "Wholesale", "Construction", "Retail"], count)),
            "portfolio": pa.array(rng.choice(["North", "South", "Export"], count)),
            "account_owner": pa.repeat("H. Brandt", count),
            "currency": pa.array(CURRENCIES).take(pa.array(book.currency)),
            "credit_status": pa.array(book.status),
            "status_since": pa.repeat("", count),
            "customer_since": _days(book.since),
            "payment_terms": pc.binary_join_element_wise("Z", pc.utf8_lpad(pa.array(book.terms.astype("U3")), 3, "0"), ""),
            "credit_limit": _money(limit, missing=no_limit),
            "tangible_net_worth": _money(worth, missing=no_worth),
            "net_worth_date": pa.array(np.where(no_worth, "", year_end)),
            "registration_number": pc.binary_join_element_wise("HR", pa.array(book.number), ""),
        }
    )


def bureau(book: Book) -> pa.Table:
    """One report each for 85 in 100 customers, a fifth of them more than a year old."""
    rng = book.rng
    has = np.flatnonzero(rng.random(book.count) < 0.85)
    risk = book.risk[has] + rng.normal(0, 0.6, len(has))
    chance = np.round(np.clip(0.012 * np.exp(0.9 * risk), 0.001, 0.6), 4)
    age = np.where(rng.random(len(has)) < 0.8, rng.integers(1, 360, len(has)), rng.integers(366, 900, len(has)))
    recommended = np.round(book.sales[has] / 6 * np.exp(rng.normal(0, 0.3, len(has))), -3).astype(np.int64) * 100
    grade = 1 + np.searchsorted([0.005, 0.012, 0.03, 0.08, 0.2], chance)
    return pa.table(
        {
            "customer_number": book.number[has],
            "provider": pa.repeat("registry", len(has)),
            "report_date": _days(book.today - age),
            "grade": pa.array(grade.astype("U1")),
            "pd": pa.array(chance),
            "recommended_limit": _money(recommended),
            "currency": pa.array(CURRENCIES).take(pa.array(book.currency[has])),
        }
    )


def cover(book: Book) -> pa.Table:
    """An insured limit for 3 in 10 customers."""
    rng = book.rng
    has = np.flatnonzero(rng.random(book.count) < 0.3)
    amount = np.maximum(np.round(book.sales[has] / 8, -3), 1_000).astype(np.int64) * 100
    return pa.table(
        {
            "customer_number": book.number[has],
            "kind": pa.repeat("insured_limit", len(has)),
            "reference": pc.binary_join_element_wise("P", pa.array(book.number[has]), "-"),
            "amount": _money(amount),
            "currency": pa.array(CURRENCIES).take(pa.array(book.currency[has])),
            "cover_fraction": pa.repeat("0.9", len(has)),
            "valid_from": _days(book.today - rng.integers(30, 700, len(has))),
            "valid_to": _days(book.today + rng.integers(-20, 700, len(has))),
            "max_terms_days": pa.array(rng.choice(["", "60", "90"], len(has))),
        }
    )


def rates(as_of: date) -> pa.Table:
    """One rate a foreign currency, on the as-of date."""
    one = [as_of.isoformat()] * len(RATES)
    columns = {"rate_date": one, "base": ["EUR"] * len(RATES), "quote": list(RATES), "rate": list(RATES.values())}
    return pa.table(columns | {"source": ["central bank reference rate"] * len(RATES)})


def control_totals(items: pa.Table, count: int) -> pa.Table:
    """What the source states of itself: rows, open and original amounts by currency and document type, and the number of customers."""
    found = items.group_by(["currency", "document_type"]).aggregate([("amount", "count"), ("open_amount", "sum"), ("amount", "sum")])
    found = found.sort_by([("currency", "ascending"), ("document_type", "ascending")])
    zero = pa.array([0], pa.decimal128(38, 2))
    columns = {
        "dataset": pa.array(["items"] * len(found) + ["customers"]),
        "currency": _joined(found["currency"], [""]),
        "document_type": _joined(found["document_type"], [""]),
        "rows": _joined(found["amount_count"], pa.array([count], pa.int64())),
        "amount": _joined(found["open_amount_sum"], zero),
        "original_amount": _joined(found["amount_sum"], zero),
    }
    return pa.table(columns)


def write(folder: Path, *, count: int, seed: int = SEED, as_of: date = AS_OF, **more: Any) -> dict[str, int]:
    """Write the book into `folder`; rows by file. `more` are further arguments of Book."""
    folder.mkdir(parents=True, exist_ok=True)
    book = Book(count, seed, as_of, **more)
    items = ledger(book)
    tables = {"ledger": items, "customers": customers(book), "bureau": bureau(book), "cover": cover(book), "rates": rates(as_of)}
    tables["control_totals"] = control_totals(items, count)
    for name, table in tables.items():
        csv.write_csv(table, folder / f"{name}.csv", csv.WriteOptions(quoting_style="none"))
    (folder / "posted_through.txt").write_text(f"{as_of.isoformat()}\n", encoding="utf-8")
    return {name: len(table) for name, table in tables.items()}


def _days(numbers: np.ndarray) -> pa.Array:
    return pa.array(numbers.astype("datetime64[D]"))


def _money(cents: np.ndarray, *, missing: np.ndarray | None = None) -> pa.Array:
    """Cents as decimals with two places: the same integers, read with another scale."""
    whole = pa.array(cents, pa.int64(), mask=missing).cast(pa.decimal128(20, 0))
    return pa.Array.from_buffers(pa.decimal128(20, 2), len(whole), whole.buffers())


def _joined(column: pa.ChunkedArray, last: pa.Array | list[str]) -> pa.ChunkedArray:
    return pa.chunked_array([*column.chunks, pa.array(last, column.type)])


def main() -> None:
    """Write a book from the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--customers", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=SEED)
    given = parser.parse_args()
    started = time.perf_counter()
    rows = write(given.folder, count=given.customers, seed=given.seed)
    print(f"{given.folder}: " + ", ".join(f"{n:,} {name}" for name, n in rows.items()) + f" in {time.perf_counter() - started:.1f} s")


if __name__ == "__main__":
    main()
