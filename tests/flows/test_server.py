"""A Prefect server, the deployments and a worker, started with the README's own lines; a review waits, then runs, as a user sees it."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import closing, contextmanager, suppress
from datetime import UTC, date, datetime
from pathlib import Path

import psutil
import pytest
from installed import install, set_in

from flows.apply_limits import apply_limits
from flows.periodic_review import periodic_review
from flows.verify_audit_log import verify_audit_log
from tasks import prepare

ROOT = Path(__file__).parents[2]
AS_OF, FIRES = date(2024, 9, 30), datetime(2024, 10, 8, 4, tzinfo=UTC)
"""The last day of a quarter, and the sixth working day after it, when a run was due: long past, so a worker takes it at once."""

ZONE = "Europe/Helsinki"
"""Ahead of the starter's zone, in whose days the rules were adopted: they are in force at any hour of the test's day."""
PATIENCE = 240
"""Seconds to wait for something before the test gives up; nothing is measured."""

pytestmark = pytest.mark.prefect


def lines_of_the_readme():
    """The commands under Schedules, in order."""
    part = (ROOT / "README.md").read_text(encoding="utf-8").partition("## Schedules")[2].partition("\n## ")[0]
    blocks = re.findall(r"```sh\n(.*?)```", part, re.S)
    return [line.partition("  #")[0].strip() for block in blocks for line in block.splitlines() if line.strip()]


def until(found, what):
    """What `found` returns once it returns something."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if result := found():
            return result
        time.sleep(0.5)
    raise AssertionError(f"gave up waiting for {what}")


@contextmanager
def started(line, environment, log):
    """A command that runs until the block ends; whatever it started ends with it."""
    with log.open("w") as out:
        process = psutil.Popen(["bash", "-c", f"exec {line}"], env=environment, cwd=ROOT, stdout=out, stderr=out)
        try:
            yield process
        finally:
            family = [process]
            with suppress(psutil.NoSuchProcess):
                family += process.children(recursive=True)
            process.terminate()
            with suppress(psutil.TimeoutExpired):
                process.wait(timeout=3)
            for one in family:
                with suppress(psutil.NoSuchProcess):
                    one.kill()


def answers(url):
    with suppress(OSError), urllib.request.urlopen(f"{url}/health", timeout=2) as answer:
        return answer.status == 200
    return False


@pytest.fixture(scope="module")
def served(tmp_path_factory, prefect_home):
    """An installation, and a client of the server on which it is deployed and served by a worker."""
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.events.worker import EventsWorker

    folder = tmp_path_factory.mktemp("served")
    config = folder / "my-review"
    install(config, customers=40, seed=5, as_of=AS_OF)
    set_in(config, time_zone=ZONE, review={"buckets": 1})
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "CREDIT_REVIEW_", "DO_NOT_TRACK"))}
    environment |= {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PREFECT_HOME": str(prefect_home(folder / "prefect")),
        "PREFECT_SERVER_API_PORT": port,
        "PREFECT_WORKER_QUERY_SECONDS": "2",
    }
    lines = [line.replace("$PWD/my-review", str(config)).replace("4200", port) for line in lines_of_the_readme()]
    server, *between, worker = lines
    assert server == "prefect server start" and worker == "prefect worker start --pool credit-review"
    url = f"http://127.0.0.1:{port}/api"
    exported = next(line for line in between if line.startswith("export "))
    with started(server, environment, folder / "server.log"):
        until(lambda: answers(url), "the server")
        done = subprocess.run(
            ["bash", "-ec", "\n".join(between)], env=environment, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False
        )
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        with SyncPrefectClient(api=url) as client:
            for deployment in client.read_deployments():
                client.pause_deployment(deployment.id)  # only what this test schedules may run
            with started(f"env {exported.removeprefix('export ')} {worker}", environment, folder / "worker.log"):
                yield config, client
                EventsWorker.drain_all(timeout=20)  # of this process, while there is a server to take its events


def ran(client, name, **values):
    """The run of a deployment scheduled for FIRES, once it has ended, and its artifacts by key."""
    from prefect.states import Scheduled

    deployment = client.read_deployment_by_name(f"{name}/{name}")
    run = client.create_flow_run_from_deployment(deployment.id, state=Scheduled(scheduled_time=FIRES), parameters=values)

    def ended():
        found = client.read_flow_run(run.id)
        return found if found.state.is_final() else None

    found = until(ended, f"the run of {name}")
    return found, artifacts_of(client, run.id)


