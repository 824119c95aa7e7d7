"""Views of how a policy did over a year: what came of the customers, what was lost and what was refused, by grade and by rule."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from credit_review.hearing import heard
from credit_review.policy_effect.effectiveness import ALL, TOO_FEW
from credit_review.policy_effect.later import BAD, Later
from credit_review.policy_effect.rules import GRADE, words
from credit_review.report.table import Column, Table, num
from credit_review.report.text import DASH, count, day, major, percent
from credit_review.words import said, said_many

if TYPE_CHECKING:
    from credit_review.monitoring.rates import Rate
    from credit_review.policy_effect.effectiveness import Effectiveness


def views(found: Effectiveness) -> dict[str, Any]:
    """Everything the template shows."""
    return {
        "found": found,
        "summary": summary(found),
        "reviews": _reviews(found),
        "grades": outcomes_table(found),
        "rules": rules_table(found),
        "refused": refused_table(found),
        "plots": {},
    }


def summary(found: Effectiveness) -> list[str]:
    """The year in short."""
    figures, currency = found.figures, found.control_currency

    def figure(name: str) -> int:
        return figures.get((ALL, name), 0)

    used = sum(r.counts for r in found.reviews)
    out: list[str] = [
        said("Policy {name}, version {version}, in {year}: {customers} customers in {reviews}.", name=found.name, version=found.version,
             year=found.year, customers=count(figure("customers")), reviews=said_many("{n} review", "{n} reviews", n=used)),
    ]  # fmt: skip
    if found.known is None:
        out.append(said("What came of these customers is not yet known: {why}.", why=heard(found.why_unknown)))
    else:
        bad = {str(one): count(figure(str(one))) for one in BAD}
        out.append(
            said(
                "By {day}: {late} seriously late, {written_off} written off, {status} insolvent or alike; nothing of this happened to "
                "{good}, of {open} it is not yet known.",
                day=day(found.known), **bad, good=count(figure(str(Later.GOOD))), open=count(figure(str(Later.NOT_YET))),
            )
        )  # fmt: skip
        out.append(_rate_sentence(found))
        out.append(
            said(
                "Written off since: {amount} of {losers} customers, also of those to whom it had happened before.",
                amount=major(figure("loss_minor"), currency), losers=count(figure("losers")),
            )
        )  # fmt: skip
    out.append(
        said(
            "Refused: {refused} customers got {amount} less of an increase than the formula gives; people rejected {rejected} proposals "
            "for {more} more.",
            refused=count(figure("refused")), amount=major(figure("refused_minor"), currency), rejected=count(found.rejected),
            more=major(found.rejected_minor, currency),
        )
    )  # fmt: skip
    return out


def _rate_sentence(found: Effectiveness) -> str:
    one = found.rate(ALL)
    if one is None or one.rate is None:
        return said("Too few to say a rate: fewer than {few} outcomes are known.", few=TOO_FEW)
    return said("Rate of the outcome among those known: {rate}.", rate=_rate(one))


def _rate(one: Rate | None) -> str:
    if one is None or one.rate is None:
        return said("too few to say")
    return f"{percent(one.rate)} ({percent(one.low)} – {percent(one.high)})"


def _reviews(found: Effectiveness) -> Table:
    rows = [[r.label, day(r.as_of), said("counts") if r.counts else said("another policy ({digest}): not counted", digest=r.version)]
            for r in found.reviews]  # fmt: skip
    return Table([said("Review"), said("As of"), said("In this report")], rows)


def _line(found: Effectiveness, name: str, code: str) -> list[str]:
    figures, currency = found.figures, found.control_currency
    counts = [count(figures.get((code, str(what)), 0)) for what in (*BAD, Later.GOOD, Later.NOT_YET, Later.NOT_COUNTED)]
    return [
        name,
        count(figures.get((code, "customers"), 0)),
        *counts,
        _rate(found.rate(code)),
        major(figures.get((code, "loss_minor"), 0), currency),
    ]


def _headings(first: str) -> list[str | Column]:
    return [
        first, num(said("Customers")), num(said("Seriously late")), num(said("Written off")), num(said("Insolvent or alike")),
        num(said("Nothing happened")), num(said("Not yet known")), num(said("Not counted")),
        num(said("Rate, 95% interval")), num(said("Lost")),
    ]  # fmt: skip


def outcomes_table(found: Effectiveness) -> Table:
    """What came of the customers by the grade they had."""
    names = [grade for grade in (*found.grades, "") if found.figures.get((f"{GRADE}:{grade}", "customers"))]
    rows = [_line(found, grade or said("none"), f"{GRADE}:{grade}") for grade in names]
    return Table(_headings(said("Grade")), rows, totals=[_line(found, said("all"), ALL)])


def rules_table(found: Effectiveness) -> Table:
    """What came of the customers whose limit a rule decided, and of all others."""
    figures = found.figures
    rows = []
    for code in found.rules:
        bad = sum(figures.get((code, str(one)), 0) for one in BAD)
        good, still = (figures.get((code, str(one)), 0) for one in (Later.GOOD, Later.NOT_YET))
        counts = [count(n) for n in (figures.get((code, "customers"), 0), bad, good, still)]
        lost = major(figures.get((code, "loss_minor"), 0), found.control_currency)
        rows.append([words(code), *counts, _rate(found.rate(code)), _rate(found.rate(code, others=True)), lost])
    headings: list[str | Column] = [
        said("Rule"), num(said("Customers")), num(said("With the outcome")), num(said("Nothing happened")), num(said("Not yet known")),
        num(said("Rate, 95% interval")), num(said("Rate of all others")), num(said("Lost")),
    ]  # fmt: skip
    return Table(headings, rows)


def refused_table(found: Effectiveness) -> Table:
    """What each rule refused, and what is known of sales."""
    figures, currency = found.figures, found.control_currency

    def line(name: str, code: str) -> list[str]:
        def figure(name: str) -> int:
            return figures.get((code, name), 0)

        orders = major(figure("orders_minor"), currency) if figure("orders_known") else DASH
        sales = [major(figure(f"sales_{side}_minor"), currency) if figure("sales_known") else DASH for side in ("before", "after")]
        return [name, count(figure("refused")), major(figure("refused_minor"), currency), count(figure("orders_known")), orders,
                count(figure("sales_known")), *sales]  # fmt: skip

    rows = [line(words(code), code) for code in found.rules if figures.get((code, "refused"))]
    headings: list[str | Column] = [
        said("Rule"), num(said("Refused")), num(said("less by")), num(said("Orders known of")), num(said("orders outside the limit")),
        num(said("Sales known of")), num(said("sales in the year before")), num(said("in the year after")),
    ]  # fmt: skip
    note = said("A dash: not known. Sales lost for other reasons are in these figures too.")
    return Table(headings, rows, totals=[line(said("all"), ALL)] if rows else (), note=note, empty=said("Nobody was refused anything."))
