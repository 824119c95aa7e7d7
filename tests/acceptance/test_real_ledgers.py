"""Two real ledgers, reviewed as their owners would: every count and amount against plain csv and sqlite3, counted here."""

from __future__ import annotations

import csv
import html
import json
import re
import sqlite3
import sys
from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from functools import cached_property
from pathlib import Path

import pandas as pd
import pytest
from installation import install

from credit_review.model.records import Proposal, Review
from deployments.cli import reviewing

sys.path.append(str(Path(__file__).parents[1] / "flows"))
import without_prefect

pytestmark = pytest.mark.shared_data

OPEN_ITEMS_AS_OF, MODELS_AS_OF = date(2020, 5, 22), date(2005, 6, 10)


@dataclass(frozen=True)
class Reviewed:
    """A finished review of an installation, as files and record show it."""

    made: object
    message: str

    @cached_property
    def record(self):
        with self.made.services.store.read() as uow:
            return uow.find(Review)[0]

    @cached_property
    def folder(self):
        return self.made.path("data") / "reviews" / self.record.review_id

    @cached_property
    def customers(self):
        return pd.read_parquet(self.folder / "proposals.parquet").set_index("customer_id")

    @cached_property
    def features(self):
        parts = [pd.read_parquet(path) for path in sorted((self.folder / "features").glob("*.parquet"))]
        return pd.concat(parts).set_index("customer_id")

    @cached_property
    def certificate(self):
        found = json.loads((self.folder / "certificate.json").read_text(encoding="utf-8"))
        return {one["line"]: one for one in (*found["lines"], found["total"])}

    @cached_property
    def text(self):
        """What a reader of the report sees, on one line."""
        page = (self.folder / "report.html").read_text(encoding="utf-8")
        page = re.sub(r"<(style|svg|script).*?</\1>", " ", page, flags=re.S)
        return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())

    def quarantined_rows(self):
        """Row keys that the report's quarantine list prints."""
        with_rows = self.text.partition(" Quarantined rows Dataset Row key ")[2].partition(" Data read ")[0]
        return set(re.findall(r"items (\S+) ", with_rows))

    def proposals(self):
        with self.made.services.store.read() as uow:
            return uow.find(Proposal)


def review(folder, ledgers, mapping, company, as_of):
    """The counts and amounts are the review's, whoever runs it: Prefect, which tests of flows have, is left out."""
    made = install(folder, ledgers, mapping=mapping, company=company, currency="USD", as_of=as_of)
    with pytest.MonkeyPatch.context() as patch:
        without_prefect.run_flows(patch)
        return Reviewed(made, reviewing.run_flow(made.config, as_of=as_of))


def cents(amount):
    assert amount == amount.quantize(Decimal("0.01"))
    return int(amount * 100)


# --- a book of open items ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def open_items(shared_data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("open_items") / "config"
    return review(folder, shared_data / "ledgers", "highradius_open.yaml", "Consumer Goods", OPEN_ITEMS_AS_OF)


