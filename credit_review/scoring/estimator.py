"""`ScorecardClassifier`: a points scorecard as a scikit-learn estimator; what it learns is a plain `Card`, and it predicts with that.

Optimal bins, weight of evidence, logistic regression with an L2 penalty and no weight against a declared direction, whole points. How
strong the penalty is and whether two-way tables pay is chosen by cross-validation inside the rows given, of whole groups where groups are
given. This module loads scikit-learn; a card is loaded and scored without it (`scorecard.load_card`, `scores.card_points`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import minimize
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import check_is_fitted, column_or_1d, validate_data
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # comes with scikit-learn

from credit_review.errors import BadInput
from credit_review.scoring import binning, pairs
from credit_review.scoring.binning import BinRules, Floats, Ints
from credit_review.scoring.plans import FactorPlan
from credit_review.scoring.scorecard import (
    Card,
    CardFactor,
    CategoryBin,
    CategoryFactor,
    Factor,
    MissingBin,
    NumberBin,
    NumberFactor,
    OtherBin,
    PairFactor,
    PairSide,
    Scale,
    SpecialBin,
    point_table,
)
from credit_review.scoring.scores import bin_numbers, card_points, card_probability, numbers, texts
from credit_review.words import marked

STRENGTHS = (0.01, 0.03, 0.1, 0.3, 1.0)
"""Variances of the weights (C of scikit-learn) to choose from: 1.0 trusts the history most."""
USUAL_STRENGTH = 0.1
TABLES = (0, 5, 10, 20)
"""Numbers of two-way tables to choose from."""


class ScorecardClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A scorecard for a two-class outcome; the second of `classes_` is the bad one, whose probability it states.

    `plan`: the factors; None takes every column, numbers and categories by their type, without directions. `smallest_bin` and
    `smallest_rows`: the part of the rows, and the rows, a bin holds at least. `shrink`: groups (rows, without groups) at the overall
    rate each bin is drawn to that rate by. `strength`: C of the logistic regression; `tables`: two-way tables at most; None chooses
    either by cross-validation in `folds`. `smallest_value`: information value, `smallest_spread`: points between best and worst, below
    which a factor is left out. `base_points` at `base_odds` good to one bad, twice the odds every `double_odds` points more.

    After `fit`: `card_` (plain, see `Card`), `left_out_` (factor to reason), `strength_`, `tables_`, `classes_`.
    """

    def __init__(
        self,
        plan: tuple[FactorPlan, ...] | None = None,
        *,
        smallest_bin: float = 0.02,
        smallest_rows: int = 10,
        shrink: float = 40.0,
        strength: float | None = None,
        tables: int | None = None,
        smallest_value: float = 0.0,
        smallest_spread: int = 1,
        folds: int = 5,
        base_points: int = 600,
        base_odds: float = 50.0,
        double_odds: int = 20,
        random_state: int = 0,
    ) -> None:
        self.plan = plan
        self.smallest_bin = smallest_bin
        self.smallest_rows = smallest_rows
        self.shrink = shrink
        self.strength = strength
        self.tables = tables
        self.smallest_value = smallest_value
        self.smallest_spread = smallest_spread
        self.folds = folds
        self.base_points = base_points
        self.base_odds = base_odds
        self.double_odds = double_odds
        self.random_state = random_state

    def fit(self, X: Any, y: Any, groups: Any = None) -> ScorecardClassifier:
        """Fits the card on rows X with outcomes y. Rows of one of `groups` know nearly the same: they count once and are never parted.

        Raises BadInput for a plan that names a column X lacks, ValueError for an outcome without two classes.
        """
        frame, outcome = self._checked(X, y)
        group = None if groups is None else np.unique(np.asarray(groups), return_inverse=True)[1]
        plan = self.plan if self.plan is not None else usual_plan(frame)
        history = _History.of(frame, plan, outcome, group)
        with threadpool_limits(limits=1):
            self.strength_, self.tables_ = self._choice(history)
            design = _Design.of(history, self._rules(history), self.smallest_value)
            tables = design.tables(self._splits(history) if self.tables_ else [], self.tables_)
            weighed = _weigh(design, tables, self.strength_, self.smallest_spread, self.scale)
        self.left_out_ = {**design.left_out, **weighed.left_out}
        self.card_ = _card(design, tables, weighed, self.scale)
        return self

    @property
    def scale(self) -> Scale:
        """The scale of the points."""
        return Scale(base_points=self.base_points, base_odds=self.base_odds, double_odds=self.double_odds)

    def predict_proba(self, X: Any) -> Floats:
        """The probability of each class of `classes_`, from the card's whole points."""
        bad = card_probability(self.points(X), self.card_)
        return np.column_stack([1 - bad, bad])

    def predict(self, X: Any) -> Any:
        """The likelier class of each row."""
        likelier = self.predict_proba(X).argmax(axis=1)
        return self.classes_[likelier]

    def points(self, X: Any) -> Ints:
        """The total points of each row: the more the better."""
        check_is_fitted(self, "card_")
        return card_points(self._frame(X, reset=False), self.card_)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        tags.input_tags.allow_nan = True
        return tags

    def _checked(self, X: Any, y: Any) -> tuple[pd.DataFrame, Ints]:
        if y is None:
            raise ValueError("requires y to be passed, but the target y is None")
        frame = self._frame(X, reset=True)
        outcome = column_or_1d(y, warn=True)
        check_classification_targets(outcome)
        if type_of_target(outcome) != "binary":
            raise ValueError(f"Only binary classification is supported. The type of the target is {type_of_target(outcome)}.")
        self.classes_, place = np.unique(outcome, return_inverse=True)
        if len(place) != len(frame):
            raise ValueError(f"X has {len(frame)} rows and y {len(place)}: expected as many")
        if len(self.classes_) < 2:
            raise ValueError("y has one class only: expected rows with the outcome and rows without")
        return frame, place.astype(np.int64)

    def _frame(self, X: Any, *, reset: bool) -> pd.DataFrame:
        if isinstance(X, pd.DataFrame):
            validate_data(self, X, reset=reset, skip_check_array=True)
            return X if all(isinstance(c, str) for c in X.columns) else X.set_axis([str(c) for c in X.columns], axis=1)
        array = validate_data(self, X, reset=reset, dtype="numeric", ensure_all_finite="allow-nan")
        return pd.DataFrame(array, columns=[f"x{i}" for i in range(array.shape[1])])

    def _rules(self, history: _History) -> BinRules:
        rows = len(history.outcome)
        smallest = max(self.smallest_rows, math.ceil(self.smallest_bin * rows))
        return BinRules(smallest=smallest, shrink=self.shrink * history.rows_a_group)

    def _splits(self, history: _History) -> list[pairs.Split]:
        return history.splits(self.folds, self.random_state)

    def _choice(self, history: _History) -> tuple[float, int]:
        """Strength and number of tables: what was asked for, or the best by cross-validation."""
        strengths = STRENGTHS if self.strength is None else (self.strength,)
        steps = TABLES if self.tables is None else (self.tables,)
        splits = self._splits(history)
        if len(strengths) == len(steps) == 1:
            return strengths[0], steps[0]
        if not splits:
            return (USUAL_STRENGTH if self.strength is None else self.strength), self.tables or 0
        loss = np.zeros((len(history.outcome), len(steps), len(strengths)))
        for seen, unseen in splits:
            loss[unseen] = self._losses(history.rows(seen), history.rows(unseen), steps, strengths)
        return _chosen(loss, steps, strengths)

    def _losses(self, seen: _History, unseen: _History, steps: Sequence[int], strengths: Sequence[float]) -> Floats:
        """The log loss of each unseen row under each number of tables and each strength, fitted on the rows seen."""
        design = _Design.of(seen, self._rules(seen), self.smallest_value)
        tables = design.tables(self._splits(seen) if max(steps) else [], max(steps))
        fitted, judged = design.matrix(tables), design.matrix_of(unseen, tables)
        out = np.zeros((len(unseen.outcome), len(steps), len(strengths)))
        for i, step in enumerate(steps):
            width = len(design.binned) + step
            start = None
            for j, strength in enumerate(strengths):
                intercept, weights = bounded_logistic(fitted[:, :width], 1 - seen.outcome, strength, free=design.free, start=start)
                start = np.concatenate([[intercept], weights])
                log_odds = intercept + judged[:, :width] @ weights
                out[:, i, j] = np.logaddexp(0, np.where(unseen.outcome == 1, log_odds, -log_odds))
        return out


