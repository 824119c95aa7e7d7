"""Apply what was approved, exactly once, and deliver it: limits and open orders to the ERP, and the cards in Slack."""

from __future__ import annotations

from prefect import flow
from prefect.states import Completed, State

from tasks import artifacts, effects


@flow(name="apply_limits", flow_run_name="apply approved limits", persist_result=False)
def apply_limits(config: str = "config") -> State[str]:
    """Apply every approved proposal, relay the outbox, compare with the ERP. Safe to run at any time, twice at once, and after a crash."""
    applied = effects.apply_approved(config)
    letters = effects.draft_letters(config)
    orders = effects.hand_off_orders(config)
    delivered = effects.relay_outbox(config)
    reconciled = effects.reconcile(config)
    artifacts.publish_effects(applied, letters, orders, delivered, reconciled)
    return Completed(message=f"{applied.headline}; {delivered.headline}; {reconciled.headline}")
