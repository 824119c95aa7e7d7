"""The kinds of tampering that verifiers must find, T-1 to T-44, as things done to a real log by somebody who may do anything.

T-42 and T-43 change business tables and leave the log as it is: `audit verify --business` finds them, tests/cli holds those cases.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import importlib.util
import io
import json
import random
import shutil
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from sqlalchemy import text

from credit_review import audit
from credit_review.adapters.store.engine import WRITE_BUDGET, sqlite_file
from credit_review.audit.notes import WITNESS_KEY, Checkpoint, SigningKey, sign
from credit_review.ports import Entry
from tests.audit.notary_world import KEY, NEXT_KEY, ORIGIN, World, directory
from tests.store.meddling import as_administrator

SCRIPT = Path(__file__).parents[2] / "docs" / "audit" / "verify_audit.py"
COLUMNS = ("seq", "prev", "leaf", "action", "actor", "entity", "ts", "body")
THIEF = SigningKey.from_seed(ORIGIN, b"\7" * 32)
WITNESS = SigningKey.from_seed("audit.company.example/w1", bytes(range(1, 33)), kind=WITNESS_KEY)


def _loaded():
    spec = importlib.util.spec_from_file_location("verify_audit", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


VERIFIER = _loaded()


def script_on(log, *words):
    """Exit code and line of docs/audit/verify_audit.py; run in this process, as a command once in test_verifiers.py."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        code = VERIFIER.main([str(log), *words])
    return code, out.getvalue()


class TamperedWorld(World):
    """A world whose anchors are two folders, with both verifiers, and means to do anything to its database."""

    known = ()
    state = None

    def words(self):
        words = [word for anchor in self.anchors for word in ("--notes", f"{anchor.administrator}={self.folder / anchor.name}")]
        words += [word for key in self.trust.keys for word in ("--key", key.text())]
        words += [word for key in self.trust.witnesses for word in ("--witness", key.text())]
        words += ["--now", audit.timestamp(self.clock.now()), "--administrators", str(self.trust.domains)]
        return words + (["--state", str(self.state)] if self.state else [])

    def product(self):
        return self.verdict(known=self.known)

    def script(self):
        return script_on(sqlite_file(self.store.engine.url), *self.words())

    def sql(self, *statements, **values):
        with as_administrator(self.store, "audit_%") as connection:
            for statement in statements:
                connection.execute(text(statement), values)

    def rows(self):
        with self.store.engine.connect() as connection:
            return [dict(row._mapping) for row in connection.execute(text(f"SELECT {', '.join(COLUMNS)} FROM audit_log ORDER BY seq"))]

    def notes(self, name):
        return sorted((self.folder / name).glob("*.checkpoint"))

    def keep(self, name, note, *keys, size=None):
        """Put a note of this size and hex root into a folder, over whatever stands there, signed by keys."""
        path = self.folder / name / f"{Checkpoint(ORIGIN, size, note).name}.checkpoint"
        path.unlink(missing_ok=True)
        path.write_text(sign(Checkpoint(ORIGIN, size, note).text(), *keys), encoding="utf-8")

    def rewrite(self, change, *, head=True):
        """The log written again from `change` of its bodies, every number, link, hash and column recomputed; with its head or without."""
        bodies = change([json.loads(row["body"]) for row in self.rows()])
        frontier, prev, ts, stored = audit.Frontier(), audit.GENESIS_PREV, audit.GENESIS_TS, []
        for seq, body in enumerate(bodies):
            body |= {"seq": seq, "prev": prev}
            written = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
            prev, ts = hashlib.sha256(b"\0" + written.encode()).hexdigest(), body["ts"]
            frontier.append(prev)
            stored.append({name: body[name] for name in COLUMNS if name in body} | {"leaf": prev, "body": written})
        with as_administrator(self.store, "audit_%") as connection:
            connection.execute(text("DELETE FROM audit_log"))
            if stored:
                connection.execute(text(f"INSERT INTO audit_log ({', '.join(COLUMNS)}) VALUES (:{', :'.join(COLUMNS)})"), stored)
            if head:
                connection.execute(
                    text("UPDATE audit_head SET size = :size, leaf = :leaf, ts = :ts, frontier = :frontier"),
                    {"size": len(stored), "leaf": prev, "ts": ts, "frontier": frontier.to_json()},
                )
        return frontier.root()

    def cut(self, size):
        """The state of the database after its first `size` entries, as a backup of then holds it."""
        self.sql(f"DELETE FROM audit_payload WHERE seq >= {size}", f"DELETE FROM audit_checkpoint WHERE size > {size}")
        return self.rewrite(lambda bodies: bodies[:size])


