"""Files that appear whole or not at all, and frames as Parquet with exactly the columns and types of their dataset."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from credit_review.errors import BadInput, Tampered
from credit_review.model.frames import Dataset
from credit_review.words import said

if TYPE_CHECKING:
    import pandas as pd

_CHUNK = 1 << 20
PART = ".part"
"""Ending of files under way."""
_RESTORE = "restore the folder from a backup, or run the review again with --supersede"
_READ_BY_ONE_THREAD = 1_000_000  # bytes


@contextmanager
def replacing(path: Path, *, sealed: bool = False) -> Iterator[Path]:
    """A temporary file beside `path` that becomes `path` when the block ends well: synced, renamed, folder synced; else it is removed.

    It is locked while it is written, so that what a killed process left can be told from what is under way (`remove_orphans`). With
    `sealed` its SHA-256 stands beside it before it does, in the form that `sha256sum -c` checks (`require_sealed`).
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=PART, dir=path.parent)
    part = Path(name)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield part
        part.chmod(0o644)
        sync(part)
        if sealed:
            write_text(_seal_of(path), f"{sha256_of(part)}  {path.name}\n")
        part.replace(path)
        sync(path.parent)
    finally:
        part.unlink(missing_ok=True)
        os.close(handle)


def require_free(out: Path) -> None:
    """Return when nothing is there yet, or an empty folder. Raises BadInput."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise BadInput(said("{folder} holds something already", folder=str(out)), expected=said("a folder that is not there yet"))


@contextmanager
def whole_folder(out: Path) -> Iterator[Path]:
    """A temporary folder beside `out` that becomes `out` when the block ends well, else it is removed. Raises BadInput."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(prefix=f".{out.name}.", suffix=PART, dir=out.parent))
        try:
            yield part
            part.chmod(0o755)
            part.replace(out)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    except OSError as error:
        raise BadInput(said("{file} cannot be written: {error}", file=str(out), error=error.strerror or "")) from None


def write_below(folder: Path, name: str, text: str) -> None:
    """Write a text as UTF-8 to a place in a folder, line ends as they stand."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode())


def remove_orphans(folder: Path) -> None:
    """Remove temporary files below `folder` that no living process writes any more."""
    for part in folder.rglob(f".*{PART}"):
        with part.open("rb") as file, suppress(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            part.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Flush a file or folder to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_text(path: Path, text: str, *, sealed: bool = False) -> None:
    """Write a whole text file as UTF-8, atomically, line ends as they stand."""
    with replacing(path, sealed=sealed) as part:
        part.write_bytes(text.encode())


def sha256_of(path: Path) -> str:
    """SHA-256 (hex) of a file's bytes."""
    digest = sha256()
    with path.open("rb") as file:
        while data := file.read(_CHUNK):
            digest.update(data)
    return digest.hexdigest()


def require_sealed(path: Path) -> None:
    """Return when the file is what was sealed. Raises Tampered naming the file that is missing or another."""
    for one in (path, _seal_of(path)):
        if not one.is_file():
            raise Tampered(f"{one} is missing", expected="a file this program wrote", next_step=_RESTORE)
    require_same(path, _seal_of(path).read_bytes()[:64].decode("ascii", "replace"))


def _seal_of(path: Path) -> Path:
    return path.with_name(path.name + ".sha256")


def require_same(path: Path, expected: str) -> None:
    """Return when the file has this SHA-256 (hex). Raises Tampered naming it."""
    found = path.stat()
    _require_same(path, expected, found.st_mtime_ns, found.st_size)


@lru_cache(maxsize=65_536)
def _require_same(path: Path, expected: str, modified_ns: int, size: int) -> None:
    """Check a file's bytes, once a process for each state of the file."""
    if sha256_of(path) != expected:
        raise Tampered(f"{path} is not what was written", expected=f"SHA-256 {expected}", next_step=_RESTORE)


def write_frame(path: Path, frame: pd.DataFrame, dataset: Dataset, *, sealed: bool = False) -> None:
    """Write a frame of the dataset as Parquet, atomically. Raises BadInput when a column is missing or holds another type."""
    _write_table(path, table_of(frame, dataset), sealed=sealed)


