"""Findings at the command line: from a concluded sample or what a person saw to a closing by somebody without a part in it."""

from __future__ import annotations

import csv
import hashlib
import json
from datetime import timedelta

import pytest
from office import CLOCK, NOON

from credit_review.adapters.store.business import compare_with_tables
from credit_review.model.records import AuditRow, Finding, Proposal

pytestmark = pytest.mark.prefect


@pytest.fixture
def watched(office):
    """An installation whose matrix names who watches: the CFO answers for controls, the chair is internal audit."""
    office.edit("authority.yaml", "  control_owner: [] ", "  control_owner: [p-cfo] ")
    office.edit("authority.yaml", "  internal_audit: [] ", "  internal_audit: [p-chair] ")
    CLOCK.set(NOON + timedelta(minutes=1))  # the matrix adopted last is in force
    office.adopt("authority.yaml")
    return office


def concluded(office, folder):
    """A sample of proposals in which one of the analyst's deviates; its id."""
    period = ("--from", "2026-10-01", "--to", "2026-10-01")
    words = ("--of", "proposals", "--tolerable", "50%", "--confidence", "80%", "--seed", "dice 3 1", "--out", str(folder))
    office.run("audit", "sample", "draw", *period, *words, who="p-chair").fine()
    path = folder / "conclusions.csv"
    rows = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
    hers = next(row for row in rows if office.one(Proposal, proposal_id=row["item"]).assigned_to == "p-analyst")
    for row in rows:
        row["conclusion"] = "ok"
    hers |= {"conclusion": "deviation", "remark": "no minutes of the meeting"}
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return hers["item"]


def test_a_deviation_of_a_sample_is_opened_once_remedied_and_closed_by_another(watched, tmp_path):
    folder, proof = tmp_path / "sample", tmp_path / "minutes.pdf"
    item = concluded(watched, folder)
    assert watched.run("finding", "list", who="").fine().out == "no finding\n"
    told = watched.run("finding", "open", "--sample", str(folder), who="p-chair").fine().out
    assert "1 opened, 0 opened again, 0 known already" in told
    again = watched.run("finding", "open", "--sample", str(folder), "--json", who="p-chair").fine().json
    one = watched.one(Finding)
    assert again == {"opened": [], "reopened": [], "known": [one.finding_id]}
    assert (one.control, one.subject, one.owner_id) == ("audit_sample", f"proposal:{item}", "p-analyst")
    assert (one.opened_by, one.text) == ("p-chair", "no minutes of the meeting")
    proof.write_bytes(b"minutes")
    words = ("finding", "remedy", one.finding_id, "--text", "minutes were filed", "--file", str(proof))
    watched.run(*words, who="p-chair").refused(4, "is not yours", "Anna Berg (p-analyst)")
    assert "is remedied" in watched.run(*words, who="p-analyst").fine().out
    close = ("finding", "close", one.finding_id, "--reason", "minutes seen")
    watched.run(*close, who="p-manager").refused(4, "that is for internal audit or the control owner", "Wei Zhang (p-chair)")
    watched.run(*close, who="p-analyst").refused(4, "that is for internal audit or the control owner")
    assert [(who, code) for who, _, code in watched.refusals()] == [
        ("person:p-manager", "sign.lacks_office"), ("person:p-analyst", "sign.lacks_office"),
    ]  # fmt: skip
    assert f"finding {one.finding_id} is closed" in watched.run(*close, "--past", who="p-chair").fine().out
    shown = watched.run("finding", "show", one.finding_id, "--json").fine().json
    assert [step["action"] for step in shown["history"]][:2] == ["finding.opened", "finding.remedied"]
    assert shown["evidence"] == [hashlib.sha256(b"minutes").hexdigest()] and shown["history"][-1]["payload"] == {"reason": "minutes seen"}
    for row in watched.find(AuditRow, entity=f"finding:{one.finding_id}"):
        assert "minutes" not in row.body and "Anna" not in row.body
    assert compare_with_tables(watched.opened.store.engine) == []
    assert watched.run("finding", "open", "--sample", str(folder), "--json", who="p-chair").fine().json["known"] == [one.finding_id]


def test_a_sample_drawn_elsewhere_opens_nothing(watched, tmp_path):
    folder = tmp_path / "sample"
    concluded(watched, folder)
    record = json.loads((folder / "sample.json").read_text(encoding="utf-8"))
    for entry in (0, record["entry"] + 1):
        (folder / "sample.json").write_text(json.dumps(record | {"entry": entry}), encoding="utf-8")
        watched.run("finding", "open", "--sample", str(folder), who="p-chair").refused(3, f"entry {entry} of this log does not say")
    watched.run("finding", "open", "--sample", str(folder), "--severity", "awful", who="p-chair").refused(3, "--severity", "'awful'")
    assert watched.find(Finding) == []


def test_what_a_person_saw_is_listed_assigned_reopened_and_shown(watched, tmp_path):
    proposal = watched.waiting(currency="EUR")[0]
    customer = watched.one(Proposal, proposal_id=proposal).customer_id
    opened = ("finding", "open", f"customer:{customer}", "--severity", "high", "--text", "raised on the phone")
    done = watched.run(*opened, "--json", who="p-manager").fine().json
    key = done["finding_id"]
    assert (done["owner_id"], done["state"], done["about"]) == ("p-cfo", "open", [])
    watched.run("finding", "open", "shoe:1", "--text", "x", who="p-manager").refused(3, "'shoe:1' is not on record")
    watched.run("finding", "open", who="p-manager").refused(2)
    listed = watched.run("finding", "list", "--json").fine().json
    assert [(one["finding_id"], one["overdue"]) for one in listed] == [(key, False)]
    assert key in watched.run("finding", "list").fine().out and "no finding" in watched.run("finding", "list", "--overdue").fine().out
    assert watched.run("finding", "list", "--owner", "p-analyst", "--json").fine().json == []
    assign = ("finding", "assign", key, "--to", "p-analyst", "--reason", "her customer")
    watched.run(*assign, who="p-manager").refused(4, "Frank Osei (p-cfo)")
    assert "owner Anna Berg" in watched.run(*assign, who="p-cfo").fine().out
    proof = tmp_path / "note.txt"
    proof.write_text("checked", encoding="utf-8")
    watched.run("finding", "remedy", key, "--text", "called back", "--file", str(proof), who="p-analyst").fine()
    watched.run("finding", "reopen", key, "--reason", "no note of the call", who="p-analyst").refused(4, "that is for internal audit")
    assert "is open, due" in watched.run("finding", "reopen", key, "--reason", "no note of the call", who="p-chair").fine().out
    shown = watched.run("finding", "show", key).fine().out
    assert "raised on the phone" in shown and "no note of the call" in shown and "Wei Zhang" in shown
    watched.run("finding", "show", "fi-none").refused(3, "no finding fi-none")
    assert watched.run("finding", "list", "--all", "--json").fine().json[0]["times_reopened"] == 1
    assert compare_with_tables(watched.opened.store.engine) == []


def test_a_finding_without_anybody_to_own_it_says_so(office):
    customer = office.one(Proposal, proposal_id=office.waiting()[0]).customer_id
    told = office.run("finding", "open", f"customer:{customer}", "--text", "odd", who="p-manager").fine().out
    assert "owner nobody" in told and "name `control_owner` in authority.yaml" in told
