"""Lists that have no room for all say how many they leave out."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from credit_review.messages import notices
from credit_review.messages.home import home
from credit_review.messages.why import Evidence, why
from credit_review.model.records import ConflictOfInterest
from credit_review.words import ENGLISH
from deployments.slack_sandbox import block_kit
from tests.review.decision_world import NOON, World
from tests.slack.test_hostile import decision_of, home_of
from tests.slack.test_in_sandbox import text, whole


@pytest.fixture
def proposal(sqlite_store):
    world = World(sqlite_store)
    return world.proposal(world.propose("c-1", **whole("c-1", 60_000_00, 50_000_00, {})))


@pytest.mark.parametrize(("count", "left"), [(7, ""), (100, ""), (130, "and 30 more")])
def test_a_daily_summary_names_a_hundred_decisions_and_counts_the_rest(proposal, count, left):
    rows = [(decision_of(proposal, ""), proposal, f"Customer {n:03}") for n in range(count)]
    message = notices.daily_summary(NOON.date(), rows, "p-x", ENGLISH, {"p-y": "Y"})
    shown = text(message.blocks)
    assert block_kit.problems_of_blocks([dict(b) for b in message.blocks]) == []
    assert f"{count} decisions in your name" in shown and shown.count("Customer ") == min(count, 100)
    assert ("more" in shown) == bool(left) and left in shown and "by Y for you" in shown and "call the risk team" in shown


def test_a_reminder_counts_what_it_does_not_name(proposal):
    shown = text(notices.reminder([(proposal, "X")] * 23, ENGLISH).blocks)
    assert "23 proposals" in shown and "and 3 more" in shown


def test_why_counts_the_rows_and_events_it_has_no_room_for(proposal):
    decisions = [replace(decision_of(proposal, ""), at=NOON + timedelta(days=n)) for n in range(15)]
    found = Evidence(quarantined=[f"row {n}" for n in range(14)], decisions=decisions, names={})
    shown = text(why(proposal, "X", found, ENGLISH)["blocks"])
    assert "row 11" in shown and "row 12" not in shown and "and 2 more" in shown and "and 3 more" in shown
    assert "15 Oct 2026" in shown and " 1 Oct 2026" not in shown, "the newest events are the ones shown"


def test_home_counts_declarations_it_has_no_room_for(proposal):
    one = ConflictOfInterest(person_id="p-x", customer_id="c-1", valid_from=NOON.date(), valid_to=NOON.date(), recorded_at=NOON)
    view = home(replace(home_of(proposal, "X", "y"), conflicts=[(one, "X")] * 18), ENGLISH)
    assert "and 3 more" in text(view["blocks"]) and block_kit.problems_of_view(dict(view), kinds=("home",)) == []
