"""The audit log at the command line: a notary is set up, the log is verified, proved, exported, witnessed, and partly erased."""

from __future__ import annotations

import json
import subprocess
from dataclasses import fields
from datetime import timedelta

import pytest
from office import CLOCK, run
from sqlalchemy import text

from credit_review import audit
from credit_review.adapters.store.log import SqlLog
from credit_review.audit.notes import BadNote, VerificationKey, open_note
from credit_review.audit.proofs import proved
from credit_review.model.records import AuditPayload, AuditRow, CreditLimit, LimitChange
from tests.store.meddling import as_administrator

pytestmark = pytest.mark.prefect
ORIGIN = "company.example/credit-audit/1"


@pytest.fixture
def notarised(office, tmp_path, monkeypatch):
    """An installation with a notary and two anchors, and nothing signed yet."""
    made = run("audit", "key", ORIGIN, "--out", str(tmp_path / "notary.key"))
    assert made.code == 0 and (tmp_path / "notary.key").stat().st_mode & 0o777 == 0o600
    monkeypatch.setenv("CREDIT_REVIEW_NOTARY_KEY", (tmp_path / "notary.key").read_text())
    subprocess.run(["git", "init", "--quiet", "--bare", str(tmp_path / "held.git")], check=True)
    (tmp_path / "worm").mkdir()
    with (office.config / "settings.yaml").open("a", encoding="utf-8") as file:
        file.write(
            f"audit:\n  origin: {ORIGIN}\n  keys: ['{made.out.strip()}']\n  anchors:\n"
            f"    - {{name: worm, kind: directory, administrator: storage team, folder: {tmp_path / 'worm'}}}\n"
            f"    - {{name: held, kind: git, administrator: platform team, remote: {tmp_path / 'held.git'}}}\n"
        )
    return office


def key_of(office):
    return VerificationKey.read(office.opened.settings.audit.keys[0])


def test_the_log_is_green_once_two_administrators_hold_a_checkpoint(notarised):
    assert "not anchored" in notarised.run("audit", "verify").out
    done = notarised.run("audit", "checkpoint").fine()
    assert "kept by 2 anchors" in done.out and "anchor worm: up to entry" in done.out
    verified = notarised.run("audit", "verify", "--business").fine()
    assert "verified up to entry" in verified.out and "log and tables agree" in verified.out
    told = notarised.run("audit", "verify", "--json").fine().json
    assert told["status"] == "verified" and set(told["anchors"]) == {"worm", "held", "the copy in the database"}


def test_a_late_anchor_is_an_exit_code_and_a_sentence(notarised, tmp_path):
    (tmp_path / "worm").rmdir()
    CLOCK.advance(timedelta(hours=1))
    done = notarised.run("audit", "checkpoint")
    assert done.code == 2 and "anchor worm cannot be reached" in done.err and "anchor worm holds nothing" in done.err
    assert notarised.run("audit", "verify").code == 2


def test_without_a_notary_its_commands_say_how_to_get_one(office):
    office.run("audit", "checkpoint").refused(3, "names no origin")
    office.run("audit", "prove", "0").refused(3, "cannot be proved", "audit checkpoint")


def test_a_key_file_is_never_written_over(tmp_path):
    (tmp_path / "key").write_text("mine")
    done = run("audit", "key", ORIGIN, "--out", str(tmp_path / "key"))
    assert done.code == 3 and (tmp_path / "key").read_text() == "mine"


def test_a_tampered_table_is_found_where_the_log_is_sound(notarised):
    """T-42: a limit edited in the database; the log is intact."""
    notarised.run("audit", "checkpoint").fine()
    limit = notarised.find(CreditLimit)[0]
    with as_administrator(notarised.opened.store) as connection:
        connection.execute(text("UPDATE credit_limit SET amount_minor = 99 WHERE account_id = :id"), {"id": limit.account_id})
    assert notarised.run("audit", "verify").code == 0
    found = notarised.run("audit", "verify", "--business", "--json")
    assert found.code == 1 and [one["what"] for one in found.json["differences"]] == [
        f"credit_limit {limit.account_id}: amount_minor is 99, the log says {limit.amount_minor}"
    ]


def test_a_limit_moved_by_a_change_that_no_entry_tells_of_is_found_where_the_log_is_sound(notarised):
    """T-43: rows that agree with one another, and an event that was never written."""
    notarised.run("audit", "checkpoint").fine()
    opening = notarised.find(LimitChange, kind="opening")[0]
    names = [field.name for field in fields(LimitChange)]
    values = {"change_id": "'c-forged'", "version": "2", "kind": "'reversal'", "reverses_id": "change_id", "old_minor": "new_minor"}
    values |= {"snapshot_digest": "NULL", "new_minor": "NULL"}
    with as_administrator(notarised.opened.store) as connection:
        selected = ", ".join(values.get(name, name) for name in names)
        insert = f"INSERT INTO limit_change ({', '.join(names)}) SELECT {selected} FROM limit_change WHERE change_id = :id"
        connection.execute(text(insert), {"id": opening.change_id})
        moved = "UPDATE credit_limit SET version = 2, amount_minor = NULL WHERE account_id = :id"
        connection.execute(text(moved), {"id": opening.account_id})
    assert notarised.run("audit", "verify").code == 0
    found = notarised.run("audit", "verify", "--business", "--json")
    assert found.code == 1
    assert any("c-forged" in one["what"] and "no entry made it" in one["what"] for one in found.json["differences"])


