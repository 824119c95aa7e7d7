"""Findings: one for each exception, with an owner and a day, closed by somebody without a part in it; on both databases."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from zoneinfo import ZoneInfo

import pytest
from decision_world import MATRIX_TEXT, NOON, POLICY_TEXT, TODAY, World, digest_of, os_account, person
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text
from test_races import at_once

from credit_review import policy
from credit_review.adapters.store.business import compare_with_tables
from credit_review.authority import Offices
from credit_review.calendar import WorkingCalendar
from credit_review.controls.alarm import Alarm, Severity
from credit_review.documents import parse
from credit_review.errors import BadInput, Conflict, CreditReviewError, Refused
from credit_review.messages import Company as Shown
from credit_review.messages import renderer
from credit_review.model.records import AuditRow, Finding, Maker, OutboxEntry
from credit_review.model.states import ProposalState
from credit_review.review import findings, followup, signing
from credit_review.review.addressing import Destinations
from credit_review.review.findings import Desk, Opened
from credit_review.review.showing import Showing
from credit_review.words import Words
from tests.store.meddling import as_administrator

COMPANY = followup.Company(calendar=WorkingCalendar("DE"), zone=ZoneInfo("Europe/Berlin"))
AUDITORS, OWNERS = ("p-audit", "p-review"), ("p-control", "p-second")
PROOF = {"ab" * 32: "minutes.pdf"}
OFFICES = MATRIX_TEXT.replace("control_owner: []", "control_owner: [p-control, p-second]").replace(
    "internal_audit: []", "internal_audit: [p-audit, p-review]"
)
LEAVER = Alarm(control="leaver_enabled", subject="person:p-deputy", severity=Severity.HIGH, facts={"days": 12}, entries=(3, 9))


@pytest.fixture
def world(store, clock):
    clock.set(NOON)
    made = World(store)
    made.write(*(person(p) for p in (*AUDITORS, *OWNERS)), *(os_account(p, p) for p in (*AUDITORS, *OWNERS)))
    made.adopt_authority(OFFICES, at=NOON - timedelta(days=1))
    made.clock = clock
    return made


def do(world, act, *args, now=NOON, **fields):
    with world.store.begin() as uow:
        done = act(uow, *args, company=COMPANY, now=now, **fields)
        uow.commit()
    return done


def found_by_night(world, *alarms, now=NOON):
    return do(world, findings.open_for, alarms, now=now)


def opened(world, alarm=LEAVER):
    (finding_id,) = found_by_night(world, alarm).opened
    return finding_id


def remedied(world, finding_id, *, by=None):
    by = by or world.one(Finding, finding_id=finding_id).owner_id
    return do(world, findings.remedy, finding_id, text="access ended", files=PROOF, by=by)


def closed(world, finding_id, *, by="p-audit", past=False):
    return do(world, findings.close, finding_id, reason="seen", by=by, past=past)


def log_and_table_differ(world):
    """What log and table say otherwise about findings; the world's other rows have no entries."""
    found = [one.what for one in compare_with_tables(world.store.engine)]
    return [one for one in found if one.startswith("finding")]


# --- one exception, one finding -------------------------------------------------------------------------------------------------------


def test_one_exception_is_one_finding_however_often_it_is_found(world):
    other = replace(LEAVER, subject="person:p-ceo")
    first = found_by_night(world, LEAVER, other, replace(LEAVER, facts={"days": 13}))
    assert len(first.opened) == 2 and (first.reopened, first.known) == ((), ())
    again = found_by_night(world, other, replace(LEAVER, facts={"days": 13}, severity=Severity.LOW), now=NOON + timedelta(days=1))
    assert again == Opened(known=first.opened)
    assert len(world.find(Finding)) == len(world.entries("finding.opened")) == 2
    assert found_by_night(world) == Opened() and log_and_table_differ(world) == []


def test_the_entry_says_what_was_found_and_the_finding_knows_whom_it_is_about(world):
    finding_id = opened(world)
    one, (entry,) = world.one(Finding), world.entries("finding.opened")
    assert (one.state, one.owner_id, one.about, one.severity) == ("open", "p-control", "p-deputy", "high")
    assert (entry["entity"], entry["actor"]) == (f"finding:{finding_id}", "system:controls")
    expected = {"key": LEAVER.key, "control": "leaver_enabled", "subject": "person:p-deputy", "severity": "high", "to": "open"}
    assert entry["data"] == expected | {
        "owner": "p-control", "due": one.due.isoformat(), "about": ["p-deputy"], "facts": {"days": 12}, "entries": [3, 9],
    }  # fmt: skip


