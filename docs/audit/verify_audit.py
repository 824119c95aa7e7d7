"""Verifies a credit-review audit log (SQLite file or export) without credit-review: written from docs/audit-log.md, read that first.
Ends with 0 verified, 1 tampered (and the first finding), 2 cannot tell. How to run it, and what it cannot show: docs/audit/README.md."""
import argparse, base64, functools, hashlib, json, re, sqlite3, sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

OPTIONS = {"notes": [], "key": [], "witness": [], "origin": "", "administrators": 2, "state": "", "oldest-minutes": 30, "now": ""}
TABLES = {"audit_log": "seq prev leaf action actor entity ts body", "audit_payload": "seq salt payload", "audit_checkpoint": "size note",
          "audit_head": "id size leaf ts frontier", "start": "size leaf ts frontier"}
ROWS = "SELECT seq,leaf,body,p.seq,salt,payload,prev,action,actor,entity,ts FROM audit_log LEFT JOIN audit_payload p USING (seq) ORDER BY 1"
HEX, EVER, NOTHING = "[0-9a-f]{64}", 2**53, (0, "0" * 64, "1970-01-01T00:00:00.000000Z", "[]")
FORMS = {"prev": HEX, "action": "[a-z]+[.][a-z_]+", "actor": ".{1,128}", "entity": ".{1,160}", "ts": "[0-9-]{10}T[0-9:]{8}[.][0-9]{6}Z"}
CHECKPOINT = r"([^\s+]{1,200}/[1-9][0-9]{0,3})\n([1-9][0-9]{0,15})\n([A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=)\n"  # origin, size, root
DECODE = json.JSONDecoder(parse_float=int, parse_constant=int).decode  # int() refuses 1.5, 1e3 and NaN
ENCODE = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode
def check(holds, finding):
    if not holds:
        raise ValueError(finding)
def sha(data): return hashlib.sha256(data).digest()
def root_of(frontier):
    return functools.reduce(lambda right, left: sha(b"\1" + left + right), frontier[::-1]) if frontier else sha(b"")
def narrow(value, level=1):  # at most 32 levels, keys in ASCII, whole numbers below 2^53
    if type(value) is dict:
        return level <= 32 and all(key.isascii() and narrow(part, level + 1) for key, part in value.items())
    return abs(value) < EVER if type(value) is int else type(value) is not list or level <= 32 and all(narrow(v, level + 1) for v in value)
def read_key(text, kind=1):  # (name, hash, public key, kind) of a verification key: kind 1 a log's, 4 a witness's
    name, hashed, coded = text.split("+", 2)
    raw = base64.b64decode(coded, validate=True)
    check(len(raw) == 33 and raw[0] == kind and sha(name.encode() + b"\n" + raw)[:4].hex() == hashed, f"{text} is no verification key")
    return name, bytes.fromhex(hashed), raw[1:], kind
def opened(note, form, keys):  # fields of a signed note, and which of the keys signed; a line of theirs that does not verify is a forgery
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey  # where it is missing, the end is "cannot tell"
    found, signers = re.fullmatch(f"({form})\n((?:— [^\\s+]+ [A-Za-z0-9+/=]+\n)+)", note), set()
    check(found, "is no signed note of the right form")
    text, *fields, lines = found.groups()
    for _, name, coded in (line.split(" ") for line in lines[:-1].split("\n")):
        blob = base64.b64decode(coded, validate=True)
        for key in (key for key in keys if key[:2] == (name, blob[:4])):
            signed = f"cosignature/v1\ntime {int.from_bytes(blob[4:12], 'big')}\n{text}" if key[3] == 4 else text
            Ed25519PublicKey.from_public_bytes(key[2]).verify(blob[12 if key[3] == 4 else 4:], signed.encode())
            signers.add(key)
    return fields, signers

