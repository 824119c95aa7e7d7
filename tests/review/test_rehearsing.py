"""Passes: earned on cases of a review that is over, asked for by the one judgement at the click, noted and re-routed when they lapse."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, timedelta
from functools import partial

import pytest
from decision_world import MATRIX_TEXT, NOON, POLICY_TEXT, TODAY, World, digest_of, proposal, review
from test_races import at_once

from credit_review import audit, policy
from credit_review.adapters import sandbox
from credit_review.adapters.store.business import compare_with_tables
from credit_review.adapters.store.engine import sqlite_file
from credit_review.authority import Code, load
from credit_review.calendar import WorkingCalendar
from credit_review.documents import parse
from credit_review.errors import BadInput, Conflict, Refused
from credit_review.messages.gathering import Company as Reading
from credit_review.messages.render import renderer
from credit_review.model.records import Addressee, AuditRow, LimitAccount, OutboxEntry, Rehearsal
from credit_review.model.states import Verdict
from credit_review.rehearsal import Answer
from credit_review.review import rehearsing
from credit_review.review.addressing import Destinations
from credit_review.review.followup import follow_up
from credit_review.review.naming import account_id
from credit_review.review.passes import Passes
from credit_review.review.showing import Showing
from credit_review.review.working import Company
from credit_review.words import Words
from tests.rehearsal.rehearsal_packets import packets

COMPANY = Company(calendar=WorkingCalendar("DE"), zone=UTC)
MATRIX = MATRIX_TEXT.replace("holders:  ", "rehearsal_from: T2\nholders:  ", 1)
RULES = policy.load(parse(POLICY_TEXT, name="policy.yaml"))
SLACK = Destinations(direct=True)


BOTH = pytest.mark.parametrize("world", ["sqlite_store", "postgres_store"], indirect=True)
"""Races, and what constraints of the database hold, on both; the rest on one."""


@pytest.fixture
def world(request, clock):
    clock.set(NOON)
    made = World(request.getfixturevalue(getattr(request, "param", "sqlite_store")))
    made.clock = clock
    made.adopt_authority(MATRIX, at=NOON - timedelta(days=1))
    return made


@pytest.fixture
def past(world):
    """A review that is over, with 40 proposals of its own."""
    world.write(replace(review(), review_id="r-2", scope="region:x", state="closed", closed_by="p-cfo", closed_at=NOON))
    rows = []
    for key, packet in packets().items():
        account = account_id("customer", key, "ALL", "base", "EUR")
        shown = audit.canonical(packet)
        fields = {"proposal_id": key, "review_id": "r-2", "state": "expired", "packet_json": shown, "digest": digest_of(shown)}
        rows += [
            LimitAccount(
                account_id=account, subject_kind="customer", subject_id=key, legal_entity="ALL", layer="base", currency="EUR"
            ),
            proposal(key, account, None, packet["to_minor"], "EUR", **fields),
        ]  # fmt: skip
    world.write(*rows)
    return "r-2"


def do(world, function, *args, **kwargs):
    with world.store.begin() as uow:
        done = function(uow, *args, **kwargs)
        uow.commit()
    return done


def begun(world, who="p-manager", seed="seed-1", past="r-2", now=NOON):
    return do(world, rehearsing.begin, who, past, seed=seed, cases=10, case_days=365, now=now)


def cases(world, one):
    with world.store.read() as uow:
        return rehearsing.cases_of(uow, one, str)


def rehearsed(world, who="p-manager", *, now=NOON, catch=True, seed=""):
    """A person's rehearsal in which he catches everything, or nothing."""
    one = begun(world, who, seed or f"{who} {now}", now=now)
    drawn = cases(world, one)
    answers = {c.number: Answer(Verdict.REJECT if c.mistake and catch else Verdict.APPROVE, "seen") for c in drawn}
    return do(world, rehearsing.record, one, drawn, answers, RULES, today=now.date(), now=now)[0]


