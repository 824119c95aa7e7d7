"""Fits a points scorecard on the ledger's own history, with `ScorecardClassifier`, and judges it on later periods.

The estimator, and scikit-learn with it, is imported inside the function that fits: scoring a review needs none of it. Rows are put in
one order and linear algebra runs on one thread, so the same history gives the same bytes on any machine with the same libraries.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from credit_review.errors import BadInput
from credit_review.hearing import heard
from credit_review.policy import Policy
from credit_review.scoring import calibration, evaluation, leakage, text
from credit_review.scoring.experts import SCALE, already_rule, expert, max_age_days, outcome_name, outcome_words
from credit_review.scoring.factors import FACTORS, FactorSpec, values
from credit_review.scoring.outcomes import LATE, window_end
from credit_review.scoring.plans import FactorPlan
from credit_review.scoring.scorecard import Definition, Factor, PairFactor, Period, Scorecard, TextModel, TrainedOn, point_table
from credit_review.scoring.scores import bin_numbers
from credit_review.words import listed, marked, said

SMALLEST_BIN = 0.05
"""Part of the rows with a value that a bin holds at least, and never fewer than `SMALLEST_BIN_ROWS`."""
SMALLEST_BIN_ROWS = 25
SMALLEST_COVERAGE = 0.3
"""Part of the rows that must have a value: a factor rarely known in the past cannot be weighed, however often it is known today."""
SHRINK_CUSTOMERS = 20
"""A bin's bad rate is drawn to the overall rate as if it held this many customers more of it: small bins claim little.

