"""What a review leaves behind: results on record, the completeness certificate, routed proposals, the report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from credit_review import audit, completeness, limits
from credit_review.adapters import files
from credit_review.adapters.workspace import Workspace
from credit_review.limits.codes import SEPARATOR
from credit_review.model.frames import QUARANTINE, bucket_of
from credit_review.model.records import Proposal
from credit_review.model.states import CustomerState, Layer, ReviewState
from credit_review.review import lifecycle, propose, route
from credit_review.review.naming import account_id
from credit_review.review.propose import ProposalDraft
from credit_review.review.request import later_reviews
from credit_review.scoring import REASONS
from tasks import figures, prepare, validate
from tasks.defaults import task
from tasks.progress import stage

if TYPE_CHECKING:
    import pandas as pd

    from tasks.plan import Plan

STAGE = "proposals"
LEFT = "left_to_newer_reviews.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What a review says about itself in the Prefect UI: ids, codes, amounts and digests only.

    A table is its title, how many rows there are, and at most the first hundred: Prefect walks through every value a task is given.
    """

    headline: str
    facts: Mapping[str, str]
    digests: Mapping[str, str]
    tables: Mapping[str, tuple[str, int, list[dict[str, str]]]]
    report: Path
    report_sha256: str
    snapshot: Path
    snapshot_digest: str


def record_results(plan: Plan) -> None:
    """Put every bucket's result and every proposal on record; the review is proposed. Safe to run again after a crash."""
    if prepare.reached(plan, ReviewState.PROPOSED):
        return
    with stage("Recording results", folder=plan.workspace.folder) as at:
        record_batches(plan)
        at.rows = store_proposals(plan)
        certify(plan)
    counts = Counter(left(plan).values())
    prepare.advance(plan, ReviewState.PROPOSED, data={"left_to_newer_reviews": dict(counts)} if counts else None)


@task(name="record bucket results", task_run_name="record bucket results")
def record_batches(plan: Plan) -> None:
    """One score.batch entry a bucket, in bucket order, each in a short transaction."""
    opened = prepare.services(plan.config)
    for number in range(plan.buckets):
        batch = batch_of(plan, number)
        with opened.store.begin(interactive=False) as uow:
            lifecycle.record_batch(uow, plan.review_id, batch, by=prepare.SYSTEM)
            uow.commit()


def batch_of(plan: Plan, number: int) -> lifecycle.Batch:
    """What goes on record of a bucket's result."""
    path = plan.workspace.frame_path("proposals", number)
    frame = plan.workspace.read("proposals", number)
    reviewed = frame[frame["to_minor"].notna()]
    return lifecycle.Batch(
        stage=STAGE,
        bucket=number,
        path=f"proposals/{number:04d}.parquet",
        sha256=files.sha256_of(path),
        root=audit.merkle_root(audit.leaf_hash(line) for line in canonical_lines(frame)),
        customers=len(frame),
        states={str(k): int(v) for k, v in frame["state"].value_counts().sort_index().items()},
        totals={str(k): int(v) for k, v in reviewed.groupby("currency")["to_minor"].sum().sort_index().items()},
    )


def canonical_lines(frame: pd.DataFrame) -> Iterator[str]:
    """One canonical line a customer, in customer-id order: what the Merkle root of a bucket commits to."""
    names = ("customer_id", "state", "direction", "state_reason", "grade", "points", "currency", "from_minor", "to_minor", "to_terms_days")
    columns = [frame[name].astype(object).where(frame[name].notna(), None).tolist() for name in names]
    for values in zip(*columns, strict=True):
        yield audit.canonical([int(v) if isinstance(v, int | float) else v for v in values])


@task(name="store proposals", task_run_name="store proposals")
def store_proposals(plan: Plan) -> int:
    """Store a proposal for every customer whose limit or terms would change; returns how many there are.

    Changes left to a newer review are written beside, customer by customer.
    """
    opened = prepare.services(plan.config)
    total, since = propose.Stored(), reviewed_since(plan)
    for number in range(plan.buckets):
        found = changes(plan, number, opened.today())
        total += propose.store_all(opened.store, plan.review_id, found, opened.clock, by=prepare.SYSTEM, reviewed_since=since)
    plan.workspace.write_json(LEFT, dict(sorted(total.yielded)))
    return len(total.stored) + total.existing


