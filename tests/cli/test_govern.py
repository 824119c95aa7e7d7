"""Setting up, adopting, finding what is wrong, mending deliveries, checking the log: as typed, with exit codes."""

from __future__ import annotations

import csv
import os
import pwd
import shutil
import sqlite3
from datetime import timedelta
from pathlib import Path

import pytest
import yaml
from office import CLOCK, DOCUMENTS, NOON, Office, run

from credit_review import scoring
from credit_review.adapters.store import schema
from credit_review.model.records import ErpDifference, OutboxEntry
from credit_review.model.states import OutboxState
from deployments.cli import starting
from tasks import prepare


@pytest.fixture
def fresh(tmp_path):
    """What `init` writes, with the folders it names, and nothing else."""
    assert run("init", str(tmp_path / "config")).fine().out.count("wrote ") == 5
    for name in ("ledger", "erp_drop"):
        (tmp_path / "config" / name).mkdir()
    return Office(tmp_path / "config")


@pytest.fixture
def founded(fresh, monkeypatch):
    """... with a database and two people, Anna being whoever runs the test, Bert signing in with a token."""
    monkeypatch.setenv("CREDIT_REVIEW_TOKEN_KEY", "k" * 32)
    fresh.run("db", "upgrade").fine()
    fresh.run("people", "first-pair", "--first", f"p-anna:Anna Berg:{account()}", "--second", "p-bert:Bert Kahn:bert").fine()
    assert "Bert Kahn" in fresh.run("people", "account", "p-bert", "token", "bert").fine().out
    CLOCK.set(NOON + timedelta(minutes=1))
    return fresh


def account():
    """The operating-system account of this process, as the command line sees it."""
    return pwd.getpwuid(os.getuid()).pw_name


def settings_of(office, **values):
    path = office.config / "settings.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text(encoding="utf-8")) | values), encoding="utf-8")
    prepare.services.cache_clear()


# --- set up -------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*starting.STARTER_FILES, "scorecard.json"])
def test_init_overwrites_nothing(tmp_path, name):
    (tmp_path / name).write_text("mine", encoding="utf-8")
    run("init", str(tmp_path)).refused(3, name, "another folder")
    assert [path.name for path in tmp_path.iterdir()] == [name] and (tmp_path / name).read_text(encoding="utf-8") == "mine"


def test_the_database_is_upgraded_once_and_again(fresh):
    first = fresh.run("db", "upgrade").fine().out
    assert f"has schema {schema.newest()}" in first and fresh.run("db", "upgrade").fine().out == first


def test_roles_are_for_postgresql(fresh):
    fresh.run("db", "upgrade").fine()
    fresh.run("db", "roles", "credit_review").refused(3, "PostgreSQL")


def test_a_command_before_the_database_says_what_to_run(fresh):
    fresh.run("inbox").refused(6, "does not exist", "mkdir -p")
    (fresh.config / "data").mkdir()
    fresh.run("inbox").refused(6, "credit-review db upgrade")


def test_without_a_configuration_every_command_says_how_to_get_one(tmp_path):
    for words in (("inbox",), ("review", "run"), ("audit", "verify"), ("people", "list"), ("adopt", "policy.yaml")):
        run(*words, "--config", str(tmp_path)).refused(3, "no settings.yaml", "credit-review init")


# --- two people ---------------------------------------------------------------------------------------------------------------------


def test_a_document_takes_effect_by_two_people_neither_its_only_author(founded, monkeypatch):
    policy = founded.config / "policy.yaml"
    policy.write_text(policy.read_text(encoding="utf-8").replace('version: "2026.1"', 'version: "2026.2"'), encoding="utf-8")
    assert "is sound" in founded.run("check", "policy.yaml").fine().out
    founded.run("adopt", "policy.yaml").refused(4, "Anna Berg (p-anna) is the only author", "two others")
    first = founded.run("adopt", "policy.yaml", "--author", "p-anna", "--author", "p-bert", "--json").fine().json
    assert (first["in_force"], first["adopted_by"]) == (False, 1)
    assert founded.run("adopt", "policy.yaml", "--json").fine().json["adopted_by"] == 1, "one person stays one"
    monkeypatch.setenv("CREDIT_REVIEW_TOKEN", founded.run("people", "token", "bert").fine().out.strip())
    assert "is in force" in founded.run("adopt", "policy.yaml").fine().out
    monkeypatch.setenv("CREDIT_REVIEW_TOKEN", "x.y.z")
    founded.run("adopt", "policy.yaml").refused(4, "token is not valid")


