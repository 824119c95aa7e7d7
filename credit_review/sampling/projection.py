"""What a sample shows once the auditor has concluded on every item: deviations and misstatements projected to the population."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_CEILING, Decimal
from enum import StrEnum

from credit_review.errors import BadInput
from credit_review.model.money import Money, typed
from credit_review.sampling.drawing import Method, Sample
from credit_review.sampling.sizes import factor, shows, upper_rate
from credit_review.words import said


class Conclusion(StrEnum):
    """What the auditor concluded on an item. What could not be examined is a deviation."""

    OPEN = "open"
    OK = "ok"
    DEVIATION = "deviation"


COLUMNS = ("paper", "item", "currency", "amount", "conclusion", "correct_amount", "remark")


@dataclass(frozen=True, slots=True, kw_only=True)
class Concluded:
    """A conclusion; `correct_minor` is what the amount should have been, None where that is not what deviates."""

    conclusion: Conclusion
    correct_minor: int | None = None
    remark: str = ""


def form(sample: Sample) -> str:
    """conclusions.csv as the auditor gets it: one line a paper, amounts in major units, every conclusion open."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for number, one in enumerate(sample.drawn, start=1):
        amount = f"{Money(one.amount_minor, one.currency).decimal():f}" if one.currency else ""
        writer.writerow((number, one.item, one.currency, amount, Conclusion.OPEN, "", ""))
    return text.getvalue()


def read(text: str, sample: Sample, *, name: str) -> dict[str, Concluded]:
    """The conclusions by item. Raises BadInput naming file, line or papers: every drawn item must stand there once, and be concluded."""
    rows = csv.DictReader(io.StringIO(text.removeprefix("\ufeff")))
    if tuple(rows.fieldnames or ()) != COLUMNS:
        raise BadInput(said("{file}: its columns are not those of conclusions", file=name), expected=", ".join(COLUMNS))
    currencies = {one.item: one.currency for one in sample.drawn}
    found: dict[str, Concluded] = {}
    for row in rows:
        item, where = row["item"], f"{name}, line {rows.line_num}"
        if item not in currencies or item in found:
            raise BadInput(
                said(
                    "{file}, line {line}: {item} is not of this sample, or stands there twice",
                    file=name,
                    line=rows.line_num,
                    item=repr(item),
                ),
                expected=said("one line for each work paper"),
            )
        found[item] = _concluded(row, currencies[item], where, money=sample.plan.method == Method.MONETARY_UNIT)
    missing = [
        str(at) for at, one in enumerate(sample.drawn, start=1) if one.item not in found or found[one.item].conclusion == Conclusion.OPEN
    ]
    if missing:
        raise BadInput(
            said("{file}: not concluded yet: {papers}", file=name, papers=", ".join(missing)),
            expected=said("ok or deviation for every work paper; what could not be examined is a deviation"),
        )
    return found


def _concluded(row: Mapping[str, str | None], currency: str, where: str, *, money: bool) -> Concluded:
    try:
        conclusion = Conclusion((row["conclusion"] or "").strip().lower())
    except ValueError:
        raise BadInput(
            said("{where}: unknown conclusion {value}", where=where, value=repr(row["conclusion"])), expected=" / ".join(Conclusion)
        ) from None
    amount = (row["correct_amount"] or "").strip()
    if money and conclusion == Conclusion.DEVIATION and not amount:
        raise BadInput(
            said("{where}: a deviation in a monetary-unit sample needs its correct amount", where=where),
            expected=said("an amount in {currency}; 0 where the limit should not be there at all", currency=currency),
        )
    correct = _minor(amount, currency, where) if amount else None
    return Concluded(conclusion=conclusion, correct_minor=correct, remark=(row["remark"] or "").strip())


def _minor(amount: str, currency: str, where: str) -> int:
    try:
        return typed(amount, currency)
    except BadInput as error:
        raise BadInput(said("{where}: {error}", where=where, error=error.what), expected=error.expected) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Projection:
    """What may be said of the population. Shares are of its items; amounts minor units, only of a monetary-unit sample.

    `upper` is what, at the plan's confidence, is not exceeded: None where nothing may be projected (targeted). `most_likely` is the best
    estimate. `holds` says whether that is within what was tolerable. `by_stratum` has deviations and the upper share of each stratum.
    """

    examined: int
    deviations: int
    upper: float | None = None
    most_likely: float | None = None
    holds: bool | None = None
    upper_minor: int | None = None
    most_likely_minor: int | None = None
    tolerable_minor: int | None = None
    understated_minor: int = 0
    by_stratum: Mapping[str, tuple[int, float]] = field(default_factory=dict)


