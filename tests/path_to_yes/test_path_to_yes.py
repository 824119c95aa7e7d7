"""The smallest change: it does reach the limit by the engine itself, and nothing of it could be left out or made smaller."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from functools import cache
from itertools import combinations
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from credit_review import documents, fx, policy, scoring
from credit_review.model.frames import COVER, CUSTOMERS, EXTERNAL, GROUPS, ITEMS, PANDAS, QUARANTINE, REMARKS, STATEMENTS, STATES
from credit_review.path_to_yes import Change, Customer, after, find, payable, sentences
from credit_review.path_to_yes.search import _joined, _largest, _round_amounts, _statements_days
from credit_review.words import Words

AS_OF = date(2026, 9, 30)
EMPTY = {"str": "", "int": 0, "int?": None, "float": float("nan"), "date": pd.NaT, "bool": False}
HAS = ("cleared_items", "sales", "disputes", "limits", "orders", "deliveries", "notes")


def frame(dataset, *rows):
    columns = {c.name: pd.Series([row.get(c.name, EMPTY[c.dtype]) for row in rows]).astype(PANDAS[c.dtype]) for c in dataset.columns}
    return pd.DataFrame(columns)


@cache
def rules(secured):
    text = (Path(__file__).parents[2] / "deployments/starter/policy.yaml").read_text(encoding="utf-8")
    return policy.load(documents.parse(text.replace("raises_caps_by: 0.00", f"raises_caps_by: {secured}"), name="policy.yaml"))


def bill(number, *, days=-30, amount=500_000, disputed=False, late=None):
    """An open invoice `days` past due (negative: not yet), or one that was cleared `late` days after it was due."""
    due = AS_OF - timedelta(days=days)
    paid = {} if late is None else {"clearing_date": pd.Timestamp(due + timedelta(days=late)), "open_minor": 0}
    row = {"row_key": f"r{number}", "document": f"INV-{number}", "kind": "invoice", "customer_id": "c", "currency": "EUR"}
    dates = {"document_date": due - timedelta(days=30), "posting_date": due - timedelta(days=30), "due_date": due}
    return (
        row | {k: pd.Timestamp(v) for k, v in dates.items()} | {"amount_minor": amount, "open_minor": amount, "disputed": disputed} | paid
    )


def company(bills=(), *, worth=None, worth_age=0, report_age=None, secured="0.00", limit=2_000_000, has=HAS):
    """A customer that bought for 40,000 a month and paid on time, and what stands open of it now."""
    history = [bill(1000 + month, days=30 * month, amount=4_000_000, late=2) for month in range(1, 13)]
    master = {"customer_id": "c", "source_number": "c", "group_id": "c", "currency": "EUR", "status": "active", "terms_days": 30}
    master |= {"limit_minor": limit, "customer_since": pd.Timestamp("2015-01-01")}
    if worth is not None:
        master |= {"tangible_net_worth_minor": worth, "net_worth_date": pd.Timestamp(AS_OF - timedelta(days=worth_age))}
    day = pd.Timestamp(AS_OF - timedelta(days=report_age or 0))
    report = {"customer_id": "c", "provider": "bureau", "report_date": day, "grade": "2", "pd_fraction": 0.01, "currency": "EUR"}
    return Customer(
        items=frame(ITEMS, *history, *bills),
        customers=frame(CUSTOMERS, master),
        external=frame(EXTERNAL, *([report | {"recommended_limit_minor": 20_000_000}] if report_age is not None else [])),
        statements=frame(STATEMENTS),
        remarks=frame(REMARKS),
        cover=frame(COVER),
        quarantine=frame(QUARANTINE),
        states=frame(STATES, {"customer_id": "c", "group_id": "c", "currency": "EUR", "state": "reviewed"}),
        groups=frame(GROUPS, {"group_id": "c", "currency": "EUR", "members": 1}),
        previous="",
        as_of=AS_OF,
        policy=rules(secured),
        scorecard=scoring.expert(rules(secured)),
        rates=fx.RateTable.from_rows([]),
        capabilities=has,
    )


def limits(customer, *changes):
    return [None if pd.isna(minor) else int(minor) for minor in after(customer, list(changes))["to_minor"]]


def told(customer, asked):
    return [Words().say(sentence) for sentence in sentences(find(customer, asked), accounts_max_age_days=540)]


def test_an_overdue_invoice_is_named_and_paying_it_reaches_the_limit():
    late = bill(1, days=45, amount=300_000)
    customer = company([late, bill(2, days=-10)], worth=100_000_000, report_age=30)
    found = find(customer, 2_800_000)
    assert (found.now_minor, found.reached, found.change) == (2_000_000, True, Change(pay=("r1",)))
    assert limits(customer, found.change) == [found.reaches_minor]
    assert told(customer, 2_800_000) == [
        "28,000 EUR is reached instead of 20,000 EUR when this is done:",
        "1 invoice is paid, 3,000 EUR: INV-1",
    ]


def test_a_bad_member_of_its_group_is_no_other_member_to_itself():
    customer = company([bill(1, days=45, amount=300_000), bill(2, days=-10)], worth=100_000_000, report_age=30)
    among_others = {"group_id": "c", "currency": "EUR", "members": 2}
    mine = replace(customer, groups=frame(GROUPS, among_others | {"bad_members": "c"}))
    theirs = replace(customer, groups=frame(GROUPS, among_others | {"bad_members": "b|c"}))
    assert find(mine, 2_800_000).change == Change(pay=("r1",)) and find(theirs, 2_800_000).change is None


def test_a_source_of_open_items_alone_loses_what_is_paid():
    customer = company([bill(1, days=45, amount=300_000)], worth=100_000_000, report_age=30, has=("sales", "limits"))
    assert find(customer, 2_800_000).change == Change(pay=("r1",))


def test_a_dispute_is_settled_not_paid():
    customer = company([bill(1, days=45, amount=300_000, disputed=True)], worth=100_000_000, report_age=30)
    assert find(customer, 2_800_000).change == Change(settle=("r1",))
    assert told(customer, 2_800_000)[1] == "the dispute over 1 invoice is settled, 3,000 EUR: INV-1"


def test_accounts_and_reports_are_asked_for_only_where_they_are_missing_or_old():
    rich = company(worth=1_000_000, worth_age=10, report_age=30)
    assert find(rich, 2_500_000).change is None  # to be richer is no realistic change
    assert told(rich, 2_500_000)[0].startswith("Nothing the customer or we can do now reaches 25,000 EUR.")
    assert "part of tangible net worth" in told(rich, 2_500_000)[0]
    old = company(worth=1_000_000, worth_age=600, report_age=600, limit=4_000_000)
    found = find(old, 5_000_000)
    assert found.reached and found.change.recommended_minor is not None and found.change.pay == ()


def test_statements_are_named_where_the_view_they_would_add_is_missing_and_no_amount_is_promised_for_them():
    unseen = company([bill(1, days=45, amount=300_000)])
    found = find(unseen, 2_800_000)
    last = Words().say(sentences(found, accounts_max_age_days=540)[-1])
    assert found.statements_days == 540
    assert last.startswith("besides, statements not older than 540 days would add the financial standing") and "no amount" in last
    assert find(unseen, 1_000_000).statements_days is None, "nothing is needed"
    as_is, scoring_rules = after(unseen, [Change()]).iloc[0], unseen.policy.scoring.model_copy(update={"combine": "behaviour"})
    assert _statements_days(unseen, as_is) == 540
    assert _statements_days(unseen, {**as_is, "grade_note": ""}) is None, "the view is known"
    alone = replace(unseen, policy=unseen.policy.model_copy(update={"scoring": scoring_rules}))
    assert _statements_days(alone, as_is) is None, "policy lets it decide nothing"


def test_a_guarantee_helps_where_policy_counts_it():
    poor = {"worth": 2_000_000, "worth_age": 10, "report_age": 30}
    assert find(company(**poor), 2_500_000).change is None
    found = find(company(**poor, secured="1.00"), 2_500_000)
    assert found.reached and found.change.pay == () and found.change.guarantee_minor is not None
    assert limits(company(**poor, secured="1.00"), replace(found.change, guarantee_minor=found.change.guarantee_minor // 2)) < [2_500_000]


def test_what_is_there_already_needs_no_change_and_a_hopeless_wish_says_what_holds_it():
    customer = company(worth=100_000_000, report_age=30)
    (enough,) = told(customer, 2_000_000)
    assert enough.startswith("20,000 EUR needs no change: the engine finds ")
    (hopeless,) = told(customer, 90_000_000)
    assert "the most that one review may raise a limit by" in hopeless or "need (" in hopeless


def test_a_cap_by_an_external_report_is_named_without_its_amount_where_that_is_not_licensed():
    customer = company(worth=100_000_000, report_age=30, limit=40_000_000)
    customer = replace(customer, external=customer.external.assign(recommended_limit_minor=pd.array([1_000_000], dtype="Int64")))
    found = find(customer, 45_000_000)
    open_, closed = (Words().say(sentences(found, accounts_max_age_days=540, licensed=one)[0]) for one in (True, False))
    assert "the bureau's recommendation (15,000 EUR)" in open_ and "15,000" not in closed and "the bureau's recommendation" in closed


bills = st.lists(
    st.tuples(st.sampled_from([-20, 3, 20, 45, 80, 130]), st.sampled_from([90_000, 150_000, 400_000, 1_000_000]), st.booleans()), max_size=5
)
COMPANIES = st.fixed_dictionaries(
    {
        "bills": bills,
        "worth": st.sampled_from([None, 3_000_000, 40_000_000]),
        "worth_age": st.sampled_from([10, 700]),
        "report_age": st.sampled_from([None, 30, 500, 700]),
        "secured": st.sampled_from(["0.00", "0.50", "1.00"]),
        "limit": st.sampled_from([500_000, 2_000_000]),
    }
)
ASKED = st.sampled_from([600_000, 2_100_000, 2_500_000, 3_000_000, 9_000_000])


def holds(made, asked):
    made = made | {"bills": [bill(n, days=d, amount=a, disputed=q) for n, (d, a, q) in enumerate(made["bills"])]}
    customer = company(**made)
    start = after(customer, [Change()]).iloc[0].to_dict()
    largest = _largest(customer, asked, payable(customer), start)
    widest = [_joined(largest, kinds) for size in range(1, len(largest) + 1) for kinds in combinations(largest, size)]
    best = max([-1, *(limit for limit in limits(customer, *widest) if limit is not None)]) if widest else -1
    found = find(customer, asked)
    change = found.change
    if change is None:
        assert found.reaches_minor == found.now_minor and (found.reached or best <= found.now_minor)
        return
    target = min(asked, best)
    assert found.now_minor < target <= found.reaches_minor == limits(customer, change)[0]
    smaller = [
        replace(change, **{name: tuple(k for k in getattr(change, name) if k != key)})
        for name in ("pay", "settle")
        for key in getattr(change, name)
    ]
    for name in ("net_worth_minor", "recommended_minor", "guarantee_minor"):
        if (amount := getattr(change, name)) is not None:
            less = [one for one in _round_amounts(getattr(_joined(largest, list(largest)), name)) if one < amount]
            smaller += [replace(change, **{name: None}), *(replace(change, **{name: one}) for one in less[-1:])]
    assert all(limit is None or limit < target for limit in limits(customer, *smaller))


@settings(max_examples=5)
@given(COMPANIES, ASKED)
def test_the_change_reaches_it_and_nothing_of_it_could_be_left_out(made, asked):
    holds(made, asked)


@pytest.mark.soak
@settings(max_examples=400)
@given(COMPANIES, ASKED)
def test_the_change_is_the_smallest_over_many_customers(made, asked):
    holds(made, asked)
