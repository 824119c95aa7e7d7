"""Forecasts, requests as a file and seasonal limits as people type them, from a forecast to its comparison with a later ledger."""

from __future__ import annotations

import json
from datetime import timedelta
from hashlib import sha256

import pytest
from office import CLOCK, NOON
from test_requests import steady

from credit_review.adapters import layered
from credit_review.adapters.store.business import compare_with_tables
from credit_review.model.records import Forecast, Person, PersonAccount, Proposal, Review
from credit_review.review import directory

pytestmark = pytest.mark.prefect
TODAY = NOON.date()
RULE = "    forecast: {max_age_days: 180, ahead_days: 90, at_most_of_peak: 100, least_cases: 5, untested_factor: 0.5}\n"


@pytest.fixture
def owned(office):
    """A customer with a limit whose account owner is in the directory, in an installation whose policy counts forecasts."""
    account, base = steady(office)
    with office.opened.store.begin() as uow:
        owner, _ = layered.owners(office.opened.settings.data, uow, [account.subject_id], TODAY)[account.subject_id]
        times = {"valid_from": TODAY, "valid_to": None, "recorded_at": CLOCK.now()}
        directory.record_person(uow, Person(person_id="p-sales", name=owner, email="", active=True, **times), by="system:demo")
        directory.record_account(uow, PersonAccount(kind="demo", account="p-sales", person_id="p-sales", **times), by="system:demo")
        uow.commit()
    CLOCK.set(NOON + timedelta(minutes=1))  # the policy adopted last is in force
    office.edit("policy.yaml", "    season_days: 0 ", RULE + "    season_days: 0 ")
    office.adopt("policy.yaml")
    return office, account.subject_id, base.amount_minor


def test_a_forecast_counts_in_the_next_review_replays_and_is_compared_once_its_days_are_over(owned, tmp_path):
    office, customer, limit = owned
    major = limit // 100
    days = ("--from", "2026-10-01", "--until", "2027-02-01")
    said = office.run("forecast", "record", customer, "--amount", f"{4 * major}", *days, "--reason", "new shop", who="p-sales").fine()
    assert f"expected to owe up to {4 * major:,} EUR" in said.out
    office.run("forecast", "record", customer, "--amount", "5", *days, "--reason", "x", who="p-cfo").refused(4, "not the account owner")
    bad = tmp_path / "bad.csv"
    bad.write_text(
        f"customer,amount,from,until,reason\n{customer},5,2026-10-01,2026-10-03,x\n{customer},5,2026-10-01,soon,x\nnone,5,2026-10-01,2026-10-03,x\n"
        f"{customer},5,2026-10-01,2026-10-03,\n"
    )
    refused = office.run("forecast", "import", str(bad), who="p-sales").refused(
        3, "3 of 4 rows", "line 3: until is 'soon'", "line 4: no review", "line 5: reason is missing"
    )
    assert "line 2" not in refused.err and len(office.find(Forecast)) == 1
    good = tmp_path / "good.yaml"
    good.write_text(f"forecasts:\n  - {{customer: {customer}, amount: 9000, from: 2026-10-01, until: 2026-10-03, reason: fair}}\n")
    assert office.run("forecast", "import", str(good), "--json", who="p-sales").fine().json["new"] == 1
    assert "1 was on record already" in office.run("forecast", "import", str(good), who="p-analyst").fine().out
    listed = office.run("forecast", "list", "--json").fine().json
    assert [(one["owner_id"], one["state"]) for one in listed] == [("p-sales", "running")] * 2
    asked = by_file(office, customer, 3 * major, tmp_path)
    # the later forecast speaks of two days only, and takes the first one's place all the same
    shown = office.run("show", asked.proposal_id).fine().out
    assert "Forecast of the account owner" in shown and "4,500 EUR" in shown and "for 0 cases are too few" in shown
    replayed = office.run("replay", asked.review_id, "--json")
    assert replayed.code == 0, replayed.out[-2000:]
    assert "forecasts" in json.loads(office.one(Review, review_id=asked.review_id).manifest_json)
    compared_later(office, customer)


def by_file(office, customer, amount, folder):
    """Asks for a limit by a file, its order at stake and a document with it; what became of it."""
    (folder / "order.pdf").write_bytes(b"order 4711")
    path = folder / "requests.csv"
    row = f'{customer},"{amount:,}",EUR,2026-12-31,,season,"250,000",order.pdf\n'
    path.write_text(
        "customer,amount,currency,until,terms,reason,order,documents\n"
        + row
        + f"{customer},1,EUR,2026-12-31,,twice,,\n{customer},1,EUR,soon,,x,,\n{customer},1,EUR,2026-12-31,,,,\n"
    )
    before = len(office.find(Review))
    office.run("request", "--file", str(path), who="p-manager").refused(
        3, "3 of 4 rows", "line 3: the same limit", "line 4: until is 'soon'", "line 5: reason is missing"
    )
    assert len(office.find(Review)) == before
    path.write_text("customer,amount,currency,until,terms,reason,order,documents\n" + row)
    (made,) = office.run("request", "--file", str(path), "--json", who="p-manager").fine().json["requests"]
    assert "1 was on record already" in office.run("request", "--file", str(path), who="p-manager").fine().out
    asked = office.one(Proposal, proposal_id=made["proposal_id"])
    kept = json.loads(asked.packet_json)["request"]
    assert (kept["order_minor"], kept["documents"]) == (250_000_00, [["order.pdf", sha256(b"order 4711").hexdigest()]])
    shown = office.run("show", asked.proposal_id).fine().out
    assert "Order at stake" in shown and "250,000 EUR" in shown and "order.pdf" in shown
    return asked


def compared_later(office, customer):
    """A seasonal limit of another layer is asked for days later; its review compares what is over by then."""
    CLOCK.set(NOON + timedelta(days=5))
    assert "no forecast is over" in office.run("forecast", "accuracy").fine().out
    other = next(p for p in office.find(Proposal, state="draft") if p.customer_id != customer and p.currency == "EUR")
    wanted = f"{2 * max(other.to_minor, other.from_minor or 0) // 100 + 1000}"
    season = ("--from", "2026-11-01", "--until", "2027-02-01", "--every-year-until", "2029-06-30")
    office.run("request", other.customer_id, "--amount", wanted, *season[:-1], "2027-01-01", "--reason", "x", who="p-manager").refused(
        3, "recurs until"
    )
    said = office.run("request", other.customer_id, "--amount", wanted, *season, "--reason", "winter", who="p-manager").fine()
    assert "from 1 Nov 2026 until 1 Feb 2027, and on the same days of each year until 30 Jun 2029" in said.out
    found = office.run("forecast", "accuracy", "--json").fine().json
    assert found["tracks"] == []  # the first word about these days is what counts, and its days are not over
    states = {one["expected_minor"]: one for one in office.run("forecast", "list", "--json").fine().json}
    assert states[9_000_00]["state"] == "compared" and states[9_000_00]["actual_minor"] >= 0
    assert compare_with_tables(office.opened.store.engine) == []
