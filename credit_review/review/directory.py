"""Our directory: who a person is, which accounts authenticate him, and who may decide on whose behalf, from when to when.

All of it is facts: nothing is overwritten, a change is a new row recorded later. The functions write and append entries; the caller
commits.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import date, datetime
from typing import Any

from credit_review.audit import Action
from credit_review.errors import BadInput, Refused
from credit_review.model.records import Delegation, Person, PersonAccount
from credit_review.ports import Entry, UnitOfWork
from credit_review.review.naming import actor, short_id
from credit_review.words import Said, marked, said

ACCOUNT_KINDS = ("os", "slack", "token", "sso")
"""Kinds of account that may be given to a person; `sso` is company sign-in, by the claim that settings.yaml names.

One more, `demo`, exists only where `set_up_demo` filled an empty directory; and company sign-in by e-mail (`EMAIL`) needs no account.
"""
EMAIL = "email"
"""Kind under which a verified e-mail address names a person: whoever alone has it in the directory."""


def person_on(uow: UnitOfWork, person_id: str, *, on: date, known_at: datetime) -> Person | None:
    """The person as the directory had him on a day, active or not; None when he was not in it."""
    found = uow.facts(Person, valid_at=on, known_at=known_at, person_id=person_id)
    return found[0] if found else None


def active_person(uow: UnitOfWork, person_id: str, *, on: date, known_at: datetime) -> Person:
    """The person, active on that day. Refused otherwise."""
    person = person_on(uow, person_id, on=on, known_at=known_at)
    if person is None or not person.active:
        raise Refused(
            "person.not_active",
            said("{person_id} is not an active person of the directory on {on}", person_id=person_id, on=on),
            expected=said("a person whom `credit-review people list` shows as active"),
            next_step=said("ask the risk team to add or reactivate the person"),
        )
    return person


def person_for(uow: UnitOfWork, kind: str, account: str, *, on: date, known_at: datetime) -> Person:
    """The active person whom an account (a kind of ACCOUNT_KINDS, or EMAIL) authenticates on a day. Refused when it names nobody active."""
    if kind == EMAIL:
        return _person_with_email(uow, account, on=on, known_at=known_at)
    accounts = uow.facts(PersonAccount, valid_at=on, known_at=known_at, kind=kind, account=account)
    if not accounts:
        raise Refused(
            "login.unknown",
            said("{kind} account {account} belongs to nobody in our directory", kind=kind, account=repr(account)),
            expected=said("an account mapped to a person"),
            next_step=said("ask the risk team to run `credit-review people account PERSON {kind} {account}`", kind=kind, account=account),
        )
    return active_person(uow, accounts[0].person_id, on=on, known_at=known_at)


def _person_with_email(uow: UnitOfWork, email: str, *, on: date, known_at: datetime) -> Person:
    wanted = _ascii_lower(email)
    found = [p for p in persons(uow, on=on, known_at=known_at) if p.active and p.email and _ascii_lower(p.email) == wanted]
    ask = said("ask the risk team to correct the directory")
    if not found:
        raise Refused("login.unknown", said("this e-mail address belongs to nobody active in our directory"), next_step=ask)
    if len(found) > 1:
        raise Refused("login.ambiguous", said("this e-mail address belongs to several people of our directory"), next_step=ask)
    return found[0]


def _ascii_lower(email: str) -> str:
    # only A to Z: with all of Unicode another letter can become one of these (the Kelvin sign a k), and so another address ours
    return "".join(c.lower() if c.isascii() else c for c in email.strip())


def persons(uow: UnitOfWork, *, on: date, known_at: datetime) -> list[Person]:
    """All persons of the directory on a day, leavers included, by id."""
    return sorted(uow.facts(Person, valid_at=on, known_at=known_at), key=lambda p: p.person_id)


def called(uow: UnitOfWork, person_id: str) -> str:
    """A person as messages name him, `Anna Berg (p-anna)`, by the newest name on record; the id alone of one who is not there."""
    known = uow.find(Person, person_id=person_id, order_by=("recorded_at",))
    return f"{known[-1].name} ({person_id})" if known else person_id


def accounts_of(uow: UnitOfWork, person_id: str, *, on: date, known_at: datetime) -> list[PersonAccount]:
    """The accounts that authenticate a person on a day."""
    mapped = uow.facts(PersonAccount, valid_at=on, known_at=known_at)
    return sorted((a for a in mapped if a.person_id == person_id), key=lambda a: (a.kind, a.account))


def slack_account(uow: UnitOfWork, person_id: str, teams: Collection[str], *, on: date, known_at: datetime) -> str:
    """The person's Slack account in one of our workspaces, the first of `teams` first. Raises BadInput when none is mapped to him.

    A user id of another workspace means somebody else in ours, or nobody.
    """
    mine = [a.account for a in accounts_of(uow, person_id, on=on, known_at=known_at) if a.kind == "slack"]
    for team in teams:
        for account in mine:
            if account.split("|")[-2:-1] == [team]:
                return account
    requeue = marked("`credit-review people account {person_id} slack 'TEAM|USER'`, then `credit-review deliveries requeue --all`")
    raise BadInput(
        said("{called} has no Slack account in our workspaces", called=called(uow, person_id)),
        expected=said("an account of {teams} mapped to the person", teams=" or ".join(teams) or "slack.team_ids"),
        next_step=said(requeue, person_id=person_id),
    )


def set_person(uow: UnitOfWork, person: Person, *, by: str) -> None:
    """Records a person as he is from `valid_from` on: joined, renamed, moved, or (active false) gone. Refused for one's own record."""
    _interval(person.valid_from, person.valid_to, said("person {person}", person=person.person_id))
    if not person.person_id or person.person_id.startswith("system"):
        raise BadInput(
            said("person id {person_id} cannot be used", person_id=repr(person.person_id)),
            expected=said("an id such as p-7 that does not start with system"),
        )
    _another(by, person.person_id, said("nobody may change a person's record for himself"))
    record_person(uow, person, by=by)


