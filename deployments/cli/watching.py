"""Progress of a long run, as its stages tell it: a bar in a terminal, a line a stage elsewhere."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from credit_review.words import marked, said
from deployments.cli import language

QUIET = {
    "PREFECT_LOGGING_LEVEL": "CRITICAL",
    "PREFECT_SERVER_LOGGING_LEVEL": "CRITICAL",
    "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    "GX_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
}


STARTING = marked("Starting Prefect")
"""Before the first stage of a flow there are seconds of imports, and of Prefect's own start."""


def _stage(record: logging.LogRecord) -> str:
    return said(getattr(record, "stage", "") or record.getMessage())


class _Lines(logging.Handler):
    """One line when a stage starts and one when it ends."""

    def emit(self, record: logging.LogRecord) -> None:
        seconds, note = getattr(record, "seconds", None), getattr(record, "note", "")
        if seconds is not None:
            self._print("  ", said("{stage}: {seconds} s", stage=_stage(record), seconds=f"{seconds:.1f}"))
        elif note:
            self._print("    ", note)
        elif getattr(record, "done", None) == 0:
            self._print("  ", said("{stage} ...", stage=_stage(record)))

    def _print(self, indent: str, sentence: str) -> None:
        print(f"{indent}{language.say(sentence)}", file=sys.stderr, flush=True)


class _Bar(logging.Handler):
    """A progress bar for the stage under way."""

    def __init__(self) -> None:
        super().__init__()
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        self.progress = Progress(
            SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), transient=False
        )
        self.tasks: dict[str, int] = {}

    def emit(self, record: logging.LogRecord) -> None:
        name = getattr(record, "stage", "")
        if not name:
            return
        if name not in self.tasks:
            if STARTING in self.tasks:
                self.progress.update(self.tasks[STARTING], completed=1)  # type: ignore[arg-type]
            self.tasks[name] = self.progress.add_task(language.say(said(name)), total=getattr(record, "total", 1))
        self.progress.update(self.tasks[name], completed=getattr(record, "done", 0))  # type: ignore[arg-type]


def starting() -> None:
    """Say that a flow is about to start; the first stage of it ends this one."""
    logging.getLogger("credit_review.progress").info(STARTING, extra={"stage": STARTING, "done": 0, "total": 1})


@contextmanager
def watched() -> Iterator[None]:
    """Show progress on stderr while the block runs, and keep Prefect's own log to errors."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    log = logging.getLogger("credit_review.progress")
    if any(isinstance(handler, _Lines | _Bar) for handler in log.handlers):
        yield  # somebody around us is watching already
        return
    log.setLevel(logging.INFO)
    log.propagate = False
    bar = _Bar() if sys.stderr.isatty() else None
    handler: logging.Handler = bar or _Lines()
    log.addHandler(handler)
    try:
        if bar is None:
            yield
        else:
            with bar.progress:
                yield
    finally:
        log.removeHandler(handler)
