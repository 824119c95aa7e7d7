"""A scorecard as plain, readable, digested JSON: what every customer starts with, points for each bin of each factor, and the scale.

No pandas here: adopting or showing a scorecard needs none.
"""

from __future__ import annotations

import json
import math
from datetime import date
from hashlib import sha256
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag, model_validator

from credit_review import documents
from credit_review.words import marked, said

PROBABILITY_DECIMALS = 6

Outcome = Literal["probability of default", "probability of serious lateness"]
"""What the figure is called everywhere: not a probability of default where all that can be seen is lateness."""

Definition = Literal["default", "serious lateness"]
"""Whose outcomes a calibration counted: defaults (statuses and write-offs can be seen), or only lateness."""


Direction = Literal["higher_is_worse", "lower_is_worse", "none"]
"""Which way a number is worse, where the business knows it; with "none" the bins follow what the history shows."""
Text = Annotated[str, Field(min_length=1)]
Points = Annotated[int, Field(ge=-10_000, le=10_000)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0)]


def _day(value: Any) -> Any:
    """JSON has no dates: text such as "2026-09-30" stands for one."""
    return date.fromisoformat(value) if isinstance(value, str) else value


Day = Annotated[date, BeforeValidator(_day)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Scale(_Part):
    """Points and odds: `base_points` at `base_odds` good to one bad, and twice the odds for every `double_odds` points more."""

    base_points: Points
    base_odds: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    double_odds: Annotated[int, Field(gt=0, le=1000)]

    @property
    def factor(self) -> float:
        """Points for each unit of log odds: PDO / ln 2 (reference formulas 3.5)."""
        return self.double_odds / math.log(2)

    @property
    def offset(self) -> float:
        """Points at even odds: base points - factor x ln(base odds) (reference formulas 3.5)."""
        return self.base_points - self.factor * math.log(self.base_odds)

    def points(self, log_odds: float) -> float:
        """Points of log odds good:bad, not rounded."""
        return self.offset + self.factor * log_odds

    def log_odds(self, points: float) -> float:
        """Log odds good:bad of points."""
        return (points - self.offset) / self.factor


class NumberBin(_Part):
    """Points for values at or above the bin before and below `below` (null: no upper bound); rows and bad ones it was fitted on."""

    below: Finite | None
    points: Points
    rows: Count | None = None
    bad: Count | None = None


class CategoryBin(_Part):
    """Points for any of `values`; rows and bad ones it was fitted on."""

    values: Annotated[tuple[Text, ...], Field(strict=False, min_length=1)]
    points: Points
    rows: Count | None = None
    bad: Count | None = None


class MissingBin(_Part):
    """Points where the value is missing or stale, or of a category without `other` unknown, with the reason that gives."""

    points: Points
    reason: Text
    words: Text
    rows: Count | None = None
    bad: Count | None = None


class SpecialBin(_Part):
    """Points for exactly this `value`: a code among numbers (such as -1 for "not asked"), which is no measurement."""

    value: Finite
    points: Points
    reason: Text
    words: Text
    rows: Count | None = None
    bad: Count | None = None


class OtherBin(_Part):
    """Points for every category without a bin of its own: the `pooled` ones too rare to weigh alone, and those never seen before."""

    points: Points
    pooled: Count
    rows: Count | None = None
    bad: Count | None = None


class NumberFactor(_Part):
    """A factor measured by a number. Its places in order: bins, missing, special values."""

    name: Text
    kind: Literal["number"]
    direction: Direction
    max_age_days: Annotated[int, Field(gt=0)] | None = None
    reason: Text
    words: Text
    missing: MissingBin
    special: Annotated[tuple[SpecialBin, ...], Field(strict=False)] = ()
    bins: Annotated[tuple[NumberBin, ...], Field(strict=False, min_length=1)]

    @property
    def places(self) -> tuple[NumberBin | MissingBin | SpecialBin, ...]:
        """Every bin in the order in which `scores.bin_numbers` counts them."""
        return (*self.bins, self.missing, *self.special)

    @property
    def reasons(self) -> tuple[str, ...]:
        """The reason code of each place."""
        return (*(self.reason for _ in self.bins), self.missing.reason, *(b.reason for b in self.special))

    @model_validator(mode="after")
    def _sound(self) -> NumberFactor:
        bounds = [b.below for b in self.bins]
        inner = [b for b in bounds[:-1] if b is not None]
        if bounds[-1] is not None or len(inner) != len(bounds) - 1 or any(a >= b for a, b in pairwise(inner)):
            raise ValueError(said("bins of {factor}: expected growing bounds, and null for the last", factor=self.name))
        steps = [b.points - a.points for a, b in pairwise(self.bins)]
        if (self.direction == "higher_is_worse" and max(steps, default=0) > 0) or (
            self.direction == "lower_is_worse" and min(steps, default=0) < 0
        ):
            sentence = marked("points of {factor}: expected them to go one way, as {direction} promises")
            raise ValueError(said(sentence, factor=self.name, direction=self.direction))
        if len({b.value for b in self.special}) != len(self.special):
            raise ValueError(said("special of {factor}: expected each value once", factor=self.name))
        return self


class CategoryFactor(_Part):
    """A factor measured by a code, such as a bureau's grade. Its places in order: bins, missing, other."""

    name: Text
    kind: Literal["category"]
    max_age_days: Annotated[int, Field(gt=0)] | None = None
    reason: Text
    words: Text
    missing: MissingBin
    other: OtherBin | None = None
    bins: Annotated[tuple[CategoryBin, ...], Field(strict=False, min_length=1)]

    @property
    def places(self) -> tuple[CategoryBin | MissingBin | OtherBin, ...]:
        """Every bin in the order in which `scores.bin_numbers` counts them."""
        return (*self.bins, self.missing, *(() if self.other is None else (self.other,)))

    @property
    def reasons(self) -> tuple[str, ...]:
        """The reason code of each place."""
        return (*(self.reason for _ in self.bins), self.missing.reason, *(() if self.other is None else (self.reason,)))

    @model_validator(mode="after")
    def _sound(self) -> CategoryFactor:
        named = [v for b in self.bins for v in b.values]
        if len(named) != len(set(named)):
            raise ValueError(said("bins of {factor}: expected each value in one bin only", factor=self.name))
        return self


Factor = Annotated[NumberFactor | CategoryFactor, Field(discriminator="kind")]


class PairSide(_Part):
    """One side of a two-way table: the factor's name and the upper bounds of its bins but the last, which has none."""

    name: Text
    below: Annotated[tuple[Finite, ...], Field(strict=False)]


class PairFactor(_Part):
    """Points of two numbers together: what they say beside what each says alone.

    One row for each bin of `first` and one for missing, and in each row one figure for each bin of `second` and one for missing;
    `rows` and `bad` count what each cell was fitted on. Special values count as missing here.
    """

    name: Text
    kind: Literal["pair"]
    reason: Text
    words: Text
    first: PairSide
    second: PairSide
    points: Annotated[tuple[Annotated[tuple[Points, ...], Field(strict=False)], ...], Field(strict=False)]
    rows: Annotated[tuple[Annotated[tuple[Count, ...], Field(strict=False)], ...], Field(strict=False)]
    bad: Annotated[tuple[Annotated[tuple[Count, ...], Field(strict=False)], ...], Field(strict=False)]

    @property
    def reasons(self) -> tuple[str, ...]:
        """The reason code of each cell, row by row."""
        return tuple(self.reason for row in self.points for _ in row)

    @model_validator(mode="after")
    def _sound(self) -> PairFactor:
        high, wide = len(self.first.below) + 2, len(self.second.below) + 2
        if any(len(grid) != high or any(len(row) != wide for row in grid) for grid in (self.points, self.rows, self.bad)):
            sentence = marked("table of {factor}: expected {high} rows of {wide}, the last of each for missing")
            raise ValueError(said(sentence, factor=self.name, high=high, wide=wide))
        if any(a >= b for side in (self.first, self.second) for a, b in pairwise(side.below)):
            raise ValueError(said("bounds of {factor}: expected them to grow", factor=self.name))
        return self


CardFactor = Annotated[NumberFactor | CategoryFactor | PairFactor, Field(discriminator="kind")]


def point_table(factor: NumberFactor | CategoryFactor | PairFactor) -> tuple[int, ...]:
    """The points of every place of a factor, in the order in which `scores.bin_numbers` and `scores.cell_numbers` count them."""
    if isinstance(factor, PairFactor):
        return tuple(p for row in factor.points for p in row)
    return tuple(b.points for b in factor.places)


class Card(_Part):
    """What `ScorecardClassifier` fits: points for each bin of each factor, and the scale that turns their sum into a probability.

    points = base + points of each factor's place; log odds good:bad = (points - offset) / factor - calibration;
    probability = 1 / (1 + exp(log odds)), 6 decimals.
    """

    format: Literal[1]
    scale: Scale
    base: Points
    calibration: Finite
    factors: Annotated[tuple[CardFactor, ...], Field(strict=False)]

    def probability(self, points: int) -> float:
        """Probability of the outcome at a total of `points`; the same bytes on every machine."""
        return probability(points, scale=self.scale, shift=self.calibration)


def probability(points: int, *, scale: Scale, shift: float, slope: float = 1.0) -> float:
    """Probability of the outcome at a total of `points`, rounded to 6 decimals."""
    return round(1 / (1 + math.exp(slope * scale.log_odds(points) - shift)), PROBABILITY_DECIMALS)


SHORTEST, LONGEST = 2, 4
"""Characters of a fragment."""


class Fragment(_Part):
    """A run of characters (a space stands for the edge of a word), how much its rarity counts, and its weight: above 0 is worse."""

    text: Annotated[str, Field(min_length=SHORTEST, max_length=LONGEST)]
    rarity: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    weight: Finite


class TextModel(_Part):
    """What fragments of remarks say about the outcome, sorted by fragment; `customers` and `bad` are those it was fitted on."""

    kind: Literal["character fragments"]
    customers: Count
    bad: Count
    fragments: Annotated[tuple[Fragment, ...], Field(strict=False)]

    @model_validator(mode="after")
    def _sound(self) -> TextModel:
        names = [f.text for f in self.fragments]
        if names != sorted(set(names)):
            raise ValueError(said("fragments: expected each once, sorted"))
        return self


class AlreadyRule(_Part):
    """Points for a customer to whom the outcome has already happened at the as-of date.

    That is: a status of `statuses`, or an invoice more than `days_past_due` days past due with at least `material_amount` (major units of
    the account's currency) open in the ageing buckets that lie beyond.
    """

    points: Annotated[int, Field(le=0, ge=-10_000)]
    reason: Text
    words: Text
    days_past_due: Annotated[int, Field(gt=0)]
    material_amount: Annotated[str, Field(pattern=r"^[0-9]{1,14}(\.[0-9]{1,6})?$")]
    statuses: Annotated[tuple[Text, ...], Field(strict=False)]


class TrainedOn(_Part):
    """The history behind a fitted scorecard: cut-off dates, rows, distinct customers and distinct customers with the outcome."""

    cutoffs: Annotated[tuple[str, ...], Field(strict=False, min_length=1)]
    rows: Count
    customers: Count
    bad: Count


class Period(_Part):
    """How well scorecards fitted on earlier periods ranked the customers of a later one, all of groups they had not seen.

    AUC with its 95% interval (bootstrap over customer groups), 4 decimals; null with the reason in `why_not`.
    """

    cutoff: str
    customers: Count
    bad: Count
    auc: Finite | None
    low: Finite | None
    high: Finite | None
    why_not: str = ""


class Calibration(_Part):
    """What sets the log odds of the points right, measured on customers and a period that the card was not fitted on.

    log odds good:bad = slope x (points - offset) / factor - shift. `on` are the cut-offs of that period, `rows` and `bad` what was counted
    there, `low` and `high` 95% intervals (a slope without one was left at 1: too few outcomes). `definition` says which outcomes, in one
    word and in a sentence.
    """

    shift: Finite
    shift_low: Finite
    shift_high: Finite
    slope: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    slope_low: Finite | None
    slope_high: Finite | None
    definition: Definition
    definition_words: Text
    on: Annotated[tuple[str, ...], Field(strict=False, min_length=1)]
    rows: Count
    bad: Count


def _measured(value: Any) -> str:
    return "measured" if isinstance(value, dict | Calibration) else "shift"


class Scorecard(_Part):
    """Points that add up to a score, and the scale that turns the score into a probability of `outcome`.

    points = base + points of each factor's bin; log odds good:bad = slope x (points - offset) / factor - shift;
    probability = 1 / (1 + exp(log odds)), 6 decimals. `calibration` is measured on a later period, or a number: the shift alone, such that
    the card is right in the mean of the rows it was fitted on. `not_available` names factors this source cannot feed, and why: they count
    nothing. The card holds from `valid_from` until before `valid_to`.
    """

    format: Literal[1]
    name: Text
    kind: Literal["fitted", "expert"]
    outcome: Outcome
    outcome_words: Text
    why: Text
    valid_from: Day | None
    valid_to: Day | None = None
    scale: Scale
    base: Points
    calibration: Annotated[Annotated[Finite, Tag("shift")] | Annotated[Calibration, Tag("measured")], Discriminator(_measured)]
    factors: Annotated[tuple[Factor, ...], Field(strict=False, min_length=1)]
    already: AlreadyRule
    not_available: dict[str, Text]
    left_out: dict[str, Text]
    trained_on: TrainedOn | None
    evaluation: Annotated[tuple[Period, ...], Field(strict=False)]
    text: TextModel | None = None

    @model_validator(mode="after")
    def _sound(self) -> Scorecard:
        names = [f.name for f in self.factors]
        if len(names) != len(set(names)):
            raise ValueError(said("factors: expected each factor once"))
        unknown = set(self.not_available) - set(names)
        if unknown:
            raise ValueError(said("not_available: {names} is no factor of this scorecard", names=", ".join(sorted(unknown))))
        loud = [f.name for f in self.factors if f.name in self.not_available and f.missing.points != 0]
        if loud:
            sentence = marked("not_available: {names} must have 0 points where missing, since the source can never state it")
            raise ValueError(said(sentence, names=", ".join(loud)))
        if self.valid_from and self.valid_to and self.valid_to <= self.valid_from:
            raise ValueError(said("valid_to: expected a day after valid_from, {day}", day=self.valid_from))
        return self

    @property
    def shift(self) -> float:
        """What is taken off the log odds of the points."""
        return self.calibration.shift if isinstance(self.calibration, Calibration) else self.calibration

    @property
    def slope(self) -> float:
        """What the log odds of the points are multiplied by."""
        return self.calibration.slope if isinstance(self.calibration, Calibration) else 1.0

    @property
    def figure(self) -> Outcome:
        """What its figure is called: a probability of default only once it was calibrated to defaults."""
        to_default = isinstance(self.calibration, Calibration) and self.calibration.definition == "default"
        return "probability of default" if to_default else "probability of serious lateness"

    def holds(self, on: date) -> bool:
        """Whether a review as of that day may use it without a word."""
        return (self.valid_from is None or self.valid_from <= on) and (self.valid_to is None or on < self.valid_to)

    def probability(self, points: int) -> float:
        """Probability of the outcome at a total of `points`; the same bytes on every machine."""
        return probability(points, scale=self.scale, shift=self.shift, slope=self.slope)


def load(text: str, *, name: str = "scorecard.json") -> Scorecard:
    """The scorecard in `text`. Raises BadInput with line, field and what was expected."""
    return documents.check(documents.parse(text, name=name), Scorecard)


def load_card(text: str, *, name: str = "card.json") -> Card:
    """The card in `text`. Raises BadInput with line, field and what was expected."""
    return documents.check(documents.parse(text, name=name), Card)


def dump(scorecard: Scorecard | Card) -> str:
    """The scorecard as readable JSON, one line a bin; `load` gives back an equal scorecard, and equal scorecards give equal text.

    Special values, pooled categories, what remarks say and a last day are written only where there are any: cards without them keep
    their digest.
    """
    plain = scorecard.model_dump(mode="json", exclude_none=False)
    plain["factors"] = [{k: v for k, v in f.items() if k not in ("special", "other") or v} for f in plain["factors"]]
    plain = {k: v for k, v in plain.items() if k not in ("text", "valid_to") or v is not None}
    return _layout(plain, 0) + "\n"


def digest(scorecard: Scorecard | Card) -> str:
    """SHA-256 (hex) of `dump`: what a review's manifest, every score and the adoption record name."""
    return sha256(dump(scorecard).encode()).hexdigest()


_ONE_LINE = 120


def _layout(value: Any, depth: int) -> str:
    flat = _flat(value)
    if not isinstance(value, dict | list) or not value or (len(flat) <= _ONE_LINE and not _nested(value)):
        return flat
    pad = "  " * (depth + 1)
    if isinstance(value, dict):
        inner = [f"{_text(k)}: {_layout(v, depth + 1)}" for k, v in value.items()]
        opening, closing = "{", "}"
    else:
        inner = [_layout(v, depth + 1) for v in value]
        opening, closing = "[", "]"
    lines = ",\n".join(f"{pad}{line}" for line in inner)
    return f"{opening}\n{lines}\n{'  ' * depth}{closing}"


def _nested(value: Any) -> bool:
    children = value.values() if isinstance(value, dict) else value
    return any(isinstance(c, dict) for c in children)


def _flat(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_text(k)}: {_flat(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_flat(v) for v in value) + "]"
    if isinstance(value, float):
        return _float(value)
    return _text(value) if isinstance(value, str) else json.dumps(value)


def _text(value: str) -> str:
    """A JSON string in which letters of all scripts stay readable and whatever does not print is escaped."""
    return "".join(c if c.isprintable() or ord(c) > 0xFFFF else f"\\u{ord(c):04x}" for c in json.dumps(value, ensure_ascii=False))


def _float(value: float) -> str:
    """The shortest text that reads back as the same float, always with the decimal point our strict reader asks for."""
    mantissa, mark, exponent = repr(value).partition("e")
    return f"{mantissa if '.' in mantissa else mantissa + '.0'}{mark}{exponent}"
