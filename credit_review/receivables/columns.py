"""Texts of a source to values, a whole column at a time: dates, amounts, codes and customer numbers. No float ever touches money."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from credit_review.model.frames import PANDAS, Dataset
from credit_review.model.money import EXPONENTS, MAX_MINOR
from credit_review.receivables.mapping import Identity, Numbers

Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]
Days = NDArray[np.datetime64]

STR = pd.StringDtype("pyarrow", na_value=np.nan)
DTYPES: dict[str, Any] = {**PANDAS, "str": STR}
"""pandas dtype of each dtype that `model.frames` names."""

NO_DAY = np.datetime64("NaT", "s")
_POWERS = np.array([1, 10, 100, 1000], dtype=np.int64)
_DECIMAL = re.compile(r"-?(?:[0-9]+\.?[0-9]*|\.[0-9]+)\Z")
_FLOATED = re.compile(r"[0-9]+\.0+\Z")
_PLAIN = r"^-?[0-9]{1,15}(\.[0-9]{1,3})?$"

READ, EMPTY, NOT_A_NUMBER, EXCESS_DECIMALS, OUT_OF_RANGE = range(5)
"""What became of an amount's text."""


@dataclass(frozen=True, slots=True)
class Coded:
    """A text column as positions into its distinct texts: work is done once a distinct text, not once a row."""

    positions: NDArray[np.int32]
    texts: tuple[str, ...]

    def each(self, function: Callable[[str], Any], dtype: Any) -> NDArray[Any]:
        """`function` of every row's text, computed once a distinct text."""
        values = np.array([function(text) for text in self.texts], dtype=dtype)
        return values[self.positions] if len(self.texts) else np.empty(0, dtype=dtype)

    def replaced(self, function: Callable[[str], str]) -> Any:
        """The rows' texts after `function`, as an Arrow array."""
        return take_texts([function(text) for text in self.texts], self.positions)


def empty(dataset: Dataset) -> pd.DataFrame:
    """A frame of the dataset without rows, columns and dtypes exact."""
    return pd.DataFrame({c.name: pd.Series([], dtype=DTYPES[c.dtype]) for c in dataset.columns})


def conform(frame: pd.DataFrame, dataset: Dataset) -> pd.DataFrame:
    """The frame with exactly the dataset's columns and dtypes, sorted by its key, numbered from 0."""
    exact = frame[list(dataset.names)].astype({c.name: DTYPES[c.dtype] for c in dataset.columns})
    return exact.sort_values(list(dataset.key), kind="stable", ignore_index=True)


def take_texts(texts: Sequence[str], positions: NDArray[Any]) -> Any:
    """`texts` at `positions`, as an Arrow array of large strings."""
    return pc.take(pa.array(list(texts), type=pa.large_string()), pa.array(positions))


def arrow(series: pd.Series[Any]) -> Any:
    """A frame's column as one Arrow array of large strings; missing becomes empty."""
    array = pa.array(series.astype(STR), from_pandas=True).cast(pa.large_string())
    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
    return pc.fill_null(array, "") if array.null_count else array


def series(array: Any) -> pd.Series[str]:
    """An Arrow array of strings as a pandas `str` column, without copying."""
    return pd.Series(pd.arrays.ArrowStringArray(array, dtype=STR))  # type: ignore[call-arg]


def first_filled(first: Any, second: Any) -> Any:
    """The texts of `first`, and where they are empty those of `second`."""
    return pc.if_else(pc.equal(first, ""), second, first)


def nullable(values: Ints, there: Flags) -> Any:
    """Integers that may be missing, as a pandas Int64 array."""
    return pd.arrays.IntegerArray(values.copy(), ~there)


def coded(array: Any) -> Coded:
    """The distinct texts of an Arrow array and where they stand."""
    encoded = pc.dictionary_encode(array)
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.combine_chunks()
    return Coded(encoded.indices.to_numpy(zero_copy_only=False).astype(np.int32, copy=False), tuple(encoded.dictionary.to_pylist()))


def days(texts: Coded, formats: Iterable[str]) -> tuple[Days, Flags]:
    """Days of the texts by the first format that fits wholly, and which texts say something that fits none."""
    distinct = pd.Series(list(texts.texts), dtype=object)
    found = pd.Series(NO_DAY, index=distinct.index, dtype="datetime64[s]")
    left = distinct != ""
    for pattern in formats:
        if not left.any():
            break
        parsed = pd.to_datetime(distinct[left], format=pattern, exact=True, errors="coerce").dt.floor("D").astype("datetime64[s]")
        found[left] = parsed
        left = left & found.isna()
    return found.to_numpy()[texts.positions], left.to_numpy(dtype=bool)[texts.positions]


def places(currency: Coded) -> NDArray[np.int8]:
    """Decimals of each row's currency; -1 where the currency is unknown."""
    return currency.each(lambda code: EXPONENTS.get(code, -1), np.int8)


