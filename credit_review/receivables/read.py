"""Raw rows to canonical frames. Every row read ends as an item, quarantined, a duplicate, unattributed, or out by a named rule."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from credit_review.errors import BadInput, ReviewStopped
from credit_review.model.frames import DUPLICATES, ITEMS, QUARANTINE
from credit_review.model.money import EXPONENTS, MAX_MINOR
from credit_review.model.states import DocumentKind, Severity
from credit_review.receivables import columns as col
from credit_review.receivables import history
from credit_review.receivables.chunk import FINDING, Chunk
from credit_review.receivables.columns import Coded, Days, Flags, Ints
from credit_review.receivables.mapping import Items, Mapping
from credit_review.words import marked, said

ITEM, QUARANTINED, DUPLICATE, UNATTRIBUTED, POSTED_LATER = "items", "quarantined", "duplicates", "unattributed", "posted later"
LEFT_OUT = "out: "  # and the name of the rule
"""Where a row read ended; rows taken out by a filter stand under `out: <rule>`."""

ACCOUNTING = ("dataset", "line", "currency", "kind", "rows", "amount_minor", "open_minor", "unreadable")
NUMBERS = ("source", "legal_entity", "source_number", "customer_id")

Raw = pd.DataFrame | Iterable[pd.DataFrame]

_KINDS = frozenset(k.value for k in DocumentKind)
_LOWERS = [DocumentKind.CREDIT_NOTE, DocumentKind.PAYMENT, DocumentKind.ON_ACCOUNT]
_WITH_TERMS = [DocumentKind.INVOICE, DocumentKind.NOTE]
_FLAGS = {"true": True, "false": False, "yes": True, "no": False, "y": True, "n": False, "1": True, "0": False, "": False}
_FARTHEST = timedelta(days=366)
_SAME = [c for c in ITEMS.names if c not in ("row_key", "source_number")]


@dataclass(frozen=True, slots=True)
class ReadResult:
    """What reading one dataset gave.

    `frame` has the dataset's columns, rows of no identifiable customer with an empty customer_id among them; `quarantine` names every
    unreadable field; `duplicates` every row that said the same thing twice (items only). `accounting` (columns ACCOUNTING) counts every
    row read once: rows = items + quarantined + duplicates + unattributed + posted later + out by rule, per currency and kind as far as
    they are readable, with `unreadable` rows whose amounts are not in the sums. `numbers` (columns NUMBERS) are the customer numbers
    met with the id the mapping's rules give them. `parties` are the distinct customer texts of the ledger with a count of rows.
    """

    frame: pd.DataFrame
    quarantine: pd.DataFrame
    duplicates: pd.DataFrame
    accounting: pd.DataFrame
    numbers: pd.DataFrame
    parties: pd.DataFrame
    notes: tuple[str, ...] = ()

    @property
    def rows_read(self) -> int:
        """Rows the source handed over."""
        return int(self.accounting["rows"].sum())


def read_items(raw: Raw, mapping: Mapping, as_of: date, *, origin: str = "") -> ReadResult:
    """The ledger as at `as_of`: ITEMS posted by then, open amounts and clearing dates as they were known then.

    Amounts are integer minor units parsed from text without floats. A field that cannot be read quarantines its row with key, column,
    value and reason; exact duplicates are removed and listed; two different rows with one key are both quarantined. `raw` is a frame or
    chunks of text columns whose index is the line in the source. Raises BadInput for a missing column or a source without columns.
    """
    parts = [_items_chunk(one, mapping, as_of, origin or mapping.items.from_.name) for one in chunks(raw)]
    whole = pd.concat([p.frame for p in parts], ignore_index=True)
    offsets = np.cumsum([0, *(len(p.frame) for p in parts)])
    findings = pd.concat([p.findings.assign(at=p.findings["at"] + o) for p, o in zip(parts, offsets, strict=False)], ignore_index=True)
    whole, duplicates, clashes = _without_duplicates(whole, keyed=bool(mapping.items.row_key))
    findings = pd.concat([findings, clashes], ignore_index=True)
    listed = whole["line"].isin([QUARANTINED, UNATTRIBUTED, ITEM]).to_numpy(dtype=bool)
    quarantine = _quarantine(whole, findings[listed[findings["at"].to_numpy(dtype=np.int64)]])
    _require_sums(whole, mapping.source)
    kept = whole[whole["line"].isin([ITEM, UNATTRIBUTED])]
    if mapping.items.allocation == "oldest_first":
        kept = history.oldest_first(kept)
        whole.loc[kept.index, "open_minor"] = kept["open_minor"]
    return ReadResult(
        frame=col.conform(kept, ITEMS),
        quarantine=quarantine,
        duplicates=col.conform(duplicates, DUPLICATES),
        accounting=_accounting(whole),
        numbers=_together([p.numbers for p in parts], list(NUMBERS)),
        parties=_parties([p.parties for p in parts]),
        notes=_notes(whole, mapping),
    )


def chunks(raw: Raw) -> Iterable[pd.DataFrame]:
    """The raw frames one after the other; a single frame as one. Raises BadInput when there is none."""
    if isinstance(raw, pd.DataFrame):
        yield raw
        return
    some = False
    for one in raw:
        some = True
        yield one
    if not some:
        raise BadInput(said("the source handed over nothing"), expected=said("at least a header row"))


@dataclass(frozen=True, slots=True)
class _Part:
    frame: pd.DataFrame
    findings: pd.DataFrame
    numbers: pd.DataFrame
    parties: pd.DataFrame


def _items_chunk(raw: pd.DataFrame, mapping: Mapping, as_of: date, origin: str) -> _Part:
    chunk = Chunk(raw, mapping.items, origin)
    table = mapping.items
    entity = chunk.coded("legal_entity")
    number, customer = chunk.customers(mapping.identity, entity=entity)
    kind = _own_or_raw(chunk, "kind", chunk.codes("kind", _KINDS, "kind_is_known"))
    currency = chunk.currency()
    document, posting, due, clearing = _dates(chunk, mapping, as_of, kind)
    amount, opened, readable = _amounts(chunk, currency, kind, clearing, as_of)
    turned = kind.each(lambda k: k == "invoice", np.bool_) & (amount < 0) & (table.negative_invoices == "credit_note")
    frame = pd.DataFrame(
        {
            "row_key": col.series(chunk.keys()),
            "source": col.series(_same(mapping.source, len(chunk))),
            "legal_entity": col.series(chunk.texts("legal_entity")),
            "source_number": col.series(number.replaced(str)),
            "customer_id": col.series(customer.replaced(str)),
            "document": col.series(chunk.texts("document")),
            "kind": col.series(pc.if_else(pa.array(turned), "credit_note", kind.replaced(str))),
            "document_date": document,
            "posting_date": posting,
            "due_date": due,
            "clearing_date": _until(clearing, as_of),
            "currency": col.series(_own_or_raw(chunk, "currency", currency).replaced(str)),
            "amount_minor": np.where(readable, amount, 0),
            "open_minor": np.where(readable, opened, 0),
            "disputed": _flag(chunk, "disputed"),
            "written_off": _flag(chunk, "written_off"),
        }
    )
    bad = chunk.bad()
    frame["bad"], frame["readable"], frame["turned"] = bad, readable, turned
    frame["line"] = _lines(chunk, customer, bad, posting, as_of)
    frame["raw"] = _raw_texts(chunk, bad)
    numbers = _distinct({"legal_entity": entity, "source_number": number, "customer_id": customer})
    numbers = numbers[numbers["customer_id"] != ""].assign(source=mapping.source)
    return _Part(frame, chunk.findings(), numbers[list(NUMBERS)], _chunk_parties(chunk, entity, number, customer, currency))


def _own_or_raw(chunk: Chunk, name: str, ours: Coded) -> Coded:
    """Our codes, and the source's own text where it is unknown: such rows are quarantined, and counted under what they say."""
    texts = chunk.coded(name).texts
    return Coded(ours.positions, tuple(o or t for o, t in zip(ours.texts, texts, strict=True)))


