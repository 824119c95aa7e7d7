"""An emergency override, from the limit in force to the pack that answers for it: on PostgreSQL, and from the folder alone."""

from __future__ import annotations

import shutil
import subprocess
from datetime import timedelta

import pytest
from office import CLOCK, NOON
from packs import anchored, conclusions, made_keys, rows
from sqlalchemy import create_engine, insert, select, text
from test_override_cli import RULE, raised
from test_requests import steady

from credit_review.adapters.store.business import compare_with_tables
from credit_review.adapters.store.models import Base
from credit_review.model.records import AuditRow, CreditLimit, Finding, Proposal, Review
from tests.audit.timestamp_authority import Authority, listening

pytestmark = pytest.mark.prefect


@pytest.fixture
def authority():
    """A time-stamp authority, for a third anchor."""
    made = Authority(NOON + timedelta(days=5))
    with listening(made) as made.url:
        yield made


def moved(office, url):
    """The same installation on another database: every row of the one it has, as it is."""
    held = create_engine(f"sqlite:///{office.config}/data/credit-review.db")
    target = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    with held.connect() as old, target.begin() as new:
        new.execute(text("SET session_replication_role = replica"))  # rows of facts and log come in any order
        for table in Base.metadata.sorted_tables:
            columns = [column for column in table.columns if column.computed is None]
            found = [dict(row) for row in old.execute(select(*columns)).mappings()]
            new.execute(table.delete())
            if found:
                new.execute(insert(table), found)
    for engine in (held, target):
        engine.dispose()
    (office.config / "data" / "credit-review.db").unlink()


def test_a_pack_on_postgresql_answers_for_an_override_and_the_scripts_conclude_the_same_from_the_folder_alone(
    office, authority, tmp_path, postgres_url, monkeypatch
):
    moved(office, postgres_url)
    monkeypatch.setenv("CREDIT_REVIEW_DATABASE_URL", postgres_url)
    (tmp_path / "keys").mkdir()
    keys = made_keys(tmp_path / "keys", monkeypatch)
    anchored(office, keys, tmp_path)
    with (office.config / "settings.yaml").open("a", encoding="utf-8") as file:
        about = f"administrator: TSA Ltd, url: '{authority.url}', root_certificate: tsa-root.pem"
        file.write(f"    - {{name: authority, kind: timestamp, {about}}}\n")
    (office.config / "tsa-root.pem").write_bytes(authority.root_pem)
    CLOCK.set(NOON + timedelta(minutes=1))  # the matrix adopted last is in force
    office.edit("authority.yaml", "offices:  ", RULE + "offices:  ")
    office.edit("authority.yaml", "  control_owner: [] ", "  control_owner: [p-ceo] ")
    office.adopt("authority.yaml", by=("p-cfo", "p-controller"))
    account, base = steady(office)
    beyond = raised(office, account.subject_id, base.amount_minor + 60_000_00)
    beyond.refused(4, "would rise by 60,000 EUR", "at most 50,000 EUR")
    assert [code for _, _, code in office.refusals()] == ["override.beyond"] and office.find(Review, kind="ad_hoc") == []
    made = []
    for _ in range(2):
        account, base = steady(office)
        made.append(raised(office, account.subject_id, base.amount_minor + 40_000_00).fine().json)
    kept, lapsed = made
    office.run("decide", kept["proposal_id"], "approve", who="p-cfo").fine()
    office.run("apply").fine()
    CLOCK.set(NOON + timedelta(days=5))
    assert "findings: 1" in office.run("follow-up").fine().out
    proposal = office.one(Proposal, proposal_id=lapsed["proposal_id"])
    assert proposal.state == "expired" and office.one(CreditLimit, account_id=proposal.account_id).amount_minor is None
    told = [row.action for row in office.find(AuditRow, entity=f"account:{proposal.account_id}", order_by=("seq",))]
    assert told[-2:] == ["limit.reverted", "erp.confirmed"] and compare_with_tables(office.opened.store.engine) == []
    office.run("audit", "checkpoint").fine()
    pack = tmp_path / "pack"
    office.run("evidence", "pack", "--period", "2026Q4", "--no-replay", "--out", str(pack), who="p-cfo").fine()

    found = {row["change"]: row for row in rows(pack, "E16-emergency-changes.csv")}
    assert set(found) == {kept["change"], lapsed["change"]}
    (finding,) = (f for f in office.find(Finding) if f.control == "emergency_override")
    assert (finding.severity, finding.subject) == ("high", f"proposal:{proposal.proposal_id}")
    for row in found.values():
        assert (row["by"], row["cap"], row["cap_currency"], row["effective_to"]) == ("p-manager", "50000", "EUR", "2026-10-12")
    good, bad = found[kept["change"]], found[lapsed["change"]]
    assert (good["approvers"], good["in_time"], good["ended_by_entry"], good["finding"]) == ("p-cfo", "yes", "", "")
    assert (bad["approvers"], bad["in_time"], bad["finding"]) == ("", "no", finding.finding_id) and bad["ended_by_entry"]
    assert bad["reason"] == "ship leaves today" and bad["approve_by"] > bad["at"]
    assert finding.finding_id in {row["finding"] for row in rows(pack, "E07-findings.csv")}
    assert kept["change"] in {row["change"] for row in rows(pack, "E05-who-what-when.csv") if row["approver"] == "p-cfo"}

    (tmp_path / "empty").mkdir()
    said = conclusions(pack, keys, tmp_path / "empty")
    assert {name: done.returncode for name, done in said.items()} == {"pack": 0, "log": 0, "limits": 1}, said
    assert "2 override" in said["limits"].stdout and f"override {lapsed['change']}" in said["limits"].stdout
    if shutil.which("openssl"):
        stamp = ("-data", "000000.checkpoint", "-in", "000000.tsr", "-CAfile", str(office.config / "tsa-root.pem"))
        subprocess.run(["openssl", "ts", "-verify", *stamp], cwd=pack / "anchors" / "authority", check=True)
    assert said["limits"].stdout.count("was not approved afterwards") == 1 and kept["change"] not in said["limits"].stdout
