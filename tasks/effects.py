"""What happens between decisions: applying, delivering, comparing, sweeping. Each may run at any time, twice at once, after a crash."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from credit_review import adverse, messages
from credit_review.adapters.wiring import Services, open_chat, open_order_desk, open_write_back
from credit_review.errors import CreditReviewError, Refused
from credit_review.model.records import OutboxEntry
from credit_review.model.states import OutboxState, ProposalState
from credit_review.ports import UnitOfWork
from credit_review.review import (
    adverse_actions,
    apply,
    customer_letters,
    findings,
    followup,
    keeping,
    models,
    order_hand_off,
    owners,
    relay,
)
from credit_review.review import sweep as sweeping
from credit_review.review.outbox import ERP
from credit_review.review.standing import policy_in_force
from credit_review.words import marked, said
from tasks.defaults import outside
from tasks.prepare import services


@dataclass(frozen=True, slots=True, kw_only=True)
class Effects:
    """What a step did: a key for its artifact, a title, one line, and rows of ids and codes."""

    key: str
    title: str
    headline: str
    rows: Sequence[Mapping[str, str]] = field(default_factory=tuple)


@outside(name="apply approved limits", task_run_name="apply approved limits")
def apply_approved(config: str) -> Effects:
    """Apply every approved proposal, each in a transaction of its own, and tell the account owners at once: their notice runs."""
    opened = services(config)
    settings = opened.settings
    report = apply.apply_due(opened.store, opened.clock, zone=settings.zone, calendar=settings.working_days())
    told = owners.tell_owners(opened.store, opened.clock, settings.slack.destinations(), limits_owner=settings.limits_owner)
    applied = report.count(ProposalState.APPLIED)
    others = sum(1 for o in report.outcomes if not o.repeated) - applied
    rows = [{"proposal": o.proposal_id, "state": str(o.state), "change": o.change_id or "", "code": o.code} for o in report.outcomes]
    rows += [{"proposal": proposal, "state": "waiting", "change": "", "code": ""} for proposal, _ in report.waiting]
    sentence = marked("{applied} applied, {others} not applied any more, {waiting} waiting")
    headline = said(sentence, applied=applied, others=others, waiting=len(report.waiting))
    if told != owners.Told():
        headline = said("{counts}; {told}", counts=headline, told=told.text())
    return Effects(key="applied", title=said("Applied"), headline=headline, rows=rows)


@outside(name="hand over open orders", task_run_name="hand over open orders")
def hand_off_orders(config: str) -> Effects:
    """List which open orders changed limits put inside or outside, from the files of the newest review; what cannot be read stays due."""
    from credit_review.adapters import keepsakes, layered, order_files

    opened = services(config)
    data = opened.settings.data
    with opened.store.read() as uow:
        review = layered.newest_of_book(uow, opened.today())
    title = said("Open orders")
    try:
        done = order_hand_off.hand_off(
            opened.store,
            opened.clock,
            zone=opened.settings.zone,
            make=lambda asked: order_files.list_orders(data, review, asked),
            keep=lambda name, text: keepsakes.keep(data, keepsakes.ORDER_LISTS, name, text),
            taken=opened.settings.write_back.orders,
        )
    except (CreditReviewError, OSError) as error:
        return Effects(key="orders", title=title, headline=said("not handed over yet: {why}", why=str(error)))
    if not opened.settings.write_back.orders:
        return Effects(key="orders", title=title, headline=said("no ERP takes lists of orders (`write_back.orders` in settings.yaml)"))
    rows = [{"batch": one, "outcome": "listed"} for one in done.batches]
    names = {"release": "release", "outside": "outside", "unknown": "not_computable"}
    counts = {name: done.lines.get(found, 0) for name, found in names.items()}
    headline = said("{release} order(s) may be released, {outside} outside the limit, {unknown} customer(s) not computable", **counts)
    return Effects(key="orders", title=title, headline=headline, rows=rows)


@outside(name="draft letters", task_run_name="draft letters")
def draft_letters(config: str) -> Effects:
    """Draft the letters to customers that policy asks for; what cannot be written stays owed, and the reason is said."""
    from credit_review.adapters import layered, letter_files

    opened = services(config)
    with opened.store.read() as uow:
        review = layered.newest_of_book(uow, opened.today())
    title = said("Letters")
    try:
        done = customer_letters.draft(
            opened.store,
            opened.clock,
            zone=opened.settings.zone,
            segments=lambda customers: letter_files.segments(opened.settings.data, review, customers),
            write=lambda wanted: letter_files.write(opened.settings, opened.today(), wanted),
        )
    except (CreditReviewError, OSError) as error:
        return Effects(key="letters", title=title, headline=said("not drafted yet: {why}", why=str(error)))
    rows = [{"letter": one, "outcome": "drafted"} for one in done.letters]
    counts = {"n": len(done.letters), "notices": done.notices}
    headline = said("{n} letter(s) drafted for a person to release, {notices} told by a notice of adverse action instead", **counts)
    return Effects(key="letters", title=title, headline=headline, rows=rows)


@outside(name="deliver what is owed", task_run_name="deliver what is owed")
def relay_outbox(config: str) -> Effects:
    """Deliver queued effects to the ERP and to Slack."""
    opened = services(config)
    report = relay.relay(opened.store, _outside(opened), opened.clock, worker=f"relay-{os.getpid()}")
    rows = [
        {"effect": one, "outcome": name}
        for name, ids in (("confirmed", report.confirmed), ("delayed", report.delayed), ("parked", report.parked))
        for one in ids
    ]
    now = opened.clock.now()
    with opened.store.read() as uow:
        queued = uow.find(OutboxEntry, kind=ERP, state=OutboxState.QUEUED, attempts=0)
    later = sum(one.not_before > now for one in queued if one.outbox_id not in report.delayed)
    counts = {"confirmed": len(report.confirmed), "delayed": len(report.delayed), "parked": len(report.parked)}
    headline = said("{confirmed} delivered, {delayed} to be tried again, {parked} parked for a person", **counts)
    if later:
        headline = said("{counts}, {later} kept until the day they take effect", counts=headline, later=later)
    return Effects(key="delivered", title=said("Delivered"), headline=headline, rows=rows)


@outside(name="compare with the ERP", task_run_name="compare with the ERP")
def reconcile(config: str) -> Effects:
    """Read the ERP back and compare it with the limits in force."""
    opened = services(config)
    write_back = open_write_back(opened.settings)
    if write_back is None:
        return Effects(key="reconciled", title=said("Compared with the ERP"), headline=said("no ERP is configured, nothing to compare"))
    report = relay.reconcile(opened.store, write_back, opened.clock, owner_id=opened.settings.limits_owner, zone=opened.settings.zone)
    rows = [{"difference": one, "outcome": "found"} for one in report.found]
    rows += [{"difference": one, "outcome": "settled"} for one in report.settled]
    sentence = marked("{compared} limits compared with the ERP: {found} differ, {on_the_way} on their way")
    headline = said(sentence, compared=report.compared, found=len(report.found), on_the_way=report.on_the_way)
    return Effects(key="reconciled", title=said("Compared with the ERP"), headline=headline, rows=rows)


@outside(name="sweep what time has changed", task_run_name="sweep what time has changed")
def sweep(config: str) -> Effects:
    """Expire, revert, escalate and settle what is due."""
    opened = services(config)
    keeping.take_up_reads(opened.store, opened.clock)
    company = followup.Company(calendar=opened.settings.working_days(), zone=opened.settings.zone)
    report = sweeping.sweep(opened.store, opened.clock, company=company)
    with opened.store.begin(interactive=False) as uow:
        over = models.retire_due(uow, on=opened.today(), now=opened.clock.now())
        late = _late_notices(uow, opened, company)
        uow.commit()
    rows = [{"model": f"{one.model_id}/{one.version}", "outcome": "retired"} for one in over]
    rows += [{"finding": one, "outcome": "notice overdue"} for one in late]
    return Effects(key="swept", title=said("Swept"), headline=report.text(), rows=rows)


def _late_notices(uow: UnitOfWork, opened: Services, company: followup.Company) -> tuple[str, ...]:
    """Findings that are new of notices to customers, or answers, which were not given in time."""
    now = opened.clock.now()
    try:
        rules = policy_in_force(uow, now).adverse_action
    except Refused:
        return ()
    found = adverse_actions.cases(uow, rules, zone=company.zone)
    alarms = adverse_actions.overdue(found, opened.today(), adverse.clock_of(rules))
    done = findings.open_for(uow, alarms, company, now)
    return (*done.opened, *done.reopened)


@outside(name="ask again", task_run_name="ask again")
def follow_up(config: str) -> Effects:
    """Remind, put before others, and owe the daily messages."""
    opened = services(config)
    settings = opened.settings
    company = followup.Company(calendar=settings.working_days(), zone=settings.zone)
    to = settings.slack.destinations()
    report = followup.follow_up(opened.store, opened.clock, company, to, limits_owner=settings.limits_owner)
    rows = [{"proposal": one, "outcome": "put before others"} for one in report.escalated]
    return Effects(key="asked-again", title=said("Asked again"), headline=report.text(), rows=rows)


@outside(name="look up insurance tasks", task_run_name="look up insurance tasks")
def insurance(config: str) -> Effects:
    """What insurance asks for in the days ahead, by the newest review of the book; says so where its files are not to be had."""
    from credit_review.adapters import layered

    opened = services(config)
    with opened.store.read() as uow:
        review = layered.newest_of_book(uow, opened.today())
    title = said("Insurance")
    try:
        found = layered.insurance_tasks(opened.settings.data, review) if review else []
    except (CreditReviewError, OSError) as error:
        return Effects(key="insurance", title=title, headline=said("not looked up: {why}", why=str(error)))
    rows = [{"until": t.due.isoformat(), "customer": t.customer_id, "reference": t.reference, "task": t.kind} for t in found]
    overdue = sum(t.due < opened.today() for t in found)
    headline = said("{n} task(s) of insurance ahead, {overdue} of them overdue", n=len(rows), overdue=overdue)
    return Effects(key="insurance", title=title, headline=headline, rows=rows)


def _outside(opened: Services) -> relay.Outside:
    chat = open_chat(opened.settings)
    return relay.Outside(
        write_back=open_write_back(opened.settings),
        orders=open_order_desk(opened.settings),
        chat=chat,
        render=messages.renderer(opened.clock, messages.Company(opened.settings.words())) if chat else None,
        teams=opened.settings.slack.team_ids,
        owner_id=opened.settings.limits_owner,
    )
