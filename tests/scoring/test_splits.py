"""Splits: no group on both sides, nothing known later among the rows fitted on, the same splits for the same rows."""

from datetime import date

import numpy as np
import pandas as pd
import pytest

from credit_review.errors import BadInput
from credit_review.scoring import splits

RNG = np.random.default_rng(3)
GROUPS = RNG.integers(0, 60, 600)
OUTCOME = (RNG.random(600) < np.where(GROUPS % 4 == 0, 0.4, 0.05)).astype(int)


def days(*texts):
    return pd.to_datetime(pd.Series(texts))


def test_no_group_stands_on_both_sides_and_every_row_is_judged_by_once():
    found = splits.grouped(OUTCOME, GROUPS, folds=5, seed=1)
    assert sorted(np.concatenate([s.test for s in found])) == list(range(600))
    for train, test in found:
        assert not set(GROUPS[train]) & set(GROUPS[test])
        assert len(train) + len(test) == 600


def test_a_rare_outcome_is_spread_over_the_folds():
    rates = [OUTCOME[s.test].mean() for s in splits.grouped(OUTCOME, GROUPS, folds=5, seed=1)]
    assert max(rates) - min(rates) < 0.06


def test_grades_and_no_outcome_at_all_are_split_by_group_too():
    for outcome in (None, GROUPS % 7):
        for train, test in splits.grouped(outcome, GROUPS, folds=4, seed=1):
            assert not set(GROUPS[train]) & set(GROUPS[test])


def test_the_same_rows_give_the_same_splits_whatever_their_order():
    order = np.random.default_rng(9).permutation(600)
    names = np.array([f"g{g:03d}" for g in GROUPS])
    usual = {frozenset(s.test.tolist()) for s in splits.grouped(OUTCOME, names, folds=5, seed=1)}
    shuffled = {frozenset(order[s.test].tolist()) for s in splits.grouped(OUTCOME[order], names[order], folds=5, seed=1)}
    assert usual == shuffled
    assert usual != {frozenset(s.test.tolist()) for s in splits.grouped(OUTCOME, names, folds=5, seed=2)}


def test_one_held_out_part_is_in_whole_groups():
    train, test = splits.held_out(OUTCOME, GROUPS, folds=4, seed=1)
    assert not set(GROUPS[train]) & set(GROUPS[test])
    assert 0.15 < len(test) / 600 < 0.35


def test_rows_that_share_a_customer_an_issuer_or_a_group_are_one():
    customer = ["a", "b", "b", "c", "d", "g", ""]
    group = ["g", "g", "h", "h", "", None, ""]
    found = splits.joined(customer, group).tolist()
    assert found[0] == found[1] == found[2] == found[3]
    assert len({found[0], found[4], found[5]}) == 3
    assert found[6] == ""
    assert splits.joined(customer[::-1], group[::-1]).tolist() == found[::-1]


def test_a_row_without_group_too_few_groups_and_an_outcome_of_one_group_are_refused_by_name():
    with pytest.raises(BadInput, match="row 1 has no group"):
        splits.grouped([0, 1, 0], ["a", "", "b"], folds=2, seed=1)
    with pytest.raises(BadInput, match="2 groups cannot be split into 3 parts"):
        splits.grouped([0, 1, 0], ["a", "b", "b"], folds=3, seed=1)
    with pytest.raises(BadInput, match="outcome 1 stands in 1 groups only"):
        splits.grouped([0, 1, 0, 0], ["a", "b", "c", "d"], folds=2, seed=1)


OBSERVED = days("2023-12-31", "2024-03-31", "2024-12-31", "2025-03-31", "2025-03-31")
KNOWN = days("2024-12-31", "2025-03-31", "2025-12-31", "2026-03-31", "2026-03-31")


def test_only_outcomes_known_by_the_day_are_fitted_on_and_rows_under_way_are_on_neither_side():
    train, test = splits.in_time(OBSERVED, KNOWN, at=date(2024, 12, 31))
    assert (train.tolist(), test.tolist()) == ([0], [2, 3, 4])


def test_the_newest_part_is_judged_by_and_a_day_is_not_cut_in_two():
    train, test = splits.latest(OBSERVED, KNOWN, part=0.2)
    assert (train.tolist(), test.tolist()) == ([0, 1], [3, 4])


def test_walking_forward_judges_each_day_by_what_was_known_then():
    found = [(day.isoformat(), s.train.tolist(), s.test.tolist()) for day, s in splits.walk_forward(OBSERVED, KNOWN)]
    assert found == [("2024-12-31", [0], [2]), ("2025-03-31", [0, 1], [3, 4])]


def test_a_split_in_time_is_cut_apart_by_group():
    observed = pd.Series(np.where(np.arange(600) < 400, "2024-01-31", "2025-06-30"))
    known = pd.Series(np.where(np.arange(600) < 400, "2025-01-31", "2026-06-30"))
    whole = splits.in_time(observed, known, at=date(2025, 6, 30))
    cut = splits.apart(whole, OUTCOME, GROUPS, folds=5, seed=1)
    assert sorted(np.concatenate([s.test for s in cut])) == whole.test.tolist()
    for train, test in cut:
        assert train.max() < 400 <= test.min()
        assert not set(GROUPS[train]) & set(GROUPS[test])


def test_a_day_without_rows_on_a_side_and_windows_the_wrong_way_round_are_refused():
    with pytest.raises(BadInput, match="leaves no rows to fit on"):
        splits.in_time(OBSERVED, KNOWN, at=date(2024, 1, 31))
    with pytest.raises(BadInput, match="row 2: its outcome window does not end after its observation"):
        splits.in_time(OBSERVED, KNOWN.mask(KNOWN.index == 2), at=date(2025, 1, 31))


def test_scikit_learn_takes_splits_as_they_are():
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import cross_val_score

    x = np.column_stack([OUTCOME + RNG.normal(0, 1, 600)])
    cut = splits.grouped(OUTCOME, GROUPS, folds=3, seed=1)
    assert len(cross_val_score(LogisticRegression(), x, OUTCOME, cv=cut, scoring="roc_auc")) == 3
