"""The canaries' answers hold for a company's own documents too: a review must never stop because the second calculation is wrong."""

from __future__ import annotations

import sys
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[1] / "limits"))
from book import STARTER, changed

from credit_review import scoring
from credit_review.adapters.workspace import Workspace
from credit_review.model.states import DocumentOfRecord
from credit_review.policy.formula.units import DAYS, MONEY, MONTHS, NUMBER
from credit_review.policy.formula.vocabulary import INPUTS
from tasks import canaries
from tasks.plan import Plan

AUTHORITY = (Path(__file__).parents[2] / "deployments" / "starter" / "authority.yaml").read_text(encoding="utf-8")
OTHERWISE = st.sampled_from(["lower_ceiling", "no_increase", "ask_documents"])
PARTS = ("open_items", "unbilled_deliveries", "open_orders", "unapplied_credits", "notes")
EDITS = st.fixed_dictionaries(
    {
        "intake__review_quarantined_below": st.sampled_from([0, 1000, 100_000]),
        "exposure__parts": st.sets(st.sampled_from(PARTS), min_size=1).map(sorted),
        "exposure__order_horizon_days": st.sampled_from([0, 60, 500]),
        "exposure__hold_out_disputes": st.booleans(),
        "limits__caps__net_worth__otherwise": OTHERWISE,
        "limits__caps__recommendation__otherwise": OTHERWISE,
        "limits__need__at_least_peak_balance": st.booleans(),
        "limits__need__season_days": st.sampled_from([0, 45, 120]),
        "insurance__own_risk_up_to": st.sampled_from([None, 5_000, 40_000]),
        "limits__currency_band": st.sampled_from([0, 0.1]),
        "terms__ranked": st.sampled_from([(), (0, 14, 30, 45)]),
        "limits__minimum": st.sampled_from([0, 750]),
        "limits__step__up_fraction": st.sampled_from([0.5, 0.25, 2]),
        "limits__step__run_off": st.sampled_from(["none", "open_items", "exposure"]),
        "limits__smallest_change__amount": st.sampled_from([1000, 0, 20000]),
        "limits__forbid_increase__external_missing": st.booleans(),
        "limits__forbid_increase__on_quarantined_rows": st.booleans(),
        "classes__dormant__down_to": st.sampled_from([0, 2500]),
        "straight_through__never_top_exposures": st.sampled_from([0, 1, 20]),
        "straight_through__enabled": st.booleans(),
        "straight_through__up_to_limit": st.sampled_from([9_000, 25_000, 5_000_000]),
        "straight_through__up_to_increase": st.sampled_from([1_000, 10_000, 1_000_000]),
        "straight_through__release_untouched": st.booleans(),
        "scoring__combine": st.sampled_from(["weighted", "worse_of", "behaviour", "financial"]),
        "scoring__weights__financial": st.sampled_from([1, 0.5, 1.75]),
        "scoring__external": st.sampled_from(["behaviour", "financial"]),
        "scoring__without_behaviour__points": st.sampled_from(["scorecard", "none"]),
        "scoring__without_behaviour__best_grade": st.sampled_from([None, "D"]),
        "scoring__without_financial__best_grade": st.sampled_from([None, "B", "C"]),
        "scoring__without_financial__no_increase": st.booleans(),
        "scoring__grade_margin": st.sampled_from([0.0, 0.1, 0.5]),
        "scoring__statements__max_age_days": st.sampled_from([540, 900]),
    }
)


def _plain(value):
    """Plain YAML values, numbers as the file would have them."""
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return (int(value) if value == int(value) else float(value)) if isinstance(value, Decimal) else value


