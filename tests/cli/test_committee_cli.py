"""A committee on a real installation: the agenda pack, the sitting, and the minutes; what comes of it, and what an auditor makes of it."""

from __future__ import annotations

import csv
import io
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace

import pytest
from office import CLOCK, NOON
from test_reperform_limits import edited, reperformed, rewritten, without

from credit_review.adapters.store.business import compare_with_tables
from credit_review.model.records import CommitteeSitting, CreditLimit, Decision, Proposal

pytestmark = pytest.mark.prefect

T2 = "{tier: T2, name: Credit manager,     group_limit_up_to: 500000,  increases_12m_up_to: 250000, approvers: 1}"
COMMITTEE = """
committees:
  - committee: credit
    name: Credit committee
    chair: p-cfo
    members:
      - {person: p-cfo, from: 2020-01-01, role: finance}
      - {person: p-manager, from: 2020-01-01, role: credit}
      - {person: p-ceo, from: 2020-01-01}
    quorum: {present: 2, role: finance}
    rule: majority
"""


@pytest.fixture(scope="module")
def sat(reviewed, tmp_path_factory):
    """An office whose middle tier a committee decides, which sat once: one case approved and applied, one rejected, one not decided."""
    CLOCK.set(NOON)
    office = reviewed.copy(tmp_path_factory.mktemp("committee") / "config")
    office.edit("authority.yaml", T2, T2.replace("approvers: 1", "approvers: 2, committee: credit"))
    path = office.config / "authority.yaml"
    path.write_text(path.read_text(encoding="utf-8") + COMMITTEE, encoding="utf-8")
    CLOCK.set(NOON + timedelta(minutes=5))
    office.adopt("authority.yaml")
    keys = office.waiting(way="up", tier="T2")[:3]
    released = office.run("release", *keys, who="p-analyst").fine().out
    seen = SimpleNamespace(released=released, config=office.config, run=office.run, find=office.find, one=office.one, office=office)
    seen.called = office.run("committee", "agenda", "--out", str(office.config / "pack"), "--json", who="p-analyst").fine().json
    cases = sorted(seen.called["cases"])
    seen.early = office.run("committee", "vote", cases[0], "approve", who="p-ceo")
    office.run("committee", "open", who="p-cfo").fine()
    office.run("committee", "attend", who="p-ceo").fine()
    office.run("committee", "attend", "--member", "p-manager", who="p-cfo").fine()
    for case, votes in zip(cases, (("approve", "approve", "abstain"), ("reject", "reject", "approve"), ()), strict=True):
        for who, vote in zip(("p-cfo", "p-ceo", "p-manager"), votes, strict=False):
            office.run("committee", "vote", case, vote, "--reason", f"reason of {who}", who=who).fine()
    office.run("committee", "recuse", cases[1], "--reason", "family", who="p-manager").fine()
    seen.show_open = office.run("show", cases[0], who="p-cfo").fine().out
    seen.closed = office.run("committee", "close", "--json", who="p-cfo").fine().json
    office.run("apply").fine()
    seen.minutes = office.run("committee", "minutes", seen.called["sitting_id"], "--json").fine().json
    office.run("audit", "export", str(office.config / "log.jsonl"), who="p-cfo").fine()
    seen.cases = cases
    return seen


def page(office, name):
    found = [Path(path) for path in office.minutes["minutes"] if Path(path).name == name]
    return found[0].read_text(encoding="utf-8")


def test_the_pack_has_every_case_in_both_languages_and_its_digest_is_that_on_record(sat):
    pack = sat.config / "pack"
    sums = (pack / "pack.sha256").read_text()
    assert sha256(sums.encode()).hexdigest() == sat.called["pack_digest"] == sat.one(CommitteeSitting).pack_digest
    for line in sums.splitlines():
        digest, name = line.split("  ")
        assert sha256((pack / name).read_bytes()).hexdigest() == digest
    rows = list(csv.DictReader(io.StringIO((pack / "cases.csv").read_text(encoding="utf-8"))))
    assert sorted(row["proposal_id"] for row in rows) == sat.cases
    for name, words in (("committee_agenda.html", "Why this amount"), ("committee_agenda.zh_CN.html", "议程")):
        text = (pack / name).read_text(encoding="utf-8")
        assert words in text and all(case in text for case in sat.cases) and "http" not in text.replace("http-equiv", "")