def test_a_corrected_exception_found_again_is_open_again_with_a_new_day_and_a_past_one_stays_closed(world):
    corrected, past = (opened(world, replace(LEAVER, subject=f"person:{who}")) for who in ("p-deputy", "p-ceo"))
    for finding_id, is_past in ((corrected, False), (past, True)):
        remedied(world, finding_id)
        closed(world, finding_id, past=is_past)
    later = NOON + timedelta(days=30)
    done = found_by_night(world, *(replace(LEAVER, subject=f"person:{who}") for who in ("p-deputy", "p-ceo")), now=later)
    assert done == Opened(reopened=(corrected,), known=(past,))
    one = world.one(Finding, finding_id=corrected)
    assert (one.state, one.times_reopened, one.remedied_by, one.closed_by, one.evidence) == ("open", 1, "", "", "")
    assert one.due == COMPANY.calendar.add_working_days(later.date(), 5)
    (entry,) = world.entries("finding.reopened")
    assert entry["data"] == {"from": "closed", "to": "open", "owner": "p-control", "due": one.due.isoformat(), "found_again": 1}
    assert world.one(Finding, finding_id=past).state == "closed" and log_and_table_differ(world) == []


def test_one_that_is_remedied_and_found_again_waits_for_whoever_closes_it(world):
    finding_id = opened(world)
    remedied(world, finding_id)
    assert found_by_night(world, LEAVER).known == (finding_id,) and world.one(Finding).state == "remedied"


def test_two_runs_at_once_open_one_finding(world):
    alarms = [replace(LEAVER, entries=(n,)) for n in range(4)]
    runs = at_once(*(partial(found_by_night, world, *part) for part in (alarms, alarms[::-1], alarms)))
    assert all(isinstance(run, Opened) for run in runs)
    assert sum(len(run.opened) for run in runs) == len(world.find(Finding)) == 4
    assert len(world.entries("finding.opened")) == 4


# --- owner and day --------------------------------------------------------------------------------------------------------------------


def test_due_days_are_working_days_of_the_company_by_severity():
    with_holiday = datetime(2026, 10, 1, 12, tzinfo=UTC)  # 3 October is a Saturday, 31 October is none in all of Germany
    desk = desk_at(with_holiday)
    assert [desk.due(one) for one in ("high", "medium", "low")] == [date(2026, 10, 8), date(2026, 10, 29), date(2026, 12, 24)]
    assert desk_at(datetime(2026, 12, 24, 23, 30, tzinfo=UTC)).due("high") == date(2027, 1, 4)  # 25 December already, in Berlin


def desk_at(now, rules=None):
    today = now.astimezone(COMPANY.zone).date()
    nobody: frozenset[str] = frozenset()
    return Desk(now=now, today=today, company=COMPANY, offices=Offices(), rules=rules or policy.FindingRules(), known=nobody, active=nobody)


@given(day=st.dates(date(2024, 1, 1), date(2030, 1, 1)), days=st.tuples(*[st.integers(1, 250)] * 3))
def test_an_owner_has_exactly_the_working_days_that_policy_says(day, days):
    high, medium, low = sorted(days)
    desk = desk_at(
        datetime.combine(day, NOON.time(), UTC), policy.FindingRules(due_working_days=policy.DueDays(high=high, medium=medium, low=low))
    )
    due = [desk.due(one) for one in ("high", "medium", "low")]
    assert [COMPANY.calendar.working_days_between(desk.today, one) for one in due] == [high, medium, low]
    assert due == sorted(due)


def test_a_policy_in_which_graver_findings_wait_longer_is_refused_with_its_line():
    wrong = POLICY_TEXT.replace("{high: 5, medium: 20, low: 60}", "{high: 30, medium: 20, low: 60}")
    with pytest.raises(BadInput, match=r"policy.yaml line \d+.*severity high would be due after one of severity medium"):
        policy.load(parse(wrong, name="policy.yaml"))
    before = POLICY_TEXT[: POLICY_TEXT.index("findings:")]
    assert policy.load(parse(before, name="policy.yaml")).findings == policy.FindingRules()


