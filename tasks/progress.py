"""How a long run tells where it is: a log record for whoever watches, a line a stage in stages.jsonl, a progress artifact in Prefect."""

from __future__ import annotations

import gc
import json
import logging
import resource
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar
from uuid import UUID

from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.futures import PrefectFuture, as_completed

LOG = logging.getLogger("credit_review.progress")
T = TypeVar("T")


@dataclass(slots=True)
class Stage:
    """A stage under way: `rows` handled, `done` of `total` parts."""

    name: str
    total: int
    done: int = 0
    rows: int = 0
    artifact: UUID | None = None
    notes: list[str] = field(default_factory=list)

    def say(self, note: str) -> None:
        """Tell the watcher something short."""
        LOG.info("%s: %s", self.name, note, extra={"stage": self.name, "done": self.done, "total": self.total, "note": note})

    def advance(self, parts: int = 1) -> None:
        """Count finished parts."""
        self.done += parts
        LOG.info("%s", self.name, extra={"stage": self.name, "done": self.done, "total": self.total})
        if self.artifact is not None:
            update_progress_artifact(self.artifact, progress=round(100.0 * self.done / max(self.total, 1), 1))

    def each(self, futures: Iterable[PrefectFuture[T]]) -> list[T]:
        """Results of mapped bucket tasks in submission order, counting each as it finishes; the first failure is raised."""
        waiting = list(futures)
        for finished in as_completed(waiting):
            finished.result()
            self.advance()
        return [future.result() for future in waiting]


@contextmanager
def stage(name: str, *, folder: Path | None = None, total: int = 1, in_prefect: bool = False) -> Iterator[Stage]:
    """Announce a stage, yield it, and record its seconds, rows and peak memory (bytes, of this process) in `folder`/stages.jsonl."""
    current = Stage(name, total)
    if in_prefect and total > 1:
        current.artifact = create_progress_artifact(progress=0.0, key=name.replace(" ", "-").lower(), description=name)  # type: ignore[assignment]
    LOG.info("%s", name, extra={"stage": name, "done": 0, "total": total})
    started = time.perf_counter()
    # libraries, mostly, are a million objects that outlive the stage: the collector need not walk through them again and again
    gc.freeze()
    try:
        yield current
    finally:
        gc.unfreeze()
    seconds = time.perf_counter() - started
    LOG.info("%s", name, extra={"stage": name, "done": total, "total": total, "seconds": seconds})
    if folder is not None:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        line = {"stage": name, "seconds": round(seconds, 3), "rows": current.rows, "peak_rss_bytes": peak}
        with (folder / "stages.jsonl").open("a", encoding="utf-8") as out:
            out.write(json.dumps(line) + "\n")
