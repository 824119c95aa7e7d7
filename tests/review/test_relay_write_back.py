"""One contract over all write-backs: no delivery twice in effect, no older version over a newer, and what is held can be read back."""

from __future__ import annotations

import csv
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine, text

from credit_review.adapters.write_back import FIELDS, HELD, CsvDropWriteBack, NullWriteBack, TableWriteBack
from credit_review.errors import BadInput, Unavailable


def delivery(version=1, *, account="a-1", amount=100_00, **fields):
    known = {
        "change_id": f"c-{account}-{version}",
        "account_id": account,
        "version": version,
        "subject_kind": "customer",
        "subject_id": "c-1",
        "source_numbers": "0042",
        "legal_entity": "ALL",
        "layer": "base",
        "currency": "EUR",
        "amount_minor": amount,
        "terms_days": 30,
        "effective_from": "2026-10-01",
        "effective_to": None,
        "due": "2026-10-01T00:00:00+00:00",
    }
    return {**known, **fields}


@pytest.fixture(params=["null", "sqlite table", "postgresql table", "csv drop"])
def write_back(request, tmp_path):
    if request.param in ("null", "csv drop"):
        yield NullWriteBack() if request.param == "null" else CsvDropWriteBack(tmp_path, answers=False)
        return
    url = f"sqlite:///{tmp_path / 'erp.db'}" if "sqlite" in request.param else request.getfixturevalue("postgres_url")
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    opened = TableWriteBack(engine, "erp_limits")
    opened.create()
    opened.check()
    yield opened
    engine.dispose()


def test_what_was_sent_can_be_read_back(write_back):
    answer = write_back.send(delivery())
    assert answer == {"outcome": "written", **write_back.read_back(["a-1"])["a-1"]}
    assert dict(write_back.read_back(["a-1"])["a-1"]) == {
        "amount_minor": 100_00, "currency": "EUR", "terms_days": 30, "version": 1, "change_id": "c-a-1-1",
    }  # fmt: skip


def test_an_account_never_sent_is_not_held(write_back):
    assert write_back.read_back(["nobody"]) == {}


def test_a_repeated_delivery_has_no_effect(write_back):
    write_back.send(delivery())
    again = write_back.send(delivery(amount=999))
    assert (again["outcome"], again["amount_minor"]) == ("held", 100_00)


def test_an_older_version_never_replaces_a_newer(write_back):
    write_back.send(delivery(3, amount=300_00))
    late = write_back.send(delivery(2, amount=200_00))
    assert (late["outcome"], late["version"]) == ("held", 3)
    assert write_back.read_back(["a-1"])["a-1"]["amount_minor"] == 300_00


def test_no_limit_on_file_differs_from_a_limit_of_nothing(write_back):
    write_back.send(delivery(1, amount=0))
    assert write_back.read_back(["a-1"])["a-1"]["amount_minor"] == 0
    write_back.send(delivery(2, amount=None, terms_days=None))
    held = write_back.read_back(["a-1"])["a-1"]
    assert (held["amount_minor"], held["terms_days"]) == (None, None)


def test_accounts_are_apart(write_back):
    for n in range(5):
        write_back.send(delivery(account=f"a-{n}", amount=n))
    assert {i: h["amount_minor"] for i, h in write_back.read_back([f"a-{n}" for n in range(5)]).items()} == {f"a-{n}": n for n in range(5)}


@pytest.mark.parametrize(
    "wrong",
    [{"amount_minor": 1.5}, {"amount_minor": "100"}, {"version": None}, {"currency": "XXX"}, {"account_id": "../x"}, {"change_id": "a/b"}],
)
def test_a_delivery_that_is_not_what_it_must_be_is_refused(write_back, wrong):
    with pytest.raises(BadInput):
        write_back.send(delivery(**wrong))
    with pytest.raises(BadInput, match="layer"):
        write_back.send({k: v for k, v in delivery().items() if k != "layer"})


