"""What goes wrong in practice, through the command line: an error that names the thing and the next step, and nothing half-written."""

from __future__ import annotations

import csv
import shutil
import sys
from datetime import date, timedelta
from pathlib import Path

import pandas as pd
import pytest
from installation import ADOPTERS, Installation, write

from credit_review import scoring
from credit_review.model.records import CreditLimit, Proposal, Review
from credit_review.model.states import DocumentOfRecord
from deployments import demo_company
from deployments.cli import main
from tasks import training

AS_OF = date(2026, 9, 30)
STARTER = Path(main.__file__).parents[1] / "starter" / "mapping.yaml"


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    """An installation of a made-up company in which a review could start."""
    config = tmp_path_factory.mktemp("template") / "config"
    made = write(config, Path("ledger"), mapping=STARTER, company="Example", currency="EUR", since=AS_OF)
    made.edit("settings.yaml", "buckets: 2", "buckets: 1")  # so small a company is checked faster in one
    demo_company.write(config / "ledger", seed=5, as_of=AS_OF, customers=50)
    made.path("scorecard.json").write_text(training.fit(str(config), as_of=AS_OF, expert=True).text, encoding="utf-8")
    made.adopt_all()
    made.services.store.close()
    return made


@pytest.fixture
def made(template, tmp_path):
    """A copy of it to spoil."""
    shutil.copytree(template.config, tmp_path / "config")
    return Installation(tmp_path / "config")


@pytest.fixture
def command(made, monkeypatch, capsys, request):
    """Run `credit-review ARGUMENTS --config ...` and return exit code and what it said on stderr, which never is a traceback.

    Flows run under Prefect where a test asks for it.
    """
    if "prefect_session" not in request.fixturenames:
        request.getfixturevalue("checked_once")

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["credit-review", *arguments, "--config", str(made.config)])
        code = 0
        try:
            main.run()
        except SystemExit as end:
            code = end.code or 0
        said = capsys.readouterr()
        assert "Traceback" not in said.out + said.err
        return code, " ".join((said.err if code else said.out).split())

    return run


def reviews(made):
    with made.services.store.read() as uow:
        return uow.find(Review)


def nothing_half_written(made):
    """No snapshot, proposal or limit came of it, and no file is left under a temporary name."""
    data = made.path("data")
    snapshots = list((data / "snapshots").iterdir()) if (data / "snapshots").exists() else []
    with made.services.store.read() as uow:
        return (
            not snapshots and not uow.find(Proposal) and not uow.find(CreditLimit) and not {*data.rglob(".*.part"), *data.rglob(".new-*")}
        )


RUN = ("review", "run", "--as-of", "2026-09-30")


@pytest.mark.prefect
def test_a_missing_column_is_named_with_its_file_and_the_review_resumes_once_it_is_back(made, prefect_session, command):
    ledger = made.path("ledger/ledger.csv")
    whole = ledger.read_text(encoding="utf-8")
    ledger.write_text(whole.replace("due_date", "dew_date", 1), encoding="utf-8")
    code, said = command(*RUN)
    assert code == 3, said
    assert "ledger.csv" in said and "due_date" in said
    assert nothing_half_written(made)
    failed = reviews(made)[0]
    assert failed.state == "failed" and "due_date" in failed.failure
    assert f"`credit-review review resume {failed.review_id}`" in said

    code, said = command(*RUN)
    assert code == 4 and f"review resume {failed.review_id}" in said, "a failed review is resumed, not started a second time"

    ledger.write_text(whole, encoding="utf-8")
    code, said = command("review", "resume", failed.review_id)
    assert code == 0, said
    assert reviews(made)[0].state == "routed"

    code, said = command(*RUN)
    assert code == 4, said
    assert failed.review_id in said and "--supersede" in said
    assert len(reviews(made)) == 1

    code, said = command("review", "resume", failed.review_id)
    assert code == 4 and failed.review_id in said


def test_a_file_in_another_encoding_is_named_with_the_place(made, command):
    path = made.path("ledger/customers.csv")
    path.write_bytes(path.read_text(encoding="utf-8").encode("cp1252", errors="replace"))
    code, said = command(*RUN)
    assert code == 3, said
    assert "customers.csv" in said and "utf-8" in said.lower() and "encoding" in said
    assert nothing_half_written(made)


@pytest.mark.parametrize("name", ["ledger.csv", "customers.csv", "rates.csv"])
def test_an_empty_file_is_named(made, command, name):
    made.path(f"ledger/{name}").write_bytes(b"")
    code, said = command(*RUN)
    assert code == 3, said
    assert name in said and "empty" in said
    assert nothing_half_written(made)


def test_a_file_that_is_not_there_is_named(made, command):
    made.path("ledger/cover.csv").unlink()
    code, said = command(*RUN)
    assert code == 3, said
    assert "cover.csv" in said
    assert nothing_half_written(made)


