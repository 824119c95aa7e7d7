"""The receivables ledger and what stands beside it: how a source is mapped, read, and rebuilt at a day. Pure; pandas loads on first use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from credit_review.receivables.mapping import Mapping, capabilities, load

if TYPE_CHECKING:
    from credit_review.receivables.beside import (
        read_cover,
        read_customers,
        read_external,
        read_rates,
        read_remarks,
        read_stated_totals,
        read_statements,
    )
    from credit_review.receivables.history import as_of
    from credit_review.receivables.read import ReadResult, read_items
    from credit_review.receivables.totals import control_totals, tie

__all__ = [
    "Mapping",
    "ReadResult",
    "as_of",
    "capabilities",
    "control_totals",
    "load",
    "read_cover",
    "read_customers",
    "read_external",
    "read_items",
    "read_rates",
    "read_remarks",
    "read_stated_totals",
    "read_statements",
    "tie",
]

_HOMES = {"ReadResult": "read", "read_items": "read", "as_of": "history", "control_totals": "totals", "tie": "totals"}


def __getattr__(name: str) -> Any:
    """Readers are imported when first used: command line and listener load mappings without pandas."""
    if name not in __all__:
        raise AttributeError(name)
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES.get(name, 'beside')}"), name)
