"""The canaries' ride: a small book of customers with known right answers goes through the review's own functions and documents.

They ride in a folder of their own below the review's, before the review checks anything, so nothing of them is in a bucket, a total, a
proposal or a message. When one figure differs the review stops; resumed, they ride again.
"""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, time
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from credit_review import canaries, fx
from credit_review.adapters import reading
from credit_review.adapters import snapshot as snapshots
from credit_review.adapters.workspace import Workspace
from credit_review.authority import Standing
from credit_review.canaries import CANARIES, ledger
from credit_review.canaries.answers import Rules, answers
from credit_review.completeness import HISTORY
from credit_review.controls.alarm import Alarm, Severity
from credit_review.errors import ReviewStopped
from credit_review.model.frames import LAYERS_IN_FORCE
from credit_review.model.money import EXPONENTS
from credit_review.model.records import CreditLimit, Proposal, Review
from credit_review.model.states import DocumentOfRecord, Layer, ProposalState, ReviewState
from credit_review.review import findings, lifecycle, propose, route
from credit_review.review.manifest import Manifest
from credit_review.review.naming import SYSTEM, account_id
from credit_review.review.working import Company, Habits
from credit_review.words import marked, said
from tasks import assess, intake, outcome, prepare, validate
from tasks.defaults import task
from tasks.progress import stage

if TYPE_CHECKING:
    import pandas as pd

    from credit_review.policy import Policy
    from tasks.plan import Plan

RESULT = "canaries.json"
"""Result of the ride, beside the review's other results."""

NOT_SAID = marked("{file} does not say that the canaries came out as expected, so there is no certificate")
FOLDER = "canaries"
_BALLAST = "CREDIT-REVIEW-BALLAST-"
_MAPPING = """version: "1"
source: canaries
has: [sales, cleared_items, orders, deliveries, limits, disputes, notes, write_offs]
items:
  from: {csv: none.csv}
  columns: {source_number: a, kind: b, posting_date: c, currency: d, amount: e}
customers: {from: ledger, constants: {status: active}}
statements:
  from: {csv: none.csv}
  columns: {source_number: a, period_end: b, currency: c}
"""
"""What the canaries' ledger states: everything, whatever the company's own can tell. Nothing is read by it."""


def ride(plan: Plan) -> None:
    """Send the canaries through the review's functions; the result is on record and beside. Raises ReviewStopped when one differs."""
    if prepare.reached(plan, ReviewState.ROUTED):
        return
    with stage("Sending the canaries ahead", folder=plan.workspace.folder) as at:
        result = send(plan)
        at.rows = result.of
    if not result.held:
        raise ReviewStopped(
            result.text(),
            expected=said("every canary as policy, scorecard and matrix have it"),
            next_step=said("see docs/runbook.md, The canaries differ; then `credit-review review resume {review}`", review=plan.review_id),
        )


@task(name="send the canaries ahead", task_run_name="send the canaries ahead")
def send(plan: Plan) -> canaries.Result:
    """The canaries' result, with its entry, written beside."""
    result = result_of(plan)
    plan.workspace.write_json(RESULT, result.plain())
    opened = prepare.services(plan.config)
    company = Company(calendar=opened.settings.working_days(), zone=opened.settings.zone)
    with opened.store.begin(interactive=False) as uow:
        lifecycle.record_canaries(uow, plan.review_id, result, by=prepare.SYSTEM)
        findings.open_for(uow, _alarms(plan, result), company, opened.clock.now())
        uow.commit()
    return result


def _alarms(plan: Plan, result: canaries.Result) -> list[Alarm]:
    """One when canaries differ: the rules compute something other than they say, or the canaries do not know a rule."""
    if result.held:
        return []
    figures = sorted({d.figure for d in result.differences})
    facts: dict[str, str | int] = {"of": result.of, "as_expected": result.as_expected, "figures": ", ".join(figures)}
    return [Alarm(control="canaries", subject=f"review:{plan.review_id}", severity=Severity.HIGH, facts=facts)]


def required(plan: Plan) -> dict[str, Any]:
    """The kept result of a ride that went well; without one there is no certificate. Raises ReviewStopped."""
    found: dict[str, Any] = plan.workspace.read_json(RESULT) if plan.workspace.has(RESULT) else {}
    if not found or found["as_expected"] != found["of"] or not found["of"]:
        raise ReviewStopped(
            said(NOT_SAID, file=str(plan.workspace.path(RESULT))),
            expected=said("every canary as policy, scorecard and matrix have it"),
            next_step=said("see docs/runbook.md, The canaries differ; then `credit-review review resume {review}`", review=plan.review_id),
        )
    return found


