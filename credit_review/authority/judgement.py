"""One pure judgement of one proposal, one person and one moment.

Nothing here reads a store or a clock. `judge` answers whether the person who asks may decide, `recheck` whether an approved proposal
is still approved when it is about to be applied. Two approvals are distinct when no person, approver or principal, stands behind both.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from credit_review.authority.committee import COMMITTEE
from credit_review.authority.matrix import Matrix, Requirement, at_tier, tier_for
from credit_review.authority.standing import APPEAL, SYSTEM, Asking, Standing
from credit_review.model.records import Decision
from credit_review.model.states import Asked, Assurance, ProposalState, Verdict
from credit_review.words import Said, marked, said

_SHOWN_NAMES = 4
_STRENGTH = {level: n for n, level in enumerate(Assurance)}

FIRST_LIMIT = "first_limit"
"""Exception code of a limit where none was on file."""


class Code(StrEnum):
    """Outcomes of a judgement; stable, they stand in the audit log."""

    ALLOWED = "allowed"
    NOBODY = "nobody_asking"
    UNKNOWN_PERSON = "unknown_person"
    INACTIVE = "inactive"
    NOT_PENDING = "not_pending"
    EXPIRED = "expired"
    STALE = "stale"
    CHANGED = "changed"
    BASE_CHANGED = "base_changed"
    OWN_PROPOSAL = "own_proposal"
    ALREADY_DECIDED = "already_decided"
    NOT_DELEGATE = "not_delegate"
    CHOOSE_PRINCIPAL = "choose_principal"
    LACKS_TIER = "lacks_tier"
    NOT_MEMBER = "not_member"
    NOT_APPROVED = "not_approved"
    APPROVER_INVALID = "approver_invalid"
    ENDS_BEFORE_EFFECT = "ends_before_effect"
    CONFLICT = "conflict_of_interest"
    TYPE_AMOUNT = "type_amount"
    OUTSIDE = "decide_outside"
    NOT_REHEARSED = "no_current_pass"


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """The answer: allowed or the code and sentence of the refusal, what the proposal needs and has, and who else may decide.

    `on_behalf_of` is the principal in whose name the person would decide; `approvals_given` does not count the one being asked for.
    Where a `committee` decides, who may is who may vote, and `approvals_needed` the least number of votes in favour.
    """

    allowed: bool
    code: Code
    text: str
    tier: str
    approvals_needed: int
    approvals_given: int
    because: tuple[str, ...]
    who_may: tuple[str, ...]
    on_behalf_of: str | None = None
    committee: str = ""

    @property
    def completes(self) -> bool:
        """Whether one more approval is enough."""
        return self.approvals_given + 1 >= self.approvals_needed


def requirement(standing: Standing, matrix: Matrix) -> Requirement:
    """What the proposal needs today; never less than the tier it was routed to and shown with. Raises fx.MissingRate."""
    proposal = standing.proposal
    need = tier_for(
        matrix,
        group_limit_minor=standing.group_limit_minor,
        increases_12m_minor=standing.increases_12m_minor,
        loosens=standing.loosens,
        grade=proposal.grade,
        exceptional=_beyond_first_limit(proposal.exceptional),
        first_limit=standing.first_limit,
    )
    if matrix.rank(proposal.tier) > matrix.rank(need.tier):
        return at_tier(matrix, matrix.rank(proposal.tier), ("as_routed",))
    return need


def _beyond_first_limit(codes: str) -> bool:
    """Whether a proposal is exceptional for more than being a first limit, which `raise_tier.first_limit` speaks of by itself."""
    return any(code and code != FIRST_LIMIT for code in codes.split("|"))


def approvals(standing: Standing, matrix: Matrix, need: Requirement) -> tuple[Decision, ...]:
    """The approvals that count today: of this packet, by active people with the tier, none a maker, no person behind two of them; where
    a committee decides, only those that its sitting made."""
    counted: list[Decision] = []
    behind: set[str] = set()
    for decision in sorted(standing.decisions, key=lambda d: (d.at, d.approver_id)):
        people = _people(decision.approver_id, decision.on_behalf_of)
        valid = decision.verdict == Verdict.APPROVE and decision.digest == standing.proposal.digest
        passed = not matrix.needs_pass(need.tier) or decision.approver_id in standing.passed_then
        valid = valid and passed and (not need.committee or decision.channel == COMMITTEE)
        if valid and not people & behind and _backed(standing, matrix, need, decision.approver_id, decision.on_behalf_of):
            counted.append(decision)
            behind |= people
    return tuple(counted)


def judge(standing: Standing, matrix: Matrix, now: datetime) -> Judgement:
    """Whether `standing.asking` may decide the proposal at `now`; without anyone asking, what it needs and who may give it.

    Raises fx.MissingRate when a sum needs a rate the store does not have.
    """
    need = requirement(standing, matrix)
    given = approvals(standing, matrix, need)
    able = _who_may(standing, matrix, need)
    principal = _principal(standing, matrix, need)
    code, text = _refusal(standing, matrix, now, need, principal) or (Code.ALLOWED, "")
    if code in (Code.LACKS_TIER, Code.NOT_MEMBER, Code.CONFLICT, Code.NOT_REHEARSED):
        text = said("{refusal}; {who}", refusal=text, who=_names(standing, able))
    return Judgement(
        allowed=code == Code.ALLOWED,
        code=code,
        text=text,
        tier=need.tier,
        approvals_needed=need.approvals,
        approvals_given=len(given),
        because=need.because,
        who_may=able,
        on_behalf_of=principal,
        committee=need.committee,
    )


def recheck(standing: Standing, matrix: Matrix, now: datetime) -> Judgement:
    """Whether an approved proposal may be applied at `now`: not expired, and its approvals still count today.

    A proposal approved by rule passes without approvals only as the untouched output of a review, and never as a first limit.
    """
    need = requirement(standing, matrix)
    given = approvals(standing, matrix, need)
    code: Code = Code.ALLOWED
    text: str = ""
    if standing.proposal.state != ProposalState.APPROVED:
        code, text = Code.NOT_APPROVED, said("the proposal is {state}, not approved", state=said(standing.proposal.state))
    elif _expired(standing, now):
        code, text = Code.EXPIRED, _expiry(standing)
    elif not by_rule(standing) and len(given) < need.approvals:
        lost = sorted({d.approver_id for d in standing.decisions} - {d.approver_id for d in given})
        code = Code.APPROVER_INVALID
        counted = said(
            "{tier} asks for {needed} approvals and {given} count today", tier=need.tier, needed=need.approvals, given=len(given)
        )
        text = said("{counted}; no longer valid: {lost}", counted=counted, lost=", ".join(lost)) if lost else counted
    return Judgement(
        allowed=code == Code.ALLOWED,
        code=code,
        text=text,
        tier=need.tier,
        approvals_needed=need.approvals,
        approvals_given=len(given),
        because=need.because,
        who_may=_who_may(standing, matrix, need),
        committee=need.committee,
    )


def by_rule(standing: Standing) -> bool:
    """Whether the straight-through rule alone may carry the proposal: untouched, not exceptional, not a first limit."""
    proposal = standing.proposal
    untouched = proposal.proposer_id == SYSTEM and not standing.makers and not standing.decisions
    return bool(proposal.straight_through_rule) and untouched and not proposal.exceptional and standing.from_minor is not None


def _refusal(standing: Standing, matrix: Matrix, now: datetime, need: Requirement, principal: str | None) -> tuple[Code, str] | None:
    asking = standing.asking
    if asking is None:
        return Code.NOBODY, said("nobody asks to decide")
    return (
        _person_refusal(standing, asking)
        or _proposal_refusal(standing, asking, now)
        or _maker_refusal(standing, asking)
        or _conflict_refusal(standing, asking)
        or _tier_refusal(standing, matrix, need, asking, principal)
        or _assurance_refusal(matrix, need, asking)
    )


def _person_refusal(standing: Standing, asking: Asking) -> tuple[Code, str] | None:
    person = standing.persons.get(asking.person_id)
    if person is None:
        return Code.UNKNOWN_PERSON, said("this account belongs to nobody in our directory; ask the risk team to add it")
    return None if person.active else (Code.INACTIVE, said("{name} is not active in our directory", name=person.name))


def _proposal_refusal(standing: Standing, asking: Asking, now: datetime) -> tuple[Code, str] | None:
    proposal = standing.proposal
    if proposal.state != ProposalState.PENDING:
        return Code.NOT_PENDING, said("the proposal is {state} and awaits no decision", state=said(proposal.state))
    if _expired(standing, now):
        return Code.EXPIRED, _expiry(standing)
    if asking.digest != proposal.digest:
        return Code.STALE, said("the proposal changed after this card was shown; read the new card and decide on that")
    for kind, shown, current in (
        ("policy", proposal.policy_digest, standing.policy_in_force),
        ("authority matrix", proposal.authority_digest, standing.authority_in_force),
    ):
        if shown != current:
            return Code.CHANGED, said("the {kind} changed after this card was shown; a new card shows the difference", kind=said(kind))
    version = standing.in_force.version if standing.in_force else 0
    if version != proposal.base_version:
        text = marked("the limit in force changed (version {old} became {new}) since it was proposed")
        return Code.BASE_CHANGED, Said(text, {"old": proposal.base_version, "new": version})
    return None


def _maker_refusal(standing: Standing, asking: Asking) -> tuple[Code, str] | None:
    appeal = APPEAL in standing.proposal.exceptional.split("|")
    if appeal and asking.person_id in _makers(standing) - {standing.proposal.proposer_id}:
        return Code.OWN_PROPOSAL, said("you refused what this appeals against, or changed it; somebody else decides it")
    if asking.person_id in _makers(standing):
        return Code.OWN_PROPOSAL, said("you made or changed this proposal; somebody else decides it")
    if asking.on_behalf_of in _makers(standing):
        name = _name(standing, asking.on_behalf_of)
        return Code.OWN_PROPOSAL, said("{name} made or changed this proposal; nobody decides it in that name", name=name)
    people = _people(asking.person_id, asking.on_behalf_of)
    if people & _spent(standing):
        return Code.ALREADY_DECIDED, said("you, or the person you act for, have already decided this proposal; it needs someone else")
    return None


def _conflict_refusal(standing: Standing, asking: Asking) -> tuple[Code, str] | None:
    if asking.person_id in standing.conflicted:
        return Code.CONFLICT, said("you declared a conflict of interest about this customer")
    if asking.on_behalf_of in standing.conflicted:
        name = _name(standing, asking.on_behalf_of)
        return Code.CONFLICT, said("{name} declared a conflict of interest about this customer", name=name)
    return None


def _assurance_refusal(matrix: Matrix, need: Requirement, asking: Asking) -> tuple[Code, str] | None:
    """What approves at a high tier takes more than a click."""
    wanted = matrix.assurance(need.tier) if asking.approves else Assurance.CLICK
    if _STRENGTH[asking.assurance] >= _STRENGTH[wanted]:
        return None
    if wanted == Assurance.TYPED:
        return Code.TYPE_AMOUNT, said("{tier} is not approved with one click: type the amount and say why", tier=need.tier)
    text = marked("{tier} is not approved in Slack: use the page with company sign-in, or `credit-review decide`")
    return Code.OUTSIDE, Said(text, {"tier": need.tier})


def _tier_refusal(standing: Standing, matrix: Matrix, need: Requirement, asking: Asking, principal: str | None) -> tuple[Code, str] | None:
    if (committee := matrix.committee(need.committee)) is not None:
        return _member_refusal(standing, matrix, need, asking, committee.name)
    if asking.on_behalf_of is not None and not _delegated(standing, asking.on_behalf_of, asking.person_id):
        return Code.NOT_DELEGATE, said("{name} has not delegated to you for today", name=_name(standing, asking.on_behalf_of))
    if _may(standing, matrix, need, asking.person_id, principal):
        return None
    if asking.on_behalf_of is None and len(choices := _principals(standing, matrix, need, asking.person_id)) > 1:
        return Code.CHOOSE_PRINCIPAL, said("say on whose behalf you decide: {names}", names=_either(standing, choices))
    if without := _without_pass(standing, matrix, need, asking):
        return Code.NOT_REHEARSED, _no_pass(standing, need, asking, without)
    title = matrix.tiers[matrix.rank(need.tier)].name
    if asking.on_behalf_of is None:
        return Code.LACKS_TIER, said("you lack {tier} ({title})", tier=need.tier, title=title)
    name = _name(standing, asking.on_behalf_of)
    return Code.LACKS_TIER, said("{name} lacks {tier} ({title})", name=name, tier=need.tier, title=title)


def _without_pass(standing: Standing, matrix: Matrix, need: Requirement, asking: Asking) -> str:
    """Whose missing pass alone keeps this person from deciding: his own, or that of whom he acts for; empty when it is something else."""
    mine = sorted({d.principal_id for d in standing.delegations if d.delegate_id == asking.person_id} - _spent(standing))
    wanted = [asking.on_behalf_of] if asking.on_behalf_of is not None else [None, *mine]
    backed = next((p for p in wanted if _backed(standing, matrix, need, asking.person_id, p)), "")
    if backed == "":
        return ""
    return asking.person_id if asking.person_id not in standing.passed else str(backed)


def _no_pass(standing: Standing, need: Requirement, asking: Asking, without: str) -> str:
    if without == asking.person_id:
        text = marked("{tier} needs a current pass of a rehearsal, and you have none: `credit-review rehearse REVIEW`")
        return said(text, tier=need.tier)
    text = marked("{tier} needs a current pass of a rehearsal, and {name} has none")
    return said(text, tier=need.tier, name=_name(standing, without))


def _member_refusal(standing: Standing, matrix: Matrix, need: Requirement, asking: Asking, name: str) -> tuple[Code, str] | None:
    """Members vote for themselves; nobody else decides what is a committee's."""
    if asking.on_behalf_of is not None:
        return Code.NOT_MEMBER, said("{committee} decides this, and its members vote for themselves", committee=name)
    if _may(standing, matrix, need, asking.person_id, None):
        return None
    if without := _without_pass(standing, matrix, need, asking):
        return Code.NOT_REHEARSED, _no_pass(standing, need, asking, without)
    return Code.NOT_MEMBER, said("{committee} decides this, and you do not sit on it", committee=name)


