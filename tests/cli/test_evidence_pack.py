"""Evidence packs at the command line: one signed folder that answers E1 to E18, checked from the folder alone by three short scripts."""

from __future__ import annotations

import csv
import json
import re
import runpy
import shutil
import subprocess
import sys
from datetime import timedelta

import office as offices
import pytest
from office import CLOCK, NOON
from packs import SCRIPTS, anchored, conclusions, made_keys, manifest, rows
from sqlalchemy import text

from credit_review.adapters import files
from credit_review.model.records import AuditPayload, AuditRow, CreditLimit, Proposal
from tests.store.meddling import as_administrator

pytestmark = pytest.mark.prefect
QUARTER = ("--period", "2026Q4", "--no-replay")


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    """Keys of a log and of who makes packs, for as long as this module runs."""
    patch = pytest.MonkeyPatch()
    yield made_keys(tmp_path_factory.mktemp("keys"), patch)
    patch.undo()


@pytest.fixture(scope="module")
def lived(reviewed, keys, tmp_path_factory):
    """An installation in which limits were raised, lowered and refused, a name was erased, and whose log two administrators hold."""
    CLOCK.set(NOON)
    folder = tmp_path_factory.mktemp("lived")
    office = reviewed.copy(folder / "config")
    anchored(office, keys, folder)
    chosen = office.waiting(way="up", tier="T2")[:3]
    office.run("release", *chosen, who="p-analyst").fine()
    for key in chosen[:2]:
        office.run("decide", key, "approve", who="p-manager").fine()
    office.run("decide", chosen[2], "reject", "--reason", "=cmd|'/c calc'!A1", "--reason-code", "other", who="p-manager").fine()
    assert office.run("decide", chosen[2], "approve", who="p-controller").code != 0
    office.run("apply").fine()
    seq = next(r.seq for r in office.find(AuditRow, action="person.changed", order_by=("seq",)) if r.entity == "person:p-chair")
    office.run("audit", "erase", str(seq), "--basis", "GDPR-17", who="p-ceo").fine()
    office.run("audit", "checkpoint").fine()
    return office


@pytest.fixture(scope="module")
def pack(lived, tmp_path_factory):
    """A pack of the quarter."""
    out = tmp_path_factory.mktemp("packs") / "pack"
    done = lived.run("evidence", "pack", *QUARTER, "--seed", "dice 1 4", "--out", str(out), who="p-cfo").fine()
    assert "none recorded" in done.out and "audit entry" in done.out
    return out


def checked(pack, *words):
    """check_pack.py in this process: its exit code and line."""
    argv, sys.argv = sys.argv, ["check_pack.py", str(pack), *words]
    try:
        with pytest.raises(SystemExit) as stopped:
            runpy.run_path(str(SCRIPTS / "check_pack.py"), run_name="__main__")
    finally:
        sys.argv = argv
    return stopped.value.code


def test_from_the_folder_and_the_keys_alone_the_scripts_reach_every_conclusion(lived, pack, keys, tmp_path):
    auditor, empty = tmp_path / "auditor", tmp_path / "empty"
    shutil.copytree(pack, auditor)
    empty.mkdir()
    for name in ("check_pack.py", "verify_audit.py", "reperform_limits.py"):
        assert (auditor / name).read_bytes() == (SCRIPTS / name).read_bytes()
    said = conclusions(auditor, keys, empty, "--limits", str(tmp_path / "limits.csv"))
    assert {name: done.returncode for name, done in said.items()} == {"pack": 0, "log": 0, "limits": 0}, said
    assert said["pack"].stdout.startswith("whole: ") and "proofs hold" in said["pack"].stdout
    assert "2 administrators hold" in said["log"].stdout
    assert f"{len(lived.find(CreditLimit))} limits in force" in said["limits"].stdout
    assert not list(empty.iterdir())


def test_the_page_says_the_commands_that_an_auditor_types(pack, keys):
    shown = re.search(r"```\n(.+?)```", (pack / "README.md").read_text(encoding="utf-8"), re.DOTALL)[1]
    typed = shown.replace("python3", sys.executable).replace("PACK KEY", keys["pack"]).replace("LOG KEY", keys["log"])
    for command in typed.replace("\\\n", " ").strip().replace(" --limits ../limits.csv", "").splitlines():
        done = subprocess.run(command, shell=True, capture_output=True, text=True, cwd=pack, env={}, check=False)
        assert done.returncode == 0, (command, done.stdout, done.stderr)


