"""Open orders handed over after limits changed: each change once, in a file the ERP gets once, whatever crashes or runs twice."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pandas as pd
import pytest
from decision_world import NOON, TODAY, World
from sqlalchemy import create_engine, text
from test_apply import approved

from credit_review.adapters import keepsakes
from credit_review.adapters.order_desk import NullOrderDesk, OrderDrop, OrderTable
from credit_review.errors import BadInput, Tampered, Unavailable
from credit_review.exposure.order_list import COLUMNS
from credit_review.limits.layers import limit_on
from credit_review.messages import Company, renderer
from credit_review.model.records import LimitAccount, LimitChange, OutboxEntry
from credit_review.report.spreadsheet import safe_csv
from credit_review.review.order_hand_off import Listed, hand_off, owe_orders
from credit_review.review.relay import GIVE_UP_AFTER, Outside, relay, requeue
from credit_review.review.showing import Showing
from credit_review.words import Words

ROW = dict.fromkeys(COLUMNS, "") | {"list": "release", "customer_id": "c-0", "document": "=SO-1", "amount_minor": 5, "inside_minor": 5}


class Kitchen:
    """Makes lists of fixed content and keeps them in memory; says what it was asked."""

    def __init__(self):
        self.asked, self.files = [], {}

    def make(self, asked):
        self.asked.append(asked)
        rows = [{**ROW, "customer_id": one.customer_id} for one in asked]
        frame = pd.DataFrame(rows, columns=list(COLUMNS))
        frame = frame.astype({n: "Int64" for n in ("amount_minor", "inside_minor")} | {"outside_minor": "str"})
        return Listed(text=safe_csv(frame), review_id="r-1", snapshot="s" * 64, as_of=TODAY, lines={"release": len(rows)})

    def keep(self, name, text):
        self.files[name] = text

    def read(self, name, sha):
        assert sha256(self.files[name].encode()).hexdigest() == sha
        return self.files[name]


@pytest.fixture
def world(store, clock):
    clock.set(NOON)
    return World(store)


def in_force(world, n=1, **fields):
    for i in range(n):
        world.apply(approved(world, f"c-{i}", **{"had": 10_000_00, "to": 12_000_00, **fields}))


def hand(world, clock, kitchen, *, taken=True):
    return hand_off(world.store, clock, zone=UTC, make=kitchen.make, keep=kitchen.keep, taken=taken)


def send(world, clock, desk, **about):
    return relay(world.store, Outside(orders=desk, owner_id="p-analyst", **about), clock, worker="w-1")


def test_all_changes_that_are_due_are_handed_over_in_one_list_once_with_one_entry(world, clock):
    in_force(world, 3)
    kitchen = Kitchen()
    done = hand(world, clock, kitchen)
    (batch,) = done.batches
    assert (done.changes, done.lines) == (3, {"release": 3})
    assert [one.customer_id for one in kitchen.asked[0]] == ["c-0", "c-1", "c-2"]
    one = kitchen.asked[0][0]
    before = [layer for layer in one.recorded.layers if (layer.key, layer.version) not in one.changes]
    assert [limit_on(some, TODAY).amount_minor for some in (before, one.recorded.layers)] == [10_000_00, 12_000_00]
    (entry,), ((name, kept),) = world.entries("orders.listed"), kitchen.files.items()
    assert entry["entity"] == f"orders:{batch}" and entry["data"]["file"] == name and len(entry["data"]["of"]) == 3
    assert entry["data"]["sha256"] == sha256(kept.encode()).hexdigest()
    assert hand(world, clock, kitchen).batches == () and len(kitchen.asked) == 1
    assert {row.state for row in world.owed("orders")} == {"confirmed"} and len(world.owed("order_list")) == 1


def test_a_change_that_takes_effect_later_is_looked_at_on_its_day_and_not_before(world, clock):
    begins = TODAY + timedelta(days=9)
    in_force(world, effective_from=begins)
    kitchen = Kitchen()
    assert hand(world, clock, kitchen).changes == 0 and kitchen.asked == []
    clock.set(datetime.combine(begins, datetime.min.time(), tzinfo=UTC))
    assert hand(world, clock, kitchen).changes == 1


def test_where_no_erp_takes_lists_nothing_is_made_and_what_was_due_is_counted(world, clock):
    in_force(world, 2)
    kitchen = Kitchen()
    assert hand(world, clock, kitchen, taken=False).unheard == 2 and kitchen.asked == []
    assert {json.loads(row.confirmed_json)["code"] for row in world.owed("orders")} == {"nobody_takes_it"}
    assert hand(world, clock, kitchen).changes == 0


def test_a_crash_before_the_transaction_makes_the_same_list_again_under_the_same_name(world, clock):
    in_force(world, 2)
    kitchen = Kitchen()

    def dies(name, text):
        kitchen.keep(name, text)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        hand_off(world.store, clock, zone=UTC, make=kitchen.make, keep=dies, taken=True)
    assert len(kitchen.files) == 1 and world.owed("order_list") == [] and world.entries("orders.listed") == []
    assert hand(world, clock, kitchen).changes == 2
    assert len(kitchen.files) == 1 and len(world.entries("orders.listed")) == 1


def test_files_that_cannot_be_read_leave_everything_due(world, clock):
    in_force(world)

    def fails(asked):
        raise Tampered("states is missing", expected="a file")

    with pytest.raises(Tampered):
        hand_off(world.store, clock, zone=UTC, make=fails, keep=Kitchen().keep, taken=True)
    assert [row.state for row in world.owed("orders")] == ["queued"]


def test_two_runs_at_once_hand_over_each_change_once(world, clock):
    in_force(world, 4)
    kitchens, both = [Kitchen(), Kitchen()], threading.Barrier(2)

    def run(kitchen):
        def make(asked):
            if not kitchen.asked:
                both.wait(20)
            return Kitchen.make(kitchen, asked)

        return hand_off(world.store, clock, zone=UTC, make=make, keep=kitchen.keep, taken=True)

    with ThreadPoolExecutor(2) as pool:
        assert sorted(done.changes for done in pool.map(run, kitchens)) == [0, 4], "the other run finds nothing left, and no fault"
    assert len(world.entries("orders.listed")) == 1 and len(world.owed("order_list")) == 1


def test_orders_of_every_member_are_looked_at_when_a_groups_shared_limit_changes(world, clock):
    world.group("g-1", "c-0", "c-1")
    for customer in ("c-0", "c-1"):
        world.limit(customer, 10_000_00)
    account = LimitAccount(account_id="a-g", subject_kind="group", subject_id="g-1", legal_entity="ALL", layer="group", currency="EUR")
    change = replace(world.find(LimitChange)[0], change_id="c-g", account_id="a-g", new_minor=15_000_00)
    world.write(account, change)
    with world.store.begin() as uow:
        owe_orders(uow, change, NOON)
        uow.commit()
    kitchen = Kitchen()
    hand(world, clock, kitchen)
    assert [one.customer_id for one in kitchen.asked[0]] == ["c-0", "c-1"]


# --- delivery -----------------------------------------------------------------------------------------------------------------------


@pytest.fixture(params=["null", "drop", "sqlite table", "postgresql table"])
def desk_of(request, tmp_path):
    """Makes the desk for a kitchen, and reads what the ERP has of a batch: its lines' documents."""
    if request.param == "null":
        yield lambda kitchen: (desk := NullOrderDesk(kitchen.read), lambda batch: desk.lists[batch].count("=SO-1"))
        return
    if request.param == "drop":

        def there(batch):
            return sum(path.read_text().count("'=SO-1") for path in (tmp_path / "orders").glob(f"orders-{batch}-*.csv"))

        yield lambda kitchen: (OrderDrop(tmp_path, kitchen.read), there)
        return
    url = f"sqlite:///{tmp_path / 'erp.db'}" if "sqlite" in request.param else request.getfixturevalue("postgres_url")
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))

    def rows(batch):
        with engine.connect() as connection:
            query = text("SELECT document FROM limits_orders WHERE batch = :b AND line > 0")
            found = connection.execute(query, {"b": batch}).scalars().all()
        assert set(found) <= {"=SO-1"}, "the table has texts as the ledger has them"
        return len(found)

    def opened(kitchen):
        desk = OrderTable(engine, "limits_orders", kitchen.read)
        desk.create()
        return desk, rows

    yield opened
    engine.dispose()


