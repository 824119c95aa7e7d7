"""Both verifiers, the product's `audit verify` and the script that an auditor reads, find whatever is done to a log and agree."""

from __future__ import annotations

import ast
import fcntl
import hashlib
import json
import random
import shutil
import subprocess
import sys
from datetime import timedelta

import pytest
from sqlalchemy.exc import DataError

from credit_review import audit, notary
from credit_review.adapters.notebook import in_turn
from credit_review.adapters.store.engine import sqlite_file
from credit_review.adapters.store.unit_of_work import open_store
from credit_review.adapters.store.verify import Status
from credit_review.ports import Entry
from tests.audit.notary_world import KEY, NEXT_KEY, ORIGIN
from tests.audit.tampering import (
    CANNOT_TELL,
    KINDS,
    NAMED,
    SCRIPT,
    SQLITE_ONLY,
    Mutation,
    TamperedWorld,
    directory,
    entries,
    erase,
    put,
    script_on,
    sound_world,
)  # fmt: skip

README = SCRIPT.parent / "README.md"


@pytest.fixture
def world(store, clock, tmp_path):
    made = sound_world(store, clock, tmp_path)
    assert made.product().status == Status.VERIFIED
    return made


def is_sqlite(world):
    return world.store.engine.dialect.name == "sqlite"


@pytest.mark.parametrize("kind", KINDS)
def test_tampering_is_found_by_both_verifiers(world, kind):
    if kind in SQLITE_ONLY and not is_sqlite(world):
        pytest.skip("of the file of a SQLite database")
    assert not is_sqlite(world) or world.script()[0] == 0
    KINDS[kind](world)
    code = 2 if kind in CANNOT_TELL else 1
    found = world.product()
    assert (found.exit_code, found.seq) == (code, NAMED.get(kind, found.seq)), found.text()
    if is_sqlite(world):
        code_of_script, line = world.script()
        assert code_of_script == code and f"entry {NAMED.get(kind, '')}" in f"{line} entry ", line


NOT_OF_THE_FORM = [
    {"v": 2}, {"v": True}, {"extra": 1}, {"data": []}, {"data": {"rate": 1.5}}, {"data": {"é": 1}}, {"data": {"n": 2**53}}, {"pay": "x"},
    {"data": json.loads('{"a":' * 32 + "1" + "}" * 32)}, {"action": "Nonsense"}, {"actor": ""}, {"entity": "x" * 161}, {"pay": None},
    {"ts": "2026-10-01T12:00:00.000000Z"}, {"ts": "2026-13-01T12:00:08.000000Z"}, {"action": "payload.erased", "data": {"seqs": [8]}},
]  # fmt: skip


@pytest.mark.parametrize("fields", NOT_OF_THE_FORM, ids=str)
def test_an_entry_of_another_form_is_found_although_it_was_signed_for(sound, fields):
    """As a faulty program and a notary that verifies nothing would leave it: every hash and note agrees."""
    root = sound.rewrite(lambda bodies: [body | (fields if body["seq"] == 8 else {}) for body in bodies])
    sound.sql("DELETE FROM audit_checkpoint")
    for folder in ("worm", "vault"):
        sound.keep(folder, root, KEY, size=14)
    found = sound.product()
    assert (found.exit_code, found.seq) == (1, 8), found.text()
    code, line = sound.script()
    assert code == 1 and "entry 8:" in line, line


def test_every_kind_of_the_log_has_a_case():
    numbers = {int(kind.split()[0][2:]) for kind in KINDS if kind.startswith("T-")}
    assert numbers == set(range(1, 45)) - {42, 43}, "T-42 and T-43 leave the log as it is: --business finds them"


# --- 200 logs -----------------------------------------------------------------------------------------------------------------------


