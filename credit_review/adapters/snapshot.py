"""Snapshots: what was read, written once as Parquet in customer buckets, named by a digest of its values, never changed after.

Layout: `snapshots/<content digest>/snapshot.json` and `<dataset>/<bucket>.parquet` (or `<dataset>.parquet` where a dataset has no buckets;
a bucket without rows has no file). Digests are over values, not bytes: the same rows give the same digest whatever order they came in, on
any machine, with any Parquet writer. The bytes have their SHA-256 besides, checked whenever a file is read.

Content of a table: one line with its column names and types (`name:type` joined by comma), then one line a row in key order. A field is
text in double quotes (quotes doubled), a whole number in digits, `true` or `false`, a date as 2026-03-31, a fraction as the shortest
decimal text that reads back the same in double quotes; a missing one is nothing at all. Fields are joined by comma, lines end with \\n.
A column that a later version added (`Dataset.later`) stands in a table only where a row has a value in it. The
digest of a snapshot is the SHA-256 of the canonical JSON of everything in snapshot.json but `digest` and `files`.
"""

from __future__ import annotations

import fcntl
import io
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from credit_review.adapters import files
from credit_review.audit import canonical
from credit_review.errors import Tampered
from credit_review.model.frames import DATASETS, Dataset, bucket_of

if TYPE_CHECKING:
    import pandas as pd

    from credit_review.adapters.reading import Book
    from credit_review.report import ControlTotal, Source

