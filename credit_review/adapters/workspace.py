"""The folder of one review: documents as adopted, results by bucket, certificate and reports. Every file appears whole or not at all.

Results of the stages (Parquet and JSON) have their SHA-256 beside them, as `sha256sum -c` reads it, and are checked whenever they are read:
what a stage works on is what the stage before it wrote.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from credit_review import authority, documents, policy, receivables
from credit_review.adapters import files
from credit_review.documents import Document
from credit_review.errors import Tampered
from credit_review.model.frames import DATASETS, Dataset
from credit_review.model.states import DocumentOfRecord

if TYPE_CHECKING:
    import pandas as pd

    from credit_review.authority import Matrix
    from credit_review.policy import Policy
    from credit_review.receivables import Mapping
    from credit_review.scoring import Scorecard

INDEX = "documents.json"


@dataclass(frozen=True, slots=True)
class Workspace:
    """Files of one review under the data folder."""

    data: Path
    review_id: str

    @property
    def folder(self) -> Path:
        """Folder of the review."""
        return self.data / "reviews" / self.review_id

    @property
    def snapshots(self) -> Path:
        """Folder of all snapshots."""
        return self.data / "snapshots"

    def path(self, name: str) -> Path:
        """A file of the review, its folder made."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def frame_path(self, dataset: str, bucket: int | None = None) -> Path:
        """Where a result of a stage is kept."""
        return self.path(f"{dataset}.parquet" if bucket is None else f"{dataset}/{bucket:04d}.parquet")

    def write(self, name: str, frame: pd.DataFrame, bucket: int | None = None, *, of: Dataset | None = None) -> Path:
        """Keep a result. One of a dataset (`of`, or the dataset of that name) must have exactly its columns and types."""
        path = self.frame_path(name, bucket)
        dataset = of or DATASETS.get(name)
        if dataset is None:
            files.write_plain_frame(path, frame, sealed=True)
        else:
            files.write_frame(path, frame, dataset, sealed=True)
        return path

    def read(self, name: str, bucket: int | None = None, *, of: Dataset | None = None) -> pd.DataFrame:
        """A kept result. Raises Tampered when it is missing or not what was written."""
        path, dataset = self.frame_path(name, bucket), of or DATASETS.get(name)
        files.require_sealed(path)
        return files.read_plain_frame(path) if dataset is None else files.read_frame(path, dataset)

    def has(self, name: str) -> bool:
        """Whether a file or a result of that name is kept."""
        return (self.folder / name).exists() or (self.folder / f"{name}.parquet").exists()

    def read_all(self, name: str, buckets: int, *, of: Dataset | None = None) -> pd.DataFrame:
        """A result of all buckets, in bucket order."""
        import pandas as pd

        return pd.concat([self.read(name, bucket, of=of) for bucket in range(buckets)], ignore_index=True)

    def write_json(self, name: str, value: Any) -> None:
        """Keep a JSON document, keys sorted."""
        self.write_text(name, json.dumps(value, ensure_ascii=False, sort_keys=True, indent=1) + "\n")

    def read_json(self, name: str) -> Any:
        """A kept JSON document. Raises Tampered when it is missing or not what was written."""
        path = self.path(name)
        files.require_sealed(path)
        return json.loads(path.read_text(encoding="utf-8"))

    def write_text(self, name: str, text: str) -> str:
        """Keep a text file; returns its SHA-256 (hex)."""
        path = self.path(name)
        files.write_text(path, text, sealed=path.suffix == ".json")
        return sha256(text.encode()).hexdigest()

    def begin_again(self) -> None:
        """Before a review goes on: what a killed process left half-written goes, and the report, which will be written again.

        A review that is routed and has no report was stopped before its end.
        """
        files.remove_orphans(self.folder)
        for page in sorted(self.folder.glob("report*.html")):
            page.unlink(missing_ok=True)

    # --- governed documents, copied when the review starts ----------------------------------------------------------------------------

    def keep_documents(self, found: Sequence[tuple[DocumentOfRecord, Document]]) -> None:
        """Copy the documents the review uses, so that it can be computed again after the configuration moved on."""
        index = []
        for kind, document in found:
            files.write_text(self.path(f"documents/{document.digest}"), document.text)
            index.append({"kind": kind, "name": document.name, "digest": document.digest})
        self.write_json(INDEX, index)

    def has_documents(self) -> bool:
        """Whether the documents were copied."""
        return (self.folder / INDEX).is_file()

    def document(self, kind: DocumentOfRecord) -> Document:
        """The review's policy, authority matrix or scorecard."""
        return self._documents(kind)[0]

    def _documents(self, kind: DocumentOfRecord) -> list[Document]:
        return [self._kept(entry["name"], entry["digest"]) for entry in self.read_json(INDEX) if entry["kind"] == kind]

    def _kept(self, name: str, digest: str) -> Document:
        text = self.path(f"documents/{digest}").read_text(encoding="utf-8")
        if sha256(text.encode()).hexdigest() != digest:
            raise Tampered(f"{name} in {self.folder} is not what the review was started with", expected=f"SHA-256 {digest}")
        return self.plain_document(name, text)

    @staticmethod
    def plain_document(name: str, text: str) -> Document:
        """A document by its text alone, for what is not YAML."""
        return Document(name, text, {}, MappingProxyType({}), sha256(text.encode()).hexdigest(), MappingProxyType({}))

    def policy(self) -> Policy:
        """The review's policy."""
        document = self.document(DocumentOfRecord.POLICY)
        return _policy(document.text, document.name)

    def matrix(self) -> Matrix:
        """The review's authority matrix."""
        document = self.document(DocumentOfRecord.AUTHORITY)
        return authority.load(documents.parse(document.text, name=document.name))

    def scorecard(self) -> Scorecard:
        """The review's scorecard."""
        return _scorecard(self.document(DocumentOfRecord.SCORECARD).text)

    def mappings(self) -> list[Mapping]:
        """The review's mappings, in the order of the settings."""
        return [_mapping(document.text, document.name) for document in self._documents(DocumentOfRecord.MAPPING)]

    def capabilities(self) -> frozenset[str]:
        """What the sources of the review can tell: a figure that lacks its own cannot be computed for the book."""
        return receivables.capabilities(self.mappings())


@lru_cache(maxsize=8)
def _policy(text: str, name: str) -> Policy:
    return policy.load(documents.parse(text, name=name))


@lru_cache(maxsize=8)
def _scorecard(text: str) -> Scorecard:
    from credit_review import scoring

    return scoring.load(text)


@lru_cache(maxsize=32)
def _mapping(text: str, name: str) -> Mapping:
    return receivables.load(documents.parse(text, name=name))
