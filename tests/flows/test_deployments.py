"""What an operator of Prefect sees: deployment names, schedules with their dates, entrypoints that load."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from contextlib import nullcontext
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from credit_review.adapters import settings as configuration
from credit_review.calendar import WorkingCalendar, quarter_end_before
from credit_review.errors import BadInput, ReviewStopped
from deployments import schedules
from deployments.cli import starting
from tasks import prepare

ROOT = Path(__file__).parents[2]
DEPLOYED = {d["name"]: d for d in yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]}


def _fire_dates(name, start, count):
    from prefect.client.schemas.schedules import RRuleSchedule

    (schedule,) = DEPLOYED[name]["schedules"]
    rule = RRuleSchedule(rrule=schedule["rrule"], timezone="Europe/Berlin").to_rrule()
    return list(islice(rule.xafter(start), count))


def test_folder_and_time_zone_of_every_deployment_come_from_the_installation(tmp_path, monkeypatch):
    """test_server.py deploys it for real; here is what Prefect's template is given."""
    assert {d["parameters"]["config"] for d in DEPLOYED.values()} == {"{{ installation.config }}"}
    assert {s["timezone"] for d in DEPLOYED.values() for s in d["schedules"]} == {"{{ installation.time_zone }}"}
    starting.write_starter(tmp_path / "mine")
    monkeypatch.setenv("CREDIT_REVIEW_CONFIG", str(tmp_path / "mine"))
    assert schedules.installation() == {"config": str(tmp_path / "mine"), "time_zone": "Europe/Berlin"}
    monkeypatch.setenv("CREDIT_REVIEW_CONFIG", str(tmp_path / "nowhere"))
    with pytest.raises(BadInput, match="nowhere") as error:
        schedules.installation()
    assert "CREDIT_REVIEW_CONFIG" in error.value.next_step


SWITCHES = ("PREFECT_SERVER_ANALYTICS_ENABLED", "DO_NOT_TRACK", "GX_ANALYTICS_ENABLED")


def _says(code):
    """What a fresh Python prints that nobody told about analytics, away from the project's own Prefect settings."""
    environment = {name: value for name, value in os.environ.items() if name not in SWITCHES and not name.startswith("PREFECT_")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment, cwd="/")
    return done.stdout.split()


@pytest.mark.parametrize("room", ["tasks", "flows"])
def test_analytics_are_off_before_any_module_of_a_room_imports_a_library(room):
    """Python imports the package before each of its modules, so this holds whichever comes first."""
    code = f"import os, sys, {room}; print(*(os.environ.get(name) for name in {SWITCHES}))"
    code += "; print(*(name for name in ('prefect', 'great_expectations') if name in sys.modules))"
    assert _says(code) == ["false", "1", "false"]


def test_analytics_are_off_where_prefect_was_imported_first():
    """As a worker does, which loads a flow by the path of its file."""
    code = "import prefect, os; from prefect.flows import load_flow_from_entrypoint as load"
    code += f"; load('{ROOT}/flows/verify_audit_log.py:verify_audit_log', use_placeholder_flow=False)"
    code += f"; print(*(os.environ.get(name) for name in {SWITCHES}))"
    code += "; from prefect._internal.analytics.enabled import is_telemetry_enabled; print(is_telemetry_enabled())"
    assert _says(code) == ["false", "1", "false", "False"]


