"""`review ...`, `report` and `request`."""

from __future__ import annotations

from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Any

import typer

from credit_review.errors import BadInput, CreditReviewError, Refused
from credit_review.model.records import Proposal, Review, RiskKept
from credit_review.model.states import ReviewState
from credit_review.ports import UnitOfWork
from credit_review.review import close as closing
from credit_review.review import lifecycle
from deployments.cli.frame import services, show_json, show_pairs, show_table
from deployments.cli.governing import me
from deployments.cli.watching import watched


def run(
    config: Path, *, as_of: date | None = None, scope: str = "all", supersede: str = "", resume: str = "", as_json: bool = False
) -> None:
    """Run or resume a review through the flow that the scheduler runs."""
    try:
        message = run_flow(config, as_of=as_of, scope=scope, supersede=supersede, resume=resume)
    except CreditReviewError as error:
        _say_how_to_go_on(config, error)
        raise
    if as_json:
        show_json({"message": message})
        return
    typer.echo(message)
    newest = _newest(config)
    if newest is not None:
        typer.echo(f"review {newest.review_id} is {newest.state}; report: {report_path(config, newest.review_id)}")
        typer.echo("next: `credit-review inbox` shows what awaits you")


def _say_how_to_go_on(config: Path, error: CreditReviewError) -> None:
    """Name the review that the error has stopped, since it is on record and waits to be resumed; a refused start stops none."""
    stopped: Review | None = None
    with suppress(CreditReviewError):  # without a configuration or a database there is no review either
        stopped = None if isinstance(error, Refused) else _newest(config)
    if stopped is not None and stopped.state == ReviewState.FAILED:
        go_on = f"then `credit-review review resume {stopped.review_id}` goes on from the last good state"
        error.next_step = f"{error.next_step}; {go_on}" if error.next_step else go_on


def run_flow(config: Path, *, as_of: date | None = None, scope: str = "all", supersede: str = "", resume: str = "") -> str:
    """What the flow says at its end. Raises the CreditReviewError that stopped it."""
    with watched():
        from flows.periodic_review import periodic_review

        state: Any = periodic_review(
            config=str(config.resolve()), as_of=as_of, scope=scope, supersede=supersede, resume=resume, return_state=True
        )
    if state.is_failed() or state.is_crashed():
        error = state.result(raise_on_failure=False)
        if isinstance(error, CreditReviewError):
            raise error
        state.result()
    return str(state.message)


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
        undecided = len(uow.find(RiskKept, review_id=review_id, decided_at=None))
    if as_json:
        show_json({"review": review, "proposals": counts, "risk_kept_undecided": undecided})
        return
    show_pairs(
        {
            "review": f"{review.review_id} {review.label} as of {review.as_of}, scope {review.scope}, attempt {review.attempt}",
            "state": review.state + (f" ({review.failure})" if review.failure else ""),
            "held": review.hold if review.hold and not review.hold_released_by else "no",
            "manifest": review.manifest_digest,
            "proposals": ", ".join(f"{count} {state}" for state, count in counts.items()) or "none",
            "reductions that did not happen, undecided": str(undecided),
            "report": str(report_path(config, review_id)),
        }
    )


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


def confirm(config: Path, review_id: str, *, reason: str, as_person: str) -> None:
    """Confirm the extract of a held review, then route it."""
    opened = services(config)
    with opened.store.begin() as uow:
        person = me(opened, uow, as_person)
        lifecycle.confirm_extract(uow, review_id, person_id=person.person_id, reason=reason, on=opened.today(), now=opened.clock.now())
        uow.commit()
    typer.echo(f"{person.name} confirms the extract of {review_id}")
    run(config, resume=review_id)


def close(config: Path, review_id: str, *, as_person: str) -> None:
    """Sign a review off."""
    from tasks import reporting

    opened = services(config)
    certified = reporting.certified(str(config.resolve()), review_id)
    with opened.store.begin() as uow:
        person = me(opened, uow, as_person)
        if lifecycle.review_of(uow, review_id).state == "routed":
            closing.settle(uow, review_id, by=person.person_id)
        signed = closing.close(
            uow,
            review_id,
            person_id=person.person_id,
            statement=f"closed by {person.person_id} from the command line",
            certified=certified,
            on=opened.today(),
            now=opened.clock.now(),
        )
        uow.commit()
    show_pairs(
        {
            "closed": f"{review_id} by {person.name}",
            "certificate": signed.certificate,
            "customers": ", ".join(f"{count} {state}" for state, count in signed.customers.items()),
            "quarantined rows": str(signed.quarantined_rows),
            "proposals": ", ".join(f"{count} {state}" for state, count in signed.proposals.items()),
            "approved by rule": ", ".join(f"{one[0]} in {currency}" for currency, one in signed.automatic.items()) or "none",
            "deferred": str(len(signed.deferrals)),
            "risk kept": str(len(signed.risks_kept)),
        }
    )


def write_report(config: Path, review_id: str) -> None:
    """Write the report again, as the record stands."""
    from tasks import reporting

    chosen = review_id
    if not chosen:
        newest = _newest(config)
        if newest is None:
            raise BadInput("there is no review yet", next_step="run `credit-review review run`")
        chosen = newest.review_id
    typer.echo(str(reporting.write_again(str(config.resolve()), chosen)))


def request(config: Path, customer: str, *, amount: str, until: date | None, terms: int | None, reason: str, as_person: str) -> None:
    """Ask for a limit outside the schedule: a review of one customer."""
    opened = services(config)
    with opened.store.read() as uow:
        person = me(opened, uow, as_person)
    with watched():
        from flows.limit_request import limit_request

        state: Any = limit_request(
            config=str(config.resolve()),
            customer_id=customer,
            amount=amount,
            until=until,
            terms_days=terms,
            reason=reason,
            person_id=person.person_id,
            return_state=True,
        )
    if not state.is_completed():
        state.result()
    typer.echo(str(state.message))
