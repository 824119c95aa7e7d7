"""What artefacts of an evidence pack say, on real databases: exceptions planted in the log are found, and nothing is there that is not."""

from __future__ import annotations

import json
from datetime import UTC, timedelta
from pathlib import Path

import pytest
from decision_world import MATRIX_TEXT, NOON, TODAY, World, digest_of, document
from sqlalchemy import text

from credit_review.adapters.store.evidence import SqlRecord
from credit_review.audit import MAX_INT
from credit_review.controls.alarm import Alarm, Severity
from credit_review.controls.register import REGISTER
from credit_review.evidence.artefact import Telling, days_of
from credit_review.evidence.registry import REGISTRY
from credit_review.model.records import LimitChange
from credit_review.ports import Entry
from credit_review.replay import Difference, Found
from credit_review.review import keeping
from credit_review.review.sampled import Period
from tests.store.meddling import as_administrator

BY_FILE = {one.file.partition(".")[0]: one for one in REGISTRY}


@pytest.fixture
def world(store, clock):
    world = World(store)
    world.clock = clock
    return world


def change(world, customer, *, to=60_000_00, by="p-controller", now=NOON):
    proposal = world.propose(customer, to=to)
    world.clock.set(now)
    assert world.decide(by, proposal, now=now).accepted and world.apply(proposal, now=now).state == "applied"
    return proposal


def say(world, action, entity, by="person:p-cfo", told=None, at=None, **data):
    """An entry as a program of ours, or a forger with its rights, would append it."""
    if at is not None:
        world.clock.set(at)
    with world.store.begin() as uow:
        uow.append(Entry(action=action, actor=by, entity=entity, data=data, payload=told))
        (seq,) = uow.commit()
    return seq


def made(world, name, *, first=TODAY, last=TODAY, size=MAX_INT, replays=lambda _: None, alarms=tuple, data=Path("nowhere")):
    """An artefact's rows by column, and what it told."""
    one, told = BY_FILE[name], Telling()
    with world.store.engine.connect() as connection, connection.begin():
        record = SqlRecord(connection, Period.of(first, last, UTC), size, data, replays, alarms)
        rows = list(one.rows(record, told))
    assert all(len(row) == len(one.columns) for row in rows)
    return [dict(zip(one.columns, row, strict=True)) for row in rows], told


def test_the_population_is_counted_three_ways(world):
    for n in range(3):
        change(world, f"c-{n}", to=60_000_00 + n)
    rows, told = made(world, "E01-population")
    assert [row["to_minor"] for row in rows] == [60_000_00, 60_000_01, 60_000_02] and told.exceptions == 0
    assert {name: told.figures[name] for name in ("entries", "rows", "versions")} == {"entries": 3, "rows": 3, "versions": 3}
    assert (told.figures["first_seq"], told.figures["last_seq"]) == (rows[0]["entry"], rows[2]["entry"])
    assert told.figures["control_total_minor"] == {"EUR": 180_000_03}
    assert made(world, "E01-population", first=TODAY + timedelta(days=1), last=TODAY + timedelta(days=1))[0] == []


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM limit_change WHERE change_id = '{change}'",
        "UPDATE limit_change SET new_minor = new_minor + 1 WHERE change_id = '{change}'",
        "UPDATE limit_change SET change_id = 'c-other' WHERE change_id = '{change}'",
        "UPDATE limit_change SET version = version + 1 WHERE change_id = '{change}'",
    ],
)
def test_a_population_that_log_and_tables_do_not_agree_on_is_an_exception(world, statement):
    change(world, "c-1")
    change(world, "c-1", to=70_000_00, now=NOON + timedelta(minutes=1))
    newest = max(world.find(LimitChange, kind="decision"), key=lambda one: one.version).change_id
    with as_administrator(world.store) as connection:
        connection.execute(text(statement.format(change=newest)))
    rows, told = made(world, "E01-population")
    assert len(rows) == 2 and told.exceptions > 0 and {newest, "c-other"} & set(told.figures["differences"])