def _dates(chunk: Chunk, mapping: Mapping, as_of: date, kind: Coded) -> tuple[Days, Days, Days, Days]:
    """Document, posting, due and clearing dates; the due date from the terms where the source leaves it empty."""
    posting = chunk.days("posting_date", required=True)
    late = posting > np.datetime64(as_of + _FARTHEST, "s")
    early = posting < np.datetime64("1970-01-01", "s")
    chunk.fault(
        late | early, "posting_date", "posting_date_is_plausible", marked("the posting date lies so far off that it must be a typing error")
    )
    document = chunk.days("document_date", severity=Severity.INFO)
    document = np.where(np.isnat(document), posting, document)
    due = chunk.days("due_date")
    if "terms" in mapping.items.columns or "terms" in mapping.items.constants:
        terms = chunk.coded("terms")
        known = terms.each(lambda t: t in mapping.terms, np.bool_)
        wanted = np.isnat(due) & kind.each(lambda k: k in _WITH_TERMS, np.bool_) & chunk.without("due_date")
        chunk.fault(
            wanted & ~known, "terms", "terms_are_known", marked("no due date, and the payment terms are not in the mapping's terms")
        )
        net = terms.each(lambda t: mapping.terms.get(t, 0), np.int64).astype("timedelta64[D]")
        due = np.where(wanted & known, document + net, due)
    later = kind.each(lambda k: k in ("order", "delivery"), np.bool_) & np.isnat(due)
    return document, posting, np.where(later, posting, due), _clearing(chunk, document)


