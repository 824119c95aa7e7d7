"""What arrives twice has one effect and one answer; what was acknowledged is done, whoever is killed meanwhile."""

from __future__ import annotations

import json
import sys
import textwrap
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace

import pytest

from credit_review.messages import digest, home
from credit_review.model.records import (
    AccessRight,
    ConflictOfInterest,
    Decision,
    Delegation,
    InboxEntry,
    PersonPreference,
    Review,
    SlackMessage,
)
from credit_review.model.states import Right
from deployments.slack_listener.asker import DONE, FORGOTTEN_AFTER, UNDER_WAY, WAITING, Asker
from tests.review.decision_world import NOON, TODAY
from tests.slack.test_in_sandbox import desk, line, text, workspace

__all__ = ["desk", "line", "workspace"]


def test_a_list_approved_twice_by_one_click_is_approved_once_and_said_alike_twice(desk):
    proposals = [desk.propose(f"c-{n:02}", to=60_000_00 + n * 100_00) for n in range(21)]
    desk.put_before(*proposals)
    listed = desk.direct("p-controller", lambda m: "Approve the 10 listed" in text(m))
    desk.sandbox.disturb("twice", payload_type="block_actions")
    desk.as_("p-controller").click(desk.channel("p-controller"), listed["ts"], digest.APPROVE_LISTED)
    told = desk.sandbox.until(lambda: len(found := _told(desk, "p-controller")) == 2 and found)
    assert told == ["10 proposals approved by you."] * 2
    assert len(desk.world.find(Decision)) == len(desk.world.entries("decision.approve")) == 10
    assert desk.world.entries("decision.refused") == []


def _told(desk, who):
    return [m["text"] for m in desk.as_(who).direct() if m["only_you"]]


def _form(desk, who, action):
    desk.as_(who).open_home()
    seen = desk.sandbox.until(lambda: desk.as_(who).home())
    desk.as_(who).change(seen["id"], action)
    desk.modal(who)
    desk.sandbox.disturb("twice", payload_type="view_submission")


class Ticking:
    """A clock that moves with every look, as clocks do."""

    def __init__(self):
        self.at = NOON

    def now(self):
        self.at += timedelta(microseconds=1)
        return self.at


@pytest.mark.parametrize(
    ("action", "values", "record"),
    [
        (home.DELEGATE, {"person": "p-deputy", "from": TODAY.isoformat(), "until": (TODAY + timedelta(days=9)).isoformat()}, Delegation),
        (home.PREFER, {"language": "zh_CN"}, PersonPreference),
        (home.DECLARE, {"customer": "c-9"}, ConflictOfInterest),
    ],
)
def test_what_a_form_states_is_stored_once(desk, monkeypatch, action, values, record):
    monkeypatch.setattr(desk.services, "clock", Ticking())
    desk.propose("c-9")
    _form(desk, "p-controller", action)
    before = len(desk.world.entries())
    assert desk.submit("p-controller", **values)["accepted"]
    desk.sandbox.quiet()
    desk.eventually(lambda: len([d for d in desk.sandbox.deliveries() if d["kind"] == "view_submission" and d["acked"]]) == 2)
    assert len(desk.world.find(record)) == 1 and len(desk.world.entries()) == before + 1


# --- requests -----------------------------------------------------------------------------------------------------------------------

STAND_IN = """
    import json, os, sys
    asked = json.loads(sys.stdin.read())
    with open({path!r}, "a") as file:
        file.write(json.dumps(asked) + "\\n")
    {then}
"""


