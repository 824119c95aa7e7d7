"""Own risk under a limit: the one rule that cards, forms and summaries go by."""

from __future__ import annotations


def own_risk_if_used(limit_minor: int | None, *, exposure_minor: int, own_risk_minor: int) -> int:
    """What is at our own risk when a limit is used in full, with the cover of today. Minor units of one currency.

    Exposure above the limit is owed already, so a lower limit does not lessen it. No limit on file counts as 0.
    """
    cover = exposure_minor - own_risk_minor
    return max(limit_minor or 0, exposure_minor) - cover
