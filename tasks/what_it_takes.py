"""What it takes for one customer of a review to reach a limit, from the files of that review."""

from __future__ import annotations

from typing import TYPE_CHECKING

from credit_review import completeness
from credit_review.errors import BadInput
from credit_review.model.frames import LAYER_AMOUNTS, LAYER_TEXTS, QUARANTINE, STATES, bucket_of
from credit_review.words import said
from tasks import assess, validate

if TYPE_CHECKING:
    import pandas as pd

    from credit_review.path_to_yes import Customer, Path
    from tasks.plan import Plan


def find(plan: Plan, customer_id: str, asked_minor: int) -> Path:
    """The path of a customer to a limit, in minor units of its account's currency, as of the review's day and by its rules."""
    from credit_review.path_to_yes import find as search

    return search(customer_of(plan, customer_id), asked_minor)


def customer_of(plan: Plan, customer_id: str) -> Customer:
    """The customer as the review read it. Raises BadInput for a customer the review does not know."""
    from credit_review.limits.bounds import owed_by_others
    from credit_review.path_to_yes import Customer

    workspace, bucket = plan.workspace, bucket_of(customer_id, plan.buckets)

    def of(frame: pd.DataFrame) -> pd.DataFrame:
        return frame[frame["customer_id"] == customer_id].reset_index(drop=True)

    master = of(validate.clean(plan, "customers", bucket))
    if master.empty:
        raise BadInput(
            said("review {review} knows no customer {customer_id}", review=plan.review_id, customer_id=customer_id),
            expected=said("a customer id as the report shows it"),
        )
    states = of(workspace.read("states", bucket, of=STATES))
    features, groups = of(workspace.read("features", bucket)), workspace.read("groups")
    rates, policy = assess.rates(plan), workspace.policy()
    owed = owed_by_others(features, groups, control=policy.control_currency, as_of=plan.as_of, rates=rates)
    return Customer(
        items=of(validate.clean(plan, "items", bucket)),
        customers=assess.with_limits_in_force(plan, master),
        external=of(validate.clean(plan, "external", bucket)),
        statements=of(validate.clean(plan, "statements", bucket)),
        remarks=of(validate.clean(plan, "remarks", bucket)),
        cover=of(validate.clean(plan, "cover", bucket)),
        quarantine=of(validate.refused_so_far(plan, bucket))[list(QUARANTINE.names)],
        states=states,
        groups=groups,
        layers={name: column.iloc[0] for name, column in features[[*LAYER_AMOUNTS, *LAYER_TEXTS]].items()} if len(features) else {},
        others_owe=int(owed.value[0]) if owed.known.any() else None,
        previous=str(completeness.last_grades(workspace.read("history"), plan.as_of).get(customer_id, "")),
        as_of=plan.as_of,
        policy=policy.of_segment("".join(states["policy_segment"])),  # as the customer's segment has it
        scorecard=workspace.scorecard(),
        rates=rates,
        capabilities=workspace.capabilities(),
        forecasts=plan.snapshot.whole("forecasts"),
    )
