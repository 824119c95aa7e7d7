"""The pages themselves: views put into templates. Everything printed is escaped and cleaned, whoever wrote it."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import jinja2
from markupsafe import Markup

from credit_review.hearing import heard
from credit_review.policy_effect.effectiveness import TOO_FEW
from credit_review.report import above, book, effectiveness, evidence, file_name, headline, monitoring, movements, policy_diff, shadow
from credit_review.report.charts import translated
from credit_review.report.text import clean, count, day, words
from credit_review.words import LANGUAGES, Said, Words, said

if TYPE_CHECKING:
    import pandas as pd

    from credit_review.challenger.comparison import Comparison
    from credit_review.model.validation import Verdict
    from credit_review.monitoring.book import Monitored
    from credit_review.policy_effect.effectiveness import Effectiveness
    from credit_review.policy_effect.result import PolicyDiff
    from credit_review.report.data import ReportData, ReviewFacts
    from credit_review.report.shadow import ChallengerFacts


def report_pages(data: ReportData, readers: Sequence[Words]) -> list[str]:
    """The review report, a page a reader; the first one's language is the company's. All pages show the same figures and drawings."""
    return _pages("report", readers, **_views(data))


def validation_pages(verdicts: Sequence[Verdict], readers: Sequence[Words], *, facts: ReviewFacts, quarantine: pd.DataFrame) -> list[str]:
    """The validation results, a page a reader; the first one's language is the company's."""
    return _pages(
        "validation",
        readers,
        plots={},
        facts=facts,
        verdicts=[(v, evidence.validation([v])) for v in verdicts],
        summary=evidence.validation_words(verdicts),
        errors=[(v.dataset, o) for v in verdicts for o in v.outcomes if o.error],
        quarantine_summary=evidence.quarantine_summary(quarantine),
        quarantine_list=evidence.quarantine_list(quarantine),
    )


def monitoring_pages(found: Monitored, readers: Sequence[Words], *, company: str, produced_at: str) -> list[str]:
    """How a scorecard in use does, a page a reader; the first one's language is the company's."""
    return _pages("monitoring", readers, **monitoring.views(found), company=company, produced_at=produced_at)


def challenger_pages(found: Comparison, readers: Sequence[Words], *, facts: ChallengerFacts) -> list[str]:
    """The comparison of a challenger with the scorecard, a page a reader; the first one's language is the company's."""
    return _pages("challenger", readers, facts=facts, **shadow.views(found, facts))


def policy_diff_pages(
    found: PolicyDiff, readers: Sequence[Words], *, people: Mapping[str, str], list_digest: str, company: str, produced_at: str
) -> list[str]:
    """A policy change for the committee, a page a reader; the first one's language is the company's."""
    views = policy_diff.views(found, people)
    return _pages("policy_diff", readers, **views, company=company, produced_at=produced_at, list_digest=list_digest)


def effectiveness_pages(found: Effectiveness, readers: Sequence[Words], *, company: str, produced_at: str) -> list[str]:
    """How a policy did over a year, a page a reader; the first one's language is the company's."""
    return _pages("effectiveness", readers, **effectiveness.views(found), few=TOO_FEW, company=company, produced_at=produced_at)


def sitting_pages(page: str, readers: Sequence[Words], views: Callable[[Words], Mapping[str, Any]]) -> list[str]:
    """`committee_agenda` or `committee_minutes`, a page a reader, from what `views` gives for each; the first one's language is the
    company's."""
    languages = [reader.language for reader in readers]
    return [_page(page, reader, _others(page, reader, languages, languages[0]), {}, views(reader)) for reader in readers]


def one_page(page: str, reader: Words, *, plots: Mapping[str, str], **values: Any) -> str:
    """A page of another module, for one reader."""
    return _pages(page, [reader], plots=plots, **values)[0]


