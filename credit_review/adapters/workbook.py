"""Excel workbooks from outside, checked before they are loaded: a zip of bounded size, no macros, no formulas, no bombs.

They are read by a process of its own, with bounds on memory and time: what a check misses ends that process and not the review.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, ParseError

from credit_review.adapters import apart
from credit_review.adapters.plain import plain_text
from credit_review.errors import BadInput
from credit_review.words import packed, said, unpacked

MOST_UNPACKED = 200 * 1024 * 1024
MOST_RATIO = 100
MOST_MEMBERS = 1_000
MOST_CELLS = 20_000_000
MOST_MEMORY = 3 * 1024 * 1024 * 1024
MOST_SECONDS = 600
"""Address space in bytes and processor time that reading one workbook may take."""
_SMALL = 1024 * 1024
"""Members up to this size may be packed tighter than MOST_RATIO: short repetitive sheets are."""

_MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_RELATION = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
_CELL = re.compile(r"([A-Z]{1,3})([0-9]{1,7})\Z")


def read_apart(path: Path, sheet: str | None, *, known_as: str) -> Iterator[list[str]]:
    """The rows of `read_sheet` as plain texts, read by a process of its own.

    Raises BadInput as `read_sheet` does, and where reading takes more than MOST_MEMORY or MOST_SECONDS.
    """
    about = json.dumps([str(path), sheet, known_as, MOST_MEMORY, MOST_SECONDS])
    with subprocess.Popen(
        apart.command("credit_review.adapters.workbook", about), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, encoding="utf-8"
    ) as reader:
        try:
            for line in reader.stdout or ():
                found = json.loads(line)
                if found == _END:
                    return
                if isinstance(found, dict):
                    what, expected, next_step = (unpacked(one) for one in found["refused"])
                    raise BadInput(what, expected=expected, next_step=next_step)
                yield found
        finally:
            reader.kill()
    raise BadInput(
        said("{known_as}: reading it takes too much memory or time", known_as=known_as),
        expected=said("a workbook read within {bytes} bytes and {seconds} seconds", bytes=MOST_MEMORY, seconds=MOST_SECONDS),
        next_step=said("export the ledger as CSV or Parquet"),
    )


_END = "end"
"""What the reading process says last: one that was killed has said less than all rows."""


def _read_here(about: str) -> None:
    """What the process apart does: a line of JSON a row, header first; or one with the refusal."""
    path, sheet, known_as, memory, seconds = json.loads(about)
    apart.bound(memory=memory, seconds=seconds)
    try:
        for row in read_sheet(Path(path), sheet, known_as=known_as):
            _tell([plain_text(value) for value in row])
        _tell(_END)
    except BadInput as error:
        _tell({"refused": [packed(text) for text in (error.what, error.expected, error.next_step)]})


def _tell(value: Any) -> None:
    sys.stdout.write(json.dumps(value) + "\n")


def read_sheet(path: Path, sheet: str | None, *, known_as: str) -> list[list[Any]]:
    """All rows of a sheet (the first one by default), header first, as calamine's values.

    Raises BadInput for anything but a plain .xlsx: another extension, macros, more than MOST_MEMBERS members, unpacked over
    MOST_UNPACKED, packed tighter than MOST_RATIO, an area over MOST_CELLS, a formula (named by its cell), or a damaged file.
    """
    import python_calamine

    if path.suffix.lower() != ".xlsx":
        raise BadInput(
            said("{known_as}: {suffix}", known_as=known_as, suffix=path.suffix or "no extension"),
            expected=said("an .xlsx workbook (no macros)"),
            next_step=said("save it as .xlsx"),
        )
    with _archive(path, known_as) as archive:
        _check_members(archive, known_as)
        name, member = _sheet_member(archive, sheet, known_as)
        _check_cells(archive, member, f"{known_as}, sheet {name}")
    try:
        rows: list[list[Any]] = (
            python_calamine.CalamineWorkbook.from_path(str(path)).get_sheet_by_name(name).to_python(skip_empty_area=False)
        )
    except Exception as error:
        raise BadInput(
            said("{known_as}: {error}", known_as=known_as, error=str(error)),
            expected=said("a whole .xlsx workbook"),
            next_step=said("save the workbook again"),
        ) from None
    while rows and not any(value not in ("", None) for value in rows[-1]):
        rows.pop()
    if not rows:
        raise BadInput(said("{known_as}, sheet {name} is empty", known_as=known_as, name=name), expected=said("a header and rows"))
    return rows


@contextmanager
def _archive(path: Path, known_as: str) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except (
        zipfile.BadZipFile,
        zlib.error,
        ParseError,
        LookupError,
        ValueError,
        NotImplementedError,
        RuntimeError,
        EOFError,
        OSError,
    ) as error:
        raise BadInput(
            said("{known_as}: no whole workbook ({error})", known_as=known_as, error=str(error)),
            expected=said("an .xlsx workbook"),
            next_step=said("save the workbook again"),
        ) from None


def _check_members(archive: zipfile.ZipFile, known_as: str) -> None:
    members = archive.infolist()
    if len(members) > MOST_MEMBERS:
        raise BadInput(
            said("{known_as}: {members} files inside", known_as=known_as, members=len(members)),
            expected=said("at most {most_members}", most_members=MOST_MEMBERS),
        )
    if any(m.filename.lower().endswith("vbaproject.bin") for m in members):
        raise BadInput(
            said("{known_as} holds macros", known_as=known_as),
            expected=said("a workbook without macros"),
            next_step=said("save it as .xlsx"),
        )
    unpacked = sum(m.file_size for m in members)
    tight = [m for m in members if m.file_size > _SMALL and m.file_size > MOST_RATIO * max(m.compress_size, 1)]
    if unpacked > MOST_UNPACKED or tight:
        found = said("unpacks to {bytes} bytes", bytes=unpacked)
        if tight:
            found = said("{member} unpacks to over {ratio} times its size", member=tight[0].filename, ratio=MOST_RATIO)
        raise BadInput(
            said("{known_as}: {found}", known_as=known_as, found=found),
            expected=said(
                "at most {most_unpacked} bytes, and at most {most_ratio} times the packed size",
                most_unpacked=MOST_UNPACKED,
                most_ratio=MOST_RATIO,
            ),
            next_step=said("export the ledger as CSV or Parquet"),
        )
    damaged = archive.testzip()  # reads every member to its stated end, so that stated sizes can be relied upon
    if damaged is not None:
        raise BadInput(
            said("{known_as}: {damaged} is damaged", known_as=known_as, damaged=damaged),
            expected=said("a whole .xlsx workbook"),
            next_step=said("save the workbook again"),
        )


def _sheet_member(archive: zipfile.ZipFile, sheet: str | None, known_as: str) -> tuple[str, str]:
    """Name of the sheet and of the file inside that holds it."""
    book = _tree(archive, "xl/workbook.xml", known_as)
    sheets = {str(one.get("name")): one.get(_RELATION) for one in book.iter(f"{_MAIN}sheet")}
    name = sheet if sheet is not None else next(iter(sheets), "")
    if name not in sheets:
        raise BadInput(
            said("{known_as}: no sheet {name}", known_as=known_as, name=repr(name)),
            expected=said("one of {sheets}", sheets=", ".join(sheets) or "none"),
        )
    for relation in _tree(archive, "xl/_rels/workbook.xml.rels", known_as):
        if relation.get("Id") == sheets[name]:
            target = str(relation.get("Target"))
            return name, target.lstrip("/") if target.startswith("/") else f"xl/{target}"
    raise BadInput(
        said("{known_as}: sheet {name} has no content", known_as=known_as, name=repr(name)), expected=said("a whole .xlsx workbook")
    )


def _check_cells(archive: zipfile.ZipFile, member: str, known_as: str) -> None:
    """Refuse formulas, and an area so large that loading it would be the attack."""
    from defusedxml.common import DefusedXmlException
    from defusedxml.ElementTree import iterparse

    widest = lowest = 0
    try:
        with archive.open(member) as file:
            for _, element in iterparse(file, events=("end",)):
                if element.tag == f"{_MAIN}c":
                    place = _CELL.match(element.get("r", ""))
                    if element.find(f"{_MAIN}f") is not None:
                        raise BadInput(
                            said("{known_as}: a formula in cell {element}", known_as=known_as, element=element.get("r", "?")),
                            expected=said("values; a formula shows what it was last computed to, on somebody's machine"),
                            next_step=said("paste the values, or export the ledger as CSV"),
                        )
                    if place:
                        widest, lowest = max(widest, _column(place[1])), max(lowest, int(place[2]))
                elif element.tag == f"{_MAIN}row":
                    element.clear()
                if widest * lowest > MOST_CELLS:
                    raise BadInput(
                        said("{known_as}: an area of {widest} by {lowest} cells", known_as=known_as, widest=widest, lowest=lowest),
                        expected=said("at most {most_cells} cells", most_cells=MOST_CELLS),
                    )
    except DefusedXmlException as error:
        raise BadInput(
            said("{known_as}: {name} in {member}", known_as=known_as, name=type(error).__name__, member=member),
            expected=said("plain XML without entities"),
        ) from None


def _column(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - 64
    return number


def _tree(archive: zipfile.ZipFile, member: str, known_as: str) -> Element:
    from defusedxml.common import DefusedXmlException
    from defusedxml.ElementTree import fromstring

    try:
        found: Element = fromstring(archive.read(member))
    except DefusedXmlException as error:
        raise BadInput(
            said("{known_as}: {name} in {member}", known_as=known_as, name=type(error).__name__, member=member),
            expected=said("plain XML without entities"),
        ) from None
    return found


if __name__ == "__main__":
    _read_here(sys.argv[1])
