"""The signed statement by which a model is published: a fixed text that names kind, digest, model, version, who and when, under Ed25519.

What is signed is a text of its own kind: no checkpoint of the log reads like it, so neither signature can stand in for the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from credit_review.audit import timestamp
from credit_review.audit.notes import BadNote, SigningKey, VerificationKey, sign, signed_text
from credit_review.errors import Refused
from credit_review.model.records import ModelVersion
from credit_review.words import Said, said

HEAD = "credit-review publishes a model, statement 1"


def statement(version: ModelVersion, *, by: str, at: datetime) -> str:
    """The text that is signed: one line a fact, in this order."""
    lines = (
        HEAD,
        f"kind {version.kind}",
        f"digest {version.digest}",
        f"model {version.model_id}",
        f"version {version.version}",
        f"by {by}",
        f"at {timestamp(at)}",
    )
    return "".join(f"{line}\n" for line in lines)


def note(version: ModelVersion, key: SigningKey, *, by: str, at: datetime) -> str:
    """The signed note of a version's publication."""
    return sign(statement(version, by=by, at=at), key)


def published_by(version: ModelVersion) -> tuple[str, str]:
    """Who published a version and when, as its note says; both empty while it has none. Nothing of it is believed before `signed_by`."""
    said_there = dict(line.split(" ", 1) for line in version.signature.partition("\n\n")[0].split("\n") if " " in line)
    return said_there.get("by", ""), said_there.get("at", "")


def signed_by(version: ModelVersion, keys: Sequence[VerificationKey]) -> str:
    """The name of the key that signed a version's publication; empty when its note is none, is of another version, or of no key given."""
    try:
        text, signed = signed_text(version.signature, keys)
    except BadNote:
        return ""
    by, at = published_by(version)
    expected = (
        f"{HEAD}\nkind {version.kind}\ndigest {version.digest}\nmodel {version.model_id}\nversion {version.version}\nby {by}\nat {at}\n"
    )
    return next((name for name, _ in signed), "") if text == expected else ""


def require_signature(version: ModelVersion, keys: Sequence[VerificationKey]) -> str:
    """The name of the key that signed the version's publication. Refused without a signature that holds, saying which it is."""
    name = signed_by(version, keys)
    if name:
        return name
    raise Refused(
        "model.not_signed",
        _why_not(version, keys),
        expected=said("a signature by one of {keys}", keys=", ".join(key.name for key in keys) or said("the keys under models.keys")),
        next_step=said(
            "whoever keeps the key runs `credit-review scorecard publish {model}/{version}`",
            model=version.model_id,
            version=version.version,
        ),
    )


def _why_not(version: ModelVersion, keys: Sequence[VerificationKey]) -> Said:
    about = {"model": version.model_id, "version": version.version, "digest": version.digest[:12]}
    if not version.signature:
        return said("{model} version {version} (digest {digest}) was not published: it has no signature", **about)
    if not keys:
        return said("{model} version {version} (digest {digest}) is signed, and settings.yaml names no key to check it with", **about)
    return said("the signature of {model} version {version} (digest {digest}) does not hold", **about)
