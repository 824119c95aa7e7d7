"""How a mapping reads a source, field by field: what it made of the texts, what it put in their place, and what it refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.compute as pc

from credit_review.model.money import EXPONENTS, Money
from credit_review.model.states import Severity
from credit_review.receivables.chunk import Chunk
from credit_review.receivables.mapping import Table
from credit_review.receivables.read import Raw, ReadResult, chunks

EXAMPLES = 3
"""Examples of each kind that are shown a field."""
_TRIED = 40
"""Rows from the beginning that are tried for examples: the first of an export may all be dirty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A text of the source in a row, and what became of it: the value read, or the reason it was refused."""

    row: str
    text: str
    became: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldReading:
    """One field of a dataset. `column` is the source's, empty for a constant; counts are rows.

    `filled` rows state it, `defaulted` ones are empty there and take the mapping's default, `empty` ones stay without. `refused` cannot be
    read, and `otherwise` are read as something else and listed. `read` and `not_read` are examples.
    """

    field: str
    column: str
    constant: str
    filled: int
    defaulted: int
    empty: int
    refused: int
    otherwise: int
    read: tuple[Example, ...]
    not_read: tuple[Example, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TableReading:
    """One dataset: rows by where they ended (`lines`), its fields, fields the mapping leaves out, columns of the source it does not use."""

    dataset: str
    lines: dict[str, int]
    fields: tuple[FieldReading, ...]
    unmapped: tuple[str, ...]
    unused: tuple[str, ...]


def look(raw: Raw, table: Table, how: Callable[[Raw], ReadResult]) -> TableReading:
    """How `table` of a mapping reads `raw`; `how` is the dataset's reader. Raises BadInput as the reader does."""
    watched = _Watched(table)
    result = how(watched.over(chunks(raw)))
    lines = result.accounting.groupby("line", sort=False)["rows"].sum()
    read = _examples(watched.first, table, how)
    return TableReading(
        dataset=table.dataset,
        lines={str(line): int(rows) for line, rows in lines.items()},
        fields=tuple(_field(name, table, watched, result.quarantine, read.get(name, ())) for name in _mapped(table)),
        unmapped=tuple(sorted(table.fields - set(_mapped(table)))),
        unused=tuple(name for name in watched.columns if name not in table.sources()),
    )


class _Watched:
    """Counts what a source states while a reader reads it, and keeps its first rows."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.rows = 0
        self.filled: Counter[str] = Counter()
        self.columns: tuple[str, ...] = ()
        self.first = pd.DataFrame()

    def over(self, parts: Iterable[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        for part in parts:
            self.columns = tuple(map(str, part.columns))
            if len(self.first) < _TRIED:
                self.first = pd.concat([self.first, part.head(_TRIED - len(self.first))])
            chunk = Chunk(part, self.table, "")
            for name, column in self.table.columns.items():
                self.filled[name] += int(pc.sum(pc.not_equal(chunk.source_texts(column), "")).as_py() or 0)
            self.rows += len(part)
            yield part


def _mapped(table: Table) -> tuple[str, ...]:
    return tuple(dict.fromkeys([*table.columns, *table.constants, *table.defaults]))


def _field(name: str, table: Table, watched: _Watched, quarantine: pd.DataFrame, read: tuple[Example, ...]) -> FieldReading:
    column = "" if name in table.constants else table.columns.get(name, "")
    found = quarantine[quarantine["column"] == name]
    mild = found["severity"] == Severity.INFO.value
    filled = watched.filled[name] if column else 0
    default = name in table.defaults and name not in table.constants
    rows = found.drop_duplicates("value")[["row_key", "value", "reason"]].head(EXAMPLES).itertuples(index=False, name=None)
    return FieldReading(
        field=name,
        column=column,
        constant=table.constants.get(name, ""),
        filled=filled,
        defaulted=watched.rows - filled if default else 0,
        empty=0 if default or name in table.constants else watched.rows - filled,
        refused=int((~mild).sum()),
        otherwise=int(mild.sum()),
        read=read,
        not_read=tuple(Example(row=row, text=text, became=reason) for row, text, reason in rows),
    )


def _examples(first: pd.DataFrame, table: Table, how: Callable[[Raw], ReadResult]) -> dict[str, tuple[Example, ...]]:
    """Texts of the first rows with what is read of them, distinct, a few a field: each row is read alone, so nothing else bears on it."""
    found: dict[str, dict[str, Example]] = {name: {} for name in table.columns}
    for at in range(len(first)):
        if all(len(some) >= EXAMPLES for some in found.values()):
            break
        one = first.iloc[[at]]
        frame = how(one).frame
        if len(frame) != 1:
            continue
        chunk, value = Chunk(one, table, ""), frame.iloc[0]
        for name, column in table.columns.items():
            text, became = str(one[column].iloc[0]), _shown(name, value)
            if chunk.source_texts(column)[0].as_py() and became is not None and len(found[name]) < EXAMPLES:
                found[name].setdefault(text, Example(row=str(first.index[at]), text=text, became=became))
    return {name: tuple(some.values()) for name, some in found.items()}


def _shown(name: str, row: pd.Series[Any]) -> str | None:
    """The field's value in a canonical row as a person reads it; None where the dataset keeps it under no column of its own."""
    if name == "source_number" and "customer_id" in row.index:
        return str(row["customer_id"])  # what the declared rules of identity make of it
    if name in row.index:
        value = row[name]
        if isinstance(value, bool | np.bool_):
            return "yes" if value else "no"
        if value is None or value != value:
            return ""
        return value.date().isoformat() if isinstance(value, pd.Timestamp) else str(value)
    minor = row.get(f"{name}_minor")
    if minor is None or minor is pd.NA:
        return None if minor is None else ""
    currency = str(row.get("currency", ""))
    return str(Money(int(minor), currency)) if currency in EXPONENTS else str(int(minor))
