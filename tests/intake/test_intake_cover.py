"""Cover beside the ledger: the insurer's conditions come from the file as it states them, and a row that cannot be read covers nothing."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from intake_world import AS_OF, MAPPING, Place, PlainSettings, mapping, row, starter_policy

from credit_review.adapters import reading, snapshot
from credit_review.adapters.reading import Book

WITH_COVER = (
    MAPPING
    + """
cover:
  from: {csv: cover.csv}
  row_key: [number, ref]
  columns: {source_number: number, kind: kind, reference: ref, amount: amount, currency: currency, cover_fraction: part, valid_from: start,
            valid_to: end, max_terms_days: terms, withdrawn_on: withdrawn, notice_days: notice, reduced_to: rest, stop_overdue_days: stop,
            report_overdue_days: report, turnover_declared_to: declared, declare_every_days: every}
"""
)
HEADER = "number,kind,ref,amount,currency,part,start,end,terms,withdrawn,notice,rest,stop,report,declared,every"
WITHDRAWN = "0042,insured_limit,P-1,1000,EUR,0.9,2026-01-01,2027-01-01,60,2026-03-15,45,250.50,90,75,2026-02-28,31"
PLAIN = "0042,guarantee,G-1,500,EUR,,2026-01-01,,,,,,,,,"
CONDITIONS = ("max_terms_days", "notice_days", "reduced_to_minor", "stop_overdue_days", "report_overdue_days", "declare_every_days")


def book(folder: Path, *lines: str) -> Book:
    names = "key,number,type,posted,due,cleared,currency,amount,open,disputed"
    (folder / "ledger.csv").write_text("\n".join([names, ",".join(row())]) + "\n", encoding="utf-8")
    (folder / "cover.csv").write_text("\n".join([HEADER, *lines]) + "\n", encoding="utf-8")
    return reading.read_book(PlainSettings((Place(str(folder)),)), [mapping(WITH_COVER)], as_of=AS_OF, policy=starter_policy())


def test_conditions_of_cover_are_read_from_the_file_and_kept_in_the_snapshot(tmp_path):
    written = snapshot.write(tmp_path / "snapshots", book(tmp_path, WITHDRAWN, PLAIN), buckets=2)
    opened = snapshot.open_snapshot(written.folder)
    opened.verify()
    found = opened.whole("cover").set_index("reference")
    assert [int(found.loc["P-1", name]) for name in CONDITIONS] == [60, 45, 250_50, 90, 75, 31]
    assert (found.loc["P-1", "withdrawn_on"], found.loc["P-1", "turnover_declared_to"]) == (
        pd.Timestamp("2026-03-15"),
        pd.Timestamp("2026-02-28"),
    )
    assert found.loc["G-1", [*CONDITIONS, "withdrawn_on", "turnover_declared_to"]].isna().all() and found.loc["G-1", "cover_fraction"] == 1


@pytest.mark.parametrize(
    ("old", "new", "column"),
    [
        ("2026-03-15", "soon", "withdrawn_on"),
        (",45,", ",a month,", "notice_days"),
        ("250.50", "half", "reduced_to"),
        (",90,", ",9.5,", "stop_overdue_days"),
        (",75,", ",late,", "report_overdue_days"),
        ("2026-02-28", "yearly", "turnover_declared_to"),
        (",31", ",monthly", "declare_every_days"),
        (",31", ",-31", "declare_every_days"),
    ],
)
def test_a_row_with_a_condition_that_cannot_be_read_covers_nothing_and_is_named(tmp_path, old, new, column):
    found = book(tmp_path, WITHDRAWN.replace(old, new), PLAIN)
    assert found.frames["cover"]["reference"].tolist() == ["G-1"]
    refused = found.frames["quarantine"]
    assert refused.loc[refused["dataset"] == "cover", "column"].tolist() == [column]
