"""Races on both databases: whoever comes first, the invariants hold."""

from __future__ import annotations

import random
import threading
from collections import Counter
from datetime import timedelta

import pytest
from decision_world import NOON, World, person
from test_apply import approved

from credit_review.adapters.store.verify import verify_log
from credit_review.errors import Conflict, Unavailable
from credit_review.model.records import Decision, InboxEntry, LimitChange, OutboxEntry, Proposal
from credit_review.model.states import Verdict
from credit_review.review.counter import CounterOffer

ROUNDS = 25
OF_DECISIONS = ("decision.approve", "decision.reject", "decision.return")


@pytest.fixture
def world(store):
    return World(store)


def at_once(*calls, seed=0):
    """Results of all calls, started together in an order that `seed` chooses; a refusal by the store is the result of its call.

    Whoever found the database busy has stored nothing and calls again, as Slack and Prefect do.
    """
    results, barrier = [None] * len(calls), threading.Barrier(len(calls))

    def run(n, call):
        barrier.wait()
        while True:
            try:
                results[n] = call()
                return
            except Unavailable:
                continue
            except Conflict as error:
                results[n] = error
                return

    threads = [threading.Thread(target=run, args=item) for item in enumerate(calls)]
    random.Random(seed * 97 + len(calls)).shuffle(threads)
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def deliver(world, command):
    return lambda: world.deliver(command)


def test_two_approvers_at_once(world):
    """Both count where two are asked for; exactly one application is owed."""
    for n in range(ROUNDS):
        proposal = world.propose(f"c-{n}", had=400_000_00, to=900_000_00)
        commands = [world.command(who, proposal) for who in ("p-cfo", "p-ceo")]
        outcomes = at_once(*(deliver(world, c) for c in commands))
        assert sorted(o.code for o in outcomes) == ["approved", "pending"]
        assert world.proposal(proposal).state == "approved" and len(world.find(Decision, proposal_id=proposal)) == 2
    assert len(world.owed("apply")) == ROUNDS


def test_two_approvers_at_once_where_one_is_enough(world):
    for n in range(ROUNDS):
        proposal = world.propose(f"c-{n}")
        commands = [world.command(who, proposal) for who in ("p-controller", "p-manager")]
        outcomes = at_once(*(deliver(world, c) for c in commands))
        assert sorted(o.code for o in outcomes) == ["approved", "not_pending"]
        assert len(world.find(Decision, proposal_id=proposal)) == 1
    assert len(world.owed("apply")) == ROUNDS


def test_an_approver_and_a_rejecter_at_once(world):
    """One of them decides; the other is told; nothing is both approved and rejected."""
    for n in range(ROUNDS):
        proposal = world.propose(f"c-{n}")
        commands = [world.command("p-controller", proposal), world.command("p-manager", proposal, Verdict.REJECT)]
        outcomes = at_once(*(deliver(world, c) for c in commands))
        codes = {o.code for o in outcomes}
        state = world.proposal(proposal).state
        assert codes == {state, "not_pending"} and state in ("approved", "rejected")
    decided = Counter(d.verdict for d in world.find(Decision))
    assert decided["approve"] == len(world.owed("apply")) and decided.total() == ROUNDS


def test_one_click_delivered_many_times_at_once(world):
    for n in range(ROUNDS):
        proposal = world.propose(f"c-{n}", had=400_000_00, to=900_000_00)
        command = world.command("p-cfo", proposal)
        outcomes = at_once(*[deliver(world, command)] * 4)
        assert len({o.to_json() for o in outcomes}) == 1 and sum(not o.repeated for o in outcomes) == 1
    assert len(world.find(Decision)) == len(world.find(InboxEntry)) == len(world.entries("decision.approve")) == ROUNDS


def test_one_person_twice_at_once_is_one_approval(world):
    for n in range(ROUNDS):
        proposal = world.propose(f"c-{n}", had=400_000_00, to=900_000_00)
        commands = [world.command("p-cfo", proposal) for _ in range(2)]
        outcomes = at_once(*(deliver(world, c) for c in commands))
        assert sorted(o.code for o in outcomes) == ["already_decided", "pending"]


def test_two_approvals_in_one_group_at_once_see_each_other(world):
    """Two increases of 40,000 at once: a controller may approve one; the second needs the manager."""
    for n in range(ROUNDS):
        world.group(f"g-{n}", f"a-{n}", f"b-{n}")
        proposals = [world.propose(f"{side}-{n}", had=10_000_00, to=50_000_00) for side in "ab"]
        outcomes = at_once(*(deliver(world, world.command("p-controller", p)) for p in proposals))
        assert sorted(o.code for o in outcomes) == ["approved", "lacks_tier"]


