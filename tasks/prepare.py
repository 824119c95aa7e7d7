"""Before a review computes: is it due, is its ledger complete, may it use its policy; then its record is opened."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import date, datetime
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from prefect import runtime

from credit_review import calendar, policy, scoring
from credit_review.adapters import build_info, posting
from credit_review.adapters import settings as configuration
from credit_review.adapters.settings import Settings
from credit_review.adapters.wiring import Services, open_services
from credit_review.adapters.workspace import Workspace
from credit_review.audit import canonical
from credit_review.documents import Document
from credit_review.errors import BadInput, CreditReviewError, Refused, ReviewStopped
from credit_review.model.records import Delegation, Review
from credit_review.model.states import DocumentOfRecord, ReviewKind, ReviewState
from credit_review.review import lifecycle
from credit_review.review import manifest as manifests
from credit_review.review.manifest import Manifest
from credit_review.review.request import STOPPED, owe_refusal, unfinished_request
from credit_review.words import said
from tasks.defaults import task
from tasks.plan import Plan

WORKING_DAY = 5
"""A quarter is reviewed from the fifth working day after its end."""

SYSTEM = "system:periodic_review"

CALENDAR = "documents/calendar.json"
"""The company's working days when the review started, kept beside its documents."""


_ACTING: ContextVar[str] = ContextVar("acting", default=SYSTEM)


@contextmanager
def acting_as(person_id: str) -> Iterator[None]:
    """Reviews started or resumed inside are this person's: the command line has signed him in. Never a parameter of a flow, since whoever
    owns the Prefect server could set that."""
    token = _ACTING.set(person_id)
    try:
        yield
    finally:
        _ACTING.reset(token)


@cache
def services(config: str) -> Services:
    """Store, clock and settings of a configuration folder, opened once a process."""
    return open_services(configuration.load(Path(config)))


def run_name() -> str:
    """The flow run's name, as a sentence."""
    given = runtime.flow_run.parameters
    if given.get("resume"):
        return f"resume review {given['resume']}"
    return f"review {given.get('scope', 'all')} as of {given.get('as_of') or 'the last quarter end'}"


@task(name="plan the review", task_run_name="plan the review")
def plan_review(config: str, as_of: date | None, scope: str) -> Plan:
    """The review to run; or, for a scheduled one, what it waits for: the working day, the posting of cash, or nothing left to do."""
    opened = services(config)
    settings = opened.settings
    if as_of is not None:
        return planned(settings, config, as_of, scope, ReviewKind.AD_HOC if as_of != _quarter_end(as_of) else ReviewKind.PERIODIC)
    start = runtime.flow_run.scheduled_start_time or opened.clock.now()
    today = _local(start, settings)
    day = calendar.quarter_end_before(today)
    plan = planned(settings, config, day, scope, ReviewKind.PERIODIC)
    return plan.but(waiting_for=_waiting_for(opened, today, day, scope))


def _waiting_for(opened: Services, today: date, as_of: date, scope: str) -> str:
    settings = opened.settings
    after = date.fromordinal(as_of.toordinal() + 1)
    first = settings.working_days().nth_working_day(after.year, after.month, WORKING_DAY)
    if today < first:
        return f"Working day {WORKING_DAY} of the quarter is {first}; today is {today}."
    with opened.store.read() as uow:
        live = [r for r in uow.find(Review, scope=scope, as_of=as_of) if r.state != ReviewState.SUPERSEDED]
    if live and live[0].state == ReviewState.FAILED:
        raise ReviewStopped(
            f"review {live[0].review_id} as of {as_of} has failed: {live[0].failure}",
            expected="a review that ended, or none yet",
            next_step=f"`credit-review review resume {live[0].review_id}` goes on from the last good state",
        )
    if live:
        return f"Nothing to do: review {live[0].review_id} as of {as_of} is {live[0].state}."
    posted = posting.posted_through(settings)
    if posted is not None and posted < as_of:
        return f"Cash is posted through {posted}; the review as of {as_of} waits until it is posted through that day."
    return ""


def _quarter_end(day: date) -> date:
    return calendar.quarter_end_before(date.fromordinal(day.toordinal() + 1))


def _local(moment: datetime, settings: Settings) -> date:
    return moment.astimezone(settings.zone).date()


def planned(settings: Settings, config: str, as_of: date, scope: str, kind: ReviewKind) -> Plan:
    """The plan of a review not yet on record. Raises BadInput when Dask is asked for and not installed."""
    if settings.review.runner == "dask" and find_spec("prefect_dask") is None:
        raise BadInput(
            said("the runner dask needs prefect-dask"), next_step=said("install credit-review[dask], or set review.runner in settings.yaml")
        )
    return Plan(
        config=config,
        as_of=as_of,
        scope=scope,
        label=calendar.quarter_label(as_of) if kind == ReviewKind.PERIODIC else as_of.isoformat(),
        kind=kind,
        buckets=settings.review.buckets,
        runner=settings.review.runner,
        workers=settings.review.workers,
        data=str(settings.data),
    )


