"""What the limit engine says of one customer, and why."""

from __future__ import annotations

import subprocess
import sys
from datetime import date
from pathlib import Path

import pandas as pd
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from book import book, changed, customer, eur, frame

from credit_review import fx
from credit_review.errors import ReviewStopped
from credit_review.limits import codes, explain, propose
from credit_review.model.frames import GROUPS, PROPOSALS, STATES

AS_OF = date(2026, 6, 30)
CALM = changed(straight_through__never_top_exposures=0)


def one(policy=CALM, rates=None, **fields):
    """The proposal of a single customer, as a dict."""
    return propose(*book(customer(**fields)), policy=policy, as_of=AS_OF, rates=rates).iloc[0].to_dict()


def says(row, label):
    return [text for name, text in explain(row) if name == label]


# --- formula and caps


def test_a_limit_starts_from_need_times_the_factor_of_the_grade():
    row = one(need_minor=eur(100_000))
    assert (row["formula_minor"], row["to_minor"], row["direction"], row["binding_cap"]) == (eur(120_000), eur(120_000), "up", "need")
    assert row["formula"] == "need 100,000 EUR x 1.20 (grade B)"


def test_who_buys_seldom_and_much_needs_its_own_highest_balance():
    lumpy = {"need_minor": eur(5_047), "peak_balance_minor": eur(61_000), "limit_minor": eur(141_300)}
    row = one(**lumpy)
    assert (row["need_minor"], row["need_by_terms_minor"], row["peak_balance_minor"]) == (eur(61_000), eur(5_047), eur(61_000))
    assert (row["to_minor"], row["formula"]) == (eur(73_000), "need 61,000 EUR (highest balance of 12 months) x 1.20 (grade B)")
    assert says(row, "Need") == ["61,000 EUR: 5,047 EUR by sales and terms, highest balance of 12 months 61,000 EUR"]
    averaged = one(changed(limits__need__at_least_peak_balance=False), **lumpy)
    assert (averaged["need_minor"], averaged["peak_balance_minor"]) == (eur(5_047), eur(61_000))
    assert averaged["to_minor"] == eur(71_000)  # half is the most that one review cuts


def test_one_of_the_two_figures_of_need_is_enough():
    assert one(peak_balance_minor=eur(90_000))["formula"] == "need 100,000 EUR x 1.20 (grade B)"
    alone = one(need_minor=None, peak_balance_minor=eur(90_000))
    assert (alone["need_minor"], alone["to_minor"], alone["forbids_increase"]) == (eur(90_000), eur(105_000), "")
    neither = one(need_minor=None, peak_balance_minor=None)
    assert pd.isna(neither["need_minor"]) and neither["forbids_increase"] == "need_unknown"


LARGE = {
    "need_minor": eur(9e6), "limit_minor": eur(1.4e6), "tangible_net_worth_minor": eur(9e7), "recommended_limit_minor": eur(2e6),
}  # fmt: skip


@pytest.mark.parametrize(("fields", "cap", "to"), [
    ({"tangible_net_worth_minor": eur(500_000)}, "net_worth", 75_000),
    ({"recommended_limit_minor": eur(60_000)}, "recommendation", 90_000),
    (LARGE, "grade_ceiling", 1_500_000),
    ({"tangible_net_worth_minor": -eur(1)}, "net_worth", 50_000),
])  # fmt: skip
def test_the_smallest_cap_holds_and_is_named(fields, cap, to):
    row = one(**fields)
    assert (row["binding_cap"], row["to_minor"]) == (cap, eur(to))


def test_net_worth_vectors_of_the_literature():
    ten_percent = changed(limits__by_grade__C__net_worth_fraction=0.10, limits__by_grade__B__net_worth_fraction=0.35,
                          limits__by_grade__A__net_worth_fraction=0.35)  # fmt: skip
    assert one(ten_percent, grade="C", tangible_net_worth_minor=eur(500_000))["cap_net_worth_minor"] == eur(50_000)
    capped = one(ten_percent, grade="B", tangible_net_worth_minor=eur(80_000), need_minor=eur(50_000), limit_minor=None)
    assert capped["cap_net_worth_minor"] == capped["after_caps_minor"] == eur(28_000)  # 35% of 80k, against a need of 50k (60k with factor)
    assert capped["formula_minor"] == eur(60_000)


