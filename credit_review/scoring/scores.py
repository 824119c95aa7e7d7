"""Scores of a bucket: points by table look-up, probability, grade and the principal reasons, vectorised and exact."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from credit_review.errors import BadInput
from credit_review.model.frames import PANDAS, SCORES
from credit_review.model.money import EXPONENTS
from credit_review.policy import VIEWS, Policy
from credit_review.scoring import grades, text, views
from credit_review.scoring.factors import FACTORS, values
from credit_review.scoring.reasons import ALREADY, COMBINED
from credit_review.scoring.scorecard import (
    AlreadyRule,
    Card,
    CardFactor,
    CategoryFactor,
    Factor,
    PairFactor,
    Scorecard,
    digest,
    point_table,
)

MAX_REASONS = 4
"""Principal reasons stated with a score (reference formulas 3.8)."""

_AGEING = ((1, "dpd_1_30_minor"), (31, "dpd_31_60_minor"), (61, "dpd_61_90_minor"), (91, "dpd_over_90_minor"))
_OLDEST = 91

Ints = NDArray[np.int64]


def score(features: pd.DataFrame, scorecard: Scorecard, policy: Policy, *, previous: pd.Series[str] | None = None) -> pd.DataFrame:
    """SCORES of every row of FEATURES, by customer_id; the order of rows makes no difference.

    `previous` is the grade of each customer's last review, by customer id: within policy's margin it is kept.

    A missing, stale or unknown value earns the points of the factor's missing bin. Reasons are the factors furthest below their best,
    up to four; factors the source cannot feed give none. `factor_points` starts with `base`, and all its figures add up to `points`;
    its last is `two_views` where combining the two views is more than adding their points.
    Raises BadInput for a customer that stands twice, a column that is missing, or a factor this version does not know.
    """
    features = text.with_scores(features, scorecard.text)
    _check(features, scorecard)
    features = features.sort_values("customer_id", kind="stable", ignore_index=True)
    bins = [bin_numbers(f, values(f.name, features, max_age_days=f.max_age_days)) for f in scorecard.factors]
    happened = already_happened(features, scorecard.already).astype(np.int64)
    tables = [np.array(point_table(f), dtype=np.int64) for f in scorecard.factors] + [
        np.array([0, scorecard.already.points], dtype=np.int64)
    ]
    earned = [table[place] for table, place in zip(tables, [*bins, happened], strict=True)]
    absent = [place == len(f.bins) for f, place in zip(scorecard.factors, bins, strict=True)]
    both = views.combined(features, scorecard, policy, earned[:-1], absent, earned[-1])
    probability, band = _probability_and_band(both.points, scorecard, policy)
    last = _previous(features["customer_id"], previous)
    grade, why = grades.grades(probability, band, last, both.columns["view_missing"], policy)
    return pd.DataFrame(
        {
            "customer_id": features["customer_id"].astype("str"),
            "scorecard": pd.Series(digest(scorecard), index=features.index, dtype="str"),
            "points": both.points,
            "pd_fraction": probability,
            "grade": grade,
            "reason_codes": _reasons(scorecard, policy, tables, earned, [*bins, happened], both),
            "factor_points": _with_adjustment(_factor_points(scorecard, [*bins, happened], tables), both.adjusted),
            **both.columns,
            **{f"{view}_pd_fraction": _alone(both.columns[f"{view}_points"], scorecard) for view in VIEWS},
            "band_grade": band,
            "previous_grade": last,
            "grade_rule": why,
        },
        columns=list(SCORES.names),
    ).astype({c.name: PANDAS[c.dtype] for c in SCORES.columns})


def bin_numbers(factor: Factor, found: NDArray[Any]) -> Ints:
    """For each value of a factor its place: bins, then missing (NaN or ""), then special values, or the categories without a bin.

    A category without a bin counts as missing where the factor has no bin for others.
    """
    if isinstance(factor, CategoryFactor):
        places = {value: i for i, one in enumerate(factor.bins) for value in one.values} | {"": len(factor.bins)}
        codes, names = pd.factorize(found)
        known = np.array([places.get(str(n), len(factor.places) - 1) for n in names] + [len(factor.bins)], dtype=np.int64)
        return known[codes]
    place = np.zeros(len(found), dtype=np.int64)
    for one in factor.bins[:-1]:
        place += found >= one.below
    place[np.isnan(found)] = len(factor.bins)
    for i, code in enumerate(factor.special):
        place[found == code.value] = len(factor.bins) + 1 + i
    return place


def cell_numbers(factor: PairFactor, first: NDArray[Any], second: NDArray[Any]) -> Ints:
    """For each two values the cell of a two-way table, row by row."""
    place = np.zeros(len(first), dtype=np.int64)
    for side, found, step in ((factor.first, first, len(factor.second.below) + 2), (factor.second, second, 1)):
        for below in side.below:
            place += step * (found >= below)
        place[np.isnan(found)] += step * (len(side.below) + 1)
    return place


def read(frame: pd.DataFrame, factor: CardFactor) -> Ints:
    """For each row of a frame the place of a card's factor, read from the column of its name."""
    if isinstance(factor, PairFactor):
        return cell_numbers(factor, *(numbers(frame, side.name) for side in (factor.first, factor.second)))
    return bin_numbers(factor, texts(frame, factor.name) if isinstance(factor, CategoryFactor) else numbers(frame, factor.name))


