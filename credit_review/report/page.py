"""The pages themselves: views put into templates. Everything printed is escaped and cleaned, whoever wrote it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import jinja2
from markupsafe import Markup

from credit_review.report import above, book, evidence, headline, movements
from credit_review.report.text import clean, day, words

if TYPE_CHECKING:
    import pandas as pd

    from credit_review.model.validation import Verdict
    from credit_review.report.data import ReportData, ReviewFacts


def report_page(data: ReportData) -> str:
    """The review report."""
    blocks, listed = movements.blocks(data)
    reductions, reduction_words = movements.reductions(data)
    first_limits, first_words = above.first_limits(data)
    grades, counts = book.migration(data)
    automatic, automatic_list = movements.automatic(data)
    return _page(
        "report.html",
        facts=data.facts,
        data=data,
        summary=headline.summary(data),
        by_currency=headline.by_currency(data),
        tiles=headline.tiles(data),
        warnings=headline.warnings(data),
        portfolio=book.portfolio_table(data),
        groups=book.groups_table(data),
        limits=book.limits_table(data),
        plots={name: Markup(svg) for name, svg in book.plots(data, grades, counts).items()},  # noqa: S704 - our own drawing, its texts escaped
        migration=book.migration_words(counts),
        blocks=blocks,
        listed=listed,
        over_limit=above.over_limit_table(data),
        first_limits=first_limits,
        first_words=first_words,
        reductions=reductions,
        reduction_words=reduction_words,
        approvals=movements.approvals(data),
        automatic=automatic,
        automatic_list=automatic_list,
        risk_kept=evidence.risk_kept(data),
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


def validation_page(verdicts: Sequence[Verdict], *, facts: ReviewFacts, quarantine: pd.DataFrame) -> str:
    """The validation results."""
    return _page(
        "validation.html",
        facts=facts,
        verdicts=[(v, evidence.validation([v])) for v in verdicts],
        summary=evidence.validation_words(verdicts),
        errors=[(v.dataset, o) for v in verdicts for o in v.outcomes if o.error],
        quarantine_summary=evidence.quarantine_summary(quarantine),
        quarantine_list=evidence.quarantine_list(quarantine),
    )


def _page(template: str, **values: Any) -> str:
    text: str = _environment().get_template(template).render(**values)
    return "\n".join(line.rstrip() for line in text.splitlines() if line.strip()) + "\n"


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("credit_review.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_printed,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(day=day, words=words)
    return environment


def _printed(value: Any) -> Any:
    """What a template prints: our own markup as it is, everything else as cleaned text, to be escaped."""
    return value if isinstance(value, Markup) else clean(str(value))