def test_an_agency_recommendation_caps_our_own_figure():
    rules = changed(limits__caps__recommendation__factor=1)
    assert one(rules, recommended_limit_minor=eur(50_000))["after_caps_minor"] == eur(50_000)


@pytest.mark.parametrize(("fields", "entry"), [
    ({"tangible_net_worth_minor": None}, "net_worth:missing:lower_ceiling"),
    ({"net_worth_age_days": 541.0}, "net_worth:stale:lower_ceiling"),
    ({"net_worth_age_days": None}, "net_worth:stale:lower_ceiling"),
    ({"recommended_limit_minor": None}, "recommendation:missing:lower_ceiling"),
    ({"external_age_days": 366.0}, "recommendation:stale:lower_ceiling"),
])  # fmt: skip
def test_a_cap_without_fresh_input_gets_the_lower_ceiling_and_says_so(fields, entry):
    row = one(need_minor=eur(400_000), limit_minor=eur(300_000), **fields)
    assert row["substitutes"] == entry
    assert row["to_minor"] == eur(250_000)
    assert row["exceptional"] == "missing_data" and not row["straight_through"]
    assert "lower ceiling" in says(row, "Missing data")[0]


@pytest.mark.parametrize("otherwise", ["no_increase", "ask_documents"])
def test_a_missing_cap_may_forbid_the_increase_instead(otherwise):
    row = one(changed(limits__caps__net_worth__otherwise=otherwise), tangible_net_worth_minor=None)
    assert (row["forbids_increase"], row["direction"], row["to_minor"]) == ("net_worth_unknown", "same", eur(100_000))
    assert ("asked for the documents" in says(row, "Missing data")[0]) == (otherwise == "ask_documents")


def test_a_customer_without_need_keeps_its_limit_or_loses_to_a_cap():
    assert one(need_minor=None)["direction"] == "same"
    row = one(need_minor=None, tangible_net_worth_minor=eur(500_000))
    assert (row["direction"], row["to_minor"]) == ("down", eur(75_000))


# --- limits never set


def test_no_limit_on_file_and_a_limit_of_nothing_are_different_facts():
    assert one(limit_minor=None)["direction"] == "new"
    row = one(limit_minor=0)
    assert (row["direction"], row["to_minor"]) == ("up", eur(5_000))  # the free amount of the step limit


def test_a_first_limit_without_need_is_made_from_exposure_and_never_more():
    row = one(need_minor=None, limit_minor=None, exposure_minor=eur(40_000), grade="A")
    assert (row["direction"], row["to_minor"]) == ("new", eur(40_000))  # x 1.30, but need is unknown: no more than it owes now
    assert row["formula"] == "need not computable: exposure 40,000 EUR x 1.30 (grade A)"
    assert "first_limit" in row["exceptional"] and "missing_data" in row["exceptional"]


def test_policy_may_refuse_to_guess_a_first_limit():
    row = one(changed(limits__without_need__action="none"), need_minor=None, limit_minor=None)
    assert row["state"] == "quarantined" and pd.isna(row["to_minor"])
    assert row["state_reason"].startswith("no proposal possible: no limit on file, and need cannot be computed")


def test_a_first_limit_of_a_late_payer_stays_within_what_it_owes():
    row = one(limit_minor=None, oldest_dpd_days=60, overdue_minor=eur(20_000), exposure_minor=eur(40_000))
    assert (row["to_minor"], row["forbids_increase"]) == (eur(40_000), "overdue")


# --- rules that forbid, steps, rounding


