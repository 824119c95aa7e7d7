"""`audit …`: what the notary, internal audit and whoever keeps the log do."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from credit_review.adapters.store.verify import verify_log
from credit_review.adapters.wiring import Services, open_outside, run_notary
from credit_review.audit.business import Difference
from credit_review.errors import BadInput, Refused, Tampered
from credit_review.model.records import AuditRow, Person, Proposal
from credit_review.ports import UnitOfWork
from credit_review.review.signing import Office, require_office
from credit_review.words import Said, said
from deployments.cli.frame import services, show_json, show_table, tell
from deployments.cli.governing import me, signing_as

MOST_DIFFERENCES = 100
"""Differences between log and tables that are listed; the rest is counted."""


def verify(config: Path, *, business: bool = False, as_json: bool) -> int:
    """Print the verifier's answer; returns the exit code."""
    opened = services(config)
    verdict = verify_log(opened.store.engine, open_outside(opened.settings, opened.clock))
    found = _compared(opened) if business and verdict.consistent else []
    if as_json:
        newest = dict(verdict.anchoring.newest) if verdict.anchoring else {}
        show_json(
            {"status": verdict.status, "finding": verdict.finding, "entries": verdict.size, "root": verdict.root, "seq": verdict.seq}
            | {"anchors": newest, "unreachable": list(verdict.unreachable)}
            | ({"differences": [{"what": one.what, "seq": one.seq} for one in found]} if business else {})
        )
    else:
        tell(verdict.text())
        if business and verdict.consistent:
            _tell_differences(found)
    return 1 if found else verdict.exit_code


def _compared(opened: Services) -> list[Difference]:
    from credit_review.adapters.store.business import compare_with_tables

    return compare_with_tables(opened.store.engine)


def _tell_differences(found: list[Difference]) -> None:
    for one in found[:MOST_DIFFERENCES]:
        tell(said("entry {seq}: {what}", seq="-" if one.seq is None else str(one.seq), what=one.what))
    if found:
        tell(said("{count} differences between log and tables", count=len(found)))
    else:
        tell(said("log and tables agree: limits, changes, decisions and states follow from the entries"))


def checkpoint(config: Path, *, as_json: bool) -> int:
    """Run the notary once; returns 0, or 2 while an anchor is late."""
    done = run_notary(services(config))
    if as_json:
        show_json(done)
    else:
        tell(said("checkpoint of {size} entries, kept by {anchors} anchors", size=done.size, anchors=len(done.confirmed)))
        for name, size in sorted(done.confirmed.items()):
            tell(said("anchor {name}: up to entry {size}", name=name, size=size))
        for sentence in [*done.failed.values(), *done.overdue]:
            tell(sentence, err=True)
    return 2 if done.overdue else 0


def make_key(name: str, out: Path, *, witness: bool) -> None:
    """Write a new secret key that only this user can read, and print its public half."""
    from credit_review.audit.notes import LOG_KEY, WITNESS_KEY, SigningKey

    key = SigningKey.from_seed(name, secrets.token_bytes(32), kind=WITNESS_KEY if witness else LOG_KEY)
    try:
        descriptor = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise BadInput(said("{file} cannot be written: {error}", file=str(out), error=error.strerror or "")) from None
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(key.secret_text() + "\n")
    tell(said("wrote the secret key to {file}; this is its public half, for settings.yaml and whoever verifies:", file=str(out)), err=True)
    print(key.key.text())


@contextmanager
def _in_office(opened: Services, as_person: str, office: Office, to: Said) -> Iterator[tuple[UnitOfWork, Person]]:
    """A transaction in which the acting person does what belongs to an office; a refusal is on record."""
    with signing_as(opened, as_person, "log") as (uow, person):
        require_office(uow, office, to, person.person_id, on=opened.today(), now=opened.clock.now())
        yield uow, person


def rotate_key(config: Path, new: Path, *, reason: str, as_person: str) -> None:
    """Record that the notary's key hands over to the one in the file."""
    from credit_review.adapters.settings import read_text, require_secret
    from credit_review.audit.notes import SigningKey
    from credit_review.notary import handed_over
    from credit_review.review import keeping

    opened = services(config)
    old = SigningKey.read(require_secret(opened.settings.audit.key_secret))
    after = SigningKey.read(read_text(new, known_as=str(new)))
    verdict = verify_log(opened.store.engine, open_outside(opened.settings, opened.clock))
    if verdict.found is None:
        raise Refused("audit.not_sound", verdict.finding, next_step=said("the key of a log that does not hold is not handed over"))
    data = handed_over(opened.settings.audit.trust(), verdict.found, old, after)
    with _in_office(opened, as_person, Office.ADMINISTRATORS, said("hand over the log's key")) as (uow, person):
        keeping.rotate(uow, data, reason=reason, by=person.person_id)
        uow.commit()
    tell(said("the log hands over to {key}; give the notary the new secret before its next run", key=after.key.text()))


