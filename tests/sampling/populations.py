"""Made-up populations of limit changes."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from hypothesis import strategies as st

from credit_review.sampling.drawing import Method, Plan
from credit_review.sampling.population import Item


def item(seq, amount=100_00, **traits):
    known = {"leaf": f"{seq:064x}", "at": "2026-10-01T12:00:00.000000Z", "item": f"c-{seq}", "currency": "EUR", "tier": "T1"}
    return Item(seq=seq, amount_minor=amount, **{**known, **traits})


def changes(count, amount=100_00):
    return [item(seq, amount) for seq in range(count)]


def plan(method=Method.ATTRIBUTE, seed="dice 4 2 6", **changed):
    return replace(Plan(method=method, seed=seed, confidence=Decimal("0.95"), tolerable=Decimal("0.05")), **changed)


populations = st.lists(st.tuples(st.integers(0, 5_000_00), st.sampled_from(["T1", "T2", "T3"])), min_size=1, max_size=150).map(
    lambda rows: [item(seq * 3, amount, tier=tier) for seq, (amount, tier) in enumerate(rows)]
)
