"""One reviewed installation for all tests of the command line; a test that changes it works on a copy."""

from __future__ import annotations

import fcntl

import office as offices
import pytest
from office import AS_OF, CLOCK, NOON

from credit_review.adapters import wiring


@pytest.fixture(scope="session", autouse=True)
def one_clock():
    """Every command of this process goes by one clock, which stands still until a test moves it."""
    patch = pytest.MonkeyPatch()
    patch.setattr(wiring, "SystemClock", lambda: CLOCK)
    yield
    patch.undo()


@pytest.fixture(autouse=True)
def at_noon(monkeypatch, plain_flows, checked_once):
    """A test begins at noon of the first day, and in the environment of a person who configured nothing else.

    The review that all start from is run under Prefect, see `reviewed`; what a test runs itself is not.
    """
    CLOCK.set(NOON)
    for name in ("CREDIT_REVIEW_CONFIG", "CREDIT_REVIEW_TOKEN", "CREDIT_REVIEW_DATABASE_URL", "CREDIT_REVIEW_SECRETS_DIR"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def reviewed(run_folder, prefect_session, one_clock):
    """An installation with one review, routed; made once for all workers of a test session. Never changed: see `office`."""
    made = offices.Office(run_folder / "office" / "config")
    with (run_folder / "office.lock").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        if not (run_folder / "office" / "done").exists():
            CLOCK.set(NOON)
            offices.install(made.config, customers=45)
            done = made.run("review", "run", "--as-of", AS_OF.isoformat()).fine()
            assert "is routed" in done.out
            made.opened.store.close()  # nothing is left in the write-ahead log: copies of the folder are whole
            (run_folder / "office" / "done").touch()
    return made


@pytest.fixture
def office(reviewed, tmp_path):
    """A copy of the reviewed installation, to be changed."""
    return reviewed.copy(tmp_path / "config")
