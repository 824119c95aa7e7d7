"""Verification of a log from its bytes, as a stream, from its first entry or from where an earlier verification ended."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from credit_review.audit.actions import Action
from credit_review.audit.canonical import NotCanonical, is_hash, parse_canonical, parse_timestamp, read_canonical
from credit_review.audit.entries import (
    ACTOR_LENGTH,
    ENTITY_LENGTH,
    FORMAT_VERSION,
    GENESIS_PREV,
    GENESIS_TS,
    after_data,
    before_data,
    is_name,
)
from credit_review.audit.tree import Frontier, TamperedEntry, leaf_hash, leaf_of, payload_hash
from credit_review.model.records import AuditHead, AuditPayload, AuditRow

_KEYS = frozenset({"v", "seq", "prev", "ts", "action", "actor", "entity", "data"})
ACTION_FORM = re.compile(r"[a-z]+\.[a-z_]+")


@dataclass(frozen=True, slots=True)
class Consistent:
    """What a sound log commits to: how many entries, their Merkle root and last leaf, and how many payloads were erased by the rules.

    `frontier` is the compact range of the tree, from which a later verification may go on. `roots` are those asked for, by size, `after`
    the times of the entries that follow those sizes, and `kept` the bodies of the actions asked for, by entry.
    """

    size: int
    root: str
    leaf: str
    ts: str
    erased: int
    frontier: str = "[]"
    roots: Mapping[int, str] = field(default_factory=dict)
    after: Mapping[int, str] = field(default_factory=dict)
    kept: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)


NOTHING_YET = Consistent(0, Frontier().root(), GENESIS_PREV, GENESIS_TS, 0)
"""Before the first entry."""


def verify_rows(
    rows: Iterable[AuditRow],
    payloads: Iterable[AuditPayload],
    head: AuditHead | None,
    *,
    since: Consistent = NOTHING_YET,
    roots_at: Collection[int] = (),
    keep: Collection[str] = (),
    each: Callable[[int, Mapping[str, Any]], None] | None = None,
) -> Consistent:
    """What the log commits to, recomputed from the bytes stored; raises TamperedEntry at the first thing that is not as written.

    `rows` and `payloads` come in order of seq and are read once, as a stream; with `since` they begin there, and what came before is
    taken as it was found then. Values may be of any type: nothing is trusted. `roots_at` are sizes whose roots are wanted, `keep`
    actions whose bodies are; `each` is called with every body that is sound.
    """
    check = _Verifier(payloads, since, frozenset(roots_at), frozenset(keep))
    for row in rows:
        body = check.entry(row)
        if each is not None:
            each(row.seq, body)
    return check.finish(head)


class _Verifier:
    """State of one pass over the log."""

    def __init__(self, payloads: Iterable[AuditPayload], since: Consistent, roots_at: frozenset[int], keep: frozenset[str]) -> None:
        self._payloads = iter(payloads)
        self._payload = next(self._payloads, None)
        self._since = since
        self._frontier = Frontier.from_json(since.size, since.frontier)
        self._prev, self._ts = since.leaf, since.ts
        self._gone: dict[int, None] = {}
        self._erased: dict[int, int] = {}
        self._roots_at, self._keep = roots_at, keep
        self._roots: dict[int, str] = {since.size: self._frontier.root()} if since.size in roots_at else {}
        self._after: dict[int, str] = {}
        self._kept: dict[int, Mapping[str, Any]] = {}

    def entry(self, row: AuditRow) -> Mapping[str, Any]:
        """The body of the row, when it is the next entry and its payload fits. Raises TamperedEntry naming the entry."""
        seq = self._frontier.size
        if row.seq != seq or isinstance(row.seq, bool):
            raise TamperedEntry(seq, f"missing: the next entry stored is {row.seq!r:.40}")
        body = (self._as_written(seq, row) if seq > self._since.size else None) or _sound_body(seq, row)
        if body["prev"] != self._prev:
            raise TamperedEntry(seq, f"does not follow entry {seq - 1}", expected=f"prev {self._prev}")
        if body["ts"] < self._ts:
            raise TamperedEntry(seq, f"time goes back to {body['ts']}", expected=f"{self._ts} or later")
        self._check_payload(seq, body.get("pay"))
        if body["action"] == Action.PAYLOAD_ERASED:
            self._note_erasure(seq, body["data"])
        if seq in self._roots_at:
            self._after[seq] = body["ts"]
        if body["action"] in self._keep:
            self._kept[seq] = body
        self._frontier.append(row.leaf)
        self._prev, self._ts = row.leaf, body["ts"]
        if seq + 1 in self._roots_at:
            self._roots[seq + 1] = self._frontier.root()
        return body

    def finish(self, head: AuditHead | None) -> Consistent:
        """What was verified, once every entry was seen. Raises TamperedEntry for a payload, erasure or head that fits no entry."""
        if self._payload is not None:
            raise TamperedEntry(None, f"a payload is stored for entry {self._payload.seq!r:.40}, which does not exist")
        for seq in self._gone:
            if seq not in self._erased:
                raise TamperedEntry(seq, "its payload is gone and no payload.erased entry says so")
        for seq, said_by in self._erased.items():
            if seq not in self._gone and seq >= self._since.size:
                raise TamperedEntry(said_by, f"says the payload of entry {seq} is erased, which is not so")
        self._check_head(head)
        return Consistent(
            size=self._frontier.size,
            root=self._frontier.root(),
            leaf=self._prev,
            ts=self._ts,
            erased=self._since.erased + len(self._gone),
            frontier=self._frontier.to_json(),
            roots=self._roots,
            after=self._after,
            kept=self._kept,
        )

    def _as_written(self, seq: int, row: AuditRow) -> dict[str, Any] | None:
        """The body of a row that holds, byte for byte, what its columns make an entry; None where the closer look has to say what is wrong.

        Around `data` the body is then what the columns say it is, so `data` is all that has to be read.
        """
        if row.prev != self._prev or not (row.ts == self._ts or _is_later(row.ts, self._ts)):
            return None
        around = _opening(row.action, row.actor) if type(row.action) is str is type(row.actor) else b""
        if not around or type(row.entity) is not str or not is_name(row.entity, ENTITY_LENGTH):
            return None
        try:
            text = row.body.encode()
            pay = None
            rest = after_data(row.entity, pay, row.prev, seq, row.ts)
            if not text.endswith(rest):
                pay = _pay_of(text)
                rest = after_data(row.entity, pay, row.prev, seq, row.ts)
            data = read_canonical(text[len(around) : len(text) - len(rest)], level=2)
        except (AttributeError, ValueError, NotCanonical):
            return None
        if leaf_of(text) != row.leaf or not text.startswith(around) or not text.endswith(rest) or type(data) is not dict:
            return None
        body = {
            "v": FORMAT_VERSION,
            "seq": seq,
            "prev": row.prev,
            "ts": row.ts,
            "action": row.action,
            "actor": row.actor,
            "entity": row.entity,
        }
        return body | {"data": data} | ({} if pay is None else {"pay": pay})

    def _check_payload(self, seq: int, pay: str | None) -> None:
        stored = self._payload if self._payload is not None and self._payload.seq == seq else None
        if stored is not None:
            self._payload = next(self._payloads, None)
        if pay is None:
            if stored is not None:
                raise TamperedEntry(seq, "has a payload stored that its body does not commit to")
        elif stored is None or (stored.salt is None and stored.payload is None):
            self._gone[seq] = None
        elif not _commits(pay, stored):
            raise TamperedEntry(seq, "its payload is not the one committed to", expected=f"pay {pay}")

    def _note_erasure(self, seq: int, data: dict[str, Any]) -> None:
        seqs = data.get("seqs")
        if not isinstance(seqs, list) or not all(type(one) is int and 0 <= one < seq for one in seqs):
            raise TamperedEntry(seq, "data.seqs of payload.erased is not a list of earlier entries")
        self._erased.update(dict.fromkeys(seqs, seq))

    def _check_head(self, head: AuditHead | None) -> None:
        if head is None:
            raise TamperedEntry(None, "has no head")
        found = {"id": head.id, "size": head.size, "leaf": head.leaf, "ts": head.ts, "frontier": head.frontier}
        expected = {"id": 1, "size": self._frontier.size, "leaf": self._prev, "ts": self._ts, "frontier": self._frontier.to_json()}
        for name, value in expected.items():
            if found[name] != value:
                raise TamperedEntry(None, f"the head's {name} is {found[name]!r:.80}", expected=f"{value!r:.80}")


@lru_cache(maxsize=1024)
def _opening(action: str, actor: str) -> bytes:
    """What stands before `data` in a body of this action and actor; empty when these cannot stand in one."""
    return before_data(action, actor) if ACTION_FORM.fullmatch(action) and is_name(actor, ACTOR_LENGTH) else b""


def _is_later(ts: Any, before: str) -> bool:
    """Whether `ts` is a real moment after `before`."""
    try:
        return type(ts) is str and ts > before and parse_timestamp(ts) is not None
    except NotCanonical:
        return False


def _pay_of(text: bytes) -> str | None:
    """What may be the commitment to a payload in a body; None when that is no hash."""
    at = text.rfind(b',"pay":"')
    found = text[at + 8 : at + 72].decode("ascii", "replace")
    return found if at >= 0 and is_hash(found) else None


def _sound_body(seq: int, row: AuditRow) -> dict[str, Any]:
    """The parsed body of a row whose bytes, hash, form and column copies agree."""
    try:
        leaf = leaf_hash(row.body)
    except (AttributeError, UnicodeEncodeError):
        raise TamperedEntry(seq, "its body is not text") from None
    if leaf != row.leaf:
        raise TamperedEntry(seq, "its body is not what was hashed", expected=f"leaf {row.leaf!r:.80}")
    try:
        body = parse_canonical(row.body)
    except NotCanonical as error:
        raise TamperedEntry(seq, error.what) from None
    wrong = _wrong_form(body)
    if wrong:
        raise TamperedEntry(seq, wrong)
    for name in ("seq", "prev", "action", "actor", "entity", "ts"):
        if body[name] != getattr(row, name):
            raise TamperedEntry(seq, f"column {name} is {getattr(row, name)!r:.80}", expected=f"{body[name]!r:.80} as in the body")
    return body  # type: ignore[no-any-return]  # _wrong_form made sure


def _wrong_form(body: Any) -> str:
    """Why a parsed body is no entry; empty when it is one."""
    if not isinstance(body, dict) or body.keys() - {"pay"} != _KEYS:
        return "its keys are not those of an entry"
    if type(body["v"]) is not int or body["v"] != FORMAT_VERSION:
        return f"format version {body['v']!r:.40} is unknown"
    if type(body["seq"]) is not int or not isinstance(body["data"], dict):
        return "seq is no integer or data no object"
    if not all(isinstance(body[name], str) for name in ("prev", "ts", "action", "actor", "entity")):
        return "a field that must be text is not"
    if not ACTION_FORM.fullmatch(body["action"]):
        return f"action {body['action']!r:.80} has another form"
    if not (is_name(body["actor"], ACTOR_LENGTH) and is_name(body["entity"], ENTITY_LENGTH)):
        return "actor or entity is empty, too long or not printable"
    if not is_hash(body["prev"]) or ("pay" in body and not is_hash(body["pay"])):
        return "prev or pay is no hash"
    try:
        parse_timestamp(body["ts"])
    except NotCanonical as error:
        return error.what
    return ""


def _commits(pay: str, stored: AuditPayload) -> bool:
    if not is_hash(stored.salt) or not isinstance(stored.payload, str):
        return False
    try:
        return payload_hash(str(stored.salt), stored.payload) == pay
    except UnicodeEncodeError:
        return False
