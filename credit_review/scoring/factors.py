"""What a scorecard may look at: every factor, how it is read from FEATURES, which way is worse, and the reason it gives."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from credit_review.scoring.reasons import REASONS
from credit_review.scoring.scorecard import Direction
from credit_review.words import marked

FactorView = Literal["behaviour", "financial", "external"]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class FactorSpec:
    """A factor a scorecard may use. `age` names the FEATURES column that dates its value; `needs` what a source must state to feed it.

    `view` is which of the two views of a customer it belongs to; policy says where external reports count. `finer` names the factor that
    says the same as this category more exactly. `sparse`: that it is missing for most says something too.
    `today_only` says why its value of a past date cannot be told: then it is never fitted (see `leakage`).
    """

    name: str
    direction: Direction
    reason: str
    missing_reason: str
    read: Callable[[pd.DataFrame], Any]
    columns: tuple[str, ...]
    age: str = ""
    needs: str = ""
    category: bool = False
    view: FactorView = "behaviour"
    finer: str = ""
    sparse: bool = False
    today_only: str = ""

    @property
    def words(self) -> str:
        """The reason this factor gives when its value is below its best."""
        return REASONS[self.reason]

    @property
    def missing_words(self) -> str:
        """The reason it gives when its value is missing."""
        return REASONS[self.missing_reason]


def number(features: pd.DataFrame, column: str) -> Floats:
    """A FEATURES column as floats, NaN where missing; exact for amounts up to 2^53 minor units."""
    values: Floats = features[column].to_numpy(dtype=np.float64, na_value=np.nan)
    return values


def _plain(column: str) -> Callable[[pd.DataFrame], Floats]:
    return lambda features: number(features, column)


def _fraction(over: Floats, under: Floats) -> Floats:
    """over / under rounded to 6 decimals; NaN where `under` is not above 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio: Floats = np.where(under > 0, over / under, np.nan)
    return ratio.round(6)


def _over_30(features: pd.DataFrame) -> Floats:
    late = number(features, "dpd_31_60_minor") + number(features, "dpd_61_90_minor") + number(features, "dpd_over_90_minor")
    return _fraction(late, number(features, "open_items_minor"))


def _disputed(features: pd.DataFrame) -> Floats:
    disputed = number(features, "disputed_minor")
    return _fraction(disputed, np.maximum(number(features, "open_items_minor"), disputed))


def _worth_to_sales(features: pd.DataFrame) -> Floats:
    return _fraction(number(features, "tangible_net_worth_minor"), number(features, "sales_12m_minor"))


def _remarks(features: pd.DataFrame) -> Floats:
    """What a scorecard's own model of remarks adds (`text.with_scores`); missing for all where no model has read them."""
    return number(features, "remarks_log_odds") if "remarks_log_odds" in features.columns else np.full(len(features), np.nan)


def _code(column: str) -> Callable[[pd.DataFrame], Any]:
    return lambda features: features[column].to_numpy(dtype=object)


def _spec(
    name: str, direction: Direction, code: str, *columns: str, read: Callable[[pd.DataFrame], Any] | None = None, **more: Any
) -> FactorSpec:
    return FactorSpec(name, direction, f"R{code}", f"M{code}", read or _plain(name), columns or (name,), **more)


STATEMENTS = "statements"
"""What a source hands over that feeds the factors of yearly statements."""


def _of_statements(name: str, direction: Direction, code: str, **more: Any) -> FactorSpec:
    return _spec(name, direction, code, age="statements_age_days", needs=STATEMENTS, view="financial", **more)


_TODAYS_LIMIT = marked("limits of past dates are not in the ledger; today's limit would tell the fit what happened later")
_AGEING = ("dpd_31_60_minor", "dpd_61_90_minor", "dpd_over_90_minor", "open_items_minor")
FACTORS: MappingProxyType[str, FactorSpec] = MappingProxyType(
    {
        spec.name: spec
        for spec in (
            _spec("overdue_fraction", "higher_is_worse", "01"),
            _spec("oldest_dpd_days", "higher_is_worse", "02"),
            _spec("over_30_days_fraction", "higher_is_worse", "03", *_AGEING, read=_over_30),
            _spec("average_days_late", "higher_is_worse", "04", needs="cleared_items"),
            _spec("days_late_trend", "higher_is_worse", "05", needs="cleared_items"),
            _spec("utilisation_fraction", "higher_is_worse", "06", needs="limits", today_only=_TODAYS_LIMIT),
            _spec("months_on_book", "lower_is_worse", "07"),
            _spec("external_pd_fraction", "higher_is_worse", "08", age="external_age_days", view="external"),
            _spec("external_grade", "none", "09", read=_code("external_grade"), age="external_age_days", category=True, view="external",
                  finer="external_pd_fraction"),
            _spec("disputed_fraction", "higher_is_worse", "10", "disputed_minor", "open_items_minor", read=_disputed, needs="disputes"),
            _spec("net_worth_to_sales", "lower_is_worse", "11", "tangible_net_worth_minor", "sales_12m_minor",
                  read=_worth_to_sales, age="net_worth_age_days", needs="sales", view="financial"),
            _spec("remarks_log_odds", "higher_is_worse", "21", "remarks", read=_remarks, needs="remarks", sparse=True),
            _of_statements("altman_z2", "lower_is_worse", "12"),
            _of_statements("altman_zone", "none", "13", read=_code("altman_zone"), category=True, finer="altman_z2"),
            _of_statements("altman_z2_trend", "lower_is_worse", "14"),
            _of_statements("equity_ratio", "lower_is_worse", "15"),
            _of_statements("interest_coverage", "lower_is_worse", "16"),
            _of_statements("current_ratio", "lower_is_worse", "17"),
            _of_statements("net_margin", "lower_is_worse", "18"),
            _spec("statements_age_days", "higher_is_worse", "19", needs=STATEMENTS, view="financial"),
        )
    }
)  # fmt: skip
"""Every factor by name, in the order in which scorecards list them."""


def not_available(capabilities: Collection[str]) -> dict[str, str]:
    """The factors a source with these capabilities (`has` of its mapping) can never feed, each with the reason."""
    unfed = [spec for spec in FACTORS.values() if spec.needs and spec.needs not in capabilities]
    return {spec.name: marked("no {what} in source").format(what=spec.needs.replace("_", " ")) for spec in unfed}


def values(name: str, features: pd.DataFrame, *, max_age_days: int | None) -> Any:
    """The factor's value for each row of FEATURES: floats with NaN, or text with "" where missing or older than `max_age_days`."""
    spec = FACTORS[name]
    found = spec.read(features)
    if spec.age and max_age_days is not None:
        stale = number(features, spec.age) > max_age_days
        found = np.where(stale, "" if spec.category else np.nan, found)
    return found
