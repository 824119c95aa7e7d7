"""How a mapping reads a source, field by field."""

from __future__ import annotations

from datetime import date
from functools import partial

import pandas as pd

from credit_review import documents, receivables
from credit_review.receivables import mapping as mappings
from credit_review.receivables.looking import Example, look

MAPPING = mappings.load(
    documents.parse(
        """\
version: "1"
source: erp
identity: {strip_leading_zeros: true}
items:
  from: {csv: items.csv}
  row_key: [Beleg]
  columns: {source_number: Kunde, document: Beleg, kind: Art, posting_date: Buchung, amount: Betrag, currency: Waehrung}
  constants: {legal_entity: ALL}
  defaults: {currency: EUR}
  dates: ["%d.%m.%Y"]
  numbers: {decimal: ",", thousands: "."}
  codes: {kind: {RE: invoice}}
  filters: [{rule: test rows are out, column: Art, values: [TEST]}]
customers: {from: ledger}
""",
        name="mapping.yaml",
    )
)
ROWS = pd.DataFrame(
    {
        "Kunde": ["0017", "17", "18", "19", "20"],
        "Beleg": ["a", "b", "c", "d", "e"],
        "Art": ["RE", "RE", "RE", "TEST", "RE"],
        "Buchung": ["01.02.2026", "31.02.2026", "02.02.2026", "x", "03.02.2026"],
        "Betrag": ["1.234,50", "10,00", "1,2,3", "1", "7,00"],
        "Waehrung": ["USD", "", "EUR", "EUR", ""],
        "Filiale": ["1"] * 5,
    }
).astype("str")


def reading(rows=ROWS):
    how = partial(receivables.read_items, mapping=MAPPING, as_of=date(2026, 9, 30), origin="items.csv")
    return look(iter([rows.iloc[:2], rows.iloc[2:]]), MAPPING.items, how)


def field(name):
    return next(one for one in reading().fields if one.field == name)


def test_every_row_ends_somewhere_and_what_is_not_used_is_named():
    found = reading()
    assert found.lines == {"items": 2, "quarantined": 2, "out: test rows are out": 1}
    assert found.unused == ("Filiale",) and "due_date" in found.unmapped


def test_a_text_stands_beside_what_it_became_and_a_refused_one_beside_the_reason():
    assert field("amount").read == (Example(row="0", text="1.234,50", became="1,234.50 USD"), Example(row="4", text="7,00", became="7 EUR"))
    assert [(one.row, one.text) for one in field("amount").not_read] == [("c", "1,2,3")]
    assert field("posting_date").read[0] == Example(row="0", text="01.02.2026", became="2026-02-01")
    assert [(one.row, one.text) for one in field("posting_date").not_read] == [("b", "31.02.2026")]
    assert field("source_number").read[0].became == "17", "what the rules of identity make of a number"


def test_defaults_and_constants_are_counted_apart_from_what_the_source_states():
    currency, entity, amount = field("currency"), field("legal_entity"), field("amount")
    assert (currency.filled, currency.defaulted, currency.empty, currency.refused) == (3, 2, 0, 0)
    assert (entity.column, entity.constant, entity.empty) == ("", "ALL", 0)
    assert (amount.filled, amount.empty, amount.refused) == (5, 0, 1)
