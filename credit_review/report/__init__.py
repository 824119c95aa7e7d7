"""What people read after a review: the HTML report, the validation page and lists safe for spreadsheets. Light to import."""

from __future__ import annotations

from typing import TYPE_CHECKING

from credit_review.report.data import (
    Certificate,
    CertificateLine,
    ControlTotal,
    DecisionLine,
    OutputFile,
    ReportData,
    ReviewFacts,
    RiskKeptLine,
    Source,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from credit_review.model.validation import Verdict

__all__ = [
    "Certificate",
    "CertificateLine",
    "ControlTotal",
    "DecisionLine",
    "OutputFile",
    "ReportData",
    "ReviewFacts",
    "RiskKeptLine",
    "Source",
    "render",
    "safe_csv",
    "validation_page",
]


def render(data: ReportData) -> str:
    """The review report as one HTML page that needs no network and no script; the same data gives the same bytes."""
    from credit_review.report.page import report_page

    return report_page(data)


def validation_page(verdicts: Sequence[Verdict], *, facts: ReviewFacts, quarantine: pd.DataFrame) -> str:
    """What was promised about each dataset, in words, and what was found, as one self-contained HTML page.

    `verdicts` are merged over buckets; `quarantine` has the columns of QUARANTINE.
    """
    from credit_review.report.page import validation_page as page

    return page(verdicts, facts=facts, quarantine=quarantine)


def safe_csv(frame: pd.DataFrame) -> str:
    """The frame as CSV (RFC 4180) that no spreadsheet takes for formulas; see `spreadsheet`."""
    from credit_review.report.spreadsheet import safe_csv as write

    return write(frame)
