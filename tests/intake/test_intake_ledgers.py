"""The four sample ledgers, counted here with the csv and sqlite3 modules and Decimal, without any code of the project."""

import csv
import sqlite3
from collections import Counter, defaultdict
from datetime import date
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pytest
from intake_world import LEDGERS, MAPPINGS, Place, PlainSettings, load, starter_policy

from credit_review.adapters.reading import Book, read_book

pytestmark = [
    pytest.mark.shared_data,
    pytest.mark.skipif(not LEDGERS.is_dir(), reason="needs ../shared/data/ledgers"),
]


def book(name: str, as_of: date) -> Book:
    settings = PlainSettings((Place(str(LEDGERS)),))
    return read_book(settings, [load(MAPPINGS / f"{name}.yaml")], as_of=as_of, policy=starter_policy())


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def highradius() -> Book:
    return book("highradius_open", date(2020, 5, 22))


def test_highradius_has_one_customer_per_real_customer(highradius: Book) -> None:
    numbers = {r["cust_number"] for r in rows(LEDGERS / "highradius_open.csv")}
    real = {n.strip().lstrip("0") if n.strip().isdigit() else n.strip() for n in numbers}
    assert (len(numbers), len(real)) == (229, 182)
    customers = highradius.frames["customers"]
    assert set(customers["customer_id"]) == real and customers["customer_id"].is_unique
    assert {"CCU001", "CC6000", "CC6050"} <= real
    by_id = defaultdict(set)
    for number in numbers:
        by_id[number.strip().lstrip("0") if number.strip().isdigit() else number.strip()].add(number)
    joined = {k: v for k, v in by_id.items() if len(v) > 1}
    found = {r["customer_id"]: set(r["numbers"].split("|")) for r in highradius.joins.to_dict("records")}
    assert found == joined and len(joined) == 47


def test_highradius_rows_and_amounts_tie_per_currency_to_the_cent(highradius: Book) -> None:
    count: Counter[str] = Counter()
    total: Counter[str] = Counter()
    customers: dict[str, Counter[str]] = defaultdict(Counter)
    for r in rows(LEDGERS / "highradius_open.csv"):
        cents = int(Decimal(r["total_open_amount"]) * 100)
        assert Decimal(r["total_open_amount"]) * 100 == cents
        count[r["invoice_currency"]] += 1
        total[r["invoice_currency"]] += cents
        number = r["cust_number"].strip()
        customers[number.lstrip("0") if number.isdigit() else number][r["invoice_currency"]] += cents
    assert sum(count.values()) == 5235
    items = highradius.frames["items"]
    assert items.groupby("currency").size().to_dict() == dict(count)
    assert items.groupby("currency")["open_minor"].sum().to_dict() == dict(total)
    found = items.groupby(["customer_id", "currency"])["open_minor"].sum().to_dict()
    assert found == {(c, currency): cents for c, sums in customers.items() for currency, cents in sums.items()}


def test_highradius_is_a_book_of_open_items_without_limits(highradius: Book) -> None:
    assert highradius.frames["customers"]["limit_minor"].isna().all()
    assert any("as of extraction" in note for note in highradius.notes)
    late = (highradius.frames["items"]["due_date"] < highradius.frames["items"]["posting_date"]).sum()
    assert late == sum(r["due_in_date"] < r["posting_date"] for r in rows(LEDGERS / "highradius_open.csv")) == 13
    assert highradius.frames["quarantine"].empty and highradius.frames["duplicates"].empty


@pytest.fixture(scope="module")
def classicmodels() -> Book:
    return book("classicmodels", date(2005, 6, 10))


def sql(statement: str) -> list[tuple]:
    connection = sqlite3.connect(f"file:{LEDGERS / 'classicmodels.sqlite'}?mode=ro", uri=True)
    try:
        return connection.execute(statement).fetchall()
    finally:
        connection.close()


def test_classicmodels_customers_and_limits_are_those_of_the_table(classicmodels: Book) -> None:
    limits = {str(n): int(Decimal(limit) * 100) for n, limit in sql("SELECT customerNumber, creditLimit FROM customers")}
    customers = classicmodels.frames["customers"].set_index("customer_id")
    assert customers["limit_minor"].to_dict() == limits
    assert (len(limits), sum(v == 0 for v in limits.values())) == (122, 24)
    assert customers["limit_minor"].notna().all()
    assert "Québec Home Shopping Network" in set(customers["name"]) and set(customers["country"]) == {
        c.strip() for (c,) in sql("SELECT country FROM customers")
    }


