"""What a sample buys and what it showed, in sentences."""

from __future__ import annotations

from decimal import Decimal
from math import ceil

from credit_review.model.money import Money
from credit_review.sampling.drawing import Method, Sample
from credit_review.sampling.population import Of
from credit_review.sampling.projection import Projection
from credit_review.sampling.sizes import factor, percent, percent_up, upper_rate
from credit_review.words import said


def bought(sample: Sample, of: Of) -> list[str]:
    """What a sample without any deviation will show, and what it cannot show."""
    plan, size, total = sample.plan, len(sample.drawn), sample.population
    figures = {"n": f"{size:,}", "total": f"{total:,}", "what": said(of), "sure": percent(plan.confidence), "rate": percent(plan.tolerable)}
    if plan.method == Method.TARGETED:
        return [said("{n} of {total} {what}, picked for what they are: whatever they show, it says nothing about the others", **figures)]
    if plan.method == Method.MONETARY_UNIT:
        return _bought_money(sample, figures)
    if size >= total:
        return [said("all {total} {what} are examined: what they show is all there is, no sampling about it", **figures)]
    if plan.frequency:
        most = percent_up(upper_rate(0, size, total, plan.confidence))
        return [
            said("with no deviation among {n} of {total} {what} you may be {sure} sure that at most {most} deviate", most=most, **figures)
        ]
    told: list[str] = [
        said("with no deviation among {n} of {total} {what} you may be {sure} sure that fewer than {rate} deviate", **figures)
    ]
    allowed = ceil(plan.expected * size)
    return [*told, said("with up to {allowed} deviations that still holds", allowed=allowed)] if allowed else told


def _bought_money(sample: Sample, figures: dict[str, str]) -> list[str]:
    plan = sample.plan
    most = Money(int(factor(0, plan.confidence) * sample.interval_minor), sample.currency)
    told: list[str] = [
        said(
            "with no misstatement among {n} of {total} {what} you may be {sure} sure that limits of {amount} are overstated by at most "
            "{most}",
            amount=Money(sample.total_minor, sample.currency),
            most=most,
            **figures,
        ),
        said("every limit of {interval} or more is in the sample", interval=Money(sample.interval_minor, sample.currency)),
    ]
    return [*told, said("limits of 0 cannot be drawn by amount, and limits that are too low are hardly found: see to those apart")]


def concluded(sample: Sample, of: Of, shown: Projection) -> list[str]:
    """What the concluded sample says of the population."""
    plan = sample.plan
    figures = {
        "n": f"{shown.examined:,}",
        "total": f"{sample.population:,}",
        "what": said(of),
        "sure": percent(plan.confidence),
        "rate": percent(plan.tolerable),
        "found": f"{shown.deviations:,}",
    }
    if shown.upper_minor is not None:
        return _concluded_money(sample, shown, figures)
    if shown.upper is None:
        return [said("{found} of {n} examined {what} deviate; they were picked, so nothing is projected to all {total}", **figures)]
    most, likely = percent_up(shown.upper), percent_up(shown.most_likely or 0.0)
    if shown.examined >= sample.population:
        told: list[str] = [said("{found} of all {total} {what} deviate, {likely}", likely=likely, **figures)]
    else:
        told = [
            said(
                "{found} of {n} examined {what} deviate ({likely}): you may be {sure} sure that at most {most} of all {total} do",
                likely=likely,
                most=most,
                **figures,
            )
        ]
    for name, (deviations, upper) in shown.by_stratum.items():
        stratum = sample.strata[name]
        told.append(
            said(
                "stratum {name}: {found} of {drawn} examined deviate, at most {most} of its {items}",
                name=name or "-",
                found=deviations,
                drawn=stratum.drawn,
                most=percent_up(upper),
                items=stratum.items,
            )
        )
    return [*told, _verdict(plan.tolerable, holds=bool(shown.holds))]


def _verdict(tolerable: Decimal, *, holds: bool) -> str:
    if holds:
        return said("that is within the tolerable {rate}: the sample supports relying on the control", rate=percent(tolerable))
    return said("that is not within the tolerable {rate}: the sample does not support relying on the control", rate=percent(tolerable))


def _concluded_money(sample: Sample, shown: Projection, figures: dict[str, str]) -> list[str]:
    def money(minor: int | None) -> Money:
        return Money(minor or 0, sample.currency)

    told: list[str] = [
        said(
            "{found} of {n} examined {what} deviate; overstatement is most likely {likely}, and you may be {sure} sure that it is at most "
            "{most} of {amount}",
            likely=money(shown.most_likely_minor),
            most=money(shown.upper_minor),
            amount=money(sample.total_minor),
            **figures,
        )
    ]
    if shown.understated_minor:
        told.append(said("limits too low by {amount} were found as well; they are not set off", amount=money(shown.understated_minor)))
    return [*told, _verdict(sample.plan.tolerable, holds=bool(shown.holds))]
