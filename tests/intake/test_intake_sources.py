import datetime
import io
import random
import sqlite3
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from credit_review.adapters import workbook
from credit_review.adapters.sources import open_source
from credit_review.errors import BadInput, Unavailable
from credit_review.receivables.mapping import Input


def no_secret(name: str) -> str:
    raise BadInput(f"secret {name} is not set")


def everything(folder: Path, secret: Callable[[str], str] = no_secret, **where: Any) -> pd.DataFrame:
    return pd.concat(list(open_source(Input(**where), folder=folder, secret=secret).read()))


def refusal(folder: Path, **where: Any) -> str:
    with pytest.raises(BadInput) as refused:
        everything(folder, **where)
    return str(refused.value)


def put(folder: Path, name: str, data: str | bytes) -> None:
    (folder / name).write_bytes(data if isinstance(data, bytes) else data.encode())


# --- CSV -------------------------------------------------------------------------------------------------------------------------


def test_csv_cells_arrive_as_the_text_they_are(tmp_path: Path) -> None:
    put(tmp_path, "a.csv", '\ufeffkey;amount;"a;b"\r\n0042;1.250,00 ;"x ""y""\nz"\r\n;NULL;nan\r\n')
    found = everything(tmp_path, csv="a.csv", delimiter=";")
    assert found.to_dict("list") == {"key": ["0042", ""], "amount": ["1.250,00 ", "NULL"], "a;b": ['x "y"\nz', "nan"]}
    assert list(found.index) == [2, 3]


def test_csv_in_another_encoding_is_read_as_declared_and_refused_with_its_line_otherwise(tmp_path: Path) -> None:
    put(tmp_path, "a.csv", "key,name\n1,Müller\n2,Größe\n".encode("latin-1"))
    assert everything(tmp_path, csv="a.csv", encoding="latin-1")["name"].tolist() == ["Müller", "Größe"]
    assert "a.csv line 2: not utf-8 text" in refusal(tmp_path, csv="a.csv")
    put(tmp_path, "b.csv", b"key,name\n" + b"1,x\n" * 300_000 + b"2,\xff\n")
    assert "b.csv line 300002: not utf-8 text" in refusal(tmp_path, csv="b.csv")
    assert "unknown encoding 'utf-9'" in refusal(tmp_path, csv="a.csv", encoding="utf-9")
    assert "unknown encoding 'hex'" in refusal(tmp_path, csv="a.csv", encoding="hex")


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ("", "a.csv is empty"),
        ("\n\n", "no header"),
        ("a,b\n1,2\n3\n", "a.csv line 3: the row ends before b, after 1 of 2 fields"),
        ("a,b\n1,2\n3,4,5\n", "a.csv line 3: 3 fields"),
        ("a,b,a\n1,2,3\n", "the column 'a' stands twice"),
        (",".join("c" for _ in range(3000)) + "\n", "3000 columns"),
        ('a,b\n1,2\n3,"4\n5,6\n', "a.csv line 3, b: a quote is opened and never closed"),
    ],
)
def test_a_csv_that_is_no_table_is_refused_by_name(tmp_path: Path, data: str, says: str) -> None:
    put(tmp_path, "a.csv", data)
    assert says in refusal(tmp_path, csv="a.csv")


def test_a_csv_with_a_header_only_has_columns_and_no_rows(tmp_path: Path) -> None:
    put(tmp_path, "a.csv", "a,b\n")
    found = everything(tmp_path, csv="a.csv")
    assert list(found.columns) == ["a", "b"] and found.empty


