"""What people do to the audit log itself: hand its key over, say that it was restored, erase what it need not keep.

The administrators hand over keys and restore; what is erased is the control owner's to decide, who administers nothing. The command line
asks `signing.require_office`, in the same transaction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from credit_review.audit import Action
from credit_review.audit.canonical import timestamp
from credit_review.audit.entries import ACTOR_LENGTH
from credit_review.audit.notes import after_restore
from credit_review.errors import BadInput
from credit_review.model.records import AuditReadRequest, AuditRow
from credit_review.ports import Clock, Entry, Store, UnitOfWork
from credit_review.review.naming import actor
from credit_review.words import said

READS = 500
"""Requests taken up in one transaction."""


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


def erase(uow: UnitOfWork, seqs: Sequence[int], *, basis: str, by: str) -> None:
    """Erase the payloads of these entries (names, free text), and append `payload.erased`; the bodies stay. The caller commits.

    `basis` is the legal basis as a short code, such as GDPR-17: it stays for good. Raises BadInput where an entry has no payload left.
    """
    wanted = sorted(set(seqs))
    known = {row.seq: row for row in uow.find(AuditRow, seq=wanted)} if wanted else {}
    lacking = [seq for seq in wanted if seq not in known]
    if lacking or not wanted:
        raise BadInput(
            said("there is no entry {seqs}", seqs=", ".join(map(str, lacking)) or "-"), expected=said("numbers of entries with a payload")
        )
    if uow.erase_payloads(wanted) != len(wanted):
        raise BadInput(
            said("not every one of the entries {seqs} has a payload to erase", seqs=", ".join(map(str, wanted))),
            expected=said("numbers of entries with a payload"),
        )
    uow.append(Entry(action=Action.PAYLOAD_ERASED, actor=actor(by), entity="log", data={"seqs": wanted, "basis": basis}))


def read(uow: UnitOfWork, what: str, data: Mapping[str, Any], *, by: str) -> None:
    """Append `audit.read`: somebody took the log, or a part of it, with him. The caller commits."""
    uow.append(Entry(action=Action.AUDIT_READ, actor=actor(by), entity="log", data={"what": what, **data}))


def take_up_reads(store: Store, clock: Clock) -> int:
    """Append `audit.read` for what was read with roles that only read, each once; returns how many. Safe at any time, twice at once."""
    with store.read() as uow:
        waiting = uow.find(AuditReadRequest, taken_at=None, limit=READS)
    if not waiting:
        return 0
    with store.begin(interactive=False) as uow:
        mine = uow.find(AuditReadRequest, request_id=[one.request_id for one in waiting], taken_at=None, lock=True)
        uow.change(AuditReadRequest, where={"request_id": [one.request_id for one in mine]}, to={"taken_at": clock.now()})
        uow.append(*(_asked(one) for one in mine))
        uow.commit()
    return len(mine)


def _asked(request: AuditReadRequest) -> Entry:
    """The entry of a request: in the name of the login role, with what it said of itself as text."""
    account = "".join(c if c.isprintable() else "?" for c in f"account:{request.account}")[:ACTOR_LENGTH]
    data = {"what": request.what, "about": request.about, "asked_at": timestamp(request.asked_at), "request": request.request_id}
    return Entry(action=Action.AUDIT_READ, actor=account, entity="log", data=data)
