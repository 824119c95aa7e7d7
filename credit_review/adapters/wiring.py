"""The one place that builds stores, clocks and clients. Tasks, the chat listener and the command line call it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from credit_review.adapters.clock import SystemClock
from credit_review.adapters.settings import Settings
from credit_review.adapters.store import open_store
from credit_review.ports import Clock, Store


@dataclass(frozen=True, slots=True)
class Services:
    """What a process works with. Clients of the outside are opened where they are used: most commands need none."""

    settings: Settings
    store: Store
    clock: Clock

    def today(self) -> date:
        """The company's day."""
        return self.clock.now().astimezone(self.settings.zone).date()


def open_services(settings: Settings, *, clock: Clock | None = None) -> Services:
    """Store and clock of an installation. Raises Unavailable when the database does not answer or lacks the schema."""
    present = clock or SystemClock()
    return Services(settings, open_store(settings.database_url(), present), present)