def test_nobody_acts_as_somebody_else_outside_a_demo(founded):
    founded.run("inbox", who="p-bert").refused(4, "demo account 'p-bert' belongs to nobody")
    assert founded.run("inbox").fine().out.startswith("Anna Berg: ")


def test_people_join_get_accounts_and_leave_by_anothers_hand(founded):
    founded.run("people", "add", "p-cleo", "--name", "Cleo Lind", "--os", "cleo").fine()
    founded.run("people", "account", "p-anna", "slack", "T1|U1").refused(4, "for himself")
    founded.run("people", "account", "p-cleo", "fax", "1").refused(3, "unknown kind")
    CLOCK.set(NOON + timedelta(minutes=2))
    assert founded.run("people", "leave", "p-cleo").fine().out.startswith("Cleo Lind may decide nothing")
    founded.run("people", "leave", "p-nobody").refused(3, "nobody is called p-nobody")
    listed = {one["id"]: one for one in founded.run("people", "list", "--json").fine().json}
    assert (listed["p-cleo"]["active"], listed["p-bert"]["active"]) == (False, True)
    assert "Cleo Lind" in founded.run("people", "list").fine().out
    founded.run("people", "first-pair", "--first", "a:A:a", "--second", "b:B:b").refused(4)
    founded.run("people", "first-pair", "--first", "a", "--second", "b:B:b").refused(3, "ID:NAME:OS-ACCOUNT")


# --- doctor -------------------------------------------------------------------------------------------------------------------------


def wrong(office, *said, code=3):
    """What doctor finds wrong, with how to mend it; everything it says stands in `said`."""
    done = office.run("doctor")
    assert done.code == code and done.err == "", (done.out, done.err)
    found = [one for one in office.run("doctor", "--json").json if not one["ok"]]
    assert all(one["next_step"] for one in found)
    missing = [word for word in said if word not in done.out]
    assert not missing, (missing, done.out)
    return [one["subject"] for one in found]


def test_doctor_finds_a_reviewed_installation_in_order(reviewed):
    assert reviewed.run("doctor").fine().out.count("ok    ") == 22


def test_doctor_names_a_scorecard_that_is_outside_its_dates_or_soon_will_be(office):
    path, today = office.config / "scorecard.json", NOON.date()
    card = scoring.load(path.read_text())
    for first, end, words in (
        (None, 91, "holds until before "), (None, 90, "expires in 90 days, on "), (None, 0, "expired: it held until before "),
        (1, None, "holds only from "),
    ):  # fmt: skip
        dates = {name: n if n is None else today + timedelta(days=n) for name, n in (("valid_from", first), ("valid_to", end))}
        path.write_text(scoring.dump(card.model_copy(update=dates)))
        [found] = [one for one in office.run("doctor", "--json").json if one["subject"] == "dates of scorecard.json"]
        assert found["found"].startswith(words) and found["ok"] is (end == 91) and bool(found["next_step"]) is not found["ok"]


def test_doctor_names_a_missing_configuration(tmp_path):
    assert wrong(Office(tmp_path), "no settings.yaml", "credit-review init") == ["settings"]


def test_doctor_names_a_fault_in_a_document_with_its_line(founded):
    founded.edit("policy.yaml", "proposal_valid_working_days: 20", "proposal_valid_working_days: soon")
    (founded.config / "scorecard.json").unlink()
    assert {"policy", "scorecard"} < set(wrong(founded, "proposal_valid_working_days", "scorecard fit"))


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("mysql://db/x", "mysql, which is not supported"),
        ("rubbish", "cannot be read"),
        ("postgresql://nobody:secret@127.0.0.1:1/x", "Connection refused"),
    ],
)
def test_doctor_names_a_wrong_database_and_keeps_its_password(fresh, monkeypatch, url, said):
    monkeypatch.setenv("CREDIT_REVIEW_DATABASE_URL", url)
    assert wrong(fresh, said) == ["database"]
    assert "secret" not in fresh.run("doctor").out


def test_doctor_names_a_schema_that_is_not_there(fresh):
    assert wrong(fresh, "does not exist", "credit-review db upgrade") == ["database"]
    (fresh.config / "data").mkdir()
    sqlite3.connect(fresh.config / "data" / "credit-review.db").close()
    assert wrong(fresh, "schema missing", "credit-review db upgrade") == ["database"]


