"""`slack sandbox` on a reviewed demo: what waits is put before its people, and the daily run speaks as it would that day."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace

from office import CLOCK, NOON

from credit_review.model.records import OutboxEntry, Proposal
from deployments.cli import rehearsal


def test_a_rehearsal_asks_people_and_reminds_them_days_later(office):
    with rehearsal.rehearsing(office.config):
        assert office.find(Proposal, state="pending") and not _owed(office, "reminder:")
    CLOCK.set(NOON + timedelta(days=5))
    with rehearsal.rehearsing(office.config):
        assert "slack_post:reminder:2026-10-06:@p-controller" in _owed(office, "reminder:")


def test_of_the_lowest_tier_those_without_an_exception_are_released_first():
    drafts = [SimpleNamespace(proposal_id=f"p-{n:02}", tier="T1", exceptional="missing_data" if n < 20 else "") for n in range(40)]
    assert [d.proposal_id for d in rehearsal._mixed(drafts)][:20] == [f"p-{n:02}" for n in range(20, 40)]


def _owed(office, kind):
    return [e.dedup_key for e in office.find(OutboxEntry, kind="slack_post") if kind in e.dedup_key]
