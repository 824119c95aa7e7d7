"""`review ...`, `report` and `request`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

import typer

from credit_review import messages
from credit_review.errors import BadInput, CreditReviewError, Refused, ReviewStopped
from credit_review.model.money import format_minor
from credit_review.model.records import Proposal, Review, RiskKept
from credit_review.model.states import ReviewState
from credit_review.ports import UnitOfWork
from credit_review.review import close as closing
from credit_review.review import lifecycle
from credit_review.review.request import unfinished_request
from credit_review.words import ENGLISH
from deployments.cli.frame import names_of, services, show_json, show_pairs, show_table
from deployments.cli.governing import me
from deployments.cli.watching import starting, watched


def run(
    config: Path,
    *,
    as_of: date | None = None,
    scope: str = "all",
    supersede: str = "",
    resume: str = "",
    by: str = "",
    as_json: bool = False,
) -> None:
    """Run or resume a review through the flow that the scheduler runs; as `by`, or as whoever is signed in."""
    before = _newest(config)
    try:
        _say_what_is_newer(config, as_of, scope)
        message = run_flow(config, as_of=as_of, scope=scope, supersede=supersede, resume=resume, by=by or _who(config))
    except CreditReviewError as error:
        _say_how_to_go_on(config, error)
        raise
    newest = _newest(config)
    ran = _by_id(config, resume) if resume else newest if newest != before else None
    if as_json:
        show_json({"message": message, **(_result(config, ran) if ran else {})})
        return
    typer.echo(message)
    if ran is not None:
        typer.echo(f"review {ran.review_id} is {ran.state}; report: {report_path(config, ran.review_id)}")
        held = ran.hold and not ran.hold_released_by
        next_step = f'`credit-review review confirm {ran.review_id} --reason "..."`' if held else "`credit-review inbox`"
        typer.echo(f"next: {next_step} {'once you know that the extract is complete' if held else 'shows what awaits you'}")


def _who(config: Path) -> str:
    """The signed-in person's id; empty where nobody is known, as for a service account."""
    opened = services(config)
    with suppress(CreditReviewError), opened.store.read() as uow:
        return me(opened, uow, "").person_id
    return ""


def _say_what_is_newer(config: Path, as_of: date | None, scope: str) -> None:
    """Warn that a review of an earlier day proposes nothing where a newer review's proposals are open."""
    if as_of is None:
        return
    with suppress(CreditReviewError), services(config).store.read() as uow:
        ended = (ReviewState.SUPERSEDED, ReviewState.CLOSED)
        newer = [r for r in uow.find(Review, scope=scope, order_by=("as_of",)) if r.as_of > as_of and r.state not in ended]
        if newer:
            words = f"review {newer[-1].review_id} as of {newer[-1].as_of} is newer than {as_of}"
            typer.echo(f"warning: {words}: where its proposals are open, this review proposes nothing", err=True)


def _result(config: Path, review: Review) -> dict[str, str]:
    return {"review": review.review_id, "state": review.state, "report": str(report_path(config, review.review_id))}


def _by_id(config: Path, review_id: str) -> Review:
    with services(config).store.read() as uow:
        return lifecycle.review_of(uow, review_id)


def _say_how_to_go_on(config: Path, error: CreditReviewError) -> None:
    """Name the review that the error has stopped, since it is on record and waits to be resumed; a refused start stops none."""
    stopped: Review | None = None
    with suppress(CreditReviewError):  # without a configuration or a database there is no review either
        stopped = None if isinstance(error, Refused) else _newest(config)
    if stopped is not None and stopped.state == ReviewState.FAILED and not unfinished_request(stopped):
        go_on = f"then `credit-review review resume {stopped.review_id}` goes on from the last good state"
        error.next_step = f"{error.next_step}; {go_on}" if error.next_step else go_on


def run_flow(config: Path, *, as_of: date | None = None, scope: str = "all", supersede: str = "", resume: str = "", by: str = "") -> str:
    """What the flow says at its end; `by` is the person who runs it, empty for none. Raises the CreditReviewError that stopped it."""
    with watched():
        starting()
        from flows.periodic_review import periodic_review
        from tasks import prepare

        with prepare.acting_as(by or prepare.SYSTEM):
            state: Any = periodic_review(
                config=str(config.resolve()), as_of=as_of, scope=scope, supersede=supersede, resume=resume, return_state=True
            )
    _raise_failure(state)
    return str(state.message)


def _raise_failure(state: Any) -> None:
    """Return if a flow run completed; otherwise raise what stopped it."""
    if state.is_failed() or state.is_crashed():
        error = state.result(raise_on_failure=False)
        if isinstance(error, CreditReviewError):
            raise error
        state.result()


