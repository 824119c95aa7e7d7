"""What people read, in their language: sentences that keep their figures, and amounts, dates and times as the reader writes them.

English is the language of the code and of the record; a catalogue (`locale/<language>/LC_MESSAGES/credit_review.po`) says the rest.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, tzinfo
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from credit_review.errors import BadInput, CreditReviewError
from credit_review.model.money import Money, exponent
from credit_review.sentences import Said as Said
from credit_review.sentences import listed as listed
from credit_review.sentences import marked as marked
from credit_review.sentences import recalled as recalled
from credit_review.sentences import said as said
from credit_review.sentences import said_many as said_many

DOMAIN = "credit_review"
LANGUAGES = {"en": "English", "zh_CN": "简体中文"}
"""Languages people may choose, each by its own name."""
CATALOGUES = Path(__file__).parent / "locale"

_SIMPLIFIED = ("zh", "zh_CN", "zh_SG", "zh_Hans")


def packed(text: str) -> Any:
    """A sentence as plain JSON values, for a record that is said again later."""
    if not isinstance(text, Said):
        return str(text)
    return {"t": text.template, "m": text.many, "a": {name: _packed(value) for name, value in text.args.items()}}


def unpacked(stored: Any) -> str:
    """The sentence that `packed` made plain."""
    if not isinstance(stored, Mapping):
        return str(stored)
    template, many = stored["t"], stored["m"]
    return Said(template, {name: _unpacked(value) for name, value in stored["a"].items()}, many)


def _packed(value: Any) -> Any:
    if isinstance(value, Money):
        return ["money", value.minor, value.currency]
    if isinstance(value, datetime):
        return ["time", value.isoformat()]
    if isinstance(value, date):
        return ["day", value.isoformat()]
    return int(value) if isinstance(value, int) else packed(value)


def _unpacked(value: Any) -> Any:
    if isinstance(value, list):
        kind, *rest = value
        if kind == "money":
            return Money(*rest)
        return datetime.fromisoformat(rest[0]) if kind == "time" else date.fromisoformat(rest[0])
    return value if isinstance(value, int) else unpacked(value)


@dataclass(frozen=True, slots=True)
class Words:
    """How one reader reads: language of sentences, locale of figures (a Babel name such as `de_DE`), and time zone."""

    language: str = "en"
    locale: str = "en_GB"
    zone: tzinfo = field(default=UTC)

    def say(self, text: str) -> str:
        """The sentence in the reader's language, its figures as he writes them. Plain text is translated when the catalogue has it."""
        if not isinstance(text, Said):
            return _catalogue(self.language).text(text)
        known = _catalogue(self.language)
        template = known.counted(text.template, text.many, int(text.args["n"])) if text.many else known.text(text.template)
        return template.format(**{name: self.shown(value) for name, value in text.args.items()}) if text.args else template

    def error(self, error: CreditReviewError) -> str:
        """What is wrong and what to do next, on one line."""
        return " · ".join(self.say(part) for part in (error.what, error.next_step) if part)

    def money(self, minor: int, currency: str, *, signed: bool = False) -> str:
        """An amount with its ISO code, `1,250,000 EUR` or `1.250.000 EUR`: whole major units unless it is not whole."""
        places = exponent(currency)
        value = Decimal(minor).scaleb(-places)
        whole = value == value.to_integral_value()
        pattern = "#,##0" if whole or not places else "#,##0." + "0" * places
        shown = _number_pattern(f"+{pattern};-{pattern}" if signed and minor else pattern).apply(value, _locale(self.locale))
        return f"{shown} {currency}"

    def percent(self, fraction: float, *, decimals: int = 0, signed: bool = False) -> str:
        """A fraction as a percentage."""
        from babel.numbers import format_percent

        pattern = "#,##0" + ("." + "0" * decimals if decimals else "") + "%"
        return str(format_percent(fraction, format=f"+{pattern};-{pattern}" if signed and fraction else pattern, locale=self.locale))

    def number(self, value: float) -> str:
        """A number with at most one decimal."""
        from babel.numbers import format_decimal

        return str(format_decimal(round(value, 1), format="#,##0.#", locale=self.locale))

    def day(self, day: date) -> str:
        """A date, `30 Sept 2026`."""
        from babel.dates import format_date

        return str(format_date(day, format="medium", locale=self.locale))

    def moment(self, at: datetime) -> str:
        """A moment in the reader's time zone, `30 Sept 2026, 14:05 UTC+2`: abbreviations such as CST mean several zones."""
        from babel.dates import format_datetime

        local = at.astimezone(self.zone)
        return f"{format_datetime(local, 'medium', tzinfo=None, locale=self.locale).rpartition(':')[0]} {_offset(local)}"

    def shown(self, value: Any) -> str:
        """A figure or a sentence as the reader writes it: Money, datetime, date; anything else as the text it is."""
        if isinstance(value, Money):
            return self.money(value.minor, value.currency)
        if isinstance(value, datetime):
            return self.moment(value)
        if isinstance(value, date):
            return self.day(value)
        return self.say(value) if isinstance(value, Said) else str(value)


