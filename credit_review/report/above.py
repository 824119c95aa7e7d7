"""Views of exposure above a limit: over the limit in force today, and above a first limit that is proposed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from credit_review.model.money import EXPONENTS
from credit_review.report.movements import LIST_UP_TO
from credit_review.report.named import named, names
from credit_review.report.table import Table, cut, num
from credit_review.report.text import count, joined, known, major, whole, words
from credit_review.words import said, said_many

if TYPE_CHECKING:
    import pandas as pd

    from credit_review.report.data import ReportData

OVER_UP_TO = 100
"""Customers over their limit that the table lists, largest excess first a currency; the complete list stands beside the report."""

NAME_UP_TO = 5
"""Customers over their limit that the summary names; the table names more."""


def over_limit(data: ReportData) -> pd.DataFrame:
    """Proposals rows of customers, reviewed or not, whose exposure is above their limit in force; largest excess first a currency.

    With a column `over_minor` (minor units of the row's currency). A customer without a limit on file is over none.
    """
    rows = data.proposals[data.proposals["currency"].isin(list(EXPONENTS)) & data.proposals["from_minor"].notna()]
    over = (rows["exposure_minor"].fillna(0) - rows["from_minor"]).astype("int64")
    return rows.assign(over_minor=over)[over.gt(0)].sort_values(["currency", "over_minor", "customer_id"], ascending=[True, False, True])


def over_limit_table(data: ReportData) -> Table:
    """Every customer over its limit in force, and what is proposed."""
    rows, called = over_limit(data), names(data)
    listed = [_over(r, called) for r in rows.head(OVER_UP_TO).to_dict("records")]
    return Table(
        (
            said("Customer"), said("Grade"), said("Currency"), num(said("Exposure")), num(said("Overdue")), num(said("Limit in force")),
            num(said("Over by")), num(said("New limit")),
        ),
        listed,
        note=cut(len(rows), len(listed), data.files, "proposals.csv"),
        empty=said("No customer is over a limit in force."),
    )  # fmt: skip


def _over(row: Any, called: Any) -> list[str]:
    currency = row["currency"]
    amounts = [whole(row[name], currency) for name in ("exposure_minor", "overdue_minor", "from_minor", "over_minor")]
    proposed = whole(row["to_minor"], currency) if known(row["to_minor"]) else words(row["state"])
    return [named(row["customer_id"], called), row["grade"], currency, *amounts, proposed]


def over_limit_words(data: ReportData) -> str:
    """Who is over a limit in force and by how much, in one sentence; empty when there are no limits on file to be over."""
    rows = over_limit(data)
    if rows.empty:
        return said("No customer is over its limit in force.") if data.proposals["from_minor"].notna().any() else ""
    sums = rows.groupby("currency")["over_minor"].sum()
    amounts = joined([major(int(sums[code]), str(code)) for code in sums.index])
    text = said_many(
        "{count} customer is over the limit in force, by {amounts} in all",
        "{count} customers are over the limit in force, by {amounts} in all",
        n=len(rows),
        count=count(len(rows)),
        amounts=amounts,
    )
    if len(rows) > NAME_UP_TO:
        return said("{what}; see Limits.", what=text)
    called = names(data)
    who = [called.get(one, "") or one for one in rows["customer_id"]]
    return said("{what}: {customers}.", what=text, customers=joined([*who[:-1], who[-1].rstrip(".")]))


def first_limits(data: ReportData) -> tuple[Table, list[str]]:
    """First limits proposed below the exposure there already is, largest excess first, and their number and total a currency."""
    found = data.proposals[data.proposals["direction"].eq("new") & data.proposals["over_limit_minor"].fillna(0).gt(0)]
    rows = found.sort_values(["currency", "over_limit_minor", "customer_id"], ascending=[True, False, True])
    called = names(data)
    listed = [_first(r, called) for r in rows.head(LIST_UP_TO).to_dict("records")]
    table = Table(
        (
            said("Customer"), said("Grade"), said("Currency"), num(said("Exposure")), num(said("Overdue")), num(said("First limit")),
            num(said("Above it")),
        ),
        listed,
        note=cut(len(rows), len(listed), data.files, "proposals.csv"),
    )  # fmt: skip
    return table, [_first_words(group, str(code)) for code, group in rows.groupby("currency", sort=True)]


def _first(row: Any, called: Any) -> list[str]:
    currency = row["currency"]
    amounts = [whole(row[name], currency) for name in ("exposure_minor", "overdue_minor", "to_minor", "over_limit_minor")]
    return [named(row["customer_id"], called), row["grade"], currency, *amounts]


def _first_words(rows: pd.DataFrame, currency: str) -> str:
    return said_many(
        "{currency}: {count} first limit lies below the exposure there is already, by {amount} in all.",
        "{currency}: {count} first limits lie below the exposure there is already, by {amount} in all.",
        n=len(rows),
        currency=currency,
        count=count(len(rows)),
        amount=major(int(rows["over_limit_minor"].sum()), currency),
    )
