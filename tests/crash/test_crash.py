"""Real processes killed before and after their commits and file renames, over a whole cycle, on both databases.

In a chain every process is killed at a point no process before it died at, and the next one goes on from there: hundreds of crashes in
one review, which must leave what an uninterrupted one leaves. `make soak` kills at every point, and one point at a time.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path

import pytest

from credit_review.adapters.clock import FixedClock
from credit_review.adapters.order_desk import SUFFIX, OrderTable
from credit_review.adapters.write_back import TableWriteBack
from credit_review.model.records import LimitChange, Proposal, Review

HERE = Path(__file__).parent
sys.path.append(str(HERE.parent / "flows"))

from installed import AS_OF, install, set_in  # noqa: E402
from left_behind import NOT_COMPARED  # noqa: E402

pytestmark = pytest.mark.crash

COMPANY = {"customers": 60, "seed": 5}
ADOPTED = datetime(2026, 10, 1, 12, tzinfo=UTC)

ALL = "."
FIRST_OF_EACH = "^(after commit|before rename) .* #1$"
"""Of each place, after the first commit and before the first rename. The rest, and numbers drawn in the queue of writers, are left to
`make soak`; PostgreSQL is killed on both sides of its commits here."""
FIRST_COMMITS = "^[a-z]+ commit .* #1$"
AND_RENAMES = f"{FIRST_COMMITS}|^before rename to (features/|.*/certificate.json|.*/report.html).* #1$"
"""With three renames among them, of a bucket's result, of what is signed off and of what people read."""


class Company:
    """An installation to spoil: its folder, and what the environment says of its databases."""

    def __init__(self, config, environment):
        self.config, self.environment = config, environment

    def job(self, do, **more):
        return {"config": str(self.config), "environment": self.environment, "do": do, **more}


@pytest.fixture(scope="module")
def forked():
    """Ask the process that forks; it answers with what its child said, or that it was killed."""
    process = subprocess.Popen(
        [sys.executable, HERE / "forked.py"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )

    def ask(job):
        process.stdin.write(json.dumps(job) + "\n")
        process.stdin.flush()
        answer = json.loads(process.stdout.readline())
        assert "failed" not in answer, answer["failed"]
        return answer

    yield ask
    process.stdin.close()
    assert process.wait(timeout=60) == 0


@pytest.fixture(scope="module")
def on_sqlite(tmp_path_factory):
    """The company as its people set it up, nothing reviewed yet; to be copied."""
    config = tmp_path_factory.mktemp("on_sqlite") / "config"
    install(config, **COMPANY, clock=FixedClock(ADOPTED))
    return config


@contextmanager
def set_up(folder, database, erp, monkeypatch, request):
    """A company whose record is in the database of that name and whose ERP is a table or a drop folder."""
    config = folder / "config"
    environment = {}
    if database == "postgresql":
        url = request.getfixturevalue("postgres_url").replace("postgresql://", "postgresql+psycopg://")
        environment["CREDIT_REVIEW_DATABASE_URL"] = url
    if erp == "table":
        environment["CREDIT_REVIEW_ERP_URL"] = environment.get("CREDIT_REVIEW_DATABASE_URL", f"sqlite:///{folder / 'erp.db'}")
    if environment:
        with monkeypatch.context() as patched:
            for name, value in environment.items():
                patched.setenv(name, value)
            install(config, **COMPANY, clock=FixedClock(ADOPTED))
    else:
        shutil.copytree(request.getfixturevalue("on_sqlite"), config)
    if request.config.option.markexpr != "soak":
        set_in(config, review={"buckets": 1})  # has the same commits as two; between buckets, where none is, only `make soak` kills
    if erp == "table":
        set_in(config, write_back={"kind": "table", "url_secret": "ERP_URL", "table": "erp_limits", "orders": True})
        engine = sql_engine(environment["CREDIT_REVIEW_ERP_URL"])
        TableWriteBack(engine, "erp_limits").create()
        OrderTable(engine, f"erp_limits{SUFFIX}", lambda name, sha256: "").create()
    else:
        set_in(config, write_back={"orders": True})
    yield Company(config, environment)


def sql_engine(url):
    from sqlalchemy import create_engine
    from sqlalchemy.pool import NullPool

    return create_engine(url, poolclass=NullPool)


def chain(forked, company, folder, of, **more):
    """Kill one process after the other until one comes to the end; returns the points they died at."""
    seen = folder / "died_at"
    while forked(company.job("run", new=str(seen), of=of, **more)).get("killed"):
        assert len(seen.read_text().splitlines()) < 2_000
    return seen.read_text().splitlines()


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory, forked, request):
    """What a cycle leaves that nobody killed (SQLite, drop folder), and the points it passed."""
    folder = tmp_path_factory.mktemp("uninterrupted")
    with pytest.MonkeyPatch.context() as patched, set_up(folder, "sqlite", "csv_drop", patched, request) as company:
        points = forked(company.job("run"))["points"]
        return forked(company.job("look")), points


def same(found, expected, *, erp="csv_drop"):
    """Everything is as expected; the drop folder only where there is one."""
    names = [name for name in expected if erp == "csv_drop" or name != "dropped"]
    assert [name for name in names if found[name] != expected[name]] == []