def test_a_server_started_in_the_checkout_reports_to_nobody():
    """Prefect reads its settings from pyproject.toml too; a server of an own installation in another folder is its owner's."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["prefect"]
    assert settings["server"]["analytics_enabled"] is False


def test_there_are_eight_deployments_named_like_their_flows():
    assert sorted(DEPLOYED) == [
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
    for name, deployment in DEPLOYED.items():
        assert deployment["entrypoint"] == f"flows/{name}.py:{name}"
        assert deployment["work_pool"]["name"] == "credit-review"
        assert deployment["concurrency_limit"] == {"limit": 1, "collision_strategy": "CANCEL_NEW"}


@pytest.mark.parametrize("name", [*DEPLOYED, "limit_request"])
def test_every_entrypoint_loads_with_all_its_imports(name, monkeypatch):
    from prefect.flows import load_flow_from_entrypoint

    monkeypatch.chdir(ROOT)
    flow = load_flow_from_entrypoint(f"flows/{name}.py:{name}", use_placeholder_flow=False)
    assert flow.name == name


def test_every_flow_file_is_short_and_holds_no_class():
    for path in (ROOT / "flows").glob("*.py"):
        text = path.read_text()
        assert len(text.splitlines()) <= 150 and "\nclass " not in text
        assert not any(f"import {library}" in text for library in ("pandas", "sqlalchemy", "slack"))


def test_the_quarterly_review_may_start_on_these_days():
    """The schedule fires on every weekday; the fifth working day of the company calendar is the first that starts a review."""
    calendar = WorkingCalendar("DE", frozenset())
    fired = [d.date() for d in _fire_dates("periodic_review", datetime(2026, 10, 21, tzinfo=UTC), 340)]
    starts, known = [], {date(2026, 9, 30)}
    for day in fired:
        quarter = quarter_end_before(day)
        after = quarter + timedelta(days=1)
        if quarter not in known and day >= calendar.nth_working_day(after.year, after.month, 5):
            starts.append(day)
            known.add(quarter)
    assert starts[:5] == [date(2027, 1, 8), date(2027, 4, 7), date(2027, 7, 7), date(2027, 10, 7), date(2028, 1, 7)]


def test_the_quarterly_schedule_fires_on_every_weekday_at_six_in_the_companys_zone():
    """Cash may be posted late in the quarter: a candidate is missed on no day of it."""
    first = _fire_dates("periodic_review", datetime(2027, 1, 28, 12, tzinfo=UTC), 5)
    assert [d.isoformat() for d in first] == [
        "2027-01-29T06:00:00+01:00", "2027-02-01T06:00:00+01:00", "2027-02-02T06:00:00+01:00", "2027-02-03T06:00:00+01:00",
        "2027-02-04T06:00:00+01:00",
    ]  # fmt: skip


@pytest.fixture
def asked(tmp_path):
    """What a scheduled run of a day is told, with the quarter's review in a state on record (None: not started)."""
    starting.write_starter(tmp_path / "config")
    opened = SimpleNamespace(settings=configuration.load(tmp_path / "config"))

    def ask(today, state=None, posted=""):
        live = [] if state is None else [SimpleNamespace(review_id="r-1", state=state, failure="the ledger is gone")]
        opened.store = SimpleNamespace(read=lambda: nullcontext(SimpleNamespace(find=lambda *_, **__: live)))
        (tmp_path / "config" / "ledger").mkdir(exist_ok=True)
        (tmp_path / "config" / "ledger" / "posted_through.txt").write_text(posted or "2026-12-31")
        return prepare._waiting_for(opened, today, date(2026, 12, 31), "due")

    return ask


def test_a_review_starts_late_in_the_quarter_where_cash_was_posted_late(asked):
    assert "Working day 5 of the quarter is 2027-01-08" in asked(date(2027, 1, 5))
    assert "Cash is posted through 2026-12-30" in asked(date(2027, 2, 2), posted="2026-12-30")
    assert asked(date(2027, 2, 2)) == "", "early in a later month no fifth working day is waited for again"
    assert "Nothing to do: review r-1" in asked(date(2027, 2, 3), state="routed")


def test_a_scheduled_run_fails_while_the_quarters_review_has_failed(asked):
    with pytest.raises(ReviewStopped, match="r-1 as of 2026-12-31 has failed: the ledger is gone") as stopped:
        asked(date(2027, 2, 3), state="failed")
    assert "review resume r-1" in stopped.value.next_step


def test_the_other_schedules():
    assert {name: d["schedules"][0].get("cron") for name, d in DEPLOYED.items()} == {
        "periodic_review": None,
        "daily_follow_up": "30 5 * * *",
        "apply_limits": "*/5 * * * *",
        "issue_checkpoint": "*/10 * * * *",
        "monitor_scorecard": "30 4 12 * *",
        "verify_audit_log": "0 5 * * *",
        "watch_controls": "15 4 * * *",
        "policy_effectiveness": "30 3 1 2 *",
        "refit_scorecard": "0 3 1 2 *",
    }
