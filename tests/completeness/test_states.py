"""Every customer gets exactly one state, with a reason a credit manager can check."""

from __future__ import annotations

import sys
from datetime import UTC, date, datetime
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from credit_review import fx
from credit_review.completeness import HISTORY, assign_states, parse_scope, with_outcome
from credit_review.errors import BadInput, ReviewStopped
from credit_review.model.frames import CUSTOMERS, FEATURES, QUARANTINE, STATES
from credit_review.model.records import Deferral, Exclusion
from credit_review.model.states import CreditStatus, CustomerState

sys.path.insert(0, str(Path(__file__).parents[1] / "limits"))
from book import STARTER, changed, eur, frame

AS_OF = date(2026, 6, 30)
NO_RATES = fx.RateTable.from_rows([])
NOW = datetime(2026, 6, 1, tzinfo=UTC)


def states(
    *customers,
    quarantine=(),
    history=(),
    deferrals=(),
    exclusions=(),
    scope="all",
    features=...,
    rules=STARTER,
    ledger=(),
    rates=NO_RATES,
    again=None,
):
    plain = {"currency": "EUR", "status": "active", "segment": "retail", "region": "north", "legal_entity": "1000", "portfolio": "p1"}
    rows = [plain | {"group_id": c["customer_id"]} | c for c in customers]
    master = frame(CUSTOMERS, [{k: v for k, v in r.items() if k in CUSTOMERS.names} for r in rows])
    figures = frame(FEATURES, [{k: v for k, v in r.items() if k in FEATURES.names} for r in rows])
    past = pd.DataFrame([dict(zip(HISTORY, (*h, float("nan")), strict=True)) for h in history], columns=list(HISTORY))
    past["as_of"] = pd.to_datetime(past["as_of"])
    found = assign_states(
        master,
        figures if features is ... else features,
        frame(QUARANTINE, quarantine),
        past,
        deferrals,
        exclusions,
        scope=scope,
        policy=rules,
        as_of=AS_OF,
        rates=rates,
        ledger_customers=ledger,
        due_again=again,
    )
    assert list(found.columns) == list(STATES.names)
    assert found["customer_id"].is_monotonic_increasing and found["customer_id"].is_unique
    return found.set_index("customer_id")


def row(customer_id="c1", key="r1", amount=eur(500), **fields):
    plain = {"dataset": "items", "row_key": key, "customer_id": customer_id, "expectation": "due_date_is_known", "column": "due_date"}
    return plain | {"severity": "warning", "currency": "EUR", "amount_minor": amount, "could_raise": True, "reason": "no due date"} | fields


def deferral(until, customer_id="c1", at=NOW):
    return Deferral(
        deferral_id=f"d{until}",
        customer_id=customer_id,
        review_id="r",
        owner_id="p-ana",
        until=until,
        reason="waits for accounts",
        recorded_at=at,
    )


def exclusion(since, until, customer_id="c1"):
    return Exclusion(
        exclusion_id="e1", customer_id=customer_id, review_id="r", rule="settled by escrow", owner_id="p-ana",
        valid_from=since, valid_to=until, reason="x", recorded_at=NOW,
    )  # fmt: skip


def test_a_customer_in_good_order_is_reviewed():
    found = states({"customer_id": "c1"})
    assert (found.loc["c1", "state"], found.loc["c1", "state_reason"], found.loc["c1", "escalate"]) == ("reviewed", "", "")


def test_a_review_due_later_is_not_due_and_says_when_and_by_which_rule():
    found = states({"customer_id": "c1"}, history=[("c1", "2026-03-31", "reviewed", "B")], scope="due")
    assert found.loc["c1", "state"] == "not_due"
    assert found.loc["c1", "state_reason"] == "last review 2026-03-31, next 2027-03-31 (grade B: every 12 months)"


@pytest.mark.parametrize(
    ("last", "grade", "state"),
    [("2025-06-30", "B", "reviewed"), ("2025-07-01", "B", "not_due"), ("2026-03-31", "E", "reviewed"), ("2026-04-01", "E", "not_due")],
)
def test_a_customer_is_due_when_the_months_of_its_grade_have_passed(last, grade, state):
    assert states({"customer_id": "c1"}, history=[("c1", last, "reviewed", grade)], scope="due").loc["c1", "state"] == state


def test_a_large_exposure_is_due_sooner():
    history = [(c, "2026-03-31", "reviewed", "A") for c in ("c1", "c2")]
    found = states(
        {"customer_id": "c1", "exposure_minor": eur(500_000)},
        {"customer_id": "c2", "exposure_minor": eur(499_999)},
        history=history,
        scope="due",
    )
    assert list(found["state"]) == ["reviewed", "not_due"]


