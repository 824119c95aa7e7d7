"""Forecasts of account owners whose days are over: what the ledger of a review shows of them, on record for the reviews after it."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from credit_review.model.frames import bucket_of
from credit_review.review import forecasts
from tasks import assess, prepare, validate
from tasks.defaults import task

if TYPE_CHECKING:
    from credit_review.model.records import Forecast
    from tasks.plan import Plan


@task(name="compare forecasts with the ledger", task_run_name="compare forecasts with the ledger")
def compare(plan: Plan) -> int:
    """How many forecasts, now over, got the highest balance that this review's ledger shows for their days, on record for later reviews.

    Left for a later review, or for good, are those of customers with quarantined rows or without a rate, and those that began before the
    ledger's 12 months. Nothing is compared where the sources do not state what was cleared when.
    """
    opened = prepare.services(plan.config)
    with opened.store.read() as uow:
        due = forecasts.over(uow, plan.as_of)
    if not due or "cleared_items" not in plan.workspace.capabilities():
        return 0
    actuals = actual_peaks(plan, due)
    with opened.store.begin(interactive=False) as uow:
        done = forecasts.record_actuals(uow, plan.review_id, actuals, opened.clock.now())
        uow.commit()
    return done


def actual_peaks(plan: Plan, due: list[Forecast]) -> dict[str, int]:
    """The highest balance of the days of each forecast by the review's ledger, in the forecast's currency, where it can be told."""
    from credit_review.exposure import forecasts as foreseen

    by_bucket: dict[int, list[Forecast]] = defaultdict(list)
    for one in due:
        by_bucket[bucket_of(one.customer_id, plan.buckets)].append(one)
    refused = validate.quarantine(plan)
    held = frozenset(refused.loc[refused["could_raise"], "customer_id"])
    found: dict[str, int] = {}
    for bucket, several in sorted(by_bucket.items()):
        found |= foreseen.actual_peaks(
            [forecasts.stated_of(one, None) for one in several if one.customer_id not in held],
            validate.clean(plan, "items", bucket),
            validate.clean(plan, "customers", bucket),
            as_of=plan.as_of,
            rates=assess.rates(plan),
        )
    return found
