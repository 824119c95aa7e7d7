"""A folder, or a mounted object store, that keeps what is written once: one file a checkpoint, never written again."""

from __future__ import annotations

import os
from pathlib import Path

from credit_review.errors import Tampered, Unavailable
from credit_review.words import said


def file_name(name: str) -> str:
    """The file of a checkpoint; names sort as the log grew."""
    return f"{name}.checkpoint"


class DirectoryAnchor:
    """Keeps checkpoints in a folder whose owner lets the notary add files and nobody change them.

    Files are made with O_EXCL and read-only. What keeps them from being replaced is the folder's own rule (object lock, another
    operating-system user, a mount that allows no change), which is its administrator's.
    """

    weak = False
    readable = True

    def __init__(self, name: str, administrator: str, folder: Path) -> None:
        self.name, self.administrator, self._folder = name, administrator, folder

    def keep(self, name: str, note: str) -> None:
        """Write the note under its name. Raises Unavailable, or Tampered when another note stands there."""
        path = self._folder / file_name(name)
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o444)
        except FileExistsError:
            return self._require_same(path, note)
        except OSError as error:
            raise self._unreachable(error) from None
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
                file.write(note)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise self._unreachable(error) from None

    def held(self) -> list[str]:
        """Every note in the folder, oldest first. Raises Unavailable."""
        try:
            if not self._folder.is_dir():
                raise FileNotFoundError(2, "no such folder")
            return [path.read_text(encoding="utf-8", errors="replace") for path in sorted(self._folder.glob("*.checkpoint"))]
        except OSError as error:
            raise self._unreachable(error) from None

    def _require_same(self, path: Path, note: str) -> None:
        try:
            there = path.read_text(encoding="utf-8", errors="replace")
        except OSError as error:
            raise self._unreachable(error) from None
        if there == note:
            return
        if note.startswith(there):  # a crash of ours while writing: only the owner of the folder may take it away
            raise Unavailable(
                said("anchor {name}: {file} is cut off", name=self.name, file=path.name),
                next_step=said("its administrator removes the file, the next run writes it again"),
            )
        raise Tampered(said("anchor {name} holds another checkpoint under {file}", name=self.name, file=path.name))

    def _unreachable(self, error: OSError) -> Unavailable:
        return Unavailable(
            said("anchor {name} cannot be reached: {error}", name=self.name, error=error.strerror or str(error)),
            next_step=said("its administrator is {administrator}", administrator=self.administrator),
        )
