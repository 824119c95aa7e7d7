"""The two views of a customer under its proposal: how it pays, how it stands, and how policy made one score of them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from credit_review.hearing import heard_as
from credit_review.limits.codes import GRADE_NOTES
from credit_review.report.text import count, days, known, percent
from credit_review.statements.models import MODELS
from credit_review.words import listed, marked, said

if TYPE_CHECKING:
    import pandas as pd

    from credit_review.report.data import ReportData

LABEL = said("How the grade came about")
"""The step of a derivation that these sentences say already."""
ZONES = {"safe": marked("safe zone"), "grey": marked("grey zone"), "distress": marked("distress zone")}
_OF_SCORES = ["customer_id", "points", "pd_fraction", "views", "view_missing"]
_BY_VIEW = [f"{view}_{what}" for view in ("behaviour", "financial") for what in ("points", "pd_fraction")]
_OF_FEATURES = [
    "customer_id", "average_days_late", "oldest_dpd_days", "cleared_count", "altman_model", "altman_score", "altman_zone",
    "statements_age_days", "external_grade", "external_age_days",
]  # fmt: skip
_SEMICOLON = marked("{first}; {rest}")


def rows(data: ReportData, shown: Collection[str]) -> dict[str, Mapping[str, Any]]:
    """What both views are told from, by id of the customers shown; nothing where scores say nothing of views, as in earlier versions."""
    if data.scores is None:
        return {}
    scored = data.scores[data.scores["views"].fillna("").ne("") & data.scores["customer_id"].isin(list(shown))]
    both: pd.DataFrame = scored[[*_OF_SCORES, *_BY_VIEW]].merge(data.features[_OF_FEATURES], on="customer_id")
    return {str(row["customer_id"]): row for row in both.to_dict("records")}  # type: ignore[misc]


def told(row: Mapping[str, Any] | None, note: str) -> tuple[tuple[str, str], ...]:
    """Both views of one row of `rows`, and `note`, PROPOSALS.grade_note: how they combined; nothing for no row."""
    if row is None:
        return ()
    together = listed([heard_as(one, GRADE_NOTES) for one in note.split("; ")], by=_SEMICOLON) if note else ""
    result = said("{points} points, {probability}", points=count(row["points"]), probability=percent(row["pd_fraction"]))
    return (
        (said("Payment behaviour"), _view(row, "behaviour", list(_paying(row)))),
        (said("Financial standing"), _view(row, "financial", list(_standing(row)))),
        (said("Together"), listed([result, together], by=_SEMICOLON) if together else result),
    )


def _view(row: Mapping[str, Any], view: str, facts: list[str]) -> str:
    if not known(row[f"{view}_points"]):
        lacks: str = said("not known, so the other view stands alone") if row["view_missing"] != "both" else said("not known")
        return said("{lacks} (too old to count: {facts})", lacks=lacks, facts=listed(facts, by=_SEMICOLON)) if facts else lacks
    points = {"points": count(row[f"{view}_points"]), "probability": percent(row[f"{view}_pd_fraction"])}
    return listed([said("{points} points, {probability}", **points), *facts], by=_SEMICOLON)


def _paying(row: Mapping[str, Any]) -> Iterator[str]:
    if known(row["average_days_late"]):
        paid = count(row["cleared_count"])
        yield said("on average {days} days late over {n} paid invoices", days=days(row["average_days_late"]), n=paid)
    if known(row["oldest_dpd_days"]) and row["oldest_dpd_days"] > 0:
        yield said("oldest open item {days} days past due", days=count(row["oldest_dpd_days"]))


def _standing(row: Mapping[str, Any]) -> Iterator[str]:
    model = MODELS.get(str(row["altman_model"]))
    if model is not None and known(row["altman_score"]):
        figures = {"model": model.words, "score": f"{row['altman_score']:.2f}", "zone": said(ZONES[str(row["altman_zone"])])}
        yield said("{model} {score}, {zone}, statements {days} days old", **figures, days=count(row["statements_age_days"]))
    if row["external_grade"]:
        yield said("external grade {grade}, {days} days old", grade=row["external_grade"], days=count(row["external_age_days"]))
