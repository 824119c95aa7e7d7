"""What a rehearsal must show to be a pass, and how long a pass holds."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from credit_review.policy.fields import Part


class RehearsalRules(Part):
    """A pass: of at least `cases`, so many percent of the mistakes caught and at most so many sound cases refused.

    It holds for `valid_days`; its holder is warned `warn_days` before it ends. Whose authority needs one the authority matrix says.
    """

    cases: Annotated[int, Field(strict=True, ge=4, le=100)] = 10
    caught_percent: Annotated[int, Field(strict=True, ge=1, le=100)] = 80
    false_alarms_up_to: Annotated[int, Field(strict=True, ge=0, le=100)] = 2
    valid_days: Annotated[int, Field(strict=True, ge=1, le=3_650)] = 366
    warn_days: Annotated[int, Field(strict=True, ge=1, le=365)] = 30
