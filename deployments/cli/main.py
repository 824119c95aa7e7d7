"""`credit-review`: every command in one place, so that `--help` tells the whole story. Bodies import what they need when they run."""

from __future__ import annotations

import gc
import os
from datetime import date, datetime
from pathlib import Path
from typing import Annotated

import typer

from credit_review.errors import CreditReviewError
from credit_review.words import said
from deployments.cli import helping, language
from deployments.cli.frame import DEFAULT_CONFIG, EPILOG, AsOption, ConfigOption, JsonOption, fail, tell

app = typer.Typer(
    name="credit-review",
    help="Scheduled credit reviews: ledgers in, limits proposed, approved by the people with the authority, applied once, audited.",
    epilog=EPILOG,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
review_app = typer.Typer(no_args_is_help=True, help="Run, resume, read and close reviews.")
people_app = typer.Typer(no_args_is_help=True, help="Our directory: people, their accounts, who stands in for whom.")
audit_app = typer.Typer(no_args_is_help=True, help="The audit log.")
evidence_app = typer.Typer(no_args_is_help=True, help="Evidence packs: what an auditor asks for, in one signed folder.")
letters_app = typer.Typer(no_args_is_help=True, help="Letters to customers about applied changes: read, released or dropped by a person.")
adverse_app = typer.Typer(no_args_is_help=True, help="What reductions and refusals are to the customer, and the notices about them.")
finding_app = typer.Typer(no_args_is_help=True, help="What controls, audit samples and people found, until somebody else closes it.")
exceptions_app = typer.Typer(no_args_is_help=True, help="Standing departures from policy: whose, why, until when.")
sample_app = typer.Typer(no_args_is_help=True, help="Audit samples: drawn from the log, and projected once concluded.")
db_app = typer.Typer(no_args_is_help=True, help="The database.")
scorecard_app = typer.Typer(no_args_is_help=True, help="Scorecards: fitted on your own history, or the expert one.")
slack_app = typer.Typer(no_args_is_help=True, help="Slack: the listener, and a stand-in to try it on.")
conditions_app = typer.Typer(no_args_is_help=True, help="What approved limits wait for.")
deliveries_app = typer.Typer(no_args_is_help=True, help="What could not be delivered to the ERP or to Slack, and was given up.")
differences_app = typer.Typer(no_args_is_help=True, help="Where the ERP holds another limit than is in force here.")
limit_app = typer.Typer(no_args_is_help=True, help="The limit in force, from all its layers.")
app.add_typer(limit_app, name="limit", rich_help_panel="Work")
committee_app = typer.Typer(no_args_is_help=True, help="What a committee decides: agenda, sitting, votes and minutes.")
app.add_typer(committee_app, name="committee", rich_help_panel="Work")
forecast_app = typer.Typer(no_args_is_help=True, help="What account owners expect customers to owe, and how right they were.")
app.add_typer(forecast_app, name="forecast", rich_help_panel="Work")
insurance_app = typer.Typer(no_args_is_help=True, help="Credit insurance: what it asks for, by day.")
app.add_typer(insurance_app, name="insurance", rich_help_panel="Work")
source_app = typer.Typer(no_args_is_help=True, help="Ledger sources: how a mapping reads them.")
app.add_typer(source_app, name="source", rich_help_panel="Set up")
policy_app = typer.Typer(no_args_is_help=True, help="The credit policy: its schema, what is wrong with one, and what a change would do.")
app.add_typer(policy_app, name="policy", rich_help_panel="Govern")
app.add_typer(review_app, name="review", rich_help_panel="Review")
app.add_typer(deliveries_app, name="deliveries", rich_help_panel="Run")
app.add_typer(differences_app, name="differences", rich_help_panel="Run")
app.add_typer(slack_app, name="slack", rich_help_panel="Run")
app.add_typer(conditions_app, name="conditions", rich_help_panel="Work")
app.add_typer(people_app, name="people", rich_help_panel="Govern")
app.add_typer(audit_app, name="audit", rich_help_panel="Audit")
app.add_typer(adverse_app, name="adverse", rich_help_panel="Work")
app.add_typer(letters_app, name="letters", rich_help_panel="Work")
app.add_typer(finding_app, name="finding", rich_help_panel="Audit")
app.add_typer(exceptions_app, name="exceptions", rich_help_panel="Work")
audit_app.add_typer(sample_app, name="sample")
app.add_typer(evidence_app, name="evidence", rich_help_panel="Audit")
app.add_typer(db_app, name="db", rich_help_panel="Set up")
app.add_typer(scorecard_app, name="scorecard", rich_help_panel="Govern")

AsOf = Annotated[datetime | None, typer.Option("--as-of", formats=["%Y-%m-%d"], help="Review as of this day.")]
Until = Annotated[datetime | None, typer.Option("--until", formats=["%Y-%m-%d"], help="First day on which it no longer holds.")]
Proposals = Annotated[list[str], typer.Argument(metavar="PROPOSAL...", help="Proposal ids, as `inbox` shows them.")]
OneProposal = Annotated[str, typer.Argument(metavar="PROPOSAL", help="Proposal id, as `inbox` shows it.")]
ReviewId = Annotated[str, typer.Argument(metavar="REVIEW", help="Review id, as `review list` shows it.")]
Period = Annotated[str, typer.Option("--period", help="A quarter, month or year: 2026Q4, 2026-11, 2026.")]
FirstDay = Annotated[datetime | None, typer.Option("--from", formats=["%Y-%m-%d"], help="First day, instead of --period.")]
LastDay = Annotated[datetime | None, typer.Option("--to", formats=["%Y-%m-%d"], help="Last day, instead of --period.")]
PackFolder = Annotated[Path, typer.Option("--out", metavar="FOLDER", help="Where the pack is written; must not be there yet.")]
FirstEntries = Annotated[
    int | None, typer.Option("--entries", min=1, help="Only the log's first entries count: the same number gives the same files again.")
]
Reason = Annotated[str, typer.Option("--reason", help="Why. The auditor reads it.")]


SittingId = Annotated[str, typer.Argument(metavar="[SITTING]", help="Sitting id; default: the one that is called or open.")]


# --- set up ---------------------------------------------------------------------------------------------------------------------------


@app.command(rich_help_panel="Set up")
def demo(
    folder: Annotated[Path, typer.Option(help="Where the demo is written; an earlier demo there is replaced.")] = Path("demo"),
    customers: Annotated[int, typer.Option(min=50, max=5000, help="How many customers the company has.")] = 500,
) -> None:
    """Run the whole cycle on a made-up company, from ledger to applied limit, and say what happened."""
    from deployments.cli import story

    story.tell(folder, customers=customers)


@app.command(rich_help_panel="Set up")
def init(folder: Annotated[Path, typer.Argument(help="Folder to write the configuration into.")] = DEFAULT_CONFIG) -> None:
    """Write a starter configuration: settings, policy, authority matrix, mapping and an expert scorecard, each explained."""
    from deployments.cli import starting

    for path in starting.write_starter(folder):
        tell(said("wrote {path}", path=path))
    tell(said("next: edit {folder}/settings.yaml and {folder}/mapping.yaml, then `credit-review doctor -c {folder}`", folder=folder))


@app.command(rich_help_panel="Set up")
def doctor(config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """Check configuration, sources, database, people, Slack and Prefect, and say what to mend. Exit code 3 when something is wrong."""
    from deployments.cli import starting

    starting.report_findings(config, as_json=as_json)


@db_app.command("upgrade")
def db_upgrade(config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Create the schema, or bring it up to date."""
    from deployments.cli import starting

    starting.upgrade_database(config)


@db_app.command("roles")
def db_roles(
    prefix: Annotated[str, typer.Argument(metavar="PREFIX", help="Names begin with it: PREFIX_owner, _app, _auditor, _notary.")],
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Make the roles of a PostgreSQL database, once, as its administrator. The auditor's may read everything and write nothing."""
    from deployments.cli import starting

    starting.create_database_roles(config, prefix)


@db_app.command("write-back")
def db_write_back(config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Create the table that applied limits are written to, in the ERP's database (write_back kind table)."""
    from deployments.cli import starting

    starting.create_write_back_table(config)


# --- review ---------------------------------------------------------------------------------------------------------------------------


@review_app.command("run")
def review_run(
    config: ConfigOption = DEFAULT_CONFIG,
    as_of: AsOf = None,
    scope: Annotated[str, typer.Option(help="all, due, segment:X, region:X, legal_entity:X, or customers:ID,ID.")] = "all",
    supersede: Annotated[str, typer.Option(metavar="REASON", help="Replace the live review of the same scope and day.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Run a review, from ledger to routed proposals."""
    from deployments.cli import reviewing

    reviewing.run(config, as_of=as_of.date() if as_of else None, scope=scope, supersede=supersede, as_json=as_json)


@review_app.command("resume")
def review_resume(review: ReviewId, config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """Go on with a failed or interrupted review from its last good state."""
    from deployments.cli import reviewing

    reviewing.run(config, resume=review, as_json=as_json)


@review_app.command("show")
def review_show(review: ReviewId, config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """State, counts, what is open and where the report is."""
    from deployments.cli import reviewing

    reviewing.show(config, review, as_json=as_json)


@review_app.command("list")
def review_list(config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """All reviews, newest first."""
    from deployments.cli import reviewing

    reviewing.list_all(config, as_json=as_json)


@review_app.command("confirm")
def review_confirm(
    review: ReviewId, reason: Reason, config: ConfigOption = DEFAULT_CONFIG, as_person: AsOption = "", as_json: JsonOption = False
) -> None:
    """Confirm that the extract of a held review is complete, and route its proposals. Takes the tier that sign_off names."""
    from deployments.cli import reviewing

    reviewing.confirm(config, review, reason=reason, as_person=as_person, as_json=as_json)


@review_app.command("close")
def review_close(
    review: ReviewId,
    statement: Annotated[str, typer.Option(help="What you confirm in closing the review. The auditor reads it.")],
    config: ConfigOption = DEFAULT_CONFIG,
    as_person: AsOption = "",
    as_json: JsonOption = False,
) -> None:
    """Sign a review off: the record lists open items, deferrals, quarantine and automatic approvals. Takes the tier that sign_off names."""
    from deployments.cli import reviewing

    reviewing.close(config, review, statement=statement, as_person=as_person, as_json=as_json)


@app.command(rich_help_panel="Review")
def report(
    review: Annotated[str, typer.Argument(metavar="[REVIEW]", help="Review id; default: the newest review.")] = "",
    language: Annotated[str, typer.Option(help="The page to name: en or zh_CN; empty: as the company.")] = "",
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Write the report of a review again, in every language, as its record stands now, and say where it is."""
    from deployments.cli import reviewing

    reviewing.write_report(config, review, language=language, as_json=as_json)


# --- work -----------------------------------------------------------------------------------------------------------------------------


@app.command(rich_help_panel="Work")
def inbox(config: ConfigOption = DEFAULT_CONFIG, as_person: AsOption = "", as_json: JsonOption = False) -> None:
    """What awaits me: drafts to release as analyst, proposals to decide as approver, reductions that did not happen."""
    from deployments.cli import working

    working.inbox(config, as_person=as_person, as_json=as_json)


@app.command(rich_help_panel="Work")
def show(proposal: OneProposal, config: ConfigOption = DEFAULT_CONFIG, as_person: AsOption = "", as_json: JsonOption = False) -> None:
    """One proposal with every figure behind it: why this amount, who may approve it, what happened so far."""
    from deployments.cli import working

    working.show(config, proposal, as_person=as_person, as_json=as_json)


@app.command(rich_help_panel="Work")
def request(
    customer: Annotated[str, typer.Argument(help="Our customer id; not with --file.")] = "",
    reason: Annotated[str, typer.Option("--reason", help="Why the customer needs it. The auditor reads it.")] = "",
    amount: Annotated[str, typer.Option(help="Limit asked for, in the account's currency; default: what the engine finds.")] = "",
    until: Annotated[
        datetime | None, typer.Option("--until", formats=["%Y-%m-%d"], help="A temporary limit: the day on which it reverts by itself.")
    ] = None,
    begins: Annotated[
        datetime | None, typer.Option("--from", formats=["%Y-%m-%d"], help="A temporary limit: its first day; default: today.")
    ] = None,
    recurs: Annotated[
        datetime | None,
        typer.Option(
            "--every-year-until",
            formats=["%Y-%m-%d"],
            metavar="DAY",
            help="A seasonal limit: comes again on the same days of each year, approved once; no season begins on this day or later.",
        ),
    ] = None,
    terms: Annotated[int | None, typer.Option(min=0, max=365, help="Net days asked for.")] = None,
    order: Annotated[str, typer.Option(help="Order at stake, an amount in the account's currency.")] = "",
    document: Annotated[
        list[Path] | None, typer.Option(help="A file that supports it; its name and SHA-256 are kept with the request. Several: repeat.")
    ] = None,
    file: Annotated[
        Path | None, typer.Option("--file", help="Many requests: CSV or YAML, columns in docs/cli.md. A bad row, and none is asked.")
    ] = None,
    layer: Annotated[
        str, typer.Option(help="A bound instead of the limit itself: ceiling, segment, or group (a shared pool of all its members).")
    ] = "",
    appeal: Annotated[
        str, typer.Option(help="A refused request that this one appeals against; others than those who refused decide.")
    ] = "",
    config: ConfigOption = DEFAULT_CONFIG,
    as_person: AsOption = "",
    as_json: JsonOption = False,
) -> None:
    """Ask for a limit outside the schedule: a new customer, a temporary increase (--until), an early review. Who asks never approves."""
    from deployments.cli import reviewing

    days = {name: day.date() if day else None for name, day in (("until", until), ("begins", begins), ("recurs", recurs))}
    asked = reviewing.Asked(
        customer=customer, amount=amount, reason=reason, terms=terms, layer=layer, appeals=appeal, order=order,
        documents=reviewing.digests(document or []), **days,
    )  # fmt: skip
    if file is None:
        reviewing.request(config, asked, as_person=as_person, as_json=as_json)
        return
    from deployments.cli import requesting

    requesting.request_file(config, file, asked, as_person=as_person, as_json=as_json)


@limit_app.command("show")
def limit_show(
    customer: Annotated[str, typer.Argument(help="Our customer id.")],
    as_of: Annotated[
        datetime | None, typer.Option("--as-of", formats=["%Y-%m-%d"], help="The limit on this day, past or to come; default: today.")
    ] = None,
    legal_entity: Annotated[str, typer.Option(help="For sales by this company of ours; default: by all of them together.")] = "ALL",
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """The effective limit and our own risk on a day: every layer, what it does and why, in force from and until."""
    from deployments.cli import limit_layers

    limit_layers.show(config, customer, as_of.date() if as_of else None, legal_entity, as_json=as_json)


@source_app.command("check")
def source_check(
    mapping: Annotated[
        Path | None, typer.Argument(metavar="MAPPING", help="A mapping file; without it, every mapping in settings.")
    ] = None,
    folder: Annotated[Path | None, typer.Option("--folder", help="Where the files it names are, if not where settings say.")] = None,
    as_of: AsOf = None,
    as_json: JsonOption = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Show how a mapping reads its source, field by field: read, defaulted, refused, with examples. Nothing is kept."""
    from deployments.cli import looking

    looking.check(config, mapping, folder, as_of.date() if as_of else None, as_json=as_json)


@limit_app.command("end-season")
def limit_end_season(
    customer: Annotated[str, typer.Argument(help="Our customer id.")],
    reason: Reason,
    config: ConfigOption = DEFAULT_CONFIG,
    as_person: AsOption = "",
    as_json: JsonOption = False,
) -> None:
    """End the recurrence of a seasonal limit: a season under way keeps its end, no other begins."""
    from deployments.cli import limit_layers

    limit_layers.end_season(config, customer, reason, as_person=as_person, as_json=as_json)


@forecast_app.command("record")
def forecast_record(
    customer: Annotated[str, typer.Argument(help="Our customer id.")],
    amount: Annotated[str, typer.Option(help="Highest balance expected, in the account's currency; with --terms: sales of these days.")],
    begins: Annotated[datetime, typer.Option("--from", formats=["%Y-%m-%d"], help="First day it speaks of: today or later.")],
    until: Annotated[datetime, typer.Option("--until", formats=["%Y-%m-%d"], help="The day before which its last day lies.")],
    reason: Reason,
    terms: Annotated[int | None, typer.Option(min=0, max=365, help="The amount is sales, with so many net days.")] = None,
    config: ConfigOption = DEFAULT_CONFIG,
    as_person: AsOption = "",
    as_json: JsonOption = False,
) -> None:
    """Put on record what the customer's account owner expects it to owe; he or an analyst does. Policy says whether it counts as need."""
    from deployments.cli import forecasting

    what = forecasting.Typed(customer=customer, amount=amount, valid_from=begins.date(), valid_to=until.date(), reason=reason, terms=terms)
    forecasting.record(config, what, as_person=as_person, as_json=as_json)


@forecast_app.command("import")
def forecast_import(
    file: Annotated[Path, typer.Argument(help="CSV or YAML, columns in docs/cli.md. A bad row, and none is recorded.")],
    config: ConfigOption = DEFAULT_CONFIG,
    as_person: AsOption = "",
    as_json: JsonOption = False,
) -> None:
    """Put the forecasts of a file on record: all or none, every bad row named; the same file again records nothing twice."""
    from deployments.cli import forecasting

    forecasting.import_file(config, file, as_person=as_person, as_json=as_json)


@forecast_app.command("list")
def forecast_list(
    customer: Annotated[str, typer.Option(help="Only of this customer.")] = "",
    owner: Annotated[str, typer.Option(help="Only of this account owner, by id.")] = "",
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Every forecast on record, and what became of it."""
    from deployments.cli import forecasting

    forecasting.show_list(config, customer, owner, as_json=as_json)


@forecast_app.command("withdraw")
def forecast_withdraw(
    forecast: Annotated[str, typer.Argument(metavar="FORECAST", help="Its id, as `forecast list` shows it.")],
    reason: Reason,
    config: ConfigOption = DEFAULT_CONFIG,
    as_person: AsOption = "",
    as_json: JsonOption = False,
) -> None:
    """Withdraw a forecast before its days begin; once they have, its owner is judged by it."""
    from deployments.cli import forecasting

    forecasting.withdraw(config, forecast, reason, as_person=as_person, as_json=as_json)


@forecast_app.command("accuracy")
def forecast_accuracy(config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """How right the forecasts of each account owner were, by customer too; few cases are said to be few."""
    from deployments.cli import forecasting

    forecasting.accuracy(config, as_json=as_json)


@insurance_app.command("tasks")
def insurance_tasks(
    until: Annotated[datetime | None, typer.Option("--until", formats=["%Y-%m-%d"], help="Only tasks due by this day.")] = None,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """What must be done until which day so that cover goes on: renewals, withdrawals, overdue reports, turnover declarations."""
    from deployments.cli import insuring

    insuring.show_tasks(config, until.date() if until else None, as_json=as_json)


@app.command(rich_help_panel="Work")
def path(
    customer: Annotated[str, typer.Argument(help="Our customer id.")],
    limit: Annotated[str, typer.Option(help="The limit wanted, in the account's currency.")],
    review: Annotated[
        str, typer.Option(help="Id of the review whose data and rules it goes by; default: the newest that reviewed it.")
    ] = "",
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """What it takes to reach a limit: invoices to pay, disputes to settle, accounts, a report or a guarantee, and no more than needed."""
    from deployments.cli import what_it_takes

    what_it_takes.show(config, customer, limit, review_id=review, as_json=as_json)


@app.command(rich_help_panel="Work")
def override(
    customer: Annotated[str, typer.Argument(help="Our customer id.")],
    amount: Annotated[str, typer.Option(help="The limit from now on, in the account's currency.")],
    until: Annotated[datetime, typer.Option("--until", formats=["%Y-%m-%d"], help="The day on which it reverts by itself.")],
    reason: Reason,
    config: ConfigOption = DEFAULT_CONFIG,
    as_person: AsOption = "",
    as_json: JsonOption = False,
) -> None:
    """In an emergency, raise a limit at once and for a while. Others approve it afterwards, in time, or it is taken back."""
    from deployments.cli import reviewing

    asked = reviewing.Asked(customer=customer, amount=amount, reason=reason, until=until.date(), emergency=True)
    reviewing.raise_at_once(config, asked, as_person=as_person, as_json=as_json)


@app.command(rich_help_panel="Work")
def release(
    proposals: Proposals,
    config: ConfigOption = DEFAULT_CONFIG,
    amend: Annotated[str, typer.Option(metavar="AMOUNT", help="Change the amount first; needs --reason.")] = "",
    terms: Annotated[int | None, typer.Option(min=0, max=365, help="Change the terms first (net days); needs --reason.")] = None,
    comment: Annotated[str, typer.Option(help="A comment the approvers read.")] = "",
    attach: Annotated[list[Path] | None, typer.Option(exists=True, dir_okay=False, help="A file to refer to, by its SHA-256.")] = None,
    reason: Annotated[str, typer.Option(help="Why it was amended.")] = "",
    keep: Annotated[bool, typer.Option("--keep", help="Only comment, attach or amend; do not release yet.")] = False,
    as_person: AsOption = "",
    as_json: JsonOption = False,
) -> None:
    """Release drafts to the approvers, as the assigned analyst; comment, attach and amend on the way."""
    from deployments.cli import working

    edit = working.Edit(amend=amend, terms_days=terms, comment=comment, attachments=tuple(attach or ()), reason=reason)
    working.release(config, proposals, edit, keep=keep, as_person=as_person, as_json=as_json)


@app.command(rich_help_panel="Work")
def defer(
    proposals: Proposals,
    until: Annotated[datetime, typer.Option("--until", formats=["%Y-%m-%d"], help="The day on which they are due again.")],
    reason: Reason,
    config: ConfigOption = DEFAULT_CONFIG,
    as_person: AsOption = "",
    as_json: JsonOption = False,
) -> None:
    """Put drafts off to a day."""
    from deployments.cli import working

    working.defer(config, proposals, until=until.date(), reason=reason, as_person=as_person, as_json=as_json)


@app.command(rich_help_panel="Work")
def exclude(
    proposals: Proposals,
    rule: Annotated[str, typer.Option(help="The named rule.")],
    reason: Reason,
    until: Until = None,
    config: ConfigOption = DEFAULT_CONFIG,
    as_person: AsOption = "",
    as_json: JsonOption = False,
) -> None:
    """Exclude customers of drafts by a named rule."""
    from deployments.cli import working

    ends = until.date() if until else None
    working.exclude(config, proposals, rule=rule, until=ends, reason=reason, as_person=as_person, as_json=as_json)


@app.command(rich_help_panel="Work")
def decide(
    proposal: OneProposal,
    verdict: Annotated[str, typer.Argument(metavar="VERDICT", help="approve, reject, return or counter.")],
    config: ConfigOption = DEFAULT_CONFIG,
    reason: Annotated[str, typer.Option(help="Why; needed to reject, return or counter.")] = "",
    amount: Annotated[str, typer.Option(help="Counter-offer: the amount.")] = "",
    terms: Annotated[int | None, typer.Option(min=0, max=365, help="Counter-offer: net days.")] = None,
    until: Until = None,
    on_behalf_of: Annotated[str, typer.Option(metavar="PERSON", help="The principal whose delegate I am.")] = "",
    digest: Annotated[str, typer.Option(help="Digest of the packet I read (default: the one shown now).")] = "",
    reason_code: Annotated[str, typer.Option(help="Reject or return: why, as a code (risk_too_high, information_missing ...).")] = "",
    condition: Annotated[
        list[str] | None,
        typer.Option(metavar="KIND:DATE[:TEXT]", help="Approve on condition, such as overdue_paid:2026-12-31; repeat for several."),
    ] = None,
    as_person: AsOption = "",
    as_json: JsonOption = False,
) -> None:
    """Answer a proposal. Whether I may is judged again at this moment; a refusal says who may."""
    from deployments.cli import working

    counter = working.Counter(amount=amount, terms_days=terms, until=until.date() if until else None)
    why = working.Why(reason=reason, code=reason_code, conditions=tuple(condition or ()))
    working.decide_one(
        config, proposal, verdict, counter, why, on_behalf_of=on_behalf_of, digest=digest, as_person=as_person, as_json=as_json
    )


@app.command(rich_help_panel="Work")
def answer(
    proposal: OneProposal,
    text: Annotated[str, typer.Option(help="The answer; approvers read it on the fresh card.")],
    config: ConfigOption = DEFAULT_CONFIG,
    as_person: AsOption = "",
) -> None:
    """Answer an approver's question about a proposal that was returned; a fresh proposal follows."""
    from deployments.cli import personal

    personal.answer(config, proposal, text=text, as_person=as_person)


@conditions_app.command("list")
def conditions_list(config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """Conditions that nobody has confirmed yet."""
    from deployments.cli import personal

    personal.list_conditions(config, as_json=as_json)


@conditions_app.command("confirm")
def conditions_confirm(
    condition: Annotated[str, typer.Argument(metavar="CONDITION", help="Condition id, as `conditions list` shows it.")],
    evidence: Annotated[str, typer.Option(help="What I saw, and where it is kept.")],
    file: Annotated[Path | None, typer.Option(exists=True, dir_okay=False, help="A file whose SHA-256 is kept as evidence.")] = None,
    config: ConfigOption = DEFAULT_CONFIG,
    as_person: AsOption = "",
) -> None:
    """Confirm that a condition is met, as somebody else than who set it."""
    from deployments.cli import personal

    personal.confirm(config, condition, evidence=evidence, file=file, as_person=as_person)


@app.command("risk-kept", rich_help_panel="Work")
def risk_kept(
    proposal: OneProposal,
    reason: Reason,
    until: Annotated[datetime, typer.Option("--until", formats=["%Y-%m-%d"], help="Until when the risk is kept.")],
    config: ConfigOption = DEFAULT_CONFIG,
    as_person: AsOption = "",
    as_json: JsonOption = False,
) -> None:
    """Answer for a reduction that did not happen: keep the risk until a day, for a reason. Takes the tier of the amount at risk."""
    from deployments.cli import working

    working.keep_risk(config, proposal, until=until.date(), reason=reason, as_person=as_person, as_json=as_json)


# --- run ------------------------------------------------------------------------------------------------------------------------------


@app.command("apply", rich_help_panel="Run")
def apply_now(config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """Apply every approved proposal exactly once, deliver to the ERP and to Slack, and compare."""
    from deployments.cli import running

    running.apply_limits(config, as_json=as_json)


@app.command("follow-up", rich_help_panel="Run")
def follow_up(config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """Expire, revert, escalate and settle what is due today."""
    from deployments.cli import running

    running.follow_up(config, as_json=as_json)


@deliveries_app.command("list")
def deliveries_list(config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """Deliveries that were parked: refused by the other side, or not taken for a day. A limit that is applied stays applied."""
    from deployments.cli import mending

    mending.list_parked(config, as_json=as_json)


@deliveries_app.command("requeue")
def deliveries_requeue(
    deliveries: Annotated[list[str] | None, typer.Argument(metavar="DELIVERY...", help="Ids, as `deliveries list` shows them.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Everything that is parked.")] = False,
    config: ConfigOption = DEFAULT_CONFIG,
    as_person: AsOption = "",
    as_json: JsonOption = False,
) -> None:
    """Try parked deliveries again, once what stood in the way is mended. All that are named, or none."""
    from deployments.cli import mending

    mending.requeue(config, deliveries or [], everything=everything, as_person=as_person, as_json=as_json)


@differences_app.command("list")
def differences_list(config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """Limits that the ERP holds otherwise than they are in force here, each with its owner. Nothing is adopted or overwritten."""
    from deployments.cli import mending

    mending.list_differences(config, as_json=as_json)


@differences_app.command("settle")
def differences_settle(
    difference: Annotated[str, typer.Argument(metavar="DIFFERENCE", help="Difference id, as `differences list` shows it.")],
    reason: Reason,
    config: ConfigOption = DEFAULT_CONFIG,
    as_person: AsOption = "",
    as_json: JsonOption = False,
) -> None:
    """Record how a difference ended, such as a limit that was reset in the ERP. The limit in force changes only by a proposal."""
    from deployments.cli import mending

    mending.settle(config, difference, reason=reason, as_person=as_person, as_json=as_json)


@slack_app.command("serve")
def slack_serve(
    config: ConfigOption = DEFAULT_CONFIG,
    host: Annotated[str, typer.Option(help="HTTP mode: address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="HTTP mode: port.")] = 3000,
) -> None:
    """Listen to Slack, and send what is owed, until stopped. Several may run side by side."""
    from deployments.cli.frame import services
    from deployments.slack_listener import serving

    serving.serve(services(config), host=host, port=port)


@slack_app.command("sandbox")
def slack_sandbox(
    config: Annotated[Path, typer.Option("--config", "-c", help="A demo's folder, as `credit-review demo` writes it.")] = Path("demo"),
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the page, on this machine only; 0: any free one.")] = 8765,
) -> None:
    """Try approvals in a stand-in for Slack on this machine: nothing leaves it, and no account is needed."""
    from deployments.cli import rehearsal

    rehearsal.serve(config, port=port)


@app.command("step-up", rich_help_panel="Run")
def step_up_serve(
    config: ConfigOption = DEFAULT_CONFIG,
    host: Annotated[str, typer.Option(help="Address to listen on; the reverse proxy in front of it has the certificate.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port.")] = 3001,
) -> None:
    """Serve the page outside Slack, with company sign-in, on which proposals of the highest tiers are approved, until stopped."""
    from deployments.cli.frame import services
    from deployments.step_up import serving

    serving.serve(services(config), host=host, port=port)


# --- govern and audit -----------------------------------------------------------------------------------------------------------------


@app.command(rich_help_panel="Govern")
def adopt(
    file: Annotated[Path, typer.Argument(help="policy.yaml, authority.yaml, scorecard.json or a mapping.")],
    kind: Annotated[str, typer.Option(help="policy, authority, scorecard or mapping; default: what settings.yaml calls the file.")] = "",
    author: Annotated[list[str] | None, typer.Option(metavar="PERSON", help="Who wrote it; repeat for several. Default: me.")] = None,
    config: ConfigOption = DEFAULT_CONFIG,
    as_person: AsOption = "",
    as_json: JsonOption = False,
) -> None:
    """Adopt a policy, authority matrix, scorecard or mapping. It takes effect once two people have, neither its only author."""
    from deployments.cli import governing

    governing.adopt_file(config, file, kind=kind, authors=author or [], as_person=as_person, as_json=as_json)


@app.command(rich_help_panel="Govern")
def check(
    file: Annotated[Path, typer.Argument(help="policy.yaml, authority.yaml, scorecard.json or a mapping.")],
    kind: Annotated[str, typer.Option(help="policy, authority, scorecard or mapping; default: what settings.yaml calls the file.")] = "",
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Check a policy, authority matrix, scorecard or mapping before it is adopted: every error names its line and field."""
    from deployments.cli import governing

    governing.check_file(config, file, kind=kind)


@policy_app.command("diff")
def policy_diff(
    documents: Annotated[list[str], typer.Argument(metavar="[OLD] NEW", help="Files, or digests on record; OLD: the policy in force.")],
    review: Annotated[str, typer.Option("--review", metavar="REVIEW", help="Label or id of a review; default: the newest.")] = "",
    reviews: Annotated[int, typer.Option("--reviews", min=1, max=40, help="That review and those before it, so many in all.")] = 1,
    matrix: Annotated[tuple[str, str] | None, typer.Option(metavar="OLD NEW", help="Authority matrices; default: in force.")] = None,
    out: Annotated[Path | None, typer.Option("--out", metavar="FOLDER", help="Folder of report and list; must not be there yet.")] = None,
    request: Annotated[
        str, typer.Option("--request", metavar="REASON", help="Put it on record as a change request, with the reason.")
    ] = "",
    author: Annotated[list[str] | None, typer.Option(metavar="PERSON", help="Who wrote NEW; repeat for several. Default: me.")] = None,
    config: ConfigOption = DEFAULT_CONFIG,
    as_person: AsOption = "",
    as_json: JsonOption = False,
) -> None:
    """What a new policy would do, before it is published: limits, amounts, grades, tiers, approvers, notices and rules on past reviews.

    Each review is computed again under both policies; what came of those customers since stands beside. Writes a report for the
    committee and the list of all customers that differ.

    Examples: `credit-review policy diff policy-2027.yaml --review 2026Q3 --reviews 4`;
    `credit-review policy diff policy-2027.yaml --review 2026Q3 --request "ceilings follow the insurer's new limits"`.
    """
    from deployments.cli import policies

    policies.diff(
        config, documents, review=review, reviews=reviews, matrix=matrix, out=out, request=request, authors=author or [],
        as_person=as_person, as_json=as_json,
    )  # fmt: skip


@policy_app.command("schema")
def policy_schema(
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Write it there instead of to the screen.")] = None,
) -> None:
    """The JSON Schema of policy.yaml, by which editors complete fields and show what each one means."""
    from deployments.cli import policy_file

    policy_file.write_schema(out)


@policy_app.command("lint")
def policy_lint(
    file: Annotated[Path, typer.Argument(help="policy.yaml.")],
    matrix: Annotated[Path | None, typer.Option("--matrix", metavar="FILE", help="authority.yaml, to hold the policy against it.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Find rules that can never fire, gaps, contradictions, what nobody can approve, and what one person could approve alone.

    Exit code 1 when something is found. A file that is not sound is refused as by `check`.

    Example: `credit-review policy lint policy.yaml --matrix authority.yaml`.
    """
    from deployments.cli import policy_file

    policy_file.lint_files(file, matrix, as_json=as_json)


@policy_app.command("effectiveness")
def policy_effectiveness(
    year: Annotated[int, typer.Option("--year", min=0, max=9999, help="The year of the reviews; default: the one before.")] = 0,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Does the policy work? Losses, lateness and what was refused under the policy in force over a year, by grade and by rule.

    With counts and exact intervals, from the reviews of the year and the newest ledger; where too few outcomes are known it says so.
    If no review of the year used the policy in force, it is about the one that most of them used.

    Example: `credit-review policy effectiveness --year 2026`.
    """
    from deployments.cli import policies

    policies.effectiveness(config, year=year, as_json=as_json)


@people_app.command("account")
def people_account(
    person: Annotated[str, typer.Argument(metavar="ID", help="Person id, as `people list` shows it.")],
    kind: Annotated[str, typer.Argument(help="os, slack, token, or sso (company sign-in).")],
    account: Annotated[str, typer.Argument(help="Account name; for Slack TEAM|USER; for sso the value of the claim settings.yaml names.")],
    config: ConfigOption = DEFAULT_CONFIG,
    as_person: AsOption = "",
) -> None:
    """Map another account to a person."""
    from deployments.cli import governing

    governing.add_account(config, person, kind, account, as_person=as_person)


@people_app.command("first-pair")
def first_pair(
    first: Annotated[str, typer.Option(metavar="ID:NAME:OS-ACCOUNT", help="First person, such as p-anna:Anna Berg:anna.")],
    second: Annotated[str, typer.Option(metavar="ID:NAME:OS-ACCOUNT", help="Second person.")],
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Set up the first two people in an empty directory. Everything after needs one of them."""
    from deployments.cli import governing

    governing.first_pair(config, first, second)


@people_app.command("add")
def people_add(
    person: Annotated[str, typer.Argument(metavar="ID", help="A new id, such as p-cleo; it never changes.")],
    name: Annotated[str, typer.Option(help="Name as colleagues know it.")],
    email: Annotated[str, typer.Option(help="E-mail address.")] = "",
    os_account: Annotated[str, typer.Option("--os", help="Operating-system account.")] = "",
    slack_account: Annotated[str, typer.Option("--slack", metavar="TEAM|USER", help="Slack account: ids of workspace and user.")] = "",
    token_account: Annotated[str, typer.Option("--token", help="Name that signed tokens carry.")] = "",
    sso_account: Annotated[str, typer.Option("--sso", metavar="CLAIM", help="Company sign-in, where its claim is not the e-mail.")] = "",
    config: ConfigOption = DEFAULT_CONFIG,
    as_person: AsOption = "",
) -> None:
    """Add a person and the accounts that authenticate them."""
    from deployments.cli import governing

    accounts = {"os": os_account, "slack": slack_account, "token": token_account, "sso": sso_account}
    governing.add_person(config, person, name=name, email=email, accounts=accounts, as_person=as_person)


@people_app.command("leave")
def people_leave(
    person: Annotated[str, typer.Argument(metavar="ID", help="Person id, as `people list` shows it.")],
    config: ConfigOption = DEFAULT_CONFIG,
    as_person: AsOption = "",
) -> None:
    """Deactivate a person from today."""
    from deployments.cli import governing

    governing.leave(config, person, as_person=as_person)


@people_app.command("list")
def people_list(config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """Everybody in the directory, with accounts."""
    from deployments.cli import governing

    governing.list_people(config, as_json=as_json)


@people_app.command("delegate")
def people_delegate(
    delegate: Annotated[str, typer.Argument(metavar="PERSON", help="Who may decide on my behalf.")],
    until: Annotated[datetime, typer.Option("--until", formats=["%Y-%m-%d"], help="First day without it.")],
    config: ConfigOption = DEFAULT_CONFIG,
    as_person: AsOption = "",
    as_json: JsonOption = False,
) -> None:
    """Let somebody decide on my behalf, from today until a day (not included)."""
    from deployments.cli import governing

    governing.delegate(config, delegate, until=until.date(), as_person=as_person, as_json=as_json)


@people_app.command("delegations")
def people_delegations(config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """Who decides on whose behalf, today and later."""
    from deployments.cli import governing

    governing.list_delegations(config, as_json=as_json)


@people_app.command("end-delegation")
def people_end_delegation(
    delegation: Annotated[str, typer.Argument(metavar="DELEGATION", help="Delegation id, as `people delegations` shows it.")],
    config: ConfigOption = DEFAULT_CONFIG,
    as_person: AsOption = "",
    as_json: JsonOption = False,
) -> None:
    """End a delegation today; one not begun yet never begins. Approvals given under it and not applied yet no longer count."""
    from deployments.cli import governing

    governing.end_delegation(config, delegation, as_person=as_person, as_json=as_json)


@people_app.command("prefer")
def people_prefer(
    language: Annotated[str, typer.Option(help="en or zh_CN; empty: as the company.")] = "",
    locale: Annotated[str, typer.Option(help="How numbers and dates are written, such as de_DE.")] = "",
    time_zone: Annotated[str, typer.Option(help="Such as Europe/Berlin.")] = "",
    calendar: Annotated[str, typer.Option(help="Country of my working days, such as DE or DE-BY.")] = "",
    config: ConfigOption = DEFAULT_CONFIG,
    as_person: AsOption = "",
) -> None:
    """How I read and work: language, formats, time zone, working days."""
    from deployments.cli import personal

    personal.prefer(config, language=language, locale=locale, time_zone=time_zone, calendar=calendar, as_person=as_person)


@people_app.command("away")
def people_away(
    since: Annotated[datetime, typer.Option("--from", formats=["%Y-%m-%d"], help="First day away.")],
    until: Annotated[datetime, typer.Option("--until", formats=["%Y-%m-%d"], help="First day back.")],
    config: ConfigOption = DEFAULT_CONFIG,
    as_person: AsOption = "",
) -> None:
    """I am out of office: others are asked first."""
    from deployments.cli import personal

    personal.away(config, start=since.date(), end=until.date(), as_person=as_person)


@people_app.command("conflict")
def people_conflict(
    customer: Annotated[str, typer.Argument(metavar="[CUSTOMER]", help="Customer id; left out: I have no conflict of interest.")] = "",
    config: ConfigOption = DEFAULT_CONFIG,
    as_person: AsOption = "",
) -> None:
    """Declare a conflict of interest of mine, or that there is none; renewed yearly. Others decide about that customer."""
    from deployments.cli import personal

    personal.conflict(config, customer, as_person=as_person)


@people_app.command("right")
def people_right(
    person: Annotated[str, typer.Argument(metavar="ID", help="Person id, as `people list` shows it.")],
    right: Annotated[str, typer.Argument(help="read_limits or request_limits.")],
    until: Until = None,
    config: ConfigOption = DEFAULT_CONFIG,
    as_person: AsOption = "",
) -> None:
    """Give somebody else the right to read limits (`/credit`) or to ask for them in Slack; --until today takes it away."""
    from deployments.cli import personal

    personal.give_right(config, person, right, until=until.date() if until else None, as_person=as_person)


@people_app.command("token")
def people_token(
    account: Annotated[str, typer.Argument(help="Token account, as mapped with `people add --token`.")],
    days: Annotated[int, typer.Option(min=1, max=365, help="How many days it is valid.")] = 30,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Issue a signed sign-in token; needs the secret CREDIT_REVIEW_TOKEN_KEY."""
    from deployments.cli import governing

    governing.issue_token(config, account, days=days)


Model = Annotated[str, typer.Argument(metavar="MODEL", help="A file, scorecard/3, or the beginning of a digest, as `inventory` shows it.")]
AnyModel = Annotated[
    str, typer.Argument(metavar="[MODEL]", help="A file, scorecard/3, or the beginning of a digest; default: settings.yaml's scorecard.")
]
Owner = Annotated[str, typer.Option("--owner", metavar="PERSON", help="Who answers for it while it is in use.")]
Purpose = Annotated[str, typer.Option("--purpose", help="What it is for.")]
LimitsOfUse = Annotated[str, typer.Option("--limits-of-use", help="What it must not be used for, and what it does not know.")]
Developers = Annotated[
    list[str] | None, typer.Option("--developer", metavar="PERSON", help="Who made it; repeat for several. Default: me.")
]


@scorecard_app.command("fit")
def scorecard_fit(
    config: ConfigOption = DEFAULT_CONFIG,
    as_of: AsOf = None,
    out: Annotated[Path | None, typer.Option(help="Where to write it; default: the scorecard file of settings.yaml.")] = None,
    expert: Annotated[bool, typer.Option("--expert", help="Write the expert scorecard, whatever the history.")] = False,
    challenger: Annotated[
        bool, typer.Option("--challenger", help="Fit a challenger instead: boosted trees that run in the shadow and decide nothing.")
    ] = False,
    owner: Owner = "",
    purpose: Purpose = "",
    limits_of_use: LimitsOfUse = "",
    developer: Developers = None,
    as_person: AsOption = "",
) -> None:
    """Fit a scorecard on the ledger's own history, write it with its model card, and record it as a draft of mine.

    It decides nothing yet: somebody else validates it, then two people adopt it.

    Example: `credit-review scorecard fit --as-of 2026-09-30 --out scorecard-2027.json --owner p-cfo`.
    """
    from credit_review.review.models import Described
    from deployments.cli import running, scorecards

    if challenger:
        running.fit_challenger(config, as_of=as_of.date() if as_of else None, out=out)
        return
    scorecards.fit(
        config,
        as_of=as_of.date() if as_of else None,
        out=out,
        expert=expert,
        described=Described(owner_id=owner, purpose=purpose, limits_of_use=limits_of_use),
        developers=developer or [],
        as_person=as_person,
    )


@scorecard_app.command("register")
def scorecard_register(
    file: Annotated[Path, typer.Argument(help="The scorecard's JSON, or a challenger's file.")],
    kind: Annotated[str, typer.Option(help="scorecard or challenger.")] = "scorecard",
    owner: Owner = "",
    tier: Annotated[int | None, typer.Option(min=1, max=3, help="Materiality, 1 the highest; it may be raised, never lowered.")] = None,
    purpose: Purpose = "",
    data: Annotated[str, typer.Option("--data", help="What it was made from.")] = "",
    limits_of_use: LimitsOfUse = "",
    developer: Developers = None,
    config: ConfigOption = DEFAULT_CONFIG,
    as_person: AsOption = "",
    as_json: JsonOption = False,
) -> None:
    """Record a file in the model inventory as a draft, or say more of one that is there: owner, tier, purpose, data, limits of use.

    A draft may be described anew until it is validated; after that only its owner may change.

    Example: `credit-review scorecard register scorecard.json --owner p-cfo --limits-of-use "not for public bodies"`.
    """
    from credit_review.review.models import Described
    from deployments.cli import scorecards

    described = Described(owner_id=owner, tier=tier, purpose=purpose, data=data, limits_of_use=limits_of_use)
    scorecards.register(config, file, kind=kind, described=described, developers=developer or [], as_person=as_person, as_json=as_json)


@scorecard_app.command("validate")
def scorecard_validate(
    model: AnyModel = "",
    as_of: AsOf = None,
    accept: Annotated[bool, typer.Option("--accept", help="Sign that the report named bears the model out.")] = False,
    reject: Annotated[bool, typer.Option("--reject", help="Sign that it does not.")] = False,
    report: Annotated[str, typer.Option("--report", metavar="DIGEST", help="The report that was read, as this command printed it.")] = "",
    reason: Annotated[str, typer.Option("--reason", help="Why. The auditor reads it.")] = "",
    config: ConfigOption = DEFAULT_CONFIG,
    as_person: AsOption = "",
    as_json: JsonOption = False,
) -> None:
    """Validate a model, as somebody who did not make it: first read the report, then sign for exactly that report.

    Without an answer it examines the model on every cut-off whose outcome is known as of the day: ranking with intervals, calibration,
    stability, whether each bin bears out its points, missing values, and factors that may know the future. It writes report and model card,
    prints what speaks against the model, and changes nothing. With --accept or --reject it records the answer to the report named.

    Examples: `credit-review scorecard validate scorecard.json --as-of 2026-09-30`;
    `credit-review scorecard validate scorecard/2 --report 3f2a91c0 --accept --reason "ranks and is calibrated out of time"`.
    """
    from deployments.cli import scorecards

    if not accept and not reject:
        scorecards.validate(config, model, as_of=as_of.date() if as_of else None, as_json=as_json)
        return
    scorecards.answer(config, model, accept=accept, reject=reject, report=report, reason=reason, as_person=as_person, as_json=as_json)


@scorecard_app.command("compare")
def scorecard_compare(
    before: Annotated[str, typer.Argument(metavar="OLD", help="A file, scorecard/3, or the beginning of a digest.")],
    after: Annotated[str, typer.Argument(metavar="NEW", help="The same.")],
    review: Annotated[str, typer.Option("--review", metavar="REVIEW", help="On this review's snapshot; default: the newest.")] = "",
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """What a scorecard would change: who moves to another grade, and which limits come out higher or lower, in money.

    Both are scored and proposed by the review's own functions on the same snapshot, with the policy of that review. Nothing is stored.

    Example: `credit-review scorecard compare scorecard/1 scorecard-2027.json`.
    """
    from deployments.cli import scorecards

    scorecards.compare(config, before, after, review_id=review, as_json=as_json)


@scorecard_app.command("publish")
def scorecard_publish(
    model: AnyModel = "",
    key: Annotated[Path | None, typer.Option("--key", help="File of the signing key; default: the secret of models.key_secret.")] = None,
    config: ConfigOption = DEFAULT_CONFIG,
    as_person: AsOption = "",
    as_json: JsonOption = False,
) -> None:
    """Sign the publication of a model with a key that settings.yaml names under `models.keys`. Not for its developers.

    The signature is over a fixed text: kind, digest, model, version, who and when. Each review checks it when it starts, and stops without
    it. A challenger comes into force, in the shadow, with it. `credit-review audit key` makes a key.

    Example: `credit-review scorecard publish scorecard/2 --key models.key`.
    """
    from deployments.cli import scorecards

    scorecards.publish(config, model, key_file=key, as_person=as_person, as_json=as_json)


@scorecard_app.command("show")
def scorecard_show(model: AnyModel = "", config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """A model as it stands: its life, owner, purpose and limits of use, who validated and published it, and the points of every bin.

    Example: `credit-review scorecard show scorecard/2`.
    """
    from deployments.cli import scorecards

    scorecards.show(config, model, as_json=as_json)


@scorecard_app.command("inventory")
def scorecard_inventory(config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """Every version of every model: where it stands, tier, owner, who validated and who published it.

    Example: `credit-review scorecard inventory --json`.
    """
    from deployments.cli import scorecards

    scorecards.inventory(config, as_json=as_json)


@scorecard_app.command("retire")
def scorecard_retire(
    model: Model, reason: Reason, config: ConfigOption = DEFAULT_CONFIG, as_person: AsOption = "", as_json: JsonOption = False
) -> None:
    """Take a model out of use from today, as its owner or a control owner. No review starts with it any more.

    A new version that comes into force retires the one before by itself; this is for one that nothing replaces, or a draft given up.

    Example: `credit-review scorecard retire scorecard/2 --reason "ranks no better than chance since the merger"`.
    """
    from deployments.cli import scorecards

    scorecards.retire(config, model, reason=reason, as_person=as_person, as_json=as_json)


@scorecard_app.command("monitor")
def scorecard_monitor(config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """Look at the scorecard in use, as every month: calibration, drift, back-test, overrides. Exit code 1: there are exceptions."""
    from deployments.cli import running

    raise SystemExit(running.monitor_scorecard(config, as_json=as_json))


@scorecard_app.command("compare-challenger")
def scorecard_compare_challenger(
    review: Annotated[str, typer.Argument(help="Review id.")],
    config: ConfigOption = DEFAULT_CONFIG,
    as_of: AsOf = None,
    as_json: JsonOption = False,
) -> None:
    """Hold the challenger that ran in a review's shadow against the scorecard: ranks, grades, limits and, where known, outcomes."""
    from deployments.cli import running

    running.compare_challenger(config, review, as_of=as_of.date() if as_of else None, as_json=as_json)


@people_app.command("reviewed")
def people_reviewed(
    statement: Annotated[str, typer.Option(help="What was looked at and what was found. The auditor reads it.")],
    persons: Annotated[
        list[str] | None, typer.Argument(metavar="[ID]...", help="Whose access; none named: everybody's but one's own.")
    ] = None,
    config: ConfigOption = DEFAULT_CONFIG,
    as_person: AsOption = "",
) -> None:
    """As control owner or internal audit: sign off who may do what today. Nobody signs for himself."""
    from deployments.cli import evidence

    evidence.sign_off_access(config, persons or [], statement=statement, as_person=as_person)


@evidence_app.command("pack")
def evidence_pack(
    out: PackFolder,
    period: Period = "",
    first_day: FirstDay = None,
    last_day: LastDay = None,
    entries: FirstEntries = None,
    seed: Annotated[str, typer.Option(help="Of the sample, any text, best the auditor's own. Without it, one is made and recorded.")] = "",
    replays: Annotated[bool, typer.Option("--replay/--no-replay", help="Compute the period's reviews again (E4).")] = True,
    config: ConfigOption = DEFAULT_CONFIG,
    as_person: AsOption = "",
    as_json: JsonOption = False,
) -> None:
    """Write one signed folder that answers an auditor's requests E1 to E18 for a period, with log, proofs and the scripts to check it."""
    from deployments.cli import evidence

    wanted = evidence.Wanted(
        period=period, first_day=day_of(first_day), last_day=day_of(last_day), size=entries, seed=seed, replays=replays
    )
    evidence.make_pack(config, wanted, out, as_person=as_person, as_json=as_json)


@audit_app.command("special")
def audit_special(
    out: PackFolder,
    customer: Annotated[str, typer.Option(help="Everything about this customer, by id.")] = "",
    approver: Annotated[str, typer.Option(help="Everything about or by this person, by id.")] = "",
    period: Period = "",
    first_day: FirstDay = None,
    last_day: LastDay = None,
    entries: FirstEntries = None,
    config: ConfigOption = DEFAULT_CONFIG,
    as_person: AsOption = "",
    as_json: JsonOption = False,
) -> None:
    """Write everything about one customer, approver or period as one signed folder, with proofs of entries."""
    from deployments.cli import evidence

    days = {"period": period, "first_day": day_of(first_day), "last_day": day_of(last_day), "size": entries}
    wanted = evidence.Wanted(**days, customer=customer, approver=approver)
    evidence.make_special(config, wanted, out, as_person=as_person, as_json=as_json)


def day_of(given: datetime | None) -> date | None:
    """A day as typed."""
    return given.date() if given else None


@app.command(rich_help_panel="Audit")
def replay(
    subject: Annotated[str, typer.Argument(metavar="PROPOSAL|REVIEW", help="Id of a review, or of a proposal.")],
    anyway: Annotated[bool, typer.Option("--anyway", help="Go on after a changed input, and name the figures that differ.")] = False,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Compute a review again from its manifest and compare with what is on record. Exit code 0 equal, 1 different, 2 cannot tell."""
    from deployments.cli import replaying

    raise SystemExit(replaying.replay(config, subject, anyway=anyway, as_json=as_json))


@app.command(rich_help_panel="Audit")
def canaries(config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """What must come of the synthetic customers under the documents in their files, and whether it does. Exit code 5 when one differs."""
    from deployments.cli import flock

    raise SystemExit(flock.canaries(config, as_json=as_json))


@audit_app.command("coaching")
def audit_coaching(
    period: Annotated[str, typer.Option(help="A quarter, such as 2026Q4.")],
    person: Annotated[str, typer.Option(help="A person, or `everyone`: for the control owner. Default: oneself.")] = "",
    config: ConfigOption = DEFAULT_CONFIG,
    as_person: AsOption = "",
    as_json: JsonOption = False,
) -> None:
    """How a person's own releases and answers went: turnaround, returns, overrides and what became of them, always with the cases."""
    from deployments.cli import coaching

    coaching.show(config, period, person=person, as_person=as_person, as_json=as_json)


Decided = Annotated[str, typer.Argument(metavar="PROPOSAL", help="Proposal id, as `adverse list` shows it.")]
OnDay = Annotated[datetime | None, typer.Option("--on", formats=["%Y-%m-%d"], help="The day it happened. Default: today.")]


def _day(at: datetime | None) -> date | None:
    return at.date() if at else None


@adverse_app.command("list")
def adverse_list(
    everything: Annotated[bool, typer.Option("--all", help="Those for which nothing more is owed as well.")] = False,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Decided reductions and refusals for which something is owed: a person's word, notice, reasons. Those due first first."""
    from deployments.cli import adverse

    adverse.list_cases(config, everything=everything, as_json=as_json)


@adverse_app.command("show")
def adverse_show(proposal: Decided, config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """One reduction or refusal: what it is to the customer, its principal reasons, and its days."""
    from deployments.cli import adverse

    adverse.show(config, proposal, as_json=as_json)


@adverse_app.command("confirm")
def adverse_confirm(
    proposals: Annotated[list[str], typer.Argument(metavar="PROPOSAL...", help="Proposal ids, as `adverse list` shows them.")],
    as_class: Annotated[
        str,
        typer.Option("--as-class", help="adverse, delinquency, inactivity, agreed, whole_class, not_applicable. Default: as suggested."),
    ] = "",
    reason: Annotated[str, typer.Option(help="Why, where it is not what was suggested.")] = "",
    config: ConfigOption = DEFAULT_CONFIG,
    as_person: AsOption = "",
    as_json: JsonOption = False,
) -> None:
    """Say what reductions or refusals are to their customers, as suggested or otherwise. All that are named, or none."""
    from deployments.cli import adverse

    adverse.confirm(config, proposals, as_class=as_class, reason=reason, as_person=as_person, as_json=as_json)


@adverse_app.command("letter")
def adverse_letter(
    proposal: Decided,
    out: Annotated[Path | None, typer.Option(help="A file that is not there yet; .html: a page to print. Default: the terminal.")] = None,
    language: Annotated[str, typer.Option(help="en or zh_CN. Default: the customer's region's by policy, else the company's.")] = "",
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """A draft of the notice in the customer's language, with the principal reasons."""
    from deployments.cli import adverse

    adverse.letter(config, proposal, out=out, language=language)


@letters_app.command("list")
def letters_list(
    everything: Annotated[bool, typer.Option("--all", help="Those sent and dropped as well.")] = False,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Letters that wait to be released, the oldest first."""
    from deployments.cli import letters

    letters.list_letters(config, everything=everything, as_json=as_json)


@letters_app.command("show")
def letters_show(
    letter: Annotated[str, typer.Argument(help="A letter's id, as `letters list` shows it.")],
    out: Annotated[Path | None, typer.Option(help="A file that is not there yet, for a copy of the page.")] = None,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """One letter: what it is about, what became of it, and where its page is."""
    from deployments.cli import letters

    letters.show(config, letter, out=out, as_json=as_json)


@letters_app.command("send")
def letters_send(
    chosen: Annotated[list[str], typer.Argument(metavar="LETTER...", help="Letter ids, as `letters list` shows them.")],
    config: ConfigOption = DEFAULT_CONFIG,
    as_person: AsOption = "",
    as_json: JsonOption = False,
) -> None:
    """Release letters: they count as sent, by you. All that are named, or none."""
    from deployments.cli import letters

    letters.send(config, chosen, as_person=as_person, as_json=as_json)


@letters_app.command("drop")
def letters_drop(
    chosen: Annotated[list[str], typer.Argument(metavar="LETTER...", help="Letter ids, as `letters list` shows them.")],
    reason: Annotated[str, typer.Option(help="Why they are not sent.")] = "",
    config: ConfigOption = DEFAULT_CONFIG,
    as_person: AsOption = "",
    as_json: JsonOption = False,
) -> None:
    """Drop letters for a reason: they are not sent. All that are named, or none."""
    from deployments.cli import letters

    letters.drop(config, chosen, reason=reason, as_person=as_person, as_json=as_json)


@adverse_app.command("notified")
def adverse_notified(
    proposal: Decided,
    on: OnDay = None,
    file: Annotated[Path | None, typer.Option(help="The letter as it was sent: its SHA-256 is kept.")] = None,
    config: ConfigOption = DEFAULT_CONFIG,
    as_person: AsOption = "",
    as_json: JsonOption = False,
) -> None:
    """Record that the customer was given notice."""
    from deployments.cli import adverse

    adverse.notified(config, proposal, on=_day(on), file=file, as_person=as_person, as_json=as_json)


@adverse_app.command("asked")
def adverse_asked(
    proposal: Decided, on: OnDay = None, config: ConfigOption = DEFAULT_CONFIG, as_person: AsOption = "", as_json: JsonOption = False
) -> None:
    """Record that the customer asked for the reasons in writing: they are due then, and the file is kept for longer."""
    from deployments.cli import adverse

    adverse.asked(config, proposal, on=_day(on), as_person=as_person, as_json=as_json)


@adverse_app.command("answered")
def adverse_answered(
    proposal: Decided, on: OnDay = None, config: ConfigOption = DEFAULT_CONFIG, as_person: AsOption = "", as_json: JsonOption = False
) -> None:
    """Record that the reasons were given in writing."""
    from deployments.cli import adverse

    adverse.answered(config, proposal, on=_day(on), as_person=as_person, as_json=as_json)


@app.command(rich_help_panel="Work")
def rehearse(
    review: ReviewId,
    seed: Annotated[str, typer.Option("--seed", metavar="TEXT", help="Practise with cases of this seed; nothing is recorded.")] = "",
    cases: Annotated[int | None, typer.Option("--cases", min=4, max=100, help="How many; policy's number where it is left out.")] = None,
    answers: Annotated[
        Path | None, typer.Option("--answers", exists=True, dir_okay=False, help="Lines of `CASE approve|reject|return [REASON]`.")
    ] = None,
    config: ConfigOption = DEFAULT_CONFIG,
    as_person: AsOption = "",
    as_json: JsonOption = False,
) -> None:
    """Rehearse on cases of a past review, some with a mistake, in a database of their own. A pass is recorded, and may be asked for."""
    from deployments.cli import rehearsing

    rehearsing.rehearse(config, review, seed=seed, cases=cases, answers=answers, as_person=as_person, as_json=as_json)


@app.command(rich_help_panel="Work")
def rehearsals(
    person: Annotated[str, typer.Option("--person", metavar="PERSON", help="Those of this person only.")] = "",
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Who rehearsed, how it went, and until when a pass holds."""
    from deployments.cli import rehearsing

    rehearsing.list_rehearsals(config, person=person, as_json=as_json)


ExceptionId = Annotated[str, typer.Argument(metavar="EXCEPTION", help="Exception id, as `exceptions list` shows it.")]


@exceptions_app.command("list")
def exceptions_list(
    everything: Annotated[bool, typer.Option("--all", help="Ended ones too.")] = False,
    owner: Annotated[str, typer.Option("--owner", metavar="PERSON", help="Those of this person only.")] = "",
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Standing departures from policy: what, whose, until when; who left is named, and a missing end date is said."""
    from deployments.cli import exceptions

    exceptions.list_exceptions(config, everything=everything, owner=owner, as_json=as_json)


@exceptions_app.command("show")
def exceptions_show(exception: ExceptionId, config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """One exception: what policy proposed, what stands instead, why, and its history from the audit log."""
    from deployments.cli import exceptions

    exceptions.show(config, exception, as_json=as_json)


@exceptions_app.command("end")
def exceptions_end(
    exception: ExceptionId, reason: Reason, config: ConfigOption = DEFAULT_CONFIG, as_person: AsOption = "", as_json: JsonOption = False
) -> None:
    """End an exception before its day, as its owner, internal audit or a control owner. Only a fresh approval renews one."""
    from deployments.cli import exceptions

    exceptions.end(config, exception, reason=reason, as_person=as_person, as_json=as_json)


@exceptions_app.command("hand-over")
def exceptions_hand_over(
    exception: ExceptionId,
    to: Annotated[str, typer.Option("--to", metavar="PERSON", help="The new owner.")],
    reason: Reason,
    config: ConfigOption = DEFAULT_CONFIG,
    as_person: AsOption = "",
    as_json: JsonOption = False,
) -> None:
    """Give an exception another owner, as its owner, internal audit or a control owner."""
    from deployments.cli import exceptions

    exceptions.hand_over(config, exception, to=to, reason=reason, as_person=as_person, as_json=as_json)


FindingId = Annotated[str, typer.Argument(metavar="FINDING", help="Finding id, as `finding list` shows it.")]


@committee_app.command("list")
def committee_list(config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """Sittings, the newest first."""
    from deployments.cli import committee

    committee.list_sittings(config, as_json=as_json)


@committee_app.command("agenda")
def committee_agenda(
    committee: Annotated[str, typer.Option(metavar="COMMITTEE", help="Its id in the authority matrix; default: the only one.")] = "",
    on: Annotated[datetime | None, typer.Option("--on", formats=["%Y-%m-%d"], help="Day of the sitting; default: today.")] = None,
    out: Annotated[Path | None, typer.Option("--out", metavar="FOLDER", help="Folder of the pack; must not be there yet.")] = None,
    config: ConfigOption = DEFAULT_CONFIG,
    as_person: AsOption = "",
    as_json: JsonOption = False,
) -> None:
    """Write the agenda pack of all cases that wait for a committee, and call its sitting.

    The pack's digest is on record, and the minutes cite it. A sitting that was called and not opened yet is replaced.

    Example: `credit-review committee agenda --on 2026-12-04 --out agenda-december`.
    """
    from deployments.cli import committee as committees

    committees.agenda(config, committee=committee, on=on.date() if on else None, out=out, as_person=as_person, as_json=as_json)


@committee_app.command("show")
def committee_show(sitting: SittingId = "", config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """A sitting: who is there, and how each case stands."""
    from deployments.cli import committee

    committee.show(config, sitting, as_json=as_json)


@committee_app.command("open")
def committee_open(
    sitting: SittingId = "", config: ConfigOption = DEFAULT_CONFIG, as_person: AsOption = "", as_json: JsonOption = False
) -> None:
    """Open a sitting for votes, as its chair or deputy."""
    from deployments.cli import committee

    committee.open_one(config, sitting, as_person=as_person, as_json=as_json)


@committee_app.command("attend")
def committee_attend(
    sitting: SittingId = "",
    member: Annotated[str, typer.Option("--member", metavar="PERSON", help="As the chair: who is there. Default: me.")] = "",
    config: ConfigOption = DEFAULT_CONFIG,
    as_person: AsOption = "",
    as_json: JsonOption = False,
) -> None:
    """Note that I am at an open sitting; the chair may note another member."""
    from deployments.cli import committee

    committee.attend(config, sitting, member=member, as_person=as_person, as_json=as_json)


@committee_app.command("recuse")
def committee_recuse(
    case: Annotated[str, typer.Argument(metavar="CASE", help="Proposal id.")],
    reason: Reason,
    sitting: Annotated[str, typer.Option(metavar="SITTING", help="Sitting id; default: the one that is open.")] = "",
    config: ConfigOption = DEFAULT_CONFIG,
    as_person: AsOption = "",
    as_json: JsonOption = False,
) -> None:
    """Take no part in a case because of a conflict of interest; a vote I gave on it is gone."""
    from deployments.cli import committee

    committee.recuse(config, case, sitting=sitting, reason=reason, as_person=as_person, as_json=as_json)


@committee_app.command("vote")
def committee_vote(
    case: Annotated[str, typer.Argument(metavar="CASE", help="Proposal id.")],
    vote: Annotated[str, typer.Argument(metavar="VOTE", help="approve, reject or abstain.")],
    reason: Annotated[str, typer.Option("--reason", help="Why. The minutes give it; needed unless I approve.")] = "",
    config: ConfigOption = DEFAULT_CONFIG,
    as_person: AsOption = "",
    as_json: JsonOption = False,
) -> None:
    """Vote on a case of the open sitting, for myself; the last vote counts when the chair closes.

    Example: `credit-review committee vote p-1a2b approve --reason "secured by the guarantee"`. Exit code 4 when it is refused.
    """
    from deployments.cli import committee

    committee.vote(config, case, vote, reason=reason, as_person=as_person, as_json=as_json)


@committee_app.command("close")
def committee_close(
    sitting: SittingId = "", config: ConfigOption = DEFAULT_CONFIG, as_person: AsOption = "", as_json: JsonOption = False
) -> None:
    """Close a sitting, as its chair or deputy: quorum, rule and votes decide each case, all at once."""
    from deployments.cli import committee

    committee.close(config, sitting, as_person=as_person, as_json=as_json)


@committee_app.command("minutes")
def committee_minutes(
    sitting: Annotated[str, typer.Argument(metavar="SITTING", help="Sitting id, as `committee list` shows it.")],
    out: Annotated[Path | None, typer.Option("--out", metavar="FOLDER", help="Folder of the pages.")] = None,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Write the minutes of a closed sitting: who was there, each vote with its reason, each outcome, and the digest of the agenda pack."""
    from deployments.cli import committee

    committee.minutes(config, sitting, out=out, as_json=as_json)


@finding_app.command("list")
def finding_list(
    config: ConfigOption = DEFAULT_CONFIG,
    everything: Annotated[bool, typer.Option("--all", help="Closed ones too.")] = False,
    late: Annotated[bool, typer.Option("--overdue", help="Only those not closed by their due date.")] = False,
    owner: Annotated[str, typer.Option(metavar="PERSON", help="Only those of this owner.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Findings that are not closed yet, those due first first."""
    from deployments.cli import findings

    findings.list_findings(config, everything=everything, late=late, owner=owner, as_json=as_json)


@finding_app.command("show")
def finding_show(finding: FindingId, config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """One finding: what was found, who owns it, what was done, and its history from the audit log."""
    from deployments.cli import findings

    findings.show(config, finding, as_json=as_json)


@finding_app.command("open")
def finding_open(
    subject: Annotated[
        str, typer.Argument(metavar="[SUBJECT]", help="proposal:ID, person:ID, account:ID, customer:ID, review:ID or log.")
    ] = "",
    text: Annotated[str, typer.Option(help="What I saw. The owner and the auditor read it.")] = "",
    severity: Annotated[str, typer.Option(help="high, medium or low: it decides when it is due.")] = "medium",
    owner: Annotated[str, typer.Option(metavar="PERSON", help="Who is to remedy it; default: whoever answers for the subject.")] = "",
    sample: Annotated[
        Path | None, typer.Option(exists=True, file_okay=False, help="Folder of a concluded audit sample: a finding for each deviation.")
    ] = None,
    config: ConfigOption = DEFAULT_CONFIG,
    as_person: AsOption = "",
    as_json: JsonOption = False,
) -> None:
    """Open a finding of what I saw, or one for each deviation of a concluded audit sample."""
    from deployments.cli import findings

    if (sample is None) == (not subject):
        raise typer.BadParameter("SUBJECT | --sample FOLDER")
    if sample is not None:
        findings.open_sample(config, sample, severity=severity, as_person=as_person, as_json=as_json)
    else:
        findings.open_one(config, subject, severity=severity, text=text, owner=owner, as_person=as_person, as_json=as_json)


@finding_app.command("assign")
def finding_assign(
    finding: FindingId,
    to: Annotated[str, typer.Option(metavar="PERSON", help="Who is to remedy it.")],
    reason: Reason,
    config: ConfigOption = DEFAULT_CONFIG,
    as_person: AsOption = "",
    as_json: JsonOption = False,
) -> None:
    """Give a finding another owner, as a control owner or internal audit."""
    from deployments.cli import findings

    findings.assign(config, finding, to=to, reason=reason, as_person=as_person, as_json=as_json)


@finding_app.command("remedy")
def finding_remedy(
    finding: FindingId,
    text: Annotated[str, typer.Option(help="What was done. The auditor reads it.")],
    file: Annotated[
        list[Path], typer.Option(exists=True, dir_okay=False, help="A file that shows it, by its SHA-256; repeat for several.")
    ],
    config: ConfigOption = DEFAULT_CONFIG,
    as_person: AsOption = "",
    as_json: JsonOption = False,
) -> None:
    """Say what was done about a finding I own, with evidence."""
    from deployments.cli import findings

    findings.remedy(config, finding, text=text, files=file, as_person=as_person, as_json=as_json)


@finding_app.command("close")
def finding_close(
    finding: FindingId,
    reason: Reason,
    past: Annotated[bool, typer.Option("--past", help="It happened and cannot be undone: found again, it stays closed.")] = False,
    config: ConfigOption = DEFAULT_CONFIG,
    as_person: AsOption = "",
    as_json: JsonOption = False,
) -> None:
    """Close a remedied finding, as internal audit or a control owner who neither owns it, nor remedied it, nor is whom it is about."""
    from deployments.cli import findings

    findings.close(config, finding, reason=reason, past=past, as_person=as_person, as_json=as_json)


@finding_app.command("reopen")
def finding_reopen(
    finding: FindingId, reason: Reason, config: ConfigOption = DEFAULT_CONFIG, as_person: AsOption = "", as_json: JsonOption = False
) -> None:
    """Open a remedied or closed finding again, as internal audit or a control owner."""
    from deployments.cli import findings

    findings.reopen(config, finding, reason=reason, as_person=as_person, as_json=as_json)


@audit_app.command("verify")
def audit_verify(
    config: ConfigOption = DEFAULT_CONFIG,
    business: Annotated[
        bool, typer.Option("--business", help="Also rebuild limits, decisions and states from the log and compare.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Recompute the audit log. Exit code 0 verified against anchors, 1 tampered with, 2 cannot tell (not anchored, or too long ago)."""
    from deployments.cli import auditing

    raise SystemExit(auditing.verify(config, business=business, as_json=as_json))


@audit_app.command("controls")
def audit_controls(
    config: ConfigOption = DEFAULT_CONFIG,
    review: Annotated[str, typer.Option(help="Only what belongs to this review, by the controls that can be asked of one.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Run the controls over the record and list each exception. Exit code 0 none found, 1 at least one."""
    from deployments.cli import controlling

    raise SystemExit(controlling.controls(config, review, as_json=as_json))


@audit_app.command("checkpoint")
def audit_checkpoint(config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """As the notary: verify what is new, sign it, hand it to the anchors. Exit code 2 while an anchor lacks what is older than allowed."""
    from deployments.cli import auditing

    raise SystemExit(auditing.checkpoint(config, as_json=as_json))


@audit_app.command("key")
def audit_key(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What it signs as: the log's origin, or a witness's own name.")],
    out: Annotated[Path, typer.Option(help="Where the secret half goes; only you can read it. The public half is printed.")],
    witness: Annotated[bool, typer.Option("--witness", help="For cosignatures of internal audit.")] = False,
) -> None:
    """Make a signing key: for the notary, or for a witness."""
    from deployments.cli import auditing

    auditing.make_key(name, out, witness=witness)


@audit_app.command("rotate-key")
def audit_rotate_key(
    new: Annotated[Path, typer.Argument(metavar="FILE", help="The new key, made by `audit key` under the log's origin.")],
    reason: Reason,
    config: ConfigOption = DEFAULT_CONFIG,
    as_person: AsOption = "",
) -> None:
    """Hand over from the notary's key to another, by an entry that both sign. Needs both keys; then give the notary the new one."""
    from deployments.cli import auditing

    auditing.rotate_key(config, new, reason=reason, as_person=as_person)


@audit_app.command("restored")
def audit_restored(reason: Reason, config: ConfigOption = DEFAULT_CONFIG, as_person: AsOption = "") -> None:
    """After a backup was restored: open a new incarnation of the log, which commits to the newest checkpoint that anchors hold."""
    from deployments.cli import auditing

    auditing.restored(config, reason=reason, as_person=as_person)


@audit_app.command("entries")
def audit_entries(
    subject: Annotated[str, typer.Argument(metavar="SUBJECT", help="Id of a proposal, account, customer, review, person or document.")],
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """What the log says of one subject, in order: entry, time, what, by whom, hash. Of a proposal also what became of its limit."""
    from deployments.cli import auditing

    auditing.entries(config, subject, as_json=as_json)


@audit_app.command("prove")
def audit_prove(
    seq: Annotated[int, typer.Argument(metavar="ENTRY", min=0, help="The entry's number, as messages and reports show it.")],
    out: Annotated[Path, typer.Option(help="Folder for the entry and its proof.")] = Path(),
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Write one entry and the proof that it stands in the log, against the newest checkpoint. It is checked without the rest of the log."""
    from deployments.cli import auditing

    auditing.prove(config, seq, out)


@audit_app.command("export")
def audit_export(
    out: Annotated[Path, typer.Argument(metavar="FILE", help="Where the JSON lines go.")],
    since: Annotated[int, typer.Option("--from", metavar="ENTRY", min=0, help="The first entry; earlier ones become a start line.")] = 0,
    config: ConfigOption = DEFAULT_CONFIG,
    as_person: AsOption = "",
) -> None:
    """Write the log as JSON lines, as docs/audit-log.md describes them, for a verifier that has no access to the database."""
    from deployments.cli import auditing

    auditing.export(config, out, since=since, as_person=as_person)


@audit_app.command("witness")
def audit_witness(
    state: Annotated[Path, typer.Option(help="Your own memory: what you saw last. Keep it where nobody else writes.")],
    key: Annotated[Path | None, typer.Option(help="Your witness key, to cosign the newest checkpoint.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for the cosigned checkpoint.")] = None,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """As internal audit: verify the log against what you saw before, remember it, and cosign its newest checkpoint."""
    from deployments.cli import auditing

    raise SystemExit(auditing.witness(config, state, key=key, out=out))


@audit_app.command("erase")
def audit_erase(
    entries: Annotated[list[int], typer.Argument(metavar="ENTRY...", help="Numbers of entries whose names and free texts are to go.")],
    basis: Annotated[str, typer.Option(help="Legal basis as a short code, such as GDPR-17. It stays in the log.")],
    config: ConfigOption = DEFAULT_CONFIG,
    as_person: AsOption = "",
) -> None:
    """Erase the payloads of entries, and say so in an entry of its own. Ids, codes and amounts stay: they are the record."""
    from deployments.cli import auditing

    auditing.erase(config, entries, basis=basis, as_person=as_person)


@sample_app.command("draw")
def audit_sample_draw(
    first_day: Annotated[datetime, typer.Option("--from", formats=["%Y-%m-%d"], help="First day of the period.")],
    last_day: Annotated[datetime, typer.Option("--to", formats=["%Y-%m-%d"], help="Last day of the period.")],
    out: Annotated[Path, typer.Option("--out", metavar="FOLDER", help="Where work papers are written; must not be there yet.")],
    of: Annotated[str, typer.Option(help="changes, decisions, proposals or reviews.")] = "changes",
    method: Annotated[str, typer.Option(help="attribute, monetary-unit, stratified or targeted.")] = "attribute",
    confidence: Annotated[str, typer.Option(help="How sure you want to be, 70% to 99%.")] = "95%",
    tolerable: Annotated[str, typer.Option(help="The rate you could live with, of items or of the amount.")] = "5%",
    expected: Annotated[str, typer.Option(help="The rate you expect; a larger sample still holds then.")] = "0%",
    seed: Annotated[
        str, typer.Option(help="Any text, best your own: it decides what is drawn. Without it, one is made and recorded.")
    ] = "",
    by: Annotated[str, typer.Option(help="What makes strata: tier, direction, currency, rule, approvers or review.")] = "tier",
    where: Annotated[
        list[str] | None, typer.Option(metavar="TRAIT=VALUE", help="What a targeted sample picks, such as direction=up.")
    ] = None,
    largest: Annotated[int | None, typer.Option(min=1, help="At most so many of what a targeted sample picks, largest first.")] = None,
    currency: Annotated[str, typer.Option(help="Only items in this currency.")] = "",
    frequency: Annotated[
        str, typer.Option(help="The customary size for a control that runs annual, quarterly, monthly, weekly or daily.")
    ] = "",
    config: ConfigOption = DEFAULT_CONFIG,
    as_person: AsOption = "",
    as_json: JsonOption = False,
) -> None:
    """Draw a sample with a recorded seed, write a work paper for each item, and say what a clean sample buys."""
    from deployments.cli import sampling

    asked = sampling.Asked(
        of=of, first_day=first_day.date(), last_day=last_day.date(), method=method, confidence=confidence, tolerable=tolerable,
        expected=expected, seed=seed, by=by, where=where or [], largest=largest, currency=currency, frequency=frequency,
    )  # fmt: skip
    sampling.draw_sample(config, asked, out, as_person=as_person, as_json=as_json)


@sample_app.command("project")
def audit_sample_project(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="A sample's folder, with conclusions.csv filled in.")],
    as_json: JsonOption = False,
) -> None:
    """Draw the sample again from its folder, and say what its conclusions show of the population. Needs no database."""
    from deployments.cli import sampling

    sampling.project_sample(folder, as_json=as_json)


INTERRUPTED = 130
"""Exit code of a command that was stopped by Ctrl-C."""


def run() -> None:
    """Entry point: errors of ours end without a traceback, with their exit code."""
    gc.set_threshold(50_000, 10, 10)  # what libraries make at their import lives on: looking for garbage in it took a fifth of a start
    language.begin(os.environ)
    try:
        helping.run(app)
    except CreditReviewError as error:
        fail(error)
    except SystemExit as stopped:  # typer makes this of Ctrl-C before anybody else sees it
        if stopped.code == INTERRUPTED:
            tell(said("stopped; a review that ran goes on from its last good state with `credit-review review resume REVIEW`"), err=True)
            tell(said("  next: `credit-review review list` names it"), err=True)
        raise