def test_doctor_names_every_document_two_people_have_not_adopted(founded):
    adoptions = [f"adoption of {name}" for name in DOCUMENTS]
    found = wrong(founded, "0 of 2 people have adopted it", "credit-review adopt policy.yaml")
    assert sorted(one for one in found if not one.startswith("tier ")) == sorted(adoptions)
    founded.run("adopt", "policy.yaml").fine()
    assert "adoption of policy.yaml" in wrong(founded, "1 of 2 people")


def test_doctor_names_tiers_whose_holders_stand_in_no_directory(founded):
    absent = "add them with `credit-review people add`: p-ceo, p-cfo, p-chair, p-controller"
    said = ("0 of the 2 it takes: nobody", absent)
    assert [one for one in wrong(founded, *said) if one.startswith("tier ")] == ["tier T1", "tier T2", "tier T3", "tier T4"]
    for holder in ("p-cfo", "p-ceo", "p-chair"):
        founded.run("people", "add", holder, "--name", holder, "--token", holder).fine()
    CLOCK.set(NOON + timedelta(minutes=3))
    assert not [one for one in wrong(founded) if one.startswith("tier ")], "whoever holds a higher tier may approve what a lower one may"


def test_doctor_names_an_account_nobody_mapped_and_too_few_people(fresh):
    fresh.run("db", "upgrade").fine()
    assert "people" in wrong(fresh, "0 active", "credit-review people first-pair")
    fresh.run("people", "first-pair", "--first", "p-a:A:somebody-else", "--second", "p-b:B:bert").fine()
    assert "you" in wrong(fresh, f"os account '{account()}' belongs to nobody", f"credit-review people account PERSON os {account()}")


@pytest.mark.parametrize(
    ("mode", "tokens", "said"),
    [
        ("socket", {}, "CREDIT_REVIEW_SLACK_BOT_TOKEN, CREDIT_REVIEW_SLACK_APP_TOKEN not set"),
        ("http", {"BOT_TOKEN": "xoxb-1"}, "CREDIT_REVIEW_SLACK_SIGNING_SECRET not set"),
        ("socket", {"BOT_TOKEN": "xapp-1", "APP_TOKEN": "xoxb-canary"}, "CREDIT_REVIEW_SLACK_BOT_TOKEN is no bot token (xoxb-...)"),
        ("http", {"BOT_TOKEN": "xoxb-1", "SIGNING_SECRET": "canary"}, "CREDIT_REVIEW_SLACK_SIGNING_SECRET is no signing secret"),
        ("socket", {"BOT_TOKEN": "xoxb-1", "APP_TOKEN": "xapp-1"}, "Slack does not answer auth.test"),
    ],
)
def test_doctor_names_slack_tokens_that_are_missing_malformed_or_of_no_use(reviewed, tmp_path, monkeypatch, mode, tokens, said):
    office = reviewed.copy(tmp_path / "config")
    settings_of(office, slack={"mode": mode, "channel": "C1", "team_ids": ["T1"], "api_url": "http://127.0.0.1:9/api/"})
    for name, value in tokens.items():
        monkeypatch.setenv(f"CREDIT_REVIEW_SLACK_{name}", value)
    assert wrong(office, said) == ["Slack"]
    assert "canary" not in office.run("doctor").out


def test_doctor_names_a_prefect_server_that_does_not_answer(reviewed):
    from prefect.settings import PREFECT_API_URL, temporary_settings

    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}):
        assert wrong(reviewed, "http://127.0.0.1:9/api", "prefect server start") == ["Prefect"]


def test_doctor_names_a_drop_folder_and_a_ledger_folder_that_are_missing(office):
    for name in ("erp_drop", "ledger"):
        shutil.rmtree(office.config / name)
    assert wrong(office, "drop folder", "mkdir -p", "correct `folder` in settings.yaml") == ["ledger folder ledger", "write-back"]


def test_doctor_names_a_day_of_posting_that_is_no_day(office):
    (office.config / "ledger" / "posted_through.txt").write_text("end of September")
    assert wrong(office, "end of September", "correct `posted_through`") == ["posted through"]


# --- what did not get through -------------------------------------------------------------------------------------------------------


def approved(office):
    """An increase that somebody approved, ready to be applied; its id."""
    key = office.waiting(way="up", tier="T2")[0]
    office.run("release", key, who="p-analyst").fine()
    office.run("decide", key, "approve", who="p-manager").fine()
    return key


