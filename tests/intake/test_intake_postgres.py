from pathlib import Path

import pandas as pd
import pytest
import sqlalchemy

from credit_review.adapters.sources import open_source
from credit_review.errors import BadInput
from credit_review.receivables.mapping import Input

SETUP = """
CREATE SCHEMA erp;
CREATE TABLE erp.items (key text, amount numeric(12,2), day date, at timestamp, ok boolean, n bigint, f double precision, raw bytea);
INSERT INTO erp.items VALUES ('0042', 8734.10, '2026-03-31', '2026-03-31 09:05', true, 7, 0.1, 'x');
INSERT INTO erp.items (key) VALUES ('2');
CREATE SEQUENCE erp.numbers;
CREATE VIEW erp.open_items AS SELECT key FROM erp.items WHERE amount IS NULL;
"""


@pytest.fixture
def ledger_url(postgres_url: str) -> str:
    engine = sqlalchemy.create_engine(postgres_url)
    with engine.begin() as connection:
        for statement in SETUP.strip().split(";\n"):
            connection.exec_driver_sql(statement)
    engine.dispose()
    return postgres_url


def everything(url: str, **where: str) -> pd.DataFrame:
    source = open_source(Input(url_secret="LEDGER_URL", **where), folder=Path(), secret=lambda _: url)
    return pd.concat(list(source.read()))


def test_typed_values_of_postgres_arrive_as_plain_text(ledger_url: str) -> None:
    assert everything(ledger_url, schema="erp", table="items").to_dict("list") == {
        "key": ["0042", "2"], "amount": ["8734.10", ""], "day": ["2026-03-31", ""], "at": ["2026-03-31 09:05:00", ""],
        "ok": ["true", ""], "n": ["7", ""], "f": ["0.1", ""], "raw": ["(binary)", ""],
    }  # fmt: skip
    assert everything(ledger_url, schema="erp", table="open_items")["key"].tolist() == ["2"]
    found = everything(ledger_url, query="SELECT key, amount::text AS a FROM erp.items WHERE key LIKE '00%'")
    assert found.to_dict("list") == {"key": ["0042"], "a": ["8734.10"]}


def test_a_ledger_in_postgres_is_only_read(ledger_url: str) -> None:
    with pytest.raises(BadInput, match="data-modifying"):
        everything(ledger_url, query="WITH gone AS (DELETE FROM erp.items RETURNING key) SELECT key FROM gone")
    with pytest.raises(BadInput, match="read-only transaction"):
        everything(ledger_url, query="SELECT nextval('erp.numbers') AS n")
    assert len(everything(ledger_url, schema="erp", table="items")) == 2


def test_what_postgres_does_not_know_is_named(ledger_url: str) -> None:
    with pytest.raises(BadInput, match="no table or view 'items'"):
        everything(ledger_url, table="items")
    with pytest.raises(BadInput, match=r'column "nowhere" does not exist'):
        everything(ledger_url, query="SELECT nowhere FROM erp.items")
