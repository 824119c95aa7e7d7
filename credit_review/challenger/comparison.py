"""What a challenger would have said of the customers of a review, held against what the scorecard said: ranks, grades, limits, money.

Nothing here changes a proposal: the same limit rules are asked a second time, with the challenger's probability and grade.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from credit_review import fx
from credit_review.challenger import figures
from credit_review.challenger.figures import Figure
from credit_review.monitoring.calibration import bins_of, brier, expected_error
from credit_review.policy import Policy
from credit_review.scoring import evaluation
from credit_review.scoring.grades import grades as graded
from credit_review.scoring.scorecard import Scorecard
from credit_review.scoring.scores import already_happened

SHADOW = ("customer_id", "pd_fraction", "grade", "set_aside")
"""Columns of a challenger's result: probability (fraction), grade by policy's bands, and whether the outcome had happened already."""
MOVERS = (
    "customer_id", "scorecard_grade", "challenger_grade", "scorecard_pd", "challenger_pd", "currency", "from_minor", "scorecard_minor",
    "challenger_minor", "difference_control_minor",
)  # fmt: skip
"""Columns of who would move: grades, probabilities, limits in minor units of `currency`, and their difference in control currency."""


@dataclass(frozen=True, slots=True)
class Money:
    """Limits of the reviewed customers in minor units of control currency; ups and downs are sums of changes, downs negative."""

    currency: str
    in_force: int
    scorecard_up: int
    scorecard_down: int
    challenger_up: int
    challenger_down: int
    higher: int
    lower: int
    without_rate: int

    @property
    def scorecard(self) -> int:
        """Limits if the scorecard's proposals are approved."""
        return self.in_force + self.scorecard_up + self.scorecard_down

    @property
    def challenger(self) -> int:
        """Limits the challenger would come to."""
        return self.in_force + self.challenger_up + self.challenger_down


@dataclass(frozen=True, slots=True)
class Measured:
    """Both models by one measure on the same customers, with 95% intervals, and the challenger less the scorecard."""

    name: str
    scorecard: Figure
    challenger: Figure
    difference: Figure


@dataclass(frozen=True, slots=True)
class Known:
    """What came true of the customers: until when, how many, how many with the outcome, and how both models had it."""

    until: date
    customers: int
    bad: int
    measures: tuple[Measured, ...]
    bins: tuple[tuple[str, int, float, float], ...]
    """Rows (model, customers, mean probability, rate) of both calibration curves."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """All of it. `counts[i][j]` customers have grade i by the scorecard and grade j by the challenger."""

    customers: int
    set_aside: int
    grades: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]
    kappa: float | None
    movers: pd.DataFrame
    money: Money
    known: Known | None = None
    why_unknown: str = ""

    @property
    def same(self) -> int:
        """Customers with the same grade by both."""
        return sum(row[at] for at, row in enumerate(self.counts))

    @property
    def one_apart(self) -> int:
        """Customers whose grades are neighbours."""
        return sum(n for i, row in enumerate(self.counts) for j, n in enumerate(row) if abs(i - j) == 1)


def shadow(features: pd.DataFrame, scores: pd.DataFrame, probability: Any, scorecard: Scorecard, policy: Policy) -> pd.DataFrame:
    """SHADOW rows of FEATURES rows and their SCORES (in the same order) from the challenger's probabilities.

    Grades follow policy as the scorecard's do: the last one is kept within the margin, and a missing view caps it.
    A customer to whom the outcome has happened keeps the scorecard's figures: the challenger was fitted on others.
    """
    happened = already_happened(features, scorecard.already)
    risk = np.where(happened, scores["pd_fraction"].to_numpy(dtype=np.float64), probability)
    by_risk = {one: policy.grade_for(one) for one in np.unique(risk).tolist()}
    band = np.array([by_risk[one] for one in risk.tolist()], dtype=object)
    judged, _ = graded(risk, band, scores["previous_grade"], scores["view_missing"], policy)
    grade = np.where(happened, scores["grade"].to_numpy(dtype=object), np.asarray(judged, dtype=object))
    found = pd.DataFrame({"customer_id": features["customer_id"].astype("str"), "pd_fraction": risk})
    return found.assign(grade=pd.array(grade, dtype="str"), set_aside=happened)[list(SHADOW)]


def scores_by(scores: pd.DataFrame, found: pd.DataFrame) -> pd.DataFrame:
    """SCORES with the challenger's probability and grade; points and reasons stay the scorecard's, which limits do not look at."""
    by_customer = found.set_index("customer_id").reindex(scores["customer_id"])
    return scores.assign(pd_fraction=by_customer["pd_fraction"].to_numpy(), grade=pd.array(by_customer["grade"].tolist(), dtype="str"))


def compared(
    scores: pd.DataFrame,
    found: pd.DataFrame,
    proposed: pd.DataFrame,
    would: pd.DataFrame,
    *,
    policy: Policy,
    rates: fx.RateTable,
    as_of: date,
    known: Known | None = None,
    why_unknown: str = "",
) -> Comparison:
    """The comparison for reviewed customers. `proposed` are PROPOSALS by the scorecard, `would` those with the challenger's scores."""
    reviewed = proposed.loc[proposed["state"] == "reviewed", "customer_id"]
    own, other = (one.set_index("customer_id").reindex(reviewed) for one in (scores, found))
    grades = tuple(one for one in policy.grade_names if one in set(own["grade"]) | set(other["grade"]))
    table = pd.crosstab(own["grade"].to_numpy(), other["grade"].to_numpy()).reindex(index=list(grades), columns=list(grades), fill_value=0)
    counts = tuple(tuple(int(n) for n in row) for row in table.to_numpy())
    beside = _beside(own, other, proposed, would, reviewed, policy, rates, as_of)
    moved = beside[(beside["scorecard_grade"] != beside["challenger_grade"]) | beside["scorecard_minor"].ne(beside["challenger_minor"])]
    largest = moved["difference_control_minor"].abs().fillna(0)
    order = pd.DataFrame({"size": -largest.astype("int64"), "customer": moved["customer_id"]}).sort_values(["size", "customer"]).index
    return Comparison(
        customers=len(reviewed),
        set_aside=int(other["set_aside"].sum()),
        grades=grades,
        counts=counts,
        kappa=_kappa(np.array(counts, dtype=np.float64)),
        movers=moved.loc[order, list(MOVERS)].reset_index(drop=True),
        money=_money(beside, policy.control_currency),
        known=known,
        why_unknown=why_unknown,
    )


