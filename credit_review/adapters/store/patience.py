"""How long a transaction may wait for locks, and until when it may still be stored."""

from __future__ import annotations

import time

from credit_review.errors import Unavailable

INTERACTIVE_BUDGET = 1.5
"""Seconds a person's click waits for locks, all waits together; Slack gives up at 3."""
BATCH_BUDGET = 30.0
"""Seconds a bulk step waits for its turn to write."""
_LEAST = 0.001


class Patience:
    """Waiting ends `budget` seconds from now, or at `deadline` (seconds of `time.monotonic`), whichever is first."""

    def __init__(self, budget: float, deadline: float | None = None) -> None:
        now = time.monotonic()
        self._deadline = deadline
        self._waits_until = now + budget if deadline is None else min(now + budget, deadline)
        self.require_time()

    def left(self) -> float:
        """Seconds that may still be waited; never zero, which databases take for "for ever"."""
        return max(self._waits_until - time.monotonic(), _LEAST)

    def require_time(self) -> None:
        """Raises Unavailable past the deadline: whoever asked has been told by then that it failed."""
        if self._deadline is not None and time.monotonic() >= self._deadline:
            raise Unavailable("it took too long and was not stored", next_step="try again; nothing was stored")
