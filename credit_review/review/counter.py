"""Counter-offers: what an approver would sign instead, whether that is less in every respect, and whose decision it would be."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime, tzinfo

from credit_review.authority import Asking, Code, Matrix, Requirement, Standing, asked_first, judge, requirement
from credit_review.errors import Refused
from credit_review.fx import MissingRate
from credit_review.model.money import MAX_MINOR
from credit_review.model.records import Proposal
from credit_review.model.states import Assurance, Layer
from credit_review.ports import UnitOfWork
from credit_review.review.propose import direction_of
from credit_review.review.standing import gather, matrix_in_force, no_rate
from credit_review.words import said

LONGEST_TERMS = 3650


@dataclass(frozen=True, slots=True, kw_only=True)
class CounterOffer:
    """What the approver would sign instead; None leaves the proposal's figure. Minor units of the proposal's currency, net days.

    `open_ended` takes the proposal's end away.
    """

    to_minor: int | None = None
    terms_days: int | None = None
    effective_to: date | None = None
    open_ended: bool = False


@dataclass(frozen=True, slots=True)
class Figures:
    """A counter-offer with the proposal's own figures where it names none."""

    to_minor: int
    terms_days: int | None
    effective_to: date | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreseen:
    """What a counter-offer would become. `mine`: an approval for less by the person himself; otherwise `asked` decide it.

    `assurance` is what his own approval would take, `utilisation` is exposure over the new limit (None for a limit of 0).
    """

    figures: Figures
    mine: bool
    need: Requirement
    asked: tuple[str, ...]
    assurance: Assurance
    utilisation: float | None


def figures_of(offer: CounterOffer, standing: Standing) -> Figures:
    """The successor's amount, terms and end. Raises Refused when they make no sense or change nothing."""
    proposal = standing.proposal
    figures = Figures(
        proposal.to_minor if offer.to_minor is None else offer.to_minor,
        proposal.terms_days if offer.terms_days is None else offer.terms_days,
        None if offer.open_ended else offer.effective_to or proposal.effective_to,
    )
    if not 0 <= figures.to_minor <= MAX_MINOR or not 0 <= (figures.terms_days or 0) <= LONGEST_TERMS:
        raise Refused("bad_counter", said("the counter-offer's amount or terms are out of range"))
    if figures.effective_to is None and standing.layer == Layer.TEMPORARY:
        raise Refused("bad_counter_end", said("a temporary limit ends on some day: choose one"))
    if figures.effective_to is not None and figures.effective_to <= max(proposal.effective_from, standing.today):
        raise Refused("bad_counter_end", said("the counter-offer would end on {day}, before it begins", day=figures.effective_to))
    if figures == Figures(proposal.to_minor, proposal.terms_days, proposal.effective_to):
        raise Refused("same_as_proposed", said("the counter-offer is what is proposed; approve it instead"))
    return figures


def stricter(figures: Figures, standing: Standing) -> bool:
    """Whether no figure is above the proposal's. A proposal without terms leaves those in force to compare with."""
    proposal, in_force = standing.proposal, standing.in_force
    known_terms = in_force.terms_days if proposal.terms_days is None and in_force else proposal.terms_days
    longer = figures.terms_days is not None and figures.terms_days > (known_terms or 0)
    later = (figures.effective_to or date.max) > (proposal.effective_to or date.max)
    return figures.to_minor <= proposal.to_minor and not longer and not later


def with_figures(proposal: Proposal, figures: Figures) -> Proposal:
    """The proposal as it would be with these figures, direction included."""
    way = direction_of(
        from_minor=proposal.from_minor,
        to_minor=figures.to_minor,
        from_terms_days=proposal.from_terms_days,
        terms_days=figures.terms_days,
    )
    return replace(
        proposal, to_minor=figures.to_minor, terms_days=figures.terms_days, effective_to=figures.effective_to, direction=way, tier=""
    )


def foresee(uow: UnitOfWork, proposal_id: str, person_id: str, offer: CounterOffer, now: datetime, *, zone: tzinfo) -> Foreseen:
    """What the counter-offer of a person would become, changing nothing. Raises Refused where deciding would."""
    matrix = matrix_in_force(uow, now)
    proposal = uow.get(Proposal, proposal_id=proposal_id)
    if proposal is None:
        raise Refused("unknown_proposal", said("there is no such proposal"))
    asking = Asking(person_id=person_id, digest=proposal.digest, assurance=Assurance.SIGNED_IN)
    standing = gather(uow, proposal_id, matrix, now, zone=zone, asking=asking)
    figures = figures_of(offer, standing)
    try:
        return _foreseen(standing, figures, person_id, matrix, now)
    except MissingRate as error:
        raise no_rate(error) from None


def _foreseen(standing: Standing, figures: Figures, person_id: str, matrix: Matrix, now: datetime) -> Foreseen:
    less = stricter(figures, standing)
    ahead = replace(standing, proposal=with_figures(standing.proposal, figures), decisions=())
    verdict = judge(ahead, matrix, now)
    if verdict.code not in (Code.ALLOWED, Code.LACKS_TIER, Code.NOT_REHEARSED, Code.CHOOSE_PRINCIPAL):
        raise Refused(verdict.code, verdict.text)
    mine = less and verdict.allowed
    others = ahead if mine else replace(ahead, makers=ahead.makers | {person_id}, asking=None)
    exposure, need = standing.proposal.exposure_minor, requirement(others, matrix)
    return Foreseen(
        figures=figures,
        mine=mine,
        need=need,
        asked=tuple(person for person, _ in asked_first(others, matrix)),
        assurance=matrix.assurance(need.tier),
        utilisation=exposure / figures.to_minor if figures.to_minor else None,
    )
