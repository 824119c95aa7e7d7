"""Statements beside the ledger: read through the mapping, faults quarantined by row, kept in the snapshot only where there are any."""

import json
from datetime import date

import pandas as pd
import pytest
from intake_world import AS_OF, MAPPING, STARTER, Place, PlainSettings, mapping, row, starter_policy

from credit_review import receivables
from credit_review.adapters import files, reading, snapshot
from credit_review.model.frames import FEATURES, STATEMENTS
from credit_review.review import manifest as manifests
from expectations import gate
from expectations.promise import Context

WITH_STATEMENTS = (
    MAPPING
    + """
statements:
  from: {csv: statements.csv}
  row_key: [number, end]
  unit: 1000
  columns: {source_number: number, period_end: end, received_date: received, company_kind: kind, currency: currency, audited: audited,
            total_assets: assets, equity: equity, ebit: ebit, interest_expense: interest}
  codes: {audited: {Y: audited, N: unaudited}}
  constants: {months: "12", basis: individual}
"""
)
HEADER = "number,end,received,kind,currency,audited,assets,equity,ebit,interest"
SOUND = "0042,2025-12-31,2026-03-01,non_manufacturer,EUR,Y,1500.5,600,100,"


def read(*lines):
    names = HEADER.split(",")
    raw = pd.DataFrame([dict(zip(names, line.split(","), strict=True)) for line in lines], dtype="str")
    raw.index = pd.RangeIndex(2, len(raw) + 2)
    return receivables.read_statements([raw], mapping(WITH_STATEMENTS), AS_OF, origin="statements.csv")


def test_a_row_becomes_a_set_of_accounts_in_minor_units_and_what_is_left_out_is_missing():
    found = read(SOUND).frame.iloc[0]
    assert (found["customer_id"], found["months"], found["basis"], found["audited"]) == ("42", 12, "individual", "audited")
    assert (found["total_assets_minor"], found["equity_minor"]) == (1_500_500_00, 600_000_00)
    assert pd.isna(found["interest_expense_minor"]) and pd.isna(found["sales_minor"])


@pytest.mark.parametrize(
    ("line", "column", "expectation"),
    [
        (SOUND.replace("2025-12-31", "Q4"), "period_end", "period_end_is_a_date"),
        (SOUND.replace("2025-12-31", ""), "period_end", "period_end_is_present"),
        (SOUND.replace("EUR", "???"), "currency", "currency_is_iso4217"),
        (SOUND.replace("non_manufacturer", "bakery"), "company_kind", "company_kind_is_known"),
        (SOUND.replace("600", "six"), "equity", "amount_is_a_number"),
        (SOUND.replace("600", "90000000000000"), "equity", "amount_in_range"),
    ],
)
def test_a_row_with_an_unreadable_field_is_quarantined_whole_by_its_key(line, column, expectation):
    found = read(line)
    assert found.frame.empty
    assert found.quarantine[["column", "expectation"]].to_numpy().tolist() == [[column, expectation]]
    assert found.quarantine["row_key"].iloc[0].startswith("0042|")
    assert found.quarantine["dataset"].iloc[0] == "statements"


def test_a_kind_or_audit_that_is_not_stated_is_no_fault():
    found = read(SOUND.replace("non_manufacturer", "").replace(",Y,", ",,"))
    assert found.quarantine.empty
    assert found.frame["company_kind"].iloc[0] == found.frame["audited"].iloc[0] == ""


def test_statements_received_after_the_day_are_left_out_and_counted():
    found = read(SOUND, SOUND.replace("2026-03-01", "2026-04-01"), SOUND.replace("2025-12-31,2026-03-01", "2026-12-31,"))
    assert len(found.frame) == 1
    assert found.notes == ("2 statements of periods that end, or received, after the as-of date are left out",)


def book(folder, *lines, with_statements=True):
    names = "key,number,type,posted,due,cleared,currency,amount,open,disputed"
    (folder / "ledger.csv").write_text("\n".join([names, ",".join(row())]) + "\n", encoding="utf-8")
    (folder / "statements.csv").write_text("\n".join([HEADER, *lines]) + "\n", encoding="utf-8")
    one = mapping(WITH_STATEMENTS if with_statements else MAPPING)
    return reading.read_book(PlainSettings((Place(str(folder)),)), [one], as_of=AS_OF, policy=starter_policy())


def test_a_snapshot_holds_statements_and_one_without_them_is_as_it_was_before_there_were_any(tmp_path):
    found = book(tmp_path, SOUND)
    written = snapshot.write(tmp_path / "snapshots", found, buckets=2)
    opened = snapshot.open_snapshot(written.folder)
    opened.verify()
    pd.testing.assert_frame_equal(opened.whole("statements"), found.frames["statements"])
    bare = snapshot.write(tmp_path / "snapshots", book(tmp_path, with_statements=False), buckets=2)
    assert set(bare.digests) == {"items", "customers", "external", "cover", "rates", "aliases", "quarantine", "duplicates"}
    assert snapshot.open_snapshot(bare.folder).frame("statements", 0).empty


