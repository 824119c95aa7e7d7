"""The outcome a scorecard learns from: what counts, when, and what may never count."""

from datetime import date, timedelta

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scoring_rows import customers, features, items, starter_policy

from credit_review import scoring
from credit_review.errors import BadInput
from credit_review.scoring.outcomes import window_end

POLICY = starter_policy()  # 90 days, 500, 12 months
CUTOFF, AS_OF = date(2024, 6, 30), date(2025, 6, 30)
BEFORE = {"customer_id": "c", "posting_date": "2024-05-01", "due_date": "2024-05-31", "clearing_date": "2024-06-02"}


def result(*rows, master=None, policy=POLICY, cutoff=CUTOFF):
    master = customers([{"customer_id": "c"} | (master or {})])
    return scoring.outcome(items([BEFORE, *rows]), master, cutoff=cutoff, as_of=AS_OF, policy=policy).iloc[0]


def invoice(due, cleared=None, **more):
    return {"customer_id": "c", "posting_date": "2024-05-01", "due_date": due, "clearing_date": cleared} | more


def test_an_invoice_more_than_ninety_days_past_due_in_the_window_is_the_outcome():
    found = result(invoice("2024-07-31"))
    assert (found["outcome"], found["cause"], found["left_out"]) == (1, "days past due", "")


def test_paid_on_the_ninety_first_day_is_late_enough_only_if_it_was_still_open_then():
    due = "2024-07-31"
    on_day_91, after = "2024-10-30", "2024-10-31"
    assert result(invoice(due, on_day_91))["outcome"] == 0
    assert result(invoice(due, after))["outcome"] == 1


@pytest.mark.parametrize(
    ("row", "why"),
    [
        (invoice("2024-07-31", disputed=True), "disputed"),
        (invoice("2024-07-31", amount_minor=49_999), "below the material amount"),
        (invoice("2024-07-31", open_minor=10_000), "small remainder of a part-paid invoice"),
        (invoice("2025-04-15"), "more than 90 days past due only after the window"),
        (invoice("2024-07-31", kind="order"), "an order"),
        (invoice("2024-07-31", kind="credit_note", amount_minor=-100_000), "a credit note"),
        (invoice("2024-07-31", customer_id="other"), "another customer's"),
    ],
    ids=lambda x: x if isinstance(x, str) else "",
)
def test_what_does_not_count(row, why):
    assert result(row)["outcome"] == 0


def test_a_write_off_in_the_window_is_the_outcome_even_before_ninety_days():
    found = result(invoice("2025-03-31", "2025-05-01", written_off=True))
    assert (found["outcome"], found["cause"]) == (1, "write-off")


def test_insolvency_in_the_window_is_the_outcome_and_named_as_cause():
    found = result(invoice("2024-07-31"), master={"status": "insolvent", "status_since": pd.Timestamp("2024-12-01")})
    assert (found["outcome"], found["cause"]) == (1, "insolvent")


def test_what_happened_on_the_cut_off_day_or_before_is_no_outcome_but_leaves_the_customer_out():
    since = {"status": "insolvent", "status_since": pd.Timestamp(CUTOFF)}
    assert (result(master=since)["outcome"], result(master=since)["left_out"]) == (0, "the outcome had happened before the cut-off")
    old = result(invoice("2024-03-31"))  # day 91 is the cut-off day
    assert (old["outcome"], old["left_out"]) == (0, "the outcome had happened before the cut-off")


def test_insolvency_after_the_window_is_not_known_in_it():
    found = result(master={"status": "insolvent", "status_since": pd.Timestamp("2025-07-01")})
    assert (found["outcome"], found["left_out"]) == (0, "")


def test_a_status_without_a_date_trains_only_when_the_ledger_itself_shows_the_outcome():
    assert result(master={"status": "legal"})["left_out"] == "status without the date since when"
    shown = result(invoice("2024-07-31"), master={"status": "legal"})
    assert (shown["outcome"], shown["left_out"]) == (1, "")


def test_a_customer_without_business_in_the_year_before_is_left_out():
    lone = customers([{"customer_id": "x"}])
    found = scoring.outcome(items([BEFORE]), lone, cutoff=CUTOFF, as_of=AS_OF, policy=POLICY).iloc[0]
    assert found["left_out"] == "nothing owed or bought in the 12 months before"


def test_classes_that_get_no_credit_are_left_out():
    assert result(master={"status": "intercompany"})["left_out"] == "class is not reviewed for credit"
    assert result(master={"status": "prepayment"})["left_out"] == "class is not reviewed for credit"
    later = {"status": "prepayment", "status_since": pd.Timestamp("2025-01-01")}
    assert result(master=later)["left_out"] == ""


def test_a_cut_off_whose_window_is_not_over_is_refused():
    with pytest.raises(BadInput, match="known only from 2025-07-01"):
        result(cutoff=date(2024, 7, 1))


@settings(max_examples=settings().max_examples // 2, deadline=None)
@given(
    due=st.dates(date(2024, 3, 1), date(2025, 12, 31)),
    paid=st.none() | st.dates(date(2024, 7, 1), date(2025, 12, 31)),
    posted=st.dates(date(2025, 7, 1), date(2026, 1, 31)),
)
def test_nothing_that_happens_after_the_window_changes_the_outcome(due, paid, posted):
    late = invoice(str(due), None if paid is None else str(paid))
    later = invoice(str(posted), str(posted), posting_date=str(posted), written_off=True)
    assert result(late)["outcome"] == result(late, later)["outcome"]


def test_cut_offs_are_quarterly_month_ends_whose_outcome_is_known():
    days = scoring.cut_offs(date(2023, 10, 1), date(2026, 9, 30), POLICY)
    assert days == (
        date(2024, 6, 30), date(2024, 9, 30), date(2024, 12, 31), date(2025, 3, 31), date(2025, 6, 30), date(2025, 9, 30),
    )  # fmt: skip
    assert scoring.cut_offs(date(2026, 1, 1), date(2026, 9, 30), POLICY) == ()


@settings(max_examples=200, deadline=None)
@given(as_of=st.dates(date(2024, 1, 1), date(2030, 12, 31)), months=st.integers(1, 24))
def test_the_outcome_of_every_cut_off_is_known_at_as_of(as_of, months):
    policy = POLICY.model_copy(update={"outcome": POLICY.outcome.model_copy(update={"window_months": months})})
    found = scoring.cut_offs(as_of - timedelta(days=1600), as_of, policy)
    assert all(window_end(cutoff, policy) <= as_of for cutoff in found)
    assert list(found) == sorted(set(found))


def test_the_training_set_holds_only_customers_that_may_train_in_one_order():
    master = customers([{"customer_id": "c"}, {"customer_id": "idle"}])
    found = scoring.outcome(items([BEFORE, invoice("2024-07-31")]), master, cutoff=CUTOFF, as_of=AS_OF, policy=POLICY)
    rows = scoring.training_set({CUTOFF: features([{"customer_id": "idle"}, {"customer_id": "c"}])}, {CUTOFF: found})
    assert rows[["customer_id", "outcome", "cause"]].to_numpy().tolist() == [["c", 1, "days past due"]]
    assert rows["cutoff"].tolist() == [pd.Timestamp(CUTOFF)]


def test_a_cut_off_without_both_frames_is_refused():
    with pytest.raises(BadInput, match="2024-06-30 has only one"):
        scoring.training_set({CUTOFF: features([])}, {})
