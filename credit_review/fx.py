"""Dated exchange rates as exact fractions. A conversion rounds half-even once, keeps rate, date and source, and is never guessed.

pandas and numpy are imported inside the functions that need them: the rules of approval use this module and must start fast.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal, InvalidOperation
from math import gcd
from typing import TYPE_CHECKING, Any

from credit_review.errors import BadInput
from credit_review.model.money import EXPONENTS, MAX_MINOR
from credit_review.words import said

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

DEFAULT_MAX_AGE_DAYS = 31
"""A rate older than this on the day of conversion is no rate: monthly tables pass, a forgotten table does not."""

_INT64_ROOM = 2**62


class MissingRate(BadInput):
    """No rate on or before the day, young enough, between two currencies. Never replaced by 1."""


@dataclass(frozen=True, slots=True)
class Conversion:
    """A converted amount and the evidence for it.

    `rate` is the table's text; `1/x` when the pair was stored the other way round; `a x b over EUR` when it was made of two, with the day
    of the older one.
    """

    minor: int
    rate: str
    rate_date: date
    source: str


@dataclass(frozen=True, slots=True)
class Factor:
    """Exact fraction from minor units of one currency to minor units of another, with the rate it comes from."""

    numerator: int
    denominator: int
    rate: str
    rate_date: date
    source: str


@dataclass(frozen=True, slots=True)
class _Quote:
    rate_date: date
    rate: str
    source: str
    value: Decimal


class RateTable:
    """Rates by currency pair and day: direct or inverse, the newest on or before the day, at most `max_age_days` old.

    When a pair is stored both ways the newer rate counts, and the direct one on the same day. Where a pair has neither, its rate is made of
    the two to a third currency, the first of `over` that both have a rate to: a central bank quotes all currencies against its own only.
    """

    def __init__(
        self, quotes: Mapping[tuple[str, str], list[_Quote]], *, max_age_days: int = DEFAULT_MAX_AGE_DAYS, over: Sequence[str] = ()
    ) -> None:
        self._quotes = {pair: sorted(found, key=lambda q: q.rate_date) for pair, found in quotes.items()}
        self._days = {pair: [q.rate_date for q in found] for pair, found in self._quotes.items()}
        self.max_age_days = max_age_days
        self.over = tuple(over)

    @classmethod
    def from_rows(
        cls, rows: Iterable[tuple[date, str, str, str, str]], *, max_age_days: int = DEFAULT_MAX_AGE_DAYS, over: Sequence[str] = ()
    ) -> RateTable:
        """The table of rows (rate date, base, quote, rate as decimal text, source).

        Raises BadInput on an unknown currency, a rate that is no positive number, or two different rates of a pair on one day.
        """
        quotes: dict[tuple[str, str], dict[date, _Quote]] = {}
        for rate_date, base, quote, rate, source in rows:
            _known_pair(base, quote, rate_date)
            found = _Quote(rate_date, str(rate), source, _value(rate, base, quote, rate_date))
            other = quotes.setdefault((base, quote), {}).setdefault(rate_date, found)
            if other.value != found.value:
                raise BadInput(
                    said(
                        "rates: {base}/{quote} on {rate_date} is both {rate} and {rate2}",
                        base=base,
                        quote=quote,
                        rate_date=rate_date,
                        rate=other.rate,
                        rate2=found.rate,
                    ),
                    expected=said("one rate a pair and day"),
                    next_step=said("remove one of the two rows from the rate table"),
                )
        return cls({pair: list(by_day.values()) for pair, by_day in quotes.items()}, max_age_days=max_age_days, over=over)

    @classmethod
    def from_frame(cls, rates: pd.DataFrame, *, max_age_days: int = DEFAULT_MAX_AGE_DAYS, over: Sequence[str] = ()) -> RateTable:
        """The table of a RATES frame. Raises BadInput as `from_rows` does."""
        columns = (rates[name].tolist() for name in ("rate_date", "base", "quote", "rate", "source"))
        rows = ((_day(d, b, q), b, q, r, s) for d, b, q, r, s in zip(*columns, strict=True))
        return cls.from_rows(rows, max_age_days=max_age_days, over=over)

    def factor(self, *, base: str, quote: str, on: date) -> Factor:
        """The exact fraction from minor units of `base` to minor units of `quote` on a day. Raises MissingRate."""
        if base == quote and base in EXPONENTS:
            return Factor(1, 1, "1", on, "same currency")
        found = self._stored(base, quote, on) or self._made(base, quote, on)
        if found is None:
            none = said("(no currency)")
            raise MissingRate(
                said("no rate from {base} to {quote} on {day}", base=base or none, quote=quote or none, day=on),
                expected=said("a rate dated {first} to {last}, direct or inverse", first=on - timedelta(days=self.max_age_days), last=on),
                next_step=said("add the rate to the rate table, then run the review again"),
            )
        return _scaled(found, base, quote)

    def convert(self, minor: int, *, base: str, quote: str, on: date) -> Conversion:
        """`minor` of `base` in minor units of `quote`, rounded half-even once. Raises MissingRate, or BadInput beyond the money range."""
        factor = self.factor(base=base, quote=quote, on=on)
        return Conversion(_in_range(_half_even(minor * factor.numerator, factor.denominator)), factor.rate, factor.rate_date, factor.source)

    def _stored(self, base: str, quote: str, on: date) -> Factor | None:
        """The pair's own rate as it is or the other way round, between major units."""
        direct, inverse = self._newest(base, quote, on), self._newest(quote, base, on)
        if direct is not None and (inverse is None or direct.rate_date >= inverse.rate_date):
            return Factor(*direct.value.as_integer_ratio(), direct.rate, direct.rate_date, direct.source)
        if inverse is None:
            return None
        numerator, denominator = inverse.value.as_integer_ratio()
        return Factor(denominator, numerator, f"1/{inverse.rate}", inverse.rate_date, inverse.source)

    def _made(self, base: str, quote: str, on: date) -> Factor | None:
        """The pair's rate from two others, between major units."""
        for third in self.over:
            one, other = self._stored(base, third, on), self._stored(third, quote, on)
            if one is not None and other is not None:
                numerator, denominator = one.numerator * other.numerator, one.denominator * other.denominator
                common = gcd(numerator, denominator)
                return Factor(
                    numerator // common,
                    denominator // common,
                    f"{one.rate} x {other.rate} over {third}",
                    min(one.rate_date, other.rate_date),
                    ", ".join(dict.fromkeys((one.source, other.source))),
                )
        return None

    def _newest(self, base: str, quote: str, on: date) -> _Quote | None:
        at = bisect_right(self._days.get((base, quote), []), on)
        if at == 0:
            return None
        found = self._quotes[(base, quote)][at - 1]
        return found if (on - found.rate_date).days <= self.max_age_days else None