INDEX = "snapshot.json"
FORMAT = 1
_ORDER = (
    "items",
    "customers",
    "external",
    "statements",
    "remarks",
    "cover",
    "forecasts",
    "rates",
    "stated_totals",
    "aliases",
    "quarantine",
    "duplicates",
)
_SPLIT_ROWS = 100_000
_NEW = ".new-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A snapshot that stands on disk: its content digest, folder, rows read from the sources, and the content digest of each dataset."""

    digest: str
    folder: Path
    rows: int
    digests: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A snapshot opened for reading. Every file is checked against its SHA-256 when it is read. Raises Tampered naming the file."""

    folder: Path
    index: Mapping[str, Any] = field(repr=False)

    @property
    def digest(self) -> str:
        """Content digest of the whole."""
        return str(self.index["digest"])

    @property
    def buckets(self) -> int:
        """Number of customer buckets."""
        return int(self.index["buckets"])

    @property
    def digests(self) -> dict[str, str]:
        """Content digest of each dataset."""
        return {name: str(one["digest"]) for name, one in self.index["datasets"].items()}

    def frame(self, dataset: str, bucket: int) -> pd.DataFrame:
        """Rows of one bucket, sorted by key; empty when it has none."""
        return self._read(DATASETS[dataset], f"{dataset}/{bucket:04d}.parquet")

    def whole(self, dataset: str) -> pd.DataFrame:
        """All rows of a dataset, sorted by key."""
        import pandas as pd

        known = DATASETS[dataset]
        if not known.bucketed:
            return self._read(known, f"{dataset}.parquet")
        parts = [part for part in (self.frame(dataset, b) for b in range(self.buckets)) if len(part)]
        if not parts:
            return self._read(known, "")
        return pd.concat(parts, ignore_index=True).sort_values(list(known.key), kind="stable", ignore_index=True)

    def accounting(self, dataset: str) -> pd.DataFrame:
        """Every row read of a dataset, counted once: columns line, currency, kind, rows, amount_minor, open_minor, unreadable."""
        import pandas as pd

        columns = ["line", "currency", "kind", "rows", "amount_minor", "open_minor", "unreadable"]
        rows = [{name: one[name] for name in columns} for one in self.index["accounting"] if one["dataset"] == dataset]
        texts, numbers = dict.fromkeys(columns[:3], "str"), dict.fromkeys(columns[3:], "int64")
        return pd.DataFrame(rows, columns=columns).astype({**texts, **numbers})

    def rows_read(self, dataset: str) -> int:
        """Rows the sources handed over for a dataset, as counted while reading, apart from the accounting."""
        return sum(int(one["rows"]) for one in self.index["origins"] if one["dataset"] == dataset)

    def ledger_customers(self) -> list[str]:
        """Ids of all customers met in the sources, sorted, whether or not the master knows them."""
        return sorted(set(self.whole("aliases")["customer_id"]))

    def joined_aliases(self) -> pd.DataFrame:
        """ALIASES of customers that stand under several numbers of one source."""
        aliases = self.whole("aliases")
        distinct = aliases.drop_duplicates(["source", "source_number", "customer_id"])
        several = distinct[distinct.duplicated(["source", "customer_id"], keep=False)]
        joined = aliases[
            aliases["customer_id"].isin(set(several["customer_id"])) & aliases["source_number"].isin(set(several["source_number"]))
        ]
        return joined.reset_index(drop=True)

    def namesakes(self) -> tuple[Mapping[str, Any], ...]:
        """Customers that share a name and not an id, for a person to look at: name, customers, customer_ids."""
        return tuple(self.index["namesakes"])

    def sources(self) -> tuple[Source, ...]:
        """What was read from where."""
        from credit_review.report import Source

        return tuple(
            Source(name=o["source"], what=o["where"], dataset=o["dataset"], rows=o["rows"], digest=self.digests.get(o["dataset"], ""))
            for o in self.index["origins"]
        )

    def control_totals(self) -> tuple[ControlTotal, ...]:
        """Totals of what was read beside what the sources state; where none is stated, the ledger tied to itself only."""
        from credit_review.report import ControlTotal

        if self.index["ties"]:
            return tuple(
                ControlTotal(
                    dataset=t["dataset"], currency=t["currency"], kind=t["kind"], rows=t["read_rows"], amount_minor=t["read_minor"],
                    stated_rows=t["stated_rows"], stated_minor=t["stated_minor"], tied=True,
                )
                for t in self.index["ties"]
            )  # fmt: skip
        return tuple(
            ControlTotal(dataset="items", currency=t["currency"], kind=t["kind"], rows=t["rows"], amount_minor=t["open_minor"])
            for t in self.index["control_totals"]
        )

    def notes(self) -> tuple[str, ...]:
        """What the readers want a person to know."""
        return tuple(self.index["notes"])

    def verify(self) -> None:
        """Return when every file and every value is what was written. Raises Tampered naming the file or dataset."""
        for name in self.index["files"]:
            self._path(name)
        for name, one in self.index["datasets"].items():
            known = DATASETS[name]
            for part, expected in one["content"].items():
                found = content_digest(self._read(known, _file(known, int(part) if part else None)), known)
                if found != expected:
                    raise Tampered(f"{name} of {self.folder} does not hold what was snapshotted", expected=f"content digest {expected}")

    def _read(self, dataset: Dataset, name: str) -> pd.DataFrame:
        if name not in self.index["files"]:
            return files.empty_frame(dataset)
        return files.read_frame(self._path(name), dataset)

    def _path(self, name: str) -> Path:
        path = self.folder / name
        expected = str(self.index["files"][name])
        if not path.is_file():
            raise Tampered(f"{path} is missing", expected=f"a file with SHA-256 {expected}", next_step="restore the snapshot from a backup")
        files.require_same(path, expected)
        return path


@dataclass(frozen=True, slots=True)
class Fault:
    """Something of a snapshot that is not what was written: dataset (empty: the index), file, digests (`found` empty: it is missing)."""

    dataset: str
    where: str
    expected: str
    found: str


def faults(folder: Path) -> Iterator[Fault]:
    """Everything of a snapshot that is not what was written, by the name of its folder; `verify` stops at the first.

    Bytes are compared with their SHA-256, values with their content digest, the index with the folder's name.
    """
    index = _index(folder)
    if index is None:
        yield Fault("", INDEX, folder.name, "" if not (folder / INDEX).is_file() else files.sha256_of(folder / INDEX))
        return
    digest = _digest_of(index)
    if digest != folder.name:
        yield Fault("", INDEX, folder.name, digest)
    for name, one in index["datasets"].items():
        for part, expected in one["content"].items():
            yield from _file_faults(folder, index, DATASETS[name], _file(DATASETS[name], int(part) if part else None), expected)


def _file_faults(folder: Path, index: Mapping[str, Any], dataset: Dataset, file: str, expected: str) -> Iterator[Fault]:
    bytes_expected = str(index["files"].get(file, ""))
    if not (folder / file).is_file():
        yield Fault(dataset.name, file, bytes_expected, "")
        return
    bytes_found = files.sha256_of(folder / file)
    if bytes_found != bytes_expected:
        yield Fault(dataset.name, file, bytes_expected, bytes_found)
    try:
        found = content_digest(files.read_frame(folder / file, dataset), dataset)
    except Tampered:
        return  # its bytes say so already
    if found != expected:
        yield Fault(dataset.name, file, expected, found)


def link_as_found(folder: Path, root: Path) -> str:
    """A snapshot under `root` that reads the files of `folder` as they are now, changed or not; returns its digest.

    For a replay that goes on although an input changed. Raises Tampered when there is no index to go by.
    """
    index = _index(folder)
    if index is None:
        raise Tampered(f"{folder / INDEX} is missing or cannot be read", expected="the index of a snapshot")
    digest = _digest_of(index)
    present = [name for name in index["files"] if (folder / name).is_file()]
    for name in present:
        (root / digest / name).parent.mkdir(parents=True, exist_ok=True)
        (root / digest / name).symlink_to((folder / name).resolve())
    hashes = {**index["files"], **{name: files.sha256_of(folder / name) for name in present}}
    files.write_text(root / digest / INDEX, json.dumps({**index, "digest": digest, "files": hashes}))
    return digest


def _index(folder: Path) -> dict[str, Any] | None:
    try:
        index = json.loads((folder / INDEX).read_text(encoding="utf-8"))
        return index if {"datasets", "files"} <= set(index) else None
    except (OSError, ValueError, TypeError):
        return None


def _digest_of(index: Mapping[str, Any]) -> str:
    content = {name: value for name, value in index.items() if name not in ("digest", "files")}
    return sha256(canonical(content).encode()).hexdigest()


def write(root: Path, book: Book, *, buckets: int) -> Written:
    """The snapshot of `book` under `root`, whole or not at all; the same values give the same digest and are written once.

    Written beside, synced and renamed; what a crash leaves (`.new-*`) is never read, and removed by the next write. Memory beyond the
    book's is one bucket.
    """
    root.mkdir(parents=True, exist_ok=True)
    with _staging(root) as staging:
        datasets, hashes = _write_datasets(staging, book.frames, buckets)
        content = _content(book, datasets, buckets)
        digest = sha256(canonical(content).encode()).hexdigest()
        index = {**content, "digest": digest, "files": hashes}
        files.write_text(staging / INDEX, json.dumps(index, ensure_ascii=False, sort_keys=True, indent=1) + "\n")
        folder = _publish(staging, root / digest)
    return Written(digest=digest, folder=folder, rows=book.rows, digests={name: one["digest"] for name, one in datasets.items()})


@contextmanager
def _staging(root: Path) -> Iterator[Path]:
    """A folder to write in, locked as long as this process lives; those of dead processes are removed first."""
    with _locked(root):  # nobody takes a folder that is made and not locked yet for an orphan
        for orphan in root.glob(f"{_NEW}*"):
            with suppress(BlockingIOError), _locked(orphan, wait=False):
                shutil.rmtree(orphan)
        staging = Path(tempfile.mkdtemp(prefix=_NEW, dir=root))
        held = ExitStack()
        held.enter_context(_locked(staging))
    with held:
        try:
            staging.chmod(0o755)
            yield staging
        finally:
            shutil.rmtree(staging, ignore_errors=True)


@contextmanager
def _locked(folder: Path, *, wait: bool = True) -> Iterator[None]:
    """The folder's lock. Raises BlockingIOError when somebody has it and this call does not wait."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield
    finally:
        os.close(handle)


