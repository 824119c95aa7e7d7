"""The analyst's worklist: what is added is signed, who touches becomes a maker, and nobody else's draft is touched."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lifecycle_world import NOON, RULES, TODAY, Ledger, World, analyst, draft

from credit_review.adapters.store.unit_of_work import open_store
from credit_review.calendar import WorkingCalendar
from credit_review.errors import BadInput, Refused
from credit_review.model.records import Deferral, Exclusion, Maker, Note, OutboxEntry, PersonPreference, Proposal, RiskKept
from credit_review.model.states import Verdict
from credit_review.review import directory, release
from credit_review.review.decide import DecideCommand, decide
from credit_review.review.manifest import digest_of


@pytest.fixture
def world(store, clock):
    return World(store, clock)


@pytest.fixture
def waiting(world):
    """Two drafts in the analyst's worklist: an increase (c-1) and a reduction (c-2)."""
    world.routed([draft("c-1", to=60_000_00), draft("c-2", had=80_000_00, to=40_000_00)])
    return {p.customer_id: p.proposal_id for p in world.find(Proposal)}


def packet(world, customer):
    proposal = world.proposal(customer)
    assert proposal.digest == digest_of(proposal.packet_json)
    return json.loads(proposal.packet_json)


def test_the_worklist_shows_what_waits_for_a_person_and_for_whoever_delegated(world, waiting):
    assert {p.customer_id for p in world.ask(release.worklist, analyst())} == {"c-1", "c-2"}
    assert world.ask(release.worklist, analyst("p-deputy")) == []
    world.do(
        directory.delegate, principal_id="p-analyst", delegate_id="p-deputy", valid_from=TODAY, valid_to=None, by="p-analyst", now=NOON
    )
    assert len(world.ask(release.worklist, analyst("p-deputy"))) == 2


def test_a_comment_becomes_part_of_what_approvers_sign_and_makes_nobody_a_maker(world, waiting):
    ledger, before = Ledger(world), world.proposal("c-1").digest
    world.do(release.comment, waiting["c-1"], "CFO called, order of 40k expected", analyst())
    assert packet(world, "c-1")["notes"][0]["text"] == "CFO called, order of 40k expected"
    assert world.proposal("c-1").digest != before
    assert world.one(Note).kind == "comment" and world.find(Maker) == []
    assert ledger.check() == {"proposal": 1}
    assert "CFO" not in json.dumps([e["data"] for e in world.entries("proposal.commented")])


def test_a_file_is_attached_by_its_hash(world, waiting):
    world.do(release.attach, waiting["c-1"], name="balance.pdf", sha256="a" * 64, by=analyst())
    assert packet(world, "c-1")["notes"][0]["sha256"] == "a" * 64
    for bad in ("a" * 63, "A" * 64, "x" * 64, ""):
        with pytest.raises(BadInput, match="SHA-256"):
            world.do(release.attach, waiting["c-1"], name="b.pdf", sha256=bad, by=analyst())


def test_an_amendment_keeps_the_engines_figure_the_new_one_and_the_reason(world, waiting):
    ledger = Ledger(world)
    world.do(release.amend, waiting["c-1"], to_minor=15_000_00, terms_days=14, reason="disputes pending", by=analyst())
    proposal, shown = world.proposal("c-1"), packet(world, "c-1")
    assert (proposal.engine_minor, proposal.to_minor, proposal.terms_days) == (60_000_00, 15_000_00, 14)
    assert (proposal.direction, proposal.exceptional) == ("down", "override")
    assert (shown["engine_minor"], shown["to_minor"], shown["exceptional"]) == (60_000_00, 15_000_00, ["override"])
    assert shown["amendments"][0]["reason"] == "disputes pending"
    assert world.one(Maker).how == "amended"
    assert world.one(Note).kind == "amendment"
    assert ledger.check() == {"proposal": 1}
    assert world.entries("proposal.amended")[0]["data"]["before"]["to_minor"] == 60_000_00


def test_an_amendment_needs_a_reason_and_must_change_something(world, waiting):
    for wrong in ({"to_minor": 70_000_00, "reason": " "}, {"to_minor": -1, "reason": "x"}):
        with pytest.raises(BadInput):
            world.do(release.amend, waiting["c-1"], by=analyst(), **wrong)
    for nothing in (20_000_00, 60_000_00):
        with pytest.raises(Refused):
            world.do(release.amend, waiting["c-1"], to_minor=nothing, reason="x", by=analyst())
    with pytest.raises(BadInput, match="after it starts"):
        world.do(release.amend, waiting["c-1"], to_minor=1, reason="x", effective_to=TODAY, by=analyst())