def test_a_missing_file_names_what_is_there(tmp_path: Path) -> None:
    put(tmp_path, "ledgr.csv", "a\n1\n")
    assert "found there: ledgr.csv" in refusal(tmp_path, csv="ledger.csv")


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_a_table_or_a_named_refusal(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    folder = tmp_path_factory.mktemp("any")
    put(folder, "a.csv", b"key,amount\n" + data)
    try:
        found = everything(folder, csv="a.csv")
    except BadInput as refused:
        assert str(refused).startswith("a.csv")
    else:
        assert list(found.columns) == ["key", "amount"]


# --- Parquet and JSON lines ---------------------------------------------------------------------------------------------------------


def test_parquet_values_become_plain_text(tmp_path: Path) -> None:
    table = pa.table(
        {
            "d": pa.array([datetime.date(2026, 3, 31), None]),
            "t": pa.array(["2026-03-31T00:00:00", "2026-03-31T09:05:00"]).cast(pa.timestamp("us")),
            "m": pa.array(["8734.71", "-0.10"]).cast(pa.decimal128(12, 2)),
            "f": pa.array([8734.71, 1930571429.0]),
            "i": pa.array([7, None]),
            "b": pa.array([True, False]),
            "s": pa.array(["0042", None]),
            "nested": pa.array([[1], []]),
        }
    )
    pq.write_table(table, tmp_path / "a.parquet")
    assert everything(tmp_path, parquet="a.parquet").to_dict("list") == {
        "d": ["2026-03-31", ""], "t": ["2026-03-31", "2026-03-31 09:05:00"], "m": ["8734.71", "-0.10"], "f": ["8734.71", "1930571429"],
        "i": ["7", ""], "b": ["true", "false"], "s": ["0042", ""],
    }  # fmt: skip


@pytest.mark.parametrize("keep", [0.2, 0.6, 0.99])
def test_a_parquet_file_cut_short_is_refused(tmp_path: Path, keep: float) -> None:
    pq.write_table(pa.table({"a": list(range(1000))}), tmp_path / "a.parquet")
    data = (tmp_path / "a.parquet").read_bytes()
    put(tmp_path, "a.parquet", data[: int(len(data) * keep)])
    assert "a.parquet: cut short or no Parquet file" in refusal(tmp_path, parquet="a.parquet")


def test_json_lines_keep_the_digits_of_numbers(tmp_path: Path) -> None:
    put(tmp_path, "a.jsonl", '{"id": 12345678901234567890, "amount": 0.10, "ok": true}\n\n{"id": "0042", "amount": null}\n')
    found = everything(tmp_path, jsonl="a.jsonl")
    assert found.to_dict("list") == {"id": ["12345678901234567890", "0042"], "amount": ["0.10", ""], "ok": ["true", ""]}
    assert list(found.index) == [1, 3]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('{"a": 1, "a": 2}', "line 2: a field stands twice"),
        ('{"a": [1]}', "line 2: not a flat object"),
        ("[1]", "line 2: not a flat object"),
        ('{"a": NaN}', "line 2: NaN"),
        ('{"a": ', "line 2:"),
        ("[" * 100_000, "line 2:"),
    ],
)
def test_a_json_line_that_is_no_flat_object_is_refused_with_its_line(tmp_path: Path, line: str, says: str) -> None:
    put(tmp_path, "a.jsonl", '{"a": 1}\n' + line + "\n")
    assert says in refusal(tmp_path, jsonl="a.jsonl")


# --- Excel ----------------------------------------------------------------------------------------------------------------------------


def book(path: Path, rows: list[list[Any]], title: str = "Ledger") -> None:
    made = openpyxl.Workbook()
    made.active.title = title
    for one in rows:
        made.active.append(one)
    made.save(path)


def test_excel_cells_become_the_text_excel_shows(tmp_path: Path) -> None:
    book(
        tmp_path / "a.xlsx",
        [["key", "amount", "day", None], ["0042", 8734.71, datetime.date(2026, 3, 31), 7], [1930571429, 0.1, None, None]],
    )
    found = everything(tmp_path, excel="a.xlsx", sheet="Ledger")
    assert found.to_dict("list") == {
        "key": ["0042", "1930571429"], "amount": ["8734.71", "0.1"], "day": ["2026-03-31", ""], "(column 4)": ["7", ""],
    }  # fmt: skip


def test_a_formula_is_refused_by_its_cell(tmp_path: Path) -> None:
    book(tmp_path / "a.xlsx", [["key", "amount"], ["1", 5], ["2", "=B2*2"]])
    assert "a.xlsx, sheet Ledger: a formula in cell B3" in refusal(tmp_path, excel="a.xlsx")


def test_excel_refuses_other_formats_sheets_macros_and_damage(tmp_path: Path) -> None:
    book(tmp_path / "a.xlsx", [["key"], ["1"]])
    assert "no sheet 'Other'" in refusal(tmp_path, excel="a.xlsx", sheet="Other")
    put(tmp_path, "a.xlsm", (tmp_path / "a.xlsx").read_bytes())
    assert "expected: an .xlsx workbook" in refusal(tmp_path, excel="a.xlsm")
    put(tmp_path, "cut.xlsx", (tmp_path / "a.xlsx").read_bytes()[:2000])
    assert "no whole workbook" in refusal(tmp_path, excel="cut.xlsx")
    put(tmp_path, "text.xlsx", "not a zip")
    assert "no whole workbook" in refusal(tmp_path, excel="text.xlsx")
    with zipfile.ZipFile(tmp_path / "a.xlsx", "a") as archive:
        archive.writestr("xl/vbaProject.bin", b"x")
    assert "holds macros" in refusal(tmp_path, excel="a.xlsx")