def _principal(standing: Standing, matrix: Matrix, need: Requirement) -> str | None:
    """In whose name the asking person decides: the one named, or the only one possible when his own authority is not enough."""
    asking = standing.asking
    if need.committee:
        return asking.on_behalf_of if asking else None
    if asking is None or asking.on_behalf_of is not None:
        return asking.on_behalf_of if asking else None
    if matrix.highest(asking.person_id, standing.today, standing.proposal.region) >= matrix.rank(need.tier):
        return None
    choices = _principals(standing, matrix, need, asking.person_id)
    return choices[0] if len(choices) == 1 else None


def _principals(standing: Standing, matrix: Matrix, need: Requirement, delegate_id: str) -> tuple[str, ...]:
    mine = sorted({d.principal_id for d in standing.delegations if d.delegate_id == delegate_id} - _spent(standing))
    return tuple(p for p in mine if _may(standing, matrix, need, delegate_id, p))


def _may(standing: Standing, matrix: Matrix, need: Requirement, person_id: str, principal: str | None) -> bool:
    """Whether a person, for himself or for a principal, is backed by the tier today, and both have the pass that it needs."""
    passed = not matrix.needs_pass(need.tier) or _people(person_id, principal) <= standing.passed
    return passed and _backed(standing, matrix, need, person_id, principal)