def test_a_changed_byte_anywhere_a_missing_file_and_one_too_many_are_found(pack, keys, tmp_path, capsys):
    copy = shutil.copytree(pack, tmp_path / "copy")
    words = ("--key", keys["pack"], "--log-key", keys["log"])
    assert checked(copy, *words) == 0
    for path in sorted(path for path in copy.rglob("*") if path.is_file()):
        kept = path.read_bytes()
        path.write_bytes(bytes([kept[len(kept) // 2] ^ 1]).join((kept[: len(kept) // 2], kept[len(kept) // 2 + 1 :])) if kept else b"x")
        assert checked(copy, *words) == 1, path
        path.unlink()
        assert checked(copy, *words) in (1, 2), path
        path.write_bytes(kept)
    (copy / "sample" / "more.md").write_text("")
    assert checked(copy, *words) == 1
    (copy / "sample" / "more.md").unlink()
    (copy / "E99.csv").symlink_to(copy / "E01-population.csv")
    assert checked(copy, *words) == 1
    (copy / "E99.csv").unlink()
    assert checked(copy, *words) == 0
    capsys.readouterr()


def test_another_key_signs_for_nobody_and_proofs_need_the_key_of_the_log(pack, keys, capsys):
    assert checked(pack, "--key", keys["log"], "--log-key", keys["log"]) == 1
    assert checked(pack, "--key", keys["pack"], "--log-key", keys["pack"]) == 1
    assert checked(pack, "--key", keys["pack"]) == 2 and "were not checked" in capsys.readouterr().out
    assert checked(pack, "--key", "no key") == 2


def resigned(pack, keys, folder, change, monkeypatch):
    """The pack as its maker could have made it: with whatever he likes in it, and a good signature."""
    from credit_review.adapters.settings import require_secret
    from credit_review.audit.notes import SigningKey
    from credit_review.evidence.pack import signature

    copy = shutil.copytree(pack, folder / "resigned")
    change(copy)
    facts = manifest(copy)
    facts["files"] = {name: files.sha256_of(copy / name) for name in facts["files"]}
    stated = json.dumps(facts)
    (copy / "manifest.json").write_text(stated, encoding="utf-8")
    (copy / "manifest.note").write_text(signature(stated, SigningKey.read(require_secret("EVIDENCE_KEY"))), encoding="utf-8")
    return copy


def without_its_first_row(copy):
    path = copy / "E01-population.csv"
    head, _, *rest = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(head + b"".join(rest))


def another_entry_under_a_proof(copy):
    path = sorted((copy / "sample" / "entries").iterdir())[0]
    path.write_text(path.read_text(encoding="utf-8").replace("proposal", "proposaI"), encoding="utf-8")


@pytest.mark.parametrize("change", [without_its_first_row, another_entry_under_a_proof])
def test_not_even_its_maker_can_leave_out_a_change_or_alter_a_proven_entry(pack, keys, tmp_path, monkeypatch, capsys, change):
    copy = resigned(pack, keys, tmp_path, change, monkeypatch)
    assert checked(copy, "--key", keys["pack"], "--log-key", keys["log"]) == 1


def test_the_same_parameters_give_the_same_bytes_again(lived, pack, tmp_path):
    facts = manifest(pack)
    lived.run("people", "prefer", "--language", "en", who="p-ceo").fine()  # the log goes on
    out = tmp_path / "again"
    lived.run("evidence", "pack", *QUARTER, "--seed", "dice 1 4", "--entries", str(facts["entries"]), "--out", str(out), who="p-cfo").fine()
    again = {one["file"]: one["sha256"] for one in manifest(out)["artefacts"]}
    same = [one["file"] for one in facts["artefacts"] if one["repeatable"]]
    assert len(same) >= 12 and {"E01-population.csv", "E07-segregation-of-duties.csv", "E10-refused-and-expired.csv"} <= set(same)
    assert {name: again[name] for name in same} == {one["file"]: one["sha256"] for one in facts["artefacts"] if one["repeatable"]}
    assert manifest(out)["size"] > facts["size"] and manifest(out)["entries"] == facts["entries"]
    lived.run("evidence", "pack", *QUARTER, "--entries", "999999", "--out", str(tmp_path / "x"), who="p-cfo").refused(3, "the log has")


def test_every_number_is_there_with_the_queries_that_made_it(pack):
    facts = manifest(pack)
    assert {one["number"] for one in facts["artefacts"]} == {f"E{n:02d}" for n in range(1, 19)}
    for one in facts["artefacts"]:
        found = rows(pack, one["file"])
        assert len(found) == one["rows"] and files.sha256_of(pack / one["file"]) == one["sha256"] and one["none"]
        assert one["queries"] or one["number"] == "E02", one["file"]
    assert all(re.fullmatch(r"E[0-9]{2}-[a-z-]+\.csv", one["file"]) for one in facts["artefacts"])
    how = rows(pack, "E02-how-made.csv")
    assert any("FROM limit_change" in row["query"] for row in how if row["number"] == "E01") and all(row["code"] for row in how)
    (counted,) = [one["figures"] for one in facts["artefacts"] if one["number"] == "E01"]
    assert counted["entries"] == counted["rows"] == counted["versions"] == len(rows(pack, "E01-population.csv")) >= 2


def test_the_artefacts_say_what_happened(lived, pack):
    people = {row["person"]: row for row in rows(pack, "E08-access.csv")}
    assert people["p-manager"]["name"] == "Mia Holm" and people["p-manager"]["tiers"] and people["p-chair"]["name"] == "(erased)"
    given = [row for row in rows(pack, "E05-who-what-when.csv") if row["approver"]]
    assert given and all(row["approver"] == "p-manager" and row["same_packet"] == "true" for row in given)
    assert all(row["in_force"] == "true" for row in rows(pack, "E06-authority.csv"))
    refused = {row["action"] for row in rows(pack, "E10-refused-and-expired.csv")}
    assert {"decision.refused", "decision.reject"} <= refused
    assert "'=cmd|'/c calc'!A1" in {row["reason"] for row in rows(pack, "E10-refused-and-expired.csv")}
    assert all(row["verdict"] in ("", "tied", "as certified") for row in rows(pack, "E11-completeness.csv"))
    assert {row["manifest_in_log"] for row in rows(pack, "E12-external-data.csv")} == {"yes"}
    (model,) = rows(pack, "E18-model.csv")
    assert model["independent_adopters"] == "p-cfo|p-manager"
    assert {row["replay"] for row in rows(pack, "E03-sample.csv")} == {"not replayed"}
    assert all(row["checks_that_fail"] == "" and int(row["proofs"]) >= 3 for row in rows(pack, "E03-sample.csv"))
    assert {row["administrator"] for row in rows(pack, "E14-checkpoints.csv")} == {"storage team's", "platform team", ""}


def test_what_is_not_recorded_is_said_with_its_reason_and_is_no_green_tick(pack):
    page = (pack / "index.html").read_text(encoding="utf-8")
    for reason in (
        "no restore is recorded in the period", "ask the database administrator", "retries of Prefect are not recorded by this system",
        "time of delivery are not recorded by this system", "1 review was not computed again: --no-replay",
    ):  # fmt: skip
        assert reason in page, reason
    assert "http" not in re.sub(r"http-equiv", "", page) and "<script" not in page and "✓" not in page
    assert page.count('<span class="none">') == sum(not one["rows"] for one in manifest(pack)["artefacts"]) >= 3


def test_no_cell_is_a_formula(pack):
    for path in pack.glob("*.csv"):
        for row in csv.reader(path.open(encoding="utf-8", newline="")):
            assert not any(cell[:1] in ("=", "+", "@", "\t") or (cell[:1] == "-" and not cell[1:].isdigit()) for cell in row), (path, row)


def test_that_a_pack_was_taken_is_an_entry_with_its_digest_and_key(lived, pack, keys):
    bodies = [json.loads(row.body) for row in lived.find(AuditRow, action="audit.read", order_by=("seq",))]
    mine = [one for one in bodies if one["data"].get("manifest") == files.sha256_of(pack / "manifest.json")]
    assert [(one["actor"], one["data"]["what"], one["data"]["key"]) for one in mine] == [("person:p-cfo", "evidence", keys["pack"])]


def test_the_page_and_what_to_run_speak_the_caller_s_language(lived, tmp_path):
    office = lived.copy(tmp_path / "config")
    office.run("people", "prefer", "--language", "zh_CN", who="p-controller").fine()
    office.run("evidence", "pack", *QUARTER, "--out", str(tmp_path / "pack"), who="p-controller").fine()
    page, readme = ((tmp_path / "pack" / name).read_text(encoding="utf-8") for name in ("index.html", "README.md"))
    assert '<html lang="zh-CN">' in page and "审计证据包" in page and "审计证据包" in readme and "Evidence pack" not in page
    prose = re.sub(r"<(style|pre|div class=.hash.)>.*?</(style|pre|div)>|<[^>]*>", " ", page, flags=re.DOTALL)
    assert not re.search(r"[A-Za-z]{2,} [a-z]{2,} [a-z]{2,}", re.sub(r"`[^`]*`", "", prose)), "a sentence was not translated"
    assert rows(tmp_path / "pack", "E01-population.csv"), "columns and codes stay as they are"


def test_a_pack_that_could_not_be_finished_leaves_nothing_behind(lived, tmp_path, monkeypatch):
    from credit_review.adapters import pack as packing

    def broken(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(packing.pack, "manifest", broken)
    before = len(lived.find(AuditRow))
    done = lived.run("evidence", "pack", *QUARTER, "--out", str(tmp_path / "pack"), who="p-cfo")
    assert done.code == 3 and "No space left" in done.err
    assert list(tmp_path.iterdir()) == [] and len(lived.find(AuditRow)) == before


def test_a_pack_is_not_made_over_a_tampered_log(lived, tmp_path):
    office = lived.copy(tmp_path / "config")
    with as_administrator(office.opened.store) as connection:
        connection.execute(text("UPDATE audit_log SET actor = 'person:p-ceo' WHERE seq = 30"))
    office.run("evidence", "pack", *QUARTER, "--out", str(tmp_path / "pack"), who="p-cfo").refused(1, "entry 30")
    assert not (tmp_path / "pack").exists()


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ((), "give either --period, or --from and --to"),
        (("--period", "2026Q5"), "'2026Q5' is no period"),
        (("--period", "2026Q4", "--from", "2026-10-01"), "give either --period"),
        (("--from", "2026-10-02", "--to", "2026-10-01"), "the period ends on"),
    ],
)
def test_a_period_that_is_none_is_said(lived, tmp_path, words, shown):
    lived.run("evidence", "pack", *words, "--out", str(tmp_path / "x"), who="p-cfo").refused(3, shown)


def test_a_folder_in_use_a_missing_key_and_a_stranger_are_said(lived, tmp_path, monkeypatch):
    (tmp_path / "mine").write_text("")
    lived.run("evidence", "pack", *QUARTER, "--out", str(tmp_path), who="p-cfo").refused(3, "holds something already")
    lived.run("evidence", "pack", *QUARTER, "--out", str(tmp_path / "x"), who="p-nobody").refused(4)
    monkeypatch.delenv("CREDIT_REVIEW_EVIDENCE_KEY")
    lived.run("evidence", "pack", *QUARTER, "--out", str(tmp_path / "x"), who="p-cfo").refused(3, "EVIDENCE_KEY", "audit key")


def test_the_script_is_short_stands_alone_and_is_the_one_that_the_page_names():
    text = (SCRIPTS / "check_pack.py").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 80 and files.sha256_of(SCRIPTS / "check_pack.py") in (SCRIPTS / "evidence.md").read_text(
        encoding="utf-8"
    )
    named = {name for line in re.findall(r"^ *import (.+)$", text, re.M) for name in line.split(", ")}
    named |= {name.partition(".")[0] for name in re.findall(r"^ *from ([a-z0-9_.]+) import", text, re.M)}
    assert named <= {*sys.stdlib_module_names, "cryptography"}


# --- one subject ----------------------------------------------------------------------------------------------------------------------


def test_everything_about_one_customer_is_one_pack_whose_every_entry_is_proven(lived, keys, tmp_path, capsys):
    customer = lived.find(Proposal, state="applied", straight_through_rule="")[0].customer_id
    out = tmp_path / "special"
    lived.run("audit", "special", "--customer", customer, "--period", "2026Q4", "--out", str(out), who="p-cfo").fine()
    assert checked(out, "--key", keys["pack"], "--log-key", keys["log"]) == 0
    entries = [json.loads(path.read_text(encoding="utf-8")) for path in (out / "entries").iterdir()]
    actions = {one["action"] for one in entries}
    assert {"limit.opened", "proposal.created", "decision.approve", "limit.applied", "identity.changed"} <= actions
    assert {path.stem for path in (out / "proofs").iterdir()} == {path.stem for path in (out / "entries").iterdir()}
    assert len(rows(out, "S01-entries.csv")) == len(entries) and rows(out, "S04-limits.csv") and rows(out, "S03-decisions.csv")
    (review,) = rows(out, "S10-snapshots.csv")
    assert review["customer_state"] == "reviewed" and review["manifest_in_log"] == "yes"
    others = {p.customer_id for p in lived.find(Proposal)} - {customer}
    assert not any(one["data"].get("customer") in others for one in entries) and not (out / "log.jsonl").exists()
    held = lived.find(AuditPayload, seq=[one["seq"] for one in entries])
    assert {path.stem for path in (out / "payloads").glob("*")} == {str(one.seq) for one in held if one.payload is not None}


def test_everything_about_one_approver_has_what_he_decided_and_what_he_was_refused(lived, tmp_path):
    out = tmp_path / "special"
    lived.run("audit", "special", "--approver", "p-manager", "--period", "2026Q4", "--out", str(out), who="p-cfo").fine()
    assert {row["by"] for row in rows(out, "S03-decisions.csv")} == {"p-manager"} and rows(out, "S04-limits.csv")
    assert {row["action"] for row in rows(out, "S05-deliveries.csv")} == {"erp.confirmed"}
    out = tmp_path / "another"
    lived.run("audit", "special", "--approver", "p-controller", "--period", "2026Q4", "--out", str(out), who="p-cfo").fine()
    assert rows(out, "S09-refusals.csv") and not rows(out, "S04-limits.csv")


def test_a_special_audit_is_of_somebody_who_is_on_record(lived, tmp_path):
    out = ("--period", "2026Q4", "--out", str(tmp_path / "x"))
    lived.run("audit", "special", "--customer", "c-none", *out, who="p-cfo").refused(3, "the log says nothing of customer:c-none")
    both = ("--customer", "c-none", "--approver", "p-cfo")
    lived.run("audit", "special", *both, *out, who="p-cfo").refused(3, "give either --customer or --approver")
    assert not (tmp_path / "x").exists()


def test_everything_about_a_period_is_the_pack_of_the_period(lived, tmp_path):
    day = ("--from", "2026-10-02", "--to", "2026-10-02")  # on which nothing happened: nothing is computed again
    lived.run("audit", "special", *day, "--out", str(tmp_path / "x"), who="p-cfo").fine()
    assert {one["number"] for one in manifest(tmp_path / "x")["artefacts"]} == {f"E{n:02d}" for n in range(1, 19)}


# --- the access list ------------------------------------------------------------------------------------------------------------------


def test_an_access_review_is_signed_by_an_office_and_by_nobody_for_himself(lived, tmp_path):
    office = lived.copy(tmp_path / "config")
    words = ("people", "reviewed", "--statement", "compared with the list of personnel")
    office.run(*words, who="p-cfo").refused(4, "that is for internal audit or the control owner", "offices")
    assert office.refusals()[-1] == ("person:p-cfo", "log", "sign.lacks_office")
    CLOCK.set(NOON + timedelta(minutes=1))
    office.edit("authority.yaml", 'version: "2026.1"', 'version: "2026.2"')
    office.edit("authority.yaml", "  control_owner: []", "  control_owner: [p-ceo]")
    office.adopt("authority.yaml")
    office.run(*words, "p-ceo", who="p-ceo").refused(4, "nobody reviews his own access")
    office.run(*words, "p-none", who="p-ceo").refused(3, "nobody is called p-none")
    assert "access of 5 people reviewed" in office.run(*words, who="p-ceo").fine().out
    office.run("evidence", "pack", *QUARTER, "--out", str(tmp_path / "pack"), who="p-cfo").fine()
    found = {row["person"]: row["reviewed_by"] for row in rows(tmp_path / "pack", "E08-access.csv")}
    assert found.pop("p-ceo") == "" and set(found.values()) == {"p-ceo"}
    (signed,) = rows(tmp_path / "pack", "E08-access-reviews.csv")
    assert (signed["office"], signed["people"], signed["statement"]) == ("control_owner", "5", "compared with the list of personnel")
    assert offices.run("audit", "special", "--help").code == 0