def test_the_erp_gets_a_list_once_and_a_lost_answer_brings_no_second(sqlite_store, clock, desk_of):
    world, kitchen = World(sqlite_store), Kitchen()
    in_force(world, 2)
    (batch,) = hand(world, clock, kitchen).batches
    desk, there = desk_of(kitchen)
    payload = json.loads(world.one(OutboxEntry, kind="order_list").payload_json)
    assert desk.take(payload) == {"outcome": "written"}, "the answer of this one is lost"
    assert send(world, clock, desk).confirmed and there(batch) == 2
    (entry,) = world.entries("orders.confirmed")
    assert entry["entity"] == f"orders:{batch}" and entry["data"]["outcome"] == "held"
    assert send(world, clock, desk).confirmed == ()


def test_a_list_that_the_erp_took_away_is_not_dropped_again(tmp_path):
    kitchen = Kitchen()
    kitchen.keep("orders-h-1-x.csv", "a")
    listed = {"batch": "h-1", "file": "orders-h-1-x.csv", "sha256": sha256(b"a").hexdigest()}
    desk = OrderDrop(tmp_path, kitchen.read)
    desk.take(listed)
    (tmp_path / "orders" / "orders-h-1-x.csv").unlink()
    assert desk.take(listed) == {"outcome": "held"} and not (tmp_path / "orders" / "orders-h-1-x.csv").exists()


