"""Judging a log against what is held outside its database: signed checkpoints, rotations of their key, restores from a backup."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from credit_review.audit.actions import Action
from credit_review.audit.canonical import is_hash
from credit_review.audit.checking import Consistent
from credit_review.audit.notes import LOG_KEY, BadNote, Opened, SigningKey, VerificationKey, after_restore, open_note, sign, signed_text
from credit_review.audit.tree import TamperedEntry

KEPT = frozenset({Action.KEY_ROTATED, Action.LOG_RESTORED})
"""Actions whose bodies `judge` needs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """What a verifier takes as given, from outside the database.

    `origin` is the log's first name, `keys` those that signed for it at first: later names and keys follow from entries. `witnesses` are
    keys of which one must have cosigned. `domains` is how many administrators must each hold a checkpoint.
    """

    origin: str
    keys: tuple[VerificationKey, ...]
    witnesses: tuple[VerificationKey, ...] = ()
    domains: int = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A signed note as an anchor holds it, and who administers that anchor. A `weak` one can be changed by whoever wrote it."""

    anchor: str
    administrator: str
    note: str
    weak: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchoring:
    """How far a log is anchored: up to entry `size`, by as many administrators as were asked for (0: not yet).

    `newest` is the size of each anchor's newest checkpoint, `domains` how many administrators hold one, `lost` how many entries were lost
    in restores, as entries say. `cosigned` is the newest size that a known witness cosigned.
    """

    size: int
    newest: Mapping[str, int]
    domains: int
    cosigned: int = 0
    lost: int = 0


@dataclass(slots=True)
class _Epoch:
    """An incarnation of the log: its name, and where a restore ended it (`ended` entries remain of `lost`, whose root is known)."""

    origin: str
    ended: int | None = None
    lost: int = 0
    lost_root: str = ""


@dataclass(slots=True)
class _Key:
    key: VerificationKey
    above: int = 0
    until: int | None = None


def rotation(origin: str, old: SigningKey, new: SigningKey) -> str:
    """The note by which a key hands over to another, signed by both; `key.rotated` carries it."""
    return sign(_rotation_text(origin, old.key, new.key), old, new)


def _rotation_text(origin: str, old: VerificationKey, new: VerificationKey) -> str:
    return f"{origin}\nkey rotation\n{old.text()}\n{new.text()}\n"


def in_force(found: Consistent, trust: Trust) -> tuple[str, list[VerificationKey]]:
    """The log's present name and the keys that may sign now; `kept` of what was found must hold all that KEPT names, from entry 0."""
    return list(_epochs(found, trust))[-1], [known.key for known in _keys(found, trust) if known.until is None]


def ever_in_force(found: Consistent, trust: Trust) -> list[VerificationKey]:
    """Every key that signed for the log at some time, as `in_force` finds them."""
    return [known.key for known in _keys(found, trust)]


def newest_signed(found: Consistent, notes: Mapping[int, str], trust: Trust | None) -> tuple[str, int]:
    """The newest of some notes by size that the log found covers, and its size; empty and 0 where there is none.

    `roots` of what was found must hold the notes' sizes. Raises BadNote, or TamperedEntry when it is signed over other entries.
    """
    sizes = [size for size in notes if 0 < size <= found.size]
    if not sizes or trust is None:
        return "", 0
    checkpoint = open_note(notes[max(sizes)], ever_in_force(found, trust)).checkpoint
    if checkpoint.root != found.roots[checkpoint.size]:
        raise TamperedEntry(checkpoint.size, "a checkpoint is signed over other entries", expected=f"root {checkpoint.root}")
    return notes[max(sizes)], checkpoint.size


def judge(found: Consistent, held: Iterable[Held], trust: Trust) -> Anchoring:
    """How far `held` notes anchor the log that was found; its `roots` and `kept` must hold what `sizes` and KEPT name.

    Raises TamperedEntry for a note that the log contradicts, that no key in force signed, or a rotation that was not signed by the old key.
    """
    keys, epochs = _keys(found, trust), _epochs(found, trust)
    newest: dict[str, int] = {}
    by_administrator: dict[str, int] = {}
    cosigned = 0
    for one in held:
        opened = _opened(one, [*(k.key for k in keys), *trust.witnesses])
        lost = _is_lost(one, opened, epochs)
        _require_signature(one, opened, keys, lost=lost)
        if not lost:
            _require_match(one, opened, found)
        size = 0 if lost else opened.checkpoint.size  # what was lost says nothing about what is here
        newest[one.anchor] = max(size, newest.get(one.anchor, 0))
        witnessed = any(key.id in opened.signed_by for key in trust.witnesses)
        cosigned = max(cosigned, size if witnessed else 0)
        if not one.weak and (witnessed or not trust.witnesses):
            by_administrator[one.administrator] = max(size, by_administrator.get(one.administrator, 0))
    reached = sorted(by_administrator.values(), reverse=True)
    size = reached[trust.domains - 1] if len(reached) >= trust.domains else 0
    gone = sum(epoch.lost - epoch.ended for epoch in epochs.values() if epoch.ended is not None)
    return Anchoring(size=size, newest=newest, domains=len(reached), cosigned=cosigned, lost=gone)