def numbers(frame: pd.DataFrame, name: str) -> NDArray[np.float64]:
    """A column as floats, NaN where missing. Raises BadInput where it is no number."""
    try:
        return frame[name].to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError) as error:
        raise BadInput(f"column {name!r}: {error}", expected="numbers, or a plan that says it is a category") from error


def texts(frame: pd.DataFrame, name: str) -> NDArray[Any]:
    """A column as text, "" where missing."""
    column = frame[name]
    return np.where(column.isna(), "", column.astype(str).to_numpy(dtype=object))


def card_points(frame: pd.DataFrame, card: Card) -> Ints:
    """The total points of each row under a card. Raises BadInput for a column that is missing."""
    names = [n for f in card.factors for n in ((f.first.name, f.second.name) if isinstance(f, PairFactor) else (f.name,))]
    if missing := [n for n in names if n not in frame.columns]:
        raise BadInput(f"the frame lacks the column {missing[0]!r}", expected="every column the card was fitted on")
    total = np.full(len(frame), card.base, dtype=np.int64)
    for factor in card.factors:
        total += np.array(point_table(factor), dtype=np.int64)[read(frame, factor)]
    return total


def card_probability(points: Ints, card: Card) -> NDArray[np.float64]:
    """The probability of the outcome at each total, computed once for each distinct one."""
    totals, place = np.unique(points, return_inverse=True)
    return np.array([card.probability(int(total)) for total in totals], dtype=np.float64)[place]


def already_happened(features: pd.DataFrame, rule: AlreadyRule) -> NDArray[np.bool_]:
    """Which customers the outcome has already happened to at the as-of date, as `rule` defines it."""
    beyond = np.zeros(len(features), dtype=np.int64)
    for from_days, column in _AGEING:
        if from_days > rule.days_past_due or from_days == _OLDEST:
            beyond += features[column].to_numpy(dtype=np.int64)
    scale = features["currency"].map(EXPONENTS).fillna(2).to_numpy(dtype=np.int64)
    material = np.array([int(Decimal(rule.material_amount).scaleb(places)) for places in range(4)], dtype=np.int64)
    late = (features["oldest_dpd_days"].to_numpy() > rule.days_past_due) & (beyond >= material[scale]) & (beyond > 0)
    result: NDArray[np.bool_] = late | features["status"].isin(list(rule.statuses)).to_numpy(dtype=bool)
    return result


def _check(features: pd.DataFrame, scorecard: Scorecard) -> None:
    unknown = [f.name for f in scorecard.factors if f.name not in FACTORS]
    if unknown:
        raise BadInput(
            f"scorecard {scorecard.name!r} uses the factor {unknown[0]!r}",
            expected=f"one of {', '.join(FACTORS)}",
            next_step="fit the scorecard again with this version, or run the version it was made for",
        )
    used = [FACTORS[f.name] for f in scorecard.factors]
    needed = {c for spec in used for c in (*spec.columns, *((spec.age,) if spec.age else ()))}
    always = {"customer_id", "currency", "status", "oldest_dpd_days", "open_item_count", "cleared_count", *(c for _, c in _AGEING)}
    missing = sorted((needed | always) - set(features.columns))
    if missing:
        raise BadInput(f"features lack the column {missing[0]!r}", expected="a FEATURES frame (docs/data-dictionary.md)")
    twice = features["customer_id"][features["customer_id"].duplicated()]
    if len(twice):
        raise BadInput(f"customer {twice.iloc[0]} stands twice in the features", expected="one row a customer")


def _previous(customers: pd.Series[str], previous: pd.Series[str] | None) -> Any:
    """The last grade of each customer as text, empty where there is none."""
    if previous is None:
        return pd.array([""], dtype="str").take(np.zeros(len(customers), dtype=np.int64))
    return previous.reindex(customers).fillna("").array


