"""What account owners expect customers to owe or to buy, how right they were, and what of it counts as need. No pandas, no policy.

A forecast states the highest balance of its days, or sales of its days with payment terms, from which the balance follows. Once its
days are over, a review compares it with the highest balance its ledger then shows. Of several statements about the same days the first
one is what its owner is judged by: whoever corrects a forecast shortly before it is over has not foreseen more.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction
from statistics import median

from credit_review.words import said_many

LONGEST_DAYS = 270
"""Days a forecast may span: a review within the year after its begin has to see all of them in the ledger's 12 months."""
DECIMALS = 4
"""Decimals of a ratio of actual to forecast."""
FEW_CASES = 5
"""Cases below which nothing is said of an owner where policy names no number."""
PEAK, SALES = "peak", "sales"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stated:
    """One forecast as recorded. Amounts are minor units of `currency`, days half-open; `actual_minor` None: not compared yet.

    `recorded_at` is the moment as ISO text (UTC), which orders statements; `recorded_on` its day.
    """

    forecast_id: str
    customer_id: str
    owner_id: str
    kind: str
    amount_minor: int
    currency: str
    terms_days: int | None
    valid_from: date
    valid_to: date
    recorded_on: date
    recorded_at: str
    actual_minor: int | None = None

    @property
    def expected_minor(self) -> int:
        """The highest balance it says: as stated, or sales x terms / days (terms at most the days), half-even once.

        Source: needs formula, sales x terms / days of the sales.
        """
        if self.kind == PEAK:
            return self.amount_minor
        days = (self.valid_to - self.valid_from).days
        return round(Fraction(self.amount_minor * min(self.terms_days or 0, days), days))

    def overlaps(self, other: Stated) -> bool:
        """Whether both speak of some same day of one customer."""
        same = self.customer_id == other.customer_id
        return same and self.valid_from < other.valid_to and other.valid_from < self.valid_to


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """How right somebody was: the number of cases, the median of actual over forecast (rounded half-even to 4 decimals; None without a
    case), and in how many the customer owed less, and more, than foreseen."""

    cases: int
    ratio: Decimal | None
    less: int
    more: int


def _first_to_last(stated: Iterable[Stated]) -> list[Stated]:
    return sorted(stated, key=lambda one: (one.recorded_at, one.forecast_id))


def cases_of(stated: Iterable[Stated]) -> list[Stated]:
    """The forecasts that their owners are judged by: compared, and no later word about days that an earlier one had spoken of."""
    kept: dict[str, list[Stated]] = defaultdict(list)
    for one in _first_to_last(stated):
        if not any(one.overlaps(earlier) for earlier in kept[one.customer_id]):
            kept[one.customer_id].append(one)
    return [one for several in kept.values() for one in several if one.actual_minor is not None and one.expected_minor > 0]


def track_of(cases: Sequence[Stated]) -> Track:
    """How right these forecasts were together."""
    ratios = [Fraction(one.actual_minor or 0, one.expected_minor) for one in cases]
    return Track(
        cases=len(ratios),
        ratio=Decimal(round(median(ratios) * 10**DECIMALS)).scaleb(-DECIMALS) if ratios else None,
        less=sum(ratio < 1 for ratio in ratios),
        more=sum(ratio > 1 for ratio in ratios),
    )


def tracks(stated: Iterable[Stated]) -> Mapping[str, Track]:
    """How right each owner was with all his customers, by owner."""
    return {owner: track for owner, customer, track in tracked(stated) if not customer}


def tracked(stated: Iterable[Stated]) -> list[tuple[str, str, Track]]:
    """Owner, customer and track: of each owner first all customers together (customer empty), then each of them."""
    by_owner: dict[str, list[Stated]] = defaultdict(list)
    for one in cases_of(stated):
        by_owner[one.owner_id].append(one)
    found: list[tuple[str, str, Track]] = []
    for owner, cases in sorted(by_owner.items()):
        found.append((owner, "", track_of(cases)))
        for customer in sorted({one.customer_id for one in cases}):
            found.append((owner, customer, track_of([one for one in cases if one.customer_id == customer])))
    return found


def bias(track: Track, least: int) -> str:
    """What a track says of its owner, with its number of cases; below `least` that it says nothing yet."""
    if track.cases < least:
        return said_many("{n} case: too few to tell", "{n} cases: too few to tell", n=track.cases)
    if track.ratio == 1:
        return said_many("none in {n} case", "none in {n} cases", n=track.cases)
    if track.ratio is not None and track.ratio < 1:
        return said_many("foresees too much, in {n} case", "foresees too much, in {n} cases", n=track.cases)
    return said_many("foresees too little, in {n} case", "foresees too little, in {n} cases", n=track.cases)


def factor_of(track: Track | None, *, least_cases: int, untested: Decimal) -> Decimal:
    """What part of a forecast counts: the owner's median of actual over forecast, never more than all of it; `untested` where there are
    fewer cases than `least_cases`."""
    if track is None or track.ratio is None or track.cases < least_cases:
        return untested
    return min(track.ratio, Decimal(1))


def standing(stated: Iterable[Stated], *, as_of: date, ahead_days: int, max_age_days: int) -> list[Stated]:
    """What counts on a day, of all customers: its days not over and begun, or to begin within `ahead_days`; recorded at most
    `max_age_days` before; and no later word about some of its days."""
    last_first = _first_to_last(stated)[::-1]
    newest: dict[str, list[Stated]] = defaultdict(list)
    for one in last_first:
        if not any(one.overlaps(later) for later in newest[one.customer_id]):
            newest[one.customer_id].append(one)
    return [
        one
        for several in newest.values()
        for one in several
        if one.valid_to > as_of and (one.valid_from - as_of).days <= ahead_days and (as_of - one.recorded_on).days <= max_age_days
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """What counts of a forecast as need: its expected balance in the account's currency, the part of it by the owner's accuracy with the
    number of cases, and the most that policy lets count (minor units)."""

    stated: Stated
    expected_minor: int
    factor: Decimal
    cases: int
    most_minor: int

    @property
    def minor(self) -> int:
        """Expected x factor, rounded half-even once, at most `most_minor`."""
        return min(round(Fraction(self.expected_minor) * Fraction(self.factor)), self.most_minor)


def counted(
    one: Stated, expected_minor: int, track: Track | None, *, peak_minor: int, at_most: Decimal, least_cases: int, untested: Decimal
) -> Counted:
    """One standing forecast by policy's rule: `at_most` x the highest balance of the last 12 months, rounded down, bounds it."""
    return Counted(
        stated=one,
        expected_minor=expected_minor,
        factor=factor_of(track, least_cases=least_cases, untested=untested),
        cases=track.cases if track else 0,
        most_minor=int(peak_minor * Fraction(at_most)),
    )
