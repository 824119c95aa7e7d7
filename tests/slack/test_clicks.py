"""Many people click while bulk steps write: what was acknowledged is stored, and what was not is not."""

from __future__ import annotations

import threading

from credit_review.model.records import Decision, OutboxEntry
from credit_review.review.outbox import owed
from tests.review.decision_world import NOON
from tests.slack.test_listener import _click, listener, slack

__all__ = ["listener", "slack"]

CLICKERS, CLICKS = 5, 4


def bulk(world, stopped):
    """A bulk step: transactions of 500 rows, one after the other."""
    part = 0
    while not stopped.is_set():
        part += 1
        with world.store.begin(interactive=False) as uow:
            uow.add(*(owed("apply", f"bulk:{part}:{n}", {"proposal_id": f"none-{part}-{n}"}, NOON) for n in range(500)))
            uow.commit()


def clicks(listener, mine, answers):
    for n, proposal in enumerate(mine):
        answers[proposal] = _click(listener, proposal, ts=f"{n}.5")


def test_every_click_is_acknowledged_and_stored_or_neither(listener):
    """Whoever sees no error has decided, whoever sees one has not, and clicks again."""
    world, answers, stopped = listener.world, {}, threading.Event()
    waiting = [[world.propose(f"c-{person}-{n}") for n in range(CLICKS)] for person in range(CLICKERS)]
    writer = threading.Thread(target=bulk, args=(world, stopped))
    writer.start()
    people = [threading.Thread(target=clicks, args=(listener, mine, answers)) for mine in waiting]
    for one in people:
        one.start()
    for one in people:
        one.join()
    stopped.set()
    writer.join()
    acknowledged = {proposal for proposal, status in answers.items() if status == 200}
    decided = {d.proposal_id for d in world.find(Decision)}
    assert len(answers) == CLICKERS * CLICKS and acknowledged == decided
    for proposal in set(answers) - acknowledged:
        assert _click(listener, proposal, ts="9.5") == 200
    assert len(world.find(Decision)) == len(world.entries("decision.approve")) == CLICKERS * CLICKS
    assert world.find(OutboxEntry, dedup_key="bulk:1:0"), "the bulk step wrote meanwhile"