def entries(count, start=0):
    return [
        Entry(
            action=audit.Action.PROPOSAL_CREATED,
            actor="system:test",
            entity=f"proposal:p-{number}",
            data={"to_minor": number, "digest": "ab" * 32},
            payload={"name": f"Kunde {number} 信"} if number % 3 == 0 else None,
        )
        for number in range(start, start + count)
    ]


def put(world, *some):
    with world.store.begin() as uow:
        uow.append(*some)
        uow.commit()


def erase(world, seqs):
    put(world, Entry(action=audit.Action.PAYLOAD_ERASED, actor="person:dpo", entity="log:" + ORIGIN, data={"seqs": seqs, "basis": "a"}))
    with world.store.engine.connect().execution_options(**{WRITE_BUDGET: 5}) as connection:
        connection.execute(text(f"UPDATE audit_payload SET salt = NULL, payload = NULL WHERE seq IN ({', '.join(map(str, seqs))})"))
        connection.commit()


def sound_world(store, clock, folder):
    """Fourteen entries one second apart, payloads of 0, 3 (erased), 6 and 9, notes of 7 and of all in two administrators' folders."""
    world = TamperedWorld(store, clock, folder, [directory(folder, "worm", "storage team"), directory(folder, "vault", "internal audit")])
    for number, one in enumerate(entries(12)):
        put(world, one)
        clock.advance(timedelta(seconds=1))
        if number == 6:
            world.notarise()
    erase(world, [3])
    put(world, *entries(1, start=13))
    world.notarise()
    return world


# --- what is done -------------------------------------------------------------------------------------------------------------------


def edit(seq, **fields):
    def change(bodies):
        bodies[seq] |= fields
        return bodies

    return change


def forged_entry(world, seq, write):
    """One body written otherwise, its leaf recomputed, nothing else."""
    body = write(world.rows()[seq]["body"])
    leaf = hashlib.sha256(b"\0" + body.encode()).hexdigest()
    world.sql("UPDATE audit_log SET body = :body, leaf = :leaf WHERE seq = :seq", body=body, leaf=leaf, seq=seq)


def last_rewritten(world):
    world.rewrite(edit(13, actor="person:x"))


def one_inserted(world):
    extra = world.rows()[5] | {"prev": "ef" * 32, "leaf": "cd" * 32}
    world.sql("UPDATE audit_log SET seq = seq + 100 WHERE seq > 5", "UPDATE audit_log SET seq = seq - 99 WHERE seq > 100")
    world.sql(f"INSERT INTO audit_log ({', '.join(COLUMNS)}) VALUES (:{', :'.join(COLUMNS)})", **extra | {"seq": 6})


def swapped(world):
    world.sql(*(f"UPDATE audit_log SET seq = {after} WHERE seq = {before}" for before, after in ((4, 99), (5, 4), (99, 5))))


def old_backup_goes_on(world):
    world.cut(9)
    put(world, *entries(9, start=40))


def stolen_key(world):
    """The thief of the true key signs a false history; who must have cosigned did not."""
    world.with_trust(witnesses=(WITNESS.key,))
    for folder in ("worm", "vault"):
        for path in world.notes(folder):
            path.write_text(path.read_text() + WITNESS.line(path.read_text().partition("\n\n")[0] + "\n", unix_seconds=1), encoding="utf-8")
    root = world.rewrite(edit(8, data={"to_minor": 9}))
    world.keep("worm", root, KEY, size=14)
    world.sql("DELETE FROM audit_checkpoint")


