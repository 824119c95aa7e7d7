"""`deliveries` and `differences`: what did not reach the outside, and where the ERP holds another limit than is in force."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from credit_review.errors import BadInput, Refused
from credit_review.messages import notices
from credit_review.model.money import Money
from credit_review.model.records import ErpDifference, LimitAccount, OutboxEntry
from credit_review.model.states import OutboxState
from credit_review.ports import UnitOfWork
from credit_review.review import opening, relay
from credit_review.review.outbox import ERP, ORDER_LIST, ORDERS
from credit_review.words import marked, said
from deployments.cli.frame import joined, names_of, services, show_json, show_table, tell
from deployments.cli.governing import me


def list_parked(config: Path, *, as_json: bool) -> None:
    """Deliveries that were given up, with the reason."""
    opened = services(config)
    with opened.store.read() as uow:
        parked = uow.find(OutboxEntry, state=OutboxState.PARKED, order_by=("created_at", "outbox_id"))
        accounts = _accounts(uow, [_about(row).get("account_id", "") for row in parked])
        names = names_of(uow)
    rows = [_message(row, names) if "subject" in _about(row) else _parked(row, accounts) for row in parked]
    if as_json:
        show_json(rows)
    elif rows:
        names = (said("delivery"), said("to"), said("about"), said("attempts"), said("last error"))
        title = said("Deliveries parked (credit-review deliveries requeue DELIVERY)")
        show_table(title, names, [[str(r[str(n)]) for n in names] for r in rows])
    else:
        tell(said("no delivery is parked"))


def _about(row: OutboxEntry) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(row.payload_json)
    return found


def _parked(row: OutboxEntry, accounts: Mapping[str, LimitAccount]) -> dict[str, Any]:
    payload = _about(row)
    if row.kind == ORDER_LIST:
        about = notices.what(f"{ORDERS}:{payload['batch']}")
        return {"delivery": row.outbox_id, "to": "ERP", "about": about, "attempts": row.attempts, "last error": row.last_error}
    account = accounts.get(payload.get("account_id", ""))
    about = said("proposal {proposal}", proposal=payload.get("proposal_id", ""))
    if account is not None:
        minor = payload.get("amount_minor")
        limit = said("no limit") if minor is None else Money(minor, account.currency)
        about = said("customer {customer}: {limit}", customer=account.subject_id, limit=limit)
    to = "ERP" if row.kind == ERP else "Slack"
    return {"delivery": row.outbox_id, "to": to, "about": about, "attempts": row.attempts, "last error": row.last_error}


def _message(row: OutboxEntry, names: Mapping[str, str]) -> dict[str, Any]:
    about = _about(row)
    to = said("Slack: {address}", address=notices.whose(about["address"], names))
    shows = notices.what(about["subject"])
    return {"delivery": row.outbox_id, "to": to, "about": shows, "attempts": row.attempts, "last error": row.last_error}


def _accounts(uow: UnitOfWork, ids: Sequence[str]) -> dict[str, LimitAccount]:
    wanted = sorted({i for i in ids if i})
    return {a.account_id: a for a in uow.find(LimitAccount, account_id=wanted)} if wanted else {}


def requeue(config: Path, deliveries: Sequence[str], *, everything: bool, as_person: str, as_json: bool) -> None:
    """Put parked deliveries back in the queue, all or none; `everything` that is parked where none is named."""
    if bool(deliveries) == everything:
        raise BadInput(said("which deliveries?"), expected=said("DELIVERY..., as `credit-review deliveries list` shows them, or --all"))
    opened = services(config)
    with opened.store.begin() as uow:
        person = me(opened, uow, as_person)
        if everything:
            deliveries = [row.outbox_id for row in uow.find(OutboxEntry, state=OutboxState.PARKED, order_by=("created_at", "outbox_id"))]
        for one in deliveries:
            if not relay.requeue(uow, one, by=person.person_id, now=opened.clock.now()):
                raise Refused(
                    "delivery.not_parked",
                    said("delivery {one} is not parked", one=one),
                    expected=said("one that `credit-review deliveries list` shows"),
                    next_step=said("a delivery that is queued is tried again by itself"),
                )
        uow.commit()
    if as_json:
        show_json({"requeued": list(deliveries)})
    elif not deliveries:
        tell(said("no delivery is parked"))
    else:
        sentence = marked("queued again: {deliveries}; next: `credit-review apply` delivers now, or wait for the scheduled run")
        tell(said(sentence, deliveries=joined(deliveries)))


def list_differences(config: Path, *, as_json: bool) -> None:
    """Open differences between the ERP and the limits in force."""
    opened = services(config)
    with opened.store.read() as uow:
        found = uow.find(ErpDifference, settled_at=None, order_by=("found_at", "difference_id"))
        accounts = _accounts(uow, [d.account_id for d in found])
        names = names_of(uow)
    rows = [_difference(d, accounts[d.account_id], names) for d in found]
    if as_json:
        show_json([{**row, "owner": d.owner_id} for row, d in zip(rows, found, strict=True)])
    elif rows:
        columns = (
            said("difference"), said("customer"), said("ERP holds"), said("in force here"), said("found"), said("owner"), said("why")
        )  # fmt: skip
        title = said("Differences to the ERP (credit-review differences settle DIFFERENCE)")
        show_table(title, columns, [[r[str(n)] for n in columns] for r in rows], right=("ERP holds", "in force here"))
    else:
        tell(said("the ERP holds what is in force"))


def _difference(one: ErpDifference, account: LimitAccount, names: Mapping[str, str]) -> dict[str, Any]:
    return {
        "difference": one.difference_id,
        "customer": account.subject_id,
        "ERP holds": _limit(one.found_minor, one.found_terms_days, account.currency),
        "in force here": _limit(one.expected_minor, one.expected_terms_days, account.currency),
        "found": one.found_at.date(),
        "owner": names.get(one.owner_id, one.owner_id),
        "why": one.reason,
    }


def _limit(minor: int | None, terms_days: int | None, currency: str) -> str:
    amount = said("none") if minor is None else said("{amount}", amount=Money(minor, currency))
    return amount if terms_days is None else said("{amount}, {days} days", amount=amount, days=terms_days)


def settle(config: Path, difference: str, *, reason: str, as_person: str, as_json: bool) -> None:
    """Record how a difference ended."""
    opened = services(config)
    with opened.store.begin() as uow:
        person = me(opened, uow, as_person)
        now = opened.clock.now()
        opening.settle_difference(uow, difference, person_id=person.person_id, reason=reason, on=opened.today(), now=now)
        uow.commit()
    if as_json:
        show_json({"settled": difference, "by": person.person_id})
    else:
        sentence = marked("{difference} is settled by {name}; if the ERP still differs, the next comparison finds it anew")
        tell(said(sentence, difference=difference, name=person.name))
