"""`review ...`, `report` and `request`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import date, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import typer

from credit_review import messages
from credit_review.adapters import posting
from credit_review.calendar import WorkingCalendar
from credit_review.errors import BadInput, CreditReviewError, Refused, ReviewStopped
from credit_review.model.money import Money, typed
from credit_review.model.records import LimitAccount, Proposal, Review, RiskKept
from credit_review.model.states import Layer, ProposalState, ReviewState
from credit_review.ports import UnitOfWork
from credit_review.review import close as closing
from credit_review.review import lifecycle, override
from credit_review.review.request import later_reviews, unfinished_request
from credit_review.review.working import Company
from credit_review.words import marked, recalled, said
from deployments.cli import language
from deployments.cli.frame import joined, names_of, one_of_each, services, show_json, show_pairs, show_table, tell
from deployments.cli.governing import me, signing_as
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
        _say_what_is_newer(config, as_of)
        message = run_flow(config, as_of=as_of, scope=scope, supersede=supersede, resume=resume, by=by or _who(config))
    except CreditReviewError as error:
        _say_how_to_go_on(config, error)
        raise
    newest = _newest(config)
    ran = _by_id(config, resume) if resume else newest if newest != before else None
    if as_json:
        show_json({"message": message, **(_result(config, ran) if ran else {})})
        return
    tell(told(message))
    if ran is not None:
        path = report_path(config, ran.review_id)
        tell(said("review {review} is {state}; report: {path}", review=ran.review_id, state=said(ran.state), path=path))
        if ran.hold and not ran.hold_released_by:
            confirm = marked('next: `credit-review review confirm {review} --reason "..."` once you know that the extract is complete')
            tell(said(confirm, review=ran.review_id))
        else:
            tell(said("next: `credit-review inbox` shows what awaits you"))


_ENDS = (
    marked("{n} customers: {up} up, {down} down, {same} same, {new} new; {automatic} approved by rule, {waiting} wait for people"),
    marked("{n} customers: {up} up, {down} down, {same} same, {new} new; held until a person confirms the extract is complete"),
    marked(
        "{n} customers: {up} up, {down} down, {same} same, {new} new; {automatic} approved by rule, {waiting} wait for people; "
        "{left} left to the newer review {newer}"
    ),
    marked(
        "{n} customers: {up} up, {down} down, {same} same, {new} new; held until a person confirms the extract is complete; "
        "{left} left to the newer review {newer}"
    ),
    marked("Nothing to do: review {review} as of {day} is {state}."),
)


def told(message: str) -> str:
    """What the flow says at its end, which comes back through Prefect as plain text, as the sentence it was."""
    return next((found for template in _ENDS if (found := recalled(message, template))), message)


def _who(config: Path) -> str:
    """The signed-in person's id; empty where nobody is known, as for a service account."""
    opened = services(config)
    with suppress(CreditReviewError), opened.store.read() as uow:
        return me(opened, uow, "").person_id
    return ""


_NEWER = marked("warning: review {newer} as of {day} is newer than {as_of}: for customers it has reviewed, this review proposes nothing")


def _say_what_is_newer(config: Path, as_of: date | None) -> None:
    """Warn that a review of an earlier day proposes nothing for customers that a newer review has reviewed."""
    if as_of is None:
        return
    newer = []
    with suppress(CreditReviewError), services(config).store.read() as uow:
        newer = later_reviews(uow, as_of)
    if newer:
        tell(said(_NEWER, newer=newer[0].review_id, day=newer[0].as_of, as_of=as_of), err=True)


_POSTED = marked(
    "warning: cash is posted through {posted} only and a request is as of today, {today}: what was paid since still looks open "
    "and past due, so grade and figure may come out too low"
)


def say_how_far_posted(config: Path) -> None:
    """Warn that a request sees payments as missing that nobody has posted yet."""
    opened = services(config)
    with suppress(CreditReviewError):
        warning = posting_lags(posting.posted_through(opened.settings), opened.today(), opened.settings.working_days())
        if warning is not None:
            tell(warning, err=True)