def report_path(config: Path, review_id: str) -> Path:
    """Where the report of a review is."""
    return services(config).settings.data / "reviews" / review_id / "report.html"


def _newest(config: Path) -> Review | None:
    with services(config).store.read() as uow:
        found = uow.find(Review, order_by=("started_at",))
    return found[-1] if found else None


def show(config: Path, review_id: str, *, as_json: bool) -> None:
    """State, counts, what is open."""
    with services(config).store.read() as uow:
        review = lifecycle.review_of(uow, review_id)
        counts = _counts(uow, review_id)
        undecided = uow.find(RiskKept, review_id=review_id, decided_at=None)
        names = names_of(uow)
    if as_json:
        risks = [r.proposal_id for r in undecided]
        shown = {name: value for name, value in asdict(review).items() if name != "manifest_json"}
        show_json({**shown, "proposals": counts, "risk_kept_undecided": risks, "report": str(report_path(config, review_id))})
        return
    started = names.get(review.started_by, review.started_by)
    show_pairs(
        {
            "review": f"{review.review_id} {review.label} as of {review.as_of}, scope {review.scope}, attempt {review.attempt}",
            "started": f"{review.started_at:%Y-%m-%d %H:%M} UTC by {'the scheduler' if started.startswith('system:') else started}",
            "state": review.state + (f" ({review.failure})" if review.failure else "") + _closed(review, names),
            "held": _held(review, names),
            "manifest": review.manifest_digest,
            "proposals": ", ".join(f"{count} {state}" for state, count in counts.items()) or "none",
            "reductions that did not happen, undecided": ", ".join(r.proposal_id for r in undecided[:5]) or "none",
            "report": str(report_path(config, review_id)),
        }
    )


def _held(review: Review, names: Mapping[str, str]) -> str:
    if not review.hold:
        return "no"
    released = review.hold_released_by
    return f"no longer, {names.get(released, released)} confirmed the extract ({review.hold})" if released else review.hold


def _closed(review: Review, names: Mapping[str, str]) -> str:
    return f" by {names.get(review.closed_by, review.closed_by)} on {review.closed_at:%Y-%m-%d}" if review.closed_at else ""


def _counts(uow: UnitOfWork, review_id: str) -> dict[str, int]:
    counts: dict[str, int] = {}
    for proposal in uow.find(Proposal, review_id=review_id):
        counts[proposal.state] = counts.get(proposal.state, 0) + 1
    return dict(sorted(counts.items()))


def list_all(config: Path, *, as_json: bool) -> None:
    """All reviews, newest first."""
    with services(config).store.read() as uow:
        found = sorted(uow.find(Review), key=lambda r: r.started_at, reverse=True)
    if as_json:
        show_json([{"review_id": r.review_id, "label": r.label, "as_of": r.as_of, "scope": r.scope, "state": r.state} for r in found])
        return
    rows = [[r.review_id, r.label, str(r.as_of), r.scope, r.state, f"{r.started_at:%Y-%m-%d %H:%M}"] for r in found]
    show_table("Reviews", ["review", "label", "as of", "scope", "state", "started (UTC)"], rows)


def confirm(config: Path, review_id: str, *, reason: str, as_person: str, as_json: bool) -> None:
    """Confirm the extract of a held review, then route it."""
    opened = services(config)
    with opened.store.begin() as uow:
        person = me(opened, uow, as_person)
        known = lifecycle.review_of(uow, review_id)
        lifecycle.confirm_extract(uow, review_id, person_id=person.person_id, reason=reason, on=opened.today(), now=opened.clock.now())
        by = names_of(uow).get(known.hold_released_by, person.name)
        uow.commit()
    if not as_json:
        typer.echo(f"{by} {'has confirmed' if known.hold_released_by else 'confirms'} the extract of {review_id}")
    if known.state in (ReviewState.ROUTED, ReviewState.SETTLED, ReviewState.CLOSED):
        show_json(_result(config, known)) if as_json else typer.echo(f"review {review_id} is {known.state} already; nothing is left to do")
        return
    run(config, resume=review_id, by=person.person_id, as_json=as_json)


def close(config: Path, review_id: str, *, statement: str, as_person: str, as_json: bool) -> None:
    """Sign a review off."""
    from tasks import reporting

    opened = services(config)
    certified = reporting.certified(str(config.resolve()), review_id)
    with opened.store.begin() as uow:
        person = me(opened, uow, as_person)
        known = lifecycle.review_of(uow, review_id)
        if known.state == ReviewState.ROUTED:
            closing.settle(uow, review_id, by=person.person_id)
        now = opened.clock.now()
        signed = closing.close(
            uow, review_id, person_id=person.person_id, statement=statement, certified=certified, on=opened.today(), now=now
        )
        names = names_of(uow)
        uow.commit()
    if as_json:
        show_json(signed)
        return
    by = names.get(known.closed_by, person.name)
    show_pairs({"closed": f"{review_id} by {by}{' already' if known.closed_by else ''}", **_signed(signed, names)})


