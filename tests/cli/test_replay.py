"""Replay at the command line: what stands comes out again, and what does not is named down to the figure."""

from __future__ import annotations

import json
import re
from hashlib import sha256

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from office import AS_OF
from sqlalchemy import text

from credit_review.model.records import Proposal, Review
from credit_review.review import manifest as manifests
from tests.store.meddling import as_administrator

pytestmark = pytest.mark.prefect


def review_of(office):
    return office.one(Review, as_of=AS_OF)


def manifest_of(office):
    return manifests.from_json(review_of(office).manifest_json)


def kept(office, name):
    return office.config / "data" / "reviews" / review_of(office).review_id / name


def replay(office, *words, subject=""):
    done = office.run("replay", subject or review_of(office).review_id, "--json", *words)
    assert "Traceback" not in done.err, done.err
    return done.code, done.json


def changed(path, old, new):
    """One changed byte of a text; returns the digest it has then."""
    before = path.read_text(encoding="utf-8")
    assert old in before and len(old) == len(new) and sum(a != b for a, b in zip(old, new, strict=True)) == 1
    path.write_text(before.replace(old, new, 1), encoding="utf-8")
    return sha256(path.read_bytes()).hexdigest()


def rewritten(path, change):
    """A Parquet file with other values, as somebody who may write there would leave it."""
    schema = pq.read_schema(path)
    rows = pq.read_table(path).to_pylist()
    found = change(rows)
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), path)
    return found


def everything(office):
    files = sorted(path for path in (office.config / "data").rglob("*") if path.is_file() and ".db" not in path.name)
    with office.opened.store.engine.connect() as connection:
        head = connection.execute(text("SELECT size, leaf FROM audit_head")).one()
    return {str(path): sha256(path.read_bytes()).hexdigest() for path in files}, tuple(head)


def figures(found, customer):
    (mine,) = [one for one in found["differences"] if one["customer"] == customer]
    return {one["name"]: (one["stored"], one["recomputed"]) for one in mine["figures"]}, mine["text"]


def test_a_review_replays_equal_and_nothing_is_written(office):
    before = everything(office)
    done = office.run("replay", review_of(office).review_id).fine()
    assert "equal: everything that was computed again" in done.out
    assert everything(office) == before
    code, found = replay(office)
    proposals = len(office.find(Proposal))
    assert code == 0 and found["answer"] == "equal" and found["compared"] == {
        "inputs": 21, "customers": 45, "proposals": proposals, "routes": proposals,
    }  # fmt: skip


def test_an_id_that_names_nothing_is_said(reviewed):
    reviewed.run("replay", "r-none").refused(3, "neither a review nor a proposal")


def test_one_byte_of_policy_is_named_and_then_the_figures_it_moves(office):
    digest = manifest_of(office).policy
    found_digest = changed(kept(office, f"documents/{digest}"), "C: {need_factor: 1.00", "C: {need_factor: 1.10")
    code, found = replay(office)
    assert code == 1 and found["differences"] == [] and found["compared"]["customers"] == 0
    assert found["inputs"] == [{"input": "policy", "where": f"documents/{digest}", "expected": digest, "found": found_digest}]
    told = office.run("replay", review_of(office).review_id)
    assert told.code == 1 and f"expected digest {digest}, found {found_digest}" in told.out and "--anyway" in told.out
    code, found = replay(office, "--anyway")
    moved = [figures(found, one["customer"])[0] for one in found["differences"] if one["customer"]]
    assert code == 1 and moved and all("formula_minor" in one or "rule" in one or "because" in one or "to" in one for one in moved)
    one = next(one for one in moved if "formula_minor" in one)
    assert one["formula_minor"][1] == pytest.approx(one["formula_minor"][0] * 1.1, rel=0.001)


def test_one_byte_of_the_scorecard_is_named_and_then_the_points_it_moves(office):
    digest = manifest_of(office).scorecard
    path = kept(office, f"documents/{digest}")
    points = re.search(r'"points": ?\[?\s*[1-9]\d', path.read_text(encoding="utf-8")).group(0)
    found_digest = changed(path, points, points[:-1] + ("1" if points[-1] != "1" else "2"))
    code, found = replay(office)
    assert code == 1 and found["inputs"] == [
        {"input": "scorecard", "where": f"documents/{digest}", "expected": digest, "found": found_digest}
    ]
    code, found = replay(office, "--anyway")
    assert code == 1 and any("points" in figures(found, one["customer"])[0] for one in found["differences"] if one["customer"])


