"""Forecasts on record: by whom, how they end, once, and what a review knows of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest
from decision_world import NOON, TODAY, World, person
from test_races import at_once

from credit_review.errors import BadInput, Conflict, Refused
from credit_review.model.records import Forecast, ForecastOutcome, Person
from credit_review.review import forecasts
from credit_review.review.forecasts import Teller, Wish

BEGINS, ENDS = TODAY + timedelta(days=10), TODAY + timedelta(days=100)


@pytest.fixture
def world(store):
    known = World(store)
    known.write(person("p-sales"), person("p-other"))
    return known


def wish(**changed):
    known = {
        "customer_id": "c-1",
        "amount_minor": 100_000_00,
        "currency": "EUR",
        "valid_from": BEGINS,
        "valid_to": ENDS,
        "reason": "season",
    }
    return Wish(**known | changed)


def teller(world, who="p-sales", *, days=0):
    with world.store.read() as uow:
        (found,) = uow.find(Person, person_id=who)
    return Teller(found, TODAY + timedelta(days=days), NOON + timedelta(days=days))


def do(world, function, *args):
    with world.store.begin() as uow:
        result = function(uow, *args)
        uow.commit()
    return result


def recorded(world, **changed):
    return do(world, forecasts.record, wish(**changed), "p-sales", teller(world))[0]


def test_a_forecast_is_a_fact_with_one_entry_and_the_same_one_again_is_none(world):
    fact, new = do(world, forecasts.record, wish(), "p-sales", teller(world))
    again, second = do(world, forecasts.record, wish(), "p-sales", teller(world, days=1))
    assert (new, second) == (True, False) and fact == again == world.one(Forecast)
    (entry,) = world.entries("forecast.recorded")
    assert entry["entity"] == f"forecast:{fact.forecast_id}" and entry["data"]["amount_minor"] == 100_000_00
    assert "season" not in str(entry)
    with pytest.raises(BadInput, match="reason"):
        recorded(world, reason="")
    with pytest.raises(Conflict), world.store.begin() as uow:
        uow.change(Forecast, where={"forecast_id": fact.forecast_id}, to={"amount_minor": 1})


def test_it_is_the_account_owners_whoever_of_him_and_the_analysts_records_it(world):
    with world.store.read() as uow:
        assert forecasts.owner_of(uow, "p-sales", teller(world)) == "p-sales"
        assert forecasts.owner_of(uow, world.one(Person, person_id="p-sales").name, teller(world)) == "p-sales"
        assert forecasts.owner_of(uow, "p-sales", teller(world, "p-analyst")) == "p-sales"
        for who, owner in (("p-other", "p-sales"), ("p-sales", ""), ("p-sales", "p-other")):
            with pytest.raises(Refused, match="not the account owner"):
                forecasts.owner_of(uow, owner, teller(world, who))
        with pytest.raises(BadInput, match="names nobody"):
            forecasts.owner_of(uow, "", teller(world, "p-analyst"))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"reason": " "}, "needs a reason"),
        ({"amount_minor": 0}, "of nothing"),
        ({"terms_days": 366}, "terms of 366"),
        ({"valid_from": TODAY - timedelta(days=1)}, "what is past"),
        ({"valid_to": BEGINS}, "1 to 270 days"),
        ({"valid_to": BEGINS + timedelta(days=271)}, "1 to 270 days"),
    ],
)
def test_what_makes_no_sense_is_refused(change, why):
    forecasts.check(wish(), TODAY)
    with pytest.raises(BadInput) as error:
        forecasts.check(wish(**change), TODAY)
    assert why in str(error.value)


def test_it_is_withdrawn_before_its_days_begin_and_not_after(world):
    key, begun = recorded(world).forecast_id, recorded(world, valid_from=TODAY).forecast_id
    for who in ("p-other", "p-cfo"):
        with pytest.raises(Refused, match="is p-sales's"):
            do(world, forecasts.withdraw, key, "wrong", teller(world, who))
    with pytest.raises(BadInput, match="reason"):
        do(world, forecasts.withdraw, key, " ", teller(world))
    with pytest.raises(Refused, match="has begun"):
        do(world, forecasts.withdraw, begun, "wrong", teller(world))
    do(world, forecasts.withdraw, key, "wrong", teller(world))
    assert world.one(ForecastOutcome).kind == "withdrawn" and len(world.entries("forecast.withdrawn")) == 1
    for days in (0, 400):  # after its days too it is one that was taken back, not one that began
        with pytest.raises(Refused, match=f"forecast {key} was withdrawn"):
            do(world, forecasts.withdraw, key, "again", teller(world, days=days))
    with pytest.raises(BadInput, match="was withdrawn"):
        recorded(world)


def test_a_review_knows_what_was_on_record_when_it_started_and_nothing_later(world):
    kept, gone = recorded(world).forecast_id, recorded(world, amount_minor=1).forecast_id
    do(world, forecasts.withdraw, gone, "wrong", teller(world, days=2))
    do(world, forecasts.record_actuals, "r-1", {kept: 90_000_00}, NOON + timedelta(days=200))

    def known(days):
        with world.store.read() as uow:
            return {one.forecast_id: one.actual_minor for one in forecasts.known_by(uow, NOON + timedelta(days=days))}

    assert known(-1) == {} and known(1) == {kept: None, gone: None}
    assert known(3) == {kept: None} and known(200) == {kept: 90_000_00}


def test_what_is_over_is_compared_once_whoever_compares_it_at_once(world):
    key = recorded(world).forecast_id
    assert [one.forecast_id for one in world_over(world, ENDS)] == [key] and not world_over(world, ENDS - timedelta(days=1))
    later = NOON + timedelta(days=200)
    compare = [lambda n=n: do(world, forecasts.record_actuals, "r-1", {key: n}, later) for n in (1, 2, 3)]
    done = at_once(*compare)
    assert sum(one for one in done if isinstance(one, int)) == 1
    assert len(world.entries("forecast.compared")) == len(world.find(ForecastOutcome)) == 1
    assert world.entries("forecast.compared")[0]["data"]["actual_minor"] == world.one(ForecastOutcome).actual_minor
    assert not world_over(world, date(2030, 1, 1))
    assert do(world, forecasts.record_actuals, "r-1", {key: 9}, later) == 0


def world_over(world, day):
    with world.store.read() as uow:
        return forecasts.over(uow, day)


def test_the_database_keeps_a_forecast_whole(world):
    fact = recorded(world)
    for wrong in ({"kind": "sales"}, {"kind": "guess"}, {"amount_minor": 0}, {"reason": ""}, {"owner_id": ""}):
        with pytest.raises(Conflict), world.store.begin() as uow:
            uow.add(replace(fact, forecast_id="f-2", **wrong))
            uow.commit()
    about = {"forecast_id": fact.forecast_id, "ended_by": "x", "reason": "", "recorded_at": NOON}
    for wrong in (
        {"kind": "over", "actual_minor": None, "review_id": "r-1"},
        {"kind": "over", "actual_minor": 1, "review_id": None},
        {"kind": "withdrawn", "actual_minor": None, "review_id": None},
    ):
        with pytest.raises(Conflict), world.store.begin() as uow:
            uow.add(ForecastOutcome(**about | wrong))
            uow.commit()
