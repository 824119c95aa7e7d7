"""What the audit log said before any of its entries, and what it says of one review: results, proposals, routes, what people did."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from credit_review.audit.actions import Action
from credit_review.audit.business import Rebuilt
from credit_review.model.states import ProposalState, ReviewState

_ROUTED = (Action.PROPOSAL_ASSIGNED, Action.PROPOSAL_AUTO_APPROVED, Action.PROPOSAL_RELEASED)
_BEFORE_CREATED = (Action.PROPOSAL_SUPERSEDED, Action.ACCOUNT_OPENED)
"""What stands before the new proposals of a transaction."""
MOST = 500
"""Proposals of one transaction."""


@dataclass(frozen=True, slots=True)
class Step:
    """One entry about a proposal of the review."""

    seq: int
    at: datetime
    action: str
    actor: str
    data: Mapping[str, Any]


@dataclass(slots=True)
class Bundle:
    """Entries of one transaction about several proposals, by proposal. `before` is the entry before which the transaction saw the log."""

    before: int
    at: datetime
    last: int
    steps: dict[str, Step] = field(default_factory=dict)


@dataclass(slots=True)
class History(Rebuilt):
    """The log as `Rebuilt` takes it, every value remembered with its entry, and one review's own entries."""

    review_id: str = ""
    batches: dict[int, Mapping[str, Any]] = field(default_factory=dict)
    manifest: str = ""
    snapshotted: int = 0
    limits_read: int = 0
    proposed: int = 0
    created: list[Bundle] = field(default_factory=list)
    routed: list[Bundle] = field(default_factory=list)
    later: dict[str, list[Step]] = field(default_factory=dict)
    size: int = 0
    _past: dict[tuple[str, str], list[tuple[int, tuple[Any, ...]]]] = field(default_factory=dict)
    _accounts: dict[str, int] = field(default_factory=dict)
    _taken_over: dict[str, int] = field(default_factory=dict)
    _prelude: int | None = None

    def take(self, seq: int, body: Mapping[str, Any]) -> None:
        """One more entry."""
        super(History, self).take(seq, body)
        self.size = seq + 1
        kind, _, key = body["entity"].partition(":")
        step = Step(seq, datetime.fromisoformat(body["ts"]), body["action"], body["actor"], body["data"])
        if kind == "account":
            self._accounts.setdefault(key, seq)
        if step.action == Action.LIMIT_OPENINGS_TIED:
            self._taken_over.setdefault(key, seq)
        if kind == "review" and key == self.review_id:
            self._of_review(step)
        about = step.data.get("proposal") if kind == "account" else key if kind == "proposal" else None
        if about:
            self._of_proposal(str(about), step)
        if step.action not in _BEFORE_CREATED:
            self._prelude = None
        elif self._prelude is None:
            self._prelude = seq

    def at(self, table: str, key: str, before: int) -> tuple[Any, ...] | None:
        """What the log said of a row before an entry, in the order of `COLUMNS`; None when it did not know it."""
        known = self._past.get((table, key), [])
        found = bisect_left(known, before, key=lambda one: one[0])
        return known[found - 1][1] if found else None

    def keys(self, table: str) -> list[str]:
        """Every row of a table that the log ever knew."""
        return list(self.facts[table])

    def opened(self, account: str, before: int) -> bool:
        """Whether an account was there before an entry."""
        return self._accounts.get(account, before) < before

    def taken_over(self, review: str, before: int) -> bool:
        """Whether a review had taken over the limits of the ERP before an entry."""
        return self._taken_over.get(review, before) < before

    def digest_now(self, proposal: str) -> str | None:
        """Digest of the proposal's packet by the newest entry that changed it."""
        known = self.facts["limit_proposal"].get(proposal)
        return None if known is None else str(known[-1])

    def _set(self, table: str, key: str, values: tuple[Any, ...], seq: int) -> None:
        super(History, self)._set(table, key, values, seq)
        self._past.setdefault((table, key), []).append((seq, values))

    def _of_review(self, step: Step) -> None:
        if step.action == Action.SCORE_BATCH and step.data["stage"] == "proposals":
            self.batches[step.data["bucket"]] = step.data
        if step.action == Action.RUN_STATE_CHANGED:
            self.manifest = step.data["manifest"]
            if step.data["to"] == ReviewState.SNAPSHOTTED:
                self.snapshotted, self.limits_read = step.seq, step.data.get("limits_before", step.seq)
            if step.data["to"] == ReviewState.PROPOSED:
                self.proposed = step.seq

    def _of_proposal(self, key: str, step: Step) -> None:
        if step.action == Action.PROPOSAL_CREATED and step.data["review"] == self.review_id:
            self.later[key] = []
            if "manifest" in step.data:  # else a successor, which a person made
                start = step.seq if self._prelude is None else self._prelude
                _bundle(self.created, key, step, start)
                return
        if key not in self.later:
            return
        known = self.at("limit_proposal", key, step.seq)
        first = not any(one.action in _ROUTED for one in self.later[key])
        if step.action in _ROUTED and first and step.actor.startswith("system:") and known and known[0] == ProposalState.DRAFT:
            _bundle(self.routed, key, step, step.seq)
        self.later[key].append(step)


def _bundle(bundles: list[Bundle], key: str, step: Step, start: int) -> None:
    """Put an entry to those of its transaction: they stand together, at one time, and are at most 500."""
    last = bundles[-1] if bundles else None
    if last is None or last.last + 1 != step.seq or last.at != step.at or len(last.steps) >= MOST:
        last = Bundle(start, step.at, step.seq)
        bundles.append(last)
    last.steps[key] = step
    last.last = step.seq
