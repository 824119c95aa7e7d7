"""What the trees see: one column of floats a number, one of 0 and 1 for each value of a category, in the order of the card."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from credit_review.challenger.card import CategoryFeature, Feature, NumberFeature
from credit_review.errors import BadInput
from credit_review.policy import Policy
from credit_review.scoring.experts import max_age_days
from credit_review.scoring.factors import FACTORS, values
from credit_review.words import said

WAYS = {"higher_is_worse": 1, "lower_is_worse": -1, "none": 0}
"""scikit-learn's monotone constraint on the probability of the outcome."""

Floats = NDArray[np.float64]


def matrix(frame: pd.DataFrame, features: Sequence[Feature]) -> Floats:
    """The rows of a frame as the trees see them. Raises BadInput naming a column that is missing or no number."""
    parts: list[Floats] = []
    for one in features:
        if one.name not in frame.columns:
            raise BadInput(
                said("the features lack the column {name}, which the challenger was fitted with", name=one.name),
                expected=said("all of {names}", names=", ".join(f.name for f in features)),
                next_step=said("fit the challenger anew on what the sources state now"),
            )
        found = frame[one.name]
        if isinstance(one, NumberFeature):
            parts.append(_floats(one.name, found)[:, None])
        else:
            text = found.astype(object).where(found.notna(), "").astype(str).to_numpy()
            parts.append((text[:, None] == np.array(one.values, dtype=str)[None, :]).astype(np.float64))
    return np.concatenate(parts, axis=1) if parts else np.zeros((len(frame), 0))


def constraints(features: Sequence[Feature]) -> list[int]:
    """The monotone constraint of each column of `matrix`."""
    ways: list[int] = []
    for one in features:
        ways += [WAYS[one.direction]] if isinstance(one, NumberFeature) else [0] * len(one.values)
    return ways


def of_factors(rows: pd.DataFrame, names: Sequence[str], policy: Policy) -> pd.DataFrame:
    """FEATURES rows as a frame of scorecard factors by name, stale values gone. Raises BadInput for a factor or column not known."""
    unknown = [name for name in names if name not in FACTORS]
    if unknown:
        raise BadInput(
            said("the challenger uses the factor {name}, which this version does not know", name=unknown[0]),
            expected=said("one of {names}", names=", ".join(FACTORS)),
            next_step=said("fit the challenger anew with this version"),
        )
    missing = {name: c for name in names for c in (*FACTORS[name].columns, FACTORS[name].age) if c and c not in rows.columns}
    if missing:
        name, column = next(iter(missing.items()))
        raise BadInput(
            said("the features lack the column {column}, from which {name} is computed", column=column, name=name),
            expected=said("features as this version computes them"),
            next_step=said("fit the challenger anew on what the sources state now"),
        )
    return pd.DataFrame({name: values(name, rows, max_age_days=max_age_days(name, policy)) for name in names}, index=rows.index)


def ledger_features(names: Sequence[str]) -> tuple[Feature, ...]:
    """The declared features of these scorecard factors; the values of a category come with the fit."""
    return tuple(
        CategoryFeature(name=name) if FACTORS[name].category else NumberFeature(name=name, direction=FACTORS[name].direction)
        for name in names
    )


def _floats(name: str, found: pd.Series[Any]) -> Floats:
    try:
        floats: Floats = found.to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError):
        raise BadInput(
            said("the column {name} of the features is no number", name=name), expected=said("numbers, blank where unknown")
        ) from None
    return floats