def key_swapped(world):
    root = world.rewrite(edit(0, actor="person:x"))
    world.sql("DELETE FROM audit_checkpoint")
    for folder in ("worm", "vault"):
        shutil.rmtree(world.folder / folder)
        (world.folder / folder).mkdir()
        world.keep(folder, root, THIEF, size=14)


def tail_after_the_newest_anchor_cut(world):
    """A stated limit, but for whoever wrote down what he saw."""
    put(world, *entries(2, start=20))
    found = world.product().found
    world.known, world.state = [(found.size, found.root)], world.folder / "state.json"
    world.state.write_text(json.dumps([ORIGIN, found.size, found.root]))
    world.cut(14)


def replaced(world):
    """As INSERT OR REPLACE of the next number with an earlier row's leaf would: that row is gone, another stands at the end."""
    old = world.rows()[5]
    world.sql("DELETE FROM audit_log WHERE seq = 5")
    world.sql(f"INSERT INTO audit_log ({', '.join(COLUMNS)}) VALUES (:{', :'.join(COLUMNS)})", **old | {"seq": 14})


def trigger_disabled(world):
    if world.store.engine.dialect.name == "postgresql":
        change = "UPDATE audit_log SET actor = 'person:x' WHERE seq = 5"
        world.sql("ALTER TABLE audit_log DISABLE TRIGGER ALL", change, "ALTER TABLE audit_log ENABLE TRIGGER ALL")
    else:
        world.sql("UPDATE audit_log SET actor = 'person:x' WHERE seq = 5")


def page_edited(world):
    file = sqlite_file(world.store.engine.url)
    world.sql()
    with contextlib.closing(world.store.engine.raw_connection()) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    world.store.engine.dispose()
    raw = file.read_bytes()
    assert raw.count(b'"to_minor":7}') == 1
    file.write_bytes(raw.replace(b'"to_minor":7}', b'"to_minor":8}'))


def second_log(world):
    """The key signed another history as well, and showed it to another administrator."""
    world.notes("vault")[0].unlink()
    world.keep("vault", "ab" * 32, KEY, size=7)


def old_note_replayed(world):
    for folder in ("worm", "vault"):
        world.notes(folder)[-1].unlink()
    world.clock.advance(timedelta(hours=1))


def rotation_forged(world):
    """By an entry that the new key alone signed."""
    note = sign(f"{ORIGIN}\nkey rotation\n{KEY.key.text()}\n{NEXT_KEY.key.text()}\n", NEXT_KEY)
    data = {"old": KEY.key.text(), "new": NEXT_KEY.key.text(), "note": note}
    put(world, Entry(action=audit.Action.KEY_ROTATED, actor="person:x", entity="log:" + ORIGIN, data=data))


def witness_rolled_back(world):
    """Raced into cosigning a history that another cosignature contradicts."""
    world.with_trust(witnesses=(WITNESS.key,))
    raw = base64.b64encode(bytes.fromhex("ab" * 32)).decode()
    other = f"{ORIGIN}\n9\n{raw}\n"
    (world.folder / "worm" / "0001-0000000000000009.checkpoint").write_text(sign(other, KEY) + WITNESS.line(other, unix_seconds=2), "utf-8")


def said_in_sql(statement):
    return lambda world: world.sql(statement)


