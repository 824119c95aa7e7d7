"""One finding of the lint: which document and field, of which kind, and what is odd in one sentence."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from credit_review.documents import Path
from credit_review.model.states import DocumentOfRecord
from credit_review.words import said


class Kind(StrEnum):
    """What is odd about a rule."""

    NEVER_FIRES = "never_fires"
    GAP = "gap"
    OVERLAP = "overlap"
    NOBODY = "nobody"
    ALONE = "alone"
    CONTRADICTION = "contradiction"


KIND_WORDS: MappingProxyType[Kind, str] = MappingProxyType(
    {
        Kind.NEVER_FIRES: said("can never fire"),
        Kind.GAP: said("a gap"),
        Kind.OVERLAP: said("an overlap"),
        Kind.NOBODY: said("nobody can approve it"),
        Kind.ALONE: said("one person alone"),
        Kind.CONTRADICTION: said("contradiction"),
    }
)


@dataclass(frozen=True, slots=True)
class Finding:
    """`path` leads to the field in `document`; `text` says what is odd and what was expected."""

    kind: Kind
    path: Path
    text: str
    document: DocumentOfRecord = DocumentOfRecord.POLICY


Found = Iterator[Finding]
