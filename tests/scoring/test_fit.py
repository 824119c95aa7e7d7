"""The fit: finds signal that is there, claims none that is not, says when history is too thin, and repeats itself exactly."""

import os
import subprocess
import sys
from datetime import date
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scoring_rows import customers, frame, items, simulated, starter_policy

from credit_review import documents, exposure, fx, receivables, scoring
from credit_review.errors import BadInput
from credit_review.model.frames import COVER, EXTERNAL, RATES
from credit_review.scoring import evaluation
from tasks import training

POLICY = starter_policy()
TRAINING = simulated(500, 11)


@pytest.fixture(scope="module")
def fitted():
    return scoring.fit(TRAINING, policy=POLICY, seed=1, valid_from=date(2025, 4, 1))


def test_the_fit_finds_the_factors_that_carry_signal_and_leaves_out_noise(fitted):
    names = [f.name for f in fitted.scorecard.factors]
    assert {"average_days_late", "overdue_fraction", "external_pd_fraction"} <= set(names)
    assert "months_on_book" not in names
    assert fitted.scorecard.left_out["utilisation_fraction"].startswith("limits of past dates")


def test_points_of_every_fitted_factor_go_the_declared_way_and_hiding_a_value_does_not_pay(fitted):
    for factor in fitted.scorecard.factors:
        points = [b.points for b in factor.bins]
        assert points == sorted(points, reverse=factor.direction == "higher_is_worse")
        assert factor.missing.points <= max(points)


def test_the_mean_probability_equals_the_share_of_customers_with_the_outcome(fitted):
    means = [
        (scoring.score(rows.drop(columns=["outcome"]), fitted.scorecard, POLICY)["pd_fraction"].mean(), len(rows))
        for _, rows in TRAINING.groupby("cutoff")
    ]
    overall = sum(m * n for m, n in means) / sum(n for _, n in means)
    assert overall == pytest.approx(TRAINING["outcome"].mean(), abs=1e-4)


def test_a_fit_is_calibrated_on_later_periods_and_says_so_and_holds_for_a_year_and_a_half(fitted):
    card = fitted.scorecard
    assert card.valid_to == date(2026, 10, 1) and card.figure == "probability of serious lateness"
    assert (card.calibration.on, card.calibration.rows, card.calibration.definition) == (("2025-03-31",), 500, "serious lateness")
    assert any(line.startswith("Calibrated to serious lateness on 500 rows") for line in fitted.report.lines())


def test_later_periods_are_judged_only_where_an_outcome_was_known_before_them(fitted):
    assert [p.cutoff for p in fitted.report.periods] == ["2025-03-31"]
    period = fitted.report.periods[0]
    assert 0.7 < period.auc < 0.95
    assert period.low < period.auc < period.high
    assert any(line.startswith("Later period from 2025-03-31") and "95% interval" in line for line in fitted.report.lines())


def test_noise_is_not_sold_as_skill():
    noise = simulated(500, 12, signal=0.0)
    result = scoring.fit(noise, policy=POLICY, seed=1)
    for period in result.report.periods:
        assert period.low <= 0.55


def test_a_future_outcome_never_reaches_the_judgement_of_an_earlier_period():
    """Outcomes of the newest cut-off are turned round: scorecards judged on it were fitted before and rank as they did."""
    days = (date(2022, 12, 31), date(2023, 3, 31), date(2023, 6, 30), date(2023, 12, 31), date(2025, 3, 31))
    history = simulated(300, 11, cutoffs=days)  # enough straight history that a card can still be fitted on all of it
    turned = history.copy()
    newest = turned["cutoff"] == turned["cutoff"].max()
    turned.loc[newest, "outcome"] = 1 - turned.loc[newest, "outcome"]
    straight, mirrored = (scoring.fit(t, policy=POLICY, seed=1).report.periods[-1].auc for t in (history, turned))
    assert straight + mirrored == pytest.approx(1.0, abs=1e-3)


def test_customers_of_the_judged_groups_are_not_in_the_fit(monkeypatch):
    seen = []
    from credit_review.scoring import fitting

    real = fitting._fit

    def spy(training, *rest):
        seen.append(set(training["group_id"]))
        return real(training, *rest)

    monkeypatch.setattr(fitting, "_fit", spy)
    scoring.fit(TRAINING, policy=POLICY, seed=1)
    everyone = set(TRAINING["group_id"])
    assert seen[0] == everyone
    assert len(seen) == 1 + fitting.FOLDS
    unseen = [everyone - groups for groups in seen[1:]]
    assert set.union(*unseen) == everyone
    assert sum(len(u) for u in unseen) == len(everyone)


