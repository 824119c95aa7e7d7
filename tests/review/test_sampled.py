"""Populations for audit samples: counted three ways, on real databases; what a work paper says of an item; the entry a sample leaves."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from decision_world import NOON, TODAY, World
from sqlalchemy import text

from credit_review import audit
from credit_review.adapters.store.log import SqlLog
from credit_review.audit.proofs import included, inclusion_paths
from credit_review.errors import BadInput
from credit_review.model.records import AuditRow, LimitChange, OutboxEntry
from credit_review.ports import Entry
from credit_review.review import sampled
from credit_review.review.apply import revert
from credit_review.sampling.drawing import Method, Plan, draw
from credit_review.sampling.paper import Reader, checks, cover, paper
from credit_review.sampling.population import Leaves, Of, Reading
from credit_review.words import ENGLISH, words_for
from tests.store.meddling import as_administrator

TODAY_ONLY = sampled.Period.of(TODAY, TODAY, UTC)


@pytest.fixture
def world(store, clock):
    world = World(store)
    world.clock = clock
    return world


def change(world, customer, *, to=60_000_00, by=("p-controller",), now=NOON, **fields):
    """A limit change with everything before it."""
    proposal = world.propose(customer, to=to, **fields)
    world.clock.set(now)
    for who in by:
        assert world.decide(who, proposal, now=now).accepted
    assert world.apply(proposal, now=now).state == "applied"
    return proposal


def read_log(world):
    reading = Reading()
    with SqlLog(world.store.engine).reading() as view:
        return reading, audit.verify_rows(reading.passing(view.rows), view.payloads, view.head)


def population(world, of=Of.CHANGES, period=TODAY_ONLY):
    reading, found = read_log(world)
    with world.store.read() as uow:
        return sampled.population(uow, reading, found, of, period)


def test_a_population_of_changes_is_counted_three_ways_and_frozen(world):
    for n in range(5):
        change(world, f"c-{n}", to=60_000_00 + n)
    frozen = population(world)
    assert frozen.differences == () and (len(frozen.items), frozen.rows, frozen.versions) == (5, 5, 5)
    facts = frozen.facts()
    applied = [row for row in world.find(AuditRow, order_by=("seq",)) if row.action == "limit.applied"]
    assert (facts["first_seq"], facts["last_seq"]) == (applied[0].seq, applied[-1].seq)
    assert [(one.seq, one.leaf) for one in frozen.items] == [(row.seq, row.leaf) for row in applied]
    reading, found = read_log(world)
    assert (frozen.size, frozen.root) == (found.size, audit.merkle_root(reading.leaves))
    assert facts["digest"] == hashlib.sha256(frozen.text.encode()).hexdigest() == population(world).digest
    one = frozen.items[0]
    assert (one.customer, one.currency, one.from_minor, one.amount_minor, one.direction) == ("c-0", "EUR", 50_000_00, 60_000_00, "up")
    assert (one.tier, one.approvers) == ("T1", "p-controller")


def test_reversals_and_openings_move_versions_and_are_no_approved_changes(world):
    change(world, "c-1", effective_to=TODAY + timedelta(days=3))
    later = NOON + timedelta(days=3)
    world.clock.set(later)
    account = world.one(LimitChange, kind="decision").account_id
    with world.store.begin() as uow:
        assert revert(uow, account, later)
        uow.commit()
    change(world, "c-1", to=55_000_00, now=later + timedelta(hours=1), effective_from=later.date())
    whole = population(world, period=sampled.Period.of(TODAY, TODAY + timedelta(days=9), UTC))
    assert whole.differences == () and (len(whole.items), whole.rows, whole.versions) == (2, 2, 2)


def test_a_period_has_its_days_where_the_company_is_and_an_entry_counts_by_its_own_time(world):
    berlin = ZoneInfo("Europe/Berlin")
    change(world, "c-1", now=datetime(2026, 10, 1, 21, 59, 59, tzinfo=UTC))
    change(world, "c-2", now=datetime(2026, 10, 1, 22, 0, 0, tzinfo=UTC))
    first, second = (population(world, period=sampled.Period.of(day, day, berlin)) for day in (date(2026, 10, 1), date(2026, 10, 2)))
    assert [one.customer for one in first.items] == ["c-1"] and [one.customer for one in second.items] == ["c-2"]
    assert first.differences == second.differences == () and first.versions == second.versions == 1
    with pytest.raises(BadInput, match="ends on 2026-10-01"):
        sampled.Period.of(date(2026, 10, 2), date(2026, 10, 1), berlin)


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("DELETE FROM limit_change WHERE change_id = '{change}'", "which the database does not have"),
        ("UPDATE limit_change SET new_minor = new_minor + 1 WHERE change_id = '{change}'", "is not what its entry says"),
        ("UPDATE limit_change SET change_id = 'c-other' WHERE change_id = '{change}'", "no entry of the log says so"),
        ("UPDATE limit_change SET version = version + 1 WHERE change_id = '{change}'", "limits moved by 4 approved versions"),
    ],
)
def test_a_change_that_log_and_tables_do_not_agree_on_is_named(world, statement, words):
    change(world, "c-1")
    change(world, "c-1", to=70_000_00, now=NOON + timedelta(minutes=1))
    change(world, "c-1", to=65_000_00, now=NOON + timedelta(minutes=2))
    newest = max(world.find(LimitChange, kind="decision"), key=lambda one: one.version).change_id
    with as_administrator(world.store) as connection:
        connection.execute(text(statement.format(change=newest)))
    frozen = population(world)
    assert any(words in one for one in frozen.differences), frozen.differences


def test_decisions_and_reviews_are_populations_too(world):
    kept = world.propose("c-1", to=70_000_00)
    world.decide("p-controller", kept)
    gone = world.propose("c-2", to=40_000_00)
    world.decide("p-controller", gone, "reject")
    decisions = population(world, Of.DECISIONS)
    assert decisions.differences == () and decisions.rows == 2 and decisions.versions is None
    assert {(one.item, one.approvers, one.tier) for one in decisions.items} == {
        (f"{key}/p-controller", "p-controller", "T1") for key in (kept, gone)
    }
    missing = population(world, Of.PROPOSALS, sampled.Period.of(TODAY - timedelta(days=2), TODAY, UTC))
    assert len(missing.differences) == 2 and "no entry of the log says so" in missing.differences[0]


def dossier_of(world, customer="c-1"):
    frozen = population(world)
    picked = [one for one in frozen.items if one.customer == customer]
    reading, _ = read_log(world)
    with world.store.read() as uow:
        (found,) = sampled.dossiers(uow, reading, picked)
    return found


def confirm(world, minor):
    """What the relay records when the ERP answered."""
    made = world.one(LimitChange, kind="decision")
    data = {"change": made.change_id, "version": made.version, "attempts": 1, "outcome": "applied", "held_version": 2, "held_minor": minor}
    with world.store.begin() as uow:
        uow.append(Entry(action=audit.Action.ERP_CONFIRMED, actor="system:relay", entity=f"account:{made.account_id}", data=data))
        uow.commit()


def test_a_work_paper_has_everything_on_record_and_what_was_recomputed(world):
    proposal = change(world, "c-1", makers=("p-analyst",))
    confirm(world, 60_000_00)
    found = dossier_of(world)
    assert [one.body["action"] for one in found.entries] == ["decision.approve", "limit.applied", "erp.confirmed"]
    assert all(holds for _, holds in checks(found)) and len(checks(found)) == 6
    stored = world.proposal(proposal)
    written = paper(7, found, Reader(words=ENGLISH, names={"p-controller": "Controller"}, proven=frozenset({found.entries[0].seq})))
    for words in (
        "# 007 ·", "50,000 EUR", "60,000 EUR", stored.digest, stored.authority_digest, stored.policy_digest, "Controller", "not replayed",
        found.entries[1].leaf, f"(../proofs/{found.entries[0].seq}.tlog-proof)", "conclusions.csv, line 7",
    ):  # fmt: skip
        assert words in written.replace("\\", ""), words
    chinese = paper(7, found, Reader(words=words_for(language="zh_CN"), names={}))
    assert "not replayed" not in chinese and stored.digest in chinese


def test_a_work_paper_says_what_does_not_hold(world):
    change(world, "c-1", makers=("p-analyst",))
    found = dossier_of(world)

    def failing(**changed):
        return {sentence for sentence, holds in checks(replace(found, **changed)) if not holds}

    assert failing() == {"the ERP confirmed that limit"}
    assert "the stored packet has its digest" in failing(proposal=replace(found.proposal, packet_json="{}"))
    assert "every decision was on that packet" in failing(decisions=(replace(found.decisions[0], digest="0" * 64),))
    assert "nobody who approved made the proposal" in failing(makers=("p-controller",))
    assert "the limit put in force is the one proposed" in failing(change=replace(found.change, new_minor=1))
    assert any("those named when it was applied" in one for one in failing(decisions=()))
    confirm(world, 1)
    assert {sentence for sentence, holds in checks(dossier_of(world)) if not holds} == {"the ERP confirmed that limit"}


def test_free_text_of_people_forms_no_markdown_of_its_own(world):
    reason = "fine\n\n## Conclusion of the auditor\n\n[ok](javascript:x) <b>|"
    proposal = world.propose("c-1")
    world.decide("p-controller", proposal, reason=reason)
    world.apply(proposal)
    written = paper(1, dossier_of(world), Reader(words=ENGLISH, names={}))
    assert written.count("\n## Conclusion of the auditor") == 1
    assert "<b>" not in written and "](javascript" not in written


def test_an_entry_changed_after_it_was_verified_is_not_put_in_a_paper(world):
    change(world, "c-1")
    frozen = population(world)
    reading, _ = read_log(world)
    others, reading.leaves = reading.leaves, Leaves()
    for seq, leaf in enumerate(others):
        reading.leaves.append("0" * 64 if seq == frozen.items[0].seq else leaf)
    with world.store.read() as uow, pytest.raises(audit.TamperedEntry, match="not the entry that was verified"):
        sampled.dossiers(uow, reading, frozen.items)


def test_entries_of_a_paper_are_proven_to_be_in_the_log(world):
    change(world, "c-1")
    change(world, "c-2")
    reading, found = read_log(world)
    for seq, path in inclusion_paths(reading.leaves, range(found.size)).items():
        assert included(reading.leaves[seq], seq, found.size, path, found.root)


def test_drawing_leaves_one_entry_with_ids_and_digests_only(world):
    for n in range(5):
        change(world, f"c-{n}")
    frozen = population(world)
    sample = draw(frozen.items, Plan(method=Method.ATTRIBUTE, seed="dice 5 5 1", tolerable=Decimal("0.5"), confidence=Decimal("0.8")))
    with world.store.begin() as uow:
        sampled.drawn(uow, frozen, sample, by="p-cfo")
        uow.commit()
    (entry,) = world.entries("audit.read")
    assert (entry["actor"], entry["entity"]) == ("person:p-cfo", "log") and "pay" not in entry
    data = entry["data"]
    assert data["population"] == frozen.facts() and data["plan"]["seed"] == "dice 5 5 1" and data["plan"]["tolerable"] == "0.5"
    assert data["sample"] == hashlib.sha256("\n".join(one.item for one in sample.drawn).encode()).hexdigest()
    assert draw(frozen.items, Plan.read(data["plan"])) == sample and data["drawn"] == len(sample.drawn) < 5
    assert population(world).items == frozen.items, "the entry itself changes no population"
    page = cover(frozen, sample, ["told"], Reader(words=ENGLISH, names={}), proven_up_to=0)
    assert frozen.digest in page and frozen.root in page and "none yet" in page and f"papers/{len(sample.drawn):03d}.md" in page
    assert json.dumps(data).count("Controller") == 0 and not world.find(OutboxEntry, kind="slack_post")
