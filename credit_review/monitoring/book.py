"""Everything about a scorecard in use, from the reviews on record: what can be said, what waits for more quarters, and what alarms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import date
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from credit_review.controls.alarm import Alarm, Severity
from credit_review.monitoring import drift as drifts
from credit_review.monitoring import overrides as forecasts
from credit_review.monitoring.calibration import Band, Measures, curve, measures
from credit_review.monitoring.drift import Drift
from credit_review.monitoring.migration import Migration, migration
from credit_review.monitoring.overrides import QUARTERS, Hindsight, Override, Scored, nearest
from credit_review.monitoring.ranking import Ranking, ranking
from credit_review.monitoring.rates import LEVEL
from credit_review.monitoring.vintages import Cell, Verdict, back_test
from credit_review.scoring import text
from credit_review.scoring.factors import values
from credit_review.scoring.scorecard import Scorecard
from credit_review.scoring.scores import bin_numbers

if TYPE_CHECKING:
    from numpy.typing import NDArray

DRIFT, MISCALIBRATED, RANKS_BADLY, PAST_DATE = "scorecard_drift", "scorecard_calibration", "scorecard_ranking", "scorecard_past_date"
"""Names under which alarms stand."""
_MONTHS_A_QUARTER = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """What the reviews on record say, newest last.

    `scores`: a row a review day and customer: as_of (datetime), customer_id, group_id, scorecard (digest), points, pd_fraction, grade,
    late (as policy's outcome counts it, on that day). `outcomes`: a row a review day, look and customer whose outcome may count: as_of,
    quarters, whole (the window of the probability is over), customer_id, outcome; `no_outcomes` says why there are none. `factors`:
    customers of the newest review by place of each factor (`factor_counts`); `first_factors` of the oldest review with the same card.
    """

    card: Scorecard
    digest: str
    grades: tuple[str, ...]
    window_months: int
    seed: int
    today: date
    scores: pd.DataFrame
    outcomes: pd.DataFrame
    no_outcomes: str = ""
    factors: Mapping[str, NDArray[np.int64]] = field(default_factory=dict)
    first_factors: Mapping[str, NDArray[np.int64]] = field(default_factory=dict)
    overrides: tuple[Override, ...] = ()
    hindsight: Mapping[tuple[str, date, int], Hindsight] = field(default_factory=dict)

    @property
    def days(self) -> list[date]:
        """Days of the reviews, oldest first."""
        return sorted(day.date() for day in self.scores["as_of"].unique())


@dataclass(frozen=True, slots=True, kw_only=True)
class Monitored:
    """What monitoring says of a scorecard. A part that cannot be said yet is empty, and stands in `waits` with the quarters it needs more.

    `judged` is the day of the vintage that `measures` and `curve` are of, the newest whose window is over; `judged_card` the digest of
    the card that scored it. `no_outcomes` says why nothing is known of outcomes.
    """

    card: Scorecard
    digest: str
    today: date
    days: tuple[date, ...]
    customers: int
    score_drift: Drift | None
    factor_drift: tuple[Drift, ...]
    migration: Migration | None
    cells: tuple[Cell, ...]
    judged: date | None
    judged_card: str
    measures: Measures | None
    curve: tuple[Band, ...]
    ranking: Ranking | None
    overrides: tuple[Override, ...]
    hindsight: Mapping[tuple[str, date, int], Hindsight]
    scored: tuple[Scored, ...]
    no_outcomes: str
    waits: Mapping[str, int]
    alarms: tuple[Alarm, ...] = ()


def monitor(past: Past) -> Monitored:
    """Everything that can be said today, in one value, and its alarms. Pure: the same past says the same."""
    seen = past.outcomes.merge(past.scores, on=["as_of", "customer_id"], how="inner")
    whole = seen[seen["whole"].astype(bool)].sort_values(["as_of", "customer_id"], kind="stable")
    newest = whole[whole["as_of"] == whole["as_of"].max()]
    outcome, chance = newest["outcome"].to_numpy(dtype=np.int64), newest["pd_fraction"].to_numpy(dtype=np.float64)
    score, factors, moves = _score_drift(past), _factor_drift(past), _migration(past)
    found = Monitored(
        card=past.card,
        digest=past.digest,
        today=past.today,
        days=tuple(past.days),
        customers=int((past.scores["as_of"] == past.scores["as_of"].max()).sum()),
        score_drift=score,
        factor_drift=factors,
        migration=moves,
        cells=tuple(back_test(seen, past.grades)),
        judged=newest["as_of"].iloc[0].date() if len(newest) else None,
        judged_card=str(newest["scorecard"].iloc[0]) if len(newest) else "",
        measures=measures(outcome, chance, seed=past.seed) if len(newest) else None,
        curve=tuple(curve(outcome, chance, newest["grade"].to_numpy(dtype=object), past.grades)),
        ranking=_ranking(newest, past.seed),
        overrides=past.overrides,
        hindsight=MappingProxyType(dict(past.hindsight)),
        scored=tuple(_scored(past)),
        no_outcomes=past.no_outcomes,
        waits=MappingProxyType(_waits(past, score, moves)),
    )
    return replace(found, alarms=tuple(alarms(found)))


def factor_counts(card: Scorecard, features: pd.DataFrame) -> dict[str, NDArray[np.int64]]:
    """Customers of FEATURES by place of each factor of the card, as `scores.bin_numbers` counts them; factors never fed are left out."""
    fed = [one for one in card.factors if one.name not in card.not_available]
    features = text.with_scores(features, card.text)
    places = {one.name: bin_numbers(one, values(one.name, features, max_age_days=one.max_age_days)) for one in fed}
    return {one.name: np.bincount(places[one.name], minlength=len(one.places)).astype(np.int64) for one in fed}


def _same_card(past: Past) -> pd.DataFrame:
    return past.scores[past.scores["scorecard"] == past.digest]


def _score_drift(past: Past) -> Drift | None:
    """Points of the newest review against those of the oldest that the same card scored."""
    mine = _same_card(past)
    if mine["as_of"].nunique() < 2:
        return None
    first, last = (mine.loc[mine["as_of"] == day, "points"].to_numpy() for day in (mine["as_of"].min(), mine["as_of"].max()))
    return drifts.score_drift(first, last)


def _factor_drift(past: Past) -> tuple[Drift, ...]:
    """Each factor against the rows the card was fitted on; an expert card, against the oldest review it scored. All factors share 5%."""
    found = []
    for one in past.card.factors:
        now = past.factors.get(one.name)
        before, weight = _before(past, one.name)
        if now is not None and before is not None:
            found.append(drifts.drift(one.name, before, now, level=LEVEL / len(past.factors), weight=weight))
    return tuple(found)


def _before(past: Past, name: str) -> tuple[NDArray[np.int64] | None, float]:
    factor = next(one for one in past.card.factors if one.name == name)
    rows = [place.rows for place in factor.places]
    trained = past.card.trained_on
    if trained is not None and all(one is not None for one in rows):
        return np.array(rows, dtype=np.int64), trained.customers / trained.rows
    return past.first_factors.get(name), 1.0


def _migration(past: Past) -> Migration | None:
    """Moves between reviews a quarter apart that one card scored, all pairs together."""
    pairs = []
    for day in past.days:
        for later in nearest(past.days, day, 1)[:1]:
            old, new = (past.scores[past.scores["as_of"] == pd.Timestamp(one)] for one in (day, later))
            both = old.merge(new, on=["customer_id", "scorecard"], suffixes=("_old", "_new"))
            pairs.append(both[["grade_old", "grade_new"]])
    moved = pd.concat(pairs, ignore_index=True) if pairs else pd.DataFrame()
    if moved.empty:
        return None
    return migration(moved["grade_old"].tolist(), moved["grade_new"].tolist(), past.grades, pairs=sum(len(one) > 0 for one in pairs))


def _ranking(newest: pd.DataFrame, seed: int) -> Ranking | None:
    if newest.empty:
        return None
    outcome, group = newest["outcome"].to_numpy(dtype=np.int64), newest["group_id"].to_numpy(dtype=str)
    return ranking(outcome, -newest["points"].to_numpy(dtype=np.float64), group, seed=seed)


def _scored(past: Past) -> list[Scored]:
    of = past.scores[past.scores["customer_id"].isin([o.customer_id for o in past.overrides])]
    keys = zip(of["customer_id"].tolist(), (day.date() for day in of["as_of"].tolist()), strict=True)
    said: dict[tuple[str, date], float] = dict(zip(keys, of["pd_fraction"].tolist(), strict=True))
    return forecasts.scored(past.overrides, past.hindsight, past.grades, said=said, left_alone=left_alone(past))


def left_alone(past: Past) -> dict[tuple[date, int, str], tuple[int, int]]:
    """Late and all customers whose figure nobody replaced at that review, by its day, quarters after and grade then.

    They are looked at on the same later days as the overrides are: the review nearest to so many quarters after.
    """
    found: dict[tuple[date, int, str], tuple[int, int]] = {}
    for day in sorted({o.as_of for o in past.overrides}):
        touched = {o.customer_id for o in past.overrides if o.as_of == day}
        then = past.scores[(past.scores["as_of"] == pd.Timestamp(day)) & ~past.scores["customer_id"].isin(touched)]
        for quarters in QUARTERS:
            for near in nearest(past.days, day, quarters)[:1]:
                later = past.scores[past.scores["as_of"] == pd.Timestamp(near)][["customer_id", "late"]]
                both = then[["customer_id", "grade"]].merge(later, on="customer_id")
                for grade, part in both.groupby("grade"):
                    found[(day, quarters, str(grade))] = (int(part["late"].sum()), len(part))
    return found


def _waits(past: Past, score: Drift | None, moves: Migration | None) -> dict[str, int]:
    """Quarters that each part which cannot be said yet needs more."""
    days = past.days
    waits: dict[str, int] = {}
    if score is None:
        waits["drift"] = 1
    if moves is None:
        waits["migration"] = 1
    if not past.no_outcomes:
        if past.outcomes.empty:
            waits["back_test"] = _quarters_more(days, min(QUARTERS) * _MONTHS_A_QUARTER)
        if past.outcomes.empty or not past.outcomes["whole"].any():
            waits["calibration"] = _quarters_more(days, past.window_months)
    for quarters in QUARTERS:
        if past.overrides and not any(key[2] == quarters for key in past.hindsight):
            first = [min(o.as_of for o in past.overrides), days[-1]]
            waits[f"overrides_{quarters}"] = _quarters_more(first, quarters * _MONTHS_A_QUARTER)
    return waits


def _quarters_more(days: Sequence[date], months: int) -> int:
    """Quarters until the first of the days lies so many months back, at least one."""
    passed = (days[-1].year - days[0].year) * 12 + days[-1].month - days[0].month
    return max(1, -(-(months - passed) // _MONTHS_A_QUARTER))


# --- alarms ---------------------------------------------------------------------------------------------------------------------------


def alarms(found: Monitored) -> list[Alarm]:
    """One for each exception; the same one for the same exception in every run."""
    about = f"document:{found.digest}"
    out = [_drifted(about, found, one) for one in (found.score_drift, *found.factor_drift) if one is not None and one.alarms]
    out += [_miscalibrated(cell) for cell in found.cells if cell.verdict in (Verdict.TOO_LOW, Verdict.TOO_HIGH)]
    if found.ranking is not None and found.ranking.no_better_than_chance and found.judged is not None:
        facts: dict[str, str | int] = {"customers": found.ranking.customers, "bad": found.ranking.bad, "auc": f"{found.ranking.auc}"}
        subject = f"document:{found.judged_card}/{found.judged.isoformat()}"
        out.append(Alarm(control=RANKS_BADLY, subject=subject, severity=Severity.HIGH, facts=facts))
    if not found.card.holds(found.today):
        ends: dict[str, str | int] = {"from": f"{found.card.valid_from}", "to": f"{found.card.valid_to}"}
        out.append(Alarm(control=PAST_DATE, subject=about, severity=Severity.MEDIUM, facts=ends))
    return out


def _drifted(about: str, found: Monitored, one: Drift) -> Alarm:
    facts: dict[str, str | int] = {"what": one.what, "psi": f"{one.psi:.3f}", "limit": f"{one.limit:.3f}", "customers": sum(one.now)}
    facts["as_of"] = found.days[-1].isoformat()
    return Alarm(control=DRIFT, subject=f"{about}/{one.what}", severity=Severity.MEDIUM, facts=facts)


def _miscalibrated(cell: Cell) -> Alarm:
    """Too low is what hurts; too high costs business."""
    severity = Severity.HIGH if cell.verdict == Verdict.TOO_LOW else Severity.LOW
    facts: dict[str, str | int] = {"verdict": str(cell.verdict), "said": f"{cell.expected:.4f}"}
    facts |= {"bad": cell.found.bad, "customers": cell.found.of}
    subject = f"vintage:{cell.as_of.isoformat()}/{cell.grade or 'all'}/{cell.quarters}"
    return Alarm(control=MISCALIBRATED, subject=subject, severity=severity, facts=facts)


def plain(found: Monitored) -> dict[str, Any]:
    """As JSON values, for scripts: the figures and their counts, ids and no names."""
    parts: dict[str, Any] = {
        "scorecard": found.digest,
        "figure": found.card.figure,
        "valid_from": found.card.valid_from,
        "valid_to": found.card.valid_to,
        "reviews": list(found.days),
        "customers": found.customers,
        "no_outcomes": found.no_outcomes or None,
        "needs_more_quarters": dict(found.waits),
        "score_drift": _asdict(found.score_drift),
        "factor_drift": [_asdict(one) for one in found.factor_drift],
        "judged": found.judged,
        "measures": _asdict(found.measures),
        "ranking": _asdict(found.ranking),
        "curve": [asdict(one) | {"fits": one.fits} for one in found.curve],
        "back_test": [asdict(one) for one in found.cells],
        "overrides": [asdict(one) for one in found.scored],
    }
    moves = found.migration
    if moves is not None:
        tables = {name: np.round(getattr(moves, name), 6).tolist() for name in ("counts", "share", "low", "high")}
        parts["migration"] = {"grades": list(moves.grades), "pairs": moves.pairs, **tables}
    parts["alarms"] = [{**asdict(one), "facts": dict(one.facts), "key": one.key} for one in found.alarms]
    return parts


def _asdict(one: Any) -> dict[str, Any] | None:
    if one is None:
        return None
    more: dict[str, Any] = {"alarms": one.alarms} if isinstance(one, Drift) else {}
    more |= {"gini": one.gini(), "enough": one.enough} if isinstance(one, Ranking) else {}
    return asdict(one) | more