def _backed(standing: Standing, matrix: Matrix, need: Requirement, person_id: str, principal: str | None) -> bool:
    """Whether a person, for himself or for a principal, is active, no maker, and backed by the tier, or a seat on its committee,
    today, whatever passes there are.
    """
    people = _people(person_id, principal)
    if people & (_makers(standing) | standing.conflicted) or not all(_active(standing, p) for p in people):
        return False
    if (committee := matrix.committee(need.committee)) is not None:
        return principal is None and person_id in committee.on(standing.today)
    if principal is not None and not _delegated(standing, principal, person_id):
        return False
    held = matrix.highest(principal or person_id, standing.today, standing.proposal.region)
    return held >= matrix.rank(need.tier)


def _who_may(standing: Standing, matrix: Matrix, need: Requirement) -> tuple[str, ...]:
    """Holders, then delegates, who could decide now, each once."""
    spent = _spent(standing)
    if (committee := matrix.committee(need.committee)) is not None:
        return tuple(p for p in committee.on(standing.today) if p not in spent and _may(standing, matrix, need, p, None))
    direct = [h.person for h in matrix.holders if h.person not in spent and _may(standing, matrix, need, h.person, None)]
    through = [
        d.delegate_id
        for d in standing.delegations
        if not {d.delegate_id, d.principal_id} & spent and _may(standing, matrix, need, d.delegate_id, d.principal_id)
    ]
    return tuple(dict.fromkeys([*direct, *through]))