def planted(world, *, proposer="p-manager", approvers=(("p-manager", None),), proposal="p-1"):
    """A change with its proposal and approvals, as entries alone."""
    figures = {"account": "a-1", "currency": "EUR", "customer": "c-1", "from_minor": 1, "to_minor": 2, "version": 2}
    figures |= {"from_terms_days": 30, "to_terms_days": 30, "effective_from": "2026-10-01", "effective_to": None, "digest": "d"}
    say(world, "proposal.created", f"proposal:{proposal}", by="system:periodic_review", proposer=proposer, review="r", **figures)
    for who, principal in approvers:
        say(
            world, "decision.approve", f"proposal:{proposal}", by=f"person:{who}", digest="d", on_behalf_of=principal, tier="T1",
            channel="cli", assurance="click", authority=digest_of(MATRIX_TEXT), group_limit_minor=2, increases_12m_minor=1,
            control_currency="EUR",
        )  # fmt: skip
    who = [{"approver": one, "on_behalf_of": principal} for one, principal in approvers]
    return say(
        world, "limit.applied", "account:a-1", by="system:apply", change=f"c-{proposal}", proposal=proposal, approvers=who, rule=None,
        review="r", policy="p", authority=digest_of(MATRIX_TEXT), **figures,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("case", "kinds"),
    [
        ({"proposer": "system", "approvers": (("p-controller", None), ("p-manager", None))}, []),
        ({}, ["approved what he made"]),
        ({"approvers": (("p-controller", "p-manager"),)}, ["approved what he made"]),
        ({"proposer": "system", "approvers": (("p-controller", "p-cfo"), ("p-cfo", None))}, ["two approvals of one hand"]),
        ({"proposer": "system", "approvers": (("p-chair", None),)}, ["approver administers database or software"]),
    ],
)
def test_duties_that_were_not_kept_apart_are_named(world, case, kinds):
    text = MATRIX_TEXT.replace("administrators: []", "administrators: [p-chair]")
    world.write(document(text, "authority"))
    say(world, "authority.changed", f"document:{digest_of(text)}", kind="authority", name="authority.yaml", adopters=["p-1"], replaces=None)
    planted(world, **case)
    rows, told = made(world, "E07-segregation-of-duties")
    assert [row["exception"] for row in rows] == kinds and told.exceptions == len(kinds) and told.figures["changes_examined"] == 1


def test_duties_that_could_not_be_checked_are_no_clean_result(world):
    planted(world, proposer="system", approvers=(("p-controller", None),))
    rows, told = made(world, "E07-segregation-of-duties")
    assert rows == [] and told.exceptions == 1 and "were not looked for in 1" in told.notes[0]
    _, told = made(world, "E08-access")
    assert "no readable authority matrix" in told.notes[0]


def test_an_override_a_shared_address_and_a_change_without_approval_are_exceptions(world):
    planted(world, approvers=())
    figures = {
        "account": "a-1",
        "currency": "EUR",
        "customer": "c-1",
        "from_minor": 2,
        "to_minor": 3,
        "version": 3,
        "digest": "d",
        "rule": None,
    }
    figures |= {"from_terms_days": 30, "to_terms_days": 30, "effective_from": "2026-10-01", "effective_to": "2026-10-09", "approvers": []}
    due = (NOON + timedelta(days=2)).isoformat()
    for n, late in ((1, timedelta(days=1)), (2, timedelta(days=3)), (3, None)):
        say(world, "limit.override", "account:a-1", at=NOON, change=f"c-{n}", proposal=f"p-{n}0", approve_by=due, authority="m", **figures)
        if late:
            names = [{"approver": "p-ceo", "on_behalf_of": None}]
            say(world, "override.approved", f"proposal:p-{n}0", at=NOON + late, change=f"c-{n}", approvers=names)
    say(world, "limit.reverted", "account:a-1", reverses="c-3", change="c-4")
    for who in ("p-x", "p-y"):
        told = {"name": who, "email": "One@x.example"}
        say(world, "person.changed", f"person:{who}", told=told, active=True, valid_from="2026-01-01", valid_to=None)
    end = TODAY + timedelta(days=5)
    rows, _ = made(world, "E07-segregation-of-duties", last=end)
    assert [row["exception"] for row in rows] == [*["override"] * 3, "one e-mail address, several people"] and rows[3][
        "person"
    ] == "p-x|p-y"
    rows, told = made(world, "E16-emergency-changes", last=end)
    assert [(row["in_time"], row["approvers"]) for row in rows] == [("yes", "p-ceo"), ("no", "p-ceo"), ("no", "")] and told.exceptions == 2
    assert rows[2]["ended_by_entry"] and not rows[0]["ended_by_entry"]
    rows, told = made(world, "E05-who-what-when", last=end)
    assert len(rows) == 4 and {row["approver"] for row in rows} == {""} and told.exceptions == 4


