"""Flows as plain functions: tasks are called directly, buckets one after the other, artifacts go nowhere. For tests that run hundreds."""

from __future__ import annotations

import pickle
from dataclasses import replace
from hashlib import sha256

from prefect import Flow, Task
from prefect.states import Failed

from credit_review.model.states import DocumentOfRecord
from expectations import gate
from tasks import artifacts, assess, canaries, progress, validate


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


def run_flows(patch):
    """As `apply`; and a flow that is called runs as a plain function, whose end or error is a state as Prefect's callers get it."""
    apply(patch)

    def call(flow, *given, return_state, **named):
        assert return_state
        try:
            return flow.fn(*given, **named)
        except Exception as error:
            return Failed(message=str(error), data=error)

    patch.setattr(Flow, "__call__", call)
    ride_once(patch)


RODE = {}


def ride_once(patch):
    """The canaries' result is computed once for the same documents and day, on which alone it depends."""
    ride = canaries.result_of

    def result_of(plan):
        kinds = (DocumentOfRecord.POLICY, DocumentOfRecord.SCORECARD, DocumentOfRecord.AUTHORITY)
        key = (plan.as_of, plan.kind, *(plan.workspace.document(kind).digest for kind in kinds))
        if key not in RODE:
            RODE[key] = ride(plan)
        return RODE[key]

    patch.setattr(canaries, "result_of", result_of)


CHECKED = {}


def check_once(patch):
    """The gate's answer is asked for once for the same suite, rows and context, on which alone it depends."""
    check = gate.check

    def answer(dataset, frame, *, context):
        suite = gate.SUITES[dataset]
        key = (id(suite), sha256(pickle.dumps(frame)).digest(), context)
        if key not in CHECKED:
            CHECKED[key] = suite, check(dataset, frame, context=context)  # the suite lives on, so that its id stays its own
        found = CHECKED[key][1]
        return replace(found, clean=found.clean.copy(), quarantine=found.quarantine.copy())

    patch.setattr(gate, "check", answer)
