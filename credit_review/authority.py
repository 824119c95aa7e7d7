"""Who may approve what: the authority matrix, and one pure judgement of one proposal, one person and one moment.

Nothing here reads a store or a clock. `review.standing.gather` collects the evidence into a dated `Standing`; `judge` answers whether
the person who asks may decide, `recheck` whether an approved proposal is still approved when it is about to be applied.
Two approvals are distinct when no person, approver or principal, stands behind both.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from itertools import combinations
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from credit_review.documents import Document, check, where
from credit_review.errors import BadInput
from credit_review.fx import RateTable
from credit_review.model.money import MAX_MINOR, exponent, format_minor, to_minor
from credit_review.model.records import CreditLimit, Decision, Delegation, Person, Proposal
from credit_review.model.states import Layer, ProposalState, Verdict

SYSTEM = "system"
"""Proposer of a review's pure output, which no person touched."""

_SHOWN_NAMES = 4

Amount = Annotated[int, Field(strict=True, ge=0, le=MAX_MINOR)]


FIRST_LIMIT = "first_limit"
"""Exception code of a limit where none was on file."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Tier(_Part):
    """One step of authority. Bounds are whole major units of the control currency, inclusive; None is without bound."""

    tier: Annotated[str, Field(min_length=1)]
    name: Annotated[str, Field(min_length=1)]
    group_limit_up_to: Amount | None
    increases_12m_up_to: Amount | None
    approvers: Annotated[int, Field(strict=True, ge=1, le=10)]


class RaiseTier(_Part):
    """Circumstances that ask for at least the tier named."""

    grades: dict[str, str] = {}
    exceptions: str
    first_limit: str


class Holder(_Part):
    """A person who holds a tier from a day until another (exclusive). No regions means everywhere."""

    person: Annotated[str, Field(min_length=1)]
    tier: str
    since: date = Field(alias="from")
    until: date | None
    regions: tuple[str, ...] = ()

    def on(self, day: date) -> bool:
        """Whether the tier is held on `day`."""
        return self.since <= day and (self.until is None or day < self.until)

    def covers(self, region: str) -> bool:
        """Whether the tier is held for customers of `region`."""
        return not self.regions or region in self.regions


class SignOff(_Part):
    """Least tier, held for all regions, that may sign for a whole review; None: the lowest. A risk is kept by the tier of its amount."""

    close_review: str | None = None
    confirm_extract: str | None = None


class Matrix(_Part):
    """The authority matrix as adopted. Take it from `load`, which refuses one that could leave an amount without approvers."""

    version: Annotated[str, Field(min_length=1)]
    control_currency: str
    tiers: tuple[Tier, ...]
    raise_tier: RaiseTier
    reduction_tier: str
    holders: tuple[Holder, ...]
    sign_off: SignOff = SignOff()

    def rank(self, tier: str) -> int:
        """Position of a tier, 0 the lowest; -1 for a name the matrix does not have."""
        return next((n for n, one in enumerate(self.tiers) if one.tier == tier), -1)

    def highest(self, person_id: str, day: date, region: str) -> int:
        """Rank of the highest tier a person holds on a day for a region; -1 when none."""
        held = (self.rank(h.tier) for h in self.holders if h.person == person_id and h.on(day) and h.covers(region))
        return max(held, default=-1)


def load(document: Document) -> Matrix:
    """The matrix in a governed document. Raises BadInput with file and line for every fault of form or of sense (`faults`)."""
    matrix = check(document, Matrix)
    found = [f"{where(document, path)}: {text}" for path, text in faults(matrix)]
    if found:
        raise BadInput(
            "\n".join(found), expected="a matrix in which every amount always has enough approvers", next_step="correct the file"
        )
    return matrix


def faults(matrix: Matrix) -> list[tuple[tuple[str | int, ...], str]]:
    """What is wrong with a well-formed matrix, as (path in the document, sentence); empty when it is sound."""
    found = [*_currency_faults(matrix), *_tier_faults(matrix), *_name_faults(matrix), *_holder_faults(matrix)]
    return found or list(_staffing_faults(matrix))


_Fault = tuple[tuple[str | int, ...], str]


def _currency_faults(matrix: Matrix) -> Iterator[_Fault]:
    try:
        exponent(matrix.control_currency)
    except BadInput as error:
        yield ("control_currency",), error.what


def _tier_faults(matrix: Matrix) -> Iterator[_Fault]:
    names = [t.tier for t in matrix.tiers]
    if not names:
        yield ("tiers",), "no tiers; expected at least one"
        return
    for n, name in enumerate(names):
        if name in names[:n]:
            yield ("tiers", n, "tier"), f"tier {name} stands twice"
    for n in range(1, len(names)):
        yield from _order_faults(matrix, n)
    last = matrix.tiers[-1]
    if last.group_limit_up_to is not None or last.increases_12m_up_to is not None:
        yield (
            ("tiers", len(names) - 1),
            f"{last.tier} is the last tier and has a bound: amounts above it have no approver; expected null for both",
        )


def _order_faults(matrix: Matrix, n: int) -> Iterator[_Fault]:
    lower, upper = matrix.tiers[n - 1], matrix.tiers[n]
    grows = False
    for name in ("group_limit_up_to", "increases_12m_up_to"):
        low, high = getattr(lower, name), getattr(upper, name)
        if (low is None and high is not None) or (low is not None and high is not None and high < low):
            yield ("tiers", n, name), f"{upper.tier} comes after {lower.tier} and its bound is lower; expected tiers in order of authority"
            return
        grows = grows or low != high
    if not grows:
        yield ("tiers", n), f"{upper.tier} has the bounds of {lower.tier} and would never be asked; expected a higher bound"


def _name_faults(matrix: Matrix) -> Iterator[_Fault]:
    raised = matrix.raise_tier
    named: list[tuple[tuple[str | int, ...], str]] = [
        (("reduction_tier",), matrix.reduction_tier),
        (("raise_tier", "exceptions"), raised.exceptions),
        (("raise_tier", "first_limit"), raised.first_limit),
        *((("raise_tier", "grades", grade), tier) for grade, tier in raised.grades.items()),
        *((("sign_off", act), tier) for act, tier in matrix.sign_off if tier is not None),
        *((("holders", n, "tier"), h.tier) for n, h in enumerate(matrix.holders)),
    ]
    known = ", ".join(t.tier for t in matrix.tiers)
    for path, tier in named:
        if matrix.rank(tier) < 0:
            yield path, f"unknown tier {tier!r}; expected one of {known}"


def _holder_faults(matrix: Matrix) -> Iterator[_Fault]:
    for n, holder in enumerate(matrix.holders):
        if holder.until is not None and holder.until <= holder.since:
            yield ("holders", n, "until"), f"{holder.person} holds {holder.tier} until {holder.until}, not after {holder.since}"
    for (_, one), (n, other) in combinations(enumerate(matrix.holders), 2):
        same = one.person == other.person and one.tier == other.tier
        shared = not one.regions or not other.regions or set(one.regions) & set(other.regions)
        if same and shared and _overlap(one, other):
            yield ("holders", n), f"{other.person} holds {other.tier} twice on the same days; expected intervals that do not overlap"


def _overlap(one: Holder, other: Holder) -> bool:
    return (one.until is None or other.since < one.until) and (other.until is None or one.since < other.until)


def _staffing_faults(matrix: Matrix) -> Iterator[_Fault]:
    """Once every tier has its approvers, no later day may lack them; before the first such day and after the last holder's end
    the matrix gives no authority at all, which is a fact about those days and not a fault."""
    days = sorted({h.since for h in matrix.holders} | {h.until for h in matrix.holders if h.until})
    ends = max(days) if matrix.holders and all(h.until for h in matrix.holders) else None
    regions = ("", *sorted({r for h in matrix.holders for r in h.regions}))
    short = {day: next(_short_on(matrix, day, regions), None) for day in days if day != ends}
    first = next((day for day, fault in short.items() if fault is None), None)
    if first is None:
        path, text = next((f for f in reversed(list(short.values())) if f), (("holders",), "nobody holds any tier"))
        yield path, text
    for day, fault in short.items():
        if first is not None and day > first and fault is not None:
            yield fault


def _short_on(matrix: Matrix, day: date, regions: tuple[str, ...]) -> Iterator[_Fault]:
    people = {h.person for h in matrix.holders}
    for region in regions:
        ranks = [matrix.highest(p, day, region) for p in people]
        for n, tier in enumerate(matrix.tiers):
            able = sum(rank >= n for rank in ranks)
            if able < tier.approvers:
                place = f" for region {region}" if region else " for customers of no named region" if len(regions) > 1 else ""
                yield (
                    ("tiers", n, "approvers"),
                    f"{tier.tier} asks for {tier.approvers} approvers and from {day} only {able} may approve it{place}",
                )


@dataclass(frozen=True, slots=True)
class Requirement:
    """What a proposal needs: a tier, how many distinct approvals, and the rules that led there."""

    tier: str
    approvals: int
    because: tuple[str, ...]


def tier_for(
    matrix: Matrix,
    *,
    group_limit_minor: int,
    increases_12m_minor: int,
    loosens: bool,
    grade: str = "",
    exceptional: bool = False,
    first_limit: bool = False,
) -> Requirement:
    """The tier asked for: the stricter of the two sums (control currency, minor units), raised by grade, exception and first limit.

    What loosens nothing, neither amount nor terms nor end, needs only the reduction tier.
    """
    if not loosens:
        return _requirement(matrix, matrix.rank(matrix.reduction_tier), ("reduction",))
    raised = matrix.raise_tier
    asked = {
        "group_limit": _first_within(matrix, "group_limit_up_to", group_limit_minor),
        "increases_12m": _first_within(matrix, "increases_12m_up_to", increases_12m_minor),
    }
    if grade in raised.grades:
        asked[f"grade:{grade}"] = matrix.rank(raised.grades[grade])
    if exceptional:
        asked["exceptional"] = matrix.rank(raised.exceptions)
    if first_limit:
        asked["first_limit"] = matrix.rank(raised.first_limit)
    rank = max(asked.values())
    return _requirement(matrix, rank, tuple(rule for rule, one in asked.items() if one == rank))


def _requirement(matrix: Matrix, rank: int, because: tuple[str, ...]) -> Requirement:
    return Requirement(matrix.tiers[rank].tier, matrix.tiers[rank].approvers, because)


def signing_tier(matrix: Matrix, named: str | None) -> Tier:
    """The tier that a signature needs: the one `sign_off` names, else the lowest."""
    return matrix.tiers[max(0, matrix.rank(named or ""))]


def tier_of_risk(matrix: Matrix, minor: int) -> Tier:
    """The tier that may keep a risk of `minor` (control currency, minor units): the one whose group limit reaches that far."""
    return matrix.tiers[_first_within(matrix, "group_limit_up_to", minor)]


def signers(matrix: Matrix, tier: Tier, day: date, *, region: str = "", but: Collection[str] = ()) -> tuple[str, ...]:
    """Who may sign on a day: holders of the tier or a higher one, each once, without `but`. A signature is personal: no delegates."""
    able = (h.person for h in matrix.holders if matrix.highest(h.person, day, region) >= matrix.rank(tier.tier))
    return tuple(dict.fromkeys(p for p in able if p not in but))


def _first_within(matrix: Matrix, bound: str, minor: int) -> int:
    for n, tier in enumerate(matrix.tiers):
        up_to = getattr(tier, bound)
        if up_to is None or minor <= to_minor(up_to, matrix.control_currency):
            return n
    raise BadInput(f"no tier may approve {format_minor(minor, matrix.control_currency)}", expected="a last tier without bound")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """A person asking to decide, for himself or on behalf of a principal, on the packet with `digest`. `person_id` empty: unknown."""

    person_id: str
    digest: str
    on_behalf_of: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """All evidence about one proposal at one moment. Sums are integer minor units of `control_currency`; `today` is the company's day.

    `other_limits_minor` are the group's limits without this account, temporary and approved ones included; `other_increases_minor`
    its increases of the last 12 months without this proposal, automatic and approved ones included.
    """

    at: datetime
    today: date
    control_currency: str
    proposal: Proposal
    layer: str
    in_force: CreditLimit | None
    makers: frozenset[str]
    decisions: tuple[Decision, ...]
    persons: Mapping[str, Person]
    delegations: tuple[Delegation, ...]
    other_limits_minor: int
    other_increases_minor: int
    rates: RateTable = field(repr=False)
    policy_in_force: str
    authority_in_force: str
    asking: Asking | None = None

    @property
    def from_minor(self) -> int | None:
        """Amount in force, None when there is none."""
        return self.in_force.amount_minor if self.in_force else None

    @property
    def group_limit_minor(self) -> int:
        """The resulting limit plus all other limits of the group."""
        return self.other_limits_minor + self.converted(self.proposal.to_minor)

    @property
    def increases_12m_minor(self) -> int:
        """The group's increases over 12 months, this one included."""
        return self.other_increases_minor + self.converted(max(0, self.proposal.to_minor - (self.from_minor or 0)))

    @property
    def loosens(self) -> bool:
        """Whether amount, payment terms or end grow in any respect.

        Terms not on file count as none granted; a proposal that would drop terms on file leaves them to custom, which is looser.
        """
        new, now = self.proposal, self.in_force
        if now is None or now.amount_minor is None:
            return new.to_minor > 0 or (new.terms_days or 0) > 0
        dropped = new.terms_days is None and now.terms_days is not None
        longer_terms = dropped or (new.terms_days or 0) > (now.terms_days or 0)
        ends_later = now.effective_to is not None and (new.effective_to is None or new.effective_to > now.effective_to)
        return new.to_minor > now.amount_minor or longer_terms or (ends_later and new.to_minor > 0)

    @property
    def first_limit(self) -> bool:
        """Whether the customer has no limit on file (a limit of 0 is one)."""
        return self.from_minor is None and self.layer != Layer.TEMPORARY

    def converted(self, minor: int) -> int:
        """An amount of the account in control currency. Raises fx.MissingRate."""
        return self.rates.convert(minor, base=self.proposal.currency, quote=self.control_currency, on=self.today).minor


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
    NOT_APPROVED = "not_approved"
    APPROVER_INVALID = "approver_invalid"


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """The answer: allowed or the code and sentence of the refusal, what the proposal needs and has, and who else may decide.

    `on_behalf_of` is the principal in whose name the person would decide; `approvals_given` does not count the one being asked for.
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
        return _requirement(matrix, matrix.rank(proposal.tier), ("as_routed",))
    return need


def _beyond_first_limit(codes: str) -> bool:
    """Whether a proposal is exceptional for more than being a first limit, which `raise_tier.first_limit` speaks of by itself."""
    return any(code and code != FIRST_LIMIT for code in codes.split("|"))


def approvals(standing: Standing, matrix: Matrix, need: Requirement) -> tuple[Decision, ...]:
    """The approvals that count today: of this packet, by active people with the tier, none a maker, no person behind two of them."""
    counted: list[Decision] = []
    behind: set[str] = set()
    for decision in sorted(standing.decisions, key=lambda d: (d.at, d.approver_id)):
        people = _people(decision.approver_id, decision.on_behalf_of)
        valid = decision.verdict == Verdict.APPROVE and decision.digest == standing.proposal.digest
        if valid and not people & behind and _may(standing, matrix, need, decision.approver_id, decision.on_behalf_of):
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
    if code == Code.LACKS_TIER:
        text = f"{text}; {_names(standing, able)}"
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
    )


def recheck(standing: Standing, matrix: Matrix, now: datetime) -> Judgement:
    """Whether an approved proposal may be applied at `now`: not expired, and its approvals still count today.

    A proposal approved by rule passes without approvals only as the untouched output of a review, and never as a first limit.
    """
    need = requirement(standing, matrix)
    given = approvals(standing, matrix, need)
    code, text = Code.ALLOWED, ""
    if standing.proposal.state != ProposalState.APPROVED:
        code, text = Code.NOT_APPROVED, f"the proposal is {standing.proposal.state}, not approved"
    elif _expired(standing, now):
        code, text = Code.EXPIRED, _expiry(standing)
    elif not by_rule(standing) and len(given) < need.approvals:
        lost = sorted({d.approver_id for d in standing.decisions} - {d.approver_id for d in given})
        code = Code.APPROVER_INVALID
        text = f"{need.tier} asks for {need.approvals} approvals and {len(given)} count today"
        text += f"; no longer valid: {', '.join(lost)}" if lost else ""
    return Judgement(
        allowed=code == Code.ALLOWED,
        code=code,
        text=text,
        tier=need.tier,
        approvals_needed=need.approvals,
        approvals_given=len(given),
        because=need.because,
        who_may=_who_may(standing, matrix, need),
    )


def by_rule(standing: Standing) -> bool:
    """Whether the straight-through rule alone may carry the proposal: untouched, not exceptional, not a first limit."""
    proposal = standing.proposal
    untouched = proposal.proposer_id == SYSTEM and not standing.makers and not standing.decisions
    return bool(proposal.straight_through_rule) and untouched and not proposal.exceptional and standing.from_minor is not None


def _refusal(standing: Standing, matrix: Matrix, now: datetime, need: Requirement, principal: str | None) -> tuple[Code, str] | None:
    asking = standing.asking
    if asking is None:
        return Code.NOBODY, "nobody asks to decide"
    return (
        _person_refusal(standing, asking)
        or _proposal_refusal(standing, asking, now)
        or _maker_refusal(standing, asking)
        or _tier_refusal(standing, matrix, need, asking, principal)
    )


def _person_refusal(standing: Standing, asking: Asking) -> tuple[Code, str] | None:
    person = standing.persons.get(asking.person_id)
    if person is None:
        return Code.UNKNOWN_PERSON, "this account belongs to nobody in our directory; ask the risk team to add it"
    return None if person.active else (Code.INACTIVE, f"{person.name} is not active in our directory")


def _proposal_refusal(standing: Standing, asking: Asking, now: datetime) -> tuple[Code, str] | None:
    proposal = standing.proposal
    if proposal.state != ProposalState.PENDING:
        return Code.NOT_PENDING, f"the proposal is {proposal.state} and awaits no decision"
    if _expired(standing, now):
        return Code.EXPIRED, _expiry(standing)
    if asking.digest != proposal.digest:
        return Code.STALE, "the proposal changed after this card was shown; read the new card and decide on that"
    for kind, shown, current in (
        ("policy", proposal.policy_digest, standing.policy_in_force),
        ("authority matrix", proposal.authority_digest, standing.authority_in_force),
    ):
        if shown != current:
            return Code.CHANGED, f"the {kind} changed after this card was shown; a new card shows the difference"
    version = standing.in_force.version if standing.in_force else 0
    if version != proposal.base_version:
        return Code.BASE_CHANGED, f"the limit in force changed (version {proposal.base_version} became {version}) since it was proposed"
    return None


def _maker_refusal(standing: Standing, asking: Asking) -> tuple[Code, str] | None:
    if asking.person_id in _makers(standing):
        return Code.OWN_PROPOSAL, "you made or changed this proposal; somebody else decides it"
    if asking.on_behalf_of in _makers(standing):
        return Code.OWN_PROPOSAL, f"{_name(standing, asking.on_behalf_of)} made or changed this proposal; nobody decides it in that name"
    people = _people(asking.person_id, asking.on_behalf_of)
    if people & _spent(standing):
        return Code.ALREADY_DECIDED, "you, or the person you act for, have already decided this proposal; it needs someone else"
    return None


def _tier_refusal(standing: Standing, matrix: Matrix, need: Requirement, asking: Asking, principal: str | None) -> tuple[Code, str] | None:
    if asking.on_behalf_of is not None and not _delegated(standing, asking.on_behalf_of, asking.person_id):
        return Code.NOT_DELEGATE, f"{_name(standing, asking.on_behalf_of)} has not delegated to you for today"
    if _may(standing, matrix, need, asking.person_id, principal):
        return None
    if asking.on_behalf_of is None and len(choices := _principals(standing, matrix, need, asking.person_id)) > 1:
        names = " or ".join(_name(standing, p) for p in choices)
        return Code.CHOOSE_PRINCIPAL, f"say on whose behalf you decide: {names}"
    title = matrix.tiers[matrix.rank(need.tier)].name
    whose = "you lack" if asking.on_behalf_of is None else f"{_name(standing, asking.on_behalf_of)} lacks"
    return Code.LACKS_TIER, f"{whose} {need.tier} ({title})"


def _principal(standing: Standing, matrix: Matrix, need: Requirement) -> str | None:
    """In whose name the asking person decides: the one named, or the only one possible when his own authority is not enough."""
    asking = standing.asking
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
    """Whether a person, for himself or for a principal, is active, no maker, and backed by the tier today."""
    people = _people(person_id, principal)
    if people & _makers(standing) or not all(_active(standing, p) for p in people):
        return False
    if principal is not None and not _delegated(standing, principal, person_id):
        return False
    held = matrix.highest(principal or person_id, standing.today, standing.proposal.region)
    return held >= matrix.rank(need.tier)


def _who_may(standing: Standing, matrix: Matrix, need: Requirement) -> tuple[str, ...]:
    """Holders, then delegates, who could decide now, each once."""
    spent = _spent(standing)
    direct = [h.person for h in matrix.holders if h.person not in spent and _may(standing, matrix, need, h.person, None)]
    through = [
        d.delegate_id
        for d in standing.delegations
        if not {d.delegate_id, d.principal_id} & spent and _may(standing, matrix, need, d.delegate_id, d.principal_id)
    ]
    return tuple(dict.fromkeys([*direct, *through]))


def _expired(standing: Standing, now: datetime) -> bool:
    proposal = standing.proposal
    late = proposal.expires_at is not None and now >= proposal.expires_at
    return late or (proposal.effective_to is not None and proposal.effective_to <= standing.today)


def _expiry(standing: Standing) -> str:
    proposal = standing.proposal
    if proposal.effective_to is not None and proposal.effective_to <= standing.today:
        return f"the limit it asks for would have ended on {proposal.effective_to}"
    return f"the proposal expired at {proposal.expires_at:%Y-%m-%d %H:%M %Z}"


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


def _names(standing: Standing, able: tuple[str, ...]) -> str:
    if not able:
        return "nobody else can either: ask the risk team to name a holder or a delegate"
    shown = [_name(standing, p) for p in able[:_SHOWN_NAMES]]
    more = f" or {len(able) - _SHOWN_NAMES} more" if len(able) > _SHOWN_NAMES else ""
    return f"{' or '.join(shown)}{more} can"
