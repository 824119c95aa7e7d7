"""Where a process can be killed: before and after every database commit and every file rename, counted as they are reached."""

from __future__ import annotations

import os
import re
import signal
import sys
from collections import Counter
from pathlib import Path

from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite

PROJECT = Path(__file__).parents[2]
OURS = tuple(str(PROJECT / room) + os.sep for room in ("tasks", "deployments", "tests/crash"))
REVIEW = str(PROJECT / "credit_review" / "review") + os.sep


class KillPoints:
    """Counts the points and kills this process, without warning, at the one that `chosen(number, label)` picks."""

    def __init__(self, chosen):
        self._chosen = chosen
        self._seen = Counter()
        self.labels = []
        self.on = False

    def arm(self):
        for dialect in (SQLiteDialect_pysqlite, PGDialect_psycopg):
            dialect.do_commit = self._around(dialect.do_commit, lambda _self, _connection: "commit")
        for name in ("replace", "rename"):
            setattr(os, name, self._around(getattr(os, name), _renaming))

    def _around(self, real, what):
        def call(*given, **named):
            said = f"{what(*given)} in {_place()}"
            self._reached(f"before {said}")
            done = real(*given, **named)
            self._reached(f"after {said}")
            return done

        return call

    def _reached(self, said):
        if not self.on:
            return
        self._seen[said] += 1
        label = f"{said} #{self._seen[said]}"
        if self._chosen(len(self.labels), label):
            os.kill(os.getpid(), signal.SIGKILL)
        self.labels.append(label)


def _renaming(_source, target, **_):
    path = Path(target)
    if path.parent.name.endswith(".writers"):
        return "ticket"
    folder = ".new" if path.parent.name.startswith(".new-") else path.parent.name
    return "rename to " + re.sub(r"[a-z]-[0-9a-f]{8,}(-[0-9a-f]+)?|[0-9a-f]{16,}|[0-9]+", "*", f"{folder}/{path.name}")


def _place():
    """The step of ours that is under way, and within it the function of the review that does it."""
    inner = step = ""
    frame = sys._getframe(1)
    while frame is not None and not step:
        code = frame.f_code
        if code.co_filename.startswith(OURS) and Path(code.co_filename).name != Path(__file__).name:
            step = code.co_name
        elif not inner and code.co_filename.startswith(REVIEW):
            inner = code.co_name
        frame = frame.f_back
    return f"{step} {inner}".strip()
