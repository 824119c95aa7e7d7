"""Hashes of entries and the Merkle tree over them (RFC 6962)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import sha256

from credit_review.audit.canonical import NotCanonical, canonical, is_hash, parse_canonical
from credit_review.errors import Tampered


class TamperedEntry(Tampered):
    """The log is not what was written; `seq` is the entry at which that shows (None: the head or the log as a whole)."""

    def __init__(self, seq: int | None, what: str, *, expected: str = "") -> None:
        self.seq = seq
        where = "audit log" if seq is None else f"audit entry {seq}"
        super().__init__(f"{where}: {what}", expected=expected, next_step="keep the database as it is and call internal audit")


def leaf_hash(body: str) -> str:
    """Hex SHA-256(0x00 || UTF-8 body): the next entry's `prev` and the RFC 6962 leaf."""
    return leaf_of(body.encode("utf-8"))


def leaf_of(body: bytes) -> str:
    """`leaf_hash` of a body as UTF-8 bytes."""
    return sha256(b"\0" + body).hexdigest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """RFC 6962 inner node: SHA-256(0x01 || left || right)."""
    return sha256(b"\1" + left + right).digest()


def payload_hash(salt: str, payload: str) -> str:
    """Hex SHA-256(32 raw salt bytes || UTF-8 payload), the commitment `pay` of an entry; `salt` is 64 hex characters."""
    return sha256(bytes.fromhex(salt) + payload.encode("utf-8")).hexdigest()


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
            return sha256(b"").hexdigest()
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
        whole = isinstance(roots, list) and len(roots) == size.bit_count() and all(is_hash(root) for root in roots)
        if size < 0 or not whole:
            raise TamperedEntry(None, "the head's frontier is damaged", expected=f"{max(size, 0).bit_count()} subtree hashes")
        return cls(size, [bytes.fromhex(root) for root in roots])


def merkle_root(leaves: Iterable[str]) -> str:
    """Hex RFC 6962 root over leaf hashes, as `score.batch` entries carry one over their bucket's customer lines."""
    frontier = Frontier()
    for leaf in leaves:
        frontier.append(leaf)
    return frontier.root()
