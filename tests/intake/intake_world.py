"""A small ledger source in memory, its mapping, and the plain settings that reading needs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pandas as pd

from credit_review import documents, policy, receivables
from credit_review.policy import Policy
from credit_review.receivables import Mapping, ReadResult

ROOT = Path(__file__).resolve().parents[2]
STARTER = ROOT / "deployments" / "starter"
MAPPINGS = Path(__file__).parent / "mappings"
LEDGERS = ROOT.parent / "shared" / "data" / "ledgers"
AS_OF = date(2026, 3, 31)

COLUMNS = ("key", "number", "type", "posted", "due", "cleared", "currency", "amount", "open", "disputed")
MAPPING = """
version: "1"
source: erp
has: [cleared_items]
identity: {strip_blanks: true, strip_leading_zeros: true}
items:
  from: {csv: ledger.csv}
  row_key: [key]
  columns: {source_number: number, document: key, kind: type, posting_date: posted, due_date: due, clearing_date: cleared,
            currency: currency, amount: amount, open: open, disputed: disputed}
  dates: ["%Y-%m-%d", "%d.%m.%Y"]
  codes:
    kind: {RV: invoice, CN: credit_note, PY: payment}
  filters: [{rule: drafts are out, column: type, values: [DRAFT]}]
customers: {from: ledger, constants: {status: active}}
"""

ROW = ("1", "0042", "RV", "2026-01-10", "2026-02-10", "", "EUR", "100.00", "100.00", "")


def mapping(text: str = MAPPING, **swaps: str) -> Mapping:
    """The mapping in `text`, each key of `swaps` replaced by its value."""
    for old, new in swaps.items():
        text = text.replace(old, new)
    return receivables.load(documents.parse(text, name="mapping.yaml"))


def load(path: Path) -> Mapping:
    return receivables.load(documents.parse(path.read_text(encoding="utf-8"), name=path.name))


def starter_policy() -> Policy:
    path = STARTER / "policy.yaml"
    return policy.load(documents.parse(path.read_text(encoding="utf-8"), name=path.name))


def row(**fields: str) -> tuple[str, ...]:
    """A row of the ledger like ROW, but for some fields."""
    return tuple(fields.get(name, value) for name, value in zip(COLUMNS, ROW, strict=True))


def frame(rows: Iterable[tuple[str, ...]], columns: tuple[str, ...] = COLUMNS) -> pd.DataFrame:
    found = pd.DataFrame(list(rows), columns=list(columns), dtype="str")
    found.index = pd.RangeIndex(2, 2 + len(found))
    return found


def read(*rows: tuple[str, ...], text: str = MAPPING, as_of: date = AS_OF) -> ReadResult:
    return receivables.read_items(frame(rows), mapping(text), as_of)


def lines(result: ReadResult) -> dict[str, int]:
    """Rows by where they ended."""
    return {str(k): int(v) for k, v in result.accounting.groupby("line")["rows"].sum().items()}


@dataclass(frozen=True)
class Place:
    folder: str


@dataclass(frozen=True)
class PlainSettings:
    """As much of the settings as reading looks at."""

    sources: tuple[Place, ...]

    def path(self, name: str) -> Path:
        return Path(name)