def _views(data: ReportData) -> dict[str, Any]:
    blocks, listed = movements.blocks(data)
    reductions, reduction_words = movements.reductions(data)
    first_limits, first_words = above.first_limits(data)
    grades, counts = book.migration(data)
    automatic, automatic_list = movements.automatic(data)
    return dict(
        facts=data.facts,
        data=data,
        summary=headline.summary(data),
        by_currency=headline.by_currency(data),
        tiles=headline.tiles(data),
        warnings=headline.warnings(data),
        portfolio=book.portfolio_table(data),
        groups=book.groups_table(data),
        concentration=[*book.concentration_tables(data), *book.foreseen_tables(data)],
        limits=book.limits_table(data),
        plots=book.plots(data, grades, counts),
        migration=book.migration_words(counts),
        blocks=blocks,
        listed=listed,
        over_limit=above.over_limit_table(data),
        first_limits=first_limits,
        first_words=first_words,
        reductions=reductions,
        reduction_words=reduction_words,
        approvals=movements.approvals(data),
        ended=movements.ended(data),
        automatic=automatic,
        automatic_list=automatic_list,
        risk_kept=evidence.risk_kept(data),
        exceptions=evidence.exceptions(data),
        decided=evidence.decided(data),
        escalations=evidence.escalations(data),
        not_reviewed=evidence.not_reviewed(data),
        quarantine_summary=evidence.quarantine_summary(data.quarantine),
        quarantine_list=evidence.quarantine_list(data.quarantine, data.files),
        duplicates=evidence.duplicates(data),
        aliases=evidence.aliases(data),
        sources=evidence.sources(data),
        control_totals=evidence.control_totals(data),
        validation=evidence.validation_summary(data.verdicts),
        broken=evidence.broken(data.verdicts),
        not_computable=evidence.not_computable(data.features),
        certificate=evidence.certificate(data.certificate),
    )


def _pages(page: str, readers: Sequence[Words], *, plots: Mapping[str, str], **values: Any) -> list[str]:
    company = readers[0].language
    return [_page(page, w, _others(page, w, [r.language for r in readers], company), plots, values) for w in readers]


def _others(page: str, words: Words, languages: Sequence[str], company: str) -> list[tuple[str, str]]:
    """Languages by their own names, each with the file to open, and none for the page itself; nothing where there is one language."""
    if len(languages) < 2:
        return []
    return [(LANGUAGES[one], "" if one == words.language else file_name(page, one, company)) for one in sorted(languages)]


def _page(page: str, words: Words, others: Sequence[tuple[str, str]], plots: Mapping[str, str], values: Mapping[str, Any]) -> str:
    say = _say(words)
    drawn = {name: Markup(translated(svg, say)) for name, svg in plots.items()}  # noqa: S704 - our own drawing, its texts escaped
    template = _environment(words).get_template(f"{page}.html")
    text: str = template.render(lang=words.language.replace("_", "-"), others=others, plots=drawn, **values)
    return "\n".join(line.rstrip() for line in text.splitlines() if line.strip()) + "\n"


def _say(words: Words) -> Callable[[Any], str]:
    """How a page says a text: sentences in the reader's language, everything else, which others wrote, as it is."""
    if words.language == "en":  # the language of the record
        return str
    return lambda text: words.say(text) if isinstance(text, Said) else str(text)


@lru_cache(maxsize=4)
def _environment(reader: Words) -> jinja2.Environment:
    say = _say(reader)

    def printed(value: Any) -> Any:
        """What a template prints: our own markup as it is, everything else as cleaned text, to be escaped."""
        return value if isinstance(value, Markup) else clean(say(value))

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("credit_review.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=printed,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(day=day, words=words, heard=heard, count=count, say=say, bold=_bold(say), css=_css(say))
    environment.globals.update(said=said)
    return environment


def _bold(say: Callable[[Any], str]) -> Callable[..., Markup]:
    """A sentence with the fields of these names in bold, or all."""

    def bold(text: Said, *names: str) -> Markup:
        marks = {name: f"\0{name}\0" for name in text.args}
        shown = html.escape(say(Said(text.template, marks)))
        for name, value in text.args.items():
            figure = html.escape(clean(say(value)))
            shown = shown.replace(marks[name], f"<b>{figure}</b>" if name in (names or text.args) else figure)
        return Markup(shown)  # noqa: S704 - escaped above

    return bold


def _css(say: Callable[[Any], str]) -> Callable[[Said], Markup]:
    """A sentence as the content of a style sheet, its fields being counters."""

    def css(text: Said) -> Markup:
        shown = say(Said(text.template, {name: f'" counter({name}) "' for name in text.args}))
        return Markup(f'"{shown}"'.removesuffix(' ""'))  # noqa: S704 - our own sentences

    return css
