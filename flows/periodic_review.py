"""One review, from ledger to routed proposals. It ends when the requests are out; an approval is waited for in our record, not in a run."""

from __future__ import annotations

from datetime import date

from prefect import flow, tags
from prefect.states import Completed, State

from tasks import artifacts, assess, buckets, canaries, challenger, controls, forecasts, intake, outcome, prepare, validate


@flow(name="periodic_review", flow_run_name=prepare.run_name, persist_result=False)
def periodic_review(
    config: str = "config", as_of: date | None = None, scope: str = "all", supersede: str = "", resume: str = ""
) -> State[str]:
    """Run or resume a review; the state's message says what happened, or what it waits for. Raises CreditReviewError when it stops.

    `config` is the configuration folder; `as_of` defaults to the quarter end before the scheduled start, in the company's time zone;
    `supersede` is the reason for which a live review of the same scope and date is replaced; `resume` is a review id.
    """
    plan = prepare.resume_review(config, resume) if resume else prepare.plan_review(config, as_of, scope)
    if plan.waiting_for:
        artifacts.publish_waiting(plan)
        return Completed(name="Waiting", message=plan.waiting_for)
    review = plan if resume else prepare.open_review(plan, supersede)
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
        outcome.record_results(review)
        challenger.ride(review)
        outcome.route_proposals(review)
        summary = outcome.write_report(review)
        artifacts.publish_review(review, summary)
    with tags(review.tag):
        artifacts.publish_controls(controls.watch(config))
    return Completed(message=summary.headline)
