"""Gathers, from the store, all evidence about a proposal at one moment, so that a pure function can judge it.

A group's limits are those of its base and temporary accounts (the other layers are facts about limits, not room to sell), each at
what is in force today or already decided for later, whichever is more; an approved increase counts before it is applied. Amounts are
added in control currency, each converted once at the newest rate on or before the day.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, tzinfo
from functools import lru_cache

from credit_review.authority import Asking, Matrix, Standing, load
from credit_review.documents import parse
from credit_review.errors import CreditReviewError, Refused
from credit_review.fx import MissingRate, RateTable
from credit_review.limits.layers import in_force_on
from credit_review.model.records import (
    Absence,
    ConflictOfInterest,
    CreditLimit,
    Decision,
    Delegation,
    GovernedDocument,
    GroupMembership,
    LimitAccount,
    LimitChange,
    Maker,
    Person,
    Proposal,
    Rate,
)
from credit_review.model.states import ChangeKind, DocumentOfRecord, Layer, ProposalState
from credit_review.policy import Policy
from credit_review.policy import load as load_policy
from credit_review.ports import UnitOfWork
from credit_review.review.governed import in_force
from credit_review.review.passes import Passes
from credit_review.words import said

ADDED_UP = (Layer.BASE, Layer.TEMPORARY)
"""Layers whose limits count towards what a group may owe us."""
_SUBJECTS = ("customer", "group")  # named in queries because the index on accounts begins with them
RATE_AGE_DAYS = 130
"""Oldest rate authority is reckoned with: rates come with each quarterly review, and a proposal may wait a month for its decision."""


def gather(
    uow: UnitOfWork, proposal_id: str, matrix: Matrix, now: datetime, *, zone: tzinfo = UTC, asking: Asking | None = None
) -> Standing:
    """The standing of one proposal at `now`; `zone` is the company's time zone, by which `today` is reckoned.

    Raises Refused `unknown_proposal`, or `no_rate` naming the currencies when a limit of the group cannot be converted.
    """
    proposal = uow.get(Proposal, proposal_id=proposal_id)
    if proposal is None:
        raise Refused(
            "unknown_proposal",
            said("there is no proposal {proposal_id}", proposal_id=proposal_id),
            next_step=said("credit-review inbox lists what awaits you"),
        )
    also = () if asking is None else (asking.person_id, asking.on_behalf_of or "")
    standing = gather_many(uow, [proposal], matrix, now, zone=zone, people=also)[proposal_id]
    return replace(standing, asking=asking)


def gather_many(
    uow: UnitOfWork, proposals: Sequence[Proposal], matrix: Matrix, now: datetime, *, zone: tzinfo = UTC, people: Collection[str] = ()
) -> dict[str, Standing]:
    """Standings of many proposals (a few hundred) by proposal id, with a fixed number of queries. Raises Refused `no_rate`."""
    today = now.astimezone(zone).date()
    ids = [p.proposal_id for p in proposals]
    groups = _Groups.read(uow, proposals, today, now)
    book = _Book.read(uow, proposals, groups, matrix.control_currency, now, today=today, zone=zone)
    makers, decisions = uow.find(Maker, proposal_id=ids), uow.find(Decision, proposal_id=ids)
    delegations = tuple(uow.facts(Delegation, valid_at=today, known_at=now))
    named = {p for d in delegations for p in (d.principal_id, d.delegate_id)} | {h.person for h in matrix.holders}
    named |= {member.person for committee in matrix.committees for member in committee.members}
    persons = _persons(uow, {*named, *people, *(d.approver_id for d in decisions)}, today, now)
    conflicts = uow.facts(ConflictOfInterest, valid_at=today, known_at=now, customer_id=sorted({p.customer_id for p in proposals}))
    absent = frozenset(a.person_id for a in uow.facts(Absence, valid_at=today, known_at=now))
    passes = Passes.read(uow, now) if matrix.rehearsal_from is not None else Passes()
    policy, authority = (in_force(uow, kind, now) for kind in (DocumentOfRecord.POLICY, DocumentOfRecord.AUTHORITY))
    return {
        p.proposal_id: Standing(
            at=now,
            today=today,
            control_currency=matrix.control_currency,
            proposal=p,
            layer=book.accounts[p.account_id].layer,
            in_force=book.starts_from(p),
            makers=frozenset(m.person_id for m in makers if m.proposal_id == p.proposal_id),
            decisions=tuple(d for d in decisions if d.proposal_id == p.proposal_id),
            persons=persons,
            delegations=delegations,
            other_limits_minor=book.other_limits(p, groups.members[p.proposal_id]),
            other_increases_minor=book.other_increases(p, groups.members[p.proposal_id]),
            rates=book.rates,
            policy_in_force=policy.digest if policy else "",
            authority_in_force=authority.digest if authority else "",
            conflicted=frozenset(c.person_id for c in conflicts if c.customer_id == p.customer_id),
            absent=absent,
            passed=passes.holding(today),
            passed_then=passes.then([d for d in decisions if d.proposal_id == p.proposal_id], zone),
        )
        for p in proposals
    }


def matrix_in_force(uow: UnitOfWork, now: datetime) -> Matrix:
    """The authority matrix adopted last by `now`. Raises Refused `no_authority` when none is: then nobody may approve anything."""
    document = in_force(uow, DocumentOfRecord.AUTHORITY, now)
    if document is None:
        raise Refused(
            "no_authority", said("no authority matrix is in force"), next_step=said("two people run `credit-review adopt authority.yaml`")
        )
    return _matrix(document.content, document.name)


def policy_in_force(uow: UnitOfWork, now: datetime) -> Policy:
    """The policy adopted last by `now`. Raises Refused `no_policy` when none is."""
    document = in_force(uow, DocumentOfRecord.POLICY, now)
    if document is None:
        raise Refused("no_policy", said("no policy is in force"), next_step=said("two people run `credit-review adopt policy.yaml`"))
    return _policy(document.content, document.name)


def policy_of(uow: UnitOfWork, digest: str) -> Policy | None:
    """The policy on record by its digest, such as that a proposal was made by; None where it is not, or cannot be read any more."""
    document = uow.get(GovernedDocument, digest=digest)
    try:
        return None if document is None else _policy(document.content, document.name)
    except CreditReviewError:
        return None


@lru_cache(maxsize=8)
def _policy(content: str, name: str) -> Policy:
    return load_policy(parse(content, name=name))


@lru_cache(maxsize=8)
def _matrix(content: str, name: str) -> Matrix:
    return load(parse(content, name=name))


def lock_group(uow: UnitOfWork, proposal: Proposal, now: datetime, *, zone: tzinfo = UTC) -> Proposal:
    """The proposal, locked after the accounts of its group in id order, so that two decisions of one group see each other."""
    groups = _Groups.read(uow, [proposal], now.astimezone(zone).date(), now)
    subjects = sorted(groups.members[proposal.proposal_id])
    uow.find(LimitAccount, subject_kind=_SUBJECTS, subject_id=subjects, layer=ADDED_UP, order_by=("account_id",), lock=True)
    locked = uow.get(Proposal, proposal_id=proposal.proposal_id, lock=True)
    assert locked is not None  # noqa: S101  proposals are never deleted
    return locked


def _persons(uow: UnitOfWork, ids: Collection[str], today: date, now: datetime) -> dict[str, Person]:
    found = uow.facts(Person, valid_at=today, known_at=now, person_id=sorted(i for i in ids if i))
    return {p.person_id: p for p in found}


@dataclass(frozen=True, slots=True)
class _Groups:
    """Customer and group ids whose accounts count together with each proposal's, by proposal id."""

    members: Mapping[str, frozenset[str]]

    @classmethod
    def read(cls, uow: UnitOfWork, proposals: Sequence[Proposal], today: date, now: datetime) -> _Groups:
        """Memberships valid today as known now; where none is on record, the group that the proposal states."""
        found = members_of(uow, {p.proposal_id: (p.customer_id, p.group_id) for p in proposals}, today, now)
        return cls({key: members for key, (_, members) in found.items()})