def rewritten(path: Path, member: str, change: Callable[[bytes], bytes]) -> None:
    data = io.BytesIO(path.read_bytes())
    with zipfile.ZipFile(data) as old, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for one in old.infolist():
            new.writestr(one.filename, change(old.read(one)) if one.filename == member else old.read(one))


SHEET = "xl/worksheets/sheet1.xml"


def test_bombs_are_refused_before_they_are_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    book(path, [["key"], ["1"]])
    rewritten(path, SHEET, lambda data: data + b" " * 50_000_000)
    assert "over 100 times its size" in refusal(tmp_path, excel="a.xlsx")
    book(path, [["key"], ["1"]])
    with zipfile.ZipFile(path, "a") as archive:
        for at in range(workbook.MOST_MEMBERS):
            archive.writestr(f"xl/{at}", b"")
    assert "files inside" in refusal(tmp_path, excel="a.xlsx")


@pytest.mark.parametrize("seed", range(25))
def test_a_damaged_workbook_is_read_or_refused_by_name(tmp_path: Path, seed: int) -> None:
    book(tmp_path / "a.xlsx", [["key", "amount"], *[[str(k), k / 4] for k in range(50)]])
    data = bytearray((tmp_path / "a.xlsx").read_bytes())
    dice = random.Random(seed)
    for _ in range(dice.choice((1, 2, 20))):
        data[dice.randrange(len(data))] = dice.randrange(256)
    put(tmp_path, "a.xlsx", bytes(data))
    try:
        everything(tmp_path, excel="a.xlsx")
    except BadInput as refused:
        assert str(refused).startswith("a.xlsx")


def test_one_far_cell_cannot_make_a_sheet_of_billions(tmp_path: Path) -> None:
    book(tmp_path / "a.xlsx", [["key"], ["1"]])
    far = b'<row r="1048576"><c r="XFD1048576" t="str"><v>x</v></c></row></sheetData>'
    rewritten(tmp_path / "a.xlsx", SHEET, lambda data: data.replace(b"</sheetData>", far))
    assert "an area of 16384 by 1048576 cells" in refusal(tmp_path, excel="a.xlsx")


