"""Building entries: rows ready to be stored, and the head after them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from credit_review.audit.actions import Action
from credit_review.audit.canonical import canonical, canonical_bytes, timestamp
from credit_review.audit.tree import Frontier, leaf_of, payload_hash
from credit_review.errors import BadInput
from credit_review.model.records import AuditHead, AuditPayload, AuditRow
from credit_review.ports import Entry

GENESIS_PREV = "0" * 64
GENESIS_TS = "1970-01-01T00:00:00.000000Z"
FORMAT_VERSION = 1
RESERVED_DATA_KEY = "wall"
ACTOR_LENGTH, ENTITY_LENGTH = 128, 160


def genesis() -> AuditHead:
    """The head of an empty log."""
    return AuditHead(id=1, size=0, leaf=GENESIS_PREV, ts=GENESIS_TS, frontier="[]")


@dataclass(frozen=True, slots=True)
class Built:
    """Rows ready to be stored, in order, and the head after them."""

    rows: tuple[AuditRow, ...]
    payloads: tuple[AuditPayload, ...]
    head: AuditHead


def build(head: AuditHead, entries: Sequence[Entry], *, now: datetime, salt: Callable[[], str]) -> Built:
    """The rows that append `entries` to the log that ends at `head`. All get one time: `now`, or the head's when the clock went back.

    A clamped entry keeps the raw reading in `data.wall`. `salt` gives 64 hex characters of fresh randomness per payload.
    Raises NotCanonical, or BadInput for an action outside the closed list.
    """
    wall = timestamp(now)
    ts = max(wall, head.ts)
    frontier = Frontier.from_json(head.size, head.frontier)
    rows: list[AuditRow] = []
    payloads: list[AuditPayload] = []
    prev = head.leaf
    for seq, entry in enumerate(entries, start=head.size):
        data = canonical_bytes(_data(entry, wall=wall if ts != wall else None), level=2)
        action, pay = _action(entry.action), None
        actor, entity = _name(entry.actor, ACTOR_LENGTH, "actor"), _name(entry.entity, ENTITY_LENGTH, "entity")
        if entry.payload is not None:
            stored = AuditPayload(seq=seq, salt=salt(), payload=canonical(dict(entry.payload)))
            pay = payload_hash(str(stored.salt), str(stored.payload))
            payloads.append(stored)
        body = before_data(action, actor) + data + after_data(entity, pay, prev, seq, ts)
        leaf = leaf_of(body)
        frontier.append(leaf)
        rows.append(AuditRow(seq=seq, prev=prev, leaf=leaf, action=action, actor=actor, entity=entity, ts=ts, body=body.decode()))
        prev = leaf
    return Built(tuple(rows), tuple(payloads), AuditHead(id=1, size=frontier.size, leaf=prev, ts=ts, frontier=frontier.to_json()))


@lru_cache(maxsize=1024)
def before_data(action: str, actor: str) -> bytes:
    """What stands in a body before `data`: keys are in order of their characters. Raises NotCanonical."""
    return b'{"action":' + canonical_bytes(action) + b',"actor":' + canonical_bytes(actor) + b',"data":'


def after_data(entity: str, pay: str | None, prev: str, seq: int, ts: str) -> bytes:
    """What stands in a body after `data`; `prev`, `pay` and `ts` need no escapes. Raises NotCanonical."""
    paid = "" if pay is None else f',"pay":"{pay}"'
    return b',"entity":' + canonical_bytes(entity) + f'{paid},"prev":"{prev}","seq":{seq},"ts":"{ts}","v":{FORMAT_VERSION}}}'.encode()


def _data(entry: Entry, *, wall: str | None) -> dict[str, Any]:
    data = dict(entry.data)
    if RESERVED_DATA_KEY in data:
        raise BadInput(f"audit entry {entry.action}: data key {RESERVED_DATA_KEY!r} is reserved for a clamped clock reading")
    if wall is not None:
        data[RESERVED_DATA_KEY] = wall
    return data


def _action(action: str) -> str:
    try:
        return Action(action).value
    except ValueError:
        raise BadInput(f"audit action {action!r} is not in the closed list", expected="a member of audit.Action") from None


def is_name(value: str, longest: int) -> bool:
    """Whether `value` can stand as actor or entity: 1 to `longest` printable characters."""
    return 0 < len(value) <= longest and value.isprintable()


def _name(value: str, longest: int, what: str) -> str:
    if not is_name(value, longest):
        raise BadInput(f"audit {what} {value!r:.60} cannot be logged", expected=f"1 to {longest} printable characters, such as person:p-7")
    return value