def generated(rng, store, clock, folder):
    """A sound log of some length with payloads, erasures, now and then a rotation or a restore, notarised as it grew."""
    world = TamperedWorld(store, clock, folder, [directory(folder, name, f"team {name}") for name in ("worm", "vault")])
    world.with_trust(domains=rng.choice([1, 2, 2, 3]))
    for step in range(rng.randrange(1, 4)):
        put(world, *entries(rng.randrange(1, 9), start=world.size()))
        clock.advance(timedelta(seconds=rng.randrange(2_000)))
        present = [seq for seq in range(world.size()) if _has_payload(world, seq)]
        if present and rng.random() < 0.4:
            erase(world, [rng.choice(present)])
        if rng.random() < 0.8:
            world.notarise()
        if step == 0 and rng.random() < 0.3:
            rotate(world)
    if rng.random() < 0.2 and world.notes("worm"):
        restore(world, rng)
    clock.advance(timedelta(minutes=rng.randrange(40)))
    return world


def _has_payload(world, seq):
    with world.store.engine.connect() as connection:
        row = connection.exec_driver_sql(f"SELECT salt FROM audit_payload WHERE seq = {seq}").first()
        return row is not None and row[0] is not None


def rotate(world):
    with world.log.reading() as view:
        found = audit.verify_rows(view.rows, view.payloads, view.head, keep={audit.Action.KEY_ROTATED, audit.Action.LOG_RESTORED})
    data = notary.handed_over(world.trust, found, KEY, NEXT_KEY)
    put(world, Entry(action=audit.Action.KEY_ROTATED, actor="system:test", entity="log:" + ORIGIN, data=data))
    world.key = NEXT_KEY


def restore(world, rng):
    """A backup of before the newest note is put back, and the log says what it lost."""
    newest = world.log.checkpoints()[-1].split("\n")
    size, root = int(newest[1]), world.verdict().found.root if world.verdict().found.size == int(newest[1]) else None
    if root is None or size < 2:
        return
    world.cut(rng.randrange(1, size))
    world.sql("DELETE FROM audit_payload")
    data = {"before": ORIGIN, "origin": ORIGIN[:-1] + "2", "lost_size": size, "lost_root": root}
    put(world, Entry(action=audit.Action.LOG_RESTORED, actor="system:test", entity="log:" + ORIGIN, data=data))


def tampered_somehow(rng, world):
    """Sound, or with a random change, which may be a change of notes or several at once."""
    choice = rng.randrange(5)
    if choice == 0:
        return
    if choice == 1 and world.notes("worm"):
        note = rng.choice(world.notes("worm"))
        raw = bytearray(note.read_bytes())
        raw[rng.randrange(len(raw))] ^= 1 << rng.randrange(8)
        note.chmod(0o644)
        note.write_bytes(bytes(raw))
    elif choice == 2:
        world.rewrite(lambda bodies: bodies[: rng.randrange(len(bodies) + 1)])
    elif choice == 3:
        at = rng.randrange(world.size())
        world.rewrite(lambda bodies: [body | ({"actor": "person:x"} if body["seq"] == at else {}) for body in bodies])
    else:
        Mutation.random(world, rng).done(world)


@pytest.mark.parametrize("batch", range(10))
def test_product_and_script_say_the_same_of_200_logs(sqlite_template, clock, tmp_path, batch):
    codes = set()
    for number in range(20):
        rng = random.Random(20261001 + 20 * batch + number)
        folder = tmp_path / str(number)
        folder.mkdir()
        shutil.copyfile(sqlite_template, folder / "log.db")
        store = open_store(f"sqlite:///{folder}/log.db", clock)
        world = generated(rng, store, clock, folder)
        tampered_somehow(rng, world)
        code, said = world.script()
        found = world.product()
        assert code == found.exit_code, (batch, number, said, found.text())
        codes.add(code)
        store.close()
    assert 1 in codes and len(codes) > 1


# --- random changes -----------------------------------------------------------------------------------------------------------------


