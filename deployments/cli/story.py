"""The demo: the whole cycle on a made-up company, told as a credit manager would tell it. Only here may one act as another person."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from credit_review import calendar
from credit_review.adapters.wiring import Services
from credit_review.errors import BadInput
from credit_review.model.money import Money
from credit_review.model.records import Proposal
from credit_review.model.states import DocumentOfRecord, ProposalState
from credit_review.words import marked, said, said_many
from deployments.cli import governing, language, reviewing, scorecards, starting, working
from deployments.cli.frame import one_of_each, services, show_pairs, show_table
from deployments.cli.frame import tell as say
from deployments.cli.watching import watched

if TYPE_CHECKING:
    import pandas as pd

    from tasks.plan import Plan

SEED = 20260930
MARKER = ".credit-review-demo"
PEOPLE = (
    ("p-analyst", "Anna Berg (analyst)"),
    ("p-controller", "Carl Ohm (credit controller)"),
    ("p-manager", "Mia Holm (credit manager)"),
    ("p-cfo", "Frank Osei (CFO)"),
    ("p-ceo", "Elena Rossi (CEO)"),
    ("p-chair", "Wei Zhang (chair)"),
    ("p-sales", "R. Franklin"),
)
"""The demo's people; the last owns some of the customers' accounts, which name their owner as the ledger does."""
TO_SHOW = (
    ("policy.yaml", "approve_listed_up_to: 0     ", "approve_listed_up_to: 50000 "),
    ("authority.yaml", "group_limit_up_to: 3000000,", "group_limit_up_to: 900000, "),
    ("settings.yaml", "  orders: false", "  orders: true "),
)
"""What the demo sets otherwise than the starter, so that there is something to see: approving several at once, the highest tier, and
which open orders the new limits release."""
STATEMENTS = re.compile(r"^# statements:.*?(?=^\n)", re.MULTILINE | re.DOTALL)
"""The starter's mapping of statements, which the demo switches on: its company has some."""
ADOPTERS = ("p-cfo", "p-manager")
VALIDATOR = "p-controller"
WHY_VALID = marked("Ranks and is calibrated on its own history; made-up customers, so nothing more is claimed.")


@dataclass(frozen=True, slots=True)
class _Demo:
    """The demo's services and the plan of its review."""

    opened: Services
    plan: Plan


def tell(folder: Path, *, customers: int) -> None:
    """Build the company, run its review, decide a few requests, apply, verify, and say where everything is."""
    _fresh(folder)
    config = folder.resolve()
    as_of = calendar.quarter_end_before(datetime.now(UTC).date())
    say(said("credit-review demo: a made-up company, and its credit review as of the last quarter end, {day}\n", day=_long(as_of)))
    with watched():
        _build(config, customers, as_of)
        message, demo = _review(config, as_of)
    _chapter(said("What was read, and how it ties"))
    _tell_reading(demo)
    _chapter(said("What was quarantined, and why"))
    _tell_quarantine(demo)
    _chapter(said("What happens to the limits"))
    say(reviewing.told(message))
    _tell_canaries(demo)
    frame = demo.plan.workspace.read("proposals")
    _tell_limits(frame)
    _chapter(said("The ten largest proposals"))
    _tell_largest(demo, frame)
    _chapter(said("Who must approve what"))
    _tell_routes(demo)
    _chapter(said("A few requests are decided, through the decision function that Slack uses"))
    _decide_some(demo)
    _chapter(said("Approved limits are applied, once, and delivered to the ERP"))
    _apply(config)
    _chapter(said("The audit log is verified"))
    _verify(demo)
    _watch(config)
    _chapter(said("Where to look, what to type next"))
    _tell_where(folder, demo)


def _chapter(title: str) -> None:
    from rich.cells import cell_len

    shown = language.say(title)
    typer.echo(f"\n{shown}\n{'-' * cell_len(shown)}")


def _long(day: date) -> str:
    """The day in full, which in English the story has always had."""
    return f"{day:%d %B %Y}" if language.is_english() else language.say(day)


def _fresh(folder: Path) -> None:
    """An empty folder; an earlier demo there goes, anything else stays and is refused."""
    if folder.exists() and any(folder.iterdir()):
        if not (folder / MARKER).exists():
            raise BadInput(
                said("{folder} is not empty and holds no demo", folder=str(folder)),
                expected=said("a folder of its own"),
                next_step=said("use --folder"),
            )
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARKER).touch()


