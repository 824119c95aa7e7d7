"""`source check` before there is a database."""

from __future__ import annotations

import json

import pytest
from office import run

from deployments.cli import starting


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    folder = tmp_path_factory.mktemp("installation") / "config"
    starting.write_starter(folder)
    (folder / "ledger").mkdir()
    (folder / "tried").mkdir()
    (folder / "tried" / "rates.csv").write_text(
        "rate_date,base,quote,rate,source\n2026-09-30,EUR,USD,1.0834,ECB\n2026-09-30,EUR,XXX,2,ECB\n"
    )
    (folder / "tried" / "items.csv").write_text("a,b,c,d\n1,x,2026-01-01,10\n")
    (folder / "tried" / "mapping.yaml").write_text(
        """version: "1"
source: tried
items:
  from: {csv: items.csv}
  columns: {source_number: a, document: b, posting_date: c, amount: d}
  constants: {currency: EUR, kind: invoice, legal_entity: ALL}
customers: {from: ledger}
rates: {from: {csv: rates.csv}, columns: {rate_date: rate_date, base: base, quote: quote, rate: rate, source: source}}
"""
    )
    return folder


def test_a_mapping_is_shown_with_what_it_refuses(config):
    done = run("source", "check", str(config / "tried" / "mapping.yaml"), "--config", str(config), "--as-of", "2026-09-30")
    assert done.code == 0, done.err
    assert "tried, items from items.csv: 1 row(s)" in done.out and "'10' is 10 EUR" in done.out
    assert "quote, row rates.csv:3: 'XXX': the code is not in the mapping" in done.out


def test_a_script_reads_the_same(config):
    done = run("source", "check", str(config / "tried" / "mapping.yaml"), "--config", str(config), "--as-of", "2026-09-30", "--json")
    shown = json.loads(done.out)
    assert [(one["dataset"], one["lines"]) for one in shown["datasets"]] == [
        ("items", {"items": 1}),
        ("rates", {"items": 1, "quarantined": 1}),
    ]


def test_a_file_that_is_not_there_is_named(config):
    done = run("source", "check", "--config", str(config))
    assert done.code == 3 and "is not in" in done.err and "Traceback" not in done.err
