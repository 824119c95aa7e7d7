"""The European Central Bank's reference rates as it publishes them: one line a day in a CSV file (zipped or not), or XML.

Each rate becomes one row of texts: rate_date, base (EUR), quote, rate, source; its index counts the rates of the file from 1. A day without
a rate of a currency stays a row with the bank's own `N/A`, which the mapping takes out by a named rule.
"""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import ParseError

import pandas as pd
from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from credit_review.errors import BadInput
from credit_review.words import said

COLUMNS = ("rate_date", "base", "quote", "rate", "source")
BASE, SOURCE = "EUR", "ECB euro foreign exchange reference rates"
LARGEST = 64 << 20
"""Bytes of the largest file read, unpacked; all days since 1999 take 2 MB as CSV and 8 MB as XML."""
_CUBE = "{http://www.ecb.int/vocabulary/2002-08-01/eurofxref}Cube"
_AGAIN = said("fetch the file again from the bank's page of reference rates: eurofxref-hist.zip, its CSV, or eurofxref-hist.xml")

_Rate = tuple[str, str, str]


@dataclass(slots=True)
class CentralBankSource:
    """A file of the bank's reference rates: .csv, .zip with one CSV file in it, or .xml."""

    name: str
    path: Path

    def read(self) -> Iterator[pd.DataFrame]:
        """One frame of texts. Raises BadInput, naming file and line, for anything but the bank's own layouts."""
        found = list(self._xml() if self.path.suffix.lower() == ".xml" else self._csv())
        days, quotes, rates = zip(*found, strict=True) if found else ((), (), ())
        columns: dict[str, Any] = {"rate_date": days, "base": BASE, "quote": quotes, "rate": rates, "source": SOURCE}
        yield pd.DataFrame(columns, index=pd.RangeIndex(1, len(found) + 1), dtype="str")

    def _csv(self) -> Iterator[_Rate]:
        rows = csv.reader(io.StringIO(self._text(), newline=""), skipinitialspace=True)
        header = [name.strip() for name in next(rows, [])]
        if header[:1] != ["Date"] or len(header) < 2:
            first = repr(header[0] if header else "")
            raise self._refused(1, said("the first column is {first}", first=first), said("Date, and a column a currency"))
        for row in rows:
            if len(row) != len(header):
                raise self._refused(
                    rows.line_num, said("{got} fields", got=len(row)), said("{columns} fields, as in the header", columns=len(header))
                )
            for quote, rate in zip(header[1:], row[1:], strict=True):
                if quote:  # the bank ends each line with a comma
                    yield row[0].strip(), quote, rate.strip()

    def _xml(self) -> Iterator[_Rate]:
        try:
            root = fromstring(self._bytes(), forbid_dtd=True)
        except ParseError as error:
            raise self._refused(error.position[0], said("no whole XML document"), said("the bank's eurofxref XML")) from None
        except (DefusedXmlException, ValueError):
            raise self._refused(1, said("a document type declaration"), said("the bank's eurofxref XML, which has none")) from None
        days = [one for one in root.iter(_CUBE) if one.get("time") is not None]
        if not days:
            raise self._refused(1, said("no Cube with a time"), said("the bank's eurofxref XML"))
        for day in days:
            for one in day.iter(_CUBE):
                if one is not day:
                    yield str(day.get("time")), one.get("currency", ""), one.get("rate", "")

    def _text(self) -> str:
        try:
            return (self._unpacked() if self.path.suffix.lower() == ".zip" else self._bytes()).decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = error.object[: error.start].count(b"\n") + 1
            raise self._refused(line, said("not utf-8 text"), said("the bank's CSV file")) from None

    def _bytes(self) -> bytes:
        if self.path.stat().st_size > LARGEST:
            raise self._too_large()
        return self.path.read_bytes()

    def _unpacked(self) -> bytes:
        try:
            with zipfile.ZipFile(self.path) as packed:
                inside = packed.namelist()
                if len(inside) != 1:
                    raise self._refused(0, said("{count} files in it", count=len(inside)), said("one CSV file"))
                with packed.open(inside[0]) as file:
                    found = file.read(LARGEST + 1)  # what the archive says of a file's size may be untrue
        except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError) as error:
            raise self._refused(0, said("no whole zip file ({problem})", problem=str(error)), said("the bank's zip file")) from None
        if len(found) > LARGEST:
            raise self._too_large()
        return found

    def _too_large(self) -> BadInput:
        return self._refused(0, said("larger than {most} MB", most=LARGEST >> 20), said("the bank's file of reference rates"))

    def _refused(self, line: int, problem: str, expected: str) -> BadInput:
        what = said("{name} line {line}: {problem}", name=self.name, line=line, problem=problem)
        return BadInput(what if line else said("{name}: {problem}", name=self.name, problem=problem), expected=expected, next_step=_AGAIN)