def test_release_sends_the_proposal_out_and_makes_the_analyst_a_maker(world, waiting):
    ledger = Ledger(world)
    world.do(release.release, [waiting["c-1"], waiting["c-2"]], RULES, analyst())
    proposal = world.proposal("c-1")
    assert (proposal.state, proposal.tier, proposal.required_approvals) == ("pending", "T1", 1)
    assert proposal.expires_at == datetime(2026, 10, 29, 16, tzinfo=UTC), "the close of the twentieth working day, 17:00 in Berlin"
    assert {(m.person_id, m.how) for m in world.find(Maker)} == {("p-analyst", "released")}
    owed = sorted(world.find(OutboxEntry), key=lambda o: o.created_at)
    assert [o.dedup_key.split(":")[1] for o in owed] == ["summary", "proposal", "proposal"], "the review's summary comes first"
    assert ledger.check() == {"proposal": 2}


def test_a_proposal_does_not_expire_while_somebody_asked_is_on_holiday(world, waiting):
    chosen = PersonPreference(
        person_id="p-controller", language="", locale="", time_zone="Asia/Shanghai", calendar="CN",
        valid_from=TODAY, valid_to=None, recorded_at=NOON,
    )  # fmt: skip
    world.do(lambda uow: uow.add(chosen))
    rules = replace(RULES, calendar=WorkingCalendar("DE"))
    world.do(release.release, [waiting["c-1"]], rules, analyst())
    assert world.proposal("c-1").expires_at == datetime(2026, 11, 4, 16, tzinfo=UTC), "2, 5, 6 and 7 October do not count: Golden Week"


def test_releasing_what_one_amended_keeps_one_maker_row(world, waiting):
    world.do(release.amend, waiting["c-1"], to_minor=50_000_00, reason="less", by=analyst())
    world.do(release.release, [waiting["c-1"]], RULES, analyst())
    assert world.one(Maker).how == "amended"
    assert world.proposal("c-1").tier == "T2"


def test_who_released_cannot_approve_and_another_can(world, waiting):
    world.do(release.release, [waiting["c-1"]], RULES, analyst())
    digest = world.proposal("c-1").digest
    outcomes = []
    for n, who in enumerate(("p-analyst", "p-controller")):
        command = DecideCommand(
            delivery_key=f"d-{n}", proposal_id=waiting["c-1"], digest=digest, verdict=Verdict.APPROVE, account_kind="os", account=who,
            channel="cli",
        )  # fmt: skip
        with world.store.begin() as uow:
            outcomes.append(decide(command, uow, NOON))
    assert [o.accepted for o in outcomes] == [False, True]
    assert outcomes[0].code == "own_proposal"


def test_all_or_none_are_released(world, waiting):
    world.do(release.defer, waiting["c-2"], until=TODAY + timedelta(30), owner_id="p-one", reason="audit", by=analyst())
    with pytest.raises(Refused):
        world.do(release.release, list(waiting.values()), RULES, analyst())
    assert world.proposal("c-1").state == "draft" and "released" not in {m.how for m in world.find(Maker)}


@pytest.mark.parametrize("who", ["p-one", "p-nobody"])
def test_only_the_assigned_analyst_may(world, waiting, who):
    key, by = waiting["c-1"], analyst(who)
    for attempt in (
        lambda: world.do(release.comment, key, "x", by),
        lambda: world.do(release.attach, key, name="x", sha256="a" * 64, by=by),
        lambda: world.do(release.amend, key, to_minor=1, reason="x", by=by),
        lambda: world.do(release.defer, key, until=TODAY + timedelta(1), owner_id="p-one", reason="x", by=by),
        lambda: world.do(release.exclude, key, rule="x", reason="x", by=by),
        lambda: world.do(release.release, [key], RULES, by),
    ):
        with pytest.raises(Refused):
            attempt()
    assert world.find(Note) == [] and world.find(Maker) == []


def test_a_delegate_acts_as_himself_and_the_entry_says_for_whom(world, waiting):
    world.do(
        directory.delegate, principal_id="p-analyst", delegate_id="p-deputy", valid_from=TODAY, valid_to=None, by="p-analyst", now=NOON
    )
    world.do(release.release, [waiting["c-1"]], RULES, analyst("p-deputy"))
    [entry] = world.entries("proposal.released")
    assert (entry["actor"], entry["data"]["on_behalf_of"]) == ("person:p-deputy", "p-analyst")
    assert world.one(Maker).person_id == "p-deputy"


