"""Where applied limits go: a database table or a drop folder the ERP reads, and an in-memory twin.

Every delivery carries the change id, its idempotency key, and the account's version; each adapter ignores versions not newer than the
one it holds, so repeated and late deliveries have no effect. `send` answers with `outcome` (`written`, or `held` when nothing had to be
written) and what is held now.
"""

from __future__ import annotations

import csv
import fcntl
import io
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from threading import Lock
from typing import Any

from sqlalchemy import BigInteger, Column, Date, Engine, Integer, MetaData, Table, Text, create_engine, inspect, select
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, OperationalError, SQLAlchemyError

from credit_review.errors import BadInput, Unavailable
from credit_review.model.money import exponent, format_minor
from credit_review.words import said

FIELDS = (
    "account_id", "version", "change_id", "subject_kind", "subject_id", "source_numbers", "legal_entity", "layer", "currency",
    "amount_minor", "terms_days", "effective_from", "effective_to",
)  # fmt: skip
"""Fields of a delivery, and columns of the table."""
HELD = ("amount_minor", "currency", "terms_days", "version", "change_id")
"""What is read back of an account."""

ANSWER_WITHIN = timedelta(hours=24)
"""An ERP that reads a drop folder has this long to answer before its silence is a difference."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}\Z")
_FILE_NAME = re.compile(r"[A-Za-z0-9._-]{1,120}\Z")
_WHOLE = re.compile(r"-?[0-9]{1,16}\Z")
_IN_ONE_QUERY = 1000
_DIALECTS: dict[str, Any] = {"sqlite": sqlite_insert, "postgresql": postgresql_insert}


def _checked(delivery: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a delivery in order. Raises BadInput, which parks it, when one is missing or not what it must be."""
    missing = [name for name in FIELDS if name not in delivery]
    if missing:
        raise BadInput(
            said("delivery {delivery} lacks {missing}", delivery=repr(delivery.get("change_id")), missing=", ".join(missing)),
            expected=said("the fields {fields}", fields=", ".join(FIELDS)),
        )
    row = {name: delivery[name] for name in FIELDS}
    exponent(row["currency"])
    whole = [row["version"], *(row[name] for name in ("amount_minor", "terms_days") if row[name] is not None)]
    if not all(isinstance(value, int) and not isinstance(value, bool) for value in whole):
        raise BadInput(
            said("delivery {change_id}: version, amount and terms are not whole numbers", change_id=row["change_id"]),
            expected=said("integers"),
        )
    for name in ("account_id", "change_id"):
        if not _FILE_NAME.match(str(row[name])):
            raise BadInput(
                said("delivery {change_id}: {name} {row} cannot be used", change_id=repr(row["change_id"]), name=name, row=repr(row[name])),
                expected=said("letters, digits, dots and dashes"),
            )
    return row


def _answer(outcome: str, held: Mapping[str, Any]) -> dict[str, Any]:
    return {"outcome": outcome, **{name: held[name] for name in HELD}}


class NullWriteBack:
    """Keeps limits in memory and tells no ERP. For tests and the demo: unsafe wherever limits must reach an ERP."""

    name = "null (unsafe: limits reach no ERP)"
    answers_within = timedelta()

    def __init__(self) -> None:
        self.rows: dict[str, dict[str, Any]] = {}
        self.effects: list[str] = []
        self._lock = Lock()

    def send(self, delivery: Mapping[str, Any]) -> Mapping[str, Any]:
        """What is held afterwards. Raises BadInput."""
        row = _checked(delivery)
        with self._lock:
            held = self.rows.get(row["account_id"])
            if held is not None and held["version"] >= row["version"]:
                return _answer("held", held)
            self.rows[row["account_id"]] = row
            self.effects.append(row["change_id"])
            return _answer("written", row)

    def read_back(self, account_ids: Sequence[str]) -> Mapping[str, Mapping[str, Any]]:
        """What is held, by account id."""
        with self._lock:
            return {i: {name: self.rows[i][name] for name in HELD} for i in account_ids if i in self.rows}


