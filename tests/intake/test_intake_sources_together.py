from pathlib import Path

import pytest
from intake_world import AS_OF, MAPPING, Place, PlainSettings, mapping, row, starter_policy

from credit_review.adapters.reading import Book, read_book
from credit_review.errors import BadInput

HEADER = "key,number,type,posted,due,cleared,currency,amount,open,disputed\n"


def both(tmp_path: Path, *texts: str) -> Book:
    places = []
    for at, _ in enumerate(texts):
        folder = tmp_path / str(at)
        folder.mkdir()
        rows = [row(), row(key="2", number="?" * at or "7", amount="x" if at else "1.00"), row(key="3"), row(key="3")]
        (folder / "ledger.csv").write_text(HEADER + "".join(",".join(r) + "\n" for r in rows), encoding="utf-8")
        places.append(Place(str(folder)))
    return read_book(PlainSettings(tuple(places)), [mapping(t) for t in texts], as_of=AS_OF, policy=starter_policy())


def test_customers_of_two_sources_that_share_a_number_stay_two(tmp_path: Path) -> None:
    found = both(tmp_path, MAPPING, MAPPING.replace("source: erp", "source: crm").replace("identity: {", "identity: {prefix: C-, "))
    assert {"42", "C-42"} <= set(found.frames["customers"]["customer_id"])
    keys = found.frames["items"]["row_key"]
    assert keys.is_unique and {"erp:1", "crm:1"} <= set(keys)
    assert set(found.frames["duplicates"]["kept_row_key"]) == {"erp:3", "crm:3"}
    assert set(found.frames["quarantine"]["row_key"]) == {"crm:2"}
    assert found.rows == int(found.accounting["rows"].sum()) == 8


def test_sources_that_would_join_strangers_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="would make one customer of two"):
        both(tmp_path, MAPPING, MAPPING.replace("source: erp", "source: crm"))


def test_sources_that_share_numbers_say_so(tmp_path: Path) -> None:
    shared = MAPPING.replace("identity: {", "identity: {shares_numbers: true, ")
    found = both(tmp_path, shared, shared.replace("source: erp", "source: crm"))
    customers = found.frames["customers"]
    assert customers["customer_id"].is_unique and "42" in set(customers["customer_id"])


def test_two_sources_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="two mappings are called 'erp'"):
        both(tmp_path, MAPPING, MAPPING)
