"""Measures policy evaluation alone: from features, scores and states of a million customers to proposals with every figure kept.

`python -m benchmarks.policy`. Once with the starter policy, once with a formula of the policy's own (five steps, six inputs, rules for
missing ones) and two segments. Customers are drawn with a fixed seed and lie in buckets, which two processes work off as a review does.
Exit code 1 when the reach is missed: 20 seconds on two cores. Processor seconds stand beside, for a machine that does other things too.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import date
from importlib.resources import files
from multiprocessing import get_context
from typing import Any

import numpy as np
import pandas as pd
import yaml

from credit_review import documents, policy
from credit_review.limits import propose
from credit_review.model.frames import FEATURES, GROUPS, PANDAS, SCORES, STATES, Dataset
from credit_review.policy import Policy

SEED = 20261127
CUSTOMERS = 1_000_000
BUCKETS = 16
REACH = 20.0
AS_OF = date(2026, 6, 30)
OWN = {
    "by_need": "need * need_factor",
    "by_sales": "if months_on_book < 24 months then 5% * sales_12m else 8% * sales_12m",
    "late": "average_days_late > 15 days or oldest_days_past_due > 60 days",
    "careful": 'if late and grade not in ["A", "B"] then by_need / 2 else by_need',
    "limit": "min(careful, by_sales)",
}
SEGMENTS = [
    {"name": "large", "who": {"exposure_from": 100000}, "step": {"up_fraction": 0.25, "down_fraction": 0.5, "free_amount": 5000}},
    {"name": "new", "who": {"statuses": ["new"]}, "formula": {"limit": "max(1000 EUR, 5% * sales_12m)"}},
]


@dataclass(frozen=True)
class Measured:
    """Seconds on the clock and of the processors, and how many customers got a figure."""

    name: str
    seconds: float
    processor: float
    rows: int


def policies() -> dict[str, Policy]:
    """The starter policy, and the same with a formula and segments of its own."""
    text = (files("deployments") / "starter" / "policy.yaml").read_text(encoding="utf-8")
    data = yaml.safe_load(text)
    data["limits"] |= {"formula": OWN, "inputs": {"sales_12m": {"otherwise": "lower_ceiling", "at_most": 50000}}}
    data["segments"] = SEGMENTS
    own = yaml.safe_dump(data, sort_keys=False)
    return {name: policy.load(documents.parse(one, name="policy.yaml")) for name, one in (("starter", text), ("own formula", own))}


def book(number: int, size: int, grades: Sequence[str]) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Features, scores, groups and states of one bucket; every tenth figure that may be missing is."""
    draw = np.random.default_rng((SEED, number))
    ids = pd.Series([f"{number:02}-{n:07}" for n in range(size)], dtype="str")

    def money(scale: float) -> Any:
        return (draw.lognormal(scale, 1.5, size) * 100).astype(np.int64)

    def some(values: Any) -> Any:
        return pd.Series(values).astype("Int64").mask(draw.random(size) < 0.1)

    features = {
        "customer_id": ids, "group_id": ids, "currency": "EUR", "exposure_minor": money(10), "own_risk_minor": money(9),
        "overdue_minor": money(6), "oldest_dpd_days": draw.integers(0, 100, size), "average_days_late": draw.normal(8, 10, size),
        "sales_12m_minor": some(money(13)), "need_minor": some(money(11)), "peak_balance_minor": some(money(11)),
        "months_on_book": draw.uniform(0, 200, size), "last_invoice_days": draw.uniform(0, 400, size),
        "recommended_limit_minor": some(money(12)), "external_age_days": draw.uniform(0, 600, size),
        "tangible_net_worth_minor": some(money(14)), "net_worth_age_days": draw.uniform(0, 700, size),
        "limit_minor": some(money(11)), "terms_days": some(np.full(size, 30)),
        "status": draw.choice(["active", "active", "active", "new", "blocked", "dormant"], size),
        "open_orders_minor": some(money(8)), "unbilled_deliveries_minor": some(money(7)),
    }  # fmt: skip
    scores = {"customer_id": ids, "points": draw.integers(400, 650, size), "pd_fraction": 0.02, "grade": draw.choice(grades, size),
              "reason_codes": "late_payment|overdue"}  # fmt: skip
    large = features["exposure_minor"] >= 10_000_000
    segment = np.where(large, "large", np.where(features["status"] == "new", "new", ""))
    states = {"customer_id": ids, "group_id": ids, "currency": "EUR", "portfolio": "north", "state": "reviewed", "policy_segment": segment}
    groups = {"group_id": ids, "currency": "EUR", "members": 1, "exposure_minor": features["exposure_minor"]}
    return _frame(FEATURES, features, size), _frame(SCORES, scores, size), _frame(GROUPS, groups, size), _frame(STATES, states, size)


def _frame(dataset: Dataset, values: dict[str, Any], size: int) -> pd.DataFrame:
    empty = {"str": "", "int": 0, "int?": pd.NA, "float": np.nan, "date": pd.NaT, "bool": False}
    columns = {c.name: pd.Series(values.get(c.name, empty[c.dtype]), index=range(size)).astype(PANDAS[c.dtype]) for c in dataset.columns}
    return pd.DataFrame(columns)


_BOOKS: list[Any] = []
_POLICY: list[Policy] = []


def _bucket(number: int) -> tuple[int, float]:
    began = time.process_time()
    features, scores, groups, states = _BOOKS[number]
    found = propose(features, scores, groups, states, policy=_POLICY[0], as_of=AS_OF)
    return int(found["to_minor"].notna().sum()), time.process_time() - began


def measure(name: str, rules: Policy) -> Measured:
    """One policy over all buckets on two processes, which inherit the frames."""
    _POLICY[:] = [rules]
    with ProcessPoolExecutor(2, mp_context=get_context("fork")) as pool:
        list(pool.map(time.sleep, [0.2, 0.2]))  # started before the clock
        began = time.perf_counter()
        done = list(pool.map(_bucket, range(len(_BOOKS))))
        seconds = time.perf_counter() - began
    return Measured(name, seconds, sum(spent for _, spent in done), sum(rows for rows, _ in done))


def main(arguments: Sequence[str] | None = None) -> int:
    """Draw the book, measure both policies, print a table; 1 when one misses the reach."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--customers", type=int, default=CUSTOMERS)
    size = parser.parse_args(arguments).customers // BUCKETS
    rules = policies()
    _BOOKS[:] = [book(number, size, rules["starter"].grade_names) for number in range(BUCKETS)]
    found = [measure(name, one) for name, one in rules.items()]
    sys.stdout.write(
        "| policy | customers | proposals | seconds | processor s | customers a second |\n| --- | --: | --: | --: | --: | --: |\n"
    )
    for one in found:
        rate = size * BUCKETS / one.seconds
        sys.stdout.write(f"| {one.name} | {size * BUCKETS:,} | {one.rows:,} | {one.seconds:.1f} | {one.processor:.1f} | {rate:,.0f} |\n")
    most = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
    sys.stdout.write(f"\nlargest process {most:.1f} GB; reach: {REACH:.0f} s on two cores\n")
    return int(any(one.seconds > REACH for one in found))


if __name__ == "__main__":
    sys.exit(main())
