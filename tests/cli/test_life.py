"""The life of a review at the command line: released, decided, applied, answered for, closed; as the people concerned type it."""

from __future__ import annotations

import hashlib
import re
from datetime import timedelta

import pytest
from office import CLOCK, NOON

from credit_review.model.records import CreditLimit, Deferral, Exclusion, Note, Proposal, Review, RiskKept

pytestmark = pytest.mark.prefect


def test_the_review_is_listed_and_shown_with_names(reviewed):
    (listed,) = reviewed.run("review", "list", "--json").fine().json
    assert listed["state"] == "routed" and listed["review_id"] in reviewed.run("review", "list").fine().out
    shown = reviewed.run("review", "show", listed["review_id"]).fine().out
    assert "state " in shown and "by the scheduler" in shown and "report.html" in shown
    told = reviewed.run("review", "show", listed["review_id"], "--json").fine().json
    assert told["proposals"]["draft"] > 10 and told["risk_kept_undecided"] == [] and told["report"].endswith("report.html")
    reviewed.run("review", "show", "r-none").refused(3, "no review r-none", "credit-review review list")


def test_the_report_is_written_again_for_the_newest_review(office):
    told = office.run("report", "--json").fine().json
    assert office.run("report", told["review"]).fine().out.strip() == told["report"]


def test_an_inbox_holds_what_awaits_a_person_and_nobody_elses(reviewed):
    mine = reviewed.run("inbox", who="p-analyst").fine().out
    assert mine.startswith("Anna Berg: ") and "To release" in mine and "\x1b" not in mine
    told = reviewed.run("inbox", "--json", who="p-analyst").fine().json
    assert len(told["release"]) == len(reviewed.find(Proposal, state="draft")) and told["decide"] == []
    assert reviewed.run("inbox", "--json", who="p-cfo").fine().json["release"] == []
    reviewed.run("inbox", who="p-nobody").refused(4, "p-nobody")


def test_an_account_nobody_mapped_is_told_whom_to_ask(reviewed):
    reviewed.run("inbox").refused(4, "belongs to nobody", "people account")


def test_a_draft_is_commented_given_a_file_amended_and_released(office, tmp_path):
    (key, *_) = office.waiting(way="up", tier="T2")
    file = tmp_path / "accounts.pdf"
    file.write_bytes(b"audited")
    words = ("--comment", "new site opens in May", "--attach", str(file), "--keep")
    assert office.run("release", key, *words, who="p-analyst").fine().out == f"kept in the worklist: {key}\n"
    office.run("release", key, "--amend", "1234,50", "--reason", "season", who="p-analyst").refused(3, "'1234,50' is not an amount")
    office.run("release", key, "--amend", "60.000", "--reason", "season", who="p-analyst").refused(3, "'60.000' is not an amount")
    office.run("release", key, "--amend", "60000 USD", "--reason", "season", who="p-analyst").refused(3, "in USD", "amount in EUR")
    office.run("release", key, "--amend", "60,000", who="p-analyst").refused(3, "no text given")
    office.run("release", key, "--comment", "x", who="p-manager").refused(4, "waits for Anna Berg (p-analyst)")
    told = office.run("release", key, "--amend", "60,000", "--reason", "season", "--json", who="p-analyst").fine().json
    assert [(p["to_minor"], p["state"]) for p in told["released"]] == [(60_000_00, "pending")]
    notes = {n.kind: n for n in office.find(Note, proposal_id=key)}
    assert notes["attachment"].sha256 == hashlib.sha256(b"audited").hexdigest() and notes["comment"].text == "new site opens in May"
    shown = office.run("show", key).fine().out
    for words in ("Anna Berg, comment: new site opens in May", notes["attachment"].sha256, "Anna Berg amended it", "60,000 EUR"):
        assert words in shown, words
    assert "p-analyst" not in shown
    assert office.run("show", key, "--json").fine().json["state"] == "pending"


