"""Sentences that people read, as the code says them: English, with template and figures kept so that `words` can say them again.

Everything may speak this way, errors and amounts included; who reads it, and in which language, is decided above.
"""

from __future__ import annotations

import re
import string
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Self


class Said(str):
    """An English sentence that remembers its template and figures, so that it can be said again in another language.

    Everywhere else it is the `str` it looks like: it compares, is stored and is logged as English.
    """

    template: str
    many: str
    args: Mapping[str, Any]

    def __new__(cls, template: str, args: Mapping[str, Any], many: str = "") -> Self:
        """The sentence; `many` is the template for any `n` in `args` but 1."""
        chosen = many if many and args["n"] != 1 else template
        # without figures it is said as it stands: what others wrote may hold braces
        shown = chosen.format(**_plain(args)) if args else chosen
        text = super().__new__(cls, shown)
        text.template, text.args, text.many = template, dict(args), many
        return text

    def __getnewargs__(self) -> tuple[str, Mapping[str, Any], str]:  # type: ignore[override]
        return self.template, self.args, self.many


def said(template: str, /, **args: Any) -> Said:
    """A sentence with figures: str, int, date, datetime, Money, or another sentence. Templates are what the catalogues translate."""
    return Said(template, args) if args else _without_figures(template)


@lru_cache(maxsize=4_000)
def _without_figures(template: str) -> Said:
    return Said(template, {})  # labels and states are said thousands of times in a review


def marked(template: str) -> str:
    """The template itself, known to the catalogues, for sentences said where the figures are."""
    return template


def said_many(one: str, many: str, /, n: int, **args: Any) -> Said:
    """A sentence that counts: `said_many("{n} approval", "{n} approvals", n=2)`."""
    return Said(one, {"n": n, **args}, many)


_COMMA = marked("{first}, {rest}")


def recalled(text: str, template: str) -> Said | None:
    """The sentence of a template that a plain text is, where it lost that on its way through somebody else's store; None when it is not."""
    pattern = "".join(
        re.escape(literal) + (f"(?P<{name}>.+)" if name else "") for literal, name, _, _ in string.Formatter().parse(template)
    )
    found = re.fullmatch(pattern, text, re.DOTALL)
    return Said(template, found.groupdict()) if found else None


def listed(parts: list[str], *, by: str = _COMMA) -> str:
    """Parts that stay translatable as a list with commas, or joined as `by` says; empty text for none."""
    if not parts:
        return ""
    found: str = parts[0]
    for part in parts[1:]:
        found = Said(by, {"first": found, "rest": part})
    return found


def _plain(args: Mapping[str, Any]) -> Mapping[str, Any]:
    """Figures in the English of the record: what formatting makes of them, but for moments."""
    if not any(isinstance(value, datetime) for value in args.values()):
        return args
    return {name: f"{value.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if isinstance(value, datetime) else value for name, value in args.items()}
