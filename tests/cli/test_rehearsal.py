"""`slack sandbox` on a reviewed demo: what waits is put before its people, and the daily run speaks as it would that day."""

from __future__ import annotations

from datetime import timedelta

from office import CLOCK, NOON

from credit_review.adapters import slack_chat
from credit_review.messages import Company
from credit_review.messages.digest import Listing
from credit_review.messages.render import listing
from credit_review.model.records import OutboxEntry, Proposal
from deployments.cli.rehearsal import rehearsing


def test_a_rehearsal_asks_people_reminds_them_days_later_and_lists_what_may_be_approved_together(office, monkeypatch):
    monkeypatch.setattr(slack_chat, "SECONDS_A_MESSAGE", 0.0)
    office.edit("policy.yaml", "approve_listed_up_to: 0     ", "approve_listed_up_to: 50000 ")
    office.adopt("policy.yaml")
    with rehearsing(office.config):
        asked = {p.proposal_id for p in office.find(Proposal, state="pending")}
    assert asked and not _owed(office, "reminder:")
    together = _shown_together(office)
    assert together, "some of what the controller is asked can be approved at once"
    CLOCK.set(NOON + timedelta(days=5))
    with rehearsing(office.config):
        assert "slack_post:reminder:2026-10-06:@p-controller" in _owed(office, "reminder:")


def _owed(office, kind):
    return [e.dedup_key for e in office.find(OutboxEntry, kind="slack_post") if kind in e.dedup_key]


def _shown_together(office):
    opened = office.opened
    (review,) = {p.review_id for p in office.find(Proposal)}
    with opened.store.read() as uow:
        parts = [Listing(review=review, grade=grade, band="small") for grade in ("A", "B")]
        shown = [listing(uow, "p-controller", part, Company(opened.settings.words()), opened.clock.now()) for part in parts]
    return [one for one in shown if "credit_review_approve_listed" in str(one.blocks)]
