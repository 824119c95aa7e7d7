"""What a review run knows about itself: plain values that travel to bucket tasks on threads, processes or a cluster."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

from credit_review.adapters.snapshot import Snapshot, open_snapshot
from credit_review.adapters.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A review about to start or under way. `waiting_for` says why it did not start; then nothing else happened."""

    config: str
    as_of: date
    scope: str
    label: str
    kind: str
    buckets: int
    runner: str
    workers: int
    data: str
    review_id: str = ""
    snapshot_digest: str = ""
    waiting_for: str = ""

    @property
    def tag(self) -> str:
        """The tag all flow runs of the review carry."""
        return f"review:{self.review_id}"

    @property
    def workspace(self) -> Workspace:
        """The review's folder."""
        return Workspace(Path(self.data), self.review_id)

    @property
    def snapshot(self) -> Snapshot:
        """The review's snapshot. Raises Tampered when a file is not what was written."""
        return open_snapshot(self.workspace.snapshots / self.snapshot_digest)

    def but(self, **fields: Any) -> Plan:
        """The plan with some fields changed."""
        return replace(self, **fields)