def _opened(one: Held, keys: Sequence[VerificationKey]) -> Opened:
    try:
        return open_note(one.note, keys)
    except BadNote as error:
        raise TamperedEntry(None, f"anchor {one.anchor}: {error.what}") from None


def _require_signature(one: Held, opened: Opened, keys: Sequence[_Key], *, lost: bool) -> None:
    """A key in force at the note's size signed it; where rotations may have been lost as well, any key that the log names."""
    size = opened.checkpoint.size
    if not any(k.key.id in opened.signed_by and (lost or (k.above < size and (k.until is None or size <= k.until))) for k in keys):
        raise TamperedEntry(None, f"anchor {one.anchor}: checkpoint {size} is signed by no key in force at that size")


def _is_lost(one: Held, opened: Opened, epochs: Mapping[str, _Epoch]) -> bool:
    """Whether a note is of entries that a restore says were lost. Raises TamperedEntry when none says so, or it is of another log."""
    at = opened.checkpoint
    epoch = epochs.get(at.origin)
    if epoch is None:
        raise TamperedEntry(None, f"anchor {one.anchor}: checkpoint {at.size} is of another log, {at.origin:.80}")
    if epoch.ended is None or at.size <= epoch.ended:
        return False
    if at.size > epoch.lost or (at.size == epoch.lost and at.root != epoch.lost_root):
        raise TamperedEntry(None, f"anchor {one.anchor}: checkpoint {at.size} of {at.origin} is not among what the restore says was lost")
    return True


def _require_match(one: Held, opened: Opened, found: Consistent) -> None:
    at = opened.checkpoint
    if at.size > found.size:
        raise TamperedEntry(
            found.size, f"the tail is cut: anchor {one.anchor} holds a checkpoint of {at.size} entries, the log has {found.size}"
        )
    if found.roots.get(at.size) != at.root:
        raise TamperedEntry(None, f"entries before {at.size} were rewritten: anchor {one.anchor} holds another root of them")


def _keys(found: Consistent, trust: Trust) -> list[_Key]:
    """Every key with the sizes it may sign for, following rotations from the keys trusted at first."""
    known = [_Key(key) for key in trust.keys]
    for seq, body in sorted(found.kept.items()):
        if body["action"] != Action.KEY_ROTATED:
            continue
        before, after = _handed_over(seq, body["data"], [k for k in known if k.until is None], found, trust)
        before.until = seq + 1  # the checkpoint that covers the rotation itself may still be the old key's
        known.append(_Key(after, above=seq))
    return known


def _handed_over(seq: int, data: Mapping[str, Any], valid: Sequence[_Key], found: Consistent, trust: Trust) -> tuple[_Key, VerificationKey]:
    try:
        after = VerificationKey.read(str(data["new"]))
        old = next(k for k in valid if k.key.text() == data["old"])
        origin = next(e.origin for e in _epochs(found, trust).values() if e.ended is None or seq < e.ended)
        text, signers = signed_text(str(data["note"]), (old.key, after))
    except (KeyError, StopIteration, BadNote):
        raise TamperedEntry(seq, "a key was rotated without the signature of a key in force") from None
    if text != _rotation_text(origin, old.key, after) or set(signers) != {old.key.id, after.id} or after.kind != LOG_KEY:
        raise TamperedEntry(seq, "a key was rotated without the signatures of both keys")
    return old, after


def _epochs(found: Consistent, trust: Trust) -> dict[str, _Epoch]:
    """Every incarnation of the log by name, following restores from its first name."""
    known = {trust.origin: _Epoch(trust.origin)}
    current = trust.origin
    for seq, body in sorted(found.kept.items()):
        if body["action"] != Action.LOG_RESTORED:
            continue
        data = body["data"]
        lost, root, origin = data.get("lost_size"), data.get("lost_root"), data.get("origin")
        sound = type(lost) is int and is_hash(root) and origin == after_restore(current)
        if data.get("before") != current or not sound:
            raise TamperedEntry(seq, "a restore does not follow the incarnation before it")
        known[current] = _Epoch(current, ended=seq, lost=max(int(lost), seq), lost_root=str(root))
        current = str(origin)
        known[current] = _Epoch(current)
    return known
