"""What people read, in their language: sentences that keep their figures, and amounts, dates and times as the reader writes them.

English is the language of the code and of the record; a catalogue (`locale/<language>/LC_MESSAGES/credit_review.po`) says the rest.
"""

from __future__ import annotations

import gettext
import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, tzinfo
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any, Self
from zoneinfo import ZoneInfo

from credit_review.errors import BadInput, CreditReviewError
from credit_review.model.money import Money, exponent

DOMAIN = "credit_review"
LANGUAGES = {"en": "English", "zh_CN": "简体中文"}
"""Languages people may choose, each by its own name."""
CATALOGUES = Path(__file__).parent / "locale"

_SIMPLIFIED = ("zh", "zh_CN", "zh_SG", "zh_Hans")


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
        shown = chosen.format(**{name: _plain(value) for name, value in args.items()}) if args else chosen
        text = super().__new__(cls, shown)
        text.template, text.args, text.many = template, dict(args), many
        return text

    def __getnewargs__(self) -> tuple[str, Mapping[str, Any], str]:  # type: ignore[override]
        return self.template, self.args, self.many


def said(template: str, /, **args: Any) -> Said:
    """A sentence with figures: str, int, date, datetime, Money, or another sentence. Templates are what the catalogues translate."""
    return Said(template, args)


def marked(template: str) -> str:
    """The template itself, known to the catalogues, for sentences said where the figures are."""
    return template


def said_many(one: str, many: str, /, n: int, **args: Any) -> Said:
    """A sentence that counts: `said_many("{n} approval", "{n} approvals", n=2)`."""
    return Said(one, {"n": n, **args}, many)


_COMMA = marked("{first}, {rest}")


def listed(parts: list[str], *, by: str = _COMMA) -> str:
    """Parts that stay translatable as a list with commas, or joined as `by` says; empty text for none."""
    if not parts:
        return ""
    found: str = parts[0]
    for part in parts[1:]:
        found = Said(by, {"first": found, "rest": part})
    return found


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
    return packed(value) if isinstance(value, str) else int(value)


def _unpacked(value: Any) -> Any:
    if isinstance(value, list):
        kind, *rest = value
        if kind == "money":
            return Money(*rest)
        return datetime.fromisoformat(rest[0]) if kind == "time" else date.fromisoformat(rest[0])
    return value if isinstance(value, int) else unpacked(value)


def _plain(value: Any) -> str:
    """A figure in the English of the record."""
    return f"{value.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if isinstance(value, datetime) else str(value)


@dataclass(frozen=True, slots=True)
class Words:
    """How one reader reads: language of sentences, locale of figures (a Babel name such as `de_DE`), and time zone."""

    language: str = "en"
    locale: str = "en_GB"
    zone: tzinfo = field(default=UTC)

    def say(self, text: str) -> str:
        """The sentence in the reader's language, its figures as he writes them. Plain text is translated when the catalogue has it."""
        if not isinstance(text, Said):
            return _catalogue(self.language).gettext(text) if text else text
        known = _catalogue(self.language)
        template = known.ngettext(text.template, text.many, int(text.args["n"])) if text.many else known.gettext(text.template)
        return template.format(**{name: self._shown(value) for name, value in text.args.items()}) if text.args else template

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

    def _shown(self, value: Any) -> str:
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
        raise BadInput(f"unknown language {language!r}", expected=" or ".join(LANGUAGES))
    wanted = (locale or {"zh_CN": "zh_CN"}.get(language, "en_GB")).replace("-", "_")
    try:
        found = str(Locale.parse(wanted))
    except (ValueError, UnknownLocaleError):
        raise BadInput(f"unknown locale {locale!r}", expected="a locale such as en_GB, de_DE or zh_CN") from None
    try:
        place = ZoneInfo(zone)
    except (ValueError, OSError, KeyError):
        raise BadInput(f"unknown time zone {zone!r}", expected="an IANA time zone such as Europe/Berlin") from None
    return Words(language or ("zh_CN" if found in _SIMPLIFIED or found.startswith("zh_Hans") else "en"), found, place)


def _offset(local: datetime) -> str:
    """How far a moment's zone is from UTC: `UTC`, `UTC+2`, `UTC-3:30`."""
    seconds = int((local.utcoffset() or timedelta()).total_seconds())
    hours, rest = divmod(abs(seconds) // 60, 60)
    return "UTC" + (f"{'+' if seconds > 0 else '-'}{hours}" + (f":{rest:02}" if rest else "") if hours or rest else "")


def templates() -> frozenset[str]:
    """Every sentence of the catalogues in English, but for those that count."""
    known = (getattr(_catalogue(language), "_catalog", {}) for language in LANGUAGES)
    return frozenset(one for sentences in known for one in sentences if isinstance(one, str) and one)


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
def _catalogue(language: str) -> gettext.NullTranslations:
    """A language's sentences, compiled from its catalogue when first needed."""
    path = CATALOGUES / language / "LC_MESSAGES" / f"{DOMAIN}.po"
    if not path.is_file():
        return gettext.NullTranslations()
    from babel.messages.mofile import write_mo
    from babel.messages.pofile import read_po

    compiled = io.BytesIO()
    with path.open("rb") as file:
        write_mo(compiled, read_po(file, locale=language))
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)
