"""The two views of a customer, how it pays and how it stands, and how policy makes one score of them. Every figure on the way is kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from credit_review.policy import VIEWS, Policy, ScoringRules, View
from credit_review.scoring.factors import FACTORS
from credit_review.scoring.scorecard import Scorecard

BOTH = "both"
"""What `view_missing` says of a customer of whom neither view is known."""

_MILLION = 1_000_000

Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Combined:
    """One score of two views, by row of FEATURES.

    `points` in all; `adjusted` what combining adds to the plain sum of points (0 where it adds nothing); `weights` by view the share of its
    points that counts; `columns` of SCORES: the points of each view alone (NA where it is missing), `views` and `view_missing`.
    """

    points: Ints
    adjusted: Ints
    weights: dict[View, Floats]
    columns: dict[str, Any]


def view_of(name: str, rules: ScoringRules) -> View:
    """The view a factor counts in; what external reports say counts where policy puts it."""
    view = FACTORS[name].view
    return rules.external if view == "external" else view


def combined(
    features: pd.DataFrame, scorecard: Scorecard, policy: Policy, earned: list[Ints], missing: list[Flags], already: Ints
) -> Combined:
    """The score of both views together, as policy's `scoring` says.

    `earned` and `missing` are by factor: its points, and where its value is missing. A view alone is base + its points; points for an
    outcome that has already happened belong to behaviour. weighted: base + sum of weight x points of a view, halves to even;
    worse_of: base + the fewer points; behaviour or financial: base + points of that view. A view that is missing leaves the other alone, in
    full. Where both are missing all points count as the scorecard has them.
    """
    rules = policy.scoring
    count = len(features)
    evidence = {view: _of_view(view, scorecard, rules, earned, count) for view in VIEWS}
    lacks = _lacking(features, scorecard, rules, missing)
    weights = _weights(rules, evidence, lacks)
    parts = [np.rint(weights[view] * _MILLION).astype(np.int64) * evidence[view] for view in VIEWS]
    total = np.rint(sum(parts, np.zeros(count, dtype=np.int64)) / _MILLION).astype(np.int64)
    alone = {"behaviour": evidence["behaviour"] + already, "financial": evidence["financial"]}
    columns: dict[str, Any] = {
        "views": pd.array([rules.combine], dtype="str").take(np.zeros(count, dtype=np.int64)),
        "view_missing": _names(lacks),
    }
    for view in VIEWS:
        columns[f"{view}_points"] = pd.arrays.IntegerArray(scorecard.base + alone[view], lacks[view].copy())
    plain = evidence["behaviour"] + evidence["financial"]
    return Combined(scorecard.base + total + already, total - plain, weights, columns)


def _of_view(view: View, scorecard: Scorecard, rules: ScoringRules, earned: list[Ints], count: int) -> Ints:
    mine = [points for factor, points in zip(scorecard.factors, earned, strict=True) if view_of(factor.name, rules) == view]
    total: Ints = np.sum([np.zeros(count, dtype=np.int64), *mine], axis=0, dtype=np.int64)
    return total


def _lacking(features: pd.DataFrame, scorecard: Scorecard, rules: ScoringRules, missing: list[Flags]) -> dict[View, Flags]:
    """Where each view is missing: no invoice open or paid in 12 months; no statement or external figure that the scorecard looks at."""
    seen = (features["open_item_count"] + features["cleared_count"]).to_numpy(dtype=np.int64) > 0
    known: dict[View, Flags] = {"behaviour": seen, "financial": np.zeros(len(features), dtype=bool)}
    for factor, absent in zip(scorecard.factors, missing, strict=True):
        if FACTORS[factor.name].view != "behaviour":
            view = view_of(factor.name, rules)
            known[view] = known[view] | ~absent
    return {view: ~there for view, there in known.items()}


def _weights(rules: ScoringRules, evidence: dict[View, Ints], lacks: dict[View, Flags]) -> dict[View, Floats]:
    """How much of each view's points counts: policy's weights, or the view that decides; the other in full where one is missing."""
    policy: dict[View, Any] = {view: float(getattr(rules.weights, view)) for view in VIEWS}
    worse = evidence["behaviour"] <= evidence["financial"]
    ways: dict[str, dict[View, Any]] = {
        "weighted": policy,
        "worse_of": {"behaviour": worse, "financial": ~worse},
        "behaviour": {"behaviour": 1.0, "financial": 0.0},
        "financial": {"behaviour": 0.0, "financial": 1.0},
    }
    chosen = ways[rules.combine]
    neither = lacks["behaviour"] & lacks["financial"]
    found: dict[View, Floats] = {}
    for view, other in (VIEWS, VIEWS[::-1]):
        counts = rules.combine == "weighted" and rules.without(view).points == "scorecard"
        where_missing = policy[view] if counts else 0.0
        weight = np.where(lacks[view], where_missing, np.where(lacks[other], 1.0, chosen[view]))
        found[view] = np.where(neither, 1.0, weight).astype(np.float64)
    return found


def _names(lacks: dict[View, Flags]) -> Any:
    behaviour, financial = lacks["behaviour"], lacks["financial"]
    code = np.select([behaviour & financial, behaviour, financial], [1, 2, 3], default=0)
    return pd.array(["", BOTH, *VIEWS], dtype="str").take(code)
