"""Altman scores of statements, and the zones they lie in."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from credit_review.statements.figures import Figures, Floats, Texts, ratios
from credit_review.statements.models import Model, Zone

DECIMALS = 4


def altman(statements: pd.DataFrame, model: Model) -> tuple[Floats, Texts]:
    """The model's score of each row of STATEMENTS, 4 decimals, and where it is NaN the first thing that is missing.

    score = constant + sum of weight x ratio, ratios as `ratios` rounds them. Whether the model is made for the kind of company is not
    asked here (see `condition`). Sources of the formulas: `statements.models`.
    """
    names = ("x1", "x2", "x3", "x4_market" if model.market else "x4", "x5")
    used = [(name, weight) for name, weight in zip(names, model.weights, strict=True) if weight]
    found: Figures = ratios(statements, [name for name, _ in used])
    score = np.full(len(statements), model.constant)
    why: Texts = np.full(len(statements), "", dtype=object)
    for name, weight in used:
        score = score + weight * found.values[name].to_numpy()
        reason = found.why[name].to_numpy(dtype=object)
        why = np.where(why == "", reason, why)
    rounded: Floats = np.round(score, DECIMALS) + 0.0
    return rounded, why


def zones(scores: Floats, model: Model) -> Any:
    """The zone of each score: safe above the one bound, distress below the other, grey at and between them; empty where there is none."""
    with np.errstate(invalid="ignore"):
        return np.select(
            [np.isnan(scores), scores > model.safe_above, scores < model.distress_below],
            ["", Zone.SAFE.value, Zone.DISTRESS.value],
            default=Zone.GREY.value,
        ).astype(object)