@pytest.mark.parametrize(("fields", "code"), [
    ({"oldest_dpd_days": 31, "overdue_minor": eur(1000.01)}, "overdue"),
    ({"grade": "D", "need_minor": eur(140_000), "recommended_limit_minor": eur(90_000)}, "grade"),
    ({"external_age_days": 541.0, "recommended_limit_minor": None}, "external_stale"),
    ({"quarantined_minor": 1}, "quarantined_rows"),
    ({"status": "legal"}, "class_no_increase"),
    ({"need_minor": None}, "need_unknown"),
])  # fmt: skip
def test_each_rule_forbids_an_increase_and_names_itself(fields, code):
    row = one(**fields)
    assert code in row["forbids_increase"].split("|") and row["direction"] in ("same", "down")
    assert says(row, "No increase, because")


@pytest.mark.parametrize(
    "fields", [{"oldest_dpd_days": 30, "overdue_minor": eur(9000)}, {"oldest_dpd_days": 90, "overdue_minor": eur(1000)}]
)
def test_a_bound_itself_forbids_nothing(fields):
    assert one(**fields)["direction"] == "up"


def test_one_review_moves_a_limit_only_so_far():
    assert one(need_minor=eur(900_000))["to_minor"] == eur(150_000)
    assert one(need_minor=eur(1_000))["to_minor"] == eur(50_000)
    assert one(limit_minor=eur(3_000), need_minor=eur(9_000))["to_minor"] == eur(8_000)


@pytest.mark.parametrize(("kept", "to"), [("none", 50_000), ("open_items", 63_000), ("exposure", 91_000)])
def test_a_reduction_leaves_room_for_what_has_still_to_be_paid_or_delivered(kept, to):
    owes = {"need_minor": eur(1_000), "open_items_minor": eur(62_500), "exposure_minor": eur(90_500)}
    rules = changed(limits__step__run_off=kept)
    assert one(rules, **owes)["to_minor"] == eur(to)
    assert one(rules, **owes, status="insolvent")["to_minor"] == 0
    assert one(rules, **(owes | {"exposure_minor": eur(200_000), "open_items_minor": eur(200_000)}))["to_minor"] <= eur(100_000)


def test_rounding_goes_down_but_never_past_the_step_limit_nor_against_the_direction():
    assert one(need_minor=eur(103_333))["after_rounding_minor"] == eur(120_000)  # 123,999.60
    assert one(limit_minor=eur(90_300), need_minor=eur(1))["to_minor"] == eur(46_000)  # half is 45,150
    kept = one(limit_minor=eur(12_345), need_minor=eur(10_500))  # 12,600 rounds to 12,000, which would be a cut
    assert (kept["to_minor"], kept["direction"]) == (eur(12_345), "same")


def test_even_where_every_change_counts_rounding_turns_no_increase_into_a_cut():
    row = one(changed(limits__smallest_change__amount=0), limit_minor=eur(12_345), need_minor=eur(10_500))
    assert (row["to_minor"], row["direction"]) == (eur(12_345), "same")


def test_an_amount_at_a_bound_of_the_grid_uses_the_smaller_step():
    rules = changed(limits__rounding__0__up_to=10_500)
    assert one(rules, limit_minor=None, need_minor=eur(8_750))["to_minor"] == eur(10_500)
    assert one(rules, limit_minor=None, need_minor=eur(8_750.01))["to_minor"] == eur(10_000)


def test_a_change_below_both_thresholds_is_not_proposed():
    rules = changed(limits__rounding__0__step=100)
    assert one(rules, limit_minor=eur(9_000), need_minor=eur(7_700))["direction"] == "same"  # 9,200: 200, 2.2%
    assert one(rules, limit_minor=eur(3_000), need_minor=eur(2_700))["to_minor"] == eur(3_200)  # 6.7% is not below 5%


def test_the_smallest_fraction_is_compared_exactly_not_to_the_cent_below():
    row = one(limit_minor=999_999, need_minor=eur(7_920))  # to 9,500: a change of 499.99, 5% is 499.9995
    assert (row["to_minor"], row["direction"]) == (999_999, "same")


def test_a_minimum_lifts_small_needs_but_no_cap_and_no_prohibition():
    rules = changed(limits__minimum=3000)
    assert one(rules, limit_minor=None, need_minor=eur(100))["to_minor"] == eur(3000)
    assert one(rules, limit_minor=None, need_minor=eur(100), recommended_limit_minor=eur(1000))["to_minor"] == eur(1500)
    assert one(rules, limit_minor=eur(1000), need_minor=eur(100), status="blocked")["to_minor"] <= eur(1000)


