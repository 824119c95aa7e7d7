"""How the record names things: ids that a resumed run finds again, and the actors and entities of audit entries."""

from __future__ import annotations

from datetime import date
from hashlib import sha256

SYSTEM = "system"
"""Who acts when no person does; `system:<flow>` names the flow as well."""


def short_id(prefix: str, *parts: str) -> str:
    """An id of 80 bits that depends on `parts` alone, so that a step which runs again names the same thing."""
    return f"{prefix}-{sha256(chr(31).join(parts).encode()).hexdigest()[:20]}"


def review_id(installation: str, scope: str, as_of: date, attempt: int) -> str:
    """The id of the `attempt`-th review of (scope, as_of) in an installation: two that share a Prefect server never share an id."""
    return short_id("r", installation, scope, as_of.isoformat(), str(attempt))


def account_id(subject_kind: str, subject_id: str, legal_entity: str, layer: str, currency: str) -> str:
    """The id of the one limit account of this subject, legal entity, layer and currency."""
    return short_id("a", subject_kind, subject_id, legal_entity, layer, currency)


def proposal_id(review: str, account: str) -> str:
    """The id of the proposal that a review makes for an account; a review makes one at most.

    Proposals of a review sort as their accounts do, so that rows written in that order stand together in every index.
    """
    return f"p-{sha256(review.encode()).hexdigest()[:8]}-{account.removeprefix('a-')}"


def opening_id(account: str) -> str:
    """The id of the change that takes over what an account held before this system; sorts as its account does, like proposals' ids."""
    return f"c-opening-{account.removeprefix('a-')}"


def actor(person_id: str) -> str:
    """The actor of an audit entry: `person:<id>`, or `system:<flow>` for what no person did."""
    if person_id == SYSTEM:
        return f"{SYSTEM}:review"
    return person_id if person_id.startswith(f"{SYSTEM}:") else f"person:{person_id}"
