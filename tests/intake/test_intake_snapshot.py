import csv
import fcntl
import hashlib
import io
import json
import os
from dataclasses import replace
from datetime import date
from pathlib import Path

import pandas as pd
import pytest
from intake_world import AS_OF, MAPPING, ROW, Place, PlainSettings, mapping, row, starter_policy

from credit_review.adapters import files, snapshot
from credit_review.adapters.reading import Book, read_book
from credit_review.canaries import PREFIX
from credit_review.errors import BadInput, ReviewStopped, Tampered
from credit_review.model.frames import COVER, CUSTOMERS, ITEMS, bucket_of

HEADER = "key,number,type,posted,due,cleared,currency,amount,open,disputed\n"
ROWS = [row(key=str(k), number=f"{k % 9:04d}", amount=f"{k + 1}.00", open=f"{k + 1}.00") for k in range(1, 41)]
TOTALS = """
stated_totals:
  from: {csv: totals.csv}
  columns: {currency: currency, kind: kind, rows: rows, amount: amount}
"""


def book(folder: Path, rows: list[tuple[str, ...]], text: str = MAPPING, as_of: date = AS_OF) -> Book:
    (folder / "ledger.csv").write_text(HEADER + "".join(",".join(r) + "\n" for r in rows), encoding="utf-8")
    settings = PlainSettings((Place(str(folder)),))
    return read_book(settings, [mapping(text)], as_of=as_of, policy=starter_policy())


@pytest.fixture
def written(tmp_path: Path) -> snapshot.Written:
    return snapshot.write(tmp_path / "snapshots", book(tmp_path, ROWS), buckets=4)


def test_what_is_opened_is_what_was_written(tmp_path: Path, written: snapshot.Written) -> None:
    opened = snapshot.open_snapshot(written.folder)
    expected = book(tmp_path, ROWS).frames
    for name in ("items", "customers", "aliases", "quarantine", "duplicates", "external", "cover", "rates"):
        pd.testing.assert_frame_equal(opened.whole(name), expected[name])
    parts = [opened.frame("items", bucket) for bucket in range(4)]
    assert sum(map(len, parts)) == 40 and all(bucket_of(c, 4) == b for b, part in enumerate(parts) for c in part["customer_id"])
    assert opened.digest == written.digest == written.folder.name
    assert int(opened.accounting("items")["rows"].sum()) == opened.rows_read("items") == 40
    opened.verify()


def test_the_same_rows_give_the_same_digest_in_any_order_and_are_written_once(tmp_path: Path, written: snapshot.Written) -> None:
    bad = [row(key="x", amount="?"), row(key="y", number=""), row(key="z"), row(key="z"), row(key="w"), row(key="w", open="1.00")]
    first = snapshot.write(tmp_path / "snapshots", book(tmp_path, ROWS + bad), buckets=4)
    again = snapshot.write(tmp_path / "snapshots", book(tmp_path, (ROWS + bad)[::-1]), buckets=4)
    assert first.digest == again.digest != written.digest
    assert sorted(p.name for p in (tmp_path / "snapshots").iterdir()) == sorted({first.digest, written.digest})


def test_the_order_of_rows_in_a_frame_does_not_show(tmp_path: Path, written: snapshot.Written) -> None:
    found = book(tmp_path, ROWS)
    shuffled = {name: frame.sample(frac=1, random_state=7) for name, frame in found.frames.items()}
    assert snapshot.write(tmp_path / "snapshots", replace(found, frames=shuffled), buckets=4).digest == written.digest


@pytest.mark.parametrize("change", [{"amount": "2.01"}, {"number": "0003"}, {"due": "2026-02-11"}, {"disputed": "yes"}, {"key": "1000"}])
def test_any_changed_value_changes_the_digest(tmp_path: Path, written: snapshot.Written, change: dict[str, str]) -> None:
    changed = [row(**{**dict(zip(HEADER.strip().split(","), ROWS[0], strict=True)), **change}), *ROWS[1:]]
    assert snapshot.write(tmp_path / "snapshots", book(tmp_path, changed), buckets=4).digest != written.digest


def test_a_content_digest_can_be_recomputed_from_its_description_alone(written: snapshot.Written) -> None:
    opened = snapshot.open_snapshot(written.folder)
    for dataset, name in ((ITEMS, "items"), (CUSTOMERS, "customers")):
        for bucket, expected in opened.index["datasets"][name]["content"].items():
            frame = opened.frame(name, int(bucket))
            text = io.StringIO()
            text.write(",".join(f"{c.name}:{c.dtype}" for c in dataset.columns) + "\n")
            for record in frame.to_dict("records"):
                fields = []
                for column in dataset.columns:
                    value = record[column.name]
                    if column.dtype == "str":
                        fields.append('"' + value.replace('"', '""') + '"')
                    elif pd.isna(value):
                        fields.append("")
                    elif column.dtype == "bool":
                        fields.append("true" if value else "false")
                    else:
                        fields.append(f"{value:%Y-%m-%d}" if column.dtype == "date" else str(int(value)))
                text.write(",".join(fields) + "\n")
            assert hashlib.sha256(text.getvalue().encode()).hexdigest() == expected
    content = {k: v for k, v in opened.index.items() if k not in ("digest", "files")}
    canonical = json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    assert hashlib.sha256(canonical.encode()).hexdigest() == written.digest


