"""Stores the proposals of a review: what the engine proposes becomes a record that people release, decide and apply.

A packet is everything an approver is shown, as canonical JSON; its SHA-256 is what he signs. It may carry the customer's name; audit
entries carry ids, amounts and digests only. Ids follow from review and account, so a batch that runs again finds what it stored.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from itertools import islice
from types import MappingProxyType
from typing import Any

from credit_review.audit import Action, canonical
from credit_review.errors import BadInput, ReviewStopped
from credit_review.model.records import CreditLimit, LimitAccount, Proposal, Review
from credit_review.model.states import OPEN_PROPOSAL_STATES, Direction, Layer, ProposalState, ReviewState
from credit_review.ports import Clock, Entry, Store, UnitOfWork
from credit_review.review.ending import created_data
from credit_review.review.lifecycle import AT_ONCE, BATCH, require_state, review_of, supersede_proposals
from credit_review.review.manifest import Manifest, digest_of, from_json
from credit_review.review.naming import SYSTEM, account_id, actor, proposal_id
from credit_review.words import packed, said

PACKET_VERSION = 1
ERP_DIFFERENCE = "erp_difference"
"""Exception: the ledger showed another limit than the one in force here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposalDraft:
    """What the engine, or a person's request, proposes for one account. Amounts are minor units of `currency`, terms net days.

    `terms_days` None keeps the terms as they are. `pd` is a decimal string. `derivation` is the way to the figure, as (label, figure).
    `notice_working_days` is policy's notice for a reduction of this customer, which holds whatever the figures become. `substitutes` says
    which inputs the engine missed (`limits.substitute`), so that people can be told which documents would help.
    `facts` are further figures for the card (`tasks.figures.facts_beside`), `account_owner` is the sales owner as the ledger names him.
    `account_id` is the limit account it is for, worked out once because bulk steps ask for it often.
    """

    customer_id: str
    customer_name: str
    group_id: str
    currency: str
    direction: str
    from_minor: int | None
    to_minor: int
    from_terms_days: int | None
    terms_days: int | None
    effective_from: date
    effective_to: date | None = None
    notice_working_days: int = 0
    legal_entity: str = "ALL"
    layer: str = Layer.BASE
    region: str = ""
    portfolio: str = ""
    status: str = ""
    grade: str = ""
    points: int | None = None
    pd: str = ""
    reasons: tuple[str, ...] = ()
    exposure_minor: int = 0
    own_risk_minor: int = 0
    overdue_minor: int = 0
    blocked_orders_minor: int | None = None
    over_limit_minor: int | None = None
    derivation: tuple[tuple[str, str], ...] = ()
    exceptional: tuple[str, ...] = ()
    substitutes: tuple[str, ...] = ()
    straight_through_rule: str = ""
    request: Mapping[str, Any] | None = None
    account_owner: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)
    account_id: str = field(init=False)

    def __post_init__(self) -> None:
        account = account_id(*self.subject, self.legal_entity, self.layer, self.currency)
        object.__setattr__(self, "account_id", account)

    @property
    def subject(self) -> tuple[str, str]:
        """Whose limit it is, kind and id: a group limit is the group's, a shared pool; every other one the customer's."""
        return ("group", self.group_id or self.customer_id) if self.layer == Layer.GROUP else ("customer", self.customer_id)


@dataclass(frozen=True, slots=True)
class Stored:
    """What became of drafts, as counts and ids: stored now, there already, without a change, and left to a newer review.

    `yielded` is customer id and the newer review, for each draft that was left.
    """

    stored: tuple[str, ...] = ()
    existing: int = 0
    unchanged: int = 0
    yielded: tuple[tuple[str, str], ...] = ()

    def __add__(self, other: Stored) -> Stored:
        return Stored(
            self.stored + other.stored, self.existing + other.existing, self.unchanged + other.unchanged, self.yielded + other.yielded
        )


