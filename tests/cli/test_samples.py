"""Audit samples at the command line: drawn into a folder with proofs, recorded, concluded by the auditor, projected without a database."""

from __future__ import annotations

import base64
import csv
import hashlib
import json
import sys
from collections import Counter
from pathlib import Path

import office as offices
import pytest
from office import CLOCK, NOON
from sqlalchemy import text

from credit_review.audit import leaf_hash, parse_canonical
from credit_review.audit.notes import Checkpoint, SigningKey, open_note
from credit_review.audit.notes import sign as audit_sign
from credit_review.audit.proofs import included
from credit_review.model.records import AuditCheckpoint, AuditRow, LimitChange, Proposal
from tests.store.meddling import as_administrator

sys.path.append(str(Path(__file__).parents[1] / "flows"))
import without_prefect

pytestmark = pytest.mark.prefect

KEY = SigningKey.from_seed("company.example/credit-audit/1", bytes(range(32)))
PERIOD = ("--from", "2026-10-01", "--to", "2026-10-01")


@pytest.fixture(scope="module")
def after_eight(reviewed, tmp_path_factory):
    """An installation in which eight limits were changed. Never changed: see `applied`."""
    CLOCK.set(NOON)
    office = reviewed.copy(tmp_path_factory.mktemp("applied") / "config")
    with pytest.MonkeyPatch.context() as patch:
        without_prefect.run_flows(patch)
        without_prefect.check_once(patch)
        change_eight(office)
    office.opened.store.close()
    return office


def change_eight(office):
    chosen = [*office.waiting(way="up", tier="T2", currency="EUR")[:4], *office.waiting(way="down", currency="EUR")[:4]]
    for key in chosen:
        office.run("release", key, "--comment", "seen", who="p-analyst").fine()
        by = "p-manager" if office.one(Proposal, proposal_id=key).tier != "T1" else "p-controller"
        office.run("decide", key, "approve", who=by)
    office.run("apply").fine()
    assert len(office.find(LimitChange, kind="decision")) >= 4


@pytest.fixture
def applied(after_eight, tmp_path):
    """A copy of it, to be changed."""
    return after_eight.copy(tmp_path / "config")


def sign(office, monkeypatch):
    """The notary's settings and one run of it."""
    settings = office.config / "settings.yaml"
    text = f"\naudit:\n  origin: {KEY.key.name}\n  keys: ['{KEY.key.text()}']\n"
    settings.write_text(settings.read_text(encoding="utf-8") + text, encoding="utf-8")
    monkeypatch.setenv("CREDIT_REVIEW_NOTARY_KEY", KEY.secret_text())
    office.run("audit", "checkpoint").fine()


def draw(office, out, *words, who="p-cfo"):
    return office.run("audit", "sample", "draw", *PERIOD, "--out", str(out), *words, who=who)


def conclude(folder, **by_paper):
    """Fill conclusions.csv as the auditor does: everything ok but the papers named (p3=...)."""
    path = folder / "conclusions.csv"
    rows = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
    for row in rows:
        row |= {"conclusion": "ok", **by_paper.get(f"p{row['paper']}", {})}
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


def test_a_sample_is_drawn_recorded_concluded_and_projected(applied, tmp_path, monkeypatch):
    sign(applied, monkeypatch)
    out = tmp_path / "sample"
    count = len(applied.find(LimitChange, kind="decision"))
    told = draw(applied, out, "--tolerable", "50%", "--confidence", "80%", "--seed", "dice 2 3 5").fine().out
    papers = sorted((out / "papers").iterdir())
    assert f"{len(papers)} of {count} changes drawn, seed dice 2 3 5" in told
    assert f"with no deviation among {len(papers)} of {count} changes you may be 80% sure that fewer than 50% deviate" in told
    record = json.loads((out / "sample.json").read_text(encoding="utf-8"))
    population = (out / "population.csv").read_bytes()
    facts = record["population"]
    assert facts["digest"] == hashlib.sha256(population).hexdigest() and facts["items"] == facts["rows"] == facts["versions"] == count
    (entry,) = [parse_canonical(row.body) for row in applied.find(AuditRow, action="audit.read")]
    assert (entry["seq"], entry["actor"]) == (record["entry"], "person:p-cfo")
    assert entry["data"]["population"] == facts and entry["data"]["plan"] == record["plan"] and entry["data"]["sample"] == record["sample"]
    ids = [row["item"] for row in csv.DictReader(population.decode().splitlines())]
    by_hand = sorted(ids, key=lambda one: hashlib.sha256(f"dice 2 3 5\n{one}".encode()).hexdigest())
    assert record["drawn"] == by_hand[: len(papers)]
    conclude(out)
    shown = offices.run("audit", "sample", "project", str(out), "--json").fine().json
    assert (shown["deviations"], shown["holds"]) == (0, True)
    conclude(out, p1={"conclusion": "deviation", "remark": "no minutes of the meeting"})
    said = offices.run("audit", "sample", "project", str(out)).fine().out
    assert "drawn again" in said and f"1 of {len(papers)} examined changes deviate" in said and "does not support" in said


