"""How values are written for people: money, numbers, dates, and text that others wrote."""

from __future__ import annotations

import unicodedata
from datetime import date
from typing import Any

from credit_review.model.money import EXPONENTS, exponent, format_minor

DASH = "–"
MINUS = "−"
LONGEST_TEXT = 1000
LONGEST_NAME = 80
_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December",
)  # fmt: skip
_STRIPPED_CATEGORIES = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def clean(text: str) -> str:
    """Text others wrote, fit to be shown: no control, bidirectional, invisible or unassigned characters, cut at 1,000."""
    if text.isascii() and text.isprintable():
        plain = text
    else:
        spaced = (" " if c in "\t\r\n\u2028\u2029" else c for c in text)
        plain = "".join(c for c in spaced if unicodedata.category(c) not in _STRIPPED_CATEGORIES)
    return cut_to(" ".join(plain.split()), LONGEST_TEXT)


def cut_to(text: str, length: int) -> str:
    """The text, or its beginning and an ellipsis."""
    return text if len(text) <= length else text[: length - 1] + "…"


def known(value: Any) -> bool:
    """False for None, NaN, NaT and NA."""
    try:
        return value is not None and bool(value == value)
    except TypeError:  # NA has no truth value
        return False


def whole(minor: Any, currency: str, *, signed: bool = False) -> str:
    """An amount in whole major units without its currency, rounded half to even: `1,250,000`; a dash when amount or currency is unknown."""
    if not known(minor) or currency not in EXPONENTS:
        return DASH
    unit = 10 ** exponent(currency)
    amount, rest = divmod(abs(int(minor)), unit)
    amount += rest * 2 > unit or (rest * 2 == unit and amount % 2 == 1)
    return _signed(f"{amount:,}", -amount if int(minor) < 0 else amount, signed)


def money(minor: Any, currency: str) -> str:
    """An exact amount with its currency, decimals always as the currency has them: `1,250.00 EUR`; a dash when missing."""
    if not known(minor):
        return DASH
    if currency not in EXPONENTS:
        return f"{int(minor):,} minor units {clean(currency)}".strip()
    return format_minor(int(minor), currency, decimals=True).replace("-", MINUS)


def major(minor: Any, currency: str, *, signed: bool = False) -> str:
    """An amount in whole major units with its currency: `1,250,000 EUR`."""
    return DASH if not known(minor) else f"{whole(minor, currency, signed=signed)} {currency}"


def count(value: Any, *, signed: bool = False) -> str:
    """A whole number with thousands separators; a dash when missing."""
    return DASH if not known(value) else _signed(f"{abs(int(value)):,}", int(value), signed)


def percent(fraction: Any, *, decimals: int = 1, signed: bool = False) -> str:
    """A fraction as a percentage; a dash when missing."""
    if not known(fraction):
        return DASH
    rounded = round(float(fraction) * 100, decimals)
    return _signed(f"{abs(rounded):,.{decimals}f}%", rounded, signed)


def days(value: Any) -> str:
    """Days with one decimal; a dash when missing."""
    return DASH if not known(value) else _signed(f"{abs(float(value)):,.1f}", float(value), False)


def day(value: Any) -> str:
    """A date as `30 September 2026`; a dash when missing."""
    if not known(value):
        return DASH
    moment: date = value
    return f"{moment.day} {_MONTHS[moment.month - 1]} {moment.year}"


def plural(number: int, one: str, many: str = "") -> str:
    """`1 customer`, `1,250 customers`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def joined(parts: list[str]) -> str:
    """Parts as a list in words: `a`, `a and b`, `a, b and c`."""
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1] if parts else ""


def words(code: str) -> str:
    """A stored name for people: `not_due` as `not due`."""
    return code.replace("_", " ")


def _signed(digits: str, value: float, signed: bool) -> str:
    return f"{MINUS}{digits}" if value < 0 else f"+{digits}" if signed and value > 0 else digits