def test_an_inactive_analyst_may_not(world, waiting):
    from lifecycle_world import person

    world.do(lambda uow: uow.add(person("p-analyst", active=False, recorded_at=NOON)))
    with pytest.raises(Refused, match="active"):
        world.do(release.release, [waiting["c-1"]], RULES, analyst())


def test_deferring_a_reduction_keeps_the_risk_in_sight(world, waiting):
    ledger = Ledger(world)
    world.do(release.defer, waiting["c-2"], until=TODAY + timedelta(30), owner_id="p-one", reason="audit running", by=analyst())
    assert world.one(Deferral).owner_id == "p-one"
    assert (world.proposal("c-2").state, world.proposal("c-2").outcome_code) == ("returned", "deferred")
    risk = world.one(RiskKept)
    assert (risk.amount_minor, risk.decided_by) == (40_000_00, "")
    assert ledger.check() == {"deferral": 1, "exception": 1, "proposal": 1, "risk": 1}


def test_deferring_an_increase_keeps_no_risk(world, waiting):
    world.do(release.defer, waiting["c-1"], until=TODAY + timedelta(30), owner_id="p-one", reason="audit running", by=analyst())
    assert world.find(RiskKept) == []


def test_a_deferral_needs_a_later_day_an_active_owner_and_a_reason(world, waiting):
    for wrong, error in (
        ({"until": TODAY, "owner_id": "p-one", "reason": "x"}, BadInput),
        ({"until": TODAY + timedelta(1), "owner_id": "p-nobody", "reason": "x"}, Refused),
        ({"until": TODAY + timedelta(1), "owner_id": "p-one", "reason": ""}, BadInput),
    ):
        with pytest.raises(error):
            world.do(release.defer, waiting["c-2"], by=analyst(), **wrong)


def test_a_customer_is_excluded_by_a_named_rule(world, waiting):
    ledger = Ledger(world)
    world.do(release.exclude, waiting["c-1"], rule="settled by netting", reason="joint venture", by=analyst())
    assert world.one(Exclusion).rule == "settled by netting"
    assert (world.proposal("c-1").state, world.proposal("c-1").outcome_code) == ("rejected", "excluded")
    assert ledger.check() == {"exception": 1, "exclusion": 1, "proposal": 1}
    with pytest.raises(BadInput, match="rule"):
        world.do(release.exclude, waiting["c-2"], rule=" ", reason="x", by=analyst())


def test_a_released_proposal_is_out_of_the_analysts_hands(world, waiting):
    world.do(release.release, [waiting["c-1"]], RULES, analyst())
    with pytest.raises(Refused, match="pending"):
        world.do(release.amend, waiting["c-1"], to_minor=1, reason="x", by=analyst())
    with pytest.raises(Refused, match="pending"):
        world.do(release.release, [waiting["c-1"]], RULES, analyst())


steps = st.lists(
    st.one_of(
        st.tuples(st.just("comment"), st.text(min_size=1, max_size=20).filter(str.strip)),
        st.tuples(st.just("amend"), st.integers(0, 10**9)),
        st.tuples(st.just("attach"), st.text("0123456789abcdef", min_size=64, max_size=64)),
    ),
    max_size=6,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps)
def test_whatever_an_analyst_does_packet_digest_and_columns_agree_and_each_step_has_one_entry(
    sqlite_template, tmp_path_factory, clock, acts
):
    path = tmp_path_factory.mktemp("db") / "x.db"
    path.write_bytes(sqlite_template.read_bytes())
    world = World(open_store(f"sqlite:///{path}", clock), clock)
    world.routed([draft("c-1", to=60_000_00)])
    key, ledger, done = world.proposal("c-1").proposal_id, Ledger(world), 0
    for n, (what, value) in enumerate(acts):
        by = analyst(now=NOON + timedelta(seconds=n))
        try:
            if what == "comment":
                world.do(release.comment, key, value, by)
            elif what == "amend":
                world.do(release.amend, key, to_minor=value, reason="because", by=by)
            else:
                world.do(release.attach, key, name="f", sha256=value, by=by)
            done += 1
            assert ledger.check() == {"proposal": 1}
        except Refused:
            assert what == "amend"
        except BadInput:
            assert what == "comment"
    proposal, shown = world.proposal("c-1"), packet(world, "c-1")
    assert (shown["to_minor"], shown["engine_minor"]) == (proposal.to_minor, 60_000_00) == (proposal.to_minor, proposal.engine_minor)
    assert len(shown["notes"]) + len(shown["amendments"]) == done == len(world.find(Note))
    assert bool(world.find(Maker)) == bool(shown["amendments"]) == ("override" in proposal.exceptional)
    assert ledger.check() == {}
    world.store.close()