@pytest.fixture
def asks(desk, tmp_path, monkeypatch):
    """A request sent by somebody who may ask, with no asker running: the listener was killed right after the acknowledgement."""
    monkeypatch.setattr(desk.services.settings, "folder", tmp_path, raising=False)
    monkeypatch.setattr(desk.office.asker, "_take", lambda: None)
    right = AccessRight(
        person_id="p-analyst", access=Right.REQUEST_LIMITS, valid_from=TODAY, valid_to=None, recorded_at=NOON - timedelta(hours=1)
    )
    desk.world.write(right)
    _form(desk, "p-analyst", home.REQUEST)
    assert desk.submit("p-analyst", customer="c-1", amount="70000", terms="45", order="250,000", reason="They grow.")["accepted"]
    desk.sandbox.quiet()
    done = tmp_path / "asked.jsonl"

    def asker(then="pass"):
        script = textwrap.dedent(STAND_IN).format(path=str(done), then=then)
        office = desk.office
        return Asker(desk.services, office.client, office.pump, office.company, command=[sys.executable, "-c", script])

    def asked():
        return [json.loads(one) for one in done.read_text().splitlines()] if done.exists() else []

    def waits(*outcomes):
        return desk.world.find(InboxEntry, outcome_json=outcomes or (WAITING, UNDER_WAY))

    return SimpleNamespace(asker=asker, asked=asked, waits=waits)


def test_a_request_survives_the_listener_that_acknowledged_it(desk, asks):
    assert len(asks.waits(WAITING)) == 1, "sent twice, kept once"
    another = asks.asker()
    another.start()
    (asked,) = desk.eventually(asks.asked)
    another.stop()
    key = asked.pop("key")
    assert asked == {
        "customer_id": "c-1", "amount": "70000", "until": None, "terms_days": 45, "order": "250,000", "reason": "They grow.",
        "person_id": "p-analyst",
    }  # fmt: skip
    assert asks.waits()[0].delivery_key == key, "the process that asks says in the record that it is done"


def test_a_request_under_way_is_left_alone_until_nobody_speaks_for_it(desk, asks):
    assert asks.asker()._take()["asked"]["customer_id"] == "c-1"
    assert asks.asker()._take() is None, "somebody has it"
    desk.services.clock.set(NOON + FORGOTTEN_AFTER - timedelta(seconds=1))
    assert asks.asker()._take() is None
    desk.services.clock.set(NOON + FORGOTTEN_AFTER)
    assert asks.asker()._take()["asked"]["customer_id"] == "c-1", "its listener was killed"


def test_who_asked_is_sent_the_status_also_where_the_settings_on_file_know_no_slack(desk, asks):
    known = desk.world.one(Review, review_id="r-1")
    about = {"kind": "ad_hoc", "state": "validated", "last_good_state": "validated", "started_by": "p-analyst", "as_of": TODAY}
    for n, at in ((1, NOON - timedelta(days=1)), (2, NOON)):
        desk.world.write(replace(known, **about, review_id=f"r-ask-{n}", scope=f"customer:c-1#{n}", started_at=at))
    asker = asks.asker()
    asker.start()
    desk.direct("p-analyst", lambda m: "Received; the customer is being reviewed" in text(m))
    asker.stop()
    (kept,) = desk.eventually(lambda: desk.world.find(SlackMessage, address="@p-analyst"))
    assert kept.subject == "request:r-ask-2", "the newest"


def test_of_two_listeners_one_takes_a_request(desk, asks):
    first, second = asks.asker(), asks.asker()
    assert [bool(first._take()), bool(second._take())] == [True, False]


def test_a_refused_request_is_told_in_words_and_nothing_else_of_the_process_is(desk, asks):
    why = "print(json.dumps({'why': 'no customer c-1'}))"
    asker = asks.asker(f"{why}; sys.stderr.write('Traceback xoxb-canary-of-stderr'); sys.exit(3)")
    asker.start()
    desk.direct("p-analyst", lambda m: "Your request was not recorded: no customer c-1" in text(m))
    desk.eventually(lambda: asks.waits(DONE))
    asker.stop()
    assert "canary" not in text(desk.as_("p-analyst").all()) and asks.waits() == []


def test_a_request_whose_process_breaks_down_is_told_without_its_last_words(desk, asks, caplog):
    asker = asks.asker("raise RuntimeError('xoxb-canary-of-a-crash')")
    asker.start()
    desk.direct("p-analyst", lambda m: "the review of it stopped" in text(m))
    asker.stop()
    assert "canary" not in text(desk.as_("p-analyst").all()) and "canary" not in caplog.text
