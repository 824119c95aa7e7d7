"""Small valid frames of every dataset, to break one thing at a time."""

from __future__ import annotations

from datetime import date
from typing import Any

import pandas as pd

from credit_review.model.frames import DATASETS, Dataset

AS_OF = date(2026, 9, 30)
DTYPES = {"str": "str", "int": "int64", "int?": "Int64", "float": "float64", "date": "datetime64[s]", "bool": "bool"}
DEFAULTS: dict[str, Any] = {"str": "", "int": 0, "int?": pd.NA, "float": float("nan"), "date": pd.NaT, "bool": False}


def frame(dataset: str, rows: list[dict[str, Any]]) -> pd.DataFrame:
    table: Dataset = DATASETS[dataset]
    columns = {c.name: pd.Series([r.get(c.name, DEFAULTS[c.dtype]) for r in rows]) for c in table.columns}
    for column in table.columns:
        values = columns[column.name]
        columns[column.name] = (pd.to_datetime(values) if column.dtype == "date" else values).astype(DTYPES[column.dtype])
    return pd.DataFrame(columns)


def item(number: int, **changes: Any) -> dict[str, Any]:
    return {
        "row_key": f"inv-{number:06}",
        "source": "erp",
        "legal_entity": "1000",
        "source_number": f"{number % 7:010}",
        "customer_id": f"C{number % 7}",
        "document": f"{number}",
        "kind": "invoice",
        "document_date": "2026-07-01",
        "posting_date": "2026-07-02",
        "due_date": "2026-07-31",
        "currency": "EUR",
        "amount_minor": 12_500,
        "open_minor": 12_500,
        **changes,
    }


def customer(number: int, **changes: Any) -> dict[str, Any]:
    return {
        "customer_id": f"C{number}",
        "source": "erp",
        "source_number": f"{number:010}",
        "name": f"Customer {number}",
        "group_id": f"C{number}",
        "currency": "EUR",
        "status": "active",
        "limit_minor": 5_000_000,
        "terms_days": 30,
        **changes,
    }


def report(number: int, **changes: Any) -> dict[str, Any]:
    return {
        "customer_id": f"C{number}",
        "source_number": f"{number:010}",
        "provider": "bureau",
        "report_date": "2026-05-01",
        "grade": "B",
        "pd_fraction": 0.02,
        "recommended_limit_minor": 4_000_000,
        "currency": "EUR",
        **changes,
    }


def cover(number: int, **changes: Any) -> dict[str, Any]:
    return {
        "customer_id": f"C{number}",
        "kind": "insured_limit",
        "reference": f"P-{number}",
        "amount_minor": 1_000_000,
        "currency": "EUR",
        "cover_fraction": 0.9,
        "valid_from": "2026-01-01",
        "valid_to": "2026-12-31",
        "max_terms_days": 90,
        **changes,
    }


def features(number: int, **changes: Any) -> dict[str, Any]:
    return {
        "customer_id": f"C{number}",
        "group_id": f"C{number}",
        "currency": "EUR",
        "open_items_minor": 300,
        "not_due_minor": 100,
        "dpd_1_30_minor": 200,
        "overdue_minor": 200,
        "exposure_minor": 300,
        "own_risk_minor": 300,
        "oldest_dpd_days": 12,
        "average_days_late": 4.5,
        "sales_12m_minor": 3000,
        "need_minor": 350,
        "utilisation_fraction": 0.5,
        "overdue_fraction": 0.67,
        "status": "active",
        **changes,
    }


def proposal(number: int, **changes: Any) -> dict[str, Any]:
    return {
        "customer_id": f"C{number}",
        "group_id": f"C{number}",
        "currency": "EUR",
        "state": "reviewed",
        "direction": "up",
        "grade": "B",
        "from_minor": 100_000,
        "to_minor": 150_000,
        "from_terms_days": 30,
        "to_terms_days": 30,
        "exposure_minor": 90_000,
        "own_risk_minor": 90_000,
        "over_limit_minor": 0,
        "blocked_orders_minor": 0,
        **changes,
    }


MAKERS = {"items": item, "customers": customer, "external": report, "cover": cover, "features": features, "proposals": proposal}
