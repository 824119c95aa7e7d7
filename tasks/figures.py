"""Small readings of a review's results that several steps need."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from credit_review import exposure
from credit_review.exposure import PortfolioFigures
from credit_review.words import marked
from tasks import assess

if TYPE_CHECKING:
    import pandas as pd

    from tasks.plan import Plan


def plain_column(column: pd.Series[Any]) -> list[Any]:
    """A column's cells as plain values: integers as int, fractions as float, text as it is, missing as None."""
    return column.astype(object).where(column.notna(), None).tolist()


_FACTS = (
    "insured_minor", "security_minor", "disputed_minor", "quarantined_minor", "oldest_dpd_days", "utilisation_fraction", "days_late_trend",
)  # fmt: skip


def facts_beside(plan: Plan, bucket: int, customers: pd.Series[Any]) -> list[dict[str, Any]]:
    """What a card says beside the proposal's own figures, one mapping a customer: amounts in minor units, fractions and days as text.

    `grade_before` and `dso_before_days` are of the customer's last review; None where there is none or the source cannot tell.
    """
    features = plan.workspace.read("features", bucket).set_index("customer_id")
    past = plan.workspace.read("history")
    last = past[past["state"] == "reviewed"].sort_values("as_of").drop_duplicates("customer_id", keep="last").set_index("customer_id")
    found = features.reindex(customers)
    columns = {name: plain_column(found[name]) for name in _FACTS}
    days = {"dso_days": dso_days(features).reindex(customers), "dso_before_days": last["dso_days"].reindex(customers)}
    columns |= {name: plain_column(column.astype("float64")) for name, column in days.items()}
    columns["grade_before"] = plain_column(last["grade"].reindex(customers))
    rows = (dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True))
    return [{name: f"{value:.4f}" if isinstance(value, float) else value for name, value in row.items()} for row in rows]


def dso_days(features: pd.DataFrame) -> pd.Series[Any]:
    """Days sales outstanding of each customer, by id: open items over the sales of 12 months, times 365 days; NaN without sales.

    The plain form of formulas.md 3.1; of a single customer it moves with its last order, so it is shown and never decides.
    """
    by_id = features.set_index("customer_id") if "customer_id" in features.columns else features
    sales = by_id["sales_12m_minor"].astype("Float64").astype("float64")
    return (by_id["open_items_minor"].astype("float64") / sales.where(sales > 0) * 365).round(1)


def portfolio(plan: Plan) -> list[PortfolioFigures]:
    """Figures of the book per currency."""
    workspace = plan.workspace
    sales = workspace.read_all(assess.SALES, plan.buckets)
    features = workspace.read_all("features", plan.buckets)
    return exposure.portfolio(features, sales, as_of=plan.as_of, capabilities=workspace.capabilities())


_SIGNAL = marked(
    "past due, of all open items, are {shares}, more than policy's {threshold}: "
    "this may be an incomplete extract (cash not posted) rather than bad customers"
)


def lateness_signal(plan: Plan) -> str:
    """Why routing must wait for a person, as a sentence; empty when nothing speaks against the extract."""
    threshold = float(plan.workspace.policy().review.bulk_lateness_hold)
    late = [
        f"{book.currency} {book.overdue_fraction:.0%}"
        for book in portfolio(plan)
        if book.overdue_fraction is not None and book.overdue_fraction > threshold
    ]
    if not late:
        return ""
    return _SIGNAL.format(shares=", ".join(late), threshold=f"{threshold:.0%}")
