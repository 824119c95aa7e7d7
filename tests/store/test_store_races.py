"""Several at once, on both databases: nobody is lost, nothing happens twice, and a killed process holds nobody up."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import text
from store_rows import NOW, account, decision, effect, maker, proposal, put, review

from credit_review.adapters.clock import SystemClock
from credit_review.adapters.store import engine, schema
from credit_review.adapters.store.engine import WRITE_BUDGET, open_engine
from credit_review.adapters.store.log import SqlLog
from credit_review.adapters.store.models import Base
from credit_review.adapters.store.roles import create_roles, role_statements
from credit_review.adapters.store.unit_of_work import open_store
from credit_review.adapters.store.verify import verify_log
from credit_review.adapters.store.writer_queue import WriterQueue
from credit_review.errors import BadInput, Conflict, Unavailable
from credit_review.model.records import AuditRow, Decision, InboxEntry, LimitAccount, Maker, OutboxEntry, Proposal, Review
from credit_review.ports import Entry
from credit_review.review import keeping

ENTRY = Entry(action="run.started", actor="system:test", entity="review:r-1", data={"n": 1})
PREAMBLE = """
import os, signal, sys
from credit_review.adapters.clock import SystemClock
from credit_review.adapters.store.unit_of_work import open_store
from credit_review.model.records import InboxEntry
from credit_review.ports import Entry
clock = SystemClock()
store = open_store(sys.argv[1], clock)
ENTRY = Entry(action="run.started", actor="system:test", entity="review:r-1", data={"n": 1})
"""


def process(url, body):
    """A real process that has a store; its standard output is ours to read."""
    code = PREAMBLE + textwrap.dedent(body)
    return subprocess.Popen([sys.executable, "-c", code, url], stdout=subprocess.PIPE, text=True)


def at_once(*calls):
    """The outcomes of calls that start together: what they return, or the Conflict or Unavailable they raise."""
    start = threading.Barrier(len(calls))

    def run(call):
        start.wait()
        try:
            return call()
        except (Conflict, Unavailable) as error:
            return error

    with ThreadPoolExecutor(len(calls)) as pool:
        return [future.result() for future in [pool.submit(run, call) for call in calls]]


# --- the log ------------------------------------------------------------------------------------------------------------------------


def test_appenders_never_fork_and_every_acknowledged_entry_is_there(store):
    def append():
        return [put(store, entries=[ENTRY] * (1 + number % 3)) for number in range(12)]

    seqs = [seq for outcome in at_once(*[append] * 6) for batch in outcome for seq in batch]
    assert sorted(seqs) == list(range(len(seqs))) and len(seqs) == 6 * 24
    assert verify_log(store.engine).size == len(seqs)


@pytest.mark.crash
def test_twenty_writers_are_killed_and_no_acknowledged_entry_is_lost_nor_does_the_log_fork(store, store_url):
    body = """
    while True:
        with store.begin() as uow:
            uow.append(ENTRY, ENTRY)
            seqs = uow.commit()
        print(*seqs, flush=True)
    """
    seqs = set()
    for _ in range(5):
        writers = [process(store_url, body) for _ in range(4)]
        acknowledged = [[one.stdout.readline()] for one in writers]
        time.sleep(0.1)
        for one in writers:
            one.send_signal(signal.SIGKILL)
        for lines, one in zip(acknowledged, writers, strict=True):
            lines += one.stdout.read().splitlines()
            one.wait()
        assert put(store, entries=[ENTRY]), "or Unavailable, where a killed writer holds the queue"
        seqs |= {int(seq) for lines in acknowledged for line in lines for seq in line.split()}
        found = verify_log(store.engine)
        assert found.consistent and seqs < set(range(found.size)), "an acknowledged entry is missing"


# --- deciders -----------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def book(store):
    put(store, review(), *(account(f"acc-{n}") for n in range(10)))
    put(store, *(proposal(f"p-{n}", account_id=f"acc-{n}") for n in range(10)))
    return store


def test_one_delivery_arriving_five_times_at_once_is_handled_once(book):
    def click(round_):
        def handle():
            with book.begin() as uow:
                if not uow.add_if_absent(InboxEntry(delivery_key=f"k-{round_}", outcome_json='"approved"', at=NOW)):
                    return uow.get(InboxEntry, delivery_key=f"k-{round_}").outcome_json
                uow.add(effect(f"o-{round_}"))
                uow.append(ENTRY)
                return uow.commit()

        return handle

    for round_ in range(10):
        outcomes = at_once(*[click(round_)] * 5)
        assert sum(isinstance(one, tuple) for one in outcomes) == 1, outcomes
        assert [one for one in outcomes if not isinstance(one, tuple)] == ['"approved"'] * 4
    with book.read() as uow:
        assert len(uow.find(OutboxEntry)) == len(uow.find(AuditRow)) == 10


def test_the_same_person_deciding_twice_at_once_decides_once(book):
    for n in range(10):
        of = proposal(f"p-{n}")
        outcomes = at_once(*[lambda of=of, key=key: put(book, decision(of, delivery_key=f"{of.proposal_id}-{key}")) for key in range(4)])
        assert sum(isinstance(one, Conflict) for one in outcomes) == 3, outcomes
    with book.read() as uow:
        assert len(uow.find(Decision)) == 10


def test_principal_and_delegate_at_once_are_one_approval(book):
    for n in range(10):
        of = proposal(f"p-{n}")
        outcomes = at_once(
            lambda of=of: put(book, decision(of, "principal")),
            lambda of=of: put(book, decision(of, "delegate", on_behalf_of="principal")),
        )
        assert sum(isinstance(one, Conflict) for one in outcomes) == 1, outcomes


def test_nobody_becomes_maker_and_approver_at_once(book):
    for n in range(10):
        of = proposal(f"p-{n}")
        outcomes = at_once(lambda of=of: put(book, decision(of, "p-7")), lambda of=of: put(book, maker(of, "p-7")))
        assert sum(isinstance(one, Conflict) for one in outcomes) == 1, outcomes
    with book.read() as uow:
        assert {one.proposal_id for one in uow.find(Maker)}.isdisjoint(one.proposal_id for one in uow.find(Decision))


def test_two_reviews_of_one_day_at_once_leave_one(store):
    outcomes = at_once(*[lambda n=n: put(store, review(f"r-{n}", scope="all")) for n in range(5)])
    assert sum(isinstance(one, Conflict) for one in outcomes) == 4
    assert all("one_live_review" in str(one) for one in outcomes if isinstance(one, Conflict))


def test_a_locked_row_is_read_after_the_other_has_committed(book):
    def approve_once():
        with book.begin() as uow:
            if uow.get(Proposal, proposal_id="p-0", lock=True).state != "pending":
                return "late"
            time.sleep(0.05)
            uow.change(Proposal, where={"proposal_id": "p-0"}, to={"state": "approved"})
            return uow.commit()

    assert sorted(map(str, at_once(*[approve_once] * 3))) == ["()", "late", "late"]


# --- crashes ------------------------------------------------------------------------------------------------------------------------


@pytest.mark.crash
@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_process_killed_around_its_commit_leaves_all_or_nothing_and_frees_the_queue(store, store_url, moment):
    body = """
    with store.begin() as uow:
        uow.add(InboxEntry(delivery_key="k", outcome_json="{}", at=clock.now()))
        uow.append(ENTRY)
        """ + ("uow.commit()" if moment == "after" else "pass") + """
        print("now", flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    """  # fmt: skip
    other = process(store_url, body)
    assert other.stdout.readline() == "now\n"
    assert other.wait() == -signal.SIGKILL
    start = time.monotonic()
    put(store, entries=[ENTRY])
    assert time.monotonic() - start < 1.4
    with store.read() as uow:
        assert bool(uow.get(InboxEntry, delivery_key="k")) is (moment == "after")
        assert len(uow.find(AuditRow)) == (2 if moment == "after" else 1)
    assert verify_log(store.engine).consistent


def test_a_click_that_gets_no_turn_is_told_so_within_its_budget_and_stores_nothing(store):
    with store.begin() as holder:
        holder.add(review())
        if store.engine.dialect.name == "postgresql":
            holder._connection.execute(text("SELECT 1 FROM audit_head FOR UPDATE")).all()
        start = time.monotonic()
        (outcome,) = at_once(lambda: put(store, effect(), entries=[ENTRY]))
        assert isinstance(outcome, Unavailable) and 1.2 < time.monotonic() - start < 2.5
        holder.commit()
    with store.read() as uow:
        assert uow.find(OutboxEntry) == [] and len(uow.find(Review)) == 1


def test_a_writing_transaction_holds_the_file_from_its_beginning(sqlite_store):
    """Begun deferred, it would fail with BUSY_SNAPSHOT when a writer outside the queue came between its reads and its writes."""
    file = sqlite_store.engine.url.database
    with sqlite_store.begin() as uow, closing(sqlite3.connect(file, timeout=0)) as outsider:
        assert uow.find(Review) == []
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            outsider.execute("BEGIN IMMEDIATE")
        uow.add(review())
        uow.commit()


def test_the_place_is_free_after_the_commit_not_only_after_the_block(store):
    with store.begin() as uow:
        uow.add(effect("o-1"))
        uow.commit()
        put(store, effect("o-2"))


# --- the queue of writers -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def queue(tmp_path):
    return WriterQueue(tmp_path / "x.db.writers")


def line_up(queue, order, name, *, interactive, before=0.0):
    """A thread that waits for its turn and notes it; returns once it stands in line."""

    def wait():
        with queue.turn(interactive=interactive, budget=10):
            order.append(name)

    thread = threading.Thread(target=wait)
    seen = len(queue.waiting())
    thread.start()
    while len(queue.waiting()) == seen:
        time.sleep(0.001)
    return thread


def test_writers_enter_in_order_of_arrival_and_people_before_bulk_steps(queue):
    order = []
    with queue.turn(interactive=False, budget=1):
        threads = [line_up(queue, order, f"bulk {n}", interactive=False) for n in range(3)]
        threads += [line_up(queue, order, f"click {n}", interactive=True) for n in range(3)]
    for thread in threads:
        thread.join()
    assert order == ["click 0", "click 1", "click 2", "bulk 0", "bulk 1", "bulk 2"]
    assert queue.waiting() == []


def test_the_place_is_held_by_one_at_a_time(queue):
    inside = []

    def enter():
        for _ in range(10):
            with queue.turn(interactive=True, budget=10):
                inside.append(1)
                assert len(inside) == 1
                inside.pop()
        return True

    assert at_once(*[enter] * 6) == [True] * 6


def test_a_turn_that_does_not_come_is_given_up_and_leaves_no_ticket(queue):
    with queue.turn(interactive=True, budget=1):
        start = time.monotonic()
        with pytest.raises(Unavailable, match="busy"), queue.turn(interactive=True, budget=0.2):
            pass
        assert 0.15 < time.monotonic() - start < 1
        assert queue.waiting() == []


@pytest.mark.crash
@pytest.mark.parametrize("where", ["inside", "in line"])
def test_a_killed_process_leaves_the_queue_by_itself(queue, where):
    script = """
    import sys, time
    from pathlib import Path
    from credit_review.adapters.store.writer_queue import WriterQueue
    queue = WriterQueue(Path(sys.argv[1]))
    print("up", flush=True)
    with queue.turn(interactive=True, budget=60):
        print("in", flush=True)
        time.sleep(60)
    """
    command = [sys.executable, "-c", textwrap.dedent(script), str(queue._folder)]
    if where == "inside":
        other = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert [other.stdout.readline() for _ in range(2)] == ["up\n", "in\n"]
        os.kill(other.pid, signal.SIGKILL)
        other.wait()
    else:
        with queue.turn(interactive=True, budget=1):
            other = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
            assert other.stdout.readline() == "up\n"
            while not queue.waiting():
                time.sleep(0.005)
            os.kill(other.pid, signal.SIGKILL)
            other.wait()
            assert len(queue.waiting()) == 1
    start = time.monotonic()
    with queue.turn(interactive=False, budget=2):
        assert time.monotonic() - start < 0.5
    assert queue.waiting() == []


def test_a_forked_child_does_not_keep_the_place(queue):
    with queue.turn(interactive=True, budget=1):
        pid = os.fork()
        if pid == 0:
            time.sleep(2)
            os._exit(0)
    try:
        with queue.turn(interactive=True, budget=0.5):
            pass
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def test_who_only_reads_needs_no_queue(sqlite_store):
    folder = Path(sqlite_store.engine.url.database + ".writers")
    with sqlite_store.read() as uow:
        assert uow.find(Review) == []
    assert not folder.exists()
    folder.touch()
    with pytest.raises(Unavailable, match="beside the database"):
        put(sqlite_store, effect())


def test_a_ticket_nobody_showed_is_swept_after_an_hour(queue):
    stale = queue._folder / "unborn-1"
    stale.touch()
    os.utime(stale, (0, 0))
    fresh = queue._folder / "unborn-2"
    fresh.touch()
    WriterQueue(queue._folder)
    assert not stale.exists() and fresh.exists()


# --- deadlines ----------------------------------------------------------------------------------------------------------------------


def test_nothing_is_stored_after_the_deadline(store):
    """Whoever was told that it failed must not find it done later."""
    with pytest.raises(Unavailable, match="not stored"), store.begin(deadline=time.monotonic() + 0.2) as uow:
        uow.add(InboxEntry(delivery_key="late", outcome_json="{}", at=NOW))
        uow.append(ENTRY)
        time.sleep(0.3)
        uow.commit()
    with pytest.raises(Unavailable, match="not stored"), store.begin(deadline=time.monotonic() - 1):
        raise AssertionError("it was let in")
    with store.read() as uow:
        assert uow.find(InboxEntry) == [] and uow.find(AuditRow) == []
    with store.begin(deadline=time.monotonic() + 60) as uow:
        uow.add(InboxEntry(delivery_key="in time", outcome_json="{}", at=NOW))
        uow.commit()


def test_a_click_waits_for_all_its_locks_together_as_long_as_for_one(postgres_store):
    """Each lock alone would come in time; a click that waited for both would be answered after Slack gave up."""
    put(postgres_store, account("acc-1"), account("acc-2"))

    def holds(account_id, seconds, held):
        with postgres_store.begin(interactive=False) as uow:
            uow.get(LimitAccount, account_id=account_id, lock=True)
            held.wait()
            time.sleep(seconds)

    held = threading.Barrier(3)
    holders = [threading.Thread(target=holds, args=given) for given in (("acc-1", 0.9, held), ("acc-2", 2.3, held))]
    for thread in holders:
        thread.start()
    held.wait()
    with pytest.raises(Unavailable, match=r"busy|lock"), postgres_store.begin() as uow:
        uow.get(LimitAccount, account_id="acc-1", lock=True)
        uow.get(LimitAccount, account_id="acc-2", lock=True)
        uow.commit()
    for thread in holders:
        thread.join()


class Silent:
    """What a network that dropped a connection shows of it: nothing."""

    def register(self, *_):
        pass

    def poll(self, *_):
        return []


@pytest.mark.parametrize("by", ["the server, which says so", "a network that says nothing"])
def test_a_connection_that_ended_while_nobody_used_it_is_replaced(postgres_store, postgres_administrator, monkeypatch, by):
    """A server that was restarted must not cost the next person's click."""
    put(postgres_store, account("acc-1"))
    if by.startswith("a network"):
        monkeypatch.setattr(engine.select, "poll", Silent)
        monkeypatch.setattr(engine, "IDLE_AND_TRUSTED", 0.0)
    database = postgres_store.engine.url.database
    postgres_administrator.execute("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s", [database])
    put(postgres_store, account("acc-2"), entries=[ENTRY])
    with postgres_store.read() as uow:
        assert len(uow.find(LimitAccount)) == 2


# --- roles of PostgreSQL -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def roles(postgres_store, postgres_url):
    """The roles in this test's database, as a function from a role to a URL that has taken it."""
    prefix = postgres_store.engine.url.database[:20]
    create_roles(postgres_store.engine, prefix)
    join = "&" if "?" in postgres_url else "?"
    yield lambda role: f"{postgres_url}{join}options=-crole%3D{prefix}_{role}"
    postgres_store.engine.dispose()
    with open_engine(postgres_url).connect().execution_options(**{WRITE_BUDGET: 5}) as connection:
        for role in ("owner", "app", "auditor", "notary"):
            connection.execute(text(f"REASSIGN OWNED BY {prefix}_{role} TO postgres"))
            connection.execute(text(f"DROP OWNED BY {prefix}_{role}"))
            connection.execute(text(f"DROP ROLE {prefix}_{role}"))
        connection.commit()


def denied(url, statement):
    engine = open_engine(url)
    with (
        engine.connect().execution_options(**{WRITE_BUDGET: 5}) as connection,
        pytest.raises(Exception, match=r"permission denied|must be owner"),
    ):
        connection.execute(text(statement))
    engine.dispose()


def test_the_application_can_work_but_not_rewrite(roles):
    app = open_store(roles("app"), SystemClock())
    put(
        app, review(), account("acc-1"), proposal(), entries=[ENTRY, Entry(action="run.started", actor="a", entity="e", payload={"a": "b"})]
    )
    put(app, maker(proposal(), "p-3"), decision(proposal()))
    with app.begin() as uow:
        assert uow.get(Decision, proposal_id="p-1", approver_id="p-7", lock=True)
        assert uow.find(Proposal, lock=True)
        uow.change(Proposal, where={"proposal_id": "p-1"}, to={"state": "approved"})
        uow.commit()
    assert verify_log(app.engine).size == 2
    app.close()
    for statement in (
        "UPDATE audit_log SET actor = 'x'",
        "DELETE FROM audit_log",
        "TRUNCATE audit_log CASCADE",
        "ALTER TABLE audit_log DISABLE TRIGGER ALL",
        "SET session_replication_role = replica",
        "DROP TABLE audit_log",
        "DELETE FROM audit_head",
        "UPDATE audit_payload SET payload = NULL, salt = NULL",
        "INSERT INTO audit_checkpoint VALUES (1, 'x')",
        "INSERT INTO audit_log SELECT * FROM audit_log ON CONFLICT (seq) DO UPDATE SET actor = 'x'",
        "DELETE FROM limit_proposal",
        "UPDATE limit_change SET new_minor = 1",
        "UPDATE approval_decision SET approver_id = 'x'",
    ):
        denied(roles("app"), statement)


def test_the_auditor_reads_and_the_notary_stores_checkpoints_only(roles, postgres_store):
    put(postgres_store, entries=[ENTRY])
    assert verify_log(open_engine(roles("auditor"))).size == 1
    assert verify_log(open_engine(roles("notary"))).size == 1
    denied(roles("auditor"), "INSERT INTO inbox VALUES ('k', '{}', 't')")
    denied(roles("notary"), "SELECT * FROM limit_proposal")
    denied(roles("notary"), "UPDATE audit_head SET size = 9")
    with open_engine(roles("notary")).connect().execution_options(**{WRITE_BUDGET: 5}) as connection:
        connection.execute(text("INSERT INTO audit_checkpoint VALUES (1, 'note')"))
        connection.commit()


def test_a_migration_gives_the_roles_what_it_adds(roles, postgres_store, postgres_url):
    prefix = postgres_store.engine.url.database[:20]
    with open_engine(postgres_url).connect().execution_options(**{WRITE_BUDGET: 5}) as connection, connection.begin():
        # as a table of a later version is before anybody gave it away
        connection.execute(text("ALTER TABLE finding OWNER TO postgres"))
        connection.execute(text(f"REVOKE ALL ON finding FROM {prefix}_app, {prefix}_auditor"))
    denied(roles("auditor"), "SELECT * FROM finding")
    schema.upgrade(postgres_url)
    for role in ("auditor", "app"):
        with open_engine(roles(role)).connect() as connection:
            assert connection.execute(text("SELECT * FROM finding")).all() == []
    denied(roles("auditor"), "DELETE FROM finding")


def writes_nothing(url):
    """Every write to every table is refused."""
    for table in sorted(Base.metadata.tables):
        column = next(iter(Base.metadata.tables[table].columns)).name
        for statement in (f"INSERT INTO {table} DEFAULT VALUES", f"UPDATE {table} SET {column} = {column}", f"DELETE FROM {table}"):
            denied(url, statement)
    for statement in ("CREATE TABLE mine (x int)", "SET session_replication_role = replica", "TRUNCATE audit_log CASCADE"):
        denied(url, statement)


def test_a_migration_makes_the_auditors_role_which_reads_everything_and_writes_nothing(postgres_store, postgres_url):
    put(postgres_store, entries=[ENTRY])
    join = "&" if "?" in postgres_url else "?"
    auditor = f"{postgres_url}{join}options=-crole%3Dcredit_review_auditor"
    assert verify_log(open_engine(auditor)).size == 1
    writes_nothing(auditor)
    schema.upgrade(postgres_url)  # again: nothing is made twice
    assert verify_log(open_engine(auditor)).size == 1


def test_the_auditors_role_of_ones_own_prefix_writes_nothing_anywhere(roles):
    writes_nothing(roles("auditor"))


def test_a_role_prefix_is_a_plain_name(sqlite_store):
    for prefix in ("", "x; DROP", "X", "a" * 50):
        with pytest.raises(BadInput):
            role_statements(prefix)
    with pytest.raises(BadInput, match="PostgreSQL"):
        create_roles(sqlite_store.engine, "credit_review")


def test_the_clock_twins_give_aware_utc_times(clock):
    assert SystemClock().now().tzinfo is UTC and abs((SystemClock().now() - datetime.now(UTC)).total_seconds()) < 5
    assert clock.now().tzinfo is UTC
    with pytest.raises(ValueError, match="time zone"):
        clock.set(datetime(2026, 1, 1))  # noqa: DTZ001


def test_what_an_auditor_reads_is_asked_for_through_one_function_and_recorded_by_the_next_process_that_writes(roles, clock):
    auditor = SqlLog(open_engine(roles("auditor")))
    app = open_store(roles("app"), clock)
    assert not auditor.may_append() and SqlLog(app.engine).may_append() and keeping.take_up_reads(app, clock) == 0
    auditor.ask_for_read_entry("export", '{"since":0}')
    auditor.ask_for_read_entry("export", "not JSON, and a \u200b that does not print")
    for role in ("auditor", "app", "notary"):
        denied(roles(role), "INSERT INTO audit_read_request VALUES ('r', 't', 'a', 'w', 'b', NULL)")
    denied(roles("auditor"), "UPDATE audit_read_request SET account = 'somebody else'")
    denied(roles("auditor"), "CREATE OR REPLACE FUNCTION audit_read_requested(what text, about text) RETURNS void LANGUAGE sql AS ''")
    for role in ("app", "notary"):
        denied(roles(role), "SELECT audit_read_requested('export', '')")
    with pytest.raises(Exception, match="about_is_short"):
        auditor.ask_for_read_entry("export", "x" * 3000)
    assert keeping.take_up_reads(app, clock) == 2 and keeping.take_up_reads(app, clock) == 0
    with app.read() as uow:
        entries = [json.loads(row.body) for row in uow.find(AuditRow, action="audit.read")]
    assert [one["actor"] for one in entries] == ["account:postgres"] * 2, "the login role, whatever role it took"
    assert {one["data"]["about"] for one in entries} == {'{"since":0}', "not JSON, and a \u200b that does not print"}
    assert verify_log(auditor._engine).size == 2
    app.close()
