"""Governed documents take effect only after two people adopt them, neither of whom is the only author.

A document is known by its digest. To return to an earlier text, change its `version` line: another text, another digest, adopted anew.
The functions write and append entries; the caller commits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

from credit_review.audit import Action
from credit_review.errors import BadInput, Refused
from credit_review.model.records import Adoption, GovernedDocument, Person, PersonAccount
from credit_review.model.states import DocumentOfRecord, ModelKind
from credit_review.ports import Entry, UnitOfWork
from credit_review.review import models
from credit_review.review.change_request import require_request
from credit_review.review.directory import active_person, called, record_account, record_person
from credit_review.review.governed import in_force as in_force
from credit_review.review.manifest import digest_of
from credit_review.review.naming import actor
from credit_review.words import said

ADOPTERS = 2
"""How many people a governed document needs."""

_IN_FORCE = {
    DocumentOfRecord.POLICY: Action.POLICY_CHANGED,
    DocumentOfRecord.AUTHORITY: Action.AUTHORITY_CHANGED,
    DocumentOfRecord.MAPPING: Action.MAPPING_CHANGED,
}


def submit(
    uow: UnitOfWork,
    *,
    kind: DocumentOfRecord,
    name: str,
    content: str,
    authors: Sequence[str],
    by: str,
    now: datetime,
    described: models.Described | None = None,
) -> GovernedDocument:
    """The governed document with this content, recorded with its authors; one already known is returned as it is.

    `authors` are person ids, or `system:<part>` for a generated file. Check the content's sense before: this stores it as text.
    A scorecard enters the model inventory with it, as a draft of which the authors are developers, `described` so.
    """
    digest = digest_of(content)
    known = uow.get(GovernedDocument, digest=digest, lock=True)
    if known is not None:
        if known.kind != kind:
            raise Refused(
                "document.other_kind",
                said("{name} is known as {kind} {name2}", name=name, kind=known.kind, name2=known.name),
                expected=said("a {kind} with a text of its own", kind=kind),
            )
        return known
    if not authors or not all(a and "|" not in a for a in authors):
        raise BadInput(
            said("{name} has no author", name=name),
            expected=said("at least one person id"),
            next_step=said("say who wrote it: --author PERSON"),
        )
    document = GovernedDocument(
        digest=digest,
        kind=kind,
        name=name,
        content=content,
        author_id="|".join(sorted(set(authors))),
        submitted_at=now,
        adopted_at=None,
    )
    uow.add(document)
    data = {"kind": kind, "name": name, "authors": sorted(set(authors))}
    uow.append(Entry(action=Action.DOCUMENT_SUBMITTED, actor=actor(by), entity=f"document:{digest}", data=data))
    if kind == DocumentOfRecord.SCORECARD:
        models.register(
            uow,
            digest=digest,
            kind=ModelKind.SCORECARD,
            content=models.written(content),
            developers=authors,
            by=by,
            now=now,
            described=described,
        )
    return document


def adopt(uow: UnitOfWork, digest: str, *, person_id: str, on: date, now: datetime) -> GovernedDocument:
    """The document after this person's adoption: in force (`adopted_at` set) once the second person has adopted it.

    Adopting twice changes nothing. Refused for the only author, for somebody inactive and for an unknown digest, of a scorecard until it
    is validated where its tier asks for that, and of a policy without the change request that the one in force demands. A scorecard
    in force takes the place of the one before (`models.put_in_force`).
    """
    document = uow.get(GovernedDocument, digest=digest, lock=True)
    if document is None:
        raise Refused("document.unknown", said("no document with digest {digest}", digest=digest), expected=said("a submitted document"))
    active_person(uow, person_id, on=on, known_at=now)
    if set(document.author_id.split("|")) == {person_id}:
        raise Refused(
            "adopt.only_author",
            said("{called} is the only author of {name}", called=called(uow, person_id), name=document.name),
            expected=said("two people, neither of whom is its only author"),
            next_step=said(
                "two others run `credit-review adopt {name} --author {author}`; where somebody else wrote it, --author names that person",
                name=document.name,
                author=person_id,
            ),
        )
    if document.kind == DocumentOfRecord.SCORECARD:
        models.require_ready(uow, models.known(uow, digest))
    request = require_request(uow, document, now) if document.kind == DocumentOfRecord.POLICY else None
    rests_on = {"request": request.request_id} if request else {}
    if not uow.add_if_absent(Adoption(digest=digest, person_id=person_id, at=now)):
        return document
    adopters = sorted({a.person_id for a in uow.find(Adoption, digest=digest)})
    enough = document.adopted_at is None and len(adopters) >= ADOPTERS
    if not enough or document.kind == DocumentOfRecord.SCORECARD:
        _entry(uow, document, Action.DOCUMENT_ADOPTED, person_id, {"adopters": adopters, **rests_on})
    if not enough:
        return document
    before = in_force(uow, DocumentOfRecord(document.kind), now, name=document.name)
    uow.change(GovernedDocument, where={"digest": digest}, to={"adopted_at": now})
    said_of = {"adopters": adopters, "replaces": before.digest if before else None, **rests_on}
    if document.kind == DocumentOfRecord.SCORECARD:
        about, day = {"kind": document.kind, "name": document.name, **said_of}, models.first_day(models.written(document.content))
        models.put_in_force(uow, digest, valid_from=day, by=person_id, on=on, now=now, data=about)
    else:
        _entry(uow, document, _IN_FORCE[DocumentOfRecord(document.kind)], person_id, said_of)
    return replace(document, adopted_at=now)


def _entry(uow: UnitOfWork, document: GovernedDocument, action: Action, person_id: str, data: Mapping[str, object]) -> None:
    about = {"kind": document.kind, "name": document.name, **data}
    uow.append(Entry(action=action, actor=actor(person_id), entity=f"document:{document.digest}", data=about))


def require_adopted(uow: UnitOfWork, kind: DocumentOfRecord, name: str, digest: str, *, at: datetime) -> None:
    """Returns if a review may use the document: adopted, and for policy and authority not replaced since. Refused otherwise."""
    document = uow.get(GovernedDocument, digest=digest)
    if document is None or document.kind != kind or document.adopted_at is None or document.adopted_at > at:
        if document is not None and document.kind == DocumentOfRecord.SCORECARD:
            models.require_ready(uow, models.known(uow, digest))  # what comes before its adoption is said first
        given = len(uow.find(Adoption, digest=digest))
        raise Refused(
            "document.not_adopted",
            said(
                "{kind} {name} (digest {digest}) is not adopted: {given} of {adopters} people have adopted it",
                kind=kind,
                name=name,
                digest=digest[:12],
                given=given,
                adopters=ADOPTERS,
            ),
            expected=said("a text that two people adopted, neither its only author"),
            next_step=said("two people run `credit-review adopt {name}`", name=name),
        )
    current = in_force(uow, kind, at) if kind in (DocumentOfRecord.POLICY, DocumentOfRecord.AUTHORITY) else document
    if current is not None and current.digest != digest:
        raise Refused(
            "document.replaced",
            said(
                "{kind} {name} (digest {digest}) was replaced by {name2} (digest {digest2})",
                kind=kind,
                name=name,
                digest=digest[:12],
                name2=current.name,
                digest2=current.digest[:12],
            ),
            expected=said("the text in force"),
            next_step=said(
                "use {name}, or give {name2} a new version line and have two people run `credit-review adopt {name2}`",
                name=current.name,
                name2=name,
            ),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Founder:
    """One of the first two people: who he is and the operating-system account that authenticates him."""

    person_id: str
    name: str
    email: str
    os_account: str


def set_up_first_pair(uow: UnitOfWork, first: Founder, second: Founder, *, on: date, now: datetime) -> None:
    """Records the first two people and their accounts in an empty directory. Refused once anybody is in it."""
    if uow.find(Person, limit=1):
        raise Refused(
            "directory.not_empty",
            said("the directory already has people; the first pair is set up once"),
            expected=said("an empty directory"),
            next_step=said("somebody in the directory adds people with `credit-review people add`"),
        )
    if len({first.person_id, second.person_id}) < 2 or len({first.os_account, second.os_account}) < 2:
        raise BadInput(said("the first pair is one person"), expected=said("two people with an operating-system account each"))
    for founder in (first, second):
        _found(uow, founder, on=on, now=now)


def _found(uow: UnitOfWork, founder: Founder, *, on: date, now: datetime) -> None:
    if not all((founder.person_id, founder.name, founder.os_account)) or founder.person_id.startswith("system"):
        raise BadInput(
            said("founder {person_id} is incomplete", person_id=repr(founder.person_id)),
            expected=said("an id such as p-1, a name and an operating-system account"),
        )
    person = Person(
        person_id=founder.person_id,
        name=founder.name,
        email=founder.email,
        active=True,
        valid_from=on,
        valid_to=None,
        recorded_at=now,
    )
    record_person(uow, person, by="system:first_pair")
    account = PersonAccount(
        kind="os", account=founder.os_account, person_id=founder.person_id, valid_from=on, valid_to=None, recorded_at=now
    )
    record_account(uow, account, by="system:first_pair")
