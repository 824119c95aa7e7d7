"""People: where duties were not kept apart, who may do what, and who looked at that list."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from credit_review import authority
from credit_review.audit import Action
from credit_review.authority import Matrix
from credit_review.documents import parse
from credit_review.errors import CreditReviewError
from credit_review.evidence.artefact import ERASED, Artefact, Event, Record, Row, Telling
from credit_review.evidence.limits import newest_before, with_decisions
from credit_review.words import said, said_many

MAKING = (Action.PROPOSAL_CREATED, Action.PROPOSAL_AMENDED, Action.PROPOSAL_RELEASED)


def matrix_of(record: Record, digest: str) -> Matrix | None:
    """The authority matrix with this digest; None where its text is not on record or cannot be read any more."""
    for name, content in record.table("governed_document", "name content", digest=digest):
        try:
            return authority.load(parse(content, name=name))
        except CreditReviewError:
            return None
    return None


# --- E7 -------------------------------------------------------------------------------------------------------------------------------


def duties(record: Record, telling: Telling) -> Iterator[Row]:
    """One row an exception: who approved what he made, two approvals of one hand, an approver who administers, an override."""
    adopted = list(record.history(Action.AUTHORITY_CHANGED))
    matrices: dict[str, Matrix | None] = {}
    examined, found, blind = 0, 0, 0
    for change, given in with_decisions(record, *MAKING):
        examined += 1
        force = newest_before(adopted, change.seq)
        if force is not None and force.subject not in matrices:
            matrices[force.subject] = matrix_of(record, force.subject)
        matrix = matrices.get(force.subject) if force else None
        blind += matrix is None
        for kind, person in _of_change(given, matrix):
            found += 1
            yield [kind, person, change.seq, change.at, change.data["change"], change.data["proposal"], ""]
    for one in record.entries(Action.LIMIT_OVERRIDE):
        found += 1
        yield ["override", one.by, one.seq, one.at, one.data.get("change"), one.data.get("proposal"), one.text("reason")]
    for mail, people in _same_address(record).items():
        found += 1
        yield ["one e-mail address, several people", "|".join(people), "", "", "", "", mail]
    telling.exceptions = found + blind
    telling.figures |= {"changes_examined": examined, "changes_without_a_readable_matrix": blind}
    if blind:
        telling.notes.append(said("administrators were not looked for in {n}: no readable authority matrix was in force", n=blind))
    telling.notes.append(said_many("{n} applied change examined", "{n} applied changes examined", examined))


def _of_change(given: Sequence[Event], matrix: Matrix | None) -> Iterator[tuple[str, str]]:
    """Kind of exception and person, for the entries about one proposal that was put in force."""
    approvals = [one for one in given if one.action == "decision.approve"]
    makers = _makers(one for one in given if one.action in MAKING)
    hands: set[str] = set()
    for one in approvals:
        mine = {str(name) for name in (one.by, one.data.get("on_behalf_of")) if name}
        if mine & makers:
            yield "approved what he made", one.by
        if mine & hands:
            yield "two approvals of one hand", one.by
        if matrix is not None and mine & set(matrix.offices.administrators):
            yield "approver administers database or software", one.by
        hands |= mine


def _makers(entries: Iterable[Event]) -> set[str]:
    """People who had a hand in a proposal, as entries say."""
    found = set()
    for one in entries:
        person = str(one.data["proposer"]) if one.action == Action.PROPOSAL_CREATED else one.by
        if not person.startswith("system"):
            found.add(person)
    return found


def _same_address(record: Record) -> dict[str, list[str]]:
    """E-mail addresses that several people have who are active at the end of the period."""
    by_mail = defaultdict(list)
    for one in _newest(record.history(Action.PERSON_CHANGED)):
        mail = "" if one.erased else one.text("email").strip().lower()
        if mail and one.data["active"]:
            by_mail[mail].append(one.subject)
    return {mail: sorted(people) for mail, people in sorted(by_mail.items()) if len(people) > 1}


# --- E8 -------------------------------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Access:
    """What one person may do at the end of the period. `since` is his newest entry; `left` the one that took him out."""

    since: Event
    accounts: dict[tuple[str, str], Event] = field(default_factory=dict)
    rights: dict[str, Event] = field(default_factory=dict)
    delegations: dict[str, Event] = field(default_factory=dict)
    reviewed: Event | None = None


def access_of(record: Record) -> dict[str, Access]:
    """Everybody whom the log knows, by id, as of the end of the period."""
    found = {one.subject: Access(since=one) for one in _newest(record.history(Action.PERSON_CHANGED))}
    for one in record.history(Action.ACCESS_CHANGED):
        if (person := found.get(one.subject)) is None:
            continue
        if "right" in one.data:
            person.rights[str(one.data["right"])] = one
        else:
            person.accounts[str(one.data["kind"]), one.text("account") if not one.erased else f"{ERASED} {one.seq}"] = one
    for one in record.history(Action.DELEGATION_CHANGED):
        if (person := found.get(str(one.data["delegate"]))) is not None:
            person.delegations[one.subject] = one
    for one in record.history(Action.ACCESS_REVIEWED):
        for name in one.data.get("persons", ()):
            if name in found:
                found[name].reviewed = one
    return found


def _newest(entries: Iterable[Event]) -> list[Event]:
    """The newest entry of each subject, in order of subjects."""
    return [one for _, one in sorted({one.subject: one for one in entries}.items())]


def _holds(one: Event, day: str) -> bool:
    """Whether a fact begins by a day and has not ended."""
    end = one.data.get("valid_to")
    return str(one.data["valid_from"]) <= day and (end is None or str(end) > day)


def access(record: Record, telling: Telling) -> Iterator[Row]:
    """One row a person: name, accounts, tiers, offices, rights, delegations, last use, and whether he acted after he left."""
    last_day = record.period.last_day.isoformat()
    matrix = _last_matrix(record)
    used, people = record.last_use(), access_of(record)
    after, unused, looked = 0, 0, 0
    for key, one in people.items():
        active = bool(one.since.data["active"])
        tiers, offices = _powers(matrix, key, record)
        may = [*tiers, *offices, *(name for name, fact in one.rights.items() if _holds(fact, last_day))]
        seq, at = used.get(f"person:{key}", ("", ""))
        late = not active and bool(at) and at > one.since.at
        idle = active and bool(tiers) and not record.period.has(at or "0")
        reviewed = one.reviewed if one.reviewed is not None and record.period.has(one.reviewed.at) else None
        after, unused, looked = after + late, unused + idle, looked + (reviewed is not None)
        yield [
            key, one.since.text("name"), _flag(active), one.since.seq, one.since.at, one.since.data["valid_from"],
            "|".join(sorted(f"{kind}:{name}" for (kind, name), fact in one.accounts.items() if _holds(fact, last_day))),
            "|".join(tiers), "|".join(offices), "|".join(sorted(set(may) - {*tiers, *offices})),
            "|".join(sorted(str(fact.data["principal"]) for fact in one.delegations.values() if _holds(fact, last_day))),
            seq, at, _flag(late), _flag(idle), reviewed.at if reviewed else "", reviewed.by if reviewed else "",
        ]  # fmt: skip
    telling.exceptions = after
    if matrix is None:
        telling.notes.append(said("tiers and offices are not shown: no readable authority matrix is in force"))
    telling.figures |= {"people": len(people), "acted_after_leaving": after, "tier_not_used": unused, "reviewed": looked}
    telling.notes.append(
        said("{people} people; {after} acted after they left, {unused} hold a tier and did nothing in the period, {looked} were reviewed",
             people=len(people), after=after, unused=unused, looked=looked)
    )  # fmt: skip


def _flag(holds: bool) -> str:
    return "yes" if holds else "no"


def _last_matrix(record: Record) -> Matrix | None:
    adopted = list(record.history(Action.AUTHORITY_CHANGED))
    return matrix_of(record, adopted[-1].subject) if adopted else None


def _powers(matrix: Matrix | None, person: str, record: Record) -> tuple[list[str], list[str]]:
    """Tiers held on the last day, with their regions, and offices."""
    if matrix is None:
        return [], []
    held = [h for h in matrix.holders if h.person == person and h.on(record.period.last_day)]
    tiers = sorted({h.tier + (f" ({', '.join(h.regions)})" if h.regions else "") for h in held})
    offices = {"control_owner": matrix.offices.control_owner, "internal_audit": matrix.offices.internal_audit}
    return tiers, [name for name, people in {**offices, "administrators": matrix.offices.administrators}.items() if person in people]


def reviews(record: Record, _: Telling) -> Iterator[Row]:
    """One row a sign-off of the access list."""
    for one in record.entries(Action.ACCESS_REVIEWED):
        data = one.data
        persons = data.get("persons", [])
        yield [one.seq, one.at, one.by, data.get("office"), len(persons), "|".join(persons), data.get("list"), one.text("statement")]


DUTIES = Artefact(
    number="E07",
    name="segregation-of-duties",
    title=said("Segregation of duties: exceptions"),
    shows=said(
        "Who approved what he made, two approvals of one hand, an approver who administers database or software, overrides, "
        "shared addresses."
    ),
    columns=("exception", "person", "entry", "at", "change", "proposal", "reason"),
    rows=duties,
    none=said("no exception among the changes examined"),
    lacks=said(
        "Who administers is what the matrix names under offices; rights given directly in the database or the operating system "
        "are not recorded by this system: ask their administrators."
    ),
)
ACCESS = Artefact(
    number="E08",
    name="access",
    title=said("Who may do what"),
    shows=said(
        "Everybody on record at the end of the period: accounts, tiers, offices, rights, delegations, last use, and when "
        "the access was reviewed."
    ),
    columns=(
        "person", "name", "active", "entry", "recorded_at", "valid_from", "accounts", "tiers", "offices", "rights", "decides_for",
        "last_use_entry",
        "last_use_at", "acted_after_leaving", "tier_not_used_in_period", "reviewed_at", "reviewed_by",
    ),
    rows=access,
    none=said("nobody is on record"),
    lacks=said(
        "When somebody left the company is not recorded by this system: ask personnel, and compare with the day he was "
        "taken out here."
    ),
)  # fmt: skip
REVIEWS = Artefact(
    number="E08",
    name="access-reviews",
    title=said("Sign-offs of the access list"),
    shows=said("Who signed that list off in the period, for whom, with the digest of the list seen."),
    columns=("entry", "at", "by", "office", "people", "persons", "list_digest", "statement"),
    rows=reviews,
    none=said("nobody signed an access review in the period: `credit-review people reviewed` records one"),
    lacks=said("That somebody signed is no evidence of how carefully he looked."),
)
