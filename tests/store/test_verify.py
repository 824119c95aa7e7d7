"""`audit verify` on logs that no anchor holds, hostile and damaged ones. The kinds of tampering are in tests/audit/test_verifiers.py."""

from __future__ import annotations

import random
from time import process_time

import pytest
from sqlalchemy import text
from store_rows import put

from credit_review import audit
from credit_review.adapters.store.engine import WRITE_BUDGET, open_engine, sqlite_file
from credit_review.adapters.store.verify import Status, verify_log
from credit_review.ports import Entry
from tests.store.meddling import as_administrator


def entries(count):
    return [
        Entry(
            action=audit.Action.PROPOSAL_CREATED,
            actor="system:test",
            entity=f"proposal:p-{number}",
            data={"to_minor": number, "digest": "ab" * 32},
            payload={"name": f"Kunde {number} 信"} if number % 3 == 0 else None,
        )
        for number in range(count)
    ]


@pytest.fixture
def log(store):
    """A log of 12 entries, four with a payload (0, 3, 6, 9)."""
    for one in entries(12):
        put(store, entries=[one])
    return store


def run(store, *statements, **values):
    with as_administrator(store) as connection:
        for statement in statements:
            connection.execute(text(statement), values)
    return verify_log(store.engine)


def test_a_sound_log_is_consistent_but_never_green_without_an_anchor(log):
    found = verify_log(log.engine)
    assert found.status is Status.CANNOT_TELL and found.exit_code == 2 and found.consistent and found.size == 12
    assert "consistent, not anchored" in found.text() and found.root in found.text()


def test_an_empty_log_is_consistent(store):
    found = verify_log(store.engine)
    assert found.consistent and found.size == 0 and found.exit_code == 2


def test_the_verdict_repeats_the_same_root_on_both_databases(sqlite_store, postgres_store):
    plain = [Entry(action="run.started", actor="a", entity="e", data={"n": n}) for n in range(50)]
    put(sqlite_store, entries=plain)
    put(postgres_store, entries=plain)
    assert verify_log(sqlite_store.engine).root == verify_log(postgres_store.engine).root


def rehashed(body):
    return {"body": body, "leaf": audit.leaf_hash(body)}


@pytest.mark.parametrize("body", ['{"seq":5,"seq":5}', "", "{" * 100_000, '{"a":1e999}', "null", "\U0001f600"])
def test_hostile_bodies_hashed_again_are_findings_not_crashes(log, body):
    found = run(log, "UPDATE audit_log SET body = :body, leaf = :leaf WHERE seq = 5", **rehashed(body))
    assert (found.status, found.seq) == (Status.TAMPERED, 5)


def test_a_whole_rewrite_is_consistent_which_is_why_the_verdict_is_not_green(log, clock):
    """T-10: stated limit of a log without anchors."""
    before = verify_log(log.engine)
    with as_administrator(log) as connection:
        for table in ("audit_payload", "audit_log"):
            connection.execute(text(f"DELETE FROM {table}"))
        connection.execute(
            text(f"UPDATE audit_head SET size = 0, leaf = '{audit.GENESIS_PREV}', ts = '{audit.GENESIS_TS}', frontier = '[]'")
        )
    put(log, entries=entries(3))
    after = verify_log(log.engine)
    assert after.consistent and after.exit_code == 2 and after.root != before.root


def test_a_logged_erasure_is_accepted(log):
    erased = Entry(action=audit.Action.PAYLOAD_ERASED, actor="person:dpo", entity="log", data={"seqs": [3, 9], "basis": "GDPR 17"})
    put(log, entries=[erased])
    with log.engine.connect().execution_options(**{WRITE_BUDGET: 5}) as connection:
        connection.execute(text("UPDATE audit_payload SET salt = NULL, payload = NULL WHERE seq IN (3, 9)"))
        connection.commit()
    assert verify_log(log.engine).erased == 2


def test_bytes_that_are_no_utf8_are_a_finding(sqlite_store):
    put(sqlite_store, entries=entries(6))
    assert run(sqlite_store, "UPDATE audit_log SET body = CAST(x'7bff7d' AS TEXT) WHERE seq = 2").seq == 2
    assert run(sqlite_store, "UPDATE audit_log SET body = x'7b7d' WHERE seq = 1").seq == 1


def test_a_damaged_file_is_never_called_sound(sqlite_store):
    put(sqlite_store, entries=entries(200))
    sqlite_store.close()
    file = sqlite_file(sqlite_store.engine.url)
    raw = bytearray(file.read_bytes())
    random.seed(7)
    for start in range(4096, len(raw), 4096):
        raw[start : start + 16] = random.randbytes(16)
    file.write_bytes(bytes(raw))
    for leftover in file.parent.glob(file.name + "-*"):
        leftover.unlink()
    found = verify_log(open_engine(str(sqlite_store.engine.url)))
    assert not found.consistent and found.exit_code in (1, 2)


def test_a_database_that_is_not_there_is_cannot_tell(tmp_path, postgres_url):
    absent = verify_log(open_engine(f"sqlite:///{tmp_path}/absent.db"))
    assert absent.exit_code == 2 and not absent.consistent and not (tmp_path / "absent.db").exists()
    assert verify_log(open_engine(postgres_url.replace("t_", "x_"))).exit_code == 2
    (tmp_path / "empty.db").touch()
    assert verify_log(open_engine(f"sqlite:///{tmp_path}/empty.db")).exit_code == 2


def test_verification_streams(store):
    """Goal: 40,000 entries a second on a quiet machine; the bound here, in processor time, only catches a collapse."""
    for _ in range(4):
        put(store, entries=entries(2_000))
    start = process_time()
    found = verify_log(store.engine)
    rate = found.size / (process_time() - start)
    print(f"{store.engine.dialect.name}: verified {rate:,.0f} entries/s")
    assert found.size == 8_000 and rate > 8_000