def test_the_owner_answers_for_the_subject_unless_it_is_about_him(world):
    proposal = world.propose("c-1", makers=("p-manager",))
    review = Alarm(control="coverage", subject="review:r-1", severity=Severity.LOW)
    about = Alarm(control="bulk_approving", subject=f"proposal:{proposal}", severity=Severity.MEDIUM)
    named = replace(review, control="erp_difference", facts={"owner": "p-manager"}, subject="account:a-1")
    gone = replace(named, facts={"owner": "p-gone"}, entries=(2,))
    alarms = (about, named, gone, replace(review, entries=(5,)), replace(gone, facts={"approver": "p-control"}, entries=(1,)))
    found_by_night(world, *alarms)
    owners = [world.one(Finding, alarm_key=one.key).owner_id for one in alarms]
    assert owners == ["p-analyst", "p-manager", "p-control", "p-control", "p-second"]
    assert world.one(Finding, control="bulk_approving").about == "p-manager"


def test_makers_and_deciders_of_a_proposal_are_whom_its_finding_is_about(world):
    proposal = world.propose("c-1", makers=("p-analyst",), authority_digest=digest_of(OFFICES))
    world.delegate("p-cfo", "p-deputy")
    assert world.decide("p-deputy", proposal, on_behalf_of="p-cfo").accepted
    finding_id = opened(world, Alarm(control="late", subject=f"proposal:{proposal}", severity=Severity.LOW))
    one = world.one(Finding, finding_id=finding_id)
    assert (one.about, one.owner_id) == ("p-analyst|p-cfo|p-deputy", "p-control")
    assert world.proposal(proposal).state == ProposalState.APPROVED


def test_without_offices_a_finding_is_open_all_the_same_and_nobody_owns_it(world):
    world.adopt_authority(MATRIX_TEXT + "\n# no offices\n", at=NOON)
    assert world.one(Finding, finding_id=opened(world)).owner_id == ""
    with pytest.raises(Refused, match="it has none"):
        remedied(world, opened_id(world), by="p-analyst")


def opened_id(world):
    return world.one(Finding).finding_id


PEOPLE = ("p-controller", "p-manager", "p-cfo", "p-ceo", "p-analyst", "p-deputy", *AUDITORS, *OWNERS)


@given(
    about=st.lists(st.sampled_from(PEOPLE), max_size=4),
    named=st.sampled_from((*PEOPLE, "p-nobody", "")),
    subject=st.sampled_from((*(f"person:{p}" for p in PEOPLE), "log", "account:a-1")),
    offices=st.lists(st.sampled_from(PEOPLE), max_size=3, unique=True),
    active=st.frozensets(st.sampled_from(PEOPLE)),
)
def test_nobody_owns_a_finding_about_himself_or_after_he_left(about, named, subject, offices, active):
    alarm = Alarm(control="c", subject=subject, severity=Severity.LOW, facts={"approvers": "|".join(about), "owner": named})
    desk = replace(desk_at(NOON), offices=Offices(control_owner=tuple(offices)), known=frozenset(PEOPLE), active=active)
    finding = findings._finding_of(None, alarm, desk, key=alarm.key, by="system:test", text="")
    assert set(about) | ({subject.partition(":")[2]} & set(PEOPLE)) == set(findings.about_of(finding))
    assert finding.owner_id == "" or finding.owner_id in active - set(findings.about_of(finding))
    if named in active - set(findings.about_of(finding)):
        assert finding.owner_id == named


# --- remedy, close, reopen, assign ----------------------------------------------------------------------------------------------------


def test_the_owner_remedies_with_evidence_and_somebody_else_closes(world):
    finding_id = opened(world)
    done = remedied(world, finding_id)
    assert (done.state, done.evidence, done.remedied_by) == ("remedied", "ab" * 32, "p-control")
    done = closed(world, finding_id)
    assert (done.state, done.closed_as, done.closed_by, done.owner_id) == ("closed", "corrected", "p-audit", "p-control")
    remedy, close = world.entries("finding.remedied")[0], world.entries("finding.closed")[0]
    assert remedy["data"] == {"from": "open", "to": "remedied", "evidence": ["ab" * 32]}
    assert close["data"] == {"from": "remedied", "to": "closed", "as": "corrected", "owner": "p-control", "remedied_by": "p-control"}
    bodies = "".join(row.body for row in world.find(AuditRow))
    assert "access ended" not in bodies and "minutes" not in bodies and "seen" not in bodies
    assert log_and_table_differ(world) == []


