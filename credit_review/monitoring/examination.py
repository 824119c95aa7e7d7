"""What a validator reads before a card is used: how it does on rows whose outcome is known, and what speaks against it.

Pure: the same card, rows and seed give the same figures. Cut-offs whose outcomes overlap those of the fit are told apart from later ones,
since only the later ones are a test. Figures that count outcomes use cut-offs at least a window apart, so that no outcome counts twice.
Nothing here says accept or reject: that is a person's answer.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from credit_review.monitoring.calibration import Band, Measures, curve, measures
from credit_review.monitoring.drift import Drift, score_drift
from credit_review.monitoring.ranking import Ranking, ranking
from credit_review.monitoring.rates import Rate, rate
from credit_review.policy import Policy
from credit_review.scoring import text
from credit_review.scoring.factors import values
from credit_review.scoring.outcomes import window_end
from credit_review.scoring.scorecard import CategoryFactor, Factor, Scorecard, digest
from credit_review.scoring.scores import bin_numbers, score
from credit_review.words import Said, said, said_many

DECIMALS = 6
HISTOGRAM_POINTS = 20
"""Width, in points, of the bars of the score's distribution: with the usual scale, twice the odds."""

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """How the card does on some rows: those whose outcomes the fit saw (`seen`), or later ones. `ks` is the largest distance of the curves.

    `cutoffs` are those counted: at least policy's window apart, the newest first chosen.
    """

    name: str
    cutoffs: tuple[str, ...]
    rows: int
    customers: int
    bad: int
    ranking: Ranking
    ks: float | None
    calibration: Measures | None
    bands: tuple[Band, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AtCutoff:
    """How the card ranks the customers of one cut-off; `seen`: it was fitted on them."""

    cutoff: str
    seen: bool
    ranking: Ranking


@dataclass(frozen=True, slots=True, kw_only=True)
class BinFound:
    """A bin of a factor: what it says, the points it earns, and what came of the rows in it. `missing`: the bin of what is not known."""

    label: str
    points: int
    found: Rate
    missing: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FactorFound:
    """A factor's bins on these rows, and the pairs of neighbouring bins of which the better paid one did worse beyond chance."""

    name: str
    direction: str
    bins: tuple[BinFound, ...]
    against: tuple[tuple[str, str], ...] = ()

    @property
    def missing_part(self) -> float:
        """Part of the rows whose value is not known."""
        every = sum(one.found.of for one in self.bins)
        return sum(one.found.of for one in self.bins if one.missing) / every if every else 0.0

    @property
    def missing_pays(self) -> bool:
        """Whether hiding the value earns more than any value does."""
        best = max(one.points for one in self.bins if not one.missing)
        return any(one.missing and one.points > best for one in self.bins)


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """The whole of it. `histogram` is (points from, good, bad) a bar."""

    card: str
    name: str
    kind: str
    as_of: date
    cutoffs: tuple[str, ...]
    parts: tuple[Part, ...]
    by_cutoff: tuple[AtCutoff, ...]
    drift: Drift | None
    factors: tuple[FactorFound, ...]
    leaks: tuple[tuple[str, str], ...]
    histogram: tuple[tuple[int, int, int], ...]
    concerns: tuple[str, ...] = field(default=())

    @property
    def test(self) -> Part | None:
        """The rows that test the card: later ones where there are any, else all there are."""
        return next((one for one in self.parts if one.name == "later"), self.parts[0] if self.parts else None)

    def text(self) -> str:
        """The report as JSON, keys sorted: the same figures give the same bytes, whose SHA-256 a validator signs for."""
        return json.dumps(_plain(asdict(self)), ensure_ascii=False, sort_keys=True, indent=1) + "\n"


def examine(card: Scorecard, rows: pd.DataFrame, policy: Policy, *, as_of: date, seed: int, leaks: Sequence[tuple[str, str]]) -> Examined:
    """The examination on rows of `scoring.training_set` (FEATURES with cutoff and outcome); of no rows, it says so."""
    days = tuple(sorted({day.date().isoformat() for day in rows["cutoff"]})) if len(rows) else ()
    scored = _scored(card, rows, policy) if days else rows
    until = _outcomes_seen(card, policy)
    of = {"seen": [day for day in days if day < until], "later": [day for day in days if day >= until]}
    kept = {name: _apart(part, policy) for name, part in of.items() if part}
    parts = [_part(name, part, scored, policy, seed) for name, part in kept.items()]
    counted = _at_any(scored, kept.get("later") or kept.get("seen") or ())
    found = Examined(
        card=digest(card),
        name=card.name,
        kind=card.kind,
        as_of=as_of,
        cutoffs=days,
        parts=tuple(parts),
        by_cutoff=tuple(_at(day, day < until, scored, seed) for day in days),
        drift=_drift(scored, days),
        factors=tuple(_factor(one, counted) for one in card.factors) if days else (),
        leaks=tuple(leaks),
        histogram=_histogram(counted) if days else (),
    )
    return Examined(**{name: getattr(found, name) for name in found.__slots__ if name != "concerns"}, concerns=tuple(concerns(found)))


def _scored(card: Scorecard, rows: pd.DataFrame, policy: Policy) -> pd.DataFrame:
    """The rows with points, probability and grade, cut-off by cut-off since a customer stands once in each."""
    parts = []
    for _, part in rows.groupby("cutoff", sort=True):
        ordered = text.with_scores(part.sort_values("customer_id", kind="stable", ignore_index=True), card.text)
        scores = score(ordered, card, policy)
        parts.append(ordered.assign(points=scores["points"], probability=scores["pd_fraction"], grade=scores["grade"]))
    return pd.concat(parts, ignore_index=True)


def _outcomes_seen(card: Scorecard, policy: Policy) -> str:
    """The first day (ISO) whose customers' later outcomes the fit saw nothing of; the earliest of all where nothing was fitted."""
    if card.trained_on is None:
        return ""
    return window_end(date.fromisoformat(max(card.trained_on.cutoffs)), policy).isoformat()


def _apart(days: Sequence[str], policy: Policy) -> tuple[str, ...]:
    """Cut-offs of which each window ends before the next one begins, the newest first chosen: the same default never counts twice."""
    kept: list[str] = []
    for day in sorted(days, reverse=True):
        if not kept or window_end(date.fromisoformat(day), policy).isoformat() <= kept[-1]:
            kept.append(day)
    return tuple(sorted(kept))


def _at_any(scored: pd.DataFrame, days: Sequence[str]) -> pd.DataFrame:
    return scored[scored["cutoff"].isin([pd.Timestamp(day) for day in days])] if len(scored) else scored


def _part(name: str, days: Sequence[str], scored: pd.DataFrame, policy: Policy, seed: int) -> Part:
    rows = _at_any(scored, days)
    outcome, probability = rows["outcome"].to_numpy(dtype=np.int64), rows["probability"].to_numpy(dtype=np.float64)
    bad = int(outcome.sum())
    return Part(
        name=name,
        cutoffs=tuple(days),
        rows=len(rows),
        customers=int(rows["customer_id"].nunique()),
        bad=bad,
        ranking=_ranking(rows, seed),
        ks=_ks(rows) if 0 < bad < len(rows) else None,
        calibration=measures(outcome, probability, seed=seed),
        bands=tuple(curve(outcome, probability, rows["grade"].to_numpy(), policy.grade_names)),
    )


def _ranking(rows: pd.DataFrame, seed: int) -> Ranking:
    outcome, risk = rows["outcome"].to_numpy(dtype=np.int64), -rows["points"].to_numpy(dtype=np.int64)
    return ranking(outcome, risk, rows["group_id"].to_numpy(dtype=str), seed=seed)


def _ks(rows: pd.DataFrame) -> float:
    """Kolmogorov-Smirnov distance between the points of bad and of good rows."""
    by_points = rows.groupby("points", sort=True)["outcome"].agg(["sum", "size"])
    bad, good = by_points["sum"].cumsum(), (by_points["size"] - by_points["sum"]).cumsum()
    return float((bad / bad.iloc[-1] - good / good.iloc[-1]).abs().max())


def _at(day: str, seen: bool, scored: pd.DataFrame, seed: int) -> AtCutoff:
    return AtCutoff(cutoff=day, seen=seen, ranking=_ranking(scored[scored["cutoff"] == pd.Timestamp(day)], seed))


def _drift(scored: pd.DataFrame, days: Sequence[str]) -> Drift | None:
    """Points of the newest cut-off against those of the first, one row a customer on either side."""
    if len(days) < 2:
        return None
    first, last = (scored.loc[scored["cutoff"] == pd.Timestamp(day), "points"].to_numpy() for day in (days[0], days[-1]))
    return score_drift(first, last)


def _factor(factor: Factor, scored: pd.DataFrame) -> FactorFound:
    place, outcome = read(scored, factor), scored["outcome"].to_numpy(dtype=np.int64)
    of = np.bincount(place, minlength=len(factor.places))
    bad = np.bincount(place, weights=outcome, minlength=len(factor.places)).astype(np.int64)
    earned = [one.points for one in factor.places]
    found = [
        BinFound(label=label, points=points, found=rate(int(bad[at]), int(of[at])), missing=at == len(factor.bins))
        for at, (label, points) in enumerate(zip(labels(factor), earned, strict=True))
    ]
    direction = "none" if isinstance(factor, CategoryFactor) else factor.direction
    return FactorFound(name=factor.name, direction=direction, bins=tuple(found), against=tuple(_against(found[: len(factor.bins)])))


def read(scored: pd.DataFrame, factor: Factor) -> Ints:
    """The place of each row, as a review counts it."""
    return bin_numbers(factor, values(factor.name, scored, max_age_days=factor.max_age_days))


def labels(factor: Factor) -> list[str]:
    """What each place says, short: `< 0.1`, `0.1 to 0.25`, `>= 0.25` or its categories; then missing, and special values or others."""
    if isinstance(factor, CategoryFactor):
        more = ["others"] * (len(factor.places) - len(factor.bins) - 1)
        return [*(", ".join(one.values) for one in factor.bins), "missing", *more]
    bounds = [None, *(one.below for one in factor.bins)]
    shown = []
    for low, high in pairwise(bounds):
        upper = "" if high is None else f"{high:g}"
        if low is None:
            shown.append(f"< {upper}" if upper else "any")
        else:
            shown.append(f"{low:g} to {upper}" if upper else f">= {low:g}")
    return [*shown, "missing", *(f"= {one.value:g}" for one in factor.special)]


def _against(bins: Sequence[BinFound]) -> list[tuple[str, str]]:
    """Pairs of bins that the rows contradict: the one with more points has the higher rate, and the intervals do not meet."""
    pairs = []
    for one, other in pairwise(bins):
        better, worse = (one, other) if one.points >= other.points else (other, one)
        if better.points != worse.points and better.found.of and worse.found.of and better.found.low > worse.found.high:
            pairs.append((better.label, worse.label))
    return pairs


def _histogram(scored: pd.DataFrame) -> tuple[tuple[int, int, int], ...]:
    place = scored["points"] // HISTOGRAM_POINTS
    counted = scored.groupby(place, sort=True)["outcome"].agg(["sum", "size"])
    lowest, highest = int(counted.index.min()), int(counted.index.max())
    every = counted.reindex(range(lowest, highest + 1), fill_value=0)
    return tuple(
        (int(at) * HISTOGRAM_POINTS, int(size - bad), int(bad))
        for at, bad, size in zip(every.index, every["sum"], every["size"], strict=True)
    )


def concerns(found: Examined) -> list[Said]:
    """What speaks against the card, in words, gravest first; empty where these figures say nothing against it."""
    test = found.test
    if test is None:
        return [said("no outcome is known yet: there is nothing to validate on")]
    out: list[Said] = [said("{feature} may know what came after the cut-off: {why}", feature=name, why=why) for name, why in found.leaks]
    if not test.ranking.enough:
        sentence = said_many(
            "too few outcomes to validate: {n} customer with the outcome, {needed} needed",
            "too few outcomes to validate: {n} customers with the outcome, {needed} needed",
            n=test.ranking.bad,
            needed=test.ranking.needed,
        )
        out.append(sentence)
    if test.name != "later" and found.kind == "fitted":
        out.append(said("the fit saw every outcome there is: these figures flatter the card, and its own later periods count instead"))
    if test.ranking.no_better_than_chance:
        out.append(said("it may rank no better than chance: the interval of the AUC holds one half"))
    if test.calibration is not None and test.calibration.error > test.calibration.by_chance:
        error, chance = f"{test.calibration.error:.1%}", f"{test.calibration.by_chance:.1%}"
        out.append(said("probabilities are off by {error} in the mean, more than chance explains ({chance})", error=error, chance=chance))
    if found.drift is not None and found.drift.alarms:
        figures = {"psi": f"{found.drift.psi:.3f}", "limit": f"{found.drift.limit:.3f}"}
        out.append(said("customers are no longer those of the first cut-off: stability index {psi}, above {limit}", **figures))
    for one in found.factors:
        out += [
            said("{factor}: {better} did worse than {worse}, and earns more", factor=one.name, better=a, worse=b) for a, b in one.against
        ]
        if one.missing_pays:
            out.append(said("{factor}: hiding the value earns more than any value does", factor=one.name))
    return out


def _plain(value: Any) -> Any:
    """As JSON takes it: floats rounded, so that machines agree on every byte."""
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, float):
        return None if np.isnan(value) else round(value, DECIMALS)
    return value.isoformat() if isinstance(value, date) else str(value) if isinstance(value, str) else value
