"""The notary: verifies what is new in the audit log, signs a checkpoint of it, and sees it kept outside the database.

It runs as a process and a user of its own. What it remembers between two runs is its own folder, never the database: how far it verified,
every note it signed, and how much each anchor confirmed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Protocol

from credit_review import audit
from credit_review.audit.anchored import KEPT, Held, Trust, in_force, judge, rotation
from credit_review.audit.checking import NOTHING_YET, Consistent
from credit_review.audit.notes import Checkpoint, SigningKey, sign, size_of
from credit_review.errors import BadInput, CreditReviewError, Tampered
from credit_review.ports import Anchor, Log
from credit_review.words import said


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """What the notary knows from its earlier runs: how far it verified, and by anchor the newest name it confirmed."""

    verified: Consistent = NOTHING_YET
    confirmed: Mapping[str, str] = field(default_factory=dict)


class Notebook(Protocol):
    """The notary's own folder."""

    def memory(self) -> Memory:
        """What was remembered last; nothing at first."""
        ...

    def remember(self, memory: Memory) -> None:
        """Replace it, whole or not at all."""
        ...

    def notes(self) -> Mapping[str, str]:
        """Every note signed so far, by name."""
        ...

    def write(self, name: str, note: str) -> None:
        """Keep a note, before anybody else sees it."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one run did: the newest checkpoint and whether this run signed it, what each anchor holds now, and why one could not be reached.

    `overdue` names what is late: a sentence for each anchor whose newest confirmed checkpoint is older than allowed.
    """

    size: int
    root: str
    signed: bool
    confirmed: Mapping[str, int]
    failed: Mapping[str, str]
    overdue: tuple[str, ...] = ()


def run(log: Log, book: Notebook, key: SigningKey, anchors: Sequence[Anchor], trust: Trust, *, now: datetime, oldest: timedelta) -> Outcome:
    """Verify what is new, sign it, and hand every note an anchor lacks to it; safe to run again at any time, and after a crash.

    Nothing is signed that was not verified. Raises TamperedEntry when the log is not what this notary signed before, or BadInput when
    its key is not the one the log names, and Tampered when an anchor holds another note than the one signed.
    """
    memory = book.memory()
    found = _verified(log, memory, book, trust)
    origin, keys = in_force(found, trust)
    if key.key not in keys:
        raise BadInput(
            said("the log does not name the key {key} as one that may sign now", key=key.key.text()),
            expected=said("one of {keys}", keys=", ".join(one.text() for one in keys)),
            next_step=said("give the notary that key, or hand over with `credit-review audit rotate-key`"),
        )
    checkpoint = Checkpoint(origin, found.size, found.root)
    signed = found.size > 0 and checkpoint.name not in book.notes()
    if signed:
        book.write(checkpoint.name, sign(checkpoint.text(), key))
    memory = replace(memory, verified=replace(found, roots={}, after={}))
    book.remember(memory)
    notes = book.notes()
    if found.size:
        log.keep_checkpoint(found.size, notes[checkpoint.name])
    confirmed, failed, refused = _hand_over(notes, memory, anchors)
    book.remember(replace(memory, confirmed=confirmed))
    if refused:
        raise refused[0]
    late = _overdue(log, _by_size(confirmed, notes), anchors, now - oldest)
    return Outcome(size=found.size, root=found.root, signed=signed, confirmed=_by_size(confirmed, notes), failed=failed, overdue=late)


def _verified(log: Log, memory: Memory, book: Notebook, trust: Trust) -> Consistent:
    """The log from where the last run ended; after a restore, from its first entry and against every note ever signed."""
    since, notes = memory.verified, book.notes()
    if since.size or not notes:  # a memory that was lost is no reason to sign another history: the notes are still here
        try:
            with log.reading(since.size) as view:
                found = audit.verify_rows(view.rows, view.payloads, view.head, since=since, keep=KEPT)
            return replace(found, kept={**since.kept, **found.kept})
        except audit.TamperedEntry:
            if not notes:
                raise
    with log.reading() as view:
        whole = audit.verify_rows(view.rows, view.payloads, view.head, roots_at=_sizes(notes.values()), keep=KEPT)
    judge(whole, [Held(anchor="the notary's own notes", administrator="notary", note=note) for note in notes.values()], trust)
    return whole


def _sizes(notes: Iterable[str]) -> frozenset[int]:
    return frozenset(size for size in map(size_of, notes) if size is not None)


def _by_size(confirmed: Mapping[str, str], notes: Mapping[str, str]) -> dict[str, int]:
    return {anchor: size_of(notes[name]) or 0 for anchor, name in confirmed.items() if name in notes}


def _hand_over(
    notes: Mapping[str, str], memory: Memory, anchors: Sequence[Anchor]
) -> tuple[dict[str, str], dict[str, str], list[Tampered]]:
    """Every anchor gets the notes it has not confirmed, oldest first; one that fails is tried again in the next run.

    An anchor that holds another note is a finding; the others get theirs first.
    """
    confirmed, failed = dict(memory.confirmed), {}
    refused: list[Tampered] = []
    for anchor in anchors:
        for name in sorted(name for name in notes if name > confirmed.get(anchor.name, "")):
            try:
                anchor.keep(name, notes[name])
            except Tampered as error:
                refused.append(error)
                break
            except CreditReviewError as error:
                failed[anchor.name] = error.what
                break
            confirmed[anchor.name] = name
    return confirmed, failed, refused


def _overdue(log: Log, confirmed: Mapping[str, int], anchors: Sequence[Anchor], limit: datetime) -> tuple[str, ...]:
    """A sentence for every anchor that lacks an entry older than `limit`."""
    found = []
    for anchor in anchors:
        size = confirmed.get(anchor.name, 0)
        with log.reading(size) as view:
            first: Any = next(view.rows, None)
        if first is not None and audit.parse_timestamp(first.ts) < limit:
            found.append(
                said(
                    "anchor {name} holds nothing after entry {size}, and the next entry is of {at}",
                    name=anchor.name,
                    size=size,
                    at=first.ts,
                )
            )
    return tuple(found)


def handed_over(trust: Trust, found: Consistent, old: SigningKey, new: SigningKey) -> dict[str, str]:
    """The data of the entry `key.rotated` by which `old` hands over to `new`. Raises BadInput unless `old` may sign now."""
    origin, keys = in_force(found, trust)
    if old.key not in keys:
        raise BadInput(said("the log does not name the key {key} as one that may sign now", key=old.key.text()))
    return {"old": old.key.text(), "new": new.key.text(), "note": rotation(origin, old, new)}