# --- classes


@pytest.mark.parametrize(("status", "limit", "to", "direction"), [
    ("insolvent", 100_000, 0, "down"), ("prepayment", 0, 0, "same"), ("prepayment", None, 0, "new"), ("blocked", 100_000, 100_000, "same"),
    ("legal", None, 0, "new"), ("new", None, 5_000, "new"), ("new", 100_000, 120_000, "up"), ("dormant", None, 0, "new"),
])  # fmt: skip
def test_each_class_has_its_rule(status, limit, to, direction):
    row = one(status=status, limit_minor=None if limit is None else eur(limit))
    assert (row["to_minor"], row["direction"]) == (eur(to), direction)


def test_a_class_that_decided_is_the_first_reason():
    data = book(customer(status="insolvent"), reasons="a|b|c|d")
    assert propose(*data, policy=CALM, as_of=AS_OF).loc[0, "reason_codes"] == "class_insolvent|a|b|c"
    data = book(customer(), reasons="a|b|c|d")
    assert propose(*data, policy=CALM, as_of=AS_OF).loc[0, "reason_codes"] == "a|b|c|d"


def test_an_unused_limit_of_a_dormant_customer_goes_down_to_what_it_still_owes():
    idle = {"status": "dormant", "last_invoice_days": 400.0}
    assert one(**idle, exposure_minor=0)["to_minor"] == 0
    assert one(**idle, exposure_minor=eur(4_200))["to_minor"] == eur(4_000)
    assert one(**idle, exposure_minor=eur(400_000))["direction"] == "same"
    assert one(status="dormant", last_invoice_days=100.0)["direction"] == "same"


def test_a_starter_limit_bows_to_known_bad_facts_but_not_to_missing_ones():
    new = {"status": "new", "limit_minor": None, "need_minor": None, "tangible_net_worth_minor": None, "exposure_minor": 0}
    assert one(**new, recommended_limit_minor=None, external_age_days=None)["to_minor"] == eur(5_000)
    assert one(**new, grade="")["to_minor"] == eur(5_000)
    assert one(**new, recommended_limit_minor=eur(1_000))["to_minor"] == eur(1_500)
    assert one(**new, grade="D")["to_minor"] == 0
    assert one(**new, terms_days=None)["to_terms_days"] == 14


# --- terms


def test_terms_are_tightened_for_the_named_grades_and_never_loosened():
    assert one(grade="D", terms_days=60)["to_terms_days"] == 14
    assert one(grade="C", terms_days=60)["to_terms_days"] == 60
    assert one(grade="D", terms_days=7)["to_terms_days"] == 7
    assert pd.isna(one(grade="D", terms_days=None)["to_terms_days"])
    assert says(one(grade="D", terms_days=60), "Payment terms") == ["net 30 days to net 14 days".replace("30", "60")]


def test_a_first_limit_without_terms_gets_those_of_its_grade():
    assert one(limit_minor=None, terms_days=None)["to_terms_days"] == 45


# --- effects, exceptions, straight-through


def test_a_reduction_shows_what_would_stop():
    orders = {"exposure_minor": eur(130_000), "open_orders_minor": eur(30_000), "unbilled_deliveries_minor": eur(20_000)}
    row = one(need_minor=eur(75_000), **orders)  # 90,000
    assert (row["over_limit_minor"], row["blocked_orders_minor"]) == (eur(40_000), eur(40_000))
    row = one(need_minor=eur(50_000), **orders)  # 60,000
    assert (row["over_limit_minor"], row["blocked_orders_minor"]) == (eur(70_000), eur(50_000))
    uncounted = changed(exposure__parts=["open_items"])
    assert pd.isna(one(uncounted, need_minor=eur(50_000), **orders)["blocked_orders_minor"])


