"""Why a score is no better: the codes and their words, in one frozen place. No pandas: cards and messages read them too."""

from __future__ import annotations

from types import MappingProxyType

REASONS: MappingProxyType[str, str] = MappingProxyType(
    {
        "R01": "share of open items past due",
        "R02": "age of the oldest open invoice",
        "R03": "share of open items more than 30 days past due",
        "R04": "days late on invoices paid in the last 12 months",
        "R05": "trend of days late, last 3 months against the 9 before",
        "R06": "use of the credit limit",
        "R07": "length of the business relationship",
        "R08": "probability of default in the external report",
        "R09": "grade of the external report",
        "R10": "share of open items in dispute",
        "R11": "tangible net worth against the yearly sales to the customer",
        "R20": "what the score predicts has already happened: seriously past due, insolvent or with lawyers",
        "M01": "no open items to judge by",
        "M02": "age of the oldest open invoice is not known",
        "M03": "no open items to judge the age of debt by",
        "M04": "no invoice paid in the last 12 months to judge by",
        "M05": "too few paid invoices to see a trend",
        "M06": "no credit limit on file to measure use against",
        "M07": "start of the business relationship is not known",
        "M08": "no external report young enough with a probability of default",
        "M09": "no external report young enough with a grade",
        "M10": "no open items to measure disputes against",
        "M11": "no tangible net worth from statements young enough, or no sales to compare it with",
    }
)
"""Reason codes a score may carry, and their words. R: the factor is below its best; M: its value is missing."""

ALREADY = "already_happened"
"""Name under which points for an outcome that has already happened stand among the factors."""
