"""Features that know what happened after the cut-off, and splits whose sides know each other: found and named before anything is fitted.

Three looks at a feature: what is declared of it (when its value was known), what its name or lineage says, and whether it alone separates
the outcomes better than any honest feature does. A feature declared is believed as to its name; nothing is believed as to its figures.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from credit_review.errors import BadInput
from credit_review.policy import Policy
from credit_review.scoring import evaluation
from credit_review.scoring.experts import max_age_days
from credit_review.scoring.factors import FACTORS, values
from credit_review.scoring.splits import Split
from credit_review.words import listed, marked, said

SEPARATES = 0.98
"""AUC of one feature alone, or of its missingness, from which on it is refused: real risk factors stay far below."""
SMALLEST_SIDE = 10
"""Fewer rows than this with or without the outcome, and figures separate by chance: they are not looked at."""
BINS = 20

_AFTERWARDS = re.compile(
    r"\b(settle\w*|clear(ed|ing|ance)?|paid|payment (date|day|on)|days? (to|until|till) (pay\w*|settle\w*|clear\w*)"
    r"|days (late|past due|overdue)|(?<!sales )(?<!payables )(?<!payable )outstanding|is open|open amount|total open|residual"
    r"|write ?off|written off|default(ed|s)?|recover\w*|insolv\w*|bankrupt\w*|closed|outcome|target|label)\b"
)
"""Words of a column that states how a claim ended, in its name split into words: nobody knows them at the cut-off."""


@dataclass(frozen=True, slots=True)
class Knowledge:
    """What is declared of a feature.

    `when`: "by cut-off" (computed from what was known by then), "at extraction" (today's value, whatever the row's date), or "dated":
    `dates` holds a date a row, when its value became known. `derived_from` names the source's columns; they are judged like its own name
    while `when` is empty. `why` says more exactly why only today's value is known.
    """

    when: Literal["", "by cut-off", "at extraction", "dated"] = ""
    dates: Any = None
    derived_from: tuple[str, ...] = ()
    why: str = ""


UNDECLARED = Knowledge()
BY_CUT_OFF = Knowledge("by cut-off")
AT_EXTRACTION = Knowledge("at extraction")


@dataclass(frozen=True, slots=True)
class Leak:
    """A feature that must not be fitted on: why, and what to do about it."""

    feature: str
    why: str
    next_step: str


def leaks(features: pd.DataFrame, outcome: Any, *, cutoff: Any, knowledge: Mapping[str, Knowledge]) -> tuple[Leak, ...]:
    """Every column of `features` that may know what came after the cut-off, with one reason each, in column order.

    `outcome` is 0 or 1 a row, `cutoff` the date up to which a row may know anything (one, or one a row). Missing values are NaN, None
    or "". Columns that `knowledge` does not name count as undeclared.
    """
    bad = np.asarray(outcome, dtype=np.int64)
    at = pd.Series(pd.to_datetime(cutoff if np.ndim(cutoff) else [cutoff] * len(features))).reset_index(drop=True)
    found = []
    for name in features.columns:
        values = features[name].reset_index(drop=True)
        declared = knowledge.get(str(name), UNDECLARED)
        leak = _by_date(str(name), values, declared, at) or _by_name(str(name), declared) or _by_figures(str(name), values, bad)
        if leak:
            found.append(leak)
    return tuple(found)


def of_factors(training: pd.DataFrame, policy: Policy) -> tuple[Leak, ...]:
    """`leaks` among the factors of a scorecard, on rows of `training_set`: each at its own cut-off, dated by its age where it has one."""
    found, knowledge = {}, {}
    for spec in FACTORS.values():
        found[spec.name] = values(spec.name, training, max_age_days=max_age_days(spec.name, policy))
        knowledge[spec.name] = Knowledge("at extraction", why=spec.today_only) if spec.today_only else BY_CUT_OFF
        if spec.age:
            age = pd.to_timedelta(training[spec.age].astype("float64"), unit="D")
            knowledge[spec.name] = Knowledge("dated", training["cutoff"] - age)
    return leaks(pd.DataFrame(found), training["outcome"], cutoff=training["cutoff"], knowledge=knowledge)


def refuse(found: tuple[Leak, ...]) -> None:
    """Return if there are no leaks. Raises BadInput naming each feature, why, and what to do."""
    if found:
        raise BadInput(
            listed([said("{feature}: {why}", feature=one.feature, why=one.why) for one in found], by="{first}; {rest}"),
            expected=said("features whose value was known by the cut-off"),
            next_step=listed(list(dict.fromkeys(one.next_step for one in found)), by="{first}; {rest}"),
        )


def refuse_split(split: Split, *, groups: Any, observed: Any = None, known: Any = None) -> None:
    """Return if no group stands on both sides of a split and, where dates are given, outcomes fitted on were known before any row judged.

    Raises BadInput naming a group and how many there are: rows of one issuer on both sides flatter AUC by points.
    """
    labels = np.asarray(pd.Series(groups).astype(str))
    both = sorted(set(labels[split.train]) & set(labels[split.test]))
    if both:
        raise BadInput(
            said("{n} groups stand on both sides of the split, such as {group}", n=len(both), group=both[0]),
            expected=said("all rows of a customer, issuer or group on one side"),
            next_step=said("split by group (scoring.splits.grouped)"),
        )
    if known is None or observed is None:
        return
    told, seen = (
        pd.to_datetime(pd.Series(known)).to_numpy()[split.train].max(),
        pd.to_datetime(pd.Series(observed)).to_numpy()[split.test].min(),
    )
    if told > seen:
        raise BadInput(
            said("outcomes to {last} are fitted on, but rows of {first} are judged by", last=_day(told), first=_day(seen)),
            expected=said("outcomes known before the first row that is judged by"),
            next_step=said("split by time (scoring.splits.in_time)"),
        )


def separation(values: pd.Series[Any], outcome: NDArray[np.int64]) -> float:
    """How well one feature alone tells the outcomes apart: the best AUC, in either direction, of its numbers or of its coarse bins.

    Bins and categories are judged by rates of the other half of the rows, so that one row a value (an invoice's number) proves nothing.
    """
    missing = _missing(values)
    number = pd.api.types.is_numeric_dtype(values) or pd.api.types.is_datetime64_any_dtype(values)
    best = 0.5
    if number and (~missing).any():
        ranked = values[~missing].astype("int64" if pd.api.types.is_datetime64_any_dtype(values) else "float64").to_numpy()
        if _enough(outcome[~missing]):
            best = _either_way(outcome[~missing], ranked)
        bins = pd.Series(-1, index=values.index)
        bins[~missing] = pd.qcut(ranked, min(BINS, max(2, len(ranked) // SMALLEST_SIDE)), labels=False, duplicates="drop")
        bins = bins.fillna(0)
    else:
        bins = pd.Series(pd.factorize(values.astype(object).where(~missing, None))[0], index=values.index)
    return max(best, _either_way(outcome, _rates_of_the_other_half(bins.astype("int64"), outcome)))


def _by_date(name: str, values: pd.Series[Any], declared: Knowledge, cutoff: pd.Series[Any]) -> Leak | None:
    if declared.when == "at extraction":
        return Leak(
            name,
            said(declared.why or marked("only today's value is in the source, which would tell the fit what happened later")),
            said("leave it out until its value of past dates is kept"),
        )
    dates = declared.dates if declared.when == "dated" else values if _is_date(values) and not declared.when else None
    if dates is None:
        return None
    when = pd.to_datetime(pd.Series(dates)).reset_index(drop=True)
    late = ~_missing(values) & (when > cutoff)
    undated = ~_missing(values) & when.isna()
    if late.any():
        first = int(np.flatnonzero(late)[0])
        why = said(
            "known on {day}, after the cut-off {cutoff}, in {n} of {rows} rows",
            day=_day(when[first]), cutoff=_day(cutoff[first]), n=int(late.sum()), rows=len(values),
        )  # fmt: skip
        return Leak(name, why, said("take the value as it was at the cut-off, or leave the feature out"))
    if undated.any():
        why = said("no date says when its value was known in {n} of {rows} rows", n=int(undated.sum()), rows=len(values))
        return Leak(name, why, said("state the date, or leave the value blank where there is none"))
    return None


def _by_name(name: str, declared: Knowledge) -> Leak | None:
    if declared.when:
        return None
    for column in (name, *declared.derived_from):
        found = _AFTERWARDS.search(_in_words(column))
        if found:
            why = said("named “{word}”, it states how the item predicted ended", word=found[0])
            if column != name:
                why = said("computed from {column}, which states how the item predicted ended", column=column)
            step = said("leave it out, or compute it from items ended by the cut-off and declare that")
            return Leak(name, why, step)
    return None


def _by_figures(name: str, values: pd.Series[Any], outcome: NDArray[np.int64]) -> Leak | None:
    if not _enough(outcome):
        return None
    step = said("show when its value became known; if by the cut-off, state the rule itself instead of fitting it")
    missing = _either_way(outcome, _missing(values).to_numpy(dtype=np.float64))
    if missing >= SEPARATES:
        why = said("whether it is missing separates the outcomes almost perfectly (AUC {auc})", auc=f"{missing:.3f}")
        return Leak(name, why, step)
    alone = separation(values, outcome)
    if alone >= SEPARATES:
        return Leak(name, said("alone it separates the outcomes almost perfectly (AUC {auc})", auc=f"{alone:.3f}"), step)
    return None


def _rates_of_the_other_half(bins: pd.Series[int], outcome: NDArray[np.int64]) -> NDArray[np.float64]:
    """For each row the bad rate of its bin among rows of the other half, the overall rate where there are none."""
    half = np.zeros(len(bins), dtype=np.int64)
    for side in (0, 1):  # each outcome is dealt evenly to both halves
        half[outcome == side] = np.arange((outcome == side).sum()) % 2
    codes, names = pd.factorize(bins)
    size = len(names)
    rates = np.full(len(bins), outcome.mean())
    for side in (0, 1):
        rows = np.bincount(codes[half != side], minlength=size)
        bad = np.bincount(codes[half != side], weights=outcome[half != side], minlength=size)
        known = (half == side) & (rows[codes] > 0)
        rates[known] = bad[codes[known]] / rows[codes[known]]
    return rates


def _either_way(outcome: NDArray[np.int64], values: NDArray[Any]) -> float:
    found = evaluation.auc(outcome, values)
    return 0.5 if np.isnan(found) else max(found, 1 - found)


def _enough(outcome: NDArray[np.int64]) -> bool:
    return bool(min(outcome.sum(), len(outcome) - outcome.sum()) >= SMALLEST_SIDE)


def _missing(values: pd.Series[Any]) -> pd.Series[bool]:
    return values.isna() | (values.astype(object) == "")


def _is_date(values: pd.Series[Any]) -> bool:
    return bool(pd.api.types.is_datetime64_any_dtype(values))


def _in_words(name: str) -> str:
    """`DaysToSettle`, `Number_of_Days_until_Payment` and `clear_date` in small words with blanks between."""
    return re.sub(r"[^a-z0-9]+", " ", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name).lower()).strip()


def _day(value: Any) -> Any:
    return pd.Timestamp(value).date()