def _of_every_input():
    """Steps of a formula that uses each input there is; a missing one counts as a figure of its own."""
    one = {MONEY: "first_known({0}, 1 EUR)", NUMBER: "7 EUR * first_known({0}, 0.5)", DAYS: "3 EUR * (first_known({0}, 9 days) / 1 day)",
           MONTHS: "1 EUR * (first_known({0}, 2 months) / 1 month)"}  # fmt: skip
    steps = {f"by_{name}": one[source.kind].format(name) for name, source in INPUTS.items() if source.kind in one}
    words = {
        "by_grade": ("grade", "A"),
        "by_status": ("status", "new"),
        "by_zone": ("altman_zone", "grey"),
        "by_rating": ("external_grade", "2"),
    }
    steps |= {
        step: f'if known({n}) and {n} = "{v}" then 100 EUR else if known({n}) then 40 EUR else 5 EUR' for step, (n, v) in words.items()
    }
    return steps | {"limit": f"({' + '.join(steps)}) / 40"}


COMPANIES = {
    "edits": EDITS,
    "base": st.integers(480, 640),
    "currency": st.sampled_from(["EUR", "USD", "JPY"]),
}
SLOW = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]


@settings(max_examples=2, deadline=None, suppress_health_check=SLOW)
@example(
    edits={
        "scoring__combine": "worse_of",
        "scoring__external": "behaviour",
        "scoring__without_behaviour__best_grade": "D",
        "scoring__without_financial__no_increase": True,
        "scoring__grade_margin": 0.5,
    },
    base=566,
    currency="EUR",
)
@given(**COMPANIES)
def test_engine_and_answers_agree_whatever_policy_scorecard_and_currency(quick_gate, tmp_path_factory, edits, base, currency):
    agree(tmp_path_factory.mktemp("ride"), edits, base, currency)


def test_engine_and_answers_agree_on_formula_and_segments_of_the_policys_own(quick_gate, tmp_path):
    small_steps = {"up_fraction": 0.1, "down_fraction": 0.1, "free_amount": 100, "run_off": "exposure"}
    edits = {
        "limits__formula": _of_every_input(),
        "limits__rounding": [{"up_to": None, "step": 1}],
        "limits__step": {"up_fraction": 100, "down_fraction": 1, "free_amount": 5_000_000},
        "limits__smallest_change": {"amount": 0, "fraction": 0},
        "limits__forbid_increase__grades": ["E"],
        "segments": [
            {"name": "elsewhere", "who": {"regions": ["north"]}, "step": small_steps},
            {"name": "large", "who": {"exposure_from": 100_000}, "formula": {"limit": "need / 3 + 1 EUR"}, "step": small_steps},
            {"name": "middle", "who": {"statuses": ["active"], "exposure_from": 20_000}, "step": small_steps},
        ],
    }
    changed(**edits)  # sound: else nothing would be compared
    agree(tmp_path, edits, 600, "EUR")


@pytest.mark.soak
@settings(max_examples=300, deadline=None, suppress_health_check=SLOW)
@given(**COMPANIES)
def test_engine_and_answers_agree_for_hundreds_of_companies(quick_gate, tmp_path_factory, edits, base, currency):
    agree(tmp_path_factory.mktemp("ride"), edits, base, currency)


def agree(folder, edits, base, currency):
    try:
        policy = _plain(changed(**edits).model_dump()) | {"control_currency": currency}
    except AssertionError:
        assume(False)
    card = scoring.dump(scoring.expert(STARTER).model_copy(update={"base": base}))
    matrix = AUTHORITY.replace("control_currency: EUR", f"control_currency: {currency}")
    result = canaries.result_of(plan_under(folder, policy, card, matrix))
    assert result.held, result.text()


def plan_under(folder, policy, card, matrix):
    plan = Plan(
        config="", as_of=date(2026, 9, 30), scope="all", label="", kind="periodic", buckets=1, runner="threads", workers=1,
        data=str(folder), review_id="r",
    )  # fmt: skip
    texts = ((DocumentOfRecord.POLICY, yaml.safe_dump(policy)), (DocumentOfRecord.SCORECARD, card), (DocumentOfRecord.AUTHORITY, matrix))
    plan.workspace.keep_documents([(kind, Workspace.plain_document(kind, text)) for kind, text in texts])
    return plan