def usual_plan(frame: pd.DataFrame) -> tuple[FactorPlan, ...]:
    """Every column of a frame: numbers where its type is a number or truth value, categories otherwise; no directions."""
    return tuple(FactorPlan(str(c), "number" if pd.api.types.is_numeric_dtype(frame[c]) else "category") for c in frame.columns)


def bounded_logistic(columns: Floats, good: Ints, strength: float, *, free: int, start: Floats | None = None) -> tuple[float, Floats]:
    """Intercept and weights of an L2-penalised logistic regression (`strength` is C of scikit-learn); after the first `free`, none below 0.

    A column that would need a negative weight says, beside the others, the opposite of what it says alone. Where the business knows the
    direction it weighs 0 instead, or points would contradict what people know. scikit-learn's solvers know no bounds, so this is scipy's
    L-BFGS-B; `start` is an earlier answer.
    """

    def loss(at: Floats) -> tuple[float, Floats]:
        log_odds = at[0] + columns @ at[1:]
        over = 1 / (1 + np.exp(-np.clip(log_odds, -500, 500))) - good
        value = np.logaddexp(0, log_odds).sum() - log_odds @ good + at[1:] @ at[1:] / (2 * strength)
        return float(value), np.concatenate([[over.sum()], columns.T @ over + at[1:] / strength])

    first = np.concatenate([[math.log(good.mean() / (1 - good.mean()))], np.zeros(columns.shape[1])]) if start is None else start
    bounds = [*[(None, None)] * (1 + free), *[(0, None)] * (columns.shape[1] - free)]
    found = minimize(loss, first, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 2000, "ftol": 1e-13, "gtol": 1e-6}).x
    return float(found[0]), found[1:]


