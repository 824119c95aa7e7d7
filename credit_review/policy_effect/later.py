"""What came of customers after a review day, as far as a later ledger shows it: the policy's outcome, or that it is not known yet."""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import Any

import numpy as np
import pandas as pd

from credit_review.policy import Policy
from credit_review.scoring.outcomes import LATE, WRITE_OFF, outcome, window_end
from credit_review.words import marked


class Later(StrEnum):
    """What came of a customer. `STATUS` is one of policy's statuses, such as insolvent; `NOT_COUNTED` cannot have the outcome."""

    LATE = "late"
    WRITTEN_OFF = "written_off"
    STATUS = "status"
    GOOD = "good"
    NOT_YET = "not_yet_known"
    NOT_COUNTED = "not_counted"


BAD = (Later.LATE, Later.WRITTEN_OFF, Later.STATUS)
LATER_WORDS = {
    Later.LATE: marked("seriously late"),
    Later.WRITTEN_OFF: marked("written off"),
    Later.STATUS: marked("insolvent or with another such status"),
    Later.GOOD: marked("nothing happened"),
    Later.NOT_YET: marked("not yet known"),
    Later.NOT_COUNTED: marked("not counted"),
}


def months_known(as_of: date, known: date, window_months: int) -> int:
    """Whole months of the window after `as_of` that a ledger of `known` shows; 0: nothing."""
    whole = (known.year - as_of.year) * 12 + known.month - as_of.month
    while whole > 0 and (pd.Timestamp(as_of) + pd.DateOffset(months=whole)).date() > known:
        whole -= 1
    return max(0, min(whole, window_months))


def later(items: pd.DataFrame, customers: pd.DataFrame, *, as_of: date, known: date, policy: Policy) -> pd.Series[Any]:
    """By customer id of CUSTOMERS, what came of it (a `Later`) by the ITEMS of `known`, and by policy's outcome.

    While the window is open a bad outcome is known when it has happened; all others are not yet known.
    """
    months = months_known(as_of, known, policy.outcome.window_months)
    if not months:
        return pd.Series(str(Later.NOT_YET), index=pd.Index(customers["customer_id"], dtype="str"), dtype="str")
    within = policy.model_copy(update={"outcome": policy.outcome.model_copy(update={"window_months": months})})
    found = outcome(items, customers, cutoff=as_of, as_of=max(known, window_end(as_of, within)), policy=within)
    good = Later.GOOD if months == policy.outcome.window_months else Later.NOT_YET
    cause = found["cause"].to_numpy(dtype=object)
    what = np.select(
        [(found["left_out"] != "").to_numpy(dtype=bool), cause == LATE, cause == WRITE_OFF, cause != ""],
        [str(Later.NOT_COUNTED), str(Later.LATE), str(Later.WRITTEN_OFF), str(Later.STATUS)],
        default=str(good),
    )
    return pd.Series(what, index=pd.Index(found["customer_id"], dtype="str"), dtype="str")


def written_off(items: pd.DataFrame, *, as_of: date, known: date, policy: Policy) -> pd.DataFrame:
    """What was written off strictly after `as_of` within policy's window, as far as `known`: customer_id, currency, minor (minor units)."""
    stop = pd.Timestamp(min(known, window_end(as_of, policy)))
    cleared = items["clearing_date"]
    lost = items[items["written_off"] & (cleared > pd.Timestamp(as_of)) & (cleared <= stop) & (items["amount_minor"] > 0)]
    found = lost.groupby(["customer_id", "currency"], sort=True)["amount_minor"].sum().reset_index(name="minor")
    return found[found["customer_id"] != ""].reset_index(drop=True)