def earned(world, *people, until=TODAY + timedelta(days=30)):
    """Passes on record without the ceremony."""
    for who in people:
        days = {"valid_from": TODAY - timedelta(days=30), "valid_until": until}
        world.write(replace(RECORD, rehearsal_id=f"rh-{who}-{until}", person_id=who, seed=f"{who} {until}", **days))


RECORD = Rehearsal(
    rehearsal_id="", person_id="", review_id="r-1", seed="", cases=10, case_days=365, drawn_at=NOON - timedelta(days=30), state="passed",
    seeded=4, caught=4, false_alarms=0, answers_digest="0" * 64, answered_at=NOON - timedelta(days=30), valid_from=None, valid_until=None,
    lapsed_at=None,
)  # fmt: skip


# --- earning one ----------------------------------------------------------------------------------------------------------------------


@BOTH
def test_a_pass_is_recorded_with_its_score_and_the_log_has_neither_seed_nor_mistakes(world, past):
    done = rehearsed(world, seed="the seed")
    assert (done.state, done.false_alarms, done.valid_from, done.valid_until) == ("passed", 0, TODAY, TODAY + timedelta(days=366))
    assert done.caught == done.seeded >= 4
    drawn, passed = world.entries("rehearsal.drawn"), world.entries("rehearsal.passed")
    assert (drawn[0]["actor"], passed[0]["data"]["answers"]) == ("person:p-manager", done.answers_digest)
    told = json.dumps([r.body for r in world.find(AuditRow)])
    assert "the seed" not in told and "insolvent" not in told and "above_cap" not in told
    found = [d.what for d in compare_with_tables(world.store.engine) if "rehearsal" in d.what]
    assert not found, found


def test_who_misses_too_much_fails_and_draws_other_cases(world, past):
    failed = rehearsed(world, catch=False)
    assert (failed.state, failed.valid_until, len(world.entries("rehearsal.failed"))) == ("failed", None, 1)
    again = begun(world, seed="another")
    assert [c.packet for c in cases(world, again)] != [c.packet for c in cases(world, failed)]
    with world.store.begin() as uow, pytest.raises(Conflict):
        uow.add(replace(again, rehearsal_id="x", person_id="p-cfo"))  # a seed is used once


@BOTH
def test_drawn_cases_are_answered_and_not_exchanged_for_others_whatever_arrives_at_once(world, past):
    first = begun(world)
    assert begun(world, seed="seed-2") == first
    many = at_once(*(partial(begun, world, "p-cfo", f"s{n}") for n in range(3)))
    assert len(world.find(Rehearsal, person_id="p-cfo")) == 1, many
    drawn = cases(world, first)
    answers = {c.number: Answer(Verdict.APPROVE) for c in drawn}
    given = {"today": TODAY, "now": NOON}
    done = at_once(*(partial(do, world, rehearsing.record, first, drawn, answers, RULES, **given) for _ in range(3)))
    assert sum(not isinstance(one, Conflict) for one in done) == 1 and len(world.entries("rehearsal.failed")) == 1


def test_cases_come_from_a_review_that_is_over_and_every_answer_is_asked_for(world, past):
    with pytest.raises(Refused) as refusal:
        begun(world, past="r-1")
    assert refusal.value.code == "rehearsal.not_over"
    with pytest.raises(BadInput, match="41 cases"):
        do(world, rehearsing.begin, "p-cfo", "r-2", seed="s", cases=41, case_days=365, now=NOON)
    one = begun(world)
    drawn = cases(world, one)
    for answers, missing in (({}, "no answer"), ({c.number: Answer(Verdict.REJECT, " ") for c in drawn}, "reason")):
        with pytest.raises(BadInput, match=missing):
            do(world, rehearsing.record, one, drawn, answers, RULES, today=TODAY, now=NOON)


