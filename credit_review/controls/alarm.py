"""What a control reports: one alarm for each exception, the same alarm for the same exception however often the control runs."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from credit_review.audit.canonical import canonical


class Severity(StrEnum):
    """How much a finding matters, which decides how long its owner has."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """One exception that a control found.

    `control` is a name of the register, `subject` what it is about (`proposal:…`, `person:…`, `account:…`, `review:…`, `log`), `facts` ids,
    codes, counts and amounts (minor units) that show it, `entries` the audit entries to read first.
    """

    control: str
    subject: str
    severity: Severity
    facts: Mapping[str, str | int] = field(default_factory=dict)
    entries: tuple[int, ...] = ()

    @property
    def key(self) -> str:
        """The same for the same exception in every run: SHA-256 over control, subject and entries, in hex."""
        about = {"control": self.control, "subject": self.subject, "entries": list(self.entries)}
        return hashlib.sha256(canonical(about).encode()).hexdigest()
