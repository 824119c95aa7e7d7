"""A review through the command line, under Prefect's own API: what it leaves in Prefect's database, and what it must not.

Commands run in this process, under the test session's server; that they start by themselves and bring their own server, test_demo.py shows.
"""

from __future__ import annotations

import csv
import io
import json
import sqlite3
import sys
from contextlib import closing, redirect_stderr, redirect_stdout
from datetime import date
from types import SimpleNamespace

import pytest
from prefect.events.worker import EventsWorker
from prefect.settings import PREFECT_HOME, PREFECT_LOCAL_STORAGE_PATH, temporary_settings

from credit_review.adapters import wiring
from credit_review.adapters.clock import SystemClock
from credit_review.adapters.store import schema
from credit_review.adapters.wiring import open_services
from credit_review.model.states import DocumentOfRecord
from credit_review.review import directory
from deployments import demo_company
from deployments.cli import governing, main, starting

AS_OF = date(2026, 9, 30)
MARKER = "Zzmarkername"
SECRET = "zz-canary-secret-zz"
CANARIES = {
    "CREDIT_REVIEW_ERP_URL": f"postgresql+psycopg://erp:{SECRET}@localhost/erp",
    "CREDIT_REVIEW_SLACK_BOT_TOKEN": f"xoxb-{SECRET}",
    "CREDIT_REVIEW_SLACK_APP_TOKEN": f"xapp-{SECRET}",
    "CREDIT_REVIEW_SLACK_SIGNING_SECRET": SECRET,
    "CREDIT_REVIEW_TOKEN_KEY": SECRET,
    "CREDIT_REVIEW_OIDC_CLIENT_SECRET": SECRET,
    "CREDIT_REVIEW_STEP_UP_KEY": SECRET,
}
"""Every secret an installation may have, in the environment of everything that runs."""

pytestmark = pytest.mark.prefect


@pytest.fixture(scope="module", autouse=True)
def clock_that_goes():
    """Where this process ran tests of the command line before, theirs stands still, and this review would have the id of theirs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(wiring, "SystemClock", SystemClock)
        yield


@pytest.fixture(scope="module")
def before(prefect_server, prefect_session):
    """Flow runs that other tests left in the session's server: installations of one name have reviews of one name too."""
    return {run_id for run_id, _, _ in _flow_runs(prefect_server, "%")}


@pytest.fixture(scope="module")
def ran(tmp_path_factory, prefect_server, before):
    """An installation whose customers all have marker names, reviewed once by `credit-review review run`, and all files of Prefect."""
    folder = tmp_path_factory.mktemp("installation")
    config, home = folder / "config", folder / "prefect"
    starting.write_starter(config)
    demo_company.write(config / "ledger", seed=3, as_of=AS_OF, customers=60)
    _mark(config / "ledger" / "customers.csv")
    for name in ("data", "erp_drop"):
        (config / name).mkdir()
    from credit_review.adapters import settings

    opened = open_services(settings.load(config))
    schema.upgrade(opened.settings.database_url())
    people = [(p, p) for p in ("p-analyst", "p-controller", "p-manager", "p-cfo", "p-ceo", "p-chair")]
    with opened.store.begin() as uow:
        directory.set_up_demo(uow, people, on=AS_OF, now=opened.clock.now())
        uow.commit()
    for kind, name in zip(DocumentOfRecord, ("policy.yaml", "authority.yaml", "scorecard.json", "mapping.yaml"), strict=True):
        for person_id in ("p-cfo", "p-manager"):
            with opened.store.begin() as uow:
                person = governing.me(opened, uow, person_id)
                governing.adopt_text(opened, uow, person, kind=kind, name=name, text=(config / name).read_text())
                uow.commit()
    with temporary_settings({PREFECT_HOME: home, PREFECT_LOCAL_STORAGE_PATH: home / "storage"}):
        done = command(config, "review", "run", "--as-of", AS_OF.isoformat())
    assert done.returncode == 0, done.stderr[-3000:]
    EventsWorker.drain_all(timeout=20)  # one that another test left without its server would never be done
    return config, [prefect_server, home], done


def _mark(path):
    rows = list(csv.reader(path.open(encoding="utf-8")))
    at = rows[0].index("name")
    for number, row in enumerate(rows[1:]):
        row[at] = f"{MARKER} {number}"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)


