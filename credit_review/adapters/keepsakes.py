"""Files that left the house, or wait to: kept in the data folder under a name that is never given to another text."""

from __future__ import annotations

from pathlib import Path

from credit_review.adapters import files
from credit_review.errors import Tampered

ORDER_LISTS, LETTERS = "hand-offs", "letters"
"""Folders: lists of open orders, also those the ERP has; pages of letters to customers."""


def keep(data: Path, folder: str, name: str, text: str) -> None:
    """Keeps a text as UTF-8, whole and on disk when this returns."""
    path = data / folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    files.write_text(path, text)


def kept(data: Path, folder: str, name: str, sha256: str) -> str:
    """A kept text. Raises Tampered when it is missing or not what was kept."""
    path = data / folder / name
    if not path.is_file():
        raise Tampered(f"{path} is missing", expected=f"a file with SHA-256 {sha256}", next_step="restore the data folder from a backup")
    files.require_same(path, sha256)
    return path.read_bytes().decode()
