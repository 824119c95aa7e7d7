"""Segments: who belongs to one, what holds there instead of the policy's own rules, and which mistakes are refused."""

from __future__ import annotations

import sys
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
import yaml

sys.path.insert(0, str(Path(__file__).parents[1] / "limits"))
from book import TEXT, book, changed, customer, eur

from credit_review import documents, fx, policy
from credit_review.completeness.segments import policy_segments
from credit_review.errors import BadInput
from credit_review.limits import explain, propose

AS_OF = date(2026, 6, 30)
STEP = {"up_fraction": 0.25, "down_fraction": 0.5, "free_amount": 0}
OF_A = yaml.safe_load(TEXT)["limits"]["by_grade"]["A"]


def refusal(*segments) -> str:
    data = yaml.safe_load(TEXT) | {"segments": list(segments)}
    with pytest.raises(BadInput) as caught:
        policy.load(documents.parse(yaml.safe_dump(data, sort_keys=False), name="policy.yaml"))
    return caught.value.text()


def segment(name="one", rules=None, **who):
    return {"name": name, "who": who, **(rules or {"cadence_months": {"A": 6}})}


@pytest.mark.parametrize(("segments", "field", "reason"), [
    ([segment(statuses=["new"]), segment(statuses=["active"])], "segments[1].name", "'one' stands twice"),
    ([segment("all"), segment("two", regions=["n"])], "segments[1].who", "can never fire: 'all' above it takes every customer"),
    ([segment("a", exposure_from=100), segment("b", exposure_from=200)], "segments[1].who", "can never fire"),
    ([segment("a", regions=["n", "s"]), segment("b", regions=["s"], statuses=["new"])], "segments[1].who", "can never fire"),
    ([segment(statuses=["sleepy"])], "segments[0].who.statuses[0]", "unknown credit status 'sleepy'"),
    ([segment(exposure_from=10, exposure_below=10)], "segments[0].who.exposure_below", "no exposure is 10 or more and below 10"),
    ([{"name": "idle", "who": {}}], "segments[0]", "changes nothing"),
    ([segment(rules={"cadence_months": {"A": 24}})], "segments[0].cadence_months.A", "longest_months is 12"),
    ([segment(rules={"cadence_months": {"Z": 3}})], "segments[0].cadence_months.Z", "unknown grade 'Z'"),
    ([segment(rules={"step": STEP | {"up_fraction": 0}})], "segments[0].step.up_fraction", "no limit can ever go up"),
    ([segment(rules={"formula": {"limit": "need * foo"}})], "segments[0].formula.limit", "unknown name 'foo'"),
    ([segment(rules={"inputs": {"need": {}}})], "segments[0].inputs.need", "can never fire"),
    ([segment(rules={"maximum": 50_000, "by_grade": {"A": OF_A}})], "segments[0].by_grade.A.ceiling", "is never reached: maximum is 50000"),
    ([segment(rules={"by_grade": {"A": OF_A | {"ceiling": 9_000_000}}})], "segments[0].by_grade.A.ceiling", "reached: limits.maximum is"),
    ([segment(who_is="x")], "segments[0].who.who_is", "unknown field"),
])  # fmt: skip
def test_a_segment_that_is_wrong_is_refused_at_its_own_line_and_field(segments, field, reason):
    said = refusal(*segments)
    assert any(f", {field}" in line and reason in line and line.lstrip().startswith("policy.yaml line ") for line in said.splitlines()), (
        said
    )


def test_a_segments_lower_maximum_holds_above_ceilings_and_starter_limits_that_it_takes_from_the_policy():
    rules = changed(segments=[segment("small", {"maximum": 4_000}, regions=["n"])])
    assert rules.limits.by_grade["A"].ceiling > 4_000 and rules.classes["new"].starter_limit > 4_000
    customers = [customer("c1", grade="A", need_minor=eur(900_000), limit_minor=eur(4_000)), customer("c2", status="new", limit_minor=None)]
    found = propose(
        *book(*customers, states=[{"customer_id": c, "policy_segment": "small"} for c in ("c1", "c2")]), policy=rules, as_of=AS_OF
    )
    assert found["to_minor"].tolist() == [eur(4_000), eur(4_000)]


def test_a_segment_has_its_own_rules_and_all_others_of_the_policy():
    rules = changed(segments=[segment("north", {"cadence_months": {"A": 1}, "step": STEP})])
    north = rules.of_segment("north")
    assert (north.months_for("A"), north.months_for("C"), rules.months_for("A")) == (1, 6, 12)
    assert (north.limits.step.up_fraction, north.limits.caps) == (Decimal("0.25"), rules.limits.caps)
    assert rules.of_segment("") is rules and north.segments == ()


def test_the_first_segment_that_matches_holds_and_exposure_is_compared_in_control_currency():
    rules = changed(segments=[
        segment("large", exposure_from=50_000),
        segment("north", regions=["north"], exposure_below=50_000), segment("new", statuses=["new"]),
    ])  # fmt: skip
    customers = [
        customer("c1", exposure_minor=eur(50_000)), customer("c2", exposure_minor=eur(49_999.99)),
        customer("c3", exposure_minor=eur(54_000), currency="USD"), customer("c4", status="new", exposure_minor=0),
        customer("c5", currency="XAU", exposure_minor=eur(10**6)), customer("c6", status="new", exposure_minor=0),
    ]  # fmt: skip
    features = book(*customers)[0]
    master = features[["customer_id", "currency", "status"]].assign(
        segment="", legal_entity="", region=["north", "north", "n", "n", "north", "north"]
    )
    rates = fx.RateTable.from_rows([(AS_OF, "EUR", "USD", "1.10", "ecb")])
    found = policy_segments(master, features, policy=rules, as_of=AS_OF, rates=rates)
    assert found.tolist() == ["large", "north", "", "new", "", "north"]
    assert set(policy_segments(master, None, policy=changed(), as_of=AS_OF, rates=rates)) == {""}


def test_a_proposal_follows_the_rules_of_its_segment_and_names_it():
    rules = changed(segments=[
        segment("careful", {"step": STEP}, regions=["n"]), segment("by sales", {"formula": {"limit": "5% * sales_12m"}}, statuses=["new"]),
    ])  # fmt: skip
    states = [{"customer_id": "c1", "policy_segment": "careful"}, {"customer_id": "c2", "policy_segment": "by sales"}]
    data = book(*(customer(f"c{n}", need_minor=eur(900_000), sales_12m_minor=eur(2e6)) for n in (3, 2, 1)), states=states)
    found = propose(*data, policy=rules, as_of=AS_OF).set_index("customer_id")
    assert found["to_minor"].tolist() == [eur(125_000), eur(100_000), eur(150_000)]
    assert found["policy_segment"].tolist() == ["careful", "by sales", ""]
    assert dict(explain(found.loc["c2"]))["Rules of segment"] == "by sales" and found.loc["c2", "formula"].startswith("policy's formula")
