"""One chunk of raw rows being read: fields as mapped, and every fault with its row, value and reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from credit_review.errors import BadInput
from credit_review.model.money import EXPONENTS
from credit_review.model.states import Severity
from credit_review.receivables import columns as col
from credit_review.receivables.columns import Coded, Days, Flags, Ints
from credit_review.receivables.mapping import Identity, Table
from credit_review.words import marked, said

_SHOWN = 80
FINDING = {"at": "int64", "expectation": "str", "column": "str", "value": "str", "severity": "str", "reason": "str"}


@dataclass(frozen=True, slots=True)
class Fault:
    """Rows (a flag each) in which one field is not what it must be. `info` faults are listed and the row stays."""

    rows: Flags
    column: str
    expectation: str
    reason: str
    severity: Severity


@dataclass(slots=True)
class Chunk:
    """Raw rows with the mapping of their dataset. Fields are read by our names; what cannot be read is kept as a fault."""

    raw: pd.DataFrame
    table: Table
    origin: str
    faults: list[Fault] = field(default_factory=list)
    _texts: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _require_columns(self.raw, self.table, self.origin)

    def __len__(self) -> int:
        return len(self.raw)

    def has(self, name: str) -> bool:
        """Whether the mapping says where this field comes from."""
        return name in self.table.columns or name in self.table.constants or name in self.table.defaults

    def source_texts(self, column: str, *, exactly: bool = False) -> Any:
        """A column of the source as Arrow texts, trimmed and with the declared empty texts emptied, unless `exactly`."""
        key = f"{column}\n{exactly}"
        if key not in self._texts:
            found = col.arrow(self.raw[column])
            if not exactly:
                found = pc.utf8_trim_whitespace(found)
                blanks = [text for text in self.table.empty if text]
                if blanks:
                    found = pc.if_else(pc.is_in(found, value_set=pa.array(blanks, type=pa.large_string())), "", found)
            if column in self.table.drop_decimal_zero:
                found = pc.replace_substring_regex(found, r"^([0-9]+)\.0+$", r"\1")
            if self.table.mojibake and not exactly:
                found = _unmangled(found)
            self._texts[key] = found
        return self._texts[key]

    def texts(self, name: str) -> Any:
        """A field as Arrow texts: its column, or its constant; its default where the cell is empty; empty when not mapped."""
        if name in self.table.constants or name not in self.table.columns:
            return pa.repeat(pa.scalar(self.table.constants.get(name, self.table.defaults.get(name, "")), pa.large_string()), len(self))
        found = self.source_texts(self.table.columns[name])
        default = self.table.defaults.get(name)
        return pc.if_else(pc.equal(found, ""), default, found) if default else found

    def coded(self, name: str) -> Coded:
        """A field as distinct texts and positions."""
        return col.coded(self.texts(name))

    def fault(self, rows: Flags, column: str, expectation: str, reason: str, severity: Severity = Severity.WARNING) -> None:
        """Keep a fault, if any row has it."""
        if rows.any():
            self.faults.append(Fault(rows, column, expectation, reason, severity))

    def codes(
        self, name: str, known: frozenset[str], expectation: str, *, severity: Severity = Severity.WARNING, optional: bool = False
    ) -> Coded:
        """A coded field in our own words; a text in no code table and not our own word is a fault and reads empty.

        No text is a fault too, unless the field is `optional`.
        """
        found = self.coded(name)
        table = self.table.codes.get(name, {})
        ours = tuple(table.get(t, t if t in known and (t not in table) else "") for t in found.texts)
        known_empty = {"", *table} if optional else table.keys()
        unknown = np.array([o == "" and t not in known_empty for o, t in zip(ours, found.texts, strict=True)], dtype=bool)
        if len(unknown):
            listed = ", ".join(sorted(table) if table else sorted(known))
            shown = listed if len(listed) <= 200 else listed[:197] + "..."
            reason = marked("the code is not in the mapping; known are {codes}").format(codes=shown)
            self.fault(unknown[found.positions], name, expectation, reason, severity)
        return Coded(found.positions, ours)

    def currency(self, *, needed: Flags | None = None) -> Coded:
        """ISO 4217 codes; an unknown one is a fault of the rows that need one (all by default) and reads empty."""
        found = self.coded("currency")
        table = self.table.codes.get("currency", {})
        ours = tuple(c if (c := table.get(t, t)) in EXPONENTS else "" for t in found.texts)
        result = Coded(found.positions, ours)
        unknown = result.each(lambda c: c == "", np.bool_)
        rows = unknown if needed is None else unknown & (needed | found.each(lambda t: t != "", np.bool_))
        self.fault(rows, "currency", "currency_is_iso4217", marked("no ISO 4217 currency, so the amount cannot be read"))
        return result

    def days(self, name: str, *, severity: Severity = Severity.WARNING, required: bool = False) -> Days:
        """Days of a field; NaT where there is none. Text that fits no format is a fault, and so is no text where a day is required."""
        texts = self.coded(name)
        found, wrong = col.days(texts, self.table.dates)
        words = name.replace("_", " ")
        self.fault(
            wrong,
            name,
            f"{name}_is_a_date",
            marked("the {field} is no date in the form {form}").format(field=words, form=" or ".join(self.table.dates)),
            severity,
        )
        if required:
            nothing = np.isnat(found) & ~wrong
            self.fault(nothing, name, f"{name}_is_present", marked("the {field} is missing").format(field=words), severity)
        return found

    def money(self, name: str, currency: Coded, *, severity: Severity = Severity.WARNING) -> tuple[Ints, Flags, Flags]:
        """Minor units of a field, which rows have one, and which are empty; text that is no amount of the currency is a fault."""
        minor, outcome = col.amounts(self.texts(name), col.places(currency), self.table.numbers)
        self.fault(
            outcome == col.NOT_A_NUMBER,
            name,
            "amount_is_a_number",
            marked("the amount is no number as the mapping writes numbers"),
            severity,
        )
        self.fault(
            outcome == col.EXCESS_DECIMALS, name, "amount_fits_currency", marked("the amount has more decimals than its currency"), severity
        )
        self.fault(outcome == col.OUT_OF_RANGE, name, "amount_in_range", marked("the amount is too large to be true"), severity)
        return minor, outcome == col.READ, outcome == col.EMPTY

    def whole(self, name: str, *, severity: Severity = Severity.WARNING) -> tuple[Ints, Flags]:
        """Whole numbers of a field and which rows have one; other text is a fault."""
        value, empty, wrong = col.whole_numbers(self.coded(name))
        self.fault(
            wrong,
            name,
            f"{name}_is_a_whole_number",
            marked("the {field} is no whole number").format(field=name.replace("_", " ")),
            severity,
        )
        return value, ~(empty | wrong)

    def without(self, name: str) -> Flags:
        """Rows in which a field is empty."""
        flags: Flags = pc.equal(self.texts(name), "").to_numpy(zero_copy_only=False)
        return flags

    def customers(self, rule: Identity, *, entity: Coded | None, name: str = "source_number") -> tuple[Coded, Coded]:
        """Customer numbers exactly as written and our ids by the declared rules; empty where no customer is named."""
        column = self.table.columns.get(name)
        numbers = col.coded(self.source_texts(column, exactly=True) if column else self.texts(name))
        blank = set(self.table.empty)
        ids = tuple("" if t.strip() in blank else col.customer_number(t, rule) for t in numbers.texts)
        ids = tuple(rule.prefix + i if i else "" for i in ids)
        if entity is None or not rule.per_legal_entity:
            return numbers, Coded(numbers.positions, ids)
        pair = entity.positions.astype(np.int64) * max(len(ids), 1) + numbers.positions
        distinct, positions = np.unique(pair, return_inverse=True)
        joined = tuple(f"{entity.texts[p // len(ids)]}/{ids[p % len(ids)]}" if ids[p % len(ids)] else "" for p in distinct.tolist())
        return numbers, Coded(positions.astype(np.int32), joined)

    def keys(self) -> Any:
        """Row keys as Arrow texts: the key columns joined by |, or origin:line where the mapping names none or all are empty."""
        lines = pc.cast(pa.array(np.asarray(self.raw.index, dtype=np.int64)), pa.large_string())
        placed = pc.binary_join_element_wise(pa.scalar(self.origin, pa.large_string()), lines, pa.scalar(":", pa.large_string()))
        if not self.table.row_key:
            return placed
        parts = [self.source_texts(column) for column in self.table.row_key]
        if len(parts) == 1:
            return pc.if_else(pc.equal(parts[0], ""), placed, parts[0])
        escaped = [pc.replace_substring(part, "|", "\\|") if pc.any(pc.match_substring(part, "|")).as_py() else part for part in parts]
        joined = pc.binary_join_element_wise(*escaped, pa.scalar("|", pa.large_string()))
        return pc.if_else(pc.match_substring_regex(joined, r"^\|*$"), placed, joined)

    def whole_rows(self, rows: NDArray[np.intp] | None = None) -> Any:
        """Each row's texts joined, to tell whether two rows are the same in every column."""
        taken = None if rows is None else pa.array(rows)
        parts = [col.arrow(self.raw.iloc[:, i]) for i in range(self.raw.shape[1])]
        parts = parts if taken is None else [part.take(taken) for part in parts]
        return pc.binary_join_element_wise(*parts, pa.scalar("\x1f", pa.large_string()))

    def filtered(self) -> list[tuple[str, Flags]]:
        """Rows that named rules take out; a row falls under the first rule that matches."""
        taken = np.zeros(len(self), dtype=bool)
        found: list[tuple[str, Flags]] = []
        for rule in self.table.filters:
            values = pa.array(list(rule.values), type=pa.large_string())
            hit = pc.is_in(self.source_texts(rule.column), value_set=values).to_numpy(zero_copy_only=False) & ~taken
            taken |= hit
            found.append((rule.rule, hit))
        return found

    def bad(self) -> Flags:
        """Rows with a fault that keeps them out."""
        out = np.zeros(len(self), dtype=bool)
        for one in self.faults:
            if one.severity != Severity.INFO:
                out |= one.rows
        return out

    def findings(self) -> pd.DataFrame:
        """One row a fault and row: at (position in the chunk), expectation, column, value (cut), severity, reason.

        What is wrong in a row that a named rule takes out is nobody's business.
        """
        kept = np.ones(len(self), dtype=bool)
        for _, out in self.filtered():
            kept &= ~out
        parts = [pd.DataFrame({name: pd.Series([], dtype=dtype) for name, dtype in FINDING.items()})]
        for one in self.faults:
            rows = np.flatnonzero(one.rows & kept)
            texts = {"expectation": one.expectation, "column": one.column, "severity": one.severity.value, "reason": one.reason}
            parts.append(pd.DataFrame({"at": rows, "value": self._shown(one.column, rows), **texts}).astype(FINDING))
        return pd.concat(parts, ignore_index=True)

    def _shown(self, name: str, rows: NDArray[np.intp]) -> Sequence[str]:
        column = self.table.columns.get(name)
        texts = self.texts(name) if column is None else col.arrow(self.raw[column])
        return [text[:_SHOWN] for text in texts.take(pa.array(rows)).to_pylist()]


def _unmangled(texts: Any) -> Any:
    mangled = pc.match_substring_regex(texts, "[\u0080-\u00ff]")
    return col.coded(texts).replaced(col.unmangled) if pc.any(mangled).as_py() else texts


_NO_COLUMN = marked("{origin}: no column {name}")
_NEAREST = marked("{origin}: no column {name}; nearest is {near}")


def _require_columns(raw: pd.DataFrame, table: Table, origin: str) -> None:
    found = [str(name) for name in raw.columns]
    for name in table.sources():
        if found.count(name) == 1:
            continue
        if name in found:
            raise BadInput(
                said("{origin}: the column {name} stands more than once", origin=origin, name=repr(name)),
                expected=said("each mapped column once"),
            )
        near = get_close_matches(name, found, n=1)
        raise BadInput(
            said(_NEAREST, origin=origin, name=repr(name), near=repr(near[0]))
            if near
            else said(_NO_COLUMN, origin=origin, name=repr(name)),
            expected=said("the columns the mapping names; found are {found}", found=", ".join(found) or "none"),
            next_step=said("correct the mapping's {dataset} columns, or hand over the file again", dataset=table.dataset),
        )
