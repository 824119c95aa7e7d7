"""`path`: what it takes for a customer to reach a limit."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from credit_review.errors import BadInput
from credit_review.model.money import typed
from credit_review.model.records import Proposal, Review
from credit_review.model.states import ReviewKind, ReviewState
from credit_review.words import said
from deployments.cli.frame import services, show_json, show_pairs, tell
from deployments.cli.watching import watched

if TYPE_CHECKING:
    from credit_review.path_to_yes import Path as Found
    from credit_review.ports import UnitOfWork

_WITH_LIMITS = (ReviewState.PROPOSED, ReviewState.ROUTED, ReviewState.SETTLED, ReviewState.CLOSED)


def show(config: Path, customer_id: str, limit: str, *, review_id: str, as_json: bool) -> None:
    """Print the smallest change that takes the customer to the limit, or as near as it can come."""
    opened = services(config)
    with opened.store.read() as uow:
        chosen = review_id or _newest(uow, customer_id)
    with watched():
        from credit_review import path_to_yes
        from tasks import prepare, what_it_takes

        plan = prepare.plan_of(str(config), chosen)
        customer = what_it_takes.customer_of(plan, customer_id)
        found = path_to_yes.find(customer, typed(limit, customer.currency))
    if as_json:
        show_json({"review": chosen, "as_of": plan.as_of, "customer": customer_id, **_plain(found)})
        return
    show_pairs({said("Review"): chosen, said("As of"): plan.as_of, said("Customer"): customer_id})
    first, *steps = path_to_yes.sentences(found, accounts_max_age_days=customer.policy.limits.caps.net_worth.max_age_days)
    tell(first)
    for step in steps:
        tell(said("- {step}", step=step))


def _newest(uow: UnitOfWork, customer_id: str) -> str:
    """The newest review that has limits for the customer: a periodic one, or its own request."""
    requested = {p.review_id for p in uow.find(Proposal, customer_id=customer_id)}
    reviews = [r for r in uow.find(Review, order_by=("started_at",)) if r.state in _WITH_LIMITS]
    mine = [r for r in reviews if r.kind == ReviewKind.PERIODIC or r.review_id in requested]
    if not mine:
        raise BadInput(
            said("no review has limits for customer {customer_id} yet", customer_id=customer_id),
            next_step=said("run `credit-review review run`, or `credit-review request {customer_id}`", customer_id=customer_id),
        )
    return mine[-1].review_id


def _plain(found: Found) -> dict[str, object]:
    change = found.change
    return {
        "currency": found.currency,
        "asked_minor": found.asked_minor,
        "now_minor": found.now_minor,
        "reaches_minor": found.reaches_minor,
        "reached": found.reached,
        "pay": [_bill(b) for b in found.pays if not b.disputed],
        "settle": [_bill(b) for b in found.pays if b.disputed],
        "net_worth_minor": change.net_worth_minor if change else None,
        "recommended_minor": change.recommended_minor if change else None,
        "guarantee_minor": change.guarantee_minor if change else None,
        "statements_days": found.statements_days,
    }


def _bill(bill: object) -> dict[str, object]:
    from dataclasses import asdict

    return asdict(bill)  # type: ignore[call-overload, no-any-return]
