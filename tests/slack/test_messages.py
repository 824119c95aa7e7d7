"""Messages on their way: nothing that happens between posting and keeping is lost, and an outage, however long, loses nothing."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta

import pytest
from slack_bolt.adapter.socket_mode import SocketModeHandler

from credit_review.adapters import slack_chat
from credit_review.calendar import WorkingCalendar
from credit_review.messages import card, notices
from credit_review.model.records import Addressee, Decision, Note, OutboxEntry, SlackMessage
from credit_review.review import followup
from credit_review.review.addressing import Destinations
from credit_review.review.outbox import card_of, owe_messages
from credit_review.review.relay import relay, requeue
from deployments.slack_listener.app import build_app, build_office
from tests.review.decision_world import NOON, TODAY, os_account
from tests.slack.test_in_sandbox import desk, line, text, user, workspace  # noqa: F401  fixtures

# ruff: noqa: F811  the fixtures' names


@pytest.fixture
def held(desk):
    """Holds the relay back after each post, as a slow Slack does, until the test lets it go."""
    gate, chat = threading.Event(), desk.office.pump._outside.chat
    post = chat.post

    def slowly(**message):
        answer = post(**message)
        gate.wait(20)
        return answer

    chat.post = slowly
    yield gate
    gate.set()


def on_record(desk, kind):
    return [m for m in desk.world.find(SlackMessage) if m.subject.startswith(kind)]


def rows(desk, **filters):
    return [r for r in desk.world.find(OutboxEntry, **filters) if r.kind.startswith("slack")]


def settled(desk):
    """Everything owed to Slack was sent."""
    desk.office.pump.wake()
    return all(r.state == "confirmed" for r in rows(desk))


def owe_card(desk, proposal, address):
    with desk.world.store.begin() as uow:
        owe_messages(uow, [(card_of(proposal), address)], NOON)
        uow.commit()
    desk.office.pump.wake()


def asked(desk, **more):
    """A proposal that went back to the analyst with a question."""
    proposal = desk.propose(makers=["p-analyst"])
    desk.put_before(proposal, **more)
    desk.click("p-controller", proposal, card.RETURN)
    desk.modal("p-controller")
    desk.eventually(lambda: settled(desk))
    desk.submit("p-controller", code="information_missing", reason="Why no accounts?")
    return proposal


def question_to_analyst(desk):
    return desk.direct("p-analyst", lambda m: "Why no accounts?" in text(m))


def answers(desk):
    return [n.text for n in desk.world.find(Note, kind="comment")]


# --- between posting and keeping ----------------------------------------------------------------------------------------------------


def test_a_card_decided_before_it_is_on_record_loses_its_buttons_all_the_same(desk, held):
    proposal = desk.propose()
    owe_card(desk, proposal, "@p-controller")
    desk.click("p-controller", proposal, card.APPROVE)
    desk.eventually(lambda: desk.world.find(Decision))
    assert on_record(desk, "proposal") == []
    held.set()
    after = desk.direct("p-controller", lambda m: proposal in text(m) and "Approved, waiting to be applied" in text(m))
    assert card.APPROVE not in text(after)


def test_an_answer_in_the_thread_of_a_question_that_is_not_on_record_yet_is_taken(desk, held):
    held.set()
    proposal = desk.propose(makers=["p-analyst"])
    desk.put_before(proposal)
    desk.click("p-controller", proposal, card.RETURN)
    desk.modal("p-controller")
    desk.eventually(lambda: settled(desk))
    held.clear()
    desk.submit("p-controller", code="information_missing", reason="Why no accounts?")
    question = question_to_analyst(desk)
    desk.as_("p-analyst").reply(desk.channel("p-analyst"), question["ts"], "They arrived today.")
    desk.eventually(lambda: answers(desk) == ["They arrived today."])
    assert on_record(desk, "question") == []
    held.set()
    shown = desk.direct("p-analyst", lambda m: "Why no accounts?" in text(m) and "Answered; a fresh card" in text(m))
    assert notices.ANSWER not in text(shown)


# --- answers in threads -------------------------------------------------------------------------------------------------------------


def test_an_answer_is_stored_as_it_was_written_also_when_it_was_sent_to_the_channel_as_well(desk):
    asked(desk)
    written = "R&D costs <b> & 1 > 0"
    question = question_to_analyst(desk)
    desk.as_("p-analyst").reply(desk.channel("p-analyst"), question["ts"], written, broadcast=True)
    desk.eventually(lambda: answers(desk))
    assert answers(desk) == [written]


def test_a_reply_that_cannot_be_taken_tells_its_author_why(desk):
    asked(desk)
    question = question_to_analyst(desk)
    desk.as_("p-analyst").reply(desk.channel("p-analyst"), question["ts"], "They arrived today.")
    desk.eventually(lambda: answers(desk))
    desk.as_("p-analyst").reply(desk.channel("p-analyst"), question["ts"], "And more.")
    desk.told("p-analyst", "another proposal for this limit is open")
    assert answers(desk) == ["They arrived today."]


def test_who_replies_while_the_record_cannot_be_written_is_told_to_send_it_again(desk, monkeypatch):
    from credit_review.errors import Unavailable

    asked(desk)
    question = question_to_analyst(desk)
    begin = desk.services.store.begin
    monkeypatch.setattr(type(desk.services.store), "begin", lambda self, **how: busy() if how.get("interactive") else begin(**how))

    def busy():
        raise Unavailable("the database is busy")

    desk.as_("p-analyst").reply(desk.channel("p-analyst"), question["ts"], "They arrived today.")
    desk.told("p-analyst", "send it again in a moment")
    assert answers(desk) == []


def test_below_a_card_in_the_channel_the_analysts_reply_is_the_answer_and_others_may_talk(desk):
    settings = desk.services.settings
    settings.slack = settings.slack.model_copy(update={"channel": "GPRIVATE"})
    asked(desk, channel="GPRIVATE")
    in_channel = desk.eventually(lambda: [m for m in on_record(desk, "question") if m.address == "GPRIVATE"])
    desk.as_("p-manager").reply("GPRIVATE", in_channel[0].ts, "I wondered too.")
    desk.as_("p-analyst").reply("GPRIVATE", in_channel[0].ts, "They arrived today.")
    desk.eventually(lambda: answers(desk))
    desk.sandbox.quiet()
    assert answers(desk) == ["They arrived today."]
    assert not [m for m in desk.as_("p-manager").sees("GPRIVATE") if m["only_you"]]


def test_a_reply_in_a_thread_of_somebody_else_is_none_of_our_business(desk):
    ts = desk.as_("p-manager").say("GPRIVATE", "Lunch?")
    desk.as_("p-analyst").reply("GPRIVATE", ts, "Yes.")
    desk.sandbox.quiet()
    assert answers(desk) == [] and desk.sandbox.calls("conversations.history") == []


# --- who is sent anything -----------------------------------------------------------------------------------------------------------


def account_now(desk, account, person):
    """Slack knows the person under this account alone."""
    known = [os_account(f"T1|{user(person)}", person, kind="slack")]
    gone = (replace(k, recorded_at=NOON - timedelta(days=1), valid_to=TODAY - timedelta(days=1)) for k in known)
    desk.world.write(*gone, os_account(account, person, kind="slack"))


@pytest.mark.parametrize(("account", "why"), [("T1|UGUEST", "is a guest"), ("T1|USTRANGER", "belongs to another workspace")])
def test_a_card_for_somebody_who_is_no_member_is_parked_in_words_reported_and_put_before_others_in_time(desk, account, why):
    account_now(desk, account, "p-controller")
    proposal = desk.propose()
    desk.put_before(proposal)
    parked = desk.eventually(lambda: [r for r in rows(desk, state="parked") if proposal in r.dedup_key])
    assert why in parked[0].last_error and desk.sandbox.person(account[3:]).direct() == []
    (entry,) = desk.world.entries("message.parked", entity=f"proposal:{proposal}")
    assert (entry["data"]["address"], entry["data"]["owner"]) == ("@p-controller", "p-analyst") and why not in str(entry["data"])
    told = desk.direct("p-analyst", lambda m: "could not be delivered" in text(m) and proposal in text(m))
    assert "Controller (p-controller)" in text(told) and why in text(told)
    desk.services.clock.set(NOON + timedelta(days=8))
    company = followup.Company(calendar=WorkingCalendar("DE"), zone=NOON.tzinfo)
    assert followup.follow_up(desk.services.store, desk.services.clock, company, Destinations(direct=True)).escalated == (proposal,)
    desk.office.pump.wake()
    desk.card("p-manager", proposal)
    assert {a.person_id for a in desk.world.find(Addressee)} == {"p-controller", "p-manager"}


def test_an_account_of_another_workspace_with_the_same_user_id_is_never_written_to(desk):
    desk.world.write(os_account(f"T0|{user('p-manager')}", "p-controller", kind="slack"))
    proposal = desk.propose()
    desk.put_before(proposal)
    desk.card("p-controller", proposal)
    assert desk.as_("p-manager").direct() == []


def test_who_has_accounts_only_elsewhere_gets_nothing_and_the_reason_says_where_one_is_missing(desk):
    account_now(desk, f"T2|{user('p-manager')}", "p-controller")
    desk.put_before(desk.propose())
    parked = desk.eventually(lambda: rows(desk, state="parked"))
    assert "has no Slack account in our workspaces" in parked[0].last_error
    asked = {call["arguments"]["users"] for call in desk.sandbox.calls("conversations.open")}
    assert desk.as_("p-manager").direct() == [] and asked <= {user("p-analyst")}, "nobody but who is told of parked messages"


# --- outages ------------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def by_hand(desk):
    """One run of the relay at a moment, with the pump at rest; what is left of the messages."""
    desk.office.pump.stop()

    def run(after=timedelta()):
        desk.services.clock.set(NOON + after)
        relay(desk.services.store, desk.office.pump._outside, desk.services.clock, worker="by hand")
        return rows(desk)

    return run


@pytest.mark.parametrize(
    ("method", "fault"),
    [("conversations.open", {"status": 503}), ("users.info", {"error": "token_revoked"}), ("chat.postMessage", {"error": "missing_scope"})],
)
def test_after_an_outage_of_days_everything_owed_arrives_in_its_order_and_nothing_was_parked(desk, by_hand, method, fault):
    desk.sandbox.fail(method, times=100_000, **fault)
    proposals = [desk.propose(f"c-{n}") for n in range(3)]
    desk.put_before(*proposals)
    for hour in range(40):
        left = by_hand(timedelta(hours=hour))
        assert {r.state for r in left} == {"queued"} and max(r.attempts for r in left) == hour + 1
    desk.sandbox.heal()
    assert {r.state for r in by_hand(timedelta(hours=42))} == {"confirmed"} and desk.world.entries("message.parked") == []
    order = [next((p for p in proposals if p in text(m)), "summary") for m in desk.as_("p-controller").direct()]
    assert order == ["summary", *proposals]


def test_a_channel_nobody_invited_us_to_holds_up_nobody_else(desk):
    proposal = desk.propose()
    desk.put_before(proposal, channel="GNOWHERE")
    desk.card("p-controller", proposal)
    waiting = [r for r in rows(desk, state="queued") if "GNOWHERE" in r.dedup_key]
    assert waiting and "channel_not_found" in "".join(r.last_error for r in waiting)


def test_what_slack_asks_to_wait_is_waited_for_to_the_second(desk, by_hand):
    desk.sandbox.fail("chat.postMessage", status=429, retry_after=300)
    proposal = desk.propose()
    owe_card(desk, proposal, "@p-controller")
    assert [(r.state, r.not_before) for r in by_hand()] == [("queued", NOON + timedelta(seconds=300))]
    assert [r.attempts for r in by_hand(timedelta(seconds=299))] == [1]
    assert [r.state for r in by_hand(timedelta(seconds=300))] == ["confirmed"]
    desk.card("p-controller", proposal)


def test_a_parked_message_that_is_sent_again_is_looked_for_first(desk, by_hand):
    desk.office.client.timeout = 1
    desk.sandbox.fail("chat.postMessage", silent=True)
    proposal = desk.propose()
    owe_card(desk, proposal, "@p-controller")
    assert [r.state for r in by_hand()] == ["queued"]
    desk.sandbox.fail("conversations.history", error="invalid_arguments")
    (row,) = [r for r in by_hand(timedelta(minutes=5)) if proposal in r.dedup_key]
    assert row.state == "parked"
    with desk.world.store.begin() as uow:
        assert requeue(uow, row.outbox_id, by="p-analyst", now=desk.services.clock.now())
        uow.commit()
    assert {r.state for r in by_hand(timedelta(minutes=5))} == {"confirmed"}
    assert len([m for m in desk.as_("p-controller").direct() if proposal in text(m)]) == 1
    assert desk.world.entries("message.requeued")[0]["entity"] == f"proposal:{proposal}"


# --- several listeners --------------------------------------------------------------------------------------------------------------


def test_two_listeners_on_one_database_send_each_message_once_and_decide_each_click_once(desk, workspace):
    second = build_office(desk.services)
    web = slack_chat.web_client("xoxb-sandbox", workspace.api_url)
    handler = SocketModeHandler(build_app(second), "xapp-sandbox", web_client=web)
    handler.connect()
    workspace.connected(count=2)
    second.pump.start()
    try:
        proposals = [desk.propose(f"c-{n}") for n in range(6)]
        desk.put_before(*proposals)
        second.pump.wake()
        for proposal in proposals:
            desk.card("p-controller", proposal)
            desk.sandbox.disturb("twice", payload_type="block_actions")
            desk.click("p-controller", proposal, card.APPROVE)
        desk.eventually(lambda: len(desk.world.find(Decision)) == 6)
        desk.eventually(lambda: settled(desk))
        desk.sandbox.quiet()
    finally:
        second.pump.stop()
        threading.Thread(target=handler.close, daemon=True).start()
    sent = [m for m in desk.as_("p-controller").direct() if not m["only_you"]]
    assert [sum(p in text(m) for m in sent) for p in proposals] == [1] * 6
    assert len(desk.world.find(Decision)) == len(desk.world.entries("decision.approve")) == 6
    connections = {d["connection"] for d in desk.sandbox.deliveries() if d["kind"] == "block_actions"}
    assert len(connections) == 2, "each of the two listeners took part"
