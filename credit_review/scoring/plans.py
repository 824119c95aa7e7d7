"""What is known of a factor before any history is seen: number or category, which way is worse, which values are codes, what to call it.

No pandas here: whoever states factors need not load what fits them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from credit_review.scoring.scorecard import Direction
from credit_review.words import marked


@dataclass(frozen=True, slots=True)
class SpecialValue:
    """A code among a factor's values (such as -1 for "not asked", or a category that must not be pooled), with the reason it gives."""

    value: float | str
    reason: str
    words: str


@dataclass(frozen=True, slots=True)
class FactorPlan:
    """A factor a scorecard may use. Reason codes and words left empty are made from its name.

    `direction` binds numbers only. `max_age_days` is only carried into the scorecard: whoever reads the values applies it.
    """

    name: str
    kind: Literal["number", "category"] = "number"
    direction: Direction = "none"
    special: tuple[SpecialValue, ...] = ()
    reason: str = ""
    words: str = ""
    missing_reason: str = ""
    missing_words: str = ""
    max_age_days: int | None = None

    def __post_init__(self) -> None:
        usual = {
            "reason": self.name,
            "words": self.name,
            "missing_reason": f"{self.name}:missing",
            "missing_words": marked("{name} is not known").format(name=self.name),
        }
        for field, text in usual.items():
            if not getattr(self, field):
                object.__setattr__(self, field, text)
        if self.kind == "category" and self.direction != "none":
            raise ValueError(f"{self.name}: expected no direction for a category, got {self.direction}")