def restored(config: Path, *, reason: str, as_person: str) -> None:
    """Record that the database came back from a backup, with the newest checkpoint that anchors hold of what was lost."""
    from credit_review.review import keeping

    opened = services(config)
    before, lost = _newest_held(opened)
    with _in_office(opened, as_person, Office.ADMINISTRATORS, said("record a restore")) as (uow, person):
        now = keeping.restored(uow, before=before, lost=lost, reason=reason, by=person.person_id)
        uow.commit()
    tell(said("the log goes on as {origin}; run `credit-review audit checkpoint` now", origin=now))


def _newest_held(opened: Services) -> tuple[str, tuple[int, str]]:
    """The log's present name, and size and root of the newest checkpoint under it that an anchor holds."""
    from credit_review import audit
    from credit_review.adapters.store.log import SqlLog
    from credit_review.audit.anchored import KEPT, ever_in_force, in_force
    from credit_review.audit.notes import open_note

    outside = open_outside(opened.settings, opened.clock)
    if outside.trust is None:
        raise BadInput(said("settings.yaml names no origin under `audit`"), expected=said("a log that was anchored"))
    with SqlLog(opened.store.engine).reading() as view:
        found = audit.verify_rows(view.rows, view.payloads, view.head, keep=KEPT)
    origin, keys = in_force(found, outside.trust)[0], ever_in_force(found, outside.trust)
    notes = [open_note(note, keys).checkpoint for anchor in outside.anchors if anchor.readable for note in anchor.held()]
    mine = [one for one in notes if one.origin == origin]
    if not mine:
        raise BadInput(said("no anchor holds a checkpoint of {origin}", origin=origin), expected=said("one from before the restore"))
    newest = max(mine, key=lambda one: one.size)
    if newest.size <= found.size:
        raise Refused(
            "audit.nothing_lost",
            said("the log has {size} entries, anchors hold {held}: nothing was lost", size=found.size, held=newest.size),
            next_step=said("go on as before; `credit-review audit verify` compares log and anchors"),
        )
    return origin, (newest.size, newest.root)


KINDS = ("proposal", "account", "customer", "review", "person", "document", "delegation", "message", "log")
"""What entries are about, as their `entity` begins."""


def entries(config: Path, subject: str, *, as_json: bool) -> None:
    """Print the entries about one subject, oldest first."""
    names = [subject] if ":" in subject else [f"{kind}:{subject}" for kind in KINDS]
    with services(config).store.read() as uow:
        found = uow.find(AuditRow, entity=names)
        proposal = uow.get(Proposal, proposal_id=subject.removeprefix("proposal:"))
        if proposal is not None:
            found += _of_its_limit(uow.find(AuditRow, entity=f"account:{proposal.account_id}"), proposal.proposal_id)
    if not found:
        raise BadInput(said("the log says nothing of {subject}", subject=subject), expected=said("an id, as reports and lists show it"))
    found.sort(key=lambda row: row.seq)
    if as_json:
        show_json([{"seq": row.seq, "leaf": row.leaf, "body": json.loads(row.body)} for row in found])
        return
    columns = (said("Entry"), said("Time"), said("What"), said("Of"), said("By"), said("Hash"))
    show_table("", columns, [(str(row.seq), row.ts, row.action, row.entity, row.actor, row.leaf[:16]) for row in found])


def _of_its_limit(rows: list[AuditRow], proposal_id: str) -> list[AuditRow]:
    """The entries of an account that come of one proposal: the change, its delivery, its end."""
    bodies = [(row, json.loads(row.body)["data"]) for row in rows]
    changes = {data["change"] for _, data in bodies if data.get("proposal") == proposal_id}
    return [row for row, data in bodies if data.get("proposal") == proposal_id or {data.get("change"), data.get("reverses")} & changes]


def prove(config: Path, seq: int, out: Path) -> None:
    """Write `entry-N.json` and `entry-N.tlog-proof`."""
    from credit_review.adapters.store.log import SqlLog
    from credit_review.audit.notes import size_of
    from credit_review.audit.proofs import inclusion_proof, proof_text

    log = SqlLog(services(config).store.engine)
    body, notes = log.body(seq), [note for note in log.checkpoints() if (size_of(note) or 0) > seq]
    if body is None or not notes:
        raise BadInput(
            said("entry {seq} cannot be proved", seq=seq),
            expected=said("an entry of the log that a checkpoint covers"),
            next_step=said("run `credit-review audit checkpoint` as the notary"),
        )
    out.mkdir(parents=True, exist_ok=True)
    (out / f"entry-{seq}.json").write_text(body, encoding="utf-8", newline="")
    proof = proof_text(seq, inclusion_proof(log.leaves(size_of(notes[-1]) or 0), seq), notes[-1])
    (out / f"entry-{seq}.tlog-proof").write_text(proof, encoding="utf-8", newline="")
    tell(said("wrote entry-{seq}.json and entry-{seq}.tlog-proof to {folder}", seq=seq, folder=str(out)))


