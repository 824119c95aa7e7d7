"""What an auditor reads in the Prefect UI. Artifacts hold totals, digests and at most 100 rows of ids, amounts, codes and row keys.

No names, free text or raw values: anyone with the Prefect password can read them. Columns are chosen here by name, never "all".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from prefect.artifacts import create_link_artifact, create_markdown_artifact, create_table_artifact

from tasks.defaults import task

if TYPE_CHECKING:
    from tasks.audit_log import Issued, Verification
    from tasks.controls import Watched
    from tasks.effectiveness import Reported
    from tasks.effects import Effects
    from tasks.monitoring import Done
    from tasks.outcome import Summary
    from tasks.plan import Plan
    from tasks.refitting import Refitted

MOST_ROWS = 100


@task(name="publish what the review waits for", task_run_name="publish what the review waits for")
def publish_waiting(plan: Plan) -> None:
    """A markdown artifact that says why no review started."""
    create_markdown_artifact(f"# No review started\n\n{plan.waiting_for}\n", key="waiting", description="why no review started")


@task(name="publish the review", task_run_name="publish review {plan.review_id}")
def publish_review(plan: Plan, summary: Summary) -> None:
    """Summary, tables (proposals, quarantine, coverage) and links of one review."""
    create_markdown_artifact(_summary_markdown(plan, summary), key="summary", description=f"review {plan.review_id}")
    for key, (title, total, rows) in summary.tables.items():
        create_table_artifact([dict(row) for row in rows[:MOST_ROWS]], key=key, description=_said(title, total))
    create_link_artifact(summary.report.as_uri(), key="report", link_text="report", description=f"SHA-256 {summary.report_sha256}")
    create_link_artifact(
        summary.snapshot.as_uri(), key="snapshot", link_text="snapshot", description=f"content digest {summary.snapshot_digest}"
    )


@task(name="publish effects")
def publish_effects(*effects: Effects) -> None:
    """What was applied, delivered, swept and found different, one table a step."""
    create_markdown_artifact("\n\n".join(f"## {e.title}\n\n{e.headline}" for e in effects), key="effects", description="what was done")
    for effect in effects:
        if effect.rows:
            create_table_artifact(
                [dict(row) for row in effect.rows[:MOST_ROWS]], key=effect.key, description=_said(effect.title, len(effect.rows))
            )


@task(name="publish the verification")
def publish_verification(result: Verification) -> None:
    """The verifier's answer; a warning while the log is sound but not anchored."""
    warning = {0: "", 1: "**TAMPERED**\n\n", 2: "**Warning**: nothing outside this database vouches for the log yet.\n\n"}[result.exit_code]
    lines = "\n".join(f"- {label}: `{value}`" for label, value in result.facts.items())
    create_markdown_artifact(f"# Audit log: {result.headline}\n\n{warning}{lines}\n", key="audit-log", description=result.headline)


@task(name="publish the controls")
def publish_controls(watched: Watched) -> None:
    """What the controls found, one row an alarm."""
    create_table_artifact(
        [dict(row) for row in watched.rows[:MOST_ROWS]], key="controls", description=_said(watched.headline, len(watched.rows))
    )


@task(name="publish the monitoring")
def publish_monitoring(done: Done) -> None:
    """What monitoring found: its tables, and a link to the report."""
    create_markdown_artifact(f"# {done.headline}\n", key="scorecard-monitoring", description=done.headline)
    for key, (title, rows) in done.tables.items():
        if rows:
            create_table_artifact([dict(row) for row in rows[:MOST_ROWS]], key=key, description=_said(title, len(rows)))
    if done.report is not None:
        create_link_artifact(
            done.report.resolve().as_uri(), key="scorecard-report", link_text="report", description=f"SHA-256 {done.report_sha256}"
        )


@task(name="publish the report on the policy")
def publish_effectiveness(done: Reported) -> None:
    """What the policy did over the year, by grade and rule, and a link to the report."""
    create_markdown_artifact("\n\n".join(f"{line}" for line in (f"# {done.headline}", *done.lines[1:])) + "\n", key="policy-effectiveness",
                             description=done.headline)  # fmt: skip
    if done.page is not None:
        create_table_artifact(
            [dict(row) for row in done.rows[:MOST_ROWS]],
            key="policy-effectiveness-table",
            description=_said("By grade and rule", len(done.rows)),
        )
        create_link_artifact(
            done.page.resolve().as_uri(), key="policy-effectiveness-report", link_text="report", description=f"SHA-256 {done.page_digest}"
        )


@task(name="publish the refit")
def publish_refit(done: Refitted) -> None:
    """The draft of a yearly refit: totals and digests."""
    lines = "\n".join(f"- {label}: `{value}`" for label, value in done.facts.items())
    create_markdown_artifact(f"# {done.headline}\n\n{lines}\n", key="refit", description=done.headline)


def publish_checkpoint(done: Issued) -> None:
    """What the notary signed, who holds it, and what is late."""
    lines = "\n".join([*(f"- {label}: `{value}`" for label, value in done.facts.items()), *(f"- **late**: {one}" for one in done.alarms)])
    create_markdown_artifact(f"# {done.headline}\n\n{lines}\n", key="audit-checkpoint", description=done.headline)


def _summary_markdown(plan: Plan, summary: Summary) -> str:
    head = [f"# Review {plan.label} as of {plan.as_of}", "", summary.headline, ""]
    return "\n".join(head + [f"- {label}: {value}" for label, value in summary.facts.items()] + ["", *_digests(summary.digests)])


def _digests(digests: Mapping[str, str]) -> Sequence[str]:
    return ["| input | digest |", "| --- | --- |", *(f"| {name} | `{digest}` |" for name, digest in digests.items())]


def _said(title: str, rows: int) -> str:
    return f"{title}: {rows} rows" + (f", the first {MOST_ROWS} here; all in the report" if rows > MOST_ROWS else "")