Cut-offs overlap, so a customer stands in several rows that know nearly the same; the rows added are this many times the rows a customer.
"""
SMALLEST_VALUE = 0.02
"""Information value below which a factor is left out."""
SMALLEST_SPREAD = 3
"""Fewer points than this between best and worst bin and a factor is left out: it would only lengthen the card."""
FOLDS = 5
VALID_MONTHS = 18
"""A fitted card holds so long: a year until it is fitted again, and half a year for that to be validated."""
_FINER = {
    "external_pd_fraction": marked("the report's probability of default says the same more exactly"),
    "altman_z2": marked("Altman Z'' says the same more exactly"),
}
_PAYMENT_HISTORY = "average_days_late"

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class FitReport:
    """What the fit did, for people: which kind was chosen and why, the history, later periods, and what became of each factor."""

    kind: str
    why: str
    outcome: str
    rows: int
    customers: int
    bad: int
    periods: tuple[Period, ...]
    factors: tuple[str, ...]
    left_out: Mapping[str, str]
    calibrated: str = ""

    def lines(self) -> list[str]:
        """The report as sentences to print."""
        out: list[str] = [
            said("{kind} scorecard: {why}.", kind=said(self.kind.capitalize()), why=said(self.why)),
            said("It states the {outcome}.", outcome=said(self.outcome)),
        ]
        if self.rows:
            sentence = marked("History: {rows} rows of {customers} customers, {bad} of them with the outcome.")
            out.append(said(sentence, rows=f"{self.rows:,}", customers=f"{self.customers:,}", bad=f"{self.bad:,}"))
        out += [_told(p) for p in self.periods]
        if self.calibrated:
            out.append(self.calibrated)
        if self.factors:
            out.append(said("Factors: {factors}.", factors=listed(list(self.factors))))
        out += [said("Left out: {name}, {reason}.", name=name, reason=heard(reason)) for name, reason in self.left_out.items()]
        return out


def _told(p: Period) -> str:
    if p.auc is None:
        ranked = said("no AUC: {why}", why=said(p.why_not))
    else:
        figures = {"auc": f"{p.auc:.3f}", "low": f"{p.low:.3f}", "high": f"{p.high:.3f}"}
        ranked = said("AUC {auc} (95% interval {low} to {high})", **figures)
    sentence = marked("Later period from {day}: {customers} customers, {bad} with the outcome, {ranked}.")
    return said(sentence, day=p.cutoff, customers=f"{p.customers:,}", bad=f"{p.bad:,}", ranked=ranked)


@dataclass(frozen=True, slots=True)
class FitResult:
    """The scorecard to use and the report on how it came about."""

    scorecard: Scorecard
    report: FitReport


def fit(
    training: pd.DataFrame,
    *,
    policy: Policy,
    seed: int,
    valid_from: date | None = None,
    not_available: Mapping[str, str] | None = None,
    only_lateness: bool | None = None,
) -> FitResult:
    """A scorecard fitted on `training` (see `training_set`), or the expert one with the reason where the history is too thin.

    Too thin: fewer distinct customers or distinct bad customers than policy's smallest history, or no factor that tells them apart.
    `only_lateness` says whether lateness is all that the source could state; then an expert scorecard names its figure so.
    Factors that know what came after a cut-off are left out and named (`leakage`).
    Later periods are judged by scorecards fitted only on outcomes known at their cut-off, on customers of groups not seen in the fit.
    """
    blocked = dict(not_available or {})
    rows, customers, bad = len(training), training["customer_id"].nunique(), training.loc[training["outcome"] == 1, "customer_id"].nunique()
    if why := _too_thin(customers, bad, policy, blocked):
        return _fall_back(training, policy, why, blocked, valid_from, only_lateness)
    ordered = _ordered(training)
    unfit = blocked | {one.feature: one.why for one in leakage.of_factors(ordered, policy)}
    fitted = _fit(ordered, policy, unfit)
    if not fitted.factors:
        why = marked("no factor tells customers with the outcome from those without")
        return _fall_back(training, policy, why, blocked, valid_from, only_lateness)
    periods, held = _later_periods(ordered, policy, unfit, seed)
    only_lateness = set(ordered.loc[ordered["outcome"] == 1, "cause"]) <= {LATE}
    days = sorted({d.date().isoformat() for d in ordered["cutoff"]})
    fitted_on = marked("fitted on {rows} rows of {customers} customers, {bad} with the outcome, at cut-offs {first} to {last}")
    why = fitted_on.format(rows=rows, customers=customers, bad=bad, first=days[0], last=days[-1])
    scorecard = Scorecard(
        format=1,
        name=marked("Fitted scorecard, outcomes to {day}").format(day=window_end(date.fromisoformat(days[-1]), policy)),
        kind="fitted",
        outcome=outcome_name(only_lateness=only_lateness),
        outcome_words=outcome_words(policy, only_lateness=only_lateness),
        why=why,
        valid_from=valid_from,
        valid_to=_valid_to(valid_from),
        scale=SCALE,
        base=fitted.base,
        calibration=fitted.calibration,
        factors=fitted.factors,
        already=already_rule(policy, _already_points(fitted)),
        not_available={},
        left_out=dict(sorted(fitted.left_out.items())),
        trained_on=TrainedOn(cutoffs=tuple(days), rows=rows, customers=customers, bad=bad),
        evaluation=periods,
        text=fitted.text,
    )
    scorecard, said_so = _calibrated(scorecard, held, fitted.calibration)
    names = tuple(f.name for f in fitted.factors)
    report = FitReport("fitted", why, scorecard.figure, rows, customers, bad, periods, names, scorecard.left_out, said_so)
    return FitResult(scorecard, report)


def _valid_to(valid_from: date | None) -> date | None:
    return None if valid_from is None else (pd.Timestamp(valid_from) + pd.DateOffset(months=VALID_MONTHS)).date()


def _calibrated(card: Scorecard, held: pd.DataFrame, start: float) -> tuple[Scorecard, str]:
    """The card calibrated on what earlier cards said of later periods, and how that went, in a sentence."""
    only_lateness = card.outcome == outcome_name(only_lateness=True)
    definition: Definition = "serious lateness" if only_lateness else "default"
    found = calibration.calibration(held, definition=definition, definition_words=card.outcome_words, start=start)
    if isinstance(found, str):
        return card, said("Not calibrated: {why}.", why=said(found))
    sentence = marked(
        "Calibrated to {definition} on {rows} rows of later periods, {bad} bad: shift {shift} ({low} to {high}), slope {slope}."
    )
    figures = {
        "shift": f"{found.shift:.2f}",
        "low": f"{found.shift_low:.2f}",
        "high": f"{found.shift_high:.2f}",
        "slope": f"{found.slope:.2f}",
    }
    told = said(sentence, definition=said(found.definition), rows=f"{found.rows:,}", bad=f"{found.bad:,}", **figures)
    return calibration.calibrated(card, found), told


def _too_thin(customers: int, bad: int, policy: Policy, blocked: Mapping[str, str]) -> str:
    """Why no scorecard can be fitted on so many distinct customers, so many of them bad; empty when one can be tried."""
    least = policy.outcome.smallest_history
    if _PAYMENT_HISTORY in blocked:
        return marked("{why}, so no outcome is known to fit on").format(why=blocked[_PAYMENT_HISTORY])
    if customers < least.customers or bad < least.bad:
        thin = marked("history is too thin to fit: {customers} customers, {bad} with the outcome; policy asks for {least} and {least_bad}")
        return thin.format(customers=customers, bad=bad, least=least.customers, least_bad=least.bad)
    return ""


def _fall_back(
    training: pd.DataFrame, policy: Policy, why: str, blocked: Mapping[str, str], valid_from: date | None, only_lateness: bool | None
) -> FitResult:
    causes = set(training.loc[training["outcome"] == 1, "cause"]) if len(training) else set()
    lateness = causes == {LATE} or only_lateness
    scorecard = expert(policy, why=why, only_lateness=lateness, not_available=blocked, valid_from=valid_from)
    bad = training.loc[training["outcome"] == 1, "customer_id"].nunique()
    names = tuple(f.name for f in scorecard.factors if f.name not in scorecard.not_available)
    report = FitReport(
        "expert", why, scorecard.figure, len(training), training["customer_id"].nunique(), bad, (), names, scorecard.not_available
    )
    return FitResult(scorecard, report)


@dataclass(frozen=True, slots=True)
class _Fitted:
    base: int
    calibration: float
    factors: tuple[Factor, ...]
    left_out: dict[str, str]
    text: TextModel | None = None


def _ordered(training: pd.DataFrame) -> pd.DataFrame:
    twice = training[["customer_id", "cutoff"]].duplicated()
    if twice.any():
        row = training[twice].iloc[0]
        raise BadInput(
            f"customer {row['customer_id']} stands twice at cut-off {row['cutoff'].date()}", expected="one row a customer and cut-off"
        )
    return training.sort_values(["cutoff", "customer_id"], kind="stable", ignore_index=True)


def _fit(training: pd.DataFrame, policy: Policy, blocked: Mapping[str, str]) -> _Fitted:
    """Bins, weights and whole points on these rows; factors is empty when nothing separates."""
    from credit_review.scoring.estimator import ScorecardClassifier

    left_out = {n: str(r) for n, r in blocked.items() if n in FACTORS}
    training, written = _read_remarks(training, policy, left_out)
    plan: list[FactorPlan] = []
    for spec in FACTORS.values():
        if spec.name not in left_out:
            why = _unknown(spec, training, policy)
            if why:
                left_out[spec.name] = why
            else:
                plan.append(_plan(spec, policy))
    if not plan:
        return _Fitted(0, 0.0, (), left_out)
    shrink = SHRINK_CUSTOMERS * training["group_id"].nunique() / training["customer_id"].nunique()
    model = ScorecardClassifier(
        tuple(plan), shrink=shrink, smallest_bin=SMALLEST_BIN, smallest_rows=SMALLEST_BIN_ROWS, smallest_value=SMALLEST_VALUE,
        smallest_spread=SMALLEST_SPREAD, tables=0,
        base_points=SCALE.base_points, base_odds=SCALE.base_odds, double_odds=SCALE.double_odds,
    )  # fmt: skip
    outcome = training["outcome"].to_numpy(dtype=np.int64)
    card = model.fit(read_factors(training, plan), outcome, groups=training["group_id"].to_numpy(dtype=str)).card_
    factors = tuple(f for f in card.factors if not isinstance(f, PairFactor))  # none: tables=0
    counts = any(f.name == text.FACTOR for f in factors)
    return _Fitted(card.base, card.calibration, factors, left_out | model.left_out_, written if counts else None)


def _read_remarks(training: pd.DataFrame, policy: Policy, left_out: dict[str, str]) -> tuple[pd.DataFrame, TextModel | None]:
    """The rows with what remarks say by models fitted on other groups, and the model of all; nothing where policy has them off."""
    if text.FACTOR not in left_out and not policy.scoring.text.use:
        left_out[text.FACTOR] = marked("policy does not let what people wrote count")
    if text.FACTOR in left_out:
        return text.with_scores(training, None), None
    told = training["remarks"].tolist(), training["outcome"].to_numpy(dtype=np.int64), training["group_id"].tolist()
    try:
        unseen, model = text.unseen_scores(*told), text.fit(*told)
        if text.tells(unseen, *told[1:]):
            return training.assign(**{text.FACTOR: unseen}), model
        left_out[text.FACTOR] = marked("what people wrote does not tell customers never seen apart")
    except BadInput as error:
        left_out[text.FACTOR] = error.what
    return text.with_scores(training, None), None


def read_factors(features: pd.DataFrame, plan: Sequence[FactorPlan]) -> pd.DataFrame:
    """A column for each planned factor of FEATURES, missing where its source is too old."""
    return pd.DataFrame({p.name: values(p.name, features, max_age_days=p.max_age_days) for p in plan}, index=features.index)


def _plan(spec: FactorSpec, policy: Policy) -> FactorPlan:
    return FactorPlan(
        name=spec.name, kind="category" if spec.category else "number", direction=spec.direction, reason=spec.reason, words=spec.words,
        missing_reason=spec.missing_reason, missing_words=spec.missing_words, max_age_days=max_age_days(spec.name, policy),
    )  # fmt: skip


def _unknown(spec: FactorSpec, training: pd.DataFrame, policy: Policy) -> str:
    """Why a factor cannot be weighed: hardly ever known in the past, or said more exactly by another; empty when it can."""
    age = max_age_days(spec.name, policy)
    found = values(spec.name, training, max_age_days=age)
    known = (found != "") if spec.category else ~np.isnan(found)
    if known.sum() < max(2 * SMALLEST_BIN_ROWS, 0 if spec.sparse else SMALLEST_COVERAGE * len(known)):
        return marked("known for only {share} of the rows of the past").format(share=f"{known.mean():.0%}")
    if spec.finer and not np.isnan(values(spec.finer, training, max_age_days=age)[known]).mean() > 0.5:
        return _FINER[spec.finer]
    return ""


def _totals(base: int, factors: Sequence[Factor], rows: pd.DataFrame) -> Ints:
    total = np.full(len(rows), base, dtype=np.int64)
    for f in factors:
        total += np.array(point_table(f), dtype=np.int64)[bin_numbers(f, values(f.name, rows, max_age_days=f.max_age_days))]
    return total


def _already_points(fitted: _Fitted) -> int:
    """Points that take even the best customer to odds of one to one or worse."""
    best = fitted.base + sum(max(point_table(f)) for f in fitted.factors)
    even = SCALE.points(fitted.calibration)
    return min(0, math.floor(even - best) - 1)


_HELD = ("cutoff", "group_id", "outcome", "log_odds")


def _later_periods(
    training: pd.DataFrame, policy: Policy, blocked: Mapping[str, str], seed: int
) -> tuple[tuple[Period, ...], pd.DataFrame]:
    """For each cut-off with enough known before it: AUC of scorecards fitted on outcomes known by then, on groups they have not seen.

    And what they said of those customers: cutoff, group_id, outcome, log_odds.
    """
    out, held = [], [pd.DataFrame(columns=list(_HELD))]
    for day in sorted(training["cutoff"].unique()):
        known = training["cutoff"].map({c: window_end(c.date(), policy) <= day.date() for c in training["cutoff"].unique()})
        if known.any():
            later = training[training["cutoff"] == day]
            period, odds = _period(training[known], later, day.date(), policy, blocked, seed)
            out.append(period)
            held.append(later.assign(log_odds=odds)[list(_HELD)].dropna(subset="log_odds"))
    return tuple(out), pd.concat(held[1:] or held, ignore_index=True)


def _period(
    earlier: pd.DataFrame, later: pd.DataFrame, day: date, policy: Policy, blocked: Mapping[str, str], seed: int
) -> tuple[Period, Floats]:
    """How well earlier cards rank this period, and the log odds good:bad they gave (NaN where none could be fitted)."""
    outcome = later["outcome"].to_numpy(dtype=np.int64)
    bad, odds = int(outcome.sum()), np.full(len(later), np.nan)
    period = Period(cutoff=day.isoformat(), customers=len(later), bad=bad, auc=None, low=None, high=None)
    if earlier.loc[earlier["outcome"] == 1, "customer_id"].nunique() < 2 * evaluation.SMALLEST_SIDE:
        return period.model_copy(update={"why_not": "too few outcomes known before it to fit on"}), odds
    fold_of = _folds(pd.concat([earlier["group_id"], later["group_id"]]))
    for fold in range(FOLDS):
        seen, unseen = earlier[earlier["group_id"].map(fold_of) != fold], (later["group_id"].map(fold_of) == fold).to_numpy()
        if unseen.any() and seen["outcome"].nunique() == 2:
            fitted = _fit(_ordered(seen), policy, blocked)
            totals = _totals(fitted.base, fitted.factors, text.with_scores(later[unseen], fitted.text))
            odds[unseen] = (totals - SCALE.offset) / SCALE.factor - fitted.calibration
    if min(bad, len(later) - bad) < evaluation.SMALLEST_SIDE:
        return period.model_copy(update={"why_not": f"fewer than {evaluation.SMALLEST_SIDE} customers with or without the outcome"}), odds
    risk = -np.nan_to_num(odds)
    low, high = evaluation.interval(outcome, risk, later["group_id"].to_numpy(dtype=str), seed=seed)
    figures = {"auc": evaluation.auc(outcome, risk), "low": low, "high": high}
    return period.model_copy(update={k: round(v, evaluation.AUC_DECIMALS) for k, v in figures.items()}), odds


def _folds(groups: pd.Series[str]) -> dict[str, int]:
    """A fold for each customer group, of even size and independent of row order."""
    return {group: i % FOLDS for i, group in enumerate(sorted(groups.unique()))}
