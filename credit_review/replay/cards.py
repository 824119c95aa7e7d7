"""Two scorecards on one book: who would move to another grade, and whose limit would come out higher or lower, in money."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd


@dataclass(frozen=True, slots=True, kw_only=True)
class Money:
    """Proposed limits of one currency under either card, and how many come out higher or lower by how much. Minor units."""

    currency: str
    customers: int
    before_minor: int
    after_minor: int
    up: int
    up_minor: int
    down: int
    down_minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Mover:
    """A customer whose grade or proposed limit differs: the limit proposed under the one card and under the other, minor units."""

    customer_id: str
    grade_before: str
    grade_after: str
    currency: str
    before_minor: int
    after_minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Moves:
    """What the second card would change; `grades` counts customers by (grade before, grade after), `movers` has the largest sums first."""

    customers: int
    grades: Mapping[tuple[str, str], int]
    better: int
    worse: int
    money: tuple[Money, ...]
    movers: tuple[Mover, ...]


def compare(before: pd.DataFrame, after: pd.DataFrame, grades: tuple[str, ...]) -> Moves:
    """The moves between two PROPOSALS of the same customers; only reviewed ones count. `grades` are policy's, best first."""
    pair = before.merge(after, on=["customer_id", "currency"], suffixes=("_before", "_after"), validate="one_to_one")
    pair = pair[(pair["state_before"] == "reviewed") & (pair["state_after"] == "reviewed")]
    pair = pair.assign(change=pair["to_minor_after"].astype("int64") - pair["to_minor_before"].astype("int64"))
    order = {name: at for at, name in enumerate(grades)}
    step = pair["grade_after"].map(order).fillna(-1) - pair["grade_before"].map(order).fillna(-1)
    counted = pair.groupby(["grade_before", "grade_after"], sort=True).size()
    moved = pair[(step != 0) | (pair["change"] != 0)]
    largest = moved.assign(size=moved["change"].abs()).sort_values(["size", "customer_id"], ascending=[False, True], kind="stable")
    return Moves(
        customers=len(pair),
        grades={(str(key[0]), str(key[1])): int(n) for key, n in zip(counted.index, counted, strict=True)},
        better=int((step < 0).sum()),
        worse=int((step > 0).sum()),
        money=tuple(_money(str(currency), part) for currency, part in pair.groupby("currency", sort=True)),
        movers=tuple(_mover(row) for row in largest.to_dict("records")),
    )


def _money(currency: str, part: pd.DataFrame) -> Money:
    up, down = part["change"] > 0, part["change"] < 0
    return Money(
        currency=currency,
        customers=len(part),
        before_minor=int(part["to_minor_before"].sum()),
        after_minor=int(part["to_minor_after"].sum()),
        up=int(up.sum()),
        up_minor=int(part.loc[up, "change"].sum()),
        down=int(down.sum()),
        down_minor=int(-part.loc[down, "change"].sum()),
    )


def _mover(row: Mapping[object, object]) -> Mover:
    return Mover(
        customer_id=str(row["customer_id"]),
        grade_before=str(row["grade_before"]),
        grade_after=str(row["grade_after"]),
        currency=str(row["currency"]),
        before_minor=int(str(row["to_minor_before"])),
        after_minor=int(str(row["to_minor_after"])),
    )
