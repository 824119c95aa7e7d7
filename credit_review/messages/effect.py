"""From when a change holds, in words: on the card before the decision, and in what people are told after it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from credit_review.adverse import lowers
from credit_review.review.owners import notice_days
from credit_review.words import said, said_many


def effect_line(packet: Mapping[str, Any], begins: date | None = None) -> str:
    """From when what a packet asks for holds; `begins` is the day once it is applied."""
    if begins is not None:
        return said("Takes effect on {day}", day=begins)
    start = date.fromisoformat(packet["effective_from"]) if packet.get("effective_from") else None
    notice = notice_days(packet)
    if notice == 0:
        return said("Takes effect when applied, not before {day}", day=start) if start else said("Takes effect when applied")
    after = said_many("Takes effect {n} working day after the decision", "Takes effect {n} working days after the decision", n=notice)
    return said("{after}, not before {day}", after=after, day=start) if start else after


def tells_when(packet: Mapping[str, Any]) -> bool:
    """Whether a card says from when: for reductions, about which a customer must be told in time."""
    return lowers(packet)
