"""Ledger sources as frames of text: CSV, Parquet, Excel, JSON lines, and any database SQLAlchemy can reach. Nothing is coerced here.

Every value arrives as the text the source wrote (or the plain text of a typed value), missing is empty, and the index is the row in the
source (a data row of a file with a header counts from 2). Errors name the file and the place; no error shows a database URL.
"""

from __future__ import annotations

import codecs
import csv
import json
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from credit_review.adapters import workbook
from credit_review.adapters.central_bank import CentralBankSource
from credit_review.adapters.plain import plain_text
from credit_review.errors import BadInput, Unavailable
from credit_review.ports import Source
from credit_review.receivables import columns as col
from credit_review.receivables.mapping import Input
from credit_review.words import marked, said

CHUNK_ROWS = 250_000
_BLOCK = 64 << 20
_MOST_COLUMNS = 2_000
_MOST_ROWS = 50_000_000
_EXPORT_AGAIN = said("export the file again, or correct the mapping's `from`")


def open_source(where: Input, *, folder: Path, secret: Callable[[str], str]) -> Source:
    """The source that `where` names: file names are relative to `folder`, a database URL comes from `secret(name)`.

    Raises BadInput when a file is missing.
    """
    if where.csv is not None:
        return CsvSource(where.csv, _there(folder, where.csv), where)
    if where.parquet is not None:
        return ParquetSource(where.parquet, _there(folder, where.parquet))
    if where.excel is not None:
        return ExcelSource(where.excel, _there(folder, where.excel), where.sheet)
    if where.jsonl is not None:
        return JsonLinesSource(where.jsonl, _there(folder, where.jsonl), where.encoding)
    if where.ecb is not None:
        return CentralBankSource(where.ecb, _there(folder, where.ecb))
    if where.sqlite is not None:
        path = _there(folder, where.sqlite)
        url = f"sqlite:///file:{str(path).replace('%', '%25').replace('?', '%3f').replace('#', '%23')}?mode=ro&uri=true"
        return DatabaseSource(where.name, url, where)
    if where.url_secret is None:
        raise BadInput(
            said("{name}: no file and no url_secret", name=where.name),
            expected=said("csv, parquet, excel, jsonl, ecb, sqlite or url_secret under `from`"),
        )
    return DatabaseSource(where.name, secret(where.url_secret), where)


def _there(folder: Path, name: str) -> Path:
    path = folder / name
    if not path.is_file():
        near = sorted(p.name for p in folder.iterdir() if p.is_file())[:8] if folder.is_dir() else []
        raise BadInput(
            said("{name} is not in {folder}", name=name, folder=folder),
            expected=said("the file the mapping names; found there: {near}", near=", ".join(near) or "nothing"),
            next_step=said("put the file there, or correct the source's folder in settings.yaml"),
        )
    if path.stat().st_size == 0:
        raise BadInput(said("{name} is empty", name=name), expected=said("a header and rows"), next_step=_EXPORT_AGAIN)
    return path


@dataclass(slots=True)
class FrameSource:
    """Frames already in memory, for tests and the demo: the Null twin of the readers below, unsafe as evidence of anything."""

    name: str
    frames: Sequence[pd.DataFrame]

    def read(self) -> Iterator[pd.DataFrame]:
        """The frames as given."""
        yield from self.frames


