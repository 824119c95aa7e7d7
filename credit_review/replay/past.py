"""The store as it was known before one entry of the audit log: the same questions, answered as they were answered then.

Facts know when they were recorded. What a table holds only in its present state follows from the log.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import date, datetime
from typing import Any, TypeVar

from credit_review.audit.business import COLUMNS
from credit_review.model.records import CreditLimit, Decision, LimitAccount, LimitChange, Maker, Proposal, ReviewBatch
from credit_review.ports import UnitOfWork
from credit_review.replay.history import History

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Past:
    """A unit of work that only reads. `own` are the proposals that a replay made anew, by id; they stand for those of the store.

    Its readings (`get`, `find`, `facts`) are those of `ports.UnitOfWork`, without locks.
    """

    uow: UnitOfWork
    history: History
    before: int
    known_at: datetime
    own: Mapping[str, Proposal] = field(default_factory=dict)

    def get(self, record: type[R], /, *, lock: bool = False, **key: Any) -> R | None:
        """The record with this key as it was, or None."""
        found = self.find(record, **key)
        return found[0] if found else None

    def find(
        self, record: type[R], /, *, order_by: Sequence[str] = (), limit: int | None = None, lock: bool = False, **filters: Any
    ) -> list[R]:
        """All records that matched then."""
        then = _THEN.get(record)
        if then is None:
            return self.uow.find(record, order_by=order_by, limit=limit, **filters)
        return list(then(self, order_by, filters))

    def facts(self, record: type[R], /, *, valid_at: date, known_at: datetime, **filters: Any) -> list[R]:
        """Facts in force on a day, as known by then."""
        return self.uow.facts(record, valid_at=valid_at, known_at=min(known_at, self.known_at), **filters)

    def _limits(self, order_by: Sequence[str], filters: Mapping[str, Any]) -> list[CreditLimit]:
        asked = filters.get("account_id")
        accounts = self.history.keys("credit_limit") if asked is None else [asked] if isinstance(asked, str) else list(asked)
        found = ((account, self.history.at("credit_limit", account, self.before)) for account in sorted(accounts))
        return [CreditLimit(account_id=account, **_typed(CreditLimit, "credit_limit", values)) for account, values in found if values]

    def _changes(self, order_by: Sequence[str], filters: Mapping[str, Any]) -> list[LimitChange]:
        found = self.uow.find(LimitChange, order_by=order_by, **filters)
        return [c for c in found if self.history.at("limit_change", c.change_id, self.before)]

    def _accounts(self, order_by: Sequence[str], filters: Mapping[str, Any]) -> list[LimitAccount]:
        found = self.uow.find(LimitAccount, order_by=order_by, **filters)
        return [a for a in found if self.history.opened(a.account_id, self.before) or a.account_id in self._own_accounts()]

    def _own_accounts(self) -> set[str]:
        return {p.account_id for p in self.own.values()}

    def _proposals(self, order_by: Sequence[str], filters: Mapping[str, Any]) -> list[Proposal]:
        wanted = filters.get("state")
        states = None if wanted is None else {wanted} if isinstance(wanted, str) else set(wanted)
        rest = {name: value for name, value in filters.items() if name != "state"}
        found = [self._proposal(p) for p in self.uow.find(Proposal, order_by=order_by, **rest)]
        return [p for p in found if p is not None and (states is None or p.state in states)]

    def _proposal(self, stored: Proposal) -> Proposal | None:
        known = self.history.at("limit_proposal", stored.proposal_id, self.before)
        if known is None:
            return None
        values = _typed(Proposal, "limit_proposal", known)
        return replace(self.own.get(stored.proposal_id, stored), **values)

    def _makers(self, order_by: Sequence[str], filters: Mapping[str, Any]) -> list[Maker]:
        """Before it is routed, a proposal's one maker is who asked for it."""
        asked = [p for p in self.own.values() if p.proposal_id in filters["proposal_id"] and p.proposer_id != "system"]
        return [Maker(proposal_id=p.proposal_id, person_id=p.proposer_id, how="requested", at=p.created_at) for p in asked]

    def _decisions(self, order_by: Sequence[str], filters: Mapping[str, Any]) -> list[Decision]:
        found = self.uow.find(Decision, order_by=order_by, **filters)
        return [d for d in found if self.history.at("approval_decision", f"{d.proposal_id} {d.approver_id}", self.before)]

    def _batches(self, order_by: Sequence[str], filters: Mapping[str, Any]) -> list[ReviewBatch]:
        found = self.uow.find(ReviewBatch, order_by=order_by, **filters)
        return [b for b in found if self.history.taken_over(b.review_id, self.before)]


_THEN: Mapping[type[Any], Callable[[Past, Sequence[str], Mapping[str, Any]], Sequence[Any]]] = {
    CreditLimit: Past._limits,
    LimitChange: Past._changes,
    LimitAccount: Past._accounts,
    Proposal: Past._proposals,
    Maker: Past._makers,
    Decision: Past._decisions,
    ReviewBatch: Past._batches,
}
"""What does not keep its own past."""


def _typed(record: type[Any], table: str, values: tuple[Any, ...]) -> dict[str, Any]:
    """Values of the log by field, dates as dates."""
    days = {f.name for f in fields(record) if "date" in str(f.type) and "datetime" not in str(f.type)}
    named = zip(COLUMNS[table], values, strict=True)
    return {name: date.fromisoformat(value) if name in days and value else value for name, value in named}
