"""What came of the canaries, beside what must have come of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from credit_review.audit import canonical
from credit_review.model.money import EXPONENTS, Money
from credit_review.words import listed, marked, said

FIGURES: Mapping[str, str] = {
    "state": marked("state"),
    "quarantined_rows": marked("quarantined rows"),
    "exposure_minor": marked("exposure"),
    "own_risk_minor": marked("own risk"),
    "overdue_minor": marked("overdue"),
    "need_minor": marked("need by sales and terms"),
    "points": marked("points"),
    "behaviour_points": marked("points of payment behaviour"),
    "financial_points": marked("points of financial standing"),
    "grade": marked("grade"),
    "grade_rule": marked("why another grade than the band's"),
    "to_minor": marked("limit"),
    "to_terms_days": marked("payment terms"),
    "direction": marked("direction"),
    "forbids_increase": marked("rules against an increase"),
    "route": marked("route"),
    "tier": marked("tier"),
    "approvals": marked("approvals"),
}
"""Every figure that is compared, with its name for people, in the order in which a review computes them."""

_SHOWN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One figure of one canary that is not what it must be; values plain, amounts in minor units of `currency`."""

    canary: str
    figure: str
    expected: Any
    found: Any
    currency: str = ""

    def text(self) -> str:
        """`CREDIT-REVIEW-CANARY-01: limit 12,000.00 EUR expected, 11,000.00 EUR found`."""
        return said(
            "{canary}: {figure} {expected} expected, {found} found",
            canary=self.canary,
            figure=said(FIGURES[self.figure]),
            expected=self._shown(self.expected),
            found=self._shown(self.found),
        )

    def _shown(self, value: Any) -> Any:
        if value is None or value == "":
            return said(marked("nothing"))
        if self.figure.endswith("_minor") and isinstance(value, int) and self.currency in EXPONENTS:
            return Money(value, self.currency)
        return str(value)

    def plain(self) -> dict[str, Any]:
        """For the log and for a file."""
        return {"canary": self.canary, "figure": self.figure, "expected": self.expected, "found": self.found}


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """The canaries of one run: how many rode, what must come of them, what did, and where the two differ."""

    expected: Mapping[str, Mapping[str, Any]]
    found: Mapping[str, Mapping[str, Any]]
    differences: tuple[Difference, ...]

    @property
    def of(self) -> int:
        """How many rode."""
        return len(self.expected)

    @property
    def as_expected(self) -> int:
        """How many came out as they must."""
        return self.of - len({d.canary for d in self.differences})

    @property
    def held(self) -> bool:
        """Whether the review may go on: all came out as they must, and there were some."""
        return self.of > 0 and not self.differences

    @property
    def answers(self) -> str:
        """SHA-256 (hex) of what must come of them: the same as long as policy, scorecard and matrix are."""
        return sha256(canonical(_plain(self.expected)).encode()).hexdigest()

    def text(self) -> str:
        """`canaries: 12 of 12 as expected`, or which figures differ."""
        counted = said("canaries: {n} of {total} as expected", n=self.as_expected, total=self.of)
        if not self.differences:
            return counted
        shown = [d.text() for d in self.differences[:_SHOWN]]
        more = len(self.differences) - len(shown)
        if more:
            shown.append(said("and {n} more figures", n=more))
        return said("{counted}; {differences}", counted=counted, differences=listed(shown, by=marked("{first}; {rest}")))

    def plain(self) -> dict[str, Any]:
        """For a file."""
        return {
            "of": self.of,
            "as_expected": self.as_expected,
            "answers": self.answers,
            "expected": _plain(self.expected),
            "found": _plain(self.found),
            "differences": [d.plain() for d in self.differences],
        }


def compared(expected: Mapping[str, Mapping[str, Any]], found: Mapping[str, Mapping[str, Any]], currencies: Mapping[str, str]) -> Result:
    """The result: every figure that must come out is compared, and a canary that is missing differs in its state."""
    differences = []
    for canary, figures in expected.items():
        mine = found.get(canary, {})
        for figure, value in figures.items():
            if mine.get(figure) != value:
                differences.append(
                    Difference(canary=canary, figure=figure, expected=value, found=mine.get(figure), currency=currencies.get(canary, ""))
                )
                if figure == "state":
                    break  # what follows differs because of it
    return Result(expected=expected, found=found, differences=tuple(differences))


def _plain(figures: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    return {canary: dict(mine) for canary, mine in figures.items()}
