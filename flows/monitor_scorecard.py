"""Look at the scorecard in use every month: calibration, ranking, drift, migration, vintages, overrides in hindsight."""

from __future__ import annotations

from prefect import flow
from prefect.states import Completed, State

from tasks import artifacts, monitoring


@flow(name="monitor_scorecard", flow_run_name="monitor the scorecard", persist_result=False)
def monitor_scorecard(config: str = "config") -> State[str]:
    """Completed whatever it finds: each exception is a finding with an owner from then on. Safe to run at any time."""
    done = monitoring.monitor(config)
    artifacts.publish_monitoring(done)
    return Completed(message=done.headline)