def test_orders_a_source_lacks_are_not_computable_rather_than_none():
    row = one(need_minor=eur(1_000), exposure_minor=eur(130_000))
    assert pd.isna(row["blocked_orders_minor"])
    assert says(row, "Orders and deliveries that would stop") == ["not computable: no orders in source"]


SMALL = {"limit_minor": eur(10_000), "need_minor": eur(15_000)}


def test_a_small_increase_of_a_good_grade_passes_by_a_rule_in_words():
    row = one(**SMALL)  # 18,000 wanted, 15,000 after the step limit
    assert row["straight_through"] and row["to_minor"] == eur(15_000)
    assert row["straight_through_rule"] == "policy 2026.1: increase of at most 10,000 EUR to at most 25,000 EUR, grades A, B, C"


def test_a_small_reduction_passes_whatever_remains():
    row = one(limit_minor=eur(126_000), need_minor=eur(100_000))
    assert row["straight_through"] and row["straight_through_rule"] == "policy 2026.1: reduction of at most 10,000 EUR, grades A, B, C"


@pytest.mark.parametrize(("fields", "why"), [
    ({"limit_minor": None}, "first_limit"),
    ({"tangible_net_worth_minor": None}, "missing_data"),
    ({"limit_minor": eur(24_000), "need_minor": eur(25_000)}, ""),
    ({"limit_minor": eur(22_000), "need_minor": eur(90_000)}, ""),
    ({"limit_minor": eur(30_000), "need_minor": eur(10_000)}, ""),
])  # fmt: skip
def test_beyond_the_rule_a_person_decides(fields, why):
    row = one(**(SMALL | fields))
    assert not row["straight_through"] and row["exceptional"] == why and row["straight_through_rule"] == ""


def test_the_largest_exposures_of_the_whole_book_never_pass():
    policy = changed(straight_through__never_top_exposures=1)
    features, scores, _, states = book(customer("c1", **SMALL), customer("c2", **SMALL, group_id="g2"))
    groups = frame(GROUPS, [{"group_id": g, "currency": "EUR", "exposure_minor": e} for g, e in (("c1", 10), ("g2", 9), ("elsewhere", 11))])
    assert propose(features, scores, groups, states, policy=policy, as_of=AS_OF)["straight_through"].all()
    found = propose(features, scores, groups.iloc[:2], states, policy=policy, as_of=AS_OF)
    assert found["exceptional"].tolist() == ["top_exposure", ""]
    assert found["straight_through"].tolist() == [False, True]


def test_a_switched_off_rule_lets_nothing_pass():
    assert not one(changed(straight_through__enabled=False), **SMALL)["straight_through"]


def test_a_change_of_terms_needs_a_person():
    rules = changed(terms__tighten_when=["B"], terms__by_grade__B=10, straight_through__never_top_exposures=0)
    assert not one(rules, **SMALL)["straight_through"]


# --- currencies


def test_policy_amounts_are_converted_into_the_accounts_currency():
    rates = fx.RateTable.from_rows([(AS_OF, "EUR", "USD", "2", "ecb")])
    row = one(rates=rates, currency="USD", need_minor=eur(9_000_000), limit_minor=eur(5_000_000), tangible_net_worth_minor=None)
    assert row["cap_grade_minor"] == eur(3_000_000) and row["cap_net_worth_minor"] == eur(500_000)


def test_without_a_rate_a_customer_is_quarantined_never_converted_at_one():
    found = propose(*book(customer("c1"), customer("c2", currency="CAD")), policy=CALM, as_of=AS_OF, rates=fx.RateTable.from_rows([]))
    row = found.iloc[1]
    assert row["state"] == "quarantined" and row["direction"] == "" and pd.isna(row["to_minor"]) and not row["straight_through"]
    assert row["state_reason"].startswith("missing_rate: no rate from EUR to CAD on 2026-06-30")
    assert row["exposure_minor"] == eur(40_000) and row["from_minor"] == eur(100_000)
    assert found.loc[0, "state"] == "reviewed"


def test_a_book_in_control_currency_needs_no_rates():
    assert one(rates=None)["state"] == "reviewed"


# --- the frame as a whole


