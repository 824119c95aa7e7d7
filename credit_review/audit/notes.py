"""Signed checkpoints: what the log commits to, in a text that others can keep and check (C2SP tlog-checkpoint, signed-note, cosignature).

A note is a text and, below an empty line, its signatures. Keys are Ed25519. A verification key is `name+hash+base64`, as in C2SP.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from credit_review.audit.canonical import MAX_INT, is_hash
from credit_review.errors import BadInput
from credit_review.words import said

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

LOG_KEY = b"\x01"
"""Signature type of a log's own key (plain Ed25519 over the text)."""
WITNESS_KEY = b"\x04"
"""Signature type of a witness's cosignature (Ed25519 over a time and the text)."""

_NAME = re.compile(r"[^\s+]{1,255}")
_NOTE = re.compile(r"(?P<text>(?:[^\n]+\n)+)\n(?P<signatures>(?:— [^\s+]+ [A-Za-z0-9+/=]+\n)+)")
_SIGNATURE = re.compile(r"— ([^\s+]+) ([A-Za-z0-9+/=]+)\n")
_ORIGIN = re.compile(r"[^\s+]{1,200}/[1-9][0-9]{0,3}")
_SIZE = re.compile(r"0|[1-9][0-9]{0,15}")
_LONGEST = 64_000


class BadNote(BadInput):
    """A text that is no signed checkpoint, a key that is none, or a signature that does not hold."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A log's own statement of its first `size` entries; `root` is their hex Merkle root.

    `origin` names the log and, after its last slash, its incarnation.
    """

    origin: str
    size: int
    root: str

    @property
    def name(self) -> str:
        """Under which it is kept: incarnation and size, so that names sort as the log grew."""
        return f"{int(self.origin.rpartition('/')[2]):04d}-{self.size:016d}"

    def text(self) -> str:
        """The three lines that are signed."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(bytes.fromhex(self.root)).decode()}\n"


@dataclass(frozen=True, slots=True)
class VerificationKey:
    """A public key with the name it signs under; `kind` is LOG_KEY or WITNESS_KEY. `text` is its C2SP form."""

    name: str
    kind: bytes
    public: bytes

    @property
    def hash(self) -> bytes:
        """The first four bytes that tell keys of one name apart; no proof of anything."""
        return hashlib.sha256(self.name.encode() + b"\n" + self.kind + self.public).digest()[:4]

    @property
    def id(self) -> tuple[str, bytes]:
        """Name and hash, as signature lines name it."""
        return self.name, self.hash

    def text(self) -> str:
        """`name+hash+base64`, to be handed to whoever verifies."""
        return f"{self.name}+{self.hash.hex()}+{base64.b64encode(self.kind + self.public).decode()}"

    @classmethod
    def read(cls, text: str) -> VerificationKey:
        """The key of a C2SP text. Raises BadNote, naming the text."""
        name, _, rest = text.strip().partition("+")
        digest, _, encoded = rest.partition("+")
        raw = _decoded(encoded)
        if _NAME.fullmatch(name) and raw is not None and len(raw) == 33 and raw[:1] in (LOG_KEY, WITNESS_KEY):
            key = cls(name, raw[:1], raw[1:])
            if key.hash.hex() == digest:
                return key
        raise BadNote(said("{text} is no verification key", text=text[:80]), expected=said("name+hash+base64 of an Ed25519 key"))

    def holds(self, text: str, signature: bytes) -> bool:
        """Whether this key made `signature`, its hash taken off, over `text`."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        message, proof = text.encode(), signature
        if self.kind == WITNESS_KEY:
            if len(signature) != 72:
                return False
            message, proof = _cosigned(int.from_bytes(signature[:8], "big"), text), signature[8:]
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(proof, message)
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key and the name it signs under. It never leaves the process that signs; `repr` shows the public half only."""

    key: VerificationKey
    private: Ed25519PrivateKey = field(repr=False)

    @classmethod
    def from_seed(cls, name: str, seed: bytes, *, kind: bytes = LOG_KEY) -> SigningKey:
        """The key of 32 secret bytes. Raises BadNote for a name that cannot stand in a note."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        if not _NAME.fullmatch(name) or len(seed) != 32:
            raise BadNote(said("{name} with {bytes} bytes is no signing key", name=name[:80], bytes=len(seed)))
        private = Ed25519PrivateKey.from_private_bytes(seed)
        return cls(VerificationKey(name, kind, private.public_key().public_bytes_raw()), private)

    @classmethod
    def read(cls, text: str) -> SigningKey:
        """The key of `PRIVATE+KEY+name+hash+base64`. Raises BadNote, never showing the text."""
        label, _, rest = text.strip().partition("+KEY+")
        name, _, tail = rest.partition("+")
        raw = _decoded(tail.partition("+")[2])
        if label == "PRIVATE" and raw is not None and len(raw) == 33 and raw[:1] in (LOG_KEY, WITNESS_KEY):
            found = cls.from_seed(name, raw[1:], kind=raw[:1])
            if found.key.hash.hex() == tail.partition("+")[0]:
                return found
        raise BadNote(said("this is no signing key"), expected=said("a file that `audit key` made"))

    def secret_text(self) -> str:
        """`PRIVATE+KEY+name+hash+base64`, for a file that only the notary's user can read."""
        raw = self.key.kind + self.private.private_bytes_raw()
        return f"PRIVATE+KEY+{self.key.name}+{self.key.hash.hex()}+{base64.b64encode(raw).decode()}"

    def line(self, text: str, *, unix_seconds: int | None = None) -> str:
        """This key's signature line for a note's text; a witness's says when it saw it."""
        if self.key.kind == WITNESS_KEY:
            if unix_seconds is None:
                raise BadNote(said("a cosignature needs its time"))
            proof = unix_seconds.to_bytes(8, "big") + self.private.sign(_cosigned(unix_seconds, text))
        else:
            proof = self.private.sign(text.encode())
        return f"— {self.key.name} {base64.b64encode(self.key.hash + proof).decode()}\n"