def test_a_release_names_the_committee_that_decides_and_not_the_approvers(sat):
    said = " ".join(sat.released.split())
    assert said.count("Credit committee decides this; no sitting is called yet; T2, 2 votes in favour at least") == 3
    assert "approvers" not in said


def test_before_the_sitting_is_open_a_vote_is_refused_and_says_when(sat):
    assert sat.early.code == 4 and "votes are taken once the sitting is open" in sat.early.out
    assert "Credit committee decides this; its sitting is open" in sat.show_open


def test_what_the_committee_carried_is_applied_and_the_rest_is_not(sat):
    approved, rejected, open_ = sat.cases
    states = {p.proposal_id: p.state for p in sat.find(Proposal, proposal_id=sat.cases)}
    assert states == {approved: "applied", rejected: "rejected", open_: "pending"}
    assert {c["proposal_id"]: c["outcome"] for c in sat.closed["cases"]} == {
        approved: "approved",
        rejected: "rejected",
        open_: "not_decided",
    }
    assert {d.approver_id for d in sat.find(Decision, proposal_id=approved)} == {"p-cfo", "p-ceo"}
    proposal = sat.one(Proposal, proposal_id=approved)
    assert sat.one(CreditLimit, account_id=proposal.account_id).amount_minor == proposal.to_minor
    told = sat.run("show", approved, who="p-cfo").fine().out
    assert "abstained" in told and "reason of p-manager" in told


def test_minutes_name_everybody_each_vote_with_its_reason_and_the_pack(sat):
    for name, words in (
        ("committee_minutes.html", ("approved by the committee", "in favour", "recused", "absent")),
        ("committee_minutes.zh_CN.html", ("会议记录",)),
    ):
        text = page(sat, name)
        assert sat.called["pack_digest"] in text and "reason of p-ceo" in text and "family" in text
        assert all(word in text for word in words[:1])
    again = sat.run("committee", "minutes", sat.called["sitting_id"], "--json").fine().json
    assert again == sat.minutes, "minutes are drawn from the record, and the same each time"


def test_the_log_and_the_tables_agree_and_the_auditors_own_script_finds_the_committees_approvals(sat):
    assert compare_with_tables(sat.office.opened.store.engine) == []
    good = reperformed(sat.config / "log.jsonl")
    assert good.returncode == 0, good.stdout


@pytest.mark.parametrize(
    ("change", "finding"),
    [
        (without("committee.attended"), "without quorum"),
        (without("committee.voted"), "names votes that were not given"),
        (edited("committee.decided", lambda data: data["outcome"] == "approved", voters=["p-cfo"]), "without quorum"),
        (edited("committee.decided", lambda data: data["outcome"] == "approved", roles={}), "without quorum"),
        (edited("committee.decided", lambda data: data["outcome"] == "approved", rule="unanimous"), "lacks its committee's quorum"),
        (without("committee.decided"), "lacks its committee's quorum"),
    ],
)
def test_a_change_of_a_committee_without_quorum_is_named(sat, tmp_path, change, finding):
    done = reperformed(rewritten(sat, tmp_path, change))
    assert done.returncode == 1 and finding in done.stdout, done.stdout[:2000]


def test_controls_find_nothing_wrong_with_what_a_committee_approved(sat):
    alarms = sat.run("audit", "controls", "--json").json
    assert {one["control"] for one in alarms} <= {"short_lived_change"}, alarms


def test_doctor_names_a_member_who_is_not_in_the_directory(sat, tmp_path):
    office = sat.office.copy(tmp_path / "config")
    assert "ok    tier T2, committee credit: 3 of the 2 it takes" in office.run("doctor").out
    office.edit("authority.yaml", "{person: p-ceo, from: 2020-01-01}", "{person: p-ghost, from: 2020-01-01}")
    told = office.run("doctor")
    assert "tier T2, committee credit: 2 of the 2 it takes: p-cfo, p-manager; not in the directory: p-ghost" in told.out + told.err
