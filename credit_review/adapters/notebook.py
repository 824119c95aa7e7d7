"""The notary's own folder: what it remembers between two runs, and every note it signed. Only its user may write there."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from credit_review.adapters import files
from credit_review.adapters.anchors.directory import file_name
from credit_review.audit import canonical, parse_canonical
from credit_review.audit.checking import Consistent
from credit_review.errors import BadInput, Unavailable
from credit_review.notary import Memory
from credit_review.words import said

_MEMORY = "memory.json"
_FIELDS = ("size", "root", "leaf", "ts", "erased", "frontier")


class FolderNotebook:
    """`memory.json` and a file a note. `alone` keeps a second notary out."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextmanager
    def alone(self) -> Iterator[FolderNotebook]:
        """The folder for one process only. Raises Unavailable while another has it."""
        self._folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._folder / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Unavailable(
                    said("another notary works in {folder}", folder=str(self._folder)), next_step=said("wait until it has ended")
                ) from None
            yield self
        finally:
            os.close(descriptor)

    def memory(self) -> Memory:
        """What was remembered last; nothing at first. Raises BadInput when the file is damaged."""
        path = self._folder / _MEMORY
        if not path.is_file():
            return Memory()
        try:
            stored = parse_canonical(path.read_text(encoding="utf-8"))
            kept = {int(seq): body for seq, body in stored["kept"].items()}
            return Memory(verified=Consistent(**{name: stored[name] for name in _FIELDS}, kept=kept), confirmed={**stored["confirmed"]})
        except (BadInput, KeyError, TypeError, ValueError, AttributeError):
            raise BadInput(
                said("{file} is damaged", file=str(path)),
                expected=said("what the notary wrote there"),
                next_step=said("remove it: the next run verifies the whole log again, against the notes beside it"),
            ) from None

    def remember(self, memory: Memory) -> None:
        """Replace it, whole or not at all."""
        known: dict[str, Any] = {name: getattr(memory.verified, name) for name in _FIELDS}
        kept = {str(seq): body for seq, body in memory.verified.kept.items()}
        files.write_text(self._folder / _MEMORY, canonical({**known, "kept": kept, "confirmed": dict(memory.confirmed)}))

    def notes(self) -> Mapping[str, str]:
        """Every note signed so far, by name."""
        return {path.stem: path.read_text(encoding="utf-8") for path in sorted((self._folder / "notes").glob("*.checkpoint"))}

    def write(self, name: str, note: str) -> None:
        """Keep a note, before anybody else sees it."""
        files.write_text(self._folder / "notes" / file_name(name), note)


@contextmanager
def in_turn(state: Path) -> Iterator[None]:
    """A witness's memory for one run at a time: of two at once, the later could otherwise write down less than the other saw (T-44)."""
    state.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(state.with_name(state.name + ".lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def seen_before(state: Path) -> list[tuple[int, str]]:
    """Size and root that a witness wrote down last, none at first. Raises BadInput when the file is damaged."""
    if not state.is_file():
        return []
    try:
        stored = parse_canonical(state.read_text(encoding="utf-8").rstrip("\n"))
        return [(int(stored["size"]), str(stored["root"]))]
    except (BadInput, KeyError, TypeError, ValueError):
        raise BadInput(
            said("{file} is damaged", file=str(state)),
            expected=said("what `audit witness` wrote there"),
            next_step=said("find out who changed it"),
        ) from None
