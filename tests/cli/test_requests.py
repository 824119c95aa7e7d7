"""A limit asked for outside the schedule: an increase for a while, a new customer, an early review; and what cannot be asked."""

from __future__ import annotations

import csv
from datetime import date, timedelta

import pytest
from office import CLOCK, NOON

from credit_review.calendar import WorkingCalendar
from credit_review.model.records import CreditLimit, LimitAccount, LimitChange, Maker, Proposal, Review
from deployments.cli.reviewing import posting_lags

pytestmark = pytest.mark.prefect


def steady(office):
    """A customer with a limit in force and no proposal, and that limit."""
    busy = {p.customer_id for p in office.find(Proposal)}
    limits = {c.account_id: c for c in office.find(CreditLimit)}
    accounts = [a for a in office.find(LimitAccount, layer="base", currency="EUR") if a.account_id in limits and a.subject_id not in busy]
    (path,) = (office.config / "data" / "reviews").glob(f"{office.find(Review, kind='periodic')[0].review_id}/proposals.csv")
    same = {row["customer_id"] for row in csv.DictReader(path.open(encoding="utf-8")) if row["state"] == "reviewed"}
    free = [(a, limits[a.account_id]) for a in accounts if limits[a.account_id].amount_minor and a.subject_id in same]
    return min(free, key=lambda one: (one[1].amount_minor, one[0].subject_id))


def test_a_temporary_increase_is_decided_by_somebody_else_applied_and_reverts_by_itself(office):
    account, base = steady(office)
    customer, wanted = account.subject_id, (base.amount_minor or 0) + 40_000_00
    ask = ("request", customer, "--amount", f"{wanted // 100:,} EUR", "--until", "2026-11-15", "--reason", "Christmas season")
    said = office.run(*ask, who="p-manager").fine()
    assert "temporary limit" in said.out and "then it reverts by itself" in said.out and "waits for Anna Berg to release it" in said.out
    review = office.one(Review, kind="ad_hoc")
    assert (review.state, review.started_by, review.as_of) == ("routed", "p-manager", date(2026, 10, 1))
    assert "by Mia Holm" in office.run("review", "show", review.review_id).fine().out
    proposal = office.one(Proposal, review_id=review.review_id)
    assert (proposal.to_minor, proposal.effective_to, proposal.proposer_id) == (wanted, date(2026, 11, 15), "p-manager")
    assert [m.person_id for m in office.find(Maker, proposal_id=proposal.proposal_id)] == ["p-manager"]
    shown = office.run("show", proposal.proposal_id).fine().out
    assert "Asked because" in shown and "Christmas season" in shown and "Mia Holm requested it" in shown
    office.run(*ask, who="p-manager").refused(4, proposal.proposal_id, "decided")
    office.run("release", proposal.proposal_id, who="p-analyst").fine()
    own = office.run("decide", proposal.proposal_id, "approve", who="p-manager")
    assert own.code == 4 and "somebody else decides it" in own.out
    office.run("decide", proposal.proposal_id, "approve", who="p-cfo").fine()
    office.run("apply").fine()
    limit = office.one(CreditLimit, account_id=proposal.account_id)
    assert (limit.amount_minor, limit.effective_to) == (wanted, date(2026, 11, 15))
    CLOCK.set(NOON + timedelta(days=40))
    assert "limits reverted: 0" in office.run("follow-up").fine().out
    CLOCK.set(NOON + timedelta(days=45))
    assert "limits reverted: 1" in office.run("follow-up").fine().out
    assert office.one(CreditLimit, account_id=proposal.account_id).amount_minor is None
    assert office.one(CreditLimit, account_id=account.account_id).amount_minor == base.amount_minor
    assert [c.kind for c in office.find(LimitChange, account_id=proposal.account_id, order_by=("version",))] == ["decision", "reversal"]
    assert len(list((office.config / "erp_drop").glob("*.csv"))) >= 2
    assert office.run("audit", "verify").code == 2


