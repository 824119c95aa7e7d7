"""The items of a bucket as plain arrays in account currency: what exists at as_of, what is open, what has a rate and a customer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from credit_review import fx
from credit_review.errors import BadInput
from credit_review.exposure.arrays import NO_DAY, Flags, Ints, day_number, day_numbers, months_before
from credit_review.model.frames import PANDAS, QUARANTINE
from credit_review.model.money import EXPONENTS
from credit_review.model.states import DocumentKind
from credit_review.words import marked

CAPABILITIES = frozenset(
    {"sales", "cleared_items", "orders", "deliveries", "notes", "limits", "disputes", "write_offs", "statements", "remarks"}
)
"""What a source can state. A figure that needs one the source lacks is not computable, never 0."""

KINDS = tuple(DocumentKind)
INVOICE, CREDIT_NOTE, NOTE, ORDER, DELIVERY = (
    KINDS.index(kind)
    for kind in (DocumentKind.INVOICE, DocumentKind.CREDIT_NOTE, DocumentKind.NOTE, DocumentKind.ORDER, DocumentKind.DELIVERY)
)
NEVER = 2**40
"""Day number of a clearing that has not happened."""

ExchangeUse = tuple[str, str, str, date, str, int]


@dataclass(frozen=True, slots=True)
class Ledger:
    """Items that exist at as_of, one array entry each: position of the customer, kind, days, amounts in account currency.

    `due` is the stated due date; where the source has none, document date (else posting) plus the customer's terms, or plus nothing when
    the customer has no terms. `open` is 0 for an item cleared on or before as_of. `receivable` is every kind but orders, deliveries, notes.
    `row` is the item's place among the rows that were read.
    """

    customer: Ints
    kind: NDArray[np.int8]
    posted: Ints
    document: Ints
    due: Ints
    cleared: Ints
    amount: Ints
    open: Ints
    disputed: Flags
    row: Ints

    @property
    def receivable(self) -> Flags:
        """Invoices, credit notes, payments and on-account cash."""
        flags: Flags = (self.kind != NOTE) & (self.kind != ORDER) & (self.kind != DELIVERY)
        return flags

    def where(self, keep: Flags) -> Ledger:
        """The entries of `keep`; the same ledger when it keeps all."""
        return self if keep.all() else Ledger(*(getattr(self, f.name)[keep] for f in fields(self)))


@dataclass(frozen=True, slots=True)
class Read:
    """A ledger, the rows left out of it, and the conversions made. `unpriced` holds (customer position, base, quote) of left-out rows."""

    ledger: Ledger
    quarantine: pd.DataFrame
    used: list[ExchangeUse]
    unpriced: list[tuple[int, str, str]]


def positions(ids: pd.Series[Any], customers: pd.Index[Any]) -> Ints:
    """Position of each id among the customers, -1 where there is none."""
    codes, uniques = pd.factorize(ids)
    if not len(uniques):
        return np.full(len(ids), -1, dtype=np.int64)
    at = customers.get_indexer(pd.Index(uniques)).astype(np.int64)
    return np.where(codes < 0, -1, at[codes])


def read(items: pd.DataFrame, customers: pd.DataFrame, *, as_of: date, rates: fx.RateTable) -> Read:
    """The ledger of ITEMS rows for customers sorted by id (indexed by position). Rows posted after as_of do not exist yet and are left out.

    Left out into the quarantine: rows of customers not in the master, rows without any date, rows whose amount still matters and has no
    rate. Raises BadInput on an unknown document kind.
    """
    customer = positions(items["customer_id"], pd.Index(customers["customer_id"]))
    kind = _kinds(items)
    document, posting, due = (day_numbers(items[name]) for name in ("document_date", "posting_date", "due_date"))
    posted = np.where(posting != NO_DAY, posting, np.where(document != NO_DAY, document, due))
    unknown, undated = customer < 0, posted == NO_DAY
    document = np.where(document == NO_DAY, posted, document)
    terms = customers["terms_days"].fillna(0).to_numpy(dtype=np.int64)
    due = np.where(due == NO_DAY, document + terms[customer] if len(terms) else document, due)
    cleared = day_numbers(items["clearing_date"])
    cleared = np.where(cleared == NO_DAY, NEVER, cleared)
    today = day_number(as_of)
    amount = items["amount_minor"].to_numpy(dtype=np.int64, copy=True)
    still_open = np.where(cleared <= today, 0, items["open_minor"].to_numpy(dtype=np.int64))
    exists = ~unknown & ~undated & (posted <= today)
    since = day_number(months_before(as_of, 12))
    matters = exists & ((still_open != 0) | (cleared > since) | (posted > since))
    money = _convert(items["currency"], customers["currency"], customer, matters, (amount, still_open), on=as_of, rates=rates)
    disputed = items["disputed"].to_numpy(dtype=bool)
    ledger = Ledger(customer, kind, posted, document, due, cleared, amount, still_open, disputed, np.arange(len(items), dtype=np.int64))
    refused = [
        (unknown, "customer_in_master", "customer_id", marked("the row's customer is not in the customer master")),
        (undated & ~unknown, "item_is_dated", "posting_date", marked("the row has no posting, document or due date, so it cannot be aged")),
        (money.without_rate, "missing_rate", "currency", marked("no exchange rate to the customer's account currency on the as-of date")),
    ]
    return Read(ledger.where(exists & ~money.without_rate), _quarantine(items, refused), money.used, money.unpriced)


@dataclass(frozen=True, slots=True)
class _Money:
    without_rate: Flags
    used: list[ExchangeUse]
    unpriced: list[tuple[int, str, str]]


def _convert(
    item_currency: pd.Series[Any],
    account_currency: pd.Series[Any],
    customer: Ints,
    matters: Flags,
    columns: Sequence[Ints],
    *,
    on: date,
    rates: fx.RateTable,
) -> _Money:
    """Convert the columns in place where item and account currency differ; one rounding an amount."""
    account, base = account_currency.to_numpy(dtype=object), pd.factorize(item_currency, use_na_sentinel=False)
    names = [str(name) for name in base[1].tolist()]
    accounts = pd.Index(names).get_indexer(pd.Index([str(code) for code in account])) if len(account) else np.zeros(0, dtype=np.int64)
    known = np.array([name in EXPONENTS for name in names], dtype=bool)
    home = (base[0] == accounts[customer]) & known[base[0]] if len(account) and len(names) else np.zeros(len(customer), dtype=bool)
    foreign = np.flatnonzero(matters & ~home)
    without = np.zeros(len(customer), dtype=bool)
    used: list[ExchangeUse] = []
    unpriced: set[tuple[int, str, str]] = set()
    if not len(foreign):
        return _Money(without, used, [])
    target, targets = pd.factorize(account[customer[foreign]])
    pair = base[0][foreign] * len(targets) + target
    for number in np.unique(pair).tolist():
        rows, one, other = foreign[pair == number], names[number // len(targets)], str(targets[number % len(targets)])
        try:
            factor = rates.factor(base=one, quote=other, on=on)
        except fx.MissingRate:
            without[rows] = True
            unpriced.update((at, one, other) for at in np.unique(customer[rows]).tolist())
            continue
        for column in columns:
            column[rows] = fx.scale(column[rows], factor.numerator, factor.denominator)
        used.append((one, other, factor.rate, factor.rate_date, factor.source, len(rows)))
    return _Money(without, used, sorted(unpriced))


def _kinds(items: pd.DataFrame) -> NDArray[np.int8]:
    codes, uniques = pd.factorize(items["kind"], use_na_sentinel=False)
    known = {str(kind): number for number, kind in enumerate(KINDS)}
    table = np.array([known.get(str(name), -1) for name in uniques.tolist()], dtype=np.int8)
    kind = table[codes] if len(codes) else np.zeros(0, dtype=np.int8)
    if (kind < 0).any():
        row = items.iloc[int(np.flatnonzero(kind < 0)[0])]
        raise BadInput(
            f"items, row {row['row_key']}: unknown document kind {row['kind']!r}",
            expected=", ".join(KINDS),
            next_step="map the document type in the source's mapping",
        )
    return kind


def _quarantine(items: pd.DataFrame, refused: Sequence[tuple[Flags, str, str, str]]) -> pd.DataFrame:
    parts = [quarantine_rows(items, mask, "items", items["row_key"], *rest, could_raise=True) for mask, *rest in refused if mask.any()]
    return merge_quarantine(parts)


def quarantine_rows(
    frame: pd.DataFrame, mask: Flags, dataset: str, row_key: pd.Series[Any], rule: str, column: str, reason: str, *, could_raise: bool
) -> pd.DataFrame:
    """QUARANTINE rows for the rows of `mask`, which failed `rule` on `column`."""
    rows = frame.loc[mask]
    amount = rows[next(name for name in ("open_minor", "amount_minor", "recommended_limit_minor") if name in rows)]
    value = rows[column].astype("str").fillna("").str.slice(0, 80)
    found = pd.DataFrame(
        {
            "dataset": dataset,
            "row_key": row_key[mask],
            "source_number": rows["source_number"],
            "customer_id": rows["customer_id"],
            "expectation": rule,
            "column": column,
            "value": value,
            "severity": "warning",
            "currency": rows["currency"],
            "amount_minor": amount.astype("Int64"),
            "could_raise": could_raise,
            "reason": reason,
        }
    )
    return found[list(QUARANTINE.names)]


def merge_quarantine(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """One QUARANTINE frame of the parts, sorted by its key, with its dtypes even when empty."""
    types = {column.name: PANDAS[column.dtype] for column in QUARANTINE.columns}
    found = [part.astype(types) for part in parts if len(part)]
    merged = pd.concat(found, ignore_index=True) if found else pd.DataFrame({name: [] for name in types}).astype(types)
    return merged.sort_values(list(QUARANTINE.key), kind="stable", ignore_index=True)