def _cosigned(unix_seconds: int, text: str) -> bytes:
    return f"cosignature/v1\ntime {unix_seconds}\n{text}".encode()


def _decoded(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


def sign(text: str, *keys: SigningKey) -> str:
    """The note of a text, signed by each key in turn."""
    return text + "\n" + "".join(key.line(text) for key in keys)


@dataclass(frozen=True, slots=True)
class Opened:
    """A note whose signatures were checked: its checkpoint, and the known keys (`id`) that signed it, with a witness's time."""

    checkpoint: Checkpoint
    signed_by: Mapping[tuple[str, bytes], int | None]


def after_restore(origin: str) -> str:
    """The name of the incarnation that follows."""
    log, _, incarnation = origin.rpartition("/")
    return f"{log}/{int(incarnation) + 1}"


def size_of(note: str) -> int | None:
    """The size that a note names, before anything of it is believed; None when it is no checkpoint."""
    try:
        return _parsed(note).size
    except BadNote:
        return None


def signed_text(note: str, keys: Iterable[VerificationKey]) -> tuple[str, dict[tuple[str, bytes], int | None]]:
    """The text of a note, and by name and hash the known keys that signed it, with a witness's time.

    A signature of a known key must hold; those of unknown keys say nothing and are passed over. Raises BadNote for a text that is no
    note, or where a signature does not hold.
    """
    found = _NOTE.fullmatch(note) if len(note) <= _LONGEST else None
    if found is None:
        raise BadNote(said("this is no signed note"), expected=said("a text, an empty line, signatures"))
    known = {key.id: key for key in keys}
    signed: dict[tuple[str, bytes], int | None] = {}
    for name, encoded in _SIGNATURE.findall(found["signatures"]):
        raw = _decoded(encoded)
        if raw is None:
            raise BadNote(said("this is no signed note"), expected=said("a text, an empty line, signatures"))
        key = known.get((name, raw[:4]))
        if key is None:
            continue
        if not key.holds(found["text"], raw[4:]):
            raise BadNote(said("the signature of {name} does not hold", name=name))
        signed[key.id] = int.from_bytes(raw[4:12], "big") if key.kind == WITNESS_KEY else None
    return found["text"], signed


def open_note(note: str, keys: Iterable[VerificationKey]) -> Opened:
    """The checkpoint of a note that a known key signed. Raises BadNote for any other text."""
    text, signed = signed_text(note, keys)
    checkpoint = _parsed(text)
    if text != checkpoint.text():
        raise BadNote(said("a checkpoint is no signed note"), expected=said("origin, size and root, an empty line, signatures"))
    if not signed:
        raise BadNote(said("checkpoint {size} is signed by no known key", size=checkpoint.size))
    return Opened(checkpoint, signed)


def _parsed(text: str) -> Checkpoint:
    lines = text.split("\n")
    raw = _decoded(lines[2]) if len(lines) > 3 else None
    if raw is None or not _ORIGIN.fullmatch(lines[0]) or not _SIZE.fullmatch(lines[1]) or int(lines[1]) > MAX_INT or not is_hash(raw.hex()):
        raise BadNote(said("a checkpoint is no signed note"), expected=said("origin, size and root, an empty line, signatures"))
    return Checkpoint(lines[0], int(lines[1]), raw.hex())