def _build(config: Path, customers: int, as_of: date) -> None:
    """Configuration, ledger files, database, people and adopted documents."""
    from credit_review.adapters.store import schema
    from credit_review.review import directory
    from deployments import demo_company
    from tasks import training
    from tasks.progress import stage

    with stage("Making up a company"):
        starting.write_starter(config)
        for name, starter, shown in TO_SHOW:
            text = (config / name).read_text(encoding="utf-8")
            (config / name).write_text(text.replace(starter, shown), encoding="utf-8")
        demo_company.write(config / "ledger", seed=SEED, as_of=as_of, customers=customers)
        demo_company.write_statements(config / "ledger", seed=SEED, as_of=as_of, customers=customers)
        _switch_on_statements(config / "mapping.yaml")
        for name in ("data", "erp_drop"):
            (config / name).mkdir()
        opened = services(config)
        schema.upgrade(opened.settings.database_url())
        with opened.store.begin() as uow:
            directory.set_up_demo(uow, PEOPLE, on=as_of, now=opened.clock.now())
            uow.commit()
    fitted = training.fit(str(config), as_of=as_of, expert=False)
    opened.settings.path(opened.settings.scorecard).write_text(fitted.text, encoding="utf-8")
    scorecards.examined_and_accepted(opened, fitted, developer="p-analyst", validator=VALIDATOR, reason=language.say(WHY_VALID))
    _adopt_all(opened)


def _switch_on_statements(mapping: Path) -> None:
    text = mapping.read_text(encoding="utf-8")
    mapping.write_text(STATEMENTS.sub(lambda found: re.sub("^# ", "", found[0], flags=re.MULTILINE), text), encoding="utf-8")


def _adopt_all(opened: Services) -> None:
    settings = opened.settings
    named = [
        (DocumentOfRecord.POLICY, settings.policy),
        (DocumentOfRecord.AUTHORITY, settings.authority),
        (DocumentOfRecord.SCORECARD, settings.scorecard),
        *((DocumentOfRecord.MAPPING, place.mapping) for place in settings.sources),
    ]
    for kind, name in named:
        text = settings.path(name).read_text(encoding="utf-8")
        governing.check(kind, name, text)
        for person_id in ADOPTERS:
            with opened.store.begin() as uow:
                person = governing.me(opened, uow, person_id)
                governing.adopt_text(opened, uow, person, kind=kind, name=name, text=text, authors=["p-analyst"])
                uow.commit()


def _review(config: Path, as_of: date) -> tuple[str, _Demo]:
    from tasks import prepare

    message = reviewing.run_flow(config, as_of=as_of)
    opened = prepare.services(str(config))
    return message, _Demo(opened, prepare.newest_plan(str(config)))


def _tell_reading(demo: _Demo) -> None:
    snapshot = demo.plan.snapshot
    for origin in snapshot.sources():
        rows = said("{rows} rows from {what}", rows=f"{origin.rows:>8,}", what=origin.what)
        typer.echo(f"{origin.dataset:<14} {language.say(rows)}")
    totals = snapshot.control_totals()
    tied = sum(1 for t in totals if t.tied)
    stated = sum(1 for t in totals if t.stated_rows is not None)
    say(said("{tied} of {stated} control totals stated by the ledger tie to the row and the cent", tied=tied, stated=stated))
    joins = snapshot.joined_aliases()
    if joins is not None and len(joins):
        joined_by_rule = joins["customer_id"].nunique()
        say(said("{n} customers appeared under two numbers and were joined by rule (leading zeros)", n=joined_by_rule))
    say(said("{rows} rows that said the same thing twice were counted and removed", rows=len(snapshot.whole("duplicates"))))


def _tell_quarantine(demo: _Demo) -> None:
    from tasks import validate

    found = validate.quarantine(demo.plan)
    for (expectation, reason), rows in found.groupby(["expectation", "reason"], sort=True):
        say(said("{rows} rows  {expectation}: {reason}", rows=f"{len(rows):>4}", expectation=expectation, reason=said(reason)))
    concerned = found.loc[found["customer_id"] != "", "customer_id"].nunique()
    say(said("{n} customers are concerned; all are named in the report", n=concerned))


def _tell_canaries(demo: _Demo) -> None:
    from tasks import canaries

    rode = canaries.required(demo.plan)
    sentence = marked("{of} made-up customers whose right limits are known went first: {n} came out right; with one wrong nothing goes on")
    say(said(sentence, of=rode["of"], n=rode["as_expected"]))


