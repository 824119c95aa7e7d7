"""A small challenger on made-up rows, and the files of it."""

from functools import cache
from unittest.mock import patch

import numpy as np
import pandas as pd

from credit_review.adapters import challengers
from credit_review.challenger import fitting
from credit_review.challenger.card import CategoryFeature, NumberFeature

QUICK = ({"max_iter": 30, "max_depth": 3, "max_features": 0.5}, {"max_iter": 20, "learning_rate": 0.05, "max_depth": 2})
"""Settings that fit in no time."""
FEATURES = (
    NumberFeature(name="late", direction="higher_is_worse"),
    NumberFeature(name="months", direction="lower_is_worse"),
    NumberFeature(name="noise"),
    CategoryFeature(name="grade"),
)


@cache
def rows(count=500, seed=2):
    rng = np.random.default_rng(seed)
    late = rng.normal(size=count)
    frame = pd.DataFrame(
        {
            "late": np.where(rng.random(count) < 0.1, np.nan, late),
            "months": rng.uniform(1, 100, count),
            "noise": rng.normal(size=count),
            "grade": rng.choice(["AA", "B", ""], count, p=[0.5, 0.47, 0.03]),
        }
    )
    bad = (rng.random(count) < 1 / (1 + np.exp(2 - 1.5 * late - (frame["grade"] == "B")))).astype(int)
    return frame, np.asarray(bad), np.arange(count) // 2


@cache
def fitted(seed=1):
    frame, bad, groups = rows()
    with patch.object(fitting, "CANDIDATES", QUICK):
        return fitting.fit(frame, bad, FEATURES, groups=groups, seed=seed, libraries=challengers.installed(), judged=())


def written(folder, made=None):
    """The challenger in a folder, as read back."""
    challengers.write(folder / "challenger.json", made or fitted())
    return challengers.read(folder / "challenger.json", known_as="challenger.json")
