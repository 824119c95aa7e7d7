"""An emergency override at the command line: in force at once, approved afterwards, and what auditors' tools make of it.

One that nobody approves is taken back in test_evidence_of_an_override.py.
"""

from __future__ import annotations

from datetime import timedelta

import pytest
from office import CLOCK, NOON
from test_reperform_limits import reperformed
from test_requests import steady

from credit_review.adapters.store.business import compare_with_tables
from credit_review.model.records import AuditPayload, AuditRow, CreditLimit, LimitChange, Proposal, Review

pytestmark = pytest.mark.prefect
RULE = "emergency: {tier: T2, cap: 50000, days: 14}\n"


def raised(office, customer, amount, who="p-manager"):
    words = ("override", customer, "--amount", f"{amount // 100:,} EUR", "--until", "2026-10-12", "--reason", "ship leaves today", "--json")
    return office.run(*words, who=who)


def export(office, name):
    path = office.config / name
    office.run("audit", "export", str(path), who="p-cfo").fine()
    return reperformed(path)


def test_an_override_is_in_force_at_once_and_lacks_its_approval_until_that_stands(office):
    account, base = steady(office)
    customer, wanted = account.subject_id, (base.amount_minor or 0) + 40_000_00
    raised(office, customer, wanted).refused(4, "no `emergency` section")
    CLOCK.set(NOON + timedelta(minutes=1))  # the matrix adopted last is in force
    office.edit("authority.yaml", "offices:  ", RULE + "offices:  ")
    office.edit("authority.yaml", "  control_owner: [] ", "  control_owner: [p-ceo] ")
    office.adopt("authority.yaml", by=("p-cfo", "p-controller"))
    raised(office, customer, wanted, who="p-controller").refused(4, "may not raise a limit before its approval")
    assert [code for _, entity, code in office.refusals() if entity == f"customer:{customer}"] == ["override.not_yours"] * 2
    done = raised(office, customer, wanted).fine().json
    proposal = office.one(Proposal, proposal_id=done["proposal_id"])
    limit = office.one(CreditLimit, account_id=proposal.account_id)
    assert (limit.amount_minor, done["state"], done["tier"]) == (wanted, "pending", "T2")
    entry = office.one(AuditRow, action="limit.override")
    assert "ship leaves" in office.one(AuditPayload, seq=entry.seq).payload and "ship leaves" not in entry.body
    assert any(done["change"] in path.read_text(encoding="utf-8") for path in (office.config / "erp_drop").glob("*.csv"))
    waiting = export(office, "waiting.jsonl")
    assert waiting.returncode == 1 and f"override {done['change']}" in waiting.stdout and "was not approved afterwards" in waiting.stdout
    own = office.run("decide", proposal.proposal_id, "approve", who="p-manager")
    assert own.code == 4 and "somebody else decides it" in own.out
    assert proposal.proposal_id in office.run("inbox", who="p-cfo").fine().out
    office.run("decide", proposal.proposal_id, "approve", who="p-cfo").fine()
    office.run("apply").fine()
    assert len(office.find(LimitChange, proposal_id=proposal.proposal_id)) == 1
    approved = export(office, "approved.jsonl")
    assert approved.returncode == 0 and "1 override" in approved.stdout, approved.stdout
    assert compare_with_tables(office.opened.store.engine) == []
    review = office.one(Review, review_id=proposal.review_id)
    assert office.run("replay", review.review_id).fine().code == 0