def result_of(plan: Plan) -> canaries.Result:
    """What must come of the canaries under the plan's documents, and what does."""
    workspace = plan.workspace
    control = workspace.policy().control_currency
    expected = answers(CANARIES, _rules(workspace, control))
    shutil.rmtree(workspace.folder / FOLDER, ignore_errors=True)
    try:
        found = _computed(_laid_out(plan, control))
    finally:
        shutil.rmtree(workspace.folder / FOLDER, ignore_errors=True)
    return canaries.compared(expected, found, ledger.currencies(control))


def _rules(workspace: Workspace, control: str) -> Rules:
    """The review's documents as written, for the second way to every figure."""
    kinds = (DocumentOfRecord.POLICY, DocumentOfRecord.SCORECARD, DocumentOfRecord.AUTHORITY)
    policy, scorecard, matrix = (_written(workspace.document(kind).text) for kind in kinds)
    foreign = ledger.foreign(control)
    return Rules(policy=policy, scorecard=scorecard, matrix=matrix, unit=10 ** EXPONENTS[control], foreign_unit=10 ** EXPONENTS[foreign])


def _written(text: str) -> Any:
    """A document's text as plain values, numbers exact; JSON is YAML."""
    import yaml

    return _exact(yaml.safe_load(text))


def _exact(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(name): _exact(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_exact(one) for one in value]
    return Decimal(str(value)) if isinstance(value, float) else value


# --- the ride -------------------------------------------------------------------------------------------------------------------------


def _laid_out(plan: Plan, control: str) -> Plan:
    """A plan that computes the canaries alone, in a folder of their own, by the review's documents."""
    mine = plan.but(data=str(plan.workspace.folder / FOLDER), buckets=1, scope="all")
    kinds = (DocumentOfRecord.POLICY, DocumentOfRecord.AUTHORITY, DocumentOfRecord.SCORECARD)
    documents = [(kind, plan.workspace.document(kind)) for kind in kinds]
    mine.workspace.keep_documents([*documents, (DocumentOfRecord.MAPPING, Workspace.plain_document("canaries.yaml", _MAPPING))])
    frames = ledger.frames(plan.as_of, control)
    book = reading.unread(frames)
    written = snapshots.write(mine.workspace.snapshots, book, buckets=1)
    earlier = ledger.earlier(plan.as_of, mine.workspace.policy().grade_names)
    for name, frame in _beside(frames["customers"], earlier, control).items():
        mine.workspace.write(name, frame)
    return mine.but(snapshot_digest=written.digest)


def _beside(customers: pd.DataFrame, earlier: list[dict[str, Any]], control: str) -> dict[str, pd.DataFrame]:
    """Limits in force, other limits, layers and history of the canaries: what they state themselves, and nothing more."""
    import pandas as pd

    limits = customers[["customer_id", "currency", "limit_minor", "terms_days"]]
    accounts = [_account(customer, currency) for customer, currency in zip(limits["customer_id"], limits["currency"], strict=True)]
    types = {"customer_id": "str", "as_of": "datetime64[s]", "state": "str", "grade": "str", "dso_days": "float64"}
    return {
        "limits": limits.assign(account_id=accounts).astype({"account_id": "str"}),
        "other_limits": pd.DataFrame({"customer_id": [], "currency": [], "amount_minor": []}).astype(
            {"customer_id": "str", "currency": "str", "amount_minor": "int64"}
        ),
        intake.LAYERS: pd.DataFrame(ledger.layers(control), columns=list(LAYERS_IN_FORCE)).astype(
            dict.fromkeys(LAYERS_IN_FORCE, "str") | {"amount_minor": "int64"}
        ),
        "history": pd.DataFrame(earlier, columns=list(HISTORY)).astype(types),
    }


def _account(customer: str, currency: str) -> str:
    return account_id("customer", customer, ledger.ENTITY, Layer.BASE, currency)


def _computed(plan: Plan) -> dict[str, dict[str, Any]]:
    """Every figure by canary, through the functions that the review's buckets go through."""
    validate.validate_bucket.fn(plan, 0)
    assess.assess_bucket.fn(plan, 0)
    assess.roll_up_groups.fn(plan)
    _add_ballast(plan)
    assess.write_states(plan, [], [], {})
    assess.propose_bucket.fn(plan, 0)
    workspace = plan.workspace
    refused = validate.quarantine(plan)
    rows = refused[refused["severity"] != "info"].groupby("customer_id")["row_key"].nunique()
    found: dict[str, dict[str, Any]] = {}
    for dataset, names in _READ.items():
        for row in workspace.read(dataset, 0)[["customer_id", *names]].to_dict("records"):
            found.setdefault(row["customer_id"], {}).update({names[n]: _plain(row[n]) for n in names})
    for customer, way in _ways(plan).items():
        found[customer] |= way
    for customer, figures in found.items():
        figures["quarantined_rows"] = int(rows.get(customer, 0))
        figures["forbids_increase"] = "|".join(sorted(filter(None, (figures["forbids_increase"] or "").split("|"))))
    return found


_READ: dict[str, dict[str, str]] = {
    "features": {name: name for name in ("exposure_minor", "own_risk_minor", "overdue_minor", "need_minor")},
    "scores": {name: name for name in ("points", "behaviour_points", "financial_points", "grade", "grade_rule")},
    "proposals": {name: name for name in ("state", "direction", "to_minor", "to_terms_days", "forbids_increase")},
}
"""Figures by the result they are read from."""


def _plain(value: Any) -> Any:
    import pandas as pd

    if value is None or pd.isna(value):
        return None
    return value if isinstance(value, str) else int(value)


def _add_ballast(plan: Plan) -> None:
    """Larger groups beside the canaries, so that only the largest canary is among policy's top exposures."""
    import pandas as pd

    groups, most = plan.workspace.read("groups"), plan.workspace.policy().straight_through.never_top_exposures
    if most < 2:
        return
    one = groups.sort_values("exposure_minor").tail(1)
    more = [one.assign(group_id=f"{_BALLAST}{n:04}", exposure_minor=one["exposure_minor"] + n + 1) for n in range(most - 1)]
    whole = pd.concat([groups, *more], ignore_index=True).sort_values("group_id", ignore_index=True)
    plan.workspace.write("groups", whole.astype(groups.dtypes.to_dict()))


# --- where they would go --------------------------------------------------------------------------------------------------------------


def _ways(plan: Plan) -> dict[str, dict[str, Any]]:
    """Route, tier and approvals of every canary, by the functions that make proposals and route them; nothing is stored."""
    policy = plan.workspace.policy()
    rules = route.Rules(policy=policy, matrix=plan.workspace.matrix())
    habits = Habits(Company(calendar=rules.calendar, zone=rules.zone), {}, frozenset(), frozenset())
    now = datetime.combine(plan.as_of, time(12), tzinfo=UTC)
    review, rates = _review(plan, now), assess.rates(plan)
    found = {c.customer_id: {"route": "", "tier": "", "approvals": 0} for c in CANARIES}
    for draft in outcome.changes(plan, 0, plan.as_of):
        proposal = propose.proposal_record(review, _manifest(plan), draft, base_version=1, proposer_id=SYSTEM, supersedes_id=None, now=now)
        to = route.way_of(proposal, _standing(proposal, policy, rates, now), rules, habits, now).to
        found[proposal.customer_id] = {
            "route": _ROUTES[to["state"]],
            "tier": to.get("tier", ""),
            "approvals": to.get("required_approvals", 0),
        }
    return found


_ROUTES = {ProposalState.APPROVED: "by rule", ProposalState.PENDING: "approvers", ProposalState.DRAFT: "worklist"}


def _standing(proposal: Proposal, policy: Policy, rates: fx.RateTable, now: datetime) -> Standing:
    """A canary stands alone: no other limit, no maker, no decision, nobody asked."""
    first = proposal.from_minor is None
    in_force = CreditLimit(
        account_id=proposal.account_id,
        version=1,
        amount_minor=proposal.from_minor,
        terms_days=proposal.from_terms_days,
        effective_from=now.date(),
        effective_to=None,
    )
    return Standing(
        at=now,
        today=now.date(),
        control_currency=policy.control_currency,
        proposal=proposal,
        layer=Layer.BASE,
        in_force=None if first else in_force,
        makers=frozenset(),
        decisions=(),
        persons={},
        delegations=(),
        other_limits_minor=0,
        other_increases_minor=0,
        rates=rates,
        policy_in_force=proposal.policy_digest,
        authority_in_force=proposal.authority_digest,
    )


def _manifest(plan: Plan) -> Manifest:
    """What the canaries' packets name: the review they ride in, and its documents."""
    policy, authority, scorecard = (
        plan.workspace.document(kind).digest for kind in (DocumentOfRecord.POLICY, DocumentOfRecord.AUTHORITY, DocumentOfRecord.SCORECARD)
    )
    return Manifest(
        review_id=plan.review_id, label=plan.label, kind=plan.kind, scope=plan.scope, as_of=plan.as_of, time_zone="UTC", bucket_count=1,
        seed=0, code_commit="", lock_sha256="", policy=policy, authority=authority, scorecard=scorecard,
    )  # fmt: skip


def _review(plan: Plan, now: datetime) -> Review:
    return Review(
        review_id=plan.review_id, label=plan.label, kind=plan.kind, scope=plan.scope, as_of=plan.as_of, attempt=1,
        state=ReviewState.SCORED, last_good_state=ReviewState.SCORED, failure="", manifest_digest="", manifest_json="",
        started_by=SYSTEM, started_at=now, supersede_reason="", hold="", hold_released_by="", closed_by="", closed_at=None,
    )  # fmt: skip
