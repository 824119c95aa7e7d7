"""The audit log's format: canonical bytes, entry hashes, the Merkle tree over them, and their verification. Pure functions.

Byte-level specification: docs/audit-log.md. One byte string per entry is hashed once: the hash is the chain link of the next entry
and the RFC 6962 leaf at the same time, so chain and tree cannot tell two histories.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, NoReturn

from credit_review.errors import BadInput, Tampered
from credit_review.model.records import AuditHead, AuditPayload, AuditRow
from credit_review.ports import Entry

MAX_INT = 2**53 - 1
"""Largest magnitude of an integer that every JSON reader keeps exact."""
MAX_DEPTH = 32
"""Deepest nesting of an entry or payload, the outermost object being 1."""
GENESIS_PREV = "0" * 64
GENESIS_TS = "1970-01-01T00:00:00.000000Z"
FORMAT_VERSION = 1
RESERVED_DATA_KEY = "wall"

_KEYS = frozenset({"v", "seq", "prev", "ts", "action", "actor", "entity", "data"})
_ACTION = re.compile(r"[a-z]+\.[a-z_]+")
_HEX64 = re.compile(r"[0-9a-f]{64}")
_TS = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", re.ASCII)


class Action(StrEnum):
    """Closed vocabulary of what the log records. Names may be added, never renamed; docs/audit-log.md says what each means."""

    # a review's run
    RUN_STARTED = "run.started"
    RUN_STATE_CHANGED = "run.state_changed"
    RUN_FAILED = "run.failed"
    RUN_RESUMED = "run.resumed"
    REVIEW_SUPERSEDED = "review.superseded"
    REVIEW_HELD = "review.held"
    REVIEW_HOLD_RELEASED = "review.hold_released"
    REVIEW_CLOSED = "review.closed"
    # inputs and evidence
    SOURCE_RECEIVED = "source.received"
    SOURCE_REJECTED = "source.rejected"
    VALIDATION_RESULT = "validation.result"
    QUARANTINE_ACCEPTED = "quarantine.accepted"
    SCORE_BATCH = "score.batch"
    # proposals
    REQUEST_RECEIVED = "request.received"
    PROPOSAL_CREATED = "proposal.created"
    PROPOSAL_ASSIGNED = "proposal.assigned"
    PROPOSAL_AMENDED = "proposal.amended"
    PROPOSAL_COMMENTED = "proposal.commented"
    PROPOSAL_RELEASED = "proposal.released"
    PROPOSAL_POSTED = "proposal.posted"
    PROPOSAL_ESCALATED = "proposal.escalated"
    PROPOSAL_AUTO_APPROVED = "proposal.auto_approved"
    PROPOSAL_RETURNED = "proposal.returned"
    PROPOSAL_REJECTED = "proposal.rejected"
    PROPOSAL_SUPERSEDED = "proposal.superseded"
    PROPOSAL_EXPIRED = "proposal.expired"
    PROPOSAL_REVOKED = "proposal.revoked"
    CUSTOMER_DEFERRED = "customer.deferred"
    CUSTOMER_EXCLUDED = "customer.excluded"
    CUSTOMER_ESCALATED = "customer.escalated"
    # decisions
    DECISION_APPROVE = "decision.approve"
    DECISION_REJECT = "decision.reject"
    DECISION_RETURN = "decision.return"
    DECISION_COUNTER = "decision.counter"
    DECISION_REFUSED = "decision.refused"
    CONDITION_MET = "condition.met"
    CONDITION_LAPSED = "condition.lapsed"
    # limits
    ACCOUNT_OPENED = "account.opened"
    LIMIT_OPENED = "limit.opened"
    LIMIT_OPENINGS_TIED = "limit.openings_tied"
    LIMIT_APPLIED = "limit.applied"
    LIMIT_REVERTED = "limit.reverted"
    LIMIT_OVERRIDE = "limit.override"
    RISK_RAISED = "risk.raised"
    RISK_KEPT = "risk.kept"
    # the ERP
    ERP_CONFIRMED = "erp.confirmed"
    ERP_PARKED = "erp.parked"
    ERP_REQUEUED = "erp.requeued"
    ERP_DIFFERENCE_FOUND = "erp.difference_found"
    ERP_DIFFERENCE_SETTLED = "erp.difference_settled"
    # messages
    MESSAGE_PARKED = "message.parked"
    MESSAGE_REQUEUED = "message.requeued"
    # rules, people, identities
    DOCUMENT_SUBMITTED = "document.submitted"
    DOCUMENT_ADOPTED = "document.adopted"
    POLICY_CHANGED = "policy.changed"
    AUTHORITY_CHANGED = "authority.changed"
    MAPPING_CHANGED = "mapping.changed"
    MODEL_REGISTERED = "model.registered"
    MODEL_RETIRED = "model.retired"
    DELEGATION_CHANGED = "delegation.changed"
    PERSON_CHANGED = "person.changed"
    ACCESS_CHANGED = "access.changed"
    ACCESS_REVIEWED = "access.reviewed"
    PREFERENCE_CHANGED = "preference.changed"
    ABSENCE_CHANGED = "absence.changed"
    CONFLICT_DECLARED = "conflict.declared"
    IDENTITY_CHANGED = "identity.changed"
    GROUP_CHANGED = "group.changed"
    RATE_RECORDED = "rate.recorded"
    CONFIG_LOADED = "config.loaded"
    LOGIN_REFUSED = "login.refused"
    # the log itself
    CHECKPOINT_ISSUED = "checkpoint.issued"
    ANCHOR_CONFIRMED = "anchor.confirmed"
    KEY_ROTATED = "key.rotated"
    PAYLOAD_ERASED = "payload.erased"
    LOG_RESTORED = "log.restored"
    VERIFY_RUN = "verify.run"
    AUDIT_READ = "audit.read"


class NotCanonical(BadInput):
    """A value or text outside the canonical profile of docs/audit-log.md."""


class TamperedEntry(Tampered):
    """The log is not what was written; `seq` is the entry at which that shows (None: the head or the log as a whole)."""

    def __init__(self, seq: int | None, what: str, *, expected: str = "") -> None:
        self.seq = seq
        where = "audit log" if seq is None else f"audit entry {seq}"
        super().__init__(f"{where}: {what}", expected=expected, next_step="keep the database as it is and call internal audit")


# --- canonical bytes ---------------------------------------------------------------------------------------------------------------

_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode


def canonical(value: Any) -> str:
    """The one JSON text of `value`: sorted ASCII keys, no spaces, no floats, integers within 2^53-1. Raises NotCanonical.

    Equals RFC 8785 (JCS) on this profile. Strings, integers, booleans, None, lists, tuples and dicts only.
    """
    _check(value, 1)
    text = _encode(value)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise NotCanonical("text with half a surrogate pair cannot be logged", expected="well-formed Unicode text") from None
    return text


def _check(value: Any, depth: int) -> None:
    """Raises NotCanonical for the first thing in `value` outside the profile. Surrogates are found by encoding, afterwards."""
    if isinstance(value, dict):
        _check_depth(depth)
        _check_keys(value)
        _check_inner(value.values(), depth)
    elif isinstance(value, list | tuple):
        _check_depth(depth)
        _check_inner(value, depth)
    elif value is None or isinstance(value, str | bool):
        return
    elif isinstance(value, int):
        if not -MAX_INT <= value <= MAX_INT:
            raise NotCanonical(f"integer {value!r:.40} cannot be logged", expected="a magnitude of at most 2^53-1; larger numbers as text")
    else:
        raise NotCanonical(
            f"{value!r:.40} of type {type(value).__name__} cannot be logged",
            expected="text, integers, booleans, None, lists and dicts; rates and scores as decimal text, money in minor units",
        )


_TEXTS = {str}


def _check_inner(values: Iterable[Any], depth: int) -> None:
    for inner in values:
        kind = type(inner)  # most values are plain text or small integers: spare the call, once per value of a million entries
        if kind is str or (kind is int and -MAX_INT <= inner <= MAX_INT):
            continue
        if kind is list and depth < MAX_DEPTH and set(map(type, inner)) <= _TEXTS:
            continue
        _check(inner, depth + 1)


def _check_depth(depth: int) -> None:
    if depth > MAX_DEPTH:
        raise NotCanonical("nested too deeply to be logged", expected=f"at most {MAX_DEPTH} levels")


def _check_keys(value: Mapping[Any, Any]) -> None:
    try:
        if "".join(value).isascii():
            return
    except TypeError:
        pass  # a key that is no text: named below
    key = next(key for key in value if not isinstance(key, str) or not key.isascii())
    raise NotCanonical(f"key {key!r:.40} cannot be logged", expected="keys of ASCII text")


def _no_float(text: str) -> NoReturn:
    raise NotCanonical(f"number {text[:40]} is not an integer", expected="integers only")


def _bounded_int(text: str) -> int:
    if len(text) > 17:
        raise NotCanonical(f"integer {text[:40]} is out of range", expected="a magnitude of at most 2^53-1")
    return int(text)


_decode = json.JSONDecoder(parse_float=_no_float, parse_int=_bounded_int, parse_constant=_no_float).decode


def parse_canonical(text: str) -> Any:
    """The value of a canonical text. Raises NotCanonical unless `canonical` of it gives exactly `text` back.

    Comparing with the re-encoded text finds duplicate keys, spaces, other escapes and other number forms all at once.
    """
    try:
        value = _decode(text)
        again = canonical(value)
    except (ValueError, RecursionError) as error:
        raise NotCanonical(f"not canonical JSON: {type(error).__name__}", expected="the canonical text of docs/audit-log.md") from None
    if again != text:
        raise NotCanonical("not canonical JSON", expected="sorted unique keys, no spaces, shortest escapes")
    return value


# --- hashes and tree ---------------------------------------------------------------------------------------------------------------


def leaf_hash(body: str) -> str:
    """Hex SHA-256(0x00 || UTF-8 body): the next entry's `prev` and the RFC 6962 leaf."""
    return hashlib.sha256(b"\0" + body.encode("utf-8")).hexdigest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """RFC 6962 inner node: SHA-256(0x01 || left || right)."""
    return hashlib.sha256(b"\1" + left + right).digest()