def test_an_approval_by_a_matrix_that_was_not_in_force_is_named(world):
    say(world, "authority.changed", "document:newer", kind="authority", name="authority.yaml", adopters=["p-1"], replaces=None)
    planted(world, proposer="system")
    (row,), told = made(world, "E06-authority")
    assert (row["in_force"], told.exceptions) == ("false", 1)


def test_a_rule_in_force_for_two_days_is_flagged_and_says_who_wrote_and_who_adopted_it(world):
    for n, (digest, days) in enumerate((("one", 0), ("two", 30), ("three", 32))):
        say(
            world,
            "document.submitted",
            f"document:{digest}",
            at=NOON + timedelta(days=days),
            authors=["p-a"],
            kind="policy",
            name=f"{n}.yaml",
        )
        before = [None, "one", "two"][n]
        say(world, "policy.changed", f"document:{digest}", kind="policy", name=f"{n}.yaml", adopters=["p-b", "p-c"], replaces=before)
    rows, told = made(world, "E09-changes-of-rules", last=TODAY + timedelta(days=60))
    found = {row["after"]: row for row in rows if row["action"] == "policy.changed"}
    assert [found[one]["short_lived"] for one in ("one", "two", "three")] == ["no", "yes", "no"] and told.exceptions == 1
    assert (found["two"]["days_in_force"], found["two"]["authors"], found["two"]["adopters"]) == ("2", "p-a", "p-b|p-c")
    assert (found["two"]["before"], found["two"]["replaced_entry"]) == ("one", found["three"]["entry"])
    (kept,), told = made(world, "E17-control-baseline", first=TODAY + timedelta(days=10), last=TODAY + timedelta(days=20))
    assert (kept["at_beginning"], kept["unchanged"], told.exceptions) == ("one", "yes", 0)
    (changed,), told = made(world, "E17-control-baseline", last=TODAY + timedelta(days=60))
    assert (changed["at_end"], changed["unchanged"], changed["changes"], told.exceptions) == ("three", "no", 3, 1)


def test_a_leaver_who_acted_afterwards_an_erased_name_and_an_unused_tier_are_seen(world):
    matrix = {"kind": "authority", "name": "authority.yaml", "adopters": [], "replaces": None}
    say(world, "authority.changed", f"document:{digest_of(MATRIX_TEXT)}", by="system:x", **matrix)
    fact = {"valid_from": "2026-01-01", "valid_to": None}
    seq = say(world, "person.changed", "person:p-cfo", by="system:x", told={"name": "Frank", "email": ""}, active=True, **fact)
    say(world, "person.changed", "person:p-manager", by="system:x", told={"name": "Mia", "email": ""}, active=False, **fact)
    say(world, "request.received", "customer:c-1", by="person:p-manager", at=NOON + timedelta(hours=1))
    with world.store.begin() as uow:
        keeping.erase(uow, [seq], basis="GDPR-17", by="p-controller")
        uow.commit()
    rows, told = made(world, "E08-access")
    found = {row["person"]: row for row in rows}
    assert (found["p-manager"]["acted_after_leaving"], told.exceptions) == ("yes", 1)
    assert (found["p-cfo"]["name"], found["p-cfo"]["tier_not_used_in_period"]) == ("(erased)", "yes")