@pytest.fixture(scope="module")
def open_rows(shared_data):
    """Rows of the file with number, dates and amount as a person would read them."""
    rows = []
    with (shared_data / "ledgers" / "highradius_open.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            number = row["cust_number"].strip()
            rows.append(
                {
                    "number": number,
                    "customer": number.lstrip("0"),
                    "document": row["doc_id"].removesuffix(".0"),
                    "currency": row["invoice_currency"],
                    "amount": Decimal(row["total_open_amount"]),
                    "posted": day(row["posting_date"]),
                    "dated": day(row["document_create_date"]),
                    "due": day(row["due_in_date"]),
                }
            )
    return rows


def day(text):
    text = text.removesuffix(".0")
    return date.fromisoformat(text) if "-" in text else date(int(text[:4]), int(text[4:6]), int(text[6:]))


def impossible(row):
    return row["due"] < min(row["posted"], row["dated"])


def test_open_items_have_one_row_for_each_real_customer(open_items, open_rows):
    assert len({row["number"] for row in open_rows}) == 229
    assert set(open_items.customers.index) == {row["customer"] for row in open_rows}
    assert len(open_items.customers) == 182
    assert "182 customers in the book" in open_items.text


def test_every_number_that_a_rule_joined_is_listed(open_items, open_rows):
    numbers = defaultdict(set)
    for row in open_rows:
        numbers[row["customer"]].add(row["number"])
    listed = open_items.text.partition("Numbers that belong to one customer ")[2].partition(" Validation ")[0]
    for several in numbers.values():
        if len(several) > 1:
            assert all(f" {number} " in f" {listed} " for number in several), several
    assert listed.count("rule of mapping") == 229 - 182


def test_the_certificate_of_open_items_ties_per_currency_to_the_file(open_items, open_rows):
    lines, total = open_items.certificate, open_items.certificate["control total"]
    assert total["customers"] == 182 and total["rows"] == len(open_rows) == 5235
    for currency in ("USD", "CAD"):
        assert total["amounts"][currency] == cents(sum(r["amount"] for r in open_rows if r["currency"] == currency))
        assert sum(one["amounts"].get(currency, 0) for name, one in lines.items() if name != "control total") == total["amounts"][currency]
    assert {name: lines[name]["customers"] for name in ("reviewed", "quarantined", "not_due", "excluded", "deferred")} == {
        "reviewed": 157, "quarantined": 25, "not_due": 0, "excluded": 0, "deferred": 0,
    }  # fmt: skip


def test_every_dirty_row_is_named_with_its_key_and_its_customer_keeps_no_guess(open_items, open_rows):
    dirty = [row for row in open_rows if impossible(row)]
    assert len(dirty) == 13
    assert open_items.quarantined_rows() == {row["document"] for row in dirty}
    for customer in {row["customer"] for row in dirty}:
        found = open_items.customers.loc[customer]
        assert found["state"] == "quarantined" and pd.isna(found["to_minor"])
        named = [row["document"] for row in dirty if row["customer"] == customer]
        assert named[0] in found["state_reason"] or str(len(named)) in found["state_reason"]


def test_a_currency_without_a_rate_is_neither_converted_nor_added(open_items, open_rows):
    canadian = {row["customer"] for row in open_rows if row["currency"] == "CAD"}
    american = {row["customer"] for row in open_rows if row["currency"] == "USD"}
    assert len(canadian) == 21 and not canadian & american
    found = open_items.customers.loc[sorted(canadian)]
    assert set(found["state"]) == {"quarantined"} and found["state_reason"].str.startswith("missing_rate").all()
    assert "21 customers could not be reviewed: no rate from USD to CAD" in open_items.text
    both = sum(row["amount"] for row in open_rows)
    assert f"{both:,.0f}" not in open_items.text and f"{both:,.2f}" not in open_items.text


def test_exposure_and_overdue_of_every_customer_are_those_of_the_file(open_items, open_rows):
    owed, late = defaultdict(Decimal), defaultdict(Decimal)
    for row in open_rows:
        if not impossible(row):
            owed[row["customer"]] += row["amount"]
            late[row["customer"]] += row["amount"] if row["due"] < OPEN_ITEMS_AS_OF else 0
    found = open_items.features
    assert {c: cents(a) for c, a in owed.items() if a} == {c: v for c, v in found["exposure_minor"].items() if v}
    assert {c: cents(a) for c, a in late.items() if a} == {c: v for c, v in found["overdue_minor"].items() if v}


def test_limits_that_were_never_set_are_shown_as_new(open_items):
    reviewed = open_items.customers[open_items.customers["state"] == "reviewed"]
    assert set(reviewed["direction"]) == {"new"} and reviewed["from_minor"].isna().all()
    assert not reviewed["straight_through"].any()
    assert "no customer has a limit on file, so every limit is shown as a first limit" in open_items.text
    assert "CAD: no limit is on file and none is proposed." in open_items.text
    assert "Limits in force none on file" in open_items.text and "157 first limits" in open_items.text


def test_first_limits_below_the_exposure_there_is_are_said(open_items):
    reviewed = open_items.customers[open_items.customers["state"] == "reviewed"]
    below = reviewed[reviewed["exposure_minor"] > reviewed["to_minor"]]
    assert f"USD: {len(below)} first limits lie below the exposure there is already" in open_items.text


def test_behaviour_that_the_source_cannot_show_is_not_computable(open_items):
    for figure, why in (
        ("average days late", "no cleared items in source"),
        ("days late trend", "no cleared items in source"),
        ("sales 12m", "no sales in source"),
        ("need", "no sales in source"),
        ("utilisation", "no limits in source"),
        ("open orders", "no orders in source"),
        ("disputed", "no disputes in source"),
    ):
        assert f" {figure} {why} 182 " in open_items.text, figure
    assert "The source has no payment history: open amounts are as of extraction" in open_items.text
    assert "DSO, days not computable not computable" in open_items.text
    assert "Disputed not computable not computable" in open_items.text


def test_every_customer_never_reviewed_and_now_quarantined_is_put_before_a_person(open_items):
    listed = open_items.text.partition("A person must look at these ")[2]
    quarantined = open_items.customers.index[open_items.customers["state"] == "quarantined"]
    assert len(quarantined) == 25 and listed.count("never reviewed, longest is 12 months; p-analyst to resolve") == 25
    assert all(f" {customer} " in listed for customer in quarantined)


def test_a_book_that_states_lateness_only_is_given_no_probability_of_default(open_items):
    assert "robability of serious lateness" in open_items.text and "Probability of default" not in open_items.text


def test_mass_lateness_holds_the_routing_and_says_why(open_items):
    assert open_items.record.state == "proposed" and open_items.record.hold and not open_items.record.hold_released_by
    assert {p.state for p in open_items.proposals()} == {"draft"} and {p.tier for p in open_items.proposals()} == {""}
    assert "held until a person confirms the extract is complete" in open_items.message
    assert "Routing is held until a person confirms that the extract is complete (`credit-review review confirm" in open_items.text
    assert "95% in USD and 97% in CAD" in open_items.text or "97% in CAD and 95% in USD" in open_items.text
    assert open_items.text.count("may be an incomplete extract") + open_items.text.count("may mean an incomplete extract") == 2


def test_a_confirmed_extract_is_routed_and_says_who_confirmed_it(open_items, plain_flows, capsys):
    reviewing.confirm(
        open_items.made.config, open_items.record.review_id, reason="cash is posted through 22 May", as_person="p-manager", as_json=False
    )
    with open_items.made.services.store.read() as uow:
        routed = uow.find(Review)[0]
        proposals = uow.find(Proposal)
    assert routed.state == "routed" and routed.hold_released_by == "p-manager"
    assert len(proposals) == 157 and all(p.tier for p in proposals)
    assert "p-manager has confirmed" in Reviewed(open_items.made, "").text


# --- limits, orders and payments ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def models(shared_data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "config"
    return review(folder, shared_data / "ledgers", "classicmodels.yaml", "Classic Models", MODELS_AS_OF)


@dataclass
class Account:
    """A customer of the database, by hand."""

    name: str
    limit: Decimal
    open_items: Decimal = Decimal()
    overdue: Decimal = Decimal()
    orders: Decimal = Decimal()

    @property
    def exposure(self):
        return self.open_items + self.orders


@pytest.fixture(scope="module")
def accounts(shared_data):
    """Orders less payments, oldest first, 30 days net from shipping; open orders due within 60 days beside."""
    database = sqlite3.connect(f"file:{shared_data}/ledgers/classicmodels.sqlite?mode=ro&immutable=1", uri=True)
    value = defaultdict(Decimal)
    for order, quantity, price in database.execute("SELECT orderNumber, quantityOrdered, priceEach FROM orderdetails"):
        value[order] += Decimal(str(quantity)) * Decimal(str(price))
    found = {
        str(number): Account(name, Decimal(str(limit)))
        for number, name, limit in database.execute("SELECT customerNumber, customerName, creditLimit FROM customers")
    }
    shipped = defaultdict(list)
    for order, customer, required, sent, status in database.execute(
        "SELECT orderNumber, customerNumber, requiredDate, shippedDate, status FROM orders"
    ):
        if status in ("Shipped", "Resolved", "Disputed"):
            shipped[str(customer)].append((date.fromisoformat(sent), order))
        elif status in ("In Process", "On Hold"):
            assert date.fromisoformat(required) <= MODELS_AS_OF + timedelta(60)
            found[str(customer)].orders += value[order]
    paid = defaultdict(Decimal)
    for customer, amount in database.execute("SELECT customerNumber, amount FROM payments"):
        paid[str(customer)] += Decimal(str(amount))
    for customer, invoices in shipped.items():
        cash = paid[customer]
        for sent, order in sorted(invoices):
            left = max(value[order] - cash, Decimal())
            cash = max(cash - value[order], Decimal())
            found[customer].open_items += left
            found[customer].overdue += left if sent + timedelta(30) < MODELS_AS_OF else 0
        assert cash == 0, "no customer has paid more than it bought"
    return found


def test_models_have_one_row_for_each_customer_and_all_are_reviewed(models, accounts):
    assert set(models.customers.index) == set(accounts) and len(accounts) == 122
    assert set(models.customers["state"]) == {"reviewed"}
    assert models.record.state == "routed"


def test_exposure_built_from_orders_less_payments_is_exact(models, accounts):
    for name, amount in (("exposure_minor", "exposure"), ("open_items_minor", "open_items"), ("overdue_minor", "overdue")):
        assert models.features[name].to_dict() == {c: cents(getattr(a, amount)) for c, a in accounts.items()}, name
    assert models.features["limit_minor"].to_dict() == {c: cents(a.limit) for c, a in accounts.items()}


@pytest.fixture(scope="module")
def peaks(shared_data):
    """The highest balance of each customer on any day of twelve months: an order stands in full from shipping until its last payment."""
    database = sqlite3.connect(f"file:{shared_data}/ledgers/classicmodels.sqlite?mode=ro&immutable=1", uri=True)
    value, shipped, paid = defaultdict(Decimal), defaultdict(list), defaultdict(list)
    for order, quantity, price in database.execute("SELECT orderNumber, quantityOrdered, priceEach FROM orderdetails"):
        value[order] += Decimal(str(quantity)) * Decimal(str(price))
    sold = "SELECT customerNumber, shippedDate, orderNumber FROM orders WHERE status IN ('Shipped', 'Resolved', 'Disputed')"
    for customer, sent, order in database.execute(sold):
        shipped[str(customer)].append((date.fromisoformat(sent), order))
    for customer, on, amount in database.execute("SELECT customerNumber, paymentDate, amount FROM payments"):
        paid[str(customer)].append((date.fromisoformat(on), Decimal(str(amount))))
    days = [MODELS_AS_OF - timedelta(back) for back in range(365)]
    return {c: max(_owed_at(day, sorted(orders), value, sorted(paid[c])) for day in days) for c, orders in shipped.items()}


def _owed_at(day, orders, value, payments):
    """What is open on a past day; on the day of the review itself part-payments count."""
    cash, owed = sum(amount for on, amount in payments if on <= day), Decimal()
    for sent, order in orders:
        left = max(value[order] - max(cash, Decimal()), Decimal())
        cash -= value[order]
        if sent <= day:
            owed += left if day == MODELS_AS_OF or not left else value[order]
    return owed


def test_need_is_never_below_what_a_customer_owed_at_its_highest(models, peaks):
    found = models.customers[models.customers["peak_balance_minor"].fillna(0) > 0]
    assert found["peak_balance_minor"].to_dict() == {c: cents(p) for c, p in peaks.items() if p}
    assert (found["need_minor"] >= found["peak_balance_minor"]).all()
    good = found[found["grade"].isin(["A", "B", "C"]) & found["forbids_increase"].eq("")]
    assert len(good) and (good["formula_minor"] >= good["peak_balance_minor"]).all()


def test_a_customer_of_two_large_orders_a_year_keeps_a_limit_for_one(models, peaks):
    vida = models.customers.loc["298"]
    assert vida["need_by_terms_minor"] < cents(peaks["298"]) == vida["need_minor"] <= vida["to_minor"]


def test_the_certificate_of_models_ties_and_names_the_cancelled_orders(models, accounts):
    lines = models.certificate
    assert lines["reviewed"]["customers"] == 122
    assert lines["reviewed"]["amounts"] == {"USD": cents(sum(a.exposure for a in accounts.values()))}
    assert lines["out: cancelled orders are out"]["rows"] == 6
    assert lines["control total"]["rows"] == 326 + 273
    assert sum(one["amounts"].get("USD", 0) for n, one in lines.items() if n != "control total") == lines["control total"]["amounts"]["USD"]


def test_the_three_customers_over_their_limit_are_named_first(models, accounts):
    over = {a.name: a.exposure - a.limit for a in accounts.values() if a.exposure > a.limit}
    assert sorted(over) == ["Gifts4AllAges.com", "Tekni Collectables Inc.", "The Sharp Gifts Warehouse"]
    short = models.text.partition("In short ")[2].partition(" Portfolio ")[0]
    assert "Limits in force 8,254,400 (6% in use)" in short
    assert f"3 customers are over the limit in force, by {round(sum(over.values())):,} USD in all" in short
    assert all(name in short for name in over)
    table = models.text.partition("Over the limit in force Customer")[2].partition(" Proposals and their reasons")[0]
    assert all(name in table and f"{round(excess):,}" in table for name, excess in over.items())


def test_customers_with_a_limit_of_nothing_that_never_ordered_stay_there_and_are_not_new(models, accounts):
    idle = [c for c, a in accounts.items() if a.limit == 0]
    assert len(idle) == 24 and all(accounts[c].exposure == 0 for c in idle)
    found = models.customers.loc[idle]
    assert set(found["direction"]) == {"same"} and set(found["from_minor"]) == {0} == set(found["to_minor"])
    assert "0 first limits" in models.text and "24 limits stay as they are" in models.text
    assert not {p.customer_id for p in models.proposals()} & set(idle)


def test_what_the_source_does_not_say_is_declared_on_the_report(models):
    declared = models.text.partition("Declared assumptions ")[2].partition(" Figures that are not computable")[0]
    for words in ("in USD; the source names no currency", "30 days net from the day of shipping", "settle its oldest invoices first"):
        assert words in declared
    assert "Expert scorecard: history is too thin to fit" in models.text


def test_names_read_with_the_wrong_encoding_on_the_way_are_mended(models):
    assert "Toms Spezialitäten, Ltd" in models.text and "Ã" not in models.text


def test_no_unsettled_question_is_decided_by_rule(models):
    waiting = Counter(p.state for p in models.proposals())
    assert set(waiting) == {"draft"}, "there is no external data, so every proposal rests on missing data and waits for people"
    assert all(p.tier for p in models.proposals())
