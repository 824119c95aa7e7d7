"""What time does to a review: expiry, reversals, escalation, reminders, settlement, reconciliation."""

from __future__ import annotations

from prefect import flow
from prefect.states import Completed, State

from tasks import artifacts, effects


@flow(name="daily_follow_up", flow_run_name="follow up what is open", persist_result=False)
def daily_follow_up(config: str = "config") -> State[str]:
    """Expire, revert and settle what is due today, remind and escalate, then deliver and reconcile. Safe to run more than once a day."""
    swept = effects.sweep(config)
    asked = effects.follow_up(config)
    letters = effects.draft_letters(config)
    orders = effects.hand_off_orders(config)
    delivered = effects.relay_outbox(config)
    reconciled = effects.reconcile(config)
    artifacts.publish_effects(swept, asked, letters, orders, delivered, reconciled, effects.insurance(config))
    return Completed(message=f"{swept.headline}; {asked.headline}; {delivered.headline}; {reconciled.headline}")
