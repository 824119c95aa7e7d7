"""Which governed document of a kind is in force at a moment."""

from __future__ import annotations

from datetime import datetime

from credit_review.model.records import GovernedDocument
from credit_review.model.states import DocumentOfRecord
from credit_review.ports import UnitOfWork


def in_force(uow: UnitOfWork, kind: DocumentOfRecord, at: datetime, *, name: str | None = None) -> GovernedDocument | None:
    """The document of a kind (and name, where several stand side by side as mappings do) adopted last by `at`; None when none is."""
    documents = uow.find(GovernedDocument, kind=kind) if name is None else uow.find(GovernedDocument, kind=kind, name=name)
    adopted = [d for d in documents if d.adopted_at is not None and d.adopted_at <= at]
    return max(adopted, key=lambda d: (d.adopted_at, d.digest), default=None)
