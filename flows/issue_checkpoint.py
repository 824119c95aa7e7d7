"""Sign a checkpoint of the audit log and see it kept outside the database. Run it as the notary's user, who alone has the key."""

from __future__ import annotations

from prefect import flow
from prefect.states import Completed, Failed, State

from tasks import artifacts, audit_log


@flow(name="issue_checkpoint", flow_run_name="sign a checkpoint of the audit log", persist_result=False)
def issue_checkpoint(config: str = "config") -> State[str]:
    """Completed when the log is sound and signed; Failed while an anchor lacks what is older than allowed, which is the alarm."""
    done = audit_log.notarise(config)
    artifacts.publish_checkpoint(done)
    if done.alarms:
        return Failed(message="; ".join(done.alarms))
    return Completed(message=done.headline)
