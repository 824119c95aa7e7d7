"""`request --file`: many requests at once. Each row is checked before the first is asked; one that is on record already is left alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from credit_review import lists
from credit_review.documents import ONE_A_LINE
from credit_review.errors import BadInput, CreditReviewError, ReviewStopped
from credit_review.review.request import asked_already
from credit_review.words import listed, said, said_many
from deployments.cli.frame import services, show_json, tell
from deployments.cli.governing import me
from deployments.cli.reviewing import Asked, digests, reviewed, say_how_far_posted, say_requested
from deployments.cli.watching import watched

if TYPE_CHECKING:
    from credit_review.adapters.wiring import Services

NEEDED = ("customer", "reason")
COLUMNS = (*NEEDED, "amount", "currency", "from", "until", "every_year_until", "terms", "layer", "order", "documents")
_HEX = frozenset("0123456789abcdef")


@dataclass(frozen=True, slots=True)
class _Line:
    """One row of the file: the line it begins on, what it asks, and the proposal it became before, where it did."""

    line: int
    asked: Asked
    known: str = ""


def request_file(config: Path, path: Path, beside: Asked, *, as_person: str, as_json: bool) -> None:
    """Ask for every row of a CSV or YAML file, in its order; none when a row is bad.

    Raises BadInput naming every bad row, and ReviewStopped naming those whose review stopped, once all others are done.
    """
    if beside != Asked(customer="", amount="", reason=""):
        raise BadInput(said("--file stands alone"), expected=said("customer, amount and all the rest in the file"))
    opened = services(config)
    with opened.store.read() as uow:
        person = me(opened, uow, as_person)
    lines = read(opened, path, person.person_id)
    say_how_far_posted(config)
    made, stopped = [], []
    for one in lines:
        if one.known:
            made.append({"line": one.line, "proposal_id": one.known, "known": True})
            continue
        try:
            made.append({"line": one.line, **say_requested(config, reviewed(config, one.asked, person.person_id), silent=as_json)})
        except CreditReviewError as error:
            stopped.append((one.line, error))
    known = sum("known" in one for one in made)
    if as_json:
        show_json({"requests": made, "stopped": [{"line": line, "why": str(error.what)} for line, error in stopped]})
    else:
        tell(said_many("{n} request recorded", "{n} requests recorded", n=len(made) - known))
    if known and not as_json:
        tell(said_many("{n} was on record already", "{n} were on record already", n=known))
    if stopped:
        texts = [said("line {line}: {problem}", line=line, problem=error.what) for line, error in stopped]
        raise ReviewStopped(
            listed([said("{name}: these requests were not recorded", name=path.name), *texts], by=ONE_A_LINE),
            next_step=said("hand in the file again; what is on record is left alone"),
        )


def read(opened: Services, path: Path, person_id: str) -> list[_Line]:
    """What a file asks for, each row checked against the record. Raises BadInput naming every row that would be refused."""
    rows = lists.read(lists.read_text(path.name, content_of(path)), name=path.name, of="requests", needed=NEEDED, known=COLUMNS)
    seen: dict[tuple[str, str], int] = {}
    with watched():
        return lists.taken(path.name, rows, lambda row: _checked(opened, _asked(row, path.parent), row.line, person_id, seen))


def content_of(path: Path) -> bytes:
    """The bytes of a file that somebody hands in. Raises BadInput when it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadInput(
            said("{path} cannot be read: {error}", path=path, error=error.strerror or str(error)),
            expected=said("a CSV or YAML file"),
            next_step=said("name the file with its folder, as seen from where you are"),
        ) from None


def _asked(row: lists.Row, folder: Path) -> Asked:
    amount = f"{row['amount']} {row['currency']}".strip() if row["amount"] else ""
    order = f"{row['order']} {row['currency']}".strip() if row["order"] else ""
    return Asked(
        customer=row["customer"],
        amount=amount,
        reason=row["reason"],
        until=day_of(row, "until"),
        begins=day_of(row, "from"),
        recurs=day_of(row, "every_year_until"),
        terms=terms_of(row["terms"]),
        layer=row["layer"],
        order=order,
        documents=dict(_documents(row["documents"], folder)),
    )


def day_of(row: lists.Row, column: str) -> date | None:
    """The day in a column, None where it is empty. Raises BadInput for what is no day."""
    try:
        return date.fromisoformat(row[column]) if row[column] else None
    except ValueError:
        raise BadInput(
            said("{column} is {value}", column=column, value=repr(row[column])), expected=said("a day such as 2026-12-31")
        ) from None


def terms_of(text: str) -> int | None:
    """Net days as written; None for nothing. Raises BadInput for what is no number of days."""
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and int(text) <= 365):
        raise BadInput(said("terms are {text}", text=repr(text)), expected=said("net days, 0 to 365"))
    return int(text)


def _documents(text: str, folder: Path) -> Iterator[tuple[str, str]]:
    """Name and SHA-256 of each document: a path beside the file, or `name=SHA-256` of one that is kept elsewhere."""
    for part in filter(None, (one.strip() for one in text.split(lists.SEVERAL))):
        name, _, digest = part.rpartition("=")
        if name and len(digest) == 64 and set(digest) <= _HEX:
            yield name, digest
        else:
            yield from digests([folder / part]).items()


def _checked(opened: Services, asked: Asked, line: int, person_id: str, seen: dict[tuple[str, str], int]) -> _Line:
    from tasks import requests

    request = requests.worded(opened, **asked.words(person_id))
    first = seen.setdefault((request.customer_id, request.of_layer), line)
    if first != line:
        raise BadInput(said("the same limit is asked for on line {first}", first=first), expected=said("one row for it"))
    with opened.store.read() as uow:
        known = asked_already(uow, request)
    if known is not None:
        return _Line(line, asked, known.proposal_id)
    requests.check(opened, request)
    return _Line(line, asked)