def command(config, *words):
    """A command through the program's entry point, with every secret in the environment."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        for name, value in CANARIES.items():
            patch.setenv(name, value)
        patch.setattr(sys, "argv", ["credit-review", *words, "--config", str(config)])
        with pytest.raises(SystemExit) as ended:
            main.run()
            sys.exit(0)
    return SimpleNamespace(returncode=ended.value.code or 0, stdout=out.getvalue(), stderr=err.getvalue())


@pytest.fixture(scope="module")
def rows(ran, prefect_server, before):
    """Asks Prefect's own database: the flow run that made the review (id, name, tags) and its artifacts (key, type, data)."""
    config, _, _ = ran
    (folder,) = (config / "data" / "reviews").iterdir()
    runs = [run for run in _flow_runs(prefect_server, f"%review:{folder.name}%") if run[0] not in before]
    return runs, _asked(prefect_server, "SELECT key, type, data FROM artifact WHERE flow_run_id = ?", runs[0][0])


def _flow_runs(home, tags):
    return _asked(home, "SELECT id, name, tags FROM flow_run WHERE tags LIKE ?", tags)


def _asked(home, statement, value):
    port = json.loads((home / "server.json").read_text())["port"]
    with closing(sqlite3.connect(home / f"{port}.db")) as connection:
        return connection.execute(statement, (value,)).fetchall()


def test_it_says_what_happened_and_where_the_report_is(ran):
    config, _, done = ran
    assert "60 customers:" in done.stdout and "is routed" in done.stdout
    (report,) = (config / "data" / "reviews").glob("*/report.html")
    assert str(report) in done.stdout and MARKER in report.read_text(encoding="utf-8")
    assert "Traceback" not in done.stderr
    chinese = report.with_name("report.zh_CN.html").read_text(encoding="utf-8")
    assert MARKER in chinese and "信用复核" in chinese and "validation.zh_CN.html" in report.read_text(encoding="utf-8")


def test_prefects_database_holds_no_name_and_no_secret(ran):
    config, homes, done = ran
    held = b"".join(path.read_bytes() for home in homes for path in home.rglob("*") if path.is_file())
    assert len(held) > 100_000
    assert MARKER.encode() not in held and SECRET.encode() not in held
    kept = b"".join(path.read_bytes() for path in config.rglob("*") if path.is_file())
    assert MARKER.encode() in kept and SECRET.encode() not in kept, "names are in our own data, secrets nowhere"
    assert SECRET not in done.stdout + done.stderr


def test_an_auditor_reads_the_run_in_prefect_alone(rows):
    _, found = rows
    artifacts = {key: (kind, json.loads(data) if isinstance(data, str) else data) for key, kind, data in found}
    assert {"summary", "proposals", "quarantine", "coverage", "report", "snapshot"} <= set(artifacts)
    assert "60 customers" in artifacts["summary"][1]
    for key in ("proposals", "quarantine", "coverage"):
        rows = artifacts[key][1]
        rows = json.loads(rows) if isinstance(rows, str) else rows
        assert 0 < len(rows) <= 100


def test_the_run_is_named_as_a_sentence_and_tagged_with_the_review(rows):
    ((_, name, tags),), _ = rows
    assert name == f"review all as of {AS_OF}" and len(json.loads(tags)) == 1


def test_the_manifest_names_every_input_by_its_digest(ran):
    config, _, _ = ran
    (path,) = (config / "data" / "reviews").glob("*/manifest.json")
    fixed = json.loads(path.read_text(encoding="utf-8"))
    inputs = ("policy", "authority", "scorecard", "delegations", "calendars", "snapshot", "ledger", "customers", "identities", "limits")
    assert [name for name in (*inputs, "external", "cover", "rates", "history") if len(fixed[name]) != 64] == []
    assert len(set(fixed["mappings"].values())) == 1


def test_the_audit_log_is_consistent_and_not_anchored(ran):
    config, _, _ = ran
    verified = command(config, "audit", "verify")
    assert verified.returncode == 2 and "consistent, not anchored" in verified.stdout


def test_what_was_approved_by_rule_is_applied_once_and_reaches_the_drop_folder(ran):
    config, _, _ = ran
    first, second = command(config, "apply"), command(config, "apply")
    assert first.returncode == second.returncode == 0, first.stderr
    assert "0 applied" in second.stdout
    dropped = {path.name for path in (config / "erp_drop").glob("*.csv")}
    assert len(dropped) == len(set(dropped))


def test_the_inbox_of_the_analyst_lists_drafts(ran):
    config, _, _ = ran
    shown = command(config, "inbox", "--as", "p-analyst", "--json")
    assert shown.returncode == 0 and json.loads(shown.stdout)["release"]
