"""Figures of the whole book, per account currency: days sales outstanding in its usual forms, ageing, concentration, lateness."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date

import pandas as pd

from credit_review.errors import BadInput
from credit_review.words import marked

TOP = 10
DAYS_DECIMALS = 2
FRACTION_DECIMALS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class PortfolioFigures:
    """The book in one currency. Amounts are integer minor units; a figure that is None has its reason in `not_computable` by name.

    `ageing_minor` goes from not due through policy's ageing bands. Receivables of the DSO figures are open items, credits not netted, over
    the sales of the 12 months up to as_of; `add_days` (average days delinquent) = dso_days - best_possible_dso_days.
    """

    currency: str
    customers: int
    open_items_minor: int
    ageing_minor: tuple[int, int, int, int, int]
    overdue_minor: int
    unapplied_credits_minor: int
    disputed_minor: int | None
    exposure_minor: int
    insured_minor: int
    security_minor: int
    own_risk_minor: int
    sales_12m_minor: int | None
    dso_days: float | None
    best_possible_dso_days: float | None
    add_days: float | None
    countback_dso_days: float | None
    top10_share_fraction: float | None
    overdue_fraction: float | None
    not_computable: dict[str, str]

    def text(self, name: str) -> str:
        """The figure as text, or `not computable: reason`."""
        value = getattr(self, name)
        return f"not computable: {self.not_computable[name]}" if value is None else str(value)


def dso(receivables_minor: int, sales_minor: int, days: int) -> float:
    """Conventional DSO in days: ending receivables / sales of the period x its days, 2 decimals. Sales must be above 0."""
    _positive(sales_minor)
    return round(receivables_minor * days / sales_minor, DAYS_DECIMALS)


def best_possible_dso(not_due_minor: int, sales_minor: int, days: int) -> float:
    """Best possible DSO in days: receivables not yet due / sales of the period x its days, 2 decimals. Sales must be above 0."""
    return dso(not_due_minor, sales_minor, days)


def countback_dso(receivables_minor: int, months: Sequence[tuple[int, int]]) -> float | None:
    """Countback DSO in days, 2 decimals: take off each month's sales, newest first, and add its days, the last pro rata.

    `months` holds (sales_minor, days); a month of more credit notes than invoices counts as no sales. None when the months do not reach.
    """
    left, days = receivables_minor, 0
    if left <= 0:
        return 0.0
    for sales, length in months:
        if sales >= left:
            return round(days + left * length / sales, DAYS_DECIMALS)
        left -= max(sales, 0)
        days += length
    return None


def portfolio(
    features: pd.DataFrame, sales_by_month: pd.DataFrame, *, as_of: date, capabilities: Collection[str]
) -> list[PortfolioFigures]:
    """Figures of the book per account currency, in currency order.

    `features` is FEATURES of all customers, `sales_by_month` the rows of all buckets' FeatureResult (currency, period_end, days,
    sales_minor). Without `sales` among the capabilities every DSO figure is not computable, without `disputes` the disputed amount.
    """
    sales = sales_by_month.groupby(["currency", "period_end"], sort=True).agg(days=("days", "max"), sales=("sales_minor", "sum"))
    found = []
    for key, rows in features.groupby("currency", sort=True):
        currency = str(key)
        months = sales.loc[currency] if "sales" in capabilities and currency in sales.index.get_level_values(0) else None
        newest_first = [] if months is None else [(int(s), int(d)) for d, s in months[["days", "sales"]].to_numpy()[::-1].tolist()]
        found.append(_figures(currency, rows, newest_first, as_of, tells_disputes="disputes" in capabilities))
    return found


def _figures(currency: str, rows: pd.DataFrame, months: list[tuple[int, int]], as_of: date, *, tells_disputes: bool) -> PortfolioFigures:
    reasons: dict[str, str] = {}
    total = {name: int(rows[name].sum()) for name in (*_SUMS, *_AGEING)}
    not_due, first, second, third, oldest = (total[name] for name in _AGEING)
    sales = sum(sale for sale, _ in months) if months else None
    if sales is None:
        reasons["sales_12m_minor"] = marked("no sales in source")
    if not tells_disputes:
        reasons["disputed_minor"] = marked("no disputes in source")
    days = _days(total["open_items_minor"], not_due, months, as_of, reasons)
    return PortfolioFigures(
        currency=currency,
        customers=len(rows),
        ageing_minor=(not_due, first, second, third, oldest),
        **{name: total[name] for name in _SUMS},
        disputed_minor=int(rows["disputed_minor"].sum()) if tells_disputes else None,
        sales_12m_minor=sales,
        dso_days=days[0],
        best_possible_dso_days=days[1],
        add_days=days[2],
        countback_dso_days=days[3],
        top10_share_fraction=_share(rows, total["exposure_minor"], reasons),
        overdue_fraction=_overdue(total, reasons),
        not_computable=reasons,
    )


_AGEING = ("not_due_minor", "dpd_1_30_minor", "dpd_31_60_minor", "dpd_61_90_minor", "dpd_over_90_minor")
_SUMS = (
    "open_items_minor",
    "overdue_minor",
    "unapplied_credits_minor",
    "exposure_minor",
    "insured_minor",
    "security_minor",
    "own_risk_minor",
)

Days = tuple[float | None, float | None, float | None, float | None]


def _days(receivables: int, not_due: int, months: list[tuple[int, int]], as_of: date, reasons: dict[str, str]) -> Days:
    sales, days = sum(sale for sale, _ in months), sum(length for _, length in months)
    if sales <= 0:
        why = marked("no sales in the 12 months to {day}").format(day=as_of) if months else marked("no sales in source")
        reasons.update(dict.fromkeys(("dso_days", "best_possible_dso_days", "add_days", "countback_dso_days"), why))
        return None, None, None, None
    conventional, best = dso(receivables, sales, days), best_possible_dso(not_due, sales, days)
    countback = countback_dso(receivables, months)
    if countback is None:
        reasons["countback_dso_days"] = marked("open items exceed the sales of the last 12 months")
    return conventional, best, round(conventional - best, DAYS_DECIMALS), countback


def _share(rows: pd.DataFrame, exposure: int, reasons: dict[str, str]) -> float | None:
    if exposure == 0:
        reasons["top10_share_fraction"] = marked("no exposure")
        return None
    return round(int(rows["exposure_minor"].nlargest(TOP).sum()) / exposure, FRACTION_DECIMALS)


def _overdue(total: dict[str, int], reasons: dict[str, str]) -> float | None:
    if total["open_items_minor"] == 0:
        reasons["overdue_fraction"] = marked("no open items")
        return None
    return round(total["overdue_minor"] / total["open_items_minor"], FRACTION_DECIMALS)


def _positive(sales_minor: int) -> None:
    if sales_minor <= 0:
        raise BadInput(f"sales of {sales_minor} give no DSO", expected="sales above 0", next_step="report the figure as not computable")