def test_every_entry_of_a_paper_is_proven_against_the_signed_checkpoint_from_the_folder_alone(applied, tmp_path, monkeypatch):
    sign(applied, monkeypatch)
    out = tmp_path / "sample"
    draw(applied, out, "--method", "targeted", "--largest", "2").fine()
    entries, proofs = sorted((out / "entries").iterdir()), {path.stem for path in (out / "proofs").iterdir()}
    assert len(entries) >= 6 and proofs == {path.stem for path in entries}
    for path in entries:
        head, _, note = (out / "proofs" / f"{path.stem}.tlog-proof").read_text(encoding="utf-8").partition("\n\n")
        version, index, *hashes = head.split("\n")
        checkpoint = open_note(note, [KEY.key]).checkpoint
        assert (version, index) == ("c2sp.org/tlog-proof@v1", f"index {path.stem}")
        leaf = leaf_hash(path.read_text(encoding="utf-8"))
        path_up = [base64.b64decode(one).hex() for one in hashes]
        assert included(leaf, int(path.stem), checkpoint.size, path_up, checkpoint.root)
    for link in [line for line in (out / "sample.md").read_text(encoding="utf-8").splitlines() if "](papers/" in line]:
        assert (out / link.partition("](")[2].partition(")")[0]).is_file()
    written = (out / "papers" / "001.md").read_text(encoding="utf-8")
    assert "limit.applied" in written and "decision.approve" in written and "not replayed" in written


def test_a_checkpoint_signed_over_other_entries_is_found_before_anything_is_drawn(applied, tmp_path, monkeypatch):
    sign(applied, monkeypatch)
    (row,) = applied.find(AuditCheckpoint)
    forged = audit_sign(Checkpoint(KEY.key.name, row.size, "0" * 64).text(), KEY)
    with as_administrator(applied.opened.store) as connection:
        connection.execute(text("UPDATE audit_checkpoint SET note = :note"), {"note": forged})
    draw(applied, tmp_path / "out").refused(1, "signed over other entries")


def test_a_log_without_a_notary_gives_papers_without_proofs_and_says_so(applied, tmp_path):
    out = tmp_path / "sample"
    draw(applied, out, "--method", "targeted", "--largest", "1").fine()
    assert not (out / "proofs").exists() and "none yet" in (out / "sample.md").read_text(encoding="utf-8")


def test_the_other_methods_are_drawn_and_projected_too(applied, tmp_path):
    money = tmp_path / "money"
    told = draw(applied, money, "--method", "monetary-unit", "--currency", "EUR", "--tolerable", "40%", "--seed", "7").fine().out
    assert "every limit of " in told and "overstated by at most" in told
    conclude(money, p1={"conclusion": "deviation", "correct_amount": "0"})
    assert "overstatement is most likely" in offices.run("audit", "sample", "project", str(money)).fine().out
    strata = tmp_path / "strata"
    draw(applied, strata, "--method", "stratified", "--by", "direction", "--tolerable", "60%", "--confidence", "80%").fine()
    record = json.loads((strata / "sample.json").read_text(encoding="utf-8"))
    drawn = Counter(row["direction"] for row in csv.DictReader((strata / "population.csv").open(encoding="utf-8")))
    assert set(record["strata"]) == set(drawn) and len(record["plan"]["seed"]) == 32
    conclude(strata)
    assert "stratum " in offices.run("audit", "sample", "project", str(strata)).fine().out
    runs = tmp_path / "runs"
    drawn = draw(applied, runs, "--of", "reviews", "--frequency", "quarterly", "--json").fine().json
    assert len(drawn["drawn"]) == 1 and "run.started" in (runs / "papers" / "001.md").read_text(encoding="utf-8")
    for of in ("proposals", "decisions"):
        found = draw(applied, tmp_path / of, "--of", of, "--json").fine().json
        assert found["population"]["items"] == found["population"]["rows"] > 0 and found["population"]["versions"] is None
    assert len(applied.find(AuditRow, action="audit.read")) == 5


