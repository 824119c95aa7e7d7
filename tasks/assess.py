"""What each customer owes, how it pays, what it scores, and what limit follows: bucket by bucket, with one pass over groups between."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Any

from credit_review import completeness, exposure, fx, groups, limits, scoring
from credit_review.errors import ReviewStopped
from credit_review.model.frames import QUARANTINE, STATES
from credit_review.model.states import DocumentOfRecord, ReviewState
from credit_review.model.validation import Verdict
from expectations import gate
from expectations.promise import Context
from tasks import intake, prepare, validate
from tasks.buckets import over_buckets
from tasks.defaults import task
from tasks.progress import stage

if TYPE_CHECKING:
    import pandas as pd

    from credit_review.exposure.assemble import FeatureResult
    from credit_review.model.records import Deferral, Exclusion
    from credit_review.policy import Policy
    from tasks.plan import Plan

SALES, RATES_USED = "sales_by_month", "rates_used"


def assess_customers(plan: Plan) -> None:
    """Features and scores of every bucket, then group figures and customer states; the review is scored."""
    if prepare.reached(plan, ReviewState.SCORED):
        return
    with stage("Computing exposure and scores", folder=plan.workspace.folder, total=plan.buckets, in_prefect=True) as at:
        found = over_buckets(assess_bucket, plan, at)
        at.rows = sum(one["rows"] for one in found)
        _require([Verdict.from_dict(one) for one in found], plan, "verdicts_features.json")
    with stage("Adding up groups and scope", folder=plan.workspace.folder) as at:
        at.rows = roll_up_groups(plan)
        assign_states(plan)
    prepare.advance(plan, ReviewState.SCORED)


@task(name="assess a bucket", task_run_name="assess bucket {bucket}")
def assess_bucket(plan: Plan, bucket: int) -> dict[str, Any]:
    """Features and scores of one bucket's customers, written beside; returns the verdict on the features, as JSON values."""
    import pandas as pd

    workspace = plan.workspace
    policy = workspace.policy()
    found, gated = measured(plan, bucket, policy)
    workspace.write("features", gated.clean, bucket)
    workspace.write(validate.FEATURES_REFUSED, refused(found, gated), bucket, of=QUARANTINE)
    workspace.write(SALES, found.sales_by_month, bucket)
    workspace.write(RATES_USED, found.rates_used, bucket)
    previous = completeness.last_grades(workspace.read("history"), plan.as_of)
    scores = scoring.score(gated.clean, workspace.scorecard(), policy, previous=previous)
    # the digest of the file that two people adopted, which the inventory knows; laid out otherwise, the same card would have another
    scores["scorecard"] = pd.Series(workspace.document(DocumentOfRecord.SCORECARD).digest, index=scores.index, dtype="str")
    workspace.write("scores", scores, bucket)
    return gated.verdict.to_dict()


def measured(plan: Plan, bucket: int, policy: Policy) -> tuple[FeatureResult, gate.GateResult]:
    """Features of one bucket's customers by a policy, and those that passed the gate. Writes nothing."""
    customers = validate.clean(plan, "customers", bucket)
    found = exposure.features(
        validate.clean(plan, "items", bucket),
        with_limits_in_force(plan, customers),
        validate.clean(plan, "external", bucket),
        validate.clean(plan, "cover", bucket),
        as_of=plan.as_of,
        policy=policy,
        rates=rates(plan),
        capabilities=plan.workspace.capabilities(),
        statements=validate.clean(plan, "statements", bucket),
        remarks=validate.clean(plan, "remarks", bucket),
        quarantine=validate.refused_so_far(plan, bucket),
        forecasts=plan.snapshot.whole("forecasts"),
    )
    found = replace(found, frame=with_layers_in_force(plan, found.frame, customers))
    return found, gate.check("features", found.frame, context=Context(as_of=plan.as_of, grades=policy.grade_names))


def refused(found: FeatureResult, gated: gate.GateResult) -> pd.DataFrame:
    """QUARANTINE rows that the feature stage left out."""
    import pandas as pd

    return pd.concat([found.quarantine, gated.quarantine], ignore_index=True)


@task(name="add up groups", task_run_name="add up groups")
def roll_up_groups(plan: Plan) -> int:
    """Group figures of the whole book, written beside; returns how many groups there are."""
    workspace = plan.workspace
    features = workspace.read_all("features", plan.buckets)
    policy, other = workspace.policy(), workspace.read("other_limits")
    named = policy.groups
    bad = groups.bad_members(features, workspace.read_all("scores", plan.buckets), statuses=named.bad_statuses, grades=named.bad_grades)
    found = groups.roll_up(
        features, rates=rates(plan), control_currency=policy.control_currency, as_of=plan.as_of, other_limits=other, bad=bad
    )
    workspace.write("groups", found)
    return len(found)