def test_one_byte_of_the_authority_matrix_moves_routes_and_no_figure(office):
    digest = manifest_of(office).authority
    changed(kept(office, f"documents/{digest}"), "exceptions: T2", "exceptions: T3")
    code, found = replay(office, "--anyway")
    moved = [figures(found, one["customer"])[0] for one in found["differences"]]
    assert code == 1 and [one["input"] for one in found["inputs"]] == ["authority"]
    assert moved and all(set(one) <= {"tier", "approvals", "because"} and one["tier"] == ("T2", "T3") for one in moved)


def test_one_byte_of_a_snapshot_file_is_named(office):
    name = "items/0000.parquet"
    path = office.config / "data" / "snapshots" / manifest_of(office).snapshot / name
    before = path.read_bytes()
    middle = len(before) // 3
    path.write_bytes(before[:middle] + bytes([before[middle] ^ 1]) + before[middle + 1 :])
    code, found = replay(office)
    where = f"snapshots/{manifest_of(office).snapshot}/{name}"
    assert code == 1 and found["inputs"][0] == {
        "input": "ledger", "where": where, "expected": sha256(before).hexdigest(), "found": sha256(path.read_bytes()).hexdigest(),
    }  # fmt: skip


def test_an_invoice_changed_in_the_snapshot_is_named_down_to_the_limit(office):
    proposal = next(p for p in office.find(Proposal, direction="up") if p.currency == "EUR")

    def more_sales(rows):
        mine = [r for r in rows if r["customer_id"] == proposal.customer_id and r["kind"] == "invoice" and r["clearing_date"]]
        one = max(mine, key=lambda r: r["posting_date"])
        one["amount_minor"] += 900_000_00
        return one

    rewritten(office.config / "data" / "snapshots" / manifest_of(office).snapshot / "items" / "0000.parquet", more_sales)
    code, found = replay(office)
    assert code == 1 and {one["input"] for one in found["inputs"]} == {"ledger"} and len(found["inputs"]) == 2
    index = office.config / "data" / "snapshots" / manifest_of(office).snapshot / "snapshot.json"
    index.write_text(index.read_text(encoding="utf-8").replace(found["inputs"][0]["expected"], found["inputs"][0]["found"]))
    code, found = replay(office)  # the bytes are as the index now says: the values are not
    assert code == 1 and [one["where"].endswith("items/0000.parquet") for one in found["inputs"]] == [True]
    code, found = replay(office, "--anyway", subject=proposal.proposal_id)
    differ, told = figures(found, proposal.customer_id)
    assert code == 1 and differ["sales_12m_minor"][1] - differ["sales_12m_minor"][0] == 900_000_00
    assert re.match(rf"customer {proposal.customer_id}: .*sales of 12 months [\d,.]+ EUR stored, [\d,.]+ EUR recomputed; .*need ", told)
    assert {one["customer"] for one in found["differences"]} == {proposal.customer_id}


def test_a_missing_input_is_named_and_nothing_is_claimed(office):
    (office.config / "data" / "snapshots" / manifest_of(office).snapshot / "customers" / "0000.parquet").unlink()
    code, found = replay(office)
    assert code == 2 and found["answer"] == "cannot tell" and "customers/0000.parquet" in found["missing"][0]
    code, found = replay(office, "--anyway")
    assert code == 2


def test_a_limit_in_force_changed_beside_the_review_is_named(office):
    def another(rows):
        rows[0]["limit_minor"] = (rows[0]["limit_minor"] or 0) + 1
        return rows[0]["customer_id"]

    customer = rewritten(kept(office, "limits.parquet"), another)
    code, found = replay(office)
    assert code == 1 and [(one["input"], one["where"]) for one in found["inputs"]] == [("limits", "limits.parquet, other_limits.parquet")]
    assert found["inputs"][0]["expected"] == manifest_of(office).limits
    code, found = replay(office, "--anyway")
    assert code == 1 and "limit_minor" in figures(found, customer)[0]


