"""Small readings of a review's results that several steps need."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from credit_review import exposure
from credit_review.exposure import PortfolioFigures
from credit_review.model.states import Direction
from tasks import assess

if TYPE_CHECKING:
    import pandas as pd

    from credit_review.policy import Policy
    from tasks.plan import Plan


def plain_column(column: pd.Series[Any]) -> list[Any]:
    """A column's cells as plain values: integers as int, fractions as float, text as it is, missing as None."""
    return column.astype(object).where(column.notna(), None).tolist()


def effective_days(plan: Plan, policy: Policy, today: date) -> Mapping[str, date]:
    """From which day a change of each direction holds: reductions after policy's notice, everything else at once."""
    notice = today + timedelta(days=policy.review.effective_after_days)
    return {d: notice if d == Direction.DOWN else today for d in Direction}


def portfolio(plan: Plan) -> list[PortfolioFigures]:
    """Figures of the book per currency."""
    workspace = plan.workspace
    sales = workspace.read_all(assess.SALES, plan.buckets)
    features = workspace.read_all("features", plan.buckets)
    return exposure.portfolio(features, sales, as_of=plan.as_of, capabilities=workspace.capabilities())


def lateness_signal(plan: Plan) -> str:
    """Why routing must wait for a person, as a sentence; empty when nothing speaks against the extract."""
    threshold = float(plan.workspace.policy().review.bulk_lateness_hold)
    late = [
        f"{book.overdue_fraction:.0%} in {book.currency}"
        for book in portfolio(plan)
        if book.overdue_fraction is not None and book.overdue_fraction > threshold
    ]
    if not late:
        return ""
    return (
        f"past due, of all open items, are {' and '.join(late)}, more than policy's {threshold:.0%}: "
        "this may be an incomplete extract (cash not posted) rather than bad customers"
    )