def test_a_customer_without_a_review_date_is_due_not_skipped():
    assert states({"customer_id": "c1"}, scope="due").loc["c1", "state"] == "reviewed"


def test_a_grade_that_policy_no_longer_has_counts_as_none():
    found = states({"customer_id": "c1"}, history=[("c1", "2026-05-31", "reviewed", "Z")], scope="due")
    assert "next 2026-08-31" in found.loc["c1", "state_reason"]


@pytest.mark.parametrize(
    "scope", ["segment:retail", "region:north", "legal_entity:1000", "customers:c1", "customer:c1#2", "customers: c1 ,c1"]
)
def test_a_scope_reaches_its_customers_and_names_the_others_as_not_due(scope):
    other = {"customer_id": "c2", "segment": "export", "region": "south", "legal_entity": "2000"}
    found = states({"customer_id": "c1"}, other, scope=scope, history=[("c2", "2025-12-31", "reviewed", "A")])
    assert list(found["state"]) == ["reviewed", "not_due"]
    assert found.loc["c2", "state_reason"] == f"outside scope {scope}; last review 2025-12-31, next 2026-12-31"


@pytest.mark.parametrize(
    "scope", ["segment:none", "customers:c1,c9", "everyone", "segment:", "customers:", "customers:c1,,c2", "status:active"]
)
def test_a_scope_nobody_matches_is_refused(scope):
    with pytest.raises(BadInput, match="scope"):
        states({"customer_id": "c1"}, scope=scope)


def test_a_scope_is_parsed_without_frames():
    assert parse_scope("customers:b,a").values == ("a", "b")


@pytest.mark.parametrize("status", [s.value for s in CreditStatus])
def test_classes_that_policy_excludes_are_excluded_by_the_named_rule(status):
    found = states({"customer_id": "c1", "status": status})
    excluded = status in ("intercompany", "one_off")
    assert (found.loc["c1", "state"] == "excluded") == excluded
    assert (status in found.loc["c1", "state_reason"]) == excluded


@pytest.mark.parametrize(("since", "until", "state"), [
    (date(2026, 1, 1), None, "excluded"), (date(2026, 1, 1), AS_OF, "reviewed"), (date(2026, 7, 1), None, "reviewed"),
])  # fmt: skip
def test_a_named_exclusion_holds_while_it_is_valid(since, until, state):
    found = states({"customer_id": "c1"}, exclusions=[exclusion(since, until)])
    assert found.loc["c1", "state"] == state
    assert found.loc["c1", "state_reason"] == ("settled by escrow, by p-ana" if state == "excluded" else "")


def test_a_deferral_names_owner_and_date_until_its_day_comes():
    assert (
        states({"customer_id": "c1"}, deferrals=[deferral(date(2026, 7, 1))]).loc["c1", "state_reason"]
        == "deferred by p-ana until 2026-07-01"
    )
    assert states({"customer_id": "c1"}, deferrals=[deferral(AS_OF)]).loc["c1", "state"] == "reviewed"


def test_the_newest_deferral_counts():
    later = deferral(AS_OF, at=datetime(2026, 6, 2, tzinfo=UTC))
    assert states({"customer_id": "c1"}, deferrals=[later, deferral(date(2026, 9, 30))]).loc["c1", "state"] == "reviewed"


def test_a_row_that_could_raise_exposure_quarantines_its_customer_and_is_named():
    found = states({"customer_id": "c1"}, {"customer_id": "c2"}, quarantine=[row(amount=eur(5000))])
    assert list(found["state"]) == ["quarantined", "reviewed"]
    assert found.loc["c1", "state_reason"] == "quarantined rows: items r1 (due_date_is_known)"
    assert found.loc["c1", "quarantined_minor"] == eur(5000)


def test_a_row_that_cannot_raise_exposure_does_not():
    assert states({"customer_id": "c1"}, quarantine=[row(amount=eur(5000), could_raise=False)]).loc["c1", "state"] == "reviewed"


@pytest.mark.parametrize(("added", "amount", "state"), [
    (eur(1000), eur(1000), "reviewed"), (eur(1000.01), eur(1000.01), "quarantined"),
    (0, eur(500), "quarantined"), (eur(500), -eur(500), "reviewed"),
])  # fmt: skip
def test_small_amounts_are_reviewed_only_if_exposure_holds_them(added, amount, state):
    found = states({"customer_id": "c1", "quarantined_minor": added}, quarantine=[row(amount=amount)])
    assert found.loc["c1", "state"] == state
    assert "r1" in found.loc["c1", "state_reason"]


def test_one_row_that_failed_two_rules_counts_once():
    rows = [row(amount=eur(600)), row(amount=eur(600), expectation="other")]
    assert states({"customer_id": "c1", "quarantined_minor": eur(600)}, quarantine=rows).loc["c1", "state"] == "reviewed"