def test_what_was_refused_has_its_code_and_reason_and_says_where_a_text_was_erased(world):
    proposal = world.propose("c-1", makers=("p-controller",))
    assert not world.decide("p-controller", proposal).accepted
    (row,), _ = made(world, "E10-refused-and-expired")
    assert row["action"] == "decision.refused" and row["code"] and "made" in row["reason"]
    with world.store.begin() as uow:
        keeping.erase(uow, [row["entry"]], basis="GDPR-17", by="p-cfo")
        uow.commit()
    assert made(world, "E10-refused-and-expired")[0][0]["reason"] == "(erased)"


def test_a_restore_and_what_failed_are_listed(world):
    say(world, "log.restored", "log:x/2", told={"reason": "disk"}, before="x/1", origin="x/2", lost_size=9, lost_root="0" * 64)
    say(world, "run.failed", "review:r-1", by="system:x", told={"text": "no disk"}, state="scored")
    say(world, "run.resumed", "review:r-1")
    ((restored,), _), (runs, told) = made(world, "E15-restores"), made(world, "E13-runs")
    assert (restored["origin_after"], restored["lost_size"], restored["reason"]) == ("x/2", 9, "disk")
    assert [(row["action"], row["by"], row["reason"]) for row in runs] == [
        ("run.failed", "system:x", "no disk"),
        ("run.resumed", "p-cfo", ""),
    ]
    assert told.figures["failures"] == 1


def test_a_review_without_its_files_says_so_and_a_count_that_differs_is_an_exception(world, tmp_path):
    say(world, "run.started", "review:r-9", by="system:x", label="2026Q3", as_of="2026-09-30")
    say(world, "score.batch", "review:r-9", by="system:x", states={"reviewed": 7})
    (row,), told = made(world, "E11-completeness", data=tmp_path)
    assert (row["line"], row["customers"], row["verdict"], told.exceptions) == ("reviewed", 7, "no certificate", 0)
    (tmp_path / "reviews" / "r-9").mkdir(parents=True)
    line = {"line": "reviewed", "amounts": {}, "customers": 6, "rows": 1}
    (tmp_path / "reviews" / "r-9" / "certificate.json").write_text(json.dumps({"lines": [line]}))
    rows, told = made(world, "E11-completeness", data=tmp_path)
    assert rows[-1]["verdict"] == "differs" and told.exceptions == 1
    assert made(world, "E12-external-data", data=tmp_path)[0] == []


def test_a_replay_that_comes_out_another_is_an_exception_and_one_not_asked_for_is_not_run(world):
    say(world, "run.started", "review:r-9", by="system:x", label="2026Q3", as_of="2026-09-30")
    (row,), told = made(world, "E04-replay")
    assert (row["answer"], told.exceptions) == ("not run", 0)
    found = Found(review_id="r-9", checked=3, differences=(Difference("customer c-1: pd 0.1 is 0.2", "c-1"),))
    (row,), told = made(world, "E04-replay", replays=lambda _: found)
    assert (row["answer"], row["differences"], told.exceptions) == ("different", 1, 1) and "pd 0.1" in row["what"]


def test_what_controls_find_today_is_listed_and_so_is_every_control_that_ran(world):
    alarm = Alarm(control="own_proposal", subject="proposal:p-1", severity=Severity.HIGH, facts={"approver": "p-1"}, entries=(4, 5))
    (row,), told = made(world, "E07-controls", alarms=lambda: [alarm])
    assert (row["control"], row["entries"], told.exceptions) == ("own_proposal", "4|5", 1)
    ran, _ = made(world, "E17-controls", alarms=lambda: [alarm])
    assert len(ran) == len(REGISTER) and {row["control"]: row["exceptions"] for row in ran}["own_proposal"] == 1


def test_a_ride_of_canaries_that_came_out_another_is_an_exception(world):
    say(world, "validation.result", "review:r-1", by="system:x", what="canaries", of=12, as_expected=12, answers="a", differences=[])
    wrong = {"canary": "late", "figure": "limit_minor", "expected": "1", "found": "2"}
    say(world, "validation.result", "review:r-2", by="system:x", what="canaries", of=12, as_expected=11, answers="a", differences=[wrong])
    rows, told = made(world, "E17-canaries")
    assert [(row["customers"], row["as_expected"]) for row in rows] == [(12, 12), (12, 11)] and told.exceptions == 1
    assert "limit_minor" in rows[1]["differences"]