@pytest.mark.parametrize(
    ("who", "code"),
    [
        ("p-control", findings.OWN),  # owns and remedied it
        ("p-cfo", signing.LACKS_OFFICE),
        ("p-gone", "person.not_active"),
    ],
)
def test_nobody_without_office_or_with_a_part_in_it_closes(world, who, code):
    finding_id = opened(world)
    remedied(world, finding_id)
    with pytest.raises(Refused) as refusal:
        closed(world, finding_id, by=who)
    assert refusal.value.code == code and world.one(Finding).state == "remedied" and not world.entries("finding.closed")
    if code in (findings.OWN, signing.LACKS_OFFICE):
        assert "ask " in refusal.value.next_step and "p-control" not in refusal.value.next_step


def test_who_remedied_it_cannot_close_it_after_another_became_its_owner(world):
    finding_id = opened(world)
    remedied(world, finding_id)
    do(world, findings.assign, finding_id, owner_id="p-analyst", reason="moves", by="p-audit")
    with pytest.raises(Refused, match="may not close"):
        closed(world, finding_id, by="p-control")
    assert closed(world, finding_id, by="p-second").closed_by == "p-second"


def test_who_owns_it_now_cannot_close_it_though_another_remedied_it(world):
    finding_id = opened(world)
    remedied(world, finding_id)
    do(world, findings.assign, finding_id, owner_id="p-audit", reason="moves", by="p-audit")
    with pytest.raises(Refused, match="may not close"):
        closed(world, finding_id, by="p-audit")


def test_an_auditor_does_not_close_a_finding_about_himself(world):
    finding_id = opened(world, replace(LEAVER, subject="person:p-audit"))
    remedied(world, finding_id)
    with pytest.raises(Refused) as refusal:
        closed(world, finding_id, by="p-audit")
    assert refusal.value.code == findings.OWN
    with pytest.raises(Refused, match="cannot own it"):
        do(world, findings.assign, finding_id, owner_id="p-audit", reason="moves", by="p-review")
    assert closed(world, finding_id, by="p-review").state == "closed"


def test_what_is_not_remedied_is_not_closed_and_what_is_closed_is_left_alone(world):
    finding_id = opened(world)
    with pytest.raises(Refused, match="is open"):
        closed(world, finding_id)
    remedied(world, finding_id)
    with pytest.raises(Refused, match="is remedied"):
        remedied(world, finding_id)
    closed(world, finding_id)
    acts = (
        lambda: closed(world, finding_id, by="p-review"),
        lambda: remedied(world, finding_id),
        lambda: do(world, findings.assign, finding_id, owner_id="p-analyst", reason="moves", by="p-audit"),
    )
    for act in acts:
        with pytest.raises(Refused, match="is closed"):
            act()


def test_a_remedy_is_the_owners_and_has_words_and_files(world):
    finding_id = opened(world)
    with pytest.raises(Refused) as refusal:
        remedied(world, finding_id, by="p-analyst")
    assert refusal.value.code == "finding.not_owner" and "Control (p-control)" in refusal.value.expected
    for wrong in ({"files": {}}, {"files": {"AB" * 32: "x"}}, {"text": " "}, {"text": "x" * 2001}):
        with pytest.raises(BadInput):
            do(world, findings.remedy, finding_id, **({"text": "done", "files": PROOF, "by": "p-control"} | wrong))
    with pytest.raises(BadInput, match="no finding fi-0"):
        remedied(world, "fi-0", by="p-control")


def test_a_remedy_that_does_not_do_is_sent_back_and_a_leaver_is_replaced(world):
    finding_id = opened(world)
    remedied(world, finding_id)
    world.deactivate("p-control")
    with pytest.raises(Refused) as refusal:
        do(world, findings.reopen, finding_id, reason="no", by="p-analyst")
    assert refusal.value.code == signing.LACKS_OFFICE
    done = do(world, findings.reopen, finding_id, reason="the file shows another account", by="p-audit", now=NOON + timedelta(days=7))
    assert (done.state, done.owner_id, done.times_reopened) == ("open", "p-second", 1)
    assert world.entries("finding.reopened")[0]["data"]["found_again"] == 0 and log_and_table_differ(world) == []


def test_two_closers_at_once_and_one_wins(world):
    for round_ in range(8):
        finding_id = opened(world, replace(LEAVER, entries=(round_,)))
        remedied(world, finding_id)
        done = at_once(*(partial(attempt, world, finding_id, who) for who in ("p-audit", "p-review", "p-second")), seed=round_)
        winners = [one for one in done if isinstance(one, Finding)]
        assert len(winners) == 1 and all(isinstance(one, Refused | Conflict) for one in done if one not in winners)
        assert world.one(Finding, finding_id=finding_id).closed_by == winners[0].closed_by
        assert len(world.entries("finding.closed", f"finding:{finding_id}")) == 1


