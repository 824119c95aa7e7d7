"""`limit show`: the limit in force from all layers, figure by figure, now and by the days known to come."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from credit_review.errors import CreditReviewError
from credit_review.limits.layer_words import LAYER_WORDS, scope_words, what_it_does
from credit_review.limits.layers import ALL, InForce, LayerLimit, Line, Span, limit_on, run_of, spans
from credit_review.limits.seasons import Season
from credit_review.model.money import Money
from credit_review.model.records import LimitAccount
from credit_review.model.states import Layer
from credit_review.review.layers import Recorded, recorded
from credit_review.review.seasons import Recurring, end_seasons, seasons_to_come
from credit_review.review.standing import matrix_in_force
from credit_review.words import said
from deployments.cli.frame import services, show_json, show_pairs, show_table, tell
from deployments.cli.governing import me

if TYPE_CHECKING:
    from credit_review.adapters.layered import Beside
    from credit_review.adapters.wiring import Services


def show(config: Path, customer_id: str, as_of: date | None, entity: str, *, as_json: bool) -> None:
    """Print the effective limit and own risk on a day, what each layer does to it, and when that will change."""
    opened = services(config)
    day = as_of or opened.today()
    with opened.store.read() as uow:
        now = opened.clock.now()
        found = recorded(uow, customer_id, on=day, now=now, control=matrix_in_force(uow, now).control_currency)
        coming = seasons_to_come(uow, customer_id, day)
    seen = _beside(opened, found, day)
    layers = found.with_pool_taken(seen.owed if seen else None) + (seen.cover if seen else ())
    on_day, known = limit_on(layers, day, entity=entity), spans(layers, entity=entity)
    if as_json:
        show_json(_plain(found, on_day, known, seen) | {"next_seasons": [_season(*one) for one in coming]})
        return
    _show(found, on_day, known, seen)
    for one, season, account in coming:
        tell(_season_text(one, season, account))


def end_season(config: Path, customer_id: str, reason: str, *, as_person: str, as_json: bool) -> None:
    """End the recurrence of a customer's limits: a season under way keeps its end, no other begins."""
    opened = services(config)
    with opened.store.begin() as uow:
        person = me(opened, uow, as_person)
        rows = end_seasons(uow, customer_id, person_id=person.person_id, reason=reason, today=opened.today(), now=opened.clock.now())
        uow.commit()
    if as_json:
        show_json([{"change": row.change_id, "from": row.from_day} for row in rows])
        return
    tell(said("no season of {customer} begins from {day} on; one under way keeps its end", customer=customer_id, day=rows[0].from_day))


def _season(one: Recurring, season: Season, account: LimitAccount) -> dict[str, Any]:
    amount = {"amount_minor": one.change.new_minor, "currency": account.currency}
    return {"from": season.begins, "until": season.ends, "last_until": one.seasons[-1].ends, "change": one.change.change_id} | amount


def _season_text(one: Recurring, season: Season, account: LimitAccount) -> str:
    amount = Money(one.change.new_minor or 0, account.currency)
    about = {"amount": amount, "begins": season.begins, "ends": season.ends, "last": one.seasons[-1].ends}
    return said("next season: {amount} from {begins} until {ends}; the last one ends on {last}", **about)


def _beside(opened: Services, found: Recorded, day: date) -> Beside | None:
    """What the newest review knew of exposure and cover; None where there is none, or its files are not here."""
    from credit_review.adapters import layered

    with opened.store.read() as uow:
        review = layered.newest_of_book(uow, day)
    with suppress(CreditReviewError, OSError):
        return layered.beside(opened.settings.data, review, found.customer_id, found.others, found.currency) if review else None
    return None


