"""A person's request for one customer: what is asked, the review around it, and the proposal it becomes."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from credit_review.errors import BadInput, ReviewStopped
from credit_review.model.money import to_minor
from credit_review.model.records import LimitAccount
from credit_review.model.states import CustomerState, Layer, ReviewKind, ReviewState
from credit_review.review import request as requests
from tasks import outcome, prepare
from tasks.defaults import task
from tasks.progress import stage

if TYPE_CHECKING:
    from tasks.plan import Plan


@task(name="understand the request", task_run_name="understand the request for {customer_id}")
def understand(
    config: str, customer_id: str, amount: str, until: date | None, terms_days: int | None, reason: str, person_id: str
) -> requests.Request:
    """The request, checked before any work is done for it. Refused when its person may not ask, or it makes no sense."""
    opened = prepare.services(config)
    now = opened.clock.now()
    with opened.store.read() as uow:
        accounts = uow.find(LimitAccount, subject_id=customer_id, layer=Layer.BASE)
        if not accounts:
            raise BadInput(
                f"no customer {customer_id} is known here",
                expected="an id as the report shows it",
                next_step="a new customer must be in the customer master and in one review first",
            )
        asked = requests.Request(
            customer_id=customer_id,
            person_id=person_id,
            amount_minor=to_minor(amount.replace(",", ""), accounts[0].currency),
            reason=reason,
            today=opened.today(),
            until=until,
            terms_days=terms_days,
        )
        requests.check_request(uow, asked, now)
    return asked


def plan(config: str, request: requests.Request) -> Plan:
    """The review of one customer, as of the company's day."""
    opened = prepare.services(config)
    with opened.store.read() as uow:
        scope = requests.request_scope(uow, request.customer_id, request.today)
    return prepare.planned(opened.settings, config, request.today, scope, ReviewKind.AD_HOC)


def record(plan: Plan, request: requests.Request) -> None:
    """Put the bucket results on record and the request as a proposal; the review is proposed."""
    if prepare.reached(plan, ReviewState.PROPOSED):
        return
    with stage("Recording the request", folder=plan.workspace.folder):
        outcome.record_batches(plan)
        store_request(plan, request)
        outcome.certify(plan)
    prepare.advance(plan, ReviewState.PROPOSED)


@task(name="store the request", task_run_name="store the request for {request.customer_id}")
def store_request(plan: Plan, request: requests.Request) -> str:
    """Store the proposal the request becomes, beside the engine's own figure; returns its id."""
    opened = prepare.services(plan.config)
    draft = outcome.draft_for(plan, request.customer_id)
    if draft is None:
        raise ReviewStopped(
            f"customer {request.customer_id} cannot be reviewed now",
            expected=f"state {CustomerState.REVIEWED}",
            next_step=f"see the states in {plan.workspace.folder}",
        )
    with opened.store.begin() as uow:
        stored = requests.propose_request(uow, plan.review_id, draft, request, opened.clock.now())
        uow.commit()
    return stored.proposal_id
