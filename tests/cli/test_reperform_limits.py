"""The auditor's own script rebuilds the limits from an export alone, and names every change that lacks what it needs."""

from __future__ import annotations

import csv
import json
import runpy
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from office import CLOCK, NOON
from test_requests import steady

from credit_review.model.records import CreditLimit, LimitChange, Proposal

pytestmark = pytest.mark.prefect
SCRIPT = Path(__file__).parents[2] / "docs" / "audit" / "reperform_limits.py"


@pytest.fixture(scope="module")
def lived(reviewed, tmp_path_factory):
    """An installation in which limits changed in all four ways: opening, approved (one amended, one countered), by rule, reversed."""
    CLOCK.set(NOON)
    office = reviewed.copy(tmp_path_factory.mktemp("lived") / "config")
    plain, offer, amended, *_ = office.waiting(way="up", tier="T2")
    office.run("release", plain, offer, who="p-analyst").fine()
    office.run("release", amended, "--amend", "60,000", "--reason", "season", who="p-analyst").fine()
    office.run("decide", plain, "approve", who="p-manager").fine()
    made = office.run("decide", offer, "counter", "--amount", "61,000", "--reason", "season", "--json", who="p-manager").fine().json
    for key in (made["successor_id"], amended):
        office.run("decide", key, "approve", who="p-cfo").fine()
    account, base = steady(office)
    wanted = f"{(base.amount_minor + 40_000_00) // 100:,} EUR"
    office.run("request", account.subject_id, "--amount", wanted, "--until", "2026-11-15", "--reason", "season", who="p-manager").fine()
    (asked,) = (p.proposal_id for p in office.find(Proposal, state="draft") if p.effective_to is not None)
    office.run("release", asked, who="p-analyst").fine()
    office.run("decide", asked, "approve", who="p-cfo").fine()
    office.run("apply").fine()
    CLOCK.set(NOON + timedelta(days=45))
    office.run("follow-up").fine()
    office.run("audit", "export", str(office.config / "log.jsonl"), who="p-cfo").fine()
    return office


