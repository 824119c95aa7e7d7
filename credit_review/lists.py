"""Lists that people hand in, as CSV or YAML: rows of text by column, and every bad row named before anything is done with a good one."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from credit_review import documents
from credit_review.errors import BadInput, CreditReviewError
from credit_review.words import listed, said

MOST_ROWS = 1_000
SEVERAL = ";"
"""Between several values of one field."""
_SHOWN = 50
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Row:
    """One row: the 1-based line where it begins, its text by column, without blanks around (a column it leaves out is empty), and what is
    wrong with its columns, which `taken` refuses."""

    line: int
    values: Mapping[str, str]
    faults: tuple[str, ...] = ()

    def __getitem__(self, column: str) -> str:
        """The text of a column."""
        return self.values.get(column, "")


def read(text: str, *, name: str, of: str, needed: Iterable[str], known: Iterable[str], most: int = MOST_ROWS) -> list[Row]:
    """The rows of a list in a file called `name`: CSV with a header, or YAML (a name ending in .yaml or .yml) with the list under `of`.

    `needed` are columns that every row has a value in, `known` all there may be; rows that are not so say it in their `faults`, and are
    for `taken`. Raises BadInput for what is no such list.
    """
    columns, must = list(known), list(needed)
    yaml = name.lower().endswith((".yaml", ".yml"))
    found = list(_of_yaml(text, name, of) if yaml else _of_csv(text, name, columns, must))
    if not found:
        raise BadInput(said("{name} has no rows", name=name), expected=said("one row for each of the {of}", of=of))
    if len(found) > most:
        raise BadInput(said("{name} has {n} rows", name=name, n=len(found)), expected=said("at most {n}", n=most))
    return [row if row.faults else replace(row, faults=tuple(_faults(row, columns, must))) for row in found]


def taken(name: str, rows: Iterable[Row], take: Callable[[Row], T]) -> list[T]:
    """What `take` makes of each row of the file `name`, in order; it is asked of rows with sound columns alone.

    Raises BadInput naming at once every row with a fault, be it in its columns or an error that `take` raised.
    """
    every, found = list(rows), list[T]()
    problems: list[tuple[int, str]] = []
    for row in every:
        problems.extend((row.line, text) for text in row.faults)
        if row.faults:
            continue
        try:
            found.append(take(row))
        except CreditReviewError as error:
            problems.append((row.line, _fault(error)))
    _refuse(name, problems, rows=len(every))
    return found


def _refuse(name: str, problems: Iterable[tuple[int, str]], *, rows: int) -> None:
    found = sorted(problems, key=lambda one: one[0])
    if not found:
        return
    lines: list[str] = [said("line {line}: {problem}", line=line, problem=problem) for line, problem in found[:_SHOWN]]
    if len(found) > _SHOWN:
        lines.append(said("{n} more faults are not listed", n=len(found) - _SHOWN))
    count = len({line for line, _ in found})
    counted = said("{name}: {count} of {rows} rows cannot be taken", name=name, count=count, rows=rows)
    raise BadInput(
        listed([counted, *lines], by=documents.ONE_A_LINE),
        expected=said("rows without a fault; nothing was recorded"),
        next_step=said("correct these rows, then hand in the whole file again"),
    )


def _fault(error: CreditReviewError) -> str:
    return said("{what}; expected {expected}", what=error.what, expected=error.expected) if error.expected else error.what


def read_text(name: str, content: bytes) -> str:
    """A file's text. Raises BadInput for what is not UTF-8."""
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadInput(said("{name} is not UTF-8: {error}", name=name, error=str(error)), next_step=said("save it as UTF-8")) from None


def _faults(row: Row, known: list[str], needed: list[str]) -> Iterator[str]:
    for column in row.values:
        if column not in known:
            yield said("unknown field {column}; known are {known}", column=column, known=", ".join(known))
    for column in needed:
        if not row[column]:
            yield said("{column} is missing", column=column)


def _of_csv(text: str, name: str, known: list[str], needed: list[str]) -> Iterator[Row]:
    reader = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), strict=True)
    try:
        header = [column.strip() for column in next(reader, [])]
        missing = [column for column in needed if column not in header]
        wrong = [column for column in header if column not in known]
        if missing or wrong or len(set(header)) != len(header):
            raise BadInput(
                said("the first line of {name} is {header}", name=name, header=repr(",".join(header))),
                expected=said("a header of columns out of {known}, {needed} among them", known=", ".join(known), needed=", ".join(needed)),
            )
        before = reader.line_num
        for cells in reader:
            line, before = before + 1, reader.line_num
            if any(cell.strip() for cell in cells):
                yield _csv_row(line, header, cells)
    except csv.Error as error:
        raise BadInput(
            said("line {line} of {name} is no CSV: {error}", line=reader.line_num, name=name, error=str(error)),
            expected=said("fields between commas, those with commas in double quotes"),
        ) from None


def _csv_row(line: int, header: list[str], cells: list[str]) -> Row:
    if len(cells) != len(header):
        about = {"n": len(cells), "known": len(header)}
        wrong = said("it has {n} fields; expected {known}, as the header has; amounts with commas stand in double quotes", **about)
        return Row(line, {}, (wrong,))
    return Row(line, {column: cell.strip() for column, cell in zip(header, cells, strict=True)})


def _of_yaml(text: str, name: str, of: str) -> Iterator[Row]:
    document = documents.parse(text, name=name)
    listed = document.data.get(of)
    if list(document.data) != [of] or not isinstance(listed, list):
        raise BadInput(said("{name} is no list of {of}", name=name, of=of), expected=said("`{of}:` and under it one item a row", of=of))
    for number, one in enumerate(listed):
        line = document.lines.get((of, number), 1)
        if isinstance(one, dict):
            yield Row(line, {column: _text(value) for column, value in one.items()})
        else:
            yield Row(line, {}, (said("it is no row; expected fields by name"),))


def _text(value: Any) -> str:
    if isinstance(value, list):
        return SEVERAL.join(map(_text, value))
    return "" if value is None else str(value).strip()