def all_found(world, count, seed):
    rng = random.Random(seed)
    for _ in range(count):
        one = Mutation.random(world, rng)
        if one.old == one.new:
            continue
        try:
            one.done(world)
        except DataError:  # longer than the column: PostgreSQL keeps it out
            continue
        assert world.product().exit_code == 1, one
        assert not is_sqlite(world) or world.script()[0] == 1, (one, world.script())
        one.undone(world)
    assert world.product().exit_code == 0
    assert not is_sqlite(world) or world.script()[0] == 0


@pytest.mark.parametrize("seed", range(5))
def test_random_single_mutations_are_all_found(sqlite_store, clock, tmp_path, seed):
    """500 in all."""
    all_found(sound_world(sqlite_store, clock, tmp_path), 100, seed)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(100, 150))
def test_thousands_of_random_single_mutations_are_all_found(sqlite_store, clock, tmp_path, seed):
    """5,000 in all."""
    all_found(sound_world(sqlite_store, clock, tmp_path), 100, seed)


def test_random_single_mutations_are_found_on_postgresql(postgres_store, clock, tmp_path):
    all_found(sound_world(postgres_store, clock, tmp_path), 40, 7)


# --- the script by itself -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def sound(sqlite_store, clock, tmp_path):
    return sound_world(sqlite_store, clock, tmp_path)


