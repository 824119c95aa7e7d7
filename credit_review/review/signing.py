"""Who may sign for a review or a risk, and who may lay hands on the log: the authority matrix in force names tier or office, and
a refusal names the people who hold it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date, datetime
from enum import StrEnum

from credit_review.audit import Action
from credit_review.authority import Matrix, Offices, Tier, signers, signing_tier, tier_of_risk
from credit_review.errors import Refused
from credit_review.fx import MissingRate
from credit_review.model.money import Money
from credit_review.model.records import Decision, Person, Review, RiskKept
from credit_review.model.states import Verdict
from credit_review.ports import Entry, UnitOfWork
from credit_review.review.directory import active_person, persons
from credit_review.review.naming import actor
from credit_review.review.standing import gather, matrix_in_force, no_rate
from credit_review.words import Said, listed, marked, said

OWN, LACKS_TIER, LACKS_OFFICE = "sign.own", "sign.lacks_tier", "sign.lacks_office"
REFUSALS = (OWN, LACKS_TIER, LACKS_OFFICE)
"""Codes of signatures refused for want of the right."""

_OWN = marked("{name} may not {to}: he or she asked for it or stopped it")
_LACKS = marked("{name} may not {to}: it takes {tier} ({title})")
_HIGHER = marked("{tier} ({title}) or a higher tier")
_SOMEBODY_ELSE = marked("{tier} ({title}) or a higher tier, held by somebody else")
_OR = marked("{first} or {rest}")


def require_closer(uow: UnitOfWork, review: Review, person_id: str, *, on: date, now: datetime) -> Person:
    """The active person, who holds the tier that closes a review. Refused otherwise, naming who may."""
    matrix = matrix_in_force(uow, now)
    tier = signing_tier(matrix, matrix.sign_off.close_review)
    return _require(uow, matrix, tier, said("close review {review}", review=review.review_id), person_id, on=on, now=now)


def require_confirmer(uow: UnitOfWork, review: Review, person_id: str, *, on: date, now: datetime) -> Person:
    """The active person, who holds the tier that confirms an extract. Refused otherwise, naming who may."""
    matrix = matrix_in_force(uow, now)
    tier = signing_tier(matrix, matrix.sign_off.confirm_extract)
    return _require(uow, matrix, tier, said("confirm the extract of review {review}", review=review.review_id), person_id, on=on, now=now)


def require_keeper(uow: UnitOfWork, risk: RiskKept, person_id: str, *, on: date, now: datetime) -> Person:
    """The active person, who holds the tier of the amount at risk and neither asked for the reduction nor stopped it.

    Refused otherwise, naming who may, and when the amount cannot be converted to control currency.
    """
    matrix = matrix_in_force(uow, now)
    standing = gather(uow, risk.proposal_id, matrix, now)
    try:
        tier = tier_of_risk(matrix, standing.converted(risk.amount_minor))
    except MissingRate as error:
        raise no_rate(error) from None
    to = said("keep a risk of {amount}", amount=Money(risk.amount_minor, risk.currency))
    behind = _behind(uow, risk, {*standing.makers, standing.proposal.proposer_id})
    return _require(uow, matrix, tier, to, person_id, on=on, now=now, region=standing.proposal.region, behind=behind)


class Office(StrEnum):
    """Offices of the authority matrix, by their fields."""

    CONTROL_OWNER = "control_owner"
    INTERNAL_AUDIT = "internal_audit"
    ADMINISTRATORS = "administrators"
    MODEL_VALIDATORS = "model_validators"


_OFFICES = {
    Office.CONTROL_OWNER: marked("the control owner"),
    Office.INTERNAL_AUDIT: marked("internal audit"),
    Office.ADMINISTRATORS: marked("the administrators"),
    Office.MODEL_VALIDATORS: marked("the model validators"),
}


WATCHERS = (Office.INTERNAL_AUDIT, Office.CONTROL_OWNER)
"""Offices that close findings and review access. Nobody stands in for them: who approves does not also say that approving is watched."""


def require_office(uow: UnitOfWork, office: Office, to: Said, person_id: str, *, on: date, now: datetime) -> Person:
    """The active person, who holds the office; where the matrix names nobody for it, who holds the highest tier. Refused otherwise."""
    matrix = matrix_in_force(uow, now)
    if not getattr(matrix.offices, office):
        return _require(uow, matrix, matrix.tiers[-1], to, person_id, on=on, now=now)
    return _in_office(uow, matrix.offices, (office,), to, person_id, on=on, now=now)[0]


def require_watcher(
    uow: UnitOfWork, to: Said, person_id: str, *, on: date, now: datetime, but: Collection[str] = ()
) -> tuple[Person, Office]:
    """The active person, who holds one of WATCHERS, and which. Refused otherwise, naming who does except `but`."""
    return _in_office(uow, matrix_in_force(uow, now).offices, WATCHERS, to, person_id, on=on, now=now, but=but)


def watchers(uow: UnitOfWork, *, on: date, now: datetime, but: Collection[str] = ()) -> Said:
    """Whom of WATCHERS to ask, as a next step."""
    return _ask_office(uow, _named(matrix_in_force(uow, now).offices, WATCHERS), on, now, but)


def _named(offices: Offices, wanted: Sequence[Office]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(person for office in wanted for person in getattr(offices, office)))


def _in_office(
    uow: UnitOfWork,
    offices: Offices,
    wanted: Sequence[Office],
    to: Said,
    person_id: str,
    *,
    on: date,
    now: datetime,
    but: Collection[str] = (),
) -> tuple[Person, Office]:
    person = active_person(uow, person_id, on=on, known_at=now)
    held = next((office for office in wanted if person_id in getattr(offices, office)), None)
    if held is not None:
        return person, held
    sentence = marked("{name} may not {to}: that is for {office}")
    fields = listed([f"`offices.{one.value}`" for one in wanted], by=_OR)
    raise Refused(
        LACKS_OFFICE,
        said(sentence, name=person.name, to=to, office=listed([said(_OFFICES[one]) for one in wanted], by=_OR)),
        expected=said("somebody whom the authority matrix names under {office}", office=fields),
        next_step=_ask_office(uow, _named(offices, wanted), on, now, but),
    )


def record_refusal(uow: UnitOfWork, refusal: Refused, *, person_id: str, entity: str) -> None:
    """Appends the entry of a signature refused to this person for want of the right; `entity` is review, proposal, finding or log."""
    data = {"code": refusal.code, "channel": "cli"}
    uow.append(Entry(action=Action.DECISION_REFUSED, actor=actor(person_id), entity=entity, data=data, payload={"text": refusal.what}))


def _behind(uow: UnitOfWork, risk: RiskKept, makers: Collection[str]) -> frozenset[str]:
    """Makers of the reduction (who released, amended, deferred or excluded it), and those who rejected or returned it."""
    stopped = [d for d in uow.find(Decision, proposal_id=risk.proposal_id) if d.verdict in (Verdict.REJECT, Verdict.RETURN)]
    return frozenset({*makers, *(p for d in stopped for p in (d.approver_id, d.on_behalf_of) if p)})


def _require(
    uow: UnitOfWork,
    matrix: Matrix,
    tier: Tier,
    to: Said,
    person_id: str,
    *,
    on: date,
    now: datetime,
    region: str = "",
    behind: Collection[str] = (),
) -> Person:
    person = active_person(uow, person_id, on=on, known_at=now)
    able = signers(matrix, tier, on, region=region, but=behind)
    if person_id in able:
        return person
    own = person_id in behind
    about = {"tier": tier.tier, "title": tier.name}
    raise Refused(
        OWN if own else LACKS_TIER,
        said(_OWN, name=person.name, to=to) if own else said(_LACKS, name=person.name, to=to, **about),
        expected=said(_SOMEBODY_ELSE if behind else _HIGHER, **about),
        next_step=_ask(uow, able, on, now),
    )


def _ask(uow: UnitOfWork, able: Collection[str], on: date, now: datetime) -> Said:
    names = _names(uow, able, on, now)
    return said("ask {names}", names=listed(names, by=_OR)) if names else said("nobody can now: ask the risk team to name a holder")


def _ask_office(uow: UnitOfWork, named: Collection[str], on: date, now: datetime, but: Collection[str]) -> Said:
    names = _names(uow, [one for one in named if one not in but], on, now)
    return said("ask {names}", names=listed(names, by=_OR)) if names else said("nobody can now: name others in `offices` of authority.yaml")


def _names(uow: UnitOfWork, able: Collection[str], on: date, now: datetime) -> list[str]:
    """Those of `able` who are active, by name and id."""
    known = {p.person_id: p for p in persons(uow, on=on, known_at=now)}
    return [f"{known[p].name} ({p})" for p in able if p in known and known[p].active]
