"""A challenger's fit: goes the declared way, takes codes, repeats itself to the byte, and says how well it does on groups not seen."""

import json
import math
import os
import subprocess
import sys
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pandas as pd
import pytest
from boosted import QUICK, fitted, rows
from scoring_rows import simulated, starter_policy

from credit_review.adapters import challengers
from credit_review.challenger import card, columns, figures, fitting, stored
from credit_review.challenger.card import NumberFeature
from credit_review.errors import BadInput
from credit_review.scoring import evaluation, splits


def risk(model, frame, features):
    return fitting.predicted(model, columns.matrix(frame, features))


def test_risk_goes_the_declared_way_whatever_the_history_says():
    made = fitted()
    model = stored.unpacked(made.model)
    base = rows()[0].head(1)
    for name, way in (("late", 1), ("months", -1)):
        steps = pd.concat([base] * 60, ignore_index=True).assign(**{name: np.linspace(-3, 110, 60)})
        assert (np.diff(risk(model, steps, made.card.features)) * way >= 0).all()


def test_a_direction_against_the_history_gives_a_flat_risk_and_not_the_other_way():
    frame, bad, groups = rows()
    turned = (NumberFeature(name="late", direction="lower_is_worse"),)
    made = fitting.fit(frame, bad, turned, groups=groups, seed=1, libraries=challengers.installed(), judged=())
    assert np.ptp(risk(stored.unpacked(made.model), pd.DataFrame({"late": np.linspace(-3, 3, 50)}), turned)) < 0.01


def test_codes_have_columns_of_their_own_and_rare_or_unknown_ones_none():
    known = fitted().card.features
    assert known[-1].values == ("AA", "B")
    frame = rows()[0].head(4).assign(grade=["AA", "B", "ZZ", None])
    assert columns.matrix(frame, known)[:, -2:].tolist() == [[1, 0], [0, 1], [0, 0], [0, 0]]


def test_the_same_history_gives_the_same_bytes_in_another_process_with_other_threads():
    program = "from boosted import fitted; from credit_review.challenger import card; print(card.digest(card.dump(fitted().card)))"
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(Path(__file__).parent), "OMP_NUM_THREADS": "2", "PYTHONHASHSEED": "7"}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment, check=True)
    assert done.stdout.strip() == card.digest(card.dump(fitted().card))


def test_the_description_is_readable_and_reads_back_the_same():
    text = card.dump(fitted().card)
    assert card.load(text, known_as="x") == fitted().card
    plain = json.loads(text)
    assert plain["features"][0] == {"name": "late", "kind": "number", "direction": "higher_is_worse"}
    assert set(plain["libraries"]) == {"scikit-learn", "skops", "numpy"}
    averaged = {name: plain["settings"].pop(name) for name in ("members", "rows_of_a_member", "slope", "shift")}
    assert averaged["members"] == fitting.MEMBERS and averaged["slope"] > 0
    assert plain["settings"] in [one["settings"] for one in plain["tried"]]


def test_the_model_file_holds_the_mean_of_all_sets_of_trees_put_to_scale():
    frame, bad, _ = rows()
    few, defaults = {"max_iter": 4, "max_depth": 3}, {"max_iter": 3}
    shown = columns.matrix(frame, fitted().card.features)
    one_way = columns.constraints(fitted().card.features)
    chosen = fitting._Chosen(few, (), 0.7, -0.2)
    with patch.object(fitting, "CANDIDATES", (few, defaults)):
        whole = fitting._averaged(shown, bad, one_way, chosen, 1)
        alone = fitting._trees(shown, bad, one_way, defaults, 1).decision_function(shown)
        draws = np.random.Generator(np.random.PCG64(1))
        sets = [np.sort(draws.permutation(len(bad))[: math.ceil(0.8 * len(bad))]) for _ in range(fitting.MEMBERS)]
        members = [fitting._trees(shown[d], bad[d], one_way, few, 1 + n).decision_function(shown) for n, d in enumerate(sets)]
    assert whole.decision_function(shown) == pytest.approx(0.7 * (alone + np.mean(members, axis=0)) / 2 - 0.2)
    read = stored.unpacked(stored.packed(whole))
    assert np.array_equal(read.predict_proba(shown), whole.predict_proba(shown))


