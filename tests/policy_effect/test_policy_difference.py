"""What a policy change does, counted over columns, equals a plain recomputation of each customer; and the same policy moves nothing."""

from __future__ import annotations

import random
import sys
from collections import Counter
from datetime import date
from fractions import Fraction
from pathlib import Path

import pandas as pd
import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "limits"))
from book import ROOT, STARTER, book, changed, customer, eur
from diff_by_hand import Answer, grade_of, told
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from credit_review import authority, documents, fx
from credit_review.errors import ReviewStopped
from credit_review.limits import propose
from credit_review.policy_effect.difference import MOVED, Side, Tally, compare
from credit_review.policy_effect.later import Later
from credit_review.policy_effect.result import bad_of, changed_fields, rules_otherwise
from credit_review.policy_effect.routes import Sums, asked, routes
from credit_review.policy_effect.rules import fired, words

AS_OF = date(2026, 9, 30)
RATES = fx.RateTable.from_rows([(AS_OF, "EUR", "USD", "1.0837", "ecb")])
RATIO = {"EUR": Fraction(1), "USD": Fraction("1.0837")}
MATRIX = authority.load(documents.parse((ROOT / "deployments/starter/authority.yaml").read_text(), name="authority.yaml"))
STATUSES = ("active", "active", "active", "new", "blocked", "legal", "insolvent", "dormant")
NEW = {
    "grades__0__below": 0.008, "grades__1__below": 0.05, "limits__step__up_fraction": 0.25, "limits__minimum": 3000,
    "limits__step__down_fraction": 0.3,
    "limits__by_grade__C__ceiling": 250_000, "limits__by_grade__C__without_net_worth": 60_000,
    "straight_through__up_to_increase": 20_000,
    "limits__forbid_increase__overdue_days_over": 60, "limits__forbid_increase__external_missing": True,
    "review__reduction_notice__working_days": 10, "limits__smallest_change__amount": 5000, "terms__by_grade__D": 5,
}  # fmt: skip