def payload_hash(salt: str, payload: str) -> str:
    """Hex SHA-256(32 raw salt bytes || UTF-8 payload), the commitment `pay` of an entry; `salt` is 64 hex characters."""
    return hashlib.sha256(bytes.fromhex(salt) + payload.encode("utf-8")).hexdigest()


@dataclass(slots=True)
class Frontier:
    """RFC 6962 compact range: the roots of the perfect subtrees that make up the first `size` leaves, largest first."""

    size: int = 0
    roots: list[bytes] = field(default_factory=list)

    def append(self, leaf: str) -> None:
        """Add one leaf (64 hex characters)."""
        self.roots.append(bytes.fromhex(leaf))
        complete = self.size
        while complete & 1:
            right = self.roots.pop()
            self.roots[-1] = node_hash(self.roots[-1], right)
            complete >>= 1
        self.size += 1

    def root(self) -> str:
        """Hex Merkle root of all leaves so far; SHA-256 of nothing when there are none."""
        if not self.roots:
            return hashlib.sha256(b"").hexdigest()
        root = self.roots[-1]
        for left in reversed(self.roots[:-1]):
            root = node_hash(left, root)
        return root.hex()

    def to_json(self) -> str:
        """What `audit_head.frontier` holds: a JSON array of hex subtree roots, largest first."""
        return canonical([root.hex() for root in self.roots])

    @classmethod
    def from_json(cls, size: int, text: str) -> Frontier:
        """The frontier of `size` leaves that `to_json` wrote. Raises TamperedEntry when the text cannot be one."""
        try:
            roots = parse_canonical(text)
        except NotCanonical:
            roots = None
        whole = isinstance(roots, list) and len(roots) == size.bit_count() and all(_is_hash(root) for root in roots)
        if size < 0 or not whole:
            raise TamperedEntry(None, "the head's frontier is damaged", expected=f"{max(size, 0).bit_count()} subtree hashes")
        return cls(size, [bytes.fromhex(root) for root in roots])