def members_of(
    uow: UnitOfWork, customers: Mapping[str, tuple[str, str]], today: date, now: datetime
) -> dict[str, tuple[str, frozenset[str]]]:
    """By key (customer and the group it is said to belong to): the group, and the ids whose accounts count together, the group's own
    among them. Memberships are those valid on the day as known now; where none is on record, what is said."""
    ids = sorted({customer for customer, _ in customers.values()})
    stated = {m.customer_id: m.group_id for m in uow.facts(GroupMembership, valid_at=today, known_at=now, customer_id=ids)}
    group_of = {key: stated.get(customer, group or customer) for key, (customer, group) in customers.items()}
    groups = sorted(set(group_of.values()))
    # Membership is asked by customer, whose newest row counts: by group, a customer who has left would still be found in it.
    ever = sorted({m.customer_id for m in uow.find(GroupMembership, group_id=groups)} | set(groups))
    current = {m.customer_id: m.group_id for m in uow.facts(GroupMembership, valid_at=today, known_at=now, customer_id=ever)}
    inside: dict[str, set[str]] = {g: set() if current.get(g, g) != g else {g} for g in groups}
    for customer, group in current.items():
        if group in inside:
            inside[group].add(customer)
    return {key: (group_of[key], frozenset(inside[group_of[key]] | {customers[key][0]})) for key in customers}


