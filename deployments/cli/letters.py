"""`letters ...`: letters to customers about applied changes, each released or dropped by a named person."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from credit_review.adapters import keepsakes
from credit_review.adapters.wiring import Services
from credit_review.errors import BadInput
from credit_review.model.records import CustomerLetter
from credit_review.model.states import LetterKind, LetterState
from credit_review.ports import UnitOfWork
from credit_review.review import customer_letters
from credit_review.review.customer_letters import Releasing
from credit_review.words import LANGUAGES, said
from deployments.cli.frame import names_of, services, show_json, show_pairs, show_table, tell, write_new
from deployments.cli.governing import me

KIND_WORDS = {
    LetterKind.INCREASE: said("increase"),
    LetterKind.REDUCTION: said("reduction"),
    LetterKind.TERMS: said("new terms"),
    LetterKind.FIRST: said("first limit"),
    LetterKind.TEMPORARY: said("temporary limit"),
    LetterKind.ENDED: said("end of a temporary limit"),
}
STATE_WORDS = {
    LetterState.DRAFT: said("waits to be released"),
    LetterState.SENT: said("sent"),
    LetterState.DROPPED: said("dropped"),
}


def list_letters(config: Path, *, everything: bool, as_json: bool) -> None:
    """Letters that wait to be released, oldest first; with `everything` also those sent and dropped."""
    opened = services(config)
    states = tuple(LetterState) if everything else (LetterState.DRAFT,)
    with opened.store.read() as uow:
        found = uow.find(CustomerLetter, state=states, order_by=("drafted_at", "letter_id"))
    if as_json:
        show_json([asdict(one) for one in found])
    elif found:
        columns = [said("letter"), said("customer"), said("about"), said("language"), said("drafted"), said("state")]
        show_table(said("Letters (credit-review letters show LETTER)"), columns, [_row(one, opened) for one in found])
    else:
        tell(said("no letter waits"))


def _row(one: CustomerLetter, opened: Services) -> list[Any]:
    day = one.drafted_at.astimezone(opened.settings.zone).date()
    kind, state = KIND_WORDS[LetterKind(one.kind)], STATE_WORDS[LetterState(one.state)]
    return [one.letter_id, one.customer_id, kind, LANGUAGES[one.language], day, state]


def show(config: Path, letter_id: str, *, out: Path | None, as_json: bool) -> None:
    """One letter: what it is about, what became of it, and where its page is; `out` writes a copy of the page."""
    opened = services(config)
    with opened.store.read() as uow:
        one, names = _one(uow, letter_id), names_of(uow)
    text = keepsakes.kept(opened.settings.data, keepsakes.LETTERS, one.file, one.sha256)
    if out is not None:
        write_new(out, text)
        return
    path = opened.settings.data / keepsakes.LETTERS / one.file
    if as_json:
        show_json(asdict(one) | {"page": path})
        return
    show_pairs(
        {
            said("letter"): one.letter_id,
            said("customer"): one.customer_id,
            said("about"): KIND_WORDS[LetterKind(one.kind)],
            said("change"): one.change_id,
            said("language"): LANGUAGES[one.language],
            said("state"): STATE_WORDS[LetterState(one.state)],
            said("answered by"): names.get(one.settled_by, one.settled_by) or said("nobody"),
            said("reason"): one.reason or said("none"),
            said("page"): path,
            said("SHA-256"): one.sha256,
        }
    )


def _one(uow: UnitOfWork, letter_id: str) -> CustomerLetter:
    found = uow.get(CustomerLetter, letter_id=letter_id)
    if found is None:
        expected = said("an id that `credit-review letters list` shows")
        raise BadInput(said("there is no letter {letter}", letter=letter_id), expected=expected)
    return found


def send(config: Path, letter_ids: Sequence[str], *, as_person: str, as_json: bool) -> None:
    """Release letters, all or none: from then on they count as sent. Each page is what was drafted."""

    def act(opened: Services, uow: UnitOfWork, by: Releasing) -> list[CustomerLetter]:
        done = [customer_letters.send(uow, one, by) for one in letter_ids]
        for one in done:
            keepsakes.kept(opened.settings.data, keepsakes.LETTERS, one.file, one.sha256)
        return done

    _tell(*_acting(config, as_person, act), as_json=as_json)


def drop(config: Path, letter_ids: Sequence[str], *, reason: str, as_person: str, as_json: bool) -> None:
    """Drop letters, all or none: they are not sent."""

    def act(opened: Services, uow: UnitOfWork, by: Releasing) -> list[CustomerLetter]:
        return [customer_letters.drop(uow, one, by, reason=reason) for one in letter_ids]

    _tell(*_acting(config, as_person, act), as_json=as_json)


def _acting(
    config: Path, as_person: str, act: Callable[[Services, UnitOfWork, Releasing], list[CustomerLetter]]
) -> tuple[Services, list[CustomerLetter]]:
    opened = services(config)
    with opened.store.begin() as uow:
        person = me(opened, uow, as_person)
        done = act(opened, uow, Releasing.admitted(uow, person.person_id, opened.clock.now(), opened.settings.zone))
        uow.commit()
    return opened, done


def _tell(opened: Services, done: Sequence[CustomerLetter], *, as_json: bool) -> None:
    if as_json:
        show_json([asdict(one) for one in done])
        return
    for one in done:
        path = opened.settings.data / keepsakes.LETTERS / one.file
        if one.state == LetterState.SENT:
            tell(said("{letter}: released; print and send {page}", letter=one.letter_id, page=path))
        else:
            tell(said("{letter}: dropped", letter=one.letter_id))
