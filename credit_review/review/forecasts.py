"""Forecasts on record: who may make one, how it is withdrawn before its days begin, and what a review's ledger said when they were over.

All of it is facts with an audit entry each; the caller commits. What counts as need, and how right an owner was, is in `forecasts`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime

from credit_review.audit import Action, timestamp
from credit_review.errors import BadInput, Refused
from credit_review.forecasts import LONGEST_DAYS, Stated
from credit_review.model.records import Forecast, ForecastOutcome, Person
from credit_review.model.states import ForecastEnd, ForecastKind
from credit_review.ports import Entry, UnitOfWork
from credit_review.review.directory import active_person
from credit_review.review.naming import SYSTEM, actor, short_id
from credit_review.review.standing import policy_in_force
from credit_review.words import said


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A forecast as somebody makes it: the highest balance expected, or sales with `terms_days`, in minor units of the account's currency,
    for the days from `valid_from` up to the day before `valid_to`. `source` is the SHA-256 of the file it came in."""

    customer_id: str
    amount_minor: int
    currency: str
    valid_from: date
    valid_to: date
    reason: str
    terms_days: int | None = None
    source: str = ""


@dataclass(frozen=True, slots=True)
class Teller:
    """Who records it and when; `today` is the company's day."""

    person: Person
    today: date
    now: datetime


def owner_of(uow: UnitOfWork, account_owner: str, by: Teller) -> str:
    """Whose forecast of a customer it is that somebody records: the account owner's, whom the ledger names by id or by a name that only
    one active person has.

    Raises Refused `forecast.not_owner` unless the teller is he, or an analyst who records it for him; BadInput where the ledger names
    nobody the directory knows, for then it is nobody's.
    """
    active_person(uow, by.person.person_id, on=by.today, known_at=by.now)
    people = [p for p in uow.facts(Person, valid_at=by.today, known_at=by.now) if p.active]
    named = [p.person_id for p in people if account_owner and account_owner in (p.person_id, p.name)]
    if named == [by.person.person_id]:
        return named[0]
    if by.person.person_id not in {w.analyst for w in policy_in_force(uow, by.now).worklists}:
        raise Refused(
            "forecast.not_owner",
            said("you are not the account owner, {owner}, nor an analyst", owner=account_owner or said("whom the ledger does not name")),
            next_step=said("ask the account owner, or the customer's analyst"),
        )
    if len(named) != 1:
        raise BadInput(
            said("the ledger names {owner} as account owner", owner=account_owner or said("nobody")),
            expected=said("one person of the directory, by id or name: accuracy is tracked by owner"),
            next_step=said("correct the owner in the customer master, or enter the person in the directory"),
        )
    return named[0]


def check(wish: Wish, today: date) -> None:
    """Returns unless the forecast makes no sense. Raises BadInput."""
    if not wish.reason.strip():
        raise BadInput(said("a forecast needs a reason"), expected=said("what it rests on"), next_step=said("add --reason"))
    if wish.amount_minor < 1:
        raise BadInput(said("a forecast of nothing"), expected=said("an amount above 0"))
    if wish.terms_days is not None and not 0 <= wish.terms_days <= 365:
        raise BadInput(said("terms of {days} days", days=wish.terms_days), expected=said("0 to 365 net days"))
    if wish.valid_from < today:
        raise BadInput(
            said("a forecast from {day} on", day=wish.valid_from),
            expected=said("today, {today}, or later: what is past is no forecast", today=today),
        )
    if not 0 < (wish.valid_to - wish.valid_from).days <= LONGEST_DAYS:
        raise BadInput(
            said("a forecast from {begins} until {ends}", begins=wish.valid_from, ends=wish.valid_to),
            expected=said("1 to {days} days", days=LONGEST_DAYS),
        )


def as_fact(wish: Wish, owner_id: str, by: Teller) -> Forecast:
    """The fact that a forecast becomes; the same statement has the same id, so that a file handed in twice states it once."""
    kind = ForecastKind.PEAK if wish.terms_days is None else ForecastKind.SALES
    about = (wish.customer_id, owner_id, kind, str(wish.amount_minor), wish.currency, str(wish.terms_days), wish.reason)
    return Forecast(
        forecast_id=short_id("f", *about, wish.valid_from.isoformat(), wish.valid_to.isoformat()),
        customer_id=wish.customer_id,
        owner_id=owner_id,
        kind=kind,
        amount_minor=wish.amount_minor,
        currency=wish.currency,
        terms_days=wish.terms_days,
        valid_from=wish.valid_from,
        valid_to=wish.valid_to,
        reason=wish.reason,
        source=wish.source,
        recorded_by=by.person.person_id,
        recorded_at=by.now,
    )


def record(uow: UnitOfWork, wish: Wish, owner_id: str, by: Teller) -> tuple[Forecast, bool]:
    """The forecast on record, and whether it is new. Raises BadInput for one that makes no sense or was withdrawn before."""
    check(wish, by.today)
    made = as_fact(wish, owner_id, by)
    known = uow.get(Forecast, forecast_id=made.forecast_id)
    if known is not None:
        if uow.get(ForecastOutcome, forecast_id=known.forecast_id) is not None:
            raise BadInput(
                said("forecast {forecast} was withdrawn", forecast=known.forecast_id), next_step=said("state another reason or figure")
            )
        return known, False
    uow.add(made)
    data = {
        "customer": made.customer_id,
        "owner": owner_id,
        "kind": made.kind,
        "amount_minor": made.amount_minor,
        "currency": made.currency,
        "terms_days": made.terms_days,
        "valid_from": made.valid_from.isoformat(),
        "valid_to": made.valid_to.isoformat(),
        "source": made.source or None,
    }
    _append(uow, Action.FORECAST_RECORDED, made.forecast_id, by.person.person_id, data, {"reason": made.reason})
    return made, True