def people(seed, count=90):
    """Customers with probabilities instead of grades, in groups of up to three; and some in good order whose need is near their limit."""
    dice = random.Random(seed)
    good = [
        customer(
            f"d{n:03}", grade="", pd=0.004, exposure_minor=0, quarantined_minor=0, overdue_minor=0, oldest_dpd_days=0,
            limit_minor=(limit := eur(dice.choice([2000, 10_000, 20_000, 60_000]))),
            need_minor=round(limit * dice.choice([0.1, 0.7, 0.75, 0.8, 0.9])),
        )
        for n in range(count // 4)
    ]  # fmt: skip
    others = [
        customer(
            f"c{n:03}", grade="", pd=dice.choice([0.004, 0.009, 0.02, 0.04, 0.06, 0.15, 0.4]), group_id=f"c{n - n % 3:03}",
            currency=dice.choice(["EUR", "EUR", "USD"]), status=dice.choice(STATUSES), terms_days=dice.choice([None, 10, 30, 60]),
            need_minor=dice.choice([None, eur(dice.randrange(100, 900_000))]),
            limit_minor=dice.choice([None, eur(dice.randrange(0, 400_000, 500))]),
            exposure_minor=eur(dice.randrange(0, 200_000)), overdue_minor=eur(dice.choice([0, 0, 5000])),
            oldest_dpd_days=dice.choice([0, 20, 45, 90]), tangible_net_worth_minor=dice.choice([None, eur(500_000), eur(9_000_000)]),
            external_age_days=dice.choice([None, 40.0, 700.0]), quarantined_minor=0, last_invoice_days=dice.choice([5.0, 900.0]),
        )
        for n in range(count)
    ]  # fmt: skip
    return others + good


def side(customers, policy, sums, matrix=MATRIX, columns=None):
    """One policy's side by the engine. Customers for whom it can propose nothing are left out of the book beforehand."""
    graded = [c | {"grade": grade_of(c["pd"], policy.model_dump())} for c in customers]
    found = propose(*book(*[{k: v for k, v in c.items() if k != "pd"} for c in graded]), policy=policy, as_of=AS_OF, rates=RATES)
    regions = pd.Series("", index=range(len(found)), dtype="str")
    ways = routes(found, matrix, sums, regions=regions, day=AS_OF, as_of=AS_OF, rates=RATES)
    return Side(policy=policy, proposals=found, routes=ways, fired=fired(found, policy, as_of=AS_OF, rates=RATES))


def sums_of(customers):
    """Group limits in euros, and some increases of the year before."""
    limits = Counter()
    for c in customers:
        limits[c["group_id"]] += round(Fraction(c["limit_minor"] or 0) / RATIO[c["currency"]])
    increases = {group: eur(40_000) for group in list(limits)[::4]}
    return Sums(limits=pd.Series(limits), increases=pd.Series(increases))


def compared(before, after, customers, later=None):
    statuses = pd.Series({c["customer_id"]: c["status"] for c in customers})
    return compare(before, after, statuses=statuses, later=pd.Series(dtype="str") if later is None else later, as_of=AS_OF, rates=RATES)


def by_hand(customers, policy, sums, matrix=MATRIX):
    plain, rules = policy.model_dump(), matrix.model_dump()
    exposure = Counter()
    for c in customers:
        exposure[c["group_id"]] += c["exposure_minor"]
    largest = sorted((g for g in exposure if exposure[g] > 0), key=lambda g: (-exposure[g], g))
    top = set(largest[: plain["straight_through"]["never_top_exposures"]])
    return [
        Answer(
            dict(c), plain, rules, rate=RATIO[c["currency"]], unit=100, top=c["group_id"] in top,
            group_limits=int(sums.limits[c["group_id"]]),
            group_increases=int(sums.increases.get(c["group_id"], 0)),
        )
        for c in customers
    ]  # fmt: skip


def proposable(customers, *policies):
    """Customers with a figure under each policy; the others are quarantined alike by all."""
    sums = sums_of(customers)
    lacking = {c["customer_id"] for p in policies for c, one in zip(customers, by_hand(customers, p, sums), strict=True) if one.to is None}
    return [c for c in customers if c["customer_id"] not in lacking]


@pytest.mark.parametrize("seed", [1, 2])
def test_counts_and_amounts_equal_a_plain_recomputation_customer_by_customer(seed):
    new = changed(**NEW)
    customers = proposable(people(seed), STARTER, new)
    sums = sums_of(customers)
    tally, moved = compared(side(customers, STARTER, sums), side(customers, new, sums), customers)
    pairs = list(zip(by_hand(customers, STARTER, sums), by_hand(customers, new, sums), strict=True))
    expected = told(pairs)
    assert {"minimum", "smallest_change", "straight_through", "step", "terms"} <= {code for code, _ in expected["rules"]}
    assert len(customers) > 60 and expected["size"]["up"] and expected["size"]["down"] and expected["ways"] and expected["notices"]
    size = expected.pop("size")
    assert {name: tally.size[name] for name in size} == dict(size)
    rules = {key: n for key, n in tally.rules.items() if not key[0].startswith(("cap:", "class:")) and n}
    assert rules == {key: n for key, n in expected.pop("rules").items() if n}
    for name, counted in expected.items():
        assert {k: n for k, n in getattr(tally, name).items() if n} == {k: n for k, n in counted.items() if n}, name
    differ = [(one, other) for one, other in pairs if (one.to, one.terms, one.grade, one.way, one.people, one.notice, one.fired)
              != (other.to, other.terms, other.grade, other.way, other.people, other.notice, other.fired)]  # fmt: skip
    assert set(moved["customer_id"]) >= {old.c["customer_id"] for old, _ in differ} and list(moved.columns) == list(MOVED)
    figures = {old.c["customer_id"]: (old.to, new.to, new.to - old.to, old.control(new.to - old.to)) for old, new in differ}
    names = ["before_minor", "after_minor", "difference_minor", "difference_control_minor"]
    listed = {row["customer_id"]: tuple(int(row[name]) for name in names) for row in moved.to_dict("records")}
    assert {one: listed[one] for one in figures} == figures


def test_tallies_of_buckets_add_up_to_the_tally_of_the_book():
    new, everybody = changed(**NEW), people(5)
    sums = sums_of(everybody)
    before, after = side(everybody, STARTER, sums), side(everybody, new, sums)
    whole, _ = compared(before, after, everybody)
    added = Tally()
    for part in (slice(0, 40), slice(40, None)):
        cut = [
            Side(
                policy=one.policy, proposals=one.proposals.iloc[part].reset_index(drop=True),
                routes=type(one.routes)(way=one.routes.way[part], approvers=one.routes.approvers[part]),
                fired={code: flags[part] for code, flags in one.fired.items()},
            )
            for one in (before, after)
        ]  # fmt: skip
        added.add(compared(*cut, everybody)[0])
    for name in ("size", "money", "grades", "states", "ways", "approvers", "notices", "rules", "outcomes"):
        assert +getattr(added, name) == +getattr(whole, name), name


def mirrored(tally):
    """The tally of the change back."""
    turned = {"before": "after", "after": "before", "gone": "new", "new": "gone", "up": "down", "down": "up", "up_minor": "down_minor"}
    turned |= {"down_minor": "up_minor", "better": "worse", "worse": "better", "reviewed_before": "reviewed_after"}
    turned |= {"reviewed_after": "reviewed_before"}

    def swap(counter):
        return +Counter({tuple(turned.get(part, part) for part in key): n for key, n in counter.items()})

    pairs = {
        name: +Counter({key[::-1]: n for key, n in getattr(tally, name).items()}) for name in ("grades", "states", "ways", "approvers")
    }
    size = +Counter({turned.get(name, name): n for name, n in tally.size.items()})
    return {"size": size, **pairs, **{name: swap(getattr(tally, name)) for name in ("money", "notices", "rules", "outcomes")}}


EDITS = st.fixed_dictionaries(
    {},
    optional={
        "limits__step__up_fraction": st.sampled_from([0.1, 0.75]), "limits__minimum": st.sampled_from([0, 5000]),
        "grades__1__below": st.sampled_from([0.015, 0.05]), "limits__by_grade__B__need_factor": st.sampled_from([1.0, 1.3]),
        "review__reduction_notice__working_days": st.sampled_from([0, 20]), "straight_through__enabled": st.booleans(),
        "classes__dormant__down_to": st.sampled_from([0, 2000]), "limits__forbid_increase__external_missing": st.booleans(),
    },
)  # fmt: skip


@settings(max_examples=2, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 10_000), EDITS)
def test_a_policy_against_itself_moves_nothing_and_the_change_back_is_the_change_with_signs_turned(seed, edits):
    there_and_back(seed, edits)