@dataclass(frozen=True, slots=True)
class _Book:
    """Accounts, limits and changes around some proposals, and the rates to add them up with."""

    accounts: Mapping[str, LimitAccount]
    by_subject: Mapping[str, Sequence[LimitAccount]]
    limits: Mapping[str, CreditLimit]
    changes: Mapping[str, Sequence[LimitChange]]
    approved: Mapping[str, Proposal]
    decided_at: Mapping[str, datetime]
    rates: RateTable
    control: str
    today: date
    zone: tzinfo

    @classmethod
    def read(
        cls, uow: UnitOfWork, proposals: Sequence[Proposal], groups: _Groups, control: str, now: datetime, *, today: date, zone: tzinfo
    ) -> _Book:
        """Everything about the groups' accounts, in a fixed number of queries. Missing rates are told when something is converted."""
        subjects = sorted({s for members in groups.members.values() for s in members})
        accounts = {a.account_id: a for a in uow.find(LimitAccount, subject_kind=_SUBJECTS, subject_id=subjects, layer=ADDED_UP)}
        own = sorted({p.account_id for p in proposals} - set(accounts))
        accounts |= {a.account_id: a for a in uow.find(LimitAccount, account_id=own)} if own else {}
        ids = sorted(accounts)
        changes: dict[str, list[LimitChange]] = {i: [] for i in ids}
        for change in uow.find(LimitChange, account_id=ids, order_by=("account_id", "version")):
            changes[change.account_id].append(change)
        approved = {p.account_id: p for p in uow.find(Proposal, account_id=ids, state=ProposalState.APPROVED)}
        return cls(
            accounts=accounts,
            by_subject=_by_subject(accounts.values()),
            limits={limit.account_id: limit for limit in uow.find(CreditLimit, account_id=ids)},
            changes=changes,
            approved=approved,
            decided_at=_decided_at(uow, proposals, [c for some in changes.values() for c in some], approved),
            rates=rates_to(uow, {a.currency for a in accounts.values()} - {control}, control, today, now),
            control=control,
            today=today,
            zone=zone,
        )

    def starts_from(self, proposal: Proposal) -> CreditLimit | None:
        """The limit in force; for one that was put in force before it is approved, the one before it."""
        own = next((c for c in self.changes[proposal.account_id] if c.proposal_id == proposal.proposal_id), None)
        if own is None or proposal.state == ProposalState.APPLIED:
            return self.limits.get(proposal.account_id)
        before = next((c for c in self.changes[proposal.account_id] if c.version == own.version - 1), None)
        if before is None:
            return None
        return CreditLimit(
            account_id=before.account_id,
            version=before.version,
            amount_minor=before.new_minor,
            terms_days=before.new_terms_days,
            effective_from=before.effective_from,
            effective_to=before.effective_to,
        )

    def other_limits(self, proposal: Proposal, members: frozenset[str]) -> int:
        """What the group's other accounts may owe, in control currency; nothing beside a bound, which grants nobody anything and of which
        a group's own is all that the group may owe."""
        total = 0
        if self.accounts[proposal.account_id].layer not in ADDED_UP:
            return total
        for account in self._of(members):
            if account.account_id != proposal.account_id:
                total += self._converted(self._committed(account.account_id, _cutoff(proposal)), account.currency)
        return total

    def other_increases(self, proposal: Proposal, members: frozenset[str]) -> int:
        """What was added to the group's limits in 12 months without this proposal, in control currency."""
        since, cutoff, total = _year_before(self.today), _cutoff(proposal), 0
        for account in self._of(members):
            for change in self.changes[account.account_id]:
                recent = change.kind == ChangeKind.DECISION and change.applied_at.astimezone(self.zone).date() >= since
                if recent and change.proposal_id != proposal.proposal_id and self._counts(change.proposal_id, cutoff):
                    total += self._converted(max(0, (change.new_minor or 0) - (change.old_minor or 0)), account.currency)
            waiting = self.approved.get(account.account_id)
            if waiting and waiting.proposal_id != proposal.proposal_id and self._counts(waiting.proposal_id, cutoff):
                total += self._converted(max(0, waiting.to_minor - (waiting.from_minor or 0)), account.currency)
        return total

    def _of(self, members: frozenset[str]) -> list[LimitAccount]:
        return [a for member in sorted(members) for a in self.by_subject.get(member, ()) if a.layer in ADDED_UP]

    def _committed(self, account_id: str, cutoff: datetime | None) -> int:
        counted = [c for c in self.changes[account_id] if self._counts(c.proposal_id, cutoff)]
        now = in_force_on(counted, self.today)
        amounts = [now.new_minor if now else 0, *(c.new_minor for c in counted if c.effective_from > self.today)]
        waiting = self.approved.get(account_id)
        if waiting and self._counts(waiting.proposal_id, cutoff):
            amounts.append(waiting.to_minor)
        return max(a or 0 for a in amounts)

    def _counts(self, proposal_id: str | None, cutoff: datetime | None) -> bool:
        """Whether a change counts beside a proposal approved at `cutoff`: one decided later was itself judged with that proposal
        counted, so counting it here as well would revoke what was rightly approved."""
        if cutoff is None or proposal_id is None:
            return True
        decided = self.decided_at.get(proposal_id)
        return decided is None or decided < cutoff

    def _converted(self, minor: int, currency: str) -> int:
        if minor == 0:
            return 0
        try:
            return self.rates.convert(minor, base=currency, quote=self.control, on=self.today).minor
        except MissingRate as error:
            raise no_rate(error) from None