def reviewed_since(plan: Plan) -> dict[str, str]:
    """By customer, the newest review as of a later day that has reviewed it."""
    with prepare.services(plan.config).store.read() as uow:
        later = later_reviews(uow, plan.as_of)
    found: dict[str, str] = {}
    for review in later:
        seen = Workspace(plan.workspace.data, review.review_id).read("outcome")
        for customer in seen.loc[seen["state"] == CustomerState.REVIEWED, "customer_id"]:
            found.setdefault(customer, review.review_id)
    return found


def left(plan: Plan) -> dict[str, str]:
    """By customer, the newer review to which the change that this review finds was left."""
    found: dict[str, str] = plan.workspace.read_json(LEFT) if plan.workspace.has(LEFT) else {}
    return found


def changes(plan: Plan, number: int, today: date) -> Iterator[ProposalDraft]:
    """Drafts of one bucket, for reviewed customers whose limit or terms would change; `today` is the company's day."""
    from credit_review.limits.frame import changed

    frame = plan.workspace.read("proposals", number)
    return _drafts(plan, number, frame[changed(frame)], today)


def draft_for(plan: Plan, customer_id: str, today: date) -> ProposalDraft | None:
    """What the engine proposes for one customer; None when it was not reviewed."""
    number = bucket_of(customer_id, plan.buckets)
    frame = plan.workspace.read("proposals", number)
    mine = frame[(frame["customer_id"] == customer_id) & (frame["state"] == CustomerState.REVIEWED)]
    return next(_drafts(plan, number, mine, today), None)


def _drafts(plan: Plan, number: int, wanted: pd.DataFrame, today: date) -> Iterator[ProposalDraft]:
    """A draft for each of the wanted PROPOSALS rows of a bucket, with what the customer master says beside, by account id."""
    master = plan.snapshot.frame("customers", number).set_index("customer_id")
    entities = master["legal_entity"].reindex(wanted["customer_id"])
    keys = zip(wanted["customer_id"], entities, wanted["currency"], strict=True)
    accounts = [account_id("customer", customer, entity, Layer.BASE, currency) for customer, entity, currency in keys]
    wanted = wanted.iloc[sorted(range(len(accounts)), key=accounts.__getitem__)]
    about = master.reindex(wanted["customer_id"])[["name", "legal_entity", "region", "portfolio", "status", "account_owner"]]
    facts = figures.facts_beside(plan, number, wanted["customer_id"])
    policy = plan.workspace.policy()
    names = [str(name) for name in wanted.columns]
    columns = [figures.plain_column(wanted[name]) for name in names]
    for row, master_row, fact_row in zip(zip(*columns, strict=True), about.to_dict("records"), facts, strict=True):
        notice = policy.notice_days(master_row["status"])
        yield _draft(dict(zip(names, row, strict=True)), master_row, fact_row, today=today, notice_working_days=notice)


def _draft(
    whole: Mapping[str, Any], about: Mapping[Any, Any], facts: Mapping[str, Any], *, today: date, notice_working_days: int
) -> ProposalDraft:
    return ProposalDraft(
        customer_id=whole["customer_id"],
        customer_name=about["name"],
        group_id=whole["group_id"],
        currency=whole["currency"],
        direction=whole["direction"],
        from_minor=whole["from_minor"],
        to_minor=whole["to_minor"],
        from_terms_days=whole["from_terms_days"],
        terms_days=whole["to_terms_days"],
        effective_from=today,
        notice_working_days=notice_working_days,
        legal_entity=about["legal_entity"],
        region=about["region"],
        portfolio=about["portfolio"],
        status=about["status"],
        grade=whole["grade"],
        points=whole["points"],
        pd="" if whole["pd_fraction"] is None else f"{whole['pd_fraction']:.6f}",
        reasons=tuple(REASONS.get(code, code.replace("_", " ")) for code in whole["reason_codes"].split(SEPARATOR) if code),
        exposure_minor=whole["exposure_minor"],
        own_risk_minor=whole["own_risk_minor"],
        overdue_minor=whole["overdue_minor"],
        blocked_orders_minor=whole["blocked_orders_minor"],
        over_limit_minor=whole["over_limit_minor"],
        account_owner=about["account_owner"],
        facts=facts,
        derivation=tuple(limits.explain(whole)),
        exceptional=tuple(code for code in whole["exceptional"].split(SEPARATOR) if code),
        substitutes=tuple(entry for entry in whole["substitutes"].split(SEPARATOR) if entry),
        straight_through_rule=whole["straight_through_rule"] if whole["straight_through"] else "",
    )


