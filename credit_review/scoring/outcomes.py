"""What happened after a cut-off date: the outcome a scorecard learns from, with everything that may leak kept out."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd

from credit_review.errors import BadInput
from credit_review.model.money import EXPONENTS
from credit_review.model.states import DocumentKind
from credit_review.policy import Policy

LATE, WRITE_OFF = "days past due", "write-off"
"""Causes of an outcome beside the credit statuses policy names."""

_STEP_MONTHS = 3
_FIRST_MONTHS = 6
_ACTIVE_MONTHS = 12
_DEBTS = (DocumentKind.INVOICE, DocumentKind.NOTE)


def cut_offs(first_posting: date, as_of: date, policy: Policy) -> tuple[date, ...]:
    """Quarterly cut-off dates, oldest first, whose outcome is known at `as_of` and that have six months of ledger before them.

    When `as_of` is the last day of a month, so are they.
    """
    last, oldest = pd.Timestamp(as_of), pd.Timestamp(first_posting) + pd.DateOffset(months=_FIRST_MONTHS)
    days: list[date] = []
    while True:
        day = last - pd.DateOffset(months=policy.outcome.window_months + _STEP_MONTHS * len(days))
        day = day + pd.offsets.MonthEnd(0) if last.is_month_end else day
        if day < oldest:
            return tuple(reversed(days))
        days.append(day.date())


def window_end(cutoff: date, policy: Policy) -> date:
    """The last day on which an outcome of this cut-off counts."""
    return (pd.Timestamp(cutoff) + pd.DateOffset(months=policy.outcome.window_months)).date()


def outcome(items: pd.DataFrame, customers: pd.DataFrame, *, cutoff: date, as_of: date, policy: Policy) -> pd.DataFrame:
    """customer_id, outcome (0 or 1), cause, left_out: what happened to each customer strictly after `cutoff`, within policy's window.

    `items` are all ITEMS known at `as_of` (not those known at the cut-off), `customers` CUSTOMERS of the same day. Outcome 1: an
    undisputed invoice or note of at least the material amount (major units of its own currency) became more than N days past due in the
    window, or was written off in it, or the customer took one of policy's statuses in it. `left_out` says why a row may not train:
    nothing owed or bought in the 12 months before, the outcome had happened already, the class is not reviewed for credit, a status
    without a date. Raises BadInput when the window is not over at `as_of`.
    """
    end = window_end(cutoff, policy)
    if end > as_of:
        raise BadInput(
            f"the outcome of cut-off {cutoff} is known only from {end}, but the ledger ends on {as_of}",
            expected=f"a cut-off at least {policy.outcome.window_months} months before the ledger's last day",
        )
    start, stop = pd.Timestamp(cutoff), pd.Timestamp(end)
    known = items[items["customer_id"] != ""]
    rows = customers.sort_values("customer_id", kind="stable", ignore_index=True)
    ids = rows["customer_id"]
    late, before, written_off = _events(known, start, stop, policy)
    dated = rows["status_since"].notna() & rows["status"].isin(list(policy.outcome.statuses))
    turned = dated & (rows["status_since"] > start) & (rows["status_since"] <= stop)
    cause = np.select(
        [turned, ids.isin(written_off), ids.isin(late)],
        [rows["status"].to_numpy(dtype=object), np.array(WRITE_OFF, dtype=object), np.array(LATE, dtype=object)],
        default="",
    )
    happened = cause != ""
    left_out = _left_out(rows, ids.isin(before), ids.isin(_at_risk(known, start)), happened, start, policy)
    return pd.DataFrame(
        {
            "customer_id": ids,
            "outcome": happened.astype(np.int64),
            "cause": pd.Series(cause, dtype="str"),
            "left_out": pd.Series(left_out, dtype="str"),
        }
    )


def _events(items: pd.DataFrame, start: pd.Timestamp, stop: pd.Timestamp, policy: Policy) -> tuple[Any, Any, Any]:
    """Customers with an invoice that became seriously late in the window, with one that already was at its start, with a write-off in it.

    More than N days past due is reached on due date + N + 1, if the item is still open then. Of an item still open the open amount
    counts, of a cleared one the original amount.
    """
    rules = policy.outcome
    owed = items[items["kind"].isin(list(_DEBTS)) & (items["amount_minor"] > 0)]
    if rules.exclude_disputed:
        owed = owed[~owed["disputed"]]
    cleared = owed["clearing_date"]
    amount = owed["amount_minor"].where(cleared.notna() | owed["written_off"], owed["open_minor"])
    owed = owed[amount >= _material(owed["currency"], rules.material_amount)]
    cleared, late_on = owed["clearing_date"], owed["due_date"] + pd.Timedelta(days=rules.days_past_due + 1)
    reached = cleared.isna() | (cleared > late_on)
    late = reached & (late_on > start) & (late_on <= stop)
    before = reached & (late_on <= start) & (cleared.isna() | (cleared > start))
    lost = owed["written_off"] & (cleared > start) & (cleared <= stop)
    who = owed["customer_id"]
    return who[late].unique(), who[before].unique(), who[lost].unique()


def _material(currency: pd.Series[str], amount: Decimal) -> Any:
    by_code = {code: int(amount.scaleb(EXPONENTS.get(code, 2))) for code in currency.unique()}
    return currency.map(by_code).astype("int64")


def _at_risk(items: pd.DataFrame, start: pd.Timestamp) -> Any:
    """Customers who owed something at the cut-off or were invoiced in the 12 months before it."""
    debt = items[items["kind"].isin(list(_DEBTS)) & (items["amount_minor"] > 0) & (items["posting_date"] <= start)]
    owed = debt["clearing_date"].isna() | (debt["clearing_date"] > start)
    recent = debt["posting_date"] > start - pd.DateOffset(months=_ACTIVE_MONTHS)
    return debt["customer_id"][owed | recent].unique()


def _left_out(rows: pd.DataFrame, already: Any, at_risk: Any, happened: Any, start: pd.Timestamp, policy: Policy) -> Any:
    final = rows["status"].isin(list(policy.outcome.statuses))
    since = rows["status_since"]
    idle = [name for name, rule in policy.classes.items() if rule.action in ("exclude", "zero") and name not in policy.outcome.statuses]
    unbound = rows["status"].isin(idle) & (since.isna() | (since <= start))
    return np.select(
        [
            unbound,
            ~at_risk,
            already | (final & (since <= start)),
            final & since.isna() & ~happened,
        ],
        [
            "class is not reviewed for credit",
            "nothing owed or bought in the 12 months before",
            "the outcome had happened before the cut-off",
            "status without the date since when",
        ],
        default="",
    )


def training_set(features_by_cutoff: Mapping[date, pd.DataFrame], outcomes_by_cutoff: Mapping[date, pd.DataFrame]) -> pd.DataFrame:
    """FEATURES of every cut-off with cutoff, outcome and cause, for customers that may train, sorted by cut-off and customer.

    Features must be as of their cut-off and nothing later. Raises BadInput when a cut-off has one frame and not the other.
    """
    lone = set(features_by_cutoff) ^ set(outcomes_by_cutoff)
    if lone:
        raise BadInput(f"cut-off {min(lone)} has only one of features and outcome", expected="both for every cut-off")
    parts = []
    for cutoff in sorted(features_by_cutoff):
        found = outcomes_by_cutoff[cutoff]
        usable = found.loc[found["left_out"] == "", ["customer_id", "outcome", "cause"]]
        joined = features_by_cutoff[cutoff].merge(usable, on="customer_id", validate="one_to_one")
        parts.append(joined.assign(cutoff=pd.Timestamp(cutoff).as_unit("s")).sort_values("customer_id", kind="stable"))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=["customer_id", "cutoff", "outcome", "cause"])