def read_entry(log, seq, leaf, body, stored, salt, payload, *columns):  # the numbers are those of "What a verifier checks"
    check(type(seq) is int and seq == log.size, f"missing, or there twice: the next row has the number {seq!r:.40}")  # 1
    check(type(body) is str and leaf == sha(b"\0" + body.encode("utf-8", "surrogateescape")).hex(), "leaf is not the hash of body")  # 2
    entry = DECODE(body)  # 3
    check(narrow(entry) and ENCODE(entry) == body and body.encode(), "body is not canonical")
    check(entry.keys() - {"pay"} == {"v", "seq", "data", *FORMS} and type(entry["data"]) is dict, "body has not the keys it must have")
    check(all(re.fullmatch(form, entry[key]) and entry[key].isprintable() for key, form in FORMS.items()), "a value has not its form")
    check(re.fullmatch(HEX, entry.get("pay", leaf)) and repr([entry["v"], entry["seq"]]) == repr([1, seq]), "v, seq or pay is wrong")
    check(entry["prev"] == log.leaf, "prev is not the leaf of the entry before")  # 4
    check(list(columns) == [entry[key] for key in FORMS], "a column differs from body")  # 5
    check(datetime.fromisoformat(entry["ts"][:26]) and entry["ts"] >= log.ts, "ts is before that of the entry before")  # 6
    if "pay" in entry and salt is payload is None:  # 7
        log.gone.add(seq)
    elif "pay" in entry or stored is not None:
        check(re.fullmatch(HEX, salt) and sha(bytes.fromhex(salt) + payload.encode()).hex() == entry.get("pay"), "payload is another one")
    if seq in log.roots:
        log.roots[seq], log.after[seq] = root_of(log.frontier), entry["ts"]
    act(log, entry["action"], entry["data"])
    log.leaf, log.ts, log.size, node, left = leaf, entry["ts"], seq + 1, bytes.fromhex(leaf), seq
    while left & 1:
        node, left = sha(b"\1" + log.frontier.pop() + node), left >> 1
    log.frontier.append(node)
def act(log, action, data):  # what an entry says about the log itself
    if action == "payload.erased":
        check(type(data["seqs"]) is list and all(type(s) is int and 0 <= s < log.size for s in data["seqs"]), "seqs are no earlier entries")
        log.erased.update(s for s in data["seqs"] if s >= log.first)
    elif action == "key.rotated" and log.keys:
        old, new, size = read_key(data["old"]), read_key(data["new"]), log.size + 1
        both = opened(data["note"], "(.+)\nkey rotation\n(.+)\n(.+)\n", [old, new]) == ([log.origin, data["old"], data["new"]], {old, new})
        check(both and any(key == old and low <= size <= high for key, low, high in log.keys), "not handed over by a key in force")
        log.keys = [(key, low, size if key == old else high) for key, low, high in log.keys] + [(new, size, EVER)]
    elif action == "log.restored" and log.keys:
        onward = [log.origin, re.sub("[0-9]+$", lambda number: str(int(number[0]) + 1), log.origin)] == [data["before"], data["origin"]]
        check(onward and type(data["lost_size"]) is int and re.fullmatch(HEX, data["lost_root"]), "does not go on from the present origin")
        log.eras.update({log.origin: (log.size, data["lost_size"], data["lost_root"]), data["origin"]: (EVER, 0, "")})
        log.origin = data["origin"]
def agrees(log, origin, size, root, by=None):  # the size of a statement that holds, 0 when it is about entries that are not here
    if log.first and (size < log.first or origin not in log.eras):
        return 0  # a part says nothing about what came before it
    check(origin in log.eras, f"is about another log, {origin}")
    end, lost_size, lost_root = log.eras[origin]  # what is above end was lost, and the restore must say so
    check(by is None or any(key in by and (size > end or low <= size <= high) for key, low, high in log.keys), "no key in force signed it")
    check(size <= end or size < lost_size or (size, root) == (lost_size, lost_root), f"the restore at entry {end} is silent about it")
    check(size > end or size <= log.size and root == log.roots[size].hex(), f"is over {size} entries, not those here: cut or rewritten")
    return size if size <= end else 0

def database(path):  # the file, read-only, in one snapshot; an export is first laid out as temporary tables on disk
    exported = path.open("rb").read(15) != b"SQLite format 3"
    db = sqlite3.connect("" if exported else f"{path.resolve().as_uri()}?mode=ro", uri=True, isolation_level=None)
    db.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
    made = (f"CREATE TEMP TABLE {name} ({TABLES[name].replace(' ', ',')});" for name in (TABLES if exported else ["start"]))
    db.executescript("".join(made) + "BEGIN")
    for row in map(json.loads, path.open(encoding="utf-8", errors="surrogateescape", newline="\n") if exported else ()):
        values = [row[column] if type(row[column]) in (str, int, type(None)) else b"?" for column in TABLES[row["table"]].split()]
        db.execute(f"INSERT INTO {row['table']} VALUES ({','.join('?' * len(values))})", values)
    return db

