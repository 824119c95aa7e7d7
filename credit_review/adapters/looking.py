"""Reads each source of a mapping once to say how the mapping reads it; nothing is kept."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from functools import partial
from pathlib import Path

from credit_review import receivables
from credit_review.adapters import sources
from credit_review.adapters.settings import require_secret
from credit_review.receivables.looking import TableReading, look
from credit_review.receivables.mapping import Mapping

_OF_A_DAY = frozenset({"items", "external", "statements", "remarks"})
"""Datasets whose rows of later days are left out."""


def readings(mapping: Mapping, folder: Path, *, as_of: date) -> Iterator[tuple[str, TableReading]]:
    """Where each dataset of a mapping comes from (no credentials), and how it is read. Raises BadInput or Unavailable as a review would."""
    for table in mapping.tables:
        source = sources.open_source(table.from_, folder=folder, secret=require_secret)
        day = {"as_of": as_of} if table.dataset in _OF_A_DAY else {}
        how = partial(getattr(receivables, f"read_{table.dataset}"), mapping=mapping, origin=source.name, **day)
        yield source.name, look(source.read(), table, how)
