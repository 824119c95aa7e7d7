"""Overrides as forecasts: who put which figure in place of the engine's, why, and what a later review found of the customer.

One rule says what hindsight is, for a person's coaching figures and for the ledger. No pandas here: the command line reads it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from credit_review.monitoring.rates import Rate, rate

QUARTERS = (2, 4)
"""After how many quarters an override is looked at again."""
NEAR_DAYS = 45
"""A review counts as so many quarters after when its as-of date lies at most this far from that day."""
_QUARTER_DAYS = 91.3125


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """A figure of the engine that a person replaced: an amendment, a counter-offer or an emergency; minor units of one account."""

    person_id: str
    role: str
    customer_id: str
    as_of: date
    grade: str
    before_minor: int
    after_minor: int
    proposal_id: str = ""
    currency: str = ""
    reason: str = ""

    @property
    def up(self) -> bool:
        """Whether it says that the customer is better than the engine thinks."""
        return self.after_minor > self.before_minor


@dataclass(frozen=True, slots=True)
class Hindsight:
    """What a later review found of the customer: its grade, and whether the outcome that policy names had happened to it (`late`)."""

    grade: str
    late: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """Overrides of one direction, looked at so many quarters after: how many turned out late, beside what the engine had said.

    `engine` is the mean probability of these customers at their review, None where none is known. `left_alone` are customers of the same
    reviews and grades whose figure stood. `became` counts grades better, same and worse since.
    """

    up: bool
    quarters: int
    made: int
    late: Rate
    engine: float | None
    left_alone: Rate
    became: Mapping[str, int]


def nearest(days: Iterable[date], day: date, quarters: int) -> list[date]:
    """The days that count as so many quarters after that day, the nearest first."""
    distance = {one: abs((one - day).days - quarters * _QUARTER_DAYS) for one in days}
    return sorted((one for one in distance if distance[one] <= NEAR_DAYS), key=lambda one: (distance[one], one))


def became(found: Sequence[tuple[Override, Hindsight]], grades: Sequence[str]) -> dict[str, int]:
    """How many customers' grades became better, stayed or became worse, and how many were late; no grade counts as the worst."""
    place = {grade: n for n, grade in enumerate(grades)}
    steps = [place.get(later.grade, len(grades)) - place.get(then.grade, len(grades)) for then, later in found]
    return {
        "better": sum(step < 0 for step in steps),
        "same": sum(step == 0 for step in steps),
        "worse": sum(step > 0 for step in steps),
        "late": sum(later.late for _, later in found),
    }


def scored(
    overrides: Sequence[Override],
    hindsight: Mapping[tuple[str, date, int], Hindsight],
    grades: Sequence[str],
    *,
    said: Mapping[tuple[str, date], float],
    left_alone: Mapping[tuple[date, int, str], tuple[int, int]],
) -> list[Scored]:
    """Both directions and looks. `said` is the engine's probability by customer and review day; `left_alone` late and all customers whose
    figure stood, by review day, quarters after and grade then. Money and terms are not in it: lateness is what both forecasts are about.
    """
    return [_scored(up, quarters, overrides, hindsight, grades, said, left_alone) for up in (True, False) for quarters in QUARTERS]


def _scored(
    up: bool,
    quarters: int,
    overrides: Sequence[Override],
    hindsight: Mapping[tuple[str, date, int], Hindsight],
    grades: Sequence[str],
    said: Mapping[tuple[str, date], float],
    left_alone: Mapping[tuple[date, int, str], tuple[int, int]],
) -> Scored:
    mine = [o for o in overrides if o.up == up]
    found = [(o, hindsight[key]) for o in mine if (key := (o.customer_id, o.as_of, quarters)) in hindsight]
    known = [said[o.customer_id, o.as_of] for o, _ in found if (o.customer_id, o.as_of) in said]
    beside = [left_alone.get(key, (0, 0)) for key in sorted({(o.as_of, quarters, o.grade) for o, _ in found})]
    counted = became(found, grades)
    return Scored(
        up=up,
        quarters=quarters,
        made=len(mine),
        late=rate(counted["late"], len(found)),
        engine=sum(known) / len(known) if known else None,
        left_alone=rate(sum(late for late, _ in beside), sum(of for _, of in beside)),
        became={name: n for name, n in counted.items() if name != "late"},
    )