def verify(given, log):  # exit code, and what there is to say
    keys, witnesses = [read_key(text) for text in given.key], [read_key(text, 4) for text in given.witness]
    db, log.origin = database(given.log), given.origin or (keys[0][0] if keys else "")
    notes = [(f"{file} of {who}", who, file.read_bytes().decode("utf-8", "replace"))
             for who, folder in (pair.split("=", 1) for pair in given.notes) for file in sorted(Path(folder).rglob("*.checkpoint"))]
    notes += [("a note in audit_checkpoint", "", note) for note, in db.execute("SELECT note FROM audit_checkpoint")]
    memory = json.loads(Path(given.state).read_text()) if given.state and Path(given.state).exists() else []
    log.roots = dict.fromkeys([int(found[2]) for _, _, note in notes if (found := re.match(CHECKPOINT, str(note)))] + memory[1:2])
    (log.size, log.leaf, log.ts, frontier), = db.execute("SELECT * FROM start").fetchall() or [NOTHING]
    log.first, log.frontier = log.size, [bytes.fromhex(node) for node in json.loads(frontier)]
    log.gone, log.erased, log.after, log.keys, log.eras = set(), set(), {}, [(key, 1, EVER) for key in keys], {log.origin: (EVER, 0, "")}
    for row in db.execute(ROWS):
        log.where = f"entry {log.size}"
        read_entry(log, *row)
    wrong = (log.gone ^ log.erased).union(seq for seq, in db.execute("SELECT seq FROM audit_payload EXCEPT SELECT seq FROM audit_log"))  # 8
    log.where = f"entry {next(iter(wrong), None)}"
    check(not wrong, "its payload is gone and no entry says so, or there although one says so, or there without the entry")
    log.where, root, nodes = "audit_head", root_of(log.frontier), ENCODE([node.hex() for node in log.frontier])  # 9
    head = db.execute("SELECT id, size, leaf, ts, frontier FROM audit_head").fetchmany(2)
    check(repr(head) == repr([(1, log.size, log.leaf, log.ts, nodes)]), f"is not what the {log.size} entries give")
    log.roots[log.size], held, needed = root, {}, max(given.administrators, 1)
    for log.where, who, note in notes if keys else []:
        (origin, size, text), signers = opened(note, CHECKPOINT, [key for key, _, _ in log.keys] + witnesses)
        size = agrees(log, origin, int(size), base64.b64decode(text).hex(), signers)
        held[who] = max(held.get(who, 0), size if who and (not witnesses or signers.intersection(witnesses)) else 0)
    log.where = "the state of the last run"
    if memory:
        agrees(log, *memory)
    if given.state:
        Path(given.state).write_text(json.dumps([log.origin, log.size, root.hex()]))
    reached = (sorted(held.values(), reverse=True) + [0] * needed)[needed - 1]
    oldest = datetime.fromisoformat((given.now or datetime.now(timezone.utc).isoformat())[:19]) - timedelta(minutes=given.oldest_minutes)
    good = reached and log.after.get(reached, "9") > oldest.isoformat()
    return 0 if good else 2, f"{log.size} entries, root {root.hex()}, of which {needed} administrators hold the first {reached}"
def main(arguments=None):
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("log", type=Path)
    for name, default in OPTIONS.items():
        ask.add_argument(f"--{name}", default=default, type=type(default or ""), action="append" if default == [] else "store")
    given, log = ask.parse_args(arguments), argparse.Namespace(where="")
    try:
        code, said = verify(given, log)
    except Exception as odd:  # whatever goes wrong in an entry or a note is a finding about it, be it a type that nobody expects
        found = log.where and not isinstance(odd, (OSError, sqlite3.Error, MemoryError, ImportError)) or type(odd) is sqlite3.DatabaseError
        code, said = 1 if found else 2, f"{log.where or given.log}: {str(odd) or repr(odd)}"  # a DatabaseError is a damaged file
    print(("verified", "tampered", "cannot tell")[code], said, sep=": ")
    return code

if __name__ == "__main__":
    sys.exit(main())