def test_everything_the_log_says_of_a_proposal_is_listed_with_what_became_of_its_limit(office):
    (key, *_) = office.waiting(way="up", tier="T2")
    office.run("release", key, who="p-analyst").fine()
    office.run("decide", key, "approve", who="p-manager").fine()
    office.run("apply").fine()
    told = office.run("audit", "entries", key, "--json").fine().json
    actions = [one["body"]["action"] for one in told]
    assert actions[:2] == ["proposal.created", "proposal.assigned"]
    assert {"proposal.released", "decision.approve", "limit.applied"} <= set(actions) and "limit.opened" not in actions
    assert [one["seq"] for one in told] == sorted(one["seq"] for one in told)
    shown = office.run("audit", "entries", f"proposal:{key}").fine().out
    assert all(action in shown for action in actions) and told[0]["leaf"][:16] in shown
    office.run("audit", "entries", "p-none").refused(3, "says nothing of p-none")


def test_an_entry_is_proved_without_the_rest_of_the_log(notarised, tmp_path):
    notarised.run("audit", "checkpoint").fine()
    notarised.run("audit", "prove", "7", "--out", str(tmp_path / "proof")).fine()
    body, proof = ((tmp_path / "proof" / name).read_text(encoding="utf-8") for name in ("entry-7.json", "entry-7.tlog-proof"))
    assert json.loads(body)["seq"] == 7 and proved(proof, body, [key_of(notarised)]).origin == ORIGIN
    with pytest.raises(BadNote, match="does not show"):
        proved(proof, body.replace('"seq":7', '"seq":8'), [key_of(notarised)])


def test_an_export_verifies_by_itself_and_is_on_record(notarised, tmp_path):
    notarised.run("audit", "export", str(tmp_path / "log.jsonl"), who="p-cfo").fine()
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    rows = [AuditRow(**{k: v for k, v in one.items() if k != "table"}) for one in lines if one["table"] == "audit_log"]
    payloads = [AuditPayload(**{k: v for k, v in one.items() if k != "table"}) for one in lines if one["table"] == "audit_payload"]
    head = audit.genesis().__class__(**{k: v for k, v in lines[-1].items() if k != "table"})
    assert audit.verify_rows(rows, payloads, head).size == len(rows) > 100
    newest = notarised.find(AuditRow, action="audit.read")[-1]
    assert newest.actor == "person:p-cfo" and newest.seq == len(rows)
    notarised.run("audit", "export", str(tmp_path / "part.jsonl"), "--from", "50", who="p-cfo").fine()
    start, first, *_ = (json.loads(line) for line in (tmp_path / "part.jsonl").read_text(encoding="utf-8").splitlines())
    assert (start["table"], start["size"], start["leaf"]) == ("start", 50, first["prev"]) and first["seq"] == 50
    notarised.run("audit", "export", str(tmp_path / "x"), "--from", "999999", who="p-cfo").refused(3, "there is no entry")
    assert not (tmp_path / "x").exists()


def test_a_witness_remembers_and_cosigns(notarised, tmp_path):
    run("audit", "key", "audit.company.example/w1", "--out", str(tmp_path / "w.key"), "--witness")
    notarised.run("audit", "checkpoint").fine()
    words = ("audit", "witness", "--state", str(tmp_path / "mine.json"), "--key", str(tmp_path / "w.key"), "--out", str(tmp_path / "w"))
    notarised.run(*words).fine()
    (note,) = (tmp_path / "w").glob("*.checkpoint")
    assert len(open_note(note.read_text(), [key_of(notarised)]).signed_by) == 1 and note.read_text().count("— ") == 2
    remembered = json.loads((tmp_path / "mine.json").read_text())
    assert remembered["size"] == notarised.run("audit", "verify", "--json").json["entries"]
    with as_administrator(notarised.opened.store) as connection:
        connection.execute(text("DELETE FROM audit_log WHERE seq >= :size"), {"size": remembered["size"] - 1})
    assert notarised.run("audit", "witness", "--state", str(tmp_path / "mine.json")).code == 1
    assert json.loads((tmp_path / "mine.json").read_text()) == remembered
    (tmp_path / "mine.json").write_text("x")
    notarised.run("audit", "witness", "--state", str(tmp_path / "mine.json")).refused(3, "damaged")


