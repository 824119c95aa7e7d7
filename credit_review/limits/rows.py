"""One bucket's customers side by side: states, features and scores joined by customer, as plain arrays."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from credit_review.errors import ReviewStopped
from credit_review.limits.arrays import Flags, Ints, Maybe, among, larger
from credit_review.model.states import CustomerState
from credit_review.policy import Policy

_SHOWN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Customers to be proposed for, sorted by id. `grade`, `currency` and `status` are indexes; a grade of -1 is no grade."""

    ids: pd.Series[Any]
    features: pd.DataFrame
    scores: pd.DataFrame
    currencies: tuple[str, ...]
    currency: Ints
    grade: Ints
    graded: Flags
    status: Ints
    limit: Maybe
    terms: Maybe
    need_by_terms: Maybe
    peak_balance: Maybe
    season_peak: Maybe
    forecast: Maybe
    need: Maybe
    exposure: Ints
    segment: pd.Series[Any]
    others_owe: Maybe

    def of_segments(self, known: Collection[str]) -> Iterator[tuple[str, Flags]]:
        """Each segment of `known` that has customers here, and those; the others under an empty name."""
        names = self.segment.where(self.segment.isin(list(known)), "")
        for name in names.unique():
            yield str(name), (names == name).to_numpy(dtype=bool)

    def only(self, rows: Flags) -> Rows:
        """These customers alone."""
        plain: dict[str, Any] = {}
        for one in fields(self):
            value = getattr(self, one.name)
            if isinstance(value, Maybe):
                plain[one.name] = Maybe(value.value[rows], value.known[rows])
            elif isinstance(value, np.ndarray):
                plain[one.name] = value[rows]
            elif isinstance(value, pd.Series | pd.DataFrame):
                plain[one.name] = value[rows].reset_index(drop=True)
        return replace(self, **plain)

    def __len__(self) -> int:
        return len(self.ids)

    def floats(self, name: str) -> NDArray[np.float64]:
        """A float feature, NaN when missing."""
        return self.features[name].to_numpy(dtype=np.float64)

    def amounts(self, name: str) -> Maybe:
        """A nullable amount or count of the features."""
        return Maybe.of(self.features[name])

    def has_action(self, actions: tuple[str, ...], *wanted: str) -> Flags:
        """Customers whose class rule is one of `wanted`; `actions` is the rule of each status."""
        return np.array([action in wanted for action in actions], dtype=bool)[self.status]


def gather(features: pd.DataFrame, scores: pd.DataFrame, states: pd.DataFrame, *, policy: Policy) -> Rows:
    """The reviewed customers of `states` with their features and scores; what others of their groups owe is not known yet.

    Raises ReviewStopped naming customers that are lost between stages (no features or no score row), stand twice, or appear from nowhere.
    """
    for name, frame in (("features", features), ("scores", scores), ("states", states)):
        _refuse(frame["customer_id"][frame["customer_id"].duplicated()], f"{name}: customers that stand twice", "one row a customer")
        _refuse(
            frame["customer_id"][~among(frame["customer_id"], states["customer_id"])],
            f"{name}: customers without a state",
            "every customer in exactly one state",
        )
    ids = states.loc[states["state"] == CustomerState.REVIEWED, "customer_id"].sort_values(ignore_index=True)
    found, scored = _aligned(features, ids, "features"), _aligned(scores, ids, "scores")
    grade = pd.Index(policy.grade_names).get_indexer(pd.Index(scored["grade"]))
    _refuse(ids[(grade < 0) & (scored["grade"] != "").to_numpy()], "scores: customers with a grade that policy does not have", "its grades")
    status = pd.Index(list(policy.classes)).get_indexer(pd.Index(found["status"]))
    _refuse(ids[status < 0], "features: customers with a credit status that policy has no rule for", ", ".join(policy.classes))
    excluded = np.array([rule.action == "exclude" for rule in policy.classes.values()], dtype=bool)
    _refuse(ids[excluded[status]], "states: reviewed customers that policy excludes by class", "state excluded")
    code, codes = pd.factorize(found["currency"], sort=True)
    by_terms, peak = Maybe.of(found["need_minor"]), Maybe.of(found["peak_balance_minor"])
    season = Maybe.of(found["season_peak_minor"])
    forecast = Maybe.of(found["forecast_minor"])
    least = larger(larger(by_terms, season), forecast)
    return Rows(
        ids=ids,
        features=found,
        scores=scored,
        currencies=tuple(str(c) for c in codes),
        currency=code.astype(np.int64),
        grade=grade.astype(np.int64),
        graded=grade >= 0,
        status=status.astype(np.int64),
        limit=Maybe.of(found["limit_minor"]),
        terms=Maybe.of(found["terms_days"]),
        need_by_terms=by_terms,
        peak_balance=peak,
        season_peak=season,
        forecast=forecast,
        need=larger(least, peak) if policy.limits.need.at_least_peak_balance else least,
        exposure=found["exposure_minor"].to_numpy(dtype=np.int64),
        segment=states.set_index("customer_id")["policy_segment"].reindex(ids).fillna("").astype("str").reset_index(drop=True),
        others_owe=Maybe(np.zeros(len(ids), dtype=np.int64), np.zeros(len(ids), dtype=bool)),
    )


def aligned(frame: pd.DataFrame, ids: pd.Series[Any]) -> tuple[pd.DataFrame, Flags]:
    """Rows of `frame` in the order of `ids`, and which of them exist; a missing one repeats some other row and must be masked."""
    at = pd.Index(frame["customer_id"]).get_indexer(pd.Index(ids))
    if not len(frame):
        return frame, np.zeros(len(ids), dtype=bool)
    return frame.iloc[np.maximum(at, 0)].reset_index(drop=True), at >= 0


def _aligned(frame: pd.DataFrame, ids: pd.Series[Any], name: str) -> pd.DataFrame:
    rows, there = aligned(frame, ids)
    _refuse(ids[~there], f"{name}: no row for reviewed customers", f"one row of {name} for each")
    return rows


def _refuse(ids: Collection[str], what: str, expected: str) -> None:
    if len(ids):
        shown = ", ".join(sorted(map(str, ids))[:_SHOWN]) + (" ..." if len(ids) > _SHOWN else "")
        raise ReviewStopped(
            f"{what}: {shown} ({len(ids)} in all)",
            expected=expected,
            next_step="resume the review; when it stops here again, a stage lost or changed these rows",
        )
