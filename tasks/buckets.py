"""Work mapped over customer buckets, on threads, processes or a Dask cluster: the same tasks, the same files, the same bytes."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from prefect.task_runners import ProcessPoolTaskRunner, TaskRunner, ThreadPoolTaskRunner
from prefect.utilities.annotations import unmapped

from tasks.progress import Stage

if TYPE_CHECKING:
    from prefect import Task

    from tasks.plan import Plan


class _Workers:
    """A task runner that starts when the first stage needs it and is then kept for the next ones."""

    def __init__(self, plan: Plan, until: ExitStack) -> None:
        self._plan, self._until = plan, until
        self._running: TaskRunner[Any] | None = None

    def running(self) -> TaskRunner[Any]:
        """The task runner, started by the first call."""
        if self._running is None:
            self._running = self._until.enter_context(runner(self._plan))
        return self._running


_KEPT: ContextVar[_Workers] = ContextVar("workers of the review under way")


@contextmanager
def workers(plan: Plan) -> Iterator[None]:
    """Keep the same workers for all bucket stages of the block: a new process takes longer to import than most buckets take to compute."""
    with ExitStack() as until:
        before = _KEPT.set(_Workers(plan, until))
        try:
            yield
        finally:
            _KEPT.reset(before)


def runner(plan: Plan) -> TaskRunner[Any]:
    """The task runner that the settings name."""
    if plan.runner == "processes":
        return ProcessPoolTaskRunner(max_workers=plan.workers)
    if plan.runner == "dask":
        from prefect_dask import DaskTaskRunner

        logging.getLogger("distributed").setLevel(logging.WARNING)  # it reports every connection
        return DaskTaskRunner(cluster_kwargs={"n_workers": plan.workers, "threads_per_worker": 1, "processes": True})
    return ThreadPoolTaskRunner(max_workers=plan.workers)


def over_buckets(task: Task[..., Any], plan: Plan, stage: Stage) -> list[Any]:
    """Results of `task(plan, bucket)` for every bucket, in bucket order, on the workers of the block `workers`.

    The first failure is raised; nothing is dropped.
    """
    futures = _KEPT.get().running().map(task, {"plan": unmapped(plan), "bucket": list(range(plan.buckets))})
    return stage.each(futures)