def test_a_table_that_is_not_there_is_named_with_the_command_that_makes_it(tmp_path):
    desk = OrderTable(create_engine(f"sqlite:///{tmp_path / 'erp.db'}"), "limits_orders", lambda name, sha: safe_csv(pd.DataFrame([ROW])))
    with pytest.raises(BadInput) as refused:
        desk.take({"batch": "h-1", "file": "f", "sha256": ""})
    assert "db write-back" in refused.value.next_step


def test_a_kept_list_that_was_changed_is_not_delivered(tmp_path):
    keepsakes.keep(tmp_path, keepsakes.ORDER_LISTS, "orders-h-1-x.csv", "a\r\n")
    digest = sha256(b"a\r\n").hexdigest()
    assert keepsakes.kept(tmp_path, keepsakes.ORDER_LISTS, "orders-h-1-x.csv", digest) == "a\r\n"
    (tmp_path / "hand-offs" / "orders-h-1-x.csv").write_text("b")
    with pytest.raises(Tampered):
        keepsakes.kept(tmp_path, keepsakes.ORDER_LISTS, "orders-h-1-x.csv", digest)


def test_a_list_the_erp_refuses_is_parked_named_to_the_owner_and_sent_once_mended(world, clock):
    in_force(world)
    kitchen = Kitchen()
    hand(world, clock, kitchen)
    good = NullOrderDesk(kitchen.read)

    class Bad:
        name = "bad"

        def take(self, listed):
            raise BadInput("no such table")

    (parked,) = send(world, clock, Bad()).parked
    (entry,) = world.entries("orders.parked")
    assert entry["data"]["owner"] == "p-analyst" and entry["data"]["attempts"] == 1
    notice = json.loads(world.one(OutboxEntry, kind="slack_post").payload_json)
    with world.store.read() as uow:
        shown = renderer(clock, Company(Words()))(uow, Showing(notice["subject"], notice["address"], notice))
    assert "list of open orders" in json.dumps(shown.blocks) and "no such table" in json.dumps(shown.blocks)
    with world.store.begin() as uow:
        assert requeue(uow, parked, by="p-analyst", now=clock.now())
        uow.commit()
    assert world.entries("orders.requeued") and send(world, clock, good).confirmed == (parked,)
    assert len(good.effects) == 1


def test_an_erp_that_does_not_answer_is_tried_for_a_day_and_limits_still_go_their_own_way(world, clock):
    in_force(world)
    hand(world, clock, Kitchen())

    class Silent:
        name = "silent"

        def take(self, listed):
            raise Unavailable("no answer")

    for _ in range(6):
        assert send(world, clock, Silent()).parked == ()
        clock.set(clock.now() + timedelta(hours=1, minutes=1))
    clock.set(NOON + GIVE_UP_AFTER + timedelta(minutes=1))
    assert len(send(world, clock, Silent()).parked) == 1
