"""The authority matrix: who holds which tier, what each tier may approve, and which tier a sum asks for. Amounts: control currency."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import date
from itertools import combinations
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from credit_review.authority.committee import Committee, Member
from credit_review.authority.committee_faults import committee_faults, quorum_faults
from credit_review.documents import ONE_A_LINE, Document, check, where
from credit_review.errors import BadInput
from credit_review.model.money import MAX_MINOR, exponent, format_minor, to_minor
from credit_review.model.states import Assurance
from credit_review.words import Said, listed, marked, said

Amount = Annotated[int, Field(strict=True, ge=0, le=MAX_MINOR)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Tier(_Part):
    """One step of authority. Bounds are whole major units of the control currency, inclusive; None is without bound.

    A `committee` decides in place of `approvers` holders, and then `approvers` is the least number of its votes in favour.
    """

    tier: Annotated[str, Field(min_length=1)]
    name: Annotated[str, Field(min_length=1)]
    group_limit_up_to: Amount | None
    increases_12m_up_to: Amount | None
    approvers: Annotated[int, Field(strict=True, ge=1, le=10)]
    committee: str | None = None


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


class StepUp(_Part):
    """From which tier on a click is not enough: typed amount and reason in Slack, or outside Slack altogether. None: never."""

    typed_amount: str | None = None
    outside: str | None = None


class Offices(_Part):
    """Who watches over approvals without giving them: people by office. An administrator of database or software approves nothing.

    `model_validators` answer validation reports of models; where it names nobody, whoever did not make the model may.
    """

    control_owner: tuple[str, ...] = ()
    internal_audit: tuple[str, ...] = ()
    administrators: tuple[str, ...] = ()
    model_validators: tuple[str, ...] = ()


class Emergency(_Part):
    """Who may raise a limit at once and have it approved afterwards: people named, and holders of a tier or a higher one.

    `cap` is the largest increase over the limit in force (whole major units of the control currency), `days` how many calendar days the
    limit lasts at most, `approve_within_working_days` how many of the company's days the approval may take.
    """

    people: tuple[str, ...] = ()
    tier: str | None = None
    cap: Annotated[int, Field(strict=True, ge=1, le=MAX_MINOR)]
    days: Annotated[int, Field(strict=True, ge=1, le=92)]
    approve_within_working_days: Annotated[int, Field(strict=True, ge=1, le=10)] = 2


class Matrix(_Part):
    """The authority matrix as adopted. Take it from `load`, which refuses one that could leave an amount without approvers.

    From the tier `rehearsal_from` on, authority needs a current pass of a rehearsal; None: never.
    """

    version: Annotated[str, Field(min_length=1)]
    control_currency: str
    tiers: tuple[Tier, ...]
    raise_tier: RaiseTier
    reduction_tier: str
    holders: tuple[Holder, ...]
    sign_off: SignOff = SignOff()
    step_up: StepUp = StepUp()
    offices: Offices = Offices()
    emergency: Emergency | None = None
    rehearsal_from: str | None = None
    committees: tuple[Committee, ...] = ()

    def rank(self, tier: str) -> int:
        """Position of a tier, 0 the lowest; -1 for a name the matrix does not have."""
        return next((n for n, one in enumerate(self.tiers) if one.tier == tier), -1)

    def assurance(self, tier: str) -> Assurance:
        """How sure of the person an approval of this tier must be."""
        for named, asked in ((self.step_up.outside, Assurance.SIGNED_IN), (self.step_up.typed_amount, Assurance.TYPED)):
            if named is not None and self.rank(tier) >= self.rank(named):
                return asked
        return Assurance.CLICK

    def needs_pass(self, tier: str) -> bool:
        """Whether authority of this tier needs a current pass of a rehearsal."""
        return self.rehearsal_from is not None and self.rank(tier) >= self.rank(self.rehearsal_from)

    def highest(self, person_id: str, day: date, region: str) -> int:
        """Rank of the highest tier a person holds on a day for a region; -1 when none."""
        held = (self.rank(h.tier) for h in self.holders if h.person == person_id and h.on(day) and h.covers(region))
        return max(held, default=-1)

    def committee(self, name: str | None) -> Committee | None:
        """The committee of this name; None for a name that the matrix does not have."""
        return next((one for one in self.committees if one.committee == name), None)

    def able(self, rank: int, day: date, region: str) -> frozenset[str]:
        """Who may approve the tier at `rank` on a day for a region: holders of it or a higher one, or the committee that decides it."""
        if (committee := self.committee(self.tiers[rank].committee)) is not None:
            return frozenset(committee.on(day))
        return frozenset(h.person for h in self.holders if self.highest(h.person, day, region) >= rank)


def load(document: Document) -> Matrix:
    """The matrix in a governed document. Raises BadInput with file and line for every fault of form or of sense (`faults`)."""
    matrix = check(document, Matrix)
    found = [said("{where}: {fault}", where=where(document, path), fault=text) for path, text in faults(matrix)]
    if found:
        raise BadInput(
            listed(list(found), by=ONE_A_LINE),
            expected=said("a matrix in which every amount always has enough approvers"),
            next_step=said("correct the file"),
        )
    return matrix


def faults(matrix: Matrix) -> list[tuple[tuple[str | int, ...], str]]:
    """What is wrong with a well-formed matrix, as (path in the document, sentence); empty when it is sound."""
    found = [
        *_currency_faults(matrix), *_tier_faults(matrix), *_name_faults(matrix), *_holder_faults(matrix), *committee_faults(matrix)
    ]  # fmt: skip
    return found or [*_staffing_faults(matrix), *_emergency_faults(matrix)]


_Fault = tuple[tuple[str | int, ...], str]


def _currency_faults(matrix: Matrix) -> Iterator[_Fault]:
    try:
        exponent(matrix.control_currency)
    except BadInput as error:
        yield ("control_currency",), error.what


def _tier_faults(matrix: Matrix) -> Iterator[_Fault]:
    names = [t.tier for t in matrix.tiers]
    if not names:
        yield ("tiers",), said("no tiers; expected at least one")
        return
    for n, name in enumerate(names):
        if name in names[:n]:
            yield ("tiers", n, "tier"), said("tier {name} stands twice", name=name)
    for n in range(1, len(names)):
        yield from _order_faults(matrix, n)
    last = matrix.tiers[-1]
    if last.group_limit_up_to is not None or last.increases_12m_up_to is not None:
        yield (
            ("tiers", len(names) - 1),
            said("{tier} is the last tier and has a bound: amounts above it have no approver; expected null for both", tier=last.tier),
        )


def _order_faults(matrix: Matrix, n: int) -> Iterator[_Fault]:
    lower, upper = matrix.tiers[n - 1], matrix.tiers[n]
    grows = False
    for name in ("group_limit_up_to", "increases_12m_up_to"):
        low, high = getattr(lower, name), getattr(upper, name)
        if (low is None and high is not None) or (low is not None and high is not None and high < low):
            yield (
                ("tiers", n, name),
                said(
                    "{tier} comes after {tier2} and its bound is lower; expected tiers in order of authority",
                    tier=upper.tier,
                    tier2=lower.tier,
                ),
            )
            return
        grows = grows or low != high
    if not grows:
        yield (
            ("tiers", n),
            said("{tier} has the bounds of {tier2} and would never be asked; expected a higher bound", tier=upper.tier, tier2=lower.tier),
        )


def _name_faults(matrix: Matrix) -> Iterator[_Fault]:
    raised = matrix.raise_tier
    named: list[tuple[tuple[str | int, ...], str]] = [
        (("reduction_tier",), matrix.reduction_tier),
        (("raise_tier", "exceptions"), raised.exceptions),
        (("raise_tier", "first_limit"), raised.first_limit),
        *((("raise_tier", "grades", grade), tier) for grade, tier in raised.grades.items()),
        *((("sign_off", act), tier) for act, tier in matrix.sign_off if tier is not None),
        *((("step_up", act), tier) for act, tier in matrix.step_up if tier is not None),
        *((("rehearsal_from",), tier) for tier in (matrix.rehearsal_from,) if tier is not None),
        *((("emergency", "tier"), e.tier) for e in (matrix.emergency,) if e is not None and e.tier is not None),
        *((("holders", n, "tier"), h.tier) for n, h in enumerate(matrix.holders)),
    ]
    known = ", ".join(t.tier for t in matrix.tiers)
    for path, tier in named:
        if matrix.rank(tier) < 0:
            yield path, said("unknown tier {tier}; expected one of {known}", tier=repr(tier), known=known)
    typed, outside = matrix.step_up.typed_amount, matrix.step_up.outside
    if typed is not None and outside is not None and matrix.rank(outside) <= matrix.rank(typed):
        yield (
            ("step_up", "typed_amount"),
            said("can never be asked: {outside} and all above it are decided outside; expected a lower tier", outside=outside),
        )


def _holder_faults(matrix: Matrix) -> Iterator[_Fault]:
    for n, holder in enumerate(matrix.holders):
        if holder.until is not None and holder.until <= holder.since:
            yield (
                ("holders", n, "until"),
                said(
                    "{person} holds {tier} until {until}, not after {since}",
                    person=holder.person,
                    tier=holder.tier,
                    until=holder.until,
                    since=holder.since,
                ),
            )
    for (_, one), (n, other) in combinations(enumerate(matrix.holders), 2):
        same = one.person == other.person and one.tier == other.tier
        shared = not one.regions or not other.regions or set(one.regions) & set(other.regions)
        if same and shared and _overlap(one, other):
            yield (
                ("holders", n),
                said(
                    "{person} holds {tier} twice on the same days; expected intervals that do not overlap",
                    person=other.person,
                    tier=other.tier,
                ),
            )


def _overlap(one: Holder, other: Holder) -> bool:
    return (one.until is None or other.since < one.until) and (other.until is None or one.since < other.until)


def _staffing_faults(matrix: Matrix) -> Iterator[_Fault]:
    """Once every tier has its approvers, no later day may lack them; before the first such day and after the last holder's end
    the matrix gives no authority at all, which is a fact about those days and not a fault."""
    terms: list[Holder | Member] = [*matrix.holders, *(member for committee in matrix.committees for member in committee.members)]
    days = sorted({one.since for one in terms} | {one.until for one in terms if one.until})
    ends = max(days) if terms and all(one.until for one in terms) else None
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
    yield from quorum_faults(matrix, day)
    people = {h.person for h in matrix.holders}
    for region in regions:
        ranks = [matrix.highest(p, day, region) for p in people]
        for n, tier in enumerate(matrix.tiers):
            able = sum(rank >= n for rank in ranks) if tier.committee is None else tier.approvers
            if able < tier.approvers:
                about = {"tier": tier.tier, "approvers": tier.approvers, "day": day, "able": able}
                short = said("{tier} asks for {approvers} approvers and from {day} only {able} may approve it", **about)
                yield ("tiers", n, "approvers"), _short_where(short, region, named=len(regions) > 1)


def _short_where(short: Said, region: str, *, named: bool) -> Said:
    """The fault with the customers it is about; `named`: the matrix knows regions."""
    if region:
        return said("{short} for region {region}", short=short, region=region)
    return said("{short} for customers of no named region", short=short) if named else short


def _emergency_faults(matrix: Matrix) -> Iterator[_Fault]:
    """A way out of the ordinary that nobody may go, that ends before it could be approved, or that nobody could approve."""
    rule = matrix.emergency
    if rule is None:
        return
    if not rule.people and rule.tier is None:
        yield ("emergency",), said("nobody may do it; expected people, a tier, or no emergency section")
    shortest = _days_of(rule.approve_within_working_days) + 1
    if rule.days < shortest:
        early = marked("a limit of {days} days could end before its approval is due; expected at least {least}")
        yield ("emergency", "days"), said(early, days=rule.days, least=shortest)
    cap = to_minor(rule.cap, matrix.control_currency)
    tier = matrix.tiers[_first_within(matrix, "group_limit_up_to", cap)]
    holders = {h.person for h in matrix.holders if matrix.rank(h.tier) >= matrix.rank(tier.tier)}
    if (committee := matrix.committee(tier.committee)) is not None:
        holders = {member.person for member in committee.members}
    for n, person in enumerate(rule.people):
        able = len(holders - {person})
        if able < tier.approvers:
            about = {"person": person, "able": able, "tier": tier.tier, "approvers": tier.approvers}
            text = said("what {person} does could not be approved: {able} others hold {tier}, which asks for {approvers}", **about)
            yield ("emergency", "people", n), text


def _days_of(working_days: int) -> int:
    """Calendar days that so many working days take with the weekends between them."""
    return working_days + 2 * (-(-working_days // 5))


@dataclass(frozen=True, slots=True)
class Requirement:
    """What a proposal needs: a tier, how many distinct approvals, the rules that led there, and the `committee` that decides, if any."""

    tier: str
    approvals: int
    because: tuple[str, ...]
    committee: str = ""


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
        return at_tier(matrix, matrix.rank(matrix.reduction_tier), ("reduction",))
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
    return at_tier(matrix, rank, tuple(rule for rule, one in asked.items() if one == rank))


def at_tier(matrix: Matrix, rank: int, because: tuple[str, ...]) -> Requirement:
    """The requirement of the tier at `rank`."""
    tier = matrix.tiers[rank]
    return Requirement(tier.tier, tier.approvers, because, tier.committee or "")


def signing_tier(matrix: Matrix, named: str | None) -> Tier:
    """The tier that a signature needs: the one `sign_off` names, else the lowest."""
    return matrix.tiers[max(0, matrix.rank(named or ""))]


def tier_of_risk(matrix: Matrix, minor: int) -> Tier:
    """The tier that may keep a risk of `minor` (control currency, minor units): the one whose group limit reaches that far."""
    return matrix.tiers[_first_within(matrix, "group_limit_up_to", minor)]


def signers(matrix: Matrix, tier: Tier, day: date, *, region: str = "", but: Collection[str] = ()) -> tuple[str, ...]:
    """Who may sign on a day: holders of the tier or a higher one, each once, without `but`. A signature is personal: no delegates.

    Where a committee decides the tier and nobody holds it, its chair and deputy sign.
    """
    able = [h.person for h in matrix.holders if matrix.highest(h.person, day, region) >= matrix.rank(tier.tier)]
    if not able and (committee := matrix.committee(tier.committee)) is not None:
        able = [person for person in committee.chairs if person in committee.on(day)]
    return tuple(dict.fromkeys(p for p in able if p not in but))


def _first_within(matrix: Matrix, bound: str, minor: int) -> int:
    for n, tier in enumerate(matrix.tiers):
        up_to = getattr(tier, bound)
        if up_to is None or minor <= to_minor(up_to, matrix.control_currency):
            return n
    raise BadInput(
        said("no tier may approve {minor}", minor=format_minor(minor, matrix.control_currency)), expected=said("a last tier without bound")
    )
