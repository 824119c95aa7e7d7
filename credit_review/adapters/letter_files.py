"""Writes letters to customers: the company's own templates or those that come with the program, filled and put on a page."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from credit_review.adapters import keepsakes
from credit_review.adapters.settings import Settings, read_text
from credit_review.adapters.snapshot import open_snapshot
from credit_review.adapters.workspace import Workspace
from credit_review.letters import Letter, Template, builtin, file_name, parsed
from credit_review.model.frames import bucket_of
from credit_review.model.money import Money
from credit_review.model.states import LetterKind
from credit_review.review.customer_letters import Page, Wanted
from credit_review.review.manifest import from_json
from credit_review.words import LANGUAGES, Words, said, words_for

if TYPE_CHECKING:
    from credit_review.model.records import Review


def template(settings: Settings, kind: LetterKind, language: str) -> Template:
    """The company's own template where its folder has one, else the built-in one. Raises BadInput naming file and line."""
    name = file_name(kind, language)
    if settings.letters_dir and (own := settings.path(settings.letters_dir) / name).is_file():
        return parsed(read_text(own, known_as=f"{settings.letters_dir}/{name}"), name=f"{settings.letters_dir}/{name}", kind=kind)
    return builtin(kind, language)


def check(settings: Settings) -> int:
    """How many templates are the company's own, all being sound. Raises BadInput for the first that is not, and for a name of none."""
    for kind in LetterKind:
        for language in LANGUAGES:
            template(settings, kind, language)
    if not settings.letters_dir:
        return 0
    known = {file_name(kind, language) for kind in LetterKind for language in LANGUAGES}
    return sum(1 for path in settings.path(settings.letters_dir).glob("*.txt") if path.name in known)


def strangers(settings: Settings) -> list[str]:
    """Files in the company's folder that are no template by their name, and so are never read."""
    if not settings.letters_dir:
        return []
    known = {file_name(kind, language) for kind in LetterKind for language in LANGUAGES}
    return sorted(path.name for path in settings.path(settings.letters_dir).glob("*") if path.name not in known)


def write(settings: Settings, today: date, wanted: Sequence[Wanted]) -> list[Page]:
    """Makes and keeps the pages, in order. Raises BadInput for a template that is none."""
    pages = []
    for one in wanted:
        words = words_for(language=one.language, zone=settings.time_zone) if one.language else settings.words()
        text = page(filled(one, template(settings, one.kind, words.language), words, company=settings.company, today=today), words)
        digest = sha256(text.encode()).hexdigest()
        name = f"{one.letter_id}-{digest[:12]}.html"
        keepsakes.keep(settings.data, keepsakes.LETTERS, name, text)
        pages.append(Page(words.language, name, digest))
    return pages


def filled(wanted: Wanted, template: Template, words: Words, *, company: str, today: date) -> Letter:
    """The letter in words of its reader."""
    w, change = words, wanted.change

    def amount(minor: int | None) -> str:
        return w.say(said("no credit limit")) if minor is None else w.shown(Money(minor, wanted.currency))

    def terms(days: int | None) -> str:
        return w.say(said("as agreed")) if days is None else w.say(said("net {days} days", days=days))

    values = {
        "company": company,
        "customer": wanted.name,
        "date": w.day(today),
        "old_limit": amount(change.old_minor),
        "new_limit": amount(change.new_minor),
        "old_terms": terms(change.old_terms_days),
        "new_terms": terms(change.new_terms_days),
        "from": w.day(change.effective_from),
        "until": w.day(change.effective_to) if change.effective_to else "",
    }
    return template.filled(Letter(company=company, day=w.day(today), to=wanted.name), values)


def page(letter: Letter, words: Words) -> str:
    """The letter as one self-contained page, to be read and printed."""
    from credit_review.report.page import one_page

    return one_page("letter", words, plots={}, letter=letter)


def segments(data: Path, review: Review | None, customers: Collection[str]) -> Mapping[str, str]:
    """The business segment of each customer, from the snapshot of a review. Raises Tampered where files are missing."""
    if review is None:
        return {}
    manifest = from_json(review.manifest_json)
    snapshot = open_snapshot(Workspace(data, review.review_id).snapshots / manifest.snapshot)
    found: dict[str, str] = {}
    for bucket in sorted({bucket_of(one, manifest.bucket_count) for one in customers}):
        rows = snapshot.frame("customers", bucket)
        found |= dict(zip(rows["customer_id"].tolist(), rows["segment"].tolist(), strict=True))
    return {one: found.get(one, "") for one in customers}