def test_the_sandbox_is_never_the_real_database_and_holds_no_key(world, past, tmp_path):
    one = begun(world)
    drawn = cases(world, one)
    folder, real = tmp_path / "rh", str(world.store.engine.url.render_as_string(hide_password=False))
    given = {"real": real, "person_id": "p-manager", "clock": world.clock}
    made = sandbox.open_sandbox(folder, [c.packet for c in drawn], **given)
    before = len(world.find(AuditRow))
    made.answer(1, Verdict.APPROVE, "", NOON)
    made.answer(1, Verdict.REJECT, "changed my mind", NOON)
    assert made.answers() == {1: ("approve", "")} and len(made.proposals()) == 10
    made.close()
    assert len(world.find(AuditRow)) == before, "nothing reaches the real log"
    raw = b"".join(path.read_bytes() for path in folder.iterdir() if path.is_file())
    assert one.seed.encode() not in raw and not any(kind.encode() in raw for kind in ("above_cap", "split_request", "wrong_total"))
    made = sandbox.open_sandbox(folder, [], **given)
    assert made.answers() == {1: ("approve", "")}, "interrupted, it goes on"
    made.close()
    with pytest.raises(Refused, match="no database of a rehearsal"):
        sandbox.open_sandbox(folder, [], **given | {"real": f"sqlite:///{folder}/{sandbox.FILE_NAME}"})


def test_a_rehearsal_is_refused_in_the_real_database_and_in_any_that_holds_a_review(sqlite_url, clock, tmp_path, sqlite_store):
    real = sqlite_file(sqlite_store.engine.url)
    world = World(sqlite_store)
    folder = tmp_path / "rh"
    folder.mkdir()
    for link, told in ((real, str(sqlite_store.engine.url)), (real, f"sqlite:///{tmp_path}/other.db")):
        path = folder / sandbox.FILE_NAME
        path.unlink(missing_ok=True)
        path.symlink_to(link)
        with pytest.raises(Refused) as refusal:
            sandbox.open_sandbox(folder, [], real=told, person_id="p-cfo", clock=clock)
        assert refusal.value.code == "rehearsal.no_sandbox"
    assert len(world.find(Addressee)) == 0 and [r.review_id for r in world.find(type(review()))] == ["r-1"]


# --- what it is asked for -------------------------------------------------------------------------------------------------------------


def pending(world, customer="c-1", to=200_000_00, **fields):
    """A proposal of tier T2."""
    return world.propose(customer, to=to, authority_digest=digest_of(MATRIX), tier="T2", **fields)


def test_without_a_current_pass_a_click_is_refused_at_once_and_says_how_to_get_one(world, past):
    key = pending(world)
    refused = world.decide("p-manager", key)
    assert (refused.accepted, refused.code) == (False, Code.NOT_REHEARSED)
    assert "credit-review rehearse" in refused.text
    assert world.entries("decision.refused")[-1]["data"]["code"] == "no_current_pass"
    rehearsed(world)
    assert world.decide("p-manager", key).accepted
    assert world.apply(key).state == "applied"


def test_a_pass_that_ended_is_none_and_a_tier_below_needs_none(world):
    earned(world, "p-manager", until=TODAY)
    assert world.decide("p-manager", pending(world)).code == Code.NOT_REHEARSED
    assert world.decide("p-controller", world.propose("c-2", to=60_000_00, authority_digest=digest_of(MATRIX))).accepted


def test_a_delegate_and_whom_he_acts_for_both_need_one(world):
    world.delegate("p-manager", "p-deputy")
    key = pending(world)
    earned(world, "p-deputy")
    assert "Manager" in world.decide("p-deputy", key).text
    earned(world, "p-manager", until=TODAY + timedelta(days=2))
    assert world.decide("p-deputy", key).accepted


def test_an_approval_given_with_a_pass_counts_when_the_pass_has_lapsed_before_it_is_applied(world):
    earned(world, "p-manager", until=TODAY + timedelta(days=1))
    key = pending(world)
    assert world.decide("p-manager", key).accepted
    assert world.apply(key, now=NOON + timedelta(days=3)).state == "applied"