def test_customers_not_reviewed_keep_state_and_facts_and_get_no_figures():
    others = [
        {"customer_id": "c2", "state": "deferred", "state_reason": "deferred by p-ana until 2026-09-01"},
        {"customer_id": "c9", "group_id": "c9", "state": "quarantined", "state_reason": "rows", "portfolio": "south"},
    ]
    found = propose(*book(customer("c1"), customer("c2"), states=others), policy=CALM, as_of=AS_OF).set_index("customer_id")
    assert list(found["state"]) == ["reviewed", "deferred", "quarantined"]
    assert found.loc["c2", "from_minor"] == eur(100_000) and found.loc["c2", "exposure_minor"] == eur(40_000)
    assert pd.isna(found.loc["c2", "to_minor"]) and found.loc["c2", "direction"] == ""
    assert found.loc["c9", "exposure_minor"] == 0 and found.loc["c9", "analyst"] == "south"
    assert explain(found.loc["c2"].to_dict()) == [("State", "deferred"), ("Reason", "deferred by p-ana until 2026-09-01")]


def test_an_empty_book_gives_an_empty_frame_of_the_schema():
    empty = propose(*(f.iloc[:0] for f in book(customer())), policy=CALM, as_of=AS_OF)
    assert list(empty.columns) == list(PROPOSALS.names) and len(empty) == 0
    assert empty.dtypes.to_dict() == propose(*book(customer()), policy=CALM, as_of=AS_OF).dtypes.to_dict()


@pytest.mark.parametrize("stage", [0, 1, 2])
def test_a_row_lost_between_stages_stops_the_review_and_names_the_customer(stage):
    frames = list(book(customer("c1"), customer("c2")))
    frames[stage] = frames[stage].iloc[:1]
    with pytest.raises(ReviewStopped, match="c2"):
        propose(*frames, policy=CALM, as_of=AS_OF)


@pytest.mark.parametrize("stage", [0, 1, 3])
def test_a_row_doubled_between_stages_stops_the_review_and_names_the_customer(stage):
    frames = list(book(customer("c1"), customer("c2")))
    frames[stage] = pd.concat([frames[stage], frames[stage].tail(1)])
    with pytest.raises(ReviewStopped, match="c2"):
        propose(*frames, policy=CALM, as_of=AS_OF)


def test_a_row_without_a_state_stops_the_review():
    features, scores, groups, _ = book(customer("c1"), customer("c2"))
    states = frame(STATES, [{"customer_id": "c1", "state": "reviewed"}])
    with pytest.raises(ReviewStopped, match="without a state: c2"):
        propose(features, scores, groups, states, policy=CALM, as_of=AS_OF)


@pytest.mark.parametrize(("stage", "column", "value"), [(1, "grade", "Z"), (0, "status", "asleep"), (0, "status", "one_off")])
def test_a_value_that_policy_does_not_know_stops_the_review(stage, column, value):
    frames = list(book(customer("c1")))
    frames[stage][column] = value
    with pytest.raises(ReviewStopped, match="c1"):
        propose(*frames, policy=CALM, as_of=AS_OF)


# --- words


def test_the_explanation_walks_from_need_to_limit():
    row = one(need_minor=eur(900_000), tangible_net_worth_minor=eur(1_050_000))
    assert [label for label, _ in explain(row)] == [
        "Limit in force", "Grade", "Need", "Formula", "Cap: part of tangible net worth", "Cap: the bureau's recommendation",
        "Cap: ceiling of the grade", "After caps", "After the step limit", "Proposed limit",
    ]  # fmt: skip
    assert says(row, "Cap: part of tangible net worth") == ["157,500 EUR (this one holds)"]
    assert says(row, "Proposed limit") == ["increase to 150,000 EUR"]


def test_every_code_has_words():
    assert set(codes.FORBIDS_WORDS) == set(codes.Forbids)
    assert set(codes.CAP_WORDS) == set(codes.Cap)
    assert set(codes.EXCEPTIONAL_WORDS) == set(codes.Exceptional)


