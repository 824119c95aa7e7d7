"""A scorecard from the ledger's own history: features as they were at past cut-offs, outcomes as they came true after."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from credit_review import exposure, policy, receivables, scoring
from credit_review.adapters import challengers, reading
from credit_review.adapters.wiring import Services
from credit_review.words import marked
from tasks import intake, prepare
from tasks.progress import stage

if TYPE_CHECKING:
    import pandas as pd

    from credit_review.adapters.reading import Book
    from credit_review.challenger import fitting as challenger_fitting
    from credit_review.policy import Policy
    from credit_review.receivables import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """A scorecard's text, and how it came about, as lines to print."""

    text: str
    lines: tuple[str, ...]
    rows: pd.DataFrame | None = None
    """The history it was fitted on, or tried to be; None where none was looked at."""


def fit(config: str, *, as_of: date | None, expert: bool) -> Fitted:
    """A scorecard fitted on what the sources hold, or the expert one where the history is too thin, or where it is asked for."""
    opened = prepare.services(config)
    rules = policy.load(opened.settings.document(opened.settings.policy))
    mappings = [receivables.load(opened.settings.document(place.mapping)) for place in opened.settings.sources]
    if expert:
        lateness = only_lateness(mappings, rules)
        why = marked("chosen by a person")
        card = scoring.expert(rules, why=why, only_lateness=lateness, not_available=not_available(mappings))
        return Fitted(text=scoring.dump(card), lines=(f"{card.name}: {card.why}",))
    day = as_of or opened.today()
    book = _book(opened, mappings, rules, day)
    with stage("Fitting the scorecard"):
        rows = training_rows(book, mappings, rules, as_of=day)
        result = fit_rows(rows, mappings, rules, as_of=day, seed=opened.settings.review.seed)
    return Fitted(text=scoring.dump(result.scorecard), lines=tuple(result.report.lines()), rows=rows)


def fit_challenger(config: str, *, as_of: date | None) -> challenger_fitting.Fitted:
    """A challenger fitted on the same history as a scorecard. Raises BadInput where that is too thin."""
    from credit_review.challenger import fitting

    opened = prepare.services(config)
    rules = policy.load(opened.settings.document(opened.settings.policy))
    mappings = [receivables.load(opened.settings.document(place.mapping)) for place in opened.settings.sources]
    day = as_of or opened.today()
    book = _book(opened, mappings, rules, day)
    with stage("Fitting the challenger"):
        rows = training_rows(book, mappings, rules, as_of=day)
        unfed = not_available(mappings)
        return fitting.fit_ledger(
            rows, policy=rules, seed=opened.settings.review.seed, libraries=challengers.installed(), not_available=unfed
        )


def _book(opened: Services, mappings: list[Mapping], rules: Policy, day: date) -> Book:
    with stage("Reading the sources"):
        with opened.store.read() as uow:
            known = intake.decided_identities(uow, day, opened.clock.now())
        return reading.read_book(opened.settings, mappings, as_of=day, policy=rules, known=known)


def fit_book(book: Book, mappings: list[Mapping], rules: Policy, *, as_of: date, seed: int) -> scoring.FitResult:
    """The fit on a book."""
    return fit_rows(training_rows(book, mappings, rules, as_of=as_of), mappings, rules, as_of=as_of, seed=seed)


def training_rows(book: Book, mappings: list[Mapping], rules: Policy, *, as_of: date) -> pd.DataFrame:
    """Rows of `scoring.training_set` from a book: nothing known only after a cut-off enters its features."""
    items, customers = book.frames["items"], book.frames["customers"]
    known = items[items["customer_id"] != ""]
    has = receivables.capabilities(mappings)
    cut_offs = scoring.cut_offs(known["posting_date"].min().date(), as_of, rules) if len(known) and "cleared_items" in has else ()
    oldest = any(m.items.allocation == "oldest_first" for m in mappings)
    rates = rules.rates.table(book.frames["rates"])
    features, outcomes = {}, {}
    for cut_off in cut_offs:
        features[cut_off] = exposure.features(
            receivables.as_of(known, cut_off, oldest=oldest),
            customers,
            book.frames["external"],
            book.frames["cover"],
            as_of=cut_off,
            policy=rules,
            rates=rates,
            statements=book.frames.get("statements"),
            remarks=book.frames.get("remarks"),
            capabilities=has,
        ).frame
        outcomes[cut_off] = scoring.outcome(known, customers, cutoff=cut_off, as_of=as_of, policy=rules)
    return scoring.training_set(features, outcomes)


def fit_rows(rows: pd.DataFrame, mappings: list[Mapping], rules: Policy, *, as_of: date, seed: int) -> scoring.FitResult:
    """The fit on rows of history."""
    return scoring.fit(
        rows,
        policy=rules,
        seed=seed,
        valid_from=as_of,
        not_available=not_available(mappings),
        only_lateness=only_lateness(mappings, rules),
    )


def only_lateness(mappings: list[Mapping], rules: Policy) -> bool:
    """Whether lateness is all that these sources can state of policy's outcome: no write-offs, and none of its statuses."""
    stated = frozenset().union(*(m.statuses for m in mappings))
    return not stated & set(rules.outcome.statuses) and not any("write_offs" in m.has for m in mappings)


def not_available(mappings: list[Mapping]) -> dict[str, str]:
    """Factors that this ledger cannot feed, and why."""
    return scoring.not_available(receivables.capabilities(mappings))


def expert_text(opened: Services) -> str:
    """The expert scorecard for an installation's policy and mappings."""
    return fit(str(opened.settings.folder), as_of=None, expert=True).text