def test_the_sources_can_tell_statements_where_one_of_them_hands_them_over():
    assert receivables.capabilities([mapping(MAPPING), mapping(WITH_STATEMENTS)]) == {"cleared_items", "statements"}
    assert receivables.capabilities([mapping(MAPPING)]) == {"cleared_items"}


def test_a_manifest_without_statements_has_the_bytes_it_had_before_there_were_any():
    one = manifests.Manifest(
        review_id="r", label="l", kind="periodic", scope="all", as_of=AS_OF, time_zone="UTC", bucket_count=1, seed=0, code_commit="",
        lock_sha256="", policy="p", authority="a", scorecard="s",
    )  # fmt: skip
    assert "statements" not in json.loads(one.to_json())
    assert manifests.from_json(one.to_json()) == one
    whole = one.completed(snapshot="x", ledger="y", customers="z", statements="w")
    assert manifests.from_json(whole.to_json()).statements == "w"
    assert whole.opening() == one


def test_features_of_an_earlier_version_are_read_with_what_was_added_since_missing(tmp_path):
    import pyarrow.parquet as pq

    whole = files.empty_frame(FEATURES).reindex([0])
    whole = whole.fillna({c.name: "" if c.dtype == "str" else 0 for c in FEATURES.columns if c.dtype in ("str", "int", "float")})
    whole = whole.astype(files.empty_frame(FEATURES).dtypes.to_dict()).assign(customer_id="c1")
    path = tmp_path / "features.parquet"
    files.write_frame(path, whole, FEATURES)
    earlier = pq.read_table(path).drop_columns(sorted(FEATURES.later))
    pq.write_table(earlier, path)
    found = files.read_frame(path, FEATURES).iloc[0]
    assert (found["customer_id"], found["altman_zone"]) == ("c1", "")
    assert pd.isna(found["altman_z2"])
    pq.write_table(earlier.drop_columns(["open_items_minor"]), path)
    with pytest.raises(Exception, match="columns are not those of features"):
        files.read_frame(path, FEATURES)


# --- what is promised about them ------------------------------------------------------------------------------------------------------

ROW = {
    "customer_id": "c1", "source_number": "1", "period_end": date(2025, 12, 31), "received_date": date(2026, 3, 1), "months": 12,
    "basis": "individual", "audited": "audited", "company_kind": "non_manufacturer", "currency": "EUR", "total_assets_minor": 100_000,
    "current_assets_minor": 60_000, "current_liabilities_minor": 40_000, "total_liabilities_minor": 55_000, "equity_minor": 45_000,
}  # fmt: skip


def checked(*changes):
    blank = {c.name: {"str": "", "date": None, "int?": None}[c.dtype] for c in STATEMENTS.columns}
    frame = pd.DataFrame([blank | ROW | change for change in changes], columns=list(STATEMENTS.names))
    frame = frame.astype(files.empty_frame(STATEMENTS).dtypes.to_dict())
    return gate.check("statements", frame, context=Context(as_of=AS_OF, master=frozenset({"c1"})))


BROKEN = {
    "customer_is_known": {"customer_id": "c9"},
    "statements_are_known_by_as_of": {"received_date": date(2026, 5, 1)},
    "received_after_the_period": {"received_date": date(2010, 1, 1)},
    "currency_is_iso4217": {"currency": ""},
    "period_is_plausible": {"months": 36},
    "total_assets_are_positive": {"total_assets_minor": 0, "equity_minor": None, "current_assets_minor": None},
    "items_are_not_negative": {"interest_expense_minor": -5},
    "statements_balance": {"equity_minor": 40_000},
    "current_assets_are_part_of_total_assets": {"current_assets_minor": 100_001},
    "current_liabilities_are_part_of_total_liabilities": {"current_liabilities_minor": 55_001},
}


def test_each_promise_is_broken_by_the_row_that_breaks_it_and_by_no_sound_one():
    years = [date(2025 - n, 12, 31) for n in range(len(BROKEN))]
    rows = [{"period_end": end, "received_date": end} | change for end, change in zip(years, BROKEN.values(), strict=True)]
    twice = {"period_end": date(2010, 12, 31), "received_date": None}
    found = checked({"basis": "consolidated"}, *rows, twice, twice | {"equity_minor": 45_001})
    assert len(found.clean) == 1 and found.clean["basis"].iloc[0] == "consolidated"
    assert set(found.quarantine["expectation"]) == {*BROKEN, "statements_are_listed_once"}
    assert found.status != "ERROR"


def test_the_starter_mapping_shows_how_statements_are_mapped():
    text = (STARTER / "mapping.yaml").read_text(encoding="utf-8")
    start = text.index("# statements:")
    block, rest = text[start:].split("\n\n", 1)
    shown = mapping(text[:start] + "\n".join(line.removeprefix("# ") for line in block.splitlines()) + "\n\n" + rest)
    assert shown.statements is not None and shown.statements.unit == 1000
    assert mapping(text).statements is None
