"""Views of how a scorecard in use does, for people: every figure with its cases, its interval, and what it waits for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from credit_review.hearing import heard
from credit_review.monitoring.drift import FOLK
from credit_review.monitoring.overrides import QUARTERS
from credit_review.monitoring.ranking import WITHIN
from credit_review.monitoring.vintages import Verdict
from credit_review.report import charts
from credit_review.report.table import Column, Table, key, num
from credit_review.report.text import DASH, count, day, money, percent, words
from credit_review.words import listed, marked, said, said_many

if TYPE_CHECKING:
    from credit_review.monitoring.book import Monitored
    from credit_review.monitoring.rates import Rate

MOST_ROWS = 100
_PARTS = {
    "drift": marked("drift of the score"), "migration": marked("grade migration"), "back_test": marked("back-test by review"),
    "calibration": marked("calibration and ranking"), **{f"overrides_{q}": marked("overrides after {quarters} quarters") for q in QUARTERS},
}  # fmt: skip
_VERDICTS = {
    Verdict.FITS: marked("fits"), Verdict.TOO_LOW: marked("too low"), Verdict.TOO_HIGH: marked("too high"),
    Verdict.EARLY: marked("too early to tell"),
}  # fmt: skip
CONTROLS = {
    "scorecard_drift": marked("customers are no longer those the scorecard was made for"),
    "scorecard_calibration": marked("more or fewer customers went bad than was said"),
    "scorecard_ranking": marked("the scorecard ranks no better than chance"),
    "scorecard_past_date": marked("the scorecard is used outside its dates"),
}
"""What an exception of each control says."""


def views(found: Monitored) -> dict[str, Any]:
    """Everything the template shows."""
    return dict(
        found=found,
        facts=_facts(found),
        summary=summary(found),
        alarms=_alarms(found),
        measures=_measures(found),
        curve=_curve(found),
        drift=_drift(found),
        migration=_migration(found),
        back_test=_back_test(found),
        scored=_scored(found),
        ledger=_ledger(found),
        waits=dict(_waits(found)),
        plots=_plots(found),
    )


def _facts(found: Monitored) -> list[str]:
    card = found.card
    facts = [said("scorecard {name}", name=heard(card.name)), said("it states the {figure}", figure=words(card.figure))]
    if card.valid_to is not None:
        facts.append(said("valid until before {day}", day=day(card.valid_to)))
    return [*facts, said("digest {digest}", digest=found.digest[:12])]


def summary(found: Monitored) -> list[str]:
    """In short: exceptions, then what is known, then what waits."""
    reviews = said_many("{n} review", "{n} reviews", n=len(found.days))
    out: list[str] = [
        said_many("{n} exception found", "{n} exceptions found", n=len(found.alarms)) if found.alarms else said("no exception found"),
        said("Looked at {reviews}, the newest as of {day} with {customers} customers.", reviews=reviews, day=day(found.days[-1]),
             customers=count(found.customers)),
    ]  # fmt: skip
    if found.ranking is not None and found.judged is not None:
        out.append(_enough(found))
        if (gini := found.ranking.gini()) is not None:
            out.append(said("Gini {gini} (95% interval {low} to {high}), AUC {auc}.", gini=f"{gini[0]:.2f}", low=f"{gini[1]:.2f}",
                            high=f"{gini[2]:.2f}", auc=f"{found.ranking.auc:.3f}"))  # fmt: skip
    if found.no_outcomes:
        out.append(said("Nothing is said of outcomes: {why}.", why=heard(found.no_outcomes)))
    out += [said("{part}: {waits}", part=_part(name), waits=text) for name, text in _waits(found)]
    return out


def _enough(found: Monitored) -> str:
    ranking = found.ranking
    assert ranking is not None  # noqa: S101  asked for where it is known
    figures = {"bad": count(ranking.bad), "customers": count(ranking.customers), "needed": count(ranking.needed), "within": f"{WITHIN:.2f}"}
    if ranking.enough:
        return said("{bad} of {customers} customers went bad; {needed} are enough to state the AUC to {within} either way.", **figures)
    return said(
        "Too few outcomes to validate: {bad} of {customers} customers went bad; about {needed} are needed to state the AUC to {within} "
        "either way.",
        **figures,
    )


def _waits(found: Monitored) -> list[tuple[str, str]]:
    return [(name, said_many("needs {n} more quarter", "needs {n} more quarters", n=n)) for name, n in found.waits.items()]


def _part(name: str) -> str:
    quarters = name.rpartition("_")[2]
    return said(_PARTS[name], quarters=quarters) if name.startswith("overrides_") else said(_PARTS[name])


def _alarms(found: Monitored) -> Table:
    rows = [
        [
            said(CONTROLS[a.control]),
            said(str(a.severity)),
            a.subject.replace(found.digest, found.digest[:12]),
            ", ".join(f"{name} {value}" for name, value in sorted(a.facts.items())),
        ]
        for a in found.alarms[:MOST_ROWS]
    ]
    return Table((said("Exception"), said("Severity"), said("Subject"), said("Facts")), rows, empty=said("No exception."))


def _measures(found: Monitored) -> Table:
    headings = (said("Measure"), num(said("Found")), said("How to read it"))
    of = found.measures
    if of is None:
        return Table(headings, [], empty="")
    chance = marked("chance alone would show as much in {chance} of 100 cases")
    drawn = said("; drawn, for few outcomes are expected") if of.drawn else ""
    rows: list[list[str]] = [
        [said("Outcomes"), said("{bad} of {of}", bad=count(of.bad), of=count(of.customers)),
         said("{expected} were expected", expected=f"{of.expected:,.1f}")],
        [said("Expected calibration error"), f"{of.error:.4f}",
         said("a perfectly calibrated card stays under {limit} in 95 of 100 cases with these customers", limit=f"{of.by_chance:.4f}")],
        [said("Brier score"), f"{of.brier.score:.4f}",
         said("reliability {reliability} - resolution {resolution} + uncertainty {uncertainty} + within bins {within}",
              **{name: f"{getattr(of.brier, name):.4f}" for name in ("reliability", "resolution", "uncertainty", "within")})],
        [said("Spiegelhalter's z"), f"{of.z:+.2f}", listed([said(chance, chance=f"{of.chance * 100:.1f}"), drawn], by="{first}{rest}")],
    ]  # fmt: skip
    return Table(headings, rows)


def _curve(found: Monitored) -> Table:
    headings = (said("Grade"), num(said("Customers")), num(said("Said")), num(said("Went bad")), num(said("Found")),
                num(said("95% interval")), said("Verdict"))  # fmt: skip
    rows = [
        [b.grade, count(b.found.of), percent(b.expected, decimals=2), count(b.found.bad), percent(b.found.rate, decimals=2), _ends(b.found),
         said("fits") if b.fits else said("outside the interval")]
        for b in found.curve
    ]  # fmt: skip
    return Table(headings, rows, empty="")


def _named(found: Monitored, what: str) -> str:
    """A factor by what it looks at."""
    return next((said(f.words) for f in found.card.factors if f.name == what), charts.SCORE)


def _ends(rate: Rate) -> str:
    return said("{low} to {high}", low=percent(rate.low, decimals=2), high=percent(rate.high, decimals=2)) if rate.of else DASH


def _drift(found: Monitored) -> Table:
    headings = (said("What"), num(said("Customers then")), num(said("Customers now")), num(said("Bins")), num(said("Index")),
                num(said("Limit of this book")), said("Verdict"))  # fmt: skip
    shown = [one for one in (found.score_drift, *found.factor_drift) if one is not None]
    rows = [
        [_named(found, d.what), count(sum(d.before)), count(sum(d.now)), count(len(d.now)), f"{d.psi:.3f}", f"{d.limit:.3f}",
         said("drifted") if d.alarms else said("within chance")]
        for d in shown
    ]  # fmt: skip
    lines = [f"{one:g}" for one in FOLK]
    note = said("The trade's limits {first} and {second} are reference lines only: small books exceed them by chance.",
                first=lines[0], second=lines[1])  # fmt: skip
    return Table(headings, rows, note=note, empty="")


def _migration(found: Monitored) -> Table:
    moves = found.migration
    if moves is None:
        return Table((), [], empty="")
    headings: tuple[str | Column, ...] = (said("Grade then"), num(said("Customers")), *(num(grade) for grade in moves.grades))
    rows = []
    for i, grade in enumerate(moves.grades):
        cells = [
            said("{share} ({low}–{high}), {n}", share=percent(moves.share[i, j], decimals=0), low=f"{moves.low[i, j] * 100:.0f}",
                 high=f"{moves.high[i, j] * 100:.0f}", n=count(moves.counts[i, j]))
            for j in range(len(moves.grades))
        ]  # fmt: skip
        rows.append([grade, count(moves.counts[i].sum()), *cells])
    note = said("Chance of each move in a quarter, shrunken, its 95% interval in per cent, and the customers counted, over {pairs}.",
                pairs=said_many("{n} pair of reviews", "{n} pairs of reviews", n=moves.pairs))  # fmt: skip
    return Table(headings, rows, note=note)


def _back_test(found: Monitored) -> Table:
    headings = (said("Review"), num(said("Quarters after")), said("Grade"), num(said("Customers")), num(said("Said")),
                num(said("Went bad")), num(said("Found")), num(said("95% interval")), said("Verdict"))  # fmt: skip
    rows = [
        [day(c.as_of), count(c.quarters), c.grade or said("all"), count(c.found.of), percent(c.expected, decimals=2), count(c.found.bad),
         percent(c.found.rate, decimals=2), _ends(c.found), said(_VERDICTS[c.verdict])]
        for c in reversed(found.cells)
    ]  # fmt: skip
    note = said("{n} tests are judged together (Holm): one or more speak wrongly in at most 5 of 100 reports.", n=count(len(found.cells)))
    if len(rows) > MOST_ROWS:
        note = said("{first} {rest}", first=note, rest=said("The newest {n} are shown; all are in monitoring.json.", n=MOST_ROWS))
    return Table(headings, rows[:MOST_ROWS], note=note, empty="")


def _scored(found: Monitored) -> Table:
    headings = (said("Overrides"), num(said("Quarters after")), num(said("Made")), num(said("Known")), num(said("Late")),
                num(said("Rate")), num(said("95% interval")), num(said("The engine said")), num(said("Late where it stood")),
                said("Grades since"))  # fmt: skip
    rows = [
        [said("upwards") if s.up else said("downwards"), count(s.quarters), count(s.made), count(s.late.of), count(s.late.bad),
         percent(s.late.rate), _ends(s.late), percent(s.engine),
         said("{bad} of {of}", bad=count(s.left_alone.bad), of=count(s.left_alone.of)),
         said("better {better}, same {same}, worse {worse}", **s.became)]
        for s in found.scored if s.made
    ]  # fmt: skip
    return Table(headings, rows, empty=said("No figure of the engine was replaced."))


def _ledger(found: Monitored) -> Table:
    headings: tuple[str | Column, ...] = (
        said("Review"), key(said("Customer")), key(said("By")), said("Role"), num(said("The engine's limit")), num(said("Instead")),
        said("Reason"), *(said("After {n} quarters", n=q) for q in QUARTERS),
    )  # fmt: skip
    newest = sorted(found.overrides, key=lambda o: (o.as_of, o.proposal_id), reverse=True)
    rows = [
        [day(o.as_of), o.customer_id, o.person_id, said(o.role), money(o.before_minor, o.currency), money(o.after_minor, o.currency),
         o.reason, *(_since(found, o.customer_id, o.as_of, q) for q in QUARTERS)]
        for o in newest[:MOST_ROWS]
    ]  # fmt: skip
    return Table(headings, rows, empty="")


def _since(found: Monitored, customer: str, then: Any, quarters: int) -> str:
    known = found.hindsight.get((customer, then, quarters))
    if known is None:
        return DASH
    return said("grade {grade}, late", grade=known.grade) if known.late else said("grade {grade}, not late", grade=known.grade)


def _plots(found: Monitored) -> Mapping[str, str]:
    shown = [(_named(found, one.what), one.psi, one.limit) for one in (found.score_drift, *found.factor_drift) if one is not None]
    moves = found.migration
    return {
        "calibration": charts.calibration_plot(found.curve),
        "drift": charts.drift_plot(shown, FOLK),
        "migration": "" if moves is None else charts.migration_plot(moves.grades, moves.counts.tolist()),
    }
