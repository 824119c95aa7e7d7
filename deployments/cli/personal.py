"""`people prefer|away|conflict|right`, `conditions` and `answer`: what Slack's App Home and threads do, at the command line."""

from __future__ import annotations

from datetime import date
from hashlib import sha256
from pathlib import Path

from credit_review.messages.card import CONDITIONS
from credit_review.model.records import AccessRight, ApprovalCondition, PersonPreference
from credit_review.model.states import ConditionKind
from credit_review.review import conditions, personal, questions
from credit_review.words import marked, said, said_many
from deployments.cli.frame import listen_to, names_of, services, show_json, show_table, tell
from deployments.cli.governing import ask_others, me


def prefer(config: Path, *, language: str, locale: str, time_zone: str, calendar: str, as_person: str) -> None:
    """How I read and work, from today."""
    opened = services(config)
    with opened.store.begin() as uow:
        person = me(opened, uow, as_person)
        chosen = PersonPreference(
            person_id=person.person_id,
            language=language,
            locale=locale,
            time_zone=time_zone,
            calendar=calendar,
            valid_from=opened.today(),
            valid_to=None,
            recorded_at=opened.clock.now(),
        )
        personal.prefer(uow, chosen, by=person.person_id)
        listen_to(opened, uow, person)
        uow.commit()
    reads = language or said("as the company")
    tell(
        said("{name} reads {language}, in time zone {zone}", name=person.name, language=reads, zone=time_zone or opened.settings.time_zone)
    )


def away(config: Path, *, start: date, end: date, as_person: str) -> None:
    """I am out of office in [start, end)."""
    opened = services(config)
    with opened.store.begin() as uow:
        person = me(opened, uow, as_person)
        personal.away(uow, person.person_id, start=start, end=end, by=person.person_id, now=opened.clock.now())
        ask_others(opened, uow, person.person_id, by=person.person_id)
        uow.commit()
    tell(said("{name} is away from {start} until {end}: others are asked first", name=person.name, start=start, end=end))


def conflict(config: Path, customer: str, *, as_person: str) -> None:
    """I have a conflict of interest about a customer, or none at all."""
    opened = services(config)
    with opened.store.begin() as uow:
        person = me(opened, uow, as_person)
        fact = personal.declare_conflict(uow, person.person_id, customer, start=opened.today(), by=person.person_id, now=opened.clock.now())
        if customer:
            ask_others(opened, uow, person.person_id, by=person.person_id, customer_id=customer)
        uow.commit()
    if customer:
        sentence = marked("{name} declares a conflict of interest about {customer}, until {day}")
        tell(said(sentence, name=person.name, customer=customer, day=fact.valid_to))
    else:
        tell(said("{name} declares no conflict of interest, until {day}", name=person.name, day=fact.valid_to))


def give_right(config: Path, person_id: str, right: str, *, until: date | None, as_person: str) -> None:
    """Give a person a right, as somebody else; with `until` it ends on that day."""
    opened = services(config)
    with opened.store.begin() as uow:
        by = me(opened, uow, as_person).person_id
        fact = AccessRight(person_id=person_id, access=right, valid_from=opened.today(), valid_to=until, recorded_at=opened.clock.now())
        personal.set_right(uow, fact, by=by)
        names = names_of(uow)
        uow.commit()
    about = {"name": names.get(person_id, person_id), "right": right, "start": opened.today()}
    tell(
        said("{name} has {right} from {start} until {end}", **about, end=until)
        if until
        else said("{name} has {right} from {start}", **about)
    )


def list_conditions(config: Path, *, as_json: bool) -> None:
    """Conditions of approvals that nobody has confirmed yet."""
    opened = services(config)
    with opened.store.read() as uow:
        found = uow.find(ApprovalCondition, state="open", order_by=("due", "condition_id"))
        names = names_of(uow)
    if as_json:
        show_json([{"condition": c.condition_id, "proposal": c.proposal_id, "kind": c.kind, "text": c.text, "due": c.due} for c in found])
        return
    if not found:
        tell(said("no approval waits for a condition"))
        return
    rows = [[c.condition_id, c.proposal_id, _what(c), c.due, names.get(c.asked_by, c.asked_by)] for c in found]
    columns = [said("condition"), said("proposal"), said("what"), said("due"), said("set by")]
    show_table(said("Open conditions (credit-review conditions confirm CONDITION)"), columns, rows)


def _what(condition: ApprovalCondition) -> str:
    kind = CONDITIONS[ConditionKind(condition.kind)]
    return said("{kind}: {text}", kind=kind, text=condition.text) if condition.text else kind


def confirm(config: Path, condition_id: str, *, evidence: str, file: Path | None, as_person: str) -> None:
    """Confirm a condition as a second person, with evidence."""
    opened = services(config)
    digest = sha256(file.read_bytes()).hexdigest() if file else ""
    with opened.store.begin() as uow:
        person = me(opened, uow, as_person)
        done = conditions.confirm(
            uow,
            condition_id,
            person_id=person.person_id,
            evidence=evidence,
            evidence_sha256=digest,
            now=opened.clock.now(),
            zone=opened.settings.zone,
        )
        left = len([c for c in conditions.open_conditions(uow, [done.proposal_id]) if c.condition_id != condition_id])
        uow.commit()
    tell(
        said_many(
            "{name} confirms it; {n} condition of proposal {proposal} still open",
            "{name} confirms it; {n} conditions of proposal {proposal} still open",
            n=left,
            name=person.name,
            proposal=done.proposal_id,
        )
    )


def answer(config: Path, proposal_id: str, *, text: str, as_person: str) -> None:
    """Answer an approver's question; a fresh proposal goes to the approvers."""
    opened = services(config)
    with opened.store.begin() as uow:
        person = me(opened, uow, as_person)
        new = questions.answer(
            uow,
            proposal_id,
            text,
            person_id=person.person_id,
            now=opened.clock.now(),
            zone=opened.settings.zone,
            to=opened.settings.slack.destinations(),
        )
        uow.commit()
    tell(said("answered; the new proposal is {proposal}", proposal=new.proposal_id))