@dataclass(slots=True)
class CsvSource:
    """A delimited text file with one header line. Encoding and number of columns are strict."""

    name: str
    path: Path
    where: Input

    def read(self) -> Iterator[pd.DataFrame]:
        """Text frames. Raises BadInput for a wrong encoding (with its line), a row of another length, or a doubled column."""
        from pyarrow import csv as arrow_csv

        encoding = _encoding(self.name, self.where.encoding)
        names = self._header(encoding)
        options = {
            "read_options": arrow_csv.ReadOptions(column_names=names, skip_rows=1, encoding=encoding, block_size=_BLOCK),
            "parse_options": arrow_csv.ParseOptions(
                delimiter=self.where.delimiter, quote_char=self.where.quote, double_quote=True, newlines_in_values=True
            ),
            "convert_options": arrow_csv.ConvertOptions(
                column_types={name: pa.large_string() for name in names}, strings_can_be_null=False, check_utf8=True
            ),
        }
        try:
            line = 2
            with arrow_csv.open_csv(self.path, **options) as reader:
                for batch in reader:
                    yield _frame(names, batch.columns, line)
                    line += batch.num_rows
            if line == 2:
                yield _frame(names, [pa.array([], type=pa.large_string()) for _ in names], 2)
        except (pa.ArrowInvalid, UnicodeError) as error:
            raise self._said(error, encoding, names) from None
        self._require_closed_quotes(encoding, names)

    def _require_closed_quotes(self, encoding: str, names: Sequence[str]) -> None:
        """A quote that is opened and never closed swallows the rest of the file into one cell; Arrow does not mind, we do."""
        mark = self.where.quote.encode()
        with self.path.open("rb") as file:
            odd = sum(data.count(mark) for data in iter(lambda: file.read(1 << 20), b"")) % 2
        unclosed = self._unclosed(encoding, names) if odd else None
        if unclosed is not None:
            raise unclosed

    def _unclosed(self, encoding: str, names: Sequence[str]) -> BadInput | None:
        """The error of a quote that is opened and never closed, by the line of its row and its column; None where all are closed."""
        try:
            deque(self._rows(encoding, strict=True), maxlen=0)
        except csv.Error as error:
            if "end of data" in str(error):
                line, row = deque(self._rows(encoding), maxlen=1)[0]
                return BadInput(
                    said(
                        "{name} line {line}, {field}: a quote is opened and never closed",
                        name=self.name,
                        line=line,
                        field=names[min(len(row), len(names)) - 1],
                    ),
                    expected=said("every quoted field closed"),
                    next_step=_EXPORT_AGAIN,
                )
        return None

    def _rows(self, encoding: str, *, strict: bool = False) -> Iterator[tuple[int, list[str]]]:
        """Every row with the line it begins on, header first. Raises csv.Error where `strict` rules are broken."""
        csv.field_size_limit(1 << 30)
        with self.path.open(encoding=encoding, newline="") as file:
            rows = csv.reader(file, delimiter=self.where.delimiter, quotechar=self.where.quote, strict=strict)
            line = 1
            for row in rows:
                yield line, row
                line = rows.line_num + 1

    def _header(self, encoding: str) -> list[str]:
        try:
            with self.path.open(encoding=encoding, newline="") as file:
                rows = csv.reader(file, delimiter=self.where.delimiter, quotechar=self.where.quote, strict=True)
                names = next(rows, [])
        except (UnicodeError, csv.Error) as error:
            raise self._said(error, encoding, []) from None
        if names:
            names[0] = names[0].removeprefix("\ufeff")
        return _names(self.name, names)

    def _said(self, error: Exception, encoding: str, names: Sequence[str]) -> BadInput:
        """The error in terms of the file: which line is not in the encoding, or has another number of fields."""
        line = _undecodable_line(self.path, encoding)
        if line is not None:
            return BadInput(
                said("{name} line {line}: not {encoding} text", name=self.name, line=line, encoding=encoding),
                expected=said("a file in {encoding}, as the mapping says", encoding=encoding),
                next_step=said("correct `encoding` in the mapping (Windows exports are often cp1252), or export the file as UTF-8"),
            )
        return (
            self._unclosed(encoding, names)
            or self._ragged(encoding, names)
            or BadInput(
                said("{name}: {problem}", name=self.name, problem=str(error).splitlines()[0]),
                expected=said("a delimited text file"),
                next_step=_EXPORT_AGAIN,
            )
        )

    def _ragged(self, encoding: str, names: Sequence[str]) -> BadInput | None:
        """The error of the first row with another number of fields than the header; None where all have as many."""
        try:
            found = next(((line, row) for line, row in self._rows(encoding) if row and len(row) != len(names)), None)
        except csv.Error:
            return None
        if found is None:
            return None
        line, row = found
        short = marked("{name} line {line}: the row ends before {field}, after {got} of {columns} fields")
        long = marked("{name} line {line}: {got} fields")
        about: dict[str, Any] = {"name": self.name, "line": line, "got": len(row), "columns": len(names)}
        return BadInput(
            said(short, field=names[len(row)], **about) if len(row) < len(names) else said(long, **about),
            expected=said("{columns} fields, as in the header", columns=len(names)),
            next_step=_EXPORT_AGAIN,
        )