@pytest.mark.parametrize("fields", [{"amount": None}, {"currency": "XXX"}, {"currency": "USD"}, {"dataset": "customers"}])
def test_a_row_whose_size_nobody_can_tell_quarantines(fields):
    found = states({"customer_id": "c1"}, quarantine=[row(**({"amount": eur(1)} | fields))])
    assert found.loc["c1", "state"] == "quarantined" and pd.isna(found.loc["c1", "quarantined_minor"])


def test_the_threshold_is_in_control_currency():
    rates = fx.RateTable.from_rows([(AS_OF, "USD", "EUR", "0.50", "ecb")])
    customer = {"customer_id": "c1", "currency": "USD", "quarantined_minor": 200_000}
    assert states(customer, quarantine=[row(amount=200_000, currency="USD")], rates=rates).loc["c1", "state"] == "reviewed"
    customer["quarantined_minor"] = 200_002
    assert states(customer, quarantine=[row(amount=200_002, currency="USD")], rates=rates).loc["c1", "state"] == "quarantined"


def test_a_customer_of_the_ledger_that_the_master_lacks_is_quarantined_by_name():
    found = states({"customer_id": "c1"}, ledger=["c1", "c9", ""])
    assert list(found.index) == ["c1", "c9"]
    assert found.loc["c9", "state_reason"] == "in the ledger but not in the customer master"


def test_a_customer_whose_features_are_in_quarantine_is_quarantined():
    found = states({"customer_id": "c1"}, features=frame(FEATURES, []), quarantine=[row(dataset="features", could_raise=False)])
    assert found.loc["c1", "state"] == "quarantined"


def test_a_customer_that_lost_its_features_stops_the_review():
    with pytest.raises(ReviewStopped, match="c1"):
        states({"customer_id": "c1"}, features=frame(FEATURES, []))


def test_a_customer_twice_in_the_master_stops_the_review():
    with pytest.raises(ReviewStopped, match="c1"):
        states({"customer_id": "c1"}, {"customer_id": "c1"})


def test_missing_a_review_twice_in_a_row_escalates_to_the_analyst_by_name():
    missed = [("c1", "2026-03-31", "deferred", ""), ("c1", "2025-12-31", "reviewed", "B")]
    found = states({"customer_id": "c1"}, quarantine=[row(amount=eur(9000))], history=missed)
    assert found.loc["c1", "escalate"] == "quarantined or deferred 2 reviews in a row; p-analyst to resolve"
    once = states({"customer_id": "c1"}, quarantine=[row(amount=eur(9000))], history=missed[1:])
    assert once.loc["c1", "escalate"] == ""


def test_reviews_that_did_not_reach_a_customer_do_not_break_the_row_of_misses():
    history = [("c1", "2026-05-31", "not_due", ""), ("c1", "2026-03-31", "quarantined", ""), ("c1", "2025-12-31", "reviewed", "B")]
    assert (
        "2 reviews in a row" in states({"customer_id": "c1"}, deferrals=[deferral(date(2026, 9, 1))], history=history).loc["c1", "escalate"]
    )


@pytest.mark.parametrize(("last", "escalates"), [("2025-06-30", False), ("2025-06-29", True)])
def test_nobody_stays_unreviewed_past_the_longest_time_without_being_named(last, escalates):
    found = states({"customer_id": "c1"}, {"customer_id": "c2"}, scope="customers:c2", history=[("c1", last, "reviewed", "A")])
    assert (f"not reviewed since {last}, longest is 12 months; p-analyst" in found.loc["c1", "escalate"]) == escalates
    assert found.loc["c2", "escalate"] == ""


def test_a_customer_outside_the_scope_that_was_never_reviewed_says_so():
    found = states({"customer_id": "c1"}, {"customer_id": "c2"}, scope="customers:c2")
    assert found.loc["c1", "state_reason"] == "outside scope customers:c2; never reviewed, due now"
    assert found.loc["c1", "escalate"].startswith("never reviewed")


def test_longest_months_wins_over_nothing_else():
    rules = changed(review__longest_months=6, review__cadence_months={g: 6 if g == "A" else 3 for g in ("A", "B", "C", "D", "E", "none")})
    found = states({"customer_id": "c1"}, history=[("c1", "2025-12-31", "reviewed", "A")], scope="due", rules=rules)
    assert found.loc["c1", "state"] == "reviewed"


CHOICE = st.fixed_dictionaries(
    {
        "status": st.sampled_from([s.value for s in CreditStatus]),
        "last": st.sampled_from(["", "2025-03-31", "2026-03-31"]),
        "past": st.sampled_from([s.value for s in CustomerState]),
        "quarantined": st.booleans(),
        "deferred": st.booleans(),
        "segment": st.sampled_from(["retail", "export"]),
    }
)


