"""`audit …`: what the notary, internal audit and whoever keeps the log do."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from credit_review.adapters.store.verify import verify_log
from credit_review.adapters.wiring import Services, open_outside, run_notary
from credit_review.errors import BadInput, Refused
from credit_review.words import said
from deployments.cli.frame import services, show_json, tell
from deployments.cli.governing import me


def verify(config: Path, *, as_json: bool) -> int:
    """Print the verifier's answer; returns the exit code."""
    opened = services(config)
    verdict = verify_log(opened.store.engine, open_outside(opened.settings, opened.clock))
    if as_json:
        newest = dict(verdict.anchoring.newest) if verdict.anchoring else {}
        show_json(
            {"status": verdict.status, "finding": verdict.finding, "entries": verdict.size, "root": verdict.root, "seq": verdict.seq}
            | {"anchors": newest, "unreachable": list(verdict.unreachable)}
        )
    else:
        tell(verdict.text())
    return verdict.exit_code


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
    with opened.store.begin() as uow:
        keeping.rotate(uow, data, reason=reason, by=me(opened, uow, as_person).person_id)
        uow.commit()
    tell(said("the log hands over to {key}; give the notary the new secret before its next run", key=after.key.text()))


def restored(config: Path, *, reason: str, as_person: str) -> None:
    """Record that the database came back from a backup, with the newest checkpoint that anchors hold of what was lost."""
    from credit_review.review import keeping

    opened = services(config)
    before, lost = _newest_held(opened)
    with opened.store.begin() as uow:
        now = keeping.restored(uow, before=before, lost=lost, reason=reason, by=me(opened, uow, as_person).person_id)
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
        )
    return origin, (newest.size, newest.root)
