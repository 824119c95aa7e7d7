"""A rule of a policy that does not fit the others: where, what is wrong, and what was expected."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from credit_review.documents import Path


@dataclass(frozen=True, slots=True)
class Problem:
    """Rules that do not fit together: where, and what is wrong and expected in one sentence.

    `at` is the character of a formula, counted from 0, where the field is one.
    """

    path: Path
    text: str
    at: int | None = None


Found = Iterator[Problem]
"""What one check of a policy finds."""