def test_history_too_thin_gives_the_expert_scorecard_and_says_why():
    few = simulated(100, 13)
    result = scoring.fit(few, policy=POLICY, seed=1)
    assert result.scorecard.kind == result.report.kind == "expert"
    assert "history is too thin to fit: 100 customers" in result.scorecard.why
    assert result.report.lines()[0].startswith("Expert scorecard: history is too thin")


def test_no_history_at_all_gives_the_expert_scorecard():
    result = scoring.fit(scoring.training_set({}, {}), policy=POLICY, seed=1)
    assert (result.scorecard.kind, result.report.rows) == ("expert", 0)


def test_without_payment_history_the_expert_scorecard_is_used_and_lateness_is_not_available():
    lacking = scoring.not_available({"limits"})
    result = scoring.fit(TRAINING, policy=POLICY, seed=1, not_available=lacking)
    assert result.scorecard.kind == "expert"
    assert result.scorecard.why == "no cleared items in source, so no outcome is known to fit on"
    assert result.scorecard.not_available["average_days_late"] == "no cleared items in source"


def test_an_outcome_that_is_only_lateness_is_never_called_default(fitted):
    assert fitted.scorecard.outcome == "probability of serious lateness"
    mixed = TRAINING.copy()
    mixed.loc[mixed.index[mixed["outcome"] == 1][:3], "cause"] = "insolvent"
    assert scoring.fit(mixed, policy=POLICY, seed=1).scorecard.outcome == "probability of default"
    assert scoring.expert(starter_policy(statuses=())).outcome == "probability of serious lateness"


def test_a_grade_without_probability_becomes_a_factor_by_category():
    rows = TRAINING.copy()
    pd_ = rows["external_pd_fraction"]
    rows["external_grade"] = pd.cut(pd_, [0, 0.01, 0.02, 0.05, 1], labels=["1", "2", "3", "4"]).astype("object").fillna("").astype("str")
    rows["external_pd_fraction"] = np.nan
    card = scoring.fit(rows, policy=POLICY, seed=1).scorecard
    factor = next(f for f in card.factors if f.name == "external_grade")
    points = {v: b.points for b in factor.bins for v in b.values}
    assert points["1"] > points["4"]
    odd = rows.iloc[[0]].assign(external_grade=pd.Series(["unheard of"], dtype="str").to_numpy())
    assert f"external_grade={factor.missing.points}|" in scoring.score(odd, card, POLICY)["factor_points"].iloc[0]


def test_a_customer_twice_at_one_cut_off_is_refused():
    with pytest.raises(BadInput, match="c00000 stands twice at cut-off 2023-12-31"):
        scoring.fit(pd.concat([TRAINING, TRAINING.iloc[[0]]]), policy=POLICY, seed=1)


def test_the_order_of_the_history_changes_no_byte(fitted):
    again = scoring.fit(TRAINING.sample(frac=1, random_state=3), policy=POLICY, seed=1, valid_from=date(2025, 4, 1))
    assert scoring.dump(again.scorecard) == scoring.dump(fitted.scorecard)


