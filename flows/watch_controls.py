"""Run the controls that watch over approvals every night: duties, authority, limits, rules, leavers, coverage, and signals."""

from __future__ import annotations

from prefect import flow
from prefect.states import Completed, State

from tasks import artifacts, controls


@flow(name="watch_controls", flow_run_name="run the controls", persist_result=False)
def watch_controls(config: str = "config") -> State[str]:
    """Completed whatever the controls find: each alarm has an owner from then on, and an artifact lists them. Safe to run at any time."""
    watched = controls.watch(config)
    artifacts.publish_controls(watched)
    return Completed(message=watched.headline)
