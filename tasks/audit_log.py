"""The audit log's own check."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from credit_review.adapters.store.verify import verify_log
from tasks.defaults import outside
from tasks.prepare import services


@dataclass(frozen=True, slots=True)
class Verification:
    """What the verifier said: one line, its facts, and the exit code (0 verified, 1 tampered, 2 cannot tell)."""

    headline: str
    facts: Mapping[str, str]
    exit_code: int


@outside(name="verify the audit log", task_run_name="verify the audit log")
def verify(config: str) -> Verification:
    """Recompute chain, Merkle root and columns of the whole log."""
    found = verify_log(services(config).store.engine)
    facts = {"status": str(found.status), "entries": str(found.size), "root": found.root, "newest entry": found.ts}
    if found.seq is not None:
        facts["first finding at entry"] = str(found.seq)
    return Verification(headline=found.finding, facts=facts, exit_code=found.exit_code)
