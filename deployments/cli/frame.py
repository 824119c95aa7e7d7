"""What every command shares: where the configuration is, who is acting, how output looks, how errors end."""

from __future__ import annotations

import json
import os
import pwd
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from credit_review.errors import CreditReviewError

if TYPE_CHECKING:
    from credit_review.adapters.wiring import Services
    from credit_review.ports import UnitOfWork

ConfigOption = Annotated[
    Path, typer.Option("--config", "-c", envvar="CREDIT_REVIEW_CONFIG", help="Configuration folder, as `credit-review init` writes it.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]
AsOption = Annotated[str, typer.Option("--as", help="Act as this person. Works in a demo's database only.", metavar="PERSON")]

DEFAULT_CONFIG = Path("config")

EXIT_CODES = {
    0: "done",
    1: "failed",
    2: "wrong usage",
    3: "bad input or configuration",
    4: "refused by a rule",
    5: "the review stopped",
    6: "something outside did not answer",
    7: "somebody else was first",
    130: "stopped with Ctrl-C",
}
"""What the command line returns, and what it means; docs/cli.md says what to do about each."""

EPILOG = (
    "Exit codes: "
    + ", ".join(f"{code} {meaning}" for code, meaning in EXIT_CODES.items())
    + ". `audit verify`: 0 verified, 1 tampered with, 2 cannot tell."
)


def fail(error: CreditReviewError) -> NoReturn:
    """Print the error for a person, without a traceback, and leave with its exit code."""
    typer.secho(error.text(), err=True, fg=typer.colors.RED if sys.stderr.isatty() else None)
    raise SystemExit(error.exit_code)


def services(config: Path) -> Services:
    """The wired store, clock and clients of a configuration folder."""
    from credit_review.adapters import settings, wiring

    return wiring.open_services(settings.load(config))


def acting(config_services: Services, as_person: str = "") -> tuple[str, str]:
    """The account (kind, name) that acts: the demo's `--as`, a signed token in CREDIT_REVIEW_TOKEN, or the operating-system account.

    The account is mapped to a person in our directory by the command itself; an unknown one is refused there.
    """
    if as_person:
        return "demo", as_person
    token = os.environ.get("CREDIT_REVIEW_TOKEN")
    if token:
        from credit_review.adapters import settings, tokens

        key = settings.require_secret("TOKEN_KEY")
        return "token", tokens.account_of(token, key=key, now=config_services.clock.now())
    return "os", pwd.getpwuid(os.getuid()).pw_name  # not $USER, which anybody can set


def show_json(value: Any) -> None:
    """Print a value as JSON; dates and times in ISO form."""
    plain = asdict(value) if is_dataclass(value) and not isinstance(value, type) else value
    typer.echo(json.dumps(plain, ensure_ascii=False, indent=2, default=str))


def show_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[str] = ()) -> None:
    """Print a table: boxed in a terminal, plain aligned columns elsewhere. Columns named in `right` are right-aligned.

    Ids (the first column) and right-aligned amounts stay whole on one line, for people copy and compare them; other texts fold.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table

    whole = {0, *(at for at, name in enumerate(columns) if name in right)}
    console = Console(width=None if sys.stdout.isatty() else _WIDE, highlight=False)
    if console.width < _least(columns, rows, whole):
        console.width = _WIDE  # a terminal that narrow wraps the lines itself, which cuts nothing
    lines = box.SIMPLE_HEAD if sys.stdout.isatty() else None
    table = Table(title=title or None, title_justify="left", box=lines, pad_edge=False, collapse_padding=True)
    for at, name in enumerate(columns):
        table.add_column(name, justify="right" if name in right else "left", overflow="fold", no_wrap=at in whole)
    for row in rows:
        table.add_row(*(_plain(cell) for cell in row))
    console.print(table)


_FOLDED, _WIDE = 12, 160


def _least(columns: Sequence[str], rows: Sequence[Sequence[str]], whole: Collection[int]) -> int:
    """Characters a table needs so that no column that must stay whole is cut, and the others can still be read."""
    widest = [max(len(name), *(len(row[at]) for row in rows), 0) for at, name in enumerate(columns)]
    return sum(width if at in whole else min(width, _FOLDED) for at, width in enumerate(widest)) + 2 * len(columns)


def _plain(cell: str) -> str:
    return cell.replace("[", "\\[")  # data never becomes markup


def names_of(uow: UnitOfWork) -> Mapping[str, str]:
    """The newest name of every person by id, for what people read; data for scripts keeps the ids."""
    from credit_review.model.records import Person

    return {p.person_id: p.name for p in uow.find(Person, order_by=("recorded_at",))}


def counted(number: int, thing: str) -> str:
    """`1 approval`, `2 approvals`."""
    return f"{number} {thing}{'' if number == 1 else 's'}"


def show_pairs(pairs: Mapping[str, str]) -> None:
    """Print `label  value` lines, aligned."""
    width = max((len(label) for label in pairs), default=0)
    for label, value in pairs.items():
        typer.echo(f"{label:<{width}}  {value}")