def export(config: Path, out: Path, *, since: int, as_person: str) -> None:
    """Write the log as JSON lines; who did so is an entry itself, not part of the export."""
    from hashlib import sha256

    from credit_review.adapters import files
    from credit_review.adapters.store.log import SqlLog

    opened = services(config)
    digest, lines = sha256(), 0
    with files.replacing(out) as part, part.open("w", encoding="utf-8", newline="") as file:
        for line in SqlLog(opened.store.engine).export(since):
            file.write(line)
            digest.update(line.encode())
            lines += 1
    _record_read(opened, as_person, "export", {"since": since, "sha256": digest.hexdigest()})
    tell(said("wrote {lines} lines to {file}, SHA-256 {digest}", lines=lines, file=str(out), digest=digest.hexdigest()))


def _record_read(opened: Services, as_person: str, what: str, data: Mapping[str, object]) -> None:
    """Record `audit.read`; with a role that only reads, ask that the next process that may write does."""
    from credit_review.adapters.store.log import SqlLog
    from credit_review.audit import canonical
    from credit_review.review import keeping

    log = SqlLog(opened.store.engine)
    if log.may_append():
        with opened.store.begin() as uow:
            keeping.read(uow, what, data, by=me(opened, uow, as_person).person_id)
            uow.commit()
        return
    with opened.store.read() as uow:
        person = me(opened, uow, as_person).person_id
    log.ask_for_read_entry(what, canonical({**data, "person": person}))
    tell(said("this role only reads: the next run of `credit-review apply` records the entry"), err=True)


def witness(config: Path, state: Path, *, key: Path | None, out: Path | None) -> int:
    """Verify against what this witness saw before; remember it; cosign. Returns the verifier's exit code, and remembers nothing on 1."""
    from dataclasses import replace

    from credit_review.adapters import files
    from credit_review.adapters.notebook import in_turn, seen_before
    from credit_review.audit import canonical

    opened = services(config)
    with in_turn(state):
        outside = replace(open_outside(opened.settings, opened.clock), known=seen_before(state))
        verdict = verify_log(opened.store.engine, outside)
        tell(verdict.text())
        if verdict.found is None:
            return verdict.exit_code
        files.write_text(state, canonical({"size": verdict.found.size, "root": verdict.found.root}) + "\n")
    if key is not None:
        _cosign(opened, key, out or Path(), roots=verdict.found.roots)
    return verdict.exit_code


def _cosign(opened: Services, key: Path, out: Path, *, roots: Mapping[int, str]) -> None:
    """Add this witness's signature to the newest checkpoint among those just verified (`roots`); one that came since waits."""
    from credit_review.adapters.anchors.directory import DirectoryAnchor
    from credit_review.adapters.settings import read_text
    from credit_review.adapters.store.log import SqlLog
    from credit_review.audit.notes import SigningKey, open_note, signed_text, size_of

    notes = [note for note in SqlLog(opened.store.engine).checkpoints() if size_of(note) in roots]
    trust = opened.settings.audit.trust()
    if not notes:
        raise BadInput(said("there is no checkpoint to cosign"), next_step=said("run `credit-review audit checkpoint` as the notary"))
    mine = SigningKey.read(read_text(key, known_as=str(key)))
    text, _ = signed_text(notes[-1], trust.keys)
    note = notes[-1] + mine.line(text, unix_seconds=int(opened.clock.now().timestamp()))
    checkpoint = open_note(note, [mine.key]).checkpoint
    if checkpoint.root != roots[checkpoint.size]:
        raise Tampered(said("the checkpoint of {size} entries was changed while the log was verified", size=checkpoint.size))
    out.mkdir(parents=True, exist_ok=True)
    DirectoryAnchor("witness", mine.key.name, out).keep(checkpoint.name, note)
    tell(said("cosigned the checkpoint of {size} entries: {folder}", size=checkpoint.size, folder=str(out)))


def erase(config: Path, entries: list[int], *, basis: str, as_person: str) -> None:
    """Erase payloads, and say so in the log."""
    from credit_review.review import keeping

    opened = services(config)
    with _in_office(opened, as_person, Office.CONTROL_OWNER, said("erase payloads of the log")) as (uow, person):
        keeping.erase(uow, entries, basis=basis, by=person.person_id)
        uow.commit()
    tell(said("erased the payloads of {count} entries", count=len(set(entries))))
