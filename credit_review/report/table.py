"""A table as the templates draw it: headings with their alignment, rows of ready texts, rows of totals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from credit_review.report.text import count
from credit_review.words import said

if TYPE_CHECKING:
    from credit_review.report.data import OutputFile

NOTHING = said("None.")


@dataclass(frozen=True, slots=True)
class Column:
    """A heading and the style class of what stands under it."""

    label: str
    style: str


def num(label: str) -> Column:
    """A column of numbers: right-aligned, tabular."""
    return Column(label, "num")


def key(label: str) -> Column:
    """A column of keys or digests."""
    return Column(label, "key")


@dataclass(frozen=True, slots=True)
class Table:
    """`headings` are texts, or columns of numbers or keys. Rows whose positions stand in `parts` are parts of the row before."""

    headings: Sequence[str | Column]
    rows: Sequence[Sequence[str]]
    totals: Sequence[Sequence[str]] = ()
    note: str = ""
    empty: str = NOTHING
    parts: frozenset[int] = frozenset()

    @property
    def columns(self) -> list[Column]:
        """Label and style class of each column."""
        return [h if isinstance(h, Column) else Column(h, "txt") for h in self.headings]


def cut(rows: int, shown: int, files: Sequence[OutputFile], name: str) -> str:
    """The note under a table that shows only the first rows; empty when it shows all. `name` is the list, if it was written."""
    if rows <= shown:
        return ""
    where = name if name in {f.name for f in files} else said("the stored results of the review")
    return said("{shown} of {rows} shown; all of them are in {where}.", shown=count(shown), rows=count(rows), where=where)