def test_customers_are_deferred_and_excluded_by_a_named_rule_and_their_reductions_become_risks(office):
    up, (down, other, *_) = office.waiting(way="up")[0], office.waiting(way="down")
    office.run("defer", down, "--until", "2026-10-01", "--reason", "audit", who="p-analyst").refused(3, "a day after today")
    deferred = office.run("defer", down, "--until", "2026-12-01", "--reason", "audit under way", who="p-analyst").fine().out
    assert "deferred until 2026-12-01" in deferred and "risk-kept" in deferred
    told = office.run("exclude", up, other, "--rule", "joint venture", "--reason", "netted", "--json", who="p-analyst").fine().json
    assert told == {"excluded": [up, other], "rule": "joint venture", "until": None}
    assert office.one(Deferral).owner_id == "p-analyst" and {e.rule for e in office.find(Exclusion)} == {"joint venture"}
    assert {r.proposal_id for r in office.find(RiskKept)} == {down, other}
    inbox = office.run("inbox", who="p-manager").fine().out
    assert "2 reductions that did not happen" in inbox and down in inbox


def test_proposals_are_approved_rejected_and_answered_with_a_counter_offer_by_those_who_may(office):
    up, offer, *_ = office.waiting(way="up", tier="T2")
    down = office.waiting(way="down")[0]
    office.run("release", up, offer, down, who="p-analyst").fine()
    assert {p["proposal_id"] for p in office.run("inbox", "--json", who="p-manager").fine().json["decide"]} == {up, offer, down}
    own = office.run("decide", up, "approve", who="p-analyst")
    assert own.code == 4 and "somebody else decides it" in own.out
    lacks = office.run("decide", up, "approve", who="p-controller")
    assert lacks.code == 4 and "you lack T2 (Credit manager)" in lacks.out and "Mia Holm (p-manager)" in lacks.out
    stale = office.run("decide", up, "approve", "--digest", "0" * 64, "--json", who="p-manager")
    assert stale.code == 4 and stale.json["code"] == "stale"
    office.run("decide", up, "perhaps", who="p-manager").refused(3, "unknown verdict 'perhaps'", "approve, reject")
    office.run("decide", "p-none", "approve", who="p-manager").refused(3, "no proposal p-none")
    assert office.run("decide", up, "approve", who="p-manager").fine().out
    assert office.run("decide", up, "approve", who="p-cfo").code == 4
    reasonless = office.run("decide", down, "reject", who="p-cfo")
    assert reasonless.code == 4 and "say why" in reasonless.out
    office.run("decide", down, "reject", "--reason", "they have paid", who="p-cfo").fine()
    made = office.run("decide", offer, "counter", "--amount", "61,000", "--reason", "season", "--json", who="p-manager").fine().json
    assert made["successor_id"] and office.run("decide", made["successor_id"], "approve", who="p-manager").code == 4
    office.run("decide", made["successor_id"], "approve", who="p-cfo").fine()
    applied = office.run("apply").fine().out
    assert re.search(r"Applied +\d+ applied, 0 not applied", applied), applied
    for key, minor in ((up, None), (made["successor_id"], 61_000_00)):
        proposal = office.one(Proposal, proposal_id=key)
        assert proposal.state == "applied" and (minor or proposal.to_minor) == proposal.to_minor
        assert office.one(CreditLimit, account_id=proposal.account_id).amount_minor == proposal.to_minor
    assert office.run("apply", "--json").fine().json[0]["rows"] == []
    shown = office.run("show", up).fine().out
    assert "Mia Holm answered approve" in shown


