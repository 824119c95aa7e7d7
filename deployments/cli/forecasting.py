"""Forecasts of account owners: recorded one by one or as a file, listed, withdrawn, and how right their owners were."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from credit_review import forecasts as rules
from credit_review import lists
from credit_review.adapters import layered
from credit_review.errors import BadInput
from credit_review.forecasts import Stated, Track
from credit_review.model.money import Money, typed
from credit_review.model.records import Forecast, ForecastOutcome
from credit_review.review import forecasts
from credit_review.review.forecasts import Teller, Wish
from credit_review.review.standing import policy_in_force
from credit_review.words import said, said_many
from deployments.cli.frame import names_of, services, show_json, show_table, tell
from deployments.cli.governing import me
from deployments.cli.requesting import content_of, day_of, terms_of

if TYPE_CHECKING:
    from credit_review.adapters.wiring import Services
    from credit_review.ports import UnitOfWork

NEEDED = ("customer", "amount", "from", "until", "reason")
COLUMNS = (*NEEDED, "currency", "terms")
MOST_ROWS = 500
"""Rows of a file, which is recorded in one transaction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Typed:
    """A forecast as typed; `terms` makes its amount sales with so many net days."""

    customer: str
    amount: str
    valid_from: date
    valid_to: date
    reason: str
    terms: int | None = None
    source: str = ""


def record(config: Path, what: Typed, *, as_person: str, as_json: bool) -> None:
    """Put one forecast on record, for the customer's account owner."""
    opened = services(config)
    by, known = _met(opened, [what.customer], as_person)
    with opened.store.begin() as uow:
        made, new = _recorded(uow, what, known, by)
        uow.commit()
    if as_json:
        show_json({**_plain(forecasts.stated_of(made, None)), "new": new})
        return
    stated = forecasts.stated_of(made, None)
    about = {"forecast": made.forecast_id, "customer": made.customer_id, "expected": Money(stated.expected_minor, made.currency)}
    tell(said("{forecast}: {customer} is expected to owe up to {expected}", **about))
    if not new:
        tell(said("it was on record already"))
    _say_policy(opened)


def import_file(config: Path, path: Path, *, as_person: str, as_json: bool) -> None:
    """Put the forecasts of a CSV or YAML file on record in one transaction; none when a row is bad: BadInput names every such row."""
    opened = services(config)
    content = content_of(path)
    text = lists.read_text(path.name, content)
    rows = lists.read(text, name=path.name, of="forecasts", needed=NEEDED, known=COLUMNS, most=MOST_ROWS)
    source = sha256(content).hexdigest()
    by, known = _met(opened, [row["customer"] for row in rows], as_person)
    with opened.store.begin() as uow:
        made = lists.taken(path.name, rows, lambda row: _recorded(uow, _typed(row, source), known, by))
        uow.commit()
    new = sum(fresh for _, fresh in made)
    if as_json:
        show_json({"file": path.name, "sha256": source, "new": new, "forecasts": [one.forecast_id for one, _ in made]})
        return
    tell(said_many("{n} forecast recorded", "{n} forecasts recorded", n=new))
    if len(made) > new:
        tell(said_many("{n} was on record already", "{n} were on record already", n=len(made) - new))
    _say_policy(opened)


def withdraw(config: Path, forecast_id: str, reason: str, *, as_person: str, as_json: bool) -> None:
    """Withdraw a forecast before its days begin."""
    opened = services(config)
    with opened.store.begin() as uow:
        row = forecasts.withdraw(uow, forecast_id, reason, _teller(opened, uow, as_person))
        uow.commit()
    if as_json:
        show_json({"forecast": row.forecast_id, "kind": row.kind, "by": row.ended_by})
        return
    tell(said("{forecast} is withdrawn", forecast=forecast_id))


def show_list(config: Path, customer: str, owner: str, *, as_json: bool) -> None:
    """Every forecast on record with what became of it, the newest days first."""
    opened = services(config)
    with opened.store.read() as uow:
        facts, ends, names = uow.find(Forecast), {row.forecast_id: row for row in uow.find(ForecastOutcome)}, names_of(uow)
    wanted = [one for one in facts if customer in ("", one.customer_id) and owner in ("", one.owner_id)]
    wanted.sort(key=lambda one: (one.valid_from, one.recorded_at, one.forecast_id), reverse=True)
    today = opened.today()
    if as_json:
        shown = [(forecasts.stated_of(one, ends.get(one.forecast_id)), _state(one, ends.get(one.forecast_id), today)) for one in wanted]
        show_json([{**_plain(one), "state": state} for one, state in shown])
        return
    titles = (said("Forecast"), said("Customer"), said("Owner"), said("Expected balance"), said("From"), said("Until"), said("State"))
    rows = []
    for one in wanted:
        stated = forecasts.stated_of(one, ends.get(one.forecast_id))
        state = _STATES[_state(one, ends.get(one.forecast_id), today)]
        if stated.actual_minor is not None:
            state = said("over: it was {actual}", actual=Money(stated.actual_minor, one.currency))
        expected = Money(stated.expected_minor, one.currency)
        rows.append(
            [one.forecast_id, one.customer_id, names.get(one.owner_id, one.owner_id), expected, one.valid_from, one.valid_to, state]
        )
    show_table("", titles, rows, right=(titles[3],))