def merkle_root(leaves: Iterable[str]) -> str:
    """Hex RFC 6962 root over leaf hashes, as `score.batch` entries carry one over their bucket's customer lines."""
    frontier = Frontier()
    for leaf in leaves:
        frontier.append(leaf)
    return frontier.root()


def _is_hash(value: Any) -> bool:
    return isinstance(value, str) and _HEX64.fullmatch(value) is not None


# --- time --------------------------------------------------------------------------------------------------------------------------


def timestamp(at: datetime) -> str:
    """The 27 characters of an aware time in the log, `2026-11-23T09:00:00.123456Z`. Raises NotCanonical on naive times."""
    if at.tzinfo is None:
        raise NotCanonical(f"time {at} has no time zone", expected="an aware UTC time")
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def parse_timestamp(text: str) -> datetime:
    """The aware UTC time of a log timestamp. Raises NotCanonical unless it has exactly the log's form and names a real moment."""
    if not _TS.fullmatch(text):
        raise NotCanonical(f"timestamp {text[:40]!r} has another form", expected="2026-11-23T09:00:00.123456Z")
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise NotCanonical(f"timestamp {text!r} names no moment", expected="a real date and time") from None


# --- writing -----------------------------------------------------------------------------------------------------------------------


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
        data = _data(entry, wall=wall if ts != wall else None)
        body: dict[str, Any] = {
            "v": FORMAT_VERSION, "seq": seq, "prev": prev, "ts": ts,
            "action": _action(entry.action), "actor": _name(entry.actor, 128, "actor"), "entity": _name(entry.entity, 160, "entity"),
            "data": data,
        }  # fmt: skip
        if entry.payload is not None:
            stored = AuditPayload(seq=seq, salt=salt(), payload=canonical(dict(entry.payload)))
            body["pay"] = payload_hash(str(stored.salt), str(stored.payload))
            payloads.append(stored)
        row = _row(canonical(body), body)
        frontier.append(row.leaf)
        rows.append(row)
        prev = row.leaf
    return Built(tuple(rows), tuple(payloads), AuditHead(id=1, size=frontier.size, leaf=prev, ts=ts, frontier=frontier.to_json()))


