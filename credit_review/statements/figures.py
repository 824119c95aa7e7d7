"""Ratios of yearly statements, whole columns at a time, each with the reason where it cannot be computed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from credit_review.words import marked

DECIMALS = 6
A_YEAR = 12
_DAYS = 365

Floats = NDArray[np.float64]
Texts = NDArray[np.object_]

NAMES: MappingProxyType[str, str] = MappingProxyType(
    {
        "total_assets": marked("total assets"),
        "current_assets": marked("current assets"),
        "current_liabilities": marked("current liabilities"),
        "total_liabilities": marked("total liabilities"),
        "equity": marked("equity"),
        "retained_earnings": marked("retained earnings"),
        "market_equity": marked("market value of equity"),
        "sales": marked("sales"),
        "ebit": marked("EBIT"),
        "interest_expense": marked("interest expense"),
        "net_income": marked("net income"),
        "cash": marked("cash"),
        "inventories": marked("inventories"),
        "receivables": marked("receivables"),
    }
)
"""Items of a statement, by the name of their column without `_minor`, and their words."""

YEARLY = frozenset({"sales", "ebit", "interest_expense", "net_income"})
"""Items that belong to a period: a ratio of one is of a year, so accounts over another time give none (nothing is scaled up)."""

_MISSING = marked("{item} is missing")
_NOT_ABOVE_0 = marked("{item} is not above 0")
_NO_LENGTH = marked("the length of the period is missing")
_NOT_A_YEAR = marked("the accounts are over {months} months, not a year")


@dataclass(frozen=True, slots=True)
class Figures:
    """Figures by name and row of the statements: `values` floats, NaN where `why` says what is missing (empty text elsewhere)."""

    values: pd.DataFrame
    why: pd.DataFrame


@dataclass(frozen=True, slots=True)
class Ratio:
    """(sum of `plus` - sum of `minus`) / `under` x `times`; computed where `under` is above 0."""

    plus: tuple[str, ...]
    under: str
    minus: tuple[str, ...] = ()
    times: int = 1

    @property
    def items(self) -> tuple[str, ...]:
        """Every item it needs, in the order in which a missing one is named."""
        return (*self.plus, *self.minus, self.under)


RATIOS: MappingProxyType[str, Ratio] = MappingProxyType(
    {
        # liquidity
        "current_ratio": Ratio(("current_assets",), "current_liabilities"),
        "quick_ratio": Ratio(("current_assets",), "current_liabilities", minus=("inventories",)),
        "cash_ratio": Ratio(("cash",), "current_liabilities"),
        # leverage
        "equity_ratio": Ratio(("equity",), "total_assets"),
        "liabilities_to_equity": Ratio(("total_liabilities",), "equity"),
        # coverage
        "interest_coverage": Ratio(("ebit",), "interest_expense"),
        # profitability
        "net_margin": Ratio(("net_income",), "sales"),
        "ebit_margin": Ratio(("ebit",), "sales"),
        "return_on_assets": Ratio(("net_income",), "total_assets"),
        "return_on_equity": Ratio(("net_income",), "equity"),
        # turnover; days are over sales, since cost of sales is no item here
        "asset_turnover": Ratio(("sales",), "total_assets"),
        "receivable_days": Ratio(("receivables",), "sales", times=_DAYS),
        "inventory_days": Ratio(("inventories",), "sales", times=_DAYS),
        # Altman's X1 to X5; X4 once of book and once of market value
        "x1": Ratio(("current_assets",), "total_assets", minus=("current_liabilities",)),
        "x2": Ratio(("retained_earnings",), "total_assets"),
        "x3": Ratio(("ebit",), "total_assets"),
        "x4": Ratio(("equity",), "total_liabilities"),
        "x4_market": Ratio(("market_equity",), "total_liabilities"),
        "x5": Ratio(("sales",), "total_assets"),
    }
)
"""Every ratio by name. Definitions as in any textbook of statement analysis (White, Sondhi and Fried, The Analysis and Use of Financial
Statements); X1 to X5 from Altman (1968)."""


def ratios(statements: pd.DataFrame, names: Iterable[str] = RATIOS) -> Figures:
    """The named ratios of each row of STATEMENTS (amounts in minor units of one currency a row), rounded to 6 decimals.

    A ratio needs every item it is made of, an item below its line above 0, and a year's accounts where an item belongs to a period.
    """
    have = {item: _item(statements, item) for item in NAMES}
    values, why = {}, {}
    for name in names:
        values[name], why[name] = _ratio(RATIOS[name], statements, have)
    return Figures(pd.DataFrame(values, index=statements.index), pd.DataFrame(why, index=statements.index, dtype=object))


def _item(statements: pd.DataFrame, item: str) -> Floats:
    """Amounts as floats, exact up to 2^53; NaN where missing."""
    found: Floats = statements[f"{item}_minor"].to_numpy(dtype=np.float64, na_value=np.nan)
    return found


def _ratio(ratio: Ratio, statements: pd.DataFrame, have: dict[str, Floats]) -> tuple[Floats, Texts]:
    why = np.full(len(statements), "", dtype=object)
    if YEARLY & set(ratio.items):
        _say_length(why, statements["months"])
    for item in ratio.items:
        _say(why, np.isnan(have[item]), _MISSING.format(item=NAMES[item]))
    _say(why, ~(have[ratio.under] > 0), _NOT_ABOVE_0.format(item=NAMES[ratio.under]))
    over = sum((have[item] for item in ratio.plus), np.zeros(len(statements))) - sum(
        (have[i] for i in ratio.minus), np.zeros(len(statements))
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        value = np.round(over * ratio.times / have[ratio.under], DECIMALS) + 0.0  # -0.0 and 0.0 are one figure
    return np.where(why == "", value, np.nan), why


def _say_length(why: Texts, months: pd.Series[Any]) -> None:
    _say(why, months.isna().to_numpy(dtype=bool), _NO_LENGTH)
    for length in sorted(set(months.dropna().astype("int64")) - {A_YEAR}):
        _say(why, (months == length).fillna(False).to_numpy(dtype=bool), _NOT_A_YEAR.format(months=length))


def _say(why: Texts, where: NDArray[np.bool_], text: str) -> None:
    """Give the reason to rows that have none yet."""
    why[where & (why == "")] = text