def _show(found: Recorded, on_day: InForce, known: tuple[Span, ...], seen: Beside | None) -> None:
    show_pairs({said("Customer"): found.customer_id, said("As of"): on_day.day, said("For sales of"): _for(on_day.entity)})
    show_pairs(_figures(found, on_day, known, seen))
    titles = (said("Layer"), said("Holds for"), said("Amount"), said("From"), said("Until"), said("What it does"))
    rows = [_row(line, found) for line in on_day.lines]
    show_table("", titles, rows, right=(titles[2],))
    coming = [span for span in known if span.until is None or span.until > on_day.day]
    if len(coming) > 1:
        dates = (said("From"), said("Until"), said("Limit"), said("Own risk"))
        steps = [[s.since, s.until or "", _amount(s.amount_minor, found), Money(s.own_risk_minor, found.currency)] for s in coming]
        show_table(said("By what is known today"), dates, steps, right=dates[2:])
    if seen is None:
        tell(said("exposure and cover are not known here: no review of the book by that day, or its files are not in this installation"))


def _figures(found: Recorded, on_day: InForce, known: tuple[Span, ...], seen: Beside | None) -> dict[str, Any]:
    limit, own_risk = _days(known, on_day.day)
    pairs: dict[str, Any] = {said("Effective limit"): _amount(on_day.amount_minor, found)}
    if limit is not None:
        pairs[said("In force")] = _period(*limit)
    if seen is not None:
        owed = seen.owed.get(found.customer_id)
        pairs[said("Exposure")] = said("{amount} as of {day} ({review})", amount=owed, day=seen.as_of, review=seen.label) if owed else "-"
    pairs |= {
        said("Insured part"): Money(on_day.insured_minor, found.currency),
        said("Covered by guarantees"): Money(on_day.secured_minor, found.currency),
        said("Own risk when used in full"): Money(on_day.own_risk_minor, found.currency),
    }
    return pairs | ({said("This own risk"): _period(*own_risk)} if own_risk is not None and own_risk != limit else {})


_Period = tuple[date, date | None]


def _days(known: tuple[Span, ...], day: date) -> tuple[_Period | None, _Period | None]:
    """Since and until when the limit, and own risk, are what they are on a day."""
    return run_of(known, day, lambda span: span.amount_minor), run_of(known, day, lambda span: span.own_risk_minor)


def _row(line: Line, found: Recorded) -> list[Any]:
    row = line.limit
    does = what_it_does(line, found.currency)
    if row.converted:
        does = said("{what}; converted from {source}", what=does, source=row.converted)
    name = LAYER_WORDS[row.layer]
    holder = found.group_id if row.layer == Layer.GROUP else scope_words(row)
    amount = said("none") if row.amount_minor is None and row.layer != Layer.BASE else _amount(row.amount_minor, found)
    return [name, holder, amount, row.effective_from, row.effective_to or "", does]


def _period(since: date, until: date | None) -> str:
    if until is None:
        return said("from {since}, without an end", since=since)
    return said("from {since} until {until}", since=since, until=until)


def _amount(minor: int | None, found: Recorded) -> Any:
    return said("none on file") if minor is None else Money(minor, found.currency)


def _for(entity: str) -> str:
    return said("all our companies") if entity == ALL else entity


def _plain(found: Recorded, on_day: InForce, known: tuple[Span, ...], seen: Beside | None) -> dict[str, Any]:
    limit, own_risk = (days or (None, None) for days in _days(known, on_day.day))
    return {
        "customer": found.customer_id,
        "group": found.group_id,
        "as_of": on_day.day,
        "legal_entity": on_day.entity,
        "currency": found.currency,
        "effective_minor": on_day.amount_minor,
        "effective_from": limit[0],
        "effective_to": limit[1],
        "insured_minor": on_day.insured_minor,
        "secured_minor": on_day.secured_minor,
        "own_risk_minor": on_day.own_risk_minor,
        "own_risk_from": own_risk[0],
        "own_risk_to": own_risk[1],
        "review": seen.label if seen else None,
        "layers": [_layer(line.limit, line, found) for line in on_day.lines],
        "spans": [asdict(span) for span in known],
    }


def _layer(row: LayerLimit, line: Line, found: Recorded) -> dict[str, Any]:
    plain = asdict(row) | {"effect": str(line.effect), "covers_minor": line.covers_minor, "why": str(what_it_does(line, found.currency))}
    return plain | {"shared_pool": row.layer == Layer.GROUP, "stopped": str(row.stopped), "converted": str(row.converted)}
