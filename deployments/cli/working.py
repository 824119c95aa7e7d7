"""`inbox`, `show`, `release`, `decide` and their neighbours: the analyst's and the approver's day."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, tzinfo
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import uuid4

import typer

from credit_review import authority, messages
from credit_review.adapters.wiring import Services
from credit_review.errors import BadInput, Refused
from credit_review.limits.explain import FITS_THE_RULE
from credit_review.model.money import format_minor, typed
from credit_review.model.records import Decision, ErpDifference, Maker, Note, Proposal, RiskKept
from credit_review.model.states import ConditionKind, ProposalState, Verdict
from credit_review.ports import UnitOfWork
from credit_review.review import close
from credit_review.review import release as releasing
from credit_review.review.conditions import ConditionAsked
from credit_review.review.counter import CounterOffer
from credit_review.review.decide import DecideCommand, Outcome
from credit_review.review.decide import decide as answer
from credit_review.review.inbox import awaiting
from credit_review.review.release import Analyst
from credit_review.review.route import Rules
from credit_review.review.standing import gather, matrix_in_force, policy_in_force
from credit_review.words import ENGLISH, unpacked
from deployments.cli.frame import acting, counted, names_of, services, show_json, show_pairs, show_table
from deployments.cli.governing import me

MOST_LISTED = 50
_REDUCTIONS = "\na reduction among them is now a risk kept, which somebody else must answer for (`credit-review risk-kept`)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """What `release` changes on the way. Amounts as typed, in major units."""

    amend: str = ""
    terms_days: int | None = None
    comment: str = ""
    attachments: tuple[Path, ...] = ()
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counter:
    """A counter-offer as typed."""

    amount: str = ""
    terms_days: int | None = None
    until: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Why:
    """What goes with an answer as typed: text, code, and conditions as KIND:DATE[:TEXT]."""

    reason: str = ""
    code: str = ""
    conditions: tuple[str, ...] = ()


def inbox(config: Path, *, as_person: str, as_json: bool) -> None:
    """What awaits me."""
    opened = services(config)
    with opened.store.read() as uow:
        person = me(opened, uow, as_person)
        drafts = releasing.worklist(uow, Analyst(person_id=person.person_id, now=opened.clock.now(), today=opened.today()))
        mine = awaiting(uow, person.person_id, opened.clock.now(), zone=opened.settings.zone)
        risks = uow.find(RiskKept, decided_at=None, order_by=("raised_at", "proposal_id"))
        differences = uow.find(ErpDifference, settled_at=None, owner_id=person.person_id)
        customers = _customer_names(uow, [r.proposal_id for r in risks])
    if as_json:
        found = {"person": person.person_id, "release": _brief(drafts), "decide": _brief(mine)}
        show_json({**found, "risk": [r.proposal_id for r in risks], "differences": [d.difference_id for d in differences]})
        return
    parts = f"{len(drafts)} to release, {len(mine)} to decide, {counted(len(risks), 'reduction')} that did not happen"
    typer.echo(f"{person.name}: {parts}, {counted(len(differences), 'difference')} to the ERP")
    for title, proposals in (
        ("To release (credit-review release PROPOSAL...)", drafts),
        ("To decide (credit-review decide PROPOSAL approve)", mine),
    ):
        if proposals:
            _list(title, proposals)
    if risks:
        rows = [[r.proposal_id, customers[r.proposal_id], format_minor(r.amount_minor, r.currency), r.cause] for r in risks[:MOST_LISTED]]
        title = "Risk kept, to answer for (credit-review risk-kept PROPOSAL)"
        show_table(title, ["proposal", "customer", "amount", "cause"], rows, right=("amount",))
        _more(len(risks))
    if differences:
        typer.echo("differences to the ERP: `credit-review differences list`")


def _customer_names(uow: UnitOfWork, proposal_ids: Sequence[str]) -> dict[str, str]:
    found = uow.find(Proposal, proposal_id=list(proposal_ids)) if proposal_ids else []
    return {p.proposal_id: f"{_called(p)} ({p.customer_id})" for p in found}


def _called(proposal: Proposal) -> str:
    """The customer's name; its id where the ledger has no names."""
    return messages.cleaned(json.loads(proposal.packet_json)["customer_name"], 40) or proposal.customer_id