@pytest.mark.soak
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 10_000), EDITS)
def test_the_same_of_many_changes(seed, edits):
    there_and_back(seed, edits)


def there_and_back(seed, edits):
    one, other, customers = STARTER, changed(**edits), people(seed, 24)
    sums = sums_of(customers)
    before, after = side(customers, one, sums), side(customers, other, sums)
    same, nobody = compared(before, before, customers)
    assert not len(nobody) and not any(same.size[name] for name in ("moved", "up", "down", "grade", "terms", "tier", "approver", "notice"))
    assert not same.states and not same.ways and not same.approvers and rules_otherwise(same) == []
    there, moved = compared(before, after, customers)
    back, moved_back = compared(after, before, customers)
    names = ("size", "money", "grades", "states", "ways", "approvers", "notices", "rules", "outcomes")
    assert mirrored(there) == {name: +getattr(back, name) for name in names}
    assert moved["customer_id"].tolist() == moved_back["customer_id"].tolist()
    assert (moved["difference_control_minor"] == -moved_back["difference_control_minor"]).all()


def test_a_customer_that_the_new_policy_excludes_keeps_the_limit_in_force_and_is_counted_as_a_change_of_state():
    customers = [customer("c1", need_minor=eur(150_000), pd=0.02), customer("c2", pd=0.02)]
    sums = sums_of(customers)
    before, after = side(customers, STARTER, sums), side(customers, STARTER, sums)
    gone = after.proposals.assign(
        state=["not_due", "reviewed"], to_minor=pd.array([None, after.proposals["to_minor"].iloc[1]], dtype="Int64")
    )
    tally, moved = compared(before, Side(policy=STARTER, proposals=gone, routes=after.routes, fired=after.fired), customers)
    assert tally.states == {("reviewed", "not_due"): 1} and tally.size["reviewed_after"] == 1 and tally.grades[("B", "")] == 1
    (row,) = moved.to_dict("records")
    assert (row["before_minor"], row["after_minor"], row["state_after"]) == (
        int(before.proposals["to_minor"].iloc[0]),
        eur(100_000),
        "not_due",
    )