@task(name="open the review", task_run_name="open the review")
def open_review(plan: Plan, supersede: str, started_by: str = "") -> Plan:
    """The plan with its review id: the review is on record, and its documents are copied to its folder. Refused: see lifecycle.start."""
    opened = services(plan.config)
    documents = governed_documents(opened.settings)
    require_in_date(plan, dict(documents))
    command = lifecycle.Start(
        manifest=_manifest(plan, opened, documents),
        documents=[lifecycle.Used(kind=kind, name=document.name, digest=document.digest) for kind, document in documents],
        started_by=started_by or _ACTING.get(),
        today=opened.today(),
        supersede=supersede,
        model_keys=opened.settings.models.trusted(),
    )
    review = lifecycle.start_in_batches(opened.store, command, opened.clock)
    ready = plan.but(review_id=review.review_id)
    ready.workspace.keep_documents(documents)
    _keep_calendar(ready, opened.settings, command.manifest)
    return ready


def require_in_date(plan: Plan, documents: Mapping[DocumentOfRecord, Document]) -> None:
    """Refused where policy wants no review with a scorecard outside its dates."""
    rules = policy.load(documents[DocumentOfRecord.POLICY])
    card = documents[DocumentOfRecord.SCORECARD]
    if rules.review.scorecard_outside_its_dates == "refuse" and (dates := outside_its_dates(scoring.load(card.text, name=card.name), plan)):
        raise Refused(
            "scorecard.outside_its_dates",
            dates,
            expected=said("a scorecard that holds on that day"),
            next_step=said("`credit-review scorecard fit` writes a new one; two people adopt it"),
        )


def outside_its_dates(card: scoring.Scorecard, plan: Plan) -> str:
    """That the scorecard does not hold on the review's day, as a sentence; empty when it does."""
    if card.holds(plan.as_of):
        return ""
    if card.valid_from is not None and plan.as_of < card.valid_from:
        return said("the scorecard holds only from {day}, and the review is as of {as_of}", day=card.valid_from, as_of=plan.as_of)
    assert card.valid_to is not None  # noqa: S101  else it would hold
    return said("the scorecard held until before {day}, and the review is as of {as_of}", day=card.valid_to, as_of=plan.as_of)


def _keep_calendar(plan: Plan, settings: Settings, manifest: Manifest) -> None:
    """The calendar that the manifest fixes, beside the documents, unless it is there or the settings name another by now."""
    text = calendar_text(settings)
    if not plan.workspace.has(CALENDAR) and manifests.digest_of(text) == manifest.calendars:
        plan.workspace.write_text(CALENDAR, text)


@task(name="resume the review", task_run_name="resume review {review_id}")
def resume_review(config: str, review_id: str) -> Plan:
    """The plan of a failed or interrupted review, on record as resumed. Refused when nothing is left to run."""
    opened = services(config)
    with opened.store.begin(interactive=False) as uow:
        _require_whole(lifecycle.review_of(uow, review_id))
        review = lifecycle.resume(uow, review_id, by=_ACTING.get(), reported=Workspace(opened.settings.data, review_id).has("report.html"))
        uow.commit()
    manifest = manifests.from_json(review.manifest_json)
    plan = planned(opened.settings, config, review.as_of, review.scope, ReviewKind(review.kind))
    plan = plan.but(review_id=review_id, label=review.label, buckets=manifest.bucket_count, snapshot_digest=manifest.snapshot)
    plan.workspace.begin_again()
    if not plan.workspace.has_documents():
        plan.workspace.keep_documents(governed_documents(opened.settings))
    _keep_calendar(plan, opened.settings, manifest)
    return plan


def _require_whole(review: Review) -> None:
    """A request that stopped early cannot go on as a review: the figure would be the engine's, and nobody its maker."""
    if unfinished_request(review):
        customer = review.scope.partition(":")[2].rpartition("#")[0]
        raise Refused(
            "request.unfinished",
            said("review {review_id} is a request that stopped before it became a proposal", review_id=review.review_id),
            expected=said("a review, or a request that is proposed"),
            next_step=said("ask again with `credit-review request {customer}`", customer=customer),
        )


def state_of(plan: Plan) -> ReviewState:
    """Where the review stands on record."""
    with services(plan.config).store.read() as uow:
        return ReviewState(lifecycle.review_of(uow, plan.review_id).state)