def accuracy(config: Path, *, as_json: bool) -> None:
    """How right the forecasts of each owner, and for each customer, were; few cases are said to be few."""
    opened = services(config)
    with opened.store.read() as uow:
        known, names = forecasts.known_by(uow, opened.clock.now()), names_of(uow)
        rule = policy_in_force(uow, opened.clock.now()).limits.need.forecast
    found, least = rules.tracked(known), rule.least_cases if rule else rules.FEW_CASES
    if as_json:
        show_json({"least_cases": least, "tracks": [_track(*one) for one in found]})
        return
    if not found:
        tell(said("no forecast is over and compared with a ledger yet"))
        return
    titles = (
        said("Owner"),
        said("Customer"),
        said("Cases"),
        said("Actual over forecast"),
        said("Owed less"),
        said("Owed more"),
        said("Bias"),
    )
    rows = [
        ["", customer, *_figures(track), ""]
        if customer
        else [names.get(owner, owner), said("all"), *_figures(track), rules.bias(track, least)]
        for owner, customer, track in found
    ]
    show_table("", titles, rows, right=titles[2:6])


def _figures(track: Track) -> list[Any]:
    return [track.cases, "-" if track.ratio is None else str(track.ratio), track.less, track.more]


def _track(owner: str, customer: str, one: Track) -> dict[str, Any]:
    ratio = None if one.ratio is None else str(one.ratio)
    return {"owner": owner, "customer": customer or None, "cases": one.cases, "ratio": ratio, "less": one.less, "more": one.more}


def _teller(opened: Services, uow: UnitOfWork, as_person: str) -> Teller:
    return Teller(me(opened, uow, as_person), opened.today(), opened.clock.now())


_Met = dict[str, tuple[str, str]]


def _met(opened: Services, customers: list[str], as_person: str) -> tuple[Teller, _Met]:
    """Who speaks, and account owner and currency of the customers that the newest review knows."""
    with opened.store.read() as uow:
        by = _teller(opened, uow, as_person)
        return by, layered.owners(opened.settings.data, uow, customers, by.today)


def _recorded(uow: UnitOfWork, what: Typed, known: _Met, by: Teller) -> tuple[Forecast, bool]:
    if what.customer not in known:
        raise BadInput(
            said("no review of the book has met customer {customer_id}", customer_id=what.customer),
            expected=said("a customer id as the report shows it"),
        )
    owner, currency = known[what.customer]
    wish = Wish(
        customer_id=what.customer,
        amount_minor=typed(what.amount, currency),
        currency=currency,
        valid_from=what.valid_from,
        valid_to=what.valid_to,
        reason=what.reason,
        terms_days=what.terms,
        source=what.source,
    )
    return forecasts.record(uow, wish, forecasts.owner_of(uow, owner, by), by)


def _typed(row: lists.Row, source: str) -> Typed:
    begins, ends = day_of(row, "from"), day_of(row, "until")
    if begins is None or ends is None:
        raise BadInput(said("days are missing"), expected=said("from and until"))
    amount = f"{row['amount']} {row['currency']}".strip()
    return Typed(
        customer=row["customer"], amount=amount, valid_from=begins, valid_to=ends, reason=row["reason"], terms=terms_of(row["terms"]),
        source=source,
    )  # fmt: skip


def _say_policy(opened: Services) -> None:
    with opened.store.read() as uow:
        rule = policy_in_force(uow, opened.clock.now()).limits.need.forecast
    if rule is None:
        tell(said("the policy in force counts no forecast as need (limits.need.forecast); it is tracked all the same"))


_STATES = {
    "to come": said("to come"),
    "running": said("running"),
    "over": said("over, not compared yet"),
    "compared": said("over and compared"),
    "withdrawn": said("withdrawn"),
}


def _state(one: Forecast, end: ForecastOutcome | None, today: date) -> str:
    if end is not None:
        return "withdrawn" if end.actual_minor is None else "compared"
    return "over" if one.valid_to <= today else "running" if one.valid_from <= today else "to come"


def _plain(one: Stated) -> dict[str, Any]:
    names = ("forecast_id", "customer_id", "owner_id", "kind", "amount_minor", "currency", "terms_days", "valid_from", "valid_to")
    return {name: getattr(one, name) for name in (*names, "expected_minor", "actual_minor")}