def test_a_parquet_file_cut_short_is_named(made, command):
    ledger = made.path("ledger/ledger.csv")
    pd.read_csv(ledger, dtype="str", keep_default_na=False).to_parquet(made.path("ledger/ledger.parquet"))
    cut = made.path("ledger/ledger.parquet").read_bytes()
    made.path("ledger/ledger.parquet").write_bytes(cut[: len(cut) // 2])
    made.edit("mapping.yaml", 'from: {csv: ledger.csv, encoding: utf-8, delimiter: ","}', "from: {parquet: ledger.parquet}")
    made.adopt(DocumentOfRecord.MAPPING, "mapping.yaml")
    code, said = command(*RUN)
    assert code == 3, said
    assert "ledger.parquet" in said
    assert nothing_half_written(made)


def cut(path, line, column, *, after=""):
    """The file ends in the middle of a row, in this column, after so much of it; returns the column's name."""
    names, *rows = csv.reader(path.open(encoding="utf-8"))
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerows([names, *rows[: line - 2]])
        file.write(",".join([*rows[line - 2][:column], after]))
    return names[column]


@pytest.mark.parametrize(("name", "line"), [("ledger.csv", 40), ("customers.csv", 9), ("rates.csv", 3), ("control_totals.csv", 4)])
def test_a_csv_cut_in_the_middle_of_a_row_is_named_with_line_and_field(made, command, name, line):
    cut(made.path(f"ledger/{name}"), line, 2, after="12")
    names = next(csv.reader(made.path(f"ledger/{name}").open(encoding="utf-8")))
    code, said = command(*RUN)
    assert code == 3, said
    assert f"{name} line {line}: the row ends before {names[3]}, after 3 of {len(names)} fields" in said and "export the file again" in said
    assert nothing_half_written(made)


def test_a_csv_cut_inside_a_quoted_field_is_named_with_line_and_field_and_the_review_resumes_with_the_whole_file(made, command):
    path = made.path("ledger/customers.csv")
    whole = path.read_bytes()
    field = cut(path, 9, 1, after='"Neu, Alt\nund So')
    code, said = command(*RUN)
    assert code == 3, said
    assert f"customers.csv line 9, {field}: a quote is opened and never closed" in said and "export the file again" in said
    assert nothing_half_written(made)
    path.write_bytes(whole)
    code, said = command("review", "resume", reviews(made)[0].review_id)
    assert code == 0, said
    assert reviews(made)[0].state == "routed"


def test_negative_days_are_quarantined_by_row_and_field(made, command):
    """Days until cleared in the ledger, and longest terms in the cover: neither lies below 0."""
    ledger, cover = (list(csv.DictReader(made.path(f"ledger/{name}.csv").open(encoding="utf-8"))) for name in ("ledger", "cover"))
    for row in ledger:
        begun, ended = row["document_date"], row.pop("clearing_date")
        row["days_to_clear"] = str((date.fromisoformat(ended) - date.fromisoformat(begun)).days) if ended and begun[:2] == "20" else ""
    paid = next(row for row in ledger if row["document_type"] == "INV" and row["days_to_clear"] not in ("", "0"))
    paid["days_to_clear"], cover[0]["max_terms_days"] = "-5", "-30"
    for name, rows in (("ledger", ledger), ("cover", cover)):
        with made.path(f"ledger/{name}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
    made.edit("mapping.yaml", "    clearing_date: clearing_date", "    days_to_clear: days_to_clear")
    made.adopt(DocumentOfRecord.MAPPING, "mapping.yaml")
    code, said = command(*RUN)
    assert code == 0, said
    (folder,) = made.path("data/reviews").iterdir()
    rows = list(csv.DictReader((folder / "quarantine.csv").open(encoding="utf-8-sig")))
    named = {(row["row_key"], row["column"], row["value"].lstrip("'")) for row in rows}
    five_days_before = str(date.fromisoformat(paid["document_date"]) - timedelta(days=5))
    assert ("|".join(paid[name] for name in ("company_code", "document_number", "line")), "clearing_date", five_days_before) in named
    assert ("|".join(cover[0][name] for name in ("customer_number", "kind", "reference")), "max_terms_days", "-30") in named


def test_an_as_of_date_in_the_future_is_refused_before_anything_is_recorded(made, command):
    code, said = command("review", "run", "--as-of", "2999-12-31")
    assert code == 4, said
    assert "2999-12-31" in said and "future" in said
    assert reviews(made) == [] and nothing_half_written(made)


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("policy.yaml", "cadence_months: {A: 12", "cadence_months: {A: 11"),
        ("authority.yaml", "group_limit_up_to: 100000,", "group_limit_up_to: 100001,"),
        ("mapping.yaml", 'thousands: "", negative: [leading]}   #', 'thousands: ",", negative: [leading]}   #'),
    ],
)
def test_a_document_that_two_people_have_not_adopted_is_refused_by_name(made, command, name, old, new):
    made.edit(name, old, new)
    for adopted in range(2):
        code, said = command(*RUN)
        assert code == 4, said
        assert name in said and f"{adopted} of 2 people" in said and f"credit-review adopt {name}" in said
        assert reviews(made) == [] and nothing_half_written(made)
        made.adopt(
            {"policy": DocumentOfRecord.POLICY, "authority": DocumentOfRecord.AUTHORITY}.get(name[:-5], DocumentOfRecord.MAPPING),
            name,
            by=ADOPTERS[:1],
        )


def test_a_scorecard_changed_by_hand_is_refused_by_name(made, command):
    text = made.path("scorecard.json").read_text(encoding="utf-8")
    assert scoring.load(text).kind == "expert"
    made.path("scorecard.json").write_text(text.replace('"base": ', '"base":  ', 1), encoding="utf-8")
    code, said = command(*RUN)
    assert code == 4, said
    assert "scorecard.json" in said and "0 of 2 people" in said


def test_a_policy_that_makes_no_sense_cannot_even_be_adopted(made, command):
    made.edit("policy.yaml", "{grade: B, name: good, below: 0.03}", "{grade: B, name: good, below: 0.005}")
    code, said = command("adopt", "policy.yaml", "--as", "p-cfo")
    assert code == 3, said
    assert "policy.yaml line" in said and "grades" in said
    assert reviews(made) == []


def test_a_folder_without_configuration_says_how_to_make_one(made, command):
    made.path("settings.yaml").unlink()
    code, said = command(*RUN)
    assert code == 3, said
    assert "settings.yaml" in said and "credit-review init" in said


def test_an_unknown_review_and_a_wrong_date_are_said_without_a_traceback(command):
    code, said = command("review", "resume", "r-nothing")
    assert code in (3, 4) and "r-nothing" in said
    code, said = command("review", "run", "--as-of", "30.09.2026")
    assert code == 2 and "30.09.2026" in said


@pytest.mark.parametrize(
    ("name", "old", "new", "said"),
    [
        ("policy.yaml", "{grade: B, name: good, below: 0.03}", "{grade: B, name: good, below: 0.005}", "overlap"),
        ("policy.yaml", "up_to_increase: ", "up_to_increase: 30000 #", "cannot end at"),
        ("policy.yaml", "control_currency: EUR", "control_currency: EUX", "ISO 4217"),
        ("policy.yaml", "control_currency: EUR", "control_currency: EUR\ncontrol_currency: USD", "twice"),
        ("policy.yaml", "control_currency: EUR", "control_currency: &c EUR", "anchor"),
        ("authority.yaml", "group_limit_up_to: null", "group_limit_up_to: 9000000", "no approver"),
        ("mapping.yaml", "Z014: 14", "Z014: -14", "terms.Z014"),
        ("mapping.yaml", "    currency: currency\n    amount: amount  ", "    currency: currency\n    amuont: amount  ", "amuont"),
    ],
)
def test_a_document_with_a_fault_is_refused_with_its_line(made, command, name, old, new, said):
    made.edit(name, old, new)
    code, text = command("check", name)
    assert code == 3, text
    assert f"{name} line" in text and said in text


def test_a_ledger_that_is_a_folder_is_named(made, command):
    made.path("ledger/rates.csv").unlink()
    made.path("ledger/rates.csv").mkdir()
    code, said = command(*RUN)
    assert code == 3, said
    assert "rates.csv" in said
    assert nothing_half_written(made)


def test_a_formula_in_a_workbook_is_named_by_its_cell(made, command):
    from openpyxl import Workbook

    workbook = Workbook()
    for row in csv.reader(made.path("ledger/customers.csv").open(encoding="utf-8")):
        workbook.active.append(row)
    workbook.active["B7"] = '=HYPERLINK("x")'
    workbook.save(made.path("ledger/customers.xlsx"))
    made.edit("mapping.yaml", 'from: {csv: customers.csv, encoding: utf-8, delimiter: ","}', "from: {excel: customers.xlsx}")
    made.adopt(DocumentOfRecord.MAPPING, "mapping.yaml")
    code, said = command(*RUN)
    assert code == 3, said
    assert "customers.xlsx" in said and "B7" in said
    assert nothing_half_written(made)


def test_a_name_that_is_a_formula_is_text_in_every_list_for_spreadsheets(made, command):
    path = made.path("ledger/customers.csv")
    rows = list(csv.reader(path.open(encoding="utf-8")))
    rows[3][rows[0].index("name")] = "=cmd|' /C calc'!A0"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)
    code, said = command(*RUN)
    assert code == 0, said
    (folder,) = made.path("data/reviews").iterdir()
    cells = [cell for one in folder.glob("*.csv") for row in csv.reader(one.open(encoding="utf-8-sig")) for cell in row]
    assert "'=cmd|' /C calc'!A0" in cells
    assert [cell for cell in cells if cell[:1] in ("=", "@", "+", "\t", "\r")] == []