def test_the_newest_version_wins_whatever_the_order_and_the_number_of_writers(write_back):
    orders = [[1, 2, 3, 4], [4, 3, 2, 1], [2, 4, 1, 3]]
    threads = [threading.Thread(target=lambda o=o: [write_back.send(delivery(v, amount=v)) for v in o]) for o in orders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert write_back.read_back(["a-1"])["a-1"]["version"] == 4


@given(st.lists(st.integers(1, 6), min_size=1, max_size=20))
@settings(max_examples=100)
def test_the_null_twin_takes_each_version_once_and_only_upwards(versions):
    twin = NullWriteBack()
    for version in versions:
        twin.send(delivery(version))
    taken = [int(c.rsplit("-", 1)[1]) for c in twin.effects]
    assert taken == sorted(set(taken)) and taken[-1] == max(versions)
    assert "unsafe" in twin.name


# --- the table ----------------------------------------------------------------------------------------------------------------------


def test_a_table_that_is_not_there_or_lacks_columns_is_named(tmp_path):
    url = f"sqlite:///{tmp_path / 'erp.db'}"
    with pytest.raises(BadInput, match="does not exist"):
        TableWriteBack.open(url, "erp_limits")
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE erp_limits (account_id TEXT PRIMARY KEY, version INT)"))
    with pytest.raises(BadInput, match="lacks the columns change_id"):
        TableWriteBack.open(url, "erp_limits")


@pytest.mark.parametrize("name", ["limits; drop table x", "limits--", "", "a" * 64, 'x"y'])
def test_a_table_name_that_is_more_than_a_name_is_refused(tmp_path, name):
    with pytest.raises(BadInput):
        TableWriteBack(create_engine(f"sqlite:///{tmp_path / 'erp.db'}"), name)


def test_a_database_that_does_not_answer_is_unavailable_and_tells_no_password(tmp_path):
    opened = TableWriteBack(create_engine("postgresql+psycopg://erp:secret-word@127.0.0.1:1/x"), "erp_limits")
    with pytest.raises(Unavailable) as error:
        opened.send(delivery())
    assert "secret-word" not in str(error.value)
    with pytest.raises(BadInput) as error:
        TableWriteBack.open("nonsense://erp:secret-word@x", "erp_limits")
    assert "secret-word" not in str(error.value)


def test_a_row_the_database_refuses_is_parked_rather_than_tried_for_ever(postgres_url):
    engine = create_engine(postgres_url.replace("postgresql://", "postgresql+psycopg://"))
    opened = TableWriteBack(engine, "erp_limits")
    opened.create()
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE erp_limits ADD CHECK (amount_minor < 50)"))
    with pytest.raises(BadInput, match="refuses the write"):
        opened.send(delivery())
    engine.dispose()


# --- the drop folder ----------------------------------------------------------------------------------------------------------------


def rows_of(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_each_delivery_is_one_whole_file_named_by_its_change(tmp_path):
    drop = CsvDropWriteBack(tmp_path, answers=False)
    drop.send(delivery())
    (row,) = rows_of(tmp_path / "c-a-1-1.csv")
    assert list(row) == [*FIELDS, "amount"] and (row["amount_minor"], row["amount"]) == ("10000", "100.00")
    assert not list(tmp_path.rglob("*.part"))


def test_a_file_that_could_not_be_finished_does_not_appear(tmp_path, monkeypatch):
    drop = CsvDropWriteBack(tmp_path, answers=False)
    monkeypatch.setattr(Path, "replace", lambda self, to: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(Unavailable, match="No space left"):
        drop.send(delivery())
    assert not list(tmp_path.glob("c-*.csv"))


def test_a_file_the_erp_took_is_not_dropped_again(tmp_path):
    drop = CsvDropWriteBack(tmp_path, answers=False)
    drop.send(delivery())
    (tmp_path / "c-a-1-1.csv").unlink()
    assert drop.send(delivery())["outcome"] == "held"
    assert not (tmp_path / "c-a-1-1.csv").exists()


def test_a_crash_between_drop_and_note_drops_the_same_file_again(tmp_path, monkeypatch):
    from credit_review.adapters import write_back as module

    drop, whole = CsvDropWriteBack(tmp_path, answers=False), module._write_whole
    monkeypatch.setattr(module, "_write_whole", lambda path, text: whole(path, text) if path.parent == tmp_path else 1 / 0)
    with pytest.raises(ZeroDivisionError):
        drop.send(delivery())
    before = (tmp_path / "c-a-1-1.csv").read_bytes()
    monkeypatch.setattr(module, "_write_whole", whole)
    assert drop.send(delivery())["outcome"] == "written"
    assert (tmp_path / "c-a-1-1.csv").read_bytes() == before


def test_the_erps_answers_are_what_is_read_back(tmp_path):
    drop = CsvDropWriteBack(tmp_path)
    drop.send(delivery())
    assert drop.read_back(["a-1"]) == {}
    lines = [
        "account_id,version,amount_minor,currency,terms_days,change_id",
        "a-1,2,200,EUR,30,c-2",
        "a-1,1,100,EUR,30,c-1",
        "a-2,1,,EUR,,c-9",
    ]
    (tmp_path / "applied.csv").write_text("\n".join(lines))
    held = drop.read_back(["a-1", "a-2", "a-3"])
    assert held["a-1"] == {"amount_minor": 200, "currency": "EUR", "terms_days": 30, "version": 2, "change_id": "c-2"}
    assert held["a-2"]["amount_minor"] is None and "a-3" not in held


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (b"account_id,version\na-1,1\n", "lacks the columns"),
        (b"\xff\xfe\x00", "applied.csv"),
        (None, "version is 'one'"),
        (0, "amount_minor"),
    ],
)
def test_an_answer_that_cannot_be_read_names_file_and_line(tmp_path, content, named):
    head = b"account_id,version,amount_minor,currency,terms_days,change_id\n"
    content = head + b"a-1,one,1,EUR,1,c\n" if content is None else head + b"a-1,1,1.5,EUR,1,c\n" if content == 0 else content
    (tmp_path / "applied.csv").write_bytes(content)
    with pytest.raises(BadInput, match=named):
        CsvDropWriteBack(tmp_path).read_back(["a-1"])


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(Unavailable, match="mkdir -p"):
        CsvDropWriteBack(tmp_path / "nowhere")


@given(st.text(max_size=20))
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_cell_can_start_a_formula(tmp_path, value):
    from credit_review.adapters.write_back import _cell

    assert _cell(value)[:1] not in ("=", "+", "-", "@", "\t", "\r", "\n", "\0")
    assert _cell(value).removeprefix("'") == value.removeprefix("'") or value.startswith("'")


def test_what_is_held_are_the_fields_everybody_compares():
    assert set(HELD) < set(FIELDS)
