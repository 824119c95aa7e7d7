"""The made-up company: the same for a seed, plausible, as dirty as real exports, and its control totals tie."""

import ast
import csv
from collections import Counter
from datetime import date, timedelta
from decimal import Decimal
from hashlib import sha256
from pathlib import Path

import pandas as pd
import pytest

from credit_review import documents, receivables
from credit_review.model.money import EXPONENTS
from deployments import demo_company

AS_OF = date(2026, 9, 30)
SEED = 20260101
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def company(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo")
    return demo_company.write(folder, SEED, AS_OF)


def rows(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def raw(path):
    return pd.read_csv(path, dtype=str, keep_default_na=False)


def digests(paths):
    return {name: sha256(path.read_bytes()).hexdigest() for name, path in paths.items()}


def day(text):
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def test_the_same_seed_gives_the_same_bytes_and_another_seed_other_ones(tmp_path):
    one, again, other = (
        digests(demo_company.write(tmp_path / name, seed, AS_OF, customers=60))
        for name, seed in (("one", SEED), ("again", SEED), ("other", SEED + 1))
    )
    assert one == again
    assert all(other[name] != digest for name, digest in one.items() if name != "posted_through")


def test_the_company_has_what_the_demonstration_promises(company):
    people, ledger = rows(company["customers"]), rows(company["ledger"])
    assert len(people) == len({c["customer_number"] for c in people}) == len({c["name"] for c in people}) == 500
    assert {c["currency"] for c in people} == {"EUR", "USD", "GBP"}
    assert {c["credit_status"] for c in people} == {"A", "P", "B", "L", "I", "IC", "O", "D", "N"}
    numbers = {c["customer_number"] for c in people}
    children = Counter(c["parent_number"] for c in people if c["parent_number"])
    assert set(children) <= numbers
    assert 40 <= len(children) <= 150
    assert {r["document_type"] for r in ledger} == {"INV", "CRN", "PAY", "ACC", "BOE", "ORD", "DLV"}
    assert any(r["disputed"] == "Y" for r in ledger)
    assert any(r["written_off"] == "Y" for r in ledger)
    posted = [p for r in ledger if (p := day(r["posting_date"]))]
    assert max(posted) == AS_OF or AS_OF - max(posted) <= timedelta(days=3)
    assert min(posted) < AS_OF - timedelta(days=365 * 3 - 10)
    scripts = {"Greek": "Ε", "Cyrillic": "О", "Han": "株", "Hebrew": "ב"}
    assert all(any(letter in c["name"] for c in people) for letter in scripts.values())


def test_no_limit_limit_zero_and_a_limit_are_three_different_facts(company):
    people = rows(company["customers"])
    assert {c["credit_limit"] for c in people if c["credit_status"] == "N"} == {""}
    assert {c["credit_limit"] for c in people if c["credit_status"] == "P"} == {"0.00"}
    assert all(Decimal(c["credit_limit"]) > 0 for c in people if c["credit_status"] == "A")


def test_cover_is_part_valid_part_run_out_and_bureau_reports_have_gaps(company):
    cover, people = rows(company["cover"]), rows(company["customers"])
    ended = [c for c in cover if c["valid_to"] and day(c["valid_to"]) <= AS_OF]
    assert {c["kind"] for c in cover} == {"insured_limit", "guarantee"}
    assert 0 < len(ended) < len(cover) / 2
    reported = {r["customer_number"] for r in rows(company["bureau"])}
    assert 0.6 < len(reported) / len(people) < 0.85
    assert any(r["recommended_limit"] == "" for r in rows(company["bureau"]))


@pytest.mark.parametrize("seed", [SEED, 1, *(pytest.param(seed, marks=pytest.mark.soak) for seed in (2, 3))])
def test_lateness_is_what_a_credit_manager_would_expect(company, tmp_path, seed):
    ledger = rows((company if seed == SEED else demo_company.write(tmp_path, seed, AS_OF))["ledger"])
    owed = [r for r in ledger if r["document_type"] == "INV" and not r["open_amount"].startswith("-") and r["open_amount"] != "0.00"]
    dated = [(AS_OF - due, Decimal(r["open_amount"])) for r in owed if (due := day(r["due_date"]))]
    total = sum(a for _, a in dated)
    assert Decimal("0.15") < sum(a for late, a in dated if late.days > 0) / total < Decimal("0.27")
    assert sum(a for late, a in dated if late.days > 90) / total < Decimal("0.10")


def test_the_dirt_of_real_exports_is_there(company):
    ledger = rows(company["ledger"])
    lines = Counter(tuple(r.values()) for r in ledger)
    assert sum(n - 1 for n in lines.values()) >= 20
    assert any(day(r["due_date"]) is None for r in ledger)
    assert any(day(r["posting_date"]) is None for r in ledger)
    assert any(r["document_type"] == "INV" and r["amount"].startswith("-") for r in ledger)
    unknown = {r["currency"] for r in ledger} - set(EXPONENTS)
    assert unknown == {"EUX"}
    spellings = {r["customer_number"] for r in ledger}
    twofold = [s for s in spellings if not s.startswith("0") and s.zfill(10) in spellings]
    assert len(twofold) >= 5


def test_the_stated_totals_are_the_sums_of_the_file_dirt_included(company):
    counted, opened, original = Counter(), Counter(), Counter()
    for r in rows(company["ledger"]):
        key = (r["currency"], r["document_type"])
        counted[key] += 1
        opened[key] += Decimal(r["open_amount"])
        original[key] += Decimal(r["amount"])
    stated = {(r["currency"], r["document_type"]): r for r in rows(company["control_totals"]) if r["dataset"] == "items"}
    assert set(stated) == set(counted)
    for key, r in stated.items():
        assert (int(r["rows"]), Decimal(r["amount"]), Decimal(r["original_amount"])) == (counted[key], opened[key], original[key])
    people = [r for r in rows(company["control_totals"]) if r["dataset"] == "customers"]
    assert [int(r["rows"]) for r in people] == [500]


def test_the_starter_mapping_reads_every_file_and_the_totals_tie(company):
    text = (ROOT / "deployments/starter/mapping.yaml").read_text(encoding="utf-8")
    mapping = receivables.load(documents.parse(text, name="mapping.yaml"))
    found = receivables.read_items(raw(company["ledger"]), mapping, AS_OF)
    master = receivables.read_customers(raw(company["customers"]), mapping)
    assert len(found.frame) > 0.99 * found.rows_read
    assert {"EUX"} <= set(found.quarantine["value"])
    assert len(found.duplicates) >= 20
    assert found.frame["customer_id"].ne("").all()
    assert len(master.frame) == 500
    assert len(master.quarantine) == 0
    assert len(receivables.read_external(raw(company["bureau"]), mapping, AS_OF).quarantine) == 0
    assert len(receivables.read_cover(raw(company["cover"]), mapping).quarantine) == 0
    assert len(receivables.read_rates(raw(company["rates"]), mapping).quarantine) == 0
    stated = receivables.read_stated_totals(raw(company["control_totals"]), mapping).frame
    accounting = pd.concat([found.accounting, master.accounting], ignore_index=True)
    ties = receivables.tie(accounting, stated, source="demo-erp", amount_is="open", duplicates="included")
    assert len(ties) == len(stated)


@pytest.mark.parametrize(("customers", "as_of"), [(1, AS_OF), (10, date(2024, 2, 29)), (60, date(2025, 1, 1))])
def test_a_company_of_any_size_and_day_can_be_made(tmp_path, customers, as_of):
    paths = demo_company.write(tmp_path, 5, as_of, customers)
    assert len(rows(paths["customers"])) == customers
    assert paths["posted_through"].read_text(encoding="utf-8") == f"{as_of}\n"
    assert all(p <= as_of for r in rows(paths["ledger"]) if (p := day(r["posting_date"])))


def test_the_generator_shares_no_code_with_what_it_demonstrates():
    tree = ast.parse((ROOT / "deployments/demo_company.py").read_text(encoding="utf-8"))
    names = {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
    names |= {n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    assert not {n for n in names if n.split(".")[0] in ("credit_review", "expectations", "tasks", "flows", "deployments")}


# --- statements -------------------------------------------------------------------------------------------------------------------


def test_about_half_the_customers_publish_statements_that_balance_but_one_and_were_not_known_before_they_were_received(company, tmp_path):
    path = demo_company.write_statements(tmp_path, SEED, AS_OF)
    found, people = rows(path), {c["customer_number"]: c for c in rows(company["customers"])}
    who = {row["customer_number"] for row in found}
    assert who < set(people) and 0.35 * len(people) < len(who) < 0.65 * len(people)
    assert not [n for n in who if people[n]["segment"] == "Public" or people[n]["credit_status"] in ("IC", "O", "N")]
    odd = [r for r in found if int(r["equity"]) + int(r["total_liabilities"]) != int(r["total_assets"])]
    assert len(odd) == 1
    assert all(day(r["period_end"]) < day(r["received"]) <= AS_OF for r in found)
    assert all(
        int(r["current_assets"]) <= int(r["total_assets"]) and int(r["current_liabilities"]) <= int(r["total_liabilities"]) for r in found
    )
    assert path.read_bytes() == demo_company.write_statements(tmp_path / "again", SEED, AS_OF).read_bytes()


def test_statements_are_weaker_where_customers_stopped_paying(company, tmp_path):
    people = {c["customer_number"]: c["credit_status"] for c in rows(company["customers"])}
    newest = {r["customer_number"]: r for r in rows(demo_company.write_statements(tmp_path, SEED, AS_OF))}
    share = {bad: [int(r["total_liabilities"]) / int(r["total_assets"]) for n, r in newest.items() if (people[n] in "BLI") is bad]
             for bad in (True, False)}  # fmt: skip
    assert sum(share[True]) / len(share[True]) > sum(share[False]) / len(share[False]) + 0.05