NESTED = "[" * 100_000 + "]" * 100_000
KINDS = {
    "T-1 actor": said_in_sql("UPDATE audit_log SET actor = 'person:x' WHERE seq = 5"),
    "T-2 action": said_in_sql("UPDATE audit_log SET action = 'limit.applied' WHERE seq = 5"),
    "T-3 entity": said_in_sql("UPDATE audit_log SET entity = 'proposal:other' WHERE seq = 5"),
    "T-4 time": said_in_sql("UPDATE audit_log SET ts = '2026-10-01T11:00:00.000000Z' WHERE seq = 5"),
    "T-5 data in the body": said_in_sql("UPDATE audit_log SET body = replace(body, 'to_minor\"\\:5', 'to_minor\"\\:6') WHERE seq = 5"),
    "T-6 an entry and its leaf": lambda world: forged_entry(world, 5, lambda body: body.replace('"to_minor":5', '"to_minor":6')),
    "T-7 the last entry, its leaf and the head": last_rewritten,
    "T-8 deleted in the middle": said_in_sql("DELETE FROM audit_log WHERE seq = 5"),
    "T-9 the first deleted": said_in_sql("DELETE FROM audit_log WHERE seq = 0"),
    "T-10 the chain recomputed from an entry": lambda world: world.rewrite(edit(5, data={"to_minor": 6})),
    "T-11 the tail cut": lambda world: world.cut(11),
    "T-12 an entry left out and the rest numbered anew": lambda world: world.rewrite(lambda bodies: bodies[:4] + bodies[5:]),
    "T-13 an old backup in silence": lambda world: world.cut(9),
    "T-14 an old backup that goes on": old_backup_goes_on,
    "T-15 dated back, all recomputed": lambda world: world.rewrite(edit(8, ts="2026-10-01T11:00:00.000000Z")),
    "T-16 size of the head": said_in_sql("UPDATE audit_head SET size = 11"),
    "T-17 leaf of the head": said_in_sql(f"UPDATE audit_head SET leaf = '{'cd' * 32}'"),
    "T-18 frontier of the head": said_in_sql("UPDATE audit_head SET frontier = '[]'"),
    "T-19 time of the head": said_in_sql("UPDATE audit_head SET ts = '2020-01-01T00:00:00.000000Z'"),
    "T-20 the head gone": said_in_sql("DELETE FROM audit_head"),
    "T-21 one inserted": one_inserted,
    "T-22 two swapped": swapped,
    "T-23 a checkpoint forged": lambda world: world.keep("worm", "ab" * 32, THIEF, size=9),
    "T-24 the copy of a checkpoint": said_in_sql("UPDATE audit_checkpoint SET note = replace(note, '14', '13') WHERE size = 14"),
    "T-25 the true key stolen": stolen_key,
    "T-26 the key and all notes swapped": key_swapped,
    "T-27 prev": said_in_sql(f"UPDATE audit_log SET prev = '{'cd' * 32}' WHERE seq = 5"),
    "T-28 leaf": said_in_sql(f"UPDATE audit_log SET leaf = '{'cd' * 32}' WHERE seq = 5"),
    "T-29 a key twice in the body": lambda world: forged_entry(
        world, 5, lambda body: body.replace('{"action"', '{"action":"a.b","action"')
    ),
    "T-30 the tail after the newest note": tail_after_the_newest_anchor_cut,
    "T-31 payload": said_in_sql('UPDATE audit_payload SET payload = \'{"name":"Other"}\' WHERE seq = 6'),
    "T-32 payload erased without an entry": said_in_sql("UPDATE audit_payload SET salt = NULL, payload = NULL WHERE seq = 6"),
    "T-33 spaces in the body": lambda world: forged_entry(world, 5, lambda body: body.replace(",", ", ")),
    "T-34 nested 100,000 deep": lambda world: forged_entry(world, 5, lambda _: NESTED),
    "T-35 replaced": replaced,
    "T-36 the trigger dropped and made again": said_in_sql("UPDATE audit_log SET actor = 'person:x', body = '' WHERE seq = 7"),
    "T-37 the trigger disabled": trigger_disabled,
    "T-38 a page of the file": page_edited,
    "T-39 two logs of one name": second_log,
    "T-40 an old note as the newest": old_note_replayed,
    "T-41 a rotation forged": rotation_forged,
    "T-44 the witness rolled back": witness_rolled_back,
    "a salt": said_in_sql(f"UPDATE audit_payload SET salt = '{'00' * 32}' WHERE seq = 6"),
    "the row of a payload": said_in_sql("DELETE FROM audit_payload WHERE seq = 9"),
    "a payload of an entry that has none": said_in_sql(f"INSERT INTO audit_payload VALUES (4, '{'00' * 32}', '{{}}')"),
    "an empty payload of an entry that has none": said_in_sql("INSERT INTO audit_payload VALUES (4, NULL, NULL)"),
    "a payload of no entry": said_in_sql(f"INSERT INTO audit_payload VALUES (400, '{'00' * 32}', '{{}}')"),
    "an erased payload brought back": said_in_sql(f"UPDATE audit_payload SET salt = '{'00' * 32}', payload = '{{}}' WHERE seq = 3"),
    "numbers moved": said_in_sql("UPDATE audit_log SET seq = seq + 100 WHERE seq > 5"),
    "a name that cannot be printed, all recomputed": lambda world: world.rewrite(edit(8, actor="person:\u200bx")),
}
"""What is done to a sound world, by name; product and script must both find it."""
NAMED = {kind: 5 for kind in KINDS if kind.startswith(tuple(f"T-{number} " for number in (1, 2, 3, 4, 5, 8, 27, 28, 29, 33, 34, 35)))} | {
    "T-6 an entry and its leaf": 6,
    "T-9 the first deleted": 0,
    "T-15 dated back, all recomputed": 8,
    "T-22 two swapped": 4,
    "T-31 payload": 6,
    "T-32 payload erased without an entry": 6,
    "T-36 the trigger dropped and made again": 7,
    "T-37 the trigger disabled": 5,
    "T-38 a page of the file": 7,
    "a salt": 6,
    "the row of a payload": 9,
    "a payload of an entry that has none": 4,
    "an empty payload of an entry that has none": 4,
    "numbers moved": 6,
}
"""The entry that both verifiers name, where there is one to name."""
SQLITE_ONLY = frozenset({"T-38 a page of the file"})
CANNOT_TELL = frozenset({"T-40 an old note as the newest"})
"""Kinds that leave a sound log: what they bring about is that nobody can tell."""


