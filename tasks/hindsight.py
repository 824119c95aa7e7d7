"""What later reviews found of a customer: grade and lateness, read from the files that those reviews left."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date
from functools import cache, partial
from typing import TYPE_CHECKING

from credit_review.model.frames import bucket_of
from credit_review.model.records import Review
from credit_review.model.states import ReviewState
from credit_review.monitoring.overrides import QUARTERS, Hindsight, Override, nearest
from credit_review.scoring.experts import already_rule
from credit_review.scoring.scores import already_happened
from tasks import prepare

if TYPE_CHECKING:
    import pandas as pd

    from tasks.plan import Plan


def hindsight(config: str, overrides: Iterable[Override]) -> dict[tuple[str, date, int], Hindsight]:
    """By customer, as-of date and quarters after: what the nearest review of about then found, where there is one that reached it."""
    found: dict[tuple[str, date, int], Hindsight] = {}
    with prepare.services(config).store.read() as uow:
        reviews = [r for r in uow.find(Review) if r.state in (ReviewState.ROUTED, ReviewState.SETTLED, ReviewState.CLOSED)]
    plan = cache(partial(prepare.plan_of, config))
    for one in overrides:
        for quarters in QUARTERS:
            for review in _about_then(reviews, one.as_of, quarters):
                seen = _seen(plan(review.review_id), one.customer_id)
                if seen is not None:
                    found[(one.customer_id, one.as_of, quarters)] = seen
                    break
    return found


def _about_then(reviews: Iterable[Review], as_of: date, quarters: int) -> Iterator[Review]:
    """Reviews near that day, the nearest first."""
    by_id = sorted(reviews, key=lambda r: r.review_id)
    return (r for day in nearest({r.as_of for r in by_id}, as_of, quarters) for r in by_id if r.as_of == day)


def _seen(plan: Plan, customer_id: str) -> Hindsight | None:
    """What one review says of a customer; None when it did not score it, or its files are gone."""
    workspace, bucket = plan.workspace, bucket_of(customer_id, plan.buckets)
    if not (workspace.folder / "scores").is_dir():
        return None
    scores, features = (_row(workspace.read(name, bucket), customer_id) for name in ("scores", "features"))
    if not len(scores) or not len(features):
        return None
    late = already_happened(features, already_rule(workspace.policy(), 0))
    return Hindsight(str(scores["grade"].iloc[0]), bool(late[0]))


def _row(frame: pd.DataFrame, customer_id: str) -> pd.DataFrame:
    return frame[frame["customer_id"] == customer_id]
