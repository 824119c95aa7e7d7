"""What stands beside the ledger: customer master, external grades, statements, insurance and guarantees, rates, the source's own totals."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from credit_review.errors import BadInput
from credit_review.model.frames import (
    COVER,
    CUSTOMERS,
    DUPLICATES,
    EXTERNAL,
    QUARANTINE,
    RATES,
    REMARKS,
    STATED_TOTALS,
    STATEMENTS,
    Dataset,
)
from credit_review.model.money import EXPONENTS, MAX_MINOR
from credit_review.model.states import CreditStatus, DocumentKind, Severity
from credit_review.receivables import columns as col
from credit_review.receivables.chunk import Chunk
from credit_review.receivables.columns import Coded, Flags
from credit_review.receivables.mapping import STATEMENT_ITEMS, Cover, Customers, External, Mapping, Remarks, StatedTotals, Statements
from credit_review.receivables.read import ACCOUNTING, DUPLICATE, ITEM, NUMBERS, QUARANTINED, UNATTRIBUTED, Raw, ReadResult, chunks
from credit_review.words import marked, said

_STATUS = frozenset(s.value for s in CreditStatus)
_KINDS = frozenset(k.value for k in DocumentKind)
_TEXTS = ("name", "country", "region", "segment", "portfolio", "account_owner", "terms_code", "registration_number")
_NO_PARTIES = pd.DataFrame({"customer_id": pd.Series([], dtype=col.STR), "rows": pd.Series([], dtype="int64")})


def read_customers(raw: Raw, mapping: Mapping, *, origin: str = "") -> ReadResult:
    """The customer master, one row a source number: CUSTOMERS, not yet one row a customer (see identity.one_row_each).

    A field that cannot be read is named in the quarantine and left missing; the row stays, since every customer must end in a state.
    Unreadable limit, currency or status could hide risk (could_raise); other fields are listed. Rows without a number are quarantined.
    """
    table = mapping.customers
    if not isinstance(table, Customers):
        raise BadInput(said("this mapping has no customer master"), expected=said("customers.from with a file or table"))
    return _read(raw, origin or table.from_.name, mapping, CUSTOMERS, _customers_chunk)


def read_external(raw: Raw, mapping: Mapping, as_of: date, *, origin: str = "") -> ReadResult:
    """Reports of bureaus and registries known by `as_of`: EXTERNAL. A row with an unreadable field is quarantined whole."""
    result = _read(raw, origin or _from(mapping.external, "external"), mapping, EXTERNAL, _external_chunk)
    later = result.frame["report_date"] > pd.Timestamp(as_of)
    notes = (
        (marked("{count} external reports dated after the as-of date are left out").format(count=int(later.sum())),) if later.any() else ()
    )
    return _moved(result, later, "posted later", notes)


def read_statements(raw: Raw, mapping: Mapping, as_of: date, *, origin: str = "") -> ReadResult:
    """Yearly statements known by `as_of`: STATEMENTS. A row with an unreadable field is quarantined whole."""
    result = _read(raw, origin or _from(mapping.statements, "statements"), mapping, STATEMENTS, _statements_chunk)
    day = pd.Timestamp(as_of)
    later = (result.frame["period_end"] > day) | (result.frame["received_date"] > day)
    sentence = marked("{count} statements of periods that end, or received, after the as-of date are left out")
    return _moved(result, later, "posted later", (sentence.format(count=int(later.sum())),) if later.any() else ())


def read_remarks(raw: Raw, mapping: Mapping, as_of: date, *, origin: str = "") -> ReadResult:
    """What was written about customers by `as_of`: REMARKS. A row without a day or a word is quarantined."""
    result = _read(raw, origin or _from(mapping.remarks, "remarks"), mapping, REMARKS, _remarks_chunk)
    later = result.frame["remark_date"] > pd.Timestamp(as_of)
    sentence = marked("{count} remarks dated after the as-of date are left out")
    return _moved(result, later, "posted later", (sentence.format(count=int(later.sum())),) if later.any() else ())


def read_cover(raw: Raw, mapping: Mapping, *, origin: str = "") -> ReadResult:
    """Insured limits and guarantees: COVER. A row with an unreadable field is quarantined whole, so it covers nothing."""
    return _read(raw, origin or _from(mapping.cover, "cover"), mapping, COVER, _cover_chunk)


def read_rates(raw: Raw, mapping: Mapping, *, origin: str = "") -> ReadResult:
    """Exchange rates as decimal texts: RATES. A row that cannot be read is quarantined: a missing rate is missing, never 1."""
    return _read(raw, origin or _from(mapping.rates, "rates"), mapping, RATES, _rates_chunk)


def read_stated_totals(raw: Raw, mapping: Mapping, *, origin: str = "") -> ReadResult:
    """The source's own totals: STATED_TOTALS. Amounts in an unknown currency read 0, and only their rows can be compared.

    Raises BadInput when a row cannot be read: a control that cannot be read is no control.
    """
    name = origin or _from(mapping.stated_totals, "stated_totals")
    result = _read(raw, name, mapping, STATED_TOTALS, _totals_chunk)
    if len(result.quarantine):
        first = result.quarantine.iloc[0]
        raise BadInput(
            said(
                "{name}, row {row_key}, {column}: {value}, {reason}",
                name=name,
                row_key=first["row_key"],
                column=first["column"],
                value=repr(first["value"]),
                reason=first["reason"],
            ),
            expected=said("control totals that can be read"),
            next_step=said("hand over the totals again, or take stated_totals out of the mapping"),
        )
    return result


_Fields = tuple[dict[str, Any], Coded | None, Coded | None]


def _read(raw: Raw, origin: str, mapping: Mapping, dataset: Dataset, fields: Callable[[Chunk, Mapping], _Fields]) -> ReadResult:
    table = next(t for t in mapping.tables if t.dataset == dataset.name)
    frames, quarantines, accounts, numbers = [], [], [], []
    for one in chunks(raw):
        chunk = Chunk(one, table, origin)
        values, number, customer = fields(chunk, mapping)
        frame = pd.DataFrame(values)
        out = _left_out(chunk, customer)
        quarantines.append(_quarantine(chunk, number, customer, dataset))
        accounts.append(out)
        frames.append(frame[(out == ITEM).to_numpy(dtype=bool)])
        if number is not None and customer is not None:
            numbers.append(_numbers(chunk, mapping, number, customer))
    whole = pd.concat(frames, ignore_index=True)
    result = ReadResult(
        frame=col.conform(whole, dataset),
        quarantine=col.conform(pd.concat(quarantines, ignore_index=True), QUARANTINE),
        duplicates=col.empty(DUPLICATES),
        accounting=_accounting(pd.concat(accounts), dataset),
        numbers=_all_numbers(numbers),
        parties=_NO_PARTIES,
    )
    return _moved(result, result.frame.duplicated(keep="first"), DUPLICATE, ())


def _left_out(chunk: Chunk, customer: Coded | None) -> pd.Series[str]:
    """Where each row ends. Customers with a fault stay in, since each must end in a state."""
    names = [ITEM, QUARANTINED, UNATTRIBUTED]
    line = np.zeros(len(chunk), dtype=np.int64)
    if chunk.table.dataset != CUSTOMERS.name:
        line[chunk.bad()] = 1
    if customer is not None:
        line[customer.each(lambda c: c == "", np.bool_)] = 2
    for rule, rows in chunk.filtered():
        names.append(f"out: {rule}")
        line[rows] = len(names) - 1
    return col.series(col.take_texts(names, line))


def _quarantine(chunk: Chunk, number: Coded | None, customer: Coded | None, dataset: Dataset) -> pd.DataFrame:
    if customer is not None:
        unnamed = customer.each(lambda c: c == "", np.bool_)
        chunk.fault(unnamed, "source_number", "customer_is_named", marked("the row names no customer"))
    found = chunk.findings()
    at = found["at"].to_numpy(dtype=np.int64)
    keys = chunk.keys()
    if customer is not None and dataset.name == CUSTOMERS.name:
        names = customer.replaced(str)
        keys = col.first_filled(names, keys)
    listed = found.assign(
        dataset=dataset.name,
        row_key=col.series(keys).iloc[at].to_numpy(),
        source_number="" if number is None else col.series(number.replaced(str)).iloc[at].to_numpy(),
        customer_id="" if customer is None else col.series(customer.replaced(str)).iloc[at].to_numpy(),
        currency="",
        amount_minor=pd.array([pd.NA] * len(found), dtype="Int64"),
        could_raise=(found["severity"] != Severity.INFO.value) & (dataset.name == CUSTOMERS.name),
    )
    return listed[list(QUARANTINE.names)]


def _numbers(chunk: Chunk, mapping: Mapping, number: Coded, customer: Coded) -> pd.DataFrame:
    found = pd.DataFrame(
        {
            "legal_entity": col.series(chunk.texts("legal_entity")) if "legal_entity" in chunk.table.fields else "",
            "source_number": col.series(number.replaced(str)),
            "customer_id": col.series(customer.replaced(str)),
        }
    ).assign(source=mapping.source)
    return found.loc[found["customer_id"] != "", list(NUMBERS)].drop_duplicates()


def _all_numbers(parts: list[pd.DataFrame]) -> pd.DataFrame:
    if not parts:
        return pd.DataFrame({name: pd.Series([], dtype=col.STR) for name in NUMBERS})
    return pd.concat(parts, ignore_index=True).drop_duplicates().sort_values(list(NUMBERS), ignore_index=True).astype(col.STR)


def _accounting(lines: pd.Series[str], dataset: Dataset) -> pd.DataFrame:
    counted = lines.value_counts().sort_index()
    frame = pd.DataFrame({"line": counted.index.astype(col.STR), "rows": counted.to_numpy(dtype=np.int64)})
    frame = frame.assign(currency="", kind="", amount_minor=0, open_minor=0, unreadable=0, dataset=dataset.name)
    return frame.astype({"currency": col.STR, "kind": col.STR, "dataset": col.STR})[list(ACCOUNTING)]


def _moved(result: ReadResult, rows: pd.Series[bool], line: str, notes: tuple[str, ...]) -> ReadResult:
    """The result without `rows` of the frame, which are accounted for under `line`."""
    count = int(rows.sum())
    if not count:
        return result
    accounting = result.accounting.copy()
    accounting.loc[accounting["line"] == ITEM, "rows"] -= count
    moved = accounting[accounting["line"] == ITEM].assign(line=line, rows=count)
    return ReadResult(
        frame=result.frame[~rows].reset_index(drop=True),
        quarantine=result.quarantine,
        duplicates=result.duplicates,
        accounting=pd.concat([accounting, moved], ignore_index=True),
        numbers=result.numbers,
        parties=result.parties,
        notes=(*result.notes, *notes),
    )


def _customers_chunk(chunk: Chunk, mapping: Mapping) -> _Fields:
    entity = chunk.coded("legal_entity")
    number, customer = chunk.customers(mapping.identity, entity=entity)
    info = Severity.INFO
    money_there = ~chunk.without("limit") | ~chunk.without("tangible_net_worth")
    currency = chunk.currency(needed=money_there)
    terms = chunk.coded("terms_code")
    known = terms.each(lambda t: t in mapping.terms, np.bool_)
    unknown_terms = ~known & terms.each(bool, np.bool_)
    chunk.fault(unknown_terms, "terms_code", "terms_are_known", marked("the payment terms are not in the mapping's terms"), info)
    limit, has_limit, _ = chunk.money("limit", currency)
    worth, has_worth, _ = chunk.money("tangible_net_worth", currency, severity=info)
    _, group = chunk.customers(mapping.identity, entity=entity, name="group")
    values = {
        "customer_id": col.series(customer.replaced(str)),
        "source": mapping.source,
        "source_number": col.series(number.replaced(str)),
        "group_id": col.series(col.first_filled(group.replaced(str), customer.replaced(str))),
        "legal_entity": col.series(chunk.texts("legal_entity")),
        **{name: col.series(chunk.texts(name)) for name in _TEXTS},
        "currency": col.series(currency.replaced(str)),
        "status": col.series(chunk.codes("status", _STATUS, "status_is_known").replaced(str)),
        "status_since": chunk.days("status_since", severity=info),
        "customer_since": chunk.days("customer_since", severity=info),
        "terms_days": col.nullable(terms.each(lambda t: mapping.terms.get(t, 0), np.int64), known),
        "limit_minor": col.nullable(limit, has_limit),
        "tangible_net_worth_minor": col.nullable(worth, has_worth),
        "net_worth_date": chunk.days("net_worth_date", severity=info),
    }
    return values, number, customer


def _external_chunk(chunk: Chunk, mapping: Mapping) -> _Fields:
    number, customer = chunk.customers(mapping.identity, entity=None)
    table = chunk.table
    recommended = ~chunk.without("recommended_limit")
    currency = chunk.currency(needed=recommended)
    amount, has_amount, _ = chunk.money("recommended_limit", currency)
    percent = isinstance(table, External) and table.pd_unit == "percent"
    chunk.fault(chunk.without("provider"), "provider", "provider_is_named", marked("the report names no provider"))
    values = {
        "customer_id": col.series(customer.replaced(str)),
        "source_number": col.series(number.replaced(str)),
        "provider": col.series(chunk.texts("provider")),
        "report_date": chunk.days("report_date", required=True),
        "grade": col.series(chunk.texts("grade")),
        "pd_fraction": _fraction(chunk, "pd_fraction", percent=percent),
        "recommended_limit_minor": col.nullable(amount, has_amount),
        "currency": col.series(currency.replaced(str)),
    }
    return values, number, customer


def _statements_chunk(chunk: Chunk, mapping: Mapping) -> _Fields:
    number, customer = chunk.customers(mapping.identity, entity=None)
    currency = chunk.currency()
    months, has_months = chunk.whole("months")
    values: dict[str, Any] = {
        "customer_id": col.series(customer.replaced(str)),
        "source_number": col.series(number.replaced(str)),
        "period_end": chunk.days("period_end", required=True),
        "received_date": chunk.days("received_date"),
        "months": col.nullable(months, has_months),
        "currency": col.series(currency.replaced(str)),
    }
    for name in ("basis", "audited", "company_kind"):
        code = chunk.codes(name, Statements.coded[name], f"{name}_is_known", optional=True)
        values[name] = col.series(code.replaced(str))
    for item in STATEMENT_ITEMS:
        values[f"{item}_minor"] = _in_units(chunk, item, currency)
    return values, number, customer


def _remarks_chunk(chunk: Chunk, mapping: Mapping) -> _Fields:
    number, customer = chunk.customers(mapping.identity, entity=None)
    chunk.fault(chunk.without("remark"), "remark", "remark_is_present", marked("nothing is written"))
    values = {
        "row_key": col.series(chunk.keys()),
        "customer_id": col.series(customer.replaced(str)),
        "source_number": col.series(number.replaced(str)),
        "remark_date": chunk.days("remark_date", required=True),
        "kind": col.series(chunk.codes("kind", Remarks.coded["kind"], "kind_is_known", optional=True).replaced(str)),
        "remark": col.series(chunk.texts("remark")),
    }
    return values, number, customer


def _in_units(chunk: Chunk, item: str, currency: Coded) -> Any:
    """Minor units of an item stated in the mapping's unit; missing where empty. Too large to be true is a fault."""
    unit = chunk.table.unit if isinstance(chunk.table, Statements) else 1
    stated, there, _ = chunk.money(item, currency)
    beyond = there & (np.abs(stated) > MAX_MINOR // unit)
    chunk.fault(beyond, item, "amount_in_range", marked("the amount is too large to be true"))
    return col.nullable(np.where(beyond, 0, stated) * unit, there & ~beyond)


def _cover_chunk(chunk: Chunk, mapping: Mapping) -> _Fields:
    number, customer = chunk.customers(mapping.identity, entity=None)
    currency = chunk.currency()
    amount, _, nothing = chunk.money("amount", currency)
    chunk.fault(nothing & currency.each(bool, np.bool_), "amount", "amount_is_present", marked("the amount is missing"))
    reduced, has_reduced, _ = chunk.money("reduced_to", currency)
    fraction = _fraction(chunk, "cover_fraction", percent=False)
    values = {
        "customer_id": col.series(customer.replaced(str)),
        "source_number": col.series(number.replaced(str)),
        "kind": col.series(chunk.codes("kind", Cover.coded["kind"], "kind_is_known").replaced(str)),
        "reference": col.series(chunk.texts("reference")),
        "amount_minor": amount,
        "currency": col.series(currency.replaced(str)),
        "cover_fraction": np.where(chunk.without("cover_fraction"), 1.0, fraction),
        "valid_from": chunk.days("valid_from", required=True),
        "valid_to": chunk.days("valid_to"),
        "withdrawn_on": chunk.days("withdrawn_on"),
        "reduced_to_minor": col.nullable(reduced, has_reduced),
        "turnover_declared_to": chunk.days("turnover_declared_to"),
    }
    for name in ("max_terms_days", "notice_days", "stop_overdue_days", "report_overdue_days", "declare_every_days"):
        days, there = chunk.whole(name)
        words = marked("the {field} are less than none").format(field=name.replace("_", " "))
        chunk.fault(days < 0, name, f"{name}_is_not_negative", words)
        values[name] = col.nullable(days, there)
    return values, number, customer


def _rates_chunk(chunk: Chunk, mapping: Mapping) -> _Fields:
    def code(name: str) -> pd.Series[str]:
        return col.series(chunk.codes(name, frozenset(EXPONENTS), "currency_is_iso4217").replaced(str))

    texts = chunk.coded("rate")
    plain = tuple(col.decimal_text(t, chunk.table.numbers) or "" for t in texts.texts)
    good = Coded(texts.positions, tuple(p if p and float(p) > 0 else "" for p in plain))
    chunk.fault(good.each(lambda t: t == "", np.bool_), "rate", "rate_is_a_positive_number", marked("the rate is no positive number"))
    values = {
        "rate_date": chunk.days("rate_date", required=True),
        "base": code("base"),
        "quote": code("quote"),
        "rate": col.series(good.replaced(str)),
        "source": col.series(chunk.texts("source")),
    }
    return values, None, None


def _totals_chunk(chunk: Chunk, mapping: Mapping) -> _Fields:
    if not isinstance(chunk.table, StatedTotals):
        raise BadInput(said("this mapping has no stated totals"), expected=said("a section stated_totals"))
    kind = chunk.coded("kind")
    table = chunk.table.codes.get("kind", {})
    stated = chunk.coded("currency")
    codes = chunk.table.codes.get("currency", {})
    currency = Coded(stated.positions, tuple(codes.get(c, c) for c in stated.texts))
    amount, _, _ = chunk.money("amount", currency)
    rows, there = chunk.whole("rows")
    chunk.fault(~there & chunk.without("rows"), "rows", "rows_is_present", marked("the number of rows is missing"))
    stands_for = chunk.codes("dataset", frozenset({"items", "customers"}), "dataset_is_known") if chunk.has("dataset") else None
    values = {
        "dataset": "items" if stands_for is None else col.series(stands_for.replaced(str)),
        "currency": col.series(currency.replaced(str)),
        "kind": col.series(kind.replaced(lambda k: table.get(k, k))),
        "rows": rows,
        "amount_minor": amount,
    }
    return values, None, None


def _fraction(chunk: Chunk, name: str, *, percent: bool) -> Any:
    """A fraction of one; NaN where empty. Text that is no number, or lies outside 0 to 1, is a fault."""
    texts = chunk.coded(name)
    plain = Coded(texts.positions, tuple(col.decimal_text(t, chunk.table.numbers) or "" for t in texts.texts))
    value: Any = plain.each(lambda t: float(t) / (100 if percent else 1) if t else np.nan, np.float64)
    empty: Flags = texts.each(lambda t: t == "", np.bool_)
    wrong = ~empty & ~((value >= 0) & (value <= 1))
    chunk.fault(
        wrong, name, f"{name}_is_a_fraction", marked("the {field} does not lie between 0 and 1").format(field=name.replace("_", " "))
    )
    return value


def _from(table: Any, name: str) -> str:
    if table is None:
        raise BadInput(
            said("the mapping has no section {name}", name=name),
            expected=said("a section {name} that says where it is read from", name=name),
        )
    return str(table.from_.name)