def attempt(world, finding_id, who):
    try:
        return closed(world, finding_id, by=who)
    except Refused as refusal:
        return refusal


# --- by hand --------------------------------------------------------------------------------------------------------------------------


def test_anybody_of_the_directory_opens_a_finding_of_what_he_saw(world):
    proposal = world.propose("c-1", makers=("p-manager",))
    done = do(world, findings.open_by_hand, f"proposal:{proposal}", severity=Severity.MEDIUM, text="approved at the bar", by="p-cfo")
    assert (done.control, done.owner_id, done.about) == ("observed", "p-analyst", "p-manager")
    (entry,) = world.entries("finding.opened")
    assert entry["actor"] == "person:p-cfo" and "bar" not in json.dumps(entry)
    given = {"severity": Severity.LOW, "text": "x", "by": "p-cfo"}
    again = do(world, findings.open_by_hand, f"proposal:{proposal}", now=NOON + timedelta(seconds=1), **given)
    assert again.finding_id != done.finding_id
    for subject in ("proposal:nope", "person:p-nope", "account:x", "customer:x", "review:x", "shoe:1", "proposal", ""):
        with pytest.raises(BadInput, match="is not on record"):
            do(world, findings.open_by_hand, subject, **given)
    with pytest.raises(Refused, match="cannot own it"):
        do(world, findings.open_by_hand, f"proposal:{proposal}", owner_id="p-manager", **given)
    for subject in ("customer:c-1", "review:r-1", "log", "person:p-ceo"):
        assert do(world, findings.open_by_hand, subject, owner_id="p-ceo" if subject == "log" else "", **given).state == "open"
    assert log_and_table_differ(world) == []


# --- notices --------------------------------------------------------------------------------------------------------------------------


def follow(world, now):
    world.clock.set(now)
    return followup.follow_up(world.store, world.clock, COMPANY, Destinations(direct=True)).findings


def messages(world, kind):
    keys = [row.dedup_key.split(":") for row in world.find(OutboxEntry, kind="slack_post")]
    return sorted((key[2], key[3]) for key in keys if key[1] == kind)


def test_owners_are_told_once_and_overdue_findings_go_to_owner_control_owners_and_audit_then_weekly(world):
    finding_id = opened(world)
    due = world.one(Finding).due
    assert follow(world, NOON) == ("p-control",) and follow(world, NOON + timedelta(hours=3)) == ()
    on_the_day = datetime.combine(due, NOON.time(), UTC)
    assert follow(world, on_the_day) == () and messages(world, "overdue") == []
    assert follow(world, on_the_day + timedelta(days=1)) == ("p-audit", "p-control", "p-review", "p-second")
    assert follow(world, on_the_day + timedelta(days=7)) == ()
    assert len(follow(world, on_the_day + timedelta(days=9))) == 4  # not run on the eighth day: made up for
    assert follow(world, on_the_day + timedelta(days=14)) == ()
    remedied(world, finding_id)
    assert len(follow(world, on_the_day + timedelta(days=15))) == 4
    closed(world, finding_id)
    assert follow(world, on_the_day + timedelta(days=40)) == ()
    assert {key for key, _ in messages(world, "overdue")} == {f"{due}.{week}" for week in range(3)}
    assert messages(world, "findings") == [(TODAY.isoformat(), "@p-control")]


def test_nobody_is_sent_word_of_what_he_is_suspected_of(world):
    opened(world, replace(LEAVER, subject="person:p-audit"))
    late = datetime.combine(world.one(Finding).due, NOON.time(), UTC) + timedelta(days=1)
    assert follow(world, late) == ("p-control", "p-review", "p-second")


