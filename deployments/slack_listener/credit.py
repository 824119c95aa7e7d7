"""`/credit NAME`: what somebody with the right to read it may know about a customer's credit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, datetime
from typing import Any

from credit_review.adapters.snapshot import open_snapshot
from credit_review.adapters.workspace import Workspace
from credit_review.errors import BadInput, CreditReviewError, Refused
from credit_review.limits.layer_words import LAYER_WORDS
from credit_review.messages import notices
from credit_review.messages.card import OUTCOMES, outcome_of
from credit_review.messages.text import Message, as_written, cleaned
from credit_review.model.frames import bucket_of
from credit_review.model.money import Money
from credit_review.model.records import CreditLimit, CustomerAlias, LimitAccount, Proposal, Review
from credit_review.model.states import OPEN_PROPOSAL_STATES, CustomerState, ReviewState, Right
from credit_review.ports import UnitOfWork
from credit_review.review.manifest import from_json
from credit_review.review.personal import has_right, is_customer
from credit_review.review.standing import matrix_in_force, members_of, policy_in_force
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
        return notices.credit_answer(_facts(office, uow, customer, newest), f"{name} ({customer})", words)


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


def known_customer(office: Office, uow: UnitOfWork, wanted: str) -> str:
    """The id of a customer we know, by id, by a number of the ledger, or by its exact name. Raises BadInput for any other text."""
    if is_customer(uow, wanted):
        return wanted
    numbers = {a.customer_id for a in uow.find(CustomerAlias, source_number=wanted)}
    if len(numbers) == 1:
        return numbers.pop()
    review = _newest(uow)
    try:
        rows = _customers(office, review) if review else []
    except (CreditReviewError, OSError):
        rows = []  # its files are not here: ids still are on record
    named = [r for r in rows if str(r["name"]).casefold() == wanted.casefold()]
    if len(named) != 1:
        raise _no_fit(wanted, named) if named else _unknown(wanted)
    return str(named[0]["customer_id"])


def _found(office: Office, uow: UnitOfWork, review: Review | None, wanted: str) -> tuple[str, str, str]:
    """Id, name and account owner of the one customer that fits: by id, by a number of the ledger, or by name."""
    if review is None:
        raise BadInput(said("no review has met any customer yet"))
    master = _customers(office, review)
    ids = {wanted, *(a.customer_id for a in uow.find(CustomerAlias, source_number=wanted))}
    rows = [r for r in master if r["customer_id"] in ids]
    if not rows:
        folded = wanted.casefold()
        rows = [r for r in master if folded in str(r["name"]).casefold()]
        rows = [r for r in rows if str(r["name"]).casefold() == folded] or rows
    if len(rows) != 1:
        raise _no_fit(wanted, rows) if rows else _unknown(wanted)
    return str(rows[0]["customer_id"]), cleaned(str(rows[0]["name"]), 80), str(rows[0]["account_owner"])


def _customers(office: Office, review: Review) -> list[dict[Any, Any]]:
    manifest = from_json(review.manifest_json)
    snapshot = open_snapshot(Workspace(office.services.settings.data, review.review_id).snapshots / manifest.snapshot)
    return snapshot.whole("customers")[["customer_id", "name", "account_owner"]].to_dict("records")


def _unknown(wanted: str) -> BadInput:
    return BadInput(said("no customer {name}", name=cleaned(wanted, 80)), next_step=said("try an id, or another part of the name"))


def _no_fit(wanted: str, rows: list[dict[Any, Any]]) -> BadInput:
    names = "; ".join(f"{cleaned(r['name'], 40)} ({r['customer_id']})" for r in rows[:_MOST])
    return BadInput(said("{n} customers fit: {names}", n=len(rows), names=names), next_step=said("say the id"))


def _facts(office: Office, uow: UnitOfWork, customer: str, review: Review | None) -> list[tuple[str, str]]:
    facts = list(_limits(uow, customer, office.services.today(), office.services.clock.now()))
    if review is not None:
        facts += _of_review(office, customer, review)
    for one in uow.find(Proposal, customer_id=customer, state=tuple(OPEN_PROPOSAL_STATES), order_by=("created_at",)):
        state = outcome_of(one) if one.state in OUTCOMES else said("With the analyst")
        facts.append((said("Pending request"), said("{amount}, {state}", amount=Money(one.to_minor, one.currency), state=state)))
    if facts[-1][0] != "Pending request":
        facts.append((said("Pending request"), said("none")))
    return facts


def _limits(uow: UnitOfWork, customer: str, today: date, now: datetime) -> Iterator[tuple[str, str]]:
    group, _ = members_of(uow, {customer: (customer, "")}, today, now)[customer]
    accounts = uow.find(LimitAccount, subject_kind="customer", subject_id=customer)
    accounts += uow.find(LimitAccount, subject_kind="group", subject_id=group)
    limits = {c.account_id: c for c in uow.find(CreditLimit, account_id=[a.account_id for a in accounts])} if accounts else {}
    for account in accounts:
        label = said("Limit in force ({layer}, {entity})", layer=LAYER_WORDS[account.layer], entity=account.legal_entity)
        yield label, _limit(limits.get(account.account_id), account.currency)
    if not accounts:
        yield said("Limit in force"), said("none on file")


def _of_review(office: Office, customer: str, review: Review) -> Iterator[tuple[str, str]]:
    """Exposure of the customer in the newest review, from its files, and what became of the customer in it."""
    when = said("{label} as of {day}", label=review.label, day=review.as_of)
    row = _outcome(office, customer, review)
    if row is None:
        yield said("Last review"), said("{review}: nothing about this customer in its files", review=when)
        return
    exposure = Money(int(row["exposure_minor"]), str(row["currency"]))
    yield said("Exposure"), said("{amount} at the last review", amount=exposure)
    if row["state"] == CustomerState.REVIEWED:
        yield said("Last review"), when
    else:
        state = said(str(row["state"]).replace("_", " "))
        yield said("Last review"), said("{review}: {state}, {why}", review=when, state=state, why=cleaned(str(row["state_reason"]), 200))


def _outcome(office: Office, customer: str, review: Review) -> dict[Any, Any] | None:
    """The customer's row of the review's results; None when its files are not there."""
    bucket = bucket_of(customer, from_json(review.manifest_json).bucket_count)
    try:
        frame = Workspace(office.services.settings.data, review.review_id).read("proposals", bucket)
    except (CreditReviewError, OSError):
        return None
    rows = frame[frame["customer_id"] == customer].to_dict("records")
    return rows[0] if rows else None


def _limit(limit: CreditLimit | None, currency: str) -> str:
    if limit is None or limit.amount_minor is None:
        return said("none on file")
    amount = Money(limit.amount_minor, currency)
    if limit.effective_to is not None:
        return said("{amount} from {start} to {end}", amount=amount, start=limit.effective_from, end=limit.effective_to)
    return said("{amount} from {start}", amount=amount, start=limit.effective_from)
