"""Views of a challenger held against the scorecard. Customers stand here by id only: who reads it needs no names."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from credit_review.hearing import heard
from credit_review.report.table import Column, Table, key, num
from credit_review.report.text import DASH, MINUS, count, day, major, percent
from credit_review.words import listed, marked, said

if TYPE_CHECKING:
    from credit_review.challenger.card import Challenger
    from credit_review.challenger.comparison import Comparison, Measured, Money
    from credit_review.challenger.figures import Figure
    from credit_review.scoring.scorecard import Scorecard

MOST_MOVERS = 100
_MEASURES = {
    "AUC": marked("AUC (higher ranks better)"),
    "Brier score": marked("Brier score (lower is better)"),
    "calibration error": marked("calibration error (lower is better)"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ChallengerFacts:
    """What stands at the head of the comparison. `day` is the last day of what is known, `digest` the challenger's."""

    company: str
    review_id: str
    label: str
    as_of: date
    day: date
    challenger: Challenger
    digest: str
    scorecard: Scorecard
    scorecard_digest: str


def views(found: Comparison, facts: ChallengerFacts) -> dict[str, Any]:
    """Sentences, tables and plots of the page by name."""
    from credit_review.report import charts

    return {
        "summary": summary(found),
        "known": _known_table(found),
        "unknown": found.why_unknown,
        "too_few": found.known is not None and not found.known.measures,
        "judged": _judged(facts),
        "money": _money(found.money),
        "movers": _movers(found),
        "features": _features(facts.challenger),
        "plots": {
            "grades": charts.migration_plot(found.grades, found.counts, rows=charts.SCORECARD, columns=charts.CHALLENGER)
            if found.counts
            else "",
            "calibration": charts.two_models_plot(found.known.bins) if found.known else "",
        },
    }


def summary(found: Comparison) -> list[str]:
    """The comparison in short."""
    out: list[str] = [
        said("The challenger ran in the shadow: it decides nothing, and no proposal of this review depends on it."),
        said(
            "Of {customers} customers {same} have the same grade by both and {near} one apart; {moved} would get another grade or limit.",
            customers=count(found.customers), same=count(found.same), near=count(found.one_apart), moved=count(len(found.movers)),
        ),
    ]  # fmt: skip
    if found.kappa is not None:
        out.append(said("Agreement of grades beyond chance (kappa, quadratic weights): {kappa}.", kappa=f"{found.kappa:.2f}"))
    money = found.money
    sums = {"other": money.challenger, "own": money.scorecard, "higher": money.higher, "lower": -money.lower}
    out.append(
        said(
            "Under the same policy its limits come to {other}, the scorecard's to {own}: {higher} more for some, {lower} less for others.",
            **{name: major(amount, money.currency) for name, amount in sums.items()},
        )
    )
    if found.set_aside:
        sentence = marked(
            "{n} customers to whom the outcome has happened already keep the scorecard's figures: the challenger does not judge them."
        )
        out.append(said(sentence, n=count(found.set_aside)))
    out.append(_verdict(found))
    return out


def figures(found: Comparison) -> dict[str, Any]:
    """The comparison as plain values: amounts in minor units of control currency, probabilities as fractions."""
    money = found.money
    known = found.known
    measures = {} if known is None else {
        one.name: {name: [figure.value, figure.low, figure.high] for name, figure in _by_model(one)} for one in known.measures
    }  # fmt: skip
    return {
        "customers": found.customers,
        "same_grade": found.same,
        "one_grade_apart": found.one_apart,
        "kappa": found.kappa,
        "would_move": len(found.movers),
        "set_aside": found.set_aside,
        "currency": money.currency,
        "limits_in_force_minor": money.in_force,
        "scorecard_minor": money.scorecard,
        "challenger_minor": money.challenger,
        "higher_minor": money.higher,
        "lower_minor": money.lower,
        "outcomes": None
        if known is None
        else {"until": known.until.isoformat(), "customers": known.customers, "bad": known.bad, **measures},
        "why_unknown": str(found.why_unknown) or None,
    }


def _by_model(one: Measured) -> tuple[tuple[str, Figure], ...]:
    return ("scorecard", one.scorecard), ("challenger", one.challenger), ("difference", one.difference)


def _verdict(found: Comparison) -> str:
    if found.known is None:
        return said("Which of them is right is not known yet: {why}.", why=heard(found.why_unknown))
    auc = next((one for one in found.known.measures if one.name == "AUC"), None)
    if auc is None:
        sentence = marked("Too few outcomes to say which ranks better: {bad} of {customers} customers.")
        return said(sentence, bad=count(found.known.bad), customers=count(found.known.customers))
    apart = {"difference": auc.difference.value, "low": auc.difference.low, "high": auc.difference.high}
    shown = {name: f"{value:+.3f}".replace("-", MINUS) for name, value in apart.items()}
    if auc.difference.low > 0:
        return said("The challenger ranked better by what came true: AUC {difference} (95% interval {low} to {high}).", **shown)
    if auc.difference.high < 0:
        return said("The scorecard ranked better by what came true: AUC {difference} (95% interval {low} to {high}).", **shown)
    return said("What came true does not tell them apart: AUC {difference} (95% interval {low} to {high}).", **shown)


