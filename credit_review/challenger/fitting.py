"""Fits a challenger: boosted trees under the declared monotone constraints, with settings chosen on groups not fitted on.

One thread, one order of rows, one seed: the same history gives the same bytes. scikit-learn is imported inside the functions that fit.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from credit_review.challenger import figures, stored
from credit_review.challenger.card import CategoryFeature, Challenger, Feature, Judged, ModelFile, Tried
from credit_review.challenger.columns import constraints, ledger_features, matrix, of_factors
from credit_review.errors import BadInput
from credit_review.policy import Policy
from credit_review.scoring import leakage, splits
from credit_review.scoring.experts import outcome_name
from credit_review.scoring.factors import FACTORS
from credit_review.scoring.outcomes import LATE, window_end
from credit_review.scoring.scorecard import Outcome, TrainedOn
from credit_review.scoring.splits import Split
from credit_review.words import listed, marked, said

CANDIDATES: tuple[Mapping[str, int | float], ...] = (
    {"max_iter": 200, "max_depth": 4, "max_features": 0.3, "l2_regularization": 1.0},
    {"max_iter": 60, "learning_rate": 0.05, "max_depth": 2, "min_samples_leaf": 30, "l2_regularization": 5.0},
    {"max_iter": 100},
)
"""Settings tried: for much history, for little, and last as scikit-learn has them."""
MEMBERS, ROWS_OF_A_MEMBER = 6, 0.8
"""Sets of trees with the settings chosen, each fitted on so much of the rows, drawn without putting back. Half of the average is theirs,
the other half is one set with the last settings on all rows: together they ranked better than either (docs/decisions/0018)."""
LEAST_TO_SCALE = 20
"""Rows with the outcome, and without, from which on the scale of the average is measured."""
TUNING_FOLDS, JUDGING_FOLDS = 3, 5
SMALLEST_VALUE_ROWS = 25
MOST_VALUES = 30
"""A value of a category has a column of its own from so many rows on, the most frequent ones first."""
DECIMALS = 6

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Fitted:
    """A challenger's description and the bytes of its model file."""

    card: Challenger
    model: bytes

    def lines(self) -> list[str]:
        """How it came about, as sentences to print."""
        on = self.card.trained_on
        sentence = marked("History: {rows} rows of {customers} customers, {bad} of them with the outcome.")
        out: list[str] = [
            said("{name}: boosted trees that run in the shadow and decide nothing.", name=self.card.name),
            said(sentence, rows=f"{on.rows:,}", customers=f"{on.customers:,}", bad=f"{on.bad:,}"),
            said("Features: {names}.", names=listed([one.name for one in self.card.features])),
        ]
        out += [said("Left out: {name}, {reason}.", name=name, reason=said(reason)) for name, reason in self.card.left_out.items()]
        return out + [_told(one) for one in self.card.judged]


def _told(one: Judged) -> str:
    if one.auc is None:
        return said("{of}: no AUC, {why}.", of=one.of, why=said(one.why_not))
    sentence = marked("{of}: {rows} rows, {bad} with the outcome, AUC {auc} (95% interval {low} to {high}), calibration error {error}.")
    figures_of = {"auc": f"{one.auc:.3f}", "low": f"{one.auc_low:.3f}", "high": f"{one.auc_high:.3f}"}
    return said(sentence, of=one.of, rows=f"{one.rows:,}", bad=f"{one.bad:,}", error=f"{one.calibration_error:.3f}", **figures_of)


