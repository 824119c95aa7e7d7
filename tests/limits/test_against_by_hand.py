"""The vectorised engine agrees with a plain recomputation of each customer, to the minor unit, on random books and policies."""

from __future__ import annotations

import sys
from datetime import date
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pandas as pd
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))
from book import STARTER, book, changed, customer

from credit_review import fx
from credit_review.canaries.by_hand import by_hand
from credit_review.limits import explain, propose
from credit_review.limits.layers import LayerLimit, limit_on

AS_OF = date(2026, 6, 30)
RATES = fx.RateTable.from_rows(
    [(AS_OF, "EUR", "USD", "1.0837", "ecb"), (AS_OF, "EUR", "JPY", "163.4219", "ecb"), (AS_OF, "BHD", "EUR", "2.4131", "ecb")]
)
RATIO = {  # minor units of the account a minor unit of EUR
    "EUR": Fraction(1),
    "USD": Fraction("1.0837"),
    "JPY": Fraction("163.4219") / 100,
    "BHD": 1 / Fraction("2.4131") * 10,
}
UNIT = {"EUR": 100, "USD": 100, "JPY": 1, "BHD": 1000}

amount = st.one_of(
    st.integers(0, 10**6), st.integers(0, 10**9), st.integers(0, 10**12), st.sampled_from([0, 50000, 1000000, 1000001, 10000000])
)
maybe = st.booleans().flatmap(lambda there: amount if there else st.none())
age = st.one_of(st.none(), st.sampled_from([0.0, 30.0, 365.0, 366.0, 540.0, 541.0, 2000.0]))
CUSTOMERS = st.fixed_dictionaries(
    {
        "grade": st.sampled_from(["A", "B", "C", "D", "E", ""]),
        "status": st.sampled_from(["active", "active", "new", "prepayment", "blocked", "legal", "insolvent", "dormant"]),
        "currency": st.sampled_from(["EUR", "USD", "JPY", "BHD"]),
        "need_minor": st.one_of(maybe, st.integers(-(10**6), 0)),
        "peak_balance_minor": maybe,
        "season_peak_minor": st.one_of(st.none(), maybe),
        "limit_minor": maybe,
        "terms_days": st.one_of(st.none(), st.sampled_from([0, 10, 14, 30, 60, 90])),
        "exposure_minor": amount,
        "open_items_minor": amount,
        "security_minor": amount,
        "cover_cap_minor": st.one_of(st.none(), st.none(), amount),
        "entity_limit_minor": st.one_of(st.none(), st.none(), amount),
        "ceiling_minor": st.one_of(st.none(), amount),
        "segment_limit_minor": st.one_of(st.none(), st.none(), amount),
        "pool_minor": st.one_of(st.none(), amount),
        "others_owe_minor": st.one_of(st.none(), amount, st.integers(-(10**6), 0)),
        "overdue_minor": amount,
        "oldest_dpd_days": st.sampled_from([0, 30, 31, 200]),
        "quarantined_minor": st.sampled_from([0, 0, 0, 500]),
        "tangible_net_worth_minor": st.one_of(maybe, st.integers(-(10**9), 0)),
        "net_worth_age_days": age,
        "recommended_limit_minor": maybe,
        "external_age_days": age,
        "last_invoice_days": st.one_of(st.none(), st.sampled_from([1.0, 364.0, 365.0, 366.0, 800.0])),
    }
)
OTHERWISE = st.sampled_from(["lower_ceiling", "no_increase", "ask_documents"])
POLICIES = st.fixed_dictionaries(
    {
        "limits__caps__net_worth__otherwise": OTHERWISE,
        "limits__caps__recommendation__otherwise": OTHERWISE,
        "limits__caps__security__raises_caps_by": st.sampled_from([0, 0.5, 1]),
        "limits__need__at_least_peak_balance": st.booleans(),
        "limits__without_need__action": st.sampled_from(["exposure", "none"]),
        "limits__without_need__factor": st.sampled_from([1, 0.8, 1.333333]),
        "limits__minimum": st.sampled_from([0, 750, 3000]),
        "limits__step__up_fraction": st.sampled_from([0.5, 0.25, 2]),
        "limits__step__down_fraction": st.sampled_from([0.5, 0.333333, 1]),
        "limits__step__free_amount": st.sampled_from([5000, 0]),
        "limits__step__run_off": st.sampled_from(["none", "none", "open_items", "exposure"]),
        "limits__smallest_change__amount": st.sampled_from([1000, 0, 20000]),
        "limits__forbid_increase__external_missing": st.booleans(),
        "limits__forbid_increase__external_age_days_over": st.sampled_from([540, None]),
        "limits__forbid_increase__on_quarantined_rows": st.booleans(),
        "classes__dormant__down_to": st.sampled_from([0, 2500]),
        "terms__ranked": st.sampled_from([(), (0, 7, 21, 30, 45)]),
        "limits__currency_band": st.sampled_from([0, 0, 0.1, 0.25]),
    }
)