def _known_table(found: Comparison) -> Table | None:
    if found.known is None or not found.known.measures:
        return None
    rows = [
        [said(_MEASURES[one.name]), _figure(one.scorecard), _figure(one.challenger), _figure(one.difference, signed=True)]
        for one in found.known.measures
    ]
    note = said(
        "{customers} customers, {bad} of them with the outcome by {day}; 95% intervals in brackets.",
        customers=count(found.known.customers), bad=count(found.known.bad), day=day(found.known.until),
    )  # fmt: skip
    return Table(
        [said("Measure"), num(said("scorecard")), num(said("challenger")), num(said("challenger less scorecard"))], rows, note=note
    )


def _figure(one: Figure, *, signed: bool = False) -> str:
    plus = "+" if signed else ""
    return f"{one.value:{plus}.3f} ({one.low:{plus}.3f} – {one.high:{plus}.3f})".replace("-", MINUS)


def _judged(facts: ChallengerFacts) -> Table:
    """How both did when they were fitted, on periods and groups not fitted on."""
    rows = []
    for one in facts.challenger.judged:
        interval = DASH if one.auc is None else f"{one.auc:.3f} ({one.auc_low:.3f} – {one.auc_high:.3f})"
        error = DASH if one.calibration_error is None else f"{one.calibration_error:.3f}"
        rows.append([said("challenger"), heard(one.of), count(one.rows), count(one.bad), interval, error])
    for period in facts.scorecard.evaluation:
        interval = DASH if period.auc is None else f"{period.auc:.3f} ({period.low:.3f} – {period.high:.3f})"
        of = said("Later period from {day}", day=date.fromisoformat(period.cutoff))
        rows.append([said("scorecard"), of, count(period.customers), count(period.bad), interval, DASH])
    headings: list[str | Column] = [
        said("Model"),
        said("Judged by"),
        num(said("Rows")),
        num(said("With the outcome")),
        num("AUC"),
        num(said("Calibration error")),
    ]
    return Table(headings, rows)


def _money(money: Money) -> Table:
    def line(name: str, up: int, down: int, total: int) -> list[str]:
        amounts = (major(money.in_force, money.currency), major(up, money.currency, signed=True), major(down, money.currency, signed=True))
        return [name, *amounts, major(total, money.currency)]

    rows = [
        line(said("scorecard"), money.scorecard_up, money.scorecard_down, money.scorecard),
        line(said("challenger"), money.challenger_up, money.challenger_down, money.challenger),
    ]
    note = (
        said("{n} customers without a rate into control currency are not in these sums.", n=count(money.without_rate))
        if money.without_rate
        else ""
    )
    headings: list[str | Column] = [said("Limits by"), num(said("In force")), num(said("Up")), num(said("Down")), num(said("If approved"))]
    return Table(headings, rows, note=note)


def _movers(found: Comparison) -> Table:
    currency = found.money.currency
    rows = [
        [
            str(one["customer_id"]),
            f"{one['scorecard_grade'] or DASH} ({percent(one['scorecard_pd'])})",
            f"{one['challenger_grade'] or DASH} ({percent(one['challenger_pd'])})",
            major(one["from_minor"], one["currency"]),
            major(one["scorecard_minor"], one["currency"]),
            major(one["challenger_minor"], one["currency"]),
            major(one["difference_control_minor"], currency, signed=True),
        ]
        for one in found.movers.head(MOST_MOVERS).to_dict("records")
    ]
    headings: list[str | Column] = [
        key(said("Customer")), said("Scorecard"), said("Challenger"), num(said("In force")), num(said("Limit by scorecard")),
        num(said("Limit by challenger")), num(said("Difference")),
    ]  # fmt: skip
    shown = said("{shown} of {rows} shown, largest differences first.", shown=count(len(rows)), rows=count(len(found.movers)))
    return Table(headings, rows, note=shown if len(found.movers) > len(rows) else "")


def _features(card: Challenger) -> Table:
    ways = {"higher_is_worse": marked("higher is worse"), "lower_is_worse": marked("lower is worse"), "none": DASH}
    rows = []
    for one in card.features:
        what = listed(list(one.values)) if one.kind == "category" else said(ways[one.direction])
        rows.append([heard(one.name.replace("_", " ")), said(one.kind), what])
    left = [[heard(name.replace("_", " ")), said("left out"), heard(why)] for name, why in card.left_out.items()]
    return Table([said("Feature"), said("Kind"), said("Declared direction, values, or why not")], rows + left)