def test_who_refused_a_request_does_not_decide_its_appeal_and_another_may(office):
    account, base = steady(office)
    customer, wanted = account.subject_id, f"{(base.amount_minor or 0) // 100 + 6000:,} EUR"
    office.run("request", customer, "--amount", wanted, "--reason", "a large order", who="p-deputy").refused(4, "p-deputy")
    office.run("request", customer, "--amount", wanted, "--reason", "a large order", who="p-analyst").fine()
    (old,) = office.find(Proposal, customer_id=customer)
    office.run("release", old.proposal_id, who="p-analyst").fine()
    office.run("request", customer, "--appeal", old.proposal_id, "--reason", "too early", who="p-analyst").refused(4, "no refused request")
    office.run("decide", old.proposal_id, "reject", "--reason", "too much", who="p-manager").fine()
    ask = ("request", customer, "--amount", wanted, "--reason", "the order is signed now", "--appeal", old.proposal_id)
    office.run(*ask, who="p-analyst").fine()
    (appeal,) = (p for p in office.find(Proposal, customer_id=customer) if p.proposal_id != old.proposal_id)
    shown = office.run("show", appeal.proposal_id).fine().out
    assert "appealed against" in shown and "refused the request that this appeals against, and may not decide it" in shown
    assert "refused_before" not in shown
    office.run("release", appeal.proposal_id, who="p-analyst").fine()
    own = office.run("decide", appeal.proposal_id, "approve", who="p-manager")
    assert own.code == 4 and "you refused what this appeals against" in own.out
    office.run("decide", appeal.proposal_id, "approve", who="p-cfo").fine()


@pytest.mark.parametrize(("posted", "warned"), [
    (None, False), (date(2026, 9, 25), False), (date(2026, 9, 28), False), (date(2026, 9, 24), True),
])  # fmt: skip
def test_a_request_on_a_monday_warns_unless_cash_is_posted_through_friday_or_the_source_does_not_say(posted, warned):
    monday = date(2026, 9, 28)
    said = posting_lags(posted, monday, WorkingCalendar("DE"))
    assert (said is not None) is warned and (said is None or f"through {posted} only" in said)


def newcomer(office, number="0000777700", currency="EUR"):
    """A customer entered in the master after the last review, with no ledger row and no limit."""
    path = office.config / "ledger" / "customers.csv"
    rows = list(csv.DictReader(path.open(encoding="utf-8")))
    empty = dict.fromkeys(rows[0], "")
    known = {name: rows[0][name] for name in ("company_code", "country", "region", "segment", "portfolio", "account_owner")}
    new = {**empty, **known, "customer_number": number, "name": "Neu & Söhne KG", "currency": currency, "credit_status": "N"}
    new |= {"customer_since": "2026-09-30", "payment_terms": "Z014"}
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows([*rows, new])
    totals = office.config / "ledger" / "control_totals.csv"
    totals.write_text(
        totals.read_text(encoding="utf-8").replace(f"customers,,,{len(rows)},", f"customers,,,{len(rows) + 1},"), encoding="utf-8"
    )


def test_a_new_customer_gets_a_first_limit_that_people_approve_whatever_its_size(office):
    office.run("request", "777700", "--amount", "3000", "--reason", "new", who="p-analyst").refused(3, "777700", "customer master first")
    newcomer(office)
    (office.config / "ledger" / "posted_through.txt").write_text("2026-09-25\n", encoding="utf-8")
    wrong = office.run("request", "777700", "--amount", "3000 USD", "--reason", "new", who="p-analyst")
    assert "warning: cash is posted through 2026-09-25 only" in wrong.refused(3, "in USD", "amount in EUR").err
    (office.config / "ledger" / "posted_through.txt").write_text("2026-09-30\n", encoding="utf-8")
    told = office.run("request", "777700", "--amount", "3000", "--reason", "first order", "--json", who="p-analyst").fine().json
    assert (told["to_minor"], told["engine_minor"], told["state"], told["currency"]) == (3_000_00, 5_000_00, "draft", "EUR")
    proposal = office.one(Proposal, proposal_id=told["proposal_id"])
    assert (proposal.direction, proposal.from_minor, proposal.tier) == ("new", None, "T2") and "requested" in proposal.exceptional
    office.run("release", proposal.proposal_id, who="p-analyst").fine()
    office.run("decide", proposal.proposal_id, "approve", who="p-manager").fine()
    office.run("apply").fine()
    assert office.one(CreditLimit, account_id=proposal.account_id).amount_minor == 3_000_00