@dataclass(slots=True)
class ParquetSource:
    """A Parquet file; typed values become plain text (dates ISO, decimals exact)."""

    name: str
    path: Path

    def read(self) -> Iterator[pd.DataFrame]:
        """Text frames. Raises BadInput for a file that is cut short or no Parquet."""
        import pyarrow.parquet as pq

        try:
            with pq.ParquetFile(self.path) as file:
                if file.metadata.num_rows > _MOST_ROWS:
                    raise BadInput(
                        said("{name}: {num_rows} rows", name=self.name, num_rows=file.metadata.num_rows),
                        expected=said("at most {most_rows}", most_rows=_MOST_ROWS),
                    )
                flat = [f.name for f in file.schema_arrow if not pa.types.is_nested(f.type)]
                names = _names(self.name, flat)
                row = 1
                for batch in file.iter_batches(batch_size=CHUNK_ROWS, columns=flat):
                    yield _frame(names, [_text_array(column) for column in batch.columns], row)
                    row += batch.num_rows
                if row == 1:
                    yield _frame(names, [pa.array([], type=pa.large_string()) for _ in names], 1)
        except (pa.ArrowException, OSError) as error:
            raise BadInput(
                said("{name}: cut short or no Parquet file ({problem})", name=self.name, problem=str(error).splitlines()[0]),
                expected=said("a whole Parquet file"),
                next_step=_EXPORT_AGAIN,
            ) from None


@dataclass(slots=True)
class ExcelSource:
    """A sheet of an .xlsx workbook: first row the header. Formulas, macros and bombs are refused, and never by this process."""

    name: str
    path: Path
    sheet: str | None

    def read(self) -> Iterator[pd.DataFrame]:
        """Text frames; numbers as Excel shows them (15 digits), whole ones without decimals, dates ISO. Raises BadInput."""
        rows = workbook.read_apart(self.path, self.sheet, known_as=self.name)
        names, line = _names(self.name, next(rows, [])), 2
        while part := list(islice(rows, CHUNK_ROWS)):
            yield _frame(names, [_texts(column) for column in zip(*part, strict=True)], line)
            line += len(part)
        if line == 2:
            yield _frame(names, [_texts([]) for _ in names], 2)


@dataclass(slots=True)
class JsonLinesSource:
    """A file of one flat JSON object a line. Numbers keep the digits they are written with."""

    name: str
    path: Path
    encoding: str

    def read(self) -> Iterator[pd.DataFrame]:
        """Text frames with the union of the first lines' fields. Raises BadInput with the line."""
        encoding = _encoding(self.name, self.encoding)
        names: list[str] = []
        held: list[dict[str, str]] = []
        line, first = 0, 1
        try:
            with self.path.open(encoding=encoding) as file:
                for line, text in enumerate(file, 1):
                    held.append(self._object(text, line) if text.strip() else {})
                    if len(held) == CHUNK_ROWS:
                        names = names or _fields(held)
                        yield self._frame(names, held, first)
                        held, first = [], line + 1
        except UnicodeError:
            raise BadInput(
                said("{name} line {line}: not {encoding} text", name=self.name, line=line + 1, encoding=encoding),
                expected=said("a file in {encoding}", encoding=encoding),
            ) from None
        if held:
            yield self._frame(names or _fields(held), held, first)

    def _frame(self, names: list[str], held: list[dict[str, str]], first: int) -> pd.DataFrame:
        rows = [(at, one) for at, one in enumerate(held, first) if one]
        for at, one in rows:
            extra = sorted(set(one) - set(names))
            if extra:
                raise BadInput(
                    said("{name} line {at}: field {extra} is not in the lines before", name=self.name, at=at, extra=repr(extra[0])),
                    expected=", ".join(names),
                )
        frame = _frame(_names(self.name, names), [pa.array([one.get(n, "") for _, one in rows], pa.large_string()) for n in names], 1)
        frame.index = pd.Index([at for at, _ in rows], dtype="int64")
        return frame

    def _object(self, text: str, line: int) -> dict[str, str]:
        def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
            names = [name for name, _ in found]
            if len(set(names)) != len(names):
                raise BadInput(
                    said("{name} line {line}: a field stands twice", name=self.name, line=line), expected=said("each field once")
                )
            return dict(found)

        def refuse(constant: str) -> Any:
            raise ValueError(f"{constant} is no number")

        try:
            value = json.loads(text, parse_int=str, parse_float=str, parse_constant=refuse, object_pairs_hook=pairs)
        except (ValueError, RecursionError) as error:
            raise BadInput(
                said("{name} line {line}: {error}", name=self.name, line=line, error=str(error)), expected=said("one JSON object a line")
            ) from None
        if not isinstance(value, dict) or any(isinstance(v, dict | list) for v in value.values()):
            raise BadInput(
                said("{name} line {line}: not a flat object", name=self.name, line=line),
                expected=said("one JSON object of plain values a line"),
            )
        return {name: plain_text(v) for name, v in value.items()}