@pytest.mark.parametrize(
    ("words", "code", "shown"),
    [
        (("--method", "by feel"), 3, "--method: unknown value 'by feel'"),
        (("--of", "things"), 3, "--of: unknown value 'things'"),
        (("--tolerable", "much"), 3, "--tolerable: 'much' is no rate"),
        (("--tolerable", "5"), 3, "tolerable rate 500% is out of range"),
        (("--confidence", "99.9%"), 3, "confidence 99.9% is out of range"),
        (("--expected", "5%"), 3, "not below the tolerable"),
        (("--where", "direction"), 3, "picks nothing"),
        (("--frequency", "hourly"), 3, "--frequency: unknown value"),
        (("--seed", "a\nb"), 3, "--seed cannot be recorded"),
        (("--method", "stratified", "--by", "shoe"), 3, "'shoe' makes no strata"),
        (("--currency", "CHF"), 3, "nothing in the population is in CHF"),
    ],
)
def test_what_cannot_be_drawn_is_said_and_leaves_neither_folder_nor_entry(reviewed, tmp_path, words, code, shown):
    out = tmp_path / "sample"
    draw(reviewed, out, *(words if "--of" in words else ("--of", "proposals", *words))).refused(code, shown)
    assert not out.exists() and not reviewed.find(AuditRow, action="audit.read")


def test_a_folder_in_use_a_stranger_and_an_empty_period_are_refused(reviewed, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").touch()
    draw(reviewed, tmp_path / "full").refused(3, "holds something already")
    draw(reviewed, tmp_path / "out", who="p-nobody").refused(4, "p-nobody")
    draw(reviewed, tmp_path / "out").refused(3, "population is empty")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["full"]


def test_a_folder_that_was_changed_is_not_projected(applied, tmp_path):
    out = tmp_path / "sample"
    draw(applied, out, "--tolerable", "50%", "--confidence", "80%", "--seed", "a").fine()
    project = ("audit", "sample", "project", str(out))
    offices.run(*project).refused(3, "not concluded yet: 1, 2")
    conclude(out)
    record = (out / "sample.json").read_text(encoding="utf-8")
    (out / "sample.json").write_text(record.replace('"seed": "a"', '"seed": "b"'), encoding="utf-8")
    offices.run(*project).refused(1, "this seed draws another sample")
    (out / "sample.json").write_text(record, encoding="utf-8")
    with (out / "population.csv").open("a", encoding="utf-8") as file:
        file.write("\n")
    offices.run(*project).refused(1, "population.csv is not the one")
    (out / "sample.json").write_text("{}", encoding="utf-8")
    offices.run(*project).refused(3, "no plan of a sample")
    offices.run("audit", "sample", "project", str(Path(tmp_path / "none"))).refused(3, "cannot be read")


def test_a_log_that_does_not_hold_is_not_sampled(applied, tmp_path):
    with as_administrator(applied.opened.store) as connection:
        connection.execute(text("DELETE FROM limit_change WHERE kind = 'decision'"))
    draw(applied, tmp_path / "out").refused(1, "log and database do not agree", "which the database does not have")
    with as_administrator(applied.opened.store) as connection:
        connection.execute(text("UPDATE audit_log SET actor = 'person:p-x' WHERE seq = 3"))
    draw(applied, tmp_path / "out").refused(1, "audit entry 3")
    assert not list(tmp_path.glob("out*"))