INPUT_RULES = st.one_of(
    st.sampled_from(["no_increase", "ask_documents", "quarantine"]).map(lambda action: {"otherwise": action}),
    st.just({"otherwise": "use", "use": "7500 EUR"}),
    st.just({"otherwise": "lower_ceiling", "at_most": 12_000}),
)
FORMULAS = st.sampled_from([
    ({"limit": "need * need_factor"}, ("need",)),
    ({"own": "12.5% * tangible_net_worth", "limit": 'if grade in ["A", "B"] then max(own, need) else min(own, need, 20000 EUR)'},
     ("tangible_net_worth", "need")),
    ({"late": "oldest_days_past_due > 30 days", "limit": "if late and known(need) then need / 3 else first_known(recommended_limit, need)"},
     ("recommended_limit", "need")),
    ({"limit": "ceiling * (recommended_limit / tangible_net_worth)"}, ("recommended_limit", "tangible_net_worth")),
])  # fmt: skip


@st.composite
def own_formulas(draw):
    """Edits that give a policy a formula of its own, and a rule for some of its inputs."""
    steps, names = draw(FORMULAS)
    rules = {name: draw(INPUT_RULES) for name in names if draw(st.booleans())}
    dated = {name: rule | {"max_age_days": draw(st.sampled_from([365, 540]))} for name, rule in rules.items() if name != "need"}
    return {"limits__formula": steps, "limits__inputs": rules | dated}


def known(value):
    return None if pd.isna(value) else int(value)


def bound(row):
    """The smallest cap by a layer in force."""
    found = [known(row[f"cap_{layer}_minor"]) for layer in ("entity", "ceiling", "segment", "pool")]
    return min((cap for cap in found if cap is not None), default=2**62)


def agree(drawn, edits):
    rules = changed(**edits) if edits else STARTER
    customers = [customer(f"c{i:02}", **c) for i, c in enumerate(drawn)]
    owed = {c["customer_id"]: c["others_owe_minor"] for c in customers}
    frame = propose(*book(*customers), policy=rules, as_of=AS_OF, rates=RATES, others_owe=owed)
    plain = rules.model_dump()
    for c, row in zip(customers, frame.to_dict("records"), strict=True):
        hand = by_hand(c | {"points": 500, "pd_fraction": 0.02}, plain, rate=RATIO[c["currency"]], unit=UNIT[c["currency"]])
        assert explain(row)
        if hand["to"] is None:
            assert row["state"] == "quarantined" and row["state_reason"].startswith("no proposal possible")
            assert known(row["to_minor"]) is None
            continue
        got = {
            "to": known(row["to_minor"]),
            "formula": known(row["formula_minor"]),
            "after_caps": known(row["after_caps_minor"]),
            "after_step": known(row["after_step_minor"]),
            "after_rounding": known(row["after_rounding_minor"]),
            "forbidden": set(filter(None, row["forbids_increase"].split("|"))),
            "substitutes": set(filter(None, row["substitutes"].split("|"))),
            "terms": known(row["to_terms_days"]),
            "direction": row["direction"],
            "over": known(row["over_limit_minor"]),
        }
        assert got == {name: value for name, value in hand.items() if name != "bounded"}


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(CUSTOMERS, min_size=8, max_size=24), POLICIES)
def test_engine_and_hand_agree_to_the_minor_unit(drawn, edits):
    agree(drawn, edits)


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(CUSTOMERS, min_size=8, max_size=24), POLICIES, own_formulas())
def test_engine_and_hand_agree_on_a_formula_of_the_policys_own(drawn, edits, formula):
    agree(drawn, edits | formula)


