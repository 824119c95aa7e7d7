"""`/credit NAME`: what somebody with the right to read it may know about a customer's credit."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from credit_review.adapters.snapshot import open_snapshot
from credit_review.adapters.workspace import Workspace
from credit_review.errors import BadInput, Refused
from credit_review.messages import notices
from credit_review.messages.text import Message, as_written, cleaned
from credit_review.model.money import Money
from credit_review.model.records import CreditLimit, CustomerAlias, LimitAccount, Proposal, Review
from credit_review.model.states import OPEN_PROPOSAL_STATES, ReviewState, Right
from credit_review.ports import UnitOfWork
from credit_review.review.manifest import from_json
from credit_review.review.personal import has_right
from credit_review.review.standing import matrix_in_force, policy_in_force
from credit_review.words import Words, said
from deployments.slack_listener.office import Office

_MOST = 5
_DONE = (ReviewState.ROUTED, ReviewState.SETTLED, ReviewState.CLOSED)


def answer(office: Office, body: Mapping[str, Any], words: Words) -> Message:
    """The answer to `/credit NAME`. Refused to whoever may not read it; BadInput when no customer fits, or several do."""
    wanted = as_written(str(body.get("text") or "")).strip()
    if not wanted:
        raise BadInput(said("name a customer"), next_step=said("/credit NAME, an id or a number"))
    with office.services.store.read() as uow:
        person = office.person(uow, body)
        newest = _newest(uow)
        customer, name, owner = _found(office, uow, newest, wanted)
        _require_right(office, uow, person.person_id, person.name, owner)
        return notices.credit_answer(_facts(uow, customer, newest, office.services.today()), f"{name} ({customer})", words)


def _require_right(office: Office, uow: UnitOfWork, person_id: str, name: str, owner: str) -> None:
    """Whoever decides or prepares, whoever was given the right, and the customer's account owner may read."""
    now, today = office.services.clock.now(), office.services.today()
    matrix = matrix_in_force(uow, now)
    decides = any(h.person == person_id and h.on(today) for h in matrix.holders)
    prepares = person_id in {w.analyst for w in policy_in_force(uow, now).worklists}
    owns = owner in (person_id, name)
    if not (decides or prepares or owns or has_right(uow, person_id, Right.READ_LIMITS, on=today, known_at=now)):
        raise Refused("may_not_read", said("you may not read limits; ask the risk team for the right to"))


def _newest(uow: UnitOfWork) -> Review | None:
    found = [r for r in uow.find(Review, order_by=("as_of", "started_at")) if r.state in _DONE and "#" not in r.scope]
    return found[-1] if found else None


def _found(office: Office, uow: UnitOfWork, review: Review | None, wanted: str) -> tuple[str, str, str]:
    """Id, name and account owner of the one customer that fits: by id, by a number of the ledger, or by name."""
    if review is None:
        raise BadInput(said("no review has met any customer yet"))
    manifest = from_json(review.manifest_json)
    snapshot = open_snapshot(Workspace(office.services.settings.data, review.review_id).snapshots / manifest.snapshot)
    master = snapshot.whole("customers")
    ids = {wanted, *(a.customer_id for a in uow.find(CustomerAlias, source_number=wanted))}
    rows = master[master["customer_id"].isin(ids)]
    if not len(rows):
        folded = wanted.casefold()
        rows = master[master["name"].str.casefold().str.contains(folded, regex=False)]
        exact = rows[rows["name"].str.casefold() == folded]
        rows = exact if len(exact) else rows
    if not len(rows):
        raise BadInput(said("no customer {name}", name=cleaned(wanted, 80)), next_step=said("try an id, or another part of the name"))
    if len(rows) > 1:
        names = "; ".join(f"{cleaned(r['name'], 40)} ({r['customer_id']})" for r in rows.head(_MOST).to_dict("records"))
        raise BadInput(said("{n} customers fit: {names}", n=len(rows), names=names), next_step=said("say the id"))
    row = rows.iloc[0]
    return str(row["customer_id"]), cleaned(str(row["name"]), 80), str(row["account_owner"])


def _facts(uow: UnitOfWork, customer: str, review: Review | None, today: date) -> dict[str, str]:
    facts: dict[str, str] = {}
    accounts = uow.find(LimitAccount, subject_kind="customer", subject_id=customer)
    limits = {c.account_id: c for c in uow.find(CreditLimit, account_id=[a.account_id for a in accounts])} if accounts else {}
    for account in accounts:
        limit = limits.get(account.account_id)
        label = said("Limit in force ({layer}, {entity})", layer=said(account.layer), entity=account.legal_entity)
        facts[label] = _limit(limit, account.currency)
    if not accounts:
        facts[said("Limit in force")] = said("none on file")
    last = uow.find(Proposal, customer_id=customer, order_by=("created_at",))
    if last:
        facts[said("Exposure")] = said("{amount} at the last review", amount=Money(last[-1].exposure_minor, last[-1].currency))
    if review is not None:
        facts[said("Last review")] = said("{label} as of {day}", label=review.label, day=review.as_of)
    waiting = [p for p in last if p.state in OPEN_PROPOSAL_STATES]
    for one in waiting:
        facts[said("Pending request")] = said("{amount}, {state}", amount=Money(one.to_minor, one.currency), state=said(one.state))
    if not waiting:
        facts[said("Pending request")] = said("none")
    return facts


def _limit(limit: CreditLimit | None, currency: str) -> str:
    if limit is None or limit.amount_minor is None:
        return said("none on file")
    amount = Money(limit.amount_minor, currency)
    if limit.effective_to is not None:
        return said("{amount} from {start} to {end}", amount=amount, start=limit.effective_from, end=limit.effective_to)
    return said("{amount} from {start}", amount=amount, start=limit.effective_from)
