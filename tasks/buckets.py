"""Work mapped over customer buckets, on threads, processes or a Dask cluster: the same tasks, the same files, the same bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prefect.task_runners import ProcessPoolTaskRunner, TaskRunner, ThreadPoolTaskRunner
from prefect.utilities.annotations import unmapped

from credit_review.errors import BadInput
from tasks.progress import Stage

if TYPE_CHECKING:
    from prefect import Task

    from tasks.plan import Plan


def runner(plan: Plan) -> TaskRunner[Any]:
    """The task runner that the settings name. Raises BadInput when Dask is asked for and not installed."""
    if plan.runner == "processes":
        return ProcessPoolTaskRunner(max_workers=plan.workers)
    if plan.runner == "dask":
        try:
            from prefect_dask import DaskTaskRunner
        except ModuleNotFoundError:
            raise BadInput("the runner dask needs prefect-dask", next_step="install credit-review[dask], or set review.runner") from None
        return DaskTaskRunner(cluster_kwargs={"n_workers": plan.workers, "threads_per_worker": 1, "processes": True})
    return ThreadPoolTaskRunner(max_workers=plan.workers)


def over_buckets(task: Task[..., Any], plan: Plan, stage: Stage) -> list[Any]:
    """Results of `task(plan, bucket)` for every bucket, in bucket order. The first failure is raised; nothing is dropped."""
    with runner(plan) as running:
        futures = running.map(task, {"plan": unmapped(plan), "bucket": list(range(plan.buckets))})
        return stage.each(futures)
