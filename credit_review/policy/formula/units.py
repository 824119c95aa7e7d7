"""What a figure of a formula is: money, days, months, a plain number, or a product of these; a word; or true or false."""

from __future__ import annotations

from dataclasses import dataclass

from credit_review.words import said


@dataclass(frozen=True, slots=True)
class Unit:
    """Exponents of money, days and months: `Unit()` is a plain number, `Unit(money=1, days=-1)` money a day."""

    money: int = 0
    days: int = 0
    months: int = 0

    def times(self, other: Unit) -> Unit:
        """The unit of a product."""
        return Unit(self.money + other.money, self.days + other.days, self.months + other.months)

    def over(self, other: Unit) -> Unit:
        """The unit of a quotient."""
        return Unit(self.money - other.money, self.days - other.days, self.months - other.months)

    @property
    def computable(self) -> bool:
        """Whether the engine has such figures: money to the power of 0 or 1, days and months to -1, 0 or 1."""
        return self.money in (0, 1) and abs(self.days) <= 1 and abs(self.months) <= 1

    @property
    def words(self) -> str:
        """What people call it."""
        return _UNIT_WORDS.get(self, said("another unit"))


NUMBER, MONEY, DAYS, MONTHS = Unit(), Unit(money=1), Unit(days=1), Unit(months=1)


@dataclass(frozen=True, slots=True)
class Word:
    """A text such as the grade or the credit status; `values` are those it can have, empty where the source decides."""

    values: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """What people call it."""
        return said("a word")


@dataclass(frozen=True, slots=True)
class Truth:
    """True or false, the outcome of a comparison."""

    @property
    def words(self) -> str:
        """What people call it."""
        return said("true or false")


Kind = Unit | Word | Truth

_UNIT_WORDS: dict[Unit, str] = {
    NUMBER: said("a plain number"),
    MONEY: said("money"),
    DAYS: said("days"),
    MONTHS: said("months"),
    Unit(money=1, days=1): said("money times days"),
    Unit(money=1, days=-1): said("money a day"),
    Unit(money=1, months=1): said("money times months"),
    Unit(money=1, months=-1): said("money a month"),
    Unit(days=-1): said("something a day"),
    Unit(months=-1): said("something a month"),
}
