"""A person asks for a limit outside the schedule: a review of one customer, with the same snapshot, scoring, tiers and audit."""

from __future__ import annotations

from datetime import date

from prefect import flow, tags
from prefect.states import Completed, State

from tasks import artifacts, assess, buckets, canaries, controls, forecasts, intake, outcome, prepare, requests, validate


@flow(name="limit_request", flow_run_name="request for customer {customer_id}", persist_result=False)
def limit_request(
    customer_id: str,
    amount: str,
    reason: str,
    person_id: str,
    config: str = "config",
    until: date | None = None,
    terms_days: int | None = None,
    emergency: bool = False,
    layer: str = "",
    appeals: str = "",
    begins: date | None = None,
    recurs_until: date | None = None,
    order: str = "",
    documents: dict[str, str] | None = None,
) -> State[str]:
    """Review one customer as of today and propose what the person asks for; that person is its maker and never approves it.

    `amount` is as typed, in the currency of the customer's account; empty asks for what the engine finds. `emergency` says that the
    person puts it in force next, to be approved afterwards; the flow itself puts nothing in force. `layer` is a bound that is asked for
    instead of the limit itself: ceiling, segment or group. `appeals` is a refused request that this one appeals against.
    A temporary limit `begins` today or on a later day, and comes again each year where it `recurs_until` a day. `order` is the order at
    stake as typed, `documents` are SHA-256 by name.
    """
    about = (reason, person_id, emergency, layer, appeals, begins, recurs_until, order, documents)
    request = requests.understand(config, customer_id, amount, until, terms_days, *about)
    review = requests.open_review(config, request)
    with tags(review.tag), prepare.failing_is_recorded(review):
        prepare.tag_this_run(review)
        review = intake.take_snapshot(review)
        review = intake.fix_manifest(review)
        intake.adopt_opening_limits(review)
        canaries.ride(review)
        with buckets.workers(review):
            validate.validate_snapshot(review)
            assess.assess_customers(review)
            assess.propose_limits(review)
        forecasts.compare(review)
        requests.record(review, request)
        outcome.route_proposals(review)
        summary = outcome.write_report(review)
        artifacts.publish_review(review, summary)
    with tags(review.tag):
        artifacts.publish_controls(controls.watch(config, book=False))
    return Completed(message=summary.headline)