def _row(text: str, body: Mapping[str, Any]) -> AuditRow:
    copies = {name: body[name] for name in ("seq", "prev", "action", "actor", "entity", "ts")}
    return AuditRow(**copies, leaf=leaf_hash(text), body=text)


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


def _name(value: str, longest: int, what: str) -> str:
    if not value or len(value) > longest or not value.isprintable():
        raise BadInput(f"audit {what} {value!r:.60} cannot be logged", expected=f"1 to {longest} printable characters, such as person:p-7")
    return value


# --- verification ------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Consistent:
    """What a sound log commits to: how many entries, their Merkle root and last leaf, and how many payloads were erased by the rules."""

    size: int
    root: str
    leaf: str
    ts: str
    erased: int


def verify_rows(rows: Iterable[AuditRow], payloads: Iterable[AuditPayload], head: AuditHead | None) -> Consistent:
    """What the log commits to, recomputed from the bytes stored; raises TamperedEntry at the first thing that is not as written.

    `rows` and `payloads` come in order of seq and are read once, as a stream. Values may be of any type: nothing is trusted.
    """
    check = _Verifier(payloads)
    for row in rows:
        check.entry(row)
    return check.finish(head)


class _Verifier:
    """State of one pass over the log."""

    def __init__(self, payloads: Iterable[AuditPayload]) -> None:
        self._payloads = iter(payloads)
        self._payload = next(self._payloads, None)
        self._frontier = Frontier()
        self._prev = GENESIS_PREV
        self._ts = GENESIS_TS
        self._gone: dict[int, None] = {}
        self._erased: dict[int, int] = {}

    def entry(self, row: AuditRow) -> None:
        """Return when the row is the next entry and its payload fits. Raises TamperedEntry naming the entry."""
        seq = self._frontier.size
        if row.seq != seq or isinstance(row.seq, bool):
            raise TamperedEntry(seq, f"missing: the next entry stored is {row.seq!r:.40}")
        body = _sound_body(seq, row)
        if body["prev"] != self._prev:
            raise TamperedEntry(seq, f"does not follow entry {seq - 1}", expected=f"prev {self._prev}")
        if body["ts"] < self._ts:
            raise TamperedEntry(seq, f"time goes back to {body['ts']}", expected=f"{self._ts} or later")
        self._check_payload(seq, body.get("pay"))
        if body["action"] == Action.PAYLOAD_ERASED:
            self._note_erasure(seq, body["data"])
        self._frontier.append(row.leaf)
        self._prev, self._ts = row.leaf, body["ts"]

    def finish(self, head: AuditHead | None) -> Consistent:
        """What was verified, once every entry was seen. Raises TamperedEntry for a payload, erasure or head that fits no entry."""
        if self._payload is not None:
            raise TamperedEntry(None, f"a payload is stored for entry {self._payload.seq!r:.40}, which does not exist")
        for seq in self._gone:
            if seq not in self._erased:
                raise TamperedEntry(seq, "its payload is gone and no payload.erased entry says so")
        for seq, said_by in self._erased.items():
            if seq not in self._gone:
                raise TamperedEntry(said_by, f"says the payload of entry {seq} is erased, which is not so")
        self._check_head(head)
        return Consistent(self._frontier.size, self._frontier.root(), self._prev, self._ts, len(self._gone))

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
        found = {"size": head.size, "leaf": head.leaf, "ts": head.ts, "frontier": head.frontier}
        expected = {"size": self._frontier.size, "leaf": self._prev, "ts": self._ts, "frontier": self._frontier.to_json()}
        for name, value in expected.items():
            if found[name] != value:
                raise TamperedEntry(None, f"the head's {name} is {found[name]!r:.80}", expected=f"{value!r:.80}")


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
    if not _ACTION.fullmatch(body["action"]):
        return f"action {body['action']!r:.80} has another form"
    if not _is_hash(body["prev"]) or ("pay" in body and not _is_hash(body["pay"])):
        return "prev or pay is no hash"
    try:
        parse_timestamp(body["ts"])
    except NotCanonical as error:
        return error.what
    return ""


def _commits(pay: str, stored: AuditPayload) -> bool:
    if not _is_hash(stored.salt) or not isinstance(stored.payload, str):
        return False
    try:
        return payload_hash(str(stored.salt), stored.payload) == pay
    except UnicodeEncodeError:
        return False
