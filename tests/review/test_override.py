"""Emergency overrides: in force at once and once, approved afterwards by others, or taken back with a finding; on both databases."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from zoneinfo import ZoneInfo

import pytest
from decision_world import MATRIX_TEXT, NOON, TODAY, World, digest_of, os_account, person
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text
from test_findings import OFFICES
from test_races import at_once

from credit_review import audit
from credit_review.adapters.store import watched
from credit_review.adapters.store.business import compare_with_tables
from credit_review.adapters.store.verify import verify_log
from credit_review.authority import load
from credit_review.calendar import WorkingCalendar
from credit_review.controls import hard
from credit_review.controls.history import COLUMNS, History, empty
from credit_review.documents import parse
from credit_review.errors import BadInput, Conflict, Refused
from credit_review.model.records import AuditRow, CreditLimit, Finding, LimitChange, Maker, OutboxEntry, PolicyException, Proposal
from credit_review.model.states import ProposalState, Verdict
from credit_review.monitoring.overrides import Hindsight, scored
from credit_review.policy import ControlRules
from credit_review.ports import Entry
from credit_review.review import coaching, followup, override
from credit_review.review.addressing import Destinations
from credit_review.review.counter import CounterOffer
from credit_review.review.ending import created_data
from credit_review.review.naming import account_id
from credit_review.review.sweep import sweep
from tests.store.meddling import as_administrator

COMPANY = followup.Company(calendar=WorkingCalendar("DE"), zone=ZoneInfo("Europe/Berlin"))
RULE = "emergency: {people: [p-analyst], tier: T2, cap: 50000, days: 14, approve_within_working_days: 2}\n"
MATRIX = OFFICES.replace("offices:  ", RULE + "offices:  ")
UNTIL = date(2026, 10, 12)
DUE = datetime(2026, 10, 5, 15, tzinfo=UTC)  # noon of Thursday, Friday, Monday 17:00 in Berlin


@pytest.fixture
def world(store, clock):
    clock.set(NOON)
    made = World(store)
    made.clock = clock
    more = ("p-audit", "p-review", "p-control", "p-second")
    made.write(*(person(p) for p in more), *(os_account(p, p) for p in more))
    made.adopt_authority(MATRIX, at=NOON - timedelta(days=1))
    return made


def asked(world, customer="c-1", *, by="p-analyst", had=50_000_00, to=90_000_00, until=UNTIL, emergency=1, **fields):
    """An emergency request as `request` leaves it: a draft of the temporary limit, made by who asked."""
    world.limit(customer, had)
    packet = audit.canonical({"proposal_id": f"pr-{customer}", "to_minor": to, "request": {"by": by, "emergency": emergency}})
    known = {"state": "draft", "proposer_id": by, "effective_to": until, "packet_json": packet, "digest": digest_of(packet)}
    known |= {"authority_digest": digest_of(MATRIX), "exceptional": "requested", "expires_at": None, "assigned_to": "p-analyst"}
    proposal = world.propose(customer, had=None, to=to, layer="temporary", proposal_id=f"pr-{customer}", **known | fields)
    world.write(Maker(proposal_id=proposal, person_id=by, how="requested", at=NOON))
    with world.store.begin() as uow:
        data = created_data(world.proposal(proposal))
        uow.append(Entry(action="proposal.created", actor=f"person:{by}", entity=f"proposal:{proposal}", data=data))
        uow.commit()
    return proposal


def put(world, proposal, *, by="p-analyst", now=NOON, to=Destinations()):
    with world.store.begin() as uow:
        done = override.put_in_force(uow, proposal, override.Caller(person_id=by, now=now, company=COMPANY, to=to))
        uow.commit()
    return done


def in_force(world, customer="c-1"):
    (limit,) = world.find(CreditLimit, account_id=account_id("customer", customer, "ALL", "temporary", "EUR"))
    return limit.amount_minor


def swept(world, now):
    world.clock.set(now)
    return sweep(world.store, world.clock, company=COMPANY)


def contradictions(world):
    """What log and tables say otherwise about the override; the world's own rows have no entries."""
    made = {"c-1", "pr-c-1"}
    found = [one.what for one in compare_with_tables(world.store.engine)]
    return [one for one in found if "no entry made it" not in one and any(name in one for name in made)]


# --- in force at once -----------------------------------------------------------------------------------------------------------------


