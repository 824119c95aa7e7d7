"""The one text of a value, and the one text of a moment: what is hashed, signed and stored."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import Enum
from functools import lru_cache
from itertools import chain
from typing import Any, NoReturn

import orjson

from credit_review.errors import BadInput

MAX_INT = 2**53 - 1
"""Largest magnitude of an integer that every JSON reader keeps exact."""
MAX_DEPTH = 32
"""Deepest nesting of an entry or payload, the outermost object being 1."""

_HEX64 = re.compile(r"[0-9a-f]{64}")
_TS = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", re.ASCII)


class NotCanonical(BadInput):
    """A value or text outside the canonical profile of docs/audit-log.md."""


_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode
_QUICK = orjson.OPT_SORT_KEYS | orjson.OPT_STRICT_INTEGER
_SCALARS = frozenset({str, int, bool, type(None)})
_CONTAINERS = frozenset({dict, list, tuple})
_KEY_BEYOND_ASCII = re.compile(rb'[\x80-\xff][^"]*":')


def canonical(value: Any) -> str:
    """The one JSON text of `value`: sorted ASCII keys, no spaces, no floats, integers within 2^53-1. Raises NotCanonical.

    Equals RFC 8785 (JCS) on this profile. Strings, integers, booleans, None, lists, tuples and dicts only.
    """
    return canonical_bytes(value).decode()


def canonical_bytes(value: Any, level: int = 1) -> bytes:
    """The UTF-8 bytes of `canonical(value)`, for a value that will stand at this level of nesting. Raises NotCanonical."""
    if not _is_plain(value, MAX_DEPTH + 1 - level):
        return _exact(value, level)
    try:
        found = orjson.dumps(value, option=_QUICK)
    except TypeError:  # a key that is no text, an integer too large, half a surrogate pair: named there
        return _exact(value, level)
    if not found.isascii() and (b"\\" in found or _KEY_BEYOND_ASCII.search(found)):
        _check(value, level)  # an escape may hide where a key begins
    return found


def _is_plain(value: Any, levels: int) -> bool:
    """Whether `value` is made of nothing but dicts, lists, tuples, whole numbers, truths and text, in at most so many levels.

    Looks at a level at a time: a call for each value would cost more than writing them.
    """
    inner = [value]
    while not (kinds := set(map(type, inner))) <= _SCALARS:
        if levels == 0 or not all(kind in _CONTAINERS or kind in _SCALARS or _is_text(kind) for kind in kinds):
            return False
        within = [one.values() if type(one) is dict else one for one in inner if type(one) in _CONTAINERS]
        inner, levels = list(chain.from_iterable(within)), levels - 1
    return True


@lru_cache(maxsize=128)
def _is_text(kind: Any) -> bool:
    """Whether values of this class are text and nothing else, as sentences are that know their translation."""
    return issubclass(kind, str) and not issubclass(kind, Enum)


def _exact(value: Any, level: int) -> bytes:
    """The same bytes by the standard library, for values the quick way does not take; raises NotCanonical for what the profile forbids."""
    _check(value, level)
    try:
        return _encode(value).encode()
    except UnicodeEncodeError:
        raise NotCanonical("text with half a surrogate pair cannot be logged", expected="well-formed Unicode text") from None


def _check(value: Any, depth: int) -> None:
    """Raises NotCanonical for the first thing in `value` outside the profile. Surrogates are found by encoding, afterwards."""
    if isinstance(value, dict):
        _check_depth(depth)
        _check_keys(value)
        for inner in value.values():
            _check(inner, depth + 1)
    elif isinstance(value, list | tuple):
        _check_depth(depth)
        for inner in value:
            _check(inner, depth + 1)
    elif value is None or isinstance(value, str | bool):
        return
    elif isinstance(value, int):
        if not -MAX_INT <= value <= MAX_INT:
            raise NotCanonical(f"integer {value!r:.40} cannot be logged", expected="a magnitude of at most 2^53-1; larger numbers as text")
    else:
        raise NotCanonical(
            f"{value!r:.40} of type {type(value).__name__} cannot be logged",
            expected="text, integers, booleans, None, lists and dicts; rates and scores as decimal text, money in minor units",
        )


def _check_depth(depth: int) -> None:
    if depth > MAX_DEPTH:
        raise NotCanonical("nested too deeply to be logged", expected=f"at most {MAX_DEPTH} levels")


def _check_keys(value: Mapping[Any, Any]) -> None:
    try:
        if "".join(value).isascii():
            return
    except TypeError:
        pass  # a key that is no text: named below
    key = next(key for key in value if not isinstance(key, str) or not key.isascii())
    raise NotCanonical(f"key {key!r:.40} cannot be logged", expected="keys of ASCII text")


def _no_float(text: str) -> NoReturn:
    raise NotCanonical(f"number {text[:40]} is not an integer", expected="integers only")


def _bounded_int(text: str) -> int:
    if len(text) > 17:
        raise NotCanonical(f"integer {text[:40]} is out of range", expected="a magnitude of at most 2^53-1")
    return int(text)


_decode = json.JSONDecoder(parse_float=_no_float, parse_int=_bounded_int, parse_constant=_no_float).decode


def parse_canonical(text: str) -> Any:
    """The value of a canonical text. Raises NotCanonical unless `canonical` of it gives exactly `text` back.

    Comparing with the re-encoded text finds duplicate keys, spaces, other escapes and other number forms all at once.
    """
    try:
        value = read_canonical(text.encode())
    except (ValueError, NotCanonical):
        return _parse_exact(text)  # which says what is wrong
    return value


def read_canonical(text: bytes, level: int = 1) -> Any:
    """The value of canonical bytes that stand at this level of nesting. Raises NotCanonical or ValueError for any others."""
    value = orjson.loads(text)
    if canonical_bytes(value, level) != text:
        raise NotCanonical("not canonical JSON", expected="sorted unique keys, no spaces, shortest escapes")
    return value


def _parse_exact(text: str) -> Any:
    try:
        value = _decode(text)
        again = canonical(value)
    except (ValueError, RecursionError) as error:
        raise NotCanonical(f"not canonical JSON: {type(error).__name__}", expected="the canonical text of docs/audit-log.md") from None
    if again != text:
        raise NotCanonical("not canonical JSON", expected="sorted unique keys, no spaces, shortest escapes")
    return value


def timestamp(at: datetime) -> str:
    """The 27 characters of an aware time in the log, `2026-11-23T09:00:00.123456Z`. Raises NotCanonical on naive times."""
    if at.tzinfo is None:
        raise NotCanonical(f"time {at} has no time zone", expected="an aware UTC time")
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def parse_timestamp(text: str) -> datetime:
    """The aware UTC time of a log timestamp. Raises NotCanonical unless it has exactly the log's form and names a real moment."""
    if not _TS.fullmatch(text):
        raise NotCanonical(f"timestamp {text[:40]!r} has another form", expected="2026-11-23T09:00:00.123456Z")
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise NotCanonical(f"timestamp {text!r} names no moment", expected="a real date and time") from None


def is_hash(value: Any) -> bool:
    """Whether `value` is 64 lower-case hex characters."""
    return isinstance(value, str) and _HEX64.fullmatch(value) is not None