def record_person(uow: UnitOfWork, person: Person, *, by: str) -> None:
    """Adds the fact and its entry, without asking who may; for `set_person` and the first pair."""
    uow.add(person)
    data = {"active": person.active, "valid_from": person.valid_from.isoformat(), "valid_to": _day(person.valid_to)}
    payload = {"name": person.name, "email": person.email}
    uow.append(Entry(action=Action.PERSON_CHANGED, actor=actor(by), entity=f"person:{person.person_id}", data=data, payload=payload))


def set_account(uow: UnitOfWork, account: PersonAccount, *, by: str) -> None:
    """Records whom an account authenticates from `valid_from` on. Refused when somebody gives himself an account.

    To take an account away, record it again with `valid_to`.
    """
    _interval(account.valid_from, account.valid_to, said("{kind} account {account}", kind=account.kind, account=account.account))
    if account.kind not in ACCOUNT_KINDS:
        raise BadInput(
            said("unknown kind of account {kind}", kind=repr(account.kind)),
            expected=said("one of {account_kinds}", account_kinds=", ".join(ACCOUNT_KINDS)),
        )
    _another(by, account.person_id, said("nobody may give an account for himself"))
    active_person(uow, account.person_id, on=account.valid_from, known_at=account.recorded_at)
    record_account(uow, account, by=by)


def record_account(uow: UnitOfWork, account: PersonAccount, *, by: str) -> None:
    """Adds the fact and its entry, without asking who may; for `set_account` and the first pair."""
    uow.add(account)
    data = {"kind": account.kind, "valid_from": account.valid_from.isoformat(), "valid_to": _day(account.valid_to)}
    payload = {"account": account.account}
    uow.append(Entry(action=Action.ACCESS_CHANGED, actor=actor(by), entity=f"person:{account.person_id}", data=data, payload=payload))


def _another(by: str, person_id: str, refusal: Said) -> None:
    if by == person_id:
        raise Refused(
            "directory.oneself",
            refusal,
            expected=said("another person"),
            next_step=said("ask a colleague to do it"),
        )


def set_up_demo(uow: UnitOfWork, people: Iterable[tuple[str, str]], *, on: date, now: datetime) -> None:
    """Fills an empty directory with made-up people (id, name) whom anybody may act as. Refused once anybody is in it.

    This is the only way a `demo` account comes into being, so no real directory ever has one.
    """
    if uow.find(Person, limit=1):
        raise Refused("directory.not_empty", said("the directory has people; it is no demo's"), expected=said("an empty directory"))
    for person_id, name in people:
        times: Any = {"valid_from": on, "valid_to": None, "recorded_at": now}
        record_person(uow, Person(person_id=person_id, name=name, email="", active=True, **times), by="system:demo")
        record_account(uow, PersonAccount(kind="demo", account=person_id, person_id=person_id, **times), by="system:demo")


def delegate(
    uow: UnitOfWork, *, principal_id: str, delegate_id: str, valid_from: date, valid_to: date | None, by: str, now: datetime
) -> Delegation:
    """Records that `delegate_id` may decide for `principal_id` in [valid_from, valid_to). By the principal, or by a third person.

    Refused: to oneself, by the delegate himself, to or from somebody inactive, and chains: who delegates cannot stand in for another
    on the same days, so that an approval has two names at most and no circle can arise.
    """
    _interval(valid_from, valid_to, said("delegation of {principal} to {delegate}", principal=principal_id, delegate=delegate_id))
    if principal_id == delegate_id:
        raise Refused(
            "delegation.oneself",
            said("{principal_id} cannot delegate to himself", principal_id=principal_id),
            expected=said("another person"),
        )
    if by == delegate_id:
        raise Refused(
            "delegation.by_delegate",
            said("{by} cannot take {principal_id}'s authority himself", by=by, principal_id=principal_id),
            expected=said("the principal's own act"),
        )
    for person_id in (principal_id, delegate_id):
        active_person(uow, person_id, on=valid_from, known_at=now)
    _no_chain(uow, principal_id, delegate_id, valid_from, valid_to, now)
    fact = Delegation(
        delegation_id=short_id("d", principal_id, delegate_id, now.isoformat()),
        principal_id=principal_id,
        delegate_id=delegate_id,
        valid_from=valid_from,
        valid_to=valid_to,
        recorded_at=now,
        recorded_by=by,
    )
    _record_delegation(uow, fact)
    return fact


