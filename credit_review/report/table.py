"""A table as the templates draw it: headings with their alignment, rows of ready texts, rows of totals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from credit_review.report.data import OutputFile


@dataclass(frozen=True, slots=True)
class Table:
    """`headings` begin with `>` where the column holds numbers (right-aligned, tabular) and with `#` where it holds keys or digests."""

    headings: tuple[str, ...]
    rows: Sequence[Sequence[str]]
    totals: Sequence[Sequence[str]] = ()
    note: str = ""
    empty: str = "None."

    @property
    def columns(self) -> list[tuple[str, str]]:
        """Label and style class of each column."""
        classes = {">": "num", "#": "key"}
        return [(h[1:], classes[h[0]]) if h[:1] in classes else (h, "txt") for h in self.headings]


def cut(rows: int, shown: int, files: Sequence[OutputFile], name: str) -> str:
    """The note under a table that shows only the first rows; empty when it shows all. `name` is the list, if it was written."""
    if rows <= shown:
        return ""
    where = name if name in {f.name for f in files} else "the stored results of the review"
    return f"{shown:,} of {rows:,} shown; all of them are in {where}."
