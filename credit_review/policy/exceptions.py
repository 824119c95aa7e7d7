"""How long a standing departure from policy may last, and how long before its end its owner is warned."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from credit_review.policy.fields import Part

_Days = Annotated[int, Field(strict=True, ge=1, le=3_650)]


class LongestDays(Part):
    """Calendar days from its begin that an exception may last at most, by kind; an emergency override's are the authority matrix's."""

    limit: _Days = 366
    terms: _Days = 366
    exclusion: _Days = 366
    deferral: _Days = 366
    risk_kept: _Days = 366


class ExceptionRules(Part):
    """What holds for exceptions: the longest by kind, and how many days before the end their owners are warned."""

    longest_days: LongestDays = LongestDays()
    warn_days: Annotated[int, Field(strict=True, ge=1, le=365)] = 30