def test_text_that_looks_like_other_fields_cannot_forge_a_digest(tmp_path: Path) -> None:
    frame = book(tmp_path, ROWS).frames["items"]
    one = frame.assign(document='a","b', legal_entity="")
    other = frame.assign(document="a", legal_entity='","b')
    assert len({snapshot.content_digest(f, ITEMS) for f in (frame, one, other)}) == 3


def test_a_column_added_since_changes_no_digest_until_a_row_has_it() -> None:
    row = {"customer_id": "C1", "kind": "guarantee", "reference": "g", "amount_minor": 100, "currency": "EUR", "cover_fraction": 1.0}
    kinds = {"str": "str", "int": "int64", "int?": "Int64", "float": "float64", "date": "datetime64[s]"}
    frame = pd.DataFrame([row], columns=list(COVER.names)).assign(source_number="")
    frame = frame.astype({c.name: kinds[c.dtype] for c in COVER.columns})
    before = replace(COVER, columns=tuple(c for c in COVER.columns if c.name not in COVER.later), later=frozenset())
    assert snapshot.content_digest(frame, COVER) == snapshot.content_digest(frame, before)
    assert snapshot.content_digest(frame.assign(notice_days=pd.array([30], dtype="Int64")), COVER) != snapshot.content_digest(frame, before)