def test_a_counter_offer_and_an_approval_at_once(world):
    """Either the approval or the successor lives, never both; one open proposal an account."""
    for n in range(ROUNDS // 2):
        proposal = world.propose(f"c-{n}", had=50_000_00, to=60_000_00)
        counter = world.command("p-manager", proposal, Verdict.COUNTER, counter=CounterOffer(to_minor=55_000_00))
        at_once(deliver(world, world.command("p-controller", proposal)), deliver(world, counter))
        states = Counter(p.state for p in world.find(Proposal, customer_id=f"c-{n}"))
        assert states in (Counter(approved=1), Counter(approved=1, superseded=1))


def test_many_appliers_at_once_apply_once(world):
    for n in range(ROUNDS):
        proposal = approved(world, f"c-{n}", had=10_000_00, to=12_000_00)
        results = at_once(*[lambda p=proposal: world.apply(p)] * 6)
        assert {r.state for r in results} == {"applied"} and sum(not r.repeated for r in results) == 1
        assert len({r.change_id for r in results}) == 1
    assert len(world.find(LimitChange, kind="decision")) == len(world.owed("erp")) == len(world.entries("limit.applied")) == ROUNDS
    assert {e.state for e in world.find(OutboxEntry, kind="apply")} == {"confirmed"}


def test_an_approver_who_leaves_while_his_approval_is_applied(world):
    """Applied before he left, or revoked after: the record says which, and the limit follows it."""
    for n in range(ROUNDS // 2):
        start = NOON + timedelta(minutes=n)
        proposal = world.propose(f"c-{n}", had=10_000_00, to=200_000_00)
        assert world.decide("p-manager", proposal, now=start).code == "approved"
        later = start + timedelta(seconds=20)
        at_once(lambda p=proposal, t=later: world.apply(p, now=t), lambda t=later: world.deactivate("p-manager", at=t))
        state = world.proposal(proposal).state
        assert (state, world.in_force(f"c-{n}")) in (("applied", 200_000_00), ("rejected", 10_000_00))
        world.write(person("p-manager", recorded_at=start + timedelta(seconds=40)))


@pytest.mark.parametrize("rounds", [5, pytest.param(300, marks=pytest.mark.soak)])
def test_twelve_calls_at_once_have_no_double_effect(world, rounds):
    """Copies of one click, other approvers, a rejection, a question and appliers, all about one proposal that takes two approvals."""
    for n in range(rounds):
        proposal = world.propose(f"c-{n}", had=400_000_00, to=900_000_00)
        copies = [deliver(world, world.command("p-cfo", proposal))] * 4
        others = [deliver(world, world.command(who, proposal)) for who in ("p-ceo", "p-chair", "p-manager")]
        against = [
            deliver(world, world.command("p-ceo", proposal, Verdict.REJECT)),
            deliver(world, world.command("p-cfo", proposal, Verdict.RETURN)),
        ]
        appliers = [lambda p=proposal: world.apply(p)] * 3
        results = at_once(*copies, *others, *against, *appliers, seed=n)
        assert len({o.to_json() for o in results[:4]}) == 1 and sum(not o.repeated for o in results[:4]) == 1, "one click, one outcome"
        assert_decided_once(world, proposal)
        assert_applied_at_most_once(world, proposal, f"c-{n}")
    changes = world.find(LimitChange, kind="decision")
    assert len(changes) == len(world.owed("erp")) == len(world.entries("limit.applied"))
    assert verify_log(world.store.engine).consistent


def assert_decided_once(world, proposal):
    """Each person once at most, two approvals for what was approved, and nothing both approved and ended."""
    decisions = world.find(Decision, proposal_id=proposal)
    assert len({d.approver_id for d in decisions}) == len(decisions)
    verdicts = Counter(d.verdict for d in decisions)
    state = world.proposal(proposal).state
    approved = {"approved": 2, "applied": 2}.get(state)
    assert verdicts["approve"] <= 2 and (approved is None or verdicts == Counter(approve=approved))
    assert (verdicts["reject"], verdicts["return"]) == (int(state == "rejected"), int(state == "returned"))
    assert state in ("pending", "approved", "applied", "rejected", "returned")
    acted = [e["action"] for e in world.entries(entity=f"proposal:{proposal}") if e["action"] in OF_DECISIONS]
    assert len(acted) == len(decisions), "each decision has one entry"


def assert_applied_at_most_once(world, proposal, customer):
    applied = len(world.find(LimitChange, proposal_id=proposal))
    assert applied == int(world.proposal(proposal).state == "applied")
    assert world.in_force(customer) == (900_000_00 if applied else 400_000_00)
