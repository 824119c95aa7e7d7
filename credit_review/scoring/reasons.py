"""Why a score is no better: the codes and their words, in one frozen place. No pandas: cards and messages read them too."""

from __future__ import annotations

from types import MappingProxyType

from credit_review.words import said

REASONS: MappingProxyType[str, str] = MappingProxyType(
    {
        "R01": said("share of open items past due"),
        "R02": said("age of the oldest open invoice"),
        "R03": said("share of open items more than 30 days past due"),
        "R04": said("days late on invoices paid in the last 12 months"),
        "R05": said("trend of days late, last 3 months against the 9 before"),
        "R06": said("use of the credit limit"),
        "R07": said("length of the business relationship"),
        "R08": said("probability of default in the external report"),
        "R09": said("grade of the external report"),
        "R10": said("share of open items in dispute"),
        "R11": said("tangible net worth against the yearly sales to the customer"),
        "R12": said("Altman Z'' of the newest statements"),
        "R13": said("Altman zone of the newest statements"),
        "R14": said("change of Altman Z'' over the years"),
        "R15": said("share of equity in total assets"),
        "R16": said("earnings against interest"),
        "R17": said("current assets against current liabilities"),
        "R18": said("net income against sales"),
        "R19": said("age of the newest statements"),
        "R20": said("what the score predicts has already happened: seriously past due, insolvent or with lawyers"),
        "R21": said("what people wrote about the customer"),
        "M01": said("no open items to judge by"),
        "M02": said("age of the oldest open invoice is not known"),
        "M03": said("no open items to judge the age of debt by"),
        "M04": said("no invoice paid in the last 12 months to judge by"),
        "M05": said("too few paid invoices to see a trend"),
        "M06": said("no credit limit on file to measure use against"),
        "M07": said("start of the business relationship is not known"),
        "M08": said("no external report young enough with a probability of default"),
        "M09": said("no external report young enough with a grade"),
        "M10": said("no open items to measure disputes against"),
        "M11": said("no tangible net worth from statements young enough, or no sales to compare it with"),
        "M21": said("nothing was written about the customer"),
        "M12": said("no Altman Z'' from statements young enough"),
        "M13": said("no Altman zone from statements young enough"),
        "M14": said("too few yearly statements to see how they move"),
        "M15": said("no share of equity from statements young enough"),
        "M16": said("no earnings or interest from statements young enough"),
        "M17": said("no current assets or liabilities from statements young enough"),
        "M18": said("no net income or sales from statements young enough"),
        "M19": said("no statements"),
    }
)
"""Reason codes a score may carry, and their words. R: the factor is below its best; M: its value is missing."""

ALREADY = "already_happened"
"""Name under which points for an outcome that has already happened stand among the factors."""

COMBINED = "two_views"
"""Name under which stands what combining the two views adds to the sum of the factors' points."""
