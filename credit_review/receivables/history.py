"""The ledger as it stood on a day: rebuilt from posting and clearing dates, or from payments that settle the oldest invoices first."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from credit_review.errors import BadInput
from credit_review.model.frames import ITEMS
from credit_review.model.states import DocumentKind
from credit_review.receivables import columns as col
from credit_review.receivables.columns import Flags, Ints
from credit_review.words import said

_SETTLED = [DocumentKind.INVOICE, DocumentKind.NOTE]
_SETTLING = [DocumentKind.PAYMENT, DocumentKind.ON_ACCOUNT, DocumentKind.CREDIT_NOTE]
_ROOM = 2**62
_NOT_YET = np.datetime64("NaT", "s")


def as_of(items: pd.DataFrame, day: date, *, oldest: bool = False) -> pd.DataFrame:
    """ITEMS as they stood at the end of `day`: posted by then, open in full until their clearing date.

    An item still open in `items` counts with its whole original amount on an earlier day, since when parts of it were paid is not
    known; a written-off item that has no clearing date stays as it is. `oldest` allocates payments again as `oldest_first` does.
    """
    there = items[items["posting_date"] <= pd.Timestamp(day)].copy()
    cleared = there["clearing_date"] <= pd.Timestamp(day)
    unknown = there["clearing_date"].isna() & (there["open_minor"] == 0)
    there["open_minor"] = there["amount_minor"].where(~(cleared | unknown), 0)
    there["clearing_date"] = there["clearing_date"].where(cleared)
    rebuilt = oldest_first(there) if oldest else there
    return col.conform(rebuilt, ITEMS)


def oldest_first(items: pd.DataFrame) -> pd.DataFrame:
    """The items with open amounts and clearing dates as if each customer's payments and credits settled its oldest documents first.

    Per customer and currency: documents by due date, posting date and key, money by posting date and key. A document is cleared on
    the day on which the money received by then covers it and all older ones, not before its own posting. Exact in minor units.
    Rows without a customer, orders and deliveries stay as they are. Raises BadInput when the amounts cannot be added in 64 bits.
    """
    named = items["customer_id"] != ""
    debit = (named & items["kind"].isin(_SETTLED) & (items["amount_minor"] > 0)).to_numpy(dtype=bool)
    credit = (named & items["kind"].isin(_SETTLING) & (items["amount_minor"] < 0)).to_numpy(dtype=bool)
    account: Ints = np.asarray(items.groupby(["customer_id", "currency"], sort=False).ngroup(), dtype=np.int64)
    owed, paid = _pile(items, debit, account, "due_date"), _pile(items, credit, account, "posting_date")
    total_owed, total_paid = owed.totals(len(items) + 1), paid.totals(len(items) + 1)
    out = items.copy()
    opened = out["open_minor"].to_numpy(copy=True)
    opened[owed.rows] = np.clip(owed.running - total_paid[owed.account], 0, owed.size)
    opened[paid.rows] = -np.clip(paid.running - total_owed[paid.account], 0, paid.size)
    out["open_minor"] = opened
    out["clearing_date"] = _cleared(items, owed, paid, opened)
    return out


class _Pile:
    """Amounts of one side in order of settlement: positions of rows, account, size, and the running total of the account."""

    def __init__(self, rows: NDArray[np.intp], account: Ints, size: Ints) -> None:
        if float(size.sum(dtype=np.float64)) > _ROOM:
            raise BadInput(
                said("the amounts of the ledger are too large to be added"),
                expected=said("less than {room} minor units in all", room=_ROOM),
            )
        self.rows, self.account, self.size = rows, account, size
        running = np.cumsum(size)
        first = np.r_[True, account[1:] != account[:-1]] if len(account) else np.empty(0, dtype=bool)
        before = np.where(first, running - size, 0)
        self.running: Ints = running - np.maximum.accumulate(before) if len(account) else running

    def totals(self, accounts: int) -> Ints:
        """Sum of the sizes by account."""
        total = np.zeros(accounts, dtype=np.int64)
        np.add.at(total, self.account, self.size)
        return total


def _pile(items: pd.DataFrame, side: Flags, account: Ints, first: str) -> _Pile:
    order = items.loc[side, ["due_date", "posting_date", "row_key"]].assign(account=account[side], at=np.flatnonzero(side))
    by = ["account", *dict.fromkeys((first, "posting_date", "row_key"))]
    order = order.sort_values(by, kind="stable")
    rows = order["at"].to_numpy()
    return _Pile(rows, account[rows], np.abs(items["amount_minor"].to_numpy()[rows]))


def _cleared(items: pd.DataFrame, owed: _Pile, paid: _Pile, opened: Ints) -> NDArray[np.datetime64]:
    """Days on which documents were covered and money was used up; NaT for what is still open."""
    posted = items["posting_date"].to_numpy().astype("datetime64[s]")
    cleared = items["clearing_date"].to_numpy(copy=True).astype("datetime64[s]")
    for one, other in ((owed, paid), (paid, owed)):
        match = _first_covering(one, other)
        done = (match >= 0) & (opened[one.rows] == 0)
        day = np.full(len(one.rows), _NOT_YET)
        partner = other.rows[match[done]] if len(other.rows) else np.empty(0, dtype=np.intp)
        day[done] = np.maximum(posted[one.rows[done]], posted[partner])
        cleared[one.rows] = day
    return cleared


def _first_covering(one: _Pile, other: _Pile) -> NDArray[np.int64]:
    """For each entry, the first of the other side whose running total in the account reaches it; -1 when none does."""
    account = np.r_[one.account, other.account]
    running = np.r_[one.running, other.running]
    side = np.r_[np.zeros(len(one.rows), dtype=np.int64), np.ones(len(other.rows), dtype=np.int64)]
    order = np.lexsort((side, running, account))
    place = np.where(side[order] == 1, order - len(one.rows), -1)
    reach = pd.Series(np.where(place >= 0, place, np.nan)).groupby(account[order]).bfill().fillna(-1).to_numpy().astype(np.int64)
    match = np.full(len(one.rows), -1, dtype=np.int64)
    mine = side[order] == 0
    match[order[mine]] = reach[mine]
    return match