def _by_subject(accounts: Iterable[LimitAccount]) -> dict[str, list[LimitAccount]]:
    found: dict[str, list[LimitAccount]] = {}
    for account in accounts:
        found.setdefault(account.subject_id, []).append(account)
    return found


def no_rate(error: MissingRate) -> Refused:
    """The refusal that stands in for an authority nobody could check."""
    next_step = "add the rate to the rates file of the mapping and run the next review, or ask for a request"
    return Refused("no_rate", error.what, expected=error.expected, next_step=next_step)


def _cutoff(proposal: Proposal) -> datetime | None:
    return proposal.decided_at if proposal.state == ProposalState.APPROVED else None


def _decided_at(
    uow: UnitOfWork, proposals: Sequence[Proposal], changes: Sequence[LimitChange], approved: Mapping[str, Proposal]
) -> dict[str, datetime]:
    """When other proposals were decided, read only where an approved proposal is to be judged beside them."""
    first = min((c for p in proposals if (c := _cutoff(p)) is not None), default=None)
    if first is None:
        return {}
    later = sorted({c.proposal_id for c in changes if c.proposal_id and c.applied_at >= first})
    found = [*(uow.find(Proposal, proposal_id=later) if later else []), *approved.values()]
    return {p.proposal_id: p.decided_at for p in found if p.decided_at is not None}


def rates_to(uow: UnitOfWork, currencies: Collection[str], control: str, today: date, now: datetime) -> RateTable:
    """The rates on record of some currencies to another, as authority is reckoned with today."""
    if not currencies:
        return RateTable({})
    policy = in_force(uow, DocumentOfRecord.POLICY, now)
    over = () if policy is None else _policy(policy.content, policy.name).rates.over
    codes = sorted({*currencies, control, *over})
    rows = uow.facts(Rate, valid_at=today, known_at=now, base=codes, quote=codes)
    found = ((r.valid_from, r.base, r.quote, r.rate, r.source) for r in rows if {control, *over} & {r.base, r.quote})
    return RateTable.from_rows(found, max_age_days=RATE_AGE_DAYS, over=over)


def _year_before(day: date) -> date:
    leap_day = day.month == 2 and day.day == 29
    return day.replace(year=day.year - 1, day=28 if leap_day else day.day)