def _chosen(loss: Floats, steps: Sequence[int], strengths: Sequence[float]) -> tuple[float, int]:
    """The fewest tables that come within one standard error of the least loss, and the penalty of least loss with them.

    Tables cost a reader something, so chance does not add one; a penalty costs nobody anything, and the strongest near the best gave away
    AUC (docs/scoring.md).
    """
    mean = loss.mean(axis=0)
    least = np.unravel_index(mean.argmin(), mean.shape)
    more = loss - loss[:, [least[0]], :][:, :, [least[1]]]
    near = (more.mean(axis=0) <= more.std(axis=0) / math.sqrt(len(loss))).any(axis=1)
    step = int(np.flatnonzero(near)[0])
    return strengths[int(mean[step].argmin())], steps[step]


@dataclass(frozen=True, slots=True)
class _History:
    """The rows a card is fitted on: values by factor (floats, or text with "" where missing), outcomes, groups."""

    plan: tuple[FactorPlan, ...]
    values: dict[str, NDArray[Any]]
    outcome: Ints
    group: Ints | None

    @classmethod
    def of(cls, frame: pd.DataFrame, plan: tuple[FactorPlan, ...], outcome: Ints, group: Ints | None) -> _History:
        if lacking := [p.name for p in plan if p.name not in frame.columns]:
            raise BadInput(f"the frame lacks the column {lacking[0]!r}", expected="every factor of the plan as a column")
        values = {p.name: texts(frame, p.name) if p.kind == "category" else numbers(frame, p.name) for p in plan}
        return cls(plan, values, outcome, group)

    def rows(self, at: Ints) -> _History:
        group = None if self.group is None else self.group[at]
        return replace(self, values={k: v[at] for k, v in self.values.items()}, outcome=self.outcome[at], group=group)

    @property
    def rows_a_group(self) -> float:
        return 1.0 if self.group is None else len(self.group) / len(np.unique(self.group))

    def splits(self, folds: int, seed: int) -> list[pairs.Split]:
        """Rows seen and unseen of each fold, groups whole and dealt in turn, those with the outcome apart; none where these are too few.

        scikit-learn's grouped folds weigh each group against each fold in Python: seconds for what takes microseconds here.
        """
        unit = np.arange(len(self.outcome)) if self.group is None else self.group
        _, unit = np.unique(unit, return_inverse=True)
        bad = np.bincount(unit, weights=self.outcome) > 0
        if min(bad.sum(), (~bad).sum()) < folds:
            return []
        shuffled = np.random.Generator(np.random.PCG64(seed)).permutation(len(bad))
        fold_of = np.zeros(len(bad), dtype=np.int64)
        for side in (bad, ~bad):
            mine = shuffled[side[shuffled]]
            fold_of[mine] = np.arange(len(mine)) % folds
        fold = fold_of[unit]
        return [(np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for k in range(folds)]


@dataclass(frozen=True, slots=True)
class _Binned:
    """A factor with its bins and counts, points still 0; the place of each row; the evidence of each place."""

    factor: Factor
    place: Ints
    evidence: Floats


@dataclass(frozen=True, slots=True)
class _Design:
    """Every factor in bins, and what was left out before weighing."""

    history: _History
    rules: BinRules
    binned: tuple[_Binned, ...]
    left_out: dict[str, str]

    @classmethod
    def of(cls, history: _History, rules: BinRules, smallest_value: float) -> _Design:
        binned, left_out = [], {}
        for plan in history.plan:
            one = bin_factor(plan, history.values[plan.name], history.outcome, rules)
            if one is None or len(np.unique(one.place)) < 2:
                left_out[plan.name] = marked("does not tell customers with the outcome from those without")
            elif binning.information(*_counted(one, history.outcome), one.evidence) < smallest_value:
                left_out[plan.name] = marked("tells too little about the outcome")
            else:
                binned.append(one)
        binned.sort(key=lambda one: not _undirected(one.factor))
        return cls(history, rules, tuple(binned), left_out)

    @property
    def free(self) -> int:
        """How many factors come first whose weight may have either sign: numbers without a declared direction."""
        return sum(_undirected(one.factor) for one in self.binned)

    def tables(self, splits: list[pairs.Split], most: int) -> list[pairs.Table]:
        """Up to `most` two-way tables of numbers without direction; none where rows are too few to judge them on others."""
        free = [p for p in self.history.plan if p.kind == "number" and p.direction == "none"]
        if not most or len(free) < 2 or not splits:
            return []
        sides = [pairs.side(p.name, _measured(p, self.history.values[p.name])) for p in free]
        return pairs.search(sides, self._unseen_log_odds(splits), self.history.outcome, splits, most=most)

    def matrix(self, tables: Sequence[pairs.Table]) -> Floats:
        """The evidence of each row: a column a factor, then one a table, judged by rows of other folds."""
        columns = [one.evidence[one.place] for one in self.binned] + [t.column for t in tables]
        return np.column_stack(columns) if columns else np.zeros((len(self.history.outcome), 0))

    def matrix_of(self, other: _History, tables: Sequence[pairs.Table]) -> Floats:
        """The same columns for rows that were not fitted on."""
        columns = [one.evidence[bin_numbers(one.factor, other.values[one.factor.name])] for one in self.binned]
        plans = {p.name: p for p in other.plan}
        for table in tables:
            first, second = (pairs.place(s.below, _measured(plans[s.name], other.values[s.name])) for s in (table.first, table.second))
            columns.append(table.evidence[pairs.cells(first, second, table.second.width)])
        return np.column_stack(columns) if columns else np.zeros((len(other.outcome), 0))

    def _unseen_log_odds(self, splits: list[pairs.Split]) -> Floats:
        """Log odds good:bad of each row by evidence and weights of the other folds, in the bins of all."""
        outcome, log_odds = self.history.outcome, np.zeros(len(self.history.outcome))
        for seen, unseen in splits:
            columns = np.zeros((len(outcome), len(self.binned)))
            for i, one in enumerate(self.binned):
                rows, bad = binning.counts(one.place[seen], outcome[seen], len(one.evidence))
                columns[:, i] = _evidence(one.factor, rows, bad, self.rules)[one.place]
            intercept, weights = bounded_logistic(columns[seen], 1 - outcome[seen], USUAL_STRENGTH, free=self.free)
            log_odds[unseen] = intercept + columns[unseen] @ weights
        return log_odds


def _undirected(factor: Factor) -> bool:
    return isinstance(factor, NumberFactor) and factor.direction == "none"


def _measured(plan: FactorPlan, found: Floats) -> Floats:
    """The values of a number, its codes as missing."""
    codes = [s.value for s in plan.special]
    return np.where(np.isin(found, codes), np.nan, found) if codes else found


def bin_factor(plan: FactorPlan, found: NDArray[Any], outcome: Ints, rules: BinRules) -> _Binned | None:
    """The factor in optimal bins, with counts, places and evidence; None for a category whose every value is rare."""
    bare = _category(plan, found, rules) if plan.kind == "category" else _number(plan, found, outcome, rules)
    if bare is None:
        return None
    place = bin_numbers(bare, found)
    rows, bad = binning.counts(place, outcome, len(bare.places))
    return _Binned(_with_counts(bare, rows, bad), place, _evidence(bare, rows, bad, rules))


def _number(plan: FactorPlan, found: Floats, outcome: Ints, rules: BinRules) -> NumberFactor:
    bounds = binning.cuts(_measured(plan, found), outcome, direction=plan.direction, rules=rules)
    special = tuple(SpecialBin(value=float(s.value), points=0, reason=s.reason, words=s.words) for s in plan.special)
    return NumberFactor(
        name=plan.name, kind="number", direction=plan.direction, max_age_days=plan.max_age_days, reason=plan.reason, words=plan.words,
        missing=_missing(plan), special=special, bins=tuple(NumberBin(below=b, points=0) for b in (*bounds, None)),
    )  # fmt: skip


def _category(plan: FactorPlan, found: NDArray[Any], rules: BinRules) -> CategoryFactor | None:
    kept = tuple(str(s.value) for s in plan.special)
    common = binning.common(found, rules=rules, kept=kept)
    if not common:
        return None
    rare = {str(v) for v in found[found != ""]} - set(common)
    other = OtherBin(points=0, pooled=len(rare)) if rare else None
    return CategoryFactor(
        name=plan.name, kind="category", max_age_days=plan.max_age_days, reason=plan.reason, words=plan.words,
        missing=_missing(plan), other=other, bins=tuple(CategoryBin(values=(c,), points=0) for c in common),
    )  # fmt: skip


def _missing(plan: FactorPlan) -> MissingBin:
    return MissingBin(points=0, reason=plan.missing_reason, words=plan.missing_words)


def _with_counts(factor: Factor, rows: Floats, bad: Floats) -> Factor:
    return _changed(factor, [{"rows": int(r), "bad": int(b)} for r, b in zip(rows, bad, strict=True)])


def _changed(factor: Factor, changes: Sequence[dict[str, Any]]) -> Factor:
    """The factor with these fields of its places changed."""
    new = [b.model_copy(update=change) for b, change in zip(factor.places, changes, strict=True)]
    end = len(factor.bins)
    update: dict[str, Any] = {"bins": tuple(new[:end]), "missing": new[end]}
    if isinstance(factor, NumberFactor):
        update["special"] = tuple(new[end + 1 :])
    elif factor.other is not None:
        update["other"] = new[end + 1]
    return factor.model_copy(update=update)


def _counted(one: _Binned, outcome: Ints) -> tuple[Floats, Floats]:
    return binning.counts(one.place, outcome, len(one.evidence))


def _evidence(factor: Factor, rows: Floats, bad: Floats, rules: BinRules) -> Floats:
    """Evidence of each place. Missing is neutral where it holds few rows, and never better than the best bin: hiding must not pay.

    Only of a number without direction, where nobody knows what a high value means, may a missing one say the best of all.
    """
    weight = binning.evidence(rows, bad, rules.shrink)
    missing = len(factor.bins)
    if rows[missing] < rules.smallest:
        weight[missing] = 0.0
    if isinstance(factor, CategoryFactor) or factor.direction != "none":
        weight[missing] = min(weight[missing], weight[:missing].max())
    return weight


@dataclass(frozen=True, slots=True)
class _Weighed:
    """Intercept (log odds good:bad), the weight of each factor and table, 0 where left out, and why."""

    intercept: float
    weights: Floats
    left_out: dict[str, str]


def _weigh(design: _Design, tables: Sequence[pairs.Table], strength: float, smallest_spread: int, scale: Scale) -> _Weighed:
    """Weights of factors and tables; whatever moves the points by less than `smallest_spread` is left out and the rest weighed again."""
    columns, good = design.matrix(tables), 1 - design.history.outcome
    reach = np.array([np.ptp(one.evidence) for one in design.binned] + [np.ptp(t.evidence) for t in tables]) * scale.factor
    on = np.arange(columns.shape[1])
    while True:
        intercept, found = bounded_logistic(columns[:, on], good, strength, free=int((on < design.free).sum()))
        spread = np.abs(found) * reach[on]
        if not len(on) or spread.min() >= smallest_spread:
            break
        on = on[spread > 0] if (spread == 0).any() else np.delete(on, int(spread.argmin()))
    weights = np.zeros(columns.shape[1])
    weights[on] = np.round(found, 6)
    silent = [one.factor.name for one, w in zip(design.binned, weights, strict=False) if w == 0]
    return _Weighed(round(intercept, 6), weights, {name: marked("adds nothing beside the other factors") for name in silent})


def _card(design: _Design, tables: Sequence[pairs.Table], weighed: _Weighed, scale: Scale) -> Card:
    """Whole points, and the shift of log odds that makes the mean probability equal the bad rate after rounding."""

    def whole(log_odds: Floats) -> list[int]:
        return [round(scale.factor * float(x)) for x in log_odds]

    mains, weights = len(design.binned), weighed.weights
    factors: list[CardFactor] = [
        _changed(one.factor, [{"points": p} for p in whole(w * one.evidence)])
        for one, w in zip(design.binned, weights, strict=False)
        if w != 0
    ]
    places = [one.place for one, w in zip(design.binned, weights, strict=False) if w != 0]
    for table, w in zip(tables, weights[mains:], strict=True):
        if w > 0:
            factors.append(_pair(table, whole(w * table.evidence), design.history.outcome))
            places.append(pairs.cells(table.first.place, table.second.place, table.second.width))
    base = round(scale.points(weighed.intercept))
    total = np.full(len(design.history.outcome), base, dtype=np.int64)
    for factor, place in zip(factors, places, strict=True):
        total += np.array(point_table(factor), dtype=np.int64)[place]
    return Card(format=1, scale=scale, base=base, calibration=shift(total, design.history.outcome, scale), factors=tuple(factors))


def _pair(table: pairs.Table, points: Sequence[int], outcome: Ints) -> PairFactor:
    name = f"{table.first.name} with {table.second.name}"
    cell, width = pairs.cells(table.first.place, table.second.place, table.second.width), table.second.width
    rows, bad = binning.counts(cell, outcome, len(points))

    def grid(figures: Sequence[Any]) -> tuple[tuple[int, ...], ...]:
        return tuple(tuple(int(f) for f in figures[i : i + width]) for i in range(0, len(points), width))

    return PairFactor(
        name=name, kind="pair", reason=name, words=name,
        first=PairSide(name=table.first.name, below=table.first.below), second=PairSide(name=table.second.name, below=table.second.below),
        points=grid(points), rows=grid(list(rows)), bad=grid(list(bad)),
    )  # fmt: skip


def shift(points: Ints, outcome: Ints, scale: Scale) -> float:
    """The shift of log odds that makes the mean probability of these rows equal to their bad rate."""
    log_odds = (points - scale.offset) / scale.factor
    low, high = -10.0, 10.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if (1 / (1 + np.exp(log_odds - middle))).mean() < outcome.mean() else (low, middle)
    return round((low + high) / 2, 6)