def fit(
    frame: pd.DataFrame,
    outcome: Any,
    features: Sequence[Feature],
    *,
    groups: Any,
    customers: Any = None,
    seed: int,
    libraries: Mapping[str, str],
    name: str = "Challenger",
    outcome_called: Outcome = "probability of default",
    cutoffs: tuple[str, ...] = ("",),
    left_out: Mapping[str, str] | None = None,
    judged: tuple[Judged, ...] | None = None,
) -> Fitted:
    """A challenger fitted on every row of a frame with the features' columns; `outcome` is 0 or 1 a row, `groups` what stays together,
    `customers` (the groups) who is counted.

    Settings are chosen by log loss on groups not fitted on, by one set of trees each. Unless `judged` says how well such challengers do,
    that is measured on groups held out of tuning and fit alike. `libraries` are the versions that fit. Raises BadInput for a column that
    is missing, and for too little history (see `splits.grouped`).
    """
    bad = np.asarray(outcome, dtype=np.int64)
    known = with_values(frame, features)
    rows, labels = matrix(frame, known), np.asarray(pd.Series(groups).astype(str))
    who = labels if customers is None else np.asarray(pd.Series(customers).astype(str))
    one_way = constraints(known)
    chosen = _tuned(rows, bad, labels, one_way, seed)
    if judged is None:
        judged = (_judged(rows, bad, labels, one_way, seed),)
    model = _averaged(rows, bad, one_way, chosen, seed)
    data = stored.packed(model)
    card = Challenger(
        format=1,
        kind="challenger",
        name=name,
        outcome=outcome_called,
        features=known,
        left_out=dict(left_out or {}),
        seed=seed,
        settings={
            **chosen.settings,
            "members": MEMBERS,
            "rows_of_a_member": ROWS_OF_A_MEMBER,
            "slope": chosen.slope,
            "shift": chosen.shift,
        },
        tried=chosen.tried,
        trained_on=TrainedOn(cutoffs=cutoffs, rows=len(bad), customers=len(np.unique(who)), bad=len(np.unique(who[bad == 1]))),
        judged=judged,
        libraries=dict(libraries),
        model=ModelFile(sha256=sha256(data).hexdigest(), size=len(data)),
    )
    return Fitted(card, data)


def fit_ledger(
    training: pd.DataFrame, *, policy: Policy, seed: int, libraries: Mapping[str, str], not_available: Mapping[str, str] | None = None
) -> Fitted:
    """A challenger on rows of `scoring.training_set`, with the factors a scorecard may use and the same leakage check.

    It is judged by the newest cut-off, by challengers fitted on outcomes known then, without the row's group. Raises BadInput where the
    history is too thin, by policy's smallest history.
    """
    _refuse_thin(training, policy)
    ordered = training.sort_values(["cutoff", "customer_id"], kind="stable", ignore_index=True)
    unfit = dict(not_available or {}) | {one.feature: str(one.why) for one in leakage.of_factors(ordered, policy)}
    names = [name for name in FACTORS if name not in unfit]
    frame = of_factors(ordered, names, policy)
    constant = {name: str(said("has one value only")) for name in names if frame[name].nunique(dropna=False) < 2}
    features = ledger_features([name for name in names if name not in constant])
    days = sorted({day.date().isoformat() for day in ordered["cutoff"]})
    only_lateness = set(ordered.loc[ordered["outcome"] == 1, "cause"]) <= {LATE}
    return fit(
        frame,
        ordered["outcome"],
        features,
        groups=ordered["group_id"],
        customers=ordered["customer_id"],
        seed=seed,
        libraries=libraries,
        name=str(said("Challenger, outcomes to {day}", day=window_end(ordered["cutoff"].max().date(), policy))),
        outcome_called=outcome_name(only_lateness=only_lateness),
        cutoffs=tuple(days),
        left_out={name: reason for name, reason in (unfit | constant).items() if name in FACTORS},
        judged=_in_time(frame, ordered, features, policy, seed),
    )


def predicted(model: Any, rows: Floats) -> Floats:
    """Probability of the outcome a row, 6 decimals; the caller sees to it that it is computed on one thread."""
    found: Floats = np.round(model.predict_proba(rows)[:, 1], DECIMALS)
    return found


