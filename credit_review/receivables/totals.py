"""Control totals: every row read accounted for, per currency and kind, and compared with what the source says it handed over."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal

import pandas as pd

from credit_review.errors import ReviewStopped
from credit_review.model.money import EXPONENTS, exponent, format_minor
from credit_review.receivables.read import DUPLICATE
from credit_review.words import said

NOT_STATED = "not stated, tied to itself only"
TIED = "tied"
EXPLAINED = "tied, but for rows whose amount could not be read"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tie:
    """One comparison: what the source stated and what was read, rows and minor units. `unreadable` rows have no amount in `read_minor`."""

    source: str
    dataset: str
    currency: str
    kind: str
    stated_rows: int
    read_rows: int
    stated_minor: int
    read_minor: int
    unreadable: int
    verdict: str


def control_totals(accounting: pd.DataFrame) -> pd.DataFrame:
    """Control totals of the ledger: rows, original and open minor units per currency and document kind, over every row read.

    Columns currency, kind, rows, amount_minor, open_minor, unreadable, sorted. Rows taken out by rule or posted later are part of them.
    """
    items = accounting[accounting["dataset"] == "items"]
    figures = ["rows", "amount_minor", "open_minor", "unreadable"]
    summed: pd.DataFrame = items.groupby(["currency", "kind"], sort=True, as_index=False)[figures].sum()
    return summed


def tie(
    accounting: pd.DataFrame,
    stated: pd.DataFrame | None,
    *,
    source: str,
    amount_is: str = "open",
    duplicates: str = "included",
    rows_tolerance: int = 0,
    amount_tolerance: Decimal | int | float = 0,
    required: bool = False,
) -> tuple[Tie, ...]:
    """Every comparison of stated with read totals; empty when none are stated and none are required.

    `amount_tolerance` is in major units of each currency. A stated row without kind stands for all kinds of its currency; customers are
    compared by rows. A currency or kind that was read and not stated is a mismatch where the source states any for items. An amount is
    not compared where some of its rows could not be read; rows always are. Raises ReviewStopped naming currency, kind and both figures.
    """
    if stated is None or not len(stated):
        if required:
            raise ReviewStopped(
                said("{source} states no control totals, and policy requires them", source=source),
                expected=said("a file or query of totals, named under stated_totals in the mapping"),
                next_step=said("have the source state its totals, or change intake.require_stated_totals in the policy"),
            )
        return ()
    read = accounting[accounting["line"] != DUPLICATE] if duplicates == "excluded" else accounting
    found = [_compared(source, one, amount_is) for one in _pairs(read, stated)]
    return tuple(_judged(one, rows_tolerance, Decimal(str(amount_tolerance))) for one in found)


_Pair = tuple[str, str, str, int, int, pd.DataFrame]


def _pairs(read: pd.DataFrame, stated: pd.DataFrame) -> Iterator[_Pair]:
    """Each stated total with the rows of the accounting it stands for, then everything read that no stated total covers."""
    covered = pd.Series(False, index=read.index)
    for row in stated.to_dict("records"):
        dataset, currency, kind = str(row["dataset"]), str(row["currency"]), str(row["kind"])
        mine = read["dataset"] == dataset
        if dataset == "items":
            mine &= (read["currency"] == currency) | (currency == "")
            mine &= (read["kind"] == kind) | (kind == "")
        covered |= mine
        yield dataset, currency, kind, int(row["rows"]), int(row["amount_minor"]), read[mine]
    if not (stated["dataset"] == "items").any():
        return
    for (left_currency, left_kind), rest in read[~covered & (read["dataset"] == "items")].groupby(["currency", "kind"]):
        yield "items", str(left_currency), str(left_kind), 0, 0, rest


def _compared(source: str, pair: _Pair, amount_is: str) -> Tie:
    dataset, currency, kind, stated_rows, stated_minor, read = pair
    return Tie(
        source=source,
        dataset=dataset,
        currency=currency,
        kind=kind,
        stated_rows=stated_rows,
        read_rows=int(read["rows"].sum()),
        stated_minor=stated_minor,
        read_minor=int(read["amount_minor" if amount_is == "amount" else "open_minor"].sum()),
        unreadable=int(read["unreadable"].sum()),
        verdict=TIED,
    )


def _judged(one: Tie, rows_tolerance: int, amount_tolerance: Decimal) -> Tie:
    """The comparison with its verdict. Raises ReviewStopped beyond tolerance."""
    what = " ".join(part for part in (one.dataset, one.currency, one.kind) if part)
    step = "hand over a complete extract, or correct the stated totals; nothing was decided on this one"
    if abs(one.stated_rows - one.read_rows) > rows_tolerance:
        raise ReviewStopped(
            said(
                "{source}: {what}: {stated_rows} rows stated, {read_rows} read",
                source=one.source,
                what=what,
                stated_rows=one.stated_rows,
                read_rows=one.read_rows,
            ),
            expected=said("a difference of at most {rows_tolerance} rows", rows_tolerance=rows_tolerance),
            next_step=step,
        )
    if one.dataset != "items" or one.currency not in EXPONENTS:
        return one
    if one.unreadable:
        return replace(one, verdict=EXPLAINED)
    if abs(one.stated_minor - one.read_minor) > amount_tolerance.scaleb(exponent(one.currency)):
        stated, read = (format_minor(minor, one.currency, decimals=True) for minor in (one.stated_minor, one.read_minor))
        raise ReviewStopped(
            said("{source}: {what}: {stated} stated, {read} read", source=one.source, what=what, stated=stated, read=read),
            expected=said(
                "a difference of at most {amount_tolerance} {currency}", amount_tolerance=amount_tolerance, currency=one.currency
            ),
            next_step=step,
        )
    return one