def _more(total: int) -> None:
    if total > MOST_LISTED:
        typer.echo(f"... and {total - MOST_LISTED} more (--json lists all)")


def _brief(proposals: Sequence[Proposal]) -> list[dict[str, Any]]:
    names = ("proposal_id", "customer_id", "direction", "currency", "from_minor", "to_minor", "tier", "state", "expires_at")
    return [{name: getattr(p, name) for name in names} for p in proposals]


def _list(title: str, proposals: Sequence[Proposal]) -> None:
    """Proposals as a table; columns that say nothing of any of them are left out."""
    columns = ("proposal", "customer", "way", "from", "to", "terms", "grade", "tier", "expires")
    rows = [_line(p) for p in proposals[:MOST_LISTED]]
    said = [at for at in range(len(columns)) if any(row[at] for row in rows)]
    show_table(title, [columns[at] for at in said], [[row[at] for at in said] for row in rows], right=("from", "to"))
    _more(len(proposals))


def _line(p: Proposal) -> list[str]:
    terms = p.terms_days if p.terms_days != p.from_terms_days and p.from_minor is not None else None
    return [
        p.proposal_id,
        _called(p),
        p.direction,
        "none" if p.from_minor is None else format_minor(p.from_minor, p.currency),
        format_minor(p.to_minor, p.currency) + (f" until {p.effective_to}" if p.effective_to else ""),
        "" if terms is None else f"{terms} days",
        p.grade,
        p.tier or "no rate",
        f"{p.expires_at:%Y-%m-%d}" if p.expires_at else "",
    ]


def show(config: Path, proposal_id: str, *, as_json: bool) -> None:
    """One proposal with everything behind it."""
    opened = services(config)
    now = opened.clock.now()
    with opened.store.read() as uow:
        proposal = found(uow, proposal_id)
        packet = json.loads(proposal.packet_json)
        standing = gather(uow, proposal_id, matrix_in_force(uow, now), now, zone=opened.settings.zone)
        judgement = authority.judge(standing, matrix_in_force(uow, now), now)
        notes = uow.find(Note, proposal_id=proposal_id, order_by=("at",))
        makers = uow.find(Maker, proposal_id=proposal_id, order_by=("at",))
        people = names_of(uow)
    if as_json:
        show_json({"state": proposal.state, "digest": proposal.digest, "packet": packet, "who_may": judgement.who_may})
        return
    typer.echo(messages.asked(proposal, packet["customer_name"], ENGLISH))
    show_pairs({label: messages.cleaned(text, 300) for label, text in messages.figures(packet, ENGLISH)})
    typer.echo("\nWhy this amount")
    show_pairs(dict(_why(proposal, packet)))
    names = [standing.persons[p].name if p in standing.persons else p for p in judgement.who_may]
    typer.echo(f"\n{proposal.state}; {judgement.tier}, {judgement.approvals_given} of {judgement.approvals_needed} approvals")
    if proposal.state in (ProposalState.DRAFT, ProposalState.PENDING):
        because = ", ".join(judgement.because).replace("_", " ")
        typer.echo(
            f"may approve{' once released' * (proposal.state == ProposalState.DRAFT)}: {', '.join(names) or 'nobody now'} ({because})"
        )
    _history(standing.decisions, notes, makers, people, opened.settings.zone)
    typer.echo(f"packet digest {proposal.digest}")


