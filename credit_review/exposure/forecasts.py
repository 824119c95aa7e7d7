"""What the account owners' forecasts say a bucket's customers will need, as the policy counts it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from credit_review import fx
from credit_review.exposure import balances, ledger
from credit_review.exposure.arrays import Flags, Ints, day_number, months_before
from credit_review.forecasts import Counted, Stated, counted, standing, tracks
from credit_review.model.money import Money
from credit_review.policy import ForecastRule
from credit_review.words import marked

TRACKED = marked("{expected} from {since} until {until} by {owner} on {day} x {factor} (median of actual over forecast, {cases} cases)")
UNTESTED = marked("{expected} from {since} until {until} by {owner} on {day} x {factor} (policy's, for {cases} cases are too few)")
CAPPED = marked("{forecast}; at most {most} by the highest balance of 12 months")
NO_RATE = marked("forecast of {owner} on {day} in {currency}: no exchange rate to the account currency")


@dataclass(frozen=True, slots=True)
class Forecasts:
    """By position in the bucket: what counts (minor units of the account's currency), where something does, and how it came about."""

    minor: Ints
    known: Flags
    notes: list[str]


def stated(frame: pd.DataFrame) -> list[Stated]:
    """The rows of FORECASTS as the rules read them."""
    return [
        Stated(
            forecast_id=str(row["forecast_id"]),
            customer_id=str(row["customer_id"]),
            owner_id=str(row["owner_id"]),
            kind=str(row["kind"]),
            amount_minor=int(row["amount_minor"]),
            currency=str(row["currency"]),
            terms_days=_int(row["terms_days"]),
            valid_from=row["valid_from"].date(),
            valid_to=row["valid_to"].date(),
            recorded_on=row["recorded_on"].date(),
            recorded_at=str(row["recorded_at"]),
            actual_minor=_int(row["actual_minor"]),
        )
        for row in frame.to_dict("records")
    ]


def needed(
    frame: pd.DataFrame | None, master: pd.DataFrame, peak: Ints, *, as_of: date, rule: ForecastRule | None, rates: fx.RateTable
) -> Forecasts:
    """Of each customer of `master` the forecast that counts most, where policy has a rule; `peak` is its highest balance of 12 months.

    `frame` are FORECASTS of the whole book: an owner's accuracy is that of all his customers.
    """
    found = Forecasts(np.zeros(len(master), dtype=np.int64), np.zeros(len(master), dtype=bool), [""] * len(master))
    if rule is None or frame is None or not len(frame):
        return found
    everything = stated(frame)
    now = standing(everything, as_of=as_of, ahead_days=rule.ahead_days, max_age_days=rule.max_age_days)
    known = tracks(everything)
    places = {customer: n for n, customer in enumerate(master["customer_id"])}
    for one in sorted(now, key=lambda one: one.forecast_id):
        at = places.get(one.customer_id)
        if at is None:
            continue
        expected = _converted(one, str(master["currency"].iloc[at]), rates, as_of)
        if expected is None:
            found.notes[at] = found.notes[at] or NO_RATE.format(owner=one.owner_id, day=one.recorded_on, currency=one.currency)
            continue
        count = counted(
            one, expected, known.get(one.owner_id), peak_minor=int(peak[at]), at_most=rule.at_most_of_peak,
            least_cases=rule.least_cases, untested=rule.untested_factor,
        )  # fmt: skip
        if not found.known[at] or count.minor > found.minor[at]:  # what comes to nothing is no need of nothing
            found.minor[at], found.known[at] = count.minor, count.minor > 0
            found.notes[at] = _note(count, str(master["currency"].iloc[at]), tested=count.cases >= rule.least_cases)
    return found


def _converted(one: Stated, currency: str, rates: fx.RateTable, on: date) -> int | None:
    try:
        return rates.convert(one.expected_minor, base=one.currency, quote=currency, on=on).minor
    except fx.MissingRate:
        return None


def _note(count: Counted, currency: str, *, tested: bool) -> str:
    one = count.stated
    text = (TRACKED if tested else UNTESTED).format(
        expected=Money(count.expected_minor, currency),
        since=one.valid_from,
        until=one.valid_to,
        owner=one.owner_id,
        day=one.recorded_on,
        factor=count.factor.normalize().__format__("f"),
        cases=count.cases,
    )
    if count.minor < count.most_minor:
        return text
    return CAPPED.format(forecast=text, most=Money(count.most_minor, currency))


def _int(value: Any) -> int | None:
    return None if pd.isna(value) else int(value)


def actual_peaks(
    due: Sequence[Stated], items: pd.DataFrame, customers: pd.DataFrame, *, as_of: date, rates: fx.RateTable
) -> dict[str, int]:
    """The highest balance of the days of each forecast, by its id, in its currency (converted at the as_of rate, half-even once).

    Left out: customers the ledger does not know, or of whom a row has no rate; and days that began before the ledger's 12 months or are
    not over.
    """
    first = months_before(as_of, balances.MONTHS)
    wanted = [one for one in due if first < one.valid_from and one.valid_to <= as_of]
    master = customers[customers["customer_id"].isin({one.customer_id for one in wanted})]
    master = master.sort_values("customer_id", kind="stable", ignore_index=True)
    read = ledger.read(items[items["customer_id"].isin(set(master["customer_id"]))], master, as_of=as_of, rates=rates)
    unpriced = {at for at, _, _ in read.unpriced}
    places = {str(customer): n for n, customer in enumerate(master["customer_id"]) if n not in unpriced}
    found: dict[str, int] = {}
    for one in wanted:
        at = places.get(one.customer_id)
        if at is None:
            continue
        last = day_number(one.valid_to) - 1
        peak = balances.peak_between(read.ledger, len(master), day_number(one.valid_from), last, today=day_number(as_of))[at]
        try:
            found[one.forecast_id] = rates.convert(int(peak), base=str(master["currency"].iloc[at]), quote=one.currency, on=as_of).minor
        except fx.MissingRate:
            continue
    return found
