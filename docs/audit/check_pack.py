"""Checks an evidence pack of credit-review without it (docs/audit/evidence.md). Ends with 0 whole, 1 changed, 2 cannot tell.
    python3 -I check_pack.py FOLDER --key 'KEY OF WHOEVER MADE IT' --log-key 'KEY OF THE LOG'   (from outside; repeat it after a rotation)
"""
import argparse, base64, csv, hashlib, json, re, sys
from pathlib import Path
NOTE = re.compile("((?:[^\n]+\n)+)\n((?:— [^\\s+]+ [A-Za-z0-9+/=]+\n)+)")
def check(holds, finding):
    if not holds:
        raise ValueError(finding)
def sha(data):
    return hashlib.sha256(data).digest()
def read_key(text):
    name, hashed, coded = text.strip().split("+", 2)
    raw = base64.b64decode(coded, validate=True)
    check(len(raw) == 33 and raw[0] == 1 and sha(name.encode() + b"\n" + raw)[:4].hex() == hashed, f"{text} is no verification key")
    return name, raw[1:], bytes.fromhex(hashed)
def signed_text(note, keys):  # the text of a note that one of these keys signed
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    found, good = NOTE.fullmatch(note), False
    check(found, "is no signed note")
    for _, name, coded in (line.split(" ") for line in found[2][:-1].split("\n")):
        blob = base64.b64decode(coded, validate=True)
        for _, public, _ in (key for key in keys if (key[0], key[2]) == (name, blob[:4])):
            Ed25519PublicKey.from_public_bytes(public).verify(blob[4:], found[1].encode())
            good = True
    check(good, "is not signed by the key given")
    return found[1]
def proved(proof, body, keys):  # RFC 9162, 2.1.3.2
    head, _, note = proof.partition("\n\n")
    label, index, *path = head.split("\n")
    _, size, root = signed_text(note, keys).rstrip("\n").split("\n")
    at, last, node = int(index.removeprefix("index ")), int(size) - 1, sha(b"\0" + body)
    check(label == "c2sp.org/tlog-proof@v1" and 0 <= at <= last and json.loads(body)["seq"] == at, "is a proof of another entry")
    for other in map(base64.b64decode, path):
        check(last, "is too long")
        if at & 1 or at == last:
            node = sha(b"\1" + other + node)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            node = sha(b"\1" + node + other)
        at, last = at >> 1, last >> 1
    check(last == 0 and node == base64.b64decode(root), "does not lead to the root that was signed")
def verify(folder, key, log_keys, where):
    where[0] = "manifest.note"
    stated = signed_text((folder / "manifest.note").read_bytes().decode(), [key])
    text = (folder / "manifest.json").read_bytes()
    check(stated == f"credit-review-evidence/1\n{sha(text).hex()}\n", "is about another manifest.json")
    facts = json.loads(text)
    check(not any(path.is_symlink() for path in folder.rglob("*")), "lies beside a link: files are looked for in the folder alone")
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}
    for where[0], digest in facts["files"].items():
        check(where[0] in there, "is missing")
        check(sha((folder / where[0]).read_bytes()).hex() == digest, "is not what was signed")
    where[0] = ", ".join(sorted(there - set(facts["files"]) - {"manifest.json", "manifest.note"}))
    check(not where[0], "is not in the list that was signed")
    proofs = sorted(folder.rglob("*.tlog-proof"))
    for proof in proofs if log_keys else ():
        where[0] = str(proof)
        proved(proof.read_bytes().decode(), (proof.parent.parent / "entries" / f"{proof.stem}.json").read_bytes(), log_keys)
    where[0] = "E01-population.csv"
    if (folder / "log.jsonl").exists() and (folder / where[0]).exists():  # the population is the log's own
        rows = list(csv.DictReader((folder / where[0]).open(encoding="utf-8", newline="")))
        entries = (row for row in map(json.loads, (folder / "log.jsonl").open(encoding="utf-8")) if row["table"] == "audit_log")
        applied = {str(row["seq"]): row["leaf"] for row in entries if row["action"] in ("limit.applied", "limit.override")
                   and facts["start"] <= row["ts"] < facts["end"] and row["seq"] < facts["entries"]}
        check({row["entry"]: row["leaf"] for row in rows} == applied and len(rows) == len(applied), "is not what log.jsonl says")
    held = "hold" if log_keys or not proofs else "were not checked, for want of --log-key"
    return 0 if held == "hold" else 2, f"{len(facts['files'])} files; {len(proofs)} proofs {held}"
ask = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
ask.add_argument("folder", type=Path)
ask.add_argument("--key", required=True)
ask.add_argument("--log-key", action="append", default=[])
given, where = ask.parse_args(), ["the keys"]
try:
    code, told = verify(given.folder, read_key(given.key), [read_key(one) for one in given.log_key], where)
except Exception as odd:  # whatever goes wrong in a file is a finding about it
    code, told = 2 if isinstance(odd, (OSError, ImportError)) or where[0] == "the keys" else 1, f"{where[0]}: {str(odd) or repr(odd)}"
print(("whole", "changed", "cannot tell")[code], told, sep=": ")
sys.exit(code)