class TableWriteBack:
    """One row an account in a table of the ERP's database (SQLite or PostgreSQL), written by a single statement that loses to newer
    versions, so that two writers at once cannot put an older version over a newer one."""

    answers_within = timedelta()

    def __init__(self, engine: Engine, table: str, *, schema: str | None = None) -> None:
        for part in (table, *([schema] if schema else [])):
            require_name(part)
        if engine.dialect.name not in _DIALECTS:
            raise BadInput(
                said("write-back to {name} is not supported", name=engine.dialect.name),
                expected=said("sqlite or postgresql"),
                next_step=said("use write_back kind csv_drop and let the ERP read the files"),
            )
        self.engine = engine
        self.name = f"table {table} ({engine.dialect.name})"
        self._table = _table(table, schema)

    @classmethod
    def open(cls, url: str, table: str, *, schema: str | None = None) -> TableWriteBack:
        """The table at a SQLAlchemy URL; it exists and has the columns. Raises BadInput or Unavailable."""
        try:
            engine = create_engine(url, pool_pre_ping=True)
        except (ArgumentError, NoSuchModuleError, ModuleNotFoundError):
            raise BadInput(
                said("the write-back URL cannot be used"), expected=said("sqlite:///file or postgresql+psycopg://user@host/database")
            ) from None
        opened = cls(engine, table, schema=schema)
        opened.check()
        return opened

    def check(self) -> None:
        """Returns when the table is as it must be. Raises BadInput naming what is missing, or Unavailable."""
        with translated(self.name):
            found = inspect(self.engine)
            if not found.has_table(self._table.name, schema=self._table.schema):
                raise BadInput(
                    said("{name} does not exist", name=self.name),
                    expected=said("a table with the columns {fields}, account_id being its primary key", fields=", ".join(FIELDS)),
                    next_step=said("run `credit-review db write-back`, which creates it"),
                )
            names = {column["name"] for column in found.get_columns(self._table.name, schema=self._table.schema)}
        missing = [name for name in FIELDS if name not in names]
        if missing:
            raise BadInput(
                said("{name} lacks the columns {missing}", name=self.name, missing=", ".join(missing)),
                expected=said("the columns {fields}", fields=", ".join(FIELDS)),
            )

    def create(self) -> None:
        """Creates the table unless it exists. Raises Unavailable."""
        with translated(self.name):
            self._table.create(self.engine, checkfirst=True)

    def send(self, delivery: Mapping[str, Any]) -> Mapping[str, Any]:
        """What the table holds afterwards. Raises Unavailable, or BadInput when the database refuses the row."""
        row = _checked(delivery)
        days = {name: date.fromisoformat(row[name]) if row[name] else None for name in ("effective_from", "effective_to")}
        statement = _DIALECTS[self.engine.dialect.name](self._table).values({**row, **days})
        newer = statement.on_conflict_do_update(
            index_elements=[self._table.c.account_id],
            set_={name: statement.excluded[name] for name in FIELDS if name != "account_id"},
            where=self._table.c.version < statement.excluded.version,
        ).returning(self._table.c.version)
        with translated(self.name), self.engine.begin() as connection:
            written = connection.execute(newer).first() is not None
            held = connection.execute(self._held([row["account_id"]])).one()
        return _answer("written" if written else "held", dict(held._mapping))

    def read_back(self, account_ids: Sequence[str]) -> Mapping[str, Mapping[str, Any]]:
        """What the table holds, by account id. Raises Unavailable."""
        found: dict[str, Mapping[str, Any]] = {}
        with translated(self.name), self.engine.connect() as connection:
            for start in range(0, len(account_ids), _IN_ONE_QUERY):
                for row in connection.execute(self._held(account_ids[start : start + _IN_ONE_QUERY])):
                    found[row.account_id] = {name: row._mapping[name] for name in HELD}
        return found

    def _held(self, account_ids: Sequence[str]) -> Any:
        return select(self._table.c.account_id, *(self._table.c[n] for n in HELD)).where(self._table.c.account_id.in_(account_ids))


def require_name(table: str) -> None:
    """Returns when the text can be a table's name. Raises BadInput."""
    if not _NAME.match(table):
        raise BadInput(
            said("{part} cannot be a table's name", part=repr(table)), expected=said("letters, digits and underscores, at most 63")
        )


def _table(name: str, schema: str | None) -> Table:
    texts = [Column(n, Text) for n in ("subject_kind", "subject_id", "source_numbers", "legal_entity", "layer", "currency")]
    return Table(
        name,
        MetaData(),
        Column("account_id", Text, primary_key=True),
        Column("version", Integer, nullable=False),
        Column("change_id", Text, nullable=False),
        *texts,
        Column("amount_minor", BigInteger),
        Column("terms_days", Integer),
        Column("effective_from", Date),
        Column("effective_to", Date),
        schema=schema,
    )


@contextmanager
def translated(name: str) -> Iterator[None]:
    """Connection troubles become Unavailable, refused rows BadInput. The database's own words may hold a password: they stay out."""
    try:
        yield
    except SQLAlchemyError as error:
        refused = isinstance(error, DBAPIError) and not isinstance(error, OperationalError) and not error.connection_invalidated
        if refused:
            kind = type(error).__name__
            raise BadInput(
                said("{name} refuses the write ({kind})", name=name, kind=kind), expected=said("the columns and types of docs/runbook.md")
            ) from None
        raise Unavailable(
            said("{name} does not answer", name=name), next_step=said("deliveries are tried again for a day, then parked")
        ) from None