def _clearing(chunk: Chunk, document: Days) -> Days:
    if not chunk.has("days_to_clear"):
        return chunk.days("clearing_date")
    after, there = chunk.whole("days_to_clear")
    return np.where(there, document + after.astype("timedelta64[D]"), np.datetime64("NaT", "s"))


def _amounts(chunk: Chunk, currency: Coded, kind: Coded, clearing: Days, as_of: date) -> tuple[Ints, Ints, Flags]:
    """Original and open amount as at `as_of` in our signs, and whether both could be read.

    Without an open amount an item is open in full until its clearing date; cleared after `as_of`, it was still open in full.
    """
    table = chunk.table
    assert isinstance(table, Items)  # noqa: S101 - the ledger's own reader
    sign = kind.each(lambda k: -1 if k in table.signs and table.signs[DocumentKind(k)] == "reversed" else 1, np.int64)
    amount, readable, nothing = chunk.money("amount", currency)
    chunk.fault(nothing & currency.each(bool, np.bool_), "amount", "amount_is_present", marked("the amount is missing"))
    day = np.datetime64(as_of, "s")
    whole = np.where(clearing <= day, 0, amount)
    if "open" not in table.columns:
        return amount * sign, whole * sign, readable
    opened, stated, left_out = chunk.money("open", currency)
    if chunk.has("days_to_clear"):
        clearing = np.where(stated & (opened != 0), np.datetime64("NaT", "s"), clearing)
    opened = np.where(clearing > day, amount, np.where(stated, opened, whole))
    return amount * sign, opened * sign, readable & (stated | left_out)


def _flag(chunk: Chunk, name: str) -> Flags:
    """A yes or no; what is neither reads as no and is listed."""
    found = chunk.coded(name)
    table = chunk.table.codes.get(name, {})
    ours = Coded(found.positions, tuple(table.get(t, t.lower()) for t in found.texts))
    unknown = ours.each(lambda t: t not in _FLAGS, np.bool_)
    chunk.fault(unknown, name, f"{name}_is_yes_or_no", marked("neither yes nor no by the mapping; read as no"), Severity.INFO)
    return ours.each(lambda t: _FLAGS.get(t, False), np.bool_)


def _until(clearing: Days, as_of: date) -> Days:
    return np.where(clearing > np.datetime64(as_of, "s"), np.datetime64("NaT", "s"), clearing)


def _lines(chunk: Chunk, customer: Coded, bad: Flags, posting: Days, as_of: date) -> pd.Series[str]:
    """Where each row ends, but for duplicates: the first that holds of out by rule, quarantined, posted later, unattributed, item."""
    names = [ITEM, UNATTRIBUTED, POSTED_LATER, QUARANTINED]
    line = np.zeros(len(chunk), dtype=np.int64)
    line[customer.each(lambda c: c == "", np.bool_)] = 1
    line[posting > np.datetime64(as_of, "s")] = 2
    line[bad] = 3
    for rule, rows in chunk.filtered():
        names.append(LEFT_OUT + rule)
        line[rows] = len(names) - 1
    return col.series(col.take_texts(names, line))