def test_a_changed_missing_or_cut_file_is_named(written: snapshot.Written) -> None:
    path = written.folder / "items" / "0001.parquet"
    data = path.read_bytes()
    for damaged in (data[:-1] + bytes([data[-1] ^ 1]), data[: len(data) // 2], b""):
        path.write_bytes(damaged)
        with pytest.raises(Tampered, match=r"items/0001\.parquet is not what was written"):
            snapshot.open_snapshot(written.folder).frame("items", 1)
    path.unlink()
    with pytest.raises(Tampered, match=r"items/0001\.parquet is missing"):
        snapshot.open_snapshot(written.folder).whole("items")


def test_a_changed_index_is_refused(written: snapshot.Written) -> None:
    path = written.folder / snapshot.INDEX
    text = path.read_text(encoding="utf-8")
    lost = text.replace('"items/', '"itens/', 1)
    assert lost != text
    for damaged in (text.replace('"rows": 40', '"rows": 41', 1), lost, text[:-20], "[]", "{}"):
        path.write_text(damaged, encoding="utf-8")
        with pytest.raises(Tampered, match=r"snapshot\.json"):
            snapshot.open_snapshot(written.folder)
    path.unlink()
    with pytest.raises(Tampered, match="is missing"):
        snapshot.open_snapshot(written.folder)


def test_values_changed_together_with_their_file_hash_are_found_by_verify(written: snapshot.Written) -> None:
    opened = snapshot.open_snapshot(written.folder)
    bucket = next(b for b in range(4) if len(opened.frame("items", b)))
    name = f"items/{bucket:04d}.parquet"
    frame = opened.frame("items", bucket)
    frame.loc[0, "open_minor"] = 1
    files.write_frame(written.folder / name, frame, ITEMS)
    index = json.loads((written.folder / snapshot.INDEX).read_text(encoding="utf-8"))
    index["files"][name] = files.sha256_of(written.folder / name)
    (written.folder / snapshot.INDEX).write_text(json.dumps(index), encoding="utf-8")
    with pytest.raises(Tampered, match=r"items of .* does not hold what was snapshotted"):
        snapshot.open_snapshot(written.folder).verify()


def test_a_write_that_fails_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = book(tmp_path, ROWS)
    broken = replace(found, frames={**found.frames, "duplicates": found.frames["duplicates"].drop(columns="kind")})
    with pytest.raises((BadInput, KeyError)):
        snapshot.write(tmp_path / "snapshots", broken, buckets=4)
    assert list((tmp_path / "snapshots").iterdir()) == []


def totals(folder: Path, *lines: str) -> None:
    with (folder / "totals.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["currency", "kind", "rows", "amount"], *(line.split(",") for line in lines)])


def test_stated_totals_that_tie_are_kept_with_both_figures(tmp_path: Path) -> None:
    totals(tmp_path, "EUR,invoice,3,300.00")
    text = MAPPING + TOTALS
    made = book(tmp_path, [ROW, ROW, row(key="2")], text)
    opened = snapshot.open_snapshot(snapshot.write(tmp_path / "s", made, buckets=2).folder)
    (total,) = opened.control_totals()
    assert (total.rows, total.stated_rows, total.amount_minor, total.stated_minor, total.tied) == (3, 3, 30000, 30000, True)


@pytest.mark.parametrize(
    ("stated", "says"),
    [
        ("EUR,invoice,3,200.00", "items EUR invoice: 3 rows stated, 2 read"),
        ("EUR,invoice,2,200.01", "items EUR invoice: 200.01 EUR stated, 200.00 EUR read"),
        ("USD,invoice,0,0", "items EUR invoice: 0 rows stated, 2 read"),
        ("EUR,,1,200.00", "items EUR: 1 rows stated, 2 read"),
    ],
)
def test_totals_that_do_not_tie_stop_the_review_naming_both_figures(tmp_path: Path, stated: str, says: str) -> None:
    totals(tmp_path, stated)
    with pytest.raises(ReviewStopped) as stopped:
        book(tmp_path, [ROW, row(key="2")], MAPPING + TOTALS)
    assert says in str(stopped.value)


def test_a_row_lost_from_the_file_is_missed_by_the_totals(tmp_path: Path) -> None:
    totals(tmp_path, f"EUR,invoice,40,{sum(range(2, 42))}.00")
    book(tmp_path, ROWS, MAPPING + TOTALS)
    for lost in (0, 17, 39):
        with pytest.raises(ReviewStopped):
            book(tmp_path, ROWS[:lost] + ROWS[lost + 1 :], MAPPING + TOTALS)


def test_a_file_cut_anywhere_is_refused_or_misses_its_totals(tmp_path: Path) -> None:
    totals(tmp_path, f"EUR,invoice,40,{sum(range(2, 42))}.00")
    whole = book(tmp_path, ROWS, MAPPING + TOTALS)
    data = (tmp_path / "ledger.csv").read_bytes()
    settings = PlainSettings((Place(str(tmp_path)),))
    for end in [*range(0, len(data) - 1, 97), *range(len(data) - 12, len(data) - 1)]:
        (tmp_path / "ledger.csv").write_bytes(data[:end])
        with pytest.raises((BadInput, ReviewStopped)):
            read_book(settings, [mapping(MAPPING + TOTALS)], as_of=AS_OF, policy=starter_policy())
    (tmp_path / "ledger.csv").write_bytes(data[:-1])
    again = read_book(settings, [mapping(MAPPING + TOTALS)], as_of=AS_OF, policy=starter_policy())
    pd.testing.assert_frame_equal(again.frames["items"], whole.frames["items"])


def test_duplicates_count_in_stated_totals_as_the_mapping_says(tmp_path: Path) -> None:
    totals(tmp_path, "EUR,invoice,1,100.00")
    book(tmp_path, [ROW, ROW], MAPPING + TOTALS + "  duplicates: excluded\n")
    with pytest.raises(ReviewStopped):
        book(tmp_path, [ROW, ROW], MAPPING + TOTALS)


def test_an_amount_that_cannot_be_read_explains_a_difference_but_never_a_missing_row(tmp_path: Path) -> None:
    totals(tmp_path, "EUR,invoice,2,200.00")
    made = book(tmp_path, [ROW, row(key="2", open="?")], MAPPING + TOTALS)
    assert "could not be read" in made.ties[0].verdict
    totals(tmp_path, "EUR,invoice,3,300.00")
    with pytest.raises(ReviewStopped):
        book(tmp_path, [ROW, row(key="2", open="?")], MAPPING + TOTALS)


def test_a_total_that_cannot_be_read_is_no_total(tmp_path: Path) -> None:
    totals(tmp_path, "EUR,invoice,two,200.00")
    with pytest.raises(BadInput, match=r"totals\.csv, row .*rows: 'two'"):
        book(tmp_path, [ROW], MAPPING + TOTALS)


def test_where_nothing_is_stated_the_ledger_ties_to_itself_only(tmp_path: Path, written: snapshot.Written) -> None:
    (total,) = snapshot.open_snapshot(written.folder).control_totals()
    assert (total.stated_rows, total.tied, total.rows) == (None, None, 40)


def test_a_ledger_of_refused_rows_is_a_snapshot_without_items(tmp_path: Path) -> None:
    written = snapshot.write(tmp_path / "s", book(tmp_path, [row(amount="?")]), buckets=4)
    opened = snapshot.open_snapshot(written.folder)
    opened.verify()
    assert opened.whole("items").empty and opened.frame("customers", 3).empty and len(opened.whole("quarantine")) == 1


def test_a_ledger_without_rows_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"ledger\.csv holds no rows"):
        book(tmp_path, [])


def test_what_killed_processes_left_goes_and_what_is_under_way_stays(tmp_path: Path) -> None:
    root = tmp_path / "s"
    for name in (".new-dead", ".new-alive"):
        (root / name).mkdir(parents=True)
    handle = os.open(root / ".new-alive", os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    written = snapshot.write(root, book(tmp_path, ROWS), buckets=4)
    assert {path.name for path in root.iterdir()} == {".new-alive", written.digest}
    os.close(handle)
    snapshot.write(root, book(tmp_path, ROWS), buckets=4)
    assert {path.name for path in root.iterdir()} == {written.digest}


def test_a_customer_numbered_like_a_canary_is_quarantined_when_the_sources_are_read(tmp_path: Path) -> None:
    quarantine = book(tmp_path, [row(number=f"{PREFIX}77")]).frames["quarantine"]
    mine = quarantine[quarantine["expectation"] == "customer_id_is_not_reserved"]
    assert mine["customer_id"].tolist() == [f"{PREFIX}77"] and mine["could_raise"].tolist() == [True]