@settings(max_examples=12, deadline=None)
@given(st.lists(CUSTOMERS, min_size=8, max_size=24))
def test_what_the_policy_promises_holds_for_every_customer(drawn):
    customers = [customer(f"c{i:02}", **(c | {"currency": "EUR"})) for i, c in enumerate(drawn)]
    frame = propose(*book(*customers), policy=STARTER, as_of=AS_OF)
    for c, row in zip(customers, frame.to_dict("records"), strict=True):
        if row["state"] != "reviewed":
            continue
        to, now = int(row["to_minor"]), c["limit_minor"]
        assert 0 <= to <= bound(row)
        if row["forbids_increase"]:
            assert row["direction"] != "up" and to <= max(now if now is not None else c["exposure_minor"], 0)
        if row["direction"] == "up":
            assert to <= now + max(now // 2, 500_000)
            assert to <= row["after_caps_minor"]
        if row["direction"] == "down" and c["status"] in ("active", "new", "blocked", "legal") and now <= 500_000_000:
            assert to >= min(now - max(now // 2, 500_000), bound(row))
        if row["direction"] == "new":
            assert to <= row["after_caps_minor"]
        if c["status"] in ("insolvent", "prepayment"):
            assert to == 0
        if row["straight_through"]:
            assert row["exceptional"] == "" and row["direction"] in ("up", "down") and to - now <= 1_000_000
        if c["terms_days"] is not None:
            assert row["to_terms_days"] <= c["terms_days"]


@settings(max_examples=6, deadline=None)
@given(st.lists(CUSTOMERS, min_size=8, max_size=24), own_formulas(), st.sampled_from(["none", "open_items", "exposure"]))
def test_no_formula_takes_a_limit_outside_caps_steps_and_grid(drawn, formula, run_off):
    rules = changed(**formula, limits__step__run_off=run_off)
    customers = [customer(f"c{i:02}", **(c | {"currency": "EUR"})) for i, c in enumerate(drawn)]
    frame = propose(*book(*customers), policy=rules, as_of=AS_OF)
    for c, row in zip(customers, frame.to_dict("records"), strict=True):
        if row["state"] != "reviewed":
            continue
        to, now, capped = int(row["to_minor"]), c["limit_minor"], int(row["after_caps_minor"])
        caps = [known(row[f"cap_{cap}_minor"]) for cap in ("net_worth", "recommended", "grade", "need")]
        assert all(cap is None or capped <= cap for cap in caps)
        if row["direction"] in ("up", "new"):
            assert to <= capped and (now is None or to <= now + max(now // 2, 500_000))
        if row["direction"] == "down" and c["status"] in ("active", "new", "blocked", "legal") and now <= 500_000_000:
            open_now = {"none": 0, "open_items": c["open_items_minor"], "exposure": c["exposure_minor"]}[run_off]
            assert to >= min(max(now - max(now // 2, 500_000), min(now, open_now)), bound(row))
        step = 50_000 if to <= 1_000_000 else 100_000 if to <= 10_000_000 else 500_000
        assert to == now or to % step == 0 or to == bound(row)


def layer(name, minor, taken=0):
    return LayerLimit(layer=name, key=name, amount_minor=minor, effective_from=AS_OF, taken_minor=taken)


@settings(max_examples=12, deadline=None)
@given(st.lists(CUSTOMERS, min_size=8, max_size=24), POLICIES)
def test_no_proposal_is_above_a_layer_in_force_and_a_raised_limit_takes_effect_in_full(drawn, edits):
    customers = [customer(f"c{i:02}", **(c | {"currency": "EUR"})) for i, c in enumerate(drawn)]
    owed = {c["customer_id"]: c["others_owe_minor"] for c in customers}
    frame = propose(*book(*customers), policy=changed(**edits), as_of=AS_OF, others_owe=owed)
    for c, row in zip(customers, frame.to_dict("records"), strict=True):
        if row["state"] != "reviewed":
            continue
        to, taken = int(row["to_minor"]), max(c["others_owe_minor"] or 0, 0)
        bounds = [c["ceiling_minor"], c["segment_limit_minor"], c["entity_limit_minor"], c["pool_minor"]]
        assert all(bound is None or to <= bound for bound in bounds)
        layers = [layer("ceiling", c["ceiling_minor"]), layer("segment", c["segment_limit_minor"]), layer("group", c["pool_minor"], taken)]
        in_force = limit_on([layer("base", to), *layers], AS_OF).amount_minor
        assert in_force <= to
        if row["direction"] in ("up", "new"):
            assert in_force == to
        elif c["pool_minor"] is None:
            assert in_force == to, "only what others owe of a shared pool holds down a limit that stays"


@settings(max_examples=12, deadline=None)
@given(st.lists(CUSTOMERS, min_size=2, max_size=6))
def test_a_worse_grade_never_gets_more(drawn):
    same = [customer(f"c{i}{g}", **(c | {"grade": g, "currency": "EUR"})) for i, c in enumerate(drawn) for g in ("A", "B", "C", "D", "E")]
    frame = propose(*book(*same), policy=STARTER, as_of=AS_OF)
    for _, group in frame.groupby(frame["customer_id"].str[:2]):
        limits = group["to_minor"].dropna().tolist()
        assert limits == sorted(limits, reverse=True)


@settings(max_examples=8, deadline=None)
@given(st.lists(CUSTOMERS, min_size=2, max_size=10), st.randoms())
def test_order_and_bucketing_change_nothing(drawn, random):
    customers = [customer(f"c{i:02}", **c) for i, c in enumerate(drawn)]
    features, scores, groups, states = book(*customers)
    whole = propose(features, scores, groups, states, policy=STARTER, as_of=AS_OF, rates=RATES)
    at = list(range(len(customers)))
    random.shuffle(at)
    mixed = propose(features.iloc[at], scores.iloc[at[::-1]], groups, states.iloc[at], policy=STARTER, as_of=AS_OF, rates=RATES)
    pd.testing.assert_frame_equal(whole, mixed)
    cut = len(customers) // 2
    parts = [
        propose(
            *(f.iloc[part].reset_index(drop=True) for f in (features, scores)),
            groups,
            states.iloc[part],
            policy=STARTER,
            as_of=AS_OF,
            rates=RATES,
        )
        for part in (slice(0, cut), slice(cut, None))
    ]
    pd.testing.assert_frame_equal(whole, pd.concat(parts, ignore_index=True))


@settings(max_examples=6, deadline=None)
@given(st.lists(CUSTOMERS, min_size=16, max_size=24), st.integers(-100, 100), POLICIES)
def test_a_rate_that_moves_within_policys_band_alone_triggers_no_proposal(drawn, per_mille, edits):
    """A limit that policy gave at one rate stays at every other one within the band, whatever the customer's other figures."""
    edits |= {"limits__step__up_fraction": 100, "limits__step__down_fraction": 1}  # so that limits settle in a few reviews
    rules = changed(**(edits | {"limits__currency_band": 0.1}))
    customers = [customer(f"c{i:02}", **(c | {"currency": "USD"})) for i, c in enumerate(drawn)]
    without = changed(**(edits | {"limits__currency_band": 0}))
    settled = _settled(customers, without)
    moved = _usd(f"{Decimal('1.0837') * (1000 + per_mille) / 1000}")
    after = propose(*book(*settled), policy=rules, as_of=AS_OF, rates=moved)
    assert set(after["direction"]) <= {"same"}


def _settled(customers, rules):
    """The customers whose limit is what policy gives at the rate of RATES: reviewed until nothing changes, terms aside."""
    for _ in range(5):
        found = propose(*book(*customers), policy=rules, as_of=AS_OF, rates=_usd("1.0837"))
        rows = zip(found["customer_id"], found["to_minor"], found["state"], strict=True)
        limits = {customer_id: known(to) for customer_id, to, state in rows if state == "reviewed"}
        again = [c | {"limit_minor": limits[c["customer_id"]]} for c in customers if c["customer_id"] in limits]
        if again == customers:
            break
        customers = again
    return [c for c, way in zip(customers, found["direction"], strict=True) if way == "same"]


def _usd(rate):
    return fx.RateTable.from_rows([(AS_OF, "EUR", "USD", rate, "ecb")])