@dataclass(frozen=True)
class Mutation:
    """One value of one row of the log's tables, and another one in its place."""

    table: str
    column: str
    key: int
    old: object
    new: object

    @classmethod
    def random(cls, world, rng: random.Random):
        """A changed character, number or missing value anywhere in the log, its payloads, its head or the copies of its notes."""
        rows: list = []
        while not rows:
            table, key, columns = rng.choice(TABLES)
            with world.store.engine.connect() as connection:
                rows = connection.execute(text(f"SELECT {key}, {', '.join(columns)} FROM {table}")).all()
            rows = [row for row in rows if None not in row]
        row = rng.choice(rows)
        column = rng.randrange(len(columns))
        old = row[column + 1]
        return cls(table, columns[column], row[0], old, changed(old, rng))

    def put(self, world, value, key=None):
        name = {"audit_head": "id", "audit_checkpoint": "size"}.get(self.table, "seq")
        world.sql(f"UPDATE {self.table} SET {self.column} = :value WHERE {name} = :key", value=value, key=self.key if key is None else key)

    def done(self, world):
        self.put(world, self.new)

    def undone(self, world):
        self.put(world, self.old, key=self.new if self.column == "seq" else None)


TABLES = [("audit_log", "seq", COLUMNS)] * 4 + [
    ("audit_payload", "seq", ("seq", "salt", "payload")),
    ("audit_head", "id", ("size", "leaf", "ts", "frontier")),
    ("audit_checkpoint", "size", ("note",)),
]


def changed(old, rng):
    if isinstance(old, int):
        return old + rng.choice([-1000, 1000, 7777])
    at = rng.randrange(len(old))
    kind = rng.randrange(4)
    if kind == 0 and len(old) > 1:
        return old[:at] + old[at + 1 :]
    if kind == 1:
        return old[:at] + old[at] + old[at:]
    other = chr(ord(old[at]) ^ (1 << rng.randrange(7))) if old[at].isascii() else "x"
    return old[:at] + ("x" if other == "\0" and old[at] != "x" else other if other != "\0" else "y") + old[at + 1 :]
