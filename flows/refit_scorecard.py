"""Fit the scorecard anew, once a year: a draft with its model card, for people to validate and adopt."""

from __future__ import annotations

from prefect import flow
from prefect.states import Completed, State

from tasks import artifacts, refitting


@flow(name="refit_scorecard", flow_run_name="refit the scorecard", persist_result=False)
def refit_scorecard(config: str = "config") -> State[str]:
    """Completed with a draft or without one; it puts nothing in force. Safe to run at any time."""
    refitted = refitting.refit(config)
    artifacts.publish_refit(refitted)
    return Completed(message=refitted.headline)