def test_explaining_needs_no_pandas():
    code = "import sys, credit_review.limits; sys.exit('pandas' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_review_layer_writes_no_exception_that_has_no_words():
    from credit_review.review import propose as proposing
    from credit_review.review import release, request

    assert {proposing.ERP_DIFFERENCE, release.OVERRIDE, request.REQUESTED} <= set(codes.EXCEPTIONAL_WORDS)


def test_a_bad_member_stops_increases_of_the_others_in_its_group_and_is_named_and_reductions_go_on():
    rows = [customer("c1", need_minor=eur(200_000)), customer("c2", group_id="c1"), customer("c3", group_id="c1", need_minor=eur(10_000))]
    features, scores, groups, states = book(*rows)
    found = propose(features, scores, groups.assign(bad_members="c2"), states, policy=changed(), as_of=AS_OF).set_index("customer_id")
    assert found["bad_members"].to_dict() == {"c1": "c2", "c2": "", "c3": "c2"}
    assert found["direction"].to_dict() == {"c1": "same", "c2": "up", "c3": "down"}, "the bad one itself falls under its own rules"
    steps = dict(explain(found.loc["c1"].to_dict()))
    assert "another member of its group" in steps["No increase, because"] and steps["Bad for its group by policy"] == "c2"


def test_a_bad_member_caps_the_grade_of_the_others_where_policy_says_so_and_betters_none():
    rows = [
        customer("c1", grade="A"), customer("c2", group_id="c1", grade="E"), customer("c3", group_id="c1", grade="D"),
        customer("c4", group_id="c1", grade=""), customer("c5", grade="A"),
    ]  # fmt: skip
    features, scores, groups, states = book(*rows)
    named = groups.assign(bad_members=groups["group_id"].map({"c1": "c2", "c5": ""}))

    def graded(**edits):
        found = propose(features, scores, named, states, policy=changed(**edits), as_of=AS_OF)
        return found.set_index("customer_id")

    found, plain = graded(groups__best_grade="C"), graded()
    assert found["grade"].to_dict() == {"c1": "C", "c2": "E", "c3": "D", "c4": "", "c5": "A"}
    assert plain["grade"].to_dict() == {"c1": "A", "c2": "E", "c3": "D", "c4": "", "c5": "A"}
    assert found.loc["c1", "cap_grade_minor"] < plain.loc["c1", "cap_grade_minor"]
    assert found.loc[["c2", "c3", "c4", "c5"], "to_minor"].equals(plain.loc[["c2", "c3", "c4", "c5"], "to_minor"])
    told = dict(explain(found.loc["c1"].to_dict()))["How the grade came about"]
    assert told.endswith("no better than C while a member of its group is bad for it")


def test_a_limit_kept_within_the_currency_band_says_so_and_one_beyond_it_is_proposed():
    """The ceiling of grade B binds: at 1 USD a euro it was the limit; at 0.90 it is a tenth less."""
    ceiling = int(changed().limits.by_grade["B"].ceiling)
    rich = {"need_minor": eur(10 * ceiling), "tangible_net_worth_minor": eur(10**9), "recommended_limit_minor": eur(10**9)}
    row = customer(currency="USD", limit_minor=eur(ceiling), **rich)
    rates = fx.RateTable.from_rows([(AS_OF, "EUR", "USD", "0.90", "ecb")])
    within, beyond = (
        propose(*book(row), policy=changed(limits__currency_band=band), as_of=AS_OF, rates=rates).iloc[0].to_dict() for band in (0.12, 0.05)
    )
    assert (within["direction"], within["kept_by"], beyond["direction"], beyond["kept_by"]) == ("same", "currency_band", "down", "")
    steps = dict(explain(within))
    assert steps["Limit kept, because"] == "a rate within policy's currency band would leave it as it is"
    assert steps["Policy's amounts converted"] == f"EUR to USD at 0.90 of {AS_OF} (ecb)"