def posting_lags(posted: date | None, today: date, working: WorkingCalendar) -> str | None:
    """That cash is not posted through the last working day before today; None where it is, or where the source does not say."""
    if posted is None or working.working_days_between(posted, today - timedelta(days=1)) == 0:
        return None
    return said(_POSTED, posted=posted, today=today)


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
        go_on = said("then `credit-review review resume {review}` goes on from the last good state", review=stopped.review_id)
        error.next_step = said("{first}; {rest}", first=error.next_step, rest=go_on) if error.next_step else go_on


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
    show_pairs(
        {
            said("review"): _fixed(review),
            said("started"): said("{moment} by {who}", moment=review.started_at, who=_starter(review, names)),
            said("state"): _state(review, names),
            said("held"): _held(review, names),
            said("manifest"): review.manifest_digest,
            said("proposals"): one_of_each(counts),
            said("reductions that did not happen, undecided"): joined([r.proposal_id for r in undecided[:5]], said("none")),
            said("report"): str(report_path(config, review_id)),
        }
    )


def _fixed(review: Review) -> str:
    sentence = marked("{review} {label} as of {day}, scope {scope}, attempt {attempt}")
    about = {"label": review.label, "day": review.as_of, "scope": review.scope, "attempt": review.attempt}
    return said(sentence, review=review.review_id, **about)


def _starter(review: Review, names: Mapping[str, str]) -> str:
    started = names.get(review.started_by, review.started_by)
    return said("the scheduler") if started.startswith("system:") else started


def _state(review: Review, names: Mapping[str, str]) -> str:
    state = said(review.state)
    if review.failure:
        state = said("{state} ({failure})", state=state, failure=review.failure)
    if review.closed_at:
        who = names.get(review.closed_by, review.closed_by)
        return said("{state} by {who} on {day}", state=state, who=who, day=review.closed_at.date())
    return state


def _held(review: Review, names: Mapping[str, str]) -> str:
    if not review.hold:
        return said("no")
    released = review.hold_released_by
    if not released:
        return review.hold
    return said("no longer, {who} confirmed the extract ({hold})", who=names.get(released, released), hold=review.hold)


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
    rows = [[r.review_id, r.label, r.as_of, r.scope, said(r.state), f"{r.started_at:%Y-%m-%d %H:%M}"] for r in found]
    columns = [said("review"), said("label"), said("as of"), said("scope"), said("state"), said("started (UTC)")]
    show_table(said("Reviews"), columns, rows)


def confirm(config: Path, review_id: str, *, reason: str, as_person: str, as_json: bool) -> None:
    """Confirm the extract of a held review, then route it."""
    opened = services(config)
    with signing_as(opened, as_person, f"review:{review_id}") as (uow, person):
        known = lifecycle.review_of(uow, review_id)
        lifecycle.confirm_extract(uow, review_id, person_id=person.person_id, reason=reason, on=opened.today(), now=opened.clock.now())
        by = names_of(uow).get(known.hold_released_by, person.name)
        uow.commit()
    if not as_json:
        before = known.hold_released_by
        sentence = marked("{who} has confirmed the extract of {review}") if before else marked("{who} confirms the extract of {review}")
        tell(said(sentence, who=by, review=review_id))
    if known.state in (ReviewState.ROUTED, ReviewState.SETTLED, ReviewState.CLOSED):
        already = said("review {review} is {state} already; nothing is left to do", review=review_id, state=said(known.state))
        show_json(_result(config, known)) if as_json else tell(already)
        return
    run(config, resume=review_id, by=person.person_id, as_json=as_json)


def close(config: Path, review_id: str, *, statement: str, as_person: str, as_json: bool) -> None:
    """Sign a review off."""
    from tasks import reporting

    opened = services(config)
    certified = reporting.certified(str(config.resolve()), review_id)
    with signing_as(opened, as_person, f"review:{review_id}") as (uow, person):
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
    sentence = marked("{review} by {who} already") if known.closed_by else marked("{review} by {who}")
    show_pairs({said("closed"): said(sentence, review=review_id, who=by), **_signed(signed, names)})


