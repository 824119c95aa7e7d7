"""A fair queue of writers for one SQLite file, across threads and processes, that a killed process leaves by itself.

SQLite's own busy handler is a lottery: under load some writer waits for seconds. Here a writer draws a ticket (a file named by class and
arrival time, locked by the kernel for as long as its process lives) and enters when its ticket is the oldest and the place is free.
Interactive tickets sort before batch ones, so a click overtakes a bulk step between two of its transactions. Locks are `flock`, which
the kernel drops when a process dies; whoever stands next in line removes the dead ticket. Needs a local disk, as SQLite's WAL does.
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from credit_review.errors import Unavailable
from credit_review.words import said

FIRST_IN_LINE_PAUSE = 0.0005
"""Seconds between two looks of the writer whose turn is next."""
IN_LINE_PAUSE = 0.002
"""Seconds between two looks of the others, times their place in the line up to ten."""

_INTERACTIVE, _BATCH = "0", "1"
_PLACE = "place"
_open_files: weakref.WeakSet[_Locked] = weakref.WeakSet()


class _Locked:
    """An open file; its `flock` lasts until `close` or the end of the process."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        _open_files.add(self)

    def try_lock(self) -> bool:
        """True when this file's lock is ours now."""
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def close(self) -> None:
        """Give the lock back."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def _forget_in_child() -> None:
    # a forked child shares the lock; were its copy left open, the lock would outlive a killed parent
    for file in list(_open_files):
        file.close()


os.register_at_fork(after_in_child=_forget_in_child)


class WriterQueue:
    """The line before one database file. `folder` holds the tickets and the place; Unavailable when it cannot be made."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise Unavailable(
                said("no queue of writers at {folder}: {strerror}", folder=folder, strerror=error.strerror),
                next_step=said("let this user write beside the database"),
            ) from None
        self._sweep_unborn()

    @contextmanager
    def turn(self, *, interactive: bool, budget: float) -> Iterator[None]:
        """Holds the only writer's place. Raises Unavailable when it does not come within `budget` seconds."""
        place = self._wait(interactive=interactive, deadline=time.monotonic() + budget, budget=budget)
        try:
            yield
        finally:
            place.close()

    def waiting(self) -> list[str]:
        """Names of the tickets in line, first to enter first."""
        return sorted(name for name in os.listdir(self._folder) if name[0] in (_INTERACTIVE, _BATCH))  # noqa: PTH208  names only, and fast

    def _wait(self, *, interactive: bool, deadline: float, budget: float) -> _Locked:
        place = _Locked(self._folder / _PLACE)
        ticket = self._draw(_INTERACTIVE if interactive else _BATCH)
        try:
            while True:
                rank = self._rank(ticket.path.name)
                if rank == 0 and place.try_lock():
                    return place
                if time.monotonic() >= deadline:
                    raise Unavailable(
                        said(
                            "the database is busy: no turn to write within {budget} s ({rank} before this one)",
                            budget=f"{budget:g}",
                            rank=rank,
                        ),
                        next_step=said("try again; nothing was stored"),
                    )
                time.sleep(FIRST_IN_LINE_PAUSE if rank == 0 else IN_LINE_PAUSE * min(rank, 10))
        except BaseException:
            place.close()
            raise
        finally:
            ticket.path.unlink(missing_ok=True)
            ticket.close()

    def _draw(self, rank: str) -> _Locked:
        """A new ticket, locked before it is seen: it appears under its name only by renaming."""
        name = f"{time.monotonic_ns():020d}-{os.getpid()}-{threading.get_ident()}"
        ticket = _Locked(self._folder / f"unborn-{name}")
        ticket.try_lock()
        born = self._folder / f"{rank}-{name}"
        ticket.path.rename(born)
        ticket.path = born
        return ticket

    def _rank(self, own: str) -> int:
        """Writers before `own`. Looks whether the one directly before still lives; it looks after those before itself."""
        before = [name for name in self.waiting() if name < own]
        while before and self._is_dead(before[-1]):
            before.pop()
        return len(before)

    def _is_dead(self, name: str) -> bool:
        path = self._folder / name
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return True
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        else:
            path.unlink(missing_ok=True)
            return True
        finally:
            os.close(descriptor)

    def _sweep_unborn(self) -> None:
        """Remove tickets whose process died between drawing and showing them."""
        an_hour_ago = time.time() - 3600
        for path in self._folder.glob("unborn-*"):
            with suppress(FileNotFoundError):
                if path.stat().st_mtime < an_hour_ago:
                    path.unlink()