def project(sample: Sample, concluded: Mapping[str, Concluded]) -> Projection:
    """The projection of a concluded sample."""
    wrong = [one.item for one in sample.drawn if concluded[one.item].conclusion == Conclusion.DEVIATION]
    if sample.plan.method == Method.TARGETED:
        return Projection(examined=len(sample.drawn), deviations=len(wrong))
    if sample.plan.method == Method.MONETARY_UNIT:
        return _misstated(sample, concluded, len(wrong))
    return _stratified(sample, wrong) if sample.plan.method == Method.STRATIFIED else _deviating(sample, len(wrong))


def _deviating(sample: Sample, deviations: int) -> Projection:
    plan, examined, all_of_it = sample.plan, len(sample.drawn), sample.population
    return Projection(
        examined=examined,
        deviations=deviations,
        upper=upper_rate(deviations, examined, all_of_it, plan.confidence),
        most_likely=deviations / examined,
        holds=shows(deviations, examined, all_of_it, plan.tolerable, plan.confidence),
    )


def _stratified(sample: Sample, wrong: Sequence[str]) -> Projection:
    """Combined by Poisson factor: what was examined whole is known; of the rest, n is the smallest sample a share of it was drawn by.

    The number of deviations found is then at least as large as a Poisson variable of mean n x rate would make it (Hoeffding 1956), however
    the deviating items lie in the strata. Each stratum has its own limit beside it.
    """
    plan, found = sample.plan, {name: 0 for name in sample.strata}
    traits = {one.item: getattr(one, plan.by) for one in sample.drawn}
    for item in wrong:
        found[traits[item]] += 1
    rest = {name: one for name, one in sample.strata.items() if one.drawn < one.items}
    remaining = sum(one.items for one in rest.values())
    known = sum(found[name] for name in sample.strata if name not in rest)
    likely = known + sum(found[name] * one.items / one.drawn for name, one in rest.items())
    upper: float = known
    if rest:
        per_share = min(one.drawn * remaining / one.items for one in rest.values())
        upper += remaining * min(1.0, float(factor(sum(found[name] for name in rest), plan.confidence)) / per_share)
    share = upper / sample.population
    limits = {name: (found[name], upper_rate(found[name], one.drawn, one.items, plan.confidence)) for name, one in sample.strata.items()}
    return Projection(
        examined=len(sample.drawn),
        deviations=len(wrong),
        upper=share,
        most_likely=likely / sample.population,
        holds=share <= float(plan.tolerable),
        by_stratum=limits,
    )


def _misstated(sample: Sample, concluded: Mapping[str, Concluded], deviations: int) -> Projection:
    """The Stringer bound: factor x interval, each tainting widened in falling order, and items of an interval or more at what they are."""
    plan, step = sample.plan, sample.interval_minor
    taintings, certain, understated = [], 0, 0
    for one in sample.drawn:
        correct = concluded[one.item].correct_minor
        over = one.amount_minor - correct if correct is not None else 0
        if over < 0:
            understated -= over
        elif one.amount_minor >= step:
            certain += over
        elif over:
            taintings.append(Decimal(over) / one.amount_minor)
    upper = stringer(taintings, step, plan.confidence) + certain
    tolerable = plan.tolerable * sample.total_minor
    return Projection(
        examined=len(sample.drawn),
        deviations=deviations,
        holds=upper <= tolerable,
        upper_minor=_up(upper),
        most_likely_minor=_up(sum(taintings, Decimal(0)) * step + certain),
        tolerable_minor=int(tolerable),
        understated_minor=understated,
    )


def stringer(taintings: Sequence[Decimal], interval_minor: int, confidence: Decimal) -> Decimal:
    """The upper limit of overstatement below the interval: interval x (R(0) + sum of (R(i) - R(i-1)) x tainting(i)), largest first."""
    widened = [factor(0, confidence)]
    for at, tainting in enumerate(sorted(taintings, reverse=True), start=1):
        widened.append((factor(at, confidence) - factor(at - 1, confidence)) * tainting)
    return sum(widened, Decimal(0)) * interval_minor


def _up(amount: Decimal) -> int:
    return int(amount.to_integral_value(rounding=ROUND_CEILING))