def _signed(signed: closing.SignOff, names: Mapping[str, str]) -> dict[str, Any]:
    """What was signed, in words."""

    def name(who: str) -> str:
        return names.get(who, who)

    in_currency, kept = marked("{count} in {currency} (limits {before} to {after})"), marked("{amount} of {customer} by {who} until {day}")
    by_rule = [
        said(in_currency, count=count, currency=currency, before=Money(before, currency), after=Money(after, currency))
        for currency, (count, before, after) in signed.automatic.items()
    ]
    risks = [said(kept, amount=Money(r[3], r[2]), customer=r[1], who=name(r[4]), day=r[5]) for r in signed.risks_kept]
    deferrals = [said("{customer} by {who} until {day}", customer=one, who=name(who), day=day) for one, who, day in signed.deferrals]
    differences = [said("{difference} (owner {who})", difference=one[0], who=name(one[2])) for one in signed.erp_differences]
    exclusions = [f"{customer} ({rule})" for customer, rule in signed.exclusions]
    none = said("none")
    return {
        said("certificate"): signed.certificate,
        said("customers"): one_of_each(signed.customers),
        said("quarantined rows"): signed.quarantined_rows,
        said("proposals"): one_of_each(signed.proposals),
        said("approved by rule"): joined(by_rule, none),
        said("deferred"): joined(deferrals, none),
        said("excluded"): joined(exclusions, none),
        said("risk kept"): joined(risks, none),
        said("differences to the ERP"): joined(differences, none),
        said("deliveries parked"): len(signed.parked) if signed.parked else none,
    }


def write_report(config: Path, review_id: str, *, language: str = "", as_json: bool = False) -> None:
    """Write the report again, as the record stands, and name the page in that language, or the company's."""
    from tasks import reporting

    chosen = review_id
    if not chosen:
        newest = _newest(config)
        if newest is None:
            raise BadInput(said("there is no review yet"), next_step=said("run `credit-review review run`"))
        chosen = newest.review_id
    path = reporting.write_again(str(config.resolve()), chosen, language=language)
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
    emergency: bool = False
    layer: str = ""
    appeals: str = ""
    begins: date | None = None
    recurs: date | None = None
    order: str = ""
    documents: Mapping[str, str] = field(default_factory=dict)

    def words(self, person_id: str) -> dict[str, Any]:
        """It as the flow of a request takes it, from a person."""
        return {
            "customer_id": self.customer,
            "amount": self.amount,
            "until": self.until,
            "terms_days": self.terms,
            "reason": self.reason,
            "person_id": person_id,
            "emergency": self.emergency,
            "layer": self.layer,
            "appeals": self.appeals,
            "begins": self.begins,
            "recurs_until": self.recurs,
            "order": self.order,
            "documents": dict(self.documents),
        }


def digests(paths: Sequence[Path]) -> dict[str, str]:
    """SHA-256 (hex) of files by their names. Raises BadInput for one that cannot be read, and for two of one name."""
    found: dict[str, str] = {}
    for path in paths:
        if path.name in found:
            raise BadInput(said("two documents are called {name}", name=path.name), next_step=said("rename one of them"))
        try:
            found[path.name] = sha256(path.read_bytes()).hexdigest()
        except OSError as error:
            raise BadInput(said("{path} cannot be read: {error}", path=path, error=error.strerror or "")) from None
    return found


def request(config: Path, asked: Asked, *, as_person: str, as_json: bool) -> None:
    """Ask for a limit outside the schedule: a review of one customer."""
    if not asked.customer:
        raise BadInput(said("name a customer"), next_step=said("its id, or many requests as a file with --file"))
    opened = services(config)
    with opened.store.read() as uow:
        person = me(opened, uow, as_person)
    say_how_far_posted(config)
    found = say_requested(config, reviewed(config, asked, person.person_id), silent=as_json)
    if as_json:
        show_json(found)


def reviewed(config: Path, asked: Asked, person_id: str) -> Review:
    """The review that the request became."""
    before = _newest(config)
    about = {"config": str(config.resolve()), **asked.words(person_id)}
    with watched():
        from flows.limit_request import limit_request
        from tasks import requests

        requests.understand.fn(**about)  # what makes no sense is said at once, before Prefect starts
        starting()
        state: Any = limit_request(**about, return_state=True)
    _raise_failure(state)
    review = _newest(config)
    if review is None or review == before:
        raise ReviewStopped(said("the request left no review"), next_step=said("ask again"))
    return review