def _beside(
    own: pd.DataFrame,
    other: pd.DataFrame,
    proposed: pd.DataFrame,
    would: pd.DataFrame,
    reviewed: pd.Series[str],
    policy: Policy,
    rates: fx.RateTable,
    as_of: date,
) -> pd.DataFrame:
    ours, theirs = (one.set_index("customer_id").reindex(reviewed) for one in (proposed, would))
    rows = pd.DataFrame(
        {
            "customer_id": reviewed.to_numpy(),
            "scorecard_grade": own["grade"].to_numpy(),
            "challenger_grade": other["grade"].to_numpy(),
            "scorecard_pd": own["pd_fraction"].to_numpy(),
            "challenger_pd": other["pd_fraction"].to_numpy(),
            "currency": ours["currency"].to_numpy(),
        }
    )
    amounts = {"from_minor": ours["from_minor"], "scorecard_minor": ours["to_minor"], "challenger_minor": theirs["to_minor"]}
    for name, column in amounts.items():
        rows[name] = column.astype("Int64").array
        converted, _ = fx.convert_column(rows[name].fillna(0), rows["currency"], policy.control_currency, on=as_of, rates=rates)
        rows[f"{name}_control"] = converted
    return rows.assign(difference_control_minor=rows["challenger_minor_control"] - rows["scorecard_minor_control"])


def _money(rows: pd.DataFrame, currency: str) -> Money:
    ours = rows["scorecard_minor_control"] - rows["from_minor_control"]
    theirs = rows["challenger_minor_control"] - rows["from_minor_control"]
    apart = rows["difference_control_minor"]
    return Money(
        currency=currency,
        in_force=int(rows["from_minor_control"].sum()),
        scorecard_up=int(ours.clip(lower=0).sum()),
        scorecard_down=int(ours.clip(upper=0).sum()),
        challenger_up=int(theirs.clip(lower=0).sum()),
        challenger_down=int(theirs.clip(upper=0).sum()),
        higher=int(apart.clip(lower=0).sum()),
        lower=int(apart.clip(upper=0).sum()),
        without_rate=int(apart.isna().sum()),
    )


def _kappa(counts: NDArray[np.float64]) -> float | None:
    """Cohen's kappa with quadratic weights: 1 where all grades agree, 0 where they agree as chance has it; None where it says nothing."""
    size, total = len(counts), counts.sum()
    if size < 2 or not total:
        return None
    weights = (np.subtract.outer(np.arange(size), np.arange(size)) / (size - 1)) ** 2
    expected = np.outer(counts.sum(axis=1), counts.sum(axis=0)) / total
    chance = float((weights * expected).sum())
    return round(1 - float((weights * counts).sum()) / chance, 4) if chance else None


def known_outcomes(
    scores: pd.DataFrame, found: pd.DataFrame, outcome: pd.DataFrame, groups: pd.Series[str], *, until: date, seed: int
) -> Known:
    """How both models had what came true. `outcome` is of `scoring.outcome` (left out rows say nothing), `groups` by customer id."""
    usable = outcome[outcome["left_out"] == ""].set_index("customer_id")["outcome"]
    both = scores.set_index("customer_id")["pd_fraction"].to_frame("scorecard")
    both["challenger"] = found[~found["set_aside"]].set_index("customer_id")["pd_fraction"]
    rows = both.join(usable, how="inner").dropna()
    bad = rows["outcome"].to_numpy(dtype=np.int64)
    risk = rows[["scorecard", "challenger"]].to_numpy(dtype=np.float64)
    labels = groups.reindex(rows.index).fillna("").to_numpy(dtype=str)
    labels = np.where(labels == "", rows.index.to_numpy(dtype=str), labels)
    measures: list[Measured] = []
    if figures.enough(bad):
        measures = [
            _measured("AUC", evaluation.auc, bad, risk, labels, seed),
            _measured("Brier score", _brier, bad, risk, labels, seed),
            _measured("calibration error", expected_error, bad, risk, labels, seed),
        ]
    bins = [bar for column, name in enumerate(("scorecard", "challenger")) for bar in _curve(name, bad, risk[:, column])]
    return Known(until, len(rows), int(bad.sum()), tuple(measures), tuple(bins) if measures else ())


def _brier(bad: Any, risk: Any) -> float:
    return brier(bad, risk).score


def _measured(name: str, measure: Any, bad: Any, risk: Any, labels: Any, seed: int) -> Measured:
    return Measured(name, *figures.paired(measure, bad, risk, labels, seed=seed))


def _curve(name: str, bad: Any, risk: Any) -> list[tuple[str, int, float, float]]:
    """Five bins of about equal size by risk."""
    place = bins_of(risk, 5)
    return [
        (name, int(p.sum()), round(float(risk[p].mean()), 6), round(float(bad[p].mean()), 6))
        for p in (place == at for at in np.unique(place))
    ]