def test_classicmodels_owes_orders_less_payments(classicmodels: Book) -> None:
    order: dict[str, Decimal] = defaultdict(Decimal)
    for number, quantity, price in sql("SELECT orderNumber, quantityOrdered, priceEach FROM orderdetails"):
        order[number] += quantity * Decimal(price)
    owed: dict[str, Decimal] = defaultdict(Decimal)
    kinds: Counter[str] = Counter()
    for number, customer, status in sql("SELECT orderNumber, customerNumber, status FROM orders"):
        kinds[status] += 1
        if status != "Cancelled":
            owed[str(customer)] += order[number]
    payments = sql("SELECT customerNumber, amount FROM payments")
    for customer, amount in payments:
        owed[str(customer)] -= Decimal(amount)
    items = classicmodels.frames["items"]
    found = items.groupby("customer_id")["open_minor"].sum().to_dict()
    assert found == {c: int(v * 100) for c, v in owed.items()}
    shipped, waiting = kinds["Shipped"] + kinds["Resolved"] + kinds["Disputed"], kinds["In Process"] + kinds["On Hold"]
    assert items.groupby("kind").size().to_dict() == {"invoice": shipped, "order": waiting, "payment": len(payments)}
    assert (sum(kinds.values()), kinds["Cancelled"], len(payments)) == (326, 6, 273)
    assert items["disputed"].sum() == kinds["Disputed"] == 3
    limits = {str(n): Decimal(limit) for n, limit in sql("SELECT customerNumber, creditLimit FROM customers")}
    over = {c for c, v in owed.items() if v > limits[c]}
    names = classicmodels.frames["customers"].set_index("customer_id")["name"]
    assert set(names[sorted(over)]) == {"Tekni Collectables Inc.", "Gifts4AllAges.com", "The Sharp Gifts Warehouse"}


def test_classicmodels_declares_what_it_assumes() -> None:
    text = " ".join(load(MAPPINGS / "classicmodels.yaml").assumptions)
    assert all(word in text for word in ("USD", "30 days", "oldest invoices first", "open orders", "cancelled"))


def test_cassandra_accounts_for_part_settled_rows_and_its_one_duplicate() -> None:
    read = book("cassandra_pre2015", date(2014, 12, 31))
    source = rows(LEDGERS / "cassandra_pre2015.csv")
    distinct = {tuple(r.values()) for r in source}
    now = [r for r in distinct if tuple(int(x) for x in reversed(r[2][:10].split("-"))) <= (2014, 12, 31)]
    assert (len(source), len(source) - len(distinct)) == (3297, 1)
    items = read.frames["items"]
    assert len(items) == len(now)

    def open_then(r: tuple[str, ...]) -> Decimal:
        paid = pd.to_datetime(r[3], format="%d-%b-%y") + pd.Timedelta(days=int(r[8]))
        return Decimal(r[5]) if Decimal(r[7]) == 0 and paid > pd.Timestamp("2014-12-31") else Decimal(r[7])

    assert items["open_minor"].sum() == sum(int(open_then(r) * 100) for r in now)
    assert items["amount_minor"].sum() == sum(int(Decimal(r[5]) * 100) for r in now)
    assert len(read.frames["duplicates"]) == 1 and read.accounting["rows"].sum() == 3297
    assert read.frames["customers"]["customer_id"].nunique() == len({r["Vendor_Name"].strip() for r in source})


def test_ibm_settled_invoices_read_clean() -> None:
    read = book("ibm_ar", date(2013, 12, 31))
    source = rows(LEDGERS / "ibm_ar.csv")
    items = read.frames["items"]
    assert len(items) == len(source) == 2466 and read.frames["quarantine"].empty
    assert items["amount_minor"].sum() == sum(int(Decimal(r["InvoiceAmount"]) * 100) for r in source)
    after = [r for r in source if pd.to_datetime(r["SettledDate"], format="%m/%d/%Y") > pd.Timestamp("2013-12-31")]
    assert items["open_minor"].sum() == sum(int(Decimal(r["InvoiceAmount"]) * 100) for r in after)
    assert items["disputed"].sum() == sum(r["Disputed"] == "Yes" for r in source)
