"""The audit log's own steps: signing a checkpoint of it, and checking it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from credit_review.adapters.store.verify import verify_log
from credit_review.adapters.wiring import open_outside, run_notary
from credit_review.words import said
from tasks.defaults import outside
from tasks.prepare import services


@dataclass(frozen=True, slots=True)
class Verification:
    """What the verifier said: one line, its facts, and the exit code (0 verified, 1 tampered, 2 cannot tell)."""

    headline: str
    facts: Mapping[str, str]
    exit_code: int


@dataclass(frozen=True, slots=True)
class Issued:
    """What the notary did: one line, its facts, and what is late."""

    headline: str
    facts: Mapping[str, str]
    alarms: tuple[str, ...]


@outside(name="verify the audit log", task_run_name="verify the audit log")
def verify(config: str) -> Verification:
    """Recompute chain, Merkle root and columns of the whole log, and compare it with what anchors hold."""
    opened = services(config)
    found = verify_log(opened.store.engine, open_outside(opened.settings, opened.clock))
    facts = {"status": str(found.status), "entries": str(found.size), "root": found.root, "newest entry": found.ts}
    newest = found.anchoring.newest if found.anchoring else {}
    facts |= {f"anchor {name}": f"up to entry {size}" for name, size in sorted(newest.items())}
    if found.seq is not None:
        facts["first finding at entry"] = str(found.seq)
    return Verification(headline=found.finding, facts=facts, exit_code=found.exit_code)


@outside(name="sign a checkpoint", task_run_name="sign a checkpoint of the audit log")
def notarise(config: str) -> Issued:
    """Verify what is new in the log, sign it, and see every anchor hold it; nothing where no notary is set up."""
    opened = services(config)
    if not opened.settings.audit.origin:
        return Issued(headline=said("no notary is set up: settings.yaml names no origin under `audit`"), facts={}, alarms=())
    done = run_notary(opened)
    facts = {"entries": str(done.size), "root": done.root, "signed now": "yes" if done.signed else "no, nothing is new"}
    facts |= {f"anchor {name}": f"up to entry {size}" for name, size in sorted(done.confirmed.items())}
    facts |= {f"anchor {name} failed": error for name, error in sorted(done.failed.items())}
    headline = said("checkpoint of {size} entries, kept by {anchors} anchors", size=done.size, anchors=len(done.confirmed))
    return Issued(headline=headline, facts=facts, alarms=done.overdue)