def with_values(frame: pd.DataFrame, features: Sequence[Feature]) -> tuple[Feature, ...]:
    """The features with the values of each category that has none yet: those frequent enough in these rows, in alphabetical order."""
    found: list[Feature] = []
    for one in features:
        if isinstance(one, CategoryFeature) and not one.values and one.name in frame.columns:
            counts = Counter(str(value) for value in frame[one.name].dropna() if value != "")
            usual = [value for value, rows in sorted(counts.items(), key=lambda c: (-c[1], c[0])) if rows >= SMALLEST_VALUE_ROWS]
            found.append(CategoryFeature(name=one.name, values=tuple(sorted(usual[:MOST_VALUES]))))
        else:
            found.append(one)
    return tuple(found)


def _trees(rows: Floats, bad: Ints, one_way: list[int], settings: Mapping[str, int | float], seed: int) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # comes with scikit-learn

    model = HistGradientBoostingClassifier(monotonic_cst=one_way, random_state=seed % 2**32, early_stopping=False, **settings)
    with threadpool_limits(limits=1):
        return model.fit(rows, bad)


@dataclass(frozen=True, slots=True)
class _Chosen:
    """Settings with the least log loss of those tried, and what puts the average's log odds to scale: slope x log odds + shift."""

    settings: Mapping[str, int | float]
    tried: tuple[Tried, ...]
    slope: float
    shift: float


def _averaged(rows: Floats, bad: Ints, one_way: list[int], chosen: _Chosen, seed: int) -> Any:
    """One model whose log odds are the mean of those of all sets, put to scale: all their trees, each worth its part.

    That way a model file holds one model of one type, and is read and asked like one.
    """
    draws = np.random.Generator(np.random.PCG64(seed))
    parts = [(_trees(rows, bad, one_way, CANDIDATES[-1], seed), chosen.slope / 2)]
    for member in range(MEMBERS):
        drawn = np.sort(draws.permutation(len(bad))[: math.ceil(ROWS_OF_A_MEMBER * len(bad))])
        drawn = drawn if 0 < bad[drawn].sum() < len(drawn) else np.arange(len(bad))
        parts.append((_trees(rows[drawn], bad[drawn], one_way, chosen.settings, seed + member), chosen.slope / (2 * MEMBERS)))
    for one, part in parts:
        for (tree,) in one._predictors:
            tree.nodes["value"] *= part
    whole = parts[0][0]
    whole._baseline_prediction = sum(one._baseline_prediction * part for one, part in parts) + chosen.shift
    whole._predictors = [trees for one, _ in parts for trees in one._predictors]
    return whole


def _tuned(rows: Floats, bad: Ints, labels: Any, one_way: list[int], seed: int) -> _Chosen:
    """What is chosen by rows of groups not fitted on, one set of trees for each of the settings tried."""
    cut = splits.grouped(bad, labels, folds=TUNING_FOLDS, seed=seed)
    held = [_held_out(rows, bad, one_way, settings, seed, cut) for settings in CANDIDATES]
    losses = [round(figures.log_loss(bad, 1 / (1 + np.exp(-one))), DECIMALS) for one in held]
    best = int(np.argmin(losses))
    tried = tuple(Tried(settings=dict(one), log_loss=loss) for one, loss in zip(CANDIDATES, losses, strict=True))
    return _Chosen(CANDIDATES[best], tried, *_scale((held[best] + held[-1]) / 2, bad))


def _scale(log_odds: Floats, bad: Ints) -> tuple[float, float]:
    """Slope and shift that make these log odds true of the outcomes; 1 and 0 where outcomes are too few, or the order is not there."""
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    if min(bad.sum(), len(bad) - bad.sum()) < LEAST_TO_SCALE:
        return 1.0, 0.0
    with threadpool_limits(limits=1):
        found = LogisticRegression(C=1e6).fit(log_odds[:, None], bad)
    slope, shift = round(float(found.coef_[0, 0]), 4), round(float(found.intercept_[0]), 4)
    return (slope, shift) if slope > 0 else (1.0, 0.0)


