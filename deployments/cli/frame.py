"""What every command shares: where the configuration is, who is acting, how output looks, how errors end."""

from __future__ import annotations

import json
import os
import pwd
import sys
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from credit_review.errors import BadInput, CreditReviewError
from credit_review.words import listed, said
from deployments.cli import language

if TYPE_CHECKING:
    from credit_review.adapters.wiring import Services
    from credit_review.model.records import Person
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
    typer.secho(language.error(error), err=True, fg=typer.colors.RED if sys.stderr.isatty() else None)
    raise SystemExit(error.exit_code)


def tell(sentence: str, *, err: bool = False) -> None:
    """Print a sentence in the reader's language."""
    typer.echo(language.say(sentence), err=err)


def services(config: Path) -> Services:
    """The wired store, clock and clients of a configuration folder. From here on the command speaks as whoever acts reads."""
    from credit_review.adapters import settings, wiring

    opened = wiring.open_services(settings.load(config))
    speak_to(opened)
    return opened


def speak_to(opened: Services, as_person: str = "") -> None:
    """Speak as the acting person reads; as the environment or the company says where nobody is known (yet)."""
    from credit_review.review import directory

    language.speak(language.of_company(opened.settings))
    with suppress(CreditReviewError), opened.store.read() as uow:  # who may not act is refused where he acts
        kind, account = acting(opened, as_person)
        listen_to(opened, uow, directory.person_for(uow, kind, account, on=opened.today(), known_at=opened.clock.now()))


def listen_to(opened: Services, uow: UnitOfWork, person: Person) -> None:
    """Speak as this person reads."""
    from credit_review.review import personal

    company = language.of_company(opened.settings)
    language.speak(personal.reader(uow, person.person_id, company, on=opened.today(), known_at=opened.clock.now()))


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
    return "os", _os_account()


def _os_account() -> str:
    """The operating-system account's name, or its number where it has none, as in many a container; not $USER, which anybody can set."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


def show_json(value: Any) -> None:
    """Print a value as JSON; dates and times in ISO form."""
    plain = asdict(value) if is_dataclass(value) and not isinstance(value, type) else value
    typer.echo(json.dumps(plain, ensure_ascii=False, indent=2, default=str))


def show_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], *, right: Sequence[str] = ()) -> None:
    """Print a table: boxed in a terminal, plain aligned columns elsewhere. Columns named in `right` are right-aligned.

    Cells are sentences, data, Money, dates or moments. Ids (the first column) and right-aligned amounts stay whole on one line, for
    people copy and compare them; other texts fold.
    """
    shown = [[language.say(cell) for cell in row] for row in rows]
    _print_table(
        language.say(title), [language.say(name) for name in columns], shown, {at for at, name in enumerate(columns) if name in right}
    )


def _print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], right: Collection[int]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    whole = {0, *right}
    console = Console(width=None if sys.stdout.isatty() else _WIDE, highlight=False)
    if console.width < _least(columns, rows, whole):
        console.width = _WIDE  # a terminal that narrow wraps the lines itself, which cuts nothing
    lines = box.SIMPLE_HEAD if sys.stdout.isatty() else None
    table = Table(title=title or None, title_justify="left", box=lines, pad_edge=False, collapse_padding=True)
    for at, name in enumerate(columns):
        table.add_column(name, justify="right" if at in right else "left", overflow="fold", no_wrap=at in whole)
    for row in rows:
        table.add_row(*(_plain(cell) for cell in row))
    console.print(table)


_FOLDED, _WIDE = 12, 160


def _least(columns: Sequence[str], rows: Sequence[Sequence[str]], whole: Collection[int]) -> int:
    """Characters a table needs so that no column that must stay whole is cut, and the others can still be read."""
    from rich.cells import cell_len

    widest = [max(cell_len(name), *(cell_len(row[at]) for row in rows), 0) for at, name in enumerate(columns)]
    return sum(width if at in whole else min(width, _FOLDED) for at, width in enumerate(widest)) + 2 * len(columns)


def _plain(cell: str) -> str:
    return cell.replace("[", "\\[")  # data never becomes markup


def names_of(uow: UnitOfWork) -> Mapping[str, str]:
    """The newest name of every person by id, for what people read; data for scripts keeps the ids."""
    from credit_review.model.records import Person

    return {p.person_id: p.name for p in uow.find(Person, order_by=("recorded_at",))}


def one_of_each(parts: Mapping[str, int]) -> str:
    """`3 draft, 2 applied`: how many of each stored name; `none` where there are none."""
    return listed([said("{count} {name}", count=count, name=said(name)) for name, count in parts.items()]) or said("none")


def joined(parts: Sequence[str], otherwise: str = "") -> str:
    """Sentences or names as a list; `otherwise` where there are none."""
    return listed(list(parts)) or otherwise


def show_pairs(pairs: Mapping[str, Any]) -> None:
    """Print `label  value` lines, aligned. Labels and values are sentences, data or figures."""
    from rich.cells import cell_len

    shown = {language.say(label): language.say(value) for label, value in pairs.items()}
    width = max((cell_len(label) for label in shown), default=0)
    for label, value in shown.items():
        typer.echo(f"{label}{' ' * (width - cell_len(label))}  {value}")


def write_new(out: Path, text: str) -> None:
    """Writes a text to a file that is not there yet, and says so. Raises BadInput."""
    try:
        with out.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise BadInput(
            said("{file} cannot be written: {error}", file=str(out), error=error.strerror or ""),
            expected=said("a file that is not there yet"),
        ) from None
    tell(said("wrote {file}", file=str(out)))