@task(name="say who is reviewed", task_run_name="say who is reviewed")
def assign_states(plan: Plan) -> None:
    """The state of every customer of master, ledger or quarantine, written beside by bucket."""
    write_states(plan, *intake.deferrals_and_exclusions(plan), intake.due_again(plan))


def write_states(plan: Plan, deferrals: list[Deferral], exclusions: list[Exclusion], again: Mapping[str, date]) -> None:
    """The state of every customer, given what people put off or excluded, written beside by bucket."""
    from credit_review.model.frames import bucket_of

    workspace = plan.workspace
    states = completeness.assign_states(
        plan.snapshot.whole("customers"),
        workspace.read_all("features", plan.buckets),
        validate.quarantine(plan),
        workspace.read("history"),
        deferrals,
        exclusions,
        scope=plan.scope,
        policy=workspace.policy(),
        as_of=plan.as_of,
        rates=rates(plan),
        ledger_customers=plan.snapshot.ledger_customers(),
        due_again=again,
    )
    bucket = states["customer_id"].map(lambda one: bucket_of(one, plan.buckets))
    for number in range(plan.buckets):
        workspace.write("states", states[bucket == number].reset_index(drop=True), number)


def propose_limits(plan: Plan) -> None:
    """Proposals of every bucket, written beside."""
    if prepare.reached(plan, ReviewState.PROPOSED):
        return
    with stage("Proposing limits and terms", folder=plan.workspace.folder, total=plan.buckets, in_prefect=True) as at:
        found = over_buckets(propose_bucket, plan, at)
        at.rows = sum(one["rows"] for one in found)
        verdicts = [Verdict.from_dict(one) for one in found]
        _require(verdicts, plan, "verdicts_proposals.json")
    lost = sum(v.rows - v.kept for v in verdicts)
    if lost:
        raise ReviewStopped(f"{lost} of our own proposals broke a promise", next_step="see verdicts_proposals.json of the review")


@task(name="propose for a bucket", task_run_name="propose for bucket {bucket}")
def propose_bucket(plan: Plan, bucket: int) -> dict[str, Any]:
    """Proposals of one bucket's customers, written beside; returns the verdict on them, as JSON values."""
    workspace = plan.workspace
    policy = workspace.policy()
    found = limits.propose(
        workspace.read("features", bucket),
        workspace.read("scores", bucket),
        workspace.read("groups"),
        workspace.read("states", bucket, of=STATES),
        policy=policy,
        as_of=plan.as_of,
        rates=rates(plan),
    )
    workspace.write("proposals", found, bucket)
    return gate.check("proposals", found, context=Context(as_of=plan.as_of, grades=policy.grade_names)).verdict.to_dict()


def rates(plan: Plan) -> fx.RateTable:
    """The dated rates of the snapshot, as the review's policy counts them."""
    return plan.workspace.policy().rates.table(plan.snapshot.whole("rates"))


def with_limits_in_force(plan: Plan, customers: pd.DataFrame) -> pd.DataFrame:
    """CUSTOMERS with limit and terms as they are in force here, which is what a proposal changes, whatever the ledger shows."""
    in_force = plan.workspace.read("limits").set_index("customer_id")
    found = in_force.reindex(customers["customer_id"])
    known = found["account_id"].notna().to_numpy()
    changed = customers.copy()
    changed["limit_minor"] = found["limit_minor"].astype("Int64").to_numpy()
    changed["terms_days"] = customers["terms_days"].where(~known, found["terms_days"].astype("Int64").array)
    return changed.astype({"limit_minor": "Int64", "terms_days": "Int64"})


def with_layers_in_force(plan: Plan, features: pd.DataFrame, customers: pd.DataFrame) -> pd.DataFrame:
    """FEATURES with the layers that bound each account, as the review found them when it started; none for reviews that knew none."""
    from credit_review.limits.bounds import layers_beside

    if not plan.workspace.has(f"{intake.LAYERS}.parquet"):
        return features
    return layers_beside(features, customers, plan.workspace.read(intake.LAYERS), as_of=plan.as_of, rates=rates(plan))


def _require(found: list[Verdict], plan: Plan, name: str) -> None:
    merged = gate.merge(found)
    plan.workspace.write_json(name, [v.to_dict() for v in merged])
    for verdict in merged:
        verdict.require()