def _tell_limits(frame: pd.DataFrame) -> None:
    reviewed = frame[frame["state"] == "reviewed"]
    rows = []
    for (currency, way), part in reviewed.groupby(["currency", "direction"], sort=True):
        before, after = (Money(int(part[name].sum()), str(currency)) for name in ("from_minor", "to_minor"))
        rows.append([str(currency), said(str(way)), len(part), before, after])
    columns = [said("currency"), said("limits go"), said("customers"), said("before"), said("after")]
    show_table("", columns, rows, right=("customers", "before", "after"))
    others = frame.loc[frame["state"] != "reviewed", "state"].value_counts().sort_index()
    say(said("not reviewed: {states}", states=one_of_each({str(state): int(count) for state, count in others.items()})))


def _tell_largest(demo: _Demo, frame: pd.DataFrame) -> None:
    from credit_review.limits import explain
    from credit_review.limits.codes import CAP_WORDS

    names = demo.plan.snapshot.whole("customers").set_index("customer_id")["name"]
    moved = frame[(frame["state"] == "reviewed") & frame["to_minor"].ne(frame["from_minor"]).fillna(True)]
    size = (moved["to_minor"] - moved["from_minor"].fillna(0)).abs()
    for row in moved.loc[size.sort_values(ascending=False, kind="stable").index[:10]].to_dict("records"):
        name = str(names.get(row["customer_id"], ""))
        say(said("{name} ({customer}, grade {grade})", name=name, customer=row["customer_id"], grade=row["grade"] or said("none")))
        steps = dict(explain(row))
        held = [said("Cap: {cap}", cap=CAP_WORDS[row["binding_cap"]])] if row["binding_cap"] else []
        shown = (said("Formula"), *held, said("No increase, because"), said("After the step limit"), said("Proposed limit"))
        for label in (said("Limit in force"), *shown):
            if label in steps:
                typer.echo("    " + language.say(said("{label}: {step}", label=label, step=steps[label])))


def _tell_routes(demo: _Demo) -> None:
    proposals = _proposals(demo)
    automatic = [p for p in proposals if p.state == ProposalState.APPROVED]
    say(said("{n} small changes pass by policy's straight-through rule, without a person", n=len(automatic)))
    by_tier: dict[tuple[str, int], int] = {}
    for proposal in proposals:
        if proposal.state == ProposalState.DRAFT:
            key = (proposal.tier, proposal.required_approvals)
            by_tier[key] = by_tier.get(key, 0) + 1
    for (tier, needed), count in sorted(by_tier.items()):
        approvals = said_many("{n} approval", "{n} approvals", n=needed)
        sentence = marked("{count} need {tier} ({approvals}); they wait in Anna Berg's worklist")
        say(said(sentence, count=count, tier=tier or said("a rate"), approvals=approvals))


def _proposals(demo: _Demo) -> list[Proposal]:
    with demo.opened.store.read() as uow:
        return uow.find(Proposal, review_id=demo.plan.review_id)