def test_probabilities_too_sure_of_themselves_are_put_to_scale_and_few_outcomes_scale_nothing():
    rng = np.random.default_rng(3)
    log_odds = rng.normal(-1, 1, 4000)
    bad = (rng.random(4000) < 1 / (1 + np.exp(-log_odds))).astype(np.int64)
    slope, shift = fitting._scale(3 * log_odds + 1, bad)
    assert slope == pytest.approx(1 / 3, abs=0.03) and shift == pytest.approx(-1 / 3, abs=0.1)
    few = np.zeros(4000, dtype=np.int64)
    few[: fitting.LEAST_TO_SCALE - 1] = 1
    assert fitting._scale(log_odds, few) == (1.0, 0.0) and fitting._scale(-log_odds, bad) == (1.0, 0.0)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('"kind": "challenger"', '"kind": "scorecard"', "x, kind: "),
        ('"seed": 1', '"seed": -1', "x, seed: "),
        ('"seed": 1', '"seed": 1, "more": 2', "x, more: "),
        ('"numpy"', '"nump"', "libraries: expected"),
        ('"late"', '"noise"', "expected each feature once"),
        ("{", "", "x is not JSON"),
    ],
)
def test_a_description_that_is_none_is_refused_by_field(old, new, words):
    with pytest.raises(BadInput) as told:
        card.load(card.dump(fitted().card).replace(old, new, 1), known_as="x")
    assert words in told.value.what


def test_the_ledgers_challenger_is_judged_in_time_and_leaves_out_what_the_scorecard_must(monkeypatch):
    monkeypatch.setattr(fitting, "CANDIDATES", QUICK)
    monkeypatch.setattr(fitting, "TUNING_FOLDS", 2)
    training = simulated(160, 6)
    made = fitting.fit_ledger(training, policy=starter_policy(), seed=1, libraries=challengers.installed())
    assert made.card.left_out["utilisation_fraction"].startswith("limits of past dates")
    assert "average_days_late" in [one.name for one in made.card.features]
    (judged,) = made.card.judged
    assert judged.of == "Later period from 2025-03-31" and judged.rows == 160
    assert 0.6 < judged.auc_low < judged.auc < judged.auc_high < 1
    assert made.card.trained_on.customers == 160
    assert any("boosted trees that run in the shadow and decide nothing" in line for line in made.lines())


def test_a_history_too_thin_is_refused_with_what_policy_asks_for():
    with pytest.raises(BadInput, match="history is too thin for a challenger: 20 customers"):
        fitting.fit_ledger(simulated(20, 6), policy=starter_policy(), seed=1, libraries=challengers.installed())


def test_log_loss_by_hand_and_both_models_on_the_same_draws():
    outcome = np.array([0, 1] * 10)
    assert figures.log_loss(outcome, np.full(20, 0.5)) == pytest.approx(np.log(2))
    both = np.column_stack([outcome, outcome]).astype(float)
    first, second, apart = figures.paired(evaluation.auc, outcome, both, np.arange(20), seed=1)
    assert (first.value, first.low, first.high) == (second.value, second.low, second.high) == (1, 1, 1)
    assert (apart.value, apart.low, apart.high) == (0, 0, 0)


@pytest.mark.soak
@pytest.mark.shared_data
def test_on_bankruptcy_ratios_the_challenger_is_not_behind_boosted_trees_with_defaults():
    from sklearn.ensemble import HistGradientBoostingClassifier
    from threadpoolctl import threadpool_limits

    path = Path(__file__).parents[3] / "shared/data/scoring/polish_5year_dev.csv"
    if not path.exists():
        pytest.skip("polish_5year_dev.csv is not here")
    data = pd.read_csv(path)
    ratios, bad = data.iloc[:, :-1], data.iloc[:, -1].to_numpy(dtype=np.int64)
    same = pd.util.hash_pandas_object(ratios, index=False).astype(str)  # rows that stand twice stay together
    features = [NumberFeature(name=name) for name in ratios]
    made = fitting.fit(ratios, bad, features, groups=same, seed=1, libraries=challengers.installed())
    by_defaults = np.zeros(len(bad))
    with threadpool_limits(limits=1):
        for train, test in splits.grouped(bad, same, folds=fitting.JUDGING_FOLDS, seed=1):
            model = HistGradientBoostingClassifier(random_state=1, early_stopping=False).fit(ratios.iloc[train], bad[train])
            by_defaults[test] = model.predict_proba(ratios.iloc[test])[:, 1]
    (judged,) = made.card.judged
    assert judged.auc >= evaluation.auc(bad, by_defaults) - 0.002
    assert judged.calibration_error < 0.02