def end_delegation(uow: UnitOfWork, delegation_id: str, *, on: date, by: str, now: datetime) -> Delegation:
    """The delegation as recorded anew, ending on `on` (the first day without it); one not begun yet never begins. BadInput when unknown."""
    known = _newest(uow.find(Delegation, delegation_id=delegation_id), now)
    if not known:
        raise BadInput(
            said("no delegation {delegation_id}", delegation_id=delegation_id),
            expected=said("the id of a delegation"),
            next_step=said("see `credit-review people delegations`"),
        )
    fact = known[0]
    ended = replace(fact, valid_to=max(on, fact.valid_from), recorded_at=now, recorded_by=by)
    _record_delegation(uow, ended)
    return ended


def _record_delegation(uow: UnitOfWork, fact: Delegation) -> None:
    uow.add(fact)
    data = {
        "principal": fact.principal_id,
        "delegate": fact.delegate_id,
        "valid_from": fact.valid_from.isoformat(),
        "valid_to": _day(fact.valid_to),
    }
    entity = f"delegation:{fact.delegation_id}"
    uow.append(Entry(action=Action.DELEGATION_CHANGED, actor=actor(fact.recorded_by), entity=entity, data=data))


def _no_chain(uow: UnitOfWork, principal_id: str, delegate_id: str, start: date, end: date | None, now: datetime) -> None:
    for other in _newest(uow.find(Delegation), now):
        if not _overlaps(other, start, end):
            continue
        if other.principal_id == delegate_id or other.delegate_id == principal_id:
            raise Refused(
                "delegation.chain",
                said(
                    "{called} has delegated to {called2} on some of these days; delegations cannot be passed on",
                    called=called(uow, other.principal_id),
                    called2=called(uow, other.delegate_id),
                ),
                expected=said("a delegate who delegates to nobody, and a principal who stands in for nobody"),
                next_step=said("end that delegation, or choose other days or another person"),
            )


def current_delegations(uow: UnitOfWork, *, on: date, known_at: datetime) -> list[Delegation]:
    """Delegations in force on a day as known at a moment, by principal and delegate."""
    return sorted(uow.facts(Delegation, valid_at=on, known_at=known_at), key=lambda d: (d.principal_id, d.delegate_id, d.delegation_id))


def delegations_to_come(uow: UnitOfWork, *, on: date, known_at: datetime) -> list[Delegation]:
    """Delegations in force on a day or beginning later, as known at a moment, by principal and start."""
    found = (d for d in _newest(uow.find(Delegation), known_at) if _overlaps(d, on, None))
    return sorted(found, key=lambda d: (d.principal_id, d.valid_from, d.delegation_id))


def delegations_over(uow: UnitOfWork, person_id: str, *, on: date, known_at: datetime) -> list[Delegation]:
    """Delegations from or to a person that ended by a day, as known at a moment, the last first."""
    mine = (d for d in _newest(uow.find(Delegation), known_at) if person_id in (d.principal_id, d.delegate_id))
    return sorted((d for d in mine if not _overlaps(d, on, None)), key=lambda d: (d.valid_to or on, d.delegation_id), reverse=True)


def delegates_of(uow: UnitOfWork, principal_id: str, *, on: date, known_at: datetime) -> frozenset[str]:
    """Who may act for `principal_id` on a day."""
    return frozenset(d.delegate_id for d in current_delegations(uow, on=on, known_at=known_at) if d.principal_id == principal_id)


def _newest(rows: list[Delegation], known_at: datetime) -> list[Delegation]:
    newest: dict[str, Delegation] = {}
    for row in sorted(rows, key=lambda d: d.recorded_at):
        if row.recorded_at <= known_at:
            newest[row.delegation_id] = row
    return [newest[key] for key in sorted(newest)]


def _overlaps(fact: Delegation, start: date, end: date | None) -> bool:
    empty = fact.valid_to is not None and fact.valid_to <= fact.valid_from
    return not empty and (fact.valid_to is None or fact.valid_to > start) and (end is None or fact.valid_from < end)


def _interval(start: date, end: date | None, what: Said) -> None:
    if end is not None and end < start:
        raise BadInput(
            said("{what} would end on {end}, before it starts on {start}", what=what, end=end, start=start),
            expected=said("an end on or after the start"),
        )


def _day(day: date | None) -> str | None:
    return day.isoformat() if day else None