@pytest.mark.parametrize("threads", ["1", pytest.param("4", marks=pytest.mark.soak)])
def test_the_same_history_gives_the_same_bytes_in_another_process_with_other_threads(fitted, threads):
    """This process fits on as many threads as the machine has cores, the other on one; `make soak` adds one on more than there are."""
    code = (
        "from datetime import date; from test_fit import TRAINING, POLICY; from credit_review import scoring;"
        "print(scoring.digest(scoring.fit(TRAINING, policy=POLICY, seed=1, valid_from=date(2025, 4, 1)).scorecard))"
    )
    env = os.environ | {"OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads, "PYTHONHASHSEED": threads}
    env["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parent), str(Path(__file__).parents[2])])
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == scoring.digest(fitted.scorecard)


def test_auc_agrees_with_scikit_learn_and_its_interval_with_the_seed():
    from sklearn.metrics import roc_auc_score

    rng = np.random.default_rng(5)
    outcome = (rng.random(300) < 0.2).astype(np.int64)
    risk = np.round(rng.normal(size=300) + outcome, 1)
    group = np.array([f"g{i // 2}" for i in range(300)])
    assert evaluation.auc(outcome, risk) == pytest.approx(roc_auc_score(outcome, risk))
    low, high = evaluation.interval(outcome, risk, group, seed=9)
    assert (low, high) == evaluation.interval(outcome, risk, group, seed=9)
    assert low < evaluation.auc(outcome, risk) < high


def test_the_interval_holds_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(6)
    truth, hits = 0.76025, 0  # normal scores one standard deviation apart: Phi(1 / sqrt 2)
    for trial in range(60):
        outcome = (rng.random(200) < 0.25).astype(np.int64)
        low, high = evaluation.interval(outcome, rng.normal(size=200) + outcome, np.arange(200).astype(str), seed=trial)
        hits += low <= truth <= high
    assert hits >= 50


@pytest.mark.shared_data
def test_the_same_fit_runs_on_the_ibm_ledger(shared_data, capsys):
    """100 customers, two years, nobody 45 days late: serious lateness is here more than 7 days past due within three months."""
    least = POLICY.outcome.smallest_history.model_copy(update={"customers": 80})
    policy = starter_policy(days_past_due=7, material_amount=Decimal(10), window_months=3, statuses=(), smallest_history=least)
    ledger, master = ibm(shared_data / "ledgers/ibm_ar.csv")
    as_of = date(2013, 12, 31)
    known, happened = {}, {}
    for cutoff in scoring.cut_offs(ledger["posting_date"].min().date(), as_of, policy):
        known[cutoff] = ibm_features(ledger, master, cutoff, policy)
        happened[cutoff] = scoring.outcome(ledger, master, cutoff=cutoff, as_of=as_of, policy=policy)
    training, lacking = scoring.training_set(known, happened), scoring.not_available(IBM_STATES)
    result = scoring.fit(training, policy=policy, seed=1, not_available=lacking)
    with capsys.disabled():
        print("", *result.report.lines(), sep="\n")
    assert result.scorecard.kind == "fitted"
    assert result.scorecard.outcome == "probability of serious lateness"
    assert all(p.auc > 0.6 for p in result.report.periods if p.auc is not None)
    assert result.report.periods[-1].auc is not None
    assert len(scoring.score(ibm_features(ledger, master, as_of, policy), result.scorecard, policy)) == 100


IBM_STATES = {"sales", "cleared_items", "disputes"}


def ibm_features(ledger, master, day, policy):
    rates = fx.RateTable.from_frame(frame(RATES, []))
    nothing = frame(EXTERNAL, []), frame(COVER, [])
    return exposure.features(known_at(ledger, day), master, *nothing, as_of=day, policy=policy, rates=rates, capabilities=IBM_STATES).frame


def ibm(path):
    raw = pd.read_csv(path, dtype=str)
    cents = (pd.to_numeric(raw["InvoiceAmount"]) * 100).round().astype("int64")
    dates = {
        n: pd.to_datetime(raw[c], format="%m/%d/%Y") for n, c in (("posted", "InvoiceDate"), ("due", "DueDate"), ("paid", "SettledDate"))
    }
    ledger = items(
        [
            {
                "row_key": n, "customer_id": c, "document": n, "currency": "USD", "amount_minor": a, "posting_date": p, "document_date": p,
                "due_date": d, "clearing_date": s, "disputed": x == "Yes",
            }
            for n, c, a, p, d, s, x in zip(
                raw["invoiceNumber"], raw["customerID"], cents, dates["posted"], dates["due"], dates["paid"], raw["Disputed"], strict=True
            )
        ]
    )  # fmt: skip
    master = customers([{"customer_id": c, "currency": "USD", "terms_days": 30} for c in sorted(raw["customerID"].unique())])
    return ledger, master


def known_at(ledger, day):
    """The ledger as it stood on `day`: nothing posted later, and what was cleared later still open."""
    stood = ledger[ledger["posting_date"] <= pd.Timestamp(day)].copy()
    later = stood["clearing_date"] > pd.Timestamp(day)
    stood.loc[later, "open_minor"] = stood.loc[later, "amount_minor"]
    stood.loc[later, "clearing_date"] = pd.NaT
    return stood


@pytest.mark.parametrize(
    ("mapping", "outcome"),
    [
        ("tests/intake/mappings/highradius_open.yaml", "probability of serious lateness"),
        ("tests/intake/mappings/classicmodels.yaml", "probability of serious lateness"),
        ("deployments/starter/mapping.yaml", "probability of default"),
    ],
)
def test_a_source_that_states_neither_status_nor_write_off_gives_no_probability_of_default(mapping, outcome):
    path = Path(__file__).parents[2] / mapping
    read = receivables.load(documents.parse(path.read_text(encoding="utf-8"), name=path.name))
    lateness = training.only_lateness([read], POLICY)
    assert scoring.expert(POLICY, only_lateness=lateness).outcome == outcome