def test_two_results_of_different_customers_are_never_compared():
    customers = [customer("c1", pd=0.02), customer("c2", pd=0.02)]
    sums = sums_of(customers)
    with pytest.raises(ReviewStopped, match="different customers"):
        compared(side(customers, STARTER, sums), side(customers[:1], STARTER, sums), customers)


def test_what_came_later_is_counted_by_which_way_the_limit_would_have_gone():
    new, customers = changed(limits__by_grade__B__need_factor=1.0), [customer(f"c{n}", pd=0.02) for n in range(4)]
    sums = sums_of(customers)
    later = pd.Series({"c0": str(Later.LATE), "c1": str(Later.GOOD), "c2": str(Later.STATUS)})
    tally, _ = compared(side(customers, STARTER, sums), side(customers, new, sums), customers, later)
    assert tally.outcomes == {("down", "late"): 1, ("down", "good"): 1, ("down", "status"): 1, ("down", "not_yet_known"): 1}
    assert bad_of(tally, "down") == (2, 3) and bad_of(tally, "up") == (0, 0)


def test_a_tier_without_enough_holders_asks_those_of_the_next_one_too_and_a_matrix_alone_may_be_the_change():
    assert asked(MATRIX, 2, "", AS_OF) == ("p-ceo", "p-cfo", "p-chair")
    data = MATRIX.model_dump(by_alias=True)
    data["tiers"][0]["group_limit_up_to"] = 20_000
    stricter = authority.Matrix.model_validate(data)
    customers = [customer("c1", limit_minor=eur(30_000), need_minor=eur(40_000), exposure_minor=0, pd=0.02)]
    sums = Sums(limits=sums_of(customers).limits, increases=pd.Series(dtype="int64"))
    tally, moved = compared(side(customers, STARTER, sums), side(customers, STARTER, sums, stricter), customers)
    assert tally.size["moved"] == 0 and tally.size["tier"] == 1 and moved["tier_after"].tolist() == ["T2"]
    assert tally.approvers == {("p-controller", "p-manager"): 1}


def test_fields_that_differ_are_named_by_path_with_both_values():
    new = changed(limits__step__up_fraction=0.25, straight_through__grades=["A"])
    found = {one.path: (one.before, one.after) for one in changed_fields(STARTER, new)}
    assert found == {"limits.step.up_fraction": ("0.5", "0.25"), "straight_through.grades": ("A, B, C", "A")}
    assert changed_fields(STARTER, STARTER) == ()


def test_every_rule_that_can_fire_has_words():
    customers = people(1)
    found = {code for policy in (STARTER, changed(**NEW)) for code in side(customers, policy, sums_of(customers)).fired}
    assert {"step", "minimum", "smallest_change", "terms", "straight_through"} <= found
    assert all(words(code) and words(code) != code for code in found)
