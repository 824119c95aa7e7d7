"""The financial condition of each customer at a day: figures of its newest statements, how they moved, and how old they are."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from credit_review.statements.figures import Floats, Texts, ratios
from credit_review.statements.models import FINANCIAL, KINDS, MODELS, Z_NON_MANUFACTURER
from credit_review.statements.slope import SMALLEST_COUNT, trend
from credit_review.statements.zoning import altman, zones
from credit_review.words import marked

FIGURES = ("current_ratio", "equity_ratio", "interest_coverage", "net_margin")
"""Ratios that stand among the features as they are."""
TEXTS = ("company_kind", "statements_audited", "altman_model", "altman_zone")
"""Columns of the condition that are codes; the others are floats."""

_NONE = marked("no statements known by {day}")
_HELD = marked("a row of the statements is in quarantine")
_NO_KIND = marked("the kind of company is not stated")
_NOT_MADE_FOR = marked("not made for financial companies")
_FEW = marked("fewer than {count} yearly statements with it")


@dataclass(frozen=True, slots=True)
class Condition:
    """One row a customer in the order asked for. `frame`: the columns of FEATURES that statements feed; `why`: `name: reason; ...`."""

    frame: pd.DataFrame
    why: Texts


def condition(
    statements: pd.DataFrame,
    customers: pd.Series[str],
    *,
    as_of: date,
    unknown_receipt_days: int,
    prefer: str,
    years: int,
    held: frozenset[str] = frozenset(),
) -> Condition:
    """Figures of the newest STATEMENTS of each of `customers` that were known by `as_of`, whatever the order of the rows.

    Known: received by then; where the day of receipt is not stated, `unknown_receipt_days` after the end of the period. The newest period
    counts, of several accounts of one period those of the basis `prefer`, then those received last. The trend is over the newest `years`
    periods of the same basis. Customers of `held` have rows in quarantine, so an older year could stand in for a worse one: no figure.
    """
    known = _known(statements, customers, as_of, unknown_receipt_days, prefer)
    newest = known.drop_duplicates("at", keep="first").reset_index(drop=True)
    at, count = newest["at"].to_numpy(dtype=np.int64), len(customers)
    columns, why = _figures(newest)
    slope = _trend(known, newest, count, years)
    few = _FEW.format(count=SMALLEST_COUNT)
    why["altman_z2_trend"] = np.where(why["altman_z2"] != "", why["altman_z2"], np.where(np.isnan(slope[at]), few, ""))
    placed = {name: _placed(values, at, count) for name, values in columns.items()}
    placed |= {"altman_z2_trend": np.where(np.isin(np.arange(count), at), slope, np.nan)}
    placed["statements_age_days"] = (as_of - date(1970, 1, 1)).days - _placed(_days(newest["period_end"]).astype(np.float64), at, count)
    frame = pd.DataFrame(placed)
    texts = _texts(why, at, count, none=_NONE.format(day=as_of))
    return _without(frame, texts, customers.isin(held).to_numpy(dtype=bool))


def _known(statements: pd.DataFrame, customers: pd.Series[str], as_of: date, unknown_receipt_days: int, prefer: str) -> pd.DataFrame:
    """Statements known at the day, of our customers, one a period and basis; newest first, and of one period the preferred basis first."""
    day = pd.Timestamp(as_of)
    received = statements["received_date"].fillna(statements["period_end"] + pd.Timedelta(days=unknown_receipt_days))
    rows = statements.assign(at=pd.Index(customers).get_indexer(pd.Index(statements["customer_id"])), received=received)
    rows = rows[(rows["at"] >= 0) & (rows["period_end"] <= day) & (rows["received"] <= day)].assign(other=lambda f: f["basis"] != prefer)
    newest_first = ["at", "period_end", "other", "basis", "received"]
    rows = rows.sort_values(newest_first, ascending=[True, False, True, True, False], kind="stable")
    return rows.drop_duplicates(["at", "period_end", "basis"], keep="first").reset_index(drop=True)


def _figures(newest: pd.DataFrame) -> tuple[dict[str, Any], dict[str, Texts]]:
    found = ratios(newest, FIGURES)
    kind = newest["company_kind"].to_numpy(dtype=object)
    columns: dict[str, Any] = {name: found.values[name].to_numpy() for name in FIGURES}
    why: dict[str, Texts] = {name: found.why[name].to_numpy(dtype=object) for name in FIGURES}
    unfit = np.select([kind == "", kind == FINANCIAL], [_NO_KIND, _NOT_MADE_FOR], default="").astype(object)
    by_model = {name: altman(newest, model) for name, model in MODELS.items()}
    applies = {k: m.name for k, m in KINDS.items() if m is not None}
    model = np.array([applies.get(k, "") for k in kind], dtype=object)
    score, zone, reason = np.full(len(newest), np.nan), np.full(len(newest), "", dtype=object), unfit.copy()
    for name, (values, lacks) in by_model.items():
        mine = model == name
        score[mine], reason[mine] = values[mine], lacks[mine]
        zone[mine] = zones(values[mine], MODELS[name])
    z2, z2_lacks = by_model[Z_NON_MANUFACTURER.name]
    columns |= {"altman_score": score, "altman_model": model, "altman_zone": zone, "altman_z2": np.where(unfit == "", z2, np.nan)}
    columns |= {"company_kind": kind, "statements_audited": newest["audited"].to_numpy(dtype=object)}
    return columns, why | {"altman_score": reason, "altman_z2": np.where(unfit == "", z2_lacks, unfit)}


def _trend(known: pd.DataFrame, newest: pd.DataFrame, count: int, years: int) -> Floats:
    """The slope of Z'' over the newest periods of the basis of the newest."""
    basis = _placed(newest["basis"].to_numpy(dtype=object), newest["at"].to_numpy(dtype=np.int64), count)
    same = known[known["basis"].to_numpy(dtype=object) == basis[known["at"].to_numpy(dtype=np.int64)]]
    same = same[same.groupby("at").cumcount() < years]
    score, why = altman(same, Z_NON_MANUFACTURER)
    score[(same["company_kind"] == FINANCIAL).to_numpy(dtype=bool) | (why != "")] = np.nan
    return trend(same["at"].to_numpy(dtype=np.int64), _days(same["period_end"]), score, count)


def _days(column: pd.Series[Any]) -> NDArray[np.int64]:
    days: NDArray[np.int64] = column.to_numpy().astype("datetime64[D]").view(np.int64)
    return days


def _placed(values: Any, at: NDArray[np.int64], count: int) -> Any:
    placed = np.full(count, np.nan) if values.dtype != object else np.full(count, "", dtype=object)
    placed[at] = values
    return placed


def _texts(why: dict[str, Texts], at: NDArray[np.int64], count: int, *, none: str) -> Texts:
    """`name: reason; name: reason` a customer, put together once for each combination that occurs."""
    texts = np.full(count, f"altman_z2: {none}", dtype=object)
    lines = pd.DataFrame({name: np.where(reason == "", "", f"{name}: " + reason) for name, reason in why.items()}, dtype=object)
    combined = lines.iloc[:, 0]
    for name in lines.columns[1:]:
        combined = combined.where(lines[name] == "", combined.where(combined == "", combined + "; ") + lines[name])
    texts[at] = combined.to_numpy(dtype=object)
    return texts


def _without(frame: pd.DataFrame, texts: Texts, held: NDArray[np.bool_]) -> Condition:
    """The condition without figures of the customers of `held`."""
    for name in frame.columns:
        frame[name] = frame[name].mask(held, "" if name in TEXTS else np.nan)
    return Condition(frame, np.where(held, f"altman_z2: {_HELD}", texts).astype(object))