def test_a_delegate_decides_until_the_delegation_is_ended(office):
    first, second, *_ = office.waiting(way="up", tier="T2")
    office.run("release", first, second, who="p-analyst").fine()
    office.run("people", "delegate", "p-manager", "--until", "2026-11-01", who="p-manager").refused(4, "himself")
    said = office.run("people", "delegate", "p-controller", "--until", "2026-11-01", who="p-manager").fine().out
    assert said.startswith("Carl Ohm may decide on behalf of Mia Holm until 2026-11-01")
    assert "Mia Holm" in office.run("people", "delegations").fine().out
    (known,) = office.run("people", "delegations", "--json").fine().json
    office.run("decide", first, "approve", "--on-behalf-of", "p-manager", who="p-controller").fine()
    assert "Carl Ohm for Mia Holm answered approve" in office.run("show", first).fine().out
    CLOCK.set(NOON + timedelta(hours=1))
    ended = office.run("people", "end-delegation", known["delegation_id"], who="p-manager").fine().out
    assert ended == "Carl Ohm decides nothing on behalf of Mia Holm from 2026-10-01\n"
    assert office.run("people", "delegations", "--json").fine().json == []
    late = office.run("decide", second, "approve", "--on-behalf-of", "p-manager", who="p-controller")
    assert late.code == 4 and "Mia Holm (p-manager) has not delegated to you" in late.out
    office.run("people", "end-delegation", "d-none", who="p-manager").refused(3, "no delegation d-none", "people delegations")


def test_a_review_is_closed_only_when_everything_is_answered_for_and_by_somebody_with_the_tier(office):
    review = office.one(Review).review_id
    sign = ("review", "close", review, "--statement", "complete to my knowledge")
    some = office.waiting(way="up")[0]
    office.run(*sign, who="p-manager").refused(4, "open proposals", "decided and applied")
    office.run(
        "exclude", *[p.proposal_id for p in office.find(Proposal, state="draft")], "--rule", "netting", "--reason", "x", who="p-analyst"
    ).fine()
    assert office.one(Proposal, proposal_id=some).state == "rejected"
    office.run("apply").fine()
    office.run(*sign, who="p-manager").refused(4, "reductions that did not happen", "risk-kept PROPOSAL")
    risks = sorted(office.find(RiskKept), key=lambda r: r.amount_minor)
    keep = ("--reason", "paid since", "--until", "2026-12-31")
    office.run("risk-kept", risks[0].proposal_id, *keep, who="p-analyst").refused(4, "stopped it", "Carl Ohm (p-controller)")
    office.run("risk-kept", risks[0].proposal_id, "--reason", "x", "--until", "2026-09-01", who="p-cfo").refused(3, "a day after today")
    kept = office.run("risk-kept", risks[0].proposal_id, *keep, who="p-ceo").fine().out
    assert "by Elena Rossi until 2026-12-31" in kept
    for risk in risks[1:]:
        assert office.run("risk-kept", risk.proposal_id, *keep, "--json", who="p-ceo").fine().json["decided_by"] == "p-ceo"
    office.run("risk-kept", risks[0].proposal_id, *keep, who="p-ceo").refused(4, "decided by")
    office.run(*sign, who="p-controller").refused(4, "T2 (Credit manager)", "Mia Holm (p-manager)")
    assert office.one(Review).state == "routed", "a refused signature changes nothing"
    assert office.refusals()[-2:] == [
        ("person:p-analyst", f"proposal:{risks[0].proposal_id}", "sign.own"),
        ("person:p-controller", f"review:{review}", "sign.lacks_tier"),
    ], "but stands in the log; a mistake and a risk decided already do not"
    said = office.run(*sign, who="p-manager").fine().out
    assert f"{review} by Mia Holm" in said and "by Elena Rossi until 2026-12-31" in said and "approved by rule" in said
    assert "by Mia Holm already" in office.run(*sign, who="p-cfo").fine().out
    assert office.run(*sign, "--json", who="p-cfo").fine().json["review_id"] == review
    assert "closed by Mia Holm on 2026-10-01" in office.run("review", "show", review).fine().out
    assert office.run("review", "close", review, who="p-manager").refused(2, "--statement").out == ""
