"""Measures a whole review against the bare script on the same generated book: seconds, rows a second, memory, and equal limits.

`python -m benchmarks.bench` runs the review as one command for 10, 10,000 and 100,000 customers. Fixed cost is the shortest wall time for
10 customers of a few runs (process start, imports, the orchestrator's start); marginal cost is the wall time for the large book less the
fixed cost, or what the stages themselves say they took more, whichever is larger: on a busy machine a slow small run would flatter us. The
script's cost is the seconds it counts itself, without its imports, as the median of a few runs. Peak memory is the largest sum of resident
sizes over the review's whole process tree, sampled; pages that processes share count once for each, so it is never too low by sharing.
Exit code 1 when limits differ or a reach is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

import pandas as pd
import psutil

from benchmarks import generate

ROOT = Path(__file__).parents[1]
STARTER = ROOT / "deployments" / "starter"
INSTALL = "{python} -m benchmarks.installation {config} {scorecard}"
REVIEW = "{bin}/credit-review review run --config {config} --as-of {as_of}"
TINY, SMALL = 10, 10_000
MARGINAL_REACH = 3.0
MEMORY_REACH = 4 * 1024**3
LINEAR_SLACK = 1.25
SHORTEST = 0.5
"""Stages shorter than this on the large book (seconds) are noise and not judged for growth."""


@dataclass(frozen=True)
class Run:
    """A command that ended: wall seconds, peak memory of its process tree in bytes, standard output."""

    seconds: float
    peak_bytes: int
    output: str


@dataclass(frozen=True)
class Review:
    """A review of one size: the run, its stages in order (stage, seconds, rows, peak_rss_bytes) and the proposals it wrote."""

    customers: int
    run: Run
    stages: list[dict[str, object]]
    proposals: pd.DataFrame = field(repr=False)


def measure(command: Sequence[str], *, cwd: Path = ROOT, every: float = 0.05) -> Run:
    """Run a command to its end, sampling the memory of its process tree. Raises RuntimeError with its last words when it fails."""
    started = time.perf_counter()
    environment = os.environ | {"PREFECT_SERVER_ANALYTICS_ENABLED": "false", "DO_NOT_TRACK": "1", "GX_ANALYTICS_ENABLED": "false"}
    process = subprocess.Popen(command, cwd=cwd, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    peak, done = [0], threading.Event()

    def watch() -> None:
        tree = psutil.Process(process.pid)
        while not done.wait(every):
            peak[0] = max(peak[0], resident(tree))

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    output, _ = process.communicate()
    seconds = time.perf_counter() - started
    done.set()
    watcher.join()
    if process.returncode != 0:
        raise RuntimeError(f"{shlex.join(command)} ended with {process.returncode}:\n{output[-4000:]}")
    return Run(seconds, peak[0], output)


def resident(tree: psutil.Process) -> int:
    """Resident bytes of a process and all its descendants; those that end meanwhile count nothing."""
    total = 0
    try:
        family = [tree, *tree.children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0
    for one in family:
        try:
            total += one.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return total


def settled(ledger: Path, bare: Callable[[Path], pd.DataFrame], rounds: int) -> None:
    """Put limits and terms on file where an earlier review by the same rules put them, `rounds` times over.

    Without this nearly every limit of a generated book moves at once; two rounds leave about 1 in 3 to move, as between two reviews.
    """
    for _ in range(rounds):
        found = bare(ledger).dropna(subset=["limit_minor"])
        master = pd.read_csv(ledger / "customers.csv", dtype="str", keep_default_na=False).set_index("customer_number")
        master.loc[found["customer_id"], "credit_limit"] = (found["to_minor"] / 100).map("{:.2f}".format).to_numpy()
        master.loc[found["customer_id"], "payment_terms"] = found["to_terms_days"].map("Z{:03d}".format).to_numpy()
        master.reset_index().to_csv(ledger / "customers.csv", index=False)


def differences(proposals: pd.DataFrame, bare: pd.DataFrame) -> list[str]:
    """What differs between review and script, in words; empty when every reviewed customer has the same limit, terms, score and amounts."""
    reviewed = proposals[proposals["state"] == "reviewed"]
    both = reviewed.merge(bare, on="customer_id", how="outer", suffixes=("", "_bare"), indicator="where", validate="one_to_one")
    found = []
    for side, words in (("left_only", "only in the review"), ("right_only", "only in the script")):
        lost = both.loc[both["where"] == side, "customer_id"]
        if len(lost):
            found.append(f"{len(lost)} customers {words}, such as {', '.join(lost.head(3))}")
    both = both[both["where"] == "both"]
    for name in ("to_minor", "to_terms_days", "points", "grade", "exposure_minor", "own_risk_minor", "need_minor", "overdue_minor"):
        left, right = both[name], both[f"{name}_bare"]
        wrong = both.loc[~((left == right).fillna(False) | (left.isna() & right.isna())).astype(bool)]
        if len(wrong):
            first = wrong.iloc[0]
            one = f"customer {first['customer_id']}: {first[name]} in the review, {first[f'{name}_bare']} in the script"
            found.append(f"{name} of {len(wrong)} customers, such as {one}")
    return found


def growth(tiny: Review, small: Review, large: Review) -> pd.DataFrame:
    """Seconds by stage and size, and by how much more than linearly each stage grew from the small to the large book.

    The tiny book's seconds are taken off both, so fixed costs of a stage are not counted as good growth. `excess` 1.0 is linear; it is
    missing for stages too short to judge.
    """
    sizes = {review.customers: by_stage(review.stages) for review in (tiny, small, large)}
    table = pd.DataFrame({f"{size:,}": stages["seconds"] for size, stages in sizes.items()}).reindex(list(sizes[large.customers].index))
    table["rows"] = sizes[large.customers]["rows"]
    table["peak_mb"] = (sizes[large.customers]["peak_rss_bytes"] / 1024**2).round()
    fixed, at_small, at_large = (table[f"{review.customers:,}"].fillna(0) for review in (tiny, small, large))
    times = large.customers / small.customers
    judged = (at_large >= SHORTEST) & (at_small > fixed)
    table["excess"] = ((at_large - fixed) / (at_small - fixed) / times).where(judged).round(2)
    return table


def in_stages(review: Review) -> float:
    """Seconds of all stages together."""
    return float(by_stage(review.stages)["seconds"].sum())


def by_stage(stages: Iterable[dict[str, object]]) -> pd.DataFrame:
    """Seconds and rows added up by stage, in order of first appearance; the largest peak."""
    frame = pd.DataFrame(list(stages), columns=["stage", "seconds", "rows", "peak_rss_bytes"])
    return frame.groupby("stage", sort=False).agg({"seconds": "sum", "rows": "sum", "peak_rss_bytes": "max"})


class Bench:
    """One benchmark in a folder of its own; `given` are the arguments of the command line."""

    def __init__(self, given: argparse.Namespace) -> None:
        self.given = given
        self.work: Path = given.work.resolve()

    def filled(self, template: str, config: Path, as_of: date = generate.AS_OF) -> list[str]:
        """A command template with {python}, {bin}, {config}, {ledger}, {scorecard} and {as_of} filled in."""
        names = {"python": sys.executable, "bin": Path(sys.executable).parent, "config": config, "ledger": config / "ledger"}
        return [part.format(**names, scorecard=self.scorecard(), as_of=as_of) for part in shlex.split(template)]

    def bare(self, ledger: Path) -> pd.DataFrame:
        """The script's result on a book."""
        self.bare_run(ledger)
        return pd.read_parquet(ledger / "bare.parquet")

    def bare_run(self, ledger: Path) -> tuple[dict[str, object], Run]:
        """What the script says of itself (stages, seconds, rows a second), and its run as seen from outside."""
        policy, card = (self.given.policy or STARTER / "policy.yaml"), self.scorecard()
        options = ["--policy", str(policy), "--scorecard", str(card), "--out", str(ledger / "bare.parquet")]
        run = measure([sys.executable, "-m", "benchmarks.bare", str(ledger), *options])
        return json.loads(run.output.strip().splitlines()[-1]), run

    def scorecard(self) -> Path:
        """The scorecard both sides use: the one given, or the expert one of the policy, written once."""
        return Path(self.given.scorecard) if self.given.scorecard else scorecard_of(self.work, self.given.policy or STARTER / "policy.yaml")

    def prepared(self, customers: int) -> Path:
        """A configuration folder with a generated book of this size, made ready by the install command."""
        config = self.work / str(customers)
        shutil.rmtree(config, ignore_errors=True)
        generate.write(config / "ledger", count=customers)
        settled(config / "ledger", self.bare, self.given.settle)
        (config / "ledger" / "bare.parquet").unlink(missing_ok=True)
        measure(self.filled(self.given.install, config))
        return config

    def review(self, customers: int) -> Review:
        """Prepare and run the review of one size."""
        return self.reviewed(self.prepared(customers), customers, generate.AS_OF)

    def again(self, customers: int) -> Review:
        """Review the same book a day later: limits are compared, not taken over; the first review's proposals, all open, are superseded."""
        config, day = self.work / str(customers), generate.AS_OF + timedelta(days=1)
        (config / "ledger" / "posted_through.txt").write_text(f"{day.isoformat()}\n", encoding="utf-8")
        return self.reviewed(config, customers, day)

    def reviewed(self, config: Path, customers: int, as_of: date) -> Review:
        """Run the review of a prepared folder."""
        say(f"reviewing {customers:,} customers as of {as_of} ...")
        run = measure(self.filled(self.given.review, config, as_of))
        stages = [json.loads(line) for line in newest(config, self.given.stages)[0].read_text(encoding="utf-8").splitlines()]
        files = sorted(newest(config, self.given.proposals))
        proposals = pd.concat([pd.read_parquet(path) for path in files], ignore_index=True)
        return Review(customers, run, stages, proposals)

    def whole(self) -> int:
        """Measure everything, print it, write result.json; 0 when limits are equal and every reach is reached."""
        self.work.mkdir(parents=True, exist_ok=True)
        busy = os.getloadavg()[0]
        if busy > 1:
            say(f"other work runs on this machine (load {busy:.1f}): figures below are not to be quoted")
        tiny = min((self.review(TINY) for _ in range(self.given.repeat)), key=lambda review: review.run.seconds)
        small, large = self.review(min(SMALL, self.given.customers // 10)), self.review(self.given.customers)
        ledger = self.work / str(large.customers) / "ledger"
        runs = [self.bare_run(ledger) for _ in range(self.given.repeat)]
        result = conclude(tiny, small, large, runs, pd.read_parquet(ledger / "bare.parquet"))
        if self.given.again:
            result["again"] = second(tiny, self.again(large.customers), float(str(result["script_seconds"])))
        (self.work / "result.json").write_text(json.dumps(result, indent=2, default=str) + "\n", encoding="utf-8")
        say((self.work / "result.json").as_posix())
        return 0 if not result["differences"] and all(result["reached"].values()) else 1


def scorecard_of(work: Path, policy: Path) -> Path:
    """The expert scorecard of a policy, written once into `work`."""
    path = work / "scorecard.json"
    if not path.exists():
        from credit_review import documents, scoring
        from credit_review import policy as policies
        from credit_review.scoring.scorecard import dump

        rules = policies.load(documents.parse(policy.read_text(encoding="utf-8"), name="policy.yaml"))
        path.write_text(dump(scoring.expert(rules)), encoding="utf-8")
    return path


def newest(config: Path, pattern: str) -> list[Path]:
    """The files of `pattern` below the configuration folder, of the newest review folder only."""
    found = sorted(config.glob(pattern), key=lambda path: path.stat().st_mtime)
    if not found:
        raise RuntimeError(f"no file {pattern} below {config}: did the review run, and does it write there?")
    return [path for path in found if path.parent == found[-1].parent]


def conclude(
    tiny: Review, small: Review, large: Review, runs: list[tuple[dict[str, object], Run]], bare: pd.DataFrame
) -> dict[str, object]:
    """Print the tables and return the figures, with what differs and which reaches were reached."""
    items = large.customers * generate.ITEMS_EACH
    script = statistics.median(float(said["seconds"]) for said, _ in runs)
    marginal = max(large.run.seconds - tiny.run.seconds, in_stages(large) - in_stages(tiny))
    table = growth(tiny, small, large)
    wrong = differences(large.proposals, bare)
    worst = table["excess"].max()
    moved = int((large.proposals["direction"].isin(["up", "down", "new"])).sum())
    reached = {
        f"marginal cost at most {MARGINAL_REACH:g} times the script": marginal <= MARGINAL_REACH * script,
        "peak memory of the process tree under 4 GB": large.run.peak_bytes < MEMORY_REACH,
        "no stage grows faster than linearly": not worst > LINEAR_SLACK,
    }
    say(f"\nBook: {large.customers:,} customers, {items:,} items, {moved:,} limits move. Seconds by stage and number of customers:\n")
    say(table.assign(rows_a_second=(table["rows"] / table[f"{large.customers:,}"]).round()).to_string(na_rep="-"))
    say(f"\nfixed cost (10 customers)      {tiny.run.seconds:8.2f} s")
    say(f"marginal cost of the review    {marginal:8.2f} s  {items / marginal:12,.0f} items a second")
    say(f"bare script (median of {len(runs)})     {script:8.2f} s  {items / script:12,.0f} items a second  {runs[-1][0]['stages']}")
    say(f"marginal cost / script         {marginal / script:8.2f}")
    say(f"peak memory, process tree      {large.run.peak_bytes / 1024**3:8.2f} GB; script {runs[-1][1].peak_bytes / 1024**3:.2f} GB")
    say("limits, terms, scores and amounts equal to the minor unit" if not wrong else "DIFFERENT: " + "; ".join(wrong))
    for words, yes in reached.items():
        say(f"{'reached' if yes else 'MISSED '}  {words}")
    return {
        "customers": large.customers,
        "items": items,
        "moved": moved,
        "fixed_seconds": tiny.run.seconds,
        "marginal_seconds": marginal,
        "marginal_seconds_by_wall": large.run.seconds - tiny.run.seconds,
        "script_seconds": script,
        "ratio": marginal / script,
        "peak_bytes": large.run.peak_bytes,
        "stages": table.reset_index().to_dict("records"),
        "differences": wrong,
        "reached": {words: bool(yes) for words, yes in reached.items()},
    }


def second(tiny: Review, again: Review, script: float) -> dict[str, object]:
    """Print and return the figures of a second review of the same book."""
    marginal = max(again.run.seconds - tiny.run.seconds, in_stages(again) - in_stages(tiny))
    say("\nA second review of the same book, the proposals of the first still open. Seconds by stage:\n")
    say(by_stage(again.stages).to_string())
    say(f"\nmarginal cost / script         {marginal / script:8.2f}  ({marginal:.2f} s)")
    return {"marginal_seconds": marginal, "ratio": marginal / script, "stages": by_stage(again.stages).reset_index().to_dict("records")}


def say(text: str) -> None:
    """Print at once: the benchmark takes minutes."""
    print(text, flush=True)


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="benchmarks.bench", description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--customers", type=int, default=100_000, help="size of the large book; the small one has a tenth")
    parser.add_argument("--work", type=Path, default=ROOT / "bench", help="folder for books and results; books there are replaced")
    parser.add_argument("--install", default=INSTALL, help="command that makes a configuration folder around the book; not measured")
    parser.add_argument("--review", default=REVIEW, help="command that runs a whole review; {bin} {python} {config} {ledger} {as_of}")
    parser.add_argument("--stages", default="data/reviews/*/stages.jsonl", help="where the review writes its stages, below {config}")
    parser.add_argument("--proposals", default="data/reviews/*/proposals/*.parquet", help="where it writes proposals, below {config}")
    parser.add_argument("--policy", type=Path, help="policy both sides use (default: the starter policy)")
    parser.add_argument("--scorecard", type=Path, help="scorecard both sides use (default: the policy's expert scorecard)")
    parser.add_argument("--settle", type=int, default=2, help="earlier reviews behind the limits on file; 0: nearly every limit moves")
    parser.add_argument("--again", action="store_true", help="also measure a second review of the large book, a day later")
    parser.add_argument("--repeat", type=int, default=3, help="runs of the script, and of the review of 10 customers")
    return parser.parse_args(given)


if __name__ == "__main__":
    sys.exit(Bench(arguments()).whole())