def withdraw(uow: UnitOfWork, forecast_id: str, reason: str, by: Teller) -> ForecastOutcome:
    """The end of a forecast before its days begin, on record. Once they have begun it is one that its owner is judged by: a later word
    stands from then on, and takes nothing back.

    Raises Refused unless the teller is its owner or an analyst, and for one whose days have begun or that ended before; BadInput for an
    unknown one.
    """
    active_person(uow, by.person.person_id, on=by.today, known_at=by.now)
    found = uow.get(Forecast, forecast_id=forecast_id)
    if found is None:
        raise BadInput(
            said("there is no forecast {forecast}", forecast=forecast_id), next_step=said("`credit-review forecast list` has them")
        )
    analysts = {w.analyst for w in policy_in_force(uow, by.now).worklists}
    if by.person.person_id not in {found.owner_id, *analysts}:
        raise Refused("forecast.not_owner", said("forecast {forecast} is {owner}'s", forecast=forecast_id, owner=found.owner_id))
    if not reason.strip():
        raise BadInput(said("a forecast is not withdrawn without a reason"), next_step=said("add --reason"))
    outcome = uow.get(ForecastOutcome, forecast_id=forecast_id)
    if outcome is not None and outcome.kind == ForecastEnd.WITHDRAWN:
        raise Refused(
            "forecast.withdrawn",
            said("forecast {forecast} was withdrawn", forecast=forecast_id),
            next_step=said("`credit-review forecast list` has them"),
        )
    if found.valid_from <= by.today or outcome is not None:
        raise Refused(
            "forecast.begun",
            said("forecast {forecast} has begun or ended", forecast=forecast_id),
            expected=said("one whose days are to come"),
            next_step=said("record another forecast, which stands from now on"),
        )
    row = ForecastOutcome(
        forecast_id=forecast_id, kind=ForecastEnd.WITHDRAWN, actual_minor=None, review_id=None, ended_by=by.person.person_id,
        reason=reason, recorded_at=by.now,
    )  # fmt: skip
    uow.add(row)
    about = {"customer": found.customer_id, "owner": found.owner_id}
    _append(uow, Action.FORECAST_WITHDRAWN, forecast_id, by.person.person_id, about, {"reason": reason})
    return row


def over(uow: UnitOfWork, as_of: date) -> list[Forecast]:
    """Forecasts whose days are over on a day and that nobody compared or withdrew yet."""
    ended = {row.forecast_id for row in uow.find(ForecastOutcome)}
    return [one for one in uow.find(Forecast) if one.valid_to <= as_of and one.forecast_id not in ended]


def record_actuals(uow: UnitOfWork, review_id: str, actuals: Mapping[str, int], now: datetime) -> int:
    """How many forecasts got their actual highest balance, each once, whoever compares it at the same time."""
    known = {one.forecast_id: one for one in uow.find(Forecast, forecast_id=sorted(actuals))} if actuals else {}
    done = 0
    for key, one in sorted(known.items()):
        row = ForecastOutcome(
            forecast_id=key,
            kind=ForecastEnd.OVER,
            actual_minor=actuals[key],
            review_id=review_id,
            ended_by=SYSTEM,
            reason="",
            recorded_at=now,
        )
        if uow.add_if_absent(row):
            data = {
                "customer": one.customer_id,
                "owner": one.owner_id,
                "expected_minor": stated_of(one, None).expected_minor,
                "actual_minor": actuals[key],
                "currency": one.currency,
                "review": review_id,
            }
            _append(uow, Action.FORECAST_COMPARED, key, SYSTEM, data, None)
            done += 1
    return done


def stated_of(one: Forecast, outcome: ForecastOutcome | None) -> Stated:
    """A forecast on record as the rules read it."""
    return Stated(
        forecast_id=one.forecast_id,
        customer_id=one.customer_id,
        owner_id=one.owner_id,
        kind=one.kind,
        amount_minor=one.amount_minor,
        currency=one.currency,
        terms_days=one.terms_days,
        valid_from=one.valid_from,
        valid_to=one.valid_to,
        recorded_on=one.recorded_at.date(),
        recorded_at=timestamp(one.recorded_at),
        actual_minor=outcome.actual_minor if outcome else None,
    )


def known_by(uow: UnitOfWork, known_at: datetime) -> list[Stated]:
    """Every forecast as known at a moment, by id; those withdrawn by then are not there, and what was compared later is not known."""
    ends = {row.forecast_id: row for row in uow.find(ForecastOutcome) if row.recorded_at <= known_at}
    found = (one for one in uow.find(Forecast, order_by=("forecast_id",)) if one.recorded_at <= known_at)
    return [stated_of(one, ends.get(one.forecast_id)) for one in found if not _withdrawn(ends.get(one.forecast_id))]


def _withdrawn(outcome: ForecastOutcome | None) -> bool:
    return outcome is not None and outcome.kind == ForecastEnd.WITHDRAWN


def withdrawn_ids(outcomes: Iterable[ForecastOutcome]) -> set[str]:
    """Ids of the forecasts that were withdrawn."""
    return {row.forecast_id for row in outcomes if _withdrawn(row)}


def _append(
    uow: UnitOfWork, action: Action, forecast_id: str, by: str, data: Mapping[str, object], payload: Mapping[str, object] | None
) -> None:
    uow.append(Entry(action=action, actor=actor(by), entity=f"forecast:{forecast_id}", data=data, payload=payload))