ENGLISH = Words()
"""How the record and the logs read."""


def words_for(*, language: str = "", locale: str = "", zone: str = "UTC") -> Words:
    """The words of a reader who chose these; an empty language follows the locale (`zh-CN` reads Chinese, all others English).

    Raises BadInput for a locale, language or time zone nobody knows.
    """
    from babel import Locale, UnknownLocaleError

    if language and language not in LANGUAGES:
        raise BadInput(said("unknown language {language}", language=repr(language)), expected=" or ".join(LANGUAGES))
    wanted = (locale or {"zh_CN": "zh_CN"}.get(language, "en_GB")).replace("-", "_")
    try:
        found = str(Locale.parse(wanted))
    except (ValueError, UnknownLocaleError):
        raise BadInput(
            said("unknown locale {locale}", locale=repr(locale)), expected=said("a locale such as en_GB, de_DE or zh_CN")
        ) from None
    try:
        place = ZoneInfo(zone)
    except (ValueError, OSError, KeyError):
        raise BadInput(
            said("unknown time zone {zone}", zone=repr(zone)), expected=said("an IANA time zone such as Europe/Berlin")
        ) from None
    return Words(language or language_of(found), found, place)


def language_of(locale: str) -> str:
    """The language that readers of a locale (`zh_CN`, `zh-Hans-SG`) read here: Chinese, all others English."""
    name = locale.replace("-", "_")
    return "zh_CN" if name in _SIMPLIFIED or name.startswith("zh_Hans") else "en"


@dataclass(frozen=True, slots=True)
class _Catalogue:
    """A language's sentences by their English template; `counting` are those with a form for one and a form for many."""

    known: Mapping[str, str]
    counting: frozenset[str] = frozenset()

    def text(self, template: str) -> str:
        """The sentence; English where it is not known."""
        return self.known.get(template, template)

    def counted(self, one: str, many: str, n: int) -> str:
        """The sentence that counts `n`; the languages here have one form for every number."""
        return self.known.get(one, one if n == 1 else many)


def _offset(local: datetime) -> str:
    """How far a moment's zone is from UTC: `UTC`, `UTC+2`, `UTC-3:30`."""
    seconds = int((local.utcoffset() or timedelta()).total_seconds())
    hours, rest = divmod(abs(seconds) // 60, 60)
    return "UTC" + (f"{'+' if seconds > 0 else '-'}{hours}" + (f":{rest:02}" if rest else "") if hours or rest else "")


def templates() -> frozenset[str]:
    """Every sentence of the catalogues in English, but for those that count."""
    found = (_catalogue(language) for language in LANGUAGES)
    return frozenset(one for each in found for one in each.known if one not in each.counting)


@lru_cache(maxsize=64)
def _number_pattern(pattern: str) -> Any:
    """A pattern parsed once: a report writes thousands of amounts with the same one."""
    from babel.numbers import parse_pattern

    return parse_pattern(pattern)


@lru_cache(maxsize=64)
def _locale(name: str) -> Any:
    from babel import Locale

    return Locale.parse(name)


@lru_cache(maxsize=8)
def _catalogue(language: str) -> _Catalogue:
    """A language's sentences, read from its catalogue when first needed: plainly, since every `--help` waits for it."""
    path = CATALOGUES / language / "LC_MESSAGES" / f"{DOMAIN}.po"
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    entries = [_entry(block) for block in text.split("\n\n")]
    pairs = ((entry.get("msgid", ""), entry.get("msgstr") or entry.get("msgstr[0]", "")) for entry in entries)
    counting = frozenset(entry["msgid"] for entry in entries if "msgid_plural" in entry)
    return _Catalogue({template: said_here for template, said_here in pairs if template and said_here}, counting)


def _entry(block: str) -> dict[str, str]:
    """One entry of a catalogue by field; its quoted lines are JSON strings."""
    entry: dict[str, str] = {}
    name = ""
    for line in block.splitlines():
        if line.startswith('"'):
            entry[name] += json.loads(line)
        elif not line.startswith("#"):
            name, _, quoted = line.partition(" ")
            entry[name] = json.loads(quoted)
    return entry