def test_payloads_are_erased_with_an_entry_of_their_own(notarised):
    seq = next(row.seq for row in notarised.find(AuditRow, action="person.changed"))
    notarised.run("audit", "erase", str(seq), "--basis", "GDPR-17", who="p-ceo").fine()
    assert "1 payloads erased" in notarised.run("audit", "verify").out
    notarised.run("audit", "erase", str(seq), "--basis", "GDPR-17", who="p-ceo").refused(3, "has a payload to erase")
    notarised.run("audit", "erase", "999999", "--basis", "GDPR-17", who="p-ceo").refused(3, "there is no entry 999999")


def test_the_key_is_handed_over_and_the_new_one_signs(notarised, tmp_path, monkeypatch):
    notarised.run("audit", "checkpoint").fine()
    run("audit", "key", ORIGIN, "--out", str(tmp_path / "next.key"))
    notarised.run("audit", "rotate-key", str(tmp_path / "next.key"), "--reason", "yearly", who="p-ceo").fine()
    notarised.run("audit", "checkpoint").refused(3, "one that may sign now", "rotate-key")
    monkeypatch.setenv("CREDIT_REVIEW_NOTARY_KEY", (tmp_path / "next.key").read_text())
    notarised.run("audit", "checkpoint").fine()
    assert notarised.run("audit", "verify").code == 0


def test_a_restored_database_goes_on_under_a_new_name(notarised, tmp_path):
    backup = notarised.copy(tmp_path / "backup")
    notarised.run("audit", "checkpoint").fine()
    notarised.run("audit", "export", str(tmp_path / "log.jsonl"), who="p-cfo").fine()
    notarised.run("audit", "checkpoint").fine()
    notarised.run("audit", "restored", "--reason", "disk", who="p-ceo").refused(4, "nothing was lost")
    assert backup.run("audit", "verify").code == 1
    backup.run("audit", "restored", "--reason", "disk", who="p-ceo").fine()
    backup.run("audit", "checkpoint").fine()
    verified = backup.run("audit", "verify").fine()
    assert "verified up to entry" in verified.out
    assert open_note(SqlLog(backup.opened.store.engine).checkpoints()[-1], [key_of(notarised)]).checkpoint.origin == ORIGIN[:-1] + "2"


def test_only_the_highest_tier_lays_hands_on_the_log_where_no_office_is_named_and_a_refusal_is_on_record(notarised, tmp_path):
    seq = str(next(row.seq for row in notarised.find(AuditRow, action="person.changed")))
    run("audit", "key", ORIGIN, "--out", str(tmp_path / "next.key"))
    for words in (("erase", seq, "--basis", "GDPR-17"), ("rotate-key", str(tmp_path / "next.key"), "--reason", "mine now")):
        notarised.run("audit", *words, who="p-cfo").refused(4, "Frank Osei may not", "T4 (Board)", "ask Elena Rossi (p-ceo)")
    refused = [json.loads(row.body) for row in notarised.find(AuditRow, action="decision.refused", entity="log")]
    assert [(one["actor"], one["data"]["code"]) for one in refused] == [("person:p-cfo", "sign.lacks_tier")] * 2
    assert not notarised.find(AuditRow, action="payload.erased") and not notarised.find(AuditRow, action="key.rotated")


def test_named_offices_decide_and_the_highest_tier_no_longer_does(notarised, tmp_path):
    authority = notarised.config / "authority.yaml"
    named = authority.read_text().replace('version: "2026.1"', 'version: "2026.2"')
    named = named.replace("control_owner: []", "control_owner: [p-controller]")
    authority.write_text(named.replace("administrators: []", "administrators: [p-analyst]"))
    CLOCK.set(CLOCK.now() + timedelta(minutes=1))
    for who in ("p-cfo", "p-manager"):
        notarised.run("adopt", str(authority), "--author", "p-analyst", who=who).fine()
    seq = str(next(row.seq for row in notarised.find(AuditRow, action="person.changed")))
    run("audit", "key", ORIGIN, "--out", str(tmp_path / "next.key"))
    notarised.run("audit", "checkpoint").fine()
    for who in ("p-ceo", "p-analyst"):
        notarised.run("audit", "erase", seq, "--basis", "GDPR-17", who=who).refused(4, "the control owner", "Carl Ohm (p-controller)")
    notarised.run("audit", "erase", seq, "--basis", "GDPR-17", who="p-controller").fine()
    rotate = ("audit", "rotate-key", str(tmp_path / "next.key"), "--reason", "yearly")
    notarised.run(*rotate, who="p-controller").refused(4, "the administrators", "Anna Berg (p-analyst)")
    notarised.run(*rotate, who="p-analyst").fine()
    codes = [json.loads(row.body)["data"]["code"] for row in notarised.find(AuditRow, action="decision.refused", entity="log")]
    assert codes == ["sign.lacks_office"] * 3