def read_frame(path: Path, dataset: Dataset) -> pd.DataFrame:
    """The frame that `write_frame` wrote, dtypes exact. Raises Tampered when the file is missing, cut short or of another shape."""
    table = _with_later(_read_table(path), dataset)
    wanted = _schema(dataset)
    if not table.schema.equals(wanted):
        raise Tampered(f"{path}: columns are not those of {dataset.name}", expected=", ".join(dataset.names))
    return frame_of(table, dataset)


def _with_later(table: Any, dataset: Dataset) -> Any:
    """A table of an earlier version with the columns added since, all missing; any other table as it is."""
    import pyarrow as pa

    wanted = _schema(dataset)
    lacks = {c.name for c in dataset.columns} - set(table.schema.names)
    if not lacks or lacks - dataset.later:
        return table
    for at, field in enumerate(wanted):
        if field.name in lacks:
            empty = [""] * table.num_rows if pa.types.is_string(field.type) else [None] * table.num_rows
            table = table.add_column(at, field, pa.array(empty, type=field.type))
    return table


def write_plain_frame(path: Path, frame: pd.DataFrame, *, sealed: bool = False) -> None:
    """Write a frame of no named dataset as Parquet, atomically; its index is not kept."""
    import pyarrow as pa

    _write_table(path, pa.Table.from_pandas(frame, preserve_index=False), sealed=sealed)


def read_plain_frame(path: Path) -> pd.DataFrame:
    """The frame that `write_plain_frame` wrote. Raises Tampered when the file is missing or cut short."""
    frame: pd.DataFrame = _read_table(path).to_pandas()
    return frame


def table_of(frame: pd.DataFrame, dataset: Dataset) -> Any:
    """The frame as an Arrow table of the dataset's schema. Raises BadInput when it does not fit."""
    import pyarrow as pa

    missing = [name for name in dataset.names if name not in frame.columns]
    if missing:
        raise BadInput(f"{dataset.name}: no column {', '.join(missing)}", expected=", ".join(dataset.names))
    try:
        return pa.Table.from_pandas(frame[list(dataset.names)], schema=_schema(dataset), preserve_index=False).replace_schema_metadata(None)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise BadInput(f"{dataset.name}: {error}", expected="columns of the types in the data dictionary") from None


def frame_of(table: Any, dataset: Dataset) -> pd.DataFrame:
    """An Arrow table of the dataset's schema as a frame, dtypes exact."""
    import numpy as np
    import pandas as pd
    import pyarrow as pa

    text = pd.StringDtype("pyarrow", na_value=np.nan)
    columns: dict[str, Any] = {}
    for column in dataset.columns:
        data = table.column(column.name)
        if column.dtype == "str":
            columns[column.name] = pd.array(data.cast(pa.large_string()), dtype=text)
        elif column.dtype == "date":
            columns[column.name] = data.cast(pa.timestamp("s")).to_numpy()
        elif column.dtype == "int?":
            # pd.array would go through Python objects, a hundred times slower
            columns[column.name] = pd.Int64Dtype().__from_arrow__(data)  # type: ignore[attr-defined]
        else:
            columns[column.name] = data.to_numpy()
    return pd.DataFrame(columns, columns=list(dataset.names))


def empty_frame(dataset: Dataset) -> pd.DataFrame:
    """A frame of the dataset without rows, dtypes exact."""
    return frame_of(_schema(dataset).empty_table(), dataset)


def _schema(dataset: Dataset) -> Any:
    import pyarrow as pa

    types = {"str": pa.string(), "int": pa.int64(), "int?": pa.int64(), "float": pa.float64(), "date": pa.date32(), "bool": pa.bool_()}
    return pa.schema([pa.field(c.name, types[c.dtype], nullable=c.dtype in ("int?", "date", "float")) for c in dataset.columns])


def _write_table(path: Path, table: Any, *, sealed: bool) -> None:
    import pyarrow.parquet as pq

    with replacing(path, sealed=sealed) as part:
        pq.write_table(table, part, compression="zstd", compression_level=1, store_schema=True)


def _read_table(path: Path) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        threads = path.stat().st_size > _READ_BY_ONE_THREAD  # to share out what is read in a millisecond takes longer than reading it
        with pq.ParquetFile(path) as file:
            return file.read(use_threads=threads)
    except FileNotFoundError:
        raise Tampered(f"{path} is missing", expected="a file this program wrote", next_step=_RESTORE) from None
    except (pa.ArrowException, OSError) as error:
        raise Tampered(f"{path} cannot be read: {str(error).splitlines()[0]}", expected="a whole Parquet file") from None
