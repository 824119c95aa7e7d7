"""Where the work runs shows in no result: threads, processes and a Dask cluster write the same files, byte for byte."""

from __future__ import annotations

import pickle
import shutil
import sys
from datetime import UTC, datetime
from hashlib import sha256

import pandas as pd
import pyarrow
import pytest
from installed import AS_OF, install, set_in

from credit_review.adapters import build_info, wiring
from credit_review.adapters.clock import FixedClock
from credit_review.errors import BadInput, Conflict, Refused, ReviewStopped, Tampered, Unavailable
from deployments.cli import reviewing
from tasks import prepare, replaying

pytestmark = pytest.mark.prefect

TIMED = {"stages.jsonl"}
"""Left out of the comparison: seconds and memory of each stage. Everything else a review writes must be equal."""


@pytest.fixture(scope="module", autouse=True)
def same_moment_and_code():
    """Reports say when they were made, the manifest names the commit that runs: both stand still, whatever is saved meanwhile."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(wiring, "SystemClock", lambda: FixedClock(datetime(2026, 10, 7, 9, tzinfo=UTC)))
        patch.setattr(build_info, "code_commit", lambda: "c0ffee")
        yield


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    config = tmp_path_factory.mktemp("runners") / "template"
    install(config, customers=36, seed=11)
    return config


def reviewed(template, folder, **review):
    """The folder of a review of a copy of the installation, run with these settings."""
    config = folder / "config"
    shutil.copytree(template, config)
    set_in(config, review=review)
    reviewing.run_flow(config, as_of=AS_OF)
    (found,) = (config / "data" / "reviews").iterdir()
    return found


def digests(review):
    """SHA-256 of every file of a review and of its snapshot, by name."""
    data = review.parents[1]
    files = {str(path.relative_to(data)): path for path in data.rglob("*") if path.is_file() and path.name not in TIMED}
    return {name: sha256(path.read_bytes()).hexdigest() for name, path in files.items() if "credit-review.db" not in name}


@pytest.fixture(scope="module")
def one_thread(template, tmp_path_factory, prefect_session):
    return reviewed(template, tmp_path_factory.mktemp("one_thread"), buckets=2, runner="threads", workers=1)


@pytest.mark.parametrize(
    ("runner", "workers"),
    [("threads", 4), pytest.param("processes", 2, marks=pytest.mark.soak), pytest.param("dask", 2, marks=pytest.mark.soak)],
    ids=lambda v: str(v),
)
def test_every_runner_writes_the_same_bytes(runner, workers, template, one_thread, tmp_path):
    found, wanted = digests(reviewed(template, tmp_path, buckets=2, runner=runner, workers=workers)), digests(one_thread)
    assert {"certificate.json", "proposals.csv", "proposals.parquet", "report.html", "validation.html"} <= {
        n.split("/")[-1] for n in wanted
    }
    assert len([name for name in wanted if "/features/" in name and name.endswith(".parquet")]) == 2
    assert {name for name in found.keys() | wanted.keys() if found.get(name) != wanted.get(name)} == set()
    # computed again in this process, bucket after bucket, on another number of threads
    review = next((tmp_path / "config" / "data" / "reviews").iterdir()).name
    threads = pyarrow.cpu_count()
    pyarrow.set_cpu_count(1 if threads > 1 else 4)
    try:
        replayed = replaying.replay(str(tmp_path / "config"), review)
    finally:
        pyarrow.set_cpu_count(threads)
    assert (replayed.exit_code, replayed.customers) == (0, 36), replayed


@pytest.mark.soak
def test_another_number_of_buckets_gives_the_same_proposals(template, one_thread, tmp_path):
    found = reviewed(template, tmp_path, buckets=5, runner="threads", workers=4)
    for name in ("proposals.csv", "certificate.json"):
        assert (found / name).read_bytes() == (one_thread / name).read_bytes(), name
    pd.testing.assert_frame_equal(pd.read_parquet(found / "proposals.parquet"), pd.read_parquet(one_thread / "proposals.parquet"))


def test_dask_that_is_not_installed_is_said_with_the_next_step(one_thread, monkeypatch):
    monkeypatch.setitem(sys.modules, "prefect_dask", None)
    opened = prepare.services(str(one_thread.parents[2])).settings
    settings = opened.model_copy(update={"review": opened.review.model_copy(update={"runner": "dask"})})
    with pytest.raises(BadInput, match="needs prefect-dask") as error:
        prepare.planned(settings, "config", AS_OF, "all", "periodic")
    assert "credit-review[dask]" in error.value.next_step


@pytest.mark.parametrize("kind", [BadInput, Refused, ReviewStopped, Unavailable, Conflict, Tampered])
def test_an_error_comes_home_from_another_process_as_it_was_raised(kind):
    code = ["CODE"] if issubclass(kind, Refused) else []
    error = kind(*code, "the thing", expected="another thing", next_step="do this")
    home = pickle.loads(pickle.dumps(error))
    assert type(home) is kind and home.text() == error.text() == str(home) and vars(home) == vars(error)