def test_a_stored_result_that_was_edited_is_named_with_the_figure(office):
    def another(rows):
        one = next(r for r in rows if r["to_minor"])
        one["to_minor"] += 100
        return one["customer_id"], one["to_minor"]

    customer, minor = rewritten(kept(office, "proposals/0000.parquet"), another)
    code, found = replay(office)
    assert code == 1 and figures(found, customer)[0] == {"to_minor": (minor, minor - 100)}
    assert any("expected SHA-256" in one["text"] and "proposals/0000.parquet" in one["text"] for one in found["differences"])


def test_a_packet_edited_in_the_database_is_named_down_to_the_figure(office):
    key = office.waiting(way="up")[0]
    stored = office.one(Proposal, proposal_id=key)
    packet = json.loads(stored.packet_json) | {"exposure_minor": 100}
    with as_administrator(office.opened.store) as connection:
        forged = {"packet": json.dumps(packet, sort_keys=True, separators=(",", ":"), ensure_ascii=False), "id": key}
        connection.execute(text("UPDATE limit_proposal SET packet_json = :packet WHERE proposal_id = :id"), forged)
    for subject in (key, ""):
        code, found = replay(office, subject=subject)
        differ, told = figures(found, stored.customer_id)
        assert code == 1 and len(found["differences"]) == 1
        assert differ["exposure_minor"] == (100, stored.exposure_minor) and differ["digest"][1] == stored.digest
        assert "exposure 1 EUR stored" in told


def test_what_people_changed_is_shown_as_theirs(office):
    small = office.waiting(way="up", tier="T2")
    amended, countered, by_rule = small[0], small[1], office.find(Proposal, outcome_code="by_rule")[0].proposal_id
    words = ("--comment", "called them", "--amend", "61,000", "--reason", "season")
    office.run("release", amended, *words, who="p-analyst").fine()
    office.run("release", countered, who="p-analyst").fine()
    offer = office.run("decide", countered, "counter", "--amount", "11,000", "--reason", "less", "--json", who="p-manager").fine().json
    office.run("decide", amended, "approve", who="p-cfo").fine()
    office.run("apply").fine()
    shown = office.run("replay", amended)
    assert shown.code == 0, shown.out
    assert "p-analyst amended it: limit" in shown.out and "to 61,000 EUR" in shown.out and "p-cfo approved it" in shown.out
    assert "applied as version 2: limit 61,000 EUR" in shown.out
    code, found = replay(office, subject=offer["successor_id"])
    assert code == 0 and found["proposal"] == countered and any("p-manager made a counter-offer" in one for one in found["people"])
    assert replay(office, subject=by_rule)[0] == 0
    code, found = replay(office)
    assert code == 0 and "people changed the figures of 2 proposals" in found["people"][0]
    assert office.run("audit", "verify", "--business", "--json").json["differences"] == []


def test_a_request_replays_with_what_was_asked(office):
    free = next(p.customer_id for p in office.find(Proposal, state="approved"))
    office.run("apply").fine()
    office.run("request", free, "--amount", "33,000", "--reason", "season", who="p-analyst").fine()
    made = office.one(Proposal, customer_id=free, proposer_id="p-analyst")
    code, found = replay(office, subject=made.proposal_id)
    assert code == 0 and found["compared"]["proposals"] == 1 and made.to_minor == 33_000_00 != made.engine_minor


def test_each_of_two_reviews_replays_with_the_record_as_it_stood_then(office):
    office.run("apply").fine()
    first = review_of(office).review_id
    office.run("review", "run", "--as-of", "2026-10-01").fine()
    (second,) = office.find(Review, kind="ad_hoc")
    superseding = [p for p in office.find(Proposal, review_id=second.review_id) if p.supersedes_id]
    assert superseding
    for review in (first, second.review_id):
        code, found = replay(office, subject=review)
        assert code == 0, found


def test_it_is_said_in_chinese(office, monkeypatch):
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    done = office.run("replay", review_of(office).review_id)
    assert done.code == 0 and "equal" not in done.out
