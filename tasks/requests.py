"""A person's request for one customer: what is asked, the review around it, and the proposal it becomes."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

from credit_review import receivables
from credit_review.adapters import reading
from credit_review.errors import BadInput, ReviewStopped
from credit_review.model.frames import bucket_of
from credit_review.model.money import typed
from credit_review.model.records import LimitAccount, Review
from credit_review.model.states import CustomerState, Layer, ReviewKind, ReviewState
from credit_review.policy import load
from credit_review.review import lifecycle
from credit_review.review import request as requests
from credit_review.words import listed, marked, said
from tasks import outcome, prepare
from tasks.defaults import task
from tasks.progress import stage

if TYPE_CHECKING:
    from credit_review.adapters.wiring import Services
    from tasks.plan import Plan


@task(name="understand the request", task_run_name="understand the request for {customer_id}")
def understand(
    config: str,
    customer_id: str,
    amount: str,
    until: date | None,
    terms_days: int | None,
    reason: str,
    person_id: str,
    emergency: bool = False,
    layer: str = "",
    appeals: str = "",
    begins: date | None = None,
    recurs_until: date | None = None,
    order: str = "",
    documents: dict[str, str] | None = None,
) -> requests.Request:
    """The request, checked before any work is done for it. Refused when its person may not ask, or it makes no sense.

    `amount` and `order` are as typed, in the currency of the customer's account; an empty amount asks for what the engine finds.
    `documents` are SHA-256 by name.
    """
    opened = prepare.services(config)
    asked = worded(
        opened, customer_id, amount, until, terms_days, reason, person_id, emergency=emergency, layer=layer, appeals=appeals,
        begins=begins, recurs_until=recurs_until, order=order, documents=documents,
    )  # fmt: skip
    check(opened, asked)
    return asked


def worded(
    opened: Services, customer_id: str, amount: str, until: date | None, terms_days: int | None, reason: str, person_id: str, *,
    order: str = "", documents: dict[str, str] | None = None, **others: Any,
) -> requests.Request:  # fmt: skip
    """The request in the figures of the customer's account, not checked yet. Raises BadInput for an unknown customer or a bad amount."""
    currency = _currency(opened, customer_id)
    return requests.Request(
        customer_id=customer_id,
        person_id=person_id,
        amount_minor=typed(amount, currency) if amount else None,
        reason=reason,
        today=opened.today(),
        until=until,
        terms_days=terms_days,
        order_minor=typed(order, currency) if order else None,
        documents=tuple(sorted((documents or {}).items())),
        **others,
    )


def check(opened: Services, asked: requests.Request) -> None:
    """Returns unless the request would be refused by what is known before any work is done for it."""
    requests.require_offered(asked, load(opened.settings.document(opened.settings.policy)))
    with opened.store.read() as uow:
        requests.check_request(uow, asked, opened.clock.now())
        requests.check_possible(uow, asked)


def _currency(opened: Services, customer_id: str) -> str:
    """Currency of a customer's account; of a customer no review has met yet, that of the ledger. Raises BadInput for an unknown one."""
    with opened.store.read() as uow:
        accounts = uow.find(LimitAccount, subject_id=customer_id, layer=Layer.BASE)
    if accounts:
        return accounts[0].currency
    settings = opened.settings
    mappings = [receivables.load(settings.document(place.mapping)) for place in settings.sources]
    policy = load(settings.document(settings.policy))
    with stage("Looking for a new customer in the ledger"):
        book = reading.read_book(settings, mappings, as_of=opened.today(), policy=policy)
    found = book.frames["customers"].set_index("customer_id")["currency"]
    if customer_id in found.index:
        return str(found[customer_id])
    aliases = book.frames["aliases"]
    other = sorted(set(aliases.loc[aliases["source_number"] == customer_id, "customer_id"]))
    raise BadInput(
        said("no customer {customer_id}, neither here nor in the ledger", customer_id=customer_id),
        expected=said("a customer id as the report shows it"),
        next_step=said("its id here is {ids}", ids=listed(other, by=marked("{first} or {rest}")))
        if other
        else said("enter a new customer in the customer master first, then ask again"),
    )


def open_review(config: str, request: requests.Request) -> Plan:
    """The review of one customer as of the company's day, on record; it takes the place of the customer's last request if that failed."""
    opened = prepare.services(config)
    with opened.store.read() as uow:
        scope = requests.request_scope(uow, request.customer_id, request.today)
        again = uow.find(Review, scope=scope, as_of=request.today)
    plan = prepare.planned(opened.settings, config, request.today, scope, ReviewKind.AD_HOC)
    review = prepare.open_review(plan, "asked again after it failed" if again else "", request.person_id)
    with opened.store.begin() as uow:
        requests.owe_status(uow, review.review_id, request.person_id, opened.settings.slack.destinations(), opened.clock.now())
        uow.commit()
    return review


def record(plan: Plan, request: requests.Request) -> None:
    """Put the bucket results on record and the request as a proposal; the review is proposed."""
    if prepare.reached(plan, ReviewState.PROPOSED):
        return
    with stage("Recording the request", folder=plan.workspace.folder):
        outcome.record_batches(plan)
        outcome.certify(plan)
        store_request(plan, request)


@task(name="store the request", task_run_name="store the request for {request.customer_id}")
def store_request(plan: Plan, request: requests.Request) -> str:
    """Store the proposal the request becomes, beside the engine's own figure; returns its id. The review is proposed with it.

    One transaction for both: a request that died either has no proposal and is asked again, or has one and its review is resumed.
    """
    opened = prepare.services(plan.config)
    draft = outcome.draft_for(plan, request.customer_id, opened.today())
    if draft is None:
        raise _not_reviewed(plan, request.customer_id)
    with opened.store.begin() as uow:
        stored = requests.propose_request(uow, plan.review_id, draft, request, opened.clock.now())
        lifecycle.advance(uow, plan.review_id, ReviewState.PROPOSED, by=prepare.SYSTEM)
        requests.owe_status(uow, plan.review_id, request.person_id, opened.settings.slack.destinations(), opened.clock.now())
        uow.commit()
    return stored.proposal_id


def _not_reviewed(plan: Plan, customer_id: str) -> ReviewStopped:
    frame = plan.workspace.read("proposals", bucket_of(customer_id, plan.buckets))
    mine = frame[frame["customer_id"] == customer_id]
    state, why = (str(mine["state"].iloc[0]), str(mine["state_reason"].iloc[0])) if len(mine) else ("unknown", "not in the ledger")
    return ReviewStopped(
        said(
            "customer {customer_id} cannot be given a limit now: it is {state} ({why})",
            customer_id=customer_id,
            state=state.replace("_", " "),
            why=why,
        ),
        expected=said("a customer in state {reviewed}", reviewed=CustomerState.REVIEWED),
        next_step=said("correct what stands in the way, then ask again"),
    )
