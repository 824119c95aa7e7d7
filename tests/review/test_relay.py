"""Relaying: at least once, never twice in effect, with patience, and with a name for what did not arrive."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from decision_world import NOON, TODAY, World
from hypothesis import given
from hypothesis import strategies as st
from test_apply import approved

from credit_review.adapters.write_back import NullWriteBack
from credit_review.errors import BadInput, Unavailable
from credit_review.model.records import ErpDifference, OutboxEntry, Proposal, SlackMessage, SlackTurn
from credit_review.model.states import Verdict
from credit_review.review import relay as relaying
from credit_review.review.counter import CounterOffer
from credit_review.review.outbox import card_of, owe_messages
from credit_review.review.reconcile import reconcile
from credit_review.review.relay import GIVE_UP_AFTER, LEASE, Outside, backoff, relay, requeue
from credit_review.review.showing import Card
from credit_review.review.sweep import sweep


@pytest.fixture
def world(store):
    return World(store)


class Receiver(NullWriteBack):
    """An ERP that fails as a test tells it to."""

    def __init__(self, *failures):
        super().__init__()
        self.failures = list(failures)
        self.calls = 0
        self.answer_lost = False

    def send(self, delivery):
        self.calls += 1
        failure = self.failures.pop(0) if self.failures else None
        if failure is not None and not self.answer_lost:
            raise failure
        answer = super().send(delivery)
        if failure is not None:
            raise failure
        return answer


def run(world, clock, receiver, worker="w-1"):
    return relay(world.store, Outside(write_back=receiver, owner_id="p-analyst"), clock, worker=worker)


def in_force(world, n=1, **fields):
    for i in range(n):
        world.apply(approved(world, f"c-{i}", **{"had": 10_000_00, "to": 12_000_00, **fields}))


def test_a_change_reaches_the_erp_once_and_is_confirmed(world, clock):
    in_force(world)
    receiver = Receiver()
    report = run(world, clock, receiver)
    (row,) = world.owed("erp")
    assert report.confirmed == (row.outbox_id,) and row.state == "confirmed"
    assert len(receiver.effects) == 1
    (entry,) = world.entries("erp.confirmed")
    assert (entry["data"]["version"], entry["data"]["outcome"], entry["data"]["held_minor"]) == (2, "written", 12_000_00)
    assert run(world, clock, receiver).confirmed == () and receiver.calls == 1


def test_a_lost_answer_means_another_delivery_without_another_effect(world, clock):
    in_force(world)
    receiver = Receiver(Unavailable("time-out"))
    receiver.answer_lost = True
    assert run(world, clock, receiver).delayed
    clock.advance(timedelta(minutes=1))
    assert run(world, clock, receiver).confirmed
    assert receiver.calls == 2 and len(receiver.effects) == 1
    assert world.entries("erp.confirmed")[0]["data"]["outcome"] == "held"


def test_what_is_due_later_waits(world, clock):
    in_force(world, to=5_000_00, effective_from=TODAY + timedelta(days=5))
    receiver = Receiver()
    assert run(world, clock, receiver).confirmed == ()
    clock.set(NOON + timedelta(days=5))
    assert run(world, clock, receiver).confirmed


def test_an_erp_that_does_not_answer_is_asked_once_a_run(world, clock):
    in_force(world, 5)
    receiver = Receiver(*[Unavailable("down")] * 9)
    assert len(run(world, clock, receiver).delayed) == 5 and receiver.calls == 1
    assert sorted(r.attempts for r in world.owed("erp")) == [0, 0, 0, 0, 1]


def test_what_the_other_side_asks_for_is_waited_for(world, clock):
    in_force(world)
    receiver = Receiver(Unavailable("429", retry_after_seconds=300))
    run(world, clock, receiver)
    clock.advance(timedelta(seconds=299))
    run(world, clock, receiver)
    assert receiver.calls == 1
    clock.advance(timedelta(seconds=1))
    assert run(world, clock, receiver).confirmed


def test_a_receiver_that_crashes_does_not_hold_up_the_rows_behind(world, clock):
    in_force(world, 3)
    report = run(world, clock, Receiver(ZeroDivisionError("secret-word")))
    assert (len(report.confirmed), len(report.delayed)) == (2, 1)
    assert next(r.last_error for r in world.owed("erp") if r.last_error) == "ZeroDivisionError"


def test_a_delivery_refused_for_good_is_parked_at_once_and_the_limit_stays(world, clock):
    in_force(world)
    report = run(world, clock, Receiver(BadInput("unknown customer")))
    assert len(report.parked) == 1 and world.in_force("c-0") == 12_000_00
    assert len(world.entries("erp.parked")) == 1
    difference = world.one(ErpDifference)
    assert (difference.expected_minor, difference.found_minor, difference.owner_id) == (12_000_00, None, "p-analyst")


def test_what_cannot_be_delivered_for_a_day_is_parked(world, clock):
    in_force(world)
    receiver = Receiver(*[Unavailable("down")] * 1000)
    while world.owed("erp")[0].state == "queued":
        run(world, clock, receiver)
        clock.set(max(clock.now(), world.owed("erp")[0].not_before))
        assert clock.now() - NOON < timedelta(days=2)
    assert clock.now() - NOON >= GIVE_UP_AFTER
    assert 20 < receiver.calls < 60


def test_a_relay_that_slept_for_a_day_does_not_park_at_its_first_attempt(world, clock):
    in_force(world)
    clock.advance(timedelta(days=3))
    assert run(world, clock, Receiver(Unavailable("down"))).parked == ()


def test_a_person_puts_a_parked_delivery_back(world, clock):
    in_force(world)
    run(world, clock, Receiver(BadInput("unknown customer")))
    (row,) = world.owed("erp")
    with world.store.begin() as uow:
        assert requeue(uow, row.outbox_id, by="p-analyst", now=NOON)
        uow.commit()
    with world.store.begin() as uow:
        assert not requeue(uow, row.outbox_id, by="p-analyst", now=NOON)
    receiver = Receiver()
    assert run(world, clock, receiver).confirmed
    assert world.entries("erp.requeued")[0]["actor"] == "person:p-analyst"
    assert reconcile(world.store, receiver, clock, owner_id="p-analyst").settled == (world.one(ErpDifference).difference_id,)


def test_a_lease_holds_others_off_until_it_ends(world, clock):
    in_force(world)

    class Dying(Receiver):
        def send(self, delivery):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(world, clock, Dying())
    receiver = Receiver()
    assert run(world, clock, receiver, "w-2").confirmed == () and receiver.calls == 0
    clock.advance(LEASE)
    assert run(world, clock, receiver, "w-2").confirmed


def test_a_relay_that_was_overtaken_settles_nothing(world, clock):
    in_force(world)
    other = Receiver()

    class Slow(Receiver):
        def send(self, delivery):
            answer = super().send(delivery)
            clock.advance(LEASE)
            assert run(world, clock, other, "w-2").confirmed
            return answer

    report = run(world, clock, Slow())
    assert report.confirmed == ()
    assert len(world.entries("erp.confirmed")) == 1


def test_two_relays_at_once_deliver_each_change_once(world, clock):
    in_force(world, 30)
    receiver = Receiver()
    reports = []
    threads = [threading.Thread(target=lambda w=w: reports.append(run(world, clock, receiver, w))) for w in ("w-1", "w-2", "w-3")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(i for r in reports for i in r.confirmed) == sorted(r.outbox_id for r in world.owed("erp"))
    assert receiver.calls == len(receiver.effects) == len(world.entries("erp.confirmed")) == 30


def test_late_versions_never_pass_newer_ones(world, clock):
    in_force(world)
    receiver = Receiver(Unavailable("down"))
    run(world, clock, receiver)
    world.apply(approved(world, "c-0", had=12_000_00, to=13_000_00))
    clock.advance(timedelta(seconds=1))
    run(world, clock, receiver)
    clock.advance(timedelta(hours=1))
    run(world, clock, receiver)
    (held,) = receiver.rows.values()
    assert held["version"] == 3 and {r.state for r in world.owed("erp")} == {"confirmed"}


@given(st.integers(1, 100), st.text(max_size=20), st.one_of(st.none(), st.floats(0, 10_000)))
def test_back_off_grows_to_an_hour_spreads_and_honours_what_was_asked(attempts, key, asked):
    wait = backoff(attempts, key, asked=asked)
    whole = min(3600, 10 * 2 ** (attempts - 1))
    assert wait == backoff(attempts, key, asked=asked)
    assert max(whole / 2, asked or 0) - 1e-5 <= wait.total_seconds() <= max(whole, asked or 0) + 1e-5


# --- reconciliation -----------------------------------------------------------------------------------------------------------------


def compare(world, clock, receiver):
    return reconcile(world.store, receiver, clock, owner_id="p-analyst")


def test_an_erp_that_holds_what_is_in_force_agrees(world, clock):
    in_force(world, 3)
    receiver = Receiver()
    run(world, clock, receiver)
    report = compare(world, clock, receiver)
    assert (report.compared, report.found) == (3, ()) and not world.find(ErpDifference)


def test_a_limit_changed_in_the_erp_is_a_difference_with_an_owner_once_and_until_it_is_gone(world, clock):
    in_force(world, 2)
    receiver = Receiver()
    run(world, clock, receiver)
    account = sorted(receiver.rows)[0]
    receiver.rows[account]["amount_minor"] = 99_000_00
    assert len(compare(world, clock, receiver).found) == 1
    assert compare(world, clock, receiver).found == ()
    difference = world.one(ErpDifference)
    assert (difference.found_minor, difference.expected_minor, difference.owner_id) == (99_000_00, 12_000_00, "p-analyst")
    assert receiver.rows[account]["amount_minor"] == 99_000_00 and world.in_force("c-0") == 12_000_00
    receiver.rows[account]["amount_minor"] = 98_000_00
    clock.advance(timedelta(minutes=1))
    changed = compare(world, clock, receiver)
    assert (len(changed.found), len(changed.settled)) == (1, 1)
    receiver.rows[account]["amount_minor"] = 12_000_00
    assert len(compare(world, clock, receiver).settled) == 1
    assert not world.find(ErpDifference, settled_at=None)
    assert [e["action"] for e in world.entries() if "difference" in e["action"]] == [
        "erp.difference_found", "erp.difference_settled", "erp.difference_found", "erp.difference_settled",
    ]  # fmt: skip


def test_terms_are_compared_like_amounts(world, clock):
    in_force(world)
    receiver = Receiver()
    run(world, clock, receiver)
    next(iter(receiver.rows.values()))["terms_days"] = 90
    assert len(compare(world, clock, receiver).found) == 1


def test_what_is_on_its_way_is_not_a_difference(world, clock):
    in_force(world)
    report = compare(world, clock, Receiver())
    assert (report.compared, report.on_the_way, report.found) == (0, 1, ())


def test_a_receiver_that_answers_later_gets_its_grace(world, clock):
    in_force(world)
    run(world, clock, Receiver())
    clock.advance(timedelta(hours=1))
    silent = Receiver()
    silent.answers_within = timedelta(hours=4)
    assert compare(world, clock, silent).found == ()
    clock.advance(timedelta(hours=4))
    assert len(compare(world, clock, silent).found) == 1


def test_a_change_of_next_week_is_not_expected_today(world, clock):
    world.apply(approved(world, "c-0", had=10_000_00, to=12_000_00))
    receiver = Receiver()
    run(world, clock, receiver)
    world.apply(approved(world, "c-0", had=12_000_00, to=5_000_00, effective_from=TODAY + timedelta(days=5)))
    assert compare(world, clock, receiver).found == ()
    clock.set(NOON + timedelta(days=5))
    run(world, clock, receiver)
    assert compare(world, clock, receiver).compared == 1 and not world.find(ErpDifference)


def test_openings_are_the_erps_own_and_not_compared(world, clock):
    world.limit("c-9", 5_000_00)
    assert compare(world, clock, Receiver()).compared == 0


# --- cards --------------------------------------------------------------------------------------------------------------------------


class Chatter:
    def __init__(self):
        self.posts, self.updates = [], []

    def place(self, to):
        return to

    def post(self, *, channel, text, blocks, dedup_key, thread_ts="", again=False):
        self.posts.append((channel, text, dedup_key))
        return {"channel": channel, "ts": f"{len(self.posts)}.0"}

    def update(self, *, channel, ts, text, blocks):
        self.updates.append((ts, text))
        return True


def render(uow, showing):
    proposal = uow.get(Proposal, proposal_id=showing.subject.partition(":")[2])
    return Card(f"{proposal.proposal_id} is {proposal.state}", (), proposal.digest)


def show(world, clock, chat):
    return relay(world.store, Outside(chat=chat, render=render), clock, worker="w-1")


def owe(world, proposal):
    with world.store.begin() as uow:
        owe_messages(uow, [(card_of(proposal), "C1")], NOON)
        owe_messages(uow, [(card_of(proposal), "C1")], NOON)
        uow.commit()


def test_a_card_is_posted_once_and_updated_by_decisions(world, clock):
    proposal, chat = world.propose(), Chatter()
    owe(world, proposal)
    show(world, clock, chat)
    assert chat.posts == [("C1", f"{proposal} is pending", f"slack_post:proposal:{proposal}:C1")]
    assert world.one(SlackMessage).ts == "1.0"
    assert world.entries("proposal.posted")[0]["data"]["digest"] == world.proposal(proposal).digest
    world.decide("p-controller", proposal)
    show(world, clock, chat)
    assert chat.updates == [("1.0", f"{proposal} is approved")] and len(chat.posts) == 1


def test_a_card_superseded_before_it_was_posted_shows_the_successor(world, clock):
    proposal, chat = world.propose(to=60_000_00), Chatter()
    owe(world, proposal)
    outcome = world.decide("p-manager", proposal, Verdict.COUNTER, counter=CounterOffer(to_minor=70_000_00))
    show(world, clock, chat)
    assert chat.posts[0][1] == f"{outcome.successor_id} is pending"
    assert world.one(SlackMessage).subject == card_of(outcome.successor_id)


def test_without_a_chat_cards_wait_and_the_erp_does_not(world, clock):
    in_force(world)
    proposal = world.propose("c-7")
    owe(world, proposal)
    run(world, clock, Receiver())
    assert {r.kind: r.state for r in world.find(OutboxEntry) if r.kind not in ("apply", "tell_owner", "orders", "letter")} == {
        "erp": "confirmed",
        "slack_post": "queued",
    }


def test_a_card_decided_while_it_was_posted_is_drawn_again(world, clock):
    proposal = world.propose(to=800_000_00)  # takes two approvals, so the first changes the card and not the state

    class Slow(Chatter):
        def post(self, **message):
            posted = super().post(**message)
            assert world.decide("p-cfo", proposal).accepted
            return posted

    chat = Slow()
    owe(world, proposal)
    show(world, clock, chat)
    assert chat.updates == [("1.0", f"{proposal} is pending")]
    assert {r.state for r in world.find(OutboxEntry)} == {"confirmed"}


def test_a_card_superseded_while_it_was_posted_is_drawn_again_and_followed_by_its_successors(world, clock):
    proposal, offers = world.propose(to=60_000_00), []

    class Slow(Chatter):
        def post(self, **message):
            posted = super().post(**message)
            if not offers:
                offers.append(world.decide("p-manager", proposal, Verdict.COUNTER, counter=CounterOffer(to_minor=70_000_00)).successor_id)
            return posted

    chat = Slow()
    owe(world, proposal)
    show(world, clock, chat)
    assert chat.updates == [("1.0", f"{proposal} is superseded")]
    assert [text for _, text, _ in chat.posts] == [f"{proposal} is pending", f"{offers[0]} is pending"]


def test_a_card_nobody_touched_is_posted_once_and_left_alone(world, clock):
    proposal, other = world.propose("c-1"), world.propose("c-2")

    class Slow(Chatter):
        def post(self, **message):
            world.decide("p-controller", other)
            return super().post(**message)

    chat = Slow()
    owe(world, proposal)
    show(world, clock, chat)
    assert (len(chat.posts), chat.updates) == (1, [])


def test_each_message_is_on_record_before_the_next_is_sent(world, clock):
    seen = []

    class Watched(Chatter):
        def post(self, **message):
            seen.append(len(world.find(SlackMessage)))
            return super().post(**message)

    owe_cards(world, "C1", "C2", "C3", "C4")
    show(world, clock, Watched())
    assert seen == [0, 1, 2, 3]


class Failing(Chatter):
    """A chat that fails at some places."""

    def __init__(self, **errors):
        super().__init__()
        self.errors = errors

    def place(self, to):
        if to in self.errors:
            raise self.errors[to]
        return to


def owe_cards(world, *places):
    wanted = [(card_of(world.propose(f"c-{place}")), place) for place in places]
    with world.store.begin() as uow:
        owe_messages(uow, wanted, NOON)
        uow.commit()


def states(world):
    rows = world.find(OutboxEntry, kind="slack_post", order_by=("created_at", "outbox_id"))
    return [r.state for r in rows if "parked:" not in r.dedup_key]


def test_a_message_refused_for_good_is_parked_with_an_entry_and_its_owner_hears_of_it(world, clock):
    owe_cards(world, "C1", "C2")
    outside = Outside(chat=Failing(C1=BadInput("not one of ours: Söhne")), render=render, owner_id="p-analyst")
    report = relay(world.store, outside, clock, worker="w-1")
    assert states(world) == ["parked", "confirmed"] and len(report.parked) == 1
    (entry,) = world.entries("message.parked")
    assert entry["data"]["subject"] == entry["entity"] == "proposal:pr-c-C1-6000000"
    assert (entry["data"]["address"], entry["data"]["owner"], entry["data"]["outbox"]) == ("C1", "p-analyst", report.parked[0])
    assert "Söhne" not in str(entry["data"])
    assert [r.dedup_key for r in world.find(OutboxEntry) if "parked:" in r.dedup_key] == ["slack_post:parked:2026-10-01:@p-analyst"]


def test_an_outage_parks_no_message_however_long(world, clock):
    owe_cards(world, "C1", "C3")
    chat = Failing(C1=Unavailable("no such channel", retry_after_seconds=300.0))
    for hour in range(30):
        clock.set(NOON + timedelta(hours=hour))
        show(world, clock, chat)
    assert states(world) == ["queued", "confirmed"]
    chat.errors.clear()
    clock.set(NOON + timedelta(hours=32))
    show(world, clock, chat)
    assert states(world) == ["confirmed", "confirmed"]


def test_a_fault_of_ours_holds_up_an_address_for_minutes_and_its_message_goes_out_once_that_is_mended(world, clock):
    faulty, fine = world.propose("c-1"), world.propose("c-2")
    with world.store.begin() as uow:
        owe_messages(uow, [(card_of(faulty), "C1"), (card_of(fine), "C1")], NOON)
        uow.commit()
    chat, broken = Chatter(), {faulty}

    def drawn(uow, showing):
        if showing.subject.partition(":")[2] in broken:
            raise ZeroDivisionError("of Söhne")
        return render(uow, showing)

    outside = Outside(chat=chat, render=drawn, owner_id="p-analyst")
    while states(world) != ["parked", "confirmed"]:
        assert chat.posts == [], "order is kept as long as it may still be sent"
        relay(world.store, outside, clock, worker="w-1")
        clock.advance(timedelta(seconds=10))
        assert clock.now() < NOON + timedelta(minutes=5)
    (entry,) = world.entries("message.parked")
    assert (entry["entity"], entry["data"]["attempts"], entry["data"]["owner"]) == (f"proposal:{faulty}", 5, "p-analyst")
    assert [r.dedup_key for r in world.find(OutboxEntry) if "parked:" in r.dedup_key] == ["slack_post:parked:2026-10-01:@p-analyst"]
    clock.set(NOON + timedelta(days=1))
    assert len(sweep(world.store, clock).resent) == 1
    relay(world.store, outside, clock, worker="w-1")
    assert states(world) == ["parked", "confirmed"], "not mended: one attempt a day, and nobody behind it waits"
    clock.set(NOON + timedelta(days=2))
    broken.clear()
    sweep(world.store, clock)
    relay(world.store, outside, clock, worker="w-1")
    assert states(world) == ["confirmed", "confirmed"] and chat.posts[-1][1] == f"{faulty} is pending"


def test_an_address_that_takes_nothing_hides_nobody_however_much_waits_for_it(world, clock, monkeypatch):
    monkeypatch.setattr(relaying, "_LOOKED_THROUGH", 3)
    proposals = [world.propose(f"c-{n}") for n in range(6)]
    with world.store.begin() as uow:
        owe_messages(uow, [*((card_of(p), "C1") for p in proposals[:5]), (card_of(proposals[5]), "C2")], NOON)
        uow.commit()
    chat = Failing(C1=Unavailable("archived", retry_after_seconds=300.0))
    show(world, clock, chat)
    assert [channel for channel, *_ in chat.posts] == ["C2"]


def test_what_was_parked_keeps_its_attempts_when_it_is_sent_again_so_that_it_is_looked_for(world, clock):
    owe_cards(world, "C1")
    show(world, clock, Failing(C1=BadInput("no")))
    (row,) = world.find(OutboxEntry, state="parked")
    with world.store.begin() as uow:
        requeue(uow, row.outbox_id, by="p-analyst", now=NOON)
        uow.commit()
    looked = []

    class Asked(Chatter):
        def post(self, *, again, **message):
            looked.append(again)
            return super().post(**message)

    show(world, clock, Asked())
    assert looked == [True] and world.entries("message.requeued")[0]["entity"] == "proposal:pr-c-C1-6000000"


def test_a_lease_that_ended_before_its_turn_costs_no_attempt(world, clock):
    owe_cards(world, "C1", "C2")

    class Slow(Chatter):
        def post(self, **message):
            clock.advance(LEASE)
            return super().post(**message)

    show(world, clock, Slow())
    sent, late = world.find(OutboxEntry, kind="slack_post", order_by=("created_at", "outbox_id"))
    assert (sent.state, late.state, late.attempts) == ("confirmed", "queued", 0) and "lease ended" in late.last_error


# --- how fast -----------------------------------------------------------------------------------------------------------------------


class Timed(Chatter):
    """Remembers when each channel was sent something; `meanwhile` is done once, while the first message is on its way."""

    def __init__(self, clock, sent, meanwhile=None):
        super().__init__()
        self.clock, self.sent, self.meanwhile = clock, sent, meanwhile

    def post(self, *, channel, **message):
        self.sent.append((channel, (self.clock.now() - NOON).total_seconds()))
        if channel == "C2" and self.meanwhile:
            meanwhile, self.meanwhile = self.meanwhile, None
            meanwhile()
        return super().post(channel=channel, **message)


def owe_several(world, *places):
    wanted = [(card_of(world.propose(f"c-{n}")), place) for n, place in enumerate(places)]
    with world.store.begin() as uow:
        owe_messages(uow, wanted, NOON - timedelta(seconds=1))
        uow.commit()


def test_relays_at_work_at_once_keep_a_message_a_second_and_address_together(world, clock):
    owe_several(world, "C1", "C1", "C1", "C2")
    sent = []
    other = Outside(chat=Timed(clock, sent), render=render)
    mine = Outside(chat=Timed(clock, sent, lambda: relay(world.store, other, clock, worker="w-2")), render=render)
    relay(world.store, mine, clock, worker="w-1")
    assert sent == [("C1", 0.0), ("C2", 0.0), ("C1", 1.0), ("C1", 2.0)]


def test_a_clock_that_is_ahead_on_another_machine_costs_a_second_and_no_more(world, clock):
    owe_several(world, "C1", "C1")
    sent = []
    clock.set(NOON + timedelta(hours=1))
    world.write(SlackTurn(address="C1", taken_at=NOON + timedelta(hours=9)))
    relay(world.store, Outside(chat=Timed(clock, sent), render=render), clock, worker="w-1")
    assert sent == [("C1", 3601.0), ("C1", 3602.0)]


def test_what_slack_asked_one_relay_to_wait_holds_for_every_other_and_every_message_of_the_address(world, clock):
    owe_several(world, "C1", "C1")
    show(world, clock, Failing(C1=Unavailable("429", retry_after_seconds=30)))
    other = Chatter()
    clock.advance(timedelta(seconds=29))
    relay(world.store, Outside(chat=other, render=render), clock, worker="w-2")
    assert other.posts == []
    clock.advance(timedelta(seconds=1))
    relay(world.store, Outside(chat=other, render=render), clock, worker="w-2")
    assert len(other.posts) == 2