def store_proposals(
    uow: UnitOfWork,
    review_id: str,
    drafts: Sequence[ProposalDraft],
    now: datetime,
    *,
    by: str = SYSTEM,
    reviewed_since: Mapping[str, str] = MappingProxyType({}),
) -> Stored:
    """What became of up to 500 drafts of a scored review, each stored one in state draft with its entry; the caller commits.

    An older review's open proposal of the account is superseded; a newer review's stays, and the draft is left, as is that of a
    customer in `reviewed_since` (its newer review by customer id): what was found on newer data is not undone on older. What is in
    force here counts as the present limit: where the draft says otherwise, the proposal becomes exceptional (`erp_difference`).
    Raises ReviewStopped when a stored proposal of this review had another engine figure.
    """
    if len(drafts) > BATCH:
        raise BadInput(said("{drafts} proposals in one transaction", drafts=len(drafts)), expected=said("at most {batch}", batch=BATCH))
    review = review_of(uow, review_id, lock=True)
    require_state(review, ReviewState.SCORED)
    plan = _Plan.read(uow, review, drafts, reviewed_since)
    fresh = [d for d in plan.drafts if plan.is_fresh(d)]
    changing = plan.changing()
    left = [(d.customer_id, newer) for d in changing if (newer := plan.newer_review(d))]
    kept = [d for d in changing if not plan.newer_review(d)]
    _open_accounts(uow, [d for d in kept if d.account_id not in plan.accounts], by)
    proposals = [plan.proposal(d, now) for d in kept]
    older = {p.supersedes_id: p.proposal_id for p in proposals if p.supersedes_id}
    beaten = [plan.open[p.account_id] for p in proposals if p.supersedes_id]
    supersede_proposals(uow, beaten, outcome="newer_review", by=by, now=now, successors=older)
    uow.add(*proposals)
    uow.append(*(created_entry(p, review.manifest_digest, by) for p in proposals))
    return Stored(
        stored=tuple(p.proposal_id for p in proposals),
        existing=len(plan.drafts) - len(fresh),
        unchanged=len(fresh) - len(changing),
        yielded=tuple(left),
    )


def proposals_of(
    uow: UnitOfWork,
    review: Review,
    drafts: Sequence[ProposalDraft],
    now: datetime,
    *,
    reviewed_since: Mapping[str, str] = MappingProxyType({}),
) -> list[Proposal]:
    """What `store_proposals` would store of these drafts, as the record stands in `uow`."""
    plan = _Plan.read(uow, review, drafts, reviewed_since)
    return [plan.proposal(d, now) for d in plan.changing() if not plan.newer_review(d)]


def store_all(
    store: Store,
    review_id: str,
    drafts: Iterable[ProposalDraft],
    clock: Clock,
    *,
    by: str = SYSTEM,
    reviewed_since: Mapping[str, str] = MappingProxyType({}),
) -> Stored:
    """What became of all drafts, stored `AT_ONCE` a transaction, between which the store is free for others. May run again after a crash.

    Drafts are taken as they come, so that few exist at a time. Those that come in order of account id are stored fastest: that is the
    order of the indexes, and a transaction then touches few of their pages.
    """
    total, rest = Stored(), iter(drafts)
    while batch := list(islice(rest, AT_ONCE)):
        with store.begin(interactive=False) as uow:
            total += store_proposals(uow, review_id, batch, clock.now(), by=by, reviewed_since=reviewed_since)
            uow.commit()
    return total


def unchanged(draft: ProposalDraft) -> bool:
    """Whether the draft changes neither amount nor terms nor end of what is in force; then there is nothing to decide."""
    return draft.to_minor == draft.from_minor and draft.terms_days == draft.from_terms_days and draft.effective_to is None


