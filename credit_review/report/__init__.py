"""What people read after a review: the HTML report, the validation page and lists safe for spreadsheets. Light to import."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from credit_review.report.data import (
    AskedLine,
    Certificate,
    CertificateLine,
    ControlTotal,
    DecisionLine,
    EndedLine,
    ExceptionLine,
    OutputFile,
    ReportData,
    ReviewFacts,
    RiskKeptLine,
    Source,
)
from credit_review.report.shadow import ChallengerFacts
from credit_review.words import ENGLISH

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import pandas as pd

    from credit_review.challenger.comparison import Comparison
    from credit_review.model.validation import Verdict
    from credit_review.monitoring.book import Monitored
    from credit_review.policy_effect.effectiveness import Effectiveness
    from credit_review.policy_effect.result import PolicyDiff
    from credit_review.words import Words

__all__ = [
    "AskedLine",
    "Certificate",
    "CertificateLine",
    "ChallengerFacts",
    "ControlTotal",
    "DecisionLine",
    "EndedLine",
    "ExceptionLine",
    "OutputFile",
    "ReportData",
    "ReviewFacts",
    "RiskKeptLine",
    "Source",
    "challenger_figures",
    "challenger_pages",
    "challenger_summary",
    "effectiveness_pages",
    "effectiveness_summary",
    "file_name",
    "monitoring_pages",
    "monitoring_summary",
    "pages",
    "policy_diff_pages",
    "render",
    "safe_csv",
    "validation_page",
    "validation_pages",
]


def render(data: ReportData, words: Words = ENGLISH) -> str:
    """The review report as one HTML page that needs no network and no script; the same data gives the same bytes."""
    return pages(data, [words])[0]


def pages(data: ReportData, readers: Sequence[Words]) -> list[str]:
    """The report as a page a reader, of different languages, with links between them; the first reader is the company.

    The pages stand beside each other under `file_name`. Figures are the same on all of them.
    """
    from credit_review.report.page import report_pages

    return report_pages(data, readers)


def validation_page(verdicts: Sequence[Verdict], words: Words = ENGLISH, *, facts: ReviewFacts, quarantine: pd.DataFrame) -> str:
    """What was promised about each dataset, in words, and what was found, as one self-contained HTML page.

    `verdicts` are merged over buckets; `quarantine` has the columns of QUARANTINE.
    """
    return validation_pages(verdicts, [words], facts=facts, quarantine=quarantine)[0]


def validation_pages(verdicts: Sequence[Verdict], readers: Sequence[Words], *, facts: ReviewFacts, quarantine: pd.DataFrame) -> list[str]:
    """`validation_page` as a page a reader, like `pages`."""
    from credit_review.report.page import validation_pages as write

    return write(verdicts, readers, facts=facts, quarantine=quarantine)


def monitoring_pages(found: Monitored, readers: Sequence[Words], *, company: str, produced_at: str = "") -> list[str]:
    """How a scorecard in use does, as a page a reader, like `pages`, under `file_name("monitoring", …)`."""
    from credit_review.report.page import monitoring_pages as write

    return write(found, readers, company=company, produced_at=produced_at)


def monitoring_summary(found: Monitored) -> list[str]:
    """The sentences with which the monitoring page begins."""
    from credit_review.report.monitoring import summary

    return summary(found)


def challenger_pages(found: Comparison, readers: Sequence[Words], *, facts: ChallengerFacts) -> list[str]:
    """A challenger held against the scorecard of a review, as a page a reader, like `pages`."""
    from credit_review.report.page import challenger_pages as write

    return write(found, readers, facts=facts)


def challenger_summary(found: Comparison) -> list[str]:
    """The comparison in short, as sentences."""
    from credit_review.report.shadow import summary

    return summary(found)


def challenger_figures(found: Comparison) -> dict[str, Any]:
    """The comparison's figures as plain values, for a program."""
    from credit_review.report.shadow import figures

    return figures(found)


def policy_diff_pages(
    found: PolicyDiff, readers: Sequence[Words], *, people: Mapping[str, str], list_digest: str, company: str, produced_at: str
) -> list[str]:
    """A policy change for the committee, as a page a reader, like `pages`, under `file_name("policy_diff", …)`.

    `people` are names by person id, `list_digest` the SHA-256 of the list of all customers that differ.
    """
    from credit_review.report.page import policy_diff_pages as write

    return write(found, readers, people=people, list_digest=list_digest, company=company, produced_at=produced_at)


def effectiveness_pages(found: Effectiveness, readers: Sequence[Words], *, company: str, produced_at: str) -> list[str]:
    """How a policy did over a year, as a page a reader, like `pages`, under `file_name("effectiveness", …)`."""
    from credit_review.report.page import effectiveness_pages as write

    return write(found, readers, company=company, produced_at=produced_at)


def effectiveness_summary(found: Effectiveness) -> list[str]:
    """The sentences with which that page begins."""
    from credit_review.report.effectiveness import summary

    return summary(found)


def sitting_pages(page: str, readers: Sequence[Words], views: Callable[[Words], Mapping[str, Any]]) -> list[str]:
    """`committee_agenda` or `committee_minutes`, as a page a reader, like `pages`; `views` gives what `report.committee` shows to each."""
    from credit_review.report.page import sitting_pages as write

    return write(page, readers, views)


def file_name(page: str, language: str, company: str) -> str:
    """The file of a page such as `report`: `report.html` in the company's language, `report.zh_CN.html` in another one."""
    return f"{page}.html" if language == company else f"{page}.{language}.html"


def safe_csv(frame: pd.DataFrame) -> str:
    """The frame as CSV (RFC 4180) that no spreadsheet takes for formulas; see `spreadsheet`."""
    from credit_review.report.spreadsheet import safe_csv as write

    return write(frame)
