"""Where lists of open orders go: a drop folder or a table that the ERP reads, and an in-memory twin.

A list is named by its batch, and is there as a whole or not at all: a file that appears complete, or rows of one transaction. One that is
there already is left alone (`held`), so a repeated or late delivery has no effect.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Lock
from typing import Any

from sqlalchemy import BigInteger, Column, Engine, Integer, MetaData, Table, Text, create_engine, func, insert, inspect, select
from sqlalchemy.exc import ArgumentError, IntegrityError, NoSuchModuleError

from credit_review.adapters import files
from credit_review.adapters.write_back import require_name, translated
from credit_review.errors import BadInput, Tampered, Unavailable
from credit_review.exposure.order_list import COLUMNS
from credit_review.words import said

SUFFIX = "_orders"
"""The table of orders is named like the table of limits, with this behind it."""
FOLDER = "orders"
"""The folder inside the drop folder."""

ReadKept = Callable[[str, str], str]
"""The text of a kept file by name and SHA-256. Raises Tampered."""


class NullOrderDesk:
    """Keeps lists in memory and tells no ERP. For tests: unsafe wherever orders must stop."""

    name = "null (unsafe: order lists reach no ERP)"

    def __init__(self, read: ReadKept = lambda name, sha256: "") -> None:
        self.lists: dict[str, str] = {}
        self.effects: list[str] = []
        self._read = read
        self._lock = Lock()

    def take(self, listed: Mapping[str, Any]) -> Mapping[str, Any]:
        """`held` for a batch that is there already."""
        text = self._read(listed["file"], listed["sha256"])
        with self._lock:
            if listed["batch"] in self.lists:
                return {"outcome": "held"}
            self.lists[listed["batch"]] = text
            self.effects.append(listed["batch"])
            return {"outcome": "written"}


class OrderDrop:
    """One file a list, `orders-<batch>-<digest>.csv`, in the folder `orders` of the drop folder, which the ERP empties.

    What was dropped stands in its folder `sent`, so a list that the ERP took away is not dropped again.
    """

    def __init__(self, folder: Path, read: ReadKept) -> None:
        if not folder.is_dir():
            raise Unavailable(
                said("drop folder {folder} does not exist", folder=folder), next_step=said("create it: mkdir -p {folder}", folder=folder)
            )
        self.folder = folder / FOLDER
        self.name = f"drop folder {self.folder}"
        self._read = read

    def take(self, listed: Mapping[str, Any]) -> Mapping[str, Any]:
        """Raises Tampered, or Unavailable when the folder cannot be written."""
        text = self._read(listed["file"], listed["sha256"])
        try:
            sent = self.folder / "sent" / f"{listed['batch']}.sha256"
            sent.parent.mkdir(parents=True, exist_ok=True)
            if sent.is_file():
                return {"outcome": "held"}
            # the drop comes first: a crash between the two drops the same file again, under the same name
            files.write_text(self.folder / listed["file"], text)
            files.write_text(sent, f"{listed['sha256']}  {listed['file']}\n")
        except OSError as error:
            raise Unavailable(
                said("{name} cannot be written: {strerror}", name=self.name, strerror=error.strerror or ""),
                next_step=said("check the folder and its disk"),
            ) from None
        return {"outcome": "written"}


class OrderTable:
    """One row a line of a list in a table of the ERP's database, all lines of a batch in one transaction; line 0 says how many follow."""

    def __init__(self, engine: Engine, table: str, read: ReadKept, *, schema: str | None = None) -> None:
        require_name(table)
        self.engine = engine
        self.name = f"table {table} ({engine.dialect.name})"
        self._read = read
        numbers = [Column(name, BigInteger) for name in COLUMNS if name.endswith("_minor")]
        texts = [Column(name, Text) for name in COLUMNS if not name.endswith("_minor")]
        self._table = Table(
            table,
            MetaData(),
            Column("batch", Text, primary_key=True),
            Column("line", Integer, primary_key=True, autoincrement=False),
            Column("lines", Integer),
            *texts,
            *numbers,
            schema=schema,
        )

    @classmethod
    def open(cls, url: str, table: str, read: ReadKept) -> OrderTable:
        """The table at a SQLAlchemy URL. Raises BadInput for a URL that is none."""
        try:
            engine = create_engine(url, pool_pre_ping=True)
        except (ArgumentError, NoSuchModuleError, ModuleNotFoundError):
            raise BadInput(
                said("the write-back URL cannot be used"), expected=said("sqlite:///file or postgresql+psycopg://user@host/database")
            ) from None
        return cls(engine, table, read)

    def create(self) -> None:
        """Creates the table unless it exists. Raises Unavailable."""
        with translated(self.name):
            self._table.create(self.engine, checkfirst=True)

    def take(self, listed: Mapping[str, Any]) -> Mapping[str, Any]:
        """Raises Tampered, Unavailable, or BadInput when the table is not there or refuses the rows."""
        rows = _rows(self._read(listed["file"], listed["sha256"]))
        with translated(self.name):
            if not inspect(self.engine).has_table(self._table.name, schema=self._table.schema):
                raise BadInput(
                    said("{name} does not exist", name=self.name), next_step=said("run `credit-review db write-back`, which creates it")
                )
            head = {"batch": listed["batch"], "line": 0, "lines": len(rows), "list": "head", "as_of": listed.get("as_of") or ""}
            try:
                with self.engine.begin() as connection:
                    connection.execute(insert(self._table), head)
                    if rows:
                        numbered = [{"batch": listed["batch"], "line": n, **row} for n, row in enumerate(rows, start=1)]
                        connection.execute(insert(self._table), numbered)
            except IntegrityError:
                return self._held(listed["batch"], len(rows))
        return {"outcome": "written"}

    def _held(self, batch: str, lines: int) -> Mapping[str, Any]:
        """The batch is there already: as a whole, for its rows came in one transaction."""
        with self.engine.connect() as connection:
            query = select(func.count()).where(self._table.c.batch == batch, self._table.c.line > 0)
            if connection.execute(query).scalar_one() != lines:
                raise BadInput(said("{name} holds another list under the name {batch}", name=self.name, batch=batch))
        return {"outcome": "held"}


def _rows(text: str) -> list[dict[str, Any]]:
    """The lines of a list as kept: numbers as numbers, and texts without the mark that keeps spreadsheets from reading them as formulas."""
    from credit_review.report.spreadsheet import unprotect

    found = []
    for row in csv.DictReader(io.StringIO(text, newline="")):
        if tuple(row) != COLUMNS:
            raise Tampered("a list of orders has other columns than were written", expected=", ".join(COLUMNS))
        found.append({n: (int(v) if v else None) if n.endswith("_minor") else unprotect(v) for n, v in row.items()})
    return found