def test_findings_of_the_period_and_how_many_are_open_at_its_end(world):
    say(world, "finding.opened", "finding:f-1", by="system:controls", control="own_proposal")
    say(world, "finding.opened", "finding:f-2", by="system:controls", control="own_proposal")
    say(world, "finding.closed", "finding:f-1", at=NOON + timedelta(days=1), told={"reason": "corrected"})
    rows, told = made(world, "E07-findings", first=TODAY + timedelta(days=1), last=TODAY + timedelta(days=1))
    assert [(row["finding"], row["reason"]) for row in rows] == [("f-1", "corrected")] and told.figures == {"open_at_the_end": 1}


def test_only_the_first_entries_count_where_a_number_is_given(world):
    change(world, "c-1")
    size = len(world.entries())
    before = made(world, "E01-population", size=size)
    change(world, "c-2", now=NOON + timedelta(minutes=1))
    assert made(world, "E01-population", size=size) == before
    assert len(made(world, "E01-population")[0]) == 2


def test_every_query_is_remembered_with_its_parameters(world):
    change(world, "c-1")
    with world.store.engine.connect() as connection, connection.begin():
        record = SqlRecord(connection, Period.of(TODAY, TODAY, UTC), MAX_INT, Path("nowhere"))
        list(BY_FILE["E05-who-what-when"].rows(record, Telling()))
        asked = record.queries()
    assert len(asked) == 2 and all("FROM audit_log" in one["query"] and "POSTCOMPILE" not in one["query"] for one in asked)
    assert asked[0]["parameters"]["action_1"] == ["limit.applied", "limit.override"] and record.queries() == []


@pytest.mark.parametrize(
    ("period", "days"),
    [
        ("2026Q4", ("2026-10-01", "2026-12-31")),
        ("2026Q1", ("2026-01-01", "2026-03-31")),
        ("2024-02", ("2024-02-01", "2024-02-29")),
        ("2026", ("2026-01-01", "2026-12-31")),
    ],
)
def test_a_period_has_its_days(period, days):
    assert tuple(day.isoformat() for day in days_of(period)) == days


def test_the_list_of_exceptions_has_those_that_stood_in_the_period_with_owner_end_and_who_left(world):
    start = {"kind": "exclusion", "proposal": "pr-1", "customer": "c-1", "account": "a-1", "owner": "p-analyst", "starts": "2026-10-01"}
    start |= {"ends": "2026-10-20", "renews": None, "to": "in_force", "taken_up": 0}
    say(world, "exception.started", "exception:ex-1", told={"reason": "joint venture"}, **start)
    say(world, "exception.handed_over", "exception:ex-1", from_owner="p-analyst", owner="p-cfo")
    say(world, "exception.started", "exception:ex-2", **start | {"ends": None, "taken_up": 1})
    say(world, "finding.opened", "finding:fi-1", control="exception_owner_left", subject="exception:ex-2")
    ended = say(world, "exception.ended", "exception:ex-1", at=NOON + timedelta(days=19), how="end_date", due_on="2026-10-20", to="ended")
    rows, told = made(world, "E07-exceptions")
    assert [(r["exception"], r["owner"], r["has_end"], r["state"], r["owner_left"]) for r in rows] == [
        ("ex-1", "p-cfo", "yes", "in_force", "no"), ("ex-2", "p-analyst", "no", "in_force", "yes"),
    ]  # fmt: skip
    assert (rows[0]["reason"], told.exceptions) == ("joint venture", 2)
    later = TODAY + timedelta(days=19)
    (first, _), _ = made(world, "E07-exceptions", first=later, last=later)
    assert (first["state"], first["how"], first["last_entry"]) == ("ended", "end_date", ended)
    after = later + timedelta(days=1)
    assert [r["exception"] for r in made(world, "E07-exceptions", first=after, last=after)[0]] == ["ex-2"]