def open_snapshot(folder: Path) -> Snapshot:
    """The snapshot in `folder`, its index checked against its name. Raises Tampered naming the file that is not what was written."""
    path = folder / INDEX
    try:
        index = json.loads(path.read_text(encoding="utf-8"))
        digest = _digest_of(index)
    except FileNotFoundError:
        raise Tampered(f"{path} is missing", expected="a snapshot", next_step="restore the snapshot from a backup") from None
    except (ValueError, AttributeError, TypeError) as error:
        raise Tampered(f"{path} cannot be read: {error}", expected="the index of a snapshot") from None
    if not digest == index.get("digest") == folder.name:
        raise Tampered(f"{path} is not what was written", expected=f"content digest {folder.name}, got {digest}")
    # the digest is over values, and says which files there are; their own digests stand beside it
    wanted = {_file(DATASETS[name], int(part) if part else None) for name, one in index["datasets"].items() for part in one["content"]}
    if wanted != set(index["files"]):
        raise Tampered(f"{path} is not what was written", expected=f"digests of exactly the files {', '.join(sorted(wanted))}")
    return Snapshot(folder, index)


def content_digest(frame: pd.DataFrame, dataset: Dataset) -> str:
    """SHA-256 (hex) over the values of a frame that is sorted by key, as the module's text says.

    A column added since counts only where a row has it, so that what was written before it keeps its digest.
    """
    dataset = replace(dataset, columns=tuple(c for c in dataset.columns if c.name not in dataset.later or _stated(frame[c.name])))
    digest = sha256((",".join(f"{c.name}:{c.dtype}" for c in dataset.columns) + "\n").encode())
    for piece in _lines(frame, dataset):
        digest.update(piece)
    return digest.hexdigest()


