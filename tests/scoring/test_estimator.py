"""The estimator: bins that are the best of all, special and rare values in bins of their own, and a card that needs nothing to be read."""

import itertools
import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.utils.estimator_checks import check_estimator

from credit_review import scoring
from credit_review.errors import BadInput
from credit_review.scoring import FactorPlan, ScorecardClassifier, SpecialValue, binning
from credit_review.scoring.estimator import bounded_logistic
from credit_review.scoring.scores import card_points, card_probability

QUICK = {"strength": 0.1, "tables": 0}


def book(rows=1500, seed=3):
    rng = np.random.default_rng(seed)
    risk, other = rng.normal(size=rows), rng.normal(size=rows)
    frame = pd.DataFrame({"late": 10 + 8 * risk + rng.normal(0, 4, rows), "a": rng.normal(size=rows), "b": other})
    frame["late"] = frame["late"].where(rng.random(rows) > 0.1)
    frame["asked"] = np.where(rng.random(rows) < 0.2, -1.0, np.abs(risk) + rng.random(rows))
    sectors = rng.choice(["mining", "retail", "trade"], rows).astype(object)
    sectors[:12] = [f"rare {i}" for i in range(12)]
    frame["sector"] = sectors
    crossed = 1.5 * np.sign(frame["a"]) * np.sign(other)
    bad = rng.random(rows) < 1 / (1 + np.exp(1.5 - risk - crossed - 0.8 * (sectors == "mining")))
    return frame, np.asarray(bad, dtype=np.int64)


PLAN = (
    FactorPlan("late", direction="higher_is_worse"),
    FactorPlan("asked", special=(SpecialValue(-1, "R90", "was not asked"),)),
    FactorPlan("sector", "category"),
    FactorPlan("a"),
    FactorPlan("b"),
)


@pytest.fixture(scope="module")
def fitted():
    return ScorecardClassifier(PLAN, tables=5, strength=0.1).fit(*book())


def test_scikit_learn_finds_an_estimator_of_its_kind():
    check_estimator(ScorecardClassifier(**QUICK))


def test_the_bins_are_the_best_of_all_that_go_the_declared_way():
    rng = np.random.default_rng(1)
    rules = binning.BinRules(smallest=20, shrink=5)
    for way in (-1, 0, 1):
        rows, bad = rng.integers(10, 40, 9).astype(float), np.zeros(9)
        bad[:] = rng.binomial(rows.astype(int), np.linspace(0.1, 0.5, 9))
        worth, rate = binning._segments(rows, bad, rules)

        def value(cut, worth=worth, rate=rate, way=way):
            ends = [0, *cut, 9]
            steps = np.diff([rate[a, b] for a, b in itertools.pairwise(ends)])
            return sum(worth[a, b] for a, b in itertools.pairwise(ends)) if (way * steps > 0).all() or way == 0 else -np.inf

        every = [cut for n in range(9) for cut in itertools.combinations(range(1, 9), n)]
        assert value(binning._best(rows, bad, way, rules)) == pytest.approx(max(map(value, every)))


def test_a_bound_is_the_shortest_number_that_parts_the_same_values():
    assert binning.quantiles(np.array([0.12345, 0.98765]), 2) == (1.0,) or binning.quantiles(np.array([0.12345, 0.98765]), 2) == (0.6,)
    values = np.random.default_rng(2).normal(size=400).round(5)
    for bound in binning.quantiles(values, 10):
        assert len(repr(bound)) <= 8
    assert binning.quantiles(np.full(50, 3.0), 10) == ()


def test_points_go_the_declared_way_and_missing_is_never_the_best_place(fitted):
    late = next(f for f in fitted.card_.factors if f.name == "late")
    points = [b.points for b in late.bins]
    assert len(points) > 2
    assert points == sorted(points, reverse=True)
    assert late.missing.points <= max(points)


def test_hiding_a_number_of_declared_direction_does_not_pay_even_where_history_says_so():
    frame, bad = book()
    frame["late"] = frame["late"].where((bad == 1) | (np.arange(len(bad)) % 3 == 0))  # who is missing is good
    late = ScorecardClassifier(PLAN[:1], **QUICK).fit(frame, bad).card_.factors[0]
    assert late.missing.points <= max(b.points for b in late.bins)


def test_a_special_value_has_a_bin_and_a_reason_of_its_own(fitted):
    asked = next(f for f in fitted.card_.factors if f.name == "asked")
    frame, bad = book()
    assert [(b.value, b.reason, b.rows, b.bad) for b in asked.special] == [
        (-1.0, "R90", (frame["asked"] == -1).sum(), bad[frame["asked"] == -1].sum())
    ]
    assert asked.reasons[len(asked.bins) + 1] == "R90"


