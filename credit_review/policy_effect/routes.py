"""Whom each proposal of a book would go to: by rule, or to which tier and which people. Whole columns; each proposal by itself.

The sums are those of the day of the review: the group's limits then, and its increases of the twelve months before it. Proposals of the
same review do not count for one another, people's absences and conflicts of interest do not count: those are facts of the day of asking.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from credit_review import fx
from credit_review.authority import Matrix
from credit_review.fx import RateTable
from credit_review.limits.arrays import Flags, Ints
from credit_review.limits.codes import SEPARATOR, Exceptional
from credit_review.limits.frame import changed
from credit_review.model.money import to_minor

BY_RULE = "by_rule"
_NO_BOUND = 2**62


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    """What tiers are reckoned by, control currency, minor units: by group, limits in force and increases of the twelve months before."""

    limits: pd.Series[Any]
    increases: pd.Series[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Routes:
    """One way a row: `by_rule`, a tier, or empty where nothing would change; and who would be asked, person ids joined by |."""

    way: NDArray[Any]
    approvers: NDArray[Any]


def routes(
    proposals: pd.DataFrame, matrix: Matrix, sums: Sums, *, regions: pd.Series[Any], day: date, as_of: date, rates: RateTable
) -> Routes:
    """The way of each row of PROPOSALS by `matrix` (its control currency is the policy's); `regions` is by row, `day` that of asking."""
    rank = _ranks(proposals, matrix, sums, as_of, rates)
    moved = changed(proposals).to_numpy(dtype=bool)
    through = proposals["straight_through"].to_numpy(dtype=bool) & (rank == 0)
    names = np.array([*(tier.tier for tier in matrix.tiers), ""], dtype=object)
    way = np.where(moved, np.where(through, BY_RULE, names[rank]), "")
    place, known = pd.factorize(regions.fillna(""))
    table = np.array(
        [[SEPARATOR.join(asked(matrix, n, str(region), day)) for region in known] for n in range(len(matrix.tiers))], dtype=object
    )
    people = table[rank, place] if len(known) else np.full(len(proposals), "", dtype=object)
    return Routes(way=way, approvers=np.where(moved & ~through, people, ""))


def asked(matrix: Matrix, rank: int, region: str, day: date) -> tuple[str, ...]:
    """Who would be asked first at a tier: its own holders for the region, and those of the next tiers until they are enough; where a
    committee decides, its members."""
    if matrix.tiers[rank].committee is not None:
        return tuple(sorted(matrix.able(rank, day, region)))
    found: list[str] = []
    for n in range(rank, len(matrix.tiers)):
        found += [p for p in dict.fromkeys(h.person for h in matrix.holders) if matrix.highest(p, day, region) == n]
        if len(found) >= matrix.tiers[rank].approvers:
            break
    return tuple(sorted(found))


def _ranks(proposals: pd.DataFrame, matrix: Matrix, sums: Sums, as_of: date, rates: RateTable) -> Ints:
    """The rank of the tier each row asks for, as `authority.tier_for` says it for one."""

    def control(column: pd.Series[Any]) -> Ints:
        found, _ = fx.convert_column(column.astype("Int64"), proposals["currency"], matrix.control_currency, on=as_of, rates=rates)
        return found.fillna(0).to_numpy(dtype=np.int64)

    group = proposals["group_id"].where(proposals["group_id"] != "", proposals["customer_id"])
    limits, increases = (one.reindex(group).fillna(0).to_numpy(dtype=np.int64) for one in (sums.limits, sums.increases))
    to, now = proposals["to_minor"], proposals["from_minor"]
    more = (to.fillna(0) - now.fillna(0)).clip(lower=0)
    rank = np.maximum(
        _within(matrix, "group_limit_up_to", limits - control(now) + control(to)),
        _within(matrix, "increases_12m_up_to", increases + control(more)),
    )
    for flags, tier in _raised(proposals, matrix):
        rank = np.where(flags, np.maximum(rank, matrix.rank(tier)), rank)
    return np.where(_loosens(proposals), rank, matrix.rank(matrix.reduction_tier))


def _within(matrix: Matrix, bound: str, minor: Ints) -> Ints:
    bounds = [getattr(tier, bound) for tier in matrix.tiers]
    table = np.array([_NO_BOUND if b is None else to_minor(b, matrix.control_currency) for b in bounds], dtype=np.int64)
    return np.searchsorted(table, minor, side="left").astype(np.int64)


def _raised(proposals: pd.DataFrame, matrix: Matrix) -> Iterator[tuple[Flags, str]]:
    """Circumstances that ask for at least a tier."""
    for grade, tier in matrix.raise_tier.grades.items():
        yield (proposals["grade"] == grade).to_numpy(dtype=bool), tier
    place, texts = pd.factorize(proposals["exceptional"])
    beyond = [any(code and code != Exceptional.FIRST_LIMIT for code in str(text).split(SEPARATOR)) for text in texts]
    yield np.array([*beyond, False], dtype=bool)[place], matrix.raise_tier.exceptions
    yield proposals["from_minor"].isna().to_numpy(dtype=bool), matrix.raise_tier.first_limit


def _loosens(proposals: pd.DataFrame) -> Flags:
    """Whether amount or terms grow, as `authority.Standing.loosens` says it for one."""
    to, now = (proposals[f"{name}_minor"] for name in ("to", "from"))
    terms, had = (proposals[f"{name}_terms_days"] for name in ("to", "from"))
    first = (to.fillna(0) > 0) | (terms.fillna(0) > 0)
    longer = (terms.isna() & had.notna()) | (terms.fillna(0) > had.fillna(0))
    grows = (to.fillna(0) > now.fillna(0)) | longer
    found: Flags = first.where(now.isna(), grows).to_numpy(dtype=bool)
    return found