def test_a_delivery_the_erp_refuses_is_parked_listed_and_requeued_by_a_person(office, monkeypatch):
    erp = office.config / "erp.db"
    monkeypatch.setenv("CREDIT_REVIEW_ERP_URL", f"sqlite:///{erp}")
    settings_of(office, write_back={"kind": "table", "url_secret": "ERP_URL", "table": "credit_limits"})
    assert "credit_limits" in office.run("db", "write-back").fine().out
    with sqlite3.connect(erp) as connection:
        connection.execute("CREATE TRIGGER closed BEFORE INSERT ON credit_limits BEGIN SELECT RAISE(ABORT, 'period is closed'); END")
    approved(office)
    done = office.run("apply").fine().out
    assert "parked for a person" in done and "0 parked" not in done
    parked = office.run("deliveries", "list", "--json").fine().json
    assert parked and {(one["to"], one["attempts"]) for one in parked} == {("ERP", 1)}
    listed = office.run("deliveries", "list").fine().out
    assert parked[0]["delivery"] in listed and "refuses the write" in listed and "period" not in listed
    assert "differences to the ERP" in office.run("inbox", who="p-analyst").fine().out
    office.run("deliveries", "requeue", "o-none", who="p-analyst").refused(4, "o-none is not parked", "deliveries list")
    ids = [one["delivery"] for one in parked]
    office.run("deliveries", "requeue", *ids, "o-none", who="p-analyst").refused(4)
    assert len(office.find(OutboxEntry, state=OutboxState.PARKED)) == len(ids), "all or none"
    with sqlite3.connect(erp) as connection:
        connection.execute("DROP TRIGGER closed")
    assert "queued again" in office.run("deliveries", "requeue", *ids, who="p-analyst").fine().out
    assert f"{len(ids)} delivered" in office.run("apply").fine().out
    assert office.run("deliveries", "list").fine().out == "no delivery is parked\n"
    assert office.run("differences", "list").fine().out == "the ERP holds what is in force\n"
    with sqlite3.connect(erp) as connection:
        assert connection.execute("SELECT count(*) FROM credit_limits").fetchone() == (len(ids),)


def test_a_limit_the_erp_holds_otherwise_is_listed_with_its_owner_and_settled_with_a_reason(office):
    approved(office)
    office.run("apply").fine()
    office.erp_applies()
    office.run("apply").fine()
    assert office.run("differences", "list").fine().out == "the ERP holds what is in force\n"
    edit_applied(office.config / "erp_drop" / "applied.csv")
    CLOCK.set(NOON + timedelta(days=2))
    assert "1 differ" in office.run("apply").fine().out
    (found,) = office.run("differences", "list", "--json").fine().json
    assert found["owner"] == "p-analyst"
    listed = office.run("differences", "list").fine().out
    assert "Anna Berg" in listed and "777,777 EUR" in listed and found["difference"] in listed
    assert found["difference"] in office.run("inbox", "--json", who="p-analyst").fine().json["differences"]
    office.run("differences", "settle", found["difference"], "--reason", " ", who="p-analyst").refused(3, "with a reason")
    said = office.run("differences", "settle", found["difference"], "--reason", "reset in the ERP", who="p-analyst").fine().out
    assert "is settled by Anna Berg" in said and office.find(ErpDifference, settled_at=None) == []
    office.run("differences", "settle", found["difference"], "--reason", "again", who="p-analyst").refused(4, "no open difference")


def edit_applied(path: Path):
    """The ERP holds another amount for one account in EUR."""
    rows = list(csv.DictReader(path.open(encoding="utf-8")))
    next(row for row in rows if row["currency"] == "EUR")["amount_minor"] = "77777700"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


# --- the audit log ------------------------------------------------------------------------------------------------------------------


def test_a_sound_log_is_consistent_but_not_anchored(reviewed):
    done = reviewed.run("audit", "verify")
    assert done.code == 2 and "consistent, not anchored" in done.out
    told = reviewed.run("audit", "verify", "--json")
    assert told.code == 2 and told.json["entries"] > 100 and len(told.json["root"]) == 64


def test_a_log_somebody_changed_is_tampered_with_and_the_entry_is_named(office):
    with sqlite3.connect(office.config / "data" / "credit-review.db") as connection:
        for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'audit_log'").fetchall():
            connection.execute(f"DROP TRIGGER {name}")
        connection.execute("UPDATE audit_log SET body = body || ' ' WHERE seq = 50")
    done = office.run("audit", "verify")
    assert done.code == 1 and "audit entry 50" in done.out, done.out
    told = office.run("audit", "verify", "--json")
    assert told.code == 1 and (told.json["status"], told.json["seq"]) == ("tampered", 50)
