"""`adopt` and `people`: who may do what, and which texts are in force."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import date, timedelta
from pathlib import Path

import typer

from credit_review import authority
from credit_review.adapters import settings as configuration
from credit_review.adapters.settings import Settings
from credit_review.adapters.wiring import Services
from credit_review.documents import Document, parse
from credit_review.errors import BadInput, Refused
from credit_review.model.records import Adoption, GovernedDocument, Person, PersonAccount
from credit_review.model.states import DocumentOfRecord
from credit_review.ports import UnitOfWork
from credit_review.review import adopt as adoption
from credit_review.review import directory, exceptions, findings, models, signing
from credit_review.review.rerouting import reroute
from credit_review.words import marked, said
from deployments.cli import starting
from deployments.cli.frame import acting, joined, listen_to, names_of, services, show_json, show_table, tell


def me(opened: Services, uow: UnitOfWork, as_person: str) -> Person:
    """The person who acts, and is spoken to from here on. Refused when the account belongs to nobody active."""
    kind, account = acting(opened, as_person)
    person = directory.person_for(uow, kind, account, on=opened.today(), known_at=opened.clock.now())
    listen_to(opened, uow, person)
    return person


@contextmanager
def signing_as(opened: Services, as_person: str, entity: str) -> Iterator[tuple[UnitOfWork, Person]]:
    """A transaction in which the acting person signs for `entity`; a refusal for want of the right is on record all the same."""
    person: Person | None = None
    try:
        with opened.store.begin() as uow:
            person = me(opened, uow, as_person)
            yield uow, person
    except Refused as refusal:
        if person is not None and refusal.code in (*signing.REFUSALS, findings.OWN, models.OWN, exceptions.NOT_YOURS):
            with opened.store.begin() as uow:
                signing.record_refusal(uow, refusal, person_id=person.person_id, entity=entity)
                uow.commit()
        raise


def adopt_file(config: Path, file: Path, *, kind: str, authors: Sequence[str], as_person: str, as_json: bool = False) -> None:
    """Check a document, record it, and add my adoption."""
    opened = services(config)
    path = file if file.exists() else opened.settings.path(str(file))
    chosen = _kind(opened.settings, path, kind)
    text = configuration.read_text(path, known_as=str(file))
    check(chosen, path.name, text)
    with opened.store.begin() as uow:
        person = me(opened, uow, as_person)
        document = adopt_text(opened, uow, person, kind=chosen, name=known_name(opened.settings, path), text=text, authors=authors)
        given = len(uow.find(Adoption, digest=document.digest))
        uow.commit()
    if as_json:
        in_force = document.adopted_at is not None
        show_json({"kind": chosen, "name": document.name, "digest": document.digest, "in_force": in_force, "adopted_by": given})
    else:
        _say_adopted(chosen, path.name, document, given)


def adopt_text(
    opened: Services, uow: UnitOfWork, person: Person, *, kind: DocumentOfRecord, name: str, text: str, authors: Sequence[str] = ()
) -> GovernedDocument:
    """The governed document after `person` submitted or adopted it; the caller commits.

    Its authors are those named; of a starter file nobody changed `system:init`; else the person. Two joint authors may adopt it.
    """
    now = opened.clock.now()
    written_by = list(authors) or (["system:init"] if starting.is_starter(name, text) else [person.person_id])
    document = adoption.submit(uow, kind=kind, name=name, content=text, authors=written_by, by=person.person_id, now=now)
    return adoption.adopt(uow, document.digest, person_id=person.person_id, on=opened.today(), now=now)


def check_file(config: Path, file: Path, *, kind: str) -> None:
    """Check a document and say that it is sound. Raises BadInput otherwise."""
    opened = services(config)
    path = file if file.exists() else opened.settings.path(str(file))
    chosen = _kind(opened.settings, path, kind)
    text = configuration.read_text(path, known_as=str(file))
    check(chosen, path.name, text)
    kind_of = said(chosen)
    tell(
        said(
            "{kind} {name} is sound; it takes effect once two people `credit-review adopt {file}`", kind=kind_of, name=path.name, file=file
        )
    )
    if chosen == DocumentOfRecord.AUTHORITY:
        _warn_of_passes(opened, parse(text, name=path.name))


def _warn_of_passes(opened: Services, document: Document) -> None:
    """Says which tiers of a matrix need a pass of a rehearsal that too few people hold: nobody could approve there."""
    matrix = authority.load(document)
    if matrix.rehearsal_from is None:
        return
    with opened.store.read() as uow:
        known = directory.persons(uow, on=opened.today(), known_at=opened.clock.now())
        lacking = starting.lacking_passes(opened, uow, matrix, frozenset(p.person_id for p in known if p.active))
    for tier, people, needed in lacking:
        sentence = marked("warning: {tier} needs passes of a rehearsal, and {n} of the {needed} it takes are held: {people}")
        tell(said(sentence, tier=tier, n=len(people), needed=needed, people=joined(people, said("nobody"))), err=True)


def check(kind: DocumentOfRecord, name: str, text: str) -> None:
    """Return if the document makes sense as what it claims to be. Raises BadInput naming line and field."""
    from credit_review import authority, policy, receivables

    if kind == DocumentOfRecord.SCORECARD:
        from credit_review import scoring

        scoring.load(text)
        return
    load = {DocumentOfRecord.POLICY: policy.load, DocumentOfRecord.AUTHORITY: authority.load, DocumentOfRecord.MAPPING: receivables.load}
    document: Document = parse(text, name=name)
    load[kind](document)


def _kind(settings: Settings, path: Path, named: str) -> DocumentOfRecord:
    if named:
        try:
            return DocumentOfRecord(named)
        except ValueError:
            raise BadInput(said("unknown kind {named}", named=repr(named)), expected=", ".join(DocumentOfRecord)) from None
    known = {settings.policy: DocumentOfRecord.POLICY, settings.authority: DocumentOfRecord.AUTHORITY}
    known |= {settings.scorecard: DocumentOfRecord.SCORECARD}
    known |= {place.mapping: DocumentOfRecord.MAPPING for place in settings.sources}
    for name, kind in known.items():
        if settings.path(name) == path.resolve():
            return kind
    raise BadInput(
        said("settings.yaml names no file {path}", path=path), expected=", ".join(known), next_step=said("name its kind with --kind")
    )


def known_name(settings: Settings, path: Path) -> str:
    """A file as people and records name it: relative to the configuration folder where it lies in it."""
    resolved = path.resolve()
    return str(resolved.relative_to(settings.folder)) if resolved.is_relative_to(settings.folder) else path.name


def _say_adopted(kind: DocumentOfRecord, name: str, document: GovernedDocument, given: int) -> None:
    if document.adopted_at is not None:
        tell(said("{kind} {name} is in force (digest {digest})", kind=said(kind), name=name, digest=document.digest[:12]))
    else:
        missing = adoption.ADOPTERS - given
        sentence = marked("{kind} {name} recorded (digest {digest}); {missing} more must adopt it")
        tell(said(sentence, kind=said(kind), name=name, digest=document.digest[:12], missing=missing))


def first_pair(config: Path, first: str, second: str) -> None:
    """Set up the first two people."""
    opened = services(config)
    with opened.store.begin() as uow:
        adoption.set_up_first_pair(uow, _founder(first), _founder(second), on=opened.today(), now=opened.clock.now())
        uow.commit()
    tell(said("two people are in the directory; next: each runs `credit-review adopt FILE` for policy, authority, scorecard and mapping"))


def _founder(text: str) -> adoption.Founder:
    parts = text.split(":")
    if len(parts) != 3 or not all(parts):
        raise BadInput(said("{text} is not a person", text=repr(text)), expected=said("ID:NAME:OS-ACCOUNT, such as p-anna:Anna Berg:anna"))
    return adoption.Founder(person_id=parts[0], name=parts[1], email="", os_account=parts[2])


def add_person(config: Path, person_id: str, *, name: str, email: str, accounts: Mapping[str, str], as_person: str) -> None:
    """Add a person with accounts, as somebody already in the directory."""
    opened = services(config)
    today, now = opened.today(), opened.clock.now()
    with opened.store.begin() as uow:
        by = me(opened, uow, as_person).person_id
        person = Person(person_id=person_id, name=name, email=email, active=True, valid_from=today, valid_to=None, recorded_at=now)
        directory.set_person(uow, person, by=by)
        for kind, account in accounts.items():
            if account:
                fact = PersonAccount(kind=kind, account=account, person_id=person_id, valid_from=today, valid_to=None, recorded_at=now)
                directory.set_account(uow, fact, by=by)
        uow.commit()
    tell(said("{name} ({person}) is in the directory from {day}", name=name, person=person_id, day=today))


def add_account(config: Path, person_id: str, kind: str, account: str, *, as_person: str) -> None:
    """Map an account to a person, as somebody else in the directory."""
    opened = services(config)
    today, now = opened.today(), opened.clock.now()
    with opened.store.begin() as uow:
        by = me(opened, uow, as_person).person_id
        fact = PersonAccount(kind=kind, account=account, person_id=person_id, valid_from=today, valid_to=None, recorded_at=now)
        directory.set_account(uow, fact, by=by)
        names = names_of(uow)
        uow.commit()
    name = names.get(person_id, person_id)
    tell(said("{kind} account {account} signs in {name} from {day}", kind=kind, account=account, name=name, day=today))


def leave(config: Path, person_id: str, *, as_person: str) -> None:
    """Deactivate a person from today."""
    opened = services(config)
    with opened.store.begin() as uow:
        by = me(opened, uow, as_person).person_id
        known = directory.person_on(uow, person_id, on=opened.today(), known_at=opened.clock.now())
        if known is None:
            raise BadInput(said("nobody is called {person_id}", person_id=person_id), expected=said("an id of `credit-review people list`"))
        gone = replace(known, active=False, valid_from=opened.today(), valid_to=None, recorded_at=opened.clock.now())
        directory.set_person(uow, gone, by=by)
        uow.commit()
    gone_from = opened.today()
    tell(
        said("{name} may decide nothing from {day}; what waits for them goes to other holders of the tier", name=known.name, day=gone_from)
    )


def list_people(config: Path, *, as_json: bool) -> None:
    """Everybody, with accounts."""
    opened = services(config)
    today, now = opened.today(), opened.clock.now()
    with opened.store.read() as uow:
        people = directory.persons(uow, on=today, known_at=now)
        accounts = {p.person_id: directory.accounts_of(uow, p.person_id, on=today, known_at=now) for p in people}
    rows = [
        {"id": p.person_id, "name": p.name, "active": p.active, "accounts": [f"{a.kind}:{a.account}" for a in accounts[p.person_id]]}
        for p in people
    ]
    if as_json:
        show_json(rows)
        return
    show_table(
        said("People"),
        [said("id"), said("name"), said("active"), said("accounts")],
        [[r["id"], r["name"], said("yes") if r["active"] else said("no"), ", ".join(r["accounts"])] for r in rows],  # type: ignore[arg-type]
    )


def ask_others(opened: Services, uow: UnitOfWork, person_id: str, *, by: str, customer_id: str = "") -> None:
    """Put what waits for a person before whoever would be asked now instead of him, or beside him."""
    to, now, zone = opened.settings.slack.destinations(), opened.clock.now(), opened.settings.zone
    reroute(uow, [person_id], to, now, zone=zone, by=by, customer_id=customer_id)


def delegate(config: Path, delegate_id: str, *, until: date, as_person: str, as_json: bool) -> None:
    """Let somebody decide on my behalf."""
    opened = services(config)
    with opened.store.begin() as uow:
        person = me(opened, uow, as_person)
        fact = directory.delegate(
            uow,
            principal_id=person.person_id,
            delegate_id=delegate_id,
            valid_from=opened.today(),
            valid_to=until,
            by=person.person_id,
            now=opened.clock.now(),
        )
        ask_others(opened, uow, person.person_id, by=person.person_id)
        names = names_of(uow)
        uow.commit()
    if as_json:
        show_json(fact)
        return
    sentence = marked("{delegate} may decide on behalf of {principal} until {until}, that day not included ({delegation})")
    tell(said(sentence, delegate=names[delegate_id], principal=person.name, until=until, delegation=fact.delegation_id))


def end_delegation(config: Path, delegation_id: str, *, as_person: str, as_json: bool) -> None:
    """End a delegation today."""
    opened = services(config)
    with opened.store.begin() as uow:
        person = me(opened, uow, as_person)
        fact = directory.end_delegation(uow, delegation_id, on=opened.today(), by=person.person_id, now=opened.clock.now())
        names = names_of(uow)
        uow.commit()
    if as_json:
        show_json(fact)
        return
    delegate, principal = names[fact.delegate_id], names[fact.principal_id]
    tell(said("{delegate} decides nothing on behalf of {principal} from {day}", delegate=delegate, principal=principal, day=fact.valid_to))


def list_delegations(config: Path, *, as_json: bool) -> None:
    """Who stands in for whom today, or will."""
    opened = services(config)
    with opened.store.read() as uow:
        found = directory.delegations_to_come(uow, on=opened.today(), known_at=opened.clock.now())
        names = names_of(uow)
    if as_json:
        show_json([asdict(one) for one in found])
        return
    if not found:
        tell(said("nobody decides on anybody's behalf"))
        return
    rows = [
        [d.delegation_id, names[d.principal_id], names[d.delegate_id], d.valid_from, d.valid_to or said("further notice")] for d in found
    ]
    columns = [said("delegation"), said("principal"), said("delegate"), said("from"), said("until (not included)")]
    show_table(said("Delegations"), columns, rows)


def issue_token(config: Path, account: str, *, days: int) -> None:
    """Print a signed token."""
    from credit_review.adapters import tokens

    opened = services(config)
    key = configuration.require_secret("TOKEN_KEY")
    typer.echo(tokens.issue(account, key=key, now=opened.clock.now(), valid=timedelta(days=days)))