def test_an_override_is_in_force_at_once_owed_to_the_erp_and_before_those_who_approve_it(world):
    proposal = asked(world)
    change = put(world, proposal, to=Destinations(direct=True))
    assert (change.kind, change.new_minor, change.effective_from, change.effective_to) == ("decision", 90_000_00, TODAY, UNTIL)
    assert in_force(world) == 90_000_00 and [json.loads(e.payload_json)["change_id"] for e in world.owed("erp")] == [change.change_id]
    stored = world.proposal(proposal)
    assert (stored.state, stored.tier, stored.required_approvals, stored.expires_at) == ("pending", "T2", 1, DUE)
    cards = {json.loads(e.payload_json)["address"] for e in world.owed("slack_post") if proposal in e.dedup_key}
    assert cards == {"@p-manager"}
    (entry,) = world.entries("limit.override")
    data = entry["data"]
    assert (entry["actor"], data["proposal"], data["to_minor"], data["version"]) == ("person:p-analyst", proposal, 90_000_00, 1)
    assert (data["tier"], data["approvals"], data["approve_by"], data["approvers"]) == ("T2", 1, DUE.isoformat(), [])


def test_an_override_is_an_exception_that_ends_when_its_limit_goes_back(world):
    put(world, asked(world))
    one = world.one(PolicyException)
    assert (one.kind, one.owner_id, one.ends, one.granted_minor) == ("emergency", "p-analyst", UNTIL, 90_000_00)
    swept(world, DUE)
    after = world.one(PolicyException)
    assert (after.state, after.how) == ("ended", "reverted")


def test_the_same_override_twice_or_at_once_is_one_change(world):
    proposal = asked(world)
    first = put(world, proposal)
    assert put(world, proposal) == first
    other = asked(world, "c-2")
    done = at_once(*(partial(put, world, other) for _ in range(3)))
    assert {one.change_id for one in done if isinstance(one, LimitChange)} == {world.one(LimitChange, proposal_id=other).change_id}
    assert len(world.entries("limit.override")) == 2 and len(world.owed("erp")) == 2


@pytest.mark.parametrize(
    ("by", "fields", "code"),
    [
        ("p-controller", {}, override.NOT_YOURS),  # holds T1 only, and is not named
        ("p-analyst", {"to": 100_000_01}, override.BEYOND),
        ("p-analyst", {"until": date(2026, 10, 5)}, override.BEYOND),  # would end before its approval is due
        ("p-analyst", {"until": date(2026, 10, 16)}, override.BEYOND),
        ("p-analyst", {"emergency": 0}, "override.no_request"),
        ("p-analyst", {"state": "pending"}, None),
    ],
)
def test_who_may_how_much_and_how_long_is_what_the_matrix_says(world, by, fields, code):
    proposal = asked(world, by=by, **fields)
    with pytest.raises((Refused, Conflict)) as refusal:
        put(world, proposal, by=by)
    if code is not None:
        assert refusal.value.code == code
    assert not world.find(LimitChange, proposal_id=proposal) and not world.entries("limit.override")


def test_holders_of_the_tier_may_too_up_to_the_cap_and_somebody_elses_request_is_not_theirs(world):
    proposal = asked(world, by="p-manager", to=100_000_00)
    with pytest.raises(Refused) as refusal:
        put(world, proposal, by="p-cfo")
    assert refusal.value.code == "override.no_request"
    assert put(world, proposal, by="p-manager").new_minor == 100_000_00


def test_without_the_section_nobody_may(world):
    proposal = asked(world)
    world.adopt_authority(OFFICES, at=NOON - timedelta(hours=1))
    with pytest.raises(Refused, match="no `emergency` section"):
        put(world, proposal)


def test_somebody_with_a_conflict_of_interest_or_who_left_may_not(world):
    from credit_review.model.records import ConflictOfInterest

    proposal = asked(world)
    days = {"valid_from": TODAY, "valid_to": UNTIL, "recorded_at": NOON}
    world.write(ConflictOfInterest(person_id="p-analyst", customer_id="c-1", **days))
    with pytest.raises(Refused, match="conflict of interest"):
        put(world, proposal)
    other = asked(world, "c-2")
    world.deactivate("p-analyst")
    with pytest.raises(Refused, match="not an active person"):
        put(world, other)


# --- approved afterwards --------------------------------------------------------------------------------------------------------------


