"""The model card: what a scorecard is for, how it was made and tested, what speaks against it, and who answered for it; one HTML page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from credit_review.hearing import heard
from credit_review.model.states import ModelStatus
from credit_review.report import model_plots
from credit_review.report.page import one_page
from credit_review.report.table import Column, Table, key, num
from credit_review.report.text import DASH, count, day, percent
from credit_review.review import models
from credit_review.words import listed, marked, said

if TYPE_CHECKING:
    from credit_review.model.records import ModelValidation, ModelVersion
    from credit_review.monitoring.examination import Examined, FactorFound, Part
    from credit_review.monitoring.ranking import Ranking
    from credit_review.scoring import Scorecard
    from credit_review.words import Words

TIERS = {
    1: marked("1: moves limits by a fit; validated before use"),
    2: marked("2: moves limits by judgement that two people can read"),
    3: marked("3: decides nothing"),
}
PARTS = {"seen": marked("outcomes that the fit saw"), "later": marked("later outcomes, which it did not")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Presented:
    """What a card shows. `names` are people by id; `version` None: not in the inventory yet."""

    company: str
    card: Scorecard
    digest: str
    examined: Examined
    report_digest: str
    version: ModelVersion | None = None
    validations: Sequence[ModelValidation] = ()
    names: Mapping[str, str] = field(default_factory=dict)


def model_card(about: Presented, words: Words) -> str:
    """The page, which needs no network and no script; the same figures and record give the same bytes."""
    from credit_review.monitoring.examination import HISTOGRAM_POINTS, labels

    card, found, test = about.card, about.examined, about.examined.test
    plots = {
        "points": model_plots.points_plot(card, [(one, labels(one)) for one in card.factors]),
        "distribution": model_plots.distribution_plot(found.histogram, HISTOGRAM_POINTS),
        "calibration": model_plots.calibration_plot(test.bands) if test else "",
        "ranking": model_plots.ranking_plot(found.by_cutoff),
    }
    return one_page(
        "model_card",
        words,
        plots=plots,
        about=about,
        card=card,
        version=about.version,
        state=said(models.STATUSES[ModelStatus(about.version.status)]) if about.version else said("not in the inventory yet"),
        facts=_facts(about),
        purpose=_purpose(about),
        limits=_limits(about),
        concerns=found.concerns,
        tested_on=said(PARTS[test.name]) if test else "",
        figures=_figures(found.parts),
        own_periods=_own_periods(card),
        factors=_factors(about),
        left_out=_left_out(card),
        bands=_bands(test),
        trail=_trail(about),
    )


def _facts(about: Presented) -> Table:
    card, version = about.card, about.version
    rows: list[Sequence[str]] = [
        [said("Predicts"), said("{outcome}: {words}", outcome=heard(card.outcome), words=heard(card.outcome_words))],
        [said("How it was made"), heard(card.why)],
        [said("Data"), heard(version.data) if version else heard(models.data_of(card.model_dump(mode="json")))],
        [said("Holds from"), day(card.valid_from) if card.valid_from else DASH],
        [said("Examined as of"), day(about.examined.as_of)],
    ]  # fmt: skip
    if version:
        people = listed([about.names.get(one, one) for one in version.developers.split("|")])
        rows += [
            [said("Owner"), about.names.get(version.owner_id, version.owner_id) or said("nobody yet")],
            [said("Developers"), people],
            [said("Tier"), said(TIERS[version.tier])],
        ]
    return Table(["", ""], rows)


def _purpose(about: Presented) -> str:
    if about.version and about.version.purpose:
        return heard(about.version.purpose)
    return said(models.PURPOSE)


def _limits(about: Presented) -> list[str]:
    own = [about.version.limits_of_use] if about.version and about.version.limits_of_use else []
    return [*own, *(said(one) for one in models.LIMITS)]


def _figures(parts: Sequence[Part]) -> Table:
    """How it does, a column a part of the rows."""
    rows: list[list[str]] = [
        [said("cut-offs counted"), *(", ".join(p.cutoffs) for p in parts)],
        [said("rows, customers, with the outcome"), *(f"{count(p.rows)}, {count(p.customers)}, {count(p.bad)}" for p in parts)],
        [said("AUC"), *(_interval(p.ranking) for p in parts)],
        [said("Gini"), *(_gini(p.ranking) for p in parts)],
        [said("KS"), *(DASH if p.ks is None else f"{p.ks:.3f}" for p in parts)],
        [said("enough outcomes to validate"), *(_enough(p.ranking) for p in parts)],
        [said("outcomes expected, found"), *(f"{p.calibration.expected:,.1f}, {count(p.bad)}" if p.calibration else DASH for p in parts)],
        [said("calibration error (by chance up to)"), *(_error(p) for p in parts)],
        [said("Brier score"), *(f"{p.calibration.brier.score:.4f}" if p.calibration else DASH for p in parts)],
    ]  # fmt: skip
    return Table(["", *(num(said(PARTS[p.name])) for p in parts)], rows if parts else [], empty=said("No outcome is known yet."))


def in_terminal(found: Examined) -> list[tuple[str, list[str], list[list[str]]]]:
    """Title, columns and rows of what a terminal shows of an examination: figures by part of the rows, and calibration by grade."""
    shown = ((said("Figures"), _figures(found.parts)), (said("Calibration by grade"), _bands(found.test)))
    return [(title, [one.label for one in table.columns], [list(row) for row in table.rows]) for title, table in shown if table.rows]


def _interval(one: Ranking) -> str:
    return DASH if one.auc is None else f"{one.auc:.3f} ({one.low:.3f} – {one.high:.3f})"


def _gini(one: Ranking) -> str:
    found = one.gini()
    return DASH if found is None else f"{found[0]:.3f} ({found[1]:.3f} – {found[2]:.3f})"


def _enough(one: Ranking) -> str:
    figures = {"bad": count(one.bad), "needed": count(one.needed)}
    return said("yes: {bad} of {needed} needed", **figures) if one.enough else said("no: {bad} of {needed} needed", **figures)


def _error(part: Part) -> str:
    of = part.calibration
    return DASH if of is None else f"{percent(of.error)} ({percent(of.by_chance)})"


def _own_periods(card: Scorecard) -> Table:
    rows = [
        [
            one.cutoff,
            count(one.customers),
            count(one.bad),
            f"{one.auc:.3f} ({one.low:.3f} – {one.high:.3f})" if one.auc is not None else heard(one.why_not),
        ]
        for one in card.evaluation
    ]
    return Table(
        [said("cut-off"), num(said("customers")), num(said("with the outcome")), num(said("AUC"))],
        rows,
        note=said("Each by a card fitted on earlier outcomes alone, on customers of groups it had not seen."),
        empty=said("None: nothing was fitted."),
    )


def _factors(about: Presented) -> Table:
    found = {one.name: one for one in about.examined.factors}
    rows: list[Sequence[str]] = []
    for factor in about.card.factors:
        seen = found.get(factor.name)
        best = max(one.points for one in factor.bins)
        direction = getattr(factor, "direction", "none")
        spread = best - min(min(one.points for one in factor.bins), factor.missing.points)
        rows.append(
            [
                factor.name.replace("_", " "),
                said(DIRECTIONS[direction]),
                count(spread),
                percent(seen.missing_part) if seen else DASH,
                f"{factor.missing.points:+d}",
                _contradicted(seen),
            ]
        )
    columns: list[str | Column] = [
        said("factor"), said("direction"), num(said("points from worst to best")), num(said("missing")), num(said("points where missing")),
        said("against it"),
    ]  # fmt: skip
    return Table(columns, rows)


DIRECTIONS = {
    "higher_is_worse": marked("higher is worse"),
    "lower_is_worse": marked("lower is worse"),
    "none": marked("either way"),
}


def _contradicted(found: FactorFound | None) -> str:
    if found is None:
        return DASH
    parts: list[str] = [said("{better} did worse than {worse}", better=a, worse=b) for a, b in found.against]
    parts += [said("hiding the value pays")] if found.missing_pays else []
    return listed(parts) or said("nothing")


def _left_out(card: Scorecard) -> Table:
    rows = [[name.replace("_", " "), heard(why)] for name, why in {**card.left_out, **card.not_available}.items()]
    return Table([said("factor"), said("why")], rows, empty=said("None."))


def _bands(test: Part | None) -> Table:
    rows = [
        [
            one.grade,
            count(one.found.of),
            count(one.found.bad),
            percent(one.expected),
            percent(one.found.rate) if one.found.rate is not None else DASH,
            f"{percent(one.found.low)} – {percent(one.found.high)}",
            said("yes") if one.fits else said("no"),
        ]
        for one in (test.bands if test else ())
    ]
    columns: list[str | Column] = [
        said("grade"), num(said("customers")), num(said("with the outcome")), num(said("said by the card")), num(said("found")),
        num(said("95% interval")), said("holds what was said"),
    ]  # fmt: skip
    return Table(columns, rows, empty=said("No outcome is known yet."))


def _trail(about: Presented) -> Table:
    """Who did what to this version, up to the moment the card was written."""
    version = about.version
    if version is None:
        return Table(
            [said("when"), said("what"), said("who"), said("why"), key(said("digest"))], [], empty=said("Not in the inventory yet.")
        )

    def who(person: str) -> str:
        return about.names.get(person, person)

    rows: list[Sequence[str]] = [[_when(version.registered_at), said("recorded as a draft"), who(version.registered_by), "", ""]]
    for one in about.validations:
        what = said("validation accepted") if one.verdict == "accepted" else said("validation rejected")
        rows.append([_when(one.at), what, who(one.person_id), one.comment, one.report_digest[:16]])
    if version.valid_from:
        rows.append([version.valid_from.isoformat(), said("in force"), "", "", ""])
    if version.retired_at:
        rows.append([_when(version.retired_at), said("retired"), who(version.retired_by), version.retired_reason, ""])
    return Table([said("when"), said("what"), said("who"), said("why"), key(said("digest"))], rows)


def _when(moment: object) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
