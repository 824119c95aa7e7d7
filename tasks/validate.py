"""Is the snapshot fit to decide on? Each bucket passes the gate; broken promises quarantine rows or stop the review."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from credit_review.model.frames import QUARANTINE
from credit_review.model.states import ReviewState
from credit_review.model.validation import Verdict
from expectations import gate
from expectations.promise import Context
from tasks import prepare
from tasks.buckets import over_buckets
from tasks.defaults import task
from tasks.progress import stage

if TYPE_CHECKING:
    import pandas as pd

    from tasks.plan import Plan

CHECKED = ("items", "customers", "external", "statements", "remarks", "cover")
"""Datasets that pass the gate before anything is computed, where the snapshot has them."""

REFUSED = "quarantine"
"""Result of validation: QUARANTINE rows of a bucket, joined with those of reading; later stages add theirs under names of their own."""


FEATURES_REFUSED = "quarantine_features"
"""QUARANTINE rows of a bucket that the feature stage left out."""


def validate_snapshot(plan: Plan) -> None:
    """Check every bucket of the snapshot; the review is validated, or stops naming dataset, expectation and rows."""
    if prepare.reached(plan, ReviewState.VALIDATED):
        return
    workspace = plan.workspace
    with stage("Checking the data", folder=workspace.folder, total=plan.buckets, in_prefect=True) as at:
        found = over_buckets(validate_bucket, plan, at)
        verdicts = gate.merge(Verdict.from_dict(one) for bucket in found for one in bucket)
        at.rows = sum(v.rows for v in verdicts)
        workspace.write_json("verdicts.json", [v.to_dict() for v in verdicts])
    for verdict in sorted(verdicts, key=lambda v: v.status != "ERROR"):
        verdict.require()
    prepare.advance(plan, ReviewState.VALIDATED)


@task(name="check a bucket", task_run_name="check bucket {bucket}")
def validate_bucket(plan: Plan, bucket: int) -> list[dict[str, Any]]:
    """Verdicts of one bucket's datasets, as JSON values; its quarantined rows are written beside."""
    import pandas as pd

    workspace, snapshot = plan.workspace, plan.snapshot
    policy = workspace.policy()
    customers = snapshot.frame("customers", bucket)
    context = Context(as_of=plan.as_of, master=frozenset(customers["customer_id"]), grades=policy.grade_names)
    results = [gate.check(name, snapshot.frame(name, bucket), context=context) for name in CHECKED if name in snapshot.digests]
    workspace.write(REFUSED, pd.concat([r.quarantine for r in results], ignore_index=True), bucket, of=QUARANTINE)
    return [r.verdict.to_dict() for r in results]


def clean(plan: Plan, dataset: str, bucket: int) -> pd.DataFrame:
    """Rows of a snapshot's bucket that passed the gate."""
    frame = plan.snapshot.frame(dataset, bucket)
    refused = plan.workspace.read(REFUSED, bucket)
    gone = refused.loc[(refused["dataset"] == dataset) & (refused["severity"] != "info"), "row_key"]
    return frame if gone.empty else frame[~gate.row_keys(dataset, frame).isin(set(gone))].reset_index(drop=True)


def refused_so_far(plan: Plan, bucket: int) -> pd.DataFrame:
    """QUARANTINE rows of one bucket from reading and from the gate."""
    import pandas as pd

    return pd.concat([plan.snapshot.frame("quarantine", bucket), plan.workspace.read(REFUSED, bucket)], ignore_index=True)


def quarantine(plan: Plan) -> pd.DataFrame:
    """QUARANTINE rows of reading and of every stage so far, of the whole book."""
    import pandas as pd

    workspace = plan.workspace
    parts = [plan.snapshot.whole("quarantine"), workspace.read_all(REFUSED, plan.buckets)]
    parts += [workspace.read_all(name, plan.buckets, of=QUARANTINE) for name in (FEATURES_REFUSED,) if workspace.has(name)]
    return pd.concat(parts, ignore_index=True).sort_values(list(QUARANTINE.key), kind="stable", ignore_index=True)


def verdicts(plan: Plan) -> tuple[Verdict, ...]:
    """Verdicts of all stages of a review that has proposed limits. Raises Tampered when a stage's are missing."""
    names = ("verdicts.json", "verdicts_features.json", "verdicts_proposals.json")
    return tuple(Verdict.from_dict(one) for name in names for one in plan.workspace.read_json(name))
