"""What the ERP is told about a change of a limit, and when."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, tzinfo
from typing import Any

from credit_review.model.records import CustomerAlias, LimitAccount, LimitChange
from credit_review.ports import UnitOfWork
from credit_review.review.outbox import ERP, owe


def erp_key(change_id: str) -> str:
    """Dedup key of the delivery of a change."""
    return f"{ERP}:{change_id}"


def owe_delivery(uow: UnitOfWork, account: LimitAccount, change: LimitChange, now: datetime, *, zone: tzinfo = UTC) -> None:
    """Queues the delivery of a change to the ERP, due when the change takes effect (00:00 in the company's time zone) or at once.

    The change itself is recorded at once: the ERP follows on the day, and ignores versions that are not newer than its own.
    """
    begins = datetime.combine(change.effective_from, time.min, tzinfo=zone).astimezone(UTC)
    owe(
        uow,
        ERP,
        erp_key(change.change_id),
        delivery(account, change, _source_numbers(uow, account, now, zone)),
        now,
        not_before=max(now, begins),
    )


def delivery(account: LimitAccount, change: LimitChange, source_numbers: tuple[str, ...]) -> dict[str, Any]:
    """One change as the ERP gets it: idempotency key, version, whose limit, and the figures. No amount means no limit on file."""
    return {
        "change_id": change.change_id,
        "account_id": account.account_id,
        "version": change.version,
        "subject_kind": account.subject_kind,
        "subject_id": account.subject_id,
        "source_numbers": "|".join(source_numbers),
        "legal_entity": account.legal_entity,
        "layer": account.layer,
        "currency": account.currency,
        "amount_minor": change.new_minor,
        "terms_days": change.new_terms_days,
        "effective_from": change.effective_from.isoformat(),
        "effective_to": _day(change.effective_to),
    }


def _source_numbers(uow: UnitOfWork, account: LimitAccount, now: datetime, zone: tzinfo) -> tuple[str, ...]:
    """The numbers under which the ledgers know the customer today. Asked by number, whose newest row counts.

    A customer without an alias on record stands under one number, written as its id.
    """
    known = uow.find(CustomerAlias, customer_id=account.subject_id)
    if not known:
        return (account.subject_id,)
    today = now.astimezone(zone).date()
    current = uow.facts(CustomerAlias, valid_at=today, known_at=now, source_number=sorted({a.source_number for a in known}))
    mine = (a for a in current if a.customer_id == account.subject_id)
    return tuple(sorted({a.source_number for a in mine if account.legal_entity in ("ALL", "", a.legal_entity)}))


def _day(day: date | None) -> str | None:
    return day.isoformat() if day else None