def test_another_person_of_the_tier_approves_it_afterwards_and_no_second_change_is_made(world):
    proposal = asked(world)
    change = put(world, proposal)
    assert world.decide("p-analyst", proposal).code == "own_proposal"
    assert world.decide("p-controller", proposal).code == "lacks_tier"
    outcome = world.decide("p-manager", proposal)
    assert outcome.accepted and outcome.tier == "T2"
    assert world.apply(proposal).state == "applied" and world.apply(proposal).repeated
    assert world.proposal(proposal).state == "applied" and [c.change_id for c in world.find(LimitChange, kind="decision")] == [
        change.change_id
    ]
    (entry,) = world.entries("override.approved")
    assert entry["data"]["approvers"] == [{"approver": "p-manager", "on_behalf_of": None}] and entry["data"]["change"] == change.change_id
    assert len(world.owed("erp")) == 1 and swept(world, DUE + timedelta(days=1)).findings == () and in_force(world) == 90_000_00
    swept(world, datetime(2026, 10, 12, 6, tzinfo=UTC))
    assert in_force(world) is None and world.find(Finding) == [] and contradictions(world) == []


def test_the_tier_is_that_of_the_increase_though_the_limit_is_in_force_already(world):
    """Judged from the limit in force now it would loosen nothing, and the lowest tier could wave it through."""
    proposal = asked(world, had=480_000_00, to=520_000_00)
    put(world, proposal)
    assert world.proposal(proposal).tier == "T3" and world.proposal(proposal).required_approvals == 2
    assert world.decide("p-manager", proposal).code == "lacks_tier"
    assert world.decide("p-cfo", proposal).accepted and world.proposal(proposal).state == "pending"
    assert world.decide("p-ceo", proposal).accepted and world.apply(proposal).state == "applied"


def test_a_forged_approval_afterwards_contradicts_the_log(world):
    proposal = asked(world)
    change = put(world, proposal)
    data = {"from": "approved", "to": "applied", "change": change.change_id, "digest": world.proposal(proposal).digest}
    with world.store.begin() as uow:
        named = [{"approver": "p-manager", "on_behalf_of": None}]
        uow.append(
            Entry(action="override.approved", actor="system:apply", entity=f"proposal:{proposal}", data={**data, "approvers": named})
        )
        uow.commit()
    assert any("names an approval of p-manager that was not given" in one for one in all_differences(world))


def all_differences(world):
    return [one.what for one in compare_with_tables(world.store.engine)]


@pytest.mark.parametrize("extra", [{"verdict": Verdict.RETURN}, {"verdict": Verdict.COUNTER, "counter": CounterOffer(to_minor=70_000_00)}])
def test_it_is_approved_as_it_is_or_rejected(world, extra):
    proposal = asked(world)
    put(world, proposal)
    outcome = world.decide("p-manager", proposal, **extra)
    assert outcome.code == "override.in_force" and world.proposal(proposal).state == "pending" and in_force(world) == 90_000_00


def test_a_sweep_leaves_it_pending_though_the_limit_it_started_from_is_another_now(world):
    proposal = asked(world)
    put(world, proposal)
    assert swept(world, NOON + timedelta(hours=1)).superseded == () and world.proposal(proposal).state == "pending"


# --- watched --------------------------------------------------------------------------------------------------------------------------


def alarms(world, now):
    """What the control of approvals says of the overrides."""
    frames, texts = watched.read(world.store.engine, watched.since(now, UTC))
    matrices = {digest: load(parse(content, name="authority.yaml")) for digest, content in texts.items()}
    rest = {name: empty(name) for name in COLUMNS if name not in frames}
    known = {"since": watched.since(now, UTC), "zone": UTC, "rules": ControlRules(), "control_currency": "EUR", "matrices": matrices}
    return [one.facts["code"] for one in hard.applied_without_approvals(History(now=now, frames=frames | rest, **known))]


def test_the_control_of_approvals_waits_for_an_override_and_knows_what_became_of_it(world):
    waiting, approved, rejected = (asked(world, customer) for customer in ("c-1", "c-2", "c-3"))
    for proposal in (waiting, approved, rejected):
        put(world, proposal)
    assert world.decide("p-manager", approved, now=NOON + timedelta(hours=1)).accepted
    world.clock.set(NOON + timedelta(hours=2))  # of the log's entries
    assert world.apply(approved, now=NOON + timedelta(hours=2)).state == "applied"
    assert world.decide("p-manager", rejected, Verdict.REJECT, now=NOON + timedelta(hours=2)).accepted
    assert alarms(world, NOON + timedelta(hours=3)) == []
    assert alarms(world, DUE + timedelta(hours=1)) == ["not_approved"]  # nobody swept: it is in force without its approval
    swept(world, DUE + timedelta(hours=1))
    assert alarms(world, DUE + timedelta(hours=2)) == []
    with as_administrator(world.store) as connection:
        connection.execute(text("DELETE FROM approval_decision WHERE proposal_id = :key"), {"key": approved})
    assert alarms(world, DUE + timedelta(hours=2)) == ["not_approved"]


