"""STATEMENTS frames for tests: one sound set of accounts, and what differs from it."""

from datetime import date, timedelta

import pandas as pd

from credit_review.model.frames import PANDAS, STATEMENTS

EMPTY = {"str": "", "int?": None, "date": None}
SOUND = {
    "customer_id": "c1", "period_end": date(2025, 12, 31), "received_date": date(2026, 5, 31), "months": 12, "basis": "individual",
    "audited": "audited", "company_kind": "non_manufacturer", "currency": "EUR",
    "total_assets_minor": 1_000_00, "current_assets_minor": 600_00, "current_liabilities_minor": 400_00, "total_liabilities_minor": 550_00,
    "equity_minor": 450_00, "retained_earnings_minor": 200_00, "market_equity_minor": 900_00, "sales_minor": 1_500_00, "ebit_minor": 100_00,
    "interest_expense_minor": 25_00, "net_income_minor": 60_00, "cash_minor": 100_00, "inventories_minor": 150_00,
    "receivables_minor": 250_00,
}  # fmt: skip


def statements(*rows):
    """A row each: the sound accounts but for the fields named."""
    full = [{c.name: EMPTY[c.dtype] for c in STATEMENTS.columns} | SOUND | row for row in rows]
    return pd.DataFrame(full, columns=list(STATEMENTS.names)).astype({c.name: PANDAS[c.dtype] for c in STATEMENTS.columns})


def years(equities, **more):
    """A set of accounts a year, the newest first, with these equities (major units; the rest are liabilities), received after 151 days."""
    ends = [date(2025 - n, 12, 31) for n in range(len(equities))]
    return [
        {
            "period_end": end,
            "received_date": end + timedelta(days=151),
            "equity_minor": e * 100,
            "total_liabilities_minor": (1000 - e) * 100,
        }
        | more
        for end, e in zip(ends, equities, strict=True)
    ]
