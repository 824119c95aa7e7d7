"""The manifest: one canonical document that fixes a review, so that everything decided can be computed again from it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import date, datetime
from hashlib import sha256
from types import MappingProxyType
from typing import Any

from credit_review.audit import canonical, timestamp
from credit_review.errors import BadInput
from credit_review.words import said

_NONE: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a review is made of. Digests are content digests (SHA-256 hex); empty where the review has no such input.

    Fixed when the review starts: everything down to `lock_sha256` and the governed documents (`mappings` by source name, `policy`,
    `authority`, `delegations`, `calendars`, `scorecard`). Known once the snapshot is written, and never changed after: `snapshot`,
    `ledger`, `customers` (master with groups), `identities`, `external`, `statements`, `remarks`, `cover`, `forecasts`, `rates`,
    `limits` (in force), `layers` (that bound them; empty where none was in force), `history` (earlier outcomes with the grades they
    gave, deferrals, exclusions).
    """

    review_id: str
    label: str
    kind: str
    scope: str
    as_of: date
    time_zone: str
    bucket_count: int
    seed: int
    code_commit: str
    lock_sha256: str
    policy: str
    authority: str
    scorecard: str
    delegations: str = ""
    calendars: str = ""
    mappings: Mapping[str, str] = field(default_factory=lambda: _NONE)
    snapshot: str = ""
    ledger: str = ""
    customers: str = ""
    identities: str = ""
    external: str = ""
    statements: str = ""
    remarks: str = ""
    cover: str = ""
    forecasts: str = ""
    rates: str = ""
    limits: str = ""
    layers: str = ""
    history: str = ""

    @property
    def complete(self) -> bool:
        """Whether the digests of the snapshot are in; a manifest that is complete never changes."""
        return bool(self.snapshot and self.ledger and self.customers)

    def to_json(self) -> str:
        """Canonical JSON text, the bytes whose SHA-256 stands in every proposal."""
        data: dict[str, Any] = {f.name: getattr(self, f.name) for f in fields(self)}
        for name in (*OPTIONAL_INPUTS, "layers"):
            if not data[name]:
                del data[name]  # manifests without them are as they were before there were any
        return canonical({**data, "as_of": self.as_of.isoformat(), "mappings": dict(self.mappings)})

    def digest(self) -> str:
        """SHA-256 (hex) of the canonical text."""
        return digest_of(self.to_json())

    def opening(self) -> Manifest:
        """The manifest as it was when the review started, before the snapshot."""
        return replace(self, **dict.fromkeys(SNAPSHOT_INPUTS, ""))  # type: ignore[arg-type]

    def completed(self, **inputs: str) -> Manifest:
        """The manifest with the digests of the snapshot filled in. Raises BadInput when a field is none of them, or one needed is empty."""
        unknown = sorted(set(inputs) - set(SNAPSHOT_INPUTS))
        if unknown:
            raise BadInput(
                said("{unknown} cannot be set with the snapshot", unknown=", ".join(unknown)),
                expected=said("some of {snapshot_inputs}", snapshot_inputs=", ".join(SNAPSHOT_INPUTS)),
            )
        whole = replace(self, **inputs)  # type: ignore[arg-type]
        if not whole.complete:
            raise BadInput(
                said("manifest of review {review_id} is incomplete", review_id=self.review_id),
                expected=said("digests of snapshot, ledger and customers"),
            )
        return whole


OPTIONAL_INPUTS = ("statements", "remarks", "forecasts")
"""Datasets that a source may hand over or not, and forecasts, which account owners may have made."""

SNAPSHOT_INPUTS = (
    "snapshot", "ledger", "customers", "identities", "external", *OPTIONAL_INPUTS, "cover", "rates", "limits", "layers", "history",
)  # fmt: skip
"""Fields that are known only once the snapshot is written."""


def digest_of(text: str) -> str:
    """SHA-256 (hex) of a text as UTF-8."""
    return sha256(text.encode()).hexdigest()


def digest_of_records(records: Iterable[Any]) -> str:
    """SHA-256 (hex) over records (dataclasses of texts, whole numbers, days and times): one canonical line each, in the lines' order.

    The order in which the store hands records over does not show.
    """
    lines = (canonical({f.name: _plain(getattr(record, f.name)) for f in fields(record)}) for record in records)
    return digest_of("\n".join(sorted(lines)))


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return timestamp(value)
    return value.isoformat() if isinstance(value, date) else value


def from_json(text: str) -> Manifest:
    """The manifest that `to_json` wrote. Raises BadInput for any other text."""
    try:
        data = json.loads(text)
        manifest = Manifest(**{**data, "as_of": date.fromisoformat(data["as_of"]), "mappings": MappingProxyType(data["mappings"])})
    except (ValueError, TypeError, KeyError) as error:
        raise BadInput(
            said("not a manifest: {error}", error=str(error)), expected=said("the canonical text of a review's manifest")
        ) from None
    if manifest.to_json() != text:
        raise BadInput(
            said("manifest of review {review_id} is not canonical", review_id=manifest.review_id),
            expected=said("the bytes as they were written"),
        )
    return manifest