def _stated(values: pd.Series[Any]) -> bool:
    return bool((values.notna() & (values != "")).any())


def _lines(frame: pd.DataFrame, dataset: Dataset) -> Iterator[bytes]:
    import pyarrow as pa
    from pyarrow import csv

    table = files.table_of(frame, dataset)
    for at, column in enumerate(dataset.columns):
        if column.dtype == "float":
            texts = [None if value != value else repr(float(value)) for value in frame[column.name].tolist()]
            table = table.set_column(at, column.name, pa.array(texts, type=pa.string()))
    options = csv.WriteOptions(include_header=False, quoting_style="needed", batch_size=_SPLIT_ROWS)
    for start in range(0, table.num_rows, _SPLIT_ROWS):
        buffer = io.BytesIO()
        csv.write_csv(table.slice(start, _SPLIT_ROWS), buffer, options)
        yield buffer.getvalue()


def _write_datasets(staging: Path, frames: Mapping[str, pd.DataFrame], buckets: int) -> tuple[dict[str, Any], dict[str, str]]:
    """Write all files; returns of each dataset rows, content digest of each part and of the whole, and SHA-256 by file name."""
    datasets: dict[str, Any] = {}
    hashes: dict[str, str] = {}
    for name in [name for name in _ORDER if name in frames]:
        known = DATASETS[name]
        content: dict[str, str] = {}
        for bucket, part in _parts(frames[name], known, buckets):
            file = _file(known, bucket)
            files.write_frame(staging / file, part, known)
            hashes[file] = files.sha256_of(staging / file)
            content["" if bucket is None else f"{bucket:04d}"] = content_digest(part, known)
        digest = sha256(canonical({"buckets": buckets if known.bucketed else 0, "content": content}).encode()).hexdigest()
        datasets[name] = {"rows": len(frames[name]), "content": content, "digest": digest}
    return datasets, hashes


def _parts(frame: pd.DataFrame, dataset: Dataset, buckets: int) -> Iterator[tuple[int | None, pd.DataFrame]]:
    """The frame sorted by key, in its buckets; buckets without rows are left out."""
    import numpy as np
    import pandas as pd

    exact = _in_order(frame, dataset)
    if not dataset.bucketed:
        yield None, exact
        return
    positions, ids = pd.factorize(exact["customer_id"])
    home = np.array([bucket_of(str(customer), buckets) for customer in ids], dtype=np.int64)[positions] if len(ids) else positions
    order = np.argsort(home, kind="stable")
    ends = np.searchsorted(home[order], np.arange(buckets + 1))
    for bucket in range(buckets):
        if ends[bucket] < ends[bucket + 1]:
            yield bucket, exact.iloc[order[ends[bucket] : ends[bucket + 1]]].reset_index(drop=True)


def _in_order(frame: pd.DataFrame, dataset: Dataset) -> pd.DataFrame:
    """The frame by key, and rows of one key by all other columns, so that no order of arrival shows."""
    key = list(dataset.key)
    exact = frame[list(dataset.names)]
    if len(key) == 1 and exact[key[0]].is_monotonic_increasing and exact[key[0]].is_unique:
        return exact
    rest = [name for name in dataset.names if name not in key]
    return exact.sort_values([*key, *rest] if exact.duplicated(key).any() else key, kind="stable", ignore_index=True)


def _content(book: Book, datasets: Mapping[str, Any], buckets: int) -> dict[str, Any]:
    """Everything in the index that the digest is over."""
    from credit_review import receivables

    return {
        "format": FORMAT,
        "buckets": buckets,
        "datasets": dict(datasets),
        "origins": [asdict(one) for one in book.origins],
        "accounting": _records(book.accounting),
        "control_totals": _records(receivables.control_totals(book.accounting)),
        "ties": [asdict(one) for one in book.ties],
        "namesakes": _records(book.namesakes),
        "notes": list(book.notes),
    }


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(k): v for k, v in row.items()} for row in frame.to_dict("records")]


def _file(dataset: Dataset, bucket: int | None) -> str:
    return f"{dataset.name}.parquet" if bucket is None else f"{dataset.name}/{bucket:04d}.parquet"


def _publish(staging: Path, target: Path) -> Path:
    """Rename the staged folder to its name; when it stands there already, the one that was there first stays, whole."""
    for folder in [*(path for path in staging.iterdir() if path.is_dir()), staging]:
        files.sync(folder)
    try:
        staging.rename(target)
    except OSError:
        if not target.is_dir():
            raise
        open_snapshot(target).verify()
    files.sync(target.parent)
    return target