def amounts(texts: Any, decimals: NDArray[np.int8], numbers: Numbers) -> tuple[Ints, NDArray[np.int8]]:
    """Minor units of the texts, 0 where unreadable, and what became of each: READ, EMPTY, NOT_A_NUMBER, EXCESS_DECIMALS, OUT_OF_RANGE.

    `decimals` are the currency's decimals a row; a row with -1 (currency unknown) is EMPTY unless its text is no number at all.
    """
    plain = plain_numbers(texts, numbers)
    simple = pc.match_substring_regex(plain, _PLAIN).to_numpy(zero_copy_only=False)
    thousandths = np.zeros(len(simple), dtype=np.int64)
    thousandths[simple] = _thousandths(plain.filter(pa.array(simple)))
    power = _POWERS[3 - np.maximum(decimals, 0)]
    minor = thousandths // power
    outcome = np.where(minor * power != thousandths, EXCESS_DECIMALS, READ).astype(np.int8)
    outcome[np.abs(minor) > MAX_MINOR] = OUT_OF_RANGE
    empty = pc.equal(plain, "").to_numpy(zero_copy_only=False)
    outcome[empty] = EMPTY
    for row in np.flatnonzero(~simple & ~empty):
        minor[row], outcome[row] = _one_amount(plain[int(row)].as_py(), max(int(decimals[row]), 0))
    outcome[(decimals < 0) & (outcome != NOT_A_NUMBER)] = EMPTY
    return np.where(outcome == READ, minor, 0), outcome


def plain_numbers(texts: Any, numbers: Numbers) -> Any:
    """The texts with the declared marks and signs put as `-1234.5`; a text that breaks the declaration becomes `?`, which is no number."""
    if numbers.thousands:
        texts = _ungrouped(texts, numbers)
    if numbers.decimal == ",":
        texts = pc.if_else(pc.match_substring(texts, "."), "?", pc.replace_substring(texts, ",", "."))
    if "leading" not in numbers.negative:
        texts = pc.if_else(pc.starts_with(texts, "-"), "?", texts)
    if "trailing" in numbers.negative and pc.any(pc.ends_with(texts, "-")).as_py():
        texts = pc.replace_substring_regex(texts, r"^([0-9.]+)-$", r"-\1")
    if "parentheses" in numbers.negative and pc.any(pc.starts_with(texts, "(")).as_py():
        texts = pc.replace_substring_regex(texts, r"^\(([0-9.]+)\)$", r"-\1")
    return pc.replace_substring_regex(texts, r"^\+", "") if pc.any(pc.starts_with(texts, "+")).as_py() else texts


def whole_numbers(texts: Coded) -> tuple[Ints, Flags, Flags]:
    """Whole numbers of the texts (0 where there is none), which are empty, and which say something that is no whole number."""
    good = texts.each(_is_whole, np.bool_)
    empty = texts.each(lambda t: t == "", np.bool_)
    return texts.each(lambda t: int(t) if _is_whole(t) else 0, np.int64), empty, ~good & ~empty


def decimal_text(text: str, numbers: Numbers) -> str | None:
    """A single number as plain decimal text such as `1.0825`; None when it is no number."""
    plain = plain_numbers(pa.array([text], type=pa.large_string()), numbers)[0].as_py()
    return plain if _DECIMAL.match(plain) else None


def customer_number(text: str, rule: Identity) -> str:
    """The number after the declared rules: blanks around it, `.0` behind a whole number, zeros before a wholly numeric one, case."""
    if rule.strip_blanks:
        text = text.strip()
    if rule.drop_decimal_zero and _FLOATED.match(text):
        text = text.split(".")[0]
    if rule.strip_leading_zeros and text.isascii() and text.isdigit():
        text = text.lstrip("0")
    return text.upper() if rule.upper_case else text


def unmangled(text: str) -> str:
    """A text that was UTF-8 and was read as Latin-1 or Windows-1252, put right; any other text as it is."""
    for encoding in ("latin-1", "cp1252"):
        try:
            return text.encode(encoding).decode("utf-8")
        except UnicodeError:
            continue
    return text


def _ungrouped(texts: Any, numbers: Numbers) -> Any:
    """Thousands marks taken out where they stand between groups of three; `?` where they stand elsewhere."""
    held = pc.match_substring(texts, numbers.thousands)
    if not pc.any(held).as_py():
        return texts
    mark, point = re.escape(numbers.thousands), re.escape(numbers.decimal)
    fits = pc.match_substring_regex(texts, rf"^[-+(]?[0-9]{{1,3}}(?:{mark}[0-9]{{3}})+(?:{point}[0-9]*)?[-)]?$")
    return pc.if_else(pc.and_(held, pc.invert(fits)), "?", pc.replace_substring(texts, numbers.thousands, ""))


def _thousandths(plain: Any) -> Ints:
    """Plain numbers of at most three decimals, in thousandths."""
    point = pc.find_substring(plain, ".").to_numpy(zero_copy_only=False)
    length = pc.binary_length(plain).to_numpy(zero_copy_only=False)
    decimals = np.where(point < 0, 0, length - point - 1)
    digits = pc.cast(pc.replace_substring(plain, ".", ""), pa.int64()).to_numpy(zero_copy_only=False)
    scaled: Ints = digits * _POWERS[3 - decimals]
    return scaled


def _one_amount(text: str, decimals: int) -> tuple[int, int]:
    """An amount the fast path does not take: many digits, `.5`, trailing zeros, or no number at all."""
    if not _DECIMAL.match(text):
        return 0, NOT_A_NUMBER
    digits = text.lstrip("-")
    whole, _, fraction = digits.partition(".")
    fraction = fraction.rstrip("0")
    if len(whole.lstrip("0")) > 16:
        return 0, OUT_OF_RANGE
    if len(fraction) > decimals:
        return 0, EXCESS_DECIMALS
    minor = int((whole or "0") + fraction.ljust(decimals, "0"))
    if minor > MAX_MINOR:
        return 0, OUT_OF_RANGE
    return (-minor if text.startswith("-") else minor), READ


def _is_whole(text: str) -> bool:
    digits = text.removeprefix("-")
    return digits.isascii() and digits.isdigit() and len(digits) <= 15
