"""How a policy did: what became of the customers it decided on, what was lost, and what it refused, by grade and by rule.

Each customer counts once, by the first review of the year under the policy that reached it, so that intervals are of independent cases
as far as customers are. Sums add up over buckets.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from credit_review import fx
from credit_review.fx import RateTable
from credit_review.limits.arrays import Flags, Ints
from credit_review.model.states import CustomerState
from credit_review.monitoring.rates import Rate, rate
from credit_review.policy import Policy
from credit_review.policy_effect.later import BAD, Later
from credit_review.policy_effect.rules import GRADE, fired

ALL = "all"
TOO_FEW = 30
"""Customers with a known outcome below which no rate is stated: the interval of none in 29 reaches to 12%."""

COUNTS = ("customers", *(str(one) for one in Later), "losers", "refused", "orders_known", "sales_known")
SUMS = ("loss_minor", "refused_minor", "orders_minor", "sales_before_minor", "sales_after_minor")
"""Sums are minor units of control currency; `orders_minor` is of open orders and deliveries outside the proposed limit, where known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reviewed:
    """A review of the year: under this policy or (`counts` false) under another one of that version."""

    label: str
    as_of: date
    version: str
    counts: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Effectiveness:
    """A policy over a year. `figures`: (code, name of COUNTS or SUMS), code `all`, `grade:A` or a rule's; `rejected` proposals by people.

    `known` is the day of the ledger that outcomes come from, None with the reason where none says any.
    """

    year: int
    name: str
    version: str
    digest: str
    control_currency: str
    grades: tuple[str, ...]
    window_months: int
    reviews: tuple[Reviewed, ...]
    known: date | None
    why_unknown: str
    figures: Mapping[tuple[str, str], int]
    rejected: int
    rejected_minor: int

    @property
    def rules(self) -> list[str]:
        """Codes of rules that fired, those for the most customers first."""
        codes = {code for code, name in self.figures if name == "customers" and code != ALL and not code.startswith(f"{GRADE}:")}
        return sorted(codes, key=lambda code: (-self.figures[(code, "customers")], code))

    def rate(self, code: str, *, others: bool = False) -> Rate | None:
        """The rate of the outcome where it is known, with its exact interval; None: too few to say. `others`: all customers but these."""
        bad, known = self._known(code)
        if others:
            every = self._known(ALL)
            bad, known = every[0] - bad, every[1] - known
        return rate(bad, known) if known >= TOO_FEW else None

    def _known(self, code: str) -> tuple[int, int]:
        bad = sum(self.figures.get((code, str(one)), 0) for one in BAD)
        return bad, bad + self.figures.get((code, str(Later.GOOD)), 0)


def count(
    proposals: pd.DataFrame,
    later: pd.Series[Any],
    lost: pd.DataFrame,
    sales: pd.DataFrame,
    *,
    policy: Policy,
    as_of: date,
    rates: RateTable,
) -> Counter[tuple[str, str]]:
    """Figures of a bucket's PROPOSALS, of which only customers that count are given.

    `later` is by customer id, `lost` as `later.written_off` gives it, `sales` by customer id: before and after, minor units of the account,
    NA where not known. Refused is who would get more by the formula than is in force, and less of it by caps and rules (not rounding).
    """
    rows = proposals[proposals["state"] == CustomerState.REVIEWED].reset_index(drop=True)
    figures: Counter[tuple[str, str]] = Counter()
    if not len(rows):
        return figures
    table = _table(rows, later, lost, sales, control=policy.control_currency, as_of=as_of, rates=rates)
    parts: dict[str, Flags] = {ALL: np.ones(len(rows), dtype=bool)}
    parts |= {f"{GRADE}:{grade}": (rows["grade"] == grade).to_numpy(dtype=bool) for grade in sorted(rows["grade"].unique())}
    parts |= fired(rows, policy, as_of=as_of, rates=rates)
    for code, flags in parts.items():
        figures.update({(code, name): int(column[flags].sum()) for name, column in table.items()})
    return figures


def _table(
    rows: pd.DataFrame, later: pd.Series[Any], lost: pd.DataFrame, sales: pd.DataFrame, *, control: str, as_of: date, rates: RateTable
) -> dict[str, Ints]:
    """One column a figure of COUNTS and SUMS, one row a customer."""

    def converted(minor: pd.Series[Any], currency: pd.Series[Any]) -> Ints:
        found, _ = fx.convert_column(minor.astype("Int64"), currency, control, on=as_of, rates=rates)
        return found.fillna(0).to_numpy(dtype=np.int64)

    what = later.reindex(rows["customer_id"]).fillna(str(Later.NOT_YET)).to_numpy()
    losses = pd.Series(converted(lost["minor"], lost["currency"]), index=lost["customer_id"], dtype="int64").groupby(level=0).sum()
    loss = losses.reindex(rows["customer_id"]).fillna(0).to_numpy(dtype=np.int64)
    wanted = rows["formula_minor"] > rows["from_minor"].fillna(0)
    refused = (rows["formula_minor"] - rows["after_step_minor"]).where(wanted, 0).fillna(0).clip(lower=0)
    orders = rows["blocked_orders_minor"]
    found = sales.reindex(rows["customer_id"]).reset_index(drop=True)
    both = found["before"].notna() & found["after"].notna()
    return {
        "customers": np.ones(len(rows), dtype=np.int64),
        **{str(one): (what == one).astype(np.int64) for one in Later},
        "losers": (loss > 0).astype(np.int64),
        "refused": (refused > 0).to_numpy(dtype=np.int64),
        "orders_known": orders.notna().to_numpy(dtype=np.int64),
        "sales_known": both.to_numpy(dtype=np.int64),
        "loss_minor": loss,
        "refused_minor": converted(refused, rows["currency"]),
        "orders_minor": converted(orders, rows["currency"]),
        "sales_before_minor": converted(found["before"].where(both), rows["currency"]),
        "sales_after_minor": converted(found["after"].where(both), rows["currency"]),
    }


def plain(found: Effectiveness) -> dict[str, Any]:
    """The report's figures as JSON values: amounts in minor units of control currency, rates as fractions; null: too few to say."""
    return {
        "year": found.year,
        "policy": {"name": found.name, "version": found.version, "digest": found.digest},
        "control_currency": found.control_currency,
        "reviews": [{"label": r.label, "as_of": r.as_of.isoformat(), "version": r.version, "counts": r.counts} for r in found.reviews],
        "outcomes": {
            "known_to": found.known.isoformat() if found.known else None,
            "why_unknown": str(found.why_unknown) or None,
            "window_months": found.window_months,
        },
        "all": _plain_line(found, ALL),
        "grades": {grade: _plain_line(found, f"{GRADE}:{grade}") for grade in (*found.grades, "")},
        "rules": {code: _plain_line(found, code) | {"others": _plain_rate(found.rate(code, others=True))} for code in found.rules},
        "rejected_by_people": {"proposals": found.rejected, "minor": found.rejected_minor},
        "too_few_below": TOO_FEW,
    }


def _plain_line(found: Effectiveness, code: str) -> dict[str, Any]:
    return {name: found.figures.get((code, name), 0) for name in (*COUNTS, *SUMS)} | {"rate": _plain_rate(found.rate(code))}


def _plain_rate(found: Rate | None) -> Sequence[float] | None:
    return None if found is None or found.rate is None else [found.rate, found.low, found.high]
