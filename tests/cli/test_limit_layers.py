"""`limit show` on a reviewed installation: the effective limit figure by figure, on a day, and what is known to come."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from datetime import timedelta

import pytest
from office import NOON

from credit_review.adapters import layered
from credit_review.limits.layers import LayerLimit
from credit_review.model.records import CreditLimit, GroupMembership, LimitAccount, LimitChange, Proposal, Review
from credit_review.review.naming import account_id
from tasks import artifacts, effects

TODAY = NOON.date()


def base_account(office):
    """A customer with a limit and an exposure, alone in its group."""
    accounts = office.find(LimitAccount, layer="base", currency="EUR")
    members = {m.customer_id for m in office.find(GroupMembership)} | {m.group_id for m in office.find(GroupMembership)}
    limits = {c.account_id: c for c in office.find(CreditLimit)}
    return next((a, limits[a.account_id]) for a in accounts if a.subject_id not in members and limits[a.account_id].amount_minor)


def steady(office):
    """A customer with a limit in force and no proposal, and that limit."""
    busy = {p.customer_id for p in office.find(Proposal)}
    limits = {c.account_id: c for c in office.find(CreditLimit)}
    accounts = sorted(office.find(LimitAccount, layer="base", currency="EUR"), key=lambda a: a.account_id)
    free = [(a, limits[a.account_id]) for a in accounts if a.account_id in limits and a.subject_id not in busy]
    return min(((a, c) for a, c in free if (c.amount_minor or 0) > 5_000_00), key=lambda one: one[1].amount_minor)


def opened(office, kind, subject, layer, minor, *, start, end=None, currency="EUR", entity="ALL"):
    account = LimitAccount(
        account_id=account_id(kind, subject, entity, layer, currency),
        subject_kind=kind,
        subject_id=subject,
        legal_entity=entity,
        layer=layer,
        currency=currency,
    )
    change = LimitChange(
        change_id=f"open-{account.account_id}", account_id=account.account_id, version=1, kind="opening", proposal_id=None,
        reverses_id=None, snapshot_digest="0" * 64, old_minor=None, new_minor=minor, old_terms_days=None, new_terms_days=None,
        effective_from=start, effective_to=end, applied_by="test", applied_at=NOON,
    )  # fmt: skip
    with office.opened.store.begin() as uow:
        uow.add(account)
        uow.add(change)
        uow.commit()


def test_the_limit_in_force_is_shown_figure_by_figure_with_its_days_and_what_each_layer_does(office):
    account, limit = base_account(office)
    customer, had = account.subject_id, limit.amount_minor
    end = TODAY + timedelta(days=30)
    opened(office, "customer", customer, "temporary", had + 5_000_00, start=TODAY, end=end, entity=account.legal_entity)
    opened(office, "group", customer, "group", had + 2_000_00, start=TODAY)
    shown = office.run("limit", "show", customer).fine().out
    assert "group limit (shared pool)" in shown and "stands instead of the base limit while it lasts" in shown
    assert "binds: of the shared pool the other members owe 0 EUR" in " ".join(shown.split())
    assert f"from {TODAY} until {end}" in shown
    found = office.run("limit", "show", customer, "--json").fine().json
    assert (found["effective_minor"], found["effective_to"]) == (had + 2_000_00, end.isoformat())
    effects = {row["layer"]: row["effect"] for row in found["layers"]}
    assert (effects["base"], effects["temporary"], effects["group"]) == ("beside", "instead", "binds")
    later = office.run("limit", "show", customer, "--as-of", end.isoformat(), "--json").fine().json
    assert later["effective_minor"] == had, "the temporary limit reverts by itself, whether or not anything has run"


@pytest.mark.prefect
def test_a_ceiling_that_people_approved_caps_the_next_review_of_the_customer_and_its_replay_knows_it(office):
    account, limit = steady(office)
    customer, ceiling = account.subject_id, limit.amount_minor // 2 // 500_00 * 500_00
    ask = ("request", customer, "--reason", "too much for one customer", "--json")
    told = office.run(*ask, "--layer", "ceiling", "--amount", f"{ceiling // 100:,} EUR", who="p-analyst").fine().json
    office.run("release", told["proposal_id"], who="p-analyst").fine()
    office.run("decide", told["proposal_id"], "approve", who="p-cfo").fine()
    office.run("apply").fine()
    again = office.run(*ask, who="p-analyst").fine().json
    assert (again["engine_minor"], again["to_minor"]) == (ceiling, ceiling)
    assert "Cap: ceiling in force" in office.run("show", again["proposal_id"]).fine().out
    review = office.one(Proposal, proposal_id=again["proposal_id"]).review_id
    assert json.loads(office.one(Review, review_id=review).manifest_json)["layers"]
    assert "layers" not in json.loads(office.one(Review, kind="periodic").manifest_json), (
        "a review without layers is as before there were any"
    )
    assert office.run("replay", review).fine().code == 0


def test_a_figure_kept_in_another_currency_says_rate_day_and_source(office):
    account, limit = base_account(office)
    opened(office, "customer", account.subject_id, "ceiling", 1_000_00, start=TODAY, currency="GBP")
    found = office.run("limit", "show", account.subject_id, "--json").fine().json
    (ceiling,) = (row for row in found["layers"] if row["layer"] == "ceiling")
    assert found["effective_minor"] == ceiling["amount_minor"] < limit.amount_minor
    assert ceiling["converted"].startswith("1,000 GBP at ") and "2026-09" in ceiling["converted"]


@pytest.mark.parametrize("command", [("limit", "show", "nobody")])
def test_an_unknown_customer_is_named(reviewed, command):
    reviewed.run(*command).refused(3, "customer nobody has no limit account")


def test_the_calendar_of_insurance_is_there_for_people_and_scripts(reviewed):
    shown = reviewed.run("insurance", "tasks").fine().out
    found = reviewed.run("insurance", "tasks", "--json").fine().json
    assert shown.startswith(f"Insurance by 2026Q3 as of 2026-09-30: {len(found['tasks'])} task(s)")
    assert found["tasks"] == sorted(found["tasks"], key=lambda task: (task["due"], task["customer_id"], task["reference"], task["kind"]))


@pytest.mark.prefect
def test_the_daily_follow_up_publishes_the_calendar_of_insurance_and_says_so_where_it_cannot_be_looked_up(office, monkeypatch):
    real = layered.tasks
    monkeypatch.setattr(layered, "tasks", lambda rows, figures, **known: real(rows, figures, **known | {"ahead_days": 4000}))
    due = office.run("insurance", "tasks", "--json").fine().json["tasks"]
    found = effects.insurance.fn(str(office.config))
    assert [(row["until"], row["customer"], row["reference"], row["task"]) for row in found.rows] == [
        (task["due"], task["customer_id"], task["reference"], task["kind"]) for task in due
    ]
    assert due and found.headline.startswith(f"{len(due)} task(s) of insurance ahead")
    tables = {}
    monkeypatch.setattr(artifacts, "create_markdown_artifact", lambda text, **about: tables.update({about["key"]: text}))
    monkeypatch.setattr(artifacts, "create_table_artifact", lambda rows, **about: tables.update({about["key"]: rows}))
    artifacts.publish_effects.fn(found)
    assert tables["insurance"] == [dict(row) for row in found.rows[: artifacts.MOST_ROWS]] and found.headline in tables["effects"]
    review = office.one(Review, kind="periodic").review_id
    shutil.rmtree(office.config / "data" / "reviews" / review / "features")
    lost = effects.insurance.fn(str(office.config))
    assert lost.headline.startswith("not looked up: ") and not lost.rows


def test_cover_that_ends_leaves_the_days_of_the_limit_alone(reviewed, monkeypatch):
    account, limit = base_account(reviewed)
    ends = TODAY + timedelta(days=30)
    insured = LayerLimit(layer="insured", key="i-1", amount_minor=limit.amount_minor, effective_from=TODAY, effective_to=ends)
    real = layered.beside
    monkeypatch.setattr(layered, "beside", lambda *asked: replace(real(*asked), cover=(insured,)))
    for day, risk in ((TODAY, 0), (ends, limit.amount_minor)):
        found = reviewed.run("limit", "show", account.subject_id, "--as-of", day.isoformat(), "--json").fine().json
        assert (found["own_risk_minor"], found["effective_to"]) == (risk, None)
        assert found["effective_from"] == found["spans"][0]["since"] < found["spans"][-1]["since"] == ends.isoformat()
        assert (found["own_risk_from"], found["own_risk_to"])[risk == 0] == ends.isoformat()
    shown = reviewed.run("limit", "show", account.subject_id).fine().out
    assert re.search(r"In force +from .*, without an end", shown) and re.search(rf"This own risk +from {TODAY} until {ends}", shown)