def artifacts_of(client, run_id):
    from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId

    mine = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[run_id]))
    return {one.key: one for one in client.read_artifacts(artifact_filter=mine)}


def ran_here(client, flow, config, monkeypatch):
    """As `ran`, in this process: that a worker starts flows is shown once, and takes ten seconds each time."""
    from prefect.runtime import flow_run
    from prefect.settings import PREFECT_API_URL, temporary_settings

    monkeypatch.setitem(flow_run.FIELDS, "scheduled_start_time", lambda: FIRES)
    with temporary_settings({PREFECT_API_URL: str(client.api_url)}):
        state = flow(config=str(config), return_state=True)
    run_id = state.state_details.flow_run_id
    return client.read_flow_run(run_id), artifacts_of(client, run_id)


def test_everything_is_deployed_with_the_installations_folder_and_time_zone(served):
    config, client = served
    deployed = {one.name: one for one in client.read_deployments()}
    assert sorted(deployed) == [
        "apply_limits",
        "daily_follow_up",
        "issue_checkpoint",
        "monitor_scorecard",
        "periodic_review",
        "policy_effectiveness",
        "refit_scorecard",
        "verify_audit_log",
        "watch_controls",
    ]
    for one in deployed.values():
        assert one.parameters["config"] == str(config)
        assert [schedule.schedule.timezone for schedule in one.schedules] == [ZONE]


def test_a_review_waits_until_cash_is_posted_and_then_a_worker_runs_it(served, monkeypatch):
    config, client = served
    posted = config / "ledger" / "posted_through.txt"
    posted.write_text("2024-09-29\n")
    waiting, said = ran_here(client, periodic_review, config, monkeypatch)
    assert (waiting.state.type, waiting.state.name) == ("COMPLETED", "Waiting"), waiting.state
    assert "Cash is posted through 2024-09-29" in waiting.state.message and "Cash is posted through 2024-09-29" in said["waiting"].data
    assert not (config / "data" / "reviews").exists()

    posted.write_text("2024-09-30\n")
    run, artifacts = ran(client, "periodic_review")
    assert run.state.name == "Completed", run.state
    (review,) = (config / "data" / "reviews").iterdir()
    assert run.name == "review due as of the last quarter end"
    assert {"credit-review", f"review:{review.name}"} <= set(run.tags)
    assert run.state.message.startswith("40 customers") and (review / "report.html").is_file()
    assert {"summary", "proposals", "quarantine", "coverage", "report", "snapshot"} <= set(artifacts)
    assert "as of 2024-09-30" in artifacts["summary"].data

    # asked as the next candidate day asks, without another ten seconds of a worker
    assert f"Nothing to do: review {review.name}" in prepare._waiting_for(prepare.services(str(config)), date(2024, 10, 9), AS_OF, "due")
    first_days = prepare._waiting_for(prepare.services(str(config)), date(2024, 10, 4), AS_OF, "due")
    assert first_days == "Working day 5 of the quarter is 2024-10-08; today is 2024-10-04."


def test_the_audit_log_is_verified_with_a_warning_until_it_is_anchored(served, monkeypatch):
    config, client = served
    run, artifacts = ran_here(client, verify_audit_log, config, monkeypatch)
    assert run.state.name == "Completed" and run.name == "verify the audit log"
    assert "consistent, not anchored" in run.state.message and "Warning" in artifacts["audit-log"].data


def test_a_checkpoint_is_asked_for_once_limits_were_applied(served, monkeypatch):
    """By the server's automation, in the notary's queue: held here, for nobody serves it as another user would."""
    from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterId

    config, client = served
    notary = client.read_deployment_by_name("issue_checkpoint/issue_checkpoint")
    client.request("PATCH", "/work_queues/{id}", path_params={"id": notary.work_queue_id}, json={"is_paused": True})
    applied, _ = ran_here(client, apply_limits, config, monkeypatch)
    assert applied.state.name == "Completed" and notary.work_queue_name == "notary"

    def asked():
        return client.read_flow_runs(deployment_filter=DeploymentFilter(id=DeploymentFilterId(any_=[notary.id])))

    (run,) = until(asked, "the run that the server's automation starts")
    assert (run.state.name, run.work_queue_name, run.created_by.type) == ("Scheduled", "notary", "AUTOMATION")


def test_nobody_outside_is_told_that_the_server_runs(served):
    _, client = served
    assert client.request("GET", "/admin/settings").json()["server"]["analytics_enabled"] is False