def test_longer_terms_alone_take_the_authority_of_an_increase(office):
    """Held, because policy says so here, until somebody with the tier confirms the extract; then it is routed."""
    office.edit("policy.yaml", "bulk_lateness_hold: 0.60", "bulk_lateness_hold: 0.01")
    account, base = steady(office)
    CLOCK.set(NOON + timedelta(minutes=5))
    office.run("request", account.subject_id, "--amount", "1", "--reason", "x", who="p-analyst").refused(
        4, "policy.yaml", "not adopted", "adopt"
    )
    office.adopt("policy.yaml")
    CLOCK.set(NOON + timedelta(minutes=10))
    ask = ("request", account.subject_id, "--terms", str((base.terms_days or 0) + 30), "--amount", str(base.amount_minor // 100))
    said = office.run(*ask, "--reason", "asked for by sales", who="p-controller").fine().out
    review = office.one(Review, kind="ad_hoc", state="proposed")
    assert "held: past due" in said and f"review confirm {review.review_id}" in said
    proposal = office.one(Proposal, review_id=review.review_id)
    assert (proposal.direction, proposal.to_minor, proposal.assigned_to) == ("up", base.amount_minor, ""), "looser, if no larger"
    confirm = ("review", "confirm", review.review_id, "--reason", "cash is posted")
    office.run(*confirm, who="p-controller").refused(4, "T2 (Credit manager)", "Mia Holm (p-manager)")
    assert office.refusals()[-1] == ("person:p-controller", f"review:{review.review_id}", "sign.lacks_tier")
    assert "held" in office.run("review", "show", review.review_id).fine().out
    said = office.run(*confirm, who="p-manager").fine().out
    assert "Mia Holm confirms the extract" in said and "is routed" in said
    told = office.run(*confirm, "--json", who="p-manager").fine().json
    assert told["state"] == "routed"
    assert "Mia Holm confirmed the extract" in office.run("review", "show", review.review_id).fine().out
    routed = office.one(Proposal, proposal_id=proposal.proposal_id)
    assert (routed.state, routed.assigned_to, routed.tier) == ("draft", "p-analyst", "T2"), "not the tier of a reduction"


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--amount", "60.000"), 3, "'60.000' is not an amount"),
        (("--amount", "1234,50"), 3, "'1234,50' is not an amount"),
        (("--amount", "60000 USD"), 3, "is in USD"),
        (("--amount", "lots"), 3, "'lots' is not an amount"),
        (("--amount", "-5"), 3, "negative"),
        (("--amount", "99999", "--until", "2026-10-01"), 3, "a day after today, 2026-10-01"),
        (("--amount", "99999", "--until", "15.11.2026"), 2, "15.11.2026"),
        (("--until", "2026-11-15"), 3, "without an amount"),
        (("--amount", "1", "--until", "2026-11-15"), 4, "is not above the"),
        (("--amount", "60000", "--terms", "400"), 2, "--terms"),
    ],
)
def test_what_makes_no_sense_is_said_before_any_work(reviewed, words, code, said):
    account, _ = steady(reviewed)
    before = len(reviewed.find(Review))
    done = reviewed.run("request", account.subject_id, *words, "--reason", "x", who="p-analyst").refused(code, said)
    assert "Reading the sources" not in done.err and len(reviewed.find(Review)) == before


def test_an_unknown_customer_is_told_from_a_number_of_the_ledger(reviewed):
    account, _ = steady(reviewed)
    number = f"{int(account.subject_id):010d}"
    reviewed.run("request", number, "--amount", "60000", "--reason", "x", who="p-analyst").refused(
        3, f"its id here is {account.subject_id}"
    )
    reviewed.run("request", "nobody", "--reason", "x", who="p-analyst").refused(3, "no customer nobody", "customer master")


def test_a_customer_that_cannot_be_reviewed_is_named_with_the_reason_and_the_request_is_asked_again_not_resumed(office):
    mark_intercompany(office)
    ask = ("request", "100100", "--amount", "60000", "--reason", "x")
    for key in [p.proposal_id for p in office.find(Proposal, customer_id="100100", state="draft")]:
        office.run("exclude", key, "--rule", "netting", "--reason", "x", who="p-analyst").fine()
    office.run(*ask, who="p-analyst").refused(5, "customer 100100", "excluded", "ask again")
    (failed,) = office.find(Review, kind="ad_hoc")
    assert failed.state == "failed"
    office.run("review", "resume", failed.review_id).refused(4, "is a request that stopped", "credit-review request 100100")


def mark_intercompany(office):
    path = office.config / "ledger" / "customers.csv"
    rows = list(csv.reader(path.open(encoding="utf-8")))
    number, status = rows[0].index("customer_number"), rows[0].index("credit_status")
    for row in rows[1:]:
        if row[number].lstrip("0") == "100100":
            row[status] = "IC"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)
