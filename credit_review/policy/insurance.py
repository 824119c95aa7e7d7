"""When insured limits and guarantees count, and what may be at our own risk beside them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from credit_review.policy.fields import Amount, Part


class InsuranceRules(Part):
    """When cover counts, and how much may be at our own risk beside it.

    `notice_days` holds where a withdrawal states none. `own_risk_up_to` caps a limit at what leaves no more than that at our own risk when
    it is used in full; None: no such cap. `tasks_ahead_days` is how far ahead the calendar of tasks looks.
    """

    notice_days: Annotated[int, Field(ge=0, le=400)] = 30
    own_risk_up_to: Amount | None = None
    tasks_ahead_days: Annotated[int, Field(ge=1, le=400)] = 60
