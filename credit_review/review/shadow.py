"""The one entry about a challenger that ran in the shadow of a review, or could not. It changes nothing that the review proposes."""

from __future__ import annotations

from dataclasses import dataclass

from credit_review.audit import Action
from credit_review.model.records import AuditRow
from credit_review.ports import Entry, UnitOfWork
from credit_review.review.lifecycle import entity
from credit_review.review.naming import SYSTEM, actor


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowRun:
    """What came of a challenger: its digest (empty: unknown), customers scored, SHA-256 of the result; or in `why` why there is none."""

    challenger: str
    customers: int = 0
    result: str = ""
    why: str = ""


def record_shadow(uow: UnitOfWork, review: str, ran: ShadowRun, *, by: str = SYSTEM) -> bool:
    """Whether this call appended the review's `challenger.result`; False where it has one: its result is the first and never another."""
    if uow.find(AuditRow, action=Action.CHALLENGER_RESULT, entity=entity(review)):
        return False
    data = {
        "challenger": ran.challenger or None,
        "customers": ran.customers,
        "result": ran.result or None,
        "why": str(ran.why) or None,
    }
    uow.append(Entry(action=Action.CHALLENGER_RESULT, actor=actor(by), entity=entity(review), data=data))
    return True
