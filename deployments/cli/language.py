"""Which language the command line speaks: that of whoever acts, where he chose one; else the environment's; else the company's.

One process runs one command for one reader, so the reader is kept here. Data for scripts, logs and the record stay English.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import TYPE_CHECKING, Any

from credit_review.errors import CreditReviewError
from credit_review.words import ENGLISH, Words, language_of, said, words_for

if TYPE_CHECKING:
    from credit_review.adapters.settings import Settings

_VARIABLES = ("LC_ALL", "LC_MESSAGES", "LANG")


@dataclass(slots=True)
class _Conversation:
    """Who is spoken to, and the language the environment names (empty: none)."""

    words: Words = ENGLISH
    environment: str = ""


_NOW = _Conversation()


def begin(environment: Mapping[str, str]) -> None:
    """Speak as the environment says, until a person is known."""
    _NOW.environment = named_by(environment)
    _NOW.words = Words("zh_CN", "zh_CN") if _NOW.environment == "zh_CN" else ENGLISH
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a terminal of another alphabet gets escapes, never a traceback
            stream.reconfigure(errors="backslashreplace")


def named_by(environment: Mapping[str, str]) -> str:
    """The language that LC_ALL, LC_MESSAGES or LANG names, the first that is set; empty where it is unset, C or POSIX."""
    chosen = next((environment[name] for name in _VARIABLES if environment.get(name)), "")
    locale = chosen.partition(".")[0].partition("@")[0]
    return "" if locale in ("", "C", "POSIX") else language_of(locale)


def of_company(settings: Settings) -> Words:
    """How somebody reads who chose nothing: in the environment's language, else as the company does; in the company's time zone."""
    company = settings.words()
    if _NOW.environment in ("", company.language):
        return company
    return words_for(language=_NOW.environment, zone=settings.time_zone)


def speak(words: Words) -> None:
    """Speak to this reader from here on."""
    _NOW.words = words


def is_english() -> bool:
    """Whether help and usage errors stay as they are written."""
    return _NOW.words.language == ENGLISH.language


def say(value: Any) -> str:
    """A sentence, or a figure of a table, as the reader reads it; plain text is data and stays as it is.

    Who reads English and chose no way of writing figures reads them as they stand in the record.
    """
    if _as_recorded():
        return str(said("{value}", value=value))
    return _NOW.words.shown(value)


def moment(at: datetime, zone: tzinfo) -> str:
    """A moment of the record: in the reader's own time zone where he chose one, else in the company's."""
    return f"{at.astimezone(zone):%Y-%m-%d %H:%M}" if _as_recorded() else _NOW.words.moment(at)


def _as_recorded() -> bool:
    return is_english() and _NOW.words.locale == ENGLISH.locale


def words() -> Words:
    """How the reader reads, for what is drawn as it is drawn in Slack."""
    return _NOW.words


def error(problem: CreditReviewError) -> str:
    """What is wrong, what was expected and what to do next, each on its line."""
    lines = [say(problem.what)]
    if problem.expected:
        lines.append("  " + say(said("expected: {expected}", expected=problem.expected)))
    if problem.next_step:
        lines.append("  " + say(said("next: {step}", step=problem.next_step)))
    return "\n".join(lines)
