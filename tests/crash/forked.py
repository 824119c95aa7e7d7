"""Runs cycles in forked children: this process imports everything once, opens nothing, and starts no thread.

One job a line on standard input, one answer a line on standard output, both JSON. A job names the configuration folder, environment
variables and what to do: `{"do": "run", "at": 7}` kills the child at its eighth point; `"new": FILE` kills it at the first point that
matches the pattern `"of"` and is not listed in FILE, which then lists it; neither runs it through. `{"do": "look"}` answers with what
is left behind.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import re
import signal
import sys
import traceback
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "flows"))

IMPORTED_ONCE = (
    "great_expectations.expectations", "matplotlib.pyplot", "matplotlib.backends.backend_svg", "pyarrow.parquet", "pyarrow.csv",
    "expectations.gate", "credit_review.exposure", "credit_review.limits", "credit_review.scoring", "credit_review.completeness",
    "credit_review.report", "credit_review.adapters.write_back", "credit_review.adapters.reading", "psycopg", "tasks.reporting",
    "sqlalchemy.dialects.postgresql.psycopg", "credit_review.adapters.store.verify", "credit_review.adapters.sources",
    "holidays.countries", "pyarrow.dataset", "pyarrow.pandas_compat", "credit_review.receivables.beside",
    "credit_review.receivables.totals", "credit_review.statements.figures", "credit_review.scoring.views",
    "credit_review.scoring.scores", "credit_review.limits.engine", "credit_review.limits.frame", "credit_review.completeness.proof",
    "credit_review.report.page", "credit_review.report.monitoring", "without_prefect", "kill_points",
)  # fmt: skip


def job(asked):
    """What a child does; returns its answer."""
    import cycle
    import left_behind
    import without_prefect
    from kill_points import KillPoints

    config = Path(asked["config"])
    os.environ.update(asked["environment"])
    if asked["do"] == "look":
        return left_behind.look(config)
    points = KillPoints(_chooser(asked))
    points.arm()
    without_prefect.apply(pytest.MonkeyPatch())
    cycle.Cycle(config, points, asked.get("fragile", cycle.REVIEWED)).run()
    return {"points": points.labels}


def _chooser(asked):
    if "at" in asked:
        return lambda number, _label: number == asked["at"]
    if "new" not in asked:
        return lambda _number, _label: False
    path, kind = Path(asked["new"]), re.compile(asked["of"])
    seen = set(path.read_text().splitlines()) if path.exists() else set()

    def chosen(_number, label):
        new = label not in seen and kind.search(label) is not None
        if new:
            with path.open("a") as file:
                file.write(label + "\n")
        return new

    return chosen


def in_child(asked):
    """Fork, do the job there, and return its answer; `killed` when the child killed itself."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        with os.fdopen(writing, "w") as out, contextlib.redirect_stdout(sys.stderr):
            try:
                answer = job(asked)
            except BaseException:
                answer = {"failed": traceback.format_exc()}
            json.dump(answer, out)
            out.flush()
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as answers:
        said = answers.read()
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return {"killed": os.WTERMSIG(status) == signal.SIGKILL}
    return json.loads(said)


def main():
    """Answer jobs until the input ends."""
    for name in IMPORTED_ONCE:
        importlib.import_module(name)
    importlib.import_module("cycle")
    for line in sys.stdin:
        sys.stdout.write(json.dumps(in_child(json.loads(line))) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