@dataclass(slots=True)
class DatabaseSource:
    """A table, view or query, read in one read-only transaction."""

    name: str
    url: str
    where: Input

    def __repr__(self) -> str:
        """Without the URL, which holds credentials."""
        return f"DatabaseSource({self.name!r})"

    def read(self) -> Iterator[pd.DataFrame]:
        """Text frames. Raises BadInput for a table, column or query the database does not know, Unavailable when it does not answer."""
        from sqlalchemy import exc

        try:
            yield from self._rows()
        except exc.OperationalError as error:
            problem = _first_line(error)
            if "decode" in problem or self.url.startswith("sqlite"):
                raise BadInput(
                    said("{name}: {problem}", name=self.name, problem=problem),
                    expected=said("a database this mapping fits"),
                    next_step=said("correct `encoding`, table or query in the mapping"),
                ) from None
            raise Unavailable(
                said("{name}: the database does not answer ({kind})", name=self.name, kind=type(error.orig).__name__),
                next_step=said("try again later"),
            ) from None
        except (exc.NoSuchModuleError, exc.ArgumentError):
            raise BadInput(
                said("{name}: the database URL is not one SQLAlchemy knows", name=self.name),
                expected=said("such as postgresql+psycopg://..."),
            ) from None
        except exc.SQLAlchemyError as error:
            raise BadInput(
                said("{name}: {problem}", name=self.name, problem=_first_line(error)),
                expected=said("a table, view or query that can be read"),
            ) from None

    def _rows(self) -> Iterator[pd.DataFrame]:
        from sqlalchemy import create_engine

        engine = create_engine(self.url)
        try:
            options = {"postgresql_readonly": True} if engine.dialect.name == "postgresql" else {}
            with engine.connect().execution_options(stream_results=True, max_row_buffer=10_000, **options) as connection:
                if engine.dialect.name == "sqlite":
                    connection.exec_driver_sql("PRAGMA query_only = ON")
                    self._decode(connection)
                result = connection.execute(self._statement(engine))
                names = _names(self.name, list(result.keys()))
                row = 1
                while rows := result.fetchmany(CHUNK_ROWS // 5):
                    yield _frame(names, [_texts(column) for column in zip(*rows, strict=True)], row)
                    row += len(rows)
                if row == 1:
                    yield _frame(names, [pa.array([], type=pa.large_string()) for _ in names], 1)
                connection.rollback()
        finally:
            engine.dispose()

    def _decode(self, connection: Any) -> None:
        encoding = _encoding(self.name, self.where.encoding)
        if encoding != "utf-8":
            connection.connection.driver_connection.text_factory = lambda raw: raw.decode(encoding)

    def _statement(self, engine: Any) -> Any:
        """The query, or every column of the table: its name must be one the database itself lists."""
        from sqlalchemy import column, inspect, select, table, text

        if self.where.query is not None:
            return text(self.where.query.replace(":", "\\:"))
        seen = inspect(engine)
        known = [*seen.get_table_names(schema=self.where.db_schema), *seen.get_view_names(schema=self.where.db_schema)]
        if self.where.table not in known:
            raise BadInput(
                said("no table or view {table}", table=repr(self.where.table)),
                expected=said("one of {known}", known=", ".join(sorted(known)[:12]) or "none"),
            )
        columns: list[Any] = [column(found["name"]) for found in seen.get_columns(self.where.table, schema=self.where.db_schema)]
        return select(*columns).select_from(table(str(self.where.table), *columns, schema=self.where.db_schema))


def _first_line(error: Exception) -> str:
    return str(getattr(error, "orig", None) or error).splitlines()[0]


def _encoding(name: str, encoding: str) -> str:
    try:
        "".encode(encoding)  # a codec that is not for text raises LookupError as well
        return codecs.lookup(encoding).name
    except LookupError:
        raise BadInput(
            said("{name}: unknown encoding {encoding}", name=name, encoding=repr(encoding)),
            expected=said("such as utf-8, latin-1 or cp1252"),
        ) from None


def _undecodable_line(path: Path, encoding: str) -> int | None:
    """The first line that is not text of the encoding; None when all are."""
    decoder = codecs.getincrementaldecoder(encoding)()
    line = 1
    with path.open("rb") as file:
        while data := file.read(1 << 20):
            try:
                line += decoder.decode(data).count("\n")
            except UnicodeDecodeError as error:
                return line + bytes(error.object)[: error.start].decode(encoding, "replace").count("\n")
    try:
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return line
    return None


def _names(source: str, names: Sequence[str]) -> list[str]:
    """The column names; nameless ones get a number. Raises BadInput for none, too many, or one that stands twice."""
    if not names or not any(names):
        raise BadInput(
            said("{source} has no header", source=source), expected=said("column names in the first row"), next_step=_EXPORT_AGAIN
        )
    if len(names) > _MOST_COLUMNS:
        raise BadInput(
            said("{source}: {names} columns", source=source, names=len(names)),
            expected=said("at most {most_columns}", most_columns=_MOST_COLUMNS),
            next_step=_EXPORT_AGAIN,
        )
    found = [name or f"(column {at})" for at, name in enumerate(names, 1)]
    twice = next((name for name in found if found.count(name) > 1), None) if len(set(found)) < len(found) else None
    if twice is not None:
        raise BadInput(
            said("{source}: the column {twice} stands twice", source=source, twice=repr(twice)),
            expected=said("each column once"),
            next_step=_EXPORT_AGAIN,
        )
    return found


def _fields(rows: Sequence[dict[str, str]]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row))


def _frame(names: Sequence[str], columns: Sequence[Any], first: int) -> pd.DataFrame:
    texts = {name: pd.array(column, dtype=col.STR) for name, column in zip(names, columns, strict=True)}
    count = len(columns[0]) if columns else 0
    return pd.DataFrame(texts, index=pd.RangeIndex(first, first + count), columns=list(names))


def _text_array(column: Any) -> Any:
    """A typed Arrow column as texts; missing is empty."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_timestamp(column.type) or pa.types.is_date(column.type) or pa.types.is_time(column.type):
        return _texts(column.to_pylist())
    if pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type) or pa.types.is_fixed_size_binary(column.type):
        return pa.array([""] * len(column), type=pa.large_string())
    if pa.types.is_floating(column.type):
        return _texts(column.to_numpy(zero_copy_only=False).tolist())
    return pc.fill_null(column.cast(pa.large_string()), "")


def _texts(values: Sequence[Any]) -> Any:
    """Values of one column as an Arrow array of texts."""
    kinds = {type(value) for value in values}
    found = list(values) if kinds <= {str} else [plain_text(value) for value in values]
    return pa.array(found, type=pa.large_string())
