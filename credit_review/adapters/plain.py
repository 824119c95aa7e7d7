"""A source's values as plain text."""

from __future__ import annotations

from datetime import date, datetime, time
from decimal import Decimal
from typing import Any


def plain_text(value: Any) -> str:
    """A value as plain text: whole numbers without decimals, numbers without exponent, days and midnights as 2026-03-31, missing empty."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return "" if value != value else format(Decimal(format(value, ".15g")), "f") if abs(value) < 1e300 else str(value)
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == time() else value.isoformat(sep=" ", timespec="seconds")
    if isinstance(value, date):
        return value.isoformat()
    return "(binary)" if isinstance(value, bytes | memoryview) else str(value)