def test_need_is_never_below_what_counts_of_the_account_owners_forecast_and_the_derivation_says_how_it_came_about():
    note = (
        "240,000 EUR from 2026-10-01 until 2027-02-01 by p-1 on 2026-06-01 x 0.5 (policy's, for 2 cases are too few)"
        "; at most 120,000 EUR by the highest balance of 12 months"
    )
    row = one(need_minor=eur(50_000), peak_balance_minor=eur(80_000), forecast_minor=eur(120_000), forecast_note=note)
    assert row["need_minor"] == row["forecast_minor"] == eur(120_000)
    assert row["formula"] == "need 120,000 EUR (forecast of the account owner) x 1.20 (grade B)"
    assert says(row, "Forecast of the account owner") == [f"120,000 EUR: {note}"]
    less = one(need_minor=eur(50_000), peak_balance_minor=eur(80_000), forecast_minor=eur(70_000), forecast_note="x")
    assert less["formula"] == "need 80,000 EUR (highest balance of 12 months) x 1.20 (grade B)"
    none = one(forecast_minor=None, forecast_note="no rate")
    assert says(none, "Forecast of the account owner") == ["not counted: no rate"] and none["need_minor"] == eur(100_000)


def test_need_is_never_below_the_season_s_peak_and_the_formula_says_so():
    policy = changed(limits__need__at_least_peak_balance=False)
    row = customer(need_minor=eur(50_000), season_peak_minor=eur(110_000), peak_balance_minor=eur(400_000))
    found = propose(*book(row), policy=policy, as_of=AS_OF).iloc[0].to_dict()
    assert (found["need_minor"], found["season_peak_minor"]) == (eur(110_000), eur(110_000))
    assert found["formula"].startswith("need 110,000 EUR (highest balance of the season) x")
    assert dict(explain(found))["Highest balance of the season"] == "110,000 EUR"


def test_only_terms_we_offer_are_proposed_and_the_proposal_says_what_they_do_to_need_and_exposure():
    policy = changed(terms__ranked=(0, 10, 30, 60), terms__by_grade={"A": 60, "B": 45, "C": 30, "D": 14, "E": 0})
    late = customer(grade="D", terms_days=60, sales_12m_minor=eur(365_000), need_minor=eur(70_000), average_days_late=10.0)
    found = propose(*book(late), policy=policy, as_of=AS_OF).iloc[0].to_dict()
    assert (found["to_terms_days"], found["need_at_terms_minor"]) == (10, eur(20_000)), "14 days are not offered; 365,000 x (10 + 10) / 365"
    steps = dict(explain(found))
    assert steps["Need at these terms"] == "20,000 EUR by sales, instead of 70,000 EUR"
    assert steps["Effect on exposure"] == "about 50,000 EUR less owed at a time, at the sales of 12 months"


def test_own_risk_beside_cover_caps_a_limit_and_the_proposal_says_from_when_and_which_cover_does_not_count():
    why = "insured limit p1: it ended on 2026-06-01"
    row = customer(cover_cap_minor=eur(90_000), cover_caps=f"2026-07-30={eur(40_000)}", cover_notes=why)
    found = propose(*book(row), policy=changed(), as_of=AS_OF).iloc[0].to_dict()
    assert (found["binding_cap"], found["to_minor"]) == ("cover", eur(90_000))
    steps = dict(explain(found))
    assert steps["Cap: own risk beside the cover that counts"] == "90,000 EUR (this one holds)"
    assert (steps["Cap by cover from 2026-07-30 on"], steps["Cover that does not count"]) == ("40,000 EUR", why)


def test_proposals_of_an_earlier_version_are_read_with_what_was_added_since_missing(tmp_path):
    import pyarrow.parquet as pq

    from credit_review.adapters import files

    path = tmp_path / "proposals.parquet"
    files.write_frame(path, propose(*book(customer()), policy=changed(), as_of=AS_OF), PROPOSALS)
    earlier = pq.read_table(path).drop_columns(["grade_name", "grade_note", "secured_minor"])
    pq.write_table(earlier, path)
    found = files.read_frame(path, PROPOSALS).iloc[0]
    assert pd.isna(found["secured_minor"]) and found["to_minor"] == eur(120_000)
    assert dict(explain(found.to_dict()))["Proposed limit"] == "increase to 120,000 EUR"
