"""Open orders of a real review handed over after its limits were applied: from the snapshot's files to the drop folder and the log."""

from __future__ import annotations

import csv
import io
import json
from datetime import timedelta
from hashlib import sha256

import pytest
from office import CLOCK, NOON

from credit_review.adapters import layered, order_files
from credit_review.adapters.snapshot import open_snapshot
from credit_review.adapters.workspace import Workspace
from credit_review.limits.layers import limit_on
from credit_review.model.records import AuditRow, LimitChange
from credit_review.report.spreadsheet import unprotect
from credit_review.review.layers import recorded_many
from credit_review.review.manifest import from_json
from credit_review.review.order_hand_off import Asked


def lines(text):
    return [{k: unprotect(v) for k, v in row.items()} for row in csv.DictReader(io.StringIO(text, newline=""))]


@pytest.fixture(scope="module")
def book(reviewed):
    """The newest review, its snapshot, and every customer with its features."""
    opened = reviewed.opened
    with opened.store.read() as uow:
        review = layered.newest_of_book(uow, opened.today())
        buckets = from_json(review.manifest_json).bucket_count
        workspace = Workspace(opened.settings.data, review.review_id)
        features = workspace.read_all("features", buckets).set_index("customer_id").to_dict("index")
        found = recorded_many(uow, list(features), on=opened.today(), now=opened.clock.now(), control="EUR")
    snapshot = open_snapshot(workspace.snapshots / from_json(review.manifest_json).snapshot)
    return opened, review, snapshot, features, found


def outside_by_hand(items, owed_beside, limit, horizon):
    """(document, amount outside) of what does not fit, one document after another."""
    counted = [i for i in items if i["kind"] == "delivery" or i["due_date"].date() <= horizon]
    left, found = max(limit - owed_beside, 0), []
    for one in sorted(counted, key=lambda i: (i["kind"] == "order", i["document_date"], i["due_date"], i["document"])):
        fits = one["open_minor"] <= left
        if not fits:
            found.append((one["document"], one["open_minor"] - left))
        left = left - one["open_minor"] if fits else 0
    return found


def test_lists_of_a_whole_book_are_those_of_a_loop_over_its_orders(book):
    opened, review, snapshot, features, recorded = book
    today = opened.today()
    asked = [Asked(customer_id=i, recorded=r, changes=frozenset(), effective_from=today, ended=False) for i, r in recorded.items()]
    listed = order_files.list_orders(opened.settings.data, review, asked)
    rows, items = lines(listed.text), snapshot.whole("items")
    items = items[items["kind"].isin(["order", "delivery"]) & (items["open_minor"] > 0)]
    horizon, seen = review.as_of + timedelta(days=60), 0
    for customer, mine in items.groupby("customer_id"):
        one = [r for r in rows if r["customer_id"] == customer]
        if set(mine["currency"]) != {features[customer]["currency"]} or any(r["list"] == "not_computable" for r in one):
            continue
        counted = sum(int(features[customer][n] or 0) for n in ("open_orders_minor", "unbilled_deliveries_minor"))
        limit = limit_on(recorded[customer].layers, today).amount_minor
        expected = outside_by_hand(mine.to_dict("records"), features[customer]["exposure_minor"] - counted, limit, horizon)
        assert [(r["document"], int(r["outside_minor"])) for r in one if r["list"] == "outside"] == expected
        seen += bool(expected)
    assert seen >= 5 and listed.lines["outside"] >= seen
    reasons = {r["reason"] for r in rows if r["list"] == "not_computable"}
    assert reasons <= {"no limit on file"} | {r["reason"] for r in rows if "has no limit account" in r["reason"]}, "none for want of a rate"


def test_an_applied_limit_hands_its_orders_to_the_drop_folder_and_says_so(office):
    text = (office.config / "settings.yaml").read_text()
    assert "orders: false" in text
    (office.config / "settings.yaml").write_text(text.replace("orders: false", "orders: true "))
    (proposal, *_) = office.waiting(way="down")
    office.run("release", proposal, who="p-analyst").fine()
    office.run("decide", proposal, "approve", who="p-controller").fine()
    office.run("apply").fine()
    change = office.one(LimitChange, proposal_id=proposal)
    CLOCK.set(NOON + (change.effective_from - NOON.date()))
    done = office.run("apply").fine()
    assert "may be released" in done.out
    entries = [json.loads(r.body)["data"] for r in office.find(AuditRow, action="orders.listed")]
    (mine,) = [e for e in entries if change.change_id in e["of"]]
    path = office.config / "erp_drop" / "orders" / mine["file"]
    assert sha256(path.read_bytes()).hexdigest() == mine["sha256"]
    assert sorted(c for e in entries for c in e["of"]) == sorted(c.change_id for c in office.find(LimitChange, kind="decision"))
    assert office.find(AuditRow, action="orders.confirmed") and office.run("audit", "verify", "--business").code in (0, 2)
