"""What `path` names is done in the ledger, and the review, run again, does reach the limit."""

from __future__ import annotations

import csv

import pytest

from credit_review.model.records import Proposal

CUSTOMER, WANTED = "100177", "17,600 GBP"


def rows_of(path):
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        return list(reader), reader.fieldnames


def write(path, rows, names):
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def settle(office, bills):
    """The customer's accountant pays; the ledger and its control totals say so."""
    ledger, totals = office.config / "ledger/ledger.csv", office.config / "ledger/control_totals.csv"
    rows, names = rows_of(ledger)
    stated, columns = rows_of(totals)
    for row in rows:
        if row["document_number"] in {bill["document"] for bill in bills}:
            for total in stated:
                if (total["dataset"], total["currency"], total["document_type"]) == ("items", row["currency"], row["document_type"]):
                    total["amount"] = f"{float(total['amount']) - float(row['open_amount']):.2f}"
            row |= {"open_amount": "0.00", "clearing_date": "2026-09-30"}
    write(ledger, rows, names)
    write(totals, stated, columns)


def report(office, recommended_minor):
    path = office.config / "ledger/bureau.csv"
    rows, names = rows_of(path)
    last = max((r for r in rows if r["customer_number"].lstrip("0") == CUSTOMER), key=lambda r: r["report_date"])
    told = {"report_date": "2026-09-30", "recommended_limit": f"{recommended_minor / 100:.2f}", "currency": "GBP"}
    write(path, [*rows, last | told], names)


@pytest.mark.prefect
def test_done_as_named_the_customer_reaches_the_limit(office):
    ask = ("path", CUSTOMER, "--limit", WANTED)
    shown = office.run(*ask).fine().out
    assert "17,600 GBP is reached instead of 16,000 GBP when this is done:" in shown and "is paid" in shown and "dispute" in shown
    found = office.run(*ask, "--json").fine().json
    assert found["reached"] and found["now_minor"] == 1_600_000
    settle(office, found["pay"] + found["settle"])
    report(office, found["recommended_minor"])
    again = ("review", "run", "--as-of", "2026-09-30", "--supersede", "the ledger was late")
    office.run(*again).fine()
    (proposal,) = [p for p in office.find(Proposal, customer_id=CUSTOMER) if p.state == "draft"]
    assert proposal.to_minor >= 1_760_000
    assert proposal.to_minor == found["reaches_minor"]


def test_a_wrong_customer_review_or_amount_is_said(office):
    office.run("path", "999999", "--limit", "5000").refused(3, "knows no customer 999999")
    office.run("path", CUSTOMER, "--limit", "5000", "--review", "r-none").refused(3, "r-none")
    office.run("path", CUSTOMER, "--limit", "5000 EUR").refused(3, "GBP")