def _why(proposal: Proposal, packet: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Label and text of each step to the amount; of the straight-through rule, whether it carried the proposal on record."""
    for label, figure in packet["derivation"]:
        name, text = unpacked(label), unpacked(figure)
        if name == FITS_THE_RULE and not proposal.straight_through_rule:
            text += "; a person decides all the same: beyond the rule, such as by the sum of the group"
        yield f"  {name}", text


def _history(
    decisions: Sequence[Decision], notes: Sequence[Note], makers: Sequence[Maker], people: Mapping[str, str], zone: tzinfo
) -> None:
    """What people did, oldest first, by name."""
    lines = [(m.at, f"{people.get(m.person_id, m.person_id)} {m.how} it") for m in makers]
    for note in notes:
        file = f" (SHA-256 {note.sha256})" if note.sha256 else ""
        lines.append((note.at, f"{people.get(note.person_id, note.person_id)}, {note.kind}: {messages.cleaned(note.text, 300)}{file}"))
    for one in decisions:
        behalf = f" for {people.get(one.on_behalf_of, one.on_behalf_of)}" if one.on_behalf_of else ""
        why = f": {messages.cleaned(one.reason, 300)}" if one.reason else ""
        lines.append((one.at, f"{people.get(one.approver_id, one.approver_id)}{behalf} answered {one.verdict}{why}"))
    for at, text in sorted(lines):
        typer.echo(f"{at.astimezone(zone):%Y-%m-%d %H:%M} {text}")


def release(config: Path, proposals: Sequence[str], edit: Edit, *, keep: bool, as_person: str, as_json: bool) -> None:
    """Comment, attach and amend, then release; all or nothing."""
    opened = services(config)
    with opened.store.begin() as uow:
        by = analyst(opened, uow, as_person)
        for proposal_id in proposals:
            _edit(uow, proposal_id, edit, by)
        released = [] if keep else releasing.release(uow, list(proposals), rules(opened, uow), by)
        uow.commit()
    if as_json:
        show_json({"released": _brief(released), "kept": list(proposals) if keep else []})
        return
    for proposal in released:
        needed = counted(proposal.required_approvals, "approval")
        typer.echo(f"{proposal.proposal_id} is with the approvers: {proposal.tier}, {needed}, until {proposal.expires_at:%Y-%m-%d}")
    if keep:
        typer.echo(f"kept in the worklist: {', '.join(proposals)}")


def _edit(uow: UnitOfWork, proposal_id: str, edit: Edit, by: Analyst) -> None:
    if edit.amend or edit.terms_days is not None:
        draft = found(uow, proposal_id)
        amount = typed(edit.amend, draft.currency) if edit.amend else draft.to_minor
        releasing.amend(uow, proposal_id, to_minor=amount, terms_days=edit.terms_days, reason=edit.reason, by=by)
    if edit.comment:
        releasing.comment(uow, proposal_id, edit.comment, by)
    for path in edit.attachments:
        releasing.attach(uow, proposal_id, name=path.name, sha256=sha256(path.read_bytes()).hexdigest(), by=by)


def defer(config: Path, proposals: Sequence[str], *, until: date, reason: str, as_person: str, as_json: bool) -> None:
    """Put drafts off; the analyst owns the date."""
    opened = services(config)
    with opened.store.begin() as uow:
        by = analyst(opened, uow, as_person)
        for proposal_id in proposals:
            releasing.defer(uow, proposal_id, until=until, owner_id=by.person_id, reason=reason, by=by)
        uow.commit()
    if as_json:
        show_json({"deferred": list(proposals), "until": until})
    else:
        typer.echo(f"deferred until {until}: {', '.join(proposals)}{_REDUCTIONS}")


def exclude(config: Path, proposals: Sequence[str], *, rule: str, until: date | None, reason: str, as_person: str, as_json: bool) -> None:
    """Exclude the customers of drafts by a named rule."""
    opened = services(config)
    with opened.store.begin() as uow:
        by = analyst(opened, uow, as_person)
        for proposal_id in proposals:
            releasing.exclude(uow, proposal_id, rule=rule, reason=reason, by=by, until=until)
        uow.commit()
    if as_json:
        show_json({"excluded": list(proposals), "rule": rule, "until": until})
    else:
        ends = f" until {until}" if until else ""
        typer.echo(f"excluded{ends} by rule {rule!r}: {', '.join(proposals)}{_REDUCTIONS}")


def decide_one(
    config: Path,
    proposal_id: str,
    verdict: str,
    counter: Counter,
    why: Why,
    *,
    on_behalf_of: str,
    digest: str,
    as_person: str,
    as_json: bool,
) -> None:
    """Answer a proposal; exit code 4 when it is refused."""
    opened = services(config)
    kind, account = acting(opened, as_person)
    outcome = decide(opened, (kind, account), proposal_id, verdict, counter, why, on_behalf_of=on_behalf_of or None, digest=digest)
    if as_json:
        show_json(outcome)
    else:
        typer.echo(outcome.text)
        if outcome.successor_id:
            typer.echo(f"the new proposal is {outcome.successor_id}")
    if not outcome.accepted:
        raise SystemExit(Refused.exit_code)


def decide(
    opened: Services,
    account: tuple[str, str],
    proposal_id: str,
    verdict: str,
    counter: Counter,
    why: Why,
    *,
    on_behalf_of: str | None = None,
    digest: str = "",
) -> Outcome:
    """The outcome of an answer from the command line, through the decision function that Slack uses."""
    try:
        chosen = Verdict(verdict)
    except ValueError:
        raise BadInput(f"unknown verdict {verdict!r}", expected=", ".join(Verdict)) from None
    with opened.store.read() as uow:
        proposal = found(uow, proposal_id)
    offer = None
    if chosen == Verdict.COUNTER:
        amount = typed(counter.amount, proposal.currency) if counter.amount else None
        offer = CounterOffer(to_minor=amount, terms_days=counter.terms_days, effective_to=counter.until)
    command = DecideCommand(
        delivery_key=f"cli:{uuid4()}",
        proposal_id=proposal_id,
        digest=digest or proposal.digest,
        verdict=chosen,
        account_kind=account[0],
        account=account[1],
        channel="cli",
        reason=why.reason,
        reason_code=why.code,
        conditions=tuple(_condition(text) for text in why.conditions),
        on_behalf_of=on_behalf_of,
        counter=offer,
        signed_in=True,
    )
    with opened.store.begin() as uow:
        return answer(command, uow, opened.clock.now(), zone=opened.settings.zone, to=opened.settings.slack.destinations())


def _condition(text: str) -> ConditionAsked:
    """A condition as typed. Raises BadInput when it is none."""
    kind, _, rest = text.partition(":")
    due, _, what = rest.partition(":")
    try:
        return ConditionAsked(kind=ConditionKind(kind), text=what, due=date.fromisoformat(due))
    except ValueError:
        kinds = ", ".join(ConditionKind)
        raise BadInput(
            f"{text!r} is no condition", expected=f"KIND:DATE[:TEXT], KIND one of {kinds}, such as overdue_paid:2026-12-31"
        ) from None


def keep_risk(config: Path, proposal_id: str, *, until: date, reason: str, as_person: str, as_json: bool) -> None:
    """Answer for a reduction that did not happen."""
    opened = services(config)
    with opened.store.begin() as uow:
        person = me(opened, uow, as_person)
        kept = close.decide_risk_kept(
            uow, proposal_id, person_id=person.person_id, reason=reason, until=until, on=opened.today(), now=opened.clock.now()
        )
        uow.commit()
    if as_json:
        show_json(kept)
    else:
        typer.echo(f"risk kept: {format_minor(kept.amount_minor, kept.currency)} by {person.name} until {kept.until}")


def analyst(opened: Services, uow: UnitOfWork, as_person: str) -> Analyst:
    """The acting person as an analyst, now."""
    return Analyst(person_id=me(opened, uow, as_person).person_id, now=opened.clock.now(), today=opened.today())


def rules(opened: Services, uow: UnitOfWork) -> Rules:
    """What routing goes by: policy and matrix in force."""
    now = opened.clock.now()
    chosen, matrix = policy_in_force(uow, now), matrix_in_force(uow, now)
    return Rules(policy=chosen, matrix=matrix, zone=opened.settings.zone, to=opened.settings.slack.destinations())


def found(uow: UnitOfWork, proposal_id: str) -> Proposal:
    """The proposal. Raises BadInput when there is none."""
    proposal = uow.get(Proposal, proposal_id=proposal_id)
    if proposal is None:
        raise BadInput(f"no proposal {proposal_id}", expected="an id of `credit-review inbox`")
    return proposal
