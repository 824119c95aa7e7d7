"""Customers by name, where they have one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from credit_review.report.text import LONGEST_NAME, cut_to

if TYPE_CHECKING:
    from credit_review.report.data import ReportData


def names(data: ReportData) -> dict[str, str]:
    """Customer name by id, cut to a readable length; customers without a name are left out."""
    rows = data.customers[data.customers["name"].ne("")]
    pairs = zip(rows["customer_id"].tolist(), rows["name"].tolist(), strict=True)
    return {customer: cut_to(name, LONGEST_NAME) for customer, name in pairs}


def named(customer_id: str, known_names: Mapping[str, str]) -> str:
    """Name and id of a customer."""
    return f"{known_names.get(customer_id, '')} {customer_id}".strip()
