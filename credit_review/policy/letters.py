"""Of which changes a customer is written to."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field

from credit_review.model.states import LetterKind
from credit_review.policy.fields import Amount, Part, Texts

Kind = Literal["increase", "reduction", "terms", "first", "temporary", "ended"]
"""The values of `states.LetterKind`, as a policy writes them."""


class LetterRule(Part):
    """A letter is drafted for a change that meets all of it: its kind, the customer's status and business segment (none named: any), and
    an amount that moves by at least `minimum_change` of the control currency. Terms alone count whatever the amount."""

    kinds: Annotated[tuple[Kind, ...], Field(strict=False, min_length=1)]
    statuses: Texts = ()
    segments: Texts = ()
    minimum_change: Amount = Decimal(0)

    def wants(self, kind: LetterKind, *, status: str, segment: str, change_minor: int | None, minimum_minor: int) -> bool:
        """Whether the rule asks for a letter. `change_minor` (None: no rate tells) and `minimum_minor` are in control currency."""
        named = kind in self.kinds and (not self.statuses or status in self.statuses) and (not self.segments or segment in self.segments)
        return named and (kind == LetterKind.TERMS or change_minor is None or change_minor >= minimum_minor)
