"""What people do to the audit log itself: hand its key over, say that it was restored, erase what it need not keep."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from credit_review.audit import Action
from credit_review.audit.notes import after_restore
from credit_review.ports import Entry, UnitOfWork
from credit_review.review.naming import actor


def rotate(uow: UnitOfWork, data: Mapping[str, Any], *, reason: str, by: str) -> None:
    """Append `key.rotated` with what `notary.handed_over` made; the caller commits."""
    uow.append(Entry(action=Action.KEY_ROTATED, actor=actor(by), entity=f"log:{_name(data['new'])}", data=data, payload={"reason": reason}))


def _name(key: str) -> str:
    return key.partition("+")[0]


def restored(uow: UnitOfWork, *, before: str, lost: tuple[int, str], reason: str, by: str) -> str:
    """Append `log.restored`: entries from this one's number up to `lost` (size, root) of `before` are gone. Returns the new name."""
    origin = after_restore(before)
    data = {"before": before, "origin": origin, "lost_size": lost[0], "lost_root": lost[1]}
    uow.append(Entry(action=Action.LOG_RESTORED, actor=actor(by), entity=f"log:{origin}", data=data, payload={"reason": reason}))
    return origin
