"""One message a second and address, whichever process sends it: when an address was last written to is on record.

Whoever leases the oldest message of an address has the address to himself, so that nobody takes a turn meanwhile.
"""

from __future__ import annotations

from datetime import datetime

from credit_review.model.records import SlackTurn
from credit_review.ports import Clock, Store, UnitOfWork

SECONDS_A_MESSAGE = 1.0
"""Slack takes about one message a second in a channel."""


def await_turn(store: Store, address: str, clock: Clock) -> None:
    """Returns when the address may be sent something; never later than a second, however wrong another machine's clock is."""
    with store.read() as uow:
        last = uow.get(SlackTurn, address=address)
    if last is None:
        return
    left = SECONDS_A_MESSAGE - (clock.now() - last.taken_at).total_seconds()
    if left > 0:
        clock.wait(min(left, SECONDS_A_MESSAGE))


def take_turn(uow: UnitOfWork, address: str, at: datetime) -> None:
    """Keeps that something was sent to an address; the caller commits."""
    if not uow.change(SlackTurn, where={"address": address}, to={"taken_at": at}):
        uow.add_if_absent(SlackTurn(address=address, taken_at=at))