# --- not approved ---------------------------------------------------------------------------------------------------------------------


def test_rejected_it_is_taken_back_at_once_and_a_finding_of_severity_high_opens(world):
    proposal = asked(world)
    change = put(world, proposal)
    assert world.decide("p-manager", proposal, Verdict.REJECT, now=NOON + timedelta(hours=2)).accepted
    assert in_force(world) is None and world.one(LimitChange, kind="reversal").reverses_id == change.change_id
    (entry,) = world.entries("limit.reverted")
    assert (entry["actor"], entry["data"]["proposal"], entry["data"]["reverses"]) == ("person:p-manager", proposal, change.change_id)
    assert len(world.owed("erp")) == 2
    (finding_id,) = swept(world, NOON + timedelta(hours=3)).findings
    one = world.one(Finding, finding_id=finding_id)
    assert (one.control, one.severity, one.owner_id, one.about) == ("emergency_override", "high", "p-control", "p-analyst|p-manager")
    assert swept(world, NOON + timedelta(hours=4)).findings == () and len(world.find(Finding)) == 1
    assert contradictions(world) == [] and verify_log(world.store.engine).consistent


def test_not_approved_in_time_it_is_taken_back_and_a_finding_opens_in_the_same_sweep(world):
    proposal = asked(world)
    put(world, proposal)
    assert swept(world, DUE - timedelta(seconds=1)).expired == () and in_force(world) == 90_000_00
    report = swept(world, DUE)
    assert report.expired == (proposal,) and len(report.findings) == 1
    assert in_force(world) is None and world.proposal(proposal).state == "expired"
    assert world.decide("p-manager", proposal, now=DUE).code == "not_pending"
    assert json.loads(world.one(Finding).facts_json)["outcome"] == "expired" and contradictions(world) == []


def test_a_sweep_reads_overrides_of_its_look_back_and_an_older_one_stays_with_the_control_that_named_it_every_night(world):
    put(world, asked(world))
    first, last = NOON + override.LOOK_BACK - timedelta(days=1), NOON + override.LOOK_BACK + timedelta(days=1)
    assert alarms(world, last) == ["not_approved"]
    swept(world, last)  # the first sweep in more than a year: the limit ends by itself
    assert in_force(world) is None and world.find(Finding) == []
    assert alarms(world, last) == ["not_approved"], "it was in force to its end without approval: that is not taken back"
    assert len(swept(world, first).findings) == 1


def test_what_lies_under_it_is_in_force_again_when_it_is_taken_back(world):
    temporary = world.limit("c-1", 60_000_00, layer="temporary", until=date(2026, 11, 1))
    world.limit("c-9", 1)
    packet = audit.canonical({"request": {"by": "p-analyst", "emergency": 1}})
    limit = world.one(CreditLimit, account_id=temporary)
    known = {"state": "draft", "proposer_id": "p-analyst", "effective_to": UNTIL, "packet_json": packet, "digest": digest_of(packet)}
    known |= {"authority_digest": digest_of(MATRIX), "expires_at": None}
    proposal = world.propose("c-1", had=60_000_00, to=90_000_00, layer="temporary", proposal_id="pr-c-1", **known)
    change = put(world, proposal)
    assert (change.version, change.old_minor) == (2, limit.amount_minor)
    assert world.decide("p-manager", proposal, Verdict.REJECT).accepted
    again = world.one(CreditLimit, account_id=temporary)
    assert (again.amount_minor, again.effective_to, again.version) == (60_000_00, date(2026, 11, 1), 3)


def test_an_approver_who_left_before_it_was_applied_approves_nothing_and_it_is_taken_back(world):
    proposal = asked(world)
    put(world, proposal)
    assert world.decide("p-manager", proposal).accepted
    world.deactivate("p-manager")
    assert world.apply(proposal, now=NOON + timedelta(hours=1)).state == "rejected"
    assert in_force(world) is None and len(swept(world, NOON + timedelta(hours=2)).findings) == 1


