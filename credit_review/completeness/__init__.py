"""Every customer of ledger or master ends a review in exactly one state, and the amounts prove it. pandas loads on first use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from credit_review.completeness.scope import Scope, parse_scope

if TYPE_CHECKING:
    from credit_review.completeness.proof import Canaries, Certificate, LedgerFlow, Line, certificate, ledger_totals
    from credit_review.completeness.states import HISTORY, assign_states, last_grades, with_outcome

__all__ = [
    "HISTORY",
    "Canaries",
    "Certificate",
    "LedgerFlow",
    "Line",
    "Scope",
    "assign_states",
    "certificate",
    "last_grades",
    "ledger_totals",
    "parse_scope",
    "with_outcome",
]

_HOMES = {"HISTORY": "states", "assign_states": "states", "last_grades": "states", "with_outcome": "states"}


def __getattr__(name: str) -> Any:
    """Frames are worked on only when asked for: the command line checks a scope without pandas."""
    if name not in __all__:
        raise AttributeError(name)
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES.get(name, 'proof')}"), name)