def test_a_matrix_says_from_which_tier_and_who_lacks_one():
    with pytest.raises(BadInput, match="T9"):
        load(parse(MATRIX.replace("rehearsal_from: T2", "rehearsal_from: T9"), name="authority.yaml"))
    matrix = load(parse(MATRIX, name="authority.yaml"))
    everybody = frozenset(h.person for h in matrix.holders)
    held = Passes.of([replace(RECORD, person_id=p, valid_from=TODAY, valid_until=TODAY + timedelta(days=1)) for p in ("p-ceo", "p-chair")])
    assert held.lacking(matrix, everybody, TODAY) == []
    assert [tier for tier, _, _ in held.lacking(matrix, everybody - {"p-chair"}, TODAY)] == ["T3", "T4"]
    assert [tier for tier, _, _ in Passes().lacking(matrix, everybody, TODAY)] == ["T2", "T3", "T4"]


# --- the end of it --------------------------------------------------------------------------------------------------------------------


@BOTH
def test_a_lapse_is_noted_once_and_what_waited_goes_to_who_may_still_decide(world):
    earned(world, "p-manager", until=TODAY + timedelta(days=1))
    earned(world, "p-cfo", until=TODAY + timedelta(days=90))
    key = pending(world)
    world.write(Addressee(proposal_id=key, person_id="p-manager", review_id="r-1", why="tier", at=NOON))
    assert follow_up(world.store, world.clock, COMPANY, SLACK).lapsed == ()
    world.clock.set(NOON + timedelta(days=1))
    done = at_once(*(partial(rehearsing.lapse, world.store, world.clock, COMPANY, SLACK) for _ in range(3)))
    assert sorted(done) == [(), (), ("p-manager",)]
    (entry,) = world.entries("rehearsal.lapsed")
    assert (entry["data"]["person"], entry["data"]["renewed"]) == ("p-manager", 0)
    assert "p-cfo" in {a.person_id for a in world.find(Addressee, proposal_id=key)}
    assert [e["data"]["also"] for e in world.entries("proposal.escalated")] == [["p-cfo"]]
    assert world.decide("p-manager", key, now=NOON + timedelta(days=1)).code == Code.NOT_REHEARSED


def test_who_renewed_in_time_loses_nothing_and_who_did_not_is_warned_before(world):
    earned(world, "p-manager", until=TODAY + timedelta(days=31))
    earned(world, "p-controller", until=TODAY + timedelta(days=20))  # holds no tier that needs one
    assert follow_up(world.store, world.clock, COMPANY, SLACK).warned == ()
    world.clock.set(NOON + timedelta(days=1))
    assert follow_up(world.store, world.clock, COMPANY, SLACK).warned == ("p-manager",)
    assert follow_up(world.store, world.clock, COMPANY, SLACK).warned == ()
    assert [o.dedup_key for o in world.find(OutboxEntry) if ":pass:" in o.dedup_key] == ["slack_post:pass:2026-11-01:@p-manager"]
    draw = renderer(world.clock, Reading(Words("en", "en_GB", COMPANY.zone)))
    with world.store.read() as uow:
        assert "Your pass ends on" in draw(uow, Showing("pass:2026-11-01", "@p-manager", {})).text
    earned(world, "p-manager", until=TODAY + timedelta(days=400))
    with world.store.read() as uow:
        assert draw(uow, Showing("pass:2026-11-01", "@p-manager", {})) is None, "renewed meanwhile"
    world.clock.set(NOON + timedelta(days=31))
    assert rehearsing.lapse(world.store, world.clock, COMPANY, SLACK) == ("p-controller",)
    assert {e["data"]["person"]: e["data"]["renewed"] for e in world.entries("rehearsal.lapsed")} == {"p-controller": 0, "p-manager": 1}