def test_approval_and_end_of_its_time_at_once_leave_one_outcome(world):
    for round_ in range(5):
        customer = f"c-{round_}"
        proposal = asked(world, customer)
        put(world, proposal)
        world.clock.set(DUE)
        late = partial(world.decide, "p-manager", proposal, now=DUE - timedelta(seconds=1))
        at_once(late, partial(sweep, world.store, world.clock, company=COMPANY), seed=round_)
        state = world.proposal(proposal).state
        if state == ProposalState.APPROVED:
            assert world.apply(proposal, now=DUE - timedelta(seconds=1)).state == "applied" and in_force(world, customer) == 90_000_00
        else:
            assert state == ProposalState.EXPIRED and in_force(world, customer) is None
        assert len(world.find(LimitChange, account_id=account_id("customer", customer, "ALL", "temporary", "EUR"))) <= 2


def test_a_refusal_is_on_record(world):
    with world.store.begin() as uow:
        override.record_refusal(uow, Refused(override.BEYOND, "too much"), person_id="p-analyst", customer_id="c-1")
        uow.commit()
    (row,) = world.find(AuditRow, action="decision.refused")
    assert (row.actor, row.entity) == ("person:p-analyst", "customer:c-1") and "too much" not in row.body
    assert not world.find(OutboxEntry) and not world.find(Proposal)


# --- the matrix -----------------------------------------------------------------------------------------------------------------------


def matrix(rule):
    return load(parse(MATRIX_TEXT.replace("offices:  ", f"emergency: {rule}\noffices:  "), name="authority.yaml"))


@pytest.mark.parametrize(
    ("rule", "fault"),
    [
        ("{cap: 50000, days: 14}", r"line \d+, emergency: nobody may do it"),
        ("{tier: T9, cap: 50000, days: 14}", r"line \d+, emergency.tier: unknown tier 'T9'"),
        ("{tier: T2, cap: 50000, days: 4}", r"line \d+, emergency.days: a limit of 4 days could end before its approval"),
        (
            "{people: [p-ceo], cap: 5000000, days: 14}",
            r"line \d+, emergency.people.*: what p-ceo does could not be approved: 1 others hold T4",
        ),
        ("{tier: T2, cap: 0, days: 14}", r"line \d+, emergency.cap"),
        ("{tier: T2, cap: 50000, days: 200}", r"line \d+, emergency.days"),
        ("{tier: T2, cap: 50000, days: 14, approve_within_working_days: 0}", r"line \d+, emergency.approve_within_working_days"),
    ],
)
def test_an_impossible_section_is_a_fault_with_its_line(rule, fault):
    with pytest.raises(BadInput, match=fault):
        matrix(rule)


@given(days=st.integers(1, 10), start=st.dates(date(2024, 1, 1), date(2030, 1, 1)))
def test_the_shortest_limit_a_matrix_allows_outlasts_its_approval_where_weekends_are_all_that_is_free(days, start):
    from credit_review.authority.matrix import _days_of

    weekdays = replace(COMPANY.calendar, country="weekdays")
    assert weekdays.add_working_days(start, days) < start + timedelta(days=_days_of(days) + 1)


# --- and in hindsight -----------------------------------------------------------------------------------------------------------------


def test_an_override_stands_in_the_ledger_of_replaced_figures_and_is_scored_after_two_and_four_quarters(world):
    put(world, asked(world, engine_minor=60_000_00))
    put(world, asked(world, "c-2", engine_minor=None))  # where the engine had no figure, what stood
    with world.store.read() as uow:
        kept, none = coaching.gather(uow, TODAY, TODAY, COMPANY.zone)[1], coaching.gather(uow, date.min, date(2026, 1, 1), COMPANY.zone)[1]
    assert none == []
    assert {(o.person_id, o.role, o.customer_id, o.before_minor, o.after_minor) for o in kept} == {
        ("p-analyst", "emergency", "c-1", 60_000_00, 90_000_00), ("p-analyst", "emergency", "c-2", 0, 90_000_00),
    }  # fmt: skip
    later = {("c-1", kept[0].as_of, 2): Hindsight("C", late=True), ("c-1", kept[0].as_of, 4): Hindsight("A", late=False)}
    found = {one.quarters: one for one in scored(kept, later, "ABC", said={}, left_alone={}) if one.up}
    assert [(found[q].made, found[q].late.bad, found[q].late.of) for q in (2, 4)] == [(2, 1, 1), (2, 0, 1)]
