"""The present: the system's clock, and a twin that stands where it is set."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta


class SystemClock:
    """The machine's clock, in UTC."""

    def now(self) -> datetime:
        """The present, aware, UTC."""
        return datetime.now(UTC)

    def wait(self, seconds: float) -> None:
        """Sleep."""
        time.sleep(seconds)


class FixedClock:
    """A clock for tests and the demo: it stands still until it is set or moved. Never for production."""

    def __init__(self, at: datetime) -> None:
        self._at = _aware(at)

    def now(self) -> datetime:
        """The moment it was last set to."""
        return self._at

    def set(self, at: datetime) -> None:
        """Set it, forwards or back."""
        self._at = _aware(at)

    def wait(self, seconds: float) -> None:
        """Move it on: nobody sleeps."""
        self._at += timedelta(seconds=seconds)

    def advance(self, by: timedelta) -> datetime:
        """Move it on and return the new present."""
        self._at += by
        return self._at


def _aware(at: datetime) -> datetime:
    if at.tzinfo is None:
        raise ValueError(f"{at} has no time zone")
    return at.astimezone(UTC)
