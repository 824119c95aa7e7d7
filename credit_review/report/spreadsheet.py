"""Lists for spreadsheets. Cell text that begins like a formula is stored as text; numbers stay numbers."""

from __future__ import annotations

import re
from typing import Any

import pandas as pd

_FORMULA = re.compile("'*[ \u00a0]*[=+\\-@\t\r\n\x00\uff1d\uff0b\uff0d\uff20]")


def safe_csv(frame: pd.DataFrame) -> str:
    """The frame as CSV with CRLF line ends, where no text cell or heading can be taken for a formula.

    A text that begins with = + - @ tab, carriage return, line feed or NUL (also behind spaces or apostrophes, also full width) gets
    one apostrophe in front; `unprotect` takes it off again. Missing values are empty, dates are ISO dates.
    """
    safe = pd.DataFrame({at: _column(frame.iloc[:, at]) for at in range(frame.shape[1])})
    safe.columns = pd.Index([protect(str(name)) for name in frame.columns])
    text: str = safe.to_csv(index=False, lineterminator="\r\n", date_format="%Y-%m-%d")
    return text


def protect(text: str) -> str:
    """The text as it is stored in a cell."""
    return f"'{text}" if _FORMULA.match(text) else text


def unprotect(text: str) -> str:
    """The text that `protect` stored."""
    return text[1:] if text.startswith("'") and _FORMULA.match(text) else text


def _column(column: pd.Series[Any]) -> pd.Series[Any]:
    plain = column.reset_index(drop=True)
    kind = pd.api.types
    if kind.is_numeric_dtype(plain) or kind.is_bool_dtype(plain) or kind.is_datetime64_any_dtype(plain):
        return plain
    texts = plain.astype("str")
    risky = texts.str.match(_FORMULA).fillna(False).astype(bool)
    return texts.mask(risky, "'" + texts)
