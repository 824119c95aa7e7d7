"""Measures `policy diff`: a policy change on four reviews of a generated book, wall and processor seconds, memory, and that it adds up.

`python -m benchmarks.policy_diff` reviews a book once and puts the same review on record on three earlier days, so that the newest ledger
shows what came later. The new policy moves a grade's bound (everybody is scored again) and the step limit. `--anew` also measures a change
that needs other features, which are computed again from the ledger. Exit code 1 when a reach is missed or the list does not add up.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import pandas as pd

from benchmarks import bench, generate
from credit_review.model.records import Review
from deployments.cli.frame import services

REACH_SECONDS = 60.0
REACH_CUSTOMERS, REACH_REVIEWS = 100_000, 4
EARLIER = (date(2025, 9, 30), date(2026, 3, 31), date(2026, 6, 30))
EDITS = (("up_fraction: 0.50", "up_fraction: 0.30"), ("name: good, below: 0.03", "name: good, below: 0.04"))
ANEW = (("order_horizon_days: 60", "order_horizon_days: 30"),)


@dataclass(frozen=True)
class Measured:
    """One diff: wall and processor seconds, peak bytes of its process tree, and what it says."""

    seconds: float
    processor: float
    peak_bytes: int
    found: dict[str, object]


def prepared(work: Path, customers: int, reviews: int) -> Path:
    """A configuration folder whose book was reviewed, and the same review on earlier days."""
    config = work / "policy_diff"
    shutil.rmtree(config, ignore_errors=True)
    given = bench.arguments(["--work", str(work)])
    made = bench.Bench(given)
    generate.write(config / "ledger", count=customers)
    bench.settled(config / "ledger", made.bare, given.settle)
    bench.measure(made.filled(given.install, config))
    bench.say(f"reviewing {customers:,} customers ...")
    bench.measure(made.filled(given.review, config))
    earlier(config, EARLIER[-(reviews - 1) :] if reviews > 1 else ())
    return config


def earlier(config: Path, days: Sequence[date]) -> None:
    """The review of the folder again on earlier days: on record, its results linked."""
    opened = services(config)
    with opened.store.begin() as uow:
        review = uow.find(Review)[0]
        for n, day in enumerate(days):
            uow.add(replace(review, review_id=f"r-earlier-{n}", as_of=day, label=day.isoformat(), manifest_digest=f"{n:064d}"))
        uow.commit()
    for n in range(len(days)):
        folder = config / "data" / "reviews"
        shutil.copytree(folder / review.review_id, folder / f"r-earlier-{n}", copy_function=os.link)
    opened.store.close()


def measured(config: Path, edits: Sequence[tuple[str, str]], reviews: int) -> Measured:
    """The diff of the folder's policy with some lines replaced, as one command."""
    text = (config / "policy.yaml").read_text(encoding="utf-8")
    for old, new in edits:
        if text.count(old) != 1:
            raise RuntimeError(f"{old!r} is not once in the starter policy")
        text = text.replace(old, new)
    (config / "new.yaml").write_text(text, encoding="utf-8")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = "{bin}/credit-review policy diff " + f"{config / 'new.yaml'} --reviews {reviews} --json --config {config}"
    run = bench.measure(bench.Bench(bench.arguments(["--work", str(config.parent)])).filled(command, config))
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Measured(run.seconds, used, run.peak_bytes, json.loads(run.output[run.output.index("{\n") :]))


def adds_up(found: dict[str, object]) -> bool:
    """Whether the list of customers has the counts and amounts that the diff states."""
    listed = pd.read_csv(str(found["list"]), keep_default_na=False)
    for review in found["reviews"]:  # type: ignore[attr-defined]
        difference = listed.loc[listed["review"].astype(str) == review["label"], "difference_control_minor"].astype("int64")
        control = review["money"]["control"]
        figures = (int((difference > 0).sum()), int((difference < 0).sum()), int(difference.sum()))
        if figures != (control["up"], control["down"], control["up_minor"] - control["down_minor"]):
            return False
    return True


def told(name: str, one: Measured, customers: int, reviews: int) -> bool:
    """Print one measurement; whether it adds up."""
    moved = sum(review["counts"]["moved"] for review in one.found["reviews"])  # type: ignore[attr-defined]
    right = adds_up(one.found)
    bench.say(f"\n{name}: {customers:,} customers, {reviews} reviews, {moved:,} limits differ")
    bench.say(f"wall       {one.seconds:8.1f} s")
    bench.say(f"processor  {one.processor:8.1f} s")
    bench.say(f"peak memory, process tree {one.peak_bytes / 1024**3:.2f} GB")
    bench.say("the list of customers adds up to the counts" if right else "DIFFERENT: the list does not add up to the counts")
    return right


def main(given: Sequence[str] | None = None) -> int:
    """Measure, print, and return the exit code."""
    parser = argparse.ArgumentParser(prog="benchmarks.policy_diff", description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--customers", type=int, default=REACH_CUSTOMERS)
    parser.add_argument("--reviews", type=int, default=REACH_REVIEWS, choices=range(1, len(EARLIER) + 2))
    parser.add_argument("--work", type=Path, default=bench.ROOT / "bench", help="folder for the book; the one there is replaced")
    parser.add_argument("--anew", action="store_true", help="also measure a change that needs other features")
    chosen = parser.parse_args(given)
    busy = os.getloadavg()[0]
    if busy > 1:
        bench.say(f"other work runs on this machine (load {busy:.1f}): wall seconds below are not to be quoted")
    chosen.work.mkdir(parents=True, exist_ok=True)
    config = prepared(chosen.work.resolve(), chosen.customers, chosen.reviews)
    first = measured(config, EDITS, chosen.reviews)
    right = told("policy diff", first, chosen.customers, chosen.reviews)
    if chosen.anew:
        right &= told("with other features", measured(config, ANEW, chosen.reviews), chosen.customers, chosen.reviews)
    reached = first.seconds < REACH_SECONDS
    bench.say(f"{'reached' if reached else 'MISSED '}  under {REACH_SECONDS:.0f} s")
    return 0 if right and reached else 1


if __name__ == "__main__":
    raise SystemExit(main())
