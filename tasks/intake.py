"""From the sources to a snapshot that never changes: read, resolve identities, write once, tie, take over limits, fix the manifest."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from credit_review import audit, receivables
from credit_review.adapters import reading
from credit_review.adapters import snapshot as snapshots
from credit_review.completeness import HISTORY
from credit_review.model.records import CreditLimit, CustomerAlias, Deferral, Exclusion, GroupMembership, LimitAccount, Rate, Review
from credit_review.model.states import Layer, ReviewState
from credit_review.review import lifecycle, manifest, opening
from credit_review.review.lifecycle import BATCH
from tasks import prepare
from tasks.defaults import task
from tasks.progress import stage

if TYPE_CHECKING:
    import pandas as pd

    from tasks.plan import Plan


def take_snapshot(plan: Plan) -> Plan:
    """The plan with a snapshot: what the sources hold, read once, written under its content digest, tied to the stated totals."""
    if plan.snapshot_digest:
        return plan
    with stage("Reading the sources", folder=plan.workspace.folder) as at:
        written = read_and_write(plan)
        at.rows = written.rows
        at.say(f"{written.rows:,} rows")
    return plan.but(snapshot_digest=written.digest)


@task(name="read sources into a snapshot", task_run_name="read sources into a snapshot")
def read_and_write(plan: Plan) -> snapshots.Written:
    """Read every source and write one snapshot; a control total beyond policy's tolerance stops the review."""
    opened = prepare.services(plan.config)
    policy = plan.workspace.policy()
    book = reading.read_book(opened.settings, plan.workspace.mappings(), as_of=plan.as_of, policy=policy)
    return snapshots.write(plan.workspace.snapshots, book, buckets=plan.buckets)


@task(name="take over limits in force", task_run_name="take over limits in force")
def adopt_limits(plan: Plan) -> opening.TakenOver:
    """Adopt the limits found in the ERP in the first review, compare them in later ones; aliases, groups and rates go on record too."""
    opened = prepare.services(plan.config)
    customers = plan.snapshot.whole("customers")
    _record_facts(plan, customers)
    rows = [
        opening.OnFile(
            customer_id=customer, legal_entity=entity, currency=currency, limit_minor=_int(limit), terms_days=_int(terms)
        )
        for customer, entity, currency, limit, terms in zip(
            *(customers[name].tolist() for name in ("customer_id", "legal_entity", "currency", "limit_minor", "terms_days")), strict=True
        )
        if currency
    ]
    return opening.take_over(
        opened.store,
        plan.review_id,
        rows,
        opening.totals(rows),
        person_id=opened.settings.limits_owner,
        on=plan.as_of,
        clock=opened.clock,
    )