def test_the_script_is_short_and_needs_nothing_but_cryptography():
    source = SCRIPT.read_text(encoding="utf-8")
    assert len(source.splitlines()) <= 150 and max(map(len, source.splitlines())) <= 140
    tree = ast.parse(source)
    names = [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    assert {name.partition(".")[0] for name in names} <= set(sys.stdlib_module_names) | {"cryptography"}


def test_the_readme_prints_the_hash_of_the_script(sound):
    digest = hashlib.sha256(SCRIPT.read_bytes()).hexdigest()
    text = README.read_text(encoding="utf-8")
    assert digest in text, f"docs/audit/README.md: the script's hash is now {digest}"
    command = "python3 -c \"import hashlib; print(hashlib.sha256(open('verify_audit.py', 'rb').read()).hexdigest())\""
    assert command in text
    assert subprocess.run(command, shell=True, cwd=SCRIPT.parent, capture_output=True, text=True, check=True).stdout.strip() == digest


def test_the_script_runs_as_a_command_and_the_log_stays_as_it_was(sound):
    file = sqlite_file(sound.store.engine.url)
    before = file.read_bytes()
    done = subprocess.run([sys.executable, "-I", str(SCRIPT), str(file), *sound.words()], capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.startswith("verified: 14 entries, root ") and not done.stderr
    assert file.read_bytes() == before


def test_an_export_is_verified_as_the_database_is_whole_and_in_part(sound, tmp_path):
    for since in (0, 5, 13):
        (tmp_path / "log.jsonl").write_text("".join(sound.log.export(since)), encoding="utf-8")
        assert script_on(tmp_path / "log.jsonl", *sound.words())[0] == 0, since


ONE_CHANGE = [("system", "person"), ("credit-audit/1", "credit-audit/2"), ('"seq":', '"seq":1'), ('"size":', '"size":1'), ("dpo", "ceo")]


def test_a_changed_line_of_an_export_is_found(sound, tmp_path):
    lines = list(sound.log.export())
    for number, line in enumerate(lines):
        other = next(line.replace(old, new, 1) for old, new in ONE_CHANGE if old in line)
        (tmp_path / "log.jsonl").write_text("".join([*lines[:number], other, *lines[number + 1 :]]), encoding="utf-8")
        assert script_on(tmp_path / "log.jsonl", *sound.words())[0] == 1, (number, other)


@pytest.mark.parametrize("line", ["{", "[" * 100_000, '{"table":"x"}', '{"table":"audit_log"}', "1", "\udcff"])
def test_a_file_that_is_no_export_is_cannot_tell(sound, tmp_path, line):
    (tmp_path / "log.jsonl").write_bytes((line + "\n").encode("utf-8", "surrogateescape"))
    assert script_on(tmp_path / "log.jsonl", *sound.words())[0] == 2


NOT_TO_BE_STORED = ('"\\ud800"', "99999999999999999999999")
"""What no database could have exported: the file is not an export."""


@pytest.mark.parametrize("value", ["true", "{}", "[]", "1.5", "null", '"x"', *NOT_TO_BE_STORED])
def test_values_of_types_nobody_expects_are_findings(sound, tmp_path, value):
    lines = list(sound.log.export())
    for column in ("seq", "leaf", "body"):
        start = lines[0].index(f'"{column}":') + len(column) + 3
        end = len(lines[0]) - 2 if column == "body" else lines[0].index(",", start)
        (tmp_path / "log.jsonl").write_text("".join([lines[0][:start] + value + lines[0][end:], *lines[1:]]), encoding="utf-8")
        code = 2 if value in NOT_TO_BE_STORED else 1
        assert script_on(tmp_path / "log.jsonl", *sound.words())[0] == code, (column, value)


def test_nothing_is_green_without_notes_or_without_a_key(sound, tmp_path):
    file, words = sqlite_file(sound.store.engine.url), sound.words()
    assert script_on(file)[0] == 2 and script_on(file, "--key", KEY.key.text())[0] == 2
    at = words.index("--key")
    assert script_on(file, *words[:at], *words[at + 2 :])[0] == 2
    assert script_on(file, *words, "--administrators", "3")[0] == 2
    assert script_on(file, *words[:2], *words[4:], "--administrators", "0")[0] == 0, "one administrator is the fewest"
    assert script_on(file, *words[4:], "--administrators", "0")[0] == 2
    assert script_on(tmp_path / "absent.db", *words)[0] == 2


def test_the_script_remembers_what_it_saw_and_finds_what_is_missing_then(sound, tmp_path):
    sound.state = tmp_path / "mine.json"
    put(sound, *entries(2, start=20))
    assert sound.script()[0] == 0 and sound.script()[0] == 0
    kept = sound.state.read_text()
    sound.cut(14)
    assert sound.script()[0] == 1 and sound.state.read_text() == kept
    sound.state = tmp_path / "another auditor's.json"
    assert sound.script()[0] == 0, "the stated limit: nobody else can tell"


def test_a_witness_writes_down_what_it_saw_one_run_at_a_time(tmp_path):
    """T-44, the race itself: while a run verifies, no other may read or write that memory."""
    with in_turn(tmp_path / "mine.json"), (tmp_path / "mine.json.lock").open() as other, pytest.raises(BlockingIOError):
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    with in_turn(tmp_path / "mine.json"):
        pass


def test_what_a_restore_lost_anchors_nothing_of_what_is_here(sound):
    """Whoever rewrites everything and calls it a restore is not anchored by notes of what he did away with."""
    root = sound.product().root
    for folder in ("worm", "vault"):
        sound.notes(folder)[0].unlink()
    sound.sql("DELETE FROM audit_checkpoint")
    sound.rewrite(lambda bodies: [body | {"actor": "person:x"} for body in bodies[:4]])
    sound.sql("DELETE FROM audit_payload WHERE seq > 3")
    erase(sound, [3])
    data = {"before": ORIGIN, "origin": ORIGIN[:-1] + "2", "lost_size": 14, "lost_root": root}
    put(sound, Entry(action=audit.Action.LOG_RESTORED, actor="person:x", entity="log:" + ORIGIN, data=data))
    assert sound.product().exit_code == sound.script()[0] == 2


def test_a_key_that_hands_over_after_a_restore_leaves_notes_of_what_was_lost_good(sound):
    root = sound.product().root
    sound.cut(9)
    data = {"before": ORIGIN, "origin": ORIGIN[:-1] + "2", "lost_size": 14, "lost_root": root}
    erase(sound, [3])
    put(sound, Entry(action=audit.Action.LOG_RESTORED, actor="person:x", entity="log:" + ORIGIN, data=data))
    rotate(sound)
    sound.notarise()
    assert (sound.product().exit_code, sound.script()[0]) == (0, 0), (sound.product().text(), sound.script())
