"""The demo as a newcomer runs it, on a smaller company: one process, the whole cycle, and a story that agrees with what it left."""

from __future__ import annotations

import os
import re
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.prefect

CHAPTERS = (
    "What was read, and how it ties",
    "What was quarantined, and why",
    "What happens to the limits",
    "The ten largest proposals",
    "Who must approve what",
    "A few requests are decided, through the decision function that Slack uses",
    "Approved limits are applied, once, and delivered to the ERP",
    "The audit log is verified",
    "Where to look, what to type next",
)
SECRET = "zz-canary-secret-zz"
SECRETS = (
    "ERP_URL", "SLACK_BOT_TOKEN", "SLACK_APP_TOKEN", "SLACK_SIGNING_SECRET", "TOKEN_KEY", "OIDC_CLIENT_SECRET", "STEP_UP_KEY",
)  # fmt: skip
PROGRAM = Path(sys.executable).parent / "credit-review"


@pytest.fixture(scope="module")
def told(tmp_path_factory, prefect_home):
    """The demo's folder, what it printed, and what it said while it worked."""
    folder = tmp_path_factory.mktemp("demo")
    environment = {
        **os.environ,
        "PREFECT_HOME": str(prefect_home(folder / "prefect")),  # as left by an earlier run; a first one makes Prefect's tables
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
        **{f"CREDIT_REVIEW_{name}": SECRET for name in SECRETS},
    }
    done = subprocess.run(
        [PROGRAM, "demo", "--folder", folder / "demo", "--customers", "120"],
        capture_output=True,
        text=True,
        timeout=900,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return folder / "demo", done.stdout, done.stderr


@pytest.fixture(scope="module")
def record(told):
    with sqlite3.connect(told[0] / "data" / "credit-review.db") as connection:
        yield lambda query: connection.execute(query).fetchall()


def test_the_story_has_its_chapters_in_order(told):
    _, story, working = told
    at = [story.index(f"\n{title}\n") for title in CHAPTERS]
    assert at == sorted(at) and "Traceback" not in story + working
    assert "Checking the data" in story + working, "it says what it is doing"


def test_what_was_read_ties_and_the_dirt_is_told(told):
    story = told[1]
    tied, stated = re.search(r"(\d+) of (\d+) control totals stated by the ledger tie", story).groups()
    assert tied == stated != "0"
    assert re.search(r"[1-9]\d* customers appeared under two numbers", story)
    assert re.search(r"[1-9]\d* rows that said the same thing twice", story)
    assert re.search(r"[1-9] rows  due_date_is_a_date: ", story) and "all are named in the report" in story


def test_ten_proposals_are_explained(told):
    story = told[1]
    part = story[story.index(CHAPTERS[3]) : story.index(CHAPTERS[4])]
    assert part.count("Proposed limit:") == 10 and part.count("Formula:") >= 1


def test_one_of_each_kind_is_decided_and_the_one_without_authority_is_refused(told, record):
    story = told[1]
    part = story[story.index(CHAPTERS[5]) : story.index(CHAPTERS[6])]
    assert "answers approve to" in part and "Rejected." in part and "Your offer replaces the proposal" in part
    assert re.search(r"Carl Ohm \(credit controller\) answers approve to \d+: REFUSED: .* lack", part)
    assert sorted(verdict for (verdict,) in record("SELECT verdict FROM approval_decision")) == ["approve", "approve", "counter", "reject"]


def test_what_is_applied_is_on_record_once_and_delivered(told, record):
    story = told[1]
    ((changes, proposals),) = record("SELECT count(*), count(DISTINCT proposal_id) FROM limit_change WHERE kind = 'decision'")
    assert changes == proposals == int(re.search(r"(\d+) applied", story)[1]) > 3
    sent = {path.stem for path in (told[0] / "erp_drop").glob("c-*.csv")}
    lists = list((told[0] / "erp_drop" / "orders").glob("*.csv"))
    assert len(sent) + len(lists) == int(re.search(r"(\d+) delivered", story)[1]) and len(lists) == 1
    assert re.search(r"\d+ order\(s\) may be released, \d+ outside the limit, 0 customer\(s\) not computable", story)
    assert sent <= {change for (change,) in record("SELECT change_id FROM limit_change")}


def test_the_report_says_passed_by_rule_of_exactly_those_that_the_log_says_it_of(told, record):
    entries = "SELECT p.customer_id FROM audit_log a JOIN limit_proposal p ON a.entity = 'proposal:' || p.proposal_id"
    logged = {customer for (customer,) in record(f"{entries} WHERE a.action = 'proposal.auto_approved'")}
    page = next((told[0] / "data" / "reviews").glob("*/report.html")).read_text(encoding="utf-8")
    listed = page.partition("Automatic approvals")[2].partition("</section>")[0]
    assert logged and f"{len(logged)} proposals pass by rule" in page
    assert all(f" {customer}<" in listed for customer in logged)
    assert f"{len(logged)} small changes pass by policy's straight-through rule" in told[1]


def test_the_log_is_consistent_and_not_anchored(told):
    assert "consistent, not anchored" in told[1] and "never 0" in told[1]


def test_canaries_went_ahead_and_the_controls_looked_at_what_was_decided(told):
    story = told[1]
    assert "12 made-up customers whose right limits are known went first: 12 came out right" in story
    assert re.search(r"\n16 controls looked for approvals without authority, .*: no exception found\n", story)


def test_the_story_says_what_held_a_limit_with_its_figures(told):
    assert re.search(r"\n    Formula: .*\n    Cap: .*[0-9] [A-Z]{3} \(this one holds\)\n    .*After the step limit: ", told[1])


def test_an_auditor_s_folder_is_one_line_to_type(told):
    folder, story, _ = told
    typed = re.search(r"as one signed folder +(.+)", story)[1]
    done = subprocess.run(["bash", "-c", f"{typed} --no-replay"], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert (folder / "evidence" / "index.html").is_file() and (folder / "evidence" / "manifest.note").is_file()


def test_no_secret_of_its_environment_is_kept_or_told_and_none_reaches_prefect(told):
    """The API that it starts inherits its environment."""
    folder, story, working = told
    held = {path: path.read_bytes() for path in folder.parent.rglob("*") if path.is_file()}
    assert folder.parent / "prefect" / "prefect.db" in held
    assert [path for path, found in held.items() if SECRET.encode() in found] == [] and SECRET not in story + working


def test_what_it_says_to_look_at_and_to_type_next_is_there(told):
    _, story, _ = told
    for label in ("report", "data checks", "all proposals"):
        assert Path(re.search(rf"^{label} +(\S+)$", story, re.M)[1]).is_file()
    typed = re.search(r"Mia Holm's inbox +(.+)", story)[1]
    shown = subprocess.run(["bash", "-c", typed], capture_output=True, text=True, timeout=60, check=False)
    assert shown.returncode == 0 and "Mia Holm" in shown.stdout
    assert re.search(r"approve in Slack +\S*credit-review slack sandbox -c \S+ +\(a stand-in", story)


def test_a_second_demo_takes_the_place_of_the_first_and_of_nothing_else(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    done = subprocess.run([PROGRAM, "demo", "--folder", tmp_path], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 3 and "is not empty" in done.stderr and (tmp_path / "mine.txt").exists()
