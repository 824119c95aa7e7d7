"""One pass of a review's life on the shared database, PostgreSQL, named by the environment as the README says."""

from __future__ import annotations

from datetime import timedelta

import office as offices
from office import AS_OF, CLOCK, NOON

from credit_review.model.records import CreditLimit, Proposal, Review, RiskKept


def test_a_review_lives_on_postgresql_from_ledger_to_sign_off(tmp_path, postgres_url, monkeypatch):
    monkeypatch.setenv("CREDIT_REVIEW_DATABASE_URL", postgres_url)
    office = offices.install(tmp_path / "config", customers=40, seed=5)
    assert "postgresql" in office.run("db", "upgrade").fine().out
    assert "postgresql" in office.run("doctor").fine().out
    assert "is routed" in office.run("review", "run", "--as-of", AS_OF.isoformat()).fine().out
    assert not (office.config / "data" / "credit-review.db").exists()
    review = office.one(Review).review_id
    up, down = office.waiting(way="up", tier="T2")[0], office.waiting(way="down")[0]
    office.run("release", up, "--comment", "seen", who="p-analyst").fine()
    office.run("defer", down, "--until", "2026-12-01", "--reason", "audit", who="p-analyst").fine()
    rest = [p.proposal_id for p in office.find(Proposal, state="draft")]
    office.run("exclude", *rest, "--rule", "netting", "--reason", "x", who="p-analyst").fine()
    assert office.run("decide", up, "approve", who="p-controller").code == 4
    office.run("decide", up, "approve", who="p-manager").fine()
    office.run("apply").fine()
    approved = office.one(Proposal, proposal_id=up)
    assert office.one(CreditLimit, account_id=approved.account_id).amount_minor == approved.to_minor
    office.run("people", "delegate", "p-controller", "--until", "2026-11-01", who="p-manager").fine()
    (known,) = office.run("people", "delegations", "--json").fine().json
    CLOCK.set(NOON + timedelta(minutes=1))
    office.run("people", "end-delegation", known["delegation_id"], who="p-manager").fine()
    ask = ("request", approved.customer_id, "--amount", f"{approved.to_minor // 100 + 5000}", "--until", "2026-11-15", "--reason", "season")
    asked = office.run(*ask, "--json", who="p-controller").fine().json
    office.run("release", asked["proposal_id"], who="p-analyst").fine()
    office.run("decide", asked["proposal_id"], "approve", who="p-cfo").fine()
    for risk in office.find(RiskKept):
        words = ("--reason", "paid since", "--until", "2026-12-31")
        office.run("risk-kept", risk.proposal_id, *words, who="p-analyst").refused(4, "stopped it")
        office.run("risk-kept", risk.proposal_id, *words, who="p-chair").fine()
    sign = ("review", "close", review, "--statement", "complete")
    office.run(*sign, who="p-analyst").refused(4, "T2 (Credit manager)")
    assert office.refusals()[-1] == ("person:p-analyst", f"review:{review}", "sign.lacks_tier")
    assert office.run(*sign, "--json", who="p-manager").fine().json["review_id"] == review
    office.run("apply").fine()
    assert office.one(Proposal, proposal_id=asked["proposal_id"]).state == "applied"
    assert "consistent, not anchored" in office.run("audit", "verify").out