def _decide_some(demo: _Demo) -> None:
    """One approval, one rejection, one counter-offer that another approves, one attempt without authority."""
    up, down, offer, beyond = _chosen(_proposals(demo))
    with demo.opened.store.begin() as uow:
        by = working.analyst(demo.opened, uow, "p-analyst")
        wanted = [p.proposal_id for p in (up, down, offer, beyond)]
        working.releasing.release(uow, wanted, working.rules(demo.opened, uow), by)
        uow.commit()
    say(said("Anna Berg releases {n} proposals; as their maker she may approve none of them", n=len(wanted)))
    _answer(demo, "p-analyst", up, "approve")
    _answer(demo, "p-manager", up, "approve")
    _answer(demo, "p-cfo", down, "reject", reason="Paid in full last week; keep the limit until the next review.")
    more = offer.to_minor + (offer.to_minor - (offer.from_minor or 0)) // 4
    amount = str(more // 100)
    made = _answer(demo, "p-manager", offer, "counter", amount=amount, reason="Confirmed season orders need more.")
    if made.successor_id:
        successor = next(p for p in _proposals(demo) if p.proposal_id == made.successor_id)
        _answer(demo, "p-manager", successor, "approve")
        _answer(demo, "p-cfo", successor, "approve")
        _answer(demo, "p-ceo", successor, "approve", only_if_open=True)
    _answer(demo, "p-controller", beyond, "approve")


def _chosen(proposals: Sequence[Proposal]) -> tuple[Proposal, Proposal, Proposal, Proposal]:
    """An increase of the second tier, a reduction, another increase, and one that needs a higher tier; deterministic."""
    drafts = sorted((p for p in proposals if p.state == ProposalState.DRAFT), key=lambda p: p.proposal_id)
    ups = [p for p in drafts if p.direction == "up" and p.tier == "T2" and p.currency == "EUR"]
    downs = [p for p in drafts if p.direction == "down" and p.to_minor < (p.from_minor or 0)]
    high = [p for p in drafts if p.tier in ("T3", "T4") and p.direction in ("up", "new")]
    if len(ups) < 2 or not downs or not high:
        raise BadInput(
            said("this demo has too few proposals of some kind to decide"), next_step=said("use more customers (--customers 500)")
        )
    return ups[0], downs[0], ups[1], high[0]


def _answer(
    demo: _Demo, person: str, proposal: Proposal, verdict: str, *, amount: str = "", reason: str = "", only_if_open: bool = False
) -> Any:
    if only_if_open and not any(p.proposal_id == proposal.proposal_id and p.state == ProposalState.PENDING for p in _proposals(demo)):
        return None
    counter = working.Counter(amount=amount)
    outcome = working.decide(demo.opened, ("demo", person), proposal.proposal_id, verdict, counter, working.Why(reason=reason))
    name = dict(PEOPLE)[person]
    about = {"name": name, "verdict": said(verdict), "customer": proposal.customer_id, "outcome": outcome.text}
    sentence = marked("{name} answers {verdict} to {customer}: {outcome}")
    say(said(sentence if outcome.accepted else marked("{name} answers {verdict} to {customer}: REFUSED: {outcome}"), **about))
    return outcome


def _apply(config: Path) -> None:
    from tasks import effects

    done = [step.fn(str(config)) for step in (effects.apply_approved, effects.hand_off_orders, effects.relay_outbox)]
    demo_erp(config)
    done.append(effects.reconcile.fn(str(config)))
    show_pairs({d.title: d.headline for d in done})


def demo_erp(config: Path) -> None:
    """What the made-up ERP does: read the drop folder and say what it applied."""
    drop = config / "erp_drop"
    lines: list[str] = []
    for path in sorted(drop.glob("*.csv")):
        if path.name != "applied.csv":
            header, *rows = path.read_text(encoding="utf-8").splitlines()
            lines += rows if lines else [header, *rows]
    (drop / "applied.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _verify(demo: _Demo) -> None:
    from credit_review.adapters.store.verify import verify_log

    verdict = verify_log(demo.opened.store.engine)
    say(verdict.text())
    if verdict.exit_code == 2:
        say(said("Nothing outside this database vouches for it yet, so the exit code is 2 (cannot tell), never 0."))


def _watch(config: Path) -> None:
    from credit_review.controls.register import REGISTER
    from tasks import controls

    rows = controls.watch.fn(str(config)).rows
    found = said_many("{n} exception found", "{n} exceptions found", n=len(rows)) if rows else said("no exception found")
    sentence = marked("{n} controls looked for approvals without authority, limits without approval, undue haste and the like: {found}")
    say(said(sentence, n=len(REGISTER), found=found))


_PACK = (
    "{command} audit key demo/evidence --out {folder}/EVIDENCE_KEY && CREDIT_REVIEW_SECRETS_DIR={folder} "
    "{command} evidence pack -c {folder} --period {period} --out {folder}/evidence --as p-cfo"
)
_SANDBOX = marked("{command} slack sandbox -c {folder}   (a stand-in on this machine)")


def program() -> str:
    """How to call this program from here: by its name where that is on the path, else as it was called."""
    return "credit-review" if shutil.which("credit-review") else sys.argv[0]


def _quarter(demo: _Demo) -> str:
    """The quarter in which the demo's people decided."""
    today = demo.opened.today()
    return f"{today.year}Q{(today.month + 2) // 3}"


def _tell_where(folder: Path, demo: _Demo) -> None:
    from tasks import reporting

    review = demo.plan.workspace.folder
    reporting.write_again(str(folder), demo.plan.review_id)  # with the decisions above
    show_pairs(
        {
            said("report"): str(review / "report.html"),
            said("data checks"): str(review / "validation.html"),
            said("all proposals"): str(review / "proposals.csv"),
            said("Mia Holm's inbox"): f"{program()} inbox -c {folder} --as p-manager",
            said("one proposal"): f"{program()} show -c {folder} PROPOSAL",
            said("the made-up customers"): f"{program()} canaries -c {folder}",
            said("the controls"): f"{program()} audit controls -c {folder}",
            said("all an auditor asks for, as one signed folder"): _PACK.format(command=program(), folder=folder, period=_quarter(demo)),
            said("approve in Slack"): said(_SANDBOX, command=program(), folder=folder),
            said("your own ledger"): said("{command} init my-review, then README, 'Your own ledger'", command=program()),
        }
    )
