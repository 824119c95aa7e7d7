"""Flows as plain functions: tasks are called directly, buckets one after the other, artifacts go nowhere. For tests that run hundreds."""

from __future__ import annotations

from prefect import Task

from tasks import artifacts, assess, progress, validate


def apply(patch):
    """Take Prefect out of our flows, for as long as `patch` (a pytest MonkeyPatch) lasts; start a flow with `FLOW.fn(...)`."""

    def call(task, *given, **named):
        return task.fn(*given, **named)

    def one_by_one(task, plan, stage):
        return [task.fn(plan=plan, bucket=bucket) for bucket in range(plan.buckets)]

    patch.setattr(Task, "__call__", call)
    for module in (validate, assess):
        patch.setattr(module, "over_buckets", one_by_one)
    for module in (artifacts, progress):
        for name in [name for name in vars(module) if name.endswith("_artifact")]:
            patch.setattr(module, name, lambda *given, **named: None)