def reached(plan: Plan, state: ReviewState) -> bool:
    """Whether the review has reached `state` already: then the step before it is done, and is not done again."""
    order = list(lifecycle.NEXT)
    return order.index(state_of(plan)) >= order.index(state)


def advance(plan: Plan, to: ReviewState, data: Mapping[str, object] | None = None) -> None:
    """Put the review into its next state; `data` (ids, counts, digests) goes into the entry."""
    with services(plan.config).store.begin(interactive=False) as uow:
        lifecycle.advance(uow, plan.review_id, to, by=SYSTEM, data=data)
        uow.commit()


@contextmanager
def failing_is_recorded(plan: Plan) -> Iterator[None]:
    """Whatever stops the review is on record before it is raised again."""
    try:
        yield
    except Exception as error:
        text = error.text() if isinstance(error, CreditReviewError) else f"{type(error).__name__}: {error}"
        with services(plan.config).store.begin(interactive=False) as uow:
            lifecycle.fail(uow, plan.review_id, code=type(error).__name__, text=text, by=SYSTEM)
            why = error.what if isinstance(error, CreditReviewError) else STOPPED
            owe_refusal(uow, plan.review_id, why, services(plan.config).clock.now())
            uow.commit()
        raise


def governed_documents(settings: Settings) -> list[tuple[DocumentOfRecord, Document]]:
    """Policy, authority matrix, scorecard and mappings as the settings name them."""
    scorecard = configuration.read_text(settings.path(settings.scorecard), known_as=settings.scorecard)
    return [
        (DocumentOfRecord.POLICY, settings.document(settings.policy)),
        (DocumentOfRecord.AUTHORITY, settings.document(settings.authority)),
        (DocumentOfRecord.SCORECARD, Workspace.plain_document(settings.scorecard, scorecard)),
        *((DocumentOfRecord.MAPPING, settings.document(place.mapping)) for place in settings.sources),
    ]


def _manifest(plan: Plan, opened: Services, documents: list[tuple[DocumentOfRecord, Document]]) -> Manifest:
    settings = opened.settings
    by_kind = {kind: document.digest for kind, document in documents}
    with opened.store.read() as uow:
        delegations = uow.find(Delegation)
    return Manifest(
        review_id="",
        label=plan.label,
        kind=plan.kind,
        scope=plan.scope,
        as_of=plan.as_of,
        time_zone=settings.time_zone,
        bucket_count=plan.buckets,
        seed=settings.review.seed,
        code_commit=build_info.code_commit(),
        lock_sha256=build_info.lock_hash(),
        policy=by_kind[DocumentOfRecord.POLICY],
        authority=by_kind[DocumentOfRecord.AUTHORITY],
        scorecard=by_kind[DocumentOfRecord.SCORECARD],
        delegations=manifests.digest_of_records(delegations),
        calendars=manifests.digest_of(calendar_text(settings)),
        mappings={document.name: document.digest for kind, document in documents if kind == DocumentOfRecord.MAPPING},
    )


def calendar_text(settings: Settings) -> str:
    """The company's working days, as canonical text."""
    chosen = settings.calendar
    return canonical({"country": chosen.country, "extra": sorted(day.isoformat() for day in chosen.extra_holidays)})


def is_held(plan: Plan) -> bool:
    """Whether a person must confirm the extract before the review may be routed."""
    with services(plan.config).store.read() as uow:
        review = lifecycle.review_of(uow, plan.review_id)
    return bool(review.hold) and not review.hold_released_by


def tag_this_run(plan: Plan) -> None:
    """Give the flow run itself the review's tag, so that all runs of a review are found by it."""
    from prefect.client.orchestration import get_client

    run_id = runtime.flow_run.id
    if run_id is None:
        return
    with get_client(sync_client=True) as client:
        known = client.read_flow_run(run_id)
        client.update_flow_run(run_id, tags=sorted({*known.tags, plan.tag}))


def plan_of(config: str, review_id: str) -> Plan:
    """The plan of a review on record, to read its results."""
    opened = services(config)
    with opened.store.read() as uow:
        review = lifecycle.review_of(uow, review_id)
    fixed = manifests.from_json(review.manifest_json)
    plan = planned(opened.settings, config, review.as_of, review.scope, ReviewKind(review.kind))
    return plan.but(review_id=review_id, label=review.label, buckets=fixed.bucket_count, snapshot_digest=fixed.snapshot)


def newest_plan(config: str) -> Plan:
    """The plan of the review started last. Raises BadInput when there is none."""
    with services(config).store.read() as uow:
        found = uow.find(Review, order_by=("started_at",))
    if not found:
        raise BadInput(said("there is no review yet"), next_step=said("run `credit-review review run`"))
    return plan_of(config, found[-1].review_id)
