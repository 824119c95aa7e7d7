"""Keeps the order of changes in a form: several are worked on at once, and what the newest one says must stay."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager

_MOST_VIEWS = 500


class Newest:
    """Turns at the views of this process, one at a time for each; a change older than one that had its turn gets none."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._views: OrderedDict[str, _Turn] = OrderedDict()

    @contextmanager
    def turn(self, view_id: str, moment: str) -> Iterator[bool]:
        """Whether the change of this moment (Slack's time stamp) is the newest of the view; while it is dealt with, others wait."""
        with self._guard:
            one = self._views.setdefault(view_id, _Turn())
            self._views.move_to_end(view_id)
            one.newest = max(one.newest, _order(moment))
            while len(self._views) > _MOST_VIEWS:
                self._views.popitem(last=False)
        with one.lock:
            # asked for again here: a newer change may have come while this one waited, and will say all that is to be said
            yield _order(moment) >= one.newest


class _Turn:
    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.newest: tuple[int, int] = (0, 0)


def _order(moment: str) -> tuple[int, int]:
    seconds, _, part = moment.partition(".")
    return int(seconds), int(part.ljust(6, "0") or 0)