def scale(minor: NDArray[np.int64], numerator: int | NDArray[np.int64], denominator: int) -> NDArray[np.int64]:
    """`minor` x numerator / denominator, exact and half-even, in int64 where no step can overflow and in Python integers elsewhere.

    `numerator` is one number, or one a row. Raises BadInput when a result is beyond the money range.
    """
    import numpy as np

    if not len(minor):
        return np.zeros(0, dtype=np.int64)
    largest = int(np.abs(minor).max())
    factor = abs(numerator) if isinstance(numerator, int) else int(np.abs(numerator).max())
    if (largest // denominator + 1) * factor < _INT64_ROOM and denominator * (factor + 2) < _INT64_ROOM:
        whole, rest = np.divmod(minor, denominator)
        more, rest = np.divmod(rest * numerator, denominator)
        quotient = whole * numerator + more
        result: NDArray[np.int64] = quotient + ((2 * rest > denominator) | ((2 * rest == denominator) & (quotient % 2 == 1)))
    else:
        factors = [numerator] * len(minor) if isinstance(numerator, int) else numerator.tolist()
        exact = (_in_range(_half_even(m * f, denominator)) for m, f in zip(minor.tolist(), factors, strict=True))
        result = np.fromiter(exact, dtype=np.int64, count=len(minor))
    _in_range(int(np.abs(result).max()))
    return result


def convert_column(
    minor: pd.Series[Any], base: pd.Series[Any], quote: pd.Series[Any] | str, *, on: date, rates: RateTable
) -> tuple[pd.Series[Any], pd.DataFrame]:
    """Amounts in `quote` (one code, or one a row), each rounded half-even once; Int64, NA where there is no rate or no amount.

    The second value is the evidence: base, quote, rate, rate_date, source and `amounts`, how many amounts used it, one row a pair.
    """
    import numpy as np
    import pandas as pd

    quotes = pd.Series(quote, index=base.index, dtype="str") if isinstance(quote, str) else quote
    missing = minor.isna().to_numpy(dtype=bool, copy=True)
    amounts = minor.fillna(0).to_numpy(dtype=np.int64)
    result = np.zeros(len(amounts), dtype=np.int64)
    used: list[tuple[str, str, str, date, str, int]] = []
    pair_of, pairs = _pairs(base, quotes)
    for number, (one, other) in enumerate(pairs):
        rows = np.flatnonzero((pair_of == number) & ~missing)
        try:
            factor = rates.factor(base=one, quote=other, on=on)
        except MissingRate:
            missing[rows] = True
            continue
        result[rows] = scale(amounts[rows], factor.numerator, factor.denominator)
        used.append((one, other, factor.rate, factor.rate_date, factor.source, len(rows)))
    converted = pd.Series(pd.arrays.IntegerArray(result, missing), index=minor.index)
    return converted, evidence(used)


def evidence(used: Iterable[tuple[str, str, str, date, str, int]]) -> pd.DataFrame:
    """Conversions made, one row a pair in pair order: base, quote, rate, rate_date, source, amounts."""
    import pandas as pd

    frame = pd.DataFrame(sorted(used), columns=["base", "quote", "rate", "rate_date", "source", "amounts"])
    kinds = {"base": "str", "quote": "str", "rate": "str", "rate_date": "datetime64[s]", "source": "str", "amounts": "int64"}
    return frame.astype(kinds)


def _pairs(base: pd.Series[Any], quote: pd.Series[Any]) -> tuple[NDArray[np.int64], list[tuple[str, str]]]:
    import pandas as pd

    one, ones = pd.factorize(base, use_na_sentinel=False)
    other, others = pd.factorize(quote, use_na_sentinel=False)
    number, numbers = pd.factorize(one * len(others) + other)
    split = (divmod(n, len(others)) for n in numbers.tolist())
    return number, [(str(ones.tolist()[i]), str(others.tolist()[j])) for i, j in split]


def _half_even(amount: int, denominator: int) -> int:
    quotient, rest = divmod(amount, denominator)
    return quotient + (2 * rest > denominator or (2 * rest == denominator and quotient % 2 == 1))


def _in_range(minor: int) -> int:
    if abs(minor) > MAX_MINOR:
        raise BadInput(
            said("converted amount {minor} is out of range", minor=minor),
            expected=said("at most {max_minor} minor units", max_minor=MAX_MINOR),
            next_step=said("check the amount and the rate in the source"),
        )
    return minor


def _scaled(found: Factor, base: str, quote: str) -> Factor:
    """A factor between major units as one between minor units."""
    shift = EXPONENTS[quote] - EXPONENTS[base]
    up, down = 10 ** max(shift, 0), 10 ** max(-shift, 0)
    return replace(found, numerator=found.numerator * up, denominator=found.denominator * down)


def _known_pair(base: str, quote: str, rate_date: date) -> None:
    for code in (base, quote):
        if code not in EXPONENTS:
            raise BadInput(
                said(
                    "rates: {base}/{quote} on {rate_date}: unknown currency {code}",
                    base=base,
                    quote=quote,
                    rate_date=rate_date,
                    code=repr(code),
                ),
                expected=said("ISO 4217 codes"),
                next_step=said("correct the row of the rate table"),
            )


def _value(rate: str, base: str, quote: str, rate_date: date) -> Decimal:
    try:
        value = Decimal(rate)
    except (InvalidOperation, TypeError, ValueError):
        value = Decimal(0)
    if not value.is_finite() or value <= 0 or (base == quote and value != 1):
        raise BadInput(
            said(
                "rates: {base}/{quote} on {rate_date}: {rate} is not a rate", base=base, quote=quote, rate_date=rate_date, rate=repr(rate)
            ),
            expected=said("a positive decimal number such as 1.0834") if base != quote else said("1 between a currency and itself"),
            next_step=said("correct the row of the rate table"),
        )
    return value


def _day(value: Any, base: str, quote: str) -> date:
    if value is None or value != value:  # NaT is the only date that differs from itself
        raise BadInput(
            said("rates: {base}/{quote} has no date", base=base, quote=quote),
            expected=said("a date in rate_date"),
            next_step=said("correct the row of the rate table"),
        )
    return date(value.year, value.month, value.day)