def _raw_texts(chunk: Chunk, bad: Flags) -> pd.Series[str]:
    """The whole row as text where it is needed to tell duplicates: all rows without declared keys, else the unreadable ones."""
    if not chunk.table.row_key:
        return col.series(chunk.whole_rows())
    texts = np.full(len(chunk), "", dtype=object)
    rows = np.flatnonzero(bad)
    texts[rows] = chunk.whole_rows(rows).to_pylist()
    return pd.Series(texts).astype(col.STR)


def _without_duplicates(whole: pd.DataFrame, *, keyed: bool) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """The rows with unique keys and `line` set for duplicates and clashing keys; the duplicates; findings of clashing keys.

    Duplicates are equal in every field (customer by our id); of a key that several different rows claim, none can be believed.
    """
    name = "row_key" if keyed else "raw"
    some = whole[name].duplicated(keep=False) & ~whole["line"].str.startswith("out: ")
    if not some.any():
        return whole, col.empty(DUPLICATES), _clashes(whole.index[:0], whole)
    twins = whole[some]
    twins = twins.sort_values([name, "source_number", *_SAME, "raw"], kind="stable") if keyed else twins
    same = [name, *_SAME, "raw"] if keyed else [name]
    kept_key = twins.groupby(same, sort=False, dropna=False)["row_key"].transform("first")
    again = twins.groupby("row_key", sort=False).cumcount()
    again = again[again > 0]
    gone = twins.index[twins.duplicated(same, keep="first")]
    left = twins.drop(index=gone)
    left = left[~left["bad"]]
    clash = left.index[left["row_key"].duplicated(keep=False)]
    findings = _clashes(clash, whole)
    whole.loc[clash, "line"] = QUARANTINED
    whole.loc[gone, "line"] = DUPLICATE
    whole.loc[again.index, "row_key"] = whole.loc[again.index, "row_key"] + "#" + (again + 1).astype(col.STR)
    return whole, whole.loc[gone].assign(kept_row_key=kept_key[gone]), findings


def _clashes(at: pd.Index[int], whole: pd.DataFrame) -> pd.DataFrame:
    reason = marked("another row has the same key and says something else, so neither can be believed")
    texts = {"expectation": "row_key_is_unique", "column": "row_key", "severity": Severity.WARNING.value, "reason": reason}
    return pd.DataFrame({"at": at.to_numpy(dtype=np.int64), "value": whole.loc[at, "row_key"].to_numpy(), **texts}).astype(FINDING)


def _quarantine(whole: pd.DataFrame, findings: pd.DataFrame) -> pd.DataFrame:
    """QUARANTINE rows of the findings. A row can raise exposure or lateness unless it is credit or cash beyond doubt, or stays in."""
    rows = whole.loc[
        findings["at"], ["row_key", "source_number", "customer_id", "currency", "kind", "amount_minor", "open_minor", "readable"]
    ]
    rows = rows.reset_index(drop=True)
    found = findings.reset_index(drop=True)
    lowers = rows["kind"].isin(_LOWERS) & rows["readable"] & (rows["amount_minor"] <= 0) & (rows["open_minor"] <= 0)
    listed = rows.assign(
        dataset=ITEMS.name,
        currency=rows["currency"].where(rows["currency"].isin(list(EXPONENTS)), ""),
        amount_minor=rows["open_minor"].astype("Int64").where(rows["readable"]),
        could_raise=~lowers & (found["severity"] != Severity.INFO.value),
        **{name: found[name] for name in ("expectation", "column", "value", "severity", "reason")},
    )
    return col.conform(listed, QUARANTINE)