def raise_at_once(config: Path, asked: Asked, *, as_person: str, as_json: bool) -> None:
    """Put a temporary limit in force before its approval, in an emergency."""
    opened = services(config)
    with opened.store.read() as uow:
        person = me(opened, uow, as_person)
    company = Company(calendar=opened.settings.working_days(), zone=opened.settings.zone)
    destinations = opened.settings.slack.destinations()
    by = override.Caller(person_id=person.person_id, now=opened.clock.now(), company=company, to=destinations)
    say_how_far_posted(config)
    try:
        proposal_id = _emergency(config, asked, by)
        with opened.store.begin() as uow:
            change = override.put_in_force(uow, proposal_id, replace(by, now=opened.clock.now()))
            proposal = uow.get(Proposal, proposal_id=proposal_id)
            uow.commit()
    except Refused as refusal:
        if refusal.code in (override.NOT_YOURS, override.BEYOND):
            with opened.store.begin() as uow:
                override.record_refusal(uow, refusal, person_id=person.person_id, customer_id=asked.customer)
                uow.commit()
        raise
    from tasks import effects

    with watched():
        effects.relay_outbox.fn(str(config.resolve()))
    assert proposal is not None  # noqa: S101  read in the same transaction
    if as_json:
        names = ("proposal_id", "customer_id", "currency", "to_minor", "effective_to", "state", "tier", "required_approvals", "expires_at")
        show_json({"change": change.change_id, **{name: getattr(proposal, name) for name in names}})
        return
    amount = Money(proposal.to_minor, proposal.currency)
    tell(said("limit of {amount} is in force until {day}", amount=amount, day=proposal.effective_to))
    about = {"proposal": proposal_id, "needed": proposal.required_approvals, "tier": proposal.tier, "moment": proposal.expires_at}
    tell(said("it takes {needed} approval(s) of {tier} of proposal {proposal} by {moment}; otherwise it is taken back", **about))


def _emergency(config: Path, asked: Asked, by: override.Caller) -> str:
    """The id of the emergency request: one that waits since an earlier try, or a new one. Refused early to who may not."""
    assert asked.until is not None  # noqa: S101  the command asks for it
    with services(config).store.read() as uow:
        matrix, rule, _ = override.require_right(uow, by, asked.until)
        for account in uow.find(LimitAccount, subject_id=asked.customer, layer=Layer.BASE, limit=1):  # said before the work is done
            minor = typed(asked.amount, account.currency)
            override.require_room(uow, matrix, rule, by, asked.customer, minor, account.currency)
        mine = uow.find(Proposal, customer_id=asked.customer, proposer_id=by.person_id, state=ProposalState.DRAFT, effective_to=asked.until)
    waiting = [p.proposal_id for p in mine if p.to_minor == typed(asked.amount, p.currency)]
    if waiting:
        return waiting[0]
    review = reviewed(config, asked, by.person_id)
    with services(config).store.read() as uow:
        return uow.find(Proposal, review_id=review.review_id)[0].proposal_id


def say_requested(config: Path, review: Review, *, silent: bool) -> dict[str, Any]:
    """What became of a request, as JSON values; printed in words unless `silent`."""
    with services(config).store.read() as uow:
        made = uow.find(Proposal, review_id=review.review_id)
        names = names_of(uow)
    shown = ("proposal_id", "customer_id", "currency", "to_minor", "engine_minor", "effective_to", "state", "tier", "assigned_to")
    found = {name: getattr(p, name) for p in made for name in shown}
    for proposal in () if silent else made:
        typer.echo(messages.asked(proposal, json.loads(proposal.packet_json)["customer_name"], language.words()))
        tell(_found(proposal))
        if review.hold and not review.hold_released_by:
            sentence = marked("held: {hold}; next: `credit-review review confirm {review}`")
            tell(said(sentence, hold=review.hold, review=review.review_id))
        else:
            sentence = marked("it waits for {analyst} to release it; then it takes {needed} approval(s) of {tier}")
            analyst = names.get(proposal.assigned_to, proposal.assigned_to)
            tell(said(sentence, analyst=analyst, needed=proposal.required_approvals, tier=proposal.tier))
    if not silent:
        tell(said("report: {path}", path=report_path(config, review.review_id)))
    return {"review": review.review_id, "state": review.state, **found}


def _found(proposal: Proposal) -> str:
    engine = said("no figure") if proposal.engine_minor is None else Money(proposal.engine_minor, proposal.currency)
    about = {"proposal": proposal.proposal_id, "engine": engine}
    if proposal.effective_to:
        sentence = marked("proposal {proposal} until {day}, then it reverts by itself; the engine finds {engine}")
        return said(sentence, day=proposal.effective_to, **about)
    return said("proposal {proposal}; the engine finds {engine}", **about)
