"""Templates of letters: plain text with placeholders, a subject, an empty line, then paragraphs between empty lines.

Those that come with the program are files beside this one, `<kind>.<language>.txt`; a company puts files of its own with the same names in
a folder that settings.yaml names. Every placeholder is checked when a template is read: an unknown one is an error that says where.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

from credit_review.errors import BadInput
from credit_review.letters.letter import Letter
from credit_review.model.states import LetterKind
from credit_review.words import said

_FOLDER = Path(__file__).parent / "templates"
_ALWAYS = frozenset({"company", "customer", "date", "new_limit", "new_terms", "from"})
_BOTH = _ALWAYS | {"old_limit", "old_terms"}

PLACEHOLDERS: Mapping[LetterKind, frozenset[str]] = MappingProxyType(
    {
        LetterKind.INCREASE: _BOTH,
        LetterKind.REDUCTION: _BOTH,
        LetterKind.TERMS: _BOTH,
        LetterKind.FIRST: _ALWAYS,
        LetterKind.TEMPORARY: _ALWAYS | {"until"},
        LetterKind.ENDED: _ALWAYS | {"old_limit"},
    }
)
"""What a template of each kind may name."""

_BRACES = re.compile(r"\{([^{}]*)\}|[{}]")


@dataclass(frozen=True, slots=True)
class Template:
    """A checked template: its subject and its paragraphs."""

    name: str
    subject: str
    paragraphs: tuple[str, ...]

    def filled(self, letter: Letter, values: Mapping[str, str]) -> Letter:
        """The letter with this subject and these paragraphs, each placeholder in the place of its value."""

        def put(text: str) -> str:
            return _BRACES.sub(lambda found: values[found.group(1)], text)

        return replace(letter, subject=put(self.subject), paragraphs=tuple(put(one) for one in self.paragraphs))


def file_name(kind: LetterKind, language: str) -> str:
    """Name of the file that holds the template of a kind in a language (`en`, `zh_CN`)."""
    return f"{kind}.{language}.txt"


def builtin(kind: LetterKind, language: str) -> Template:
    """The template that comes with the program."""
    name = file_name(kind, language)
    return parsed((_FOLDER / name).read_text(encoding="utf-8"), name=name, kind=kind)


def parsed(text: str, *, name: str, kind: LetterKind) -> Template:
    """The template in a text. Raises BadInput naming file and line for an unknown placeholder, a stray brace, or a missing part."""
    for number, line in enumerate(text.splitlines(), start=1):
        for found in _BRACES.finditer(line):
            _require_known(found.group(1), found.group(0), name=name, line=number, kind=kind)
    parts = [" ".join(part.split("\n")).strip() for part in re.split(r"\n[ \t]*\n", text.replace("\r\n", "\n").strip())]
    if len(parts) < 2 or not all(parts):
        raise BadInput(
            said("{name} line {line} is no letter", name=name, line=1),
            expected=said("a subject, an empty line, and at least one paragraph"),
        )
    return Template(name, parts[0], tuple(parts[1:]))


def _require_known(placeholder: str | None, shown: str, *, name: str, line: int, kind: LetterKind) -> None:
    known = PLACEHOLDERS[kind]
    if placeholder in known:
        return
    raise BadInput(
        said("{name} line {line}: unknown placeholder {shown}", name=name, line=line, shown=shown),
        expected=said("one of {known}", known=", ".join(f"{{{one}}}" for one in sorted(known))),
        next_step=said("correct the template; a letter says braces in no other way"),
    )