def _require_sums(whole: pd.DataFrame, source: str) -> None:
    """Return when the amounts of each currency can be added exactly. Raises ReviewStopped naming currency and largest row otherwise."""
    size = whole[["amount_minor", "open_minor"]].abs().max(axis=1)
    sums = size.astype("float64").groupby(whole["currency"]).sum()
    for currency in sorted(sums.index[sums > MAX_MINOR]):
        largest = whole.loc[size[whole["currency"] == currency].idxmax()]
        raise ReviewStopped(
            said(
                "{source}: amounts in {currency} add up to more than {max_minor} minor units",
                source=source,
                currency=currency,
                max_minor=MAX_MINOR,
            ),
            expected=said("amounts that can be true"),
            next_step=said(
                "look at the largest, row {row_key} of customer {source_number}",
                row_key=largest["row_key"],
                source_number=largest["source_number"],
            ),
        )


def _accounting(whole: pd.DataFrame) -> pd.DataFrame:
    """Rows and sums of every line, per currency and kind; amounts that could not be read count as `unreadable` rows."""
    amounts = whole[["line", "currency", "kind", "amount_minor", "open_minor"]].assign(
        rows=1, unreadable=(~whole["readable"]).astype("int64")
    )
    amounts.loc[~whole["readable"], ["amount_minor", "open_minor"]] = 0
    summed = amounts.groupby(["line", "currency", "kind"], sort=True, as_index=False)[
        ["rows", "amount_minor", "open_minor", "unreadable"]
    ].sum()
    return summed.assign(dataset=pd.Series(ITEMS.name, index=summed.index, dtype=col.STR))[list(ACCOUNTING)]


def _notes(whole: pd.DataFrame, mapping: Mapping) -> tuple[str, ...]:
    found = [marked("{count} ledger rows read from {source}").format(count=len(whole), source=mapping.source)]
    for name, count in whole["line"].value_counts().sort_index().items():
        line = str(name)
        if line.startswith(LEFT_OUT):
            found.append(marked("{count} ledger rows out: {rule}").format(count=count, rule=line.removeprefix(LEFT_OUT)))
        elif line != ITEM:
            found.append(marked("{count} ledger rows {what}").format(count=count, what=line))
    if turned := int((whole["turned"] & (whole["line"] == ITEM)).sum()):
        found.append(marked("{count} negative invoices were booked as credit notes, as the mapping declares").format(count=turned))
    if "cleared_items" not in mapping.has:
        found.append(marked("the source has no clearing history: open amounts are as of extraction"))
    return tuple(found)


def _same(text: str, count: int) -> Any:
    return pa.repeat(pa.scalar(text, pa.large_string()), count)


def _distinct(columns: dict[str, Coded]) -> pd.DataFrame:
    """The distinct combinations of the columns, with the number of rows of each."""
    combined = np.zeros(len(next(iter(columns.values())).positions), dtype=np.int64)
    for one in columns.values():
        combined = pd.factorize(combined * max(len(one.texts), 1) + one.positions)[0].astype(np.int64)
    firsts = np.unique(combined, return_index=True, return_counts=True)
    found = {name: np.asarray(one.texts, dtype=object)[one.positions[firsts[1]]] for name, one in columns.items()}
    return pd.DataFrame(found).astype(col.STR).assign(rows=firsts[2].astype(np.int64))


def _chunk_parties(chunk: Chunk, entity: Coded, number: Coded, customer: Coded, currency: Coded) -> pd.DataFrame:
    table = chunk.table
    texts = table.customer_columns if isinstance(table, Items) else {}
    columns = {"customer_id": customer, "source_number": number, "legal_entity": entity, "currency": currency}
    columns |= {name: col.coded(chunk.source_texts(column)) for name, column in texts.items()}
    found = _distinct(columns)
    return found[found["customer_id"] != ""]


def _together(parts: list[pd.DataFrame], columns: list[str]) -> pd.DataFrame:
    whole = pd.concat(parts, ignore_index=True)[columns]
    return whole.drop_duplicates().sort_values(columns, ignore_index=True)


def _parties(parts: list[pd.DataFrame]) -> pd.DataFrame:
    whole = pd.concat(parts, ignore_index=True)
    names = [name for name in whole.columns if name != "rows"]
    summed: pd.DataFrame = whole.groupby(names, sort=True, as_index=False)[["rows"]].sum()
    return summed