@settings(max_examples=settings().max_examples // 5, deadline=None)
@given(st.lists(CHOICE, min_size=3, max_size=12), st.sampled_from(["all", "due", "segment:retail", "customers:c0"]))
def test_whatever_is_known_of_them_all_customers_end_in_one_state_with_a_reason(choices, scope):
    customers = [{"customer_id": f"c{i}", "status": c["status"], "segment": c["segment"]} for i, c in enumerate(choices)]
    customers.append({"customer_id": "z", "segment": "retail"})
    found = states(
        *customers,
        scope=scope,
        history=[(f"c{i}", c["last"], c["past"], "C") for i, c in enumerate(choices) if c["last"]],
        quarantine=[row(f"c{i}", key=f"r{i}", amount=eur(9999)) for i, c in enumerate(choices) if c["quarantined"]],
        deferrals=[deferral(date(2026, 12, 31), f"c{i}") for i, c in enumerate(choices) if c["deferred"]],
    )
    assert set(found.index) == {c["customer_id"] for c in customers}
    assert found["state"].isin([s.value for s in CustomerState]).all()
    assert ((found["state"] == "reviewed") | (found["state_reason"] != "")).all()
    for i, c in enumerate(choices):
        if c["status"] in ("intercompany", "one_off"):
            assert found.loc[f"c{i}", "state"] == "excluded"
        elif found.loc[f"c{i}", "state"] == "reviewed":
            assert not c["quarantined"] and not c["deferred"]


def test_a_customer_that_the_last_stage_quarantined_is_named_where_it_was_never_reviewed():
    rows = [{"customer_id": c, "portfolio": "p1", "customer_since": date(2020, 1, 1)} for c in ("c1", "c2", "c3")]
    before = states(*rows, history=[("c3", "2026-03-31", "reviewed", "A")])
    assert set(before["escalate"]) == {""}
    proposals = pd.DataFrame({"customer_id": ["c1", "c2", "c3"], "state": ["quarantined", "reviewed", "quarantined"]})
    proposals["state_reason"] = ["missing_rate: none", "", "missing_rate: none"]
    past = pd.DataFrame([dict(zip(HISTORY, ("c3", "2026-03-31", "quarantined", "", float("nan")), strict=True))], columns=list(HISTORY))
    past["as_of"] = pd.to_datetime(past["as_of"])
    found = with_outcome(before.reset_index(), proposals, frame(CUSTOMERS, rows), past, policy=STARTER, as_of=AS_OF).set_index(
        "customer_id"
    )
    assert found["state"].tolist() == ["quarantined", "reviewed", "quarantined"]
    assert found.loc["c1", "escalate"] == "never reviewed, longest is 12 months; p-analyst to resolve"
    assert found.loc["c2", "escalate"] == "" and found.loc["c1", "state_reason"] == "missing_rate: none"
    assert found.loc["c3", "escalate"] == "quarantined or deferred 2 reviews in a row; p-analyst to resolve"


def test_the_months_of_its_segment_hold_for_a_customer_and_the_reason_names_it():
    rules = changed(segments=[{"name": "exports", "who": {"regions": ["south"]}, "cadence_months": {"B": 6}}])
    history = [(c, "2026-01-31", "reviewed", "B") for c in ("c1", "c2")]
    found = states({"customer_id": "c1", "region": "south"}, {"customer_id": "c2"}, history=history, scope="due", rules=rules)
    assert found["state_reason"].tolist() == [
        "last review 2026-01-31, next 2026-07-31 (segment exports, grade B: every 6 months)",
        "last review 2026-01-31, next 2027-01-31 (grade B: every 12 months)",
    ]
    assert found["policy_segment"].tolist() == ["exports", ""]


def test_the_end_of_an_exception_makes_a_customer_due_whatever_its_cadence_until_it_is_reviewed_again():
    three = [{"customer_id": c, "exposure_minor": eur(1_000)} for c in ("c1", "c2", "c3")]
    history = [(c, date(2026, 3, 31), CustomerState.REVIEWED, "A") for c in ("c1", "c2", "c3")]
    again = {"c1": date(2026, 6, 1), "c2": date(2026, 3, 1)}  # the second ended before the last review, which looked at it
    found = states(*three, scope="due", history=history, again=again)
    assert found["state"].tolist() == ["reviewed", "not_due", "not_due"]
    assert found.loc["c1", "next_review"] == pd.Timestamp(2026, 6, 1)
    assert states(*three, scope="due", history=history)["state"].tolist() == ["not_due"] * 3