def test_a_workbook_that_takes_too_much_memory_ends_the_process_that_reads_it_and_not_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row of nameless cells fits every bound on the file and still takes a hundred times its size to read."""
    book(tmp_path / "a.xlsx", [["key"], ["1"]])
    noise = b"".join(b"<c><v>%d</v></c>" % (k * 7919 % 1_000_003) for k in range(1_000_000))
    rewritten(tmp_path / "a.xlsx", SHEET, lambda data: data.replace(b"</sheetData>", b'<row r="3">' + noise + b"</row></sheetData>"))
    monkeypatch.setattr(workbook, "MOST_MEMORY", 150 * 1024 * 1024)
    said = refusal(tmp_path, excel="a.xlsx")
    assert "a.xlsx: reading it takes too much memory or time" in said and "export the ledger as CSV or Parquet" in said
    book(tmp_path / "a.xlsx", [["key"], ["1"]])
    assert everything(tmp_path, excel="a.xlsx")["key"].tolist() == ["1"]


def test_a_workbook_that_takes_too_long_ends_the_process_that_reads_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    book(tmp_path / "a.xlsx", [["key"], *[[k] for k in range(60_000)]])
    monkeypatch.setattr(workbook, "MOST_SECONDS", 0)
    assert "too much memory or time" in refusal(tmp_path, excel="a.xlsx")


def test_xml_entities_in_a_workbook_are_refused(tmp_path: Path) -> None:
    book(tmp_path / "a.xlsx", [["key"], ["1"]])
    bomb = b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;">]>'
    rewritten(tmp_path / "a.xlsx", SHEET, lambda data: data.replace(b"<worksheet", bomb + b"<worksheet", 1))
    assert "EntitiesForbidden" in refusal(tmp_path, excel="a.xlsx")


# --- databases -------------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def database(tmp_path: Path) -> Path:
    with sqlite3.connect(tmp_path / "erp.sqlite") as connection:
        connection.executescript(
            "CREATE TABLE items (key TEXT, amount, day TEXT); INSERT INTO items VALUES ('0042', '10.00', '2026-01-01'), ('2', 12.5, NULL);"
            "CREATE VIEW open_items AS SELECT key, amount FROM items WHERE day IS NULL; CREATE TABLE empty (a, b)"
        )
    connection.close()
    return tmp_path


def test_tables_views_and_queries_arrive_as_text(database: Path) -> None:
    assert everything(database, sqlite="erp.sqlite", table="items").to_dict("list") == {
        "key": ["0042", "2"], "amount": ["10.00", "12.5"], "day": ["2026-01-01", ""],
    }  # fmt: skip
    assert everything(database, sqlite="erp.sqlite", table="open_items")["key"].tolist() == ["2"]
    found = everything(database, sqlite="erp.sqlite", query="SELECT key || ':x' AS k FROM items WHERE key LIKE '%2' ORDER BY key")
    assert found["k"].tolist() == ["0042:x", "2:x"]
    assert list(everything(database, sqlite="erp.sqlite", table="empty").columns) == ["a", "b"]


def test_a_database_is_only_ever_read(database: Path) -> None:
    said = refusal(database, sqlite="erp.sqlite", query="WITH x AS (SELECT 1) INSERT INTO items SELECT 'a', 'b', 'c' FROM x")
    assert "readonly" in said or "read-only" in said or "query_only" in said or "not return rows" in said
    assert len(everything(database, sqlite="erp.sqlite", table="items")) == 2


def test_a_table_the_database_does_not_list_is_refused(database: Path) -> None:
    assert "no table or view 'ledger'" in refusal(database, sqlite="erp.sqlite", table="ledger")
    assert "no such column" in refusal(database, sqlite="erp.sqlite", query="SELECT nowhere FROM items")
    put(database, "text.sqlite", "not a database " * 100)
    assert "not a database" in refusal(database, sqlite="text.sqlite", table="items")


@pytest.mark.parametrize("name", ["items; DROP TABLE items", "items--", 'items"', "1items", "it ems", "", "x" * 64])
def test_a_table_name_is_an_identifier_or_refused(name: str) -> None:
    with pytest.raises(ValueError, match="letters, digits and _"):
        Input(sqlite="erp.sqlite", table=name)


@pytest.mark.parametrize("query", ["DELETE FROM items", "SELECT 1; DROP TABLE items", "PRAGMA query_only=off", "", "selection"])
def test_a_query_is_one_select_or_refused(query: str) -> None:
    with pytest.raises(ValueError, match="SELECT"):
        Input(sqlite="erp.sqlite", query=query)


@pytest.mark.parametrize("name", ["/etc/passwd", "../secret.csv", "a/../../b.csv", "..\\x.csv", ""])
def test_a_file_name_stays_inside_the_folder(name: str) -> None:
    with pytest.raises(ValueError, match="inside the source's folder"):
        Input(csv=name)


def test_text_that_is_not_utf8_needs_its_encoding_declared(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "a.sqlite") as connection:
        connection.execute("CREATE TABLE t (name TEXT)")
        connection.execute("INSERT INTO t VALUES (CAST(X'4dfc6c6c6572' AS TEXT))")
    connection.close()
    assert "decode" in refusal(tmp_path, sqlite="a.sqlite", table="t")
    assert everything(tmp_path, sqlite="a.sqlite", table="t", encoding="latin-1")["name"].tolist() == ["Müller"]


def test_no_error_shows_a_database_url(tmp_path: Path) -> None:
    url = "postgresql+psycopg://reader:hunter2@127.0.0.1:1/ledger"
    with pytest.raises(Unavailable) as refused:
        everything(tmp_path, secret=lambda _: url, url_secret="LEDGER_URL", table="items")
    source = open_source(Input(url_secret="LEDGER_URL", table="items"), folder=tmp_path, secret=lambda _: url)
    assert "hunter2" not in str(refused.value) + repr(source) and "reader" not in str(refused.value)
    with pytest.raises(BadInput) as wrong:
        everything(tmp_path, secret=lambda _: "nonsense hunter2", url_secret="LEDGER_URL", table="items")
    assert "hunter2" not in str(wrong.value)


def test_a_database_named_by_a_secret_is_only_read_as_well(database: Path) -> None:
    url = f"sqlite:///{database / 'erp.sqlite'}"
    with pytest.raises(BadInput):
        everything(database, secret=lambda _: url, url_secret="LEDGER_URL", query="WITH x AS (SELECT 1) DELETE FROM items")
    assert len(everything(database, secret=lambda _: url, url_secret="LEDGER_URL", table="items")) == 2