def test_a_notice_shows_what_is_still_open_when_it_is_sent(world):
    ids = [opened(world, replace(LEAVER, subject=f"person:{who}")) for who in ("p-deputy", "p-audit")]
    due = world.one(Finding, finding_id=ids[0]).due

    def shown(subject, who):
        with world.store.read() as uow:
            draw = renderer(world.clock, Shown(Words("en", "en_GB", COMPANY.zone)))
            return draw(uow, Showing(subject, f"@{who}", {}))

    late = json.dumps(shown(f"overdue:{due}.0", "p-control").blocks)
    assert "2 findings are overdue" in late and all(i in late for i in ids) and "leaver_enabled" in late and "high" in late
    hidden = json.dumps(shown(f"overdue:{due}.0", "p-audit").blocks)
    assert "1 finding is overdue" in hidden and ids[1] not in hidden
    assert "2 findings are yours" in shown(f"findings:{TODAY}", "p-control").text and shown(f"findings:{TODAY}", "p-audit") is None
    for finding_id in ids:
        remedied(world, finding_id)
        closed(world, finding_id, by="p-review")
    assert shown(f"overdue:{due}.0", "p-control") is None


# --- the database and the log ---------------------------------------------------------------------------------------------------------


def test_the_database_itself_refuses_a_closing_by_owner_or_remedier(world):
    finding_id = opened(world)
    remedied(world, finding_id)
    for changes in ({"closed_by": "p-control"}, {"closed_by": ""}, {"closed_by": "p-audit", "remedied_by": "p-audit"}):
        to = {"state": "closed", "closed_as": "corrected", **changes}
        with pytest.raises(Conflict), world.store.begin() as uow:
            uow.change(Finding, where={"finding_id": finding_id}, to=to)
            uow.commit()


@pytest.mark.parametrize(
    "change",
    ["state = 'closed', closed_by = 'p-review', closed_as = 'past'", "due = '2030-01-01'", "owner_id = 'p-cfo'", "severity = 'low'"],
)
def test_a_finding_changed_behind_the_log_is_found(world, change):
    finding_id = opened(world)
    remedied(world, finding_id)
    with as_administrator(world.store) as connection:
        connection.execute(text(f"UPDATE finding SET {change}"))
    (difference,) = log_and_table_differ(world)
    assert finding_id in difference
    with as_administrator(world.store) as connection:
        connection.execute(text("DELETE FROM finding"))
    assert "is in the log, and not in the database" in log_and_table_differ(world)[0]


SUBJECTS = [replace(LEAVER, subject=f"person:{who}") for who in ("p-deputy", "p-audit", "p-control")]
TRYING = (*AUDITORS, *OWNERS, "p-cfo")


def any_act(world, chance, finding_id, now):
    """One act of somebody, allowed or not; None for a night that finds the exceptions again."""
    who, whom, past = chance.choice(TRYING), chance.choice(TRYING), chance.random() < 0.3
    given = {"by": who, "now": now}
    acts = (
        partial(do, world, findings.remedy, finding_id, text="t", files=PROOF, **given),
        partial(do, world, findings.close, finding_id, reason="r", past=past, **given),
        partial(do, world, findings.reopen, finding_id, reason="r", **given),
        partial(do, world, findings.assign, finding_id, owner_id=whom, reason="r", **given),
        lambda: found_by_night(world, *SUBJECTS, now=now) and None,
    )
    return chance.choice(acts)()


def test_whatever_people_try_closers_have_no_part_and_log_and_table_agree(world):
    chance = random.Random(4)
    ids, done = found_by_night(world, *SUBJECTS).opened, 0
    for step in range(120):
        before = len(world.find(AuditRow))
        try:
            changed = any_act(world, chance, chance.choice(ids), NOON + timedelta(hours=step))
        except CreditReviewError:
            assert len(world.find(AuditRow)) == before
            continue
        if changed is not None:
            done += 1
            assert len(world.find(AuditRow)) == before + 1
        for one in world.find(Finding):
            assert one.owner_id not in findings.about_of(one)
            if one.state == "closed":
                assert one.closed_by in (*AUDITORS, *OWNERS)
                assert one.closed_by not in (one.owner_id, one.remedied_by, *findings.about_of(one))
    assert done > 15 and {one["action"] for one in world.entries()} >= {"finding.closed", "finding.reopened", "finding.assigned"}
    assert log_and_table_differ(world) == []


def test_who_got_a_part_in_it_since_it_was_opened_does_not_close_it(world):
    proposal = world.propose("c-1", makers=("p-manager",))
    finding_id = opened(world, Alarm(control="late", subject=f"proposal:{proposal}", severity=Severity.LOW))
    world.write(Maker(proposal_id=proposal, person_id="p-audit", how="amended", at=NOON))
    remedied(world, finding_id)
    with pytest.raises(Refused) as refusal:
        closed(world, finding_id, by="p-audit")
    assert refusal.value.code == findings.OWN