def direction_of(*, from_minor: int | None, to_minor: int, from_terms_days: int | None, terms_days: int | None) -> Direction:
    """Where a change goes: by amount, and where that stays, by terms."""
    if from_minor is None:
        return Direction.NEW
    if to_minor != from_minor:
        return Direction.UP if to_minor > from_minor else Direction.DOWN
    if terms_days == from_terms_days:
        return Direction.SAME
    return Direction.UP if (terms_days or 0) > (from_terms_days or 0) else Direction.DOWN


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is known about the accounts of a batch, read with a fixed number of queries."""

    review: Review
    manifest: Manifest
    drafts: Sequence[ProposalDraft]
    accounts: frozenset[str]
    limits: Mapping[str, CreditLimit]
    mine: Mapping[str, Proposal]
    open: Mapping[str, Proposal]
    newer: frozenset[str]
    since: Mapping[str, str]

    @classmethod
    def read(cls, uow: UnitOfWork, review: Review, drafts: Sequence[ProposalDraft], since: Mapping[str, str]) -> _Plan:
        ids = sorted({d.account_id for d in drafts})
        if len(ids) != len(drafts):
            raise BadInput(said("two drafts of one account in a batch"), expected=said("one draft an account"))
        accounts = frozenset(a.account_id for a in uow.find(LimitAccount, account_id=ids, lock=True)) if ids else frozenset()
        limits = {limit.account_id: limit for limit in uow.find(CreditLimit, account_id=sorted(accounts))} if accounts else {}
        keys = [proposal_id(review.review_id, account) for account in sorted(accounts)]
        mine = uow.find(Proposal, proposal_id=keys) if keys else []
        found = uow.find(Proposal, account_id=ids, state=OPEN_PROPOSAL_STATES, lock=True) if accounts else []
        others = {p.account_id: p for p in found if p.review_id != review.review_id}
        reviews = uow.find(Review, review_id=sorted({p.review_id for p in others.values()})) if others else []
        newer = {r.review_id for r in reviews if (r.as_of, r.started_at) > (review.as_of, review.started_at)}
        return cls(
            review=review,
            manifest=from_json(review.manifest_json),
            drafts=[_on_what_is_in_force(d, limits.get(d.account_id)) for d in drafts],
            accounts=accounts,
            limits=limits,
            mine={p.proposal_id: p for p in mine},
            open=others,
            newer=frozenset(newer),
            since=since,
        )

    def changing(self) -> list[ProposalDraft]:
        """Drafts not stored yet that change something."""
        return [d for d in self.drafts if self.is_fresh(d) and not unchanged(d)]

    def is_fresh(self, draft: ProposalDraft) -> bool:
        """Whether this review has stored no proposal for the account yet."""
        known = self.mine.get(proposal_id(self.review.review_id, draft.account_id))
        if known is not None and known.engine_minor not in (None, draft.to_minor):
            raise ReviewStopped(
                said(
                    "customer {customer_id}: review {review_id} proposed another limit before it was resumed",
                    customer_id=draft.customer_id,
                    review_id=self.review.review_id,
                ),
                expected=said("{engine_minor} minor units, got {to_minor}", engine_minor=known.engine_minor, to_minor=draft.to_minor),
                next_step=said("an input or the code changed while the review ran: start another with --supersede"),
            )
        return known is None

    def newer_review(self, draft: ProposalDraft) -> str:
        """The newer review that has an open proposal for the account, or has reviewed the customer; empty for none."""
        other = self.open.get(draft.account_id)
        return other.review_id if other is not None and other.review_id in self.newer else self.since.get(draft.customer_id, "")

    def proposal(self, draft: ProposalDraft, now: datetime) -> Proposal:
        """The record of a draft, with its packet."""
        limit, older = self.limits.get(draft.account_id), self.open.get(draft.account_id)
        return proposal_record(
            self.review,
            self.manifest,
            draft,
            base_version=limit.version if limit else 0,
            proposer_id=SYSTEM,
            supersedes_id=older.proposal_id if older else None,
            now=now,
        )


def _on_what_is_in_force(draft: ProposalDraft, limit: CreditLimit | None) -> ProposalDraft:
    """The draft against the limit in force here, which is what an approval changes, whatever the ledger showed."""
    amount = limit.amount_minor if limit else None
    terms = limit.terms_days if limit else draft.from_terms_days
    wanted = terms if draft.terms_days is None else draft.terms_days
    if (amount, terms, wanted) == (draft.from_minor, draft.from_terms_days, draft.terms_days):
        return draft
    seen = replace(draft, from_minor=amount, from_terms_days=terms, terms_days=wanted)
    if (amount, terms) == (draft.from_minor, draft.from_terms_days):
        return seen
    way = direction_of(from_minor=amount, to_minor=draft.to_minor, from_terms_days=terms, terms_days=wanted)
    return replace(seen, direction=way, exceptional=(*draft.exceptional, ERP_DIFFERENCE), straight_through_rule="")


def _open_accounts(uow: UnitOfWork, drafts: Sequence[ProposalDraft], by: str) -> None:
    uow.add(*(account_of(d) for d in drafts))
    uow.append(*(account_entry(account_of(d), by) for d in drafts))


def account_of(draft: ProposalDraft) -> LimitAccount:
    """The account record of a draft."""
    return LimitAccount(
        account_id=draft.account_id,
        subject_kind=draft.subject[0],
        subject_id=draft.subject[1],
        legal_entity=draft.legal_entity,
        layer=draft.layer,
        currency=draft.currency,
    )


def account_entry(account: LimitAccount, by: str) -> Entry:
    """The entry of an account that is opened without a limit."""
    data = {"subject": account.subject_id, "legal_entity": account.legal_entity, "layer": account.layer, "currency": account.currency}
    return Entry(action=Action.ACCOUNT_OPENED, actor=actor(by), entity=f"account:{account.account_id}", data=data)


def proposal_record(
    review: Review,
    manifest: Manifest,
    draft: ProposalDraft,
    *,
    base_version: int,
    proposer_id: str,
    supersedes_id: str | None,
    now: datetime,
    engine_minor: int | None = None,
) -> Proposal:
    """The proposal of a draft in state draft, its packet and digest made. `engine_minor` is the draft's figure unless given."""
    key = proposal_id(review.review_id, draft.account_id)
    engine = draft.to_minor if engine_minor is None and proposer_id == SYSTEM else engine_minor
    text = canonical({**packet(review, manifest, draft, key, engine), "supersedes": supersedes_id})
    return Proposal(
        proposal_id=key,
        review_id=review.review_id,
        account_id=draft.account_id,
        customer_id=draft.customer_id,
        group_id=draft.group_id,
        proposer_id=proposer_id,
        state=ProposalState.DRAFT,
        direction=draft.direction,
        currency=draft.currency,
        from_minor=draft.from_minor,
        to_minor=draft.to_minor,
        engine_minor=engine,
        from_terms_days=draft.from_terms_days,
        terms_days=draft.terms_days,
        effective_from=draft.effective_from,
        effective_to=draft.effective_to,
        base_version=base_version,
        grade=draft.grade,
        region=draft.region,
        exposure_minor=draft.exposure_minor,
        own_risk_minor=draft.own_risk_minor,
        exceptional="|".join(draft.exceptional),
        straight_through_rule=draft.straight_through_rule,
        assigned_to="",
        tier="",
        required_approvals=0,
        packet_json=text,
        digest=digest_of(text),
        created_at=now,
        expires_at=None,
        decided_at=None,
        outcome_code="",
        supersedes_id=supersedes_id,
        policy_digest=manifest.policy,
        authority_digest=manifest.authority,
    )