def test_rare_categories_are_pooled_and_one_never_seen_is_treated_like_them(fitted):
    sector = next(f for f in fitted.card_.factors if f.name == "sector")
    assert (sector.other.pooled, sector.other.rows) == (12, 12)
    frame, _ = book()
    seen, unseen = frame.iloc[[0]], frame.iloc[[0]].assign(sector="never seen")
    assert fitted.points(seen) == fitted.points(unseen)


def test_a_two_way_table_finds_what_neither_number_says_alone(fitted):
    pair = next(f for f in fitted.card_.factors if f.kind == "pair")
    assert {pair.first.name, pair.second.name} == {"a", "b"}
    assert sum(map(sum, pair.rows)) == 1500
    frame, bad = book(seed=4)
    alone = ScorecardClassifier(PLAN, **QUICK).fit(*book())
    assert scoring.auc(bad, -fitted.points(frame)) > scoring.auc(bad, -alone.points(frame)) + 0.05


def test_numbers_with_a_declared_direction_are_never_paired():
    plan = tuple(FactorPlan(p.name, p.kind, "higher_is_worse" if p.name in "ab" else p.direction, p.special) for p in PLAN)
    card = ScorecardClassifier(plan, tables=5, strength=0.1).fit(*book()).card_
    assert not [f for f in card.factors if f.kind == "pair" and {f.first.name, f.second.name} & {"a", "b", "late"}]


def test_the_card_is_plain_json_that_says_the_same_without_scikit_learn(fitted, tmp_path):
    frame, _ = book(seed=5)
    text = scoring.dump(fitted.card_)
    assert max(map(len, text.splitlines())) < 200
    assert json.loads(text)["scale"] == {"base_points": 600, "base_odds": 50.0, "double_odds": 20}
    card = scoring.load_card(text)
    assert card == fitted.card_
    np.testing.assert_array_equal(card_probability(card_points(frame, card), card), fitted.predict_proba(frame)[:, 1])
    (tmp_path / "card.json").write_text(text, encoding="utf-8")
    code = (
        "import sys; from pathlib import Path; import pandas as pd; from credit_review.scoring import load_card, scores;"
        f"card = load_card(Path({str(tmp_path / 'card.json')!r}).read_text(encoding='utf-8'));"
        "frame = pd.DataFrame({'late': [5.0], 'a': [1.0], 'b': [None], 'asked': [-1.0], 'sector': ['trade']});"
        "print(scores.card_points(frame, card)[0]); sys.exit('sklearn' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    same = pd.DataFrame({"late": [5.0], "a": [1.0], "b": [np.nan], "asked": [-1.0], "sector": ["trade"]})
    assert int(done.stdout) == fitted.points(same)[0]


def test_a_table_of_the_wrong_shape_is_refused(fitted):
    plain = json.loads(scoring.dump(fitted.card_))
    next(f for f in plain["factors"] if f["kind"] == "pair")["points"].pop()
    with pytest.raises(BadInput, match="the last of each for missing"):
        scoring.load_card(json.dumps(plain))


def test_weights_equal_scikit_learns_where_no_bound_binds_and_are_never_below_0_where_it_does():
    rng = np.random.default_rng(6)
    columns = rng.normal(size=(800, 3))
    good = (rng.random(800) < 1 / (1 + np.exp(-columns @ [1.0, 0.5, -0.7]))).astype(int)
    plain = LogisticRegression(C=0.1, tol=1e-8).fit(columns, good)
    _, free = bounded_logistic(columns, good, 0.1, free=3)
    np.testing.assert_allclose(free, plain.coef_[0], atol=1e-4)
    _, bound = bounded_logistic(columns, good, 0.1, free=0)
    assert bound[2] == 0
    assert (bound >= 0).all()


def test_strength_and_tables_are_chosen_and_a_noisy_history_gets_no_tables():
    frame, _ = book(600)
    noise = (np.random.default_rng(8).random(600) < 0.3).astype(int)
    model = ScorecardClassifier(PLAN).fit(frame, noise)
    assert model.tables_ == 0
    assert ScorecardClassifier(PLAN).fit(*book()).tables_ > 0


def test_the_same_rows_give_the_same_card_and_groups_are_not_parted():
    frame, bad = book(600)
    groups = np.arange(600) // 3
    first, again = (clone(ScorecardClassifier(PLAN)).fit(frame, bad, groups=groups).card_ for _ in range(2))
    assert scoring.dump(first) == scoring.dump(again)
    from credit_review.scoring.estimator import _History

    history = _History.of(frame, PLAN, bad, groups)
    for seen, unseen in history.splits(5, 0):
        assert not set(groups[seen]) & set(groups[unseen])


def test_a_plan_for_a_column_that_is_not_there_is_refused_by_name():
    with pytest.raises(BadInput, match="'moon'"):
        ScorecardClassifier((FactorPlan("moon"),)).fit(*book(100))
    frame, bad = book(300)
    card = ScorecardClassifier(PLAN, **QUICK).fit(frame, bad).card_
    with pytest.raises(BadInput, match="'late'"):
        card_points(frame.drop(columns="late"), card)
