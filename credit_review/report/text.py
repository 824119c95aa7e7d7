"""How values are written for people: money, numbers, dates, and text that others wrote.

Figures are written alike in every language a report is written in; days and stored names are said in the reader's.
"""

from __future__ import annotations

import unicodedata
from datetime import date
from typing import Any

from credit_review.hearing import heard
from credit_review.model.money import EXPONENTS, exponent, format_minor
from credit_review.words import Said, listed, marked, said

DASH = "–"
MINUS = "−"
LONGEST_TEXT = 1000
_UNITS = marked("{count} minor units {currency}")
LONGEST_NAME = 80
_DAYS = (
    marked("{day} January {year}"),
    marked("{day} February {year}"),
    marked("{day} March {year}"),
    marked("{day} April {year}"),
    marked("{day} May {year}"),
    marked("{day} June {year}"),
    marked("{day} July {year}"),
    marked("{day} August {year}"),
    marked("{day} September {year}"),
    marked("{day} October {year}"),
    marked("{day} November {year}"),
    marked("{day} December {year}"),
)
_STRIPPED_CATEGORIES = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def clean(text: str) -> str:
    """Text others wrote, fit to be shown: no control, bidirectional, invisible or unassigned characters, cut at 1,000."""
    if text.isprintable():  # which those characters are not
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
        return Said(_UNITS, {"count": f"{int(minor):,}", "currency": clean(currency)})
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
    return Said(_DAYS[moment.month - 1], {"day": moment.day, "year": moment.year})


def joined(parts: list[str]) -> str:
    """Parts as a list in words: `a`, `a and b`, `a, b and c`; empty text for none."""
    return listed(parts) if len(parts) < 2 else said("{first} and {last}", first=listed(parts[:-1]), last=parts[-1])


def words(code: str) -> str:
    """A stored name for people: `not_due` as `not due`."""
    return heard(code.replace("_", " "))


def _signed(digits: str, value: float, signed: bool) -> str:
    return f"{MINUS}{digits}" if value < 0 else f"+{digits}" if signed and value > 0 else digits