def _signed(signed: closing.SignOff, names: Mapping[str, str]) -> dict[str, str]:
    """What was signed, in words."""
    by_rule = (
        f"{count} in {currency} (limits {format_minor(before, currency)} to {format_minor(after, currency)})"
        for currency, (count, before, after) in signed.automatic.items()
    )
    risks = (f"{format_minor(r[3], r[2])} of {r[1]} by {names.get(r[4], r[4])} until {r[5]}" for r in signed.risks_kept)
    return {
        "certificate": signed.certificate,
        "customers": ", ".join(f"{count} {state}" for state, count in signed.customers.items()),
        "quarantined rows": str(signed.quarantined_rows),
        "proposals": ", ".join(f"{count} {state}" for state, count in signed.proposals.items()) or "none",
        "approved by rule": ", ".join(by_rule) or "none",
        "deferred": ", ".join(f"{customer} by {names.get(who, who)} until {day}" for customer, who, day in signed.deferrals) or "none",
        "excluded": ", ".join(f"{customer} ({rule})" for customer, rule in signed.exclusions) or "none",
        "risk kept": ", ".join(risks) or "none",
        "differences to the ERP": ", ".join(f"{one[0]} (owner {names.get(one[2], one[2])})" for one in signed.erp_differences) or "none",
        "deliveries parked": str(len(signed.parked)) if signed.parked else "none",
    }


def write_report(config: Path, review_id: str, *, as_json: bool = False) -> None:
    """Write the report again, as the record stands."""
    from tasks import reporting

    chosen = review_id
    if not chosen:
        newest = _newest(config)
        if newest is None:
            raise BadInput("there is no review yet", next_step="run `credit-review review run`")
        chosen = newest.review_id
    path = reporting.write_again(str(config.resolve()), chosen)
    if as_json:
        show_json({"review": chosen, "report": str(path)})
    else:
        typer.echo(str(path))


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request as typed; an empty amount asks for what the engine finds."""

    customer: str
    amount: str
    reason: str
    until: date | None = None
    terms: int | None = None


def request(config: Path, asked: Asked, *, as_person: str, as_json: bool) -> None:
    """Ask for a limit outside the schedule: a review of one customer."""
    opened = services(config)
    with opened.store.read() as uow:
        person = me(opened, uow, as_person)
    before = _newest(config)
    typed = {"customer_id": asked.customer, "amount": asked.amount, "until": asked.until, "terms_days": asked.terms}
    about = {"config": str(config.resolve()), **typed, "reason": asked.reason, "person_id": person.person_id}
    with watched():
        from flows.limit_request import limit_request
        from tasks import requests

        requests.understand.fn(**about)  # what makes no sense is said at once, before Prefect starts
        starting()
        state: Any = limit_request(**about, return_state=True)
    _raise_failure(state)
    review = _newest(config)
    if review is None or review == before:
        raise ReviewStopped("the request left no review", next_step="ask again")
    _say_requested(config, review, as_json=as_json)


def _say_requested(config: Path, review: Review, *, as_json: bool) -> None:
    with services(config).store.read() as uow:
        made = uow.find(Proposal, review_id=review.review_id)
        names = names_of(uow)
    if as_json:
        shown = ("proposal_id", "customer_id", "currency", "to_minor", "engine_minor", "effective_to", "state", "tier", "assigned_to")
        found = {name: getattr(p, name) for p in made for name in shown}
        show_json({"review": review.review_id, "state": review.state, **found})
        return
    for proposal in made:
        typer.echo(messages.asked(proposal, json.loads(proposal.packet_json)["customer_name"], ENGLISH))
        ends = f" until {proposal.effective_to}, then it reverts by itself" if proposal.effective_to else ""
        typer.echo(f"proposal {proposal.proposal_id}{ends}; the engine finds {format_minor(proposal.engine_minor, proposal.currency)}")
        if review.hold and not review.hold_released_by:
            typer.echo(f"held: {review.hold}; next: `credit-review review confirm {review.review_id}`")
        else:
            analyst = names.get(proposal.assigned_to, proposal.assigned_to)
            typer.echo(f"it waits for {analyst} to release it; then it takes {proposal.required_approvals} approval(s) of {proposal.tier}")
    typer.echo(f"report: {report_path(config, review.review_id)}")
