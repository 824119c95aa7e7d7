"""Messages on their way: nothing that happens between posting and keeping is lost, and an outage, however long, loses nothing."""

from __future__ import annotations

import threading

import pytest

from credit_review.messages import card, notices
from credit_review.model.records import Decision, Note, OutboxEntry, SlackMessage
from tests.review.decision_world import NOON
from tests.slack.test_in_sandbox import desk, line, text, user, workspace  # noqa: F401  fixtures


@pytest.fixture
def held(desk):  # noqa: F811
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


def on_record(desk, kind):  # noqa: F811
    return [m for m in desk.world.find(SlackMessage) if m.subject.startswith(kind)]


# --- between posting and keeping ----------------------------------------------------------------------------------------------------


def settled(desk):  # noqa: F811
    """Nothing is owed to Slack any more."""
    desk.office.pump.wake()
    return not [r for r in desk.world.find(OutboxEntry) if r.kind.startswith("slack") and r.state != "confirmed"]


def test_a_card_decided_before_it_is_on_record_loses_its_buttons_all_the_same(desk, held):  # noqa: F811
    proposal = desk.propose()
    with desk.world.store.begin() as uow:
        from credit_review.review.outbox import card_of, owe_messages

        owe_messages(uow, [(card_of(proposal), "@p-controller")], NOON)
        uow.commit()
    desk.office.pump.wake()
    desk.click("p-controller", proposal, card.APPROVE)
    desk.eventually(lambda: desk.world.find(Decision))
    assert on_record(desk, "proposal") == []
    held.set()
    after = desk.direct("p-controller", lambda m: proposal in text(m) and "Approved, waiting to be applied" in text(m))
    assert card.APPROVE not in text(after)


def test_an_answer_in_the_thread_of_a_question_that_is_not_on_record_yet_is_taken(desk, held):  # noqa: F811
    held.set()
    proposal = desk.propose(makers=["p-analyst"])
    desk.put_before(proposal)
    desk.click("p-controller", proposal, card.RETURN)
    desk.modal("p-controller")
    desk.eventually(lambda: settled(desk))
    held.clear()
    desk.submit("p-controller", code="information_missing", reason="Why no accounts?")
    question = desk.direct("p-analyst", lambda m: "Why no accounts?" in text(m))
    desk.as_("p-analyst").reply(desk.channel("p-analyst"), question["ts"], "They arrived today.")
    desk.eventually(lambda: [n for n in desk.world.find(Note) if n.text == "They arrived today."])
    assert on_record(desk, "question") == []
    held.set()
    shown = desk.direct("p-analyst", lambda m: "Why no accounts?" in text(m) and "Answered; a fresh card" in text(m))
    assert notices.ANSWER not in text(shown)