class CsvDropWriteBack:
    """One file a delivery, `<change id>.csv`, complete at the moment it appears, in a folder the ERP empties.

    The ERP answers by keeping `applied.csv` in the folder: columns account_id, version, amount_minor, currency, terms_days, change_id,
    a row for what it did (appended or one an account; the highest version of an account counts). With `answers=False` no answer is
    expected and the read-back is what was dropped (folder `sent`, the newest version an account), which proves delivery, not effect.
    """

    def __init__(self, folder: Path, *, answers: bool = True) -> None:
        if not folder.is_dir():
            raise Unavailable(
                said("drop folder {folder} does not exist", folder=folder), next_step=said("create it: mkdir -p {folder}", folder=folder)
            )
        self.folder = folder
        self.answers = answers
        self.answers_within = ANSWER_WITHIN if answers else timedelta()
        self.name = f"drop folder {folder}" + ("" if answers else " (no answers: sent, not confirmed)")
        self._sent = folder / "sent"

    def send(self, delivery: Mapping[str, Any]) -> Mapping[str, Any]:
        """What has been dropped for the account afterwards. Raises Unavailable when the folder cannot be written."""
        row = _checked(delivery)
        with self._writing():
            held = self._dropped(row["account_id"])
            if held is not None and held["version"] >= row["version"]:
                return _answer("held", held)
            # The drop comes first: a crash between the two drops the same file again, under the same name, with the same version.
            _write_whole(self.folder / f"{row['change_id']}.csv", _as_csv(row))
            _write_whole(self._sent / f"{row['account_id']}.csv", _as_csv(row))
        return _answer("written", row)

    def read_back(self, account_ids: Sequence[str]) -> Mapping[str, Mapping[str, Any]]:
        """What the ERP says it holds, by account id; what was dropped, when no answers are expected. Raises BadInput, Unavailable."""
        if not self.answers:
            dropped = ((i, self._dropped(i)) for i in account_ids)
            return {i: {name: row[name] for name in HELD} for i, row in dropped if row is not None}
        wanted, found = set(account_ids), dict[str, Mapping[str, Any]]()
        for account_id, row in _answers(self.folder / "applied.csv"):
            if account_id in wanted and (account_id not in found or found[account_id]["version"] <= row["version"]):
                found[account_id] = row
        return found

    def _dropped(self, account_id: str) -> Mapping[str, Any] | None:
        return next((row for _, row in _answers(self._sent / f"{account_id}.csv")), None)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """One writer at a time, whatever process it is in."""
        try:
            self._sent.mkdir(exist_ok=True)
            with (self.folder / ".lock").open("a") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                yield
        except OSError as error:
            raise Unavailable(
                said("{name} cannot be written: {strerror}", name=self.name, strerror=error.strerror),
                next_step=said("check the folder and its disk"),
            ) from None


def _as_csv(row: Mapping[str, Any]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow([*FIELDS, "amount"])
    amount = "" if row["amount_minor"] is None else format_minor(row["amount_minor"], row["currency"], decimals=True)
    writer.writerow([*(_cell(row[name]) for name in FIELDS), amount.rpartition(" ")[0].replace(",", "")])
    return out.getvalue()


def _cell(value: Any) -> str:
    """A cell no spreadsheet takes for a formula: text that could start one gets an apostrophe in front."""
    text = "" if value is None else str(value)
    return f"'{text}" if isinstance(value, str) and text[:1] in ("=", "+", "-", "@", "\t", "\r", "\n", "\0") else text


def _write_whole(path: Path, text: str) -> None:
    """The file appears with all of its content or not at all, and is on disk when this returns."""
    temporary = path.with_name(f".{path.name}.part")
    with temporary.open("w", encoding="utf-8", newline="") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _answers(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Account id and what is held, line by line; nothing when there is no such file. Raises BadInput naming file and line."""
    try:
        file = path.open(encoding="utf-8-sig", newline="")
    except FileNotFoundError:
        return
    except OSError as error:
        raise Unavailable(said("{path} cannot be read: {strerror}", path=path, strerror=error.strerror)) from None
    with file:
        rows = csv.DictReader(file)
        try:
            missing = [name for name in ("account_id", *HELD) if name not in (rows.fieldnames or ())]
            if missing:
                raise BadInput(
                    said("{path} lacks the columns {missing}", path=path, missing=", ".join(missing)),
                    expected=said("account_id, {held}", held=", ".join(HELD)),
                )
            for row in rows:
                yield str(row["account_id"]), _held_row(path, rows.line_num, row)
        except (csv.Error, UnicodeDecodeError) as error:
            raise BadInput(
                said("{path} line {line_num}: {error}", path=path, line_num=rows.line_num, error=str(error)), expected=said("CSV in UTF-8")
            ) from None


def _held_row(path: Path, line: int, row: Mapping[str, str | None]) -> dict[str, Any]:
    held: dict[str, Any] = {name: row[name] for name in HELD}
    for name in ("amount_minor", "terms_days", "version"):
        text = (row[name] or "").strip()
        if not _WHOLE.match(text) and (text or name == "version"):
            raise BadInput(
                said("{path} line {line}: {name} is {text}", path=path, line=line, name=name, text=repr(text)),
                expected=said("a whole number"),
                next_step=said("correct the ERP's answer file"),
            )
        held[name] = int(text) if text else None
    return held