def _distinct(points: Ints) -> tuple[Ints, Ints]:
    """The distinct totals, ascending, and where each row's stands among them: totals lie close together, so nothing is sorted."""
    if not len(points):
        return points, points
    least = points.min()
    there = np.zeros(points.max() - least + 1, dtype=bool)
    there[points - least] = True
    return np.flatnonzero(there) + least, (np.cumsum(there) - 1)[points - least]


def _alone(points: Any, scorecard: Scorecard) -> Any:
    """The probability that a view alone gives, NaN where it is missing."""
    totals, place = _distinct(points.to_numpy(dtype=np.int64, na_value=0))
    found = np.array([scorecard.probability(int(total)) for total in totals], dtype=np.float64)[place]
    return np.where(points.isna(), np.nan, found)


def _probability_and_band(points: Ints, scorecard: Scorecard, policy: Policy) -> tuple[Any, Any]:
    """Probability and grade of its band of each total, once a distinct total with the same arithmetic on every machine."""
    totals, place = _distinct(points)
    probability = [scorecard.probability(int(total)) for total in totals]
    grades = pd.array([policy.grade_for(p) for p in probability], dtype="str")
    return np.array(probability, dtype=np.float64)[place], grades.take(place)


def _reasons(scorecard: Scorecard, policy: Policy, tables: list[Ints], earned: list[Ints], bins: list[Ints], both: views.Combined) -> Any:
    """Codes of the factors furthest below their best, as far as their view counts, worst first, in scorecard order where equal."""
    silent = [f.name in scorecard.not_available for f in scorecard.factors] + [False]
    below = np.stack([np.zeros_like(e) if quiet else t.max() - e for e, t, quiet in zip(earned, tables, silent, strict=True)], axis=1)
    if any((weight != 1).any() for weight in both.weights.values()):
        counts = [both.weights[views.view_of(f.name, policy.scoring)] for f in scorecard.factors]
        below = below * np.stack([*counts, np.ones(len(below))], axis=1)
    worst = np.argsort(-below, axis=1, kind="stable")[:, :MAX_REASONS]
    reasons = [*(f.reasons for f in scorecard.factors), (scorecard.already.reason,) * 2]
    codes = ["", *sorted({code for one in reasons for code in one})]
    number = {code: i for i, code in enumerate(codes)}
    given = np.stack([np.array([number[c] for c in one], dtype=np.int64)[place] for one, place in zip(reasons, bins, strict=True)], axis=1)
    shortfall = np.take_along_axis(below, worst, axis=1)
    code = np.where(shortfall > 0, np.take_along_axis(given, worst, axis=1), 0)
    return _text_of_rows(code, len(codes), lambda row: "|".join(codes[i] for i in row if i))


def _with_adjustment(text: Any, adjusted: Ints) -> Any:
    """The points with what combining the views adds, so that they add up; nothing is added where it is 0."""
    if not adjusted.any():
        return text
    values, place = np.unique(adjusted, return_inverse=True)
    return text + pd.array([f"|{COMBINED}={v}" if v else "" for v in values], dtype="str").take(place)


_CHUNK = 4


def _factor_points(scorecard: Scorecard, bins: list[Ints], tables: list[Ints]) -> Any:
    """`base=..|factor=points|..` for each row. A few factors at a time have few distinct combinations, so text is made once for each."""
    names = [*(f.name for f in scorecard.factors), ALREADY]
    text = pd.array([f"base={scorecard.base}"], dtype="str").take(np.zeros(len(bins[0]), dtype=np.int64))
    for start in range(0, len(names), _CHUNK):
        part = slice(start, start + _CHUNK)
        chunk = list(zip(names[part], tables[part], strict=True))
        width = max(len(table) for _, table in chunk)
        grid = np.stack(bins[part], axis=1)
        text = text + _text_of_rows(
            grid, width, lambda row, chunk=chunk: "".join(f"|{n}={t[i]}" for (n, t), i in zip(chunk, row, strict=True))
        )
    return text


def _text_of_rows(grid: Ints, base: int, words: Any) -> Any:
    """`words(row)` for each row of a grid of small numbers below `base`, computed once for each distinct row."""
    key = grid @ (base ** np.arange(grid.shape[1], dtype=np.int64))
    _, first, place = np.unique(key, return_index=True, return_inverse=True)
    return pd.array([words([int(i) for i in row]) for row in grid[first]], dtype="str").take(place)
