"""The European Central Bank's files of reference rates, in the layouts it publishes."""

from __future__ import annotations

import zipfile
from datetime import date

import pytest

from credit_review import documents, receivables
from credit_review.adapters import sources
from credit_review.adapters.central_bank import LARGEST
from credit_review.errors import BadInput
from credit_review.fx import RateTable
from credit_review.receivables import mapping as mappings

HISTORY = """Date,USD,JPY,CYP,GBP,ISK,
2026-09-29,1.0834,161.07,N/A,0.8521,N/A,
2026-09-28,1.0810,160.90,N/A,0.8530,150.2,
2007-12-31,1.4721,164.93,0.585274,0.73335,91.9,
"""
DAILY = "Date, USD, JPY, GBP, \n29 September 2026, 1.0834, 161.07, 0.8521, \n"
XML = """<?xml version="1.0" encoding="UTF-8"?>
<gesmes:Envelope xmlns:gesmes="http://www.gesmes.org/xml/2002-08-01" xmlns="http://www.ecb.int/vocabulary/2002-08-01/eurofxref">
  <gesmes:subject>Reference rates</gesmes:subject>
  <gesmes:Sender><gesmes:name>European Central Bank</gesmes:name></gesmes:Sender>
  <Cube><Cube time='2026-09-29'><Cube currency='USD' rate='1.0834'/><Cube currency='GBP' rate='0.8521'/></Cube></Cube>
</gesmes:Envelope>"""
BOMB = '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "b">]><a>&b;</a>'

MAPPING = """\
version: "1"
source: erp
items:
  from: {csv: items.csv}
  columns: {source_number: a, document: b, posting_date: c, due_date: d, amount: e, open: f}
  constants: {currency: EUR, kind: invoice}
customers: {from: {csv: customers.csv}, columns: {source_number: a, name: b}, constants: {currency: EUR, status: active}}
rates: {from: {ecb: %s}}
"""


def read(folder, name, content):
    path = folder / name
    if name.endswith(".zip"):
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
            packed.writestr("eurofxref-hist.csv", content)
    else:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    mapping = mappings.load(documents.parse(MAPPING % name, name="mapping.yaml"))
    source = sources.open_source(mapping.rates.from_, folder=folder, secret=lambda name: name)
    return receivables.read_rates(source.read(), mapping, origin=source.name)


@pytest.mark.parametrize("name", ["eurofxref-hist.csv", "eurofxref-hist.zip"])
def test_all_days_are_read_and_what_is_left_out_is_counted_by_its_rule(tmp_path, name):
    found = read(tmp_path, name, HISTORY)
    assert len(found.quarantine) == 0 and found.rows_read == 15
    assert found.accounting.set_index("line")["rows"].to_dict() == {
        "items": 11,
        "out: currencies that no longer exist": 3,
        "out: no rate was fixed that day": 1,
    }
    dollar = found.frame[found.frame["rate"] == "1.0834"].iloc[0]
    assert dollar.drop("rate_date").tolist() == ["EUR", "USD", "1.0834", "ECB euro foreign exchange reference rates"]
    rates = RateTable.from_frame(found.frame, over=["EUR"])
    assert rates.convert(108_340, base="USD", quote="GBP", on=date(2026, 9, 30)).minor == 85_210
    assert rates.convert(100, base="EUR", quote="ISK", on=date(2026, 9, 30)).rate_date == date(2026, 9, 28)


@pytest.mark.parametrize(("name", "content"), [("eurofxref.csv", DAILY), ("eurofxref-daily.xml", XML)])
def test_the_newest_days_file_says_the_same(tmp_path, name, content):
    found = read(tmp_path, name, content)
    rates = RateTable.from_frame(found.frame)
    assert rates.convert(100_000, base="EUR", quote="GBP", on=date(2026, 9, 29)).minor == 85_210
    assert not len(found.quarantine)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.csv", HISTORY[:60], "a.csv line 2"),
        ("a.csv", "when,USD\n2026-09-29,1\n", "line 1: the first column is 'when'"),
        ("a.csv", HISTORY.encode() + b"\xff", "line 5: not utf-8 text"),
        ("a.xml", XML[:-40], "a.xml line"),
        ("a.xml", BOMB, "document type declaration"),
        ("a.xml", "<a/>", "no Cube with a time"),
        ("a.zip", b"PK\x03\x04 and no more", ""),
        ("a.zip", "x" * (LARGEST + 1), "larger than 64 MB"),
    ],
)
def test_a_damaged_file_is_refused_by_name_and_line(tmp_path, name, content, words):
    if name == "a.zip" and isinstance(content, bytes):
        (tmp_path / name).write_bytes(content)
        mapping = mappings.load(documents.parse(MAPPING % name, name="mapping.yaml"))
        with pytest.raises(BadInput, match=r"a\.zip: no whole zip file"):
            list(sources.open_source(mapping.rates.from_, folder=tmp_path, secret=str).read())
        return
    with pytest.raises(BadInput, match=words):
        read(tmp_path, name, content)


def test_a_rate_that_cannot_be_read_is_quarantined_by_day_and_currency(tmp_path):
    found = read(tmp_path, "a.csv", HISTORY.replace("0.8530", "0.85.30"))
    assert found.quarantine[["row_key", "column", "value"]].to_numpy().tolist() == [["2026-09-28|GBP", "rate", "0.85.30"]]
