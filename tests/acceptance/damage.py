"""Ways to damage a ledger's files and a review's files, and what a damaged ledger holds by an independent count."""

from __future__ import annotations

import csv
import io
from collections import Counter
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

import pandas as pd
from hypothesis import strategies as st

FILES = ("ledger.csv", "customers.csv", "bureau.csv", "cover.csv", "rates.csv", "control_totals.csv")
CELLS = (
    "", " ", "abc", "0", "-1", "-0.01", "1e999", "NaN", "inf", "9" * 30, "1.234", "1,50", "2026-02-30", "2026-09-31", "0001-01-01",
    "9999-12-31", "2026-10-01", "31.12.2025", "=1+1", "ZZZ", "EUR", "USD", "JPY", "INV", "PAY", "0000100114", "100114", "９", "\u202e",
    "\x00", "x" * 5000, "'; DROP TABLE proposal; --", "Y", "N", "A", "I", "nan", "None", "true",
)  # fmt: skip
"""What a cell may be overwritten with: blanks, wrong types, wrong ranges, other rows' values, and texts that break parsers."""


@dataclass(frozen=True)
class Damage:
    """One thing done to a file. `row` and `column` choose among what is there, whatever its size."""

    file: str
    how: str
    row: int
    column: int
    value: str = ""


HOW_OF_ROWS = ("cell", "cell", "cell", "cell", "lose row", "double row", "swap rows", "cut row", "widen row")
HOW_OF_FILES = ("empty", "header only", "lose", "cut off", "foreign byte", "rename column", "lose column", "swap columns")


def damages(files=FILES):
    """Any damage to any of these files; most of it to the ledger, and to cells."""
    return st.builds(
        Damage,
        file=st.sampled_from((*files, "ledger.csv", "ledger.csv")),
        how=st.sampled_from((*HOW_OF_ROWS, *HOW_OF_ROWS, *HOW_OF_FILES)),
        row=st.integers(0, 10**6),
        column=st.integers(0, 10**6),
        value=st.sampled_from(CELLS),
    )


def rows_of(path):
    """Header and rows of a CSV file."""
    return list(csv.reader(io.StringIO(path.read_text(encoding="utf-8"), newline="")))


def inflict(folder, damage):
    """Do it; returns the damaged rows as they were and as they are, as mappings by column."""
    path = folder / damage.file
    if damage.how in HOW_OF_FILES:
        _to_the_file(path, damage)
        return [], []
    header, *rows = rows_of(path)
    at = damage.row % len(rows)
    other = (at + 1 + damage.column) % len(rows)
    touched = [at, other] if damage.how == "swap rows" else [at]
    before = [dict(zip(header, rows[i], strict=True)) for i in touched]
    column = damage.column % len(header)
    if damage.how == "cell":
        rows[at][column] = damage.value
    elif damage.how == "lose row":
        del rows[at]
        touched = []
    elif damage.how == "double row":
        rows.insert(at, list(rows[at]))
        touched = [at, at + 1]
    elif damage.how == "swap rows":
        rows[at], rows[other] = rows[other], rows[at]
    elif damage.how == "cut row":
        rows[at] = rows[at][:column]
    elif damage.how == "widen row":
        rows[at].append(damage.value)
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([header, *rows])
    path.write_text(out.getvalue(), encoding="utf-8")
    return before, [dict(zip(header, rows[i], strict=False)) for i in touched]


def _to_the_file(path, damage):
    data = path.read_bytes()
    header, _, body = data.partition(b"\n")
    names = header.split(b",")
    column = damage.column % len(names)
    if damage.how == "lose":
        path.unlink()
        return
    if damage.how == "empty":
        data = b""
    elif damage.how == "header only":
        data = header + b"\n"
    elif damage.how == "cut off":
        data = data[: len(data) - 1 - damage.row % (len(data) - 1)]
    elif damage.how == "foreign byte":
        at = damage.row % len(data)
        data = data[:at] + b"\xff" + data[at:]
    elif damage.how == "rename column":
        names[column] += b"_"
        data = b",".join(names) + b"\n" + body
    elif damage.how == "lose column":
        lines = [line.split(b",") for line in data.splitlines() if b'"' not in line]
        data = b"\n".join(b",".join(cell for at, cell in enumerate(line) if at != column) for line in lines) + b"\n"
    elif damage.how == "swap columns":
        other = (column + 1) % len(names)
        names[column], names[other] = names[other], names[column]
        data = b",".join(names) + b"\n" + body
    path.write_bytes(data)


def counted(path):
    """Rows of a ledger file, and open amounts by currency in minor units of the rows whose currency and open amount can be read."""
    header, *rows = rows_of(path)
    rows = [dict(zip(header, row, strict=False)) for row in rows if any(row)]
    sums = Counter()
    for row in rows:
        sums.update(open_of(row))
    return len(rows), sums


def open_of(row):
    """The open amount a row states, by currency, in minor units; nothing when it cannot be read."""
    currency, text = row.get("currency", "").strip(), row.get("open_amount", "").strip()
    try:
        minor = Decimal(text) * 100
    except InvalidOperation:
        return {}
    if currency not in ("EUR", "USD", "GBP") or not minor.is_finite() or minor != minor.to_integral_value() or abs(minor) >= 10**16:
        return {}
    return {currency: int(minor)}


# --- between stages ----------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Spoiling:
    """One thing done to a file between two stages: to its bytes, or to a row of it in a file that is whole again afterwards."""

    stage: int
    file: int
    how: str
    row: int
    column: int


SPOIL_BYTES = ("flip byte", "cut off", "lose", "empty")
SPOIL_ROWS = ("lose row", "double row", "change cell")


def spoilings(stages):
    """Any spoiling of any file after any of so many stages."""
    return st.builds(
        Spoiling,
        stage=st.integers(0, stages - 1),
        file=st.integers(0, 10**6),
        how=st.sampled_from((*SPOIL_BYTES, *SPOIL_ROWS, *SPOIL_ROWS)),
        row=st.integers(0, 10**6),
        column=st.integers(0, 10**6),
    )


def spoil(path, spoiling):
    """Do it; returns whether the file differs now."""
    before = path.read_bytes()
    if spoiling.how in SPOIL_ROWS and path.suffix == ".parquet":
        frame = pd.read_parquet(path)
        if len(frame):
            _a_row(frame, spoiling).to_parquet(path, index=False)
    elif spoiling.how == "lose":
        path.unlink()
        return True
    elif spoiling.how == "cut off":
        path.write_bytes(before[: spoiling.row % len(before)])
    elif spoiling.how == "empty":
        path.write_bytes(b"")
    else:
        at = spoiling.row % len(before)
        path.write_bytes(before[:at] + bytes([before[at] ^ 1]) + before[at + 1 :])
    return path.read_bytes() != before


def _a_row(frame, spoiling):
    at = spoiling.row % len(frame)
    if spoiling.how == "lose row":
        return frame.drop(index=at)
    if spoiling.how == "double row":
        return pd.concat([frame, frame.iloc[[at]]], ignore_index=True)
    name = frame.columns[spoiling.column % len(frame.columns)]
    other = frame[name].iloc[(at + 1) % len(frame)]
    frame.loc[at, name] = other
    return frame
