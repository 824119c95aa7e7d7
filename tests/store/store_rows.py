"""Complete records with plain defaults, for tests that care about one or two fields."""

from __future__ import annotations

import hashlib
from datetime import UTC, date, datetime

from credit_review.model.records import CreditLimit, Decision, LimitAccount, LimitChange, Maker, OutboxEntry, Proposal, Review

NOW = datetime(2026, 10, 1, 12, tzinfo=UTC)
DAY = date(2026, 10, 1)


def review(review_id="r-1", **changes):
    return Review(
        **{
            "review_id": review_id, "label": "2026Q3", "kind": "periodic", "scope": review_id, "as_of": date(2026, 9, 30), "attempt": 1,
            "state": "draft", "last_good_state": "", "failure": "", "manifest_digest": "ab" * 32, "manifest_json": "{}",
            "started_by": "system:test", "started_at": NOW, "supersede_reason": "", "hold": "", "hold_released_by": "", "closed_by": "",
            "closed_at": None,
        } | changes
    )  # fmt: skip


def account(account_id="acc-1", **changes):
    return LimitAccount(
        **{
            "account_id": account_id, "subject_kind": "customer", "subject_id": account_id, "legal_entity": "ALL", "layer": "base",
            "currency": "EUR",
        } | changes
    )  # fmt: skip


def proposal(proposal_id="p-1", **changes):
    return Proposal(
        **{
            "proposal_id": proposal_id, "review_id": "r-1", "account_id": "acc-1", "customer_id": "c-1", "group_id": "c-1",
            "proposer_id": "system", "state": "pending", "direction": "new", "currency": "EUR", "from_minor": None, "to_minor": 12_000_00,
            "engine_minor": 12_000_00, "from_terms_days": None, "terms_days": 30, "effective_from": DAY, "effective_to": None,
            "base_version": 0, "grade": "B", "region": "", "exposure_minor": 0, "own_risk_minor": 0, "exceptional": "",
            "straight_through_rule": "", "assigned_to": "", "tier": "T1", "required_approvals": 1, "packet_json": "{}",
            "digest": hashlib.sha256(proposal_id.encode()).hexdigest(), "created_at": NOW, "expires_at": None, "decided_at": None,
            "outcome_code": "", "supersedes_id": None, "policy_digest": "", "authority_digest": "",
        } | changes
    )  # fmt: skip


def decision(of, approver_id="p-7", **changes):
    return Decision(
        **{
            "proposal_id": of.proposal_id, "approver_id": approver_id, "on_behalf_of": None, "proposer_id": of.proposer_id,
            "verdict": "approve", "digest": of.digest, "tier": "T1", "reason": "", "channel": "cli",
            "delivery_key": f"{of.proposal_id}/{approver_id}", "at": NOW,
        } | changes
    )  # fmt: skip


def maker(of, person_id, how="amended"):
    return Maker(proposal_id=of.proposal_id, person_id=person_id, how=how, at=NOW)


def change_of(of, change_id="ch-1", **changes):
    return LimitChange(
        **{
            "change_id": change_id, "account_id": of.account_id, "version": 1, "kind": "decision", "proposal_id": of.proposal_id,
            "reverses_id": None, "snapshot_digest": None, "old_minor": None, "new_minor": of.to_minor, "old_terms_days": None,
            "new_terms_days": of.terms_days, "effective_from": of.effective_from, "effective_to": of.effective_to,
            "applied_by": "system:apply", "applied_at": NOW,
        } | changes
    )  # fmt: skip


def opening(account_id="acc-1", minor=10_000_00, terms=30, **changes):
    return LimitChange(
        **{
            "change_id": f"open-{account_id}", "account_id": account_id, "version": 1, "kind": "opening", "proposal_id": None,
            "reverses_id": None, "snapshot_digest": "ef" * 32, "old_minor": None, "new_minor": minor, "old_terms_days": None,
            "new_terms_days": terms, "effective_from": DAY, "effective_to": None, "applied_by": "p-1", "applied_at": NOW,
        } | changes
    )  # fmt: skip


def limit_of(change, **changes):
    return CreditLimit(
        **{
            "account_id": change.account_id, "version": change.version, "amount_minor": change.new_minor,
            "terms_days": change.new_terms_days, "effective_from": change.effective_from, "effective_to": change.effective_to,
        } | changes
    )  # fmt: skip


def effect(outbox_id="o-1", **changes):
    return OutboxEntry(
        **{
            "outbox_id": outbox_id, "kind": "erp", "dedup_key": outbox_id, "payload_json": "{}", "state": "queued", "attempts": 0,
            "not_before": NOW, "leased_by": "", "lease_until": None, "last_error": "", "confirmed_json": "", "created_at": NOW,
        } | changes
    )  # fmt: skip


def put(store, *records, entries=()):
    """Add the records, append the entries, commit; the sequence numbers."""
    with store.begin() as uow:
        uow.add(*records)
        uow.append(*entries)
        return uow.commit()
