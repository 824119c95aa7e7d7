"""How many items a sample needs, and what a sample of that many shows: exact binomial and hypergeometric limits, Poisson factors.

Rates and confidences are fractions. scipy is imported when it is needed: commands that draw no sample do not wait for it.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import ROUND_CEILING, Decimal
from enum import StrEnum
from math import ceil

from credit_review.errors import BadInput
from credit_review.words import said

LOWEST_CONFIDENCE, HIGHEST_CONFIDENCE = Decimal("0.70"), Decimal("0.99")
"""Below 70% the combined limit of a stratified sample is not proven; the expansion factors end at 99%."""

LARGE = 2_000
"""From this many items on, a population counts as endless (binomial), which never makes a sample too small."""

_ROUNDING = 1e-12
"""What a chance computed in floating point may be off by."""


class Frequency(StrEnum):
    """How often a control runs."""

    ANNUAL = "annual"
    QUARTERLY = "quarterly"
    MONTHLY = "monthly"
    WEEKLY = "weekly"
    DAILY = "daily"


BY_FREQUENCY = {Frequency.ANNUAL: 1, Frequency.QUARTERLY: 2, Frequency.MONTHLY: 3, Frequency.WEEKLY: 5, Frequency.DAILY: 25}
"""Customary sizes by how often a control runs (firms vary: weekly 5 to 15). They count runs of the control, not transactions in a run."""

_EXPANSION = {"0.99": "1.9", "0.95": "1.6", "0.90": "1.5", "0.85": "1.4", "0.80": "1.3", "0.75": "1.25", "0.70": "1.2"}
"""Expansion factors for expected misstatement by confidence, as the customary tables have them."""


def require_sound(confidence: Decimal, tolerable: Decimal, expected: Decimal) -> None:
    """Return when a sample can be planned on these. Raises BadInput naming the one that cannot be."""
    if not LOWEST_CONFIDENCE <= confidence <= HIGHEST_CONFIDENCE:
        raise BadInput(said("confidence {share} is out of range", share=percent(confidence)), expected=said("70% to 99%"))
    if not 0 < tolerable < 1:
        raise BadInput(
            said("tolerable rate {share} is out of range", share=percent(tolerable)), expected=said("more than 0% and less than 100%")
        )
    if not 0 <= expected < tolerable:
        raise BadInput(
            said("expected rate {share} is not below the tolerable one", share=percent(expected)),
            expected=said("0% or more, and less than {tolerable}", tolerable=percent(tolerable)),
            next_step=said("a population expected to be that bad is examined whole, or not relied upon"),
        )


def percent(share: Decimal) -> str:
    """A share as people read it, as it is: `5%`, `0.25%`."""
    return f"{(share * 100).normalize():f}%"


def percent_up(share: float) -> str:
    """A limit as people read it, never less than it is: rounded up to a tenth of a percent."""
    tenths = (Decimal(repr(share)) * 1000).quantize(Decimal("0.000001")).to_integral_value(rounding=ROUND_CEILING)
    return f"{tenths / 10}%"


def shows(deviations: int, examined: int, population: int, rate: Decimal, confidence: Decimal) -> bool:
    """Whether so few deviations among the examined make it as sure as that, that fewer than `rate` of the population deviate."""
    return _excluded(risk(deviations, examined, population, rate), confidence)


def _excluded(chance: float, confidence: Decimal) -> bool:
    return chance <= float(1 - confidence) + _ROUNDING


def risk(deviations: int, examined: int, population: int, rate: Decimal) -> float:
    """The chance to see so few deviations among the examined if `rate` of the population (up to a whole item) deviated."""
    if examined >= population or population < LARGE:
        return _chance(deviations, examined, population, ceil(rate * population))
    from scipy import stats

    return float(stats.binom.cdf(deviations, examined, float(rate)))


def _chance(deviations: int, examined: int, population: int, deviating: int) -> float:
    """The same of a population that ends, exact."""
    from scipy import stats

    if examined >= population:
        return float(deviations >= deviating)
    return float(stats.hypergeom.cdf(deviations, population, deviating, examined))


def attribute_size(population: int, *, confidence: Decimal, tolerable: Decimal, expected: Decimal = Decimal(0)) -> int:
    """The smallest sample in which the deviations expected of it (rounded up) still show fewer than `tolerable` in the population.

    All of it when no smaller one does.
    """

    def enough(allowed: int) -> int:
        return _first(allowed + 1, population, lambda n: shows(allowed, n, population, tolerable, confidence))

    return _with_expected(population, expected, enough)


def poisson_size(population: int, *, confidence: Decimal, tolerable: Decimal, expected: Decimal = Decimal(0)) -> int:
    """The same by Poisson factors, whose limit holds however the sample is spread over strata: at most one or two items more."""
    return _with_expected(population, expected, lambda allowed: ceil(factor(allowed, confidence) / tolerable))


def _with_expected(population: int, expected: Decimal, enough: Callable[[int], int]) -> int:
    for allowed in range(population):
        size = enough(allowed)
        if size >= population:
            break
        if ceil(expected * size) <= allowed:
            return size
    return population


def _first(low: int, high: int, holds: Callable[[int], bool]) -> int:
    """The smallest number from `low` to `high` for which it holds; `high` when for none. What holds for one holds for all above."""
    while low < high:
        middle = (low + high) // 2
        if holds(middle):
            high = middle
        else:
            low = middle + 1
    return high


def upper_rate(deviations: int, examined: int, population: int, confidence: Decimal) -> float:
    """The share of the population of which you may be `confidence` sure that not more deviates."""
    from scipy import stats

    if examined >= population:
        return deviations / population
    if population < LARGE:
        most = population - (examined - deviations)
        excluded = _first(deviations, most + 1, lambda k: k > most or _excluded(_chance(deviations, examined, population, k), confidence))
        return (excluded - 1) / population
    return 1.0 if deviations >= examined else float(stats.beta.ppf(float(confidence), deviations + 1, examined - deviations))


def factor(errors: int, confidence: Decimal) -> Decimal:
    """The Poisson factor for so many errors, rounded up to two decimals as the printed tables are: 95% and none 3.00, 90% and none 2.31."""
    from scipy import stats

    exact = Decimal(repr(float(stats.gamma.ppf(float(confidence), errors + 1))))
    return exact.quantize(Decimal("0.01"), rounding=ROUND_CEILING)


def expansion(confidence: Decimal) -> Decimal:
    """By how much expected misstatement is widened: the factor of the next confidence in the table that is not lower."""
    return next(Decimal(value) for at, value in sorted(_EXPANSION.items()) if Decimal(at) >= confidence)


def interval(total_minor: int, *, confidence: Decimal, tolerable: Decimal, expected: Decimal = Decimal(0)) -> int:
    """The monetary interval, minor units: total x (tolerable - expected x expansion) / factor, rounded down.

    Raises BadInput when nothing is left of the tolerable.
    """
    left = tolerable - expected * expansion(confidence)
    if left <= 0:
        raise BadInput(
            said("an expected rate of {share} leaves nothing to sample by", share=percent(expected)),
            expected=said("less than {share}", share=percent_up(float(tolerable / expansion(confidence)))),
            next_step=said("a population expected to be that bad is examined whole, or not relied upon"),
        )
    return max(1, int(total_minor * left / factor(0, confidence)))