def asked_first(standing: Standing, matrix: Matrix) -> tuple[tuple[str, Asked], ...]:
    """Before whom a pending proposal is put, and why: holders of the lowest tier that suffices, as many as there are, and delegates.

    Who is out of office is stood in for by his delegates; without any, holders of the next tier are asked. Raises fx.MissingRate.
    """
    return next_asked(standing, matrix, frozenset())


def next_asked(standing: Standing, matrix: Matrix, asked: frozenset[str]) -> tuple[tuple[str, Asked], ...]:
    """Whom to ask beside those asked already: holders of the lowest tier not asked yet, until the approvals can come together."""
    need = requirement(standing, matrix)
    able = set(_who_may(standing, matrix, need))
    if need.committee:  # all its members at once: there is nobody beside them
        return tuple((p, Asked.TIER) for p in _who_may(standing, matrix, need) if p not in asked)
    found: dict[str, Asked] = {}
    for rank in range(matrix.rank(need.tier), len(matrix.tiers)):
        for person, why in _of_rank(standing, matrix, rank):
            if person in able and person not in asked:
                found.setdefault(person, why if not asked else Asked.ESCALATION)
        if len(found) >= need.approvals:
            break
    return tuple(found.items())


def _of_rank(standing: Standing, matrix: Matrix, rank: int) -> Iterator[tuple[str, Asked]]:
    """Holders whose highest tier has this rank and who are at work, and the delegates of all of them."""
    holders = dict.fromkeys(h.person for h in matrix.holders)
    mine = [p for p in holders if matrix.highest(p, standing.today, standing.proposal.region) == rank]
    yield from ((p, Asked.TIER) for p in mine if p not in standing.absent)
    for one in standing.delegations:
        if one.principal_id in mine and one.delegate_id not in standing.absent:
            yield one.delegate_id, Asked.DELEGATE