def test_the_cycle_does_everything_a_crash_could_spoil(uninterrupted):
    left, points = uninterrupted
    assert {"applied", "rejected", "superseded", "expired", "returned"} <= set(column(left, Proposal, "state"))
    assert set(column(left, LimitChange, "kind")) == {"opening", "decision", "reversal"}
    assert "closed" in column(left, Review, "state")
    assert left["log"] == [2, "consistent, not anchored"] and left["owed_twice"] == [] and left["half_written"] == []
    assert len(left["dropped"][0]) == len(left["dropped"][1]) == len(set(left["dropped"][1])) > 5
    assert len(left["dropped"][2]) >= 3, "lists of open orders, one a run that put limits in force"
    assert len(points) > 300


@pytest.mark.parametrize(
    ("database", "erp", "of"),
    [
        ("sqlite", "csv_drop", AND_RENAMES),
        ("postgresql", "table", FIRST_COMMITS),
        pytest.param("sqlite", "csv_drop", FIRST_OF_EACH, marks=pytest.mark.soak),
    ],
)
def test_a_cycle_killed_again_and_again_ends_like_one_that_was_not(
    database, erp, of, forked, uninterrupted, tmp_path, monkeypatch, request
):
    with set_up(tmp_path, database, erp, monkeypatch, request) as company:
        died_at = chain(forked, company, tmp_path, of)
        same(forked(company.job("look")), uninterrupted[0], erp=erp)
    assert len(died_at) > (60 if of == FIRST_OF_EACH else 35)
    assert of == FIRST_COMMITS or sum(" rename " in one for one in died_at) >= 3


@pytest.mark.parametrize("at", [pytest.param("after commit in open_review", marks=pytest.mark.soak), "after commit in store_request"])
def test_a_request_whose_process_died_is_asked_again_and_granted_once(at, forked, uninterrupted, tmp_path, monkeypatch, request):
    with set_up(tmp_path, "sqlite", "csv_drop", monkeypatch, request) as company:
        assert chain(forked, company, tmp_path, f"^{at}", fragile=["ask"])
        left = forked(company.job("look"))
    expected = uninterrupted[0]
    assert left["tables"]["CreditLimit"] == expected["tables"]["CreditLimit"]
    assert in_words(left) == in_words(expected)
    assert left["log"] == expected["log"] and left["half_written"] == []


def in_words(left):
    """Every change of a limit, without the ids that depend on which request it was."""
    names = ("account_id", "version", "kind", "old_minor", "new_minor", "new_terms_days", "effective_from", "effective_to")
    return sorted(zip(*(column(left, LimitChange, name) for name in names), strict=True))


def column(left, record, name):
    """The values of one field of all rows that were left."""
    at = [field.name for field in fields(record) if field.name not in NOT_COMPARED].index(name)
    return [row[at] for row in left["tables"][record.__name__]]


@pytest.mark.soak
@pytest.mark.prefect
@pytest.mark.parametrize(
    ("database", "points"),
    [
        ("sqlite", ["after rename to features/", "before commit in record_batches", "after rename to */validation.html"]),
        ("postgresql", ["after commit in send_out"]),
    ],
)
def test_the_command_killed_under_prefect_is_resumed_by_the_command(
    database, points, uninterrupted, tmp_path, monkeypatch, request, prefect_session
):
    with set_up(tmp_path, database, "csv_drop", monkeypatch, request) as company:
        arguments = ["review", "run", "--as-of", AS_OF.isoformat()]
        for point in points:
            assert command(company, point, *arguments).returncode == -9
            (folder,) = (company.config / "data" / "reviews").iterdir()
            arguments = ["review", "resume", folder.name]
        done = command(company, "never", *arguments)
        assert done.returncode == 0, done.stderr[-2000:]
    left, _ = uninterrupted
    assert json.loads((folder / "certificate.json").read_text()) == left["certificates"][folder.name]
    assert (folder / "proposals.csv").read_text() == left["proposals"][folder.name]
    assert (folder / "report.html").exists() and not [*folder.rglob(".*.part")]


def command(company, at, *arguments):
    """`credit-review ARGUMENTS` in a process of its own, killed `at` a point; it uses the test session's Prefect API."""
    from prefect.settings import PREFECT_API_URL

    environment = {**os.environ, **company.environment, "PREFECT_API_URL": PREFECT_API_URL.value(), "PYTHONPATH": str(HERE)}
    program = [sys.executable, HERE / "killed_command.py", at, *arguments, "--config", company.config]
    return subprocess.run(program, capture_output=True, text=True, timeout=300, env=environment, check=False)


# --- make soak ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.soak
@pytest.mark.parametrize("erp", ["csv_drop", "table"])
@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_a_cycle_killed_at_every_point_ends_like_one_that_was_not(database, erp, forked, uninterrupted, tmp_path, monkeypatch, request):
    with set_up(tmp_path, database, erp, monkeypatch, request) as company:
        chain(forked, company, tmp_path, ALL)
        same(forked(company.job("look")), uninterrupted[0], erp=erp)


@pytest.mark.soak
@pytest.mark.parametrize("part", range(4))
def test_one_crash_at_a_time_leaves_no_trace(part, forked, uninterrupted, tmp_path, monkeypatch, request):
    expected, points = uninterrupted
    chosen = range(part, len(points), 12)
    with set_up(tmp_path / "fresh", "sqlite", "csv_drop", monkeypatch, request) as fresh:
        for at in chosen:
            copy = Company(tmp_path / "copy" / "config", fresh.environment)
            shutil.copytree(fresh.config, copy.config)
            assert forked(copy.job("run", at=at)) == {"killed": True}
            forked(copy.job("run"))
            same(forked(copy.job("look")), expected)
            shutil.rmtree(copy.config)
