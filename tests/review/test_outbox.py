"""What is owed to Slack when the record moves on: few statements for however many messages, and nobody's message left as it was."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import timedelta

import pytest
from decision_world import NOON, World
from sqlalchemy import event

from credit_review.model.records import OutboxEntry, SlackMessage
from credit_review.review.outbox import owe_updates

LATER = NOON + timedelta(hours=1)
SUBJECTS = ("proposal:p-1", "question:p-1")


@pytest.fixture
def world(store):
    return World(store)


def shown(world, people, subjects=SUBJECTS):
    """Messages of the subjects on record, one to each of so many people."""
    wanted = [(subject, f"@p-{n:03}") for subject in subjects for n in range(people)]
    with world.store.begin() as uow:
        uow.add(*(SlackMessage(subject=s, address=a, channel="D1", ts="1.0", shown_digest="d") for s, a in wanted))
        uow.commit()


def owe(world, subjects=SUBJECTS, now=LATER, **chosen):
    with world.store.begin() as uow:
        owe_updates(uow, subjects, now, **chosen)
        uow.commit()


def updates(world):
    return {row.dedup_key.removeprefix("slack_update:"): row for row in world.find(OutboxEntry, kind="slack_update")}


def became(world, key, **to):
    with world.store.begin() as uow:
        assert uow.change(OutboxEntry, where={"dedup_key": f"slack_update:{key}"}, to=to) == 1
        uow.commit()


@contextmanager
def counted(world):
    """Statements of the block, as they reach the database, but those that bound its waits: on a slow machine there is another of them."""
    seen, engine = [], world.store.engine

    def keep(_connection, _cursor, statement, *_):
        seen.extend(word for word in statement.split()[:1] if word != "SET")

    event.listen(engine, "before_cursor_execute", keep)
    try:
        yield seen
    finally:
        event.remove(engine, "before_cursor_execute", keep)


def test_every_message_of_the_subjects_is_owed_one_update_however_many_there_are(world):
    shown(world, 300)
    owe(world)
    owe(world)
    found = updates(world)
    assert set(found) == {f"{subject}:@p-{n:03}" for subject in SUBJECTS for n in range(300)}
    assert {(row.state, row.attempts) for row in found.values()} == {("queued", 0)}


def test_only_the_messages_at_the_named_addresses_are_owed_one(world):
    shown(world, 5)
    owe(world, addresses={"@p-001", "@p-004", "@p-999"})
    assert set(updates(world)) == {f"{subject}:{a}" for subject in SUBJECTS for a in ("@p-001", "@p-004")}


@pytest.mark.parametrize("before", ["nothing owed", "all sent", "all under way"])
def test_many_messages_take_as_many_statements_as_two(world, before):
    took = []
    for subject, people in (("proposal:p-few", 2), ("proposal:p-many", 200)):
        shown(world, people, [subject])
        if before != "nothing owed":
            owe(world, [subject])
            state = {"all sent": "confirmed", "all under way": "leased"}[before]
            ids = [row.outbox_id for key, row in updates(world).items() if key.startswith(subject)]
            with world.store.begin() as uow:
                uow.change(OutboxEntry, where={"outbox_id": ids}, to={"state": state})
                uow.commit()
        with counted(world) as seen:
            owe(world, [subject])
        took.append(seen)
    assert took[0] == took[1]


def test_what_is_sent_given_up_queued_or_under_way_gets_the_update_that_shows_what_is_new(world):
    shown(world, 5, ["proposal:p-1"])
    owe(world, now=NOON)
    failed = {"attempts": 3, "last_error": "down", "confirmed_json": "{}", "not_before": NOON + timedelta(days=9)}
    for n, state in enumerate(("queued", "leased", "confirmed", "parked", "leased")):
        became(world, f"proposal:p-1:@p-{n:03}", state=state, **failed)
    owe(world, now=NOON)  # the second turn of those under way
    became(world, "proposal:p-1:@p-004:again", state="confirmed", **failed)
    for n, state in ((2, "confirmed"), (3, "parked")):
        became(world, f"proposal:p-1:@p-{n:03}", state=state, **failed)
    owe(world)
    fresh = {key: (row.state, row.attempts, row.last_error, row.created_at) for key, row in updates(world).items()}
    assert fresh == {
        "proposal:p-1:@p-000": ("queued", 3, "down", NOON),  # shows everything when it is sent
        "proposal:p-1:@p-001": ("leased", 3, "down", NOON),  # may be drawn already,
        "proposal:p-1:@p-001:again": ("queued", 0, "", NOON),  # so another follows
        "proposal:p-1:@p-002": ("queued", 0, "", LATER),
        "proposal:p-1:@p-003": ("queued", 0, "", LATER),
        "proposal:p-1:@p-004": ("leased", 3, "down", NOON),
        "proposal:p-1:@p-004:again": ("queued", 0, "", LATER),
    }
    assert {row.not_before for key, row in updates(world).items() if row.created_at == LATER} == {LATER}


def test_one_update_that_was_sent_is_owed_again_and_leaves_other_subjects_alone(world):
    shown(world, 2)
    owe(world, now=NOON)
    for key in updates(world):
        became(world, key, state="confirmed")
    owe(world, ["question:p-1"])
    assert {key.partition(":")[0] for key, row in updates(world).items() if row.state == "queued"} == {"question"}
    owe(world, [])
    assert sum(row.state == "queued" for row in updates(world).values()) == 2