def _expired(standing: Standing, now: datetime) -> bool:
    proposal = standing.proposal
    late = proposal.expires_at is not None and now >= proposal.expires_at
    return late or (proposal.effective_to is not None and proposal.effective_to <= standing.today)


def _expiry(standing: Standing) -> str:
    proposal = standing.proposal
    if proposal.effective_to is not None and proposal.effective_to <= standing.today:
        return said("the limit it asks for would have ended on {day}", day=proposal.effective_to)
    return said("the proposal expired at {moment}", moment=proposal.expires_at)


def _makers(standing: Standing) -> frozenset[str]:
    return standing.makers | {standing.proposal.proposer_id}


def _people(person_id: str, principal: str | None) -> frozenset[str]:
    return frozenset({person_id} if principal is None else {person_id, principal})


def _spent(standing: Standing) -> frozenset[str]:
    """Everyone behind a decision of this packet, whether it still counts or not: nobody stands behind a second one."""
    return frozenset(p for d in standing.decisions for p in _people(d.approver_id, d.on_behalf_of))


def _active(standing: Standing, person_id: str) -> bool:
    person = standing.persons.get(person_id)
    return person is not None and person.active


def _delegated(standing: Standing, principal: str, delegate_id: str) -> bool:
    return principal != delegate_id and any(d.principal_id == principal and d.delegate_id == delegate_id for d in standing.delegations)


def _name(standing: Standing, person_id: str | None) -> str:
    person = standing.persons.get(person_id or "")
    return f"{person.name} ({person_id})" if person else str(person_id)


def _either(standing: Standing, people: Sequence[str]) -> str:
    """`A or B or C`, to be said in any language."""
    found = _name(standing, people[0])
    for person in people[1:]:
        found = said("{one} or {other}", one=found, other=_name(standing, person))
    return found


def _names(standing: Standing, able: tuple[str, ...]) -> str:
    if not able:
        return said("nobody else can either: ask the risk team to name a holder or a delegate")
    shown, more = _either(standing, able[:_SHOWN_NAMES]), len(able) - _SHOWN_NAMES
    return said("{names} or {more} more can", names=shown, more=more) if more > 0 else said("{names} can", names=shown)
