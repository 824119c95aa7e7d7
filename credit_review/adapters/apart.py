"""A process of its own for what comes from outside: bounded in memory and time, and where it reads a model, shut in."""

from __future__ import annotations

import resource
import sys

WRITES_NOTHING = 0
"""Bytes that a process without files may write to one."""


def command(module: str, *arguments: str, isolated: bool = False) -> list[str]:
    """How the module is run apart by this Python; `isolated` takes nothing from the environment, the user's or the working folder."""
    return [sys.executable, "-I" if isolated else "-P", "-m", module, *arguments]


def bound(*, memory: int, seconds: int) -> None:
    """From here on this process has at most so many bytes of address space and seconds of processor time, then it is ended."""
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))


def shut_in() -> None:
    """From here on this process opens no file, no connection and no pipe, writes no file, and leaves no core."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))
    resource.setrlimit(resource.RLIMIT_FSIZE, (WRITES_NOTHING, WRITES_NOTHING))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