def packet(review: Review, manifest: Manifest, draft: ProposalDraft, key: str, engine_minor: int | None) -> dict[str, Any]:
    """Everything an approver is shown, and so signs. `notes` and `amendments` grow while the proposal is a draft."""
    return {
        "v": PACKET_VERSION,
        "proposal_id": key,
        "supersedes": None,
        "review": {"id": review.review_id, "label": review.label, "kind": review.kind, "as_of": review.as_of.isoformat()},
        "customer_id": draft.customer_id,
        "customer_name": draft.customer_name,
        "group_id": draft.group_id,
        "region": draft.region,
        "portfolio": draft.portfolio,
        "status": draft.status,
        "account_id": draft.account_id,
        "legal_entity": draft.legal_entity,
        "layer": draft.layer,
        "currency": draft.currency,
        "from_minor": draft.from_minor,
        "from_terms_days": draft.from_terms_days,
        "to_minor": draft.to_minor,
        "terms_days": draft.terms_days,
        "effective_from": draft.effective_from.isoformat(),
        "effective_to": draft.effective_to.isoformat() if draft.effective_to else None,
        "notice_working_days": draft.notice_working_days,
        "engine_minor": engine_minor,
        "exposure_minor": draft.exposure_minor,
        "own_risk_minor": draft.own_risk_minor,
        "overdue_minor": draft.overdue_minor,
        "blocked_orders_minor": draft.blocked_orders_minor,
        "over_limit_minor": draft.over_limit_minor,
        "grade": draft.grade,
        "points": draft.points,
        "pd": draft.pd,
        "reasons": list(draft.reasons),
        "account_owner": draft.account_owner,
        "facts": dict(draft.facts),
        "derivation": [[packed(label), packed(figure)] for label, figure in draft.derivation],
        "exceptional": list(draft.exceptional),
        "substitutes": list(draft.substitutes),
        "request": dict(draft.request) if draft.request else None,
        "notes": [],
        "amendments": [],
        "manifest": review.manifest_digest,
        "policy": manifest.policy,
        "authority": manifest.authority,
        "scorecard": manifest.scorecard,
    }


def created_entry(proposal: Proposal, manifest_digest: str, by: str) -> Entry:
    """The entry of a new proposal: ids, amounts and digests."""
    data = {**created_data(proposal), "direction": proposal.direction, "manifest": manifest_digest}
    return Entry(action=Action.PROPOSAL_CREATED, actor=actor(by), entity=f"proposal:{proposal.proposal_id}", data=data)