@task(name="certify completeness", task_run_name="certify completeness")
def certify(plan: Plan) -> None:
    """The completeness certificate, written beside; stops the review naming customers when it does not tie."""
    from tasks import canaries

    workspace, snapshot = plan.workspace, plan.snapshot
    import pandas as pd

    rode = canaries.required(plan)
    proposals = workspace.read_all("proposals", plan.buckets)
    clean = pd.concat([completeness.ledger_totals(validate.clean(plan, "items", b)) for b in range(plan.buckets)], ignore_index=True)
    before = pd.concat([completeness.ledger_totals(snapshot.frame("items", b)) for b in range(plan.buckets)], ignore_index=True)
    validated = workspace.read_all(validate.REFUSED, plan.buckets, of=QUARANTINE)
    reading = snapshot.whole("quarantine")
    flow = completeness.LedgerFlow(
        rows_read=snapshot.rows_read("items"),
        read=snapshot.accounting("items"),
        snapshot=before,
        clean=clean,
        refused_reading=reading[reading["dataset"] == "items"],
        refused_validation=validated[validated["dataset"] == "items"],
        duplicates=snapshot.whole("duplicates"),
    )
    found = completeness.certificate(
        proposals,
        flow,
        master=snapshot.whole("customers")["customer_id"],
        quarantine=validate.quarantine(plan),
        review_id=plan.review_id,
        as_of=plan.as_of,
        canaries=completeness.Canaries(rode["of"], rode["answers"]),
        left_to_newer=left(plan),
    )
    workspace.write_text("certificate.json", found.to_json())
    dso = figures.dso_days(workspace.read_all("features", plan.buckets)).reindex(proposals["customer_id"]).to_numpy()
    graded = proposals[["customer_id", "state", "grade"]].assign(as_of=pd.Timestamp(plan.as_of).as_unit("s"), dso_days=dso)
    workspace.write("outcome", graded[list(completeness.HISTORY)])


def route_proposals(plan: Plan) -> None:
    """Straight-through proposals are approved by rule, the others wait for people; the review is routed, or held by a signal."""
    if prepare.reached(plan, ReviewState.ROUTED):
        return
    held = figures.lateness_signal(plan)
    opened = prepare.services(plan.config)
    if held:
        with opened.store.begin(interactive=False) as uow:
            lifecycle.hold(uow, plan.review_id, held, by=prepare.SYSTEM)
            uow.commit()
    if prepare.is_held(plan):
        return
    with stage("Routing", folder=plan.workspace.folder) as at:
        routed = send_out(plan)
        at.rows = routed.by_rule + routed.waiting + routed.pending
    prepare.advance(plan, ReviewState.ROUTED)


@task(name="route proposals", task_run_name="route proposals")
def send_out(plan: Plan) -> route.Routed:
    """Approve by rule what policy lets through; put the rest into worklists, or before the approvers."""
    opened = prepare.services(plan.config)
    return route.route_all(opened.store, plan.review_id, rules_of(plan), opened.clock, by=prepare.SYSTEM)


def rules_of(plan: Plan) -> route.Rules:
    """What routing goes by: the review's documents, and where the company works and is told."""
    settings, workspace = prepare.services(plan.config).settings, plan.workspace
    return route.Rules(
        policy=workspace.policy(),
        matrix=workspace.matrix(),
        zone=settings.zone,
        calendar=settings.working_days(),
        to=settings.slack.destinations(),
    )


def write_report(plan: Plan) -> Summary:
    """Report, validation page and lists, written beside; returns what the Prefect UI shows."""
    from tasks import reporting

    with stage("Writing the report", folder=plan.workspace.folder):
        return reporting.write(plan)


def proposals_on_record(plan: Plan) -> list[Proposal]:
    """The review's proposals as the store has them now."""
    with prepare.services(plan.config).store.read() as uow:
        return uow.find(Proposal, review_id=plan.review_id)
