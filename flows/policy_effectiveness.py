"""Say once a year how the policy in force did: losses, lateness and what it refused, by grade and by rule."""

from __future__ import annotations

from prefect import flow
from prefect.states import Completed, State

from tasks import artifacts, effectiveness


@flow(name="policy_effectiveness", flow_run_name="report on the policy", persist_result=False)
def policy_effectiveness(config: str = "config", year: int = 0) -> State[str]:
    """Completed with a report on `year` (0: the year before), or saying that no review was made under the policy. Safe to repeat."""
    reported = effectiveness.effectiveness(config, year)
    artifacts.publish_effectiveness(reported)
    return Completed(message=reported.headline)
