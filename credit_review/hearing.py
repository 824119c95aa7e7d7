"""Sentences that a result or a record kept as plain English text, known again by their templates, so that `words` can say them anew."""

from __future__ import annotations

import re
import string
from collections.abc import Iterator, Sequence
from datetime import date
from functools import lru_cache

from credit_review.words import Said, templates


@lru_cache(maxsize=20_000)
def heard(text: str) -> str:
    """A sentence that a result or a record kept as English text, so that it can be said again in another language.

    It is recognised by the template it was made of; where several fit, by the one that leaves least unexplained. Days become dates, and
    what stands in a field is heard likewise. A text that is none of the catalogues' stays plain text.
    """
    sentences, templates = _known()
    return Said(text, {}) if text in sentences else min(_readings(text, templates), key=_unexplained, default=text)


def heard_as(text: str, templates: Sequence[str]) -> str:
    """`heard` where one of these templates was used, which is quicker; plain text when none was."""
    return next(_readings(text, templates), text)


def _readings(text: str, templates: Sequence[str]) -> Iterator[str]:
    for template in templates:
        # patterns are made of the few templates that may fit: making them all takes seconds
        if _literal(template) in text and (found := _pattern(template).fullmatch(text)):
            yield Said(template, {name: _heard(value) for name, value in found.groupdict().items()})


def _unexplained(text: str) -> int:
    """Letters of a sentence that no template says."""
    if not isinstance(text, Said):
        return sum(c.isalpha() for c in text)
    return sum(_unexplained(value) for value in text.args.values() if isinstance(value, str))


_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_FEWEST_LETTERS = 5
"""Letters of a template beside its fields, below which it would fit anything."""


def _heard(text: str) -> str | date:
    if _DAY.fullmatch(text):
        return date.fromisoformat(text)
    return heard(text) if text[:1].isalpha() or text[:1] == "(" else text  # figures and keys are no sentences


@lru_cache(maxsize=1)
def _known() -> tuple[frozenset[str], tuple[str, ...]]:
    """Sentences without figures, and templates of those with figures, those with most letters first."""
    ids = sorted(templates())
    parsed = {one: list(string.Formatter().parse(one)) for one in ids}
    letters = {one: sum(c.isalpha() for literal, *_ in parts for c in literal) for one, parts in parsed.items()}
    figured = [one for one, parts in parsed.items() if any(name for _, name, *_ in parts)]
    longest = sorted((one for one in figured if letters[one] >= _FEWEST_LETTERS), key=lambda one: (-letters[one], one))
    return frozenset(ids) - set(figured), tuple(longest)


@lru_cache(maxsize=10_000)
def _literal(template: str) -> str:
    """The longest part of a template that every text of it holds."""
    return max((literal for literal, *_ in string.Formatter().parse(template)), key=len, default="")


@lru_cache(maxsize=10_000)
def _pattern(template: str) -> re.Pattern[str]:
    """What a text made of a template looks like."""
    found, met = "", set()
    for literal, name, *_ in string.Formatter().parse(template):
        found += re.escape(literal)
        if name:
            found += f"(?P={name})" if name in met else f"(?P<{name}>.+?)"
            met.add(name)
    return re.compile(found, re.DOTALL)
