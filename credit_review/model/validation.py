"""Outcome of checking a dataset, as plain values: what was promised, how many rows kept the promise, and what that means for the review."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from credit_review.errors import ReviewStopped
from credit_review.model.states import Severity

PASS = "PASS"  # noqa: S105 - a verdict, not a password
FAIL = "FAIL"
ERROR = "ERROR"

EXAMPLES = 20
"""Failing row keys an outcome carries as examples; the complete list is the quarantine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one expectation found. `status` is PASS, FAIL (rows broke the promise) or ERROR (the check itself raised)."""

    expectation: str
    column: str
    severity: str
    words: str
    status: str
    checked: int = 0
    failed: int = 0
    examples: tuple[str, ...] = ()
    error: str = ""

    @property
    def stops(self) -> bool:
        """True when the review cannot go on: the check raised, or a critical promise was broken."""
        return self.status == ERROR or (self.status == FAIL and self.severity == Severity.CRITICAL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """All outcomes of one dataset. `rows` were read, `kept` go on, the rest is quarantined."""

    dataset: str
    rows: int
    kept: int
    outcomes: tuple[Outcome, ...]

    @property
    def status(self) -> str:
        """ERROR if any check raised, else FAIL if any promise was broken whatever its severity, else PASS."""
        found = {o.status for o in self.outcomes}
        return ERROR if ERROR in found else FAIL if FAIL in found else PASS

    @property
    def stops(self) -> bool:
        """True when the review cannot go on with this dataset."""
        return any(o.stops for o in self.outcomes)

    def require(self) -> None:
        """Return when the review may go on. Raises ReviewStopped naming dataset, expectation and rows; an error goes before a failure."""
        stopping = sorted((o for o in self.outcomes if o.stops), key=lambda o: o.status != ERROR)
        if not stopping:
            return
        first = stopping[0]
        if first.status == ERROR:
            raise ReviewStopped(
                f"{self.dataset}: the check {first.expectation} could not be carried out: {first.error}",
                expected=first.words,
                next_step="this says nothing about the data; mend the check or the dataset's columns, then `credit-review review resume`",
            )
        keys = ", ".join(first.examples[:5]) + (", ..." if first.failed > len(first.examples[:5]) else "")
        raise ReviewStopped(
            f"{self.dataset}: {first.expectation} failed on {first.failed} of {first.checked} rows ({keys or 'no row keys'})",
            expected=first.words,
            next_step="correct the source and start the review again; nothing was decided on this data",
        )

    def to_dict(self) -> dict[str, Any]:
        """The verdict as JSON values; `from_dict` gives it back."""
        return asdict(self)

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Verdict:
        """The verdict that `to_dict` wrote."""
        outcomes = tuple(Outcome(**{**o, "examples": tuple(o["examples"])}) for o in value["outcomes"])
        return cls(dataset=value["dataset"], rows=value["rows"], kept=value["kept"], outcomes=outcomes)