def reperformed(log, *more):
    done = subprocess.run([sys.executable, "-I", SCRIPT, log, *more], capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr, done.stderr
    return done


def test_every_limit_in_force_is_rebuilt_from_the_export_alone(lived, tmp_path):
    done = reperformed(lived.config / "log.jsonl", "--limits", tmp_path / "limits.csv")
    assert done.returncode == 0, done.stdout
    changes = lived.find(LimitChange)
    kinds = {kind: sum(c.kind == kind for c in changes) for kind in ("opening", "decision", "reversal")}
    assert kinds["reversal"] == 1 and f"{kinds['opening']} opening" in done.stdout and "1 reversal" in done.stdout
    assert "4 approved" in done.stdout and f"{kinds['decision'] - 4} by rule" in done.stdout
    rebuilt = {row["account"]: row["amount_minor"] for row in csv.DictReader((tmp_path / "limits.csv").open(encoding="utf-8"))}
    stored = {limit.account_id: "" if limit.amount_minor is None else str(limit.amount_minor) for limit in lived.find(CreditLimit)}
    assert rebuilt == stored


def rewritten(lived, folder, change):
    """An export in which `change` was made to the bodies (return None to leave one out), as a forger with every key would."""
    lines = []
    for line in (lived.config / "log.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        if row["table"] == "audit_log":
            body = change(json.loads(row["body"]))
            if body is None:
                continue
            row["body"] = json.dumps(body)
        lines.append(json.dumps(row))
    path = folder / "log.jsonl"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def edited(action, which=lambda data: True, **changes):
    def change(body):
        if body["action"] == action and which(body["data"]):
            body["data"] |= changes
        return body

    return change


def without(action):
    return lambda body: None if body["action"] == action else body


def by_people(data):
    return not data["rule"]


def approved_by_their_maker(body):
    if body["action"] == "limit.applied" and by_people(body["data"]):
        body["data"]["approvers"] = [{"approver": "p-manager", "on_behalf_of": None}]
    if body["action"] == "decision.approve":
        body["actor"] = "person:p-manager"
    return body


@pytest.mark.parametrize(
    ("change", "finding"),
    [
        (without("decision.approve"), "an approval of p-cfo not in the log"),
        (edited("decision.approve", digest="ab" * 32), "not in the log"),
        (edited("limit.applied", by_people, approvers=[]), "has 0 approvals, 1 are needed"),
        (approved_by_their_maker, "was approved by p-manager, who made it"),
        (edited("proposal.released", approvals=2), "has 1 approvals, 2 are needed"),
        (without("proposal.auto_approved"), "which did not"),
        (edited("limit.applied", lambda data: data["rule"], rule="another"), "which did not"),
        (without("proposal.created"), "has no proposal in the log"),
        (without("policy.changed"), "a policy that nobody adopted"),
        (without("authority.changed"), "a authority that nobody adopted"),
        (edited("limit.applied", to_minor=1), "is not what proposal"),
        (edited("limit.opened", to_minor=1), "does not follow version 1"),
        (without("limit.opened"), "does not follow version 0"),
        (edited("limit.reverted", reverses="c-other"), "does not end a temporary limit"),
        (edited("limit.reverted", effective_from="2026-10-02"), "does not end a temporary limit"),
        (edited("limit.reverted", restores="c-other"), "does not restore what lies under it"),
    ],
)
def test_a_change_without_what_it_needs_is_named_with_its_entry(lived, tmp_path, change, finding):
    done = reperformed(rewritten(lived, tmp_path, change))
    assert done.returncode == 1 and finding in done.stdout, done.stdout[:2000]
    assert all(line.startswith("entry ") for line in done.stdout.splitlines()[1:])


@pytest.mark.parametrize("text", ["", "x\n", '{"table":"start","size":9}\n', '{"table":"audit_log","seq":0,"body":"{}"}\n', "[]\n"])
def test_what_is_no_whole_export_is_said(tmp_path, text):
    (tmp_path / "log.jsonl").write_text(text)
    done = reperformed(tmp_path / "log.jsonl")
    assert (done.returncode == 1 and "no whole export" in done.stderr) or (text == "" and "0 limits in force" in done.stdout)


def test_it_is_short_and_stands_on_the_standard_library_alone():
    text = SCRIPT.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 150
    modules = {line.split()[1] for line in text.splitlines() if line.startswith(("import ", "from "))}
    assert modules <= sys.stdlib_module_names


def test_a_reversal_restores_nothing_that_does_not_hold_on_its_day_and_seasons_hold_on_theirs():
    log = runpy.run_path(str(SCRIPT), run_name="reperform_limits")["Log"]()
    first = {"change": "c-1", "version": 1, "from_minor": None, "to_minor": 80, "to_terms_days": None, "effective_from": "2026-10-01"}
    log.change(1, "a", first | {"effective_to": "2027-02-01", "recurs_until": "2028-12-01"}, "approved")

    def reverted(seq, day, until, to, restores):
        data = {
            "change": f"c-{seq}",
            "reverses": f"c-{seq - 1}",
            "restores": restores,
            "version": seq,
            "to_minor": to,
            "to_terms_days": None,
        }
        log.reverted(seq, "a", data | {"from_minor": log.limits["a"][1], "effective_from": day, "effective_to": until})
        return [text for at, text in log.wrong if at == seq]

    assert not reverted(2, "2027-02-01", "2027-10-01", None, None) and not reverted(3, "2027-10-01", "2028-02-01", 80, "c-1")
    assert not reverted(4, "2028-02-01", "2028-09-30", None, None)
    assert "does not restore" in reverted(5, "2028-09-30", "2028-12-01", 80, "c-1")[0]
    assert not reverted(6, "2028-12-01", "2028-12-01", None, None) and "does not restore" in reverted(7, "2028-12-01", None, 80, "c-1")[0]