def _held_out(rows: Floats, bad: Ints, one_way: list[int], settings: Mapping[str, int | float], seed: int, cut: Sequence[Split]) -> Floats:
    """Log odds of the outcome of every row, by trees that did not see its group."""
    from threadpoolctl import threadpool_limits

    found = np.full(len(bad), np.nan)
    with threadpool_limits(limits=1):
        for train, test in cut:
            found[test] = _trees(rows[train], bad[train], one_way, settings, seed).decision_function(rows[test])
    return found


def _nested(rows: Floats, bad: Ints, labels: Any, one_way: list[int], seed: int, cut: Sequence[Split]) -> Floats:
    """The risk of every row judged by, from trees tuned and fitted without its group; NaN for the others."""
    from threadpoolctl import threadpool_limits

    risk = np.full(len(bad), np.nan)
    for train, test in cut:
        chosen = _tuned(rows[train], bad[train], labels[train], one_way, seed)
        with threadpool_limits(limits=1):
            risk[test] = predicted(_averaged(rows[train], bad[train], one_way, chosen, seed), rows[test])
    return risk


def _judged(rows: Floats, bad: Ints, labels: Any, one_way: list[int], seed: int) -> Judged:
    of = str(said("Groups held out"))
    try:
        cut = splits.grouped(bad, labels, folds=JUDGING_FOLDS, seed=seed)
        risk = _nested(rows, bad, labels, one_way, seed, cut)
    except BadInput as error:
        return _not_judged(of, len(bad), int(bad.sum()), str(error.what))
    return figures.judged(of, bad, risk, labels, seed=seed)


def _in_time(frame: pd.DataFrame, ordered: pd.DataFrame, features: Sequence[Feature], policy: Policy, seed: int) -> tuple[Judged, ...]:
    """The newest cut-off judged by what was known on it."""
    bad, labels = ordered["outcome"].to_numpy(dtype=np.int64), ordered["group_id"].to_numpy(dtype=str)
    ends = {day: pd.Timestamp(window_end(day.date(), policy)) for day in ordered["cutoff"].unique()}
    days = splits.walk_forward(ordered["cutoff"], ordered["cutoff"].map(ends))
    newest = ordered["cutoff"].max().date()
    of = str(said("Later period from {day}", day=newest))
    here = (ordered["cutoff"] == pd.Timestamp(newest)).to_numpy()
    if not days or days[-1][0] != newest:
        return (_not_judged(of, int(here.sum()), int(bad[here].sum()), marked("too few outcomes known before it to fit on")),)
    whole = days[-1][1]
    known = with_values(frame.iloc[whole.train], features)
    rows, one_way = matrix(frame, known), constraints(known)
    try:
        cut = splits.apart(whole, bad, labels, folds=JUDGING_FOLDS, seed=seed)
        risk = _nested(rows, bad, labels, one_way, seed, cut)
    except BadInput as error:
        return (_not_judged(of, int(here.sum()), int(bad[here].sum()), str(error.what)),)
    seen = ~np.isnan(risk)
    return (figures.judged(of, bad[seen], risk[seen], labels[seen], seed=seed),)


def _not_judged(of: str, rows: int, bad: int, why: str) -> Judged:
    return Judged(
        of=of, rows=rows, bad=bad, auc=None, auc_low=None, auc_high=None, brier=None, calibration_error=None, why_not=why
    )  # fmt: skip


def _refuse_thin(training: pd.DataFrame, policy: Policy) -> None:
    least = policy.outcome.smallest_history
    customers = training["customer_id"].nunique()
    bad = training.loc[training["outcome"] == 1, "customer_id"].nunique()
    if customers < least.customers or bad < least.bad:
        raise BadInput(
            said("history is too thin for a challenger: {customers} customers, {bad} with the outcome", customers=customers, bad=bad),
            expected=said("at least {customers} customers, {bad} of them with the outcome", customers=least.customers, bad=least.bad),
            next_step=said("run without a challenger until there is more history"),
        )
